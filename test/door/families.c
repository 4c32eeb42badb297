/*
 * Both families in one stack: which socket gets what.
 */
#include "play.h"

static int setup_both(void **state)
{
	config = (struct kiln_door_config){.ip = "192.0.2.1/24", .ip6 = "2001:db8::1/64"};
	peer_window = PEER_WINDOW;
	six = false;
	start();
	return 0;
}

/* The peer is of this family from now on. */
static void peer_is(bool ip6)
{
	six = ip6;
	inet_pton(six ? AF_INET6 : AF_INET, six ? "2001:db8::1" : "192.0.2.1",
	          address[0]);
	inet_pton(six ? AF_INET6 : AF_INET, six ? "2001:db8:1::2" : "198.51.100.2",
	          address[1]);
}

static int listen_in(bool ip6)
{
	peer_is(ip6);
	return listening(5);
}

static void a_socket_of_ip6_takes_both_unless_it_is_told_not_to(void **state)
{
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	int fd = listen_in(true), only;

	peer_is(false);
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	assert_true(kiln_door_accept(door, fd, (struct sockaddr *)&from, &size) > fd);
	assert_int_equal(from.sin6_family, AF_INET6);
	assert_true(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
	assert_memory_equal(from.sin6_addr.s6_addr + 12, address[PEER], 4);
	peer_is(true);
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	assert_true(kiln_door_accept(door, fd, NULL, NULL) > fd);
	/* With IPV6_V6ONLY it has IPv6 alone. */
	again();
	peer_is(true);
	only = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	assert_int_equal(set_int(only, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(bind_to(only, ANY, LOCAL_PORT), 0);
	assert_int_equal(kiln_door_listen(door, only, 5), 0);
	peer_is(false);
	peer_sends(SYN, 0, 0, NULL);
	assert_int_equal(taken()->flags, RST | ACK);
}

static void each_family_can_have_a_socket_of_its_own(void **state)
{
	int six_only, four;

	peer_is(true);
	six_only = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	assert_int_equal(set_int(six_only, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(bind_to(six_only, ANY, LOCAL_PORT), 0);
	assert_int_equal(kiln_door_listen(door, six_only, 5), 0);
	four = listen_in(false);
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	fails(kiln_door_accept(door, six_only, NULL, NULL), EAGAIN);
	assert_true(kiln_door_accept(door, four, NULL, NULL) > four);
	/* But not beside one that has both. */
	again();
	listen_in(true);
	peer_is(false);
	fails(bind_to(open_socket(SOCK_STREAM), ANY, LOCAL_PORT), EADDRINUSE);
}

static void a_mapped_address_is_reached_by_ip4(void **state)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(PEER_PORT)};
	int fd;

	inet_pton(AF_INET6, "::ffff:198.51.100.2", &to.sin6_addr);
	peer_is(true);
	fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	fails(kiln_door_connect(door, fd, (struct sockaddr *)&to, sizeof(to)),
	      EINPROGRESS);
	assert_int_equal(taken()->version, 4);
	fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	assert_int_equal(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	fails(kiln_door_connect(door, fd, (struct sockaddr *)&to, sizeof(to)),
	      ENETUNREACH);
}

static void a_family_without_an_address_reaches_nobody(void **state)
{
	config.ip6 = NULL;
	again();
	peer_is(true);
	fails(connect_to(open_socket(SOCK_STREAM), PEER_PORT), ENETUNREACH);
	fails(connect_to(open_socket(SOCK_DGRAM), PEER_PORT), ENETUNREACH);
}

#define BOTH(test) cmocka_unit_test_setup_teardown(test, setup_both, teardown)

int main(void)
{
	const struct CMUnitTest all[] = {
	    BOTH(a_socket_of_ip6_takes_both_unless_it_is_told_not_to),
	    BOTH(each_family_can_have_a_socket_of_its_own),
	    BOTH(a_mapped_address_is_reached_by_ip4),
	    BOTH(a_family_without_an_address_reaches_nobody),
	};

	return cmocka_run_group_tests_name("door: families", all, NULL, NULL) != 0;
}
