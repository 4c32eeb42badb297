/*
 * The wire format of HTTP/1.1 requests and of the header values that the server reads:
 * pure functions from slices, without state and without memory of their own. Slices in
 * results point into the input.
 *
 * head_wire.c     request line, header fields, message framing (RFC 9112)
 * target_wire.c   request targets and paths (RFC 3986, 9112 3.2)
 * value_wire.c    dates, entity tags, ranges, lists (RFC 9110)
 * coding_wire.c   Accept-Encoding (RFC 9110 12.5.3)
 * chunked_wire.c  the chunked transfer coding (RFC 9112 7.1)
 */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include <kiln/http.h>

/* What a parser makes of its input: well formed, more is needed, or the status to answer.
 */
enum {
	HTTP_PARSED = 0,
	HTTP_MORE = 1,
	/* 400 and above: refuse, with this status */
};

/* ---- the head of a request ---- */

struct http_request_line {
	enum http_method method; /* HTTP_METHODS: unknown */
	uint8_t minor;           /* of HTTP/1.x: 0 or 1 (more is taken as 1) */
	struct slice target;
	size_t length; /* with its CRLF */
};

/* "GET /path HTTP/1.1" CRLF, at the start of the slice. */
int http_parse_request_line(struct slice in, struct http_request_line *line);

/* A field's place in the head; the value without white space around it. */
struct http_field {
	uint16_t name, name_end;
	uint16_t value, value_end;
};
_Static_assert(HTTP_HEAD_MAX <= UINT16_MAX, "places in a head are 16 bits wide");

/*
 * One "name: value" CRLF that starts at `in.data[at]`; *next is the index behind it. The
 * empty line that ends a head is not a field: look for it first.
 */
int http_parse_field(struct slice in, size_t at, struct http_field *field, size_t *next);

/* Fields the server itself looks at, by index; kept while parsing. */
enum http_known {
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_IF_MATCH,
	HTTP_FIELD_IF_NONE_MATCH,
	HTTP_FIELD_IF_MODIFIED_SINCE,
	HTTP_FIELD_IF_UNMODIFIED_SINCE,
	HTTP_FIELD_IF_RANGE,
	HTTP_FIELD_RANGE,
	HTTP_FIELD_ACCEPT_ENCODING,
	HTTP_KNOWN_FIELDS
};

struct http_head {
	struct slice text; /* the whole head, from the method to the empty line */
	struct http_request_line line;
	uint8_t count;
	uint8_t first[HTTP_KNOWN_FIELDS];    /* index + 1 of the first such field, or 0 */
	uint8_t repeated[HTTP_KNOWN_FIELDS]; /* there are more of that name */
	struct http_field fields[HTTP_FIELDS_MAX];

	/* From http_head_check: what the fields mean. */
	bool chunked;
	bool keep_alive;
	bool expect_continue;
	uint64_t content_length; /* 0 if there is none, HTTP_UNKNOWN if chunked */
	struct slice path;       /* as sent: starts with '/', or is "*" */
	struct slice query;
	struct slice host;
};

/* Reads a whole head; head->text.len bytes of the input belong to it. When it is refused,
 * line.method is what its first line says, or HTTP_METHODS. */
int http_parse_head(struct slice in, struct http_head *head);

/* What the head means: framing, Host, target, Connection, Expect. 0, or the status to
 * answer (400, 417, 501). After a refusal the connection cannot be used any further. */
int http_head_check(struct http_head *head);

/* The first field of that name; false if there is none. */
bool http_head_find(const struct http_head *head, struct slice name, struct slice *value);
bool http_head_known(const struct http_head *head, enum http_known known,
                     struct slice *value);

/* One field of that name after the other, which together make one list (RFC 9110 5.3); *at
 * is 0 at first. */
bool http_head_each(const struct http_head *head, enum http_known known, unsigned *at,
                    struct slice *value);

struct slice http_field_name(const struct http_head *head,
                             const struct http_field *field);
struct slice http_field_value(const struct http_head *head,
                              const struct http_field *field);

bool http_is_token(struct slice s);
/* No control characters but tab (RFC 9110 5.5). */
bool http_is_field_value(struct slice s);

/* ---- targets ---- */

/* Splits a request target of any form into host (empty but in absolute form), path and
 * query. Path is "*" for the asterisk form. False if it is none of the forms. */
