/*
 * Loss recovery: when it begins and ends, how the congestion window moves in it, and what
 * is sent again. With SACK, RFC 8985 finds what is lost (tcp_rack.c) and PRR (RFC 9937)
 * lets out as much as arrives; without, RFC 6582 (NewReno) does both. After a timeout,
 * RFC 5681 and 6298. A reduction that proves to have been for nothing is taken back: told
 * by timestamps (RFC 3522, 4015) or by DSACK (RFC 3708).
 *
 * A controller (<kiln/tcp_congestion.h>) decides the window while nothing is lost, and
 * what is left of it when something is, or is marked (RFC 3168).
 *
 * snd_nxt never moves back. What is to be sent again is what conn->lost holds; after a
 * timeout that is all that is not reported, so go-back-N is just a case of it.
 *
 * tcp_ack.c and tcp_timer.c report what happens, tcp_output.c asks what to send.
 */
#include "tcp_private.h"

static struct tcp_flow_facts facts_of(const struct tcp_conn *conn)
{
	return (struct tcp_flow_facts){
	    .now = tcp_now(conn->tcp),
	    .srtt = conn->srtt,
	    .min_rtt = conn->rack.min_rtt,
	    .mss = conn->smss,
	    .paced = conn->tcp->config.pacing || conn->cc.pacing_rate,
	    .in_flight = tcp_in_flight(conn),
	};
}

static uint32_t initial_window(const struct tcp_conn *conn)
{
	uint32_t segments = conn->tcp->config.initial_window, smss = conn->smss;

	if (conn->syn_lost)
		return smss; /* RFC 5681, 3.1 */
	if (segments)
		return (uint32_t)KILN_MIN((uint64_t)segments * smss, TCP_WINDOW_MAX);
	return KILN_MIN(TCP_INITIAL_SEGMENTS * smss, KILN_MAX(2 * smss, 14600u));
}

void tcp_recovery_init(struct tcp_conn *conn)
{
	struct tcp_flow_facts facts = facts_of(conn);

	conn->phase = TCP_OPEN;
	conn->recover = conn->iss;
	conn->cwr_end = conn->snd_nxt;
	conn->round_end = conn->snd_nxt;
	tcp_rack_init(conn);
	tcp_pace_resume(conn, initial_window(conn));
	conn->cc = (struct tcp_congestion_window){.cwnd = initial_window(conn),
	                                          .ssthresh = TCP_SSTHRESH_NONE};
	if (conn->congestion->init)
		conn->congestion->init(&conn->cc, &facts);
}

void tcp_set_congestion(struct tcp_conn *conn, const struct tcp_congestion *congestion)
{
	struct tcp_flow_facts facts = facts_of(conn);

	conn->congestion = congestion;
	conn->cc.pacing_rate = 0;
	memset(conn->cc.state, 0, sizeof(conn->cc.state));
	if (congestion->init)
		congestion->init(&conn->cc, &facts);
}

/* Nothing has been sent for long: the window says nothing any more (RFC 5681, 4.1), but
 * that slow start may go on to near it (7661 in spirit). */
void tcp_recovery_idle(struct tcp_conn *conn)
{
	struct tcp_flow_facts facts = facts_of(conn);
	kiln_time pause = facts.now - conn->last_sent_at;
	uint32_t cwnd = conn->cc.cwnd;

	if (conn->last_sent_at == 0 || pause <= conn->rto)
		return;
	conn->cc.ssthresh = KILN_MAX(conn->cc.ssthresh, cwnd - cwnd / 4);
	conn->cc.cwnd = KILN_MIN(cwnd, initial_window(conn));
	tcp_pace_resume(conn, conn->cc.cwnd);
	if (conn->congestion->resumed)
		conn->congestion->resumed(&conn->cc, &facts, pause);
}

/* ---- the controller ---- */

/*
 * The controller raises the window, which grows only while it is the limit (7661 in
 * spirit). After a timeout an ACK may tell of much that arrived long ago: then by at most
 * one segment (3465, 2.3).
 */
