/*
 * The core library's moving parts on a clock of the test's own: timers, the loop, tasks,
 * arenas and pools, and the start of an image with its parameters.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/abi/param.h>
#include <kiln/bytes.h>
#include <kiln/target.h>
#include <kiln/task.h>

/* ---- a target of the test's own: time moves only by waiting ---- */

static kiln_time clock_now;
static unsigned clock_waits;
static char console[4096];
static size_t console_size;
static jmp_buf exit_to;
static int exit_status;

kiln_time target_now(struct kiln *k)
{
	return clock_now;
}

kiln_time target_wall(struct kiln *k)
{
	return KILN_SECONDS(1000000000) + clock_now;
}

void target_wait(struct kiln *k, kiln_time deadline)
{
	clock_waits++;
	if (deadline == KILN_NEVER)
		loop_stop(&k->loop); /* nothing will ever happen: the test is over */
	else if (deadline > clock_now)
		clock_now = deadline;
}

void target_console(struct kiln *k, struct slice text)
{
	size_t n = KILN_MIN(text.len, sizeof(console) - 1 - console_size);

	memcpy(console + console_size, text.data, n);
	console_size += n;
	console[console_size] = 0;
}

_Noreturn void target_exit(struct kiln *k, int status)
{
	exit_status = status;
	longjmp(exit_to, 1);
}

_Noreturn void target_panic(struct slice message)
{
	target_console(NULL, message);
	exit_status = -1;
	longjmp(exit_to, 1);
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

int appliance(struct kiln *k)
{
	return 0;
}

/* ---- a context to work in ---- */

KILN_PARAM_PORT(port, 80, "for this test");
KILN_PARAM_STRING(title, "none", "for this test");
KILN_PARAM_SECONDS(patience, 30, "for this test");
KILN_PARAM_BOOL(loud, no, "for this test");

static struct kiln kiln;
static struct kiln_boot boot;
static _Alignas(4096) uint8_t memory[1 << 20];

/* Starts a context with these options and runs entry in it; -1 if it was ended. */
static int start(int (*entry)(struct kiln *k), const char *options, size_t size)
{
	clock_now = KILN_SECONDS(5) + 123456;
	console_size = 0;
	console[0] = 0;
	memset(&kiln, 0, sizeof(kiln));
	memset(memory, 0, sizeof(memory));
	boot = (struct kiln_boot){.magic = KILN_BOOT_MAGIC,
	                          .memory = (uintptr_t)memory,
	                          .memory_size = sizeof(memory),
	                          .options = (uintptr_t)options,
	                          .options_size = size};
	kiln.boot = &boot;
	if (setjmp(exit_to))
		return -1;
	return kiln_start_with(&kiln, entry);
}

/* ---- timers ---- */

struct alarm {
	struct timer timer;
	kiln_time wanted, fired_at;
	unsigned fired;
};

static void alarm_fired(struct timer *timer)
{
	struct alarm *a = kiln_container(timer, struct alarm, timer);

	a->fired++;
	a->fired_at = clock_now;
}

static int timers_entry(struct kiln *k)
{
	enum { COUNT = 2000 };
	static struct alarm alarm[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		/* From microseconds to a year, so that every level and the clamp are met.
		 */
		kiln_time in = (kiln_time)random_u32(&k->random) << (i % 24);
		alarm[i] = (struct alarm){.wanted = k->loop.now + in};
		timer_init(&alarm[i].timer, alarm_fired);
		timer_set(&k->loop, &alarm[i].timer, alarm[i].wanted);
	}
	for (unsigned i = 0; i < COUNT; i += 7)
		timer_cancel(&k->loop, &alarm[i].timer);
	for (unsigned i = 1; i < COUNT; i += 7) { /* set anew, for earlier */
		alarm[i].wanted = k->loop.now + (alarm[i].wanted - k->loop.now) / 3;
		timer_set(&k->loop, &alarm[i].timer, alarm[i].wanted);
	}
	kiln_run(k);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(alarm[i].fired, i % 7 != 0);
		if (!alarm[i].fired)
			continue;
		assert_true(alarm[i].fired_at >= alarm[i].wanted);
		assert_true(alarm[i].fired_at <= alarm[i].wanted + KILN_MS(1));
	}
	assert_int_equal(k->loop.wheel.count, 0);
	return 0;
}

static void timers_fire_once_not_early_and_within_a_tick(void **state)
{
	assert_int_equal(start(timers_entry, NULL, 0), 0);
}

static struct alarm *victim;

static void cancel_the_other(struct timer *timer)
{
	alarm_fired(timer);
	timer_cancel(&kiln.loop, &victim->timer);
}

