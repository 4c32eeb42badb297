/*
 * Network devices by the io_uring that the monitor made (<kiln/abi/boot.h>, struct
 * kiln_boot_ring): all frames of an iteration of the loop go to the kernel in one system
 * call, which brings what has arrived meanwhile.
 *
 * Receiving: one request stays with the kernel for as long as there are buffers; each frame
 * comes with the number of the buffer that it is in, behind its virtio-net header, and the
 * buffer is given back once the frame has been handed up.
 *
 * Sending: a slot holds the header and a copy of the frame's head, and the list of parts;
 * the payload is sent from where it lies, and its chunks are referenced until the kernel has
 * reported the slot. For a tap that is within the call; only a socket that is full takes
 * longer (user networks). UDP datagrams of one flow that follow each other become segments of
 * one frame (net_join.c); each has a slot for its head's bytes, which comes back with the first's.
 *
 * The kernel works within our calls alone. That it has something to do it says by a flag in
 * shared memory, so polling costs no call. Waiting is done by the target, on the
 * descriptors, as it is without a ring.
 *
 * Memory: buffers for about an eighth of the image's memory, slots for a sixty-fourth; less
 * where others, as the TCP of another interface, have left less than a third of it.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <kiln/bytes.h>
#include "net.h"
#include "uring.h"

enum {
	BUFFERS_LEAST = 4,
	SLOTS_LEAST = 16,
	SLOTS_MOST = 64,
	PARTS = 1 + NETDEV_FRAGS,
};

/* What a completion is about: the device's number, and a slot or one of these. */
enum { TAG_RECEIVE = 0xffff, TAG_DONE = 0xfffe, NO_SLOT = 0xffff };

struct slot {
	struct iovec parts[PARTS];
	struct chunk *owners[NETDEV_FRAGS];
	uint16_t owner_count, next;  /* next: free slot */
	uint16_t part_count, joined; /* joined: the slots of datagrams that go with it */
	struct netdev_offload offload;
	uint8_t head[NETDEV_HEAD]; /* follows the header: one part */
};
_Static_assert(offsetof(struct slot, head) ==
                   offsetof(struct slot, offload) + sizeof(struct netdev_offload),
               "header and head are one part");

struct ring_net {
	struct netdev dev;
	struct jail_ring *ring;
	struct pollfd *wait; /* the device's among those that the target waits for */
	unsigned number;     /* among the boot struct's devices */

	struct uring_buffer *free_buffers;
	struct jail_frame_in *buffers;
	size_t buffer_size;
	uint16_t buffer_count, given; /* given: the ring's tail */
	bool receiving, gone;

	struct slot *slots;
	uint16_t slot_count, fresh; /* fresh: the first that never was in use */
	uint16_t free_slot, busy;   /* busy: slots that the kernel has */
	bool starved; /* a frame was refused: the next slot that comes back is news */
	/* What the next datagram may go with: the last in the queue, if the kernel has not seen
	 * it. */
	struct slot *last;
	struct uring_request *last_request;
};

/* One an image, for all its devices. */
struct jail_ring {
	const struct kiln_boot_ring *boot;
	struct uring_request *requests;
	struct uring_completion *completions;
	uint32_t tail; /* of requests */
	struct ring_net *nets[KILN_BOOT_DEVICES];
};

static struct ring_net *of(struct netdev *dev)
{
	return kiln_container(dev, struct ring_net, dev);
}

/* ---- the queues ---- */

static uint32_t queued(const struct jail_ring *ring)
{
	return ring->tail - jail_load(ring->boot->request_head);
}

/* Hands over what is queued, and has the kernel do what has come up. What it does not take
 * now, for want of memory, it is given again. */
static void enter(struct jail_ring *ring)
{
	for (unsigned i = 0; i < KILN_BOOT_DEVICES; i++)
		if (ring->nets[i])
			ring->nets[i]->last = NULL;
	jail_store(ring->boot->request_tail, ring->tail);
	jail_call(ring->boot->handle, queued(ring), 0, URING_GETEVENTS, 0,
	          SYS_io_uring_enter);
}

