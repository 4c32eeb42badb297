/*
 * What the tests of the name server share, in sim: zones out of master files' text, nodes that
 * serve them, and a client that talks to one by UDP and TCP.
 */
#ifndef DNS_PLAY_H
#define DNS_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/dns_master.h>
#include <kiln/dns_server.h>
#include <kiln/dns_tsig.h>
#include <kiln/sim.h>
#include <kiln/stream.h>
#include <kiln/target.h>

KILN_NET(net0, "of the test");

enum { PLAY_MEMORY = 32 << 20, PLAY_ZONES = 16 };
enum { PLAY_PERIODS = 1000 }; /* of 10 s: a script has to end within them */

/* ---- zones ---- */

static bool play_record(void *context, const struct dns_master_record *record)
{
	return dns_zone_add(context, record->owner, record->type, record->ttl,
	                    record->data, record->line) == DNS_ZONE_OK;
}

static bool play_problem(void *context, const struct dns_master_problem *problem)
{
	if (!problem->warning)
		fail_msg("line %u of a zone: %s", problem->line, problem->reason);
	return true;
}

/* Compiles a zone's text into the arena. */
static struct dns_zone *play_zone(struct arena *arena, const char *name, const char *text)
{
	static const struct dns_master_calls calls = {.record = play_record,
	                                              .problem = play_problem};
	struct dns_master_file file = {slice_text(name), slice_text(text), 0};
	struct dns_master *m = calloc(1, sizeof(*m));
	struct dns_zone *zone = arena_try(arena, sizeof(*zone), 16);
	struct dns_zone_builder b;
	struct dns_zone_error error;
	struct slice compiled;
	struct dns_name origin;

	assert_non_null(zone);
	assert_true(dns_name_parse(slice_text(name), &origin));
	assert_true(dns_zone_begin(&b, arena, &origin));
	assert_true(dns_master_read(m, &calls, &b, &origin, &file));
	if (!dns_zone_end(&b, &compiled, &error))
		fail_msg("%s: %s", name, dns_zone_fault_text(error.fault));
	assert_true(dns_zone_open(zone, compiled));
	free(m);
	return zone;
}

/* ---- a node that serves ---- */

struct play_server {
	/* What it is made of; NULL: without. */
	struct {
		const char *name, *text;
	} zones[PLAY_ZONES];
	struct dns_server_config config;
	struct dns_rate rate; /* answers 0: no limit */
	const char *keys, *transfers, *secondaries, *notify;
	uint16_t metrics; /* a port; 0: none */
	kiln_time
	    slow; /* how long a round of its loop takes, as if it worked; 0: no time */
	size_t memory;    /* 0: PLAY_MEMORY */
	/* What it became. */
	struct kiln *k;
	struct dns_server *server;
	struct loop_source slowness;
};

static unsigned play_be_slow(struct loop_source *source, unsigned budget)
{
	struct play_server *p = kiln_container(source, struct play_server, slowness);
	kiln_time until = kiln_now(p->k) + p->slow;

	while (kiln_now(p->k) < until)
		target_wait(p->k, until);
	return 0;
}

static int play_server_node(struct kiln *k)
{
	struct play_server *p = sim_node_user(sim_node_of(k));
	struct net *net = net_up(k, &net0);
	struct udp *udp = udp_new(net);
	struct tcp *tcp = tcp_new(net);
	struct dns_mistake mistake;

	p->k = k;
	p->slowness.poll = play_be_slow;
	if (p->slow)
		loop_add(&k->loop, &p->slowness);
	p->server = dns_server_new(k, &p->config, PLAY_ZONES);
	for (unsigned i = 0; i < PLAY_ZONES && p->zones[i].name; i++)
		assert_true(dns_server_add(
		    p->server, play_zone(&k->arena, p->zones[i].name, p->zones[i].text)));
	if (p->rate.answers)
		dns_server_limit(p->server, &p->rate);
	if (p->keys)
		assert_true(dns_server_keys(p->server, slice_text(p->keys), &mistake));
	if (p->transfers)
		assert_true(
		    dns_server_transfers(p->server, slice_text(p->transfers), &mistake));
	if (p->notify)
		assert_true(
		    dns_server_notify(p->server, udp, slice_text(p->notify), &mistake));
	if (p->secondaries)
		assert_true(dns_server_secondaries(p->server, tcp,
		                                   slice_text(p->secondaries), &mistake));
	if (p->metrics)
		assert_int_equal(dns_server_metrics(p->server, tcp, p->metrics), KILN_OK);
	assert_int_equal(dns_server_udp(p->server, udp, DNS_PORT), KILN_OK);
	assert_int_equal(dns_server_tcp(p->server, tcp, DNS_PORT), KILN_OK);
	return kiln_run(k);
}

