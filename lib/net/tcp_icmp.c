/*
 * ICMP errors about our segments. They are hints from anybody (RFC 5927): one counts only
 * if it quotes a sequence number that is in flight. Each ends an attempt to connect, none a
 * connection that is established (RFC 5461, RFC 9293 3.9.2.2). "Too big" lowers the segment size.
 */
#include "tcp_private.h"

enum { QUOTED_BYTES = 8 };

static void too_big(struct tcp_conn *conn, uint32_t mtu)
{
	uint32_t path = tcp_path_mss(conn->tcp, &conn->flow.tuple.remote);
	uint32_t told = mtu > TCP_HEADER_SIZE ? mtu - TCP_HEADER_SIZE : 0;
	uint32_t mss = KILN_MAX(KILN_MIN(path, told), TCP_PATH_MSS_MIN);

	if (mss >= conn->mss || conn->state < TCP_ESTABLISHED)
		return;
	tcp_mtu_told(conn, mss);
	/* What was too large is lost, though not to congestion (RFC 1191, 6.5). */
	tcp_recovery_resend(conn);
	tcp_pend(conn);
}

static void refused(struct tcp_conn *conn, enum kiln_error why)
{
	/* Whoever opens a connection can try another address at once (RFC 5461, 4). */
	if (conn->state == TCP_SYN_SENT) {
		tcp_conn_end(conn, why);
		return;
	}
	conn->soft_error = (uint8_t)why;
}

bool tcp_icmp_error(void *transport, const struct net_error *error)
{
	struct tcp *tcp = transport;
	struct cursor c = cursor_of(error->payload);
	struct tcp_tuple tuple = {.remote = error->dst, .local = error->src};

	if (error->payload.len < QUOTED_BYTES)
		return false;
	tuple.local_port = cursor_u16(&c);
	tuple.remote_port = cursor_u16(&c);
	struct tcp_seq seq = tcp_seq_of(cursor_u32(&c));
	struct tcp_flow *flow = tcp_flow_find(tcp, &tuple);
	if (!flow || flow->kind != TCP_FLOW_CONN)
		return false;
	struct tcp_conn *conn = kiln_container(flow, struct tcp_conn, flow);
	if (tcp_seq_lt(seq, conn->snd_una) || tcp_seq_ge(seq, conn->snd_max))
		return false;
	conn->icmp_type = error->type;
	conn->icmp_code = error->code;
	switch (error->kind) {
	case NET_ERROR_TOO_BIG:
		too_big(conn, error->mtu);
		break;
	case NET_ERROR_PROTOCOL:
		refused(conn, KILN_ERR_REFUSED);
		break;
	case NET_ERROR_NET:
	case NET_ERROR_PROHIBITED:
	case NET_ERROR_TTL:
		refused(conn, KILN_ERR_UNREACHABLE);
		break;
	}
	return true;
}
