/*
 * Opening a connection: RFC 9293 3.5, 3.10.7.1 to 3; options; half-open connections and
 * SYN cookies (4987); initial sequence numbers (6528); TIME-WAIT (3.6.1, 6191, 1337).
 */
#include "test/unit/tcp_play.h"

static void refused(uint8_t flags, uint32_t seq, uint32_t ack)
{
	our_isn = tcp_seq_of(0);
	peer_sends(flags, seq, ack, (struct slice){0});
}

/* ---- CLOSED: RFC 9293, 3.10.7.1 ---- */

static void a_syn_to_a_closed_port_is_reset(void **state)
{
	refused(TCP_SYN, 0, 0);
	expect(TCP_RST | TCP_ACK, 0, 1, 0);
	assert_int_equal(tcp->count.resets_out, 1);
}

static void an_ack_to_a_closed_port_is_reset_at_its_number(void **state)
{
	refused(TCP_ACK, 5, 77);
	expect(TCP_RST, 77, 0, 0);
}

static void data_without_an_ack_is_reset_behind_its_end(void **state)
{
	our_isn = tcp_seq_of(0);
	peer_sends(TCP_FIN, 5, 0, SLICE("hello"));
	expect(TCP_RST | TCP_ACK, 0, 11, 0);
}

static void a_reset_is_never_answered(void **state)
{
	refused(TCP_RST, 5, 0);
	refused(TCP_RST | TCP_ACK, 5, 5);
	play_listen();
	refused(TCP_RST, 5, 0);
	expect_nothing();
}

static void a_bad_checksum_is_dropped_and_counted(void **state)
{
	uint8_t bytes[20] = {0x12, 0x34, 0, 80, [12] = 0x50, [13] = TCP_SYN};
	struct net_packet p = {.src = ip_from4(ip4_of(0x0a000001)),
	                       .dst = ip_from4(ip4_of(0x0a000002)),
	                       .payload = slice_of(bytes, sizeof(bytes))};

	play_listen();
	net.transport.input(net.transport.transport, &p);
	expect_nothing();
	assert_int_equal(tcp->count.drop_checksum, 1);
	p.checksum_valid = true; /* the device says so */
	net.transport.input(net.transport.transport, &p);
	assert_int_equal(next_sent()->s.flags, TCP_SYN | TCP_ACK);
	p.broadcast = true;
	net.transport.input(net.transport.transport, &p);
	p.broadcast = false;
	p.payload.len = 19;
	net.transport.input(net.transport.transport, &p);
	expect_nothing();
	assert_int_equal(tcp->count.drop_header, 2);
}

/* ---- LISTEN: 3.10.7.2 ---- */

static void a_peer_opens_a_connection(void **state)
{
	play_listen();
	struct sent *answer = peer_opens(PLAIN);
	assert_true(answer->s.options.has_mss);
	assert_int_equal(answer->s.options.mss, 1460);
	assert_int_equal(tcp->count.half_open, 1);
	assert_int_equal(tcp->count.conns, 0);
	assert_null(owner.conn);
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
	assert_string_equal(tcp_state_text(owner.conn), "ESTABLISHED");
	assert_int_equal(owner.readies, 1);
	assert_int_equal(tcp->count.half_open, 0);
	assert_int_equal(tcp->count.opened_passive, 1);
	assert_int_equal(tcp_remote(owner.conn).port, PEER_PORT);
	assert_int_equal(tcp_local(owner.conn).port, LOCAL_PORT);
	expect_nothing();
}

static void options_are_offered_only_if_the_peer_did(void **state)
{
	for (unsigned with = 0; with < 16; with++) {
		const struct tcp_options *o;

		play_again(PLAY_MEMORY);
		play_listen();
		o = &peer_opens(with)->s.options;
		assert_true(o->has_mss);
		assert_int_equal(o->has_window_scale, !!(with & WITH_SCALE));
		assert_int_equal(o->sack_permitted, !!(with & WITH_SACK));
		assert_int_equal(o->has_timestamps, !!(with & WITH_TIMESTAMPS));
		if (with & WITH_TIMESTAMPS)
			assert_int_equal(o->ts_echo, peer_ts);
		peer_acks(1, 1);
		settle();
		assert_int_equal(owner.conn->has_sack, !!(with & WITH_SACK));
		assert_int_equal(owner.conn->snd_wscale, with & WITH_SCALE ? 7 : 0);
		assert_int_equal(owner.conn->mss, with & WITH_MSS ? 1460 : 536);
	}
}

