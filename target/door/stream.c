/*
 * TCP sockets: connect, bytes in and out, half close, close.
 *
 * A socket's connection tells nothing that is acted on but its end: then its error and what
 * it had received are kept here, for reads and SO_ERROR to tell. All else is asked of it
 * when a call looks. Which call returns what in which state is as Linux has it.
 */
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "door_private.h"
#include "../../lib/net/stack.h"

/* ---- what the connection tells ---- */

/* An attempt lasts for the time that its SYNs take, sent after 1 s and each time after twice
 * as much: TCP_SYNCNT. */
static void set_user_timeout(struct door_socket *s)
{
	enum { MOST = 6 }; /* from there on they follow each minute */
	const struct door_settings *set = &s->set;
	kiln_time timeout =
	    set->user_timeout ? KILN_MS((unsigned)set->user_timeout) : KILN_SECONDS(180);
	kiln_time tries = KILN_SECONDS((1u << KILN_MIN(set->syn_tries + 1, MOST)) - 1);

	if (set->syn_tries >= MOST)
		tries += KILN_SECONDS(60u * (unsigned)(set->syn_tries + 1 - MOST));
	if (s->state == DOOR_CONNECTING && !door_stream_is_established(s) &&
	    (!set->user_timeout || tries < timeout))
		timeout = tries;
	tcp_set_user_timeout(s->conn, timeout);
}

static void conn_ready(struct tcp_conn *conn, void *user)
{
	struct door_socket *s = user;

	if (s->state == DOOR_CONNECTING && door_stream_is_established(s))
		set_user_timeout(s);
}

static int end_errno(const struct door_socket *s, const struct tcp_facts *facts,
                     enum kiln_error why)
{
	bool ip6 = !ip_is4(&s->peer.addr), fatal;

	switch (why) {
	case KILN_ERR_REFUSED:
	case KILN_ERR_UNREACHABLE:
		if (facts->icmp_type)
			return door_icmp_errno(ip6, facts->icmp_type, facts->icmp_code,
			                       &fatal);
		return why == KILN_ERR_REFUSED ? ECONNREFUSED : EHOSTUNREACH;
	case KILN_ERR_TIMEOUT:
		return ETIMEDOUT;
	case KILN_ERR_RESET:
		/* In CLOSE-WAIT the peer had said that it would read no more. */
		return facts->peer_closed && !s->shut_write ? EPIPE : ECONNRESET;
	default:
		return ECONNABORTED;
	}
}

static void conn_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct door_socket *s = user;
	tcp_facts(conn, &s->last);
	s->last.state = TCP_FACT_CLOSED;
	s->error = end_errno(s, &s->last, why);
	s->local = tcp_local(conn);
	s->left_size = tcp_unread(conn);
	s->left = s->left_size ? malloc(s->left_size) : NULL;
	s->left_size = s->left ? tcp_read(conn, s->left, s->left_size) : 0;
	s->conn = NULL;
	s->ended = true;
	s->end_seen = s->last.peer_closed;
}

static const struct tcp_events events = {conn_ready, conn_closed};

static void set_keepalive(const struct door_socket *s)
{
	const struct door_settings *set = &s->set;

	if (set->keepalive)
		tcp_set_keepalive(s->conn, KILN_SECONDS((unsigned)set->keep_idle),
		                  KILN_SECONDS((unsigned)set->keep_interval),
		                  (unsigned)set->keep_count);
	else
		tcp_set_keepalive(s->conn, 0, 0, 0);
}

void door_stream_apply(struct door_socket *s)
{
	const struct door_settings *set = &s->set;

	if (!s->conn)
		return;
	tcp_set_nodelay(s->conn, set->nodelay);
	tcp_set_cork(s->conn, set->cork);
	if (set->receive_buffer)
		tcp_set_receive_limit(s->conn, set->receive_buffer);
	if (set->mss_most)
		tcp_limit_mss(s->conn, set->mss_most);
	set_user_timeout(s);
	tcp_set_service(s->conn, (uint8_t)set->tos, set->ttl);
	if (set->congestion)
		tcp_set_congestion(s->conn, set->congestion);
	set_keepalive(s);
}

