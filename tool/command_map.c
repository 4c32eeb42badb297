/*
 * `kiln map`: an image as a treemap, as a table, compared with another, or why one of its
 * symbols is in it. What is drawn and how stands in map.h.
 */
#include <stdio.h>
#include <string.h>
#include "map.h"

enum { CHANGES = 40, SIMILAR = 5, CHAINS = 20 };

struct options {
	const char *image, *output, *other, *why;
	bool table, json;
};

/* ---- why ---- */

static const char *place_text(const struct map_part *part)
{
	return text_format("%s, %s", part->library, part->object);
}

/* The parts from the one that begins it to the one asked for. */
static size_t *chain_of(const struct map_reach *reach, size_t part, size_t *count)
{
	size_t *chain, at = part;

	*count = 1;
	for (; reach[at].from != at; at = reach[at].from)
		++*count;
	chain = allocate(*count * sizeof(*chain));
	for (size_t i = *count; i-- > 0; part = reach[part].from)
		chain[i] = part;
	return chain;
}

static const char *step_text(enum map_link_kind kind)
{
	return kind == MAP_ENTRY       ? "the entry point"
	       : kind == MAP_KEPT      ? "kept by the linker script"
	       : kind == MAP_NEIGHBOUR ? "of the same section"
	                               : "";
}

static void print_chain(const struct map_file *file, const struct map_reach *reach,
                        size_t part)
{
	size_t count;
	const size_t *chain = chain_of(reach, part, &count);
	const struct map_part *asked = &file->map.part[part];

	printf("%s (%s): %s bytes%s\n", asked->name, place_text(asked),
	       map_number(asked->bytes),
	       asked->kind == MAP_ZEROED ? " of zeroed memory" : "");
	for (size_t i = 0; i < count; i++) {
		const struct map_part *p = &file->map.part[chain[i]];
		const char *note = step_text(reach[chain[i]].kind);
		printf("  %s %-28s  %s%s%s\n", i ? "->" : "  ", p->name, place_text(p),
		       *note ? ": " : "", note);
	}
}

static void add_json_chain(struct text *json, const struct map_file *file,
                           const struct map_reach *reach, size_t part)
{
	static const char *const kinds[] = {"", "entry", "reference", "neighbour",
	                                    "kept"};
	size_t count;
	const size_t *chain = chain_of(reach, part, &count);

	for (size_t i = 0; i < count; i++) {
		const struct map_part *p = &file->map.part[chain[i]];
		text_add(json, "%s{\"name\":", i ? "," : "[");
		text_add_json(json, p->name);
		text_add(json, ",\"library\":");
		text_add_json(json, p->library);
		text_add(json, ",\"object\":");
		text_add_json(json, p->object);
		text_add(json, ",\"bytes\":%llu,\"by\":\"%s\"}",
		         (unsigned long long)p->bytes, kinds[reach[chain[i]].kind]);
	}
	text_add(json, "]");
}

/* "libnet.a(tcp.c.o)", in which the libraries had the symbol; NULL if in none. */
static const char *offered_by(const struct map_file *file, const char *symbol)
{
	const char *line = file->offers;
	size_t length = strlen(symbol);

	while (strncmp(line, "offers ", 7) == 0) {
		const char *end = line + strcspn(line, "\n");
		const char *member = line + 7, *at = member + strcspn(member, " \n");
		size_t member_length = (size_t)(at - member);
		while (at < end) {
			size_t word = strcspn(++at, " \n");
			if (word == length && memcmp(at, symbol, word) == 0)
				return text_format("%.*s", (int)member_length, member);
			at += word;
		}
		line = end + (*end == '\n');
	}
	return NULL;
}

/* The input section of a function or variable ends with its name. */
static const struct map_input *dropped_section(const struct map_link *link,
                                               const char *symbol)
{
	for (size_t i = 0; i < link->dropped_count; i++) {
		const char *section = link->dropped[i].section;
		size_t n = strlen(section), m = strlen(symbol);
		if (link->dropped[i].size && n > m && section[n - m - 1] == '.' &&
		    strcmp(section + n - m, symbol) == 0 &&
		    strncmp(section, ".debug", 6) != 0)
			return &link->dropped[i];
	}
	return NULL;
}

