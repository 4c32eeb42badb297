/*
 * What a connection has only while something of it is lost or late: the ranges of its
 * scoreboards, and the congestion window as it was before it was reduced. That is about
 * as much as the rest of a connection, which most of the time does without.
 *
 * It is taken at the first need, and goes back when all has been acknowledged and nothing
 * more was sent for a retransmission timeout: until then the peer may report that it was
 * all for nothing (DSACK, RFC 3708). When there is none to be had, what the peer reports
 * is not taken, and no reduction taken back; what is lost has one range in the connection
 * itself, so that a retransmission timeout repairs everything, if slowly.
 *
 * Called by tcp_flight.c, tcp_ack.c and tcp_recovery.c.
 */
#include "tcp_private.h"

void tcp_repair_init(struct tcp_conn *conn)
{
	conn->repair = NULL;
	conn->sacked = (struct tcp_scoreboard){0};
	conn->lost = (struct tcp_scoreboard){.room = 1, .range = &conn->lost_one};
}

static void adopt(struct tcp_scoreboard *sb, struct tcp_range *ranges)
{
	if (sb->count)
		ranges[0] = sb->range[0];
	sb->range = ranges;
	sb->room = TCP_REPAIR_RANGES;
}

bool tcp_repair_begin(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	if (conn->repair)
		return true;
	if (tcp_chunks_taken(tcp) < tcp->chunks.count)
		conn->repair = slab_get(&tcp->repairs);
	if (!conn->repair)
		return false;
	adopt(&conn->sacked, conn->repair->sacked);
	adopt(&conn->lost, conn->repair->lost);
	return true;
}

void tcp_repair_wait(struct tcp_conn *conn)
{
	if (conn->repair)
		tcp_timer_set(conn, TCP_TIMER_REPAIRED,
		              tcp_now(conn->tcp) + tcp_rto_backed_off(conn));
}

void tcp_repair_end(struct tcp_conn *conn)
{
	if (!conn->repair)
		return;
	slab_put(&conn->tcp->repairs, conn->repair);
	tcp_repair_init(conn);
	conn->can_undo = false;
}
