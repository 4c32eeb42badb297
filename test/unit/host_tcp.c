/*
 * The host target's TCP, over the real loopback interface: that it keeps to <kiln/tcp.h>. Each
 * test is an appliance of its own: it sets up both ends and runs the loop until the test stops
 * it.
 */
#include "host_play.h"

/* ---- two ends of a connection ---- */

static const uint8_t content[4 << 20]; /* zeroes, but marked at both ends of a test */

/* What the two ends of a test do and saw. */
struct ends {
	struct kiln *k;
	struct tcp *tcp;
	struct tcp_listener *listener;
	struct tcp_conn *client, *server;
	const struct tcp_events *server_events;
	bool refuse;
	size_t client_got, server_got, to_send, sent;
	uint64_t sum; /* of what the client got */
	bool client_ended, server_ended;
	enum kiln_error client_closed, server_closed;
};

static bool accepted(struct tcp_conn *conn, void *context)
{
	struct ends *ends = context;

	if (ends->refuse)
		return false;
	ends->server = conn;
	tcp_own(conn, ends->server_events, ends);
	return true;
}

/* A listener on a free port and a connection to it. */
static void connect_ends(struct ends *ends, struct kiln *k,
                         const struct tcp_events *client_events,
                         const struct tcp_events *server_events)
{
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	*ends =
	    (struct ends){.k = k, .server_events = server_events, .refuse = ends->refuse};
	ends->tcp = tcp_new(net_up(k, &net0));
	assert_int_equal(tcp_listen(ends->tcp, 0, accepted, ends, &ends->listener),
	                 KILN_OK);
	to.port = tcp_listener_port(ends->listener);
	assert_int_not_equal(to.port, 0);
	assert_int_equal(tcp_connect(ends->tcp, &to, client_events, ends, &ends->client),
	                 KILN_OK);
	assert_false(tcp_can_send(ends->client));
}

static void client_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct ends *ends = user;

	assert_ptr_equal(conn, ends->client);
	ends->client_closed = why;
	kiln_stop(ends->k);
}

static void server_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct ends *ends = user;

	assert_ptr_equal(conn, ends->server);
	ends->server_closed = why;
	kiln_stop(ends->k);
}

/* Takes everything in pieces of at most 1000 bytes, as a picky reader would. */
static void client_takes(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;
	struct slice bytes;

	while ((bytes = tcp_peek(conn)).len) {
		bytes = slice_take(bytes, 1000);
		for (size_t i = 0; i < bytes.len; i++)
			ends->sum += (ends->client_got + i) % 251 * bytes.data[i];
		ends->client_got += bytes.len;
		tcp_consume(conn, bytes.len);
	}
	if (tcp_at_end(conn) && !ends->client_ended) {
		ends->client_ended = true;
		tcp_close(conn);
		kiln_stop(ends->k);
	}
}

static void nothing(struct tcp_conn *conn, void *user)
{
}

static const struct tcp_events client_quiet = {nothing, client_closed};
static const struct tcp_events server_quiet = {nothing, server_closed};
static const struct tcp_events client_taker = {client_takes, client_closed};

/* ---- what happens to one ---- */

static int connect_to_nobody(struct kiln *k)
{
	struct ends ends = {.refuse = false};
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	tcp_abort(ends.client);
	to.port = tcp_listener_port(ends.listener);
	tcp_unlisten(ends.listener);
	assert_int_equal(tcp_connect(ends.tcp, &to, &client_quiet, &ends, &ends.client),
	                 KILN_OK);
	kiln_run(k);
	assert_int_equal(ends.client_closed, KILN_ERR_REFUSED);
	return 0;
}

static void refused_connection_is_told(void **state)
{
	assert_int_equal(run(connect_to_nobody, NULL), 0);
}

static int refuse_client(struct kiln *k)
{
	struct ends ends = {.refuse = true};
	struct tcp_counters counters;

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	kiln_run(k);
	assert_int_equal(ends.client_closed, KILN_ERR_RESET);
	tcp_counters(ends.tcp, &counters);
	assert_int_equal(counters.refused, 1);
	assert_int_equal(counters.conns, 0);
	return 0;
}

