/*
 * The door by the interface that packetdrill loads: `packetdrill --so_filename=libkiln-sim.so
 * [--so_flags=TEXT] SCRIPT`. It asks for one function, which fills in a table of calls; they
 * are those of <kiln/door.h> with the stack in front.
 *
 * TEXT is a list, separated by commas, of ip=, ip6=, gateway=, gateway6=, mtu=, path_mtu=,
 * initial_window=, congestion=, seed=, pcap= and the words no_timestamps, no_sack,
 * no_window_scaling. Without addresses the stack has those that packetdrill itself uses
 * unless told otherwise.
 *
 * packetdrill waits for a script's next event by sleeping until just before, and then by
 * looking at the clock until it is time: so each look moves the clock by a microsecond. What
 * a script has wait in a call waits in a thread of its own.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>
#include "door_private.h"

/* The table, in its order. The first argument of each call is `userdata`. */
struct packetdrill_interface {
	void *userdata;
	void (*free)(void *door);
	int (*socket)(void *door, int domain, int type, int protocol);
	int (*bind)(void *door, int fd, const struct sockaddr *address, socklen_t size);
	int (*listen)(void *door, int fd, int backlog);
	int (*accept)(void *door, int fd, struct sockaddr *address, socklen_t *size);
	int (*connect)(void *door, int fd, const struct sockaddr *address,
	               socklen_t size);
	ssize_t (*read)(void *door, int fd, void *data, size_t size);
	ssize_t (*readv)(void *door, int fd, const struct iovec *parts, int count);
	ssize_t (*recv)(void *door, int fd, void *data, size_t size, int flags);
	ssize_t (*recvfrom)(void *door, int fd, void *data, size_t size, int flags,
	                    struct sockaddr *from, socklen_t *from_size);
	ssize_t (*recvmsg)(void *door, int fd, struct msghdr *message, int flags);
	ssize_t (*write)(void *door, int fd, const void *data, size_t size);
	ssize_t (*writev)(void *door, int fd, const struct iovec *parts, int count);
	ssize_t (*send)(void *door, int fd, const void *data, size_t size, int flags);
	ssize_t (*sendto)(void *door, int fd, const void *data, size_t size, int flags,
	                  const struct sockaddr *to, socklen_t to_size);
	ssize_t (*sendmsg)(void *door, int fd, const struct msghdr *message, int flags);
	int (*fcntl)(void *door, int fd, int command, ...);
	int (*ioctl)(void *door, int fd, unsigned long request, ...);
	int (*close)(void *door, int fd);
	int (*shutdown)(void *door, int fd, int how);
	int (*getsockopt)(void *door, int fd, int level, int name, void *value,
	                  socklen_t *size);
	int (*setsockopt)(void *door, int fd, int level, int name, const void *value,
	                  socklen_t size);
	int (*poll)(void *door, struct pollfd *fds, nfds_t count, int timeout);
	int (*netdev_send)(void *door, const void *packet, size_t size);
	/* Waits for a packet; *size is the room, then the packet's size, 0 if none comes. */
	int (*netdev_receive)(void *door, void *packet, size_t *size, long long *us);
	int (*usleep)(void *door, useconds_t us);
	int (*gettimeofday)(void *door, struct timeval *time, struct timezone *zone);
	int (*epoll_create)(void *door, int size);
	int (*epoll_ctl)(void *door, int epoll, int operation, int fd,
	                 struct epoll_event *event);
	int (*epoll_wait)(void *door, int epoll, struct epoll_event *events, int count,
	                  int timeout);
	int (*pipe)(void *door, int fds[2]);
	int (*splice)(void *door, int in, loff_t *in_offset, int out, loff_t *out_offset,
	              size_t size, unsigned flags);
};

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table);

/* ---- the calls that are the door's own ---- */

static void pd_free(void *door)
{
	kiln_door_free(door);
}

static int pd_socket(void *door, int domain, int type, int protocol)
{
	return kiln_door_socket(door, domain, type, protocol);
}

static int pd_bind(void *door, int fd, const struct sockaddr *address, socklen_t size)
{
	return kiln_door_bind(door, fd, address, size);
}

static int pd_listen(void *door, int fd, int backlog)
{
	return kiln_door_listen(door, fd, backlog);
}

static int pd_accept(void *door, int fd, struct sockaddr *address, socklen_t *size)
{
	return kiln_door_accept(door, fd, address, size);
}

