/*
 * The stack and itself: connections and datagrams between sockets of one stack, by its own
 * address and by the loopback's. The driver sees none of it.
 */
#include <netinet/tcp.h>
#include "play.h"

enum { BIG = 300000 };

static struct sockaddr_storage to;
static socklen_t to_size;

/* Where to connect to: the stack's address, or 127.0.0.1 and ::1. */
static void aim(bool loopback, uint16_t port)
{
	to_size = sockaddr_of(&to, STACK, port);
	if (!loopback)
		return;
	if (six)
		((struct sockaddr_in6 *)&to)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static int connects(int fd)
{
	return kiln_door_connect(door, fd, (struct sockaddr *)&to, to_size);
}

/* A pair of connected sockets. */
static void pair(bool loopback, int *client, int *server)
{
	int listener = listening(5);

	aim(loopback, LOCAL_PORT);
	*client = open_socket(SOCK_STREAM);
	assert_int_equal(connects(*client), 0);
	*server = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(*server >= 3);
	assert_int_equal(kiln_door_fcntl(door, *client, 4, 04000), 0); /* F_SETFL */
	assert_int_equal(kiln_door_close(door, listener), 0);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

/* All bytes go from one to the other, whatever fits at once. */
static void carry(int from, int into)
{
	static uint8_t out[BIG], in[BIG];
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < BIG; i++)
		out[i] = byte_at(i);
	while (got < BIG) {
		ssize_t n = kiln_door_write(door, from, out + sent, BIG - sent);

		sent += n > 0 ? (size_t)n : 0;
		n = kiln_door_read(door, into, in + got, BIG - got);
		got += n > 0 ? (size_t)n : 0;
		if (n < 0)
			pass(MS(1));
		assert_true(kiln_door_now(door) < MS(1000));
	}
	assert_memory_equal(in, out, BIG);
}

static void bytes_go_both_ways_and_end(bool loopback)
{
	int client, server;
	char byte;

	pair(loopback, &client, &server);
	carry(client, server);
	carry(server, client);
	assert_int_equal(kiln_door_shutdown(door, client, SHUT_WR), 0);
	assert_int_equal(kiln_door_read(door, server, &byte, 1), 0);
	assert_int_equal(kiln_door_close(door, server), 0);
	assert_int_equal(kiln_door_read(door, client, &byte, 1), 0);
	assert_int_equal(kiln_door_close(door, client), 0);
	expect_nothing();
}

static void the_own_address_is_reached(void **state)
{
	bytes_go_both_ways_and_end(false);
}

static void the_loopback_is_reached(void **state)
{
	bytes_go_both_ways_and_end(true);
}

static void the_unspecified_address_is_the_loopback(void **state)
{
	struct sockaddr_storage name, wanted;
	socklen_t size = sizeof(name);
	int fd = open_socket(SOCK_STREAM);

	listening(5);
	to_size = sockaddr_of(&to, ANY, LOCAL_PORT);
	assert_int_equal(connects(fd), 0);
	assert_int_equal(kiln_door_getpeername(door, fd, (struct sockaddr *)&name, &size),
	                 0);
	aim(true, LOCAL_PORT);
	wanted = to;
	assert_memory_equal(&name, &wanted, size);
}

static void nobody_listening_is_told(void **state)
{
	struct pollfd p;
	int fd = open_socket(SOCK_STREAM);

	aim(true, LOCAL_PORT);
	fails(connects(fd), ECONNREFUSED);
	fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	fails(connects(fd), EINPROGRESS);
	p = (struct pollfd){fd, POLLOUT, 0};
	assert_int_equal(kiln_door_poll(door, &p, 1, 0), 1);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	expect_nothing();
}

static void one_socket_can_connect_to_itself(void **state)
{
	char data[8];
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	assert_int_equal(bind_to(fd, STACK, LOCAL_PORT), 0);
	aim(false, LOCAL_PORT);
	fails(connects(fd), EINPROGRESS);
	assert_int_equal(connects(fd), 0);
	assert_int_equal(kiln_door_write(door, fd, "myself", 6), 6);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 6);
	assert_memory_equal(data, "myself", 6);
	assert_int_equal(kiln_door_shutdown(door, fd, SHUT_WR), 0);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 0);
	assert_int_equal(kiln_door_close(door, fd), 0);
	pass(MS(120000));
	expect_nothing();
}

