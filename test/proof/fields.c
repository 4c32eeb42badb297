/*
 * Whole heads: behind a request line, any fields of up to 24 bytes.
 *
 * sources: lib/http/head_wire.c lib/http/target_wire.c lib/http/value_wire.c
 * seeded: lib/http/head_wire.c: if (at + 1 >= in.len) => if (0)
 * length: 4
 * precision: -eva-slevel 5
 */
#include "lib/http/http_wire.h"
#include "proof.h"

/* The processor's own: the number of zeroes below the lowest one. */
int __builtin_ctzll(unsigned long long x)
{
	(void)x;
	return Frama_C_interval(0, 63);
}

static const char line[] = "GET / HTTP/1.1\r\n";
enum { LINE = sizeof(line) - 1, MOST = 24 };

static void check(struct slice in)
{
	static struct http_head head;
	static uint8_t text[LINE + MOST];
	uint8_t *start = text + (MOST - in.len);

	memcpy(start, line, LINE);
	for (size_t i = 0; i < in.len; i++)
		start[LINE + i] = in.data[i];
	(void)http_parse_head(slice_of(start, LINE + in.len), &head);
}

#include "slices.h"
