/*
 * The event loop: see <kiln/loop.h> for what an iteration does and when it waits.
 */
#include <kiln/bytes.h>
#include <kiln/target.h>

enum {
	POLL_BUDGET = 64,     /* units of work a source may do in one iteration */
	DEFERRED_ROUNDS = 64, /* work that defers more work may do so this often */
};
/* A loop that is never idle still lets the target look for a stop this often. */
#define LOOK_UP_EVERY KILN_MS(10)

void loop_init(struct loop *loop, struct kiln *kiln)
{
	loop->kiln = kiln;
	loop->now = loop->worked_at = loop->waited_at = target_now(kiln);
	loop->spin = 0;
	loop->idle = loop->soon = false;
	loop->stopping = false;
	loop->iterations = loop->waits = 0;
	list_init(&loop->sources);
	list_init(&loop->deferred);
	timer_wheel_init(&loop->wheel);
	loop->wheel.tick = loop->now / KILN_MS(1);
}

void loop_add(struct loop *loop, struct loop_source *source)
{
	list_init(&source->node);
	list_append(&loop->sources, &source->node);
}

void loop_remove(struct loop_source *source)
{
	list_remove(&source->node);
}

void loop_work_init(struct loop_work *work, void (*run)(struct loop_work *))
{
	list_init(&work->node);
	work->run = run;
}

void loop_defer(struct loop *loop, struct loop_work *work)
{
	if (!list_linked(&work->node))
		list_append(&loop->deferred, &work->node);
}

void loop_cancel(struct loop_work *work)
{
	list_remove(&work->node);
}

static unsigned run_deferred(struct loop *loop)
{
	unsigned done = 0;

	for (unsigned round = 0; round < DEFERRED_ROUNDS; round++) {
		struct list batch;
		struct list *node;

		if (list_empty(&loop->deferred))
			break;
		list_init(&batch);
		list_splice(&batch, &loop->deferred);
		while ((node = list_pop(&batch))) {
			struct loop_work *work =
			    kiln_container(node, struct loop_work, node);
			work->run(work);
			done++;
		}
	}
	return done;
}

static void wait(struct loop *loop, kiln_time deadline)
{
	loop->waits++;
	target_wait(loop->kiln, deadline);
	loop->waited_at = target_now(loop->kiln);
}

static bool is_resting(const struct loop *loop)
{
	const struct moderation *m = loop->kiln->moderation;

	return m && m->resting;
}

/* Nothing was done, and it is not polled on. Idle twice in a row is not busy. */
static void rest_or_wait(struct loop *loop, kiln_time deadline)
{
	struct moderation *m = loop->kiln->moderation;

	deadline = KILN_MIN(deadline, timer_wheel_next(&loop->wheel));
	if (!is_resting(loop) || loop->worked_at < loop->waited_at) {
		wait(loop, deadline);
		return;
	}
	m->sleep(loop->kiln, KILN_MIN(deadline, loop->now + m->rest));
	loop->waited_at = target_now(loop->kiln);
}

/* Where the last work came too late for it, the next one is not expected sooner. */
static bool poll_on(const struct loop *loop)
{
	return loop->soon && !is_resting(loop) &&
	       loop->now - loop->worked_at < loop->spin;
}

/* What the iteration before this one was like. */
static void moderate(struct loop *loop, kiln_time now)
{
	struct moderation *m = loop->kiln->moderation;

	if (m)
		m->count(m, now, now - loop->now, loop->polled,
		         loop->waited_at > loop->now && !m->resting);
}

static unsigned poll_sources(struct loop *loop)
{
	unsigned work = 0;

	list_each_safe (node, &loop->sources) {
		struct loop_source *source =
		    kiln_container(node, struct loop_source, node);
		work += source->poll(source, POLL_BUDGET);
	}
	return work;
}

void loop_step(struct loop *loop, kiln_time deadline)
{
	kiln_time now = target_now(loop->kiln);
	unsigned work;

	moderate(loop, now);
	loop->iterations++;
	loop->now = now;
	loop->polled = work = poll_sources(loop);
	work += timer_wheel_advance(loop, loop->now);
	work += run_deferred(loop);
	list_each (node, &loop->sources) {
		struct loop_source *source =
		    kiln_container(node, struct loop_source, node);
		if (source->flush)
			source->flush(source);
	}

	if (work) {
		/* Twice: after a wait there is the time in it that being woken took. */
		if (loop->idle)
			loop->soon = loop->now - loop->worked_at <= 2 * loop->spin;
		loop->idle = false;
		loop->worked_at = loop->now;
		if (loop->now - loop->waited_at > LOOK_UP_EVERY)
			wait(loop, loop->now);
		return;
	}
	loop->idle = true;
	if (!loop->stopping && !poll_on(loop))
		rest_or_wait(loop, deadline);
}

void loop_run(struct loop *loop)
{
	while (!loop->stopping)
		loop_step(loop, KILN_NEVER);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}
