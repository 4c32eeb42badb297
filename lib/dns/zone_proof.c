/*
 * What a signed zone's answers need, made when it is compiled: the order of its NSEC, or the
 * hashes of its NSEC3, and for each name where the proof of what it has and has not is. So
 * a negative answer looks for one thing: what holds the name that was asked for.
 */
#include "zone_compile.h"

enum { SHA1 = 1 }; /* RFC 5155, 11 */
/* About as much as so many looks at records: a binary search, a hash. */
enum { WORK_COVER = 32, WORK_HASH = 16 };

/* ---- NSEC ---- */

static bool is_authoritative(const struct zone_node *node)
{
	return !(node->flags & ZONE_NODE_BELOW);
}

static bool put_order(struct zone_compiler *c)
{
	const struct zone_node *node = zone_at(c->zone, c->zone->apex);

	if (!zone_take(c, 0, 4))
		return false;
	c->zone->order = zone_offset(c, c->b->arena->at);
	for (uint32_t i = 0; i < c->zone->names; i++) {
		zone_work(c, 2);
		if (is_authoritative(node) && zone_set_find(c->zone, node, DNS_NSEC)) {
			uint32_t *at = zone_take(c, sizeof(*at), 4);

			if (!at)
				return false;
			*at = zone_offset(c, node);
			c->zone->order_count++;
		}
		node = zone_node_at(c->zone, node->next);
	}
	c->zone->flags |= ZONE_NSEC;
	return true;
}

/* ---- NSEC3 ---- */

/* The parameters of the chain that is whole: RFC 5155, 4. */
static bool read_parameters(struct zone_compiler *c, const struct zone_set *set)
{
	const struct zone_wire *wire = (const void *)set->records;
	struct cursor data = cursor_of(slice_of(wire->data, be16_get(wire->size)));
	struct zone_header *zone = c->zone;

	uint8_t algorithm = cursor_u8(&data);
	cursor_skip(&data, 1);
	zone->iterations = cursor_u16(&data);
	zone->salt_size = cursor_u8(&data);
	cursor_copy(&data, zone->salt, zone->salt_size);
	if (algorithm != SHA1 || zone->iterations > DNS_ZONE_NSEC3_ITERATIONS)
		return zone_fault_at(c, DNS_ZONE_NSEC3_HASH, zone_at(zone, zone->apex),
		                     DNS_NSEC3PARAM, NULL);
	return true;
}

/* Whether the NSEC3 belongs to the chain of the zone's parameters. */
static bool is_of_chain(const struct zone_header *zone, const struct zone_set *set)
{
	const struct zone_wire *wire = (const void *)set->records;
	struct cursor data = cursor_of(slice_of(wire->data, be16_get(wire->size)));

	uint8_t algorithm = cursor_u8(&data);
	cursor_skip(&data, 1);
	uint16_t iterations = cursor_u16(&data);
	struct slice salt = cursor_bytes(&data, cursor_u8(&data));
	return algorithm == SHA1 && iterations == zone->iterations &&
	       slice_equal(salt, slice_of(zone->salt, zone->salt_size));
}

/* Base 32 with the extended hexadecimal alphabet (RFC 4648, 7): 32 digits, in lower case. */
static bool read_hash(const struct zone_node *node, uint8_t hash[20])
{
	uint64_t bits = 0;

	if (node->name[0] != 32)
		return false;
	for (unsigned i = 0; i < 32; i++) {
		uint8_t digit = node->name[1 + i];

		if (digit >= '0' && digit <= '9')
			bits = bits << 5 | (uint64_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'v')
			bits = bits << 5 | (uint64_t)(digit - 'a' + 10);
		else
			return false;
		if (i % 8 < 7)
			continue;
		for (unsigned byte = 0; byte < 5; byte++)
			*hash++ = (uint8_t)(bits >> (32 - 8 * byte));
	}
	return true;
}

