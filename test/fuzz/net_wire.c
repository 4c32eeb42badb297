/*
 * The wire formats of lib/net, each parser on bytes of exact size: the first byte of the
 * input says which. What was parsed is written again and read again: the second reading
 * must say what the first one did.
 */
#include "fuzz.h"
#include <lib/net/arp_wire.h>
#include <lib/net/dhcp_wire.h>
#include <lib/net/eth_wire.h>
#include <lib/net/icmp_wire.h>
#include <lib/net/ip4_wire.h>
#include <lib/net/tcp_wire.h>
#include <lib/net/udp_wire.h>

/* True if the slice lies within the other one. */
static bool within(struct slice part, struct slice whole)
{
	return part.len == 0 || (part.data >= whole.data &&
	                         part.data + part.len <= whole.data + whole.len);
}

static void try_ethernet(struct slice bytes)
{
	const struct eth_wire *eth = eth_wire_parse(bytes);
	uint8_t again[ETH_HEADER];

	FUZZ_CHECK((eth != NULL) == (bytes.len >= ETH_HEADER));
	if (!eth)
		return;
	FUZZ_REACH(true, "an Ethernet header");
	eth_wire_emit(again, eth->dst, eth->src, be16_get(eth->type));
	FUZZ_CHECK(memcmp(again, bytes.data, ETH_HEADER) == 0);
}

static void try_arp(struct slice bytes)
{
	struct arp_packet packet, read;
	uint8_t again[ARP_SIZE];

	if (!arp_wire_parse(bytes, &packet))
		return;
	FUZZ_REACH(true, "an ARP packet");
	FUZZ_CHECK(packet.operation == ARP_REQUEST || packet.operation == ARP_REPLY);
	FUZZ_CHECK(!eth_is_group(packet.sender_mac));
	arp_wire_emit(again, &packet);
	FUZZ_CHECK(arp_wire_parse(slice_of(again, sizeof(again)), &read));
	FUZZ_CHECK(read.operation == packet.operation &&
	           ip4_equal(read.sender, packet.sender) &&
	           ip4_equal(read.target, packet.target) &&
	           memcmp(read.sender_mac, packet.sender_mac, ETH_MAC) == 0 &&
	           memcmp(read.target_mac, packet.target_mac, ETH_MAC) == 0);
}

/* The checksum is put right first: else hardly any input would get past it. */
static void try_ip4(struct slice bytes)
{
	uint8_t *packet = fuzz_copy(bytes);
	struct slice whole = slice_of(packet, bytes.len), payload;
	struct ip4_header header, read;
	uint8_t again[IP4_HEADER];

	if (bytes.len >= IP4_HEADER) {
		size_t size = (packet[0] & 15) * 4u;
		struct ip4_wire *wire = (struct ip4_wire *)packet;

		if (size >= IP4_HEADER && size <= bytes.len) {
			wire->checksum = be16_of(0);
			wire->checksum =
			    be16_of(checksum_finish(checksum_add(0, packet, size)));
		}
	}
	if (ip4_wire_parse_quoted(whole, &header, &payload))
		FUZZ_CHECK(within(payload, whole));
	if (ip4_wire_parse(whole, &header, &payload)) {
		FUZZ_REACH(header.size > IP4_HEADER, "an IPv4 header with options");
		FUZZ_REACH(header.offset != 0, "a fragment");
		FUZZ_CHECK(within(payload, whole));
		FUZZ_CHECK(payload.len == (size_t)header.total - header.size);
		ip4_wire_emit(again, &header);
		if (header.size == IP4_HEADER && header.total == IP4_HEADER) {
			FUZZ_CHECK(ip4_wire_parse(slice_of(again, sizeof(again)), &read,
			                          &payload));
			FUZZ_CHECK(memcmp(&header, &read, sizeof(header)) == 0);
		}
	}
	free(packet);
}

static void try_icmp(struct slice bytes)
{
	uint8_t *packet = fuzz_copy(bytes);
	struct slice whole = slice_of(packet, bytes.len);
	struct icmp_message message;
	enum net_error_kind kind;
	uint8_t again[ICMP_HEADER];

	if (bytes.len >= ICMP_HEADER) {
		struct icmp_wire *wire = (struct icmp_wire *)packet;
		wire->checksum = be16_of(0);
		wire->checksum =
		    be16_of(checksum_finish(checksum_add(0, packet, bytes.len)));
	}
	if (icmp_wire_parse(whole, &message)) {
		FUZZ_CHECK(within(message.body, whole));
		FUZZ_REACH(icmp_wire_error_kind(&message, &kind), "an ICMP error");
		icmp_wire_emit(again, &message,
		               checksum_add(0, message.body.data, message.body.len));
		FUZZ_CHECK(memcmp(again, packet, ICMP_HEADER) == 0);
		if (message.type == ICMP_ECHO && message.code == 0) {
			FUZZ_REACH(true, "an echo request");
			packet[0] = ICMP_ECHO_REPLY;
			packet[2] =
			    (uint8_t)(icmp_wire_reply_checksum(message.checksum) >> 8);
			packet[3] = (uint8_t)icmp_wire_reply_checksum(message.checksum);
			FUZZ_CHECK(icmp_wire_parse(whole, &message));
		}
	}
	free(packet);
}

