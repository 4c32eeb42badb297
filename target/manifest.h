/*
 * The running program's own manifest, for the targets that are programs of the host
 * (host, sim): its notes lie in memory, in the segments that the ELF headers call
 * PT_NOTE.
 */
#ifndef TARGET_MANIFEST_H
#define TARGET_MANIFEST_H

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <kiln/abi/manifest.h>

struct manifest_walk {
	const uintptr_t *object; /* where it is loaded; NULL: the program */
	uint32_t type;
	size_t size;    /* of the descriptor */
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
		if (header.type == walk->type && header.desc_size == walk->size &&
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

/* The descriptor of the index-th note of the type and size of a loaded object; NULL behind
 * the last. */
static inline const void *manifest_note_of(const uintptr_t *object, uint32_t type,
                                           size_t size, unsigned index)
{
	struct manifest_walk walk = {
	    .object = object, .type = type, .size = size, .index = index};

	dl_iterate_phdr(manifest_walk_object, &walk);
	return walk.found;
}

/* Of the program itself. */
static inline const void *manifest_note(uint32_t type, size_t size, unsigned index)
{
	return manifest_note_of(NULL, type, size, index);
}

/* Notes are aligned to 4 bytes whatever is in them. */
struct manifest_param {
	struct kiln_note_param note;
} __attribute__((packed, aligned(4)));

struct manifest_fixed {
	struct kiln_note_fixed note;
} __attribute__((packed, aligned(4)));

static inline const struct manifest_param *manifest_param(unsigned index)
{
	return manifest_note(KILN_NOTE_PARAM, sizeof(struct kiln_note_param), index);
}

static inline const struct manifest_fixed *manifest_fixed(unsigned index)
{
	return manifest_note(KILN_NOTE_FIXED, sizeof(struct kiln_note_fixed), index);
}

static inline const struct kiln_note_device *manifest_device(unsigned index)
{
	return manifest_note(KILN_NOTE_DEVICE, sizeof(struct kiln_note_device), index);
}

#endif