static void grow(struct tcp_conn *conn, const struct tcp_news *news)
{
	struct tcp_flow_facts facts = facts_of(conn);
	const struct tcp_congestion_window *cc = &conn->cc;

	facts.in_flight = news->flight_before;
	facts.rtt = news->rtt == KILN_NEVER ? 0 : news->rtt;
	facts.acked = news->acked;
	facts.delivered = news->delivered;
	facts.round = news->round;
	facts.limited = conn->cwnd_full || conn->cwnd_was_full ||
	                (cc->cwnd < cc->ssthresh && news->flight_before >= cc->cwnd / 2);
	if (conn->phase == TCP_LOSS) {
		facts.limited = true;
		facts.acked = KILN_MIN(news->acked, conn->smss);
	}
	conn->congestion->acked(&conn->cc, &facts);
	conn->cc.cwnd = KILN_MIN(conn->cc.cwnd, TCP_WINDOW_MAX + 0u);
}

/* What the next reduction can be taken back by. */
static void prepare_undo(struct tcp_conn *conn)
{
	conn->undo_bytes = 0;
	conn->can_undo = tcp_repair_begin(conn);
	if (conn->can_undo)
		conn->repair->undo = conn->cc;
}

/* The controller says what is left of the window. What limited transmit has let out does
 * not count (RFC 5681, 3.2, step 2). */
static void reduce(struct tcp_conn *conn, enum tcp_congestion_event why, uint32_t flight)
{
	struct tcp_flow_facts facts = facts_of(conn);
	uint32_t ssthresh;

	if (why == TCP_CONGESTION_LOSS && tcp_mtu_probe_lost(conn)) {
		/* It was too large (RFC 4821, 7.6): what is left is what there was. */
		conn->cc.ssthresh = conn->cc.cwnd;
		conn->can_undo = false;
		return;
	}
	facts.in_flight = KILN_MIN(flight, conn->cc.cwnd);
	ssthresh = conn->congestion->reduced(&conn->cc, &facts, why);
	conn->cc.ssthresh = KILN_MAX(ssthresh, 2u * conn->smss);
	conn->cwr_end = conn->snd_nxt;
	conn->cwr_due = conn->has_ecn;
}

/* ---- how much may be sent, and what ---- */

/* What is thought to be on its way. */
static uint32_t pipe(const struct tcp_conn *conn)
{
	return tcp_in_flight(conn) - conn->sacked.bytes - conn->lost.bytes;
}

uint32_t tcp_recovery_budget(const struct tcp_conn *conn)
{
	uint32_t cwnd = conn->cc.cwnd, used = pipe(conn);

	if (!conn->has_sack && conn->phase != TCP_LOSS) {
		used = tcp_in_flight(conn);
		/* Limited transmit (RFC 3042); with SACK the pipe does it. */
		if (conn->phase == TCP_OPEN)
			cwnd +=
			    KILN_MIN(conn->dup_acks, TCP_DUP_THRESH - 1u) * conn->smss;
	}
	return cwnd > used ? cwnd - used : 0;
}

bool tcp_recovery_next(const struct tcp_conn *conn, struct tcp_range *range)
{
	if (conn->lost.count == 0)
		return false;
	*range = conn->lost.range[0];
	if (conn->resend_front)
		range->end =
		    tcp_seq_min(range->end, tcp_seq_add(range->start, conn->smss));
	return true;
}

