/*
 * What to send now, and how a segment leaves.
 *
 * tcp_output is called from the deferred work, once for all that an iteration has
 * brought: a connection's new bytes, its acknowledgement and its window leave together.
 * In order: what recovery wants sent again, then new bytes within the peer's window and
 * the congestion window, then an empty segment if an ACK is still owed.
 *
 * A frame points into the send queue. With segmentation offload one frame carries up to
 * 64 KB, else one segment. A device that is full stops the output; it goes on a little
 * later without anything being counted as sent.
 */
#include "tcp_private.h"

/* ---- a segment leaves ---- */

/* The frame holds the data. gso_size 0: one segment. */
static enum kiln_error send_frame(struct tcp *tcp, const struct tcp_tuple *tuple,
                                  struct tcp_segment *s, struct netdev_frame *frame,
                                  uint16_t gso_size)
{
	size_t size = tcp_header_size(&s->options);
	struct writer w = writer_of(netdev_frame_push(frame, size), size);
	struct net_send_options options = {
	    .src = &tuple->local,
	    .ttl = s->service.ttl,
	    .tos = s->service.tos | s->ecn,
	};
	enum kiln_error error;

	s->src_port = tuple->local_port;
	s->dst_port = tuple->remote_port;
	tcp_emit(&w, s);
	if (gso_size) {
		frame->offload.gso_type = NETDEV_GSO_TCP4;
		frame->offload.gso_size = gso_size;
	}
	uint32_t data = frame->frag_bytes;
	error = net_send(tcp->net, frame, IP_PROTO_TCP, &tuple->remote,
	                 TCP_CHECKSUM_OFFSET, &options);
	if (error == KILN_ERR_FULL)
		return error;
	tcp->count.segments_out += gso_size ? (data + gso_size - 1) / gso_size : 1;
	tcp->count.bytes_out += data;
	return error;
}

void tcp_send_bare(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *s)
{
	netdev_frame_init(&tcp->frame);
	if (s->flags & TCP_RST)
		tcp->count.resets_out++;
	/* Lost if the device is full, as it may be lost on its way. */
	(void)send_frame(tcp, tuple, s, &tcp->frame, 0);
}

void tcp_refuse_segment(struct tcp *tcp, const struct tcp_tuple *tuple,
                        const struct tcp_segment *s)
{
	struct tcp_segment rst = {.flags = TCP_RST};

	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK) {
		rst.seq = s->ack;
	} else {
		rst.flags |= TCP_ACK;
		rst.ack = tcp_seq_add(s->seq, tcp_segment_length(s));
	}
	tcp_send_bare(tcp, tuple, &rst);
}

/* The options that every segment but a SYN carries. */
static void usual_options(const struct tcp_conn *conn, struct tcp_options *o)
{
	unsigned most = conn->has_timestamps ? 3 : TCP_SACK_BLOCKS;

	if (conn->has_timestamps) {
		o->has_timestamps = true;
		o->ts_value = tcp_timestamp_now(conn->tcp, conn->ts_offset);
		o->ts_echo = conn->ts_recent;
	}
	if (tcp_range_size(conn->in.twice) > 0)
		o->sack[o->sack_count++] = conn->in.twice;
	for (unsigned i = 0; i < conn->in.sack_count && o->sack_count < most; i++)
		o->sack[o->sack_count++] = conn->in.sack[i];
}

