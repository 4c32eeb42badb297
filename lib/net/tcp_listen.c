/*
 * Listening: SYNs, half-open connections, and the third segment of the handshake.
 *
 * A half-open connection is a struct of its own, a fifth of a connection's size, so that
 * a flood of SYNs takes no connections. When these are used up too, SYN cookies go on
 * without memory (RFC 4987). The lists by number of tries have each the same time to
 * wait, so they are sorted by deadline as they grow, and one timer serves all.
 *
 * RFC 9293, 3.10.7.2 (LISTEN) and 3.10.7.4 (SYN-RECEIVED).
 */
#include "local.h"
#include "tcp_private.h"

struct tcp_listener *tcp_listener_find(struct tcp *tcp, const struct ip_addr *addr,
                                       uint16_t port)
{
	struct tcp_listener *best = NULL;
	unsigned best_match = 0;

	for (unsigned i = 0; i < TCP_LISTENERS; i++) {
		struct tcp_listener *listener = &tcp->listeners[i];

		if (listener->port != port || port == 0)
			continue;
		unsigned match = local_match(&listener->local, listener->ip6_only, addr);
		if (match > best_match) {
			best = listener;
			best_match = match;
		}
	}
	return best;
}

struct tcp_listener *tcp_listener_new(struct tcp *tcp, uint16_t port,
                                      bool (*accepted)(struct tcp_conn *conn,
                                                       void *context),
                                      void *context)
{
	for (unsigned i = 0; i < TCP_LISTENERS; i++) {
		struct tcp_listener *listener = &tcp->listeners[i];

		if (listener->port == 0) {
			*listener = (struct tcp_listener){
			    .tcp = tcp,
			    .port = port,
			    .accepted = accepted,
			    .context = context,
			    .receive_limit = tcp->receive_limit,
			    .mss_most = UINT16_MAX,
			};
			return listener;
		}
	}
	return NULL;
}

enum kiln_error tcp_listen(struct tcp *tcp, uint16_t port,
                           bool (*accepted)(struct tcp_conn *conn, void *context),
                           void *context, struct tcp_listener **listener)
{
	if (port == 0)
		return KILN_ERR_INVALID;
	for (unsigned i = 0; i < TCP_LISTENERS; i++)
		if (tcp->listeners[i].port == port)
			return KILN_ERR_IN_USE;
	*listener = tcp_listener_new(tcp, port, accepted, context);
	return *listener ? KILN_OK : KILN_ERR_MEMORY;
}

uint16_t tcp_listener_port(const struct tcp_listener *listener)
{
	return listener->port;
}

void tcp_unlisten(struct tcp_listener *listener)
{
	struct tcp *tcp = listener->tcp;

	for (unsigned tries = 0; tries < TCP_SYN_ACK_TRIES; tries++) {
		list_each_safe (node, &tcp->half[tries]) {
			struct tcp_half *half =
			    kiln_container(node, struct tcp_half, node);

			if (half->listener == listener)
				tcp_half_free(tcp, half);
		}
	}
	listener->port = 0;
}

/* ---- SYN-ACK ---- */

static uint16_t first_window(const struct tcp_listener *listener)
{
	return (uint16_t)KILN_MIN(listener->receive_limit, UINT16_MAX);
}

static void send_syn_ack(const struct tcp_listener *listener,
                         const struct tcp_tuple *tuple, const struct tcp_handshake *hand,
                         uint32_t ts_value)
{
	struct tcp *tcp = listener->tcp;
	struct tcp_segment s = {
	    .seq = hand->iss,
	    .ack = tcp_seq_add(hand->irs, 1),
	    .flags = TCP_SYN | TCP_ACK | (hand->has_ecn ? TCP_ECE : 0),
	    .window = first_window(listener),
	    .service = listener->service,
	    .options =
	        {
	            .has_mss = true,
	            .mss = (uint16_t)KILN_MIN(tcp_path_mss(tcp, &tuple->remote),
	                                      listener->mss_most),
	            .has_window_scale = hand->has_window_scale,
	            .window_scale = tcp->window_scale,
	            .has_timestamps = hand->has_timestamps,
	            .ts_value = ts_value,
	            .ts_echo = hand->ts_recent,
	            .sack_permitted = hand->has_sack,
	        },
	};

	if (hand->fast_open)
		tcp->config.fast_open->offer(tcp, tuple, &s.options);
	tcp_send_bare(tcp, tuple, &s);
}

