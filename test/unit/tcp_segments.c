/*
 * A segment arrives at an established connection, and at one that is closing: RFC 9293
 * 3.10.7.4, blind attacks (5961), PAWS (7323), data in and out of order with the SACK
 * blocks that report it (2018), the receive window, and the close in all its orders
 * (3.6).
 */
#include "test/unit/tcp_play.h"

static const struct slice nothing = {0};

static void assert_state(const char *name)
{
	assert_string_equal(tcp_state_text(owner.conn), name);
}

/* ---- data ---- */

static void data_in_order_is_delivered_and_acknowledged(void **state)
{
	established(PLAIN);
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1000));
	assert_int_equal(owner.got_size, 1000);
	assert_memory_equal(owner.got, pattern(0, 1000).data, 1000);
	assert_int_equal(byte_chunks(), 0); /* never copied */
	expect_nothing();
	pass(KILN_MS(39));
	expect_nothing();
	pass(KILN_MS(2));
	expect(TCP_ACK, 1, 1001, 0);
	pass(KILN_SECONDS(10));
	expect_nothing();
}

static void every_second_segment_is_acknowledged_at_once(void **state)
{
	established(PLAIN);
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1460));
	expect_nothing();
	peer_sends(TCP_ACK, 1461, 1, pattern(0, 1460));
	expect(TCP_ACK, 1, 2921, 0);
	pass(KILN_MS(100));
	expect_nothing();
}

static void answer(struct tcp_conn *conn)
{
	if (owner.got_size == 3)
		assert_int_equal(tcp_send(conn, SLICE("pong")), 4);
}

static void an_answer_carries_the_acknowledgement(void **state)
{
	established(PLAIN);
	owner.on_ready = answer;
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	struct sent *sent = expect(TCP_ACK, 1, 4, 4);
	assert_true(sent->s.flags & TCP_PSH);
	peer_acks(4, 5);
	pass(KILN_SECONDS(1));
	expect_nothing();
}

static void what_the_owner_leaves_is_kept(void **state)
{
	uint8_t out[3000];

	struct tcp_conn *conn = established(PLAIN);
	owner.keep = true;
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1460));
	peer_sends(TCP_ACK, 1461, 1, pattern(1460, 1460));
	assert_int_equal(tcp_unread(conn), 2920);
	assert_int_equal(byte_chunks(), 2);
	expect(TCP_ACK, 1, 2921, 0);
	assert_int_equal(tcp_read(conn, out, 10), 10);
	assert_int_equal(tcp_read(conn, out + 10, sizeof(out)), 2910);
	assert_memory_equal(out, pattern(0, 2920).data, 2920);
	assert_int_equal(byte_chunks(), 0);
	assert_int_equal(tcp_peek(conn).len, 0);
}

static void old_and_repeated_data_is_cut_off_and_acknowledged(void **state)
{
	established(PLAIN);
	peer_sends(TCP_ACK, 1, 1, pattern(0, 100));
	peer_sends(TCP_ACK, 1, 1, pattern(0, 100)); /* all of it is old */
	expect(TCP_ACK, 1, 101, 0);
	peer_sends(TCP_ACK, 51, 1, pattern(50, 100)); /* half of it is */
	assert_int_equal(owner.got_size, 150);
	assert_memory_equal(owner.got, pattern(0, 150).data, 150);
	assert_int_equal(tcp->count.drop_window, 1);
}

static void data_beyond_the_window_is_cut_off(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	uint32_t window = tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt);

	peer_sends(TCP_ACK, 1 + window, 1, SLICE("x"));
	expect(TCP_ACK, 1, 1, 0);
	peer_sends(TCP_ACK, window - 9, 1, pattern(0, 100));
	expect(TCP_ACK, 1, 1, 0);
	assert_int_equal(conn->in.ooo->end, 10);
}

static void urgent_data_is_ordinary_data(void **state)
{
	struct tcp_segment s;

	established(PLAIN);
	s = peer_segment(TCP_ACK | TCP_URG, 1, 1);
	s.urgent = 2;
	s.data = SLICE("abcd");
	inject(&s);
	assert_int_equal(owner.got_size, 4);
}

