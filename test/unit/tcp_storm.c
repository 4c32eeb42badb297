/*
 * A storm: random segments near what each connection expects, random calls by its owner,
 *a device that is full now and then, time that jumps. Nothing may crash, loop or leak,
 *and what an owner is told must make sense. Every seed repeats; a failure names it.
 *
 *	tcp_storm [SEED]	only that seed
 */
#include "test/unit/tcp_play.h"

enum { PEERS = 6, STEPS = 3000, SEEDS = 60 };

struct guest {
	struct tcp_conn *conn;
	uint64_t taken; /* bytes read */
	bool gone;      /* closed was called */
};

static uint64_t seed, state;
static struct guest guests[PEERS * STEPS];
static unsigned guest_count;
static unsigned long long one_seed;

static uint32_t dice(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static void act(struct guest *g);

static void guest_ready(struct tcp_conn *conn, void *user)
{
	struct guest *g = user;

	assert_true(g->conn == conn && !g->gone);
	while (g->conn && dice(4))
		act(g);
}

static void guest_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct guest *g = user;

	assert_true(g->conn == conn && !g->gone);
	assert_int_not_equal(why, KILN_OK);
	g->gone = true;
	g->conn = NULL;
}

static const struct tcp_events guest_events = {guest_ready, guest_closed};

/* The owner does something, also in the middle of its own callback. */
static void act(struct guest *g)
{
	struct tcp_conn *conn = g->conn;
	size_t unread = tcp_unread(conn), n;

	switch (dice(16)) {
	case 0:
		tcp_shutdown(conn);
		break;
	case 1:
		if (dice(4) == 0) {
			g->conn = NULL;
			tcp_close(conn);
		}
		break;
	case 2:
		if (dice(8) == 0) {
			g->conn = NULL;
			tcp_abort(conn);
		}
		break;
	case 3:
		tcp_wake(conn);
		break;
	case 4:
		tcp_set_receive_limit(conn, dice(100000));
		break;
	case 5:
		tcp_set_keepalive(conn, KILN_MS(dice(5000)), KILN_MS(1 + dice(1000)),
		                  dice(4));
		break;
	case 6:
		tcp_set_nodelay(conn, dice(2));
		break;
	case 7:
	case 8:
	case 9:
		n = tcp_send_room(conn);
		assert_true(tcp_send(conn, pattern(0, dice(5000))) <= n);
		break;
	case 10:
	case 11:
		tcp_send_static(conn, pattern(0, dice(20000)));
		break;
	default:
		n = unread ? dice((uint32_t)unread + 1) : 0;
		tcp_consume(conn, n);
		assert_int_equal(tcp_unread(conn), unread - n);
		assert_true(tcp_peek(conn).len <= tcp_unread(conn));
		assert_int_equal(tcp_peek(conn).len > 0, tcp_unread(conn) > 0);
		break;
	}
}

static bool guest_accepted(struct tcp_conn *conn, void *context)
{
	struct guest *g = &guests[guest_count];

	if (dice(10) == 0)
		return false;
	guest_count++;
	g->conn = conn;
	tcp_own(conn, &guest_events, g);
	return true;
}

static uint32_t near_window(uint32_t at)
{
	static const uint32_t far[] = {0, 1, 0xffffffff, 1460, 65535, 0x80000000, 100000};

	return at + (dice(3) ? 0 : far[dice(KILN_COUNT_OF(far))] + dice(3) - 1);
}

/* A segment from a peer of the port, near what its flow expects if there is one. To the
 * listener's port, or to that of a connection which we have opened. */
static void send_something(uint16_t port, struct tcp_conn *conn)
{
	struct tcp_tuple tuple = {ip_from4(ip4_of(0x0a000001)),
	                          ip_from4(ip4_of(0x0a000002)), port, LOCAL_PORT};
	static const uint8_t often[] = {TCP_SYN, TCP_ACK,           TCP_ACK,
	                                TCP_ACK, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK,
	                                TCP_RST, TCP_SYN | TCP_ACK};
	struct tcp_flow *flow;
	struct tcp_segment s = {
	    .flags = dice(20) ? often[dice(sizeof(often))] : (uint8_t)dice(256),
	    .window = dice(8) ? 65535 : (uint16_t)dice(3),
	    .urgent = (uint16_t)dice(100),
	    .data = dice(2) ? (struct slice){0} : pattern(0, dice(8000)),
	};
	uint32_t seq = dice(1 << 20), ack = dice(1 << 20), una = ack;

	if (conn)
		tuple = conn->flow.tuple;
	flow = tcp_flow_find(tcp, &tuple);
	if (flow && flow->kind == TCP_FLOW_CONN) {
		struct tcp_conn *c = kiln_container(flow, struct tcp_conn, flow);

		seq = c->rcv_nxt.v;
		una = c->snd_una.v;
		ack = una + (c->snd_max.v != una ? dice(c->snd_max.v - una + 1) : 0);
	} else if (flow && flow->kind == TCP_FLOW_HALF) {
		struct tcp_half *h = kiln_container(flow, struct tcp_half, flow);

		seq = h->hand.irs.v + 1;
		ack = h->hand.iss.v + 1;
	} else if (flow) {
		struct tcp_time_wait *t =
		    kiln_container(flow, struct tcp_time_wait, flow);

		seq = t->rcv_nxt.v;
		ack = t->snd_nxt.v;
	}
	s.seq = tcp_seq_of(near_window(seq));
	s.ack = tcp_seq_of(near_window(ack));
	s.options.has_timestamps = dice(4) > 0;
	s.options.ts_value = (uint32_t)(clock_now / KILN_MS(1)) - dice(3) * dice(3);
	s.options.ts_echo = our_ts;
	if (s.flags & TCP_SYN) {
		s.options.has_mss = dice(4) > 0;
		s.options.mss = (uint16_t)dice(2000);
		s.options.has_window_scale = dice(2);
		s.options.window_scale = (uint8_t)dice(15);
		s.options.sack_permitted = dice(4) > 0;
		if (dice(2)) {
			uint64_t counted = tcp->count.fast_open_cookies;

			tcp_fast_open.offer(tcp, &tuple, &s.options);
			s.options.fast_open[0] ^= dice(4) == 0;
			tcp->count.fast_open_cookies = counted;
		}
	} else {
		s.options.sack_count = (uint8_t)dice(4);
		for (unsigned i = 0; i < s.options.sack_count; i++) {
			uint32_t from = una + dice(20000);

			s.options.sack[i] = (struct tcp_range){
			    tcp_seq_of(from), tcp_seq_of(from + dice(5000))};
		}
	}
	peer_port = tuple.remote_port;
	owner.conn = conn;
	inject(&s);
	owner.conn = NULL;
}

