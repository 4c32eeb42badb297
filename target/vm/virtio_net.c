/*
 * The network device (virtio 1.2, section 5.1) as a struct netdev, with checksum and
 * segmentation offload both ways.
 *
 * Receiving: one region, cut into equal buffers that are posted in order and posted again
 * in order once their frame has been handed up. A device uses them in that order, so that
 * a frame merged over several buffers (5.1.6.4) nearly always lies in one piece and is
 * handed up where it is; at the region's end, or from a device of another habit, it is
 * put together in a bounce buffer.
 *
 * Sending: a slot holds the header and a copy of the frame's head; the payload is
 * described where it lies, and its chunks are referenced until the device has given the
 * slot back.
 *
 * Memory: the receive region is about a sixteenth of the image's memory, the slots about
 * a sixty-fourth.
 */
#include <kiln/bytes.h>
#include <kiln/netdev.h>
#include "virtio_mmio.h"

enum { VIRTIO_ID_NET = 1, QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1 };

#define NET_F_CSUM       (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MTU        (1ull << 3)
#define NET_F_MAC        (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_GUEST_TSO6 (1ull << 8)
#define NET_F_HOST_TSO4  (1ull << 11)
#define NET_F_HOST_TSO6  (1ull << 12)
#define NET_F_MRG_RXBUF  (1ull << 15)
#define NET_F_HOST_USO   (1ull << 56)
#define NET_F_LARGE      (NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6)

enum { CONFIG_MAC = 0, CONFIG_MTU = 10 };
enum { MTU_DEFAULT = 1500, MTU_LEAST = 68 };

struct net_header {
	struct netdev_offload offload;
	uint16_t buffers; /* received: how many the frame takes */
};
_Static_assert(sizeof(struct net_header) == 12, "virtio 1.2, 5.1.6");

enum {
	RECEIVE_MOST = 256, /* buffers */
	RECEIVE_SMALL = 2048,
	RECEIVE_LARGE = 4096,
	ETHERNET_MOST = 18, /* the header, with a VLAN's tag */
	/* Of a frame that was joined: 64 KB of IP and its Ethernet header. */
	FRAME_MOST = 65535 + ETHERNET_MOST,
	SEND_LEAST = 32, /* slots */
	SEND_MOST = 256,
	SEND_PARTS = 1 + NETDEV_FRAGS,
	GSO_MOST = 65535,
};

struct send_slot {
	struct virtq_descriptor table[SEND_PARTS];
	struct chunk *owners[NETDEV_FRAGS];
	uint16_t owner_count;
	uint16_t next; /* free slot */
	struct net_header header;
	uint8_t head[NETDEV_HEAD]; /* follows the header: one part */
};
_Static_assert(offsetof(struct send_slot, head) ==
                   offsetof(struct send_slot, header) + sizeof(struct net_header),
               "header and head are one part");

enum { NO_SLOT = 0xffff };

struct virtio_net {
	struct netdev dev;
	struct vm_waiter waiter;
	struct virtio_device device;

	struct virtqueue receive;
	uint8_t *region;
	uint32_t buffer_size;
	uint8_t
	    *bounce; /* FRAME_MOST bytes; NULL where no frame is larger than a buffer */

	struct virtqueue transmit;
	struct send_slot *slots;
	uint16_t free_slot; /* list */
	bool reported;      /* that the device broke a rule */
	bool starved; /* a frame was refused: the next slot that comes back is news */
};

static struct virtio_net *of(struct netdev *dev)
{
	return kiln_container(dev, struct virtio_net, dev);
}

/* ---- receiving ---- */

static void post_buffer(struct virtio_net *net, uint16_t buffer)
{
	struct virtq_part part = {net->region + (size_t)buffer * net->buffer_size,
	                          net->buffer_size, true};

	/* There are no more buffers than descriptors: it fails on a broken queue only. */
	(void)!virtqueue_post(&net->receive, &part, 1, NULL, buffer);
}

/* A frame as it arrived: where its first piece lies, and in how many buffers it is. */
struct arrival {
	struct net_header header;
	unsigned buffers;
	uint32_t size; /* all pieces, the header not counted */
	bool in_one_piece;
	const uint8_t *data;
};

