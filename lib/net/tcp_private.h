/*
 * The inside of TCP: its structs, and what its files call of each other.
 *
 *	tcp.c             the constructor, the table of flows, the deferred work
 *	tcp_wire.c        the header (pure)
 *	tcp_input.c       a segment arrives: RFC 9293, 3.10.7, in its order
 *	tcp_listen.c      SYNs: half-open connections, the third ACK
 *	tcp_cookie.c      SYN cookies;  tcp_isn.c  initial sequence numbers
 *	tcp_fast_open.c   data in the SYN
 *	tcp_time_wait.c   what is left of a connection in TIME-WAIT
 *	tcp_ack.c         an acknowledgement: send window, round-trip time
 *	tcp_pace.c        a window over the round trip, not at once
 *	tcp_ecn.c         congestion notification by routers
 *	tcp_flight.c      what is in flight, and since when
 *	tcp_rack.c        what is lost, by time; probes of the tail
 *	tcp_recovery.c    loss recovery; congestion control by a controller:
 *	tcp_cubic.c, tcp_hystart.c; tcp_newreno.c
 *	tcp_repair.c      what a connection has only meanwhile
 *	tcp_scoreboard.c  which bytes the peer has reported by SACK (pure)
 *	tcp_output.c      what to send now
 *	tcp_send.c        the queue of bytes to send
 *	tcp_receive.c     bytes received: in place, in order, out of order
 *	tcp_tuning.c      how much may be held each way
 *	tcp_mtu.c         how large a segment the path carries
 *	tcp_timer.c       the clocks of a connection
 *	tcp_icmp.c        ICMP errors
 *	tcp_user.c        the calls of <kiln/tcp.h>
 *
 * Ownership: everything hangs off struct tcp, whose pools were made once. A connection
 *that ends is unhooked from all lists at once, but its memory goes back to the pool only
 *when the deferred work has run: code that calls an owner may look at conn->state
 *afterwards and finds TCP_CLOSED, never freed memory.
 *
 * Fields have the names of RFC 9293, 3.3.1, and of the RFC that defines them.
 */
#ifndef NET_TCP_PRIVATE_H
#define NET_TCP_PRIVATE_H

#include <kiln/tcp.h>
#include <kiln/tcp_congestion.h>
#include "stack.h"
#include "tcp_bytes.h"
#include "tcp_scoreboard.h"
#include "tcp_seq.h"
#include "tcp_wire.h"

/* ---- constants ---- */

#define TCP_RTO_INITIAL    KILN_SECONDS(1) /* RFC 6298, 2.1 */
#define TCP_RTO_AFTER_SYN  KILN_SECONDS(3) /* RFC 6298, 5.7 */
#define TCP_RTO_MIN        KILN_MS(200)    /* less than its 1 s, as is general practice */
#define TCP_RTO_MAX        KILN_SECONDS(60) /* RFC 6298, 2.5 */
#define TCP_DELAYED_ACK    KILN_MS(40)      /* RFC 9293, 3.8.6.3: less than 500 ms */
#define TCP_TIME_WAIT_TIME KILN_SECONDS(60) /* 2 MSL, with MSL 30 s as is practice */
/* For a SYN at least 3 minutes, for data 100 s (RFC 9293, 3.8.3, MUST-23, SHLD-11). */
#define TCP_USER_TIMEOUT  KILN_SECONDS(180)
#define TCP_CHALLENGE_GAP KILN_MS(500) /* between unasked ACKs of one connection */
#define TCP_PAWS_IDLE     KILN_SECONDS(24 * 86400) /* RFC 7323, 5.5 */
#define TCP_SYN_ACK_RTO   KILN_SECONDS(1)
#define TCP_DEVICE_RETRY  KILN_MS(1)

enum {
	TCP_MSS_DEFAULT = 536,      /* RFC 9293, 3.7.1: the peer sent no MSS option, */
	TCP_MSS_DEFAULT_IP6 = 1220, /* and by IPv6 */
	TCP_MSS_MIN = 64,           /* a peer's smaller one is raised to this */
	TCP_PATH_MSS_MIN = 512,
	TCP_INITIAL_SEGMENTS = 10, /* RFC 6928 */
	TCP_DUP_THRESH = 3,
	TCP_REPAIR_RANGES = 48, /* of each scoreboard */
	TCP_LISTENERS = 16,
	TCP_SYN_ACK_TRIES =
	    5,                /* SYN-ACKs sent before a half-open one is given up: 31 s */
	TCP_PIECES_MAX = 256, /* references queued by one connection */
	TCP_PIECES_LEAST = 4, /* that it may have, however many others hold */
	TCP_SHARE = 4,        /* a connection may take that part of what is left */
	TCP_QUICK_ACKS = 16,  /* as Linux has it */
	TCP_WORTH_A_CALL = CHUNK_SIZE, /* room for an owner that was refused */
	TCP_WINDOW_MAX = TCP_SSTHRESH_NONE,
	TCP_CHALLENGES = 1000, /* challenge ACKs a second, of all connections: about */
};

