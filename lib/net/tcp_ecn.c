/*
 * Explicit congestion notification (RFC 3168): a router marks a packet (CE) instead of
 * dropping it, the receiver echoes that (ECE), the sender reduces its window as for a
 * loss and says so (CWR). What the handshake agrees to, and the two flags after it.
 *
 * The reaction is tcp_recovery.c's. Data that is sent for the first time is marked
 * capable (ECT(0)); SYNs, bare ACKs, window probes and what is sent again are not (5.2,
 * 6.1.4 to 6.1.6).
 */
#include "tcp_private.h"

enum { BOTH = TCP_ECE | TCP_CWR };

/* 6.1.1. A SYN-ACK with both flags is an echo of ours by someone who knows neither. */
bool tcp_ecn_agreed(const struct tcp *tcp, const struct tcp_segment *syn)
{
	if (tcp->config.ecn == TCP_ECN_OFF)
		return false;
	return (syn->flags & BOTH) == (syn->flags & TCP_ACK ? TCP_ECE : BOTH);
}

/* On a SYN that is sent again it is not asked for any more: some networks drop the flags
 * with what carries them (6.1.1.1). */
uint8_t tcp_ecn_syn_flags(const struct tcp_conn *conn)
{
	if (conn->state == TCP_SYN_RECEIVED)
		return conn->has_ecn ? TCP_ECE : 0;
	if (conn->tcp->config.ecn != TCP_ECN_ASK || conn->syn_lost)
		return 0;
	return BOTH;
}

/* 6.1.3: the mark is echoed in all that is sent until the peer has reacted. The first is
 * told at once. */
void tcp_ecn_input(struct tcp_conn *conn, const struct tcp_segment *s)
{
	if (!conn->has_ecn)
		return;
	if (s->flags & TCP_CWR)
		conn->ecn_echo = false;
	if (s->ecn == IP_ECN_CE && s->data.len > 0) {
		conn->tcp->count.marks_in++;
		conn->ack_now |= !conn->ecn_echo;
		conn->ecn_echo = true;
	}
}

bool tcp_ecn_is_capable(const struct tcp_conn *conn, struct tcp_seq seq)
{
	return conn->has_ecn && tcp_seq_eq(seq, conn->snd_nxt) && conn->snd_wnd > 0;
}
