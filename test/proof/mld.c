/*
 * Multicast listener discovery: every query of up to 48 bytes, and the reports.
 *
 * sources: lib/net/mld_wire.c lib/net/icmp6_wire.c
 * seeded: lib/net/mld_wire.c: c.failed => 0
 * length: 8
 */
#include "lib/net/mld_wire.h"
#include "checksum.h"

static void check(struct slice bytes)
{
	struct net_packet packet;
	struct icmp6_message icmp;
	struct mld_query query;
	struct mld_record records[2];
	uint8_t room[64], old[MLD_V1_SIZE];
	struct writer w = writer_of(room, sizeof(room));

	PROOF_UNKNOWN(packet);
	packet.checksum_valid = true;
	packet.payload = bytes;
	if (!icmp6_wire_parse(&packet, &icmp) ||
	    !mld_wire_parse_query(&packet, Frama_C_nondet(0, 1), &icmp, &query))
		return;
	PROOF_UNKNOWN(records);
	mld_wire_emit_report(&w, records, 2);
	mld_wire_emit_v1(old, ICMP6_MLD_REPORT_V1, &query.group);
}

enum { MOST = 48 };
#include "slices.h"
