/*
 * Tests of an appliance: `kiln test DIR` links the C files of DIR/test with the appliance
 * for the simulator, and runs each KILN_TEST in a network of its own: the appliance, just
 * started, at 10.0.0.2, the test at 10.0.0.1, a link between them, and a clock that jumps.
 * An hour of waiting takes no time, a seed repeats a run to the bit, and the link loses or
 * delays what the test says.
 *
 *	#include <kiln/test.h>
 *
 *	KILN_TEST(front_page, "the front page is served")
 *	{
 *		struct test_answer a = test_get(t, 80, "/");
 *
 *		test_equal(t, a.status, 200);
 *		test_contains(t, a.body, "<h1>");
 *	}
 *
 *	KILN_TEST(far_away, "so it is over a bad link",
 *		  .link = {.loss = 0.1, .delay = KILN_MS(200)})
 *	...
 *
 * A test is straight-line code: calls wait. What they cannot do, and a check that does not
 * hold, ends the test as failed, with file and line. So does an appliance that crashes, or
 * that does not end with status 0 once it is asked to stop. Slices that are returned live
 * until the test ends.
 */
#ifndef KILN_TEST_H
#define KILN_TEST_H

#include <kiln/appliance.h>
#include <kiln/sim.h>
#include <kiln/stream.h>

struct test;

enum { TEST_OPTIONS = 16 };

struct test_case {
	const char *name, *sentence, *file;
	int line;
	void (*run)(struct test *t);
	/* what may stand behind the sentence */
	struct sim_impairment link;            /* a perfect one */
	const char *options[TEST_OPTIONS + 1]; /* "port=8080"; ip is given already */
	size_t memory;                         /* of the appliance; 16 MiB */
	kiln_time within;                      /* the test must be done; 10 min */
};

#define KILN_TEST(id, text, ...)                                                \
	static void kiln_test_##id(struct test *t);                             \
	static const struct test_case kiln_test_case_##id                       \
		__attribute__((used, aligned(8), section("kiln_tests"))) = {    \
			.name = #id, .sentence = text, .file = __FILE__,        \
			.line = __LINE__, .run = kiln_test_##id, __VA_ARGS__};  \
	static void kiln_test_##id(struct test *t)

/* ---- talking to the appliance ---- */

/* Opens a connection to a TCP port, and fails the test if there is none within 30 s. Then
 * stream_read(), stream_write(), stream_close() of <kiln/stream.h>. */
void test_connect(struct test *t, struct stream *s, uint16_t port);

/* Connects, sends the request and no more, and returns what comes until the appliance
 * closes the connection. */
struct slice test_exchange(struct test *t, uint16_t port, struct slice request);

/* An answer of HTTP's. */
struct test_answer {
	uint64_t status;
	struct slice head, body; /* with the status line; as it was sent */
};
/* GET PATH, in HTTP/1.0: the body ends where the connection does. */
struct test_answer test_get(struct test *t, uint16_t port, const char *path);
/* The same for any request: a whole text of HTTP/1.0. */
struct test_answer test_http(struct test *t, uint16_t port, struct slice request);
/* The value of a header field; empty if there is none. */
struct slice test_field(const struct test_answer *answer, const char *name);

/* Sends a datagram to a UDP port and returns the first that comes back; one without data
 * if none does within the time. */
struct slice test_datagram(struct test *t, uint16_t port, struct slice payload,
			   kiln_time within);

/* ---- the world ---- */

void test_sleep(struct test *t, kiln_time duration);
/* Virtual time since the start of the test. */
kiln_time test_now(const struct test *t);
/* What the link does from here on; NULL: it is perfect. */
void test_link(struct test *t, const struct sim_impairment *impairment);
/* What the appliance has printed so far. */
struct slice test_console(struct test *t);
/* Asks the appliance to stop, as Ctrl-C does; returns its exit status. */
int test_stop(struct test *t);
/* Waits until the appliance ends by itself; returns its exit status. */
int test_wait(struct test *t);

/* ---- checks ---- */

/* Ends the test as failed. */
_Noreturn void test_fail(struct test *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void test_check_equal(struct test *t, const char *what, uint64_t got, uint64_t expected);
void test_check_text(struct test *t, const char *what, struct slice got,
		     const char *expected, bool whole);
/* Where the test is, for its messages. */
void test_at(struct test *t, const char *file, int line);
#define TEST_AT(t) test_at(t, __FILE__, __LINE__)

#define test_check(t, condition) \
	(TEST_AT(t), (condition) ? (void)0 : test_fail(t, "not true: %s", #condition))
/* Of integers. */
#define test_equal(t, got, expected) \
	(TEST_AT(t), test_check_equal(t, #got, (uint64_t)(got), (uint64_t)(expected)))
/* A slice is this text, or has it in it. */
#define test_is(t, slice, text) \
	(TEST_AT(t), test_check_text(t, #slice, slice, text, true))
#define test_contains(t, slice, text) \
	(TEST_AT(t), test_check_text(t, #slice, slice, text, false))

/* The functions above, with the place they are called from. */
#define test_fail(t, ...)          (TEST_AT(t), test_fail(t, __VA_ARGS__))
#define test_connect(t, s, port)   (TEST_AT(t), test_connect(t, s, port))
#define test_exchange(t, port, r)  (TEST_AT(t), test_exchange(t, port, r))
#define test_get(t, port, path)    (TEST_AT(t), test_get(t, port, path))
#define test_http(t, port, r)      (TEST_AT(t), test_http(t, port, r))
#define test_datagram(t, port, ...) (TEST_AT(t), test_datagram(t, port, __VA_ARGS__))
#define test_stop(t)               (TEST_AT(t), test_stop(t))

#endif
