/*
 * Virtio devices over MMIO, version 2 (virtio 1.2, section 4.2): the register file, and
 * the interface between it, the monitor's loop and the kinds of device.
 *
 * A device is served when the guest notifies one of its queues or waits: it then works
 * off what the driver has made available. What was completed is published at once; `wake`
 * says that there is something for the guest to look at, so that a wait returns: sent
 * frames and printed texts are not, since a driver that runs out of room for them
 * notifies the queue and finds it empty. There are no interrupts.
 *
 * When the driver breaks the rules, `fault` holds a sentence and the monitor ends the
 * guest.
 */
#ifndef KVM_VIRTIO_H
#define KVM_VIRTIO_H

#include <linux/virtio_ids.h>
#include "virtqueue.h"

enum { VIRTIO_QUEUES = 2, VIRTIO_CONFIG = 128 };
#define VIRTIO_FEATURE(bit) ((uint64_t)1 << (bit))

struct virtio_device;

/* Where a device is: the memory it works on, and the page of registers that the driver
 * sees. The guest reads that page as memory, without an exit, and cannot write to it: a
 * write exits, becomes virtio_write(), and the page is brought up to date. */
struct virtio_place {
	const struct guest_memory *memory;
	uint32_t *registers; /* 1024 of them */
};

struct virtio_ops {
	/* Works off all queues. */
	void (*serve)(struct virtio_device *device);
	/* Takes input from outside, such as frames; NULL if the device has none. */
	void (*receive)(struct virtio_device *device);
	/* The driver has settled on device->accepted, 0 after a reset; may be NULL. */
	void (*configure)(struct virtio_device *device);
};

struct virtio_device {
	const struct virtio_ops *ops;
	const char *name;
	uint32_t id;      /* VIRTIO_ID_* */
	uint64_t offered; /* features, beside those of virtio_init() */
	unsigned queue_count;
	uint8_t config[VIRTIO_CONFIG]; /* the device's own registers, read-only */
	uint32_t *registers;           /* what the driver reads: struct virtio_place */
	int input; /* descriptor to wait on, for ops->receive; else -1 */

	uint64_t accepted;
	uint32_t status, interrupts;
	uint32_t device_features_word, driver_features_word;
	uint64_t driver_features;
	uint32_t queue_index;
	struct virtqueue queues[VIRTIO_QUEUES];

	bool wake;
	bool starved; /* no buffers for input: no use to wait for it */
	bool gone;    /* there will be no more input */
	const char *fault;
	char fault_text[120];
};

/* After the kind's own fields were set. */
void virtio_init(struct virtio_device *device, struct virtio_place place);

/* The driver writes `size` bytes, little-endian, at `offset` of the register page. */
void virtio_write(struct virtio_device *device, uint64_t offset, uint32_t size,
                  const void *data);

/* Works off all queues, if the driver is up. */
void virtio_serve(struct virtio_device *device);
/* Takes what has come from outside, if the driver is up. */
void virtio_receive(struct virtio_device *device);
/* For devices: publishes what was pushed to the queue, and sets `wake` if that is for the
 * guest to look at. */
void virtio_publish(struct virtio_device *device, unsigned queue);
/* For devices: the driver broke a rule. */
void virtio_fault(struct virtio_device *device, const char *sentence);

static inline bool virtio_accepted(const struct virtio_device *device, unsigned feature)
{
	return device->accepted & VIRTIO_FEATURE(feature);
}

/* ---- the kinds; each file owns its struct, whose first field is the device ---- */

enum { NET_WINDOW = 128, NET_RECEIVE = 0, NET_TRANSMIT = 1 };

/* A network device on a tap with a 12-byte virtio-net header. */
struct virtio_net {
	struct virtio_device device;
	/* Receive buffers taken from the ring and not filled yet: their parts one after
	 * the other, so that one readv() fills as many as a frame needs. */
	struct iovec parts[NET_WINDOW + VIRTQUEUE_SIZE + 1];
	struct {
		uint16_t head;
		uint16_t parts;
		uint32_t bytes;
	} buffers[NET_WINDOW];
	unsigned part_count, buffer_count;
	uint64_t bytes; /* of all of them */
	uint64_t dropped;
	uint32_t offloads; /* TUN_F_* that may come from the tap now */
	uint32_t largest;  /* frame that may come with them, its header included */
	uint16_t mtu;
};
void virtio_net_init(struct virtio_net *net, const char *name, int tap, uint32_t offloads,
                     const uint8_t mac[6], uint16_t mtu, struct virtio_place place);

/* A disk: a file or a block device. */
struct virtio_block {
	struct virtio_device device;
	int fd;
	uint64_t sectors;
};
void virtio_block_init(struct virtio_block *block, const char *name, int fd,
                       uint64_t bytes, bool read_only, struct virtio_place place);

/* Random bytes, and text to a descriptor. */
void virtio_random_init(struct virtio_device *device, struct virtio_place place);
struct virtio_console {
	struct virtio_device device;
	int fd;
	bool stuck; /* the last text found no room in time */
};
void virtio_console_init(struct virtio_console *console, int fd,
                         struct virtio_place place);

#endif
