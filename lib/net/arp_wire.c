/*
 * ARP packets for IPv4 over Ethernet: see arp_wire.h. RFC 826, "Packet Reception".
 */
#include "arp_wire.h"

enum { ARP_HARDWARE_ETHERNET = 1 };

bool arp_wire_parse(struct slice bytes, struct arp_packet *packet)
{
	static const uint8_t none[ETH_MAC];
	struct cursor c = cursor_of(bytes);
	struct slice s = cursor_bytes(&c, sizeof(struct arp_wire));

	if (c.failed)
		return false;
	const struct arp_wire *wire = (const struct arp_wire *)s.data;
	uint16_t operation = be16_get(wire->operation);
	if (be16_get(wire->hardware) != ARP_HARDWARE_ETHERNET ||
	    be16_get(wire->protocol) != ETH_TYPE_IP4 || wire->hardware_size != ETH_MAC ||
	    wire->protocol_size != 4)
		return false;
	if (operation != ARP_REQUEST && operation != ARP_REPLY)
		return false;
	if (eth_is_group(wire->sender_mac) ||
	    memcmp(wire->sender_mac, none, ETH_MAC) == 0)
		return false;
	packet->operation = operation;
	memcpy(packet->sender_mac, wire->sender_mac, ETH_MAC);
	memcpy(packet->target_mac, wire->target_mac, ETH_MAC);
	packet->sender = wire->sender;
	packet->target = wire->target;
	return true;
}

void arp_wire_emit(uint8_t *room, const struct arp_packet *packet)
{
	struct arp_wire *wire = (struct arp_wire *)room;

	wire->hardware = be16_of(ARP_HARDWARE_ETHERNET);
	wire->protocol = be16_of(ETH_TYPE_IP4);
	wire->hardware_size = ETH_MAC;
	wire->protocol_size = 4;
	wire->operation = be16_of(packet->operation);
	memcpy(wire->sender_mac, packet->sender_mac, ETH_MAC);
	wire->sender = packet->sender;
	memcpy(wire->target_mac, packet->target_mac, ETH_MAC);
	wire->target = packet->target;
}
