/*
 * ICMP messages: see icmp_wire.h. RFC 792; 1122, 3.2.2; 1191, 4 and 7.1; 1624.
 */
#include "icmp_wire.h"
#include "ip4_wire.h"

bool icmp_wire_parse(struct slice bytes, struct icmp_message *message)
{
	struct cursor c = cursor_of(bytes);
	struct slice s = cursor_bytes(&c, sizeof(struct icmp_wire));

	if (c.failed || checksum_finish(checksum_add(0, bytes.data, bytes.len)) != 0)
		return false;
	const struct icmp_wire *wire = (const struct icmp_wire *)s.data;
	message->type = wire->type;
	message->code = wire->code;
	message->checksum = be16_get(wire->checksum);
	message->id = be16_get(wire->id);
	message->number = be16_get(wire->number);
	message->body = cursor_rest(&c);
	return true;
}

void icmp_wire_emit(uint8_t *room, const struct icmp_message *message, uint32_t sum)
{
	struct icmp_wire *wire = (struct icmp_wire *)room;

	wire->type = message->type;
	wire->code = message->code;
	wire->checksum = be16_of(0);
	wire->id = be16_of(message->id);
	wire->number = be16_of(message->number);
	wire->checksum = be16_of(checksum_finish(checksum_add(sum, wire, ICMP_HEADER)));
}

uint16_t icmp_wire_reply_checksum(uint16_t request)
{
	/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), m = type and code. */
	uint32_t sum = (uint16_t)~request;

	sum += (uint16_t) ~(ICMP_ECHO << 8);
	sum += ICMP_ECHO_REPLY << 8;
	uint16_t reply = checksum_finish(sum);
	/* Of the two zeroes, the one that also holds if all else is zero. */
	return reply ? reply : 0xffff;
}

bool icmp_wire_error_kind(const struct icmp_message *message, enum net_error_kind *kind)
{
	switch (message->type) {
	case ICMP_TIME_EXCEEDED:
		*kind = NET_ERROR_TTL;
		return true;
	case ICMP_PARAMETER:
		*kind = NET_ERROR_NET;
		return true;
	case ICMP_UNREACHABLE:
		break;
	default:
		return false;
	}
	switch (message->code) {
	case ICMP_CODE_PROTOCOL:
	case ICMP_CODE_PORT:
		*kind = NET_ERROR_PROTOCOL;
		return true;
	case ICMP_CODE_TOO_BIG:
		*kind = NET_ERROR_TOO_BIG;
		return true;
	case ICMP_CODE_NET_PROHIBITED:
	case ICMP_CODE_HOST_PROHIBITED:
	case ICMP_CODE_PROHIBITED:
		*kind = NET_ERROR_PROHIBITED;
		return true;
	default:
		*kind = NET_ERROR_NET;
		return message->code <= ICMP_CODE_PRECEDENCE_CUTOFF;
	}
}

uint16_t icmp_wire_plateau(uint16_t total)
{
	static const uint16_t plateau[] = {65535, 32000, 17914, 8166, 4352,       2002,
	                                   1492,  1006,  508,   296,  IP4_MTU_MIN};

	for (size_t i = 0; i < KILN_COUNT_OF(plateau); i++) {
		if (plateau[i] < total)
			return plateau[i];
	}
	return IP4_MTU_MIN;
}
