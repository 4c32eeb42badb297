/*
 * The clocks of a connection: retransmission (RFC 6298), late segments and probes of the
 * tail (RFC 8985), pacing, window probes (RFC 9293, 3.8.6.1), delayed ACK and keep-alive (3.8.4).
 *
 * Each has a deadline in the connection; one timer on the loop's wheel serves them all.
 * It is armed for the earliest, or earlier: a deadline that moves away, as that of
 * retransmission does with every ACK, is just stored, and the wheel finds out when it
 * fires.
 */
#include "tcp_private.h"

enum {
	BACKOFF_MAX = 12,
	PROBES_MIN = 8, /* window probes that must go unanswered to give up */
	DOUBTFUL = 2,   /* timeouts in a row that may be the neighbour's fault */
};

void tcp_timer_set(struct tcp_conn *conn, enum tcp_timer_kind kind, kiln_time deadline)
{
	conn->deadline[kind] = deadline;
	if (deadline < conn->timer.deadline)
		timer_set(conn->tcp->loop, &conn->timer, deadline);
}

kiln_time tcp_rto_backed_off(const struct tcp_conn *conn)
{
	kiln_time rto = conn->rto << KILN_MIN(conn->backoff, BACKOFF_MAX);

	return KILN_MIN(rto, TCP_RTO_MAX);
}

static void back_off(struct tcp_conn *conn)
{
	if (conn->backoff < UINT8_MAX)
		conn->backoff++;
	if (conn->timeouts < UINT8_MAX)
		conn->timeouts++;
}

/* The peer has not answered for the user timeout (RFC 5482; 9293, 3.8.3, R2). */
static void give_up(struct tcp_conn *conn)
{
	enum kiln_error why = conn->soft_error ? conn->soft_error : KILN_ERR_TIMEOUT;

	tcp_send_rst(conn);
	tcp_conn_end(conn, why);
}

static bool is_overdue(const struct tcp_conn *conn, kiln_time since)
{
	return tcp_now(conn->tcp) - since >= conn->user_timeout;
}

/* Probes are lost as any segment is: one or two of them must not decide. */
static kiln_time probe_interval(const struct tcp_conn *conn)
{
	return KILN_MIN(tcp_rto_backed_off(conn), conn->user_timeout / PROBES_MIN);
}

/* The next timeout, or the time to give up if that comes first. */
static void set_retransmit(struct tcp_conn *conn, kiln_time wait, kiln_time since)
{
	kiln_time next = tcp_now(conn->tcp) + wait;

	if (conn->user_timeout < KILN_NEVER - since)
		next = KILN_MIN(next, since + conn->user_timeout);
	tcp_timer_set(conn, TCP_TIMER_RETRANSMIT, next);
}

/* Nothing has come back, not even for what was sent again. */
static void doubt_neighbour(const struct tcp_conn *conn)
{
	if (conn->timeouts >= DOUBTFUL)
		net_doubt(conn->tcp->net, &conn->flow.tuple.remote);
}

static void retransmit(struct tcp_conn *conn)
{
	bool closed_window = conn->snd_wnd == 0 && conn->state >= TCP_ESTABLISHED;
	/* A peer that keeps its window shut but answers is alive (RFC 9293, 3.8.6.1). */
	kiln_time since = conn->progress_at;

	if (closed_window && conn->has_owner)
		since = KILN_MAX(since, conn->heard_at);
	if (is_overdue(conn, since)) {
		give_up(conn);
		return;
	}
	if (conn->state == TCP_SYN_SENT || conn->state == TCP_SYN_RECEIVED) {
		conn->syn_lost = true;
		conn->tally.again++;
		back_off(conn);
		doubt_neighbour(conn);
		tcp_send_syn(conn);
	} else if (closed_window) {
		back_off(conn);
		tcp_send_window_probe(conn);
	} else {
		tcp_mtu_timeout(conn);
		tcp_recovery_timeout(conn);
		back_off(conn);
		doubt_neighbour(conn);
		tcp_pend(conn);
	}
	set_retransmit(
	    conn, closed_window ? probe_interval(conn) : tcp_rto_backed_off(conn), since);
}

static void persist(struct tcp_conn *conn)
{
	kiln_time since = conn->progress_at;

	if (conn->has_owner)
		since = KILN_MAX(since, conn->heard_at);
	if (is_overdue(conn, since)) {
		give_up(conn);
		return;
	}
	if (conn->snd_wnd > 0) { /* small, and it has not grown: take it */
		conn->push_small = true;
		tcp_pend(conn);
		return;
	}
	tcp_send_window_probe(conn);
	back_off(conn);
	tcp_timer_set(conn, TCP_TIMER_PERSIST, tcp_now(conn->tcp) + probe_interval(conn));
}

static void keepalive(struct tcp_conn *conn)
{
	kiln_time now = tcp_now(conn->tcp), due = conn->heard_at + conn->keepalive_idle;

	if (conn->keepalive_idle == KILN_NEVER)
		return;
	if (now < due) {
		tcp_timer_set(conn, TCP_TIMER_KEEPALIVE, due);
		return;
	}
	/* With anything in flight, retransmission finds out. */
	if (tcp_in_flight(conn) == 0) {
		if (conn->keepalive_sent >= conn->keepalive_probes) {
			give_up(conn);
			return;
		}
		conn->keepalive_sent++;
		tcp_send_keepalive(conn);
	}
	tcp_timer_set(conn, TCP_TIMER_KEEPALIVE, now + conn->keepalive_interval);
}

static void run(struct tcp_conn *conn, enum tcp_timer_kind kind)
{
	switch (kind) {
	case TCP_TIMER_PROBE:
		tcp_rack_probe(conn);
		break;
	case TCP_TIMER_RETRANSMIT:
		retransmit(conn);
		break;
	case TCP_TIMER_PERSIST:
		persist(conn);
		break;
	case TCP_TIMER_DELAYED_ACK:
		conn->ack_now = true;
		tcp_pend(conn);
		break;
	case TCP_TIMER_KEEPALIVE:
		keepalive(conn);
		break;
	case TCP_TIMER_PACE:
		tcp_pend(conn);
		break;
	case TCP_TIMER_REORDER:
		tcp_recovery_late(conn);
		break;
	case TCP_TIMER_REPAIRED:
		if (tcp_in_flight(conn) == 0)
			tcp_repair_end(conn);
		break;
	case TCP_TIMERS:
		break;
	}
}

static void fire(struct timer *timer)
{
	struct tcp_conn *conn = kiln_container(timer, struct tcp_conn, timer);
	kiln_time now = tcp_now(conn->tcp), next = KILN_NEVER;

	for (unsigned kind = 0; kind < TCP_TIMERS; kind++) {
		if (conn->deadline[kind] > now)
			continue;
		tcp_timer_clear(conn, kind);
		run(conn, kind);
		if (conn->released)
			return;
	}
	for (unsigned kind = 0; kind < TCP_TIMERS; kind++)
		next = KILN_MIN(next, conn->deadline[kind]);
	if (next < conn->timer.deadline)
		timer_set(conn->tcp->loop, &conn->timer, next);
}

void tcp_timer_init(struct tcp_conn *conn)
{
	timer_init(&conn->timer, fire);
	for (unsigned kind = 0; kind < TCP_TIMERS; kind++)
		conn->deadline[kind] = KILN_NEVER;
}
