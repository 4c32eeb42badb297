/*
 * Loss detection by time and probes of the tail (RFC 8985), proportional rate reduction
 * (9937), and reductions taken back (3522, 3708, 4015), on a path of 100 ms.
 */
#include "test/unit/tcp_play.h"

enum { MSS = PEER_MSS, RTT_MS = 100 };
#define RTT KILN_MS(RTT_MS)

static struct tcp_conn *sending(unsigned with, unsigned segments)
{
	play_listen();
	peer_opens(PLAIN | WITH_SACK | with);
	pass(RTT);
	peer_ts += peer_ts ? RTT_MS : 0;
	peer_acks(1, 1);
	settle();
	assert_true(tcp_send_static(owner.conn, pattern(0, segments * MSS)));
	return owner.conn;
}

static void expect_segments(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		assert_pattern(expect(TCP_ACK, 1 + i * MSS, 1, MSS));
	expect_nothing();
}

/* A connection with 10 segments in flight, after a round trip. */
static struct tcp_conn *ten_in_flight(unsigned with, unsigned segments)
{
	struct tcp_conn *conn = sending(with, segments);

	if (with & WITH_TIMESTAMPS)
		skip_sent();
	else
		expect_segments(0, 10);
	pass(RTT);
	return conn;
}

static void ack(unsigned i)
{
	peer_acks(1, 1 + i * MSS);
	settle();
}

/* All before segment i is acknowledged; [from, to) are reported. */
static void sack(unsigned i, unsigned from, unsigned to)
{
	const uint32_t block[1][2] = {{1 + from * MSS, 1 + to * MSS}};

	peer_sacks(1, 1 + i * MSS, 1, block);
	settle();
}

/* [from, to) has come twice; all before i, and [more, end) has arrived. */
static void dsack(unsigned i, unsigned from, unsigned to)
{
	sack(i, from, to);
}

/* ---- detection ---- */

static void a_lost_retransmission_is_sent_again_without_a_timeout(void **state)
{
	ten_in_flight(0, 40);
	sack(0, 1, 4);
	skip_sent();
	assert_int_equal(tcp->count.retransmits, 1); /* 0; it is lost again */
	sack(0, 1, 10);                              /* lets out new ones, after it */
	skip_sent();
	assert_int_equal(tcp->count.retransmits, 1);
	unsigned last = (tcp_seq_diff(owner.conn->snd_nxt, our_isn) - 1) / MSS;
	assert_true(last > 10);
	pass(RTT);
	const uint32_t block[1][2] = {{1 + MSS, 1 + last * MSS}};
	peer_sacks(1, 1, 1, block); /* and these arrive */
	struct sent *again = expect(TCP_ACK, 1, 1, MSS);
	assert_pattern(again);
	assert_int_equal(tcp->count.timeouts, 0);
}

static void what_is_late_by_less_than_a_quarter_round_trip_is_not_lost(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);

	sack(0, 1, 2);
	pass(KILN_MS(20));
	sack(0, 1, 3);
	expect_nothing();
	ack(3); /* there it is */
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_true(conn->rack.reordering);
	/* Known to happen, so three duplicates are no sign any more. */
	sack(3, 4, 8);
	expect_nothing();
	pass(KILN_MS(20));
	expect_nothing();
	ack(10);
	assert_int_equal(tcp->count.retransmits, 0);
}

static void what_is_late_by_more_is_lost(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);
	kiln_time start = clock_now;

	sack(0, 1, 2);
	expect_nothing();
	pass(KILN_MS(30));
	struct sent *again = expect(TCP_ACK, 1, 1, MSS);
	assert_true(again->at >= start + KILN_MS(25) && again->at <= start + KILN_MS(27));
	assert_int_equal(conn->phase, TCP_FAST_RECOVERY);
	assert_int_equal(tcp->count.fast_retransmits, 1);
}

static void what_was_sent_after_the_last_that_arrived_is_not_judged(void **state)
{
	sending(0, 12);
	expect_segments(0, 10);
	pass(RTT);
	sack(0, 1, 2);
	expect_segments(10, 11); /* limited transmit, 100 ms later */
	sack(0, 1, 10);
	skip_sent(); /* 0 again, and 11 */
	assert_int_equal(tcp->count.retransmits, 1);
	pass(KILN_MS(10));
	expect_nothing();
}

static void a_duplicate_report_widens_the_window_once_a_round_trip(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 40);

	assert_int_equal(conn->rack.quarters, 1);
	ack(2);
	dsack(2, 0, 1);
	dsack(2, 1, 2);
	assert_int_equal(conn->rack.quarters, 2);
	skip_sent();
	pass(RTT);
	ack(14);
	dsack(14, 5, 6);
	assert_int_equal(conn->rack.quarters, 3);
}

