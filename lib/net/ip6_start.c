/*
 * How IPv6 is configured: the link-local address always, others from the options or from
 * what routers advertise. An address that is given takes the place of theirs, and a router that
 * is given that of routers: with both, what they advertise is not listened to.
 */
#include "net_private.h"

KILN_OPTION_OF(ip6, KILN_PARAM_TYPE_PREFIX6, &ip_kind_prefix6, "auto",
               "IPv6: auto, off, or address and prefix length; name each device if there "
               "are several");
KILN_OPTION_OF(gateway6, KILN_PARAM_TYPE_ADDRESS6, &ip_kind_address6, "",
               "IPv6 router to other networks");
KILN_OPTION(secret, KILN_PARAM_TYPE_STRING, "",
            "what the IPv6 addresses of SLAAC are made from; else they change at start");

enum { PREFIX_BITS_LINK_LOCAL = 64 };
#define REACHABLE  KILN_SECONDS(30) /* RFC 4861, 10 */
#define RETRANSMIT KILN_SECONDS(1)

/* A key from a text of any length. */
static void secret_take(struct net *net)
{
	static const uint8_t keys[2][16] = {{1}, {2}};
	struct ip6 *ip6 = net->ip6;
	struct slice text;

	random_bytes(&net->kiln->random, ip6->secret, sizeof(ip6->secret));
	if (!kiln_option(net->kiln, "secret", &text) || text.len == 0)
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t half = siphash(keys[i], text.data, text.len);
		memcpy(ip6->secret + 8 * i, &half, sizeof(half));
	}
}

static void link_local_up(struct net *net)
{
	struct ip_addr addr = IP6_LINK_LOCAL;

	slaac_identify(net->ip6, &addr, 0);
	kiln_assert(ip6_address_add(net, &addr, PREFIX_BITS_LINK_LOCAL, true));
}

static void address_up(struct net *net, struct slice option)
{
	struct ip_prefix given;

	if (!ip_prefix_parse(option, &given) || ip_is4(&given.addr) ||
	    ip6_is_multicast(&given.addr) || ip6_is_unspecified(&given.addr) ||
	    ip6_is_loopback(&given.addr) || ip6_is_link_local(&given.addr) ||
	    given.bits == 0)
		kiln_fail(net->kiln, "net", "--ip6: %.*s is no address that %s can have",
		          SLICE_ARG(option), net->name);
	kiln_assert(ip6_address_add(net, &given.addr, given.bits, false));
	net->ip6->prefixes[0] = (struct ip6_prefix){given.addr, given.bits, KILN_NEVER};
}

/* False: none is given. */
static bool gateway_take(struct net *net)
{
	struct static_route route = {.origin = ROUTE_OPTION};
	struct slice text;

	if (!kiln_option(net->kiln, "gateway6", &text) || text.len == 0)
		return false;
	if (!ip6_parse(text, &route.gateway) || nd_prefix_bits(net, &route.gateway) < 0)
		kiln_fail(net->kiln, "net", "--gateway6: %.*s is no router on our link",
		          SLICE_ARG(text));
	(void)route_add(net, &route);
	return true;
}

/* Nothing on a link that does not carry its least packet (RFC 8200, 5); net_start() refuses
 * that only to those who asked for IPv6 by an address. */
static bool is_off(const struct net *net, struct slice option, bool automatic)
{
	uint16_t mtu = net->device->mtu;

	if (automatic && mtu < IP6_MTU_MIN)
		log_warn(net->kiln, "net", "%s: an MTU of %u is too small for IPv6",
		         net->name, mtu);
	return slice_equal(option, SLICE("off")) || (automatic && mtu < IP6_MTU_MIN);
}

void ip6_start(struct net *net)
{
	struct ip6 *ip6 = kiln_alloc(net->kiln, sizeof(*ip6), "net");
	struct slice option;

	option = kiln_option(net->kiln, "ip6", &option) ? net_option_part(net, option)
	                                                : SLICE("");
	bool automatic = option.len == 0 || slice_equal(option, SLICE("auto"));
	if (is_off(net, option, automatic)) {
		net->families[NET_IP6] = NULL;
		return;
	}
	net->ip6 = ip6;
	ip6->net = net;
	ip6->automatic = automatic;
	net->neighbours.times[NET_IP6] = (struct neighbour_times){REACHABLE, RETRANSMIT};
	secret_take(net);
	ip6_address_init(net);
	mld_init(net);
	link_local_up(net);
	if (!automatic)
		address_up(net, option);
	ip6->listens = !gateway_take(net) || automatic;
	if (ip6->listens)
		nd_router_start(net);
	if (!automatic)
		net_changed(net);
}
