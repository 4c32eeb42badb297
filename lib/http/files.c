/*
 * http_files: serves an embedded folder. What a file's response says of it (status line,
 * type, length, validators) never changes, so the head is made once, when the file is
 * first asked for, and kept; a request then costs a lookup, a copy of that head with the
 * date behind it, and a reference to the content.
 *
 * Conditions are looked at in the order of RFC 9110 13.2.2. The entity tag is strong: it
 * is the digest of the bytes that are sent. Of several ranges none is served: the whole
 * content is sent, which RFC 9110 14.2 leaves to the server.
 *
 * A file that is there in several codings has a representation for each (RFC 9110 3.2).
 * One is chosen first, and all else (validators, conditions, ranges) is about that one.
 */
#include "http_private.h"

/* A quoted tag: the digest in hexadecimal. */
enum { ETAG_SIZE = 2 + 2 * 16, PATH_SIZE = 512, HEAD_SIZE = 512 };
enum { LOCATION_SIZE = HTTP_ADDED_MAX - 12 }; /* without "Location: " and CR LF */

static bool has(const struct http_head *head, enum http_known known)
{
	return head->first[known] != 0;
}

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

/* ---- representations ---- */

struct form {
	const struct embed_file *file;
	struct slice content;
	const uint8_t *digest;
	unsigned coding; /* HTTP_IDENTITY; HTTP_CODINGS: none that the client accepts */
};

static struct form form_in(const struct embed_file *file, unsigned coding)
{
	if (coding < EMBED_CODINGS)
		return (struct form){file, file->coded[coding].content,
		                     file->coded[coding].digest, coding};
	return (struct form){file, file->content, file->digest, coding};
}

/* Is there a choice, so that the answer depends on Accept-Encoding? */
static bool has_choice(const struct embed_file *file)
{
	return file->coded[EMBED_GZIP].content.len ||
	       file->coded[EMBED_BROTLI].content.len;
}

/* The form that the client asks for. */
static struct form form_for(const struct http_head *head, const struct embed_file *file)
{
	bool available[HTTP_CODINGS] = {
	    [EMBED_GZIP] = file->coded[EMBED_GZIP].content.len,
	    [EMBED_BROTLI] = file->coded[EMBED_BROTLI].content.len,
	    [HTTP_IDENTITY] = true,
	};
	struct http_codings codings = {0};
	struct slice value;

	if (!has(head, HTTP_FIELD_ACCEPT_ENCODING))
		return form_in(file, HTTP_IDENTITY);
	for (unsigned at = 0;
	     http_head_each(head, HTTP_FIELD_ACCEPT_ENCODING, &at, &value);)
		http_codings_read(&codings, value);
	return form_in(file, http_codings_choose(&codings, available));
}

