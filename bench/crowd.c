/*
 * The idle ones of kiln bench net: opens so many TCP connections from one address, and says
 * nothing on them.
 *
 *	crowd ADDRESS PORT COUNT SOURCE
 *
 * Prints "open" once all are established. Ends when its standard input does, and prints how
 * many the server has closed or reset by then.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include "load.h"

/* At once on their way: fewer than a server's backlog, and than an interface's queue. */
enum { OPENING = 512, EVENTS = 512 };

struct crowd {
	struct sockaddr_in from, to;
	unsigned count, begun, open, closed;
	int epoll;
};

static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail("RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail("RLIMIT_NOFILE");
}

static void begin_one(struct crowd *crowd)
{
	const int one = 1;
	const struct linger reset = {.l_onoff = 1};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.fd = s};

	if (s < 0)
		fail("socket");
	/* The port is chosen when it connects, which is quicker. */
	setsockopt(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	/* They end by a reset: ports in TIME-WAIT would have those of the next round searched
	 * for one by one, which takes minutes. */
	if (setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		fail("SO_LINGER");
	if (bind(s, (struct sockaddr *)&crowd->from, sizeof(crowd->from)) < 0)
		fail("bind");
	if (connect(s, (struct sockaddr *)&crowd->to, sizeof(crowd->to)) < 0 &&
	    errno != EINPROGRESS)
		fail("connect");
	if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, s, &event) < 0)
		fail("epoll_ctl");
	crowd->begun++;
}

/* One that is open is watched for its end from here on. */
static void take(struct crowd *crowd, const struct epoll_event *event)
{
	struct epoll_event end = {.events = EPOLLRDHUP | EPOLLONESHOT,
	                          .data.fd = event->data.fd};

	if (event->events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		crowd->closed++;
		return;
	}
	crowd->open++;
	if (epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, event->data.fd, &end) < 0)
		fail("epoll_ctl");
}

/* Handles what there is within so many ms; how much that was. */
static int wait_some(struct crowd *crowd, int ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(crowd->epoll, events, EVENTS, ms);

	for (int i = 0; i < count; i++)
		take(crowd, &events[i]);
	return count;
}

int main(int argc, char **argv)
{
	struct crowd crowd = {.epoll = epoll_create1(0)};
	char byte;

	if (argc != 5) {
		fprintf(stderr, "usage: %s ADDRESS PORT COUNT SOURCE\n", argv[0]);
		return 2;
	}
	crowd.to = address_of(argv[1], argv[2]);
	crowd.count = (unsigned)atoi(argv[3]);
	crowd.from = address_of(argv[4], "0");
	raise_limit();
	while (crowd.open + crowd.closed < crowd.count) {
		while (crowd.begun < crowd.count &&
		       crowd.begun - crowd.open - crowd.closed < OPENING)
			begin_one(&crowd);
		if (wait_some(&crowd, PATIENCE * 1000) == 0) {
			fprintf(stderr, "%u of %u are open, and no more within %d s\n",
			        crowd.open, crowd.count, PATIENCE);
			return 1;
		}
	}
	printf("open\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	while (wait_some(&crowd, 0) > 0)
		;
	printf("%u\n", crowd.closed);
	return 0;
}
