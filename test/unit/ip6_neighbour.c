/*
 * Neighbour discovery and our own addresses (RFC 4861, 4862, 4429): what is asked and
 * answered, what is believed, and the states of a neighbour.
 */
#include "ip6_play.h"

/* ---- an address is taken up ---- */

static void a_static_address_is_up_and_asked_about_at_once(void **state)
{
	struct ip6_header h;
	struct ip_addr group = ip6_solicited_node(OURS);
	bool asked = false;

	fake_start("ip6=2001:db8::2/64\0gateway6=fe80::1");
	assert_true(net_is_up(fake.net));
	assert_non_null(strstr(fake.console, "net0 up, 2001:db8::2/64"));
	for (unsigned i = 0; i < fake.sent; i++) {
		struct nd_message m = sent_nd(i, &h);
		assert_int_equal(m.type, ICMP6_NEIGHBOUR_SOLICITATION);
		assert_true(ip6_is_unspecified(&h.src));
		assert_false(m.has_mac);
		asked |= same(&m.target, OURS) && same(&h.dst, &group);
	}
	assert_int_equal(fake.sent, 2); /* and its link-local one */
	assert_true(asked);
}

/* Of its own making, until nobody objected. */
static void an_optimistic_address_changes_nobodys_cache(void **state)
{
	struct net_address own;
	struct ip6_header h;

	fake_start("ip6=auto\0secret=x");
	assert_int_equal(net_addresses(fake.net, &own, 1), 1);
	fake.sent = 0;
	solicit(address("fe80::1"), &own.addr, true);
	struct nd_message m = sent_nd(0, &h);
	assert_true(m.solicited && m.has_mac && !m.override);
	assert_int_equal(send_to(address("fe80::9"), 8), KILN_OK); /* it is not asked */
	assert_int_equal(sent_find(0, ICMP6_NEIGHBOUR_SOLICITATION), fake.sent);
	fake_pass(KILN_MS(1500));
	unsigned i = sent_find(0, ICMP6_NEIGHBOUR_SOLICITATION);
	m = sent_nd(i, &h);
	assert_true(same(&m.target, address("fe80::9")) && m.has_mac);
	fake.sent = 0;
	solicit(address("fe80::1"), &own.addr, true);
	m = sent_nd(0, &h);
	assert_true(m.override && same(&h.dst, address("fe80::1")));
	assert_int_equal(h.hop_limit, 255);
	assert_memory_equal(sent_to(0), peer_mac, 6);
}

static void a_given_address_asks_and_answers_at_once(void **state)
{
	struct ip6_header h;

	fake_start("ip6=2001:db8::2/64");
	fake.sent = 0;
	solicit(PEER, OURS, false);
	assert_int_equal(send_to(address("2001:db8::3"), 8), KILN_OK);
	struct nd_message m = sent_nd(fake.sent - 1, &h);
	assert_true(same(&m.target, address("2001:db8::3")) && same(&h.src, OURS));
}

static void a_given_address_that_another_has_is_given_up(void **state)
{
	fake_start("ip6=2001:db8::2/64");
	advertise(OURS, other_mac, false, true);
	assert_false(net_is_up(fake.net));
	assert_int_equal(fake_counters().ip6_conflicts, 1);
	assert_non_null(strstr(fake.console, "another host has it"));
	fake.sent = 0;
	solicit(PEER, OURS, true);
	assert_int_equal(fake.sent, 0);
}

static void two_that_ask_at_once_both_give_way(void **state)
{
	fake_start("ip6=2001:db8::2/64");
	solicit(NOBODY, OURS, false);
	assert_false(net_is_up(fake.net));
}

/* As by a bridge that sends frames back to where they came from. */
static void our_own_question_that_comes_back_is_no_objection(void **state)
{
	struct net_address before, after;

	fake_start("ip6=auto\0secret=x");
	assert_int_equal(net_addresses(fake.net, &before, 1), 1);
	for (unsigned i = 0, sent = fake.sent; i < sent; i++)
		fake_receive(fake_sent(i));
	assert_int_equal(net_addresses(fake.net, &after, 1), 1);
	assert_true(same(&before.addr, &after.addr));
	assert_int_equal(fake_counters().ip6_conflicts, 0);
	assert_true(fake_counters().drop_ethernet > 0);
}