/* RFC 9293, figure 5. LISTEN is a struct tcp_listener, SYN-RECEIVED after LISTEN is a
 * struct tcp_half, and FIN-WAIT-2 and TIME-WAIT without an owner a struct tcp_time_wait. */
enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
	TCP_STATES
};

/* ---- the table of flows ---- */

/* What tells a connection from all others; hashed as bytes, so without padding. */
struct tcp_tuple {
	struct ip_addr remote, local;
	uint16_t remote_port, local_port;
};
_Static_assert(sizeof(struct tcp_tuple) == 36, "hashed as bytes");

enum tcp_flow_kind { TCP_FLOW_CONN, TCP_FLOW_HALF, TCP_FLOW_TIME_WAIT };

/* The head of each struct that segments are looked up for. */
struct tcp_flow {
	struct tcp_flow *next; /* in its bucket */
	enum tcp_flow_kind kind;
	struct tcp_tuple tuple;
};

/* ---- connections ---- */

enum tcp_timer_kind {
	TCP_TIMER_PROBE, /* the tail may be lost (RFC 8985, 7.2): before, and instead of, */
	TCP_TIMER_RETRANSMIT,
	TCP_TIMER_PERSIST,
	TCP_TIMER_DELAYED_ACK,
	TCP_TIMER_KEEPALIVE,
	TCP_TIMER_PACE,     /* more may leave (tcp_pace.c) */
	TCP_TIMER_REORDER,  /* what is late is lost (RFC 8985, 6.3) */
	TCP_TIMER_REPAIRED, /* nothing more will come of a loss (tcp_repair.c) */
	TCP_TIMERS
};

enum tcp_recovery_phase {
	TCP_OPEN,          /* nothing is known to be lost */
	TCP_FAST_RECOVERY, /* RFC 8985 and 9937 with SACK, 6582 without */
	TCP_LOSS,          /* after a retransmission timeout */
};

/* What tells how large the receive limit should be; see tcp_tuning.c. */
struct tcp_tuning {
	kiln_time rtt;       /* from our ACK to the data it let go; 0: not known */
	kiln_time period_at; /* since when, and from where, what is read is counted */
	struct tcp_seq read;
	uint32_t bytes; /* the most that was read in a round trip */
	uint32_t echo;  /* the last timestamp that was measured by */
	struct tcp_seq
	    edge; /* without timestamps: data from here on was let go at edge_at */
	kiln_time edge_at;
};

/* The search for the path's MTU (RFC 4821), in sizes of conn->mss; see tcp_mtu.c. */
struct tcp_mtu {
	uint16_t
	    limit; /* of conn->mss, until a larger one arrives; UINT16_MAX: no search */
	uint16_t failed;        /* the smallest that was lost; 0: none */
	uint16_t probe;         /* on its way; 0: none */
	struct tcp_range range; /* it is these bytes */
	kiln_time next_at;
};

/* What has passed, for tcp_facts to tell (RFC 4898): segments, of which some are data. */
struct tcp_tally {
	uint32_t in, data_in, out, data_out;
	uint32_t again; /* sent again, a SYN too */
	uint32_t delivered,
	    marked;     /* arrived, as told by ACKs; of these by some with ECE */
	uint32_t twice; /* DSACKs */
	uint64_t bytes_again;
};

/* What a connection has only while something is lost or late; see tcp_repair.c. */
struct tcp_repair {
	struct tcp_range sacked[TCP_REPAIR_RANGES], lost[TCP_REPAIR_RANGES];
	struct tcp_congestion_window undo; /* as it was before it was reduced */
};

struct tcp_conn {
	struct tcp_flow flow;

