/*
 * IPv4 in (RFC 791, 1122): which packets are for us, and who gets them.
 *
 * Called by net.c for each frame; the packet lies in the device's buffer and is passed on
 * as a slice of it. Fragments go to fragment.c, which calls back with the whole datagram.
 */
#include "net_private.h"

/* RFC 1122 recommends 60 to 120 s, of a time when paths kept packets that long. At
 * today's rates an identification comes round within seconds (RFC 4963), and the shorter
 * this is the less an unfinished datagram costs. */
#define FRAGMENT_LIFETIME KILN_SECONDS(30)
enum { FRAGMENT_FIRST_MIN = 16 }; /* RFC 1858: the ports and flags are in the first one */

/* Where the packet can have come from (RFC 1122, 3.2.1.3): one host, and not this one. A
 * host without an address yet says 0.0.0.0, to everyone, and by UDP alone. */
static bool source_acceptable(const struct ip4 *ip4, const struct ip4_header *header)
{
	uint32_t src = ip4_value(header->src);

	if (src == 0)
		return ip4_value(header->dst) == UINT32_MAX &&
		       header->protocol == IP_PROTO_UDP;
	return ip4_is_host(src) && !ip4_is_broadcast(ip4, src) &&
	       !(ip4->up && ip4_equal(header->src, ip4->address));
}

/* Until there is an address, only what may be meant for the DHCP client is looked at: a
 * server sends to the address that it is about to give. */
static bool destination_ours(const struct ip4 *ip4, const struct ip4_header *header,
                             bool broadcast, bool link_broadcast)
{
	if (broadcast)
		return true;
	/* RFC 1122, 3.3.6: what came by link broadcast is for all, or for nobody. */
	if (link_broadcast)
		return false;
	if (ip4->up)
		return ip4_equal(header->dst, ip4->address);
	return header->protocol == IP_PROTO_UDP;
}

/* RFC 1858, 3128: a fragment that splits the transport's header is not let through. */
static void fragment_pass(struct net *net, const struct ip4_header *header,
                          struct slice wire_header, struct slice payload, bool broadcast)
{
	struct fragment fragment = {
	    .family = &ip4_family,
	    .src = ip_from4(header->src),
	    .dst = ip_from4(header->dst),
	    .header = wire_header,
	    .payload = payload,
	    .id = header->id,
	    .offset = header->offset,
	    .more = header->more_fragments,
	    .broadcast = broadcast,
	    .protocol = header->protocol,
	    .ecn = header->tos & 3,
	    .ttl = header->ttl,
	};

	if ((header->offset ? header->offset : payload.len) < FRAGMENT_FIRST_MIN ||
	    header->offset + payload.len > (size_t)IP4_PACKET_MAX - header->size)
		net->counters.drop_fragment++;
	else
		fragment_input(net, &fragment);
}

static void ip4_input(struct net *net, struct slice packet, bool link_broadcast,
                      const struct netdev_offload *offload)
{
	const struct ip4 *ip4 = net->ip4;
	struct ip4_header header;
	struct slice payload;

	if (!ip4_wire_parse(packet, &header, &payload)) {
		net->counters.drop_ip_header++;
		return;
	}
	bool fragment = header.more_fragments || header.offset;
	bool broadcast = ip4_is_broadcast(ip4, ip4_value(header.dst));
	if (!source_acceptable(ip4, &header) ||
	    !destination_ours(ip4, &header, broadcast, link_broadcast) ||
	    (!ip4->up && fragment)) {
		net->counters.drop_ip_address++;
		return;
	}
	struct slice wire_header = slice_take(packet, header.size);
	if (fragment) {
		fragment_pass(net, &header, wire_header, payload, broadcast);
		return;
	}
	uint8_t gso = offload->gso_type & (uint8_t)~NETDEV_GSO_ECN;
	struct net_packet out = {
	    .src = ip_from4(header.src),
	    .dst = ip_from4(header.dst),
	    .payload = payload,
	    .header = wire_header,
	    .ecn = header.tos & 3,
	    .ttl = header.ttl,
	    .broadcast = broadcast,
	    .checksum_valid = offload->flags & (NETDEV_NEEDS_CSUM | NETDEV_DATA_VALID),
	    /* A frame of type GSO_UDP was one datagram in fragments: no segments in it.
	     */
	    .gso_size = gso == NETDEV_GSO_TCP4 || gso == NETDEV_GSO_UDP_L4
	                    ? offload->gso_size
	                    : 0,
	};
	ip4_deliver(net, header.protocol, &out);
}

void ip4_deliver(struct net *net, uint8_t protocol, const struct net_packet *packet)
{
	if (net->dhcp && protocol == IP_PROTO_UDP && dhcp_input(net, packet))
		return;
	if (!net->ip4->up) {
		net->counters.drop_ip_address++;
		return;
	}
	if (net_deliver(net, protocol, packet))
		return;
	if (protocol == IP_PROTO_ICMP) {
		icmp_input(net, packet);
		return;
	}
	net->counters.drop_protocol++;
	/* UDP that nobody registered for has no open port (RFC 1122, 4.1.3.1). */
	icmp_refuse(net, packet,
	            protocol == IP_PROTO_UDP ? NET_REFUSE_PORT : NET_REFUSE_PROTOCOL);
}

/* ---- the family ---- */

static bool ip4_is_up(const struct net *net)
{
	return net->ip4->up;
}

static unsigned ip4_addresses(const struct net *net, struct net_address *out,
                              unsigned most)
{
	const struct ip4 *ip4 = net->ip4;

	if (!ip4->up || most == 0)
		return 0;
	*out =
	    (struct net_address){.addr = ip_from4(ip4->address), .prefix = ip4->prefix};
	return 1;
}

/* Groups are not joined yet. */
static bool ip4_hears(const uint8_t mac[ETH_MAC])
{
	return false;
}

const struct net_family ip4_family = {
    .index = NET_IP4,
    .header = IP4_HEADER,
    .tcp_gso = NETDEV_GSO_TCP4,
    .tcp_offload = NETDEV_TX_TSO4,
    .type = ETH_TYPE_IP4,
    .ask_type = ETH_TYPE_ARP,
    .mtu_min = IP4_MTU_MIN,
    .fragment_lifetime = FRAGMENT_LIFETIME,
    .start = ip4_start,
    .hears = ip4_hears,
    .input = ip4_input,
    .ask_input = arp_input,
    .deliver = ip4_deliver,
    .route = ip4_route,
    .hop = ip4_hop,
    .identify = ip4_identify,
    .push = ip4_push,
    .ask = arp_ask,
    .refuse = icmp_refuse,
    .is_up = ip4_is_up,
    .addresses = ip4_addresses,
};
