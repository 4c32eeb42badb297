/*
 * The treemap as SVG: a title, the libraries with their objects and parts, a legend with
 * totals. Hovering names a part and brings out its library, by CSS alone; light and dark
 * follow the reader's own choice. With an image to compare with, colours say what changed
 * in place of which library it is.
 *
 * CSS has the colours spelled out for both schemes: variables are unknown to some that
 * draw SVG.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"

enum {
	WIDTH = 1280,
	MARGIN = 16,
	HEAD = 62,
	MAP_HEIGHT = 720,
	LEGEND_COLUMNS = 4,
	LEGEND_ROW = 20,
	LEAST_AREA = 40, /* of a part, in pixels: smaller ones are drawn together */
};

/* Widths of a character in a monospaced and in a proportional font, by its size. */
static const double mono = 0.61, sans = 0.58, sans_bold = 0.62;

/* ---- colours ---- */

/* Known libraries always have the same colour, others one of the spare ones. */
static const struct colour {
	const char *library, *light, *dark;
} colours[] = {
    {"net", "#9dbfe3", "#2f5a88"},       {"http", "#a9cfa8", "#37693f"},
    {"core", "#c8b9e2", "#5f4d87"},      {"target-jail", "#e6bf95", "#835529"},
    {"target-vm", "#e6bf95", "#835529"}, {"appliance", "#e8a9a4", "#8b4642"},
    {"embedded", "#e8d78f", "#75641f"},  {"libc", "#a0d0cc", "#2a6a66"},
    {"format", "#ccd2da", "#474f5b"},    {NULL, "#dcb0cb", "#7d4b6b"},
    {NULL, "#bccb88", "#586527"},        {NULL, "#b0bcec", "#454f93"},
    {NULL, "#d8c6b2", "#665646"},
};

/* Of what changed, when two images are compared; the classes are map_change_word()'s. */
static const struct {
	const char *word, *light, *dark;
} changes[] = {
    {"came", "#e48a4a", "#b0632d"}, {"grew", "#f3bd96", "#85502f"},
    {"same", "#d3d8df", "#3a414b"}, {"shrank", "#a4c9ea", "#2c5b87"},
    {"went", "#3b7fc0", "#6fb0ea"},
};

enum { CHANGES = sizeof(changes) / sizeof(changes[0]), WENT = CHANGES - 1 };
enum { COLOURS = sizeof(colours) / sizeof(colours[0]), SPARE = 9 };

static unsigned colour_of(const struct map_node *root, const struct map_node *library)
{
	unsigned spare = 0;

	for (const struct map_node *node = root->child;; node++) {
		unsigned known = 0;
		while (known < SPARE && strcmp(colours[known].library, node->name) != 0)
			known++;
		if (node == library)
			return known < SPARE ? known : SPARE + spare % (COLOURS - SPARE);
		spare += known == SPARE;
	}
}

static void add_fills(struct text *svg, bool compared, bool dark)
{
	for (unsigned i = 0; i < COLOURS; i++)
		text_add(svg, ".c%u{fill:%s}%s", i,
		         dark ? colours[i].dark : colours[i].light,
		         i % 4 == 3 ? "\n" : "");
	for (unsigned i = 0; compared && i < CHANGES; i++)
		text_add(svg, ".%s{fill:%s}", changes[i].word,
		         dark ? changes[i].dark : changes[i].light);
	if (compared)
		text_add(svg, ".went{stroke:%s}",
		         dark ? changes[WENT].dark : changes[WENT].light);
	text_add(svg, "\n");
}

