/*
 * The network layer's own state, shared by the files of lib/net below the transports. All
 * of it hangs off struct net, which net_up makes from the image's arena.
 *
 *	up*.c         which families the image has
 *	net.c         device, frames in, watchers, counters
 *	neighbour.c   link addresses, of both families       route.c     static routes
 *	output.c      packets out                            path.c      path MTUs
 *	fragment.c    packets joined                         report.c    errors, both ways
 *	loopback.c    packets to oneself
 *	servers.c, search.c   the servers and domains there are
 *	ip4*.c, arp.c, icmp.c, dhcp.c                        IPv4
 *	ip6*.c, nd*.c, icmp6.c, slaac.c, mld.c               IPv6
 */
#ifndef NET_PRIVATE_H
#define NET_PRIVATE_H

#include "family.h"
#include "ip4_private.h"
#include "ip6_private.h"

enum { NET_TRANSPORTS = 4, NET_WATCHERS = 4, NET_TTL = 64 };
enum { NET_HEADER_MAX = IP6_HEADER }; /* of any family */
enum { NET_PACKET_MAX = 65535 };
/* Bytes that a frame's head has for a transport's header, and small payloads with it. */
enum { NET_HEAD_ROOM = NETDEV_HEAD - ETH_HEADER - NET_HEADER_MAX };
/* Chunks that the largest packet takes. */
enum { NET_PACKET_CHUNKS = (NET_PACKET_MAX + CHUNK_SIZE - 1) / CHUNK_SIZE };
_Static_assert((int)NET_PACKET_CHUNKS <= NETDEV_FRAGS, "the largest packet fits a frame");

/* ---- neighbour.c ---- */

/* RFC 4861, 7.3.2, and one more. */
enum neighbour_state {
	NEIGHBOUR_INCOMPLETE, /* all are asked; frames wait */
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_STALE,  /* known, but not confirmed lately: in use meanwhile, as in */
	NEIGHBOUR_DELAY,  /* sent to: a transport may confirm it before we ask, and */
	NEIGHBOUR_PROBE,  /* asked by unicast */
	NEIGHBOUR_FAILED, /* no answer; not asked again for a while */
};

struct neighbour {
	struct neighbour *next; /* in its hash bucket */
	struct list node;       /* of acquaintances, or of strangers */
	struct timer timer;
	kiln_time confirmed_at;
	kiln_time used_at; /* sent to, within a second; 0: never, it only asked us */
	struct net *net;
	const struct net_family *family;
	struct ip_addr addr;
	uint8_t mac[ETH_MAC];
	uint8_t state; /* enum neighbour_state */
	uint8_t tries;
	uint8_t waiting_count;
	bool router; /* it said so (RFC 4861, 7.2.5) */
};
_Static_assert(sizeof(struct neighbour) <= 128, "an entry is two cache lines");

struct neighbour_times {
	kiln_time reachable;  /* after a confirmation */
	kiln_time retransmit; /* between questions */
};

struct neighbours {
	struct pool entries;
	struct pool frames; /* of struct neighbour_waiting */
	struct neighbour **buckets;
	uint32_t bucket_mask;
	struct neighbour *last;
	struct list acquaintances; /* known and sent to, the longest ago first */
	struct list strangers;     /* the others, the oldest first */
	struct list waiting;       /* of struct neighbour_waiting */
	struct neighbour_times times[NET_FAMILIES];
};

/* ---- fragment.c ---- */

enum { FRAGMENT_PAGE = 2048, FRAGMENT_PAGES = 32, FRAGMENT_UNIT = 8 };
enum { FRAGMENT_UNITS = 65536 / FRAGMENT_UNIT };
enum { FRAGMENT_HEADER_MAX = 128 }; /* the first one's headers: more is refused */

/* One fragment, as its family has read it. */
struct fragment {
	const struct net_family *family;
	struct ip_addr src, dst;
	struct slice header, payload;
	uint32_t id;
	uint16_t offset; /* in bytes, a multiple of 8 */
	bool more;
	bool broadcast;
	uint8_t protocol;
	uint8_t ecn, ttl;
};