static struct slice etag_of(const struct form *form, uint8_t tag[ETAG_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	tag[0] = tag[ETAG_SIZE - 1] = '"';
	for (unsigned i = 0; i < sizeof(form->file->digest); i++) {
		tag[1 + 2 * i] = (uint8_t)hex[form->digest[i] >> 4];
		tag[2 + 2 * i] = (uint8_t)hex[form->digest[i] & 15];
	}
	return slice_of(tag, ETAG_SIZE);
}

/* Where there is a choice, caches must know what it was made by (RFC 9110 12.5.5). */
static void put_vary(struct writer *w, const struct embed_file *file)
{
	if (has_choice(file))
		writer_text(w, "Vary: Accept-Encoding\r\n");
}

/* The build may know of no time. One that is still to come is none that a file can have
 * been modified at: our clock is behind that of the build, and the Date would be too
 * (RFC 9110 8.8.2.1). */
static void put_validators(struct http *http, struct writer *w, const struct form *form)
{
	uint8_t tag[ETAG_SIZE];

	http_put_field(w, "ETag", etag_of(form, tag));
	if (form->file->modified &&
	    form->file->modified <= kiln_wall(http->kiln) / KILN_SECONDS(1)) {
		writer_text(w, "Last-Modified: ");
		http_format_date(w, form->file->modified);
		writer_text(w, "\r\n");
	}
	put_vary(w, form->file);
}

static void put_number_field(struct writer *w, const char *name, uint64_t value)
{
	writer_text(w, name);
	writer_text(w, ": ");
	http_put_number(w, value);
	writer_text(w, "\r\n");
}

/* What any response with this form's content says of it. */
static void put_content_fields(struct writer *w, const struct form *form, size_t length)
{
	static const char *const names[EMBED_CODINGS] = {
	    [EMBED_GZIP] = "gzip",
	    [EMBED_BROTLI] = "br",
	};

	http_put_field(w, "Content-Type", slice_text(type_of(form->file->path)));
	if (form->coding < EMBED_CODINGS)
		http_put_field(w, "Content-Encoding", slice_text(names[form->coding]));
	put_number_field(w, "Content-Length", length);
}

static void put_file_head(struct http *http, struct writer *w, const struct form *form)
{
	http_put_status(w, 200);
	put_content_fields(w, form, form->content.len);
	put_validators(http, w, form);
	writer_text(w, "Accept-Ranges: bytes\r\n");
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
	    arena_try(arena, embed->count * sizeof(*site->heads), _Alignof(struct slice));
	if (site->heads)
		memset(site->heads, 0, embed->count * sizeof(*site->heads));
	site->next = http->sites;
	http->sites = site;
	return site;
}

/* The 200 head of a file: kept, or made anew in the writer where it cannot be kept. */
static struct slice head_of(struct http *http, const struct embed *embed,
                            const struct form *form, struct writer *w)
{
	struct http_site *site = site_of(http, embed);
	struct slice *kept = site && site->heads
	                         ? &site->heads[form->file - embed->files][form->coding]
	                         : NULL;
	uint8_t *copy;

	if (kept && kept->len)
		return *kept;
	put_file_head(http, w, form);
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
	struct form form;

	if (name.len && find_index(embed, name, "/index.html")) {
		send_to_folder(x, name);
	} else if (page) {
		form = form_for(x->head, page);
		if (form.coding == HTTP_CODINGS) /* the status says what matters most */
			form = form_in(page, HTTP_IDENTITY);
		http_put_status(&w, 404);
		put_content_fields(&w, &form, form.content.len);
		put_vary(&w, page);
		http_respond_prepared(x, 404, writer_done(&w), form.content);
	} else {
		http_error(x, 404);
	}
}

/* ---- conditions (RFC 9110 13) ---- */

static bool tag_listed(const struct http_head *head, enum http_known known,
                       struct slice tag, bool weak)
{
	struct slice value;

	for (unsigned at = 0; http_head_each(head, known, &at, &value);)
		if (http_etag_match(value, tag, weak))
			return true;
	return false;
}

/* The date in a condition; of a file that has none, conditions with dates are passed over
 * (RFC 9110 13.1.3, 13.1.4). */
static bool date_in(const struct http_exchange *x, const struct form *form,
                    enum http_known known, uint64_t *date)
{
	struct slice value;
	uint64_t now = kiln_wall(conn_of(x)->http->kiln) / KILN_SECONDS(1);

	return form->file->modified && http_head_known(x->head, known, &value) &&
	       http_parse_date(value, now, date);
}

/* 0: go on; else 304 or 412. */
static unsigned check_conditions(const struct http_exchange *x, const struct form *form)
{
	const struct http_head *head = x->head;
	uint8_t text[ETAG_SIZE];
	struct slice tag = etag_of(form, text);
	uint64_t date;

	if (has(head, HTTP_FIELD_IF_MATCH)) {
		if (!tag_listed(head, HTTP_FIELD_IF_MATCH, tag, false))
			return 412;
	} else if (date_in(x, form, HTTP_FIELD_IF_UNMODIFIED_SINCE, &date) &&
	           form->file->modified > date) {
		return 412;
	}
	if (has(head, HTTP_FIELD_IF_NONE_MATCH))
		return tag_listed(head, HTTP_FIELD_IF_NONE_MATCH, tag, true) ? 304 : 0;
	if (date_in(x, form, HTTP_FIELD_IF_MODIFIED_SINCE, &date) &&
	    form->file->modified <= date)
		return 304;
	return 0;
}

/* If-Range: the range is meant for this very content (13.1.5). */
static bool range_applies(const struct http_exchange *x, const struct form *form)
{
	uint8_t text[ETAG_SIZE];
	struct slice value;
	uint64_t date;

	if (x->method != HTTP_GET || x->head->repeated[HTTP_FIELD_RANGE])
		return false;
	if (!http_head_known(x->head, HTTP_FIELD_IF_RANGE, &value))
		return true;
	if (value.len && value.data[0] == '"')
		return slice_equal(value, etag_of(form, text));
	return date_in(x, form, HTTP_FIELD_IF_RANGE, &date) &&
	       date == form->file->modified;
}

/* ---- answers that are not simply the file ---- */

static void send_not_modified(struct http_exchange *x, const struct form *form)
{
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));

	http_put_status(&w, 304);
	put_validators(conn_of(x)->http, &w, form);
	http_respond_prepared(x, 304, writer_done(&w), SLICE(""));
}

