/*
 * A file descriptor as a block device. Requests are queued and carried out one after the
 * other from the event loop, each with one blocking system call: completion is never from
 * within submit, as <kiln/block.h> wants it.
 *
 * Durability: a flush is fdatasync() on the host.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <kiln/block.h>
#include <kiln/bytes.h>
#include "jail.h"

enum { BOOT_READ_ONLY = 1 }; /* kiln_boot_device.features of a block device */

struct jail_block {
	struct block block;
	int fd;
	struct list queue;
	struct loop_work work;
};

/* Reads or writes all of it: the kernel may do less at once. */
static enum kiln_error transfer(int fd, const struct block_request *request, long number)
{
	uint64_t done = 0, size = (uint64_t)request->sectors * BLOCK_SECTOR;

	while (done < size) {
		long n = jail_call(
		    fd, (long)((uintptr_t)request->data + done), (long)(size - done),
		    (long)(request->sector * BLOCK_SECTOR + done), 0, number);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return KILN_ERR_IO;
		done += (uint64_t)n;
	}
	return KILN_OK;
}

static enum kiln_error carry_out(int fd, const struct block_request *request)
{
	switch (request->kind) {
	case BLOCK_READ:
		return transfer(fd, request, SYS_pread64);
	case BLOCK_WRITE:
		return transfer(fd, request, SYS_pwrite64);
	case BLOCK_FLUSH:
		return jail_call(fd, 0, 0, 0, 0, SYS_fdatasync) ? KILN_ERR_IO : KILN_OK;
	}
	return KILN_ERR_INVALID;
}

static void work(struct loop_work *w)
{
	struct jail_block *b = kiln_container(w, struct jail_block, work);
	struct list *node = list_pop(&b->queue);
	struct block_request *request;

	if (!node)
		return;
	if (!list_empty(&b->queue))
		loop_defer(&b->block.kiln->loop, w);
	request = kiln_container(node, struct block_request, node);
	request->error = carry_out(b->fd, request);
	request->done(request);
}

static void submit(struct block *block, struct block_request *request)
{
	struct jail_block *b = kiln_container(block, struct jail_block, block);

	list_append(&b->queue, &request->node);
	loop_defer(&block->kiln->loop, &b->work);
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	static const struct block_ops ops = {.submit = submit};
	const struct kiln_boot_device *handed = jail_device(k, device);
	struct jail_block *b;

	if (!handed)
		return NULL;
	b = kiln_alloc(k, sizeof(*b), device->name);
	b->fd = handed->handle;
	b->block.ops = &ops;
	b->block.kiln = k;
	b->block.sectors = handed->size / BLOCK_SECTOR;
	b->block.read_only = handed->features & BOOT_READ_ONLY;
	list_init(&b->queue);
	loop_work_init(&b->work, work);
	return &b->block;
}
