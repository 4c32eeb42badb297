/*
 * DHCP: every message with up to 16 bytes of options, with those in the file and sname fields;
 * any one option of it, joined; the routes in any 16 bytes; what the client sends.
 *
 * sources: lib/net/dhcp_wire.c
 * seeded: lib/net/dhcp_wire.c: if (c.failed) => if (0)
 * length: 100
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 32
 */
#include "lib/net/dhcp_wire.h"
#include "proof.h"

int __builtin_popcount(unsigned x)
{
	int ones = 0;

	for (int bit = 0; bit < 32; bit++)
		ones += (int)(x >> bit & 1);
	return ones;
}

static void routes(void)
{
	uint8_t value[16];
	struct cursor c = cursor_of(slice_of(value, sizeof(value)));
	struct dhcp_route route;

	PROOF_UNKNOWN(value);
	while (dhcp_wire_route(&c, &route))
		continue;
}

static void emit(void)
{
	static uint8_t room[DHCP_SIZE_MAX];
	struct writer w = writer_of(room, sizeof(room));
	struct dhcp_message message;

	PROOF_UNKNOWN(message);
	message.client_id = SLICE("client");
	message.host_name = SLICE("name");
	dhcp_wire_emit(&w, &message);
}

static void check(struct slice bytes)
{
	struct dhcp_message message;
	static uint8_t value[64];
	struct writer joined = writer_of(value, sizeof(value));
	struct ip4_addr mask;
	uint8_t prefix;

	/* Where to look for bounds: no more than a hint. Where sname and file end, and options. */
	//@ widen_hints global:"all", 32, 64, 108, 236, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 256;
	(void)dhcp_wire_option(bytes, Frama_C_unsigned_char_interval(0, 255), &joined);
	(void)dhcp_wire_parse(bytes, &message);
	PROOF_UNKNOWN(mask);
	(void)dhcp_wire_prefix(mask, &prefix);
	emit();
	routes();
}

enum { MOST = 256 };
#include "slices.h"
