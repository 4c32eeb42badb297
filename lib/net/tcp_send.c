/*
 * The queue of bytes to send: a list of references, into chunks that were copied to or to
 * content that never goes away. It holds what is not acknowledged yet, sent or not;
 * output makes frames that point into it, and the device holds the chunks it has not
 * finished with.
 *
 * Called by tcp_user.c (append), tcp_ack.c (drop the front) and tcp_output.c (read).
 * Bounded by the connection's limits for chunks (see tcp_tuning.c) and for references
 * beyond them, and by the image's pools: of what is left there, one connection gets a
 * quarter. Chunks are counted whole, as what a few bytes hold is a chunk; small writes with
 * references between them share one.
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
	if (piece->owner && --piece->owner->users == 0) {
		if (q->open == piece->owner)
			q->open = NULL;
		q->chunks--;
		chunk_unref(piece->owner);
	}
	pool_put(&conn->tcp->pieces, piece);
	q->pieces--;
}

void tcp_queue_free(struct tcp_conn *conn)
{
	struct tcp_send_queue *q = &conn->out;

	while (q->head)
		drop_head(conn);
	q->start = q->end;
}

void tcp_queue_acked(struct tcp_conn *conn, uint32_t n)
{
	struct tcp_send_queue *q = &conn->out;

	q->start += n;
	while (n > 0) {
		struct tcp_piece *piece = q->head;
		uint32_t part = (uint32_t)KILN_MIN(piece->len, n);

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

/*
 * How many more of a pool's objects a connection may take that holds `held` of them: a
 * quarter of what is free, of which an eighth of the pool is kept for those that hold
 * fewer than `least`. So a few whose peers do not read leave something to all others, and
 * whoever is refused holds something that the peer's acknowledgement frees.
 */
static size_t share_left(size_t count, size_t used, size_t held, size_t least,
                         size_t most)
{
	size_t free = count > used ? count - used : 0;
	size_t open = free > count / 8 ? free - count / 8 : 0;
	size_t limit = KILN_MIN(KILN_MAX(open / TCP_SHARE, least), most);

	return limit > held ? KILN_MIN(limit - held, free) : 0;
}

static size_t pieces_left(const struct tcp_conn *conn)
{
	const struct pool *pieces = &conn->tcp->pieces;

	return share_left(pieces->count, pieces->used, conn->out.pieces, TCP_PIECES_LEAST,
	                  (size_t)TCP_PIECES_MAX + conn->out.chunks);
}

/* Some are kept for what is received. */
static size_t chunks_left(const struct tcp_conn *conn)
{
	const struct tcp *tcp = conn->tcp;

	return share_left(tcp->chunks.count - tcp->chunk_reserve, tcp_chunks_taken(tcp),
	                  conn->out.chunks, 1, tcp_send_limit(conn) / CHUNK_SIZE);
}

static struct tcp_piece *append_piece(struct tcp_conn *conn, const uint8_t *data,
                                      size_t len, struct chunk *owner)
{
	struct tcp_send_queue *q = &conn->out;
	struct tcp_piece *piece = pieces_left(conn) ? pool_get(&conn->tcp->pieces) : NULL;

	if (!piece)
		return NULL;
	*piece = (struct tcp_piece){NULL, data, len, owner};
	if (owner)
		owner->users++;
	if (q->tail)
		q->tail->next = piece;
	else
		q->head = piece;
	q->tail = piece;
	q->pieces++;
	return piece;
}

static size_t open_room(const struct tcp_send_queue *q)
{
	return q->open ? (size_t)(CHUNK_SIZE - q->open_used) : 0;
}

/* True if the last piece ends where the open chunk is filled on. */
static bool tail_is_open(const struct tcp_send_queue *q)
{
	return q->open && q->tail->owner == q->open;
}

size_t tcp_queue_room(const struct tcp_conn *conn)
{
	const struct tcp_send_queue *q = &conn->out;
	size_t pieces = pieces_left(conn);
	size_t room = tail_is_open(q) || pieces ? open_room(q) : 0;

	return room + KILN_MIN(pieces, chunks_left(conn)) * CHUNK_SIZE;
}

/* A quarter free: neither a call for each ACK nor a window run dry. */
bool tcp_queue_is_roomy(const struct tcp_conn *conn)
{
	const struct tcp_send_queue *q = &conn->out;

	return q->chunks * (size_t)CHUNK_SIZE <= tcp_send_limit(conn) / 4 * 3 &&
	       q->pieces <= TCP_PIECES_MAX / 4 * 3 + q->chunks;
}

void tcp_queue_check(struct tcp_conn *conn)
{
	if (!tcp_queue_is_roomy(conn))
		conn->crowded = true;
}

/* By what is acknowledged, or by a congestion window that has grown. */
void tcp_queue_relieve(struct tcp_conn *conn)
{
	if (!conn->crowded || !tcp_queue_is_roomy(conn))
		return;
	conn->crowded = false;
	conn->wake = true;
	tcp_pend(conn);
}

/* A piece at the end for bytes to be copied behind: in the open chunk, or in a new one. */
static bool open_piece(struct tcp_conn *conn)
{
	struct tcp_send_queue *q = &conn->out;
	struct chunk *chunk;

	if (open_room(q))
		return tail_is_open(q) ||
		       append_piece(conn, q->open->data + q->open_used, 0, q->open);
	chunk = chunks_left(conn) ? chunk_get(&conn->tcp->chunks) : NULL;
	if (!chunk)
		return false;
	if (!append_piece(conn, chunk->data, 0, chunk)) {
		chunk_unref(chunk);
		return false;
	}
	q->open = chunk;
	q->open_used = 0;
	q->chunks++;
	return true;
}

size_t tcp_queue_copy(struct tcp_conn *conn, struct slice s)
{
	struct tcp_send_queue *q = &conn->out;
	size_t taken = 0;

	while (taken < s.len && open_piece(conn)) {
		size_t n = KILN_MIN(open_room(q), s.len - taken);

		/* Behind its queued bytes the chunk is ours alone. */
		memcpy(q->open->data + q->open_used, s.data + taken, n);
		q->open_used = (uint16_t)(q->open_used + n);
		q->tail->len += n;
		taken += n;
	}
	q->end += taken;
	return taken;
}

bool tcp_queue_static(struct tcp_conn *conn, struct slice s)
{
	struct tcp_send_queue *q = &conn->out;

	if (!append_piece(conn, s.data, s.len, NULL))
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
