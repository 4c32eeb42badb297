/*
 * Configuration, frames, ARP (RFC 826, 5227) and IPv4 in: what is taken, what is dropped,
 * and that every drop is counted in exactly one counter.
 */
#include "fake_net.h"

/* ---- configuration ---- */

static void options_that_make_no_sense_end_the_image_with_a_message(void **state)
{
	static const char *const bad[] = {
	    "ip=10.0.0.0/24",  "ip=10.0.0.255/24", "ip=127.0.0.1/8",
	    "ip=224.0.0.1/24", "ip=10.0.0.2/0",    "ip=10.0.0.2/33",
	    "ip=10.0.0.2",     "ip=net0=10.0.0.2", "ip=10.0.0.2/24\0gateway=10.0.1.1",
	};

	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++) {
		size_t size = strlen(bad[i]) + 1;
		if (i == KILN_COUNT_OF(bad) - 1)
			size += strlen(bad[i] + size) + 1;
		assert_false(fake_start_on(bad[i], size, 0));
		assert_int_equal(fake.exit_status, 1);
		assert_non_null(strstr(fake.console, "--"));
	}
}

static void a_static_address_is_up_and_announced_at_once(void **state)
{
	fake_start("ip=net1=192.0.2.1/24,net0=10.0.0.2/24\0gateway=10.0.0.1");
	assert_true(net_is_up(fake.net));
	assert_int_equal(ip4_value(net_address(fake.net)), 0x0a000002);
	assert_non_null(strstr(fake.console, "net0 up, 10.0.0.2/24 gateway 10.0.0.1"));
	struct arp_packet a = sent_arp(0);
	assert_true(ip4_equal(a.sender, FAKE_ADDRESS) &&
	            ip4_equal(a.target, FAKE_ADDRESS));
	assert_int_equal(a.operation, ARP_REQUEST);
	fake_pass(KILN_SECONDS(60));
	assert_int_equal(fake.sent, 2); /* ANNOUNCE_NUM */
}

static void the_stack_takes_at_most_a_sixteenth_of_four_megabytes(void **state)
{
	fake_start("ip=10.0.0.2/24");
	assert_true((size_t)(fake.kiln.arena.at - fake.kiln.arena.start) <= 256 << 10);
}

/* ---- frames ---- */

static void frames_that_are_not_ours_are_counted_as_ethernet_drops(void **state)
{
	uint8_t frame[64] = {0};

	for (size_t n = 0; n < ETH_HEADER; n++)
		fake_receive(slice_of(frame, n));
	eth_wire_emit(frame, other_mac, peer_mac, ETH_TYPE_IP4);
	fake_receive(slice_of(frame, sizeof(frame)));
	eth_wire_emit(frame, fake_mac, peer_mac, 0x86dd);
	fake_receive(slice_of(frame, sizeof(frame)));
	eth_wire_emit(frame, (uint8_t[]){1, 0, 0x5e, 0, 0, 1}, peer_mac, ETH_TYPE_IP4);
	fake_receive(slice_of(frame, sizeof(frame)));
	assert_int_equal(fake_counters().drop_ethernet, ETH_HEADER + 3);
	assert_int_equal(fake_drops(), ETH_HEADER + 3);
	assert_int_equal(fake.sent, 0);
}

/* ---- ARP ---- */

static void a_request_for_our_address_is_answered_to_who_asked(void **state)
{
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
	assert_int_equal(fake.sent, 1);
	struct arp_packet a = sent_arp(0);
	assert_int_equal(a.operation, ARP_REPLY);
	assert_memory_equal(a.sender_mac, fake_mac, 6);
	assert_true(ip4_equal(a.sender, FAKE_ADDRESS) &&
	            ip4_equal(a.target, PEER_ADDRESS));
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, peer_mac, 6);
	assert_int_equal(fake_drops(), 0);
}

static void a_probe_for_our_address_is_answered_and_not_learnt(void **state)
{
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, NO_ADDRESS, FAKE_ADDRESS);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(sent_arp(0).operation, ARP_REPLY);
	assert_int_equal(fake.net->neighbours.entries.used, 0);
}

