/*
 * CUBIC (RFC 9438): after a reduction the window is a cubic function of the time since,
 * flat around where the loss was, so that it soon regains what it had, stays there, and
 * then probes for more ever faster; and never slower than Reno's. The default controller.
 *
 * Equations and names are those of the RFC, in bytes and ms. Nothing here uses floating
 * point: an image need not own those registers.
 */
#include "tcp_hystart.h"

#include <kiln/bytes.h>

/* beta_cubic 0.7; C 0.4; alpha_cubic 3 * (1 - beta) / (1 + beta) = 9 / 17. */
enum {
	BETA_TENTHS = 7,
	C_TENTHS = 4,
	ALPHA = 9,
	ALPHA_OF = 17,
	AWAY_MAX =
	    100000, /* ms from the plateau: there the window has no bounds any more */
};

struct cubic {
	struct tcp_hystart start;
	uint32_t w_max;      /* where the plateau is; 0: where avoidance begins */
	uint32_t cwnd_prior; /* at the last reduction */
	uint32_t w_est;      /* what Reno would have */
	uint32_t k;          /* ms from the start of the epoch to the plateau */
	kiln_time epoch_at;  /* of the current congestion avoidance stage; 0: none yet */
	kiln_time acked_at;  /* the last ACK in it */
	uint64_t cwnd_rest, est_rest; /* growth of less than a byte */
};
_Static_assert(sizeof(struct cubic) <= TCP_CONGESTION_STATE, "fits a connection");

/* The largest integer whose cube is not above x: digit by digit, in base two. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t root = 0;

	for (int shift = 63; shift >= 0; shift -= 3) {
		root *= 2;
		uint64_t step = 3 * root * (root + 1) + 1;
		if (x >> shift >= step) {
			x -= step << shift;
			root++;
		}
	}
	return (uint32_t)root;
}

static void begin_epoch(struct cubic *c, const struct tcp_congestion_window *w,
                        const struct tcp_flow_facts *f)
{
	c->epoch_at = c->acked_at = f->now;
	c->w_est = w->cwnd;
	c->cwnd_rest = c->est_rest = 0;
	c->k = 0;
	if (c->w_max <= w->cwnd) {
		c->w_max = w->cwnd;
		return;
	}
	/* Equation 2: the cube root of (w_max - cwnd) / C, in ms for segments. */
	uint64_t segments = ((uint64_t)(c->w_max - w->cwnd) << 10) / f->mss;
	c->k = cube_root(segments * (10000000000 / C_TENTHS >> 10));
}

/* W_cubic(t), equation 1. */
static uint64_t w_cubic(const struct cubic *c, uint32_t mss, uint64_t t)
{
	uint64_t away = t > c->k ? t - c->k : c->k - t;

	away = KILN_MIN(away, AWAY_MAX + 0u);
	uint64_t step = away * away * away / 1000 * mss / 1000000 * C_TENTHS / 10;
	if (t > c->k)
		return c->w_max + step;
	return c->w_max > step ? c->w_max - step : 0;
}

/* W_est, figure 4. */
static void grow_as_reno(struct cubic *c, const struct tcp_congestion_window *w,
                         const struct tcp_flow_facts *f)
{
	uint32_t alpha = c->w_est < c->cwnd_prior ? ALPHA : ALPHA_OF;
	uint64_t growth = (uint64_t)alpha * f->acked * f->mss + c->est_rest;
	uint64_t unit = (uint64_t)ALPHA_OF * w->cwnd;

	c->w_est += (uint32_t)(growth / unit);
	c->est_rest = growth % unit;
}

static void avoid(struct cubic *c, struct tcp_congestion_window *w,
                  const struct tcp_flow_facts *f)
{
	if (!c->epoch_at)
		begin_epoch(c, w, f);
	/* Time in which the window was not used does not count (5.8). */
	if (!f->limited)
		c->epoch_at += f->now - c->acked_at;
	c->acked_at = f->now;
	if (!f->limited)
		return;
	uint64_t t = (f->now - c->epoch_at) / KILN_MS(1);
	grow_as_reno(c, w, f);
	if (w_cubic(c, f->mss, t) < c->w_est) { /* the Reno-friendly region, 4.3 */
		w->cwnd = KILN_MAX(w->cwnd, c->w_est);
		return;
	}
	uint64_t target = w_cubic(c, f->mss, t + f->srtt / KILN_MS(1));
	target = KILN_MIN(target, w->cwnd + (uint64_t)w->cwnd / 2);
	if (target <= w->cwnd)
		return;
	uint64_t growth = (target - w->cwnd) * f->acked + c->cwnd_rest;
	c->cwnd_rest = growth % w->cwnd;
	w->cwnd += (uint32_t)(growth / w->cwnd);
}

static void acked(struct tcp_congestion_window *w, const struct tcp_flow_facts *f)
{
	struct cubic *c = tcp_congestion_state(w);

	if (w->cwnd >= w->ssthresh)
		avoid(c, w, f);
	else if (w->ssthresh == TCP_SSTHRESH_NONE)
		tcp_hystart_acked(&c->start, w, f);
	else if (f->limited)
		w->cwnd += f->acked;
}

static uint32_t reduced(struct tcp_congestion_window *w, const struct tcp_flow_facts *f,
                        enum tcp_congestion_event why)
{
	struct cubic *c = tcp_congestion_state(w);

	c->epoch_at = 0;
	c->cwnd_prior = w->cwnd;
	/* Fast convergence (4.7): less than last time means that others need room. */
	if (why == TCP_CONGESTION_TIMEOUT)
		c->w_max = 0; /* 4.8 */
	else if (w->cwnd < c->w_max)
		c->w_max = (uint32_t)((uint64_t)w->cwnd * (10 + BETA_TENTHS) / 20);
	else
		c->w_max = w->cwnd;
	return (uint32_t)((uint64_t)f->in_flight * BETA_TENTHS / 10);
}

static void resumed(struct tcp_congestion_window *w, const struct tcp_flow_facts *f,
                    kiln_time pause)
{
	struct cubic *c = tcp_congestion_state(w);

	(void)f;
	if (!c->epoch_at)
		return;
	c->epoch_at += pause;
	c->acked_at += pause;
}

const struct tcp_congestion tcp_cubic = {
    .name = "cubic",
    .acked = acked,
    .reduced = reduced,
    .resumed = resumed,
};
