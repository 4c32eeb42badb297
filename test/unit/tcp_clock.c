/*
 * The clocks of a connection (window probes, keep-alive, user timeout), and streams:
 * blocking calls on tasks.
 */
#include "test/unit/tcp_play.h"
#include <kiln/stream.h>

static const struct slice nothing = {0};

/* ---- window probes: RFC 9293, 3.8.6.1 ---- */

static void a_closed_window_is_probed_less_and_less_often(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	kiln_time wait = KILN_MS(200);

	peer_window = 0;
	peer_acks(1, 1);
	tcp_send(conn, pattern(0, 5000));
	expect_nothing();
	for (unsigned i = 0; i < 6; i++) {
		pass(wait - KILN_MS(10));
		expect_nothing();
		pass(KILN_MS(12));
		assert_pattern(expect(TCP_ACK, 1, 1, 1));
		peer_acks(1, 1);
		wait *= 2;
	}
	peer_window = 65535; /* it opens, without the probe's byte */
	peer_acks(1, 1);
	assert_pattern(expect(TCP_ACK, 1, 1, 1460));
	skip_sent();
	peer_acks(1, 5001);
	assert_int_equal(tcp_unsent(conn), 0);
	pass(KILN_SECONDS(100));
	expect_nothing();
}

static void a_probe_that_is_taken_counts(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	peer_window = 0;
	peer_acks(1, 1);
	tcp_send(conn, pattern(0, 5000));
	pass(KILN_MS(205));
	expect(TCP_ACK, 1, 1, 1);
	peer_acks(1, 2); /* it has room for one byte, and none again */
	assert_int_equal(tcp_unsent(conn), 4999);
	peer_window = 1000;
	peer_acks(1, 2);
	pass(KILN_MS(500));
	assert_pattern(expect(TCP_ACK, 2, 1, 1000));
}

static void a_peer_that_answers_probes_is_never_given_up(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	peer_window = 0;
	peer_acks(1, 1);
	tcp_send(conn, pattern(0, 100));
	for (unsigned i = 0; i < 60; i++) {
		pass(KILN_SECONDS(60));
		peer_acks(1, 1);
	}
	assert_int_equal(owner.closes, 0);
	pass(KILN_SECONDS(300)); /* one that does not answer is */
	assert_int_equal(owner.closes, 1);
	assert_int_equal(owner.why, KILN_ERR_TIMEOUT);
	assert_no_leak();
}

static void nor_one_that_closed_its_window_on_data_in_flight(void **state)
{
	tcp_send(established(PLAIN), pattern(0, 100));
	expect(TCP_ACK, 1, 1, 100);
	peer_window = 0;
	for (unsigned i = 0; i < 60; i++) {
		peer_acks(1, 1);
		pass(KILN_SECONDS(60));
	}
	assert_int_equal(owner.closes, 0);
	assert_int_equal(tcp->count.timeouts, 0);
}

static void a_window_that_closes_on_data_in_flight_is_no_loss(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, pattern(0, 2920));
	expect(TCP_ACK, 1, 1, 1460);
	expect(TCP_ACK, 1461, 1, 1460);
	uint32_t cwnd = conn->cc.cwnd;
	peer_window = 0;
	peer_acks(1, 1);
	pass(KILN_MS(210));
	expect(TCP_ACK, 1, 1, 1);
	assert_int_equal(tcp->count.timeouts, 0);
	peer_window = 65535;
	peer_acks(1, 1);
	expect(TCP_ACK, 1, 1, 1460);
	expect(TCP_ACK, 1461, 1, 1460);
	assert_int_equal(conn->cc.cwnd, cwnd);
}

static void a_closed_window_lets_the_fin_out(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	peer_window = 0;
	peer_acks(1, 1);
	tcp_close(conn);
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
}

/* ---- user timeout, keep-alive ---- */

static void unanswered_data_ends_the_connection_in_time(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	kiln_time start = clock_now;

	tcp_set_user_timeout(conn, KILN_SECONDS(5));
	tcp_send(conn, SLICE("anybody?"));
	settle();
	while (!owner.closes && clock_now - start < KILN_SECONDS(60))
		pass(KILN_MS(10));
	assert_int_equal(owner.why, KILN_ERR_TIMEOUT);
	assert_true(clock_now - start >= KILN_SECONDS(5));
	assert_true(clock_now - start < KILN_MS(5100));
	assert_int_equal(net.sent[net.sent_count - 1].s.flags & TCP_RST, TCP_RST);
	assert_no_leak();
}

