/*
 * The HTTP server over a TCP that the test plays (http_play.h): what it answers, however
 * the request arrives, what it refuses, and how a dialogue ends.
 */
#include "test/unit/http_play.h"

/* ---- answering ---- */

static void a_request_is_answered(void **state)
{
	answers(GET("/hello"), HELLO);
	answers(
	    "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n" DATE
	    "\r\n");
	answers("GET /hello HTTP/1.0\r\n\r\n", HELLO_LAST);
	answers(
	    "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n" DATE
	    "Connection: keep-alive\r\n\r\nhello\n");
	answers("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	        "HTTP/1.1 204 No Content\r\n" DATE "\r\n");
	answers("GET /header?abc HTTP/1.1\r\nHost: a\r\n\r\n",
	        "HTTP/1.1 204 No Content\r\nX-Seen: abc\r\n" DATE "\r\n");
	answers("GET /header HTTP/1.1\r\nHost: a\r\nX-GIVEN:  b \r\n\r\n",
	        "HTTP/1.1 204 No Content\r\nX-Seen: b\r\n" DATE "\r\n");
	answers(GET("/peer"), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" DATE "\r\n1234");
	answers("\r\n\r\n" GET("/hello"), HELLO);
}

#define CHUNKED_POST \
	"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char *const dialogues[] = {
    GET("/hello"),
    GET("/a/../hello") GET("/%68ello"),
    "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde" GET("/hello"),
    "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n" GET("/hello"),
    "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nunreadbody" GET(
        "/hello"),
    "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789" GET(
        "/chunks"),
    GET("/known") GET("/static") GET("/chunks"),
    "\r\n" GET("/hello") "\r\n" GET("/missing"),
    "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/hello"),
    GET("/hello") "GET /hello HTTP/1.1\r\n\r\n" GET("/hello"),
    GET("/hello") "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
    CHUNKED_POST "3\r\nabcX\r\n0\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\n\n",
};

static void a_request_cut_in_two_anywhere_gets_the_same_answer(void **state)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(dialogues); i++) {
		struct slice request = slice_text(dialogues[i]);
		struct tcp_conn *c = fake_accept();
		uint8_t text[4096];
		struct writer whole = writer_of(text, sizeof(text));

		fake_feed(c, request);
		writer_bytes(&whole, fake_output(c));
		assert_false(whole.failed);
		assert_true(writer_done(&whole).len > 0);
		finish(c);
		for (size_t cut = 1; cut < request.len; cut++) {
			c = fake_accept();
			fake_feed(c, slice_take(request, cut));
			fake_feed(c, slice_skip(request, cut));
			if (!slice_equal(fake_output(c), writer_done(&whole)))
				fail_msg("cut at %zu: %s", cut, dialogues[i]);
			finish(c);
		}
	}
}

static void a_request_that_comes_byte_by_byte_gets_the_same_answer(void **state)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(dialogues); i++) {
		struct slice request = slice_text(dialogues[i]);
		struct tcp_conn *c = fake_accept();
		uint8_t text[4096];
		struct writer whole = writer_of(text, sizeof(text));

		fake_feed(c, request);
		writer_bytes(&whole, fake_output(c));
		finish(c);
		c = fake_accept();
		for (size_t at = 0; at < request.len; at++)
			fake_feed(c, slice_take(slice_skip(request, at), 1));
		if (!slice_equal(fake_output(c), writer_done(&whole)))
			fail_msg("%s", dialogues[i]);
		finish(c);
		/* and as TCP joins them */
		c = fake_accept();
		c->joins = true;
		for (size_t at = 0; at < request.len; at++)
			fake_feed(c, slice_take(slice_skip(request, at), 1));
		if (!slice_equal(fake_output(c), writer_done(&whole)))
			fail_msg("joined: %s", dialogues[i]);
		finish(c);
		/* and with all pieces there at once */
		c = fake_accept();
		for (size_t at = 0; at < request.len; at++)
			fake_put(c, slice_take(slice_skip(request, at), 1));
		fake_ready(c);
		if (!slice_equal(fake_output(c), writer_done(&whole)))
			fail_msg("in pieces: %s", dialogues[i]);
		finish(c);
	}
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct tcp_conn *c = fake_accept();
	uint8_t text[8192], want[16384];
	struct writer in = writer_of(text, sizeof(text)),
	              out = writer_of(want, sizeof(want));

	for (unsigned i = 0; i < 100; i++) {
		writer_format(&in, "GET /header?%u HTTP/1.1\r\nHost: a\r\n\r\n", i);
		writer_format(&out,
		              "HTTP/1.1 204 No Content\r\nX-Seen: %u\r\n" DATE "\r\n", i);
	}
	assert_false(in.failed || out.failed);
	fake_feed(c, writer_done(&in));
	writer_u8(&out, 0);
	assert_output(c, (const char *)want);
	finish(c);
}

