/*
 * Sending under loss: slow start (RFC 5681, 6928), fast retransmit and recovery with SACK
 * (6675) and without (6582), limited transmit (3042), timeouts (6298), reneging, path
 * MTU, and segmentation offload.
 */
#include "test/unit/tcp_play.h"

enum { MSS = PEER_MSS };

/* A connection with `len` bytes of the pattern queued. */
static struct tcp_conn *sending(unsigned with, size_t len)
{
	struct tcp_conn *conn = established(with);

	assert_true(tcp_send_static(conn, pattern(0, len)));
	return conn;
}

/* Segment i of the stream, counted from 0, full. */
static void expect_segment(unsigned i)
{
	assert_pattern(expect(TCP_ACK, 1 + i * MSS, 1, MSS));
}

static void expect_segments(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		expect_segment(i);
	expect_nothing();
}

/* All before segment i is acknowledged, and segments [from, to) are reported by SACK. */
static void ack_with_sack(unsigned i, unsigned from, unsigned to)
{
	const uint32_t block[1][2] = {{1 + from * MSS, 1 + to * MSS}};

	peer_sacks(1, 1 + i * MSS, 1, block);
	settle();
}

static void ack(unsigned i)
{
	peer_acks(1, 1 + i * MSS);
	settle();
}

/* ---- without loss ---- */

static void the_initial_window_is_the_one_configured(void **state)
{
	play_config.initial_window = 3;
	play_again(PLAY_MEMORY);
	established(PLAIN);
	assert_int_equal(owner.conn->cc.cwnd, 3 * PEER_MSS);
	tcp_send(owner.conn, pattern(0, 20000));
	settle();
	assert_int_equal(tcp_in_flight(owner.conn), 3 * PEER_MSS);
}

static void the_initial_window_is_ten_segments_and_doubles(void **state)
{
	peer_window = 65535;
	sending(PLAIN, 200 * MSS);
	expect_segments(0, 10);
	for (unsigned i = 1; i <= 10; i++) {
		ack(i);
		expect_segments(8 + 2 * i, 10 + 2 * i); /* one left, one for growth */
	}
}

static void the_peers_window_is_obeyed(void **state)
{
	peer_window = 3 * MSS;
	sending(PLAIN, 200 * MSS);
	expect_segments(0, 3);
	ack(1);
	expect_segments(3, 4);
	peer_window = 2 * MSS;
	ack(4);
	expect_segments(4, 6);
}

/* RFC 9293, 3.8.6.2.1: the rest of the window is not worth a segment. */
static void only_whole_segments_leave_until_the_last(void **state)
{
	peer_window = 2 * MSS + 700;
	sending(PLAIN, 4 * MSS + 100);
	expect_segments(0, 2);
	expect_nothing();
	ack(2);
	expect_segment(2);
	expect_segment(3);
	expect(TCP_ACK, 1 + 4 * MSS, 1, 100);
}

static void an_older_segment_does_not_move_the_window(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	peer_window = 20000;
	peer_sends(TCP_ACK, 1, 1, SLICE("ab"));
	assert_int_equal(conn->snd_wnd, 20000);
	peer_window = 1000; /* from before: a smaller sequence number */
	peer_sends(TCP_ACK, 1, 1, SLICE("abc"));
	peer_sends(TCP_ACK, 2, 1, (struct slice){0});
	assert_int_equal(conn->snd_wnd, 1000); /* that one brought a new byte */
	peer_window = 500;
	peer_sends(TCP_ACK, 3, 1, (struct slice){0});
	assert_int_equal(conn->snd_wnd, 1000); /* that one did not */
}

static void a_segment_that_was_overtaken_does_not_move_the_window(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	peer_window = 20000;
	peer_sends(TCP_ACK, 4, 1, SLICE("later"));
	assert_int_equal(conn->snd_wnd, 20000);
	peer_window = 1000; /* what the peer could take before */
	peer_sends(TCP_ACK, 1, 1, SLICE("now"));
	assert_int_equal(owner.got_size, 8);
	assert_int_equal(conn->snd_wnd, 20000);
}

static void small_writes_leave_together(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(tcp_send(conn, SLICE("12345")), 5);
	tcp_send_static(conn, SLICE("67890"));
	expect(TCP_ACK, 1, 1, 30);
	expect_nothing();
}

