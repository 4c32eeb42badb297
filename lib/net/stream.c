/*
 * Blocking calls on a TCP connection, for tasks: each waits by parking its task until the
 * connection's owner callback wakes it. See <kiln/stream.h>.
 *
 * stream_serve runs each connection on a task; those that come while no task is free wait
 * in a ring of bounded size, and beyond it they are refused.
 */
#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include <kiln/stream.h>

static void wake(struct stream *s)
{
	if (s->waiting)
		task_wake(s->waiting);
}

static void ready(struct tcp_conn *conn, void *user)
{
	wake(user);
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct stream *s = user;

	s->conn = NULL;
	s->error = why;
	wake(s);
}

static const struct tcp_events stream_events = {ready, closed};

void stream_init(struct stream *s, struct task_pool *tasks, struct tcp_conn *conn)
{
	*s = (struct stream){.conn = conn, .tasks = tasks, .timeout = KILN_NEVER};
	if (conn)
		tcp_own(conn, &stream_events, s);
}

/* An instant `timeout` from now, taken once for a whole call. */
static kiln_time deadline_of(const struct stream *s)
{
	if (s->timeout == KILN_NEVER || !s->conn)
		return KILN_NEVER;
	kiln_time now = kiln_now(tcp_kiln(tcp_of(s->conn)));

	return s->timeout < KILN_NEVER - now ? now + s->timeout : KILN_NEVER;
}

/* Waits for the connection's next event. */
static enum kiln_error wait(struct stream *s, kiln_time deadline)
{
	s->waiting = task_self(s->tasks);
	enum kiln_error error = task_park(s->tasks, deadline);
	s->waiting = NULL;
	return error;
}

static enum kiln_error gone(const struct stream *s)
{
	return s->error ? s->error : KILN_ERR_CLOSED;
}

enum kiln_error stream_connect_within(struct stream *s, struct task_pool *tasks,
                                      struct tcp *tcp, const struct endpoint *to,
                                      kiln_time timeout)
{
	stream_init(s, tasks, NULL);
	s->timeout = timeout;
	enum kiln_error error = tcp_connect(tcp, to, &stream_events, s, &s->conn);
	kiln_time deadline = deadline_of(s);

	while (!error && s->conn && !tcp_can_send(s->conn))
		error = wait(s, deadline);
	if (!error && !s->conn)
		error = gone(s);
	if (error)
		stream_close(s);
	return error;
}

/* TCP's own timeout ends it. */
enum kiln_error stream_connect(struct stream *s, struct task_pool *tasks, struct tcp *tcp,
                               const struct endpoint *to)
{
	return stream_connect_within(s, tasks, tcp, to, KILN_NEVER);
}

enum kiln_error stream_read(struct stream *s, void *out, size_t size, size_t *got)
{
	kiln_time deadline = deadline_of(s);
	enum kiln_error error;

	*got = 0;
	while (s->conn) {
		*got = tcp_read(s->conn, out, size);
		if (*got > 0 || size == 0 || tcp_at_end(s->conn))
			return KILN_OK;
		error = wait(s, deadline);
		if (error)
			return error;
	}
	return gone(s);
}

enum kiln_error stream_write(struct stream *s, struct slice bytes)
{
	kiln_time deadline = deadline_of(s);
	enum kiln_error error;

	while (s->conn && tcp_can_send(s->conn)) {
		bytes = slice_skip(bytes, tcp_send(s->conn, bytes));
		if (bytes.len == 0)
			return KILN_OK;
		error = wait(s, deadline);
		if (error)
			return error;
	}
	return gone(s);
}

void stream_close(struct stream *s)
{
	if (s->conn)
		tcp_close(s->conn);
	s->conn = NULL;
}

/* ---- serving ---- */

enum { BACKLOG = 1024 }; /* a power of two: positions run free */

struct stream_server {
	struct task_pool *tasks;
	void (*fn)(struct stream *s, void *context);
	void *context;
	unsigned first, last;              /* of the ring: [first, last) */
	struct tcp_conn *backlog[BACKLOG]; /* NULL: gone while it waited */
};

static void backlog_ready(struct tcp_conn *conn, void *user)
{
}

static void backlog_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct stream_server *server = user;

	for (unsigned i = server->first; i != server->last; i++) {
		if (server->backlog[i % BACKLOG] == conn)
			server->backlog[i % BACKLOG] = NULL;
	}
}

static const struct tcp_events backlog_events = {backlog_ready, backlog_closed};

/* Serves connections until none waits. */
static void serve_task(void *arg)
{
	struct stream_server *server = arg;

	while (server->first != server->last) {
		struct tcp_conn *conn = server->backlog[server->first++ % BACKLOG];
		struct stream s;

		if (!conn)
			continue;
		stream_init(&s, server->tasks, conn);
		server->fn(&s, server->context);
		stream_close(&s);
	}
}

static bool serve_accepted(struct tcp_conn *conn, void *context)
{
	struct stream_server *server = context;

	if (server->last - server->first == BACKLOG)
		return false;
	server->backlog[server->last++ % BACKLOG] = conn;
	tcp_own(conn, &backlog_events, server);
	/* With no task free, one that ends takes it. */
	enum kiln_error error = task_start(server->tasks, serve_task, server);
	(void)error;
	return true;
}

enum kiln_error stream_serve(struct tcp *tcp, struct task_pool *tasks, uint16_t port,
                             void (*fn)(struct stream *s, void *context), void *context)
{
	struct stream_server *server =
	    kiln_alloc(tcp_kiln(tcp), sizeof(*server), "a stream server");
	struct tcp_listener *listener;

	*server = (struct stream_server){.tasks = tasks, .fn = fn, .context = context};
	return tcp_listen(tcp, port, serve_accepted, server, &listener);
}
