/*
 * The processor, the interrupt controllers and the clocks of the machine that a PVH
 * loader gives us. Runs once, at boot; called by stub_boot.c only.
 */
#include "stub_boot.h"

enum {
	MSR_APIC_BASE = 0x1b,
	MSR_EFER = 0xc0000080,
	MSR_STAR,
	MSR_LSTAR,
	MSR_CSTAR,
	MSR_SYSCALL_MASK,
	MSR_KVM_WALL_CLOCK = 0x4b564d00,
	MSR_KVM_SYSTEM_TIME = 0x4b564d01,
};
enum { EFER_SYSCALL = 1, EFER_NX = 1 << 11 };
enum { CR0_EXTENSION = 1 << 4, CR0_NUMERIC = 1 << 5, CR0_WRITE_PROTECT = 1 << 16 };
enum { CR0_MONITOR = 1 << 1, CR0_EMULATION = 1 << 2, CR0_TASK_SWITCHED = 1 << 3 };
enum {
	CR4_FXSAVE = 1 << 9,
	CR4_SIMD_EXCEPTIONS = 1 << 10,
	CR4_UMIP = 1 << 11,
	CR4_XSAVE = 1 << 18,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
};
/* CPUID bits. */
enum { CPU1C_DEADLINE = 1 << 24, CPU1C_XSAVE = 1 << 26, CPU1C_RDRAND = 1 << 30 };
enum { CPU7B_SMEP = 1 << 7, CPU7B_SMAP = 1 << 20, CPU7C_UMIP = 1 << 2 };

BOOT_CODE uint64_t boot_random(void)
{
	uint64_t value = stub_tsc();

	if (cpuid(1).ecx & CPU1C_RDRAND) {
		uint64_t drawn;
		bool good;
		for (unsigned tries = 0; tries < 10; tries++) {
			__asm__ volatile("rdrand %0" : "=r"(drawn), "=@ccc"(good));
			if (good)
				return drawn ^ value;
		}
	}
	/* The finaliser of splitmix64: the low bits of the counter, spread. */
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

BOOT_CODE void boot_protect(void)
{
	struct cpuid one = cpuid(1), seven = cpuid_if(7);
	uint64_t cr0, cr4, efer = stub_rdmsr(MSR_EFER) | EFER_SYSCALL;

	if (!(cpuid_if(0x80000001).edx & 1 << 20))
		boot_fail(BOOT_TEXT("the processor has no NX"));
	stub_wrmsr(MSR_EFER, efer | EFER_NX);

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	cr0 &= ~(uint64_t)(CR0_EMULATION | CR0_TASK_SWITCHED);
	cr0 |= CR0_WRITE_PROTECT | CR0_NUMERIC | CR0_EXTENSION | CR0_MONITOR;
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0));

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 |= CR4_FXSAVE | CR4_SIMD_EXCEPTIONS;
	if (one.ecx & CPU1C_XSAVE)
		cr4 |= CR4_XSAVE;
	if (seven.ebx & CPU7B_SMEP)
		cr4 |= CR4_SMEP;
	if (seven.ebx & CPU7B_SMAP)
		cr4 |= CR4_SMAP;
	if (seven.ecx & CPU7C_UMIP)
		cr4 |= CR4_UMIP;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
	stub.smap = (seven.ebx & CPU7B_SMAP) != 0;
	if (one.ecx & CPU1C_XSAVE) /* x87, SSE, AVX */
		__asm__ volatile("xsetbv" : : "c"(0), "a"(cpuid(0xd).eax & 7), "d"(0));
	__asm__ volatile("fninit");
}

/* Every line of an I/O APIC, edge-triggered, to this processor; but not the timers'. */
static BOOT_CODE void route(uint64_t base, bool first)
{
	volatile uint32_t *select = stub_register(base, 0),
	                  *data = stub_register(base, 0x10);
	uint32_t apic = *stub_register(LAPIC_BASE, LAPIC_ID) & 0xff000000, version, lines;

	*select = 1;
	version = *data;
	if (version == 0 || version == UINT32_MAX)
		return;
	lines = (version >> 16 & 0xff) + 1;
	for (uint32_t line = 0; line < lines; line++) {
		uint32_t entry = STUB_VECTOR_DEVICE;
		if (first && line == 4)
			entry = STUB_VECTOR_SERIAL;
		if (first && (line == 0 || line == 2 || line == 8))
			entry = LAPIC_MASKED;
		*select = 0x11 + 2 * line;
		*data = apic;
		*select = 0x10 + 2 * line;
		*data = entry;
	}
}

