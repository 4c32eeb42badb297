/*
 * The HTTP server over a TCP that the test plays (fake_tcp.h): what it answers, however
 * the request arrives and however slowly the answer is read; limits, clocks, refusals.
 */
#include "test/unit/fake_tcp.h"
#include <kiln/embed.h>
#include <kiln/http.h>

static struct http *http;

#define DATE      "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

#define HELLO                                                                       \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n" DATE \
	"\r\nhello\n"
#define HELLO_LAST                                                                  \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n" DATE \
	"Connection: close\r\n\r\nhello\n"

/* ---- a handler with a path for every way to answer ---- */

static struct {
	struct http_exchange *later;
	unsigned done;
	enum kiln_error why;
	uint64_t received;
	size_t appetite;
} seen;

static void note_done(struct http_exchange *x, void *user, enum kiln_error why)
{
	seen.done++;
	seen.why = why;
	seen.later = NULL;
}

static void respond_collected(struct http_exchange *x, struct slice body, void *user)
{
	http_respond(x, 200, NULL, body);
}

static void respond_value(struct http_exchange *x, struct slice body, void *user)
{
	uint8_t text[32];
	struct writer w = writer_of(text, sizeof(text));

	if (http_form_value(body, "name", &w))
		http_respond(x, 200, NULL, writer_done(&w));
	else
		http_error(x, 422);
}

static size_t take_body(struct http_exchange *x, struct slice piece, void *user)
{
	size_t n = KILN_MIN(piece.len, seen.appetite);

	seen.received += n;
	seen.appetite -= n;
	seen.later = x;
	return n;
}

static void respond_count(struct http_exchange *x, void *user)
{
	uint8_t text[32];
	struct writer w = writer_of(text, sizeof(text));

	writer_format(&w, "%u", (unsigned)seen.received);
	seen.received = 0;
	http_respond(x, 200, NULL, writer_done(&w));
}

/* "0123456789" over and over, scratch[0] bytes to go. */
static void write_digits(struct http_exchange *x, void *user)
{
	while (x->scratch[0]) {
		struct slice digits =
		    slice_skip(SLICE("0123456789"), (10 - x->scratch[0] % 10) % 10);
		size_t n = http_write(x, slice_take(digits, x->scratch[0]));
		if (!n)
			return;
		x->scratch[0] -= n;
	}
	http_end(x);
}

static size_t echo_piece(struct http_exchange *x, struct slice piece, void *user)
{
	return http_write(x, piece);
}

static void resume_echo(struct http_exchange *x, void *user)
{
	http_resume(x);
}

static void end_echo(struct http_exchange *x, void *user)
{
	http_end(x);
}

static const struct http_events upload_events = {
    .body = take_body, .body_end = respond_count, .done = note_done};
static const struct http_events digits_events = {.writable = write_digits,
                                                 .done = note_done};
static const struct http_events later_events = {.done = note_done};
static const struct http_events echo_events = {
    .body = echo_piece, .body_end = end_echo, .writable = resume_echo, .done = note_done};

static bool is(const struct http_exchange *x, const char *path)
{
	return slice_equal(x->path, slice_text(path));
}

static void stream_digits(struct http_exchange *x, uint64_t count, uint64_t length)
{
	x->scratch[0] = count;
	http_on(x, &digits_events, NULL);
	http_start(x, 200, NULL, length);
}

