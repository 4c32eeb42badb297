/*
 * The inside of IPv6 in lib/net: its state, and what its files call of each other.
 *
 *	ip6.c          packets in, the family's table    nd.c         neighbours ask, and answer
 *	ip6_start.c    the options                       nd_router.c  what routers advertise
 *	ip6_address.c  our addresses, and their DAD      slaac.c      addresses from prefixes
 *	ip6_output.c   the route, the source, headers    mld.c        groups, and reports of them
 *	icmp6.c        echo and errors
 *
 * All tables are small and of fixed size: one interface of a server. What a router sends
 * beyond them is ignored, and what is in use stays.
 */
#ifndef NET_IP6_PRIVATE_H
#define NET_IP6_PRIVATE_H

#include "family.h"
#include "icmp6_wire.h"
#include "ip6_wire.h"
#include "nd_wire.h"

enum { IP6_ADDRESSES = 8, IP6_PREFIXES = 8, IP6_ROUTERS = 4, IP6_REDIRECTS = 8 };
enum { IP6_GROUPS = 16, IP6_ID_BYTES = 8 };

/* ---- our addresses ---- */

/* One is used from its first moment on: see ip6_address.c. */
struct ip6_address {
	struct ip_addr addr;
	struct net *net;
	struct timer timer; /* of duplicate address detection */
	kiln_time preferred_until, valid_until;
	uint8_t prefix;
	uint8_t tries; /* identifiers that were taken already (RFC 7217, 6) */
	bool used;     /* this place is */
	bool unproven; /* somebody may still object */
	bool automatic; /* made by SLAAC, or link-local */
};

/* ---- what routers advertise ---- */

struct ip6_prefix {
	struct ip_addr prefix;
	uint8_t bits;
	kiln_time until; /* on our link; in the past: free */
};

struct ip6_router {
	struct ip_addr addr; /* link-local */
	int8_t preference;   /* enum nd_preference */
	kiln_time until;     /* in the past: free */
};

/* What one destination's packets go to instead (RFC 4861, 8). */
struct ip6_redirect {
	struct ip_addr dst, hop;
	kiln_time at; /* 0: free */
};

/* ---- groups ---- */

struct ip6_group {
	struct ip_addr addr;
	uint8_t members; /* who joined; 0: left, and perhaps still to be reported */
	uint8_t reports; /* of the change, still to be sent */
};

struct mld {
	struct timer change, answer;
	kiln_time version1_until; /* a router that knows only MLDv1 asks here */
	struct ip6_group groups[IP6_GROUPS];
	struct net *net;
};

struct ip6 {
	struct net *net;
	struct ip6_address addresses[IP6_ADDRESSES];
	struct timer expiry; /* of the next that ends */
	struct timer solicit;
	kiln_time solicit_interval; /* 0: not sent yet */
	uint32_t reachable_base;    /* ms, as advertised */
	bool automatic;             /* SLAAC is wanted */
	bool listens;               /* to routers, for all else that they tell */
	uint8_t secret[16];
	struct ip6_prefix prefixes[IP6_PREFIXES];
	struct ip6_router routers[IP6_ROUTERS];
	struct ip6_redirect redirects[IP6_REDIRECTS];
	struct mld mld;
};

extern const struct net_family ip6_family;

/* RFC 4429: in use, but nobody's cache is to be changed by it. */
static inline bool ip6_is_optimistic(const struct ip6_address *a)
{
	return a->unproven && a->automatic;
}

static const struct ip_addr ip6_none;
#define IP6_ALL_NODES   ((struct ip_addr){{0xff, 2, [15] = 1}})
#define IP6_ALL_ROUTERS ((struct ip_addr){{0xff, 2, [15] = 2}})
#define IP6_LINK_LOCAL  ((struct ip_addr){{0xfe, 0x80}})

/* ---- ip6_start.c ---- */

void ip6_start(struct net *net);

/* ---- ip6_address.c ---- */

void ip6_address_init(struct net *net);
/* Ours, and valid; NULL: not. */
struct ip6_address *ip6_address_find(const struct net *net, const struct ip_addr *addr);
/* The link-local one; NULL: none, for every try had another owner. */
struct ip6_address *ip6_link_local(const struct net *net);
/* Takes it up, and asks whether somebody has it already. NULL: no room. */
struct ip6_address *ip6_address_add(struct net *net, const struct ip_addr *addr,
                                    uint8_t prefix, bool automatic);
