/*
 * An HTTP/1.1 server (RFC 9110, 9112).
 *
 *	static void hello(struct http_exchange *x, const void *context)
 *	{
 *		http_respond(x, 200, "text/plain; charset=utf-8", SLICE("Hello\n"));
 *	}
 *	...
 *	return http_serve(tcp, port, hello, NULL);
 *
 * A handler is called once a request, when its head is complete and has been checked:
 * the message framing is sound, Host is there, the path is decoded and cannot escape.
 * It either responds before it returns, or says with http_on() how it goes on: with the
 * pieces of the request's body, with a response streamed as the connection takes it, or
 * later, from a timer or a task. Errors below the handler (malformed, too large, too
 * slow) are answered by the library. Pipelined requests are handled one by one.
 *
 * What it does not do: HTTP/2, TLS, upgrades, trailers (read and dropped), transfer
 * codings but chunked, several ranges in one response (the whole content is sent, as
 * RFC 9110 14.2 allows), bare LF as the end of a line (400; RFC 9112 2.2 lets a server
 * choose).
 */
#ifndef KILN_HTTP_H
#define KILN_HTTP_H

#include <kiln/embed.h>
#include <kiln/tcp.h>

struct http;
struct http_head;

enum {
	HTTP_HEAD_MAX = 8192,    /* bytes of a request's head: beyond it 431 */
	HTTP_TARGET_MAX = 4096,  /* bytes of a request's target: beyond it 414 */
	HTTP_FIELDS_MAX = 64,    /* header fields of a request: beyond it 431 */
	HTTP_RESPOND_MAX = 4096, /* bytes that http_respond() takes */
	HTTP_ADDED_MAX = 2048,   /* bytes of header lines that http_add_header() takes */
	HTTP_FORM_MAX = 8192,    /* bytes that http_collect() takes: beyond it 413 */
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_PATCH,
	HTTP_TRACE,
	HTTP_CONNECT, /* answered 501 by the library, as unknown methods are */
	HTTP_METHODS
};

/* A length that is not known beforehand: the body is chunked. */
#define HTTP_UNKNOWN UINT64_MAX

/*
 * A request and its response. Handlers read the fields; the slices, and the header
 * fields, are valid until the handler returns, and lie in the received frame where they
 * can. The exchange itself lives until it is responded to, or until `done` is called.
 */
struct http_exchange {
	enum http_method method;
	struct slice path;  /* decoded, dot segments removed; starts with '/'; no NUL */
	struct slice query; /* behind the '?', as sent; empty if there is none */
	struct slice host;  /* the Host field, or the target's; empty only in HTTP/1.0 */
	uint64_t body_length;   /* of the request; 0: it has none */
	uint64_t scratch[4];    /* the handler's own, zeroed for each request */
	struct http_head *head; /* the library's */
};

/* The context is the one given to http_listen(). */
typedef void http_handler(struct http_exchange *x, const void *context);

/* ---- serving ---- */

/* A zero field means the default, in parentheses. */
struct http_limits {
	kiln_time idle;       /* to wait for the next request (30 s) */
	kiln_time head;       /* from a request's first byte to its head's end (10 s) */
	kiln_time stall;      /* within each such time a body, or a response that is being
	                         sent, must advance by stall_bytes (10 s) */
	uint32_t stall_bytes; /* (1000) */
	kiln_time linger;     /* for the peer's close, after ours (2 s) */
	uint64_t body;        /* bytes of a request's body: beyond it 413 (64 MiB) */
	uint32_t discard; /* bytes to read and drop of a body nobody wants, to keep the
	                     connection (64 KiB) */
	uint32_t conns;   /* at most (as many as TCP has) */
};

/* Listens and runs the event loop until the image is asked to stop, then lets what is
 * being answered end, for at most a second. Returns the exit status: 0. Ends the image
 * with a message if the port is taken or the memory does not suffice. */
int http_serve(struct tcp *tcp, uint16_t port, http_handler *handler,
               const void *context);

/* The parts of http_serve, for several ports, or other limits (NULL: the defaults). Pools
 * are made from what memory is left: make it after what else the appliance needs. */
struct http *http_new(struct tcp *tcp, const struct http_limits *limits);
/* Errors: IN_USE, MEMORY. */
KILN_MUST_CHECK enum kiln_error http_listen(struct http *http, uint16_t port,
                                            http_handler *handler, const void *context);
int http_run(struct http *http);

struct http_counters {
	uint64_t conns, refused; /* accepted; refused because all were in use */
	uint64_t requests;       /* heads that were complete and well formed */
	uint64_t responses[6];   /* by status / 100 */
	uint64_t bad_requests;   /* answered by the library: malformed, unsupported */
	uint64_t timeouts;       /* idle ones not counted */
	uint64_t broken;    /* exchanges cut off by the peer, or by a handler's abort */
	uint64_t no_memory; /* no buffer left: 503, or cut off */
	uint32_t open, open_most;
	uint32_t conn_bytes; /* memory of a connection, without buffers */
};
void http_counters(const struct http *http, struct http_counters *counters);