static void handle(struct http_exchange *x, const void *context)
{
	struct slice value;

	if (is(x, "/hello")) {
		http_respond(x, 200, "text/plain", SLICE("hello\n"));
	} else if (is(x, "/collect")) {
		http_collect(x, respond_collected, NULL);
	} else if (is(x, "/form")) {
		http_collect(x, respond_value, NULL);
	} else if (is(x, "/upload")) {
		http_on(x, &upload_events, NULL);
	} else if (is(x, "/chunks")) {
		stream_digits(x, 25, HTTP_UNKNOWN);
	} else if (is(x, "/known")) {
		stream_digits(x, 25, 25);
	} else if (is(x, "/much")) {
		stream_digits(x, 100000, HTTP_UNKNOWN);
	} else if (is(x, "/short")) {
		stream_digits(x, 5, 25);
	} else if (is(x, "/static")) {
		http_on(x, &later_events, NULL);
		http_start(x, 200, NULL, HTTP_UNKNOWN);
		assert_true(http_write_static(x, SLICE("immortal")));
		http_end(x);
	} else if (is(x, "/echo")) {
		http_on(x, &echo_events, NULL);
		http_start(x, 200, NULL, HTTP_UNKNOWN);
	} else if (is(x, "/later")) {
		seen.later = x;
		http_on(x, &later_events, NULL);
	} else if (is(x, "/header")) {
		http_add_header(x, "X-Seen",
		                http_header(x, "x-given", &value) ? value : x->query);
		http_respond(x, 204, NULL, SLICE(""));
	} else if (is(x, "/inject")) {
		http_add_header(x, "X-Seen", SLICE("a\r\nSet-Cookie: b"));
		http_respond(x, 200, NULL, SLICE("x"));
	} else if (is(x, "/big")) {
		static uint8_t big[HTTP_RESPOND_MAX + 1];
		http_respond(x, 200, NULL, slice_of(big, sizeof(big)));
	} else if (!is(x, "/nothing")) {
		http_error(x, 404);
	}
}

/* ---- the site ---- */

static const struct embed_file files[] = {
    {{(const uint8_t *)"404.html", 8}, {(const uint8_t *)"missing", 7}, 784111777, {4}},
    {{(const uint8_t *)"a.css", 5},
     {(const uint8_t *)"0123456789", 10},
     784111777,
     {0xab}},
    {{(const uint8_t *)"dir/index.html", 14},
     {(const uint8_t *)"in dir", 6},
     784111777,
     {2}},
    {{(const uint8_t *)"empty.bin", 9}, {(const uint8_t *)"", 0}, 784111777, {3}},
    {{(const uint8_t *)"index.html", 10}, {(const uint8_t *)"front", 5}, 784111777, {1}},
    {{(const uint8_t *)"late.css", 8}, {(const uint8_t *)"x", 1}, 784111778, {0xab}},
};
static const struct embed site = {files, KILN_COUNT_OF(files)};

#define CSS_TAG   "\"ab000000000000000000000000000000\""
#define CSS_FACTS "ETag: " CSS_TAG "\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define CSS                                                                            \
	"HTTP/1.1 200 OK\r\nContent-Type: text/css; charset=utf-8\r\nContent-Length: " \
	"10\r\n" CSS_FACTS "Accept-Ranges: bytes\r\n" DATE "\r\n"

/* ---- helpers ---- */

static void serve(http_handler *handler, const void *context,
                  const struct http_limits *limits)
{
	memset(&seen, 0, sizeof(seen));
	seen.appetite = SIZE_MAX;
	http = http_new(fake_start(sizeof(fake_memory)), limits);
	assert_int_equal(http_listen(http, 80, handler, context), KILN_OK);
}

static int set_up(void **state)
{
	serve(handle, NULL, NULL);
	return 0;
}

static struct http_counters counted(void)
{
	struct http_counters c;

	http_counters(http, &c);
	return c;
}

static void assert_output(struct tcp_conn *c, const char *want)
{
	struct slice got = fake_output(c);

	if (!slice_equal(got, slice_text(want)))
		fail_msg("got <<%.*s>>\nnot <<%s>>", SLICE_ARG(got), want);
}

/* The status of the first response in what was sent; 0 if nothing was. */
static unsigned status_in(struct slice output)
{
	uint64_t status = 0;

	if (!output.len)
		return 0;
	assert_true(slice_starts_with(output, SLICE("HTTP/1.1 ")));
	assert_true(slice_decimal(slice_take(slice_skip(output, 9), 3), 999, &status));
	return (unsigned)status;
}

