/*
 * The name server behind UDP and TCP, in sim: framing, pipelining, limits and idle times of RFC
 * 7766, readers that do not read, limits of the rate, signatures, metrics.
 */
#include "dns_play.h"

/* Sets of so many records; 14 go into a datagram, if there is little else. */
#define TEXTS(name, count)                                                         \
	"$GENERATE 1-" count " " name " 300 TXT \"text number $ of a set that is " \
	                              "larger than what a datagram may hold\"\n"
#define ZONE                                                                   \
	"@ 300 SOA ns hostmaster 7 3600 600 86400 300\n@ 300 NS ns\nns 300 A " \
	"192.0.2.1\n"                                                          \
	"www 300 A 192.0.2.2\n*.wild 300 A 192.0.2.3\n" TEXTS("near", "14")    \
	    TEXTS("big", "200") TEXTS("huge", "700")

#define SERVER                                     \
	{                                          \
		.zones = { {"example.com", ZONE} } \
	}

static const struct sim_impairment short_way = {.delay = KILN_MS(5)};

/* ---- UDP ---- */

static void ask_by_udp(struct play_client *c)
{
	assert_true(play_ask(c, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], 1);
	assert_true(play_header(c).flags & DNS_FLAG_AUTHORITATIVE);
	assert_true(play_ask(c, "nowhere.example.com", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_NAME);
	assert_true(play_ask(c, "www.example.org", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_REFUSED);
	assert_true(play_ask(c, "big.example.com", DNS_TXT));
	assert_true(play_header(c).flags & DNS_FLAG_TRUNCATED);
	/* An answer is no query, or two servers would answer each other for ever. */
	c->answer[2] |= 0x80;
	uint8_t answer[512];
	size_t size = c->answer_size;
	memcpy(answer, c->answer, size);
	assert_false(play_exchange(c, slice_of(answer, size), KILN_SECONDS(1)));

	struct dns_server_counters counters = play_counters(&c->servers[0]);
	assert_int_equal(counters.queries[0], 5);
	assert_int_equal(counters.answers[0], 4);
	assert_int_equal(counters.silent, 1);
	assert_int_equal(counters.types[DNS_A], 3);
	assert_int_equal(counters.codes[DNS_RCODE_NAME], 1);
	assert_int_equal(counters.truncated, 1);
}

static void datagrams_are_answered(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, ask_by_udp);
}

static void ask_at_once(struct play_client *c)
{
	enum { QUERIES = 100, LONG = 600 };
	uint8_t query[LONG] = {0};

	assert_true(play_ask(c, "ns.example.com", DNS_A)); /* now it is a neighbour */
	for (unsigned i = 0; i < QUERIES; i++) {
		size_t size = play_question(
		    query, sizeof(query), (uint16_t)i,
		    i % 3 ? "www.example.com" : "nowhere.example.com", DNS_A);

		/* Some with much behind them, which says nothing; some are none. */
		if (i % 10 == 9)
			size = LONG;
		else if (i % 10 == 8)
			size = 11;
		assert_int_equal(udp_send(c->socket, &c->server, slice_of(query, size)),
		                 KILN_OK);
	}
	task_sleep(c->tasks, KILN_SECONDS(1));

	struct dns_server_counters counters = play_counters(&c->servers[0]);
	assert_int_equal(counters.queries[0], QUERIES + 1);
	assert_int_equal(counters.silent, 10);
	assert_int_equal(counters.codes[DNS_RCODE_NAME], 31);
	assert_int_equal(counters.codes[DNS_RCODE_OK], 60);
	assert_int_equal(c->answers, QUERIES - 10 + 1);
}

static void queries_that_come_together_are_each_answered(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, ask_at_once);
}

/* ---- TCP ---- */

