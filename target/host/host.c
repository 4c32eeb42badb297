/*
 * The functions of <kiln/target.h> over epoll and the host's clocks; see host.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "host.h"

enum { EVENTS_AT_ONCE = 64 };

/* What the signal handler writes to: a handler has no argument. */
static volatile int stop_fd = -1;

/* ---- clocks, console, ending ---- */

static kiln_time clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return KILN_SECONDS(now.tv_sec) + (kiln_time)now.tv_nsec;
}

kiln_time target_now(struct kiln *k)
{
	return clock_ns(CLOCK_MONOTONIC);
}

kiln_time target_wall(struct kiln *k)
{
	return clock_ns(CLOCK_REALTIME);
}

/* Text that cannot be written is dropped: there is nobody to tell. */
static void write_all(int fd, struct slice text)
{
	while (text.len) {
		ssize_t n = write(fd, text.data, text.len);
		if (n > 0)
			text = slice_skip(text, (size_t)n);
		else if (errno != EINTR)
			return;
	}
}

void target_console(struct kiln *k, struct slice text)
{
	write_all(STDOUT_FILENO, text);
}

void target_exit(struct kiln *k, int status)
{
	host_end(host_of(k));
	exit(status);
}

void target_panic(struct slice message)
{
	write_all(STDERR_FILENO, message);
	abort();
}

/* ---- files ---- */

bool host_watch(struct host *host, struct host_file *file)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	                            .data.ptr = file};

	list_init(&file->active);
	file->events = 0;
	return epoll_ctl(host->epoll, EPOLL_CTL_ADD, file->fd, &event) == 0;
}

void host_again(struct host *host, struct host_file *file)
{
	if (!list_linked(&file->active))
		list_append(&host->active, &file->active);
}

void host_file_close(struct host_file *file)
{
	list_remove(&file->active);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* Asks epoll, and lists the files that something happened to. */
static void fetch(struct host *host, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(host->epoll, events, EVENTS_AT_ONCE, timeout_ms);

	for (int i = 0; i < count; i++) {
		struct host_file *file = events[i].data.ptr;
		file->events |= events[i].events;
		host_again(host, file);
	}
}

static unsigned host_poll(struct loop_source *source, unsigned budget)
{
	struct host *host = kiln_container(source, struct host, source);
	struct list batch, *node;
	unsigned done = 0;

	if (!host->fetched)
		fetch(host, 0);
	host->fetched = false;
	list_init(&batch);
	list_splice(&batch, &host->active);
	while (done < budget && (node = list_pop(&batch))) {
		struct host_file *file = kiln_container(node, struct host_file, active);
		uint32_t events = file->events;
		file->events = 0;
		file->ready(file, events);
		done++;
	}
	list_splice(&batch, &host->active); /* what is left goes first next time */
	list_splice(&host->active, &batch);
	return done;
}

static void host_flush(struct loop_source *source)
{
	struct host *host = kiln_container(source, struct host, source);

	list_each_safe (node, &host->hooks) {
		struct host_hook *hook = kiln_container(node, struct host_hook, node);
		hook->flush(hook);
	}
}

/* Whole milliseconds, rounded up: the loop's timers are no finer. */
static int timeout_until(kiln_time deadline, kiln_time now)
{
	const kiln_time longest = KILN_SECONDS(3600);

	if (deadline <= now)
		return 0;
	return (int)((KILN_MIN(deadline - now, longest) + KILN_MS(1) - 1) / KILN_MS(1));
}

void target_wait(struct kiln *k, kiln_time deadline)
{
	struct host *host = host_of(k);
	bool busy = !list_empty(&host->active) || !list_empty(&k->loop.deferred);

	fetch(host, busy ? 0 : timeout_until(deadline, target_now(k)));
	host->fetched = true;
}

/* ---- stopping ---- */

/* Once: a second Ctrl-C ends a program that does not react to the first. */
static void stop_signal(int signal)
{
	int saved = errno;
	uint64_t one = 1;

	if (write(stop_fd, &one, sizeof(one)) < 0) {
		/* the counter is not 0 already only if it was written before */
	}
	errno = saved;
}

static void stop_ready(struct host_file *file, uint32_t events)
{
	struct host *host = kiln_container(file, struct host, stop);
	uint64_t count;

	if (read(file->fd, &count, sizeof(count)) == sizeof(count))
		loop_stop(&host->kiln.loop);
}

/* A handler and an eventfd rather than signalfd: a debugger sees no blocked signal. */
static void catch_signals(struct host *host)
{
	struct sigaction action = {.sa_handler = stop_signal,
	                           .sa_flags = SA_RESTART | (int)SA_RESETHAND};

	stop_fd = host->stop.fd;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- the world ---- */

bool host_init(struct host *host)
{
	list_init(&host->active);
	list_init(&host->hooks);
	list_init(&host->disks);
	host->kiln.boot = &host->boot;
	host->kiln.target = host;
	host->source.poll = host_poll;
	host->source.flush = host_flush;
	host->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (host->epoll < 0)
		return false;
	host->stop.ready = stop_ready;
	host->stop.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!host_watch(host, &host->stop))
		return false;
	catch_signals(host);
	return true;
}

void host_hook_add(struct host *host, struct host_hook *hook)
{
	list_prepend(&host->hooks,
	             &hook->node); /* what builds on another ends before it */
}

void host_end(struct host *host)
{
	struct list *node;

	while ((node = list_pop(&host->hooks))) {
		struct host_hook *hook = kiln_container(node, struct host_hook, node);
		if (hook->end)
			hook->end(hook);
	}
	host_disks_end(host);
	stop_fd = -1;
	host_file_close(&host->stop);
	close(host->epoll);
}

void *host_alloc(struct kiln *k, size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		kiln_fail(k, "host", "no memory for %zu bytes", size);
	return memory;
}
