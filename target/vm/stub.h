/*
 * The privileged stub of an image that boots without Kiln's monitor: what its files
 *share.
 *
 *	stub_entry.S  from the PVH entry into long mode; into ring 3; the gate; exceptions
 *	stub_boot.c   tables, devices, clock, the boot struct: runs once, at physical
 *addresses stub.c        what stays: waiting, serial output, exit, the fault report
 *
 * Ring 3 reaches it by the `syscall` instruction only (gate.S), for the calls of enum
 * stub_call. Nothing here may use the image's own constants, data or functions: they are
 * ring 3's pages, which SMAP and SMEP keep from ring 0. Hence the section macros, no
 *string literals in stub.c, and no library calls. Interrupts are off but in the `hlt` of
 *a wait.
 */
#ifndef VM_STUB_H
#define VM_STUB_H

/* Offsets into struct stub, for the assembler. */
#define STUB_USER_STACK 0
#define STUB_LAPIC      8
#define STUB_TABLES     16
#define STUB_OFFSET     24
#define STUB_ENTRY      32
#define STUB_STACK      40
#define STUB_BOOT       48
#define STUB_STOP       56
#define STUB_GDTR       64
#define STUB_IDTR       80
#define STUB_IMAGE_BASE 96

/* Selectors as `syscall` and `sysret` want them: the user's are as under Kiln's monitor.
 */
#define STUB_KERNEL_CODE 0x10
#define STUB_KERNEL_DATA 0x18
#define STUB_USER_DATA   0x2b
#define STUB_USER_CODE   0x33
#define STUB_TASK        0x38

#define STUB_VECTOR_TIMER    0x20
#define STUB_VECTOR_DEVICE   0x21
#define STUB_VECTOR_SERIAL   0x22
#define STUB_VECTOR_SPURIOUS 0x2f
#define STUB_VECTORS         0x30

#define STUB_EXCEPTIONS       0x20
#define STUB_EXCEPTION_STRIDE 9

#define STUB_SIZE       1104 /* of struct stub */
#define STUB_STACK_SIZE 2048
#define STUB_SERIAL     0x3f8

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stub_call {
	STUB_CALL_WAIT = 0,  /* until an interrupt, or the TSC reaches the argument */
	STUB_CALL_WRITE = 1, /* address, size: to the serial port */
	STUB_CALL_EXIT = 2,  /* status */
};

/* A range of ring 3's memory that the gate may read. */
struct stub_range {
	uint64_t start, end;
};

enum { STUB_RANGES = 3 };

struct stub_table_register {
	uint16_t padding[3];
	uint16_t limit;
	uint64_t base;
};

/* All the state that the stub has. Pointers are virtual addresses. */
struct stub {
	uint64_t user_stack;         /* while the gate is in use */
	uint64_t lapic;              /* the local APIC's registers */
	uint64_t tables;             /* ring 3's, for cr3 */
	uint64_t offset;             /* virtual - physical */
	uint64_t entry, stack, boot; /* what ring 3 starts with */
	uint32_t stop;               /* Ctrl-C came in on the serial port */
	uint32_t smap;
	struct stub_table_register gdtr, idtr;
	uint64_t image_base;
	uint64_t
	    lapic_per_tsc; /* timer ticks in a tick of the TSC, 32.32; 0: deadline mode */
	struct stub_range ranges[STUB_RANGES];
	uint64_t gdt[9];
	uint64_t task[13];
	uint64_t idt[STUB_VECTORS][2];
};

_Static_assert(sizeof(struct stub) == STUB_SIZE, "stub_entry.S");
_Static_assert(offsetof(struct stub, user_stack) == STUB_USER_STACK, "stub_entry.S");
_Static_assert(offsetof(struct stub, lapic) == STUB_LAPIC, "stub_entry.S");
_Static_assert(offsetof(struct stub, tables) == STUB_TABLES, "stub_entry.S");
_Static_assert(offsetof(struct stub, offset) == STUB_OFFSET, "stub_entry.S");
_Static_assert(offsetof(struct stub, entry) == STUB_ENTRY, "stub_entry.S");
_Static_assert(offsetof(struct stub, stack) == STUB_STACK, "stub_entry.S");
_Static_assert(offsetof(struct stub, boot) == STUB_BOOT, "stub_entry.S");
_Static_assert(offsetof(struct stub, stop) == STUB_STOP, "stub_entry.S");
_Static_assert(offsetof(struct stub, gdtr) == STUB_GDTR, "stub_entry.S");
_Static_assert(offsetof(struct stub, idtr) == STUB_IDTR, "stub_entry.S");
_Static_assert(offsetof(struct stub, image_base) == STUB_IMAGE_BASE, "stub_entry.S");

/* An exception as stub_entry.S leaves it on the stack. */
struct stub_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, code;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Everything that runs in ring 0: no SSE registers (they are ring 3's), no stack guard
 * (it lies in ring 3's data). */
#define STUB_CODE                                                 \
	__attribute__((section(".stub.text"), no_stack_protector, \
	               target("general-regs-only")))
#define STUB_CONSTANT __attribute__((section(".stub.text.constant"), aligned(1)))
#define STUB_INLINE                                                             \
	static inline __attribute__((always_inline, unused, no_stack_protector, \
	                             target("general-regs-only")))

#pragma GCC visibility push(hidden)

extern struct stub stub;
extern uint8_t stub_stack_end[], stub_fault_stack_end[];
extern uint8_t stub_exceptions[], stub_interrupt[], stub_serial_interrupt[],
    stub_spurious[], stub_gate[];
extern uint64_t stub_tables[6][512];

/* From image.ld. */
extern uint8_t image_start[], image_end[], stub_text_start[], stub_text_end[],
    stub_data_start[], stub_data_end[];

uint64_t stub_call(uint64_t call, uint64_t a, uint64_t b);
_Noreturn void stub_fault(const struct stub_frame *frame);
_Noreturn void stub_exit(uint64_t status);

#pragma GCC visibility pop

STUB_INLINE void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

STUB_INLINE void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

STUB_INLINE uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

STUB_INLINE uint64_t stub_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

STUB_INLINE void stub_wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
	                 :
	                 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
	                 : "memory");
}

STUB_INLINE uint64_t stub_rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

STUB_INLINE volatile uint32_t *stub_register(uint64_t base, unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(base + offset);
}

/* A byte to the serial port, when it can take one; a port that never can is given up. */
STUB_INLINE void stub_serial(uint8_t byte)
{
	for (unsigned tries = 0; tries < 100000; tries++) {
		if (in8(STUB_SERIAL + 5) & 0x20)
			break;
	}
	out8(STUB_SERIAL, byte);
}

enum {
	LAPIC_ID = 0x20,
	LAPIC_TASK_PRIORITY = 0x80,
	LAPIC_END_OF_INTERRUPT = 0xb0,
	LAPIC_SPURIOUS = 0xf0,
	LAPIC_TIMER = 0x320,
	LAPIC_LINT0 = 0x350,
	LAPIC_LINT1 = 0x360,
	LAPIC_ERROR = 0x370,
	LAPIC_COUNT = 0x380,
	LAPIC_NOW = 0x390,
	LAPIC_DIVIDE = 0x3e0,
	LAPIC_MASKED = 1 << 16,
	LAPIC_DEADLINE = 2 << 17,
};
enum { MSR_TSC_DEADLINE = 0x6e0 };
#endif

#endif
