/*
 * How TCP's flows use a path: that they fill it, share it, and bear what it does. Senders
 * and receivers on one simulated link, whose queue is the bottleneck's; each sends for a
 * while, and what has arrived by then is counted.
 *
 *	tcp_flows [PATTERN]	runs all tests, or those whose names match
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>
#include <kiln/tcp_congestion.h>

KILN_NET(net0, "between the nodes");

enum { PORT = 7000, MEMORY = 32 << 20, FLOWS_MOST = 8 };

/* 10 Mbit/s and a round trip of 100 ms: 125,000 bytes, 83 frames, and as many wait. */
static const struct sim_impairment far_link = {
    .rate = 10000000,
    .delay = KILN_MS(50),
    .queue = 83,
};

/* ---- a flow ---- */

struct flow {
	const struct tcp_congestion *congestion; /* NULL: the default */
	kiln_time start;                         /* after the scene's */
	struct tcp_conn *conn;
	struct timer timer;
	uint64_t received, received_by_half;
	struct scene *scene;
};

struct scene {
	struct sim_impairment link;
	struct tcp_config config;
	struct flow flow[FLOWS_MOST];
	unsigned flows, accepted;
	struct tcp *sender, *receiver;
	struct tcp_counters sent;
	uint64_t received;
};

static void send_on(struct tcp_conn *conn, void *user)
{
	static const uint8_t bytes[32768];

	while (tcp_can_send(conn) &&
	       tcp_send_static(conn, slice_of(bytes, sizeof(bytes))))
		;
}

static void receive(struct tcp_conn *conn, void *user)
{
	struct flow *f = user;
	struct slice s;

	while ((s = tcp_peek(conn)).len > 0) {
		f->received += s.len;
		tcp_consume(conn, s.len);
	}
}

static void ended(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct flow *f = user;

	f->conn = NULL;
}

static const struct tcp_events sender_events = {send_on, ended};
static const struct tcp_events receiver_events = {receive, ended};

/* Connections are told apart by their ports, which count up from the first. */
static bool accepted(struct tcp_conn *conn, void *context)
{
	struct scene *scene = context;

	tcp_own(conn, &receiver_events, &scene->flow[scene->accepted++]);
	return true;
}

static int receiver(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp_listener *listener;

	scene->receiver = tcp_new_with(net_up(k, &net0), &scene->config);
	if (tcp_listen(scene->receiver, PORT, accepted, scene, &listener))
		return 1;
	return kiln_run(k);
}

static void start_flow(struct timer *timer)
{
	struct flow *f = kiln_container(timer, struct flow, timer);
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PORT};

	assert_int_equal(tcp_connect(f->scene->sender, &to, &sender_events, f, &f->conn),
	                 KILN_OK);
	if (f->congestion)
		tcp_set_congestion(f->conn, f->congestion);
}

static int sender(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));

	scene->sender = tcp_new_with(net_up(k, &net0), &scene->config);
	for (unsigned i = 0; i < scene->flows; i++) {
		struct flow *f = &scene->flow[i];

		f->scene = scene;
		timer_init(&f->timer, start_flow);
		timer_set(&k->loop, &f->timer, kiln_now(k) + f->start);
	}
	int status = kiln_run(k);
	tcp_counters(scene->sender, &scene->sent);
	return status;
}

/* ---- a scene ---- */

static struct scene *scene_new(const struct sim_impairment *link, unsigned flows)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	scene->link = *link;
	scene->flows = flows;
	return scene;
}