static int pd_connect(void *door, int fd, const struct sockaddr *address, socklen_t size)
{
	return kiln_door_connect(door, fd, address, size);
}

static ssize_t pd_read(void *door, int fd, void *data, size_t size)
{
	return kiln_door_read(door, fd, data, size);
}

static ssize_t pd_readv(void *door, int fd, const struct iovec *parts, int count)
{
	return kiln_door_readv(door, fd, parts, count);
}

static ssize_t pd_recv(void *door, int fd, void *data, size_t size, int flags)
{
	return kiln_door_recv(door, fd, data, size, flags);
}

static ssize_t pd_recvfrom(void *door, int fd, void *data, size_t size, int flags,
                           struct sockaddr *from, socklen_t *from_size)
{
	return kiln_door_recvfrom(door, fd, data, size, flags, from, from_size);
}

static ssize_t pd_recvmsg(void *door, int fd, struct msghdr *message, int flags)
{
	return kiln_door_recvmsg(door, fd, message, flags);
}

static ssize_t pd_write(void *door, int fd, const void *data, size_t size)
{
	return kiln_door_write(door, fd, data, size);
}

static ssize_t pd_writev(void *door, int fd, const struct iovec *parts, int count)
{
	return kiln_door_writev(door, fd, parts, count);
}

static ssize_t pd_send(void *door, int fd, const void *data, size_t size, int flags)
{
	return kiln_door_send(door, fd, data, size, flags);
}

static ssize_t pd_sendto(void *door, int fd, const void *data, size_t size, int flags,
                         const struct sockaddr *to, socklen_t to_size)
{
	return kiln_door_sendto(door, fd, data, size, flags, to, to_size);
}

static ssize_t pd_sendmsg(void *door, int fd, const struct msghdr *message, int flags)
{
	return kiln_door_sendmsg(door, fd, message, flags);
}

static int pd_fcntl(void *door, int fd, int command, ...)
{
	va_list args;
	int argument;

	va_start(args, command);
	argument = va_arg(args, int);
	va_end(args);
	return kiln_door_fcntl(door, fd, command, argument);
}

static int pd_ioctl(void *door, int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	return kiln_door_ioctl(door, fd, request, argument);
}

static int pd_close(void *door, int fd)
{
	return kiln_door_close(door, fd);
}

static int pd_shutdown(void *door, int fd, int how)
{
	return kiln_door_shutdown(door, fd, how);
}

static int pd_getsockopt(void *door, int fd, int level, int name, void *value,
                         socklen_t *size)
{
	return kiln_door_getsockopt(door, fd, level, name, value, size);
}

static int pd_setsockopt(void *door, int fd, int level, int name, const void *value,
                         socklen_t size)
{
	return kiln_door_setsockopt(door, fd, level, name, value, size);
}

static int pd_poll(void *door, struct pollfd *fds, nfds_t count, int timeout)
{
	return kiln_door_poll(door, fds, count, timeout);
}

/* ---- the link and the clock ---- */

static int pd_netdev_send(void *door, const void *packet, size_t size)
{
	return kiln_door_inject(door, packet, size);
}

static int pd_netdev_receive(void *door, void *packet, size_t *size, long long *us)
{
	uint64_t time = 0;

	kiln_door_run(door, KILN_DOOR_NEVER, KILN_DOOR_ON_PACKET);
	*size = kiln_door_take(door, packet, *size, &time);
	*us = (long long)(time / KILN_US(1));
	return 0;
}

/* Returns early when a call has, so that its thread finds the time at which it did. */
static int pd_usleep(void *door, useconds_t us)
{
	enum { HAND_OVER_US = 2000 };
	uint64_t until = kiln_door_now(door) + KILN_US(us);

	if (kiln_door_run(door, until, KILN_DOOR_ON_RETURN) < until)
		usleep(HAND_OVER_US);
	return 0;
}

static int pd_gettimeofday(void *door, struct timeval *time, struct timezone *zone)
{
	uint64_t us = kiln_door_now(door) / KILN_US(1);

	time->tv_sec = (time_t)(us / 1000000);
	time->tv_usec = (suseconds_t)(us % 1000000);
	kiln_door_advance(door, KILN_US(us + 1));
	return 0;
}

/* ---- what there is not ---- */

static int unsupported(void)
{
	errno = ENOSYS;
	return -1;
}

