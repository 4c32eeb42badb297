/*
 * The block device (virtio 1.2, section 5.2) on a file. Requests are done one after the
 * other, when the guest waits; a write has reached the host's page cache when it
 * completes, and the medium after a FLUSH.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include "virtio.h"

enum { SECTOR = 512, SEGMENTS = VIRTQUEUE_SIZE - 2 };
_Static_assert(sizeof(struct virtio_blk_outhdr) == 16, "request header");
_Static_assert(sizeof(struct virtio_blk_config) <= VIRTIO_CONFIG, "configuration");

/* Takes `size` bytes off the front of the parts, into `to` if that is not NULL. */
static void take_front(struct iovec **part, unsigned *count, size_t size, uint8_t *to)
{
	while (size) {
		size_t n = size < (*part)->iov_len ? size : (*part)->iov_len;
		memcpy(to, (*part)->iov_base, n);
		to += n;
		size -= n;
		(*part)->iov_base = (uint8_t *)(*part)->iov_base + n;
		(*part)->iov_len -= n;
		if ((*part)->iov_len == 0) {
			(*part)++;
			(*count)--;
		}
	}
}

/* Takes the last byte off the parts: the status. */
static uint8_t *take_last(struct iovec *part, unsigned *count)
{
	struct iovec *last = &part[*count - 1];

	while (last->iov_len == 0) {
		last--;
		(*count)--;
	}
	last->iov_len--;
	return (uint8_t *)last->iov_base + last->iov_len;
}

/* Reads or writes all the parts at `offset`, going on after a short transfer. */
static bool transfer(int fd, bool write, struct iovec *part, unsigned count,
                     uint64_t offset)
{
	while (count) {
		ssize_t done = write ? pwritev(fd, part, (int)count, (off_t)offset)
		                     : preadv(fd, part, (int)count, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		offset += (uint64_t)done;
		while (count && (size_t)done >= part->iov_len) {
			done -= (ssize_t)part->iov_len;
			part++;
			count--;
		}
		if (count == 0)
			break;
		if (done == 0)
			return false;
		part->iov_base = (uint8_t *)part->iov_base + done;
		part->iov_len -= (size_t)done;
	}
	return true;
}

static bool in_range(const struct virtio_block *block, uint64_t sector, uint64_t bytes)
{
	return bytes % SECTOR == 0 && sector <= block->sectors &&
	       bytes / SECTOR <= block->sectors - sector;
}

/* Does one request; returns its status, and the bytes written to the guest beside it. */
static uint8_t perform(struct virtio_block *block, struct virtqueue_chain *chain,
                       struct iovec *out, unsigned outs, unsigned ins, uint32_t *written,
                       const struct virtio_blk_outhdr *request)
{
	struct iovec *in = chain->parts + chain->readable;
	uint64_t out_bytes = chain->readable_bytes - sizeof(*request);
	uint64_t in_bytes = chain->writable_bytes - 1;

	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		if (!in_range(block, request->sector, in_bytes) ||
		    !transfer(block->fd, false, in, ins, request->sector * SECTOR))
			return VIRTIO_BLK_S_IOERR;
		*written = (uint32_t)in_bytes;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_OUT:
		if (block->device.offered & VIRTIO_FEATURE(VIRTIO_BLK_F_RO) ||
		    !in_range(block, request->sector, out_bytes) ||
		    !transfer(block->fd, true, out, outs, request->sector * SECTOR))
			return VIRTIO_BLK_S_IOERR;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
		return fdatasync(block->fd) == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static void block_serve(struct virtio_device *device)
{
	struct virtio_block *block = (struct virtio_block *)device;
	struct virtqueue_chain chain;

	while (virtqueue_pop(&device->queues[0], &chain)) {
		struct virtio_blk_outhdr request;
		struct iovec *out = chain.parts;
		unsigned outs = chain.readable, ins = chain.writable;
		uint32_t written = 0;
		uint8_t *status;

		if (chain.readable_bytes < sizeof(request) || chain.writable_bytes == 0 ||
		    chain.writable_bytes > UINT32_MAX) {
			virtio_fault(device, "a request has no header or no status byte");
			return;
		}
		take_front(&out, &outs, sizeof(request), (uint8_t *)&request);
		status = take_last(chain.parts + chain.readable, &ins);
		*status = perform(block, &chain, out, outs, ins, &written, &request);
		virtqueue_push(&device->queues[0], chain.head, written + 1);
	}
	virtio_publish(device, 0);
}

static const struct virtio_ops block_ops = {.serve = block_serve};

void virtio_block_init(struct virtio_block *block, const char *name, int fd,
                       uint64_t bytes, bool read_only, struct virtio_place place)
{
	struct virtio_blk_config config = {.capacity = bytes / SECTOR,
	                                   .seg_max = SEGMENTS};

	memset(block, 0, sizeof(*block));
	block->fd = fd;
	block->sectors = bytes / SECTOR;
	block->device.ops = &block_ops;
	block->device.name = name;
	block->device.id = VIRTIO_ID_BLOCK;
	block->device.queue_count = 1;
	block->device.input = -1;
	block->device.offered = VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
	                        VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
	                        (read_only ? VIRTIO_FEATURE(VIRTIO_BLK_F_RO) : 0);
	memcpy(block->device.config, &config, sizeof(config));
	virtio_init(&block->device, place);
}
