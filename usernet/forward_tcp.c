/*
 * TCP from this machine into the image: each connection that is accepted here becomes one
 * of our stack's to the image's port, and bytes, ends and resets are passed on both ways.
 *
 * Nothing is kept in between: bytes are read from the client's socket when our stack has
 * room for them, and stay in our stack's window until the client's socket takes them, so
 * that a slow reader holds its own sender back and nobody else.
 *
 * IPv4 and IPv6 clients are the same here; the image sees our stack's address.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <kiln/bytes.h>
#include <kiln/tcp.h>
#include "usernet.h"

enum { ACCEPT_AT_ONCE = 32 };
#define ACCEPT_RETRY KILN_MS(100)

struct listener {
	struct host_file file;
	struct usernet *usernet;
	struct timer retry;
	uint16_t port;
};

struct relay {
	struct host_file file; /* the client's socket */
	struct list node;      /* among those that wait for the image */
	struct usernet *usernet;
	struct tcp_conn *conn; /* NULL: not yet */
	uint16_t port;
	bool client_ended, image_ended; /* and that was passed on */
};

/* ---- ending ---- */

static void relay_free(struct relay *r)
{
	list_remove(&r->node);
	host_file_close(&r->file);
	free(r);
}

/* The client's connection ends by a reset: what it has not read is void. */
static void reset_client(struct relay *r)
{
	const struct linger at_once = {.l_onoff = 1};

	(void)setsockopt(r->file.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	relay_free(r);
}

/* The client is gone without an orderly end. */
static void reset_image(struct relay *r)
{
	if (r->conn)
		tcp_abort(r->conn);
	relay_free(r);
}

/* ---- passing on ---- */

/* False: the client is gone, and the relay with it. */
static bool pass_to_image(struct relay *r)
{
	struct usernet *usernet = r->usernet;
	size_t room;

	while (!r->client_ended && tcp_can_send(r->conn) &&
	       (room = tcp_send_room(r->conn)) > 0) {
		ssize_t got = recv(r->file.fd, usernet->buffer,
		                   KILN_MIN(room, sizeof(usernet->buffer)), 0);

		if (got > 0) {
			size_t sent =
			    tcp_send(r->conn, slice_of(usernet->buffer, (size_t)got));
			kiln_assert(sent == (size_t)got);
		} else if (got == 0) {
			r->client_ended = true;
			tcp_shutdown(r->conn);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			reset_image(r);
			return false;
		}
	}
	return true;
}

static bool pass_to_client(struct relay *r)
{
	struct slice bytes;

	while ((bytes = tcp_peek(r->conn)).len) {
		ssize_t sent = send(r->file.fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (sent >= 0) {
			tcp_consume(r->conn, (size_t)sent);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			reset_image(r);
			return false;
		}
	}
	if (tcp_at_end(r->conn) && !r->image_ended) {
		r->image_ended = true;
		(void)shutdown(r->file.fd, SHUT_WR);
	}
	return true;
}

static void pass_on(struct relay *r)
{
	if (!pass_to_client(r) || !pass_to_image(r))
		return;
	if (r->client_ended && r->image_ended) {
		tcp_close(r->conn);
		relay_free(r);
	}
}

static void conn_ready(struct tcp_conn *conn, void *user)
{
	pass_on(user);
}

static void conn_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	reset_client(user);
}

static void client_ready(struct host_file *file, uint32_t events)
{
	struct relay *r = kiln_container(file, struct relay, file);

	if (events & EPOLLERR)
		reset_image(r);
	else if (r->conn)
		pass_on(r);
}

/* ---- beginning ---- */

static void relay_connect(struct relay *r)
{
	static const struct tcp_events events = {conn_ready, conn_closed};
	struct endpoint to = usernet_image(r->usernet, r->port);

	if (tcp_connect(r->usernet->tcp, &to, &events, r, &r->conn) != KILN_OK) {
		r->conn = NULL;
		reset_client(r);
	}
}

void forward_tcp_start(struct usernet *usernet)
{
	struct list *node;

	while ((node = list_pop(&usernet->waiting)))
		relay_connect(kiln_container(node, struct relay, node));
}

static void relay_new(struct listener *listener, int client)
{
	struct usernet *usernet = listener->usernet;
	struct relay *r = malloc(sizeof(*r));
	const int on = 1;

	if (!r) {
		close(client);
		return;
	}
	*r = (struct relay){.file = {.fd = client, .ready = client_ready},
	                    .usernet = usernet,
	                    .port = listener->port};
	list_init(&r->node);
	/* Whether to join writes is decided once, at the client or in the image. */
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!host_watch(&usernet->host, &r->file))
		reset_client(r);
	else if (usernet->image_up)
		relay_connect(r);
	else
		list_append(&usernet->waiting, &r->node);
}

/* Without descriptors left, those who wait stay in the socket's own queue. */
static void accept_all(struct host_file *file, uint32_t events)
{
	struct listener *listener = kiln_container(file, struct listener, file);
	struct host *host = &listener->usernet->host;

	for (unsigned i = 0; i < ACCEPT_AT_ONCE; i++) {
		int client = accept4(file->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			relay_new(listener, client);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			timer_set(&host->kiln.loop, &listener->retry,
			          host->kiln.loop.now + ACCEPT_RETRY);
			return;
		}
	}
	host_again(host, file);
}

static void accept_again(struct timer *timer)
{
	accept_all(&kiln_container(timer, struct listener, retry)->file, 0);
}

bool forward_tcp_open(struct usernet *usernet, const struct forward *forward)
{
	struct listener *listener = malloc(sizeof(*listener));

	if (!listener)
		return false;
	*listener = (struct listener){.file = {.fd = forward->fd, .ready = accept_all},
	                              .usernet = usernet,
	                              .port = forward->port};
	timer_init(&listener->retry, accept_again);
	return host_watch(&usernet->host, &listener->file);
}
