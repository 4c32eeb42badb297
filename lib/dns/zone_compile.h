/*
 * What the parts of the compiler share: zone_compile.c writes nodes and sets, zone_sort.c puts
 * the records in order before, zone_link.c makes the tables and ties nodes together behind.
 */
#ifndef DNS_ZONE_COMPILE_H
#define DNS_ZONE_COMPILE_H

#include "zone_build.h"
#include "zone_private.h"

struct zone_compiler {
	struct dns_zone_builder *b;
	uint32_t work; /* since it paused */
	struct dns_zone_error *error; /* fault: DNS_ZONE_OK as long as there is none */
	uint32_t *index;              /* records in order, in words from b->base */
	struct zone_header *zone;     /* the block */
	struct zone_node *last;       /* written so far */
	struct zone_node *path[ZONE_LABELS]; /* to the last: path[n] has n labels below the apex */
	struct slice last_owner;      /* of which the path is: as in struct zone_record */
};

/* Counts work, and lets the caller do something else when it has become much. A unit is about a
 * look at a record, with nothing much done to it. */
void zone_work(struct zone_compiler *c, uint32_t units);

static inline const struct zone_record *zone_record_at(struct zone_compiler *c, uint32_t i)
{
	zone_work(c, 1);
	return (const void *)(c->b->base + (size_t)c->index[i] * 4);
}

/* memmove, to where it may overlap with what lies above; `from` NULL: zeroes. In parts, as work
 * of its own. */
void zone_copy(struct zone_compiler *c, void *to, const void *from, size_t size);

/* Zeroed room at the end of the block; NULL: there is none, which is c->error then. */
KILN_MUST_CHECK void *zone_take(struct zone_compiler *c, size_t size, size_t align);

static inline uint32_t zone_offset(const struct zone_compiler *c, const void *at)
{
	return (uint32_t)((const uint8_t *)at - (const uint8_t *)c->zone);
}

/* For pointers into a block that is being written. */
static inline void *zone_edit(struct zone_compiler *c, uint32_t offset)
{
	return (uint8_t *)c->zone + offset;
}

/* An error, or a warning, about a record; the first error stays. Returns false. */
bool zone_fault(struct zone_compiler *c, enum dns_zone_fault fault,
		const struct zone_record *record);
/* The same about a node, with type 0, or about its records of a type that name a host, or
 * about all of them: NULL. */
bool zone_fault_at(struct zone_compiler *c, enum dns_zone_fault fault,
		   const struct zone_node *node, uint16_t type,
		   const struct dns_name *host);

/* Records of NSEC3 and their signatures: they stand apart (RFC 5155, 7.2.8). */
bool zone_record_is_nsec3(const struct zone_record *record);
/* Makes the index: by NSEC3 or not, owner, type, data. */
KILN_MUST_CHECK bool zone_sort(struct zone_compiler *c);
/* Where the first record of the owner came from that is of the type, if it is not 0, and ends
 * in the host's name, if it is not NULL. 0: there is none. */
uint32_t zone_where(struct zone_compiler *c, const struct dns_name *owner,
		    uint16_t type, const struct dns_name *host);
/* Behind the nodes: the tables, targets, proofs. */
KILN_MUST_CHECK bool zone_link(struct zone_compiler *c);
/* Of links, what DNSSEC needs: the order or the hashes, and each node's proofs. */
KILN_MUST_CHECK bool zone_link_proofs(struct zone_compiler *c);

#endif
