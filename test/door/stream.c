/*
 * TCP through the door: what segments leave at what times, and what the socket calls say of
 * it, state by state and errno by errno.
 */
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include "play.h"

/* ---- opening ---- */

static void a_connect_in_progress_is_told_step_by_step(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
	char byte;

	assert_int_equal(poll_now(fd), POLLOUT | POLLHUP);
	const struct packet *syn = connecting(fd);
	assert_int_equal(syn->mss, mss());
	assert_true(syn->sack_permitted && syn->has_timestamps && syn->scale >= 0);
	assert_int_equal(poll_now(fd), 0);
	fails(connect_to(fd, PEER_PORT), EALREADY);
	fails(kiln_door_read(door, fd, &byte, 1), EAGAIN);
	fails(kiln_door_write(door, fd, "x", 1), EAGAIN);
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	expect(ACK, 1, 1, 0);
	assert_int_equal(poll_now(fd), POLLOUT);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	fails(connect_to(fd, PEER_PORT), EISCONN);
}

static void a_refused_connect_can_be_tried_again(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	connecting(fd);
	peer_sends(RST | ACK, 0, 1, NULL);
	assert_int_equal(poll_now(fd), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	fails(connect_to(fd, PEER_PORT), ECONNABORTED);
	connecting(fd);
	peer_sends(RST | ACK, 0, 1, NULL);
	fails(connect_to(fd, PEER_PORT), ECONNREFUSED);
	connecting(fd);
}

static void a_syn_is_sent_again_at_its_times_and_given_up(void **state)
{
	static const uint64_t times[] = {1, 3, 7, 15, 31, 63, 123};
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	connecting(fd);
	pass(MS(182990)); /* at least 3 minutes: RFC 9293, MUST-23 */
	for (unsigned i = 0; i < sizeof(times) / sizeof(*times); i++) {
		const struct packet *p = expect(SYN, 0, 0, 0);

		assert_in_range(p->at, MS(times[i] * 1000), MS(times[i] * 1000 + 2));
	}
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	pass(MS(20));
	expect_nothing();
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

static void syns_are_counted_if_that_is_wanted(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 2), 0);
	connecting(fd);
	pass(MS(6990));
	expect(SYN, 0, 0, 0);
	expect(SYN, 0, 0, 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	pass(MS(20));
	expect_nothing();
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

static void both_ends_open_at_once(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	connecting(fd);
	peer_sends_at(0, SYN, 0, 0, MSS_OPTION, 4, NULL, 0);
	const struct packet *p = expect(SYN | ACK, 0, 1, 0);
	assert_int_equal(p->mss, mss());
	assert_int_equal(poll_now(fd), 0);
	peer_acks(1, 1);
	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	assert_int_equal(kiln_door_write(door, fd, "hello", 5), 5);
	expect(ACK, 1, 1, 5);
}

static void icmp_errors_end_an_attempt_to_connect(void **state)
{
	static const struct {
		unsigned type, code;
		int number;
	} four[] = {{3, 0, ENETUNREACH},  {3, 1, EHOSTUNREACH},  {3, 2, ENOPROTOOPT},
	            {3, 3, ECONNREFUSED}, {3, 13, EHOSTUNREACH}, {11, 0, EHOSTUNREACH}},
	  sixes[] = {{1, 0, ENETUNREACH},
	             {1, 1, EACCES},
	             {1, 3, EHOSTUNREACH},
	             {1, 4, ECONNREFUSED},
	             {3, 0, EHOSTUNREACH}};
	size_t count =
	    six ? sizeof(sixes) / sizeof(*sixes) : sizeof(four) / sizeof(*four);

	for (size_t i = 0; i < count; i++) {
		int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
		const struct packet *syn = connecting(fd);

		if (six)
			peer_complains(syn, sixes[i].type, sixes[i].code, 0);
		else
			peer_complains(syn, four[i].type, four[i].code, 0);
		fails(connect_to(fd, PEER_PORT), six ? sixes[i].number : four[i].number);
		assert_int_equal(kiln_door_close(door, fd), 0);
	}
}

static void a_peer_is_accepted_with_its_address(void **state)
{
	struct sockaddr_storage from, want;
	socklen_t size = sizeof(from), want_size;
	int fd = listening(5), conn;

	fails(kiln_door_accept(door, fd, NULL, NULL), EAGAIN);
	assert_int_equal(poll_now(fd), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	peer_opens(MSS_OPTION, 4);
	assert_int_equal(poll_now(fd), 0);
	peer_acks(1, 1);
	assert_int_equal(poll_now(fd), POLLIN);
	conn = kiln_door_accept(door, fd, (struct sockaddr *)&from, &size);
	assert_true(conn > fd);
	want_size = sockaddr_of(&want, PEER, PEER_PORT);
	assert_int_equal(size, want_size);
	assert_memory_equal(&from, &want, size);
	size = sizeof(from);
	assert_int_equal(
	    kiln_door_getpeername(door, conn, (struct sockaddr *)&from, &size), 0);
	assert_memory_equal(&from, &want, size);
	want_size = sockaddr_of(&want, STACK, LOCAL_PORT);
	size = sizeof(from);
	assert_int_equal(
	    kiln_door_getsockname(door, conn, (struct sockaddr *)&from, &size), 0);
	assert_int_equal(size, want_size);
	assert_memory_equal(&from, &want, size);
	assert_int_equal(get_int(conn, SOL_SOCKET, SO_ACCEPTCONN), 0);
}

static void options_are_agreed_on_in_the_handshake(void **state)
{
	static const uint8_t all[] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0,
	                              0, 9, 0, 0,   0, 0, 1, 3,  3, 7};

	for (unsigned without = 0; without < 8; without++) {
		struct tcp_info info;
		socklen_t size = sizeof(info);

		config.no_timestamps = without & 1;
		config.no_sack = (without & 2) != 0;
		config.no_window_scaling = (without & 4) != 0;
		again();
		int fd = listening(5);
		const struct packet *p = peer_opens(all, sizeof(all));

		assert_int_equal(p->has_timestamps, !(without & 1));
		assert_int_equal(p->ts_echo, without & 1 ? 0 : 9);
		assert_int_equal(p->sack_permitted, !(without & 2));
		assert_int_equal(p->scale >= 0, !(without & 4));
		uint8_t timestamps[] = {1, 1, 8, 10, 0, 0, 0, 10, 0, 0, 0, 0};
		put(timestamps + 8, 4, p->ts_value);
		peer_sends_at(0, ACK, 1, 1, timestamps, without & 1 ? 0 : 12, NULL, 0);
		int conn = kiln_door_accept(door, fd, NULL, NULL);
		assert_int_equal(
		    kiln_door_getsockopt(door, conn, IPPROTO_TCP, TCP_INFO, &info, &size),
		    0);
		assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
		assert_int_equal(info.tcpi_options,
		                 (without & 1 ? 0 : TCPI_OPT_TIMESTAMPS) |
		                     (without & 2 ? 0 : TCPI_OPT_SACK) |
		                     (without & 4 ? 0 : TCPI_OPT_WSCALE));
		assert_int_equal(info.tcpi_snd_wscale, without & 4 ? 0 : 7);
		assert_int_equal(info.tcpi_snd_cwnd, 10);
	}
}

static void a_full_backlog_drops_what_would_fill_it_more(void **state)
{
	int fd = listening(0); /* room for one, as on Linux */

	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	our_port = LOCAL_PORT;
	uint8_t t[20] = {0};
	put(t, 2, PEER_PORT + 1);
	put(t + 2, 2, LOCAL_PORT);
	put(t + 4, 4, PEER_ISN);
	t[12] = 0x50;
	t[13] = SYN;
	inject_ip(IPPROTO_TCP, t, 20, 16, 0);
	expect_nothing();
	assert_true(kiln_door_accept(door, fd, NULL, NULL) > 0);
	inject_ip(IPPROTO_TCP, t, 20, 16, 0);
	assert_int_equal(taken()->flags, SYN | ACK);
}

static void closing_a_listener_resets_who_waits(void **state)
{
	int fd = listening(5);

	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	assert_int_equal(kiln_door_close(door, fd), 0);
	expect(RST | ACK, 1, 1, 0);
	peer_sends(SYN, 0, 0, NULL);
	assert_int_equal(taken()->flags, RST | ACK);
}

/* ---- bytes ---- */

static void bytes_go_both_ways(void **state)
{
	char data[100];
	int fd = accepted(), count;

	peer_sends(ACK | PSH, 1, 1, "hello world");
	assert_int_equal(kiln_door_ioctl(door, fd, FIONREAD, &count), 0);
	assert_int_equal(count, 11);
	assert_int_equal(poll_now(fd), POLLIN | POLLOUT);
	assert_int_equal(kiln_door_recv(door, fd, data, sizeof(data), MSG_PEEK), 11);
	assert_int_equal(kiln_door_read(door, fd, data, 5), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(kiln_door_recv(door, fd, NULL, 1, MSG_TRUNC), 1);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 5);
	assert_memory_equal(data, "world", 5);
	fails(kiln_door_recv(door, fd, data, sizeof(data), MSG_DONTWAIT), EAGAIN);
	pass(MS(50));
	expect(ACK, 1, 12, 0);
	assert_int_equal(kiln_door_write(door, fd, "answer", 6), 6);
	assert_memory_equal(expect(ACK, 1, 12, 6)->data, "answer", 6);
	assert_int_equal(kiln_door_ioctl(door, fd, TIOCOUTQ, &count), 0);
	assert_int_equal(count, 6);
	peer_acks(12, 7);
	assert_int_equal(kiln_door_ioctl(door, fd, TIOCOUTQ, &count), 0);
	assert_int_equal(count, 0);
}

static void vectors_and_messages_carry_the_same(void **state)
{
	char a[3], b[4];
	struct iovec out[3] = {{"one", 3}, {NULL, 0}, {" two", 4}},
	             in[2] = {{a, 3}, {b, 4}};
	struct msghdr message = {.msg_iov = out, .msg_iovlen = 3};
	int fd = accepted();

	assert_int_equal(kiln_door_writev(door, fd, out, 3), 7);
	assert_memory_equal(expect(ACK, 1, 1, 7)->data, "one two", 7);
	peer_acks(1, 8);
	assert_int_equal(kiln_door_sendmsg(door, fd, &message, MSG_NOSIGNAL), 7);
	expect(ACK, 8, 1, 7);
	peer_sends(ACK, 1, 15, "red blue");
	assert_int_equal(kiln_door_readv(door, fd, in, 2), 7);
	assert_memory_equal(a, "red", 3);
	assert_memory_equal(b, " blu", 4);
	message = (struct msghdr){.msg_iov = in, .msg_iovlen = 1};
	assert_int_equal(kiln_door_recvmsg(door, fd, &message, 0), 1);
	assert_int_equal(a[0], 'e');
	fails(kiln_door_writev(door, fd, out, -1), EINVAL);
}

static void the_initial_window_is_the_configured_one(void **state)
{
	static char bytes[30000];

	config.initial_window = 4;
	again();
	int fd = accepted();
	assert_int_equal(kiln_door_write(door, fd, bytes, sizeof(bytes)), sizeof(bytes));
	for (uint32_t i = 0; i < 4; i++)
		expect(ACK, 1 + i * mss(), 1, mss());
	expect_nothing();
}

static void ecn_is_as_configured(void **state)
{
	static const struct {
		int config;
		unsigned syn, syn_ack;
	} all[] = {{KILN_DOOR_ECN_OFF, SYN, SYN | ACK},
	           {KILN_DOOR_ECN_ACCEPT, SYN, SYN | ACK | ECE},
	           {KILN_DOOR_ECN_REQUEST, SYN | ECE | CWR, SYN | ACK | ECE}};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		config.ecn = (uint8_t)all[i].config;
		again();
		fails(connect_to(open_socket(SOCK_STREAM | SOCK_NONBLOCK), PEER_PORT),
		      EINPROGRESS);
		assert_int_equal(taken()->flags, all[i].syn);
		again();
		listening(5);
		peer_sends(SYN | ECE | CWR, 0, 0, NULL);
		assert_int_equal(taken()->flags, all[i].syn_ack);
	}
}

static void data_in_a_syn_is_read_before_the_handshake_is_over(void **state)
{
	static const uint8_t ask[] = {2, 4, 5, 180, 34, 2, 1, 1};
	uint8_t options[20] = {2, 4, 5, 180};
	int listener = listening(5);
	char data[10];

	/* Unless it is asked for, a listener gives no cookies. */
	assert_null(option_of(peer_opens(ask, sizeof(ask)), 34));
	assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_FASTOPEN, 5), 0);
	assert_int_equal(get_int(listener, IPPROTO_TCP, TCP_FASTOPEN), 5);
	peer_sends(RST, 1, 0, NULL);
	const struct packet *p = peer_opens(ask, sizeof(ask));
	const uint8_t *cookie = option_of(p, 34);
	assert_non_null(cookie);
	assert_true(cookie[1] <= 16);
	memcpy(options + 4, cookie, cookie[1]);
	peer_sends(RST, 1, 0, NULL);
	peer_sends_at(0, SYN, 0, 0, options, sizeof(options), "early", 5);
	p = taken();
	assert_int_equal(p->flags, SYN | ACK);
	assert_int_equal(p->ack, PEER_ISN + 6);
	int fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd > 0);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 5);
	assert_memory_equal(data, "early", 5);
}

