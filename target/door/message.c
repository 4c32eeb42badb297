/*
 * The read and write family: each call makes a struct door_message of what it was given, and
 * one function for each direction does the rest.
 */
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include "door_private.h"

size_t door_scatter(const struct door_message *m, size_t offset, struct slice bytes)
{
	size_t done = 0;

	for (size_t i = 0; i < m->count && done < bytes.len; i++) {
		struct writer w = writer_of(m->parts[i].iov_base, m->parts[i].iov_len);

		if (offset >= writer_left(&w)) {
			offset -= writer_left(&w);
			continue;
		}
		(void)writer_room(&w, offset);
		offset = 0;
		struct slice part = slice_take(slice_skip(bytes, done), writer_left(&w));
		writer_bytes(&w, part);
		done += part.len;
	}
	return done;
}

void door_control_put(struct door_message *m, int level, int type, const void *data,
                      size_t size)
{
	struct cmsghdr header = {CMSG_LEN(size), level, type};
	struct writer w = writer_of(m->control, m->control_size);

	(void)writer_room(&w, m->control_used);
	if (writer_left(&w) < header.cmsg_len) {
		m->flags_out |= MSG_CTRUNC;
		return;
	}
	writer_bytes(&w, slice_of(&header, sizeof(header)));
	(void)writer_room(&w, CMSG_LEN(0) - sizeof(header));
	writer_bytes(&w, slice_of(data, size));
	m->control_used += KILN_MIN(CMSG_SPACE(size), m->control_size - m->control_used);
}

/* The sum of the parts; -EINVAL if that is no size. A stream's bytes can be thrown away. */
static int measure(struct door_message *m, bool need_place)
{
	m->size = 0;
	if (m->count > IOV_MAX)
		return -EINVAL;
	if (m->count && !m->parts)
		return -EFAULT;
	for (size_t i = 0; i < m->count; i++) {
		if (m->parts[i].iov_len > (size_t)SSIZE_MAX - m->size)
			return -EINVAL;
		if (need_place && m->parts[i].iov_len && !m->parts[i].iov_base)
			return -EFAULT;
		m->size += m->parts[i].iov_len;
	}
	if (m->address && m->address_size && *m->address_size > INT_MAX)
		return -EINVAL;
	return 0;
}

/* TCP_INQ: what is still there; the end counts as a byte. */
static void tell_unread(const struct door_socket *s, struct door_message *m)
{
	int unread = (int)door_stream_unread(s);

	if (unread == 0 && door_stream_at_end(s))
		unread = 1;
	door_control_put(m, IPPROTO_TCP, TCP_CM_INQ, &unread, sizeof(unread));
}

static ssize_t receive(struct kiln_door *door, int fd, struct door_message *m)
{
	struct door_call call;
	ssize_t result = -EBADF;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (s)
		result = measure(m, !(door_is_stream(s) && m->flags & MSG_TRUNC));
	if (s && result == 0) {
		door_hold(&call, s);
		result = door_is_stream(s) ? door_stream_receive(&call, s, m)
		                           : door_datagram_receive(&call, s, m);
		/* A stream tells no address, as on Linux. */
		if (result >= 0 && door_is_stream(s) && m->address_size)
			*m->address_size = 0;
		if (result >= 0 && door_is_stream(s) && s->set.told_unread)
			tell_unread(s, m);
	}
	return door_leave(&call, result);
}

static ssize_t send_message(struct kiln_door *door, int fd, struct door_message *m)
{
	struct door_call call;
	ssize_t result = -EBADF;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (s)
		result = measure(m, true);
	if (s && result == 0) {
		door_hold(&call, s);
		result = door_is_stream(s) ? door_stream_send(&call, s, m)
		                           : door_datagram_send(&call, s, m);
	}
	return door_leave(&call, result);
}

/* ---- reading ---- */

ssize_t kiln_door_recvfrom(struct kiln_door *door, int fd, void *data, size_t size,
                           int flags, struct sockaddr *from, socklen_t *from_size)
{
	struct iovec part = {data, size};
	struct door_message m = {.parts = &part,
	                         .count = 1,
	                         .flags = flags,
	                         .address = from,
	                         .address_size = from ? from_size : NULL};

	if (from && !from_size)
		m.parts = NULL; /* EFAULT, if it is a socket */
	return receive(door, fd, &m);
}

ssize_t kiln_door_recv(struct kiln_door *door, int fd, void *data, size_t size, int flags)
{
	return kiln_door_recvfrom(door, fd, data, size, flags, NULL, NULL);
}

ssize_t kiln_door_read(struct kiln_door *door, int fd, void *data, size_t size)
{
	return kiln_door_recvfrom(door, fd, data, size, 0, NULL, NULL);
}

ssize_t kiln_door_recvmsg(struct kiln_door *door, int fd, struct msghdr *message,
                          int flags)
{
	struct door_message m = {.count = 1, .flags = flags};

	if (message) { /* else EFAULT, if it is a socket */
		m.parts = message->msg_iov;
		m.count = message->msg_iovlen;
		m.address = message->msg_name;
		m.address_size = message->msg_name ? &message->msg_namelen : NULL;
		m.control = message->msg_control;
		m.control_size = message->msg_control ? message->msg_controllen : 0;
	}
	ssize_t result = receive(door, fd, &m);

	if (result >= 0) {
		message->msg_flags = m.flags_out;
		message->msg_controllen = m.control_used;
	}
	return result;
}

/* A count that is none gives a message that is refused. */
static struct door_message message_of(const struct iovec *parts, int count)
{
	return (struct door_message){
	    .parts = (struct iovec *)(uintptr_t)parts,
	    .count = count < 0 ? SIZE_MAX : (size_t)count,
	};
}

ssize_t kiln_door_readv(struct kiln_door *door, int fd, const struct iovec *parts,
                        int count)
{
	struct door_message m = message_of(parts, count);

	return receive(door, fd, &m);
}

/* ---- writing ---- */

ssize_t kiln_door_sendto(struct kiln_door *door, int fd, const void *data, size_t size,
                         int flags, const struct sockaddr *to, socklen_t to_size)
{
	struct iovec part = {(void *)(uintptr_t)data, size};
	struct door_message m = {.parts = &part,
	                         .count = 1,
	                         .flags = flags,
	                         .address = (struct sockaddr *)(uintptr_t)to,
	                         .to_size = to_size};

	return send_message(door, fd, &m);
}

ssize_t kiln_door_send(struct kiln_door *door, int fd, const void *data, size_t size,
                       int flags)
{
	return kiln_door_sendto(door, fd, data, size, flags, NULL, 0);
}

ssize_t kiln_door_write(struct kiln_door *door, int fd, const void *data, size_t size)
{
	return kiln_door_sendto(door, fd, data, size, 0, NULL, 0);
}

ssize_t kiln_door_writev(struct kiln_door *door, int fd, const struct iovec *parts,
                         int count)
{
	struct door_message m = message_of(parts, count);

	return send_message(door, fd, &m);
}

ssize_t kiln_door_sendmsg(struct kiln_door *door, int fd, const struct msghdr *message,
                          int flags)
{
	struct door_message m = {.count = 1, .flags = flags};

	if (message) { /* else EFAULT, if it is a socket */
		m.parts = message->msg_iov;
		m.count = message->msg_iovlen;
		m.address = message->msg_name;
		m.to_size = message->msg_namelen;
	}
	return send_message(door, fd, &m);
}
