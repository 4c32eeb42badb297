/*
 * The image's console: see console.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "console.h"

enum {
	PIECE = 4096, /* a pipe that is ready takes as much without blocking */
	PATIENCE_MS = 50,
};

bool console_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

/* A terminal that is ready still blocks whoever writes more than it has room for, and our
 * standard output is shared with others, who may rely on that: so it is opened once more. */
static int output(struct console *c)
{
	if (c->terminal == 0 && console_is_terminal())
		c->terminal =
		    open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return c->terminal > 0 ? c->terminal : STDOUT_FILENO;
}

static void print(struct console *c, const char *bytes, size_t size)
{
	struct pollfd out = {.fd = output(c), .events = POLLOUT};

	while (size) {
		size_t piece = size < PIECE ? size : PIECE;
		ssize_t n;
		if (poll(&out, 1, PATIENCE_MS) != 1 ||
		    (n = write(out.fd, bytes, piece)) <= 0)
			return;
		bytes += n;
		size -= (size_t)n;
	}
}

/* Bytes of the character that begins so; 0: none does. */
static size_t character_size(unsigned char first)
{
	return first < 0x80                    ? 1
	       : first >= 0xc2 && first < 0xe0 ? 2
	       : first >= 0xe0 && first < 0xf0 ? 3
	       : first >= 0xf0 && first < 0xf5 ? 4
	                                       : 0;
}

/* How many of the bytes are one character that a terminal only shows: 0 if they are none, or
 * `size` + 1 if it may become one with more of them. */
static size_t shown(const char *bytes, size_t size)
{
	unsigned char first = (unsigned char)bytes[0];
	size_t need = character_size(first);
	uint32_t code = need < 2 ? first : first & (0x7fu >> need);

	for (size_t i = 1; i < need; i++) {
		if (i == size)
			return size + 1;
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code == '\n' || code == '\r' || code == '\t')
		return need;
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : need;
}

static void print_harmless(struct console *c, const char *bytes, size_t size)
{
	char text[PIECE];
	size_t len = 0;

	for (size_t at = 0; at < size;) {
		size_t n = shown(bytes + at, size - at);
		if (n > size - at) {
			c->left_size = size - at;
			memcpy(c->left, bytes + at, c->left_size);
			break;
		}
		if (len + sizeof(c->left) > sizeof(text)) {
			print(c, text, len);
			len = 0;
		}
		if (n)
			memcpy(text + len, bytes + at, n);
		else
			text[len] = '?';
		len += n ? n : 1;
		at += n ? n : 1;
	}
	print(c, text, len);
}

void console_print(struct console *c, const char *bytes, size_t size)
{
	char joined[sizeof(c->left) + PIECE];

	if (c->watch)
		c->watch(c->context, bytes, size);
	if (!console_is_terminal()) {
		print(c, bytes, size);
		return;
	}
	while (size) {
		size_t before = c->left_size;
		size_t piece = size < PIECE ? size : PIECE;
		memcpy(joined, c->left, before);
		memcpy(joined + before, bytes, piece);
		c->left_size = 0;
		print_harmless(c, joined, before + piece);
		bytes += piece;
		size -= piece;
	}
}

bool console_read(struct console *c)
{
	char bytes[PIECE];
	ssize_t n = c->fd < 0 ? -1 : read(c->fd, bytes, sizeof(bytes));

	if (n > 0)
		console_print(c, bytes, (size_t)n);
	if (n == 0) {
		close(c->fd);
		c->fd = -1;
	}
	return n > 0;
}
