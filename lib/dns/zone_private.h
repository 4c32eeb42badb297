/*
 * Names as zones are searched by, and the search: shared by the compiler, the zone and what
 * answers.
 */
#ifndef DNS_ZONE_PRIVATE_H
#define DNS_ZONE_PRIVATE_H

#include <kiln/dns_zone.h>
#include "zone_format.h"

enum { ZONE_LABELS = 128 }; /* of a name at most, the root's counted */

/*
 * A name in lower case, with the places of its labels, and the hash of each of its suffixes:
 * they are made in one pass, label by label from the root, so that the name's zone, and then
 * every name above it in the zone, are found without hashing again.
 */
struct zone_key {
	uint8_t size;
	uint8_t labels; /* the root's not counted */
	uint8_t starts[ZONE_LABELS]; /* of label i, the first one being 0; starts[labels]: root */
	/* Zeroes behind the name: words are read whole. And room for a label behind it, so that
	 * none ends outside, whatever its length says. */
	uint8_t bytes[DNS_NAME_SIZE + DNS_LABEL_SIZE + 10];
	uint64_t hashes[ZONE_LABELS]; /* of what begins with label i */
};

/* The name that the bytes begin with, uncompressed. False: there is none. */
KILN_MUST_CHECK bool zone_key_read(struct zone_key *key, struct slice bytes);

static inline struct slice zone_key_from(const struct zone_key *key, unsigned label)
{
	return slice_of(key->bytes + key->starts[label], (size_t)key->size - key->starts[label]);
}

/* The slot where the search for a name begins, by its hash. */
static inline const struct zone_slot *zone_home(const struct zone_header *zone,
                                                uint64_t hash)
{
	const struct zone_slot *slots = zone_at(zone, zone->slots);

	return slots + ((hash >> 32) * zone->slot_count >> 32);
}

/* The slot that may be the name's, or the empty one that ends the search: the first, or the
 * next behind one that was another's. */
static inline const struct zone_slot *zone_slot_of(const struct zone_header *zone,
                                                   uint64_t hash,
                                                   const struct zone_slot *another)
{
	const struct zone_slot *slots = zone_at(zone, zone->slots);
	const struct zone_slot *slot = another ? another + 1 : zone_home(zone, hash);

	for (;; slot++) {
		if (slot == slots + zone->slot_count)
			slot = slots;
		if (slot->node == 0 || slot->tag == (uint32_t)hash)
			return slot;
	}
}

/* The node of what begins with a label of the key; NULL: there is none. */
const struct zone_node *zone_node_of(const struct zone_header *zone,
				     const struct zone_key *key, unsigned label);

struct zone_found {
	const struct zone_node *node;     /* of the name itself; NULL: it does not exist */
	const struct zone_node *encloser; /* the closest: the node, if there is one */
	unsigned label;                   /* of the key, that the encloser's name begins with */
};
/* The key is in the zone. */
void zone_search(const struct zone_header *zone, const struct zone_key *key,
		 struct zone_found *found);

/* The zone with the longest apex that the key's name is in, looked for from *label on, where
 * its apex is found; NULL: there is none. */
const struct dns_zone *zones_find_key(const struct dns_zones *zones,
				      const struct zone_key *key, unsigned *label);

/* The node of the NSEC that denies the name, or is its own; of a zone that has NSEC. */
const struct zone_node *zone_nsec_cover(const struct zone_header *zone,
					const struct zone_key *key);

/* RFC 5155, 5: the hash of a name in lower case by the zone's parameters. */
void zone_nsec3_hash(const struct zone_header *zone, struct slice name, uint8_t hash[20]);
/* The node of the NSEC3 that denies the hash, or is its own (*match). NULL: none at all. */
const struct zone_node *zone_nsec3_cover(const struct zone_header *zone,
					 const uint8_t hash[20], bool *match);

#endif
