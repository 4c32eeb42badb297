/*
 * TCP between two simulated nodes: what one side sends, the other receives, whatever the
 *link does to the frames. The bytes come from a keyed generator and are checked one by
 *one; a failure names the seed, which repeats the run to the bit.
 *
 *	tcp_transfer [PATTERN [SEED]]	runs all tests, or those whose names match; the
 *first with one seed instead of 200
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>

KILN_NET(net0, "between the two nodes");

enum { PORT = 7000, MEMORY = 8 << 20, CONNECTIONS_MOST = 450 };

static const struct sim_impairment bad_link = {
    .loss = 0.03,
    .duplicate = 0.01,
    .corrupt = 0.01,
    .reorder = 0.03,
    .reorder_delay = KILN_MS(5),
    .delay = KILN_MS(2),
    .jitter = KILN_MS(1),
    .rate = 1000000000,
};

static const struct sim_impairment good_link = {
    .delay = KILN_MS(5),
    .rate = 1000000000,
    .queue = 4000,
};

/* ---- content ---- */

/* SplitMix64 of a position: any byte of a stream can be made on its own. */
static uint64_t word_at(uint64_t key, uint64_t index)
{
	uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void generate(uint64_t key, uint64_t offset, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size;) {
		uint64_t word = word_at(key, (offset + i) / 8);

		for (unsigned b = (offset + i) % 8; b < 8 && i < size; b++)
			out[i++] = (uint8_t)(word >> 8 * b);
	}
}

static bool matches(uint64_t key, uint64_t offset, struct slice s)
{
	uint8_t expected[2048];

	while (s.len > 0) {
		struct slice part = slice_take(s, sizeof(expected));

		generate(key, offset, expected, part.len);
		if (memcmp(expected, part.data, part.len) != 0)
			return false;
		offset += part.len;
		s = slice_skip(s, part.len);
	}
	return true;
}

/* ---- one end of one connection ---- */

struct side {
	uint64_t send_key, receive_key;
	uint64_t to_send, to_receive;
	uint64_t sent, received;
	bool send_after_end; /* half close: the answer follows the peer's FIN */
	kiln_time
	    stall_at; /* bytes received at which to stop reading for a while; 0: never */
	kiln_time stall_until;
	bool is_static; /* sends by reference */
	const uint8_t *content;

	struct tcp_conn *conn;
	struct timer timer;
	bool corrupt, ended, finished, shut;
	enum kiln_error closed;
	kiln_time finished_at;
};

struct scene {
	unsigned connections;
	bool over_ip6; /* and its smallest MTU */
	struct side client[CONNECTIONS_MOST], server[CONNECTIONS_MOST];
	unsigned accepted;
	struct tcp *client_tcp, *server_tcp;
	struct tcp_counters client_counters, server_counters;
};

static void receive(struct side *s)
{
	struct slice bytes;

	if (s->stall_at && s->received >= s->stall_at &&
	    kiln_now(tcp_kiln(tcp_of(s->conn))) < s->stall_until)
		return;
	while ((bytes = tcp_peek(s->conn)).len > 0) {
		if (!matches(s->receive_key, s->received, bytes))
			s->corrupt = true;
		s->received += bytes.len;
		tcp_consume(s->conn, bytes.len);
	}
	s->ended = tcp_at_end(s->conn);
}

static void fill(struct side *s)
{
	uint8_t buffer[8192];

	if (s->send_after_end && !s->ended)
		return;
	while (s->sent < s->to_send && tcp_can_send(s->conn)) {
		size_t n = (size_t)KILN_MIN(s->to_send - s->sent, sizeof(buffer));

		if (s->is_static) {
			if (!tcp_send_static(s->conn, slice_of(s->content + s->sent, n)))
				return;
			s->sent += n;
			continue;
		}
		n = KILN_MIN(n, tcp_send_room(s->conn));
		if (n == 0)
			return;
		generate(s->send_key, s->sent, buffer, n);
		s->sent += tcp_send(s->conn, slice_of(buffer, n));
	}
	if (s->sent == s->to_send && tcp_can_send(s->conn)) {
		s->shut = true;
		tcp_shutdown(s->conn);
	}
}

