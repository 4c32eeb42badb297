/*
 * The HTTP server (http_play.h) against peers that are slow or many: bodies streamed both
 * ways as fast as the other side takes them, its clocks, and its bounds on memory.
 */
#include "test/unit/http_play.h"

/* ---- streaming ---- */

#define DIGITS "0123456789012345678901234"

static void a_streamed_body_is_framed_by_what_the_client_knows(void **state)
{
	struct tcp_conn *c;

	/* the handler writes up to ten digits at a time, five of them first */
	answers(GET("/chunks"),
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" DATE "\r\n"
	        "5\r\n56789\r\na\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n");
	answers(GET("/known"), "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n" DATE "\r\n"
	                       "5678901234567890123456789");
	answers(GET("/static"),
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" DATE "\r\n"
	        "8\r\nimmortal\r\n0\r\n\r\n");
	answers("GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	        "HTTP/1.1 200 OK\r\n" DATE
	        "Connection: close\r\n\r\n5678901234567890123456789");
	answers("HEAD /chunks HTTP/1.1\r\nHost: a\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" DATE "\r\n");
	/* A body that is too short must not look whole. */
	c = fake_accept();
	fake_feed(c, slice_text(GET("/short")));
	assert_true(c->aborted);
	assert_int_equal(counted().broken, 1);
	finish(c);
}

/* Removes the chunked framing of a response's body; fails the test if it is malformed. */
static struct slice unchunk(struct slice response, uint8_t *out)
{
	const uint8_t *body = memmem(response.data, response.len, "\r\n\r\n", 4);
	struct slice in = slice_skip(response, (size_t)(body - response.data) + 4);
	size_t len = 0;

	for (;;) {
		char *end;
		size_t size = strtoul((const char *)in.data, &end, 16);

		in = slice_skip(in, (size_t)(end - (const char *)in.data) + 2);
		if (!size)
			break;
		assert_true(in.len > size);
		memcpy(out + len, in.data, size);
		len += size;
		in = slice_skip(in, size);
		assert_true(slice_starts_with(in, SLICE("\r\n")));
		in = slice_skip(in, 2);
	}
	assert_true(slice_equal(in, SLICE("\r\n")));
	return slice_of(out, len);
}

static void a_streamed_body_goes_as_fast_as_the_peer_reads(void **state)
{
	struct tcp_conn *c = fake_accept();
	static uint8_t body[100000];
	unsigned turns = 0;
	struct slice got;

	c->room = 2000;
	fake_feed(c, slice_text(GET("/much")));
	while (!seen.done) {
		size_t before = c->output_len;
		fake_drain(c, 50 + turns % 1000);
		assert_true(c->output_len > before);
		assert_true(++turns < 10000);
	}
	got = unchunk(fake_output(c), body);
	assert_int_equal(got.len, 100000);
	for (size_t i = 0; i < got.len; i++)
		assert_int_equal(got.data[i], '0' + i % 10);
	assert_int_equal(seen.why, KILN_OK);
	fake_drain(c, FAKE_OUTPUT);
	finish(c);
}

