/*
 * RACK-TLP (RFC 8985): loss detection by time. What was sent before something that has
 * arrived, and has not arrived itself for a round trip and a little more, is lost:
 * originals, retransmissions and the tail alike. Where nothing comes back at all, a probe
 * of the tail asks before the retransmission timeout does.
 *
 * For connections with SACK. tcp_recovery.c calls it for each ACK and reacts to what
 * conn->lost then holds. An ACK of bytes in order costs one look at the oldest record.
 */
#include "tcp_private.h"

#define REORDER_MIN  KILN_MS(1) /* what the loop's clock can tell */
#define PROBE_MIN    KILN_MS(10)
#define PEER_DELAY   KILN_MS(200) /* WCDelAckT: how long a peer may keep an ACK back */
#define MIN_RTT_LIFE KILN_SECONDS(60)

enum { PERSIST = 16 };

void tcp_rack_init(struct tcp_conn *conn)
{
	conn->rack.quarters = 1;
	conn->rack.fack = conn->iss;
}

void tcp_rack_rtt(struct tcp_conn *conn, kiln_time rtt)
{
	struct tcp_rack *rack = &conn->rack;
	kiln_time now = tcp_now(conn->tcp);

	if (rack->min_rtt && rtt > rack->min_rtt && now - rack->min_rtt_at < MIN_RTT_LIFE)
		return;
	rack->min_rtt = rtt;
	rack->min_rtt_at = now;
}

/* ---- the reordering window (6.2, step 4) ---- */

static bool dup_thresh_reached(const struct tcp_conn *conn)
{
	return conn->sacked.count >= TCP_DUP_THRESH ||
	       conn->sacked.bytes > (TCP_DUP_THRESH - 1u) * conn->smss;
}

static kiln_time reorder_window(const struct tcp_conn *conn)
{
	const struct tcp_rack *rack = &conn->rack;

	if (!rack->reordering && (conn->phase != TCP_OPEN || dup_thresh_reached(conn)))
		return 0;
	return KILN_MAX(KILN_MIN(rack->quarters * (rack->min_rtt / 4), conn->srtt),
	                REORDER_MIN);
}

void tcp_rack_twice(struct tcp_conn *conn)
{
	struct tcp_rack *rack = &conn->rack;

	if (rack->in_dsack_round && tcp_seq_lt(conn->snd_una, rack->dsack_round))
		return;
	rack->in_dsack_round = true;
	rack->dsack_round = conn->snd_nxt;
	rack->persist = PERSIST;
	if (rack->quarters < UINT8_MAX)
		rack->quarters++;
}

void tcp_rack_recovered(struct tcp_conn *conn)
{
	struct tcp_rack *rack = &conn->rack;

	if (rack->persist > 0 && --rack->persist == 0)
		rack->quarters = 1;
}

/* ---- detection (6.2, step 5; 6.3) ---- */

void tcp_rack_detect(struct tcp_conn *conn)
{
	const struct tcp_rack *rack = &conn->rack;
	kiln_time wait = rack->rtt + reorder_window(conn);
	kiln_time next = tcp_flight_expire(conn, rack->sent_order, rack->sent_end, wait);

	if (next == KILN_NEVER)
		tcp_timer_clear(conn, TCP_TIMER_REORDER);
	else
		tcp_timer_set(conn, TCP_TIMER_REORDER, next);
}

/* ---- tail loss probes (7) ---- */

/* 7.2: twice the round trip, and what the peer may wait for a second segment. Less than
 * PROBE_MIN would only cost timers: such a peer is not far. */
static kiln_time probe_timeout(const struct tcp_conn *conn)
{
	kiln_time timeout = conn->srtt ? 2 * conn->srtt : KILN_SECONDS(1);

	if (tcp_in_flight(conn) <= conn->smss)
		timeout += PEER_DELAY;
	return KILN_MAX(timeout, PROBE_MIN);
}

void tcp_rack_set_probe(struct tcp_conn *conn)
{
	struct tcp_rack *rack = &conn->rack;

	if (!conn->has_sack || conn->phase != TCP_OPEN || conn->sacked.count > 0 ||
	    conn->snd_wnd == 0) {
		tcp_timer_clear(conn, TCP_TIMER_PROBE);
	} else if (rack->probe_due && !rack->probing) {
		tcp_timer_set(conn, TCP_TIMER_PROBE,
		              KILN_MIN(tcp_now(conn->tcp) + probe_timeout(conn),
		                       conn->deadline[TCP_TIMER_RETRANSMIT]));
	}
	rack->probe_due = false;
}

/* The timeout of retransmission counts from here. */
void tcp_rack_probe(struct tcp_conn *conn)
{
	conn->rack.probe_now = true;
	tcp_timer_set(conn, TCP_TIMER_RETRANSMIT,
	              tcp_now(conn->tcp) + tcp_rto_backed_off(conn));
	tcp_pend(conn);
}

void tcp_rack_probed(struct tcp_conn *conn, bool again)
{
	conn->rack.probe_now = false;
	conn->rack.probing = true;
	conn->rack.probe_again = again;
	conn->rack.probe_end = conn->snd_nxt;
}

bool tcp_rack_probe_ack(struct tcp_conn *conn, const struct tcp_news *news)
{
	struct tcp_rack *rack = &conn->rack;

	if (!rack->probing || tcp_seq_lt(conn->snd_una, rack->probe_end))
		return false;
	if (!rack->probe_again ||
	    (news->twice && tcp_seq_eq(news->again.end, rack->probe_end))) {
		rack->probing = false; /* all has arrived; with its DSACK, even twice */
	} else if (tcp_seq_gt(conn->snd_una, rack->probe_end)) {
		rack->probing =
		    false; /* and no second ACK came for it: the first was lost */
		return true;
	} else if (news->duplicate) {
		rack->probing = false;
	}
	return false;
}