/* A datagram of which not all fragments have come. */
struct fragment_datagram {
	struct list node;
	struct timer timer;
	struct net *net;
	const struct net_family *family;
	struct ip_addr src, dst;
	uint32_t id;
	uint8_t protocol;
	bool poisoned;  /* fragments overlapped: what is still to come is dropped */
	bool broadcast; /* a fragment came by link broadcast */
	uint8_t ecn_seen;
	uint8_t ttl;
	uint8_t header_size; /* 0 until the first fragment is there */
	uint8_t header[FRAGMENT_HEADER_MAX];
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
	uint8_t *joined;  /* NET_PACKET_MAX bytes: a whole datagram during its delivery */
	uint32_t source_pages, source_datagrams; /* one source's share at most */
};

/* ---- report.c ---- */

/* A bucket of tokens for errors. */
struct report_bucket {
	uint32_t tokens;
	kiln_time filled_at;
};

/* ---- path.c ---- */

/* A path that carries less than our link (RFC 1191, 8201), or is suspected to. */
struct net_path {
	struct ip_addr dst;
	uint16_t mtu;    /* of the packet with its network header */
	uint16_t passes; /* as net_path_mtu counts: a larger one may not. 0: it does */
	kiln_time mtu_until, passes_until; /* in the past: not known */
};

/* ---- route.c ---- */

/* Where to send what has this prefix. Of an IPv4 one, `bits` count those of the mapped
 * address: IP4_BITS and more. */
enum { IP4_BITS = 96 };
struct static_route {
	struct ip_addr prefix, gateway;
	uint8_t bits;
	uint8_t origin; /* enum route_origin */
};

enum route_origin { ROUTE_OPTION, ROUTE_LEASE };
enum { ROUTES_MAX = 16 };

/* ---- what the network tells of itself (RFC 8106) ---- */

enum { NET_RESOLVERS = 4, NET_DOMAINS_SIZE = 256 };

struct net_resolver {
	struct ip_addr addr;
	kiln_time until; /* in the past: free */
};

struct net_domains {
	kiln_time until;
	uint16_t size;
	uint8_t names[NET_DOMAINS_SIZE]; /* as DNS writes them */
};

/* ---- loopback.c ---- */

/* What the rest of lib/net calls of it, if it was started. */
struct net_loopback {
	bool (*is_own)(const struct net *net, const struct ip_addr *addr);
	/* The frame holds the whole packet. Errors: FULL. */
	enum kiln_error (*send)(struct net *net, const struct netdev_frame *frame,
	                        const struct net_header *header);
};

struct net {
	struct kiln *kiln;
	struct netdev *device;
	const char *name;
	struct loop_source source;

	const struct net_family *families[NET_FAMILIES]; /* NULL: not in this image */
	struct ip4 *ip4;                                 /* NULL, likewise */
	struct ip6 *ip6;
	uint16_t mtu[NET_FAMILIES]; /* the device's, or less */
	uint8_t ttl[NET_FAMILIES];  /* of what we send */

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
	uint8_t key[16];    /* of the hashes of addresses that strangers choose */
	struct neighbours neighbours;
	struct fragments fragments;
	struct report_bucket reports;
	struct net_path *paths;
	unsigned path_mask;
	bool paths_known; /* any, ever */
	struct static_route routes[ROUTES_MAX];
	unsigned route_count;
	struct net_loopback *loopback; /* NULL: no packet can be sent to oneself */
	struct net_resolver resolvers[NET_RESOLVERS];
	struct net_domains domains;
	struct dhcp *dhcp; /* NULL with a static address */
	/* An option of the lease, see dhcp_wire.h: added to the writer. False: there is none. */
	bool (*lease_option)(const struct net *net, uint8_t code, struct writer *w);
	struct net_counters counters;
};

static inline kiln_time net_now(const struct net *net)
{
	return net->kiln->loop.now;
}

/* NULL if the image does not have it. */
static inline const struct net_family *net_family(const struct net *net,
                                                  const struct ip_addr *addr)
{
	return net->families[ip_is4(addr) ? NET_IP4 : NET_IP6];
}

