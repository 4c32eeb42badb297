/*
 * The wire format of HTTP/1.1: examples from RFC 9110, 9112 and 3986, and tables of what
 * is refused, with which status.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/http/http_wire.h"

static void assert_text(struct slice got, const char *want)
{
	if (!slice_equal(got, slice_text(want)))
		fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(got), want);
}

/* A copy of the exact size, so that a read past its end is seen. */
static struct slice heap(struct slice s)
{
	uint8_t *p = malloc(s.len ? s.len : 1);

	memcpy(p, s.data, s.len);
	return slice_of(p, s.len);
}

static void heap_free(struct slice s)
{
	free((void *)(uintptr_t)s.data);
}

/* ---- heads ---- */

static void a_head_is_read_in_one_pass(void **state)
{
	struct slice in = SLICE("GET /where?q=now HTTP/1.1\r\n"
	                        "Host: www.example.org\r\n"
	                        "X-Empty:\r\n"
	                        "aCcEpT:  \t text/html, */*\t \r\n"
	                        "\r\n"
	                        "next");
	struct http_head head;
	struct slice value;

	assert_int_equal(http_parse_head(in, &head), HTTP_PARSED);
	assert_int_equal(head.text.len, in.len - 4);
	assert_int_equal(head.line.method, HTTP_GET);
	assert_int_equal(head.line.minor, 1);
	assert_text(head.line.target, "/where?q=now");
	assert_int_equal(head.count, 3);
	assert_true(http_head_find(&head, SLICE("Accept"), &value));
	assert_text(value, "text/html, */*");
	assert_true(http_head_find(&head, SLICE("x-empty"), &value));
	assert_int_equal(value.len, 0);
	assert_false(http_head_find(&head, SLICE("x-emp"), &value));
	assert_true(http_head_known(&head, HTTP_FIELD_HOST, &value));
	assert_int_equal(http_head_check(&head), 0);
	assert_text(head.path, "/where");
	assert_text(head.query, "q=now");
	assert_text(head.host, "www.example.org");
	assert_true(head.keep_alive);
}

static void every_proper_prefix_of_a_head_wants_more(void **state)
{
	struct slice whole =
	    SLICE("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
	          "A-long-name-to-cross-words: \x80\xff and a value\r\n\r\n");
	struct http_head head;

	for (size_t n = 0; n < whole.len; n++) {
		struct slice part = heap(slice_take(whole, n));
		assert_int_equal(http_parse_head(part, &head), HTTP_MORE);
		heap_free(part);
	}
	assert_int_equal(http_parse_head(whole, &head), HTTP_PARSED);
}

struct refusal {
	const char *text;
	int status;
};

static int status_of(const char *text)
{
	struct slice in = heap(slice_text(text));
	struct http_head head;
	int status = http_parse_head(in, &head);

	if (status == HTTP_PARSED)
		status = http_head_check(&head);
	heap_free(in);
	return status;
}

#define GET11 "GET / HTTP/1.1\r\n"
#define HOST  "Host: a\r\n"

