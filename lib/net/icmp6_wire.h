/*
 * ICMPv6 messages (RFC 4443): the header that all of them share, and what the errors
 * mean. Pure. Neighbour discovery is in nd_wire.h, multicast listeners in mld_wire.h.
 */
#ifndef NET_ICMP6_WIRE_H
#define NET_ICMP6_WIRE_H

#include "ip6_wire.h"
#include "stack.h"

enum { /* below ICMP6_ECHO: errors */
       ICMP6_UNREACHABLE = 1,
       ICMP6_TOO_BIG = 2,
       ICMP6_TIME_EXCEEDED = 3,
       ICMP6_PARAMETER = 4, /* codes: IP6_PROBLEM_* */
       ICMP6_ECHO = 128,
       ICMP6_ECHO_REPLY = 129,
       ICMP6_MLD_QUERY = 130,
       ICMP6_MLD_REPORT_V1 = 131,
       ICMP6_MLD_DONE = 132,
       ICMP6_ROUTER_SOLICITATION = 133,
       ICMP6_ROUTER_ADVERTISEMENT = 134,
       ICMP6_NEIGHBOUR_SOLICITATION = 135,
       ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
       ICMP6_REDIRECT = 137,
       ICMP6_MLD_REPORT = 143,
};
enum { /* codes of ICMP6_UNREACHABLE (RFC 4443, 3.1) */
       ICMP6_CODE_NO_ROUTE = 0,
       ICMP6_CODE_PROHIBITED = 1,
       ICMP6_CODE_SCOPE = 2,
       ICMP6_CODE_ADDRESS = 3,
       ICMP6_CODE_PORT = 4,
       ICMP6_CODE_SOURCE_POLICY = 5,
       ICMP6_CODE_REJECTED = 6,
};
enum { ICMP6_CODE_REASSEMBLY = 1 }; /* of ICMP6_TIME_EXCEEDED */
enum { ICMP6_HEADER = 8, ICMP6_CHECKSUM = 2 };
/* Of an error's quote: as much as the least MTU leaves (2.4 (c)). */
enum { ICMP6_QUOTE = IP6_MTU_MIN - IP6_HEADER - ICMP6_HEADER };

struct icmp6_wire {
	uint8_t type;
	uint8_t code;
	struct be16 checksum;
	struct be32 word; /* by type: see icmp6_message */
};
_Static_assert(sizeof(struct icmp6_wire) == ICMP6_HEADER, "RFC 4443, 2.1");
_Static_assert(offsetof(struct icmp6_wire, checksum) == ICMP6_CHECKSUM, "RFC 4443, 2.1");
_Static_assert(offsetof(struct icmp6_wire, word) == 4, "RFC 4443, 3 and 4");

struct icmp6_message {
	uint8_t type, code;
	/* TOO_BIG: the next hop's MTU; PARAMETER: the pointer; echo: identifier << 16 |
	 * sequence number; neighbour advertisement: flags; else 0 or the type's own. */
	uint32_t word;
	struct slice body; /* behind the word: echo data, the quoted packet, ... */
};

/* False: too short, or the checksum, which covers the addresses, is wrong. */
bool icmp6_wire_parse(const struct net_packet *packet, struct icmp6_message *message);

/* `room` is ICMP6_HEADER bytes; the checksum is left zero for net_send (ICMP6_CHECKSUM)
 * or icmp6_wire_seal. */
void icmp6_wire_emit(uint8_t *room, const struct icmp6_message *message);
/* Fills the checksum of a whole message in. */
void icmp6_wire_seal(uint8_t *message, size_t size, const struct ip_addr *src,
                     const struct ip_addr *dst);

static inline bool icmp6_is_error(uint8_t type)
{
	return type < ICMP6_ECHO;
}

/* What an error means for the transport; false if the message is no error. Those that
 * nobody knows yet are soft ones, for 2.4 (a) has them passed on. */
bool icmp6_wire_error_kind(const struct icmp6_message *message,
                           enum net_error_kind *kind);

#endif
