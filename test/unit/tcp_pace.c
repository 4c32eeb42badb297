/*
 * Pacing: a window leaves over the round trip, but the first one at once, and on a short
 * path all of them; a controller may set the rate.
 */
#include "test/unit/tcp_play.h"

enum { MSS = PEER_MSS };

/* A connection over such a path, that is paced and has `segments` queued. */
static struct tcp_conn *paced(kiln_time rtt, unsigned segments)
{
	play_config.pacing = true;
	play_again(PLAY_MEMORY);
	play_listen();
	peer_opens(PLAIN | WITH_SACK);
	pass(rtt);
	peer_acks(1, 1);
	settle();
	assert_true(tcp_send_static(owner.conn, pattern(0, segments * MSS)));
	settle();
	return owner.conn;
}

static unsigned sent_segments(void)
{
	settle();
	unsigned count = net.sent_count - net.looked_at;

	net.looked_at = net.sent_count;
	return count;
}

static void the_initial_window_leaves_at_once(void **state)
{
	paced(KILN_MS(100), 200);
	assert_int_equal(sent_segments(), 10);
}

static void the_next_leaves_over_half_a_round_trip(void **state)
{
	paced(KILN_MS(100), 200);
	sent_segments();
	pass(KILN_MS(100));
	peer_acks(1, 1 + 10 * MSS); /* 20 may be in flight */
	assert_true(sent_segments() <= 2);
	for (unsigned ms = 5; ms <= 45; ms += 5) {
		pass(KILN_MS(5));
		unsigned count = sent_segments();
		assert_true(count >= 1 && count <= 3); /* 20 in 50 ms */
	}
	pass(KILN_MS(6));
	sent_segments();
	assert_int_equal(tcp_in_flight(owner.conn), 20 * MSS);
}

static void after_a_pause_the_window_leaves_at_once_again(void **state)
{
	paced(KILN_MS(100), 10);
	sent_segments();
	pass(KILN_MS(100));
	peer_acks(1, 1 + 10 * MSS);
	pass(KILN_SECONDS(5));
	assert_true(tcp_send_static(owner.conn, pattern(10 * MSS, 10 * MSS)));
	assert_int_equal(sent_segments(), 10);
}

static void a_short_path_is_not_held_back(void **state)
{
	paced(KILN_US(500), 200);
	sent_segments();
	pass(KILN_US(500));
	peer_acks(1, 1 + 10 * MSS);
	assert_int_equal(sent_segments(), 20);
	assert_false(tcp_timer_is_set(owner.conn, TCP_TIMER_PACE));
}

static void fixed_rate(struct tcp_congestion_window *w, const struct tcp_flow_facts *f)
{
	w->pacing_rate = 1000 * MSS; /* a segment a ms */
	w->cwnd = 1000 * MSS;
}

static uint32_t no_reduction(struct tcp_congestion_window *w,
                             const struct tcp_flow_facts *f,
                             enum tcp_congestion_event why)
{
	return w->cwnd;
}

static void a_controllers_rate_is_kept(void **state)
{
	static const struct tcp_congestion controller = {"fixed", NULL, fixed_rate,
	                                                 no_reduction, NULL};
	struct tcp_conn *conn = established(PLAIN);

	tcp_set_congestion(conn, &controller);
	peer_window = 65535;
	assert_true(tcp_send_static(conn, pattern(0, 60 * MSS)));
	assert_int_equal(sent_segments(), 10);
	pass(KILN_MS(1));
	peer_acks(1, 1 + 10 * MSS);
	sent_segments();
	for (unsigned i = 0; i < 4; i++) {
		pass(KILN_MS(5));
		unsigned count = sent_segments();
		assert_true(count >= 4 && count <= 6);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(the_initial_window_leaves_at_once),
	    PLAY(the_next_leaves_over_half_a_round_trip),
	    PLAY(after_a_pause_the_window_leaves_at_once_again),
	    PLAY(a_short_path_is_not_held_back),
	    PLAY(a_controllers_rate_is_kept),
	};

	return cmocka_run_group_tests_name("tcp_pace", all, NULL, NULL) != 0;
}
