/*
 * The parts of the NTP client that are functions of their arguments: packets and
 * timestamps, whom to believe, and how a clock is put right without going back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <lib/ntp/ntp_private.h>

#define YEAR KILN_SECONDS(31556952)

/* ---- packets ---- */

static void a_packet_is_read_as_it_was_written(void **state)
{
	struct ntp_packet p = {.leap = 1,
	                       .version = 4,
	                       .mode = NTP_SERVER,
	                       .stratum = 2,
	                       .poll = 6,
	                       .precision = -20,
	                       .root_delay = 0x00010002,
	                       .root_dispersion = 3,
	                       .reference = 0x47505300,
	                       .updated = 1,
	                       .origin = UINT64_MAX,
	                       .received = 0x0102030405060708,
	                       .transmitted = 5};
	struct ntp_packet read;
	uint8_t bytes[NTP_SIZE], again[NTP_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));

	ntp_wire_emit(&w, &p);
	assert_true(!w.failed && writer_left(&w) == 0);
	assert_int_equal(bytes[0], 0x64);
	assert_int_equal(bytes[3], 0xec);
	assert_memory_equal(bytes + 32, "\1\2\3\4\5\6\7\10", 8);
	assert_true(ntp_wire_parse(slice_of(bytes, sizeof(bytes)), &read));
	w = writer_of(again, sizeof(again));
	ntp_wire_emit(&w, &read);
	assert_memory_equal(again, bytes, sizeof(bytes));
	assert_true(read.precision == -20 && read.origin == UINT64_MAX && read.leap == 1);
	for (size_t len = 0; len < NTP_SIZE; len++)
		assert_false(ntp_wire_parse(slice_of(bytes, len), &read));
}

static void timestamps_hold_from_1970_to_2104(void **state)
{
	assert_int_equal(ntp_wire_wall(UINT64_C(2208988800) << 32), 0);
	/* The last second of the era, and the first of the next: 7 February 2036. */
	assert_int_equal(ntp_wire_wall(UINT64_C(0xffffffff) << 32),
	                 KILN_SECONDS(2085978495));
	assert_int_equal(ntp_wire_wall(0), KILN_SECONDS(2085978496));
	assert_int_equal(ntp_wire_wall(UINT64_C(0x7fffffff80000000)),
	                 KILN_SECONDS(2085978496 + 0x7fffffffu) + KILN_MS(500));
	for (kiln_time t = 1; t < 134 * YEAR; t += YEAR / 7 + 12345)
		assert_int_equal(ntp_wire_wall(ntp_wire_timestamp(t)), t);
	assert_int_equal(ntp_wire_short(0x00018000), KILN_MS(1500));
}

/* ---- whom to believe ---- */

static int64_t ms(int64_t n)
{
	return n * (int64_t)KILN_MS(1);
}

static void the_majority_is_believed(void **state)
{
	struct ntp_sample samples[] = {
	    {ms(100), ms(10)}, {ms(5000), ms(1)}, {ms(104), ms(5)}, {ms(98), ms(20)}};
	struct ntp_sample combined;
	bool agree[4];

	assert_int_equal(ntp_select(samples, 4, agree, &combined), 3);
	assert_true(agree[0] && !agree[1] && agree[2] && agree[3]);
	assert_true(combined.offset > ms(100) && combined.offset < ms(103));
	assert_int_equal(combined.error, ms(5));
}

static void without_a_majority_nobody_is_believed(void **state)
{
	struct ntp_sample samples[] = {{ms(0), ms(10)}, {ms(100), ms(10)}}, combined;
	bool agree[2];

	assert_int_equal(ntp_select(samples, 2, agree, &combined), 0);
	assert_int_equal(ntp_select(samples, 0, agree, &combined), 0);
	assert_int_equal(ntp_select(samples, 1, agree, &combined), 1);
	assert_int_equal(combined.offset, 0);
	samples[0].error = ms(90);
	assert_int_equal(ntp_select(samples, 2, agree, &combined), 2);
}

static void an_offset_of_half_a_century_is_combined_too(void **state)
{
	int64_t far = (int64_t)(56 * YEAR);
	struct ntp_sample samples[] = {
	    {far, ms(1)}, {far + ms(1), ms(1)}, {-far, ms(1)}, {far, 0}};
	struct ntp_sample combined;
	bool agree[4];

	assert_int_equal(ntp_select(samples, 4, agree, &combined), 3);
	assert_true(combined.offset >= far && combined.offset < far + ms(1));
}

/* ---- the clock ---- */

static const kiln_time start = 1000;

/* Set right, at `start`. */
static struct ntp_clock clock_set(void)
{
	struct ntp_clock clock = {.base = start, .wall = YEAR};