static void what_is_lost_is_sent_again_after_the_timeout(void **state)
{
	int fd = accepted();

	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	uint64_t first = expect(ACK, 1, 1, 1)->at;
	pass(MS(20000));
	uint64_t last = first;
	unsigned count = 0;
	for (uint64_t gap = 0; kiln_door_pending(door); count++) {
		uint64_t at = expect(ACK, 1, 1, 1)->at;

		/* Each wait is twice the last one, once it is not a probe of the tail. */
		if (count >= 2)
			assert_in_range(at - last, gap * 2 - MS(4), gap * 2 + MS(4));
		gap = at - last;
		last = at;
	}
	assert_in_range(count, 5, 9);
}

static void gaps_are_reported_by_sack(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 180, 1, 1, 4, 2};
	int fd = listening(5);

	peer_opens(options, 8);
	peer_acks(1, 1);
	assert_true(kiln_door_accept(door, fd, NULL, NULL) > 0);
	peer_sends(ACK, 11, 1, "0123456789");
	const struct packet *p = expect(ACK, 1, 1, 0);
	assert_int_equal(p->sacks, 1);
	assert_int_equal(p->sack[0][0], 11);
	assert_int_equal(p->sack[0][1], 21);
	peer_sends(ACK, 31, 1, "0123456789");
	p = expect(ACK, 1, 1, 0);
	assert_int_equal(p->sacks, 2);
	assert_int_equal(p->sack[0][0], 31);
	assert_int_equal(p->sack[1][0], 11);
	peer_sends(ACK, 1, 1, "0123456789");
	p = expect(ACK, 1, 21, 0);
	assert_int_equal(p->sacks, 1);
}

