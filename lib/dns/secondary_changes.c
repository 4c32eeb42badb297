/*
 * What an IXFR takes away and adds (RFC 1995, 4), over several versions of a zone. For each
 * record the last word counts: the old zone's records of which there was none are kept, and
 * those added last are added. By the first word, the old zone has the record, or has not: else
 * it is not the version that the primary had, and none of it is to be relied on.
 *
 * The changes lie in the block one behind the other, as they came, and a hash table behind them;
 * the new zone is compiled behind that.
 */
#include <kiln/dns_types.h>
#include "secondary_private.h"

struct change {
	uint32_t size; /* of all of it, a multiple of 8 */
	uint32_t ttl;
	uint16_t type, data_size;
	uint8_t owner_size;
	bool added;
	bool was_there;  /* by the first change of the record */
	uint8_t bytes[]; /* the owner, in lower case; the data, uncompressed */
};

void secondary_changes_begin(struct secondary_changes *c, struct secondary_worker *worker,
                             struct arena *arena)
{
	*c = (struct secondary_changes){
	    .worker = worker, .arena = arena, .base = arena_try(arena, 0, 8)};
}

bool secondary_change(struct secondary_changes *c, bool added,
                      const struct dns_record *record)
{
	struct change head = {
	    .ttl = record->ttl,
	    .type = record->type,
	    .owner_size = record->name.size,
	    .added = added,
	};
	struct change *change = arena_try(c->arena, sizeof(head), 8);
	size_t left = arena_left(c->arena);

	if (!change)
		return false;
	struct writer w = writer_of(change->bytes, left);
	for (unsigned i = 0; i < record->name.size; i++)
		writer_u8(&w, byte_lower(record->name.bytes[i]));
	bool good = dns_data_copy(&w, record) && !w.failed;
	size_t used = writer_done(&w).len;
	if (!good || !arena_try(c->arena, used, 1))
		return false;
	head.data_size = (uint16_t)(used - head.owner_size);
	head.size = (uint32_t)((sizeof(head) + used + 7) & ~(size_t)7);
	memcpy(change, &head, offsetof(struct change, bytes));
	c->count++;
	return arena_try(c->arena, 0, 8) != NULL;
}

/* ---- by owner, type and data ---- */

struct key {
	struct slice owner, data;
	uint16_t type;
};

static struct key key_of(const struct change *change)
{
	return (struct key){
	    slice_of(change->bytes, change->owner_size),
	    slice_of(change->bytes + change->owner_size, change->data_size),
	    change->type,
	};
}

/* Upper and lower case are equal in names, and a name's part that is the zone's own may have come
 * out of the old zone in another case; in all other data they are two. */
static bool has_names(uint16_t type)
{
	const struct dns_type_info *info = dns_type_find(type);

	return info && (strchr(info->fields, 'n') || strchr(info->fields, 'N'));
}

static uint32_t hash_of(const struct key *key)
{
	uint32_t hash = 2166136261u ^ key->type; /* FNV-1a */

	for (size_t i = 0; i < key->owner.len; i++)
		hash = (hash ^ key->owner.data[i]) * 16777619u;
	for (size_t i = 0; i < key->data.len; i++)
		hash = (hash ^ byte_lower(key->data.data[i])) * 16777619u;
	return hash;
}

static bool same(const struct key *a, const struct key *b)
{
	return a->type == b->type && slice_equal(a->owner, b->owner) &&
	       (slice_equal(a->data, b->data) ||
	        (has_names(a->type) && slice_equal_nocase(a->data, b->data)));
}

static const struct change *change_at(const struct secondary_changes *c, uint32_t slot)
{
	return (const void *)(c->base + slot - 1);
}

/* Where its last change is, or would be. */
static uint32_t *slot_of(const struct secondary_changes *c, const struct key *key)
{
	for (uint32_t i = hash_of(key);; i++) {
		uint32_t *slot = &c->table[i & c->mask];

		if (*slot == 0)
			return slot;
		struct key other = key_of(change_at(c, *slot));
		if (same(key, &other))
			return slot;
	}
}

static bool make_table(struct secondary_changes *c)
{
	uint64_t slots = 4;
	uint32_t at = 0;

	while (slots < 2ull * c->count)
		slots *= 2;
	c->table = arena_try(c->arena, slots * sizeof(*c->table), 8);
	if (!c->table || slots > UINT32_MAX)
		return false;
	memset(c->table, 0, slots * sizeof(*c->table));
	c->mask = (uint32_t)slots - 1;
	for (uint32_t i = 0; i < c->count; i++) {
		struct change *change = (void *)(c->base + at);
		struct key key = key_of(change);
		uint32_t *slot = slot_of(c, &key);

		secondary_record(c->worker);
		change->was_there =
		    *slot ? change_at(c, *slot)->was_there : !change->added;
		c->expected += !*slot && change->was_there;
		*slot = at + 1;
		at += change->size;
	}
	return true;
}

/* ---- the new zone ---- */

static bool add(struct dns_zone_builder *builder, const struct key *key, uint32_t ttl)
{
	struct dns_name owner = {.size = (uint8_t)key->owner.len};

	memcpy(owner.bytes, key->owner.data, owner.size);
	enum dns_zone_fault fault =
	    dns_zone_add(builder, &owner, key->type, ttl, key->data, 0);
	return fault == DNS_ZONE_OK || fault == DNS_ZONE_OUTSIDE;
}

/* What the changes say nothing of stays. */
static const char *keep(struct secondary_changes *c, const struct dns_zone *old,
                        struct dns_zone_builder *builder)
{
	struct dns_zone_iterator it;
	uint32_t found = 0;

	dns_zone_iterate(&it, old);
	while (dns_zone_next(&it)) {
		struct key key = {it.owner, it.data, it.type};
		uint32_t slot = *slot_of(c, &key);

		secondary_record(c->worker);
		if (it.type == DNS_SOA)
			continue;
		if (slot && !change_at(c, slot)->was_there)
			return "changes add what is there already";
		found += slot != 0;
		if (!slot && !add(builder, &key, it.ttl))
			return secondary_no_memory;
	}
	return found == c->expected ? NULL : "changes take away what is not there";
}

const char *secondary_changes_apply(struct secondary_changes *c,
                                    const struct dns_zone *old,
                                    struct dns_zone_builder *builder)
{
	struct dns_name origin = {.size = (uint8_t)old->apex.len};

	memcpy(origin.bytes, old->apex.data, origin.size);
	if (!make_table(c) || !dns_zone_begin(builder, c->arena, &origin))
		return secondary_no_memory;
	const char *wrong = keep(c, old, builder);
	for (uint32_t i = 0; !wrong && i <= c->mask; i++) {
		secondary_record(c->worker);
		if (c->table[i] == 0)
			continue;
		const struct change *change = change_at(c, c->table[i]);
		struct key key = key_of(change);
		if (change->added && !add(builder, &key, change->ttl))
			wrong = secondary_no_memory;
	}
	return wrong;
}
