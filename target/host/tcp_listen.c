/*
 * Listening sockets of the host's TCP.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "tcp_private.h"

enum { BACKLOG = 1024, ACCEPTS_A_TURN = 64 };

struct tcp_listener {
	struct host_file file;
	struct list node;
	struct timer retry;
	struct tcp *tcp;
	uint16_t port;
	bool dead;
	bool (*accepted)(struct tcp_conn *conn, void *context);
	void *context;
};

static struct loop *loop_of(struct tcp_listener *listener)
{
	return &listener->tcp->net->host->kiln.loop;
}

static void accept_one(struct tcp_listener *listener, int fd)
{
	struct tcp *tcp = listener->tcp;
	struct tcp_conn *conn = tcp_conn_new(tcp, fd);

	if (!conn) {
		tcp->counters.drop_no_memory++;
		return;
	}
	tcp->counters.opened_passive++;
	if (!listener->accepted(conn, listener->context)) {
		tcp->counters.refused++;
		if (!conn->dead)
			tcp_abort(conn);
	}
}

static void listener_ready(struct host_file *file, uint32_t events)
{
	struct tcp_listener *listener = kiln_container(file, struct tcp_listener, file);

	for (unsigned i = 0; i < ACCEPTS_A_TURN && !listener->dead; i++) {
		int fd = accept4(file->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accept_one(listener, fd);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		           errno == ENOMEM) {
			/* The backlog keeps them; no event comes when there is room
			 * again. */
			timer_set(loop_of(listener), &listener->retry,
			          loop_of(listener)->now + KILN_MS(50));
			return;
		}
	}
	if (!listener->dead)
		host_again(listener->tcp->net->host, file);
}

static void retry(struct timer *timer)
{
	struct tcp_listener *listener = kiln_container(timer, struct tcp_listener, retry);

	host_again(listener->tcp->net->host, &listener->file);
}

static void prepare(int fd, sa_family_t family)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	tcp_socket_defaults(fd);
}

enum kiln_error tcp_listen(struct tcp *tcp, uint16_t port,
                           bool (*accepted)(struct tcp_conn *conn, void *context),
                           void *context, struct tcp_listener **listener)
{
	struct tcp_listener *l = calloc(1, sizeof(*l));
	union host_sockaddr at;

	if (!l)
		return KILN_ERR_MEMORY;
	l->file.fd = host_bind(tcp->net, SOCK_STREAM, prepare, port, &at);
	if (l->file.fd < 0 || listen(l->file.fd, BACKLOG) != 0) {
		int error = errno;
		if (l->file.fd >= 0)
			close(l->file.fd);
		free(l);
		errno = error;
		return host_bind_error(tcp->net, port);
	}
	l->tcp = tcp;
	l->port = host_endpoint_of(&at).port;
	l->accepted = accepted;
	l->context = context;
	l->file.ready = listener_ready;
	timer_init(&l->retry, retry);
	list_init(&l->node);
	if (!host_watch(tcp->net->host, &l->file)) {
		close(l->file.fd);
		free(l);
		return KILN_ERR_MEMORY;
	}
	list_append(&tcp->listeners, &l->node);
	*listener = l;
	return KILN_OK;
}

void tcp_unlisten(struct tcp_listener *listener)
{
	listener->dead = true;
	timer_cancel(loop_of(listener), &listener->retry);
	host_file_close(&listener->file);
	list_remove(&listener->node);
	list_append(&listener->tcp->closed_listeners, &listener->node);
}

uint16_t tcp_listener_port(const struct tcp_listener *listener)
{
	return listener->port;
}

void tcp_listeners_end(struct tcp *tcp)
{
	while (!list_empty(&tcp->listeners))
		tcp_unlisten(
		    kiln_container(tcp->listeners.next, struct tcp_listener, node));
	tcp_listeners_free_closed(tcp);
}

void tcp_listeners_free_closed(struct tcp *tcp)
{
	struct list *node;

	while ((node = list_pop(&tcp->closed_listeners)))
		free(kiln_container(node, struct tcp_listener, node));
}
