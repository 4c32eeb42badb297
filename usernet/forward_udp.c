/*
 * UDP from this machine into the image. Each client gets a port of our stack's, by which
 * the image's answers are told apart; it is given up after a time without datagrams (RFC
 * 4787, REQ-5), or, when there are too many, for a newer one.
 *
 * An answer leaves from the address that the client had sent to, which the kernel told
 * with the datagram.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <kiln/bytes.h>
#include <kiln/udp.h>
#include "usernet.h"

#define SESSION_IDLE KILN_SECONDS(120)
enum { DATAGRAMS_AT_ONCE = 64, BUCKETS = 256, CONTROL_SIZE = 64 };

/* One client, at one of the addresses of this machine. */
struct session {
	struct list in_bucket;
	struct list in_age; /* the one heard of longest ago is first */
	struct udp_forward *forward;
	struct udp_socket *socket;
	kiln_time used;
	struct sockaddr_storage client;
	socklen_t client_size;
	/* How the kernel says which address of this machine it was, and is told so. */
	size_t control_size;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
};

struct udp_forward {
	struct host_file file;
	struct list node;
	struct usernet *usernet;
	uint16_t port;
	struct timer expiry;
	struct list age;
	struct list buckets[BUCKETS];
};

/* ---- sessions ---- */

static void session_end(struct session *s)
{
	udp_close(s->socket);
	list_remove(&s->in_bucket);
	list_remove(&s->in_age);
	free(s);
}

static struct session *oldest(struct udp_forward *forward)
{
	return list_empty(&forward->age)
	           ? NULL
	           : kiln_container(forward->age.next, struct session, in_age);
}

static void expire(struct timer *timer)
{
	struct udp_forward *forward = kiln_container(timer, struct udp_forward, expiry);
	struct loop *loop = &forward->usernet->host.kiln.loop;
	struct session *s;

	while ((s = oldest(forward)) && s->used + SESSION_IDLE <= loop->now)
		session_end(s);
	if (s)
		timer_set(loop, timer, s->used + SESSION_IDLE);
}

static void session_used(struct session *s)
{
	struct udp_forward *forward = s->forward;
	struct loop *loop = &forward->usernet->host.kiln.loop;

	s->used = loop->now;
	list_remove(&s->in_age);
	list_append(&forward->age, &s->in_age);
	if (!timer_is_set(&forward->expiry))
		timer_set(loop, &forward->expiry, s->used + SESSION_IDLE);
}

static struct list *bucket_of(struct udp_forward *forward, const struct msghdr *message)
{
	uint32_t hash =
	    2166136261u; /* FNV-1a: an attacker gains a longer list, no more */
	const uint8_t *name = message->msg_name;

	for (socklen_t i = 0; i < message->msg_namelen; i++)
		hash = (hash ^ name[i]) * 16777619u;
	return &forward->buckets[hash % BUCKETS];
}

static bool session_is(const struct session *s, const struct msghdr *message)
{
	return s->client_size == message->msg_namelen &&
	       s->control_size == message->msg_controllen &&
	       memcmp(&s->client, message->msg_name, s->client_size) == 0 &&
	       memcmp(s->control, message->msg_control, s->control_size) == 0;
}

/* The image answers. A client that does not take it has lost a datagram. */
static void answer(struct udp_socket *socket, const struct udp_datagram *datagram,
                   void *context)
{
	struct session *s = context;
	struct iovec payload = {(void *)(uintptr_t)datagram->payload.data,
	                        datagram->payload.len};
	struct msghdr message = {.msg_name = &s->client,
	                         .msg_namelen = s->client_size,
	                         .msg_iov = &payload,
	                         .msg_iovlen = 1,
	                         .msg_control = s->control,
	                         .msg_controllen = s->control_size};
	struct endpoint from = usernet_image(s->forward->usernet, s->forward->port);

	if (!ip_equal(&datagram->from.addr, &from.addr) ||
	    datagram->from.port != from.port)
		return;
	session_used(s);
	if (sendmsg(s->forward->file.fd, &message, MSG_NOSIGNAL) < 0)
		return;
}

/* The stack has room for about a thousand; the newest is worth more than the oldest. */
static bool session_bind(struct session *s)
{
	while (udp_bind(s->forward->usernet->udp, 0, answer, s, &s->socket) != KILN_OK) {
		if (!oldest(s->forward))
			return false;
		session_end(oldest(s->forward));
	}
	return true;
}

static struct session *session_new(struct udp_forward *forward,
                                   const struct msghdr *message)
{
	struct session *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->forward = forward;
	if (!session_bind(s)) {
		free(s);
		return NULL;
	}
	s->client_size = message->msg_namelen;
	memcpy(&s->client, message->msg_name, message->msg_namelen);
	s->control_size = message->msg_controllen;
	memcpy(s->control, message->msg_control, message->msg_controllen);
	list_init(&s->in_age);
	list_init(&s->in_bucket);
	list_append(bucket_of(forward, message), &s->in_bucket);
	return s;
}

static struct session *session_of(struct udp_forward *forward,
                                  const struct msghdr *message)
{
	list_each (node, bucket_of(forward, message)) {
		struct session *s = kiln_container(node, struct session, in_bucket);
		if (session_is(s, message))
			return s;
	}
	return session_new(forward, message);
}

/* ---- datagrams from clients ---- */

/* False: there are no more for now. */
static bool receive_one(struct udp_forward *forward)
{
	struct usernet *usernet = forward->usernet;
	struct sockaddr_storage client = {0};
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE] = {0};
	struct iovec payload = {usernet->buffer, sizeof(usernet->buffer)};
	struct msghdr message = {.msg_name = &client,
	                         .msg_namelen = sizeof(client),
	                         .msg_iov = &payload,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	ssize_t size = recvmsg(forward->file.fd, &message, 0);
	struct endpoint to = usernet_image(usernet, forward->port);
	struct session *s;

	if (size < 0) /* the other errors are of datagrams that were sent */
		return errno != EAGAIN;
	s = session_of(forward, &message);
	if (s) {
		session_used(s);
		(void)udp_send(s->socket, &to, slice_of(usernet->buffer, (size_t)size));
	}
	return true;
}

static void receive(struct host_file *file, uint32_t events)
{
	struct udp_forward *forward = kiln_container(file, struct udp_forward, file);

	if (!forward->usernet->image_up)
		return; /* they wait in the socket */
	for (unsigned i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		if (!receive_one(forward))
			return;
	}
	host_again(&forward->usernet->host, file);
}

void forward_udp_start(struct usernet *usernet)
{
	list_each (node, &usernet->udp_forwards)
		host_again(&usernet->host,
		           &kiln_container(node, struct udp_forward, node)->file);
}

/* One of the two is not for sockets of this kind. */
static bool ask_for_own_address(int fd)
{
	const int on = 1;

	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) == 0 ||
	       setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0;
}

bool forward_udp_open(struct usernet *usernet, const struct forward *description)
{
	struct udp_forward *forward = calloc(1, sizeof(*forward));

	if (!forward)
		return false;
	forward->file.fd = description->fd;
	forward->file.ready = receive;
	forward->usernet = usernet;
	forward->port = description->port;
	list_init(&forward->node);
	list_append(&usernet->udp_forwards, &forward->node);
	list_init(&forward->age);
	for (unsigned i = 0; i < BUCKETS; i++)
		list_init(&forward->buckets[i]);
	timer_init(&forward->expiry, expire);
	return ask_for_own_address(forward->file.fd) &&
	       host_watch(&usernet->host, &forward->file);
}
