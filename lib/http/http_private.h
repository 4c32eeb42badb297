/*
 * The inside of lib/http: the server, its connections, and what its files offer each
 * other.
 *
 * http.c     the server: pools, listeners, the date, the end
 * conn.c     a connection: reading requests, time limits, closing
 * respond.c  responses: heads, bodies, back-pressure
 * files.c    a handler for embedded folders
 * form.c     forms and HTML text
 *
 * A connection is in one phase at a time. Requests are handled one after the other; what
 * is pipelined waits in TCP, within its window. Memory beyond struct http_conn is held
 * only while it is needed: a head that arrives in pieces, header lines that a handler
 * adds, what TCP would not take at once, a body that is collected: each a buffer of one
 * pool.
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <kiln/http.h>
#include "http_wire.h"

struct http_buffer {
	uint8_t data[HTTP_HEAD_MAX];
};
_Static_assert(HTTP_FORM_MAX <= sizeof(struct http_buffer), "a form fits a buffer");

enum conn_phase {
	CONN_HEAD,     /* waiting for a request, or in its head */
	CONN_EXCHANGE, /* a request is being handled, or refused */
	CONN_LINGER, /* our side is closed: reading until the peer's is (RFC 9112 9.6) */
	CONN_GONE,   /* given up: freed when the stack of calls has unwound */
};

enum body_state { BODY_DONE, BODY_LENGTH, BODY_CHUNKED };
enum response_state { RESPONSE_NONE, RESPONSE_STREAM, RESPONSE_ENDED };

struct http_conn {
	struct http_exchange x; /* first: what handlers hold */
	struct http *http;
	struct tcp_conn *tcp;
	const struct http_listener *listener;
	struct list node; /* of http->conns */

	struct timer timer; /* may be set earlier than `deadline`, never later */
	kiln_time deadline;
	uint64_t queued; /* bytes handed to TCP */
	uint64_t mark;   /* what had moved at the last look for a stall */

	const struct http_events *events; /* NULL: nobody to tell */
	void *user;
	void (*collected)(struct http_exchange *x, struct slice body, void *user);

	struct http_buffer *head;    /* a head that came in pieces */
	struct http_buffer *added;   /* header lines of the handler */
	struct http_buffer *out;     /* taken from the handler, not yet by TCP */
	struct http_buffer *collect; /* a body for `collected` */
	uint16_t head_len, added_len, out_at, out_len, collect_len;
	struct slice
	    rest; /* static content that TCP had no room to refer to; behind `out` */

	uint64_t body_left; /* BODY_LENGTH: bytes to come */
	uint64_t body_seen; /* bytes of content so far */
	struct http_chunked chunked;
	uint64_t response_left; /* of a known length: bytes that may still be written */

	uint8_t phase;            /* enum conn_phase */
	uint8_t body;             /* enum body_state */
	uint8_t response;         /* enum response_state */
	uint8_t failed;           /* enum kiln_error: to be cut off */
	bool running : 1;         /* inside conn_run: it will look again */
	bool keep : 1;            /* the connection outlives the exchange */
	bool minor : 1;           /* HTTP/1.1 */
	bool head_only : 1;       /* HEAD, 204, 304: no body follows */
	bool continue_waited : 1; /* the client waits for 100 */
	bool paused : 1;          /* the handler did not take all */
	bool end_told : 1;        /* body_end */
	bool writable_told : 1;   /* in this run */
	bool chunked_out : 1;
	bool chunk_open : 1;     /* CR LF is due behind `rest` */
	bool last_chunk_due : 1; /* and so is the last chunk */
	bool spoiled : 1;        /* an added header was refused */
	bool stalling : 1;       /* the peer was waited for at the last look */
	bool partial : 1;        /* CONN_HEAD: some bytes of a request are there */
	bool joining : 1;        /* in several pieces, that TCP may make one */
	uint8_t blank;           /* empty lines in front of a request */
	size_t head_seen;        /* unread bytes at the last look at a partial head */
};
_Static_assert(sizeof(struct http_conn) <= 512, "an idle connection costs little");

struct http_listener {
	struct http *http;
	http_handler *handler;
	const void *context;
	struct tcp_listener *tcp;
	struct http_listener *next;
};

/* The heads of an embedded folder's responses, each made when it is first asked for. */
struct http_site {
	const struct embed *embed;
	struct slice (*heads)[HTTP_CODINGS]; /* by the file's index; empty: not made */
	struct http_site *next;
};

struct http {
	struct kiln *kiln;
	struct tcp *tcp;
	struct http_limits limits;
	struct slab_pool conns;
	struct pool buffers;
	struct list open; /* struct http_conn */
	struct http_listener *listeners;
	struct http_site *sites;
	struct http_counters counters;
	kiln_time date_until; /* when the text below is to be made anew */
	uint8_t date[48];     /* "Date: " IMF-fixdate CR LF */
	bool stopping;
};
enum { DATE_LINE_SIZE = 6 + HTTP_DATE_SIZE + 2 };

static inline struct http_conn *conn_of(const struct http_exchange *x)
{
	return kiln_container((void *)(uintptr_t)x, struct http_conn, x);
}

/* ---- http.c ---- */

struct slice http_date_line(struct http *http);
void http_conn_free(struct http_conn *c);

/* ---- conn.c ---- */

extern const struct tcp_events http_conn_events;

void conn_start(struct http_conn *c);
/* The server is being stopped: close now if nothing is being done. */
void conn_stop(struct http_conn *c);
/* Have conn_run go over it (again): something was changed from outside of it. */
void conn_kick(struct http_conn *c);

/* ---- respond.c ---- */

/* The head of a response but for its last lines, and a body to refer to: the fast path.
 */
void http_respond_prepared(struct http_exchange *x, unsigned status, struct slice head,
                           struct slice body);
/* "HTTP/1.1 200 OK" CR LF. */
void http_put_status(struct writer *w, unsigned status);
void http_put_number(struct writer *w, uint64_t value);
void http_put_field(struct writer *w, const char *name, struct slice value);
/* "100 Continue", if the client still waits for it. */
void conn_continue(struct http_conn *c);
/* Hands over what TCP would not take before. True when nothing is left. */
bool conn_flush(struct http_conn *c);
static inline bool conn_pending(const struct http_conn *c)
{
	return c->out || c->rest.len || c->chunk_open || c->last_chunk_due;
}

#endif
