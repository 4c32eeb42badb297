/*
 * IPv4 out, ICMP and UDP: checksums with and without the device's help, fragmentation,
 * errors in both directions. Pieces that come in are net_reassembly.c's.
 */
#include "udp_play.h"

static int setup_offload(void **state)
{
	static const char options[] = "ip=10.0.0.2/24";

	setup(state);
	assert_true(
	    fake_start_on(options, sizeof(options), NETDEV_TX_CSUM | NETDEV_TX_TSO4));
	fake_meet_peer();
	return 0;
}

/* ---- net_send ---- */

enum { TEST_PROTOCOL = 99, TEST_HEADER = 8, TEST_CHECKSUM = 4 };

/* A packet of a header and `count` frags of these sizes, from the pattern. */
static enum kiln_error send_frags(const size_t *sizes, unsigned count, uint8_t gso_type,
                                  const struct net_send_options *options)
{
	struct ip_addr dst = ip_from4(PEER_ADDRESS);
	struct netdev_frame frame;
	size_t at = 0;

	netdev_frame_init(&frame);
	memcpy(netdev_frame_push(&frame, TEST_HEADER), "\1\2\3\4\0\0\7\10", TEST_HEADER);
	for (unsigned i = 0; i < count; i++) {
		assert_true(netdev_frame_add(&frame, pattern + at, sizes[i], NULL));
		at += sizes[i];
	}
	if (gso_type) {
		frame.offload.gso_type = gso_type;
		frame.offload.gso_size = 1448;
	}
	uint16_t start = frame.head_start;
	enum kiln_error error =
	    net_send(fake.net, &frame, TEST_PROTOCOL, &dst, TEST_CHECKSUM, options);
	assert_int_equal(frame.head_start, start); /* the caller's again */
	return error;
}

static void checksums_hold_over_frags_of_odd_sizes(void **state)
{
	static const size_t sizes[][4] = {{1, 1, 1, 1},         {3, 5, 7, 9},
	                                  {100, 1, 100, 1},     {0, 33, 0, 33},
	                                  {255, 255, 255, 255}, {8, 8, 8, 7}};
	struct ip4_header h;

	for (unsigned i = 0; i < KILN_COUNT_OF(sizes); i++) {
		assert_int_equal(send_frags(sizes[i], 4, 0, NULL), KILN_OK);
		struct slice payload = sent_ip4(i, &h);
		assert_int_equal(transport_checksum(&h, payload), 0);
		assert_int_equal(fake.frames[i].offload.flags, 0);
	}
}

static void a_device_that_sums_gets_the_pseudo_header_alone(void **state)
{
	static const size_t size = 1000;
	struct ip4_header h;

	assert_int_equal(send_frags(&size, 1, 0, NULL), KILN_OK);
	const struct netdev_offload *o = &fake.frames[0].offload;
	assert_int_equal(o->flags, NETDEV_NEEDS_CSUM);
	assert_int_equal(o->checksum_start, 34);
	assert_int_equal(o->checksum_offset, TEST_CHECKSUM);
	/* What the device does then: sum from the start, and store the complement. */
	struct slice payload = sent_ip4(0, &h);
	uint16_t sum = plain_checksum(0, payload);
	uint8_t *field = fake.frames[0].bytes + 34 + TEST_CHECKSUM;
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
	assert_int_equal(transport_checksum(&h, payload), 0);
}

static void a_segmented_frame_leaves_in_one_piece(void **state)
{
	static const size_t size = 60000;
	struct ip4_header h;

	assert_int_equal(send_frags(&size, 1, NETDEV_GSO_TCP4, NULL), KILN_OK);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(sent_ip4(0, &h).len, 60000 + TEST_HEADER);
	assert_int_equal(fake.frames[0].offload.gso_type, NETDEV_GSO_TCP4);
	assert_int_equal(fake.frames[0].offload.gso_size, 1448);
	assert_int_equal(fake.frames[0].offload.header_size, 14 + 20 + TEST_HEADER);
	assert_int_equal(send_frags(&size, 1, NETDEV_GSO_UDP_L4, NULL),
	                 KILN_ERR_TOO_LARGE);
}

