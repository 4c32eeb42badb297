/*
 * Listening sockets: connections that are established wait in a queue until they are
 * accepted. While the queue has more than `backlog` of them the listener is paused.
 */
#include <limits.h>
#include "door_private.h"

static void set_pause(struct door_socket *s)
{
	if (s->listener)
		tcp_listener_pause(s->listener, s->queued > s->backlog);
}

/* They are due after 1 s, and each time after twice as much. */
uint8_t door_listen_defers(const struct door_socket *s)
{
	enum { MOST = 16 };
	uint8_t tries = 0;

	while (tries < MOST && (1 << tries) - 1 < s->set.defer_accept)
		tries++;
	return tries;
}

static struct tcp_listen_options options_of(const struct door_socket *s)
{
	return (struct tcp_listen_options){
	    .local = s->local,
	    .ip6_only = s->set.ip6_only,
	    .mss_most = s->set.mss_most,
	    .receive_limit = s->set.receive_buffer,
	    .tos = (uint8_t)s->set.tos,
	    .ttl = s->set.ttl,
	    .fast_open = s->set.fast_open > 0,
	    .defer = door_listen_defers(s),
	};
}

void door_listen_apply(struct door_socket *s)
{
	struct tcp_listen_options options = options_of(s);

	if (s->listener)
		tcp_listener_configure(s->listener, &options);
}

static bool accepted(struct tcp_conn *conn, void *context)
{
	struct door_socket *s = context;
	struct door_socket *child = door_socket_new(s->door, s->domain, s->type);

	if (!child)
		return false;
	child->set = s->set;
	child->set.nonblocking = child->set.close_on_exec = false;
	child->state = DOOR_CONNECTED;
	door_stream_adopt(child, conn);
	*s->queue_end = child;
	s->queue_end = &child->queue_next;
	s->queued++;
	set_pause(s);
	return true;
}

static int start_listening(struct door_socket *s)
{
	const struct tcp_listen_options options = options_of(s);

	switch (tcp_listen_on(s->door->tcp, &options, accepted, s, &s->listener)) {
	case KILN_OK:
		s->state = DOOR_LISTENING;
		return 0;
	case KILN_ERR_IN_USE:
		return -EADDRINUSE;
	default:
		return -ENOBUFS;
	}
}

static bool somebody_listens(const struct door_socket *s)
{
	for (int i = 0; i < DOOR_SOCKETS; i++) {
		const struct door_socket *other = s->door->sockets[i];

		if (other && other != s && other->state == DOOR_LISTENING &&
		    other->local.port == s->local.port &&
		    (local_match(&s->local.addr, s->set.ip6_only, &other->local.addr) ||
		     local_match(&other->local.addr, other->set.ip6_only,
		                 &s->local.addr)) &&
		    !(s->set.reuse_port && other->set.reuse_port))
			return true;
	}
	return false;
}

int door_listen(struct door_socket *s, int backlog)
{
	int error = 0;

	if (!door_is_stream(s))
		return -EOPNOTSUPP;
	if (s->state != DOOR_IDLE && s->state != DOOR_LISTENING)
		return -EINVAL;
	if (s->local.port == 0)
		s->local.port = door_port_choose(s);
	if (s->local.port == 0 || somebody_listens(s))
		return -EADDRINUSE;
	if (s->state == DOOR_IDLE)
		error = start_listening(s);
	if (error)
		return error;
	s->backlog = backlog < 0 || backlog > DOOR_SOMAXCONN ? DOOR_SOMAXCONN : backlog;
	set_pause(s);
	return 0;
}

static struct door_socket *take_child(struct door_socket *s)
{
	struct door_socket *child = s->queue;

	if (!child)
		return NULL;
	s->queue = child->queue_next;
	if (!s->queue)
		s->queue_end = &s->queue;
	child->queue_next = NULL;
	s->queued--;
	set_pause(s);
	return child;
}

/* Those that were not accepted are reset. */
void door_unlisten(struct door_socket *s)
{
	struct door_socket *child;

	if (s->listener)
		tcp_unlisten(s->listener);
	s->listener = NULL;
	s->state = DOOR_IDLE;
	while ((child = take_child(s))) {
		if (child->conn)
			tcp_abort(child->conn);
		door_socket_forget(child);
	}
}

int kiln_door_listen(struct kiln_door *door, int fd, int backlog)
{
	struct door_call call;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call, s ? door_listen(s, backlog) : -EBADF);
}

static int socket_accept(struct door_call *call, struct door_socket *s,
                         struct sockaddr *address, socklen_t *size, int flags)
{
	int result = 0;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) || (size && *size > INT_MAX))
		return -EINVAL;
	if (address && !size)
		return -EFAULT;
	if (!door_is_stream(s))
		return -EOPNOTSUPP;
	door_set_timeout(call, s->set.receive_timeout);
	while (!s->queue) {
		if (s->closed)
			return -EBADF;
		if (s->state != DOOR_LISTENING)
			return -EINVAL;
		result = s->set.nonblocking ? -EAGAIN : door_wait(call);
		if (result)
			return result;
	}
	result = door_socket_install(s->queue);
	if (result < 0)
		return result;
	struct door_socket *child = take_child(s);
	child->set.nonblocking = flags & SOCK_NONBLOCK;
	child->set.close_on_exec = flags & SOCK_CLOEXEC;
	if (address) /* it has been looked at before */
		(void)door_address_write(child, &child->peer, address, size);
	return result;
}

int kiln_door_accept4(struct kiln_door *door, int fd, struct sockaddr *address,
                      socklen_t *size, int flags)
{
	struct door_call call;
	int result = -EBADF;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (s) {
		door_hold(&call, s);
		result = socket_accept(&call, s, address, size, flags);
	}
	return (int)door_leave(&call, result);
}

int kiln_door_accept(struct kiln_door *door, int fd, struct sockaddr *address,
                     socklen_t *size)
{
	return kiln_door_accept4(door, fd, address, size, 0);
}