static void side_ready(struct tcp_conn *conn, void *user)
{
	struct side *s = user;

	receive(s);
	fill(s);
	if (s->ended && s->shut) {
		s->finished = true;
		s->finished_at = kiln_now(tcp_kiln(tcp_of(conn)));
		tcp_close(conn);
		s->conn = NULL;
	}
}

static void side_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct side *s = user;

	s->closed = why;
	s->conn = NULL;
}

static const struct tcp_events side_events = {side_ready, side_closed};

static void stall_over(struct timer *timer)
{
	struct side *s = kiln_container(timer, struct side, timer);

	if (s->conn)
		tcp_wake(s->conn);
}

static void set_stall(struct kiln *k, struct side *s)
{
	timer_init(&s->timer, stall_over);
	if (s->stall_at)
		timer_set(&k->loop, &s->timer, s->stall_until);
}

/* ---- the nodes ---- */

static bool accepted(struct tcp_conn *conn, void *context)
{
	struct scene *scene = context;
	struct side *s = &scene->server[scene->accepted];

	if (scene->accepted == scene->connections)
		return false;
	scene->accepted++;
	s->conn = conn;
	set_stall(tcp_kiln(tcp_of(conn)), s);
	tcp_own(conn, &side_events, s);
	return true;
}

static int server(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct tcp_listener *listener;

	scene->server_tcp = tcp;
	if (tcp_listen(tcp, PORT, accepted, scene, &listener))
		return 1;
	int status = kiln_run(k);
	tcp_counters(tcp, &scene->server_counters);
	return status;
}

static int client(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PORT};

	if (scene->over_ip6 && !ip6_parse(SLICE("2001:db8::1"), &to.addr))
		return 1;
	scene->client_tcp = tcp;
	for (unsigned i = 0; i < scene->connections; i++) {
		struct side *s = &scene->client[i];

		set_stall(k, s);
		if (tcp_connect(tcp, &to, &side_events, s, &s->conn))
			return 1;
	}
	int status = kiln_run(k);
	tcp_counters(tcp, &scene->client_counters);
	return status;
}

static bool all_finished(const struct scene *scene)
{
	for (unsigned i = 0; i < scene->connections; i++) {
		const struct side *c = &scene->client[i], *s = &scene->server[i];

		if (!(c->finished || c->closed) || !(s->finished || s->closed))
			return false;
	}
	return true;
}

/* Connection i sends `up` bytes to the server and `down` to the client. */
static struct scene *scene_new(uint64_t seed, unsigned connections, uint64_t up,
                               uint64_t down)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	scene->connections = connections;
	for (unsigned i = 0; i < connections; i++) {
		struct side *c = &scene->client[i], *s = &scene->server[i];

		/* The link decides which is accepted first: all have one key. */
		c->send_key = s->receive_key = word_at(seed, 1);
		s->send_key = c->receive_key = word_at(seed, 2);
		c->to_send = s->to_receive = up;
		s->to_send = c->to_receive = down;
	}
	return scene;
}

/* Runs until all have finished, or the deadline. Returns the virtual time taken. */
static kiln_time play(struct scene *scene, uint64_t seed,
                      const struct sim_impairment *link, bool offloads,
                      kiln_time deadline)
{
	static const char *const server_options[] = {"ip=10.0.0.1/24",
	                                             "ip6=2001:db8::1/64", NULL};
	static const char *const client_options[] = {"ip=10.0.0.2/24",
	                                             "ip6=2001:db8::2/64", NULL};
	struct sim *sim = sim_new(seed);
	struct sim_link *wire = sim_link_new(sim, link, scene->over_ip6 ? 1280 : 1500);
	struct sim_node *a = sim_node_new(sim, "server", MEMORY, server, server_options);
	struct sim_node *b = sim_node_new(sim, "client", MEMORY, client, client_options);
	kiln_time start = sim_now(sim), end = 0;

	sim_link_offloads(wire, offloads);
	sim_node_set_user(a, scene);
	sim_node_set_user(b, scene);
	sim_node_net(a, "net0", wire);
	sim_node_net(b, "net0", wire);
	while (!all_finished(scene) && sim_now(sim) - start < deadline)
		sim_run(sim, sim_now(sim) + KILN_MS(100));
	for (unsigned i = 0; i < scene->connections; i++) {
		end = KILN_MAX(end, scene->client[i].finished_at);
		end = KILN_MAX(end, scene->server[i].finished_at);
	}
	sim_node_stop(a);
	sim_node_stop(b);
	sim_run(sim, sim_now(sim) + KILN_SECONDS(1));
	sim_free(sim);
	return end > start ? end - start : 0;
}

