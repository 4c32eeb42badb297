/*
 * A network device that is an AF_XDP socket (<kiln/abi/boot.h>, struct kiln_boot_xdp): frames
 * lie in memory that the image shares with the kernel, and four queues there say which is
 * whose. The monitor has made it, and has put it on an interface of the host.
 *
 * Receiving takes no system call: the kernel puts frames into the pieces of memory that the
 * fill queue names, one is handed up from where it lies, and goes back into that queue. Sending
 * copies a frame once, into one of the pieces that are free, and a single call has the kernel
 * look at the queue, if it wants one. The completion queue gives the piece back.
 *
 * The device has no offloads. Checksums are made and checked by the stack, and no frame is larger
 * than the interface's packets.
 *
 * One half of the pieces is for receiving, the other for sending: a queue has an entry for each
 * of a half, so none can overflow.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <kiln/bytes.h>
#include "net.h"

enum { NEED_WAKEUP = 1 }; /* linux/if_xdp.h: XDP_RING_NEED_WAKEUP */

/* linux/if_xdp.h: struct xdp_desc */
struct frame_entry {
	uint64_t at; /* from the first frame */
	uint32_t size, options;
};
_Static_assert(sizeof(struct frame_entry) == 16, "struct xdp_desc");

struct xdp_net {
	struct netdev dev;
	const struct kiln_boot_xdp *boot;
	struct pollfd *wait; /* the device's among those that the target waits for */
	int fd;
	uint32_t mask; /* of an entry's number */
	/* What we have put into queues, and taken out of them, ever. */
	uint32_t filled, completed, received, queued;
	uint32_t *free; /* pieces to send from, by number */
	uint32_t free_count;
	bool starved; /* a frame was refused: the next piece that comes back is news */
	bool down;    /* the interface; what is queued waits until there is more */
};

static struct xdp_net *of(struct netdev *dev)
{
	return kiln_container(dev, struct xdp_net, dev);
}

/* ---- the queues ---- */

/* An entry of the fill or the completion queue. */
static uint64_t *number_entry(const struct xdp_net *net,
                              const struct kiln_boot_queue *queue, uint32_t count)
{
	return (uint64_t *)(uintptr_t)queue->entry + (count & net->mask);
}

/* One of the queues that say of frames how long they are. */
static struct frame_entry *frame_entry(const struct xdp_net *net,
                                       const struct kiln_boot_queue *queue,
                                       uint32_t count)
{
	return (struct frame_entry *)(uintptr_t)queue->entry + (count & net->mask);
}

static uint8_t *piece(const struct xdp_net *net, uint64_t at)
{
	return (uint8_t *)(uintptr_t)(net->boot->frames + at);
}

/* ---- sending ---- */

static void take_completed(struct xdp_net *net)
{
	const struct kiln_boot_queue *queue = &net->boot->completion;
	uint32_t end = jail_load(queue->producer);

	for (; net->completed != end; net->completed++)
		net->free[net->free_count++] =
		    (uint32_t)(*number_entry(net, queue, net->completed) /
		               net->boot->frame_size);
	jail_store(queue->consumer, net->completed);
}

static bool has_unsent(const struct xdp_net *net)
{
	return jail_load(net->boot->send.consumer) != net->queued;
}

/* Its interface was removed, or the queue. */
static void is_gone(struct xdp_net *net)
{
	if (net->wait->fd >= 0)
		log_error(net->dev.kiln, "jail", "a network device is gone");
	net->wait->fd = -1;
	net->down = true;
}

/* The kernel sends a few frames a call: again, for as long as it gets on. */
static void send_queued(struct xdp_net *net)
{
	const struct kiln_boot_queue *queue = &net->boot->send;
	uint32_t before = net->queued;

	jail_store(queue->producer, net->queued);
	while (has_unsent(net) && jail_load(queue->consumer) != before &&
	       jail_load(queue->flags) & NEED_WAKEUP) {
		long result;

		before = jail_load(queue->consumer);
		result = jail_call(net->fd, 0, 0, MSG_DONTWAIT, 0, SYS_sendto);
		net->down = result == -ENETDOWN;
		if (result == -ENXIO)
			is_gone(net);
	}
}

static bool have_piece(struct xdp_net *net)
{
	if (net->free_count == 0)
		take_completed(net);
	if (net->free_count == 0) {
		send_queued(net);
		take_completed(net);
	}
	return net->free_count != 0;
}