static void a_packet_over_the_mtu_is_refused_unless_it_may_be_cut(void **state)
{
	static const size_t size = 1473;
	static const struct net_send_options cut = {.may_fragment = true};
	struct ip4_header h;

	assert_int_equal(send_frags(&size, 1, 0, NULL), KILN_ERR_TOO_LARGE);
	assert_int_equal(fake.sent, 0);
	assert_int_equal(send_frags(&size, 1, 0, &cut), KILN_OK);
	assert_int_equal(fake.sent, 2);
	sent_ip4(0, &h);
	assert_true(h.more_fragments && !h.dont_fragment);
	uint16_t id = h.id;
	sent_ip4(1, &h);
	assert_true(!h.more_fragments && h.offset == 1480 && h.id == id);
}

static void only_from_our_own_address_is_anything_sent(void **state)
{
	static const size_t size = 8;
	struct ip_addr ours = ip_from4(FAKE_ADDRESS), gone = ip_from4(ip4_of(0x0a000007)),
	               none = ip_from4(NO_ADDRESS);
	struct net_send_options options = {.src = &ours};

	assert_int_equal(send_frags(&size, 1, 0, &options), KILN_OK);
	options.src = &gone; /* of a lease that has ended */
	assert_int_equal(send_frags(&size, 1, 0, &options), KILN_ERR_UNREACHABLE);
	options.src = &none;
	assert_int_equal(send_frags(&size, 1, 0, &options), KILN_ERR_UNREACHABLE);
	assert_int_equal(fake_counters().drop_no_route, 2);
	assert_int_equal(fake.sent, 1);
}

static void identifications_of_what_may_be_cut_do_not_repeat(void **state)
{
	static const size_t size = 8;
	static const struct net_send_options cut = {.may_fragment = true};
	static uint8_t seen[65536 / 8];
	struct ip4_header h;

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 65536; i++) {
		assert_int_equal(send_frags(&size, 1, 0, &cut), KILN_OK);
		sent_ip4(i, &h);
		assert_false(seen[h.id / 8] >> h.id % 8 & 1);
		seen[h.id / 8] |= (uint8_t)(1 << h.id % 8);
	}
	assert_int_equal(send_frags(&size, 1, 0, NULL), KILN_OK);
	sent_ip4(65536, &h);
	assert_true(h.dont_fragment);
}

static void a_full_device_is_told_and_counted(void **state)
{
	static const size_t size = 8;

	fake.full = true;
	assert_int_equal(send_frags(&size, 1, 0, NULL), KILN_ERR_FULL);
	assert_int_equal(fake_counters().drop_device, 1);
	assert_int_equal(fake_drops(), 1);
	fake.full = false;
	assert_int_equal(send_frags(&size, 1, 0, NULL), KILN_OK);
}

/* ---- UDP ---- */

static void a_datagram_is_echoed_with_a_right_checksum(void **state)
{
	static const size_t sizes[] = {0, 1, 85, 86, 87, 100, 1471, 1472};
	struct ip4_header h;
	struct udp_header u;

	for (unsigned i = 0; i < KILN_COUNT_OF(sizes); i++) {
		struct slice data = slice_of(pattern, sizes[i]);
		fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 1234, 7, data);
		assert_int_equal(received.count, i + 1);
		assert_int_equal(received.from.port, 1234);
		assert_int_equal(fake.sent, i + 1);
		struct net_packet packet = {.payload = sent_ip4(i, &h)};
		assert_int_equal(transport_checksum(&h, packet.payload), 0);
		packet.src = ip_from4(h.src);
		packet.dst = ip_from4(h.dst);
		assert_true(udp_wire_parse(&packet, &u));
		assert_true(u.src == 7 && u.dst == 1234 && slice_equal(u.data, data));
	}
	assert_int_equal(fake.net->chunks.used, 0);
	assert_int_equal(fake_drops(), 0);
}

/* An answer to all stations' question comes from anybody, and one to port 0 is for nobody. */
static void a_datagram_from_or_to_no_host_is_not_answered(void **state)
{
	fake_receive_udp(PEER_ADDRESS, ALL_ADDRESS, 1234, 7, SLICE("x"));
	assert_int_equal(received.count, 1);
	assert_int_equal(received.answered, KILN_ERR_UNREACHABLE);
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 0, 7, SLICE("x"));
	assert_int_equal(received.count, 2);
	assert_int_equal(received.answered, KILN_ERR_UNREACHABLE);
	assert_int_equal(fake.sent, 0);
}

