/*
 * The UDP header: every datagram of up to 40 bytes, over both families, and what is emitted.
 *
 * sources: lib/net/udp_wire.c
 * seeded: lib/net/udp_wire.c: if (c.failed) => if (0)
 * length: 4
 */
#include "lib/net/udp_wire.h"
#include "checksum.h"

static void check(struct slice bytes)
{
	struct net_packet packet;
	struct udp_header header;
	uint8_t room[UDP_HEADER];

	PROOF_UNKNOWN(packet);
	packet.checksum_valid = Frama_C_nondet(0, 1);
	packet.payload = bytes;
	if (udp_wire_parse(&packet, &header)) {
		if (header.data.len)
			(void)*(const volatile uint8_t *)header.data.data;
		udp_wire_emit(room, header.src, header.dst, header.data.len);
	}
}

enum { MOST = 40 };
#include "slices.h"
