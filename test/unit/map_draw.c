/*
 * What kiln map draws: the tree, the squarified layout (its areas, its bounds, the example
 * of the paper), and the SVG, whose texts are names from outside.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* cmocka's; the tool has a function of this name */
#include "tool/map.h"

/* The command never frees what it allocates: see tool.h. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static const double close_to = 1e-6;

static bool near(double a, double b)
{
	return fabs(a - b) < close_to;
}

static double area(struct map_box box)
{
	return box.width * box.height;
}

/* ---- the layout ---- */

static void assert_box(struct map_box box, double x, double y, double width,
                       double height)
{
	assert_true(near(box.x, x) && near(box.y, y));
	assert_true(near(box.width, width) && near(box.height, height));
}

/* Figure 4 of the paper, with the first row at the left. */
static void test_paper(void **state)
{
	static const double weight[] = {6, 6, 4, 3, 2, 2, 1};
	struct map_box box[7];

	map_squarify(weight, 7, (struct map_box){0, 0, 6, 4}, box);
	assert_box(box[0], 0, 0, 3, 2);
	assert_box(box[1], 0, 2, 3, 2);
	assert_box(box[2], 3, 0, 12.0 / 7, 7.0 / 3);
	assert_box(box[3], 3 + 12.0 / 7, 0, 9.0 / 7, 7.0 / 3);
	for (int i = 0; i < 7; i++)
		assert_true(near(area(box[i]), weight[i]));
}

static bool inside(struct map_box inner, struct map_box outer)
{
	return inner.x > outer.x - close_to && inner.y > outer.y - close_to &&
	       inner.x + inner.width < outer.x + outer.width + close_to &&
	       inner.y + inner.height < outer.y + outer.height + close_to;
}

static bool overlap(struct map_box a, struct map_box b)
{
	return a.x + a.width > b.x + close_to && b.x + b.width > a.x + close_to &&
	       a.y + a.height > b.y + close_to && b.y + b.height > a.y + close_to;
}

static void test_areas(void **state)
{
	enum { COUNT = 60 };
	struct map_box outer = {10, 20, 700, 300}, box[COUNT];
	double weight[COUNT], total = 0;

	for (int i = 0; i < COUNT; i++)
		total += weight[i] = 1e6 / (1 + i * i);
	map_squarify(weight, COUNT, outer, box);
	for (int i = 0; i < COUNT; i++) {
		assert_true(inside(box[i], outer));
		assert_true(fabs(area(box[i]) - weight[i] / total * area(outer)) < 1e-3);
		for (int j = 0; j < i; j++)
			assert_false(overlap(box[i], box[j]));
	}
}

static void test_nothing_to_lay(void **state)
{
	static const double weight[] = {3, 0, -1, 0};
	struct map_box box[4];

	map_squarify(weight, 4, (struct map_box){0, 0, 10, 10}, box);
	assert_box(box[0], 0, 0, 10, 10);
	assert_true(near(area(box[1]), 0) && near(area(box[2]), 0));
	map_squarify(weight + 1, 3, (struct map_box){0, 0, 10, 10}, box);
	map_squarify(weight, 4, (struct map_box){0, 0, 0, 10}, box);
	assert_true(near(area(box[0]), 0));
	map_squarify(weight, 0, (struct map_box){0, 0, 10, 10}, box);
}

/* ---- the tree ---- */

enum { PARTS = 400 };

/* Libraries of very different sizes, with objects of one part and of many. */
static void make_map(struct map *map, struct map_part *part, uint64_t scale)
{
	*map = (struct map){.part = part};
	for (unsigned i = 0; i < PARTS; i++) {
		part[i] = (struct map_part){
		    .library = i < 300   ? "net"
		               : i < 390 ? "http"
		                         : "core",
		    .object = text_format("file%u.c", i / (i < 300 ? 20u : 3u)),
		    .name = text_format("function_%u", i),
		    .kind = i % 7 == 0    ? MAP_CONSTANTS
		            : i % 11 == 0 ? MAP_ZEROED
		                          : MAP_CODE,
		    .bytes = 40 + (i * 7919u % 997) * scale,
		};
		if (part[i].kind != MAP_ZEROED)
			map->bytes += part[i].bytes;
	}
	map->count = PARTS;
}

static void test_tree(void **state)
{
	struct map_part part[] = {
	    {"net", "tcp.c", "a", MAP_CODE, 10, 0, MAP_NO_INPUT},
	    {"core", "log.c", "b", MAP_CODE, 50, 0, MAP_NO_INPUT},
	    {"net", "tcp.c", "a", MAP_CODE, 5, 0, MAP_NO_INPUT},
	    {"net", "udp.c", "c", MAP_ZEROED, 99, 0, MAP_NO_INPUT},
	    {"format", "headers", "d", MAP_FORMAT, 500, 0, MAP_NO_INPUT},
	};
	struct map_part old = {"net", "tcp.c", "e", MAP_CODE, 7, 0, MAP_NO_INPUT};
	struct map now = {.part = part, .count = 5, .bytes = 565};
	struct map before = {.part = &old, .count = 1, .bytes = 7};
	struct map_node root = map_tree(&now, &before), *net;

	assert_int_equal(root.bytes, 565);
	assert_int_equal(root.before, 7);
	assert_int_equal(root.zeroed, 99);
	assert_int_equal(root.count, 3);
	assert_string_equal(root.child[0].name, "core");
	assert_string_equal(root.child[2].name, "format");
	net = &root.child[1];
	assert_int_equal(net->bytes, 15);
	assert_int_equal(net->count, 2);
	assert_int_equal(net->child[0].count, 2);
	assert_int_equal(net->child[0].child[0].bytes, 15);
	assert_string_equal(net->child[0].child[1].name, "e");
	assert_int_equal(net->child[0].child[1].before, 7);
}

