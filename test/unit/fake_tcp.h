/*
 * A TCP without a network, for tests of what stands on it: the functions of <kiln/tcp.h>
 * that servers use, over lists of pieces in memory, with a clock that the test moves.
 * Include it in one file of a test program: its definitions take the place of the
 * library's, and those of the target at the bottom too.
 *
 * It keeps to the contract's sharpest reading: each piece that arrives lies in memory of
 * its own, and moves when something is consumed and when the callback returns, so that
 * the address sanitizer sees a slice that was kept too long; nothing is called from
 * within a call; after close or abort nothing is called at all, and any use fails the
 * test.
 */
#ifndef FAKE_TCP_H
#define FAKE_TCP_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/target.h>
#include <kiln/tcp.h>

/* Not every program uses every helper. */
#define HELPER __attribute__((unused)) static

enum { FAKE_CHUNKS = 64, FAKE_PIECES = 512, FAKE_RUN = 2016, FAKE_OUTPUT = 1 << 20 };

struct tcp {
	struct kiln *kiln;
	bool (*accepted)(struct tcp_conn *conn, void *context);
	void *context;
	uint16_t port;
	struct pool chunks;
	struct slab_share share;
};

struct tcp_conn {
	struct tcp *tcp;
	const struct tcp_events *events;
	void *user;
	struct slice pieces[FAKE_PIECES]; /* each on the heap */
	unsigned first, last;
	bool joins; /* pieces into runs of FAKE_RUN bytes, as TCP does behind a call */
	bool peer_ended, woken, inside;
	bool shut, closed, aborted; /* by the server */
	size_t room;                /* what tcp_send will still take */
	bool refuse_static;
	size_t unsent;
	uint8_t *output;
	size_t output_len;
};

static kiln_time fake_now = KILN_SECONDS(1000);
static const struct kiln_boot fake_boot;
static struct kiln fake_kiln;
static struct tcp fake_tcp = {.kiln = &fake_kiln};
static uint8_t fake_memory[4 << 20] __attribute__((aligned(16)));

/* A new image with so much memory. */
static struct tcp *fake_start(size_t memory)
{
	memset(&fake_kiln, 0, sizeof(fake_kiln));
	memset(fake_memory, 0, sizeof(fake_memory));
	fake_kiln.boot = &fake_boot;
	arena_init(&fake_kiln.arena, fake_memory, memory);
	loop_init(&fake_kiln.loop, &fake_kiln);
	fake_kiln.loop.now = fake_now;
	pool_init(&fake_tcp.chunks, &fake_kiln, CHUNK_TOTAL, FAKE_CHUNKS, "the test");
	fake_tcp.share = (struct slab_share){.chunks = &fake_tcp.chunks};
	return &fake_tcp;
}

/* ---- the test's side ---- */

static void fake_move(struct tcp_conn *c)
{
	for (unsigned i = c->first; i < c->last; i++) {
		struct slice old = c->pieces[i];
		uint8_t *p = malloc(old.len ? old.len : 1);
		memcpy(p, old.data, old.len);
		free((void *)(uintptr_t)old.data);
		c->pieces[i].data = p;
	}
}

/* What was left of the last piece goes behind the one before, as far as there is room. */
static void fake_join(struct tcp_conn *c)
{
	while (c->joins && c->last - c->first >= 2) {
		struct slice *run = &c->pieces[c->last - 2], *piece = run + 1;
		size_t n = KILN_MIN(piece->len, FAKE_RUN - KILN_MIN(run->len, FAKE_RUN));
		uint8_t *p = malloc(run->len + n);
		struct slice rest = slice_skip(*piece, n);

		memcpy(p, run->data, run->len);
		memcpy(p + run->len, piece->data, n);
		free((void *)(uintptr_t)run->data);
		*run = slice_of(p, run->len + n);
		memmove((void *)(uintptr_t)piece->data, rest.data, rest.len);
		piece->len = rest.len;
		if (rest.len)
			return;
		free((void *)(uintptr_t)piece->data);
		c->last--;
	}
}

static void fake_ready(struct tcp_conn *c)
{
	unsigned turns = 0;

	do {
		c->woken = false;
		if (c->closed || c->aborted)
			return;
		c->inside = true;
		c->events->ready(c, c->user);
		c->inside = false;
		fake_move(c);
		fake_join(c);
		assert_true(++turns < 1000);
	} while (c->woken);
}

static struct tcp_conn *fake_accept(void)
{
	struct tcp_conn *c = calloc(1, sizeof(*c));

	c->tcp = &fake_tcp;
	c->room = FAKE_OUTPUT;
	c->output = malloc(FAKE_OUTPUT);
	if (fake_tcp.accepted(c, fake_tcp.context))
		return c;
	free(c->output);
	free(c);
	return NULL;
}

static void fake_free(struct tcp_conn *c)
{
	while (c->first < c->last)
		free((void *)(uintptr_t)c->pieces[c->first++].data);
	free(c->output);
	free(c);
}

/* A piece arrives, nobody is told yet. */
static void fake_put(struct tcp_conn *c, struct slice s)
{
	uint8_t *p = malloc(s.len ? s.len : 1);

	assert_true(c->last < FAKE_PIECES);
	memcpy(p, s.data, s.len);
	c->pieces[c->last++] = slice_of(p, s.len);
}

static void fake_feed(struct tcp_conn *c, struct slice s)
{
	if (c->closed || c->aborted)
		return;
	if (c->first == c->last)
		c->first = c->last = 0;
	fake_put(c, s);
	fake_ready(c);
}

