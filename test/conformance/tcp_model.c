/*
 * A real connection beside the model of RFC 9293 (tcp_model.h): both get the same random
 * segments - valid, nearly valid and wild - and the same calls of a user, as the passive and
 * as the active side and in a simultaneous open. After each step they must agree on the
 * state, on RCV.NXT, SND.UNA and the send window, on what was delivered, and on what the
 * segment was answered with: an ACK, a reset with its numbers, or nothing. All else that is
 * sent must be allowed by what the model knows.
 *
 *	tcp_model [SEED]	a failure prints its seed and steps; a seed runs that one alone
 */
#include <test/unit/tcp_play.h>

#include "tcp_model.h"

enum {
	SEQUENCES = 20000,
	STEPS = 60,
	TEXT_MOST = 3000,
	MEMORY = 1 << 20,
	RUNS_LIMIT = 200000, /* bytes a sequence's stream may reach */
};

static struct rfc_tcb model;
static struct {
	struct tcp_conn *conn; /* while it has an owner */
	uint64_t delivered, written;
	bool reading, wrong;
} user;

static uint64_t seed, dice_state, failures;
static unsigned reached[RFC_TIME_WAIT + 1]; /* how often a step began there */
static uint16_t local_port;
static bool timestamps, scaling;
static bool probed; /* a byte beyond a closed window is on its way */
static kiln_time challenged_at;
static char trace[1 << 16];
static size_t trace_len;

static uint32_t dice(uint32_t n)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return n ? (uint32_t)(dice_state >> 16) % n : 0;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(trace + trace_len, sizeof(trace) - trace_len, format, args);
	va_end(args);
	trace_len = KILN_MIN(trace_len + (size_t)n, sizeof(trace) - 1);
}

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
	va_list args;

	if (user.wrong)
		return;
	user.wrong = true;
	failures++;
	va_start(args, format);
	note("  WRONG: ");
	trace_len += (size_t)vsnprintf(trace + trace_len, 512, format, args);
	va_end(args);
	fprintf(stderr, "seed %llu:\n%s\n", (unsigned long long)seed, trace);
}

/* ---- the real connection's user ---- */

static void read_all(struct tcp_conn *conn)
{
	struct slice s;

	while (user.reading && (s = tcp_peek(conn)).len > 0) {
		for (size_t i = 0; i < s.len; i++) {
			if (s.data[i] != (user.delivered + i) % 251)
				wrong("byte %llu is not what was sent",
				      (unsigned long long)(user.delivered + i));
		}
		user.delivered += s.len;
		tcp_consume(conn, s.len);
	}
}

static void user_ready(struct tcp_conn *conn, void *context)
{
	read_all(conn);
}

static void user_closed(struct tcp_conn *conn, void *context, enum kiln_error why)
{
	user.conn = NULL;
}

static const struct tcp_events user_events = {user_ready, user_closed};

static bool user_accepted(struct tcp_conn *conn, void *context)
{
	user.conn = conn;
	user.delivered = user.written = 0;
	tcp_own(conn, &user_events, NULL);
	return true;
}

/* ---- comparing ---- */

static struct tcp_flow *flow_of(void)
{
	struct tcp_tuple tuple = {ip_from4(ip4_of(0x0a000001)),
	                          ip_from4(ip4_of(0x0a000002)), peer_port, local_port};

	return tcp_flow_find(tcp, &tuple);
}

static const char *const names[] = {
    "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT",
};

static const char *real_state(struct tcp_flow *flow)
{
	if (!flow)
		return model.passive ? "LISTEN" : "CLOSED";
	if (flow->kind == TCP_FLOW_HALF)
		return "SYN-RECEIVED";
	if (flow->kind == TCP_FLOW_TIME_WAIT)
		return kiln_container(flow, struct tcp_time_wait, flow)->peer_open
		           ? "FIN-WAIT-2"
		           : "TIME-WAIT";
	return tcp_state_name(kiln_container(flow, struct tcp_conn, flow)->state);
}

#define SAME(what, real, expected)                                         \
	do {                                                               \
		if ((real) != (expected))                                  \
			wrong(what " is %u, and not %u", (unsigned)(real), \
			      (unsigned)(expected));                       \
	} while (0)