/* A segment of the connection, with our ACK; the frame holds its data. */
static enum kiln_error send_segment(struct tcp_conn *conn, struct tcp_seq seq,
                                    uint8_t flags, const struct tcp_options *options,
                                    uint16_t gso_size)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_seq adv = conn->rcv_adv;
	bool capable = tcp_ecn_is_capable(conn, seq) && tcp->frame.frag_bytes > 0;
	struct tcp_segment s = {
	    .seq = seq,
	    .ack = conn->rcv_nxt,
	    .flags = (uint8_t)(flags | TCP_ACK | (conn->ecn_echo ? TCP_ECE : 0)),
	    .ecn = capable ? IP_ECN_ECT0 : IP_ECN_NOT,
	    .service = conn->service,
	    .window = (uint16_t)(tcp_receive_window(conn) >> conn->rcv_wscale),
	    .options = *options,
	};
	enum kiln_error error =
	    send_frame(tcp, &conn->flow.tuple, &s, &tcp->frame, gso_size);

	if (error == KILN_ERR_FULL) {
		conn->rcv_adv = adv;
		return error;
	}
	if (tcp->config.observer)
		tcp->config.observer->sent(conn, gso_size);
	conn->last_ack_sent = conn->rcv_nxt;
	conn->in.twice.end = conn->in.twice.start;
	conn->unacked_segments = 0;
	conn->ack_now = false;
	tcp_timer_clear(conn, TCP_TIMER_DELAYED_ACK);
	return error;
}

static enum kiln_error send_empty(struct tcp_conn *conn, struct tcp_seq seq,
                                  uint8_t flags)
{
	struct tcp_options options = {0};

	netdev_frame_init(&conn->tcp->frame);
	usual_options(conn, &options);
	return send_segment(conn, seq, flags, &options, 0);
}

void tcp_send_ack(struct tcp_conn *conn)
{
	if (send_empty(conn, conn->snd_nxt, 0) == KILN_ERR_FULL) {
		conn->ack_now = true;
		tcp_pend(conn);
	}
}

void tcp_send_challenge(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	/* The gap ends loops of two ends that find each other's segments unacceptable;
	 * the image's limit is that of RFC 5961, 7. */
	if (conn->challenge_at && tcp_now(tcp) - conn->challenge_at < TCP_CHALLENGE_GAP)
		return;
	if (!tcp_challenge_allowed(tcp))
		return;
	conn->challenge_at = tcp_now(tcp);
	tcp->count.challenge_acks++;
	tcp_send_ack(conn);
}

void tcp_send_rst(struct tcp_conn *conn)
{
	if (conn->state == TCP_CLOSED || conn->state == TCP_SYN_SENT ||
	    conn->state == TCP_TIME_WAIT)
		return;
	conn->tcp->count.resets_out++;
	(void)send_empty(conn, conn->snd_nxt, TCP_RST);
}

void tcp_send_keepalive(struct tcp_conn *conn)
{
	(void)send_empty(conn, tcp_seq_sub(conn->snd_nxt, 1), 0);
}

/* SYN, or SYN-ACK after a simultaneous open or for Fast Open. */
void tcp_send_syn(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	const struct tcp_config *config = &tcp->config;
	bool answer = conn->state == TCP_SYN_RECEIVED;
	uint32_t window =
	    answer ? tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt) : conn->receive_limit;
	struct tcp_segment s = {
	    .seq = conn->iss,
	    .ack = answer ? conn->rcv_nxt : tcp_seq_of(0),
	    .flags =
	        (uint8_t)(TCP_SYN | (answer ? TCP_ACK : 0) | tcp_ecn_syn_flags(conn)),
	    .window = (uint16_t)KILN_MIN(window, UINT16_MAX),
	    .service = conn->service,
	    .options =
	        {
	            .has_mss = true,
	            .mss = (uint16_t)KILN_MIN(tcp_path_mss(tcp, &conn->flow.tuple.remote),
	                                      conn->mss_most),
	            .has_timestamps =
	                answer ? conn->has_timestamps : !config->no_timestamps,
	            .ts_value = tcp_timestamp_now(tcp, conn->ts_offset),
	            .ts_echo = conn->ts_recent,
	            .sack_permitted = answer ? conn->has_sack : !config->no_sack,
	            .has_window_scale =
	                answer ? conn->rcv_wscale > 0 : !config->no_window_scaling,
	            .window_scale = tcp->window_scale,
	        },
	};

	if (conn->fast_open_renew)
		config->fast_open->offer(tcp, &conn->flow.tuple, &s.options);
	tcp_send_bare(tcp, &conn->flow.tuple, &s);
	conn->tally.out++;
	conn->ecn_asked = s.flags & TCP_CWR;
	conn->ack_now = false;
	conn->unacked_segments = 0;
	if (!tcp_timer_is_set(conn, TCP_TIMER_RETRANSMIT))
		tcp_timer_set(conn, TCP_TIMER_RETRANSMIT,
		              tcp_now(tcp) + tcp_rto_backed_off(conn));
}