static void nothing_is_learnt_from_what_was_not_asked_for(void **state)
{
	/* A gratuitous announcement, an unsolicited reply, a request for another host. */
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, PEER_ADDRESS, PEER_ADDRESS);
	fake_receive_arp(fake_mac, ARP_REPLY, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, PEER_ADDRESS,
	                 ip4_of(0x0a000063));
	assert_int_equal(fake.net->neighbours.entries.used, 0);
	/* Hosts that cannot be neighbours: another network, broadcast, loopback. */
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, ip4_of(0x0b000001),
	                 FAKE_ADDRESS);
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, ip4_of(0x0a0000ff),
	                 FAKE_ADDRESS);
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, ip4_of(0x0a000000),
	                 FAKE_ADDRESS);
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, ip4_of(0x7f000001),
	                 FAKE_ADDRESS);
	/* From a group, and our own frame come back. */
	fake_receive_arp(all_mac, ARP_REQUEST, all_mac, PEER_ADDRESS, FAKE_ADDRESS);
	fake_receive_arp(all_mac, ARP_REQUEST, fake_mac, FAKE_ADDRESS, PEER_ADDRESS);
	assert_int_equal(fake.net->neighbours.entries.used, 0);
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake_counters().drop_arp, 8);
	assert_int_equal(fake_counters().drop_ethernet, 1);
	assert_int_equal(fake_drops(), 9);
}

static enum kiln_error send_to(uint32_t to)
{
	struct ip_addr dst = ip_from4(ip4_of(to));
	struct netdev_frame frame;

	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 8), 0xaa, 8);
	return net_send(fake.net, &frame, 99, &dst, NET_NO_CHECKSUM, NULL);
}

static void frames_wait_for_the_answer_and_leave_in_order(void **state)
{
	struct ip4_header h;

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_int_equal(fake.sent, 1); /* one question for all three */
	struct arp_packet a = sent_arp(0);
	assert_int_equal(a.operation, ARP_REQUEST);
	assert_true(ip4_equal(a.target, PEER_ADDRESS));
	fake_receive_arp(fake_mac, ARP_REPLY, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
	assert_int_equal(fake.sent, 4);
	for (unsigned i = 1; i < 4; i++) {
		assert_memory_equal(eth_wire_parse(fake_sent(i))->dst, peer_mac, 6);
		assert_int_equal(sent_ip4(i, &h).len, 8);
	}
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_int_equal(fake.sent, 5);
	assert_int_equal(fake_drops(), 0);
}

static void an_unanswered_question_is_asked_three_times_and_then_drops(void **state)
{
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	fake_pass(KILN_MS(2900));
	assert_int_equal(fake.sent, 3); /* never more than one a second */
	fake_pass(KILN_MS(200));
	assert_int_equal(fake_counters().drop_unresolved, 1);
	assert_int_equal(send_to(0x0a000001), KILN_ERR_UNREACHABLE);
	assert_int_equal(fake_counters().drop_unresolved, 2);
	fake_pass(KILN_SECONDS(4));
	assert_int_equal(send_to(0x0a000001), KILN_OK); /* asked again, later */
	assert_int_equal(fake.sent, 4);
}

static void frames_that_wait_are_bounded_for_a_neighbour_and_in_all(void **state)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < 10; i++)
		waiting += send_to(0x0a000001) == KILN_OK;
	assert_int_equal(waiting, 4);
	for (uint32_t host = 2; host < 40; host++)
		waiting += host != 2 && send_to(0x0a000000 + host) == KILN_OK;
	assert_int_equal(waiting, fake.net->neighbours.frames.count);
	assert_int_equal(fake_drops(), 47 - waiting);
	fake_pass(KILN_SECONDS(10));
	assert_int_equal(fake.net->neighbours.frames.used, 0);
	assert_int_equal(fake_drops(), 47); /* each once */
}

