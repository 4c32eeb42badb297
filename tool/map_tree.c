/*
 * The parts of an image, or of two, as a tree: libraries, their objects, the parts of
 * these. Parts of one name and kind in one object (static functions may share a name) are
 * one node. On every level what is largest comes first; what the file needs for itself
 * comes last.
 */
#include <stdlib.h>
#include <string.h>
#include "map.h"

struct row {
	const struct map_part *part;
	bool before; /* of the image compared with */
};

static int compare_rows(const void *a, const void *b)
{
	const struct map_part *x = ((const struct row *)a)->part;
	const struct map_part *y = ((const struct row *)b)->part;
	int order = strcmp(x->library, y->library);

	if (!order)
		order = strcmp(x->object, y->object);
	if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : (int)x->kind - (int)y->kind;
}

static uint64_t extent(const struct map_node *node)
{
	return node->bytes > node->before ? node->bytes : node->before;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct map_node *x = a, *y = b;

	if ((x->kind == MAP_FORMAT) != (y->kind == MAP_FORMAT))
		return x->kind == MAP_FORMAT ? 1 : -1;
	if (extent(x) != extent(y))
		return extent(x) > extent(y) ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* How many of the rows have the first one's name on this level: 0 libraries, 1 objects,
 * 2 parts. */
static size_t same_name(const struct row *row, size_t count, unsigned level)
{
	size_t n = 1;

	while (n < count &&
	       (level == 0   ? strcmp(row[n].part->library, row->part->library) == 0
	        : level == 1 ? strcmp(row[n].part->object, row->part->object) == 0
	                     : strcmp(row[n].part->name, row->part->name) == 0 &&
	                           row[n].part->kind == row->part->kind))
		n++;
	return n;
}

static void add_row(struct map_node *node, const struct row *row)
{
	if (row->part->kind != MAP_ZEROED) {
		*(row->before ? &node->before : &node->bytes) += row->part->bytes;
	} else if (!row->before) {
		node->zeroed += row->part->bytes;
	}
}

static void grow(struct map_node *node, const struct row *row, size_t count,
                 unsigned level)
{
	node->child = allocate(count * sizeof(*node->child));
	for (size_t at = 0, n; at < count; at += n) {
		struct map_node *child = &node->child[node->count++];
		n = same_name(row + at, count - at, level);
		child->name = level == 0   ? row[at].part->library
		              : level == 1 ? row[at].part->object
		                           : row[at].part->name;
		child->kind = row[at].part->kind;
		if (level < 2)
			grow(child, row + at, n, level + 1);
		else
			for (size_t i = 0; i < n; i++)
				add_row(child, &row[at + i]);
		node->bytes += child->bytes;
		node->before += child->before;
		node->zeroed += child->zeroed;
	}
	qsort(node->child, node->count, sizeof(*node->child), compare_nodes);
}

struct map_node map_tree(const struct map *now, const struct map *before)
{
	size_t count = now->count + (before ? before->count : 0), at = 0;
	struct row *rows = allocate(count * sizeof(*rows));
	struct map_node root = {.name = ""};

	for (size_t i = 0; i < now->count; i++)
		rows[at++] = (struct row){&now->part[i], false};
	for (size_t i = 0; before && i < before->count; i++)
		rows[at++] = (struct row){&before->part[i], true};
	qsort(rows, count, sizeof(*rows), compare_rows);
	grow(&root, rows, count, 0);
	return root;
}

const char *map_change_word(const struct map_node *node)
{
	return node->bytes == node->before  ? "same"
	       : !node->before              ? "came"
	       : !node->bytes               ? "went"
	       : node->bytes > node->before ? "grew"
	                                    : "shrank";
}
