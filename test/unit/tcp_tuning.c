/*
 * The limits of what a connection holds: the receive window grows with what is read in a
 * round trip, the send queue with the congestion window.
 */
#include "tcp_play.h"

/* The peer sends as much as the window takes, every 10 ms, and the owner reads it. */
static void fill_window(struct tcp_conn *conn, unsigned rounds)
{
	static uint32_t seq;

	if (tcp_seq_eq(conn->rcv_nxt, tcp_seq_of(PEER_ISN + 1)))
		seq = 1;
	for (unsigned i = 0; i < rounds; i++) {
		uint32_t window = tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt);

		for (uint32_t left = window; left > 0;) {
			uint32_t n = KILN_MIN(left, PEER_MSS);

			owner.got_size = 0;
			peer_sends(TCP_ACK, seq, 1, pattern(0, n));
			seq += n;
			left -= n;
		}
		skip_sent();
		pass(KILN_MS(10));
		if (peer_ts)
			peer_ts += 10;
	}
}

static struct tcp_conn *established_over_10_ms(unsigned with)
{
	play_listen();
	peer_opens(with);
	pass(KILN_MS(10));
	peer_acks(1, 1);
	settle();
	assert_int_equal(owner.conn->tuning.rtt, KILN_MS(10));
	return owner.conn;
}

static void check_growth(unsigned with)
{
	struct tcp_conn *conn = established_over_10_ms(with);

	assert_int_equal(conn->receive_limit, tcp->receive_limit);
	fill_window(conn, 12);
	assert_true(conn->receive_limit >= 4 * tcp->receive_limit);
	assert_true(conn->receive_limit <= tcp->limit_most);
	/* The peer is told of it. */
	assert_true(tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt) >= 3 * tcp->receive_limit);
	assert_true(conn->tuning.rtt <= KILN_MS(11));
}

static void the_window_grows_while_it_is_what_limits(void **state)
{
	check_growth(PLAIN | WITH_SCALE | WITH_TIMESTAMPS);
}

static void it_does_without_timestamps(void **state)
{
	check_growth(PLAIN | WITH_SCALE);
}

static void what_the_owner_has_set_stays(void **state)
{
	struct tcp_conn *conn = established_over_10_ms(PLAIN | WITH_SCALE);

	tcp_set_receive_limit(conn, 100000);
	fill_window(conn, 12);
	assert_int_equal(conn->receive_limit, 100000);
}

static void a_peer_that_sends_little_gets_no_more(void **state)
{
	struct tcp_conn *conn = established_over_10_ms(PLAIN | WITH_SCALE);

	for (uint32_t seq = 1; seq < 200000; seq += 1000) {
		owner.got_size = 0;
		peer_sends(TCP_ACK, seq, 1, pattern(0, 1000));
		pass(KILN_MS(1));
	}
	assert_int_equal(conn->receive_limit, tcp->receive_limit);
}

/* A pause of the peer's must not pass for a long round trip, in which much is read. */
static void a_pause_is_no_round_trip(void **state)
{
	struct tcp_conn *conn =
	    established_over_10_ms(PLAIN | WITH_SCALE | WITH_TIMESTAMPS);

	peer_sends(TCP_ACK, 1, 1, pattern(0, 1448));
	skip_sent();
	pass(KILN_SECONDS(30));
	peer_ts += 30000; /* it echoes what it heard before */
	peer_sends(TCP_ACK, 1449, 1, pattern(0, 1448));
	peer_sends(TCP_ACK, 2897, 1, pattern(0, 1448));
	settle();
	pass(KILN_MS(10));
	peer_ts += 10;
	peer_sends(TCP_ACK, 4345, 1, pattern(0, 1448));
	assert_int_equal(conn->tuning.rtt, KILN_MS(10));
}

static void write_until_full(struct tcp_conn *conn)
{
	while (tcp_send(conn, pattern(0, 1000)) == 1000)
		;
}

static void the_send_queue_grows_with_the_congestion_window(void **state)
{
	play_again(64 << 20);
	struct tcp_conn *conn = established(PLAIN | WITH_SCALE);
	unsigned readies = owner.readies;

	peer_window = 65000; /* scaled by 2^7: out of the way */
	write_until_full(conn);
	assert_int_equal(tcp_send_room(conn), 0);
	assert_int_equal(tcp_unsent(conn), tcp->send_limit);
	for (unsigned i = 0; i < 5; i++) {
		skip_sent();
		pass(KILN_MS(10));
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		settle();
		write_until_full(conn);
	}
	assert_true(owner.readies >= readies + 3);
	assert_true(conn->cc.cwnd > tcp->send_limit);
	assert_in_range(tcp_unsent(conn), 2 * conn->cc.cwnd - 2 * CHUNK_SIZE,
	                2 * conn->cc.cwnd);
}

/* The owner is refused while the queue holds more than a window that has collapsed allows;
 * it must be called when that is gone. */
static void an_owner_refused_after_a_loss_is_called(void **state)
{
	play_again(64 << 20);
	struct tcp_conn *conn = established(PLAIN | WITH_SCALE);

	peer_window = 65000;
	for (unsigned i = 0; i < 5; i++) {
		write_until_full(conn);
		skip_sent();
		pass(KILN_MS(10));
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		settle();
	}
	assert_true(tcp_send_room(conn) > 0);
	while (tcp_unsent(conn) < conn->cc.cwnd)
		assert_int_equal(tcp_send(conn, pattern(0, 1000)), 1000);
	assert_false(conn->crowded);
	pass(KILN_SECONDS(2)); /* a timeout: the congestion window is one segment */
	skip_sent();
	write_until_full(conn);
	assert_int_equal(tcp_send_room(conn), 0);
	unsigned readies = owner.readies;
	for (unsigned i = 0; i < 200 && owner.readies == readies; i++) {
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		settle();
		skip_sent();
	}
	assert_int_equal(owner.readies, readies + 1);
	assert_true(tcp_send_room(conn) > 0);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(the_window_grows_while_it_is_what_limits),
	    PLAY(it_does_without_timestamps),
	    PLAY(what_the_owner_has_set_stays),
	    PLAY(a_peer_that_sends_little_gets_no_more),
	    PLAY(a_pause_is_no_round_trip),
	    PLAY(the_send_queue_grows_with_the_congestion_window),
	    PLAY(an_owner_refused_after_a_loss_is_called),
	};

	return cmocka_run_group_tests_name("tcp_tuning", all, NULL, NULL) != 0;
}
