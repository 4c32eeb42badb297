/*
 * The head of a request: request line, fields, and what they say about the message that
 * follows (RFC 9112 sections 2, 3, 5, 6). Called once for a head that is complete in one
 * piece, and again, from its start, for each further piece of one that is not.
 *
 * The rules are the strict side of the RFC wherever two readers of one message could
 * disagree on where it ends, which is what request smuggling lives on (RFC 9112 11.2): a
 * line ends in CRLF only, no folded lines, no space before a colon, one Content-Length or
 * one Transfer-Encoding and never both.
 */
#include "http_wire.h"

/* ---- bytes ---- */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "words are searched from the low end");

#define EACH_BYTE(b) (0x0101010101010101u * (uint64_t)(b))

/* The high bit of each byte of the word that is below n (n <= 128), or 0x7f. Bits above
 * the lowest one that is set may be wrong, that one is not. */
static inline uint64_t below_or_delete(uint64_t word, uint8_t n)
{
	uint64_t del = word ^ EACH_BYTE(0x7f);
	uint64_t below = (word - EACH_BYTE(n)) & ~word;

	return (below | ((del - EACH_BYTE(1)) & ~del)) & EACH_BYTE(0x80);
}

/* Index of the first byte from `at` that is a control character, or in.len. */
static size_t find_control(struct slice in, size_t at)
{
	for (; in.len - at >= 8; at += 8) {
		uint64_t word, hit;
		memcpy(&word, in.data + at, 8);
		hit = below_or_delete(word, 0x20);
		if (hit)
			return at + (size_t)__builtin_ctzll(hit) / 8;
	}
	while (at < in.len && in.data[at] >= 0x20 && in.data[at] != 0x7f)
		at++;
	return at;
}

/* Index of the first byte from `at` that is no visible ASCII character, or in.len. */
static size_t find_invisible(struct slice in, size_t at)
{
	for (; in.len - at >= 8; at += 8) {
		uint64_t word, hit;
		memcpy(&word, in.data + at, 8);
		hit = below_or_delete(word, 0x21) | (word & EACH_BYTE(0x80));
		if (hit)
			return at + (size_t)__builtin_ctzll(hit) / 8;
	}
	while (at < in.len && in.data[at] > 0x20 && in.data[at] < 0x7f)
		at++;
	return at;
}