static void nagle_holds_back_a_small_segment_while_one_is_in_flight(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_set_nodelay(conn, false);
	tcp_send(conn, SLICE("first"));
	expect(TCP_ACK, 1, 1, 5);
	tcp_send(conn, SLICE("second"));
	expect_nothing();
	peer_acks(1, 6);
	expect(TCP_ACK, 6, 1, 6);
}

static void a_window_too_small_for_a_segment_is_left_alone(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 20 * MSS);

	skip_sent();
	peer_window = 100;
	ack(10);
	expect_nothing(); /* silly window: RFC 9293, 3.8.6.2.1 */
	pass(KILN_MS(210));
	expect(TCP_ACK, 1 + 10 * MSS, 1, 100); /* it has not grown: take it */
	assert_int_equal(conn->state, TCP_ESTABLISHED);
}

static void idle_connections_start_slowly_again(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 40 * MSS);

	skip_sent();
	ack(10);
	skip_sent();
	ack(30);
	skip_sent();
	ack(40);
	assert_true(conn->cc.cwnd > 10 * MSS);
	pass(KILN_SECONDS(5));
	tcp_send_static(conn, pattern(40 * MSS, 40 * MSS));
	expect_segments(40, 50);
}

/* ---- with SACK ---- */

static void sack_fills_only_the_holes(void **state)
{
	struct tcp_conn *conn = sending(PLAIN | WITH_SACK, 11 * MSS);

	expect_segments(0, 10);
	ack_with_sack(0, 1, 2);
	expect_segments(10, 11); /* limited transmit */
	ack_with_sack(0, 1, 3);
	expect_nothing();
	ack_with_sack(0, 1, 5); /* segment 5 is lost as well: 6 and 7 arrive */
	expect_segment(0);
	expect_nothing();
	assert_int_equal(tcp->count.fast_retransmits, 1);
	assert_int_equal(conn->cc.ssthresh, 5 * MSS); /* without limited transmit's */
	const uint32_t blocks[2][2] = {{1 + 6 * MSS, 1 + 9 * MSS},
	                               {1 + MSS, 1 + 5 * MSS}};
	peer_sacks(1, 1, 2, blocks);
	expect_segment(5);
	expect_nothing();
	ack(11);
	expect_nothing();
	assert_int_equal(tcp->count.retransmits, 2);
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_int_equal(conn->cc.cwnd, conn->cc.ssthresh);
	assert_int_equal(conn->sacked.count, 0);
	assert_int_equal(tcp->count.timeouts, 0);
}

static void more_than_two_segments_of_sacked_bytes_are_enough(void **state)
{
	sending(PLAIN | WITH_SACK, 10 * MSS);
	expect_segments(0, 10);
	ack_with_sack(0, 1, 4); /* one ACK, as of a receiver that joins segments */
	expect_segment(0);
	expect_nothing();
}

static void an_ack_without_news_is_no_duplicate_with_sack(void **state)
{
	sending(PLAIN | WITH_SACK, 10 * MSS);
	expect_segments(0, 10);
	for (unsigned i = 0; i < 5; i++)
		ack(0);
	expect_nothing();
	assert_int_equal(tcp->count.duplicate_acks, 0);
}

static void sack_of_nonsense_is_ignored(void **state)
{
	struct tcp_conn *conn = sending(PLAIN | WITH_SACK, 10 * MSS);
	const uint32_t blocks[3][2] = {
	    {1 + 5 * MSS, 1 + 11 * MSS}, /* never sent */
	    {1u - 5000, 1 + MSS},        /* from before */
	    {0x80000000, 0x80001000},
	};

	expect_segments(0, 10);
	peer_sacks(1, 1, 3, blocks);
	assert_int_equal(conn->sacked.count, 0);
	expect_nothing();
}

static void a_peer_that_reneges_gets_everything_again(void **state)
{
	sending(PLAIN | WITH_SACK, 10 * MSS);
	expect_segments(0, 10);
	ack_with_sack(0, 1, 10);
	expect_segment(0);
	ack(1); /* and yet it waits for 1, which it had reported */
	expect_nothing();
	pass(KILN_MS(250));
	/* One by one, as after any timeout, but from there. */
	expect_segment(1);
	ack(2);
	expect_segment(2);
	expect_segment(3);
}

