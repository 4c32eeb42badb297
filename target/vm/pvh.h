/*
 * What a PVH loader hands to the stub: Xen's public/arch-x86/hvm/start_info.h. Addresses
 * are physical. In protected mode, flat segments, no paging, ebx holds the address of the
 * first.
 */
#ifndef VM_PVH_H
#define VM_PVH_H

#include <stddef.h>
#include <stdint.h>

#define PVH_MAGIC 0x336ec578

enum { PVH_MEMORY_RAM = 1 };

struct pvh_start {
	uint32_t magic;
	uint32_t version; /* the memory map is there from 1 on */
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t command_line; /* NUL-terminated text, or 0 */
	uint64_t rsdp;
	uint64_t memory_map; /* struct pvh_memory, so many */
	uint32_t memory_map_entries;
	uint32_t reserved;
};

struct pvh_memory {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct pvh_start) == 56, "start_info layout");
_Static_assert(offsetof(struct pvh_start, memory_map) == 40, "start_info layout");
_Static_assert(sizeof(struct pvh_memory) == 24, "memory map layout");

#endif