static void unwanted_connection_is_reset(void **state)
{
	assert_int_equal(run(refuse_client, NULL), 0);
}

static void send_two_references(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	assert_true(tcp_can_send(conn));
	assert_int_equal(tcp_send(conn, SLICE("begin ")), 6);
	for (int i = 0; i < 2; i++)
		assert_true(tcp_send_static(conn, slice_of(content, sizeof(content))));
	assert_int_equal(tcp_send(conn, SLICE(" end")), 4);
	ends->sent = 2 * sizeof(content) + 10;
	tcp_close(conn); /* what is queued is still delivered */
}

static uint64_t weighted(const char *text, size_t at)
{
	uint64_t sum = 0;

	for (size_t i = 0; text[i]; i++)
		sum += (at + i) % 251 * (uint8_t)text[i];
	return sum;
}

static bool accepted_and_sent(struct tcp_conn *conn, void *context)
{
	send_two_references(conn, context);
	return true;
}

static int receive_references(struct kiln *k)
{
	struct ends ends = {.k = k};
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	ends.tcp = tcp_new(net_up(k, &net0));
	assert_int_equal(
	    tcp_listen(ends.tcp, 0, accepted_and_sent, &ends, &ends.listener), KILN_OK);
	to.port = tcp_listener_port(ends.listener);
	assert_int_equal(tcp_connect(ends.tcp, &to, &client_taker, &ends, &ends.client),
	                 KILN_OK);
	kiln_run(k);
	assert_true(ends.client_ended);
	assert_int_equal(ends.client_got, ends.sent);
	assert_int_equal(ends.sum,
	                 weighted("begin ", 0) + weighted(" end", ends.sent - 4));
	return 0;
}

static void what_is_queued_is_delivered_after_close(void **state)
{
	assert_int_equal(run(receive_references, NULL), 0);
}

/* Sends to_send bytes as room allows, then a FIN, and goes on reading. */
static void server_pushes(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;
	size_t taken;

	while (ends->sent < ends->to_send) {
		taken =
		    tcp_send(conn, slice_of(content, KILN_MIN(ends->to_send - ends->sent,
		                                              (size_t)30000)));
		if (taken == 0) {
			assert_int_equal(tcp_send_room(conn), 0);
			return;
		}
		ends->sent += taken;
	}
	if (tcp_can_send(conn))
		tcp_shutdown(conn);
	tcp_consume(conn, tcp_unread(conn));
}

static const struct tcp_events server_pusher = {server_pushes, server_closed};

static int push_many_bytes(struct kiln *k)
{
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_taker, &server_pusher);
	ends.to_send = 20000000;
	while (!ends.server)
		loop_step(&k->loop, KILN_NEVER);
	tcp_set_receive_limit(ends.client, 5000);
	tcp_wake(ends.server);
	kiln_run(k);
	assert_int_equal(ends.client_got, 20000000);
	return 0;
}

static void sender_is_told_when_there_is_room(void **state)
{
	assert_int_equal(run(push_many_bytes, NULL), 0);
}

/* The client ends its side first; the server notices, and answers then. */
static void answer_at_end(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	ends->server_got += tcp_unread(conn);
	tcp_consume(conn, tcp_unread(conn));
	if (!tcp_at_end(conn) || ends->server_ended)
		return;
	ends->server_ended = true;
	assert_string_equal(tcp_state_text(conn), "CLOSE-WAIT");
	assert_int_equal(tcp_send(conn, SLICE("all of it")), 9);
	tcp_close(conn);
}

static void ask_once(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	if (!ends->sent && tcp_can_send(conn)) {
		ends->sent = tcp_send(conn, SLICE("question"));
		tcp_shutdown(conn);
		assert_false(tcp_can_send(conn));
		assert_int_equal(tcp_send(conn, SLICE("more")), 0);
	}
	client_takes(conn, user);
}