static void a_segment_without_ack_is_dropped(void **state)
{
	established(PLAIN);
	peer_sends(0, 1, 0, SLICE("abcd"));
	expect_nothing();
	assert_int_equal(owner.got_size, 0);
}

/* ---- out of order ---- */

static void assert_sack(const struct sent *sent, unsigned i, uint32_t start, uint32_t end)
{
	assert_true(i < sent->s.options.sack_count);
	assert_int_equal(sent->s.options.sack[i].start.v - PEER_ISN, start);
	assert_int_equal(sent->s.options.sack[i].end.v - PEER_ISN, end);
}

static void data_beyond_a_gap_is_reported_the_latest_first(void **state)
{
	struct sent *sent;

	established(PLAIN | WITH_SACK);
	peer_sends(TCP_ACK, 101, 1, pattern(100, 100));
	sent = expect(TCP_ACK, 1, 1, 0);
	assert_int_equal(sent->s.options.sack_count, 1);
	assert_sack(sent, 0, 101, 201);
	peer_sends(TCP_ACK, 301, 1, pattern(300, 100));
	sent = expect(TCP_ACK, 1, 1, 0);
	assert_sack(sent, 0, 301, 401);
	assert_sack(sent, 1, 101, 201);
	peer_sends(TCP_ACK, 501, 1, pattern(500, 100));
	expect(TCP_ACK, 1, 1, 0);
	peer_sends(TCP_ACK, 201, 1, pattern(200, 100)); /* joins the first two */
	sent = expect(TCP_ACK, 1, 1, 0);
	assert_int_equal(sent->s.options.sack_count, 2);
	assert_sack(sent, 0, 101, 401);
	assert_sack(sent, 1, 501, 601);
	assert_int_equal(owner.got_size, 0);
	peer_sends(TCP_ACK, 1, 1, pattern(0, 100));
	sent = expect(TCP_ACK, 1, 401, 0);
	assert_int_equal(sent->s.options.sack_count, 1);
	assert_sack(sent, 0, 501, 601);
	assert_int_equal(owner.got_size, 400);
	peer_sends(TCP_ACK, 401, 1, pattern(400, 100));
	sent = expect(TCP_ACK, 1, 601, 0);
	assert_int_equal(sent->s.options.sack_count, 0);
	assert_int_equal(owner.got_size, 600);
	assert_memory_equal(owner.got, pattern(0, 600).data, 600);
	assert_int_equal(byte_chunks(), 0);
}

static void three_blocks_fit_beside_timestamps_four_without(void **state)
{
	for (unsigned with = 0; with < 2; with++) {
		struct sent *sent = NULL;

		play_again(PLAY_MEMORY);
		established(PLAIN | WITH_SACK | (with ? WITH_TIMESTAMPS : 0));
		for (uint32_t i = 1; i <= 6; i++) {
			peer_sends(TCP_ACK, 1 + 200 * i, 1, pattern(0, 100));
			sent = expect(TCP_ACK, 1, 1, 0);
		}
		assert_int_equal(sent->s.options.sack_count, with ? 3 : 4);
		assert_sack(sent, 0, 1201, 1301);
		assert_sack(sent, 1, 1001, 1101);
		assert_sack(sent, 2, 801, 901);
	}
}

/* RFC 2883: once, before all others. */
static void what_comes_twice_is_reported_first(void **state)
{
	struct sent *sent;

	established(PLAIN | WITH_SACK);
	peer_sends(TCP_ACK, 1, 1, pattern(0, 200));
	skip_sent();
	pass(KILN_MS(50));
	skip_sent();
	peer_sends(TCP_ACK, 101, 1, pattern(100, 100)); /* all of it, acknowledged */
	sent = expect(TCP_ACK, 1, 201, 0);
	assert_int_equal(sent->s.options.sack_count, 1);
	assert_sack(sent, 0, 101, 201);
	peer_sends(TCP_ACK, 301, 1, pattern(300, 200));
	sent = expect(TCP_ACK, 1, 201, 0);
	assert_int_equal(sent->s.options.sack_count, 1);
	assert_sack(sent, 0, 301, 501);
	peer_sends(TCP_ACK, 401, 1, pattern(400, 200)); /* in part, beyond a gap */
	sent = expect(TCP_ACK, 1, 201, 0);
	assert_int_equal(sent->s.options.sack_count, 2);
	assert_sack(sent, 0, 401, 501);
	assert_sack(sent, 1, 301, 601);
	peer_sends(TCP_ACK, 101, 1,
	           pattern(100, 200)); /* in part, and it fills the gap */
	sent = expect(TCP_ACK, 1, 601, 0);
	assert_int_equal(sent->s.options.sack_count, 1);
	assert_sack(sent, 0, 101, 201);
	assert_int_equal(owner.got_size, 600);
}