/* tchar of RFC 9110 5.6.2 */
static const bool is_token_byte[256] = {
    ['!'] = true, ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true,
    ['.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['a' ... 'z'] = true,  ['|'] = true,         ['~'] = true,
};

static size_t skip_token(struct slice in, size_t at)
{
	while (at < in.len && is_token_byte[in.data[at]])
		at++;
	return at;
}

bool http_is_token(struct slice s)
{
	return s.len && skip_token(s, 0) == s.len;
}

bool http_is_field_value(struct slice s)
{
	size_t at = 0;

	while ((at = find_control(s, at)) < s.len) {
		if (s.data[at++] != '\t')
			return false;
	}
	return true;
}

/* ---- the request line ---- */

enum { METHOD_MAX = 32 };

static enum http_method method_of(struct slice name)
{
	static const struct slice methods[HTTP_METHODS] = {
	    [HTTP_GET] = {(const uint8_t *)"GET", 3},
	    [HTTP_HEAD] = {(const uint8_t *)"HEAD", 4},
	    [HTTP_POST] = {(const uint8_t *)"POST", 4},
	    [HTTP_PUT] = {(const uint8_t *)"PUT", 3},
	    [HTTP_DELETE] = {(const uint8_t *)"DELETE", 6},
	    [HTTP_OPTIONS] = {(const uint8_t *)"OPTIONS", 7},
	    [HTTP_PATCH] = {(const uint8_t *)"PATCH", 5},
	    [HTTP_TRACE] = {(const uint8_t *)"TRACE", 5},
	    [HTTP_CONNECT] = {(const uint8_t *)"CONNECT", 7},
	};
	enum http_method method = HTTP_GET;

	while (method < HTTP_METHODS && !slice_equal(name, methods[method]))
		method++;
	return method;
}

/* "HTTP/1.1" CRLF at `at`. */
static int parse_version(struct slice in, size_t at, struct http_request_line *line)
{
	static const char form[10] = "HTTP/d.d\r\n";
	unsigned version = 0;

	for (size_t i = 0; i < sizeof(form); i++, at++) {
		if (at >= in.len)
			return HTTP_MORE;
		unsigned digit = in.data[at] - (unsigned)'0';
		if (form[i] == 'd' ? digit > 9 : in.data[at] != (uint8_t)form[i])
			return 400;
		if (form[i] == 'd')
			version = version * 10 + digit;
	}
	if (version / 10 != 1)
		return 505;
	line->minor = version > 10;
	line->length = at;
	return HTTP_PARSED;
}

int http_parse_request_line(struct slice in, struct http_request_line *line)
{
	size_t name = skip_token(in, 0);
	size_t start, end;

	if (name > METHOD_MAX)
		return 501;
	if (name == in.len)
		return HTTP_MORE;
	if (name == 0 || in.data[name] != ' ')
		return 400;
	start = name + 1;
	end = find_invisible(in, start);
	if (end - start > HTTP_TARGET_MAX)
		return 414;
	if (end == in.len)
		return HTTP_MORE;
	if (end == start || in.data[end] != ' ')
		return 400;
	line->method = method_of(slice_take(in, name));
	line->target = slice_of(in.data + start, end - start);
	return parse_version(in, end + 1, line);
}

/* ---- fields ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

int http_parse_field(struct slice in, size_t at, struct http_field *field, size_t *next)
{
	size_t name = at, start, end;

	at = skip_token(in, at);
	if (at >= in.len)
		return HTTP_MORE;
	if (at == name || in.data[at] != ':')
		return 400;
	field->name = (uint16_t)name;
	field->name_end = (uint16_t)at;
	for (start = at + 1; start < in.len && is_blank(in.data[start]); start++)
		;
	end = find_control(in, start);
	while (end < in.len && in.data[end] == '\t')
		end = find_control(in, end + 1);
	if (end == in.len)
		return HTTP_MORE;
	if (in.data[end] != '\r')
		return 400;
	if (end + 1 >= in.len)
		return HTTP_MORE;
	if (in.data[end + 1] != '\n')
		return 400;
	*next = end + 2;
	while (end > start && is_blank(in.data[end - 1]))
		end--;
	field->value = (uint16_t)start;
	field->value_end = (uint16_t)end;
	return HTTP_PARSED;
}

/* Which of the known fields has this name; HTTP_KNOWN_FIELDS: none. */
static enum http_known known_of(struct slice in, struct http_part name)
{
	static const struct {
		uint8_t len;
		char name[20];
	} known[HTTP_KNOWN_FIELDS] = {
	    [HTTP_FIELD_HOST] = {4, "host"},
	    [HTTP_FIELD_CONTENT_LENGTH] = {14, "content-length"},
	    [HTTP_FIELD_TRANSFER_ENCODING] = {17, "transfer-encoding"},
	    [HTTP_FIELD_CONNECTION] = {10, "connection"},
	    [HTTP_FIELD_EXPECT] = {6, "expect"},
	    [HTTP_FIELD_IF_MATCH] = {8, "if-match"},
	    [HTTP_FIELD_IF_NONE_MATCH] = {13, "if-none-match"},
	    [HTTP_FIELD_IF_MODIFIED_SINCE] = {17, "if-modified-since"},
	    [HTTP_FIELD_IF_UNMODIFIED_SINCE] = {19, "if-unmodified-since"},
	    [HTTP_FIELD_IF_RANGE] = {8, "if-range"},
	    [HTTP_FIELD_RANGE] = {5, "range"},
	    [HTTP_FIELD_ACCEPT_ENCODING] = {15, "accept-encoding"},
	};
	enum http_known k = 0;

	for (; k < HTTP_KNOWN_FIELDS; k++) {
		if (known[k].len == name.end - name.at &&
		    http_part_is(in, name, slice_of(known[k].name, known[k].len)))
			break;
	}
	return k;
}

struct slice http_field_name(const struct http_head *head, const struct http_field *field)
{
	return slice_of(head->text.data + field->name,
	                (size_t)(field->name_end - field->name));
}

struct slice http_field_value(const struct http_head *head,
                              const struct http_field *field)
{
	return slice_of(head->text.data + field->value,
	                (size_t)(field->value_end - field->value));
}

static void note_known(struct http_head *head, struct slice in, struct http_part name)
{
	enum http_known k = known_of(in, name);

	if (k == HTTP_KNOWN_FIELDS)
		return;
	if (head->first[k])
		head->repeated[k] = 1;
	else
		head->first[k] = (uint8_t)(head->count + 1);
}

static int parse_head(struct slice in, struct http_head *head)
{
	int result = http_parse_request_line(in, &head->line);
	size_t at = head->line.length;

	if (result != HTTP_PARSED)
		return result;
	for (;; head->count++) {
		struct http_field *field;

		if (at >= in.len)
			return HTTP_MORE;
		if (in.data[at] == '\r') {
			if (at + 1 >= in.len)
				return HTTP_MORE;
			head->text = slice_take(in, at + 2);
			return in.data[at + 1] == '\n' ? HTTP_PARSED : 400;
		}
		if (head->count >= HTTP_FIELDS_MAX)
			return 431;
		field = &head->fields[head->count];
		result = http_parse_field(in, at, field, &at);
		if (result != HTTP_PARSED)
			return result;
		note_known(head, in, (struct http_part){field->name, field->name_end});
	}
}

int http_parse_head(struct slice in, struct http_head *head)
{
	int result;

	head->count = 0;
	head->line.method = HTTP_METHODS;
	memset(head->first, 0, sizeof(head->first));
	memset(head->repeated, 0, sizeof(head->repeated));
	in = slice_take(in, HTTP_HEAD_MAX);
	result = parse_head(in, head);
	if (result == HTTP_MORE && in.len == HTTP_HEAD_MAX)
		return 431;
	return result;
}

bool http_head_known(const struct http_head *head, enum http_known known,
                     struct slice *value)
{
	if (!head->first[known])
		return false;
	*value = http_field_value(head, &head->fields[head->first[known] - 1]);
	return true;
}

bool http_head_each(const struct http_head *head, enum http_known known, unsigned *at,
                    struct slice *value)
{
	unsigned first = head->first[known];
	struct slice name;

	if (!first || (*at && !head->repeated[known]))
		return false;
	name = http_field_name(head, &head->fields[first - 1]);
	for (unsigned i = *at ? *at : first - 1; i < head->count; i++) {
		if (!slice_equal_nocase(http_field_name(head, &head->fields[i]), name))
			continue;
		*value = http_field_value(head, &head->fields[i]);
		*at = i + 1;
		return true;
	}
	return false;
}

bool http_head_find(const struct http_head *head, struct slice name, struct slice *value)
{
	for (unsigned i = 0; i < head->count; i++) {
		const struct http_field *field = &head->fields[i];
		if (slice_equal_nocase(http_field_name(head, field), name)) {
			*value = http_field_value(head, field);
			return true;
		}
	}
	return false;
}

/* ---- what the fields mean ---- */

/* RFC 9112 6.1: a body whose last coding is not chunked has no end that can be known. */
static int check_transfer_encoding(struct http_head *head, struct slice value)
{
	struct http_part coding;
	unsigned count = 0, chunked = 0;
	bool last = false;
	size_t at = 0;

	while (http_list_next(value, &at, &coding)) {
		last = http_part_is(value, coding, SLICE("chunked"));
		chunked += last;
		count++;
	}
	if (!last || chunked != 1)
		return 400;
	head->chunked = true;
	head->content_length = HTTP_UNKNOWN;
	return count == 1 ? 0 : 501;
}

/* RFC 9112 6.3. */
static int check_framing(struct http_head *head)
{
	struct slice value;

	head->chunked = false;
	head->content_length = 0;
	if (head->repeated[HTTP_FIELD_TRANSFER_ENCODING] ||
	    head->repeated[HTTP_FIELD_CONTENT_LENGTH])
		return 400;
	if (http_head_known(head, HTTP_FIELD_TRANSFER_ENCODING, &value)) {
		if (head->first[HTTP_FIELD_CONTENT_LENGTH] || head->line.minor == 0)
			return 400;
		return check_transfer_encoding(head, value);
	}
	if (http_head_known(head, HTTP_FIELD_CONTENT_LENGTH, &value) &&
	    !slice_decimal(value, HTTP_UNKNOWN - 1, &head->content_length))
		return 400;
	return 0;
}

static int check_host(struct http_head *head)
{
	struct slice field = {NULL, 0};
	bool given = http_head_known(head, HTTP_FIELD_HOST, &field);

	if (head->repeated[HTTP_FIELD_HOST] || (head->line.minor && !given) ||
	    !http_is_host(field))
		return 400;
	if (!http_split_target(head->line.target, &head->host, &head->path, &head->query))
		return 400;
	/* RFC 9112 3.2.2: an absolute target overrides the field. */
	if (!head->host.len)
		head->host = field;
	if (head->path.data[0] == '*' && head->line.method != HTTP_OPTIONS)
		return 400;
	return 0;
}

static void check_connection(struct http_head *head)
{
	bool close = false, keep = false;
	struct http_part option;
	struct slice list;
	unsigned field = 0;

	while (http_head_each(head, HTTP_FIELD_CONNECTION, &field, &list)) {
		size_t at = 0;

		while (http_list_next(list, &at, &option)) {
			close |= http_part_is(list, option, SLICE("close"));
			keep |= http_part_is(list, option, SLICE("keep-alive"));
		}
	}
	head->keep_alive = !close && (head->line.minor || keep);
}

int http_head_check(struct http_head *head)
{
	struct slice value;
	int status;

	if (head->line.method == HTTP_METHODS || head->line.method == HTTP_CONNECT)
		return 501;
	status = check_framing(head);
	if (status)
		return status;
	status = check_host(head);
	if (status)
		return status;
	check_connection(head);
	/* RFC 9110 10.1.1: an HTTP/1.0 client cannot expect anything. */
	head->expect_continue = false;
	if (head->line.minor && http_head_known(head, HTTP_FIELD_EXPECT, &value)) {
		if (!slice_equal_nocase(value, SLICE("100-continue")))
			return 417;
		head->expect_continue = head->content_length != 0;
	}
	return 0;
}
