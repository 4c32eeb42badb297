/*
 * Whole stacks over a bad link, in sim: datagrams of all sizes, in fragments where they
 * are large, echoed through loss, duplication, reordering and corruption. What arrives is
 * what was sent; and when all is over nothing is left in the reassembly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/sim.h>
#include <kiln/udp.h>
#include <lib/net/net_private.h>

KILN_NET(net0, "to the other one");

enum { MEMORY = 4 << 20, DATAGRAMS = 200, SIZE_MAX_SENT = 9000, SEEDS = 100 };

/* What a client did, and what it got back. */
struct client {
	struct udp_socket *socket;
	struct timer timer;
	struct kiln *k;
	struct net *net;
	struct ip_addr server;
	uint32_t sent, refused, wrong, duplicates, back;
	bool seen[DATAGRAMS];
};

/* The datagram of this number: its number, and bytes that follow from it. */
static struct slice datagram(uint32_t number, uint8_t *bytes)
{
	size_t size = 4 + (number * 2654435761u >> 8) % (SIZE_MAX_SENT - 4);
	struct writer w = writer_of(bytes, size);

	if (number % 4 == 0)
		size = 4 + number; /* small ones, too */
	writer_u32(&w, number);
	for (size_t i = 4; i < size; i++)
		writer_u8(&w, (uint8_t)((number + 1) * (i + 17) >> 3));
	return writer_done(&w);
}

static void echo(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	(void)udp_send(socket, &d->from, d->payload); /* a lost one, at worst */
}

static int server(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct udp_socket *socket;

	sim_node_set_user(sim_node_of(k), net);
	assert_int_equal(udp_bind(udp_new(net), 7, echo, NULL, &socket), KILN_OK);
	return kiln_run(k);
}

static void came_back(struct udp_socket *socket, const struct udp_datagram *d,
                      void *context)
{
	struct client *client = context;
	struct cursor c = cursor_of(d->payload);
	uint32_t number = cursor_u32(&c);
	uint8_t bytes[SIZE_MAX_SENT];

	if (number >= DATAGRAMS || !slice_equal(d->payload, datagram(number, bytes))) {
		client->wrong++;
		return;
	}
	client->duplicates += client->seen[number];
	client->back += !client->seen[number];
	client->seen[number] = true;
}

static void send_next(struct timer *timer)
{
	struct client *client = kiln_container(timer, struct client, timer);
	struct endpoint to = {client->server, 7};
	uint8_t bytes[SIZE_MAX_SENT];

	if (udp_send(client->socket, &to, datagram(client->sent, bytes)) != KILN_OK)
		client->refused++;
	if (++client->sent < DATAGRAMS)
		timer_set(&client->k->loop, timer, client->k->loop.now + KILN_MS(20));
}

static int client_node(struct kiln *k)
{
	struct client *client = sim_node_user(sim_node_of(k));

	client->k = k;
	client->net = net_up(k, &net0);
	assert_int_equal(
	    udp_bind(udp_new(client->net), 0, came_back, client, &client->socket),
	    KILN_OK);
	timer_init(&client->timer, send_next);
	timer_set(&k->loop, &client->timer, k->loop.now + KILN_MS(1));
	return kiln_run(k);
}

/* One client and one echo server; false if the sum of something is wrong. */
static struct client run(uint64_t seed, const struct sim_impairment *impairment,
                         const char *to, uint16_t mtu)
{
	static const char *const server_options[] = {"ip=10.0.0.1/24",
	                                             "ip6=2001:db8::1/64", NULL};
	static const char *const client_options[] = {"ip=10.0.0.2/24",
	                                             "ip6=2001:db8::2/64", NULL};
	struct client client = {.sent = 0};
	struct sim *sim = sim_new(seed);
	struct sim_link *link = sim_link_new(sim, impairment, mtu);

	assert_true(ip_parse(slice_text(to), &client.server));
	struct sim_node *s = sim_node_new(sim, "server", MEMORY, server, server_options);
	struct sim_node *c =
	    sim_node_new(sim, "client", MEMORY, client_node, client_options);

	sim_node_set_user(c, &client);
	sim_node_net(s, "net0", link);
	sim_node_net(c, "net0", link);
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(90)));
	assert_int_equal(client.sent, DATAGRAMS);
	const struct net *nets[] = {client.net, sim_node_user(s)};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(nets[i]->fragments.pages.used, 0);
		assert_int_equal(nets[i]->fragments.datagrams.used, 0);
		assert_int_equal(nets[i]->neighbours.frames.used, 0);
		assert_int_equal(nets[i]->chunks.used, 0);
	}
	sim_free(sim);
	return client;
}

/* Over both families, and links that fragments are small on. */
static const struct {
	const char *to;
	uint16_t mtu;
} ways[] = {{"10.0.0.1", 1500}, {"2001:db8::1", 1500}, {"2001:db8::1", 1280}};

static void every_datagram_comes_back_on_a_perfect_link(void **state)
{
	static const struct sim_impairment perfect = {.delay = KILN_MS(1)};

	for (unsigned i = 0; i < KILN_COUNT_OF(ways); i++) {
		struct client client = run(1, &perfect, ways[i].to, ways[i].mtu);
		assert_int_equal(client.refused, 0);
		assert_int_equal(client.back, DATAGRAMS);
		assert_int_equal(client.wrong + client.duplicates, 0);
	}
}

static void what_comes_back_over_a_bad_link_is_what_was_sent(void **state)
{
	static const struct sim_impairment bad = {.loss = 0.01,
	                                          .duplicate = 0.02,
	                                          .corrupt = 0.01,
	                                          .reorder = 0.05,
	                                          .reorder_delay = KILN_MS(5),
	                                          .delay = KILN_MS(2),
	                                          .jitter = KILN_MS(1)};
	uint32_t back = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		unsigned way = seed % KILN_COUNT_OF(ways);
		struct client client = run(seed, &bad, ways[way].to, ways[way].mtu);
		assert_int_equal(client.wrong, 0);
		back += client.back;
	}
	/* Two ways, up to seven frames each: one in fifty of which does not arrive. */
	assert_true(back > SEEDS * DATAGRAMS / 2 && back < SEEDS * DATAGRAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_datagram_comes_back_on_a_perfect_link),
	    cmocka_unit_test(what_comes_back_over_a_bad_link_is_what_was_sent),
	};

	return cmocka_run_group_tests_name("datagrams in sim", tests, NULL, NULL);
}
