/*
 * Fast Open, the server's side (RFC 7413): cookies, data in the SYN, what is sent before
 * the handshake is over, and its limits.
 */
#include "tcp_play.h"

static const struct slice nothing;
static uint8_t cookie[8];

static int setup(void **state)
{
	play_config =
	    (struct tcp_config){.fast_open = &tcp_fast_open, .fast_open_pending = 4};
	play_start(PLAY_MEMORY);
	play_listen();
	return 0;
}

/* A SYN with a cookie of so many bytes (0: it asks for one), and data. */
static void peer_syn_with(size_t size, const uint8_t *bytes, struct slice data)
{
	struct tcp_segment s = peer_syn(PLAIN | WITH_SCALE);

	s.options.has_fast_open = true;
	s.options.fast_open_size = (uint8_t)size;
	memcpy(s.options.fast_open, bytes, size);
	s.data = data;
	inject(&s);
}

/* The SYN-ACK, which acknowledges so much. */
static struct sent *expect_syn_ack(uint32_t ack)
{
	struct sent *answer = next_sent();

	our_isn = answer->s.seq;
	assert_int_equal(answer->s.flags, TCP_SYN | TCP_ACK);
	assert_int_equal(answer->s.ack.v - PEER_ISN, ack);
	assert_int_equal(answer->s.data.len, 0);
	return answer;
}

static void take_cookie(const struct sent *answer)
{
	assert_true(answer->s.options.has_fast_open);
	assert_int_equal(answer->s.options.fast_open_size, sizeof(cookie));
	memcpy(cookie, answer->s.options.fast_open, sizeof(cookie));
}

/* The peer has been here before. */
static void get_cookie(void)
{
	peer_port--;
	peer_syn_with(0, cookie, nothing);
	take_cookie(expect_syn_ack(1));
	peer_sends(TCP_RST, 1, 0, nothing);
	peer_port++;
	assert_int_equal(tcp->halves.used, 0);
}

static void answer_at_once(struct tcp_conn *conn)
{
	if (owner.got_size >= 7 && tcp_can_send(conn) && conn->out.end == 0)
		tcp_send(conn, SLICE("answer"));
}

static void finish(void)
{
	if (owner.conn)
		tcp_abort(owner.conn);
	owner.conn = NULL;
	settle();
	assert_int_equal(tcp->fast_open_pending, 0);
	assert_no_leak();
}

/* ---- cookies ---- */

static void without_fast_open_the_option_is_ignored(void **state)
{
	play_config.fast_open = NULL;
	play_again(PLAY_MEMORY);
	play_listen();
	peer_syn_with(0, cookie, SLICE("request"));
	assert_false(expect_syn_ack(1)->s.options.has_fast_open);
}

static void who_asks_gets_a_cookie_and_an_ordinary_handshake(void **state)
{
	peer_syn_with(0, cookie, SLICE("request"));
	take_cookie(expect_syn_ack(1)); /* the data is not acknowledged */
	assert_null(owner.conn);
	pass(KILN_MS(1100));
	take_cookie(expect_syn_ack(1)); /* sent again, with the cookie */
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
	peer_sends(TCP_ACK, 1, 1, SLICE("request"));
	assert_int_equal(owner.got_size, 7);
	finish();
}

static void who_does_not_ask_gets_none(void **state)
{
	assert_false(peer_opens(PLAIN)->s.options.has_fast_open);
}

static void a_wrong_cookie_falls_back_and_brings_a_good_one(void **state)
{
	uint8_t wrong[16];

	get_cookie();
	memcpy(wrong, cookie, sizeof(cookie));
	memset(wrong + 8, 0, 8);
	for (unsigned i = 0; i < 3; i++) {
		static const size_t size[] = {8, 16, 4};

		wrong[0] = (uint8_t)(cookie[0] ^ (i == 0));
		peer_syn_with(size[i], wrong, SLICE("request"));
		take_cookie(expect_syn_ack(1));
		assert_null(owner.conn);
		peer_port++;
	}
	assert_int_equal(tcp->count.fast_opens_bad, 3);
	assert_int_equal(tcp->count.fast_opens, 0);
}

