/*
 * Neighbour discovery: every message of each type, with every chain of options, of up to 56
 * bytes. The options by themselves are in nd_option.c.
 *
 * sources: lib/net/nd_wire.c lib/net/icmp6_wire.c
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 * seeded: lib/net/nd_wire.c: memcpy(m->mac, option.mac => memcpy(m->mac, &option + 1
 * length: 32
 */
#include "lib/net/nd_wire.h"
#include "checksum.h"

static void check(struct slice bytes)
{
	struct net_packet packet;
	struct icmp6_message icmp;
	struct nd_message message;

	PROOF_UNKNOWN(packet);
	packet.checksum_valid = true;
	packet.payload = bytes;
	if (!icmp6_wire_parse(&packet, &icmp))
		return;
	(void)nd_wire_parse(&packet, &icmp, &message);
}

enum { MOST = 56 };
#include "slices.h"
