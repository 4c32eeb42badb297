/*
 * How large a segment the path carries (RFC 4821): black holes are fallen back from, and
 * the search upwards costs nothing when it fails.
 */
#include "tcp_play.h"

enum { BASE = 1024 - 40, LEAST = 512, FULL = 1460 };

/* The largest segment that TCP has sent since last looked at. */
static size_t largest_sent(void)
{
	size_t largest = 0;

	settle();
	while (net.looked_at < net.sent_count) {
		const struct sent *sent = &net.sent[net.looked_at++];

		largest =
		    KILN_MAX(largest, sent->gso_size ? sent->gso_size : sent->s.data.len);
	}
	return largest;
}

/* The peer is reached by segments of up to `most` bytes of data, in order: acknowledges
 * them, and repeats itself when a larger one is missing. */
static void through(struct tcp_conn *conn, size_t most)
{
	static uint32_t reached;
	unsigned at;

	if (conn->out.start == 0 && tcp_seq_eq(conn->snd_una, tcp_seq_of(our_isn.v + 1)))
		reached = 1;
	pass(KILN_MS(10));
	at = net.looked_at;
	for (; at < net.sent_count; at++) {
		const struct tcp_segment *s = &net.sent[at].s;
		uint32_t seq = s->seq.v - our_isn.v;

		if (s->data.len == 0 || s->data.len > most)
			continue;
		if (seq <= reached && seq + s->data.len > reached)
			reached = seq + (uint32_t)s->data.len;
		peer_acks(1, reached);
	}
	net.looked_at = at;
}

static void keep_writing(struct tcp_conn *conn)
{
	while (tcp_unsent(conn) < 60000)
		tcp_send(conn, pattern(0, 10000));
}

static struct tcp_conn *writing(unsigned with)
{
	struct tcp_conn *conn = established(with);

	keep_writing(conn);
	return conn;
}

static void repeated_timeouts_lower_the_segment_size(void **state)
{
	struct tcp_conn *conn = writing(PLAIN);

	assert_int_equal(largest_sent(), FULL);
	pass(KILN_MS(2900)); /* 0.2 to begin with, or 1: twice in vain */
	while (conn->timeouts < 3)
		pass(KILN_MS(100));
	assert_int_equal(conn->mss, BASE);
	assert_int_equal(tcp->count.black_holes, 1);
	assert_int_equal(net.sent[net.sent_count - 1].s.data.len, BASE);
	while (conn->timeouts < 5)
		pass(KILN_MS(100));
	assert_int_equal(conn->mss, BASE);
	while (conn->timeouts < 6)
		pass(KILN_MS(100));
	assert_int_equal(conn->mss, LEAST);
	pass(KILN_SECONDS(30));
	assert_int_equal(conn->mss, LEAST);
	assert_int_equal(tcp->count.black_holes, 2);
}

static void what_is_lost_once_lowers_nothing(void **state)
{
	struct tcp_conn *conn = writing(PLAIN);

	while (conn->timeouts < 2)
		pass(KILN_MS(100));
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	assert_int_equal(conn->mss, FULL);
}

static void a_small_segment_that_is_lost_lowers_nothing(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, pattern(0, 500));
	pass(KILN_SECONDS(60));
	assert_int_equal(conn->mss, FULL);
}

/* Runs until the search is over; returns the segment size found. */
static unsigned search(struct tcp_conn *conn, size_t most)
{
	for (unsigned i = 0; i < 4000; i++) {
		keep_writing(conn);
		through(conn, most);
		while (net.sent_count > 0)
			free(net.sent[--net.sent_count].bytes);
		net.looked_at = 0;
	}
	return conn->mss;
}

static void check_search(unsigned with, size_t most, unsigned least)
{
	struct tcp_conn *conn = writing(with);
	unsigned found = search(conn, most);

	assert_in_range(found, least, most);
	assert_int_equal(conn->phase, TCP_OPEN);
	tcp_abort(conn);
	settle();
	assert_no_leak();
}

static void the_search_comes_near_what_the_path_carries(void **state)
{
	check_search(PLAIN, 1300, 1300 - 32);
	play_again(PLAY_MEMORY);
	check_search(PLAIN, 700, 700 - 32);
	play_again(PLAY_MEMORY);
	check_search(PLAIN | WITH_SACK, 1300, 1300 - 32);
}

static void after_an_outage_the_first_try_is_the_full_size(void **state)
{
	struct tcp_conn *conn = writing(PLAIN);

	while (conn->timeouts < 3)
		pass(KILN_MS(100));
	assert_int_equal(conn->mss, BASE);
	for (unsigned i = 0; i < 20; i++) {
		keep_writing(conn);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		pass(KILN_MS(10));
	}
	assert_int_equal(conn->mss, FULL);
	assert_int_equal(conn->mtu.limit, UINT16_MAX);
	assert_int_equal(tcp->count.mtu_probes, 1);
}

