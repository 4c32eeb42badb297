/*
 * A connection: reads requests, calls the handler, feeds it the body, holds every stage
 * to its time limit, and closes so that the last response arrives (RFC 9112 section 9).
 *
 * conn_run() is where everything happens: it is called when TCP has something new, and
 * again when a handler has done something from outside. It makes steps until none gets
 * any further. Callbacks into a handler are made from there only, and look at the phase
 * again behind each: a handler may have cut the connection off.
 *
 * A head is parsed where it was received. One that is not there in one piece stays in
 * TCP's buffer until it is; only when it lies in several pieces even there, being long,
 * it is put together in a buffer, and taken out of TCP up to its end, no further.
 */
#include "http_private.h"

enum {
	BURST = 16,       /* requests in a run, before others have their turn */
	HEAD_ROOM = 1024, /* of TCP's send buffer, free before a request is begun */
	BLANK_LINES = 4,  /* in front of a request (RFC 9112 2.2), in bytes */
};

static struct loop *loop_of(const struct http_conn *c)
{
	return &c->http->kiln->loop;
}

static struct http_counters *count(struct http_conn *c)
{
	return &c->http->counters;
}

/* ---- time ---- */

/* Moves the limit. The timer itself is only touched when it must fire earlier. */
static void set_deadline(struct http_conn *c, kiln_time from_now)
{
	c->deadline = loop_of(c)->now + from_now;
	if (!timer_is_set(&c->timer) || c->timer.deadline > c->deadline)
		timer_set(loop_of(c), &c->timer, c->deadline);
}

/* Bytes that have got through, in both directions. */
static uint64_t moved(const struct http_conn *c)
{
	return c->body_seen + c->queued - tcp_unsent(c->tcp);
}

/* Must the peer read, or send more of a body, before anything can go on? */
static bool waits_for_peer(const struct http_conn *c)
{
	return tcp_unsent(c->tcp) || conn_pending(c) ||
	       (c->phase == CONN_EXCHANGE && c->body != BODY_DONE && !c->paused);
}

/* Called once in each stall time: true if the peer was waited for all along, and did not
 * do its part. */
static bool is_stalled(struct http_conn *c)
{
	uint64_t now = moved(c), before = c->mark;
	bool was_waiting = c->stalling;

	c->stalling = waits_for_peer(c);
	c->mark = now;
	return was_waiting && c->stalling && now - before < c->http->limits.stall_bytes;
}

/* ---- phases ---- */

static void tell_done(struct http_conn *c, enum kiln_error why)
{
	const struct http_events *events = c->events;

	c->events = NULL;
	c->collected = NULL;
	if (events && events->done)
		events->done(&c->x, c->user, why);
}

/* Gives the connection up, by tcp_close or tcp_abort; what was going on has failed. */
static void conn_drop(struct http_conn *c, void (*end)(struct tcp_conn *),
                      enum kiln_error why)
{
	if (c->phase == CONN_EXCHANGE) {
		count(c)->broken++;
		tell_done(c, why);
	}
	c->phase = CONN_GONE;
	end(c->tcp);
}

static void start_head(struct http_conn *c)
{
	c->phase = CONN_HEAD;
	c->blank = 0;
	c->partial = false;
	c->stalling = false;
	set_deadline(c, c->http->limits.idle);
}

/* Our side ends; the peer's bytes are read and dropped, lest a reset for them overtakes
 * the response (RFC 9112 9.6). */
static void start_linger(struct http_conn *c)
{
	c->phase = CONN_LINGER;
	c->stalling = false;
	tcp_shutdown(c->tcp);
	set_deadline(c, c->http->limits.linger);
}

static void clear_exchange(struct http_conn *c)
{
	memset(&c->x, 0, sizeof(c->x));
	c->events = NULL;
	c->collected = NULL;
	c->body = BODY_DONE;
	c->body_left = c->body_seen = c->response_left = 0;
	memset(&c->chunked, 0, sizeof(c->chunked));
	c->response = RESPONSE_NONE;
	c->continue_waited = c->paused = c->end_told = c->writable_told = false;
	c->chunked_out = c->head_only = c->spoiled = false;
	c->stalling = false;
	c->phase = CONN_EXCHANGE;
	set_deadline(c, c->http->limits.stall);
}

/* The library's own answer to what is not a request; the connection ends with it. Where
 * the method is not known (HTTP_METHODS) the answer has a body. */
static void refuse(struct http_conn *c, unsigned status, enum http_method method)
{
	clear_exchange(c);
	c->x.method = method;
	c->keep = false;
	http_error(&c->x, status);
}

/* The exchange cannot go on. It is answered if nothing was yet, else cut off: the peer
 * must not take what it has for the whole. */