/* Titles take room, but not from what they name: a byte is as large everywhere. */
static void check_density(const struct map_node *node, struct map_box box, double whole)
{
	assert_true(inside(node->box, box));
	for (size_t i = 0; i < node->count; i++)
		check_density(&node->child[i], node->box, whole);
	if (!node->count && node->bytes > 200) {
		double density = area(node->box) / (double)node->bytes;
		assert_true(density > whole * 0.85 && density < whole * 1.15);
	}
}

static double part_area(const struct map_node *node)
{
	double sum = node->count ? 0 : area(node->box);

	for (size_t i = 0; i < node->count; i++)
		sum += part_area(&node->child[i]);
	return sum;
}

static void test_density(void **state)
{
	struct map_part part[PARTS];
	struct map map;
	struct map_box box = {16, 60, 1248, 720};
	struct map_node root;

	make_map(&map, part, 1);
	root = map_tree(&map, NULL);
	map_layout(&root, box);
	check_density(&root, box, part_area(&root) / (double)root.bytes);
}

/* ---- the picture ---- */

static unsigned occurrences(const char *text, const char *what)
{
	unsigned count = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		count++;
	return count;
}

static void test_picture(void **state)
{
	struct map_part part[PARTS], old[PARTS];
	struct map map, before;
	struct map_node root;
	struct text svg = {0};

	make_map(&map, part, 1);
	root = map_tree(&map, NULL);
	map_draw(&svg, &root, "web.jail", NULL);
	assert_non_null(strstr(svg.data, "<title>function_21\n"));
	assert_int_equal(occurrences(svg.data, "<g"), occurrences(svg.data, "</g>"));
	assert_int_equal(occurrences(svg.data, "<rect"),
	                 occurrences(svg.data, "</rect>") +
	                     /* background, legend, key */
	                     1 + 3 + 3);
	assert_null(strstr(svg.data, "nan"));
	assert_null(strstr(svg.data, "width=\"-"));

	make_map(&map, part, 1);
	make_map(&before, old, 2);
	before.count = PARTS - 40;
	root = map_tree(&map, &before);
	svg = (struct text){0};
	map_draw(&svg, &root, "new", "old");
	assert_non_null(strstr(svg.data, "class=\"p shrank\""));
	assert_non_null(strstr(svg.data, "class=\"p came\""));
}

static void test_foreign_names(void **state)
{
	struct map_part part[] = {
	    {"embedded", "site", "<script>&\"'.html", MAP_EMBEDDED, 5000, 0,
	     MAP_NO_INPUT},
	    {"embedded", "site", "\x01\xff\xc3\xa9\xc0\xaf.txt", MAP_EMBEDDED, 5000, 0,
	     MAP_NO_INPUT},
	    {"net", "tcp.c", "a", MAP_CODE, 10, 0, MAP_NO_INPUT},
	};
	struct map map = {.part = part, .count = 3, .bytes = 10010};
	struct map_node root = map_tree(&map, NULL);
	struct text svg = {0};

	map_draw(&svg, &root, "a<b>.jail", NULL);
	assert_null(strstr(svg.data, "<script"));
	assert_non_null(strstr(svg.data, "&lt;script&gt;&amp;&quot;'.html"));
	assert_non_null(strstr(svg.data, "a&lt;b&gt;.jail"));
	assert_null(strchr(svg.data, '\x01'));
	assert_null(strchr(svg.data, '\xff'));
	assert_non_null(strstr(svg.data, "\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9"));
}

/* Long names of multi-byte characters are cut between them, at every width. */
static void test_cut_names(void **state)
{
	for (uint64_t size = 100; size < 40000; size += 700) {
		struct map_part part[] = {
		    {"embedded", "site",
		     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d\xc3\xa9\xe2\x82\xac\xf0\x9f"
		     "\x8c"
		     "\x8d\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d\xc3\xa9\xe2\x82\xac",
		     MAP_EMBEDDED, size, 0, MAP_NO_INPUT},
		    {"net", "tcp.c", "a", MAP_CODE, 20000, 0, MAP_NO_INPUT},
		};
		struct map map = {.part = part, .count = 2, .bytes = 20000 + size};
		struct map_node root = map_tree(&map, NULL);
		struct text svg = {0};
		map_draw(&svg, &root, "x", NULL);
		assert_null(strstr(svg.data, "\xef\xbf\xbd"));
	}
}

static void test_json(void **state)
{
	struct text json = {0};

	text_add_json(&json, "a\"\\\n\x7f\xed\xa0\x80 \xf0\x9f\x8c\x8d");
	assert_string_equal(json.data,
	                    "\"a\\\"\\\\\\u000a\x7f"
	                    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xf0\x9f\x8c\x8d\"");
}

static void test_numbers(void **state)
{
	assert_string_equal(map_number(0), "0");
	assert_string_equal(map_number(999), "999");
	assert_string_equal(map_number(1000), "1,000");
	assert_string_equal(map_number(1234567), "1,234,567");
	assert_string_equal(map_change(10, 2010), "-2,000");
	assert_string_equal(map_change(5, 5), "+0");
	assert_string_equal(map_share(1, 3), "33.3 %");
	assert_string_equal(map_share(1, 0), "0.0 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paper),          cmocka_unit_test(test_areas),
	    cmocka_unit_test(test_nothing_to_lay), cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_density),        cmocka_unit_test(test_picture),
	    cmocka_unit_test(test_foreign_names),  cmocka_unit_test(test_cut_names),
	    cmocka_unit_test(test_json),           cmocka_unit_test(test_numbers),
	};
	return cmocka_run_group_tests_name("map_draw", tests, NULL, NULL);
}
