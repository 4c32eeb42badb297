/*
 * Static routes, of both families: from the options of the image, and those that come with
 * a lease. A handful: looked through one by one, and only for what is not answered by our
 * own networks and default routers alone.
 */
#include "net_private.h"

static bool has_prefix(const struct ip_addr *addr, const struct ip_addr *prefix,
                       unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(addr, prefix, whole) != 0)
		return false;
	return rest == 0 ||
	       (addr->bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest) == 0;
}

bool route_add(struct net *net, const struct static_route *route)
{
	if (net->route_count == ROUTES_MAX ||
	    ip_is4(&route->prefix) != ip_is4(&route->gateway) || route->bits > 128 ||
	    (ip_is4(&route->prefix) && route->bits < IP4_BITS))
		return false;
	net->routes[net->route_count++] = *route;
	return true;
}

void route_forget(struct net *net, enum route_origin origin)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < net->route_count; i++) {
		if (net->routes[i].origin != origin)
			net->routes[kept++] = net->routes[i];
	}
	net->route_count = kept;
}

const struct static_route *route_lookup(const struct net *net, const struct ip_addr *dst,
                                        unsigned bits)
{
	const struct static_route *best = NULL;

	for (unsigned i = 0; i < net->route_count; i++) {
		const struct static_route *route = &net->routes[i];
		if (route->bits >= bits && has_prefix(dst, &route->prefix, route->bits)) {
			best = route;
			bits = route->bits + 1u;
		}
	}
	return best;
}
