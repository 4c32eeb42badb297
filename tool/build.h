/*
 * The build of one appliance for one target, as its steps share it. Everything on the way
 * to the image is kept in a folder of its own, build_state_path(), with the command that
 * made it, and made again only when that or an input changed.
 */
#ifndef TOOL_BUILD_H
#define TOOL_BUILD_H

#include <kiln/embed.h>
#include "../monitor/image.h"
#include "tool.h"

struct build {
	/* set by the caller */
	const char
	    *folder; /* as the user gave it, so that compiler messages name it so */
	const struct target *target;
	const char *output; /* NULL: NAME.TARGET, here or, for `kiln run`, in `state` */
	struct settings settings; /* --KEY VALUE: fixed parameters, folders to embed */
	uint64_t layout_seed;
	bool has_layout_seed; /* else it is derived from what is linked */
	uint64_t max_size;    /* of the image's file, in bytes */
	bool has_max_size;
	bool fix_nothing; /* for `kiln run`: parameters stay open, in `options` */
	bool sanitize;    /* host only: AddressSanitizer and UBSan */
	bool unsealed;    /* make the image even if it breaks the seal: for tests */
	bool tests;       /* with its folder test/, as a program that tests it in sim */
	bool shared;      /* sim only: a shared object, for kiln-sim to load */

	/* set on the way */
	const char *name;      /* of the folder */
	const char *state;     /* folder for what is made on the way */
	const char *world;     /* folder of the archives: build/WORLD */
	struct image manifest; /* the notes of the appliance's own objects, together */
	struct words objects;
	struct settings fixed;   /* of settings: parameters of the appliance */
	struct settings options; /* of settings: what is left */
	uint64_t embedded_bytes;
};

/* Takes the last of the settings out if it is the build's own: --layout-seed,
 * --max-size. */
void build_own_setting(struct build *build);

/* Makes the image and returns its path; ends the process with a message if it cannot. */
const char *build_image(struct build *build);

/* Where all that belongs to the build of a folder, given by its real path, is kept. */
const char *build_state_path(const char *folder, const struct target *target);

/* Ends the process: there is no such file, or it is no image (`why` says what is wrong). */
_Noreturn void image_unreadable(const char *path);
_Noreturn void image_refused(const char *path, const char *why);

/* An image that was built: its manifest and, if it is a sealed one, its segments. */
struct image_file {
	const char *path;
	const void *bytes;
	size_t size;
	struct image image;
	const struct target *target;
};
/* Ends the process with a message if it is none. */
void image_read(struct image_file *file, const char *path);

/* ---- the steps ---- */

/* Ends the process if a program or a file that building for the target takes is missing. */
void build_check_needs(const struct target *target);

/* Adds the words of `name` in target/flags.mk. */
void flags_add(struct words *words, const char *name);

/* A command that makes `output`; `title` for the line of progress. */
struct make_step {
	struct words command;
	const char *output, *title;
	struct words inputs; /* next to those in output.d, if the compiler wrote that */
};
/* Runs those whose output is missing, older than an input, or made by another command.
 * False if one failed: its messages have been shown. */
bool make_steps(struct make_step *steps, size_t count);

/* $CC, or gcc; it may have blanks in it. */
const char *compiler(void);
/* The commands that make an object of C, and of assembly without preprocessor. */
struct make_step assemble_step(const char *source, const char *object);
struct make_step compile_step(const struct build *build, const char *source,
                              const char *object);

/* Reads the notes of all `objects` into one manifest. */
void manifest_read(struct image *manifest, const struct words *objects);

/* Has a folder's maker make what is embedded of it, and returns the folder with that. */
const char *embed_make(const struct build *build, const struct image_embed *embed,
                       const char *folder);
/* Writes the assembly file that holds a folder, and returns its path. */
const char *embed_write(struct build *build, const struct image_embed *embed,
                        const char *folder);
/* Writes a compressed copy of the bytes of a file, unless it is there, and returns its path;
 * NULL if it is not worth its room. `name` tells these bytes from others: their digest. */
const char *coding_write(const struct build *build, enum embed_coding coding,
                         const char *source, const char *name, const uint8_t *bytes,
                         size_t size);

/* Writes the linker script's order of functions to `path`: shuffled by the seed, or, if
 * that is 0, as they come. Without a seed given, derives one first. */
void layout_write(struct build *build, const struct words *inputs, const char *path);

/*
 * From what the linker made to what the user asked for, at build->output: the image, which
 * must keep to --max-size, with its companion; or a program of the host. `inputs` is what
 * was linked.
 */
void deliver_image(const struct build *build, const struct words *inputs,
                   const char *linked);
void deliver_program(const struct build *build, const char *linked);

#endif