static void add_style(struct text *svg, bool compared)
{
	text_add(svg, "<style>\n"
	              "text{font:12px system-ui,\"Segoe UI\",Roboto,\"Noto Sans\","
	              "\"DejaVu Sans\",sans-serif;fill:#1a2029;pointer-events:none}\n"
	              ".h{font-size:20px;font-weight:600}\n"
	              ".s{fill:#5b6573}\n"
	              ".lt{font-weight:600}\n"
	              ".ot{font-size:10.5px;opacity:.85}\n"
	              ".n{font:10px ui-monospace,\"SF Mono\",Menlo,Consolas,"
	              "\"DejaVu Sans Mono\",monospace}\n"
	              ".b{font-size:9px;opacity:.65}\n"
	              ".r{text-anchor:end;font-variant-numeric:tabular-nums}\n"
	              ".bg{fill:#fff}\n"
	              ".lib{transition:opacity .15s}\n"
	              ".map:hover .lib:not(:hover){opacity:.6}\n"
	              ".lib .back{fill-opacity:.38}\n"
	              ".obj .o{fill-opacity:.45}\n"
	              ".p:hover{stroke:#1a2029;stroke-width:1.5}\n"
	              ".constants{fill-opacity:.66}.data{fill-opacity:.4}\n"
	              ".went{fill-opacity:.12;stroke-dasharray:3 2}\n");
	add_fills(svg, compared, false);
	text_add(svg, "@media(prefers-color-scheme:dark){\n"
	              "text{fill:#eef1f5}.s{fill:#a2acb9}.bg{fill:#11151b}\n"
	              ".p:hover{stroke:#fff}\n");
	add_fills(svg, compared, true);
	text_add(svg, "}\n</style>\n");
}

/* ---- pieces ---- */

/* Tenths of a pixel, without a needless ".0". */
static const char *pixels(double value)
{
	long tenths = lround(value * 10);

	if (tenths % 10 == 0)
		return text_format("%ld", tenths / 10);
	return text_format("%s%ld.%ld", tenths < 0 ? "-" : "", labs(tenths) / 10,
	                   labs(tenths) % 10);
}

static void add_rectangle(struct text *svg, const char *class, struct map_box box,
                          double gap, const char *end)
{
	double width = box.width - 2 * gap, height = box.height - 2 * gap;

	text_add(svg, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"%s",
	         class, pixels(box.x + gap), pixels(box.y + gap),
	         pixels(width > 0 ? width : 0), pixels(height > 0 ? height : 0), end);
}

static void add_text(struct text *svg, const char *class, double x, double y,
                     const char *string)
{
	text_add(svg, "<text class=\"%s\" x=\"%s\" y=\"%s\">", class, pixels(x),
	         pixels(y));
	text_add_xml(svg, string);
	text_add(svg, "</text>\n");
}

