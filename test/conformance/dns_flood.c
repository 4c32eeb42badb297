/*
 * A thousand resolvers ask the name server over links that lose 2 %, while somebody sends it
 * questions with another's address on them, so that large answers would drown him, and the way
 * out of the server (a reflection). With a limit of the rate all resolvers have their answers, at
 * once but for those that are lost, and the victim gets less than was sent in his name; without
 * one neither holds.
 */
#include "dns_play.h"
#include <kiln/netdev.h>
#include <kiln/target.h>

enum {
	RESOLVERS = 1000,
	QUERIES = 5, /* of each */
	TRIES = 4,
	PIECES = 10,  /* questions of the flood at a time, */
	FLOOD = 5000, /* so often, 1 ms apart: 10,000 a second for 5 s */
	VICTIM_PORT = 3333,
	RESOLVER_MEMORY = 4 << 20,
	VICTIM_MEMORY = 8 << 20,
};

#define ZONE                                                                           \
	"@ 300 SOA ns hostmaster 7 3600 600 86400 300\n@ 300 NS ns\nns 300 A "         \
	"192.0.2.1\n"                                                                  \
	"$GENERATE 1-1000 host$ 300 A 192.0.2.2\n"                                     \
	"$GENERATE 1-8 big 300 TXT \"text number $ of a set that is as large as a "    \
	"datagram may be: about twelve hundred bytes of it in all, so as to be worth " \
	"it\"\n"

struct world {
	struct play_server server;
	unsigned answered, again, finished; /* again: asked once more */
	uint64_t flood_bytes, victim_bytes;
	struct dns_server_counters counters;
	struct resolver {
		struct world *world;
		unsigned number;
		struct play_client client;
	} resolvers[RESOLVERS];
};

/* ---- resolvers ---- */

/* By TCP, as the answer was truncated: who is above the rate does no worse than that. */
static bool ask_by_tcp(struct play_client *c, const char *name)
{
	struct stream s;
	bool answered = false;

	if (stream_connect(&s, c->tasks, c->tcp, &c->server) == KILN_OK) {
		s.timeout = KILN_SECONDS(10);
		answered = play_ask_stream(c, &s, 1, name, DNS_A);
	}
	stream_close(&s);
	return answered;
}

static bool ask(struct resolver *r, const char *name)
{
	struct play_client *c = &r->client;

	for (unsigned try = 0; try < TRIES; try++) {
		r->world->again += try > 0;
		if (!play_ask(c, name, DNS_A))
			continue;
		if (!(play_header(c).flags & DNS_FLAG_TRUNCATED))
			return true;
		return ask_by_tcp(c, name);
	}
	return false;
}

static void resolve(struct play_client *c)
{
	struct resolver *r = c->user;
	struct kiln_random *random = &c->k->random;

	for (unsigned i = 0; i < QUERIES; i++) {
		char name[64];

		task_sleep(c->tasks, KILN_MS(random_below(random, 1000)));
		snprintf(name, sizeof(name), "%s%u.example.com",
		         random_below(random, 10) ? "host" : "nowhere",
		         1 + random_below(random, 1000));
		r->world->answered += ask(r, name);
	}
	r->world->finished++;
}

/* ---- the flood, and its victim ---- */

static void count_bytes(struct udp_socket *socket, const struct udp_datagram *datagram,
                        void *context)
{
	struct world *world = context;

	world->victim_bytes += datagram->payload.len;
}

static int victim_node(struct kiln *k)
{
	struct udp_socket *socket;

	assert_int_equal(udp_bind(udp_new(net_up(k, &net0)), VICTIM_PORT, count_bytes,
	                          sim_node_user(sim_node_of(k)), &socket),
	                 KILN_OK);
	return kiln_run(k);
}

struct flood {
	struct kiln *k;
	struct netdev *dev;
	struct world *world;
	struct loop_source source;
	struct timer timer;
	unsigned sent;
	bool knows; /* the server's address, from what it announces */
	uint8_t server[6];
	uint8_t frame[128];
	size_t size;
};

static void listen_for_server(void *stack, struct slice frame,
                              const struct netdev_offload *offload)
{
	static const uint8_t address[] = {10, 0, 0, 1};
	struct flood *f = stack;

	/* ARP (RFC 826): the sender's addresses. */
	if (frame.len < 42 || frame.data[12] != 8 || frame.data[13] != 6 ||
	    memcmp(frame.data + 28, address, 4) != 0)
		return;
	memcpy(f->server, frame.data + 22, 6);
	f->knows = true;
}

static uint16_t sum(const uint8_t *header, size_t size)
{
	uint32_t total = 0;

	for (size_t i = 0; i < size; i += 2)
		total += (uint32_t)header[i] << 8 | header[i + 1];
	total = (total & 0xffff) + (total >> 16);
	return (uint16_t) ~((total & 0xffff) + (total >> 16));
}

