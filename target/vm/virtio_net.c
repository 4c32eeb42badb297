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
#include "virtio_net.h"

static struct virtio_net *of(struct netdev *dev)
{
	return kiln_container(dev, struct virtio_net, dev);
}

/* ---- receiving ---- */

void virtio_net_post_buffer(struct virtio_net *net, uint16_t buffer)
{
	struct virtq_part part = {net->region + (size_t)buffer * net->buffer_size,
	                          net->buffer_size, true};

	/* There are no more buffers than descriptors: it fails on a broken queue only. */
	(void)!virtqueue_post(&net->receive, &part, 1, NULL, buffer);
}

/* A frame as it arrived: the buffers that it is in, and where its first piece lies. */
struct arrival {
	struct net_header header;
	unsigned count;
	uint16_t buffers[RECEIVE_MOST];
	uint32_t size; /* all pieces, the header not counted */
	bool in_one_piece;
	const uint8_t *data;
};

/* Looks at the next frame. False if there is none that is complete. */
static bool look_at(struct virtio_net *net, struct arrival *a)
{
	unsigned pending = virtqueue_pending(&net->receive);
	uint32_t written;

	if (pending == 0 ||
	    !virtqueue_returned(&net->receive, 0, &a->buffers[0], &written))
		return false;
	a->data = net->region + (size_t)a->buffers[0] * net->buffer_size;
	/* A copy: the device cannot change it after it has been looked at. */
	memcpy(&a->header, a->data, sizeof(a->header));
	a->data += sizeof(a->header);
	a->count = net->device.features & NET_F_MRG_RXBUF ? a->header.buffers : 1;
	if (a->count == 0 || written < sizeof(a->header)) {
		a->count = 1;
		a->size = 0;
		return true;
	}
	if (a->count > pending) {
		/* The rest may still come; more than it was given cannot. */
		net->receive.broken = a->count > net->receive.outstanding;
		return false;
	}
	a->size = written - (uint32_t)sizeof(a->header);
	a->in_one_piece = true;
	for (unsigned i = 1; i < a->count; i++) {
		bool full = written == net->buffer_size;
		if (!virtqueue_returned(&net->receive, i, &a->buffers[i], &written))
			return false;
		if (!full || a->buffers[i] != a->buffers[i - 1] + 1)
			a->in_one_piece = false;
		a->size += written;
	}
	return true;
}

/* Puts the pieces together; false if the frame is larger than any can be. */
static bool join_pieces(struct virtio_net *net, struct arrival *a)
{
	uint32_t at = 0, written;

	if (!net->bounce || a->size > FRAME_MOST)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const uint8_t *from;
		if (!virtqueue_returned(&net->receive, i, &a->buffers[i], &written))
			return false;
		from = net->region + (size_t)a->buffers[i] * net->buffer_size;
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

	if (!look_at(net, &a))
		return false;
	if (a.size == 0 || (!a.in_one_piece && !join_pieces(net, &a))) {
		dev->counters.rx_dropped++;
	} else {
		if (!(dev->features & NETDEV_RX_CSUM))
			a.header.offload = (struct netdev_offload){0};
		dev->counters.rx_frames++;
		dev->counters.rx_bytes += a.size;
		dev->receive(dev->stack, slice_of(a.data, a.size), &a.header.offload);
	}
	virtqueue_release(&net->receive, a.count);
	for (unsigned i = 0; i < a.count; i++)
		virtio_net_post_buffer(net, a.buffers[i]);
	return true;
}

/* ---- sending ---- */

static void drop_owners(const struct send_slot *slot)
{
	for (unsigned i = 0; i < slot->owner_count; i++)
		chunk_unref(slot->owners[i]);
}

/* Takes back what the device is done with; a new slot only when none of the others is free. */
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
		drop_owners(slot);
		slot->next = net->free_slot;
		net->free_slot = index;
		net->starved = false;
	}
	if (net->free_slot == NO_SLOT && net->slots_used < net->slot_count) {
		net->free_slot = net->slots_used++;
		net->slots[net->free_slot].next = NO_SLOT;
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

/* Into the ring, if there is room. */
static bool post_frame(struct virtio_net *net, const struct netdev_frame *frame)
{
	struct virtq_part parts[SEND_PARTS];
	struct send_slot *slot;
	unsigned count;

	if (!have_slot(net))
		return false;
	slot = &net->slots[net->free_slot];
	count = describe_frame(slot, frame, parts);
	if (!virtqueue_post(&net->transmit, parts, count, slot->table, net->free_slot)) {
		drop_owners(slot);
		return false;
	}
	net->free_slot = slot->next;
	return true;
}

static enum kiln_error net_send_frame(struct netdev *dev,
                                      const struct netdev_frame *frame)
{
	struct virtio_net *net = of(dev);

	if (!post_frame(net, frame)) {
		net->starved = true;
		dev->counters.tx_dropped++;
		return KILN_ERR_FULL;
	}
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

bool virtio_net_arm(struct vm_waiter *waiter)
{
	struct virtio_net *net = kiln_container(waiter, struct virtio_net, waiter);
	bool ready = virtqueue_arm(&net->receive);

	if (net->starved)
		ready = virtqueue_arm(&net->transmit) || ready;
	return ready;
}

const struct netdev_ops virtio_net_ops = {
    .send = net_send_frame, .flush = net_flush, .poll = net_poll};