static struct dns_server_counters play_counters(const struct play_server *p)
{
	struct dns_server_counters counters;

	dns_server_counters(p->server, &counters);
	return counters;
}

/* ---- a client ---- */

struct play_client {
	struct kiln *k;
	struct udp *udp;
	struct tcp *tcp;
	struct task_pool *tasks;
	struct udp_socket *socket;
	struct task *waiting;
	struct endpoint server; /* whom it asks */
	uint8_t answer[65535];  /* the last one */
	size_t answer_size;
	unsigned answers; /* how many datagrams came */
	void (*script)(struct play_client *c);
	struct play_server *servers;
	struct sim_link *link;
	void *user; /* the test's own */
	bool finished;
};

static void play_receive(struct udp_socket *socket, const struct udp_datagram *datagram,
                         void *context)
{
	struct play_client *c = context;

	memcpy(c->answer, datagram->payload.data, datagram->payload.len);
	c->answer_size = datagram->payload.len;
	c->answers++;
	if (c->waiting)
		task_wake(c->waiting);
}

static void play_client_task(void *arg)
{
	struct play_client *c = arg;

	c->script(c);
	c->finished = true;
}

static int play_client_node(struct kiln *k)
{
	struct play_client *c = sim_node_user(sim_node_of(k));
	struct net *net = net_up(k, &net0);

	c->k = k;
	c->udp = udp_new(net);
	c->tcp = tcp_new(net);
	c->tasks = task_pool_new(k, 3, 262144);
	assert_int_equal(udp_bind(c->udp, 0, play_receive, c, &c->socket), KILN_OK);
	assert_int_equal(task_start(c->tasks, play_client_task, c), KILN_OK);
	return kiln_run(k);
}

static struct endpoint play_endpoint(const char *text)
{
	struct endpoint e = {.port = DNS_PORT};

	assert_true(ip_parse(slice_text(text), &e.addr));
	return e;
}

/* Servers at 10.0.0.1, 10.0.0.2..., and the client at 10.0.0.100, on one link. */
static void play_run_with(struct play_server *servers, unsigned count,
                          const struct sim_impairment *link,
                          void (*script)(struct play_client *c), void *user)
{
	struct play_client *c = calloc(1, sizeof(*c));
	const char *client_options[] = {"ip=10.0.0.100/24", NULL};
	struct sim *sim = sim_new(1);
	struct sim_node *node;

	c->link = sim_link_new(sim, link, 1500);
	c->script = script;
	c->user = user;
	c->servers = servers;
	c->server = play_endpoint("10.0.0.1");
	for (unsigned i = 0; i < count; i++) {
		char address[32];
		const char *options[] = {address, NULL};

		snprintf(address, sizeof(address), "ip=10.0.0.%u/24", i + 1);
		node = sim_node_new(sim, "server",
		                    servers[i].memory ? servers[i].memory : PLAY_MEMORY,
		                    play_server_node, options);
		sim_node_set_user(node, &servers[i]);
		sim_node_net(node, "net0", c->link);
	}
	node = sim_node_new(sim, "client", PLAY_MEMORY, play_client_node, client_options);
	sim_node_set_user(node, c);
	sim_node_net(node, "net0", c->link);
	for (unsigned i = 0; i < PLAY_PERIODS && !c->finished; i++)
		(void)sim_run(sim, sim_now(sim) + KILN_SECONDS(10));
	assert_true(c->finished);
	sim_free(sim);
	free(c);
}

