/*
 * The network layer's own state, shared by the files of lib/net below the transports. All
 * of it hangs off struct net, which net_up makes from the image's arena.
 *
 *	net.c       device, configuration, counters          dhcp.c      leases
 *	arp.c       neighbours, probes, conflicts            icmp.c      echo and errors
 *	ip4.c       packets in      output.c  packets out    fragment.c  packets joined
 *	servers.c, search.c: what the network tells of the servers and domains there are
 */
#ifndef NET_PRIVATE_H
#define NET_PRIVATE_H

#include "arp_wire.h"
#include "eth_wire.h"
#include "ip4_wire.h"
#include "stack.h"

enum { NET_TRANSPORTS = 4, NET_WATCHERS = 4, NET_TTL = 64, NET_PATHS = 64 };
/* Bytes that a frame's head has for a transport's header, and small payloads with it. */
enum { NET_HEAD_ROOM = NETDEV_HEAD - ETH_HEADER - IP4_HEADER };
/* Chunks that the largest packet takes. */
enum { NET_PACKET_CHUNKS = (IP4_PACKET_MAX + CHUNK_SIZE - 1) / CHUNK_SIZE };
_Static_assert((int)NET_PACKET_CHUNKS <= NETDEV_FRAGS, "the largest packet fits a frame");

/* ---- arp.c ---- */

enum neighbour_state {
	NEIGHBOUR_RESOLVING, /* asked by broadcast; frames wait */
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_PROBING, /* asked by unicast; in use meanwhile (RFC 1122, 2.3.2.1) */
	NEIGHBOUR_FAILED,  /* no answer; not asked again for a while */
};

struct neighbour {
	struct neighbour *next; /* in its hash bucket */
	struct list recent;     /* in arp.recent */
	struct list waiting;    /* of struct arp_waiting */
	struct timer timer;
	kiln_time confirmed_at;
	kiln_time used_at; /* last sent to; 0: never, it only asked us */
	struct net *net;
	struct ip4_addr addr;
	uint8_t mac[ETH_MAC];
	uint8_t state; /* enum neighbour_state */
	uint8_t tries;
	uint8_t waiting_count;
};

struct arp {
	struct pool neighbours;
	struct pool frames; /* of struct arp_waiting */
	struct neighbour **buckets;
	uint32_t bucket_mask;
	uint32_t hash_key; /* odd */
	struct neighbour *last;
	struct list recent; /* most recently used first, never used last */

	/* Probing an address before its use, then announcing it (RFC 5227). */
	struct timer claim;
	struct ip4_addr probed;
	unsigned probes_left, announcements_left;
	bool probing;
	void (*probe_done)(struct net *net, bool conflict);
	kiln_time defended_at;
};

/* ---- fragment.c ---- */

enum { FRAGMENT_PAGE = 2048, FRAGMENT_PAGES = 32, FRAGMENT_UNIT = 8 };
enum { FRAGMENT_UNITS = 65536 / FRAGMENT_UNIT };

/* A datagram of which not all fragments have come. */
struct fragment_datagram {
	struct list node;
	struct timer timer;
	struct net *net;
	struct ip4_addr src, dst;
	uint16_t id;
	uint8_t protocol;
	bool poisoned;  /* fragments overlapped: what is still to come is dropped */
	bool broadcast; /* a fragment came by link broadcast */
	uint8_t ecn_seen;
	uint8_t ttl;
	uint8_t header_size; /* 0 until the first fragment is there */
	uint8_t header[IP4_HEADER_MAX];
	uint16_t page_count;
	uint32_t size;     /* of the payload; 0 until the last fragment is there */
	uint32_t received; /* bytes of it */
	uint32_t fragments;
	uint8_t *pages[FRAGMENT_PAGES];
	uint64_t units[FRAGMENT_UNITS / 64]; /* a bit for each unit that has come */
};

struct fragments {
	struct pool datagrams;
	struct pool pages;
	struct list list; /* oldest first */
	uint8_t *joined;  /* IP4_PACKET_MAX bytes: a whole datagram during its delivery */
	uint32_t source_pages, source_datagrams; /* one source's share at most */
};

/* ---- icmp.c ---- */

/* A bucket of tokens for errors. */
struct icmp_bucket {
	uint32_t tokens;
	kiln_time filled_at;
};

/* ---- output.c ---- */

/* A path that carries less than our link (RFC 1191). */
struct net_path {
	struct ip4_addr dst;
	uint16_t mtu; /* 0: free */
	kiln_time expires_at;
};

struct dhcp;

struct net {
	struct kiln *kiln;
	struct netdev *device;
	const char *name;
	struct loop_source source;

	bool up; /* the address is in use */
	uint8_t prefix;
	uint16_t mtu;
	struct ip4_addr address, gateway;
	uint32_t mask, broadcast; /* host order; broadcast 0: the subnet has none */

