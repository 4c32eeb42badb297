/*
 * A router's IPv6 (RFC 8200, 4443) and neighbour discovery (4861): packets that are passed
 * on, those that cannot be, echo requests to the router itself, and advertisements. No
 * packet is fragmented on its way. Groups are not forwarded.
 */
#include <string.h>
#include "../../lib/net/ip6_wire.h"
#include "../../lib/net/nd_wire.h"
#include "router.h"

enum { ADVERTISEMENT_MOST = 512 };

static struct slice packet_of(const struct sim_frame *frame)
{
	return slice_skip(slice_of(frame->data, frame->size), ETH_HEADER);
}

/* 33:33 and the last four bytes (RFC 2464, 7). */
static void group_mac(const struct ip_addr *group, uint8_t mac[ETH_MAC])
{
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, group->bytes + 12, 4);
}

/* ---- ICMPv6 ---- */

static struct sim_frame *icmp_frame(struct sim_router *router, const struct ip_addr *src,
                                    const struct ip_addr *dst, uint8_t hops,
                                    struct slice message)
{
	struct sim_frame *frame =
	    router_frame(router, (uint32_t)(IP6_HEADER + message.len));
	uint8_t *packet = frame->data + ETH_HEADER;
	const struct ip6_header header = {.src = *src,
	                                  .dst = *dst,
	                                  .payload = (uint16_t)message.len,
	                                  .next = IP6_NEXT_ICMP,
	                                  .hop_limit = hops};

	ip6_wire_emit(packet, &header);
	memcpy(packet + IP6_HEADER, message.data, message.len);
	icmp6_wire_seal(packet + IP6_HEADER, message.len, src, dst);
	return frame;
}

/* To wherever the address is; on the port's link if that is all it says. */
static void send_message(struct router_port *port, const struct ip_addr *src,
                         const struct ip_addr *dst, const struct icmp6_message *message)
{
	uint8_t bytes[IP6_MTU_MIN];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct ip_addr next_hop = *dst;
	struct router_port *out =
	    ip6_is_link_local(dst) ? port : router_find(port->router, dst, &next_hop);
	struct sim_frame *frame;
	uint8_t head[ICMP6_HEADER];

	icmp6_wire_emit(head, message);
	writer_bytes(&w, slice_of(head, sizeof(head)));
	writer_bytes(&w, message->body);
	if (!out || w.failed)
		return;
	frame = icmp_frame(port->router, src, dst, ROUTER_HOPS, writer_done(&w));
	router_send(out, &next_hop, frame);
}

/* RFC 4443, 2.4 (e): not about errors, nor to those that are nobody. */
static bool may_be_told(const struct ip6_header *header, struct slice payload)
{
	if (header->next == IP6_NEXT_ICMP &&
	    (payload.len == 0 || icmp6_is_error(payload.data[0])))
		return false;
	return !ip6_is_unspecified(&header->src) && !ip6_is_multicast(&header->src);
}

static void tell(struct router_port *port, struct slice packet, uint8_t type,
                 uint8_t code, uint32_t mtu)
{
	struct icmp6_message message = {.type = type, .code = code, .word = mtu};
	struct ip6_header header;
	struct slice payload;

	if (!ip6_wire_parse(packet, &header, &payload) || !may_be_told(&header, payload))
		return;
	message.body =
	    slice_take(slice_take(packet, IP6_HEADER + header.payload), ICMP6_QUOTE);
	send_message(port, router_address_on(port, false), &header.src, &message);
}

void router_ip6_unreachable(struct router_port *port, const struct sim_frame *frame)
{
	tell(port, packet_of(frame), ICMP6_UNREACHABLE, ICMP6_CODE_ADDRESS, 0);
}

/* ---- neighbour discovery ---- */

static void send_nd(struct router_port *port, const struct ip_addr *src,
                    const struct ip_addr *dst, const uint8_t mac[ETH_MAC],
                    struct slice message)
{
	router_emit(port, icmp_frame(port->router, src, dst, ND_HOP_LIMIT, message), mac,
	            ETH_TYPE_IP6);
}

static struct nd_message with_mac(const struct router_port *port, uint8_t type)
{
	struct nd_message message = {.type = type, .has_mac = true};

	memcpy(message.mac, port->port.mac, ETH_MAC);
	return message;
}

void router_nd_ask(struct router_port *port, const struct ip_addr *addr)
{
	struct nd_message message = with_mac(port, ICMP6_NEIGHBOUR_SOLICITATION);
	struct ip_addr group = ip6_solicited_node(addr);
	uint8_t bytes[ND_SIZE_MAX], mac[ETH_MAC];
	struct writer w = writer_of(bytes, sizeof(bytes));

	message.target = *addr;
	nd_wire_emit(&w, &message);
	group_mac(&group, mac);
	send_nd(port, router_address_on(port, false), &group, mac, writer_done(&w));
}

