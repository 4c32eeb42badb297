/*
 * The server as a whole: its pools, its listeners, the Date line that all responses
 * share, and how it ends. An appliance calls http_serve(), or http_new(), http_listen()
 * and http_run().
 *
 * Memory: connections lie where TCP's do, and are as many. Of what the image has left when
 * the server is made, a quarter goes to buffers. When all are in use the newest connection
 * is refused with a reset, or the newest request with a 503.
 */
#include "http_private.h"

KILN_LIBRARY(http, "0.1");

enum { BUFFERS_LEAST = 4, BUFFERS_MOST = 1024 };

static const kiln_time DRAIN = KILN_SECONDS(1);

static struct http_limits with_defaults(const struct http_limits *given)
{
	struct http_limits l = {0};

	if (given)
		l = *given;
	l.idle = l.idle ? l.idle : KILN_SECONDS(30);
	l.head = l.head ? l.head : KILN_SECONDS(10);
	l.stall = l.stall ? l.stall : KILN_SECONDS(10);
	l.stall_bytes = l.stall_bytes ? l.stall_bytes : 1000;
	l.linger = l.linger ? l.linger : KILN_SECONDS(2);
	l.body = l.body ? l.body : (uint64_t)64 << 20;
	l.discard = l.discard ? l.discard : 64u << 10;
	l.conns = l.conns ? l.conns : UINT32_MAX;
	return l;
}

static unsigned clamp(size_t n, unsigned least, unsigned most)
{
	return n < least ? least : n > most ? most : (unsigned)n;
}

struct http *http_new(struct tcp *tcp, const struct http_limits *limits)
{
	struct kiln *k = tcp_kiln(tcp);
	struct http *http = kiln_alloc(k, sizeof(*http), "the http server");
	size_t left = arena_left(&k->arena);
	unsigned buffers;

	http->kiln = k;
	http->tcp = tcp;
	http->limits = with_defaults(limits);
	list_init(&http->open);
	tcp_slab_pool(tcp, &http->conns, sizeof(struct http_conn));
	buffers =
	    clamp(left / 4 / sizeof(struct http_buffer), BUFFERS_LEAST, BUFFERS_MOST);
	pool_init(&http->buffers, k, sizeof(struct http_buffer), buffers, "http buffers");
	return http;
}

void http_conn_free(struct http_conn *c)
{
	struct http *http = c->http;

	timer_cancel(&http->kiln->loop, &c->timer);
	list_remove(&c->node);
	if (c->head)
		pool_put(&http->buffers, c->head);
	if (c->added)
		pool_put(&http->buffers, c->added);
	if (c->out)
		pool_put(&http->buffers, c->out);
	if (c->collect)
		pool_put(&http->buffers, c->collect);
	slab_put(&http->conns, c);
	http->counters.open--;
}

static bool accepted(struct tcp_conn *tcp, void *context)
{
	const struct http_listener *listener = context;
	struct http *http = listener->http;
	struct http_conn *c = NULL;

	if (!http->stopping && http->conns.used < http->limits.conns)
		c = slab_get(&http->conns);
	if (!c) {
		http->counters.refused++;
		return false;
	}
	memset(c, 0, sizeof(*c));
	c->http = http;
	c->tcp = tcp;
	c->listener = listener;
	list_init(&c->node);
	list_append(&http->open, &c->node);
	http->counters.conns++;
	http->counters.open++;
	http->counters.open_most =
	    KILN_MAX(http->counters.open_most, http->counters.open);
	conn_start(c);
	tcp_own(tcp, &http_conn_events, c);
	return true;
}

enum kiln_error http_listen(struct http *http, uint16_t port, http_handler *handler,
                            const void *context)
{
	struct http_listener *listener = arena_try(&http->kiln->arena, sizeof(*listener),
	                                           _Alignof(struct http_listener));
	enum kiln_error error;

	if (!listener)
		return KILN_ERR_MEMORY;
	*listener = (struct http_listener){http, handler, context, NULL, NULL};
	error = tcp_listen(http->tcp, port, accepted, listener, &listener->tcp);
	if (error)
		return error;
	listener->next = http->listeners;
	http->listeners = listener;
	return KILN_OK;
}

/* No new connections; those that are idle end now, the others with their exchange. */
static void stop(struct http *http)
{
	http->stopping = true;
	for (struct http_listener *l = http->listeners; l; l = l->next)
		tcp_unlisten(l->tcp);
	http->listeners = NULL;
	list_each_safe (node, &http->open)
		conn_stop(kiln_container(node, struct http_conn, node));
}

int http_run(struct http *http)
{
	struct kiln *k = http->kiln;
	int status = kiln_run(k);
	kiln_time until = kiln_now(k) + DRAIN;

	stop(http);
	/* The loop goes on meanwhile; asked to stop once more, it does so at once. */
	k->loop.stopping = false;
	while (!list_empty(&http->open) && !k->loop.stopping && kiln_now(k) < until)
		loop_step(&k->loop, until);
	return status;
}

int http_serve(struct tcp *tcp, uint16_t port, http_handler *handler, const void *context)
{
	struct http *http = http_new(tcp, NULL);
	enum kiln_error error = http_listen(http, port, handler, context);

	if (error)
		kiln_fail(http->kiln, "http", "port %u: %s", port,
		          kiln_error_text(error));
	return http_run(http);
}

struct slice http_date_line(struct http *http)
{
	kiln_time now = http->kiln->loop.now;

	if (now >= http->date_until) {
		kiln_time wall = kiln_wall(http->kiln);
		struct writer w = writer_of(http->date, sizeof(http->date));

		writer_text(&w, "Date: ");
		http_format_date(&w, wall / KILN_SECONDS(1));
		writer_text(&w, "\r\n");
		http->date_until = now + KILN_SECONDS(1) - wall % KILN_SECONDS(1);
	}
	return slice_of(http->date, DATE_LINE_SIZE);
}

void http_counters(const struct http *http, struct http_counters *counters)
{
	*counters = http->counters;
	counters->conn_bytes = sizeof(struct http_conn);
}

bool http_header(const struct http_exchange *x, const char *name, struct slice *value)
{
	return x->head && http_head_find(x->head, slice_text(name), value);
}

struct endpoint http_peer(const struct http_exchange *x)
{
	return tcp_remote(conn_of(x)->tcp);
}
