/*
 * <kiln/tcp.h> over the host's sockets: connections. See tcp_private.h for how bytes
 * move; listeners are in tcp_listen.c, the queue to send from in tcp_queue.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <kiln/tcp_congestion.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include "tcp_private.h"

KILN_LIBRARY(tcp, "0.1");

#define DEFAULT_USER_TIMEOUT KILN_SECONDS(120)

/* ---- life and death ---- */

static void mark_dirty(struct tcp_conn *conn)
{
	if (!list_linked(&conn->dirty))
		list_append(&conn->tcp->dirty, &conn->dirty);
}

static struct host *host_of_conn(struct tcp_conn *conn)
{
	return conn->tcp->net->host;
}

/* Closes the socket; the struct stays until the iteration ends. */
static void release(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	if (conn->dead)
		return;
	conn->dead = true;
	loop_cancel(&conn->wake);
	host_file_close(&conn->file);
	list_remove(&conn->dirty);
	list_remove(&conn->node);
	tcp_queue_clear(&conn->queue);
	free(conn->unread);
	conn->unread = NULL;
	list_append(&tcp->closed_conns, &conn->node);
	tcp->counters.conns--;
}

/* Closes the socket so that the peer gets a reset. */
static void reset(struct tcp_conn *conn)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(conn->file.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	conn->tcp->counters.resets_out++;
	release(conn);
}

static enum kiln_error error_of(int number)
{
	switch (number) {
	case ECONNREFUSED:
		return KILN_ERR_REFUSED;
	case ETIMEDOUT:
		return KILN_ERR_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case EACCES: /* the host's firewall */
	case EPERM:
		return KILN_ERR_UNREACHABLE;
	default:
		return KILN_ERR_RESET;
	}
}

/* The connection is gone by no doing of its owner. */
static void fail(struct tcp_conn *conn, enum kiln_error why)
{
	const struct tcp_events *events = conn->closing ? NULL : conn->events;

	if (why == KILN_ERR_RESET)
		conn->tcp->counters.resets_in++;
	conn->closing = true;
	if (events && events->closed) /* who may read what is left */
		events->closed(conn, conn->user, why);
	release(conn);
}

static void notify(struct tcp_conn *conn)
{
	if (!conn->dead && !conn->closing && conn->events && conn->events->ready)
		conn->events->ready(conn, conn->user);
}

static void wake_run(struct loop_work *work)
{
	notify(kiln_container(work, struct tcp_conn, wake));
}

/* ---- receiving ---- */

/* Copies bytes behind the unread ones that are kept. False: no memory. */
static bool keep(struct tcp_conn *conn, struct slice s)
{
	size_t kept = conn->unread_end - conn->unread_start;

	if (s.len == 0)
		return true;
	if (conn->unread_start && conn->unread_end + s.len > conn->unread_room) {
		memmove(conn->unread, conn->unread + conn->unread_start, kept);
		conn->unread_start = 0;
		conn->unread_end = kept;
	}
	if (conn->unread_end + s.len > conn->unread_room) {
		size_t room = KILN_MAX(kept * 2, kept + s.len);
		uint8_t *unread = realloc(conn->unread, room);
		if (!unread)
			return false;
		conn->unread = unread;
		conn->unread_room = room;
	}
	memcpy(conn->unread + conn->unread_end, s.data, s.len);
	conn->unread_end += s.len;
	return true;
}

/* Bytes have come, in tcp->scratch: the owner sees them there, if none are before them.
 */
static void deliver(struct tcp_conn *conn, struct slice bytes)
{
	bool kept = true;

	conn->tcp->counters.bytes_in += bytes.len;
	if (conn->unread_end > conn->unread_start)
		kept = keep(conn, bytes);
	else
		conn->fresh = bytes;
	if (kept)
		notify(conn);
	if (conn->dead)
		return;
	kept = kept && keep(conn, conn->fresh);
	conn->fresh = slice_of(NULL, 0);
	if (!kept) {
		conn->tcp->counters.drop_no_memory++;
		fail(conn, KILN_ERR_RESET);
	}
}