static void compare(void)
{
	struct tcp_flow *flow = flow_of();

	if (user.conn &&
	    user.conn->state == TCP_CLOSED) { /* left for its user to look at */
		tcp_close(user.conn);
		user.conn = NULL;
	}
	if (strcmp(real_state(flow), names[model.state]) != 0)
		wrong("the state is %s, and not %s", real_state(flow),
		      names[model.state]);
	if (!flow || user.wrong)
		return;
	if (flow->kind == TCP_FLOW_TIME_WAIT) {
		const struct tcp_time_wait *tw =
		    kiln_container(flow, struct tcp_time_wait, flow);

		model.is_small = true;
		SAME("RCV.NXT", tw->rcv_nxt.v, model.rcv_nxt);
		return;
	}
	if (flow->kind != TCP_FLOW_CONN)
		return;
	const struct tcp_conn *conn = kiln_container(flow, struct tcp_conn, flow);
	if (model.state == RFC_SYN_SENT)
		return;
	SAME("RCV.NXT", conn->rcv_nxt.v, model.rcv_nxt);
	if (model.state == RFC_SYN_RECEIVED)
		return;
	SAME("SND.UNA", conn->snd_una.v, model.snd_una);
	SAME("SND.WND", conn->snd_wnd, model.snd_wnd);
	SAME("the window's edge", conn->rcv_adv.v, model.rcv_edge);
	if (model.has_timestamps)
		SAME("TS.Recent", conn->ts_recent, model.ts_recent);
	if (conn->has_owner)
		SAME("what is there to read", user.delivered + tcp_unread(conn),
		     model.rcv_nxt - model.irs - 1 - conn->fin_received);
}

/* ---- what the real one sends ---- */

/* Moves the model on by what was sent, which must be what it may send. */
static void observe(const struct tcp_segment *s)
{
	uint32_t length = tcp_segment_length(s), end = s->seq.v + length;
	int scale = s->flags & TCP_SYN ? 0 : model.rcv_scale;
	uint32_t edge = s->ack.v + ((uint32_t)s->window << scale);

	if (s->flags & TCP_SYN) {
		model.iss = model.snd_una = s->seq.v;
		model.snd_nxt = s->seq.v + 1;
		if (s->options.has_window_scale)
			model.rcv_scale = s->options.window_scale;
		our_isn = s->seq;
		if (!(s->flags & TCP_ACK))
			model.syn_window = s->window;
	} else if (rfc_after(s->seq.v, model.snd_una) < 0 ||
	           rfc_after(s->seq.v, model.snd_nxt) > 0) {
		wrong("it sends %u, which is neither next nor in flight",
		      s->seq.v - our_isn.v);
	}
	if (!(s->flags & TCP_ACK))
		return;
	if (s->ack.v != model.rcv_nxt)
		wrong("it acknowledges %u, and not %u", s->ack.v - PEER_ISN,
		      model.rcv_nxt - PEER_ISN);
	model.last_ack_sent = s->ack.v;
	if (rfc_after(edge, model.rcv_edge) > 0 || s->flags & TCP_SYN)
		model.rcv_edge = edge;
	else if (model.rcv_edge - edge >= 1u << scale)
		wrong("the window shrinks by %u", model.rcv_edge - edge);
	if (s->flags & TCP_SYN)
		return;
	if (s->data.len > 0 && rfc_after(end, model.snd_una + model.snd_wnd) > 0) {
		/* Sent before the window shrank, or a probe of one byte. */
		if (rfc_after(end, model.snd_nxt) > 0 && s->data.len > 1)
			wrong("it sends %u beyond the window", end - our_isn.v);
		probed |= rfc_after(end, model.snd_nxt) > 0;
	}
	if (s->flags & TCP_FIN)
		model.fin_sent = true;
	if (rfc_after(end, model.snd_nxt) > 0)
		model.snd_nxt = end;
}

