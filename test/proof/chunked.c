/*
 * The chunked transfer coding: any state that the decoder can be in, up to 16 bytes that come
 * next, and what is taken of them.
 *
 * sources: lib/http/chunked_wire.c lib/http/target_wire.c
 * seeded: lib/http/chunked_wire.c: cursor_u8(in) => in->data[in->at++ + 1]
 * length: 4
 */
#include "lib/http/http_wire.h"
#include "proof.h"

static void check(struct slice bytes)
{
	struct http_chunked state;
	struct cursor in = cursor_of(bytes);
	struct slice data;

	state.left = Frama_C_unsigned_long_long_interval(0, UINT64_MAX);
	state.line = Frama_C_unsigned_short_interval(0, UINT16_MAX);
	state.trailer = Frama_C_unsigned_short_interval(0, UINT16_MAX);
	state.state = Frama_C_unsigned_char_interval(0, UINT8_MAX);
	if (http_chunked_next(&state, &in, &data) == HTTP_MORE && data.len)
		http_chunked_take(&state, data.len);
}

enum { MOST = 16 };
#include "slices.h"