/* The owner is gone: bytes that come now are answered by a reset (RFC 1122, 4.2.2.13). */
static void discard(struct tcp_conn *conn)
{
	uint8_t byte;
	ssize_t n = recv(conn->file.fd, &byte, 1, 0);

	conn->readable = false;
	if (n > 0)
		reset(conn);
	else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		release(conn);
}

static void input(struct tcp_conn *conn)
{
	size_t unread = tcp_unread(conn);
	size_t room = conn->receive_limit > unread ? conn->receive_limit - unread : 0;
	ssize_t n;

	room = KILN_MIN(room, (size_t)TCP_SCRATCH);
	if (room == 0) /* tcp_consume asks for another turn */
		return;
	n = recv(conn->file.fd, conn->tcp->scratch, room, 0);
	if (n > 0) {
		/* Less than asked for: that was all, unless the end is behind it. */
		conn->readable = (size_t)n == room || conn->hung_up;
		deliver(conn, slice_of(conn->tcp->scratch, (size_t)n));
	} else if (n == 0) {
		conn->readable = false;
		conn->at_end = true;
		notify(conn);
	} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
		conn->readable = false;
	} else if (errno != EINTR) {
		fail(conn, error_of(errno));
	}
	if (!conn->dead && conn->readable)
		host_again(host_of_conn(conn), &conn->file);
}

/* ---- turns ---- */

static void connected(struct tcp_conn *conn)
{
	int error = 0;
	socklen_t size = sizeof(error);

	conn->connecting = false;
	getsockopt(conn->file.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		fail(conn, error_of(error));
		return;
	}
	mark_dirty(conn); /* it may have been shut down already */
	notify(conn);
}

