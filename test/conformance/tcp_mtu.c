/*
 * A path that swallows large packets without a word (RFC 2923), between two simulated
 * nodes: a transfer gets through, at nearly the largest size that passes, and goes back to
 * full-sized segments when the path carries them again (RFC 4821).
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/sim.h>
#include <lib/net/tcp_private.h>

KILN_NET(net0, "between the two nodes");

static const struct ip_addr server6 = {{0xfd, [15] = 1}}; /* fd00::1 */

enum { PORT = 7000, MEMORY = 8 << 20, HEADERS = 40 + TCP_TIMESTAMPS_SIZE };

struct scene {
	struct tcp_config config;
	bool ip6;
	uint64_t to_send, sent, received;
	struct tcp_conn *writer;
	struct timer timer; /* has it look for more to send, */
	bool again;         /* and by a new connection */
	struct tcp *tcp;
	bool ended, broken;
};

static struct scene *scene_of(const struct tcp_conn *conn)
{
	return sim_node_user(sim_node_of(tcp_kiln(tcp_of(conn))));
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	scene_of(conn)->broken = true;
}

/* Bytes tell their place: byte i is i modulo 251. */
static void reader_ready(struct tcp_conn *conn, void *user)
{
	struct scene *scene = user;
	struct slice s;

	while ((s = tcp_peek(conn)).len > 0) {
		for (size_t i = 0; i < s.len; i++)
			scene->broken |= s.data[i] != (scene->received + i) % 251;
		scene->received += s.len;
		tcp_consume(conn, s.len);
	}
	if (tcp_at_end(conn)) {
		scene->ended = true;
		tcp_close(conn);
	}
}

static void writer_ready(struct tcp_conn *conn, void *user)
{
	struct scene *scene = user;
	uint8_t bytes[4096];

	while (scene->sent < scene->to_send) {
		size_t n = (size_t)KILN_MIN(scene->to_send - scene->sent, sizeof(bytes));

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)((scene->sent + i) % 251);
		n = tcp_send(conn, slice_of(bytes, n));
		if (n == 0)
			return;
		scene->sent += n;
	}
}

static const struct tcp_events reader_events = {reader_ready, closed};
static const struct tcp_events writer_events = {writer_ready, closed};

static bool accepted(struct tcp_conn *conn, void *context)
{
	tcp_own(conn, &reader_events, context);
	return true;
}

static int server(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp *tcp = tcp_new_with(net_up(k, &net0), &scene->config);
	struct tcp_listener *listener;

	if (tcp_listen(tcp, PORT, accepted, scene, &listener))
		return 1;
	return kiln_run(k);
}

static enum kiln_error connect_writer(struct scene *scene)
{
	struct endpoint to = {scene->ip6 ? server6 : ip_from4(ip4_of(0x0a000001)), PORT};

	return tcp_connect(scene->tcp, &to, &writer_events, scene, &scene->writer);
}

static void look_for_more(struct timer *timer)
{
	struct scene *scene = kiln_container(timer, struct scene, timer);
	struct loop *loop = &tcp_kiln(scene->tcp)->loop;

	if (scene->again) {
		scene->again = false;
		tcp_close(scene->writer);
		scene->broken |= connect_writer(scene) != KILN_OK;
	}
	if (scene->sent < scene->to_send)
		tcp_wake(scene->writer);
	timer_set(loop, timer, loop->now + KILN_MS(10));
}

static int client(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));

	scene->tcp = tcp_new_with(net_up(k, &net0), &scene->config);
	if (connect_writer(scene))
		return 1;
	timer_init(&scene->timer, look_for_more);
	timer_set(&k->loop, &scene->timer, k->loop.now);
	return kiln_run(k);
}

static struct sim *start(struct scene *scene, const struct sim_impairment *link,
                         struct sim_link **wire, uint64_t seed)
{
	static const char *const server_options[] = {"ip=10.0.0.1/24", "ip6=fd00::1/64",
	                                             NULL};
	static const char *const client_options[] = {"ip=10.0.0.2/24", "ip6=fd00::2/64",
	                                             NULL};
	struct sim *sim = sim_new(seed);
	struct sim_node *a = sim_node_new(sim, "server", MEMORY, server, server_options);
	struct sim_node *b = sim_node_new(sim, "client", MEMORY, client, client_options);

	*wire = sim_link_new(sim, link, 1500);
	sim_node_set_user(a, scene);
	sim_node_set_user(b, scene);
	sim_node_net(a, "net0", *wire);
	sim_node_net(b, "net0", *wire);
	return sim;
}

/* Sends so much more, and waits until it has arrived. Returns the time that it took. */
static kiln_time transfer(struct sim *sim, struct scene *scene, uint64_t bytes)
{
	kiln_time began = sim_now(sim);

	scene->to_send += bytes;
	while (scene->received < scene->to_send && !scene->broken &&
	       sim_now(sim) < began + KILN_SECONDS(60))
		sim_run(sim, sim_now(sim) + KILN_MS(10));
	assert_false(scene->broken);
	assert_int_equal(scene->received, scene->to_send);
	return sim_now(sim) - began;
}

