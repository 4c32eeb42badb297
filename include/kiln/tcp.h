/*
 * TCP (RFC 9293) with 7323, 2018, 2883, 8985, 9937, 6582, 9438, 9406, 3168, 6298, 5961, 4987,
 * 6528, 6191, 1337, 7413, 4821.
 *
 * Event driven: a connection has an owner that is told when something can be done, and
 * then does as much as it wants. All calls return at once. Segments go out when the
 * loop's iteration ends, so that what an owner writes in several calls leaves together
 * and carries the acknowledgement.
 *
 *	static void ready(struct tcp_conn *c, void *user)
 *	{
 *		struct slice s = tcp_peek(c);
 *		...
 *		tcp_consume(c, n);
 *	}
 *
 * Received bytes lie in the device's frame while the callback runs: tcp_peek shows them
 * there. What is not consumed by its return is copied into the connection's own buffer,
 * within its window. Bytes to send are copied once (tcp_send) or not at all
 * (tcp_send_static, for content that never goes away).
 *
 * All memory is taken at start, and what runs out refuses the newest: a SYN that finds no
 * room for a connection is dropped, to be sent again; half-open connections give way to SYN
 * cookies; bytes that find no chunk are not acknowledged, or not taken from the owner, who
 * is called when there is room. One connection holds a quarter of what is free at most.
 * Those that their owner has closed and that are still delivering are half of all at most,
 * and the oldest is reset for the newest; so is the oldest in TIME-WAIT forgotten, which a
 * later SYN of the same peer takes over as well (RFC 6191).
 */
#ifndef KILN_TCP_H
#define KILN_TCP_H

#include <kiln/memory.h>
#include <kiln/net.h>

struct tcp;
struct tcp_conn;
struct tcp_listener;
struct tcp_congestion;
struct tcp_fast_open;
struct tcp_observer;

/*
 * What the owner of a connection is told. Each is called from the event loop, never from
 * within a call that the owner makes. After `closed`, or after the owner's own tcp_close
 * or tcp_abort, nothing more is called and the connection must not be used.
 */
struct tcp_events {
	/* Something changed: bytes to read, room to send, established, or end of stream.
	 * Ask with tcp_peek, tcp_at_end, tcp_send_room. */
	void (*ready)(struct tcp_conn *conn, void *user);
	/* The connection is gone by no doing of the owner: RESET, TIMEOUT, REFUSED,
	 * UNREACHABLE. What it had received can still be read, during this call. */
	void (*closed)(struct tcp_conn *conn, void *user, enum kiln_error why);
};

enum tcp_ecn { /* RFC 3168 */
	TCP_ECN_ANSWER, /* agreed to when the peer asks for it */
	TCP_ECN_OFF,
	TCP_ECN_ASK, /* asked for as well when a connection is opened */
};

/* What a stack's TCP does. Zeroed: the defaults, which suit an appliance. On `host` the
 * host's own TCP is beneath, with its settings. */
struct tcp_config {
	bool no_timestamps;      /* neither offered nor agreed to (RFC 7323, 3) */
	bool no_sack;            /* (RFC 2018) */
	bool no_window_scaling;  /* (RFC 7323, 2) */
	uint32_t initial_window; /* in segments; 0: 10 (RFC 6928) */
	size_t memory;           /* of the image's, for connections and bytes; 0: 11 of 16 parts */
	const struct tcp_congestion *congestion; /* <kiln/tcp_congestion.h>; NULL: CUBIC */
	enum tcp_ecn ecn;
	/* A window leaves over the round trip, not as acknowledgements come. Spares short queues
	 * on the path, for a timer each ms while it holds something back. */
	bool pacing;
	/* &tcp_fast_open: who connects again may send its request in the SYN (RFC 7413), and
	 * `accepted` is called before the handshake is over. A SYN that is repeated can have
	 * its data delivered twice, in two connections: for requests that bear it. NULL: off. */
	const struct tcp_fast_open *fast_open;
	uint32_t fast_open_pending; /* connections at once that are so early; 0: 64 */
	const struct tcp_observer *observer; /* for targets with sockets; NULL: none */
};

extern const struct tcp_fast_open tcp_fast_open;

struct tcp *tcp_new(struct net *net);
/* The configuration is copied. */
struct tcp *tcp_new_with(struct net *net, const struct tcp_config *config);
/* The context it was made in: for servers that are handed a struct tcp only. */
struct kiln *tcp_kiln(const struct tcp *tcp);
/* The TCP that a connection belongs to. */
struct tcp *tcp_of(const struct tcp_conn *conn);
/* For what an owner keeps of each connection: objects that lie in the memory that TCP has for
 * connections, and with them are as many as that holds. */
void tcp_slab_pool(struct tcp *tcp, struct slab_pool *pool, size_t size);

/*
 * Accepts connections on a port. `accepted` is called for each one that is established;
 * it calls tcp_own, or returns false to refuse (the peer gets a reset).
 * Errors: IN_USE, MEMORY.
 */
KILN_MUST_CHECK enum kiln_error
tcp_listen(struct tcp *tcp, uint16_t port,
	   bool (*accepted)(struct tcp_conn *conn, void *context), void *context,
	   struct tcp_listener **listener);
