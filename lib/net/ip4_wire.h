/*
 * The IPv4 header (RFC 791): parse with all the checks that need no state (RFC 1122,
 * 3.2.1), and emit. Pure.
 */
#ifndef NET_IP4_WIRE_H
#define NET_IP4_WIRE_H

#include <kiln/ip.h>

enum {
	IP4_HEADER = 20,     /* without options: all that is ever sent */
	IP4_HEADER_MAX = 60, /* with options: what may be received */
	IP4_PACKET_MAX = 65535,
	IP4_MTU_MIN = 68, /* RFC 791: every link carries that much */
};
enum { IP4_DF = 0x4000, IP4_MF = 0x2000, IP4_OFFSET = 0x1fff };

struct ip4_wire {
	uint8_t version_size; /* version 4, header size in words */
	uint8_t tos;
	struct be16 total;
	struct be16 id;
	struct be16 fragment; /* flags, offset in units of 8 bytes */
	uint8_t ttl;
	uint8_t protocol;
	struct be16 checksum;
	struct ip4_addr src;
	struct ip4_addr dst;
};
_Static_assert(sizeof(struct ip4_wire) == IP4_HEADER, "RFC 791, 3.1");
_Static_assert(offsetof(struct ip4_wire, ttl) == 8, "RFC 791, 3.1");
_Static_assert(offsetof(struct ip4_wire, src) == 12, "RFC 791, 3.1");

struct ip4_header {
	struct ip4_addr src, dst;
	uint16_t total; /* header and payload */
	uint16_t id;
	uint16_t offset; /* of a fragment's payload, in bytes */
	bool dont_fragment;
	bool more_fragments;
	uint8_t tos;
	uint8_t ttl;
	uint8_t protocol;
	uint8_t size; /* of the header, with options */
};

/*
 * Reads the header of a packet that may have padding behind it; *payload is what the
 * total length covers. False: malformed, wrong checksum, or an option that routes (source
 * routes are refused; all others ignored, RFC 1122, 3.2.1.8).
 */
bool ip4_wire_parse(struct slice packet, struct ip4_header *header,
                    struct slice *payload);

/* The header of a packet that an ICMP error quotes, and the bytes behind it: the packet
 * is cut short and its checksum need not hold. */
bool ip4_wire_parse_quoted(struct slice packet, struct ip4_header *header,
                           struct slice *payload);

/* `room` is IP4_HEADER bytes; the checksum is filled in, `size` is not looked at. */
void ip4_wire_emit(uint8_t *room, const struct ip4_header *header);

#endif
