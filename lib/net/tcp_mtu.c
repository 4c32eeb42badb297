/*
 * How large a segment the path carries, found out by sending (RFC 4821), for paths whose
 * routers say nothing of what they drop, and for those that carry more again than they
 * once said.
 *
 * A connection starts with what the network layer knows of the path (RFC 1191, 8201), and
 * most stay there: limit is UINT16_MAX then and nothing here costs anything. Retransmission
 * timeouts in a row for a large segment are taken for a black hole: the limit falls to a
 * size that passes nearly everywhere. So it does, to what was told, by ICMP. From there a
 * search goes up: one segment larger than the others is sent, and if it arrives they may all
 * be so large. If it alone is lost it was too large: that is no sign of congestion, and
 * the next try is half way. What one connection has found the next one to the same host begins
 * with. Sizes are those of conn->mss: data and options.
 *
 * Called by tcp_output.c (what to try), tcp_ack.c, tcp_recovery.c, tcp_timer.c, tcp_icmp.c.
 */
#include "tcp_private.h"

#define RAISE_WAIT KILN_SECONDS(600) /* RFC 4821, 7.3; 1191, 6.3; 8201, 4 */
#define RETRY_WAIT KILN_SECONDS(5)   /* after a size that was lost */

enum {
	BLACK_HOLE_TIMEOUTS = 2, /* the third transmission in a row is lost, */
	NARROW_TIMEOUTS = 5,     /* or the sixth: hardly any path carries so little */
	CLOSE_ENOUGH = 32,       /* bytes between what passes and what does not */
	BASE_MTU = 1024,         /* RFC 4821, 7.2 */
	IP4_HEADERS = 40,
	IP6_BASE_MSS = 1280 - 60, /* every path of IPv6 carries so much */
	SEGMENTS_BEHIND = 3, /* a probe: so that its loss is seen without a timeout */
};

void tcp_mtu_init(struct tcp_conn *conn)
{
	uint32_t passes = net_path_passes(conn->tcp->net, &conn->flow.tuple.remote);

	conn->mtu.limit = passes ? (uint16_t)(passes - TCP_HEADER_SIZE) : UINT16_MAX;
	conn->mtu.next_at = tcp_now(conn->tcp) + RETRY_WAIT;
}

/* What the path would carry if nothing had been learnt by this connection. */
static uint32_t most(const struct tcp_conn *conn)
{
	uint32_t path = tcp_path_mss(conn->tcp, &conn->flow.tuple.remote);
	uint32_t peer = KILN_MAX(conn->mss_peer, TCP_MSS_MIN);

	return KILN_MIN(KILN_MIN(path, peer), conn->mss_most);
}

/* A size that is known to pass, or taken to. The search goes on from there at `next`. */
static void settle(struct tcp_conn *conn, uint32_t mss, kiln_time next)
{
	struct tcp_mtu *m = &conn->mtu;

	bool narrow = mss < most(conn);

	m->limit = narrow ? (uint16_t)mss : UINT16_MAX;
	m->next_at = next;
	net_path_suspect(conn->tcp->net, &conn->flow.tuple.remote,
	                 narrow ? mss + TCP_HEADER_SIZE : 0);
	tcp_set_mss(conn, tcp_path_mss(conn->tcp, &conn->flow.tuple.remote));
}

static void end_probe(struct tcp_conn *conn, bool too_large)
{
	struct tcp_mtu *m = &conn->mtu;

	if (too_large)
		m->failed = m->probe;
	m->probe = 0;
	m->next_at = tcp_now(conn->tcp) + RETRY_WAIT;
}

/* ---- upwards ---- */

/* Data bytes of the next size to try; 0: none now. */
static uint32_t next_size(struct tcp_conn *conn)
{
	struct tcp_mtu *m = &conn->mtu;
	uint32_t options = conn->mss - conn->smss, size = most(conn);

	if (m->failed)
		size = KILN_MIN(size, (uint32_t)(conn->mss + m->failed) / 2);
	if (size < (uint32_t)conn->mss + CLOSE_ENOUGH && size < most(conn)) {
		m->failed = 0; /* found; the path may change */
		m->next_at = tcp_now(conn->tcp) + RAISE_WAIT;
		return 0;
	}
	return size > conn->mss ? size - options : 0;
}

