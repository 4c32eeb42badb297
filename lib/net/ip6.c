/*
 * IPv6 in (RFC 8200): which packets are for us, what their extension headers say, and who
 * gets them.
 *
 * Called by net.c for each frame; the packet lies in the device's buffer and is passed on
 * as a slice of it. Fragments go to fragment.c, which calls back with the whole datagram,
 * whose headers are then read on where they were left.
 */
#include "net_private.h"

#define FRAGMENT_LIFETIME KILN_SECONDS(60) /* RFC 8200, 4.5 */

static bool destination_ours(const struct net *net, const struct ip_addr *dst, bool group)
{
	if (!ip6_is_multicast(dst))
		return !group && ip6_address_find(net, dst);
	return ip_equal(dst, &IP6_ALL_NODES) || mld_is_member(net, dst);
}

/* Not this host, unless another says to all that our address is his. */
static bool source_acceptable(const struct net *net, const struct ip6_header *header)
{
	return !ip6_address_find(net, &header->src) ||
	       (header->next == IP6_NEXT_ICMP && ip6_is_multicast(&header->dst));
}

/* ---- to the upper layer ---- */

static void upper(struct net *net, const struct ip6_chain *chain,
                  const struct net_packet *packet)
{
	struct icmp6_message unknown = {
	    .type = ICMP6_PARAMETER, .code = IP6_PROBLEM_NEXT, .word = chain->named_at};

	if (chain->next == IP6_NEXT_ICMP) {
		icmp6_input(net, packet, chain);
		return;
	}
	if (net_deliver(net, chain->next, packet))
		return;
	net->counters.drop_protocol++;
	if (chain->next == IP6_NEXT_UDP)
		icmp6_refuse(net, packet, NET_REFUSE_PORT);
	else
		icmp6_error(net, packet, &unknown, false);
}

/* A copy, for the field that names the first header of what was cut up names it now
 * (RFC 8200, 4.5). */
static void fragment_pass(struct net *net, const struct ip6_chain *chain,
                          const struct net_packet *packet)
{
	uint8_t header[FRAGMENT_HEADER_MAX];
	struct fragment fragment = {
	    .family = &ip6_family,
	    .src = packet->src,
	    .dst = packet->dst,
	    .header = slice_of(header, packet->header.len),
	    .payload = chain->payload,
	    .id = chain->fragment.id,
	    .offset = chain->fragment.offset,
	    .more = chain->fragment.more,
	    .broadcast = packet->broadcast,
	    .protocol = chain->next,
	    .ecn = packet->ecn,
	    .ttl = packet->ttl,
	};

	if (packet->header.len > sizeof(header)) {
		net->counters.drop_fragment++;
		return;
	}
	memcpy(header, packet->header.data, packet->header.len);
	header[chain->named_at] = chain->next;
	fragment_input(net, &fragment);
}

/* Reads headers on, and does what they say. */
static void walk(struct net *net, struct ip6_chain *chain, struct net_packet *packet,
                 struct slice whole)
{
	struct ip6_problem problem;
	enum ip6_walk result = ip6_wire_walk(chain, &problem);

	packet->payload = chain->payload;
	packet->header = slice_take(whole, chain->at);
	switch (result) {
	case IP6_WALK_UPPER:
		upper(net, chain, packet);
		break;
	case IP6_WALK_FRAGMENT:
		fragment_pass(net, chain, packet);
		break;
	case IP6_WALK_PROBLEM: {
		struct icmp6_message error = {.type = ICMP6_PARAMETER,
		                              .code = problem.code,
		                              .word = problem.pointer};
		/* The whole packet is quoted, wherever the walk has ended. */
		packet->header = slice_take(whole, IP6_HEADER);
		packet->payload = slice_skip(whole, IP6_HEADER);
		net->counters.drop_ip_header++;
		icmp6_error(net, packet, &error, problem.to_group);
		break;
	}
	case IP6_WALK_DROP:
		net->counters.drop_ip_header++;
	}
}

static void ip6_input(struct net *net, struct slice bytes, bool group,
                      const struct netdev_offload *offload)
{
	struct ip6_header header;
	struct ip6_chain chain;
	struct slice payload;

	if (!ip6_wire_parse(bytes, &header, &payload)) {
		net->counters.drop_ip_header++;
		return;
	}
	if (!destination_ours(net, &header.dst, group) ||
	    !source_acceptable(net, &header)) {
		net->counters.drop_ip_address++;
		return;
	}
	uint8_t gso = offload->gso_type & (uint8_t)~NETDEV_GSO_ECN;
	struct net_packet packet = {
	    .src = header.src,
	    .dst = header.dst,
	    .ecn = header.traffic_class & 3,
	    .ttl = header.hop_limit,
	    .broadcast = ip6_is_multicast(&header.dst),
	    .checksum_valid = offload->flags & (NETDEV_NEEDS_CSUM | NETDEV_DATA_VALID),
	    .gso_size = gso == NETDEV_GSO_TCP6 || gso == NETDEV_GSO_UDP_L4
	                    ? offload->gso_size
	                    : 0,
	};
	ip6_chain_start(&chain, &header, payload);
	walk(net, &chain, &packet, slice_take(bytes, IP6_HEADER + payload.len));
}

/* A datagram that was joined: its first header is `protocol`. */
static void ip6_deliver(struct net *net, uint8_t protocol,
                        const struct net_packet *joined)
{
	struct net_packet packet = *joined;
	struct ip6_chain chain = {
	    .next = protocol,
	    .headers = 1,
	    .to_group = joined->broadcast,
	    .joined = true,
	    .named_at = offsetof(struct ip6_wire, next),
	    .at = (uint32_t)joined->header.len,
	    .payload = joined->payload,
	};
	struct ip6_problem problem;

	/* Offsets count in the joined packet, of which header and payload lie apart: an
	 * error points there, and quotes what lies behind the headers that were kept. */
	switch (ip6_wire_walk(&chain, &problem)) {
	case IP6_WALK_UPPER:
		packet.payload = chain.payload;
		upper(net, &chain, &packet);
		break;
	case IP6_WALK_PROBLEM:
		net->counters.drop_ip_header++;
		icmp6_error(net, &packet,
		            &(struct icmp6_message){.type = ICMP6_PARAMETER,
		                                    .code = problem.code,
		                                    .word = problem.pointer},
		            problem.to_group);
		break;
	default:
		net->counters.drop_ip_header++;
	}
}

/* ---- the family ---- */

/* RFC 2464, 7: each group of ours has an address among these, and others share it. */
static bool ip6_hears(const uint8_t mac[ETH_MAC])
{
	return mac[0] == 0x33 && mac[1] == 0x33;
}

const struct net_family ip6_family = {
    .index = NET_IP6,
    .header = IP6_HEADER,
    .fragment_header = IP6_FRAGMENT_HEADER,
    .tcp_gso = NETDEV_GSO_TCP6,
    .tcp_offload = NETDEV_TX_TSO6,
    .type = ETH_TYPE_IP6,
    .ask_type = ETH_TYPE_IP6,
    .mtu_min = IP6_MTU_MIN,
    .fragment_lifetime = FRAGMENT_LIFETIME,
    .start = ip6_start,
    .hears = ip6_hears,
    .input = ip6_input,
    .deliver = ip6_deliver,
    .route = ip6_route,
    .hop = ip6_hop,
    .identify = ip6_identify,
    .push = ip6_push,
    .ask = nd_ask,
    .refuse = icmp6_refuse,
    .is_up = ip6_is_up,
    .addresses = ip6_addresses,
};
