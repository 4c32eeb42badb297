/*
 * Congestion control as an interface: how much TCP may have in flight, and how fast.
 *
 * TCP decides what is lost (RFC 8985, 6675, 6582), when to send it again, and how cwnd
 * moves while it does (PRR, RFC 9937; RFC 5681 after a timeout). A controller decides
 * the two windows: it raises cwnd as acknowledgements arrive, and says what is left of it
 * when the network shows congestion. A controller of your own is a constant struct of
 * four functions, named where TCP is made or for one connection:
 *
 *	static void acked(struct tcp_congestion_window *w, const struct tcp_flow_facts *f)
 *	{
 *		if (f->limited)
 *			w->cwnd += (uint32_t)((uint64_t)f->acked * f->mss / w->cwnd);
 *	}
 *	static uint32_t reduced(struct tcp_congestion_window *w,
 *	                        const struct tcp_flow_facts *f,
 *	                        enum tcp_congestion_event why)
 *	{
 *		return f->in_flight / 2;
 *	}
 *	static const struct tcp_congestion mine = {"mine", NULL, acked, reduced, NULL};
 *
 *	tcp_new_with(net, &(struct tcp_config){.congestion = &mine});
 *
 * An image holds the controllers that it names, and CUBIC, which is the default. Windows
 * are in bytes, times in ns (struct kiln_time), rates in bytes/s.
 */
#ifndef KILN_TCP_CONGESTION_H
#define KILN_TCP_CONGESTION_H

#include <stdalign.h>
#include <stdbool.h>
#include <kiln/time.h>

enum {
	TCP_CONGESTION_STATE = 96, /* bytes that a controller has in each connection */
	TCP_SSTHRESH_NONE =
	    1 << 30, /* no congestion has been seen yet; the most of either */
};

/*
 * What a controller decides, and the state it keeps for that: one in each connection.
 *
 * cwnd is the controller's to raise, in acked. TCP lowers it: to ssthresh in the course
 * of a recovery, to a segment at a timeout, to the initial window after a pause. ssthresh
 * is what `reduced` has returned; acked may lower it (to end slow start).
 *
 * All of it is copied before each reduction, and put back if that proves to have been for
 * nothing (RFC 4015): so the state must not point into itself.
 */
struct tcp_congestion_window {
	uint32_t cwnd, ssthresh;
	uint64_t pacing_rate; /* 0: what cwnd and srtt make; see tcp_config.pacing */
	alignas(8) uint8_t state[TCP_CONGESTION_STATE]; /* zeroed at the start */
};

/* What is known of the connection at this moment. */
struct tcp_flow_facts {
	kiln_time now;
	kiln_time srtt;     /* RFC 6298; 0: not measured yet */
	kiln_time min_rtt;  /* the least of the last minute or so; 0: not measured yet */
	kiln_time rtt;      /* told by this acknowledgement, to the ns; 0: by none */
	uint32_t mss;       /* data bytes of a full segment (SMSS of RFC 5681) */
	uint32_t in_flight; /* FlightSize; in acked: before the acknowledgement */
	uint32_t acked;     /* bytes newly acknowledged */
	uint32_t delivered; /* bytes newly acknowledged or reported by SACK */
	bool limited; /* cwnd, not the application or the peer, holds back sending */
	bool paced;         /* what acked adds does not leave in one burst */
	bool round;   /* a round trip has ended: what was next to send when the last one
	                     * did is acknowledged */
};

enum tcp_congestion_event {
	TCP_CONGESTION_LOSS, /* once for a window in which something was lost */
	TCP_CONGESTION_ECN, /* once for a window in which something was marked */
	TCP_CONGESTION_TIMEOUT, /* of retransmission; once, however often it expires */
};

struct tcp_congestion {
	const char *name; /* "cubic" */
	/* cwnd is the initial window, ssthresh TCP_SSTHRESH_NONE. May be NULL. */
	void (*init)(struct tcp_congestion_window *w, const struct tcp_flow_facts *f);
	/* New bytes are acknowledged, and no recovery is under way but after a timeout. */
	void (*acked)(struct tcp_congestion_window *w, const struct tcp_flow_facts *f);
	/* Congestion: returns the new ssthresh (raised to two segments if it is less).
	 * cwnd is still what it was. */
	uint32_t (*reduced)(struct tcp_congestion_window *w,
	                    const struct tcp_flow_facts *f,
	                    enum tcp_congestion_event why);
	/* Sending begins again after a pause of so long, longer than the timeout: cwnd has
	 * been lowered to the initial window. May be NULL. */
	void (*resumed)(struct tcp_congestion_window *w, const struct tcp_flow_facts *f,
	                kiln_time pause);
};

/* A controller's own state: a struct that fits TCP_CONGESTION_STATE, which it asserts. */
static inline void *tcp_congestion_state(struct tcp_congestion_window *w)
{
	return w->state;
}

/* RFC 5681's additive increase and halving. */
extern const struct tcp_congestion tcp_newreno;
/* RFC 9438, with HyStart++ (RFC 9406) in the first slow start. */
extern const struct tcp_congestion tcp_cubic;

#endif
