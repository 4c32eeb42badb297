/*
 * The entropy device (virtio 1.2, section 5.4), read once, before the appliance starts:
 * one buffer in a queue of its own, polled for a bounded time, and the device is reset
 * afterwards. Kiln's own monitor puts its seed into the boot struct instead.
 */
#include <kiln/bytes.h>
#include "virtio_mmio.h"

enum { VIRTIO_ID_ENTROPY = 4 };
#define RNG_PATIENCE KILN_MS(100)

bool virtio_rng_read(struct kiln *k, void *out, size_t size)
{
	const struct kiln_boot_device *from = vm_device_of_type(KILN_DEVICE_RNG);
	struct virtio_device device;
	struct virtqueue queue;
	struct virtq_part part = {out, (uint32_t)size, true};
	uint16_t token;
	uint32_t written = 0;
	kiln_time deadline;

	if (!from || !virtio_open(&device, from, VIRTIO_ID_ENTROPY, 0) ||
	    !virtqueue_init(&queue, k, &device, 0, 1))
		return false;
	virtio_start(&device);
	if (virtqueue_post(&queue, &part, 1, NULL, 0)) {
		virtqueue_publish(&queue);
		virtqueue_notify(&queue);
		deadline = vm_now() + RNG_PATIENCE;
		while (!virtqueue_pending(&queue) && !queue.broken && vm_now() < deadline)
			;
		if (virtqueue_pending(&queue) &&
		    !virtqueue_returned(&queue, 0, &token, &written))
			written = 0;
	}
	virtio_reset(&device);
	return written > 0;
}
