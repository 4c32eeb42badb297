/*
 * What makes an address family: a table of functions and figures that the rest of lib/net
 * calls through, so that no generic file names a symbol of IPv4 or IPv6. Which families an
 * image holds is decided by which net_up*() it calls (up.c, up_ip4.c, up_ip6.c); struct net
 * points to their tables. Private to the library, below the transports.
 */
#ifndef NET_FAMILY_H
#define NET_FAMILY_H

#include "eth_wire.h"
#include "stack.h"

enum net_family_index { NET_IP4, NET_IP6, NET_FAMILIES };

struct neighbour;
struct net_family;

/* The way of a packet. */
struct net_route {
	const struct net_family *family;
	struct ip_addr src, dst;
	struct ip_addr hop; /* the neighbour it goes to, unless: */
	bool group;         /* by link broadcast or multicast: `mac` is set */
	bool own;           /* to ourselves (loopback.h) */
	uint8_t mac[ETH_MAC];
};

/* A network header to put before a packet. */
struct net_header {
	const struct net_route *route;
	size_t payload; /* bytes that follow: of this fragment */
	uint32_t id;
	uint16_t offset; /* of a fragment's payload */
	bool fragment, more_fragments;
	bool may_fragment;
	uint8_t tos, ttl, protocol;
};

/* Why a packet that we received goes no further. */
enum net_refusal { NET_REFUSE_PORT, NET_REFUSE_PROTOCOL, NET_REFUSE_REASSEMBLY };

struct net_family {
	enum net_family_index index;
	uint8_t header;          /* bytes of its header, as it is sent */
	uint8_t fragment_header; /* and those that a fragment has besides */
	uint8_t tcp_gso;         /* NETDEV_GSO_* of its TCP */
	uint32_t tcp_offload;    /* the bit of netdev.features for that */
	uint16_t type;           /* of its Ethernet frames */
	uint16_t ask_type;       /* of those that ask for neighbours; 0: its own */
	uint16_t mtu_min;        /* every link carries that much */
	kiln_time fragment_lifetime;

	/* Reads the options, and takes or asks for addresses. */
	void (*start)(struct net *net);
	/* Whether frames to this multicast address can be of use. */
	bool (*hears)(const uint8_t mac[ETH_MAC]);
	void (*input)(struct net *net, struct slice packet, bool to_group,
	              const struct netdev_offload *offload);
	void (*ask_input)(struct net *net, struct slice packet);
	/* A whole packet: to its transport, or to ICMP. */
	void (*deliver)(struct net *net, uint8_t protocol,
	                const struct net_packet *packet);

	/* False: there is no way to dst, or no address to send from. src NULL: chosen. */
	bool (*route)(const struct net *net, const struct ip_addr *dst,
	              const struct ip_addr *src, struct net_route *route);
	/* The neighbour on the way. False if there is none, as for a group. */
	bool (*hop)(const struct net *net, const struct ip_addr *dst,
	            struct ip_addr *hop);
	uint32_t (*identify)(struct net *net, bool fragmented);
	void (*push)(struct netdev_frame *frame, const struct net_header *header);

	/* Asks for a neighbour's link address: all, or the one that we believe it has. */
	void (*ask)(struct net *net, const struct neighbour *n, bool unicast);
	/* Tells the sender of a packet, within the rate limit. */
	void (*refuse)(struct net *net, const struct net_packet *packet,
	               enum net_refusal why);

	/* Writes down to `most` of its addresses; returns how many. */
	unsigned (*addresses)(const struct net *net, struct net_address *out,
	                      unsigned most);
	/* Has an address that other networks can reach. */
	bool (*is_up)(const struct net *net);
};

#endif
