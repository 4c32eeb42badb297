/*
 * The part of the stub that runs once, at boot: what its two files share. Everything is
 * in ring 0, at physical addresses that equal the virtual ones, and gone from ring 3's
 * tables.
 */
#ifndef VM_STUB_BOOT_H
#define VM_STUB_BOOT_H

#include "stub.h"

#define BOOT_CODE                                                 \
	__attribute__((section(".stub.boot"), no_stack_protector, \
	               target("general-regs-only")))
/* A text that lies with this code, and so needs no relocation. */
#define BOOT_TEXT(literal)                                                        \
	({                                                                        \
		static const char boot_text_[]                                    \
		    __attribute__((section(".stub.boot.constant"), aligned(1))) = \
		        literal;                                                  \
		boot_text_;                                                       \
	})

#define LAPIC_BASE 0xfee00000ull

struct clock {
	uint64_t tsc_hz;
	uint64_t tsc_base;
	uint64_t wall_base; /* ns since 1970 at tsc_base; 0: unknown */
};

#pragma GCC visibility push(hidden)

/* Says why on the serial port and ends the virtual machine. */
_Noreturn void boot_fail(const char *why);
void boot_say(const char *text);
/* 64 bits from the processor's generator; a mix of time stamps where it has none. */
uint64_t boot_random(void);

/* Turns on what the processor has against mistakes: NX, WP, SMEP, SMAP, UMIP; and the
 * vector registers. */
void boot_protect(void);
/* The interrupt controllers: everything from devices ends a `hlt`, nothing does more. */
void boot_interrupts(void);
/* How fast the time-stamp counter and the APIC's timer run, and what time it is. */
void boot_clock(struct clock *clock);
/* Descriptor tables and the gate, for the addresses that ring 3's tables give the stub.
 */
void boot_descriptors(void);

#pragma GCC visibility pop

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

STUB_INLINE struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid c;

	__asm__ volatile("cpuid"
	                 : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx)
	                 : "a"(leaf), "c"(0));
	return c;
}

/* The leaf, or zeroes where the processor has no such leaf. */
STUB_INLINE struct cpuid cpuid_if(uint32_t leaf)
{
	struct cpuid none = {0, 0, 0, 0};

	return cpuid(leaf & 0xf0000000).eax >= leaf ? cpuid(leaf) : none;
}

#endif