static void without_sack_each_is_a_plain_duplicate(void **state)
{
	established(PLAIN);
	for (unsigned i = 0; i < 3; i++) {
		peer_sends(TCP_ACK, 101 + 100 * i, 1, pattern(0, 100));
		assert_int_equal(expect(TCP_ACK, 1, 1, 0)->s.options.sack_count, 0);
	}
}

/* Segments of random place and length, with overlaps, give the stream in the end. */
static void any_order_gives_the_same_stream(void **state)
{
	enum { TOTAL = 60000 };

	srand(1);
	for (unsigned round = 0; round < 20; round++) {
		play_again(PLAY_MEMORY);
		established(PLAIN | WITH_SACK);
		for (unsigned i = 0; i < 300 && owner.got_size < TOTAL; i++) {
			size_t start = (size_t)rand() % TOTAL;
			size_t len = 1 + (size_t)rand() % 4000;

			len = KILN_MIN(len, TOTAL - start);
			peer_sends(TCP_ACK, (uint32_t)(1 + start), 1,
			           pattern(start, len));
			skip_sent();
		}
		for (size_t at = 0; owner.got_size < TOTAL; at += 1000) {
			peer_sends(TCP_ACK, (uint32_t)(1 + at), 1, pattern(at, 1000));
			skip_sent();
		}
		assert_int_equal(owner.got_size, TOTAL);
		assert_memory_equal(owner.got, pattern(0, TOTAL).data, TOTAL);
		assert_int_equal(byte_chunks(), 0);
		assert_int_equal(owner.conn->in.sack_count, 0);
		assert_int_equal(owner.conn->in.ooo_runs, 0);
	}
}

static void tiny_segments_beyond_a_gap_do_not_eat_the_memory(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	for (uint32_t i = 0; i < 2000; i++) {
		peer_sends(TCP_ACK, 3 + 2 * i, 1, SLICE("x"));
		skip_sent();
	}
	assert_true(byte_chunks() <= 2 * (conn->receive_limit / CHUNK_SIZE) + 2);
	assert_true(tcp->count.drop_no_memory > 0);
}

/* ---- the receive window ---- */

/* A peer that has filled the window sends its ACKs from the window's right edge. */
static void an_ack_from_the_edge_of_the_window_counts(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	uint32_t edge = tcp_seq_diff(conn->rcv_adv, tcp_seq_of(PEER_ISN));

	tcp_send(conn, SLICE("answer"));
	expect(TCP_ACK, 1, 1, 6);
	peer_acks(edge, 7); /* all its data is on the way, or lost */
	assert_int_equal(tcp_unsent(conn), 0);
	tcp_send(conn, SLICE("more"));
	expect(TCP_ACK, 7, 1, 4);
	peer_acks(edge + 1, 11);
	assert_int_equal(tcp_unsent(conn), 4);
}

