/*
 * Walking through a static library (ar, as GNU's tools write it), every bound checked.
 * Members refer to the bytes given; of a broken archive, those before the break are seen.
 */
#ifndef TOOL_ARCHIVE_H
#define TOOL_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

struct archive {
	const char *bytes, *names; /* names: those too long for a member's header */
	size_t size, names_size, at;
};

struct archive_member {
	const char *name;
	const void *bytes;
	size_t size;
};

/* False if this is no archive. */
bool archive_open(struct archive *archive, const void *bytes, size_t size);
/* The next file in it; false at the end. */
bool archive_next(struct archive *archive, struct archive_member *member);

#endif
