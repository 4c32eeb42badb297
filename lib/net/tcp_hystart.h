/*
 * HyStart++ (RFC 9406): leaves slow start when round trips grow longer, before the queue
 * at the bottleneck overflows, but not for a single late packet: growth is first slowed
 * down, and goes on as before if the delay proves to have passed.
 *
 * For the first slow start of a connection; a controller embeds the struct in its state,
 * zeroed.
 */
#ifndef NET_TCP_HYSTART_H
#define NET_TCP_HYSTART_H

#include <kiln/tcp_congestion.h>

/* Round-trip times are in us; 0: none yet. */
struct tcp_hystart {
	uint32_t last_round, this_round; /* the least of each */
	uint32_t baseline;               /* the least when growth was slowed down */
	uint8_t samples;     /* in this round, counted up to HYSTART_SAMPLES */
	uint8_t rounds_left; /* of conservative slow start; 0: not in it */
};

/* An ACK arrived in slow start: raises cwnd if it was the limit. When slow start is over,
 * ssthresh becomes cwnd. */
void tcp_hystart_acked(struct tcp_hystart *h, struct tcp_congestion_window *w,
                       const struct tcp_flow_facts *f);

#endif