/* A request to fill in; NULL if the kernel takes none. */
static struct uring_request *request(struct ring_net *net, uint8_t op, uint16_t tag)
{
	struct jail_ring *ring = net->ring;
	struct uring_request *r;

	if (queued(ring) == ring->boot->requests)
		enter(ring);
	if (queued(ring) == ring->boot->requests)
		return NULL;
	r = &ring->requests[ring->tail++ & (ring->boot->requests - 1)];
	memset(r, 0, sizeof(*r));
	r->op = op;
	r->flags = URING_FIXED_FILE;
	r->file = (int32_t)net->number;
	r->tag = (uint64_t)net->number << 16 | tag;
	return r;
}

/* The next completion is in *c; false if there is none. */
static bool next_completion(struct jail_ring *ring, struct uring_completion *c)
{
	const struct kiln_boot_ring *boot = ring->boot;
	uint32_t head = jail_load(boot->completion_head);

	if (head == jail_load(boot->completion_tail))
		return false;
	*c = ring->completions[head & (boot->completions - 1)];
	jail_store(boot->completion_head, head + 1);
	return true;
}

static bool has_work(const struct jail_ring *ring)
{
	return jail_load(ring->boot->request_flags) & (URING_TASKRUN | URING_OVERFLOW);
}

/* ---- receiving ---- */

static void give_buffer(struct ring_net *net, uint16_t number)
{
	struct uring_buffer *ring = net->free_buffers;
	uint32_t mask = net->ring->boot->buffers - 1;
	uint8_t *at = (uint8_t *)net->buffers + number * net->buffer_size;
	struct uring_buffer *buffer = &ring[net->given & mask];

	buffer->address = (uintptr_t)at + offsetof(struct jail_frame_in, offload);
	buffer->length =
	    (uint32_t)(net->buffer_size - offsetof(struct jail_frame_in, offload));
	buffer->number = number;
	net->given++;
	__atomic_store_n(&ring[0].tail, net->given, __ATOMIC_RELEASE);
}

static void start_receiving(struct ring_net *net)
{
	struct uring_request *r;

	if (net->receiving || net->gone)
		return;
	r = request(net, URING_READ_MULTISHOT, TAG_RECEIVE);
	if (!r)
		return;
	r->flags |= URING_BUFFER_SELECT;
	r->group = (uint16_t)net->number;
	net->receiving = true;
}

static void received(struct ring_net *net, const struct uring_completion *c)
{
	uint16_t number = (uint16_t)(c->flags >> 16);

	net->receiving = c->flags & URING_MORE;
	if (c->result < 0 && c->result != -ENOBUFS && c->result != -EAGAIN &&
	    c->result != -EINTR)
		net->gone = true; /* the target sees it by the descriptor, too */
	if (!(c->flags & URING_BUFFER) || number >= net->buffer_count)
		return;
	if (c->result > 0)
		jail_net_receive(
		    &net->dev,
		    (struct jail_frame_in *)(void *)((uint8_t *)net->buffers +
		                                     number * net->buffer_size),
		    (size_t)c->result);
	give_buffer(net, number);
}

/* ---- sending ---- */

static void put_slot(struct ring_net *net, uint16_t number)
{
	net->slots[number].next = net->free_slot;
	net->free_slot = number;
	net->busy--;
}

static void sent(struct ring_net *net, uint16_t number, int32_t result)
{
	struct slot *slot = &net->slots[number];

	if (result < 0)
		net->dev.counters.tx_dropped++;
	for (unsigned i = 0; i < slot->owner_count; i++)
		chunk_unref(slot->owners[i]);
	while (slot->joined != NO_SLOT) {
		uint16_t joined = slot->joined;

		slot->joined = net->slots[joined].joined;
		put_slot(net, joined);
	}
	put_slot(net, number);
}

