/*
 * What is in flight, and since when: a record for bytes that left together, oldest first.
 *
 * Each byte between snd_una and snd_nxt is in exactly one place: reported by the peer
 * (conn->sacked), found lost and to be sent again (conn->lost), or in flight, in a
 * record. So what is thought to be on its way is what remains, in O(1). A record may
 * still cover bytes in its middle that were reported: they are left out when it is looked
 * at.
 *
 * Records come from one bounded pool. When it is empty, bytes that follow on the last
 * record are added to it with the later time; others do without one, and only a
 * retransmission timeout finds them lost. What leaves in one iteration of the loop has
 * one time, so a connection has a record for each iteration of a round trip, not each
 * segment.
 *
 * tcp_output.c tells what is sent, tcp_ack.c what has arrived; tcp_rack.c reads the rest.
 */
#include "tcp_private.h"

static void append(struct tcp_conn *conn, struct tcp_range range, bool again)
{
	struct tcp_flight *flight = &conn->flight;
	struct tcp_sent *last = flight->tail, *sent;
	kiln_time now = tcp_now(conn->tcp);
	bool follows =
	    last && last->again == again && tcp_seq_eq(last->range.end, range.start);

	sent = follows && last->at == now ? NULL : pool_get(&conn->tcp->sents);
	if (!sent) {
		if (follows) {
			last->range.end = range.end;
			last->at = now;
		}
		return;
	}
	*sent = (struct tcp_sent){NULL, range, now, ++flight->order, again};
	if (last)
		last->next = sent;
	else
		flight->head = sent;
	flight->tail = sent;
}

/* Unlinks the record that `link` leads to, which `before` precedes. */
static void drop(struct tcp_conn *conn, struct tcp_sent **link, struct tcp_sent *before)
{
	struct tcp_sent *sent = *link;

	*link = sent->next;
	if (conn->flight.tail == sent)
		conn->flight.tail = before;
	pool_put(&conn->tcp->sents, sent);
}

/* Takes a range off a record's ends; out of its middle nothing is taken. */
static void trim(struct tcp_sent *sent, struct tcp_range gone)
{
	if (tcp_seq_le(gone.start, sent->range.start))
		sent->range.start = tcp_seq_max(sent->range.start, gone.end);
	if (tcp_seq_ge(gone.end, sent->range.end))
		sent->range.end = tcp_seq_min(sent->range.end, gone.start);
}

static struct tcp_range overlap(struct tcp_range a, struct tcp_range b)
{
	return (struct tcp_range){tcp_seq_max(a.start, b.start),
	                          tcp_seq_min(a.end, b.end)};
}

void tcp_flight_free(struct tcp_conn *conn)
{
	while (conn->flight.head)
		drop(conn, &conn->flight.head, NULL);
}

/* A range is no longer on its way, as far as the records knew. */
static void forget(struct tcp_conn *conn, struct tcp_range range)
{
	struct tcp_sent **link = &conn->flight.head, *before = NULL;

	while (*link) {
		trim(*link, range);
		if (tcp_range_size((*link)->range) == 0) {
			drop(conn, link, before);
			continue;
		}
		before = *link;
		link = &before->next;
	}
}

void tcp_flight_sent(struct tcp_conn *conn, struct tcp_range range, bool again)
{
	if (again && tcp_scoreboard_remove(&conn->lost, range) < tcp_range_size(range))
		forget(conn, range); /* a probe, not a loss */
	append(conn, range, again);
}

/* ---- what has arrived ---- */

/* Part of a record has: what that tells of the path (RFC 8985, 6.2, steps 1 to 3). */
static void learn(struct tcp_conn *conn, const struct tcp_sent *sent,
                  struct tcp_range part, struct tcp_news *news)
{
	struct tcp_rack *rack = &conn->rack;
	kiln_time rtt = tcp_now(conn->tcp) - sent->at;

