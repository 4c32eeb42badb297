/*
 * The UDP header (RFC 768): parse and emit, pure. Used by udp.c, and by dhcp.c for the
 * datagrams it exchanges before there is an address.
 */
#ifndef NET_UDP_WIRE_H
#define NET_UDP_WIRE_H

#include "stack.h"

enum { UDP_HEADER = 8, UDP_CHECKSUM = 6 };
enum { UDP_PAYLOAD_MAX = 65535 - 20 - UDP_HEADER };

struct udp_wire {
	struct be16 src, dst;
	struct be16 length; /* header and data */
	struct be16 checksum;
};
_Static_assert(sizeof(struct udp_wire) == UDP_HEADER, "RFC 768");
_Static_assert(offsetof(struct udp_wire, checksum) == UDP_CHECKSUM, "RFC 768");

struct udp_header {
	uint16_t src, dst;
	struct slice data;
};

/* False: too short, a length that lies, or a wrong checksum. No checksum at all (0) is
 * taken over IPv4, as RFC 1122, 4.1.3.4 wants, and refused over IPv6 (RFC 8200, 8.1).
 * Bytes behind the length are ignored. */
bool udp_wire_parse(const struct net_packet *packet, struct udp_header *header);

/* `room` is UDP_HEADER bytes; the checksum is left zero for net_send. */
void udp_wire_emit(uint8_t *room, uint16_t src, uint16_t dst, size_t data_size);

#endif
