/*
 * <kiln/udp.h> over the host's sockets. Datagrams are received in batches into buffers
 * that all sockets share, and sent one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <kiln/udp.h>
#include "net.h"

KILN_LIBRARY(udp, "0.1");

enum { BATCH = 16, DATAGRAM = 65536, CONTROL = 64, PAYLOAD_MOST = 65507 };

struct udp {
	struct host_hook hook;
	struct net *net;
	struct list sockets;
	struct list
	    closed; /* freed at the iteration's end: a callback may be on the stack */
	uint8_t (*buffers)[DATAGRAM];
};

struct udp_socket {
	struct host_file file;
	struct list node;
	struct udp *udp;
	uint16_t port;
	sa_family_t family; /* AF_INET6: takes both */
	bool dead;
	void (*receive)(struct udp_socket *socket, const struct udp_datagram *datagram,
	                void *context);
	void *context;
};

/* ---- receiving ---- */

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	union host_sockaddr from[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL];
};

static void batch_init(struct batch *batch, struct udp *udp)
{
	for (unsigned i = 0; i < BATCH; i++) {
		batch->vectors[i] = (struct iovec){udp->buffers[i], DATAGRAM};
		batch->messages[i].msg_hdr = (struct msghdr){
		    .msg_name = &batch->from[i],
		    .msg_namelen = sizeof(batch->from[i]),
		    .msg_iov = &batch->vectors[i],
		    .msg_iovlen = 1,
		    .msg_control = batch->control[i],
		    .msg_controllen = CONTROL,
		};
	}
}

/* The address that the datagram was sent to, and, of IPv6, by which interface (IP_PKTINFO,
 * IPV6_PKTINFO, see ip(7) and ipv6(7); the latter has IPv4 addresses mapped). */
static struct ip_addr destination(struct msghdr *message, const struct udp *udp,
                                  uint32_t *link)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct in_pktinfo info;
		struct in6_pktinfo info6;
		struct ip_addr addr;
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return host_ip4(info.ipi_addr);
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			memcpy(&addr, &info6.ipi6_addr, sizeof(addr));
			*link = info6.ipi6_ifindex;
			return addr;
		}
	}
	return ip_from4(udp->net->address);
}

static void socket_ready(struct host_file *file, uint32_t events)
{
	struct udp_socket *socket = kiln_container(file, struct udp_socket, file);
	struct udp *udp = socket->udp;
	struct batch batch;
	int count;

	batch_init(&batch, udp);
	count = recvmmsg(file->fd, batch.messages, BATCH, 0, NULL);
	for (int i = 0; i < count && !socket->dead; i++) {
		struct udp_datagram datagram = {
		    .from = host_endpoint_of(&batch.from[i]),
		    .to.port = socket->port,
		    .payload = slice_of(udp->buffers[i], batch.messages[i].msg_len),
		};
		datagram.to.addr =
		    destination(&batch.messages[i].msg_hdr, udp, &datagram.link);
		socket->receive(socket, &datagram, socket->context);
	}
	/* Until the kernel says that there is no more; an error of an earlier datagram
	 * that was sent (ICMP) does not say so. */
	if (!socket->dead && (count > 0 || (errno != EAGAIN && errno != EWOULDBLOCK)))
		host_again(udp->net->host, file);
}

/* ---- opening and closing ---- */

static void udp_flush(struct host_hook *hook)
{
	struct udp *udp = kiln_container(hook, struct udp, hook);
	struct list *node;

	while ((node = list_pop(&udp->closed)))
		free(kiln_container(node, struct udp_socket, node));
}

static void udp_end(struct host_hook *hook)
{
	struct udp *udp = kiln_container(hook, struct udp, hook);

	while (!list_empty(&udp->sockets))
		udp_close(kiln_container(udp->sockets.next, struct udp_socket, node));
	udp_flush(hook);
	free(udp->buffers);
	free(udp);
}

struct udp *udp_new(struct net *net)
{
	struct kiln *k = &net->host->kiln;
	struct udp *udp = host_alloc(k, sizeof(*udp));

	udp->net = net;
	udp->buffers = host_alloc(k, BATCH * sizeof(*udp->buffers));
	list_init(&udp->sockets);
	list_init(&udp->closed);
	udp->hook.flush = udp_flush;
	udp->hook.end = udp_end;
	host_hook_add(net->host, &udp->hook);
	return udp;
}

