/*
 * Responses: a head is put together on the stack and copied into TCP once; a static body
 * is referred to. What TCP does not take at once (a full window, a full budget) waits in
 * a buffer of the connection, or as a slice if it is static, and conn_flush() hands it
 * over.
 *
 * Everything here may be called by a handler at once, or later from a timer or a task:
 * conn_kick() has the connection looked after in either case.
 */
#include "http_private.h"

/* ---- handing bytes to TCP ---- */

static void send_failed(struct http_conn *c, enum kiln_error why)
{
	c->failed = (uint8_t)why;
	c->http->counters.no_memory += why == KILN_ERR_MEMORY;
}

/* Copies all of s, into TCP or behind what waits for it. */
static void conn_send(struct http_conn *c, struct slice s)
{
	if (c->failed)
		return;
	if (!c->out) {
		size_t n = tcp_send(c->tcp, s);
		c->queued += n;
		s = slice_skip(s, n);
		if (!s.len)
			return;
		c->out = pool_get(&c->http->buffers);
		c->out_at = c->out_len = 0;
	}
	if (!c->out || s.len > sizeof(c->out->data) - c->out_len) {
		send_failed(c, KILN_ERR_MEMORY);
		return;
	}
	memcpy(c->out->data + c->out_len, s.data, s.len);
	c->out_len = (uint16_t)(c->out_len + s.len);
}

static void conn_send_static(struct http_conn *c, struct slice s)
{
	if (!s.len || c->failed)
		return;
	if (c->out || !tcp_send_static(c->tcp, s))
		c->rest = s;
	else
		c->queued += s.len;
}

static bool flush_out(struct http_conn *c)
{
	size_t n;

	if (!c->out)
		return true;
	n = tcp_send(c->tcp, slice_of(c->out->data + c->out_at, c->out_len - c->out_at));
	c->queued += n;
	c->out_at = (uint16_t)(c->out_at + n);
	if (c->out_at < c->out_len)
		return false;
	pool_put(&c->http->buffers, c->out);
	c->out = NULL;
	return true;
}

bool conn_flush(struct http_conn *c)
{
	if (!flush_out(c))
		return false;
	if (c->rest.len) {
		if (!tcp_send_static(c->tcp, c->rest))
			return false;
		c->queued += c->rest.len;
		c->rest.len = 0;
	}
	if (c->chunk_open) {
		c->chunk_open = false;
		conn_send(c, SLICE("\r\n"));
	}
	if (c->last_chunk_due) {
		c->last_chunk_due = false;
		conn_send(c, SLICE("0\r\n\r\n"));
	}
	return !c->out;
}

/* ---- heads ---- */

