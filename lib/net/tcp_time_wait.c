/*
 * TIME-WAIT (RFC 9293, 3.6 and 3.10.7.4): what is left of a connection for 2 MSL, so that
 * its last ACK can be sent again and old segments disturb no new connection.
 *
 * A struct of a hundred bytes stands in for the connection; when all are in use the
 * oldest is given up for the newest. All wait equally long, so the list is sorted by time
 * as it grows. While the owner of a connection has not closed it, it waits in its own
 * struct. One that was closed waits for the peer's FIN, in FIN-WAIT-2, here as well.
 */
#include "tcp_private.h"

static void time_wait_free(struct tcp *tcp, struct tcp_time_wait *tw)
{
	list_remove(&tw->node);
	tcp_flow_remove(tcp, &tw->flow);
	pool_put(&tcp->time_waits, tw);
	tcp->count.time_wait--;
}

static struct tcp_time_wait *oldest(struct tcp *tcp)
{
	return list_empty(&tcp->time_wait)
	           ? NULL
	           : kiln_container(tcp->time_wait.next, struct tcp_time_wait, node);
}

static void set_timer(struct tcp *tcp)
{
	struct tcp_time_wait *tw = oldest(tcp);

	if (tw && tw->until < tcp->time_wait_timer.deadline)
		timer_set(tcp->loop, &tcp->time_wait_timer, tw->until);
}

static void timer_fired(struct timer *timer)
{
	struct tcp *tcp = kiln_container(timer, struct tcp, time_wait_timer);
	struct tcp_time_wait *tw;

	while ((tw = oldest(tcp)) && tw->until <= tcp_now(tcp))
		time_wait_free(tcp, tw);
	set_timer(tcp);
}

void tcp_time_wait_init(struct tcp *tcp)
{
	list_init(&tcp->time_wait);
	timer_init(&tcp->time_wait_timer, timer_fired);
}

void tcp_enter_time_wait(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_time_wait *tw;

	if (conn->has_owner) {
		conn->state = TCP_TIME_WAIT;
		for (unsigned i = 0; i < TCP_TIMERS; i++)
			tcp_timer_clear(conn, i);
		return;
	}
	if (tcp->time_waits.used == tcp->time_waits.count)
		time_wait_free(tcp, oldest(tcp));
	tw = pool_get(&tcp->time_waits);
	uint32_t window = tcp_receive_window(conn); /* moves rcv_adv */
	*tw = (struct tcp_time_wait){
	    .flow = {NULL, TCP_FLOW_TIME_WAIT, conn->flow.tuple},
	    .until = tcp_now(tcp) + TCP_TIME_WAIT_TIME,
	    .rcv_nxt = conn->rcv_nxt,
	    .rcv_adv = conn->rcv_adv,
	    .snd_nxt = conn->snd_nxt,
	    .ts_recent = conn->ts_recent,
	    .ts_offset = conn->ts_offset,
	    .window = (uint16_t)(window >> conn->rcv_wscale),
	    .has_timestamps = conn->has_timestamps,
	    .peer_open = !conn->fin_received,
	};
	tcp_conn_release(conn);
	list_init(&tw->node);
	list_append(&tcp->time_wait, &tw->node);
	tcp_flow_insert(tcp, &tw->flow);
	tcp->count.time_wait++;
	set_timer(tcp);
}

static void send_ack(struct tcp *tcp, const struct tcp_time_wait *tw)
{
	struct tcp_segment ack = {
	    .seq = tw->snd_nxt,
	    .ack = tw->rcv_nxt,
	    .flags = TCP_ACK,
	    .window = tw->window,
	    .options =
	        {
	            .has_timestamps = tw->has_timestamps,
	            .ts_value = tcp_timestamp_now(tcp, tw->ts_offset),
	            .ts_echo = tw->ts_recent,
	        },
	};

	tcp_send_bare(tcp, &tw->flow.tuple, &ack);
}

static void wait_anew(struct tcp *tcp, struct tcp_time_wait *tw)
{
	tw->until = tcp_now(tcp) + TCP_TIME_WAIT_TIME;
	list_remove(&tw->node);
	list_append(&tcp->time_wait, &tw->node);
}

static void challenge(struct tcp *tcp, const struct tcp_time_wait *tw)
{
	if (tcp_challenge_allowed(tcp)) {
		tcp->count.challenge_acks++;
		send_ack(tcp, tw);
	}
}