/* Each of the three by itself, whoever opens. */
static void what_is_configured_away_is_neither_offered_nor_agreed_to(void **state)
{
	unsigned all = WITH_MSS | WITH_SCALE | WITH_SACK | WITH_TIMESTAMPS;

	for (unsigned without = 0; without < 8; without++) {
		play_config = (struct tcp_config){
		    .no_timestamps = without & 1,
		    .no_sack = without & 2,
		    .no_window_scaling = without & 4,
		};
		for (unsigned active = 0; active < 2; active++) {
			const struct tcp_options *o = &net.sent[0].s.options;

			play_again(PLAY_MEMORY);
			if (active)
				connected(all);
			else
				established(all);
			assert_int_equal(o->has_timestamps, !(without & 1));
			assert_int_equal(o->sack_permitted, !(without & 2));
			assert_int_equal(o->has_window_scale, !(without & 4));
			assert_int_equal(owner.conn->has_timestamps, !(without & 1));
			assert_int_equal(owner.conn->has_sack, !(without & 2));
			assert_int_equal(owner.conn->snd_wscale, without & 4 ? 0 : 7);
		}
	}
}

static void data_with_the_third_segment_is_taken(void **state)
{
	play_listen();
	peer_opens(PLAIN);
	peer_sends(TCP_ACK, 1, 1, SLICE("GET"));
	settle();
	assert_int_equal(owner.got_size, 3);
	pass(KILN_MS(50));
	expect(TCP_ACK, 1, 4, 0);
}

static void a_listener_that_refuses_resets(void **state)
{
	play_listen();
	owner.refuse = true;
	peer_opens(PLAIN);
	peer_acks(1, 1);
	expect(TCP_RST | TCP_ACK, 1, 1, 0);
	assert_int_equal(tcp->count.refused, 1);
	settle();
	assert_no_leak();
}

static void a_port_is_listened_to_once(void **state)
{
	struct tcp_listener *first = play_listen(), *second;

	assert_int_equal(tcp_listen(tcp, LOCAL_PORT, owner_accepted, NULL, &second),
	                 KILN_ERR_IN_USE);
	assert_int_equal(tcp_listener_port(first), LOCAL_PORT);
	peer_opens(PLAIN);
	tcp_unlisten(first);
	assert_no_leak();
	peer_acks(1, 1);
	expect(TCP_RST, 1, 0, 0);
	play_listen();
}

/* ---- SYN-RECEIVED ---- */

static void a_syn_ack_is_sent_again_until_it_is_given_up(void **state)
{
	play_listen();
	peer_opens(PLAIN);
	for (unsigned i = 0; i < TCP_SYN_ACK_TRIES - 1; i++) {
		pass((KILN_SECONDS(1) << i) - KILN_MS(100));
		expect_nothing();
		pass(KILN_MS(110));
		expect(TCP_SYN | TCP_ACK, 0, 1, 0);
	}
	pass(KILN_SECONDS(60));
	expect_nothing();
	assert_no_leak();
}

static void a_repeated_syn_gets_the_same_answer(void **state)
{
	struct tcp_segment s = peer_syn(PLAIN);

	play_listen();
	peer_opens(PLAIN);
	inject(&s);
	expect(TCP_SYN | TCP_ACK, 0, 1, 0);
	assert_int_equal(tcp->count.half_open, 1);
}

static void a_reset_ends_a_half_open_connection_only_at_the_exact_number(void **state)
{
	play_listen();
	peer_opens(PLAIN);
	peer_sends(TCP_RST, 2, 0, (struct slice){0});
	expect(TCP_ACK, 1, 1, 0); /* a challenge */
	peer_sends(TCP_RST, 100000, 0, (struct slice){0});
	expect_nothing();
	assert_int_equal(tcp->count.half_open, 1);
	peer_sends(TCP_RST, 1, 0, (struct slice){0});
	expect_nothing();
	assert_no_leak();
}

