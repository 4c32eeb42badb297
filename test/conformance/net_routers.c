/*
 * Hosts that are two routers and a switch away from each other: what they send arrives, by
 * both families; a narrow link on the way is learnt of, a partition waited out, and what
 * nobody knows the way to is refused at once.
 *
 *	client -- near -- router -- left = switch = right -- router -- far -- server
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/sim.h>
#include <lib/net/tcp_private.h>

KILN_NET(net0, "to the others");

enum { PORT = 7, MEMORY = 8 << 20, SIZE = 2 << 20, HEADERS = 20 };
/* When the client begins: by then it has made itself an IPv6 address. */
#define BEGIN KILN_SECONDS(5)

static const uint8_t content[SIZE];

struct scene {
	struct sim *sim;
	struct sim_link *near, *left, *right, *far;
	struct endpoint server;

	struct tcp *tcp; /* the client's */
	struct tcp_conn *conn;
	struct timer begin;
	uint64_t received;
	unsigned mss; /* of the client, at the end */
	bool sent, closed;
	enum kiln_error why;
};

/* ---- the hosts ---- */

static void take(struct tcp_conn *conn, void *user)
{
	struct scene *scene = user;

	scene->received += tcp_unread(conn);
	tcp_consume(conn, tcp_unread(conn));
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static void taker_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	fail_msg("the server's end was lost: %s", kiln_error_text(why));
}

static bool accepted(struct tcp_conn *conn, void *context)
{
	static const struct tcp_events events = {take, taker_closed};

	tcp_own(conn, &events, context);
	return true;
}

static int server_node(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp_listener *listener;

	assert_int_equal(
	    tcp_listen(tcp_new(net_up(k, &net0)), PORT, accepted, scene, &listener),
	    KILN_OK);
	return kiln_run(k);
}

static void give(struct tcp_conn *conn, void *user)
{
	struct scene *scene = user;

	scene->mss = conn->mss;
	if (!tcp_can_send(conn) || scene->sent)
		return;
	scene->sent = tcp_send_static(conn, slice_of(content, sizeof(content)));
	tcp_shutdown(conn);
}

static void giver_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct scene *scene = user;

	scene->closed = true;
	scene->why = why;
}

static void begin(struct timer *timer)
{
	static const struct tcp_events events = {give, giver_closed};
	struct scene *scene = kiln_container(timer, struct scene, begin);

	assert_int_equal(
	    tcp_connect(scene->tcp, &scene->server, &events, scene, &scene->conn),
	    KILN_OK);
}

static int client_node(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));

	scene->tcp = tcp_new(net_up(k, &net0));
	timer_init(&scene->begin, begin);
	timer_set(&k->loop, &scene->begin, k->loop.now + BEGIN);
	return kiln_run(k);
}

/* ---- the network ---- */

static struct ip_addr address(const char *text)
{
	struct ip_addr addr;

	assert_true(ip_parse(slice_text(text), &addr));
	return addr;
}

static void join(struct sim_router *router, struct sim_link *link, const char *v4,
                 const char *v6)
{
	struct ip_addr addr4 = address(v4), addr6 = address(v6);

	sim_router_join(router, link, &addr4, 24);
	sim_router_join(router, link, &addr6, 64);
}

static void route(struct sim_router *router, const char *prefix, unsigned length,
                  const char *gateway)
{
	struct ip_addr to = address(prefix), by = address(gateway);

	sim_router_route(router, &to, length, &by);
}

static void add_host(struct scene *scene, struct sim_link *link,
                     const char *const *options, int (*entry)(struct kiln *k))
{
	struct sim_node *node = sim_node_new(scene->sim, "host", MEMORY, entry, options);

	sim_node_net(node, "net0", link);
	sim_node_set_user(node, scene);
}