static void forget_sent(void)
{
	for (unsigned i = 0; i < net.sent_count; i++)
		free(net.sent[i].bytes);
	net.sent_count = net.looked_at = 0;
}

static void connect_somewhere(void)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)),
	                      (uint16_t)(PEER_PORT + dice(PEERS))};
	struct guest *g = &guests[guest_count];

	if (!tcp_connect(tcp, &to, &guest_events, g, &g->conn))
		guest_count++;
}

static void check_all(void)
{
	for (unsigned i = 0; i < guest_count; i++) {
		struct tcp_conn *c = guests[i].conn;
		uint64_t bytes = 0;

		if (!c)
			continue;
		assert_false(c->released);
		for (const struct tcp_piece *p = c->out.head; p; p = p->next)
			bytes += p->len;
		assert_int_equal(bytes, c->out.end - c->out.start);
		assert_true(c->out.chunks * CHUNK_SIZE <= tcp->limit_most);
		assert_true(tcp_seq_le(c->snd_una, c->snd_nxt));
		assert_true(tcp_seq_le(c->snd_nxt, c->snd_max));
		assert_true(tcp_seq_diff(c->snd_max, c->snd_nxt) <= 1);
		assert_true(c->sacked.bytes + c->lost.bytes <= tcp_in_flight(c));
		assert_true(c->state < TCP_ESTABLISHED || c->cc.cwnd >= c->smss / 2);
		assert_int_equal(c->in.inflight.len, 0);
	}
}

static uint64_t early; /* connections by Fast Open, of all seeds */

static void storm(void)
{
	struct tcp_listener *listener;

	state = seed * 0x9e3779b97f4a7c15u + 1;
	guest_count = 0;
	memset(guests, 0, sizeof(guests));
	play_config.fast_open = dice(2) ? &tcp_fast_open : NULL;
	play_again(dice(2) ? PLAY_MEMORY : 300 << 10);
	if (dice(2)) {
		net.device.features = NETDEV_TX_TSO4 | NETDEV_TX_CSUM;
		net.device.gso_max = 65550;
	}
	assert_int_equal(tcp_listen(tcp, LOCAL_PORT, guest_accepted, NULL, &listener),
	                 KILN_OK);
	for (unsigned step = 0; step < STEPS; step++) {
		struct guest *g = guest_count ? &guests[dice(guest_count)] : NULL;

		net.send_error = dice(20)  ? KILN_OK
		                 : dice(2) ? KILN_ERR_FULL
		                           : KILN_ERR_UNREACHABLE;
		if (dice(100) == 0)
			connect_somewhere();
		if (g && g->conn && dice(2))
			act(g);
		send_something((uint16_t)(PEER_PORT + dice(PEERS)),
		               g && dice(2) ? g->conn : NULL);
		settle();
		forget_sent();
		if (dice(10) == 0)
			pass(KILN_MS(dice(3000)));
		if (dice(500) == 0)
			pass(KILN_SECONDS(dice(200)));
		forget_sent();
		check_all();
	}
	net.send_error = KILN_OK;
	for (unsigned i = 0; i < guest_count; i++) {
		if (guests[i].conn)
			tcp_abort(guests[i].conn);
		guests[i].conn = NULL;
	}
	for (unsigned i = 0; i < 30; i++) {
		pass(KILN_SECONDS(10));
		forget_sent();
	}
	early += tcp->count.fast_opens;
	assert_no_leak();
	assert_int_equal(tcp->fast_open_pending, 0);
	assert_int_equal(tcp->time_waits.used, 0);
}

static void nothing_crashes_loops_or_leaks(void **unused)
{
	for (seed = one_seed ? one_seed : 1; seed <= (one_seed ? one_seed : SEEDS);
	     seed++) {
		print_message("\rseed %llu ", (unsigned long long)seed);
		storm();
	}
	print_message("\r");
	assert_true(one_seed || early > 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {PLAY(nothing_crashes_loops_or_leaks)};

	if (argc > 1)
		one_seed = strtoull(argv[1], NULL, 0);
	return cmocka_run_group_tests_name("tcp_storm", all, NULL, NULL) != 0;
}
