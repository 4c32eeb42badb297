/*
 * Blocking calls on a TCP connection for tasks (<kiln/task.h>): straight-line code.
 *
 * A stream owns the connection; only the task that uses it may be inside
 * one of its calls.
 */
#ifndef KILN_STREAM_H
#define KILN_STREAM_H

#include <kiln/task.h>
#include <kiln/tcp.h>

struct stream {
	struct tcp_conn *conn; /* NULL once closed */
	struct task_pool *tasks;
	struct task *waiting;
	enum kiln_error error;
	kiln_time timeout; /* of each call; KILN_NEVER by default */
};

/* Takes the connection over. The struct is the caller's and must outlive it. */
void stream_init(struct stream *s, struct task_pool *tasks, struct tcp_conn *conn);
/* Opens a connection and waits until it is established. */
KILN_MUST_CHECK enum kiln_error stream_connect(struct stream *s, struct task_pool *tasks,
					       struct tcp *tcp,
					       const struct endpoint *to);
/* The same, for no longer than that, which is the timeout of the other calls as well. */
KILN_MUST_CHECK enum kiln_error stream_connect_within(struct stream *s,
						      struct task_pool *tasks,
						      struct tcp *tcp,
						      const struct endpoint *to,
						      kiln_time timeout);
/* Waits for bytes and reads up to `size` of them; *got is 0 at the end of the stream. */
KILN_MUST_CHECK enum kiln_error stream_read(struct stream *s, void *out, size_t size,
					    size_t *got);
/* Returns when all bytes are queued. */
KILN_MUST_CHECK enum kiln_error stream_write(struct stream *s, struct slice bytes);
/* Orderly close; safe to call in any state, more than once. */
void stream_close(struct stream *s);

/* Serves a port: each connection runs fn(stream, context) on a task of the pool, and is
 * closed after it. With no task free, new connections wait in the listener's backlog.
 * Errors as tcp_listen. */
KILN_MUST_CHECK enum kiln_error stream_serve(struct tcp *tcp, struct task_pool *tasks,
					     uint16_t port,
					     void (*fn)(struct stream *s, void *context),
					     void *context);

#endif
