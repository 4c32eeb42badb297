/*
 * See image.h. The dynamic linker knows a file again by its inode, so that a copy without a
 * name is another object to it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../manifest.h"
#include "image.h"

/* A copy in memory; -1 with errno. */
static int copy_file(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
	struct stat st;
	off_t done = 0;

	if (from < 0)
		return -1;
	if (fstat(from, &st) == 0)
		to = memfd_create("kiln-image", MFD_CLOEXEC);
	while (to >= 0 && done < st.st_size) {
		if (sendfile(to, from, &done, (size_t)(st.st_size - done)) <= 0) {
			close(to);
			to = -1;
		}
	}
	close(from);
	return to;
}

static void *load(const char *path)
{
	char copy[32];
	void *handle;
	int fd;

	if (!dlopen(path, RTLD_NOW | RTLD_NOLOAD))
		return dlopen(path, RTLD_NOW | RTLD_LOCAL);
	fd = copy_file(path);
	if (fd < 0)
		return NULL;
	snprintf(copy, sizeof(copy), "/proc/self/fd/%d", fd);
	handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
	close(fd);
	return handle;
}

static void list_devices(struct image *image)
{
	struct manifest_device device;

	for (unsigned i = 0; manifest_device(&image->at, i, &device); i++) {
		if (device.type == KILN_DEVICE_NET && image->net_count < IMAGE_NETS)
			image->nets[image->net_count++] = device.name;
		if (device.type == KILN_DEVICE_BLOCK && image->disk_count < IMAGE_DISKS)
			image->disks[image->disk_count++] = device.name;
	}
}

bool image_open(struct image *image, const char *path, char *error, size_t error_size)
{
	void *handle = load(path);
	struct link_map *map;

	*image = (struct image){0};
	if (handle)
		image->start =
		    (int (*)(struct kiln *))(uintptr_t)dlsym(handle, "kiln_start");
	if (!image->start || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) {
		const char *why = dlerror();
		snprintf(error, error_size, "%s", why ? why : strerror(errno));
		return false;
	}
	image->at = map->l_addr;
	list_devices(image);
	return true;
}

bool image_takes(const struct image *image, const char *name)
{
	struct manifest_param param;

	for (unsigned i = 0; manifest_param(&image->at, i, &param); i++)
		if (strcmp(param.name, name) == 0)
			return true;
	return false;
}
