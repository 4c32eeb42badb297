/*
 * TCP's memory: what happens when it is used up, how connections and bytes share it, and
 * what a connection takes of it.
 */
#include "test/unit/tcp_play.h"

/* The peer opens one more connection, from a port of its own. */
static struct tcp_conn *one_more(void)
{
	owner.conn = NULL;
	peer_port++;
	peer_opens(PLAIN);
	peer_acks(1, 1);
	settle();
	return owner.conn;
}

static void forget_sent(void)
{
	settle();
	for (unsigned i = 0; i < net.sent_count; i++)
		free(net.sent[i].bytes);
	net.sent_count = net.looked_at = 0;
}

static void with_all_connections_in_use_the_newest_is_refused(void **state)
{
	struct tcp_conn *first = NULL;
	unsigned most = 0;

	play_listen();
	while (slab_has_room(&tcp->conns)) {
		struct tcp_conn *conn = one_more();

		assert_non_null(conn);
		if (most++ == 0)
			first = conn;
		forget_sent();
	}
	assert_true(most >= PLAY_MEMORY / 2 / sizeof(struct tcp_conn));
	peer_port++;
	struct tcp_segment s = peer_syn(PLAIN);
	inject(&s);
	expect_nothing();
	assert_int_equal(tcp->count.refused, 1);
	assert_int_equal(tcp->count.conns_most, most);
	tcp_send(first, SLICE("old ones go on"));
	assert_int_equal(next_sent()->s.data.len, 14);
	tcp_abort(first);
	settle();
	skip_sent();
	assert_non_null(one_more());
}

static void a_handshake_that_ends_without_memory_is_finished_later(void **state)
{
	struct tcp_conn *last = NULL;

	play_listen();
	peer_opens(PLAIN); /* half open */
	struct tcp_seq isn = our_isn;
	uint16_t port = peer_port;
	while (slab_has_room(&tcp->conns)) {
		last = one_more();
		forget_sent();
	}
	peer_port = port;
	our_isn = isn;
	owner.conn = NULL;
	peer_acks(1, 1);
	settle();
	assert_null(owner.conn);
	assert_int_equal(tcp->count.drop_no_memory, 1);
	tcp_abort(last);
	settle();
	skip_sent();
	peer_sends(TCP_ACK, 1, 1, SLICE("again"));
	settle();
	assert_non_null(owner.conn);
	assert_int_equal(owner.got_size, 5);
}

static void write_until_full(struct tcp_conn *conn)
{
	while (tcp_send(conn, pattern(0, 1000)) == 1000)
		;
}

static void a_full_send_queue_calls_again_when_there_is_room(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	unsigned readies = owner.readies;

	write_until_full(conn);
	assert_int_equal(tcp_send_room(conn), 0);
	assert_int_equal(tcp_unsent(conn), tcp->send_limit);
	skip_sent();
	peer_acks(1, 1461);
	settle();
	assert_int_equal(owner.readies, readies); /* not worth a call yet */
	for (uint32_t acked = 1; owner.readies == readies; acked += 14600) {
		assert_true(acked < tcp->send_limit);
		peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
		skip_sent();
	}
	assert_true(tcp_send_room(conn) >= tcp->send_limit / 4);
}

