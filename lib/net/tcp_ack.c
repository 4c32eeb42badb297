/*
 * An acknowledgement: it frees the front of the send queue, moves the peer's window,
 * tells the round-trip time, and feeds loss recovery.
 *
 * Called by tcp_input.c for each acceptable segment with ACK. RFC 9293 3.10.7.4 (fifth
 * step), RFC 6298, RFC 7323 4.
 */
#include "tcp_private.h"

/* ---- round-trip time ---- */

/* RFC 6298, 2, with alpha 1/8 and beta 1/4. The variance term is never less than the
 * least timeout: a peer may delay an ACK for that long whatever the path is like. */
void tcp_rtt_sample(struct tcp_conn *conn, kiln_time sample)
{
	if (conn->srtt == 0) {
		conn->srtt = KILN_MAX(sample, 1u);
		conn->rttvar = sample / 2;
	} else {
		kiln_time error =
		    sample > conn->srtt ? sample - conn->srtt : conn->srtt - sample;

		conn->rttvar = conn->rttvar - conn->rttvar / 4 + error / 4;
		conn->srtt = conn->srtt - conn->srtt / 8 + sample / 8;
	}
	conn->rto = conn->srtt + KILN_MAX(4 * conn->rttvar, TCP_RTO_MIN);
	conn->rto = KILN_MIN(conn->rto, TCP_RTO_MAX);
	conn->backoff = 0; /* and not before: RFC 6298, 5 */
	net_confirm(conn->tcp->net, &conn->flow.tuple.remote);
}

/* One segment in flight is timed to the nanosecond; where a retransmission has spoiled
 * that (Karn), the echoed timestamp still tells, to the millisecond. */
static void measure(struct tcp_conn *conn, const struct tcp_segment *s)
{
	const struct tcp_options *o = &s->options;

	if (conn->rtt_timing) {
		if (tcp_seq_ge(s->ack, conn->rtt_seq)) {
			conn->rtt_timing = false;
			tcp_rtt_sample(conn, tcp_now(conn->tcp) - conn->rtt_started_at);
		}
	} else if (conn->has_timestamps && o->has_timestamps && o->ts_echo) {
		uint32_t ms = tcp_timestamp_now(conn->tcp, conn->ts_offset) - o->ts_echo;

		if (KILN_MS(ms) <= 2 * TCP_RTO_MAX) /* else it is no echo of ours */
			tcp_rtt_sample(conn, KILN_MS(KILN_MAX(ms, 1u)));
	}
}

/* ---- the peer's window ---- */

void tcp_window_input(struct tcp_conn *conn, const struct tcp_segment *s)
{
	uint32_t old = conn->snd_wnd;

	if (tcp_seq_lt(s->ack, conn->snd_una))
		return;
	if (!tcp_seq_lt(conn->snd_wl1, s->seq) &&
	    !(tcp_seq_eq(conn->snd_wl1, s->seq) && tcp_seq_le(conn->snd_wl2, s->ack)))
		return;
	conn->snd_wnd = (uint32_t)s->window << conn->snd_wscale;
	conn->snd_wl1 = s->seq;
	conn->snd_wl2 = s->ack;
	conn->max_snd_wnd = KILN_MAX(conn->max_snd_wnd, conn->snd_wnd);
	if (conn->snd_wnd != old)
		tcp_pend(conn);
	if (old == 0 && conn->snd_wnd > 0) {
		/* What was in flight when it closed was most likely thrown away. */
		conn->backoff = conn->timeouts = 0;
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
		tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
		tcp_recovery_resend(conn);
	}
}

/* ---- progress ---- */

/* snd_una moves. Returns the sequence numbers acknowledged. */
static uint32_t advance(struct tcp_conn *conn, const struct tcp_segment *s)
{
	uint32_t acked = tcp_seq_diff(s->ack, conn->snd_una);

	if (tcp_seq_gt(s->ack, conn->snd_nxt))
		conn->snd_nxt = s->ack; /* the byte of a window probe */
	bool fin = conn->fin_sent && tcp_seq_eq(s->ack, conn->snd_nxt);
	conn->snd_una = s->ack;
	tcp_queue_acked(conn, acked - fin);
	tcp_scoreboard_advance(&conn->sacked, conn->snd_una);
	conn->timeouts = 0;
	measure(conn, s);
	conn->progress_at = tcp_now(conn->tcp);
	if (tcp_in_flight(conn) > 0) /* RFC 6298, 5.2 and 5.3 */
		tcp_timer_set(conn, TCP_TIMER_RETRANSMIT,
		              tcp_now(conn->tcp) + tcp_rto_backed_off(conn));
	else
		tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
	return acked;
}

static bool sack_input(struct tcp_conn *conn, const struct tcp_options *o)
{
	bool news = false;

	for (unsigned i = 0; i < o->sack_count; i++) {
		struct tcp_range r = o->sack[i];

		/* Others are duplicates reported by RFC 2883, old, or lies. */
		if (tcp_seq_gt(r.start, conn->snd_una) &&
		    tcp_seq_le(r.end, conn->snd_nxt))
			news |= tcp_scoreboard_add(&conn->sacked, r);
	}
	return news;
}

/* RFC 5681, 2, "duplicate acknowledgment". */
static bool is_duplicate(const struct tcp_conn *conn, const struct tcp_segment *s)
{
	return tcp_in_flight(conn) > 0 && s->data.len == 0 && !(s->flags & TCP_FIN) &&
	       tcp_seq_eq(s->ack, conn->snd_una) &&
	       (uint32_t)s->window << conn->snd_wscale == conn->snd_wnd &&
	       conn->snd_wnd > 0;
}

void tcp_ack_input(struct tcp_conn *conn, const struct tcp_segment *s)
{
	struct tcp_seq before = conn->snd_una;
	bool duplicate = is_duplicate(conn, s), new_sack = false;
	uint32_t acked = 0;

	if (tcp_seq_gt(s->ack, conn->snd_una))
		acked = advance(conn, s);
	if (conn->has_sack && s->options.sack_count)
		new_sack = sack_input(conn, &s->options);
	tcp_window_input(conn, s);
	if (acked || duplicate || new_sack) {
		tcp_recovery_ack(conn, before, acked, duplicate, new_sack);
		tcp_queue_relieve(conn);
		tcp_pend(conn);
	}
}
