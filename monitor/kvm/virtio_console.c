/*
 * The console device (virtio 1.2, section 5.3): one port, text from the guest to a
 * descriptor. Nothing is read: buffers of the receive queue stay with the device.
 *
 * A reader that does not read must not stop the guest: text that finds no room is dropped.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include "virtio.h"

enum { CONSOLE_RECEIVE, CONSOLE_TRANSMIT };

enum {
	CONSOLE_PIECE = 4096, /* a pipe that is ready takes as much without blocking */
	CONSOLE_PATIENCE_NS = 50 * 1000 * 1000,
};

/* Waits for room; once that was in vain, it only looks, until there is room again. */
static bool has_room(struct virtio_console *console)
{
	struct pollfd fd = {.fd = console->fd, .events = POLLOUT};
	struct timespec patience = {.tv_nsec = console->stuck ? 0 : CONSOLE_PATIENCE_NS};

	console->stuck = ppoll(&fd, 1, &patience, NULL) != 1;
	return !console->stuck;
}

/* The descriptor is shared with others, so it cannot be made non-blocking. */
static void print(struct virtio_console *console, const uint8_t *text, size_t size)
{
	while (size && has_room(console)) {
		ssize_t done =
		    write(console->fd, text, size < CONSOLE_PIECE ? size : CONSOLE_PIECE);
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
			print(console, chain.parts[i].iov_base, chain.parts[i].iov_len);
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
