/*
 * Explicit congestion notification (RFC 3168): who agrees to it, what is marked capable,
 * the echo of a mark, and the reaction to one.
 */
#include "test/unit/tcp_play.h"

enum { MSS = PEER_MSS, BOTH = TCP_ECE | TCP_CWR };

/* The peer's SYN with some flags; returns those of the answer. */
static uint8_t peer_asks(unsigned with, uint8_t flags)
{
	struct tcp_segment s = peer_syn(with);
	struct sent *answer;

	s.flags |= flags;
	inject(&s);
	answer = next_sent();
	our_isn = answer->s.seq;
	assert_int_equal(answer->tos, 0);
	return answer->s.flags & (uint8_t) ~(TCP_SYN | TCP_ACK);
}

static struct tcp_conn *agreed(unsigned with)
{
	play_listen();
	assert_int_equal(peer_asks(with, BOTH), TCP_ECE);
	peer_acks(1, 1);
	settle();
	expect_nothing();
	assert_true(owner.conn->has_ecn);
	return owner.conn;
}

/* ---- the handshake ---- */

static void a_peer_that_asks_is_answered(void **state)
{
	agreed(PLAIN);
}

static void one_that_does_not_ask_is_not(void **state)
{
	play_listen();
	assert_int_equal(peer_asks(PLAIN, 0), 0);
	peer_acks(1, 1);
	assert_false(owner.conn->has_ecn);
	peer_port++;
	assert_int_equal(peer_asks(PLAIN, TCP_ECE), 0); /* half of the question */
}

static void it_can_be_switched_off(void **state)
{
	play_config.ecn = TCP_ECN_OFF;
	play_again(PLAY_MEMORY);
	play_listen();
	assert_int_equal(peer_asks(PLAIN, BOTH), 0);
}

static void a_syn_repeated_without_the_flags_takes_the_question_back(void **state)
{
	play_listen();
	assert_int_equal(peer_asks(PLAIN, BOTH), TCP_ECE);
	assert_int_equal(peer_asks(PLAIN, 0), 0);
	peer_acks(1, 1);
	assert_false(owner.conn->has_ecn);
}

/* Without a half-open connection there is nowhere to keep it. */
static void a_cookie_does_without(void **state)
{
	play_again(300 << 10);
	play_listen();
	while (pool_get(&tcp->halves))
		;
	assert_int_equal(peer_asks(PLAIN, BOTH), 0);
	assert_int_equal(tcp->count.cookies_sent, 1);
}

/* Opens a connection that asks; the SYN-ACK has these flags. */
static struct tcp_conn *asking(uint8_t answer)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	struct tcp_segment s;
	struct sent *syn;

	play_config.ecn = TCP_ECN_ASK;
	play_again(PLAY_MEMORY);
	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &owner.conn),
	                 KILN_OK);
	syn = next_sent();
	assert_int_equal(syn->s.flags, TCP_SYN | BOTH);
	our_isn = syn->s.seq;
	s = peer_syn(PLAIN);
	s.flags |= TCP_ACK | answer;
	s.ack = tcp_seq_add(our_isn, 1);
	inject(&s);
	expect(TCP_ACK, 1, 1, 0);
	return owner.conn;
}

static void it_is_asked_for_when_configured(void **state)
{
	assert_true(asking(TCP_ECE)->has_ecn);
	assert_false(asking(0)->has_ecn);
	assert_false(asking(BOTH)->has_ecn); /* just our own flags sent back */
}

static void a_second_syn_asks_no_more(void **state)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	struct tcp_segment s;

	play_config.ecn = TCP_ECN_ASK;
	play_again(PLAY_MEMORY);
	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &owner.conn),
	                 KILN_OK);
	our_isn = next_sent()->s.seq;
	pass(KILN_MS(1010));
	expect(TCP_SYN, 0, 0, 0);
	s = peer_syn(PLAIN);
	s.flags |= TCP_ACK | TCP_ECE;
	s.ack = tcp_seq_add(our_isn, 1);
	inject(&s);
	expect(TCP_ACK, 1, 1, 0);
	assert_false(owner.conn->has_ecn);
}

/* ---- sending ---- */

static void only_new_data_is_marked_capable(void **state)
{
	struct tcp_conn *conn = agreed(PLAIN);

	tcp_send(conn, SLICE("hello"));
	assert_int_equal(expect(TCP_ACK, 1, 1, 5)->tos, IP_ECN_ECT0);
	peer_sends(TCP_ACK, 1, 1, SLICE("x"));
	pass(KILN_MS(50));
	assert_int_equal(expect(TCP_ACK, 6, 2, 0)->tos, 0); /* an ACK */
	pass(KILN_MS(200));
	assert_int_equal(expect(TCP_ACK, 1, 2, 5)->tos, 0); /* sent again */
	peer_window = 0;
	peer_acks(2, 6);
	tcp_send(conn, SLICE("more"));
	pass(KILN_SECONDS(1));
	assert_int_equal(expect(TCP_ACK, 6, 2, 1)->tos, 0); /* a window probe */
}