/* Looks at the next frame. False if there is none that is complete. */
static bool look_at(struct virtio_net *net, struct arrival *a)
{
	unsigned pending = virtqueue_pending(&net->receive);
	uint16_t first, previous, buffer;
	uint32_t written;

	if (pending == 0 || !virtqueue_returned(&net->receive, 0, &first, &written))
		return false;
	a->data = net->region + (size_t)first * net->buffer_size;
	/* A copy: the device cannot change it after it has been looked at. */
	memcpy(&a->header, a->data, sizeof(a->header));
	a->data += sizeof(a->header);
	a->buffers = net->device.features & NET_F_MRG_RXBUF ? a->header.buffers : 1;
	if (a->buffers == 0 || written < sizeof(a->header)) {
		a->buffers = 1;
		a->size = 0;
		return true;
	}
	if (a->buffers > pending) {
		/* The rest may still come; more than it was given cannot. */
		net->receive.broken = a->buffers > net->receive.outstanding;
		return false;
	}
	a->size = written - (uint32_t)sizeof(a->header);
	a->in_one_piece = true;
	previous = first;
	for (unsigned i = 1; i < a->buffers; i++) {
		bool full = written == net->buffer_size;
		if (!virtqueue_returned(&net->receive, i, &buffer, &written))
			return false;
		a->in_one_piece = a->in_one_piece && full && buffer == previous + 1;
		a->size += written;
		previous = buffer;
	}
	return true;
}

/* Puts the pieces together; false if the frame is larger than any can be. */
static bool join_pieces(struct virtio_net *net, struct arrival *a)
{
	uint32_t at = 0, written;
	uint16_t buffer;

	if (!net->bounce || a->size > FRAME_MOST)
		return false;
	for (unsigned i = 0; i < a->buffers; i++) {
		const uint8_t *from;
		if (!virtqueue_returned(&net->receive, i, &buffer, &written))
			return false;
		from = net->region + (size_t)buffer * net->buffer_size;
		if (i == 0) {
			from += sizeof(a->header);
			written -= KILN_MIN(written, (uint32_t)sizeof(a->header));
		}
		if (written > FRAME_MOST - at)
			return false;
		memcpy(net->bounce + at, from, written);
		at += written;
	}
	a->data = net->bounce;
	return true;
}

static bool receive_frame(struct virtio_net *net)
{
	struct netdev *dev = &net->dev;
	struct arrival a;
	uint16_t buffers[RECEIVE_MOST];
	uint32_t written;

	if (!look_at(net, &a))
		return false;
	for (unsigned i = 0; i < a.buffers; i++) {
		if (!virtqueue_returned(&net->receive, i, &buffers[i], &written))
			return false;
	}
	if (a.size == 0 || (!a.in_one_piece && !join_pieces(net, &a))) {
		dev->counters.rx_dropped++;
	} else {
		if (!(dev->features & NETDEV_RX_CSUM))
			a.header.offload = (struct netdev_offload){0};
		dev->counters.rx_frames++;
		dev->counters.rx_bytes += a.size;
		dev->receive(dev->stack, slice_of(a.data, a.size), &a.header.offload);
	}
	virtqueue_release(&net->receive, a.buffers);
	for (unsigned i = 0; i < a.buffers; i++)
		post_buffer(net, buffers[i]);
	return true;
}

/* ---- sending ---- */

static void reclaim_slots(struct virtio_net *net)
{
	unsigned n = virtqueue_pending(&net->transmit);

	for (unsigned i = 0; i < n; i++) {
		struct send_slot *slot;
		uint16_t index;
		uint32_t written;
		if (!virtqueue_returned(&net->transmit, 0, &index, &written))
			return;
		virtqueue_release(&net->transmit, 1);
		slot = &net->slots[index];
		for (unsigned j = 0; j < slot->owner_count; j++)
			chunk_unref(slot->owners[j]);
		slot->next = net->free_slot;
		net->free_slot = index;
		net->starved = false;
	}
}

/* Room for one more frame, if need be by having the device look at the ring at once. */
static bool have_slot(struct virtio_net *net)
{
	if (net->free_slot == NO_SLOT)
		reclaim_slots(net);
	if (net->free_slot == NO_SLOT && !net->transmit.broken) {
		virtqueue_publish(&net->transmit);
		virtqueue_notify(&net->transmit);
		reclaim_slots(net);
	}
	return net->free_slot != NO_SLOT;
}