static void ask_by_tcp(struct play_client *c)
{
	struct stream s;

	play_connect(c, &s);
	assert_true(play_ask_stream(c, &s, 1, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], 1);
	assert_true(play_ask_stream(c, &s, 2, "big.example.com", DNS_TXT));
	assert_int_equal(play_header(c).id, 2);
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], 200);
	assert_false(play_header(c).flags & DNS_FLAG_TRUNCATED);
	stream_close(&s);
}

static void a_stream_carries_what_a_datagram_cannot(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, ask_by_tcp);
}

static void pipeline(struct play_client *c)
{
	enum { QUERIES = 500 };
	static uint8_t all[QUERIES * 64];
	struct writer w = writer_of(all, sizeof(all));
	struct stream s;
	uint8_t query[64];

	for (unsigned i = 0; i < QUERIES; i++) {
		size_t size = play_question(query, sizeof(query), (uint16_t)i,
		                            "www.example.com", DNS_A);
		writer_u16(&w, (uint16_t)size);
		writer_bytes(&w, slice_of(query, size));
	}
	play_connect(c, &s);
	assert_int_equal(stream_write(&s, writer_done(&w)), KILN_OK);
	for (unsigned i = 0; i < QUERIES; i++) {
		assert_true(play_receive_message(c, &s));
		assert_int_equal(play_header(c).id, i);
	}
	stream_close(&s);
}

static void queries_may_be_sent_ahead_over_a_bad_link(void **state)
{
	struct sim_impairment bad = {.delay = KILN_MS(20), .loss = 0.02, .reorder = 0.1};
	struct play_server server = SERVER;

	play_run(&server, 1, &bad, pipeline);
}

static void dribble(struct play_client *c)
{
	uint8_t message[64];
	size_t size =
	    play_question(message + 2, sizeof(message) - 2, 9, "www.example.com", DNS_A);
	struct stream s;

	message[0] = 0;
	message[1] = (uint8_t)size;
	play_connect(c, &s);
	for (size_t i = 0; i < size + 2; i++) {
		assert_int_equal(stream_write(&s, slice_of(message + i, 1)), KILN_OK);
		task_sleep(c->tasks, KILN_MS(100));
	}
	assert_true(play_receive_message(c, &s));
	assert_int_equal(play_header(c).id, 9);
	stream_close(&s);
}

static void a_query_may_come_byte_by_byte(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, dribble);
}

static void end_early(struct play_client *c)
{
	uint8_t query[64];
	size_t size = play_question(query, sizeof(query), 9, "www.example.com", DNS_A);
	struct stream s;

	play_connect(c, &s);
	play_send(&s, slice_of(query, size));
	tcp_shutdown(s.conn);
	assert_true(play_receive_message(c, &s));
	assert_false(play_receive_message(c, &s));
	stream_close(&s);
	task_sleep(c->tasks, KILN_SECONDS(1));
	assert_int_equal(play_counters(&c->servers[0]).conns_open, 0);
}

static void who_ends_its_side_is_still_answered(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, end_early);
}

/* So many questions, the last one in pieces, for more than a queue to who does not read holds. */
static void end_behind(struct play_client *c, unsigned questions)
{
	uint8_t message[64] = {0};
	size_t size = play_question(message + 2, sizeof(message) - 2, 9,
	                            "huge.example.com", DNS_TXT);
	struct stream s;

	message[1] = (uint8_t)size;
	play_connect(c, &s);
	tcp_set_receive_limit(s.conn, 4096);
	for (unsigned i = 1; i < questions; i++)
		play_send(&s, slice_of(message + 2, size));
	assert_int_equal(stream_write(&s, slice_of(message, 20)), KILN_OK);
	task_sleep(c->tasks, KILN_SECONDS(1));
	assert_int_equal(stream_write(&s, slice_of(message + 20, size - 18)), KILN_OK);
	tcp_shutdown(s.conn);
	task_sleep(c->tasks, KILN_SECONDS(1));
	for (unsigned i = 0; i < questions; i++) {
		assert_true(play_receive_message(c, &s));
		assert_int_equal(play_header(c).counts[DNS_ANSWERS], 700);
	}
	assert_false(play_receive_message(c, &s));
	assert_int_equal(s.error, KILN_OK);
	stream_close(&s);
}

