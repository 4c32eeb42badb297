/*
 * What BSD sockets need of TCP: see tcp_socket.h.
 */
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

static bool is_any(const struct ip_addr *addr)
{
	return ip_equal(addr, &(struct ip_addr){{0}}) ||
	       (ip_is4(addr) && ip4_value(ip_to4(addr)) == 0);
}

enum kiln_error tcp_connect_from(struct tcp *tcp, const struct endpoint *from,
                                 const struct endpoint *to,
                                 const struct tcp_events *events, void *user,
                                 struct tcp_conn **conn)
{
	struct tcp_tuple tuple = {to->addr, from->addr, to->port, from->port};

	if (is_any(&from->addr) && !net_source(tcp->net, &to->addr, &tuple.local))
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