/* ---- data ---- */

/* Data bytes that one frame may carry. */
static uint32_t frame_limit(const struct tcp_conn *conn, uint32_t segment, size_t header)
{
	uint32_t most = net_segmentation(conn->tcp->net, &conn->flow.tuple.remote);

	return most > segment + header ? most - (uint32_t)header : segment;
}

/*
 * Sends up to *len bytes of the queue from `seq`, and the FIN behind them if `fin` and
 * they all fit; *len says how many went. *fin is cleared when the FIN did not.
 */
static enum kiln_error send_data(struct tcp_conn *conn, struct tcp_seq seq, uint32_t *len,
                                 bool *fin, struct tcp_mark *mark)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_options options = {0};
	uint64_t offset = conn->out.start + tcp_seq_diff(seq, conn->snd_una);
	uint8_t flags = 0;

	usual_options(conn, &options);
	size_t header = tcp_header_size(&options);
	uint32_t segment = (uint32_t)(conn->mss - (header - TCP_HEADER_SIZE));
	bool cwr = conn->cwr_due && tcp_ecn_is_capable(conn, seq);
	/* Alone: not every device can give CWR to the first of several only. */
	uint32_t limit = cwr ? segment : frame_limit(conn, segment, header);
	uint32_t size = KILN_MIN(*len, limit);
	if (size < *len && size > segment)
		size -= size % segment; /* a short one only at the end */
	netdev_frame_init(&tcp->frame);
	uint32_t added =
	    size ? tcp_queue_fill(&conn->out, mark, offset, size, &tcp->frame) : 0;
	if (added < *len)
		*fin = false;
	*len = added;
	if (*fin)
		flags |= TCP_FIN;
	if (added && offset + added == conn->out.end)
		flags |= TCP_PSH;
	if (cwr && added)
		flags |= TCP_CWR;
	enum kiln_error error = send_segment(conn, seq, flags, &options,
	                                     (uint16_t)(added > segment ? segment : 0));
	if (flags & TCP_CWR && error != KILN_ERR_FULL)
		conn->cwr_due = false;
	return error;
}

/* The usable window (RFC 9293, 3.8.6.2.1): U. */
static uint32_t usable_window(const struct tcp_conn *conn)
{
	uint32_t flight = tcp_in_flight(conn);

	return conn->snd_wnd > flight ? conn->snd_wnd - flight : 0;
}

/* What congestion control and pacing let out now. */
static uint32_t allowance(struct tcp_conn *conn)
{
	uint32_t budget = tcp_recovery_budget(conn), paced;

	if (budget < conn->smss)
		return budget;
	paced = tcp_pace_budget(conn);
	if (paced < conn->smss)
		tcp_pace_wait(conn);
	return KILN_MIN(budget, paced);
}

/*
 * How many new bytes may be sent now: the sender's side of silly window avoidance (RFC
 * 9293, 3.8.6.2.1) and Nagle's algorithm (3.7.4) where it was asked for.
 */
static uint32_t sendable(struct tcp_conn *conn)
{
	uint64_t queued = tcp_not_sent(conn);
	uint32_t usable = usable_window(conn), most = (uint32_t)KILN_MIN(queued, usable);
	bool idle = tcp_in_flight(conn) == 0;

	if (most == 0)
		return 0;
	if (most > tcp_recovery_budget(conn))
		conn->cwnd_full = true;
	uint32_t len =
	    KILN_MIN(most, conn->rack.probe_now ? conn->smss : allowance(conn));
	if (len >= conn->smss) /* whole segments, until the last */
		return len == queued ? len : len - len % conn->smss;
	if (len == queued &&
	    (conn->fin_queued || (!conn->cork && (conn->nodelay || idle))))
		return len;
	if (usable <= len && len >= conn->max_snd_wnd / 2)
		return len;
	return conn->push_small && idle ? len : 0;
}

