/*
 * IPv6, ICMPv6, MLD and UDP over it (RFC 8200, 4443, 3810): extension headers, errors,
 * fragments both ways, the MTU of paths.
 */
#include "ip6_play.h"
#include <kiln/udp.h>

static struct udp *udp;
static struct udp_socket *echo;
static unsigned datagrams;

static void answer(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	datagrams++;
	assert_int_equal(udp_answer(socket, d, d->payload),
	                 ip6_is_multicast(&d->to.addr) ? KILN_ERR_UNREACHABLE : KILN_OK);
}

/* With the peer known and reachable, and an echo on UDP port 7. */
static int up_udp(void **state)
{
	up(state);
	datagrams = 0;
	udp = udp_new(fake.net);
	assert_int_equal(udp_bind(udp, 7, answer, NULL, &echo), KILN_OK);
	meet(PEER, peer_mac);
	advertise(PEER, peer_mac, true, true);
	meet(ROUTER, peer_mac);
	fake.sent = 0;
	return 0;
}

static uint8_t datagram_bytes[FAKE_FRAME_SIZE];

/* From port 99 of the peer, with its checksum. */
static struct slice datagram_to(const struct ip_addr *dst, uint16_t port, size_t size)
{
	udp_wire_emit(datagram_bytes, 99, port, size);
	for (size_t i = 0; i < size; i++)
		datagram_bytes[UDP_HEADER + i] = (uint8_t)(i * 7 + i / 251);
	uint32_t sum =
	    checksum_pseudo(PEER, dst, IP_PROTO_UDP, (uint32_t)size + UDP_HEADER);
	uint16_t checksum =
	    checksum_finish(checksum_add(sum, datagram_bytes, size + UDP_HEADER));
	datagram_bytes[6] = (uint8_t)(checksum >> 8);
	datagram_bytes[7] = (uint8_t)checksum;
	return slice_of(datagram_bytes, UDP_HEADER + size);
}

static struct slice datagram(uint16_t port, size_t size)
{
	return datagram_to(OURS, port, size);
}

static struct ip6_header from_peer(uint8_t next)
{
	return (struct ip6_header){.src = *PEER, .dst = *OURS, .next = next};
}

/* Extension headers, then the datagram. */
static void receive_behind(const void *headers, size_t size, uint8_t first,
                           struct slice datagram)
{
	static uint8_t bytes[FAKE_FRAME_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));

	writer_bytes(&w, slice_of(headers, size));
	writer_bytes(&w, datagram);
	receive_ip6(from_peer(first), writer_done(&w));
}

static struct icmp6_message only_error(uint8_t type, uint8_t code)
{
	struct ip6_header h;
	struct icmp6_message m;

	assert_int_equal(fake.sent, 1);
	m = sent_icmp6(0, &h);
	assert_int_equal(m.type, type);
	assert_int_equal(m.code, code);
	assert_true(same(&h.dst, PEER) && same(&h.src, OURS));
	assert_true(fake_sent(0).len <= ETH_HEADER + IP6_MTU_MIN);
	fake.sent = 0;
	return m;
}

/* ---- UDP ---- */

static void a_datagram_is_taken_and_answered_with_a_checksum(void **state)
{
	struct ip6_header h;

	receive_ip6(from_peer(IP6_NEXT_UDP), datagram(7, 100));
	assert_int_equal(datagrams, 1);
	struct slice sent = sent_ip6(0, &h);
	assert_true(same(&h.src, OURS) && same(&h.dst, PEER) && h.next == IP6_NEXT_UDP);
	assert_int_equal(plain_checksum6(&h, sent, IP6_NEXT_UDP), 0);
	assert_int_equal(sent.len, 108);
	assert_int_equal(fake_drops(), 0);
}