/* A question of 10.0.200.1's, as it would have us believe. */
static void build_frame(struct flood *f)
{
	struct dns_header header = {.id = 1};
	struct dns_question question = {.type = DNS_TXT, .class = DNS_CLASS_IN};
	struct dns_opt opt = {.udp_size = DNS_EDNS_SIZE};
	struct dns_builder b;
	struct writer w = writer_of(f->frame, sizeof(f->frame));

	assert_true(dns_name_parse(SLICE("big.example.com"), &question.name));
	dns_build(&b, f->frame + 42, sizeof(f->frame) - 42, &header);
	assert_true(dns_build_question(&b, &question) && dns_build_opt(&b, &opt));
	uint16_t size = (uint16_t)dns_build_done(&b).len;
	writer_bytes(&w, slice_of(f->server, 6));
	writer_bytes(&w, slice_of(f->dev->mac, 6));
	writer_u16(&w, 0x0800);
	writer_u16(&w, 0x4500);
	writer_u16(&w, (uint16_t)(28 + size));
	writer_u32(&w, 0);
	writer_u16(&w, 64 << 8 | 17);
	writer_u16(&w, 0);
	writer_u32(&w, 0x0a00c801);
	writer_u32(&w, 0x0a000001);
	struct writer checksum = writer_of(f->frame + 24, 2);
	writer_u16(&checksum, sum(f->frame + 14, 20));
	writer_u16(&w, VICTIM_PORT);
	writer_u16(&w, DNS_PORT);
	writer_u16(&w, (uint16_t)(8 + size));
	writer_u16(&w, 0); /* none (RFC 768) */
	f->size = 42u + size;
	f->world->flood_bytes = (uint64_t)size * PIECES * FLOOD;
}

static void send_some(struct timer *timer)
{
	struct flood *f = kiln_container(timer, struct flood, timer);

	if (f->knows && f->size == 0)
		build_frame(f);
	for (unsigned i = 0; f->size && i < PIECES; i++) {
		struct netdev_frame frame;

		netdev_frame_init(&frame);
		memcpy(netdev_frame_push(&frame, 42), f->frame, 42);
		assert_true(netdev_frame_add(&frame, f->frame + 42, f->size - 42, NULL));
		(void)f->dev->ops->send(f->dev, &frame);
	}
	f->sent += f->size > 0;
	if (f->sent < FLOOD)
		timer_set(&f->k->loop, timer, f->k->loop.now + KILN_MS(1));
}

static unsigned poll_device(struct loop_source *source, unsigned budget)
{
	struct flood *f = kiln_container(source, struct flood, source);

	return f->dev->ops->poll(f->dev, budget);
}

static int flood_node(struct kiln *k)
{
	struct flood *f = kiln_alloc(k, sizeof(*f), "the flood");

	f->k = k;
	f->world = sim_node_user(sim_node_of(k));
	f->dev = target_netdev(k, &net0);
	f->dev->receive = listen_for_server;
	f->dev->stack = f;
	f->source.poll = poll_device;
	loop_add(&k->loop, &f->source);
	timer_init(&f->timer, send_some);
	timer_set(&k->loop, &f->timer, k->loop.now + KILN_MS(100));
	return kiln_run(k);
}

/* ---- all of them ---- */

static struct sim_node *add(struct sim *sim, struct sim_link *link, const char *name,
                            size_t memory, int (*entry)(struct kiln *k), unsigned address,
                            void *user)
{
	char ip[40];
	const char *options[] = {ip, "ip6=off", NULL};

	snprintf(ip, sizeof(ip), "ip=10.0.%u.%u/16", address >> 8, address & 255);
	struct sim_node *node = sim_node_new(sim, name, memory, entry, options);
	sim_node_set_user(node, user);
	sim_node_net(node, "net0", link);
	return node;
}

static struct world *run(uint32_t rate)
{
	/* Of each one's own way: the server's would be full of the flood's answers. */
	struct sim_impairment way = {
	    .loss = 0.02, .delay = KILN_MS(5), .rate = 20000000, .queue = 200};
	struct world *world = calloc(1, sizeof(*world));
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, &way, 1500);

	world->server = (struct play_server){.zones = {{"example.com", ZONE}}};
	world->server.rate.answers = rate;
	world->server.config.conns = 2000;
	(void)add(sim, link, "flood", VICTIM_MEMORY, flood_node, 201 << 8 | 1, world);
	(void)add(sim, link, "victim", VICTIM_MEMORY, victim_node, 200 << 8 | 1, world);
	(void)add(sim, link, "server", PLAY_MEMORY, play_server_node, 1, &world->server);
	for (unsigned i = 0; i < RESOLVERS; i++) {
		struct resolver *r = &world->resolvers[i];

		r->world = world;
		r->client.script = resolve;
		r->client.user = r;
		r->client.server = play_endpoint("10.0.0.1");
		(void)add(sim, link, "resolver", RESOLVER_MEMORY, play_client_node,
		          (1 + i / 10) << 8 | (1 + i % 10), &r->client);
	}
	for (unsigned i = 0; i < 30 && world->finished < RESOLVERS; i++)
		(void)sim_run(sim, sim_now(sim) + KILN_SECONDS(10));
	assert_int_equal(world->finished, RESOLVERS);
	world->counters = play_counters(&world->server);
	sim_free(sim);
	return world;
}

static void every_resolver_has_its_answers_in_a_flood(void **state)
{
	struct world *world = run(20);

	assert_int_equal(world->answered, RESOLVERS * QUERIES);
	assert_true(world->again < RESOLVERS * QUERIES / 10); /* 2 % are lost each way */
	/* Dropped, or truncated: half of them each. */
	assert_true(world->victim_bytes < world->flood_bytes);
	assert_in_range(world->counters.rate_dropped, FLOOD * PIECES * 45 / 100,
	                FLOOD * PIECES / 2);
	free(world);
}

static void without_a_limit_they_ask_again_and_the_victim_drowns(void **state)
{
	struct world *world = run(0);

	assert_true(world->again > RESOLVERS * QUERIES / 4);
	assert_true(world->victim_bytes > 5 * world->flood_bytes);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_resolver_has_its_answers_in_a_flood),
	    cmocka_unit_test(without_a_limit_they_ask_again_and_the_victim_drowns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
