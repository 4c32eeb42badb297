/*
 * The IPv4 header: see ip4_wire.h. RFC 791, 3.1; RFC 1122, 3.2.1; RFC 7126 for options.
 */
#include "ip4_wire.h"
#include "stack.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_LSRR = 131, OPTION_SSRR = 137 };

/* False for a source route, and for options that do not fit into their space. */
static bool options_acceptable(struct slice options)
{
	struct cursor c = cursor_of(options);

	while (cursor_left(&c)) {
		uint8_t kind = cursor_u8(&c);
		if (kind == OPTION_END)
			return true;
		if (kind == OPTION_NOP)
			continue;
		uint8_t size = cursor_u8(&c);
		if (kind == OPTION_LSRR || kind == OPTION_SSRR || size < 2)
			return false;
		cursor_skip(&c, size - 2u);
		if (c.failed)
			return false;
	}
	return true;
}

/* The fixed part, once it is known to be there. */
static void header_from_wire(const struct ip4_wire *wire, struct ip4_header *header)
{
	uint16_t fragment = be16_get(wire->fragment);

	header->src = wire->src;
	header->dst = wire->dst;
	header->total = be16_get(wire->total);
	header->id = be16_get(wire->id);
	header->offset = (uint16_t)((fragment & IP4_OFFSET) * 8u);
	header->dont_fragment = fragment & IP4_DF;
	header->more_fragments = fragment & IP4_MF;
	header->tos = wire->tos;
	header->ttl = wire->ttl;
	header->protocol = wire->protocol;
	header->size = (uint8_t)((wire->version_size & 15) * 4);
}

bool ip4_wire_parse_quoted(struct slice packet, struct ip4_header *header,
                           struct slice *payload)
{
	struct cursor c = cursor_of(packet);
	struct slice fixed = cursor_bytes(&c, sizeof(struct ip4_wire));

	if (c.failed)
		return false;
	const struct ip4_wire *wire = (const struct ip4_wire *)fixed.data;
	header_from_wire(wire, header);
	if (wire->version_size >> 4 != 4 || header->size < IP4_HEADER ||
	    header->total < header->size)
		return false;
	cursor_skip(&c, header->size - IP4_HEADER);
	*payload = cursor_rest(&c);
	return !c.failed;
}

bool ip4_wire_parse(struct slice packet, struct ip4_header *header, struct slice *payload)
{
	if (!ip4_wire_parse_quoted(packet, header, payload) || header->total > packet.len)
		return false;
	*payload = slice_take(*payload, (size_t)header->total - header->size);

	struct slice all = slice_take(packet, header->size);
	if (checksum_finish(checksum_add(0, all.data, all.len)) != 0)
		return false;
	return header->size == IP4_HEADER ||
	       options_acceptable(slice_skip(all, IP4_HEADER));
}

void ip4_wire_emit(uint8_t *room, const struct ip4_header *header)
{
	struct ip4_wire *wire = (struct ip4_wire *)room;
	uint16_t flags = (uint16_t)((header->dont_fragment ? IP4_DF : 0) |
	                            (header->more_fragments ? IP4_MF : 0));

	wire->version_size = 4 << 4 | IP4_HEADER / 4;
	wire->tos = header->tos;
	wire->total = be16_of(header->total);
	wire->id = be16_of(header->id);
	wire->fragment = be16_of((uint16_t)(flags | header->offset / 8));
	wire->ttl = header->ttl;
	wire->protocol = header->protocol;
	wire->checksum = be16_of(0);
	wire->src = header->src;
	wire->dst = header->dst;
	wire->checksum = be16_of(checksum_finish(checksum_add(0, wire, IP4_HEADER)));
}
