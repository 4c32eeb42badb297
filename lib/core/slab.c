/*
 * Slabs: see <kiln/memory.h>.
 *
 * The chunks of a pool that have room are on a list, the last one that got some first: it is
 * filled up before another is begun, so that those that empty can go back.
 */
#include <kiln/bytes.h>
#include <kiln/memory.h>
#include <string.h>

/* What a chunk that holds objects begins with. Its references are the objects in use, its
 * users those that were ever handed out. */
struct slab {
	struct list node; /* on the pool's `open` */
	void *free;       /* list through the released objects */
};
_Static_assert(sizeof(struct slab) <= SLAB_HEAD, "objects lie behind it");

static struct chunk *chunk_of_slab(struct slab *slab)
{
	return kiln_container((uint8_t *)slab, struct chunk, data);
}

void slab_pool_init(struct slab_pool *pool, struct slab_share *share, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	*pool = (struct slab_pool){
	    .share = share,
	    .size = (uint32_t)size,
	    .each = (uint32_t)(SLAB_OBJECT_MOST / size),
	};
	list_init(&pool->open);
}

bool slab_has_room(const struct slab_pool *pool)
{
	const struct slab_share *share = pool->share;
	uint32_t free = share->chunks->count - share->chunks->used;

	return !list_empty(&pool->open) || free > share->leave ||
	       (free > 0 && share->used < share->least);
}

/* One more chunk, which there is. */
static void add_slab(struct slab_pool *pool)
{
	struct chunk *chunk = chunk_get(pool->share->chunks);
	struct slab *slab = (struct slab *)(void *)chunk->data;

	chunk->refs = 0;
	slab->free = NULL;
	list_init(&slab->node);
	list_append(&pool->open, &slab->node);
	pool->share->used++;
}

void *slab_get(struct slab_pool *pool)
{
	if (!slab_has_room(pool)) {
		pool->refused++;
		return NULL;
	}
	if (list_empty(&pool->open))
		add_slab(pool);
	struct slab *slab = kiln_container(pool->open.next, struct slab, node);
	struct chunk *chunk = chunk_of_slab(slab);
	void *object = slab->free;
	if (object)
		memcpy(&slab->free, object, sizeof(slab->free));
	else
		object = chunk->data + SLAB_HEAD + chunk->users++ * pool->size;
	if (++chunk->refs == pool->each)
		list_remove(&slab->node);
	if (++pool->used > pool->most)
		pool->most = pool->used;
	return object;
}

void slab_put(struct slab_pool *pool, void *object)
{
	/* Chunks lie at multiples of their size. */
	uintptr_t in_chunk = (uintptr_t)object & (CHUNK_TOTAL - 1);
	struct chunk *chunk = (struct chunk *)(void *)((uint8_t *)object - in_chunk);
	struct slab *slab = (struct slab *)(void *)chunk->data;

	memcpy(object, &slab->free, sizeof(slab->free));
	slab->free = object;
	if (chunk->refs == pool->each)
		list_prepend(&pool->open, &slab->node);
	pool->used--;
	if (--chunk->refs == 0) {
		list_remove(&slab->node);
		pool->share->used--;
		pool_put(chunk->pool, chunk);
	}
}
