/*
 * Everything at once: frames of every kind that the stack knows, half right and half
 *broken, in random order, while it sends, time passes and the device is full now and
 *then. Nothing may be read out of bounds (the sanitizers watch), every packet is
 *accounted for once, and afterwards all memory is back.
 *
 *	net_storm [ROUNDS [SEED]]	each round starts a new stack
 */
#include "fake_net.h"
#include <kiln/udp.h>
#include <lib/net/dhcp_wire.h>

enum { FRAMES_A_ROUND = 300, FRAME_SIZE = 2048 };

static unsigned rounds = 40;
static uint64_t seed = 1;
static struct kiln_random dice;

static uint32_t below(uint32_t bound)
{
	return random_below(&dice, bound);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static struct ip4_addr some_address(void)
{
	static const uint32_t known[] = {0x0a000002, 0x0a000002, 0x0a000002, 0x0a000001,
	                                 0x0a000001, 0x0a000007, 0x0a000009, 0x0a0000ff,
	                                 0x0a000000, 0xffffffff, 0,          0x7f000001,
	                                 0xe0000001, 0xc0000201};

	return one_in(20) ? ip4_of(random_u32(&dice)) : ip4_of(known[below(14)]);
}

/* The client's transaction, from its last message. */
static uint32_t xid_sent(void)
{
	for (unsigned i = fake.sent; i > 0 && fake.sent - i < FAKE_FRAMES - 1; i--) {
		struct slice frame = fake_sent(i - 1);
		if (frame.len > 282 && frame.data[23] == IP_PROTO_UDP &&
		    frame.data[37] == 67)
			return (uint32_t)frame.data[46] << 24 |
			       (uint32_t)frame.data[47] << 16 |
			       (uint32_t)frame.data[48] << 8 | frame.data[49];
	}
	return 0;
}

/* ---- frames ---- */

static size_t some_dhcp(uint8_t *out)
{
	static const uint8_t codes[] = {53, 54, 51, 58, 59, 1, 3, 26, 52, 50, 0};
	struct writer w = writer_of(out, 576);
	uint8_t *fixed = writer_room(&w, 236);
	struct be32 xid = be32_of(xid_sent());

	memset(fixed, 0, 236);
	memcpy(fixed, (uint8_t[]){2, 1, 6, 0}, 4);
	memcpy(fixed + 4, &xid, 4);
	memcpy(fixed + 16, (uint8_t[]){10, 0, 0, 7}, 4);
	memcpy(fixed + 28, fake_mac, 6);
	writer_u32(&w, 0x63825363);
	static const uint8_t types[] = {DHCP_OFFER, DHCP_OFFER, DHCP_ACK, DHCP_ACK,
	                                DHCP_NAK};
	writer_bytes(&w, slice_of((uint8_t[]){53, 1, types[below(5)]}, 3));
	writer_bytes(&w, slice_of((uint8_t[]){54, 4, 10, 0, 0, 1}, 6));
	writer_u16(&w, 51 << 8 | 4);
	writer_u32(&w, one_in(8) ? random_u32(&dice) : below(4000));
	for (unsigned i = below(6); i > 0; i--) {
		writer_u8(&w, codes[below(sizeof(codes))]);
		writer_u8(&w, (uint8_t)(one_in(6) ? below(256) : 4));
		writer_u32(&w, random_u32(&dice));
	}
	if (!one_in(4))
		writer_u8(&w, 255);
	return writer_done(&w).len;
}

static size_t some_icmp(uint8_t *out)
{
	static const uint8_t types[] = {8, 8, 8, 0, 3, 3, 3, 11, 12, 5, 13};
	struct icmp_message m = {.type = types[below(sizeof(types))],
	                         .code = one_in(2) ? 4 : (uint8_t)below(17),
	                         .number = (uint16_t)below(1600)};
	size_t size = below(1400);

	random_bytes(&dice, out + ICMP_HEADER, size);
	if (m.type == 8)
		m.code = 0;
	if (m.type != 8 && size > 40 && !one_in(8)) {
		struct ip4_header quoted = {.src = FAKE_ADDRESS,
		                            .dst = some_address(),
		                            .total = (uint16_t)below(65536),
		                            .dont_fragment = one_in(2),
		                            .protocol = one_in(2) ? IP_PROTO_UDP : 6};
		ip4_wire_emit(out + ICMP_HEADER, &quoted);
	}
	icmp_wire_emit(out, &m, checksum_add(0, out + ICMP_HEADER, size));
	return ICMP_HEADER + size;
}

static size_t some_udp(uint8_t *out)
{
	size_t size = one_in(4) ? some_dhcp(out + UDP_HEADER) : below(1400);
	bool dhcp = out[UDP_HEADER] == 2 && out[UDP_HEADER + 2] == 6;

	udp_wire_emit(out, dhcp ? 67 : (uint16_t)below(65536),
	              dhcp        ? 68
	              : one_in(3) ? (uint16_t)below(65536)
	                          : 7,
	              size);
	return UDP_HEADER + size;
}

static size_t some_ip4(uint8_t *frame)
{
	uint8_t payload[FRAME_SIZE] = {0};
	struct ip4_header h = {.src = some_address(),
	                       .dst = some_address(),
	                       .id = (uint16_t)below(4),
	                       .tos = one_in(4) ? (uint8_t)below(256) : 0};
	size_t size = 0;

	switch (below(4)) {
	case 0:
		h.protocol = IP_PROTO_ICMP;
		size = some_icmp(payload);
		break;
	case 1:
		h.protocol = (uint8_t)below(256);
		size = below(100);
		break;
	default:
		h.protocol = IP_PROTO_UDP;
		size = some_udp(payload);
	}
	if (one_in(2)) {
		h.src = PEER_ADDRESS;
		h.dst = FAKE_ADDRESS;
	}
	if (one_in(3)) { /* a part of something larger */
		h.offset = (uint16_t)(below(3) * 160);
		h.more_fragments = h.offset != 320;
		size = 160;
	}
	if (one_in(20)) {
		h.offset = (uint16_t)(below(8192) * 8);
		h.more_fragments = one_in(2);
	}
	return fake_ip4(frame, one_in(9) ? all_mac : fake_mac, h,
	                slice_of(payload, size));
}

static size_t some_arp(uint8_t *frame)
{
	struct arp_packet packet = {.operation = (uint16_t)(1 + below(2)),
	                            .sender = some_address(),
	                            .target = some_address()};

	memcpy(packet.sender_mac, one_in(4) ? other_mac : peer_mac, 6);
	eth_wire_emit(frame, one_in(2) ? all_mac : fake_mac, peer_mac, ETH_TYPE_ARP);
	arp_wire_emit(frame + ETH_HEADER, &packet);
	return ETH_HEADER + ARP_SIZE;
}

static void give_something(void)
{
	static uint8_t frame[FRAME_SIZE];
	size_t size = one_in(3) ? some_arp(frame) : some_ip4(frame);
	struct netdev_offload offload = {.flags = (uint8_t)below(4)};

	if (one_in(8))
		size = below((uint32_t)size + 1);
	if (one_in(6) && size)
		frame[below((uint32_t)size)] ^= (uint8_t)below(256);
	if (one_in(4)) {
		offload.gso_type = NETDEV_GSO_UDP_L4;
		offload.gso_size = (uint16_t)below(600);
	}
	fake_receive_with(slice_of(frame, size), &offload);
}

/* ---- the storm ---- */

static void echo(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	(void)udp_send(socket, &d->from, d->payload);
}

/* Received packets are dropped and counted, kept for a while, or of use. */
static void expect_accounted_once(uint64_t dropped_before, uint32_t kept_before)
{
	uint64_t dropped = fake_drops_in() - dropped_before;

	/* A segmented datagram may be refused piece by piece, and a fragment takes those
	 * that it overlaps along; nothing else drops more than itself. */
	assert_true(dropped <= 1 + (uint64_t)kept_before);
}

static uint32_t fragments_kept(void)
{
	uint32_t kept = 0;

	list_each (node, &fake.net->fragments.list)
		kept += kiln_container(node, struct fragment_datagram, node)->fragments;
	return kept;
}

static void storm(unsigned round)
{
	static const char given[] = "ip=10.0.0.2/24\0gateway=10.0.0.1",
	                  leased[] = "ip=dhcp";
	static const uint8_t payload[5000];
	struct udp_socket *socket = NULL;

	if (round % 2)
		assert_true(fake_start_on(given, sizeof(given),
		                          round % 4 == 1 ? NETDEV_TX_CSUM : 0));
	else
		assert_true(fake_start_on(leased, sizeof(leased), 0));
	if (round % 3)
		assert_int_equal(udp_bind(udp_new(fake.net), 7, echo, NULL, &socket),
		                 KILN_OK);
	for (unsigned i = 0; i < FRAMES_A_ROUND; i++) {
		uint64_t dropped = fake_drops_in();
		uint32_t kept = fragments_kept();
		fake.full = one_in(20);
		give_something();
		expect_accounted_once(dropped, kept);
		if (one_in(10))
			fake_pass(KILN_MS(1) << below(16));
		if (socket && one_in(10)) {
			struct endpoint to = {ip_from4(some_address()), 9};
			(void)udp_send(socket, &to,
			               slice_of(payload, below(sizeof(payload))));
		}
	}
	fake_pass(KILN_SECONDS(60));
	assert_int_equal(fake.net->fragments.pages.used, 0);
	assert_int_equal(fake.net->fragments.datagrams.used, 0);
	if (fake.net->dhcp) /* may be renewing, with a server that is not there */
		assert_true(fake.net->neighbours.frames.used <= 1);
	else
		assert_int_equal(fake.net->neighbours.frames.used, 0);
	assert_int_equal(fake.net->chunks.used, fake.net->neighbours.frames.used);
}

static void nothing_that_arrives_does_harm(void **state)
{
	uint8_t bytes[8];
	unsigned reassembled = 0, leased = 0, echoed = 0;

	memcpy(bytes, &seed, sizeof(bytes));
	random_init(&dice, bytes, sizeof(bytes), 0);
	for (unsigned round = 0; round < rounds; round++) {
		storm(round);
		reassembled += fake_counters().reassembled != 0;
		echoed += fake_counters().icmp_echo != 0;
		leased += round % 2 == 0 && strstr(fake.console, "net0 up") != NULL;
	}
	/* The storm reaches what it is meant to reach. */
	assert_true(reassembled && leased && echoed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_that_arrives_does_harm),
	};

	if (argc > 1)
		rounds = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests_name("net storm", tests, NULL, NULL);
}