static void conn_turn(struct host_file *file, uint32_t events)
{
	struct tcp_conn *conn = kiln_container(file, struct tcp_conn, file);

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->hung_up = true;
	if (conn->connecting) {
		if (!(events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
			return;
		connected(conn);
		if (conn->dead)
			return;
	}
	if (conn->error) {
		fail(conn, conn->error);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->readable = true;
	if (conn->crowded && !tcp_queue_crowded(&conn->queue)) {
		conn->crowded = false;
		notify(conn);
	}
	if (!conn->dead && conn->readable && !conn->at_end) {
		if (conn->closing)
			discard(conn);
		else
			input(conn);
	}
	if (!conn->dead && (events & EPOLLOUT) && conn->queue.first)
		mark_dirty(conn);
}

/* The iteration ends: what was queued in it leaves together. */
static void output(struct tcp_conn *conn)
{
	struct tcp_counters *counters = &conn->tcp->counters;
	size_t before = conn->queue.bytes;
	bool all;

	if (conn->connecting)
		return;
	all = tcp_queue_send(&conn->queue, conn->file.fd);
	counters->bytes_out += before - conn->queue.bytes;
	if (!all) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
			conn->crowded =
			    true; /* EPOLLOUT comes; the owner may wait, too */
			return;
		} else if (conn->closing) {
			release(conn);
			return;
		} else {
			conn->error = error_of(errno);
			tcp_queue_clear(&conn->queue);
		}
	}
	if (conn->error || (conn->crowded && !tcp_queue_crowded(&conn->queue)))
		host_again(host_of_conn(conn), &conn->file);
	if (conn->queue.first)
		return;
	if (conn->shut && !conn->fin_sent) {
		conn->fin_sent = true;
		shutdown(conn->file.fd, SHUT_WR);
	}
	if (conn->closing)
		release(conn);
}

static void tcp_flush(struct host_hook *hook)
{
	struct tcp *tcp = kiln_container(hook, struct tcp, hook);
	struct list *node;

	while ((node = list_pop(&tcp->dirty)))
		output(kiln_container(node, struct tcp_conn, dirty));
	while ((node = list_pop(&tcp->closed_conns)))
		free(kiln_container(node, struct tcp_conn, node));
	tcp_listeners_free_closed(tcp);
}

static void tcp_end(struct host_hook *hook)
{
	struct tcp *tcp = kiln_container(hook, struct tcp, hook);

	tcp_flush(hook); /* the last answers, as far as the sockets take them */
	while (!list_empty(&tcp->conns))
		release(kiln_container(tcp->conns.next, struct tcp_conn, node));
	tcp_listeners_end(tcp);
	tcp_flush(hook);
	free(tcp->scratch);
	free(tcp);
}

/* ---- opening ---- */

struct tcp *tcp_new_with(struct net *net, const struct tcp_config *config)
{
	return tcp_new(net);
}

struct tcp *tcp_new(struct net *net)
{
	struct kiln *k = &net->host->kiln;
	struct tcp *tcp = host_alloc(k, sizeof(*tcp));

	tcp->net = net;
	tcp->scratch = host_alloc(k, TCP_SCRATCH);
	pool_init(&tcp->chunks, k, CHUNK_TOTAL,
	          (unsigned)(arena_left(&k->arena) / 4 / CHUNK_TOTAL), "connections");
	tcp->share.chunks = &tcp->chunks;
	tcp->counters.conn_bytes = sizeof(struct tcp_conn);
	list_init(&tcp->conns);
	list_init(&tcp->dirty);
	list_init(&tcp->listeners);
	list_init(&tcp->closed_conns);
	list_init(&tcp->closed_listeners);
	tcp->hook.flush = tcp_flush;
	tcp->hook.end = tcp_end;
	host_hook_add(net->host, &tcp->hook);
	return tcp;
}

void tcp_slab_pool(struct tcp *tcp, struct slab_pool *pool, size_t size)
{
	slab_pool_init(pool, &tcp->share, size);
}

struct kiln *tcp_kiln(const struct tcp *tcp)
{
	return &tcp->net->host->kiln;
}

struct tcp *tcp_of(const struct tcp_conn *conn)
{
	return conn->tcp;
}

/* The host's own, by the name that it knows them by. */
const struct tcp_congestion tcp_cubic = {.name = "cubic"};
const struct tcp_congestion tcp_newreno = {.name = "reno"};

/* The host's administrator decides of Fast Open. */
struct tcp_fast_open {
	bool of_host;
};
const struct tcp_fast_open tcp_fast_open = {true};

void tcp_set_congestion(struct tcp_conn *conn, const struct tcp_congestion *congestion)
{
	setsockopt(conn->file.fd, IPPROTO_TCP, TCP_CONGESTION, congestion->name,
	           (socklen_t)strlen(congestion->name));
}

static void set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

void tcp_socket_defaults(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
	           (int)(DEFAULT_USER_TIMEOUT / KILN_MS(1)));
}

struct tcp_conn *tcp_conn_new(struct tcp *tcp, int fd)
{
	struct tcp_conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		close(fd);
		return NULL;
	}
	conn->tcp = tcp;
	conn->receive_limit = TCP_RECEIVE_LIMIT;
	conn->file.fd = fd;
	conn->file.ready = conn_turn;
	list_init(&conn->node);
	list_init(&conn->dirty);
	loop_work_init(&conn->wake, wake_run);
	if (!host_watch(tcp->net->host, &conn->file)) {
		close(fd);
		free(conn);
		return NULL;
	}
	list_append(&tcp->conns, &conn->node);
	tcp->counters.conns++;
	tcp->counters.conns_most =
	    KILN_MAX(tcp->counters.conns_most, tcp->counters.conns);
	return conn;
}

/* The option says from which address; those of all (RFC 4291, 2.5.2) leave it open. */
static bool bind_source(const struct net *net, int fd, sa_family_t family)
{
	struct endpoint from = {net->bind, 0};
	union host_sockaddr source;
	socklen_t size = host_sockaddr_of(&source, &from, family);
	bool v4 = ip_is4(&net->bind);

	if (v4 != (family == AF_INET) || ip6_is_unspecified(&net->bind) ||
	    (v4 && ip4_value(ip_to4(&net->bind)) == INADDR_ANY))
		return true;
	set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return bind(fd, &source.any, size) == 0;
}

