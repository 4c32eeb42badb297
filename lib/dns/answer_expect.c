/*
 * What an answer will be looked up in, fetched before it is: see <kiln/dns_answer.h>. A name
 * that is there is found by its slot and its node, with the sets behind it. One that is not
 * ends with the slot, mostly; the nodes above it are few, and in the caches.
 */
#include <kiln/dns_answer.h>
#include "zone_private.h"

enum {
	LINE = 64,       /* of a cache */
	NODE_SIZE = 192, /* with a set or two */
};

void dns_expect(const struct dns_answerer *a, struct slice query,
                struct dns_expected *expected)
{
	struct zone_key key;
	unsigned label = 0;

	expected->zone = NULL;
	if (!zone_key_read(&key, slice_skip(query, DNS_HEADER_SIZE)))
		return;
	const struct dns_zone *zone = zones_find_key(a->zones, &key, &label);
	if (!zone)
		return;
	expected->zone = zone;
	expected->hash = key.hashes[0];
	__builtin_prefetch(zone_home(zone->header, expected->hash));
}

void dns_expect_node(const struct dns_expected *expected)
{
	if (!expected->zone)
		return;
	const struct zone_header *zone = expected->zone->header;
	const struct zone_slot *slot = zone_slot_of(zone, expected->hash, NULL);
	const uint8_t *node = zone_at(zone, slot->node);
	for (unsigned at = 0; at < NODE_SIZE; at += LINE)
		__builtin_prefetch(node + at);
}