/* ---- without SACK: NewReno ---- */

static void three_duplicates_retransmit_at_once(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 200 * MSS);

	expect_segments(0, 10);
	ack(0);
	expect_segments(10, 11); /* limited transmit */
	ack(0);
	expect_segments(11, 12);
	ack(0);
	expect_segment(0);
	expect_nothing();
	assert_int_equal(conn->cc.ssthresh, 5 * MSS);
	assert_int_equal(conn->cc.cwnd, 8 * MSS);
	for (unsigned i = 0; i < 4; i++) {
		ack(0);
		expect_nothing();
	}
	ack(0); /* the inflated window lets a new one out */
	expect_segments(12, 13);
}

static void a_partial_ack_retransmits_the_next_hole(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 10 * MSS);

	expect_segments(0, 10);
	for (unsigned i = 0; i < 3; i++)
		ack(0);
	expect_segment(0);
	ack(4); /* 4 was lost as well */
	expect_segment(4);
	expect_nothing();
	assert_int_equal(conn->phase, TCP_FAST_RECOVERY);
	ack(7);
	expect_segment(7);
	ack(10);
	expect_nothing();
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_true(conn->cc.cwnd <= conn->cc.ssthresh);
	assert_int_equal(tcp->count.fast_retransmits, 1);
	assert_int_equal(tcp->count.retransmits, 3);
}

static void duplicates_of_an_old_loss_start_no_new_recovery(void **state)
{
	sending(PLAIN, 30 * MSS);
	expect_segments(0, 10);
	pass(KILN_MS(250)); /* timeout: 0 again */
	expect_segment(0);
	for (unsigned i = 0; i < 5; i++)
		ack(0);
	expect_nothing();
	assert_int_equal(tcp->count.fast_retransmits, 0);
}

/* RFC 6582, 3.2, step 2: they answer what was sent again for nothing. */
static void duplicates_right_after_a_timeout_start_none_either(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 30 * MSS);

	expect_segments(0, 10);
	pass(KILN_MS(250));
	expect_segment(0);
	ack(10); /* all had arrived */
	assert_int_equal(conn->phase, TCP_OPEN);
	skip_sent();
	for (unsigned i = 0; i < 4; i++)
		ack(10);
	assert_int_equal(tcp->count.fast_retransmits, 0);
}

/* The mark of the last recovery is a sequence number: it must not be met again from below
 * when two gigabytes have gone by without a loss. */
static void a_loss_long_after_the_last_one_is_recovered_fast(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 200 * MSS);

	expect_segments(0, 10);
	ack(10);
	conn->recover = tcp_seq_sub(conn->snd_una, (1u << 31) - 5 * MSS);
	skip_sent();
	for (unsigned i = 11; i <= 20; i++) {
		ack(i);
		skip_sent();
	}
	for (unsigned i = 0; i < 3; i++)
		ack(20);
	assert_int_equal(tcp->count.fast_retransmits, 1);
}

static void what_looks_like_a_duplicate_but_is_none(void **state)
{
	sending(PLAIN, 10 * MSS);
	expect_segments(0, 10);
	for (unsigned i = 0; i < 4; i++) { /* the window changes */
		peer_window = (uint16_t)(50000 + i);
		ack(0);
	}
	for (uint32_t i = 0; i < 4; i++) /* data */
		peer_sends(TCP_ACK, 1 + i, 1, SLICE("x"));
	settle();
	assert_int_equal(tcp->count.fast_retransmits, 0);
	assert_int_equal(tcp->count.retransmits, 0);
}

/* ---- timeouts ---- */

static void a_timeout_backs_off_and_starts_from_one_segment(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 40 * MSS);
	kiln_time last;

	expect_segments(0, 10);
	last = clock_now;
	for (unsigned i = 0; i < 2;
	     i++) { /* after more, segments are smaller: tcp_mtu.c */
		pass((KILN_MS(200) << i) - KILN_MS(1));
		expect_nothing();
		pass(KILN_MS(3));
		expect_segment(0);
		expect_nothing();
		assert_true(clock_now - last >= KILN_MS(200) << i);
		last = net.sent[net.sent_count - 1].at;
		clock_now = last;
	}
	assert_int_equal(conn->cc.cwnd, MSS);
	assert_int_equal(conn->cc.ssthresh, 5 * MSS); /* halved once, not twice */
	assert_int_equal(tcp->count.timeouts, 2);
	ack(1);
	expect_segments(1, 3); /* slow start */
	ack(3);
	expect_segments(3, 6); /* by one segment, however much an ACK covers */
	ack(10);
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_int_equal(conn->timeouts, 0);
}