/* Something is in flight now that was not. */
static void sent_new(struct tcp_conn *conn, uint32_t length)
{
	struct tcp_seq from = conn->snd_nxt;

	if (tcp_in_flight(conn) == 0)
		conn->progress_at = tcp_now(conn->tcp);
	conn->snd_nxt = tcp_seq_add(conn->snd_nxt, length);
	conn->snd_max = tcp_seq_max(conn->snd_max, conn->snd_nxt);
	conn->push_small = false;
	tcp_recovery_sent_new(conn, (struct tcp_range){from, conn->snd_nxt});
}

/* One segment larger than all others, if the path carries it. Until there is room for it
 * nothing else leaves. */
static bool send_larger(struct tcp_conn *conn, uint32_t len, bool *full)
{
	uint16_t mss = conn->mss;
	bool fin = false;

	if (KILN_MIN(usable_window(conn), tcp_recovery_budget(conn)) < len)
		return false;
	conn->mss = (uint16_t)(len + conn->mss - conn->smss);
	*full =
	    send_data(conn, conn->snd_nxt, &len, &fin, &conn->out.next) == KILN_ERR_FULL;
	conn->mss = mss;
	if (*full)
		return false;
	struct tcp_range range = {conn->snd_nxt, tcp_seq_add(conn->snd_nxt, len)};
	sent_new(conn, len);
	tcp_mtu_probe_sent(conn, range);
	return true;
}

/* One frame of new data. False: nothing (more) to send; *full says if only for now. */
static bool send_new(struct tcp_conn *conn, bool *full)
{
	uint32_t len = sendable(conn);
	bool fin = conn->fin_queued && !conn->fin_sent && len == tcp_not_sent(conn);

	if (len == 0 && !fin)
		return false;
	if (tcp_in_flight(conn) == 0)
		tcp_recovery_idle(conn);
	uint32_t probe = tcp_mtu_probe(conn);
	if (probe)
		return send_larger(conn, probe, full);
	*full =
	    send_data(conn, conn->snd_nxt, &len, &fin, &conn->out.next) == KILN_ERR_FULL;
	if (*full)
		return false;
	sent_new(conn, len + fin);
	conn->fin_sent |= fin;
	return true;
}

/* One frame of a range that has been sent before. */
static bool send_again(struct tcp_conn *conn, struct tcp_range range, bool *full)
{
	bool fin = conn->fin_sent && tcp_seq_eq(range.end, conn->snd_nxt);
	uint32_t len = tcp_range_size(range) - fin;

	if (!conn->resend_front) {
		uint32_t budget = allowance(conn);

		if (budget < KILN_MIN(conn->smss, len))
			return false;
		len = KILN_MIN(len, budget);
		fin = fin && len == tcp_range_size(range) - 1;
	}
	*full =
	    send_data(conn, range.start, &len, &fin, &conn->out.again) == KILN_ERR_FULL;
	if (*full)
		return false;
	range.end = tcp_seq_add(range.start, len + fin);
	tcp_mtu_resent(conn, range);
	tcp_recovery_sent_again(conn, range);
	return true;
}

/* Which clock runs while we wait for the peer: retransmission while anything is in
 * flight, the persist timer while only its window keeps us from sending. */