/* Though the source for the peer's address would be another: RFC 6724, 5, rule 2. */
static void an_answer_comes_from_where_its_question_went(void **state)
{
	struct ip6_header h = from_peer(IP6_NEXT_UDP);

	h.dst = ip6_link_local(fake.net)->addr;
	assert_false(same(&h.dst, OURS));
	receive_ip6(h, datagram_to(&h.dst, 7, 100));
	assert_int_equal(datagrams, 1);
	struct slice sent = sent_ip6(0, &h);
	assert_true(ip6_is_link_local(&h.src) && same(&h.dst, PEER));
	assert_int_equal(plain_checksum6(&h, sent, IP6_NEXT_UDP), 0);
}

static void a_datagram_for_a_group_has_no_answer(void **state)
{
	struct ip6_header h = from_peer(IP6_NEXT_UDP);

	h.dst = *address("ff02::1");
	receive_ip6(h, datagram_to(&h.dst, 7, 100));
	assert_int_equal(datagrams, 1);
	assert_int_equal(fake.sent, 0);
}

static void a_datagram_without_a_checksum_is_dropped(void **state)
{
	struct slice d = datagram(7, 100);

	datagram_bytes[6] = datagram_bytes[7] = 0;
	receive_ip6(from_peer(IP6_NEXT_UDP), d);
	assert_int_equal(datagrams, 0);
	assert_int_equal(fake_counters().drop_udp, 1);
}

static void a_closed_port_is_answered_and_quoted(void **state)
{
	struct slice d = datagram(8, 2000 - UDP_HEADER);

	receive_ip6(from_peer(IP6_NEXT_UDP), slice_take(datagram(8, 100), 108));
	struct icmp6_message m = only_error(ICMP6_UNREACHABLE, ICMP6_CODE_PORT);
	assert_int_equal(m.body.len, IP6_HEADER + 108);
	assert_memory_equal(m.body.data + IP6_HEADER, d.data, 4); /* the ports */
}

/* ---- extension headers ---- */

static void known_headers_are_passed(void **state)
{
	static const uint8_t headers[] = {
	    IP6_NEXT_DESTINATION, 0, 1,    4, 0, 0, 0, 0, /* hop-by-hop: PadN */
	    IP6_NEXT_ROUTING,     0, 0x1e, 2, 0, 0, 0, 0, /* an unknown option to skip */
	    IP6_NEXT_UDP,         0, 0,    0, 0, 0, 0, 0, /* routing, no segment left */
	};

	receive_behind(headers, sizeof(headers), IP6_NEXT_HOP_BY_HOP, datagram(7, 10));
	assert_int_equal(datagrams, 1);
}

static void a_routing_header_is_not_followed(void **state)
{
	static const uint8_t headers[24] = {IP6_NEXT_UDP, 2, 0, 1};

	receive_behind(headers, sizeof(headers), IP6_NEXT_ROUTING, datagram(7, 10));
	assert_int_equal(only_error(ICMP6_PARAMETER, IP6_PROBLEM_FIELD).word, 42);
	assert_int_equal(datagrams, 0);
}

static void an_unknown_option_does_as_it_says(void **state)
{
	uint8_t headers[8] = {IP6_NEXT_UDP, 0, 0x40, 4}; /* drop */

	receive_behind(headers, sizeof(headers), IP6_NEXT_DESTINATION, datagram(7, 10));
	assert_int_equal(fake.sent, 0);
	headers[2] = 0x80; /* report */
	receive_behind(headers, sizeof(headers), IP6_NEXT_DESTINATION, datagram(7, 10));
	assert_int_equal(only_error(ICMP6_PARAMETER, IP6_PROBLEM_OPTION).word, 42);
	headers[2] = 0xc0;
	receive_behind(headers, sizeof(headers), IP6_NEXT_DESTINATION, datagram(7, 10));
	assert_int_equal(only_error(ICMP6_PARAMETER, IP6_PROBLEM_OPTION).word, 42);
	assert_int_equal(datagrams, 0);
	assert_int_equal(fake_counters().drop_ip_header, 3);
}

static void an_unknown_protocol_is_answered_with_where_it_stands(void **state)
{
	static const uint8_t headers[8] = {200, 0, 1, 4};

	receive_ip6(from_peer(200), SLICE("hello"));
	assert_int_equal(only_error(ICMP6_PARAMETER, IP6_PROBLEM_NEXT).word, 6);
	receive_behind(headers, sizeof(headers), IP6_NEXT_DESTINATION, SLICE("hello"));
	assert_int_equal(only_error(ICMP6_PARAMETER, IP6_PROBLEM_NEXT).word, 40);
	assert_int_equal(fake_counters().drop_protocol, 2);
}

