/*
 * What BSD sockets need of TCP: see tcp_socket.h.
 */
#include "local.h"
#include "tcp_private.h"
#include "tcp_socket.h"

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
	if (options->mss_most)
		listener->mss_most = options->mss_most;
	if (options->receive_limit) {
		listener->receive_limit = options->receive_limit;
		listener->receive_limit_set = true;
	}
	*result = listener;
	return KILN_OK;
}

void tcp_listener_pause(struct tcp_listener *listener, bool paused)
{
	listener->paused = paused;
}

void tcp_listener_fast_open(struct tcp_listener *listener, bool on)
{
	listener->no_fast_open = !on;
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

void tcp_facts(const struct tcp_conn *conn, struct tcp_facts *facts)
{
	uint32_t path_mss = tcp_path_mss(conn->tcp, &conn->flow.tuple.remote);

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
	    .timeouts = conn->timeouts,
	    .backoff = conn->backoff,
	    .keepalive_sent = conn->keepalive_sent,
	    .icmp_type = conn->icmp_type,
	    .icmp_code = conn->icmp_code,
	    .smss = conn->smss,
	    .mss_offered = KILN_MIN(path_mss, conn->mss_most),
	    .path_mtu = path_mss + TCP_HEADER_SIZE,
	    .cwnd = conn->cc.cwnd,
	    .ssthresh = conn->cc.ssthresh,
	    .in_flight = tcp_in_flight(conn),
	    .sacked = conn->sacked.bytes,
	    .unsent = (uint32_t)tcp_not_sent(conn),
	    .send_window = conn->snd_wnd,
	    .receive_window =
	        tcp_range_size((struct tcp_range){conn->rcv_nxt, conn->rcv_adv}),
	    .receive_limit = conn->receive_limit,
	    .srtt = conn->srtt,
	    .rttvar = conn->rttvar,
	    .rto = conn->rto,
	    .last_sent_at = conn->last_sent_at,
	    .heard_at = conn->heard_at,
	    .congestion = conn->congestion->name,
	};
}
