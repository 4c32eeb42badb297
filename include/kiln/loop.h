/*
 * The event loop: sources are polled, timers fire, deferred work runs; then the target
 * waits. Run to completion: no locks, no preemption, one loop an image (many in `sim`).
 *
 * An iteration polls every source within its budget, advances the timer wheel, runs the
 * deferred work (including what that defers), and flushes. When nothing was done it
 * waits: first by polling for `spin` longer, if the last work came about so soon, then in
 * target_wait(). Under load it may rest
 * instead, so that what arrives meanwhile is one iteration's work (see moderation.c).
 *
 * All structs are owned by the caller and must stay where they are while linked.
 */
#ifndef KILN_LOOP_H
#define KILN_LOOP_H

#include <stdbool.h>
#include <kiln/list.h>
#include <kiln/time.h>

struct kiln;

/* Something that may have work: a device. */
struct loop_source {
	struct list node;
	/* Does up to `budget` units of work; returns how many it did (0: idle). */
	unsigned (*poll)(struct loop_source *source, unsigned budget);
	/* Called once after an iteration's work, before waiting; NULL if not needed. */
	void (*flush)(struct loop_source *source);
};

/* Work to do once, later in this iteration. Deferring it twice does it once. */
struct loop_work {
	struct list node;
	void (*run)(struct loop_work *work);
};

/*
 * A timer on the wheel: set, re-set and cancel in O(1). Fires once, not before its
 * deadline, and late by at most the wheel's tick (1 ms) plus the loop's delay.
 */
struct timer {
	struct list node;
	kiln_time deadline; /* KILN_NEVER while not set */
	void (*fire)(struct timer *timer);
};

enum { TIMER_LEVELS = 5, TIMER_SLOTS = 64 }; /* 64^5 ms: 12 days, then cascaded again */

struct timer_wheel {
	uint64_t tick; /* the last ms of the clock that has been handled */
	unsigned count;
	struct list due; /* set for an instant that had passed already */
	uint64_t occupied[TIMER_LEVELS]; /* a bit for each slot that is not empty */
	struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

/* Whether to wait for the next frame or to rest until there are some: moderation.c. */
struct moderation {
	void (*count)(struct moderation *m, kiln_time now, kiln_time took, unsigned units,
		      bool waited);
	void (*sleep)(struct kiln *k, kiln_time until);
	kiln_time rest; /* how long at a time */
	kiln_time window_at, busy; /* since when it is measured; how long was work */
	uint64_t units;            /* of the sources' work in the window */
	uint64_t rate[2];          /* units a window, when waiting and when resting */
	uint32_t windows;          /* since the ways were compared */
	bool resting, trying;      /* trying: this window is to compare the other way */
};

struct loop {
	struct kiln *kiln;
	kiln_time now;  /* cached: set at the start of each iteration */
	kiln_time spin; /* how long to poll on before blocking, at most; 0: never */
	bool idle, soon; /* soon: when the loop was last idle, work came soon */
	kiln_time worked_at, waited_at;
	bool stopping;
	struct list sources;
	struct list deferred;
	struct timer_wheel wheel;
	unsigned polled; /* what the sources did in the last iteration */
	uint64_t iterations, waits;
};

void loop_init(struct loop *loop, struct kiln *kiln);
void loop_add(struct loop *loop, struct loop_source *source);
void loop_remove(struct loop_source *source);

void loop_work_init(struct loop_work *work, void (*run)(struct loop_work *));
void loop_defer(struct loop *loop, struct loop_work *work);
void loop_cancel(struct loop_work *work);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* One iteration; waits for no longer than `deadline` (an instant) if idle. */
void loop_step(struct loop *loop, kiln_time deadline);
/* Ends loop_run() after the current iteration. Also from target code (Ctrl-C). */
void loop_stop(struct loop *loop);

void timer_init(struct timer *timer, void (*fire)(struct timer *));
/* Sets, or sets anew, for an instant. */
void timer_set(struct loop *loop, struct timer *timer, kiln_time deadline);
void timer_cancel(struct loop *loop, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
	return timer->deadline != KILN_NEVER;
}

/*
 * For a target that can rest, before kiln_start(): kiln->moderation is to point there. `sleep`
 * blocks until then, or until a stop is asked for: what devices have to say does not end it.
 */
void moderation_init(struct moderation *m, kiln_time rest,
		     void (*sleep)(struct kiln *k, kiln_time until));

/* Of the wheel itself, for loop.c and tests. */
void timer_wheel_init(struct timer_wheel *wheel);
/* Fires all that is due at `now`. Returns how many fired. */
unsigned timer_wheel_advance(struct loop *loop, kiln_time now);
/* No later than the next deadline; may be earlier (a cascade). KILN_NEVER if none. */
kiln_time timer_wheel_next(const struct timer_wheel *wheel);

#endif