static void what_is_for_a_group_is_not_answered_with_errors(void **state)
{
	struct ip6_header h = from_peer(200);

	h.dst = *address("ff02::1");
	receive_ip6(h, SLICE("hello"));
	h.dst = *address("ff02::77"); /* not ours to hear */
	receive_ip6(h, SLICE("hello"));
	h.dst = *OURS;
	h.src = *NOBODY;
	receive_ip6(h, SLICE("hello"));
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake_counters().drop_protocol, 2);
	assert_int_equal(fake_counters().drop_ip_address, 1);
}

static void errors_are_limited(void **state)
{
	for (unsigned i = 0; i < 200; i++)
		receive_ip6(from_peer(200), SLICE("hello"));
	assert_in_range(fake.sent, 30, 50);
}

/* ---- echo ---- */

static void an_echo_comes_back_whole(void **state)
{
	static uint8_t request[1400] = {[0] = ICMP6_ECHO, [4] = 1, 2, 3, 4};
	struct ip6_header h;

	memset(request + 8, 0x5a, sizeof(request) - 8);
	receive_icmp6(peer_mac, PEER, OURS, 64, slice_of(request, sizeof(request)));
	struct icmp6_message m = sent_icmp6(0, &h);
	assert_int_equal(m.type, ICMP6_ECHO_REPLY);
	assert_int_equal(m.word, 0x01020304);
	assert_int_equal(m.body.len, sizeof(request) - 8);
	assert_memory_equal(m.body.data, request + 8, m.body.len);
}

static void an_echo_to_a_group_comes_from_us_and_not_without_end(void **state)
{
	static uint8_t request[100] = {[0] = ICMP6_ECHO, [4] = 1, 2, 3, 4};
	struct ip6_header h;

	receive_icmp6(peer_mac, PEER, address("ff02::1"), 64,
	              slice_of(request, sizeof(request)));
	assert_int_equal(sent_icmp6(0, &h).type, ICMP6_ECHO_REPLY);
	assert_true(same(&h.src, OURS) && same(&h.dst, PEER));
	/* Of a group that we are not in. */
	receive_icmp6(peer_mac, PEER, address("ff02::2"), 64,
	              slice_of(request, sizeof(request)));
	assert_int_equal(fake.sent, 1);
	for (unsigned i = 0; i < 1000; i++)
		receive_icmp6(peer_mac, PEER, address("ff02::1"), 64,
		              slice_of(request, sizeof(request)));
	assert_in_range(fake.sent, 20, 60);
	/* What is for us alone is answered all the same. */
	fake.sent = 0;
	receive_icmp6(peer_mac, PEER, OURS, 64, slice_of(request, sizeof(request)));
	assert_int_equal(fake.sent, 1);
}

/* ---- fragments in ---- */

static void receive_fragment(uint32_t id, struct slice whole, size_t offset, size_t size,
                             bool more)
{
	uint8_t header[IP6_FRAGMENT_HEADER];
	struct ip6_fragment f = {.id = id, .offset = (uint16_t)offset, .more = more};

	ip6_wire_emit_fragment(header, IP6_NEXT_UDP, &f);
	receive_behind(header, sizeof(header), IP6_NEXT_FRAGMENT,
	               slice_take(slice_skip(whole, offset), size));
}

static void fragments_are_joined_in_any_order(void **state)
{
	struct slice d = datagram(7, 2992);

	receive_fragment(1, d, 2000, 1000, false);
	receive_fragment(1, d, 0, 1000, true);
	assert_int_equal(datagrams, 0);
	receive_fragment(1, d, 1000, 1000, true);
	assert_int_equal(datagrams, 1);
	assert_int_equal(fake_counters().reassembled, 1);
	assert_int_equal(fake_drops(), 0);
	assert_int_equal(fake.sent, 3); /* and the answer leaves in fragments */
}

