/*
 * How a connection's segments leave, as options have it: when acknowledgements do, by
 * which type of service and TTL, when a listener answers at all; what is ready to be read
 * and written.
 */
#include <netinet/tcp.h>
#include "play.h"

static void tells_service(const struct packet *p, unsigned tos, unsigned ttl)
{
	if (six) {
		assert_int_equal(get(p->bytes, 2) >> 4 & 255, tos);
		assert_int_equal(p->bytes[7], ttl);
	} else {
		assert_int_equal(p->bytes[1], tos);
		assert_int_equal(p->bytes[8], ttl);
	}
}

static void set_service(int fd, int tos, int ttl)
{
	if (six) {
		assert_int_equal(set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, tos), 0);
		assert_int_equal(set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl), 0);
	} else {
		assert_int_equal(set_int(fd, IPPROTO_IP, IP_TOS, tos), 0);
		assert_int_equal(set_int(fd, IPPROTO_IP, IP_TTL, ttl), 0);
	}
}

static void type_of_service_and_ttl_are_those_of_the_socket(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	set_service(fd, 0x10, 7);
	tells_service(connecting(fd), 0x10, 7);
	pass(MS(1500));
	tells_service(expect(SYN, 0, 0, 0), 0x10, 7);
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	tells_service(expect(ACK, 1, 1, 0), 0x10, 7);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	tells_service(expect(ACK, 1, 1, 1), 0x10, 7);
	set_service(fd, 0x28, -1);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	peer_acks(1, 2);
	tells_service(expect(ACK, 2, 1, 1), 0x28, 64);
	assert_int_equal(kiln_door_close(door, fd), 0);
	tells_service(expect(FIN | ACK, 3, 1, 0), 0x28, 64);
}

static void a_listener_hands_its_own_down(void **state)
{
	int listener = listening(5), fd;

	set_service(listener, 0x20, 9);
	tells_service(peer_opens(MSS_OPTION, 4), 0x20, 9);
	peer_acks(1, 1);
	fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	tells_service(expect(ACK, 1, 1, 1), 0x20, 9);
	if (!six)
		assert_int_equal(get_int(fd, IPPROTO_IP, IP_TTL), 9);
}

static void ecn_keeps_its_bits_of_the_type_of_service(void **state)
{
	int listener;

	config.ecn = KILN_DOOR_ECN_ACCEPT;
	again();
	listener = listening(5);
	set_service(listener, 0x23, 64); /* the last two are not the socket's to set */
	peer_sends_at(0, SYN | ECE | CWR, 0, 0, MSS_OPTION, 4, NULL, 0);
	const struct packet *p = taken();
	assert_int_equal(p->flags, SYN | ACK | ECE);
	tells_service(p, 0x20, 64);
	our_isn = p->seq;
	peer_acks(1, 1);
	int fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	tells_service(expect(ACK, 1, 1, 1), 0x22, 64);
}

/* ---- acknowledgements ---- */

static void the_first_segments_are_acknowledged_at_once(void **state)
{
	char data[32];
	int fd = accepted();

	for (uint32_t i = 0; i < 16; i++) {
		peer_sends(ACK, 1 + i, 1, "a");
		expect(ACK, 1, 2 + i, 0);
	}
	/* Then every second one is, or 40 ms later. */
	peer_sends(ACK, 17, 1, "a");
	expect_nothing();
	peer_sends(ACK, 18, 1, "a");
	expect(ACK, 1, 19, 0);
	peer_sends(ACK, 19, 1, "a");
	pass(MS(39));
	expect_nothing();
	pass(MS(2));
	expect(ACK, 1, 20, 0);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 19);
	/* After a pause it begins anew. */
	pass(MS(5000));
	peer_sends(ACK, 20, 1, "a");
	expect(ACK, 1, 21, 0);
}

static void who_answers_delays_acknowledgements(void **state)
{
	char byte;
	int fd = accepted();

	peer_sends(ACK, 1, 1, "?");
	expect(ACK, 1, 2, 0);
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 1);
	assert_int_equal(kiln_door_write(door, fd, "!", 1), 1);
	expect(ACK, 1, 2, 1);
	peer_sends(ACK, 2, 2, "?");
	expect_nothing();
	pass(MS(41));
	expect(ACK, 2, 3, 0);
}

static void quick_acks_can_be_switched(void **state)
{
	int fd = accepted();

	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_QUICKACK), 1);
	peer_sends(ACK, 1, 1, "a");
	expect(ACK, 1, 2, 0);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	peer_sends(ACK, 2, 1, "a");
	expect_nothing();
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 1), 0);
	expect(ACK, 1, 3, 0); /* what was owed */
	peer_sends(ACK, 3, 1, "a");
	expect(ACK, 1, 4, 0);
}

/* ---- a listener that waits for data ---- */