static void fail_exchange(struct http_conn *c, unsigned status, enum kiln_error why)
{
	if (c->response == RESPONSE_STREAM) {
		conn_drop(c, tcp_abort, why);
		return;
	}
	c->body = BODY_DONE;
	c->keep = false;
	if (c->response == RESPONSE_NONE) {
		count(c)->broken++;
		tell_done(c, why);
		c->spoiled = false;
		c->added_len = 0;
		http_error(&c->x, status);
	}
}

/* ---- the head ---- */

static void describe(struct http_conn *c, struct http_head *head, struct slice path)
{
	struct http_exchange *x = &c->x;

	clear_exchange(c);
	x->method = head->line.method;
	x->path = path;
	x->query = head->query;
	x->host = head->host;
	x->body_length = head->content_length;
	x->head = head;
	c->minor = head->line.minor;
	c->keep = head->keep_alive;
	c->continue_waited = head->expect_continue;
	c->body_left = head->content_length;
	if (head->content_length)
		c->body = head->chunked ? BODY_CHUNKED : BODY_LENGTH;
}

/* What was in the head is gone once the handler has returned. */
static void forget_head(struct http_exchange *x)
{
	x->path = x->query = x->host = slice_of(NULL, 0);
	x->head = NULL;
}

/* Refuses what http_parse_head or http_head_check refused. */
static void refuse_head(struct http_conn *c, int status, enum http_method method)
{
	count(c)->bad_requests++;
	refuse(c, (unsigned)status, method);
}

/* A head is complete: checks what it says and calls the handler. */
static void dispatch(struct http_conn *c, struct http_head *head)
{
	uint8_t decoded[HTTP_TARGET_MAX];
	struct writer w = writer_of(decoded, sizeof(decoded));
	struct slice path;
	int status = http_head_check(head);

	path = head->path;
	if (!status && !http_path_is_plain(path) && path.data[0] == '/') {
		if (!http_decode_path(path, &w))
			status = 400;
		path = writer_done(&w);
	}
	if (status) {
		refuse_head(c, status, head->line.method);
		return;
	}
	count(c)->requests++;
	describe(c, head, path);
	if (head->content_length != HTTP_UNKNOWN &&
	    head->content_length > c->http->limits.body)
		http_error(&c->x, 413);
	else if (path.data[0] == '*')
		http_respond(&c->x, 204, NULL, SLICE(""));
	else
		c->listener->handler(&c->x, c->listener->context);
	forget_head(&c->x);
	if (c->response == RESPONSE_NONE && !c->events && !c->failed) {
		log_error(c->http->kiln, "http",
		          "a handler neither answered nor went on");
		http_error(&c->x, 500);
	}
	if (c->response == RESPONSE_NONE && c->events && c->events->body)
		conn_continue(c);
	c->end_told = !c->events || !c->events->body_end;
}

static void drop_head_buffer(struct http_conn *c)
{
	pool_put(&c->http->buffers, c->head);
	c->head = NULL;
}

/* The head lies in several pieces: takes the next one off TCP, up to the head's end. */
static bool assemble_head(struct http_conn *c, struct slice piece)
{
	size_t room, before = c->head_len;
	struct http_head head;
	int result;

	if (!c->head) {
		c->head = pool_get(&c->http->buffers);
		c->head_len = 0;
		before = 0;
	}
	if (!c->head) {
		count(c)->no_memory++;
		refuse(c, 503, HTTP_METHODS);
		return true;
	}
	room = sizeof(c->head->data) - before;
	piece = slice_take(piece, room);
	memcpy(c->head->data + before, piece.data, piece.len);
	c->head_len = (uint16_t)(before + piece.len);
	result = HTTP_MORE;
	/* It can only be complete at a line's end, or too long when the buffer is full:
	 * this bounds how often it is parsed by the number of its lines. */
	if (slice_find(piece, '\n') < piece.len || piece.len == room)
		result = http_parse_head(slice_of(c->head->data, c->head_len), &head);
	if (result == HTTP_MORE) {
		tcp_consume(c->tcp, piece.len);
		c->head_seen = tcp_unread(c->tcp);
		return true;
	}
	if (result != HTTP_PARSED) {
		tcp_consume(c->tcp, piece.len);
		drop_head_buffer(c);
		refuse_head(c, result, head.line.method);
		return true;
	}
	tcp_consume(c->tcp, head.text.len - before);
	dispatch(c, &head);
	drop_head_buffer(c);
	return true;
}

/*
 * The head is not complete. It waits for the rest in TCP, which joins what arrives to
 * what is there, but only after this call: of two pieces one may be joined already when
 * it is looked at again. Nothing new at all is how an end of stream shows, which is seen
 * only once all before it is consumed.
 */
