/*
 * Many neighbours: clients on a switched network, each of which has something echoed by one
 * server again and again. Nobody waits for a question that need not be asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>

KILN_NET(net0, "to all the others");

enum { PER_LINK = 100, ROUNDS = 2, PORT = 7 };
enum { CLIENT_MEMORY = 1 << 20, SERVER_MEMORY = 16 << 20 };
#define PERIOD KILN_SECONDS(10)
/* Two round trips of the switched network for the connection and the answer, and one to ask
 * for the server's link address; much less than the first retransmission would take. */
#define PROMPT KILN_MS(100)

struct scene {
	const char *address; /* the server's */
	unsigned clients;
	struct endpoint server;
	struct net *net; /* the server's */
	unsigned echoed;
	kiln_time slowest;
};

struct client {
	struct scene *scene;
	struct kiln *kiln;
	struct tcp *tcp;
	struct timer timer;
	unsigned number, rounds;
	kiln_time asked_at;
};

/* ---- the server ---- */

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	fail_msg("a connection was lost: %s", kiln_error_text(why));
}

static void echo(struct tcp_conn *conn, void *user)
{
	struct slice bytes = tcp_peek(conn);

	tcp_consume(conn, tcp_send(conn, bytes));
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static bool accepted(struct tcp_conn *conn, void *user)
{
	static const struct tcp_events events = {echo, closed};

	tcp_own(conn, &events, user);
	return true;
}

static int server_node(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp_listener *listener;

	scene->net = net_up(k, &net0);
	assert_int_equal(tcp_listen(tcp_new(scene->net), PORT, accepted, NULL, &listener),
	                 KILN_OK);
	return kiln_run(k);
}

/* ---- the clients ---- */

static void talk(struct tcp_conn *conn, void *user)
{
	struct client *client = user;
	struct scene *scene = client->scene;

	if (tcp_can_send(conn)) {
		assert_int_equal(tcp_send(conn, SLICE("hello")), 5);
		tcp_shutdown(conn);
	}
	if (tcp_unread(conn) == 5) {
		kiln_time took = client->kiln->loop.now - client->asked_at;
		scene->slowest = KILN_MAX(scene->slowest, took);
		scene->echoed++;
	}
	tcp_consume(conn, tcp_unread(conn));
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static void ask(struct timer *timer)
{
	static const struct tcp_events events = {talk, closed};
	struct client *client = kiln_container(timer, struct client, timer);
	struct tcp_conn *conn;

	client->asked_at = client->kiln->loop.now;
	assert_int_equal(
	    tcp_connect(client->tcp, &client->scene->server, &events, client, &conn),
	    KILN_OK);
	if (++client->rounds < ROUNDS)
		timer_set(&client->kiln->loop, timer, client->asked_at + PERIOD);
}

static int client_node(struct kiln *k)
{
	struct client *client = sim_node_user(sim_node_of(k));

	client->kiln = k;
	client->tcp = tcp_new(net_up(k, &net0));
	timer_init(&client->timer, ask);
	timer_set(&k->loop, &client->timer,
	          k->loop.now + KILN_SECONDS(5) +
	              PERIOD / client->scene->clients * client->number);
	return kiln_run(k);
}

/* ---- the network ---- */

static void add_node(struct sim *sim, struct sim_link *link, const char *address,
                     size_t memory, int (*entry)(struct kiln *), void *user)
{
	char ip[64];
	bool is4 = strchr(address, '.');
	const char *options[] = {ip, is4 ? "ip6=off" : "ip=off", "log=error", NULL};

	snprintf(ip, sizeof(ip), is4 ? "ip=%s/16" : "ip6=%s/64", address);
	struct sim_node *node = sim_node_new(sim, "node", memory, entry, options);
	sim_node_net(node, "net0", link);
	sim_node_set_user(node, user);
}

static void add_clients(struct scene *scene, struct sim *sim, struct sim_switch *wires,
                        struct client *clients, const struct sim_impairment *link_does)
{
	struct sim_link *link = NULL;
	char address[64];

	for (unsigned i = 0; i < scene->clients; i++) {
		if (i % PER_LINK == 0) {
			link = sim_link_new(sim, link_does, 1500);
			sim_switch_join(wires, link);
		}
		clients[i] = (struct client){.scene = scene, .number = i};
		if (ip_is4(&scene->server.addr))
			snprintf(address, sizeof(address), "10.0.%u.%u", i / 200 + 1,
			         i % 200 + 1);
		else
			snprintf(address, sizeof(address), "fd00::1:%x", i);
		add_node(sim, link, address, CLIENT_MEMORY, client_node, &clients[i]);
	}
}

static void play(struct scene *scene)
{
	static const struct sim_impairment short_way = {.delay = KILN_MS(1)};
	struct sim *sim = sim_new(1);
	struct sim_switch *wires = sim_switch_new(sim);
	struct sim_link *link = sim_link_new(sim, &short_way, 1500);
	struct client *clients = calloc(scene->clients, sizeof(*clients));
	struct net_counters counters;

	sim_switch_join(wires, link);
	assert_non_null(clients);
	assert_true(ip_parse(slice_text(scene->address), &scene->server.addr));
	scene->server.port = PORT;
	add_node(sim, link, scene->address, SERVER_MEMORY, server_node, scene);
	add_clients(scene, sim, wires, clients, &short_way);
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(10) + ROUNDS * PERIOD));
	assert_int_equal(scene->echoed, scene->clients * ROUNDS);
	assert_in_range(scene->slowest, KILN_MS(4), PROMPT);
	net_counters(scene->net, &counters);
	assert_int_equal(counters.drop_unresolved, 0);
	sim_free(sim);
	free(clients);
}

static void two_thousand_on_a_switch_are_served_at_once(void **state)
{
	play(&(struct scene){.address = "10.0.0.1", .clients = 2000});
}

static void so_they_are_over_ip6(void **state)
{
	play(&(struct scene){.address = "fd00::1", .clients = 1000});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_thousand_on_a_switch_are_served_at_once),
	    cmocka_unit_test(so_they_are_over_ip6),
	};

	return cmocka_run_group_tests_name("many neighbours", tests, NULL, NULL);
}