static void idle_connections_are_probed_if_asked_for(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_set_keepalive(conn, KILN_SECONDS(10), KILN_SECONDS(2), 3);
	pass(KILN_SECONDS(6));
	peer_sends(TCP_ACK, 1, 1, SLICE("x")); /* heard: the ten seconds start anew */
	pass(KILN_SECONDS(9));
	expect(TCP_ACK, 1, 2, 0); /* of the data */
	expect_nothing();
	pass(KILN_MS(1010));
	expect(TCP_ACK, 0, 2, 0); /* a number that must be answered */
	peer_acks(2, 1);
	pass(KILN_SECONDS(9));
	expect_nothing();
	pass(KILN_SECONDS(2));
	expect(TCP_ACK, 0, 2, 0);
	pass(KILN_SECONDS(2));
	expect(TCP_ACK, 0, 2, 0);
	pass(KILN_SECONDS(2));
	expect(TCP_ACK, 0, 2, 0);
	pass(KILN_SECONDS(2));
	expect(TCP_RST | TCP_ACK, 1, 2, 0);
	assert_int_equal(owner.why, KILN_ERR_TIMEOUT);
	assert_no_leak();
}

static void by_default_an_idle_connection_is_left_alone(void **state)
{
	established(PLAIN);
	pass(KILN_SECONDS(86400));
	expect_nothing();
	assert_int_equal(owner.closes, 0);
}

static void acknowledgements_do_not_rearm_the_wheel(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	kiln_time armed = 0;

	for (uint32_t i = 0; i < 50; i++) {
		tcp_send(conn, SLICE("x"));
		settle();
		if (i == 0)
			armed = conn->timer.deadline;
		assert_int_equal(conn->timer.deadline, armed);
		pass(KILN_MS(1));
		peer_acks(1, 2 + i);
	}
	pass(KILN_SECONDS(1));
	assert_int_equal(tcp->count.timeouts, 0);
	assert_false(timer_is_set(&conn->timer));
}

/* ---- streams ---- */

static char said[256];
static enum kiln_error ended_with;

/* Answers each line with itself in brackets, until the end. */
static void serve_line(struct stream *s, void *context)
{
	char line[64];
	size_t got;

	while (!(ended_with = stream_read(s, line, sizeof(line), &got)) && got > 0) {
		strncat(said, line, got);
		if (stream_write(s, SLICE("[")) || stream_write(s, slice_of(line, got)) ||
		    stream_write(s, SLICE("]")))
			return;
	}
}

static void start_streams(unsigned count)
{
	struct task_pool *tasks = task_pool_new(&net.kiln, count, 65536);

	said[0] = 0;
	assert_int_equal(stream_serve(tcp, tasks, LOCAL_PORT, serve_line, NULL), KILN_OK);
}

static void a_stream_reads_writes_and_ends(void **state)
{
	start_streams(2);
	peer_opens(PLAIN);
	peer_sends(TCP_ACK, 1, 1, SLICE("one"));
	assert_memory_equal(expect(TCP_ACK, 1, 4, 5)->s.data.data, "[one]", 5);
	peer_sends(TCP_ACK, 4, 6, SLICE("two"));
	assert_memory_equal(expect(TCP_ACK, 6, 7, 5)->s.data.data, "[two]", 5);
	peer_sends(TCP_FIN | TCP_ACK, 7, 11, nothing);
	expect(TCP_ACK, 11, 8, 0);
	expect(TCP_FIN | TCP_ACK, 11, 8, 0);
	peer_acks(8, 12);
	settle();
	assert_string_equal(said, "onetwo");
	assert_no_leak();
}

static void without_a_free_task_connections_wait_their_turn(void **state)
{
	start_streams(1);
	peer_opens(PLAIN);
	peer_sends(TCP_ACK, 1, 1, SLICE("first"));
	expect(TCP_ACK, 1, 6, 7);
	struct tcp_seq first_isn = our_isn;
	peer_port++;
	peer_opens(PLAIN);
	peer_sends(TCP_ACK, 1, 1, SLICE("second"));
	expect_nothing();
	assert_string_equal(said, "first");
	struct tcp_seq second_isn = our_isn;
	peer_port--;
	our_isn = first_isn;
	peer_sends(TCP_FIN | TCP_ACK, 6, 8, nothing);
	settle();
	assert_string_equal(said, "firstsecond");
	our_isn = second_isn;
	skip_sent();
}