/* Looks at all that was sent since the last time; the answer must be among it. */
static void look(struct rfc_answer expected)
{
	bool answered = false;

	settle();
	for (; net.looked_at < net.sent_count; net.looked_at++) {
		const struct tcp_segment *s = &net.sent[net.looked_at].s;
		bool bare = s->data.len == 0 && !(s->flags & (TCP_SYN | TCP_FIN));

		note("    sent %s%s%s%s seq %u ack %u len %zu win %u\n",
		     s->flags & TCP_SYN ? "S" : "", s->flags & TCP_FIN ? "F" : "",
		     s->flags & TCP_RST ? "R" : "", s->flags & TCP_ACK ? "." : "",
		     s->seq.v - our_isn.v, s->ack.v - PEER_ISN, s->data.len, s->window);
		if (s->flags & TCP_RST) {
			uint32_t seq =
			    s->seq.v + (probed && s->seq.v + 1 == expected.seq);

			if (expected.kind != RFC_RESET)
				wrong("it resets");
			else if (seq != expected.seq ||
			         expected.has_ack != !!(s->flags & TCP_ACK) ||
			         (expected.has_ack && s->ack.v != expected.ack))
				wrong("it resets with seq %u ack %u, and not %u, %u",
				      s->seq.v, s->ack.v, expected.seq, expected.ack);
			answered = true;
			continue;
		}
		if (expected.kind == RFC_RESET)
			continue; /* sent before the reset, or it is wrong anyway */
		if ((s->flags & TCP_SYN) && s->flags & TCP_ACK) {
			if (expected.kind != RFC_SYN_ACK)
				wrong("it sends a SYN-ACK");
			answered = true;
		} else if (bare) {
			bool owed = model.last_ack_sent != model.rcv_nxt; /* delayed */

			if (!owed && expected.kind != RFC_MAY_ACK &&
			    expected.kind != RFC_MUST_ACK)
				wrong("it sends an ACK");
			answered = true;
		} else if (expected.kind != RFC_SYN_ACK) {
			answered = true; /* data brings the ACK */
		}
		observe(s);
	}
	if (!answered && !expected.optional && expected.kind >= RFC_MUST_ACK)
		wrong("it does not answer");
}

/* ---- the peer ---- */

static void give(struct tcp_segment *s)
{
	uint8_t buffer[8000];
	struct writer w = writer_of(buffer, sizeof(buffer));
	struct net_packet p = {
	    .src = ip_from4(ip4_of(0x0a000001)),
	    .dst = ip_from4(ip4_of(0x0a000002)),
	    .ttl = 64,
	    .checksum_valid = true,
	};

	s->src_port = peer_port;
	s->dst_port = local_port;
	tcp_emit(&w, s);
	writer_bytes(&w, s->data);
	assert_false(w.failed);
	p.payload = writer_done(&w);
	net.transport.input(net.transport.transport, &p);
}

static uint32_t near(uint32_t at)
{
	static const uint32_t by[] = {1, 2, 100, 1000, TEXT_MOST};
	uint32_t distance = by[dice(KILN_COUNT_OF(by))];

	return dice(2) ? at + distance : at - distance;
}

static uint32_t some_seq(void)
{
	switch (dice(20)) {
	case 0:
		return dice(2) ? model.irs : PEER_ISN;
	case 1:
		return model.rcv_edge + dice(3) - 1;
	case 2:
		return model.rcv_edge - dice(TEXT_MOST);
	case 3:
		return model.rcv_nxt - 1;
	case 4:
		return dice(UINT32_MAX);
	case 5:
	case 6:
	case 7:
	case 8:
		return near(model.rcv_nxt);
	default:
		return model.state < RFC_SYN_RECEIVED ? PEER_ISN : model.rcv_nxt;
	}
}

static uint32_t some_ack(void)
{
	uint32_t flight = model.snd_nxt - model.snd_una;

	switch (dice(24)) {
	case 0:
		return model.snd_nxt + 1;
	case 1:
		return model.snd_una - 1;
	case 2:
		return model.snd_una - model.max_snd_wnd - dice(2);
	case 3:
		return dice(UINT32_MAX);
	case 4:
		return model.iss + dice(2);
	case 5:
	case 6:
		return model.snd_una;
	case 7:
	case 8:
	case 9:
		return model.snd_una + (flight ? dice(flight + 1) : 0);
	default:
		return model.snd_nxt;
	}
}