/* ---- the request ---- */

/* The value of the first field of that name (in lower or any case), without white space
 * around it. False if there is none. Until the handler returns. */
bool http_header(const struct http_exchange *x, const char *name, struct slice *value);

/* The peer's address. */
struct endpoint http_peer(const struct http_exchange *x);

/* How an exchange goes on after its handler's return. Each may be NULL. All are called
 * from the event loop, never from within a call below. */
struct http_events {
	/* A piece of the request's body, where it was received; valid during the call.
	 * Returns how many bytes it took; if not all, it is called again after
	 * http_resume(), and meanwhile the peer is held back. Without this callback a
	 * body is dropped. */
	size_t (*body)(struct http_exchange *x, struct slice piece, void *user);
	/* The body is complete; also called when there is none. */
	void (*body_end)(struct http_exchange *x, void *user);
	/* There is room for more of the response that http_start() began; called after
	 * the handler's return at first, and may be called without need. */
	void (*writable)(struct http_exchange *x, void *user);
	/* The exchange is over and must not be used any more: KILN_OK, the response is
	 * handed to TCP; or it failed, and why (TIMEOUT, CLOSED, RESET, PROTOCOL,
	 * TOO_LARGE, MEMORY). */
	void (*done)(struct http_exchange *x, void *user, enum kiln_error why);
};

/* From the handler only. The events must outlive the exchange. */
void http_on(struct http_exchange *x, const struct http_events *events, void *user);
/* Have `body` called again. */
void http_resume(struct http_exchange *x);

/* Reads the whole body, then calls `complete` with it, which responds (or calls
 * http_on()). From the handler only. Bodies over HTTP_FORM_MAX are answered 413, and 503
 * while all buffers are in use; `complete` is not called then. */
void http_collect(struct http_exchange *x,
                  void (*complete)(struct http_exchange *x, struct slice body,
                                   void *user),
                  void *user);

/* The value of a field of an application/x-www-form-urlencoded body, or of a query,
 * decoded into the writer. False if there is no such field, it is malformed, or does not
 * fit. */
bool http_form_value(struct slice form, const char *name, struct writer *value);

/* The text with & < > " ' replaced by references: for HTML text and attributes. */
void http_escape_html(struct writer *w, struct slice text);

/* ---- the response: one of these, once ---- */

/* The body is copied, at most HTTP_RESPOND_MAX bytes; more is a mistake, logged, and
 * answered 500. `type` is the Content-Type; NULL for none. */
void http_respond(struct http_exchange *x, unsigned status, const char *type,
                  struct slice body);
/* The body is sent from where it lies: it must never change or go away. */
void http_respond_static(struct http_exchange *x, unsigned status, const char *type,
                         struct slice body);
/* A short text that says what the status says. */
void http_error(struct http_exchange *x, unsigned status);
/* 301, 302, 303, 307 or 308, with a Location: a URI reference, already encoded. */
void http_redirect(struct http_exchange *x, unsigned status, struct slice location);
/* For a method that the resource does not have: 405, or the answer to OPTIONS. */
void http_allow(struct http_exchange *x, const char *methods);

/*
 * Begins a response whose body follows by http_write(), of `length` bytes or
 * HTTP_UNKNOWN. Ended by http_end(); a body that is shorter than said cuts the connection
 * off, what is longer is not sent. Bodies of responses to HEAD are swallowed.
 */
void http_start(struct http_exchange *x, unsigned status, const char *type,
                uint64_t length);
/* How many bytes http_write() would take now. */
size_t http_room(const struct http_exchange *x);
/* Copies; returns how many bytes were taken. With fewer than all, `writable` tells when
 * to go on. */
size_t http_write(struct http_exchange *x, struct slice bytes);
/* By reference, as tcp_send_static: all or (false) nothing. */
bool http_write_static(struct http_exchange *x, struct slice bytes);
void http_end(struct http_exchange *x);
/* Resets the connection; `done` is called with RESET, later. */
void http_abort(struct http_exchange *x);

/* Before the response is begun: one more header line. A value with control characters, or
 * more than HTTP_ADDED_MAX bytes in all, turns the response into a 500. */
void http_add_header(struct http_exchange *x, const char *name, struct slice value);

/* ---- files ---- */

/*
 * A handler that serves an embedded folder: the context is its `const struct embed`.
 * GET and HEAD, validators, conditions, one range; "dir/" is dir/index.html, "dir" is
 * sent there by 301; a file 404.html at the top is what a missing page shows. Of a folder
 * declared by KILN_EMBED_SITE, each file goes out in the smallest form that the client's
 * Accept-Encoding allows (RFC 9110 12.5.3): a representation with an entity tag of its own.
 */
http_handler http_files;

#endif
