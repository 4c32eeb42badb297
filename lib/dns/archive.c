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

/* Octal digits between blanks, and a blank or a zero byte behind them. */
static bool octal(struct slice text, uint64_t *value)
{
	struct cursor c = cursor_of(text);
	bool any = false;

	*value = 0;
	while (cursor_peek(&c) == ' ')
		cursor_skip(&c, 1);
	while (cursor_peek(&c) >= '0' && cursor_peek(&c) <= '7') {
		if (*value >> 60)
			return false;
		*value = *value << 3 | (cursor_u8(&c) & 7u);
		any = true;
	}
	return any &&
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
	uint64_t sum, said;

	if (c->failed)
		return false;
	sum = sum_of(block);
	h->zero = sum == 8 * ' ';
	if (h->zero)
		return true;
	h->name = text_of(cursor_bytes(&fields, NAME));
	cursor_skip(&fields, 8 + 8 + 8); /* mode, owner, group */
	struct slice size = cursor_bytes(&fields, 12);
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
	return octal(size, &h->size) && octal(checksum, &said) && said == sum;
}

bool dns_archive_size(struct slice header, uint64_t *size)
{
	struct cursor c = cursor_of(header);
	struct header h;

	if (!read_header(&c, &h))
		return false;
	*size = h.zero ? 0 : h.size;
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

static struct slice without_dot(struct slice path)
{
	while (slice_starts_with(path, SLICE("./")))
		path = slice_skip(path, 2);
	return path;
}

/* The path in an extended header: records "LENGTH KEY=VALUE\n", the length that of all. */
static struct slice extended_path(struct slice content)
{
	struct slice path = slice_take(content, 0);

	while (content.len) {
		size_t blank = slice_find(content, ' ');
		uint64_t size;

		if (!slice_decimal(slice_take(content, blank), content.len, &size) ||
		    size <= blank + 1)
			break;
		struct slice pair =
		    slice_skip(slice_take(content, (size_t)size - 1), blank + 1);
		if (slice_starts_with(pair, SLICE("path=")))
			path = slice_skip(pair, 5);
		content = slice_skip(content, (size_t)size);
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
	struct slice path = {0}; /* a long one, which comes before the file it is of */
	struct header h;

	while (!archive->failed) {
		if (!read_header(c, &h) || (!h.zero && h.size > cursor_left(c))) {
			archive->failed = true;
			break;
		}
		if (h.zero)
			break;
		archive->content = cursor_bytes(c, (size_t)h.size);
		cursor_skip(c, KILN_MIN(-(size_t)h.size % BLOCK, cursor_left(c)));
		archive->path = without_dot(path.len ? path : join(archive, &h));
		if (h.type == '0' || h.type == 0)
			return true;
		path = h.type == 'L'   ? text_of(archive->content)
		       : h.type == 'x' ? extended_path(archive->content)
		                       : slice_take(path, 0);
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
