/*
 * Several zones, by their apexes: a hash table of half as many zones as slots, by the same
 * hash that names in zones are found by, so that a question's name is hashed once. See
 * <kiln/dns_zone.h>.
 */
#include <kiln/bytes.h>
#include "dns_private.h"
#include "zone_private.h"

bool dns_zones_init(struct dns_zones *zones, struct arena *arena, unsigned most)
{
	unsigned slots = 2;

	while (slots < 2 * most)
		slots *= 2;
	*zones = (struct dns_zones){
	    .slots = arena_try(arena, slots * sizeof(struct dns_zone *), 8),
	    .mask = slots - 1,
	    .most = most,
	};
	if (!zones->slots)
		return false;
	memset(zones->slots, 0, slots * sizeof(struct dns_zone *));
	return true;
}

/* The slot of the apex, or the free one where it would be put. */
static unsigned slot_of(const struct dns_zones *zones, struct slice apex, uint64_t hash)
{
	unsigned at = (unsigned)hash & zones->mask;

	while (zones->slots[at] && !slice_equal(zones->slots[at]->apex, apex))
		at = (at + 1) & zones->mask;
	return at;
}

/* The slot by the name of a zone. */
static unsigned slot_by_name(const struct dns_zones *zones, struct slice name)
{
	struct zone_key key;

	if (!zone_key_read(&key, name))
		return zones->mask + 1;
	return slot_of(zones, zone_key_from(&key, 0), key.hashes[0]);
}

bool dns_zones_put(struct dns_zones *zones, struct dns_zone *zone,
                   struct dns_zone **before)
{
	unsigned at = slot_by_name(zones, zone->apex);
	const struct zone_node *apex = zone_at(zone->header, zone->header->apex);

	*before = at <= zones->mask ? zones->slots[at] : NULL;
	if (at > zones->mask || (!*before && zones->count == zones->most))
		return false;
	zones->count += !*before;
	zones->slots[at] = zone;
	zones->labels = KILN_MAX(zones->labels, apex->labels);
	return true;
}

/* Those behind it that were pushed on are put in anew: no gap may part one from its place. */
void dns_zones_remove(struct dns_zones *zones, struct dns_zone *zone)
{
	unsigned at = slot_by_name(zones, zone->apex);

	if (at > zones->mask || zones->slots[at] != zone)
		return;
	zones->slots[at] = NULL;
	zones->count--;
	for (at = (at + 1) & zones->mask; zones->slots[at]; at = (at + 1) & zones->mask) {
		struct dns_zone *moved = zones->slots[at];

		zones->slots[at] = NULL;
		zones->slots[slot_by_name(zones, moved->apex)] = moved;
	}
}

struct dns_zone *dns_zones_find(const struct dns_zones *zones,
                                const struct dns_name *apex)
{
	unsigned at = slot_by_name(zones, dns_name_slice(apex));

	return at <= zones->mask ? zones->slots[at] : NULL;
}

struct dns_zone *dns_zones_next(const struct dns_zones *zones, unsigned *at)
{
	while (*at <= zones->mask) {
		struct dns_zone *zone = zones->slots[(*at)++];

		if (zone)
			return zone;
	}
	return NULL;
}

const struct dns_zone *zones_find_key(const struct dns_zones *zones,
                                      const struct zone_key *key, unsigned *label)
{
	unsigned first = *label;

	if (key->labels > zones->labels)
		first = KILN_MAX(first, (unsigned)key->labels - zones->labels);
	for (; first <= key->labels; first++) {
		const struct dns_zone *zone = zones->slots[slot_of(
		    zones, zone_key_from(key, first), key->hashes[first])];

		if (zone) {
			*label = first;
			return zone;
		}
	}
	return NULL;
}
