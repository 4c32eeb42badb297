/*
 * A segment arrives: RFC 9293, 3.10.7, step by step in its order, with the changes of RFC
 * 5961 (blind attacks) and 7323 (timestamps).
 *
 * tcp_input is what the network layer calls. It finds the flow and hands the segment to
 * the part that knows it; the states with a struct tcp_conn are here. Nothing is sent
 * from here but resets and the ACKs that must not wait; the rest goes out with the
 * deferred work. An owner may end the connection whenever it is called: each call that
 * leads to one returns false then, and nothing but the state may be looked at.
 */
#include "tcp_private.h"

/* ---- first step: check sequence number ---- */

bool tcp_acceptable(const struct tcp_segment *s, struct tcp_seq rcv_nxt, uint32_t rcv_wnd)
{
	uint32_t len = tcp_segment_length(s);
	struct tcp_seq end = tcp_seq_add(rcv_nxt, rcv_wnd);

	/* Table 6 leaves out the right edge, but there the ACKs of a peer come from that
	 * has filled the window: they must count while its data is still missing. */
	if (len == 0)
		return tcp_seq_ge(s->seq, rcv_nxt) && tcp_seq_le(s->seq, end);
	/* Table 6 asks for the first or the last byte in the window; a segment that spans
	 * the window on both sides is as good. */
	return rcv_wnd > 0 && tcp_seq_lt(s->seq, end) &&
	       tcp_seq_gt(tcp_seq_add(s->seq, len), rcv_nxt);
}

static uint32_t receive_window(const struct tcp_conn *conn)
{
	return tcp_range_size((struct tcp_range){conn->rcv_nxt, conn->rcv_adv});
}

/* PAWS (RFC 7323, 5.3, R1) and the rule that timestamps, once negotiated, stay (3.2). */
static bool timestamp_is_good(const struct tcp_conn *conn, const struct tcp_segment *s)
{
	const struct tcp_options *o = &s->options;

	if (!conn->has_timestamps || (s->flags & TCP_RST))
		return true;
	if (!o->has_timestamps)
		return false;
	return !tcp_timestamp_before(o->ts_value, conn->ts_recent) ||
	       tcp_now(conn->tcp) - conn->ts_recent_at > TCP_PAWS_IDLE;
}

/* RFC 7323, 4.3: we echo the timestamp of the segment that the next ACK is for. Called
 * when the ACK field has been checked as well: a timestamp from someone who only guesses
 * would make all that the peer sends look old. */
static void keep_timestamp(struct tcp_conn *conn, const struct tcp_segment *s)
{
	if (!conn->has_timestamps || !s->options.has_timestamps)
		return;
	if (tcp_seq_gt(s->seq, conn->last_ack_sent))
		return;
	conn->ts_recent = s->options.ts_value;
	conn->ts_recent_at = tcp_now(conn->tcp);
}

/* Bytes before and beyond the window are cut off, and a FIN with them. */
static void cut_to_window(struct tcp_conn *conn, struct tcp_segment *s)
{
	if (tcp_seq_lt(s->seq, conn->rcv_nxt)) {
		tcp_receive_twice(conn, (struct tcp_range){s->seq, conn->rcv_nxt});
		s->data = slice_skip(s->data, tcp_seq_diff(conn->rcv_nxt, s->seq));
		s->seq = conn->rcv_nxt;
	}
	uint32_t room = tcp_range_size((struct tcp_range){s->seq, conn->rcv_adv});
	if (s->data.len > room) {
		s->data = slice_take(s->data, room);
		s->flags &= (uint8_t)~TCP_FIN;
	}
}

/* What is not acceptable is answered with an ACK. That of data or a FIN tells a peer
 * whose ACK was lost; others might be forged, or answers to our own, and are limited. */
static void answer_unacceptable(struct tcp_conn *conn, const struct tcp_segment *s)
{
	conn->tcp->count.drop_window++;
	if (s->flags & TCP_RST)
		return;
	if (s->data.len > 0 || (s->flags & TCP_FIN)) {
		struct tcp_seq end = tcp_seq_add(s->seq, (uint32_t)s->data.len);

		tcp_receive_twice(
		    conn, (struct tcp_range){s->seq, tcp_seq_min(end, conn->rcv_nxt)});
		conn->ack_now = true;
		tcp_pend(conn);
	} else {
		tcp_send_challenge(conn);
	}
}

/* In a simultaneous open the peer's SYN-ACK repeats a SYN that we know: by the letter not
 * acceptable, though it brings the acknowledgement that we wait for (RFC 9293, figure 7).
 */