static void end_before_all_is_sent(struct play_client *c)
{
	for (unsigned questions = 1; questions < 8; questions++)
		end_behind(c, questions);
}

static void who_ends_its_side_gets_the_answer_whole(void **state)
{
	struct play_server server = SERVER;

	server.memory = 2 << 20; /* for a small send queue */
	server.config.conns = 16;
	play_run(&server, 1, &short_way, end_before_all_is_sent);
}

static void be_idle(struct play_client *c)
{
	struct stream s;
	uint8_t byte;
	size_t got;

	play_connect(c, &s);
	task_sleep(c->tasks, KILN_SECONDS(8));
	assert_true(play_ask_stream(c, &s, 1, "www.example.com", DNS_A));
	task_sleep(c->tasks, KILN_SECONDS(9));
	assert_true(play_ask_stream(c, &s, 2, "www.example.com", DNS_A));
	kiln_time before = kiln_now(c->k);
	assert_int_equal(stream_read(&s, &byte, 1, &got), KILN_OK);
	assert_int_equal(got, 0);
	assert_in_range((kiln_now(c->k) - before) / KILN_MS(1), 9900, 10100);
	stream_close(&s);
	/* A query that is begun is no query. */
	play_connect(c, &s);
	assert_int_equal(stream_write(&s, SLICE("\0")), KILN_OK);
	assert_int_equal(stream_read(&s, &byte, 1, &got), KILN_ERR_RESET);
	assert_int_equal(play_counters(&c->servers[0]).conns_idle, 2);
}

static void a_connection_without_queries_is_closed(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, be_idle);
}

static void send_nonsense(struct play_client *c)
{
	static const struct slice nonsense[] = {
	    {(const uint8_t *)"\0\5hello", 7},
	    {(const uint8_t *)"\xff\xff", 2},
	    {(const uint8_t *)"\0\14\0\1\x80\0\0\0\0\0\0\0\0\0", 14}};

	for (unsigned i = 0; i < KILN_COUNT_OF(nonsense); i++) {
		struct stream s;

		play_connect(c, &s);
		assert_int_equal(stream_write(&s, nonsense[i]), KILN_OK);
		assert_false(play_receive_message(c, &s));
		assert_int_equal(s.error, KILN_ERR_RESET);
		assert_int_equal(play_counters(&c->servers[0]).conns_broken, i + 1);
	}
}

static void what_is_no_query_ends_the_connection(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, send_nonsense);
}

static void open_many(struct play_client *c)
{
	struct stream s[6];
	unsigned open = 0;

	for (unsigned i = 0; i < KILN_COUNT_OF(s); i++) {
		play_connect(c, &s[i]);
		open += play_ask_stream(c, &s[i], 1, "www.example.com", DNS_A);
	}
	assert_int_equal(open, 4);
	assert_int_equal(play_counters(&c->servers[0]).conns_refused, 2);
	stream_close(&s[0]);
	task_sleep(c->tasks, KILN_SECONDS(1));
	play_connect(c, &s[0]);
	assert_true(play_ask_stream(c, &s[0], 1, "www.example.com", DNS_A));
	for (unsigned i = 0; i < KILN_COUNT_OF(s); i++)
		stream_close(&s[i]);
}

static void one_client_has_so_many_connections(void **state)
{
	struct play_server server = SERVER;

	server.config.conns_of_client = 4;
	play_run(&server, 1, &short_way, open_many);
	server = (struct play_server)SERVER;
	server.config.conns = 4;
	play_run(&server, 1, &short_way, open_many);
}

