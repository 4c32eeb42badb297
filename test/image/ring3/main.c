/*
 * An image that turns on what stands under it in a virtual machine, in the way that
 * --attack names; test/vm/ring3.py runs it once for each, on Kiln's monitor and on QEMU.
 * It prints "survived" if it was not ended for it.
 */
#include <kiln/appliance.h>

KILN_PARAM_STRING(attack, "none", "what to try");

enum { CALL_WAIT = 0, CALL_WRITE = 1, CALL_UNKNOWN = 3 }; /* target/vm/stub.h */

/* The image's gate to its stub. */
uint64_t vm_gate(uint64_t call, uint64_t a, uint64_t b);
/* From the linker's script: the stub's own pages. */
extern uint8_t stub_text_start[], stub_data_start[], pvh_start[];

static volatile uint64_t data_word;
static const uint64_t constant_words[] = {1, 2};
/* Hold addresses, so they are relocated at start. */
static const char *const relocated_words[] = {"one", "two"};

static bool is(const char *name)
{
	return slice_equal(slice_text(attack), slice_text(name));
}

/* ---- memory ---- */

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
	else if (is("write-before-memory"))
		write_to((const void *)(memory - 8));
	else if (is("read-behind-memory"))
		read_from((const void *)(memory + k->boot->memory_size));
	else if (is("read-stub-text"))
		read_from(stub_text_start);
	else if (is("read-stub-data"))
		read_from(stub_data_start);
	else if (is("run-stub-boot"))
		((void (*)(void))(uintptr_t)pvh_start)();
	else if (is("read-physical"))
		read_from((const void *)(uintptr_t)0x100000);
	else if (is("jump-nowhere"))
		((void (*)(void))0x8000000000000000u)();
	else if (is("overflow-stack"))
		overflow_stack(&data_word);
	else if (is("overrun-local"))
		overrun_local(data_word + 64);
	else
		return false;
	return true;
}

/* ---- instructions that are not ring 3's ---- */

static bool try_privileged(void)
{
	uint64_t value = 0;

	if (is("hlt"))
		__asm__ volatile("hlt");
	else if (is("cli"))
		__asm__ volatile("cli");
	else if (is("sti"))
		__asm__ volatile("sti");
	else if (is("out"))
		__asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"(0x3f8));
	else if (is("in"))
		__asm__ volatile("inb %%dx, %%al" : "=a"(value) : "d"(0x3f8));
	else if (is("read-cr3"))
		__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	else if (is("write-cr0"))
		__asm__ volatile("mov %0, %%cr0" : : "r"(value));
	else if (is("rdmsr"))
		__asm__ volatile("rdmsr" : : "c"(0xc0000082) : "rax", "rdx");
	else if (is("wrmsr"))
		__asm__ volatile("wrmsr" : : "c"(0xc0000082), "a"(0), "d"(0));
	else if (is("lidt"))
		__asm__ volatile("lidt (%0)" : : "r"(&data_word) : "memory");
	else if (is("int3"))
		__asm__ volatile("int3");
	else if (is("int80"))
		__asm__ volatile("int $0x80" : : "a"(1));
	else
		return false;
	data_word = value;
	return true;
}

/* ---- the gate: refused, and the image goes on ---- */

static bool refused(struct kiln *k, uint64_t call, uint64_t a, uint64_t b)
{
	bool no = vm_gate(call, a, b) != 0;

	kiln_print(k, no ? SLICE("refused\n") : SLICE("taken\n"));
	return no;
}

static bool try_gate(struct kiln *k)
{
	if (is("gate-unknown"))
		refused(k, CALL_UNKNOWN, 0, 0);
	else if (is("gate-stub"))
		refused(k, CALL_WRITE, (uintptr_t)stub_data_start, 64);
	else if (is("gate-null"))
		refused(k, CALL_WRITE, 0, 1);
	else if (is("gate-kernel"))
		refused(k, CALL_WRITE, 0xffff800000000000, 1);
	else if (is("gate-wrap"))
		refused(k, CALL_WRITE, (uintptr_t)constant_words, UINT64_MAX);
	else if (is("gate-end"))
		refused(k, CALL_WRITE, k->boot->memory + k->boot->memory_size - 1, 2);
	else
		return false;
	return true;
}

int appliance(struct kiln *k)
{
	if (is("wait"))
		return kiln_run(k);
	if (is("where"))
		kiln_printf(k, "at %p\n", (void *)(uintptr_t)appliance);
	else if (!try_memory(k) && !try_privileged() && !try_gate(k) && !is("none"))
		kiln_fail(k, "attack", "there is no '%s'", attack);
	kiln_print(k, SLICE("survived\n"));
	return 0;
}
