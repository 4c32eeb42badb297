/*
 * Neighbour discovery messages: see nd_wire.h. RFC 4861, 4, 6.1, 7.1 and 8.1; RFC 4191,
 * 2.2; RFC 8106, 5.
 */
#include "nd_wire.h"

enum { UNIT = 8 }; /* options are counted in 8 bytes */
enum { MAC_UNITS = 1, PREFIX_UNITS = 4, MTU_UNITS = 1 };
enum { /* of a neighbour advertisement's word */
       ADVERTISEMENT_ROUTER = 31,
       ADVERTISEMENT_SOLICITED = 30,
       ADVERTISEMENT_OVERRIDE = 29,
};
enum { ROUTER_MANAGED = 0x80, ROUTER_OTHER = 0x40, ROUTER_PREFERENCE = 0x18 };
enum { PREFERENCE_SHIFT = 3, PREFERENCE_HIGH = 1, PREFERENCE_LOW = 3 };
enum { PREFIX_ON_LINK = 0x80, PREFIX_AUTONOMOUS = 0x40 };

/* ---- options ---- */

/* The next option, known or not: *value is what stands behind its type and size. */
static bool take_option(struct cursor *c, uint8_t *type, struct cursor *value)
{
	*type = cursor_u8(c);
	size_t size = cursor_u8(c) * (size_t)UNIT;
	if (size == 0) /* or past the end */
		c->failed = true;
	*value = cursor_sub(c, size - 2);
	return !c->failed;
}

static bool options_hold(struct cursor c)
{
	struct cursor value;
	uint8_t type;

	while (cursor_left(&c)) {
		if (!take_option(&c, &type, &value))
			return false;
	}
	return true;
}

static bool mac_option(struct cursor value, struct nd_option *option)
{
	static const uint8_t none[ETH_MAC];

	if (cursor_left(&value) != MAC_UNITS * UNIT - 2)
		return false;
	cursor_copy(&value, option->mac, ETH_MAC);
	return !eth_is_group(option->mac) && memcmp(option->mac, none, ETH_MAC) != 0;
}

static bool prefix_option(struct cursor value, struct nd_option *option)
{
	struct nd_prefix *p = &option->prefix;

	if (cursor_left(&value) != PREFIX_UNITS * UNIT - 2)
		return false;
	*p = (struct nd_prefix){.length = cursor_u8(&value)};
	uint8_t flags = cursor_u8(&value);
	p->on_link = flags & PREFIX_ON_LINK;
	p->autonomous = flags & PREFIX_AUTONOMOUS;
	p->valid = cursor_u32(&value);
	p->preferred = cursor_u32(&value);
	cursor_skip(&value, 4);
	cursor_copy(&value, p->prefix.bytes, sizeof(p->prefix.bytes));
	/* 6.3.4: the link-local one is there without being said. */
	return p->length <= 128 && !ip6_is_link_local(&p->prefix) &&
	       !ip6_is_multicast(&p->prefix);
}

static bool mtu_option(struct cursor value, struct nd_option *option)
{
	bool fits = cursor_left(&value) == MTU_UNITS * UNIT - 2;

	cursor_skip(&value, 2);
	option->mtu = cursor_u32(&value);
	return fits;
}

static bool dns_option(struct cursor value, size_t unit, struct nd_option *option)
{
	cursor_skip(&value, 2);
	option->dns.lifetime = cursor_u32(&value);
	option->dns.list = cursor_rest(&value);
	return !value.failed && option->dns.list.len && option->dns.list.len % unit == 0;
}

static bool redirected_option(struct cursor value, struct nd_option *option)
{
	cursor_skip(&value, 6);
	option->quoted = cursor_rest(&value);
	return !value.failed;
}

static bool read_option(uint8_t type, struct cursor value, struct nd_option *option)
{
	option->type = type;
	switch (type) {
	case ND_OPTION_SOURCE_MAC:
	case ND_OPTION_TARGET_MAC:
		return mac_option(value, option);
	case ND_OPTION_PREFIX:
		return prefix_option(value, option);
	case ND_OPTION_REDIRECTED:
		return redirected_option(value, option);
	case ND_OPTION_MTU:
		return mtu_option(value, option);
	case ND_OPTION_RESOLVERS:
		return dns_option(value, sizeof(struct ip_addr), option);
	case ND_OPTION_DOMAINS:
		return dns_option(value, UNIT, option);
	default:
		return false;
	}
}

