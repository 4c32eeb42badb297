/*
 * UDP sockets: datagrams wait in a queue until they are read, within the receive buffer. The
 * stack's own socket is made when the first call needs a port.
 */
#include <stdlib.h>
#include <string.h>
#include "door_private.h"
#include "../../lib/net/stack.h"

enum { RECEIVE_BUFFER = 212992, DATAGRAM_MOST = 65507, DATAGRAM_COST = 256 };

/* ---- what the stack tells ---- */

static void receive(struct udp_socket *socket, const struct udp_datagram *datagram,
                    void *context)
{
	struct door_socket *s = context;
	size_t most = s->set.receive_buffer ? s->set.receive_buffer : RECEIVE_BUFFER;
	struct door_datagram *d;

	if (s->datagram_bytes >= most)
		return; /* lost, as on every host that is not read from */
	d = malloc(sizeof(*d) + datagram->payload.len);
	if (!d)
		return;
	d->next = NULL;
	d->from = datagram->from;
	d->to = datagram->to;
	d->size = datagram->payload.len;
	if (d->size)
		memcpy(d->bytes, datagram->payload.data, d->size);
	*s->datagrams_end = d;
	s->datagrams_end = &d->next;
	s->datagram_bytes += d->size + DATAGRAM_COST;
}

static void error(struct udp_socket *socket, const struct udp_error *e, void *context)
{
	struct door_socket *s = context;
	bool fatal;
	int number = door_icmp_errno(!ip_is4(&e->to.addr), e->type, e->code, &fatal);

	if (e->too_big && s->set.discover == IP_PMTUDISC_DONT)
		return;
	if (s->set.told_errors)
		door_report_add(s, e, number);
	if (s->set.told_errors || (fatal && s->peer.port != 0))
		s->error = number;
}

/* ---- bind, connect ---- */

int door_datagram_bind(struct door_socket *s, const struct endpoint *local)
{
	const struct udp_bind_options options = {
	    .local = *local,
	    .ip6_only = s->set.ip6_only,
	    .shared = true, /* whether it may is known here: door_port_is_free */
	    .receive = receive,
	    .error = error,
	    .context = s,
	};
	enum kiln_error failed = udp_bind_to(s->door->udp, &options, &s->udp);

	if (failed)
		return failed == KILN_ERR_IN_USE ? -EADDRINUSE : -ENOBUFS;
	s->local.addr = local->addr;
	s->local.port = udp_port(s->udp);
	return 0;
}

static int bind_somewhere(struct door_socket *s)
{
	struct endpoint local = s->local;

	if (s->udp)
		return 0;
	local.port = door_port_choose(s);
	return local.port ? door_datagram_bind(s, &local) : -EAGAIN;
}

static bool is_broadcast(const struct ip_addr *addr)
{
	return ip_is4(addr) && ip4_value(ip_to4(addr)) == UINT32_MAX;
}

int door_datagram_connect(struct door_socket *s, const struct endpoint *to)
{
	struct ip_addr src;
	int failed;

	if (is_broadcast(&to->addr) && !s->set.broadcast)
		return -EACCES;
	if (!net_source(s->door->net, &to->addr, &src))
		return -ENETUNREACH;
	failed = bind_somewhere(s);
	if (failed)
		return failed;
	if (local_is_any(&s->local.addr)) {
		s->local.addr = src;
		udp_set_local(s->udp, &src);
	}
	s->peer = *to;
	udp_connect(s->udp, to->port ? to : NULL);
	return 0;
}

void door_datagram_disconnect(struct door_socket *s)
{
	if (s->udp)
		udp_connect(s->udp, NULL);
	s->peer.port = 0;
	s->error = 0;
}

/* ---- receiving ---- */

static void tell_destination(struct door_message *m, const struct door_socket *s,
                             const struct door_datagram *d)
{
	if (d->size > m->size)
		m->flags_out |= MSG_TRUNC;
	if (m->address) /* it has been looked at: message.c */
		(void)door_address_write(s, &d->from, m->address, m->address_size);
}

static ssize_t take(struct door_socket *s, struct door_message *m)
{
	struct door_datagram *d = s->datagrams;
	size_t size = door_scatter(m, 0, slice_of(d->bytes, d->size));

	tell_destination(m, s, d);
	if (m->flags & MSG_TRUNC)
		size = d->size;
	if (m->flags & MSG_PEEK)
		return (ssize_t)size;
	s->datagrams = d->next;
	if (!s->datagrams)
		s->datagrams_end = &s->datagrams;
	s->datagram_bytes -= d->size + DATAGRAM_COST;
	free(d);
	return (ssize_t)size;
}

