/*
 * The local side of what is bound or listens: one address of ours, all of IPv4, all of
 * IPv6, or all. As with BSD sockets the unspecified address of a family says all of it.
 */
#ifndef NET_LOCAL_H
#define NET_LOCAL_H

#include <kiln/ip.h>

static inline bool local_is_any(const struct ip_addr *local)
{
	return ip_equal(local, &(struct ip_addr){{0}}) ||
	       (ip_is4(local) && ip4_value(ip_to4(local)) == 0);
}

/* How closely it is the address that a packet came to: 0, not at all; 3, exactly. */
static inline unsigned local_match(const struct ip_addr *local, bool ip6_only,
                                   const struct ip_addr *addr)
{
	if (ip_equal(local, addr))
		return 3;
	if (!local_is_any(local))
		return 0;
	if (ip_is4(local))
		return ip_is4(addr) ? 2 : 0;
	return ip6_only && ip_is4(addr) ? 0 : 1;
}

#endif
