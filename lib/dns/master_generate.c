/*
 * $GENERATE, as BIND has it: $GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA makes
 * a record for each number. In the owner's name and in the data, which is one word or a string
 * in quotes, "$" is the number and "${OFFSET,WIDTH,BASE}" the sum of the number and the
 * offset, padded with zeroes; the base is d, o, x or X, or n or N for hexadecimal digits
 * from the last to the first, with dots between them. "$$" and "\$" are a dollar.
 */
#include "master_private.h"

struct range {
	uint64_t start, stop, step;
};

static bool read_range(struct dns_master *m, struct range *range)
{
	struct slice word;
	bool good;

	if (!master_word(m, &word))
		return false;
	struct cursor c = cursor_of(word);
	range->step = 1;
	good = master_digits(&c, INT32_MAX, &range->start) && cursor_u8(&c) == '-' &&
	       master_digits(&c, INT32_MAX, &range->stop) && range->stop >= range->start;
	if (good && cursor_left(&c))
		good = cursor_u8(&c) == '/' &&
		       master_digits(&c, INT32_MAX, &range->step) && range->step > 0 &&
		       cursor_left(&c) == 0;
	if (!good)
		return master_fail(m, "not a valid range");
	if ((range->stop - range->start) / range->step >= DNS_MASTER_GENERATED)
		return master_fail(m, "a range of more than 16777216 numbers");
	return true;
}

/* What stands between the braces behind a dollar. */
struct modifier {
	int64_t offset;
	uint64_t width;
	char base;
};

/* Goes past the comma that ends a part. False: something else does. */
static bool end_part(struct cursor *c)
{
	return cursor_left(c) == 0 || cursor_u8(c) == ',';
}

static bool read_modifier(struct cursor c, struct modifier *modifier)
{
	bool negative = cursor_peek(&c) == '-';
	uint64_t value;

	cursor_skip(&c, negative);
	if (!master_digits(&c, INT32_MAX, &value) || !end_part(&c))
		return false;
	modifier->offset = negative ? -(int64_t)value : (int64_t)value;
	if (cursor_left(&c) &&
	    (!master_digits(&c, DNS_NAME_SIZE, &modifier->width) || !end_part(&c)))
		return false;
	if (cursor_left(&c)) {
		modifier->base = (char)cursor_u8(&c);
		if (cursor_left(&c) ||
		    slice_find(SLICE("doxXnN"), (uint8_t)modifier->base) == 6)
			return false;
	}
	return true;
}

/* The width counts the dots, too: "1.0." has four. */
static void put_nibbles(struct writer *w, uint64_t value, const struct modifier *modifier)
{
	const char *digits =
	    modifier->base == 'n' ? "0123456789abcdef" : "0123456789ABCDEF";
	uint64_t size = 0;

	do {
		writer_u8(w, (uint8_t)digits[value % 16]);
		value /= 16;
		if (value == 0 && ++size >= modifier->width)
			return;
		writer_u8(w, '.');
		size += value ? 2 : 1;
	} while (value || size < modifier->width);
}

static void put_octal(struct writer *w, uint64_t value, uint64_t width)
{
	unsigned digits = 1;

	while (value >> 3 * digits)
		digits++;
	for (uint64_t size = digits; size < width; size++)
		writer_u8(w, '0');
	for (; digits > 0; digits--)
		writer_u8(w, (uint8_t)('0' + (value >> 3 * (digits - 1) & 7)));
}

static bool put_number(struct writer *w, uint64_t number, const struct modifier *modifier)
{
	int64_t sum = (int64_t)number + modifier->offset;
	int width = (int)modifier->width;

	if (sum < 0)
		return false;
	switch (modifier->base) {
	case 'd':
		writer_format(w, "%0*lu", width, (unsigned long)sum);
		break;
	case 'o':
		put_octal(w, (uint64_t)sum, modifier->width);
		break;
	case 'x':
		writer_format(w, "%0*lx", width, (unsigned long)sum);
		break;
	case 'X':
		writer_format(w, "%0*lX", width, (unsigned long)sum);
		break;
	default:
		put_nibbles(w, (uint64_t)sum, modifier);
	}
	return true;
}

/* Writes what the dollar means that the cursor is behind. */
static bool put_dollar(struct writer *w, struct cursor *c, uint64_t number)
{
	struct modifier modifier = {.base = 'd'};

	if (cursor_peek(c) == '$') {
		writer_u8(w, cursor_u8(c));
		return true;
	}
	if (cursor_peek(c) == '{') {
		struct cursor start;
		size_t size = 0;

		cursor_skip(c, 1);
		start = *c;
		while (cursor_left(c) && cursor_u8(c) != '}')
			size++;
		if (!read_modifier(cursor_sub(&start, size), &modifier))
			return false;
	}
	return put_number(w, number, &modifier);
}

static bool put_text(struct dns_master *m, unsigned which, struct slice text,
                     uint64_t number, struct slice *made)
{
	struct writer w = writer_of(m->generated[which], sizeof(m->generated[which]));
	struct cursor c = cursor_of(text);

	bool good = true;

	while (good && cursor_left(&c)) {
		uint8_t byte = cursor_u8(&c);

		if (byte == '$') {
			good = put_dollar(&w, &c, number);
			continue;
		}
		if (byte != '\\' || cursor_peek(&c) != '$')
			writer_u8(&w, byte);
		if (byte == '\\' && cursor_left(&c))
			writer_u8(&w, cursor_u8(&c));
	}
	*made = writer_done(&w);
	m->near = text;
	if (!good)
		return master_fail(m, "not a valid modifier");
	return !w.failed || master_fail(m, "a generated text is too long");
}

/* What each number is put into. */
struct template
{
	struct slice owner, data;
	uint32_t line;
	bool has_ttl;
};

static bool make_record(struct dns_master *m, const struct template *template,
                        uint64_t number)
{
	struct dns_master_lexer *lexer = &master_level(m)->lexer;
	struct slice owner, data;
	struct dns_name name;

	if (!put_text(m, 0, template->owner, number, &owner) ||
	    !put_text(m, 1, template->data, number, &data))
		return false;
	m->near = owner;
	if (!master_name_of(m, owner, &name))
		return false;
	*lexer = master_lexer_of(data, template->line);
	master_lex(lexer, &m->token);
	return master_body(m, &name, template->has_ttl);
}

bool master_generate(struct dns_master *m)
{
	struct dns_master_lexer *lexer = &master_level(m)->lexer, after;
	struct template template = {.line = m->line};
	struct dns_master_token end;
	struct range range;
	bool good = true;

	if (!read_range(m, &range) || !master_word(m, &template.owner) ||
	    !master_head(m, &template.has_ttl) || !master_string(m, &template.data))
		return false;
	if (!master_end(m))
		return false;
	end = m->token;
	after = *lexer;
	for (uint64_t at = range.start; good && !m->stopped && at <= range.stop;
	     at += range.step)
		good = make_record(m, &template, at);
	*lexer = after;
	m->token = end;
	return good;
}
