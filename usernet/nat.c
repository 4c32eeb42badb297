/*
 * The image's own connections, out into the world: libslirp, which speaks to the image
 * as its router and to this machine through ordinary sockets. It answers DHCP, and
 * passes DNS on to this machine's resolver. Of IPv6 it advertises itself as a router of a
 * unique local prefix (RFC 4193), from which an image makes its address.
 *
 * What comes in does not go through it (forward_tcp.c, forward_udp.c): its port forwards
 * know no IPv6 client for an IPv4 guest, mix up connections of two forwards that have the
 * same source port, and lose the answers to UDP from this machine once the way to its
 * loopback is closed.
 *
 * libslirp wants to be polled. Its sockets are watched, edge-triggered, by the one epoll
 * of the loop; an event on any of them, a frame or a timer of its own gives it a turn,
 * in which it is asked what it waits for, and told what of that is so. Turns follow each
 * other until nothing is: then an edge is bound to come.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <slirp/libslirp.h>
#include <kiln/bytes.h>
#include "usernet.h"

/* fd4b:696c:6e00::/64 */
#define PREFIX6 0xfd, 0x4b, 0x69, 0x6c, 0x6e

enum { POLLS_MOST = 4096 };

struct nat {
	Slirp *slirp;
	struct usernet *usernet;
	struct loop_work work;
	struct timer timer;
	struct list sockets;
	unsigned socket_count;
	uint64_t refused; /* sockets beyond those that the image may have */
	struct pollfd polls[POLLS_MOST];
	int poll_count;
};

struct nat_socket {
	struct host_file file;
	struct list node;
	struct nat *nat;
};

static void turn_soon(struct nat *nat)
{
	loop_defer(&nat->usernet->host.kiln.loop, &nat->work);
}

/* ---- what libslirp calls ---- */

static ssize_t send_packet(const void *bytes, size_t size, void *opaque)
{
	struct nat *nat = opaque;

	link_send(&nat->usernet->link, &(struct iovec){(void *)(uintptr_t)bytes, size},
	          1);
	return (ssize_t)size;
}

/* The image sent what makes no sense: its own affair. */
static void guest_error(const char *message, void *opaque)
{
}

static int64_t clock_ns(void *opaque)
{
	struct nat *nat = opaque;

	return (int64_t)kiln_now(&nat->usernet->host.kiln);
}

struct nat_timer {
	struct timer timer;
	struct nat *nat;
	SlirpTimerCb fire;
	void *context;
};

static void timer_fired(struct timer *timer)
{
	struct nat_timer *t = kiln_container(timer, struct nat_timer, timer);

	t->fire(t->context);
	turn_soon(t->nat);
}

static void *timer_new(SlirpTimerCb fire, void *context, void *opaque)
{
	struct nat_timer *t = malloc(sizeof(*t));

	if (!t)
		abort(); /* libslirp has no way to be told */
	*t = (struct nat_timer){.nat = opaque, .fire = fire, .context = context};
	timer_init(&t->timer, timer_fired);
	return t;
}

static void timer_free(void *timer, void *opaque)
{
	struct nat_timer *t = timer;

	timer_cancel(&t->nat->usernet->host.kiln.loop, &t->timer);
	free(t);
}

static void timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	struct nat_timer *t = timer;

	timer_set(&t->nat->usernet->host.kiln.loop, &t->timer, KILN_MS((kiln_time)at_ms));
}

static void socket_ready(struct host_file *file, uint32_t events)
{
	turn_soon(kiln_container(file, struct nat_socket, file)->nat);
}

static struct nat_socket *socket_of(struct nat *nat, int fd)
{
	list_each (node, &nat->sockets) {
		struct nat_socket *socket = kiln_container(node, struct nat_socket, node);
		if (socket->file.fd == fd)
			return socket;
	}
	return NULL;
}

static bool watch_socket(struct nat *nat, int fd)
{
	struct nat_socket *socket = malloc(sizeof(*socket));

	if (!socket)
		return false;
	*socket =
	    (struct nat_socket){.file = {.fd = fd, .ready = socket_ready}, .nat = nat};
	list_init(&socket->node);
	list_append(&nat->sockets, &socket->node);
	nat->socket_count++;
	return host_watch(&nat->usernet->host, &socket->file);
}

