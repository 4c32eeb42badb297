/*
 * What was answered, kept for as long as the answer said (RFC 1035, 7.4; 2308, 5): a hash
 * table of fixed size by name and type, whose least recently used entry makes room.
 */
#include "resolver_private.h"

enum { ENTRIES_MIN = 32, ENTRIES_MAX = 4096 };
/* One entry, of some 600 bytes, for so much of the image's memory. */
enum { MEMORY_SHARE = 128 << 10 };

struct cache_entry {
	struct cache_entry *next; /* in its bucket */
	struct list recent;
	kiln_time expires_at;
	uint16_t type;
	struct dns_name name; /* in lower case */
	struct answer answer;
};

void cache_init(struct cache *cache, struct kiln *k)
{
	size_t memory = (size_t)(k->arena.end - k->arena.start);
	uint32_t count = ENTRIES_MIN;

	while (count < ENTRIES_MAX && count < memory / MEMORY_SHARE)
		count *= 2;
	list_init(&cache->recent);
	random_bytes(&k->random, cache->key, sizeof(cache->key));
	cache->bucket_mask = count - 1;
	cache->buckets = kiln_alloc(k, count * sizeof(*cache->buckets), "resolver");
	pool_init(&cache->entries, k, sizeof(struct cache_entry), count,
	          "answers of the resolver");
}

/* The name is in lower case. */
static struct cache_entry **bucket_of(struct cache *cache, const struct dns_name *name,
                                      uint16_t type)
{
	uint64_t hash = siphash(cache->key, name->bytes, name->size);

	return &cache->buckets[(hash ^ type) & cache->bucket_mask];
}

static struct cache_entry *find(struct cache *cache, const struct dns_name *name,
                                uint16_t type)
{
	struct cache_entry *entry = *bucket_of(cache, name, type);

	while (entry && (entry->type != type || !dns_name_equal(&entry->name, name)))
		entry = entry->next;
	return entry;
}

static void drop(struct cache *cache, struct cache_entry *entry)
{
	struct cache_entry **at = bucket_of(cache, &entry->name, entry->type);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	list_remove(&entry->recent);
	pool_put(&cache->entries, entry);
}

const struct answer *cache_find(struct cache *cache, const struct dns_name *name,
                                uint16_t type, kiln_time now)
{
	struct dns_name lower = *name;

	dns_name_lower(&lower);
	struct cache_entry *entry = find(cache, &lower, type);
	if (!entry)
		return NULL;
	if (now >= entry->expires_at) {
		drop(cache, entry);
		return NULL;
	}
	list_remove(&entry->recent);
	list_prepend(&cache->recent, &entry->recent);
	return &entry->answer;
}

void cache_put(struct cache *cache, const struct dns_name *name, uint16_t type,
               const struct answer *answer, kiln_time now)
{
	struct dns_name lower = *name;

	dns_name_lower(&lower);
	struct cache_entry *entry = find(cache, &lower, type);
	if (entry)
		drop(cache, entry);
	if (answer->ttl == 0)
		return;
	entry = pool_get(&cache->entries);
	if (!entry) {
		drop(cache,
		     kiln_container(cache->recent.prev, struct cache_entry, recent));
		entry = pool_get(&cache->entries);
	}
	struct cache_entry **bucket = bucket_of(cache, &lower, type);
	*entry = (struct cache_entry){.next = *bucket,
	                              .expires_at = now + KILN_SECONDS(answer->ttl),
	                              .type = type,
	                              .name = lower,
	                              .answer = *answer};
	*bucket = entry;
	list_init(&entry->recent);
	list_prepend(&cache->recent, &entry->recent);
}