static bool wait_for_head(struct http_conn *c, struct slice piece)
{
	size_t unread = tcp_unread(c->tcp);
	bool in_pieces = unread > piece.len;

	if (!c->partial) {
		c->partial = true;
		c->joining = false;
		c->head_seen = 0;
		set_deadline(c, c->http->limits.head);
	}
	if (unread == c->head_seen && c->joining == in_pieces)
		return assemble_head(c, piece);
	c->head_seen = unread;
	c->joining = in_pieces;
	if (in_pieces)
		tcp_wake(c->tcp);
	return false;
}

static bool skip_blank_lines(struct http_conn *c, struct slice piece)
{
	size_t n = 0;

	while (n < piece.len && n + c->blank < BLANK_LINES &&
	       piece.data[n] == ((n + c->blank) % 2 ? '\n' : '\r'))
		n++;
	c->blank = (uint8_t)(c->blank + n);
	if (n)
		tcp_consume(c->tcp, n);
	return n != 0;
}

/* The next request is there, but the peer must read its responses before it is begun.
 * What both hold meanwhile is not to be had for as long as being idle is. */
static void wait_for_reader(struct http_conn *c)
{
	if (c->stalling || !tcp_unsent(c->tcp))
		return;
	c->stalling = true;
	c->mark = moved(c);
	set_deadline(c, c->http->limits.stall);
}

static bool step_head(struct http_conn *c)
{
	struct slice piece = tcp_peek(c->tcp);
	struct http_head head;
	int result;

	if (!piece.len) {
		if (!tcp_at_end(c->tcp))
			return false;
		conn_drop(c, tcp_close, KILN_ERR_CLOSED);
		return true;
	}
	if (tcp_send_room(c->tcp) < HEAD_ROOM) {
		wait_for_reader(c);
		return false;
	}
	if (c->head)
		return assemble_head(c, piece);
	if (skip_blank_lines(c, piece))
		return true;
	if (c->blank % 2) { /* CR without LF */
		refuse_head(c, 400, HTTP_METHODS);
		return true;
	}
	result = http_parse_head(piece, &head);
	if (result == HTTP_MORE)
		return wait_for_head(c, piece);
	if (result != HTTP_PARSED) {
		refuse_head(c, result, head.line.method);
		return true;
	}
	dispatch(c, &head);
	tcp_consume(c->tcp, head.text.len);
	return true;
}

/* ---- the exchange ---- */

/* Gives a piece of content to the handler, or to nobody; returns how much was taken. */
static size_t deliver(struct http_conn *c, struct slice content)
{
	size_t taken = content.len;

	if (!content.len)
		return 0;
	if (c->events && c->events->body && c->response != RESPONSE_ENDED) {
		taken = c->events->body(&c->x, content, c->user);
		kiln_assert(taken <= content.len);
		c->paused = taken < content.len;
	}
	c->body_seen += taken;
	return taken;
}

/* A piece of the body, if there is one and somebody takes it. */
static bool step_body(struct http_conn *c)
{
	struct slice content;
	struct cursor in;
	size_t taken;
	int result = HTTP_MORE;

	if (c->body == BODY_DONE || c->paused)
		return false;
	content = tcp_peek(c->tcp);
	in = cursor_of(content);
	if (!content.len) {
		if (!tcp_at_end(c->tcp))
			return false;
		fail_exchange(c, 400, KILN_ERR_CLOSED);
		return true;
	}
	if (c->body == BODY_CHUNKED)
		result = http_chunked_next(&c->chunked, &in, &content);
	else
		content = slice_take(content, c->body_left);
	taken = deliver(c, content);
	if (c->body == BODY_CHUNKED && taken)
		http_chunked_take(&c->chunked, taken);
	tcp_consume(c->tcp, in.at + taken); /* framing and content */
	if (c->body == BODY_LENGTH)
		c->body_left -= taken;
	if (c->body_seen > c->http->limits.body) {
		fail_exchange(c, 413, KILN_ERR_TOO_LARGE);
		return true;
	}
	if (result != HTTP_PARSED && result != HTTP_MORE) {
		count(c)->bad_requests++;
		fail_exchange(c, (unsigned)result, KILN_ERR_PROTOCOL);
		return true;
	}
	if (result == HTTP_PARSED || (c->body == BODY_LENGTH && !c->body_left))
		c->body = BODY_DONE;
	return in.at + taken != 0;
}

/* The body is there; its end is told once. */
static bool step_body_end(struct http_conn *c)
{
	if (c->body != BODY_DONE || c->end_told || c->response == RESPONSE_ENDED)
		return false;
	c->end_told = true;
	if (c->events && c->events->body_end)
		c->events->body_end(&c->x, c->user);
	return true;
}