static void a_cookie_is_renewed_after_a_period_and_wrong_after_two(void **state)
{
	get_cookie();
	pass(KILN_SECONDS(12 * 3600));
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	assert_int_equal(tcp->count.fast_opens, 1);
	uint8_t old[8];
	memcpy(old, cookie, sizeof(old));
	take_cookie(expect_syn_ack(8));
	assert_memory_not_equal(old, cookie, sizeof(old));
	finish();
	skip_sent();
	pass(KILN_SECONDS(12 * 3600));
	peer_port++;
	peer_syn_with(sizeof(cookie), old, SLICE("request"));
	expect_syn_ack(1);
	assert_int_equal(tcp->count.fast_opens_bad, 1);
}

/* ---- data in the SYN ---- */

static void the_request_is_answered_before_the_handshake_ends(void **state)
{
	get_cookie();
	owner.on_ready = answer_at_once;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	assert_false(expect_syn_ack(8)->s.options.has_fast_open);
	assert_int_equal(owner.got_size, 7);
	assert_memory_equal(owner.got, "request", 7);
	assert_string_equal(tcp_state_text(owner.conn), "SYN-RECEIVED");
	expect(TCP_ACK, 1, 8, 6);
	pass(KILN_MS(50));
	expect_nothing(); /* the SYN-ACK was the ACK: none is owed */
	peer_acks(8, 7);
	settle();
	assert_string_equal(tcp_state_text(owner.conn), "ESTABLISHED");
	assert_int_equal(tcp_unsent(owner.conn), 0);
	assert_int_equal(owner.conn->srtt, KILN_MS(50));
	assert_int_equal(tcp->fast_open_pending, 0);
	peer_sends(TCP_ACK, 8, 7, SLICE(" and more"));
	assert_int_equal(owner.got_size, 16);
	finish();
}

static void a_syn_without_data_opens_early_as_well(void **state)
{
	get_cookie();
	peer_syn_with(sizeof(cookie), cookie, nothing);
	expect_syn_ack(1);
	assert_non_null(owner.conn);
	pass(KILN_MS(30));
	tcp_send(owner.conn, SLICE("banner"));
	expect(TCP_ACK, 1, 1, 6);
	pass(KILN_MS(20));
	peer_acks(1, 1); /* of the SYN-ACK: the data is still on its way */
	settle();
	assert_string_equal(tcp_state_text(owner.conn), "ESTABLISHED");
	assert_int_equal(tcp_unsent(owner.conn), 6);
	peer_acks(1, 7);
	assert_int_equal(tcp_unsent(owner.conn), 0);
	finish();
}

static void the_handshake_tells_the_round_trip_time(void **state)
{
	get_cookie();
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	expect_syn_ack(8);
	pass(KILN_MS(70));
	peer_acks(8, 1);
	settle();
	assert_int_equal(owner.conn->srtt, KILN_MS(70));
	finish();
}

static void an_owner_may_answer_and_close_at_once(void **state)
{
	struct tcp_conn *conn;

	get_cookie();
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	conn = owner.conn;
	tcp_send(conn, SLICE("answer"));
	tcp_close(conn);
	expect_syn_ack(8);
	expect(TCP_FIN | TCP_ACK, 1, 8, 6);
	peer_acks(8, 8);
	settle();
	peer_sends(TCP_FIN | TCP_ACK, 8, 8, nothing);
	expect(TCP_ACK, 8, 9, 0);
	assert_int_equal(tcp->count.time_wait, 1);
	owner.conn = NULL;
	finish();
}

static void a_fin_in_the_syn_is_left_for_later(void **state)
{
	struct tcp_segment s;

	get_cookie();
	s = peer_syn(PLAIN);
	s.flags |= TCP_FIN;
	s.options.has_fast_open = true;
	s.options.fast_open_size = sizeof(cookie);
	memcpy(s.options.fast_open, cookie, sizeof(cookie));
	s.data = SLICE("request");
	inject(&s);
	expect_syn_ack(8);
	assert_false(tcp_at_end(owner.conn));
	peer_sends(TCP_FIN | TCP_ACK, 8, 1, nothing);
	assert_true(tcp_at_end(owner.conn));
	finish();
}

static void a_listener_that_refuses_resets(void **state)
{
	get_cookie();
	owner.refuse = true;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	assert_int_equal(next_sent()->s.flags, TCP_RST | TCP_ACK);
	finish();
}

/* ---- loss ---- */

