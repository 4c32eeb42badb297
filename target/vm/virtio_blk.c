/*
 * The block device (virtio 1.2, section 5.2) as a struct block: any number of requests,
 * of which as many as there are slots are with the device at a time; the rest wait in
 * order.
 *
 * A device without VIRTIO_BLK_F_FLUSH writes through (5.2.6.2), and is never sent a
 * flush. A device that breaks the rules fails every request from then on.
 */
#include <kiln/block.h>
#include <kiln/bytes.h>
#include "virtio_mmio.h"

enum { VIRTIO_ID_BLOCK = 2 };
enum { BLK_F_READ_ONLY = 1 << 5, BLK_F_FLUSH = 1 << 9 };
enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4 };
enum { BLK_STATUS_OK = 0, BLK_STATUS_IO_ERROR = 1, BLK_STATUS_UNSUPPORTED = 2 };
enum { CONFIG_CAPACITY = 0 }; /* in sectors of 512 bytes */
enum { BLOCK_SLOTS = 32, BLOCK_PARTS = 3 };

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct blk_header) == 16, "virtio 1.2, 5.2.6");

struct blk_slot {
	struct virtq_descriptor table[BLOCK_PARTS];
	struct blk_header header;
	struct block_request *request;
	uint8_t status; /* the device's */
};

struct virtio_blk {
	struct block block;
	struct vm_waiter waiter;
	struct loop_source source;
	struct virtio_device device;
	struct virtqueue queue;
	struct list waiting; /* struct block_request */
	uint32_t free;       /* a bit for each slot */
	struct blk_slot slots[BLOCK_SLOTS];
};
_Static_assert(BLOCK_SLOTS == 32, "one bit a slot");

static bool blk_start(struct virtio_blk *b, struct block_request *request)
{
	unsigned index = (unsigned)__builtin_ctz(b->free), count = 0;
	struct blk_slot *slot = &b->slots[index];
	struct virtq_part parts[BLOCK_PARTS];
	bool flush = request->kind == BLOCK_FLUSH;

	slot->header = (struct blk_header){0};
	slot->header.type = flush                         ? BLK_FLUSH
	                    : request->kind == BLOCK_READ ? BLK_IN
	                                                  : BLK_OUT;
	if (!flush)
		slot->header.sector = request->sector;
	slot->status = 0xff;
	parts[count++] = (struct virtq_part){&slot->header, sizeof(slot->header), false};
	if (!flush)
		parts[count++] =
		    (struct virtq_part){request->data, request->sectors * BLOCK_SECTOR,
		                        request->kind == BLOCK_READ};
	parts[count++] = (struct virtq_part){&slot->status, 1, true};
	if (!virtqueue_post(&b->queue, parts, count, slot->table, (uint16_t)index))
		return false;
	slot->request = request;
	b->free &= ~(1u << index);
	return true;
}

/* Hands waiting requests to the device, as far as it has room. */
static void blk_pump(struct virtio_blk *b)
{
	while (b->free && !list_empty(&b->waiting)) {
		struct block_request *request =
		    kiln_container(b->waiting.next, struct block_request, node);
		if (!blk_start(b, request))
			break;
		list_remove(&request->node);
	}
	virtqueue_publish(&b->queue);
	virtqueue_kick(&b->queue);
}

static enum kiln_error result(const struct block_request *request, uint8_t status,
                              uint32_t written)
{
	if (status == BLK_STATUS_UNSUPPORTED)
		return KILN_ERR_UNSUPPORTED;
	if (status != BLK_STATUS_OK)
		return KILN_ERR_IO;
	/* A device that says it has read, but wrote less, has not. */
	if (request->kind == BLOCK_READ && written <= request->sectors * BLOCK_SECTOR)
		return KILN_ERR_IO;
	return KILN_OK;
}

