/*
 * The console device (virtio 1.2, section 5.3): one port, text from the guest to a
 * descriptor. Nothing is read: buffers of the receive queue stay with the device.
 */
#include <errno.h>
#include <unistd.h>
#include "virtio.h"

enum { CONSOLE_RECEIVE, CONSOLE_TRANSMIT };

/* Text that cannot be written is dropped, as from an unplugged terminal. */
static void print(int fd, const uint8_t *text, size_t size)
{
	while (size) {
		ssize_t done = write(fd, text, size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		text += done;
		size -= (size_t)done;
	}
}

static void console_serve(struct virtio_device *device)
{
	struct virtio_console *console = (struct virtio_console *)device;
	struct virtqueue *queue = &device->queues[CONSOLE_TRANSMIT];
	struct virtqueue_chain chain;

	while (virtqueue_pop(queue, &chain)) {
		if (chain.writable) {
			virtio_fault(device, "a text to print is a buffer to write");
			return;
		}
		for (unsigned i = 0; i < chain.readable; i++)
			print(console->fd, chain.parts[i].iov_base,
			      chain.parts[i].iov_len);
		virtqueue_push(queue, chain.head, 0);
	}
	virtqueue_publish(queue);
}

static const struct virtio_ops console_ops = {.serve = console_serve};

void virtio_console_init(struct virtio_console *console, int fd,
                         struct virtio_place place)
{
	*console = (struct virtio_console){.device = {.ops = &console_ops,
	                                              .name = "console",
	                                              .id = VIRTIO_ID_CONSOLE,
	                                              .queue_count = 2,
	                                              .input = -1},
	                                   .fd = fd};
	virtio_init(&console->device, place);
}