static void a_lost_syn_ack_is_sent_again(void **state)
{
	get_cookie();
	owner.on_ready = answer_at_once;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	expect_syn_ack(8);
	expect(TCP_ACK, 1, 8, 6);
	/* The client's own timer: it tries without the option and without data. */
	struct tcp_segment s = peer_syn(PLAIN | WITH_SCALE);
	inject(&s);
	expect_syn_ack(8);
	expect_nothing();
	pass(KILN_MS(1100));
	expect_syn_ack(8); /* and ours */
	expect_nothing();
	assert_int_equal(owner.got_size, 7);
	/* What was sent before is lost as well: the client did not know of us. */
	peer_acks(8, 1);
	expect(TCP_ACK, 1, 8, 6);
	peer_acks(8, 7);
	assert_int_equal(tcp_unsent(owner.conn), 0);
	assert_int_equal(owner.got_size, 7);
	finish();
}

static void a_client_that_never_answers_is_given_up(void **state)
{
	get_cookie();
	owner.on_ready = answer_at_once;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	pass(KILN_SECONDS(190));
	assert_int_equal(owner.closes, 1);
	assert_int_equal(owner.why, KILN_ERR_TIMEOUT);
	for (unsigned i = net.looked_at; i + 1 < net.sent_count; i++)
		assert_true((net.sent[i].s.flags & TCP_SYN) || i < net.looked_at + 2);
	finish();
}

/* ---- limits ---- */

static void open_some(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		peer_port++;
		peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
		expect_syn_ack(8);
		owner.conn = NULL;
	}
}

static void so_many_are_pending_at_most(void **state)
{
	get_cookie();
	open_some(4);
	peer_port++;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	expect_syn_ack(1); /* an ordinary handshake */
	assert_int_equal(tcp->count.fast_opens, 4);
	assert_int_equal(tcp->count.fast_opens_refused, 1);
}

/* A stolen cookie makes its victim reset: that must not free the attacker's share. */
static void a_reset_counts_for_a_minute(void **state)
{
	get_cookie();
	for (unsigned i = 0; i < 4; i++) {
		peer_port++;
		peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
		expect_syn_ack(8);
		peer_sends(TCP_RST, 8, 0, nothing);
		assert_int_equal(owner.closes, i + 1);
		assert_int_equal(owner.why, KILN_ERR_RESET);
		settle();
	}
	peer_port++;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	expect_syn_ack(1);
	assert_int_equal(tcp->count.fast_opens_refused, 1);
	peer_sends(TCP_RST, 1, 0, nothing);
	pass(KILN_SECONDS(60));
	peer_port++;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	expect_syn_ack(8);
	finish();
}

static void in_a_flood_of_syns_there_is_none(void **state)
{
	get_cookie();
	while (tcp->halves.used < tcp->halves.count) {
		struct tcp_segment s = peer_syn(PLAIN);

		peer_port++;
		inject(&s);
		skip_sent();
		while (net.sent_count > 0) /* nobody will look */
			free(net.sent[--net.sent_count].bytes);
		net.looked_at = 0;
	}
	peer_port++;
	peer_syn_with(sizeof(cookie), cookie, SLICE("request"));
	assert_false(expect_syn_ack(1)->s.options.has_fast_open); /* a SYN cookie */
	assert_int_equal(tcp->count.cookies_sent, 1);
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
}

#define FAST(test) cmocka_unit_test_setup_teardown(test, setup, play_teardown)

int main(void)
{
	const struct CMUnitTest all[] = {
	    FAST(without_fast_open_the_option_is_ignored),
	    FAST(who_asks_gets_a_cookie_and_an_ordinary_handshake),
	    FAST(who_does_not_ask_gets_none),
	    FAST(a_wrong_cookie_falls_back_and_brings_a_good_one),
	    FAST(a_cookie_is_renewed_after_a_period_and_wrong_after_two),
	    FAST(the_request_is_answered_before_the_handshake_ends),
	    FAST(a_syn_without_data_opens_early_as_well),
	    FAST(the_handshake_tells_the_round_trip_time),
	    FAST(an_owner_may_answer_and_close_at_once),
	    FAST(a_fin_in_the_syn_is_left_for_later),
	    FAST(a_listener_that_refuses_resets),
	    FAST(a_lost_syn_ack_is_sent_again),
	    FAST(a_client_that_never_answers_is_given_up),
	    FAST(so_many_are_pending_at_most),
	    FAST(a_reset_counts_for_a_minute),
	    FAST(in_a_flood_of_syns_there_is_none),
	};

	return cmocka_run_group_tests_name("tcp_fast_open", all, NULL, NULL) != 0;
}
