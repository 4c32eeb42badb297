/*
 * The device's side of a split virtqueue (virtio 1.2, section 2.7), with indirect
 * descriptors and, as far as there is a use for it without interrupts, EVENT_IDX.
 *
 * The driver is not trusted: every address, length, index and flag in its rings is
 * checked. The first that is wrong is kept as a sentence in `fault`; the queue then
 * yields nothing more, and the monitor ends the guest with that sentence.
 *
 * Buffers are not copied: a chain is a list of iovecs into guest memory, good for readv()
 * and writev() until the guest runs again.
 */
#ifndef KVM_VIRTQUEUE_H
#define KVM_VIRTQUEUE_H

#include <sys/uio.h>
#include <linux/virtio_ring.h>
#include "guest_memory.h"

enum { VIRTQUEUE_SIZE = 256 }; /* the most entries that a driver may choose */

struct virtqueue {
	const struct guest_memory *memory;
	/* As the driver set them, checked by virtqueue_start(). */
	uint32_t size;
	uint64_t desc_address, avail_address, used_address;

	bool ready;
	bool event_idx;
	const struct vring_desc *desc;
	const uint16_t *avail; /* flags, idx, ring[size] */
	struct vring_used *used;
	uint16_t next_avail;
	uint16_t next_used;
	uint16_t published; /* next_used as the driver knows it */
	const char *fault;
};

/* A buffer from the driver: what the device reads, then what it writes. */
struct virtqueue_chain {
	uint16_t head;
	unsigned readable, writable; /* parts */
	uint64_t readable_bytes, writable_bytes;
	struct iovec parts[VIRTQUEUE_SIZE];
};

/* The driver has set the queue up. False, with a fault, if it cannot be so. */
bool virtqueue_start(struct virtqueue *queue);

/* Takes the next buffer. False if there is none, or on a fault. */
bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain);

/* Gives a buffer back, of which the device wrote the first `written` bytes. The driver
 * sees it at the next virtqueue_publish(). */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/* Shows the driver all that was pushed. True if anything was. */
bool virtqueue_publish(struct virtqueue *queue);

#endif
