/*
 * IPv6: the fixed header, the walk over any chain of extension headers to its end, and the
 * packet that an error quotes, of up to 72 bytes; any header, out.
 *
 * sources: lib/net/ip6_wire.c
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 * seeded: lib/net/ip6_wire.c: if (c.failed || => if (
 * length: 20
 */
#include "lib/net/ip6_wire.h"
#include "proof.h"

/* A fragment's walk goes on in the joined packet. */
static void walk(const struct ip6_header *header, struct slice payload)
{
	static uint8_t joined[32];
	struct ip6_chain chain;
	struct ip6_problem problem;
	uint8_t room[IP6_FRAGMENT_HEADER];

	ip6_chain_start(&chain, header, payload);
	if (ip6_wire_walk(&chain, &problem) != IP6_WALK_FRAGMENT)
		return;
	ip6_wire_emit_fragment(room, chain.next, &chain.fragment);
	PROOF_UNKNOWN(joined);
	chain.payload = slice_of(joined, sizeof(joined));
	(void)ip6_wire_walk(&chain, &problem);
}

static void check(struct slice packet)
{
	struct ip6_header header;
	struct slice payload = slice_take(packet, 0), quoted = payload;
	uint8_t room[IP6_HEADER];

	PROOF_UNKNOWN(header);
	ip6_wire_emit(room, &header);
	(void)ip6_wire_parse_quoted(packet, &header, &quoted);
	if (ip6_wire_parse(packet, &header, &payload))
		walk(&header, payload);
}

enum { MOST = 72 };
#include "slices.h"