void door_stream_adopt(struct door_socket *s, struct tcp_conn *conn)
{
	s->conn = conn;
	s->local = tcp_local(conn);
	s->peer = tcp_remote(conn);
	tcp_own(conn, &events, s);
	door_stream_apply(s);
}

/* IP_RECVERR: an ICMP error about a connection is told at once, though that goes on. */
static void notice_error(struct door_socket *s)
{
	uint8_t type, code;
	bool fatal;

	if (!s->set.told_errors || !s->conn || s->error ||
	    !tcp_take_icmp_error(s->conn, &type, &code))
		return;
	int number = door_icmp_errno(!ip_is4(&s->peer.addr), type, code, &fatal);
	if (number != EMSGSIZE) /* which TCP has seen to */
		s->error = number;
}

/* ---- states ---- */

int door_stream_state(const struct door_socket *s)
{
	struct tcp_facts facts;

	if (s->state == DOOR_LISTENING)
		return TCP_LISTEN;
	if (!s->conn)
		return TCP_CLOSE;
	tcp_facts(s->conn, &facts);
	return (int)facts.state;
}

bool door_stream_is_established(const struct door_socket *s)
{
	int state = door_stream_state(s);

	return s->conn && state != TCP_SYN_SENT && state != TCP_SYN_RECV &&
	       state != TCP_CLOSE;
}

size_t door_stream_unread(const struct door_socket *s)
{
	return s->conn ? tcp_unread(s->conn) : s->left_size - s->left_at;
}

bool door_stream_at_end(const struct door_socket *s)
{
	return s->shut_read || s->ended || (s->conn && tcp_at_end(s->conn));
}

size_t door_stream_room(const struct door_socket *s)
{
	size_t room, most = s->set.send_buffer;

	if (!s->conn)
		return 0;
	room = tcp_send_room(s->conn);
	if (most) {
		size_t queued = tcp_unsent(s->conn);

		room = KILN_MIN(room, most > queued ? most - queued : 0);
	}
	if (s->set.unsent_low) {
		struct tcp_facts facts;
		uint32_t low = (uint32_t)s->set.unsent_low;

		tcp_facts(s->conn, &facts);
		room = KILN_MIN(room, low > facts.unsent ? low - facts.unsent : 0);
	}
	return room;
}

/* Bytes are there that are worth a call. */
static bool is_readable(const struct door_socket *s)
{
	return door_stream_unread(s) >= (size_t)s->set.receive_low;
}

short door_stream_poll(struct door_socket *s)
{
	int state = door_stream_state(s);
	short ready = 0;

	notice_error(s);
	if (s->state == DOOR_LISTENING)
		return s->queue ? POLLIN | POLLRDNORM : 0;
	bool end = door_stream_at_end(s);
	bool shut_write = s->shut_write || s->ended;
	if ((end && shut_write) || state == TCP_CLOSE)
		ready |= POLLHUP;
	if (end)
		ready |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (state != TCP_SYN_SENT && state != TCP_SYN_RECV) {
		size_t wanted = s->set.send_buffer / 3;

		if (is_readable(s))
			ready |= POLLIN | POLLRDNORM;
		if (shut_write || !s->conn || door_stream_room(s) > wanted)
			ready |= POLLOUT | POLLWRNORM;
	}
	if (s->error)
		ready |= POLLERR;
	return ready;
}

/* ---- connect ---- */

void door_stream_disconnect(struct door_socket *s)
{
	if (s->state == DOOR_LISTENING)
		door_unlisten(s);
	if (s->conn)
		tcp_abort(s->conn);
	s->conn = NULL;
	s->state = DOOR_IDLE;
	s->error = 0;
	s->shut_read = s->shut_write = s->ended = s->end_seen = false;
	s->last = (struct tcp_facts){0};
	free(s->left);
	s->left = NULL;
	s->left_size = s->left_at = 0;
	s->peer.port = 0;
}

/* An address of many, which nobody connects to (RFC 9293, 3.9.2.3, MUST-57). */
static bool is_group(const struct ip_addr *addr)
{
	if (!ip_is4(addr))
		return addr->bytes[0] == 0xff;
	return ip4_value(ip_to4(addr)) >= 0xe0000000;
}

