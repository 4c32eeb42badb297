/*
 * The wire formats of lib/http, each parser on bytes of exact size: the first byte of the
 * input says which. What a parser lets pass keeps what its header promises of it: names
 * are tokens, paths have no dot segments, ranges lie within the content.
 */
#include "fuzz.h"
#include <errno.h>
#include <lib/http/http_wire.h>

/* A head is whole or not, and says the same however much has come behind it. */
static void check_prefixes(struct slice head)
{
	struct http_head shorter;
	size_t step = head.len / 7 + 1;

	for (size_t n = 0; n < head.len; n += step) {
		uint8_t *copy = fuzz_copy(slice_take(head, n));
		FUZZ_CHECK(http_parse_head(slice_of(copy, n), &shorter) == HTTP_MORE);
		free(copy);
	}
}

static void check_fields(const struct http_head *head)
{
	struct slice value;

	FUZZ_CHECK(head->count <= HTTP_FIELDS_MAX);
	for (unsigned i = 0; i < head->count; i++) {
		struct slice name = http_field_name(head, &head->fields[i]);
		FUZZ_CHECK(name.len && http_is_token(name));
		FUZZ_CHECK(http_is_field_value(http_field_value(head, &head->fields[i])));
		FUZZ_CHECK(http_head_find(head, name, &value));
	}
	for (unsigned known = 0; known < HTTP_KNOWN_FIELDS; known++)
		FUZZ_CHECK(http_head_known(head, known, &value) ==
		           (head->first[known] != 0));
}

static void try_head(struct slice in)
{
	struct http_head head;
	int result = http_parse_head(in, &head);

	FUZZ_CHECK(result == HTTP_PARSED || result == HTTP_MORE ||
	           (result >= 400 && result < 600));
	FUZZ_REACH(result == 431, "a head that is too large");
	if (result != HTTP_PARSED)
		return;
	FUZZ_CHECK(head.text.len <= in.len && head.text.len <= HTTP_HEAD_MAX);
	FUZZ_CHECK(memcmp(head.text.data + head.text.len - 2, "\r\n", 2) == 0);
	check_prefixes(head.text);
	check_fields(&head);
	result = http_head_check(&head);
	FUZZ_CHECK(result == 0 || (result >= 400 && result < 600));
	if (result)
		return;
	FUZZ_REACH(head.chunked, "a chunked request");
	FUZZ_REACH(head.content_length && !head.chunked, "a request with a length");
	FUZZ_REACH(head.expect_continue, "one that waits for 100");
	FUZZ_CHECK(head.chunked == (head.content_length == HTTP_UNKNOWN));
	FUZZ_CHECK(http_is_host(head.host));
	FUZZ_CHECK(head.path.len && (head.path.data[0] == '/' || head.path.len == 1));
}

enum { CONTENT_MOST = 8192 };

/* Decodes input that comes in pieces of `piece` bytes; returns the last result. */
static int decode(struct slice in, size_t piece, uint8_t *content, size_t *content_size)
{
	struct http_chunked chunked = {0};
	struct slice left = in;
	int result = HTTP_MORE;

	*content_size = 0;
	while (result == HTTP_MORE && left.len) {
		struct slice part = slice_take(left, piece), data;
		uint8_t *copy = fuzz_copy(part);
		struct cursor rest = cursor_of(slice_of(copy, part.len));

		do {
			result = http_chunked_next(&chunked, &rest, &data);
			FUZZ_CHECK(data.len <= cursor_left(&rest));
			if (!data.len)
				break;
			FUZZ_CHECK(result == HTTP_MORE && data.data == copy + rest.at);
			memcpy(content + *content_size, data.data, data.len);
			*content_size += data.len;
			cursor_skip(&rest, data.len);
			http_chunked_take(&chunked, data.len);
		} while (result == HTTP_MORE);
		left = slice_skip(left, rest.at);
		free(copy);
		if (result == HTTP_MORE)
			FUZZ_CHECK(cursor_left(&rest) == 0);
	}
	return result;
}

