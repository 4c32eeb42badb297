/*
 * A question asked by TCP (RFC 7766): one connection for each, as they are few. The answer
 * waits in TCP's own buffer until it is whole.
 */
#include "resolver_private.h"

#define PATIENCE KILN_SECONDS(5)

/* Reads the answer's length, then the answer. False: it is longer than is taken. */
static bool read_answer(struct question *q)
{
	struct resolver *resolver = q->resolver;

	if (q->stream_size == 0 && tcp_unread(q->conn) >= 2) {
		uint8_t length[2];
		struct cursor c =
		    cursor_of(slice_of(length, tcp_read(q->conn, length, 2)));
		q->stream_size = cursor_u16(&c);
		if (q->stream_size == 0 || q->stream_size > sizeof(resolver->scratch))
			return false;
	}
	if (q->stream_size == 0 || tcp_unread(q->conn) < q->stream_size)
		return !tcp_at_end(q->conn);
	size_t size = tcp_read(q->conn, resolver->scratch, q->stream_size);
	question_answered(q, slice_of(resolver->scratch, size), true);
	return true;
}

static void ready(struct tcp_conn *conn, void *user)
{
	struct question *q = user;

	if (!q->stream_sent && tcp_can_send(conn)) {
		size_t size = 2u + q->query_size;
		/* The first bytes of a connection: there is room, or there is no memory. */
		if (tcp_send(conn, slice_of(q->query, size)) < size) {
			question_next(q);
			return;
		}
		q->stream_sent = true;
	}
	if (q->stream_sent && !read_answer(q))
		question_next(q);
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct question *q = user;

	q->conn = NULL;
	question_next(q);
}

void question_stream(struct question *q)
{
	static const struct tcp_events events = {ready, closed};
	struct loop *loop = loop_of(q->resolver);

	q->stream_sent = false;
	q->stream_size = 0;
	if (tcp_connect(q->resolver->tcp, &q->server, &events, q, &q->conn)) {
		q->conn = NULL;
		question_next(q);
		return;
	}
	timer_set(loop, &q->timer, loop->now + PATIENCE);
}

void question_stream_end(struct question *q)
{
	if (q->conn)
		tcp_close(q->conn);
	q->conn = NULL;
}
