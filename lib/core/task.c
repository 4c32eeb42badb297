/*
 * Tasks: stackful coroutines over the event loop. See <kiln/task.h>.
 *
 * Each task is a slot of the pool: its struct, then its stack, whose lowest word is the
 * canary. The loop runs a task as deferred work: it switches to the task's stack and
 * comes back when the task parks or ends.
 */
#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include <kiln/task.h>
#include "context.h"

KILN_LIBRARY(task, "0.1");

struct task {
	struct context context;
	struct task_pool *pool;
	struct loop_work work; /* linked while the task is runnable */
	struct timer timer;
	void (*fn)(void *arg);
	void *arg;
	uint64_t *canary;
	bool ended, parked, woken, timed_out;
};

struct task_pool {
	struct kiln *kiln;
	struct context loop; /* whoever ran the deferred work */
	struct task *running;
	struct pool slots;
	size_t stack;
	uint64_t canary;
};

struct task_pool *task_pool_new(struct kiln *k, unsigned count, size_t stack)
{
	struct task_pool *pool = kiln_alloc(k, sizeof(*pool), "tasks");

	pool->kiln = k;
	pool->stack = (stack + 15) & ~(size_t)15;
	pool->canary = random_u64(&k->random);
	pool_init(&pool->slots, k, sizeof(struct task) + pool->stack, count,
	          "task stacks");
	return pool;
}

static void task_main(void *arg)
{
	struct task *task = arg;
	struct task_pool *pool = task->pool;

	task->fn(task->arg);
	task->ended = true;
	context_switch(&task->context, &pool->loop);
}

static void task_run(struct loop_work *work)
{
	struct task *task = kiln_container(work, struct task, work);
	struct task_pool *pool = task->pool;

	kiln_assert(pool->running == NULL);
	pool->running = task;
	context_switch(&pool->loop, &task->context);
	pool->running = NULL;
	/* A stack that overflowed has overwritten its lowest word, and maybe its
	 * neighbour. */
	kiln_assert(*task->canary == pool->canary && "task stack overflow");
	if (task->ended)
		pool_put(&pool->slots, task);
}

static void task_timeout(struct timer *timer)
{
	struct task *task = kiln_container(timer, struct task, timer);

	task->timed_out = true;
	loop_defer(&task->pool->kiln->loop, &task->work);
}

enum kiln_error task_start(struct task_pool *pool, void (*fn)(void *arg), void *arg)
{
	struct task *task = pool_get(&pool->slots);

	if (!task)
		return KILN_ERR_MEMORY;
	memset(task, 0, sizeof(*task));
	task->pool = pool;
	task->fn = fn;
	task->arg = arg;
	task->canary = (uint64_t *)(void *)(task + 1);
	*task->canary = pool->canary;
	loop_work_init(&task->work, task_run);
	timer_init(&task->timer, task_timeout);
	context_make(&task->context, task + 1, pool->stack, task_main, task);
	loop_defer(&pool->kiln->loop, &task->work);
	return KILN_OK;
}

struct task *task_self(struct task_pool *pool)
{
	return pool->running;
}

enum kiln_error task_park(struct task_pool *pool, kiln_time deadline)
{
	struct task *task = pool->running;

	kiln_assert(task != NULL);
	if (!task->woken) {
		task->parked = true;
		timer_set(&pool->kiln->loop, &task->timer, deadline);
		context_switch(&task->context, &pool->loop);
		timer_cancel(&pool->kiln->loop, &task->timer);
		task->parked = false;
	}
	bool timed_out = task->timed_out && !task->woken;
	task->woken = task->timed_out = false;
	return timed_out ? KILN_ERR_TIMEOUT : KILN_OK;
}

void task_wake(struct task *task)
{
	task->woken = true;
	if (task->parked)
		loop_defer(&task->pool->kiln->loop, &task->work);
}

void task_sleep(struct task_pool *pool, kiln_time duration)
{
	kiln_time until = pool->kiln->loop.now + duration;
	bool woken = false;

	while (task_park(pool, until) == KILN_OK)
		woken = true;
	pool->running->woken =
	    woken; /* for the next park: it was not meant for this one */
}

void task_yield(struct task_pool *pool)
{
	struct task *task = pool->running;

	kiln_assert(task != NULL);
	loop_defer(&pool->kiln->loop, &task->work);
	context_switch(&task->context, &pool->loop);
}

unsigned task_count(const struct task_pool *pool)
{
	return pool->slots.used;
}
