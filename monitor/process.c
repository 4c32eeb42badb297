/*
 * What both monitors do to their own process before they lock themselves in.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "monitor.h"

enum { SYS_CLOSE_RANGE = 436 }; /* Linux 5.9 */

uint64_t monitor_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void monitor_end(const struct monitor_options *options, int status, const char *format,
                 va_list args)
{
	fprintf(stderr, "%s: ", options->program);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	exit(status);
}

void monitor_fail(const struct monitor_options *options, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	monitor_end(options, MONITOR_EXIT_FAILED, format, args);
}

void monitor_open_standard(void)
{
	struct pollfd fds[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};

	(void)poll(fds, 3, 0);
	for (int i = 0; i < 3; i++) {
		if (fds[i].revents & POLLNVAL && open("/dev/null", O_RDWR) != i)
			_exit(MONITOR_EXIT_FAILED);
	}
}

void monitor_close_others(const struct monitor_options *options)
{
	unsigned next = STDERR_FILENO + 1;

	for (unsigned i = 0; i < options->kept_count; i++) {
		unsigned kept = (unsigned)options->kept[i];
		if (kept > next)
			(void)syscall(SYS_CLOSE_RANGE, next, kept - 1, 0);
		next = kept + 1;
	}
	(void)syscall(SYS_CLOSE_RANGE, next, ~0u, 0);
}

void monitor_close_from(const struct monitor_options *o, unsigned first)
{
	if (syscall(SYS_CLOSE_RANGE, first, ~0u, 0) < 0)
		monitor_fail(o, "cannot close descriptors: %s", strerror(errno));
}

void monitor_random(const struct monitor_options *o, void *bytes, size_t size)
{
	if (getrandom(bytes, size, 0) != (ssize_t)size)
		monitor_fail(o, "no random numbers: %s", strerror(errno));
}

bool monitor_try_again(unsigned *tries)
{
	enum { TRIES = 600, PAUSE_US = 5000 };

	if ((errno != EBUSY && errno != EEXIST) || ++*tries == TRIES)
		return false;
	usleep(PAUSE_US);
	return true;
}

void monitor_pin(const struct monitor_options *options)
{
	cpu_set_t cpus;

	if (options->cpu < 0)
		return;
	CPU_ZERO(&cpus);
	if (options->cpu < CPU_SETSIZE)
		CPU_SET((unsigned)options->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		monitor_fail(options, "cannot run on processor %d: %s", options->cpu,
		             errno == EINVAL ? "there is none, or it is not ours to use"
		                             : strerror(errno));
}

int monitor_open_stop(const struct monitor_options *options)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	/* A debugger stops its process by SIGINT, which must then not be blocked. */
	if (!options->hold)
		sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (options->gdb >= 0)
		sigaddset(&set, SIGIO); /* gdb has sent something */
	signal(SIGPIPE, SIG_IGN);
	fd = sigprocmask(SIG_SETMASK, &set, NULL) < 0 ? -1
	                                              : signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		monitor_fail(options, "no descriptor for signals: %s", strerror(errno));
	return fd;
}
