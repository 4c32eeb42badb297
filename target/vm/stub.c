/*
 * What stays of the stub once ring 3 runs: the three calls of the gate, and the report of
 * a fault. Everything runs with interrupts off and to its end; a wait is the only place
 * where they are let in. See stub.h for the rules of this code.
 */
#include "stub.h"

static STUB_CONSTANT const char text_fault[] = "\nkiln: fault ";
static STUB_CONSTANT const char text_code[] = ", code ";
static STUB_CONSTANT const char text_image[] = ", at image+";
static STUB_CONSTANT const char text_address[] = ", address ";
static STUB_CONSTANT const char text_registers[] = "\nregisters ";
static STUB_CONSTANT const char text_stack[] = "\nstack ";
static STUB_CONSTANT const char text_next[] = " ";

/*
 * Ends the virtual machine: by QEMU's debug exit device, or by a triple fault where there
 * is none. QEMU's exit code is then 0x81 + 2 * status, which no failure of its own has.
 */
STUB_CODE void stub_exit(uint64_t status)
{
	struct stub_table_register none = {.limit = 0, .base = 0};

	out32(0x501, 0x40 | (status < 0x3f ? (uint32_t)status : 0x3f));
	__asm__ volatile("lidt %0; ud2" : : "m"(none.limit));
	for (;;)
		__asm__ volatile("hlt");
}

/* One shot of the timer at that instant of the TSC; false if it has come. */
static STUB_CODE bool arm(uint64_t at)
{
	uint64_t now = stub_tsc(), ticks;

	if (at <= now)
		return false;
	if (!stub.lapic_per_tsc) {
		stub_wrmsr(MSR_TSC_DEADLINE, at);
		return true;
	}
	ticks =
	    at - now < 1ull << 31 ? (at - now) * stub.lapic_per_tsc >> 32 : UINT32_MAX;
	if (ticks > UINT32_MAX)
		ticks = UINT32_MAX;
	*stub_register(stub.lapic, LAPIC_COUNT) =
	    (uint32_t)ticks + 1 ? (uint32_t)ticks + 1 : UINT32_MAX;
	return true;
}

/*
 * An interrupt that came since the last wait is pending still, for ring 3 runs with them
 * off: it ends this one at once, so that no wake-up is lost. Returns 1 after Ctrl-C.
 */
static STUB_CODE uint64_t wait(uint64_t at)
{
	if (stub.stop || !arm(at))
		return stub.stop;
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	if (!stub.lapic_per_tsc)
		stub_wrmsr(MSR_TSC_DEADLINE, 0);
	else
		*stub_register(stub.lapic, LAPIC_COUNT) = 0;
	return stub.stop;
}

static STUB_CODE bool readable(uint64_t address, uint64_t size)
{
	for (unsigned i = 0; i < STUB_RANGES; i++) {
		const struct stub_range *range = &stub.ranges[i];
		if (address >= range->start && address <= range->end &&
		    size <= range->end - address)
			return true;
	}
	return false;
}

static STUB_CODE uint64_t write(uint64_t address, uint64_t size)
{
	const volatile uint8_t *at = (const volatile uint8_t *)(uintptr_t)address;

	if (!readable(address, size))
		return 1;
	if (stub.smap)
		__asm__ volatile("stac" : : : "memory");
	for (uint64_t i = 0; i < size; i++)
		stub_serial(at[i]);
	if (stub.smap)
		__asm__ volatile("clac" : : : "memory");
	return 0;
}

STUB_CODE uint64_t stub_call(uint64_t call, uint64_t a, uint64_t b)
{
	if (call == STUB_CALL_WAIT)
		return wait(a);
	if (call == STUB_CALL_WRITE)
		return write(a, b);
	if (call == STUB_CALL_EXIT)
		stub_exit(a);
	return UINT64_MAX;
}

static STUB_CODE void report(const char *text, uint64_t value)
{
	bool leading = true;

	for (; *text; text++)
		stub_serial((uint8_t)*text);
	for (int shift = 60; shift >= 0; shift -= 4) {
		uint8_t digit = value >> shift & 15;
		leading = leading && digit == 0 && shift > 0;
		if (!leading)
			stub_serial(digit < 10 ? '0' + digit : 'a' - 10 + digit);
	}
}

/* What ring 3 has on its stack, from where it stands: its address, then its words. A stack
 * pointer just below it has grown over its end. */
static STUB_CODE void report_stack(uint64_t at)
{
	enum { GUARD = 4096, WORDS_MOST = 8192 };

	for (unsigned i = 1; i < STUB_RANGES; i++) {
		const struct stub_range *range = &stub.ranges[i];
		if (at < range->start - GUARD || at >= range->end)
			continue;
		at = at < range->start ? range->start : at & ~7ull;
		report(text_stack, at);
		for (unsigned n = 0; n < WORDS_MOST && at < range->end; n++, at += 8)
			report(text_next, *(const volatile uint64_t *)(uintptr_t)at);
	}
}

/*
 * An exception, of ring 3 or of the stub itself: says what is known, all of it in
 * hexadecimal, and ends the virtual machine. The format is read by tool/serial.c:
 *
 *	kiln: fault VECTOR, code CODE, at image+OFFSET, address CR2
 *	registers r15 r14 r13 r12 r11 r10 r9 r8 rbp rdi rsi rdx rcx rbx rax
 *		vector code rip cs rflags rsp ss                         (one line)
 *	stack ADDRESS WORD...                                            (one line)
 */
STUB_CODE void stub_fault(const struct stub_frame *frame)
{
	const uint64_t *registers = &frame->r15;
	uint64_t address;

	__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	report(text_fault, frame->vector);
	report(text_code, frame->code);
	report(text_image, frame->rip - stub.image_base);
	report(text_address, address);
	for (unsigned i = 0; i < sizeof(*frame) / sizeof(*registers); i++)
		report(i ? text_next : text_registers, registers[i]);
	if (stub.smap)
		__asm__ volatile("stac" : : : "memory");
	report_stack(frame->rsp);
	stub_serial('\n');
	stub_exit(1);
}
