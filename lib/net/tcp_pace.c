/*
 * Pacing: a window leaves over the round trip, not in bursts that overflow short queues.
 * For connections of a stack that is configured so, and for controllers that set a rate.
 *
 * The rate is the controller's, or else twice what cwnd and the round-trip time make in
 * slow start, so that it can double, and 1.2 times that after it. Bytes leave in quanta
 * of about a millisecond, the tick of the loop's timers: what is faster than that, as a
 * LAN is, is not held back, and costs a comparison. The initial window, and that after a
 * pause, leave at once: a short answer must not wait.
 *
 * conn->pace_at is when what has left will have left at that rate: sending may be one
 * quantum ahead of it, and as much is forgiven if it is late.
 */
#include "tcp_private.h"

#define QUANTUM KILN_MS(1)

enum { LEAST_SEGMENTS = 2 }; /* of a quantum: as many as an ACK lets out */

/* Bytes in a second; 0: not paced, or too fast to be held back. */
static uint64_t rate(const struct tcp_conn *conn)
{
	const struct tcp_congestion_window *cc = &conn->cc;

	if (cc->pacing_rate)
		return cc->pacing_rate;
	if (!conn->tcp->config.pacing || conn->srtt <= QUANTUM)
		return 0;
	uint64_t tenths = cc->cwnd < cc->ssthresh / 2 ? 20 : 12;
	return cc->cwnd * tenths * (KILN_SECONDS(1) / 10) / conn->srtt;
}

void tcp_pace_resume(struct tcp_conn *conn, uint32_t burst)
{
	conn->pace_burst = burst;
}

uint32_t tcp_pace_budget(const struct tcp_conn *conn)
{
	kiln_time now = tcp_now(conn->tcp);
	kiln_time from = KILN_MAX(conn->pace_at, now - QUANTUM);
	uint64_t per_second = rate(conn);

	if (!per_second)
		return UINT32_MAX;
	if (from >= now + QUANTUM)
		return conn->pace_burst;
	uint64_t bytes = (now + QUANTUM - from) * per_second / KILN_SECONDS(1);
	bytes = KILN_MAX(bytes, (uint64_t)LEAST_SEGMENTS * conn->smss);
	return (uint32_t)KILN_MIN(bytes + conn->pace_burst, TCP_WINDOW_MAX + 0u);
}

void tcp_pace_sent(struct tcp_conn *conn, uint32_t bytes)
{
	uint32_t burst = KILN_MIN(bytes, conn->pace_burst);
	kiln_time now = tcp_now(conn->tcp);
	uint64_t per_second;

	conn->pace_burst -= burst;
	if (bytes == burst || !(per_second = rate(conn)))
		return;
	conn->pace_at = KILN_MAX(conn->pace_at, now - QUANTUM) +
	                (bytes - burst) * KILN_SECONDS(1) / per_second;
}

void tcp_pace_wait(struct tcp_conn *conn)
{
	kiln_time due = conn->pace_at - QUANTUM + 1;

	tcp_timer_set(conn, TCP_TIMER_PACE, KILN_MAX(due, tcp_now(conn->tcp) + 1));
}
