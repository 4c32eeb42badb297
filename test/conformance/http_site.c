/*
 * The HTTP server on the whole stack: clients on simulated links that lose, reorder and
 * corrupt fetch large content, pipeline, upload, and check every byte. A failure names
 * the seed, which repeats the run to the bit.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/http.h>
#include <kiln/sim.h>
#include <kiln/stream.h>

KILN_NET(net0, "between server and clients");

enum { MEMORY = 8 << 20, CLIENTS = 4, FILE_SIZE = 150000, UPLOAD_SIZE = 60000 };

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

static uint8_t file[FILE_SIZE], upload[UPLOAD_SIZE];

struct scene {
	struct task_pool *tasks;
	unsigned started, good, bad;
	struct http_counters counters;
};

/* ---- the server ---- */

/* FNV-1a; scratch[0] holds it. */
static uint64_t fold(uint64_t hash, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ s.data[i]) * 0x100000001b3u;
	return hash;
}

static size_t take(struct http_exchange *x, struct slice piece, void *user)
{
	x->scratch[0] = fold(x->scratch[0], piece);
	return piece.len;
}

static void format_hash(struct writer *w, uint64_t hash)
{
	writer_format(w, "%016llx\n", (unsigned long long)hash);
}

static void taken(struct http_exchange *x, void *user)
{
	uint8_t text[32];
	struct writer w = writer_of(text, sizeof(text));

	format_hash(&w, x->scratch[0]);
	http_respond(x, 200, NULL, writer_done(&w));
}

static const struct http_events upload_events = {.body = take, .body_end = taken};

static void handle(struct http_exchange *x, const void *context)
{
	if (x->method == HTTP_POST)
		http_on(x, &upload_events, NULL);
	else
		http_respond_static(x, 200, NULL, slice_of(file, sizeof(file)));
}

static int server(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct http *http = http_new(tcp_new(net_up(k, &net0)), NULL);

	if (http_listen(http, 80, handle, NULL))
		return 1;
	int status = http_run(http);
	http_counters(http, &scene->counters);
	return status;
}

/* ---- the clients ---- */

/* Three requests, the second an upload, sent without waiting for an answer. */
static bool ask(struct stream *s)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char post[] =
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
	static const char last[] =
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

	return !stream_write(s, slice_text(get)) && !stream_write(s, slice_text(post)) &&
	       !stream_write(s, slice_of(upload, sizeof(upload))) &&
	       !stream_write(s, slice_text(last));
}

/* Takes a response off the front: its head must be a 200, its body the one expected. */
static bool take_response(struct slice *in, struct slice body)
{
	const uint8_t *end = memmem(in->data, in->len, "\r\n\r\n", 4);
	struct slice got;

	if (!end || !slice_starts_with(*in, SLICE("HTTP/1.1 200 OK\r\n")))
		return false;
	*in = slice_skip(*in, (size_t)(end - in->data) + 4);
	got = slice_take(*in, body.len);
	*in = slice_skip(*in, body.len);
	return slice_equal(got, body);
}

static bool answers_are_right(struct slice in)
{
	uint8_t text[32];
	struct writer w = writer_of(text, sizeof(text));

	format_hash(&w, fold(0, slice_of(upload, sizeof(upload))));
	return take_response(&in, slice_of(file, sizeof(file))) &&
	       take_response(&in, writer_done(&w)) &&
	       take_response(&in, slice_of(file, sizeof(file))) && in.len == 0;
}

static bool converse(struct stream *s)
{
	size_t size = 2 * FILE_SIZE + 4096, len = 0, got = 1;
	uint8_t *in = malloc(size);
	bool good = ask(s);

	while (good && got > 0 && len < size) {
		good = stream_read(s, in + len, size - len, &got) == KILN_OK;
		len += got;
	}
	good = good && answers_are_right(slice_of(in, len));
	free(in);
	return good;
}

struct client_context {
	struct kiln *kiln;
	struct tcp *tcp;
	struct scene *scene;
};

static void run_client(void *arg)
{
	const struct client_context *c = arg;
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), 80};
	struct stream s;
	bool good = !stream_connect(&s, c->scene->tasks, c->tcp, &to) && converse(&s);

	stream_close(&s);
	c->scene->good += good;
	c->scene->bad += !good;
	if (c->scene->good + c->scene->bad == CLIENTS)
		kiln_stop(c->kiln);
}

static int clients(struct kiln *k)
{
	struct scene *scene = sim_node_user(sim_node_of(k));
	struct client_context context = {k, tcp_new(net_up(k, &net0)), scene};

	scene->tasks = task_pool_new(k, CLIENTS, 16384);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (task_start(scene->tasks, run_client, &context))
			return 1;
	}
	return kiln_run(k);
}

/* ---- what must hold ---- */

static struct scene play(uint64_t seed, const struct sim_impairment *link, bool offloads)
{
	static const char *const server_options[] = {"ip=10.0.0.1/24", NULL};
	static const char *const client_options[] = {"ip=10.0.0.2/24", NULL};
	struct scene scene = {0};
	struct sim *sim = sim_new(seed);
	struct sim_link *wire = sim_link_new(sim, link, 1500);
	struct sim_node *a = sim_node_new(sim, "server", MEMORY, server, server_options);
	struct sim_node *b = sim_node_new(sim, "client", MEMORY, clients, client_options);
	kiln_time deadline = sim_now(sim) + KILN_SECONDS(120);
	int status = -1;

	sim_link_offloads(wire, offloads);
	sim_node_set_user(a, &scene);
	sim_node_set_user(b, &scene);
	sim_node_net(a, "net0", wire);
	sim_node_net(b, "net0", wire);
	while (!sim_node_ended(b, &status) && sim_now(sim) < deadline)
		sim_run(sim, sim_now(sim) + KILN_MS(100));
	sim_node_stop(a);
	sim_run(sim, sim_now(sim) + KILN_SECONDS(5));
	assert_true(sim_node_ended(a, &status));
	assert_int_equal(status, 0);
	sim_free(sim);
	return scene;
}

static void assert_good(const struct scene *scene, uint64_t seed)
{
	if (scene->good != CLIENTS || scene->counters.requests != 3 * CLIENTS ||
	    scene->counters.responses[2] != 3 * CLIENTS)
		fail_msg("seed %llu: %u good, %u bad, %llu requests",
		         (unsigned long long)seed, scene->good, scene->bad,
		         (unsigned long long)scene->counters.requests);
}

static void a_site_is_served_over_bad_links(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct scene scene = play(seed, &bad_link, false);
		assert_good(&scene, seed);
	}
}

static void a_site_is_served_by_segmentation_offload(void **state)
{
	const struct sim_impairment good_link = {.delay = KILN_MS(1), .rate = 1000000000};

	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct scene scene = play(seed, &good_link, true);
		assert_good(&scene, seed);
		assert_int_equal(scene.counters.open, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_site_is_served_over_bad_links),
	    cmocka_unit_test(a_site_is_served_by_segmentation_offload),
	};

	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (uint8_t)(i * 31 + i / 253);
	for (size_t i = 0; i < sizeof(upload); i++)
		upload[i] = (uint8_t)(i * 17 + i / 251);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