/* ---- what must hold ---- */

static bool side_is_good(const struct side *s, const char *name, unsigned i,
                         uint64_t seed)
{
	bool good = s->finished && !s->corrupt && s->received == s->to_receive &&
	            s->sent == s->to_send;

	if (!good)
		print_error(
		    "seed %llu: %s %u: finished %d, corrupt %d, received %llu of %llu, "
		    "sent %llu of %llu, closed: %s\n",
		    (unsigned long long)seed, name, i, s->finished, s->corrupt,
		    (unsigned long long)s->received, (unsigned long long)s->to_receive,
		    (unsigned long long)s->sent, (unsigned long long)s->to_send,
		    kiln_error_text(s->closed));
	return good;
}

static bool scene_is_good(const struct scene *scene, uint64_t seed)
{
	for (unsigned i = 0; i < scene->connections; i++) {
		if (!side_is_good(&scene->client[i], "client", i, seed) ||
		    !side_is_good(&scene->server[i], "server", i, seed))
			return false;
	}
	return true;
}

static void check(const struct scene *scene, uint64_t seed)
{
	assert_true(scene_is_good(scene, seed));
}

static double megabits(uint64_t bytes, kiln_time time)
{
	return (double)bytes * 8000 / (double)time;
}

static uint64_t one_seed;

static void ten_megabytes_arrive_intact_over_200_bad_links(void **state)
{
	uint64_t first = one_seed ? one_seed : 1, count = one_seed ? 1 : 200;
	double least = 1e9, sum = 0;
	struct tcp_counters total = {0};

	for (uint64_t seed = first; seed < first + count; seed++) {
		struct scene *scene = scene_new(seed, 1, 10 << 20, 1000);
		kiln_time time = play(scene, seed, &bad_link, false, KILN_SECONDS(600));

		check(scene, seed);
		double rate = megabits(10 << 20, time);
		least = KILN_MIN(least, rate);
		sum += rate;
		total.retransmits += scene->client_counters.retransmits;
		total.fast_retransmits += scene->client_counters.fast_retransmits;
		total.timeouts += scene->client_counters.timeouts;
		free(scene);
	}
	print_message("goodput %.1f Mbit/s on average, %.1f at least; %llu retransmits, "
	              "%llu recoveries, %llu timeouts in all\n",
	              sum / (double)count, least, (unsigned long long)total.retransmits,
	              (unsigned long long)total.fast_retransmits,
	              (unsigned long long)total.timeouts);
}

static void both_directions_at_once_on_a_bad_link(void **state)
{
	for (uint64_t seed = 1000; seed < 1010; seed++) {
		struct scene *scene = scene_new(seed, 1, 2 << 20, 2 << 20);

		play(scene, seed, &bad_link, false, KILN_SECONDS(600));
		check(scene, seed);
		free(scene);
	}
}

static void a_half_closed_connection_still_delivers_the_answer(void **state)
{
	for (uint64_t seed = 2000; seed < 2010; seed++) {
		struct scene *scene = scene_new(seed, 1, 5000, 1 << 20);

		scene->server[0].send_after_end = true;
		play(scene, seed, &bad_link, false, KILN_SECONDS(600));
		check(scene, seed);
		free(scene);
	}
}

/* So many at once that some begin with a cookie. */
static void many_connections_share_a_bad_link(void **state)
{
	for (uint64_t seed = 3000; seed < 3010; seed++) {
		struct scene *scene = scene_new(seed, 450, 20000, 50000);

		play(scene, seed, &bad_link, false, KILN_SECONDS(600));
		check(scene, seed);
		assert_int_equal(scene->server_counters.opened_passive, 450);
		assert_true(scene->server_counters.cookies_good > 0);
		free(scene);
	}
}