bool http_split_target(struct slice target, struct slice *host, struct slice *path,
                       struct slice *query);

/* A "host" or "host:port", or nothing: what may stand in a Host field. */
bool http_is_host(struct slice host);

/* True if the path needs no decoding: it is what http_decode_path would make of it. */
bool http_path_is_plain(struct slice path);
/* Decodes percent escapes, then removes empty and dot segments. False if malformed, if it
 * climbs over the root, or if an escape stands for NUL or '/'. */
bool http_decode_path(struct slice path, struct writer *out);
/* The reverse: escapes all that is not unreserved or '/'. */
void http_encode_path(struct writer *out, struct slice path);

/* A percent escape's two hexadecimal digits, or one; -1 if it is none. */
int http_hex(uint8_t digit);

/* ---- values ---- */

/* Where a part of a slice is: of a head, or of a value. */
struct http_part {
	size_t at, end;
};

/* Where the first such byte is; the end if there is none. */
size_t http_part_find(struct slice in, struct http_part part, uint8_t byte);
/* Is it this text, which is in lower case? */
bool http_part_is(struct slice in, struct http_part part, struct slice text);
/* Without spaces and tabs at both ends (OWS, RFC 9110 5.6.3). */
struct http_part http_part_trim(struct slice in, struct http_part part);

/* The next element of a comma-separated list (RFC 9110 5.6.1), which may not hold quoted
 * strings; empty elements are skipped. *at is 0 at first. False at the end. */
bool http_list_next(struct slice list, size_t *at, struct http_part *element);

/* All three forms of RFC 9110 5.6.7; `now` (seconds since 1970) places two-digit years.
 */
bool http_parse_date(struct slice text, uint64_t now, uint64_t *seconds);
enum { HTTP_DATE_SIZE = 29 };
/* IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT". */
void http_format_date(struct writer *w, uint64_t seconds);

/* Does the value of If-Match or If-None-Match name this (strong) tag, or is it "*"? `tag`
 * is with its quotes. Weak comparison ignores W/ (RFC 9110 8.8.3.2). Malformed: false. */
bool http_etag_match(struct slice value, struct slice tag, bool weak);

enum http_range_result {
	HTTP_RANGE_NONE,          /* malformed, another unit, or several: send it all */
	HTTP_RANGE_ONE,           /* first..last, within the content */
	HTTP_RANGE_UNSATISFIABLE, /* 416 */
};
enum http_range_result http_parse_range(struct slice value, uint64_t length,
                                        uint64_t *first, uint64_t *last);

/* What a file can be sent in: a coding of <kiln/embed.h>, or as it is. */
enum { HTTP_IDENTITY = EMBED_CODINGS, HTTP_CODINGS };

/* What Accept-Encoding says of them (RFC 9110 12.5.3): weights in thousandths, the last of
 * them for "*". */
struct http_codings {
	uint16_t weight[HTTP_CODINGS + 1];
	bool listed[HTTP_CODINGS + 1];
};

/* Adds what is in a field's value to codings that are zeroed at first. Codings that are not
 * known are passed over, as is what is malformed; of a repeated one the last stands. */
void http_codings_read(struct http_codings *codings, struct slice value);
/* The coding to send, of those `available`: the heaviest, and of equals the one that is
 * smaller as a rule. HTTP_CODINGS if none is acceptable, not even the identity. */
unsigned http_codings_choose(const struct http_codings *codings,
                             const bool available[HTTP_CODINGS]);

/* ---- chunked ---- */

/* Decoding state; zeroed at the start of a body. */
struct http_chunked {
	uint64_t left;    /* bytes of the chunk still to come, or its size so far */
	uint16_t line;    /* bytes of the present line: extensions are bounded */
	uint16_t trailer; /* bytes of trailers so far: bounded */
	uint8_t state;
};

/*
 * Reads and drops framing; *data is the piece of content that the cursor stands at then,
 * for the caller to take (by cursor_skip and http_chunked_take). HTTP_PARSED: the body is
 * complete. HTTP_MORE: there is data, or the input is used up. Else 400.
 */
int http_chunked_next(struct http_chunked *c, struct cursor *in, struct slice *data);
void http_chunked_take(struct http_chunked *c, size_t n);

#endif