/* RFC 7323, 3.2 */
static void an_ack_without_the_timestamp_agreed_on_opens_nothing(void **state)
{
	play_listen();
	peer_opens(PLAIN | WITH_TIMESTAMPS);
	uint32_t ts = peer_ts;
	peer_ts = 0;
	peer_acks(1, 1);
	settle();
	assert_null(owner.conn);
	assert_int_equal(tcp->count.drop_window, 1);
	peer_ts = ts;
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
}

static void a_wrong_ack_of_a_syn_ack_is_reset(void **state)
{
	play_listen();
	peer_opens(PLAIN);
	peer_acks(1, 2);
	expect(TCP_RST, 2, 0, 0);
	peer_acks(1, 0);
	expect(TCP_RST, 0, 0, 0);
	assert_int_equal(tcp->count.half_open, 1);
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
}

/* ---- SYN-SENT: 3.10.7.3 ---- */

static struct tcp_conn *connecting(void)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	struct sent *syn;

	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &owner.conn),
	                 KILN_OK);
	syn = next_sent();
	our_isn = syn->s.seq;
	assert_int_equal(syn->s.flags, TCP_SYN);
	assert_true(syn->s.options.has_mss && syn->s.options.has_timestamps &&
	            syn->s.options.has_window_scale && syn->s.options.sack_permitted);
	assert_true(syn->s.src_port >= 49152);
	return owner.conn;
}

static void we_open_a_connection(void **state)
{
	struct tcp_conn *conn =
	    connected(WITH_MSS | WITH_SACK | WITH_SCALE | WITH_TIMESTAMPS);

	assert_int_equal(owner.readies, 1);
	assert_true(tcp_can_send(conn));
	assert_true(conn->has_sack && conn->has_timestamps && conn->snd_wscale == 7);
	assert_int_equal(conn->snd_wnd, 65535); /* that of a SYN is not scaled */
	assert_int_equal(tcp->count.opened_active, 1);
}

static void a_refused_connection_is_told(void **state)
{
	connecting();
	peer_sends(TCP_RST | TCP_ACK, 0, 1, (struct slice){0});
	assert_int_equal(owner.closes, 1);
	assert_int_equal(owner.why, KILN_ERR_REFUSED);
	settle();
	assert_no_leak();
}

static void a_reset_without_our_ack_does_not_refuse(void **state)
{
	connecting();
	peer_sends(TCP_RST, 0, 0, (struct slice){0});
	peer_sends(TCP_RST | TCP_ACK, 0, 2, (struct slice){0});
	expect_nothing();
	assert_int_equal(owner.closes, 0);
}

static void an_ack_of_something_else_is_reset(void **state)
{
	connecting();
	peer_sends(TCP_ACK, 0, 5, (struct slice){0});
	expect(TCP_RST, 5, 0, 0);
	peer_sends(TCP_SYN | TCP_ACK, 0, 0, (struct slice){0});
	expect(TCP_RST, 0, 0, 0);
	assert_string_equal(tcp_state_text(owner.conn), "SYN-SENT");
}

static void a_syn_is_sent_again_and_given_up(void **state)
{
	connecting();
	pass(KILN_MS(1005));
	expect(TCP_SYN, 0, 0, 0);
	pass(KILN_MS(2005));
	expect(TCP_SYN, 0, 0, 0);
	pass(KILN_SECONDS(176)); /* not before 3 minutes: RFC 9293, MUST-23 */
	assert_int_equal(owner.closes, 0);
	pass(KILN_SECONDS(2));
	assert_int_equal(owner.closes, 1);
	assert_int_equal(owner.why, KILN_ERR_TIMEOUT);
	assert_no_leak();
}

static void both_ends_open_at_once(void **state)
{
	struct tcp_conn *conn = connecting();
	struct tcp_segment s = peer_syn(PLAIN);

	inject(&s);
	expect(TCP_SYN | TCP_ACK, 0, 1, 0);
	assert_string_equal(tcp_state_text(conn), "SYN-RECEIVED");
	assert_int_equal(owner.readies, 0);
	/* The peer's own SYN-ACK repeats its SYN. */
	s.flags |= TCP_ACK;
	s.ack = tcp_seq_add(our_isn, 1);
	inject(&s);
	settle();
	assert_string_equal(tcp_state_text(conn), "ESTABLISHED");
	assert_int_equal(owner.readies, 1);
}

