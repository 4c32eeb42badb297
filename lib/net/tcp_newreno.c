/*
 * The controller of RFC 5681: slow start, additive increase, halving. In an image only if
 * it is named.
 *
 * Both kinds of growth count bytes, so that neither stretched nor split ACKs bend them
 * (RFC 3465), and only what was sent while the window was full (7661 in spirit).
 */
#include <kiln/tcp_congestion.h>

struct newreno {
	uint32_t acked; /* in congestion avoidance, not yet made into growth */
};
_Static_assert(sizeof(struct newreno) <= TCP_CONGESTION_STATE, "fits a connection");

static void acked(struct tcp_congestion_window *w, const struct tcp_flow_facts *f)
{
	struct newreno *state = tcp_congestion_state(w);

	if (!f->limited)
		return;
	if (w->cwnd < w->ssthresh) {
		w->cwnd += f->acked;
		return;
	}
	state->acked += f->acked;
	if (state->acked >= w->cwnd) {
		state->acked -= w->cwnd;
		w->cwnd += f->mss;
	}
}

/* RFC 5681, equation 4. */
static uint32_t reduced(struct tcp_congestion_window *w, const struct tcp_flow_facts *f,
                        enum tcp_congestion_event why)
{
	struct newreno *state = tcp_congestion_state(w);

	(void)why;
	state->acked = 0;
	return f->in_flight / 2;
}

const struct tcp_congestion tcp_newreno = {
    .name = "newreno",
    .acked = acked,
    .reduced = reduced,
};