/* Describes the frame; pieces that lie one behind the other are one part. */
static unsigned describe_frame(struct send_slot *slot, const struct netdev_frame *frame,
                               struct virtq_part *parts)
{
	unsigned head = NETDEV_HEAD - frame->head_start, count = 1;

	slot->header.offload = frame->offload;
	slot->header.buffers = 0;
	memcpy(slot->head, frame->head + frame->head_start, head);
	parts[0] = (struct virtq_part){&slot->header,
	                               (uint32_t)sizeof(slot->header) + head, false};
	slot->owner_count = 0;
	for (unsigned i = 0; i < frame->frag_count; i++) {
		const struct netdev_frag *frag = &frame->frags[i];
		struct virtq_part *last = &parts[count - 1];
		if (frag->len == 0)
			continue;
		if (count > 1 && (const uint8_t *)last->data + last->size == frag->data)
			last->size += (uint32_t)frag->len;
		else
			parts[count++] =
			    (struct virtq_part){frag->data, (uint32_t)frag->len, false};
		if (frag->owner) {
			chunk_ref(frag->owner);
			slot->owners[slot->owner_count++] = frag->owner;
		}
	}
	return count;
}

static enum kiln_error net_send_frame(struct netdev *dev,
                                      const struct netdev_frame *frame)
{
	struct virtio_net *net = of(dev);
	struct virtq_part parts[SEND_PARTS];
	struct send_slot *slot;
	uint16_t index;
	unsigned count;

	if (!have_slot(net)) {
		net->starved = true;
		dev->counters.tx_dropped++;
		return KILN_ERR_FULL;
	}
	index = net->free_slot;
	slot = &net->slots[index];
	count = describe_frame(slot, frame, parts);
	if (!virtqueue_post(&net->transmit, parts, count, slot->table, index)) {
		for (unsigned i = 0; i < slot->owner_count; i++)
			chunk_unref(slot->owners[i]);
		net->starved = true;
		dev->counters.tx_dropped++;
		return KILN_ERR_FULL;
	}
	net->free_slot = slot->next;
	dev->counters.tx_frames++;
	dev->counters.tx_bytes += netdev_frame_size(frame);
	return KILN_OK;
}

static void net_flush(struct netdev *dev)
{
	struct virtio_net *net = of(dev);

	virtqueue_publish(&net->transmit);
	virtqueue_kick(&net->transmit);
}

static unsigned net_poll(struct netdev *dev, unsigned budget)
{
	struct virtio_net *net = of(dev);
	unsigned done = 0;

	reclaim_slots(net);
	while (done < budget && receive_frame(net))
		done++;
	virtqueue_publish(&net->receive);
	virtqueue_kick(&net->receive);
	if ((net->receive.broken || net->transmit.broken) && !net->reported) {
		net->reported = true;
		log_error(dev->kiln, "virtio", "the network device broke its protocol");
	}
	return done;
}

static bool net_arm(struct vm_waiter *waiter)
{
	struct virtio_net *net = kiln_container(waiter, struct virtio_net, waiter);
	bool ready = virtqueue_arm(&net->receive);

	if (net->starved)
		ready = virtqueue_arm(&net->transmit) || ready;
	return ready;
}

/* ---- at start ---- */

static const struct netdev_ops net_ops = {
    .send = net_send_frame, .flush = net_flush, .poll = net_poll};

/* False if the device has not got the queue, or not enough of it. */
static bool make_receive(struct virtio_net *net, struct kiln *k)
{
	size_t budget = vm.boot->memory_size / 16;
	unsigned count;

	net->buffer_size =
	    budget >= RECEIVE_MOST * RECEIVE_LARGE ? RECEIVE_LARGE : RECEIVE_SMALL;
	if (!virtqueue_init(&net->receive, k, &net->device, QUEUE_RECEIVE, RECEIVE_MOST))
		return false;
	count = (unsigned)KILN_MIN(budget / net->buffer_size, (size_t)net->receive.size);
	net->region = kiln_alloc(k, (size_t)count * net->buffer_size, "receive buffers");
	if (net->device.features & NET_F_LARGE ||
	    sizeof(struct net_header) + net->dev.mtu + ETHERNET_MOST > net->buffer_size)
		net->bounce = kiln_alloc(k, FRAME_MOST, "receive bounce buffer");
	for (unsigned i = 0; i < count; i++)
		post_buffer(net, (uint16_t)i);
	return true;
}

