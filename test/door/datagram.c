/*
 * UDP through the door: datagrams, what is told of them, and ICMP errors.
 */
#include <time.h>
#include <linux/errqueue.h>
#include <sys/ioctl.h>
#include "play.h"

static void peer_sends_datagram(uint16_t from, uint16_t to, const char *data)
{
	uint8_t u[600] = {0};
	size_t size = strlen(data);

	put(u, 2, from);
	put(u + 2, 2, to);
	put(u + 4, 2, (uint32_t)(8 + size));
	memcpy(u + 8, data, size);
	inject_ip(IPPROTO_UDP, u, 8 + size, 6, 0);
}

static int bound(void)
{
	int fd = open_socket(SOCK_DGRAM | SOCK_NONBLOCK);

	assert_int_equal(bind_to(fd, ANY, LOCAL_PORT), 0);
	return fd;
}

static void datagrams_keep_their_bounds_and_their_sender(void **state)
{
	struct sockaddr_storage from, want;
	socklen_t size = sizeof(from), want_size = sockaddr_of(&want, PEER, PEER_PORT);
	char data[100];
	int fd = bound(), count;

	fails(kiln_door_recv(door, fd, data, sizeof(data), 0), EAGAIN);
	peer_sends_datagram(PEER_PORT, LOCAL_PORT, "first");
	peer_sends_datagram(PEER_PORT, LOCAL_PORT, "");
	peer_sends_datagram(PEER_PORT, LOCAL_PORT, "third one");
	assert_int_equal(poll_now(fd), POLLIN | POLLOUT);
	assert_int_equal(kiln_door_ioctl(door, fd, FIONREAD, &count), 0);
	assert_int_equal(count, 5);
	assert_int_equal(kiln_door_recv(door, fd, data, 2, MSG_PEEK), 2);
	assert_int_equal(kiln_door_recvfrom(door, fd, data, sizeof(data), 0,
	                                    (struct sockaddr *)&from, &size),
	                 5);
	assert_memory_equal(data, "first", 5);
	assert_int_equal(size, want_size);
	assert_memory_equal(&from, &want, size);
	assert_int_equal(kiln_door_recv(door, fd, data, sizeof(data), 0), 0);
	struct iovec part = {data, 5};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	assert_int_equal(kiln_door_recvmsg(door, fd, &message, MSG_TRUNC), 9);
	assert_int_equal(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
	assert_memory_equal(data, "third", 5);
	fails(kiln_door_recv(door, fd, data, sizeof(data), 0), EAGAIN);
}

static void a_datagram_is_sent_to_whom_it_is_said(void **state)
{
	struct sockaddr_storage to;
	socklen_t size = sockaddr_of(&to, PEER, PEER_PORT);
	int fd = open_socket(SOCK_DGRAM);

	fails(kiln_door_send(door, fd, "x", 1, 0), EDESTADDRREQ);
	assert_int_equal(
	    kiln_door_sendto(door, fd, "hello", 5, 0, (struct sockaddr *)&to, size), 5);
	const struct packet *p = taken();
	assert_int_equal(p->protocol, IPPROTO_UDP);
	assert_int_equal(p->to, PEER_PORT);
	assert_true(p->from >= 32768);
	assert_int_equal(p->data_size, 5);
	assert_memory_equal(p->data, "hello", 5);
	size = sockaddr_of(&to, PEER, 0);
	fails(kiln_door_sendto(door, fd, "x", 1, 0, (struct sockaddr *)&to, size),
	      EINVAL);
}

static void a_connected_socket_hears_its_peer_alone(void **state)
{
	struct sockaddr_storage name, want;
	socklen_t size = sizeof(name), want_size = sockaddr_of(&want, STACK, LOCAL_PORT);
	char data[10];
	int fd = bound();

	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	assert_int_equal(kiln_door_getsockname(door, fd, (struct sockaddr *)&name, &size),
	                 0);
	assert_int_equal(size, want_size);
	assert_memory_equal(&name, &want, size);
	peer_sends_datagram(PEER_PORT + 1, LOCAL_PORT, "x");
	assert_int_equal(taken()->protocol, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	fails(kiln_door_read(door, fd, data, sizeof(data)), EAGAIN);
	peer_sends_datagram(PEER_PORT, LOCAL_PORT, "y");
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 1);
	assert_int_equal(kiln_door_write(door, fd, "z", 1), 1);
	assert_int_equal(taken()->to, PEER_PORT);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	assert_int_equal(kiln_door_connect(door, fd, &none, sizeof(none)), 0);
	fails(kiln_door_write(door, fd, "z", 1), EDESTADDRREQ);
}

static void an_unreachable_port_is_told_to_a_connected_socket(void **state)
{
	char data[10];
	int fd = bound();

	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	struct packet sent = *taken();
	peer_complains(&sent, six ? 1 : 3, six ? 3 : 1, 0); /* soft: the host */
	fails(kiln_door_read(door, fd, data, sizeof(data)), EAGAIN);
	peer_complains(&sent, six ? 1 : 3, six ? 4 : 3, 0);
	assert_int_equal(poll_now(fd), POLLOUT | POLLERR);
	fails(kiln_door_read(door, fd, data, sizeof(data)), ECONNREFUSED);
	fails(kiln_door_read(door, fd, data, sizeof(data)), EAGAIN);
	peer_complains(&sent, six ? 1 : 3, six ? 4 : 3, 0);
	fails(kiln_door_write(door, fd, "x", 1), ECONNREFUSED);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	/* Unconnected, it is told nothing, unless it asks. */
	again();
	fd = bound();
	struct sockaddr_storage to;
	socklen_t size = sockaddr_of(&to, PEER, PEER_PORT);
	assert_int_equal(
	    kiln_door_sendto(door, fd, "x", 1, 0, (struct sockaddr *)&to, size), 1);
	sent = *taken();
	peer_complains(&sent, six ? 1 : 3, six ? 4 : 3, 0);
	fails(kiln_door_read(door, fd, data, sizeof(data)), EAGAIN);
	assert_int_equal(set_int(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
	                         six ? IPV6_RECVERR : IP_RECVERR, 1),
	                 0);
	peer_complains(&sent, six ? 1 : 3, six ? 4 : 3, 0);
	fails(kiln_door_read(door, fd, data, sizeof(data)), ECONNREFUSED);
}

static void errors_wait_to_be_read_if_that_is_wanted(void **state)
{
	struct {
		struct cmsghdr header;
		struct sock_extended_err error;
		struct sockaddr_in6 from; /* or one of IPv4 */
	} control = {0};
	struct sockaddr_storage to, wanted;
	char data[16];
	struct iovec part = {data, sizeof(data)};
	struct msghdr m = {&to, sizeof(to), &part, 1, &control, sizeof(control), 0};
	int fd = open_socket(SOCK_DGRAM | SOCK_NONBLOCK);
	socklen_t size = sockaddr_of(&wanted, PEER, PEER_PORT);

	assert_int_equal(set_int(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
	                         six ? IPV6_RECVERR : IP_RECVERR, 1),
	                 0);
	for (int i = 0; i < 2; i++) {
		if (i ==
		    1) /* the error of the first is told by the second, which is lost */
			fails(kiln_door_sendto(door, fd, "second", 6, 0,
			                       (struct sockaddr *)&wanted, size),
			      EHOSTUNREACH);
		assert_int_equal(kiln_door_sendto(door, fd, i ? "second" : "first",
		                                  i ? 6 : 5, 0,
		                                  (struct sockaddr *)&wanted, size),
		                 i ? 6 : 5);
		struct packet p = *taken();
		if (i == 0) /* a soft one: the host cannot be reached */
			peer_complains(&p, six ? 1 : 3, six ? 3 : 1, 0);
		else /* and a hard one: the port */
			peer_complains(&p, six ? 1 : 3, six ? 4 : 3, 0);
	}
	assert_true(poll_now(fd) & POLLERR);
	for (int i = 0; i < 2; i++) {
		m.msg_namelen = sizeof(to);
		m.msg_controllen = sizeof(control);
		assert_int_equal(kiln_door_recvmsg(door, fd, &m, MSG_ERRQUEUE),
		                 i ? 6 : 5);
		assert_memory_equal(data, i ? "second" : "first", 5);
		assert_int_equal(m.msg_flags, MSG_ERRQUEUE);
		assert_int_equal(m.msg_namelen, size);
		assert_memory_equal(&to, &wanted, size);
		assert_int_equal(control.header.cmsg_level,
		                 six ? IPPROTO_IPV6 : IPPROTO_IP);
		assert_int_equal(control.header.cmsg_type,
		                 six ? IPV6_RECVERR : IP_RECVERR);
		assert_int_equal(control.error.ee_errno, i ? ECONNREFUSED : EHOSTUNREACH);
		assert_int_equal(control.error.ee_origin, six ? 3 : 2);
		assert_int_equal(control.error.ee_type, six ? 1 : 3);
		assert_memory_equal(six ? (void *)&control.from.sin6_addr
		                        : (void *)&control.from.sin6_flowinfo,
		                    address[PEER], six ? 16 : 4);
	}
	fails(kiln_door_recvmsg(door, fd, &m, MSG_ERRQUEUE), EAGAIN);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	assert_int_equal(poll_now(fd), POLLOUT);
}

static void what_is_too_large_is_cut_up_or_refused(void **state)
{
	static char bytes[66000];
	int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	int discover = six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
	int fd = bound();

	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	assert_int_equal(get_int(fd, level, six ? IPV6_MTU : IP_MTU), 1500);
	fails(kiln_door_write(door, fd, bytes, 65508), EMSGSIZE);
	assert_int_equal(kiln_door_write(door, fd, bytes, 3000), 3000);
	assert_int_equal(kiln_door_pending(door), 3);
	while (kiln_door_pending(door))
		taken();
	assert_int_equal(set_int(fd, level, discover, IP_PMTUDISC_DO), 0);
	fails(kiln_door_write(door, fd, bytes, 1473), EMSGSIZE);
	size_t most = six ? 1452 : 1472;
	assert_int_equal(kiln_door_write(door, fd, bytes, most), most);
	struct packet sent = *taken();
	assert_int_equal(sent.size, 1500);
	if (six)
		peer_complains(&sent, 2, 0, 1400);
	else
		peer_complains(&sent, 3, 4, 1400);
	fails(kiln_door_write(door, fd, bytes, 10), EMSGSIZE);
	assert_int_equal(get_int(fd, level, six ? IPV6_MTU : IP_MTU), 1400);
	fails(kiln_door_write(door, fd, bytes, most), EMSGSIZE);
}

static void the_path_mtu_can_be_less_than_the_links(void **state)
{
	static char bytes[2000];
	int fd;

	config.path_mtu = 1300;
	again();
	fd = bound();
	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	assert_int_equal(six ? get_int(fd, IPPROTO_IPV6, IPV6_MTU)
	                     : get_int(fd, IPPROTO_IP, IP_MTU),
	                 1300);
	assert_int_equal(kiln_door_write(door, fd, bytes, 1400), 1400);
	assert_true(taken()->size <= 1300);
}

static void ports_are_shared_only_by_those_who_agree(void **state)
{
	int first = bound(), second = open_socket(SOCK_DGRAM);

	fails(bind_to(second, ANY, LOCAL_PORT), EADDRINUSE);
	assert_int_equal(set_int(second, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	fails(bind_to(second, STACK, LOCAL_PORT), EADDRINUSE);
	assert_int_equal(set_int(first, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(bind_to(second, STACK, LOCAL_PORT), 0);
	assert_int_equal(kiln_door_close(door, first), 0);
	fails(kiln_door_listen(door, second, 1), EOPNOTSUPP);
	fails(kiln_door_accept(door, second, NULL, NULL), EOPNOTSUPP);
	fails(kiln_door_shutdown(door, second, SHUT_RD), ENOTCONN);
}

static void the_hop_limit_and_class_are_the_sockets(void **state)
{
	int fd = bound();

	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	assert_int_equal(set_int(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
	                         six ? IPV6_UNICAST_HOPS : IP_TTL, 7),
	                 0);
	assert_int_equal(set_int(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
	                         six ? IPV6_TCLASS : IP_TOS, 0x20),
	                 0);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	const struct packet *p = taken();
	assert_int_equal(p->bytes[six ? 7 : 8], 7);
	assert_int_equal(six ? get(p->bytes, 2) >> 4 & 255 : p->bytes[1], 0x20);
}

static void a_socket_that_is_not_read_drops(void **state)
{
	char data[600];
	int fd = bound(), count = 0;

	assert_int_equal(set_int(fd, SOL_SOCKET, SO_RCVBUF, 2000), 0);
	for (int i = 0; i < 20; i++)
		peer_sends_datagram(PEER_PORT, LOCAL_PORT, "some hundred bytes or less");
	while (kiln_door_read(door, fd, data, sizeof(data)) > 0)
		count++;
	assert_in_range(count, 2, 19);
}

static void an_echo_request_is_answered(void **state)
{
	uint8_t m[12] = {six ? 128 : 8, 0, 0, 0, 0, 7, 0, 1, 'p', 'i', 'n', 'g'};

	inject_ip(six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, m, sizeof(m), 2, 0);
	const struct packet *p = taken();
	assert_int_equal(p->payload[0], six ? 129 : 0);
	assert_memory_equal(p->payload + 4, m + 4, 8);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(datagrams_keep_their_bounds_and_their_sender),
	    PLAY6(datagrams_keep_their_bounds_and_their_sender),
	    PLAY(a_datagram_is_sent_to_whom_it_is_said),
	    PLAY6(a_datagram_is_sent_to_whom_it_is_said),
	    PLAY(a_connected_socket_hears_its_peer_alone),
	    PLAY6(a_connected_socket_hears_its_peer_alone),
	    PLAY(an_unreachable_port_is_told_to_a_connected_socket),
	    PLAY6(an_unreachable_port_is_told_to_a_connected_socket),
	    PLAY(errors_wait_to_be_read_if_that_is_wanted),
	    PLAY6(errors_wait_to_be_read_if_that_is_wanted),
	    PLAY(what_is_too_large_is_cut_up_or_refused),
	    PLAY6(what_is_too_large_is_cut_up_or_refused),
	    PLAY(the_path_mtu_can_be_less_than_the_links),
	    PLAY6(the_path_mtu_can_be_less_than_the_links),
	    PLAY(ports_are_shared_only_by_those_who_agree),
	    PLAY6(ports_are_shared_only_by_those_who_agree),
	    PLAY(the_hop_limit_and_class_are_the_sockets),
	    PLAY6(the_hop_limit_and_class_are_the_sockets),
	    PLAY(a_socket_that_is_not_read_drops),
	    PLAY6(a_socket_that_is_not_read_drops),
	    PLAY(an_echo_request_is_answered),
	    PLAY6(an_echo_request_is_answered),
	};

	return cmocka_run_group_tests_name("door: datagram", all, NULL, NULL) != 0;
}
