/*
 * http_files: serves an embedded folder. What a file's response says of it (status line,
 * type, length, validators) never changes, so the head is made once, when the file is
 * first asked for, and kept; a request then costs a lookup, a copy of that head with the
 * date behind it, and a reference to the content.
 *
 * Conditions are looked at in the order of RFC 9110 13.2.2. The entity tag is strong: it
 * is the digest of the content. Of several ranges none is served: the whole content is
 * sent, which RFC 9110 14.2 leaves to the server.
 */
#include "http_private.h"

/* A quoted tag: the digest in hexadecimal. */
enum { ETAG_SIZE = 2 + 2 * 16, PATH_SIZE = 512, HEAD_SIZE = 512 };
enum { LOCATION_SIZE = HTTP_ADDED_MAX - 12 }; /* without "Location: " and CR LF */

/* ---- facts about a file ---- */

static const char *type_of(struct slice path)
{
	static const struct {
		char extension[12];
		char type[36];
	} types[] = {
	    {"html", "text/html; charset=utf-8"},
	    {"htm", "text/html; charset=utf-8"},
	    {"css", "text/css; charset=utf-8"},
	    {"js", "text/javascript; charset=utf-8"},
	    {"mjs", "text/javascript; charset=utf-8"},
	    {"txt", "text/plain; charset=utf-8"},
	    {"md", "text/markdown; charset=utf-8"},
	    {"csv", "text/csv; charset=utf-8"},
	    {"xml", "application/xml"},
	    {"json", "application/json"},
	    {"map", "application/json"},
	    {"webmanifest", "application/manifest+json"},
	    {"svg", "image/svg+xml"},
	    {"png", "image/png"},
	    {"jpg", "image/jpeg"},
	    {"jpeg", "image/jpeg"},
	    {"gif", "image/gif"},
	    {"webp", "image/webp"},
	    {"avif", "image/avif"},
	    {"ico", "image/vnd.microsoft.icon"},
	    {"woff", "font/woff"},
	    {"woff2", "font/woff2"},
	    {"ttf", "font/ttf"},
	    {"otf", "font/otf"},
	    {"pdf", "application/pdf"},
	    {"wasm", "application/wasm"},
	    {"zip", "application/zip"},
	    {"gz", "application/gzip"},
	    {"mp3", "audio/mpeg"},
	    {"ogg", "audio/ogg"},
	    {"mp4", "video/mp4"},
	    {"webm", "video/webm"},
	};
	size_t dot = path.len;

	while (dot && path.data[dot - 1] != '.' && path.data[dot - 1] != '/')
		dot--;
	if (dot && path.data[dot - 1] == '.') {
		struct slice extension = slice_skip(path, dot);
		for (unsigned i = 0; i < KILN_COUNT_OF(types); i++) {
			if (slice_equal_nocase(extension, slice_text(types[i].extension)))
				return types[i].type;
		}
	}
	return "application/octet-stream";
}

