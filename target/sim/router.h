/*
 * Routers, as their parts share them: router.c forwards, router_neighbour.c finds link
 * addresses, router_ip4.c and router_ip6.c know the two families.
 *
 * A router is a part of the network, not a node: it has no stack of Kiln's and takes no
 * time. The bytes it reads and writes it leaves to the pure wire formats of lib/net
 * (*_wire.h), on purpose: the one thing of a stack that would only be written twice. What
 * it decides is its own, so that a mistake of lib/net's does not meet its like here.
 */
#ifndef SIM_ROUTER_H
#define SIM_ROUTER_H

#include "../../lib/net/eth_wire.h"
#include "frame.h"
#include "world.h"

enum {
	ROUTER_ADDRESSES = 8, /* on a link */
	ROUTER_WAITING = 8,   /* packets for a neighbour whose address is asked for */
	ROUTER_BUCKETS = 1024,
	ROUTER_HOPS = 64,
};

struct router_address {
	struct ip_addr addr;
	unsigned length; /* of the prefix, in bits of all 128 */
};

/* The router's end of a link. */
struct router_port {
	struct sim_port port;
	struct sim_router *router;
	struct list in_router;
	struct router_address addresses[ROUTER_ADDRESSES];
	unsigned address_count;
	struct ip_addr link_local; /* of IPv6 */
	struct sim_event advertise;
};

/* Somebody on a link. */
struct router_neighbour {
	struct router_neighbour *next; /* in the bucket */
	struct router_port *port;
	struct ip_addr addr;
	uint8_t mac[ETH_MAC];
	bool known;
	unsigned asked;
	struct sim_event retry;
	struct sim_frame
	    *waiting[ROUTER_WAITING]; /* whole, but for the Ethernet header */
	unsigned waiting_count;
};

struct router_route {
	struct router_address prefix;
	struct ip_addr gateway;
};

struct sim_router {
	struct sim *sim;
	struct list in_sim;
	struct list ports;
	struct router_route *routes;
	unsigned route_count;
	struct router_neighbour *buckets[ROUTER_BUCKETS];
	uint16_t next_id; /* of IPv4 packets */
};

/* ---- router.c ---- */

bool router_has(const struct router_address *prefix, const struct ip_addr *addr);
/* The port and the neighbour that lead to the address. NULL: there is no route. */
struct router_port *router_find(struct sim_router *router, const struct ip_addr *addr,
                                struct ip_addr *next_hop);
/* Whether the address is one of the router's, on any link. */
bool router_owns(const struct sim_router *router, const struct ip_addr *addr);
/* The router's address of the family on the link; for IPv6 the link-local one if it has no
 * other. NULL: it has none. */
const struct ip_addr *router_address_on(const struct router_port *port, bool four);

/* An empty frame for a packet of so many bytes; the packet begins behind ETH_HEADER. */
struct sim_frame *router_frame(struct sim_router *router, uint32_t packet);
/* Writes the Ethernet header and sends the frame; the reference is taken. */
void router_emit(struct router_port *port, struct sim_frame *frame,
                 const uint8_t mac[ETH_MAC], uint16_t type);

/* ---- router_neighbour.c ---- */

/* The neighbour has this link address: what waits for it leaves. */
void router_learn(struct router_port *port, const struct ip_addr *addr,
                  const uint8_t mac[ETH_MAC]);
/* Sends the frame to the neighbour, once its address is known; the reference is taken. */
void router_send(struct router_port *port, const struct ip_addr *next_hop,
                 struct sim_frame *frame);
void router_forget_all(struct sim_router *router);

/* ---- the families ---- */

void router_ip4_input(struct router_port *port, const struct sim_frame *frame);
void router_arp_input(struct router_port *port, const struct sim_frame *frame);
void router_arp_ask(struct router_port *port, const struct ip_addr *addr);
/* The packet in the frame could not be delivered: its sender is told. */
void router_ip4_unreachable(struct router_port *port, const struct sim_frame *frame);

void router_ip6_input(struct router_port *port, const struct sim_frame *frame);
void router_nd_ask(struct router_port *port, const struct ip_addr *addr);
void router_nd_advertise(struct router_port *port);
void router_ip6_unreachable(struct router_port *port, const struct sim_frame *frame);

#endif
