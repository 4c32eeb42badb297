/*
 * A whole HTTP connection: the input is what a peer sends, pipelined requests and bodies,
 * to a site or to a handler that answers in every way there is. How the stream is cut
 * into pieces, and what else happens between them (a peer that reads late, time that
 * passes, a reset), is said by bytes at the input's end.
 *
 * The answers are responses in good order, whatever was asked; with nothing else going on
 * they are the same however the stream was cut; and afterwards all memory is back.
 */
#include "fuzz.h"
#include "test/unit/http_play.h"
#include "lib/http/http_private.h"

enum { CUTS_MOST = 15, TEXT_MOST = 12000, REQUESTS = 512 };

/* Whose request each response answers: what was handled, in order. */
static enum http_method handled[REQUESTS];
static unsigned handled_count;

static void handle_noted(struct http_exchange *x, const void *context)
{
	if (handled_count < REQUESTS)
		handled[handled_count++] = x->method;
	FUZZ_CHECK(x->path.len && !memchr(x->path.data, 0, x->path.len));
	FUZZ_CHECK(x->path.data[0] == '/' || slice_equal(x->path, SLICE("*")));
	FUZZ_REACH(x->body_length == HTTP_UNKNOWN, "a chunked body");
	FUZZ_REACH(handled_count == 4, "four requests on a connection");
	if (context)
		http_files(x, context);
	else
		handle(x, NULL);
}

/* ---- what a server may say ---- */

/* The value of a field in a response's head. */
static bool field(struct slice head, const char *name, struct slice *value)
{
	const uint8_t *at = memmem(head.data, head.len, name, strlen(name));

	if (!at)
		return false;
	*value = slice_skip(head, (size_t)(at - head.data) + strlen(name));
	*value = slice_take(*value, slice_find(*value, '\r'));
	return true;
}

/* CRLF ends every line, and is nowhere else. */
static void check_lines(struct slice head)
{
	while (head.len) {
		struct slice line = slice_take(head, slice_find(head, '\n') + 1);

		FUZZ_CHECK(line.len >= 2 && line.data[line.len - 1] == '\n');
		FUZZ_CHECK(slice_find(line, '\r') == line.len - 2);
		head = slice_skip(head, line.len);
	}
}

/* What follows a chunked body; nothing if that was cut off. */
static struct slice after_chunks(struct slice body)
{
	struct http_chunked chunked = {0};
	struct cursor c = cursor_of(body);
	struct slice data;
	int result;

	while ((result = http_chunked_next(&chunked, &c, &data)) == HTTP_MORE) {
		if (!data.len)
			return slice_take(body, 0);
		http_chunked_take(&chunked, data.len);
		cursor_skip(&c, data.len);
	}
	FUZZ_CHECK(result == HTTP_PARSED);
	return cursor_rest(&c);
}

/* Checks the first response, to a request of this method (HTTP_METHODS: one that was not
 * handled), and returns what follows it. An interim one is no answer yet. */
static struct slice check_response(struct slice out, enum http_method method,
                                   bool *interim)
{
	static const char *const names[] = {"Content-Length: ", "Transfer-Encoding: "};
	const uint8_t *end = memmem(out.data, out.len, "\r\n\r\n", 4);
	struct slice value;
	uint64_t status, length = 0;

	FUZZ_CHECK(end);
	struct slice head = slice_take(out, (size_t)(end - out.data) + 4);
	struct slice rest = slice_skip(out, head.len);
	FUZZ_CHECK(slice_starts_with(head, SLICE("HTTP/1.1 ")));
	FUZZ_CHECK(slice_decimal(slice_take(slice_skip(head, 9), 3), 599, &status) &&
	           status >= 100);
	check_lines(head);
	FUZZ_REACH(status == 206, "a part of a file");
	FUZZ_REACH(status == 304, "a file that is not modified");
	FUZZ_REACH(status == 412, "a condition that fails");
	FUZZ_REACH(status == 301, "a folder's slash");
	FUZZ_REACH(status == 431, "a head that is too large");
	*interim = status == 100;
	if (*interim)
		return rest;
	if (method == HTTP_HEAD || status == 204 || status == 304)
		return rest;
	if (field(head, names[1], &value)) {
		FUZZ_CHECK(!field(head, names[0], &value));
		FUZZ_REACH(true, "a chunked response");
		return after_chunks(rest);
	}
	if (!field(head, names[0], &value))
		return slice_take(rest, 0); /* to the connection's end */
	FUZZ_CHECK(slice_decimal(value, UINT64_MAX, &length));
	/* What was not handled may have been a HEAD, and ends the connection. */
	if (method == HTTP_METHODS)
		FUZZ_CHECK(rest.len == 0 || rest.len == length);
	return slice_skip(rest, length);
}

