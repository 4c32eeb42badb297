/*
 * Readiness, as Linux tells it.
 */
#include "door_private.h"

static short ready(struct door_socket *s)
{
	return door_is_stream(s) ? door_stream_poll(s) : door_datagram_poll(s);
}

static int look(struct kiln_door *door, struct pollfd *fds, nfds_t count)
{
	int found = 0;

	for (nfds_t i = 0; i < count; i++) {
		struct door_socket *s = door_socket_get(door, fds[i].fd);

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		fds[i].revents =
		    s ? (short)(ready(s) & (fds[i].events | POLLERR | POLLHUP))
		      : POLLNVAL;
		found += fds[i].revents != 0;
	}
	return found;
}

static int wait_for_any(struct door_call *call, struct pollfd *fds, nfds_t count,
                        int timeout)
{
	for (;;) {
		int found = look(call->door, fds, count);
		int error;

		if (found || timeout == 0)
			return found;
		error = door_wait(call);
		if (error)
			return error == -EAGAIN ? 0 : error;
	}
}

int kiln_door_poll(struct kiln_door *door, struct pollfd *fds, nfds_t count, int timeout)
{
	struct door_call call;

	door_enter(&call, door);
	if (count > DOOR_SOCKETS || (count && !fds))
		return (int)door_leave(&call, fds ? -EINVAL : -EFAULT);
	if (timeout > 0)
		door_set_timeout(&call, KILN_MS((unsigned)timeout));
	return (int)door_leave(&call, wait_for_any(&call, fds, count, timeout));
}