/* Whether what is sent to the address comes back. */
static inline bool net_is_own(const struct net *net, const struct ip_addr *addr)
{
	return net->loopback && net->loopback->is_own(net, addr);
}

/* Bytes of the image's memory, to size tables by. */
static inline size_t net_memory(const struct net *net)
{
	return (size_t)(net->kiln->arena.end - net->kiln->arena.start);
}

/* ---- net.c ---- */

/* Opens the device; the caller sets the families and then calls net_start. */
struct net *net_open(struct kiln *k, const struct kiln_device *device);
void net_start(struct net *net);
/* This device's part of an option: "net0=10.0.0.2/24,net1=dhcp", or all of it. Empty if
 * others are named, but not it. */
struct slice net_option_part(const struct net *net, struct slice option);
/* Tells the watchers. */
void net_changed(struct net *net);
/* To its transport. False if there is none. */
bool net_deliver(struct net *net, uint8_t protocol, const struct net_packet *packet);

/* ---- neighbour.c ---- */

void neighbour_init(struct net *net);
struct neighbour *neighbour_find(const struct net *net, const struct ip_addr *addr);
/* A new entry without a link address; NULL if all are in use. */
struct neighbour *neighbour_add(struct net *net, const struct net_family *family,
                                const struct ip_addr *addr);
/* Its link address, said by itself: what waited for it leaves. It is reachable if that
 * answered a question of ours, or tells as much as an answer. */
void neighbour_learn(struct neighbour *n, const uint8_t mac[ETH_MAC], bool reachable);
/* It may be another's address by now: asked before it is relied on again. */
void neighbour_suspect(struct neighbour *n);
/* The neighbour's address if it is known; else NULL, and neighbour_wait is the way. */
const uint8_t *neighbour_lookup(struct net *net, const struct ip_addr *addr);
/* Keeps the packet (a reference to its chunks) until the neighbour answers, and asks.
 * Errors: FULL, UNREACHABLE; the caller counts them. */
enum kiln_error neighbour_wait(struct net *net, const struct net_family *family,
                               const struct ip_addr *addr,
                               const struct netdev_frame *frame);
void neighbour_confirm(struct net *net, const struct ip_addr *addr);
void neighbour_doubt(struct net *net, const struct ip_addr *addr);
/* Forgets all of a family: our address changed. */
void neighbour_forget(struct net *net, const struct net_family *family);

/* ---- fragment.c ---- */

void fragment_init(struct net *net);
/* One fragment, of a packet that is for us. Delivers the datagram if it completes it. */
void fragment_input(struct net *net, const struct fragment *fragment);

/* ---- output.c ---- */

void output_init(struct net *net);
/* Puts the Ethernet header before the packet and hands it to the device. */
enum kiln_error net_transmit(struct net *net, struct netdev_frame *frame,
                             const uint8_t dst[ETH_MAC], uint16_t type);
/* Adds bytes that will not stay: in the head if they are few, else copied to chunks. The
 * frame is empty. Release with net_frame_release in either case. */
enum kiln_error net_frame_copy(struct net *net, struct netdev_frame *frame,
                               struct slice bytes);
void net_frame_release(struct netdev_frame *frame);

/* ---- path.c ---- */

void path_init(struct net *net);
/* The largest packet to dst, with its network header. */
uint16_t path_mtu(const struct net *net, const struct net_family *family,
                  const struct ip_addr *dst);

/* ---- report.c ---- */

void report_init(struct net *net);
/* Takes a token; false when there is none: no error is sent now. */
bool report_allowed(struct net *net);
/* An ICMP error about a packet of `protocol` that we sent. True if it was about one of
 * ours, as far as its transport can tell. */
bool report_input(struct net *net, uint8_t protocol, const struct net_error *error);

/* ---- route.c ---- */

/* Those of the options. */
void route_start(struct net *net);
/* False: the table is full, or the gateway of another family. */
bool route_add(struct net *net, const struct static_route *route);
/* Those that came with a lease that is over. */
void route_forget(struct net *net, enum route_origin origin);
/* The longest prefix that dst has, of at least `bits`; NULL if there is none. */
const struct static_route *route_lookup(const struct net *net, const struct ip_addr *dst,
                                        unsigned bits);

#endif