BOOT_CODE void boot_interrupts(void)
{
	stub_wrmsr(MSR_APIC_BASE,
	           LAPIC_BASE | 1 << 11 | (stub_rdmsr(MSR_APIC_BASE) & 1 << 8));
	*stub_register(LAPIC_BASE, LAPIC_TASK_PRIORITY) = 0;
	*stub_register(LAPIC_BASE, LAPIC_LINT0) = LAPIC_MASKED;
	*stub_register(LAPIC_BASE, LAPIC_LINT1) = LAPIC_MASKED;
	*stub_register(LAPIC_BASE, LAPIC_ERROR) = LAPIC_MASKED;
	*stub_register(LAPIC_BASE, LAPIC_SPURIOUS) = 1 << 8 | STUB_VECTOR_SPURIOUS;
	*stub_register(LAPIC_BASE, LAPIC_DIVIDE) = 0xb; /* by 1 */
	*stub_register(LAPIC_BASE, LAPIC_TIMER) =
	    STUB_VECTOR_TIMER | (cpuid(1).ecx & CPU1C_DEADLINE ? LAPIC_DEADLINE : 0);

	/* The two 8259s, if there are any: silent. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	route(0xfec00000, true);
	route(0xfec10000, false); /* the second one of QEMU's microvm */
	/* Serial: an interrupt for each byte received. */
	out8(STUB_SERIAL + 1, 1);
	out8(STUB_SERIAL + 4, 0xb);
}

/* ---- clocks ---- */

/* KVM's paravirtual clock: Documentation/virt/kvm/x86/msr.rst of Linux. */
struct kvm_time {
	uint32_t version;
	uint32_t padding;
	uint64_t tsc;
	uint64_t system_ns;
	uint32_t scale;
	int8_t shift;
	uint8_t flags;
	uint8_t padding2[2];
};
struct kvm_wall {
	uint32_t version, seconds, ns;
};
_Static_assert(sizeof(struct kvm_time) == 32, "pvclock layout");
_Static_assert(sizeof(struct kvm_wall) == 12, "pvclock layout");

/* Where the hypervisor writes: naturally aligned, and nothing else. */
static union {
	volatile struct kvm_time time;
	volatile struct kvm_wall wall;
	uint8_t room[64];
} kvm_page __attribute__((section(".stub.data"), aligned(64)));

static BOOT_CODE bool clock_of_kvm(struct clock *clock)
{
	struct cpuid id = cpuid(0x40000000);
	uint64_t page = (uintptr_t)&kvm_page, scaled, wall;
	uint32_t scale;
	int shift;

	if (!(cpuid(1).ecx & 1u << 31) || id.ebx != 0x4b4d564b || id.ecx != 0x564b4d56 ||
	    id.edx != 0x4d || !(cpuid(0x40000001).eax & 1 << 3))
		return false;
	stub_wrmsr(MSR_KVM_WALL_CLOCK, page);
	wall = kvm_page.wall.seconds * 1000000000ull + kvm_page.wall.ns;
	stub_wrmsr(MSR_KVM_SYSTEM_TIME, page | 1);
	/* This processor is the only one, and it is here: the hypervisor is not writing.
	 */
	scale = kvm_page.time.scale;
	shift = kvm_page.time.shift;
	scaled = stub_tsc() - kvm_page.time.tsc;
	clock->tsc_base = stub_tsc();
	clock->wall_base = wall + kvm_page.time.system_ns;
	stub_wrmsr(MSR_KVM_SYSTEM_TIME, 0);
	if (!scale || shift < -31 || shift > 31)
		return false;
	scaled = shift < 0 ? scaled >> -shift : scaled << shift;
	clock->wall_base += (uint64_t)((unsigned __int128)scaled * scale >> 32);
	clock->tsc_hz = (1000000000ull << 32) / scale;
	clock->tsc_hz = shift < 0 ? clock->tsc_hz << -shift : clock->tsc_hz >> shift;
	return true;
}

