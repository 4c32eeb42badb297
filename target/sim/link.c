/*
 * Links and the network devices at them.
 *
 * What happens to a frame between two devices is the model's answer (path.h): every port
 * has the full rate to itself, as on a full-duplex switch, and every receiver its own
 * draws. A frame takes rate and queue as one also when it is a large one of segmentation
 * offload. Bits counted are those of the frame as the device gets it: no preamble, no
 * frame check sequence.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frame.h"
#include "pcap.h"
#include "world.h"

enum {
	ETHERNET_HEADER = 14,
	DEFAULT_MTU = 1500,
	RECEIVE_QUEUE =
	    4096, /* frames that a device holds for a stack that does not poll */
};

/* ---- on the way ---- */

static void arrived(struct sim_event *event)
{
	struct sim_delivery *delivery = kiln_container(event, struct sim_delivery, event);
	struct sim_port *port = delivery->to;
	struct sim *sim = port->link->sim;

	if (!port->open || port->node->ended) {
		sim_delivery_put(sim, delivery);
		return;
	}
	if (port->queued == RECEIVE_QUEUE) {
		port->dev.counters.rx_dropped++;
		sim->counters.overflowed++;
		sim_delivery_put(sim, delivery);
		return;
	}
	*port->queue_end = delivery;
	port->queue_end = &delivery->next;
	port->queued++;
	sim_node_wake(port->node);
}

/* A frame with one bit flipped, in a buffer of its own. Its checksum stands before that:
 * a receiver must be able to find out. */
static struct sim_frame *damaged(struct sim *sim, const struct sim_frame *frame,
                                 uint64_t bit)
{
	struct sim_frame *copy = sim_frame_copy(sim, frame);

	sim_frame_complete_checksum(copy);
	copy->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return copy;
}

/* One copy of a frame is on its way to a receiver. */
static void deliver(struct sim_port *to, struct sim_frame *frame,
                    const struct sim_arrival *copy)
{
	struct sim *sim = to->link->sim;
	struct sim_delivery *delivery = sim_delivery_get(sim);

	sim->counters.reordered += copy->held_back;
	sim->counters.corrupted += copy->damaged;
	if (copy->damaged) {
		delivery->frame = damaged(sim, frame, copy->bit);
	} else {
		delivery->frame = frame;
		frame->refs++;
	}
	delivery->event.fire = arrived;
	delivery->to = to;
	sim_schedule(sim, &delivery->event, copy->at);
}

static void end_capture(struct sim_link *link)
{
	if (link->pcap < 0)
		return;
	close(link->pcap);
	free(link->pcap_path);
	link->pcap = -1;
}

/* A capture that cannot be written ends there; the simulation goes on. */
static void capture(struct sim_link *link, struct sim_frame *frame)
{
	const struct iovec whole = {frame->data, frame->size};

	if (link->pcap < 0 || pcap_write(link->pcap, link->sim->now, &whole, 1))
		return;
	fprintf(stderr, "sim: cannot write to %s any more: %s\n", link->pcap_path,
	        strerror(errno));
	end_capture(link);
}

static void transmit(struct sim_port *from, struct sim_frame *frame)
{
	struct sim_link *link = from->link;
	struct sim_counters *counters = &link->sim->counters;
	kiln_time departure = sim_path_departure(&from->path, &link->impairment,
	                                         link->sim->now, frame->size);

	counters->frames++;
	counters->bytes += frame->size;
	capture(link, frame);
	if (departure == KILN_NEVER) {
		counters->overflowed++;
		return;
	}
	list_each (at, &link->ports) {
		struct sim_port *to = kiln_container(at, struct sim_port, in_link);
		struct sim_arrival copies[SIM_COPIES];
		unsigned count;

		if (to == from)
			continue;
		count = sim_path_carry(&from->path, &link->impairment, &link->random,
		                       departure, frame->size, copies);
		counters->lost += count == 0;
		counters->duplicated += count == SIM_COPIES;
		for (unsigned i = 0; i < count; i++)
			deliver(to, frame, &copies[i]);
	}
}

/* ---- the device ---- */

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

