/*
 * The entry point that packetdrill loads: its table, by what packetdrill's own header says
 * of it, and how it waits for a script's events.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>
#include "play.h"

/* Pointers in the order of the table. */
enum {
	USERDATA,
	FREE,
	SOCKET,
	BIND,
	LISTEN,
	ACCEPT,
	CONNECT,
	READ,
	READV,
	RECV,
	RECVFROM,
	RECVMSG,
	WRITE,
	WRITEV,
	SEND,
	SENDTO,
	SENDMSG,
	FCNTL,
	IOCTL,
	CLOSE,
	SHUTDOWN,
	GETSOCKOPT,
	SETSOCKOPT,
	POLL,
	NETDEV_SEND,
	NETDEV_RECEIVE,
	USLEEP,
	GETTIMEOFDAY,
	EPOLL_CREATE,
	EPOLL_CTL,
	EPOLL_WAIT,
	PIPE,
	SPLICE,
	ENTRIES,
};

__attribute__((visibility("default"))) void packetdrill_interface_init(const char *flags,
                                                                       void *table);

static void *table[ENTRIES + 4];

static void *entry(int i)
{
	return table[i];
}

static int call_socket(int type)
{
	int (*call)(void *, int, int, int) =
	    (int (*)(void *, int, int, int))(uintptr_t)entry(SOCKET);

	return call(entry(USERDATA), AF_INET, type, IPPROTO_TCP);
}

static int call_connect(int fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int (*call)(void *, int, const struct sockaddr *, socklen_t) = (int (*)(
	    void *, int, const struct sockaddr *, socklen_t))(uintptr_t)entry(CONNECT);

	inet_pton(AF_INET, "192.0.2.7", &to.sin_addr);
	return call(entry(USERDATA), fd, (struct sockaddr *)&to, sizeof(to));
}

static size_t call_receive(uint8_t *packet, size_t size, long long *us)
{
	int (*call)(void *, void *, size_t *, long long *) = (int (*)(
	    void *, void *, size_t *, long long *))(uintptr_t)entry(NETDEV_RECEIVE);

	assert_int_equal(call(entry(USERDATA), packet, &size, us), 0);
	return size;
}

static int call_send(const uint8_t *packet, size_t size)
{
	int (*call)(void *, const void *, size_t) =
	    (int (*)(void *, const void *, size_t))(uintptr_t)entry(NETDEV_SEND);

	return call(entry(USERDATA), packet, size);
}

static long long call_clock(void)
{
	struct timeval time;
	int (*call)(void *, struct timeval *, struct timezone *) = (int (*)(
	    void *, struct timeval *, struct timezone *))(uintptr_t)entry(GETTIMEOFDAY);

	assert_int_equal(call(entry(USERDATA), &time, NULL), 0);
	return time.tv_sec * 1000000LL + time.tv_usec;
}

static void call_usleep(unsigned us)
{
	int (*call)(void *, useconds_t) =
	    (int (*)(void *, useconds_t))(uintptr_t)entry(USLEEP);

	assert_int_equal(call(entry(USERDATA), us), 0);
}

static void call_free(void)
{
	void (*call)(void *) = (void (*)(void *))(uintptr_t)entry(FREE);

	call(entry(USERDATA));
}

static int connect_result = -2;

static void *connects(void *arg)
{
	connect_result = call_connect(*(int *)arg);
	return NULL;
}

/* The SYN-ACK to a SYN of IPv4. */
static size_t answer(const uint8_t *syn, uint8_t *reply)
{
	memset(reply, 0, 40);
	reply[0] = 0x45;
	put(reply + 2, 2, 40);
	reply[8] = 64;
	reply[9] = IPPROTO_TCP;
	memcpy(reply + 12, syn + 16, 4);
	memcpy(reply + 16, syn + 12, 4);
	put(reply + 10, 2, fold(sum16(0, reply, 20)));
	memcpy(reply + 20, syn + 22, 2);
	memcpy(reply + 22, syn + 20, 2);
	put(reply + 24, 4, 7);
	put(reply + 28, 4, get(syn + 24, 4) + 1);
	reply[32] = 0x50;
	reply[33] = SYN | ACK;
	put(reply + 34, 2, 1000);
	put(reply + 36, 2, fold(sum16(IPPROTO_TCP + 20, reply + 12, 28)));
	return 40;
}

static void a_script_is_played(void **state)
{
	uint8_t packet[2000], reply[40];
	pthread_t thread;
	long long us;
	int fd;

	packetdrill_interface_init("ip=192.0.2.1/24,no_timestamps,mtu=1400,seed=7",
	                           table);
	for (int i = 0; i < ENTRIES; i++)
		assert_non_null(entry(i));
	assert_null(table[ENTRIES]);
	fd = call_socket(SOCK_STREAM);
	assert_true(fd >= 3);
	/* A call that waits does so in a thread of its own. */
	assert_int_equal(pthread_create(&thread, NULL, connects, &fd), 0);
	size_t size;
	while ((size = call_receive(packet, sizeof(packet), &us)) == 0)
		usleep(1000); /* of real time, until that thread has begun */
	assert_true(size >= 40);
	assert_int_equal(packet[33], SYN);
	assert_in_range(us, 0, 1000);
	/* It gets near to an event by sleeping, and the rest of the way by looking. */
	call_usleep(99980);
	long long before = call_clock();
	assert_in_range(before, 99980, 100000);
	while (call_clock() < before + 20)
		;
	assert_int_equal(call_send(reply, answer(packet, reply)), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(connect_result, 0);
	assert_int_equal(call_receive(packet, sizeof(packet), &us), 40);
	assert_int_equal(packet[33], ACK);
	assert_in_range(us, 99980, 101000);
	assert_int_equal(call_receive(packet, sizeof(packet), &us), 0); /* none comes */
	call_free();
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(a_script_is_played),
	};

	return cmocka_run_group_tests_name("door: packetdrill", all, NULL, NULL) != 0;
}
