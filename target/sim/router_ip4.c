/*
 * A router's IPv4 (RFC 1812 in short) and ARP: packets that are passed on, those that
 * cannot be, and echo requests to the router itself. Options are carried along unread.
 */
#include <string.h>
#include "../../lib/net/arp_wire.h"
#include "../../lib/net/icmp_wire.h"
#include "../../lib/net/ip4_wire.h"
#include "router.h"

static const uint8_t all_stations[ETH_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct slice packet_of(const struct sim_frame *frame)
{
	return slice_skip(slice_of(frame->data, frame->size), ETH_HEADER);
}

/* Towards its destination. The reference is taken; what has no route is dropped. */
static void send_packet(struct sim_router *router, struct ip4_addr dst,
                        struct sim_frame *frame)
{
	struct ip_addr to = ip_from4(dst), next_hop;
	struct router_port *port = router_find(router, &to, &next_hop);

	if (port)
		router_send(port, &next_hop, frame);
	else
		sim_frame_unref(router->sim, frame);
}

/* ---- ICMP ---- */

static void send_icmp(struct sim_router *router, struct ip4_addr src, struct ip4_addr dst,
                      struct icmp_message message)
{
	size_t size = IP4_HEADER + ICMP_HEADER + message.body.len;
	struct sim_frame *frame = router_frame(router, (uint32_t)size);
	uint8_t *packet = frame->data + ETH_HEADER;
	const struct ip4_header header = {.src = src,
	                                  .dst = dst,
	                                  .total = (uint16_t)size,
	                                  .id = router->next_id++,
	                                  .ttl = ROUTER_HOPS,
	                                  .protocol = IP_PROTO_ICMP};

	ip4_wire_emit(packet, &header);
	icmp_wire_emit(packet + IP4_HEADER, &message,
	               checksum_add(0, message.body.data, message.body.len));
	memcpy(packet + IP4_HEADER + ICMP_HEADER, message.body.data, message.body.len);
	send_packet(router, dst, frame);
}

/* Not about ICMP errors, nor about any but the first fragment (RFC 1122, 3.2.2). */
static bool may_be_told(const struct ip4_header *header, struct slice payload)
{
	bool error = header->protocol == IP_PROTO_ICMP &&
	             (payload.len == 0 || (payload.data[0] != ICMP_ECHO &&
	                                   payload.data[0] != ICMP_ECHO_REPLY));

	return !error && header->offset == 0;
}

static void tell(struct router_port *port, struct slice packet, uint8_t type,
                 uint8_t code, uint16_t mtu)
{
	const struct ip_addr *own = router_address_on(port, true);
	struct ip4_header header;
	struct slice payload;

	if (!own || !ip4_wire_parse(packet, &header, &payload) ||
	    !may_be_told(&header, payload))
		return;
	packet = slice_take(packet, KILN_MIN(header.total, ICMP_QUOTE));
	send_icmp(port->router, ip_to4(own), header.src,
	          (struct icmp_message){
	              .type = type, .code = code, .number = mtu, .body = packet});
}

void router_ip4_unreachable(struct router_port *port, const struct sim_frame *frame)
{
	tell(port, packet_of(frame), ICMP_UNREACHABLE, ICMP_CODE_HOST, 0);
}

static void answer_echo(struct sim_router *router, const struct ip4_header *header,
                        struct slice payload)
{
	struct icmp_message message;

	if (header->protocol != IP_PROTO_ICMP || header->offset ||
	    header->more_fragments || !icmp_wire_parse(payload, &message) ||
	    message.type != ICMP_ECHO)
		return;
	message.type = ICMP_ECHO_REPLY;
	send_icmp(router, header->dst, header->src, message);
}

/* ---- passing on ---- */

/* Of a header of any size, once its TTL is another. */
static void seal_header(uint8_t *packet, unsigned size)
{
	uint16_t sum;

	packet[10] = packet[11] = 0;
	sum = checksum_finish(checksum_add(0, packet, size));
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
}

/* The header's options go with the first fragment only: none of them is to be copied
 * (RFC 791, 3.1, has but routes so, which were refused). */
static void fragment(struct sim_router *router, struct router_port *out,
                     const struct ip_addr *next_hop, struct ip4_header header,
                     struct slice payload)
{
	size_t step = (out->port.link->mtu - IP4_HEADER) / 8 * 8;
	bool more = header.more_fragments;
	uint16_t first = header.offset;

	for (size_t at = 0; at < payload.len; at += step) {
		struct slice part = slice_take(slice_skip(payload, at), step);
		struct sim_frame *frame =
		    router_frame(router, (uint32_t)(IP4_HEADER + part.len));

		header.offset = (uint16_t)(first + at);
		header.more_fragments = more || at + step < payload.len;
		header.total = (uint16_t)(IP4_HEADER + part.len);
		ip4_wire_emit(frame->data + ETH_HEADER, &header);
		memcpy(frame->data + ETH_HEADER + IP4_HEADER, part.data, part.len);
		router_send(out, next_hop, frame);
	}
}

static void forward(struct router_port *from, struct slice packet,
                    struct ip4_header header, struct slice payload)
{
	struct sim_router *router = from->router;
	struct ip_addr dst = ip_from4(header.dst), next_hop;
	struct router_port *out = router_find(router, &dst, &next_hop);
	struct sim_frame *frame;

	if (header.ttl-- <= 1) {
		tell(from, packet, ICMP_TIME_EXCEEDED, 0, 0);
	} else if (!out) {
		tell(from, packet, ICMP_UNREACHABLE, ICMP_CODE_NET, 0);
	} else if (header.total <= out->port.link->mtu) {
		frame = router_frame(router, header.total);
		memcpy(frame->data + ETH_HEADER, packet.data, header.total);
		frame->data[ETH_HEADER + offsetof(struct ip4_wire, ttl)] = header.ttl;
		seal_header(frame->data + ETH_HEADER, header.size);
		router_send(out, &next_hop, frame);
	} else if (header.dont_fragment) {
		tell(from, packet, ICMP_UNREACHABLE, ICMP_CODE_TOO_BIG,
		     out->port.link->mtu);
	} else {
		fragment(router, out, &next_hop, header, payload);
	}
}

void router_ip4_input(struct router_port *port, const struct sim_frame *frame)
{
	const struct eth_wire *ethernet = (const struct eth_wire *)frame->data;
	struct slice packet = packet_of(frame), payload;
	struct ip4_header header;
	struct ip_addr dst;

	if (eth_is_group(ethernet->dst) || !ip4_wire_parse(packet, &header, &payload))
		return;
	dst = ip_from4(header.dst);
	if (router_owns(port->router, &dst))
		answer_echo(port->router, &header, payload);
	else
		forward(port, packet, header, payload);
}

/* ---- ARP ---- */

static void send_arp(struct router_port *port, const struct arp_packet *packet,
                     const uint8_t mac[ETH_MAC])
{
	struct sim_frame *frame = router_frame(port->router, ARP_SIZE);

	arp_wire_emit(frame->data + ETH_HEADER, packet);
	router_emit(port, frame, mac, ETH_TYPE_ARP);
}

/* The sender's address is the one of the network that is asked in. */
void router_arp_ask(struct router_port *port, const struct ip_addr *addr)
{
	struct arp_packet packet = {.operation = ARP_REQUEST, .target = ip_to4(addr)};

	memcpy(packet.sender_mac, port->port.mac, ETH_MAC);
	for (unsigned i = 0; i < port->address_count; i++)
		if (ip_is4(&port->addresses[i].addr) &&
		    router_has(&port->addresses[i], addr))
			packet.sender = ip_to4(&port->addresses[i].addr);
	send_arp(port, &packet, all_stations);
}

static bool is_at(const struct router_port *port, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < port->address_count; i++)
		if (ip_equal(&port->addresses[i].addr, addr))
			return true;
	return false;
}

void router_arp_input(struct router_port *port, const struct sim_frame *frame)
{
	struct ip_addr sender, target;
	struct arp_packet packet;

	if (!arp_wire_parse(packet_of(frame), &packet))
		return;
	sender = ip_from4(packet.sender);
	target = ip_from4(packet.target);
	if (ip4_value(packet.sender)) /* a probe has none (RFC 5227) */
		router_learn(port, &sender, packet.sender_mac);
	if (packet.operation != ARP_REQUEST || !is_at(port, &target))
		return;
	packet.operation = ARP_REPLY;
	packet.target = packet.sender;
	memcpy(packet.target_mac, packet.sender_mac, ETH_MAC);
	packet.sender = ip_to4(&target);
	memcpy(packet.sender_mac, port->port.mac, ETH_MAC);
	send_arp(port, &packet, packet.target_mac);
}
