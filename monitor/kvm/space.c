/*
 * The guest's address space: placement and page tables (Intel SDM vol. 3, 4.5).
 *
 * The tables are written once, before the vCPU starts, into memory that the guest's own
 * addresses do not reach; devices cannot write there either. That is the seal: what is
 * executable now is all that will ever be, and it cannot be written.
 *
 * The arena is mapped in pages of 2 MiB, which spares tables. The host may back them by
 * large pages of its own, but is not asked to: nested, the first touch of a small page
 * costs 7 to 12 us and of a large one 220 to 400, a server's start touches some hundred
 * small ones, and the search for a free large page delayed some starts by 70 ms.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include "machine.h"

enum { PRESENT = 1, WRITABLE = 2, USER = 4, ACCESSED = 32, DIRTY = 64, LARGE = 128 };
/* Fewer would not run; more would not fit into SPACE_TABLES. */
#define ARENA_LEAST ((uint64_t)256 << 10)
#define SPACE_MOST  ((uint64_t)64 << 30)

#define NO_EXECUTE   ((uint64_t)1 << 63)
#define TABLE_PARENT ((uint64_t)(PRESENT | WRITABLE | USER | ACCESSED))

/* Accessed and dirty from the start: the processor then never writes the tables. */
#define PAGE_TEXT     ((uint64_t)(PRESENT | USER | ACCESSED | DIRTY))
#define PAGE_CONSTANT (PAGE_TEXT | NO_EXECUTE)
#define PAGE_DATA     (PAGE_CONSTANT | WRITABLE)

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

/* Anonymous memory for guest-physical [start, start + size): as far from a 2 MiB boundary
 * as `start` is, so that the host can back the guest's large pages by large ones of its
 * own. */
static void *reserve(uint64_t start, uint64_t size)
{
	uint8_t *memory = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memory += (start - (uintptr_t)memory) & (LARGE_PAGE - 1);
	return memory;
}

/* Devices may write to what is mapped writable: from the first data on. False if text or
 * constants lie behind that. */
static bool seal(struct space *space, const struct image *image)
{
	uint64_t sealed = image->span,
	         relro_end = image->relro_address + image->relro_size;

	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		uint64_t start = s->address & ~(uint64_t)(PAGE - 1);
		if (start == image->relro_address && image->relro_size)
			start = relro_end;
		if (s->flags & KILN_SEGMENT_STUB)
			continue;
		if (s->flags & PF_W && start < sealed)
			sealed = start;
	}
	space->memory.sealed = space->image + sealed;
	for (unsigned i = 0; i < image->segment_count; i++) {
		if (!(image->segments[i].flags & (PF_W | KILN_SEGMENT_STUB)) &&
		    image->segments[i].address >= sealed)
			return false;
	}
	return relro_end <= sealed;
}

bool space_init(struct space *space, const struct image *image, uint64_t boot_size,
                uint64_t size, char *error, size_t error_size)
{
	uint64_t random, before;

	memset(space, 0, sizeof(*space));
	size &= ~(uint64_t)(PAGE - 1);
	boot_size = round_up(boot_size, PAGE);
	/* The arena begins on a large page, and what comes before it ends there. */
	before = boot_size + image->span + PAGE + SPACE_STACK + PAGE;
	space->arena = round_up(before, LARGE_PAGE);
	space->boot = space->arena - before;
	space->image = space->boot + boot_size;
	space->stack = space->image + image->span + PAGE;
	space->stack_end = space->stack + SPACE_STACK;
	if (size > SPACE_MOST) {
		snprintf(error, error_size,
		         "the monitor gives at most 64 GiB of memory: say less with -m");
		return false;
	}
	if (before + ARENA_LEAST > size) {
		snprintf(
		    error, error_size,
		    "this image does not fit into %llu KiB of memory: it takes %llu KiB "
		    "before it allocates any; give it more with -m",
		    (unsigned long long)(size >> 10), (unsigned long long)(before >> 10));
		return false;
	}
	space->memory.start = space->boot;
	space->memory.end = space->boot + size;
	space->memory.base = reserve(space->boot, size);
	space->registers = round_up(space->memory.end, LARGE_PAGE) + LARGE_PAGE;
	space->tables = space->registers + LARGE_PAGE;
	space->table = reserve(0, SPACE_TABLES * PAGE);
	space->register_page = reserve(0, SPACE_REGISTERS * PAGE);
	if (!space->memory.base || !space->table || !space->register_page ||
	    getrandom(&random, sizeof(random), 0) != sizeof(random)) {
		snprintf(
		    error, error_size,
		    "this machine has no %llu KiB of memory for the image: %s; give it "
		    "less with -m",
		    (unsigned long long)(size >> 10), strerror(errno));
		return false;
	}
	/* Not in the first 4 GiB, where a truncated pointer would fall. */
	space->offset = ((uint64_t)4 << 30) + (random & (((uint64_t)1 << 46) - 1));
	space->offset &= ~(LARGE_PAGE - 1);
	if (!seal(space, image)) {
		snprintf(error, error_size, "the image has constants behind its data");
		return false;
	}
	return true;
}

