/*
 * DHCP messages (RFC 2131, 2; options RFC 2132): parse and emit, pure.
 *
 * A struct dhcp_message holds what the client itself works with. What it is told for others
 * (servers of names and of time, domains, routes) is read out of the message when they ask,
 * by dhcp_wire_option: an image in which nobody asks holds no code for it.
 */
#ifndef NET_DHCP_WIRE_H
#define NET_DHCP_WIRE_H

#include <kiln/ip.h>
#include "eth_wire.h"

enum { DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68 };
enum dhcp_type { /* option 53, RFC 2132, 9.6 */
	         DHCP_DISCOVER = 1,
	         DHCP_OFFER = 2,
	         DHCP_REQUEST = 3,
	         DHCP_DECLINE = 4,
	         DHCP_ACK = 5,
	         DHCP_NAK = 6,
	         DHCP_RELEASE = 7,
};
enum {
	DHCP_OPTION_DNS = 6,            /* IPv4 addresses, the preferred first */
	DHCP_OPTION_DOMAIN = 15,        /* a name as text */
	DHCP_OPTION_NTP = 42,           /* IPv4 addresses */
	DHCP_OPTION_SEARCH = 119,       /* RFC 3397: names in DNS's compressed form */
	DHCP_OPTION_STATIC_ROUTES = 121 /* RFC 3442 */
};
enum { DHCP_SIZE_MIN = 300 }; /* RFC 1542, 2.1: relays drop shorter ones */
enum { DHCP_SIZE_MAX = 576 }; /* of what is sent; what must be taken, RFC 2131, 2 */

/* The fixed part, up to the options. */
struct dhcp_wire {
	uint8_t operation; /* 1 from a client, 2 from a server */
	uint8_t hardware;  /* 1: Ethernet */
	uint8_t hardware_size;
	uint8_t hops;
	struct be32 xid;
	struct be16 secs;
	struct be16 flags;
	struct ip4_addr ciaddr; /* the client's, if it has one */
	struct ip4_addr yiaddr; /* the one it is given */
	struct ip4_addr siaddr;
	struct ip4_addr giaddr;
	uint8_t chaddr[16];
	uint8_t sname[64];
	uint8_t file[128];
	struct be32 cookie;
};
_Static_assert(sizeof(struct dhcp_wire) == 240, "RFC 2131, figure 1");
_Static_assert(offsetof(struct dhcp_wire, chaddr) == 28, "RFC 2131, figure 1");
_Static_assert(offsetof(struct dhcp_wire, file) == 108, "RFC 2131, figure 1");

/* What the client says or is told. Zero: not there. */
struct dhcp_message {
	enum dhcp_type type;
	uint32_t xid;
	uint16_t secs;
	struct ip4_addr ciaddr, yiaddr;
	uint8_t mac[ETH_MAC];
	struct slice client_id; /* option 61; a server may echo it (RFC 6842) */
	struct slice host_name; /* option 12, of the client */
	struct ip4_addr server, requested;  /* options 54, 50 */
	struct ip4_addr mask, router;       /* options 1, 3: the first router */
	struct ip4_addr broadcast;          /* option 28 */
	uint16_t mtu;                       /* option 26 */
	uint32_t lease, renewal, rebinding; /* options 51, 58, 59: seconds */
};

/* A message of a server; slices in it lie in the bytes. False: malformed, or no DHCP (BOOTP has no type). Options are
 * also read where option 52 says that they go on in the file and sname fields. */
bool dhcp_wire_parse(struct slice bytes, struct dhcp_message *message);

/* Adds the option's value, all its parts joined (RFC 3396). False: the message has none, is
 * no message of a server, or there is no room. */
bool dhcp_wire_option(struct slice bytes, uint8_t code, struct writer *w);

/* The next route of option 121 (RFC 3442). A gateway of 0.0.0.0: the network is on the
 * link. False: that was the last, or it is malformed. */
struct dhcp_route {
	struct ip4_addr prefix, gateway;
	uint8_t bits;
};
bool dhcp_wire_route(struct cursor *c, struct dhcp_route *route);

/* A message of the client, padded to DHCP_SIZE_MIN; DHCP_SIZE_MAX bytes are enough. */
void dhcp_wire_emit(struct writer *w, const struct dhcp_message *message);

/* The number of ones of a mask; false if they do not stand together at its start. */
bool dhcp_wire_prefix(struct ip4_addr mask, uint8_t *prefix);

#endif