static bool step_writable(struct http_conn *c)
{
	if (c->response != RESPONSE_STREAM || c->writable_told || !c->events ||
	    !c->events->writable || !http_room(&c->x))
		return false;
	c->writable_told = true;
	c->events->writable(&c->x, c->user);
	return true;
}

/* The response is handed over, and what is left of the body is little or nothing. */
static bool step_end(struct http_conn *c)
{
	if (c->response != RESPONSE_ENDED)
		return false;
	tell_done(c, KILN_OK);
	c->paused = false;
	if (c->body != BODY_DONE) {
		/* Nobody wants the rest: is it worth reading, to keep the connection? */
		uint32_t discard = c->http->limits.discard;
		if (c->keep &&
		    (c->body == BODY_CHUNKED ? c->body_seen : c->body_left) <= discard)
			return false;
		c->keep = false;
		c->body = BODY_DONE;
	}
	if (c->keep)
		start_head(c);
	else
		start_linger(c);
	return true;
}

static bool step_exchange(struct http_conn *c)
{
	if (c->failed) {
		conn_drop(c, tcp_abort, c->failed);
		return true;
	}
	if (step_body(c) || step_body_end(c))
		return true;
	if (!conn_flush(c))
		return c->failed;
	return step_writable(c) || step_end(c);
}

static bool step_linger(struct http_conn *c)
{
	size_t unread = tcp_unread(c->tcp);

	if (unread)
		tcp_consume(c->tcp, unread);
	if (!tcp_at_end(c->tcp))
		return false;
	conn_drop(c, tcp_close, KILN_OK);
	return true;
}

/* ---- running ---- */

static void conn_run(struct http_conn *c)
{
	unsigned requests = BURST;
	bool more = true;

	c->running = true;
	c->writable_told = false;
	while (more) {
		switch ((enum conn_phase)c->phase) {
		case CONN_HEAD:
			if (requests-- == 0) {
				tcp_wake(c->tcp);
				more = false;
				break;
			}
			more = step_head(c);
			break;
		case CONN_EXCHANGE:
			more = step_exchange(c);
			break;
		case CONN_LINGER:
			more = step_linger(c);
			break;
		case CONN_GONE:
			http_conn_free(c);
			return;
		}
	}
	c->running = false;
}

void http_on(struct http_exchange *x, const struct http_events *events, void *user)
{
	struct http_conn *c = conn_of(x);

	kiln_assert(c->phase == CONN_EXCHANGE && c->response != RESPONSE_ENDED);
	c->events = events;
	c->user = user;
}

void http_resume(struct http_exchange *x)
{
	struct http_conn *c = conn_of(x);

	c->paused = false;
	conn_kick(c);
}

void conn_kick(struct http_conn *c)
{
	if (!c->running)
		tcp_wake(c->tcp);
}

static void conn_ready(struct tcp_conn *tcp, void *user)
{
	conn_run(user);
}

static void conn_closed(struct tcp_conn *tcp, void *user, enum kiln_error why)
{
	struct http_conn *c = user;

	if (c->phase == CONN_EXCHANGE) {
		count(c)->broken++;
		tell_done(c, why);
	}
	http_conn_free(c);
}

const struct tcp_events http_conn_events = {conn_ready, conn_closed};

/* A limit was reached. */
static void time_over(struct http_conn *c)
{
	if (c->phase == CONN_HEAD && c->partial) {
		count(c)->timeouts++;
		if (c->head)
			drop_head_buffer(c);
		refuse(c, 408, HTTP_METHODS);
	} else if (is_stalled(c)) {
		count(c)->timeouts++;
		if (c->phase == CONN_EXCHANGE && !conn_pending(c) && !tcp_unsent(c->tcp))
			fail_exchange(c, 408, KILN_ERR_TIMEOUT);
		else
			conn_drop(c, tcp_abort, KILN_ERR_TIMEOUT);
	} else if (c->phase == CONN_EXCHANGE || c->stalling) {
		set_deadline(c, c->http->limits.stall);
	} else {
		conn_drop(c, tcp_close, KILN_OK);
	}
}

static void conn_timer(struct timer *timer)
{
	struct http_conn *c = kiln_container(timer, struct http_conn, timer);

	if (loop_of(c)->now < c->deadline) {
		timer_set(loop_of(c), timer, c->deadline);
		return;
	}
	c->running = true;
	time_over(c);
	conn_run(c);
}

void conn_start(struct http_conn *c)
{
	timer_init(&c->timer, conn_timer);
	start_head(c);
}

void conn_stop(struct http_conn *c)
{
	c->keep = false;
	if (c->phase != CONN_HEAD || c->partial)
		return;
	if (tcp_unsent(c->tcp)) {
		start_linger(c);
	} else {
		conn_drop(c, tcp_close, KILN_OK);
		http_conn_free(c);
	}
}