static bool contains(struct slice text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* The connection ends as it should, and nothing of it is left. */
static void finish(struct tcp_conn *c)
{
	if (!c->closed && !c->aborted)
		fake_end(c);
	assert_true(c->closed || c->aborted);
	assert_int_equal(counted().open, 0);
	fake_free(c);
}

static void answers(const char *request, const char *want)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, slice_text(request));
	assert_output(c, want);
	finish(c);
}

static unsigned status_for(const char *request)
{
	struct tcp_conn *c = fake_accept();
	unsigned status;

	fake_feed(c, slice_text(request));
	status = status_in(fake_output(c));
	finish(c);
	return status;
}

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

/* ---- files ---- */

static int set_up_files(void **state)
{
	serve(http_files, &site, NULL);
	return 0;
}

static void a_file_is_served_with_what_is_known_of_it(void **state)
{
	for (unsigned i = 0; i < 2;
	     i++) { /* the second time from the head that was kept */
		answers(GET("/a.css"), CSS "0123456789");
		answers("HEAD /a.css HTTP/1.1\r\nHost: a\r\n\r\n", CSS);
	}
}

static void a_file_of_the_future_does_not_say_when_it_was_modified(void **state)
{
	answers(GET("/late.css"),
	        "HTTP/1.1 200 OK\r\nContent-Type: text/css; charset=utf-8\r\n"
	        "Content-Length: 1\r\nETag: " CSS_TAG "\r\nAccept-Ranges: bytes\r\n" DATE
	        "\r\nx");
}

static void a_file_is_served_though_no_head_can_be_kept(void **state)
{
	fake_kiln.arena.at = fake_kiln.arena.end;
	answers(GET("/a.css"), CSS "0123456789");
}

static void folders_stand_for_their_index(void **state)
{
	struct tcp_conn *c = fake_accept();
	struct slice out;

	fake_feed(c, slice_text(GET("/") GET("/dir/")));
	out = fake_output(c);
	assert_true(contains(out, "front"));
	assert_true(contains(out, "in dir"));
	fake_feed(c, slice_text(GET("/%64ir?a=b")));
	out = fake_output(c);
	assert_int_equal(status_in(out), 301);
	assert_true(contains(out, "Location: /dir/?a=b\r\n"));
	/* "//dir" would be a host's name in a Location */
	fake_feed(c, slice_text(GET("//dir")));
	assert_true(contains(fake_output(c), "Location: /dir/\r\n"));
	fake_feed(c, slice_text(GET("/a.css/")));
	assert_int_equal(status_in(fake_output(c)), 404);
	finish(c);
}

static void a_query_that_does_not_fit_a_redirect_is_refused_whole(void **state)
{
	char request[HTTP_TARGET_MAX], location[HTTP_TARGET_MAX];
	struct tcp_conn *c = fake_accept();
	struct slice out;

	for (int size = 1500; size < 3000; size += 250) {
		snprintf(request, sizeof(request),
		         "GET /dir?%0*d HTTP/1.1\r\nHost: a\r\n\r\n", size, 0);
		snprintf(location, sizeof(location), "Location: /dir/?%0*d\r\n", size, 0);
		fake_feed(c, slice_text(request));
		out = fake_output(c);
		assert_int_equal(status_in(out),
		                 strlen(location) <= HTTP_ADDED_MAX ? 301 : 414);
		assert_int_equal(contains(out, location), status_in(out) == 301);
	}
	finish(c);
}

static void a_missing_page_has_a_page_of_its_own(void **state)
{
	answers(GET("/none"),
	        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\n"
	        "Content-Length: 7\r\n" DATE "\r\nmissing");
}

