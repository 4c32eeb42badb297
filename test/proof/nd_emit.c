/*
 * Neighbour discovery, out: a message of each type with any content, and each option, into a
 * room of each size up to 72.
 *
 * sources: lib/net/nd_wire.c lib/net/icmp6_wire.c
 * seeded: lib/net/nd_wire.c: m->preference + 1 => m->preference + 2
 * length: 40
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 */
#include "lib/net/nd_wire.h"
#include "checksum.h"

static uint8_t more[16];

static void emit(struct writer w, uint8_t type)
{
	struct nd_message message;

	PROOF_UNKNOWN(message);
	message.type = type;
	message.router = message.solicited = message.override = Frama_C_nondet(0, 1);
	message.managed = message.other = message.has_mac = Frama_C_nondet(0, 1);
	message.preference = Frama_C_interval(ND_PREFERENCE_LOW, ND_PREFERENCE_HIGH);
	message.options = slice_of(more, sizeof(more));
	nd_wire_emit(&w, &message);
}

static void emit_mac(struct writer w, enum nd_option_type type)
{
	struct nd_option option = {.type = type};

	PROOF_UNKNOWN(option.mac);
	nd_wire_emit_option(&w, &option);
}

static void emit_prefix(struct writer w)
{
	struct nd_option option = {.type = ND_OPTION_PREFIX};

	PROOF_UNKNOWN(option.prefix.prefix);
	option.prefix.length = Frama_C_unsigned_char_interval(0, 255);
	option.prefix.on_link = Frama_C_nondet(0, 1);
	option.prefix.autonomous = Frama_C_nondet(0, 1);
	nd_wire_emit_option(&w, &option);
}

static void emit_list(struct writer w, enum nd_option_type type)
{
	struct nd_option option = {.type = type};

	option.dns.lifetime = Frama_C_unsigned_int_interval(0, UINT32_MAX);
	option.dns.list = slice_of(more, sizeof(more));
	nd_wire_emit_option(&w, &option);
}

static void check(struct slice room)
{
	struct writer w = writer_of((uint8_t *)room.data, room.len);
	struct nd_option mtu = {.type = ND_OPTION_MTU};
	struct nd_option redirected = {.type = ND_OPTION_REDIRECTED};

	PROOF_UNKNOWN(more);
	emit(w, ICMP6_ROUTER_SOLICITATION);
	emit(w, ICMP6_ROUTER_ADVERTISEMENT);
	emit(w, ICMP6_NEIGHBOUR_SOLICITATION);
	emit(w, ICMP6_NEIGHBOUR_ADVERTISEMENT);
	emit(w, ICMP6_REDIRECT);
	emit_mac(w, ND_OPTION_SOURCE_MAC);
	emit_mac(w, ND_OPTION_TARGET_MAC);
	emit_prefix(w);
	emit_list(w, ND_OPTION_RESOLVERS);
	emit_list(w, ND_OPTION_DOMAINS);
	redirected.quoted = slice_of(more, sizeof(more));
	mtu.mtu = Frama_C_unsigned_int_interval(0, UINT32_MAX);
	nd_wire_emit_option(&w, &redirected);
	nd_wire_emit_option(&w, &mtu);
}

enum { MOST = 72 };
#include "slices.h"
