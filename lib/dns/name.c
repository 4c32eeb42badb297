/*
 * Names (RFC 1035, 3.1 and 4.1.4): text, comparison, and their way out of a message. See
 * <kiln/dns.h>. Two bytes of a length's upper bits tell a label (00) from a compression
 * pointer (11); the other two kinds do not exist any more (RFC 6891, 5).
 */
#include <kiln/dns.h>
#include "dns_private.h"

enum { LABEL = 0x00, POINTER = 0xc0, KIND = 0xc0 };
/* A name has 127 labels at most; more pointers than that are no honest encoder's. */
enum { STEPS = 255 };

/* ---- out of a message ---- */

bool dns_name_read(struct slice message, struct cursor *c, struct dns_name *name)
{
	struct writer w = writer_of(name->bytes, sizeof(name->bytes));
	struct cursor at = cursor_of(message);
	size_t first = message.len - cursor_left(c); /* of the run of labels being read */
	bool jumped = false;

	at.failed = c->failed;
	cursor_skip(&at, first);
	for (unsigned step = 0; step < STEPS && !at.failed && !w.failed; step++) {
		uint8_t length = cursor_u8(&at);

		if ((length & KIND) == LABEL) {
			writer_u8(&w, length);
			writer_copy(&w, &at, length);
			if (length > 0 || at.failed || w.failed)
				continue;
			if (!jumped)
				cursor_skip(c, at.at - first);
			name->size = (uint8_t)writer_done(&w).len;
			return true;
		}
		size_t target = (size_t)(length & ~KIND) << 8 | cursor_u8(&at);
		if ((length & KIND) != POINTER || at.failed || target >= first)
			break;
		if (!jumped)
			cursor_skip(c, at.at - first);
		jumped = true;
		first = target;
		at = cursor_of(message);
		cursor_skip(&at, target);
	}
	c->failed = true;
	name->size = 0;
	return false;
}

/* ---- text ---- */

/* The byte that stands at the cursor, escaped or not; *dot: it ends a label. */
static uint8_t text_byte(struct cursor *c, bool *dot)
{
	uint8_t byte = cursor_u8(c);
	uint64_t value;

	*dot = byte == '.';
	if (byte != '\\')
		return byte;
	struct cursor number = *c;
	struct slice digits = cursor_bytes(&number, 3);
	if (!number.failed && slice_decimal(digits, 255, &value)) {
		*c = number;
		return (uint8_t)value;
	}
	byte = cursor_u8(c);
	if (byte >= '0' && byte <= '9')
		c->failed = true;
	return byte;
}

/* Writes the label that stands at the cursor, and goes past the dot behind it. False: it is
 * empty or too long. */
static bool text_label(struct cursor *c, struct writer *w)
{
	uint8_t label[DNS_LABEL_SIZE];
	struct writer out = writer_of(label, sizeof(label));

	while (cursor_left(c) && !c->failed) {
		bool dot;
		uint8_t byte = text_byte(c, &dot);
		if (dot)
			break;
		writer_u8(&out, byte);
	}
	struct slice done = writer_done(&out);
	writer_u8(w, (uint8_t)done.len);
	writer_bytes(w, done);
	return !c->failed && !out.failed && done.len > 0;
}

bool dns_name_parse(struct slice text, struct dns_name *name)
{
	struct writer w = writer_of(name->bytes, sizeof(name->bytes));
	struct cursor c = cursor_of(text);

	name->size = 0;
	if (text.len == 0)
		return false;
	if (slice_equal(text, SLICE(".")))
		cursor_skip(&c, 1);
	while (cursor_left(&c)) {
		if (!text_label(&c, &w))
			return false;
	}
	writer_u8(&w, 0);
	if (w.failed)
		return false;
	name->size = (uint8_t)writer_done(&w).len;
	return true;
}

static void format_byte(struct writer *w, uint8_t byte)
{
	if (byte <= ' ' || byte > '~')
		writer_format(w, "\\%u%u%u", byte / 100u, byte / 10u % 10u, byte % 10u);
	else
		writer_format(w, byte == '.' || byte == '\\' ? "\\%c" : "%c", byte);
}

void dns_name_format(struct writer *w, const struct dns_name *name)
{
	struct cursor c = cursor_of(dns_name_slice(name));

	for (bool first = true;; first = false) {
		struct slice label = cursor_bytes(&c, cursor_u8(&c));

		if (label.len == 0) {
			writer_text(w, first ? "." : "");
			return;
		}
		writer_text(w, first ? "" : ".");
		for (size_t i = 0; i < label.len; i++)
			format_byte(w, label.data[i]);
	}
}

/* ---- comparison ---- */

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	/* The lengths in between are below 'A', so that case does not touch them. */
	return slice_equal_nocase(dns_name_slice(a), dns_name_slice(b));
}

bool dns_name_in(const struct dns_name *name, const struct dns_name *suffix)
{
	struct cursor c = cursor_of(dns_name_slice(name));

	while (cursor_left(&c) > suffix->size)
		cursor_skip(&c, cursor_u8(&c));
	return slice_equal_nocase(cursor_rest(&c), dns_name_slice(suffix));
}

unsigned dns_name_labels(const struct dns_name *name)
{
	struct cursor c = cursor_of(dns_name_slice(name));
	unsigned count = 0;

	for (;;) {
		uint8_t length = cursor_u8(&c);
		if (length == 0)
			return count;
		cursor_skip(&c, length);
		count++;
	}
}

bool dns_name_join(const struct dns_name *first, const struct dns_name *second,
                   struct dns_name *name)
{
	struct writer w = writer_of(name->bytes, sizeof(name->bytes));

	name->size = 0;
	if (first->size == 0)
		return false;
	writer_bytes(&w, slice_take(dns_name_slice(first), first->size - 1u));
	writer_bytes(&w, dns_name_slice(second));
	if (w.failed)
		return false;
	name->size = (uint8_t)writer_done(&w).len;
	return true;
}

void dns_name_lower(struct dns_name *name)
{
	for (unsigned i = 0; i < name->size; i++) {
		uint8_t c = name->bytes[i];
		if (c >= 'A' && c <= 'Z')
			name->bytes[i] = (uint8_t)(c | 0x20);
	}
}