	/* Used for every segment. */
	uint8_t state; /* enum tcp_state */
	uint8_t phase; /* enum tcp_recovery_phase */
	uint8_t snd_wscale, rcv_wscale;
	bool has_timestamps : 1; /* negotiated (RFC 7323) */
	bool has_sack : 1;       /* negotiated (RFC 2018) */
	bool has_owner : 1;      /* events may be called */
	bool in_ready : 1;       /* the owner's callback runs now */
	bool wake : 1;           /* call ready from the deferred work */
	bool hashed : 1;         /* in the table */
	bool push_small : 1;     /* send less than smss: the window does not grow */
	bool ack_now : 1;        /* send an ACK when the deferred work runs */
	bool fin_queued : 1;     /* this side is shut down: a FIN ends the queue */
	bool fin_sent : 1;       /* it has a sequence number: snd_nxt is beyond it */
	bool fin_seen : 1;       /* the peer's FIN arrived, its place is fin_seq */
	bool fin_received : 1;   /* and all before it: rcv_nxt is beyond it */
	bool nodelay : 1;
	bool cork : 1;          /* whole segments only */
	bool resend_front : 1;  /* retransmit at snd_una whatever cwnd says */
	bool rtt_due : 1;       /* no sample in this round trip yet */
	bool cwnd_full : 1;     /* in this round trip cwnd held something back, */
	bool cwnd_was_full : 1; /* in the last one it did */
	bool has_ecn : 1;       /* negotiated (RFC 3168) */
	bool ecn_asked : 1;     /* by our SYN */
	bool ecn_echo : 1;      /* a mark has come, and the peer has not reacted yet */
	bool cwr_due : 1;       /* we have, and are to say so */
	bool can_undo : 1; /* the last reduction may prove to have been for nothing */
	bool syn_lost : 1; /* the SYN had to be sent again */
	bool orphan : 1;   /* on tcp->orphans */
	bool released : 1; /* on tcp->dead: only its memory is left */
	bool receive_limit_set : 1; /* by the owner: not tuned */
	bool fast_open : 1;       /* its owner has it, but our SYN is not acknowledged */
	bool fast_open_renew : 1; /* the SYN-ACK brings a new cookie */
	bool
	    crowded : 1; /* the send queue was nearly full, and the owner not called since */
	uint8_t dup_acks;
	uint16_t mss;  /* the largest segment: data and options but not the header */
	uint16_t smss; /* the data in it with the usual options: RFC 5681's SMSS */
	uint16_t unacked_segments; /* received since our last ACK */

	struct tcp *tcp;
	struct list pending; /* on tcp->pending: the deferred work will look at it */
	struct tcp_seq rcv_nxt;
	struct tcp_seq rcv_adv; /* right edge of the window: the most ever promised */
	struct tcp_seq last_ack_sent; /* RFC 7323, 4.3 */
	uint32_t ts_recent;
	uint32_t ts_offset;
	struct tcp_seq snd_una, snd_nxt;
	struct tcp_seq snd_max; /* beyond snd_nxt by a window probe's byte, else equal */
	struct tcp_seq snd_wl1, snd_wl2;
	uint32_t snd_wnd, max_snd_wnd;
	struct tcp_congestion_window cc; /* cwnd, ssthresh */
	const struct tcp_congestion *congestion;
	struct tcp_send_queue out;
	struct tcp_receive_queue in;
	const struct tcp_events *events;
	void *user;

	/* Round-trip time (RFC 6298). */
	kiln_time srtt, rttvar, rto; /* srtt 0: no sample yet */
	kiln_time rtt_started_at;
	struct tcp_seq round_end; /* snd_nxt when this round trip began */
	uint8_t backoff;          /* doublings of rto, until it is measured anew */
	uint8_t timeouts;         /* in a row, without progress */
	uint8_t keepalive_sent;
	uint8_t keepalive_probes;
	uint8_t soft_error; /* enum kiln_error from ICMP, told if it times out */
	uint8_t quick_acks; /* segments to acknowledge at once, each: with sockets */
	struct tcp_service service; /* of all it sends */
	struct timer timer;         /* armed for the earliest deadline, or before it */
	kiln_time deadline[TCP_TIMERS];
	kiln_time ts_recent_at;
	kiln_time last_sent_at; /* of data */
	kiln_time heard_at;     /* the last acceptable segment */
	kiln_time progress_at;  /* snd_una moved, or the first byte in flight left */
	kiln_time challenge_at;
	kiln_time user_timeout;
	kiln_time keepalive_idle, keepalive_interval;
	kiln_time pace_at;   /* when what has left will have left at the pacing rate */
	uint32_t pace_burst; /* bytes that may leave at once before that counts */
	uint32_t receive_limit;
	struct tcp_tuning tuning;
	struct tcp_mtu mtu;

	/* Ends of the connection. */
	struct tcp_seq iss, irs, fin_seq;
	uint16_t mss_peer;            /* from its SYN */
	uint16_t mss_most;            /* that the owner wants, either way */
	uint8_t icmp_type, icmp_code; /* the last error about it; 0: none */
	struct list link;             /* on tcp->starved or tcp->orphans */