static void chunks_of_waiting_frames_are_held_and_let_go(void **state)
{
	struct ip_addr dst = ip_from4(PEER_ADDRESS);
	struct netdev_frame frame;
	struct chunk *chunk = chunk_get(&fake.net->chunks);

	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 8), 0, 8);
	memset(chunk->data, 0x5a, 1000);
	assert_true(netdev_frame_add(&frame, chunk->data, 1000, chunk));
	assert_int_equal(net_send(fake.net, &frame, 99, &dst, NET_NO_CHECKSUM, NULL),
	                 KILN_OK);
	assert_int_equal(chunk->refs, 2);
	chunk_unref(chunk);
	fake_receive_arp(fake_mac, ARP_REPLY, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
	assert_int_equal(fake_sent(1).len, 14 + 20 + 8 + 1000);
	assert_int_equal(fake_sent(1).data[14 + 20 + 8 + 999], 0x5a);
	assert_int_equal(fake.net->chunks.used, 0);
}

static void a_neighbour_in_use_is_asked_again_by_unicast(void **state)
{
	fake_meet_peer();
	for (unsigned i = 0; i < 66; i++) {
		assert_int_equal(send_to(0x0a000001), KILN_OK);
		fake_pass(KILN_SECONDS(1));
	}
	unsigned questions = 0;
	for (unsigned i = 0; i < fake.sent; i++) {
		const struct eth_wire *eth = eth_wire_parse(fake_sent(i));
		assert_memory_equal(eth->dst, peer_mac, 6);
		questions += be16_get(eth->type) == ETH_TYPE_ARP;
	}
	assert_true(questions >= 1);
	/* No answer: it is forgotten after three, and then asked for by broadcast. */
	fake_pass(KILN_SECONDS(5));
	fake.sent = 0;
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, all_mac, 6);
}

static void a_transports_hint_keeps_a_neighbour_without_questions(void **state)
{
	struct ip_addr peer = ip_from4(PEER_ADDRESS);

	fake_meet_peer();
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(send_to(0x0a000001), KILN_OK);
		net_confirm(fake.net, &peer);
		fake_pass(KILN_SECONDS(1));
	}
	assert_int_equal(fake.sent, 300);
}

static void a_neighbour_in_doubt_is_asked_for_by_broadcast(void **state)
{
	static const uint8_t wrong_mac[6] = {2, 9, 9, 9, 9, 9};
	struct ip_addr peer = ip_from4(PEER_ADDRESS);

	fake_receive_arp(all_mac, ARP_REQUEST, wrong_mac, PEER_ADDRESS, FAKE_ADDRESS);
	fake_pass(KILN_SECONDS(2));
	fake.sent = 0;
	net_doubt(fake.net, &peer);
	net_doubt(fake.net, &peer); /* once is enough */
	assert_int_equal(fake.sent, 1);
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, all_mac, 6);
	assert_int_equal(send_to(0x0a000001), KILN_OK); /* does not wait for the answer */
	assert_memory_equal(eth_wire_parse(fake_sent(1))->dst, wrong_mac, 6);
	fake_receive_arp(fake_mac, ARP_REPLY, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_memory_equal(eth_wire_parse(fake_sent(2))->dst, peer_mac, 6);
	net_doubt(fake.net, &peer); /* it has just answered */
	assert_int_equal(fake.sent, 3);
}

/* All that there is room for, of a network of so many. */
static uint32_t start_large(void)
{
	fake_start("ip=10.0.0.2/16");
	fake_meet_peer();
	return fake.net->neighbours.entries.count;
}

static void ask_us(uint32_t host)
{
	fake_receive_arp(all_mac, ARP_REQUEST, other_mac, ip4_of(0x0a000000 + host),
	                 FAKE_ADDRESS);
}

static bool is_known(uint32_t host)
{
	struct ip_addr addr = ip_from4(ip4_of(0x0a000000 + host));

	return neighbour_find(fake.net, &addr) != NULL;
}

static void a_flood_of_askers_does_not_push_out_a_neighbour_in_use(void **state)
{
	uint32_t room = start_large();

	assert_int_equal(send_to(0x0a000001), KILN_OK);
	fake_pass(KILN_SECONDS(10));
	for (uint32_t host = 3; host < 3 * room; host++)
		ask_us(host);
	assert_int_equal(fake.net->neighbours.entries.used, room);
	assert_true(is_known(3 * room - 1) && !is_known(3)); /* the oldest gave way */
	fake.sent = 0;
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, peer_mac, 6);
}