static const char *reason_of(unsigned status)
{
	static const struct {
		uint16_t status;
		char text[32];
	} reasons[] = {
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {206, "Partial Content"},
	    {301, "Moved Permanently"},
	    {302, "Found"},
	    {303, "See Other"},
	    {304, "Not Modified"},
	    {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {406, "Not Acceptable"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {416, "Range Not Satisfiable"},
	    {417, "Expectation Failed"},
	    {422, "Unprocessable Content"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {503, "Service Unavailable"},
	    {505, "HTTP Version Not Supported"},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Unnamed";
}

void http_put_number(struct writer *w, uint64_t value)
{
	uint8_t digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (uint8_t)('0' + value % 10);
		value /= 10;
	} while (value);
	writer_bytes(w, slice_of(digits + at, sizeof(digits) - at));
}

void http_put_status(struct writer *w, unsigned status)
{
	writer_text(w, "HTTP/1.1 ");
	http_put_number(w, status);
	writer_text(w, " ");
	writer_text(w, reason_of(status));
	writer_text(w, "\r\n");
}

void http_put_field(struct writer *w, const char *name, struct slice value)
{
	writer_text(w, name);
	writer_text(w, ": ");
	writer_bytes(w, value);
	writer_text(w, "\r\n");
}

/* Is what remains of the request's body little enough to be read, once nobody wants it?
 */
static bool body_is_short(const struct http_conn *c)
{
	return c->body == BODY_DONE ||
	       (c->body == BODY_LENGTH && c->body_left <= c->http->limits.discard);
}

/* The lines that every head ends with; decides whether the connection is kept. */
static void put_tail(struct http_conn *c, struct writer *w)
{
	bool read_by_handler =
	    c->response == RESPONSE_STREAM && c->events && c->events->body;

	if (c->http->stopping || c->continue_waited ||
	    !(read_by_handler || body_is_short(c)))
		c->keep = false;
	writer_bytes(w, http_date_line(c->http));
	if (!c->keep)
		writer_text(w, "Connection: close\r\n\r\n");
	else if (!c->minor)
		writer_text(w, "Connection: keep-alive\r\n\r\n");
	else
		writer_text(w, "\r\n");
}

void conn_continue(struct http_conn *c)
{
	if (!c->continue_waited)
		return;
	c->continue_waited = false;
	conn_send(c, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* Takes note that a response begins, in one go or as a stream. False if it must be
 * replaced by a 500. */
static bool begin(struct http_conn *c, unsigned status, enum response_state response)
{
	kiln_assert(c->phase == CONN_EXCHANGE && c->response == RESPONSE_NONE);
	if (c->spoiled) {
		c->spoiled = false;
		c->added_len = 0;
		return false;
	}
	/* A stream may go on while the body is read: the client must begin to send it. */
	if (response == RESPONSE_STREAM && c->events && c->events->body)
		conn_continue(c);
	c->http->counters.responses[status / 100 % 6]++;
	c->response = (uint8_t)response;
	c->head_only = c->x.method == HTTP_HEAD || status == 204 || status == 304;
	return true;
}

static void send_head(struct http_conn *c, unsigned status, const char *type,
                      uint64_t length)
{
	uint8_t text[512];
	struct writer w = writer_of(text, sizeof(text));

	http_put_status(&w, status);
	if (type)
		http_put_field(&w, "Content-Type", slice_text(type));
	if (status == 204 || status == 304) {
		/* RFC 9110 8.6: no length at all */
	} else if (length != HTTP_UNKNOWN) {
		writer_text(&w, "Content-Length: ");
		http_put_number(&w, length);
		writer_text(&w, "\r\n");
	} else if (c->minor) {
		writer_text(&w, "Transfer-Encoding: chunked\r\n");
		c->chunked_out = !c->head_only;
	} else {
		c->keep = false; /* HTTP/1.0: the body ends with the connection */
	}
	if (c->added) {
		conn_send(c, writer_done(&w));
		conn_send(c, slice_of(c->added->data, c->added_len));
		pool_put(&c->http->buffers, c->added);
		c->added = NULL;
		w = writer_of(text, sizeof(text));
	}
	put_tail(c, &w);
	if (w.failed)
		send_failed(c, KILN_ERR_TOO_LARGE);
	conn_send(c, writer_done(&w));
}

/* ---- responses in one go ---- */

void http_respond_prepared(struct http_exchange *x, unsigned status, struct slice head,
                           struct slice body)
{
	struct http_conn *c = conn_of(x);
	uint8_t text[1024];
	struct writer w = writer_of(text, sizeof(text));

	if (!begin(c, status, RESPONSE_ENDED)) {
		http_error(x, 500);
		return;
	}
	writer_bytes(&w, head);
	put_tail(c, &w);
	if (w.failed)
		send_failed(c, KILN_ERR_TOO_LARGE);
	conn_send(c, writer_done(&w));
	if (!c->head_only)
		conn_send_static(c, body);
	conn_kick(c);
}

void http_respond(struct http_exchange *x, unsigned status, const char *type,
                  struct slice body)
{
	struct http_conn *c = conn_of(x);

	if (body.len > HTTP_RESPOND_MAX) {
		log_error(c->http->kiln, "http",
		          "a response of %zu bytes must be streamed", body.len);
		c->spoiled = true;
	}
	if (!begin(c, status, RESPONSE_ENDED)) {
		http_error(x, 500);
		return;
	}
	send_head(c, status, type, body.len);
	if (!c->head_only)
		conn_send(c, body);
	conn_kick(c);
}

void http_respond_static(struct http_exchange *x, unsigned status, const char *type,
                         struct slice body)
{
	struct http_conn *c = conn_of(x);

	if (!begin(c, status, RESPONSE_ENDED)) {
		http_error(x, 500);
		return;
	}
	send_head(c, status, type, body.len);
	if (!c->head_only)
		conn_send_static(c, body);
	conn_kick(c);
}

void http_error(struct http_exchange *x, unsigned status)
{
	uint8_t text[64];
	struct writer w = writer_of(text, sizeof(text));

	http_put_number(&w, status);
	writer_text(&w, " ");
	writer_text(&w, reason_of(status));
	writer_text(&w, "\n");
	http_respond(x, status, "text/plain; charset=utf-8", writer_done(&w));
}

void http_redirect(struct http_exchange *x, unsigned status, struct slice location)
{
	http_add_header(x, "Location", location);
	http_error(x, status);
}

void http_allow(struct http_exchange *x, const char *methods)
{
	http_add_header(x, "Allow", slice_text(methods));
	if (x->method == HTTP_OPTIONS)
		http_respond(x, 204, NULL, SLICE(""));
	else
		http_error(x, 405);
}

void http_add_header(struct http_exchange *x, const char *name, struct slice value)
{
	struct http_conn *c = conn_of(x);
	struct writer w;

	kiln_assert(c->response == RESPONSE_NONE);
	if (!c->added) {
		c->added = pool_get(&c->http->buffers);
		c->added_len = 0;
	}
	if (!c->added || !http_is_token(slice_text(name)) ||
	    !http_is_field_value(value)) {
		c->http->counters.no_memory += !c->added;
		c->spoiled = true;
		return;
	}
	w = writer_of(c->added->data + c->added_len,
	              (size_t)HTTP_ADDED_MAX - c->added_len);
	http_put_field(&w, name, value);
	c->spoiled |= w.failed;
	if (!w.failed)
		c->added_len = (uint16_t)(c->added_len + writer_done(&w).len);
}

/* ---- streamed responses ---- */

/* "ffffffffffffffff" CR LF, the content's CR LF, and the last chunk */
enum { CHUNK_OVERHEAD = 16 + 2 + 2 + 5 };

void http_start(struct http_exchange *x, unsigned status, const char *type,
                uint64_t length)
{
	struct http_conn *c = conn_of(x);

	if (!begin(c, status, RESPONSE_STREAM)) {
		status = 500;
		(void)begin(c, status, RESPONSE_STREAM);
		send_head(c, status, NULL, 0);
		c->head_only = true; /* swallow what was to follow */
	} else {
		send_head(c, status, type, length);
	}
	c->response_left = length;
	conn_kick(c);
}

size_t http_room(const struct http_exchange *x)
{
	const struct http_conn *c = conn_of(x);
	size_t room;

	if (c->response != RESPONSE_STREAM || c->failed || conn_pending(c))
		return 0;
	room = tcp_send_room(c->tcp);
	if (!c->chunked_out)
		return KILN_MIN(room, c->response_left);
	return room > CHUNK_OVERHEAD ? room - CHUNK_OVERHEAD : 0;
}

static void open_chunk(struct http_conn *c, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t text[18];
	size_t at = 16;

	text[16] = '\r';
	text[17] = '\n';
	do {
		text[--at] = (uint8_t)digits[size & 15];
		size >>= 4;
	} while (size);
	conn_send(c, slice_of(text + at, sizeof(text) - at));
}

size_t http_write(struct http_exchange *x, struct slice bytes)
{
	struct http_conn *c = conn_of(x);

	bytes = slice_take(bytes, http_room(x));
	if (!bytes.len)
		return 0;
	if (c->response_left != HTTP_UNKNOWN)
		c->response_left -= bytes.len;
	if (c->head_only)
		return bytes.len;
	if (c->chunked_out)
		open_chunk(c, bytes.len);
	conn_send(c, bytes);
	if (c->chunked_out)
		conn_send(c, SLICE("\r\n"));
	conn_kick(c);
	return bytes.len;
}

bool http_write_static(struct http_exchange *x, struct slice bytes)
{
	struct http_conn *c = conn_of(x);

	if (c->response != RESPONSE_STREAM || c->failed || conn_pending(c))
		return false;
	bytes = slice_take(bytes, c->response_left);
	if (c->response_left != HTTP_UNKNOWN)
		c->response_left -= bytes.len;
	if (c->head_only || !bytes.len)
		return true;
	if (c->chunked_out) {
		open_chunk(c, bytes.len);
		c->chunk_open = true;
	}
	conn_send_static(c, bytes);
	(void)conn_flush(c);
	conn_kick(c);
	return true;
}

void http_end(struct http_exchange *x)
{
	struct http_conn *c = conn_of(x);

	kiln_assert(c->response == RESPONSE_STREAM);
	c->response = RESPONSE_ENDED;
	if (c->chunked_out)
		c->last_chunk_due = true;
	else if (!c->head_only && c->response_left && c->response_left != HTTP_UNKNOWN)
		send_failed(c, KILN_ERR_CLOSED); /* it must not look complete */
	(void)conn_flush(c);
	conn_kick(c);
}

void http_abort(struct http_exchange *x)
{
	struct http_conn *c = conn_of(x);

	send_failed(c, KILN_ERR_RESET);
	conn_kick(c);
}
