/*
 * Shared by the two halves of the image reader: the ELF tables (image.c) and the manifest
 * (image_notes.c).
 */
#ifndef MONITOR_IMAGE_PRIVATE_H
#define MONITOR_IMAGE_PRIVATE_H

#include <string.h>
#include "image.h"

/* The work in progress: the image under construction (NULL once it stands) and where an
 * error goes. */
struct parse {
	struct image *image;
	char *error;
	size_t error_size;
};

/* Writes the sentence; returns false, so that a check can end with `return refuse(...)`.
 */
bool refuse(const struct parse *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Walks one run of notes, a segment or a section, and keeps those of the manifest. `seen`
 * starts at 0 and has a bit for each type that was met. */
bool parse_note_run(struct parse *p, uint64_t offset, uint64_t size, uint64_t align,
		    uint32_t *seen);
/* Names are unique, and what is fixed is a parameter: for a manifest that is whole. */
bool check_manifest(struct parse *p);
/* Sets param_fixed from the notes of the build. */
void mark_fixed(struct image *image);

static inline bool file_holds(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

/* Copies `size` bytes at `offset` of the file; false if they are not all there. */
static inline bool file_get(const struct image *image, uint64_t offset, void *to,
			    size_t size)
{
	if (!file_holds(image, offset, size))
		return false;
	memcpy(to, image->bytes + offset, size);
	return true;
}

#endif
