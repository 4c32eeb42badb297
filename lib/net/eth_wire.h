/*
 * Ethernet II frames (IEEE 802.3, RFC 894): the header on the wire. Pure; used by net.c
 * to read frames and by output.c to write them. Frames without a type field (802.3
 * length, LLC) and VLAN tags are left to the caller, which counts them as unknown.
 */
#ifndef NET_ETH_WIRE_H
#define NET_ETH_WIRE_H

#include <kiln/bytes.h>
#include <kiln/slice.h>

enum { ETH_TYPE_IP4 = 0x0800, ETH_TYPE_ARP = 0x0806, ETH_TYPE_IP6 = 0x86dd };
enum { ETH_MAC = 6, ETH_HEADER = 14 };

struct eth_wire {
	uint8_t dst[ETH_MAC];
	uint8_t src[ETH_MAC];
	struct be16 type;
};
_Static_assert(sizeof(struct eth_wire) == ETH_HEADER, "RFC 894");
_Static_assert(offsetof(struct eth_wire, type) == 12, "RFC 894");

/* The header, which lies in the frame; NULL if that is too short. */
static inline const struct eth_wire *eth_wire_parse(struct slice frame)
{
	struct cursor c = cursor_of(frame);
	struct slice header = cursor_bytes(&c, ETH_HEADER);

	return c.failed ? NULL : (const struct eth_wire *)header.data;
}

/* `room` is ETH_HEADER bytes. */
static inline void eth_wire_emit(uint8_t *room, const uint8_t dst[ETH_MAC],
                                 const uint8_t src[ETH_MAC], uint16_t type)
{
	struct eth_wire *header = (struct eth_wire *)room;

	memcpy(header->dst, dst, ETH_MAC);
	memcpy(header->src, src, ETH_MAC);
	header->type = be16_of(type);
}

static inline bool eth_is_broadcast(const uint8_t mac[ETH_MAC])
{
	static const uint8_t all[ETH_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(mac, all, ETH_MAC) == 0;
}

/* The group bit: broadcast and multicast. */
static inline bool eth_is_group(const uint8_t mac[ETH_MAC])
{
	return mac[0] & 1;
}

#endif
