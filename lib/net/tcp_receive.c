/*
 * Bytes received. In the common case they are never copied: data that arrives in order is
 * shown to the owner where it lies in the frame (`inflight`), and only what the owner
 * leaves is stored, in runs: chunks of consecutive bytes. What arrives beyond a gap is
 * stored at once, in runs of its own, sorted; when the gap closes they are relinked, not
 * copied.
 *
 * Called by tcp_input.c (data), tcp_user.c (peek, consume) and tcp_output.c (window).
 * Bounded by the window, by the connection's limit and by its share of the image's
 * chunks. When these are used up, the rest is not acknowledged and the peer will send it
 * again.
 */
#include "tcp_private.h"

/* ---- runs ---- */

static struct tcp_run *run_new(struct tcp *tcp, struct tcp_seq seq)
{
	struct chunk *chunk = NULL;

	if (tcp_chunks_taken(tcp) < tcp->chunks.count)
		chunk = chunk_get(&tcp->chunks);
	if (!chunk)
		return NULL;
	struct tcp_run *run = (struct tcp_run *)(void *)chunk->data;
	run->next = NULL;
	run->seq = seq;
	run->start = run->end = 0;
	return run;
}

static void run_free(struct tcp_run *run)
{
	chunk_unref(kiln_container(run, struct chunk, data));
}

static uint32_t run_size(const struct tcp_run *run)
{
	return (uint32_t)(run->end - run->start);
}

static struct tcp_seq run_end(const struct tcp_run *run)
{
	return tcp_seq_add(run->seq, run_size(run));
}

/* Appends as much as there is room for. */
static size_t run_append(struct tcp_run *run, struct slice s)
{
	size_t n = KILN_MIN(s.len, sizeof(run->bytes) - run->end);

	memcpy(run->bytes + run->end, s.data, n);
	run->end = (uint16_t)(run->end + n);
	return n;
}

static void run_skip(struct tcp_run *run, uint32_t n)
{
	run->start = (uint16_t)(run->start + n);
	run->seq = tcp_seq_add(run->seq, n);
}

static void free_list(struct tcp_run *run)
{
	while (run) {
		struct tcp_run *next = run->next;

		run_free(run);
		run = next;
	}
}

void tcp_receive_free(struct tcp_conn *conn)
{
	free_list(conn->in.head);
	free_list(conn->in.ooo);
	memset(&conn->in, 0, sizeof(conn->in));
}

/*
 * The bytes that one connection may hold, by memory: a quarter of what is free, so that
 * those whose owners do not read, or whose peers fill no gap, leave some to all others.
 * What is kept for sending is not counted as free.
 */
static uint32_t receive_share(const struct tcp *tcp)
{
	uint32_t kept = tcp_chunks_taken(tcp) + 2 * tcp->chunk_reserve;
	uint32_t free = tcp->chunks.count > kept ? tcp->chunks.count - kept : 0;

	return KILN_MAX(free / TCP_SHARE, 2u) * CHUNK_SIZE;
}

/* ---- in order ---- */

/* Stores bytes behind those unread; returns how many there was memory for. */
static size_t store(struct tcp_conn *conn, struct slice s, struct tcp_seq seq)
{
	struct tcp_receive_queue *in = &conn->in;
	size_t done = 0;

	while (done < s.len) {
		if (!in->tail || in->tail->end == sizeof(in->tail->bytes)) {
			if (in->held + done >= receive_share(conn->tcp))
				break;
			struct tcp_run *run =
			    run_new(conn->tcp, tcp_seq_add(seq, (uint32_t)done));
			if (!run)
				break;
			if (in->tail)
				in->tail->next = run;
			else
				in->head = run;
			in->tail = run;
		}
		done += run_append(in->tail, slice_skip(s, done));
	}
	in->held += (uint32_t)done;
	return done;
}

/* What rcv_nxt has moved past is no longer reported by SACK. */
static void trim_sack(struct tcp_conn *conn)
{
	struct tcp_receive_queue *in = &conn->in;
	unsigned kept = 0;

	for (unsigned i = 0; i < in->sack_count; i++) {
		if (tcp_seq_gt(in->sack[i].end, conn->rcv_nxt))
			in->sack[kept++] = in->sack[i];
	}
	in->sack_count = (uint8_t)kept;
}

/* Moves the runs that rcv_nxt has reached behind the unread ones. */
static void close_gap(struct tcp_conn *conn)
{
	struct tcp_receive_queue *in = &conn->in;
	struct tcp_run *run;

	while ((run = in->ooo) && tcp_seq_le(run->seq, conn->rcv_nxt)) {
		in->ooo = run->next;
		in->ooo_runs--;
		run->next = NULL;
		if (tcp_seq_le(run_end(run), conn->rcv_nxt)) {
			run_free(run);
			continue;
		}
		run_skip(run, tcp_seq_diff(conn->rcv_nxt, run->seq));
		conn->rcv_nxt = run_end(run);
		in->held += run_size(run);
		if (in->tail)
			in->tail->next = run;
		else
			in->head = run;
		in->tail = run;
	}
	trim_sack(conn);
}