static void the_next_connection_begins_with_what_was_found(void **state)
{
	struct tcp_conn *conn = writing(PLAIN);

	while (conn->timeouts < 3)
		pass(KILN_MS(100));
	assert_int_equal(net.passes, BASE + 20);
	play_again(PLAY_MEMORY);
	net.passes = BASE + 20;
	conn = writing(PLAIN);
	assert_int_equal(largest_sent(), BASE);
	/* It does not try at once: most connections are over before that. */
	for (unsigned i = 0; i < 20; i++) {
		keep_writing(conn);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		pass(KILN_MS(10));
	}
	assert_int_equal(largest_sent(), BASE);
	pass(KILN_SECONDS(5));
	for (unsigned i = 0; i < 20; i++) {
		keep_writing(conn);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		pass(KILN_MS(10));
	}
	assert_int_equal(conn->mss, FULL);
	assert_int_equal(net.passes, 0); /* all do again */
}

/* Everything arrives but the probe, which three segments behind it tell. */
static void a_probe_that_is_lost_is_no_congestion(void **state)
{
	struct tcp_conn *conn = writing(PLAIN);
	uint32_t probe = 0, cwnd;

	while (conn->timeouts < 3)
		pass(KILN_MS(100));
	while (!conn->mtu.probe) {
		keep_writing(conn);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		settle();
	}
	probe = tcp_seq_diff(conn->mtu.range.start, our_isn);
	assert_int_equal(tcp_range_size(conn->mtu.range), FULL);
	peer_acks(1, probe);
	settle();
	skip_sent();
	cwnd = conn->cc.cwnd;
	for (unsigned i = 0; i < 3; i++)
		peer_acks(1, probe);
	assert_int_equal(conn->mtu.probe, 0);
	assert_int_equal(conn->mtu.failed, FULL);
	assert_int_equal(conn->mss, BASE);
	expect(TCP_ACK, probe, 1, BASE); /* again, in segments that pass */
	for (unsigned i = 0; i < 10; i++) {
		skip_sent();
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		settle();
	}
	assert_int_equal(conn->phase, TCP_OPEN);
	assert_true(conn->cc.cwnd >= cwnd);
	assert_int_equal(conn->mss, BASE); /* not twice in a row */
}

static void what_icmp_has_lowered_is_tried_again_after_ten_minutes(void **state)
{
	struct tcp_conn *conn = writing(PLAIN);
	uint8_t quoted[8] = {LOCAL_PORT >> 8, LOCAL_PORT & 255, PEER_PORT >> 8,
	                     PEER_PORT & 255};
	struct net_error error = {
	    .kind = NET_ERROR_TOO_BIG,
	    .mtu = 1280 - 20,
	    .src = conn->flow.tuple.local,
	    .dst = conn->flow.tuple.remote,
	    .payload = slice_of(quoted, sizeof(quoted)),
	};

	settle();
	for (unsigned i = 0; i < 4; i++)
		quoted[4 + i] = (uint8_t)(conn->snd_una.v >> (24 - 8 * i));
	assert_true(net.transport.error(net.transport.transport, &error));
	assert_int_equal(conn->mss, 1240);
	for (unsigned i = 0; i < 10; i++) {
		keep_writing(conn);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		pass(KILN_SECONDS(1));
	}
	assert_int_equal(conn->mss, 1240);
	assert_int_equal(tcp->count.mtu_probes, 0);
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	while (tcp_unsent(conn) > 0) {
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		settle();
	}
	pass(KILN_SECONDS(600));
	for (unsigned i = 0; i < 10; i++) {
		keep_writing(conn);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		pass(KILN_MS(10));
	}
	assert_int_equal(tcp->count.mtu_probes, 1);
	assert_int_equal(conn->mss, FULL);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(repeated_timeouts_lower_the_segment_size),
	    PLAY(what_is_lost_once_lowers_nothing),
	    PLAY(a_small_segment_that_is_lost_lowers_nothing),
	    PLAY(the_search_comes_near_what_the_path_carries),
	    PLAY(after_an_outage_the_first_try_is_the_full_size),
	    PLAY(the_next_connection_begins_with_what_was_found),
	    PLAY(a_probe_that_is_lost_is_no_congestion),
	    PLAY(what_icmp_has_lowered_is_tried_again_after_ten_minutes),
	};

	return cmocka_run_group_tests_name("tcp_mtu", all, NULL, NULL) != 0;
}
