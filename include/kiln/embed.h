/*
 * Folders sealed into an image by KILN_EMBED and KILN_EMBED_SITE: read-only, sorted, and
 * never copied. The table is made by `kiln build`.
 */
#ifndef KILN_EMBED_H
#define KILN_EMBED_H

#include <kiln/slice.h>

/* The content codings (RFC 9110 8.4.1) that KILN_EMBED_SITE adds to a file. */
enum embed_coding { EMBED_GZIP, EMBED_BROTLI, EMBED_CODINGS };

/* A file's content in one of them. */
struct embed_coded {
	struct slice content; /* immortal; empty: it would not save enough */
	uint8_t digest[16];   /* of these bytes, not of those they stand for */
};

struct embed_file {
	struct slice path;     /* relative, '/' between parts, no leading one */
	struct slice content;  /* immortal: may be sent by reference */
	uint64_t modified;     /* seconds since 1970; 0: the build was given none */
	uint8_t digest[16];    /* the first half of the content's SHA-256 */
	struct embed_coded coded[EMBED_CODINGS]; /* all empty with KILN_EMBED */
};
_Static_assert(sizeof(struct embed_file) == 120, "tool/embed.c writes it as assembly");

struct embed {
	const struct embed_file *files; /* sorted by path, bytewise */
	size_t count;
};
_Static_assert(sizeof(struct embed) == 16, "tool/embed.c writes it as assembly");

/* NULL if there is none. */
const struct embed_file *embed_find(const struct embed *embed, struct slice path);

#endif
