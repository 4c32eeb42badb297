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
	const char *name, *sentence;
	void (*run)(struct test *t);
	/* what may stand behind the sentence */
	struct sim_impairment link;            /* a perfect one */
	const char *options[TEST_OPTIONS + 1]; /* "port=8080"; ip is given already */
	size_t memory;                         /* of the appliance; 16 MiB */
	kiln_time within;                      /* the test must be done; 10 min */
};

#define KILN_TEST(id, text, ...)                                                      \
	static void test_##id(struct test *t);                                        \
	static const struct test_case test_case_##id                                  \
		__attribute__((used, aligned(8), section("kiln_tests"))) = {          \
			.name = #id, .sentence = text, .run = test_##id, __VA_ARGS__}; \
	static void test_##id(struct test *t)

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

/* Sends a datagram to a UDP port and returns the first that comes back; one without data
 * if none does within the time. */
struct slice test_datagram(struct test *t, uint16_t port, struct slice payload,
			   kiln_time within);

/* ---- the world ---- */

void test_sleep(struct test *t, kiln_time duration);
/* What the link does from here on; NULL: it is perfect. */
void test_link(struct test *t, const struct sim_impairment *impairment);
/* What the appliance has printed so far. */
struct slice test_console(struct test *t);
/* Asks the appliance to stop, as Ctrl-C does; returns its exit status. */
int test_stop(struct test *t);
/* Waits until the appliance ends by itself; returns its exit status. */
int test_wait(struct test *t);

/* ---- checks ---- */

_Noreturn void test_failed(struct test *t, const char *file, int line, const char *format,
			   ...) __attribute__((format(printf, 4, 5)));
void test_check_equal(struct test *t, const char *file, int line, const char *what,
		      uint64_t got, uint64_t expected);
void test_check_text(struct test *t, const char *file, int line, const char *what,
		     struct slice got, const char *expected, bool whole);

#define test_check(t, condition)                                                     \
	do {                                                                         \
		if (!(condition))                                                    \
			test_failed(t, __FILE__, __LINE__, "not true: " #condition); \
	} while (0)
/* Of integers. */
#define test_equal(t, got, expected)                             \
	test_check_equal(t, __FILE__, __LINE__, #got, (uint64_t)(got), \
			 (uint64_t)(expected))
/* A slice is this text, or has it in it. */
#define test_is(t, slice, text) \
	test_check_text(t, __FILE__, __LINE__, #slice, slice, text, true)
#define test_contains(t, slice, text) \
	test_check_text(t, __FILE__, __LINE__, #slice, slice, text, false)

#endif
