/*
 * Manifests: of an image; and of an appliance that is not linked yet, the notes of its
 * object files read together. What is declared twice is refused here, by name, before the
 * linker would.
 */
#include <errno.h>
#include <string.h>
#include "build.h"

static void add_devices(struct image *to, const struct image *from)
{
	for (unsigned i = 0; i < from->device_count; i++) {
		if (image_device(to, from->devices[i].name))
			fail("device '%s' is declared twice: give one of them another "
			     "name",
			     from->devices[i].name);
		if (to->device_count == IMAGE_DEVICES)
			fail("more than %d devices are declared", IMAGE_DEVICES);
		to->devices[to->device_count++] = from->devices[i];
	}
}

static void add_params(struct image *to, const struct image *from)
{
	for (unsigned i = 0; i < from->param_count; i++) {
		if (image_param(to, from->params[i].name))
			fail("parameter '%s' is declared twice: give one of them another "
			     "name",
			     from->params[i].name);
		if (to->param_count == IMAGE_PARAMS)
			fail("more than %d parameters are declared", IMAGE_PARAMS);
		to->params[to->param_count++] = from->params[i];
	}
}

static void add_embeds(struct image *to, const struct image *from)
{
	for (unsigned i = 0; i < from->embed_count; i++) {
		for (unsigned j = 0; j < to->embed_count; j++)
			if (strcmp(to->embeds[j].name, from->embeds[i].name) == 0)
				fail("embedded folder '%s' is declared twice: give one "
				     "of them another "
				     "name",
				     from->embeds[i].name);
		if (to->embed_count == IMAGE_EMBEDS)
			fail("more than %d embedded folders are declared", IMAGE_EMBEDS);
		to->embeds[to->embed_count++] = from->embeds[i];
	}
}

void image_unreadable(const char *path)
{
	if (errno == ENOENT)
		fail("there is no %s: kiln build makes an image, kiln new an appliance",
		     path);
	fail("cannot read %s: %s", path, strerror(errno));
}

void image_refused(const char *path, const char *why)
{
	fail("%s is no image, or a damaged one: %s; kiln build makes one", path, why);
}

void image_read(struct image_file *file, const char *path)
{
	char error[256];

	*file = (struct image_file){.path = path};
	file->bytes = file_map(path, &file->size);
	if (!file->bytes)
		image_unreadable(path);
	if (!image_parse_notes(&file->image, file->bytes, file->size, error,
	                       sizeof(error)))
		image_refused(path, error);
	file->target = target_by_id(file->image.target.target);
	if (!file->image.target.abi || !file->target)
		image_refused(path, "it has no manifest");
	if (file->target->sealed &&
	    !image_parse(&file->image, file->bytes, file->size, error, sizeof(error)))
		image_refused(path, error);
}

void manifest_read(struct image *manifest, const struct words *objects)
{
	struct image *one = allocate(sizeof(*one));
	char error[256];

	memset(manifest, 0, sizeof(*manifest));
	for (size_t i = 0; i < objects->count; i++) {
		size_t size;
		const char *bytes = file_map(objects->item[i], &size);
		if (!bytes)
			fail("cannot read %s", objects->item[i]);
		if (!image_parse_notes(one, bytes, size, error, sizeof(error)))
			fail("%s: %s", path_base(objects->item[i]), error);
		add_devices(manifest, one);
		add_params(manifest, one);
		add_embeds(manifest, one);
	}
}