static void other_methods_are_told_what_there_is(void **state)
{
	answers("OPTIONS /a.css HTTP/1.1\r\nHost: a\r\n\r\n",
	        "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n" DATE "\r\n");
	answers("DELETE /a.css HTTP/1.1\r\nHost: a\r\n\r\n",
	        "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; "
	        "charset=utf-8\r\n"
	        "Content-Length: 23\r\nAllow: GET, HEAD, OPTIONS\r\n" DATE
	        "\r\n405 Method Not Allowed\n");
}

static unsigned status_with(const char *fields)
{
	char text[512];

	snprintf(text, sizeof(text), "GET /a.css HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
	         fields);
	return status_for(text);
}

#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"

static void conditions_are_taken_in_their_order(void **state)
{
	static const struct {
		const char *fields;
		unsigned status;
	} table[] = {
	    {"If-None-Match: " CSS_TAG, 304},
	    {"If-None-Match: W/" CSS_TAG, 304},
	    {"If-None-Match: \"a\", " CSS_TAG, 304},
	    {"If-None-Match: \"a\"\r\nIf-None-Match: " CSS_TAG, 304},
	    {"If-None-Match: *", 304},
	    {"If-None-Match: \"a\"", 200},
	    {"If-Modified-Since: " SAME, 304},
	    {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 304},
	    {"If-Modified-Since: Sun Nov  6 08:49:37 1994", 304},
	    {"If-Modified-Since: " BEFORE, 200},
	    {"If-Modified-Since: yesterday", 200},
	    {"If-Match: " CSS_TAG, 200},
	    {"If-Match: *", 200},
	    {"If-Match: W/" CSS_TAG, 412},
	    {"If-Match: \"a\"", 412},
	    {"If-Unmodified-Since: " SAME, 200},
	    {"If-Unmodified-Since: " BEFORE, 412},
	    {"If-Unmodified-Since: yesterday", 200},
	    /* RFC 9110 13.2.2: a tag goes before a date, If-Match before If-None-Match */
	    {"If-Match: " CSS_TAG "\r\nIf-Unmodified-Since: " BEFORE, 200},
	    {"If-Match: " CSS_TAG "\r\nIf-None-Match: " CSS_TAG, 304},
	    {"If-Match: \"a\"\r\nIf-None-Match: " CSS_TAG, 412},
	    {"If-None-Match: \"a\"\r\nIf-Modified-Since: " SAME, 200},
	    {"If-None-Match: " CSS_TAG "\r\nIf-Modified-Since: " BEFORE, 304},
	    {"If-None-Match: " CSS_TAG "\r\nRange: bytes=0-1", 304},
	    /* 13.1.5 */
	    {"Range: bytes=0-1\r\nIf-Range: " CSS_TAG, 206},
	    {"Range: bytes=0-1\r\nIf-Range: W/" CSS_TAG, 200},
	    {"Range: bytes=0-1\r\nIf-Range: \"a\"", 200},
	    {"Range: bytes=0-1\r\nIf-Range: " SAME, 206},
	    {"Range: bytes=0-1\r\nIf-Range: " BEFORE, 200},
	    {"Range: bytes=99-\r\nIf-Range: \"a\"", 200},
	    {"If-Range: " CSS_TAG, 200},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		unsigned status = status_with(table[i].fields);
		if (status != table[i].status)
			fail_msg("%u: %s", status, table[i].fields);
	}
	answers("GET /a.css HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
	        "HTTP/1.1 304 Not Modified\r\n" CSS_FACTS DATE "\r\n");
}