static uint32_t timestamp_for(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return tcp_timestamp_now(tcp, tcp_timestamp_offset(tcp, tuple));
}

static void send_half_syn_ack(struct tcp *tcp, const struct tcp_half *half)
{
	const struct tcp_tuple *tuple = &half->flow.tuple;

	send_syn_ack(half->listener, tuple, &half->hand, timestamp_for(tcp, tuple));
}

/* ---- the half-open connections' clock ---- */

static kiln_time half_deadline(const struct tcp_half *half)
{
	return half->sent_at + (TCP_SYN_ACK_RTO << half->tries);
}

static void set_half_timer(struct tcp *tcp)
{
	kiln_time next = KILN_NEVER;

	for (unsigned tries = 0; tries < TCP_SYN_ACK_TRIES; tries++) {
		struct list *first = tcp->half[tries].next;

		if (first != &tcp->half[tries])
			next = KILN_MIN(next, half_deadline(kiln_container(
			                          first, struct tcp_half, node)));
	}
	if (next < tcp->half_timer.deadline)
		timer_set(tcp->loop, &tcp->half_timer, next);
}

static void half_expired(struct tcp *tcp, struct tcp_half *half)
{
	if (half->tries + 1 == TCP_SYN_ACK_TRIES) {
		tcp->count.timeouts++;
		tcp_half_free(tcp, half);
		return;
	}
	half->tries++;
	half->sent_at = tcp_now(tcp);
	list_remove(&half->node);
	list_append(&tcp->half[half->tries], &half->node);
	tcp->count.retransmits++;
	send_half_syn_ack(tcp, half);
}

static void half_timer_fired(struct timer *timer)
{
	struct tcp *tcp = kiln_container(timer, struct tcp, half_timer);

	for (unsigned tries = TCP_SYN_ACK_TRIES; tries-- > 0;) {
		list_each_safe (node, &tcp->half[tries]) {
			struct tcp_half *half =
			    kiln_container(node, struct tcp_half, node);

			if (half_deadline(half) > tcp_now(tcp))
				break;
			half_expired(tcp, half);
		}
	}
	set_half_timer(tcp);
}

void tcp_half_init(struct tcp *tcp)
{
	for (unsigned tries = 0; tries < TCP_SYN_ACK_TRIES; tries++)
		list_init(&tcp->half[tries]);
	timer_init(&tcp->half_timer, half_timer_fired);
}

void tcp_half_free(struct tcp *tcp, struct tcp_half *half)
{
	list_remove(&half->node);
	tcp_flow_remove(tcp, &half->flow);
	pool_put(&tcp->halves, half);
	tcp->count.half_open--;
}

/* ---- the first segment ---- */

static void keep_half(struct tcp *tcp, struct tcp_half *half,
                      struct tcp_listener *listener, const struct tcp_tuple *tuple,
                      const struct tcp_handshake *hand)
{
	*half = (struct tcp_half){
	    .flow = {NULL, TCP_FLOW_HALF, *tuple},
	    .listener = listener,
	    .hand = *hand,
	    .sent_at = tcp_now(tcp),
	};
	list_append(&tcp->half[0], &half->node);
	tcp_flow_insert(tcp, &half->flow);
	tcp->count.half_open++;
	set_half_timer(tcp);
	send_half_syn_ack(tcp, half);
}