static void two_timeouts_in_a_row_cast_doubt_on_the_neighbour(void **state)
{
	sending(PLAIN, 10 * MSS);
	pass(KILN_MS(250));
	assert_int_equal(net.doubts, 0);
	pass(KILN_MS(400));
	assert_int_equal(net.doubts, 1);
	ack(10);
	skip_sent();
	pass(KILN_SECONDS(60));
	assert_int_equal(net.doubts, 1);
}

static void after_a_timeout_what_was_sacked_is_not_sent_again(void **state)
{
	sending(PLAIN | WITH_SACK, 10 * MSS);
	expect_segments(0, 10);
	ack_with_sack(0, 2, 4); /* two: the others may be late */
	expect_nothing();
	pass(KILN_MS(3)); /* but not for that long */
	expect_segment(0);
	pass(KILN_MS(250));
	expect_segment(0);
	ack(1);
	expect_segment(1);
	expect_segment(4);
}

static void the_timeout_follows_the_round_trip_time(void **state)
{
	struct tcp_conn *conn;

	play_listen();
	peer_opens(PLAIN);
	pass(KILN_MS(100));
	peer_acks(1, 1);
	conn = owner.conn;
	assert_int_equal(conn->srtt / KILN_MS(1), 100);
	assert_int_equal(conn->rto / KILN_MS(1), 100 + 200); /* 100 + 4 * 50 */
	tcp_send(conn, SLICE("x"));
	settle();
	pass(KILN_MS(180));
	peer_acks(1, 2);
	assert_int_equal(conn->srtt / KILN_MS(1), 110);     /* 100 * 7/8 + 180 / 8 */
	assert_int_equal(conn->rttvar / KILN_US(100), 575); /* 50 * 3/4 + 80 / 4 */
	assert_int_equal(conn->rto / KILN_MS(1), 340);
}

static void a_retransmitted_segment_tells_no_round_trip_time(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	kiln_time before = conn->srtt;

	tcp_send(conn, SLICE("x"));
	expect(TCP_ACK, 1, 1, 1);
	pass(KILN_MS(250));
	expect(TCP_ACK, 1, 1, 1);
	pass(KILN_MS(10));
	peer_acks(1, 2);
	assert_int_equal(conn->srtt, before);
}

/* Or a path slower than the timeout would never be measured (Karn, Partridge 1987). */
static void the_backoff_stays_until_a_segment_is_measured(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, SLICE("x"));
	expect(TCP_ACK, 1, 1, 1);
	pass(KILN_MS(205));
	expect(TCP_ACK, 1, 1, 1);
	peer_acks(1, 2); /* of which of the two? */
	tcp_send(conn, SLICE("y"));
	expect(TCP_ACK, 2, 1, 1);
	pass(KILN_MS(390));
	expect_nothing();
	peer_acks(1, 3); /* it took 390 ms: now it is known */
	assert_int_equal(conn->backoff, 0);
	assert_true(conn->srtt > KILN_MS(40));
}

static void with_timestamps_it_does(void **state)
{
	struct tcp_conn *conn = established(PLAIN | WITH_TIMESTAMPS);
	kiln_time before = conn->srtt;

	tcp_send(conn, SLICE("x"));
	expect(TCP_ACK, 1, 1, 1);
	pass(KILN_MS(250));
	expect(TCP_ACK, 1, 1, 1);
	pass(KILN_MS(80));
	peer_acks(1, 2);
	assert_true(conn->srtt > before + KILN_MS(9) &&
	            conn->srtt < before + KILN_MS(17));
}