static unsigned sent_segments(const struct tcp_conn *conn)
{
	return (tcp_seq_diff(conn->snd_nxt, our_isn) - 1) / MSS;
}

/* RFC 8985, 6.2, step 4: until sixteen recoveries went by without another such report. */
static void a_wide_window_lasts_for_sixteen_recoveries(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 400);
	unsigned first = 2;

	ack(2);
	dsack(2, 0, 1);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(conn->rack.quarters, 2);
		skip_sent();
		pass(RTT);
		sack(first, first + 1, sent_segments(conn));
		pass(RTT);
		assert_int_equal(conn->phase, TCP_FAST_RECOVERY);
		first = sent_segments(conn);
		ack(first);
		assert_int_equal(conn->phase, TCP_OPEN);
	}
	assert_int_equal(conn->rack.quarters, 1);
}

/* RFC 8985, 6.2: the tail of a recovery, which nothing follows. */
static void the_tail_is_found_lost_by_its_own_recovery(void **state)
{
	ten_in_flight(0, 10);
	sack(0, 1, 8); /* 8 and 9 are lost as well as 0 */
	expect_segments(0, 1);
	pass(RTT);
	ack(8);
	expect_segments(8, 10);
	pass(RTT);
	ack(10);
	assert_int_equal(tcp->count.timeouts, 0);
	assert_int_equal(tcp->count.fast_retransmits, 1);
}

static void records_that_run_out_leave_loss_to_the_timeout(void **state)
{
	void *taken[4096];
	unsigned count = 0;

	sending(0, 0);
	while (count < 4096 && (taken[count] = pool_get(&tcp->sents)))
		count++;
	assert_true(tcp_send_static(owner.conn, pattern(0, 10 * MSS)));
	expect_segments(0, 10);
	pass(RTT);
	sack(0, 1, 10);
	expect_nothing();
	pass(KILN_MS(500));
	expect_segments(0, 1);
	ack(10);
	assert_int_equal(tcp_unsent(owner.conn), 0);
	while (count > 0)
		pool_put(&tcp->sents, taken[--count]);
	assert_int_equal(tcp->sents.used, 0);
}

/* Every byte stays reported, lost or in flight: none may be waited for in vain. */
static void more_holes_than_can_be_remembered_do_not_stall(void **state)
{
	enum { SEGMENTS = 300 };
	struct tcp_conn *conn = sending(0, 0);

	conn->cc.cwnd = conn->snd_wnd = SEGMENTS * MSS;
	assert_true(tcp_send_static(conn, pattern(0, SEGMENTS * MSS)));
	skip_sent();
	assert_int_equal(tcp_in_flight(conn), SEGMENTS * MSS);
	pass(RTT);
	for (unsigned i = 1; i < SEGMENTS; i += 2)
		sack(0, i, i + 1);
	assert_int_equal(conn->sacked.count, TCP_REPAIR_RANGES);
	skip_sent();
	pass(KILN_MS(600)); /* nothing more comes */
	skip_sent();
	assert_int_equal(conn->phase, TCP_LOSS);
	assert_true(tcp_in_flight(conn) - conn->sacked.bytes - conn->lost.bytes <= MSS);
	for (unsigned i = 0; i < 60 && tcp_unsent(conn) > 0; i++) {
		pass(RTT);
		/* The peer has all up to the end of what came last. */
		const struct sent *last = &net.sent[net.sent_count - 1];
		peer_acks(1, last->s.seq.v - our_isn.v + (uint32_t)last->s.data.len);
		skip_sent();
	}
	assert_int_equal(tcp_unsent(conn), 0);
	assert_int_equal(tcp->sents.used, 0);
}

/* ---- proportional rate reduction ---- */

static void the_window_shrinks_in_proportion_to_what_arrives(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 200);
	unsigned sent_before;

	ack(10);
	skip_sent();
	pass(RTT);
	/* 20 in flight, 10 to 29; 10 is lost, the others arrive one by one. */
	for (unsigned i = 12; i <= 14; i++)
		sack(10, 11, i);
	assert_int_equal(conn->phase, TCP_FAST_RECOVERY);
	assert_int_equal(conn->cc.ssthresh, 10 * MSS);
	skip_sent();
	sent_before = net.sent_count;
	for (unsigned i = 15; i <= 30; i++)
		sack(10, 11, i);
	/* For 16 that arrived, about 8 left. */
	skip_sent();
	unsigned left = net.sent_count - sent_before;
	assert_true(left >= 7 && left <= 9);
	pass(RTT);
	ack(33);
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_int_equal(conn->cc.cwnd, conn->cc.ssthresh);
}

