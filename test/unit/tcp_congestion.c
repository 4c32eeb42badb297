/*
 * The controllers alone: NewReno (RFC 5681), CUBIC (RFC 9438) and HyStart++ (RFC 9406),
 * fed with facts, against the RFCs' equations in floating point.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/tcp_congestion.h>

enum { MSS = 1000 };

static struct tcp_congestion_window w;
static struct tcp_flow_facts facts;

static int setup(void **state)
{
	w = (struct tcp_congestion_window){.cwnd = 10 * MSS,
	                                   .ssthresh = TCP_SSTHRESH_NONE};
	facts = (struct tcp_flow_facts){
	    .now = KILN_SECONDS(100),
	    .srtt = KILN_MS(100),
	    .min_rtt = KILN_MS(100),
	    .rtt = KILN_MS(100),
	    .mss = MSS,
	    .limited = true,
	};
	return 0;
}

/* A round trip in which the whole window is acknowledged, two segments at a time. */
static void round_trip(const struct tcp_congestion *cc)
{
	uint32_t window = w.cwnd;

	for (uint32_t acked = 0; acked < window; acked += 2 * MSS) {
		facts.now += facts.srtt * (2 * MSS) / window;
		facts.round = acked == 0;
		facts.acked = facts.delivered = 2 * MSS;
		facts.in_flight = window;
		cc->acked(&w, &facts);
	}
}

static void loss(const struct tcp_congestion *cc, enum tcp_congestion_event why)
{
	facts.in_flight = w.cwnd;
	w.ssthresh = cc->reduced(&w, &facts, why);
	w.cwnd = why == TCP_CONGESTION_TIMEOUT ? MSS : w.ssthresh;
}

static void assert_near(double value, double wanted, double share)
{
	if (value < wanted * (1 - share) || value > wanted * (1 + share))
		fail_msg("%f is not near %f", value, wanted);
}

/* ---- NewReno ---- */

static void newreno_doubles_then_adds_a_segment_a_round_trip(void **state)
{
	round_trip(&tcp_newreno);
	assert_int_equal(w.cwnd, 20 * MSS);
	loss(&tcp_newreno, TCP_CONGESTION_LOSS);
	assert_int_equal(w.ssthresh, 10 * MSS);
	for (unsigned i = 1; i <= 10; i++) {
		round_trip(&tcp_newreno);
		assert_near(w.cwnd, (10 + i) * MSS, 0.1);
	}
}

static void nothing_grows_while_the_window_is_not_the_limit(void **state)
{
	const struct tcp_congestion *all[] = {&tcp_newreno, &tcp_cubic};

	facts.limited = false;
	for (unsigned i = 0; i < KILN_COUNT_OF(all); i++) {
		round_trip(all[i]);
		assert_int_equal(w.cwnd, 10 * MSS);
		w.ssthresh = w.cwnd;
		round_trip(all[i]);
		assert_int_equal(w.cwnd, 10 * MSS);
		setup(state);
		facts.limited = false;
	}
}

/* ---- CUBIC ---- */

static double cube(double x)
{
	return x * x * x;
}

static double cube_root(double x)
{
	double low = 0, high = 1000;

	for (unsigned i = 0; i < 60; i++) {
		double middle = (low + high) / 2;
		if (cube(middle) < x)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Equation 1, in segments and seconds, for an epoch that begins at 0.7 of w_max. */
static double cubic(double w_max, double from, double t)
{
	return 0.4 * cube(t - cube_root((w_max - from) / 0.4)) + w_max;
}

static void cubic_takes_three_tenths_away(void **state)
{
	w.cwnd = 1000 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_LOSS);
	assert_int_equal(w.ssthresh, 700 * MSS);
	w.cwnd = 1000 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_ECN);
	assert_int_equal(w.ssthresh, 700 * MSS);
}

static void cubic_follows_its_equation_on_both_sides_of_the_plateau(void **state)
{
	kiln_time start;

	w.cwnd = 1000 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_LOSS);
	start = facts.now;
	while (facts.now < start + KILN_SECONDS(16)) {
		round_trip(&tcp_cubic);
		double t = (double)(facts.now - start) / 1e9;
		assert_near((double)w.cwnd / MSS, cubic(1000, 700, t), 0.02);
	}
	assert_true(w.cwnd > 1100 * MSS); /* K is 9.1 s */
}

static void on_short_round_trips_cubic_is_no_slower_than_reno(void **state)
{
	kiln_time start;
	unsigned rounds = 0;

	facts.srtt = KILN_MS(5);
	w.cwnd = 100 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_LOSS);
	start = facts.now;
	while (facts.now < start + KILN_MS(250)) {
		round_trip(&tcp_cubic);
		rounds++;
	}
	/* 4.3: 70 + alpha a round trip, until it has what it had. */
	assert_near((double)w.cwnd / MSS, 70 + 9. / 17 * rounds, 0.03);
}

static void cubic_gives_up_more_when_it_has_lost_before(void **state)
{
	double t = 0;
	kiln_time start;

	w.cwnd = 1000 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_LOSS);
	w.cwnd = 800 * MSS; /* less than last time: 4.7 */
	loss(&tcp_cubic, TCP_CONGESTION_LOSS);
	start = facts.now;
	while (t < 7) {
		round_trip(&tcp_cubic);
		t = (double)(facts.now - start) / 1e9;
	}
	assert_near((double)w.cwnd / MSS, cubic(800 * 0.85, 560, 7), 0.02);
}