static void pass_syn_ack(const struct tcp_conn *conn, struct tcp_segment *s)
{
	if (conn->state != TCP_SYN_RECEIVED || !tcp_seq_eq(s->seq, conn->irs))
		return;
	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != (TCP_SYN | TCP_ACK))
		return;
	s->flags &= (uint8_t)~TCP_SYN;
	s->seq = conn->rcv_nxt;
	s->window >>= conn->snd_wscale; /* that of a SYN is not scaled (RFC 7323, 2.2) */
}

/* Data or a FIN just beyond a window of zero; perhaps behind some that we have, when our ACK
 * of that was lost. */
static bool is_probe(const struct tcp_conn *conn, const struct tcp_segment *s)
{
	uint32_t length = (uint32_t)s->data.len + !!(s->flags & TCP_FIN);

	return !(s->flags & TCP_SYN) && tcp_seq_le(s->seq, conn->rcv_nxt) &&
	       tcp_seq_gt(tcp_seq_add(s->seq, length), conn->rcv_nxt);
}

static bool check_sequence(struct tcp_conn *conn, struct tcp_segment *s)
{
	uint32_t window = receive_window(conn);

	pass_syn_ack(conn, s);
	if (!timestamp_is_good(conn, s)) {
		if (s->options.has_timestamps)
			answer_unacceptable(conn, s);
		else
			conn->tcp->count.drop_window++;
		return false;
	}
	if (window == 0 && is_probe(conn, s)) {
		/* Its ACK counts, its data or FIN does not fit. So does a reset, which is not
		 * answered. */
		s->seq = conn->rcv_nxt;
		s->data = slice_take(s->data, 0);
		s->flags &= (uint8_t)~TCP_FIN;
		conn->ack_now |= !(s->flags & TCP_RST);
		tcp_pend(conn);
	}
	if (!tcp_acceptable(s, conn->rcv_nxt, window)) {
		answer_unacceptable(conn, s);
		return false;
	}
	conn->heard_at = tcp_now(conn->tcp);
	conn->keepalive_sent = 0;
	return true;
}

/* ---- second step: check the RST bit ---- */

static void reset_arrives(struct tcp_conn *conn, const struct tcp_segment *s)
{
	if (!tcp_seq_eq(s->seq, conn->rcv_nxt)) { /* RFC 5961, 3.2 */
		tcp_send_challenge(conn);
		return;
	}
	if (conn->state == TCP_TIME_WAIT)
		return; /* RFC 1337: it must not end before its time */
	bool refused = conn->state == TCP_SYN_RECEIVED && !conn->fast_open;

	conn->tcp->count.resets_in++;
	if (conn->fast_open)
		conn->tcp->config.fast_open->done(conn, true);
	tcp_conn_end(conn, refused ? KILN_ERR_REFUSED : KILN_ERR_RESET);
}

/* ---- fifth step: check the ACK field ---- */

/* Enters ESTABLISHED, or FIN-WAIT-1 if the owner has shut its side down already. */
static void establish(struct tcp_conn *conn, const struct tcp_segment *s)
{
	conn->snd_una = s->ack;
	conn->snd_wnd = conn->max_snd_wnd =
	    (uint32_t)s->window << (s->flags & TCP_SYN ? 0 : conn->snd_wscale);
	conn->snd_wl1 = s->seq;
	conn->snd_wl2 = s->ack;
	conn->state = conn->fin_queued ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	conn->backoff = conn->timeouts = 0;
	conn->progress_at = tcp_now(conn->tcp);
	tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
	if (!conn->syn_lost)
		tcp_rtt_sample(conn, tcp_now(conn->tcp) - conn->rtt_started_at);
	else
		conn->rto = TCP_RTO_AFTER_SYN;
	tcp_tuning_init(conn);
	conn->wake = true;
	tcp_pend(conn);
}

/* Both sides have closed, and all is acknowledged. */
static void finish(struct tcp_conn *conn)
{
	if (!conn->has_owner) {
		tcp_conn_release(conn);
		return;
	}
	/* The owner, who has yet to close it, may still look at it. */
	for (unsigned i = 0; i < TCP_TIMERS; i++)
		tcp_timer_clear(conn, i);
	tcp_flow_remove(conn->tcp, &conn->flow);
	conn->hashed = false;
	conn->state = TCP_CLOSED;
}

/* Our FIN is acknowledged. False: the connection is gone. */
static bool fin_acked(struct tcp_conn *conn)
{
	switch ((enum tcp_state)conn->state) {
	case TCP_FIN_WAIT_1:
		conn->state = TCP_FIN_WAIT_2;
		return true;
	case TCP_CLOSING:
		tcp_enter_time_wait(conn);
		return false;
	case TCP_LAST_ACK:
		finish(conn);
		return false;
	default:
		return true;
	}
}