/* Most of a window is lost: what is left must not be waited for, nor sent in a burst. */
static void after_heavy_loss_it_grows_by_what_arrives(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 200);

	ack(10);
	skip_sent();
	pass(RTT);
	sack(10, 26, 30); /* 10 to 25 are lost */
	skip_sent();
	assert_int_equal(tcp->count.retransmits, 4); /* as much as has arrived */
	unsigned before = net.sent_count;
	pass(RTT);
	ack(14);
	skip_sent();
	assert_int_equal(net.sent_count - before, 5); /* and a segment more */
	assert_int_equal(conn->phase, TCP_FAST_RECOVERY);
}

/* ---- probes ---- */

static void a_lost_tail_is_probed_after_two_round_trips(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);
	kiln_time start = clock_now;

	ack(8); /* 8 and 9 are lost */
	expect_nothing();
	pass(3 * RTT);
	struct sent *probe = expect(TCP_ACK, 1 + 9 * MSS, 1, MSS);
	assert_true(probe->at >= start + 2 * RTT &&
	            probe->at <= start + 2 * RTT + KILN_MS(2));
	assert_int_equal(tcp->count.probes, 1);
	sack(8, 9, 10); /* it arrives, and shows the hole */
	pass(KILN_MS(30));
	expect_segments(8, 9);
	pass(RTT);
	ack(10);
	assert_int_equal(tcp->count.timeouts, 0);
	assert_int_equal(conn->phase, TCP_OPEN);
}

static void a_probe_that_repairs_the_loss_is_paid_for(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);

	ack(9);
	pass(KILN_MS(290));
	expect_nothing(); /* one segment: its ACK may be delayed, up to the timeout */
	pass(KILN_MS(20));
	expect_segments(9, 10);
	uint32_t cwnd = conn->cc.cwnd;
	pass(RTT);
	ack(10);
	assert_true(conn->cc.cwnd >= cwnd); /* it may have been the original's */
	assert_true(tcp_send_static(conn, pattern(10 * MSS, MSS)));
	expect_segments(10, 11);
	pass(RTT);
	ack(11);
	assert_true(conn->cc.cwnd < cwnd);
	assert_int_equal(tcp->count.timeouts, 0);
}

static void a_probe_that_was_not_needed_costs_nothing(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);

	ack(9);
	pass(4 * RTT + KILN_MS(20));
	expect_segments(9, 10);
	uint32_t cwnd = conn->cc.cwnd;
	ack(10); /* the original's */
	dsack(10, 9, 10);
	assert_true(tcp_send_static(conn, pattern(10 * MSS, MSS)));
	expect_segments(10, 11);
	pass(RTT);
	ack(11);
	assert_true(conn->cc.cwnd >= cwnd);
}

static void a_probe_is_of_new_bytes_if_there_are_any(void **state)
{
	ten_in_flight(0, 40); /* 30 wait for the window */
	pass(RTT + KILN_MS(3));
	expect_segments(10, 11);
	assert_int_equal(tcp->count.probes, 1);
	sack(0, 10, 11);
	skip_sent();
	pass(KILN_MS(30));
	assert_true(tcp->count.retransmits > 0);
	assert_int_equal(tcp->count.timeouts, 0);
}

static void only_one_probe_is_sent_then_the_timeout_comes(void **state)
{
	ten_in_flight(0, 10);
	pass(RTT + KILN_MS(3));
	expect_segments(9, 10);
	pass(KILN_MS(290)); /* counted from the probe */
	expect_nothing();
	pass(KILN_MS(150));
	expect_segments(0, 1);
	assert_int_equal(tcp->count.timeouts, 1);
}

/* In FIN-WAIT-2 nothing is sent, and nothing may be asked for. */
static void once_the_fin_is_acknowledged_there_is_no_probe(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);

	tcp_shutdown(conn);
	expect(TCP_ACK | TCP_FIN, 1 + 10 * MSS, 1, 0);
	peer_acks(1, 2 + 10 * MSS);
	assert_int_equal(conn->state, TCP_FIN_WAIT_2);
	pass(KILN_SECONDS(300));
	expect_nothing();
	assert_int_equal(conn->state, TCP_FIN_WAIT_2);
}

static void without_sack_there_are_no_probes(void **state)
{
	play_listen();
	peer_opens(PLAIN);
	pass(RTT);
	peer_acks(1, 1);
	settle();
	tcp_send_static(owner.conn, pattern(0, 5 * MSS));
	expect_segments(0, 5);
	pass(KILN_MS(290));
	expect_nothing();
}

/* ---- reductions taken back ---- */

static void a_timeout_that_was_too_early_is_taken_back(void **state)
{
	struct tcp_conn *conn = ten_in_flight(WITH_TIMESTAMPS, 40);
	uint32_t cwnd = conn->cc.cwnd;
	unsigned before = our_ts;

	pass(KILN_MS(1500)); /* a pause of the path */
	skip_sent();
	assert_true(tcp->count.timeouts > 0);
	assert_true(conn->cc.cwnd < cwnd);
	peer_ts += 1500;
	our_ts = before; /* what the originals carried */
	peer_acks(1, 1 + 4 * 1448);
	settle();
	assert_int_equal(tcp->count.undone, 1);
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_true(conn->cc.cwnd >= cwnd);
	assert_int_equal(conn->cc.ssthresh, TCP_SSTHRESH_NONE);
	assert_int_equal(conn->lost.count, 0);
}