static struct slice etag_of(const struct embed_file *file, uint8_t tag[ETAG_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	tag[0] = tag[ETAG_SIZE - 1] = '"';
	for (unsigned i = 0; i < sizeof(file->digest); i++) {
		tag[1 + 2 * i] = (uint8_t)hex[file->digest[i] >> 4];
		tag[2 + 2 * i] = (uint8_t)hex[file->digest[i] & 15];
	}
	return slice_of(tag, ETAG_SIZE);
}

/* A time that is still to come is none that a file can have been modified at: our clock
 * is behind that of the build, and the Date would be too (RFC 9110 8.8.2.1). */
static void put_validators(struct http *http, struct writer *w,
                           const struct embed_file *file)
{
	uint8_t tag[ETAG_SIZE];

	http_put_field(w, "ETag", etag_of(file, tag));
	if (file->modified > kiln_wall(http->kiln) / KILN_SECONDS(1))
		return;
	writer_text(w, "Last-Modified: ");
	http_format_date(w, file->modified);
	writer_text(w, "\r\n");
}

static void put_number_field(struct writer *w, const char *name, uint64_t value)
{
	writer_text(w, name);
	writer_text(w, ": ");
	http_put_number(w, value);
	writer_text(w, "\r\n");
}

static void put_file_head(struct http *http, struct writer *w,
                          const struct embed_file *file, unsigned status)
{
	http_put_status(w, status);
	http_put_field(w, "Content-Type", slice_text(type_of(file->path)));
	put_number_field(w, "Content-Length", file->content.len);
	if (status == 200) {
		put_validators(http, w, file);
		writer_text(w, "Accept-Ranges: bytes\r\n");
	}
}

/* ---- heads that are kept ---- */

/* What is kept of the folder; made at its first request. NULL while memory does not
 * allow. */
static struct http_site *site_of(struct http *http, const struct embed *embed)
{
	struct arena *arena = &http->kiln->arena;
	struct http_site *site = http->sites;

	while (site && site->embed != embed)
		site = site->next;
	if (site)
		return site;
	site = arena_try(arena, sizeof(*site), _Alignof(struct http_site));
	if (!site)
		return NULL;
	site->embed = embed;
	site->heads =
	    arena_try(arena, embed->count * sizeof(struct slice), _Alignof(struct slice));
	if (site->heads)
		memset(site->heads, 0, embed->count * sizeof(struct slice));
	site->next = http->sites;
	http->sites = site;
	return site;
}

/* The 200 head of a file: kept, or made anew in the writer where it cannot be kept. */
static struct slice head_of(struct http *http, const struct embed *embed,
                            const struct embed_file *file, struct writer *w)
{
	struct http_site *site = site_of(http, embed);
	struct slice *kept =
	    site && site->heads ? &site->heads[file - embed->files] : NULL;
	uint8_t *copy;

	if (kept && kept->len)
		return *kept;
	put_file_head(http, w, file, 200);
	copy = kept && !w->failed ? arena_try(&http->kiln->arena, writer_done(w).len, 1)
	                          : NULL;
	if (!copy)
		return writer_done(w);
	memcpy(copy, w->start, writer_done(w).len);
	*kept = slice_of(copy, writer_done(w).len);
	return *kept;
}

/* ---- finding ---- */

static const struct embed_file *find_index(const struct embed *embed, struct slice folder,
                                           const char *index)
{
	uint8_t name[PATH_SIZE];
	struct writer w = writer_of(name, sizeof(name));

	writer_bytes(&w, folder);
	writer_text(&w, index);
	return w.failed ? NULL : embed_find(embed, writer_done(&w));
}

/* The path without its first '/'. A folder stands for its index.html. */
static const struct embed_file *find(const struct embed *embed, struct slice name)
{
	if (!name.len || name.data[name.len - 1] == '/')
		return find_index(embed, name, "index.html");
	return embed_find(embed, name);
}

/* A folder without its last slash: relative links in its page would not work there. */
static void send_to_folder(struct http_exchange *x, struct slice name)
{
	uint8_t text[LOCATION_SIZE];
	struct writer w = writer_of(text, sizeof(text));

	writer_text(&w, "/");
	http_encode_path(&w, name);
	writer_text(&w, "/");
	if (x->query.len) {
		writer_text(&w, "?");
		writer_bytes(&w, x->query);
	}
	if (w.failed)
		http_error(x, 414);
	else
		http_redirect(x, 301, writer_done(&w));
}

static void send_missing(struct http_exchange *x, const struct embed *embed,
                         struct slice name)
{
	const struct embed_file *page = embed_find(embed, SLICE("404.html"));
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));

	if (name.len && find_index(embed, name, "/index.html")) {
		send_to_folder(x, name);
	} else if (page) {
		put_file_head(conn_of(x)->http, &w, page, 404);
		http_respond_prepared(x, 404, writer_done(&w), page->content);
	} else {
		http_error(x, 404);
	}
}

/* ---- conditions (RFC 9110 13) ---- */

static bool has(const struct http_head *head, enum http_known known)
{
	return head->first[known] != 0;
}

/* Over all fields of the name: they make one list (RFC 9110 5.3). */
static bool tag_listed(const struct http_head *head, enum http_known known,
                       struct slice tag, bool weak)
{
	const struct http_field *first = &head->fields[head->first[known] - 1];
	struct slice name = http_field_name(head, first);

	for (const struct http_field *f = first; f < head->fields + head->count; f++) {
		if (slice_equal_nocase(http_field_name(head, f), name) &&
		    http_etag_match(http_field_value(head, f), tag, weak))
			return true;
	}
	return false;
}

static bool date_in(const struct http_exchange *x, enum http_known known, uint64_t *date)
{
	struct slice value;
	uint64_t now = kiln_wall(conn_of(x)->http->kiln) / KILN_SECONDS(1);

	return http_head_known(x->head, known, &value) &&
	       http_parse_date(value, now, date);
}

