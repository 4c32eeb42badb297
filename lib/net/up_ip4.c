/*
 * net_up_ip4(): an image that calls it holds IPv4 alone. A file of its own, so that
 * nothing else is linked.
 */
#include "net_private.h"

struct net *net_up_ip4(struct kiln *k, const struct kiln_device *device)
{
	struct net *net = net_open(k, device);

	net->families[NET_IP4] = &ip4_family;
	net_start(net);
	return net;
}