	/* Loss recovery. */
	struct tcp_seq
	    cwr_end; /* snd_nxt at the last reduction: one a window is enough */
	struct tcp_seq recover; /* snd_nxt when it began */
	struct tcp_flight flight;
	struct tcp_rack rack;
	uint32_t prr_delivered, prr_out, recover_fs; /* RFC 9937, 6 */
	struct tcp_repair *repair;                   /* NULL: none */
	struct tcp_scoreboard sacked, lost;
	struct tcp_range lost_one; /* lost.range while there is none */
	uint32_t undo_bytes; /* sent again since, and not reported to have come twice */
	struct tcp_range undo_range; /* around them */
	uint32_t undo_timestamp;     /* of the first that was sent again */

	/* Of targets with sockets. */
	kiln_time data_heard_at;
	struct tcp_tally tally;
};
_Static_assert(sizeof(struct tcp_conn) <= SLAB_OBJECT_MOST / 2 / 16 * 16,
               "two in a chunk");
_Static_assert(sizeof(struct tcp_repair) <= SLAB_OBJECT_MOST / 2 / 16 * 16,
               "two in a chunk");

/* What a handshake has settled: from a half-open connection or from a cookie. */
struct tcp_handshake {
	struct tcp_seq irs, iss;
	uint32_t ts_recent;
	uint16_t mss_peer;
	uint8_t snd_wscale;
	bool has_window_scale, has_timestamps, has_sack;
	bool has_ecn;
	bool fast_open; /* the SYN-ACK brings a cookie (RFC 7413) */
};

/* SYN-RECEIVED after LISTEN. */
struct tcp_half {
	struct tcp_flow flow;
	struct list node; /* on tcp->half[tries]: by age */
	struct tcp_listener *listener;
	struct tcp_handshake hand;
	kiln_time sent_at;
	uint8_t tries; /* SYN-ACKs sent again */
};

/* TIME-WAIT, and FIN-WAIT-2 without an owner. */
struct tcp_time_wait {
	struct tcp_flow flow;
	struct list node; /* on tcp->time_wait: by age */
	kiln_time until;
	struct tcp_seq rcv_nxt, rcv_adv, snd_nxt;
	uint32_t ts_recent, ts_offset;
	uint16_t window;
	bool has_timestamps;
	bool peer_open; /* FIN-WAIT-2: its FIN has not come yet */
};

struct tcp_listener {
	struct tcp *tcp;
	uint16_t port; /* 0: not in use */
	bool (*accepted)(struct tcp_conn *conn, void *context);
	void *context;
	/* To what it listens: an address; 0.0.0.0, all of IPv4; zeroed, all of both families,
	 * or of IPv6 alone. */
	struct ip_addr local;
	bool ip6_only;
	bool paused;       /* SYNs and what completes a handshake are dropped */
	bool no_fast_open; /* whatever the stack's configuration says */
	uint8_t defer;     /* tries of a SYN-ACK until an ACK without data is accepted */
	struct tcp_service service;
	uint16_t mss_most;
	uint32_t receive_limit;
	bool receive_limit_set; /* by the owner: not tuned */
};

struct tcp {
	struct net *net;
	struct kiln *kiln;
	struct loop *loop;
	struct tcp_config config;
	struct tcp_flow **table;
	uint32_t table_mask;
	uint8_t key[16]; /* of siphash: table, sequence numbers, cookies */

	struct list pending;    /* connections with something to send or to tell */
	struct list dead;       /* released, memory not yet given back */
	struct list starved;    /* owners that were refused a chunk */
	struct list orphans;    /* closed by their owner, oldest first */
	struct loop_work work;  /* calls owners, */
	struct loop_work flush; /* then sends, then gives memory back */
	struct timer retry;     /* after the device was full */

	struct pool chunks; /* for bytes, and for connections: */
	struct slab_share conn_share, repair_share;
	struct slab_pool conns, repairs;
	struct pool pieces, sents, halves, time_waits;
	uint32_t chunk_reserve; /* chunks that only receiving may take */
	uint32_t orphan_count, orphans_most;
	/* Of one connection, to begin with: bytes of chunks to send, bytes unread. */
	uint32_t send_limit, receive_limit;
	uint32_t limit_most;  /* that either may grow to */
	uint8_t window_scale; /* that we offer */

	/* Connections early by Fast Open, and those that were reset, until when they count. */
	uint8_t fast_open_key[16];
	uint32_t fast_open_pending, fast_open_penalty;
	kiln_time fast_open_penalty_until;

	struct list half[TCP_SYN_ACK_TRIES];
	struct timer half_timer;
	struct list time_wait;
	struct timer time_wait_timer;
	kiln_time cookie_at; /* when the last cookie was sent; 0: never */
	kiln_time challenge_second;
	uint32_t challenges_left;
	struct tcp_listener listeners[TCP_LISTENERS];

	struct tcp_counters count;
	struct netdev_frame frame; /* being built */
};