static void play(struct scene *scene, uint64_t seed, kiln_time time)
{
	static const char *const receiver_options[] = {"ip=10.0.0.1/24", NULL};
	static const char *const sender_options[] = {"ip=10.0.0.2/24", NULL};
	struct sim *sim = sim_new(seed);
	struct sim_link *wire = sim_link_new(sim, &scene->link, 1500);
	struct sim_node *a =
	    sim_node_new(sim, "receiver", MEMORY, receiver, receiver_options);
	struct sim_node *b = sim_node_new(sim, "sender", MEMORY, sender, sender_options);

	sim_node_set_user(a, scene);
	sim_node_set_user(b, scene);
	sim_node_net(a, "net0", wire);
	sim_node_net(b, "net0", wire);
	kiln_time start = sim_now(sim);
	sim_run(sim, start + time / 2);
	for (unsigned i = 0; i < scene->flows; i++)
		scene->flow[i].received_by_half = scene->flow[i].received;
	sim_run(sim, start + time);
	for (unsigned i = 0; i < scene->flows; i++)
		scene->received += scene->flow[i].received;
	sim_node_stop(a);
	sim_node_stop(b);
	sim_run(sim, sim_now(sim) + KILN_SECONDS(1));
	sim_free(sim);
}

static double megabits(uint64_t bytes, kiln_time time)
{
	return (double)bytes * 8000 / (double)time;
}

static double report(const struct scene *scene, const char *what, kiln_time time)
{
	double rate = megabits(scene->received, time);

	print_message("%s: %.2f Mbit/s; of %llu segments %llu again, %llu recoveries, "
	              "%llu timeouts, %llu probes, %llu undone, %llu by ECN\n",
	              what, rate, (unsigned long long)scene->sent.segments_out,
	              (unsigned long long)scene->sent.retransmits,
	              (unsigned long long)scene->sent.fast_retransmits,
	              (unsigned long long)scene->sent.timeouts,
	              (unsigned long long)scene->sent.probes,
	              (unsigned long long)scene->sent.undone,
	              (unsigned long long)scene->sent.ecn_reductions);
	return rate;
}

/* ---- what must hold ---- */

static void cubic_fills_a_long_path(void **state)
{
	struct scene *scene = scene_new(&far_link, 1);

	play(scene, 1, KILN_SECONDS(60));
	/* 9.49 Mbit/s are left of 10 under Ethernet, IP and TCP headers. */
	assert_true(report(scene, "CUBIC", KILN_SECONDS(60)) > 9);
	assert_int_equal(scene->sent.timeouts, 0);
	free(scene);
}

static void newreno_does_not_do_so_well(void **state)
{
	struct scene *scene = scene_new(&far_link, 1);

	scene->config.congestion = &tcp_newreno;
	play(scene, 1, KILN_SECONDS(60));
	report(scene, "NewReno", KILN_SECONDS(60));
	assert_int_equal(scene->sent.timeouts, 0);
	free(scene);
}

static void slow_start_ends_before_the_queue_overflows(void **state)
{
	struct scene *scene = scene_new(&far_link, 1);

	scene->link.queue = 1000; /* more than HyStart++ must need */
	play(scene, 2, KILN_SECONDS(10));
	assert_true(report(scene, "HyStart++", KILN_SECONDS(10)) > 7.5);
	assert_int_equal(scene->sent.retransmits, 0);
	free(scene);
}

static void a_shallow_queue_costs_slow_start_little(void **state)
{
	struct scene *scene = scene_new(&far_link, 1);

	scene->link.queue = 40;
	play(scene, 3, KILN_SECONDS(10));
	report(scene, "a shallow queue", KILN_SECONDS(10));
	assert_true(scene->sent.retransmits * 20 < scene->sent.segments_out);
	assert_int_equal(scene->sent.timeouts, 0);
	free(scene);
}

/* Bursts overflow what a steady stream does not. */
static void pacing_spares_a_short_queue(void **state)
{
	double rate[2];

	for (unsigned i = 0; i < 2; i++) {
		struct scene *scene = scene_new(&far_link, 1);

		scene->link.queue = 20;
		scene->config.pacing = i == 1;
		play(scene, 4, KILN_SECONDS(30));
		rate[i] =
		    report(scene, i == 0 ? "a short queue" : "paced", KILN_SECONDS(30));
		assert_int_equal(scene->sent.timeouts, 0);
		free(scene);
	}
	assert_true(rate[1] > rate[0]);
}

/* Jain's index of what they got in the second half: 1 if it is the same, 0.5 if one of
 * two got nothing. */
static double fairness(const struct scene *scene)
{
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < scene->flows; i++) {
		const struct flow *f = &scene->flow[i];
		double got = (double)(f->received - f->received_by_half);

		sum += got;
		squares += got * got;
	}
	return sum * sum / (squares * scene->flows);
}

