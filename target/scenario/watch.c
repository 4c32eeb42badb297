/*
 * See watch.h. The one place of the simulator that looks into lib/net from outside: from
 * the device to the stack that owns it, and to its TCP. An image is built with the same
 * sources as this program, so that the structs are the same.
 */
#include <kiln/tcp.h>
#include "../../lib/net/net_private.h"
#include "../sim/world.h"
#include "watch.h"

static const struct tcp *tcp_of_net(const struct net *net)
{
	for (unsigned i = 0; net && i < net->transport_count; i++)
		if (net->transports[i].protocol == IP_PROTO_TCP)
			return net->transports[i].transport.transport;
	return NULL;
}

uint64_t watch_retransmissions(const struct sim_node *node)
{
	struct tcp_counters counters;
	uint64_t count = 0;

	list_each (at, &node->nics) {
		const struct sim_nic *nic = kiln_container(at, struct sim_nic, in_node);
		const struct tcp *tcp = nic->open ? tcp_of_net(nic->dev.stack) : NULL;
		if (tcp) {
			tcp_counters(tcp, &counters);
			count += counters.retransmits;
		}
	}
	return count;
}
