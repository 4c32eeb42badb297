/*
 * Internet addresses. One type holds both families: an IPv4 address stands in it as an
 * IPv4-mapped one (RFC 4291, 2.5.5.2), so that a transport has one table and one API.
 */
#ifndef KILN_IP_H
#define KILN_IP_H

#include <stdbool.h>
#include <kiln/bytes.h>
#include <kiln/error.h>
#include <kiln/slice.h>

struct ip4_addr {
	struct be32 be; /* as on the wire */
};

struct ip_addr {
	uint8_t bytes[16];
};

/* Where a transport's packets come from or go to. Port in host order. */
struct endpoint {
	struct ip_addr addr;
	uint16_t port;
};

static inline struct ip4_addr ip4_of(uint32_t host_order)
{
	return (struct ip4_addr){be32_of(host_order)};
}

static inline uint32_t ip4_value(struct ip4_addr a)
{
	return be32_get(a.be);
}

static inline bool ip4_equal(struct ip4_addr a, struct ip4_addr b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static inline struct ip_addr ip_from4(struct ip4_addr a)
{
	struct ip_addr ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
			      a.be.b[0], a.be.b[1], a.be.b[2], a.be.b[3]}};
	return ip;
}

static inline bool ip_is4(const struct ip_addr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	return memcmp(a->bytes, mapped, 12) == 0;
}

static inline struct ip4_addr ip_to4(const struct ip_addr *a)
{
	struct ip4_addr v4;
	memcpy(&v4, a->bytes + 12, 4);
	return v4;
}

static inline bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- IPv6 (RFC 4291). None of these holds for a mapped IPv4 address. ---- */

/* "::": none. That of IPv4, 0.0.0.0, is another. */
static inline bool ip6_is_unspecified(const struct ip_addr *a)
{
	static const struct ip_addr none;
	return ip_equal(a, &none);
}

static inline bool ip6_is_loopback(const struct ip_addr *a)
{
	static const struct ip_addr loopback = {{[15] = 1}};
	return ip_equal(a, &loopback);
}

/* fe80::/10 */
static inline bool ip6_is_link_local(const struct ip_addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* ff00::/8 */
static inline bool ip6_is_multicast(const struct ip_addr *a)
{
	return a->bytes[0] == 0xff;
}

/* ff02::1:ffXX:XXXX, where neighbour discovery asks for the address (2.7.1). */
static inline struct ip_addr ip6_solicited_node(const struct ip_addr *a)
{
	struct ip_addr group = {{0xff, 2, [11] = 1, [12] = 0xff, a->bytes[13],
				 a->bytes[14], a->bytes[15]}};
	return group;
}

/* ---- text ---- */

/* A network, or an address in its network. */
struct ip_prefix {
	struct ip_addr addr;
	uint8_t bits; /* of the address's own family: at most 32 for IPv4, else 128 */
};

/* "192.0.2.1"; strict: four decimal parts, no leading zeroes but "0" itself. */
KILN_MUST_CHECK bool ip4_parse(struct slice text, struct ip4_addr *addr);
/* "2001:db8::1", "::ffff:192.0.2.1", all forms of RFC 4291, 2.2; no zone. */
KILN_MUST_CHECK bool ip6_parse(struct slice text, struct ip_addr *addr);
/* Either family. An IPv4 address is not taken in a text of IPv6. */
KILN_MUST_CHECK bool ip_parse(struct slice text, struct ip_addr *addr);
/* "192.0.2.0/24", "2001:db8::/32"; bits behind the prefix are kept. */
KILN_MUST_CHECK bool ip_prefix_parse(struct slice text, struct ip_prefix *prefix);
/* "192.0.2.1:80", "[2001:db8::1]:80"; the port is 1 to 65535. */
KILN_MUST_CHECK bool endpoint_parse(struct slice text, struct endpoint *e);
/* Whether the address is in the network; never across families. */
bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *addr);

void ip4_format(struct writer *w, struct ip4_addr addr);
void ip_format(struct writer *w, const struct ip_addr *addr);
void endpoint_format(struct writer *w, const struct endpoint *e);

/* The kinds of options that are addresses, for KILN_OPTION_OF: KILN_PARAM_TYPE_ADDRESS is
 * ip_kind_address, and so on. Each brings no more into an image than it needs. */
struct kiln_param_kind;
extern const struct kiln_param_kind ip_kind_address, ip_kind_prefix, ip_kind_address6,
	ip_kind_prefix6, ip_kind_any_address, ip_kind_addresses, ip_kind_routes;

#endif