static void overlapping_fragments_drop_their_datagram(void **state)
{
	struct slice d = datagram(7, 2992);

	receive_fragment(1, d, 0, 1000, true);
	receive_fragment(1, d, 992, 1008, true);
	receive_fragment(1, d, 1000, 1000, true);
	receive_fragment(1, d, 2000, 1000, false);
	assert_int_equal(datagrams, 0);
	fake_pass(KILN_SECONDS(61));
	/* RFC 5722: in silence. */
	assert_int_equal(sent_find(0, ICMP6_TIME_EXCEEDED), fake.sent);
	assert_int_equal(fake_drops(), 4);
}

static void an_atomic_fragment_is_a_datagram_of_its_own(void **state)
{
	struct slice d = datagram(7, 2992);

	receive_fragment(1, d, 0, 1000, true);
	receive_fragment(1, datagram(7, 100), 0, 108, false); /* RFC 6946 */
	assert_int_equal(datagrams, 1);
	d = datagram(7, 2992);
	receive_fragment(1, d, 1000, 1000, true);
	receive_fragment(1, d, 2000, 1000, false);
	assert_int_equal(datagrams, 2);
}

static void a_first_fragment_without_all_headers_is_refused(void **state)
{
	static const uint8_t headers[] = {IP6_NEXT_DESTINATION, 0, 0, 1, 0, 0, 0, 1,
	                                  IP6_NEXT_UDP,         1, 1, 4, 0, 0, 0, 0};

	receive_behind(headers, sizeof(headers), IP6_NEXT_FRAGMENT, SLICE(""));
	(void)only_error(ICMP6_PARAMETER, IP6_PROBLEM_FIRST_FRAGMENT);
}

static void what_is_not_whole_after_a_minute_is_told(void **state)
{
	receive_fragment(1, datagram(7, 2992), 0, 1000, true);
	struct ip6_header h;

	fake_pass(KILN_SECONDS(59));
	assert_int_equal(sent_find(0, ICMP6_TIME_EXCEEDED), fake.sent);
	fake_pass(KILN_SECONDS(2));
	struct icmp6_message m = sent_icmp6(sent_find(0, ICMP6_TIME_EXCEEDED), &h);
	assert_int_equal(m.code, ICMP6_CODE_REASSEMBLY);
	assert_true(same(&h.dst, PEER));
}

/* ---- fragments out, and the MTU of paths ---- */

static void a_large_datagram_leaves_in_fragments(void **state)
{
	static uint8_t joined[4000];
	struct endpoint to = {*PEER, 9};
	size_t at = 0;
	uint32_t id = 0;

	memset(joined, 0xee, sizeof(joined));
	assert_int_equal(udp_send(echo, &to, slice_of(joined, 3000)), KILN_OK);
	assert_int_equal(fake.sent, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct ip6_header h;
		struct ip6_problem problem;
		struct ip6_chain chain;

		ip6_chain_start(&chain, &h, sent_ip6(i, &h));
		chain.next = h.next;
		assert_int_equal(h.next, IP6_NEXT_FRAGMENT);
		assert_int_equal(ip6_wire_walk(&chain, &problem), IP6_WALK_FRAGMENT);
		assert_true(i == 0 || chain.fragment.id == id);
		id = chain.fragment.id;
		assert_int_equal(chain.fragment.offset, at);
		assert_int_equal(chain.fragment.more, i < 2);
		memcpy(joined + at, chain.payload.data, chain.payload.len);
		at += chain.payload.len;
	}
	assert_int_equal(at, 3008);
	struct ip6_header h = {.src = *OURS, .dst = *PEER};
	assert_int_equal(plain_checksum6(&h, slice_of(joined, at), IP6_NEXT_UDP), 0);
}

