/*
 * What BSD sockets need of TCP: see tcp_socket.h.
 */
#include "local.h"
#include "tcp_private.h"
#include "tcp_socket.h"

static struct tcp_service service_of(uint8_t tos, uint8_t ttl)
{
	return (struct tcp_service){tos & (uint8_t)~IP_ECN_CE, ttl};
}

enum kiln_error tcp_listen_on(struct tcp *tcp, const struct tcp_listen_options *options,
                              bool (*accepted)(struct tcp_conn *conn, void *context),
                              void *context, struct tcp_listener **result)
{
	struct tcp_listener *listener;

	for (unsigned i = 0; i < TCP_LISTENERS; i++) {
		listener = &tcp->listeners[i];
		if (listener->port == options->local.port &&
		    ip_equal(&listener->local, &options->local.addr))
			return KILN_ERR_IN_USE;
	}
	listener = tcp_listener_new(tcp, options->local.port, accepted, context);
	if (!listener)
		return KILN_ERR_MEMORY;
	listener->local = options->local.addr;
	listener->ip6_only = options->ip6_only;
	tcp_listener_configure(listener, options);
	*result = listener;
	return KILN_OK;
}

void tcp_listener_configure(struct tcp_listener *listener,
                            const struct tcp_listen_options *options)
{
	if (options->mss_most)
		listener->mss_most = options->mss_most;
	if (options->receive_limit) {
		listener->receive_limit = options->receive_limit;
		listener->receive_limit_set = true;
	}
	listener->service = service_of(options->tos, options->ttl);
	listener->no_fast_open = !options->fast_open;
	listener->defer = options->defer;
}

void tcp_listener_pause(struct tcp_listener *listener, bool paused)
{
	listener->paused = paused;
}

enum kiln_error tcp_connect_from(struct tcp *tcp, const struct endpoint *from,
                                 const struct endpoint *to,
                                 const struct tcp_events *events, void *user,
                                 struct tcp_conn **conn)
{
	struct tcp_tuple tuple = {to->addr, from->addr, to->port, from->port};

	if (local_is_any(&from->addr) && !net_source(tcp->net, &to->addr, &tuple.local))
		return KILN_ERR_UNREACHABLE;
	if (from->port ? tcp_flow_find(tcp, &tuple) != NULL
	               : !tcp_choose_port(tcp, &tuple))
		return KILN_ERR_IN_USE;
	return tcp_open(tcp, &tuple, events, user, conn);
}

bool tcp_port_is_used(const struct tcp *tcp, uint16_t port)
{
	for (uint32_t i = 0; i <= tcp->table_mask; i++) {
		for (const struct tcp_flow *flow = tcp->table[i]; flow; flow = flow->next)
			if (flow->tuple.local_port == port)
				return true;
	}
	return false;
}

void tcp_limit_mss(struct tcp_conn *conn, uint16_t mss)
{
	conn->mss_most = mss ? mss : UINT16_MAX;
	tcp_set_mss(conn, tcp_path_mss(conn->tcp, &conn->flow.tuple.remote));
}

struct slice tcp_peek_at(const struct tcp_conn *conn, size_t offset)
{
	for (const struct tcp_run *run = conn->in.head; run; run = run->next) {
		size_t size = (size_t)(run->end - run->start);

		if (offset < size)
			return slice_of(run->bytes + run->start + offset, size - offset);
		offset -= size;
	}
	return slice_skip(conn->in.inflight, offset);
}

void tcp_set_cork(struct tcp_conn *conn, bool on)
{
	conn->cork = on;
	tcp_pend(conn);
}

void tcp_set_service(struct tcp_conn *conn, uint8_t tos, uint8_t ttl)
{
	conn->service = service_of(tos, ttl);
}

bool tcp_take_icmp_error(struct tcp_conn *conn, uint8_t *type, uint8_t *code)
{
	*type = conn->icmp_type;
	*code = conn->icmp_code;
	conn->icmp_type = 0;
	return *type != 0;
}

void tcp_set_quick_ack(struct tcp_conn *conn, bool on)
{
	conn->quick_acks = on ? TCP_QUICK_ACKS : 0;
	if (!on || conn->unacked_segments == 0)
		return;
	conn->ack_now = true;
	tcp_pend(conn);
}

/* ---- what is counted ---- */

static uint32_t segments(size_t size, uint32_t each)
{
	return each ? (uint32_t)((size + each - 1) / each) : 1;
}

/* Who answers what it gets carries ACKs with that, so they can wait. */
static void sent(struct tcp_conn *conn, uint16_t gso_size)
{
	uint32_t size = conn->tcp->frame.frag_bytes;

	conn->tally.out += segments(size, gso_size);
	if (size == 0)
		return;
	conn->tally.data_out += segments(size, gso_size);
	if (tcp_now(conn->tcp) - conn->data_heard_at < TCP_DELAYED_ACK)
		conn->quick_acks = 0;
}

static void sent_again(struct tcp_conn *conn, uint32_t size)
{
	conn->tally.again += segments(size, conn->smss);
	conn->tally.bytes_again += size;
}

static void received(struct tcp_conn *conn, size_t size, uint16_t gso_size)
{
	kiln_time now = tcp_now(conn->tcp);

	conn->tally.data_in += segments(size, gso_size);
	if (now - conn->data_heard_at > conn->rto)
		conn->quick_acks = TCP_QUICK_ACKS;
	conn->data_heard_at = now;
	if (conn->quick_acks == 0)
		return;
	conn->quick_acks--;
	conn->ack_now = true;
}