static void flows_that_start_one_after_the_other_share_fairly(void **state)
{
	for (uint64_t seed = 10; seed < 13; seed++) {
		struct scene *scene = scene_new(&far_link, 2);

		scene->flow[1].start = KILN_SECONDS(10);
		play(scene, seed, KILN_SECONDS(120));
		assert_true(report(scene, "two flows", KILN_SECONDS(120)) > 9);
		print_message("fairness %.3f\n", fairness(scene));
		assert_true(fairness(scene) > 0.85);
		free(scene);
	}
}

static void cubic_and_newreno_live_together(void **state)
{
	struct scene *scene = scene_new(&far_link, 2);

	scene->flow[1].congestion = &tcp_newreno;
	play(scene, 20, KILN_SECONDS(120));
	assert_true(report(scene, "CUBIC and NewReno", KILN_SECONDS(120)) > 9);
	print_message("fairness %.3f\n", fairness(scene));
	assert_true(fairness(scene) > 0.7);
	free(scene);
}

static void reordering_does_not_collapse_it(void **state)
{
	double in_order = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct scene *scene = scene_new(&far_link, 1);

		scene->link.reorder = i == 0 ? 0 : 0.25;
		scene->link.reorder_delay = KILN_MS(10);
		play(scene, 30, KILN_SECONDS(30));
		double rate = report(scene, i == 0 ? "in order" : "25 % reordered",
		                     KILN_SECONDS(30));
		if (i == 0)
			in_order = rate;
		assert_true(rate > in_order * 3 / 4);
		assert_int_equal(scene->sent.timeouts, 0);
		free(scene);
	}
}

static void random_loss_is_repaired_without_timeouts(void **state)
{
	struct scene *scene = scene_new(&far_link, 1);

	scene->link.loss = 0.01;
	play(scene, 40, KILN_SECONDS(60));
	/* Mathis: about 1.2 segments * 8 / (0.1 s * 0.1) is 1.4 Mbit/s for Reno. */
	assert_true(report(scene, "1 % lost", KILN_SECONDS(60)) > 1.2);
	assert_true(scene->sent.timeouts <= 2);
	free(scene);
}

static void marks_do_instead_of_losses(void **state)
{
	struct scene *scene = scene_new(&far_link, 2);

	scene->config.ecn = TCP_ECN_ASK;
	scene->link.mark = 40;
	play(scene, 50, KILN_SECONDS(60));
	assert_true(report(scene, "ECN", KILN_SECONDS(60)) > 9);
	assert_int_equal(scene->sent.retransmits, 0);
	assert_true(scene->sent.ecn_reductions > 10);
	free(scene);
}

static void a_lan_is_filled(void **state)
{
	static const struct sim_impairment lan = {
	    .rate = 1000000000, .delay = KILN_US(50), .queue = 500};

	for (unsigned i = 0; i < 2; i++) {
		struct scene *scene = scene_new(&lan, 1);

		scene->config.pacing = i == 1; /* which has nothing to hold back */
		play(scene, 60, KILN_SECONDS(1));
		assert_true(report(scene, "1 Gbit/s, 0.1 ms", KILN_SECONDS(1)) > 900);
		free(scene);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(cubic_fills_a_long_path),
	    cmocka_unit_test(newreno_does_not_do_so_well),
	    cmocka_unit_test(slow_start_ends_before_the_queue_overflows),
	    cmocka_unit_test(a_shallow_queue_costs_slow_start_little),
	    cmocka_unit_test(pacing_spares_a_short_queue),
	    cmocka_unit_test(flows_that_start_one_after_the_other_share_fairly),
	    cmocka_unit_test(cubic_and_newreno_live_together),
	    cmocka_unit_test(reordering_does_not_collapse_it),
	    cmocka_unit_test(random_loss_is_repaired_without_timeouts),
	    cmocka_unit_test(marks_do_instead_of_losses),
	    cmocka_unit_test(a_lan_is_filled),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("tcp_flows", all, NULL, NULL) != 0;
}
