/*
 * A virtio device behind memory-mapped registers (virtio 1.2, section 4.2, version 2
 * only), and its split virtqueues (section 2.7) with indirect descriptors and event
 * indices.
 *
 * The device is not trusted: what it writes (indices, identifiers, lengths) is checked
 * against what was posted, and is never a reason to access memory out of bounds. A device
 * that breaks the rules has its queue marked broken, and is not listened to any more.
 * Descriptors, rings and their bookkeeping are the image's memory, allocated at start.
 */
#ifndef VM_VIRTIO_MMIO_H
#define VM_VIRTIO_MMIO_H

#include <stddef.h>
#include "vm.h"

/* Feature bits that are the same for all devices. */
#define VIRTIO_F_INDIRECT  (1ull << 28)
#define VIRTIO_F_EVENT     (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio_device {
	uint64_t registers;
	uint64_t features; /* found, then agreed on */
};

/* Resets the device, and finds out what features it has. False if it is no virtio device of
 * version 2 with this identifier. */
KILN_MUST_CHECK bool virtio_find(struct virtio_device *d,
                                 const struct kiln_boot_device *from, uint32_t virtio_id);
/* Agrees on those of `wanted` that it has. False if it refuses. */
KILN_MUST_CHECK bool virtio_agree(struct virtio_device *d, uint64_t wanted);
/* Both. */
KILN_MUST_CHECK bool virtio_open(struct virtio_device *d,
                                 const struct kiln_boot_device *from, uint32_t virtio_id,
                                 uint64_t wanted);
/* After the queues are made: the device may start. */
void virtio_start(struct virtio_device *d);
/* Stops it: it lets go of all memory. */
void virtio_reset(struct virtio_device *d);
/* Interrupts seen: its line may rise again. */
void virtio_acknowledge(struct virtio_device *d);
/* For virtqueue.c: the largest size of a queue (0: no such queue), its start, its
 * doorbell. */
struct virtqueue;
unsigned virtio_queue_most(const struct virtio_device *d, unsigned number);
void virtio_queue_start(const struct virtio_device *d, const struct virtqueue *q);
void virtio_notify(const struct virtio_device *d, unsigned number);
/* Of the device's configuration, at a byte offset aligned to the size. */
uint8_t virtio_config8(const struct virtio_device *d, unsigned offset);
uint16_t virtio_config16(const struct virtio_device *d, unsigned offset);
uint32_t virtio_config32(const struct virtio_device *d, unsigned offset);

struct virtq_descriptor {
	uint64_t address; /* guest-physical */
	uint32_t size;
	uint16_t flags;
	uint16_t next;
};
struct virtq_available {
	uint16_t flags;
	uint16_t index;
	uint16_t ring[]; /* then used_event */
};
struct virtq_used_entry {
	uint32_t id;
	uint32_t written;
};
struct virtq_used {
	uint16_t flags;
	uint16_t index;
	struct virtq_used_entry ring[]; /* then avail_event */
};
_Static_assert(sizeof(struct virtq_descriptor) == 16, "virtio 1.2, 2.7.5");
_Static_assert(offsetof(struct virtq_available, ring) == 4, "virtio 1.2, 2.7.6");
_Static_assert(sizeof(struct virtq_used_entry) == 8, "virtio 1.2, 2.7.8");
_Static_assert(offsetof(struct virtq_used, ring) == 4, "virtio 1.2, 2.7.8");

/* What is posted under a head descriptor: kept apart from the rings, where the device
 * could write. */
struct virtq_entry {
	uint32_t room;    /* bytes that the device may write */
	uint16_t token;   /* the owner's name for it */
	uint16_t next;    /* descriptor of the chain, or of the free list */
	uint8_t count;    /* descriptors in the chain */
	bool outstanding; /* the device has it */
};

/* One piece of a buffer, in the order in which the device meets them: first those that it
 * reads, then those that it writes. */
struct virtq_part {
	const void *data;
	uint32_t size;
	bool device_writes;
};

struct virtqueue {
	struct virtio_device *device;
	volatile struct virtq_descriptor *descriptors;
	volatile struct virtq_available *available;
	volatile struct virtq_used *used;
	struct virtq_entry *entries;
	uint16_t number;
	uint16_t size;      /* a power of two */
	uint16_t free_head; /* list of unused descriptors */
	uint16_t free_count;
	uint16_t posted; /* available index, next to be published */
	uint16_t published;
	uint16_t notified; /* published, when the device was last notified */
	uint16_t seen;     /* used index up to which entries were released */
	uint16_t outstanding;
	bool broken;
};

/* With at most `most` entries. False if the device has no such queue. Ends the image if
 * the memory does not suffice. */
KILN_MUST_CHECK bool virtqueue_init(struct virtqueue *q, struct kiln *k,
                                    struct virtio_device *d, unsigned number,
                                    unsigned most);

/*
 * Posts a buffer of up to 255 parts under the owner's `token`; virtqueue_publish() lets
 * the device see it. With `table` (room for so many descriptors, left alone until the
 * buffer comes back) and a device that takes them, the parts are described indirectly,
 * and use one descriptor. False if the queue has no room.
 */
KILN_MUST_CHECK bool virtqueue_post(struct virtqueue *q, const struct virtq_part *parts,
                                    unsigned count, struct virtq_descriptor *table,
                                    uint16_t token);
void virtqueue_publish(struct virtqueue *q);
/* Notifies the device if it wants to know of what was published since it was last. Under
 * Kiln's monitor the wait says it. */
void virtqueue_kick(struct virtqueue *q);
/* Notifies the device, whatever it said. */
void virtqueue_notify(struct virtqueue *q);

/* How many buffers have come back and were not yet released. */
unsigned virtqueue_pending(struct virtqueue *q);
/* The i-th of them: its token, and how many bytes the device wrote. False if the device's
 * entry makes no sense: the queue is broken then. */
KILN_MUST_CHECK bool virtqueue_returned(struct virtqueue *q, unsigned i, uint16_t *token,
                                        uint32_t *written);
/* Forgets the first n of them; their descriptors are free again. */
void virtqueue_release(struct virtqueue *q, unsigned n);

/* Asks for an interrupt at the next buffer that comes back; true if one has already. */
KILN_MUST_CHECK bool virtqueue_arm(struct virtqueue *q);

#endif
