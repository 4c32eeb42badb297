/*
 * Slices, cursors and writers: of each 4 bytes or fewer, at each place, so many as are asked
 * for. What is given lies within; what is written, too.
 *
 * sources: lib/core/slice.c
 * seeded: lib/core/slice.c: s.len >= prefix.len && slice_equal(slice_take(s, => slice_equal(slice_of(s.data,
 * precision: -eva-slevel 10
 */
#include <kiln/slice.h>
#include "proof.h"

static volatile uint8_t last;

static void touch(struct slice s)
{
	if (s.len)
		last = s.data[s.len - 1];
}

static void check(struct slice bytes)
{
	static const uint8_t more[] = {1, 2, 3, 4, 5};
	struct cursor c = cursor_of(bytes), sub = c;
	struct writer w = writer_of((uint8_t *)bytes.data, bytes.len);
	size_t n = Frama_C_size_t_interval(0, sizeof(more));
	size_t at = Frama_C_size_t_interval(0, bytes.len);

	//@ split n;
	//@ split at;
	c.at = sub.at = w.at = at;
	touch(cursor_bytes(&c, n));
	touch(cursor_rest(&c));
	sub = cursor_sub(&sub, n);
	touch(cursor_rest(&sub));
	writer_bytes(&w, slice_of(more, n));
	touch(writer_done(&w));
	touch(slice_take(bytes, n));
	touch(slice_skip(bytes, at));
	(void)slice_find(bytes, ' ');
	(void)slice_starts_with(bytes, SLICE("./"));
}

enum { MOST = 4 };
#include "slices.h"
