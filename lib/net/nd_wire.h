/*
 * Neighbour discovery messages over Ethernet (RFC 4861, 4; RFC 4191, 2.2; RFC 8106):
 * parse, with the checks of 6.1, 7.1 and 8.1 that need no state, and emit. Pure.
 */
#ifndef NET_ND_WIRE_H
#define NET_ND_WIRE_H

#include "eth_wire.h"
#include "icmp6_wire.h"

enum { ND_HOP_LIMIT = 255 }; /* of every message: no router has passed it on */
/* What the messages that a host sends take at most, with a link address. */
enum { ND_SIZE_MAX = 32 };
enum { ND_FOREVER = UINT32_MAX }; /* a lifetime */

struct nd_solicitation_wire {   /* and advertisement: by icmp.type */
	struct icmp6_wire icmp; /* word: the flags of an advertisement */
	struct ip_addr target;
};
_Static_assert(sizeof(struct nd_solicitation_wire) == 24, "RFC 4861, 4.3 and 4.4");
_Static_assert(offsetof(struct nd_solicitation_wire, target) == 8, "RFC 4861, 4.3");

struct nd_redirect_wire {
	struct icmp6_wire icmp;
	struct ip_addr target;
	struct ip_addr destination;
};
_Static_assert(sizeof(struct nd_redirect_wire) == 40, "RFC 4861, 4.5");
_Static_assert(offsetof(struct nd_redirect_wire, destination) == 24, "RFC 4861, 4.5");

struct nd_router_wire {
	uint8_t type;
	uint8_t code;
	struct be16 checksum;
	uint8_t hop_limit;
	uint8_t flags;
	struct be16 lifetime;
	struct be32 reachable;
	struct be32 retransmit;
};
_Static_assert(sizeof(struct nd_router_wire) == 16, "RFC 4861, 4.2");
_Static_assert(offsetof(struct nd_router_wire, hop_limit) == 4, "RFC 4861, 4.2");
_Static_assert(offsetof(struct nd_router_wire, reachable) == 8, "RFC 4861, 4.2");

struct nd_prefix_wire {
	uint8_t type;
	uint8_t size; /* in units of 8 bytes, as of every option */
	uint8_t length;
	uint8_t flags;
	struct be32 valid;
	struct be32 preferred;
	struct be32 reserved;
	struct ip_addr prefix;
};
_Static_assert(sizeof(struct nd_prefix_wire) == 32, "RFC 4861, 4.6.2");
_Static_assert(offsetof(struct nd_prefix_wire, valid) == 4, "RFC 4861, 4.6.2");
_Static_assert(offsetof(struct nd_prefix_wire, prefix) == 16, "RFC 4861, 4.6.2");

enum nd_option_type {
	ND_OPTION_SOURCE_MAC = 1,
	ND_OPTION_TARGET_MAC = 2,
	ND_OPTION_PREFIX = 3,
	ND_OPTION_REDIRECTED = 4,
	ND_OPTION_MTU = 5,
	ND_OPTION_RESOLVERS = 25, /* RDNSS */
	ND_OPTION_DOMAINS = 31,   /* DNSSL */
};

struct nd_prefix {
	struct ip_addr prefix;
	uint8_t length;            /* bits, at most 128 */
	bool on_link, autonomous;  /* may be used for: routing, SLAAC */
	uint32_t valid, preferred; /* lifetimes, seconds */
};

/* One option that is understood. */
struct nd_option {
	enum nd_option_type type;
	union {
		uint8_t mac[ETH_MAC];
		struct nd_prefix prefix;
		uint32_t mtu;
		struct slice quoted; /* the packet that is redirected, cut short */
		struct {
			uint32_t lifetime;
			/* Addresses, 16 bytes each; or names as DNS writes them, zeroes
			 * behind the last. */
			struct slice list;
		} dns;
	};
};

/* A router's own rank among routers (RFC 4191, 2.1). */
enum nd_preference { ND_PREFERENCE_LOW = -1, ND_PREFERENCE_MEDIUM, ND_PREFERENCE_HIGH };

struct nd_message {
	uint8_t type; /* ICMP6_ROUTER_SOLICITATION to ICMP6_REDIRECT */

	/* Neighbour solicitation and advertisement, redirect. */
	struct ip_addr target;
	struct ip_addr destination;       /* redirect: of which packets */
	bool router, solicited, override; /* neighbour advertisement */

	/* Router advertisement. Zero: not said, but for the lifetime, where it says that
	 * this is no default router. */
	bool managed, other; /* there is DHCPv6: for addresses, for other things */
	enum nd_preference preference;
	uint8_t hop_limit;
	uint16_t lifetime;              /* seconds */
	uint32_t reachable, retransmit; /* milliseconds */

	/* The link address of the sender, or, in an advertisement of a neighbour and in a
	 * redirect, of the target. */
	bool has_mac;
	uint8_t mac[ETH_MAC];

	struct slice options; /* all of them: for nd_option_next */
};

/*
 * Reads a message that icmp6_wire_parse took from `packet`. False if any of the checks
 * fails that RFC 4861 has before a message is looked at, an option has size zero or runs
 * over the end, or an address is one that no neighbour can have (IPv4-mapped ones too).
 */
bool nd_wire_parse(const struct net_packet *packet, const struct icmp6_message *icmp,
                   struct nd_message *message);

/* The next option that is understood and of the size that it has to be; others are passed
 * over (4.6). False at the end. Start with cursor_of(message.options). */
bool nd_option_next(struct cursor *options, struct nd_option *option);

/*
 * Writes the message, with its checksum zero (see icmp6_wire_emit), its link address as an
 * option if there is one, and the bytes of `options`. More options may follow.
 */
void nd_wire_emit(struct writer *w, const struct nd_message *message);
void nd_wire_emit_option(struct writer *w, const struct nd_option *option);

#endif
