/*
 * ICMPv6 messages: see icmp6_wire.h. RFC 4443, 2 and 3.
 */
#include "icmp6_wire.h"

bool icmp6_wire_parse(const struct net_packet *packet, struct icmp6_message *message)
{
	struct slice bytes = packet->payload;
	struct cursor c = cursor_of(bytes);
	struct slice s = cursor_bytes(&c, sizeof(struct icmp6_wire));

	if (c.failed)
		return false;
	const struct icmp6_wire *wire = (const struct icmp6_wire *)s.data;
	message->type = wire->type;
	message->code = wire->code;
	message->word = be32_get(wire->word);
	message->body = cursor_rest(&c);
	if (packet->checksum_valid)
		return true;
	uint32_t sum = checksum_pseudo(&packet->src, &packet->dst, IP6_NEXT_ICMP,
	                               (uint32_t)bytes.len);
	return checksum_finish(checksum_add(sum, bytes.data, bytes.len)) == 0;
}

void icmp6_wire_emit(uint8_t *room, const struct icmp6_message *message)
{
	struct icmp6_wire *wire = (struct icmp6_wire *)room;

	wire->type = message->type;
	wire->code = message->code;
	wire->checksum = be16_of(0);
	wire->word = be32_of(message->word);
}

void icmp6_wire_seal(uint8_t *message, size_t size, const struct ip_addr *src,
                     const struct ip_addr *dst)
{
	struct icmp6_wire *wire = (struct icmp6_wire *)message;
	uint32_t sum = checksum_pseudo(src, dst, IP6_NEXT_ICMP, (uint32_t)size);

	wire->checksum = be16_of(0);
	wire->checksum = be16_of(checksum_finish(checksum_add(sum, message, size)));
}

static enum net_error_kind unreachable_kind(uint8_t code)
{
	switch (code) {
	case ICMP6_CODE_PORT:
		return NET_ERROR_PROTOCOL;
	case ICMP6_CODE_PROHIBITED:
	case ICMP6_CODE_SOURCE_POLICY:
	case ICMP6_CODE_REJECTED:
		return NET_ERROR_PROHIBITED;
	default:
		return NET_ERROR_NET;
	}
}

bool icmp6_wire_error_kind(const struct icmp6_message *message, enum net_error_kind *kind)
{
	switch (message->type) {
	case ICMP6_UNREACHABLE:
		*kind = unreachable_kind(message->code);
		return true;
	case ICMP6_TOO_BIG:
		*kind = NET_ERROR_TOO_BIG;
		return true;
	case ICMP6_TIME_EXCEEDED:
		*kind = NET_ERROR_TTL;
		return true;
	case ICMP6_PARAMETER:
		*kind = message->code == IP6_PROBLEM_NEXT ? NET_ERROR_PROTOCOL
		                                          : NET_ERROR_NET;
		return true;
	default:
		*kind = NET_ERROR_NET;
		return icmp6_is_error(message->type);
	}
}