static void questions_that_nobody_answers_push_out_no_neighbour(void **state)
{
	uint32_t room = start_large();

	assert_int_equal(send_to(0x0a000001), KILN_OK);
	fake_pass(KILN_SECONDS(10));
	for (uint32_t host = 3; host < 3 * room; host++)
		(void)send_to(0x0a000000 + host);
	assert_int_equal(fake.net->neighbours.entries.used, room);
	fake.sent = 0;
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, peer_mac, 6);
}

static void of_known_neighbours_the_one_idle_longest_gives_way(void **state)
{
	uint32_t room = start_large(), last = room + 2;

	assert_int_equal(send_to(0x0a000001), KILN_OK);
	for (uint32_t host = 3; host < last; host++) {
		ask_us(host);
		assert_int_equal(send_to(0x0a000000 + host), KILN_OK);
	}
	/* All of them just now: there is no room. */
	assert_int_equal(send_to(0x0a000000 + last), KILN_ERR_FULL);
	assert_true(is_known(1) && is_known(3));
	fake_pass(KILN_SECONDS(3));
	assert_int_equal(send_to(0x0a000001), KILN_OK);
	assert_int_equal(send_to(0x0a000000 + last), KILN_OK);
	assert_true(is_known(1) && !is_known(3) && is_known(4));
}

static void what_is_on_another_network_goes_to_the_gateway(void **state)
{
	fake_meet_peer();
	assert_int_equal(send_to(0xc0000201), KILN_OK);
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, peer_mac, 6);
	fake_start("ip=10.0.0.2/24"); /* without a gateway */
	assert_int_equal(send_to(0xc0000201), KILN_ERR_UNREACHABLE);
	assert_int_equal(send_to(0x7f000001), KILN_ERR_UNREACHABLE);
	assert_int_equal(send_to(0x0a000002), KILN_ERR_UNREACHABLE);
	assert_int_equal(fake_counters().drop_no_route, 3);
	assert_int_equal(fake_drops(), 3);
}

static void broadcasts_need_no_neighbour(void **state)
{
	assert_int_equal(send_to(0xffffffff), KILN_OK);
	assert_int_equal(send_to(0x0a0000ff), KILN_OK);
	assert_int_equal(send_to(0xe00000fb), KILN_OK);
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, all_mac, 6);
	assert_memory_equal(eth_wire_parse(fake_sent(1))->dst, all_mac, 6);
	assert_memory_equal(eth_wire_parse(fake_sent(2))->dst,
	                    ((uint8_t[]){1, 0, 0x5e, 0, 0, 0xfb}), 6);
}

static void an_address_conflict_is_defended_once_in_ten_seconds(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		fake_receive_arp(all_mac, ARP_REQUEST, other_mac, FAKE_ADDRESS,
		                 PEER_ADDRESS);
		fake_receive_arp(fake_mac, ARP_REPLY, other_mac, FAKE_ADDRESS,
		                 FAKE_ADDRESS);
	}
	assert_int_equal(fake.sent, 1);
	struct arp_packet a = sent_arp(0);
	assert_true(ip4_equal(a.sender, FAKE_ADDRESS) &&
	            ip4_equal(a.target, FAKE_ADDRESS));
	assert_memory_equal(eth_wire_parse(fake_sent(0))->dst, all_mac, 6);
	fake_pass(KILN_SECONDS(11));
	fake.sent = 0;
	fake_receive_arp(all_mac, ARP_REQUEST, other_mac, FAKE_ADDRESS, PEER_ADDRESS);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(fake_counters().arp_conflicts, 41);
	assert_true(net_is_up(fake.net));
	assert_int_equal(fake_drops(), 0);
}

/* ---- IPv4 in ---- */

/* A transport that counts what it gets. */
static struct heard {
	unsigned packets;
	struct net_packet last;
	uint8_t byte;
} heard;

static void hear(void *transport, const struct net_packet *packet)
{
	heard.packets++;
	heard.last = *packet;
	heard.byte = packet->payload.len ? packet->payload.data[0] : 0;
}

static int fake_up_hearing(void **state)
{
	static const struct net_transport transport = {.input = hear};

	fake_up(state);
	heard = (struct heard){0};
	net_register(fake.net, 99, &transport);
	return 0;
}