static void the_window_closes_opens_again_and_never_shrinks(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	uint32_t limit = 8000, sent_bytes = 0, edge = 0;
	static uint8_t out[8000];

	tcp_set_receive_limit(conn, limit);
	owner.keep = true;
	skip_sent();
	/* What was promised before the limit was lowered stays promised. */
	while (tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt) > 0) {
		uint32_t n = KILN_MIN(1000, tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt));

		peer_sends(TCP_ACK, 1 + sent_bytes, 1, pattern(0, n));
		sent_bytes += n;
		pass(KILN_MS(50));
		const struct tcp_segment *s = &net.sent[net.sent_count - 1].s;
		assert_true(s->ack.v - PEER_ISN + s->window >= edge);
		edge = s->ack.v - PEER_ISN + s->window;
	}
	skip_sent();
	assert_int_equal(net.sent[net.sent_count - 1].s.window, 0);
	/* A probe is answered, its byte refused. */
	peer_sends(TCP_ACK, 1 + sent_bytes, 1, SLICE("x"));
	assert_int_equal(expect(TCP_ACK, 1, 1 + sent_bytes, 0)->s.window, 0);
	/* And so it is behind data whose ACK was lost. */
	peer_sends(TCP_ACK, sent_bytes - 99, 1, pattern(0, 200));
	assert_int_equal(expect(TCP_ACK, 1, 1 + sent_bytes, 0)->s.window, 0);
	/* Reading a little is not worth a segment, nor a step of the window (3.8.6.2.2). */
	while (tcp_unread(conn) > limit - 1000)
		tcp_consume(conn, 1);
	expect_nothing();
	peer_sends(TCP_ACK, 1 + sent_bytes, 1, SLICE("x"));
	assert_int_equal(expect(TCP_ACK, 1, 1 + sent_bytes, 0)->s.window, 0);
	assert_int_equal(tcp_read(conn, out, 4000), 4000);
	assert_true(expect(TCP_ACK, 1, 1 + sent_bytes, 0)->s.window >= 4000);
}

static void the_window_is_scaled_once_established(void **state)
{
	struct tcp_segment s = peer_syn(PLAIN | WITH_SCALE);
	const struct sent *answer;

	play_listen();
	inject(&s);
	answer = next_sent();
	our_isn = answer->s.seq;
	assert_int_equal(answer->s.window, 65535);
	peer_window = 100;
	peer_acks(1, 1);
	settle();
	assert_int_equal(owner.conn->snd_wnd, 12800);
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1460));
	pass(KILN_MS(50));
	assert_int_equal(expect(TCP_ACK, 1, 1461, 0)->s.window,
	                 tcp->receive_limit >> answer->s.options.window_scale);
}

/* ---- RFC 5961 and PAWS ---- */

static void a_reset_counts_only_at_the_exact_number(void **state)
{
	established(PLAIN);
	peer_sends(TCP_RST, 2, 0, nothing);
	expect(TCP_ACK, 1, 1, 0); /* challenged */
	assert_int_equal(tcp->count.challenge_acks, 1);
	pass(KILN_SECONDS(1));
	peer_sends(TCP_RST, 0, 0, nothing); /* outside of the window */
	peer_sends(TCP_RST, 2 + 65535, 0, nothing);
	expect_nothing();
	assert_state("ESTABLISHED");
	peer_sends(TCP_RST, 1, 0, nothing);
	assert_int_equal(owner.closes, 1);
	assert_int_equal(owner.why, KILN_ERR_RESET);
	expect_nothing();
	assert_no_leak();
}

static void a_syn_is_challenged_wherever_it_lies(void **state)
{
	established(PLAIN);
	peer_sends(TCP_SYN, 500, 0, nothing);
	expect(TCP_ACK, 1, 1, 0);
	pass(KILN_SECONDS(1));
	peer_sends(TCP_SYN, 0x70000000, 0, nothing);
	expect(TCP_ACK, 1, 1, 0);
	assert_state("ESTABLISHED");
}

static void an_ack_outside_its_range_is_challenged_and_its_data_dropped(void **state)
{
	established(PLAIN);
	peer_sends(TCP_ACK, 1, 2, SLICE("evil")); /* never sent */
	expect(TCP_ACK, 1, 1, 0);
	pass(KILN_SECONDS(1));
	peer_sends(TCP_ACK, 1, 1u - 70000u, SLICE("evil"));
	expect(TCP_ACK, 1, 1, 0);
	assert_int_equal(owner.got_size, 0);
	peer_sends(TCP_ACK, 1, 1u - 60000u, SLICE("good")); /* old, but possible */
	assert_int_equal(owner.got_size, 4);
}

static void challenges_are_limited(void **state)
{
	established(PLAIN);
	for (unsigned i = 0; i < 100; i++)
		peer_sends(TCP_RST, 2, 0, nothing);
	expect(TCP_ACK, 1, 1, 0);
	expect_nothing();
	tcp->challenges_left = 0; /* of the whole image, for this second */
	owner.conn->challenge_at = 0;
	peer_sends(TCP_RST, 2, 0, nothing);
	expect_nothing();
	pass(KILN_SECONDS(1));
	peer_sends(TCP_RST, 2, 0, nothing);
	expect(TCP_ACK, 1, 1, 0);
}