static uint8_t some_flags(void)
{
	static const uint8_t often[] = {
	    TCP_ACK, TCP_ACK,           TCP_ACK,           TCP_ACK, TCP_ACK | TCP_PSH,
	    TCP_ACK, TCP_ACK | TCP_FIN, TCP_ACK | TCP_FIN, TCP_RST, TCP_RST | TCP_ACK,
	    TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK | TCP_URG, 0,       TCP_FIN,
	};

	/* The handshake is to succeed now and then. */
	if (model.state == RFC_LISTEN && dice(3))
		return TCP_SYN;
	if (model.state == RFC_SYN_SENT && dice(2))
		return dice(3) ? TCP_SYN | TCP_ACK : TCP_SYN;
	if (model.state == RFC_SYN_RECEIVED && dice(2))
		return TCP_ACK;
	return dice(20) ? often[dice(sizeof(often))] : (uint8_t)dice(64);
}

static void fill_text(struct tcp_segment *s, size_t len)
{
	static uint8_t text[TEXT_MOST];
	bool first = model.state < RFC_SYN_RECEIVED && s->flags & TCP_SYN;
	uint32_t irs = first ? s->seq.v : model.irs;
	uint32_t at = s->seq.v + !!(s->flags & TCP_SYN) - (irs + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t)((uint32_t)(at + i) % 251);
	s->data = slice_of(text, len);
}

static struct tcp_segment some_segment(void)
{
	struct tcp_segment s = {
	    .flags = some_flags(),
	    .seq = tcp_seq_of(some_seq()),
	    .window = dice(10) ? (uint16_t)(1000 + dice(60000)) : 0,
	};
	uint32_t now = (uint32_t)(clock_now / KILN_MS(1));

	s.ack = tcp_seq_of(s.flags & TCP_ACK || dice(2) ? some_ack() : 0);
	if (s.flags & TCP_SYN) {
		s.options.has_mss = true;
		s.options.mss = PEER_MSS;
		s.options.has_timestamps = timestamps;
		s.options.has_window_scale = scaling;
		s.options.window_scale = 3;
	} else {
		s.options.has_timestamps = timestamps ? dice(12) > 0 : dice(12) == 0;
	}
	s.options.ts_value = dice(8) ? now : now - dice(3000);
	s.options.ts_echo = our_ts;
	if (dice(2))
		fill_text(&s, dice(4) ? dice(TEXT_MOST) : 1);
	return s;
}

static void peer_step(void)
{
	struct tcp_segment s = some_segment();
	bool syn = s.flags & TCP_SYN;
	struct rfc_segment m = {
	    .syn = syn,
	    .ack = s.flags & TCP_ACK,
	    .rst = s.flags & TCP_RST,
	    .fin = s.flags & TCP_FIN,
	    .seq = s.seq.v,
	    .ack_number = s.ack.v,
	    .window = s.window,
	    .text = (uint32_t)s.data.len,
	    .has_timestamp = s.options.has_timestamps,
	    .timestamp = s.options.has_timestamps ? s.options.ts_value : 0,
	    .offers_timestamps = syn && s.options.has_timestamps,
	    .scale = s.options.has_window_scale ? s.options.window_scale : -1,
	};

	note("  %-12s %s%s%s%s seq %u ack %u len %u win %u", names[model.state],
	     m.syn ? "S" : "", m.fin ? "F" : "", m.rst ? "R" : "", m.ack ? "." : "",
	     m.seq - PEER_ISN, m.ack_number - our_isn.v, m.text, m.window);
	note(m.has_timestamp ? " ts %u\n" : "\n", m.timestamp);
	struct rfc_answer answer = rfc_segment_arrives(&model, &m);
	/* RFC 5961, 7: ACKs that answer nothing of ours are limited in number. */
	if (answer.kind == RFC_MUST_ACK && clock_now < challenged_at + TCP_CHALLENGE_GAP)
		answer.kind = RFC_MAY_ACK;
	uint64_t challenges = tcp->count.challenge_acks;
	give(&s);
	if (tcp->count.challenge_acks != challenges)
		challenged_at = clock_now;
	look(answer);
}

