/*
 * The queue of bytes to send: a list of references, into chunks that were copied to or to
 * content that never goes away. It holds what is not acknowledged yet, sent or not;
 * output makes frames that point into it, and the device holds the chunks it has not
 * finished with.
 *
 * Called by tcp_user.c (append), tcp_ack.c (drop the front) and tcp_output.c (read).
 * Bounded by the connection's limit for copied bytes, by TCP_PIECES_MAX references, and
 * by the image's pools: of what is left there, one connection gets a quarter.
 */
#include "tcp_private.h"

static void drop_head(struct tcp_conn *conn)
{
	struct tcp_send_queue *q = &conn->out;
	struct tcp_piece *piece = q->head;

	q->head = piece->next;
	if (!q->head)
		q->tail = NULL;
	if (q->next.piece == piece)
		q->next.piece = NULL;
	if (q->again.piece == piece)
		q->again.piece = NULL;
	if (piece->owner)
		chunk_unref(piece->owner);
	pool_put(&conn->tcp->pieces, piece);
	q->pieces--;
}

void tcp_queue_free(struct tcp_conn *conn)
{
	struct tcp_send_queue *q = &conn->out;

	while (q->head)
		drop_head(conn);
	q->start = q->end;
	q->copied = 0;
}

void tcp_queue_acked(struct tcp_conn *conn, uint32_t n)
{
	struct tcp_send_queue *q = &conn->out;

	q->start += n;
	while (n > 0) {
		struct tcp_piece *piece = q->head;
		uint32_t part = (uint32_t)KILN_MIN(piece->len, n);

		if (piece->owner)
			q->copied -= part;
		n -= part;
		if (part == piece->len) {
			drop_head(conn);
			continue;
		}
		piece->data += part;
		piece->len -= part;
		if (q->next.piece == piece)
			q->next.start += part;
		if (q->again.piece == piece)
			q->again.start += part;
	}
	if (!list_empty(&conn->tcp->starved))
		loop_defer(conn->tcp->loop, &conn->tcp->work);
}

static struct tcp_piece *append_piece(struct tcp_conn *conn, const uint8_t *data,
                                      size_t len, struct chunk *owner)
{
	struct tcp_send_queue *q = &conn->out;
	struct tcp_piece *piece = pool_get(&conn->tcp->pieces);

	if (!piece)
		return NULL;
	*piece = (struct tcp_piece){NULL, data, len, owner};
	if (q->tail)
		q->tail->next = piece;
	else
		q->head = piece;
	q->tail = piece;
	q->pieces++;
	return piece;
}

/* Room behind the last copied bytes, in their chunk. */
static size_t tail_room(const struct tcp_send_queue *q)
{
	const struct tcp_piece *tail = q->tail;

	if (!tail || !tail->owner)
		return 0;
	return (size_t)(tail->owner->data + CHUNK_SIZE - (tail->data + tail->len));
}

/* Chunks that sending may take: some are kept for what is received. */
static size_t chunks_left(const struct tcp *tcp)
{
	uint32_t limit = tcp->chunks.count - tcp->chunk_reserve;

	return tcp->chunks.used < limit ? limit - tcp->chunks.used : 0;
}

size_t tcp_queue_room(const struct tcp_conn *conn)
{
	const struct tcp_send_queue *q = &conn->out;
	const struct tcp *tcp = conn->tcp;
	size_t pieces = TCP_PIECES_MAX - KILN_MIN(q->pieces, TCP_PIECES_MAX);

	pieces = KILN_MIN(pieces, tcp->pieces.count - tcp->pieces.used);
	pieces = KILN_MIN(pieces, chunks_left(tcp));
	size_t room = tail_room(q) + pieces * CHUNK_SIZE;
	size_t share = KILN_MAX(chunks_left(tcp) / TCP_SHARE, 2u) * CHUNK_SIZE;
	size_t limit = KILN_MIN(tcp->send_limit, share);
	return KILN_MIN(room, limit > q->copied ? limit - q->copied : 0);
}

/* A quarter free: neither a call for each ACK nor a window run dry. */
bool tcp_queue_is_roomy(const struct tcp_conn *conn)
{
	return conn->out.copied <= conn->tcp->send_limit / 4 * 3 &&
	       conn->out.pieces <= TCP_PIECES_MAX / 4 * 3;
}

static struct chunk *append_chunk(struct tcp_conn *conn)
{
	struct chunk *chunk;

	if (conn->out.pieces >= TCP_PIECES_MAX || chunks_left(conn->tcp) == 0)
		return NULL;
	chunk = chunk_get(&conn->tcp->chunks);
	if (chunk && !append_piece(conn, chunk->data, 0, chunk)) {
		chunk_unref(chunk);
		return NULL;
	}
	return chunk;
}

size_t tcp_queue_copy(struct tcp_conn *conn, struct slice s)
{
	struct tcp_send_queue *q = &conn->out;
	size_t left = KILN_MIN(s.len, tcp_queue_room(conn)), taken = 0;

	while (left > 0) {
		size_t n = tail_room(q);

		if (n == 0) {
			if (!append_chunk(conn))
				break;
			n = CHUNK_SIZE;
		}
		n = KILN_MIN(n, left);
		/* Behind its queued bytes the chunk is ours alone. */
		size_t at = (size_t)(q->tail->data + q->tail->len - q->tail->owner->data);
		memcpy(q->tail->owner->data + at, s.data + taken, n);
		q->tail->len += n;
		taken += n;
		left -= n;
	}
	q->copied += (uint32_t)taken;
	q->end += taken;
	return taken;
}

bool tcp_queue_static(struct tcp_conn *conn, struct slice s)
{
	struct tcp_send_queue *q = &conn->out;

	if (q->pieces >= TCP_PIECES_MAX || !append_piece(conn, s.data, s.len, NULL))
		return false;
	q->end += s.len;
	return true;
}

uint32_t tcp_queue_fill(struct tcp_send_queue *q, struct tcp_mark *mark, uint64_t offset,
                        uint32_t len, struct netdev_frame *frame)
{
	uint32_t added = 0;

	if (!mark->piece || offset < mark->start)
		*mark = (struct tcp_mark){q->head, q->start};
	while (added < len) {
		uint64_t skip = offset + added - mark->start;

		if (skip >= mark->piece->len) {
			mark->start += mark->piece->len;
			mark->piece = mark->piece->next;
			continue;
		}
		size_t n =
		    KILN_MIN(mark->piece->len - (size_t)skip, (size_t)(len - added));
		if (!netdev_frame_add(frame, mark->piece->data + skip, n,
		                      mark->piece->owner))
			break;
		added += (uint32_t)n;
	}
	return added;
}