static enum kiln_error port_send(struct netdev *dev, const struct netdev_frame *frame)
{
	struct sim_port *port = kiln_container(dev, struct sim_port, dev);
	enum kiln_error error = check_frame(dev, frame);
	size_t size = netdev_frame_size(frame);
	struct sim_frame *copy;
	struct writer w;

	if (error) {
		dev->counters.tx_dropped++;
		return error;
	}
	copy = sim_frame_get(port->link->sim, (uint32_t)size);
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
	transmit(port, copy);
	sim_frame_unref(port->link->sim, copy);
	return KILN_OK;
}

static unsigned port_poll(struct netdev *dev, unsigned budget)
{
	struct sim_port *port = kiln_container(dev, struct sim_port, dev);
	unsigned done;

	for (done = 0; done < budget && port->queue; done++) {
		struct sim_delivery *delivery = port->queue;
		struct sim_frame *frame = delivery->frame;

		port->queue = delivery->next;
		if (!port->queue)
			port->queue_end = &port->queue;
		port->queued--;
		dev->counters.rx_frames++;
		dev->counters.rx_bytes += frame->size;
		dev->receive(dev->stack, slice_of(frame->data, frame->size),
		             &frame->offload);
		sim_delivery_put(port->link->sim, delivery);
	}
	return done;
}

static const struct netdev_ops port_ops = {.send = port_send, .poll = port_poll};

struct netdev *sim_port_open(struct sim_port *port)
{
	struct netdev *dev = &port->dev;

	dev->ops = &port_ops;
	dev->kiln = &port->node->kiln;
	dev->mtu = port->link->mtu;
	if (port->link->offloads) {
		dev->features =
		    NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_RX_CSUM | NETDEV_RX_GSO;
		dev->gso_max = SIM_FRAME_LARGEST;
	}
	port->open = true;
	return dev;
}

void sim_node_net(struct sim_node *node, const char *device, struct sim_link *link)
{
	struct sim_port *port = sim_alloc(sizeof(*port));
	uint32_t number = ++node->sim->ports;

	sim_node_add_device(node, device, KILN_DEVICE_NET);
	snprintf(port->name, sizeof(port->name), "%s", device);
	port->node = node;
	port->link = link;
	port->queue_end = &port->queue;
	/* Locally administered, and telling in a capture which port it was. */
	port->dev.mac[0] = 0x02;
	port->dev.mac[2] = (uint8_t)(number >> 24);
	port->dev.mac[3] = (uint8_t)(number >> 16);
	port->dev.mac[4] = (uint8_t)(number >> 8);
	port->dev.mac[5] = (uint8_t)number;
	list_append(&node->ports, &port->in_node);
	list_append(&link->ports, &port->in_link);
}

/* For sim_free, after which no delivery is looked at any more. */
void sim_port_free(struct sim_port *port)
{
	list_remove(&port->in_node);
	list_remove(&port->in_link);
	sim_path_free(&port->path);
	free(port);
}

/* ---- links ---- */

struct sim_link *sim_link_new(struct sim *sim, const struct sim_impairment *impairment,
                              uint16_t mtu)
{
	struct sim_link *link = sim_alloc(sizeof(*link));

	link->sim = sim;
	link->mtu = mtu ? mtu : DEFAULT_MTU;
	link->pcap = -1;
	sim_random_seed(&link->random, sim_random_u64(&sim->random));
	list_init(&link->ports);
	list_init(&link->in_links);
	list_append(&sim->links, &link->in_links);
	if (impairment)
		link->impairment = *impairment;
	return link;
}

void sim_link_set(struct sim_link *link, const struct sim_impairment *impairment)
{
	link->impairment = *impairment;
}

void sim_link_offloads(struct sim_link *link, bool on)
{
	link->offloads = on;
}

enum kiln_error sim_link_pcap(struct sim_link *link, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return KILN_ERR_IO;
	if (!pcap_begin(fd)) {
		close(fd);
		return KILN_ERR_IO;
	}
	end_capture(link);
	link->pcap = fd;
	link->pcap_path = sim_alloc(strlen(path) + 1);
	strcpy(link->pcap_path, path);
	return KILN_OK;
}

void sim_link_free(struct sim_link *link)
{
	end_capture(link);
	list_remove(&link->in_links);
	free(link);
}