static int begin(struct door_socket *s, const struct endpoint *to)
{
	if (is_group(&to->addr))
		return -ENETUNREACH;
	switch (tcp_connect_from(s->door->tcp, &s->local, to, &events, s, &s->conn)) {
	case KILN_OK:
		break;
	case KILN_ERR_UNREACHABLE:
		return -ENETUNREACH;
	case KILN_ERR_IN_USE:
		return -EADDRNOTAVAIL;
	default:
		return -ENOBUFS;
	}
	s->state = DOOR_CONNECTING;
	s->peer = *to;
	s->local = tcp_local(s->conn);
	s->ended = s->end_seen = s->shut_read = s->shut_write = false;
	s->error = 0;
	door_stream_apply(s);
	return 0;
}

int door_take_error(struct door_socket *s)
{
	notice_error(s);
	int error = s->error;
	s->error = 0;
	return error;
}

/* How an attempt went that is over. */
static int outcome(struct door_socket *s)
{
	int error;

	if (s->conn) {
		s->state = DOOR_CONNECTED;
		return 0;
	}
	error = door_take_error(s);
	door_stream_disconnect(s);
	return error ? -error : -ECONNABORTED;
}

int door_stream_connect(struct door_call *call, struct door_socket *s,
                        const struct endpoint *to)
{
	int pending = -EALREADY;

	switch (s->state) {
	case DOOR_LISTENING:
	case DOOR_CONNECTED:
		return -EISCONN;
	case DOOR_CONNECTING:
		break;
	case DOOR_IDLE: {
		int error = begin(s, to);

		if (error)
			return error;
		/* Even if it is over when the call returns, as it may be with oneself. */
		if (s->set.nonblocking)
			return -EINPROGRESS;
		pending = -EINPROGRESS;
		door_settle(s->door);
	}
	}
	door_set_timeout(call, s->set.send_timeout);
	while (s->conn && !door_stream_is_established(s)) {
		int error = s->set.nonblocking ? pending : door_wait(call);

		if (s->closed)
			return -EBADF;
		if (error)
			return error == -EAGAIN ? pending : error;
	}
	return outcome(s);
}

/* ---- receiving ---- */

/* Copies unread bytes to the message from an offset on, and consumes them unless they are
 * only looked at. */
static size_t take(struct door_socket *s, const struct door_message *m, size_t offset)
{
	bool peek = m->flags & MSG_PEEK;
	size_t wanted = m->size - offset, done = 0;

	if (!s->conn) {
		struct slice left = slice_take(
		    slice_skip(slice_of(s->left, s->left_size), s->left_at), wanted);

		if (!(m->flags & MSG_TRUNC))
			door_scatter(m, offset, left);
		s->left_at += peek ? 0 : left.len;
		return left.len;
	}
	if (peek) {
		struct slice piece;

		for (size_t at = 0; done < wanted; at += piece.len) {
			piece = slice_take(tcp_peek_at(s->conn, at), wanted - done);
			if (piece.len == 0)
				break;
			done += door_scatter(m, offset + done, piece);
		}
		return done;
	}
	while (done < wanted) {
		struct slice piece = slice_take(tcp_peek(s->conn), wanted - done);

		if (piece.len == 0)
			break;
		if (!(m->flags & MSG_TRUNC)) /* which discards them */
			door_scatter(m, offset + done, piece);
		done += piece.len;
		tcp_consume(s->conn, piece.len);
	}
	return done;
}

/* Why there is nothing to read: 0 for the end, -EAGAIN if there may be something later. */
static int why_nothing(struct door_socket *s)
{
	if (s->state == DOOR_LISTENING || (s->state == DOOR_IDLE && !s->error))
		return -ENOTCONN;
	/* An end that was seen comes before an error. */
	if (s->conn && tcp_at_end(s->conn))
		return 0;
	if (s->end_seen)
		return 0;
	notice_error(s);
	if (s->error)
		return -door_take_error(s);
	return door_stream_at_end(s) ? 0 : -EAGAIN;
}

ssize_t door_stream_receive(struct door_call *call, struct door_socket *s,
                            struct door_message *m)
{
	bool once = s->set.nonblocking || m->flags & MSG_DONTWAIT;
	size_t done = 0, enough = KILN_MIN(m->size, (size_t)s->set.receive_low);

