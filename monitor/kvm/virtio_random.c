/* The entropy device (virtio 1.2, section 5.4): bytes of the host's generator. */
#include <sys/random.h>
#include "virtio.h"

/* Longer requests get this much; the driver asks again. */
enum { RANDOM_MOST = 256 };

static void random_serve(struct virtio_device *device)
{
	struct virtqueue_chain chain;

	while (virtqueue_pop(&device->queues[0], &chain)) {
		size_t size;
		ssize_t got;

		if (chain.readable || chain.writable_bytes == 0) {
			virtio_fault(device,
			             "a request for random bytes has no room for them");
			return;
		}
		size = chain.parts[0].iov_len;
		got = getrandom(chain.parts[0].iov_base,
		                size < RANDOM_MOST ? size : RANDOM_MOST, 0);
		virtqueue_push(&device->queues[0], chain.head,
		               got > 0 ? (uint32_t)got : 0);
	}
	virtio_publish(device, 0);
}

static const struct virtio_ops random_ops = {.serve = random_serve};

void virtio_random_init(struct virtio_device *device, struct virtio_place place)
{
	*device = (struct virtio_device){.ops = &random_ops,
	                                 .name = "random",
	                                 .id = VIRTIO_ID_RNG,
	                                 .queue_count = 1,
	                                 .input = -1};
	virtio_init(device, place);
}