/* Asks for much more than a window holds, and reads nothing of it. */
static void not_read(struct play_client *c)
{
	uint8_t query[64];
	size_t size = play_question(query, sizeof(query), 9, "big.example.com", DNS_TXT);
	struct stream deaf, other;

	play_connect(c, &deaf);
	tcp_set_receive_limit(deaf.conn, 4096);
	for (unsigned i = 0; i < 20; i++)
		play_send(&deaf, slice_of(query, size));
	kiln_time before = kiln_now(c->k);
	play_connect(c, &other);
	while (deaf.conn) {
		assert_true(play_ask_stream(c, &other, 1, "big.example.com", DNS_TXT));
		task_sleep(c->tasks, KILN_MS(100));
	}
	assert_in_range((kiln_now(c->k) - before) / KILN_SECONDS(1), 9, 30);
	assert_int_equal(deaf.error, KILN_ERR_RESET);
	stream_close(&other);
}

static void who_does_not_read_is_reset_and_holds_up_nobody(void **state)
{
	struct play_server server = SERVER;

	play_run(&server, 1, &short_way, not_read);
}

/* ---- rates ---- */

struct seen {
	unsigned answered, truncated;
};

static struct seen flood(struct play_client *c, unsigned count, const char *name,
                         bool numbered)
{
	struct seen seen = {0};
	char text[64];

	for (unsigned i = 0; i < count; i++) {
		uint8_t query[64];
		snprintf(text, sizeof(text), numbered ? "n%u.%s" : "%.0u%s",
		         numbered ? i : 0, name);
		size_t size = play_question(query, sizeof(query), 9, text, DNS_A);
		if (!play_exchange(c, slice_of(query, size), KILN_MS(1)))
			continue;
		seen.answered++;
		seen.truncated += (play_header(c).flags & DNS_FLAG_TRUNCATED) != 0;
	}
	return seen;
}

static void repeat(struct play_client *c)
{
	struct seen seen = flood(c, 110, "www.example.com", false);

	/* Ten, and every other of the rest with TC. */
	assert_int_equal(seen.answered, 60);
	assert_int_equal(seen.truncated, 50);
	/* What is not like it goes on: another name, and by TCP. */
	assert_true(play_ask(c, "ns.example.com", DNS_A));
	assert_false(play_header(c).flags & DNS_FLAG_TRUNCATED);
	struct stream s;
	play_connect(c, &s);
	assert_true(play_ask_stream(c, &s, 1, "www.example.com", DNS_A));
	stream_close(&s);
	/* Names that are not there, and those of a wildcard, are as one. */
	assert_int_equal(flood(c, 30, "nowhere.example.com", true).truncated, 10);
	assert_int_equal(flood(c, 30, "wild.example.com", true).truncated, 10);
	/* After a while of silence all is as before: the window is 15 s. */
	task_sleep(c->tasks, KILN_SECONDS(16));
	assert_int_equal(flood(c, 10, "www.example.com", false).truncated, 0);

	struct dns_server_counters counters = play_counters(&c->servers[0]);
	assert_int_equal(counters.rate_dropped, 50 + 10 + 10);
	assert_int_equal(counters.rate_slipped, 50 + 10 + 10);
}

static void answers_that_are_alike_are_limited(void **state)
{
	struct play_server server = SERVER;

	server.rate.answers = 10;
	play_run(&server, 1, NULL, repeat);
}

/* ---- signatures ---- */

#define KEY "k.example:MTIzNA=="

