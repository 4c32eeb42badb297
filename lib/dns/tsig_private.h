/*
 * Of TSIG, within the library: see <kiln/dns_tsig.h>.
 */
#ifndef TSIG_PRIVATE_H
#define TSIG_PRIVATE_H

#include <kiln/dns_tsig.h>

struct dns_tsig_algorithm {
	char label[12]; /* its name has no other */
	const struct digest_algorithm *digest;
};

enum { TSIG_MAC_LEAST = 10 }; /* bytes of one that is cut off, at least (5.2.2.1) */

/* NULL: none that is known. */
const struct dns_tsig_algorithm *tsig_algorithm(struct slice label);
void tsig_algorithm_name(const struct dns_tsig_algorithm *algorithm, struct dns_name *name);

/* A record, uncompressed (RFC 8945, 4.2); tsig->at counts for nothing. */
void tsig_write(struct writer *w, const struct dns_tsig *tsig);
/* 48 bits. */
void tsig_write_time(struct writer *w, uint64_t time);

#endif