static void data_with_the_syn_ack_is_taken(void **state)
{
	struct tcp_segment s;

	connecting();
	s = peer_syn(PLAIN);
	s.flags |= TCP_ACK;
	s.ack = tcp_seq_add(our_isn, 1);
	s.data = SLICE("220 hello");
	inject(&s);
	expect(TCP_ACK, 1, 10, 0);
	assert_int_equal(owner.got_size, 9);
}

static void closing_while_connecting_leaves_nothing(void **state)
{
	tcp_close(connecting());
	settle();
	expect_nothing();
	assert_no_leak();
}

static void there_is_no_connecting_without_an_address(void **state)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	struct tcp_conn *conn;

	net.down = true;
	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &conn),
	                 KILN_ERR_UNREACHABLE);
	assert_no_leak();
}

/* ---- RFC 6528 ---- */

static void initial_numbers_grow_with_time_and_differ_by_port(void **state)
{
	struct tcp_tuple tuple = {ip_from4(ip4_of(1)), ip_from4(ip4_of(2)), 3, 4};
	struct tcp_seq first = tcp_isn(tcp, &tuple), other;

	clock_now += KILN_MS(1);
	net.kiln.loop.now = clock_now;
	assert_int_equal(tcp_seq_diff(tcp_isn(tcp, &tuple), first), 250);
	tuple.remote_port++;
	other = tcp_isn(tcp, &tuple);
	assert_true(tcp_seq_diff(other, first) > 100000 &&
	            tcp_seq_diff(first, other) > 100000);
}

/* ---- SYN cookies ---- */

/* Takes all half-open connections by SYNs from other ports. */
static void flood(unsigned with)
{
	while (tcp->halves.used < tcp->halves.count) {
		struct tcp_segment s = peer_syn(with);

		peer_port++;
		inject(&s);
		settle();
		net.looked_at = net.sent_count;
		for (unsigned i = 0; i < net.sent_count; i++)
			free(net.sent[i].bytes);
		net.sent_count = net.looked_at = 0;
	}
	peer_port = PEER_PORT;
}

static void a_flood_of_syns_keeps_nobody_out(void **state)
{
	play_listen();
	flood(WITH_MSS);
	peer_opens(WITH_MSS | WITH_SCALE | WITH_SACK);
	assert_int_equal(tcp->count.cookies_sent, 1);
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
	assert_int_equal(tcp->count.cookies_good, 1);
	assert_int_equal(owner.conn->mss, 1460);
	assert_false(owner.conn->has_sack); /* there was nowhere to keep it */
	assert_int_equal(owner.conn->snd_wscale, 0);
	peer_sends(TCP_ACK, 1, 1, SLICE("x"));
	assert_int_equal(owner.got_size, 1);
}

static void a_cookie_keeps_all_options_in_the_timestamp(void **state)
{
	for (unsigned with = 0; with < 8; with++) {
		play_again(PLAY_MEMORY);
		play_listen();
		flood(WITH_MSS);
		peer_opens(with | WITH_TIMESTAMPS);
		assert_int_equal(tcp->count.cookies_sent, 1);
		/* It must not be ahead of what the connection will send. */
		assert_false(tcp_timestamp_before(
		    tcp_timestamp_now(
		        tcp, tcp_timestamp_offset(
		                 tcp, &(struct tcp_tuple){ip_from4(ip4_of(0x0a000001)),
		                                          ip_from4(ip4_of(0x0a000002)), 0,
		                                          0})),
		    our_ts));
		peer_acks(1, 1);
		settle();
		assert_non_null(owner.conn);
		assert_true(owner.conn->has_timestamps);
		assert_int_equal(owner.conn->has_sack, !!(with & WITH_SACK));
		assert_int_equal(owner.conn->snd_wscale, with & WITH_SCALE ? 7 : 0);
	}
}

static void a_forged_or_old_cookie_is_reset(void **state)
{
	play_listen();
	peer_acks(1, 1); /* none was ever sent */
	assert_int_equal(next_sent()->s.flags, TCP_RST);
	flood(WITH_MSS);
	peer_opens(PLAIN);
	peer_acks(1, 2);
	assert_int_equal(next_sent()->s.flags, TCP_RST);
	peer_acks(2, 3);
	assert_int_equal(next_sent()->s.flags, TCP_RST);
	assert_int_equal(tcp->count.cookies_bad, 2);
	pass(KILN_SECONDS(129));
	skip_sent();
	peer_acks(1, 1);
	assert_int_equal(next_sent()->s.flags, TCP_RST);
	assert_null(owner.conn);
}

