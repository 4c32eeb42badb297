/*
 * Calls that wait: in one thread, where they let virtual time pass themselves, and in a
 * thread beside the one that has the clock. Virtual time itself, and what it is told of.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>
#include <unistd.h>
#include "play.h"

static int set_timeout(int fd, int name, unsigned ms)
{
	struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	return kiln_door_setsockopt(door, fd, SOL_SOCKET, name, &time, sizeof(time));
}

static int blocking(int fd)
{
	assert_int_equal(kiln_door_fcntl(door, fd, F_SETFL, 0), 0);
	return fd;
}

/* ---- one thread ---- */

static void a_read_lets_time_pass_until_something_comes(void **state)
{
	char data[10];
	int fd = blocking(accepted());

	peer_sends_at(MS(700), ACK, 1, 1, NULL, 0, "later", 5);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 5);
	assert_int_equal(kiln_door_now(door), MS(700));
	peer_sends_at(MS(900), ACK, 6, 1, NULL, 0, "four", 4);
	peer_sends_at(MS(1500), ACK, 10, 1, NULL, 0, "more", 4);
	assert_int_equal(kiln_door_recv(door, fd, data, 8, MSG_WAITALL), 8);
	assert_memory_equal(data, "fourmore", 8);
	assert_int_equal(kiln_door_now(door), MS(1500));
}

static void a_wait_for_what_never_comes_ends(void **state)
{
	char data[10];
	int fd = blocking(accepted());

	fails(kiln_door_read(door, fd, data, sizeof(data)), EDEADLK);
	assert_int_equal(set_timeout(fd, SO_RCVTIMEO, 2500), 0);
	uint64_t before = kiln_door_now(door);
	fails(kiln_door_read(door, fd, data, sizeof(data)), EAGAIN);
	assert_int_equal(kiln_door_now(door), before + MS(2500));
}

static void a_connect_waits_for_the_handshake_or_its_timeout(void **state)
{
	int fd = open_socket(SOCK_STREAM);

	fails(connect_to(fd, PEER_PORT), ETIMEDOUT);
	assert_in_range(kiln_door_now(door), MS(183000), MS(183002));
	fd = open_socket(SOCK_STREAM);
	assert_int_equal(set_timeout(fd, SO_SNDTIMEO, 500), 0);
	fails(connect_to(fd, PEER_PORT), EINPROGRESS);
}

