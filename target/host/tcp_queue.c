/*
 * What waits to be sent on a connection: pieces in order, copies joined, references as
 * they are; handed to the socket by the dozen.
 */
#include <errno.h>
#include <stdlib.h>
#include "tcp_private.h"

enum { PIECE_ROOM = 16 * 1024 - sizeof(struct tcp_piece), PIECES_AT_ONCE = 32 };

static void append(struct tcp_queue *queue, struct tcp_piece *piece)
{
	if (queue->last)
		queue->last->next = piece;
	else
		queue->first = piece;
	queue->last = piece;
}

static struct tcp_piece *piece_new(size_t room)
{
	struct tcp_piece *piece = malloc(sizeof(*piece) + room);

	if (piece)
		*piece = (struct tcp_piece){
		    .data = piece->copy, .end = piece->copy, .room = room};
	return piece;
}

size_t tcp_queue_copy(struct tcp_queue *queue, struct slice s)
{
	size_t taken = 0;

	s = slice_take(s, TCP_SEND_LIMIT - queue->copied);
	while (s.len) {
		struct tcp_piece *piece = queue->last;
		size_t n;

		if (!piece || piece->room == 0) {
			piece = piece_new(s.len < 1024 ? 1024 : PIECE_ROOM);
			if (!piece)
				break;
			append(queue, piece);
		}
		n = KILN_MIN(s.len, piece->room);
		memcpy(piece->end, s.data, n);
		piece->end += n;
		piece->len += n;
		piece->room -= n;
		taken += n;
		s = slice_skip(s, n);
	}
	queue->bytes += taken;
	queue->copied += taken;
	return taken;
}

bool tcp_queue_reference(struct tcp_queue *queue, struct slice s)
{
	struct tcp_piece *piece;

	if (queue->references == TCP_REFERENCES)
		return false;
	piece = piece_new(0);
	if (!piece)
		return false;
	piece->reference = true;
	piece->data = s.data;
	piece->len = s.len;
	append(queue, piece);
	queue->references++;
	queue->bytes += s.len;
	return true;
}

/* The first n bytes have been sent. */
static void sent(struct tcp_queue *queue, size_t n)
{
	queue->bytes -= n;
	while (queue->first) {
		struct tcp_piece *piece = queue->first;
		size_t part = KILN_MIN(n, piece->len);

		piece->data += part;
		piece->len -= part;
		n -= part;
		if (!piece->reference)
			queue->copied -= part;
		if (piece->len)
			return;
		queue->references -= piece->reference;
		queue->first = piece->next;
		if (!queue->first)
			queue->last = NULL;
		free(piece);
	}
}

bool tcp_queue_send(struct tcp_queue *queue, int fd)
{
	while (queue->first) {
		struct iovec vectors[PIECES_AT_ONCE];
		struct msghdr message = {.msg_iov = vectors};
		ssize_t n;

		for (struct tcp_piece *piece = queue->first;
		     piece && message.msg_iovlen < PIECES_AT_ONCE; piece = piece->next)
			vectors[message.msg_iovlen++] =
			    (struct iovec){(void *)(uintptr_t)piece->data, piece->len};
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n < 0)
			return false;
		sent(queue, (size_t)n);
	}
	return true;
}

void tcp_queue_clear(struct tcp_queue *queue)
{
	while (queue->first) {
		struct tcp_piece *piece = queue->first;
		queue->first = piece->next;
		free(piece);
	}
	*queue = (struct tcp_queue){NULL, NULL, 0, 0, 0};
}

bool tcp_queue_crowded(const struct tcp_queue *queue)
{
	return queue->copied > TCP_SEND_LIMIT / 2 ||
	       queue->references > TCP_REFERENCES / 2;
}
