/*
 * ARP packets: every one of up to 40 bytes, and what is emitted for it.
 *
 * sources: lib/net/arp_wire.c
 * seeded: lib/net/arp_wire.c: if (c.failed) => if (0)
 * length: 8
 */
#include "lib/net/arp_wire.h"
#include "proof.h"

static void check(struct slice bytes)
{
	struct arp_packet packet;
	uint8_t room[ARP_SIZE];

	if (arp_wire_parse(bytes, &packet))
		arp_wire_emit(room, &packet);
}

enum { MOST = 40 };
#include "slices.h"
