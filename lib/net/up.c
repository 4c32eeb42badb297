/*
 * net_up(): an image that calls it holds both address families. A file of its own, so that
 * nothing else is linked.
 */
#include "net_private.h"

struct net *net_up(struct kiln *k, const struct kiln_device *device)
{
	struct net *net = net_open(k, device);

	net->families[NET_IP4] = &ip4_family;
	net->families[NET_IP6] = &ip6_family;
	net_start(net);
	return net;
}