static void a_timeout_that_was_not_is_paid_for(void **state)
{
	struct tcp_conn *conn = ten_in_flight(WITH_TIMESTAMPS, 40);

	pass(KILN_MS(1500));
	skip_sent();
	peer_ts += 1500;
	peer_acks(1, 1 + 4 * 1448); /* echoes what was sent again */
	settle();
	assert_int_equal(tcp->count.undone, 0);
	assert_int_equal(conn->phase, TCP_LOSS);
}

/* An ACK that reaches what was sent again, but no further, is of something before it. */
static void an_ack_of_what_lies_before_takes_nothing_back(void **state)
{
	enum { SMSS = MSS - 12 };
	struct tcp_conn *conn = ten_in_flight(WITH_TIMESTAMPS, 40);
	const uint32_t late[1][2] = {{1 + 1 * SMSS, 1 + 2 * SMSS}};
	const uint32_t more[2][2] = {{1 + 3 * SMSS, 1 + 8 * SMSS},
	                             {1 + SMSS, 1 + 2 * SMSS}};

	conn->rack.reordering = true; /* 0 may still come */
	peer_ts += 100;
	peer_sacks(1, 1, 1, late);
	skip_sent();
	tcp_flight_lost(conn, (struct tcp_range){tcp_seq_add(our_isn, 1 + 2 * SMSS),
	                                         tcp_seq_add(our_isn, 1 + 3 * SMSS)});
	uint32_t before = our_ts;
	pass(KILN_MS(10));
	peer_ts += 10;
	peer_sacks(1, 1, 2, more);
	settle();
	assert_int_equal(conn->phase, TCP_FAST_RECOVERY); /* for 2 */
	skip_sent();
	our_ts = before;
	peer_acks(1, 1 + 2 * SMSS); /* 0 comes */
	assert_int_equal(tcp->count.undone, 0);
	assert_int_equal(conn->phase, TCP_FAST_RECOVERY);
}

static void a_retransmission_that_arrives_twice_is_taken_back(void **state)
{
	struct tcp_conn *conn = ten_in_flight(0, 10);
	uint32_t cwnd = conn->cc.cwnd;

	sack(0, 1, 4);
	expect_segments(0, 1); /* but it was only late */
	assert_true(conn->cc.ssthresh < cwnd);
	ack(10);
	assert_true(conn->cc.cwnd < cwnd);
	pass(RTT);
	dsack(10, 0, 1);
	assert_int_equal(tcp->count.undone, 1);
	assert_true(conn->cc.cwnd >= cwnd);
	assert_true(conn->rack.reordering);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_lost_retransmission_is_sent_again_without_a_timeout),
	    PLAY(what_is_late_by_less_than_a_quarter_round_trip_is_not_lost),
	    PLAY(what_is_late_by_more_is_lost),
	    PLAY(what_was_sent_after_the_last_that_arrived_is_not_judged),
	    PLAY(a_duplicate_report_widens_the_window_once_a_round_trip),
	    PLAY(a_wide_window_lasts_for_sixteen_recoveries),
	    PLAY(the_tail_is_found_lost_by_its_own_recovery),
	    PLAY(records_that_run_out_leave_loss_to_the_timeout),
	    PLAY(more_holes_than_can_be_remembered_do_not_stall),
	    PLAY(the_window_shrinks_in_proportion_to_what_arrives),
	    PLAY(after_heavy_loss_it_grows_by_what_arrives),
	    PLAY(a_lost_tail_is_probed_after_two_round_trips),
	    PLAY(a_probe_that_repairs_the_loss_is_paid_for),
	    PLAY(a_probe_that_was_not_needed_costs_nothing),
	    PLAY(a_probe_is_of_new_bytes_if_there_are_any),
	    PLAY(only_one_probe_is_sent_then_the_timeout_comes),
	    PLAY(once_the_fin_is_acknowledged_there_is_no_probe),
	    PLAY(without_sack_there_are_no_probes),
	    PLAY(a_timeout_that_was_too_early_is_taken_back),
	    PLAY(a_timeout_that_was_not_is_paid_for),
	    PLAY(an_ack_of_what_lies_before_takes_nothing_back),
	    PLAY(a_retransmission_that_arrives_twice_is_taken_back),
	};

	play_congestion = &tcp_newreno;
	return cmocka_run_group_tests_name("tcp_rack", all, NULL, NULL) != 0;
}