	struct {
		uint8_t protocol;
		struct net_transport transport;
	} transports[NET_TRANSPORTS];
	unsigned transport_count;
	struct {
		void (*changed)(struct net *net, void *context);
		void *context;
	} watchers[NET_WATCHERS];
	unsigned watcher_count;

	struct pool chunks; /* what net itself and UDP send lies here */
	struct arp arp;
	struct fragments fragments;
	struct icmp_bucket icmp;
	struct net_path paths[NET_PATHS];
	unsigned path_count;
	uint16_t id_next;
	uint8_t id_cipher[4][256];
	struct dhcp *dhcp; /* NULL with a static address */
	struct net_counters counters;
};

/* An address that the interface takes up; see net_set_address. */
struct net_lease {
	struct ip4_addr address, gateway;
	uint8_t prefix;
	uint16_t mtu; /* 0: the device's */
};

static inline kiln_time net_now(const struct net *net)
{
	return net->kiln->loop.now;
}

/* Whether one host of the subnet can have the address. */
bool net_lease_plausible(const struct net_lease *lease);
/* Takes the address up, announces it, and tells the watchers. */
void net_set_address(struct net *net, const struct net_lease *lease);
/* Gives the address up. */
void net_clear_address(struct net *net);

static inline bool ip4_on_link(const struct net *net, struct ip4_addr a)
{
	return ((ip4_value(a) ^ ip4_value(net->address)) & net->mask) == 0;
}

static inline bool ip4_is_multicast(uint32_t a)
{
	return a >> 28 == 14;
}

/* 255.255.255.255, or the subnet's own. */
static inline bool ip4_is_broadcast(const struct net *net, uint32_t a)
{
	return a == UINT32_MAX || (net->broadcast && a == net->broadcast);
}

/* An address that a single host can have, anywhere (RFC 1122, 3.2.1.3; 6890). */
static inline bool ip4_is_host(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000;
}

void arp_init(struct net *net);
void arp_input(struct net *net, struct slice packet);
/* The neighbour's address if it is known; else NULL, and arp_wait is the way. */
const uint8_t *arp_lookup(struct net *net, struct ip4_addr addr);
/* Keeps the packet (a reference to its chunks) until the neighbour answers, and asks.
 * Errors: FULL, UNREACHABLE; the caller counts them. */
enum kiln_error arp_wait(struct net *net, struct ip4_addr addr,
                         const struct netdev_frame *frame);
void arp_confirm(struct net *net, struct ip4_addr addr);
void arp_doubt(struct net *net, struct ip4_addr addr);
/* Forgets all neighbours: the address changed. */
void arp_forget(struct net *net);
/* Asks whether someone has the address already (RFC 5227, 2.1.1); answers by `done`. */
void arp_probe(struct net *net, struct ip4_addr addr,
               void (*done)(struct net *net, bool conflict));
void arp_probe_cancel(struct net *net);
/* Announces our address, twice (RFC 5227, 2.3). */
void arp_announce(struct net *net);

void ip4_input(struct net *net, struct slice packet, bool link_broadcast,
               const struct netdev_offload *offload);
/* A whole packet: to ICMP or its transport. */
void ip4_deliver(struct net *net, uint8_t protocol, const struct net_packet *packet);

void fragment_init(struct net *net);
/* One fragment, of a packet that is for us. Delivers the datagram if it completes it. */
void fragment_input(struct net *net, const struct ip4_header *header,
                    struct slice wire_header, struct slice payload, bool broadcast);

/* Puts the Ethernet header before the packet and hands it to the device. */
enum kiln_error net_transmit(struct net *net, struct netdev_frame *frame,
                             const uint8_t dst[ETH_MAC], uint16_t type);
/* Adds bytes that will not stay: in the head if they are few, else copied to chunks. The
 * frame is empty. Release with net_frame_release in either case. */
enum kiln_error net_frame_copy(struct net *net, struct netdev_frame *frame,
                               struct slice bytes);
void net_frame_release(struct netdev_frame *frame);
void output_init(struct net *net);
/* A router says that packets of `mtu` bytes reach dst and larger ones do not. */
void net_path_learn(struct net *net, struct ip4_addr dst, uint16_t mtu);

void icmp_init(struct net *net);
void icmp_input(struct net *net, const struct net_packet *packet);
/* An error about a packet that we received, within the rate limit. */
void icmp_error(struct net *net, const struct net_packet *packet, uint8_t type,
                uint8_t code);

void dhcp_start(struct net *net);
/* True if the datagram was for the client: to its port, from a server's. */
bool dhcp_input(struct net *net, const struct net_packet *packet);
/* Adds an option of the lease that is held, see dhcp_wire.h. False: there is none. */
bool dhcp_option(const struct net *net, uint8_t code, struct writer *w);

#endif