/* Takes the slots that are back out of the completions, whose others stay for the poll. */
static void find_sent(struct jail_ring *ring)
{
	uint32_t tail = jail_load(ring->boot->completion_tail);

	for (uint32_t at = jail_load(ring->boot->completion_head); at != tail; at++) {
		struct uring_completion *c =
		    &ring->completions[at & (ring->boot->completions - 1)];
		uint16_t tag = (uint16_t)c->tag;

		if (tag == TAG_RECEIVE || tag == TAG_DONE)
			continue;
		sent(ring->nets[c->tag >> 16], tag, c->result);
		c->tag = (c->tag & ~(uint64_t)0xffff) | TAG_DONE;
	}
}

/* The one used last comes first: then few are ever touched. */
static bool have_slot(struct ring_net *net)
{
	if (net->free_slot == NO_SLOT && net->fresh < net->slot_count) {
		net->slots[net->fresh].next = NO_SLOT;
		net->free_slot = net->fresh++;
	}
	if (net->free_slot == NO_SLOT) {
		enter(net->ring);
		find_sent(net->ring);
	}
	return net->free_slot != NO_SLOT;
}

static struct slot *take_slot(struct ring_net *net)
{
	struct slot *slot = &net->slots[net->free_slot];

	net->free_slot = slot->next;
	net->busy++;
	return slot;
}

/* Pieces that lie one behind the other are one part. */
static void add_frags(struct slot *slot, const struct netdev_frame *frame)
{
	unsigned count = slot->part_count;

	for (unsigned i = 0; i < frame->frag_count; i++) {
		const struct netdev_frag *frag = &frame->frags[i];
		struct iovec *last = &slot->parts[count - 1];

		if (frag->owner) {
			chunk_ref(frag->owner);
			slot->owners[slot->owner_count++] = frag->owner;
		}
		if (count > 1 && (uint8_t *)last->iov_base + last->iov_len == frag->data)
			last->iov_len += frag->len;
		else
			slot->parts[count++] =
			    (struct iovec){(void *)(uintptr_t)frag->data, frag->len};
	}
	slot->part_count = (uint16_t)count;
}

static void fill_slot(struct slot *slot, const struct netdev_frame *frame)
{
	unsigned head = NETDEV_HEAD - frame->head_start;

	slot->offload = frame->offload;
	memcpy(slot->head, frame->head + frame->head_start, head);
	slot->parts[0] = (struct iovec){&slot->offload, sizeof(slot->offload) + head};
	slot->part_count = 1;
	slot->owner_count = 0;
	slot->joined = NO_SLOT;
	add_frags(slot, frame);
}

/* As one more datagram of the last frame. */
static bool join(struct ring_net *net, const struct netdev_frame *frame)
{
	struct slot *first = net->last, *slot;
	unsigned begin, size;

	if (!first || !(net->dev.features & NETDEV_TX_USO) ||
	    first->part_count + 1u + frame->frag_count > PARTS ||
	    first->owner_count + frame->frag_count > NETDEV_FRAGS)
		return false;
	begin = jail_join(first->head, &first->offload, frame);
	if (begin == 0)
		return false;
	slot = take_slot(net);
	size = NETDEV_HEAD - frame->head_start - begin;
	memcpy(slot->head, frame->head + frame->head_start + begin, size);
	if (size)
		first->parts[first->part_count++] = (struct iovec){slot->head, size};
	slot->joined = first->joined;
	first->joined = (uint16_t)(slot - net->slots);
	add_frags(first, frame);
	net->last_request->length = first->part_count;
	return true;
}

static enum kiln_error ring_send(struct netdev *dev, const struct netdev_frame *frame)
{
	struct ring_net *net = of(dev);
	bool room = have_slot(net);

	if (!room || !join(net, frame)) {
		struct uring_request *r =
		    room ? request(net, URING_WRITEV, net->free_slot) : NULL;

		if (!r) {
			net->starved = true;
			dev->counters.tx_dropped++;
			return KILN_ERR_FULL;
		}
		net->last = take_slot(net);
		net->last_request = r;
		fill_slot(net->last, frame);
		r->length = net->last->part_count;
		r->address = (uintptr_t)net->last->parts;
	}
	dev->counters.tx_frames++;
	dev->counters.tx_bytes += netdev_frame_size(frame);
	return KILN_OK;
}

