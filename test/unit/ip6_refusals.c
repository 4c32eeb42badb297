/*
 * What IPv6 does not believe, whoever says it: messages of neighbours in fragments (RFC
 * 6980), paths that are narrower than any (RFC 8201), routers that say they are none.
 */
#include "ip6_play.h"

static const uint8_t forged_mac[6] = {2, 0, 0, 0, 0, 0xbb};

/* ---- neighbour discovery in fragments ---- */

/* The peer's own solicitation, behind a fragment header of a packet that is whole. */
static void solicit_in_a_fragment(void)
{
	struct ip_addr group = ip6_solicited_node(OURS);
	struct nd_message m = {
	    .type = ICMP6_NEIGHBOUR_SOLICITATION, .target = *OURS, .has_mac = true};
	uint8_t bytes[IP6_FRAGMENT_HEADER + ND_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	memcpy(m.mac, forged_mac, 6);
	ip6_wire_emit_fragment(writer_room(&w, IP6_FRAGMENT_HEADER), IP6_NEXT_ICMP,
	                       &(struct ip6_fragment){.id = 1});
	nd_wire_emit(&w, &m);
	icmp6_wire_seal(bytes + IP6_FRAGMENT_HEADER, ND_SIZE_MAX, PEER, &group);
	receive_ip6_from(forged_mac,
	                 (struct ip6_header){.src = *PEER,
	                                     .dst = group,
	                                     .next = IP6_NEXT_FRAGMENT,
	                                     .hop_limit = ND_HOP_LIMIT},
	                 writer_done(&w));
}

static void a_neighbours_message_in_a_fragment_is_dropped(void **state)
{
	solicit_in_a_fragment();
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake_counters().drop_icmp, 1);
	meet(PEER, peer_mac); /* the same, as it should be */
	assert_int_equal(fake.sent, 1);
}

static void an_echo_request_in_a_fragment_is_answered(void **state)
{
	struct icmp6_message echo = {.type = ICMP6_ECHO, .word = 0x00010002};
	uint8_t bytes[IP6_FRAGMENT_HEADER + ICMP6_HEADER];
	struct ip6_header h;

	meet(PEER, peer_mac);
	fake.sent = 0;
	ip6_wire_emit_fragment(bytes, IP6_NEXT_ICMP, &(struct ip6_fragment){.id = 1});
	icmp6_wire_emit(bytes + IP6_FRAGMENT_HEADER, &echo);
	icmp6_wire_seal(bytes + IP6_FRAGMENT_HEADER, ICMP6_HEADER, PEER, OURS);
	receive_ip6(
	    (struct ip6_header){.src = *PEER, .dst = *OURS, .next = IP6_NEXT_FRAGMENT},
	    slice_of(bytes, sizeof(bytes)));
	assert_int_equal(fake.sent, 1);
	assert_int_equal(sent_icmp6(0, &h).type, ICMP6_ECHO_REPLY);
}

/* ---- narrow paths ---- */

static uint32_t told_mtu;

static bool take_error(void *transport, const struct net_error *error)
{
	told_mtu = error->mtu;
	return true;
}

static void take_nothing(void *transport, const struct net_packet *packet)
{
}

/* A router says that our packet of 1500 bytes to FAR was too big. */
static void too_big(uint32_t mtu)
{
	struct icmp6_message m = {.type = ICMP6_TOO_BIG, .word = mtu};
	struct ip6_header quoted = {
	    .src = *OURS, .dst = *FAR, .payload = 1460, .next = 99, .hop_limit = 60};
	uint8_t bytes[ICMP6_HEADER + IP6_HEADER + 8] = {0};

	icmp6_wire_emit(bytes, &m);
	ip6_wire_emit(bytes + ICMP6_HEADER, &quoted);
	receive_icmp6(peer_mac, FAR, OURS, 60, slice_of(bytes, sizeof(bytes)));
}

static void a_path_narrower_than_any_link_is_not_believed(void **state)
{
	const struct net_transport transport = {take_nothing, take_error, NULL};

	net_register(fake.net, 99, &transport);
	told_mtu = 0;
	too_big(1279);
	too_big(0);
	assert_int_equal(told_mtu, 0);
	assert_int_equal(fake_counters().drop_icmp, 2);
	assert_int_equal(net_path_mtu(fake.net, FAR), 1460);
	too_big(1500); /* what we sent fits */
	assert_int_equal(net_path_mtu(fake.net, FAR), 1460);
	too_big(1280);
	assert_int_equal(told_mtu, 1240);
	assert_int_equal(net_path_mtu(fake.net, FAR), 1240);
}

/* ---- routers ---- */

static int up_auto(void **state)
{
	fake_start("ip6=auto\0secret=of the test");
	fake_pass(KILN_SECONDS(2));
	return 0;
}

/* RFC 4861, 7.2.5: it forwards no more, whatever lifetime it was advertised with. */
static void a_router_that_says_it_is_none_is_left(void **state)
{
	struct nd_message m = {
	    .type = ICMP6_ROUTER_ADVERTISEMENT, .lifetime = 1800, .has_mac = true};
	struct ip_addr hop;

	memcpy(m.mac, peer_mac, 6);
	receive_nd(peer_mac, ROUTER, address("ff02::1"), m);
	assert_true(ip6_hop(fake.net, FAR, &hop) && same(&hop, ROUTER));
	m = (struct nd_message){
	    .type = ICMP6_NEIGHBOUR_ADVERTISEMENT, .target = *ROUTER, .router = true};
	receive_nd(peer_mac, ROUTER, address("ff02::1"), m);
	assert_true(ip6_hop(fake.net, FAR, &hop) && same(&hop, ROUTER));
	m.router = false;
	receive_nd(peer_mac, ROUTER, address("ff02::1"), m);
	assert_false(ip6_hop(fake.net, FAR, &hop));
}

#define with(fixture, test) cmocka_unit_test_setup(test, fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with(up, a_neighbours_message_in_a_fragment_is_dropped),
	    with(up, an_echo_request_in_a_fragment_is_answered),
	    with(up, a_path_narrower_than_any_link_is_not_believed),
	    with(up_auto, a_router_that_says_it_is_none_is_left),
	};

	return cmocka_run_group_tests_name("IPv6 refusals", tests, NULL, NULL);
}