/* Whether the owner tried to send, or only asked. */
static void check_starved(bool asks)
{
	struct tcp_conn *conn[16], *last;
	struct chunk *taken = NULL, *chunk;
	unsigned readies;

	play_listen();
	for (unsigned i = 0; i < 16; i++) {
		conn[i] = one_more();
		write_until_full(conn[i]);
		forget_sent();
	}
	while (tcp_chunks_taken(tcp) + tcp->chunk_reserve < tcp->chunks.count) {
		chunk = chunk_get(&tcp->chunks);
		memcpy(chunk->data, &taken,
		       sizeof(taken)); /* linked through their data */
		taken = chunk;
	}
	last = one_more();
	if (asks)
		assert_int_equal(tcp_send_room(last), 0);
	else
		assert_int_equal(tcp_send(last, SLICE("x")), 0);
	assert_true(tcp_chunks_taken(tcp) < tcp->chunks.count); /* kept for receiving */
	peer_sends(TCP_ACK, 1, 1, SLICE("still heard"));
	assert_int_equal(owner.got_size, 11);
	settle();
	readies = owner.readies;
	for (unsigned i = 0; i < 16; i++)
		tcp_abort(conn[i]);
	settle();
	settle();
	while (taken) {
		chunk = taken;
		memcpy(&taken, chunk->data, sizeof(taken));
		chunk_unref(chunk);
	}
	assert_int_equal(owner.readies, readies + 1);
	assert_int_equal(tcp_send(last, SLICE("x")), 1);
}

static void owners_without_chunks_are_called_when_there_are_some(void **state)
{
	check_starved(false);
	play_again(PLAY_MEMORY);
	check_starved(true);
}

static void those_who_do_not_read_leave_memory_to_others(void **state)
{
	struct tcp_conn *last;

	play_listen();
	for (unsigned i = 0; i < 8; i++) {
		write_until_full(one_more()); /* its peer acknowledges nothing, */
		forget_sent();
		one_more(); /* and this one leaves a gap before all that it sends */
		for (uint32_t k = 0; k < 500; k++) {
			peer_sends(TCP_ACK, 3 + 2 * k, 1, SLICE("x"));
			forget_sent();
		}
		owner.keep = true; /* whose owner does not read */
		one_more();
		for (uint32_t k = 0; k < 40; k++) {
			peer_sends(TCP_ACK, 1 + 1000 * k, 1, pattern(0, 1000));
			forget_sent();
		}
		owner.keep = false;
	}
	assert_true(tcp->count.drop_no_memory > 0);
	last = one_more();
	forget_sent();
	assert_true(tcp_send_room(last) >= 2000);
	peer_sends(TCP_ACK, 1001, 1, pattern(0, 1000));
	assert_int_equal(last->in.sack_count + last->in.ooo_runs, 1);
}

static void small_writes_between_references_share_a_chunk(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	static uint8_t head[200];

	for (unsigned i = 0; i < 10; i++) {
		memset(head, 'a' + (int)i, sizeof(head));
		assert_int_equal(tcp_send(conn, slice_of(head, sizeof(head))),
		                 sizeof(head));
		assert_true(tcp_send_static(conn, SLICE("body")));
	}
	assert_int_equal(byte_chunks(), 1);
	assert_int_equal(conn->out.chunks, 1);
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	assert_int_equal(tcp_unsent(conn), 0);
	assert_int_equal(byte_chunks(), 0);
	assert_int_equal(conn->out.chunks, 0);
	assert_null(conn->out.open);
}

static void those_who_pipeline_and_do_not_read_leave_references_to_others(void **state)
{
	struct tcp_conn *last;

	play_listen();
	for (unsigned i = 0; i < 60; i++) {
		struct tcp_conn *conn = one_more();
		while (tcp_send(conn, SLICE("a head")) &&
		       tcp_send_static(conn, SLICE("a body")))
			;
		forget_sent();
	}
	last = one_more();
	forget_sent();
	assert_true(tcp_send_room(last) >= CHUNK_SIZE);
	assert_int_equal(tcp_send(last, SLICE("a head")), 6);
	assert_true(tcp_send_static(last, SLICE("a body")));
}

static void starved_owners_are_left_alone_while_references_are_used_up(void **state)
{
	struct tcp_conn *last;
	struct tcp_piece *piece;
	unsigned readies;

	play_listen();
	last = one_more();
	while ((piece = pool_get(&tcp->pieces)))
		;
	assert_int_equal(tcp_send(last, SLICE("x")), 0);
	settle();
	readies = owner.readies;
	for (unsigned i = 0; i < 10; i++) {
		loop_defer(&net.kiln.loop, &tcp->work);
		settle();
	}
	assert_int_equal(owner.readies, readies);
}