static void a_client_that_says_nothing_is_not_accepted_yet(void **state)
{
	char data[8];
	int listener = listening(5), fd;

	assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3), 0);
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	pass(MS(500));
	expect_nothing();
	fails(kiln_door_accept(door, listener, NULL, NULL), EAGAIN);
	peer_sends(ACK, 1, 1, "hello");
	expect(ACK, 1, 6, 0);
	fd = kiln_door_accept(door, listener, NULL, NULL);
	assert_true(fd > 0);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 5);
}

static void in_the_end_a_silent_client_is_accepted(void **state)
{
	int listener = listening(5);

	assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3), 0);
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	pass(MS(1100));
	expect(SYN | ACK, 0, 1, 0);
	peer_acks(1, 1);
	pass(MS(1800));
	expect_nothing();
	fails(kiln_door_accept(door, listener, NULL, NULL), EAGAIN);
	pass(MS(200));
	expect(SYN | ACK, 0, 1, 0);
	peer_acks(1, 1);
	assert_true(kiln_door_accept(door, listener, NULL, NULL) > 0);
}

/* ---- readiness ---- */

static void few_bytes_are_not_worth_a_wait(void **state)
{
	char data[8];
	int fd = accepted();

	assert_int_equal(set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 3), 0);
	peer_sends(ACK, 1, 1, "ab");
	assert_int_equal(poll_now(fd), POLLOUT);
	peer_sends(ACK, 3, 1, "c");
	assert_int_equal(poll_now(fd), POLLOUT | POLLIN);
	assert_int_equal(kiln_door_read(door, fd, data, 2), 2);
	/* Who does not wait gets them all the same, as does who asks for fewer. */
	assert_int_equal(kiln_door_read(door, fd, data, 8), 1);
	assert_int_equal(kiln_door_fcntl(door, fd, 4, 0), 0); /* F_SETFL */
	peer_sends_at(MS(100), ACK, 4, 1, NULL, 0, "de", 2);
	peer_sends_at(MS(200), ACK, 6, 1, NULL, 0, "f", 1);
	assert_int_equal(kiln_door_read(door, fd, data, 8), 3);
	assert_int_equal(kiln_door_now(door), MS(200));
	peer_sends_at(MS(300), ACK, 7, 1, NULL, 0, "g", 1);
	peer_sends_at(MS(400), FIN | ACK, 8, 1, NULL, 0, NULL, 0);
	assert_int_equal(kiln_door_read(door, fd, data, 8), 1);
	assert_int_equal(kiln_door_now(door), MS(400));
}

static void who_has_enough_unsent_is_not_ready_for_more(void **state)
{
	static char bytes[60000];
	int fd = accepted();

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 5000), 0);
	assert_int_equal(kiln_door_write(door, fd, bytes, sizeof(bytes)),
	                 10 * mss() + 5000);
	assert_int_equal(poll_now(fd), 0);
	fails(kiln_door_write(door, fd, bytes, 1), EAGAIN);
	peer_acks(1, 1 + 10 * mss());
	assert_int_equal(poll_now(fd), POLLOUT);
}

static void what_is_left_is_told_with_what_is_read(void **state)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char data[4];
	struct iovec part = {data, sizeof(data)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = accepted(), told;

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_INQ, 1), 0);
	peer_sends(ACK, 1, 1, "abcdefg");
	for (int i = 0; i < 2; i++) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		assert_int_equal(kiln_door_recvmsg(door, fd, &m, 0), i ? 3 : 4);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		assert_non_null(c);
		assert_int_equal(c->cmsg_level, IPPROTO_TCP);
		assert_int_equal(c->cmsg_type, TCP_CM_INQ);
		memcpy(&told, CMSG_DATA(c), sizeof(told));
		assert_int_equal(told, i ? 1 : 3); /* the end is one */
		assert_null(CMSG_NXTHDR(&m, c));
		peer_sends(FIN | ACK, 8, 1, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(type_of_service_and_ttl_are_those_of_the_socket),
	    PLAY6(type_of_service_and_ttl_are_those_of_the_socket),
	    PLAY(a_listener_hands_its_own_down),
	    PLAY6(a_listener_hands_its_own_down),
	    PLAY(ecn_keeps_its_bits_of_the_type_of_service),
	    PLAY6(ecn_keeps_its_bits_of_the_type_of_service),
	    PLAY(the_first_segments_are_acknowledged_at_once),
	    PLAY6(the_first_segments_are_acknowledged_at_once),
	    PLAY(who_answers_delays_acknowledgements),
	    PLAY(quick_acks_can_be_switched),
	    PLAY(a_client_that_says_nothing_is_not_accepted_yet),
	    PLAY6(a_client_that_says_nothing_is_not_accepted_yet),
	    PLAY(in_the_end_a_silent_client_is_accepted),
	    PLAY(few_bytes_are_not_worth_a_wait),
	    PLAY6(few_bytes_are_not_worth_a_wait),
	    PLAY(who_has_enough_unsent_is_not_ready_for_more),
	    PLAY6(who_has_enough_unsent_is_not_ready_for_more),
	    PLAY(what_is_left_is_told_with_what_is_read),
	};

	return cmocka_run_group_tests_name("door: service", all, NULL, NULL) != 0;
}
