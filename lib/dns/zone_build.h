/*
 * What collects a zone's records (zone_build.c) and compiles them (zone_compile.c and what it
 * calls) share.
 */
#ifndef DNS_ZONE_BUILD_H
#define DNS_ZONE_BUILD_H

#include <kiln/dns_zone.h>
#include "zone_format.h"

/*
 * A record as it is collected, 4-byte aligned in the arena, one behind the other. The owner is
 * its labels below the apex, the last one first, each behind its length and in lower case:
 * www.example.com in example.com is "\3www", a.b.example.com "\1b\1a", the apex nothing at
 * all. So two owners compare in canonical order (RFC 4034, 6.1) from the front.
 */
struct zone_record {
	uint32_t where;
	uint32_t ttl;
	uint16_t type;
	uint16_t data_size;
	uint8_t owner_size;
	uint8_t bytes[]; /* of the owner, then the data */
};

static inline struct slice record_owner(const struct zone_record *r)
{
	return slice_of(r->bytes, r->owner_size);
}

static inline struct slice record_data(const struct zone_record *r)
{
	return slice_of(r->bytes + r->owner_size, r->data_size);
}

/* Writes an owner in that form: `size` bytes, those of its labels below the apex. */
void zone_owner_put(uint8_t *out, size_t size, const struct dns_name *owner);

/* How much of the arena the record takes. */
static inline uint32_t record_size(const struct zone_record *r)
{
	size_t size =
	    offsetof(struct zone_record, bytes) + r->owner_size + (size_t)r->data_size;
	return (uint32_t)(size + 3) & ~3u;
}

/* Names in the data of types that DNS knew from the start: where they stand, and whether they
 * are compressed in answers, which is right of these types alone (RFC 3597, 4). */
struct zone_names {
	uint16_t type;
	uint8_t before; /* bytes in front of the first name */
	uint8_t count;  /* of names, one behind the other */
	uint8_t behind; /* bytes behind the last name at least */
	bool more;      /* there may be more of them */
	bool compressed;
};
static inline bool zone_is_service(uint16_t type)
{
	return type == DNS_SVCB || type == DNS_HTTPS;
}

/* NULL: data of the type has no names that matter here. */
const struct zone_names *zone_names_of(uint16_t type);

/* The size of the uncompressed name that the bytes begin with; 0: there is none. */
size_t zone_name_size(struct slice bytes);

#endif
