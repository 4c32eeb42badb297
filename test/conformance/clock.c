/*
 * The clock of a client in sim against time servers that drift, lie, refuse and vanish: how
 * close it comes, whom it believes, how often it asks, and that it never goes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/ntp.h>
#include <kiln/sim.h>
#include <lib/ntp/ntp_wire.h>

KILN_NET(net0, "to the servers");

enum { MEMORY = 4 << 20, SERVERS = 3 };
/* The servers' time, at the beginning: far from what the nodes' own clocks show. */
#define TRUTH KILN_SECONDS(1900000000)

struct server {
	struct kiln *k;
	struct udp_socket *socket;
	int64_t ahead; /* of the truth */
	int64_t ppm;   /* that its time, and the truth, runs faster than the sim's */
	uint32_t kiss; /* sends this instead of the time; 0: none */
	bool mute, unset, forged;
	unsigned asked;
	kiln_time asked_at,
	    least; /* the shortest time between two requests, after 60 s */
};

struct client {
	struct kiln *k;
	struct net *net;
	struct ntp *ntp;
	struct timer timer;
	unsigned servers;
	kiln_time last;
	unsigned back; /* how often the clock went back */
	int64_t off;   /* from the truth, now */
	int64_t worst; /* in the second half of the run */
};

struct world {
	struct server servers[SERVERS];
	struct client client;
};

static kiln_time truth(kiln_time now, int64_t ppm)
{
	return TRUTH + now + (kiln_time)((int64_t)(now / 1000000) * ppm);
}

/* ---- the server ---- */

static void asked(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	struct server *s = context;
	kiln_time now = kiln_now(s->k);
	struct ntp_packet request, answer = {.version = 4,
	                                     .mode = NTP_SERVER,
	                                     .stratum = s->kiss ? 0 : 2,
	                                     .leap = s->unset ? NTP_LEAP_UNKNOWN : 0,
	                                     .root_delay = 0x10000 / 100,
	                                     .reference = s->kiss};
	uint8_t bytes[NTP_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));

	assert_true(ntp_wire_parse(d->payload, &request));
	assert_true(request.mode == NTP_CLIENT && request.version == 4);
	/* It says nothing of the client: RFC 9109, and the draft on data minimisation. */
	assert_true(request.received == 0 && request.origin == 0 && request.updated == 0);
	assert_int_not_equal(d->from.port, NTP_PORT);
	/* Two in a round, if one took long. */
	if (s->asked++ && now > KILN_SECONDS(60) && now - s->asked_at > KILN_SECONDS(6))
		s->least = KILN_MIN(s->least, now - s->asked_at);
	s->asked_at = now;
	if (s->mute)
		return;
	answer.origin = request.transmitted + s->forged;
	answer.received = answer.transmitted =
	    ntp_wire_timestamp(truth(now, s->ppm) + (kiln_time)s->ahead);
	ntp_wire_emit(&w, &answer);
	(void)udp_send(socket, &d->from, writer_done(&w));
}

static int server_node(struct kiln *k)
{
	struct server *s = sim_node_user(sim_node_of(k));

	s->k = k;
	s->least = KILN_NEVER;
	assert_int_equal(
	    udp_bind(udp_new(net_up(k, &net0)), NTP_PORT, asked, s, &s->socket), KILN_OK);
	return kiln_run(k);
}

/* ---- the client ---- */

static struct world world;

static void look(struct timer *timer)
{
	struct client *c = kiln_container(timer, struct client, timer);
	kiln_time wall = kiln_wall(c->k), now = kiln_now(c->k);
	struct ntp_status status;

	ntp_status(c->ntp, &status);
	if (status.synchronised) {
		c->back += wall < c->last;
		c->last = wall;
		c->off = (int64_t)(wall - truth(now, world.servers[0].ppm));
		int64_t off = c->off < 0 ? -c->off : c->off;
		if (now > KILN_SECONDS(7200))
			c->worst = KILN_MAX(c->worst, off);
	}
	timer_set(&c->k->loop, timer, c->k->loop.now + KILN_MS(500));
}

static int client_node(struct kiln *k)
{
	struct client *c = &world.client;
	struct net *net = net_up(k, &net0);

	c->k = k;
	c->ntp = ntp_new(net, udp_new(net));
	for (unsigned i = 0; i < c->servers; i++) {
		struct ip_addr address = ip_from4(ip4_of(0x0a000001 + i));
		assert_true(ntp_add(c->ntp, &address));
	}
	timer_init(&c->timer, look);
	timer_set(&k->loop, &c->timer, k->loop.now + 1);
	return kiln_run(k);
}