/* What was decoded is read again in a simple way, which knows that the body is whole. */
static void check_chunks(struct slice in, struct slice content)
{
	char *text = malloc(in.len + 1), *at = text, *end;
	size_t size;

	memcpy(text, in.data, in.len);
	text[in.len] = 0;
	do {
		errno = 0;
		size = strtoull(at, &end, 16);
		FUZZ_CHECK(errno == 0 && end > at && size <= content.len);
		at = memchr(end, '\n', (size_t)(text + in.len - end));
		FUZZ_CHECK(at && at[-1] == '\r');
		FUZZ_CHECK(memcmp(++at, content.data, size) == 0);
		content = slice_skip(content, size);
		at += size + 2;
	} while (size);
	FUZZ_CHECK(content.len == 0);
	free(text);
}

/* The cuts in the stream do not matter. */
static void try_chunked(struct slice in)
{
	static uint8_t content[2][CONTENT_MOST];
	size_t size[2], piece = in.len ? 1 + in.data[0] % 16 : 1;
	int result[2];

	in = slice_take(slice_skip(in, 1), CONTENT_MOST);
	result[0] = decode(in, in.len + 1, content[0], &size[0]);
	result[1] = decode(in, piece, content[1], &size[1]);
	FUZZ_CHECK(result[0] == result[1] && size[0] == size[1]);
	FUZZ_CHECK(memcmp(content[0], content[1], size[0]) == 0);
	if (result[0] != HTTP_PARSED)
		return;
	FUZZ_REACH(size[0], "a chunked body with content");
	check_chunks(in, slice_of(content[0], size[0]));
}

static void check_decoded(struct slice path)
{
	struct slice left = path;

	FUZZ_CHECK(path.len && path.data[0] == '/' && !memchr(path.data, 0, path.len));
	while (left.len) {
		left = slice_skip(left, 1); /* the slash */
		struct slice segment = slice_take(left, slice_find(left, '/'));
		FUZZ_CHECK(!slice_equal(segment, SLICE(".")) &&
		           !slice_equal(segment, SLICE("..")));
		left = slice_skip(left, segment.len);
		/* No segment is empty, but for the end of "dir/". */
		FUZZ_CHECK(segment.len || !left.len);
	}
}

static void try_path(struct slice path)
{
	size_t room = path.len + 1;
	uint8_t *decoded = malloc(room), *encoded = malloc(3 * room),
	        *again = malloc(3 * room);
	struct writer out = writer_of(decoded, room), code = writer_of(encoded, 3 * room),
	              twice = writer_of(again, 3 * room);

	if (http_decode_path(path, &out)) {
		struct slice plain = writer_done(&out);

		check_decoded(plain);
		FUZZ_REACH(plain.len < path.len && path.len > 20, "a path made shorter");
		if (http_path_is_plain(path))
			FUZZ_CHECK(slice_equal(plain, path));
		http_encode_path(&code, plain);
		FUZZ_CHECK(!code.failed);
		FUZZ_CHECK(http_decode_path(writer_done(&code), &twice));
		FUZZ_CHECK(slice_equal(writer_done(&twice), plain));
	} else {
		FUZZ_CHECK(!http_path_is_plain(path));
	}
	free(decoded);
	free(encoded);
	free(again);
}

static void try_target(struct slice target)
{
	struct slice host, path, query;

	if (!http_split_target(target, &host, &path, &query))
		return;
	FUZZ_REACH(host.len && query.len, "a whole URL");
	FUZZ_CHECK(http_is_host(host));
	FUZZ_CHECK(path.len && (path.data[0] == '/' || slice_equal(path, SLICE("*"))));
	FUZZ_CHECK(host.len + query.len <= target.len);
}

static void try_date(struct slice text)
{
	const uint64_t now = 784111777;
	uint64_t seconds, again;
	uint8_t formatted[HTTP_DATE_SIZE];
	struct writer w = writer_of(formatted, sizeof(formatted));

	if (!http_parse_date(text, now, &seconds))
		return;
	FUZZ_REACH(text.len == HTTP_DATE_SIZE, "an IMF date");
	FUZZ_REACH(text.len > HTTP_DATE_SIZE, "an RFC 850 date");
	FUZZ_REACH(text.len < HTTP_DATE_SIZE, "an asctime date");
	http_format_date(&w, seconds);
	FUZZ_CHECK(!w.failed && writer_left(&w) == 0);
	FUZZ_CHECK(http_parse_date(writer_done(&w), now, &again) && again == seconds);
}

