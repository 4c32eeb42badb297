/*
 * The UDP header: see udp_wire.h. RFC 768; RFC 1122, 4.1.3.4.
 */
#include "udp_wire.h"

bool udp_wire_parse(const struct net_packet *packet, struct udp_header *header)
{
	struct cursor c = cursor_of(packet->payload);
	struct slice s = cursor_bytes(&c, sizeof(struct udp_wire));

	if (c.failed)
		return false;
	const struct udp_wire *wire = (const struct udp_wire *)s.data;
	uint16_t length = be16_get(wire->length);
	if (length < UDP_HEADER)
		return false;
	header->src = be16_get(wire->src);
	header->dst = be16_get(wire->dst);
	header->data = cursor_bytes(&c, (size_t)length - UDP_HEADER);
	if (c.failed || header->dst == 0)
		return false;
	if (packet->checksum_valid)
		return true;
	if (be16_get(wire->checksum) == 0)
		return ip_is4(&packet->src); /* IPv6 has no other: RFC 8200, 8.1 */
	uint32_t sum = checksum_pseudo(&packet->src, &packet->dst, IP_PROTO_UDP, length);
	size_t covered = UDP_HEADER + header->data.len;
	return checksum_finish(checksum_add(sum, packet->payload.data, covered)) == 0;
}

void udp_wire_emit(uint8_t *room, uint16_t src, uint16_t dst, size_t data_size)
{
	struct udp_wire *wire = (struct udp_wire *)room;

	wire->src = be16_of(src);
	wire->dst = be16_of(dst);
	wire->length = be16_of((uint16_t)(UDP_HEADER + data_size));
	wire->checksum = be16_of(0);
}
