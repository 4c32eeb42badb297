/*
 * The routes that a DHCP server tells of: static ones (RFC 3442), or else its router.
 */
#include "dhcp_wire.h"
#include "net_private.h"

/* The routes of an acknowledgement, if it has any that are well-formed. */
static bool find_routes(struct slice bytes, struct writer *w)
{
	struct dhcp_route route;

	if (!dhcp_wire_option(bytes, DHCP_OPTION_STATIC_ROUTES, w))
		return false;
	struct cursor c = cursor_of(writer_done(w));
	while (dhcp_wire_route(&c, &route))
		continue;
	return !c.failed;
}

/* Where there are static routes, the default one is among them, or there is none: the
 * router's option does not count (RFC 3442). */
struct ip4_addr dhcp_default_router(const struct dhcp_message *ack, struct slice bytes)
{
	uint8_t value[DHCP_SIZE_MAX];
	struct writer w = writer_of(value, sizeof(value));
	struct dhcp_route route;

	if (!find_routes(bytes, &w))
		return ack->router;
	struct cursor c = cursor_of(writer_done(&w));
	while (dhcp_wire_route(&c, &route)) {
		if (route.bits == 0)
			return route.gateway;
	}
	return ip4_of(0);
}

/* The other static routes, in the place of those of an earlier lease. */
void dhcp_set_routes(struct net *net, struct slice bytes)
{
	uint8_t value[DHCP_SIZE_MAX];
	struct writer w = writer_of(value, sizeof(value));
	struct dhcp_route route;

	route_forget(net, ROUTE_LEASE);
	if (!find_routes(bytes, &w))
		return;
	struct cursor c = cursor_of(writer_done(&w));
	while (dhcp_wire_route(&c, &route)) {
		const struct static_route taken = {.prefix = ip_from4(route.prefix),
		                                   .gateway = ip_from4(route.gateway),
		                                   .bits = IP4_BITS + route.bits,
		                                   .origin = ROUTE_LEASE};
		if (route.bits > 0 && !route_add(net, &taken))
			log_warn(net->kiln, "net", "%s: DHCP tells of too many routes",
			         net->name);
	}
}
