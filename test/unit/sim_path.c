/*
 * The model of a link's direction by itself: frames and instants in, arrivals out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include "target/sim/path.h"

enum { FRAMES = 2000, SIZE = 1250 };

struct fate {
	unsigned count;
	struct sim_arrival copies[SIM_COPIES];
};

/* What becomes of frames that are sent one each `gap`. */
static void carry_all(const struct sim_impairment *impairment, uint64_t seed,
                      kiln_time gap, struct fate *fates)
{
	struct sim_path path = {0};
	struct sim_random random;

	sim_random_seed(&random, seed);
	memset(fates, 0, FRAMES * sizeof(*fates));
	for (unsigned i = 0; i < FRAMES; i++) {
		kiln_time now = KILN_SECONDS(1) + i * gap;
		kiln_time left = sim_path_departure(&path, impairment, now, SIZE);

		assert_true(left != KILN_NEVER && left >= now);
		fates[i].count = sim_path_carry(&path, impairment, &random, left, SIZE,
		                                fates[i].copies);
		for (unsigned c = 0; c < fates[i].count; c++) {
			assert_true(fates[i].copies[c].at >= left + impairment->delay);
			assert_true(fates[i].copies[c].bit < SIZE * 8);
		}
	}
	sim_path_free(&path);
}

static struct fate first[FRAMES], second[FRAMES];

static const struct sim_impairment bad = {.loss = 0.1,
                                          .duplicate = 0.1,
                                          .corrupt = 0.1,
                                          .reorder = 0.1,
                                          .jitter = KILN_MS(2),
                                          .delay = KILN_MS(5)};

static void a_seed_and_the_same_frames_repeat_to_the_nanosecond(void **state)
{
	carry_all(&bad, 7, KILN_US(100), first);
	carry_all(&bad, 7, KILN_US(100), second);
	assert_memory_equal(first, second, sizeof(first));
	carry_all(&bad, 8, KILN_US(100), second);
	assert_memory_not_equal(first, second, sizeof(first));
}

/* In real time no two runs have the same instants. */
static void what_happens_to_a_frame_does_not_depend_on_when_it_is_sent(void **state)
{
	unsigned lost = 0;

	carry_all(&bad, 7, KILN_US(100), first);
	carry_all(&bad, 7, KILN_US(173), second);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(first[i].count, second[i].count);
		lost += first[i].count == 0;
		for (unsigned c = 0; c < first[i].count; c++) {
			assert_int_equal(first[i].copies[c].held_back,
			                 second[i].copies[c].held_back);
			assert_int_equal(first[i].copies[c].damaged,
			                 second[i].copies[c].damaged);
			assert_int_equal(first[i].copies[c].bit, second[i].copies[c].bit);
		}
	}
	assert_in_range(lost, 140, 260);
}

static void only_frames_that_are_held_back_are_overtaken(void **state)
{
	kiln_time last = 0;

	carry_all(&bad, 3, KILN_US(10), first);
	for (unsigned i = 0; i < FRAMES; i++) {
		for (unsigned c = 0; c < first[i].count; c++) {
			if (first[i].copies[c].held_back)
				continue;
			assert_true(first[i].copies[c].at >= last);
			last = first[i].copies[c].at;
		}
	}
}

static void frames_leave_at_the_rate_and_find_the_queue_full(void **state)
{
	const struct sim_impairment slow = {.rate = 10000000, .queue = 3};
	struct sim_path path = {0};

	/* One is being sent, three wait, each for a millisecond. */
	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(sim_path_departure(&path, &slow, 0, SIZE), KILN_MS(i));
	assert_true(sim_path_departure(&path, &slow, 0, SIZE) == KILN_NEVER);
	assert_true(sim_path_departure(&path, &slow, KILN_US(999), SIZE) == KILN_NEVER);
	assert_int_equal(sim_path_departure(&path, &slow, KILN_MS(1), SIZE), KILN_MS(5));
	assert_int_equal(sim_path_departure(&path, &slow, KILN_SECONDS(1), SIZE),
	                 KILN_SECONDS(1) + KILN_MS(1));
	sim_path_free(&path);
}

/* A queue that is made longer while frames wait in it keeps them. */
static void the_queue_may_grow(void **state)
{
	struct sim_impairment slow = {.rate = 10000000, .queue = 2};
	struct sim_path path = {0};

	for (unsigned i = 1; i <= 3; i++)
		(void)sim_path_departure(&path, &slow, KILN_US(i), SIZE);
	(void)sim_path_departure(&path, &slow, KILN_MS(2), SIZE);
	slow.queue = 100;
	assert_int_equal(sim_path_departure(&path, &slow, KILN_MS(2), SIZE),
	                 KILN_MS(5) + KILN_US(1));
	assert_int_equal(path.leaving_count, 4);
	sim_path_free(&path);
}

static void options_are_read_with_their_units(void **state)
{
	static const char *const wrong[][2] = {
	    {"loss", "101%"}, {"loss", "-0.1"},  {"loss", "nan"},  {"loss", "2%%"},
	    {"loss", ""},     {"delay", "-1"},   {"delay", "25h"}, {"delay", "1e99"},
	    {"jitter", "x"},  {"rate", "10MB"},  {"rate", "-1"},   {"queue", "0"},
	    {"queue", "1.5"}, {"corrupt", "1.1"}};
	struct sim_impairment i = {0};
	bool known;

	assert_true(sim_impairment_option(&i, "loss", "2%", &known) && i.loss == 0.02);
	assert_true(sim_impairment_option(&i, "reorder", "0.5", &known) &&
	            i.reorder == 0.5);
	assert_true(sim_impairment_option(&i, "delay", "20", &known) &&
	            i.delay == KILN_MS(20));
	assert_true(sim_impairment_option(&i, "jitter", "150us", &known) &&
	            i.jitter == KILN_US(150));
	assert_true(sim_impairment_option(&i, "rate", "10M", &known) &&
	            i.rate == 10000000);
	assert_true(sim_impairment_option(&i, "queue", "5", &known) && i.queue == 5);
	for (size_t n = 0; n < KILN_COUNT_OF(wrong); n++) {
		assert_false(sim_impairment_option(&i, wrong[n][0], wrong[n][1], &known));
		assert_true(known);
	}
	assert_false(sim_impairment_option(&i, "colour", "red", &known));
	assert_false(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_seed_and_the_same_frames_repeat_to_the_nanosecond),
	    cmocka_unit_test(what_happens_to_a_frame_does_not_depend_on_when_it_is_sent),
	    cmocka_unit_test(only_frames_that_are_held_back_are_overtaken),
	    cmocka_unit_test(frames_leave_at_the_rate_and_find_the_queue_full),
	    cmocka_unit_test(the_queue_may_grow),
	    cmocka_unit_test(options_are_read_with_their_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
