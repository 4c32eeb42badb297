/*
 * Request targets (RFC 9112 3.2) and the paths in them (RFC 3986 section 3.3, 5.2.4).
 *
 * A path is decoded once, and dot segments are removed behind that, so that no spelling
 * of ".." is left for anybody to see. An escaped '/' would turn one segment into two on
 * the way, and NUL would end a name early for some: such targets are refused.
 */
#include "http_wire.h"

bool http_split_target(struct slice target, struct slice *host, struct slice *path,
                       struct slice *query)
{
	static const struct slice scheme = {(const uint8_t *)"http://", 7};
	size_t start = 0, at;

	*host = *path = *query = slice_take(target, 0);
	if (slice_equal(target, SLICE("*"))) {
		*path = target;
		return true;
	}
	/* A fragment is never sent (RFC 9112 3.2.1). */
	if (slice_find(target, '#') < target.len)
		return false;
	if (slice_equal_nocase(slice_take(target, scheme.len), scheme)) {
		start = scheme.len;
		while (start < target.len && target.data[start] != '/' &&
		       target.data[start] != '?')
			start++;
		*host = slice_skip(slice_take(target, start), scheme.len);
		if (!host->len || !http_is_host(*host))
			return false;
	} else if (!target.len || target.data[0] != '/') {
		return false;
	}
	for (at = start; at < target.len && target.data[at] != '?'; at++)
		continue;
	*path = at > start ? slice_of(target.data + start, at - start) : SLICE("/");
	*query = slice_skip(target, at + 1);
	return true;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* unreserved of RFC 3986 2.3 */
static bool is_unreserved(uint8_t c)
{
	uint8_t lower = c | 0x20;

	return (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

bool http_is_host(struct slice host)
{
	size_t at = 0;

	if (host.len && host.data[0] == '[') { /* IPv6 or later (RFC 3986 3.2.2) */
		for (at = 1; at < host.len && host.data[at] != ']'; at++) {
			if (http_hex(host.data[at]) < 0 && host.data[at] != ':' &&
			    host.data[at] != '.')
				return false;
		}
		if (at == host.len)
			return false;
		at++;
	} else {
		while (at < host.len &&
		       (is_unreserved(host.data[at]) ||
		        slice_find(SLICE("!$&'()*+,;=%"), host.data[at]) < 12))
			at++;
	}
	if (at < host.len && host.data[at++] != ':')
		return false;
	while (at < host.len && is_digit(host.data[at]))
		at++;
	return at == host.len;
}

int http_hex(uint8_t digit)
{
	uint8_t lower = digit | 0x20;

	if (is_digit(digit))
		return digit - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool http_path_is_plain(struct slice path)
{
	uint8_t before = 0;

	if (!path.len || path.data[0] != '/')
		return false;
	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.data[i];
		/* A segment that starts with a dot may be one to remove: let that be
		 * decided where it is done. */
		if (c == '%' || c == 0 || (before == '/' && (c == '/' || c == '.')))
			return false;
		before = c;
	}
	return true;
}

/* One byte of the path, escapes decoded. */
static bool next_byte(struct cursor *in, uint8_t *byte)
{
	int high, low;

	*byte = cursor_u8(in);
	if (*byte != '%')
		return *byte != 0;
	high = http_hex(cursor_u8(in));
	low = http_hex(cursor_u8(in));
	if (in->failed || high < 0 || low < 0)
		return false;
	*byte = (uint8_t)(high << 4 | low);
	return *byte != 0 && *byte != '/';
}

/*
 * A segment has ended, in front of a '/' or of the path's end; *start is where it began.
 * An empty one and "." are dropped, ".." drops the one before it too; any other stays,
 * and so does the slash behind it. False if there is nothing left to drop.
 */
static bool end_segment(struct writer *out, size_t *start, bool slash)
{
	size_t size = out->at - *start, up = *start - 1; /* the slash in front */
	bool dots = size <= 2;

	for (size_t at = *start; dots && at < out->at; at++)
		dots = out->start[at] == '.';
	if (!dots) {
		if (slash)
			writer_u8(out, '/');
	} else if (size == 2) {
		if (up == 0)
			return false;
		while (up > 1 && out->start[up - 1] != '/')
			up--;
		out->at = up;
	} else {
		out->at = *start;
	}
	*start = out->at;
	return true;
}

bool http_decode_path(struct slice path, struct writer *out)
{
	struct cursor in = cursor_of(path);
	size_t segment;

	writer_u8(out, '/');
	if (cursor_u8(&in) != '/' || out->failed)
		return false;
	segment = out->at;
	while (cursor_left(&in)) {
		uint8_t byte;

		if (cursor_peek(&in) == '/') {
			(void)cursor_u8(&in);
			if (!end_segment(out, &segment, true))
				return false;
		} else {
			if (!next_byte(&in, &byte))
				return false;
			writer_u8(out, byte);
		}
	}
	return end_segment(out, &segment, false) && !out->failed;
}

void http_encode_path(struct writer *out, struct slice path)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.data[i];
		if (is_unreserved(c) || c == '/') {
			writer_u8(out, c);
		} else {
			writer_u8(out, '%');
			writer_u8(out, (uint8_t)hex[c >> 4]);
			writer_u8(out, (uint8_t)hex[c & 15]);
		}
	}
}
