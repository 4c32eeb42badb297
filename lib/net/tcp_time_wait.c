/*
 * TIME-WAIT (RFC 9293, 3.6 and 3.10.7.4): what is left of a connection for 2 MSL, so that
 * its last ACK can be sent again and old segments disturb no new connection.
 *
 * A struct of a hundred bytes stands in for the connection; when all are in use the
 * oldest is given up for the newest. All wait equally long, so the list is sorted by time
 * as it grows. While the owner of a connection has not closed it, it waits in its own
 * struct.
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
	*tw = (struct tcp_time_wait){
	    .flow = {NULL, TCP_FLOW_TIME_WAIT, conn->flow.tuple},
	    .until = tcp_now(tcp) + TCP_TIME_WAIT_TIME,
	    .rcv_nxt = conn->rcv_nxt,
	    .snd_nxt = conn->snd_nxt,
	    .ts_recent = conn->ts_recent,
	    .ts_offset = conn->ts_offset,
	    .window = (uint16_t)(tcp_receive_window(conn) >> conn->rcv_wscale),
	    .has_timestamps = conn->has_timestamps,
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

	if (is_new_syn(tw, s)) {
		struct tcp_tuple tuple = tw->flow.tuple;
		struct tcp_seq floor = tcp_seq_add(tw->snd_nxt, UINT16_MAX + 1u);

		listener = tcp_listener_find(tcp, tuple.local_port);
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
		tw->until = tcp_now(tcp) + TCP_TIME_WAIT_TIME;
		list_remove(&tw->node);
		list_append(&tcp->time_wait, &tw->node);
		send_ack(tcp, tw);
		return;
	}
	/* Anything else but a bare ACK of our FIN is old, or not meant for us. */
	if (tcp_segment_length(s) == 0 && tcp_seq_eq(s->seq, tw->rcv_nxt))
		return;
	tcp->count.drop_window++;
	if (tcp_challenge_allowed(tcp)) {
		tcp->count.challenge_acks++;
		send_ack(tcp, tw);
	}
}