static void prepare(int fd, sa_family_t family)
{
	int on = 1;

	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
}

enum kiln_error udp_bind(struct udp *udp, uint16_t port,
                         void (*receive)(struct udp_socket *socket,
                                         const struct udp_datagram *datagram,
                                         void *context),
                         void *context, struct udp_socket **socket)
{
	struct udp_socket *s = calloc(1, sizeof(*s));
	union host_sockaddr at;

	if (!s)
		return KILN_ERR_MEMORY;
	s->file.fd = host_bind(udp->net, SOCK_DGRAM, prepare, port, &at);
	if (s->file.fd < 0) {
		free(s);
		return host_bind_error(udp->net, port);
	}
	s->udp = udp;
	s->port = host_endpoint_of(&at).port;
	s->family = at.any.sa_family;
	s->receive = receive;
	s->context = context;
	s->file.ready = socket_ready;
	list_init(&s->node);
	if (!host_watch(udp->net->host, &s->file)) {
		close(s->file.fd);
		free(s);
		return KILN_ERR_MEMORY;
	}
	list_append(&udp->sockets, &s->node);
	*socket = s;
	return KILN_OK;
}

uint16_t udp_port(const struct udp_socket *socket)
{
	return socket->port;
}

void udp_close(struct udp_socket *socket)
{
	socket->dead = true;
	host_file_close(&socket->file);
	list_remove(&socket->node);
	list_append(&socket->udp->closed, &socket->node);
}

/* ---- sending ---- */

/* The address to send from, and by which interface if it is not 0, as destination() has it of
 * what came. */
static void set_source(struct msghdr *message, sa_family_t family,
                       const struct ip_addr *source, uint32_t link)
{
	struct ip4_addr v4 = ip_to4(source);
	struct in_pktinfo info4 = {0};
	struct in6_pktinfo info6 = {.ipi6_ifindex = link};
	bool mapped = family == AF_INET6;
	size_t size = mapped ? sizeof(info6) : sizeof(info4);

	memcpy(&info4.ipi_spec_dst, &v4, sizeof(v4));
	memcpy(&info6.ipi6_addr, source, sizeof(*source));
	message->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	c->cmsg_level = mapped ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = mapped ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(size);
	if (mapped)
		memcpy(CMSG_DATA(c), &info6, size);
	else
		memcpy(CMSG_DATA(c), &info4, size);
}

/* source NULL, link 0: the kernel's choice. */
static enum kiln_error send_from(struct udp_socket *socket, const struct ip_addr *source,
                                 uint32_t link, const struct endpoint *to,
                                 struct slice payload)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL] = {0};
	struct iovec vector = {(void *)(uintptr_t)payload.data, payload.len};
	union host_sockaddr address;
	struct msghdr message = {
	    .msg_name = &address,
	    .msg_namelen = host_sockaddr_of(&address, to, socket->family),
	    .msg_iov = &vector,
	    .msg_iovlen = 1,
	    .msg_control = control,
	};

	if (payload.len > PAYLOAD_MOST)
		return KILN_ERR_TOO_LARGE;
	if (!message.msg_namelen)
		return KILN_ERR_UNREACHABLE;
	if (source)
		set_source(&message, socket->family, source, link);
	if (sendmsg(socket->file.fd, &message, MSG_NOSIGNAL) >= 0)
		return KILN_OK;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
		return KILN_ERR_FULL;
	case ENOMEM:
		return KILN_ERR_MEMORY;
	case EMSGSIZE:
		return KILN_ERR_TOO_LARGE;
	default:
		return KILN_ERR_UNREACHABLE;
	}
}

enum kiln_error udp_send(struct udp_socket *socket, const struct endpoint *to,
                         struct slice payload)
{
	return send_from(socket, NULL, 0, to, payload);
}

enum kiln_error udp_answer(struct udp_socket *socket, const struct udp_datagram *datagram,
                           struct slice payload)
{
	/* The others have the way that the host's routes say, not the one that they came. */
	bool local = ip6_is_link_local(&datagram->from.addr) ||
	             ip6_is_link_local(&datagram->to.addr);

	if (datagram->from.port == 0)
		return KILN_ERR_UNREACHABLE;
	return send_from(socket, &datagram->to.addr, local ? datagram->link : 0,
	                 &datagram->from, payload);
}