	assert_true(ntp_clock_correct(&clock, start, (int64_t)(56 * YEAR)));
	assert_int_equal(ntp_clock_read(&clock, start), 57 * YEAR);
	return clock;
}

static void a_clock_is_set_at_first_to_either_side(void **state)
{
	struct ntp_clock clock = {.base = start, .wall = 57 * YEAR};

	clock_set();
	assert_true(ntp_clock_correct(&clock, start, -(int64_t)YEAR));
	assert_int_equal(ntp_clock_read(&clock, start + 5), 56 * YEAR + 5);
}

static void small_offsets_are_worked_off_at_500_ppm(void **state)
{
	struct ntp_clock clock = clock_set();
	kiln_time now = start + 5;

	assert_true(ntp_clock_correct(&clock, now, ms(10)));
	assert_int_equal(ntp_clock_read(&clock, now), 57 * YEAR + 5);
	assert_int_equal(ntp_clock_read(&clock, now + KILN_SECONDS(10)) -
	                     ntp_clock_read(&clock, now),
	                 KILN_SECONDS(10) + KILN_MS(5));
	assert_int_equal(ntp_clock_read(&clock, now + KILN_SECONDS(100)) -
	                     ntp_clock_read(&clock, now),
	                 KILN_SECONDS(100) + KILN_MS(10));
}

static void it_never_goes_back(void **state)
{
	static const int64_t offsets[] = {-1, -1000, -100000000, -5000000000};

	for (size_t i = 0; i < KILN_COUNT_OF(offsets); i++) {
		struct ntp_clock clock = clock_set();
		kiln_time now = start, last = 0, before = ntp_clock_read(&clock, start);

		/* The second time it is believed, if it is far off. */
		if (!ntp_clock_correct(&clock, now, offsets[i]))
			assert_true(ntp_clock_correct(&clock, now, offsets[i]));
		for (unsigned step = 0; step < 100000; step++, now += KILN_MS(1)) {
			kiln_time wall = ntp_clock_read(&clock, now);
			assert_true(wall >= last);
			last = wall;
		}
		now = start + KILN_SECONDS(1000000);
		assert_int_equal(ntp_clock_read(&clock, now),
		                 before + KILN_SECONDS(1000000) + (kiln_time)offsets[i]);
	}
}

static void what_seems_far_off_must_seem_so_twice(void **state)
{
	struct ntp_clock clock = clock_set();

	assert_false(ntp_clock_correct(&clock, start, ms(500)));
	assert_true(ntp_clock_correct(&clock, start, ms(0)));
	assert_false(ntp_clock_correct(&clock, start, ms(500)));
	assert_int_equal(ntp_clock_read(&clock, start), 57 * YEAR);
	assert_true(ntp_clock_correct(&clock, start, ms(500)));
	assert_int_equal(ntp_clock_read(&clock, start), 57 * YEAR + KILN_MS(500));
}

static void the_oscillators_error_is_learnt(void **state)
{
	static const int64_t wrong_ppm[] = {100, -300, 499, 0};

	for (size_t i = 0; i < KILN_COUNT_OF(wrong_ppm); i++) {
		struct ntp_clock clock = clock_set();
		kiln_time now = start;
		int64_t offset = 0;

		for (unsigned round = 0; round < 50; round++) {
			now += KILN_SECONDS(64);
			kiln_time truth =
			    57 * YEAR + (now - start) +
			    (now - start) / 1000000 * (kiln_time)wrong_ppm[i];
			offset = (int64_t)(truth - ntp_clock_read(&clock, now));
			(void)ntp_clock_correct(&clock, now, offset);
		}
		assert_in_range(offset + 20000, 0, 40000); /* 20 us */
		assert_in_range(clock.frequency - wrong_ppm[i] * 1000 + 1000, 0, 2000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_packet_is_read_as_it_was_written),
	    cmocka_unit_test(timestamps_hold_from_1970_to_2104),
	    cmocka_unit_test(the_majority_is_believed),
	    cmocka_unit_test(without_a_majority_nobody_is_believed),
	    cmocka_unit_test(an_offset_of_half_a_century_is_combined_too),
	    cmocka_unit_test(a_clock_is_set_at_first_to_either_side),
	    cmocka_unit_test(small_offsets_are_worked_off_at_500_ppm),
	    cmocka_unit_test(it_never_goes_back),
	    cmocka_unit_test(what_seems_far_off_must_seem_so_twice),
	    cmocka_unit_test(the_oscillators_error_is_learnt),
	};

	return cmocka_run_group_tests_name("ntp", tests, NULL, NULL);
}