/* The longest beginning of at most `limit` bytes that does not end within a character. */
static size_t cut(const char *string, size_t limit)
{
	size_t length = strlen(string);

	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char)string[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

/* The next line of a name: what fits, preferably up to a '_', '.', '/' or '-'; the last
 * line is cut. NULL if not even a few letters fit; *at moves on, to the end after a cut. */
static const char *next_line(const char **at, size_t room, bool last)
{
	size_t length = strlen(*at), best = 0;
	const char *begin = *at;

	*at = begin + length;
	if (length <= room)
		return begin;
	for (size_t i = 2; i <= room; i++)
		if (strchr("_./- ", begin[i - 1]))
			best = i;
	if (best && !last) {
		*at = begin + best;
		return text_format("%.*s", (int)best, begin);
	}
	if (room < 5)
		return NULL;
	return text_format("%.*s\xe2\x80\xa6", (int)cut(begin, room - 1), begin);
}

/* The name in as many lines as it needs and fit, and its size below. */
static void add_label(struct text *svg, const char *name, const char *size,
                      struct map_box box)
{
	const double line = 11.5, edge = 4;
	double room = (box.width - 2 * edge) / (10 * mono), y = box.y + 12.5;
	double bottom = box.y + box.height - 3;
	struct words lines = {0};

	if (room < 3 || y > bottom)
		return;
	while (*name) {
		bool last = y + line * (double)(lines.count + 1) > bottom;
		const char *next = next_line(&name, (size_t)room, last);
		if (!next)
			return;
		words_add(&lines, next);
	}
	for (size_t i = 0; i < lines.count; i++, y += line)
		add_text(svg, "n", box.x + edge, y, lines.item[i]);
	if (y - 0.5 <= bottom && (double)strlen(size) * 9 * sans <= box.width - 2 * edge)
		add_text(svg, "b", box.x + edge, y - 0.5, size);
}

/* ---- parts, objects, libraries ---- */

struct drawing {
	struct text *svg;
	const struct map_node *root;
	bool compared;
};

static const char *size_text(const struct drawing *d, const struct map_node *node)
{
	if (d->compared && node->bytes != node->before)
		return map_change(node->bytes, node->before);
	return map_number(node->bytes);
}

/* What hovering says: "tcp_input / 1,234 bytes, 1.1 %, code / net, tcp_input.c". */
static void add_hover(const struct drawing *d, const struct map_node *node,
                      const char *above)
{
	struct text *svg = d->svg;

	text_add(svg, "<title>");
	text_add_xml(svg, node->name);
	text_add(svg, "\n%s bytes, %s", map_number(node->bytes),
	         map_share(node->bytes, d->root->bytes));
	if (d->compared && node->bytes != node->before)
		text_add(svg, ", %s", map_change(node->bytes, node->before));
	if (!node->count)
		text_add(svg, ", %s", map_kind_text(node->kind));
	text_add(svg, "\n");
	text_add_xml(svg, above);
	text_add(svg, "</title></rect>\n");
}

static void draw_part(const struct drawing *d, const struct map_node *part,
                      const char *above, unsigned colour)
{
	const char *class = text_format("p c%u", colour);

	if (part->box.width < 0.2 || part->box.height < 0.2)
		return;
	if (d->compared)
		class = text_format("p %s", map_change_word(part));
	else if (part->kind == MAP_CONSTANTS || part->kind == MAP_DATA)
		class = text_format("%s %s", class, map_kind_text(part->kind));
	add_rectangle(d->svg, class, part->box, 0.5, ">");
	add_hover(d, part, above);
	add_label(d->svg, part->name, size_text(d, part), part->box);
}

/* A title in the strip above what it names, with its size if there is room. */
static void add_strip(const struct drawing *d, const struct map_node *node,
                      const char *class, double baseline, double letter)
{
	double room = (node->box.width - 10) / letter;
	const char *size = size_text(d, node), *name = node->name;
	const char *with = text_format("%s \xc2\xb7 %s", name, size);

	if ((double)strlen(with) - 1 <= room)
		name = with;
	else if ((double)strlen(name) > room)
		name = room < 4 ? ""
		                : text_format("%.*s\xe2\x80\xa6",
		                              (int)cut(name, (size_t)room - 1), name);
	if (*name)
		add_text(d->svg, class, node->box.x + 5, node->box.y + baseline, name);
}

static void draw_object(const struct drawing *d, const struct map_node *object,
                        const struct map_node *library, unsigned colour)
{
	const char *above = text_format("%s, %s", library->name, object->name);

	if (object->box.width < 0.2 || object->box.height < 0.2)
		return;
	text_add(d->svg, "<g class=\"obj\">\n");
	add_rectangle(
	    d->svg,
	    text_format("o %s", d->compared ? "same" : text_format("c%u", colour)),
	    object->box, 0.5, ">");
	add_hover(d, object, library->name);
	if (map_object_inner(object->box).y > object->box.y + 4)
		add_strip(d, object, "ot", 11.5, 10.5 * sans);
	for (size_t i = 0; i < object->count; i++)
		draw_part(d, &object->child[i], above, colour);
	text_add(d->svg, "</g>\n");
}

static void draw_library(const struct drawing *d, const struct map_node *library)
{
	unsigned colour = colour_of(d->root, library);

	text_add(d->svg, "<g class=\"lib\">\n");
	add_rectangle(
	    d->svg,
	    text_format("back %s", d->compared ? "same" : text_format("c%u", colour)),
	    library->box, 0.75, ">");
	add_hover(d, library, "library");
	if (map_library_inner(library->box).y > library->box.y + 4)
		add_strip(d, library, "lt", 14.5, 12 * sans_bold);
	for (size_t i = 0; i < library->count; i++)
		draw_object(d, &library->child[i], library, colour);
	text_add(d->svg, "</g>\n");
}

/* ---- around the map ---- */

static void draw_legend(const struct drawing *d, double top)
{
	double column = (double)(WIDTH - 2 * MARGIN) / LEGEND_COLUMNS;
	size_t rows = (d->root->count + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS;

	for (size_t i = 0; i < d->root->count; i++) {
		const struct map_node *library = &d->root->child[i];
		double x = MARGIN + column * (double)(i / rows);
		double y = top + LEGEND_ROW * (double)(i % rows);
		const char *share = !d->compared
		                        ? map_share(library->bytes, d->root->bytes)
		                    : library->bytes == library->before
		                        ? "="
		                        : map_change(library->bytes, library->before);

		if (!d->compared)
			add_rectangle(d->svg,
			              text_format("c%u", colour_of(d->root, library)),
			              (struct map_box){x, y + 4, 12, 12}, 0, "/>\n");
		add_text(d->svg, "", x + (d->compared ? 0 : 20), y + 14, library->name);
		add_text(d->svg, "r", x + column * 0.62, y + 14,
		         map_number(library->bytes));
		add_text(d->svg, "r s", x + column * 0.82, y + 14, share);
	}
}

/* What the tints, or the colours of changes, mean. */
static void draw_key(const struct drawing *d, double top)
{
	static const char *const tints[] = {"code", "constants", "data"};
	size_t count = d->compared ? CHANGES : sizeof(tints) / sizeof(tints[0]);
	double x = MARGIN;

	for (size_t i = 0; i < count; i++) {
		const char *name = d->compared ? changes[i].word : tints[i];
		add_rectangle(d->svg, d->compared ? name : text_format("c8 %s", name),
		              (struct map_box){x, top + 4, 12, 12}, 0, "/>\n");
		add_text(d->svg, "s", x + 20, top + 14, name);
		x += 100;
	}
	if (d->root->zeroed)
		add_text(d->svg, "s r", WIDTH - MARGIN, top + 14,
		         text_format("zeroed memory, not in the file: %s bytes",
		                     map_number(d->root->zeroed)));
}

/* Draws what is too small to be seen together with its like. */
static void fold(struct map_node *node, double least, unsigned level)
{
	struct map_node small = {.kind = MAP_FORMAT};
	size_t folded = 0, kept = 0;

	for (size_t i = 0; i < node->count; i++) {
		struct map_node *child = &node->child[i];
		double size = (double)(child->bytes ? child->bytes : child->before);
		fold(child, least, level + 1);
		if (level == 0 || size >= least || size == 0) {
			node->child[kept++] = *child;
			continue;
		}
		small.kind = child->kind;
		small.bytes += child->bytes;
		small.before += child->before;
		folded++;
	}
	if (folded) {
		small.name = text_format("%zu smaller", folded);
		node->child[kept++] = small;
	}
	node->count = kept;
}

static const char *caption(const struct drawing *d, const char *before)
{
	if (!d->compared)
		return text_format("%s bytes, each drawn by its share of the file",
		                   map_number(d->root->bytes));
	return text_format(
	    "%s bytes, %s against %s; what went is drawn as large as it was",
	    map_number(d->root->bytes), map_change(d->root->bytes, d->root->before),
	    before);
}

void map_draw(struct text *svg, struct map_node *root, const char *title,
              const char *before)
{
	struct drawing d = {svg, root, before != NULL};
	struct map_box box = {MARGIN, HEAD, WIDTH - 2 * MARGIN, MAP_HEIGHT};
	size_t rows = (root->count + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS;
	double legend = HEAD + MAP_HEIGHT + 10,
	       key = legend + (double)rows * LEGEND_ROW + 10;
	double height = key + LEGEND_ROW + MARGIN;

	fold(root, (double)root->bytes * LEAST_AREA / (box.width * box.height), 0);
	map_layout(root, box);
	text_add(svg,
	         "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %s\" "
	         "role=\"img\" aria-label=\"What ",
	         WIDTH, pixels(height));
	text_add_xml(svg, title);
	text_add(svg, " consists of\">\n");
	add_style(svg, d.compared);
	add_rectangle(svg, "bg", (struct map_box){0, 0, WIDTH, height}, 0, "/>\n");
	add_text(svg, "h", MARGIN, 32, title);
	add_text(svg, "s", MARGIN, 52, caption(&d, before));
	text_add(svg, "<g class=\"map\">\n");
	for (size_t i = 0; i < root->count; i++)
		if (root->child[i].box.width >= 0.2 && root->child[i].box.height >= 0.2)
			draw_library(&d, &root->child[i]);
	text_add(svg, "</g>\n");
	draw_legend(&d, legend);
	draw_key(&d, key);
	text_add(svg, "</svg>\n");
}
