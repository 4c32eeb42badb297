/*
 * The console device (virtio 1.2, section 5.3): output on port 0, without the multiport
 * feature. Text is copied into slots that come free when the device has taken them; when
 * all are taken the device is given a moment, then text is dropped: a log never stops a
 * service.
 */
#include <kiln/bytes.h>
#include "virtio_mmio.h"

enum { VIRTIO_ID_CONSOLE = 3, QUEUE_TRANSMIT = 1 };
enum { CONSOLE_SLOTS = 16, CONSOLE_SLOT = 256 };
#define CONSOLE_PATIENCE KILN_MS(10)

struct virtio_console {
	struct virtio_device device;
	struct virtqueue transmit;
	uint16_t free; /* a bit for each slot */
	uint8_t slots[CONSOLE_SLOTS][CONSOLE_SLOT];
};
_Static_assert(CONSOLE_SLOTS == 16, "one bit a slot");

struct virtio_console *virtio_console_open(struct kiln *k)
{
	const struct kiln_boot_device *from = vm_device_of_type(KILN_DEVICE_CONSOLE);
	struct virtio_console *c;

	if (!from)
		return NULL;
	c = kiln_alloc(k, sizeof(*c), "console");
	if (!virtio_open(&c->device, from, VIRTIO_ID_CONSOLE, VIRTIO_F_EVENT) ||
	    !virtqueue_init(&c->transmit, k, &c->device, QUEUE_TRANSMIT, CONSOLE_SLOTS))
		return NULL;
	c->free = 0xffff;
	virtio_start(&c->device);
	return c;
}

static void reclaim(struct virtio_console *c)
{
	unsigned n = virtqueue_pending(&c->transmit);

	for (unsigned i = 0; i < n; i++) {
		uint16_t slot;
		uint32_t written;
		if (!virtqueue_returned(&c->transmit, i, &slot, &written))
			return;
		c->free = (uint16_t)(c->free | 1u << slot);
	}
	virtqueue_release(&c->transmit, n);
}

/* A slot to fill; -1 if the device does not give one back in time. */
static int slot_get(struct virtio_console *c)
{
	kiln_time deadline = 0;
	int slot;

	reclaim(c);
	while (!c->free && !c->transmit.broken) {
		if (!deadline) {
			deadline = vm_now() + CONSOLE_PATIENCE;
			virtqueue_notify(&c->transmit);
		} else if (vm_now() > deadline) {
			return -1;
		}
		reclaim(c);
	}
	if (!c->free)
		return -1;
	slot = __builtin_ctz(c->free);
	c->free = (uint16_t)(c->free & ~(1u << slot));
	return slot;
}

void virtio_console_write(struct virtio_console *c, struct slice text)
{
	while (text.len) {
		struct slice piece = slice_take(text, CONSOLE_SLOT);
		int slot = slot_get(c);
		struct virtq_part part;
		if (slot < 0)
			return;
		memcpy(c->slots[slot], piece.data, piece.len);
		part = (struct virtq_part){c->slots[slot], (uint32_t)piece.len, false};
		if (!virtqueue_post(&c->transmit, &part, 1, NULL, (uint16_t)slot))
			return;
		virtqueue_publish(&c->transmit);
		virtqueue_kick(&c->transmit);
		text = slice_skip(text, piece.len);
	}
}