static void an_address_of_our_making_is_made_anew(void **state)
{
	struct net_address before[8], after[8];

	fake_start("ip6=auto\0secret=x");
	assert_int_equal(net_addresses(fake.net, before, 8), 1);
	assert_true(ip6_is_link_local(&before[0].addr) && before[0].unproven);
	advertise(&before[0].addr, other_mac, false, true);
	assert_int_equal(net_addresses(fake.net, after, 8), 1);
	assert_true(ip6_is_link_local(&after[0].addr));
	assert_false(same(&before[0].addr, &after[0].addr));
	for (unsigned i = 0; i < 3; i++) { /* IDGEN_RETRIES */
		assert_int_equal(net_addresses(fake.net, after, 8), 1);
		advertise(&after[0].addr, other_mac, false, true);
	}
	assert_int_equal(net_addresses(fake.net, after, 8), 0);
}

static void a_probe_for_our_address_is_answered_to_all(void **state)
{
	struct ip6_header h;

	solicit(NOBODY, OURS, false);
	assert_int_equal(fake.sent, 1);
	struct nd_message m = sent_nd(0, &h);
	assert_int_equal(m.type, ICMP6_NEIGHBOUR_ADVERTISEMENT);
	assert_true(same(&h.dst, address("ff02::1")) && m.override && !m.solicited);
	assert_true(net_is_up(fake.net));
}

static void an_address_that_is_ours_for_certain_is_kept(void **state)
{
	advertise(OURS, other_mac, false, true);
	assert_true(net_is_up(fake.net));
	assert_int_equal(fake_counters().ip6_conflicts, 1);
}

static void what_is_no_message_of_a_neighbour_is_dropped(void **state)
{
	struct nd_message m = {.type = ICMP6_NEIGHBOUR_SOLICITATION, .target = *OURS};
	uint8_t bytes[64];
	struct writer w = writer_of(bytes, sizeof(bytes));

	nd_wire_emit(&w, &m);
	receive_icmp6(peer_mac, PEER, OURS, 254, writer_done(&w)); /* through a router */
	solicit(PEER, address("2001:db8::3"), true);               /* not ours */
	advertise(FAR, other_mac, true, true);                     /* not asked for */
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake.net->neighbours.entries.used, 0);
	assert_int_equal(fake_drops(), 3);
}

/* ---- the states ---- */

static enum neighbour_state state_of(const struct ip_addr *addr)
{
	const struct neighbour *n = neighbour_find(fake.net, addr);

	assert_non_null(n);
	return (enum neighbour_state)n->state;
}

static void an_unanswered_question_is_asked_three_times_and_then_drops(void **state)
{
	struct ip6_header h;

	assert_int_equal(send_to(PEER, 8), KILN_OK);
	struct nd_message m = sent_nd(0, &h);
	struct ip_addr group = ip6_solicited_node(PEER);
	assert_true(same(&h.dst, &group) && same(&h.src, OURS) && m.has_mac);
	assert_memory_equal(sent_to(0), ((uint8_t[]){0x33, 0x33, 0xff, 0, 0, 1}), 6);
	fake_pass(KILN_MS(2900));
	assert_int_equal(fake.sent, 3);
	fake_pass(KILN_MS(200));
	assert_int_equal(fake_counters().drop_unresolved, 1);
	assert_int_equal(send_to(PEER, 8), KILN_ERR_UNREACHABLE);
}

static void an_answer_makes_it_reachable_and_what_waited_leaves(void **state)
{
	struct ip6_header h;

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send_to(PEER, 8 + i), KILN_OK);
	assert_int_equal(fake.sent, 1);
	advertise(PEER, peer_mac, true, true);
	assert_int_equal(state_of(PEER), NEIGHBOUR_REACHABLE);
	assert_int_equal(fake.sent, 4);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sent_ip6(1 + i, &h).len, 8 + i);
		assert_memory_equal(sent_to(1 + i), peer_mac, 6);
	}
	assert_int_equal(fake_drops(), 0);
}