static inline kiln_time tcp_now(const struct tcp *tcp)
{
	return tcp->loop->now;
}

/* Chunks that cannot be had for bytes: in use, or owed to connections. */
static inline uint32_t tcp_chunks_taken(const struct tcp *tcp)
{
	return tcp->chunks.used + slab_share_owed(&tcp->conn_share);
}

/* ---- tcp.c ---- */

struct tcp_flow *tcp_flow_find(const struct tcp *tcp, const struct tcp_tuple *tuple);
void tcp_flow_insert(struct tcp *tcp, struct tcp_flow *flow);
void tcp_flow_remove(struct tcp *tcp, struct tcp_flow *flow);

/* A connection in state CLOSED and in the table; NULL when all are in use. */
struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_tuple *tuple);
/* What the peer's SYN offers and we agree to. */
struct tcp_handshake tcp_handshake_of(const struct tcp *tcp, const struct ip_addr *remote,
                                      const struct tcp_segment *syn, struct tcp_seq iss);
/* Takes over what the handshake has settled; sets both windows and the segment size. */
void tcp_conn_settle(struct tcp_conn *conn, const struct tcp_handshake *hand);
/* Ends it: state CLOSED, off all lists, queues freed, memory given back later. */
void tcp_conn_release(struct tcp_conn *conn);
/* The same, and tells the owner. */
void tcp_conn_end(struct tcp_conn *conn, enum kiln_error why);
/* Has the deferred work look at it. */
void tcp_pend(struct tcp_conn *conn);
/* Calls the owner's ready. False when the connection is gone afterwards. */
bool tcp_call_ready(struct tcp_conn *conn);
/* The effective segment size from the path's and the peer's (RFC 9293, 3.7.1). */
void tcp_set_mss(struct tcp_conn *conn, uint32_t path_mss);
uint32_t tcp_path_mss(const struct tcp *tcp, const struct ip_addr *remote);
/* What a peer takes that does not say. */
uint16_t tcp_default_mss(const struct ip_addr *remote);
/* The connections whose owners have closed them are kept in order, and bounded: the
 * oldest is reset for the newest. */
void tcp_orphan_add(struct tcp_conn *conn);
void tcp_orphan_remove(struct tcp_conn *conn);

/* ---- tcp_isn.c ---- */

struct tcp_seq tcp_isn(const struct tcp *tcp, const struct tcp_tuple *tuple);
uint32_t tcp_timestamp_offset(const struct tcp *tcp, const struct tcp_tuple *tuple);
uint32_t tcp_timestamp_now(const struct tcp *tcp, uint32_t offset);
/* True if the timestamp that an ACK echoes was sent before the instant. */
bool tcp_echo_is_older(const struct tcp_conn *conn, const struct tcp_news *news,
                       kiln_time at);

/* ---- tcp_input.c ---- */

void tcp_input(void *transport, const struct net_packet *packet);
/* RFC 9293, 3.10.7.4. `conn` is in any state but CLOSED and SYN-SENT. */
void tcp_segment_arrives(struct tcp_conn *conn, struct tcp_segment *s, uint16_t gso_size);
/* The acceptability test of RFC 9293, table 6. */
bool tcp_acceptable(const struct tcp_segment *s, struct tcp_seq rcv_nxt,
                    uint32_t rcv_wnd);
/* True while the image may send one more challenge ACK (RFC 5961, 7). */
bool tcp_challenge_allowed(struct tcp *tcp);

/* ---- tcp_listen.c ---- */

/* The one that is listening to the address most closely; NULL if there is none. */
struct tcp_listener *tcp_listener_find(struct tcp *tcp, const struct ip_addr *addr,
                                       uint16_t port);
/* One that listens to all addresses; NULL when all are in use. */
struct tcp_listener *tcp_listener_new(struct tcp *tcp, uint16_t port,
                                      bool (*accepted)(struct tcp_conn *conn,
                                                       void *context),
                                      void *context);
/* A segment for a listening port and no flow. `iss_floor` is beyond what a connection in
 * TIME-WAIT had sent, or NULL. */
void tcp_listen_input(struct tcp *tcp, struct tcp_listener *listener,
                      const struct tcp_tuple *tuple, struct tcp_segment *s,
                      uint16_t gso_size, const struct tcp_seq *iss_floor);
void tcp_half_input(struct tcp *tcp, struct tcp_half *half, struct tcp_segment *s,
                    uint16_t gso_size);
void tcp_half_init(struct tcp *tcp);
void tcp_half_free(struct tcp *tcp, struct tcp_half *half);

/* What accepting begins with: the listener's settings, what the handshake has settled. */
void tcp_listener_settle(const struct tcp_listener *listener, struct tcp_conn *conn,
                         const struct tcp_handshake *hand);