uint32_t tcp_mtu_probe(struct tcp_conn *conn)
{
	struct tcp_mtu *m = &conn->mtu;
	uint32_t size;

	if (m->limit == UINT16_MAX || m->probe || conn->phase != TCP_OPEN ||
	    tcp_now(conn->tcp) < m->next_at)
		return 0;
	if (most(conn) <= conn->mss) { /* as we were told by ICMP, still */
		m->next_at = tcp_now(conn->tcp) + RAISE_WAIT;
		return 0;
	}
	size = next_size(conn);
	/* What is to follow, and room for it to do so. */
	uint64_t all = size + SEGMENTS_BEHIND * (uint64_t)conn->smss;
	return tcp_not_sent(conn) >= all && conn->cc.cwnd >= all && conn->snd_wnd >= all
	           ? size
	           : 0;
}

void tcp_mtu_probe_sent(struct tcp_conn *conn, struct tcp_range range)
{
	struct tcp_mtu *m = &conn->mtu;

	m->range = range;
	m->probe = (uint16_t)(tcp_range_size(range) + conn->mss - conn->smss);
	conn->tcp->count.mtu_probes++;
}

void tcp_mtu_acked(struct tcp_conn *conn)
{
	struct tcp_mtu *m = &conn->mtu;

	if (!m->probe || tcp_seq_lt(conn->snd_una, m->range.end))
		return;
	uint32_t size = m->probe;
	m->probe = 0;
	settle(conn, size, tcp_now(conn->tcp));
}

bool tcp_mtu_probe_lost(struct tcp_conn *conn)
{
	struct tcp_mtu *m = &conn->mtu;

	if (!m->probe || !tcp_seq_eq(conn->snd_una, m->range.start))
		return false;
	end_probe(conn, true);
	return true;
}

void tcp_mtu_resent(struct tcp_conn *conn, struct tcp_range range)
{
	const struct tcp_mtu *m = &conn->mtu;

	/* Part of it, in smaller segments: whether it arrives tells nothing any more. */
	if (m->probe && tcp_seq_lt(range.start, m->range.end) &&
	    tcp_seq_lt(m->range.start, range.end))
		end_probe(conn, false);
}

/* ---- downwards ---- */

/* What a segment of the present size is exchanged for after so many timeouts in a row. */
static uint32_t lower(const struct tcp_conn *conn)
{
	uint32_t base = BASE_MTU - IP4_HEADERS;

	if (!ip_is4(&conn->flow.tuple.remote))
		base = IP6_BASE_MSS;
	if (conn->timeouts >= BLACK_HOLE_TIMEOUTS && conn->mss > base + CLOSE_ENOUGH)
		return base;
	if (conn->timeouts >= NARROW_TIMEOUTS && ip_is4(&conn->flow.tuple.remote))
		return TCP_PATH_MSS_MIN;
	return conn->mss;
}

void tcp_mtu_timeout(struct tcp_conn *conn)
{
	uint32_t size = lower(conn);

	if (conn->mtu.probe)
		end_probe(conn, tcp_seq_eq(conn->snd_una, conn->mtu.range.start));
	/* A segment so large is at the front, and lost again and again. */
	if (size < conn->mss && tcp_in_flight(conn) > size) {
		conn->tcp->count.black_holes++;
		conn->mtu.failed = 0;
		settle(conn, size, tcp_now(conn->tcp));
		return;
	}
	/* The path may have changed. */
	tcp_set_mss(conn, tcp_path_mss(conn->tcp, &conn->flow.tuple.remote));
}

void tcp_mtu_told(struct tcp_conn *conn, uint32_t mss)
{
	struct tcp_mtu *m = &conn->mtu;

	m->probe = 0;
	m->failed = 0;
	m->limit = (uint16_t)KILN_MIN(mss, UINT16_MAX - 1u);
	m->next_at = tcp_now(conn->tcp) + RAISE_WAIT;
	tcp_set_mss(conn, mss);
}