/* NSEC3 nodes are in order of their names, and so of their hashes. */
static bool put_hashes(struct zone_compiler *c, const struct zone_node *node)
{
	const struct zone_node *apex = zone_at(c->zone, c->zone->apex);

	if (!zone_take(c, 0, 4))
		return false;
	c->zone->hashes = zone_offset(c, c->b->arena->at);
	for (; node; node = zone_node_at(c->zone, node->next)) {
		struct zone_hash entry = {.node = zone_offset(c, node)};

		zone_work(c, 2);
		if (node->labels != apex->labels + 1 || !read_hash(node, entry.hash))
			return zone_fault_at(c, DNS_ZONE_NSEC3_OWNER, node, DNS_NSEC3,
			                     NULL);
		if (!is_of_chain(c->zone, zone_set_find(c->zone, node, DNS_NSEC3)))
			continue;
		struct zone_hash *at = zone_take(c, sizeof(*at), 4);
		if (!at)
			return false;
		*at = entry;
		c->zone->hash_count++;
	}
	if (c->zone->hash_count)
		c->zone->flags |= ZONE_NSEC3;
	return true;
}

/* ---- proofs ---- */

/* The name "*" below the node's. False: it would be too long to be one. */
static bool wildcard_of(const struct zone_node *node, struct zone_key *key)
{
	uint8_t name[DNS_NAME_SIZE + 2] = {1, '*'};

	memcpy(name + 2, node->name, node->name_size);
	return zone_key_read(key, slice_of(name, 2u + node->name_size));
}

static void prove_by_nsec(struct zone_compiler *c, struct zone_node *node,
                          struct zone_key *key)
{
	zone_work(c, 2 * WORK_COVER);
	if (zone_key_read(key, zone_node_name(node)))
		node->proof = zone_offset(c, zone_nsec_cover(c->zone, key));
	/* The child of a name without others comes directly behind it. */
	if ((node->flags & ZONE_NODE_LEAF) || !wildcard_of(node, key))
		node->wildcard_proof = node->proof;
	else
		node->wildcard_proof = zone_offset(c, zone_nsec_cover(c->zone, key));
}

static void prove_by_nsec3(struct zone_compiler *c, struct zone_node *node,
                           struct zone_key *key)
{
	const struct zone_node *cover;
	uint8_t hash[20];
	bool match;

	zone_work(c, 2 * (WORK_COVER + WORK_HASH * (1u + c->zone->iterations)));
	zone_nsec3_hash(c->zone, zone_node_name(node), hash);
	cover = zone_nsec3_cover(c->zone, hash, &match);
	if (match)
		node->proof = zone_offset(c, cover);
	if (node->flags & ZONE_NODE_CUT || !wildcard_of(node, key))
		return; /* what is below is not denied here */
	zone_nsec3_hash(c->zone, zone_key_from(key, 0), hash);
	node->wildcard_proof = zone_offset(c, zone_nsec3_cover(c->zone, hash, &match));
}

static const struct zone_node *first_nsec3(struct zone_compiler *c)
{
	const struct zone_node *node = zone_at(c->zone, c->zone->apex);

	for (uint32_t i = 0; i < c->zone->names; i++) {
		zone_work(c, 2);
		node = zone_node_at(c->zone, node->next);
	}
	return node;
}

bool zone_link_proofs(struct zone_compiler *c)
{
	struct zone_header *zone = c->zone;
	struct zone_node *node = zone_edit(c, zone->apex);
	const struct zone_set *set = zone_set_find(zone, node, DNS_NSEC3PARAM);
	struct zone_key key;

	if (zone_set_find(zone, node, DNS_NSEC)) {
		if (!put_order(c))
			return false;
	} else if (set) {
		if (!read_parameters(c, set) || !put_hashes(c, first_nsec3(c)))
			return false;
	}
	for (uint32_t i = 0; i < zone->names && zone->flags; i++) {
		if (is_authoritative(node) && zone->flags & ZONE_NSEC)
			prove_by_nsec(c, node, &key);
		else if (is_authoritative(node))
			prove_by_nsec3(c, node, &key);
		node = zone_edit(c, node->next);
	}
	return true;
}