/* A socket on its way to the peer. -1: errno. */
static int open_connecting(const struct net *net, const struct endpoint *to)
{
	sa_family_t family = ip_is4(&to->addr) ? AF_INET : AF_INET6;
	union host_sockaddr address;
	socklen_t size = host_sockaddr_of(&address, to, family);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -1;
	tcp_socket_defaults(fd);
	if (bind_source(net, fd, family) &&
	    (connect(fd, &address.any, size) == 0 || errno == EINPROGRESS))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

enum kiln_error tcp_connect(struct tcp *tcp, const struct endpoint *to,
                            const struct tcp_events *events, void *user,
                            struct tcp_conn **conn)
{
	int fd = open_connecting(tcp->net, to);
	struct tcp_conn *c;

	if (fd < 0) {
		if (errno == EADDRNOTAVAIL || errno == EADDRINUSE)
			return KILN_ERR_IN_USE;
		return errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		               errno == ENOMEM
		           ? KILN_ERR_MEMORY
		           : KILN_ERR_UNREACHABLE;
	}
	c = tcp_conn_new(tcp, fd);
	if (!c)
		return KILN_ERR_MEMORY;
	c->connecting = true;
	tcp_own(c, events, user);
	tcp->counters.opened_active++;
	*conn = c;
	return KILN_OK;
}

void tcp_own(struct tcp_conn *conn, const struct tcp_events *events, void *user)
{
	conn->events = events;
	conn->user = user;
}

void tcp_wake(struct tcp_conn *conn)
{
	loop_defer(&host_of_conn(conn)->kiln.loop, &conn->wake);
}

/* ---- the owner receives ---- */

struct slice tcp_peek(struct tcp_conn *conn)
{
	if (conn->fresh.len)
		return conn->fresh;
	if (conn->unread_end == conn->unread_start)
		return slice_of(NULL, 0);
	return slice_of(conn->unread + conn->unread_start,
	                conn->unread_end - conn->unread_start);
}

size_t tcp_unread(const struct tcp_conn *conn)
{
	return conn->fresh.len + conn->unread_end - conn->unread_start;
}

void tcp_consume(struct tcp_conn *conn, size_t n)
{
	kiln_assert(n <= tcp_unread(conn));
	if (conn->fresh.len) {
		conn->fresh = slice_skip(conn->fresh, n);
	} else {
		conn->unread_start += n;
		if (conn->unread_start == conn->unread_end) {
			free(conn->unread);
			conn->unread = NULL;
			conn->unread_start = conn->unread_end = conn->unread_room = 0;
		}
	}
	if (conn->readable)
		host_again(host_of_conn(conn), &conn->file);
}

size_t tcp_read(struct tcp_conn *conn, void *out, size_t size)
{
	struct slice bytes = slice_take(tcp_peek(conn), size);

	if (bytes.len)
		memcpy(out, bytes.data, bytes.len);
	tcp_consume(conn, bytes.len);
	return bytes.len;
}

bool tcp_at_end(const struct tcp_conn *conn)
{
	return conn->at_end && tcp_unread(conn) == 0;
}

/* ---- the owner sends ---- */

bool tcp_can_send(const struct tcp_conn *conn)
{
	return !conn->connecting && !conn->shut && !conn->dead && !conn->error;
}

size_t tcp_send_room(const struct tcp_conn *conn)
{
	return tcp_can_send(conn) ? TCP_SEND_LIMIT - conn->queue.copied : 0;
}

size_t tcp_send(struct tcp_conn *conn, struct slice s)
{
	size_t taken;

	if (!tcp_can_send(conn))
		return 0;
	taken = tcp_queue_copy(&conn->queue, s);
	conn->crowded = conn->crowded || tcp_queue_crowded(&conn->queue);
	mark_dirty(conn);
	return taken;
}

bool tcp_send_static(struct tcp_conn *conn, struct slice s)
{
	if (!tcp_can_send(conn))
		return false;
	if (s.len && !tcp_queue_reference(&conn->queue, s)) {
		conn->crowded = true;
		return false;
	}
	conn->crowded = conn->crowded || tcp_queue_crowded(&conn->queue);
	mark_dirty(conn);
	return true;
}

size_t tcp_unsent(const struct tcp_conn *conn)
{
	int in_kernel = 0;

	if (ioctl(conn->file.fd, SIOCOUTQ, &in_kernel) != 0 || in_kernel < 0)
		in_kernel = 0;
	return conn->queue.bytes + (size_t)in_kernel;
}

/* ---- the owner ends ---- */

void tcp_shutdown(struct tcp_conn *conn)
{
	conn->shut = true;
	mark_dirty(conn);
}

void tcp_close(struct tcp_conn *conn)
{
	if (tcp_unread(conn) || conn->error) {
		reset(conn);
		return;
	}
	if (conn->connecting) {
		release(conn);
		return;
	}
	conn->closing = true;
	conn->shut = true;
	loop_cancel(&conn->wake);
	mark_dirty(conn); /* the socket is closed behind the last byte */
}

void tcp_abort(struct tcp_conn *conn)
{
	reset(conn);
}

/* ---- settings and facts ---- */

void tcp_set_user_timeout(struct tcp_conn *conn, kiln_time timeout)
{
	kiln_time ms = KILN_MIN(timeout / KILN_MS(1), (kiln_time)INT32_MAX);

	set_option(conn->file.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);
}

/* Sockets count these in whole seconds. */
static int whole_seconds(kiln_time duration)
{
	kiln_time s = (duration + KILN_SECONDS(1) - 1) / KILN_SECONDS(1);

	return (int)KILN_MAX(1u, KILN_MIN(s, 32767u));
}

void tcp_set_keepalive(struct tcp_conn *conn, kiln_time idle, kiln_time interval,
                       unsigned probes)
{
	int fd = conn->file.fd;

	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, idle != 0);
	if (idle == 0)
		return;
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(idle));
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(interval));
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT,
	           (int)KILN_MAX(1u, KILN_MIN(probes, 127u)));
}

