/*
 * The KVM side of the machine (Linux Documentation/virt/kvm/api.rst).
 *
 * The vCPU's first instruction is the image's own, in ring 3: there is no firmware, no
 * stub, no interrupt controller and no interrupt descriptor table. Nothing privileged is
 * mapped, so nothing privileged can run; an exception finds no handler and shuts the vCPU
 * down, with the registers of the faulting instruction in place for the report. So do port
 * I/O, privileged instructions, and system calls, which are off: where a nested KVM takes
 * them nevertheless, they lead to address 0, and nothing is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>
#include "machine.h"

enum { MSR_TSC = 0x10, CPUID_ENTRIES = 256 };
enum { CR0_PE = 1, CR0_MP = 2, CR0_ET = 16, CR0_NE = 32, CR0_WP = 1 << 16 };
#define CR0_PG 0x80000000u
enum {
	CR4_PAE = 1 << 5,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_UMIP = 1 << 11,
	CR4_OSXSAVE = 1 << 18
};
enum { EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };
/* x87, SSE, AVX and AVX-512: state of user mode only. */
enum { XCR0_USER = 0xe7 };
enum { CPUID_1_ECX_XSAVE = 1 << 26, CPUID_7_ECX_UMIP = 1 << 2 };

/* What of the processor's is switched on for the guest. */
struct features {
	uint64_t components; /* of the state that XSAVE may manage; 0 without XSAVE */
	bool umip; /* where tables of the system's lie is not ring 3's to know */
};

static int kvm_call(struct machine *machine, int fd, unsigned long request,
                    void *argument, const char *what)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		monitor_fail(machine->options, "KVM refuses %s: %s", what,
		             strerror(errno));
	return result;
}

static void add_slot(struct machine *machine, uint32_t slot, uint32_t flags,
                     uint64_t address, void *memory, uint64_t size)
{
	struct kvm_userspace_memory_region region = {
	    .slot = slot,
	    .flags = flags,
	    .guest_phys_addr = address,
	    .memory_size = size,
	    .userspace_addr = (uintptr_t)memory,
	};

	kvm_call(machine, machine->vm, KVM_SET_USER_MEMORY_REGION, &region,
	         "guest memory");
}

/* The guest sees the processor as KVM would show it. */
static struct features set_cpuid(struct machine *machine, int kvm)
{
	union {
		struct kvm_cpuid2 list;
		uint8_t room[sizeof(struct kvm_cpuid2) +
		             CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = {.list.nent = CPUID_ENTRIES};
	struct features features = {0};
	bool xsave = false;

	kvm_call(machine, kvm, KVM_GET_SUPPORTED_CPUID, &cpuid,
	         "to list processor features");
	for (unsigned i = 0; i < cpuid.list.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid.list.entries[i];
		if (e->function == 1)
			xsave = e->ecx & CPUID_1_ECX_XSAVE;
		if (e->function == 7 && e->index == 0)
			features.umip = e->ecx & CPUID_7_ECX_UMIP;
		if (e->function == 0xd && e->index == 0)
			features.components = e->eax & XCR0_USER;
	}
	kvm_call(machine, machine->vcpu, KVM_SET_CPUID2, &cpuid, "processor features");
	if (!xsave)
		features.components = 0;
	return features;
}

static void enter_ring_3(struct machine *machine, const struct space *space,
                         struct features features)
{
	struct kvm_segment data = {.limit = UINT32_MAX,
	                           .selector = 0x2b,
	                           .type = 3,
	                           .present = 1,
	                           .dpl = 3,
	                           .db = 1,
	                           .s = 1,
	                           .g = 1};
	struct kvm_segment code = data;
	struct kvm_sregs sregs;

	kvm_call(machine, machine->vcpu, KVM_GET_SREGS, &sregs, "system registers");
	code.selector = 0x33;
	code.type = 11;
	code.db = 0;
	code.l = 1;
	sregs.cs = code;
	sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs = data;
	memset(&sregs.gdt, 0, sizeof(sregs.gdt));
	memset(&sregs.idt, 0, sizeof(sregs.idt));
	sregs.cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	sregs.cr2 = MACHINE_NO_ADDRESS;
	sregs.cr3 = space->tables;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT |
	            (features.components ? CR4_OSXSAVE : 0) |
	            (features.umip ? CR4_UMIP : 0);
	sregs.efer = EFER_LME | EFER_LMA | EFER_NXE;
	kvm_call(machine, machine->vcpu, KVM_SET_SREGS, &sregs, "to start in ring 3");

	if (features.components) {
		struct kvm_xcrs xcrs = {
		    .nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = features.components}}};
		kvm_call(machine, machine->vcpu, KVM_SET_XCRS, &xcrs, "vector registers");
	}
}

