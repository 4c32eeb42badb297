/*
 * What a sealed image prints, on its way to the standard output of `kiln run`.
 *
 * An image may have been taken over, or be somebody else's; and text can do much to a
 * terminal: move its cursor, change its title, have it type. So where the standard output is
 * a terminal, what is no text is shown as '?': control characters, but for tab and the ends
 * of lines, and bytes that are no UTF-8 (RFC 3629). A file or a pipe gets it as it is.
 */
#ifndef TOOL_CONSOLE_H
#define TOOL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct console {
	int fd; /* what the image prints is read here, non-blocking; -1: it prints itself */
	char left[4]; /* the beginning of a character whose rest has not come */
	size_t left_size;
	int terminal; /* the standard output, non-blocking; 0: not opened yet, -1: it cannot be */
	/* Sees all that is printed; NULL: nobody does. */
	void (*watch)(void *context, const char *bytes, size_t size);
	void *context;
};

/* True if the standard output is a terminal. */
bool console_is_terminal(void);
/* Prints it; never waits for long: text that nobody takes is dropped, as by the monitors. */
void console_print(struct console *console, const char *bytes, size_t size);
/* Prints a piece of what there is at console->fd: true if there was any. One at a time, as
 * an image that prints without end is not to keep `kiln run` from hearing Ctrl-C. */
bool console_read(struct console *console);

#endif