/* From CPUID: a hypervisor's own leaf, or the crystal's ratio. 0 if neither is there. */
static BOOT_CODE uint64_t tsc_hz_of_cpuid(void)
{
	struct cpuid crystal = cpuid_if(0x15);

	if (cpuid(1).ecx & 1u << 31 && cpuid(0x40000000).eax >= 0x40000010) {
		uint64_t khz = cpuid(0x40000010).eax;
		if (khz)
			return khz * 1000;
	}
	if (crystal.eax && crystal.ebx && crystal.ecx)
		return (uint64_t)crystal.ecx * crystal.ebx / crystal.eax;
	return 0;
}

enum { PIT_HZ = 1193182, PIT_WINDOW = PIT_HZ / 100, PIT_COMMAND = 0x43, PIT_DATA = 0x40 };

struct sample {
	uint64_t tsc;
	uint32_t lapic;
	uint16_t pit;
};

/* All three counters at one instant: of a few tries the one that took least. */
static BOOT_CODE void sample(struct sample *s)
{
	uint64_t least = UINT64_MAX;

	for (unsigned tries = 0; tries < 8; tries++) {
		uint64_t before = stub_tsc(), after;
		uint32_t lapic;
		uint16_t pit;
		out8(PIT_COMMAND, 0); /* latch counter 0 */
		lapic = *stub_register(LAPIC_BASE, LAPIC_NOW);
		after = stub_tsc();
		pit = in8(PIT_DATA);
		pit = (uint16_t)(pit | in8(PIT_DATA) << 8);
		if (after - before >= least)
			continue;
		least = after - before;
		s->tsc = before + least / 2;
		s->lapic = lapic;
		s->pit = pit;
	}
}

/*
 * Lets all counters run for 10 ms by the PIT (counter 0: counter 2 needs a gate that
 * microvm does not have), or for a millisecond by the TSC where its rate is known.
 */
static BOOT_CODE void measure(struct clock *clock)
{
	struct sample from, to;
	uint64_t tsc, pit;

	out8(PIT_COMMAND, 0x30); /* counter 0, both bytes, mode 0 */
	out8(PIT_DATA, 0xff);
	out8(PIT_DATA, 0xff);
	*stub_register(LAPIC_BASE, LAPIC_COUNT) = UINT32_MAX;
	sample(&from);
	do {
		sample(&to);
		tsc = to.tsc - from.tsc;
		pit = (uint16_t)(from.pit - to.pit);
		if (clock->tsc_hz ? tsc >= clock->tsc_hz / 1000 : pit >= PIT_WINDOW)
			break;
	} while (tsc < 1ull << 31);
	*stub_register(LAPIC_BASE, LAPIC_COUNT) = 0;
	if (!clock->tsc_hz) {
		if (pit < PIT_WINDOW)
			boot_fail(
			    BOOT_TEXT("no clock: neither KVM's nor CPUID's nor a PIT"));
		clock->tsc_hz = tsc * PIT_HZ / pit;
	}
	stub.lapic_per_tsc = ((uint64_t)(from.lapic - to.lapic) << 32) / tsc;
}

static BOOT_CODE uint8_t cmos(uint8_t index)
{
	out8(0x70, index);
	return in8(0x71);
}

static BOOT_CODE uint64_t binary(uint8_t value, bool bcd)
{
	return bcd ? (value >> 4) * 10u + (value & 15) : value;
}

enum { CMOS_UPDATING = 0x80, CMOS_BINARY = 4, CMOS_24_HOURS = 2 };

