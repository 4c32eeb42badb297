/*
 * The treemap. Squarified treemaps (M. Bruls, K. Huizing, J. J. van Wijk: Squarified
 * Treemaps, 2000): rectangles are laid in rows along the shorter side of what is left of
 * the box; a row takes the next rectangle as long as that does not make its worst one
 * longer and thinner.
 *
 * The titles of libraries and objects take room from what they name. So that a pixel is
 * worth as many bytes in one as in another, the boxes are weighed again by what was left
 * of them, a few times over.
 */
#include <stdlib.h>
#include "map.h"

enum {
	ROUNDS = 6,
	LIBRARY_TITLE = 20,
	OBJECT_TITLE = 14,
	/* Smaller ones have no title. */
	LIBRARY_LEAST_WIDTH = 56,
	LIBRARY_LEAST_HEIGHT = 44,
	OBJECT_LEAST_WIDTH = 44,
	OBJECT_LEAST_HEIGHT = 34,
};

/* The largest ratio of sides in a row of these weights along `side`, whose area is as
 * large as their sum. */
static double worst_ratio(double smallest, double largest, double sum, double side)
{
	double a = side * side * largest / (sum * sum);
	double b = sum * sum / (side * side * smallest);

	return a > b ? a : b;
}

/* Lays the weights along the shorter side of the box; what is left of the box. */
static struct map_box lay_row(const double *weight, size_t count, double sum,
                              double scale, struct map_box box, struct map_box *result)
{
	bool upright = box.width >= box.height; /* the row is a column at the left */
	double side = upright ? box.height : box.width;
	double depth = side > 0 ? sum * scale / side : 0, at = 0;

	for (size_t i = 0; i < count; i++) {
		double length = side * weight[i] / sum;
		result[i] = upright ? (struct map_box){box.x, box.y + at, depth, length}
		                    : (struct map_box){box.x + at, box.y, length, depth};
		at += length;
	}
	if (upright)
		return (struct map_box){box.x + depth, box.y, box.width - depth,
		                        box.height};
	return (struct map_box){box.x, box.y + depth, box.width, box.height - depth};
}

void map_squarify(const double *weight, size_t count, struct map_box box,
                  struct map_box *result)
{
	double total = 0, scale;
	size_t begin = 0;

	for (size_t i = 0; i < count; i++) {
		result[i] = (struct map_box){box.x, box.y, 0, 0};
		if (weight[i] > 0)
			total += weight[i];
	}
	if (total <= 0 || box.width <= 0 || box.height <= 0)
		return;
	scale = box.width * box.height / total;
	while (begin < count && weight[begin] > 0) {
		double side = box.width < box.height ? box.width : box.height;
		double sum = weight[begin];
		size_t end = begin + 1;

		/* Descending: the first is the row's largest, the last its smallest. */
		for (; end < count && weight[end] > 0; end++) {
			double now =
			    worst_ratio(weight[end - 1] * scale, weight[begin] * scale,
			                sum * scale, side);
			double then =
			    worst_ratio(weight[end] * scale, weight[begin] * scale,
			                (sum + weight[end]) * scale, side);
			if (then > now)
				break;
			sum += weight[end];
		}
		box =
		    lay_row(weight + begin, end - begin, sum, scale, box, result + begin);
		if (box.width < 0)
			box.width = 0;
		if (box.height < 0)
			box.height = 0;
		begin = end;
	}
}

static struct map_box inset(struct map_box box, double edge, double title)
{
	box.x += edge;
	box.width -= 2 * edge;
	box.y += title ? title : edge;
	box.height -= title ? title + edge : 2 * edge;
	if (box.width < 0)
		box.width = 0;
	if (box.height < 0)
		box.height = 0;
	return box;
}

struct map_box map_library_inner(struct map_box box)
{
	bool titled =
	    box.width >= LIBRARY_LEAST_WIDTH && box.height >= LIBRARY_LEAST_HEIGHT;

	return inset(box, 2, titled ? LIBRARY_TITLE : 0);
}

struct map_box map_object_inner(struct map_box box)
{
	bool titled =
	    box.width >= OBJECT_LEAST_WIDTH && box.height >= OBJECT_LEAST_HEIGHT;

	return inset(box, 1, titled ? OBJECT_TITLE : 0);
}

/* What a node takes: gone parts are drawn as large as they were. */
static double node_weight(const struct map_node *node)
{
	double sum = 0;

	if (!node->count)
		return (double)(node->bytes ? node->bytes : node->before);
	for (size_t i = 0; i < node->count; i++)
		sum += node_weight(&node->child[i]);
	return sum;
}

struct weighed {
	double weight;
	size_t child;
};

static int compare_weights(const void *a, const void *b)
{
	const struct weighed *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->child < y->child ? -1 : 1;
}

/* Divides the box among the children by these shares, in whatever order they are. */
static void divide(struct map_node *node, const double *share, struct map_box box)
{
	struct weighed *order = allocate(node->count * sizeof(*order));
	double *weight = allocate(node->count * sizeof(*weight));
	struct map_box *boxes = allocate(node->count * sizeof(*boxes));

	for (size_t i = 0; i < node->count; i++)
		order[i] = (struct weighed){share[i], i};
	qsort(order, node->count, sizeof(*order), compare_weights);
	for (size_t i = 0; i < node->count; i++)
		weight[i] = order[i].weight;
	map_squarify(weight, node->count, box, boxes);
	for (size_t i = 0; i < node->count; i++)
		node->child[order[i].child].box = boxes[i];
	free(order);
	free(weight);
	free(boxes);
}

static struct map_box inner_box(struct map_box box, unsigned level)
{
	return level == 0   ? box
	       : level == 1 ? map_library_inner(box)
	                    : map_object_inner(box);
}

static double box_area(struct map_box box)
{
	return box.width * box.height;
}

/* Lays out what is below a node of the level (0: the root); the area of the parts in it. */
static double lay_out(struct map_node *node, unsigned level)
{
	struct map_box inner = inner_box(node->box, level);
	double *share, area = 0;

	if (!node->count)
		return box_area(node->box);
	share = allocate(node->count * sizeof(*share));
	for (size_t i = 0; i < node->count; i++)
		share[i] = node_weight(&node->child[i]);
	for (unsigned round = 0; round < (level < 2 ? ROUNDS : 1); round++) {
		divide(node, share, inner);
		area = 0;
		for (size_t i = 0; i < node->count; i++) {
			struct map_node *child = &node->child[i];
			double left = lay_out(child, level + 1);
			area += left;
			/* What its titles cost, it gets on top. */
			if (left > 0)
				share[i] =
				    node_weight(child) * box_area(child->box) / left;
		}
	}
	free(share);
	return area;
}

void map_layout(struct map_node *root, struct map_box box)
{
	root->box = box;
	lay_out(root, 0);
}
