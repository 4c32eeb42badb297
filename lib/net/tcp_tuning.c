/*
 * How much a connection may hold each way, tuned to what its path and its owner need.
 *
 * Receiving (dynamic right-sizing): the window must never be what slows the peer down. In
 * each round trip, as the receiver sees it, we count what the owner has read; the limit is
 * raised to twice that, as the peer's congestion window may double in the next one, and
 * further by what the count has grown, for the news is a round trip old. It is not
 * lowered: what a limit promises is held only while the owner does not read, and then the
 * connection's share of memory (tcp_receive.c) bounds it.
 *
 * Sending: twice the congestion window, so that there is something to send while what is
 * in flight waits to be acknowledged.
 *
 * Called by tcp_receive.c, tcp_user.c and tcp_send.c. RFC 9293, 3.8.6; 7323, 4.
 */
#include "tcp_private.h"

void tcp_tuning_init(struct tcp_conn *conn)
{
	struct tcp_tuning *t = &conn->tuning;

	t->rtt = conn->srtt;
	t->read = conn->rcv_nxt;
	t->edge = conn->rcv_adv;
	t->bytes = KILN_MIN(conn->receive_limit / 2, (uint32_t)UINT16_MAX / 2);
	t->period_at = t->edge_at = tcp_now(conn->tcp);
}

/* A longer round trip may be the peer's pause: it counts for an eighth. */
static void rtt_sample(struct tcp_tuning *t, kiln_time sample)
{
	if (t->rtt == 0 || sample < t->rtt)
		t->rtt = KILN_MAX(sample, 1u);
	else
		t->rtt += (sample - t->rtt) / 8;
}

/*
 * The receiver's round trip: from our ACK to the data that it let go. The first full
 * segment to echo that ACK's timestamp tells; without timestamps, a window full of data takes at least a
 * round trip, so that the shortest of these is near it.
 */
void tcp_tuning_measure(struct tcp_conn *conn, const struct tcp_segment *s)
{
	struct tcp_tuning *t = &conn->tuning;
	const struct tcp_options *o = &s->options;
	kiln_time now = tcp_now(conn->tcp);

	if (conn->has_timestamps) {
		uint32_t ms = tcp_timestamp_now(conn->tcp, conn->ts_offset) - o->ts_echo;

		if (o->ts_echo && o->ts_echo != t->echo && s->data.len >= conn->smss &&
		    KILN_MS(ms) <= TCP_RTO_MAX)
			rtt_sample(t, KILN_MS(KILN_MAX(ms, 1u)));
		t->echo = o->ts_echo;
		return;
	}
	if (tcp_seq_lt(s->seq, t->edge))
		return;
	if (t->rtt == 0 || now - t->edge_at < t->rtt)
		rtt_sample(t, now - t->edge_at);
	t->edge = conn->rcv_adv;
	t->edge_at = now;
}

void tcp_tuning_read(struct tcp_conn *conn)
{
	struct tcp_tuning *t = &conn->tuning;
	kiln_time now = tcp_now(conn->tcp);
	uint32_t unread = (uint32_t)tcp_unread(conn) + conn->fin_received;
	struct tcp_seq read = tcp_seq_sub(conn->rcv_nxt, unread);
	uint32_t bytes;

	if (t->rtt == 0 || now - t->period_at < t->rtt)
		return;
	bytes = tcp_seq_diff(read, t->read);
	t->read = read;
	t->period_at = now;
	if (bytes <= t->bytes)
		return;
	if (!conn->receive_limit_set) {
		uint64_t want = 2 * ((uint64_t)bytes + (bytes - t->bytes));

		want = KILN_MIN(want, (uint64_t)conn->tcp->limit_most);
		conn->receive_limit = KILN_MAX(conn->receive_limit, (uint32_t)want);
	}
	t->bytes = bytes;
}

uint32_t tcp_send_limit(const struct tcp_conn *conn)
{
	const struct tcp *tcp = conn->tcp;
	uint32_t limit = KILN_MIN(2 * conn->cc.cwnd, tcp->limit_most);

	return KILN_MAX(limit, tcp->send_limit);
}