static void a_write_waits_for_room(void **state)
{
	static char bytes[30000];
	int fd = blocking(accepted());

	assert_int_equal(set_int(fd, SOL_SOCKET, SO_SNDBUF, 20000), 0);
	peer_sends_at(MS(100), ACK, 1, 1 + 14600, NULL, 0, NULL, 0);
	assert_int_equal(kiln_door_write(door, fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(kiln_door_now(door), MS(100));
}

static void an_accept_and_a_poll_wait(void **state)
{
	int fd = blocking(listening(5));
	struct pollfd p = {fd, POLLIN, 0};

	assert_int_equal(kiln_door_poll(door, &p, 1, 1500), 0);
	assert_int_equal(kiln_door_now(door), MS(1500));
	peer_opens(MSS_OPTION, 4);
	peer_sends_at(MS(2000), ACK, 1, 1, NULL, 0, NULL, 0);
	assert_int_equal(kiln_door_poll(door, &p, 1, -1), 1);
	assert_int_equal(kiln_door_now(door), MS(2000));
	assert_true(kiln_door_accept(door, fd, NULL, NULL) > fd);
	p.fd = 77;
	assert_int_equal(kiln_door_poll(door, &p, 1, -1), 1);
	assert_int_equal(p.revents, POLLNVAL);
}

/* ---- time ---- */

static void time_moves_only_when_it_is_told_to(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	assert_int_equal(kiln_door_now(door), 0);
	connecting(fd);
	assert_int_equal(kiln_door_now(door), 0);
	assert_in_range(kiln_door_next(door), 1, MS(1001));
	assert_in_range(kiln_door_run(door, KILN_DOOR_NEVER, KILN_DOOR_ON_PACKET),
	                MS(1000), MS(1001));
	assert_int_equal(kiln_door_pending(door), 1);
	kiln_door_advance(door, MS(10)); /* has passed */
	assert_in_range(kiln_door_now(door), MS(1000), MS(1001));
	assert_int_equal(kiln_door_run(door, MS(1500), 0), MS(1500));
}

static void a_capture_has_what_passed(void **state)
{
	char path[] = "/tmp/kiln-door-XXXXXX";
	uint8_t header[4];
	int file = mkstemp(path), fd;

	assert_true(file >= 0);
	config.pcap = path;
	again();
	fd = accepted();
	assert_int_equal(kiln_door_close(door, fd), 0);
	kiln_door_free(door);
	config.pcap = NULL;
	start();
	off_t size = lseek(file, 0, SEEK_END);
	assert_int_equal(pread(file, header, 4, 0), 4);
	/* A header, and four packets with theirs: SYN, SYN-ACK, ACK, FIN. */
	assert_in_range(size, 24 + 4 * (16 + 14 + 40), 24 + 4 * (16 + 14 + 60));
	close(file);
	unlink(path);
}

static void bad_configuration_is_refused_with_a_reason(void **state)
{
	struct kiln_door_config bad = {0};

	assert_null(kiln_door_new(&bad));
	assert_int_equal(errno, EINVAL);
	bad.size = sizeof(bad);
	assert_null(kiln_door_new(&bad));
	bad.ip = "192.0.2.300/24";
	assert_null(kiln_door_new(&bad));
	assert_non_null(strstr(kiln_door_message(), "192.0.2.300"));
	bad.ip = "192.0.2.1/24";
	bad.congestion = "none";
	assert_null(kiln_door_new(&bad));
	assert_non_null(strstr(kiln_door_message(), "none"));
	bad.congestion = "reno";
	struct kiln_door *other = kiln_door_new(&bad); /* beside the one there is */
	assert_non_null(other);
	kiln_door_free(other);
}

/* ---- a thread that waits ---- */

static struct {
	pthread_t thread;
	int fd;
	ssize_t result;
	int number;
	uint64_t at;
	char data[100];
} other;

static void *reads(void *arg)
{
	other.result = kiln_door_read(door, other.fd, other.data, sizeof(other.data));
	other.number = errno;
	other.at = kiln_door_now(door);
	return NULL;
}

static void *accepts(void *arg)
{
	other.result = kiln_door_accept(door, other.fd, NULL, NULL);
	other.number = errno;
	other.at = kiln_door_now(door);
	return NULL;
}

static void *connects(void *arg)
{
	other.result = connect_to(other.fd, PEER_PORT);
	other.number = errno;
	return NULL;
}

static void begin(void *(*call)(void *), int fd)
{
	other.fd = fd;
	other.result = -2;
	assert_int_equal(pthread_create(&other.thread, NULL, call, NULL), 0);
}

/* Until the other thread sleeps in its call: as long as the stack's next event is not its
 * doing that cannot be seen from here, so it is given a while. */
static void let_it_begin(void)
{
	usleep(50000);
}

static void end(void)
{
	assert_int_equal(pthread_join(other.thread, NULL), 0);
}

static int setup_wait(void **state)
{
	config = (struct kiln_door_config){.blocking = KILN_DOOR_WAIT};
	six = false;
	peer_window = PEER_WINDOW;
	start();
	return 0;
}

static void a_thread_reads_while_another_has_the_clock(void **state)
{
	int fd = blocking(accepted());

	begin(reads, fd);
	let_it_begin();
	assert_int_equal(other.result, -2);
	peer_sends_at(MS(300), ACK, 1, 1, NULL, 0, "hello", 5);
	/* The clock stands where the call returned, for whoever wants to see it there. */
	assert_int_equal(kiln_door_run(door, MS(1000), KILN_DOOR_ON_RETURN), MS(300));
	end();
	assert_int_equal(other.result, 5);
	assert_int_equal(other.at, MS(300));
	assert_memory_equal(other.data, "hello", 5);
}

static void a_thread_that_waits_has_its_timeout_in_virtual_time(void **state)
{
	int fd = blocking(accepted());

	assert_int_equal(set_timeout(fd, SO_RCVTIMEO, 4000), 0);
	begin(reads, fd);
	let_it_begin();
	assert_int_equal(kiln_door_run(door, MS(10000), KILN_DOOR_ON_RETURN), MS(4000));
	end();
	assert_int_equal(other.result, -1);
	assert_int_equal(other.number, EAGAIN);
}

static void a_thread_accepts_what_another_injects(void **state)
{
	int fd = blocking(listening(5));

	begin(accepts, fd);
	let_it_begin();
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	end();
	assert_true(other.result > fd);
	assert_int_equal(other.at, 0);
}

static void a_thread_connects(void **state)
{
	int fd = open_socket(SOCK_STREAM);

	begin(connects, fd);
	kiln_door_run(door, 0, KILN_DOOR_ON_PACKET);
	while (!kiln_door_pending(door))
		usleep(1000);
	const struct packet *syn = taken();
	our_isn = syn->seq;
	our_port = syn->from;
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	end();
	assert_int_equal(other.result, 0);
}

static void closing_a_socket_ends_the_call_that_waits_in_it(void **state)
{
	int fd = blocking(accepted());

	begin(reads, fd);
	let_it_begin();
	assert_int_equal(kiln_door_close(door, fd), 0);
	end();
	assert_int_equal(other.result, -1);
	assert_int_equal(other.number, EBADF);
}

static void a_thread_can_be_cancelled_in_its_wait(void **state)
{
	int fd = blocking(accepted());

	begin(reads, fd);
	let_it_begin();
	assert_int_equal(pthread_cancel(other.thread), 0);
	end();
	pass(MS(1000));
	assert_int_equal(kiln_door_close(door, fd), 0);
}

#define THREADS(test) cmocka_unit_test_setup_teardown(test, setup_wait, teardown)

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_read_lets_time_pass_until_something_comes),
	    PLAY(a_wait_for_what_never_comes_ends),
	    PLAY(a_connect_waits_for_the_handshake_or_its_timeout),
	    PLAY(a_write_waits_for_room),
	    PLAY(an_accept_and_a_poll_wait),
	    PLAY(time_moves_only_when_it_is_told_to),
	    PLAY(a_capture_has_what_passed),
	    PLAY(bad_configuration_is_refused_with_a_reason),
	    THREADS(a_thread_reads_while_another_has_the_clock),
	    THREADS(a_thread_that_waits_has_its_timeout_in_virtual_time),
	    THREADS(a_thread_accepts_what_another_injects),
	    THREADS(a_thread_connects),
	    THREADS(closing_a_socket_ends_the_call_that_waits_in_it),
	    THREADS(a_thread_can_be_cancelled_in_its_wait),
	};

	return cmocka_run_group_tests_name("door: wait", all, NULL, NULL) != 0;
}
