/*
 * When the loop rests instead of waiting for each frame (lib/core/moderation.c), against
 * loads that are played: a server with so much work a frame, and clients who do, or do not,
 * wait for its answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/loop.h>

#define REST KILN_US(100)

struct load {
	kiln_time gap;    /* from frame to frame, from whoever waits for no answer */
	kiln_time work;   /* a frame */
	unsigned clients; /* who send the next frame once they have their answer; or 0 */
	kiln_time thinking; /* of theirs, for each */
};

struct played {
	struct moderation m;
	kiln_time now, next;
	unsigned ready; /* clients' frames that have arrived */
	uint64_t frames, rests;
};

static struct played start(void)
{
	struct played p = {0};

	moderation_init(&p.m, REST, NULL);
	return p;
}

/* What has arrived by now. */
static unsigned arrived(struct played *p, const struct load *l)
{
	unsigned n = 0;

	if (l->clients) {
		n = p->ready;
		p->ready = 0;
		return n;
	}
	for (; p->next <= p->now; p->next += l->gap)
		n++;
	return n;
}

/* An iteration of the loop, and its wait. */
static void step(struct played *p, const struct load *l)
{
	unsigned n = arrived(p, l);
	bool waited = false;
	kiln_time took = n * l->work;

	p->now += took;
	p->frames += n;
	if (l->clients && n)
		p->ready = n;
	if (n && p->m.resting) {
		p->now += REST;
		p->rests++;
	} else if (n == 0 || l->clients) {
		waited = !p->m.resting;
		p->now = l->clients ? p->now + l->thinking
		                    : (p->next > p->now ? p->next : p->now);
	}
	if (p->frames == 0 && l->clients)
		p->ready = l->clients;
	p->m.count(&p->m, p->now, took, n, waited);
}

static void play(struct played *p, const struct load *l, kiln_time how_long)
{
	kiln_time end = p->now + how_long;

	p->next = p->now;
	p->ready = l->clients;
	while (p->now < end)
		step(p, l);
}

/* The part of the time that was rested, in percent. */
static unsigned rested(struct played *p, const struct load *l, kiln_time how_long)
{
	uint64_t before = p->rests;

	play(p, l, how_long);
	return (unsigned)((p->rests - before) * REST * 100 / how_long);
}

static void under_a_load_that_does_not_wait_it_rests(void **state)
{
	/* 100,000 frames a second, a third of the processor's time and more. */
	const struct load heavy = {.gap = KILN_US(10), .work = KILN_US(4)};
	struct played p = start();

	assert_in_range(rested(&p, &heavy, KILN_SECONDS(1)), 40, 100);
}

static void under_a_light_load_it_waits_for_each_frame(void **state)
{
	const struct load light = {.gap = KILN_US(500), .work = KILN_US(4)};
	struct played p = start();

	assert_int_equal(rested(&p, &light, KILN_SECONDS(1)), 0);
}

static void waits_always(struct moderation *m, kiln_time now, kiln_time took,
                         unsigned units, bool waited)
{
}

static void for_a_client_who_waits_for_each_answer_it_rests_to_try_only(void **state)
{
	const struct load one = {
	    .clients = 1, .work = KILN_US(6), .thinking = KILN_US(10)};
	struct played p = start();
	uint64_t frames;

	assert_in_range(rested(&p, &one, KILN_SECONDS(1)), 1, 8);
	frames = p.frames;
	p = start();
	p.m.count = waits_always;
	play(&p, &one, KILN_SECONDS(1));
	assert_in_range(frames * 100 / p.frames, 90, 100);
}

static void it_follows_the_load(void **state)
{
	const struct load heavy = {.gap = KILN_US(10), .work = KILN_US(4)};
	const struct load light = {.gap = KILN_US(500), .work = KILN_US(4)};
	struct played p = start();

	play(&p, &heavy, KILN_SECONDS(1));
	assert_true(p.m.resting);
	play(&p, &light, KILN_MS(25));
	assert_int_equal(rested(&p, &light, KILN_SECONDS(1)), 0);
	play(&p, &heavy, KILN_MS(50));
	assert_in_range(rested(&p, &heavy, KILN_SECONDS(1)), 40, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(under_a_load_that_does_not_wait_it_rests),
	    cmocka_unit_test(under_a_light_load_it_waits_for_each_frame),
	    cmocka_unit_test(for_a_client_who_waits_for_each_answer_it_rests_to_try_only),
	    cmocka_unit_test(it_follows_the_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