/* Joins the fragments from `first` on; returns the payload's size. */
static size_t join_sent(unsigned first, uint8_t *out)
{
	struct ip4_header h;
	size_t size = 0;

	for (unsigned i = first; i < fake.sent; i++) {
		struct slice part = sent_ip4(i, &h);
		assert_true(fake_sent(i).len <= 1514);
		assert_int_equal(h.offset, size);
		assert_int_equal(h.more_fragments, i + 1 < fake.sent);
		memcpy(out + size, part.data, part.len);
		size += part.len;
	}
	return size;
}

static void the_largest_datagram_leaves_in_fragments_and_no_larger_one(void **state)
{
	static uint8_t joined[65535];
	struct endpoint to = {ip_from4(PEER_ADDRESS), 9};
	struct ip4_header h = from_peer;

	assert_int_equal(udp_send(echo, &to, slice_of(pattern, 65508)),
	                 KILN_ERR_TOO_LARGE);
	assert_int_equal(udp_send(echo, &to, slice_of(pattern, 65507)), KILN_OK);
	assert_int_equal(join_sent(0, joined), 65515);
	assert_memory_equal(joined + 8, pattern, 65507);
	h.src = FAKE_ADDRESS;
	h.dst = PEER_ADDRESS;
	assert_int_equal(transport_checksum(&h, slice_of(joined, 65515)), 0);
	assert_int_equal(fake.net->chunks.used, 0);
}

static void an_empty_slice_is_an_empty_datagram(void **state)
{
	struct endpoint to = {ip_from4(PEER_ADDRESS), 9};
	struct ip4_header h;

	assert_int_equal(udp_send(echo, &to, (struct slice){NULL, 0}), KILN_OK);
	assert_int_equal(sent_ip4(0, &h).len, UDP_HEADER);
}

static void a_checksum_of_zero_is_sent_as_all_ones(void **state)
{
	struct endpoint to = {ip_from4(PEER_ADDRESS), 9};
	unsigned all_ones = 0;
	struct ip4_header h;

	for (unsigned i = 0; i < 65536; i++) { /* every sum comes up */
		struct be16 data = be16_of((uint16_t)i);
		assert_int_equal(udp_send(echo, &to, slice_of(&data, 2)), KILN_OK);
		struct slice payload = sent_ip4(i, &h);
		assert_int_equal(transport_checksum(&h, payload), 0);
		unsigned field = payload.data[6] << 8 | payload.data[7];
		assert_int_not_equal(field, 0); /* that would say that there is none */
		all_ones += field == 0xffff;
	}
	assert_in_range(all_ones, 1, 2);
}

static void without_buffers_the_newest_datagram_is_refused(void **state)
{
	struct endpoint to = {ip_from4(PEER_ADDRESS), 9};

	while (fake.net->chunks.used < fake.net->chunks.count)
		assert_non_null(chunk_get(&fake.net->chunks));
	assert_int_equal(udp_send(echo, &to, slice_of(pattern, 1000)), KILN_ERR_MEMORY);
	/* One that fits the frame's head needs none. */
	assert_int_equal(udp_send(echo, &to, slice_of(pattern, 66)), KILN_OK);
}

static void a_closed_port_is_answered_with_port_unreachable(void **state)
{
	struct ip4_header h;
	struct icmp_message m;

	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 1234, 8, SLICE("anyone?"));
	assert_int_equal(fake_counters().drop_udp, 1);
	assert_int_equal(fake_drops(), 1);
	assert_true(icmp_wire_parse(sent_ip4(0, &h), &m));
	assert_int_equal(h.protocol, IP_PROTO_ICMP);
	assert_int_equal(m.type, ICMP_UNREACHABLE);
	assert_int_equal(m.code, ICMP_CODE_PORT);
	/* It quotes the packet as it came. */
	assert_int_equal(m.body.len, 20 + 8 + 7);
	assert_memory_equal(m.body.data + 28, "anyone?", 7);
	fake_receive_udp(PEER_ADDRESS, ALL_ADDRESS, 1234, 8, SLICE("anyone?"));
	assert_int_equal(fake.sent, 1); /* never about a broadcast */
}

static void ports_are_bound_once_and_freed_by_close(void **state)
{
	struct udp_socket *a, *b;

	assert_int_equal(udp_bind(udp, 7, receive, NULL, &a), KILN_ERR_IN_USE);
	udp_close(echo);
	assert_int_equal(udp_bind(udp, 7, receive, NULL, &a), KILN_OK);
	assert_int_equal(udp_bind(udp, 0, receive, NULL, &b), KILN_OK);
	assert_true(udp_port(b) >= 1024);
	unsigned bound = 2;
	while (udp_bind(udp, 0, receive, NULL, &b) == KILN_OK)
		bound++;
	assert_int_equal(bound, 64); /* of an image of 4 MB */
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 1, udp_port(b), SLICE("x"));
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 1, 7, SLICE("y"));
	assert_int_equal(received.count, 2);
}

