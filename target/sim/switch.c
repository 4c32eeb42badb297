/*
 * Switches: learn at which link an address is, and carry a frame from its link to that one
 * alone; to all others what is for a group or for somebody unknown. Each link has its own
 * rate, delay and queue, for each direction. There is no spanning tree: links and switches
 * must not make a loop.
 */
#include <stdlib.h>
#include <string.h>
#include "frame.h"
#include "world.h"

enum { MAC = 6 };

struct switch_port {
	struct sim_port port;
	struct sim_switch *owner;
	struct list in_switch;
};

struct learnt {
	uint8_t mac[MAC];
	bool used;
	struct switch_port *port;
};

struct sim_switch {
	struct sim *sim;
	struct list in_sim;
	struct list ports;
	struct learnt *table; /* open addressing, at most half full */
	uint32_t room, count;
};

static struct learnt *slot(const struct sim_switch *s, const uint8_t mac[MAC])
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (unsigned i = 0; i < MAC; i++)
		hash = (hash ^ mac[i]) * 16777619u;
	for (uint32_t i = hash;; i++) {
		struct learnt *at = &s->table[i & (s->room - 1)];
		if (!at->used || memcmp(at->mac, mac, MAC) == 0)
			return at;
	}
}

static void grow(struct sim_switch *s)
{
	struct learnt *old = s->table;
	uint32_t old_room = s->room;

	s->room = old_room ? old_room * 2 : 64;
	s->table = sim_alloc(s->room * sizeof(*s->table));
	for (uint32_t i = 0; i < old_room; i++)
		if (old[i].used)
			*slot(s, old[i].mac) = old[i];
	free(old);
}

static void learn(struct switch_port *port, const uint8_t mac[MAC])
{
	struct sim_switch *s = port->owner;
	struct learnt *at;

	if (mac[0] & 1)
		return; /* no station's own */
	if (s->count * 2 >= s->room)
		grow(s);
	at = slot(s, mac);
	s->count += !at->used;
	memcpy(at->mac, mac, MAC);
	at->used = true;
	at->port = port;
}

static void arrived(struct sim_port *at, struct sim_delivery *delivery)
{
	struct switch_port *from = kiln_container(at, struct switch_port, port);
	struct sim_switch *s = from->owner;
	struct sim_frame *frame = delivery->frame;
	const struct learnt *to;

	learn(from, frame->data + MAC);
	to = slot(s, frame->data);
	if (to->used) {
		if (to->port != from)
			sim_port_send(&to->port->port, frame);
	} else {
		list_each (node, &s->ports) {
			struct switch_port *port =
			    kiln_container(node, struct switch_port, in_switch);
			if (port != from)
				sim_port_send(&port->port, frame);
		}
	}
	sim_delivery_put(s->sim, delivery);
}

struct sim_switch *sim_switch_new(struct sim *sim)
{
	struct sim_switch *s = sim_alloc(sizeof(*s));

	s->sim = sim;
	list_init(&s->ports);
	list_init(&s->in_sim);
	list_append(&sim->switches, &s->in_sim);
	grow(s);
	return s;
}

void sim_switch_join(struct sim_switch *s, struct sim_link *link)
{
	struct switch_port *port = sim_alloc(sizeof(*port));

	port->owner = s;
	port->port.promiscuous = true;
	port->port.arrived = arrived;
	sim_port_attach(&port->port, link);
	list_append(&s->ports, &port->in_switch);
}

void sim_switches_free(struct sim *sim)
{
	list_each_safe (node, &sim->switches) {
		struct sim_switch *s = kiln_container(node, struct sim_switch, in_sim);

		list_each_safe (at, &s->ports) {
			struct switch_port *port =
			    kiln_container(at, struct switch_port, in_switch);
			sim_port_detach(&port->port);
			list_remove(&port->in_switch);
			free(port);
		}
		list_remove(&s->in_sim);
		free(s->table);
		free(s);
	}
}