static void a_request_behind_a_pending_one_waits(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, slice_text(GET("/later") GET("/hello")));
	assert_output(c, "");
	assert_non_null(seen.later);
	http_respond(seen.later, 200, NULL, SLICE("x"));
	fake_ready(c);
	assert_output(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" DATE "\r\nx" HELLO);
	assert_int_equal(seen.done, 1);
	assert_int_equal(seen.why, KILN_OK);
	finish(c);
}

/* ---- refusing ---- */

static void what_could_hide_a_second_request_ends_the_connection(void **state)
{
	static const char *const attacks[] = {
	    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
	    "Content-Length: 4\r\nContent-Length: 40\r\n\r\n",
	    "Transfer-Encoding : chunked\r\n\r\n",
	    "Transfer-Encoding: xchunked\r\n\r\n",
	    "Transfer-Encoding:\r\n chunked\r\n\r\n",
	    "X: y\r\n Transfer-Encoding: chunked\r\n\r\n",
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
	    "X: y\nContent-Length: 4\r\n\r\n",
	    "Content-Length: +4\r\n\r\n",
	    "Transfer-Encoding: chunked\r\n\r\n4\nabcd\r\n0\r\n\r\n",
	    "Transfer-Encoding: chunked\r\n\r\n10000000000000004\r\nabcd\r\n0\r\n\r\n",
	    "Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n",
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(attacks); i++) {
		struct tcp_conn *c = fake_accept();
		struct slice out;

		fake_feed(c, SLICE("POST /collect HTTP/1.1\r\nHost: a\r\n"));
		fake_feed(c, slice_text(attacks[i]));
		fake_feed(c, SLICE("abcd" GET("/hello")));
		out = fake_output(c);
		if (status_in(out) != 400 || contains(out, "hello") ||
		    !contains(out, "Connection: close\r\n"))
			fail_msg("%s: %.*s", attacks[i], SLICE_ARG(out));
		assert_true(c->shut);
		finish(c);
	}
}

/* RFC 9110 9.3.2: no content, whatever the status. */
static void what_is_refused_of_head_has_no_body(void **state)
{
	static const char *const refused[] = {
	    "HEAD /hello HTTP/1.1\r\n\r\n",
	    "HEAD /hello HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
	    "HEAD /hello HTTP/1.1\r\nHost : a\r\n\r\n",
	    "HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(refused); i++) {
		struct tcp_conn *c = fake_accept();
		struct slice out;

		fake_feed(c, slice_text(refused[i]));
		out = fake_output(c);
		assert_in_range(status_in(out), 400, 417);
		assert_true(contains(out, "Content-Length: "));
		assert_memory_equal(out.data + out.len - 4, "\r\n\r\n", 4);
		finish(c);
	}
}

/* Where there is no method, what an earlier request had does not count. */
static void a_lone_cr_behind_head_is_refused_with_a_body(void **state)
{
	answers("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n\rx\r\n",
	        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	        "Content-Length: 6\r\n" DATE "\r\n"
	        "HTTP/1.1 400 Bad Request\r\n"
	        "Content-Type: text/plain; charset=utf-8\r\n"
	        "Content-Length: 16\r\n" DATE "Connection: close\r\n\r\n"
	        "400 Bad Request\n");
}