static const struct ip4_header from_peer = {.src = {{{10, 0, 0, 1}}},
                                            .dst = {{{10, 0, 0, 2}}},
                                            .protocol = 99,
                                            .ttl = 9,
                                            .tos = 3};

static void a_packet_for_us_reaches_its_transport(void **state)
{
	fake_receive_ip4(from_peer, SLICE("payload"));
	assert_int_equal(heard.packets, 1);
	assert_int_equal(heard.last.payload.len, 7);
	assert_int_equal(heard.last.header.len, 20);
	assert_int_equal(heard.byte, 'p');
	assert_int_equal(heard.last.ttl, 9);
	assert_int_equal(heard.last.ecn, IP_ECN_CE);
	assert_false(heard.last.broadcast || heard.last.checksum_valid);
	assert_int_equal(fake_drops(), 0);
}

static void the_devices_word_on_checksum_and_segments_is_passed_on(void **state)
{
	static uint8_t frame[FAKE_FRAME_SIZE], payload[65515];
	struct netdev_offload offload = {.flags = NETDEV_NEEDS_CSUM,
	                                 .gso_type = NETDEV_GSO_TCP4 | NETDEV_GSO_ECN,
	                                 .gso_size = 1448};
	size_t size =
	    fake_ip4(frame, fake_mac, from_peer, slice_of(payload, sizeof(payload)));

	fake_receive_with(slice_of(frame, size), &offload);
	assert_int_equal(heard.last.payload.len, 65515);
	assert_int_equal(heard.last.gso_size, 1448);
	assert_true(heard.last.checksum_valid);
	offload = (struct netdev_offload){
	    .flags = NETDEV_DATA_VALID, .gso_type = NETDEV_GSO_UDP, .gso_size = 1480};
	fake_receive_with(slice_of(frame, size), &offload);
	assert_int_equal(heard.last.gso_size, 0); /* was one datagram in fragments */
	assert_true(heard.last.checksum_valid);
}

static void malformed_headers_are_counted_as_such(void **state)
{
	uint8_t frame[128];
	size_t size = fake_ip4(frame, fake_mac, from_peer, SLICE("payload"));
	unsigned bad = 0;

	for (size_t at = 0; at < IP4_HEADER;
	     at++) { /* every byte is under the checksum */
		frame[ETH_HEADER + at] ^= 0x10;
		fake_receive(slice_of(frame, size));
		frame[ETH_HEADER + at] ^= 0x10;
		bad++;
	}
	for (size_t n = ETH_HEADER; n < size; n++, bad++)
		fake_receive(slice_of(frame, n));
	assert_int_equal(heard.packets, 0);
	assert_int_equal(fake_counters().drop_ip_header, bad);
	assert_int_equal(fake_drops(), bad);
}

static void packets_from_nowhere_or_for_others_are_counted_as_such(void **state)
{
	static const uint32_t bad_source[] = {0,          0x00000001, 0x7f000001,
	                                      0xe0000001, 0xf0000001, 0xffffffff,
	                                      0x0a0000ff, 0x0a000002};
	static const uint32_t bad_target[] = {0x0a000003, 0x7f000001, 0xe0000001, 0,
	                                      0xc0000201};
	static uint8_t frame[128];
	struct ip4_header h;
	unsigned bad = 0;

	for (size_t i = 0; i < KILN_COUNT_OF(bad_source); i++, bad++) {
		h = from_peer;
		h.src = ip4_of(bad_source[i]);
		fake_receive_ip4(h, SLICE("payload"));
	}
	for (size_t i = 0; i < KILN_COUNT_OF(bad_target); i++, bad++) {
		h = from_peer;
		h.dst = ip4_of(bad_target[i]);
		fake_receive_ip4(h, SLICE("payload"));
	}
	/* For us alone, and yet by link broadcast (RFC 1122, 3.3.6). */
	fake_receive(
	    slice_of(frame, fake_ip4(frame, all_mac, from_peer, SLICE("payload"))));
	bad++;
	assert_int_equal(heard.packets, 0);
	assert_int_equal(fake_counters().drop_ip_address, bad);
	assert_int_equal(fake_drops(), bad);
}