static void try_udp(struct slice bytes)
{
	struct net_packet packet = {.payload = slice_skip(bytes, 1),
	                            .checksum_valid = bytes.len && bytes.data[0] & 1};
	struct udp_header header;

	if (!udp_wire_parse(&packet, &header))
		return;
	FUZZ_REACH(header.data.len > 0, "a datagram");
	FUZZ_CHECK(within(header.data, packet.payload));
	FUZZ_CHECK(header.dst != 0);
}

static bool same_options(const struct tcp_options *a, const struct tcp_options *b)
{
	if (a->has_mss != b->has_mss || a->has_window_scale != b->has_window_scale ||
	    a->has_timestamps != b->has_timestamps || a->mss != b->mss ||
	    a->sack_permitted != b->sack_permitted || a->sack_count != b->sack_count ||
	    a->window_scale != b->window_scale || a->ts_value != b->ts_value ||
	    a->ts_echo != b->ts_echo || a->has_fast_open != b->has_fast_open ||
	    a->fast_open_size != b->fast_open_size ||
	    memcmp(a->fast_open, b->fast_open, a->fast_open_size) != 0)
		return false;
	for (unsigned i = 0; i < a->sack_count; i++) {
		if (a->sack[i].start.v != b->sack[i].start.v ||
		    a->sack[i].end.v != b->sack[i].end.v)
			return false;
	}
	return true;
}

static void try_tcp(struct slice bytes)
{
	uint8_t again[TCP_HEADER_MAX];
	struct writer w = writer_of(again, sizeof(again));
	struct tcp_segment s, read;

	if (!tcp_parse(bytes, &s))
		return;
	FUZZ_CHECK(within(s.data, bytes));
	FUZZ_CHECK(s.options.sack_count <= TCP_SACK_BLOCKS);
	FUZZ_CHECK(s.options.window_scale <= TCP_WINDOW_SCALE_MAX);
	FUZZ_REACH(s.options.sack_count == TCP_SACK_BLOCKS, "four SACK blocks");
	FUZZ_REACH(s.options.has_mss && s.options.has_window_scale &&
	               s.options.has_timestamps && s.options.sack_permitted,
	           "every option of a SYN");
	/* What a peer says can be more than fits in the order that tcp_emit has. */
	if (tcp_header_size(&s.options) > TCP_HEADER_MAX)
		return;
	tcp_emit(&w, &s);
	FUZZ_CHECK(!w.failed && writer_done(&w).len == tcp_header_size(&s.options));
	FUZZ_CHECK(tcp_parse(writer_done(&w), &read));
	FUZZ_CHECK(read.src_port == s.src_port && read.dst_port == s.dst_port &&
	           read.seq.v == s.seq.v && read.ack.v == s.ack.v &&
	           read.flags == s.flags && read.window == s.window &&
	           read.urgent == s.urgent && same_options(&read.options, &s.options));
}

/* Some of the fixed part is put right: what is sought lies behind it. */
static void try_dhcp(struct slice bytes)
{
	uint8_t *copy = fuzz_copy(bytes), again[DHCP_SIZE_MAX];
	struct writer w = writer_of(again, sizeof(again));
	struct dhcp_message message;
	uint8_t prefix;

	if (bytes.len >= sizeof(struct dhcp_wire)) {
		memcpy(copy, (uint8_t[]){2, 1, ETH_MAC}, 3);
		memcpy(copy + 236, (uint8_t[]){0x63, 0x82, 0x53, 0x63}, 4);
	}
	if (dhcp_wire_parse(slice_of(copy, bytes.len), &message)) {
		FUZZ_REACH(message.type == DHCP_OFFER && ip4_value(message.mask) &&
		               ip4_value(message.router) && message.lease,
		           "an offer with all that a client needs");
		FUZZ_REACH(message.mtu, "an MTU");
		for (unsigned code = 0; code < 256; code++) {
			struct writer value = writer_of(again, sizeof(again));
			if (dhcp_wire_option(slice_of(copy, bytes.len), (uint8_t)code,
			                     &value))
				FUZZ_CHECK(writer_done(&value).len <= bytes.len);
		}
		if (dhcp_wire_prefix(message.mask, &prefix))
			FUZZ_CHECK(prefix <= 32);
		dhcp_wire_emit(&w, &message);
		FUZZ_CHECK(!w.failed);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {
	    try_ethernet, try_arp, try_ip4, try_icmp, try_udp, try_tcp, try_dhcp};
	struct slice bytes = slice_skip(slice_of(data, size), 1);

	if (size) {
		uint8_t *copy = fuzz_copy(bytes);
		parsers[data[0] % KILN_COUNT_OF(parsers)](slice_of(copy, bytes.len));
		free(copy);
	}
	return 0;
}