/* Whether the peer can have sent this acknowledgement. */
static bool ack_is_plausible(struct tcp_conn *conn, const struct tcp_segment *s)
{
	if (conn->state == TCP_SYN_RECEIVED) {
		/* The SYN, and with Fast Open what followed it. */
		struct tcp_seq first = tcp_seq_add(conn->iss, 1);

		if (tcp_seq_diff(s->ack, first) <= tcp_seq_diff(conn->snd_nxt, first))
			return true;
		tcp_refuse_segment(conn->tcp, &conn->flow.tuple, s);
		return false;
	}
	/* RFC 5961, 5.2: neither unsent nor older than the largest window. */
	if (tcp_seq_gt(s->ack, conn->snd_max) ||
	    tcp_seq_lt(s->ack, tcp_seq_sub(conn->snd_una, conn->max_snd_wnd))) {
		tcp_send_challenge(conn);
		return false;
	}
	return true;
}

/* False: the connection is gone. */
static bool ack_arrives(struct tcp_conn *conn, const struct tcp_segment *s)
{
	if (conn->fast_open) {
		conn->tcp->config.fast_open->acked(conn);
	} else if (conn->state == TCP_SYN_RECEIVED) {
		establish(conn, s);
		return true;
	}
	tcp_ack_input(conn, s);
	if (conn->fin_sent && tcp_seq_eq(conn->snd_una, conn->snd_nxt))
		return fin_acked(conn);
	return true;
}

/* ---- seventh and eighth step: the segment text, the FIN bit ---- */

static bool receives_text(const struct tcp_conn *conn)
{
	return conn->state == TCP_ESTABLISHED || conn->state == TCP_FIN_WAIT_1 ||
	       conn->state == TCP_FIN_WAIT_2;
}

static bool text_arrives(struct tcp_conn *conn, const struct tcp_segment *s,
                         uint16_t gso_size)
{
	if (!receives_text(conn) || s->data.len == 0)
		return true;
	if (!conn->has_owner) {
		/* Nobody will ever read it: say so (RFC 1122, 4.2.2.13). */
		tcp_send_rst(conn);
		tcp_conn_release(conn);
		return false;
	}
	return tcp_receive_data(conn, s, gso_size);
}

static void fin_arrives(struct tcp_conn *conn)
{
	conn->fin_received = true;
	conn->rcv_nxt = tcp_seq_add(conn->rcv_nxt, 1);
	tcp_send_ack(conn);
	switch ((enum tcp_state)conn->state) {
	case TCP_ESTABLISHED:
		conn->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1: /* our own FIN is not acknowledged: simultaneous close */
		conn->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		tcp_enter_time_wait(conn);
		break;
	default:
		break;
	}
	(void)tcp_call_ready(conn);
}

static void check_fin(struct tcp_conn *conn, const struct tcp_segment *s)
{
	if (!receives_text(conn))
		return;
	if (s->flags & TCP_FIN) {
		conn->fin_seen = true;
		conn->fin_seq = tcp_seq_add(s->seq, (uint32_t)s->data.len);
	}
	if (conn->fin_seen && tcp_seq_eq(conn->rcv_nxt, conn->fin_seq))
		fin_arrives(conn);
	else if ((s->flags & TCP_FIN) && s->data.len == 0)
		tcp_send_ack(conn); /* beyond a gap, as data is (RFC 5681, 4.2) */
}

/* ---- the states ---- */