/* Signals that the process blocks interrupt KVM_RUN nevertheless, and stay pending for
 * the signalfd. */
static void let_signals_in(struct machine *machine)
{
	/* No signal blocked: a set of 64 zero bits. */
	union {
		struct kvm_signal_mask mask;
		uint8_t room[sizeof(struct kvm_signal_mask) + sizeof(uint64_t)];
	} none = {.mask.len = sizeof(uint64_t)};

	kvm_call(machine, machine->vcpu, KVM_SET_SIGNAL_MASK, &none, "a signal mask");
}

/* The guest's clock starts as the host's: its TSC differs by a constant, found here. */
static void set_clock(struct machine *machine)
{
	union {
		struct kvm_msrs list;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = {.list.nmsrs = 1};
	uint64_t before, after, host_now;

	machine->tsc_hz =
	    1000 * (uint64_t)kvm_call(machine, machine->vcpu, KVM_GET_TSC_KHZ, NULL,
	                              "the rate of its clock");
	msrs.list.entries[0].index = MSR_TSC;
	before = __rdtsc();
	kvm_call(machine, machine->vcpu, KVM_GET_MSRS, &msrs, "to read its clock");
	host_now = monitor_now();
	after = __rdtsc();
	machine->tsc_offset = msrs.list.entries[0].data - (before + (after - before) / 2);
	machine->tsc_base =
	    after + machine->tsc_offset -
	    (uint64_t)((unsigned __int128)host_now * machine->tsc_hz / 1000000000);
}

static int open_kvm(const struct monitor_options *options)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0 && errno == ENOENT)
		monitor_fail(options, "no /dev/kvm: this machine has no hardware "
		                      "virtualisation, or it is switched off; an image "
		                      "runs without it by: kiln run --monitor qemu");
	if (kvm < 0 && errno == EACCES)
		monitor_fail(options,
		             "this user may not open /dev/kvm: run as root, or join "
		             "its group (sudo usermod -aG kvm $USER, then log "
		             "in anew), or run in software: kiln run --monitor "
		             "qemu");
	if (kvm < 0)
		monitor_fail(options, "cannot open /dev/kvm: %s", strerror(errno));
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		monitor_fail(options,
		             "/dev/kvm speaks another version than this monitor");
	return kvm;
}

void machine_init(struct machine *machine, const struct monitor_options *options,
                  const struct space *space, uint64_t entry)
{
	int kvm = open_kvm(options);
	struct kvm_regs regs = {.rflags = 2,
	                        .rip = entry,
	                        .rdi = space->boot + space->offset,
	                        /* As after a call: the entry's frame is then aligned. */
	                        .rsp = space->stack_end + space->offset - 8};
	int run_size;

	machine->options = options;
	machine->vm = kvm_call(machine, kvm, KVM_CREATE_VM, 0, "a virtual machine");
	add_slot(machine, 0, 0, space->memory.start, space->memory.base,
	         space->memory.end - space->memory.start);
	add_slot(machine, 1, KVM_MEM_READONLY, space->tables, space->table,
	         SPACE_TABLES * PAGE);
	add_slot(machine, 2, KVM_MEM_READONLY, space->registers, space->register_page,
	         SPACE_REGISTERS * PAGE);
	machine->vcpu = kvm_call(machine, machine->vm, KVM_CREATE_VCPU, 0, "a processor");
	run_size = kvm_call(machine, kvm, KVM_GET_VCPU_MMAP_SIZE, 0, "its run state");
	machine->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	                    machine->vcpu, 0);
	if (machine->run == MAP_FAILED)
		monitor_fail(options, "cannot map the processor's run state: %s",
		             strerror(errno));

	enter_ring_3(machine, space, set_cpuid(machine, kvm));
	kvm_call(machine, machine->vcpu, KVM_SET_REGS, &regs, "registers");
	let_signals_in(machine);
	set_clock(machine);
	close(kvm);
}

uint64_t machine_now(const struct machine *machine)
{
	uint64_t ticks = __rdtsc() + machine->tsc_offset - machine->tsc_base;

	return (uint64_t)((unsigned __int128)ticks * 1000000000 / machine->tsc_hz);
}

uint32_t machine_run(struct machine *machine)
{
	if (ioctl(machine->vcpu, KVM_RUN, 0) == 0)
		return machine->run->exit_reason;
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN)
		monitor_fail(machine->options,
		             "KVM may not make the thread that it needs: raise the "
		             "limit of processes (ulimit -u)");
	monitor_fail(machine->options, "KVM cannot run the processor: %s",
	             strerror(errno));
}