/* Shows the data to the owner in place, then stores what it left. */
static bool receive_in_place(struct tcp_conn *conn, struct slice data)
{
	struct tcp_receive_queue *in = &conn->in;

	conn->rcv_nxt = tcp_seq_add(conn->rcv_nxt, (uint32_t)data.len);
	in->inflight = data;
	if (!tcp_call_ready(conn))
		return false;
	struct slice left = in->inflight;
	in->inflight = (struct slice){0};
	struct tcp_seq seq = tcp_seq_sub(conn->rcv_nxt, (uint32_t)left.len);
	size_t stored = store(conn, left, seq);
	if (stored < left.len) {
		/* Not acknowledged yet, so it can still be refused. */
		conn->rcv_nxt = tcp_seq_add(seq, (uint32_t)stored);
		conn->tcp->count.drop_no_memory++;
	}
	return true;
}

static bool receive_to_gap(struct tcp_conn *conn, struct slice data)
{
	size_t stored = store(conn, data, conn->rcv_nxt);

	conn->rcv_nxt = tcp_seq_add(conn->rcv_nxt, (uint32_t)stored);
	if (stored < data.len)
		conn->tcp->count.drop_no_memory++;
	close_gap(conn);
	return tcp_call_ready(conn);
}

/* ---- out of order ---- */

void tcp_receive_twice(struct tcp_conn *conn, struct tcp_range range)
{
	struct tcp_range *twice = &conn->in.twice;

	if (!conn->has_sack || tcp_range_size(range) == 0)
		return;
	if (tcp_range_size(*twice) > 0 && tcp_seq_eq(twice->end, range.start))
		twice->end = range.end;
	else
		*twice = range;
}

/* A new run for data that lies in a gap, before *link. */
static bool insert_run(struct tcp_conn *conn, struct tcp_run **link, struct tcp_seq seq)
{
	struct tcp_receive_queue *in = &conn->in;
	/* Runs of a few bytes each must not take much more than the window. */
	uint32_t bytes = KILN_MIN(conn->receive_limit, receive_share(conn->tcp));
	unsigned most = 2 * (bytes / CHUNK_SIZE) + 2;
	struct tcp_run *run = in->ooo_runs < most ? run_new(conn->tcp, seq) : NULL;

	if (!run) {
		conn->tcp->count.drop_no_memory++;
		return false;
	}
	run->next = *link;
	*link = run;
	in->ooo_runs++;
	return true;
}

/* Stores the parts of data that are not there yet. */
static void store_beyond_gap(struct tcp_conn *conn, struct tcp_seq seq, struct slice data)
{
	struct tcp_run **link = &conn->in.ooo;

	while (data.len > 0) {
		struct tcp_run *run = *link;
		size_t n = 0;

		if (run && tcp_seq_ge(seq, run_end(run))) {
			/* It lies before: append, up to the next. */
			struct tcp_run *next = run->next;
			uint32_t gap = UINT32_MAX;

			if (next)
				gap = tcp_range_size((struct tcp_range){seq, next->seq});
			if (tcp_seq_eq(seq, run_end(run)))
				n = run_append(run, slice_take(data, gap));
			if (n == 0)
				link = &run->next;
		} else if (run && tcp_seq_ge(seq, run->seq)) {
			n = KILN_MIN(tcp_seq_diff(run_end(run), seq), data.len);
			tcp_receive_twice(
			    conn, (struct tcp_range){seq, tcp_seq_add(seq, (uint32_t)n)});
		} else {
			size_t gap = run ? tcp_seq_diff(run->seq, seq) : data.len;

			if (!insert_run(conn, link, seq))
				return;
			n = run_append(*link, slice_take(data, gap));
		}
		seq = tcp_seq_add(seq, (uint32_t)n);
		data = slice_skip(data, n);
	}
}

/* The block around a sequence number that has just been stored goes first in what we
 * report, the ones reported before follow (RFC 2018, 4). */
static void report_sack(struct tcp_conn *conn, struct tcp_seq seq)
{
	struct tcp_receive_queue *in = &conn->in;
	struct tcp_range block = {seq, seq}, kept[TCP_SACK_BLOCKS];
	unsigned count = 1;

	for (const struct tcp_run *run = in->ooo; run; run = run->next) {
		if (run == in->ooo || !tcp_seq_eq(run->seq, block.end)) {
			if (run != in->ooo && tcp_seq_gt(block.end, seq))
				break;
			block.start = run->seq;
		}
		block.end = run_end(run);
	}
	if (tcp_seq_gt(block.start, seq) || tcp_seq_le(block.end, seq))
		return; /* there was no memory to store it */
	kept[0] = block;
	for (unsigned i = 0; i < in->sack_count && count < TCP_SACK_BLOCKS; i++) {
		struct tcp_range old = in->sack[i];

		if (tcp_seq_lt(old.start, block.start) || tcp_seq_gt(old.end, block.end))
			kept[count++] = old;
	}
	memcpy(in->sack, kept, count * sizeof(kept[0]));
	in->sack_count = (uint8_t)count;
}

