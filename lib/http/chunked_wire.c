/*
 * The chunked transfer coding (RFC 9112 section 7.1), decoded in place: framing is
 * skipped, content is pointed at. Extensions and trailers are read and dropped, within
 * limits; a line ends in CRLF only; a size has at most 15 significant digits, so that
 * nothing can overflow.
 */
#include "http_wire.h"

enum { LINE_MAX = 256, TRAILER_MAX = 4096, SIZE_LIMIT_BITS = 60 };

enum state {
	SIZE_FIRST, /* at least one digit */
	SIZE,
	SIZE_BLANK, /* behind the size: a ';' must follow */
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_START, /* of a line: the empty one ends the body */
	TRAILER,
	TRAILER_LF,
	END_LF,
	END,
};

static int size_ended(struct http_chunked *c)
{
	c->line = 0;
	c->state = c->left ? DATA : TRAILER_START;
	return HTTP_MORE;
}

static int size_byte(struct http_chunked *c, uint8_t byte)
{
	int digit = http_hex(byte);

	if (++c->line > LINE_MAX)
		return 400;
	if (digit >= 0) {
		if (c->left >> (SIZE_LIMIT_BITS - 4))
			return 400;
		c->left = c->left << 4 | (uint64_t)digit;
		c->state = SIZE;
	} else if (c->state == SIZE_FIRST) {
		return 400;
	} else if (byte == '\r') {
		c->state = SIZE_LF;
	} else if (byte == ';') {
		c->state = EXTENSION;
	} else if (byte == ' ' || byte == '\t') {
		c->state = SIZE_BLANK;
	} else {
		return 400;
	}
	return HTTP_MORE;
}

static int extension_byte(struct http_chunked *c, uint8_t byte)
{
	if (++c->line > LINE_MAX || (byte < 0x20 && byte != '\r' && byte != '\t'))
		return 400;
	if (c->state == SIZE_BLANK && byte != ';')
		return byte == ' ' || byte == '\t' ? HTTP_MORE : 400;
	c->state = byte == '\r' ? SIZE_LF : EXTENSION;
	return HTTP_MORE;
}

static int trailer_byte(struct http_chunked *c, uint8_t byte)
{
	if (++c->trailer > TRAILER_MAX || (byte < 0x20 && byte != '\r' && byte != '\t'))
		return 400;
	if (byte == '\r')
		c->state = c->state == TRAILER_START ? END_LF : TRAILER_LF;
	else
		c->state = TRAILER;
	return HTTP_MORE;
}

static int expect(struct http_chunked *c, uint8_t byte, uint8_t wanted, enum state next)
{
	c->state = (uint8_t)next;
	return byte == wanted ? HTTP_MORE : 400;
}

static int step(struct http_chunked *c, uint8_t byte)
{
	switch ((enum state)c->state) {
	case SIZE_FIRST:
	case SIZE:
		return size_byte(c, byte);
	case SIZE_BLANK:
	case EXTENSION:
		return extension_byte(c, byte);
	case SIZE_LF:
		return byte == '\n' ? size_ended(c) : 400;
	case DATA_CR:
		return expect(c, byte, '\r', DATA_LF);
	case DATA_LF:
		return expect(c, byte, '\n', SIZE_FIRST);
	case TRAILER_START:
	case TRAILER:
		return trailer_byte(c, byte);
	case TRAILER_LF:
		return expect(c, byte, '\n', TRAILER_START);
	case END_LF:
		return expect(c, byte, '\n', END);
	default:
		return 400;
	}
}

int http_chunked_next(struct http_chunked *c, struct cursor *in, struct slice *data)
{
	*data = slice_of(in->data, 0);
	while (c->state != END) {
		if (!cursor_left(in))
			return HTTP_MORE;
		if (c->state == DATA) {
			struct cursor content = *in;
			*data = slice_take(cursor_rest(&content), c->left);
			return HTTP_MORE;
		}
		int result = step(c, cursor_u8(in));
		if (result != HTTP_MORE)
			return result;
	}
	return HTTP_PARSED;
}

void http_chunked_take(struct http_chunked *c, size_t n)
{
	c->left -= n;
	if (!c->left)
		c->state = DATA_CR;
}