static void ring_flush(struct netdev *dev)
{
	struct ring_net *net = of(dev);

	start_receiving(net);
	if (queued(net->ring))
		enter(net->ring);
}

/* ---- the device ---- */

/* Whichever device is asked: completions come in one order for all. */
static unsigned ring_poll(struct netdev *dev, unsigned budget)
{
	struct ring_net *net = of(dev);
	struct jail_ring *ring = net->ring;
	struct uring_completion c;
	unsigned done = 0;

	if (has_work(ring))
		enter(ring);
	while (done < budget && next_completion(ring, &c)) {
		struct ring_net *whose = ring->nets[c.tag >> 16];
		uint16_t tag = (uint16_t)c.tag;

		if (tag == TAG_RECEIVE) {
			received(whose, &c);
			done++;
		} else if (tag != TAG_DONE) {
			sent(whose, tag, c.result);
		}
	}
	if (net->starved && net->free_slot != NO_SLOT) {
		net->starved = false;
		done++;
	}
	net->wait->events = net->busy ? POLLIN | POLLOUT : POLLIN;
	return done;
}

/* So many things of that size as are a part of the image's memory. */
static uint16_t share(const struct kiln *k, unsigned part, size_t size, unsigned least,
                      unsigned most)
{
	uint64_t memory = KILN_MIN(k->boot->memory_size, 3 * arena_left(&k->arena));
	uint64_t count = memory / part / size;

	return (uint16_t)KILN_MAX(least, KILN_MIN(count, most));
}

static void make_buffers(struct ring_net *net, const struct kiln_boot_ring *boot)
{
	struct netdev *dev = &net->dev;
	size_t frame = dev->features & NETDEV_RX_GSO ? JAIL_FRAME_MOST
	                                             : (size_t)dev->mtu + JAIL_LINK_MOST;

	net->buffer_size =
	    (offsetof(struct jail_frame_in, frame) + frame + 15) & ~(size_t)15;
	net->buffer_count =
	    share(dev->kiln, 8, net->buffer_size, BUFFERS_LEAST, boot->buffers);
	net->buffers =
	    kiln_alloc(dev->kiln, net->buffer_count * net->buffer_size, "buffers");
	net->free_buffers =
	    (void *)(uintptr_t)(boot->buffer + net->number * KILN_BOOT_BUFFER_RING);
	for (uint16_t i = 0; i < net->buffer_count; i++)
		give_buffer(net, i);
}

static void make_slots(struct ring_net *net)
{
	uint16_t count =
	    share(net->dev.kiln, 64, sizeof(struct slot), SLOTS_LEAST, SLOTS_MOST);

	net->slots = kiln_alloc(net->dev.kiln, count * sizeof(struct slot), "slots");
	net->slot_count = count;
	net->free_slot = NO_SLOT;
}

static struct jail_ring *ring_of(struct kiln *k)
{
	struct jail *j = jail_of(k);
	const struct kiln_boot_ring *boot = &k->boot->ring;

	if (j->ring)
		return j->ring;
	j->ring = kiln_alloc(k, sizeof(*j->ring), "ring");
	j->ring->boot = boot;
	j->ring->requests = (void *)(uintptr_t)boot->request;
	j->ring->completions = (void *)(uintptr_t)boot->completion;
	return j->ring;
}

struct netdev *jail_ring_net(struct kiln *k, const struct kiln_boot_device *handed)
{
	static const struct netdev_ops ops = {
	    .send = ring_send, .flush = ring_flush, .poll = ring_poll};
	struct ring_net *net = kiln_alloc(k, sizeof(*net), handed->name);

	net->number = (unsigned)(handed - k->boot->devices);
	net->ring = ring_of(k);
	net->ring->nets[net->number] = net;
	net->wait = jail_net_init(&net->dev, k, handed, &ops);
	make_buffers(net, net->ring->boot);
	make_slots(net);
	return &net->dev;
}
