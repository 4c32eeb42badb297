/*
 * The serial port of an image on QEMU: what the image prints goes to the standard output;
 * what its boot stub reports of a fault (target/vm/stub.c) is taken out and understood.
 *
 * Image and stub share the port, so an image can print what looks like such a report: it is
 * as true as the image is. It is text, read with its bounds, and held back only while it
 * could be a report; what is none is printed after all.
 */
#ifndef TOOL_SERIAL_H
#define TOOL_SERIAL_H

#include <stdbool.h>
#include "../monitor/image.h"
#include "console.h"
#include "reports.h"
#include "tool.h"

struct serial {
	int fd;           /* where it is read, non-blocking; -1: no more to read */
	bool within_line; /* what was printed last did not end a line */
	struct console console;
	struct text held; /* from the beginning of a line that may become a report */
};

/* Reads a piece of what there is: true if there was any (console.h says why). */
bool serial_read(struct serial *serial);
/* QEMU has ended: puts a report's contents into `reports`, as a monitor would have; prints
 * what was held back and is none. */
void serial_end(struct serial *serial, struct reports *reports,
                const struct image *image);

#endif
