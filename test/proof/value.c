/*
 * Values of a request's fields: ranges of any content, lists of entity tags and of codings, in
 * every 12 bytes or fewer.
 *
 * sources: lib/http/value_wire.c lib/http/coding_wire.c
 * seeded: lib/http/value_wire.c: if (at < list.len) =>
 * length: 4
 * precision: -eva-slevel 10
 */
#include "lib/http/http_wire.h"
#include "proof.h"

enum { MOST = 12 };

static void check(struct slice value)
{
	struct http_codings codings = {0};
	bool available[HTTP_CODINGS] = {Frama_C_nondet(0, 1), Frama_C_nondet(0, 1), true};
	uint64_t length = Frama_C_unsigned_long_long_interval(0, UINT64_MAX), first, last;

	/* Where to look for bounds: no more than a hint. */
	//@ widen_hints global:"all", 12;
	(void)http_parse_range(value, length, &first, &last);
	(void)http_etag_match(value, SLICE("\"tag\""), Frama_C_nondet(0, 1));
	http_codings_read(&codings, value);
	(void)http_codings_choose(&codings, available);
}

#include "slices.h"