static void one_that_asks_is_stale_then_delayed_then_asked(void **state)
{
	struct ip6_header h;

	solicit(PEER, address("2001:db8::3"), true); /* not us: nothing is learnt */
	assert_null(neighbour_find(fake.net, PEER));
	meet(PEER, peer_mac); /* stale, and then sent the answer to */
	assert_int_equal(state_of(PEER), NEIGHBOUR_DELAY);
	fake.sent = 0;
	assert_int_equal(send_to(PEER, 8), KILN_OK);
	fake_pass(KILN_MS(4900));
	assert_int_equal(fake.sent, 1);
	fake_pass(KILN_MS(200));
	assert_int_equal(state_of(PEER), NEIGHBOUR_PROBE);
	assert_int_equal(fake.sent, 2);
	struct nd_message m = sent_nd(1, &h);
	assert_true(same(&h.dst, PEER) && same(&m.target, PEER));
	assert_memory_equal(sent_to(1), peer_mac, 6);
	advertise(PEER, NULL, true, false); /* an answer need not say its link address */
	assert_int_equal(state_of(PEER), NEIGHBOUR_REACHABLE);
}

static void a_transports_hint_saves_the_question(void **state)
{
	meet(PEER, peer_mac);
	fake.sent = 0;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(send_to(PEER, 8), KILN_OK);
		net_confirm(fake.net, PEER);
		fake_pass(KILN_SECONDS(1));
	}
	assert_int_equal(fake.sent, 100);
}

static void a_probe_that_is_not_answered_forgets_the_neighbour(void **state)
{
	meet(PEER, peer_mac);
	assert_int_equal(send_to(PEER, 8), KILN_OK);
	fake_pass(KILN_SECONDS(9));
	assert_null(neighbour_find(fake.net, PEER));
}

static void without_override_another_link_address_is_only_a_doubt(void **state)
{
	assert_int_equal(send_to(PEER, 8), KILN_OK);
	advertise(PEER, peer_mac, true, true);
	advertise(PEER, other_mac, false, false);
	assert_int_equal(state_of(PEER), NEIGHBOUR_STALE);
	assert_memory_equal(neighbour_find(fake.net, PEER)->mac, peer_mac, 6);
	advertise(PEER, other_mac, false, true);
	assert_int_equal(state_of(PEER), NEIGHBOUR_STALE);
	assert_memory_equal(neighbour_find(fake.net, PEER)->mac, other_mac, 6);
	advertise(PEER, other_mac, true, true);
	assert_int_equal(state_of(PEER), NEIGHBOUR_REACHABLE);
}

static void a_flood_of_askers_does_not_push_out_a_neighbour_in_use(void **state)
{
	assert_int_equal(send_to(PEER, 8), KILN_OK);
	advertise(PEER, peer_mac, true, true);
	for (unsigned i = 0; i < 2 * fake.net->neighbours.entries.count; i++) {
		struct ip_addr who = *address("2001:db8::5:0");
		who.bytes[14] = (uint8_t)(i >> 8);
		who.bytes[15] = (uint8_t)i;
		meet(&who, other_mac);
	}
	assert_int_equal(fake.net->neighbours.entries.used,
	                 fake.net->neighbours.entries.count);
	assert_int_equal(state_of(PEER), NEIGHBOUR_REACHABLE);
}

#define with(fixture, test) cmocka_unit_test_setup(test, fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_static_address_is_up_and_asked_about_at_once),
	    cmocka_unit_test(an_optimistic_address_changes_nobodys_cache),
	    cmocka_unit_test(a_given_address_asks_and_answers_at_once),
	    cmocka_unit_test(a_given_address_that_another_has_is_given_up),
	    cmocka_unit_test(two_that_ask_at_once_both_give_way),
	    cmocka_unit_test(our_own_question_that_comes_back_is_no_objection),
	    cmocka_unit_test(an_address_of_our_making_is_made_anew),
	    with(up, a_probe_for_our_address_is_answered_to_all),
	    with(up, an_address_that_is_ours_for_certain_is_kept),
	    with(up, what_is_no_message_of_a_neighbour_is_dropped),
	    with(up, an_unanswered_question_is_asked_three_times_and_then_drops),
	    with(up, an_answer_makes_it_reachable_and_what_waited_leaves),
	    with(up, one_that_asks_is_stale_then_delayed_then_asked),
	    with(up, a_transports_hint_saves_the_question),
	    with(up, a_probe_that_is_not_answered_forgets_the_neighbour),
	    with(up, without_override_another_link_address_is_only_a_doubt),
	    with(up, a_flood_of_askers_does_not_push_out_a_neighbour_in_use),
	};

	return cmocka_run_group_tests_name("IPv6 neighbours", tests, NULL, NULL);
}