/* ---- FIN-WAIT-2 ---- */

/* First to fifth step of 3.10.7.4. False: done with the segment. */
static bool fin_wait_check(struct tcp *tcp, struct tcp_time_wait *tw,
                           const struct tcp_segment *s)
{
	const struct tcp_options *o = &s->options;
	struct tcp_range window = {tw->rcv_nxt, tw->rcv_adv};
	bool reset = s->flags & TCP_RST;
	bool checked = tw->has_timestamps && !reset;
	bool old = checked && tcp_timestamp_before(o->ts_value, tw->ts_recent);

	if (checked && !o->has_timestamps) { /* RFC 7323, 3.2 */
		tcp->count.drop_window++;
		return false;
	}
	if (old || !tcp_acceptable(s, tw->rcv_nxt, tcp_range_size(window))) {
		tcp->count.drop_window++;
		if (!reset)
			challenge(tcp, tw);
		return false;
	}
	if (reset && tcp_seq_eq(s->seq, tw->rcv_nxt)) {
		tcp->count.resets_in++;
		time_wait_free(tcp, tw);
		return false;
	}
	if (reset || (s->flags & TCP_SYN) || tcp_seq_gt(s->ack, tw->snd_nxt)) {
		challenge(tcp, tw);
		return false;
	}
	return s->flags & TCP_ACK;
}

static void fin_wait_input(struct tcp *tcp, struct tcp_time_wait *tw,
                           const struct tcp_segment *s)
{
	struct tcp_seq end = tcp_seq_add(s->seq, (uint32_t)s->data.len);

	if (!fin_wait_check(tcp, tw, s))
		return;
	if (tcp_seq_gt(end, tw->rcv_nxt) && s->data.len > 0) {
		/* Nobody will ever read it: say so (RFC 1122, 4.2.2.13). */
		tcp_refuse_segment(tcp, &tw->flow.tuple, s);
		time_wait_free(tcp, tw);
	} else if ((s->flags & TCP_FIN) && tcp_seq_eq(end, tw->rcv_nxt)) {
		tw->rcv_nxt = tcp_seq_add(tw->rcv_nxt, 1);
		tw->ts_recent = s->options.ts_value;
		tw->peer_open = false;
		wait_anew(tcp, tw);
		send_ack(tcp, tw);
	}
}

/* ---- TIME-WAIT ---- */

/* Whether a SYN is surely of a new connection (RFC 9293, 3.6.1; 6191, 2). */
static bool is_new_syn(const struct tcp_time_wait *tw, const struct tcp_segment *s)
{
	const struct tcp_options *o = &s->options;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return false;
	if (tw->has_timestamps && o->has_timestamps && o->ts_value != tw->ts_recent)
		return tcp_timestamp_before(tw->ts_recent, o->ts_value);
	return tcp_seq_gt(s->seq, tw->rcv_nxt);
}

void tcp_time_wait_input(struct tcp *tcp, struct tcp_time_wait *tw, struct tcp_segment *s,
                         uint16_t gso_size)
{
	struct tcp_listener *listener;

	if (tw->peer_open) {
		fin_wait_input(tcp, tw, s);
		return;
	}
	if (is_new_syn(tw, s)) {
		struct tcp_tuple tuple = tw->flow.tuple;
		struct tcp_seq floor = tcp_seq_add(tw->snd_nxt, UINT16_MAX + 1u);

		listener = tcp_listener_find(tcp, &tuple.local, tuple.local_port);
		if (listener) {
			time_wait_free(tcp, tw);
			tcp_listen_input(tcp, listener, &tuple, s, gso_size, &floor);
			return;
		}
	}
	if (s->flags & TCP_RST)
		return; /* RFC 1337: it must not end before its time */
	if ((s->flags & TCP_FIN) &&
	    tcp_seq_eq(tcp_seq_add(s->seq, tcp_segment_length(s)), tw->rcv_nxt)) {
		/* Our last ACK was lost: send it again, and wait anew. */
		wait_anew(tcp, tw);
		send_ack(tcp, tw);
		return;
	}
	/* Anything else but a bare ACK of our FIN is old, or not meant for us. */
	if (tcp_segment_length(s) == 0 && tcp_seq_eq(s->seq, tw->rcv_nxt))
		return;
	tcp->count.drop_window++;
	challenge(tcp, tw);
}
