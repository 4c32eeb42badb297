/*
 * Files and block devices of the host as disks. Used by both monitors before they lock
 * themselves in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "monitor.h"

enum { SECTOR = 512 };

static bool find_size(struct disk *disk)
{
	struct stat st;

	if (fstat(disk->fd, &st) < 0)
		return false;
	disk->size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(disk->fd, BLKGETSIZE64, &disk->size) < 0)
		return false;
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
		errno = ENOTBLK;
		return false;
	}
	disk->size -= disk->size % SECTOR;
	return true;
}

bool disk_open(struct disk *disk, const char *path, char *error, size_t error_size)
{
	*disk = (struct disk){.fd = open(path, O_RDWR | O_CLOEXEC)};
	if (disk->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM)) {
		disk->fd = open(path, O_RDONLY | O_CLOEXEC);
		disk->read_only = true;
	}
	if (disk->fd < 0) {
		snprintf(error, error_size, "cannot open %s: %s", path, strerror(errno));
		return false;
	}
	if (flock(disk->fd, (disk->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		snprintf(error, error_size,
		         "%s is in use by another image: stop that, or give this one "
		         "another file",
		         path);
	else if (!find_size(disk))
		snprintf(error, error_size, "cannot use %s as a disk: %s", path,
		         strerror(errno));
	else
		return true;
	close(disk->fd);
	return false;
}

void monitor_disk_open(const struct monitor_options *options,
                       const struct image_device *device, struct disk *disk)
{
	const char *path = monitor_binding(options, device)->source;
	char error[256];

	if (!disk_open(disk, path, error, sizeof(error)))
		monitor_fail(options, "%s: %s", device->name, error);
}