static void a_window_that_is_shut_is_probed(void **state)
{
	int fd = accepted();

	peer_window = 0;
	peer_sends(ACK, 1, 1, "x");
	assert_int_equal(kiln_door_write(door, fd, "hello", 5), 5);
	pass(MS(100));
	assert_int_equal(taken()->data_size, 0); /* the ACK of x */
	pass(MS(2000));
	const struct packet *p = taken();
	assert_true(p->data_size <= 1);
	peer_window = PEER_WINDOW;
	while (kiln_door_pending(door))
		taken();
	peer_acks(2, 1);
	p = taken();
	assert_int_equal(p->data_size, 5);
	assert_int_equal(p->seq - our_isn, 1);
}

static void unread_bytes_shut_our_window(void **state)
{
	static char bytes[1000];
	int listener = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	assert_int_equal(set_int(listener, SOL_SOCKET, SO_RCVBUF, 4000), 0);
	assert_int_equal(get_int(listener, SOL_SOCKET, SO_RCVBUF), 8000);
	assert_int_equal(bind_to(listener, ANY, LOCAL_PORT), 0);
	assert_int_equal(kiln_door_listen(door, listener, 5), 0);
	our_port = LOCAL_PORT;
	assert_int_equal(peer_opens(MSS_OPTION, 4)->window, 4000);
	peer_acks(1, 1);
	int fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	for (uint32_t i = 0; i < 4; i++)
		peer_sends_at(0, ACK, 1 + i * 1000, 1, NULL, 0, bytes, 1000);
	pass(MS(100));
	const struct packet *p = NULL;
	while (kiln_door_pending(door))
		p = taken();
	assert_int_equal(p->window, 0);
	assert_int_equal(p->ack - PEER_ISN, 4001);
	assert_int_equal(kiln_door_read(door, fd, bytes, 1000), 1000);
	assert_int_equal(kiln_door_read(door, fd, bytes, 1000), 1000);
	pass(MS(1));
	while (kiln_door_pending(door))
		p = taken();
	assert_int_equal(p->window, 2000);
}

