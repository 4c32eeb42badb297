/*
 * IPv6 on the stack of fake_net.h, for the unit tests of lib/net: packets of a peer and of a
 * router on the link, and what the stack sends, read and checked. Defines what fake_net.h
 * defines; include it in one file of a program.
 */
#ifndef TEST_IP6_PLAY_H
#define TEST_IP6_PLAY_H

#define FAKE_UP net_up_ip6
#include "fake_net.h"
#include <lib/net/mld_wire.h>

#define OURS   address("2001:db8::2")
#define PEER   address("2001:db8::1")
#define ROUTER address("fe80::1")
#define FAR    address("2001:db8:ffff::1")
#define NOBODY address("::")

static const struct ip_addr *address(const char *text)
{
	static struct ip_addr kept[8];
	static unsigned at;
	struct ip_addr *addr = &kept[at++ % 8];

	assert_true(ip6_parse(slice_text(text), addr));
	return addr;
}

/* 2001:db8::2/64, nobody objected; the frames of that are forgotten. */
HELPER int up(void **state)
{
	fake_start("ip6=2001:db8::2/64\0gateway6=fe80::1\0secret=of the test");
	fake_pass(KILN_SECONDS(3));
	fake.sent = 0;
	return 0;
}

/* ---- packets to give ---- */

HELPER void receive_frame(const uint8_t dst_mac[6], const uint8_t src_mac[6],
                          struct slice packet)
{
	static uint8_t frame[FAKE_FRAME_SIZE];

	eth_wire_emit(frame, dst_mac, src_mac, ETH_TYPE_IP6);
	memcpy(frame + ETH_HEADER, packet.data, packet.len);
	fake_receive(slice_of(frame, ETH_HEADER + packet.len));
}

/* To our address, or to the group that it says. */
HELPER void receive_ip6_from(const uint8_t src_mac[6], struct ip6_header header,
                             struct slice payload)
{
	static uint8_t packet[FAKE_FRAME_SIZE];
	uint8_t group[6] = {0x33, 0x33};

	memcpy(group + 2, header.dst.bytes + 12, 4);
	header.payload = (uint16_t)payload.len;
	if (header.hop_limit == 0)
		header.hop_limit = 64;
	ip6_wire_emit(packet, &header);
	memcpy(packet + IP6_HEADER, payload.data, payload.len);
	receive_frame(ip6_is_multicast(&header.dst) ? group : fake_mac, src_mac,
	              slice_of(packet, IP6_HEADER + payload.len));
}

HELPER void receive_ip6(struct ip6_header header, struct slice payload)
{
	receive_ip6_from(peer_mac, header, payload);
}

/* Its checksum is filled in. */
HELPER void receive_icmp6(const uint8_t src_mac[6], const struct ip_addr *src,
                          const struct ip_addr *dst, uint8_t hop_limit,
                          struct slice message)
{
	static uint8_t copy[FAKE_FRAME_SIZE];

	memcpy(copy, message.data, message.len);
	icmp6_wire_seal(copy, message.len, src, dst);
	receive_ip6_from(
	    src_mac,
	    (struct ip6_header){
	        .src = *src, .dst = *dst, .next = IP6_NEXT_ICMP, .hop_limit = hop_limit},
	    slice_of(copy, message.len));
}

HELPER void receive_nd(const uint8_t src_mac[6], const struct ip_addr *src,
                       const struct ip_addr *dst, struct nd_message m)
{
	uint8_t bytes[512];
	struct writer w = writer_of(bytes, sizeof(bytes));

	nd_wire_emit(&w, &m);
	receive_icmp6(src_mac, src, dst, ND_HOP_LIMIT, writer_done(&w));
}

/* The peer asks for our address, and so becomes known, as a stale neighbour. */
HELPER void meet(const struct ip_addr *who, const uint8_t mac[6])
{
	struct ip_addr group = ip6_solicited_node(OURS);
	struct nd_message m = {
	    .type = ICMP6_NEIGHBOUR_SOLICITATION, .target = *OURS, .has_mac = true};

	memcpy(m.mac, mac, 6);
	receive_nd(mac, who, &group, m);
}