bool nd_option_next(struct cursor *options, struct nd_option *option)
{
	struct cursor value;
	uint8_t type;

	while (cursor_left(options) && take_option(options, &type, &value)) {
		if (read_option(type, value, option))
			return true;
	}
	return false;
}

/* The sender's or the target's link address: of which type depends on the message. */
static uint8_t mac_option_type(uint8_t type)
{
	return type == ICMP6_NEIGHBOUR_ADVERTISEMENT || type == ICMP6_REDIRECT
	           ? ND_OPTION_TARGET_MAC
	           : ND_OPTION_SOURCE_MAC;
}

static void find_mac(struct cursor c, struct nd_message *m)
{
	struct nd_option option = {0};

	while (!m->has_mac && nd_option_next(&c, &option)) {
		if (option.type != mac_option_type(m->type))
			continue;
		m->has_mac = true;
		memcpy(m->mac, option.mac, ETH_MAC);
	}
}

/* ---- messages ---- */

/* An address that a host on the link can have. */
static bool is_host(const struct ip_addr *a)
{
	return !ip6_is_multicast(a) && !ip6_is_unspecified(a) && !ip6_is_loopback(a) &&
	       !ip_is4(a);
}

static void take_address(struct cursor *c, struct ip_addr *addr)
{
	cursor_copy(c, addr->bytes, sizeof(addr->bytes));
}

/* 6.1.1: who has no address cannot say where it is to be found. */
static bool take_router_solicitation(const struct net_packet *packet,
                                     const struct nd_message *m)
{
	return !m->has_mac || !ip6_is_unspecified(&packet->src);
}

/* 6.1.2 */
static bool take_router_advertisement(const struct net_packet *packet, uint32_t word,
                                      struct cursor *c, struct nd_message *m)
{
	uint8_t flags = (uint8_t)(word >> 16);
	unsigned preference = (flags & ROUTER_PREFERENCE) >> PREFERENCE_SHIFT;

	m->hop_limit = (uint8_t)(word >> 24);
	m->managed = flags & ROUTER_MANAGED;
	m->other = flags & ROUTER_OTHER;
	m->lifetime = (uint16_t)word;
	m->reachable = cursor_u32(c);
	m->retransmit = cursor_u32(c);
	/* RFC 4191, 2.2: the fourth value is read as medium. */
	m->preference = preference == PREFERENCE_HIGH  ? ND_PREFERENCE_HIGH
	                : preference == PREFERENCE_LOW ? ND_PREFERENCE_LOW
	                                               : ND_PREFERENCE_MEDIUM;
	return ip6_is_link_local(&packet->src);
}

/* 7.1.1 */
static bool solicitation_holds(const struct net_packet *packet,
                               const struct nd_message *m)
{
	if (!is_host(&m->target))
		return false;
	if (!ip6_is_unspecified(&packet->src))
		return true;
	struct ip_addr group = ip6_solicited_node(&m->target);
	return ip_equal(&packet->dst, &group) && !m->has_mac;
}

/* 7.1.2 */
static bool take_advertisement(const struct net_packet *packet, uint32_t word,
                               struct nd_message *m)
{
	m->router = word >> ADVERTISEMENT_ROUTER & 1;
	m->solicited = word >> ADVERTISEMENT_SOLICITED & 1;
	m->override = word >> ADVERTISEMENT_OVERRIDE & 1;
	return is_host(&m->target) && !(m->solicited && ip6_is_multicast(&packet->dst));
}

/* 8.1, but for what only the routing table knows. */
static bool redirect_holds(const struct net_packet *packet, const struct nd_message *m)
{
	return ip6_is_link_local(&packet->src) && is_host(&m->destination) &&
	       is_host(&m->target) &&
	       (ip6_is_link_local(&m->target) || ip_equal(&m->target, &m->destination));
}

static bool take_message(const struct net_packet *packet,
                         const struct icmp6_message *icmp, struct cursor *c,
                         struct nd_message *m)
{
	switch (icmp->type) {
	case ICMP6_ROUTER_SOLICITATION:
		return true;
	case ICMP6_ROUTER_ADVERTISEMENT:
		return take_router_advertisement(packet, icmp->word, c, m);
	case ICMP6_NEIGHBOUR_SOLICITATION:
		take_address(c, &m->target);
		return true;
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		take_address(c, &m->target);
		return take_advertisement(packet, icmp->word, m);
	case ICMP6_REDIRECT:
		take_address(c, &m->target);
		take_address(c, &m->destination);
		return redirect_holds(packet, m);
	default:
		return false;
	}
}

