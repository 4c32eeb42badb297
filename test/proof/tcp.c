/*
 * The TCP header with any options: every segment of up to 64 bytes, and what is emitted for
 * it. The room is as large as the largest header: no options make more.
 *
 * sources: lib/net/tcp_wire.c
 * seeded: lib/net/tcp_wire.c: && o->sack_count < TCP_SACK_BLOCKS => && 1
 * length: 60
 * precision: -eva-slevel 0
 */
#include "lib/net/tcp_wire.h"
#include "proof.h"

static void check(struct slice bytes)
{
	struct tcp_segment segment;
	uint8_t room[TCP_HEADER_MAX];
	struct writer w = writer_of(room, sizeof(room));

	if (tcp_parse(bytes, &segment))
		tcp_emit(&w, &segment);
}

enum { MOST = 64 };
#include "slices.h"
