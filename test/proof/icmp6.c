/*
 * ICMPv6: the header that all messages share, every message of up to 48 bytes.
 *
 * sources: lib/net/icmp6_wire.c
 * seeded: lib/net/icmp6_wire.c: if (c.failed => if (0
 * length: 4
 */
#include "lib/net/icmp6_wire.h"
#include "checksum.h"

static void check(struct slice bytes)
{
	struct net_packet packet;
	struct icmp6_message message;
	enum net_error_kind kind;
	uint8_t room[ICMP6_HEADER];

	PROOF_UNKNOWN(packet);
	packet.checksum_valid = Frama_C_nondet(0, 1);
	packet.payload = bytes;
	if (!icmp6_wire_parse(&packet, &message))
		return;
	(void)icmp6_wire_error_kind(&message, &kind);
	icmp6_wire_emit(room, &message);
}

enum { MOST = 48 };
#include "slices.h"