static void a_lost_syn_starts_with_one_segment_and_three_seconds(void **state)
{
	struct tcp_conn *conn;

	play_listen();
	peer_opens(PLAIN);
	pass(KILN_MS(1010));
	expect(TCP_SYN | TCP_ACK, 0, 1, 0);
	peer_acks(1, 1);
	conn = owner.conn;
	assert_int_equal(conn->rto, KILN_SECONDS(3));
	tcp_send_static(conn, pattern(0, 10 * MSS));
	expect_segments(0, 1);
}

/* ---- sequence numbers that wrap, within one connection ---- */

static void the_stream_goes_on_across_the_wrap(void **state)
{
	struct tcp_conn *conn;
	uint32_t acked = 0;

	play_listen();
	peer_opens(PLAIN | WITH_SACK);
	/* As if our number had been chosen 5000 bytes before the wrap. */
	struct tcp_half *half = kiln_container(tcp->half[0].next, struct tcp_half, node);
	half->hand.iss = our_isn = tcp_seq_of(0xffffffff - 5000);
	peer_acks(1, 1);
	conn = owner.conn;
	tcp_send_static(conn, pattern(0, 20 * MSS));
	expect_segments(0, 10);
	ack_with_sack(0, 1, 6); /* the blocks span the wrap */
	expect_segment(0);
	skip_sent();
	while (acked < 20) {
		acked = KILN_MIN(acked + 5, 20);
		ack(acked);
		while (net.looked_at < net.sent_count)
			assert_pattern(next_sent());
	}
	assert_int_equal(tcp_unsent(conn), 0);
	assert_int_equal(tcp->pieces.used, 0);
}

/* ---- the device and the path ---- */

static void with_offload_one_frame_carries_the_window(void **state)
{
	struct sent *sent;

	net.device.features = NETDEV_TX_TSO4 | NETDEV_TX_CSUM;
	net.device.gso_max = 65550;
	sending(PLAIN, 200 * MSS);
	sent = expect(TCP_ACK, 1, 1, 10 * MSS);
	assert_int_equal(sent->gso_size, MSS);
	assert_pattern(sent);
	expect_nothing();
	ack(10);
	sent = expect(TCP_ACK, 1 + 10 * MSS, 1, 20 * MSS);
	assert_int_equal(sent->gso_size, MSS);
	assert_int_equal(tcp->count.segments_out, 1 + 30); /* the SYN-ACK, and these */
}

static void a_full_device_delays_but_loses_nothing(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	net.send_error = KILN_ERR_FULL;
	tcp_send(conn, SLICE("hello"));
	settle();
	assert_int_equal(tcp_in_flight(conn), 0);
	net.send_error = KILN_OK;
	pass(KILN_MS(3));
	expect(TCP_ACK, 1, 1, 5);
	assert_int_equal(tcp->count.retransmits, 0);
}

static void icmp_error(enum net_error_kind kind, uint32_t mtu, uint32_t seq)
{
	uint8_t quoted[8];
	struct writer w = writer_of(quoted, sizeof(quoted));
	struct net_error e = {.kind = kind,
	                      .mtu = mtu,
	                      .src = ip_from4(ip4_of(0x0a000002)),
	                      .dst = ip_from4(ip4_of(0x0a000001)),
	                      .payload = slice_of(quoted, sizeof(quoted))};

	writer_u16(&w, owner.conn ? tcp_local(owner.conn).port : LOCAL_PORT);
	writer_u16(&w, PEER_PORT);
	writer_u32(&w, our_isn.v + seq);
	net.transport.error(net.transport.transport, &e);
	settle();
}

static void a_smaller_path_is_found_without_loss_of_speed(void **state)
{
	struct tcp_conn *conn = sending(PLAIN, 10 * MSS);
	uint32_t cwnd = conn->cc.cwnd;

	expect_segments(0, 10);
	icmp_error(NET_ERROR_TOO_BIG, 1260, 99999); /* not in flight: forged */
	assert_int_equal(conn->mss, MSS);
	net.mtu = 1260;
	icmp_error(NET_ERROR_TOO_BIG, 1260, 1);
	assert_int_equal(conn->mss, 1240);
	assert_int_equal(conn->cc.cwnd, cwnd);
	assert_pattern(expect(TCP_ACK, 1, 1, 1240));
	assert_pattern(expect(TCP_ACK, 1241, 1, 1240));
	icmp_error(NET_ERROR_TOO_BIG, 48, 1); /* nobody's path is that narrow */
	assert_int_equal(conn->mss, 512);
}

