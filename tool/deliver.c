/*
 * The last steps of `kiln build`: the linker's output becomes the image, stripped, and
 * IMAGE.debug, its companion, with what a debugger and `kiln map` want to know of it.
 *
 * An image that outgrew --max-size does not take the place of one that had not. The last
 * one that fitted is kept, so that what grew can be told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "build.h"
#include "map.h"

enum { SHOWN = 12 }; /* parts, of an image that is too large */

static const char *map_made(const char *path, size_t *size)
{
	const char *bytes = file_map(path, size);

	if (!bytes)
		fail("cannot read %s: %s", path_display(path), strerror(errno));
	return bytes;
}

static void copy_file(const char *from, const char *to)
{
	size_t size;
	const char *bytes = map_made(from, &size);

	file_write(to, bytes, size);
}

/* ---- the budget ---- */

static void show_growth(const struct build *build, const char *image, const char *fitted)
{
	struct map_file *now = allocate(sizeof(*now)), *before = NULL;
	const char *name = text_format("%s.%s", build->name, build->target->name);
	struct map_node root;

	map_file_read(now, image);
	if (file_exists(fitted) && file_exists(text_format("%s.debug", fitted))) {
		before = allocate(sizeof(*before));
		map_file_read(before, fitted);
	}
	root = map_tree(&now->map, before ? &before->map : NULL);
	if (before)
		map_print_changes(&root, name, "the last build that fitted", SHOWN);
	else
		map_print_largest(&root, name, SHOWN);
	fflush(stdout);
}

static void check_budget(const struct build *build, const char *image)
{
	const char *fitted = text_format("%s/fitted", build->state);
	struct stat st;

	if (!build->has_max_size || stat(image, &st) < 0)
		return;
	if ((uint64_t)st.st_size <= build->max_size) {
		copy_file(image, fitted);
		copy_file(text_format("%s.debug", image),
		          text_format("%s.debug", fitted));
		return;
	}
	fprintf(stderr, "kiln: %s.%s has %s bytes: %s more than --max-size allows\n",
	        build->name, build->target->name, map_number((uint64_t)st.st_size),
	        map_number((uint64_t)st.st_size - build->max_size));
	show_growth(build, image, fitted);
	fail("%s %s. What brought a part in: kiln map %s --why SYMBOL",
	     path_display(build->output),
	     file_exists(build->output) ? "is left as it was" : "is not made",
	     path_display(image));
}

/* ---- what leaves the build ---- */

static void write_output(const char *from, const char *path)
{
	size_t size;
	const char *bytes = map_made(from, &size);

	if (folder_exists(path))
		fail("the image cannot be written to %s: it is a folder; give the name "
		     "of a file with -o",
		     path);
	if (!file_replace(path, bytes, size))
		fail(
		    "the image cannot be written to %s: %s; choose another place with -o",
		    path, strerror(errno));
}

/* A program of the host stays whole, for debuggers and sanitizers. */
void deliver_program(const struct build *build, const char *linked)
{
	write_output(linked, build->output);
	chmod(build->output, 0755);
}

static void make_one(struct make_step step, const char *linked)
{
	words_add(&step.inputs, linked);
	if (!make_steps(&step, 1))
		fail("%s could not be stripped: see above", path_display(linked));
}

void deliver_image(const struct build *build, const struct words *inputs,
                   const char *linked)
{
	const char *image = text_format("%s/image", build->state);
	const char *debug = text_format("%s.debug", image);
	const char *map = text_format("%s/map", build->state);
	struct make_step strip = {.output = image, .title = "stripping"};
	struct make_step keep = {.output = debug, .title = "debug information"};
	struct text text = {0};

	words_split(&strip.command, "objcopy --strip-all");
	words_add(&strip.command, linked);
	words_add(&strip.command, image);
	make_one(strip, linked);

	map_file_text(&text, image, text_format("%s/image.map", build->state), inputs);
	file_write(map, text.data, text.len);
	/* Of the relocations that the linker left, those of debug information serve
	 * nobody. */
	words_split(&keep.command,
	            "objcopy --only-keep-debug --remove-relocations=.debug*");
	words_add(&keep.command, text_format("--add-section=%s=%s", MAP_SECTION, map));
	words_add(&keep.command, linked);
	words_add(&keep.command, debug);
	words_add(&keep.inputs, map);
	make_one(keep, linked);

	check_budget(build, image);
	write_output(image, build->output);
	chmod(build->output, 0755);
	write_output(debug, text_format("%s.debug", build->output));
}
