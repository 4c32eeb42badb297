/*
 * Multicast listener discovery: see mld_wire.h. RFC 3810, 5, 6.2 and 8.1; RFC 2710, 3.
 */
#include "mld_wire.h"

enum { ROBUSTNESS = 7 }; /* of the flags */

/* RFC 3810, 5.1.3: a small floating point number above 32767. */
static uint32_t response_delay(uint16_t code)
{
	if (code < 0x8000)
		return code;
	return ((code & 0xfffu) | 0x1000) << ((code >> 12 & 7) + 3);
}

/* What version 2 adds. */
static bool take_v2(struct cursor *c, uint16_t code, struct mld_query *query)
{
	query->version = 2;
	query->response_delay = response_delay(code);
	query->robustness = cursor_u8(c) & ROBUSTNESS;
	cursor_skip(c, 1);
	query->sources = cursor_bytes(c, cursor_u16(c) * sizeof(struct ip_addr));
	return !c->failed;
}

bool mld_wire_parse_query(const struct net_packet *packet, bool router_alert,
                          const struct icmp6_message *icmp, struct mld_query *query)
{
	struct cursor c = cursor_of(icmp->body);
	uint16_t code = (uint16_t)(icmp->word >> 16);

	if (icmp->type != ICMP6_MLD_QUERY || packet->ttl != MLD_HOP_LIMIT ||
	    !router_alert || !ip6_is_link_local(&packet->src))
		return false;
	struct slice group = cursor_bytes(&c, sizeof(query->group));
	if (c.failed)
		return false;
	*query = (struct mld_query){.version = 1, .response_delay = code};
	memcpy(&query->group, group.data, sizeof(query->group));
	if (!ip6_is_unspecified(&query->group) && !ip6_is_multicast(&query->group))
		return false;
	/* 8.1: the size tells the versions apart. */
	return cursor_left(&c) == 0 || take_v2(&c, code, query);
}

void mld_wire_emit_report(struct writer *w, const struct mld_record *records,
                          uint16_t count)
{
	struct icmp6_message icmp = {.type = ICMP6_MLD_REPORT, .word = count};
	uint8_t *room = writer_room(w, ICMP6_HEADER);

	if (room)
		icmp6_wire_emit(room, &icmp);
	for (uint16_t i = 0; i < count; i++) {
		writer_u8(w, (uint8_t)records[i].type);
		writer_u8(w, 0);
		writer_u16(w, 0);
		writer_bytes(w, slice_of(&records[i].group, sizeof(records[i].group)));
	}
}

void mld_wire_emit_v1(uint8_t *room, uint8_t type, const struct ip_addr *group)
{
	struct mld_v1_wire *wire = (struct mld_v1_wire *)room;
	struct icmp6_message icmp = {.type = type};

	icmp6_wire_emit(room, &icmp);
	wire->group = *group;
}