static void icmp_never_ends_an_established_connection(void **state)
{
	sending(PLAIN, 10 * MSS);
	for (unsigned kind = NET_ERROR_NET; kind <= NET_ERROR_TTL; kind++)
		icmp_error(kind, 576, 1);
	assert_int_equal(owner.closes, 0);
	pass(KILN_SECONDS(200)); /* but it is told when nothing else is heard */
	assert_int_equal(owner.closes, 1);
	assert_int_equal(owner.why, KILN_ERR_UNREACHABLE);
}

static void an_unreachable_port_refuses_a_connection_that_opens(void **state)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};

	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &owner.conn),
	                 KILN_OK);
	our_isn = next_sent()->s.seq;
	icmp_error(NET_ERROR_PROTOCOL, 0, 1); /* not our SYN */
	assert_int_equal(owner.closes, 0);
	icmp_error(NET_ERROR_PROTOCOL, 0, 0);
	assert_int_equal(owner.why, KILN_ERR_REFUSED);
	assert_no_leak();
}

static void an_unreachable_host_ends_an_attempt_to_connect(void **state)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};

	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &owner.conn),
	                 KILN_OK);
	our_isn = next_sent()->s.seq;
	icmp_error(NET_ERROR_NET, 0, 0);
	assert_int_equal(owner.why, KILN_ERR_UNREACHABLE);
	assert_no_leak();
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(the_initial_window_is_ten_segments_and_doubles),
	    PLAY(the_initial_window_is_the_one_configured),
	    PLAY(the_peers_window_is_obeyed),
	    PLAY(only_whole_segments_leave_until_the_last),
	    PLAY(an_older_segment_does_not_move_the_window),
	    PLAY(a_segment_that_was_overtaken_does_not_move_the_window),
	    PLAY(small_writes_leave_together),
	    PLAY(nagle_holds_back_a_small_segment_while_one_is_in_flight),
	    PLAY(a_window_too_small_for_a_segment_is_left_alone),
	    PLAY(idle_connections_start_slowly_again),
	    PLAY(sack_fills_only_the_holes),
	    PLAY(more_than_two_segments_of_sacked_bytes_are_enough),
	    PLAY(an_ack_without_news_is_no_duplicate_with_sack),
	    PLAY(sack_of_nonsense_is_ignored),
	    PLAY(a_peer_that_reneges_gets_everything_again),
	    PLAY(three_duplicates_retransmit_at_once),
	    PLAY(a_partial_ack_retransmits_the_next_hole),
	    PLAY(duplicates_of_an_old_loss_start_no_new_recovery),
	    PLAY(duplicates_right_after_a_timeout_start_none_either),
	    PLAY(a_loss_long_after_the_last_one_is_recovered_fast),
	    PLAY(what_looks_like_a_duplicate_but_is_none),
	    PLAY(a_timeout_backs_off_and_starts_from_one_segment),
	    PLAY(two_timeouts_in_a_row_cast_doubt_on_the_neighbour),
	    PLAY(after_a_timeout_what_was_sacked_is_not_sent_again),
	    PLAY(the_timeout_follows_the_round_trip_time),
	    PLAY(a_retransmitted_segment_tells_no_round_trip_time),
	    PLAY(the_backoff_stays_until_a_segment_is_measured),
	    PLAY(with_timestamps_it_does),
	    PLAY(a_lost_syn_starts_with_one_segment_and_three_seconds),
	    PLAY(the_stream_goes_on_across_the_wrap),
	    PLAY(with_offload_one_frame_carries_the_window),
	    PLAY(a_full_device_delays_but_loses_nothing),
	    PLAY(a_smaller_path_is_found_without_loss_of_speed),
	    PLAY(icmp_never_ends_an_established_connection),
	    PLAY(an_unreachable_port_refuses_a_connection_that_opens),
	    PLAY(an_unreachable_host_ends_an_attempt_to_connect),
	};

	play_congestion = &tcp_newreno; /* its numbers are the easiest to follow */
	return cmocka_run_group_tests_name("tcp_loss", all, NULL, NULL) != 0;
}
