/*
 * A connection's bytes, as TCP keeps count of them: queued to be sent, received, and in flight,
 * with what RACK and one acknowledgement say of those. Parts of struct tcp_conn
 * (tcp_private.h); what is done with them stands in the files that it names.
 */
#ifndef NET_TCP_BYTES_H
#define NET_TCP_BYTES_H

#include <kiln/memory.h>
#include <kiln/time.h>
#include "tcp_scoreboard.h"
#include "tcp_seq.h"
#include "tcp_wire.h"

/* ---- bytes to send ---- */

/* A reference to bytes of the send queue. */
struct tcp_piece {
	struct tcp_piece *next;
	const uint8_t *data;
	size_t len;
	struct chunk *owner; /* NULL: immortal */
};

/* A place in the queue: a piece, and the stream offset of its first byte. */
struct tcp_mark {
	struct tcp_piece *piece;
	uint64_t start;
};

/*
 * Bytes between the first one not acknowledged and the last one queued. Positions are
 * offsets in the stream; snd_una corresponds to `start`. Two marks remember where the
 * last new bytes and the last retransmitted ones lay, so that finding the next ones is
 * O(1).
 */
struct tcp_send_queue {
	struct tcp_piece *head, *tail;
	uint64_t start, end;
	struct tcp_mark next, again;
	struct chunk
	    *open; /* the chunk that was copied to last, while a piece lies in it */
	uint16_t open_used; /* its bytes that are taken */
	uint16_t chunks;    /* what counts against the limit */
	uint16_t pieces;
};

/* ---- bytes received ---- */

/* Consecutive bytes, kept in a chunk's data. */
struct tcp_run {
	struct tcp_run *next;
	struct tcp_seq seq;  /* of bytes[start] */
	uint16_t start, end; /* the bytes not yet consumed */
	uint8_t bytes[CHUNK_SIZE - 16];
};
_Static_assert(sizeof(struct tcp_run) == CHUNK_SIZE, "a run fills a chunk");

struct tcp_receive_queue {
	struct tcp_run *head, *tail; /* in order, unread */
	struct tcp_run *ooo;         /* beyond a gap: by sequence, not overlapping */
	uint32_t held;               /* unread bytes in runs from head */
	uint16_t ooo_runs;
	uint8_t sack_count;
	struct slice
	    inflight; /* unread bytes in the frame being input, behind the runs */
	struct tcp_range
	    sack[TCP_SACK_BLOCKS]; /* to report, the latest first (RFC 2018, 4) */
	struct tcp_range
	    twice; /* to report before these: it had come before (RFC 2883) */
};

/* ---- bytes in flight ---- */

/* Bytes that left together. */
struct tcp_sent {
	struct tcp_sent *next; /* left later, or behind in the same iteration */
	struct tcp_range range;
	kiln_time at;
	uint32_t order; /* which of the connection's it is, counted as they leave */
	bool again;     /* not for the first time: what acknowledges them is ambiguous */
};

struct tcp_flight {
	struct tcp_sent *head, *tail;
	uint32_t order; /* of the last that left */
};

/* RFC 8985. Times are 0 until there is one. */
struct tcp_rack {
	kiln_time rtt;
	kiln_time min_rtt, min_rtt_at;
	uint32_t sent_order; /* of what was sent last of all that has arrived; its end: */
	struct tcp_seq sent_end;    /* RACK.xmit_ts and RACK.end_seq */
	struct tcp_seq fack;        /* the end of the highest that has arrived */
	struct tcp_seq dsack_round; /* no further widening before this is acknowledged */
	struct tcp_seq probe_end;   /* TLP.end_seq */
	uint8_t quarters;    /* RACK.reo_wnd_mult: of min_rtt, to wait for late ones */
	uint8_t persist;     /* recoveries until it is 1 again */
	bool reordering : 1; /* the path has been seen to do so */
	bool in_dsack_round : 1;
	bool probing : 1;     /* TLP.end_seq is not None */
	bool probe_again : 1; /* TLP.is_retrans */
	bool probe_now : 1;   /* the probe timeout has expired */
	bool probe_due : 1;   /* new bytes left, or arrived: the timeout is to be set */
};

/* What one acknowledgement has told. */
struct tcp_news {
	uint32_t flight_before;
	uint32_t acked;          /* sequence numbers */
	uint32_t delivered;      /* acknowledged or reported for the first time */
	uint32_t found;          /* of these, taken for lost and not sent again yet */
	kiln_time rtt;           /* of the bytes that left last; KILN_NEVER: unknown */
	kiln_time first_sent_at; /* of the bytes that left first; KILN_NEVER: unknown */
	uint32_t ts_echo;
	bool has_echo;
	bool ambiguous; /* some had been sent again */
	bool round;     /* a round trip has ended */
	bool duplicate; /* RFC 5681, 2 */
	bool marked;    /* ECE: congestion on our way to the peer */
	bool reported;  /* SACK told of something new */
	bool twice;     /* DSACK told that something has arrived again (RFC 2883): */
	struct tcp_range again;
};

#endif