static void old_timestamps_are_refused(void **state)
{
	established(PLAIN | WITH_TIMESTAMPS);
	peer_ts += 10;
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	assert_int_equal(owner.got_size, 3);
	peer_ts -= 1;
	peer_sends(TCP_ACK, 4, 1, SLICE("def"));
	assert_int_equal(owner.got_size, 3);
	assert_int_equal(expect(TCP_ACK, 1, 4, 0)->s.options.ts_echo, peer_ts + 1);
	peer_ts += 1;
	peer_sends(TCP_ACK, 4, 1, SLICE("def")); /* equal is not older */
	assert_int_equal(owner.got_size, 6);
}

static void a_timestamp_is_believed_again_after_24_days(void **state)
{
	established(PLAIN | WITH_TIMESTAMPS);
	peer_ts -= 1;
	pass(KILN_SECONDS(25 * 86400));
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	assert_int_equal(owner.got_size, 3);
}

/* Who can guess a sequence number but not an acknowledgement cannot shut the peer out. */
static void the_timestamp_of_a_forged_segment_is_not_kept(void **state)
{
	struct tcp_conn *conn = established(PLAIN | WITH_TIMESTAMPS);
	struct tcp_segment s;

	s = peer_segment(TCP_ACK, 1, 1000000);
	s.options.ts_value = peer_ts + 1000000000;
	s.data = SLICE("forged");
	inject(&s);
	assert_int_equal(conn->ts_recent, peer_ts);
	skip_sent();
	peer_sends(TCP_ACK, 1, 1, SLICE("real"));
	settle();
	assert_int_equal(owner.got_size, 4);
}

static void a_segment_without_the_negotiated_timestamp_is_dropped(void **state)
{
	established(PLAIN | WITH_TIMESTAMPS);
	peer_ts = 0;
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	expect_nothing();
	assert_int_equal(owner.got_size, 0);
	peer_sends(TCP_RST, 1, 0, nothing); /* a reset may come without */
	assert_int_equal(owner.closes, 1);
}

static void the_echo_is_that_of_the_segment_acknowledged(void **state)
{
	established(PLAIN | WITH_TIMESTAMPS | WITH_SACK);
	uint32_t first = peer_ts;

	peer_ts = first + 5;
	peer_sends(TCP_ACK, 101, 1, pattern(100, 100)); /* beyond a gap: not it */
	assert_int_equal(expect(TCP_ACK, 1, 1, 0)->s.options.ts_echo, first);
	peer_ts = first + 9;
	peer_sends(TCP_ACK, 1, 1, pattern(0, 100)); /* fills it */
	assert_int_equal(expect(TCP_ACK, 1, 201, 0)->s.options.ts_echo, first + 9);
}

/* ---- closing ---- */

static void the_peer_closes_first(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	peer_sends(TCP_FIN | TCP_ACK, 1, 1, SLICE("bye"));
	expect(TCP_ACK, 1, 5, 0);
	assert_state("CLOSE-WAIT");
	assert_true(tcp_at_end(conn));
	assert_true(tcp_can_send(conn));
	tcp_send(conn, SLICE("too"));
	expect(TCP_ACK, 1, 5, 3);
	tcp_shutdown(conn);
	expect(TCP_FIN | TCP_ACK, 4, 5, 0);
	assert_state("LAST-ACK");
	peer_acks(5, 5);
	settle();
	assert_state("CLOSED");
	assert_int_equal(owner.closes, 0);
	tcp_close(conn);
	settle();
	assert_no_leak();
	assert_int_equal(tcp->count.time_wait, 0);
}