/* All that hosts need for an address of each prefix (RFC 4862) and for the way out. */
void router_nd_advertise(struct router_port *port)
{
	static const struct ip_addr all_nodes = {{0xff, 2, [15] = 1}};
	struct nd_message message = with_mac(port, ICMP6_ROUTER_ADVERTISEMENT);
	struct nd_option option = {.type = ND_OPTION_MTU, .mtu = port->port.link->mtu};
	uint8_t bytes[ADVERTISEMENT_MOST], mac[ETH_MAC];
	struct writer w = writer_of(bytes, sizeof(bytes));

	message.hop_limit = ROUTER_HOPS;
	message.lifetime = 1800;
	nd_wire_emit(&w, &message);
	nd_wire_emit_option(&w, &option);
	for (unsigned i = 0; i < port->address_count; i++) {
		const struct router_address *a = &port->addresses[i];
		if (ip_is4(&a->addr))
			continue;
		option = (struct nd_option){
		    .type = ND_OPTION_PREFIX,
		    .prefix = {.length = (uint8_t)a->length,
		               .on_link = true,
		               .autonomous = true,
		               .valid = 2592000,
		               .preferred = 604800}}; /* RFC 4861, 6.2.1 */
		memcpy(option.prefix.prefix.bytes, a->addr.bytes, a->length / 8);
		nd_wire_emit_option(&w, &option);
	}
	group_mac(&all_nodes, mac);
	if (!w.failed)
		send_nd(port, &port->link_local, &all_nodes, mac, writer_done(&w));
}

static bool is_at(const struct router_port *port, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < port->address_count; i++)
		if (ip_equal(&port->addresses[i].addr, addr))
			return true;
	return ip_equal(&port->link_local, addr);
}

/* To who asked; one that has no address yet asks for all to hear (RFC 4862, 5.4.3). */
static void answer_solicitation(struct router_port *port, const struct ip_addr *src,
                                const struct nd_message *asked,
                                const uint8_t mac[ETH_MAC])
{
	static const struct ip_addr all_nodes = {{0xff, 2, [15] = 1}};
	struct nd_message message = with_mac(port, ICMP6_NEIGHBOUR_ADVERTISEMENT);
	bool nobody = ip6_is_unspecified(src);
	uint8_t bytes[ND_SIZE_MAX], group[ETH_MAC];
	struct writer w = writer_of(bytes, sizeof(bytes));

	message.target = asked->target;
	message.router = message.override = true;
	message.solicited = !nobody;
	nd_wire_emit(&w, &message);
	group_mac(&all_nodes, group);
	send_nd(port, &asked->target, nobody ? &all_nodes : src, nobody ? group : mac,
	        writer_done(&w));
}

static void nd_input(struct router_port *port, const struct net_packet *packet,
                     const struct icmp6_message *icmp, const uint8_t mac[ETH_MAC])
{
	struct nd_message message;

	if (!nd_wire_parse(packet, icmp, &message))
		return;
	if (message.type == ICMP6_NEIGHBOUR_ADVERTISEMENT) {
		router_learn(port, &message.target, message.has_mac ? message.mac : mac);
		return;
	}
	if (message.has_mac && !ip6_is_unspecified(&packet->src))
		router_learn(port, &packet->src, message.mac);
	if (message.type == ICMP6_NEIGHBOUR_SOLICITATION && is_at(port, &message.target))
		answer_solicitation(port, &packet->src, &message, mac);
	if (message.type == ICMP6_ROUTER_SOLICITATION && port->advertise.fire)
		router_nd_advertise(port);
}

/* ---- passing on ---- */

/* What is for the router itself, or for a group that it may be in. */
static void icmp_input(struct router_port *port, const struct ip6_header *header,
                       struct slice payload, const uint8_t mac[ETH_MAC])
{
	const struct net_packet packet = {.src = header->src,
	                                  .dst = header->dst,
	                                  .payload = payload,
	                                  .ttl = header->hop_limit};
	struct icmp6_message message;

	if (header->next != IP6_NEXT_ICMP || !icmp6_wire_parse(&packet, &message))
		return;
	if (message.type >= ICMP6_ROUTER_SOLICITATION && message.type <= ICMP6_REDIRECT) {
		nd_input(port, &packet, &message, mac);
	} else if (message.type == ICMP6_ECHO && !ip6_is_multicast(&header->dst)) {
		message.type = ICMP6_ECHO_REPLY;
		send_message(port, &header->dst, &header->src, &message);
	}
}

static void forward(struct router_port *from, struct slice packet,
                    const struct ip6_header *header)
{
	struct sim_router *router = from->router;
	struct ip_addr next_hop;
	struct router_port *out = router_find(router, &header->dst, &next_hop);
	uint32_t size = IP6_HEADER + (uint32_t)header->payload;
	struct sim_frame *frame;

	if (ip6_is_link_local(&header->src) || ip6_is_link_local(&header->dst))
		return; /* RFC 4291, 2.5.6 */
	if (header->hop_limit <= 1) {
		tell(from, packet, ICMP6_TIME_EXCEEDED, 0, 0);
	} else if (!out) {
		tell(from, packet, ICMP6_UNREACHABLE, ICMP6_CODE_NO_ROUTE, 0);
	} else if (size > out->port.link->mtu) {
		tell(from, packet, ICMP6_TOO_BIG, 0, out->port.link->mtu);
	} else {
		frame = router_frame(router, size);
		memcpy(frame->data + ETH_HEADER, packet.data, size);
		frame->data[ETH_HEADER + offsetof(struct ip6_wire, hop_limit)]--;
		router_send(out, &next_hop, frame);
	}
}

void router_ip6_input(struct router_port *port, const struct sim_frame *frame)
{
	const struct eth_wire *ethernet = (const struct eth_wire *)frame->data;
	struct slice packet = packet_of(frame), payload;
	struct ip6_header header;

	if (!ip6_wire_parse(packet, &header, &payload))
		return;
	if (ip6_is_multicast(&header.dst) || router_owns(port->router, &header.dst))
		icmp_input(port, &header, payload, ethernet->src);
	else if (!eth_is_group(ethernet->dst))
		forward(port, packet, &header);
}
