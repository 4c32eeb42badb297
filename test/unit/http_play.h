/*
 * What the unit tests of the HTTP server share: the server on a TCP that the test plays
 * (fake_tcp.h), a handler with a path for every way to answer, a site, and what a peer
 * asks and is told. Defines what fake_tcp.h defines; include it in one file of a program.
 */
#ifndef TEST_HTTP_PLAY_H
#define TEST_HTTP_PLAY_H

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

HELPER void handle(struct http_exchange *x, const void *context)
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
	} else if (is(x, "/peer")) {
		uint8_t text[64];
		struct writer w = writer_of(text, sizeof(text));
		struct endpoint peer = http_peer(x);
		writer_format(&w, "%u", peer.port);
		http_respond(x, 200, NULL, writer_done(&w));
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

#define BYTES(text)                                       \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define FILE_OF(name, bytes, date, number)                                \
	.path = BYTES(name), .content = BYTES(bytes), .modified = (date), \
	.digest = {number}

static const struct embed_file files[] = {
    {FILE_OF("404.html", "missing", 784111777, 4)},
    {FILE_OF("a.css", "0123456789", 784111777, 0xab)},
    {FILE_OF("dir/index.html", "in dir", 784111777, 2)},
    {FILE_OF("empty.bin", "", 784111777, 3)},
    {FILE_OF("index.html", "front", 784111777, 1)},
    {FILE_OF("late.css", "x", 784111778, 0xab)},
    {FILE_OF("undated.css", "x", 0, 0xab)},
};
HELPER const struct embed site = {files, KILN_COUNT_OF(files)};

/* ---- playing the peer ---- */

static void serve(http_handler *handler, const void *context,
                  const struct http_limits *limits)
{
	memset(&seen, 0, sizeof(seen));
	seen.appetite = SIZE_MAX;
	http = http_new(fake_start(sizeof(fake_memory)), limits);
	assert_int_equal(http_listen(http, 80, handler, context), KILN_OK);
}

HELPER int set_up(void **state)
{
	serve(handle, NULL, NULL);
	return 0;
}

HELPER struct http_counters counted(void)
{
	struct http_counters c;

	http_counters(http, &c);
	return c;
}

HELPER void assert_output(struct tcp_conn *c, const char *want)
{
	struct slice got = fake_output(c);

	if (!slice_equal(got, slice_text(want)))
		fail_msg("got <<%.*s>>\nnot <<%s>>", SLICE_ARG(got), want);
}

/* The status of the first response in what was sent; 0 if nothing was. */
HELPER unsigned status_in(struct slice output)
{
	uint64_t status = 0;

	if (!output.len)
		return 0;
	assert_true(slice_starts_with(output, SLICE("HTTP/1.1 ")));
	assert_true(slice_decimal(slice_take(slice_skip(output, 9), 3), 999, &status));
	return (unsigned)status;
}

HELPER bool contains(struct slice text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* The connection ends as it should, and nothing of it is left. */
HELPER void finish(struct tcp_conn *c)
{
	if (!c->closed && !c->aborted)
		fake_end(c);
	assert_true(c->closed || c->aborted);
	assert_int_equal(counted().open, 0);
	fake_free(c);
}

HELPER void answers(const char *request, const char *want)
{
	struct tcp_conn *c = fake_accept();

	fake_feed(c, slice_text(request));
	assert_output(c, want);
	finish(c);
}

HELPER unsigned status_for(const char *request)
{
	struct tcp_conn *c = fake_accept();
	unsigned status;

	fake_feed(c, slice_text(request));
	status = status_in(fake_output(c));
	finish(c);
	return status;
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

#endif
