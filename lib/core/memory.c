/*
 * Arenas, pools and chunks: see <kiln/memory.h>.
 *
 * A pool hands out objects it has never used before only when its free list is empty, so
 * the memory that is touched stays as small as the most objects ever in use.
 */
#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include <kiln/memory.h>
#include <kiln/target.h>
#include <string.h>

void arena_init(struct arena *arena, void *memory, size_t size)
{
	arena->start = arena->at = memory;
	arena->end = arena->start + size;
}

size_t arena_left(const struct arena *arena)
{
	return (size_t)(arena->end - arena->at);
}

void *arena_try(struct arena *arena, size_t size, size_t align)
{
	size_t skip = -(uintptr_t)arena->at & (align - 1);
	size_t left = arena_left(arena);

	if (skip > left || size > left - skip)
		return NULL;
	uint8_t *p = arena->at + skip;
	arena->at = p + size;
	return p;
}

/* A crash, not an exit: who asked for so much is then told by a backtrace. Named and apart,
 * for `kiln run` knows it by its name. */
__attribute__((noinline)) static _Noreturn void out_of_memory(struct kiln *k, size_t size,
                                                              const char *what)
{
	uint8_t text[256];
	struct writer w = writer_of(text, sizeof(text));

	writer_format(&w,
	              "memory: %zu KiB for %s do not fit into the %zu KiB that are left; "
	              "give the image more with -m\n",
	              (size + 1023) / 1024, what, arena_left(&k->arena) / 1024);
	target_panic(w.failed ? SLICE("out of memory\n") : writer_done(&w));
}

static void *alloc(struct kiln *k, size_t size, size_t align, const char *what)
{
	void *p = arena_try(&k->arena, size, align);

	if (!p)
		out_of_memory(k, size, what);
	return p;
}

void *kiln_alloc(struct kiln *k, size_t size, const char *what)
{
	return alloc(k, size, size >= 64 ? 64 : 16, what);
}

void pool_init(struct pool *pool, struct kiln *k, size_t size, unsigned count,
               const char *what)
{
	size = (size + 15) & ~(size_t)15;
	/* Objects of a page's power-of-two part never straddle a page. */
	size_t align = size >= 4096 ? 4096 : size >= 64 ? 64 : 16;
	if (size < 4096 && (size & (size - 1)) == 0)
		align = size;
	*pool = (struct pool){
	    .base = alloc(k, size * count, align, what),
	    .size = (uint32_t)size,
	    .count = count,
	};
}

void *pool_get(struct pool *pool)
{
	void *object = pool->free;

	if (object) {
		memcpy(&pool->free, object, sizeof(pool->free));
	} else if (pool->carved < pool->count) {
		object = pool->base + (size_t)pool->carved++ * pool->size;
	} else {
		pool->refused++;
		return NULL;
	}
	if (++pool->used > pool->most)
		pool->most = pool->used;
	return object;
}

void pool_put(struct pool *pool, void *object)
{
	memcpy(object, &pool->free, sizeof(pool->free));
	pool->free = object;
	pool->used--;
}

struct chunk *chunk_get(struct pool *pool)
{
	struct chunk *chunk = pool_get(pool);

	if (chunk) {
		chunk->refs = 1;
		chunk->users = 0;
		chunk->pool = pool;
	}
	return chunk;
}
