/*
 * IPv6 out (RFC 8200, 4861, 6724): the next hop, the source address, the headers.
 */
#include "net_private.h"

unsigned ip6_common_bits(const struct ip_addr *a, const struct ip_addr *b)
{
	unsigned bits = 0;

	while (bits < 128 && a->bytes[bits / 8] == b->bytes[bits / 8])
		bits += 8;
	if (bits < 128)
		bits += (unsigned)__builtin_clz(
		            (unsigned)(a->bytes[bits / 8] ^ b->bytes[bits / 8])) -
		        24;
	return bits;
}

/* ---- the source address (RFC 6724, 5) ---- */

/* 3.1; unicast site-local addresses are no more (RFC 3879). */
static unsigned scope_of(const struct ip_addr *a)
{
	if (ip6_is_multicast(a))
		return a->bytes[1] & 15;
	return ip6_is_link_local(a) ? 2 : 14;
}

/* The lines of the policy table (2.1) that addresses of ours can be in. */
static unsigned label_of(const struct ip_addr *a)
{
	static const struct {
		uint8_t bytes[4], bits, label;
	} policy[] = {{{0x20, 0x02}, 16, 2}, {{0x20, 0x01}, 32, 5}, {{0xfc}, 7, 13}};

	for (unsigned i = 0; i < KILN_COUNT_OF(policy); i++) {
		struct ip_addr prefix = {{0}};
		memcpy(prefix.bytes, policy[i].bytes, sizeof(policy[i].bytes));
		if (ip6_common_bits(a, &prefix) >= policy[i].bits)
			return policy[i].label;
	}
	return 1;
}

/* Whether a is the better source than b, by the rules that can differ on one interface. */
static bool source_better(const struct ip6_address *a, const struct ip6_address *b,
                          const struct ip_addr *dst, kiln_time now)
{
	unsigned scope_a = scope_of(&a->addr), scope_b = scope_of(&b->addr);
	bool same_a = label_of(&a->addr) == label_of(dst);
	bool same_b = label_of(&b->addr) == label_of(dst);

	if (scope_a != scope_b) /* rule 2 */
		return scope_a < scope_b ? scope_a >= scope_of(dst)
		                         : scope_b < scope_of(dst);
	if ((a->preferred_until > now) != (b->preferred_until > now)) /* rule 3 */
		return a->preferred_until > now;
	if (ip6_is_optimistic(a) != ip6_is_optimistic(b)) /* RFC 4429, 3.3 */
		return ip6_is_optimistic(b);
	if (same_a != same_b) /* rule 6 */
		return same_a;
	return KILN_MIN(ip6_common_bits(&a->addr, dst), a->prefix) > /* rule 8 */
	       KILN_MIN(ip6_common_bits(&b->addr, dst), b->prefix);
}

static const struct ip_addr *source_choose(const struct net *net,
                                           const struct ip_addr *dst)
{
	const struct ip6_address *best = NULL;
	kiln_time now = net_now(net);

	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		const struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && a->valid_until > now &&
		    (!best || source_better(a, best, dst, now)))
			best = a;
	}
	return best ? &best->addr : NULL;
}

/* ---- the route ---- */

static const struct ip_addr *redirected(const struct ip6 *ip6, const struct ip_addr *dst)
{
	for (unsigned i = 0; i < IP6_REDIRECTS; i++) {
		if (ip6->redirects[i].at && ip_equal(&ip6->redirects[i].dst, dst))
			return &ip6->redirects[i].hop;
	}
	return NULL;
}

/* RFC 4861, 5.2. The longest prefix wins: those on our link, the static routes', and a
 * default router's, which is none. */
bool ip6_hop(const struct net *net, const struct ip_addr *dst, struct ip_addr *hop)
{
	if (ip6_is_multicast(dst) || ip6_is_unspecified(dst) || ip6_is_loopback(dst) ||
	    ip6_address_find(net, dst))
		return false;
	const struct ip_addr *to = redirected(net->ip6, dst);
	if (!to) {
		int near = nd_prefix_bits(net, dst);
		const struct static_route *far =
		    route_lookup(net, dst, (unsigned)(near + 1));
		to = far ? &far->gateway : near >= 0 ? dst : nd_router_choose(net);
	}
	if (to)
		*hop = *to;
	return to != NULL;
}

bool ip6_route(const struct net *net, const struct ip_addr *dst,
               const struct ip_addr *asked, struct net_route *route)
{
	const struct ip_addr *src = asked ? asked : source_choose(net, dst);

	route->family = &ip6_family;
	route->dst = *dst;
	route->group = ip6_is_multicast(dst);
	if (!src)
		return false;
	route->src = *src;
	if (!ip6_address_find(net, src) && !(route->group && ip6_is_unspecified(src)))
		return false;
	/* RFC 4007, 9: no router passes on what comes from a link-local address. */
	if (!route->group)
		return ip6_hop(net, dst, &route->hop) &&
		       (!ip6_is_link_local(src) || ip_equal(&route->hop, dst));
	route->mac[0] = route->mac[1] = 0x33; /* RFC 2464, 7 */
	memcpy(route->mac + 2, dst->bytes + 12, 4);
	return true;
}

/* ---- the headers ---- */

/* RFC 7739: not to be guessed. Only fragments have one. */
uint32_t ip6_identify(struct net *net, bool fragmented)
{
	return fragmented ? random_u32(&net->kiln->random) : 0;
}

void ip6_push(struct netdev_frame *frame, const struct net_header *h)
{
	struct ip6_fragment fragment = {
	    .id = h->id, .offset = h->offset, .more = h->more_fragments};
	struct ip6_header header = {
	    .src = h->route->src,
	    .dst = h->route->dst,
	    .payload = (uint16_t)h->payload,
	    .traffic_class = h->tos,
	    .next = h->protocol,
	    .hop_limit = h->ttl,
	};

	if (h->fragment) {
		ip6_wire_emit_fragment(netdev_frame_push(frame, IP6_FRAGMENT_HEADER),
		                       h->protocol, &fragment);
		header.next = IP6_NEXT_FRAGMENT;
		header.payload = (uint16_t)(header.payload + IP6_FRAGMENT_HEADER);
	}
	ip6_wire_emit(netdev_frame_push(frame, IP6_HEADER), &header);
}
