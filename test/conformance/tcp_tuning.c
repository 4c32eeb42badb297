/*
 * How much a connection holds follows its path and its owner, between two simulated nodes:
 * a long fat path is filled, a slow reader is given no more than it needs, and on little
 * memory all connections go on.
 *
 * The client sends, the server counts what it reads; both limits are looked at where they
 * are kept (lib/net/tcp_tuning.c).
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/sim.h>
#include <lib/net/tcp_private.h>

KILN_NET(net0, "between the two nodes");

enum { PORT = 7000, CONNECTIONS_MOST = 64 };

struct scene {
	unsigned connections;
	uint64_t bytes;      /* that each connection carries */
	uint64_t read_bytes; /* that a slow reader takes every 100 ms; 0: all at once */
	size_t memory;
	struct sim_impairment link;

	uint64_t sent[CONNECTIONS_MOST], received[CONNECTIONS_MOST];
	struct tcp_conn *reader[CONNECTIONS_MOST];
	struct timer slow;
	struct tcp *server_tcp;
	unsigned accepted, finished, broken;
	uint32_t limit_most, unsent_most, start_limit;
	kiln_time took;
};

static struct scene *scene_of(const struct tcp_conn *conn)
{
	return sim_node_user(sim_node_of(tcp_kiln(tcp_of(conn))));
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	scene_of(conn)->broken++;
}

/* ---- the server reads ---- */

static void take(struct scene *scene, unsigned i, uint64_t most)
{
	struct tcp_conn *conn = scene->reader[i];
	struct slice s;

	if (!conn)
		return;
	while (most > 0 && (s = slice_take(tcp_peek(conn), most)).len > 0) {
		scene->received[i] += s.len;
		most -= s.len;
		tcp_consume(conn, s.len);
	}
	scene->limit_most = KILN_MAX(scene->limit_most, conn->receive_limit);
	if (tcp_at_end(conn)) {
		scene->finished++;
		scene->reader[i] = NULL;
		tcp_close(conn);
	}
}

static void reader_ready(struct tcp_conn *conn, void *user)
{
	struct scene *scene = scene_of(conn);

	if (!scene->read_bytes)
		take(scene, (unsigned)(uintptr_t)user, UINT64_MAX);
}

static const struct tcp_events reader_events = {reader_ready, closed};

static bool accepted(struct tcp_conn *conn, void *context)
{
	struct scene *scene = context;
	unsigned i = scene->accepted++;

	scene->reader[i] = conn;
	scene->start_limit = conn->receive_limit;
	tcp_own(conn, &reader_events, (void *)(uintptr_t)i);
	return true;
}

static void read_slowly(struct timer *timer)
{
	struct scene *scene = kiln_container(timer, struct scene, slow);
	struct loop *loop = &tcp_kiln(scene->server_tcp)->loop;

	for (unsigned i = 0; i < scene->accepted; i++)
		take(scene, i, scene->read_bytes);
	timer_set(loop, timer, loop->now + KILN_MS(100));
}

static int server(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp_listener *listener;

	scene->server_tcp = tcp_new(net_up(k, &net0));
	if (tcp_listen(scene->server_tcp, PORT, accepted, scene, &listener))
		return 1;
	timer_init(&scene->slow, read_slowly);
	if (scene->read_bytes)
		timer_set(&k->loop, &scene->slow, k->loop.now);
	return kiln_run(k);
}

/* ---- the client sends ---- */

static void writer_ready(struct tcp_conn *conn, void *user)
{
	static const uint8_t bytes[16384];
	struct scene *scene = scene_of(conn);
	uint64_t *sent = user;

	while (*sent < scene->bytes) {
		size_t n = (size_t)KILN_MIN(scene->bytes - *sent, sizeof(bytes));

		n = tcp_send(conn, slice_of(bytes, n));
		if (n == 0)
			break;
		*sent += n;
	}
	scene->unsent_most = KILN_MAX(scene->unsent_most, (uint32_t)tcp_unsent(conn));
	if (*sent == scene->bytes)
		tcp_close(conn);
}

static const struct tcp_events writer_events = {writer_ready, closed};

static int client(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PORT};
	struct tcp_conn *conn;

	for (unsigned i = 0; i < scene->connections; i++) {
		if (tcp_connect(tcp, &to, &writer_events, &scene->sent[i], &conn))
			return 1;
	}
	return kiln_run(k);
}