static int same_tick_entry(struct kiln *k)
{
	static struct alarm a, b, c;

	a = b = c = (struct alarm){0};
	timer_init(&a.timer, cancel_the_other);
	timer_init(&b.timer, alarm_fired);
	timer_init(&c.timer, alarm_fired);
	victim = &b;
	timer_set(&k->loop, &a.timer, k->loop.now + KILN_MS(10));
	timer_set(&k->loop, &b.timer, k->loop.now + KILN_MS(10));
	timer_set(&k->loop, &c.timer, k->loop.now - 1); /* passed already */
	kiln_run(k);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	assert_int_equal(c.fired, 1);
	assert_true(c.fired_at < a.fired_at);
	return 0;
}

static void a_timer_can_cancel_another_of_its_tick(void **state)
{
	assert_int_equal(start(same_tick_entry, NULL, 0), 0);
}

/* ---- the loop ---- */

static struct loop_work chain;
static unsigned chained;

static void chain_on(struct loop_work *work)
{
	chained++;
	loop_defer(&kiln.loop, work);
}

static int deferred_entry(struct kiln *k)
{
	unsigned waits = clock_waits;

	loop_work_init(&chain, chain_on);
	loop_defer(&k->loop, &chain);
	loop_defer(&k->loop, &chain);
	loop_step(&k->loop, 0);
	assert_in_range(chained, 2, 1000); /* goes on, but does not hang */
	assert_int_equal(clock_waits, waits);
	loop_cancel(&chain);
	loop_step(&k->loop, k->loop.now);
	assert_int_equal(clock_waits, waits + 1);
	return 0;
}

static void work_that_defers_itself_does_not_hang_the_loop(void **state)
{
	chained = 0;
	assert_int_equal(start(deferred_entry, NULL, 0), 0);
}

struct busy_source {
	struct loop_source source;
	unsigned left, flushes;
};

static unsigned busy_poll(struct loop_source *source, unsigned budget)
{
	struct busy_source *s = kiln_container(source, struct busy_source, source);
	unsigned n = KILN_MIN(s->left, budget);

	s->left -= n;
	clock_now += 1000;
	return n;
}

static void busy_flush(struct loop_source *source)
{
	kiln_container(source, struct busy_source, source)->flushes++;
}

/* Steps until the loop has waited; how many microseconds it has polled on before. */
static unsigned polled_on(struct kiln *k, struct busy_source *s)
{
	unsigned waits = clock_waits, steps = 0;

	s->left = 1;
	loop_step(&k->loop, clock_now);
	for (; clock_waits == waits && steps < 100; steps++)
		loop_step(&k->loop, clock_now);
	return steps; /* busy_poll takes a microsecond */
}

static int spin_entry(struct kiln *k)
{
	struct busy_source s = {.source = {.poll = busy_poll, .flush = busy_flush},
	                        .left = 200};

	k->loop.spin = KILN_US(20);
	loop_add(&k->loop, &s.source);
	for (unsigned i = 0; i < 4; i++)
		loop_step(&k->loop, KILN_NEVER);
	assert_int_equal(s.left, 0);
	assert_int_equal(s.flushes, 4);
	polled_on(k, &s);
	assert_in_range(polled_on(k, &s), 18, 22); /* the last came at once */
	clock_now += KILN_US(50);
	assert_int_equal(polled_on(k, &s), 1);
	assert_in_range(polled_on(k, &s), 18, 22);
	k->loop.spin = 0;
	polled_on(k, &s);
	assert_int_equal(polled_on(k, &s), 1);
	loop_remove(&s.source);
	return 0;
}

static void the_loop_polls_on_for_the_spin_where_the_last_work_came_within_it(
    void **state)
{
	assert_int_equal(start(spin_entry, NULL, 0), 0);
}

/* ---- tasks ---- */

static struct task_pool *tasks;
static struct task *sleeper;
static char trace[256];

