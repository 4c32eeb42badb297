/*
 * Slices, cursors and writers: the only way bytes from outside are touched. Both count
 * from where they began, and compare before they add: what a checker of the code needs to
 * see that they stay within (test/proof).
 *
 * A slice is a borrowed, immutable run of bytes. A cursor reads through one and carries
 * its bounds: the first read past the end latches `failed`, returns zeroes (or an empty
 * slice), and so does every later one; check once, at the end. A writer is the same for
 * output: the first write that does not fit latches `failed` and writes nothing more.
 * Multi-byte integers are big-endian (network order) unless the name says le.
 */
#ifndef KILN_SLICE_H
#define KILN_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data;
	size_t len;
};

#define SLICE(literal) \
	((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).data /* for "%.*s" */

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){data, len};
}

static inline struct slice slice_text(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* The first n bytes, or all of them when there are fewer. */
static inline struct slice slice_take(struct slice s, size_t n)
{
	return (struct slice){s.data, n < s.len ? n : s.len};
}

/* What is left behind the first n bytes; empty when there are fewer. */
static inline struct slice slice_skip(struct slice s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return (struct slice){n ? s.data + n : s.data, s.len - n};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* An ASCII letter in lower case; any other byte as it is. */
static inline uint8_t byte_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Equal but for the case of ASCII letters. */
bool slice_equal_nocase(struct slice a, struct slice b);
/* <0, 0, >0 by bytes, a shorter prefix first. */
int slice_compare(struct slice a, struct slice b);
/* Index of the first such byte, or s.len. */
size_t slice_find(struct slice s, uint8_t byte);
bool slice_starts_with(struct slice s, struct slice prefix);
/* Without the given byte's runs at both ends. */
struct slice slice_trim(struct slice s, uint8_t byte);
/* Decimal digits only, no sign, at most max; false on anything else (empty, overflow). */
bool slice_decimal(struct slice s, uint64_t max, uint64_t *value);

struct cursor {
	const uint8_t *data;
	size_t size, at; /* at: bytes read, never more than size */
	bool failed;
};

static inline struct cursor cursor_of(struct slice s)
{
	return (struct cursor){s.data, s.len, 0, false};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->size - c->at;
}

/* The next n bytes, or an empty slice and a latched failure. The conditions say the same of
 * n, of the place and of the end: each bounds what it names. */
static inline struct slice cursor_bytes(struct cursor *c, size_t n)
{
	size_t end = c->at + n;

	if (c->failed || n > c->size || c->at > c->size - n || end > c->size) {
		c->failed = true;
		return (struct slice){c->data, 0};
	}
	struct slice s = {c->at ? c->data + c->at : c->data, n};
	c->at = end;
	return s;
}

/* A cursor over the next n bytes, which c goes past; a failed one if they are not there. */
static inline struct cursor cursor_sub(struct cursor *c, size_t n)
{
	struct cursor sub = *c;

	(void)cursor_bytes(c, n);
	sub.size = c->at;
	sub.failed = c->failed;
	return sub;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
	(void)cursor_bytes(c, n);
}

/* All that is left. */
static inline struct slice cursor_rest(struct cursor *c)
{
	return cursor_bytes(c, cursor_left(c));
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	if (c->failed || c->at >= c->size) {
		c->failed = true;
		return 0;
	}
	return c->data[c->at++];
}

/* Copies the next n bytes out; zeroes and a latched failure if they are not there. */
static inline void cursor_copy(struct cursor *c, uint8_t *out, size_t n)
{
	size_t at = c->at;

	cursor_skip(c, n);
	for (size_t i = 0; i < n; i++, at++)
		out[i] = c->failed || at >= c->size ? 0 : c->data[at];
}

/* The byte that cursor_u8 would read; 0 if there is none. Latches nothing. */
static inline uint8_t cursor_peek(const struct cursor *c)
{
	return c->failed || c->at >= c->size ? 0 : c->data[c->at];
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	if (c->failed || c->size < 2 || c->at > c->size - 2) {
		c->failed = true;
		return 0;
	}
	const uint8_t *p = c->data + c->at;
	c->at += 2;
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	if (c->failed || c->size < 4 || c->at > c->size - 4) {
		c->failed = true;
		return 0;
	}
	const uint8_t *p = c->data + c->at;
	c->at += 4;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct writer {
	uint8_t *start;
	size_t at, size; /* at: bytes written, never more than size */
	bool failed;
};

static inline struct writer writer_of(void *buffer, size_t size)
{
	return (struct writer){buffer, 0, size, false};
}

/* What has been written so far. */
static inline struct slice writer_done(const struct writer *w)
{
	return (struct slice){w->start, w->at};
}

static inline size_t writer_left(const struct writer *w)
{
	return w->size - w->at;
}

/* Room for n bytes, which the caller fills; NULL and a latched failure if none. */
static inline uint8_t *writer_room(struct writer *w, size_t n)
{
	if (w->failed || n > w->size || w->at > w->size - n) {
		w->failed = true;
		return NULL;
	}
	uint8_t *p = w->start + w->at;
	w->at += n;
	return p;
}

static inline void writer_bytes(struct writer *w, struct slice s)
{
	uint8_t *p = writer_room(w, s.len);
	if (p && s.len)
		memcpy(p, s.data, s.len);
}

static inline void writer_text(struct writer *w, const char *text)
{
	writer_bytes(w, slice_text(text));
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
	uint8_t *p = writer_room(w, 1);
	if (p)
		p[0] = v;
}

/* Writes the next n bytes of a cursor. One of the two has failed if it does not have them,
 * or no room for them. */
static inline void writer_copy(struct writer *w, struct cursor *from, size_t n)
{
	for (; n && !w->failed && !from->failed; n--)
		writer_u8(w, cursor_u8(from));
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
	uint8_t *p = writer_room(w, 2);
	if (p) {
		p[0] = (uint8_t)(v >> 8);
		p[1] = (uint8_t)v;
	}
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
	uint8_t *p = writer_room(w, 4);
	if (p) {
		p[0] = (uint8_t)(v >> 24);
		p[1] = (uint8_t)(v >> 16);
		p[2] = (uint8_t)(v >> 8);
		p[3] = (uint8_t)v;
	}
}

/*
 * printf into a writer. The subset that images need: %d %i %u %x %X %c %s %p %% with
 * flags 0 and -, width, precision (also * for both) and the lengths l, ll, z. No floating
 * point. A text that does not fit latches the failure and leaves the writer where it was.
 */
void writer_format(struct writer *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void writer_vformat(struct writer *w, const char *format, __builtin_va_list args)
	__attribute__((format(printf, 2, 0)));

#endif