static void ask_signed(struct play_client *c)
{
	struct dns_tsig_exchange x;
	struct dns_tsig_key key;
	struct dns_tsig tsig;
	uint8_t query[512];
	uint64_t now = kiln_wall(c->k) / KILN_SECONDS(1);

	assert_true(dns_tsig_key_parse(SLICE(KEY), &key));
	for (unsigned wrong = 0; wrong < 2; wrong++) {
		key.secret[0] ^= (uint8_t)wrong;
		dns_tsig_begin(&x, &key);
		size_t size =
		    play_question(query, sizeof(query), 9, "www.example.com", DNS_A);
		struct slice message = dns_tsig_sign(&x, query, size, sizeof(query), now);
		assert_true(play_exchange(c, message, KILN_SECONDS(1)));
		struct slice answer = slice_of(c->answer, c->answer_size);
		assert_true(dns_tsig_read(answer, &tsig));
		assert_int_equal(dns_tsig_check_answer(&x, answer, &tsig, now),
		                 wrong ? DNS_TSIG_BADSIG : DNS_TSIG_OK);
		assert_int_equal(play_header(c).rcode,
		                 wrong ? DNS_RCODE_NOT_AUTHORIZED : DNS_RCODE_OK);
		assert_int_equal(play_header(c).counts[DNS_ANSWERS], wrong ? 0 : 1);
	}
}

/* An answer that fits only without its signature is truncated: into what the client takes, and
 * into what the server sends at most. */
static void ask_signed_for_more(struct play_client *c, bool edns)
{
	struct dns_header header = {.id = 9};
	struct dns_question question = {.type = DNS_TXT, .class = DNS_CLASS_IN};
	struct dns_opt opt = {.udp_size = 4096};
	uint64_t now = kiln_wall(c->k) / KILN_SECONDS(1);
	struct dns_tsig_exchange x;
	struct dns_tsig_key key;
	struct dns_tsig tsig;
	struct dns_builder b;
	uint8_t query[512];

	assert_true(dns_tsig_key_parse(SLICE(KEY), &key));
	assert_true(dns_name_parse(
	    edns ? SLICE("near.example.com") : SLICE("big.example.com"), &question.name));
	dns_tsig_begin(&x, &key);
	dns_build(&b, query, sizeof(query), &header);
	assert_true(dns_build_question(&b, &question));
	assert_true(!edns || dns_build_opt(&b, &opt));
	size_t size = dns_build_done(&b).len;
	assert_true(play_exchange(c, slice_of(query, size), KILN_SECONDS(1)));
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], edns ? 14 : 0);
	struct slice message = dns_tsig_sign(&x, query, size, sizeof(query), now);
	assert_true(play_exchange(c, message, KILN_SECONDS(1)));
	assert_true(play_header(c).flags & DNS_FLAG_TRUNCATED);
	assert_true(c->answer_size <= (edns ? DNS_EDNS_SIZE : DNS_UDP_SIZE));
	struct slice answer = slice_of(c->answer, c->answer_size);
	assert_true(dns_tsig_read(answer, &tsig));
	assert_int_equal(dns_tsig_check_answer(&x, answer, &tsig, now), DNS_TSIG_OK);
}

static void ask_signed_for_all(struct play_client *c)
{
	ask_signed(c);
	ask_signed_for_more(c, false);
	ask_signed_for_more(c, true);
}

static void signed_queries_have_signed_answers(void **state)
{
	struct play_server server = SERVER;

	server.keys = "other.example:MTIzNA==,hmac-sha256:" KEY;
	play_run(&server, 1, &short_way, ask_signed_for_all);
}

/* As those without are: by the name that was asked for. */
static void flood_signed(struct play_client *c)
{
	unsigned truncated = 0;
	struct dns_tsig_exchange x;
	struct dns_tsig_key key;
	uint8_t query[512];

	assert_true(dns_tsig_key_parse(SLICE(KEY), &key));
	for (unsigned i = 0; i < 40; i++) {
		size_t size =
		    play_question(query, sizeof(query), 9,
		                  i % 2 ? "ns.example.com" : "www.example.com", DNS_A);
		dns_tsig_begin(&x, &key);
		struct slice message = dns_tsig_sign(&x, query, size, sizeof(query),
		                                     kiln_wall(c->k) / KILN_SECONDS(1));
		if (play_exchange(c, message, KILN_MS(1)))
			truncated += (play_header(c).flags & DNS_FLAG_TRUNCATED) != 0;
	}
	/* Ten of each name; of those above, every other one. */
	assert_int_equal(truncated, 10);
	assert_int_equal(play_counters(&c->servers[0]).rate_dropped, 10);
}