static void joined_datagrams_are_told_apart_again(void **state)
{
	static uint8_t frame[FAKE_FRAME_SIZE], datagram[2508];
	struct netdev_offload offload = {
	    .flags = NETDEV_NEEDS_CSUM, .gso_type = NETDEV_GSO_UDP_L4, .gso_size = 1000};

	udp_wire_emit(datagram, 1, 7, 2500);
	size_t size =
	    fake_ip4(frame, fake_mac, from_peer, slice_of(datagram, sizeof(datagram)));
	fake_receive_with(slice_of(frame, size), &offload);
	assert_int_equal(received.count, 3);
	assert_int_equal(received.size, 500);
}

/* ---- ICMP ---- */

static void give_icmp(uint8_t type, uint8_t code, uint16_t number, struct slice body,
                      struct ip4_addr dst)
{
	struct icmp_message m = {
	    .type = type, .code = code, .id = 0x1234, .number = number};
	struct ip4_header h = from_peer;
	static uint8_t bytes[65535];

	h.protocol = IP_PROTO_ICMP;
	h.dst = dst;
	icmp_wire_emit(bytes, &m, checksum_add(0, body.data, body.len));
	memcpy(bytes + ICMP_HEADER, body.data, body.len);
	for (size_t at = 0; at < ICMP_HEADER + body.len; at += 1480) {
		h.offset = (uint16_t)at;
		h.more_fragments = at + 1480 < ICMP_HEADER + body.len;
		fake_receive_ip4(
		    h,
		    slice_take(slice_of(bytes + at, ICMP_HEADER + body.len - at), 1480));
	}
}

static void echo_requests_of_every_size_are_answered(void **state)
{
	static const size_t sizes[] = {0,    1,    56,   85,   86,   87,
	                               1472, 1473, 2000, 9000, 65507};
	static uint8_t joined[65535];
	struct icmp_message m;

	for (unsigned i = 0; i < KILN_COUNT_OF(sizes); i++) {
		struct slice data = slice_of(pattern, sizes[i]);
		fake.sent = 0;
		give_icmp(ICMP_ECHO, 0, (uint16_t)i, data, FAKE_ADDRESS);
		assert_int_equal(join_sent(0, joined), sizes[i] + ICMP_HEADER);
		assert_true(
		    icmp_wire_parse(slice_of(joined, sizes[i] + ICMP_HEADER), &m));
		assert_int_equal(m.type, ICMP_ECHO_REPLY);
		assert_true(m.id == 0x1234 && m.number == i && slice_equal(m.body, data));
	}
	assert_int_equal(fake_counters().icmp_echo, KILN_COUNT_OF(sizes));
	assert_int_equal(fake.net->chunks.used, 0);
	assert_int_equal(fake_drops(), 0);
}

static void other_messages_are_counted_and_not_answered(void **state)
{
	give_icmp(ICMP_ECHO, 0, 1, SLICE("all?"), ALL_ADDRESS);
	give_icmp(ICMP_ECHO, 1, 1, SLICE("code"), FAKE_ADDRESS);
	give_icmp(ICMP_ECHO_REPLY, 0, 1, SLICE("unasked"), FAKE_ADDRESS);
	give_icmp(5, 1, 1, SLICE("a redirect, with a quote and all"), FAKE_ADDRESS);
	give_icmp(13, 0, 1, SLICE("a timestamp request"), FAKE_ADDRESS);
	give_icmp(ICMP_UNREACHABLE, ICMP_CODE_PORT, 0, SLICE("short"), FAKE_ADDRESS);
	struct ip4_header h = from_peer;
	h.protocol = IP_PROTO_ICMP;
	fake_receive_ip4(h, SLICE("\10\0\0\0bad checksum"));
	fake_receive_ip4(h, SLICE("\10\0\0"));
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake_counters().drop_icmp, 8);
	assert_int_equal(fake_drops(), 8);
}

