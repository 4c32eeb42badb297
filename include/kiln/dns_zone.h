/*
 * Zones of the Domain Name System, compiled: one block of bytes that is read where it lies.
 *
 * A zone is collected record by record, checked as a whole, and compiled:
 *
 *	struct dns_zone_builder b;
 *	struct dns_zone_error error;
 *	struct slice compiled;
 *
 *	if (!dns_zone_begin(&b, arena, &origin))
 *		...
 *	for each record of a master file or of a transfer
 *		fault = dns_zone_add(&b, &owner, type, ttl, data, line);
 *	if (!dns_zone_end(&b, &compiled, &error))
 *		say dns_zone_fault_text(error.fault), error.owner, error.type, error.where
 *
 * and opened, which takes no time however large it is:
 *
 *	struct dns_zone zone;
 *
 *	if (!dns_zone_open(&zone, compiled))
 *		...
 *	dns_zones_put(&zones, &zone);
 *
 * <kiln/dns_answer.h> answers from struct dns_zones. The compiled form is for this version of
 * the library alone, for processors with the least byte first, and holds no pointers: it is
 * made when an image is built, or in the image, and may be mapped read-only. Owners' names in
 * it are in lower case; names in data are as they came, but for the apex' name within them.
 */
#ifndef KILN_DNS_ZONE_H
#define KILN_DNS_ZONE_H

#include <kiln/dns.h>
#include <kiln/memory.h>

/* ---- what may be wrong with a zone ---- */

enum dns_zone_fault {
	DNS_ZONE_OK = 0,
	/* of dns_zone_add */
	DNS_ZONE_MEMORY,      /* the arena is used up: of dns_zone_end, too */
	DNS_ZONE_OUTSIDE,     /* the owner is not in the zone: the record was not taken */
	DNS_ZONE_NOT_DATA,    /* a type that only questions and messages have: OPT, ANY, TSIG... */
	DNS_ZONE_MALFORMED,   /* the data is not what its type says */
	/* of dns_zone_end: the zone is not usable */
	DNS_ZONE_NO_SOA,      /* no SOA at the apex */
	DNS_ZONE_SOA_TWICE,   /* more than one */
	DNS_ZONE_SOA_INSIDE,  /* an SOA that is not at the apex */
	DNS_ZONE_NO_NS,       /* no NS at the apex */
	DNS_ZONE_NS_NO_ADDRESS, /* an NS at the apex names a host of the zone without address */
	DNS_ZONE_NS_IS_CNAME, /* an NS names an alias: RFC 2181, 10.3 */
	DNS_ZONE_CNAME_TWICE, /* more than one CNAME: RFC 2181, 10.1 */
	DNS_ZONE_CNAME_OTHER, /* a CNAME and other data: RFC 1034, 3.6.2 */
	DNS_ZONE_DNAME_TWICE, /* more than one DNAME: RFC 6672, 2.4 */
	DNS_ZONE_DNAME_NS,    /* a DNAME at a delegation: RFC 6672, 2.3 */
	DNS_ZONE_DNAME_BELOW, /* a name below a DNAME: RFC 6672, 2.4 */
	DNS_ZONE_SET_TOO_LARGE,  /* records of one owner and type that fit into no message */
	DNS_ZONE_ZONE_TOO_LARGE, /* a compiled form above 4 GB */
	DNS_ZONE_NSEC3_OWNER, /* an NSEC3 whose owner is no hash below the apex: RFC 5155, 3 */
	DNS_ZONE_NSEC3_HASH,  /* NSEC3 by another hash than SHA-1, or with iterations above
			       * DNS_ZONE_NSEC3_ITERATIONS: RFC 9276, 3.2 */
	/* warnings: the zone is usable */
	DNS_ZONE_TTL_DIFFERS, /* of records of one set: all get the first one's; RFC 2181, 5.2 */
	DNS_ZONE_SIGNATURE_ALONE, /* an RRSIG of a set that is not there: it is left out */
	DNS_ZONE_NO_GLUE,     /* a delegation to a host of the zone without address */
	DNS_ZONE_TARGET_NO_ADDRESS, /* an MX or SRV names a host of the zone without address */
	DNS_ZONE_TARGET_IS_CNAME,   /* an MX or SRV names an alias: RFC 2181, 10.3 */
	DNS_ZONE_FAULTS
};

enum { DNS_ZONE_NSEC3_ITERATIONS = 150 }; /* at most */

/* A short English text, lower case, no full stop: "CNAME and other data". Never NULL. */
const char *dns_zone_fault_text(enum dns_zone_fault fault);
bool dns_zone_fault_is_warning(enum dns_zone_fault fault);

struct dns_zone_error {
	enum dns_zone_fault fault;
	struct dns_name owner; /* in lower case */
	uint16_t type;         /* 0: it is about the name as such */
	uint32_t where;        /* as it was handed to dns_zone_add with one of the records it is
				* about; 0: about none of them */
};

/* ---- to collect and compile ---- */