/* Days since 1970 of a Gregorian date; the year is taken to begin in March. */
static BOOT_CODE uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day)
{
	if (month < 3) {
		year--;
		month += 12;
	}
	return 365 * year + year / 4 - year / 100 + year / 400 +
	       (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}

/* Seconds since 1970 by the CMOS clock, in UTC as QEMU keeps it by default; 0: none. */
static BOOT_CODE uint64_t wall_of_cmos(void)
{
	static const uint8_t index[6]
	    __attribute__((section(".stub.boot.constant"))) = {0, 2, 4, 7, 8, 9};
	uint8_t mode = cmos(0xb);
	uint64_t t[6]; /* second, minute, hour, day, month, year */
	uint8_t second;

	if (mode == 0xff || !(mode & CMOS_24_HOURS))
		return 0;
	do {
		for (unsigned i = 0; i < 100000 && cmos(0xa) & CMOS_UPDATING; i++)
			;
		second = cmos(0);
		for (unsigned i = 0; i < 6; i++)
			t[i] = binary(cmos(index[i]), !(mode & CMOS_BINARY));
	} while (second != cmos(0));
	return days_since_1970(2000 + t[5], t[4], t[3]) * 86400 + t[2] * 3600 +
	       t[1] * 60 + t[0];
}

BOOT_CODE void boot_clock(struct clock *clock)
{
	if (!clock_of_kvm(clock)) {
		clock->tsc_hz = tsc_hz_of_cpuid();
		clock->tsc_base = 0;
	}
	/* In deadline mode the APIC's own rate does not matter. */
	if (!clock->tsc_hz || !(cpuid(1).ecx & CPU1C_DEADLINE))
		measure(clock);
	if (cpuid(1).ecx & CPU1C_DEADLINE)
		stub.lapic_per_tsc = 0;
	if (!clock->tsc_base) {
		clock->wall_base = wall_of_cmos() * 1000000000;
		clock->tsc_base = stub_tsc();
	}
}

/* ---- descriptors ---- */

static BOOT_CODE void gate(unsigned vector, const uint8_t *handler, bool own_stack)
{
	uint64_t address = (uintptr_t)handler + stub.offset;

	stub.idt[vector][0] = (address & 0xffff) | (uint64_t)STUB_KERNEL_CODE << 16 |
	                      (uint64_t)own_stack << 32 | 0x8eull << 40 |
	                      (address >> 16 & 0xffff) << 48;
	stub.idt[vector][1] = address >> 32;
}

BOOT_CODE void boot_descriptors(void)
{
	uint64_t task = (uintptr_t)stub.task + stub.offset;
	uint64_t stacks[2] = {(uintptr_t)stub_stack_end + stub.offset,
	                      (uintptr_t)stub_fault_stack_end + stub.offset};
	uint32_t *words = (uint32_t *)stub.task;

	stub.gdt[STUB_KERNEL_CODE / 8] = 0x00af9b000000ffff;
	stub.gdt[STUB_KERNEL_DATA / 8] = 0x00cf93000000ffff;
	stub.gdt[STUB_USER_DATA / 8] = 0x00cff3000000ffff;
	stub.gdt[STUB_USER_CODE / 8] = 0x00affb000000ffff;
	stub.gdt[STUB_TASK / 8] = (sizeof(stub.task) - 1) | (task & 0xffffff) << 16 |
	                          0x89ull << 40 | (task >> 24 & 0xff) << 56;
	stub.gdt[STUB_TASK / 8 + 1] = task >> 32;
	/* The task state: rsp0 at byte 4, ist1 at byte 36, no I/O bitmap (its offset at
	 * 102 is the segment's end), so ring 3 has no port. */
	words[1] = (uint32_t)stacks[0];
	words[2] = (uint32_t)(stacks[0] >> 32);
	words[9] = (uint32_t)stacks[1];
	words[10] = (uint32_t)(stacks[1] >> 32);
	words[25] = (uint32_t)sizeof(stub.task) << 16;

	for (unsigned i = 0; i < STUB_EXCEPTIONS; i++)
		gate(i, stub_exceptions + i * STUB_EXCEPTION_STRIDE, true);
	gate(STUB_VECTOR_TIMER, stub_interrupt, false);
	gate(STUB_VECTOR_DEVICE, stub_interrupt, false);
	gate(STUB_VECTOR_SERIAL, stub_serial_interrupt, false);
	gate(STUB_VECTOR_SPURIOUS, stub_spurious, false);
	stub.gdtr.limit = sizeof(stub.gdt) - 1;
	stub.gdtr.base = (uintptr_t)stub.gdt + stub.offset;
	stub.idtr.limit = sizeof(stub.idt) - 1;
	stub.idtr.base = (uintptr_t)stub.idt + stub.offset;

	stub_wrmsr(MSR_STAR, (uint64_t)(STUB_USER_DATA - 8) << 48 |
	                         (uint64_t)STUB_KERNEL_CODE << 32);
	stub_wrmsr(MSR_LSTAR, (uintptr_t)stub_gate + stub.offset);
	stub_wrmsr(MSR_SYSCALL_MASK, 0x47700); /* TF, IF, DF, IOPL, NT, AC */
}