static int pd_epoll_create(void *door, int size)
{
	return unsupported();
}

static int pd_epoll_ctl(void *door, int epoll, int operation, int fd,
                        struct epoll_event *event)
{
	return unsupported();
}

static int pd_epoll_wait(void *door, int epoll, struct epoll_event *events, int count,
                         int timeout)
{
	return unsupported();
}

static int pd_pipe(void *door, int fds[2])
{
	return unsupported();
}

static int pd_splice(void *door, int in, loff_t *in_offset, int out, loff_t *out_offset,
                     size_t size, unsigned flags)
{
	return unsupported();
}

/* ---- the start ---- */

/* One item of the flags; false if it means nothing. */
static bool read_flag(struct kiln_door_config *c, char *item)
{
	const struct {
		const char *name;
		const char **text;
		uint32_t *number;
		uint8_t *yes;
	} known[] = {
	    {"ip", .text = &c->ip},
	    {"ip6", .text = &c->ip6},
	    {"gateway", .text = &c->gateway},
	    {"gateway6", .text = &c->gateway6},
	    {"congestion", .text = &c->congestion},
	    {"pcap", .text = &c->pcap},
	    {"mtu", .number = &c->mtu},
	    {"path_mtu", .number = &c->path_mtu},
	    {"initial_window", .number = &c->initial_window},
	    {"no_timestamps", .yes = &c->no_timestamps},
	    {"no_sack", .yes = &c->no_sack},
	    {"no_window_scaling", .yes = &c->no_window_scaling},
	};
	char *value = strchr(item, '=');

	if (value)
		*value++ = 0;
	if (value && strcmp(item, "seed") == 0) {
		c->seed = strtoull(value, NULL, 10);
		return true;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(item, known[i].name) != 0 || !value == !known[i].yes)
			continue;
		if (known[i].text)
			*known[i].text = value;
		else if (known[i].number)
			*known[i].number = (uint32_t)strtoul(value, NULL, 10);
		else
			*known[i].yes = 1;
		return true;
	}
	return false;
}

static struct kiln_door *start(const char *flags)
{
	struct kiln_door_config c = {.size = sizeof(c), .blocking = KILN_DOOR_WAIT};
	char text[512], *rest = text, *item;

	if (flags && strlen(flags) >= sizeof(text)) {
		door_say("the flags are too long");
		return NULL;
	}
	strcpy(text, flags ? flags : "");
	while ((item = strsep(&rest, ","))) {
		if (*item && !read_flag(&c, item)) {
			door_say("%s is no flag", item);
			return NULL;
		}
	}
	if (!c.ip && !c.ip6) {
		c.ip = "192.168.0.1/16";
		c.ip6 = "fd3d:fa7b:d17d::1/48";
	}
	return kiln_door_new(&c);
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table)
{
	struct kiln_door *door = start(flags);

	if (!door) { /* there is no way to refuse, and nothing to go on with */
		fprintf(stderr, "libkiln-sim: %s\n", kiln_door_message());
		exit(1);
	}
	*table = (struct packetdrill_interface){
	    .userdata = door,
	    .free = pd_free,
	    .socket = pd_socket,
	    .bind = pd_bind,
	    .listen = pd_listen,
	    .accept = pd_accept,
	    .connect = pd_connect,
	    .read = pd_read,
	    .readv = pd_readv,
	    .recv = pd_recv,
	    .recvfrom = pd_recvfrom,
	    .recvmsg = pd_recvmsg,
	    .write = pd_write,
	    .writev = pd_writev,
	    .send = pd_send,
	    .sendto = pd_sendto,
	    .sendmsg = pd_sendmsg,
	    .fcntl = pd_fcntl,
	    .ioctl = pd_ioctl,
	    .close = pd_close,
	    .shutdown = pd_shutdown,
	    .getsockopt = pd_getsockopt,
	    .setsockopt = pd_setsockopt,
	    .poll = pd_poll,
	    .netdev_send = pd_netdev_send,
	    .netdev_receive = pd_netdev_receive,
	    .usleep = pd_usleep,
	    .gettimeofday = pd_gettimeofday,
	    .epoll_create = pd_epoll_create,
	    .epoll_ctl = pd_epoll_ctl,
	    .epoll_wait = pd_epoll_wait,
	    .pipe = pd_pipe,
	    .splice = pd_splice,
	};
}
