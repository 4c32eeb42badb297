/*
 * Descriptors, and the calls that are the same for all sockets: socket, bind, connect,
 * names, shutdown, close, fcntl.
 *
 * A socket that is closed while calls of other threads wait in it is gone from the table at
 * once; those find it closed (EBADF), and the last of them frees it.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "door_private.h"

enum { SYN_TRIES = 7 }; /* after which the user timeout is over as well */
enum { EPHEMERAL_FIRST = 32768, EPHEMERAL_COUNT = 28232 }; /* as on Linux */

/* ---- descriptors ---- */

struct door_socket *door_socket_new(struct kiln_door *door, int domain, int type)
{
	struct door_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->door = door;
	s->fd = -1;
	s->domain = domain;
	s->type = type;
	s->queue_end = &s->queue;
	s->datagrams_end = &s->datagrams;
	s->set.receive_buffer = door->receive_buffer;
	s->set.send_buffer = door->send_buffer;
	s->set.discover = IP_PMTUDISC_WANT;
	s->set.quick_ack = true;
	s->set.receive_low = 1;
	s->set.syn_tries = SYN_TRIES;
	s->set.linger2 = 60;
	s->set.keep_idle = 7200;
	s->set.keep_interval = 75;
	s->set.keep_count = 9;
	if (domain == AF_INET) /* of which 0.0.0.0 is all */
		s->local.addr = s->peer.addr = ip_from4(ip4_of(0));
	return s;
}

int door_socket_install(struct door_socket *s)
{
	for (int i = 0; i < DOOR_SOCKETS; i++) {
		if (!s->door->sockets[i]) {
			s->door->sockets[i] = s;
			s->fd = i + DOOR_FIRST_FD;
			return s->fd;
		}
	}
	return -EMFILE;
}

struct door_socket *door_socket_get(struct kiln_door *door, int fd)
{
	int i = fd - DOOR_FIRST_FD;

	return fd >= DOOR_FIRST_FD && i < DOOR_SOCKETS ? door->sockets[i] : NULL;
}

static void socket_free(struct door_socket *s)
{
	while (s->datagrams) {
		struct door_datagram *d = s->datagrams;

		s->datagrams = d->next;
		free(d);
	}
	door_reports_free(s);
	free(s->left);
	free(s);
}

void door_socket_release(struct door_socket *s)
{
	if (--s->users == 0 && s->closed)
		socket_free(s);
}

void door_socket_forget(struct door_socket *s)
{
	while (s->queue) {
		struct door_socket *child = s->queue;

		s->queue = child->queue_next;
		socket_free(child);
	}
	socket_free(s);
}

int kiln_door_socket(struct kiln_door *door, int domain, int type, int protocol)
{
	enum { MOST = SOCK_PACKET };
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	int own = kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	struct door_call call;
	int result;

	door_enter(&call, door);
	if (kind < 0 || kind > MOST || protocol < 0)
		return (int)door_leave(&call, -EINVAL);
	if (domain != AF_INET && domain != AF_INET6)
		return (int)door_leave(&call, -EAFNOSUPPORT);
	if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
		return (int)door_leave(&call, -ESOCKTNOSUPPORT);
	if (protocol != 0 && protocol != own)
		return (int)door_leave(&call, -EPROTONOSUPPORT);
	struct door_socket *s = door_socket_new(door, domain, kind);
	if (!s)
		return (int)door_leave(&call, -ENOMEM);
	s->set.nonblocking = type & SOCK_NONBLOCK;
	s->set.close_on_exec = type & SOCK_CLOEXEC;
	result = door_socket_install(s);
	if (result < 0)
		socket_free(s);
	return (int)door_leave(&call, result);
}

/* ---- ports ---- */

static bool overlap(const struct ip_addr *a, bool a_only, const struct ip_addr *b,
                    bool b_only)
{
	return local_match(a, a_only, b) || local_match(b, b_only, a);
}

static bool may_share(const struct door_socket *a, const struct door_socket *b)
{
	if (a->set.reuse_port && b->set.reuse_port)
		return true;
	return a->set.reuse_address && b->set.reuse_address &&
	       a->state != DOOR_LISTENING && b->state != DOOR_LISTENING;
}

bool door_port_is_free(const struct door_socket *s, const struct endpoint *local)
{
	const struct kiln_door *door = s->door;

	for (int i = 0; i < DOOR_SOCKETS; i++) {
		const struct door_socket *other = door->sockets[i];

		if (!other || other == s || other->type != s->type ||
		    other->local.port != local->port)
			continue;
		if (overlap(&local->addr, s->set.ip6_only, &other->local.addr,
		            other->set.ip6_only) &&
		    !may_share(s, other))
			return false;
	}
	/* Connections that their sockets have left behind, TIME-WAIT above all. */
	return !door_is_stream(s) || s->set.reuse_address ||
	       !tcp_port_is_used(door->tcp, local->port);
}

uint16_t door_port_choose(const struct door_socket *s)
{
	uint32_t start = random_below(&s->door->kiln.random, EPHEMERAL_COUNT);

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		struct endpoint local = {s->local.addr, 0};

		local.port = (uint16_t)(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT);
		if (door_port_is_free(s, &local) &&
		    !tcp_port_is_used(s->door->tcp, local.port))
			return local.port;
	}
	return 0;
}

