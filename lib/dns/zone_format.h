/*
 * The compiled form of a zone: one block of bytes, aligned to 8, which zone_compile.c writes
 * and zone.c and the answering read where it lies. All integers are little-endian, all places
 * are offsets from the block's start, a multiple of 4; 0 is none. What stands in messages is
 * in their byte order.
 *
 *	header
 *	nodes, each with its name, its list of sets, and its sets behind it: the zone's names
 *	    in canonical order (RFC 4034, 6.1), those included which only others stand below
 *	    (empty non-terminals: RFC 4592, 2.2.2); then the owners of NSEC3 records
 *	hash table: from the names to their nodes, but not to those of NSEC3 (RFC 5155, 7.2.8)
 *	order: nodes with NSEC, in canonical order
 *	hashes: of NSEC3 records, sorted, with their nodes
 *
 * A node's sets are found without another look-up, and mostly in the cache lines that its name
 * was compared in. All records of a set lie as they go into a message, but for pointers of two
 * bytes: each owner, and each place in the data where the apex' name ends a name that may be
 * compressed, is patched when the set is copied.
 */
#ifndef DNS_ZONE_FORMAT_H
#define DNS_ZONE_FORMAT_H

#include <kiln/bytes.h>
#include <kiln/dns.h>

#define ZONE_MAGIC "kilnzone"
enum { ZONE_VERSION = 1 };

enum { /* of a zone */
       ZONE_NSEC = 1,
       ZONE_NSEC3 = 2,
};

struct zone_header {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of the block */
	uint32_t flags;
	uint32_t names;   /* nodes but for those of NSEC3 */
	uint32_t records; /* signatures included */
	uint32_t apex;    /* the first node */
	uint32_t slots, slot_count;
	uint32_t order, order_count;
	uint32_t hashes, hash_count;
	uint32_t soa; /* set */
	uint32_t
	    negative_soa; /* set: with the TTL that a negative answer has (RFC 2308, 3) */
	uint16_t iterations; /* of NSEC3 */
	uint8_t salt_size;
	uint8_t labels_most; /* of any name, the root's not counted */
	uint8_t salt[256];
};
_Static_assert(sizeof(struct zone_header) == 68 + 256, "without padding");

/* A slot is empty where node is 0; a name's home is by the upper half of its hash. */
struct zone_slot {
	uint32_t tag; /* the lower half */
	uint32_t node;
};

enum {                      /* of a node */
       ZONE_NODE_CUT = 1,   /* a delegation: has NS and is not the apex */
       ZONE_NODE_BELOW = 2, /* below a cut: glue */
       ZONE_NODE_DNAME = 4,
       ZONE_NODE_LEAF = 8, /* no name stands below it */
};

struct zone_node {
	uint32_t next;     /* node */
	uint32_t parent;   /* node; 0 of the apex */
	uint32_t wildcard; /* node: its child "*" */
	uint32_t cut;      /* node: the uppermost cut at or above it */
	/* Nodes whose NSEC or NSEC3 shows what is there, and that there is no child "*". */
	uint32_t proof, wildcard_proof;
	uint16_t flags;
	uint16_t set_count;
	uint8_t labels; /* the root's not counted */
	uint8_t name_size;
	uint8_t name[]; /* in lower case; up to a multiple of 4 */
	                /* struct zone_ref refs[set_count], by type */
};

struct zone_ref {
	uint16_t type;
	uint16_t unused;
	uint32_t set;
};

struct zone_set {
	uint16_t type;
	uint16_t count; /* of records */
	uint16_t size;  /* of all their bytes */
	uint16_t signature_count;
	uint16_t signature_size;
	uint16_t patch_count;
	uint16_t target_count;
	uint16_t
	    required; /* of the targets, the first ones: in a referral RFC 9471 wants them */
	uint8_t records[]; /* then signatures, then up to a multiple of 4 */
	                   /* struct zone_target targets[target_count] */
	/* uint16_t patches[patch_count]: places in the records of pointers to the apex */
};
_Static_assert(sizeof(struct zone_set) == 16, "without padding");

/* A host that the data names, with addresses in the zone. */
struct zone_target {
	uint32_t node;
	uint16_t at; /* where its name stands in the records */
	uint16_t unused;
};

struct zone_hash {
	uint8_t hash[20];
	uint32_t node;
};
_Static_assert(sizeof(struct zone_hash) == 24, "without padding");

/* What each record begins with, then its data. */
struct zone_wire {
	struct be16 owner; /* a pointer, to be patched */
	struct be16 type, class;
	struct be32 ttl;
	struct be16 size;
	uint8_t data[];
};
_Static_assert(sizeof(struct zone_wire) == 12, "without padding");

static inline const void *zone_at(const struct zone_header *zone, uint32_t offset)
{
	return (const uint8_t *)zone + offset;
}

static inline uint32_t zone_round(uint32_t size)
{
	return (size + 3) & ~3u;
}

static inline const struct zone_node *zone_node_at(const struct zone_header *zone,
                                                   uint32_t offset)
{
	return offset ? zone_at(zone, offset) : NULL;
}

static inline struct slice zone_node_name(const struct zone_node *node)
{
	return slice_of(node->name, node->name_size);
}

static inline const struct zone_ref *zone_node_refs(const struct zone_node *node)
{
	uint32_t at = zone_round(offsetof(struct zone_node, name) + node->name_size);

	return (const void *)((const uint8_t *)node + at);
}

static inline const uint16_t *zone_set_patches(const struct zone_set *set)
{
	uint32_t records = (uint32_t)set->size + set->signature_size;

	return (const void *)(set->records + zone_round(records));
}

static inline const struct zone_target *zone_set_targets(const struct zone_set *set)
{
	uint32_t records = zone_round((uint32_t)set->size + set->signature_size);

	return (const void *)(set->records + zone_round(records + 2u * set->patch_count));
}

/* NULL: the node has none of the type. */
static inline const struct zone_set *zone_set_find(const struct zone_header *zone,
                                                   const struct zone_node *node,
                                                   uint16_t type)
{
	const struct zone_ref *refs = zone_node_refs(node);

	for (unsigned i = 0; i < node->set_count; i++) {
		if (refs[i].type == type)
			return zone_at(zone, refs[i].set);
	}
	return NULL;
}

#endif