void tcp_recovery_sent_again(struct tcp_conn *conn, struct tcp_range range)
{
	if (conn->can_undo && conn->undo_bytes == 0)
		conn->undo_timestamp = tcp_timestamp_now(conn->tcp, conn->ts_offset);
	if (conn->undo_bytes == 0)
		conn->undo_range = range;
	conn->undo_range.end = tcp_seq_max(conn->undo_range.end, range.end);
	conn->undo_bytes += tcp_range_size(range);
	conn->prr_out += tcp_range_size(range);
	tcp_pace_sent(conn, tcp_range_size(range));
	conn->resend_front = false;
	conn->last_sent_at = tcp_now(conn->tcp);
	conn->tcp->count.retransmits++;
	if (conn->tcp->config.observer)
		conn->tcp->config.observer->sent_again(conn, tcp_range_size(range));
	tcp_flight_sent(conn, range, true);
}

void tcp_recovery_sent_new(struct tcp_conn *conn, struct tcp_range range)
{
	conn->prr_out += tcp_range_size(range);
	tcp_pace_sent(conn, tcp_range_size(range));
	conn->last_sent_at = tcp_now(conn->tcp);
	conn->rack.probe_due = true;
	tcp_flight_sent(conn, range, false);
}

/* ---- a reduction that was for nothing ---- */

static void undo(struct tcp_conn *conn)
{
	uint32_t cwnd = KILN_MAX(conn->cc.cwnd, conn->repair->undo.cwnd);

	conn->cc = conn->repair->undo;
	conn->cc.cwnd = cwnd;
	conn->can_undo = false;
	conn->resend_front = false;
	conn->dup_acks = 0;
	if (conn->phase == TCP_LOSS)
		tcp_flight_revive(conn);
	else
		conn->rack.reordering = true;
	conn->phase = TCP_OPEN;
	conn->tcp->count.undone++;
}

/*
 * RFC 3522: an ACK for what was sent again that echoes a timestamp from before was meant
 * for the original. RFC 3708: everything that was sent again has arrived twice. But what
 * is still lost is lost.
 */
static void check_undo(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (!conn->can_undo || conn->undo_bytes == 0)
		return;
	if (news->twice && tcp_seq_ge(news->again.start, conn->undo_range.start) &&
	    tcp_seq_le(news->again.end, conn->undo_range.end)) {
		uint32_t size = tcp_range_size(news->again);

		conn->undo_bytes -= KILN_MIN(size, conn->undo_bytes);
		if (conn->undo_bytes == 0 && conn->lost.count == 0)
			undo(conn);
	} else if (news->acked && conn->phase != TCP_OPEN) {
		struct tcp_seq before = tcp_seq_sub(conn->snd_una, news->acked);

		/* Only the first that moves snd_una beyond it tells. */
		if (tcp_seq_gt(before, conn->undo_range.start) ||
		    tcp_seq_le(conn->snd_una, conn->undo_range.start))
			return;
		if (news->has_echo &&
		    tcp_timestamp_before(news->ts_echo, conn->undo_timestamp) &&
		    (conn->phase == TCP_LOSS || conn->lost.count == 0))
			undo(conn);
	}
}

/* ---- what has happened ---- */

/* Proportional rate reduction (RFC 9937, 6.2): for what arrives, ssthresh / recover_fs of
 * it may leave; once that has drained the pipe to ssthresh, as much as arrives, and a
 * segment more if nothing further is lost. */
static void reduce_in_proportion(struct tcp_conn *conn, const struct tcp_news *news,
                                 bool more_lost)
{
	uint32_t on_its_way = pipe(conn), target = conn->cc.ssthresh;
	int64_t send;

	if (news->delivered == 0)
		return;
	conn->prr_delivered += news->delivered;
	if (on_its_way > target) {
		uint64_t share = (uint64_t)conn->prr_delivered * target;

		send = (int64_t)((share + conn->recover_fs - 1) / conn->recover_fs) -
		       conn->prr_out;
	} else {
		send = KILN_MAX((int64_t)conn->prr_delivered - conn->prr_out,
		                (int64_t)news->delivered);
		if (news->acked && !more_lost)
			send += conn->smss;
		send = KILN_MIN(send, (int64_t)target - on_its_way);
	}
	if (send <= 0)
		send = conn->prr_out == 0 ? conn->smss : 0;
	conn->cc.cwnd = KILN_MAX(on_its_way + (uint32_t)send, conn->smss + 0u);
}