static void one_range_is_served(void **state)
{
	answers(
	    "GET /a.css HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n",
	    "HTTP/1.1 206 Partial Content\r\nContent-Type: text/css; charset=utf-8\r\n"
	    "Content-Length: 3\r\nContent-Range: bytes 2-4/10\r\n" CSS_FACTS DATE
	    "\r\n234");
	answers(
	    "GET /a.css HTTP/1.1\r\nHost: a\r\nRange: bytes=-3\r\n\r\n",
	    "HTTP/1.1 206 Partial Content\r\nContent-Type: text/css; charset=utf-8\r\n"
	    "Content-Length: 3\r\nContent-Range: bytes 7-9/10\r\n" CSS_FACTS DATE
	    "\r\n789");
	answers("GET /a.css HTTP/1.1\r\nHost: a\r\nRange: bytes=10-\r\n\r\n",
	        "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Type: text/plain; "
	        "charset=utf-8\r\n"
	        "Content-Length: 26\r\nContent-Range: bytes */10\r\n" DATE
	        "\r\n416 Range Not Satisfiable\n");
	/* two, none, of HEAD, and malformed: all of it */
	answers("GET /a.css HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,4-5\r\n\r\n",
	        CSS "0123456789");
	answers("HEAD /a.css HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n", CSS);
	answers("GET /a.css HTTP/1.1\r\nHost: a\r\nRange: bytes=1-0\r\n\r\n",
	        CSS "0123456789");
}

static void nothing_outside_the_site_can_be_named(void **state)
{
	assert_int_equal(status_for(GET("/../a.css")), 400);
	assert_int_equal(status_for(GET("/dir/../../a.css")), 400);
	assert_int_equal(status_for(GET("/%2e%2e/a.css")), 400);
	assert_int_equal(status_for(GET("/dir%2findex.html")), 400);
	assert_int_equal(status_for(GET("/a.css%00.html")), 400);
	assert_int_equal(status_for(GET("/dir/%2e%2e/a.css")), 200);
	assert_int_equal(status_for("GET http://else/a.css HTTP/1.1\r\nHost: a\r\n\r\n"),
	                 200);
}

#define TEST(name)      cmocka_unit_test_setup(name, set_up)
#define FILE_TEST(name) cmocka_unit_test_setup(name, set_up_files)

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
	    TEST(limits_are_answered_by_their_status),
	    TEST(a_head_in_many_pieces_meets_its_limit_too),
	    TEST(chunks_beyond_the_limit_are_refused),
	    TEST(a_client_that_waits_for_100_gets_it_when_the_body_is_wanted),
	    TEST(a_client_that_waits_for_100_is_told_at_once_when_it_is_not),
	    TEST(a_form_value_is_decoded),
	    TEST(html_is_escaped),
	    TEST(a_streamed_body_is_framed_by_what_the_client_knows),
	    TEST(a_streamed_body_goes_as_fast_as_the_peer_reads),
	    TEST(an_upload_is_held_back_until_it_is_wanted),
	    TEST(a_body_is_echoed_while_it_arrives),
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
	    TEST(the_peer_is_told_before_its_unread_body_is_dropped),
	    TEST(a_peer_that_goes_away_is_noted),
	    TEST(a_half_closed_peer_still_gets_its_answer),
	    TEST(a_handler_can_cut_the_connection_off),
	    TEST(stopping_lets_what_is_being_answered_end),
	    TEST(the_newest_connection_is_refused_when_all_are_in_use),
	    TEST(without_a_buffer_the_newest_request_is_refused),
	    TEST(a_slow_head_takes_no_buffer_until_it_is_long),
	    TEST(an_idle_connection_is_small),
	    FILE_TEST(a_file_is_served_with_what_is_known_of_it),
	    FILE_TEST(a_file_of_the_future_does_not_say_when_it_was_modified),
	    FILE_TEST(a_file_is_served_though_no_head_can_be_kept),
	    FILE_TEST(folders_stand_for_their_index),
	    FILE_TEST(a_query_that_does_not_fit_a_redirect_is_refused_whole),
	    FILE_TEST(a_missing_page_has_a_page_of_its_own),
	    FILE_TEST(other_methods_are_told_what_there_is),
	    FILE_TEST(conditions_are_taken_in_their_order),
	    FILE_TEST(one_range_is_served),
	    FILE_TEST(nothing_outside_the_site_can_be_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