/* No more connections; those there are go on. */
void tcp_unlisten(struct tcp_listener *listener);
uint16_t tcp_listener_port(const struct tcp_listener *listener);

/* Opens a connection, owned from the start; `ready` is called when it is established.
 * Errors: MEMORY, UNREACHABLE, IN_USE (no free port). */
KILN_MUST_CHECK enum kiln_error tcp_connect(struct tcp *tcp, const struct endpoint *to,
					    const struct tcp_events *events, void *user,
					    struct tcp_conn **conn);

/* Makes the caller the owner; may be called again to hand the connection over. */
void tcp_own(struct tcp_conn *conn, const struct tcp_events *events, void *user);
/* Has `ready` called again, later in this iteration. */
void tcp_wake(struct tcp_conn *conn);

/* ---- receiving ---- */

/* The next unread bytes, as far as they lie in one piece; empty if there are none. Valid
 * until the next tcp_consume or the callback's return. */
struct slice tcp_peek(struct tcp_conn *conn);
/* Bytes that can be read now, over all pieces. */
size_t tcp_unread(const struct tcp_conn *conn);
/* Done with the first n bytes; n is at most tcp_unread. Opens the window again. */
void tcp_consume(struct tcp_conn *conn, size_t n);
/* Copies up to `size` bytes out and consumes them; returns how many. */
size_t tcp_read(struct tcp_conn *conn, void *out, size_t size);
/* True once the peer has closed its side and all its bytes are consumed. */
bool tcp_at_end(const struct tcp_conn *conn);

/* ---- sending ---- */

/* True from the handshake's end until this side is shut down. */
bool tcp_can_send(const struct tcp_conn *conn);
/* Bytes that tcp_send would take now. tcp_send_static does not count against it. */
size_t tcp_send_room(const struct tcp_conn *conn);
/* Queues up to s.len bytes, copied; returns how many were taken: fewer when the
 * connection's or the image's budget is used up; `ready` is called when there is room. */
size_t tcp_send(struct tcp_conn *conn, struct slice s);
/* Queues all of s by reference; s must never change or go away. False if the queue of
 * references is full (`ready` is called when it is not). */
bool tcp_send_static(struct tcp_conn *conn, struct slice s);
/* Bytes queued and not yet acknowledged by the peer. */
size_t tcp_unsent(const struct tcp_conn *conn);

/* ---- ending ---- */

/* No more bytes from this side: a FIN follows what is queued. Reading goes on. */
void tcp_shutdown(struct tcp_conn *conn);
/* The owner is done: queued bytes and a FIN are still delivered in the background. If
 * bytes are unread or arrive later the peer is reset (RFC 9293, 3.10.4;
 * 1122, 4.2.2.13). */
void tcp_close(struct tcp_conn *conn);
/* Resets the connection now. */
void tcp_abort(struct tcp_conn *conn);

/* ---- settings and facts ---- */

/* RFC 5482; default: 3 min. */
void tcp_set_user_timeout(struct tcp_conn *conn, kiln_time timeout);
void tcp_set_keepalive(struct tcp_conn *conn, kiln_time idle, kiln_time interval,
		       unsigned probes);
/* Default: on; writes are joined anyway. */
void tcp_set_nodelay(struct tcp_conn *conn, bool on);
/* Another controller (<kiln/tcp_congestion.h>) from here on, with the windows there are. */
void tcp_set_congestion(struct tcp_conn *conn, const struct tcp_congestion *congestion);
/* Of unread bytes held. By default it is tuned: it starts with up to 64 KB and grows to
 * twice what is read in a round trip, up to a quarter of TCP's memory. */
void tcp_set_receive_limit(struct tcp_conn *conn, size_t bytes);

struct endpoint tcp_local(const struct tcp_conn *conn);
struct endpoint tcp_remote(const struct tcp_conn *conn);
/* "ESTABLISHED", as RFC 9293 names it. */
const char *tcp_state_text(const struct tcp_conn *conn);

struct tcp_counters {
	uint64_t segments_in, segments_out, bytes_in, bytes_out;
	uint64_t opened_active, opened_passive, refused, resets_in, resets_out;
	uint64_t retransmits, fast_retransmits, timeouts, duplicate_acks;
	uint64_t probes; /* of the tail (RFC 8985, 7) */
	uint64_t marks_in, ecn_reductions; /* CE that came; reactions to the peer's ECE */
	uint64_t undone; /* reductions of the window that proved to be for nothing */
	uint64_t drop_checksum, drop_header, drop_window, drop_no_memory;
	uint64_t cookies_sent, cookies_good, cookies_bad, challenge_acks;
	/* Fast Open: cookies sent; SYNs whose data was taken, whose cookie was wrong, that
	 * came while too many were pending. */
	uint64_t fast_open_cookies, fast_opens, fast_opens_bad, fast_opens_refused;
	uint64_t mtu_probes, black_holes; /* RFC 4821 */
	uint32_t conns, half_open, time_wait, conns_most;
	uint32_t conn_bytes; /* memory of an idle connection, without buffers */
};
void tcp_counters(const struct tcp *tcp, struct tcp_counters *counters);

#endif
