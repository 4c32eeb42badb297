/*
 * Content codings (RFC 9110 8.4, 12.5.3): what Accept-Encoding says, and how the handler
 * for embedded files (http_play.h) chooses among the forms of a file. Each form is a
 * representation with validators and ranges of its own.
 */
#include "test/unit/http_play.h"
#include "lib/http/http_wire.h"

/* ---- the field's value ---- */

enum { ALL = 1 << EMBED_GZIP | 1 << EMBED_BROTLI, NONE = HTTP_CODINGS };

static unsigned choose(const char *first, const char *second, unsigned there)
{
	struct http_codings codings = {0};
	bool available[HTTP_CODINGS] = {[EMBED_GZIP] = there >> EMBED_GZIP & 1,
	                                [EMBED_BROTLI] = there >> EMBED_BROTLI & 1,
	                                [HTTP_IDENTITY] = true};

	/* Each of the exact size, so that a read past its end is seen. */
	for (const char *value = first; value; value = value == first ? second : NULL) {
		uint8_t *copy = malloc(strlen(value) + 1);
		memcpy(copy + 1, value, strlen(value));
		http_codings_read(&codings, slice_of(copy + 1, strlen(value)));
		free(copy);
	}
	return http_codings_choose(&codings, available);
}

static void accept_encoding_is_read_as_in_rfc_9110(void **state)
{
	static const struct {
		const char *value;
		unsigned there, want;
	} table[] = {
	    /* the RFC's own examples */
	    {"compress, gzip", ALL, EMBED_GZIP},
	    {"", ALL, HTTP_IDENTITY},
	    {"*", ALL, EMBED_BROTLI},
	    {"compress;q=0.5, gzip;q=1.0", ALL, EMBED_GZIP},
	    {"gzip;q=1.0, identity; q=0.5, *;q=0", ALL, EMBED_GZIP},
	    /* what clients send */
	    {"gzip, deflate, br, zstd", ALL, EMBED_BROTLI},
	    {"gzip, deflate", ALL, EMBED_GZIP},
	    {"deflate, gzip, br, zstd", 1 << EMBED_GZIP, EMBED_GZIP},
	    {"identity", ALL, HTTP_IDENTITY},
	    {"deflate, zstd", ALL, HTTP_IDENTITY},
	    /* weights: the heaviest, and of equals the smallest form */
	    {"gzip, br;q=0.9", ALL, EMBED_GZIP},
	    {"gzip;q=0.001, br;q=0.002", ALL, EMBED_BROTLI},
	    {"gzip;q=0.5, br;q=0.500", ALL, EMBED_BROTLI},
	    {"identity, gzip;q=0.5", ALL, HTTP_IDENTITY},
	    {"identity, gzip", ALL, EMBED_GZIP},
	    {"br;q=0, gzip", ALL, EMBED_GZIP},
	    {"br;q=0, *", ALL, EMBED_GZIP},
	    {"*;q=0.5, gzip;q=0.2", 1 << EMBED_GZIP, HTTP_IDENTITY},
	    {"br;q=0.000, gzip;q=0.", ALL, HTTP_IDENTITY},
	    {"gzip;q=0, gzip", ALL, EMBED_GZIP},
	    /* the identity can be refused, alone or with the rest */
	    {"identity;q=0", ALL, NONE},
	    {"*;q=0", ALL, NONE},
	    {"gzip, identity;q=0", ALL, EMBED_GZIP},
	    {"gzip, *;q=0", ALL, EMBED_GZIP},
	    {"gzip, *;q=0", 0, NONE},
	    {"identity, *;q=0", ALL, HTTP_IDENTITY},
	    {"deflate, *;q=0", ALL, NONE},
	    /* names in any case, gzip's other name, blanks */
	    {"GZip", ALL, EMBED_GZIP},
	    {"x-gzip", ALL, EMBED_GZIP},
	    {"BR ;\tQ=0.3", ALL, EMBED_BROTLI},
	    {" , gzip ,, ", ALL, EMBED_GZIP},
	    /* what is malformed is as if it were not there */
	    {"br;q=", ALL, HTTP_IDENTITY},
	    {"br;q=1.001", ALL, HTTP_IDENTITY},
	    {"br;q=2", ALL, HTTP_IDENTITY},
	    {"br;q=0.1234", ALL, HTTP_IDENTITY},
	    {"br;q=.5", ALL, HTTP_IDENTITY},
	    {"br;q=-1", ALL, HTTP_IDENTITY},
	    {"br;q=1x", ALL, HTTP_IDENTITY},
	    {"br;q", ALL, HTTP_IDENTITY},
	    {"br;", ALL, HTTP_IDENTITY},
	    {"br;level=1", ALL, HTTP_IDENTITY},
	    {"br;q=1;q=0", ALL, HTTP_IDENTITY},
	    {"br gzip", ALL, HTTP_IDENTITY},
	    {"identity;q=zero", ALL, HTTP_IDENTITY},
	    {"brotli, gz, gzip2", ALL, HTTP_IDENTITY},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(table); i++) {
		unsigned got = choose(table[i].value, NULL, table[i].there);
		if (got != table[i].want)
			fail_msg("%u, not %u: \"%s\"", got, table[i].want,
			         table[i].value);
	}
	assert_int_equal(choose("br;q=0.5", "gzip", ALL), EMBED_GZIP);
	assert_int_equal(choose("gzip", "identity;q=0, br", ALL), EMBED_BROTLI);
}