static void play(struct scene *scene, kiln_time deadline)
{
	static const char *const server_options[] = {"ip=10.0.0.1/24", NULL};
	static const char *const client_options[] = {"ip=10.0.0.2/24", NULL};
	struct sim *sim = sim_new(1);
	struct sim_link *wire = sim_link_new(sim, &scene->link, 1500);
	struct sim_node *a =
	    sim_node_new(sim, "server", scene->memory, server, server_options);
	struct sim_node *b =
	    sim_node_new(sim, "client", 128 << 20, client, client_options);
	kiln_time start = sim_now(sim);

	sim_node_set_user(a, scene);
	sim_node_set_user(b, scene);
	sim_node_net(a, "net0", wire);
	sim_node_net(b, "net0", wire);
	while (scene->finished < scene->connections && !scene->broken &&
	       sim_now(sim) - start < deadline)
		sim_run(sim, sim_now(sim) + KILN_MS(100));
	scene->took = sim_now(sim) - start;
	sim_node_stop(a);
	sim_node_stop(b);
	sim_run(sim, sim_now(sim) + KILN_SECONDS(1));
	sim_free(sim);
}

static void assert_all_arrived(const struct scene *scene)
{
	assert_int_equal(scene->broken, 0);
	assert_int_equal(scene->finished, scene->connections);
	for (unsigned i = 0; i < scene->connections; i++)
		assert_int_equal(scene->received[i], scene->bytes);
}

/* ---- the tests ---- */

static void a_long_fat_path_is_filled(void **state)
{
	/* 400 Mbit/s for 100 ms: 5 MB on the way. */
	struct scene scene = {
	    .connections = 1,
	    .bytes = 128 << 20,
	    .memory = 128 << 20,
	    .link = {.delay = KILN_MS(50), .rate = 400000000, .queue = 4000},
	};

	play(&scene, KILN_SECONDS(60));
	assert_all_arrived(&scene);
	double rate = (double)scene.bytes * 8000 / (double)scene.took;
	print_message("%.0f Mbit/s; receive limit %u, most unsent %u\n", rate,
	              scene.limit_most, scene.unsent_most);
	assert_true(rate > 120); /* 5 Mbit/s with what it starts with */
	assert_true(scene.limit_most > 5000000);
	assert_true(scene.unsent_most > 5000000);
}

static void a_short_path_needs_no_more_than_it_holds(void **state)
{
	/* 100 Mbit/s for 4 ms, at most 10 packets queued: 65 KB. */
	struct scene scene = {
	    .connections = 1,
	    .bytes = 16 << 20,
	    .memory = 64 << 20,
	    .link = {.delay = KILN_MS(2), .rate = 100000000, .queue = 10},
	};

	play(&scene, KILN_SECONDS(60));
	assert_all_arrived(&scene);
	print_message("receive limit %u\n", scene.limit_most);
	assert_true(scene.limit_most < 1000000);
}

static void a_slow_reader_is_sent_no_more_than_it_reads(void **state)
{
	struct scene scene = {
	    .connections = 1,
	    .bytes = 4 << 20,
	    .read_bytes = 20000,
	    .memory = 64 << 20,
	    .link = {.delay = KILN_MS(5), .rate = 1000000000},
	};

	play(&scene, KILN_SECONDS(60));
	assert_all_arrived(&scene);
	assert_int_equal(scene.limit_most, scene.start_limit);
}

/* All of them want more than there is: what one gets is a share of what is free. */
static void on_little_memory_all_connections_go_on(void **state)
{
	struct scene scene = {
	    .connections = CONNECTIONS_MOST,
	    .bytes = 1 << 20,
	    .read_bytes = 40000,
	    .memory = 2 << 20,
	    .link = {.delay = KILN_MS(20), .rate = 1000000000},
	};

	play(&scene, KILN_SECONDS(600));
	assert_all_arrived(&scene);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(a_long_fat_path_is_filled),
	    cmocka_unit_test(a_short_path_needs_no_more_than_it_holds),
	    cmocka_unit_test(a_slow_reader_is_sent_no_more_than_it_reads),
	    cmocka_unit_test(on_little_memory_all_connections_go_on),
	};

	return cmocka_run_group_tests_name("tcp_tuning", all, NULL, NULL) != 0;
}
