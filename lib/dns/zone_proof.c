/*
 * What a signed zone's answers need, made when it is compiled: the order of its NSEC, or the
 * hashes of its NSEC3, and for each name where the proof of what it has and has not is. So
 * a negative answer looks for one thing: what holds the name that was asked for.
 */
#include "zone_compile.h"

enum { SHA1 = 1 /* RFC 5155, 11 */, OPT_OUT = 1 /* 3.1.2.1 */ };
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

/* What NSEC3 and NSEC3PARAM begin with. */
struct chain {
	uint8_t algorithm, flags;
	uint16_t iterations;
	struct slice salt;
	bool whole;
};

/* From the first bytes of a set's record, with what follows there. */
static struct cursor read_chain(const uint8_t *record, struct chain *chain)
{
	const struct zone_wire *wire = (const void *)record;
	struct cursor data = cursor_of(slice_of(wire->data, be16_get(wire->size)));

	chain->algorithm = cursor_u8(&data);
	chain->flags = cursor_u8(&data);
	chain->iterations = cursor_u16(&data);
	chain->salt = cursor_bytes(&data, cursor_u8(&data));
	return data;
}

/* If an NSEC3 belongs to the chain: its flags, and the hash that it says is next. */
static bool is_of_chain(const struct zone_header *zone, const struct zone_node *node,
                        const struct chain *chain, uint8_t *flags, struct slice *next)
{
	struct chain own;
	struct cursor rest =
	    read_chain(zone_set_find(zone, node, DNS_NSEC3)->records, &own);

	*flags = own.flags;
	*next = cursor_bytes(&rest, cursor_u8(&rest));
	return own.algorithm == chain->algorithm && own.iterations == chain->iterations &&
	       slice_equal(own.salt, chain->salt);
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

/* Of the zone: how many have proofs of their own, and where those of NSEC3 begin. */
struct nodes {
	uint32_t authoritative;
	const struct zone_node *nsec3;
};

static struct nodes count_nodes(struct zone_compiler *c)
{
	struct nodes nodes = {.nsec3 = zone_at(c->zone, c->zone->apex)};

	for (uint32_t i = 0; i < c->zone->names; i++) {
		zone_work(c, 2);
		nodes.authoritative += is_authoritative(nodes.nsec3);
		nodes.nsec3 = zone_node_at(c->zone, nodes.nsec3->next);
	}
	return nodes;
}

/* Whether it goes round, each hash next to the one before, and has one of every name unless
 * it opts out. NSEC3 nodes are in order of their names, and so of their hashes. */
static bool is_whole(struct zone_compiler *c, const struct nodes *nodes,
                     const struct chain *chain)
{
	const struct zone_node *node = nodes->nsec3;
	uint8_t first[20], hash[20], flags, all_flags = 0;
	struct slice next, expected = {0};
	uint32_t count = 0;

	for (; node; node = zone_node_at(c->zone, node->next)) {
		zone_work(c, 2);
		if (!is_of_chain(c->zone, node, chain, &flags, &next) ||
		    !read_hash(node, hash))
			continue;
		if (count == 0)
			memcpy(first, hash, sizeof(first));
		else if (!slice_equal(expected, slice_of(hash, sizeof(hash))))
			return false;
		all_flags |= flags;
		expected = next;
		count++;
	}
	return count && slice_equal(expected, slice_of(first, sizeof(first))) &&
	       (all_flags & OPT_OUT || count >= nodes->authoritative);
}

/*
 * Of several chains any that is whole will do (RFC 5155, 7.3): the one with the least to hash;
 * one that is not whole if there is no other. Parameters with flags are to be ignored (4.1.2);
 * *bad: some are of another hash than SHA-1, or too many iterations (RFC 9276, 3.2), which is
 * an error where nothing else proves. False: there is none.
 */
static bool choose_chain(struct zone_compiler *c, const struct zone_set *set,
                         const struct nodes *nodes, struct chain *best, bool *bad)
{
	const uint8_t *at = set->records, *end = at + set->size;
	bool found = false;

	*bad = false;
	while (at < end) {
		struct chain one;

		read_chain(at, &one);
		at += sizeof(struct zone_wire) +
		      be16_get(((const struct zone_wire *)(const void *)at)->size);
		if (one.flags)
			continue;
		if (one.algorithm != SHA1 || one.iterations > DNS_ZONE_NSEC3_ITERATIONS) {
			*bad = true;
			continue;
		}
		one.whole = is_whole(c, nodes, &one);
		if (!found || one.whole > best->whole ||
		    (one.whole == best->whole && one.iterations < best->iterations))
			*best = one;
		found = true;
	}
	return found;
}

static bool put_hashes(struct zone_compiler *c, const struct zone_node *node,
                       const struct chain *chain)
{
	const struct zone_node *apex = zone_at(c->zone, c->zone->apex);
	struct slice next;
	uint8_t flags;

	c->zone->iterations = chain->iterations;
	c->zone->salt_size = (uint8_t)chain->salt.len;
	memcpy(c->zone->salt, chain->salt.data, chain->salt.len);
	if (!zone_take(c, 0, 4))
		return false;
	c->zone->hashes = zone_offset(c, c->b->arena->at);
	for (; node; node = zone_node_at(c->zone, node->next)) {
		struct zone_hash entry = {.node = zone_offset(c, node)};

		zone_work(c, 2);
		if (node->labels != apex->labels + 1 || !read_hash(node, entry.hash))
			return zone_fault_at(c, DNS_ZONE_NSEC3_OWNER, node, DNS_NSEC3,
			                     NULL);
		if (!is_of_chain(c->zone, node, chain, &flags, &next))
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

/* While a signer goes from NSEC to NSEC3, or back, what NSEC3PARAM speaks of is whole, and
 * NSEC may be there in part (RFC 5155, 10.4, 10.5). */
static bool put_chain(struct zone_compiler *c, const struct zone_node *apex)
{
	const struct zone_set *set = zone_set_find(c->zone, apex, DNS_NSEC3PARAM);
	bool nsec = zone_set_find(c->zone, apex, DNS_NSEC), bad = false;
	struct nodes nodes;
	struct chain chain;

	if (set) {
		nodes = count_nodes(c);
		if (choose_chain(c, set, &nodes, &chain, &bad) && (chain.whole || !nsec))
			return put_hashes(c, nodes.nsec3, &chain);
	}
	if (nsec)
		return put_order(c);
	return !bad || zone_fault_at(c, DNS_ZONE_NSEC3_HASH, apex, DNS_NSEC3PARAM, NULL);
}

bool zone_link_proofs(struct zone_compiler *c)
{
	struct zone_header *zone = c->zone;
	struct zone_node *node = zone_edit(c, zone->apex);
	struct zone_key key;

	if (!put_chain(c, node))
		return false;
	for (uint32_t i = 0; i < zone->names && zone->flags; i++) {
		if (is_authoritative(node) && zone->flags & ZONE_NSEC)
			prove_by_nsec(c, node, &key);
		else if (is_authoritative(node))
			prove_by_nsec3(c, node, &key);
		node = zone_edit(c, node->next);
	}
	return true;
}