static void a_connection_that_is_reset_wakes_its_stream(void **state)
{
	start_streams(1);
	peer_opens(PLAIN);
	peer_acks(1, 1);
	settle();
	peer_sends(TCP_RST, 1, 0, nothing);
	settle();
	assert_int_equal(ended_with, KILN_ERR_RESET);
	assert_no_leak();
}

/* ---- a task that opens a connection ---- */

static struct task_pool *client_tasks;
static struct stream client_stream;
static enum kiln_error client_connected, client_read;
static kiln_time client_done_at;

static void client_task(void *arg)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	char answer[16];
	size_t got;

	client_connected = stream_connect(&client_stream, client_tasks, tcp, &to);
	owner.conn = client_stream.conn;
	if (client_connected)
		return;
	client_stream.timeout = KILN_SECONDS(3);
	assert_int_equal(stream_write(&client_stream, SLICE("hello")), KILN_OK);
	do
		client_read = stream_read(&client_stream, answer, sizeof(answer), &got);
	while (!client_read && got > 0);
	client_done_at = clock_now;
	stream_close(&client_stream);
	stream_close(&client_stream); /* harmless */
}

static void start_client(void)
{
	client_tasks = task_pool_new(&net.kiln, 1, 65536);
	client_connected = client_read = KILN_ERR_COUNT;
	assert_int_equal(task_start(client_tasks, client_task, NULL), KILN_OK);
	struct sent *syn = next_sent();
	assert_int_equal(syn->s.flags, TCP_SYN);
	our_isn = syn->s.seq;
	owner.conn = client_stream.conn; /* for the peer to know our port */
}

static void a_stream_connects_and_a_silent_peer_times_it_out(void **state)
{
	struct tcp_segment s;

	start_client();
	s = peer_syn(PLAIN);
	s.flags |= TCP_ACK;
	s.ack = tcp_seq_add(our_isn, 1);
	inject(&s);
	expect(TCP_ACK, 1, 1, 5);
	assert_int_equal(client_connected, KILN_OK);
	kiln_time start = clock_now;
	peer_acks(1, 6);
	pass(KILN_SECONDS(2));
	assert_int_equal(client_read, KILN_ERR_COUNT); /* still waiting */
	pass(KILN_SECONDS(2));
	assert_int_equal(client_read, KILN_ERR_TIMEOUT);
	assert_true(client_done_at - start >= KILN_SECONDS(3));
	expect(TCP_FIN | TCP_ACK, 6, 1, 0);
}

static void a_stream_that_is_refused_says_so(void **state)
{
	start_client();
	peer_sends(TCP_RST | TCP_ACK, 0, 1, nothing);
	settle();
	assert_int_equal(client_connected, KILN_ERR_REFUSED);
	assert_no_leak();
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_closed_window_is_probed_less_and_less_often),
	    PLAY(a_probe_that_is_taken_counts),
	    PLAY(a_peer_that_answers_probes_is_never_given_up),
	    PLAY(nor_one_that_closed_its_window_on_data_in_flight),
	    PLAY(a_window_that_closes_on_data_in_flight_is_no_loss),
	    PLAY(a_closed_window_lets_the_fin_out),
	    PLAY(unanswered_data_ends_the_connection_in_time),
	    PLAY(idle_connections_are_probed_if_asked_for),
	    PLAY(by_default_an_idle_connection_is_left_alone),
	    PLAY(acknowledgements_do_not_rearm_the_wheel),
	    PLAY(a_stream_reads_writes_and_ends),
	    PLAY(without_a_free_task_connections_wait_their_turn),
	    PLAY(a_connection_that_is_reset_wakes_its_stream),
	    PLAY(a_stream_connects_and_a_silent_peer_times_it_out),
	    PLAY(a_stream_that_is_refused_says_so),
	};

	return cmocka_run_group_tests_name("tcp_clock", all, NULL, NULL) != 0;
}
