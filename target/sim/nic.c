/*
 * The network device of a node: where a stack meets a link. What it sends must be among
 * what the device said it can do; what comes waits in a queue until the stack polls.
 */
#include <stdlib.h>
#include <string.h>
#include "frame.h"
#include "world.h"

enum {
	ETHERNET_HEADER = 14,
	RECEIVE_QUEUE = 4096, /* frames held for a stack that does not poll */
};

/* What a frame asks for must be among what the device said it can do. */
static enum kiln_error check_frame(const struct netdev *dev,
                                   const struct netdev_frame *frame)
{
	size_t size = netdev_frame_size(frame);
	uint32_t needs = 0;

	if (frame->offload.flags & NETDEV_NEEDS_CSUM)
		needs |= NETDEV_TX_CSUM;
	switch (frame->offload.gso_type & ~NETDEV_GSO_ECN) {
	case NETDEV_GSO_NONE:
		if (size > (size_t)dev->mtu + ETHERNET_HEADER)
			return KILN_ERR_TOO_LARGE;
		break;
	case NETDEV_GSO_TCP4:
		needs |= NETDEV_TX_TSO4;
		break;
	default:
		return KILN_ERR_UNSUPPORTED;
	}
	if (needs & ~dev->features)
		return KILN_ERR_UNSUPPORTED;
	if (size > SIM_FRAME_LARGEST)
		return KILN_ERR_TOO_LARGE;
	return size < ETHERNET_HEADER ? KILN_ERR_INVALID : KILN_OK;
}

static enum kiln_error nic_send(struct netdev *dev, const struct netdev_frame *frame)
{
	struct sim_nic *nic = kiln_container(dev, struct sim_nic, dev);
	struct sim *sim = nic->node->sim;
	enum kiln_error error = check_frame(dev, frame);
	size_t size = netdev_frame_size(frame);
	struct sim_frame *copy;
	struct writer w;

	if (error) {
		dev->counters.tx_dropped++;
		return error;
	}
	copy = sim_frame_get(sim, (uint32_t)size);
	copy->offload = frame->offload;
	w = writer_of(copy->data, size);
	writer_bytes(&w, slice_of(frame->head + frame->head_start,
	                          NETDEV_HEAD - frame->head_start));
	for (unsigned i = 0; i < frame->frag_count; i++)
		writer_bytes(&w, slice_of(frame->frags[i].data, frame->frags[i].len));
	kiln_assert(!w.failed &&
	            writer_left(&w) == 0); /* frag_bytes is the sum of frags */
	dev->counters.tx_frames++;
	dev->counters.tx_bytes += size;
	sim_port_send(&nic->port, copy);
	sim_frame_unref(sim, copy);
	return KILN_OK;
}

static unsigned nic_poll(struct netdev *dev, unsigned budget)
{
	struct sim_nic *nic = kiln_container(dev, struct sim_nic, dev);
	unsigned done;

	for (done = 0; done < budget && nic->queue; done++) {
		struct sim_delivery *delivery = nic->queue;
		struct sim_frame *frame = delivery->frame;

		nic->queue = delivery->next;
		if (!nic->queue)
			nic->queue_end = &nic->queue;
		nic->queued--;
		dev->counters.rx_frames++;
		dev->counters.rx_bytes += frame->size;
		dev->receive(dev->stack, slice_of(frame->data, frame->size),
		             &frame->offload);
		sim_delivery_put(nic->node->sim, delivery);
	}
	return done;
}

static const struct netdev_ops nic_ops = {.send = nic_send, .poll = nic_poll};

struct netdev *sim_nic_open(struct sim_nic *nic)
{
	struct netdev *dev = &nic->dev;
	const struct sim_link *link = nic->port.link;

	dev->ops = &nic_ops;
	dev->kiln = &nic->node->kiln;
	dev->mtu = link->mtu;
	if (link->offloads) {
		dev->features =
		    NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_RX_CSUM | NETDEV_RX_GSO;
		dev->gso_max = SIM_FRAME_LARGEST;
	}
	nic->open = true;
	return dev;
}

/* A frame has come to the device: its stack is woken. */
static void nic_arrived(struct sim_port *port, struct sim_delivery *delivery)
{
	struct sim_nic *nic = kiln_container(port, struct sim_nic, port);
	struct sim *sim = nic->node->sim;

	if (!nic->open || nic->node->ended) {
		sim_delivery_put(sim, delivery);
		return;
	}
	if (nic->queued == RECEIVE_QUEUE) {
		nic->dev.counters.rx_dropped++;
		sim->counters.overflowed++;
		sim_delivery_put(sim, delivery);
		return;
	}
	*nic->queue_end = delivery;
	nic->queue_end = &delivery->next;
	nic->queued++;
	sim_node_wake(nic->node);
}

/* ---- of a node ---- */

void sim_node_net(struct sim_node *node, const char *device, struct sim_link *link)
{
	struct sim_nic *nic = sim_alloc(sizeof(*nic));

	sim_node_add_device(node, device, KILN_DEVICE_NET);
	snprintf(nic->name, sizeof(nic->name), "%s", device);
	nic->node = node;
	nic->queue_end = &nic->queue;
	nic->port.arrived = nic_arrived;
	sim_port_attach(&nic->port, link);
	memcpy(nic->dev.mac, nic->port.mac, sizeof(nic->dev.mac));
	list_append(&node->nics, &nic->in_node);
}

void sim_node_cut(struct sim_node *node, struct sim_link *link, bool cut)
{
	list_each (at, &node->nics) {
		struct sim_nic *nic = kiln_container(at, struct sim_nic, in_node);
		if (nic->port.link == link)
			nic->port.cut = cut;
	}
}

/* For sim_free, after which no delivery is looked at any more. */
void sim_nic_free(struct sim_nic *nic)
{
	sim_port_detach(&nic->port);
	list_remove(&nic->in_node);
	free(nic);
}