/* Sets its times, and wakes when they are over. */
void ip6_address_live(struct ip6_address *a, kiln_time preferred, kiln_time valid);
/* Somebody else has it. */
void ip6_address_duplicate(struct ip6_address *a);
bool ip6_is_up(const struct net *net);
unsigned ip6_addresses(const struct net *net, struct net_address *out, unsigned most);
/* Sets the timer for the next end of anything that has one. */
void ip6_expiry_set(struct net *net);

/* ---- ip6_output.c ---- */

bool ip6_route(const struct net *net, const struct ip_addr *dst,
               const struct ip_addr *src, struct net_route *route);
bool ip6_hop(const struct net *net, const struct ip_addr *dst, struct ip_addr *hop);
uint32_t ip6_identify(struct net *net, bool fragmented);
void ip6_push(struct netdev_frame *frame, const struct net_header *header);
/* How many leading bits are the same. */
unsigned ip6_common_bits(const struct ip_addr *a, const struct ip_addr *b);

/* ---- icmp6.c ---- */

void icmp6_input(struct net *net, const struct net_packet *packet,
                 const struct ip6_chain *chain);
/* Sends a whole message; its checksum is filled in. src NULL: chosen. */
void icmp6_send(struct net *net, const struct ip_addr *src, const struct ip_addr *dst,
                uint8_t hop_limit, struct slice message);
/* An error about a packet that we received, within the rate limit. */
void icmp6_error(struct net *net, const struct net_packet *packet,
                 const struct icmp6_message *error, bool to_group);
void icmp6_refuse(struct net *net, const struct net_packet *packet, enum net_refusal why);

/* ---- nd.c ---- */

/* False: of no use. */
bool nd_input(struct net *net, const struct net_packet *packet,
              const struct icmp6_message *icmp);
void nd_ask(struct net *net, const struct neighbour *n, bool unicast);
/* Asks whether somebody has the address (RFC 4862, 5.4.2). */
void nd_probe(struct net *net, const struct ip_addr *addr);
/* What a message of a router's, or a solicitation, tells of its sender. */
void nd_learn(struct net *net, const struct ip_addr *addr, const struct nd_message *m,
              bool router);
/* Sends a message with our link address, if that may be told. */
void nd_send(struct net *net, const struct ip_addr *src, const struct ip_addr *dst,
             struct nd_message *m, bool with_mac);

/* ---- nd_router.c ---- */

void nd_router_start(struct net *net);
bool nd_router_advertisement(struct net *net, const struct net_packet *packet,
                             const struct nd_message *m);
bool nd_redirect(struct net *net, const struct net_packet *packet,
                 const struct nd_message *m);
/* The default router to use now; NULL: none. */
const struct ip_addr *nd_router_choose(const struct net *net);
/* The bits of the longest prefix on our link that dst has; -1: none. */
int nd_prefix_bits(const struct net *net, const struct ip_addr *dst);
/* It says that it is a router no more (RFC 4861, 7.2.5): nothing goes by it. */
void nd_router_leave(struct net *net, const struct ip_addr *addr);
/* Ends redirects to, and routes by, what is no router any more. */
void nd_router_expire(struct net *net, kiln_time now);
kiln_time nd_router_next(const struct net *net);

/* ---- slaac.c ---- */

/* The identifier of the interface in this network (RFC 7217, 5), into its last bytes. */
void slaac_identify(const struct ip6 *ip6, struct ip_addr *addr, uint8_t tries);
void slaac_prefix(struct net *net, const struct nd_prefix *prefix);

/* ---- mld.c ---- */

void mld_init(struct net *net);
/* False: no room. */
bool mld_join(struct net *net, const struct ip_addr *group);
void mld_leave(struct net *net, const struct ip_addr *group);
bool mld_is_member(const struct net *net, const struct ip_addr *group);
bool mld_input(struct net *net, const struct net_packet *packet, bool router_alert,
               const struct icmp6_message *icmp);

#endif
