/*
 * Block devices: what does not depend on the device. See <kiln/block.h>.
 */
#include <kiln/block.h>
#include <kiln/bytes.h>
#include <kiln/target.h>

KILN_LIBRARY(block, "0.1");

struct block *block_find(struct kiln *k, const struct kiln_device *device)
{
	return target_block(k, device);
}

struct block *block_open(struct kiln *k, const struct kiln_device *device)
{
	struct block *block = target_block(k, device);

	if (!block)
		kiln_fail(k, "block", "no disk for %s; give one with --disk %s=FILE",
		          device->name, device->name);
	return block;
}

static enum kiln_error check(const struct block *block,
                             const struct block_request *request)
{
	if (request->kind == BLOCK_FLUSH)
		return KILN_OK;
	if (request->sectors == 0 || request->sector > block->sectors ||
	    request->sectors > block->sectors - request->sector)
		return KILN_ERR_INVALID;
	if (request->kind == BLOCK_WRITE && block->read_only)
		return KILN_ERR_READ_ONLY;
	return KILN_OK;
}

void block_submit(struct block *block, struct block_request *request)
{
	list_init(&request->node);
	request->error = check(block, request);
	if (request->error)
		request->done(request);
	else
		block->ops->submit(block, request);
}

struct waiting {
	struct block_request request;
	bool done;
};

static void wake(struct block_request *request)
{
	kiln_container(request, struct waiting, request)->done = true;
}

static enum kiln_error wait(struct block *block, enum block_kind kind, uint64_t sector,
                            void *data, uint32_t sectors)
{
	struct waiting w = {.request = {.kind = kind,
	                                .sector = sector,
	                                .data = data,
	                                .sectors = sectors,
	                                .done = wake}};

	block_submit(block, &w.request);
	while (!w.done)
		loop_step(&block->kiln->loop, KILN_NEVER);
	return w.request.error;
}

enum kiln_error block_read(struct block *block, uint64_t sector, void *data,
                           uint32_t sectors)
{
	return wait(block, BLOCK_READ, sector, data, sectors);
}

enum kiln_error block_write(struct block *block, uint64_t sector, const void *data,
                            uint32_t sectors)
{
	/* The device only reads a BLOCK_WRITE's data. */
	return wait(block, BLOCK_WRITE, sector, (void *)(uintptr_t)data, sectors);
}

enum kiln_error block_flush(struct block *block)
{
	return wait(block, BLOCK_FLUSH, 0, NULL, 0);
}