static void received_data_without_memory_is_not_acknowledged(void **state)
{
	struct tcp_conn *conn = established(PLAIN);
	struct chunk *taken = NULL, *chunk;
	static uint8_t out[1000];

	while (tcp_chunks_taken(tcp) < tcp->chunks.count) {
		chunk = chunk_get(&tcp->chunks); /* linked through their data */
		memcpy(chunk->data, &taken, sizeof(taken));
		taken = chunk;
	}
	owner.keep = true;
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1000));
	assert_int_equal(tcp_unread(conn), 0);
	assert_int_equal(tcp->count.drop_no_memory, 1);
	peer_sends(TCP_ACK | TCP_FIN, 1001, 1, pattern(1000, 10));
	expect(TCP_ACK, 1, 1, 0);
	assert_false(conn->fin_received);
	while (taken) {
		chunk = taken;
		memcpy(&taken, chunk->data, sizeof(taken));
		chunk_unref(chunk);
	}
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1000)); /* sent again */
	assert_int_equal(tcp_read(conn, out, sizeof(out)), 1000);
	assert_memory_equal(out, pattern(0, 1000).data, 1000);
}

static void the_reference_queue_is_bounded(void **state)
{
	struct tcp_conn *conn;
	unsigned queued = 0;

	play_again(2 * PLAY_MEMORY);
	conn = established(PLAIN);

	while (tcp_send_static(conn, SLICE("0123456789")))
		queued++;
	assert_int_equal(queued, TCP_PIECES_MAX);
	unsigned readies = owner.readies;
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	peer_acks(1, tcp_seq_diff(conn->snd_nxt, our_isn));
	settle();
	assert_int_equal(owner.readies, readies + 1);
	assert_int_equal(tcp_unsent(conn), 0);
}

static void the_oldest_orphan_makes_room(void **state)
{
	play_again(PLAY_MEMORY / 16);
	unsigned most = tcp->orphans_most;

	play_listen();
	for (unsigned i = 0; i < most; i++) {
		tcp_close(one_more());
		forget_sent();
	}
	assert_int_equal(tcp->orphan_count, most);
	assert_int_equal(tcp->count.resets_out, 0);
	tcp_close(one_more());
	settle();
	assert_int_equal(tcp->orphan_count, most);
	assert_int_equal(tcp->count.resets_out, 1);
	forget_sent();
	pass(KILN_SECONDS(181)); /* none of them is ever acknowledged */
	forget_sent();
	assert_no_leak();
}

/* ---- connections and bytes share the chunks ---- */

static void an_idle_connection_is_small(void **state)
{
	struct tcp_counters counters;

	established(PLAIN);
	tcp_counters(tcp, &counters);
	assert_int_equal(counters.conn_bytes, sizeof(struct tcp_conn));
	assert_true(counters.conn_bytes <= 1000);
	assert_int_equal(byte_chunks(), 0);
	assert_int_equal(tcp->pieces.used, 0);
	assert_int_equal(tcp->conn_share.used, 1);
	one_more();
	assert_int_equal(tcp->conn_share.used, 1); /* two in a chunk */
}

static void open_all(void)
{
	while (slab_has_room(&tcp->conns)) {
		assert_non_null(one_more());
		forget_sent();
	}
}

static void connections_leave_memory_to_bytes(void **state)
{
	struct tcp_conn *first;

	play_listen();
	first = one_more();
	open_all();
	/* As many as in three quarters of it, and they all can send and receive. */
	assert_true(tcp->conns.used >= tcp->chunks.count / 4 * 3 * 2);
	assert_true(tcp_send_room(first) >= CHUNK_SIZE);
	assert_int_equal(tcp_send(first, pattern(0, 1000)), 1000);
	settle();
	owner.keep = true;
	peer_sends(TCP_ACK, 1, 1, pattern(0, 1000));
	assert_int_equal(tcp_unread(owner.conn), 1000);
	assert_int_equal(byte_chunks(), 2);
}