static void acked(struct tcp_conn *conn, const struct tcp_news *news)
{
	uint32_t delivered = segments(news->delivered, conn->smss);

	conn->tally.delivered += delivered;
	conn->tally.marked += news->marked ? delivered : 0;
	conn->tally.twice += news->twice;
}

const struct tcp_observer tcp_socket_observer = {sent, sent_again, received, acked};

static enum tcp_fact_state fact_state(const struct tcp_conn *conn)
{
	static const uint8_t states[TCP_STATES] = {
	    [TCP_CLOSED] = TCP_FACT_CLOSED,
	    [TCP_SYN_SENT] = TCP_FACT_SYN_SENT,
	    [TCP_SYN_RECEIVED] = TCP_FACT_SYN_RECEIVED,
	    [TCP_ESTABLISHED] = TCP_FACT_ESTABLISHED,
	    [TCP_FIN_WAIT_1] = TCP_FACT_FIN_WAIT_1,
	    [TCP_FIN_WAIT_2] = TCP_FACT_FIN_WAIT_2,
	    [TCP_CLOSE_WAIT] = TCP_FACT_CLOSE_WAIT,
	    [TCP_CLOSING] = TCP_FACT_CLOSING,
	    [TCP_LAST_ACK] = TCP_FACT_LAST_ACK,
	    [TCP_TIME_WAIT] = TCP_FACT_TIME_WAIT,
	};

	return states[conn->state];
}

/* Bytes that have been sent again and are not known to have arrived. */
static uint32_t resent(const struct tcp_conn *conn)
{
	uint32_t bytes = 0;

	for (const struct tcp_sent *sent = conn->flight.head; sent; sent = sent->next)
		bytes +=
		    sent->again ? tcp_scoreboard_missing(&conn->sacked, sent->range) : 0;
	return bytes;
}

static void tell_tally(const struct tcp_conn *conn, struct tcp_facts *facts)
{
	const struct tcp_tally *tally = &conn->tally;
	uint32_t data_out = tcp_in_flight(conn) - conn->fin_sent;

	facts->segments_in = tally->in;
	facts->data_in = tally->data_in;
	facts->segments_out = tally->out;
	facts->data_out = tally->data_out;
	facts->again = tally->again;
	facts->delivered = tally->delivered;
	facts->marked = tally->marked;
	facts->twice = tally->twice;
	if (conn->state == TCP_SYN_RECEIVED || tcp_seq_eq(conn->rcv_nxt, conn->irs))
		return;     /* it never was established */
	facts->delivered++; /* the SYN */
	facts->acked = conn->out.start;
	facts->sent_again = tally->bytes_again;
	facts->sent = facts->acked + data_out + facts->sent_again;
	facts->received = tcp_seq_diff(conn->rcv_nxt, conn->irs) - 1 - conn->fin_received;
}

void tcp_facts(const struct tcp_conn *conn, struct tcp_facts *facts)
{
	uint32_t path_mss = tcp_path_mss(conn->tcp, &conn->flow.tuple.remote);
	bool persists = tcp_timer_is_set(conn, TCP_TIMER_PERSIST);

	*facts = (struct tcp_facts){
	    .state = fact_state(conn),
	    .has_timestamps = conn->has_timestamps,
	    .has_sack = conn->has_sack,
	    .has_window_scale = conn->rcv_wscale || conn->snd_wscale,
	    .snd_wscale = conn->snd_wscale,
	    .rcv_wscale = conn->rcv_wscale,
	    .peer_closed = conn->fin_received,
	    .in_recovery = conn->phase == TCP_FAST_RECOVERY,
	    .in_loss = conn->phase == TCP_LOSS,
	    .timeouts = persists ? 0 : conn->timeouts,
	    .probes = persists ? conn->timeouts : conn->keepalive_sent,
	    .backoff = conn->backoff,
	    .icmp_type = conn->icmp_type,
	    .icmp_code = conn->icmp_code,
	    .smss = conn->smss,
	    .mss_offered = KILN_MIN(path_mss, conn->mss_most),
	    .path_mtu = path_mss + TCP_HEADER_SIZE,
	    .cwnd = conn->cc.cwnd,
	    .ssthresh = conn->cc.ssthresh,
	    .in_flight = tcp_in_flight(conn),
	    .sacked = conn->sacked.bytes,
	    .lost = conn->lost.bytes,
	    .resent = resent(conn),
	    .unsent = (uint32_t)tcp_not_sent(conn),
	    .send_window = conn->snd_wnd,
	    .receive_window =
	        tcp_range_size((struct tcp_range){conn->rcv_nxt, conn->rcv_adv}),
	    .receive_limit = conn->receive_limit,
	    .srtt = conn->srtt,
	    .rttvar = conn->rttvar,
	    .rto = conn->rto,
	    .min_rtt = conn->rack.min_rtt,
	    .receive_rtt = conn->tuning.rtt,
	    .has_ecn = conn->has_ecn,
	    .reordered = conn->rack.reordering,
	    .quick_acks = conn->quick_acks > 0,
	    .data_heard_at = conn->data_heard_at,
	    .last_sent_at = conn->last_sent_at,
	    .heard_at = conn->heard_at,
	    .congestion = conn->congestion->name,
	};
	tell_tally(conn, facts);
}