static int half_close(struct kiln *k)
{
	static const struct tcp_events client = {ask_once, client_closed};
	static const struct tcp_events server = {answer_at_end, server_closed};
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client, &server);
	kiln_run(k);
	assert_int_equal(ends.server_got, 8);
	assert_int_equal(ends.client_got, 9);
	assert_true(ends.client_ended);
	return 0;
}

static void each_side_closes_by_itself(void **state)
{
	assert_int_equal(run(half_close, NULL), 0);
}

static int abort_connection(struct kiln *k)
{
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	while (!ends.server)
		loop_step(&k->loop, KILN_NEVER);
	tcp_abort(ends.client);
	kiln_run(k);
	assert_int_equal(ends.server_closed, KILN_ERR_RESET);
	return 0;
}

static void abort_resets_the_peer(void **state)
{
	assert_int_equal(run(abort_connection, NULL), 0);
}

static void close_without_reading(struct tcp_conn *conn, void *user)
{
	if (tcp_unread(conn))
		tcp_close(conn);
}

static int close_on_unread(struct kiln *k)
{
	static const struct tcp_events server = {close_without_reading, server_closed};
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_quiet, &server);
	while (!tcp_can_send(ends.client))
		loop_step(&k->loop, KILN_NEVER);
	assert_int_equal(tcp_send(ends.client, SLICE("not wanted")), 10);
	kiln_run(k);
	assert_int_equal(ends.client_closed, KILN_ERR_RESET);
	return 0;
}

static void close_with_unread_bytes_resets(void **state)
{
	assert_int_equal(run(close_on_unread, NULL), 0);
}

/* Consumes nothing before the fifth byte is there. */
static void wait_for_five(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	if (tcp_unread(conn) < 5)
		return;
	assert_int_equal(tcp_peek(conn).len, 5);
	assert_memory_equal(tcp_peek(conn).data, "12345", 5);
	ends->server_got = 5;
	tcp_consume(conn, 5);
	kiln_stop(ends->k);
}

static int keep_unread_bytes(struct kiln *k)
{
	static const struct tcp_events server = {wait_for_five, server_closed};
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_quiet, &server);
	while (!ends.server || !tcp_can_send(ends.client))
		loop_step(&k->loop, KILN_NEVER);
	for (const char *at = "1234"; *at; at++) {
		assert_int_equal(tcp_send(ends.client, slice_of(at, 1)), 1);
		while (tcp_unread(ends.server) < (size_t)(*at - '0'))
			loop_step(&k->loop, KILN_NEVER);
	}
	assert_int_equal(tcp_send(ends.client, SLICE("5")), 1);
	kiln_run(k);
	assert_int_equal(ends.server_got, 5);
	return 0;
}

static void bytes_not_consumed_are_kept(void **state)
{
	assert_int_equal(run(keep_unread_bytes, NULL), 0);
}

static int listen_twice(struct kiln *k)
{
	struct ends ends = {.refuse = false};
	struct tcp_listener *second;

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	assert_int_equal(tcp_listen(ends.tcp, tcp_listener_port(ends.listener), accepted,
	                            &ends, &second),
	                 KILN_ERR_IN_USE);
	return 0;
}

static void port_in_use_is_an_error(void **state)
{
	assert_int_equal(run(listen_twice, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refused_connection_is_told),
	    cmocka_unit_test(unwanted_connection_is_reset),
	    cmocka_unit_test(what_is_queued_is_delivered_after_close),
	    cmocka_unit_test(sender_is_told_when_there_is_room),
	    cmocka_unit_test(each_side_closes_by_itself),
	    cmocka_unit_test(abort_resets_the_peer),
	    cmocka_unit_test(close_with_unread_bytes_resets),
	    cmocka_unit_test(bytes_not_consumed_are_kept),
	    cmocka_unit_test(port_in_use_is_an_error),
	};

	return cmocka_run_group_tests_name("TCP on the host", tests, NULL, NULL);
}
