/*
 * The link addresses of a router's neighbours, of both families: learnt from what they
 * say, asked for when a packet waits. Three questions a second apart, then the packets'
 * senders are told (RFC 1122, 2.3.2.1, and 4861, 7.2.2, in short). What is learnt stays:
 * nobody moves in a simulation without saying so.
 */
#include <stdlib.h>
#include <string.h>
#include "router.h"

enum { ASKS = 3 };
#define ASK_AFTER KILN_SECONDS(1)

static struct router_neighbour **bucket(struct sim_router *router,
                                        const struct ip_addr *addr)
{
	uint32_t hash = 2166136261u; /* FNV-1a; nobody here is out to collide */

	for (unsigned i = 0; i < sizeof(addr->bytes); i++)
		hash = (hash ^ addr->bytes[i]) * 16777619u;
	return &router->buckets[hash % ROUTER_BUCKETS];
}

static struct router_neighbour *find(struct router_port *port, const struct ip_addr *addr)
{
	struct router_neighbour *n = *bucket(port->router, addr);

	while (n && (n->port != port || !ip_equal(&n->addr, addr)))
		n = n->next;
	return n;
}

static void ask(struct router_neighbour *n)
{
	struct sim *sim = n->port->router->sim;

	n->asked++;
	if (ip_is4(&n->addr))
		router_arp_ask(n->port, &n->addr);
	else
		router_nd_ask(n->port, &n->addr);
	sim_schedule(sim, &n->retry, sim->now + ASK_AFTER);
}

/* Nobody has answered: what waits cannot be delivered. */
static void give_up(struct router_neighbour *n)
{
	unsigned count = n->waiting_count;

	n->waiting_count = n->asked = 0;
	for (unsigned i = 0; i < count; i++) {
		if (ip_is4(&n->addr))
			router_ip4_unreachable(n->port, n->waiting[i]);
		else
			router_ip6_unreachable(n->port, n->waiting[i]);
		sim_frame_unref(n->port->router->sim, n->waiting[i]);
	}
}

static void retry_fired(struct sim_event *event)
{
	struct router_neighbour *n =
	    kiln_container(event, struct router_neighbour, retry);

	if (n->asked < ASKS)
		ask(n);
	else
		give_up(n);
}

static struct router_neighbour *make(struct router_port *port, const struct ip_addr *addr)
{
	struct router_neighbour *n = sim_alloc(sizeof(*n));
	struct router_neighbour **head = bucket(port->router, addr);

	n->port = port;
	n->addr = *addr;
	n->retry.fire = retry_fired;
	n->next = *head;
	*head = n;
	return n;
}

static void emit(struct router_neighbour *n, struct sim_frame *frame)
{
	router_emit(n->port, frame, n->mac,
	            ip_is4(&n->addr) ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
}

void router_learn(struct router_port *port, const struct ip_addr *addr,
                  const uint8_t mac[ETH_MAC])
{
	struct router_neighbour *n = find(port, addr);
	unsigned count;

	if (!n)
		n = make(port, addr);
	memcpy(n->mac, mac, ETH_MAC);
	n->known = true;
	n->asked = 0;
	sim_events_cancel(&port->router->sim->events, &n->retry);
	count = n->waiting_count;
	n->waiting_count = 0;
	for (unsigned i = 0; i < count; i++)
		emit(n, n->waiting[i]);
}

void router_send(struct router_port *port, const struct ip_addr *next_hop,
                 struct sim_frame *frame)
{
	struct router_neighbour *n = find(port, next_hop);

	if (!n)
		n = make(port, next_hop);
	if (n->known) {
		emit(n, frame);
	} else if (n->waiting_count == ROUTER_WAITING) {
		sim_frame_unref(port->router->sim, frame);
	} else {
		n->waiting[n->waiting_count++] = frame;
		if (!n->retry.place)
			ask(n);
	}
}

void router_forget_all(struct sim_router *router)
{
	for (unsigned i = 0; i < ROUTER_BUCKETS; i++) {
		while (router->buckets[i]) {
			struct router_neighbour *n = router->buckets[i];
			router->buckets[i] = n->next;
			free(n);
		}
	}
}