ssize_t door_datagram_receive(struct door_call *call, struct door_socket *s,
                              struct door_message *m)
{
	bool once = s->set.nonblocking || m->flags & MSG_DONTWAIT;

	if (m->flags & MSG_ERRQUEUE)
		return door_report_take(s, m);
	door_set_timeout(call, s->set.receive_timeout);
	for (;;) {
		int failed;

		if (s->closed)
			return -EBADF;
		if (s->error)
			return -door_take_error(s);
		if (s->datagrams)
			return take(s, m);
		if (s->shut_read)
			return 0;
		failed = once ? -EAGAIN : door_wait(call);
		if (failed)
			return failed;
	}
}

/* ---- sending ---- */

static int send_errno(enum kiln_error failed)
{
	switch (failed) {
	case KILN_OK:
	case KILN_ERR_FULL: /* lost on its way, as far as anybody can tell */
		return 0;
	case KILN_ERR_TOO_LARGE:
		return -EMSGSIZE;
	case KILN_ERR_UNREACHABLE:
		return -ENETUNREACH;
	default:
		return -ENOBUFS;
	}
}

/* With DF as long as it fits the path, as Linux does unless it is told otherwise. */
static enum kiln_error send_one(struct door_socket *s, const struct endpoint *to,
                                struct slice payload)
{
	struct udp_send_options options = {
	    .src = local_is_any(&s->local.addr) ? NULL : &s->local.addr,
	    .ttl = s->set.ttl,
	    .tos = (uint8_t)s->set.tos,
	    .whole = s->set.discover != IP_PMTUDISC_DONT,
	};
	enum kiln_error failed = udp_send_with(s->udp, to, payload, &options);

	if (failed == KILN_ERR_TOO_LARGE && s->set.discover == IP_PMTUDISC_WANT) {
		options.whole = false;
		failed = udp_send_with(s->udp, to, payload, &options);
	}
	return failed;
}

static int send_gathered(struct door_socket *s, const struct endpoint *to,
                         const struct door_message *m)
{
	uint8_t *bytes = malloc(m->size + 1);
	struct writer w = writer_of(bytes, m->size);
	int result;

	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < m->count; i++)
		writer_bytes(&w, slice_of(m->parts[i].iov_base, m->parts[i].iov_len));
	result = send_errno(send_one(s, to, writer_done(&w)));
	free(bytes);
	return result;
}

static int destination(const struct door_socket *s, const struct door_message *m,
                       struct endpoint *to)
{
	if (!m->address) {
		*to = s->peer;
		return s->peer.port ? 0 : -EDESTADDRREQ;
	}
	int failed = door_address_read(s, m->address, m->to_size, to);

	if (failed)
		return failed;
	if (to->port == 0)
		return -EINVAL;
	if (s->set.ip6_only && ip_is4(&to->addr))
		return -ENETUNREACH;
	door_address_resolve(s, to);
	return is_broadcast(&to->addr) && !s->set.broadcast ? -EACCES : 0;
}

ssize_t door_datagram_send(struct door_call *call, struct door_socket *s,
                           const struct door_message *m)
{
	struct endpoint to;
	int failed;

	if (m->size > DATAGRAM_MOST)
		return -EMSGSIZE;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	failed = destination(s, m, &to);
	if (!failed && s->shut_write)
		failed = -EPIPE;
	if (!failed && s->error)
		failed = -door_take_error(s);
	if (!failed)
		failed = bind_somewhere(s);
	if (!failed)
		failed = send_gathered(s, &to, m);
	return failed ? failed : (ssize_t)m->size;
}

void door_datagram_close(struct door_socket *s)
{
	if (s->udp)
		udp_close(s->udp);
	s->udp = NULL;
}

short door_datagram_poll(const struct door_socket *s)
{
	short ready = POLLOUT | POLLWRNORM;

	if (s->datagrams || s->shut_read)
		ready |= POLLIN | POLLRDNORM;
	if (s->shut_read)
		ready |= POLLRDHUP;
	if (s->shut_read && s->shut_write)
		ready |= POLLHUP;
	if (s->error || s->reports)
		ready |= POLLERR;
	return ready;
}
