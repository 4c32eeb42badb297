/*
 * `kiln map`: which part of an image takes how many of its bytes, and why it is there.
 *
 *	map_link	reads the linker's map: which input section lies where
 *	map_parts	from that and the image's own headers: every byte of the file, once
 *	map_graph	from the relocations that the linker left: what refers to what
 *	map_tree	the parts of one image, or of two, by library and object
 *	map_layout	a squarified treemap of that
 *	map_draw	the treemap as SVG
 *	map_print	as a table, and as JSON
 *	map_file	an image with its companion file; what `kiln build` puts into that
 *
 * All but map_file are pure: they work on bytes and texts in memory, which may be broken
 * in any way, and say so by their result.
 */
#ifndef TOOL_MAP_H
#define TOOL_MAP_H

#include "build.h"
#include "sections.h"
#include "tool.h"

/* ---- the linker's map (map_link.c) ---- */

struct map_input {
	const char *output, *section; /* ".text" of the image, ".text.tcp_input" */
	const char *file;             /* "/a/libnet.a(tcp_input.c.o)"; NULL: fill */
	uint64_t address, size;
};

struct map_link {
	struct map_input *placed, *dropped; /* in the map's order */
	size_t placed_count, dropped_count;
	struct words assigned; /* symbols that the linker script sets; sorted */
};

/* False if this is no map of GNU ld's. */
bool map_link_read(struct map_link *link, const char *text);

/* ---- the parts of an image (map_parts.c) ---- */

enum map_kind {
	MAP_CODE,
	MAP_CONSTANTS,
	MAP_DATA,
	MAP_EMBEDDED, /* files of the appliance's */
	MAP_FORMAT,   /* what the file needs to be an image: headers, tables, padding */
	MAP_ZEROED,   /* memory that the file has no bytes for */
	MAP_KINDS,
};

/* For people: "code", ... */
const char *map_kind_text(enum map_kind kind);

struct map_part {
	const char *library, *object, *name;
	enum map_kind kind;
	uint64_t bytes;   /* of the file; if MAP_ZEROED, of memory */
	uint64_t address; /* of what came from an object; see `input` */
	size_t input;     /* of struct map_link's placed; MAP_NO_INPUT: from none */
};

#define MAP_NO_INPUT SIZE_MAX

struct map {
	struct map_part *part; /* all but MAP_ZEROED add up to `bytes` */
	size_t count, capacity;
	uint64_t bytes; /* of the file */
};

/* The image's file, and the symbols of the same layout. False, with a reason, if these do
 * not describe one file. */
bool map_parts_read(struct map *map, const void *file, size_t size,
                    const struct sections *image, const struct sections *symbols,
                    const struct map_link *link, const char **why);

/* ---- what refers to what (map_graph.c) ---- */

enum map_link_kind {
	MAP_UNREACHED,
	MAP_ENTRY,     /* the image begins here */
	MAP_REFERENCE, /* `from` refers to it */
	MAP_NEIGHBOUR, /* is of one section with `from`, which the linker takes as a whole */
	MAP_KEPT,      /* the linker script says to keep it */
};

struct map_reach {
	enum map_link_kind kind;
	size_t from; /* a part */
};

/* How each part came into the image, by the shortest way from its entry point: an array as
 * long as that of the parts. Parts that no object gave are MAP_UNREACHED. */
struct map_reach *map_graph_read(const struct map *map, const struct sections *image,
                                 const struct sections *symbols,
                                 const struct map_link *link, uint64_t entry);

/* Parts of which the name is one, as indices of the map's, ascending. The name may be a
 * pattern as the shell has them. */
struct map_found {
	size_t *part;
	size_t count;
};
struct map_found map_find(const struct map *map, const struct sections *symbols,
                          const char *name);
/* Names of the image that look like this one, best first, at most `limit`. */
struct words map_similar(const struct sections *symbols, const char *name, size_t limit);

/* ---- by library and object (map_tree.c) ---- */

struct map_box {
	double x, y, width, height;
};

struct map_node {
	const char *name;
	enum map_kind kind;     /* of a part */
	uint64_t bytes, before; /* of the file; before: in the image compared with */
	uint64_t zeroed;
	struct map_node *child; /* libraries, objects, parts: largest first */
	size_t count;
	struct map_box box; /* set by map_layout */
};

/* `before` may be NULL. */
struct map_node map_tree(const struct map *now, const struct map *before);
/* What became of a node: "came", "went", "grew", "shrank" or "same". */
const char *map_change_word(const struct map_node *node);

/* ---- the treemap (map_layout.c) ---- */

/* Squarified (Bruls, Huizing, van Wijk 2000): rectangles of the given weights, descending,
 * that fill the box; none with a weight of 0 or less has an area. */
void map_squarify(const double *weight, size_t count, struct map_box box,
                  struct map_box *result);

/* Rooms for titles; inner boxes are what is left for the content. */
struct map_box map_library_inner(struct map_box box);
struct map_box map_object_inner(struct map_box box);
/* Sets the boxes of all nodes below the root, whose box is given. */
void map_layout(struct map_node *root, struct map_box box);

/* ---- results ---- */

/* SVG (map_draw.c). `title` is the image's name; `before` that of the image compared with,
 * or NULL. */
void map_draw(struct text *svg, struct map_node *root, const char *title,
              const char *before);
/* Tables and JSON (map_print.c). */
void map_print_table(const struct map_node *root, const char *title);
void map_print_largest(const struct map_node *root, const char *title, size_t limit);
void map_print_changes(const struct map_node *root, const char *title, const char *before,
                       size_t limit);
void map_print_json(const struct map_node *root, const char *title, const char *before);
/* 1234567 as "1,234,567"; signed, with a sign always, for changes. */
const char *map_number(uint64_t value);
const char *map_change(uint64_t now, uint64_t before);
/* "12.3 %" of the whole. */
const char *map_share(uint64_t part, uint64_t whole);

/* ---- files (map_file.c) ---- */

struct map_file {
	struct image_file image;
	struct sections sections, symbols;
	struct map_link link;
	const char *offers; /* lines "libnet.a(tcp.c.o) tcp_new tcp_free" */
	struct map map;
};

/* Reads the image and its companion; ends the process with a message if it cannot. */
void map_file_read(struct map_file *file, const char *path);

/* The text that `kiln build` puts into section MAP_SECTION of IMAGE.debug: to which image
 * it belongs, what the libraries had to offer, and the linker's map. */
#define MAP_SECTION ".kiln.map"
void map_file_text(struct text *text, const char *image, const char *map,
                   const struct words *archives);

#endif