static void without_agreement_nothing_is(void **state)
{
	struct tcp_conn *conn = established(PLAIN);

	tcp_send(conn, SLICE("hello"));
	assert_int_equal(expect(TCP_ACK, 1, 1, 5)->tos, 0);
	peer_ecn = IP_ECN_CE;
	peer_sends(TCP_ACK, 1, 1, SLICE("x"));
	pass(KILN_MS(50));
	expect(TCP_ACK, 6, 2, 0);
}

/* ---- a mark ---- */

static void a_mark_is_echoed_until_the_peer_has_reacted(void **state)
{
	struct tcp_conn *conn = agreed(PLAIN);

	peer_ecn = IP_ECN_CE;
	peer_sends(TCP_ACK, 1, 1, SLICE("a"));
	expect(TCP_ACK | TCP_ECE, 1, 2, 0); /* at once */
	peer_ecn = IP_ECN_ECT0;
	peer_sends(TCP_ACK, 2, 1, SLICE("b"));
	pass(KILN_MS(50));
	expect(TCP_ACK | TCP_ECE, 1, 3, 0);
	tcp_send(conn, SLICE("data tells it too"));
	expect(TCP_ACK | TCP_ECE, 1, 3, 17);
	peer_sends(TCP_ACK | TCP_CWR, 3, 18, SLICE("c"));
	pass(KILN_MS(50));
	expect(TCP_ACK, 18, 4, 0);
	peer_ecn = IP_ECN_CE; /* with the reaction comes the next */
	peer_sends(TCP_ACK | TCP_CWR, 4, 18, SLICE("d"));
	expect(TCP_ACK | TCP_ECE, 18, 5, 0);
	assert_int_equal(tcp->count.marks_in, 2);
}

static void the_window_is_reduced_once_for_a_window_and_the_peer_told(void **state)
{
	struct tcp_conn *conn = agreed(PLAIN);

	net.device.features = NETDEV_TX_TSO4 | NETDEV_TX_CSUM;
	net.device.gso_max = 65550;
	tcp_send_static(conn, pattern(0, 200 * MSS));
	expect(TCP_ACK, 1, 1, 10 * MSS);
	peer_sends(TCP_ACK | TCP_ECE, 1, 1 + 2 * MSS, (struct slice){0});
	assert_int_equal(conn->cc.cwnd, 5 * MSS);
	expect_nothing(); /* 8 are in flight */
	peer_sends(TCP_ACK | TCP_ECE, 1, 1 + 8 * MSS, (struct slice){0});
	assert_int_equal(conn->cc.cwnd, 5 * MSS); /* of the same window */
	struct sent *told = expect(TCP_ACK | TCP_CWR, 1 + 10 * MSS, 1, MSS);
	assert_int_equal(told->gso_size, 0);
	assert_int_equal(told->tos, IP_ECN_ECT0);
	expect(TCP_ACK, 1 + 11 * MSS, 1, 2 * MSS);
	peer_acks(1, 1 + 13 * MSS);
	skip_sent();
	uint32_t cwnd = conn->cc.cwnd;
	peer_sends(TCP_ACK | TCP_ECE, 1, 1 + 14 * MSS, (struct slice){0});
	assert_true(conn->cc.cwnd < cwnd); /* of the next */
	assert_int_equal(tcp->count.ecn_reductions, 2);
	assert_int_equal(tcp->count.retransmits, 0);
}

static void a_loss_is_told_of_as_well(void **state)
{
	struct tcp_conn *conn = agreed(PLAIN | WITH_SACK);
	const uint32_t block[1][2] = {{1 + MSS, 1 + 5 * MSS}};

	tcp_send_static(conn, pattern(0, 200 * MSS));
	skip_sent();
	pass(KILN_MS(1));
	peer_sacks(1, 1, 1, block);
	struct sent *again = expect(TCP_ACK, 1, 1, MSS);
	assert_int_equal(again->tos, 0);
	peer_acks(1, 1 + 6 * MSS);
	assert_int_equal(next_sent()->s.flags & ~TCP_PSH, TCP_ACK | TCP_CWR);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_peer_that_asks_is_answered),
	    PLAY(one_that_does_not_ask_is_not),
	    PLAY(it_can_be_switched_off),
	    PLAY(a_syn_repeated_without_the_flags_takes_the_question_back),
	    PLAY(a_cookie_does_without),
	    PLAY(it_is_asked_for_when_configured),
	    PLAY(a_second_syn_asks_no_more),
	    PLAY(only_new_data_is_marked_capable),
	    PLAY(without_agreement_nothing_is),
	    PLAY(a_mark_is_echoed_until_the_peer_has_reacted),
	    PLAY(the_window_is_reduced_once_for_a_window_and_the_peer_told),
	    PLAY(a_loss_is_told_of_as_well),
	};

	play_congestion = &tcp_newreno;
	return cmocka_run_group_tests_name("tcp_ecn", all, NULL, NULL) != 0;
}
