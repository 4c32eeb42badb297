/*
 * An image with IMAGE.debug, its companion, in which `kiln build` keeps what the linker
 * knew: symbols, relocations, and in section MAP_SECTION a text
 *
 *	kiln map 1
 *	image SHA-256 of the image
 *	offers libnet.a(tcp.c.o) tcp_new tcp_free ...
 *	(an empty line)
 *	the linker's map
 *
 * by which the companion is known to belong to the image. "offers" has what the libraries
 * define, taken or not: so that a symbol that is not in the image can be told from one
 * that never was anywhere.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sha2.h>
#include "archive.h"
#include "map.h"

static const char head[] = "kiln map 1\nimage ";

static const char *digest_text(const void *bytes, size_t size)
{
	char text[SHA256_DIGEST_STRING_LENGTH];

	return text_format("%s", SHA256Data(bytes, size, text));
}

/* ---- writing, for `kiln build` ---- */

static void add_offers(struct text *text, const char *archive,
                       const struct archive_member *member)
{
	struct sections sections;
	struct text names = {0};

	if (!sections_read(&sections, member->bytes, member->size))
		return;
	for (size_t i = 0; i < sections_symbol_count(&sections); i++) {
		struct section_symbol symbol;
		if (sections_symbol_at(&sections, i, &symbol) && symbol.section &&
		    symbol.type <= STT_FUNC && *symbol.name && symbol.name[0] != '.')
			text_add(&names, " %s", symbol.name);
	}
	if (names.len)
		text_add(text, "offers %s(%s)%s\n", path_base(archive), member->name,
		         names.data);
}

void map_file_text(struct text *text, const char *image, const char *map,
                   const struct words *archives)
{
	size_t size;
	const char *bytes = file_map(image, &size);

	if (!bytes)
		fail("cannot read %s: %s", path_display(image), strerror(errno));
	text_add(text, "%s%s\n", head, digest_text(bytes, size));
	for (size_t i = 0; i < archives->count; i++) {
		struct archive archive;
		struct archive_member member;
		bytes = file_map(archives->item[i], &size);
		if (!bytes || !archive_open(&archive, bytes, size))
			continue;
		while (archive_next(&archive, &member))
			add_offers(text, archives->item[i], &member);
	}
	bytes = file_read(map, &size);
	if (!bytes)
		fail("cannot read %s: %s", path_display(map), strerror(errno));
	text_add(text, "\n");
	text_add_bytes(text, bytes, size);
}

/* ---- reading ---- */

/* The text of MAP_SECTION; ends the process with a message if it is not of this image. */
static const char *read_companion(struct map_file *file)
{
	const char *path = text_format("%s.debug", file->image.path), *bytes;
	const char *expected =
	    text_format("%s%s\n", head, digest_text(file->image.bytes, file->image.size));
	const struct section *section;
	char *text;
	size_t size;

	bytes = file_map(path, &size);
	if (!bytes)
		fail("%s cannot be read: %s (kiln build writes it beside the image: keep "
		     "the two together, or build again)",
		     path, strerror(errno));
	if (!sections_read(&file->symbols, bytes, size))
		fail("%s is damaged: build the image again", path);
	section = sections_find(&file->symbols, MAP_SECTION);
	if (!section || !section->bytes)
		fail("%s has no map in it: it is of another version of Kiln; build the "
		     "image again",
		     path);
	text = allocate(section->size + 1);
	memcpy(text, section->bytes, section->size);
	if (strncmp(text, expected, strlen(expected)) != 0)
		fail("%s belongs to another build than %s: build the image again", path,
		     file->image.path);
	return text + strlen(expected);
}

void map_file_read(struct map_file *file, const char *path)
{
	const char *text, *map, *why;

	*file = (struct map_file){0};
	image_read(&file->image, path);
	if (!file->image.target->sealed)
		fail("%s is a program of this machine, and kiln map draws sealed images: "
		     "build it with -t jail or -t vm",
		     path);
	if (!sections_read(&file->sections, file->image.bytes, file->image.size))
		fail("%s has no section headers, so it cannot be drawn: build it again",
		     path);
	text = read_companion(file);
	map = *text == '\n' ? text : strstr(text, "\n\n");
	if (!map || !map_link_read(&file->link, map))
		fail("the map in %s.debug is none of GNU ld's: build with its linker",
		     path);
	file->offers = text_format("%.*s", (int)(map - text), text);
	if (!map_parts_read(&file->map, file->image.bytes, file->image.size,
	                    &file->sections, &file->symbols, &file->link, &why))
		fail("%s cannot be drawn, for %s: build it again", path, why);
}