static void signed_answers_are_limited_by_name(void **state)
{
	struct play_server server = SERVER;

	server.keys = KEY;
	server.rate.answers = 10;
	play_run(&server, 1, NULL, flood_signed);
}

/* ---- metrics ---- */

static size_t get(struct play_client *c, const char *request)
{
	struct stream s;
	size_t at = 0, got;
	struct endpoint to = c->server;

	to.port = 9153;
	assert_int_equal(stream_connect(&s, c->tasks, c->tcp, &to), KILN_OK);
	assert_int_equal(stream_write(&s, slice_text(request)), KILN_OK);
	while (stream_read(&s, c->answer + at, sizeof(c->answer) - 1 - at, &got) ==
	           KILN_OK &&
	       got)
		at += got;
	c->answer[at] = 0;
	stream_close(&s);
	return at;
}

static void assert_shows(const struct play_client *c, const char *line)
{
	if (!strstr((const char *)c->answer, line))
		fail_msg("no '%s' in:\n%s", line, (const char *)c->answer);
}

static void look_at_metrics(struct play_client *c)
{
	for (unsigned i = 0; i < 65; i++)
		assert_true(play_ask(c, "www.example.com", DNS_A));
	assert_true(play_ask(c, "nowhere.example.com", DNS_MX));
	(void)get(c, "GET /metrics HTTP/1.1\r\nHost: server\r\n\r\n");
	assert_shows(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n");
	assert_shows(c, "\nkiln_dns_queries_total{transport=\"udp\"} 66\n");
	assert_shows(c, "\nkiln_dns_queries_by_type_total{type=\"A\"} 65\n");
	assert_shows(c, "\nkiln_dns_queries_by_type_total{type=\"MX\"} 1\n");
	assert_shows(c, "\nkiln_dns_answers_by_code_total{code=\"NXDOMAIN\"} 1\n");
	assert_shows(c, "\nkiln_dns_latency_seconds_bucket{le=\"+Inf\"} 2\n");
	assert_shows(c, "\nkiln_dns_zones 1\n");
	(void)get(c, "GET / HTTP/1.1\r\nHost: server\r\n\r\n");
	assert_shows(c, "HTTP/1.1 404 ");
	(void)get(c, "HEAD /metrics HTTP/1.1\r\nHost: server\r\n\r\n");
	assert_null(strstr((const char *)c->answer, "kiln_dns"));
}

static void metrics_are_a_page(void **state)
{
	struct play_server server = SERVER;

	server.metrics = 9153;
	play_run(&server, 1, &short_way, look_at_metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagrams_are_answered),
	    cmocka_unit_test(queries_that_come_together_are_each_answered),
	    cmocka_unit_test(a_stream_carries_what_a_datagram_cannot),
	    cmocka_unit_test(queries_may_be_sent_ahead_over_a_bad_link),
	    cmocka_unit_test(a_query_may_come_byte_by_byte),
	    cmocka_unit_test(who_ends_its_side_is_still_answered),
	    cmocka_unit_test(who_ends_its_side_gets_the_answer_whole),
	    cmocka_unit_test(a_connection_without_queries_is_closed),
	    cmocka_unit_test(what_is_no_query_ends_the_connection),
	    cmocka_unit_test(one_client_has_so_many_connections),
	    cmocka_unit_test(who_does_not_read_is_reset_and_holds_up_nobody),
	    cmocka_unit_test(answers_that_are_alike_are_limited),
	    cmocka_unit_test(signed_queries_have_signed_answers),
	    cmocka_unit_test(signed_answers_are_limited_by_name),
	    cmocka_unit_test(metrics_are_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
