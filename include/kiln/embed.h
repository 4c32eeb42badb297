/*
 * Folders sealed into an image by KILN_EMBED: read-only, sorted, and never copied.
 */
#ifndef KILN_EMBED_H
#define KILN_EMBED_H

#include <kiln/slice.h>

struct embed_file {
	struct slice path;     /* relative, '/' between parts, no leading one */
	struct slice content;  /* immortal: may be sent by reference */
	uint64_t modified;     /* seconds since 1970 (SOURCE_DATE_EPOCH caps it) */
	uint8_t digest[16];    /* the first half of the content's SHA-256 */
};

struct embed {
	const struct embed_file *files; /* sorted by path, bytewise */
	size_t count;
};

/* NULL if there is none. */
const struct embed_file *embed_find(const struct embed *embed, struct slice path);

#endif
