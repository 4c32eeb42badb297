/*
 * The simulator: nodes that run appliances over Kiln's own libraries, joined by simulated
 * links, in one process, on one virtual clock, driven by one seed.
 *
 * Every node is a struct kiln with an event loop of its own, run as a coroutine. Time
 * stands still while a node computes and jumps to the next event when all of them wait.
 * The same seed and the same scenario give the same run to the bit.
 */
#ifndef KILN_SIM_H
#define KILN_SIM_H

#include <kiln/appliance.h>
#include <kiln/ip.h>

struct sim;
struct sim_link;
struct sim_node;

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);
kiln_time sim_now(const struct sim *sim);

/* What happens to each frame on its way; probabilities in [0, 1]. Zeroed: nothing. All
 * draws are independent but those of a burst. */
struct sim_impairment {
	double loss, duplicate, corrupt; /* corrupt: one bit of the frame is flipped */
	/* Gilbert's model of loss (1960): a frame begins a burst with this probability, and
	 * all are lost until it ends, after burst_length frames in the mean (0: 10). */
	double burst, burst_length;
	double reorder;          /* such a frame is held back by up to reorder_delay */
	kiln_time reorder_delay; /* 0: 1 ms */
	kiln_time delay, jitter; /* one way; jitter adds 0..jitter, uniformly, in order */
	uint64_t rate;           /* bits/s of each sender's port; 0: infinitely fast */
	uint32_t queue;          /* frames waiting, the newest is dropped; 0: 1000 */
	uint32_t mark; /* RFC 3168: with so many waiting, what is ECN-capable is marked as
			* having met congestion; 0: never */
	uint16_t blackhole; /* larger packets vanish without a word (RFC 4821); 0: none do */
};

/* A link has any number of ports. A frame for a group goes to every other, one for an
 * address to the port that has it, as network cards would see to, and switches get all of
 * them; each copy is subject to the impairment, with draws of its own. impairment NULL: a
 * perfect link; mtu 0: 1500. */
struct sim_link *sim_link_new(struct sim *sim, const struct sim_impairment *impairment,
			      uint16_t mtu);
void sim_link_set(struct sim_link *link, const struct sim_impairment *impairment);
/* Cuts the link, or mends it: what is sent in between, and what was on its way, is gone.
 * sim_node_cut() pulls the plug of one node only. */
void sim_link_cut(struct sim_link *link, bool cut);
/* Whether the simulated devices claim checksum and segmentation offload. Default:
 * neither, so that the stack's own code is run and corruption meets real checksums. A
 * frame that is corrupted gets the checksum that was left to the device before the bit
 * flips. To be called before the nodes open their devices. */
void sim_link_offloads(struct sim_link *link, bool on);
/* Writes every frame sent on the link to a pcap file, with virtual times. */
KILN_MUST_CHECK enum kiln_error sim_link_pcap(struct sim_link *link, const char *path);

/*
 * A switch joins links: it learns who is on which, and carries frames between them. Each
 * link keeps its own rate, delay and queue. Links and switches must not make a loop.
 */
struct sim_switch *sim_switch_new(struct sim *sim);
void sim_switch_join(struct sim_switch *s, struct sim_link *link);

/*
 * A router forwards IPv4 and IPv6 between links: it counts hops down, says by ICMP what is
 * unreachable, expired or too big, fragments IPv4 where that is allowed, and answers pings.
 * Its links have no offloads (sim_link_offloads).
 */
struct sim_router *sim_router_new(struct sim *sim);
/* Gives the router an address on the link, and all of the prefix as neighbours there. Call
 * it again for more; up to 8 on a link. */
void sim_router_join(struct sim_router *router, struct sim_link *link,
		     const struct ip_addr *addr, unsigned length);
/* Addresses of the prefix lie behind another router, on a link that this one is on. */
void sim_router_route(struct sim_router *router, const struct ip_addr *prefix,
		      unsigned length, const struct ip_addr *gateway);
/* From now on, tells hosts on its links its IPv6 prefixes (RFC 4861, 6.2). */
void sim_router_advertise(struct sim_router *router);

/*
 * A node that runs entry(k) with `memory` bytes and `options` ("ip=10.0.0.2/24", ...
 * ended by NULL). Devices: sim_node_net binds a manifest name to a link. The node starts
 * at the current virtual time of the next sim_run.
 */
struct sim_node *sim_node_new(struct sim *sim, const char *name, size_t memory,
			      int (*entry)(struct kiln *k), const char *const *options);
void sim_node_net(struct sim_node *node, const char *device, struct sim_link *link);
/* Cuts the node off the link, or joins it again: see sim_link_cut(). */
void sim_node_cut(struct sim_node *node, struct sim_link *link, bool cut);
/* A disk of so many sectors in memory, zeroed. */
void sim_node_disk(struct sim_node *node, const char *device, uint64_t sectors);
/* A pointer for entry() to find what it works on: sim_node_user(sim_node_of(k)). */
void sim_node_set_user(struct sim_node *node, void *user);
void *sim_node_user(const struct sim_node *node);
struct sim_node *sim_node_of(struct kiln *k);

/* Where console text goes: NULL (the default) drops it. */
void sim_console(struct sim *sim, void (*print)(void *context, const char *node,
						struct slice text), void *context);

/* Asks the node to stop, as Ctrl-C would. From outside sim_run, or from any node. */
void sim_node_stop(struct sim_node *node);
bool sim_node_ended(const struct sim_node *node, int *status);

/* Runs until every node has ended, or until the virtual instant, which it then is. True
 * if all have ended. With KILN_NEVER it also returns when nothing would ever
 * happen again. */
bool sim_run(struct sim *sim, kiln_time until);

struct sim_counters {
	uint64_t frames, bytes, lost, duplicated, corrupted, reordered;
	uint64_t overflowed, events;
	uint64_t marked; /* as having met congestion */
	uint64_t cut;    /* lost on, or to, a link that was cut */
};
void sim_counters(const struct sim *sim, struct sim_counters *counters);

#endif
