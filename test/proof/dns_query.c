/*
 * The query that a name server answers: every message of up to 40 bytes, its question, its
 * records and its EDNS options.
 *
 * sources: lib/dns/answer_query.c lib/dns/zone_key.c
 * seeded: lib/dns/answer_query.c: struct slice header = cursor_bytes(&c, DNS_HEADER_SIZE); => struct slice header = message;
 * length: 8
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 */
#include "lib/dns/answer_private.h"
#include "proof.h"

static void check(struct slice message)
{
	static struct answer_query q;

	(void)answer_read_query(&q, message);
}

enum { MOST = 40 };
#include "slices.h"