/* Finds the connection an owner. False: there is none, and the connection is gone. */
bool tcp_listener_offer(struct tcp_listener *listener, struct tcp_conn *conn);

/* ---- tcp_fast_open.c ---- */

/* What the rest of TCP calls of it, if the image has it. */
struct tcp_fast_open {
	/* A SYN for a listener. True: a connection was made of it. */
	bool (*syn)(struct tcp_listener *listener, const struct tcp_tuple *tuple,
	            const struct tcp_segment *s, uint16_t gso_size,
	            struct tcp_handshake *hand);
	/* Adds a cookie for the peer to a SYN-ACK. */
	void (*offer)(struct tcp *tcp, const struct tcp_tuple *tuple,
	              struct tcp_options *options);
	/* conn->fast_open is set: the SYN-ACK is acknowledged, */
	void (*acked)(struct tcp_conn *conn);
	/* or the connection ends before that. */
	void (*done)(struct tcp_conn *conn, bool reset);
};

/* ---- tcp_socket.c ---- */

/* What the rest of TCP tells it, if the image has it: of one segment, or of several of
 * gso_size. */
struct tcp_observer {
	void (*sent)(struct tcp_conn *conn, uint16_t gso_size); /* tcp->frame */
	void (*sent_again)(struct tcp_conn *conn, uint32_t size);
	void (*received)(struct tcp_conn *conn, size_t size, uint16_t gso_size);
	void (*acked)(struct tcp_conn *conn, const struct tcp_news *news);
};

/* ---- tcp_cookie.c ---- */

struct tcp_seq tcp_cookie_make(struct tcp *tcp, const struct tcp_tuple *tuple,
                               const struct tcp_handshake *hand);
/* The timestamp to send with a cookie, which carries the other options. */
uint32_t tcp_cookie_timestamp(const struct tcp *tcp, const struct tcp_tuple *tuple,
                              const struct tcp_handshake *hand);
enum tcp_cookie {
	TCP_COOKIE_BAD,
	TCP_COOKIE_EARLY, /* it is one of ours, but this is not the third segment */
	TCP_COOKIE_GOOD,  /* hand is set */
};
enum tcp_cookie tcp_cookie_check(struct tcp *tcp, const struct tcp_tuple *tuple,
                                 const struct tcp_segment *s, struct tcp_handshake *hand);

/* ---- tcp_time_wait.c ---- */

void tcp_time_wait_init(struct tcp *tcp);
/* Moves the connection into TIME-WAIT: into the small struct, or, while it has an owner,
 * in its own until the owner closes it. One without an owner may still be in FIN-WAIT-2. */
void tcp_enter_time_wait(struct tcp_conn *conn);
void tcp_time_wait_input(struct tcp *tcp, struct tcp_time_wait *tw, struct tcp_segment *s,
                         uint16_t gso_size);

/* ---- tcp_ack.c ---- */

/* The acknowledgement fields of an acceptable segment; snd_una - max window <= ack <=
 * snd_max has been checked. */
void tcp_ack_input(struct tcp_conn *conn, const struct tcp_segment *s);
void tcp_window_input(struct tcp_conn *conn, const struct tcp_segment *s);
void tcp_rtt_sample(struct tcp_conn *conn, kiln_time sample);

/* ---- tcp_recovery.c ---- */

void tcp_recovery_init(struct tcp_conn *conn);
/* An ACK arrived that told something, or repeats the last one. */
void tcp_recovery_ack(struct tcp_conn *conn, const struct tcp_news *news);
/* The retransmission timer has expired. */
void tcp_recovery_timeout(struct tcp_conn *conn);
/* The reordering timer has. */
void tcp_recovery_late(struct tcp_conn *conn);
/* All that is in flight is to be sent again, and not because of congestion. */
void tcp_recovery_resend(struct tcp_conn *conn);
/* The next range to retransmit; false if there is none. */
bool tcp_recovery_next(const struct tcp_conn *conn, struct tcp_range *range);
void tcp_recovery_sent_again(struct tcp_conn *conn, struct tcp_range range);
/* New bytes have left. */
void tcp_recovery_sent_new(struct tcp_conn *conn, struct tcp_range range);
/* Bytes that congestion control allows to be sent now. */
uint32_t tcp_recovery_budget(const struct tcp_conn *conn);
void tcp_recovery_idle(struct tcp_conn *conn);

/* ---- tcp_repair.c ---- */

void tcp_repair_init(struct tcp_conn *conn);
/* Before a range is added to a scoreboard, or a reduction is to be undone: false if there
 * is no memory for that. */
