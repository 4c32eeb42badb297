/*
 * Errors of ICMP and ICMPv6, both ways: how many we send (RFC 1122, 3.2.2; RFC 4443, 2.4 (f)),
 * and what is done about those that come (RFC 5927).
 */
#include "net_private.h"

enum { ERRORS_PER_SECOND = 100, ERRORS_BURST = 50 };

void report_init(struct net *net)
{
	net->reports.tokens = ERRORS_BURST;
	net->reports.filled_at = net_now(net);
}

/*
 * Each error costs one token, and now and then another: with a limit that is exact, a
 * stranger could count what is left of it, and learn from that which ports are open to
 * others (CVE-2020-25705).
 */
bool report_allowed(struct net *net)
{
	struct report_bucket *bucket = &net->reports;
	kiln_time each = KILN_SECONDS(1) / ERRORS_PER_SECOND;
	kiln_time passed = (net_now(net) - bucket->filled_at) / each;

	bucket->filled_at += passed * each;
	bucket->tokens = (uint32_t)KILN_MIN(bucket->tokens + passed, ERRORS_BURST);
	if (bucket->tokens == 0)
		return false;
	bucket->tokens--;
	if (bucket->tokens && random_below(&net->kiln->random, 4) == 0)
		bucket->tokens--;
	return true;
}

void net_port_unreachable(struct net *net, const struct net_packet *packet)
{
	net_family(net, &packet->src)->refuse(net, packet, NET_REFUSE_PORT);
}

bool report_input(struct net *net, uint8_t protocol, const struct net_error *error)
{
	for (unsigned i = 0; i < net->transport_count; i++) {
		const struct net_transport *t = &net->transports[i].transport;
		if (net->transports[i].protocol != protocol)
			continue;
		if (!t->error)
			return true;
		bool believed = t->error(t->transport, error);
		if (believed && error->kind == NET_ERROR_TOO_BIG)
			net_path_learn(net, &error->dst, error->mtu);
		return believed;
	}
	return false;
}