static void blk_finish(struct virtio_blk *b, uint16_t index, uint32_t written)
{
	struct blk_slot *slot = &b->slots[index];
	struct block_request *request = slot->request;

	b->free |= 1u << index;
	slot->request = NULL;
	request->error = result(request, *(volatile uint8_t *)&slot->status, written);
	request->done(request);
}

static bool has_work(const struct virtio_blk *b)
{
	return b->free != UINT32_MAX || !list_empty(&b->waiting);
}

/* Ends every request with an error: of a device that can no longer be believed. It is
 * reset first, so that it writes nothing more. */
static unsigned fail_all(struct virtio_blk *b)
{
	struct list waiting;
	unsigned ended = 0;

	log_error(b->block.kiln, "virtio", "the disk broke its protocol");
	virtio_reset(&b->device);
	/* What done() submits anew waits for the next turn. */
	list_init(&waiting);
	list_splice(&waiting, &b->waiting);
	for (unsigned i = 0; i < BLOCK_SLOTS; i++) {
		if (b->slots[i].request) {
			b->slots[i].status = BLK_STATUS_IO_ERROR;
			blk_finish(b, (uint16_t)i, 0);
			ended++;
		}
	}
	for (struct list *node; (node = list_pop(&waiting)); ended++) {
		struct block_request *request =
		    kiln_container(node, struct block_request, node);
		request->error = KILN_ERR_IO;
		request->done(request);
	}
	return ended;
}

static unsigned blk_poll(struct loop_source *source, unsigned budget)
{
	struct virtio_blk *b = kiln_container(source, struct virtio_blk, source);
	unsigned done = 0;

	while (done < budget && virtqueue_pending(&b->queue)) {
		uint16_t slot;
		uint32_t written;
		if (!virtqueue_returned(&b->queue, 0, &slot, &written))
			break;
		virtqueue_release(&b->queue, 1);
		blk_finish(b, slot, written);
		done++;
	}
	if (b->queue.broken && has_work(b))
		done += fail_all(b);
	if (done)
		blk_pump(b);
	return done;
}

static bool blk_arm(struct vm_waiter *waiter)
{
	struct virtio_blk *b = kiln_container(waiter, struct virtio_blk, waiter);

	return virtqueue_arm(&b->queue) || (b->queue.broken && has_work(b));
}

static void blk_submit(struct block *block, struct block_request *request)
{
	struct virtio_blk *b = kiln_container(block, struct virtio_blk, block);

	if (request->kind == BLOCK_FLUSH && !(b->device.features & BLK_F_FLUSH)) {
		request->done(request);
		return;
	}
	list_append(&b->waiting, &request->node);
	blk_pump(b);
}

static const struct block_ops blk_ops = {.submit = blk_submit};

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	const struct kiln_boot_device *from = vm_device(KILN_DEVICE_BLOCK, device->name);
	const uint64_t wanted =
	    BLK_F_READ_ONLY | BLK_F_FLUSH | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT;
	struct virtio_blk *b;

	if (!from)
		return NULL;
	b = kiln_alloc(k, sizeof(*b), "block device");
	if (!virtio_open(&b->device, from, VIRTIO_ID_BLOCK, wanted) ||
	    !virtqueue_init(&b->queue, k, &b->device, 0, BLOCK_SLOTS * BLOCK_PARTS))
		return NULL;
	b->block.ops = &blk_ops;
	b->block.kiln = k;
	b->block.sectors = virtio_config32(&b->device, CONFIG_CAPACITY) |
	                   (uint64_t)virtio_config32(&b->device, CONFIG_CAPACITY + 4)
	                       << 32;
	b->block.read_only = b->device.features & BLK_F_READ_ONLY;
	b->free = UINT32_MAX;
	list_init(&b->waiting);
	b->source.poll = blk_poll;
	loop_add(&k->loop, &b->source);
	b->waiter.device = &b->device;
	b->waiter.arm = blk_arm;
	list_append(&vm.waiters, &b->waiter.node);
	virtio_start(&b->device);
	return &b->block;
}