static void closing_with_unread_bytes_resets_oneself(void **state)
{
	int client, server;
	char byte;

	pair(false, &client, &server);
	assert_int_equal(kiln_door_write(door, client, "unread", 6), 6);
	assert_int_equal(kiln_door_close(door, server), 0);
	fails(kiln_door_read(door, client, &byte, 1), ECONNRESET);
	expect_nothing();
}

static void datagrams_come_back(void **state)
{
	static char big[65507], got[65507];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int receiver = open_socket(SOCK_DGRAM | SOCK_NONBLOCK);
	int sender = open_socket(SOCK_DGRAM | SOCK_NONBLOCK);

	assert_int_equal(bind_to(receiver, ANY, LOCAL_PORT), 0);
	for (int loopback = 0; loopback < 2; loopback++) {
		aim(loopback, LOCAL_PORT);
		memset(big, 'a' + loopback, sizeof(big));
		assert_int_equal(kiln_door_sendto(door, sender, big, 65487, 0,
		                                  (struct sockaddr *)&to, to_size),
		                 65487);
		size = sizeof(from);
		assert_int_equal(kiln_door_recvfrom(door, receiver, got, sizeof(got), 0,
		                                    (struct sockaddr *)&from, &size),
		                 65487);
		assert_memory_equal(got, big, 65487);
		assert_int_equal(size, to_size);
	}
	/* And nobody there is told, as it is by others. */
	aim(true, LOCAL_PORT + 1);
	assert_int_equal(connects(sender), 0);
	assert_int_equal(kiln_door_write(door, sender, "x", 1), 1);
	fails(kiln_door_write(door, sender, "x", 1), ECONNREFUSED);
	expect_nothing();
}

/* What is for oneself alone does not come by the link. */
static void no_stranger_has_these_addresses(void **state)
{
	uint8_t own[16];
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	aim(true, LOCAL_PORT);
	assert_int_equal(kiln_door_bind(door, fd, (struct sockaddr *)&to, to_size), 0);
	assert_int_equal(kiln_door_listen(door, fd, 5), 0);
	our_port = LOCAL_PORT;
	memcpy(own, address[STACK], 16);
	if (six)
		memcpy(address[STACK], &in6addr_loopback, 16);
	else
		put(address[STACK], 4, INADDR_LOOPBACK);
	peer_sends_at(0, SYN, 0, 0, MSS_OPTION, 4, NULL, 0); /* to it */
	expect_nothing();
	assert_int_equal(kiln_door_close(door, fd), 0);
	memcpy(address[PEER], own, 16);
	memcpy(address[STACK], own, 16);
	listening(5);
	peer_sends_at(0, SYN, 0, 0, MSS_OPTION, 4, NULL, 0); /* from ourselves */
	expect_nothing();
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(the_own_address_is_reached),
	    PLAY6(the_own_address_is_reached),
	    PLAY(the_loopback_is_reached),
	    PLAY6(the_loopback_is_reached),
	    PLAY(the_unspecified_address_is_the_loopback),
	    PLAY6(the_unspecified_address_is_the_loopback),
	    PLAY(nobody_listening_is_told),
	    PLAY6(nobody_listening_is_told),
	    PLAY(one_socket_can_connect_to_itself),
	    PLAY6(one_socket_can_connect_to_itself),
	    PLAY(closing_with_unread_bytes_resets_oneself),
	    PLAY6(closing_with_unread_bytes_resets_oneself),
	    PLAY(datagrams_come_back),
	    PLAY6(datagrams_come_back),
	    PLAY(no_stranger_has_these_addresses),
	    PLAY6(no_stranger_has_these_addresses),
	};

	return cmocka_run_group_tests_name("door: loopback", all, NULL, NULL) != 0;
}
