/*
 * Reading static libraries; see archive.h.
 */
#include <ar.h>
#include <string.h>
#include "archive.h"
#include "tool.h"

bool archive_open(struct archive *archive, const void *bytes, size_t size)
{
	*archive = (struct archive){.bytes = bytes, .size = size, .at = SARMAG};
	return size >= SARMAG && memcmp(bytes, ARMAG, SARMAG) == 0;
}

/* A header's fields are padded with blanks, and have no end of their own. */
static size_t field_number(const char *field, size_t size)
{
	size_t value = 0;

	for (size_t i = 0; i < size && field[i] >= '0' && field[i] <= '9'; i++)
		value = value * 10 + (size_t)(field[i] - '0');
	return value;
}

/* Up to its '/'. */
static const char *copy_name(const char *name, size_t limit)
{
	const char *end = limit ? memchr(name, '/', limit) : NULL;

	return text_format("%.*s", (int)(end ? end - name : 0), name);
}

/* "name/", or "/N", where N is a place among the long names. */
static const char *member_name(const struct archive *archive, const struct ar_hdr *header)
{
	size_t at;

	if (header->ar_name[0] != '/')
		return copy_name(header->ar_name, sizeof(header->ar_name));
	at = field_number(header->ar_name + 1, sizeof(header->ar_name) - 1);
	if (at > archive->names_size)
		at = archive->names_size;
	return copy_name(archive->names + at, archive->names_size - at);
}

bool archive_next(struct archive *archive, struct archive_member *member)
{
	while (archive->size - archive->at >= sizeof(struct ar_hdr)) {
		const char *body = archive->bytes + archive->at + sizeof(struct ar_hdr);
		size_t left = archive->size - archive->at - sizeof(struct ar_hdr), length;
		struct ar_hdr header;

		memcpy(&header, body - sizeof(header), sizeof(header));
		length = field_number(header.ar_size, sizeof(header.ar_size));
		if (length > left)
			return false;
		/* Members begin at even places. */
		archive->at += sizeof(header) + length + (length < left ? length & 1 : 0);
		if (strncmp(header.ar_name, "//", 2) == 0) {
			archive->names = body;
			archive->names_size = length;
		} else if (strncmp(header.ar_name, "/ ", 2) != 0 &&
		           strncmp(header.ar_name, "/SYM64/", 7) != 0) {
			*member = (struct archive_member){member_name(archive, &header),
			                                  body, length};
			return true;
		}
	}
	return false;
}
