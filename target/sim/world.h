/*
 * The inside of the simulator, private to target/sim: events, nodes, links and disks.
 *
 * Everything belongs to a struct sim and lives until sim_free. One thread; at any moment
 * either the scheduler (sim_run) or exactly one node runs. What nodes do to each other
 * goes through the event heap, whose order (instant, then order of setting) is total:
 * that, and drawing all chance from the seed, is what makes a run repeatable to the bit.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdio.h>
#include <kiln/block.h>
#include <kiln/bytes.h>
#include <kiln/netdev.h>
#include <kiln/sim.h>
#include <kiln/target.h>
#include "../../lib/core/context.h"
#include "event.h"
#include "path.h"
#include "random.h"

/* ---- the world ---- */

/* Memory that is carved for ever and given back all at once, by sim_free. */
struct sim_slab {
	struct sim_slab *next;
};

struct sim {
	kiln_time now;
	struct sim_random random;
	struct sim_events events;
	struct list nodes; /* all, in order of creation */
	struct list ready; /* to be resumed now */
	struct list links, switches, routers;
	unsigned alive;
	struct sim_port **ports; /* by the number in their address, from 1 */
	uint32_t port_count, port_room;
	struct sim_node *running;
	struct context scheduler;
	struct sim_slab *slabs;
	struct sim_frame *small_frames, *large_frames; /* free */
	struct sim_delivery *deliveries;               /* free */
	void (*print)(void *context, const char *node, struct slice text);
	void *print_context;
	struct sim_counters counters;
};

/* For what ends the whole simulation: a misuse, or the host is out of memory. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Zeroed; never NULL. */
void *sim_alloc(size_t size);
void *sim_slab_alloc(struct sim *sim, size_t size);
/* Sets the event, or moves it if it is set. */
void sim_schedule(struct sim *sim, struct sim_event *event, kiln_time at);

/* ---- nodes ---- */

struct sim_node {
	struct kiln kiln;
	struct kiln_boot boot;
	struct sim *sim;
	struct list in_nodes;
	struct list in_ready;
	char name[32];
	int (*entry)(struct kiln *k);
	int (*start)(struct kiln *k); /* kiln_start() of an image; NULL: runs entry */
	void *user;
	char *options;

	void *mapping; /* guard page, stack, memory */
	size_t mapping_size;
	struct context context;
	struct sim_event wake;
	unsigned vain_waits; /* for instants that had passed; tells a livelock */
	bool stop_asked;
	bool ended;
	int status;

	struct list nics;
	struct list disks;
};

/* Has the node run again at the current instant, if it waits. */
void sim_node_wake(struct sim_node *node);
/* Lets the node run until it waits or ends. */
void sim_node_resume(struct sim_node *node);
void sim_node_free(struct sim_node *node);
/* A line of boot->devices. */
void sim_node_add_device(struct sim_node *node, const char *name, uint32_t type);

/* ---- links ---- */

/* The bytes of a frame on its way; shared by its receivers. */
struct sim_frame {
	struct sim_frame *next_free;
	uint32_t refs;
	uint32_t room;
	uint32_t size;
	struct netdev_offload offload;
	uint8_t data[];
};

/* A frame for one receiver: on the link, then in the receiver's queue. */
struct sim_delivery {
	struct sim_event event;
	struct sim_delivery *next; /* in the queue, or free */
	struct sim_port *to;
	struct sim_frame *frame;
};

struct sim_link {
	struct sim *sim;
	struct list in_links;
	struct list ports, promiscuous;
	struct sim_random random;
	struct sim_impairment impairment;
	uint16_t mtu;
	bool offloads;
	bool cut;
	int pcap; /* descriptor of the capture file, -1: none */
	char *pcap_path;
};

/*
 * An end of a link: of a node's network device (nic.c), a switch or a router. It has an
 * address of its own, by which the link finds it: as a network card does, a port takes
 * what is for its address or for a group; one that is promiscuous takes everything.
 */
struct sim_port {
	struct sim_link *link;
	struct list in_link;
	struct sim_path path; /* sending */
	uint8_t mac[6];
	bool promiscuous;
	bool cut;
	/* The frame is here; the delivery is the port's owner's, who puts it back. */
	void (*arrived)(struct sim_port *port, struct sim_delivery *delivery);
};

/* Gives the port its address; `promiscuous` and `arrived` are set. */
void sim_port_attach(struct sim_port *port, struct sim_link *link);
void sim_port_detach(struct sim_port *port);
/* Sends the frame to the others at the link; the reference stays the caller's. */
void sim_port_send(struct sim_port *port, struct sim_frame *frame);

/* A node's network device. */
struct sim_nic {
	struct netdev dev;
	char name[20];
	bool open;
	struct sim_node *node;
	struct list in_node;
	struct sim_port port;
	struct sim_delivery *queue, **queue_end;
	uint32_t queued;
};

void sim_link_free(struct sim_link *link);
void sim_nic_free(struct sim_nic *nic);
struct netdev *sim_nic_open(struct sim_nic *nic);
void sim_switches_free(struct sim *sim);
void sim_routers_free(struct sim *sim);

/* ---- disks ---- */

struct sim_disk {
	struct block block;
	struct loop_source source;
	struct sim_event event;
	char name[20];
	struct sim_node *node;
	struct list in_node;
	struct list submitted; /* the first is being worked on */
	struct list completed;
	uint8_t *data;
	size_t size;
};

void sim_disk_free(struct sim_disk *disk);
struct block *sim_disk_open(struct sim_disk *disk);

#endif
