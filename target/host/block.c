/*
 * Block devices over files of the host. A request is done at once, by a call that may
 * block (files have no readiness to wait for); its completion is told in a later turn of
 * the loop, as <kiln/block.h> has it. A flush is fdatasync(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/file.h>
#include "host.h"

static enum kiln_error transfer(struct host_disk *disk,
                                const struct block_request *request)
{
	uint8_t *data = request->data;
	size_t left = (size_t)request->sectors * BLOCK_SECTOR;
	off_t at = (off_t)(request->sector * BLOCK_SECTOR);

	while (left) {
		ssize_t n = request->kind == BLOCK_READ
		                ? pread(disk->file.fd, data, left, at)
		                : pwrite(disk->file.fd, data, left, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* 0: the file has become shorter */
			return KILN_ERR_IO;
		data += n;
		at += n;
		left -= (size_t)n;
	}
	return KILN_OK;
}

static void disk_submit(struct block *block, struct block_request *request)
{
	struct host_disk *disk = kiln_container(block, struct host_disk, block);

	if (request->kind == BLOCK_FLUSH)
		request->error = fdatasync(disk->file.fd) == 0 ? KILN_OK : KILN_ERR_IO;
	else
		request->error = transfer(disk, request);
	list_append(&disk->completed, &request->node);
	host_again(host_of(block->kiln), &disk->file);
}

/* Tells what is complete now; what its callbacks submit is told in the next turn. */
static void disk_turn(struct host_file *file, uint32_t events)
{
	struct host_disk *disk = kiln_container(file, struct host_disk, file);
	struct list batch, *node;

	list_init(&batch);
	list_splice(&batch, &disk->completed);
	while ((node = list_pop(&batch))) {
		struct block_request *request =
		    kiln_container(node, struct block_request, node);
		request->done(request);
	}
}

static const struct block_ops disk_ops = {.submit = disk_submit};

static void open_disk(struct kiln *k, struct host_disk *disk)
{
	off_t size;

	disk->file.fd = open(disk->path, O_RDWR | O_CLOEXEC);
	if (disk->file.fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM)) {
		disk->file.fd = open(disk->path, O_RDONLY | O_CLOEXEC);
		disk->block.read_only = true;
	}
	if (disk->file.fd < 0)
		kiln_fail(k, "block", "--disk %s=%s: cannot be opened: %s", disk->name,
		          disk->path, strerror(errno));
	if (flock(disk->file.fd, (disk->block.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) !=
	        0 &&
	    errno == EWOULDBLOCK)
		kiln_fail(k, "block", "--disk %s=%s: another program uses it", disk->name,
		          disk->path);
	size = lseek(disk->file.fd, 0, SEEK_END);
	if (size < BLOCK_SECTOR || size % BLOCK_SECTOR)
		kiln_fail(k, "block", "--disk %s=%s: its size is no multiple of %d bytes",
		          disk->name, disk->path, BLOCK_SECTOR);
	disk->block.sectors = (uint64_t)size / BLOCK_SECTOR;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	list_each (node, &host_of(k)->disks) {
		struct host_disk *disk = kiln_container(node, struct host_disk, node);
		if (strcmp(disk->name, device->name) != 0 || disk->open)
			continue;
		disk->open = true;
		disk->block.ops = &disk_ops;
		disk->block.kiln = k;
		disk->file.ready = disk_turn;
		open_disk(k, disk);
		return &disk->block;
	}
	return NULL;
}

bool host_disk_add(struct host *host, const char *name, size_t name_length,
                   const char *path)
{
	struct host_disk *disk = calloc(1, sizeof(*disk));

	if (!disk || name_length >= sizeof(disk->name)) {
		free(disk);
		return false;
	}
	memcpy(disk->name, name, name_length);
	disk->path = path;
	disk->file.fd = -1;
	list_init(&disk->file.active);
	list_init(&disk->completed);
	list_append(&host->disks, &disk->node);
	return true;
}

void host_disks_end(struct host *host)
{
	struct list *node;

	while ((node = list_pop(&host->disks))) {
		struct host_disk *disk = kiln_container(node, struct host_disk, node);
		host_file_close(&disk->file);
		free(disk);
	}
}
