/*
 * What BSD sockets need of TCP beyond <kiln/tcp.h>, for the target that offers them
 * (target/door). An image that does not call these has none of them.
 */
#ifndef NET_TCP_SOCKET_H
#define NET_TCP_SOCKET_H

#include <kiln/tcp.h>

/* To what a listener listens, and what its connections begin with. */
struct tcp_listen_options {
	struct endpoint local;  /* the address as struct tcp_listener has it */
	bool ip6_only;          /* zeroed, it is all of IPv6 alone */
	uint16_t mss_most;      /* 0: as the path allows */
	uint32_t receive_limit; /* 0: the stack's default */
	uint8_t tos, ttl;       /* of packets; 0: the default */
	/* SYNs with data are taken, where the stack is configured for that. */
	bool fast_open;
	/* The client is not accepted until it sends data, or so many SYN-ACKs were sent again. */
	uint8_t defer;
};

/* As tcp_listen; whether the port may be shared is for the caller to know.
 * Errors: IN_USE (the same address and port), MEMORY. */
KILN_MUST_CHECK enum kiln_error tcp_listen_on(
    struct tcp *tcp, const struct tcp_listen_options *options,
    bool (*accepted)(struct tcp_conn *conn, void *context), void *context,
    struct tcp_listener **listener);
/* While it is paused, what would begin or complete a handshake is dropped as if the network
 * had lost it: the peer tries again. */
void tcp_listener_pause(struct tcp_listener *listener, bool paused);
/* All but the address, for connections from here on. */
void tcp_listener_configure(struct tcp_listener *listener,
                            const struct tcp_listen_options *options);

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

/* Of all packets from here on: the type of service but for the bits of ECN, and the TTL or
 * hop limit; 0: the default. */
void tcp_set_service(struct tcp_conn *conn, uint8_t tos, uint8_t ttl);
/* Acknowledges at once, what is owed and the next segments; or delays, as is usual. */
void tcp_set_quick_ack(struct tcp_conn *conn, bool on);

/* The last ICMP error about it that has not been taken yet; false: there is none. */
bool tcp_take_icmp_error(struct tcp_conn *conn, uint8_t *type, uint8_t *code);

/* The unread bytes behind the first `offset` ones, as far as they lie in one piece. */
struct slice tcp_peek_at(const struct tcp_conn *conn, size_t offset);
/* While it is on, only whole segments leave, or what has waited for a retransmission
 * timeout. */
void tcp_set_cork(struct tcp_conn *conn, bool on);

/* The states as Linux numbers them (enum in <netinet/tcp.h>). */
enum tcp_fact_state {
	TCP_FACT_ESTABLISHED = 1,
	TCP_FACT_SYN_SENT,
	TCP_FACT_SYN_RECEIVED,
	TCP_FACT_FIN_WAIT_1,
	TCP_FACT_FIN_WAIT_2,
	TCP_FACT_TIME_WAIT,
	TCP_FACT_CLOSED,
	TCP_FACT_CLOSE_WAIT,
	TCP_FACT_LAST_ACK,
	TCP_FACT_LISTEN,
	TCP_FACT_CLOSING,
};

/* For struct tcp_config: has connections count what tcp_facts tells since their start, and
 * acknowledge quickly, as Linux does: each of the first segments with data, and of those
 * after a pause, is at once, until one is answered by data. */
extern const struct tcp_observer tcp_socket_observer;

/* What is known of a connection. Windows and amounts in bytes. */
struct tcp_facts {
	enum tcp_fact_state state;
	bool has_timestamps, has_sack, has_window_scale; /* agreed on */
	uint8_t snd_wscale, rcv_wscale;
	bool peer_closed; /* its FIN has come */
	bool in_recovery, in_loss;
	uint8_t timeouts, backoff;    /* in a row; doublings of rto */
	uint8_t probes;               /* of the window or keep-alive, not answered */
	uint8_t icmp_type, icmp_code; /* the last error about it; 0: none */
	uint32_t smss;                /* data in a segment */
	uint32_t mss_offered;
	uint32_t path_mtu; /* for the segment and its header */
	uint32_t cwnd, ssthresh, in_flight, sacked, unsent;
	uint32_t lost, resent; /* of those in flight */
	uint32_t send_window, receive_window, receive_limit;
	uint64_t acked, received, sent, sent_again; /* since the start */
	kiln_time srtt, rttvar, rto, min_rtt, receive_rtt;
	kiln_time last_sent_at, heard_at, data_heard_at;
	bool has_ecn, reordered, quick_acks;
	/* Segments: all, those with data, sent again; arrived at the peer, of these by ACKs
	 * with ECE; reported to have come twice. */
	uint32_t segments_in, data_in, segments_out, data_out, again;
	uint32_t delivered, marked, twice;
	const char *congestion;
};
void tcp_facts(const struct tcp_conn *conn, struct tcp_facts *facts);

#endif