static int socket_bind(struct door_socket *s, const struct sockaddr *address,
                       socklen_t size)
{
	struct endpoint local;
	int error = door_address_read(s, address, size, &local);

	if (error)
		return error;
	if (s->local.port != 0 || s->state != DOOR_IDLE)
		return -EINVAL;
	if (s->set.ip6_only && ip_is4(&local.addr))
		return -EINVAL;
	if (!local_is_any(&local.addr) && !net_loopback_has(s->door->net, &local.addr))
		return -EADDRNOTAVAIL;
	s->local.addr = local.addr;
	if (local.port == 0)
		local.port = door_port_choose(s);
	if (local.port == 0 || !door_port_is_free(s, &local)) {
		error = -EADDRINUSE;
	} else if (!door_is_stream(s)) {
		error = door_datagram_bind(s, &local);
	}
	if (error)
		s->local.addr =
		    s->domain == AF_INET ? ip_from4(ip4_of(0)) : (struct ip_addr){{0}};
	else
		s->local = local;
	return error;
}

int kiln_door_bind(struct kiln_door *door, int fd, const struct sockaddr *address,
                   socklen_t size)
{
	struct door_call call;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call, s ? socket_bind(s, address, size) : -EBADF);
}

/* ---- connect, names ---- */

static int socket_connect(struct door_call *call, struct door_socket *s,
                          const struct sockaddr *address, socklen_t size)
{
	struct endpoint to;
	int error;

	if (address && size >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC) {
		if (door_is_stream(s))
			door_stream_disconnect(s);
		else
			door_datagram_disconnect(s);
		return 0;
	}
	error = door_address_read(s, address, size, &to);
	if (error)
		return error;
	if (s->set.ip6_only && ip_is4(&to.addr))
		return -ENETUNREACH;
	door_address_resolve(s, &to);
	return door_is_stream(s) ? door_stream_connect(call, s, &to)
	                         : door_datagram_connect(s, &to);
}

int kiln_door_connect(struct kiln_door *door, int fd, const struct sockaddr *address,
                      socklen_t size)
{
	struct door_call call;
	int result = -EBADF;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (s) {
		door_hold(&call, s);
		result = socket_connect(&call, s, address, size);
	}
	return (int)door_leave(&call, result);
}

static struct endpoint local_name(const struct door_socket *s)
{
	if (s->conn)
		return tcp_local(s->conn);
	return s->local;
}

int kiln_door_getsockname(struct kiln_door *door, int fd, struct sockaddr *address,
                          socklen_t *size)
{
	struct door_call call;
	int result = -EBADF;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (s) {
		struct endpoint local = local_name(s);

		result = door_address_write(s, &local, address, size);
	}
	return (int)door_leave(&call, result);
}

static bool has_peer(const struct door_socket *s)
{
	if (!door_is_stream(s))
		return s->peer.port != 0;
	return s->conn && (s->state == DOOR_CONNECTED || door_stream_is_established(s));
}

int kiln_door_getpeername(struct kiln_door *door, int fd, struct sockaddr *address,
                          socklen_t *size)
{
	struct door_call call;
	int result = -EBADF;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (s && !has_peer(s)) {
		result = -ENOTCONN;
	} else if (s) {
		result = door_address_write(s, &s->peer, address, size);
	}
	return (int)door_leave(&call, result);
}

/* ---- ends ---- */

static int socket_shutdown(struct door_socket *s, int how)
{
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (door_is_stream(s))
		return door_stream_shutdown(s, how);
	if (s->peer.port == 0)
		return -ENOTCONN;
	s->shut_read |= how != SHUT_WR;
	s->shut_write |= how != SHUT_RD;
	return 0;
}

int kiln_door_shutdown(struct kiln_door *door, int fd, int how)
{
	struct door_call call;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call, s ? socket_shutdown(s, how) : -EBADF);
}

int kiln_door_close(struct kiln_door *door, int fd)
{
	struct door_call call;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	if (!s)
		return (int)door_leave(&call, -EBADF);
	door->sockets[fd - DOOR_FIRST_FD] = NULL;
	s->closed = true;
	door_hold(&call, s);
	if (door_is_stream(s))
		door_stream_close(&call, s);
	else
		door_datagram_close(s);
	return (int)door_leave(&call, 0);
}

/* ---- fcntl ---- */

static int socket_fcntl(struct door_socket *s, int command, int argument)
{
	switch (command) {
	case F_GETFL:
		return O_RDWR | (s->set.nonblocking ? O_NONBLOCK : 0);
	case F_SETFL:
		s->set.nonblocking = argument & O_NONBLOCK;
		return 0;
	case F_GETFD:
		return s->set.close_on_exec ? FD_CLOEXEC : 0;
	case F_SETFD:
		s->set.close_on_exec = argument & FD_CLOEXEC;
		return 0;
	default:
		return -EINVAL;
	}
}

int kiln_door_fcntl(struct kiln_door *door, int fd, int command, ...)
{
	struct door_call call;
	int argument = 0;
	va_list args;

	va_start(args, command);
	if (command == F_SETFL || command == F_SETFD)
		argument = va_arg(args, int);
	va_end(args);
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call, s ? socket_fcntl(s, command, argument) : -EBADF);
}