	if (sent->again) {
		/* Of which of them? One too early is of the first (step 1). */
		news->ambiguous = true;
		if (rtt < rack->min_rtt || tcp_echo_is_older(conn, news, sent->at))
			return;
	} else {
		news->rtt = KILN_MIN(news->rtt, KILN_MAX(rtt, 1u));
		news->first_sent_at = KILN_MIN(news->first_sent_at, sent->at);
		if (tcp_seq_lt(part.end, rack->fack))
			rack->reordering = true;
	}
	int32_t later = (int32_t)(sent->order - rack->sent_order);
	if (later > 0 || (later == 0 && tcp_seq_gt(part.end, rack->sent_end))) {
		rack->sent_order = sent->order;
		rack->sent_end = part.end;
		rack->rtt = rtt;
	}
	rack->fack = tcp_seq_max(rack->fack, part.end);
}

/* A range that had not been reported has arrived. */
static void deliver(struct tcp_conn *conn, struct tcp_range range, struct tcp_news *news)
{
	struct tcp_sent **link = &conn->flight.head, *before = NULL;
	uint32_t left = tcp_range_size(range);

	news->delivered += left;
	if (conn->lost.count) {
		uint32_t found = tcp_scoreboard_remove(&conn->lost, range);

		news->found += found;
		left -= found;
	}
	while (left > 0 && *link) {
		struct tcp_range part = overlap((*link)->range, range);

		if (tcp_range_size(part) > 0) {
			left -= KILN_MIN(left, tcp_range_size(part));
			learn(conn, *link, part, news);
			trim(*link, part);
			if (tcp_range_size((*link)->range) == 0) {
				drop(conn, link, before);
				continue;
			}
		}
		before = *link;
		link = &before->next;
	}
}

void tcp_flight_delivered(struct tcp_conn *conn, struct tcp_range range,
                          struct tcp_news *news)
{
	struct tcp_flight *flight = &conn->flight;
	struct tcp_range gap;

	while (tcp_scoreboard_gap(&conn->sacked, range, &gap)) {
		deliver(conn, gap, news);
		range.start = gap.end;
	}
	while (flight->head && tcp_seq_le(flight->head->range.end, conn->snd_una))
		drop(conn, &flight->head, NULL);
}

/* ---- what is lost ---- */

/* Adds what of a range has not been reported. False: there is no room for more ranges. */
static bool add_lost(struct tcp_conn *conn, struct tcp_range range)
{
	struct tcp_range gap;

	(void)tcp_repair_begin(conn); /* without, there is room for one */
	range.start = tcp_seq_max(range.start, conn->snd_una);
	while (tcp_scoreboard_gap(&conn->sacked, range, &gap)) {
		if (!tcp_scoreboard_takes(&conn->lost, gap))
			return false;
		tcp_scoreboard_add(&conn->lost, gap);
		range.start = gap.end;
	}
	return true;
}

void tcp_flight_lost(struct tcp_conn *conn, struct tcp_range range)
{
	(void)add_lost(conn, range);
	forget(conn, range);
}

kiln_time tcp_flight_expire(struct tcp_conn *conn, uint32_t sent_order,
                            struct tcp_seq sent_end, kiln_time wait)
{
	struct tcp_sent **link = &conn->flight.head, *before = NULL;
	kiln_time now = tcp_now(conn->tcp);

	while (*link && (int32_t)((*link)->order - sent_order) <= 0) {
		struct tcp_sent *sent = *link;
		struct tcp_range part = sent->range;

		if (sent->order == sent_order)
			part.end = tcp_seq_min(part.end, sent_end);
		if (tcp_range_size(part) > 0) {
			if (sent->at + wait > now)
				return sent->at + wait;
			if (!add_lost(conn, part))
				break;
			trim(sent, part);
			if (tcp_range_size(sent->range) == 0) {
				drop(conn, link, before);
				continue;
			}
		}
		before = sent;
		link = &sent->next;
	}
	return KILN_NEVER;
}

void tcp_flight_revive(struct tcp_conn *conn)
{
	for (uint32_t i = 0; i < conn->lost.count; i++)
		append(conn, conn->lost.range[i], true);
	tcp_scoreboard_clear(&conn->lost);
}
