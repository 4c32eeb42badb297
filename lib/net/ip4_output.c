/*
 * IPv4 out (RFC 791, 1122, 6864): the route, the header, the identification.
 */
#include "net_private.h"

void ip4_output_init(struct net *net)
{
	struct ip4 *ip4 = net->ip4;

	random_bytes(&net->kiln->random, ip4->id_cipher, sizeof(ip4->id_cipher));
	ip4->id_next = (uint16_t)random_u32(&net->kiln->random);
}

/* ---- the route ---- */

/* RFC 1112, 6.4, or all stations. */
static void group_mac(uint32_t dst, uint8_t mac[ETH_MAC])
{
	memset(mac, 0xff, ETH_MAC);
	if (ip4_is_multicast(dst)) {
		mac[0] = 0x01;
		mac[1] = 0x00;
		mac[2] = 0x5e;
		mac[3] = dst >> 16 & 0x7f;
		mac[4] = dst >> 8 & 0xff;
		mac[5] = dst & 0xff;
	}
}

/* Our address, or the one asked for. An address that we do not (or no longer) have is
 * none to send from; having none at all can be said to everyone. */
static bool route_source(const struct ip4 *ip4, const struct ip_addr *asked,
                         struct net_route *route)
{
	struct ip4_addr src = asked ? ip_to4(asked) : ip4->address;

	route->src = ip_from4(src);
	if (ip4->up && ip4_equal(src, ip4->address))
		return true;
	return asked && ip4_value(src) == 0 && route->group;
}

static bool is_group(const struct ip4 *ip4, uint32_t dst)
{
	return ip4_is_broadcast(ip4, dst) || ip4_is_multicast(dst);
}

/* The longest prefix wins: our own network is one of them, and the gateway's is all. */
bool ip4_hop(const struct net *net, const struct ip_addr *to, struct ip_addr *hop)
{
	const struct ip4 *ip4 = net->ip4;
	struct ip4_addr dst = ip_to4(to);

	if (!ip4_is_host(ip4_value(dst)) || is_group(ip4, ip4_value(dst)) ||
	    ip4_equal(dst, ip4->address))
		return false;
	bool near = ip4_on_link(ip4, dst);
	const struct static_route *far =
	    route_lookup(net, to, IP4_BITS + (near ? ip4->prefix + 1u : 0));
	if (far) /* a network without a gateway is on the link, too */
		*hop = ip4_value(ip_to4(&far->gateway)) ? far->gateway : *to;
	else
		*hop = near ? *to : ip_from4(ip4->gateway);
	return ip4_value(ip_to4(hop)) != 0;
}

bool ip4_route(const struct net *net, const struct ip_addr *dst,
               const struct ip_addr *src, struct net_route *route)
{
	uint32_t value = ip4_value(ip_to4(dst));

	route->family = &ip4_family;
	route->dst = *dst;
	route->group = is_group(net->ip4, value);
	if (!route_source(net->ip4, src, route))
		return false;
	if (!route->group)
		return ip4_hop(net, dst, &route->hop);
	group_mac(value, route->mac);
	return true;
}

/* ---- the header ---- */

/*
 * Identification (RFC 6864): needed only where a packet may be fragmented, and then to be
 * unique for long and not to be guessed. A counter through a keyed permutation of 16 bits
 * (four Feistel rounds over random tables) repeats no value for 65,536 packets.
 */
uint32_t ip4_identify(struct net *net, bool fragmented)
{
	struct ip4 *ip4 = net->ip4;
	uint16_t counter = ip4->id_next++;
	uint8_t left = (uint8_t)(counter >> 8), right = (uint8_t)counter;

	for (unsigned round = 0; round < 4; round++) {
		uint8_t mixed = left ^ ip4->id_cipher[round][right];
		left = right;
		right = mixed;
	}
	return (uint32_t)left << 8 | right;
}

void ip4_push(struct netdev_frame *frame, const struct net_header *h)
{
	struct ip4_header header = {
	    .src = ip_to4(&h->route->src),
	    .dst = ip_to4(&h->route->dst),
	    .total = (uint16_t)(IP4_HEADER + h->payload),
	    .id = (uint16_t)h->id,
	    .offset = h->offset,
	    .dont_fragment = !h->may_fragment,
	    .more_fragments = h->more_fragments,
	    .tos = h->tos,
	    .ttl = h->ttl,
	    .protocol = h->protocol,
	};

	ip4_wire_emit(netdev_frame_push(frame, IP4_HEADER), &header);
}
