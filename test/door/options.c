/*
 * Socket options through the door: what is set is told, and what TCP_INFO says.
 */
#include <linux/tcp.h>
#include <sys/time.h>
#include "play.h"

static void what_is_set_is_told(void **state)
{
	static const struct {
		int level, name, set, told;
	} all[] = {
	    {SOL_SOCKET, SO_REUSEADDR, 1, 1},
	    {SOL_SOCKET, SO_REUSEPORT, 1, 1},
	    {SOL_SOCKET, SO_KEEPALIVE, 1, 1},
	    {SOL_SOCKET, SO_RCVBUF, 5000, 10000},
	    {SOL_SOCKET, SO_SNDBUF, 6000, 12000},
	    {IPPROTO_TCP, TCP_NODELAY, 1, 1},
	    {IPPROTO_TCP, TCP_CORK, 1, 1},
	    {IPPROTO_TCP, TCP_MAXSEG, 1000, 1000},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 11, 11},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 12, 12},
	    {IPPROTO_TCP, TCP_KEEPCNT, 13, 13},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, 14000, 14000},
	    {IPPROTO_TCP, TCP_SYNCNT, 5, 5},
	    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 5, 7},
	    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 9, 9},
	    {IPPROTO_TCP, TCP_LINGER2, 10, 10},
	    {IPPROTO_TCP, TCP_QUICKACK, 0, 0},
	    {SOL_SOCKET, SO_RCVLOWAT, 7, 7},
	    {SOL_SOCKET, SO_PRIORITY, 6, 6},
	    {IPPROTO_IP, IP_TTL, 15, 15},
	    {IPPROTO_IP, IP_TOS, 16, 16},
	    {IPPROTO_IP, IP_RECVERR, 1, 1},
	    {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DO},
	};
	int fd = open_socket(SOCK_STREAM);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		assert_int_equal(set_int(fd, all[i].level, all[i].name, all[i].set), 0);
		assert_int_equal(get_int(fd, all[i].level, all[i].name), all[i].told);
	}
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_SNDLOWAT), 1);
}

static void bad_arguments_of_options_have_their_errno(void **state)
{
	static const struct {
		int level, name, value, number;
	} all[] = {
	    {SOL_SOCKET, 9999, 1, ENOPROTOOPT},
	    {SOL_SOCKET, SO_TYPE, 1, ENOPROTOOPT},
	    {SOL_SOCKET, SO_ERROR, 1, ENOPROTOOPT},
	    {IPPROTO_TCP, 9999, 1, ENOPROTOOPT},
	    {IPPROTO_TCP, TCP_INFO, 1, ENOPROTOOPT},
	    {IPPROTO_TCP, TCP_MAXSEG, 87, EINVAL},
	    {IPPROTO_TCP, TCP_MAXSEG, 32768, EINVAL},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 0, EINVAL},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 32768, EINVAL},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 0, EINVAL},
	    {IPPROTO_TCP, TCP_KEEPCNT, 128, EINVAL},
	    {IPPROTO_TCP, TCP_SYNCNT, 0, EINVAL},
	    {IPPROTO_TCP, TCP_SYNCNT, 128, EINVAL},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, -1, EINVAL},
	    {IPPROTO_IP, IP_TTL, 0, EINVAL},
	    {IPPROTO_IP, IP_TTL, 256, EINVAL},
	    {IPPROTO_IP, IP_MTU_DISCOVER, 9, EINVAL},
	    {IPPROTO_IP, IP_MTU, 1, ENOPROTOOPT},
	    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1, ENOPROTOOPT}, /* of an IPv4 socket */
	    {IPPROTO_UDP, 1, 1, ENOPROTOOPT},
	};
	struct timeval time = {0, 1000000};
	socklen_t size = 4;
	int fd = open_socket(SOCK_STREAM), datagrams = open_socket(SOCK_DGRAM), v = 1;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		fails(set_int(fd, all[i].level, all[i].name, all[i].value),
		      all[i].number);
	fails(set_int(datagrams, IPPROTO_TCP, TCP_NODELAY, 1), ENOPROTOOPT);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_REUSEADDR, NULL, 4), EFAULT);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_REUSEADDR, NULL, 3), EINVAL);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_LINGER, &v, 4), EINVAL);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_LINGER, NULL, 8), EFAULT);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_RCVTIMEO, &time, 4), EINVAL);
	fails(
	    kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)),
	    EDOM);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_BINDTODEVICE, "eth9", 5),
	      ENODEV);
	fails(kiln_door_setsockopt(door, fd, IPPROTO_TCP, TCP_CONGESTION, NULL, 4),
	      EFAULT);
	fails(kiln_door_setsockopt(door, fd, IPPROTO_TCP, TCP_NODELAY, &v, 3), EINVAL);
	fails(kiln_door_getsockopt(door, fd, SOL_SOCKET, SO_TYPE, &v, NULL), EFAULT);
	fails(kiln_door_getsockopt(door, fd, SOL_SOCKET, SO_TYPE, NULL, &size), EFAULT);
	fails(kiln_door_getsockopt(door, fd, SOL_SOCKET, 9999, &v, &size), ENOPROTOOPT);
	size = (socklen_t)-1;
	fails(kiln_door_getsockopt(door, fd, SOL_SOCKET, SO_TYPE, &v, &size), EINVAL);
	fails(kiln_door_getsockopt(door, 99, SOL_SOCKET, SO_TYPE, &v, &size), EBADF);
	/* Those of IPv4 may be a byte. */
	assert_int_equal(kiln_door_setsockopt(door, fd, IPPROTO_IP, IP_TOS, "\x20", 1),
	                 0);
	assert_int_equal(get_int(fd, IPPROTO_IP, IP_TOS), 0x20);
}