static void syn_arrives(struct tcp *tcp, struct tcp_listener *listener,
                        const struct tcp_tuple *tuple, const struct tcp_segment *s,
                        uint16_t gso_size, const struct tcp_seq *iss_floor)
{
	struct tcp_handshake hand =
	    tcp_handshake_of(tcp, &tuple->remote, s, tcp_isn(tcp, tuple));
	struct tcp_half *half;

	/* No connection to become: the newest is refused, and may try again. */
	if (listener->paused || !slab_has_room(&tcp->conns)) {
		tcp->count.refused++;
		return;
	}
	if (iss_floor && tcp_seq_le(hand.iss, *iss_floor))
		hand.iss = *iss_floor;
	if (tcp->config.fast_open && !listener->no_fast_open &&
	    tcp->config.fast_open->syn(listener, tuple, s, gso_size, &hand))
		return;
	half = pool_get(&tcp->halves);
	if (half) {
		list_init(&half->node);
		keep_half(tcp, half, listener, tuple, &hand);
		return;
	}
	if (!hand.has_timestamps) /* nowhere to keep them */
		hand.has_window_scale = hand.has_sack = false;
	hand.fast_open = hand.has_ecn = false;
	hand.iss = tcp_cookie_make(tcp, tuple, &hand);
	send_syn_ack(listener, tuple, &hand, tcp_cookie_timestamp(tcp, tuple, &hand));
}

/* ---- the third segment ---- */

void tcp_listener_settle(const struct tcp_listener *listener, struct tcp_conn *conn,
                         const struct tcp_handshake *hand)
{
	conn->receive_limit = listener->receive_limit;
	conn->receive_limit_set = listener->receive_limit_set;
	conn->mss_most = listener->mss_most;
	conn->service = listener->service;
	conn->tally.in = 1; /* the SYN */
	tcp_conn_settle(conn, hand);
	conn->snd_una = conn->snd_nxt;
}

bool tcp_listener_offer(struct tcp_listener *listener, struct tcp_conn *conn)
{
	struct tcp *tcp = listener->tcp;

	tcp->count.opened_passive++;
	conn->in_ready = true;
	bool taken = listener->accepted(conn, listener->context);
	conn->in_ready = false;
	if (conn->released)
		return false;
	if (!taken || !conn->events) {
		tcp->count.refused++;
		tcp_send_rst(conn);
		tcp_conn_release(conn);
		return false;
	}
	conn->wake = true;
	tcp_pend(conn);
	return true;
}

/* A connection is established. `rtt` is 0 if the handshake did not tell it. */
static void accept(struct tcp_listener *listener, struct tcp_conn *conn,
                   const struct tcp_handshake *hand, struct tcp_segment *s,
                   uint16_t gso_size, kiln_time rtt)
{
	tcp_listener_settle(listener, conn, hand);
	conn->snd_wnd = conn->max_snd_wnd = (uint32_t)s->window << conn->snd_wscale;
	conn->snd_wl1 = s->seq;
	conn->snd_wl2 = s->ack;
	conn->state = TCP_ESTABLISHED;
	if (rtt)
		tcp_rtt_sample(conn, rtt);
	tcp_tuning_init(conn);
	if (tcp_listener_offer(listener, conn))
		tcp_segment_arrives(conn, s, gso_size);
}

static void cookie_arrives(struct tcp *tcp, struct tcp_listener *listener,
                           const struct tcp_tuple *tuple, struct tcp_segment *s,
                           uint16_t gso_size)
{
	enum tcp_cookie cookie = TCP_COOKIE_BAD;
	struct tcp_handshake hand;
	struct tcp_conn *conn;

	if (!(s->flags & TCP_SYN))
		cookie = tcp_cookie_check(tcp, tuple, s, &hand);
	if (cookie == TCP_COOKIE_EARLY) {
		tcp->count.drop_window++; /* what it has overtaken is still to come */
		return;
	}
	if (cookie == TCP_COOKIE_BAD) {
		tcp_refuse_segment(tcp, tuple, s);
		return;
	}
	conn = listener->paused ? NULL : tcp_conn_new(tcp, tuple);
	if (!conn) {
		tcp->count.drop_no_memory++;
		return;
	}
	accept(listener, conn, &hand, s, gso_size, 0);
}

/* RFC 9293, 3.10.7.2. */
void tcp_listen_input(struct tcp *tcp, struct tcp_listener *listener,
                      const struct tcp_tuple *tuple, struct tcp_segment *s,
                      uint16_t gso_size, const struct tcp_seq *iss_floor)
{
	/* First, check for a RST; second, for an ACK; third, for a SYN. */
	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK)
		cookie_arrives(tcp, listener, tuple, s, gso_size);
	else if (s->flags & TCP_SYN)
		syn_arrives(tcp, listener, tuple, s, gso_size, iss_floor);
	else
		tcp->count.drop_header++;
}

