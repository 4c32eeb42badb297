/*
 * Where things lie: every part of the jail is placed on its own, at random over the 47
 * bits of user space, so that knowing one address tells nothing of the others.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "jail.h"

/* Wide enough that no stack frame or index of 16 bits reaches over it. */
#define GUARD ((uint64_t)64 << 10)
/* Above where a program's first pages are, below the end of user space. */
#define LOWEST  ((uint64_t)1 << 32)
#define HIGHEST ((uint64_t)0x7fff00000000)

static uint64_t random_page(const struct monitor_options *o, uint64_t size)
{
	uint64_t pages = (HIGHEST - LOWEST - size) / PAGE, random;

	monitor_random(o, &random, sizeof(random));
	/* The high bits of a product: without the bias of a remainder. */
	return LOWEST + PAGE * (uint64_t)((unsigned __int128)random * pages >> 64);
}

void place_protect(const struct monitor_options *o, struct range range, int protection)
{
	if (mprotect((void *)(uintptr_t)range.start, range.size, protection) < 0)
		monitor_fail(o, "cannot protect memory: %s", strerror(errno));
}

struct place place_make(const struct monitor_options *o, uint64_t size, int protection,
                        const char *what)
{
	enum { TRIES = 64 };
	uint64_t whole = page_up(size) + 2 * GUARD;

	for (int i = 0; i < TRIES; i++) {
		uint64_t at = random_page(o, whole);
		if (mmap((void *)(uintptr_t)at, whole, PROT_NONE,
		         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
		             MAP_FIXED_NOREPLACE,
		         -1, 0) == (void *)(uintptr_t)at) {
			struct range inside = {at + GUARD, page_up(size)};
			place_protect(o, inside, protection);
			return (struct place){{at, whole}, inside};
		}
		if (errno != EEXIST)
			break;
	}
	monitor_fail(o, "no room for the %s, %llu KiB: %s", what,
	             (unsigned long long)(size >> 10), strerror(errno));
}

void place_make_two(const struct monitor_options *o, uint64_t low_size,
                    uint64_t high_size, const char *what, struct place *low,
                    struct place *high)
{
	uint64_t low_pages = page_up(low_size), apart = low_pages + GUARD;
	struct place both =
	    place_make(o, apart + high_size, PROT_READ | PROT_WRITE, what);
	struct range whole = both.whole, inside = both.inside;
	struct range guard = {inside.start + low_pages, GUARD};

	place_protect(o, guard, PROT_NONE);
	*low = (struct place){{whole.start, guard.start - whole.start},
	                      {inside.start, low_pages}};
	*high = (struct place){{guard.start, whole.start + whole.size - guard.start},
	                       {guard.start + GUARD, inside.size - apart}};
}

static struct range segment_range(const struct image_segment *s, uint64_t base)
{
	uint64_t start = s->address & ~(uint64_t)(PAGE - 1);

	return (struct range){base + start, page_up(s->address + s->memory_size) - start};
}

static int segment_protection(const struct image_segment *s)
{
	return (s->flags & PF_R ? PROT_READ : 0) | (s->flags & PF_W ? PROT_WRITE : 0) |
	       (s->flags & PF_X ? PROT_EXEC : 0);
}

/* What the segments leave free is nothing's. */
static void protect_segments(const struct monitor_options *o, const struct image *image,
                             uint64_t base)
{
	uint64_t at = base;

	for (unsigned i = 0; i < image->segment_count; i++) {
		struct range range = segment_range(&image->segments[i], base);
		int protection = segment_protection(&image->segments[i]);

		if (range.start > at)
			place_protect(o, (struct range){at, range.start - at}, PROT_NONE);
		if (protection != (PROT_READ | PROT_WRITE))
			place_protect(o, range, protection);
		at = range.start + range.size;
	}
	if (image->relro_size)
		place_protect(
		    o, (struct range){base + image->relro_address, image->relro_size},
		    PROT_READ);
}

/* Bytes [from, to) of a segment, which image_parse() found within the file. */
static void copy_bytes(const struct image *image, const struct image_segment *s,
                       uint64_t base, uint64_t from, uint64_t to)
{
	memcpy((void *)(uintptr_t)(base + s->address + from),
	       image->bytes + s->file_offset + from, to - from);
}

/* What the pages [from, from + size) of the file are mapped from. That is the file's copy; of a
 * file that was too large to copy it is the file, for constants, embedded files above all, and a
 * copy of this part for what is run or written to. */
static int source(const struct image *image, const struct image_segment *s, int copy,
                  off_t *from, uint64_t size)
{
	int part;

	if (copy < 0 || image->size <= MONITOR_COPY_MOST || !(s->flags & (PF_W | PF_X)))
		return dup(copy);
	part = monitor_copy(copy, *from, size);
	*from = 0;
	return part;
}

/* The pages that are the segment's alone in the file are mapped, and cost nothing until they
 * are touched; the others are copied. */
static void place_segment(const struct monitor_options *o, const struct image *image,
                          const struct image_segment *s, uint64_t base, int copy)
{
	uint64_t start = page_up(s->address) - s->address;
	uint64_t end = ((s->address + s->file_size) & ~(uint64_t)(PAGE - 1)) - s->address;
	uint64_t at = base + s->address + start;
	off_t from = (off_t)(s->file_offset + start);
	int file = -1;

	if (start < s->file_size && start < end &&
	    (s->address - s->file_offset) % PAGE == 0)
		file = source(image, s, copy, &from, end - start);
	if (file < 0) {
		copy_bytes(image, s, base, 0, s->file_size);
		return;
	}
	if (mmap((void *)(uintptr_t)at, end - start, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_FIXED, file, from) == MAP_FAILED)
		monitor_fail(o, "cannot map the image: %s", strerror(errno));
	close(file);
	copy_bytes(image, s, base, 0, start);
	copy_bytes(image, s, base, end, s->file_size);
}

void place_image(const struct monitor_options *o, const struct image *image,
                 uint64_t base, int copy)
{
	char error[256];

	for (unsigned i = 0; i < image->segment_count; i++)
		place_segment(o, image, &image->segments[i], base, copy);
	if (!image_relocate(image, (void *)(uintptr_t)base, base, error, sizeof(error)))
		monitor_fail(o, "%s: %s", o->image, error);
	protect_segments(o, image, base);
}
