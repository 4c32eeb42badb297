/*
 * The words that the attacking images understand. What is tried is not written here but in
 * tables that can be read as such, test/jail/attempts and test/vm/attempts: a line each, which
 * test/attempts.py hands to the image as --attack. It does one after the other:
 *
 *	read PLACE, write PLACE   8 bytes
 *	put PLACE VALUE           the same, to its own memory
 *	run PLACE HEX             puts these bytes there, and jumps to them
 *	jump PLACE
 *	do INSTRUCTION            of instructions.h
 *	overflow, overrun         the stack, a local array
 *	crash RIP RSP RBP         goes on there, with such a stack, for those who look at its end
 *	where                     prints addresses
 *	print HEX                 prints these bytes
 *	wait                      runs on until it is asked to stop
 *
 * A PLACE is a number or a name, plus or minus others: "memory-8". An image that includes this
 * declares the parameter `attack` before, and adds names and words of its own. Whoever is still
 * there after its attack prints "survived", if its text and constants are what they were.
 */
#ifndef TEST_IMAGE_ATTACK_H
#define TEST_IMAGE_ATTACK_H

#include <elf.h>
#include <kiln/appliance.h>
#include "instructions.h"

struct attack {
	struct kiln *kiln;
	struct slice words; /* those that are left */
};

static volatile uint64_t data_word[64];
static const uint64_t constant_words[] = {1, 2};
/* Hold addresses, so they are relocated at start. */
static const char *const relocated_words[] = {"one", "two"};

/* The image's own names; false if it has none such. */
static bool own_place(struct attack *a, struct slice name, uint64_t *value);

static struct slice next_word(struct attack *a)
{
	struct slice words = slice_trim(a->words, ' ');
	struct slice word = slice_take(words, slice_find(words, ' '));

	a->words = slice_skip(words, word.len);
	return word;
}

static _Noreturn void cannot_read(struct attack *a, struct slice word)
{
	kiln_fail(a->kiln, "attack", "what is '%.*s'?", SLICE_ARG(word));
}

static bool hexadecimal(struct slice digits, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < digits.len; i++) {
		uint8_t c = digits.data[i] | 0x20;
		bool letter = c >= 'a' && c <= 'f';
		if (!letter && (c < '0' || c > '9'))
			return false;
		*value = *value << 4 | (uint64_t)(letter ? c - 'a' + 10 : c - '0');
	}
	return digits.len > 0;
}

static bool shared_place(struct attack *a, struct slice name, uint64_t *value)
{
	const struct kiln_boot *boot = a->kiln->boot;
	const struct {
		struct slice name;
		uint64_t value;
	} places[] = {
	    {SLICE("text"), (uintptr_t)appliance},
	    {SLICE("constant"), (uintptr_t)constant_words},
	    {SLICE("relocated"), (uintptr_t)relocated_words},
	    {SLICE("data"), (uintptr_t)data_word},
	    {SLICE("stack"), (uintptr_t)__builtin_frame_address(0) - 256},
	    {SLICE("boot"), (uintptr_t)boot},
	    {SLICE("memory"), boot->memory},
	    {SLICE("end"), boot->memory + boot->memory_size},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (slice_equal(name, places[i].name)) {
			*value = places[i].value;
			return true;
		}
	}
	return false;
}

static uint64_t term(struct attack *a, struct slice name)
{
	uint64_t value;

	if (slice_starts_with(name, SLICE("0x")) &&
	    hexadecimal(slice_skip(name, 2), &value))
		return value;
	if (slice_decimal(name, UINT64_MAX, &value) || shared_place(a, name, &value) ||
	    own_place(a, name, &value))
		return value;
	cannot_read(a, name);
}

/* A sum of names and numbers. */
static uint64_t value_of(struct attack *a, struct slice word)
{
	uint64_t sum = 0;

	while (word.len) {
		bool minus = word.data[0] == '-';
		struct slice name =
		    slice_skip(word, minus || word.data[0] == '+' ? 1 : 0);
		size_t plus = slice_find(name, '+'), end = slice_find(name, '-');
		name = slice_take(name, plus < end ? plus : end);
		sum += minus ? -term(a, name) : term(a, name);
		word = slice_skip(word, (size_t)(name.data + name.len - word.data));
	}
	return sum;
}

/* The next word; 0 if there is none. */
static uint64_t next_value(struct attack *a)
{
	return value_of(a, next_word(a));
}

static void put_bytes(struct attack *a, volatile uint8_t *to, struct slice hex)
{
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		uint64_t byte;
		if (!hexadecimal(slice_take(slice_skip(hex, i), 2), &byte))
			cannot_read(a, hex);
		to[i / 2] = (uint8_t)byte;
	}
}