static void check_output(const struct tcp_conn *c)
{
	struct slice left = slice_of(c->output, c->output_len);

	for (unsigned i = 0; left.len;) {
		bool interim;

		FUZZ_CHECK(i <= handled_count);
		/* A head is sent in one go, but for a connection that is cut off. */
		if ((c->aborted || c->room == 0) &&
		    !memmem(left.data, left.len, "\r\n\r\n", 4))
			return;
		left = check_response(left, i < handled_count ? handled[i] : HTTP_METHODS,
		                      &interim);
		i += !interim;
	}
}

/* ---- a connection ---- */

struct script {
	struct slice text;
	const uint8_t *cuts;
	size_t cut_count;
	bool plain; /* nothing happens but that bytes arrive */
	bool joins, refuse_static;
	const struct embed *context;
};

/* What happens besides, as the byte says. */
static void happen(struct tcp_conn *c, uint8_t what)
{
	switch (what & 7) {
	case 0:
		fake_drain(c, what * 16u);
		break;
	case 1:
		fake_pass(KILN_MS(100) * (what >> 3));
		break;
	case 2:
		fake_pass(KILN_SECONDS(what >> 3));
		break;
	case 3:
		if (seen.later)
			http_respond(seen.later, 200, "text/plain", SLICE("late\n"));
		seen.later = NULL; /* a response is given once */
		fake_ready(c);
		break;
	case 4:
		seen.appetite = what;
		if (seen.later)
			http_resume(seen.later);
		fake_ready(c);
		break;
	case 5:
		if (what == 0xfd)
			fake_reset(c);
		break;
	default:
		fake_ready(c);
	}
}

static bool over(const struct tcp_conn *c)
{
	return c->closed || c->aborted;
}

static void check_all_back(void)
{
	FUZZ_CHECK(counted().open == 0);
	FUZZ_CHECK(http->conns.used == 0 && http->buffers.used == 0);
}

/* The output of it all, to be freed. */
static struct slice play(const struct script *s)
{
	static const struct http_limits limits = {.body = 4096, .discard = 1024};
	struct slice text = s->text;
	struct tcp_conn *c;

	serve(handle_noted, s->context, &limits);
	handled_count = 0;
	c = fake_accept();
	FUZZ_CHECK(c);
	c->joins = s->joins;
	c->refuse_static = s->refuse_static;
	for (size_t i = 0; i < s->cut_count && !over(c); i++) {
		struct slice piece = slice_take(text, s->cuts[i]);

		if (piece.len)
			fake_feed(c, piece);
		text = slice_skip(text, piece.len);
		if (!s->plain && !over(c))
			happen(c, s->cuts[s->cut_count - 1 - i]);
	}
	if (!over(c) && text.len)
		fake_feed(c, text);
	if (!over(c) && !s->plain)
		fake_drain(c, FAKE_OUTPUT);
	check_output(c);
	if (!over(c))
		fake_end(c);
	if (!over(c))
		fake_pass(KILN_SECONDS(60)); /* all limits */
	if (!over(c)) { /* a handler that never answers: the peer goes */
		seen.later = NULL;
		fake_reset(c);
	}
	check_all_back();
	struct slice output = slice_of(c->output, c->output_len);
	c->output = NULL;
	fake_free(c);
	return output;
}

/* Chunks of a response are as its handler's calls were; and what is malformed is found
 * out at the end of its line, unless all of it is there at once. */
static bool depends_on_cuts(struct slice text)
{
	return !text.len || text.data[text.len - 1] != '\n' ||
	       memmem(text.data, text.len, "echo", 4) ||
	       memmem(text.data, text.len, "%", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {.text = slice_of(data, size)};

	if (size < 2 || size > TEXT_MOST)
		return 0;
	uint8_t how = data[size - 1];
	size_t count = KILN_MIN(how & CUTS_MOST, size - 1);
	s.plain = how & 0x10;
	s.joins = how & 0x20;
	s.refuse_static = how & 0x40;
	s.context = how & 0x80 ? &site : NULL;
	s.text = slice_take(s.text, size - 1 - count);
	s.cuts = s.text.data + s.text.len;
	s.cut_count = count;
	struct slice output = play(&s);
	if (s.plain && count && !depends_on_cuts(s.text)) {
		s.cut_count = 0;
		struct slice whole = play(&s);
		FUZZ_CHECK(slice_equal(output, whole));
		free((void *)(uintptr_t)whole.data);
	}
	free((void *)(uintptr_t)output.data);
	return 0;
}