static void every_weight_keeps_its_place(void **state)
{
	char value[64];

	for (unsigned q = 0; q <= 1000; q++) {
		snprintf(value, sizeof(value), "gzip;q=%u.%03u, br;q=0.500", q / 1000,
		         q % 1000);
		assert_int_equal(choose(value, NULL, ALL),
		                 q > 500 ? EMBED_GZIP : EMBED_BROTLI);
	}
}

/* ---- files in several forms ---- */

static const struct embed_file coded_files[] = {
    {FILE_OF("404.html", "missing", 784111777, 4),
     .coded = {[EMBED_GZIP] = {BYTES("none"), {5}}}},
    {FILE_OF("a.css", "0123456789", 784111777, 0xab),
     .coded = {[EMBED_GZIP] = {BYTES("gzipped"), {0xac}},
               [EMBED_BROTLI] = {BYTES("brotli"), {0xad}}}},
    {FILE_OF("plain.txt", "plain", 784111777, 6)},
};
static const struct embed coded_site = {coded_files, KILN_COUNT_OF(coded_files)};

static int set_up_coded(void **state)
{
	serve(http_files, &coded_site, NULL);
	return 0;
}

#define ZEROES "000000000000000000000000000000"
#define FACTS(digest)                                      \
	"ETag: \"" digest ZEROES "\"\r\n"                  \
	"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n" \
	"Vary: Accept-Encoding\r\n"
#define CSS_TYPE "Content-Type: text/css; charset=utf-8\r\n"
#define WITH(method, path, fields) \
	method " " path " HTTP/1.1\r\nHost: a\r\n" fields "\r\n\r\n"

#define AS_IS                          \
	"HTTP/1.1 200 OK\r\n" CSS_TYPE \
	"Content-Length: 10\r\n" FACTS("ab") "Accept-Ranges: bytes\r\n" DATE "\r\n"
#define IN_GZIP                                                     \
	"HTTP/1.1 200 OK\r\n" CSS_TYPE "Content-Encoding: gzip\r\n" \
	"Content-Length: 7\r\n" FACTS("ac") "Accept-Ranges: bytes\r\n" DATE "\r\n"
#define IN_BROTLI                                                 \
	"HTTP/1.1 200 OK\r\n" CSS_TYPE "Content-Encoding: br\r\n" \
	"Content-Length: 6\r\n" FACTS("ad") "Accept-Ranges: bytes\r\n" DATE "\r\n"

static void a_file_goes_out_in_the_form_that_is_asked_for(void **state)
{
	for (unsigned i = 0; i < 2; i++) { /* then from the heads that were kept */
		answers(GET("/a.css"), AS_IS "0123456789");
		answers(WITH("GET", "/a.css", "Accept-Encoding: gzip"),
		        IN_GZIP "gzipped");
		answers(WITH("GET", "/a.css", "Accept-Encoding: gzip, br"),
		        IN_BROTLI "brotli");
		answers(WITH("GET", "/a.css",
		             "accept-encoding: gzip\r\nX: y\r\nAccept-Encoding: br"),
		        IN_BROTLI "brotli");
		answers(WITH("HEAD", "/a.css", "Accept-Encoding: br"), IN_BROTLI);
		answers(WITH("GET", "/a.css", "Accept-Encoding: identity"),
		        AS_IS "0123456789");
	}
}