static void limits_are_answered_by_their_status(void **state)
{
	size_t size = 4 * HTTP_HEAD_MAX;
	char *text = malloc(size);

	snprintf(text, size, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_TARGET_MAX, 0);
	assert_int_equal(status_for(text), 414);
	snprintf(text, size, "GET / HTTP/1.1\r\nHost: a\r\nA: %0*d\r\n\r\n",
	         HTTP_HEAD_MAX, 0);
	assert_int_equal(status_for(text), 431);
	free(text);
	assert_int_equal(status_for("POST /upload HTTP/1.1\r\nHost: a\r\n"
	                            "Content-Length: 67108865\r\n\r\n"),
	                 413);
	assert_int_equal(status_for("POST /collect HTTP/1.1\r\nHost: a\r\n"
	                            "Content-Length: 8193\r\n\r\n"),
	                 413);
	assert_int_equal(status_for("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
	assert_int_equal(status_for("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), 505);
	assert_int_equal(status_for("GET /..%2f HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(status_for(GET("/nothing")), 500);
	assert_int_equal(status_for(GET("/inject")), 500);
	assert_int_equal(status_for(GET("/big")), 500);
}

static void a_head_in_many_pieces_meets_its_limit_too(void **state)
{
	struct tcp_conn *c = fake_accept();
	uint8_t line[100];

	memset(line, 'x', sizeof(line));
	fake_feed(c, SLICE("GET / HTTP/1.1\r\nHost: a\r\nA: "));
	for (unsigned i = 0; i < 100; i++)
		fake_feed(c, slice_of(line, sizeof(line)));
	assert_int_equal(status_in(fake_output(c)), 431);
	finish(c);
}

static void chunks_beyond_the_limit_are_refused(void **state)
{
	struct tcp_conn *c = fake_accept();
	static uint8_t block[0x1000 + 2];

	memset(block, 'x', sizeof(block));
	block[0x1000] = '\r';
	block[0x1001] = '\n';
	fake_feed(c, SLICE("POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
	                   "chunked\r\n\r\n"));
	for (unsigned i = 0; i < 4; i++) {
		fake_feed(c, SLICE("1000\r\n"));
		fake_feed(c, slice_of(block, sizeof(block)));
	}
	assert_int_equal(status_in(fake_output(c)), 413);
	finish(c);
}

/* ---- expectations ---- */

static void a_client_that_waits_for_100_gets_it_when_the_body_is_wanted(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, SLICE("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	                   "Expect: 100-continue\r\n\r\n"));
	assert_output(c, "HTTP/1.1 100 Continue\r\n\r\n");
	fake_feed(c, SLICE("ab"));
	assert_output(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" DATE "\r\nab");
	assert_false(c->shut);
	finish(c);
}

static void a_client_that_waits_for_100_is_told_at_once_when_it_is_not(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, SLICE("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	                   "Expect: 100-continue\r\n\r\n"));
	assert_output(c, HELLO_LAST);
	assert_true(c->shut);
	finish(c);
	assert_int_equal(
	    status_for("POST /hello HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"), 417);
}

/* ---- forms ---- */

static void a_form_value_is_decoded(void **state)
{
#define FORM(length, body) \
	"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n" body
	answers(FORM("25", "a=b&n%61me=%3Cx%3e+y&b=c?"),
	        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" DATE "\r\n<x> y");
	answers(FORM("5", "name="),
	        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" DATE "\r\n");
	assert_int_equal(status_for(FORM("9", "name=%4z1")), 422);
	assert_int_equal(status_for(FORM("9", "name=%z41")), 422);
	assert_int_equal(status_for(FORM("6", "name=%")), 422);
	assert_int_equal(status_for(FORM("7", "named=b")), 422);
	assert_int_equal(status_for(FORM("38", "name=012345678901234567890123456789012")),
	                 422);
	assert_int_equal(status_for(FORM("0", "")), 422);
}

static void html_is_escaped(void **state)
{
	uint8_t text[64];
	struct writer w = writer_of(text, sizeof(text));

	http_escape_html(&w, SLICE("<a href=\"x\">'&'"));
	assert_true(slice_equal(writer_done(&w),
	                        SLICE("&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;")));
}

/* ---- ends ---- */

static void the_peer_is_told_before_its_unread_body_is_dropped(void **state)
{
	struct tcp_conn *c = fake_accept();
	static uint8_t part[4096];

	fake_feed(
	    c,
	    SLICE("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"));
	assert_output(c, HELLO_LAST);
	assert_true(c->shut);
	for (unsigned i = 0; i < 20; i++) {
		fake_feed(c, slice_of(part, sizeof(part)));
		assert_int_equal(tcp_unread(c), 0);
		assert_false(c->closed);
	}
	fake_end(c);
	assert_true(c->closed);
	finish(c);
}

static void a_peer_that_goes_away_is_noted(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, slice_text(GET("/later")));
	fake_reset(c);
	assert_int_equal(seen.done, 1);
	assert_int_equal(seen.why, KILN_ERR_RESET);
	assert_int_equal(counted().broken, 1);
	finish(c);
	c = fake_accept();
	fake_feed(
	    c,
	    SLICE("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"));
	fake_end(c);
	assert_int_equal(seen.done, 2);
	assert_int_equal(seen.why, KILN_ERR_CLOSED);
	finish(c);
	c = fake_accept();
	fake_feed(c, SLICE("GET / HT"));
	fake_end(c);
	assert_true(c->closed);
	finish(c);
}

static void a_half_closed_peer_still_gets_its_answer(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, slice_text(GET("/later")));
	fake_end(c);
	assert_false(c->closed);
	http_respond(seen.later, 200, NULL, SLICE("x"));
	fake_ready(c);
	assert_output(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" DATE "\r\nx");
	assert_true(c->closed);
	finish(c);
}

static void a_handler_can_cut_the_connection_off(void **state)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, slice_text(GET("/later")));
	http_abort(seen.later);
	assert_int_equal(seen.done, 0);
	fake_ready(c);
	assert_int_equal(seen.done, 1);
	assert_true(c->aborted);
	finish(c);
}

static void stopping_lets_what_is_being_answered_end(void **state)
{
	struct tcp_conn *idle = fake_accept(), *busy = fake_accept();

	fake_feed(idle, slice_text(GET("/hello")));
	idle->unsent = 0;
	fake_feed(busy, slice_text(GET("/later")));
	assert_int_equal(http_run(http), 0);
	assert_true(idle->closed);
	assert_false(busy->closed);
	http_respond(seen.later, 200, NULL, SLICE("x"));
	fake_ready(busy);
	assert_output(busy, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" DATE
	                    "Connection: close\r\n\r\nx");
	assert_null(fake_accept());
	fake_free(idle);
	finish(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_request_is_answered),
	    TEST(a_request_cut_in_two_anywhere_gets_the_same_answer),
	    TEST(a_request_that_comes_byte_by_byte_gets_the_same_answer),
	    TEST(pipelined_requests_are_answered_in_order),
	    TEST(a_request_behind_a_pending_one_waits),
	    TEST(what_could_hide_a_second_request_ends_the_connection),
	    TEST(what_is_refused_of_head_has_no_body),
	    TEST(a_lone_cr_behind_head_is_refused_with_a_body),
	    TEST(limits_are_answered_by_their_status),
	    TEST(a_head_in_many_pieces_meets_its_limit_too),
	    TEST(chunks_beyond_the_limit_are_refused),
	    TEST(a_client_that_waits_for_100_gets_it_when_the_body_is_wanted),
	    TEST(a_client_that_waits_for_100_is_told_at_once_when_it_is_not),
	    TEST(a_form_value_is_decoded),
	    TEST(html_is_escaped),
	    TEST(the_peer_is_told_before_its_unread_body_is_dropped),
	    TEST(a_peer_that_goes_away_is_noted),
	    TEST(a_half_closed_peer_still_gets_its_answer),
	    TEST(a_handler_can_cut_the_connection_off),
	    TEST(stopping_lets_what_is_being_answered_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