static void enter_fast_recovery(struct tcp_conn *conn, const struct tcp_news *news)
{
	prepare_undo(conn);
	reduce(conn, TCP_CONGESTION_LOSS, tcp_in_flight(conn));
	if (!conn->has_sack) /* three segments have left the network */
		conn->cc.cwnd = conn->cc.ssthresh + TCP_DUP_THRESH * conn->smss;
	conn->recover = conn->snd_nxt;
	conn->phase = TCP_FAST_RECOVERY;
	conn->resend_front = true;
	conn->prr_delivered = conn->prr_out = 0;
	/* What SACK had told before will not be told again (RFC 9937, 6.1). */
	conn->recover_fs = tcp_in_flight(conn) - conn->sacked.bytes + news->delivered;
	conn->tcp->count.fast_retransmits++;
}

static void lose_front(struct tcp_conn *conn)
{
	struct tcp_seq end = tcp_seq_add(conn->snd_una, conn->smss);

	tcp_flight_lost(
	    conn, (struct tcp_range){conn->snd_una, tcp_seq_min(end, conn->snd_nxt)});
	conn->resend_front = true;
}

/* RFC 3168, 6.1.2: as for a loss, once for a window, and an ACK that tells of congestion
 * does not let the window grow. */
static void reduce_for_mark(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (tcp_seq_le(conn->snd_una, conn->cwr_end))
		return;
	reduce(conn, TCP_CONGESTION_ECN, news->flight_before);
	conn->can_undo = false;
	conn->cc.cwnd = conn->cc.ssthresh;
	conn->tcp->count.ecn_reductions++;
}

static void ack_in_open(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (news->marked)
		reduce_for_mark(conn, news);
	if (news->acked) {
		conn->dup_acks = 0;
		if (!news->marked)
			grow(conn, news);
		/* Pulled along, for numbers compare only within 2^31. */
		if (tcp_seq_gt(conn->snd_una, conn->recover))
			conn->recover = tcp_seq_sub(conn->snd_una, 1);
		conn->cwr_end = tcp_seq_max(conn->cwr_end, conn->snd_una);
	}
	if (news->duplicate && conn->dup_acks < UINT8_MAX)
		conn->dup_acks++;
	/* RFC 6582, 3.2, step 2: not for old losses. */
	if (!conn->has_sack && conn->dup_acks >= TCP_DUP_THRESH &&
	    tcp_seq_gt(conn->snd_una, conn->recover))
		lose_front(conn);
}

/* Recovery is over, all that was in flight when it began has arrived. */
static void recovered(struct tcp_conn *conn)
{
	conn->phase = TCP_OPEN;
	conn->dup_acks = 0;
	conn->resend_front = false;
	tcp_rack_recovered(conn);
}

static void ack_in_fast_recovery(struct tcp_conn *conn, const struct tcp_news *news,
                                 bool more_lost)
{
	uint32_t smss = conn->smss;

	if (tcp_seq_ge(conn->snd_una, conn->recover)) {
		conn->cc.cwnd = conn->cc.ssthresh;
		if (!conn->has_sack) /* 6582, 3.2, step 3, full ACK, option 1 */
			conn->cc.cwnd =
			    KILN_MIN(conn->cc.ssthresh,
			             KILN_MAX(tcp_in_flight(conn), smss) + smss);
		recovered(conn);
	} else if (conn->has_sack) {
		reduce_in_proportion(conn, news, more_lost);
	} else if (news->acked) { /* partial ACK: the next hole is at its front */
		conn->cc.cwnd = conn->cc.cwnd > news->acked + smss
		                    ? conn->cc.cwnd - news->acked
		                    : smss;
		if (news->acked >= smss)
			conn->cc.cwnd += smss;
		lose_front(conn);
	} else if (news->duplicate) {
		conn->cc.cwnd += smss;
	}
}

