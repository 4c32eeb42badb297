/*
 * DHCP messages (RFC 2131, 2; options RFC 2132): parse and emit, pure.
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
	struct ip4_addr server, requested;  /* options 54, 50 */
	struct ip4_addr mask, router;       /* options 1, 3: the first router */
	uint16_t mtu;                       /* option 26 */
	uint32_t lease, renewal, rebinding; /* options 51, 58, 59: seconds */
};

/* A message of a server. False: malformed, or no DHCP (BOOTP has no type). Options are
 * also read where option 52 says that they go on in the file and sname fields. */
bool dhcp_wire_parse(struct slice bytes, struct dhcp_message *message);

/* A message of the client, padded to DHCP_SIZE_MIN; DHCP_SIZE_MAX bytes are enough. */
void dhcp_wire_emit(struct writer *w, const struct dhcp_message *message);

/* The number of ones of a mask; false if they do not stand together at its start. */
bool dhcp_wire_prefix(struct ip4_addr mask, uint8_t *prefix);

#endif
