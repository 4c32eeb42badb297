/*
 * The types of records: their numbers, their names in text, and what their data consists of.
 * One table (lib/dns/types.c) serves master files, which are text, and data that comes in
 * messages. It has every type that BIND 9.18 prints by name; any other is known by its number
 * alone (RFC 3597).
 */
#ifndef KILN_DNS_TYPES_H
#define KILN_DNS_TYPES_H

#include <kiln/dns.h>

struct dns_type_info {
	uint16_t type;
	char name[11]; /* NSEC3PARAM */
	char fields[10]; /* of the data, a letter each: lib/dns/types.c; "": opaque */
};

/* NULL: none that is known. */
const struct dns_type_info *dns_type_find(uint16_t type);
/* "MX", "mx", "TYPE15". */
KILN_MUST_CHECK bool dns_type_parse(struct slice text, uint16_t *type);
void dns_type_format(struct writer *w, uint16_t type);
/* Whether it is one of questions and of messages alone, which no zone holds: ANY, OPT, TSIG. */
bool dns_type_is_meta(uint16_t type);

/* Whether these bytes can be the data of a record of this type, names uncompressed. Any can
 * that of a type that is not known. */
KILN_MUST_CHECK bool dns_data_check(uint16_t type, struct slice data);
/* Writes a record's data, as it came in a message, with uncompressed names (RFC 3597, 4).
 * False: it is malformed, or there is no room. */
KILN_MUST_CHECK bool dns_data_copy(struct writer *w, const struct dns_record *record);

#endif
