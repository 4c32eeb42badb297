/*
 * The head of a request: a request line and one field, each of every 24 bytes or fewer, the
 * field at any place in them.
 *
 * sources: lib/http/head_wire.c lib/http/target_wire.c lib/http/value_wire.c
 * seeded: lib/http/head_wire.c: if (end + 1 >= in.len) => if (0)
 * length: 4
 */
#include "lib/http/http_wire.h"
#include "proof.h"

/* The processor's own: the number of zeroes below the lowest one. */
int __builtin_ctzll(unsigned long long x)
{
	(void)x;
	return Frama_C_interval(0, 63);
}

static void check(struct slice in)
{
	struct http_request_line line;
	struct http_field field;
	size_t next;

	(void)http_parse_request_line(in, &line);
	(void)http_parse_field(in, Frama_C_size_t_interval(0, in.len), &field, &next);
	(void)http_is_token(in);
	(void)http_is_field_value(in);
}

enum { MOST = 24 };
#include "slices.h"