void tcp_set_nodelay(struct tcp_conn *conn, bool on)
{
	set_option(conn->file.fd, IPPROTO_TCP, TCP_NODELAY, on);
}

void tcp_set_receive_limit(struct tcp_conn *conn, size_t bytes)
{
	conn->receive_limit = KILN_MAX(bytes, 1u);
	if (conn->readable)
		host_again(host_of_conn(conn), &conn->file);
}

struct endpoint tcp_local(const struct tcp_conn *conn)
{
	union host_sockaddr address = {.any.sa_family = AF_UNSPEC};
	socklen_t size = sizeof(address);

	getsockname(conn->file.fd, &address.any, &size);
	return host_endpoint_of(&address);
}

struct endpoint tcp_remote(const struct tcp_conn *conn)
{
	union host_sockaddr address = {.any.sa_family = AF_UNSPEC};
	socklen_t size = sizeof(address);

	getpeername(conn->file.fd, &address.any, &size);
	return host_endpoint_of(&address);
}

const char *tcp_state_text(const struct tcp_conn *conn)
{
	static const char *const name[] = {
	    [TCP_ESTABLISHED] = "ESTABLISHED",
	    [TCP_SYN_SENT] = "SYN-SENT",
	    [TCP_SYN_RECV] = "SYN-RECEIVED",
	    [TCP_FIN_WAIT1] = "FIN-WAIT-1",
	    [TCP_FIN_WAIT2] = "FIN-WAIT-2",
	    [TCP_TIME_WAIT] = "TIME-WAIT",
	    [TCP_CLOSE] = "CLOSED",
	    [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	    [TCP_LAST_ACK] = "LAST-ACK",
	    [TCP_LISTEN] = "LISTEN",
	    [TCP_CLOSING] = "CLOSING",
	};
	struct tcp_info info = {.tcpi_state = TCP_CLOSE};
	socklen_t size = sizeof(info);

	getsockopt(conn->file.fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info.tcpi_state < KILN_COUNT_OF(name) && name[info.tcpi_state]
	           ? name[info.tcpi_state]
	           : "CLOSED";
}

void tcp_counters(const struct tcp *tcp, struct tcp_counters *counters)
{
	*counters = tcp->counters;
}
