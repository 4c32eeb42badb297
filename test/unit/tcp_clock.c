/*
 * The clocks of a connection (window probes, keep-alive, user timeout), what happens when
 * memory is used up, and streams: blocking calls on tasks.
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

/* ---- memory ---- */

/* The peer opens one more connection, from a port of its own. */
static struct tcp_conn *one_more(void)
{
	owner.conn = NULL;
	peer_port++;
	peer_opens(PLAIN);
	peer_acks(1, 1);
	settle();
	return owner.conn;
}

static void forget_sent(void)
{
	settle();
	for (unsigned i = 0; i < net.sent_count; i++)
		free(net.sent[i].bytes);
	net.sent_count = net.looked_at = 0;
}

static void with_all_connections_in_use_the_newest_is_refused(void **state)
{
	unsigned most = tcp->conns.count;
	struct tcp_conn *first = NULL;

	play_listen();
	for (unsigned i = 0; i < most; i++) {
		struct tcp_conn *conn = one_more();

		assert_non_null(conn);
		if (i == 0)
			first = conn;
		forget_sent();
	}
	peer_port++;
	struct tcp_segment s = peer_syn(PLAIN);
	inject(&s);
	expect_nothing();
	assert_int_equal(tcp->count.refused, 1);
	assert_int_equal(tcp->count.conns_most, most);
	tcp_send(first, SLICE("old ones go on"));
	assert_int_equal(next_sent()->s.data.len, 14);
	tcp_abort(first);
	settle();
	skip_sent();
	assert_non_null(one_more());
}

static void a_handshake_that_ends_without_memory_is_finished_later(void **state)
{
	struct tcp_conn *last = NULL;

	play_listen();
	peer_opens(PLAIN); /* half open */
	struct tcp_seq isn = our_isn;
	uint16_t port = peer_port;
	while (tcp->conns.used < tcp->conns.count) {
		last = one_more();
		forget_sent();
	}
	peer_port = port;
	our_isn = isn;
	owner.conn = NULL;
	peer_acks(1, 1);
	settle();
	assert_null(owner.conn);
	assert_int_equal(tcp->count.drop_no_memory, 1);
	tcp_abort(last);
	settle();
	skip_sent();
	peer_sends(TCP_ACK, 1, 1, SLICE("again"));
	settle();
	assert_non_null(owner.conn);
	assert_int_equal(owner.got_size, 5);
}

static void write_until_full(struct tcp_conn *conn)
{
	while (tcp_send(conn, pattern(0, 1000)) == 1000)
		;
}

static void a_full_send_queue_calls_again_when_there_is_room(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	unsigned readies = owner.readies;

	write_until_full(conn);
	assert_int_equal(tcp_send_room(conn), 0);
	assert_int_equal(tcp_unsent(conn), tcp->send_limit);
	skip_sent();
	peer_acks(1, 1461);
	settle();
	assert_int_equal(owner.readies, readies); /* not worth a call yet */
	for (uint32_t acked = 1; owner.readies == readies; acked += 14600) {
		assert_true(acked < tcp->send_limit);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		skip_sent();
	}
	assert_true(tcp_send_room(conn) >= tcp->send_limit / 4);
}

/* Whether the owner tried to send, or only asked. */
static void check_starved(bool asks)
{
	struct tcp_conn *conn[16], *last;
	struct chunk *taken = NULL, *chunk;
	unsigned readies;

	play_listen();
	for (unsigned i = 0; i < 16; i++) {
		conn[i] = one_more();
		write_until_full(conn[i]);
		forget_sent();
	}
	while (tcp->chunks.used + tcp->chunk_reserve < tcp->chunks.count) {
		chunk = chunk_get(&tcp->chunks);
		memcpy(chunk->data, &taken,
		       sizeof(taken)); /* linked through their data */
		taken = chunk;
	}
	last = one_more();
	if (asks)
		assert_int_equal(tcp_send_room(last), 0);
	else
		assert_int_equal(tcp_send(last, SLICE("x")), 0);
	assert_true(tcp->chunks.used < tcp->chunks.count); /* kept for receiving */
	peer_sends(TCP_ACK, 1, 1, SLICE("still heard"));
	assert_int_equal(owner.got_size, 11);
	settle();
	readies = owner.readies;
	for (unsigned i = 0; i < 16; i++)
		tcp_abort(conn[i]);
	settle();
	settle();
	while (taken) {
		chunk = taken;
		memcpy(&taken, chunk->data, sizeof(taken));
		chunk_unref(chunk);
	}
	assert_int_equal(owner.readies, readies + 1);
	assert_int_equal(tcp_send(last, SLICE("x")), 1);
}