/* libslirp closes the socket itself, which ends the watching. */
static void unregister_socket(int fd, void *opaque)
{
	struct nat *nat = opaque;
	struct nat_socket *socket = socket_of(nat, fd);

	if (!socket)
		return;
	list_remove(&socket->file.active);
	list_remove(&socket->node);
	nat->socket_count--;
	free(socket);
}

/* It has been watched since socket(), below. */
static void register_socket(int fd, void *opaque)
{
}

/* The one of this process, for socket(). */
static struct nat *only;

static void refuse_socket(struct nat *nat)
{
	if (nat->refused++)
		return;
	fprintf(stderr,
	        "kiln: the image has %u connections and datagram ports open to the "
	        "outside: it gets no more (--net user,most=N)\n",
	        nat->socket_count);
}

/*
 * In place of the C library's, for libslirp, which bounds how long a socket is kept but not
 * how many there are. What it is refused here, it refuses the image: a connection is reset,
 * a datagram unreachable.
 */
__attribute__((visibility("default"))) int socket(int family, int type, int protocol)
{
	int fd;

	if (only && only->socket_count >= only->usernet->options.most) {
		refuse_socket(only);
		errno = EMFILE;
		return -1;
	}
	fd = (int)syscall(SYS_socket, family, type, protocol);
	if (fd >= 0 && only && !watch_socket(only, fd)) {
		unregister_socket(fd, only);
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	return fd;
}

void nat_end(const struct nat *nat)
{
	if (nat->refused)
		fprintf(stderr,
		        "kiln: the image was refused %llu connections and datagram ports "
		        "to the outside, beyond %u at a time\n",
		        (unsigned long long)nat->refused, nat->usernet->options.most);
}

static void notify(void *opaque)
{
	turn_soon(opaque);
}

/* ---- turns ---- */

static const struct {
	short poll;
	int slirp;
} events[] = {{POLLIN, SLIRP_POLL_IN},
              {POLLOUT, SLIRP_POLL_OUT},
              {POLLPRI, SLIRP_POLL_PRI},
              {POLLERR, SLIRP_POLL_ERR},
              {POLLHUP, SLIRP_POLL_HUP}};
enum { EVENTS = sizeof(events) / sizeof(events[0]) };

/* Beyond POLLS_MOST a socket has to wait for others to go. */
static int add_poll(int fd, int wanted, void *opaque)
{
	struct nat *nat = opaque;
	struct pollfd *p = &nat->polls[nat->poll_count];

	if (nat->poll_count == POLLS_MOST)
		return -1;
	*p = (struct pollfd){.fd = fd};
	for (unsigned i = 0; i < EVENTS; i++)
		p->events |= (short)(wanted & events[i].slirp ? events[i].poll : 0);
	return nat->poll_count++;
}

static int get_events(int index, void *opaque)
{
	const struct nat *nat = opaque;
	int got = 0;

	if (index < 0)
		return 0;
	for (unsigned i = 0; i < EVENTS; i++)
		got |= nat->polls[index].revents & events[i].poll ? events[i].slirp : 0;
	return got;
}

static void turn(struct loop_work *work)
{
	struct nat *nat = kiln_container(work, struct nat, work);
	struct loop *loop = &nat->usernet->host.kiln.loop;
	uint32_t timeout = UINT32_MAX;
	int ready;

	nat->poll_count = 0;
	slirp_pollfds_fill(nat->slirp, &timeout, add_poll, nat);
	ready = poll(nat->polls, (nfds_t)nat->poll_count, 0);
	slirp_pollfds_poll(nat->slirp, ready < 0, get_events, nat);
	timer_cancel(loop, &nat->timer);
	/* Not at once again: others have their turn before. */
	if (ready > 0)
		timeout = 0;
	if (timeout != UINT32_MAX)
		timer_set(loop, &nat->timer, loop->now + KILN_MS(timeout));
}

static void turn_is_due(struct timer *timer)
{
	turn_soon(kiln_container(timer, struct nat, timer));
}

/* ---- what the image may reach ---- */

enum { ETHER_TYPE_IP4 = 0x0800, ETHER_TYPE_IP6 = 0x86dd };

/* 0.0.0.0/8 and 127.0.0.0/8: Linux takes the former for this machine, too. */
static bool is_here4(const uint8_t address[4])
{
	return address[0] == 0 || address[0] == 127;
}

/* "::", "::1" and what else has but an IPv4 address in it, mapped above all, by which a
 * socket of IPv6 reaches IPv4. */
static bool is_here6(const uint8_t address[16])
{
	static const uint8_t none[10];
	bool mapped = address[10] == 0xff && address[11] == 0xff;

	return memcmp(address, none, sizeof(none)) == 0 &&
	       (mapped || (address[10] == 0 && address[11] == 0));
}

/*
 * libslirp opens a socket to whatever address a packet names. It leads the router's own to
 * this machine's loopback, or nowhere (disable_host_loopback); the loopback's addresses
 * themselves, which no packet of an honest image has, are not looked at. So they are here.
 */
static bool may_pass(struct slice frame)
{
	struct cursor c = cursor_of(frame);

	cursor_skip(&c, 12);
	switch (cursor_u16(&c)) {
	case ETHER_TYPE_IP4:
		cursor_skip(&c, 16);
		struct slice to4 = cursor_bytes(&c, 4);
		return !c.failed && !is_here4(to4.data);
	case ETHER_TYPE_IP6:
		cursor_skip(&c, 24);
		struct slice to6 = cursor_bytes(&c, 16);
		return !c.failed && !is_here6(to6.data);
	default:
		return !c.failed;
	}
}

void nat_receive(struct nat *nat, struct slice frame)
{
	if (!may_pass(frame))
		return;
	slirp_input(nat->slirp, frame.data, (int)frame.len);
	turn_soon(nat);
}

/* ---- the beginning ---- */

static struct in_addr address_of(uint32_t host_order)
{
	return (struct in_addr){htonl(host_order)};
}

/* Half of them at least, for clients that come in. */
static void leave_descriptors(struct usernet_options *options)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		options->most =
		    (unsigned)KILN_MIN((rlim_t)options->most, files.rlim_max / 2);
}