bool tcp_repair_begin(struct tcp_conn *conn);
/* All is acknowledged. */
void tcp_repair_wait(struct tcp_conn *conn);
void tcp_repair_end(struct tcp_conn *conn);

/* ---- tcp_ecn.c ---- */

/* Whether the peer's SYN, or its SYN-ACK to one of ours that asked, settles on ECN. */
bool tcp_ecn_agreed(const struct tcp *tcp, const struct tcp_segment *syn);
/* TCP_ECE and TCP_CWR of our SYN or SYN-ACK. */
uint8_t tcp_ecn_syn_flags(const struct tcp_conn *conn);
/* Whether data at that number may be marked: it leaves for the first time, and is no window
 * probe. */
bool tcp_ecn_is_capable(const struct tcp_conn *conn, struct tcp_seq seq);
/* A segment has come, and is good. */
void tcp_ecn_input(struct tcp_conn *conn, const struct tcp_segment *s);

/* ---- tcp_flight.c ---- */

/* Bytes leave, for the first time or again. */
void tcp_flight_sent(struct tcp_conn *conn, struct tcp_range range, bool again);
/* They have arrived; conn->sacked does not tell so yet. */
void tcp_flight_delivered(struct tcp_conn *conn, struct tcp_range range,
                          struct tcp_news *news);
/* They are lost, whenever they left. */
void tcp_flight_lost(struct tcp_conn *conn, struct tcp_range range);
/* What left before the record with that order, and of that one what lies before sent_end,
 * is lost if it has been out for longer than `wait`. Returns when the next will be. */
kiln_time tcp_flight_expire(struct tcp_conn *conn, uint32_t sent_order,
                            struct tcp_seq sent_end, kiln_time wait);
/* What was found lost is on its way after all. */
void tcp_flight_revive(struct tcp_conn *conn);
void tcp_flight_free(struct tcp_conn *conn);

/* ---- tcp_pace.c ---- */

/* At the start and after a pause: so many bytes leave at once. */
void tcp_pace_resume(struct tcp_conn *conn, uint32_t burst);
/* Bytes that may leave now. */
uint32_t tcp_pace_budget(const struct tcp_conn *conn);
void tcp_pace_sent(struct tcp_conn *conn, uint32_t bytes);
/* Has output called when more may. */
void tcp_pace_wait(struct tcp_conn *conn);

/* ---- tcp_rack.c ---- */

void tcp_rack_init(struct tcp_conn *conn);
void tcp_rack_rtt(struct tcp_conn *conn, kiln_time rtt);
/* Finds what is lost, and sets the timer for what is only late. */
void tcp_rack_detect(struct tcp_conn *conn);
/* Something has arrived twice: the reordering window was too small. */
void tcp_rack_twice(struct tcp_conn *conn);
/* A recovery is over. */
void tcp_rack_recovered(struct tcp_conn *conn);
/* Sets the probe timeout when it is due. */
void tcp_rack_set_probe(struct tcp_conn *conn);
/* It has expired: the probe is sent with the next output. */
void tcp_rack_probe(struct tcp_conn *conn);
/* The probe has left. */
void tcp_rack_probed(struct tcp_conn *conn, bool again);
/* True if the ACK tells that a probe has repaired a loss. */
bool tcp_rack_probe_ack(struct tcp_conn *conn, const struct tcp_news *news);

/* ---- tcp_output.c ---- */

/* Sends all that can be sent now. False: the device is full. */
bool tcp_output(struct tcp_conn *conn);
/* An empty segment now, not deferred. */
void tcp_send_ack(struct tcp_conn *conn);
void tcp_send_syn(struct tcp_conn *conn);
void tcp_send_rst(struct tcp_conn *conn);
void tcp_send_keepalive(struct tcp_conn *conn);
void tcp_send_window_probe(struct tcp_conn *conn);
/* A challenge ACK, or an ACK of a segment that was not acceptable, within its limits. */
void tcp_send_challenge(struct tcp_conn *conn);
/* A segment without data and without a connection. */
void tcp_send_bare(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *s);
/* RFC 9293, 3.10.7.1: the reset that answers a segment for no connection. */
void tcp_refuse_segment(struct tcp *tcp, const struct tcp_tuple *tuple,
                        const struct tcp_segment *s);

/* ---- tcp_send.c ---- */