static void owners_without_chunks_are_called_when_there_are_some(void **state)
{
	check_starved(false);
	play_again(PLAY_MEMORY);
	check_starved(true);
}

static void those_who_do_not_read_leave_memory_to_others(void **state)
{
	struct tcp_conn *last;

	play_listen();
	for (unsigned i = 0; i < 8; i++) {
		write_until_full(one_more()); /* its peer acknowledges nothing, */
		forget_sent();
		one_more(); /* and this one leaves a gap before all that it sends */
		for (uint32_t k = 0; k < 500; k++) {
			peer_sends(TCP_ACK, 3 + 2 * k, 1, SLICE("x"));
			forget_sent();
		}
		owner.keep = true; /* whose owner does not read */
		one_more();
		for (uint32_t k = 0; k < 40; k++) {
			peer_sends(TCP_ACK, 1 + 1000 * k, 1, pattern(0, 1000));
			forget_sent();
		}
		owner.keep = false;
	}
	assert_true(tcp->count.drop_no_memory > 0);
	last = one_more();
	forget_sent();
	assert_true(tcp_send_room(last) >= 2000);
	peer_sends(TCP_ACK, 1001, 1, pattern(0, 1000));
	assert_int_equal(last->in.sack_count + last->in.ooo_runs, 1);
}

static void small_writes_between_references_share_a_chunk(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	static uint8_t head[200];

	for (unsigned i = 0; i < 10; i++) {
		memset(head, 'a' + (int)i, sizeof(head));
		assert_int_equal(tcp_send(conn, slice_of(head, sizeof(head))),
		                 sizeof(head));
		assert_true(tcp_send_static(conn, SLICE("body")));
	}
	assert_int_equal(tcp->chunks.used, 1);
	assert_int_equal(conn->out.chunks, 1);
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	assert_int_equal(tcp_unsent(conn), 0);
	assert_int_equal(tcp->chunks.used, 0);
	assert_int_equal(conn->out.chunks, 0);
	assert_null(conn->out.open);
}

static void those_who_pipeline_and_do_not_read_leave_references_to_others(void **state)
{
	struct tcp_conn *last;

	play_listen();
	for (unsigned i = 0; i < 60; i++) {
		struct tcp_conn *conn = one_more();
		while (tcp_send(conn, SLICE("a head")) &&
		       tcp_send_static(conn, SLICE("a body")))
			;
		forget_sent();
	}
	last = one_more();
	forget_sent();
	assert_true(tcp_send_room(last) >= CHUNK_SIZE);
	assert_int_equal(tcp_send(last, SLICE("a head")), 6);
	assert_true(tcp_send_static(last, SLICE("a body")));
}

static void starved_owners_are_left_alone_while_references_are_used_up(void **state)
{
	struct tcp_conn *last;
	struct tcp_piece *piece;
	unsigned readies;

	play_listen();
	last = one_more();
	while ((piece = pool_get(&tcp->pieces)))
		;
	assert_int_equal(tcp_send(last, SLICE("x")), 0);
	settle();
	readies = owner.readies;
	for (unsigned i = 0; i < 10; i++) {
		loop_defer(&net.kiln.loop, &tcp->work);
		settle();
	}
	assert_int_equal(owner.readies, readies);
}