static void linger_and_timeouts_are_told_whole(void **state)
{
	struct linger linger = {1, 7}, told_linger;
	struct timeval time = {3, 250000}, told_time;
	socklen_t size = sizeof(linger);
	int fd = open_socket(SOCK_STREAM);

	assert_int_equal(
	    kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_LINGER, &linger, size), 0);
	assert_int_equal(
	    kiln_door_getsockopt(door, fd, SOL_SOCKET, SO_LINGER, &told_linger, &size),
	    0);
	assert_memory_equal(&linger, &told_linger, sizeof(linger));
	size = sizeof(time);
	assert_int_equal(
	    kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_RCVTIMEO, &time, size), 0);
	assert_int_equal(
	    kiln_door_getsockopt(door, fd, SOL_SOCKET, SO_RCVTIMEO, &told_time, &size),
	    0);
	assert_memory_equal(&time, &told_time, sizeof(time));
}

static void a_congestion_control_is_chosen_by_name(void **state)
{
	char name[16];
	socklen_t size = sizeof(name);
	int fd;

	config.congestion = "reno";
	again();
	fd = accepted();
	assert_int_equal(
	    kiln_door_getsockopt(door, fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
	assert_string_equal(name, "reno");
	assert_int_equal(
	    kiln_door_setsockopt(door, fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), 0);
	size = sizeof(name);
	assert_int_equal(
	    kiln_door_getsockopt(door, fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
	assert_string_equal(name, "cubic");
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	assert_int_equal(
	    kiln_door_getsockopt(door, fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	assert_int_equal(size, sizeof(info));
	return info;
}

enum { ESTABLISHED = 1, SYN_SENT, FIN_WAIT1 = 4, CLOSED = 7, CLOSE_WAIT, LISTENING = 10 };

static void tcp_info_tells_the_state(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK), listener;

	assert_int_equal(info_of(fd).tcpi_state, CLOSED);
	connecting(fd);
	assert_int_equal(info_of(fd).tcpi_state, SYN_SENT);
	again();
	listener = listening(5);
	assert_int_equal(info_of(listener).tcpi_state, LISTENING);
	fd = accepted_from(listener);
	assert_int_equal(info_of(fd).tcpi_state, ESTABLISHED);
	peer_sends(FIN | ACK, 1, 1, NULL);
	assert_int_equal(info_of(fd).tcpi_state, CLOSE_WAIT);
	again();
	fd = accepted();
	assert_int_equal(kiln_door_shutdown(door, fd, SHUT_WR), 0);
	assert_int_equal(info_of(fd).tcpi_state, FIN_WAIT1);
}

static void tcp_info_tells_of_the_path(void **state)
{
	static char bytes[20000];
	int fd = accepted();

	assert_int_equal(kiln_door_write(door, fd, bytes, sizeof(bytes)), sizeof(bytes));
	struct tcp_info info = info_of(fd);
	assert_int_equal(info.tcpi_snd_mss, 1460);
	assert_int_equal(info.tcpi_advmss, 1460);
	assert_int_equal(info.tcpi_pmtu, 1500);
	assert_int_equal(info.tcpi_unacked, 10);
	assert_int_equal(info.tcpi_snd_cwnd, 10);
	assert_int_equal(info.tcpi_snd_ssthresh, 0x7fffffff);
	assert_int_equal(info.tcpi_notsent_bytes, 20000 - 14600);
	assert_int_equal(info.tcpi_snd_wnd, 65535);
	pass(MS(100));
	peer_acks(1, 1 + 2 * 1460);
	info = info_of(fd);
	assert_in_range(info.tcpi_rtt, 1, 100000);
	assert_true(info.tcpi_rto >= 200000);
	assert_true(info.tcpi_snd_cwnd > 10);
	pass(MS(3000));
	info = info_of(fd);
	assert_true(info.tcpi_retransmits > 0 && info.tcpi_backoff > 0);
	assert_true(info.tcpi_snd_ssthresh < 0x7fffffff);
	/* As much as fits. */
	socklen_t size = 2;
	assert_int_equal(
	    kiln_door_getsockopt(door, fd, IPPROTO_TCP, TCP_INFO, bytes, &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(bytes[0], ESTABLISHED);
}

static void a_cork_holds_back_what_is_small(void **state)
{
	static char bytes[1500];
	int fd = accepted();

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_CORK, 1), 0);
	assert_int_equal(kiln_door_write(door, fd, bytes, 1500), 1500);
	expect(ACK, 1, 1, 1460);
	expect_nothing();
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_CORK, 0), 0);
	peer_acks(1, 1461);
	expect(ACK, 1461, 1, 40);
	peer_acks(1, 1501);
	assert_int_equal(kiln_door_send(door, fd, "a", 1, MSG_MORE), 1);
	expect_nothing();
	assert_int_equal(kiln_door_send(door, fd, "b", 1, 0), 1);
	expect(ACK, 1501, 1, 2);
}

static void accepted_sockets_inherit(void **state)
{
	int listener = open_socket(SOCK_STREAM | SOCK_NONBLOCK), fd;

	assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	assert_int_equal(set_int(listener, SOL_SOCKET, SO_SNDBUF, 7000), 0);
	assert_int_equal(bind_to(listener, ANY, LOCAL_PORT), 0);
	assert_int_equal(kiln_door_listen(door, listener, 5), 0);
	our_port = LOCAL_PORT;
	fd = accepted_from(listener);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_SNDBUF), 14000);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(what_is_set_is_told),
	    PLAY(bad_arguments_of_options_have_their_errno),
	    PLAY(linger_and_timeouts_are_told_whole),
	    PLAY(a_congestion_control_is_chosen_by_name),
	    PLAY(tcp_info_tells_the_state),
	    PLAY(tcp_info_tells_of_the_path),
	    PLAY(a_cork_holds_back_what_is_small),
	    PLAY(accepted_sockets_inherit),
	};

	return cmocka_run_group_tests_name("door: options", all, NULL, NULL) != 0;
}