static void we_close_first(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, SLICE("all"));
	tcp_shutdown(conn);
	expect(TCP_FIN | TCP_ACK, 1, 1, 3); /* the FIN goes with the data */
	assert_state("FIN-WAIT-1");
	assert_false(tcp_can_send(conn));
	assert_int_equal(tcp_send(conn, SLICE("more")), 0);
	peer_acks(1, 5);
	assert_state("FIN-WAIT-2");
	peer_sends(TCP_ACK, 1, 5, SLICE("answer")); /* half close: reading goes on */
	assert_int_equal(owner.got_size, 6);
	peer_sends(TCP_FIN | TCP_ACK, 7, 5, nothing);
	expect(TCP_ACK, 5, 8, 0);
	assert_state("TIME-WAIT");
	assert_true(tcp_at_end(conn));
	tcp_close(conn);
	settle();
	assert_no_leak();
	assert_int_equal(tcp->count.time_wait, 1);
}

static void both_close_at_once(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_shutdown(conn);
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	peer_sends(TCP_FIN | TCP_ACK, 1, 1, nothing);
	expect(TCP_ACK, 2, 2, 0);
	assert_state("CLOSING");
	peer_acks(2, 2);
	assert_state("TIME-WAIT");
	tcp_close(conn);
	settle();
	assert_int_equal(tcp->count.time_wait, 1);
	assert_no_leak();
}

static void the_fin_is_sent_again_until_acknowledged(void **state)
{
	tcp_close(established(PLAIN));
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	pass(KILN_MS(210)); /* the handshake took no time */
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	peer_acks(1, 2);
	pass(KILN_SECONDS(10));
	expect_nothing();
	assert_no_leak(); /* FIN-WAIT-2, in the small struct */
	assert_int_equal(tcp->count.time_wait, 1);
	pass(KILN_SECONDS(51));
	assert_int_equal(tcp->count.time_wait, 0);
}

static void a_fin_beyond_a_gap_counts_when_the_gap_is_filled(void **state)
{
	established(PLAIN);
	peer_sends(TCP_FIN | TCP_ACK, 4, 1, SLICE("def"));
	expect(TCP_ACK, 1, 1, 0);
	assert_state("ESTABLISHED");
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	expect(TCP_ACK, 1, 8, 0);
	assert_state("CLOSE-WAIT");
	assert_memory_equal(owner.got, "abcdef", 6);
}

static void a_bare_fin_beyond_a_gap_is_answered_at_once(void **state)
{
	established(PLAIN);
	peer_sends(TCP_FIN | TCP_ACK, 4, 1, nothing);
	expect(TCP_ACK, 1, 1, 0);
	assert_state("ESTABLISHED");
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	expect(TCP_ACK, 1, 5, 0);
	assert_state("CLOSE-WAIT");
}

static void closing_with_unread_data_resets(void **state)
{
	owner.keep = true;
	struct tcp_conn *conn = established(PLAIN);

	peer_sends(TCP_ACK, 1, 1, SLICE("unread"));
	tcp_close(conn);
	expect(TCP_RST | TCP_ACK, 1, 7, 0);
	expect_nothing();
	assert_no_leak();
}

static void data_after_the_owner_has_closed_resets(void **state)
{
	tcp_close(established(PLAIN));
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	peer_sends(TCP_ACK, 1, 2, SLICE("too late"));
	next_sent();
	assert_int_equal(net.sent[net.sent_count - 1].s.flags, TCP_RST | TCP_ACK);
	settle();
	assert_no_leak();
}

static void queued_bytes_are_delivered_after_close(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, pattern(0, 20000));
	tcp_close(conn);
	uint32_t got = 0;
	bool fin = false;
	while (!fin) {
		struct sent *sent = next_sent();

		assert_pattern(sent);
		got += (uint32_t)sent->s.data.len;
		fin = sent->s.flags & TCP_FIN;
		peer_acks(1, 1 + got + fin);
	}
	assert_int_equal(got, 20000);
	assert_int_equal(owner.closes, 0);
}

static void aborting_resets_at_once(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, SLICE("never sent"));
	tcp_abort(conn);
	expect(TCP_RST | TCP_ACK, 1, 1, 0);
	settle();
	assert_no_leak();
	assert_int_equal(owner.closes, 0);
}

/* ---- the owner ends it in its own callback ---- */

static void close_it(struct tcp_conn *conn)
{
	tcp_close(conn);
}

static void abort_it(struct tcp_conn *conn)
{
	tcp_abort(conn);
}