/* The entry that a virtual address has in the table at `level` (3 to 0, the root being
 * 3); tables on the way are made as needed. */
static uint64_t *entry(struct space *space, uint64_t virtual, unsigned level)
{
	uint64_t *table = space->table[0];

	if (space->tables_used == 0)
		space->tables_used = 1;
	for (unsigned i = 3;; i--) {
		uint64_t *e = &table[virtual >> (12 + 9 * i) & 511];
		if (i == level)
			return e;
		if (!*e)
			*e = (space->tables + space->tables_used++ * PAGE) | TABLE_PARENT;
		table = space->table[((*e & ~NO_EXECUTE) - space->tables) / PAGE];
	}
}

/* Maps [start, end) of guest-physical addresses at its virtual place. What was mapped
 * before stays as it is. */
static void map(struct space *space, uint64_t start, uint64_t end, uint64_t flags)
{
	end = round_up(end, PAGE);
	for (uint64_t at = start & ~(uint64_t)(PAGE - 1); at < end;) {
		uint64_t virtual = at + space->offset, *e;

		if (at % LARGE_PAGE == 0 && end - at >= LARGE_PAGE &&
		    !*(e = entry(space, virtual, 1))) {
			*e = at | flags | LARGE;
			at += LARGE_PAGE;
			continue;
		}
		e = entry(space, virtual, 0);
		if (!*e)
			*e = at | flags;
		at += PAGE;
	}
}

void space_map(struct space *space, const struct image *image, unsigned devices)
{
	map(space, space->boot, space->image, PAGE_CONSTANT);
	if (image->relro_size) {
		uint64_t start = space->image + image->relro_address;
		map(space, start, start + image->relro_size, PAGE_CONSTANT);
	}
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		uint64_t start = space->image + s->address;
		if (s->flags & KILN_SEGMENT_STUB)
			continue;
		map(space, start, start + s->memory_size,
		    s->flags & PF_X   ? PAGE_TEXT
		    : s->flags & PF_W ? PAGE_DATA
		                      : PAGE_CONSTANT);
	}
	map(space, space->stack, space->stack_end, PAGE_DATA);
	map(space, space->arena, space->memory.end, PAGE_DATA);
	map(space, space->registers, space->registers + (1 + devices) * PAGE, PAGE_DATA);
}

const char *space_describe(const struct space *space, uint64_t address)
{
	uint64_t at = address - space->offset;

	if (address < LARGE_PAGE)
		return "near the null pointer";
	if (at >= space->boot && at < space->image)
		return "in the read-only boot page";
	if (at >= space->image && at < space->stack - PAGE)
		return at < space->memory.sealed ? "in the image's text or constants"
		                                 : "in the image's data, or a gap of it";
	if (at >= space->stack - PAGE && at < space->stack)
		return "below the stack: it has overflowed";
	if (at >= space->stack && at < space->stack_end)
		return "in the stack";
	if (at >= space->stack_end && at < space->arena)
		return "above the stack";
	if (at >= space->arena && at < space->memory.end)
		return "in the arena";
	if (at >= space->registers && at < space->tables)
		return "among the device registers";
	return "where nothing is mapped";
}
