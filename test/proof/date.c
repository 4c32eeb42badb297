/*
 * Dates in requests: every text of up to 36 bytes, at any time.
 *
 * sources: lib/http/value_wire.c
 * seeded: lib/http/value_wire.c: text.len > 3 && text.data[3] => text.data[3]
 * length: 3
 */
#include "lib/http/http_wire.h"
#include "proof.h"

static void check(struct slice text)
{
	uint64_t now = Frama_C_unsigned_long_long_interval(0, UINT64_MAX), seconds;

	(void)http_parse_date(text, now, &seconds);
}

enum { MOST = 36 };
#include "slices.h"