static void scene_up(struct scene *scene, const char *server, uint16_t middle_mtu)
{
	static const struct sim_impairment does = {.delay = KILN_MS(2),
	                                           .rate = 100000000};
	static const char *const client[] = {"ip=10.0.1.2/24", "gateway=10.0.1.1",
	                                     "ip6=auto", NULL};
	static const char *const server_options[] = {"ip=10.0.3.2/24", "gateway=10.0.3.1",
	                                             "ip6=fd00:3::2/64",
	                                             "gateway6=fd00:3::1", NULL};
	*scene = (struct scene){.sim = sim_new(1), .server = {address(server), PORT}};
	struct sim_router *a = sim_router_new(scene->sim);
	struct sim_router *b = sim_router_new(scene->sim);
	struct sim_switch *wires = sim_switch_new(scene->sim);

	scene->near = sim_link_new(scene->sim, &does, 1500);
	scene->left = sim_link_new(scene->sim, &does, middle_mtu);
	scene->right = sim_link_new(scene->sim, &does, middle_mtu);
	scene->far = sim_link_new(scene->sim, &does, 1500);
	sim_switch_join(wires, scene->left);
	sim_switch_join(wires, scene->right);
	join(a, scene->near, "10.0.1.1", "fd00:1::1");
	join(a, scene->left, "10.0.2.1", "fd00:2::1");
	join(b, scene->right, "10.0.2.2", "fd00:2::2");
	join(b, scene->far, "10.0.3.1", "fd00:3::1");
	route(a, "10.0.3.0", 24, "10.0.2.2");
	route(a, "fd00:3::", 64, "fd00:2::2");
	route(b, "10.0.1.0", 24, "10.0.2.1");
	route(b, "fd00:1::", 64, "fd00:2::1");
	sim_router_advertise(a);
	add_host(scene, scene->near, client, client_node);
	add_host(scene, scene->far, server_options, server_node);
}

static void run_for(struct scene *scene, kiln_time duration)
{
	sim_run(scene->sim, sim_now(scene->sim) + duration);
}

static const char *const servers[] = {"10.0.3.2", "fd00:3::2"};

static void bytes_arrive_by_both_families(void **state)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(servers); i++) {
		struct scene scene;

		scene_up(&scene, servers[i], 1500);
		run_for(&scene, KILN_SECONDS(30));
		assert_int_equal(scene.received, SIZE);
		assert_int_equal(scene.mss, 1500 - HEADERS - (i ? 40 : 20));
		sim_free(scene.sim);
	}
}

static void a_narrow_link_between_routers_is_learnt(void **state)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(servers); i++) {
		struct tcp_counters counters;
		struct scene scene;

		scene_up(&scene, servers[i], 1300);
		run_for(&scene, KILN_SECONDS(10));
		assert_int_equal(scene.received, SIZE);
		assert_int_equal(scene.mss, 1300 - HEADERS - (i ? 40 : 20));
		tcp_counters(scene.tcp, &counters);
		assert_int_equal(counters.timeouts, 0);
		assert_int_equal(counters.black_holes, 0);
		sim_free(scene.sim);
	}
}

static void a_partition_is_waited_out(void **state)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(servers); i++) {
		struct scene scene;

		scene_up(&scene, servers[i], 1500);
		run_for(&scene, BEGIN + KILN_MS(60));
		uint64_t before = scene.received;
		assert_in_range(before, 1, SIZE - 1);
		sim_link_cut(scene.left, true);
		run_for(&scene, KILN_SECONDS(30));
		assert_true(scene.received < SIZE && !scene.closed);
		sim_link_cut(scene.left, false);
		run_for(&scene, KILN_SECONDS(60));
		assert_int_equal(scene.received, SIZE);
		assert_false(scene.closed && scene.why);
		sim_free(scene.sim);
	}
}

/* By the routers, who know no way, or know that nobody is there. */
static void what_is_nowhere_is_refused_at_once(void **state)
{
	static const char *const nowhere[] = {"10.0.9.9", "fd00:9::9", "10.0.3.77",
	                                      "fd00:3::77"};

	for (unsigned i = 0; i < KILN_COUNT_OF(nowhere); i++) {
		struct scene scene;

		scene_up(&scene, nowhere[i], 1500);
		run_for(&scene, BEGIN + KILN_SECONDS(10));
		assert_true(scene.closed);
		assert_int_equal(scene.why, KILN_ERR_UNREACHABLE);
		sim_free(scene.sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_arrive_by_both_families),
	    cmocka_unit_test(a_narrow_link_between_routers_is_learnt),
	    cmocka_unit_test(a_partition_is_waited_out),
	    cmocka_unit_test(what_is_nowhere_is_refused_at_once),
	};

	return cmocka_run_group_tests_name("over routers", tests, NULL, NULL);
}
