/*
 * The inside of IPv4 in lib/net: its state, and what its files call of each other.
 *
 *	ip4.c          packets in, the family's table    arp.c     questions and answers
 *	ip4_address.c  options, the address              icmp.c    echo and errors
 *	ip4_output.c   the route, the header             dhcp*.c   leases
 */
#ifndef NET_IP4_PRIVATE_H
#define NET_IP4_PRIVATE_H

#include "arp_wire.h"
#include "family.h"
#include "ip4_wire.h"

/* Probing an address before its use, then announcing it (RFC 5227). */
struct arp {
	struct timer claim;
	struct ip4_addr probed;
	unsigned probes_left, announcements_left;
	bool probing;
	void (*probe_done)(struct net *net, bool conflict);
	kiln_time defended_at;
	struct net *net;
};

struct ip4 {
	bool up; /* the address is in use */
	uint8_t prefix;
	struct ip4_addr address, gateway;
	uint32_t mask, broadcast; /* host order; broadcast 0: the subnet has none */
	struct arp arp;
	uint16_t id_next;
	uint8_t id_cipher[4][256];
};

/* An address that the interface takes up; see net_set_address. */
struct net_lease {
	struct ip4_addr address, gateway;
	struct ip4_addr broadcast; /* 0.0.0.0, or what is none: the subnet's last */
	uint8_t prefix;
	uint16_t mtu; /* 0: the device's */
};

extern const struct net_family ip4_family;

/* ---- ip4.c ---- */

/* To a transport, to DHCP or to ICMP. */
void ip4_deliver(struct net *net, uint8_t protocol, const struct net_packet *packet);

/* ---- ip4_address.c ---- */

void ip4_start(struct net *net);
/* Whether one host of the subnet can have the address. */
bool net_lease_plausible(const struct net_lease *lease);
/* Takes the address up, announces it, and tells the watchers. */
void net_set_address(struct net *net, const struct net_lease *lease);
/* Gives the address up. */
void net_clear_address(struct net *net);

static inline bool ip4_on_link(const struct ip4 *ip4, struct ip4_addr a)
{
	return ((ip4_value(a) ^ ip4_value(ip4->address)) & ip4->mask) == 0;
}

static inline bool ip4_is_multicast(uint32_t a)
{
	return a >> 28 == 14;
}

/* 255.255.255.255, or the subnet's own. */
static inline bool ip4_is_broadcast(const struct ip4 *ip4, uint32_t a)
{
	return a == UINT32_MAX || (ip4->broadcast && a == ip4->broadcast);
}

/* An address that a single host can have, anywhere (RFC 1122, 3.2.1.3; 6890). */
static inline bool ip4_is_host(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000;
}

/* ---- ip4_output.c ---- */

void ip4_output_init(struct net *net);
bool ip4_route(const struct net *net, const struct ip_addr *dst,
               const struct ip_addr *src, struct net_route *route);
bool ip4_hop(const struct net *net, const struct ip_addr *dst, struct ip_addr *hop);
uint32_t ip4_identify(struct net *net, bool fragmented);
void ip4_push(struct netdev_frame *frame, const struct net_header *header);

/* ---- arp.c ---- */

void arp_init(struct net *net);
void arp_input(struct net *net, struct slice packet);
void arp_ask(struct net *net, const struct neighbour *n, bool unicast);
/* Asks whether someone has the address already (RFC 5227, 2.1.1); answers by `done`. */
void arp_probe(struct net *net, struct ip4_addr addr,
               void (*done)(struct net *net, bool conflict));
void arp_probe_cancel(struct net *net);
/* Announces our address, twice (RFC 5227, 2.3). */
void arp_announce(struct net *net);

/* ---- icmp.c ---- */

void icmp_input(struct net *net, const struct net_packet *packet);
void icmp_refuse(struct net *net, const struct net_packet *packet, enum net_refusal why);

/* ---- dhcp.c ---- */

void dhcp_start(struct net *net);
/* True if the datagram was for the client: to its port, from a server's. */
bool dhcp_input(struct net *net, const struct net_packet *packet);

/* ---- dhcp_routes.c ---- */

struct dhcp_message;
/* Where everything else goes, by an acknowledgement and the bytes it was read from. */
struct ip4_addr dhcp_default_router(const struct dhcp_message *ack, struct slice bytes);
/* Takes its other routes up, in the place of an earlier one's. */
void dhcp_set_routes(struct net *net, struct slice bytes);

#endif