/* Who has data to send needs no third segment of its own, and the first may be lost. */
static void what_overtakes_a_cookie_is_dropped_and_not_reset(void **state)
{
	play_listen();
	flood(WITH_MSS);
	peer_opens(WITH_MSS);
	peer_sends(TCP_ACK, 2, 1, SLICE("b"));
	peer_sends(TCP_ACK | TCP_FIN, 3, 1, SLICE(""));
	expect_nothing();
	assert_null(owner.conn);
	assert_int_equal(tcp->count.drop_window, 2);
	peer_sends(TCP_ACK, 1, 1, SLICE("a"));
	settle();
	assert_non_null(owner.conn);
	assert_int_equal(owner.got_size, 1);
	assert_int_equal(tcp->count.cookies_bad, 0);
}

static void a_cookie_outlives_the_wrap_of_its_counter(void **state)
{
	clock_now = KILN_SECONDS(64 * 32) - KILN_MS(100); /* the last of 32 periods */
	play_listen();
	flood(WITH_MSS);
	peer_opens(WITH_MSS);
	pass(KILN_MS(200));
	net.looked_at = net.sent_count;
	peer_acks(1, 1);
	settle();
	assert_int_equal(tcp->count.cookies_good, 1);
	assert_non_null(owner.conn);
}

static void a_cookie_grows_old_while_others_are_sent(void **state)
{
	struct tcp_seq old;

	play_listen();
	flood(WITH_MSS);
	peer_opens(PLAIN);
	old = our_isn;
	pass(KILN_SECONDS(100));
	flood(WITH_MSS);
	peer_port = PEER_PORT - 1;
	peer_opens(PLAIN);
	assert_int_equal(tcp->count.cookies_sent, 2);
	pass(KILN_SECONDS(29));
	skip_sent();
	peer_port = PEER_PORT;
	our_isn = old;
	peer_acks(1, 1);
	assert_int_equal(next_sent()->s.flags, TCP_RST);
	assert_int_equal(tcp->count.cookies_bad, 1);
}

/* ---- TIME-WAIT ---- */

/* The connection is closed by us first and then by the peer. */
static void until_time_wait(unsigned with)
{
	tcp_close(established(with));
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	peer_sends(TCP_FIN | TCP_ACK, 1, 2, (struct slice){0});
	expect(TCP_ACK, 2, 2, 0);
	settle();
	assert_int_equal(tcp->count.time_wait, 1);
	assert_no_leak(); /* not a connection any more */
}

/* Closed by us, and the peer has acknowledged that but goes on. */
static void until_fin_wait_2(unsigned with)
{
	tcp_close(established(with));
	expect(TCP_FIN | TCP_ACK, 1, 1, 0);
	peer_acks(1, 2);
	settle();
	assert_int_equal(tcp->count.time_wait, 1);
	assert_no_leak(); /* not a connection any more */
}

static void fin_wait_2_takes_the_fin_and_becomes_time_wait(void **state)
{
	until_fin_wait_2(PLAIN | WITH_TIMESTAMPS);
	pass(KILN_SECONDS(50));
	peer_sends(TCP_FIN | TCP_ACK, 1, 2, (struct slice){0});
	expect(TCP_ACK, 2, 2, 0);
	peer_sends(TCP_FIN | TCP_ACK, 1, 2, (struct slice){0}); /* our ACK was lost */
	expect(TCP_ACK, 2, 2, 0);
	pass(KILN_SECONDS(50)); /* it waits anew */
	assert_int_equal(tcp->count.time_wait, 1);
	pass(KILN_SECONDS(11));
	assert_int_equal(tcp->count.time_wait, 0);
}

static void fin_wait_2_resets_who_sends_data(void **state)
{
	until_fin_wait_2(PLAIN);
	peer_sends(TCP_ACK, 1, 2, SLICE("too late"));
	assert_int_equal(expect(TCP_RST, 2, 0, 0)->s.flags, TCP_RST);
	assert_int_equal(tcp->count.time_wait, 0);
	peer_sends(TCP_ACK, 9, 2, SLICE("again"));
	expect(TCP_RST, 2, 0, 0);
}

