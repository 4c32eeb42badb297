/*
 * Attacks on memory that an image can try on every sealed target: included by the images
 * attack (jail) and ring3 (vm), which declare the parameter `attack` before.
 */
#ifndef TEST_IMAGE_MEMORY_ATTACKS_H
#define TEST_IMAGE_MEMORY_ATTACKS_H

#include <kiln/appliance.h>

static volatile uint64_t data_word;
static const uint64_t constant_words[] = {1, 2};
/* Hold addresses, so they are relocated at start. */
static const char *const relocated_words[] = {"one", "two"};

static bool is(const char *name)
{
	return slice_equal(slice_text(attack), slice_text(name));
}

static void overflow_stack(volatile uint64_t *below)
{
	volatile uint64_t frame[128];

	frame[0] = *below;
	if (frame[0] == 0)
		overflow_stack(frame);
	frame[1] = frame[0]; /* not a tail call */
}

static void write_to(const volatile void *address)
{
	*(volatile uint64_t *)(uintptr_t)address = 0;
}

static void read_from(const volatile void *address)
{
	data_word = *(const volatile uint8_t *)address;
}

static void run_at(const volatile void *address)
{
	*(volatile uint8_t *)(uintptr_t)address = 0xc3; /* ret */
	((void (*)(void))(uintptr_t)address)();
}

__attribute__((noinline)) static void overrun_local(uint64_t size)
{
	volatile uint8_t local[16] = {0};

	for (uint64_t i = 0; i < size; i++)
		local[i] = 0x41;
	data_word = local[0];
}

/* Makes the attack of that name; false if it is none of these. */
static bool try_memory(struct kiln *k)
{
	volatile uint64_t local = 0;
	uintptr_t memory = k->boot->memory;

	if (is("write-text"))
		write_to((const void *)(uintptr_t)appliance);
	else if (is("write-constant"))
		write_to(constant_words);
	else if (is("write-relocated"))
		write_to(relocated_words);
	else if (is("write-boot"))
		write_to(k->boot);
	else if (is("write-null"))
		write_to(NULL);
	else if (is("run-data"))
		run_at(&data_word);
	else if (is("run-stack"))
		run_at(&local);
	else if (is("run-memory"))
		run_at((const void *)memory);
	else if (is("read-before-memory"))
		read_from((const void *)(memory - 8));
	else if (is("write-before-memory"))
		write_to((const void *)(memory - 8));
	else if (is("read-behind-memory"))
		read_from((const void *)(memory + k->boot->memory_size));
	else if (is("overflow-stack"))
		overflow_stack(&data_word);
	else if (is("overrun-local"))
		overrun_local(data_word + 64);
	else
		return false;
	return true;
}

#endif