static _Noreturn void fail_absent(const struct map_file *file, const char *symbol)
{
	const struct map_input *dropped = dropped_section(&file->link, symbol);
	const char *offered = offered_by(file, symbol);
	struct words similar;
	struct text names = {0};

	if (dropped)
		fail("%s is not in %s: the linker dropped it (%s of %s), for nothing in "
		     "the image refers to it",
		     symbol, file->image.path, dropped->section,
		     path_base(dropped->file));
	if (offered)
		fail("%s is not in %s: %s has it, but nothing in the image refers to it",
		     symbol, file->image.path, offered);
	similar = map_similar(&file->symbols, symbol, SIMILAR);
	for (size_t i = 0; i < similar.count; i++)
		text_add(&names, "%s %s", i ? "," : "", similar.item[i]);
	fail(
	    "there is no %s in %s, nor in what it was linked from: is the name right, or "
	    "did the compiler put it into its callers?%s%s",
	    symbol, file->image.path, names.len ? " Similar:" : "",
	    names.len ? names.data : "");
}

static void why(const struct map_file *file, const char *symbol, bool json)
{
	struct map_found found = map_find(&file->map, &file->symbols, symbol);
	const struct map_reach *reach;
	struct text text = {0};

	if (!found.count)
		fail_absent(file, symbol);
	reach = map_graph_read(&file->map, &file->sections, &file->symbols, &file->link,
	                       file->image.image.entry);
	for (size_t i = 0; i < found.count && !json; i++) {
		if (i == CHAINS) {
			printf("\nand %zu more: --json has all\n", found.count - i);
			break;
		}
		if (i)
			printf("\n");
		print_chain(file, reach, found.part[i]);
	}
	if (!json)
		return;
	text_add(&text, "{\"symbol\":");
	text_add_json(&text, symbol);
	text_add(&text, ",\"chains\":[");
	for (size_t i = 0; i < found.count; i++) {
		text_add(&text, i ? "," : "");
		add_json_chain(&text, file, reach, found.part[i]);
	}
	puts(text_format("%s]}", text.data));
}

/* ---- the command ---- */

static void read_arguments(struct options *options, int argc, char **argv)
{
	struct settings settings = {0};

	for (int i = 1; i < argc; i++) {
		const char *value;
		if ((value = short_option('o', argv, &i)) != NULL) {
			options->output = value;
		} else if (strcmp(argv[i], "--text") == 0) {
			options->table = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			options->json = true;
		} else if (strncmp(argv[i], "--diff", 6) == 0 ||
		           strncmp(argv[i], "--why", 5) == 0) {
			const struct setting *s;
			settings_take(&settings, argv, &i);
			s = &settings.item[settings.count - 1];
			if (strcmp(s->key, "diff") == 0)
				options->other = s->value;
			else if (strcmp(s->key, "why") == 0)
				options->why = s->value;
			else
				fail_usage(
				    "kiln map does not know --%s (see kiln help map)",
				    s->key);
		} else if (argv[i][0] == '-') {
			fail_usage("kiln map does not know %s (see kiln help map)",
			           argv[i]);
		} else if (options->image) {
			fail_usage("kiln map takes one image, not both %s and %s (--diff "
			           "compares two)",
			           options->image, argv[i]);
		} else {
			options->image = argv[i];
		}
	}
	if (!options->image)
		fail_usage("which image? kiln map IMAGE [-o FILE.svg]");
	if (options->table && options->json)
		fail_usage("--text is for people, --json for programs: choose one");
	if (options->why && (options->output || options->other || options->table))
		fail_usage("--why is a question of its own: of the other options it goes "
		           "with --json only");
}

int command_map(int argc, char **argv)
{
	struct options options = {0};
	struct map_file *file = allocate(sizeof(*file)), *other = NULL;
	const char *name, *before = NULL;
	struct map_node root;
	struct text svg = {0};

	read_arguments(&options, argc, argv);
	map_file_read(file, options.image);
	if (options.why) {
		why(file, options.why, options.json);
		return 0;
	}
	name = path_base(options.image);
	if (options.other) {
		other = allocate(sizeof(*other));
		map_file_read(other, options.other);
		before = strcmp(path_base(options.other), name) == 0
		             ? options.other
		             : path_base(options.other);
	}
	root = map_tree(&file->map, other ? &other->map : NULL);
	if (options.json)
		map_print_json(&root, name, before);
	else if (other)
		map_print_changes(&root, name, before, CHANGES);
	else if (options.table)
		map_print_table(&root, name);
	if (!options.output && (options.json || options.table || other))
		return 0;
	if (!options.output)
		options.output = text_format("%s.svg", options.image);
	map_draw(&svg, &root, name, before);
	file_write(options.output, svg.data, svg.len);
	if (!options.json)
		printf("%s: %s in %zu libraries, drawn\n", path_display(options.output),
		       name, root.count);
	return 0;
}