static void fin_wait_2_ends_by_the_exact_reset_only(void **state)
{
	until_fin_wait_2(PLAIN);
	peer_sends(TCP_RST, 100000, 0, (struct slice){0}); /* beyond the window */
	expect_nothing();
	peer_sends(TCP_RST, 2, 0, (struct slice){0});
	expect(TCP_ACK, 2, 1, 0);
	peer_sends(TCP_SYN, 1, 0, (struct slice){0});
	expect(TCP_ACK, 2, 1, 0);
	peer_sends(TCP_ACK, 1, 3, (struct slice){0}); /* of what was never sent */
	expect(TCP_ACK, 2, 1, 0);
	peer_sends(TCP_FIN | TCP_ACK, 1, 3, (struct slice){0});
	expect(TCP_ACK, 2, 1, 0);
	assert_int_equal(tcp->count.time_wait, 1);
	peer_sends(TCP_RST, 1, 0, (struct slice){0});
	expect_nothing();
	assert_int_equal(tcp->count.time_wait, 0);
	assert_int_equal(tcp->time_waits.used, 0);
}

static void time_wait_lasts_for_a_minute(void **state)
{
	until_time_wait(PLAIN);
	pass(KILN_SECONDS(59));
	assert_int_equal(tcp->count.time_wait, 1);
	pass(KILN_SECONDS(2));
	assert_int_equal(tcp->count.time_wait, 0);
	assert_int_equal(tcp->time_waits.used, 0);
	expect_nothing();
}

static void a_repeated_fin_is_acknowledged_again(void **state)
{
	until_time_wait(PLAIN);
	pass(KILN_SECONDS(50));
	peer_sends(TCP_FIN | TCP_ACK, 1, 2, (struct slice){0});
	expect(TCP_ACK, 2, 2, 0);
	pass(KILN_SECONDS(50)); /* it waits anew */
	assert_int_equal(tcp->count.time_wait, 1);
}

static void time_wait_is_not_assassinated(void **state)
{
	until_time_wait(PLAIN);
	peer_sends(TCP_RST, 2, 0, (struct slice){0});
	peer_sends(TCP_RST, 500, 0, (struct slice){0});
	expect_nothing();
	peer_sends(TCP_ACK, 1, 2, SLICE("x")); /* old data */
	expect(TCP_ACK, 2, 2, 0);
	assert_int_equal(tcp->count.time_wait, 1);
}

static void a_new_syn_takes_over_from_time_wait(void **state)
{
	struct tcp_segment s;
	struct tcp_seq old;

	until_time_wait(PLAIN);
	old = our_isn;
	s = peer_syn(PLAIN);
	inject(&s); /* the old number: a duplicate, not a new connection */
	expect(TCP_ACK, 2, 2, 0);
	s.seq = tcp_seq_of(PEER_ISN + 3);
	inject(&s);
	struct sent *answer = next_sent();
	assert_int_equal(answer->s.flags, TCP_SYN | TCP_ACK);
	assert_int_equal(answer->s.ack.v, PEER_ISN + 4);
	assert_true(tcp_seq_gt(answer->s.seq, tcp_seq_add(old, 2)));
	assert_int_equal(tcp->count.time_wait, 0);
}

static void with_timestamps_a_later_syn_takes_over_whatever_its_number(void **state)
{
	struct tcp_segment s;

	until_time_wait(WITH_MSS | WITH_TIMESTAMPS);
	s = peer_syn(WITH_MSS | WITH_TIMESTAMPS);
	s.seq = tcp_seq_of(PEER_ISN - 1000000);
	s.options.ts_value = peer_ts - 1;
	inject(&s);
	assert_int_equal(next_sent()->s.flags, TCP_ACK);
	s.options.ts_value = peer_ts + 1;
	inject(&s);
	assert_int_equal(next_sent()->s.flags, TCP_SYN | TCP_ACK);
}