static void a_full_send_buffer_is_not_writable(void **state)
{
	static char bytes[60000];
	int fd = accepted();

	assert_int_equal(set_int(fd, SOL_SOCKET, SO_SNDBUF, 20000), 0);
	assert_int_equal(kiln_door_write(door, fd, bytes, sizeof(bytes)), 20000);
	fails(kiln_door_write(door, fd, bytes, 1), EAGAIN);
	assert_int_equal(poll_now(fd), 0);
	peer_acks(1, 1 + mss() * 10);
	assert_int_equal(poll_now(fd), POLLOUT);
}

static void nagle_is_on_until_it_is_switched_off(void **state)
{
	int fd = accepted();

	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(kiln_door_write(door, fd, "a", 1), 1);
	expect(ACK, 1, 1, 1);
	assert_int_equal(kiln_door_write(door, fd, "b", 1), 1);
	expect_nothing();
	peer_acks(1, 2);
	expect(ACK, 2, 1, 1);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	assert_int_equal(kiln_door_write(door, fd, "c", 1), 1);
	expect(ACK, 3, 1, 1);
}

static void maxseg_limits_both_ways(void **state)
{
	static char bytes[2000];
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_MAXSEG, 600), 0);
	assert_int_equal(connecting(fd)->mss, 600);
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	expect(ACK, 1, 1, 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_MAXSEG), 600);
	assert_int_equal(kiln_door_write(door, fd, bytes, 1200), 1200);
	expect(ACK, 1, 1, 600);
	expect(ACK, 601, 1, 600);
}

