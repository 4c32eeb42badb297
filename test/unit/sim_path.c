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

/* Gilbert: bursts of geometric length, which begin with the given chance between them. */
static void losses_in_bursts_have_the_length_and_the_share_asked_for(void **state)
{
	const struct sim_impairment bursts = {.burst = 0.01, .burst_length = 8};
	unsigned lost = 0, count = 0, total = 0;
	bool in_burst = false;

	for (uint64_t seed = 1; seed <= 50; seed++) {
		carry_all(&bursts, seed, KILN_US(100), first);
		for (unsigned i = 0; i < FRAMES; i++) {
			bool gone = first[i].count == 0;
			count += gone && !in_burst;
			lost += gone;
			in_burst = gone;
		}
		total += FRAMES;
	}
	/* The share is p/(p+r) with r = 1/8: 7.4 %; independent losses of it would have a
	 * mean length of 1.08. */
	assert_in_range(lost, total * 64 / 1000, total * 84 / 1000);
	assert_in_range(lost * 100 / count, 720, 880);
}

static void packets_larger_than_a_black_hole_vanish(void **state)
{
	const struct sim_impairment at_the_limit = {.blackhole = SIZE - 14};
	const struct sim_impairment below = {.blackhole = SIZE - 15};

	assert_false(sim_path_swallows(&bad, 65535));
	assert_false(sim_path_swallows(&at_the_limit, SIZE));
	assert_true(sim_path_swallows(&below, SIZE));
}

static void the_queue_is_congested_from_the_threshold_on(void **state)
{
	const struct sim_impairment slow = {.rate = 10000000, .queue = 5, .mark = 2};
	struct sim_path path = {0};

	for (unsigned i = 0; i < 2; i++) {
		(void)sim_path_departure(&path, &slow, 0, SIZE);
		assert_false(sim_path_congested(&path, &slow));
	}
	(void)sim_path_departure(&path, &slow, 0, SIZE);
	assert_true(sim_path_congested(&path, &slow));
	(void)sim_path_departure(&path, &slow, KILN_SECONDS(1), SIZE);
	assert_false(sim_path_congested(&path, &slow));
	sim_path_free(&path);
}

static uint16_t header_sum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* RFC 3168, 5: ECT(0) and ECT(1) become CE; what is not ECN-capable stays. */
static void marking_keeps_the_checksum_and_spares_what_is_not_capable(void **state)
{
	for (unsigned tos = 0; tos < 256; tos++) {
		uint8_t frame[14 + 40] = {[12] = 0x08, [14] = 0x45, [22] = 64};
		uint8_t six[14 + 40] = {[12] = 0x86, [13] = 0xdd, [14] = 0x60};
		bool capable = tos % 4 == 1 || tos % 4 == 2;

		frame[15] = (uint8_t)tos;
		frame[24] = (uint8_t)((0xffff - header_sum(frame + 14)) >> 8);
		frame[25] = (uint8_t)(0xffff - header_sum(frame + 14));
		six[14] |= (uint8_t)(tos >> 4);
		six[15] = (uint8_t)(tos << 4 | 5);
		assert_int_equal(sim_frame_mark(frame, sizeof(frame)), capable);
		assert_int_equal(frame[15], capable ? tos | 3 : tos);
		assert_int_equal(header_sum(frame + 14), 0xffff);
		assert_int_equal(sim_frame_mark(six, sizeof(six)), capable);
		assert_int_equal(six[14] << 8 | six[15],
		                 0x6005 | (capable ? tos | 3 : tos) << 4);
		assert_false(sim_frame_mark(frame, 14 + 19));
		assert_false(sim_frame_mark(six, 14 + 39));
	}
}

static void options_are_read_with_their_units(void **state)
{
	static const char *const wrong[][2] = {
	    {"loss", "101%"}, {"loss", "-0.1"},    {"loss", "nan"},
	    {"loss", "2%%"},  {"loss", ""},        {"delay", "-1"},
	    {"delay", "25h"}, {"delay", "1e99"},   {"jitter", "x"},
	    {"rate", "10MB"}, {"rate", "-1"},      {"queue", "0"},
	    {"queue", "1.5"}, {"corrupt", "1.1"},  {"burst", "2"},
	    {"burst", "1%:"}, {"burst", "1%:0.5"}, {"burst", "1%:8x"},
	    {"mark", "0"},    {"blackhole", "67"}};
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
	assert_true(sim_impairment_option(&i, "burst", "1%:8", &known) &&
	            i.burst == 0.01 && i.burst_length == 8);
	assert_true(sim_impairment_option(&i, "burst", "0.5", &known) && i.burst == 0.5 &&
	            i.burst_length == 10);
	assert_true(sim_impairment_option(&i, "mark", "20", &known) && i.mark == 20);
	assert_true(sim_impairment_option(&i, "blackhole", "1300", &known) &&
	            i.blackhole == 1300);
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
	    cmocka_unit_test(losses_in_bursts_have_the_length_and_the_share_asked_for),
	    cmocka_unit_test(packets_larger_than_a_black_hole_vanish),
	    cmocka_unit_test(the_queue_is_congested_from_the_threshold_on),
	    cmocka_unit_test(marking_keeps_the_checksum_and_spares_what_is_not_capable),
	    cmocka_unit_test(options_are_read_with_their_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