struct dns_zone_builder {
	struct arena *arena;
	uint8_t *base;   /* of all that is taken from the arena: the records come first */
	uint32_t count;  /* of records */
	struct dns_name origin; /* in lower case */
	/* The caller's own, all may be NULL; called by dns_zone_end for each warning, */
	void (*warn)(void *context, const struct dns_zone_error *warning);
	/* and every some hundred microseconds, for something else to be done meanwhile. */
	void (*pause)(void *context);
	void *context;
	uint32_t warnings; /* how many there were */
};

/* A zone of this name. Nobody else may take from the arena before dns_zone_end, or until the
 * caller gives up and sets arena->at back to b->base. False: there is no room at all. */
KILN_MUST_CHECK bool dns_zone_begin(struct dns_zone_builder *b, struct arena *arena,
				    const struct dns_name *origin);

/* One record of class IN; order is of no matter (but for TTLs that differ), neither are
 * duplicates. `data` is as on the wire, names in it uncompressed; it is copied. `where` is the
 * caller's own (the line in a file, say) and comes back in errors and warnings. On a fault it
 * is as if the record had not been added. A record takes 20 bytes and its owner and data. */
KILN_MUST_CHECK enum dns_zone_fault dns_zone_add(struct dns_zone_builder *b,
						 const struct dns_name *owner,
						 uint16_t type, uint32_t ttl,
						 struct slice data, uint32_t where);

/* Checks the zone as a whole, and compiles it. True: the compiled zone is all that stays taken
 * of the arena, aligned to 8 bytes. False: the zone has an error, which is the first one in
 * the order of its names; the arena is as it was before dns_zone_begin. Takes time in
 * n log n of the records. */
KILN_MUST_CHECK bool dns_zone_end(struct dns_zone_builder *b, struct slice *compiled,
				  struct dns_zone_error *error);

/* ---- a compiled zone ---- */

struct dns_zone {
	const struct zone_header *header; /* lib/dns/zone_format.h */
	uint32_t size;
	uint32_t serial;    /* of its SOA */
	struct slice apex;  /* its name: wire, in lower case */
	void *owner;        /* the caller's own: nothing here reads it */
};

/* False: not a zone that this version of the library compiled, or not all of it, or not
 * aligned to 8 bytes. The block is not copied: it must stay. That what is in it is whole is
 * not looked at: it is trusted as the program is. */
KILN_MUST_CHECK bool dns_zone_open(struct dns_zone *zone, struct slice compiled);

/* How many names it holds (those that only others stand below, too), and records. */
uint32_t dns_zone_names(const struct dns_zone *zone);
uint32_t dns_zone_records(const struct dns_zone *zone);
bool dns_zone_signed(const struct dns_zone *zone); /* has NSEC or NSEC3 at the apex */
/* What the SOA says. */
void dns_zone_soa(const struct dns_zone *zone, struct dns_soa *soa);

/*
 * All records, or those of one set:
 *
 *	struct dns_zone_iterator it;
 *
 *	dns_zone_iterate(&it, &zone);
 *	while (dns_zone_next(&it))
 *		it.owner, it.type, it.ttl, it.data
 *
 * The apex comes first, then its names in canonical order (RFC 4034, 6.1), then NSEC3 records;
 * of one name by type, each set's signatures behind it. A transfer (RFC 5936, 2.2) puts the
 * SOA first and last, and leaves it out in between.
 */
struct dns_zone_iterator {
	struct slice owner; /* a name as on the wire */
	uint16_t type;
	uint32_t ttl;
	struct slice data; /* uncompressed; good until the next call */

	/* The iterator's own. */
	const struct dns_zone *zone;
	uint32_t node, set, set_at, at, patch, left;
	bool one;
	uint8_t expanded[2 * DNS_NAME_SIZE + 32];
};
void dns_zone_iterate(struct dns_zone_iterator *it, const struct dns_zone *zone);
/* The records of one owner and type, without their signatures. False: there is none. */
KILN_MUST_CHECK bool dns_zone_find(struct dns_zone_iterator *it, const struct dns_zone *zone,
				   const struct dns_name *owner, uint16_t type);
/* False: that was the last. */
KILN_MUST_CHECK bool dns_zone_next(struct dns_zone_iterator *it);

/* ---- several zones ---- */

struct dns_zones {
	struct dns_zone **slots; /* hash table by apex, open addressing */
	unsigned mask;           /* slots - 1 */
	unsigned most, count;
	unsigned labels; /* no apex has more */
};

/* Room for so many. False: the arena has no room for the table. */
KILN_MUST_CHECK bool dns_zones_init(struct dns_zones *zones, struct arena *arena,
				    unsigned most);
/* Adds a zone, which must stay where it is. *before: the zone of the same name that it takes
 * the place of, or NULL. False: there is no room for another. */
KILN_MUST_CHECK bool dns_zones_put(struct dns_zones *zones, struct dns_zone *zone,
				   struct dns_zone **before);
/* Takes it out: its names are refused from now on. */
void dns_zones_remove(struct dns_zones *zones, struct dns_zone *zone);
/* The zone of exactly this name; NULL: there is none. */
struct dns_zone *dns_zones_find(const struct dns_zones *zones, const struct dns_name *apex);
/* One after the other, in no order: *at is 0 at first. NULL: that was the last. */
struct dns_zone *dns_zones_next(const struct dns_zones *zones, unsigned *at);

#endif