/* 0: go on; else 304 or 412. */
static unsigned check_conditions(const struct http_exchange *x,
                                 const struct embed_file *file)
{
	const struct http_head *head = x->head;
	uint8_t text[ETAG_SIZE];
	struct slice tag = etag_of(file, text);
	uint64_t date;

	if (has(head, HTTP_FIELD_IF_MATCH)) {
		if (!tag_listed(head, HTTP_FIELD_IF_MATCH, tag, false))
			return 412;
	} else if (date_in(x, HTTP_FIELD_IF_UNMODIFIED_SINCE, &date) &&
	           file->modified > date) {
		return 412;
	}
	if (has(head, HTTP_FIELD_IF_NONE_MATCH))
		return tag_listed(head, HTTP_FIELD_IF_NONE_MATCH, tag, true) ? 304 : 0;
	if (date_in(x, HTTP_FIELD_IF_MODIFIED_SINCE, &date) && file->modified <= date)
		return 304;
	return 0;
}

/* If-Range: the range is meant for this very content (13.1.5). */
static bool range_applies(const struct http_exchange *x, const struct embed_file *file)
{
	uint8_t text[ETAG_SIZE];
	struct slice value;
	uint64_t date;

	if (x->method != HTTP_GET || x->head->repeated[HTTP_FIELD_RANGE])
		return false;
	if (!http_head_known(x->head, HTTP_FIELD_IF_RANGE, &value))
		return true;
	if (value.len && value.data[0] == '"')
		return slice_equal(value, etag_of(file, text));
	return date_in(x, HTTP_FIELD_IF_RANGE, &date) && date == file->modified;
}

/* ---- answers that are not simply the file ---- */

static void send_not_modified(struct http_exchange *x, const struct embed_file *file)
{
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));

	http_put_status(&w, 304);
	put_validators(conn_of(x)->http, &w, file);
	http_respond_prepared(x, 304, writer_done(&w), SLICE(""));
}

static void send_range(struct http_exchange *x, const struct embed_file *file,
                       uint64_t first, uint64_t last)
{
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));
	struct slice part =
	    slice_take(slice_skip(file->content, first), last - first + 1);

	http_put_status(&w, 206);
	http_put_field(&w, "Content-Type", slice_text(type_of(file->path)));
	put_number_field(&w, "Content-Length", part.len);
	writer_text(&w, "Content-Range: bytes ");
	http_put_number(&w, first);
	writer_text(&w, "-");
	http_put_number(&w, last);
	writer_text(&w, "/");
	http_put_number(&w, file->content.len);
	writer_text(&w, "\r\n");
	put_validators(conn_of(x)->http, &w, file);
	http_respond_prepared(x, 206, writer_done(&w), part);
}

static void send_unsatisfiable(struct http_exchange *x, const struct embed_file *file)
{
	uint8_t text[40];
	struct writer w = writer_of(text, sizeof(text));

	writer_text(&w, "bytes */");
	http_put_number(&w, file->content.len);
	http_add_header(x, "Content-Range", writer_done(&w));
	http_error(x, 416);
}

/* True if the conditions or a range were answered. */
static bool send_special(struct http_exchange *x, const struct embed_file *file)
{
	unsigned status = check_conditions(x, file);
	uint64_t first, last;
	struct slice value;

	if (status == 304) {
		send_not_modified(x, file);
		return true;
	}
	if (status) {
		http_error(x, status);
		return true;
	}
	if (!http_head_known(x->head, HTTP_FIELD_RANGE, &value) ||
	    !range_applies(x, file))
		return false;
	switch (http_parse_range(value, file->content.len, &first, &last)) {
	case HTTP_RANGE_ONE:
		send_range(x, file, first, last);
		return true;
	case HTTP_RANGE_UNSATISFIABLE:
		send_unsatisfiable(x, file);
		return true;
	case HTTP_RANGE_NONE:
		break;
	}
	return false;
}

static bool is_special(const struct http_head *head)
{
	return has(head, HTTP_FIELD_IF_MATCH) || has(head, HTTP_FIELD_IF_NONE_MATCH) ||
	       has(head, HTTP_FIELD_IF_MODIFIED_SINCE) ||
	       has(head, HTTP_FIELD_IF_UNMODIFIED_SINCE) || has(head, HTTP_FIELD_RANGE);
}

void http_files(struct http_exchange *x, const void *context)
{
	const struct embed *embed = context;
	struct slice name = slice_skip(x->path, 1);
	const struct embed_file *file;
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));

	if (x->method != HTTP_GET && x->method != HTTP_HEAD) {
		http_allow(x, "GET, HEAD, OPTIONS");
		return;
	}
	file = find(embed, name);
	if (!file) {
		send_missing(x, embed, name);
		return;
	}
	if (is_special(x->head) && send_special(x, file))
		return;
	http_respond_prepared(x, 200, head_of(conn_of(x)->http, embed, file, &w),
	                      file->content);
}