static void print_bytes(struct attack *a, struct slice hex)
{
	uint8_t bytes[128];

	hex = slice_take(hex, 2 * sizeof(bytes));
	put_bytes(a, bytes, hex);
	kiln_print(a->kiln, slice_of(bytes, hex.len / 2));
}

static _Noreturn void crash_at(uint64_t rip, uint64_t rsp, uint64_t rbp)
{
	__asm__ volatile("mov %1, %%rsp\n\tmov %2, %%rbp\n\tjmp *%0"
	                 :
	                 : "a"(rip), "b"(rsp), "c"(rbp));
	__builtin_unreachable();
}

static void overflow_stack(volatile uint64_t *below)
{
	volatile uint64_t frame[128];

	frame[0] = *below;
	if (frame[0] == 0)
		overflow_stack(frame);
	frame[1] = frame[0]; /* not a tail call */
}

__attribute__((noinline)) static void overrun_local(uint64_t size)
{
	volatile uint8_t local[16] = {0};

	for (uint64_t i = 0; i < size; i++)
		local[i] = 0x41;
	data_word[0] = local[0];
}

static void print_places(struct attack *a)
{
	static const char *const names[] = {"text", "data", "stack", "boot", "memory"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		kiln_printf(a->kiln, "%s 0x%llx\n", names[i],
		            (unsigned long long)value_of(a, slice_text(names[i])));
}

/* Does what `verb` says; false if it is none of these. */
static bool try_shared(struct attack *a, struct slice verb)
{
	if (slice_equal(verb, SLICE("read"))) {
		data_word[0] = *(volatile uint64_t *)(uintptr_t)next_value(a);
	} else if (slice_equal(verb, SLICE("write"))) {
		*(volatile uint64_t *)(uintptr_t)next_value(a) = 0;
	} else if (slice_equal(verb, SLICE("run"))) {
		uint64_t place = next_value(a);
		put_bytes(a, (volatile uint8_t *)(uintptr_t)place, next_word(a));
		((void (*)(void))(uintptr_t)place)();
	} else if (slice_equal(verb, SLICE("jump"))) {
		((void (*)(void))(uintptr_t)next_value(a))();
	} else if (slice_equal(verb, SLICE("do"))) {
		if (!do_instruction(next_word(a)))
			cannot_read(a, verb);
	} else if (slice_equal(verb, SLICE("crash"))) {
		uint64_t rip = next_value(a), rsp = next_value(a);
		crash_at(rip, rsp, next_value(a));
	} else if (slice_equal(verb, SLICE("put"))) {
		uint64_t place = next_value(a);
		*(volatile uint64_t *)(uintptr_t)place = next_value(a);
	} else if (slice_equal(verb, SLICE("print"))) {
		print_bytes(a, next_word(a));
	} else if (slice_equal(verb, SLICE("overflow"))) {
		overflow_stack(data_word);
	} else if (slice_equal(verb, SLICE("overrun"))) {
		overrun_local(data_word[0] + 64);
	} else if (slice_equal(verb, SLICE("where"))) {
		print_places(a);
	} else {
		return slice_equal(verb, SLICE("none"));
	}
	return true;
}

/* The ELF header, where the linker's script has put it: at the image's beginning. */
extern const Elf64_Ehdr __ehdr_start;

/* A checksum of all that is sealed: text and constants as they are in memory. */
static uint64_t sealed_sum(void)
{
	const uint8_t *base = (const uint8_t *)&__ehdr_start;
	const Elf64_Phdr *segment =
	    (const Elf64_Phdr *)(uintptr_t)(base + __ehdr_start.e_phoff);
	uint64_t sum = 0xcbf29ce484222325; /* FNV-1a */

	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++, segment++) {
		if (segment->p_type != PT_LOAD ||
		    segment->p_flags & (PF_W | KILN_SEGMENT_STUB))
			continue;
		for (uint64_t at = 0; at < segment->p_memsz; at++)
			sum = (sum ^ base[segment->p_vaddr + at]) * 0x100000001b3;
	}
	return sum;
}

/* The whole of an attacking image: `try_own` knows the words that are its own. */
static int attack_main(struct kiln *k,
                       bool (*try_own)(struct attack *a, struct slice verb))
{
	struct attack a = {k, slice_text(attack)};
	struct slice verb = next_word(&a);
	uint64_t before = sealed_sum();

	if (slice_equal(verb, SLICE("wait")))
		return kiln_run(k);
	for (; verb.len; verb = next_word(&a))
		if (!try_shared(&a, verb) && !try_own(&a, verb))
			cannot_read(&a, verb);
	kiln_print(k, sealed_sum() == before ? SLICE("survived\n")
	                                     : SLICE("the seal is broken\n"));
	return 0;
}

#endif