bool nd_wire_parse(const struct net_packet *packet, const struct icmp6_message *icmp,
                   struct nd_message *m)
{
	struct cursor c = cursor_of(icmp->body);

	*m = (struct nd_message){.type = icmp->type};
	if (packet->ttl != ND_HOP_LIMIT || icmp->code != 0 ||
	    !take_message(packet, icmp, &c, m))
		return false;
	if (c.failed || !options_hold(c))
		return false;
	find_mac(c, m);
	m->options = cursor_rest(&c);
	if (m->type == ICMP6_ROUTER_SOLICITATION)
		return take_router_solicitation(packet, m);
	if (m->type == ICMP6_NEIGHBOUR_SOLICITATION)
		return solicitation_holds(packet, m);
	return true;
}

/* ---- emit ---- */

static uint32_t message_word(const struct nd_message *m)
{
	static const uint8_t preference[] = {PREFERENCE_LOW, 0, PREFERENCE_HIGH};

	if (m->type == ICMP6_NEIGHBOUR_ADVERTISEMENT)
		return (uint32_t)m->router << ADVERTISEMENT_ROUTER |
		       (uint32_t)m->solicited << ADVERTISEMENT_SOLICITED |
		       (uint32_t)m->override << ADVERTISEMENT_OVERRIDE;
	if (m->type != ICMP6_ROUTER_ADVERTISEMENT)
		return 0;
	uint32_t flags = (m->managed ? ROUTER_MANAGED : 0u) |
	                 (m->other ? ROUTER_OTHER : 0u) |
	                 (uint32_t)preference[m->preference + 1] << PREFERENCE_SHIFT;
	return (uint32_t)m->hop_limit << 24 | flags << 16 | m->lifetime;
}

static void put_address(struct writer *w, const struct ip_addr *addr)
{
	writer_bytes(w, slice_of(addr, sizeof(*addr)));
}

void nd_wire_emit(struct writer *w, const struct nd_message *m)
{
	struct icmp6_message icmp = {.type = m->type, .word = message_word(m)};
	uint8_t *room = writer_room(w, ICMP6_HEADER);

	if (!room)
		return;
	icmp6_wire_emit(room, &icmp);
	if (m->type == ICMP6_ROUTER_ADVERTISEMENT) {
		writer_u32(w, m->reachable);
		writer_u32(w, m->retransmit);
	} else if (m->type != ICMP6_ROUTER_SOLICITATION) {
		put_address(w, &m->target);
	}
	if (m->type == ICMP6_REDIRECT)
		put_address(w, &m->destination);
	if (m->has_mac) {
		struct nd_option option = {.type = mac_option_type(m->type)};
		memcpy(option.mac, m->mac, ETH_MAC);
		nd_wire_emit_option(w, &option);
	}
	writer_bytes(w, m->options);
}

static void put_prefix(struct writer *w, const struct nd_prefix *p)
{
	writer_u8(w, p->length);
	writer_u8(w, (uint8_t)((p->on_link ? PREFIX_ON_LINK : 0) |
	                       (p->autonomous ? PREFIX_AUTONOMOUS : 0)));
	writer_u32(w, p->valid);
	writer_u32(w, p->preferred);
	writer_u32(w, 0);
	put_address(w, &p->prefix);
}

void nd_wire_emit_option(struct writer *w, const struct nd_option *option)
{
	uint8_t *head = writer_room(w, 2);
	size_t before = writer_left(w);

	switch (option->type) {
	case ND_OPTION_SOURCE_MAC:
	case ND_OPTION_TARGET_MAC:
		writer_bytes(w, slice_of(option->mac, ETH_MAC));
		break;
	case ND_OPTION_PREFIX:
		put_prefix(w, &option->prefix);
		break;
	case ND_OPTION_REDIRECTED:
		writer_u16(w, 0);
		writer_u32(w, 0);
		writer_bytes(w, option->quoted);
		break;
	case ND_OPTION_MTU:
		writer_u16(w, 0);
		writer_u32(w, option->mtu);
		break;
	case ND_OPTION_RESOLVERS:
	case ND_OPTION_DOMAINS:
		writer_u16(w, 0);
		writer_u32(w, option->dns.lifetime);
		writer_bytes(w, option->dns.list);
		break;
	}
	while ((before - writer_left(w) + 2) % UNIT && !w->failed)
		writer_u8(w, 0);
	size_t size = before - writer_left(w) + 2;
	if (w->failed || size / UNIT > UINT8_MAX) {
		w->failed = true;
		return;
	}
	head[0] = (uint8_t)option->type;
	head[1] = (uint8_t)(size / UNIT);
}
