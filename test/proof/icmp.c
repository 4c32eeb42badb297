/*
 * ICMP messages: every one of up to 48 bytes, what an error means, and what is emitted.
 *
 * sources: lib/net/icmp_wire.c
 * seeded: lib/net/icmp_wire.c: if (c.failed => if (0
 * length: 4
 */
#include "lib/net/icmp_wire.h"
#include "checksum.h"

static void check(struct slice bytes)
{
	struct icmp_message message;
	enum net_error_kind kind;
	uint8_t room[ICMP_HEADER];

	if (!icmp_wire_parse(bytes, &message))
		return;
	if (icmp_wire_error_kind(&message, &kind))
		(void)icmp_wire_plateau(message.number);
	(void)icmp_wire_reply_checksum(message.checksum);
	icmp_wire_emit(room, &message, 0);
}

enum { MOST = 48 };
#include "slices.h"