static void try_range(struct slice value)
{
	static const uint64_t lengths[] = {0, 1, 10, 1u << 20, UINT64_MAX};

	for (size_t i = 0; i < KILN_COUNT_OF(lengths); i++) {
		uint64_t first = 0, last = 0;

		if (http_parse_range(value, lengths[i], &first, &last) != HTTP_RANGE_ONE)
			continue;
		FUZZ_REACH(first > 0 && last < lengths[i] - 1, "a range in the middle");
		FUZZ_CHECK(first <= last && last < lengths[i]);
	}
}

static void try_etag(struct slice value)
{
	bool strong = http_etag_match(value, SLICE("\"ab\""), false);
	bool weak = http_etag_match(value, SLICE("\"ab\""), true);

	FUZZ_REACH(strong && value.len > 8, "a list with the tag");
	FUZZ_REACH(weak && !strong, "a list with the tag, weak");
	FUZZ_CHECK(weak || !strong);
}

static void try_list(struct slice list)
{
	struct http_part element;
	size_t at = 0, before = 0;

	while (http_list_next(list, &at, &element)) {
		FUZZ_CHECK(element.at >= before && element.at < element.end &&
		           element.end <= list.len && element.end < at);
		FUZZ_CHECK(list.data[element.at] != ' ' &&
		           http_part_find(list, element, ',') == element.end);
		before = at;
	}
}

/* Of two fields; what is chosen is there, and does not depend on what is not. */
static void try_codings(struct slice value)
{
	static const bool all[HTTP_CODINGS] = {true, true, true};
	static const bool none[HTTP_CODINGS] = {[HTTP_IDENTITY] = true};
	struct http_codings codings = {0};
	unsigned best, plain;

	http_codings_read(&codings, value);
	for (unsigned i = 0; i <= HTTP_CODINGS; i++)
		FUZZ_CHECK(codings.weight[i] <= 1000 &&
		           (codings.listed[i] || !codings.weight[i]));
	best = http_codings_choose(&codings, all);
	plain = http_codings_choose(&codings, none);
	FUZZ_CHECK(plain == HTTP_IDENTITY || plain == HTTP_CODINGS);
	FUZZ_CHECK(best != HTTP_IDENTITY || plain == HTTP_IDENTITY);
	FUZZ_CHECK(best != HTTP_CODINGS || plain == HTTP_CODINGS);
	FUZZ_REACH(best == EMBED_GZIP && codings.weight[EMBED_GZIP] < 1000 &&
	               codings.weight[EMBED_BROTLI],
	           "gzip before brotli, by weight");
	FUZZ_REACH(plain == HTTP_CODINGS && best == EMBED_BROTLI, "brotli or nothing");
}

static void try_form(struct slice form)
{
	uint8_t value[64], escaped[6 * sizeof(value)];
	struct writer w = writer_of(value, sizeof(value)),
	              html = writer_of(escaped, sizeof(escaped));

	if (!http_form_value(form, "name", &w))
		return;
	FUZZ_REACH(writer_done(&w).len > 0, "a form's value");
	http_escape_html(&html, writer_done(&w));
	FUZZ_CHECK(!html.failed);
	FUZZ_CHECK(slice_find(writer_done(&html), '<') == writer_done(&html).len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {
	    try_head,  try_chunked, try_path, try_target, try_date,
	    try_range, try_etag,    try_list, try_form,   try_codings};
	struct slice bytes = slice_skip(slice_of(data, size), 1);

	if (size) {
		uint8_t *copy = fuzz_copy(bytes);
		/* The digits '0' to '9', so that inputs can be read. */
		parsers[data[0] % 16 % KILN_COUNT_OF(parsers)](slice_of(copy, bytes.len));
		free(copy);
	}
	return 0;
}