	if (m->flags & MSG_WAITALL)
		enough = m->size;
	if (m->flags & MSG_OOB)
		return -EINVAL;
	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	door_set_timeout(call, s->set.receive_timeout);
	for (;;) {
		int error;

		if (s->closed)
			return done ? (ssize_t)done : -EBADF;
		done += take(s, m, done);
		if (done == m->size && (done || s->state == DOOR_CONNECTED))
			return (ssize_t)done;
		if (done && done >= enough)
			return (ssize_t)done;
		if (done && (s->error || door_stream_at_end(s)))
			return (ssize_t)done;
		error = done ? -EAGAIN : why_nothing(s);
		if (error != -EAGAIN)
			return error;
		error = once ? -EAGAIN : door_wait(call);
		if (error)
			return done ? (ssize_t)done : error;
		if (m->flags & MSG_PEEK)
			done = 0; /* nothing was consumed: from the front again */
	}
}

/* ---- sending ---- */

/* Whether bytes can be queued, now or later: 0 or the error. */
static int why_unsendable(struct door_socket *s)
{
	if (s->closed)
		return -EBADF;
	notice_error(s);
	if (s->error)
		return -door_take_error(s);
	if (s->shut_write || s->ended || !s->conn)
		return -EPIPE;
	return 0;
}

/* Queues what there is room for. */
static size_t give(struct door_socket *s, const struct door_message *m, size_t offset)
{
	size_t done = 0, passed = 0;

	for (size_t i = 0; i < m->count; i++) {
		struct slice part = slice_of(m->parts[i].iov_base, m->parts[i].iov_len);
		size_t skip = offset > passed ? offset - passed : 0;

		passed += part.len;
		part = slice_skip(part, skip);
		if (part.len == 0)
			continue;
		part = slice_take(part, door_stream_room(s));
		size_t taken = part.len ? tcp_send(s->conn, part) : 0;
		done += taken;
		offset += taken;
		if (offset < passed)
			break;
	}
	return done;
}

ssize_t door_stream_send(struct door_call *call, struct door_socket *s,
                         const struct door_message *m)
{
	bool once = s->set.nonblocking || m->flags & MSG_DONTWAIT;
	size_t done = 0;

	if (m->flags & (MSG_OOB | MSG_FASTOPEN))
		return -EOPNOTSUPP;
	door_set_timeout(call, s->set.send_timeout);
	for (;;) {
		int error = why_unsendable(s);

		if (error)
			return done ? (ssize_t)done : error;
		tcp_set_cork(s->conn, s->set.cork || m->flags & MSG_MORE);
		size_t given = tcp_can_send(s->conn) ? give(s, m, done) : 0;
		done += given;
		if (done == m->size)
			return (ssize_t)done;
		if (given && s->set.unsent_low) { /* what leaves makes room */
			door_settle(s->door);
			continue;
		}
		error = once ? -EAGAIN : door_wait(call);
		if (error)
			return done ? (ssize_t)done : error;
	}
}

/* ---- ends ---- */

int door_stream_shutdown(struct door_socket *s, int how)
{
	if (s->state == DOOR_LISTENING) {
		if (how != SHUT_WR)
			door_unlisten(s);
		return 0;
	}
	if (!s->conn)
		return -ENOTCONN;
	if (!door_stream_is_established(s)) { /* an attempt ends with it */
		door_stream_disconnect(s);
		return 0;
	}
	s->shut_read |= how != SHUT_WR;
	if (how != SHUT_RD && !s->shut_write) {
		s->shut_write = true;
		tcp_shutdown(s->conn);
	}
	return 0;
}

/* Whether bytes or the FIN still wait for the peer's acknowledgement. */
static bool is_lingering(const struct door_socket *s)
{
	int state = door_stream_state(s);

	return state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
}

void door_stream_close(struct door_call *call, struct door_socket *s)
{
	if (s->state == DOOR_LISTENING)
		door_unlisten(s);
	if (!s->conn)
		return;
	if (s->set.linger && s->set.linger_time == 0) {
		tcp_abort(s->conn);
		s->conn = NULL;
		return;
	}
	if (s->set.linger && !door_stream_unread(s)) {
		tcp_set_cork(s->conn, false);
		tcp_shutdown(s->conn);
		door_set_timeout(call, s->set.linger_time);
		while (s->conn && is_lingering(s) && door_wait(call) == 0)
			;
	}
	if (s->conn)
		tcp_close(s->conn);
	s->conn = NULL;
}