static void note(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static void sleeping(void *arg)
{
	kiln_time before = kiln.loop.now;

	note("s");
	task_sleep(tasks, KILN_MS(50));
	assert_true(kiln.loop.now >= before + KILN_MS(50));
	note("S");
}

static void parking(void *arg)
{
	sleeper = task_self(tasks);
	note("p");
	assert_int_equal(task_park(tasks, KILN_NEVER), KILN_OK);
	note("P");
	assert_int_equal(task_park(tasks, kiln.loop.now + KILN_MS(5)), KILN_ERR_TIMEOUT);
	note("T");
}

static void waking(void *arg)
{
	task_yield(tasks);
	note("w");
	task_wake(sleeper);
	task_wake(sleeper);
}

static int tasks_entry(struct kiln *k)
{
	trace[0] = 0;
	tasks = task_pool_new(k, 3, 16384);
	assert_int_equal(task_start(tasks, sleeping, NULL), KILN_OK);
	assert_int_equal(task_start(tasks, parking, NULL), KILN_OK);
	assert_int_equal(task_start(tasks, waking, NULL), KILN_OK);
	assert_int_equal(task_start(tasks, waking, NULL), KILN_ERR_MEMORY);
	assert_null(task_self(tasks));
	kiln_run(k);
	assert_string_equal(trace, "spwPTS");
	assert_int_equal(task_count(tasks), 0);
	return 0;
}

static void tasks_park_wake_sleep_and_end(void **state)
{
	assert_int_equal(start(tasks_entry, NULL, 0), 0);
}

/* ---- memory ---- */

static int pool_entry(struct kiln *k)
{
	struct pool pool;
	uint8_t *object[5];

	pool_init(&pool, k, 40, 4, "objects");
	assert_int_equal(pool.size, 48);
	for (unsigned i = 0; i < 4; i++) {
		object[i] = pool_get(&pool);
		assert_non_null(object[i]);
		memset(object[i], (int)i, 40);
	}
	object[4] = pool_get(&pool);
	assert_null(object[4]);
	assert_int_equal(pool.refused, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(object[i][39], i);
	pool_put(&pool, object[1]);
	assert_ptr_equal(pool_get(&pool), object[1]);
	assert_int_equal(pool.most, 4);
	assert_null(arena_try(&k->arena, SIZE_MAX, 16));
	assert_null(arena_try(&k->arena, sizeof(memory), 1));
	(void)kiln_alloc(k, sizeof(memory), "too much");
	return 0;
}

static void memory_that_does_not_fit_ends_the_image_with_a_message(void **state)
{
	assert_int_equal(start(pool_entry, NULL, 0), -1);
	assert_int_equal(exit_status, -1);
	assert_non_null(strstr(console, "for too much do not fit"));
	assert_non_null(strstr(console, "-m"));
}

static int chunk_entry(struct kiln *k)
{
	struct pool pool;

	pool_init(&pool, k, sizeof(struct chunk), 2, "chunks");
	struct chunk *a = chunk_get(&pool), *b = chunk_get(&pool);
	assert_null(chunk_get(&pool));
	assert_int_equal((uintptr_t)a % CHUNK_TOTAL, 0);
	chunk_ref(a);
	chunk_unref(a);
	assert_int_equal(pool.used, 2);
	chunk_unref(a);
	chunk_unref(b);
	assert_int_equal(pool.used, 0);
	return 0;
}

static void a_chunk_lives_as_long_as_its_last_reference(void **state)
{
	assert_int_equal(start(chunk_entry, NULL, 0), 0);
}

/* ---- parameters and the log ---- */

static int param_entry(struct kiln *k)
{
	struct slice value;

	assert_int_equal(port, 8080);
	assert_string_equal(title, "a b=c");
	assert_true(patience == KILN_MS(500));
	assert_true(loud);
	assert_true(kiln_option(k, "port", &value) && slice_equal(value, SLICE("8080")));
	assert_false(kiln_option(k, "por", &value));
	log_debug(k, "test", "seen");
	kiln_log(k, LOG_DEBUG, "test", "%0*d", 300, 1);
	return 0;
}

static void start_options_reach_their_variables(void **state)
{
	static const char options[] =
	    "port=8080\0title=a b=c\0patience=500ms\0loud=yes\0log=debug";

	assert_int_equal(start(param_entry, options, sizeof(options)), 0);
	assert_string_equal(console,
	                    "[    0.000000] debug test: seen\n"
	                    "[    0.000000] debug test: (message too long) %0*d\n");
}

static int quiet_entry(struct kiln *k)
{
	log_debug(k, "test", "not shown");
	return 0;
}

static void wrong_start_options_end_the_image_by_name(void **state)
{
	static const struct {
		const char *option, *message;
	} wrong[] = {
	    {"prt=1", "no parameter 'prt'"},
	    {"port=0", "--port takes a port from 1 to 65535, not '0'"},
	    {"port", "--port takes a port from 1 to 65535, not ''"},
	    {"loud=perhaps", "--loud takes yes or no"},
	    {"log=shout", "--log takes error, warn, info or debug, not 'shout'"},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(wrong); i++) {
		exit_status = 0;
		assert_int_equal(
		    start(quiet_entry, wrong[i].option, strlen(wrong[i].option) + 1), -1);
		assert_int_equal(exit_status, 1);
		assert_non_null(strstr(console, wrong[i].message));
	}
	assert_int_equal(start(quiet_entry, "port=1", 6), -1); /* no NUL at its end */
	assert_int_equal(start(quiet_entry, NULL, 0), 0);
	assert_string_equal(console, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(timers_fire_once_not_early_and_within_a_tick),
	    cmocka_unit_test(a_timer_can_cancel_another_of_its_tick),
	    cmocka_unit_test(work_that_defers_itself_does_not_hang_the_loop),
	    cmocka_unit_test(
	        the_loop_polls_on_for_the_spin_where_the_last_work_came_within_it),
	    cmocka_unit_test(tasks_park_wake_sleep_and_end),
	    cmocka_unit_test(memory_that_does_not_fit_ends_the_image_with_a_message),
	    cmocka_unit_test(a_chunk_lives_as_long_as_its_last_reference),
	    cmocka_unit_test(start_options_reach_their_variables),
	    cmocka_unit_test(wrong_start_options_end_the_image_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