static void after_a_timeout_cubic_begins_at_the_plateau(void **state)
{
	kiln_time start = 0;

	w.cwnd = 1000 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_TIMEOUT);
	assert_int_equal(w.ssthresh, 700 * MSS);
	while (w.cwnd < w.ssthresh) { /* not with HyStart++ any more */
		start = facts.now;
		round_trip(&tcp_cubic);
	}
	uint32_t from = w.cwnd;
	while (facts.now < start + KILN_SECONDS(6))
		round_trip(&tcp_cubic);
	assert_near((double)w.cwnd, from + 0.4 * cube(6) * MSS, 0.1);
}

static void a_pause_is_no_time_to_grow_in(void **state)
{
	w.cwnd = 1000 * MSS;
	loss(&tcp_cubic, TCP_CONGESTION_LOSS);
	round_trip(&tcp_cubic);
	uint32_t before = w.cwnd;
	facts.now += KILN_SECONDS(60);
	tcp_cubic.resumed(&w, &facts, KILN_SECONDS(60));
	round_trip(&tcp_cubic);
	assert_true(w.cwnd < before + before / 20);
	facts.limited = false; /* nor is one in which little was sent */
	for (unsigned i = 0; i < 100; i++) {
		facts.now += KILN_MS(600);
		tcp_cubic.acked(&w, &facts);
	}
	facts.limited = true;
	before = w.cwnd;
	round_trip(&tcp_cubic);
	assert_true(w.cwnd < before + before / 20);
}

static void windows_of_all_sizes_stay_within_bounds(void **state)
{
	for (uint32_t mss = 64; mss < 65000; mss = mss * 3 / 2) {
		for (uint32_t cwnd = 2 * mss; cwnd < TCP_SSTHRESH_NONE;
		     cwnd += cwnd / 2) {
			setup(state);
			facts.mss = facts.acked = mss;
			w.cwnd = cwnd;
			loss(&tcp_cubic, TCP_CONGESTION_LOSS);
			for (unsigned i = 0; i < 40; i++) {
				uint32_t before = w.cwnd;
				facts.now += KILN_MS(1) << i;
				tcp_cubic.acked(&w, &facts);
				assert_true(w.cwnd >= before && w.cwnd - before <= mss);
			}
		}
	}
}

/* ---- HyStart++ ---- */

static void slow_start_doubles_while_the_path_is_empty(void **state)
{
	for (unsigned i = 1; i <= 6; i++) {
		round_trip(&tcp_cubic);
		assert_int_equal(w.cwnd, (10 * MSS) << i);
	}
	assert_int_equal(w.ssthresh, TCP_SSTHRESH_NONE);
}

static void growing_round_trips_end_slow_start_after_five_careful_rounds(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		round_trip(&tcp_cubic);
	facts.rtt += KILN_MS(13); /* more than an eighth */
	round_trip(&tcp_cubic);   /* in the course of which it is noticed */
	assert_true(w.cwnd < 160 * MSS);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t before = w.cwnd;
		round_trip(&tcp_cubic);
		assert_near(w.cwnd, before * 1.25, 0.02);
		assert_int_equal(w.ssthresh, TCP_SSTHRESH_NONE);
	}
	uint32_t before = w.cwnd;
	round_trip(&tcp_cubic);
	assert_true(w.ssthresh <= before * 5 / 4);
	assert_true(w.cwnd < before * 11 / 10);
}

static void a_delay_that_passes_does_not_end_it(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		round_trip(&tcp_cubic);
	facts.rtt += KILN_MS(13);
	round_trip(&tcp_cubic);
	facts.rtt -= KILN_MS(13);
	round_trip(&tcp_cubic);
	uint32_t before = w.cwnd;
	round_trip(&tcp_cubic);
	assert_int_equal(w.cwnd, 2 * before);
}

static void a_few_late_packets_are_no_sign(void **state)
{
	round_trip(&tcp_cubic);
	facts.rtt += KILN_MS(50);
	facts.round = true;
	for (unsigned i = 0; i < 7; i++) { /* one too few */
		facts.acked = 1;
		tcp_cubic.acked(&w, &facts);
		facts.round = false;
	}
	facts.rtt -= KILN_MS(50);
	uint32_t before = w.cwnd;
	round_trip(&tcp_cubic);
	assert_near(w.cwnd, 2 * before, 0.06);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup(test, setup)
	const struct CMUnitTest all[] = {
	    TEST(newreno_doubles_then_adds_a_segment_a_round_trip),
	    TEST(nothing_grows_while_the_window_is_not_the_limit),
	    TEST(cubic_takes_three_tenths_away),
	    TEST(cubic_follows_its_equation_on_both_sides_of_the_plateau),
	    TEST(on_short_round_trips_cubic_is_no_slower_than_reno),
	    TEST(cubic_gives_up_more_when_it_has_lost_before),
	    TEST(after_a_timeout_cubic_begins_at_the_plateau),
	    TEST(a_pause_is_no_time_to_grow_in),
	    TEST(windows_of_all_sizes_stay_within_bounds),
	    TEST(slow_start_doubles_while_the_path_is_empty),
	    TEST(growing_round_trips_end_slow_start_after_five_careful_rounds),
	    TEST(a_delay_that_passes_does_not_end_it),
	    TEST(a_few_late_packets_are_no_sign),
	};

	return cmocka_run_group_tests_name("tcp_congestion", all, NULL, NULL) != 0;
}