static inline void play_run(struct play_server *servers, unsigned count,
                            const struct sim_impairment *link,
                            void (*script)(struct play_client *c))
{
	play_run_with(servers, count, link, script, NULL);
}

/* ---- questions ---- */

static size_t play_question(uint8_t *buffer, size_t size, uint16_t id, const char *name,
                            uint16_t type)
{
	struct dns_header header = {.id = id};
	struct dns_question question = {.type = type, .class = DNS_CLASS_IN};
	struct dns_builder b;

	assert_true(dns_name_parse(slice_text(name), &question.name));
	dns_build(&b, buffer, size, &header);
	assert_true(dns_build_question(&b, &question));
	return dns_build_done(&b).len;
}

/* Sends a message and waits for what comes back by UDP. False: nothing did. */
static bool play_exchange(struct play_client *c, struct slice message, kiln_time within)
{
	kiln_time until = kiln_now(c->k) + within;

	c->answer_size = 0;
	assert_int_equal(udp_send(c->socket, &c->server, message), KILN_OK);
	c->waiting = task_self(c->tasks);
	while (c->answer_size == 0 && kiln_now(c->k) < until)
		(void)task_park(c->tasks, until);
	c->waiting = NULL;
	return c->answer_size > 0;
}

static bool play_ask(struct play_client *c, const char *name, uint16_t type)
{
	uint8_t query[512];
	size_t size = play_question(query, sizeof(query), 7, name, type);

	return play_exchange(c, slice_of(query, size), KILN_SECONDS(1));
}

static struct dns_header play_header(const struct play_client *c)
{
	struct dns_reader r;

	assert_true(dns_read(&r, slice_of(c->answer, c->answer_size)));
	return r.header;
}

/* The serial of the SOA in the last answer; 0: it has none. */
static inline uint32_t play_serial(const struct play_client *c)
{
	struct dns_record record;
	struct dns_reader r;
	struct dns_soa soa;

	assert_true(dns_read(&r, slice_of(c->answer, c->answer_size)));
	while (dns_read_record(&r, &record)) {
		if (record.type == DNS_SOA && dns_data_soa(&record, &soa))
			return soa.serial;
	}
	return 0;
}

/* ---- streams ---- */

static inline void play_connect(struct play_client *c, struct stream *s)
{
	assert_int_equal(stream_connect(s, c->tasks, c->tcp, &c->server), KILN_OK);
	s->timeout = KILN_SECONDS(60);
}

static void play_send(struct stream *s, struct slice message)
{
	uint8_t length[2] = {(uint8_t)(message.len >> 8), (uint8_t)message.len};

	assert_int_equal(stream_write(s, slice_of(length, 2)), KILN_OK);
	assert_int_equal(stream_write(s, message), KILN_OK);
}

/* One message, into c->answer. False: the stream has ended. */
static bool play_receive_message(struct play_client *c, struct stream *s)
{
	uint8_t length[2];
	size_t got, at = 0;

	for (; at < 2; at += got) {
		if (stream_read(s, length + at, 2 - at, &got) != KILN_OK || got == 0)
			return false;
	}
	c->answer_size = (size_t)length[0] << 8 | length[1];
	for (at = 0; at < c->answer_size; at += got) {
		if (stream_read(s, c->answer + at, c->answer_size - at, &got) !=
		        KILN_OK ||
		    got == 0)
			return false;
	}
	return true;
}

static inline bool play_ask_stream(struct play_client *c, struct stream *s, uint16_t id,
                            const char *name, uint16_t type)
{
	uint8_t query[512];
	size_t size = play_question(query, sizeof(query), id, name, type);

	play_send(s, slice_of(query, size));
	return play_receive_message(c, s);
}

#endif