/* RFC 6191, 2: within a tick of the clock, or without one, by the number after all. */
static void with_the_same_timestamp_or_none_the_number_decides(void **state)
{
	for (unsigned without = 0; without < 2; without++) {
		struct tcp_segment s;

		play_again(PLAY_MEMORY);
		peer_ts = 0;
		until_time_wait(WITH_MSS | WITH_TIMESTAMPS);
		s = peer_syn(WITH_MSS | WITH_TIMESTAMPS);
		s.options.has_timestamps = !without;
		s.seq = tcp_seq_of(PEER_ISN + 2);
		inject(&s);
		assert_int_equal(next_sent()->s.flags, TCP_ACK);
		s.seq = tcp_seq_of(PEER_ISN + 3);
		inject(&s);
		assert_int_equal(next_sent()->s.flags, TCP_SYN | TCP_ACK);
	}
}

static void the_oldest_time_wait_makes_room(void **state)
{
	unsigned most = tcp->time_waits.count;
	struct tcp_conn *conn;

	play_listen();
	for (unsigned i = 0; i <= most; i++) {
		peer_opens(PLAIN);
		peer_acks(1, 1);
		conn = owner.conn;
		tcp_close(conn);
		expect(TCP_FIN | TCP_ACK, 1, 1, 0);
		peer_sends(TCP_FIN | TCP_ACK, 1, 2, (struct slice){0});
		settle();
		for (unsigned j = 0; j < net.sent_count; j++)
			free(net.sent[j].bytes);
		net.sent_count = net.looked_at = 0;
		peer_port++;
	}
	assert_int_equal(tcp->count.time_wait, most);
	assert_no_leak();
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_syn_to_a_closed_port_is_reset),
	    PLAY(an_ack_to_a_closed_port_is_reset_at_its_number),
	    PLAY(data_without_an_ack_is_reset_behind_its_end),
	    PLAY(a_reset_is_never_answered),
	    PLAY(a_bad_checksum_is_dropped_and_counted),
	    PLAY(a_peer_opens_a_connection),
	    PLAY(options_are_offered_only_if_the_peer_did),
	    PLAY(what_is_configured_away_is_neither_offered_nor_agreed_to),
	    PLAY(data_with_the_third_segment_is_taken),
	    PLAY(a_listener_that_refuses_resets),
	    PLAY(a_port_is_listened_to_once),
	    PLAY(a_syn_ack_is_sent_again_until_it_is_given_up),
	    PLAY(a_repeated_syn_gets_the_same_answer),
	    PLAY(a_reset_ends_a_half_open_connection_only_at_the_exact_number),
	    PLAY(an_ack_without_the_timestamp_agreed_on_opens_nothing),
	    PLAY(a_wrong_ack_of_a_syn_ack_is_reset),
	    PLAY(we_open_a_connection),
	    PLAY(a_refused_connection_is_told),
	    PLAY(a_reset_without_our_ack_does_not_refuse),
	    PLAY(an_ack_of_something_else_is_reset),
	    PLAY(a_syn_is_sent_again_and_given_up),
	    PLAY(both_ends_open_at_once),
	    PLAY(data_with_the_syn_ack_is_taken),
	    PLAY(closing_while_connecting_leaves_nothing),
	    PLAY(there_is_no_connecting_without_an_address),
	    PLAY(initial_numbers_grow_with_time_and_differ_by_port),
	    PLAY(a_flood_of_syns_keeps_nobody_out),
	    PLAY(a_cookie_keeps_all_options_in_the_timestamp),
	    PLAY(a_forged_or_old_cookie_is_reset),
	    PLAY(what_overtakes_a_cookie_is_dropped_and_not_reset),
	    PLAY(a_cookie_outlives_the_wrap_of_its_counter),
	    PLAY(a_cookie_grows_old_while_others_are_sent),
	    PLAY(fin_wait_2_takes_the_fin_and_becomes_time_wait),
	    PLAY(fin_wait_2_resets_who_sends_data),
	    PLAY(fin_wait_2_ends_by_the_exact_reset_only),
	    PLAY(time_wait_lasts_for_a_minute),
	    PLAY(a_repeated_fin_is_acknowledged_again),
	    PLAY(time_wait_is_not_assassinated),
	    PLAY(a_new_syn_takes_over_from_time_wait),
	    PLAY(with_timestamps_a_later_syn_takes_over_whatever_its_number),
	    PLAY(with_the_same_timestamp_or_none_the_number_decides),
	    PLAY(the_oldest_time_wait_makes_room),
	};

	return cmocka_run_group_tests_name("tcp_handshake", all, NULL, NULL) != 0;
}
