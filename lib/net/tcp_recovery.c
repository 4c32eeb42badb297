/*
 * Loss recovery, and how the congestion window moves in it: RFC 5681 with the initial window
 * of RFC 6928; else a controller (<kiln/tcp_congestion.h>) decides it. Fast recovery is by RFC 6675 where SACK was negotiated, by RFC 6582 (NewReno) where not;
 * recovery after a timeout by RFC 6298 and 6675, 5.1.
 *
 * snd_nxt never moves back. What is to be sent again is derived from three things: the
 * scoreboard, high_rxt (retransmitted so far) and the lost edge: what lies before it and
 * is not reported is taken for lost. After a timeout that edge is `recover`, so go-back-N
 * is just the case of an empty scoreboard.
 *
 * tcp_ack.c and tcp_timer.c report what happens, tcp_output.c asks what to send.
 */
#include "tcp_private.h"

static struct tcp_flow_facts facts_of(const struct tcp_conn *conn)
{
	return (struct tcp_flow_facts){
	    .now = tcp_now(conn->tcp),
	    .srtt = conn->srtt,
	    .mss = conn->smss,
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
	conn->recover = conn->high_rxt = conn->iss;
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
	if (conn->congestion->resumed)
		conn->congestion->resumed(&conn->cc, &facts, pause);
}

static struct tcp_seq lost_edge(const struct tcp_conn *conn)
{
	if (conn->phase == TCP_OPEN)
		return conn->snd_una;
	struct tcp_seq edge = tcp_scoreboard_lost_edge(&conn->sacked, conn->snd_una,
	                                               TCP_DUP_THRESH, conn->smss);
	return conn->phase == TCP_LOSS ? tcp_seq_max(edge, conn->recover) : edge;
}

/* SetPipe of RFC 6675, 4: what is thought to be on its way. */
static uint32_t pipe(const struct tcp_conn *conn)
{
	struct tcp_range unlost = {lost_edge(conn), conn->snd_nxt};
	struct tcp_range again = {conn->snd_una, conn->high_rxt};

	if (conn->phase == TCP_OPEN)
		return tcp_in_flight(conn) - conn->sacked.bytes;
	return tcp_scoreboard_missing(&conn->sacked, unlost) +
	       tcp_scoreboard_missing(&conn->sacked, again);
}

uint32_t tcp_recovery_budget(const struct tcp_conn *conn)
{
	uint32_t cwnd = conn->cc.cwnd, used;

	if (conn->has_sack || conn->phase == TCP_LOSS) {
		used = pipe(conn);
	} else {
		used = tcp_in_flight(conn);
		/* Limited transmit (RFC 3042); with SACK the pipe does it. */
		if (conn->phase == TCP_OPEN)
			cwnd +=
			    KILN_MIN(conn->dup_acks, TCP_DUP_THRESH - 1u) * conn->smss;
	}
	return cwnd > used ? cwnd - used : 0;
}

/* ---- what to send again ---- */

bool tcp_recovery_next(const struct tcp_conn *conn, struct tcp_range *range)
{
	const struct tcp_scoreboard *sb = &conn->sacked;

	if (tcp_in_flight(conn) == 0)
		return false;
	if (conn->resend_front) {
		range->start = conn->snd_una;
		range->end =
		    tcp_seq_min(tcp_seq_add(conn->snd_una, conn->smss), conn->snd_nxt);
		if (sb->count)
			range->end = tcp_seq_min(range->end, sb->range[0].start);
		return tcp_range_size(*range) > 0;
	}
	if (conn->phase == TCP_OPEN ||
	    (conn->phase == TCP_FAST_RECOVERY && !conn->has_sack))
		return false;
	/* NextSeg, rule 1 (RFC 6675, 4). */
	struct tcp_seq from = tcp_seq_max(conn->high_rxt, conn->snd_una);
	if (!tcp_scoreboard_hole(sb, from, range)) {
		if (sb->count)
			from = tcp_seq_max(from, sb->range[sb->count - 1].end);
		*range = (struct tcp_range){from, conn->snd_nxt};
	}
	range->end = tcp_seq_min(range->end, lost_edge(conn));
	return tcp_range_size(*range) > 0;
}

bool tcp_recovery_speculate(const struct tcp_conn *conn, struct tcp_range *range)
{
	struct tcp_seq from = tcp_seq_max(conn->high_rxt, conn->snd_una);

	if (conn->phase != TCP_FAST_RECOVERY || !conn->has_sack)
		return false;
	if (!tcp_scoreboard_hole(&conn->sacked, from, range))
		return false;
	range->end = tcp_seq_min(range->end, tcp_seq_add(range->start, conn->smss));
	return true;
}

void tcp_recovery_sent(struct tcp_conn *conn, struct tcp_range range)
{
	conn->high_rxt = tcp_seq_max(conn->high_rxt, range.end);
	conn->resend_front = false;
	conn->rtt_timing = false; /* Karn: RFC 6298, 3 */
	conn->last_sent_at = tcp_now(conn->tcp);
	conn->tcp->count.retransmits++;
}

/* ---- what has happened ---- */

/*
 * The controller raises the window. It grows only while it is used (7661 in spirit). After
 * a timeout an ACK may tell of much that arrived long ago: then by at most one segment
 * (3465, 2.3).
 */
static void grow(struct tcp_conn *conn, uint32_t acked, uint32_t flight_before)
{
	struct tcp_flow_facts facts = facts_of(conn);

	facts.in_flight = flight_before;
	facts.limited = flight_before >= conn->cc.cwnd / 2;
	facts.acked = conn->phase == TCP_LOSS ? KILN_MIN(acked, conn->smss) : acked;
	conn->congestion->acked(&conn->cc, &facts);
	conn->cc.cwnd = KILN_MIN(conn->cc.cwnd, TCP_WINDOW_MAX + 0u);
}

/* The controller says what is left of the window. What limited transmit has let out does
 * not count (RFC 5681, 3.2, step 2). */
static void reduce(struct tcp_conn *conn, enum tcp_congestion_event why)
{
	struct tcp_flow_facts facts = facts_of(conn);
	uint32_t ssthresh;

	facts.in_flight = KILN_MIN(facts.in_flight, conn->cc.cwnd);
	ssthresh = conn->congestion->reduced(&conn->cc, &facts, why);
	conn->cc.ssthresh = KILN_MAX(ssthresh, 2u * conn->smss);
}

static void enter_fast_recovery(struct tcp_conn *conn)
{
	reduce(conn, TCP_CONGESTION_LOSS);
	conn->cc.cwnd = conn->cc.ssthresh;
	if (!conn->has_sack)
		conn->cc.cwnd +=
		    TCP_DUP_THRESH * conn->smss; /* they have left the network */
	conn->recover = conn->snd_nxt;
	conn->high_rxt = conn->snd_una;
	conn->phase = TCP_FAST_RECOVERY;
	conn->resend_front = true;
	conn->tcp->count.fast_retransmits++;
}

static bool loss_is_likely(const struct tcp_conn *conn)
{
	if (conn->dup_acks >= TCP_DUP_THRESH) /* 6582, 3.2, step 2: not for old losses */
		return conn->has_sack || tcp_seq_gt(conn->snd_una, conn->recover);
	return conn->sacked.count &&
	       tcp_seq_gt(tcp_scoreboard_lost_edge(&conn->sacked, conn->snd_una,
	                                           TCP_DUP_THRESH, conn->smss),
	                  conn->snd_una);
}

static void ack_in_open(struct tcp_conn *conn, uint32_t flight_before, uint32_t acked,
                        bool duplicate)
{
	if (acked) {
		conn->dup_acks = 0;
		grow(conn, acked, flight_before);
		/* Pulled along, for numbers compare only within 2^31. */
		if (tcp_seq_gt(conn->snd_una, conn->recover))
			conn->recover = tcp_seq_sub(conn->snd_una, 1);
	}
	if (duplicate && conn->dup_acks < UINT8_MAX)
		conn->dup_acks++;
	if (loss_is_likely(conn))
		enter_fast_recovery(conn);
}

static void ack_in_fast_recovery(struct tcp_conn *conn, uint32_t acked, bool duplicate)
{
	uint32_t smss = conn->smss;

	if (!acked) {
		if (duplicate && !conn->has_sack)
			conn->cc.cwnd += smss;
		return;
	}
	conn->high_rxt = tcp_seq_max(conn->high_rxt, conn->snd_una);
	if (tcp_seq_ge(conn->snd_una, conn->recover)) {
		conn->cc.cwnd = conn->cc.ssthresh;
		if (!conn->has_sack) /* 6582, 3.2, step 3, full ACK, option 1 */
			conn->cc.cwnd =
			    KILN_MIN(conn->cc.ssthresh,
			             KILN_MAX(tcp_in_flight(conn), smss) + smss);
		conn->phase = TCP_OPEN;
		conn->dup_acks = 0;
		conn->resend_front = false;
	} else if (!conn->has_sack) { /* partial ACK: the next hole is at its front */
		conn->cc.cwnd =
		    conn->cc.cwnd > acked + smss ? conn->cc.cwnd - acked : smss;
		if (acked >= smss)
			conn->cc.cwnd += smss;
		conn->resend_front = true;
	}
}

static void ack_in_loss(struct tcp_conn *conn, uint32_t flight_before, uint32_t acked)
{
	if (!acked)
		return;
	conn->high_rxt = tcp_seq_max(conn->high_rxt, conn->snd_una);
	grow(conn, acked, KILN_MAX(flight_before, conn->cc.cwnd));
	if (tcp_seq_ge(conn->snd_una, conn->recover)) {
		conn->phase = TCP_OPEN;
		conn->dup_acks = 0;
		conn->resend_front = false;
	}
}

void tcp_recovery_ack(struct tcp_conn *conn, struct tcp_seq before, uint32_t acked,
                      bool duplicate, bool new_sack)
{
	uint32_t flight_before = tcp_seq_diff(conn->snd_nxt, before);

	/* With SACK a duplicate tells of new bytes beyond (RFC 6675, 2). */
	if (conn->has_sack)
		duplicate = new_sack && !acked;
	if (duplicate)
		conn->tcp->count.duplicate_acks++;
	switch ((enum tcp_recovery_phase)conn->phase) {
	case TCP_OPEN:
		ack_in_open(conn, flight_before, acked, duplicate);
		break;
	case TCP_FAST_RECOVERY:
		ack_in_fast_recovery(conn, acked, duplicate);
		break;
	case TCP_LOSS:
		ack_in_loss(conn, flight_before, acked);
		break;
	}
}

static void resend_all(struct tcp_conn *conn)
{
	const struct tcp_scoreboard *sb = &conn->sacked;

	/* A peer that reports the byte it is waiting for has changed its mind about it
	 * (RFC 2018, 8); one that does not take what we send again may have. */
	if (conn->timeouts > 0 ||
	    (sb->count && tcp_seq_eq(sb->range[0].start, conn->snd_una)))
		tcp_scoreboard_clear(&conn->sacked);
	conn->phase = TCP_LOSS;
	conn->recover = conn->snd_nxt;
	conn->high_rxt = conn->snd_una;
	conn->dup_acks = 0;
	conn->resend_front = true;
}

void tcp_recovery_timeout(struct tcp_conn *conn)
{
	/* Once for a loss, however often it has to be sent again (RFC 5681, 3.1). */
	if (conn->timeouts == 0)
		reduce(conn, TCP_CONGESTION_TIMEOUT);
	conn->cc.cwnd = conn->smss;
	conn->tcp->count.timeouts++;
	resend_all(conn);
}

void tcp_recovery_resend(struct tcp_conn *conn)
{
	if (tcp_in_flight(conn) > 0)
		resend_all(conn);
}