static void copy_frame(uint8_t *to, const struct netdev_frame *frame)
{
	size_t head = NETDEV_HEAD - frame->head_start;

	memcpy(to, frame->head + frame->head_start, head);
	to += head;
	for (unsigned i = 0; i < frame->frag_count; i++) {
		memcpy(to, frame->frags[i].data, frame->frags[i].len);
		to += frame->frags[i].len;
	}
}

static enum kiln_error xdp_send(struct netdev *dev, const struct netdev_frame *frame)
{
	struct xdp_net *net = of(dev);
	size_t size = netdev_frame_size(frame);
	uint64_t at;

	if (size > net->boot->frame_size) {
		dev->counters.tx_dropped++;
		return KILN_ERR_TOO_LARGE;
	}
	if (!have_piece(net)) {
		net->starved = true;
		dev->counters.tx_dropped++;
		return KILN_ERR_FULL;
	}
	at = (uint64_t)net->free[--net->free_count] * net->boot->frame_size;
	copy_frame(piece(net, at), frame);
	*frame_entry(net, &net->boot->send, net->queued++) =
	    (struct frame_entry){.at = at, .size = (uint32_t)size};
	dev->counters.tx_frames++;
	dev->counters.tx_bytes += size;
	return KILN_OK;
}

static void xdp_flush(struct netdev *dev)
{
	send_queued(of(dev));
}

/* ---- receiving ---- */

static void fill(struct xdp_net *net, uint64_t at)
{
	*number_entry(net, &net->boot->fill, net->filled++) = at;
}

static unsigned receive(struct xdp_net *net, unsigned budget)
{
	static const struct netdev_offload none = {0};
	const struct kiln_boot_queue *queue = &net->boot->receive;
	struct netdev *dev = &net->dev;
	uint32_t end = jail_load(queue->producer);
	unsigned done;

	for (done = 0; done < budget && net->received != end; done++) {
		const struct frame_entry *entry =
		    frame_entry(net, queue, net->received++);
		uint64_t at = entry->at;
		struct slice frame = slice_of(piece(net, at), entry->size);

		dev->counters.rx_frames++;
		dev->counters.rx_bytes += frame.len;
		dev->receive(dev->stack, frame, &none);
		fill(net, at & ~(uint64_t)(net->boot->frame_size - 1));
	}
	jail_store(queue->consumer, net->received);
	jail_store(net->boot->fill.producer, net->filled);
	return done;
}

/* A driver that found no piece may have gone to sleep; the call that waits wakes it. */
static void wake_driver(struct xdp_net *net)
{
	struct timespec now = {0};

	if (jail_load(net->boot->fill.flags) & NEED_WAKEUP)
		jail_call((long)(uintptr_t)net->wait, 1, (long)(uintptr_t)&now, 0, 0,
		          SYS_ppoll);
}

static unsigned xdp_poll(struct netdev *dev, unsigned budget)
{
	struct xdp_net *net = of(dev);
	unsigned done = receive(net, budget);

	if (done == 0)
		wake_driver(net);
	take_completed(net);
	if (has_unsent(net) && !net->down)
		send_queued(net);
	if (net->starved && net->free_count) {
		net->starved = false;
		done++;
	}
	net->wait->events =
	    (net->starved || has_unsent(net)) && !net->down ? POLLIN | POLLOUT : POLLIN;
	return done;
}

/* ---- the device ---- */

struct netdev *jail_xdp_net(struct kiln *k, const struct kiln_boot_device *handed)
{
	static const struct netdev_ops ops = {
	    .send = xdp_send, .flush = xdp_flush, .poll = xdp_poll};
	struct xdp_net *net = kiln_alloc(k, sizeof(*net), handed->name);
	uint32_t entries;

	net->boot = (const struct kiln_boot_xdp *)(uintptr_t)handed->registers;
	entries = net->boot->entries;
	net->fd = handed->handle;
	net->mask = entries - 1;
	net->wait = jail_net_init(&net->dev, k, handed, &ops);
	net->free = kiln_alloc(k, entries * sizeof(*net->free), "frames");
	for (uint32_t i = 0; i < entries; i++) {
		fill(net, (uint64_t)i * net->boot->frame_size);
		net->free[net->free_count++] = entries + i;
	}
	jail_store(net->boot->fill.producer, net->filled);
	return &net->dev;
}
