/*
 * What a test calls: <kiln/test.h>. All of it runs on the task of the test's own node, on
 * virtual time; a failure ends the process, whose parent (main.c) reports it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "test_private.h"

/* They are macros, too, which note where the test calls them; here they are not. */
#undef test_fail
#undef test_connect
#undef test_exchange
#undef test_get
#undef test_http
#undef test_datagram
#undef test_stop

/* Until a connection, or the appliance's answer to Ctrl-C, is there. */
#define PATIENCE    KILN_SECONDS(30)
#define RETRY_AFTER KILN_MS(20)
#define LOOK_AFTER  KILN_MS(1)

enum { SHOWN = 300 }; /* bytes of a text that is not what it should be */

/* ---- failing ---- */

void test_at(struct test *t, const char *file, int line)
{
	t->file = file;
	t->line = line;
}

void test_fail(struct test *t, const char *format, ...)
{
	kiln_time now = sim_now(t->sim);
	va_list args;

	printf("%s:%d: ", t->file, t->line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" (after %llu.%06llu s)\n", (unsigned long long)(now / KILN_SECONDS(1)),
	       (unsigned long long)(now / 1000 % 1000000));
	fflush(NULL);
	_exit(1);
}

void test_check_equal(struct test *t, const char *what, uint64_t got, uint64_t expected)
{
	if (got != expected)
		test_fail(t, "%s is %llu, not %llu", what, (unsigned long long)got,
		          (unsigned long long)expected);
}

static bool contains(struct slice text, struct slice part)
{
	for (size_t i = 0; i + part.len <= text.len; i++)
		if (slice_starts_with(slice_skip(text, i), part))
			return true;
	return false;
}

void test_check_text(struct test *t, const char *what, struct slice got,
                     const char *expected, bool whole)
{
	struct slice wanted = slice_text(expected);
	bool good = whole ? slice_equal(got, wanted) : contains(got, wanted);

	if (!good)
		test_fail(t, "%s %s \"%s\", but is (%zu bytes): %.*s%s", what,
		          whole ? "should be" : "should have", expected, got.len,
		          SLICE_ARG(slice_take(got, SHOWN)),
		          got.len > SHOWN ? "..." : "");
}

/* ---- talking to the appliance ---- */

void test_text_add(struct test_text *text, struct slice more)
{
	if (text->room - text->len < more.len) {
		text->room = 2 * (text->room + more.len);
		text->data = realloc(text->data, text->room);
		if (!text->data)
			abort();
	}
	if (more.len)
		memcpy(text->data + text->len, more.data, more.len);
	text->len += more.len;
}

static struct endpoint appliance_at(uint16_t port)
{
	enum { ADDRESS = 10 << 24 | 2 }; /* 10.0.0.2 */

	return (struct endpoint){ip_from4(ip4_of(ADDRESS)), port};
}

void test_connect(struct test *t, struct stream *s, uint16_t port)
{
	struct endpoint to = appliance_at(port);
	kiln_time until = sim_now(t->sim) + PATIENCE;
	enum kiln_error error;

	/* It may not be listening yet. */
	while ((error = stream_connect(s, t->tasks, t->tcp, &to)) != KILN_OK) {
		if (sim_node_ended(t->appliance, NULL))
			test_fail(t,
			          "no connection to TCP port %u: the appliance has ended",
			          port);
		if (sim_now(t->sim) >= until)
			test_fail(t, "no connection to TCP port %u: %s", port,
			          kiln_error_text(error));
		test_sleep(t, RETRY_AFTER);
	}
}

struct slice test_exchange(struct test *t, uint16_t port, struct slice request)
{
	struct test_text answer = {0};
	struct stream s;
	uint8_t buffer[16384];
	enum kiln_error error;
	size_t got;

	test_connect(t, &s, port);
	error = stream_write(&s, request);
	if (!error && s.conn)
		tcp_shutdown(s.conn);
	while (!error && !(error = stream_read(&s, buffer, sizeof(buffer), &got)) && got)
		test_text_add(&answer, slice_of(buffer, got));
	stream_close(&s);
	if (error)
		test_fail(t, "the connection to TCP port %u broke after %zu bytes: %s",
		          port, answer.len, kiln_error_text(error));
	return slice_of(answer.data, answer.len);
}