static void set_timers(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	kiln_time deadline = tcp_now(tcp) + tcp_rto_backed_off(conn);

	if (tcp_in_flight(conn) > 0) {
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
		if (!tcp_timer_is_set(conn, TCP_TIMER_RETRANSMIT))
			tcp_timer_set(conn, TCP_TIMER_RETRANSMIT, deadline);
		tcp_rack_set_probe(conn);
		return;
	}
	tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
	tcp_timer_clear(conn, TCP_TIMER_PROBE);
	if (tcp_not_sent(conn) == 0) {
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
	} else if (!tcp_timer_is_set(conn, TCP_TIMER_PERSIST)) {
		conn->progress_at = tcp_now(tcp);
		tcp_timer_set(conn, TCP_TIMER_PERSIST, deadline);
	}
}

/* The probe timeout has expired: a new segment whatever cwnd says, or the last one again
 * (RFC 8985, 7.3). */
static void send_probe(struct tcp_conn *conn, bool *full)
{
	struct tcp_seq last = tcp_seq_sub(conn->snd_nxt, conn->smss);
	struct tcp_range tail = {tcp_seq_max(last, conn->snd_una), conn->snd_nxt};
	bool again = !send_new(conn, full);

	if (again && !*full) {
		conn->resend_front = true;
		send_again(conn, tail, full);
		conn->resend_front = false;
	}
	if (*full)
		return;
	conn->tcp->count.probes++;
	tcp_rack_probed(conn, again);
}

/* All data that can be sent. False: the device is full. */
static bool output_data(struct tcp_conn *conn)
{
	struct tcp_range range;
	bool full = false;

	if (conn->rack.probe_now)
		send_probe(conn, &full);
	while (!full && tcp_recovery_next(conn, &range) && send_again(conn, range, &full))
		;
	while (!full && send_new(conn, &full))
		;
	return !full;
}

static bool can_output(const struct tcp_conn *conn)
{
	switch ((enum tcp_state)conn->state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_FIN_WAIT_1:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return true;
	default:
		return false;
	}
}

bool tcp_output(struct tcp_conn *conn)
{
	if (conn->state == TCP_CLOSED)
		return true;
	if (conn->state == TCP_SYN_SENT || conn->state == TCP_SYN_RECEIVED) {
		if (conn->ack_now)
			tcp_send_syn(conn);
		return !conn->fast_open || output_data(conn);
	}
	if (can_output(conn)) {
		bool done = output_data(conn);

		if (!done)
			return false;
		set_timers(conn);
	}
	/* Only a FIN is still to come, and nobody would read anything else. */
	bool rest = conn->state == TCP_FIN_WAIT_2 && !conn->has_owner;
	/* RFC 9293, 3.8.6.3: for every second segment at once. */
	if (conn->ack_now || conn->unacked_segments >= (rest ? 1 : 2)) {
		if (send_empty(conn, conn->snd_nxt, 0) == KILN_ERR_FULL)
			return false;
	}
	if (rest)
		tcp_enter_time_wait(conn);
	else if (conn->unacked_segments > 0 &&
	         !tcp_timer_is_set(conn, TCP_TIMER_DELAYED_ACK))
		tcp_timer_set(conn, TCP_TIMER_DELAYED_ACK,
		              tcp_now(conn->tcp) + TCP_DELAYED_ACK);
	return true;
}

/*
 * A byte beyond the window, which the peer must answer (RFC 9293, 3.8.6.1): the first in
 * flight, or a new one. snd_nxt does not count the new one, which will most likely be
 * refused, but snd_max does.
 */
void tcp_send_window_probe(struct tcp_conn *conn)
{
	uint32_t len = 1;
	bool fin = false;

	if (tcp_in_flight(conn) == 0 && tcp_not_sent(conn) == 0)
		return;
	if (tcp_in_flight(conn) == 1 && conn->fin_sent)
		len = 0, fin = true; /* all but the FIN is acknowledged */
	struct tcp_mark *mark = tcp_in_flight(conn) ? &conn->out.again : &conn->out.next;
	if (send_data(conn, conn->snd_una, &len, &fin, mark) == KILN_ERR_FULL)
		return;
	conn->snd_max = tcp_seq_max(conn->snd_max, tcp_seq_add(conn->snd_una, 1));
}