static void received_data_without_memory_is_not_acknowledged(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	struct chunk *taken = NULL, *chunk;
	static uint8_t out[1000];

	while ((chunk = chunk_get(&tcp->chunks))) { /* linked through their data */
		memcpy(chunk->data, &taken, sizeof(taken));
		taken = chunk;
	}
	owner.keep = true;
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1000));
	assert_int_equal(tcp_unread(conn), 0);
	assert_int_equal(tcp->count.drop_no_memory, 1);
	peer_sends(TCP_ACK | TCP_FIN, 1001, 1, pattern(1000, 10));
	expect(TCP_ACK, 1, 1, 0);
	assert_false(conn->fin_received);
	while (taken) {
		chunk = taken;
		memcpy(&taken, chunk->data, sizeof(taken));
		chunk_unref(chunk);
	}
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1000)); /* sent again */
	assert_int_equal(tcp_read(conn, out, sizeof(out)), 1000);
	assert_memory_equal(out, pattern(0, 1000).data, 1000);
}

static void the_reference_queue_is_bounded(void **state)
{
	struct tcp_conn *conn;
	unsigned queued = 0;

	play_again(2 * PLAY_MEMORY);
	conn = established(PLAIN);

	while (tcp_send_static(conn, SLICE("0123456789")))
		queued++;
	assert_int_equal(queued, TCP_PIECES_MAX);
	unsigned readies = owner.readies;
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	assert_int_equal(owner.readies, readies + 1);
	assert_int_equal(tcp_unsent(conn), 0);
}

static void the_oldest_orphan_makes_room(void **state)
{
	unsigned most = tcp->orphans_most;

	play_listen();
	for (unsigned i = 0; i < most; i++) {
		tcp_close(one_more());
		forget_sent();
	}
	assert_int_equal(tcp->orphan_count, most);
	assert_int_equal(tcp->count.resets_out, 0);
	tcp_close(one_more());
	settle();
	assert_int_equal(tcp->orphan_count, most);
	assert_int_equal(tcp->count.resets_out, 1);
	forget_sent();
	pass(KILN_SECONDS(181)); /* none of them is ever acknowledged */
	forget_sent();
	assert_no_leak();
}

static void an_idle_connection_is_small(void **state)
{
	struct tcp_counters counters;

	established(PLAIN);
	tcp_counters(tcp, &counters);
	assert_int_equal(counters.conn_bytes, (sizeof(struct tcp_conn) + 15) / 16 * 16);
	assert_true(counters.conn_bytes < 2048);
	assert_int_equal(tcp->chunks.used, 0);
	assert_int_equal(tcp->pieces.used, 0);
	print_message("struct tcp_conn %zu, tcp_half %zu, tcp_time_wait %zu bytes\n",
	              sizeof(struct tcp_conn), sizeof(struct tcp_half),
	              sizeof(struct tcp_time_wait));
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
	    PLAY(with_all_connections_in_use_the_newest_is_refused),
	    PLAY(a_handshake_that_ends_without_memory_is_finished_later),
	    PLAY(a_full_send_queue_calls_again_when_there_is_room),
	    PLAY(owners_without_chunks_are_called_when_there_are_some),
	    PLAY(those_who_do_not_read_leave_memory_to_others),
	    PLAY(small_writes_between_references_share_a_chunk),
	    PLAY(those_who_pipeline_and_do_not_read_leave_references_to_others),
	    PLAY(starved_owners_are_left_alone_while_references_are_used_up),
	    PLAY(received_data_without_memory_is_not_acknowledged),
	    PLAY(the_reference_queue_is_bounded),
	    PLAY(the_oldest_orphan_makes_room),
	    PLAY(an_idle_connection_is_small),
	    PLAY(a_stream_reads_writes_and_ends),
	    PLAY(without_a_free_task_connections_wait_their_turn),
	    PLAY(a_connection_that_is_reset_wakes_its_stream),
	    PLAY(a_stream_connects_and_a_silent_peer_times_it_out),
	    PLAY(a_stream_that_is_refused_says_so),
	};

	return cmocka_run_group_tests_name("tcp_clock", all, NULL, NULL) != 0;
}