static void ack_in_loss(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (!news->acked)
		return;
	grow(conn, news);
	if (tcp_seq_ge(conn->snd_una, conn->recover))
		recovered(conn);
}

/* A probe has repaired a loss that nothing else told of: the window pays for it all the
 * same (RFC 8985, 7.4.2). */
static void repaired(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (conn->phase != TCP_OPEN)
		return;
	reduce(conn, TCP_CONGESTION_LOSS, news->flight_before);
	conn->can_undo = false;
	conn->cc.cwnd = conn->cc.ssthresh;
}

void tcp_recovery_ack(struct tcp_conn *conn, const struct tcp_news *news)
{
	uint32_t lost_before = conn->lost.bytes;

	/* With SACK a duplicate tells of new bytes beyond (RFC 6675, 2). */
	if (conn->has_sack ? news->reported && !news->acked : news->duplicate)
		conn->tcp->count.duplicate_acks++;
	if (conn->has_sack) {
		if (tcp_rack_probe_ack(conn, news))
			repaired(conn, news);
		if (news->twice)
			tcp_rack_twice(conn);
	}
	check_undo(conn, news);
	if (conn->has_sack)
		tcp_rack_detect(conn);
	switch ((enum tcp_recovery_phase)conn->phase) {
	case TCP_OPEN:
		ack_in_open(conn, news);
		break;
	case TCP_FAST_RECOVERY:
		ack_in_fast_recovery(conn, news, conn->lost.bytes > lost_before);
		break;
	case TCP_LOSS:
		ack_in_loss(conn, news);
		break;
	}
	if (conn->phase == TCP_OPEN && conn->lost.count > 0) {
		enter_fast_recovery(conn, news);
		if (conn->has_sack)
			reduce_in_proportion(conn, news, true);
	}
}

void tcp_recovery_late(struct tcp_conn *conn)
{
	static const struct tcp_news none = {.rtt = KILN_NEVER};

	tcp_rack_detect(conn);
	if (conn->lost.count == 0)
		return;
	if (conn->phase == TCP_OPEN) {
		enter_fast_recovery(conn, &none);
		conn->cc.cwnd = KILN_MAX(pipe(conn), conn->smss + 0u); /* and the front */
	}
	tcp_pend(conn);
}

static void resend_all(struct tcp_conn *conn)
{
	const struct tcp_scoreboard *sb = &conn->sacked;

	/* A peer that reports the byte it is waiting for has changed its mind about it
	 * (RFC 2018, 8); one that does not take what we send again may have. And a full
	 * scoreboard has more holes than there is room for. */
	if (conn->timeouts > 0 || sb->count == sb->room ||
	    (sb->count && tcp_seq_eq(sb->range[0].start, conn->snd_una)))
		tcp_scoreboard_clear(&conn->sacked);
	conn->phase = TCP_LOSS;
	conn->recover = conn->snd_nxt;
	conn->dup_acks = 0;
	conn->resend_front = true;
	conn->rack.probing = conn->rack.probe_now = false;
	tcp_timer_clear(conn, TCP_TIMER_PROBE);
	tcp_timer_clear(conn, TCP_TIMER_REORDER);
	tcp_flight_lost(conn, (struct tcp_range){conn->snd_una, conn->snd_nxt});
}

void tcp_recovery_timeout(struct tcp_conn *conn)
{
	/* Once for a loss, however often it has to be sent again (RFC 5681, 3.1). */
	if (conn->timeouts == 0) {
		prepare_undo(conn);
		reduce(conn, TCP_CONGESTION_TIMEOUT, tcp_in_flight(conn));
	}
	conn->cc.cwnd = conn->smss;
	conn->tcp->count.timeouts++;
	resend_all(conn);
}

void tcp_recovery_resend(struct tcp_conn *conn)
{
	if (tcp_in_flight(conn) == 0)
		return;
	resend_all(conn);
	conn->can_undo = false;
}