static void a_file_without_forms_says_nothing_of_them(void **state)
{
	struct tcp_conn *c = fake_accept();
	struct slice out;

	fake_feed(c, slice_text(WITH("GET", "/plain.txt", "Accept-Encoding: gzip, br")));
	out = fake_output(c);
	assert_int_equal(status_in(out), 200);
	assert_false(contains(out, "Vary"));
	assert_false(contains(out, "Content-Encoding"));
	finish(c);
}

static void no_acceptable_form_is_406(void **state)
{
	answers(WITH("GET", "/a.css", "Accept-Encoding: deflate, identity;q=0"),
	        "HTTP/1.1 406 Not Acceptable\r\nContent-Type: text/plain; "
	        "charset=utf-8\r\nContent-Length: 19\r\nVary: Accept-Encoding\r\n" DATE
	        "\r\n406 Not Acceptable\n");
	assert_int_equal(status_for(WITH("GET", "/plain.txt", "Accept-Encoding: *;q=0")),
	                 406);
}

static void a_missing_page_comes_in_a_form_too(void **state)
{
	answers(WITH("GET", "/none", "Accept-Encoding: br, gzip"),
	        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\n"
	        "Content-Encoding: gzip\r\nContent-Length: 4\r\n"
	        "Vary: Accept-Encoding\r\n" DATE "\r\nnone");
	assert_int_equal(status_for(WITH("GET", "/none", "Accept-Encoding: *;q=0")), 404);
}

static void conditions_are_about_the_form(void **state)
{
	answers(WITH("GET", "/a.css",
	             "Accept-Encoding: br\r\nIf-None-Match: \"ad" ZEROES "\""),
	        "HTTP/1.1 304 Not Modified\r\n" FACTS("ad") DATE "\r\n");
	/* A cache that has another form must not take that for this one. */
	answers(WITH("GET", "/a.css",
	             "Accept-Encoding: br\r\nIf-None-Match: \"ab" ZEROES "\""),
	        IN_BROTLI "brotli");
	answers(WITH("GET", "/a.css", "If-None-Match: \"ad" ZEROES "\""),
	        AS_IS "0123456789");
	assert_int_equal(status_for(WITH("GET", "/a.css",
	                                 "Accept-Encoding: gzip\r\n"
	                                 "If-Match: \"ab" ZEROES "\"")),
	                 412);
}

static void ranges_are_of_the_form(void **state)
{
	answers(WITH("GET", "/a.css", "Accept-Encoding: gzip\r\nRange: bytes=5-"),
	        "HTTP/1.1 206 Partial Content\r\n" CSS_TYPE "Content-Encoding: gzip\r\n"
	        "Content-Length: 2\r\nContent-Range: bytes 5-6/7\r\n" FACTS("ac") DATE
	        "\r\ned");
	assert_int_equal(
	    status_for(WITH("GET", "/a.css", "Accept-Encoding: gzip\r\nRange: bytes=7-")),
	    416);
	/* If-Range with the tag of another form: all of this one */
	answers(WITH("GET", "/a.css",
	             "Accept-Encoding: br\r\nRange: bytes=5-\r\n"
	             "If-Range: \"ac" ZEROES "\""),
	        IN_BROTLI "brotli");
}

#define CODED_TEST(name) cmocka_unit_test_setup(name, set_up_coded)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accept_encoding_is_read_as_in_rfc_9110),
	    cmocka_unit_test(every_weight_keeps_its_place),
	    CODED_TEST(a_file_goes_out_in_the_form_that_is_asked_for),
	    CODED_TEST(a_file_without_forms_says_nothing_of_them),
	    CODED_TEST(no_acceptable_form_is_406),
	    CODED_TEST(a_missing_page_comes_in_a_form_too),
	    CODED_TEST(conditions_are_about_the_form),
	    CODED_TEST(ranges_are_of_the_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
