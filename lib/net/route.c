/*
 * Static routes, of both families: from the options of the image, and those that come with
 * a lease. A handful: looked through one by one, and only for what is not answered by our
 * own networks and default routers alone.
 */
#include "net_private.h"

KILN_OPTION_OF(route, KILN_PARAM_TYPE_ROUTES, &ip_kind_routes, "",
               "static routes, such as 10.1.0.0/16=10.0.0.1, with commas between them");

static bool has_prefix(const struct ip_addr *addr, const struct ip_addr *prefix,
                       unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(addr, prefix, whole) != 0)
		return false;
	return rest == 0 ||
	       (addr->bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest) == 0;
}

/* "10.1.0.0/16=10.0.0.1" */
static bool route_parse(struct slice text, struct static_route *route)
{
	size_t equals = slice_find(text, '=');
	struct ip_prefix prefix;

	if (!ip_prefix_parse(slice_take(text, equals), &prefix) ||
	    !ip_parse(slice_skip(text, equals + 1), &route->gateway))
		return false;
	route->prefix = prefix.addr;
	route->bits = (uint8_t)(prefix.bits + (ip_is4(&prefix.addr) ? IP4_BITS : 0));
	route->origin = ROUTE_OPTION;
	return true;
}

void route_start(struct net *net)
{
	struct slice rest;

	if (!kiln_option(net->kiln, "route", &rest))
		return;
	while (rest.len) {
		struct slice item = slice_take(rest, slice_find(rest, ','));
		struct static_route route;
		if (!route_parse(item, &route) || !route_add(net, &route))
			kiln_fail(net->kiln, "net",
			          "--route: %.*s cannot be a route, or is one too many",
			          SLICE_ARG(item));
		rest = slice_skip(rest, item.len + 1);
	}
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
