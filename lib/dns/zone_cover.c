/*
 * What denies a name in a compiled zone: the NSEC whose span holds it (RFC 4034, 4 and 6.1),
 * the NSEC3 whose span holds its hash (RFC 5155). See zone_private.h.
 */
#include <kiln/bytes.h>
#include <kiln/digest.h>
#include "zone_private.h"

/* ---- NSEC ---- */

/* Label by label from the root; both are in the zone, so that the apex' are the same. */
static int compare(const struct zone_key *key, const struct zone_node *node,
                   unsigned apex_labels)
{
	uint8_t starts[ZONE_LABELS];
	unsigned at = 0;

	for (unsigned i = 0; i < node->labels; i++) {
		starts[i] = (uint8_t)at;
		at += 1u + node->name[at];
	}
	unsigned a = key->labels - apex_labels, b = node->labels - apex_labels;
	while (a && b) {
		const uint8_t *x = key->bytes + key->starts[--a];
		const uint8_t *y = node->name + starts[--b];
		int order = memcmp(x + 1, y + 1, KILN_MIN(x[0], y[0]));

		if (order)
			return order;
		if (x[0] != y[0])
			return x[0] < y[0] ? -1 : 1;
	}
	return (a > 0) - (b > 0);
}

const struct zone_node *zone_nsec_cover(const struct zone_header *zone,
                                        const struct zone_key *key)
{
	const struct zone_node *apex = zone_at(zone, zone->apex);
	const uint32_t *order = zone_at(zone, zone->order);
	uint32_t low = 0, high = zone->order_count; /* the apex, at 0, is never above */

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(key, zone_at(zone, order[middle]), apex->labels) < 0)
			high = middle;
		else
			low = middle;
	}
	return zone_at(zone, order[low]);
}

/* ---- NSEC3 ---- */

void zone_nsec3_hash(const struct zone_header *zone, struct slice name, uint8_t hash[20])
{
	struct slice salt = slice_of(zone->salt, zone->salt_size);

	for (unsigned i = 0; i <= zone->iterations; i++) {
		struct digest d;

		digest_begin(&d, &digest_sha1);
		digest_add(&d, i ? slice_of(hash, 20) : name);
		digest_add(&d, salt);
		digest_end(&d, hash);
	}
}

const struct zone_node *zone_nsec3_cover(const struct zone_header *zone,
                                         const uint8_t hash[20], bool *match)
{
	const struct zone_hash *hashes = zone_at(zone, zone->hashes);
	uint32_t low = 0, high = zone->hash_count;

	*match = false;
	if (zone->hash_count == 0)
		return NULL;
	while (low < high) { /* to the first that is above */
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(hashes[middle].hash, hash, 20) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* The last one's span goes round to the first. */
	uint32_t at = low ? low - 1 : zone->hash_count - 1;
	*match = memcmp(hashes[at].hash, hash, 20) == 0;
	return zone_at(zone, hashes[at].node);
}
