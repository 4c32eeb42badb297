/*
 * What BSD sockets need of TCP (lib/net/tcp_socket.h): listeners by address, paused ones,
 * connections from a given port, limits of the segment, and what is left of a connection
 * that the peer has reset.
 */
#include <lib/net/local.h>
#include <lib/net/tcp_socket.h>
#include "test/unit/tcp_play.h"

static struct tcp_listener *listen_on(struct ip_addr addr, bool ip6_only)
{
	const struct tcp_listen_options options = {
	    .local = {addr, LOCAL_PORT},
	    .ip6_only = ip6_only,
	};
	struct tcp_listener *listener;

	assert_int_equal(tcp_listen_on(tcp, &options, owner_accepted, NULL, &listener),
	                 KILN_OK);
	return listener;
}

static void the_listener_closest_to_the_address_is_found(void **state)
{
	const struct ip_addr any = {{0}}, any4 = ip_from4(ip4_of(0));
	const struct ip_addr mine = ip_from4(ip4_of(0x0a000002));
	const struct ip_addr other = ip_from4(ip4_of(0x0a000003));
	const struct ip_addr six = {{0xfd, [15] = 1}};
	struct tcp_listener *all = listen_on(any, false), *all4, *exact;

	assert_ptr_equal(tcp_listener_find(tcp, &mine, LOCAL_PORT), all);
	assert_ptr_equal(tcp_listener_find(tcp, &six, LOCAL_PORT), all);
	all4 = listen_on(any4, false);
	exact = listen_on(mine, false);
	assert_ptr_equal(tcp_listener_find(tcp, &mine, LOCAL_PORT), exact);
	assert_ptr_equal(tcp_listener_find(tcp, &other, LOCAL_PORT), all4);
	assert_ptr_equal(tcp_listener_find(tcp, &six, LOCAL_PORT), all);
	assert_null(tcp_listener_find(tcp, &mine, LOCAL_PORT + 1));
	tcp_unlisten(all4);
	tcp_unlisten(all);
	all = listen_on(any, true);
	assert_null(tcp_listener_find(tcp, &other, LOCAL_PORT));
	assert_ptr_equal(tcp_listener_find(tcp, &six, LOCAL_PORT), all);
}

static void a_paused_listener_answers_later(void **state)
{
	struct tcp_listener *listener = play_listen();
	struct tcp_segment syn = peer_syn(PLAIN);

	tcp_listener_pause(listener, true);
	inject(&syn);
	expect_nothing();
	tcp_listener_pause(listener, false);
	peer_opens(PLAIN);
	tcp_listener_pause(listener, true);
	peer_acks(1, 1);
	expect_nothing();
	assert_null(owner.conn);
	tcp_listener_pause(listener, false);
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
}

static void a_listener_limits_segments_and_the_window(void **state)
{
	const struct tcp_listen_options options = {
	    .local = {{{0}}, LOCAL_PORT},
	    .mss_most = 700,
	    .receive_limit = 5000,
	};
	struct tcp_listener *listener;

	assert_int_equal(tcp_listen_on(tcp, &options, owner_accepted, NULL, &listener),
	                 KILN_OK);
	struct sent *answer = peer_opens(PLAIN);
	assert_int_equal(answer->s.options.mss, 700);
	assert_int_equal(answer->s.window, 5000);
	peer_acks(1, 1);
	settle();
	tcp_send(owner.conn, pattern(0, 1000));
	expect(TCP_ACK, 1, 1, 700);
}

static void a_connection_leaves_from_the_port_that_was_asked_for(void **state)
{
	struct endpoint from = {{{0}}, 1234};
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	struct tcp_conn *second;

	assert_int_equal(
	    tcp_connect_from(tcp, &from, &to, &owner_events, NULL, &owner.conn), KILN_OK);
	tcp_limit_mss(owner.conn, 900);
	const struct sent *syn = next_sent();
	assert_int_equal(syn->s.src_port, 1234);
	assert_int_equal(syn->s.options.mss, 900);
	assert_true(tcp_port_is_used(tcp, 1234));
	assert_false(tcp_port_is_used(tcp, 1235));
	assert_int_equal(tcp_connect_from(tcp, &from, &to, &owner_events, NULL, &second),
	                 KILN_ERR_IN_USE);
	from.port = 0;
	assert_int_equal(tcp_connect_from(tcp, &from, &to, &owner_events, NULL, &second),
	                 KILN_OK);
}

static uint8_t left[8];
static size_t left_size;

static void read_what_is_left(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	assert_int_equal(why, KILN_ERR_RESET);
	left_size = tcp_read(conn, left, sizeof(left));
}

static void what_came_before_a_reset_can_still_be_read(void **state)
{
	static const struct tcp_events events = {owner_ready, read_what_is_left};

	owner.keep = true;
	established(PLAIN);
	tcp_own(owner.conn, &events, NULL);
	peer_sends(TCP_ACK, 1, 1, SLICE("last"));
	settle();
	peer_sends(TCP_RST, 5, 0, (struct slice){0});
	settle();
	assert_int_equal(left_size, 4);
	assert_memory_equal(left, "last", 4);
	assert_no_leak();
}

static void a_cork_holds_back_what_fills_no_segment(void **state)
{
	established(PLAIN);
	tcp_set_cork(owner.conn, true);
	tcp_send(owner.conn, pattern(0, PEER_MSS + 10));
	expect(TCP_ACK, 1, 1, PEER_MSS);
	peer_acks(1, 1 + PEER_MSS);
	expect_nothing();
	tcp_set_cork(owner.conn, false);
	expect(TCP_ACK, 1 + PEER_MSS, 1, 10);
	peer_acks(1, 1 + PEER_MSS + 10);
	tcp_set_cork(owner.conn, true);
	tcp_send(owner.conn, pattern(PEER_MSS + 10, 5));
	expect_nothing();
	pass(KILN_SECONDS(2)); /* but not for ever */
	expect(TCP_ACK, 1 + PEER_MSS + 10, 1, 5);
}

static void the_facts_of_a_connection_are_told(void **state)
{
	struct tcp_facts facts;

	established(WITH_MSS | WITH_SCALE | WITH_SACK);
	tcp_send(owner.conn, pattern(0, 20000));
	settle();
	tcp_facts(owner.conn, &facts);
	assert_int_equal(facts.state, TCP_FACT_ESTABLISHED);
	assert_true(facts.has_sack && facts.has_window_scale && !facts.has_timestamps);
	assert_int_equal(facts.smss, PEER_MSS);
	assert_int_equal(facts.in_flight, 10 * PEER_MSS);
	assert_int_equal(facts.unsent, 20000 - 10 * PEER_MSS);
	assert_int_equal(facts.cwnd, 10 * PEER_MSS);
	assert_string_equal(facts.congestion, "cubic");
	peer_sends(TCP_FIN | TCP_ACK, 1, 1, (struct slice){0});
	settle();
	tcp_facts(owner.conn, &facts);
	assert_int_equal(facts.state, TCP_FACT_CLOSE_WAIT);
	assert_true(facts.peer_closed);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(the_listener_closest_to_the_address_is_found),
	    PLAY(a_paused_listener_answers_later),
	    PLAY(a_listener_limits_segments_and_the_window),
	    PLAY(a_connection_leaves_from_the_port_that_was_asked_for),
	    PLAY(what_came_before_a_reset_can_still_be_read),
	    PLAY(a_cork_holds_back_what_fills_no_segment),
	    PLAY(the_facts_of_a_connection_are_told),
	};

	return cmocka_run_group_tests_name("tcp_socket", all, NULL, NULL) != 0;
}