static void fake_end(struct tcp_conn *c)
{
	c->peer_ended = true;
	fake_ready(c);
}

HELPER void fake_reset(struct tcp_conn *c)
{
	c->aborted = true;
	c->events->closed(c, c->user, KILN_ERR_RESET);
}

/* The peer reads: room for so many bytes more, and all that was sent has arrived. */
HELPER void fake_drain(struct tcp_conn *c, size_t room)
{
	c->room = room;
	c->unsent = 0;
	fake_ready(c);
}

/* Time passes, in steps of 100 ms. */
HELPER void fake_pass(kiln_time duration)
{
	kiln_time until = fake_now + duration;

	while (fake_now < until) {
		fake_now += KILN_MS(100);
		fake_kiln.loop.now = fake_now;
		timer_wheel_advance(&fake_kiln.loop, fake_now);
	}
}

/* What the server has sent since the last look. */
static struct slice fake_output(struct tcp_conn *c)
{
	static uint8_t taken[FAKE_OUTPUT];
	size_t n = c->output_len;

	memcpy(taken, c->output, n);
	c->output_len = 0;
	return slice_of(taken, n);
}

/* ---- <kiln/tcp.h> ---- */

static void fake_usable(const struct tcp_conn *c)
{
	assert_false(c->closed);
	assert_false(c->aborted);
}

struct kiln *tcp_kiln(const struct tcp *tcp)
{
	return tcp->kiln;
}

void tcp_slab_pool(struct tcp *tcp, struct slab_pool *pool, size_t size)
{
	slab_pool_init(pool, &tcp->share, size);
}

enum kiln_error tcp_listen(struct tcp *tcp, uint16_t port,
                           bool (*accepted)(struct tcp_conn *conn, void *context),
                           void *context, struct tcp_listener **listener)
{
	tcp->accepted = accepted;
	tcp->context = context;
	tcp->port = port;
	*listener = NULL;
	return KILN_OK;
}

void tcp_unlisten(struct tcp_listener *listener)
{
}

void tcp_own(struct tcp_conn *c, const struct tcp_events *events, void *user)
{
	c->events = events;
	c->user = user;
}

void tcp_wake(struct tcp_conn *c)
{
	fake_usable(c);
	c->woken = true;
}

struct slice tcp_peek(struct tcp_conn *c)
{
	fake_usable(c);
	return c->first < c->last ? c->pieces[c->first] : slice_of(NULL, 0);
}

size_t tcp_unread(const struct tcp_conn *c)
{
	size_t n = 0;

	fake_usable(c);
	for (unsigned i = c->first; i < c->last; i++)
		n += c->pieces[i].len;
	return n;
}

void tcp_consume(struct tcp_conn *c, size_t n)
{
	assert_true(n <= tcp_unread(c));
	while (n) {
		struct slice *piece = &c->pieces[c->first];
		size_t part = KILN_MIN(n, piece->len);
		struct slice rest = slice_skip(*piece, part);
		uint8_t *p = malloc(rest.len ? rest.len : 1);

		memcpy(p, rest.data, rest.len);
		free((void *)(uintptr_t)piece->data);
		*piece = slice_of(p, rest.len);
		n -= part;
		if (!rest.len) {
			free(p);
			c->first++;
		}
	}
}

bool tcp_at_end(const struct tcp_conn *c)
{
	return c->peer_ended && tcp_unread(c) == 0;
}

size_t tcp_send_room(const struct tcp_conn *c)
{
	fake_usable(c);
	return c->room;
}

static void fake_sent(struct tcp_conn *c, struct slice s)
{
	assert_false(c->shut);
	assert_true(s.len <= FAKE_OUTPUT - c->output_len);
	memcpy(c->output + c->output_len, s.data, s.len);
	c->output_len += s.len;
	c->unsent += s.len;
}

size_t tcp_send(struct tcp_conn *c, struct slice s)
{
	fake_usable(c);
	s = slice_take(s, c->room);
	c->room -= s.len;
	fake_sent(c, s);
	return s.len;
}

bool tcp_send_static(struct tcp_conn *c, struct slice s)
{
	fake_usable(c);
	if (c->refuse_static)
		return false;
	fake_sent(c, s);
	return true;
}

size_t tcp_unsent(const struct tcp_conn *c)
{
	fake_usable(c);
	return c->unsent;
}

void tcp_shutdown(struct tcp_conn *c)
{
	fake_usable(c);
	c->shut = true;
}

void tcp_close(struct tcp_conn *c)
{
	fake_usable(c);
	c->closed = true;
}

void tcp_abort(struct tcp_conn *c)
{
	fake_usable(c);
	c->aborted = true;
}

struct endpoint tcp_remote(const struct tcp_conn *c)
{
	return (struct endpoint){ip_from4(ip4_of(0xc0000201)), 1234};
}

/* ---- <kiln/target.h> ---- */

kiln_time target_now(struct kiln *k)
{
	return fake_now;
}

/* Sun, 06 Nov 1994 08:49:37 GMT, always */
kiln_time target_wall(struct kiln *k)
{
	return KILN_SECONDS(784111777);
}

void target_wait(struct kiln *k, kiln_time deadline)
{
	if (deadline != KILN_NEVER)
		fake_now = deadline;
	loop_stop(&k->loop);
}

void target_console(struct kiln *k, struct slice text)
{
}

void target_exit(struct kiln *k, int status)
{
	abort();
}

void target_panic(struct slice message)
{
	fprintf(stderr, "%.*s", SLICE_ARG(message));
	abort();
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

#endif