void tcp_segment_arrives(struct tcp_conn *conn, struct tcp_segment *s, uint16_t gso_size)
{
	conn->tally.in++;
	if (conn->fast_open && tcp_seq_eq(s->seq, conn->irs) &&
	    (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		conn->ack_now = true; /* the SYN again: our answer was lost */
		tcp_pend(conn);
		return;
	}
	/* First, check sequence number. */
	if (!check_sequence(conn, s))
		return;
	/* Second, check the RST bit. */
	if (s->flags & TCP_RST) {
		reset_arrives(conn, s);
		return;
	}
	/* Third, check security: there is none. Fourth, check the SYN bit (RFC
	 * 5961, 4.2). */
	if (s->flags & TCP_SYN) {
		tcp_send_challenge(conn);
		return;
	}
	/* Fifth, check the ACK field. */
	if (!(s->flags & TCP_ACK) || !ack_is_plausible(conn, s))
		return;
	keep_timestamp(conn, s);
	tcp_ecn_input(conn, s);
	cut_to_window(conn, s);
	if (!ack_arrives(conn, s))
		return;
	/* Sixth, check the URG bit: urgent data is ordinary data here (RFC 6093, 5).
	 * Seventh, process the segment text. Eighth, check the FIN bit. */
	if (text_arrives(conn, s, gso_size))
		check_fin(conn, s);
}

/* RFC 9293, 3.10.7.3. */
static void syn_sent_input(struct tcp_conn *conn, struct tcp_segment *s,
                           uint16_t gso_size)
{
	struct tcp *tcp = conn->tcp;
	bool ack = s->flags & TCP_ACK;
	struct tcp_handshake hand;

	conn->tally.in++;
	/* First, check the ACK bit. */
	if (ack && !tcp_seq_eq(s->ack, conn->snd_nxt)) {
		tcp_refuse_segment(tcp, &conn->flow.tuple, s);
		return;
	}
	/* Second, check the RST bit. */
	if (s->flags & TCP_RST) {
		if (ack) {
			tcp->count.resets_in++;
			tcp_conn_end(conn, KILN_ERR_REFUSED);
		}
		return;
	}
	/* Third, security. Fourth, check the SYN bit. */
	if (!(s->flags & TCP_SYN))
		return;
	hand = tcp_handshake_of(tcp, &conn->flow.tuple.remote, s, conn->iss);
	hand.has_ecn &= conn->ecn_asked;
	tcp_conn_settle(conn, &hand);
	conn->heard_at = tcp_now(tcp);
	if (!ack) { /* simultaneous open */
		conn->state = TCP_SYN_RECEIVED;
		tcp_send_syn(conn);
		return;
	}
	establish(conn, s);
	conn->ack_now = true;
	/* Fifth: go on with the text and the FIN, which follow the SYN. */
	s->seq = conn->rcv_nxt;
	s->flags &= (uint8_t)~TCP_SYN;
	cut_to_window(conn, s);
	if (text_arrives(conn, s, gso_size))
		check_fin(conn, s);
}

/* ---- from the network layer ---- */

bool tcp_challenge_allowed(struct tcp *tcp)
{
	kiln_time second = tcp_now(tcp) / KILN_SECONDS(1);

	/* How many there are is not fixed, so that counting them tells an attacker
	 * nothing about the connections of others (CVE-2016-5696). */
	if (tcp->challenge_second != second) {
		tcp->challenge_second = second;
		tcp->challenges_left =
		    TCP_CHALLENGES / 2 + random_below(&tcp->kiln->random, TCP_CHALLENGES);
	}
	if (tcp->challenges_left == 0)
		return false;
	tcp->challenges_left--;
	return true;
}

static bool checksum_is_good(const struct net_packet *p)
{
	uint32_t sum =
	    checksum_pseudo(&p->src, &p->dst, IP_PROTO_TCP, (uint32_t)p->payload.len);

	return checksum_finish(checksum_add(sum, p->payload.data, p->payload.len)) == 0;
}

static void no_flow(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *s,
                    uint16_t gso_size)
{
	struct tcp_listener *listener =
	    tcp_listener_find(tcp, &tuple->local, tuple->local_port);

	if (listener)
		tcp_listen_input(tcp, listener, tuple, s, gso_size, NULL);
	else
		tcp_refuse_segment(tcp, tuple, s); /* 3.10.7.1: CLOSED */
}

void tcp_input(void *transport, const struct net_packet *p)
{
	struct tcp *tcp = transport;
	struct tcp_segment s;

	tcp->count.segments_in++;
	if (!p->checksum_valid && !checksum_is_good(p)) {
		tcp->count.drop_checksum++;
		return;
	}
	if (p->broadcast || !tcp_parse(p->payload, &s)) {
		tcp->count.drop_header++;
		return;
	}
	s.ecn = p->ecn;
	if (p->gso_size && s.data.len > p->gso_size)
		tcp->count.segments_in += (s.data.len - 1) / p->gso_size;
	struct tcp_tuple tuple = {p->src, p->dst, s.src_port, s.dst_port};
	struct tcp_flow *flow = tcp_flow_find(tcp, &tuple);
	if (!flow) {
		no_flow(tcp, &tuple, &s, p->gso_size);
		return;
	}
	switch (flow->kind) {
	case TCP_FLOW_CONN: {
		struct tcp_conn *conn = kiln_container(flow, struct tcp_conn, flow);

		if (conn->state == TCP_SYN_SENT)
			syn_sent_input(conn, &s, p->gso_size);
		else
			tcp_segment_arrives(conn, &s, p->gso_size);
		break;
	}
	case TCP_FLOW_HALF:
		tcp_half_input(tcp, kiln_container(flow, struct tcp_half, flow), &s,
		               p->gso_size);
		break;
	case TCP_FLOW_TIME_WAIT:
		tcp_time_wait_input(tcp, kiln_container(flow, struct tcp_time_wait, flow),
		                    &s, p->gso_size);
		break;
	}
}
