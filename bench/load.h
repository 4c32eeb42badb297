/*
 * What the clients of kiln bench net share: the time, and a way to the server, which may
 * have just been started.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull

enum { PATIENCE = 10, AGAIN_US = 5000, BUFFER = 8 << 20 };

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

_Noreturn static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		errno = EINVAL;
		fail(address);
	}
	return to;
}

/* Large enough buffers that nothing is lost for their sake. */
static inline void enlarge_buffers(int s)
{
	const int size = BUFFER;

	if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		fail("socket buffers");
}

/* Tries until there is a route, and a listener. */
static inline int connect_patiently(int type, const struct sockaddr_in *to)
{
	uint64_t deadline = now_ns() + PATIENCE * SECOND;

	for (;;) {
		int s = socket(AF_INET, type, 0);

		if (s < 0)
			fail("socket");
		if (connect(s, (const struct sockaddr *)to, sizeof(*to)) == 0)
			return s;
		if (now_ns() > deadline)
			fail("connect");
		close(s);
		usleep(AGAIN_US);
	}
}

#endif