static void the_owner_may_end_it_within_ready(void **state)
{
	static void (*const end[])(struct tcp_conn *) = {close_it, abort_it};

	for (unsigned how = 0; how < 4; how++) {
		play_again(PLAY_MEMORY);
		established(PLAIN);
		owner.on_ready = end[how % 2];
		owner.keep = how >= 2; /* with bytes unread, in the frame */
		peer_sends(TCP_FIN | TCP_ACK, 1, 1, SLICE("bye"));
		settle();
		unsigned readies = owner.readies;
		peer_acks(5, 2);
		pass(KILN_SECONDS(300));
		assert_int_equal(owner.readies, readies);
		assert_int_equal(owner.closes, 0);
		assert_no_leak();
	}
}

static bool close_when_accepted(struct tcp_conn *conn, void *context)
{
	tcp_own(conn, &owner_events, NULL);
	tcp_close(conn);
	return true;
}

static void the_owner_may_close_it_when_accepted(void **state)
{
	struct tcp_listener *listener;

	assert_int_equal(
	    tcp_listen(tcp, LOCAL_PORT, close_when_accepted, NULL, &listener), KILN_OK);
	peer_opens(PLAIN);
	peer_acks(1, 1);
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	assert_int_equal(owner.readies, 0);
}

static void closed_is_called_once(void **state)
{
	established(PLAIN);
	peer_sends(TCP_RST, 1, 0, nothing);
	peer_sends(TCP_RST, 1, 0, nothing);
	pass(KILN_SECONDS(200));
	assert_int_equal(owner.closes, 1);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(data_in_order_is_delivered_and_acknowledged),
	    PLAY(every_second_segment_is_acknowledged_at_once),
	    PLAY(an_answer_carries_the_acknowledgement),
	    PLAY(what_the_owner_leaves_is_kept),
	    PLAY(old_and_repeated_data_is_cut_off_and_acknowledged),
	    PLAY(data_beyond_the_window_is_cut_off),
	    PLAY(urgent_data_is_ordinary_data),
	    PLAY(a_segment_without_ack_is_dropped),
	    PLAY(data_beyond_a_gap_is_reported_the_latest_first),
	    PLAY(three_blocks_fit_beside_timestamps_four_without),
	    PLAY(what_comes_twice_is_reported_first),
	    PLAY(without_sack_each_is_a_plain_duplicate),
	    PLAY(any_order_gives_the_same_stream),
	    PLAY(tiny_segments_beyond_a_gap_do_not_eat_the_memory),
	    PLAY(an_ack_from_the_edge_of_the_window_counts),
	    PLAY(the_window_closes_opens_again_and_never_shrinks),
	    PLAY(the_window_is_scaled_once_established),
	    PLAY(a_reset_counts_only_at_the_exact_number),
	    PLAY(a_syn_is_challenged_wherever_it_lies),
	    PLAY(an_ack_outside_its_range_is_challenged_and_its_data_dropped),
	    PLAY(challenges_are_limited),
	    PLAY(old_timestamps_are_refused),
	    PLAY(a_timestamp_is_believed_again_after_24_days),
	    PLAY(the_timestamp_of_a_forged_segment_is_not_kept),
	    PLAY(a_segment_without_the_negotiated_timestamp_is_dropped),
	    PLAY(the_echo_is_that_of_the_segment_acknowledged),
	    PLAY(the_peer_closes_first),
	    PLAY(we_close_first),
	    PLAY(both_close_at_once),
	    PLAY(the_fin_is_sent_again_until_acknowledged),
	    PLAY(a_fin_beyond_a_gap_counts_when_the_gap_is_filled),
	    PLAY(a_bare_fin_beyond_a_gap_is_answered_at_once),
	    PLAY(closing_with_unread_data_resets),
	    PLAY(data_after_the_owner_has_closed_resets),
	    PLAY(queued_bytes_are_delivered_after_close),
	    PLAY(aborting_resets_at_once),
	    PLAY(the_owner_may_end_it_within_ready),
	    PLAY(the_owner_may_close_it_when_accepted),
	    PLAY(closed_is_called_once),
	};

	return cmocka_run_group_tests_name("tcp_segments", all, NULL, NULL) != 0;
}
