/*
 * What is no socket, no pointer, no size, no address, or comes at the wrong time: each has
 * Linux's errno, and changes nothing. And what ICMP tells of a connection.
 */
#include <netinet/tcp.h>
#include "play.h"

static struct sockaddr_storage storage;
static struct sockaddr *const any = (struct sockaddr *)&storage;

static socklen_t aim(int who, uint16_t port)
{
	return sockaddr_of(&storage, who, port);
}

static void sockets_are_of_two_families_and_types(void **state)
{
	fails(kiln_door_socket(door, 999, SOCK_STREAM, 0), EAFNOSUPPORT);
	fails(kiln_door_socket(door, AF_INET, 99, 0), EINVAL);
	fails(kiln_door_socket(door, AF_INET, SOCK_STREAM | 0x100, 0), EINVAL);
	fails(kiln_door_socket(door, AF_INET, SOCK_STREAM, -1), EINVAL);
	fails(kiln_door_socket(door, AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	fails(kiln_door_socket(door, AF_INET6, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
}

static void null_pointers_are_no_memory(void **state)
{
	socklen_t size = 0;
	struct iovec part = {NULL, 5};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	int listener = listening(5), fd = accepted_from(listener);

	peer_sends(ACK, 1, 1, "hello");
	while (kiln_door_pending(door))
		taken();
	fails(kiln_door_bind(door, fd, NULL, 16), EFAULT);
	fails(kiln_door_connect(door, open_socket(SOCK_STREAM), NULL, 16), EFAULT);
	fails(kiln_door_getsockname(door, fd, NULL, &size), EFAULT);
	fails(kiln_door_getsockname(door, fd, any, NULL), EFAULT);
	fails(kiln_door_getpeername(door, fd, any, NULL), EFAULT);
	fails(kiln_door_accept(door, listener, any, NULL), EFAULT);
	fails(kiln_door_read(door, fd, NULL, 5), EFAULT);
	fails(kiln_door_readv(door, fd, NULL, 1), EFAULT);
	fails(kiln_door_recvfrom(door, fd, &part, 1, 0, any, NULL), EFAULT);
	fails(kiln_door_recvmsg(door, fd, NULL, 0), EFAULT);
	fails(kiln_door_recvmsg(door, fd, &m, 0), EFAULT);
	fails(kiln_door_write(door, fd, NULL, 5), EFAULT);
	fails(kiln_door_writev(door, fd, NULL, 1), EFAULT);
	fails(kiln_door_sendmsg(door, fd, NULL, 0), EFAULT);
	fails(kiln_door_sendmsg(door, fd, &m, 0), EFAULT);
	fails(kiln_door_ioctl(door, fd, 0x541b, NULL), EFAULT); /* FIONREAD */
	fails(kiln_door_poll(door, NULL, 1, 0), EFAULT);
	expect_nothing();
	/* A stream's bytes can be thrown away. */
	assert_int_equal(kiln_door_recv(door, fd, NULL, 5, MSG_TRUNC), 5);
	/* And no bytes need no place. */
	assert_int_equal(kiln_door_write(door, fd, NULL, 0), 0);
	assert_int_equal(kiln_door_writev(door, fd, NULL, 0), 0);
	expect_nothing();
}

static void sizes_and_counts_are_within_bounds(void **state)
{
	struct iovec parts[2] = {{&storage, SIZE_MAX / 2}, {&storage, SIZE_MAX / 2}};
	socklen_t size = (socklen_t)-1;
	int fd = accepted();

	fails(kiln_door_bind(door, fd, any, 1), EINVAL);
	fails(kiln_door_bind(door, fd, any, 4096), EINVAL);
	fails(kiln_door_getsockname(door, fd, any, &size), EINVAL);
	fails(kiln_door_readv(door, fd, parts, -1), EINVAL);
	fails(kiln_door_readv(door, fd, parts, 1025), EINVAL);
	fails(kiln_door_writev(door, fd, parts, 2), EINVAL);
	fails(kiln_door_fcntl(door, fd, 9999, 0), EINVAL);
	fails(kiln_door_shutdown(door, fd, 3), EINVAL);
	expect_nothing();
}

static void no_descriptor_is_told_first(void **state)
{
	fails(kiln_door_bind(door, 99, NULL, 0), EBADF);
	fails(kiln_door_connect(door, 99, NULL, 0), EBADF);
	fails(kiln_door_listen(door, 99, 0), EBADF);
	fails(kiln_door_accept(door, 99, NULL, NULL), EBADF);
	fails(kiln_door_recvmsg(door, 99, NULL, 0), EBADF);
	fails(kiln_door_sendmsg(door, 99, NULL, 0), EBADF);
	fails(kiln_door_write(door, 99, NULL, 1), EBADF);
	fails(kiln_door_shutdown(door, 99, 9), EBADF);
	fails(kiln_door_fcntl(door, 99, 9999, 0), EBADF);
	fails(kiln_door_getpeername(door, 99, NULL, NULL), EBADF);
}

static void nobody_connects_to_many(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	socklen_t size = aim(PEER, PEER_PORT);

	if (six)
		((struct sockaddr_in6 *)any)->sin6_addr.s6_addr[0] = 0xff;
	else
		((struct sockaddr_in *)any)->sin_addr.s_addr = htonl(0xe0000001);
	fails(kiln_door_connect(door, fd, any, size), ENETUNREACH);
	if (!six) {
		((struct sockaddr_in *)any)->sin_addr.s_addr = INADDR_BROADCAST;
		fails(kiln_door_connect(door, fd, any, size), ENETUNREACH);
	}
	expect_nothing();
}

static void calls_at_the_wrong_time_are_refused(void **state)
{
	char byte;
	int datagrams = open_socket(SOCK_DGRAM | SOCK_NONBLOCK);
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	fails(kiln_door_listen(door, datagrams, 1), EOPNOTSUPP);
	fails(kiln_door_accept(door, datagrams, NULL, NULL), EOPNOTSUPP);
	fails(kiln_door_write(door, datagrams, "x", 1), EDESTADDRREQ);
	fails(kiln_door_shutdown(door, datagrams, SHUT_WR), ENOTCONN);
	fails(kiln_door_send(door, fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	fails(kiln_door_recv(door, fd, &byte, 1, 0), ENOTCONN);
	connecting(fd);
	fails(connect_to(fd, PEER_PORT), EALREADY);
	fails(kiln_door_write(door, fd, "x", 1), EAGAIN);
	fails(kiln_door_read(door, fd, &byte, 1), EAGAIN);
	fails(kiln_door_listen(door, fd, 1), EINVAL);
	fails(kiln_door_getpeername(door, fd, any, &(socklen_t){16}), ENOTCONN);
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	expect(ACK, 1, 1, 0);
	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	fails(connect_to(fd, PEER_PORT), EISCONN);
	fails(kiln_door_accept(door, fd, NULL, NULL), EINVAL);
	fails(kiln_door_recv(door, fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	fails(kiln_door_recv(door, fd, &byte, 1, MSG_OOB), EINVAL);
	fails(kiln_door_recv(door, fd, &byte, 1, MSG_ERRQUEUE), EAGAIN);
	expect_nothing();
}

static void an_icmp_error_is_told_at_once_if_that_is_wanted(void **state)
{
	int fd = accepted();

	assert_int_equal(set_int(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
	                         six ? IPV6_RECVERR : IP_RECVERR, 1),
	                 0);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	struct packet data = *expect(ACK, 1, 1, 1);
	peer_complains(&data, six ? 1 : 3, six ? 3 : 1, 0);
	assert_int_equal(poll_now(fd), POLLOUT | POLLERR);
	fails(kiln_door_write(door, fd, "y", 1), EHOSTUNREACH);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	/* The connection goes on. */
	peer_sends(ACK, 1, 2, "z");
	expect(ACK, 2, 2, 0);
	assert_int_equal(kiln_door_write(door, fd, "y", 1), 1);
	expect(ACK, 2, 2, 1);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(sockets_are_of_two_families_and_types),
	    PLAY(null_pointers_are_no_memory),
	    PLAY6(null_pointers_are_no_memory),
	    PLAY(sizes_and_counts_are_within_bounds),
	    PLAY(no_descriptor_is_told_first),
	    PLAY(nobody_connects_to_many),
	    PLAY6(nobody_connects_to_many),
	    PLAY(calls_at_the_wrong_time_are_refused),
	    PLAY6(calls_at_the_wrong_time_are_refused),
	    PLAY(an_icmp_error_is_told_at_once_if_that_is_wanted),
	    PLAY6(an_icmp_error_is_told_at_once_if_that_is_wanted),
	};

	return cmocka_run_group_tests_name("door: errors", all, NULL, NULL) != 0;
}