static void receive_beyond_gap(struct tcp_conn *conn, const struct tcp_segment *s)
{
	store_beyond_gap(conn, s->seq, s->data);
	if (conn->has_sack)
		report_sack(conn, s->seq);
	/* At once and for each: it is the peer's sign of loss (RFC 5681, 4.2). */
	tcp_send_ack(conn);
}

bool tcp_receive_data(struct tcp_conn *conn, const struct tcp_segment *s,
                      uint16_t gso_size)
{
	size_t len = s->data.len;

	conn->tcp->count.bytes_in += len;
	if (conn->tcp->config.observer)
		conn->tcp->config.observer->received(conn, len, gso_size);
	if (!tcp_seq_eq(s->seq, conn->rcv_nxt)) {
		receive_beyond_gap(conn, s);
		return true;
	}
	unsigned segments = gso_size ? (unsigned)((len + gso_size - 1) / gso_size) : 1;
	conn->unacked_segments =
	    (uint16_t)KILN_MIN(conn->unacked_segments + segments, UINT16_MAX);
	tcp_pend(conn);
	tcp_tuning_measure(conn, s);
	if (!conn->in.ooo)
		return receive_in_place(conn, s->data);
	conn->ack_now = true; /* it fills a gap, in whole or in part (RFC 5681, 4.2) */
	return receive_to_gap(conn, s->data);
}

/* ---- the owner's side ---- */

struct slice tcp_receive_peek(const struct tcp_conn *conn)
{
	const struct tcp_run *run = conn->in.head;

	return run ? slice_of(run->bytes + run->start, run_size(run)) : conn->in.inflight;
}

void tcp_receive_consume(struct tcp_conn *conn, size_t n)
{
	struct tcp_receive_queue *in = &conn->in;

	while (n > 0 && in->head) {
		struct tcp_run *run = in->head;
		uint32_t part = (uint32_t)KILN_MIN(run_size(run), n);

		run_skip(run, part);
		in->held -= part;
		n -= part;
		if (run_size(run) > 0)
			break;
		in->head = run->next;
		if (!in->head)
			in->tail = NULL;
		run_free(run);
	}
	in->inflight = slice_skip(in->inflight, n);
}

/* ---- the window ---- */

/* What could be promised now, beyond rcv_nxt. */
static uint32_t window_room(const struct tcp_conn *conn)
{
	const struct tcp *tcp = conn->tcp;
	uint32_t most = KILN_MIN(conn->receive_limit, receive_share(tcp));
	uint32_t room = most > conn->in.held ? most - conn->in.held : 0;
	uint64_t memory =
	    (uint64_t)(tcp->chunks.count - tcp_chunks_taken(tcp)) * CHUNK_SIZE;
	uint32_t field_limit = (uint32_t)UINT16_MAX << conn->rcv_wscale;

	room = (uint32_t)KILN_MIN(room, memory);
	return KILN_MIN(room, field_limit);
}

static uint32_t window_promised(const struct tcp_conn *conn)
{
	return tcp_seq_gt(conn->rcv_adv, conn->rcv_nxt)
	           ? tcp_seq_diff(conn->rcv_adv, conn->rcv_nxt)
	           : 0;
}

/* The window's right edge never moves left (RFC 9293, 3.8.6), and moves right only by a
 * worthwhile step (3.8.6.2.2: RCV.BUFF * Fr, or a segment). */
uint32_t tcp_receive_window(struct tcp_conn *conn)
{
	uint32_t room = window_room(conn), window = window_promised(conn);
	uint32_t step = KILN_MIN(conn->receive_limit / 2, (uint32_t)conn->mss);

	if (room > window && room - window >= step)
		window = room;
	/* What the scale cuts off is not promised, and what was promised before stays
	 * acceptable (RFC 7323, 2.4). */
	window = window >> conn->rcv_wscale << conn->rcv_wscale;
	conn->rcv_adv = tcp_seq_max(conn->rcv_adv, tcp_seq_add(conn->rcv_nxt, window));
	return window;
}

bool tcp_window_update_due(const struct tcp_conn *conn)
{
	uint32_t room = window_room(conn), window = window_promised(conn);
	uint32_t step = KILN_MIN(conn->receive_limit / 2, 2u * conn->mss);

	/* While half of it is still promised the next ACK is early enough. */
	return room / 2 >= window && room - window >= step;
}
