/*
 * `kiln run --timings`: where the time went until the image runs. Three sources, brought to
 * one clock: this process's own steps, the marks that the monitor reports, and the lines
 * that the image logs, which carry the time since it was entered.
 *
 * The image takes part with one line at debug level (lib/core/kiln.c), so --timings asks for
 * that level unless --log is given. What it prints is text from outside: it can only spoil
 * its own rows.
 */
#ifndef TOOL_TIMINGS_H
#define TOOL_TIMINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "reports.h"

enum { TIMINGS_ROWS = 128 };

struct timings {
	struct timings_row {
		uint64_t at; /* monotonic ns; of a line: since the image was entered */
		const char *what;
		bool logged; /* by the image */
	} rows[TIMINGS_ROWS];
	size_t count;
	unsigned nets, up; /* network devices, and those that have an address */
	bool runs;         /* the image has said so */
	uint64_t entered;  /* when, monotonic ns; 0: not known */
	bool virtual_time; /* of the image, so that its lines tell nothing */
	bool printed;
	char line[256]; /* what the image prints, up to now */
	size_t line_len;
};

/* A step of this process is done. */
void timings_mark(struct timings *t, const char *what);
/* The image has printed this. */
void timings_text(struct timings *t, const struct reports *reports, const char *bytes,
                  size_t size);
/* Prints the table, once: when the image runs and its networks are up, or if it has ended. */
void timings_print(struct timings *t, const struct reports *reports, bool ended);

#endif
