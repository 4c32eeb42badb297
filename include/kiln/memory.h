/*
 * Memory: an arena that only grows, pools of equal objects, counted chunks, slabs.
 *
 * All memory of an image is one arena, given by the target at start. Constructors carve
 * from it, once; what comes and goes afterwards comes from pools with a fixed count.
 * Pages are touched when first used, not when reserved.
 */
#ifndef KILN_MEMORY_H
#define KILN_MEMORY_H

#include <kiln/error.h>
#include <kiln/list.h>
#include <stdbool.h>
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

/*
 * Slabs (Bonwick, 1994): equal objects that lie in chunks of a pool, as many in each as fit.
 * A chunk is taken when all others are full, and goes back with its last object, so that
 * objects of several kinds, and chunks as they are, share the memory of one pool, which
 * follows the use.
 */

/* What the objects of some slab pools may have of the chunks, all together. Who takes
 * chunks for anything else leaves slab_share_owed() of them free. */
struct slab_share {
	struct pool *chunks;
	uint32_t least; /* chunks that they may have at any time; beyond these only */
	uint32_t leave; /* while more than so many are free */
	uint32_t used;
};

/* Chunks that must stay free for the objects to come. */
static inline uint32_t slab_share_owed(const struct slab_share *share)
{
	return share->used < share->least ? share->least - share->used : 0;
}

struct slab_pool {
	struct slab_share *share;
	struct list open; /* chunks with room for an object */
	uint32_t size;    /* of an object, a multiple of 16 */
	uint32_t each;    /* objects in a chunk */
	uint32_t used, most, refused;
};

enum { SLAB_HEAD = 32, SLAB_OBJECT_MOST = CHUNK_SIZE - SLAB_HEAD };

/* For objects of up to SLAB_OBJECT_MOST bytes. Takes nothing yet. */
void slab_pool_init(struct slab_pool *pool, struct slab_share *share, size_t size);
/* Whether there is an object to be had. */
bool slab_has_room(const struct slab_pool *pool);
/* As pool_get and pool_put. */
KILN_MUST_CHECK void *slab_get(struct slab_pool *pool);
void slab_put(struct slab_pool *pool, void *object);

#endif