static void too_big_lowers_the_segment_size(void **state)
{
	static char bytes[3000];
	int fd = accepted();

	assert_int_equal(kiln_door_write(door, fd, bytes, 2900), 2900);
	struct packet first = *expect(ACK, 1, 1, mss());
	while (kiln_door_pending(door))
		taken();
	first.payload = NULL;
	if (six)
		peer_complains(&first, 2, 0, 1300);
	else
		peer_complains(&first, 3, 4, 1300);
	const struct packet *p = taken();
	assert_int_equal(p->seq - our_isn, 1);
	assert_int_equal(p->size, 1300);
	assert_int_equal(six ? get_int(fd, IPPROTO_IPV6, IPV6_MTU)
	                     : get_int(fd, IPPROTO_IP, IP_MTU),
	                 1300);
}

static void keepalive_has_its_times(void **state)
{
	int fd = accepted();

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2), 0);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 3), 0);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	pass(MS(30000));
	for (uint64_t i = 0; i < 3; i++) {
		const struct packet *p = expect(ACK, 0, 1, 0);

		assert_in_range(p->at, MS(10000 + i * 2000), MS(10002 + i * 2000));
	}
	assert_in_range(expect(RST | ACK, 1, 1, 0)->at, MS(16000), MS(16002));
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

static void the_user_timeout_ends_a_connection(void **state)
{
	int fd = accepted();

	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	struct packet data = *expect(ACK, 1, 1, 1);
	pass(MS(4990));
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	pass(MS(20));
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
	/* An ICMP error that came meanwhile is the better reason. */
	again();
	fd = accepted();
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	data = *expect(ACK, 1, 1, 1);
	peer_complains(&data, six ? 1 : 3, six ? 3 : 1, 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	pass(MS(5010));
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), EHOSTUNREACH);
}

