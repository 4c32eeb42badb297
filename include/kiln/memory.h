/*
 * Memory: an arena that only grows, pools of equal objects, counted chunks.
 *
 * All memory of an image is one arena, given by the target at start. Constructors carve
 * from it, once; what comes and goes afterwards comes from pools with a fixed count.
 * Pages are touched when first used, not when reserved.
 */
#ifndef KILN_MEMORY_H
#define KILN_MEMORY_H

#include <kiln/error.h>
#include <stddef.h>
#include <stdint.h>

struct kiln;

struct arena {
	uint8_t *start;
	uint8_t *at;
	uint8_t *end;
};

void arena_init(struct arena *arena, void *memory, size_t size);
size_t arena_left(const struct arena *arena);
/* Zeroed if the memory was; align is a power of two. NULL if it does not fit. */
KILN_MUST_CHECK void *arena_try(struct arena *arena, size_t size, size_t align);
/* From the image's arena; if it does not fit, the image crashes with a message that names
 * `what` and -m: for constructors. Memory is zeroed. */
void *kiln_alloc(struct kiln *k, size_t size, const char *what);

/* Equal objects. Allocation and release are O(1); an object never moves. */
struct pool {
	uint8_t *base;
	void *free;      /* list through the released objects */
	uint32_t size;   /* of an object, a multiple of 16 */
	uint32_t count;  /* of objects in all */
	uint32_t carved; /* objects handed out at least once */
	uint32_t used;
	uint32_t most; /* high-water mark of used */
	uint32_t refused;
};

/* For `count` objects from the image's arena; ends the image if they do not fit. */
void pool_init(struct pool *pool, struct kiln *k, size_t size, unsigned count,
	       const char *what);
/* Not zeroed. NULL when all are in use (counted in `refused`). */
KILN_MUST_CHECK void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);

/*
 * A chunk: CHUNK_SIZE bytes with a reference count. What TCP queues to send lives in
 * chunks; a device that sends asynchronously holds a reference until it is done.
 */
enum { CHUNK_TOTAL = 2048, CHUNK_SIZE = CHUNK_TOTAL - 16 };

struct chunk {
	uint32_t refs;
	uint32_t users; /* for whoever fills it, to count by */
	struct pool *pool;
	uint8_t data[CHUNK_SIZE];
};
_Static_assert(sizeof(struct chunk) == CHUNK_TOTAL, "chunk size");

/* One reference, data not zeroed; NULL when the pool is used up. */
KILN_MUST_CHECK struct chunk *chunk_get(struct pool *pool);

static inline void chunk_ref(struct chunk *chunk)
{
	chunk->refs++;
}

static inline void chunk_unref(struct chunk *chunk)
{
	if (--chunk->refs == 0)
		pool_put(chunk->pool, chunk);
}

#endif
