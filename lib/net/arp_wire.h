/*
 * ARP packets for IPv4 over Ethernet (RFC 826): parse and emit, pure.
 */
#ifndef NET_ARP_WIRE_H
#define NET_ARP_WIRE_H

#include <kiln/ip.h>
#include "eth_wire.h"

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { ARP_SIZE = 28 };

struct arp_wire {
	struct be16 hardware;
	struct be16 protocol;
	uint8_t hardware_size;
	uint8_t protocol_size;
	struct be16 operation;
	uint8_t sender_mac[ETH_MAC];
	struct ip4_addr sender;
	uint8_t target_mac[ETH_MAC];
	struct ip4_addr target;
};
_Static_assert(sizeof(struct arp_wire) == ARP_SIZE, "RFC 826");
_Static_assert(offsetof(struct arp_wire, sender) == 14, "RFC 826");
_Static_assert(offsetof(struct arp_wire, target) == 24, "RFC 826");

struct arp_packet {
	uint16_t operation; /* ARP_REQUEST or ARP_REPLY */
	uint8_t sender_mac[ETH_MAC];
	uint8_t target_mac[ETH_MAC];
	struct ip4_addr sender, target;
};

/* False on anything but a request or reply for IPv4 over Ethernet from a station's own
 * address. Bytes behind the packet (Ethernet padding) are ignored. */
bool arp_wire_parse(struct slice bytes, struct arp_packet *packet);
/* `room` is ARP_SIZE bytes. */
void arp_wire_emit(uint8_t *room, const struct arp_packet *packet);

#endif
