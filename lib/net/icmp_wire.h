/*
 * ICMP messages (RFC 792, 1122, 1191): the header, and what the errors mean. Pure.
 */
#ifndef NET_ICMP_WIRE_H
#define NET_ICMP_WIRE_H

#include "stack.h"

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
};
enum { /* codes of ICMP_UNREACHABLE (RFC 792, 1122 3.2.2.1, 1812 5.2.7.1) */
       ICMP_CODE_NET = 0,
       ICMP_CODE_HOST = 1,
       ICMP_CODE_PROTOCOL = 2,
       ICMP_CODE_PORT = 3,
       ICMP_CODE_TOO_BIG = 4,
       ICMP_CODE_NET_PROHIBITED = 9,
       ICMP_CODE_HOST_PROHIBITED = 10,
       ICMP_CODE_PROHIBITED = 13,
       ICMP_CODE_PRECEDENCE_CUTOFF = 15,
};
enum { ICMP_CODE_REASSEMBLY = 1 };          /* of ICMP_TIME_EXCEEDED */
enum { ICMP_HEADER = 8, ICMP_QUOTE = 548 }; /* quotes: a message of at most 576 bytes */

struct icmp_wire {
	uint8_t type;
	uint8_t code;
	struct be16 checksum;
	struct be16 id; /* of echo; unused in errors */
	struct be16
	    number; /* sequence of echo; next hop's MTU of TOO_BIG (RFC 1191, 4) */
};
_Static_assert(sizeof(struct icmp_wire) == ICMP_HEADER, "RFC 792");
_Static_assert(offsetof(struct icmp_wire, number) == 6, "RFC 1191, 4");

struct icmp_message {
	uint8_t type, code;
	uint16_t checksum; /* as received */
	uint16_t id, number;
	struct slice body; /* echo data, or the quoted packet */
};

/* False: too short, or the checksum is wrong. */
bool icmp_wire_parse(struct slice bytes, struct icmp_message *message);

/* `room` is ICMP_HEADER bytes. `sum` is the body's, to complete the checksum with. */
void icmp_wire_emit(uint8_t *room, const struct icmp_message *message, uint32_t sum);

/* The checksum of the echo reply, from that of its request (RFC 1624): only the type
 * differs. */
uint16_t icmp_wire_reply_checksum(uint16_t request);

/* What an error means for the transport; false if the message is no error. */
bool icmp_wire_error_kind(const struct icmp_message *message, enum net_error_kind *kind);

/* RFC 1191, 7: the next lower plateau for a packet of `total` bytes that was too big
 * where the router does not say what fits. */
uint16_t icmp_wire_plateau(uint16_t total);

#endif
