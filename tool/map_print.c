/*
 * What an image consists of, as a table for people and as JSON for programs; and what
 * changed between two.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"

const char *map_number(uint64_t value)
{
	const char *digits = text_format("%" PRIu64, value);
	size_t length = strlen(digits);
	struct text text = {0};

	for (size_t i = 0; i < length; i++)
		text_add(&text, i && (length - i) % 3 == 0 ? ",%c" : "%c", digits[i]);
	return text.data;
}

const char *map_change(uint64_t now, uint64_t before)
{
	return now < before ? text_format("-%s", map_number(before - now))
	                    : text_format("+%s", map_number(now - before));
}

const char *map_share(uint64_t part, uint64_t whole)
{
	return text_format("%.1f %%", whole ? 100.0 * (double)part / (double)whole : 0);
}

/* ---- one image ---- */

void map_print_table(const struct map_node *root, const char *title)
{
	printf("%s: %s bytes\n\n%10s %8s %10s\n", title, map_number(root->bytes), "bytes",
	       "share", "zeroed");
	for (size_t i = 0; i < root->count; i++) {
		const struct map_node *library = &root->child[i];
		printf("%10s %8s %10s  %s\n", map_number(library->bytes),
		       map_share(library->bytes, root->bytes),
		       library->zeroed ? map_number(library->zeroed) : "", library->name);
		for (size_t j = 0; j < library->count; j++) {
			const struct map_node *object = &library->child[j];
			printf("%10s %8s %10s    %s\n", map_number(object->bytes),
			       map_share(object->bytes, root->bytes),
			       object->zeroed ? map_number(object->zeroed) : "",
			       object->name);
		}
	}
	printf("\nzeroed: memory that the file has no bytes for\n");
}

/* ---- single parts ---- */

struct ranked {
	const struct map_node *library, *object, *part;
	uint64_t size; /* by which they are ranked */
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return strcmp(x->part->name, y->part->name);
}

static uint64_t part_size(const struct map_node *part)
{
	return part->bytes;
}

static uint64_t part_change(const struct map_node *part)
{
	return part->bytes > part->before ? part->bytes - part->before
	                                  : part->before - part->bytes;
}

static size_t count_parts(const struct map_node *node)
{
	size_t count = !node->count;

	for (size_t i = 0; i < node->count; i++)
		count += count_parts(&node->child[i]);
	return count;
}

/* All parts for which `size` is not 0, largest first. */
static struct ranked *rank(const struct map_node *root,
                           uint64_t (*size)(const struct map_node *), size_t *count)
{
	struct ranked *ranked = allocate(count_parts(root) * sizeof(*ranked));

	*count = 0;
	for (size_t i = 0; i < root->count; i++)
		for (size_t j = 0; j < root->child[i].count; j++) {
			const struct map_node *object = &root->child[i].child[j];
			for (size_t k = 0; k < object->count; k++)
				if (size(&object->child[k]))
					ranked[(*count)++] = (struct ranked){
					    &root->child[i], object, &object->child[k],
					    size(&object->child[k])};
		}
	qsort(ranked, *count, sizeof(*ranked), compare_ranked);
	return ranked;
}

static const char *ranked_name(const struct ranked *ranked)
{
	return text_format("%s (%s, %s)", ranked->part->name, ranked->library->name,
	                   ranked->object->name);
}

void map_print_largest(const struct map_node *root, const char *title, size_t limit)
{
	size_t count;
	struct ranked *ranked = rank(root, part_size, &count);

	printf("%s: %s bytes; the largest parts\n\n%10s %8s\n", title,
	       map_number(root->bytes), "bytes", "share");
	for (size_t i = 0; i < count && i < limit; i++)
		printf("%10s %8s  %s\n", map_number(ranked[i].size),
		       map_share(ranked[i].size, root->bytes), ranked_name(&ranked[i]));
	free(ranked);
}

/* ---- two images ---- */

static void print_change(const struct map_node *node, const char *what, const char *name)
{
	printf("%10s %10s %10s  %-7s%s\n", map_number(node->before),
	       map_number(node->bytes),
	       node->bytes == node->before ? "=" : map_change(node->bytes, node->before),
	       what, name);
}

void map_print_changes(const struct map_node *root, const char *title, const char *before,
                       size_t limit)
{
	size_t count;
	struct ranked *changes = rank(root, part_change, &count);

	printf("%s: %s bytes, %s against %s\n\n", title, map_number(root->bytes),
	       map_change(root->bytes, root->before), before);
	printf("%10s %10s %10s\n", "before", "now", "change");
	for (size_t i = 0; i < root->count; i++)
		print_change(&root->child[i], "", root->child[i].name);
	if (count)
		printf("\n");
	for (size_t i = 0; i < count && i < limit; i++)
		print_change(changes[i].part, map_change_word(changes[i].part),
		             ranked_name(&changes[i]));
	if (count > limit)
		printf("and %zu smaller changes: kiln map --diff has all with --json\n",
		       count - limit);
	free(changes);
}

/* ---- for programs ---- */

static void add_json_sizes(struct text *json, const struct map_node *node, bool compared)
{
	text_add(json, ",\"bytes\":%" PRIu64, node->bytes);
	if (compared)
		text_add(json, ",\"before\":%" PRIu64, node->before);
	if (node->zeroed)
		text_add(json, ",\"zeroed\":%" PRIu64, node->zeroed);
}

static void add_json_nodes(struct text *json, const struct map_node *node, unsigned level,
                           bool compared)
{
	static const char *const below[] = {"libraries", "objects", "parts"};

	if (level == 3)
		return;
	text_add(json, ",\"%s\":[", below[level]);
	for (size_t i = 0; i < node->count; i++) {
		const struct map_node *child = &node->child[i];
		text_add(json, "%s{\"name\":", i ? "," : "");
		text_add_json(json, child->name);
		if (level == 2)
			text_add(json, ",\"kind\":\"%s\"", map_kind_text(child->kind));
		add_json_sizes(json, child, compared);
		add_json_nodes(json, child, level + 1, compared);
		text_add(json, "}");
	}
	text_add(json, "]");
}

void map_print_json(const struct map_node *root, const char *title, const char *before)
{
	struct text json = {0};

	text_add(&json, "{\"image\":");
	text_add_json(&json, title);
	if (before) {
		text_add(&json, ",\"against\":");
		text_add_json(&json, before);
	}
	add_json_sizes(&json, root, before != NULL);
	add_json_nodes(&json, root, 0, before != NULL);
	puts(text_format("%s}", json.data));
}