/* ---- ends ---- */

static void half_closed_each_side_goes_on(void **state)
{
	char byte;
	int fd = accepted();

	assert_int_equal(kiln_door_shutdown(door, fd, SHUT_WR), 0);
	expect(FIN | ACK, 1, 1, 0);
	fails(kiln_door_write(door, fd, "x", 1), EPIPE);
	peer_sends(ACK, 1, 2, "y");
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 1);
	fails(kiln_door_read(door, fd, &byte, 1), EAGAIN);
	peer_sends(FIN | ACK, 2, 2, NULL);
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 0);
	assert_int_equal(poll_now(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	/* And the other way round. */
	again();
	fd = accepted();
	peer_sends(FIN | ACK, 1, 1, NULL);
	expect(ACK, 1, 2, 0);
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 0);
	assert_int_equal(poll_now(fd), POLLIN | POLLOUT | POLLRDHUP);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	expect(ACK, 1, 2, 1);
	peer_acks(2, 2);
	assert_int_equal(kiln_door_close(door, fd), 0);
	expect(FIN | ACK, 2, 2, 0);
	fails(kiln_door_read(door, fd, &byte, 1), EBADF);
}

static void a_reset_is_told_once(void **state)
{
	char data[8];
	int fd = accepted();

	peer_sends(ACK, 1, 1, "last");
	peer_sends(RST, 5, 0, NULL);
	assert_int_equal(poll_now(fd), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	assert_int_equal(kiln_door_read(door, fd, data, sizeof(data)), 4);
	assert_memory_equal(data, "last", 4);
	fails(kiln_door_read(door, fd, data, 1), ECONNRESET);
	assert_int_equal(kiln_door_read(door, fd, data, 1), 0);
	fails(kiln_door_write(door, fd, "x", 1), EPIPE);
	again();
	fd = accepted();
	peer_sends(RST, 1, 0, NULL);
	fails(kiln_door_write(door, fd, "x", 1), ECONNRESET);
	fails(kiln_door_write(door, fd, "x", 1), EPIPE);
}

static void closing_with_unread_bytes_resets(void **state)
{
	int fd = accepted();

	peer_sends(ACK, 1, 1, "unread");
	expect(ACK, 1, 7, 0);
	assert_int_equal(kiln_door_close(door, fd), 0);
	assert_int_equal(taken()->flags & RST, RST);
}

static void linger_of_zero_resets(void **state)
{
	struct linger linger = {1, 0};
	int fd = accepted();

	assert_int_equal(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_LINGER, &linger,
	                                      sizeof(linger)),
	                 0);
	assert_int_equal(kiln_door_close(door, fd), 0);
	expect(RST | ACK, 1, 1, 0);
	expect_nothing();
}

static void linger_waits_until_all_is_acknowledged(void **state)
{
	struct linger linger = {1, 5};
	int fd = accepted();

	assert_int_equal(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_LINGER, &linger,
	                                      sizeof(linger)),
	                 0);
	peer_sends_at(MS(100), ACK, 1, 2, NULL, 0, NULL, 0);
	assert_int_equal(kiln_door_close(door, fd), 0);
	assert_int_equal(kiln_door_now(door), MS(100));
	again();
	fd = accepted();
	assert_int_equal(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_LINGER, &linger,
	                                      sizeof(linger)),
	                 0);
	assert_int_equal(kiln_door_close(door, fd), 0);
	assert_int_equal(kiln_door_now(door), MS(5000));
}

