/*
 * The records that a monitor writes (monitor/report.h), as `kiln run` keeps them. The writer
 * is a monitor that its image may have attacked: sizes, counts and texts are checked, and
 * at the first record that makes no sense nothing more is read.
 */
#ifndef TOOL_REPORTS_H
#define TOOL_REPORTS_H

#include <stdbool.h>
#include "../monitor/report.h"

enum {
	REPORTS_MARKS = 64,
	REPORTS_PLACES = 32,
	REPORTS_PIECES = 64,
};

struct reports {
	int fd; /* non-blocking; -1: there is none, or no more to read */
	struct report_mark marks[REPORTS_MARKS];
	unsigned mark_count;
	struct report_place places[REPORTS_PLACES];
	unsigned place_count;
	struct report_fault fault;
	bool has_fault;
	struct reports_piece {
		uint64_t address;
		size_t size;
		const uint8_t *bytes;
	} memory[REPORTS_PIECES];
	unsigned memory_count;
	uint8_t buffer[2 * REPORT_SIZE_MOST]; /* of which a record may be incomplete */
	size_t buffered;
};

/* Takes what there is to read, without waiting. */
void reports_read(struct reports *r);

/* The first place of a kind; NULL if it was not reported. */
const struct report_place *reports_place(const struct reports *r,
                                         enum report_place_kind kind);

/* Eight bytes of the image's memory, if a record has them. */
bool reports_word(const struct reports *r, uint64_t address, uint64_t *word);

#endif