/* Four hours. */
static struct ntp_status run(unsigned servers, const struct sim_impairment *impairment)
{
	static const char *const addresses[] = {"ip=10.0.0.1/24", "ip=10.0.0.2/24",
	                                        "ip=10.0.0.3/24"};
	static const char *const options[] = {"ip=10.0.0.9/24", NULL};
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, impairment, 1500);
	struct sim_node *node;
	struct ntp_status status;
	kiln_time wall;

	world.client.servers = servers;
	for (unsigned i = 0; i < SERVERS; i++) {
		const char *server_options[] = {addresses[i], NULL};
		node = sim_node_new(sim, "server", MEMORY, server_node, server_options);
		sim_node_set_user(node, &world.servers[i]);
		sim_node_net(node, "net0", link);
	}
	node = sim_node_new(sim, "client", MEMORY, client_node, options);
	sim_node_net(node, "net0", link);
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(4 * 3600)));
	ntp_status(world.client.ntp, &status);
	assert_true(
	    ntp_time(world.client.ntp, &wall)); /* the nodes have clocks of their own */
	assert_int_equal(world.client.back, 0);
	sim_free(sim);
	return status;
}

static int setup(void **state)
{
	memset(&world, 0, sizeof(world));
	return 0;
}

static const struct sim_impairment near_by = {.delay = KILN_MS(5)};

/* ---- what is shown ---- */

static void a_drifting_clock_is_held_to_microseconds(void **state)
{
	world.servers[0].ppm = 80;
	struct ntp_status status = run(1, &near_by);
	assert_true(status.synchronised);
	assert_int_equal(status.stratum, 2);
	assert_true(world.client.worst < (int64_t)KILN_US(100));
	assert_in_range(status.frequency, 79000, 81000);
	assert_int_equal(status.interval, KILN_SECONDS(1024));
	assert_true(world.servers[0].least >= KILN_SECONDS(64));
	assert_true(world.servers[0].asked < 80);
}

static void over_a_bad_link_it_stays_within_what_the_link_varies(void **state)
{
	static const struct sim_impairment bad = {
	    .delay = KILN_MS(20), .jitter = KILN_MS(20), .loss = 0.1};

	world.servers[0].ppm = -50;
	struct ntp_status status = run(1, &bad);
	assert_true(status.synchronised);
	assert_true(world.client.worst < (int64_t)KILN_MS(20));
}

static void one_liar_of_three_is_not_believed(void **state)
{
	world.servers[1].ahead = (int64_t)KILN_SECONDS(3600);
	struct ntp_status status = run(3, &near_by);
	assert_int_equal(status.servers, 3);
	assert_int_equal(status.believed, 2);
	assert_true(world.client.worst < (int64_t)KILN_MS(1));
}

static void two_that_disagree_are_neither_believed(void **state)
{
	world.servers[1].ahead = (int64_t)KILN_SECONDS(3600);
	struct ntp_status status = run(2, &near_by);
	assert_false(status.synchronised);
	assert_int_equal(status.interval, KILN_SECONDS(1024));
}

static void servers_that_are_not_set_or_forged_are_not_believed(void **state)
{
	world.servers[0].unset = true;
	world.servers[1].forged = true;
	struct ntp_status status = run(2, &near_by);
	assert_false(status.synchronised);
	assert_true(status.foreign > 5 && status.received > 5);
}

static void a_server_that_refuses_is_left_alone(void **state)
{
	world.servers[0].kiss = NTP_KISS_DENY;
	world.servers[1].kiss = NTP_KISS_RSTR;
	struct ntp_status status = run(3, &near_by);
	assert_int_equal(world.servers[0].asked, 1);
	assert_int_equal(world.servers[1].asked, 1);
	assert_int_equal(status.refused, 2);
	assert_true(status.synchronised); /* by the third */
}

static void a_server_that_wants_rest_gets_it(void **state)
{
	world.servers[0].kiss = NTP_KISS_RATE;
	struct ntp_status status = run(2, &near_by);
	assert_true(status.synchronised);
	assert_true(world.servers[0].least >= 4 * KILN_SECONDS(64));
	assert_true(world.servers[0].asked * 3 < world.servers[1].asked * 2);
}

static void a_server_that_is_silent_is_asked_less_and_less(void **state)
{
	world.servers[0].mute = true;
	struct ntp_status status = run(1, &near_by);
	assert_false(status.synchronised);
	assert_true(world.servers[0].asked < 10 + 4 * 3600 / 1024);
}

#define with_setup(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_setup(a_drifting_clock_is_held_to_microseconds),
	    with_setup(over_a_bad_link_it_stays_within_what_the_link_varies),
	    with_setup(one_liar_of_three_is_not_believed),
	    with_setup(two_that_disagree_are_neither_believed),
	    with_setup(servers_that_are_not_set_or_forged_are_not_believed),
	    with_setup(a_server_that_refuses_is_left_alone),
	    with_setup(a_server_that_wants_rest_gets_it),
	    with_setup(a_server_that_is_silent_is_asked_less_and_less),
	};

	return cmocka_run_group_tests_name("clocks in sim", tests, NULL, NULL);
}