size_t tcp_queue_copy(struct tcp_conn *conn, struct slice s);
bool tcp_queue_static(struct tcp_conn *conn, struct slice s);
size_t tcp_queue_room(const struct tcp_conn *conn);
/* Drops the first n bytes: acknowledged. */
void tcp_queue_acked(struct tcp_conn *conn, uint32_t n);
void tcp_queue_free(struct tcp_conn *conn);
/* False while the connection's own limits are nearly reached. */
bool tcp_queue_is_roomy(const struct tcp_conn *conn);
/* Something was queued, or refused: marks the queue while it is not roomy. */
void tcp_queue_check(struct tcp_conn *conn);
/* Room may have come: has the owner called when a queue that was not roomy is. */
void tcp_queue_relieve(struct tcp_conn *conn);
/* Adds up to `len` bytes from a stream offset to the frame; returns how many. */
uint32_t tcp_queue_fill(struct tcp_send_queue *q, struct tcp_mark *mark, uint64_t offset,
                        uint32_t len, struct netdev_frame *frame);

/* ---- tcp_receive.c ---- */

/* Takes the data of an acceptable segment, which has been cut to the window. False when
 * the owner has ended the connection. */
bool tcp_receive_data(struct tcp_conn *conn, const struct tcp_segment *s,
                      uint16_t gso_size);
void tcp_receive_free(struct tcp_conn *conn);
/* These bytes have come before: the next ACK says so. */
void tcp_receive_twice(struct tcp_conn *conn, struct tcp_range range);
struct slice tcp_receive_peek(const struct tcp_conn *conn);
void tcp_receive_consume(struct tcp_conn *conn, size_t n);
/* The window to advertise now, in bytes; moves rcv_adv. */
uint32_t tcp_receive_window(struct tcp_conn *conn);
/* True when the owner has read so much that the peer should be told (RFC
 * 9293, 3.8.6.2.2). */
bool tcp_window_update_due(const struct tcp_conn *conn);

/* ---- tcp_tuning.c ---- */

/* The handshake is over. */
void tcp_tuning_init(struct tcp_conn *conn);
/* A segment with data has come, in order. */
void tcp_tuning_measure(struct tcp_conn *conn, const struct tcp_segment *s);
/* The owner has read something. */
void tcp_tuning_read(struct tcp_conn *conn);
/* Bytes of chunks that may be queued now. */
uint32_t tcp_send_limit(const struct tcp_conn *conn);

/* ---- tcp_mtu.c ---- */

void tcp_mtu_init(struct tcp_conn *conn);
/* Data bytes of a segment to send next, larger than all others, once there is room for it;
 * 0: none. */
uint32_t tcp_mtu_probe(struct tcp_conn *conn);
void tcp_mtu_probe_sent(struct tcp_conn *conn, struct tcp_range range);
/* snd_una has moved. */
void tcp_mtu_acked(struct tcp_conn *conn);
/* Recovery begins: true if it is for the probe, which then is no sign of congestion. */
bool tcp_mtu_probe_lost(struct tcp_conn *conn);
void tcp_mtu_resent(struct tcp_conn *conn, struct tcp_range range);
/* Retransmission has timed out. Sets the segment size. */
void tcp_mtu_timeout(struct tcp_conn *conn);
/* ICMP says that no larger segments pass. */
void tcp_mtu_told(struct tcp_conn *conn, uint32_t mss);

/* ---- tcp_timer.c ---- */

void tcp_timer_init(struct tcp_conn *conn);
void tcp_timer_set(struct tcp_conn *conn, enum tcp_timer_kind kind, kiln_time deadline);
static inline void tcp_timer_clear(struct tcp_conn *conn, enum tcp_timer_kind kind)
{
	conn->deadline[kind] = KILN_NEVER; /* the wheel may fire once for nothing */
}
static inline bool tcp_timer_is_set(const struct tcp_conn *conn, enum tcp_timer_kind kind)
{
	return conn->deadline[kind] != KILN_NEVER;
}
/* rto with its exponential backoff (RFC 6298, 5.5). */
kiln_time tcp_rto_backed_off(const struct tcp_conn *conn);

/* ---- tcp_icmp.c ---- */

bool tcp_icmp_error(void *transport, const struct net_error *error);

/* ---- tcp_user.c ---- */

const char *tcp_state_name(enum tcp_state state);
/* Sets a local port that no flow to the remote endpoint uses; false if there is none. */
bool tcp_choose_port(struct tcp *tcp, struct tcp_tuple *tuple);
/* Opens a connection from an endpoint of ours to another; no flow has the tuple. */
enum kiln_error tcp_open(struct tcp *tcp, const struct tcp_tuple *tuple,
                         const struct tcp_events *events, void *user,
                         struct tcp_conn **result);

static inline uint32_t tcp_in_flight(const struct tcp_conn *conn)
{
	return tcp_seq_diff(conn->snd_nxt, conn->snd_una);
}

/* Queued bytes that have never been sent. */
static inline uint64_t tcp_not_sent(const struct tcp_conn *conn)
{
	return conn->out.end - conn->out.start - (tcp_in_flight(conn) - conn->fin_sent);
}

#endif