static void bytes_leave_room_for_connections(void **state)
{
	unsigned most = tcp->conn_share.least * tcp->conns.each, full;
	struct tcp_conn *last;

	play_listen();
	do { /* peers that acknowledge nothing */
		full = tcp->chunks.used;
		last = one_more();
		assert_non_null(last);
		write_until_full(last);
		forget_sent();
	} while (tcp->chunks.used > full + 1); /* more than its own */
	assert_true(tcp->conns.used < most);
	owner.keep = true;
	for (uint32_t at = 1; tcp->count.drop_no_memory == 0; at += 1000) {
		if (at > 20000) {
			at = 1;
			one_more();
		}
		peer_sends(TCP_ACK, at, 1, pattern(0, 1000));
		forget_sent();
	}
	owner.keep = false;
	while (tcp->conns.used < most) {
		assert_non_null(one_more());
		forget_sent();
	}
}

static void memory_that_connections_had_is_for_bytes_again(void **state)
{
	struct tcp_conn *conns[128], *last;
	unsigned count = 0;
	size_t room;

	play_again(PLAY_MEMORY / 32);
	play_listen();
	last = one_more();
	room = tcp_send_room(last);
	while (slab_has_room(&tcp->conns)) {
		assert_true(count < 128);
		conns[count++] = one_more();
		forget_sent();
	}
	assert_true(tcp_send_room(last) < room);
	while (count > 0)
		tcp_abort(conns[--count]);
	settle();
	forget_sent();
	assert_int_equal(tcp_send_room(last), room);
	assert_int_equal(tcp->chunks.used, 1);
}

/* What an owner keeps of each is of the same memory. */
static void owners_share_what_connections_have(void **state)
{
	struct slab_pool kept;

	tcp_slab_pool(tcp, &kept, 300);
	play_listen();
	do {
		assert_non_null(one_more());
		forget_sent();
	} while (slab_get(&kept) && slab_has_room(&tcp->conns));
	assert_in_range(kept.used, tcp->chunks.count, tcp->conns.used);
	assert_int_equal(kept.used + kept.refused, tcp->conns.used);
	assert_true(tcp->chunks.count - tcp->chunks.used >= tcp->conn_share.leave);
}

/* ---- what is there only while something is lost ---- */

enum { RTT_MS = 100 };

/* A connection with 10 segments in flight. */
static struct tcp_conn *ten_in_flight(void)
{
	play_listen();
	peer_opens(PLAIN | WITH_SACK);
	pass(KILN_MS(RTT_MS));
	peer_acks(1, 1);
	settle();
	assert_true(tcp_send_static(owner.conn, pattern(0, 10 * PEER_MSS)));
	skip_sent();
	pass(KILN_MS(RTT_MS));
	return owner.conn;
}

static void what_a_loss_takes_goes_back_when_it_is_repaired(void **state)
{
	struct tcp_conn *conn = ten_in_flight();
	const uint32_t block[1][2] = {{1 + PEER_MSS, 1 + 4 * PEER_MSS}};

	assert_null(conn->repair);
	peer_sacks(1, 1, 1, block);
	settle();
	assert_non_null(conn->repair);
	assert_int_equal(byte_chunks(), 1);
	skip_sent();
	peer_acks(1, 1 + 10 * PEER_MSS);
	settle();
	pass(KILN_MS(RTT_MS)); /* a DSACK may still come */
	assert_non_null(conn->repair);
	pass(KILN_SECONDS(2));
	assert_null(conn->repair);
	assert_int_equal(byte_chunks(), 0);
	assert_true(tcp_send_static(conn, pattern(0, 1)));
	assert_int_equal(next_sent()->s.data.len, 1);
}

