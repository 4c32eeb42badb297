/*
 * More clients than there is memory for: one server with little of it, and a crowd that
 * connects, stays, and asks now and then, over a link that loses some of what it says.
 *
 *	tcp_crowd [PATTERN]	runs all tests, or those whose names match
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>

KILN_NET(net0, "between the nodes");

enum {
	PORT = 7,
	CLIENTS = 4,
	MEMBERS_MOST = 500, /* of a client */
	CLIENT_MEMORY = 8 << 20,
};
#define PAUSE KILN_SECONDS(5) /* between what a member asks */

/* A connection, and what was said on it. */
struct member {
	struct client *client;
	struct tcp_conn *conn;
	struct timer timer;
	char said[32];
	size_t said_len, heard;
	unsigned answers, answers_before;
};

struct client {
	struct kiln *kiln;
	struct tcp *tcp;
	unsigned count;
	struct member member[MEMBERS_MOST];
};

struct scene {
	struct sim *sim;
	struct tcp *server;
	struct client client[CLIENTS];
};

/* ---- the server: echoes ---- */

static void echo(struct tcp_conn *conn, void *user)
{
	struct slice s;

	while ((s = tcp_peek(conn)).len) {
		size_t taken = tcp_send(conn, s);

		tcp_consume(conn, taken);
		if (!taken)
			return;
	}
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static void gone(struct tcp_conn *conn, void *user, enum kiln_error why)
{
}

static bool accept_one(struct tcp_conn *conn, void *user)
{
	static const struct tcp_events events = {echo, gone};

	tcp_own(conn, &events, NULL);
	return true;
}

static int server_entry(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp_listener *listener;

	scene->server = tcp_new(net_up(k, &net0));
	if (tcp_listen(scene->server, PORT, accept_one, NULL, &listener))
		return 1;
	return kiln_run(k);
}

/* ---- the crowd ---- */

static void ask(struct member *m)
{
	m->heard = 0;
	m->said_len =
	    (size_t)snprintf(m->said, sizeof(m->said), "%u asks, %u were answered",
	                     (unsigned)(m - m->client->member), m->answers);
	assert_int_equal(tcp_send(m->conn, slice_of(m->said, m->said_len)), m->said_len);
}

static void ask_again(struct timer *timer)
{
	ask(kiln_container(timer, struct member, timer));
}

static void member_ready(struct tcp_conn *conn, void *user)
{
	struct member *m = user;
	struct loop *loop = &m->client->kiln->loop;
	struct slice s;

	if (m->said_len == 0)
		ask(m);
	while ((s = tcp_peek(conn)).len) {
		assert_true(m->heard + s.len <= m->said_len);
		assert_memory_equal(s.data, m->said + m->heard, s.len);
		m->heard += s.len;
		tcp_consume(conn, s.len);
		if (m->heard == m->said_len) {
			m->answers++;
			timer_set(loop, &m->timer, loop->now + PAUSE);
		}
	}
}

static void connect_one(struct member *m);

/* Who has not been let in tries on. */
static void member_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct member *m = user;

	assert_int_equal(m->answers, 0);
	m->said_len = 0;
	connect_one(m);
}

static void connect_one(struct member *m)
{
	static const struct tcp_events events = {member_ready, member_closed};
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PORT};

	assert_int_equal(tcp_connect(m->client->tcp, &to, &events, m, &m->conn), KILN_OK);
}

static int client_entry(struct kiln *k)
{
	struct client *client = sim_node_user(sim_node_of(k));

	client->kiln = k;
	client->tcp = tcp_new(net_up(k, &net0));
	for (unsigned i = 0; i < client->count; i++) {
		struct member *m = &client->member[i];

		m->client = client;
		timer_init(&m->timer, ask_again);
		connect_one(m);
	}
	return kiln_run(k);
}

/* ---- the scene ---- */

static struct scene *scene_new(size_t server_memory, unsigned crowd)
{
	static const struct sim_impairment lossy = {.loss = 0.01, .delay = KILN_MS(5)};
	static const char *const options[] = {"ip=10.0.0.1/24", "log=error", NULL};
	struct scene *scene = calloc(1, sizeof(*scene));
	struct sim_link *link;
	struct sim_node *node;

	scene->sim = sim_new(1);
	link = sim_link_new(scene->sim, &lossy, 1500);
	node = sim_node_new(scene->sim, "server", server_memory, server_entry, options);
	sim_node_net(node, "net0", link);
	sim_node_set_user(node, scene);
	for (unsigned i = 0; i < CLIENTS; i++) {
		char ip[32];
		const char *own[] = {ip, "log=error", NULL};

		snprintf(ip, sizeof(ip), "ip=10.0.0.%u/24", i + 2);
		scene->client[i].count = crowd / CLIENTS;
		node =
		    sim_node_new(scene->sim, "client", CLIENT_MEMORY, client_entry, own);
		sim_node_net(node, "net0", link);
		sim_node_set_user(node, &scene->client[i]);
	}
	return scene;
}

static void pass(struct scene *scene, kiln_time time)
{
	sim_run(scene->sim, sim_now(scene->sim) + time);
}

static void scene_free(struct scene *scene)
{
	sim_free(scene->sim);
	free(scene);
}

/* Members that were answered so often since the last look, at least. */
static unsigned served(struct scene *scene, unsigned times)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CLIENTS; i++) {
		for (unsigned k = 0; k < scene->client[i].count; k++) {
			struct member *m = &scene->client[i].member[k];

			count += m->answers - m->answers_before >= times;
			m->answers_before = m->answers;
		}
	}
	return count;
}

/* So many of those that were served end. */
static void leave(struct scene *scene, unsigned count)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &scene->client[i];

		for (unsigned k = 0; k < client->count && count > 0; k++) {
			struct member *m = &client->member[k];

			if (!m->answers || !m->conn)
				continue;
			timer_cancel(&client->kiln->loop, &m->timer);
			tcp_abort(m->conn);
			m->conn = NULL;
			count--;
		}
	}
}

/* ---- what must hold ---- */

static void nine_hundred_are_served_in_two_megabytes(void **state)
{
	struct scene *scene = scene_new(2 << 20, 900);
	struct tcp_counters counters;

	pass(scene, KILN_SECONDS(60));
	assert_int_equal(served(scene, 8), 900);
	tcp_counters(scene->server, &counters);
	assert_int_equal(counters.conns, 900);
	assert_int_equal(counters.refused, 0);
	scene_free(scene);
}

static void beyond_that_the_newest_wait_and_the_old_go_on(void **state)
{
	struct scene *scene = scene_new(1 << 20, 2000);
	struct tcp_counters counters;
	unsigned inside;

	pass(scene, KILN_SECONDS(30));
	inside = served(scene, 1);
	tcp_counters(scene->server, &counters);
	print_message("%u of 2000 in an image of 1 MB\n", inside);
	assert_in_range(inside, 400, 500);
	assert_int_equal(counters.conns, inside);
	assert_true(counters.refused + counters.drop_no_memory > 0);
	pass(scene, KILN_SECONDS(60));
	assert_in_range(served(scene, 8), inside, 500);
	leave(scene, 200);
	pass(scene, KILN_SECONDS(60)); /* they try less and less often */
	(void)served(scene, 0);
	pass(scene, KILN_SECONDS(20));
	assert_in_range(served(scene, 1), inside - 20, 500);
	scene_free(scene);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nine_hundred_are_served_in_two_megabytes),
	    cmocka_unit_test(beyond_that_the_newest_wait_and_the_old_go_on),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("tcp_crowd", tests, NULL, NULL);
}