struct nat *nat_open(struct usernet *usernet)
{
	static const SlirpCb callbacks = {
	    .send_packet = send_packet,
	    .guest_error = guest_error,
	    .clock_get_ns = clock_ns,
	    .timer_new = timer_new,
	    .timer_free = timer_free,
	    .timer_mod = timer_mod,
	    .register_poll_fd = register_socket,
	    .unregister_poll_fd = unregister_socket,
	    .notify = notify,
	};
	const struct usernet_options *o = &usernet->options;
	uint32_t mask = (uint32_t)(~(uint64_t)0 << (32 - o->prefix));
	const SlirpConfig config = {
	    .version = 1,
	    .in_enabled = true,
	    .vnetwork = address_of(o->image & mask),
	    .vnetmask = address_of(mask),
	    .vhost = address_of(o->gateway),
	    .vnameserver = address_of(o->nameserver),
	    .vdhcp_start = address_of(o->image),
	    .if_mtu = o->mtu,
	    .if_mru = o->mtu,
	    .in6_enabled = true,
	    .vprefix_addr6.s6_addr = {PREFIX6},
	    .vprefix_len = 64,
	    .vhost6.s6_addr = {PREFIX6, [15] = 2},
	    .vnameserver6.s6_addr = {PREFIX6, [15] = 3},
	    .disable_host_loopback = !o->loopback,
	};
	struct nat *nat = calloc(1, sizeof(*nat));

	if (!nat)
		return NULL;
	nat->usernet = usernet;
	leave_descriptors(&usernet->options);
	list_init(&nat->sockets);
	loop_work_init(&nat->work, turn);
	timer_init(&nat->timer, turn_is_due);
	nat->slirp = slirp_new(&config, &callbacks, nat);
	if (!nat->slirp) {
		free(nat);
		return NULL;
	}
	only = nat;
	return nat;
}
