/*
 * What BSD sockets need of TCP beyond <kiln/tcp.h>, for the target that offers them
 * (target/door). An image that does not call these has none of them.
 */
#ifndef NET_TCP_SOCKET_H
#define NET_TCP_SOCKET_H

#include "tcp_private.h"

/* To what a listener listens, and what its connections begin with. */
struct tcp_listen_options {
	struct endpoint local;  /* the address as struct tcp_listener has it */
	bool ip6_only;          /* zeroed, it is all of IPv6 alone */
	uint16_t mss_most;      /* 0: as the path allows */
	uint32_t receive_limit; /* 0: the stack's default */
};

/* As tcp_listen; whether the port may be shared is for the caller to know.
 * Errors: IN_USE (the same address and port), MEMORY. */
KILN_MUST_CHECK enum kiln_error
tcp_listen_on(struct tcp *tcp, const struct tcp_listen_options *options,
              bool (*accepted)(struct tcp_conn *conn, void *context), void *context,
              struct tcp_listener **listener);
/* While it is paused, what would begin or complete a handshake is dropped as if the network
 * had lost it: the peer tries again. */
void tcp_listener_pause(struct tcp_listener *listener, bool paused);

/* As tcp_connect, from an endpoint of ours; zeroed parts of it are chosen. */
KILN_MUST_CHECK enum kiln_error tcp_connect_from(struct tcp *tcp,
                                                 const struct endpoint *from,
                                                 const struct endpoint *to,
                                                 const struct tcp_events *events,
                                                 void *user, struct tcp_conn **conn);
/* Whether any flow, in TIME-WAIT even, has the local port. */
bool tcp_port_is_used(const struct tcp *tcp, uint16_t port);

/* The largest segment, either way: counts for what is agreed on if it is set before the
 * handshake. */
void tcp_limit_mss(struct tcp_conn *conn, uint16_t mss);

#endif