static void check_black_hole(const struct tcp_config *config, bool ip6, uint16_t most)
{
	struct scene scene = {.config = *config, .ip6 = ip6};
	unsigned headers = ip6 ? 60 : 40;
	struct sim_impairment link = {
	    .delay = KILN_MS(5), .rate = 100000000, .blackhole = most};
	struct sim_link *wire;
	struct sim *sim = start(&scene, &link, &wire, 1);
	kiln_time first = transfer(sim, &scene, 1 << 20);

	/* The search goes on as long as there is something to send. */
	for (unsigned i = 0; i < 60; i++) {
		transfer(sim, &scene, 200000);
		sim_run(sim, sim_now(sim) + KILN_SECONDS(1));
	}
	kiln_time later = transfer(sim, &scene, 1 << 20);
	unsigned found = scene.writer->mss + headers;
	print_message(
	    "%u of %u bytes; the first megabyte in %.1f s, another in %.2f s; %llu "
	    "probes\n",
	    found, most, (double)first / 1e9, (double)later / 1e9,
	    (unsigned long long)scene.tcp->count.mtu_probes);
	assert_in_range(found, most - 40, most);
	assert_int_equal(ip6, !ip_is4(&scene.writer->flow.tuple.remote));
	assert_true(first < KILN_SECONDS(15));
	assert_true(later < KILN_MS(400));
	/* The path carries more again: found out within ten minutes. */
	link.blackhole = 0;
	sim_link_set(wire, &link);
	sim_run(sim, sim_now(sim) + KILN_SECONDS(600));
	transfer(sim, &scene, 1 << 20);
	assert_int_equal(scene.writer->mss + headers, 1500);
	sim_free(sim);
}

static void a_black_hole_is_found_and_the_largest_size_that_passes(void **state)
{
	check_black_hole(&(struct tcp_config){0}, false, 1400);
	check_black_hole(&(struct tcp_config){0}, false, 1100);
	check_black_hole(&(struct tcp_config){0}, false, 700);
}

static void so_it_is_over_ipv6(void **state)
{
	check_black_hole(&(struct tcp_config){0}, true, 1400);
	check_black_hole(&(struct tcp_config){0}, true, 1300);
}

static void so_it_is_without_sack_and_timestamps(void **state)
{
	check_black_hole(&(struct tcp_config){.no_sack = true, .no_timestamps = true},
	                 false, 1280);
	check_black_hole(&(struct tcp_config){.no_sack = true}, false, 1280);
}

/* A connection finds the black hole out, slowly; those that follow know of it. */
static void later_connections_know_of_a_black_hole(void **state)
{
	struct scene scene = {0};
	struct sim_impairment link = {
	    .delay = KILN_MS(5), .rate = 100000000, .blackhole = 1100};
	struct sim_link *wire;
	struct sim *sim = start(&scene, &link, &wire, 1);
	kiln_time first = transfer(sim, &scene, 1 << 20);

	assert_true(first > KILN_SECONDS(1));
	for (unsigned i = 0; i < 5; i++) {
		scene.again = true;
		assert_true(transfer(sim, &scene, 1 << 20) < KILN_MS(500));
	}
	assert_int_equal(scene.tcp->count.black_holes, 1);
	/* But not for ever. */
	link.blackhole = 0;
	sim_link_set(wire, &link);
	sim_run(sim, sim_now(sim) + KILN_SECONDS(601));
	uint64_t probes = scene.tcp->count.mtu_probes;
	scene.again = true;
	transfer(sim, &scene, 1 << 20);
	assert_int_equal(scene.writer->mss, 1500 - 40);
	assert_int_equal(scene.tcp->count.mtu_probes, probes);
	sim_free(sim);
}

/* A black hole opens under a transfer, on a link that loses as well. */
static void a_path_that_shrinks_under_way_on_a_bad_link(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct scene scene = {0};
		struct sim_impairment link = {.delay = KILN_MS(5),
		                              .rate = 100000000,
		                              .loss = 0.01,
		                              .reorder = 0.01};
		struct sim_link *wire;
		struct sim *sim = start(&scene, &link, &wire, seed);

		transfer(sim, &scene, 1 << 20);
		link.blackhole = 1000;
		sim_link_set(wire, &link);
		transfer(sim, &scene, 1 << 20);
		assert_true(scene.writer->mss + 40u <= 1000);
		assert_true(scene.tcp->count.black_holes > 0);
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(a_black_hole_is_found_and_the_largest_size_that_passes),
	    cmocka_unit_test(so_it_is_over_ipv6),
	    cmocka_unit_test(so_it_is_without_sack_and_timestamps),
	    cmocka_unit_test(later_connections_know_of_a_black_hole),
	    cmocka_unit_test(a_path_that_shrinks_under_way_on_a_bad_link),
	};

	return cmocka_run_group_tests_name("tcp_mtu", all, NULL, NULL) != 0;
}