/* "HTTP/1.1 200 OK", header fields, an empty line, and the rest. */
struct test_answer test_http(struct test *t, uint16_t port, struct slice request)
{
	static const char blank[] = "\r\n\r\n";
	struct slice all = test_exchange(t, port, request);
	struct test_answer answer = {0};
	size_t head = 0;

	while (head < all.len &&
	       !slice_starts_with(slice_skip(all, head), slice_text(blank)))
		head++;
	answer.head = slice_take(all, head);
	answer.body = slice_skip(all, head + strlen(blank));
	if (!slice_starts_with(all, SLICE("HTTP/1.")) || head == all.len ||
	    !slice_decimal(slice_take(slice_skip(all, strlen("HTTP/1.x ")), 3), 999,
	                   &answer.status))
		test_fail(t, "this is no answer of HTTP's: %.*s",
		          SLICE_ARG(slice_take(all, SHOWN)));
	return answer;
}

struct slice test_field(const struct test_answer *answer, const char *name)
{
	struct slice rest = answer->head, key = slice_text(name);

	while (rest.len) {
		struct slice line = slice_take(rest, slice_find(rest, '\r'));
		rest = slice_skip(rest, line.len + strlen("\r\n"));
		if (slice_equal_nocase(slice_take(line, slice_find(line, ':')), key))
			return slice_trim(slice_skip(line, key.len + 1), ' ');
	}
	return rest;
}

struct test_answer test_get(struct test *t, uint16_t port, const char *path)
{
	char request[2048];
	int length = snprintf(request, sizeof(request),
	                      "GET %s HTTP/1.0\r\nHost: 10.0.0.2\r\n\r\n", path);

	if (length >= (int)sizeof(request))
		test_fail(t, "test_get takes a path of at most 2000 bytes");
	return test_http(t, port, slice_of(request, (size_t)length));
}

struct reception {
	struct test_text payload;
	struct task *waiting;
	bool arrived;
};

static void receive(struct udp_socket *socket, const struct udp_datagram *datagram,
                    void *context)
{
	struct reception *reception = context;

	if (!reception->arrived)
		test_text_add(&reception->payload, datagram->payload);
	reception->arrived = true;
	task_wake(reception->waiting);
}

struct slice test_datagram(struct test *t, uint16_t port, struct slice payload,
                           kiln_time within)
{
	struct reception reception = {.waiting = task_self(t->tasks)};
	struct endpoint to = appliance_at(port);
	kiln_time until = sim_now(t->sim) + within;
	struct udp_socket *socket;
	enum kiln_error error = udp_bind(t->udp, 0, receive, &reception, &socket);

	if (!error)
		error = udp_send(socket, &to, payload);
	if (error)
		test_fail(t, "cannot send to UDP port %u: %s", port,
		          kiln_error_text(error));
	while (!reception.arrived && task_park(t->tasks, until) == KILN_OK)
		;
	udp_close(socket);
	return slice_of(reception.payload.data, reception.payload.len);
}

/* ---- the world ---- */

void test_sleep(struct test *t, kiln_time duration)
{
	task_sleep(t->tasks, duration);
}

kiln_time test_now(const struct test *t)
{
	return sim_now(t->sim);
}

void test_link(struct test *t, const struct sim_impairment *impairment)
{
	static const struct sim_impairment perfect;

	sim_link_set(t->link, impairment ? impairment : &perfect);
}

struct slice test_console(struct test *t)
{
	return slice_of(t->console.data, t->console.len);
}

int test_wait(struct test *t)
{
	int status = 1;

	t->looked_at_status = true;
	while (!sim_node_ended(t->appliance, &status))
		test_sleep(t, LOOK_AFTER);
	return status;
}

int test_stop(struct test *t)
{
	kiln_time until = sim_now(t->sim) + PATIENCE;

	sim_node_stop(t->appliance);
	while (!sim_node_ended(t->appliance, NULL)) {
		if (sim_now(t->sim) >= until)
			test_fail(t, "the appliance did not end when it was asked to");
		test_sleep(t, LOOK_AFTER);
	}
	return test_wait(t);
}