static void send_range(struct http_exchange *x, const struct form *form, uint64_t first,
                       uint64_t last)
{
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));
	struct slice part =
	    slice_take(slice_skip(form->content, first), last - first + 1);

	http_put_status(&w, 206);
	put_content_fields(&w, form, part.len);
	writer_text(&w, "Content-Range: bytes ");
	http_put_number(&w, first);
	writer_text(&w, "-");
	http_put_number(&w, last);
	writer_text(&w, "/");
	http_put_number(&w, form->content.len);
	writer_text(&w, "\r\n");
	put_validators(conn_of(x)->http, &w, form);
	http_respond_prepared(x, 206, writer_done(&w), part);
}

static void send_unsatisfiable(struct http_exchange *x, const struct form *form)
{
	uint8_t text[40];
	struct writer w = writer_of(text, sizeof(text));

	writer_text(&w, "bytes */");
	http_put_number(&w, form->content.len);
	http_add_header(x, "Content-Range", writer_done(&w));
	http_error(x, 416);
}

/* True if the conditions or a range were answered. */
static bool send_special(struct http_exchange *x, const struct form *form)
{
	unsigned status = check_conditions(x, form);
	uint64_t first, last;
	struct slice value;

	if (status == 304) {
		send_not_modified(x, form);
		return true;
	}
	if (status) {
		http_error(x, status);
		return true;
	}
	if (!http_head_known(x->head, HTTP_FIELD_RANGE, &value) ||
	    !range_applies(x, form))
		return false;
	switch (http_parse_range(value, form->content.len, &first, &last)) {
	case HTTP_RANGE_ONE:
		send_range(x, form, first, last);
		return true;
	case HTTP_RANGE_UNSATISFIABLE:
		send_unsatisfiable(x, form);
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

/* The only form that the client would take is one that there is not. */
static void send_unacceptable(struct http_exchange *x)
{
	http_add_header(x, "Vary", SLICE("Accept-Encoding"));
	http_error(x, 406);
}

void http_files(struct http_exchange *x, const void *context)
{
	const struct embed *embed = context;
	struct slice name = slice_skip(x->path, 1);
	const struct embed_file *file;
	uint8_t text[HEAD_SIZE];
	struct writer w = writer_of(text, sizeof(text));
	struct form form;

	if (x->method != HTTP_GET && x->method != HTTP_HEAD) {
		http_allow(x, "GET, HEAD, OPTIONS");
		return;
	}
	file = find(embed, name);
	if (!file) {
		send_missing(x, embed, name);
		return;
	}
	form = form_for(x->head, file);
	if (form.coding == HTTP_CODINGS)
		send_unacceptable(x);
	else if (!is_special(x->head) || !send_special(x, &form))
		http_respond_prepared(x, 200, head_of(conn_of(x)->http, embed, &form, &w),
		                      form.content);
}
