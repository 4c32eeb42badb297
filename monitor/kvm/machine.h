/*
 * The virtual machine: one VM, one vCPU in ring 3, memory, and the pages that exit.
 *
 * machine.c makes the KVM calls; space.c lays out the guest's address space and writes
 * its page tables. Both are for main.c; once the guest runs, only machine_run() is called.
 *
 * Guest-physical layout, M being a multiple of 2 MiB:
 *
 *	         boot page and options   r--   mapped, as all of the memory, at
 *	         image: constants, text  r-x   virtual = physical + offset, where offset
 *	         and then data           rw-   is a random multiple of 2 MiB
 *	         guard, stack, guard     rw-
 *	M        arena, to the end       rw-
 *	...      control page, then one page of registers for each device: the guest
 *	         reads them as memory, a write exits
 *	...      page tables, read-only to the vCPU and never mapped
 */
#ifndef KVM_MACHINE_H
#define KVM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/kvm.h>
#include <kiln/abi/boot.h>
#include "../monitor.h"
#include "guest_memory.h"

enum {
	SPACE_STACK = 64 << 10,
	SPACE_TABLES = 128,                      /* pages for page tables */
	SPACE_REGISTERS = 1 + KILN_BOOT_DEVICES, /* pages of registers */
};
#define LARGE_PAGE ((uint64_t)2 << 20)

/* The address space. Addresses are guest-physical; add `offset` for virtual ones. */
struct space {
	struct guest_memory memory;
	uint64_t offset;
	uint64_t boot;  /* the boot page: where memory begins */
	uint64_t image; /* where the image begins */
	uint64_t stack, stack_end;
	uint64_t arena;     /* to memory.end */
	uint64_t registers; /* the control page; device i at registers + (i + 1) * PAGE */
	uint64_t tables;    /* guest-physical address of the root table */
	uint64_t (*table)[512]; /* SPACE_TABLES of them, in the monitor's memory */
	unsigned tables_used;
	uint32_t (*register_page)[PAGE / 4]; /* what the guest reads at `registers` */
};

/* Reserves `size` bytes of guest memory and places boot_size bytes, the image, stack and
 * arena in it at a random offset. False: `error` holds a sentence. */
bool space_init(struct space *space, const struct image *image, uint64_t boot_size,
                uint64_t size, char *error, size_t error_size);
/* Writes the page tables; `devices` register pages are mapped. */
void space_map(struct space *space, const struct image *image, unsigned devices);
/* What lies at a virtual address, in words for a fault report. */
const char *space_describe(const struct space *space, uint64_t address);

/* What cr2 holds until a page fault sets it: an address that no fault can have. */
#define MACHINE_NO_ADDRESS ((uint64_t)1 << 62)

struct machine {
	const struct monitor_options *options; /* for messages */
	int vm, vcpu;
	struct kvm_run *run;
	uint64_t tsc_hz;
	uint64_t tsc_offset; /* guest TSC - host TSC */
	uint64_t tsc_base;   /* guest TSC at which the guest's monotonic clock was 0 */
};

/* Creates the VM and its vCPU, which will start at `entry` in ring 3. Exits the program
 * with a message when KVM refuses. */
void machine_init(struct machine *machine, const struct monitor_options *options,
                  const struct space *space, uint64_t entry);
/* The guest's monotonic clock, now. */
uint64_t machine_now(const struct machine *machine);
/* Runs the guest until it exits: returns the reason KVM_EXIT_*, or 0 after a signal. */
uint32_t machine_run(struct machine *machine);

#endif