static void malformed_and_ambiguous_heads_are_refused(void **state)
{
	static const struct refusal table[] = {
	    /* the request line (RFC 9112 3) */
	    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
	    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /\r\n\r\n", 400},
	    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
	    {"GET / HTTP/1.1\r" HOST "\r\n", 400},
	    {"GET / http/1.1\r\n" HOST "\r\n", 400},
	    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
	    {"GET / HTTP/1.1x\r\n" HOST "\r\n", 400},
	    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
	    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
	    {"G@T / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501},
	    {"get / HTTP/1.1\r\n" HOST "\r\n", 501},
	    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH / HTTP/1.1\r\n\r\n", 501},
	    {"CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 501},
	    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", 400},
	    /* field lines (5.1, 5.2) */
	    {GET11 HOST "A : b\r\n\r\n", 400},
	    {GET11 HOST ": b\r\n\r\n", 400},
	    {GET11 HOST "A\r\n\r\n", 400},
	    {GET11 " " HOST "\r\n", 400},
	    {GET11 HOST "A: b\r\n c\r\n\r\n", 400},
	    {GET11 HOST "A: b\r\n\tc\r\n\r\n", 400},
	    {GET11 HOST "A: b\n\r\n", 400},
	    {GET11 HOST "A: b\rc\r\n\r\n", 400},
	    {GET11 HOST "A: \x01\r\n\r\n", 400},
	    {GET11 HOST "A: \x7f\r\n\r\n", 400},
	    {GET11 HOST "A(: b\r\n\r\n", 400},
	    {GET11 HOST "A\x80: b\r\n\r\n", 400},
	    {GET11 HOST "\n", 400},
	    {GET11 HOST "\rX", 400},
	    /* Host (3.2) */
	    {GET11 "\r\n", 400},
	    {GET11 HOST HOST "\r\n", 400},
	    {GET11 "Host: a/b\r\n\r\n", 400},
	    {GET11 "Host: a b\r\n\r\n", 400},
	    {GET11 "Host: a:80:80\r\n\r\n", 400},
	    {GET11 "Host: a:http\r\n\r\n", 400},
	    {GET11 "Host: [::1\r\n\r\n", 400},
	    {GET11 "Host: u@a\r\n\r\n", 400},
	    /* framing (6.1, 6.3) */
	    {GET11 HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 1\r\ncontent-length: 1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 1, 1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: +1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: -1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 0x1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 1 1\r\n\r\n", 400},
	    {GET11 HOST "Content-Length:\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 18446744073709551615\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 18446744073709551616\r\n\r\n", 400},
	    {GET11 HOST "Content-Length: 99999999999999999999999999\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: identity\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: xchunked\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding:\r\n\r\n", 400},
	    {GET11 HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	    {GET11 HOST
	     "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
	     400},
	    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	    {"POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", 417},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		int status = status_of(table[i].text);
		if (status != table[i].status)
			fail_msg("%d, not %d: %s", status, table[i].status,
			         table[i].text);
	}
}

static void unusual_but_sound_heads_are_taken(void **state)
{
	static const char *const table[] = {
	    GET11 HOST "\r\n",
	    "GET / HTTP/1.0\r\n\r\n",
	    "GET / HTTP/1.7\r\n" HOST "\r\n",
	    GET11 "Host:\r\n\r\n",
	    GET11 "Host: [2001:db8::1]:8080\r\n\r\n",
	    GET11 "Host: a.example:\r\n\r\n",
	    GET11 HOST "Transfer-Encoding: Chunked\r\n\r\n",
	    GET11 HOST "Transfer-Encoding: , chunked ,\r\n\r\n",
	    GET11 HOST "Content-Length: 007\r\n\r\n",
	    GET11 HOST "A:\xe4\tb \r\n\r\n",
	    "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	    "GET http://b:80/x?y HTTP/1.1\r\n" HOST "\r\n",
	    "GET HTTP://b HTTP/1.1\r\n" HOST "\r\n",
	    "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n\r\n",
	    "POST / HTTP/1.0\r\nExpect: what\r\n\r\n",
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		int status = status_of(table[i]);
		if (status)
			fail_msg("%d: %s", status, table[i]);
	}
}

static void limits_of_a_head_have_their_own_status(void **state)
{
	size_t size = 3 * HTTP_HEAD_MAX;
	char *text = malloc(size);

	snprintf(text, size, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", HTTP_TARGET_MAX - 1,
	         0);
	assert_int_equal(status_of(text), 0);
	snprintf(text, size, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", HTTP_TARGET_MAX, 0);
	assert_int_equal(status_of(text), 414);
	snprintf(text, size, "GET /%0*d", HTTP_TARGET_MAX, 0);
	assert_int_equal(status_of(text), 414);
	snprintf(text, size, GET11 HOST "A: %0*d\r\n\r\n", HTTP_HEAD_MAX, 0);
	assert_int_equal(status_of(text), 431);
	for (int fields = HTTP_FIELDS_MAX; fields <= HTTP_FIELDS_MAX + 1; fields++) {
		strcpy(text, GET11 HOST);
		for (int i = 1; i < fields; i++)
			strcat(text, "A: b\r\n");
		strcat(text, "\r\n");
		assert_int_equal(status_of(text), fields > HTTP_FIELDS_MAX ? 431 : 0);
	}
	free(text);
}

static bool keeps(const char *text)
{
	struct http_head head;

	assert_int_equal(http_parse_head(slice_text(text), &head), HTTP_PARSED);
	assert_int_equal(http_head_check(&head), 0);
	return head.keep_alive;
}

static void persistence_follows_version_and_connection_field(void **state)
{
	assert_true(keeps(GET11 HOST "\r\n"));
	assert_false(keeps(GET11 HOST "Connection: close\r\n\r\n"));
	assert_false(keeps(GET11 HOST "Connection: foo, CLOSE\r\n\r\n"));
	assert_false(
	    keeps(GET11 HOST "Connection: foo\r\nA: b\r\nConnection: close\r\n\r\n"));
	assert_true(keeps(GET11 HOST "Connection: closed\r\n\r\n"));
	assert_false(keeps("GET / HTTP/1.0\r\n\r\n"));
	assert_true(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
	assert_false(keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

static void an_absolute_target_names_the_host(void **state)
{
	struct slice host, path, query;

	assert_true(http_split_target(SLICE("http://b:81?c"), &host, &path, &query));
	assert_text(host, "b:81");
	assert_text(path, "/");
	assert_text(query, "c");
	assert_true(http_split_target(SLICE("/a?b?c"), &host, &path, &query));
	assert_int_equal(host.len, 0);
	assert_text(path, "/a");
	assert_text(query, "b?c");
}

/* ---- paths ---- */

static void paths_are_decoded_and_normalised(void **state)
{
	static const struct {
		const char *path, *want; /* NULL: refused */
	} table[] = {
	    {"/", "/"},
	    {"/a/b.html", "/a/b.html"},
	    {"/a%20b", "/a b"},
	    {"/%7Euser", "/~user"},
	    {"/%e4", "/\xe4"},
	    /* RFC 3986 5.2.4 and 5.4 */
	    {"/a/b/c/./../../g", "/a/g"},
	    {"/b/c/..", "/b/"},
	    {"/b/c/.", "/b/c/"},
	    {"/b/c/g.", "/b/c/g."},
	    {"/b/c/.g", "/b/c/.g"},
	    {"/b/c/..g", "/b/c/..g"},
	    {"/b/c/...", "/b/c/..."},
	    {"//a///b//", "/a/b/"},
	    {"/./", "/"},
	    {"/a/%2e%2E/b", "/b"},
	    {"/a/.%2e/b", "/b"},
	    {"/a/%2e/b", "/a/b"},
	    {"/%252e%252e/", "/%2e%2e/"},
	    {"/..", NULL},
	    {"/../etc/passwd", NULL},
	    {"/a/../../b", NULL},
	    {"/a/%2e%2e/%2e%2e/b", NULL},
	    {"/.//..", NULL},
	    {"/a%2fb", NULL},
	    {"/..%2f", NULL},
	    {"/a%00.html", NULL},
	    {"/%", NULL},
	    {"/%4", NULL},
	    {"/%4g", NULL},
	    {"", NULL},
	    {"a", NULL},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		struct slice path = heap(slice_text(table[i].path));
		uint8_t out[64];
		struct writer w = writer_of(out, sizeof(out));
		bool good = http_decode_path(path, &w);

		if (good != (table[i].want != NULL))
			fail_msg("%s", table[i].path);
		if (good)
			assert_text(writer_done(&w), table[i].want);
		/* What is taken for plain is what decoding would make of it. */
		if (http_path_is_plain(path))
			assert_text(path, table[i].want);
		heap_free(path);
	}
}

static void no_path_of_short_pieces_escapes(void **state)
{
	static const char *const pieces[] = {"/", ".", "..", "%2e", "a"};
	uint8_t in[64], out[64];

	for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
		struct writer path = writer_of(in, sizeof(in));
		struct writer w = writer_of(out, sizeof(out));
		struct slice got;

		writer_text(&path, "/");
		for (unsigned i = 0, m = n; i < 6; i++, m /= 5)
			writer_text(&path, pieces[m % 5]);
		if (!http_decode_path(writer_done(&path), &w))
			continue;
		got = writer_done(&w);
		assert_int_equal(got.data[0], '/');
		for (size_t i = 0; i + 1 < got.len; i++) {
			struct slice rest = slice_skip(got, i);
			assert_false(slice_starts_with(rest, SLICE("//")));
			assert_false(slice_starts_with(rest, SLICE("/../")));
			assert_false(slice_equal(rest, SLICE("/..")));
			assert_false(slice_starts_with(rest, SLICE("/./")));
			assert_false(slice_equal(rest, SLICE("/.")));
		}
	}
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
	uint8_t out[4];
	struct writer w = writer_of(out, sizeof(out));

	assert_false(http_decode_path(SLICE("/abcd"), &w));
	w = writer_of(out, sizeof(out));
	assert_true(http_decode_path(SLICE("/abc"), &w));
}

static void encoding_reverses_decoding(void **state)
{
	uint8_t out[64];
	struct writer w = writer_of(out, sizeof(out));

	http_encode_path(&w, SLICE("/a b/\xe4\r\n?\"~"));
	assert_text(writer_done(&w), "/a%20b/%E4%0D%0A%3F%22~");
}

/* ---- values ---- */

static void all_three_forms_of_a_date_are_read(void **state)
{
	static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
	                                    "Sunday, 06-Nov-94 08:49:37 GMT",
	                                    "Sun Nov  6 08:49:37 1994"};
	uint64_t seconds, now = 1700000000;

	for (unsigned i = 0; i < 3; i++) {
		assert_true(http_parse_date(slice_text(forms[i]), now, &seconds));
		assert_int_equal(seconds, 784111777);
	}
	/* 50 years ahead of 2023 is still ahead, 51 is the last century */
	assert_true(
	    http_parse_date(SLICE("Sunday, 01-Jan-73 00:00:00 GMT"), now, &seconds));
	assert_int_equal(seconds, 3250454400);
	assert_true(
	    http_parse_date(SLICE("Sunday, 01-Jan-74 00:00:00 GMT"), now, &seconds));
	assert_int_equal(seconds, 126230400);
	assert_true(
	    http_parse_date(SLICE("Tue, 29 Feb 2000 23:59:60 GMT"), now, &seconds));
	assert_int_equal(seconds, 951868800);
}

static void other_texts_are_no_dates(void **state)
{
	static const char *const table[] = {
	    "",
	    "Sun",
	    "784111777",
	    "Sun, 06 Nov 1994 08:49:37",
	    "Sun, 06 Nov 1994 08:49:37 GMT ",
	    "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 6 Nov 1994 08:49:37 GMT",
	    "Sun, 31 Nov 1994 08:49:37 GMT",
	    "Sun, 00 Nov 1994 08:49:37 GMT",
	    "Sun, 29 Feb 1900 08:49:37 GMT",
	    "Sun, 29 Feb 2001 08:49:37 GMT",
	    "Sun, 06 Nov 1969 08:49:37 GMT",
	    "Sun, 06 Nov 1994 24:49:37 GMT",
	    "Sun, 06 Nov 1994 08:60:37 GMT",
	    "Sun, 06 nov 1994 08:49:37 GMT",
	    "Xun, 06 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov +994 08:49:37 GMT",
	    "Sunday, 06-Nov-1994 08:49:37 GMT",
	    "Sun Nov 6 08:49:37 1994",
	};
	uint64_t seconds;

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		if (http_parse_date(slice_text(table[i]), 0, &seconds))
			fail_msg("%s", table[i]);
	}
}

static void every_day_of_four_centuries_survives_a_round_trip(void **state)
{
	for (uint64_t day = 0; day < 400 * 366; day++) {
		uint64_t at = day * 86400 + day % 86400, seconds;
		uint8_t text[HTTP_DATE_SIZE];
		struct writer w = writer_of(text, sizeof(text));

		http_format_date(&w, at);
		assert_int_equal(writer_done(&w).len, HTTP_DATE_SIZE);
		assert_true(http_parse_date(writer_done(&w), 0, &seconds));
		assert_int_equal(seconds, at);
	}
}

static void entity_tags_compare_as_in_rfc_9110(void **state)
{
	struct slice tag = SLICE("\"xyzzy\"");

	/* 8.8.3.2: weak and strong */
	assert_true(http_etag_match(SLICE("\"xyzzy\""), tag, false));
	assert_true(http_etag_match(SLICE("W/\"xyzzy\""), tag, true));
	assert_false(http_etag_match(SLICE("W/\"xyzzy\""), tag, false));
	/* 13.1.1 */
	assert_true(
	    http_etag_match(SLICE("\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\""), tag, false));
	assert_true(http_etag_match(SLICE("\"a,b\" ,, W/\"c\",\"xyzzy\""), tag, false));
	assert_true(http_etag_match(SLICE("*"), tag, false));
	assert_false(http_etag_match(SLICE(""), tag, true));
	assert_false(http_etag_match(SLICE("\"other\""), tag, true));
	assert_false(http_etag_match(SLICE("xyzzy"), tag, true));
	assert_false(http_etag_match(SLICE("\"xyzzy"), tag, true));
	assert_false(http_etag_match(SLICE("\"xyzzy\"\"a\""), tag, true));
	assert_false(http_etag_match(SLICE("w/\"xyzzy\""), tag, true));
	assert_false(http_etag_match(SLICE("\"a\", *"), tag, true));
}

static void ranges_are_read_as_in_rfc_9110(void **state)
{
	static const struct {
		const char *value;
		uint64_t length;
		int result;
		uint64_t first, last;
	} table[] = {
	    /* 14.1.2, of 10000 bytes */
	    {"bytes=0-499", 10000, HTTP_RANGE_ONE, 0, 499},
	    {"bytes=500-999", 10000, HTTP_RANGE_ONE, 500, 999},
	    {"bytes=-500", 10000, HTTP_RANGE_ONE, 9500, 9999},
	    {"bytes=9500-", 10000, HTTP_RANGE_ONE, 9500, 9999},
	    {"bytes=9999-", 10000, HTTP_RANGE_ONE, 9999, 9999},
	    {"bytes= 0-0 ,", 10000, HTTP_RANGE_ONE, 0, 0},
	    {"Bytes=0-99999", 10000, HTTP_RANGE_ONE, 0, 9999},
	    {"bytes=-99999", 10000, HTTP_RANGE_ONE, 0, 9999},
	    {"bytes=0-99999999999999999999999999", 10000, HTTP_RANGE_ONE, 0, 9999},
	    {"bytes=10000-", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=99999999999999999999999999-", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=-0", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=-1", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=0-0,-1", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes=5-4", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes=", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes=-", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes=1", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes=a-b", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes=1-2-3", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"bytes 0-1", 10000, HTTP_RANGE_NONE, 0, 0},
	    {"lines=0-1", 10000, HTTP_RANGE_NONE, 0, 0},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		uint64_t first, last;
		int result = http_parse_range(slice_text(table[i].value), table[i].length,
		                              &first, &last);
		if (result != table[i].result)
			fail_msg("%s: %d", table[i].value, result);
		if (result == HTTP_RANGE_ONE) {
			assert_int_equal(first, table[i].first);
			assert_int_equal(last, table[i].last);
		}
	}
}

/* ---- chunked ---- */

/* Decodes what comes in pieces of `step` bytes. Returns the last result, and content. */
static int decode(struct slice in, size_t step, struct writer *out, size_t *used)
{
	struct http_chunked c = {0};
	int result = HTTP_MORE;

	*used = 0;
	while (*used < in.len && result == HTTP_MORE) {
		struct slice piece = heap(slice_take(slice_skip(in, *used), step));
		struct cursor rest = cursor_of(piece);
		struct slice data;

		result = http_chunked_next(&c, &rest, &data);
		*used += rest.at + data.len;
		writer_bytes(out, data);
		if (data.len)
			http_chunked_take(&c, data.len);
		heap_free(piece);
	}
	return result;
}

static void chunks_are_joined_however_they_arrive(void **state)
{
	struct slice in = SLICE("5\r\nhello\r\n"
	                        "0006;name=value;q=\"a;b\"\r\n world\r\n"
	                        "1 \t;x\r\n!\r\n"
	                        "0;last\r\nTrailer: dropped\r\nMore: too\r\n\r\n"
	                        "GET");

	for (size_t step = 1; step <= in.len; step++) {
		uint8_t text[64];
		struct writer out = writer_of(text, sizeof(text));
		size_t used;

		assert_int_equal(decode(in, step, &out, &used), HTTP_PARSED);
		assert_text(writer_done(&out), "hello world!");
		assert_int_equal(used, in.len - 3);
	}
}

static void malformed_chunks_are_refused(void **state)
{
	static const char *const table[] = {
	    "\r\n",
	    ";a\r\n",
	    "g\r\n",
	    "0x5\r\nhello\r\n",
	    "-1\r\n",
	    "+5\r\nhello\r\n",
	    " 5\r\nhello\r\n",
	    "5 \r\nhello\r\n",
	    "5 x\r\nhello\r\n",
	    "5\nhello\r\n",
	    "5\rhello\r\n",
	    "5\r\nhello\n0\r\n",
	    "5\r\nhelloX\r\n",
	    "5;a\nb\r\nhello\r\n",
	    "5;a\rb\r\nhello\r\n",
	    "1000000000000000\r\n",
	    "ffffffffffffffff1\r\n",
	    "0\r\n\rX",
	    "0\r\nA: b\n\r\n",
	    "0\r\nA: b\rX",
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		uint8_t text[64];
		size_t used;

		for (size_t step = 1; step < 40; step++) {
			struct writer out = writer_of(text, sizeof(text));
			if (decode(slice_text(table[i]), step, &out, &used) != 400)
				fail_msg("%s", table[i]);
		}
	}
}

static void chunk_extensions_and_trailers_are_bounded(void **state)
{
	size_t size = 1 << 16, used;
	uint8_t *text = malloc(size), content[8];
	struct writer w = writer_of(text, size), out = writer_of(content, 8);

	writer_text(&w, "1;");
	while (writer_left(&w))
		writer_u8(&w, 'x');
	assert_int_equal(decode(writer_done(&w), size, &out, &used), 400);
	w = writer_of(text, size);
	writer_text(&w, "0\r\n");
	while (writer_left(&w) > 6)
		writer_text(&w, "A: b\r\n");
	assert_int_equal(decode(writer_done(&w), size, &out, &used), 400);
	w = writer_of(text, size);
	while (writer_left(&w))
		writer_u8(&w, '0');
	assert_int_equal(decode(writer_done(&w), size, &out, &used), 400);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_head_is_read_in_one_pass),
	    cmocka_unit_test(every_proper_prefix_of_a_head_wants_more),
	    cmocka_unit_test(malformed_and_ambiguous_heads_are_refused),
	    cmocka_unit_test(unusual_but_sound_heads_are_taken),
	    cmocka_unit_test(limits_of_a_head_have_their_own_status),
	    cmocka_unit_test(persistence_follows_version_and_connection_field),
	    cmocka_unit_test(an_absolute_target_names_the_host),
	    cmocka_unit_test(paths_are_decoded_and_normalised),
	    cmocka_unit_test(no_path_of_short_pieces_escapes),
	    cmocka_unit_test(a_path_that_does_not_fit_is_refused),
	    cmocka_unit_test(encoding_reverses_decoding),
	    cmocka_unit_test(all_three_forms_of_a_date_are_read),
	    cmocka_unit_test(other_texts_are_no_dates),
	    cmocka_unit_test(every_day_of_four_centuries_survives_a_round_trip),
	    cmocka_unit_test(entity_tags_compare_as_in_rfc_9110),
	    cmocka_unit_test(ranges_are_read_as_in_rfc_9110),
	    cmocka_unit_test(chunks_are_joined_however_they_arrive),
	    cmocka_unit_test(malformed_chunks_are_refused),
	    cmocka_unit_test(chunk_extensions_and_trailers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