/* About a datagram of 1,400 bytes that we sent to FAR from port 7. */
static void receive_too_big(uint32_t mtu)
{
	uint8_t bytes[ICMP6_HEADER + IP6_HEADER + UDP_HEADER] = {0};
	struct icmp6_message m = {.type = ICMP6_TOO_BIG, .word = mtu};

	icmp6_wire_emit(bytes, &m);
	ip6_wire_emit(bytes + ICMP6_HEADER, &(struct ip6_header){.src = *OURS,
	                                                         .dst = *FAR,
	                                                         .payload = 1400,
	                                                         .next = IP6_NEXT_UDP,
	                                                         .hop_limit = 60});
	udp_wire_emit(bytes + ICMP6_HEADER + IP6_HEADER, 7, 9, 1392);
	receive_icmp6(peer_mac, ROUTER, OURS, 64, slice_of(bytes, sizeof(bytes)));
}

static void a_paths_mtu_is_learnt_kept_and_forgotten(void **state)
{
	struct endpoint to = {*FAR, 9};

	assert_int_equal(net_path_mtu(fake.net, FAR), 1460);
	receive_too_big(1400);
	assert_int_equal(net_path_mtu(fake.net, FAR), 1360);
	assert_int_equal(net_path_mtu(fake.net, PEER), 1460);
	receive_too_big(1430); /* never up */
	assert_int_equal(net_path_mtu(fake.net, FAR), 1360);
	receive_too_big(1279); /* RFC 8201: never below 1280 */
	assert_int_equal(net_path_mtu(fake.net, FAR), 1360);
	receive_too_big(1280);
	assert_int_equal(net_path_mtu(fake.net, FAR), 1240);
	fake.sent = 0;
	static const uint8_t bytes[1400];
	assert_int_equal(udp_send(echo, &to, slice_of(bytes, 1400)), KILN_OK);
	assert_int_equal(fake.sent, 2);
	assert_true(fake_sent(0).len <= ETH_HEADER + 1280);
	fake_pass(KILN_SECONDS(601));
	assert_int_equal(net_path_mtu(fake.net, FAR), 1460);
	receive_too_big(1440); /* what was sent was less */
	assert_int_equal(net_path_mtu(fake.net, FAR), 1460);
}

/* ---- MLD ---- */

static void the_groups_of_our_addresses_are_reported(void **state)
{
	struct ip6_header h;
	unsigned reports = 0;

	fake_start("ip6=2001:db8::2/64");
	fake_pass(KILN_SECONDS(3));
	for (unsigned i = 0; i < fake.sent; i++) {
		struct icmp6_message m = sent_icmp6(i, &h);
		if (m.type != ICMP6_MLD_REPORT)
			continue;
		reports++;
		assert_int_equal(h.next, IP6_NEXT_HOP_BY_HOP);
		assert_int_equal(h.hop_limit, 1);
		assert_true(same(&h.dst, address("ff02::16")));
		assert_int_equal(m.word, 2); /* link-local and ours */
		assert_int_equal(m.body.data[0], MLD_TO_EXCLUDE);
	}
	assert_int_equal(reports, 2); /* each change twice */
}

static void receive_query_of(size_t size, const struct ip_addr *group, uint16_t delay)
{
	uint8_t bytes[IP6_ROUTER_ALERT + 28] = {0};
	struct ip6_header h = {.src = *ROUTER,
	                       .dst = *address("ff02::1"),
	                       .next = IP6_NEXT_HOP_BY_HOP,
	                       .hop_limit = 1};
	struct icmp6_message m = {.type = ICMP6_MLD_QUERY, .word = (uint32_t)delay << 16};

	ip6_wire_emit_router_alert(bytes, IP6_NEXT_ICMP);
	icmp6_wire_emit(bytes + IP6_ROUTER_ALERT, &m);
	memcpy(bytes + IP6_ROUTER_ALERT + ICMP6_HEADER, group, 16);
	icmp6_wire_seal(bytes + IP6_ROUTER_ALERT, size, ROUTER, &h.dst);
	receive_ip6(h, slice_of(bytes, IP6_ROUTER_ALERT + size));
}

static void receive_query(const struct ip_addr *group, uint16_t delay)
{
	receive_query_of(28, group, delay);
}

