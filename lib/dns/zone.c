/*
 * A compiled zone: opening it, looking for names in it, going through it. See
 * <kiln/dns_zone.h> and zone_private.h. What the block says of itself is believed: it comes
 * from zone_compile.c, with the program or from its own memory.
 */
#include <kiln/bytes.h>
#include "zone_build.h"
#include "zone_private.h"

/* ---- names ---- */

const struct zone_node *zone_node_of(const struct zone_header *zone,
                                     const struct zone_key *key, unsigned label)
{
	struct slice name = zone_key_from(key, label);
	uint64_t hash = key->hashes[label];
	const struct zone_slot *slot = zone_slot_of(zone, hash, NULL);

	for (; slot->node; slot = zone_slot_of(zone, hash, slot)) {
		const struct zone_node *node = zone_at(zone, slot->node);

		if (slice_equal(zone_node_name(node), name))
			return node;
	}
	return NULL;
}

/* Where a name exists all names above it do, up to the apex: the closest one that does is
 * found by halves. */
void zone_search(const struct zone_header *zone, const struct zone_key *key,
                 struct zone_found *found)
{
	const struct zone_node *apex = zone_at(zone, zone->apex);
	unsigned none = 0, there = (unsigned)key->labels - apex->labels;

	found->node = NULL;
	found->encloser = apex;
	if (key->labels <= zone->labels_most)
		found->node = zone_node_of(zone, key, 0);
	else
		none = (unsigned)key->labels - zone->labels_most - 1;
	if (found->node) {
		found->encloser = found->node;
		there = 0;
	}
	while (there > none + 1) {
		unsigned middle = (there + none) / 2;
		const struct zone_node *node = zone_node_of(zone, key, middle);

		if (node) {
			found->encloser = node;
			there = middle;
		} else {
			none = middle;
		}
	}
	found->label = there;
}

/* ---- opening ---- */

static bool table_fits(const struct zone_header *zone, uint32_t at, uint32_t count,
                       size_t size)
{
	return at <= zone->size && count <= (zone->size - at) / size;
}

bool dns_zone_open(struct dns_zone *zone, struct slice compiled)
{
	const struct zone_header *header = (const void *)compiled.data;
	struct dns_soa soa;

	if ((uintptr_t)compiled.data % 8 || compiled.len < sizeof(*header) ||
	    memcmp(header->magic, ZONE_MAGIC, sizeof(header->magic)) != 0 ||
	    header->version != ZONE_VERSION || header->size > compiled.len)
		return false;
	if (!table_fits(header, header->apex, 1, sizeof(struct zone_node)) ||
	    !table_fits(header, header->soa, 1, sizeof(struct zone_set)) ||
	    !table_fits(header, header->slots, header->slot_count,
	                sizeof(struct zone_slot)) ||
	    !table_fits(header, header->order, header->order_count, sizeof(uint32_t)) ||
	    !table_fits(header, header->hashes, header->hash_count,
	                sizeof(struct zone_hash)))
		return false;
	*zone = (struct dns_zone){
	    .header = header,
	    .size = header->size,
	    .apex = zone_node_name(zone_at(header, header->apex)),
	};
	dns_zone_soa(zone, &soa);
	zone->serial = soa.serial;
	return true;
}

uint32_t dns_zone_names(const struct dns_zone *zone)
{
	return zone->header->names;
}

uint32_t dns_zone_records(const struct dns_zone *zone)
{
	return zone->header->records;
}

bool dns_zone_signed(const struct dns_zone *zone)
{
	return (zone->header->flags & (ZONE_NSEC | ZONE_NSEC3)) != 0;
}

/* ---- going through it ---- */

/* The record that begins at it->at, whose patches begin with it->patch. */
static void expand(struct dns_zone_iterator *it, const struct zone_set *set)
{
	const struct zone_wire *wire = (const void *)(set->records + it->at);
	const uint16_t *patches = zone_set_patches(set);
	struct slice data = slice_of(wire->data, be16_get(wire->size));
	struct writer w = writer_of(it->expanded, sizeof(it->expanded));
	uint32_t first = it->at + (uint32_t)sizeof(*wire),
	         end = first + (uint32_t)data.len;
	uint32_t from = first;

	it->type = be16_get(wire->type);
	it->ttl = be32_get(wire->ttl);
	it->data = data;
	it->at = end;
	it->left--;
	if (it->patch == set->patch_count || patches[it->patch] >= end)
		return;
	for (; it->patch < set->patch_count && patches[it->patch] < end; it->patch++) {
		writer_bytes(&w,
		             slice_of(set->records + from, patches[it->patch] - from));
		writer_bytes(&w, it->zone->apex);
		from = patches[it->patch] + 2u;
	}
	writer_bytes(&w, slice_of(set->records + from, end - from));
	it->data = writer_done(&w);
}

static void begin_set(struct dns_zone_iterator *it, const struct zone_header *zone,
                      uint32_t offset)
{
	const struct zone_set *set = zone_at(zone, offset);

	it->set_at = offset;
	it->at = it->patch = 0;
	it->left = (uint32_t)set->count + (it->one ? 0u : set->signature_count);
}

void dns_zone_iterate(struct dns_zone_iterator *it, const struct dns_zone *zone)
{
	const struct zone_node *apex = zone_at(zone->header, zone->header->apex);

	it->zone = zone;
	it->one = false;
	it->node = zone->header->apex;
	it->owner = zone_node_name(apex);
	it->set = it->left = 0;
}

bool dns_zone_find(struct dns_zone_iterator *it, const struct dns_zone *zone,
                   const struct dns_name *owner, uint16_t type)
{
	struct zone_key key;

	if (!zone_key_read(&key, slice_of(owner->bytes, owner->size)) ||
	    key.size < zone->apex.len)
		return false;
	const struct zone_node *node = zone_node_of(zone->header, &key, 0);
	const struct zone_set *set =
	    node ? zone_set_find(zone->header, node, type) : NULL;
	if (!set)
		return false;
	it->zone = zone;
	it->one = true;
	it->owner = zone_node_name(node);
	begin_set(it, zone->header,
	          (uint32_t)((const uint8_t *)set - (const uint8_t *)zone->header));
	return true;
}

bool dns_zone_next(struct dns_zone_iterator *it)
{
	const struct zone_header *zone = it->zone->header;

	while (it->left == 0) {
		if (it->one || it->node == 0)
			return false;
		const struct zone_node *node = zone_at(zone, it->node);
		it->owner = zone_node_name(node);
		if (it->set < node->set_count) {
			begin_set(it, zone, zone_node_refs(node)[it->set++].set);
		} else {
			it->node = node->next;
			it->set = 0;
		}
	}
	expand(it, zone_at(zone, it->set_at));
	return true;
}

void dns_zone_soa(const struct dns_zone *zone, struct dns_soa *soa)
{
	struct dns_zone_iterator it = {.zone = zone, .one = true};
	struct dns_record record = {0};

	begin_set(&it, zone->header, zone->header->soa);
	expand(&it, zone_at(zone->header, zone->header->soa));
	record.data = record.message = it.data;
	if (!dns_data_soa(&record, soa))
		*soa = (struct dns_soa){0};
}
