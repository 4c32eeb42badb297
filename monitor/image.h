/*
 * An image file as the monitors and the tool see it: the ELF headers and the manifest, read
 * with every bound checked. Nothing in the file is trusted; a broken one is refused with a
 * sentence that says what is wrong.
 */
#ifndef MONITOR_IMAGE_H
#define MONITOR_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <kiln/abi/manifest.h>

enum { IMAGE_SEGMENTS = 16, IMAGE_DEVICES = 16, IMAGE_PARAMS = 64, IMAGE_EMBEDS = 16,
       IMAGE_LIBRARIES = 32 };

enum { PAGE = 4096 };

static inline uint64_t page_up(uint64_t address)
{
	return (address + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

struct image_segment {
	uint64_t address; /* relative to the image's base */
	uint64_t memory_size;
	uint64_t file_offset, file_size;
	uint32_t flags; /* PF_R, PF_W, PF_X, and bits of the target */
};

/* Notes of the manifest: the struct, and its texts where they lie in the file. */
struct image_device {
	struct kiln_note_device note;
	const char *name, *help;
};

struct image_param {
	struct kiln_note_param note;
	const char *name, *value, *help;
};

struct image_embed {
	const char *name, *path, *maker;
};

struct image_library {
	const char *name, *version;
};

struct image_build {
	struct kiln_note_build note;
	const char *appliance; /* "": not made by kiln build */
};

struct image_fixed {
	const char *name, *value;
};

struct image {
	const uint8_t *bytes; /* the whole file; the caller's, outlives this struct */
	size_t size;
	uint64_t link_base; /* where the file's own addresses begin: its lowest page */
	uint64_t entry;     /* relative to the base */
	uint64_t span;      /* bytes of address space from the base, a multiple of 4096 */
	struct image_segment segments[IMAGE_SEGMENTS];
	unsigned segment_count;
	uint64_t relro_address, relro_size; /* whole pages, read-only once relocated; 0: none */
	uint64_t relr_offset, relr_size;    /* the relocations' place in the file; 0: none */
	bool stack_executable;
	uint32_t pvh_entry; /* physical, from XEN_ELFNOTE_PHYS32_ENTRY; 0 if none */

	struct kiln_note_target target; /* abi 0: the file is no Kiln image */
	struct image_build build;
	struct kiln_note_gate gate;
	bool has_gate;
	unsigned device_count, param_count, embed_count, library_count, fixed_count;
	bool param_fixed[IMAGE_PARAMS];

	/* What lies behind a list's count is whatever was there: clearing it would touch a page
	 * for each 4 KiB, at some 15 us in the start of an image. */
	struct image_device devices[IMAGE_DEVICES];
	struct image_param params[IMAGE_PARAMS];
	struct image_embed embeds[IMAGE_EMBEDS];
	struct image_library libraries[IMAGE_LIBRARIES];
	struct image_fixed fixed[IMAGE_PARAMS]; /* values fixed by the build */
};

/*
 * Reads a linked image: a position-independent ELF64 executable whose segments lie on pages
 * of their own, none of them both writable and executable. False: `error` holds a sentence.
 */
bool image_parse(struct image *image, const void *bytes, size_t size, char *error,
		 size_t error_size);

/* Reads only the manifest's notes, from any ELF file (also a relocatable object). The texts
 * in them are then NUL-terminated and without control characters, the names not empty. */
bool image_parse_notes(struct image *image, const void *bytes, size_t size, char *error,
		       size_t error_size);

/*
 * Copies the segments to `memory` (span bytes, zeroed) and applies the relative relocations
 * for an image that will run at `base`. One that lies or points outside the image is refused.
 */
bool image_load(const struct image *image, void *memory, uint64_t base, char *error,
		size_t error_size);
/* The second half of it. */
bool image_relocate(const struct image *image, void *memory, uint64_t base, char *error,
		    size_t error_size);

/* The address behind the gate's system call, of which there must be one; else 0. */
uint64_t image_gate_return(const struct image *image);

/* The device or parameter of that name; NULL if there is none. */
const struct image_device *image_device(const struct image *image, const char *name);
/* As if the image had not declared the device. */
void image_leave_out(struct image *image, unsigned device);
const struct image_param *image_param(const struct image *image, const char *name);

/* Checks "key=value" texts against the manifest by type (<kiln/abi/param.h>): unknown and
 * fixed parameters and wrong values are refused by name. */
bool image_check_options(const struct image *image, const char *const *options,
			 unsigned count, char *error, size_t error_size);

#endif
