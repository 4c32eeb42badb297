/*
 * Moderation, as network interfaces moderate their interrupts: a busy image that is woken
 * for every frame spends more on being woken, and on calls with one frame each, than on the
 * frames. Instead it rests for a fixed time, and finds what has arrived. That delays an
 * answer by no more than the rest, which clients who keep the image busy do not notice: they
 * wait for each other's answers anyway.
 *
 * A client who waits for this one answer does, though, and the load alone does not tell the
 * two apart. So it is measured. A window counts what the sources bring. In one where work
 * took a quarter of the time or more, now and then the other way is tried; resting is kept
 * while it brings nearly as much. With less work than that, latency is what counts.
 *
 * Called by loop.c after every iteration.
 */
#include <kiln/bytes.h>
#include <kiln/loop.h>

#define WINDOW KILN_MS(10)
/* About what a host spends on putting to sleep and waking. */
#define WAKE_COST KILN_US(20)

enum {
	BUSY_PART = 4,    /* of a window, from which on resting is thought of */
	TRY_EVERY = 16,   /* windows */
	LOSS_PART = 4,    /* of the units that resting may seem to cost */
	UNITS_LEAST = 64, /* in a window: fewer say nothing */
};

/* At the end of a window, in which the way was m->resting. */
static void choose(struct moderation *m, bool busy)
{
	uint64_t waiting = m->rate[0], resting = m->rate[1];

	if (m->trying) {
		m->resting = resting >= waiting - waiting / LOSS_PART;
		m->trying = false;
		m->windows = 0;
	} else if (!busy) {
		m->resting = false;
		m->windows = TRY_EVERY;
	} else if (++m->windows > TRY_EVERY) {
		m->resting = !m->resting;
		m->trying = true;
	}
}

static void count(struct moderation *m, kiln_time now, kiln_time took, unsigned units,
                  bool waited)
{
	kiln_time window = now - m->window_at;

	m->units += units;
	if (units)
		m->busy += took;
	if (waited)
		m->busy += WAKE_COST;
	if (window < WINDOW)
		return;
	m->rate[m->resting] = m->units * WINDOW / window;
	choose(m, m->busy >= window / BUSY_PART && m->units >= UNITS_LEAST);
	m->window_at = now;
	m->busy = 0;
	m->units = 0;
}

void moderation_init(struct moderation *m, kiln_time rest,
                     void (*sleep)(struct kiln *k, kiln_time until))
{
	*m = (struct moderation){.count = count, .sleep = sleep, .rest = rest};
}
