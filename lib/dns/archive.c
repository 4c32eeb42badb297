/*
 * Files of a tar archive (POSIX 1003.1, pax: ustar and pax interchange formats): a header of 512 bytes,
 * the content filled up to a multiple of that, and at the end two blocks of zeroes. See
 * <kiln/dns_load.h>.
 */
#include <kiln/dns_load.h>

enum { BLOCK = 512, NAME = 100, PREFIX = 155 };

/* What the header of a file says. */
struct header {
	struct slice name, prefix;
	uint64_t size;
	uint8_t type;
	bool zero; /* the archive's end */
};

/* The digits at the cursor. False: there is none, or too many. */
static bool number(struct cursor *c, unsigned base, uint64_t *value)
{
	bool any = false;

	*value = 0;
	for (; cursor_peek(c) >= '0' && cursor_peek(c) < '0' + base; any = true) {
		if (*value >> 60)
			return false;
		*value = *value * base + (cursor_u8(c) - '0');
	}
	return any;
}

/* Octal digits between blanks, and a blank or a zero byte behind them. */
static bool octal(struct slice text, uint64_t *value)
{
	struct cursor c = cursor_of(text);

	while (cursor_peek(&c) == ' ')
		cursor_skip(&c, 1);
	return number(&c, 8, value) &&
	       (cursor_left(&c) == 0 || cursor_peek(&c) == ' ' || cursor_peek(&c) == 0);
}

static struct slice text_of(struct slice field)
{
	return slice_take(field, slice_find(field, 0));
}

/* The sum of the header's bytes, its own field's counted as blanks. */
static uint64_t sum_of(struct slice block)
{
	struct cursor c = cursor_of(block);
	uint64_t sum = 0;

	for (unsigned i = 0; i < BLOCK; i++) {
		uint8_t byte = cursor_u8(&c);
		sum += i >= 148 && i < 156 ? ' ' : byte;
	}
	return sum;
}

static bool read_header(struct cursor *c, struct header *h)
{
	struct slice block = cursor_bytes(c, BLOCK);
	struct cursor fields = cursor_of(block);
	uint64_t sum = sum_of(block), said;

	h->zero = sum == 8 * ' ';
	h->name = text_of(cursor_bytes(&fields, NAME));
	cursor_skip(&fields, 8 + 8 + 8); /* mode, owner, group */
	bool sized = octal(cursor_bytes(&fields, 12), &h->size);
	cursor_skip(&fields, 12); /* time */
	struct slice checksum = cursor_bytes(&fields, 8);
	h->type = cursor_u8(&fields);
	cursor_skip(&fields, NAME); /* of a link's target */
	struct slice magic = cursor_bytes(&fields, 6);
	cursor_skip(&fields, 2 + 32 + 32 + 8 + 8);
	h->prefix = text_of(cursor_bytes(&fields, PREFIX));
	/* GNU tar's own format has other things there. */
	if (!slice_equal(magic, SLICE("ustar\0")))
		h->prefix = slice_take(h->prefix, 0);
	return !c->failed &&
	       (h->zero || (sized && octal(checksum, &said) && said == sum));
}

bool dns_archive_size(struct slice header, uint64_t *size)
{
	struct cursor c = cursor_of(header);
	struct header h;

	if (!read_header(&c, &h))
		return false;
	*size = h.size;
	return true;
}

bool dns_archive_ends(struct slice header)
{
	return sum_of(header) == 8 * ' ';
}

static struct slice join(struct dns_archive *archive, const struct header *h)
{
	struct writer w = writer_of(archive->room, sizeof(archive->room));
	struct slice path = h->name;

	if (h->prefix.len) {
		writer_bytes(&w, h->prefix);
		writer_text(&w, "/");
		writer_bytes(&w, h->name);
		path = writer_done(&w);
	}
	return path;
}

static struct slice without_dot(struct cursor path)
{
	for (;;) {
		struct cursor behind = path;

		if (!slice_equal(cursor_bytes(&behind, 2), SLICE("./")))
			return cursor_rest(&path);
		path = behind;
	}
}

/* Nothing of what a cursor is over. */
static struct cursor none_of(struct cursor c)
{
	c.size = c.at;
	return c;
}

/* Up to a byte of zero. */
static struct cursor long_path(struct cursor content)
{
	struct cursor end = content;

	while (cursor_peek(&end))
		cursor_skip(&end, 1);
	content.size = end.at;
	return content;
}

/* The path in an extended header: records "LENGTH KEY=VALUE\n", the length that of all. */
static struct cursor extended_path(struct cursor content)
{
	struct cursor path = none_of(content);

	while (cursor_left(&content)) {
		struct cursor record = content;
		uint64_t size;

		if (!number(&record, 10, &size) || cursor_u8(&record) != ' ' ||
		    size > cursor_left(&content))
			break;
		cursor_skip(&content, (size_t)size);
		if (record.at >= content.at)
			break;
		record.size = content.at - 1;
		if (slice_equal(cursor_bytes(&record, 5), SLICE("path=")))
			path = record;
	}
	return path;
}

void dns_archive_open(struct dns_archive *archive, struct slice bytes)
{
	archive->c = cursor_of(bytes);
	archive->failed = false;
}

bool dns_archive_next(struct dns_archive *archive)
{
	struct cursor *c = &archive->c;
	/* A long one, which comes before the file it is of. */
	struct cursor path = none_of(*c);
	struct header h;

	while (!archive->failed) {
		if (!read_header(c, &h) || h.size > cursor_left(c)) {
			archive->failed = true;
			break;
		}
		if (h.zero)
			break;
		struct cursor content = cursor_sub(c, (size_t)h.size);
		cursor_skip(c, KILN_MIN(-(size_t)h.size % BLOCK, cursor_left(c)));
		if (h.type == '0' || h.type == 0) {
			archive->path = cursor_left(&path)
			                    ? without_dot(path)
			                    : without_dot(cursor_of(join(archive, &h)));
			archive->content = cursor_rest(&content);
			return true;
		}
		path = h.type == 'L'   ? long_path(content)
		       : h.type == 'x' ? extended_path(content)
		                       : none_of(content);
	}
	return false;
}

const char *dns_archive_read(void *context, struct slice path, struct slice *text)
{
	const struct slice *bytes = context;
	struct dns_archive archive;

	dns_archive_open(&archive, *bytes);
	while (dns_archive_next(&archive)) {
		if (slice_equal(archive.path, path)) {
			*text = archive.content;
			return NULL;
		}
	}
	return "there is no such file in the archive";
}
