/*
 * What a head means: any text of up to 16 bytes as the target, or as the value of any of the
 * fields that the server looks at.
 *
 * sources: lib/http/head_wire.c lib/http/target_wire.c lib/http/value_wire.c
 * seeded: lib/http/target_wire.c: start < target.len && target => target
 * length: 8
 * precision: -eva-slevel 4
 */
#include "lib/http/http_wire.h"
#include "proof.h"

/* The processor's own: the number of zeroes below the lowest one. */
int __builtin_ctzll(unsigned long long x)
{
	(void)x;
	return Frama_C_interval(0, 63);
}

enum { MOST = 16, HOST = 4 };

static void check_value(struct slice in, struct slice target)
{
	static uint8_t text[HOST + MOST];
	static struct http_head head;
	uint8_t *start = text + (MOST - in.len);

	/* One field, whose name ends where its value starts. */
	for (size_t i = 0; i < in.len; i++)
		start[HOST + i] = in.data[i];
	head.text = slice_of(start, HOST + in.len);
	head.line.method = Frama_C_interval(HTTP_GET, HTTP_METHODS);
	head.line.minor = Frama_C_unsigned_char_interval(0, 1);
	head.line.target = target;
	head.count = 1;
	head.fields[0] = (struct http_field){0, HOST, HOST, HOST + (uint16_t)in.len};
	for (unsigned i = 0; i < HTTP_KNOWN_FIELDS; i++) {
		head.first[i] = Frama_C_unsigned_char_interval(0, 1);
		head.repeated[i] = Frama_C_unsigned_char_interval(0, 1);
	}
	/* Where to look for bounds: no more than a hint. */
	//@ widen_hints global:"all", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16;
	(void)http_head_check(&head);
}

static void check(struct slice in)
{
	check_value(in, SLICE("/"));
	check_value(slice_take(in, 0), in);
}

#include "slices.h"
