/*
 * TCP Fast Open, the server's side (RFC 7413): a client that was here before sends its
 * request in the SYN, with a cookie that shows that it receives what is sent to its
 * address. The owner gets the connection at once, in SYN-RECEIVED, and may answer before
 * the handshake is over.
 *
 * The cookie is a keyed hash of both addresses and of a period of time; that of the period
 * before is good as well, and renewed. Nothing is kept per client. A SYN without a good
 * cookie opens a connection as ever, its data is not acknowledged, and the SYN-ACK brings
 * a cookie.
 *
 * What a SYN may cost without a handshake is bounded (5.1): so many connections wait for
 * the client's ACK, and one that was reset counts for a while longer, for a cookie that
 * is stolen makes its victim send resets. While SYN cookies are needed there is no Fast
 * Open.
 *
 * In the code a connection that opens so has snd_una behind the SYN from the start: data
 * is queued, sent and acknowledged as ever, and conn->fast_open says that the SYN is not
 * acknowledged yet.
 *
 * An image has this file only if it names tcp_fast_open in its tcp_config.
 */
#include "tcp_private.h"

#define COOKIE_PERIOD KILN_SECONDS(12 * 3600)
#define RESET_PENALTY KILN_SECONDS(60) /* for which a connection that was reset counts */

enum { PENDING_DEFAULT = 64, COOKIE_SIZE = 8 };
_Static_assert((int)COOKIE_SIZE <= (int)TCP_FAST_OPEN_COOKIE_MAX, "it fits the option");

struct cookie_input {
	struct ip_addr remote, local;
	uint64_t period;
};
_Static_assert(sizeof(struct cookie_input) == 40, "hashed as bytes");

/* ---- the cookie ---- */

static void make_cookie(const struct tcp *tcp, const struct tcp_tuple *tuple,
                        uint64_t age, uint8_t out[COOKIE_SIZE])
{
	struct cookie_input input = {
	    .remote = tuple->remote,
	    .local = tuple->local,
	    /* From 1 on: the first period has one before it. */
	    .period = tcp_now(tcp) / COOKIE_PERIOD + 1 - age,
	};
	uint64_t hash = siphash(tcp->fast_open_key, &input, sizeof(input));

	memcpy(out, &hash, COOKIE_SIZE); /* ours alone to read: in any order */
}

static bool cookie_is(const struct tcp *tcp, const struct tcp_tuple *tuple, uint64_t age,
                      const struct tcp_options *o)
{
	uint8_t good[COOKIE_SIZE], difference = 0;

	make_cookie(tcp, tuple, age, good);
	for (unsigned i = 0; i < COOKIE_SIZE; i++)
		difference |= good[i] ^ o->fast_open[i];
	return o->fast_open_size == COOKIE_SIZE && difference == 0;
}

static void offer(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_options *o)
{
	o->has_fast_open = true;
	o->fast_open_size = COOKIE_SIZE;
	make_cookie(tcp, tuple, 0, o->fast_open);
	tcp->count.fast_open_cookies++;
}

/* ---- the limit ---- */

static bool may_open(struct tcp *tcp)
{
	uint32_t most = tcp->config.fast_open_pending;

	if (tcp_now(tcp) >= tcp->fast_open_penalty_until)
		tcp->fast_open_penalty = 0;
	return tcp->halves.used < tcp->halves.count &&
	       tcp->fast_open_pending + tcp->fast_open_penalty <
	           (most ? most : PENDING_DEFAULT);
}

static void done(struct tcp_conn *conn, bool reset)
{
	struct tcp *tcp = conn->tcp;

	conn->fast_open = false;
	tcp->fast_open_pending--;
	if (reset) {
		tcp->fast_open_penalty++;
		tcp->fast_open_penalty_until = tcp_now(tcp) + RESET_PENALTY;
	}
}

/* ---- the first segment ---- */

/* The connection goes to its owner now, and the data with it. */
static void open_early(struct tcp_listener *listener, struct tcp_conn *conn,
                       const struct tcp_handshake *hand, const struct tcp_segment *syn,
                       uint16_t gso_size)
{
	struct tcp *tcp = listener->tcp;
	struct tcp_segment text = *syn;

	tcp_listener_settle(listener, conn, hand);
	conn->snd_wnd = conn->max_snd_wnd = syn->window; /* not scaled: RFC 7323, 2.2 */
	conn->snd_wl1 = syn->seq;
	conn->snd_wl2 = conn->snd_una;
	conn->state = TCP_SYN_RECEIVED;
	conn->fast_open = true;
	conn->fast_open_renew = !cookie_is(tcp, &conn->flow.tuple, 0, &syn->options);
	conn->rtt_started_at = tcp_now(tcp);
	conn->ack_now = true; /* the SYN-ACK */
	tcp->fast_open_pending++;
	tcp->count.fast_opens++;
	tcp_tuning_init(conn);
	if (!tcp_listener_offer(listener, conn))
		return;
	text.seq = conn->rcv_nxt;
	text.data = slice_take(text.data, tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt));
	if (text.data.len > 0)
		(void)tcp_receive_data(conn, &text, gso_size);
	/* A FIN is left for the client to send again. */
}

static bool syn(struct tcp_listener *listener, const struct tcp_tuple *tuple,
                const struct tcp_segment *s, uint16_t gso_size,
                struct tcp_handshake *hand)
{
	struct tcp *tcp = listener->tcp;
	const struct tcp_options *o = &s->options;
	struct tcp_conn *conn;

	if (!o->has_fast_open)
		return false;
	if (!cookie_is(tcp, tuple, 0, o) && !cookie_is(tcp, tuple, 1, o)) {
		hand->fast_open = true; /* a cookie for the next time */
		if (o->fast_open_size > 0)
			tcp->count.fast_opens_bad++;
		return false;
	}
	conn = may_open(tcp) ? tcp_conn_new(tcp, tuple) : NULL;
	if (!conn) {
		tcp->count.fast_opens_refused++;
		return false;
	}
	open_early(listener, conn, hand, s, gso_size);
	return true;
}

/* ---- what follows ---- */

/* The client's ACK: the handshake is over. */
static void acked(struct tcp_conn *conn)
{
	done(conn, false);
	conn->state = conn->fin_queued ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	conn->backoff = conn->timeouts = 0;
	conn->progress_at = tcp_now(conn->tcp);
	tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
	if (conn->syn_lost) {
		/* What was sent before the client knew of the connection is lost. */
		conn->rto = TCP_RTO_AFTER_SYN;
		tcp_recovery_init(conn);
		tcp_recovery_resend(conn);
	} else {
		tcp_rtt_sample(conn, tcp_now(conn->tcp) - conn->rtt_started_at);
	}
	conn->wake = true;
	tcp_pend(conn);
}

const struct tcp_fast_open tcp_fast_open = {syn, offer, acked, done};