static bool make_transmit(struct virtio_net *net, struct kiln *k)
{
	size_t fitting = vm.boot->memory_size / 64 / sizeof(struct send_slot);
	unsigned count =
	    (unsigned)KILN_MAX(KILN_MIN(fitting, (size_t)SEND_MOST), (size_t)SEND_LEAST);
	bool indirect = net->device.features & VIRTIO_F_INDIRECT;

	/* Without indirect descriptors a slot takes as many as its frame has parts. */
	if (!virtqueue_init(&net->transmit, k, &net->device, QUEUE_TRANSMIT,
	                    indirect ? SEND_MOST : 4 * SEND_MOST))
		return false;
	count = KILN_MIN(count, net->transmit.size);
	net->slots = kiln_alloc(k, count * sizeof(*net->slots), "send slots");
	for (unsigned i = 0; i < count; i++)
		net->slots[i].next = (uint16_t)(i + 1 < count ? i + 1 : NO_SLOT);
	return true;
}

static void read_config(struct virtio_net *net, const struct kiln_boot_device *from)
{
	static const uint8_t unknown[6];
	struct netdev *dev = &net->dev;

	/* Kiln's monitor says it in the boot struct already. */
	memcpy(dev->mac, from->mac, 6);
	if (memcmp(dev->mac, unknown, 6) == 0 && net->device.features & NET_F_MAC) {
		for (unsigned i = 0; i < 6; i++)
			dev->mac[i] = virtio_config8(&net->device, CONFIG_MAC + i);
	}
	dev->mtu = from->mtu;
	if (dev->mtu == 0 && net->device.features & NET_F_MTU)
		dev->mtu = virtio_config16(&net->device, CONFIG_MTU);
	if (dev->mtu < MTU_LEAST)
		dev->mtu = MTU_DEFAULT;
}

static uint32_t netdev_features(uint64_t f)
{
	uint32_t features = 0;

	features |= f & NET_F_CSUM ? NETDEV_TX_CSUM : 0;
	features |= f & NET_F_HOST_TSO4 ? NETDEV_TX_TSO4 : 0;
	features |= f & NET_F_HOST_TSO6 ? NETDEV_TX_TSO6 : 0;
	features |= f & NET_F_HOST_USO ? NETDEV_TX_USO : 0;
	features |= f & NET_F_GUEST_CSUM ? NETDEV_RX_CSUM : 0;
	features |= f & NET_F_LARGE ? NETDEV_RX_GSO : 0;
	return features;
}

/* Large frames are for receive regions where two have room, and need to be merged. */
static uint64_t wanted_features(void)
{
	uint64_t wanted = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MTU | NET_F_MAC |
	                  NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_USO |
	                  NET_F_MRG_RXBUF | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT;

	if (vm.boot->memory_size / 16 >= 2 * FRAME_MOST)
		wanted |= NET_F_LARGE;
	return wanted;
}

static bool open_device(struct virtio_net *net, const struct kiln_boot_device *from)
{
	uint64_t wanted = wanted_features();

	if (!virtio_open(&net->device, from, VIRTIO_ID_NET, wanted))
		return false;
	if (net->device.features & NET_F_MRG_RXBUF ||
	    !(net->device.features & NET_F_LARGE))
		return true;
	return virtio_open(&net->device, from, VIRTIO_ID_NET, wanted & ~NET_F_LARGE);
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	const struct kiln_boot_device *from = vm_device(KILN_DEVICE_NET, device->name);
	struct virtio_net *net;

	if (!from)
		return NULL;
	net = kiln_alloc(k, sizeof(*net), "network device");
	if (!open_device(net, from))
		return NULL;
	read_config(net, from);
	if (!make_receive(net, k) || !make_transmit(net, k))
		return NULL;
	net->dev.ops = &net_ops;
	net->dev.kiln = k;
	net->dev.features = netdev_features(net->device.features);
	net->dev.gso_max =
	    net->dev.features & (NETDEV_TX_TSO4 | NETDEV_TX_TSO6) ? GSO_MOST : 0;
	net->waiter.device = &net->device;
	net->waiter.arm = net_arm;
	list_append(&vm.waiters, &net->waiter.node);
	virtio_start(&net->device);
	virtqueue_publish(&net->receive);
	virtqueue_kick(&net->receive);
	return &net->dev;
}
