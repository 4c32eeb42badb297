/*
 * The calls of <kiln/tcp.h>: what an owner does with a connection. None of them calls the
 * owner back or waits; those that make something to send leave it to the deferred work.
 */
#include "tcp_private.h"

enum { EPHEMERAL_FIRST = 49152, EPHEMERAL_COUNT = 16384 };

/* ---- opening ---- */

/* From a random start (RFC 6056, 3.3.1). */
bool tcp_choose_port(struct tcp *tcp, struct tcp_tuple *tuple)
{
	uint32_t start = random_below(&tcp->kiln->random, EPHEMERAL_COUNT);

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		tuple->local_port =
		    (uint16_t)(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT);
		if (!tcp_flow_find(tcp, tuple) &&
		    !tcp_listener_find(tcp, &tuple->local, tuple->local_port))
			return true;
	}
	return false;
}

enum kiln_error tcp_connect(struct tcp *tcp, const struct endpoint *to,
                            const struct tcp_events *events, void *user,
                            struct tcp_conn **result)
{
	struct tcp_tuple tuple = {.remote = to->addr, .remote_port = to->port};

	if (!net_source(tcp->net, &to->addr, &tuple.local))
		return KILN_ERR_UNREACHABLE;
	if (!tcp_choose_port(tcp, &tuple))
		return KILN_ERR_IN_USE;
	return tcp_open(tcp, &tuple, events, user, result);
}

enum kiln_error tcp_open(struct tcp *tcp, const struct tcp_tuple *tuple,
                         const struct tcp_events *events, void *user,
                         struct tcp_conn **result)
{
	struct tcp_conn *conn = tcp_conn_new(tcp, tuple);

	if (!conn)
		return KILN_ERR_MEMORY;
	conn->state = TCP_SYN_SENT;
	conn->iss = conn->snd_una = tcp_isn(tcp, tuple);
	conn->snd_nxt = conn->snd_max = tcp_seq_add(conn->iss, 1);
	conn->rtt_started_at = tcp_now(tcp);
	conn->ack_now = true; /* the SYN */
	conn->events = events;
	conn->user = user;
	conn->has_owner = true;
	tcp->count.opened_active++;
	tcp_pend(conn);
	*result = conn;
	return KILN_OK;
}

void tcp_own(struct tcp_conn *conn, const struct tcp_events *events, void *user)
{
	conn->events = events;
	conn->user = user;
	conn->has_owner = true;
	tcp_wake(conn);
}

void tcp_wake(struct tcp_conn *conn)
{
	conn->wake = true;
	tcp_pend(conn);
}

/* ---- receiving ---- */

struct slice tcp_peek(struct tcp_conn *conn)
{
	return tcp_receive_peek(conn);
}

size_t tcp_unread(const struct tcp_conn *conn)
{
	return conn->in.held + conn->in.inflight.len;
}

void tcp_consume(struct tcp_conn *conn, size_t n)
{
	tcp_receive_consume(conn, KILN_MIN(n, tcp_unread(conn)));
	tcp_tuning_read(conn);
	if (tcp_window_update_due(conn)) {
		conn->ack_now = true;
		tcp_pend(conn);
	}
}

size_t tcp_read(struct tcp_conn *conn, void *out, size_t size)
{
	struct writer w = writer_of(out, size);

	while (writer_left(&w) > 0) {
		struct slice s = slice_take(tcp_peek(conn), writer_left(&w));

		if (s.len == 0)
			break;
		writer_bytes(&w, s);
		tcp_consume(conn, s.len);
	}
	return writer_done(&w).len;
}

bool tcp_at_end(const struct tcp_conn *conn)
{
	return conn->fin_received && tcp_unread(conn) == 0;
}

/* ---- sending ---- */

bool tcp_can_send(const struct tcp_conn *conn)
{
	return (conn->state == TCP_ESTABLISHED || conn->state == TCP_CLOSE_WAIT ||
	        conn->fast_open) &&
	       !conn->fin_queued;
}

/* Refused, though the connection's own limits are not reached: the image's are. The owner
 * is called again when there is memory. */
static void starve(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	tcp_queue_check(conn);
	if (tcp_queue_is_roomy(conn) && !list_linked(&conn->link))
		list_append(&tcp->starved, &conn->link);
}

size_t tcp_send_room(const struct tcp_conn *conn)
{
	size_t room;

	if (!tcp_can_send(conn))
		return 0;
	room = tcp_queue_room(conn);
	/* Who is told of little will wait; a connection is no constant. */
	if (room < CHUNK_SIZE)
		starve((struct tcp_conn *)(uintptr_t)conn);
	return room;
}

size_t tcp_send(struct tcp_conn *conn, struct slice s)
{
	size_t taken;

	if (!tcp_can_send(conn))
		return 0;
	taken = tcp_queue_copy(conn, s);
	tcp_queue_check(conn);
	if (taken < s.len)
		starve(conn);
	if (taken > 0)
		tcp_pend(conn);
	return taken;
}

