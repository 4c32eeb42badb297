/*
 * The running program's own manifest, for the targets that are programs of the host
 * (host, sim): its notes lie in memory, in the segments that the ELF headers call
 * PT_NOTE.
 */
#ifndef TARGET_MANIFEST_H
#define TARGET_MANIFEST_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <kiln/abi/manifest.h>

struct manifest_walk {
	const uintptr_t *object; /* where it is loaded; NULL: the program */
	uint32_t type;
	unsigned index; /* so many more to pass over */
	const void *found;
};

/* One note segment. Its notes are the linker's work: sizes are trusted to lie within it.
 */
static inline void manifest_walk_segment(struct manifest_walk *walk, const uint8_t *at,
                                         size_t size)
{
	const uint8_t *end = at + size;

	while (!walk->found && (size_t)(end - at) >= sizeof(struct kiln_note_header)) {
		struct kiln_note_header header;
		size_t name_size, length;

		memcpy(&header, at, sizeof(header));
		name_size = (header.name_size + 3u) & ~3u;
		length = 12 + name_size + ((header.desc_size + 3u) & ~3u);
		if (header.type == walk->type &&
		    header.name_size == sizeof(KILN_NOTE_OWNER) &&
		    memcmp(header.name, KILN_NOTE_OWNER, sizeof(KILN_NOTE_OWNER)) == 0 &&
		    walk->index-- == 0)
			walk->found = at + sizeof(header);
		if (length > (size_t)(end - at))
			return;
		at += length;
	}
}

static inline int manifest_walk_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct manifest_walk *walk = arg;

	if (walk->object && *walk->object != info->dlpi_addr)
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_NOTE && segment->p_align <= 4)
			manifest_walk_segment(
			    walk,
			    (const uint8_t *)(uintptr_t)(info->dlpi_addr +
			                                 segment->p_vaddr),
			    segment->p_memsz);
	}
	return 1; /* the program comes first */
}

/* The descriptor of the index-th note of the type of a loaded object; NULL behind the last. */
static inline const void *manifest_note(const uintptr_t *object, uint32_t type,
                                        unsigned index)
{
	struct manifest_walk walk = {.object = object, .type = type, .index = index};

	dl_iterate_phdr(manifest_walk_object, &walk);
	return walk.found;
}

/* The first text is right behind the note's struct, each other one behind the text before. */
static inline const char *manifest_next(const char *text)
{
	return text + strlen(text) + 1;
}

struct manifest_device {
	uint32_t type;
	bool optional;
	const char *name, *help;
};

struct manifest_param {
	uint32_t type;
	const char *name, *value, *help;
};

struct manifest_fixed {
	const char *name, *value;
};

/* Each is false behind the last. */
static inline bool manifest_device(const uintptr_t *object, unsigned index,
                                   struct manifest_device *device)
{
	const struct kiln_note_device *note =
	    manifest_note(object, KILN_NOTE_DEVICE, index);

	if (!note)
		return false;
	device->type = note->type;
	device->optional = note->optional != 0;
	device->name = (const char *)(note + 1);
	device->help = manifest_next(device->name);
	return true;
}

static inline bool manifest_param(const uintptr_t *object, unsigned index,
                                  struct manifest_param *param)
{
	const struct kiln_note_param *note =
	    manifest_note(object, KILN_NOTE_PARAM, index);

	if (!note)
		return false;
	param->type = note->type;
	param->name = (const char *)(note + 1);
	param->value = manifest_next(param->name);
	param->help = manifest_next(param->value);
	return true;
}

static inline bool manifest_fixed(const uintptr_t *object, unsigned index,
                                  struct manifest_fixed *fixed)
{
	fixed->name = manifest_note(object, KILN_NOTE_FIXED, index);
	if (!fixed->name)
		return false;
	fixed->value = manifest_next(fixed->name);
	return true;
}

#endif
