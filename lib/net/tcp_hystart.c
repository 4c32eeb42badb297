/* HyStart++ (RFC 9406). See tcp_hystart.h. Names and values are those of section 4.3. */
#include "tcp_hystart.h"

#include <kiln/bytes.h>

enum {
	MIN_RTT_THRESH = 4000, /* us */
	MAX_RTT_THRESH = 16000,
	MIN_RTT_DIVISOR = 8,
	N_RTT_SAMPLE = 8,
	CSS_GROWTH_DIVISOR = 4,
	CSS_ROUNDS = 5,
	L = 8, /* segments that one ACK may add, if nothing paces them */
};

/* Where a burst is over before the next tick of a clock, there is nothing to pace. */
#define SHORT_PATH KILN_MS(1)

static void begin_round(struct tcp_hystart *h, struct tcp_congestion_window *w)
{
	h->last_round = h->this_round;
	h->this_round = 0;
	h->samples = 0;
	if (h->rounds_left > 0 && --h->rounds_left == 0)
		w->ssthresh = w->cwnd;
}

static void take_sample(struct tcp_hystart *h, kiln_time rtt)
{
	uint32_t us = (uint32_t)KILN_MIN(rtt / KILN_US(1) + 1, UINT32_MAX);

	if (h->this_round == 0 || us < h->this_round)
		h->this_round = us;
	if (h->samples < N_RTT_SAMPLE)
		h->samples++;
}

static void judge(struct tcp_hystart *h)
{
	uint32_t threshold =
	    KILN_MAX(h->last_round / MIN_RTT_DIVISOR, MIN_RTT_THRESH + 0u);

	threshold = KILN_MIN(threshold, MAX_RTT_THRESH + 0u);
	if (h->samples < N_RTT_SAMPLE)
		return;
	if (h->rounds_left > 0) {
		if (h->this_round < h->baseline)
			h->rounds_left = 0; /* it was for nothing: back to slow start */
	} else if (h->last_round && h->this_round >= h->last_round + threshold) {
		h->baseline = h->this_round;
		h->rounds_left = CSS_ROUNDS;
	}
}

void tcp_hystart_acked(struct tcp_hystart *h, struct tcp_congestion_window *w,
                       const struct tcp_flow_facts *f)
{
	bool paced = f->paced || f->srtt <= SHORT_PATH;
	uint32_t growth = paced ? f->acked : KILN_MIN(f->acked, L * f->mss);

	if (f->round) {
		begin_round(h, w);
		if (w->cwnd >= w->ssthresh)
			return;
	}
	if (f->rtt) {
		take_sample(h, f->rtt);
		judge(h);
	}
	if (!f->limited)
		return;
	w->cwnd += h->rounds_left > 0 ? growth / CSS_GROWTH_DIVISOR : growth;
}