HELPER void solicit(const struct ip_addr *src, const struct ip_addr *target,
                    bool with_mac)
{
	struct ip_addr group = ip6_solicited_node(target);
	struct nd_message m = {
	    .type = ICMP6_NEIGHBOUR_SOLICITATION, .target = *target, .has_mac = with_mac};

	memcpy(m.mac, peer_mac, 6);
	receive_nd(peer_mac, src, &group, m);
}

HELPER void advertise(const struct ip_addr *src, const uint8_t mac[6], bool solicited,
                      bool override)
{
	struct nd_message m = {.type = ICMP6_NEIGHBOUR_ADVERTISEMENT,
	                       .target = *src,
	                       .solicited = solicited,
	                       .override = override,
	                       .has_mac = mac != NULL};

	if (mac)
		memcpy(m.mac, mac, 6);
	receive_nd(mac ? mac : peer_mac, src, solicited ? OURS : address("ff02::1"), m);
}

/* ---- packets that were sent ---- */

/* Its lengths are checked against the frame's. */
HELPER struct slice sent_ip6(unsigned index, struct ip6_header *header)
{
	struct slice packet = slice_skip(fake_sent(index), ETH_HEADER), payload;

	assert_int_equal(be16_get(eth_wire_parse(fake_sent(index))->type), ETH_TYPE_IP6);
	assert_true(ip6_wire_parse(packet, header, &payload));
	assert_int_equal(packet.len, IP6_HEADER + header->payload);
	return payload;
}

/* With its checksum as the sender left it: whole. */
HELPER uint16_t plain_checksum6(const struct ip6_header *h, struct slice payload,
                                uint8_t protocol)
{
	uint8_t pseudo[40] = {0};

	memcpy(pseudo, &h->src, 16);
	memcpy(pseudo + 16, &h->dst, 16);
	pseudo[34] = (uint8_t)(payload.len >> 8);
	pseudo[35] = (uint8_t)payload.len;
	pseudo[39] = protocol;
	uint32_t sum = (uint16_t)~plain_checksum(0, slice_of(pseudo, sizeof(pseudo)));
	return plain_checksum(sum, payload);
}

/* An ICMPv6 message that was sent, behind whatever extension headers. */
HELPER struct icmp6_message sent_icmp6(unsigned index, struct ip6_header *header)
{
	struct slice packet = slice_skip(fake_sent(index), ETH_HEADER);
	struct icmp6_message message;
	struct ip6_problem problem;
	struct ip6_chain chain;

	ip6_chain_start(&chain, header, sent_ip6(index, header));
	ip6_chain_start(&chain, header, slice_skip(packet, IP6_HEADER));
	assert_int_equal(ip6_wire_walk(&chain, &problem), IP6_WALK_UPPER);
	assert_int_equal(chain.next, IP6_NEXT_ICMP);
	assert_int_equal(plain_checksum6(header, chain.payload, IP6_NEXT_ICMP), 0);
	struct net_packet p = {
	    .src = header->src, .dst = header->dst, .payload = chain.payload};
	assert_true(icmp6_wire_parse(&p, &message));
	return message;
}

HELPER struct nd_message sent_nd(unsigned index, struct ip6_header *header)
{
	struct icmp6_message icmp = sent_icmp6(index, header);
	struct net_packet packet = {
	    .src = header->src, .dst = header->dst, .ttl = header->hop_limit};
	struct nd_message m;

	assert_true(nd_wire_parse(&packet, &icmp, &m));
	return m;
}

HELPER const uint8_t *sent_to(unsigned index)
{
	return eth_wire_parse(fake_sent(index))->dst;
}

/* The first frame at or behind `from` that is of that ICMPv6 type; or fake.sent. */
HELPER unsigned sent_find(unsigned from, uint8_t type)
{
	for (; from < fake.sent; from++) {
		struct ip6_header h;
		if (sent_icmp6(from, &h).type == type)
			break;
	}
	return from;
}

HELPER enum kiln_error send_to(const struct ip_addr *dst, size_t size)
{
	struct netdev_frame frame;

	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, size), 0xaa, size);
	return net_send(fake.net, &frame, 99, dst, NET_NO_CHECKSUM, NULL);
}

HELPER bool same(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_equal(a, b);
}

#endif