static void an_unknown_protocol_is_answered_within_the_rate(void **state)
{
	struct ip4_header h = from_peer, sent;
	struct icmp_message m;

	h.protocol = 123;
	for (unsigned i = 0; i < 1000; i++)
		fake_receive_ip4(h, SLICE("what?"));
	assert_int_equal(fake_counters().drop_protocol, 1000);
	assert_true(fake.sent >= 25 && fake.sent <= 50);
	assert_true(icmp_wire_parse(sent_ip4(0, &sent), &m));
	assert_int_equal(m.code, ICMP_CODE_PROTOCOL);
	unsigned burst = fake.sent;
	for (unsigned second = 0; second < 10; second++) {
		for (unsigned i = 0; i < 1000; i++) {
			fake_pass(KILN_MS(1));
			fake_receive_ip4(h, SLICE("what?"));
		}
	}
	unsigned errors = (unsigned)fake_counters().icmp_sent;
	assert_true(errors - burst <= 1000 && errors - burst >= 500);
}

/* A transport that remembers the last error. */
static struct net_error last_error;
static unsigned errors_heard;
static uint8_t quoted_byte;

static bool disbelieves;

static bool hear_error(void *transport, const struct net_error *error)
{
	errors_heard++;
	last_error = *error;
	quoted_byte = error->payload.data[0];
	return !disbelieves;
}

static void hear_nothing(void *transport, const struct net_packet *packet)
{
}

static int setup_errors(void **state)
{
	static const struct net_transport transport = {.input = hear_nothing,
	                                               .error = hear_error};

	setup(state);
	errors_heard = 0;
	net_register(fake.net, TEST_PROTOCOL, &transport);
	return 0;
}

/* A router's error about a packet of 1,500 bytes from us to 192.0.2.1. */
static void give_error(uint8_t type, uint8_t code, uint16_t number, struct ip4_addr src,
                       bool df)
{
	struct ip4_header quoted = {.src = src,
	                            .dst = ip4_of(0xc0000201),
	                            .total = 1500,
	                            .dont_fragment = df,
	                            .ttl = 1,
	                            .protocol = TEST_PROTOCOL};
	uint8_t quote[28];

	ip4_wire_emit(quote, &quoted);
	memcpy(quote + 20, "12345678", 8);
	give_icmp(type, code, number, slice_of(quote, sizeof(quote)), FAKE_ADDRESS);
}

static void errors_about_our_packets_reach_the_transport(void **state)
{
	static const struct {
		uint8_t type, code;
		enum net_error_kind kind;
	} errors[] = {{3, 0, NET_ERROR_NET},         {3, 1, NET_ERROR_NET},
	              {3, 2, NET_ERROR_PROTOCOL},    {3, 3, NET_ERROR_PROTOCOL},
	              {3, 13, NET_ERROR_PROHIBITED}, {11, 0, NET_ERROR_TTL}};

	for (unsigned i = 0; i < KILN_COUNT_OF(errors); i++) {
		give_error(errors[i].type, errors[i].code, 0, FAKE_ADDRESS, true);
		assert_int_equal(errors_heard, i + 1);
		assert_int_equal(last_error.kind, errors[i].kind);
		assert_int_equal(quoted_byte, '1');
		assert_int_equal(ip4_value(ip_to4(&last_error.dst)), 0xc0000201);
	}
	assert_int_equal(fake_drops(), 0);
	give_error(3, 3, 0, PEER_ADDRESS, true); /* not ours */
	assert_int_equal(errors_heard, KILN_COUNT_OF(errors));
	assert_int_equal(fake_counters().drop_icmp, 1);
}

static void a_paths_mtu_is_learnt_kept_and_forgotten(void **state)
{
	struct ip_addr far = ip_from4(ip4_of(0xc0000201)), near = ip_from4(PEER_ADDRESS);

	assert_int_equal(net_path_mtu(fake.net, &far), 1480);
	give_error(3, ICMP_CODE_TOO_BIG, 1400, FAKE_ADDRESS, true);
	assert_int_equal(last_error.kind, NET_ERROR_TOO_BIG);
	assert_int_equal(last_error.mtu, 1380); /* without the header */
	assert_int_equal(net_path_mtu(fake.net, &far), 1380);
	assert_int_equal(net_path_mtu(fake.net, &near), 1480);
	give_error(3, ICMP_CODE_TOO_BIG, 1450, FAKE_ADDRESS, true); /* never up */
	assert_int_equal(net_path_mtu(fake.net, &far), 1380);
	give_error(3, ICMP_CODE_TOO_BIG, 20, FAKE_ADDRESS, true); /* at least 68 */
	assert_int_equal(net_path_mtu(fake.net, &far), 48);
	fake_pass(KILN_SECONDS(601));
	assert_int_equal(net_path_mtu(fake.net, &far), 1480);
	give_error(3, ICMP_CODE_TOO_BIG, 0, FAKE_ADDRESS, true); /* the next plateau */
	assert_int_equal(last_error.mtu, 1472);
}