static void an_upload_is_held_back_until_it_is_wanted(void **state)
{
	struct tcp_conn *c = fake_accept();

	seen.appetite = 3;
	fake_feed(
	    c,
	    SLICE("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"));
	fake_feed(c, SLICE("56789"));
	assert_int_equal(seen.received, 3);
	assert_int_equal(tcp_unread(c), 7);
	fake_pass(KILN_SECONDS(60)); /* that is not the peer's fault */
	assert_output(c, "");
	seen.appetite = 6;
	http_resume(seen.later);
	fake_ready(c);
	assert_int_equal(seen.received, 9);
	seen.appetite = 6;
	http_resume(seen.later);
	fake_ready(c);
	assert_output(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" DATE "\r\n10");
	finish(c);
}

static void a_body_is_echoed_while_it_arrives(void **state)
{
	struct tcp_conn *c = fake_accept();
	static uint8_t sent[50000], body[50000];
	struct slice got;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	fake_feed(
	    c, SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n"));
	while (!seen.done) {
		if (at < sizeof(sent) && tcp_unread(c) < 4000) {
			struct slice piece =
			    slice_take(slice_of(sent + at, sizeof(sent) - at), 1460);
			fake_put(c, piece);
			at += piece.len;
			if (c->first > FAKE_PIECES / 2) { /* the fake's own table */
				memmove(c->pieces, c->pieces + c->first,
				        (c->last - c->first) * sizeof(c->pieces[0]));
				c->last -= c->first;
				c->first = 0;
			}
		}
		fake_drain(c, 700);
	}
	got = unchunk(fake_output(c), body);
	assert_int_equal(got.len, sizeof(sent));
	assert_memory_equal(got.data, sent, sizeof(sent));
	assert_false(c->shut);
	finish(c);
}

/* A response that has begun cannot be taken back: the connection is cut off, and is gone
 * with all it held, wherever in a piece the malformed byte stands. */
static void a_malformed_body_cuts_off_a_response_that_has_begun(void **state)
{
	static const char *const bodies[] = {"x", "5\r\nhellox", "5\r\nhello\r\nx",
	                                     "1;\x01"};

	for (size_t i = 0; i < KILN_COUNT_OF(bodies); i++) {
		for (unsigned apart = 0; apart < 2; apart++) {
			struct tcp_conn *c = fake_accept();
			struct slice body = slice_text(bodies[i]);
			size_t first = apart ? body.len - 1 : body.len;

			fake_feed(c, SLICE("POST /echo HTTP/1.1\r\nHost: a\r\n"
			                   "Transfer-Encoding: chunked\r\n\r\n"));
			if (first)
				fake_feed(c, slice_take(body, first));
			if (apart)
				fake_feed(c, slice_skip(body, first));
			assert_true(c->aborted);
			assert_int_equal(seen.why, KILN_ERR_PROTOCOL);
			finish(c);
		}
	}
}

static void a_response_that_tcp_has_no_room_for_arrives_all_the_same(void **state)
{
	struct tcp_conn *c = fake_accept();
	unsigned turns = 0;

	/* room for the head, then a byte at a time */
	c->room = 1024;
	fake_feed(c, slice_text(GET("/static")));
	fake_output(c);
	c->room = 1024;
	c->refuse_static = true;
	fake_feed(c, slice_text(GET("/static") GET("/hello")));
	assert_output(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" DATE
	                 "\r\n8\r\n");
	c->refuse_static = false;
	c->room = 0;
	fake_ready(c);
	assert_output(c, "immortal");
	while (c->output_len < 7 && turns++ < 100)
		fake_drain(c, 1);
	assert_output(c, "\r\n0\r\n\r\n");
	fake_drain(c, 2000);
	assert_output(c, HELLO);
	finish(c);
}

static void no_request_is_begun_while_the_last_response_is_stuck(void **state)
{
	struct tcp_conn *c = fake_accept();

	c->room = 1100;
	fake_feed(c, slice_text(GET("/hello") GET("/hello") GET("/hello")));
	assert_output(c, HELLO);
	c->room = 10;
	fake_ready(c);
	assert_output(c, "");
	fake_drain(c, 100000);
	assert_output(c, HELLO HELLO);
	finish(c);
}

/* ---- time ---- */

static void an_idle_connection_is_closed_without_a_word(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_pass(KILN_SECONDS(29));
	assert_false(c->closed);
	fake_feed(c, slice_text(GET("/hello")));
	assert_output(c, HELLO);
	c->unsent = 0;
	fake_pass(KILN_SECONDS(29));
	assert_false(c->closed);
	fake_pass(KILN_SECONDS(2));
	assert_true(c->closed);
	assert_output(c, "");
	assert_int_equal(counted().timeouts, 0);
	finish(c);
}

static void a_slow_head_is_answered_408(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_pass(KILN_SECONDS(20));
	fake_feed(c, SLICE("GET / HTTP/1.1\r\n"));
	for (unsigned i = 0; i < 9; i++) {
		fake_pass(KILN_SECONDS(1));
		fake_feed(c, SLICE("A: b\r\n"));
	}
	assert_output(c, "");
	fake_pass(KILN_SECONDS(2));
	assert_int_equal(status_in(fake_output(c)), 408);
	assert_true(c->shut);
	assert_int_equal(counted().timeouts, 1);
	c->unsent = 0;
	fake_pass(KILN_SECONDS(3)); /* the peer does not close */
	assert_true(c->closed);
	finish(c);
}

static void a_slow_body_is_answered_408(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(
	    c,
	    SLICE("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"));
	for (unsigned i = 0; i < 30; i++) {
		fake_pass(KILN_SECONDS(1));
		fake_feed(c, SLICE("x"));
	}
	assert_int_equal(status_in(fake_output(c)), 408);
	finish(c);
}

static void a_body_that_advances_may_take_its_time(void **state)
{
	struct tcp_conn *c = fake_accept();
	static uint8_t part[300];

	fake_feed(
	    c,
	    SLICE("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n"));
	for (unsigned i = 0; i < 100; i++) {
		fake_pass(KILN_SECONDS(1));
		fake_feed(c, slice_of(part, sizeof(part)));
	}
	assert_output(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" DATE "\r\n30000");
	finish(c);
}

static void a_reader_that_stops_is_cut_off(void **state)
{
	struct tcp_conn *c = fake_accept();

	c->room = 5000;
	fake_feed(c, slice_text(GET("/much")));
	for (unsigned i = 0; i < 40 && !c->aborted; i++) {
		fake_pass(KILN_SECONDS(1));
		if (!c->aborted) { /* it reads ten bytes a second */
			c->unsent -= 10;
			c->room += 10;
			fake_ready(c);
		}
	}
	assert_true(c->aborted);
	assert_int_equal(seen.why, KILN_ERR_TIMEOUT);
	assert_int_equal(counted().timeouts, 1);
	finish(c);
}

static void a_reader_that_stops_behind_the_last_byte_is_cut_off_too(void **state)
{
	struct tcp_conn *c;

	serve(http_files, &site, NULL);
	c = fake_accept();
	fake_feed(c, slice_text(GET("/a.css"))); /* all of it handed to TCP, none read */
	fake_pass(KILN_SECONDS(60));
	assert_true(c->aborted);
	finish(c);
}

static void a_client_that_asks_on_without_reading_is_cut_off_soon(void **state)
{
	struct tcp_conn *c = fake_accept();

	c->room = 1100;
	fake_feed(c, slice_text(GET("/hello") GET("/hello")));
	assert_output(c, HELLO);
	for (unsigned i = 0; i < 9; i++) {
		fake_pass(KILN_SECONDS(1));
		fake_feed(c, slice_text(GET("/hello")));
	}
	assert_false(c->aborted);
	fake_pass(KILN_SECONDS(2));
	assert_true(c->aborted);
	assert_int_equal(counted().timeouts, 1);
	finish(c);
}

static void a_client_that_asks_on_and_reads_again_is_kept(void **state)
{
	struct tcp_conn *c = fake_accept();

	c->room = 1100;
	fake_feed(c, slice_text(GET("/hello") GET("/hello")));
	fake_pass(KILN_SECONDS(9));
	fake_drain(c, 100000);
	assert_output(c, HELLO HELLO);
	c->unsent = 0;
	fake_pass(KILN_SECONDS(25));
	fake_feed(c, slice_text(GET("/hello")));
	assert_output(c, HELLO);
	finish(c);
}

/* ---- memory ---- */

static void the_newest_connection_is_refused_when_all_are_in_use(void **state)
{
	struct http_limits limits = {.conns = 3};
	struct tcp_conn *c[3];

	serve(handle, NULL, &limits);
	for (unsigned i = 0; i < 3; i++)
		c[i] = fake_accept();
	assert_null(fake_accept());
	assert_int_equal(counted().refused, 1);
	fake_feed(c[0], slice_text(GET("/hello")));
	assert_output(c[0], HELLO);
	fake_end(c[0]);
	fake_free(c[0]);
	c[0] = fake_accept();
	assert_non_null(c[0]);
	for (unsigned i = 0; i < 3; i++) {
		fake_end(c[i]);
		fake_free(c[i]);
	}
	assert_int_equal(counted().open, 0);
	assert_int_equal(counted().open_most, 3);
}

static void without_a_buffer_the_newest_request_is_refused(void **state)
{
	struct tcp_conn *c[64], *late;
	unsigned held = 0;

	/* Each holds a buffer: a body that never gets complete. */
	http = http_new(fake_start(1 << 20), NULL);
	assert_int_equal(http_listen(http, 80, handle, NULL), KILN_OK);
	do {
		c[held] = fake_accept();
		fake_feed(c[held], SLICE("POST /collect HTTP/1.1\r\nHost: a\r\n"
		                         "Content-Length: 2\r\n\r\na"));
	} while (c[held++]->output_len == 0 && held < 64);
	assert_in_range(held, 4, 63);
	assert_int_equal(status_in(fake_output(c[held - 1])), 503);
	assert_int_equal(counted().no_memory, 1);
	/* Heads in one piece need none; the old ones go on, and then there is room again.
	 */
	late = fake_accept();
	fake_feed(late, slice_text(GET("/hello")));
	assert_output(late, HELLO);
	fake_feed(c[0], SLICE("b"));
	assert_int_equal(status_in(fake_output(c[0])), 200);
	fake_feed(
	    late,
	    SLICE("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"));
	assert_int_equal(status_in(fake_output(late)), 200);
	fake_end(late);
	fake_free(late);
	for (unsigned i = 0; i < held; i++) {
		fake_end(c[i]);
		fake_free(c[i]);
	}
	assert_int_equal(counted().open, 0);
}

/* Peers that send a byte now and then must not take away what others need. */
static void a_slow_head_takes_no_buffer_until_it_is_long(void **state)
{
	enum { SLOW = 64, LONG = 3000 };
	struct tcp_conn *slow[SLOW], *late;
	uint8_t line[LONG];

	http = http_new(fake_start(1 << 20), NULL);
	assert_int_equal(http_listen(http, 80, handle, NULL), KILN_OK);
	for (unsigned i = 0; i < SLOW; i++) {
		slow[i] = fake_accept();
		slow[i]->joins = true;
		for (unsigned at = 0; at < 16; at++)
			fake_feed(slow[i], slice_of("GET /hello HTTP/" + at, 1));
		assert_output(slow[i], "");
	}
	late = fake_accept();
	late->joins = true;
	memset(line, 'x', sizeof(line));
	fake_feed(late, SLICE("GET /hello HTTP/1.1\r\nHost: a\r\nA: "));
	for (unsigned at = 0; at < LONG; at += 300)
		fake_feed(late, slice_of(line, 300));
	fake_feed(late, SLICE("\r\n\r\n" GET("/hello")));
	assert_output(late, HELLO HELLO);
	fake_feed(slow[0], SLICE("1.1\r\nHost: a\r\n\r\n"));
	assert_output(slow[0], HELLO);
	/* One that ends there is not waited for any longer. */
	fake_end(slow[1]);
	assert_true(slow[1]->closed);
	assert_int_equal(counted().no_memory, 0);
	fake_free(slow[1]);
	slow[1] = late;
	for (unsigned i = 0; i < SLOW; i++) {
		fake_end(slow[i]);
		fake_free(slow[i]);
	}
	assert_int_equal(counted().open, 0);
}

static void an_idle_connection_is_small(void **state)
{
	assert_in_range(counted().conn_bytes, 1, 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_streamed_body_is_framed_by_what_the_client_knows),
	    TEST(a_streamed_body_goes_as_fast_as_the_peer_reads),
	    TEST(an_upload_is_held_back_until_it_is_wanted),
	    TEST(a_body_is_echoed_while_it_arrives),
	    TEST(a_malformed_body_cuts_off_a_response_that_has_begun),
	    TEST(a_response_that_tcp_has_no_room_for_arrives_all_the_same),
	    TEST(no_request_is_begun_while_the_last_response_is_stuck),
	    TEST(an_idle_connection_is_closed_without_a_word),
	    TEST(a_slow_head_is_answered_408),
	    TEST(a_slow_body_is_answered_408),
	    TEST(a_body_that_advances_may_take_its_time),
	    TEST(a_reader_that_stops_is_cut_off),
	    TEST(a_reader_that_stops_behind_the_last_byte_is_cut_off_too),
	    TEST(a_client_that_asks_on_without_reading_is_cut_off_soon),
	    TEST(a_client_that_asks_on_and_reads_again_is_kept),
	    TEST(the_newest_connection_is_refused_when_all_are_in_use),
	    TEST(without_a_buffer_the_newest_request_is_refused),
	    TEST(a_slow_head_takes_no_buffer_until_it_is_long),
	    TEST(an_idle_connection_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