/* ---- the user ---- */

static void user_step(void)
{
	struct tcp_conn *conn = user.conn;
	struct rfc_answer answer = {.kind = RFC_MAY_ACK};
	size_t len;

	switch (dice(12)) {
	case 0:
		note("  shutdown\n");
		rfc_shutdown(&model);
		tcp_shutdown(conn);
		break;
	case 1:
		note("  close\n");
		answer = rfc_close(&model, tcp_unread(conn) > 0);
		user.conn = NULL;
		tcp_close(conn);
		break;
	case 2:
		if (dice(3))
			return;
		note("  abort\n");
		answer = rfc_abort(&model);
		user.conn = NULL;
		tcp_abort(conn);
		break;
	case 3:
		user.reading = !user.reading;
		note("  reading: %d\n", user.reading);
		read_all(conn);
		break;
	default:
		len = tcp_send(conn, pattern(0, dice(4000)));
		user.written += len;
		note("  send %zu\n", len);
		break;
	}
	look(answer);
}

static void time_step(void)
{
	kiln_time time = dice(3) ? KILN_MS(dice(50)) : KILN_MS(dice(400));

	note("  %llu ms pass\n", (unsigned long long)(time / KILN_MS(1)));
	pass(time);
	look((struct rfc_answer){
	    .kind = model.state == RFC_SYN_RECEIVED ? RFC_SYN_ACK : RFC_MAY_ACK,
	    .optional = true,
	});
}

/* ---- sequences ---- */

static void begin(void)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};

	play_again(MEMORY);
	memset(&model, 0, sizeof(model));
	memset(&user, 0, sizeof(user));
	trace_len = 0;
	probed = false;
	challenged_at = 0;
	dice_state = seed * 0x9e3779b97f4a7c15u + 1;
	our_isn = tcp_seq_of(0);
	user.reading = dice(3) > 0;
	timestamps = dice(2);
	scaling = dice(2);
	/* A window that fills up. No smaller, for the runs kept beyond gaps are bounded by it:
	 * what is dropped for that the model would have. */
	if (dice(2))
		tcp->receive_limit = 6000 + dice(6000);
	if (dice(2)) {
		model.passive = true;
		model.state = RFC_LISTEN;
		local_port = LOCAL_PORT;
		struct tcp_listener *listener;
		assert_int_equal(
		    tcp_listen(tcp, LOCAL_PORT, user_accepted, NULL, &listener), KILN_OK);
		return;
	}
	model.state = RFC_SYN_SENT;
	assert_int_equal(tcp_connect(tcp, &to, &user_events, NULL, &user.conn), KILN_OK);
	local_port = tcp_local(user.conn).port;
	look((struct rfc_answer){.kind = RFC_MAY_ACK});
}

static void run_sequence(void)
{
	begin();
	for (unsigned step = 0; step < STEPS && !user.wrong; step++) {
		uint32_t kind = dice(10);

		if (model.state > RFC_SYN_SENT &&
		    (model.rcv_nxt - model.irs > RUNS_LIMIT ||
		     model.rcv_edge - model.irs > RFC_TEXT_MOST / 2))
			break;
		reached[model.state]++;
		if (kind == 0)
			time_step();
		else if (kind < 4 && user.conn)
			user_step();
		else
			peer_step();
		if (!user.wrong)
			compare();
	}
}

static void the_real_one_does_as_the_model(void **state)
{
	uint64_t first = seed ? seed : 1, last = seed ? seed : SEQUENCES;

	for (seed = first; seed <= last && failures < 3; seed++)
		run_sequence();
	if (first == last)
		print_message("%s", trace);
	assert_int_equal(failures, 0);
	for (unsigned s = RFC_LISTEN; s <= RFC_TIME_WAIT && first != last; s++) {
		print_message("%-12s %u\n", names[s], reached[s]);
		assert_true(reached[s] > 500);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {PLAY(the_real_one_does_as_the_model)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	return cmocka_run_group_tests_name("tcp_model", all, NULL, NULL) != 0;
}
