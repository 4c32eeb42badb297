/*
 * For kiln bench boot: what a task, a switch and a timer cost, by themselves.
 *
 *	tasks.host --what create|switch|timer --count N
 *
 * Prints how many there were, and how long they took: in ns, and in cycles of the time stamp
 * counter.
 */
#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include <kiln/task.h>

KILN_PARAM_STRING(what, "create", "what is measured: create, switch or timer");
KILN_PARAM_UINT(count, 1000000, 2, 1000000000, "how many of them");

enum { AT_ONCE = 64, STACK = 8192, FAR_MS = 5000 };

struct bench {
	struct kiln *kiln;
	struct task_pool *pool;
	struct loop_work more; /* starts tasks as long as there are some to be started */
	uint64_t started, ended;
	uint64_t yields; /* of each of two tasks */
};

/* ---- create ---- */

static void nothing(void *arg)
{
	struct bench *b = arg;

	if (++b->ended == count)
		kiln_stop(b->kiln);
}

static void start_more(struct loop_work *work)
{
	struct bench *b = kiln_container(work, struct bench, more);

	while (b->started < count && task_start(b->pool, nothing, b) == KILN_OK)
		b->started++;
	if (b->started < count)
		loop_defer(&b->kiln->loop, work);
}

static void create_all(struct bench *b)
{
	loop_work_init(&b->more, start_more);
	loop_defer(&b->kiln->loop, &b->more);
	kiln_run(b->kiln);
}

/* ---- switch ---- */

static void yield_on(void *arg)
{
	struct bench *b = arg;

	for (uint64_t i = 0; i < b->yields; i++)
		task_yield(b->pool);
	b->ended++;
	if (b->ended == 2)
		kiln_stop(b->kiln);
}

static void switch_all(struct bench *b)
{
	b->yields = count / 2;
	for (unsigned i = 0; i < 2; i++) {
		if (task_start(b->pool, yield_on, b) != KILN_OK)
			kiln_fail(b->kiln, "tasks", "a task cannot be had");
	}
	kiln_run(b->kiln);
}

/* ---- timer ---- */

static void fired(struct timer *timer)
{
}

static void set_all(struct bench *b)
{
	struct loop *loop = &b->kiln->loop;
	struct timer timer;

	timer_init(&timer, fired);
	for (uint64_t i = 0; i < count; i++) {
		timer_set(loop, &timer, loop->now + KILN_MS(1 + i % FAR_MS));
		timer_cancel(loop, &timer);
	}
}

int appliance(struct kiln *k)
{
	static const struct {
		const char *name;
		void (*run)(struct bench *b);
	} all[] = {{"create", create_all}, {"switch", switch_all}, {"timer", set_all}};
	struct bench b = {.kiln = k, .pool = task_pool_new(k, AT_ONCE, STACK)};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, what) != 0)
			continue;
		kiln_time began = kiln_now(k);
		uint64_t cycles = __builtin_ia32_rdtsc();
		all[i].run(&b);
		cycles = __builtin_ia32_rdtsc() - cycles;
		kiln_printf(k, "count %llu\nns %llu\ncycles %llu\n",
		            (unsigned long long)count,
		            (unsigned long long)(kiln_now(k) - began),
		            (unsigned long long)cycles);
		return 0;
	}
	kiln_fail(k, "tasks", "--what is create, switch or timer, not %s", what);
}
