/*
 * See router.h: ports, addresses and routes, and what all packets have in common.
 */
#include <stdlib.h>
#include <string.h>
#include "router.h"

/* Link-local addresses are made of the port's (RFC 4291, appendix A). */
static struct ip_addr link_local_of(const uint8_t mac[ETH_MAC])
{
	return (struct ip_addr){{0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2],
	                         0xff, 0xfe, mac[3], mac[4], mac[5]}};
}

/* ---- frames ---- */

struct sim_frame *router_frame(struct sim_router *router, uint32_t packet)
{
	return sim_frame_get(router->sim, ETH_HEADER + packet);
}

void router_emit(struct router_port *port, struct sim_frame *frame,
                 const uint8_t mac[ETH_MAC], uint16_t type)
{
	eth_wire_emit(frame->data, mac, port->port.mac, type);
	sim_port_send(&port->port, frame);
	sim_frame_unref(port->router->sim, frame);
}

static void arrived(struct sim_port *at, struct sim_delivery *delivery)
{
	struct router_port *port = kiln_container(at, struct router_port, port);
	const struct sim_frame *frame = delivery->frame;
	const struct eth_wire *header =
	    eth_wire_parse(slice_of(frame->data, frame->size));

	switch (header ? be16_get(header->type) : 0) {
	case ETH_TYPE_ARP:
		router_arp_input(port, frame);
		break;
	case ETH_TYPE_IP4:
		router_ip4_input(port, frame);
		break;
	case ETH_TYPE_IP6:
		router_ip6_input(port, frame);
		break;
	}
	sim_delivery_put(port->router->sim, delivery);
}

/* ---- addresses and routes ---- */

bool router_has(const struct router_address *prefix, const struct ip_addr *addr)
{
	unsigned bytes = prefix->length / 8, bits = prefix->length % 8;

	if (memcmp(prefix->addr.bytes, addr->bytes, bytes) != 0)
		return false;
	return bits == 0 ||
	       (prefix->addr.bytes[bytes] ^ addr->bytes[bytes]) >> (8 - bits) == 0;
}

bool router_owns(const struct sim_router *router, const struct ip_addr *addr)
{
	list_each (at, &router->ports) {
		const struct router_port *port =
		    kiln_container(at, struct router_port, in_router);
		for (unsigned i = 0; i < port->address_count; i++)
			if (ip_equal(&port->addresses[i].addr, addr))
				return true;
		if (ip_equal(&port->link_local, addr))
			return true;
	}
	return false;
}

const struct ip_addr *router_address_on(const struct router_port *port, bool four)
{
	for (unsigned i = 0; i < port->address_count; i++)
		if (ip_is4(&port->addresses[i].addr) == four)
			return &port->addresses[i].addr;
	return four ? NULL : &port->link_local;
}

/* The link that the address is on: the longest prefix. */
static struct router_port *on_link(struct sim_router *router, const struct ip_addr *addr,
                                   int *longest)
{
	struct router_port *found = NULL;

	list_each (at, &router->ports) {
		struct router_port *port =
		    kiln_container(at, struct router_port, in_router);
		for (unsigned i = 0; i < port->address_count; i++) {
			const struct router_address *prefix = &port->addresses[i];
			if (ip_is4(&prefix->addr) == ip_is4(addr) &&
			    router_has(prefix, addr) && (int)prefix->length > *longest) {
				*longest = (int)prefix->length;
				found = port;
			}
		}
	}
	return found;
}

struct router_port *router_find(struct sim_router *router, const struct ip_addr *addr,
                                struct ip_addr *next_hop)
{
	int longest = -1, ignored = -1;
	struct router_port *port = on_link(router, addr, &longest);
	const struct router_route *best = NULL;

	for (unsigned i = 0; i < router->route_count; i++) {
		const struct router_route *route = &router->routes[i];
		if (ip_is4(&route->gateway) == ip_is4(addr) &&
		    router_has(&route->prefix, addr) &&
		    (int)route->prefix.length > longest) {
			longest = (int)route->prefix.length;
			best = route;
		}
	}
	*next_hop = best ? best->gateway : *addr;
	return best ? on_link(router, &best->gateway, &ignored) : port;
}

/* ---- <kiln/sim.h> ---- */

struct sim_router *sim_router_new(struct sim *sim)
{
	struct sim_router *router = sim_alloc(sizeof(*router));

	router->sim = sim;
	list_init(&router->ports);
	list_init(&router->in_sim);
	list_append(&sim->routers, &router->in_sim);
	return router;
}

static struct router_port *port_at(struct sim_router *router, struct sim_link *link)
{
	struct router_port *port;

	list_each (at, &router->ports) {
		port = kiln_container(at, struct router_port, in_router);
		if (port->port.link == link)
			return port;
	}
	port = sim_alloc(sizeof(*port));
	port->router = router;
	port->port.arrived = arrived;
	sim_port_attach(&port->port, link);
	port->link_local = link_local_of(port->port.mac);
	list_append(&router->ports, &port->in_router);
	return port;
}

/* Addresses are looked at with all their 128 bits. */
static struct router_address whole(const struct ip_addr *addr, unsigned length)
{
	return (struct router_address){*addr, length + (ip_is4(addr) ? 96 : 0)};
}

void sim_router_join(struct sim_router *router, struct sim_link *link,
                     const struct ip_addr *addr, unsigned length)
{
	struct router_port *port = port_at(router, link);

	if (port->address_count == ROUTER_ADDRESSES)
		sim_fail("a router has more than %d addresses on a link",
		         ROUTER_ADDRESSES);
	port->addresses[port->address_count++] = whole(addr, length);
}

void sim_router_route(struct sim_router *router, const struct ip_addr *prefix,
                      unsigned length, const struct ip_addr *gateway)
{
	struct router_route *route;

	router->routes =
	    realloc(router->routes, (router->route_count + 1) * sizeof(*router->routes));
	if (!router->routes)
		sim_fail("no memory for %u routes", router->route_count + 1);
	route = &router->routes[router->route_count++];
	route->prefix = whole(prefix, length);
	route->gateway = *gateway;
}

static void advertise_fired(struct sim_event *event)
{
	struct router_port *port = kiln_container(event, struct router_port, advertise);

	router_nd_advertise(port);
	/* Within what RFC 4861, 6.2.1, allows; the same for each is no harm here. */
	sim_schedule(port->router->sim, event,
	             port->router->sim->now + KILN_SECONDS(200));
}

void sim_router_advertise(struct sim_router *router)
{
	list_each (at, &router->ports) {
		struct router_port *port =
		    kiln_container(at, struct router_port, in_router);
		port->advertise.fire = advertise_fired;
		sim_schedule(router->sim, &port->advertise, router->sim->now);
	}
}

static void router_free(struct sim_router *router)
{
	router_forget_all(router);
	list_each_safe (at, &router->ports) {
		struct router_port *port =
		    kiln_container(at, struct router_port, in_router);
		sim_port_detach(&port->port);
		list_remove(&port->in_router);
		free(port);
	}
	list_remove(&router->in_sim);
	free(router->routes);
	free(router);
}

void sim_routers_free(struct sim *sim)
{
	list_each_safe (at, &sim->routers)
		router_free(kiln_container(at, struct sim_router, in_sim));
}
