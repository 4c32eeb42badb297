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
	tcp_rack_rtt(conn, sample);
	conn->backoff = 0; /* and not before: RFC 6298, 5 */
	net_confirm(conn->tcp->net, &conn->flow.tuple.remote);
}

/* Once in a round trip, the bytes that left first of those acknowledged; where they may
 * have been sent twice (Karn), the echoed timestamp still tells, to the millisecond. */
static void measure(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (!conn->rtt_due)
		return;
	if (!news->ambiguous && news->first_sent_at != KILN_NEVER) {
		conn->rtt_due = false;
		tcp_rtt_sample(conn, tcp_now(conn->tcp) - news->first_sent_at);
	} else if (news->has_echo) {
		uint32_t ms =
		    tcp_timestamp_now(conn->tcp, conn->ts_offset) - news->ts_echo;

		if (KILN_MS(ms) > 2 * TCP_RTO_MAX)
			return; /* no echo of ours */
		conn->rtt_due = false;
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

/* A round trip ends when what was next to send at its start is acknowledged. */
static void count_rounds(struct tcp_conn *conn, struct tcp_news *news)
{
	if (tcp_seq_lt(conn->snd_una, conn->round_end))
		return;
	news->round = true;
	conn->round_end = conn->snd_nxt;
	conn->rtt_due = true;
	conn->cwnd_was_full = conn->cwnd_full;
	conn->cwnd_full = false;
}

/* snd_una moves. */
static void advance(struct tcp_conn *conn, const struct tcp_segment *s,
                    struct tcp_news *news)
{
	struct tcp_range acked = {conn->snd_una, s->ack};

	if (tcp_seq_gt(s->ack, conn->snd_nxt))
		conn->snd_nxt = s->ack; /* the byte of a window probe */
	bool fin = conn->fin_sent && tcp_seq_eq(s->ack, conn->snd_nxt);
	news->acked = tcp_range_size(acked);
	conn->snd_una = s->ack;
	tcp_queue_acked(conn, news->acked - fin);
	tcp_flight_delivered(conn, acked, news);
	tcp_scoreboard_advance(&conn->sacked, conn->snd_una);
	tcp_mtu_acked(conn);
	conn->timeouts = 0;
	count_rounds(conn, news);
	measure(conn, news);
	conn->rack.probe_due = true;
	conn->progress_at = tcp_now(conn->tcp);
	tcp_timer_clear(conn, TCP_TIMER_PROBE);
	if (tcp_in_flight(conn) > 0) { /* RFC 6298, 5.2 and 5.3 */
		tcp_timer_set(conn, TCP_TIMER_RETRANSMIT,
		              tcp_now(conn->tcp) + tcp_rto_backed_off(conn));
	} else {
		tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
		tcp_repair_wait(conn);
	}
}

/* RFC 2883, 4: the first block repeats what is acknowledged, or part of the second. */
static bool is_dsack(const struct tcp_conn *conn, const struct tcp_options *o)
{
	const struct tcp_range *r = o->sack;

	if (tcp_seq_le(r[0].end, conn->snd_una))
		return tcp_seq_gt(r[0].start,
		                  tcp_seq_sub(conn->snd_una, conn->max_snd_wnd));
	return o->sack_count > 1 && tcp_seq_ge(r[0].start, r[1].start) &&
	       tcp_seq_le(r[0].end, r[1].end);
}

static void sack_input(struct tcp_conn *conn, const struct tcp_options *o,
                       struct tcp_news *news)
{
	if (is_dsack(conn, o)) {
		news->twice = true;
		news->again = o->sack[0];
	}
	for (unsigned i = 0; i < o->sack_count; i++) {
		struct tcp_range r = o->sack[i];

		/* Others are old, or lies. */
		if (tcp_seq_le(r.start, conn->snd_una) ||
		    tcp_seq_gt(r.end, conn->snd_nxt) || !tcp_repair_begin(conn) ||
		    !tcp_scoreboard_takes(&conn->sacked, r))
			continue;
		tcp_flight_delivered(conn, r, news);
		news->reported |= tcp_scoreboard_add(&conn->sacked, r);
	}
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
	struct tcp_news news = {
	    .flight_before = tcp_in_flight(conn),
	    .rtt = KILN_NEVER,
	    .first_sent_at = KILN_NEVER,
	    .ts_echo = s->options.ts_echo,
	    .has_echo =
	        conn->has_timestamps && s->options.has_timestamps && s->options.ts_echo,
	    .duplicate = is_duplicate(conn, s),
	    .marked = conn->has_ecn && (s->flags & TCP_ECE),
	};

	if (tcp_seq_gt(s->ack, conn->snd_una))
		advance(conn, s, &news);
	if (conn->has_sack && s->options.sack_count)
		sack_input(conn, &s->options, &news);
	if (news.rtt != KILN_NEVER)
		tcp_rack_rtt(conn, news.rtt);
	if (conn->tcp->config.observer)
		conn->tcp->config.observer->acked(conn, &news);
	tcp_window_input(conn, s);
	if (news.acked || news.duplicate || news.reported || news.twice || news.marked) {
		tcp_recovery_ack(conn, &news);
		tcp_queue_relieve(conn);
		tcp_pend(conn);
	}
}
