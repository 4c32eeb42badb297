/*
 * The guest's memory as devices see it: one range of guest-physical addresses, of which
 * the first part (boot page, constants, text) is readable only. Page tables, and
 * everything else of the monitor's, lie outside it.
 *
 * Every address that comes from the guest passes through guest_memory_at(). Nothing races
 * with it: the guest has one vCPU, and it stands still while the monitor works.
 */
#ifndef KVM_GUEST_MEMORY_H
#define KVM_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_memory {
	uint8_t *base; /* where the monitor has `start` mapped */
	uint64_t start, end;
	uint64_t sealed; /* no device writes below this address */
};

enum guest_access { GUEST_READ, GUEST_WRITE };

/* Host address of `size` bytes at guest-physical `address`; NULL unless all of them are
 * memory that allows the access. An empty range lies anywhere in or just behind memory.
 */
static inline void *guest_memory_at(const struct guest_memory *memory, uint64_t address,
                                    uint64_t size, enum guest_access access)
{
	if (address < memory->start || address > memory->end ||
	    size > memory->end - address)
		return NULL;
	if (access == GUEST_WRITE && address < memory->sealed)
		return NULL;
	return memory->base + (address - memory->start);
}

#endif
