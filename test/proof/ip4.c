/*
 * The IPv4 header: every packet of up to 80 bytes, and what is emitted for it.
 *
 * sources: lib/net/ip4_wire.c
 * seeded: lib/net/ip4_wire.c: if (c.failed) => if (0)
 * length: 8
 */
#include "lib/net/ip4_wire.h"
#include "checksum.h"

static void check(struct slice packet)
{
	struct ip4_header header;
	struct slice payload;
	uint8_t room[IP4_HEADER];

	(void)ip4_wire_parse_quoted(packet, &header, &payload);
	if (ip4_wire_parse(packet, &header, &payload))
		ip4_wire_emit(room, &header);
}

enum { MOST = 80 };
#include "slices.h"