static void broadcasts_of_both_kinds_are_taken_and_marked(void **state)
{
	struct ip4_header h = from_peer;

	h.dst = ALL_ADDRESS;
	fake_receive_ip4(h, SLICE("payload"));
	assert_true(heard.last.broadcast);
	h.dst = ip4_of(0x0a0000ff);
	fake_receive_ip4(h, SLICE("payload"));
	assert_true(heard.last.broadcast);
	assert_int_equal(heard.packets, 2);
}

static void random_frames_do_no_harm_and_are_counted_once_each(void **state)
{
	static uint8_t frame[200], noise[120];

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t before = fake_drops_in() + heard.packets;
		struct ip4_header h = from_peer;
		random_bytes(&fake.kiln.random, noise, sizeof(noise));
		h.protocol = noise[0] & 1 ? 99 : noise[1];
		h.more_fragments = noise[2] < 8;
		h.offset = noise[2] < 16 ? (uint16_t)(noise[3] * 8) : 0;
		size_t n =
		    fake_ip4(frame, fake_mac, h, slice_of(noise + 10, noise[4] % 100));
		if (noise[5] & 1)
			frame[ETH_HEADER + noise[6] % 20] ^= noise[7];
		fake_receive(slice_of(frame, n));
		if (i % 16 == 0)
			fake_pass(KILN_SECONDS(3));
		/* Delivered, dropped, or kept as a fragment: never counted twice. (What
		 * time drops was kept before.) */
		if (i % 16)
			assert_true(fake_drops_in() + heard.packets <= before + 6);
	}
	fake_pass(KILN_SECONDS(60));
	assert_int_equal(fake.net->fragments.pages.used, 0);
	assert_int_equal(fake.net->fragments.datagrams.used, 0);
	assert_int_equal(fake_drops_in() + heard.packets + fake_counters().icmp_echo,
	                 20000);
}

#define up(test)      cmocka_unit_test_setup(test, fake_up)
#define hearing(test) cmocka_unit_test_setup(test, fake_up_hearing)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_that_make_no_sense_end_the_image_with_a_message),
	    cmocka_unit_test(a_static_address_is_up_and_announced_at_once),
	    cmocka_unit_test(the_stack_takes_at_most_a_sixteenth_of_four_megabytes),
	    up(frames_that_are_not_ours_are_counted_as_ethernet_drops),
	    up(a_request_for_our_address_is_answered_to_who_asked),
	    up(a_probe_for_our_address_is_answered_and_not_learnt),
	    up(nothing_is_learnt_from_what_was_not_asked_for),
	    up(frames_wait_for_the_answer_and_leave_in_order),
	    up(an_unanswered_question_is_asked_three_times_and_then_drops),
	    up(frames_that_wait_are_bounded_for_a_neighbour_and_in_all),
	    up(chunks_of_waiting_frames_are_held_and_let_go),
	    up(a_neighbour_in_use_is_asked_again_by_unicast),
	    up(a_transports_hint_keeps_a_neighbour_without_questions),
	    up(a_neighbour_in_doubt_is_asked_for_by_broadcast),
	    cmocka_unit_test(a_flood_of_askers_does_not_push_out_a_neighbour_in_use),
	    cmocka_unit_test(questions_that_nobody_answers_push_out_no_neighbour),
	    cmocka_unit_test(of_known_neighbours_the_one_idle_longest_gives_way),
	    up(what_is_on_another_network_goes_to_the_gateway),
	    up(broadcasts_need_no_neighbour),
	    up(an_address_conflict_is_defended_once_in_ten_seconds),
	    hearing(a_packet_for_us_reaches_its_transport),
	    hearing(the_devices_word_on_checksum_and_segments_is_passed_on),
	    hearing(malformed_headers_are_counted_as_such),
	    hearing(packets_from_nowhere_or_for_others_are_counted_as_such),
	    hearing(broadcasts_of_both_kinds_are_taken_and_marked),
	    hearing(random_frames_do_no_harm_and_are_counted_once_each),
	};

	return cmocka_run_group_tests_name("net link", tests, NULL, NULL);
}