bool tcp_send_static(struct tcp_conn *conn, struct slice s)
{
	if (!tcp_can_send(conn))
		return false;
	if (s.len == 0)
		return true;
	if (!tcp_queue_static(conn, s)) {
		starve(conn);
		return false;
	}
	tcp_queue_check(conn);
	tcp_pend(conn);
	return true;
}

size_t tcp_unsent(const struct tcp_conn *conn)
{
	return (size_t)(conn->out.end - conn->out.start);
}

/* ---- ending ---- */

void tcp_shutdown(struct tcp_conn *conn)
{
	if (conn->fin_queued)
		return;
	switch ((enum tcp_state)conn->state) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED: /* FIN-WAIT-1 follows once it is established */
		break;
	case TCP_ESTABLISHED:
		conn->state = TCP_FIN_WAIT_1;
		break;
	case TCP_CLOSE_WAIT:
		conn->state = TCP_LAST_ACK;
		break;
	default:
		return;
	}
	conn->fin_queued = true;
	tcp_pend(conn);
}

void tcp_close(struct tcp_conn *conn)
{
	bool unread = tcp_unread(conn) > 0;

	if (conn->released || !conn->has_owner)
		return;
	conn->has_owner = false;
	conn->wake = false;
	list_remove(&conn->link); /* starved */
	if (conn->state == TCP_CLOSED || conn->state == TCP_SYN_SENT) {
		tcp_conn_release(conn);
	} else if (unread) {
		tcp_send_rst(conn);
		tcp_conn_release(conn);
	} else if (conn->state == TCP_TIME_WAIT) {
		tcp_enter_time_wait(conn);
	} else {
		tcp_shutdown(conn);
		tcp_orphan_add(conn);
		tcp_pend(conn);
	}
}

void tcp_abort(struct tcp_conn *conn)
{
	if (conn->released)
		return;
	tcp_send_rst(conn);
	tcp_conn_release(conn);
}

/* ---- settings and facts ---- */

void tcp_set_user_timeout(struct tcp_conn *conn, kiln_time timeout)
{
	conn->user_timeout = timeout;
}

void tcp_set_keepalive(struct tcp_conn *conn, kiln_time idle, kiln_time interval,
                       unsigned probes)
{
	conn->keepalive_idle = idle ? idle : KILN_NEVER;
	conn->keepalive_interval = interval;
	conn->keepalive_probes = (uint8_t)KILN_MIN(probes, UINT8_MAX);
	conn->keepalive_sent = 0;
	if (conn->keepalive_idle == KILN_NEVER)
		tcp_timer_clear(conn, TCP_TIMER_KEEPALIVE);
	else
		tcp_timer_set(conn, TCP_TIMER_KEEPALIVE, conn->heard_at + idle);
}

void tcp_set_nodelay(struct tcp_conn *conn, bool on)
{
	conn->nodelay = on;
	tcp_pend(conn);
}

void tcp_set_receive_limit(struct tcp_conn *conn, size_t bytes)
{
	conn->receive_limit = (uint32_t)KILN_MIN(bytes, (size_t)TCP_WINDOW_MAX);
	conn->receive_limit_set = true;
	tcp_pend(conn);
}

struct endpoint tcp_local(const struct tcp_conn *conn)
{
	return (struct endpoint){conn->flow.tuple.local, conn->flow.tuple.local_port};
}

struct endpoint tcp_remote(const struct tcp_conn *conn)
{
	return (struct endpoint){conn->flow.tuple.remote, conn->flow.tuple.remote_port};
}

const char *tcp_state_name(enum tcp_state state)
{
	static const char names[TCP_STATES][16] = {
	    [TCP_CLOSED] = "CLOSED",
	    [TCP_SYN_SENT] = "SYN-SENT",
	    [TCP_SYN_RECEIVED] = "SYN-RECEIVED",
	    [TCP_ESTABLISHED] = "ESTABLISHED",
	    [TCP_FIN_WAIT_1] = "FIN-WAIT-1",
	    [TCP_FIN_WAIT_2] = "FIN-WAIT-2",
	    [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	    [TCP_CLOSING] = "CLOSING",
	    [TCP_LAST_ACK] = "LAST-ACK",
	    [TCP_TIME_WAIT] = "TIME-WAIT",
	};

	return state < TCP_STATES ? names[state] : "?";
}

const char *tcp_state_text(const struct tcp_conn *conn)
{
	return tcp_state_name(conn->state);
}

void tcp_counters(const struct tcp *tcp, struct tcp_counters *counters)
{
	*counters = tcp->count;
}

struct kiln *tcp_kiln(const struct tcp *tcp)
{
	return tcp->kiln;
}

struct tcp *tcp_of(const struct tcp_conn *conn)
{
	return conn->tcp;
}

void tcp_slab_pool(struct tcp *tcp, struct slab_pool *pool, size_t size)
{
	slab_pool_init(pool, &tcp->conn_share, size);
}