static void a_reader_that_stalls_for_ten_minutes_gets_everything_in_the_end(void **state)
{
	for (uint64_t seed = 4000; seed < 4020; seed++) {
		struct scene *scene = scene_new(seed, 1, 4 << 20, 1000);
		const struct side *server_side = &scene->server[0];

		scene->server[0].stall_at = 1 << 20;
		scene->server[0].stall_until = KILN_SECONDS(600);
		play(scene, seed, &bad_link, false, KILN_SECONDS(2000));
		check(scene, seed);
		assert_true(server_side->finished_at > KILN_SECONDS(600));
		assert_true(server_side->finished_at < KILN_SECONDS(800));
		free(scene);
	}
}

static void a_clean_link_is_filled(void **state)
{
	struct scene *scene = scene_new(5000, 1, 64 << 20, 1000);
	kiln_time time = play(scene, 5000, &good_link, false, KILN_SECONDS(600));

	check(scene, 5000);
	/* The windows that both begin with, 64 KB a round trip of 10 ms, make 52 Mbit/s. */
	double rate = megabits(64 << 20, time);
	print_message("goodput %.1f Mbit/s\n", rate);
	assert_true(rate > 300);
	assert_int_equal(scene->client_counters.retransmits, 0);
	assert_int_equal(scene->client_counters.timeouts, 0);
	free(scene);
}

static void offloaded_segments_arrive_intact(void **state)
{
	uint64_t size = 8 << 20;
	uint8_t *content = malloc(size);
	struct sim_impairment link = {
	    .loss = 0.002, .delay = KILN_MS(1), .rate = 10000000000};

	for (uint64_t seed = 6000; seed < 6010; seed++) {
		struct scene *scene = scene_new(seed, 1, 100000, size);

		generate(scene->server[0].send_key, 0, content, size);
		scene->server[0].is_static = true;
		scene->server[0].content = content;
		play(scene, seed, &link, true, KILN_SECONDS(600));
		check(scene, seed);
		assert_true(scene->server_counters.segments_out > size / 1460);
		free(scene);
	}
	free(content);
}

static void over_ip6_it_is_the_same(void **state)
{
	for (uint64_t seed = 8000; seed < 8020; seed++) {
		struct scene *scene = scene_new(seed, 3, 300000, 300000);

		scene->over_ip6 = true;
		play(scene, seed, &bad_link, seed % 2, KILN_SECONDS(600));
		check(scene, seed);
		free(scene);
	}
}

static void a_seed_repeats_a_run_to_the_bit(void **state)
{
	kiln_time time[2];
	struct tcp_counters counters[2];

	for (unsigned i = 0; i < 2; i++) {
		struct scene *scene = scene_new(7000, 3, 300000, 300000);

		time[i] = play(scene, 7000, &bad_link, false, KILN_SECONDS(600));
		check(scene, 7000);
		counters[i] = scene->client_counters;
		free(scene);
	}
	assert_int_equal(time[0], time[1]);
	assert_memory_equal(&counters[0], &counters[1], sizeof(counters[0]));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(ten_megabytes_arrive_intact_over_200_bad_links),
	    cmocka_unit_test(both_directions_at_once_on_a_bad_link),
	    cmocka_unit_test(a_half_closed_connection_still_delivers_the_answer),
	    cmocka_unit_test(many_connections_share_a_bad_link),
	    cmocka_unit_test(
	        a_reader_that_stalls_for_ten_minutes_gets_everything_in_the_end),
	    cmocka_unit_test(a_clean_link_is_filled),
	    cmocka_unit_test(offloaded_segments_arrive_intact),
	    cmocka_unit_test(over_ip6_it_is_the_same),
	    cmocka_unit_test(a_seed_repeats_a_run_to_the_bit),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (argc > 2)
		one_seed = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests_name("tcp_transfer", all, NULL, NULL) != 0;
}
