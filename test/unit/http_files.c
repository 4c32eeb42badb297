/*
 * The HTTP server's handler for embedded files (http_play.h): what is known of a file,
 * folders, conditions, ranges (RFC 9110, 13 and 14), and what cannot be named.
 */
#include "test/unit/http_play.h"

#define CSS_TAG   "\"ab000000000000000000000000000000\""
#define CSS_FACTS "ETag: " CSS_TAG "\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define CSS                                                                            \
	"HTTP/1.1 200 OK\r\nContent-Type: text/css; charset=utf-8\r\nContent-Length: " \
	"10\r\n" CSS_FACTS "Accept-Ranges: bytes\r\n" DATE "\r\n"

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

static void a_file_without_a_time_of_the_past_does_not_say_when_it_was_modified(
    void **state)
{
	static const char answer[] =
	    "HTTP/1.1 200 OK\r\nContent-Type: text/css; charset=utf-8\r\n"
	    "Content-Length: 1\r\nETag: " CSS_TAG "\r\nAccept-Ranges: bytes\r\n" DATE
	    "\r\nx";

	answers(GET("/late.css"), answer);
	answers(GET("/undated.css"), answer);
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

static void of_a_file_without_a_time_conditions_with_dates_are_passed_over(void **state)
{
#define UNDATED(field) "GET /undated.css HTTP/1.1\r\nHost: a\r\n" field "\r\n\r\n"
#define EPOCH          "Thu, 01 Jan 1970 00:00:00 GMT"
	static const struct {
		const char *request;
		unsigned status;
	} table[] = {
	    {UNDATED("If-Modified-Since: " SAME), 200},
	    {UNDATED("If-Modified-Since: " EPOCH), 200},
	    {UNDATED("If-Unmodified-Since: " BEFORE), 200},
	    {UNDATED("Range: bytes=0-0\r\nIf-Range: " EPOCH), 200},
	    {UNDATED("If-None-Match: " CSS_TAG), 304},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		struct tcp_conn *c = fake_accept();
		fake_feed(c, slice_text(table[i].request));
		assert_int_equal(status_in(fake_output(c)), table[i].status);
		finish(c);
	}
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

#define FILE_TEST(name) cmocka_unit_test_setup(name, set_up_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FILE_TEST(a_file_is_served_with_what_is_known_of_it),
	    FILE_TEST(
	        a_file_without_a_time_of_the_past_does_not_say_when_it_was_modified),
	    FILE_TEST(a_file_is_served_though_no_head_can_be_kept),
	    FILE_TEST(folders_stand_for_their_index),
	    FILE_TEST(a_query_that_does_not_fit_a_redirect_is_refused_whole),
	    FILE_TEST(a_missing_page_has_a_page_of_its_own),
	    FILE_TEST(other_methods_are_told_what_there_is),
	    FILE_TEST(conditions_are_taken_in_their_order),
	    FILE_TEST(of_a_file_without_a_time_conditions_with_dates_are_passed_over),
	    FILE_TEST(one_range_is_served),
	    FILE_TEST(nothing_outside_the_site_can_be_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
