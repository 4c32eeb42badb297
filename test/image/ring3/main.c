/*
 * An image that turns on what stands under it in a virtual machine, in the way that
 * --attack names; test/vm/ring3.py runs it once for each, on Kiln's monitor and on QEMU.
 * It prints "survived" if it was not ended for it.
 */
#include <kiln/appliance.h>

KILN_PARAM_STRING(attack, "none", "what to try");

#include "../memory_attacks.h"

enum { CALL_WAIT = 0, CALL_WRITE = 1, CALL_UNKNOWN = 3 }; /* target/vm/stub.h */

/* The image's gate to its stub. */
uint64_t vm_gate(uint64_t call, uint64_t a, uint64_t b);
/* From the linker's script: the stub's own pages. */
extern uint8_t stub_text_start[], stub_data_start[], pvh_start[];

/* ---- what is the stub's ---- */

static bool try_stub(void)
{
	if (is("read-stub-text"))
		read_from(stub_text_start);
	else if (is("read-stub-data"))
		read_from(stub_data_start);
	else if (is("run-stub-boot"))
		((void (*)(void))(uintptr_t)pvh_start)();
	else if (is("read-physical"))
		read_from((const void *)(uintptr_t)0x100000);
	else if (is("jump-nowhere"))
		((void (*)(void))0x8000000000000000u)();
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
	else if (!try_memory(k) && !try_stub() && !try_privileged() && !try_gate(k) &&
	         !is("none"))
		kiln_fail(k, "attack", "there is no '%s'", attack);
	kiln_print(k, SLICE("survived\n"));
	return 0;
}
