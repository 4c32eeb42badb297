/*
 * What handlers of forms need: the whole body in one piece, a field's value out of it
 * (application/x-www-form-urlencoded, WHATWG URL 5.1), and text made safe for HTML.
 */
#include "http_private.h"

/* ---- a body in one piece ---- */

static size_t collect_body(struct http_exchange *x, struct slice piece, void *user)
{
	struct http_conn *c = conn_of(x);

	if (piece.len > (size_t)HTTP_FORM_MAX - c->collect_len) {
		http_error(x, 413);
		return piece.len;
	}
	memcpy(c->collect->data + c->collect_len, piece.data, piece.len);
	c->collect_len = (uint16_t)(c->collect_len + piece.len);
	return piece.len;
}

static void collect_release(struct http_exchange *x, void *user, enum kiln_error why)
{
	struct http_conn *c = conn_of(x);

	if (c->collect)
		pool_put(&c->http->buffers, c->collect);
	c->collect = NULL;
}

static void collect_end(struct http_exchange *x, void *user)
{
	struct http_conn *c = conn_of(x);
	struct slice body = slice_of(c->collect->data, c->collect_len);

	c->collected(x, body, user);
	collect_release(x, user, KILN_OK);
	if (c->response == RESPONSE_NONE && c->events &&
	    c->events->body_end == collect_end)
		http_error(x, 500); /* neither answered nor went on */
}

static const struct http_events collect_events = {
    .body = collect_body, .body_end = collect_end, .done = collect_release};

void http_collect(struct http_exchange *x,
                  void (*complete)(struct http_exchange *x, struct slice body,
                                   void *user),
                  void *user)
{
	struct http_conn *c = conn_of(x);

	if (x->body_length != HTTP_UNKNOWN && x->body_length > HTTP_FORM_MAX) {
		http_error(x, 413);
		return;
	}
	c->collect = pool_get(&c->http->buffers);
	if (!c->collect) {
		c->http->counters.no_memory++;
		http_error(x, 503);
		return;
	}
	c->collect_len = 0;
	c->collected = complete;
	http_on(x, &collect_events, user);
}

/* ---- forms ---- */

/* One decoded byte of a name or value; false at the end, or latched in the cursor if it
 * is malformed. */
static bool form_byte(struct cursor *in, uint8_t *byte)
{
	int high, low;

	if (!cursor_left(in))
		return false;
	*byte = cursor_u8(in);
	if (*byte == '+')
		*byte = ' ';
	if (*byte != '%')
		return true;
	high = http_hex(cursor_u8(in));
	low = http_hex(cursor_u8(in));
	in->failed |= high < 0 || low < 0;
	if (in->failed)
		return false;
	*byte = (uint8_t)(high << 4 | low);
	return true;
}

static bool form_equal(struct slice encoded, const char *name)
{
	struct cursor in = cursor_of(encoded);
	uint8_t byte;

	while (form_byte(&in, &byte)) {
		if (!*name || (uint8_t)*name++ != byte)
			return false;
	}
	return !in.failed && !*name;
}

bool http_form_value(struct slice form, const char *name, struct writer *value)
{
	while (form.len) {
		struct slice pair = slice_take(form, slice_find(form, '&'));
		size_t equals = slice_find(pair, '=');

		form = slice_skip(form, pair.len + 1);
		if (form_equal(slice_take(pair, equals), name)) {
			struct cursor in = cursor_of(slice_skip(pair, equals + 1));
			uint8_t byte;

			while (form_byte(&in, &byte))
				writer_u8(value, byte);
			return !in.failed && !value->failed;
		}
	}
	return false;
}

/* ---- HTML ---- */

static const char *reference_of(uint8_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void http_escape_html(struct writer *w, struct slice text)
{
	size_t run = 0; /* what has not been written starts here */

	for (size_t i = 0; i < text.len; i++) {
		const char *reference = reference_of(text.data[i]);

		if (!reference)
			continue;
		writer_bytes(w, slice_take(slice_skip(text, run), i - run));
		writer_text(w, reference);
		run = i + 1;
	}
	writer_bytes(w, slice_skip(text, run));
}