static void what_is_suspected_of_a_path_is_kept_and_forgotten(void **state)
{
	struct ip_addr far = ip_from4(ip4_of(0xc0000201)), near = ip_from4(PEER_ADDRESS);

	net_path_suspect(fake.net, &far, 0); /* of nothing */
	assert_int_equal(net_path_passes(fake.net, &far), 0);
	net_path_suspect(fake.net, &far, 1004);
	assert_int_equal(net_path_passes(fake.net, &far), 1004);
	assert_int_equal(net_path_passes(fake.net, &near), 0);
	assert_int_equal(net_path_mtu(fake.net, &far), 1480); /* that may be tried */
	fake_pass(KILN_SECONDS(300));
	give_error(3, ICMP_CODE_TOO_BIG, 1400, FAKE_ADDRESS, true);
	assert_int_equal(net_path_passes(fake.net, &far), 1004);
	fake_pass(KILN_SECONDS(301));
	assert_int_equal(net_path_passes(fake.net, &far), 0);
	assert_int_equal(net_path_mtu(fake.net, &far), 1380); /* each has its time */
	net_path_suspect(fake.net, &far, 1004);
	net_path_suspect(fake.net, &far, 0);
	assert_int_equal(net_path_passes(fake.net, &far), 0);
}

static void a_too_big_that_cannot_be_true_is_dropped(void **state)
{
	struct ip_addr far = ip_from4(ip4_of(0xc0000201));

	give_error(3, ICMP_CODE_TOO_BIG, 1400, FAKE_ADDRESS, false); /* might be cut */
	give_error(3, ICMP_CODE_TOO_BIG, 1500, FAKE_ADDRESS, true);  /* it would fit */
	assert_int_equal(errors_heard, 0);
	assert_int_equal(fake_counters().drop_icmp, 2);
	assert_int_equal(net_path_mtu(fake.net, &far), 1480);
	disbelieves = true; /* as TCP does when it has no such byte in flight */
	give_error(3, ICMP_CODE_TOO_BIG, 1400, FAKE_ADDRESS, true);
	disbelieves = false;
	assert_int_equal(errors_heard, 1);
	assert_int_equal(fake_counters().drop_icmp, 3);
	assert_int_equal(net_path_mtu(fake.net, &far), 1480);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with(setup, checksums_hold_over_frags_of_odd_sizes),
	    with(setup_offload, a_device_that_sums_gets_the_pseudo_header_alone),
	    with(setup_offload, a_segmented_frame_leaves_in_one_piece),
	    with(setup, a_packet_over_the_mtu_is_refused_unless_it_may_be_cut),
	    with(setup, only_from_our_own_address_is_anything_sent),
	    with(setup, identifications_of_what_may_be_cut_do_not_repeat),
	    with(setup, a_full_device_is_told_and_counted),
	    with(setup_udp, a_datagram_is_echoed_with_a_right_checksum),
	    with(setup_udp, a_datagram_from_or_to_no_host_is_not_answered),
	    with(setup_udp, the_largest_datagram_leaves_in_fragments_and_no_larger_one),
	    with(setup_udp, an_empty_slice_is_an_empty_datagram),
	    with(setup_udp, a_checksum_of_zero_is_sent_as_all_ones),
	    with(setup_udp, without_buffers_the_newest_datagram_is_refused),
	    with(setup_udp, a_closed_port_is_answered_with_port_unreachable),
	    with(setup_udp, ports_are_bound_once_and_freed_by_close),
	    with(setup_udp, joined_datagrams_are_told_apart_again),
	    with(setup, echo_requests_of_every_size_are_answered),
	    with(setup, other_messages_are_counted_and_not_answered),
	    with(setup, an_unknown_protocol_is_answered_within_the_rate),
	    with(setup_errors, errors_about_our_packets_reach_the_transport),
	    with(setup_errors, a_paths_mtu_is_learnt_kept_and_forgotten),
	    with(setup_errors, what_is_suspected_of_a_path_is_kept_and_forgotten),
	    with(setup_errors, a_too_big_that_cannot_be_true_is_dropped),
	};

	return cmocka_run_group_tests_name("net packets", tests, NULL, NULL);
}