static void a_port_in_time_wait_needs_reuseaddr(void **state)
{
	int listener = listening(5), fd = accepted_from(listener), next;

	assert_int_equal(kiln_door_close(door, fd), 0);
	expect(FIN | ACK, 1, 1, 0);
	peer_sends(FIN | ACK, 1, 2, NULL);
	expect(ACK, 2, 2, 0);
	assert_int_equal(kiln_door_close(door, listener), 0);
	next = open_socket(SOCK_STREAM);
	fails(bind_to(next, ANY, LOCAL_PORT), EADDRINUSE);
	assert_int_equal(set_int(next, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(bind_to(next, ANY, LOCAL_PORT), 0);
	pass(MS(61000));
	assert_int_equal(kiln_door_close(door, next), 0);
	next = open_socket(SOCK_STREAM);
	assert_int_equal(bind_to(next, ANY, LOCAL_PORT), 0);
}

static void each_misuse_has_its_errno(void **state)
{
	struct sockaddr_in6 address6 = {0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr *any = (struct sockaddr *)&in;
	char byte;
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK), other;

	fails(kiln_door_socket(door, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
	fails(kiln_door_socket(door, AF_INET, SOCK_RAW, 0), ESOCKTNOSUPPORT);
	fails(kiln_door_socket(door, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	fails(kiln_door_read(door, 99, &byte, 1), EBADF);
	fails(kiln_door_close(door, -1), EBADF);
	fails(bind_to(fd, PEER, LOCAL_PORT), EADDRNOTAVAIL);
	fails(kiln_door_bind(door, fd, any, 4), EINVAL);
	in.sin_family = AF_UNIX;
	any = six ? (struct sockaddr *)&address6 : any;
	address6.sin6_family = AF_UNIX;
	fails(kiln_door_bind(door, fd, any, sizeof(address6)), EAFNOSUPPORT);
	fails(kiln_door_accept(door, fd, NULL, NULL), EINVAL);
	fails(kiln_door_read(door, fd, &byte, 1), ENOTCONN);
	fails(kiln_door_write(door, fd, "x", 1), EPIPE);
	fails(kiln_door_shutdown(door, fd, SHUT_RD), ENOTCONN);
	fails(kiln_door_getpeername(door, fd, any, &(socklen_t){sizeof(in)}), ENOTCONN);
	assert_int_equal(bind_to(fd, ANY, LOCAL_PORT), 0);
	fails(bind_to(fd, ANY, LOCAL_PORT), EINVAL);
	other = open_socket(SOCK_STREAM);
	fails(bind_to(other, STACK, LOCAL_PORT), EADDRINUSE);
	assert_int_equal(kiln_door_listen(door, fd, 5), 0);
	fails(connect_to(fd, PEER_PORT), EISCONN);
	fails(kiln_door_read(door, fd, &byte, 1), ENOTCONN);
	fails(set_int(fd, IPPROTO_TCP, 9999, 1), ENOPROTOOPT);
	fails(set_int(fd, IPPROTO_TCP, TCP_MAXSEG, 7), EINVAL);
	fails(kiln_door_setsockopt(door, fd, SOL_SOCKET, SO_REUSEADDR, &byte, 1), EINVAL);
	fails(kiln_door_setsockopt(door, fd, IPPROTO_TCP, TCP_CONGESTION, "none", 4),
	      ENOENT);
	fails(kiln_door_ioctl(door, fd, 0x1234, &other), ENOTTY);
	fails(kiln_door_inject(door, "no packet", 9), EINVAL);
}

static void the_same_calls_give_the_same_bytes(void **state)
{
	uint8_t first[100], second[100];
	size_t size;

	fails(connect_to(open_socket(SOCK_STREAM | SOCK_NONBLOCK), PEER_PORT),
	      EINPROGRESS);
	size = kiln_door_take(door, first, sizeof(first), NULL);
	again();
	fails(connect_to(open_socket(SOCK_STREAM | SOCK_NONBLOCK), PEER_PORT),
	      EINPROGRESS);
	assert_int_equal(kiln_door_take(door, second, sizeof(second), NULL), size);
	assert_memory_equal(first, second, size);
	config.seed = 2;
	again();
	fails(connect_to(open_socket(SOCK_STREAM | SOCK_NONBLOCK), PEER_PORT),
	      EINPROGRESS);
	assert_int_equal(kiln_door_take(door, second, sizeof(second), NULL), size);
	assert_memory_not_equal(first, second, size);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_connect_in_progress_is_told_step_by_step),
	    PLAY6(a_connect_in_progress_is_told_step_by_step),
	    PLAY(a_refused_connect_can_be_tried_again),
	    PLAY6(a_refused_connect_can_be_tried_again),
	    PLAY(a_syn_is_sent_again_at_its_times_and_given_up),
	    PLAY6(a_syn_is_sent_again_at_its_times_and_given_up),
	    PLAY(syns_are_counted_if_that_is_wanted),
	    PLAY6(syns_are_counted_if_that_is_wanted),
	    PLAY(both_ends_open_at_once),
	    PLAY6(both_ends_open_at_once),
	    PLAY(icmp_errors_end_an_attempt_to_connect),
	    PLAY6(icmp_errors_end_an_attempt_to_connect),
	    PLAY(a_peer_is_accepted_with_its_address),
	    PLAY6(a_peer_is_accepted_with_its_address),
	    PLAY(options_are_agreed_on_in_the_handshake),
	    PLAY6(options_are_agreed_on_in_the_handshake),
	    PLAY(a_full_backlog_drops_what_would_fill_it_more),
	    PLAY6(a_full_backlog_drops_what_would_fill_it_more),
	    PLAY(closing_a_listener_resets_who_waits),
	    PLAY6(closing_a_listener_resets_who_waits),
	    PLAY(bytes_go_both_ways),
	    PLAY6(bytes_go_both_ways),
	    PLAY(vectors_and_messages_carry_the_same),
	    PLAY6(vectors_and_messages_carry_the_same),
	    PLAY(the_initial_window_is_the_configured_one),
	    PLAY6(the_initial_window_is_the_configured_one),
	    PLAY(ecn_is_as_configured),
	    PLAY6(ecn_is_as_configured),
	    PLAY(data_in_a_syn_is_read_before_the_handshake_is_over),
	    PLAY6(data_in_a_syn_is_read_before_the_handshake_is_over),
	    PLAY(what_is_lost_is_sent_again_after_the_timeout),
	    PLAY6(what_is_lost_is_sent_again_after_the_timeout),
	    PLAY(gaps_are_reported_by_sack),
	    PLAY6(gaps_are_reported_by_sack),
	    PLAY(a_window_that_is_shut_is_probed),
	    PLAY6(a_window_that_is_shut_is_probed),
	    PLAY(unread_bytes_shut_our_window),
	    PLAY6(unread_bytes_shut_our_window),
	    PLAY(a_full_send_buffer_is_not_writable),
	    PLAY6(a_full_send_buffer_is_not_writable),
	    PLAY(nagle_is_on_until_it_is_switched_off),
	    PLAY6(nagle_is_on_until_it_is_switched_off),
	    PLAY(maxseg_limits_both_ways),
	    PLAY6(maxseg_limits_both_ways),
	    PLAY(too_big_lowers_the_segment_size),
	    PLAY6(too_big_lowers_the_segment_size),
	    PLAY(keepalive_has_its_times),
	    PLAY6(keepalive_has_its_times),
	    PLAY(the_user_timeout_ends_a_connection),
	    PLAY6(the_user_timeout_ends_a_connection),
	    PLAY(half_closed_each_side_goes_on),
	    PLAY6(half_closed_each_side_goes_on),
	    PLAY(a_reset_is_told_once),
	    PLAY6(a_reset_is_told_once),
	    PLAY(closing_with_unread_bytes_resets),
	    PLAY6(closing_with_unread_bytes_resets),
	    PLAY(linger_of_zero_resets),
	    PLAY6(linger_of_zero_resets),
	    PLAY(linger_waits_until_all_is_acknowledged),
	    PLAY6(linger_waits_until_all_is_acknowledged),
	    PLAY(a_port_in_time_wait_needs_reuseaddr),
	    PLAY6(a_port_in_time_wait_needs_reuseaddr),
	    PLAY(each_misuse_has_its_errno),
	    PLAY6(each_misuse_has_its_errno),
	    PLAY(the_same_calls_give_the_same_bytes),
	    PLAY6(the_same_calls_give_the_same_bytes),
	};

	return cmocka_run_group_tests_name("door: stream", all, NULL, NULL) != 0;
}