static void what_a_loss_takes_goes_back_with_the_connection(void **state)
{
	const uint32_t block[1][2] = {{1 + PEER_MSS, 1 + 4 * PEER_MSS}};

	struct tcp_conn *conn = ten_in_flight();
	peer_sacks(1, 1, 1, block);
	tcp_abort(conn);
	settle();
	assert_no_leak();
}

static void without_memory_a_timeout_repairs_what_is_lost(void **state)
{
	struct tcp_conn *conn = ten_in_flight();
	const uint32_t block[1][2] = {{1 + PEER_MSS, 1 + 4 * PEER_MSS}};
	uint32_t acked = 1, end = 1 + 10 * PEER_MSS;

	while (tcp_chunks_taken(tcp) < tcp->chunks.count)
		assert_non_null(chunk_get(&tcp->chunks));
	peer_sacks(1, 1, 1, block);
	expect_nothing();
	assert_null(conn->repair);
	assert_int_equal(conn->sacked.count, 0);
	pass(KILN_SECONDS(2));
	assert_true(tcp->count.timeouts > 0);
	for (unsigned i = 0; i < 20 && acked < end; i++) {
		while (net.looked_at < net.sent_count) {
			const struct sent *sent = next_sent();
			uint32_t from = tcp_seq_diff(sent->s.seq, our_isn);
			uint32_t to = from + (uint32_t)sent->s.data.len;

			if (from <= acked) /* of what was lost, nothing is there */
				acked = KILN_MAX(acked, to);
		}
		peer_acks(1, acked);
		settle();
	}
	assert_int_equal(acked, end);
	assert_int_equal(tcp_unsent(conn), 0);
	assert_int_equal(tcp->count.undone, 0);
}

static void a_limit_leaves_memory_to_others(void **state)
{
	enum { LIMIT = PLAY_MEMORY / 4 };
	size_t left = arena_left(&net.kiln.arena);

	assert_true(left < PLAY_MEMORY / 2);
	play_config.memory = LIMIT;
	play_again(PLAY_MEMORY);
	assert_true(arena_left(&net.kiln.arena) > left + PLAY_MEMORY / 3);
	assert_in_range(tcp->chunks.count * sizeof(struct chunk), LIMIT / 2, LIMIT);
	/* More than its part it does not take. */
	play_config.memory = PLAY_MEMORY;
	play_again(PLAY_MEMORY);
	assert_int_equal(arena_left(&net.kiln.arena), left);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_limit_leaves_memory_to_others),
	    PLAY(with_all_connections_in_use_the_newest_is_refused),
	    PLAY(a_handshake_that_ends_without_memory_is_finished_later),
	    PLAY(a_full_send_queue_calls_again_when_there_is_room),
	    PLAY(owners_without_chunks_are_called_when_there_are_some),
	    PLAY(those_who_do_not_read_leave_memory_to_others),
	    PLAY(small_writes_between_references_share_a_chunk),
	    PLAY(those_who_pipeline_and_do_not_read_leave_references_to_others),
	    PLAY(starved_owners_are_left_alone_while_references_are_used_up),
	    PLAY(received_data_without_memory_is_not_acknowledged),
	    PLAY(the_reference_queue_is_bounded),
	    PLAY(the_oldest_orphan_makes_room),
	    PLAY(an_idle_connection_is_small),
	    PLAY(connections_leave_memory_to_bytes),
	    PLAY(bytes_leave_room_for_connections),
	    PLAY(memory_that_connections_had_is_for_bytes_again),
	    PLAY(owners_share_what_connections_have),
	    PLAY(what_a_loss_takes_goes_back_when_it_is_repaired),
	    PLAY(what_a_loss_takes_goes_back_with_the_connection),
	    PLAY(without_memory_a_timeout_repairs_what_is_lost),
	};

	return cmocka_run_group_tests_name("tcp_memory", all, NULL, NULL) != 0;
}
