/*
 * IPv4 in (RFC 791, 1122): which packets are for us, and who gets them.
 *
 * Called by net.c for each frame; the packet lies in the device's buffer and is passed on
 * as a slice of it. Fragments go to fragment.c, which calls back with the whole datagram.
 */
#include "icmp_wire.h"
#include "net_private.h"

/* Where the packet can have come from (RFC 1122, 3.2.1.3): one host, and not this one. A
 * host without an address yet says 0.0.0.0, to everyone, and by UDP alone. */
static bool source_acceptable(const struct net *net, const struct ip4_header *header)
{
	uint32_t src = ip4_value(header->src);

	if (src == 0)
		return ip4_value(header->dst) == UINT32_MAX &&
		       header->protocol == IP_PROTO_UDP;
	return ip4_is_host(src) && !ip4_is_broadcast(net, src) &&
	       !(net->up && ip4_equal(header->src, net->address));
}

/* Until there is an address, only what may be meant for the DHCP client is looked at: a
 * server sends to the address that it is about to give. */
static bool destination_ours(const struct net *net, const struct ip4_header *header,
                             bool broadcast, bool link_broadcast)
{
	if (broadcast)
		return true;
	/* RFC 1122, 3.3.6: what came by link broadcast is for all, or for nobody. */
	if (link_broadcast)
		return false;
	if (net->up)
		return ip4_equal(header->dst, net->address);
	return header->protocol == IP_PROTO_UDP;
}

void ip4_input(struct net *net, struct slice packet, bool link_broadcast,
               const struct netdev_offload *offload)
{
	struct ip4_header header;
	struct slice payload;

	if (!ip4_wire_parse(packet, &header, &payload)) {
		net->counters.drop_ip_header++;
		return;
	}
	bool fragment = header.more_fragments || header.offset;
	bool broadcast = ip4_is_broadcast(net, ip4_value(header.dst));
	if (!source_acceptable(net, &header) ||
	    !destination_ours(net, &header, broadcast, link_broadcast) ||
	    (!net->up && fragment)) {
		net->counters.drop_ip_address++;
		return;
	}
	struct slice wire_header = slice_take(packet, header.size);
	if (fragment) {
		fragment_input(net, &header, wire_header, payload, broadcast);
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
	if (!net->up) {
		net->counters.drop_ip_address++;
		return;
	}
	for (unsigned i = 0; i < net->transport_count; i++) {
		if (net->transports[i].protocol == protocol) {
			const struct net_transport *t = &net->transports[i].transport;
			t->input(t->transport, packet);
			return;
		}
	}
	if (protocol == IP_PROTO_ICMP) {
		icmp_input(net, packet);
		return;
	}
	net->counters.drop_protocol++;
	/* UDP that nobody registered for has no open port (RFC 1122, 4.1.3.1). */
	icmp_error(net, packet, ICMP_UNREACHABLE,
	           protocol == IP_PROTO_UDP ? ICMP_CODE_PORT : ICMP_CODE_PROTOCOL);
}
