/*
 * Looking up a file of a folder that is sealed into the image.
 */
#include <kiln/embed.h>

const struct embed_file *embed_find(const struct embed *embed, struct slice path)
{
	size_t low = 0, high = embed->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = slice_compare(embed->files[middle].path, path);
		if (order == 0)
			return &embed->files[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
