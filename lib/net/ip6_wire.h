/*
 * The IPv6 header and its extension headers (RFC 8200): parse with all the checks that
 * need no state, and emit. Pure.
 *
 * A packet is read in two steps: ip6_wire_parse takes the fixed header, ip6_wire_walk the
 * chain of extension headers behind it, up to a fragment or the upper layer. A fragment
 * that completes its datagram lets the walk go on where it stopped: see struct ip6_chain.
 */
#ifndef NET_IP6_WIRE_H
#define NET_IP6_WIRE_H

#include <kiln/ip.h>

enum {
	IP6_HEADER = 40,
	IP6_FRAGMENT_HEADER = 8,
	IP6_ROUTER_ALERT = 8,    /* a hop-by-hop header with that option */
	IP6_PAYLOAD_MAX = 65535, /* behind the fixed header; no jumbograms (RFC 2675) */
	IP6_MTU_MIN = 1280,      /* RFC 8200, 5: every link carries that much */
	IP6_HEADERS_MAX = 8,     /* extension headers of a packet; more are refused */
};
enum { /* next headers: protocol numbers */
       IP6_NEXT_HOP_BY_HOP = 0,
       IP6_NEXT_TCP = 6,
       IP6_NEXT_UDP = 17,
       IP6_NEXT_ROUTING = 43,
       IP6_NEXT_FRAGMENT = 44,
       IP6_NEXT_ICMP = 58,
       IP6_NEXT_NONE = 59,
       IP6_NEXT_DESTINATION = 60,
};
enum { /* codes of ICMPv6 parameter problem (RFC 4443, 3.4; 7112, 5) */
       IP6_PROBLEM_FIELD = 0,
       IP6_PROBLEM_NEXT = 1,
       IP6_PROBLEM_OPTION = 2,
       IP6_PROBLEM_FIRST_FRAGMENT = 3,
};

struct ip6_wire {
	struct be32 version_class_flow; /* 4, 8 and 20 bits */
	struct be16 payload;            /* bytes behind this header */
	uint8_t next;
	uint8_t hop_limit;
	struct ip_addr src;
	struct ip_addr dst;
};
_Static_assert(sizeof(struct ip6_wire) == IP6_HEADER, "RFC 8200, 3");
_Static_assert(offsetof(struct ip6_wire, payload) == 4, "RFC 8200, 3");
_Static_assert(offsetof(struct ip6_wire, next) == 6, "RFC 8200, 3");
_Static_assert(offsetof(struct ip6_wire, src) == 8, "RFC 8200, 3");
_Static_assert(offsetof(struct ip6_wire, dst) == 24, "RFC 8200, 3");

struct ip6_fragment_wire {
	uint8_t next;
	uint8_t reserved;
	struct be16 offset_more; /* units of 8 bytes << 3, 2 bits reserved, more follow */
	struct be32 id;
};
_Static_assert(sizeof(struct ip6_fragment_wire) == IP6_FRAGMENT_HEADER, "RFC 8200, 4.5");
_Static_assert(offsetof(struct ip6_fragment_wire, id) == 4, "RFC 8200, 4.5");

struct ip6_header {
	struct ip_addr src, dst;
	uint32_t flow; /* 20 bits */
	uint16_t payload;
	uint8_t traffic_class; /* DSCP and ECN, as IPv4's TOS */
	uint8_t next;
	uint8_t hop_limit;
};

/*
 * Reads the fixed header of a packet that may have padding behind it; *payload is what
 * the payload length covers. False: malformed, or between addresses that no packet on a
 * link has: from a group, to nobody, of the loopback, to a group of scope 0 or 1 (RFC 4291,
 * 2.5.2, 2.5.3, 2.7), or IPv4-mapped ones, which above here would be taken for IPv4.
 */
bool ip6_wire_parse(struct slice packet, struct ip6_header *header,
                    struct slice *payload);
/* `room` is IP6_HEADER bytes. */
void ip6_wire_emit(uint8_t *room, const struct ip6_header *header);

struct ip6_fragment {
	uint32_t id;
	uint16_t offset; /* of the fragment's payload, in bytes */
	bool more;
};
/* `room` is IP6_FRAGMENT_HEADER bytes; `next` is the datagram's first header. */
void ip6_wire_emit_fragment(uint8_t *room, uint8_t next,
                            const struct ip6_fragment *fragment);
/* A hop-by-hop header that tells routers to look inside (RFC 2711), as MLD has to have.
 * `room` is IP6_ROUTER_ALERT bytes. */
void ip6_wire_emit_router_alert(uint8_t *room, uint8_t next);

/*
 * How far a walk has come. All offsets count from the start of the packet.
 *
 * At a fragment, `payload` is the fragment's own bytes, and the rest is as it will be in
 * the joined packet, which has no fragment header (RFC 8200, 4.5): `at` is the size of the
 * headers to keep from the first fragment, and the byte of them at `named_at` is to be
 * overwritten with `next`. To go on, set `payload` to the joined bytes and walk again.
 */
struct ip6_chain {
	uint8_t next;      /* what `payload` begins with: IP6_NEXT_* or other */
	uint8_t headers;   /* extension headers so far */
	bool router_alert; /* for MLD: value 0 */
	bool to_group;     /* the destination is multicast */
	bool joined;       /* a fragment header has been passed */
	uint32_t named_at; /* where the field stands that says `next` */
	uint32_t at;       /* where `payload` stands */
	struct slice payload;
	struct ip6_fragment fragment; /* of IP6_WALK_FRAGMENT */
};

enum ip6_walk {
	IP6_WALK_UPPER,    /* `payload` is the upper layer's, `next` its protocol */
	IP6_WALK_FRAGMENT, /* `fragment` says which part `payload` is */
	IP6_WALK_DROP,     /* refused in silence */
	IP6_WALK_PROBLEM,  /* refused with ICMPv6 parameter problem: see ip6_problem */
};

struct ip6_problem {
	uint8_t code;     /* IP6_PROBLEM_* */
	uint32_t pointer; /* the offset of the byte that is not understood */
	bool to_group;    /* reported even where the packet was sent to a group */
};

void ip6_chain_start(struct ip6_chain *chain, const struct ip6_header *header,
                     struct slice payload);
/* Reads on until there is something to say. `problem` is set with IP6_WALK_PROBLEM only.
 * Atomic fragments (RFC 6946) are passed like any header. No routing header is followed
 * (RFC 5095 for type 0). A protocol that nobody has is the caller's to report: code
 * IP6_PROBLEM_NEXT at `named_at`. */
enum ip6_walk ip6_wire_walk(struct ip6_chain *chain, struct ip6_problem *problem);

/*
 * The header of a packet that an ICMPv6 error quotes, cut short, and the upper layer's
 * bytes that there are, with its protocol in header->next. False if they are not there: of a
 * later fragment, or too many headers.
 */
bool ip6_wire_parse_quoted(struct slice packet, struct ip6_header *header,
                           struct slice *payload);

#endif