static void a_query_is_answered_within_its_time(void **state)
{
	struct ip6_header h;
	struct ip_addr group = ip6_solicited_node(OURS);

	receive_query(NOBODY, 1000);
	fake_pass(KILN_MS(1002));
	assert_int_equal(fake.sent, 1);
	struct icmp6_message m = sent_icmp6(0, &h);
	assert_int_equal(m.type, ICMP6_MLD_REPORT);
	assert_int_equal(m.body.data[0], MLD_IS_EXCLUDE);
	assert_true(ip6_is_link_local(&h.src));
	receive_query(&group, 100);
	fake_pass(KILN_MS(102));
	assert_int_equal(fake.sent, 2);
	receive_query(address("ff02::99"), 100); /* not one of ours */
	fake_pass(KILN_MS(200));
	assert_int_equal(fake.sent, 2);
}

/* RFC 3810, 8.2.1 */
static void a_router_of_version_1_is_answered_so_while_it_is_there(void **state)
{
	const struct ip_addr *group = address("ff02::1234");
	struct ip6_header h;

	receive_query_of(MLD_V1_SIZE, NOBODY, 100);
	fake_pass(KILN_MS(102));
	assert_int_equal(fake.sent, 2); /* of each group one, to itself */
	for (unsigned i = 0; i < 2; i++) {
		struct icmp6_message m = sent_icmp6(i, &h);
		assert_int_equal(m.type, ICMP6_MLD_REPORT_V1);
		assert_memory_equal(m.body.data, &h.dst, 16);
	}
	assert_true(mld_join(fake.net, group));
	fake_pass(KILN_MS(1));
	assert_int_equal(sent_icmp6(2, &h).type, ICMP6_MLD_REPORT_V1);
	assert_true(same(&h.dst, group));
	fake_pass(KILN_SECONDS(3));
	fake.sent = 0;
	mld_leave(fake.net, group);
	fake_pass(KILN_MS(1));
	assert_int_equal(sent_icmp6(0, &h).type, ICMP6_MLD_DONE);
	assert_true(same(&h.dst, address("ff02::2")));
	fake_pass(KILN_SECONDS(261));
	fake.sent = 0;
	receive_query(NOBODY, 100);
	fake_pass(KILN_MS(102));
	assert_int_equal(sent_icmp6(0, &h).type, ICMP6_MLD_REPORT);
}

#define with(fixture, test) cmocka_unit_test_setup(test, fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with(up_udp, a_datagram_is_taken_and_answered_with_a_checksum),
	    with(up_udp, an_answer_comes_from_where_its_question_went),
	    with(up_udp, a_datagram_for_a_group_has_no_answer),
	    with(up_udp, a_datagram_without_a_checksum_is_dropped),
	    with(up_udp, a_closed_port_is_answered_and_quoted),
	    with(up_udp, known_headers_are_passed),
	    with(up_udp, a_routing_header_is_not_followed),
	    with(up_udp, an_unknown_option_does_as_it_says),
	    with(up_udp, an_unknown_protocol_is_answered_with_where_it_stands),
	    with(up_udp, what_is_for_a_group_is_not_answered_with_errors),
	    with(up_udp, errors_are_limited),
	    with(up_udp, an_echo_comes_back_whole),
	    with(up_udp, an_echo_to_a_group_comes_from_us_and_not_without_end),
	    with(up_udp, fragments_are_joined_in_any_order),
	    with(up_udp, overlapping_fragments_drop_their_datagram),
	    with(up_udp, an_atomic_fragment_is_a_datagram_of_its_own),
	    with(up_udp, a_first_fragment_without_all_headers_is_refused),
	    with(up_udp, what_is_not_whole_after_a_minute_is_told),
	    with(up_udp, a_large_datagram_leaves_in_fragments),
	    with(up_udp, a_paths_mtu_is_learnt_kept_and_forgotten),
	    cmocka_unit_test(the_groups_of_our_addresses_are_reported),
	    with(up, a_query_is_answered_within_its_time),
	    with(up, a_router_of_version_1_is_answered_so_while_it_is_there),
	};

	return cmocka_run_group_tests_name("IPv6 packets", tests, NULL, NULL);
}