/* The ACK of a half-open connection, when it is not what it should be, is answered so. */
static void half_challenge(struct tcp *tcp, const struct tcp_half *half)
{
	uint8_t scale = half->hand.has_window_scale ? tcp->window_scale : 0;
	struct tcp_segment ack = {
	    .seq = tcp_seq_add(half->hand.iss, 1),
	    .ack = tcp_seq_add(half->hand.irs, 1),
	    .flags = TCP_ACK,
	    .window = (uint16_t)(first_window(half->listener) >> scale),
	    .service = half->listener->service,
	    .options =
	        {
	            .has_timestamps = half->hand.has_timestamps,
	            .ts_value = timestamp_for(tcp, &half->flow.tuple),
	            .ts_echo = half->hand.ts_recent,
	        },
	};

	if (!tcp_challenge_allowed(tcp))
		return;
	tcp->count.challenge_acks++;
	tcp_send_bare(tcp, &half->flow.tuple, &ack);
}

/* First to fourth step of 3.10.7.4 for SYN-RECEIVED. False: done with the segment. */
static bool half_check(struct tcp *tcp, struct tcp_half *half,
                       const struct tcp_segment *s)
{
	const struct tcp_handshake *hand = &half->hand;
	struct tcp_seq rcv_nxt = tcp_seq_add(hand->irs, 1);
	const struct tcp_options *o = &s->options;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
	    tcp_seq_eq(s->seq, hand->irs)) {
		half->hand.has_ecn &=
		    tcp_ecn_agreed(tcp, s);   /* it may have given up on it */
		send_half_syn_ack(tcp, half); /* the SYN again: our answer was lost */
		return false;
	}
	bool checked = hand->has_timestamps && !(s->flags & TCP_RST);
	if (checked && !o->has_timestamps) { /* RFC 7323, 3.2 */
		tcp->count.drop_window++;
		return false;
	}
	bool old = checked && tcp_timestamp_before(o->ts_value, hand->ts_recent);
	if (old || !tcp_acceptable(s, rcv_nxt, first_window(half->listener))) {
		tcp->count.drop_window++;
		if (!(s->flags & TCP_RST))
			half_challenge(tcp, half);
		return false;
	}
	if (s->flags & TCP_RST) {
		if (tcp_seq_eq(s->seq, rcv_nxt)) {
			tcp->count.resets_in++;
			tcp_half_free(tcp, half); /* back to LISTEN */
		} else {
			half_challenge(tcp, half);
		}
		return false;
	}
	if (s->flags & TCP_SYN) {
		half_challenge(tcp, half);
		return false;
	}
	return s->flags & TCP_ACK;
}

void tcp_half_input(struct tcp *tcp, struct tcp_half *half, struct tcp_segment *s,
                    uint16_t gso_size)
{
	struct tcp_tuple tuple = half->flow.tuple;
	struct tcp_listener *listener = half->listener;
	struct tcp_handshake hand = half->hand;

	if (!half_check(tcp, half, s))
		return;
	if (!tcp_seq_eq(s->ack, tcp_seq_add(hand.iss, 1))) {
		tcp_refuse_segment(tcp, &tuple, s);
		return;
	}
	if (half->tries < listener->defer && s->data.len == 0)
		return; /* until it has something to say */
	if (listener->paused || !slab_has_room(&tcp->conns)) {
		tcp->count.drop_no_memory++; /* the peer will send again, so may we */
		return;
	}
	/* Karn: a SYN-ACK that was sent twice tells no time. */
	kiln_time rtt = half->tries == 0 ? KILN_MAX(tcp_now(tcp) - half->sent_at, 1u) : 0;
	uint8_t tries = half->tries;
	tcp_half_free(tcp, half);
	struct tcp_conn *conn = tcp_conn_new(tcp, &tuple);
	if (!conn)
		return;
	conn->syn_lost = tries > 0;
	conn->tally.again = tries;
	if (tries > 0)
		conn->rto = TCP_RTO_AFTER_SYN;
	accept(listener, conn, &hand, s, gso_size, rtt);
}
