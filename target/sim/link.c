/*
 * Links and the network devices at them.
 *
 * A frame leaves its sender's port at the link's rate (every port has the full rate to
 * itself, as on a full-duplex switch), behind those that wait there already; then it is
 * lost, doubled, damaged or held back for each receiver by that receiver's own draws, and
 * arrives after the delay and the jitter. It takes rate and queue as one frame also when
 * it is a large one of segmentation offload. Bits counted are those of the frame as the
 * device gets it: no preamble, no frame check sequence.
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
	DEFAULT_QUEUE = 1000,
	RECEIVE_QUEUE =
	    4096, /* frames that a device holds for a stack that does not poll */
};
#define DEFAULT_REORDER_DELAY KILN_MS(1)

/* ---- on the way ---- */

/* The instant when the frame has left the port; KILN_NEVER if the queue is full. */
static kiln_time port_departure(struct sim_port *port, uint32_t size)
{
	const struct sim_impairment *impairment = &port->link->impairment;
	uint32_t queue = impairment->queue ? impairment->queue : DEFAULT_QUEUE;
	kiln_time now = port->link->sim->now;
	kiln_time duration;

	if (!impairment->rate)
		return now;
	while (port->leaving_count && port->leaving[port->leaving_first] <= now) {
		port->leaving_first = (port->leaving_first + 1) % port->leaving_room;
		port->leaving_count--;
	}
	if (port->leaving_room < queue + 1) {
		kiln_time *leaving = sim_alloc((queue + 1) * sizeof(*leaving));
		for (uint32_t i = 0; i < port->leaving_count; i++)
			leaving[i] =
			    port->leaving[(port->leaving_first + i) % port->leaving_room];
		free(port->leaving);
		port->leaving = leaving;
		port->leaving_room = queue + 1;
		port->leaving_first = 0;
	}
	if (port->leaving_count > queue) /* one is being sent, the others wait */
		return KILN_NEVER;
	duration =
	    (kiln_time)((unsigned __int128)size * 8 * KILN_SECONDS(1) / impairment->rate);
	port->idle_at = KILN_MAX(port->idle_at, now) + duration;
	port->leaving[(port->leaving_first + port->leaving_count++) %
	              port->leaving_room] = port->idle_at;
	return port->idle_at;
}

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
static struct sim_frame *damaged(struct sim_link *link, const struct sim_frame *frame)
{
	struct sim_frame *copy = sim_frame_copy(link->sim, frame);
	uint64_t bit = sim_random_upto(&link->random, (uint64_t)frame->size * 8 - 1);

	sim_frame_complete_checksum(copy);
	copy->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	link->sim->counters.corrupted++;
	return copy;
}

/* One copy of a frame to one receiver. */
static void carry(struct sim_port *from, struct sim_port *to, struct sim_frame *frame,
                  kiln_time departure)
{
	struct sim_link *link = from->link;
	const struct sim_impairment *impairment = &link->impairment;
	struct sim_delivery *delivery = sim_delivery_get(link->sim);
	kiln_time arrival = departure + impairment->delay;

	if (impairment->jitter)
		arrival += sim_random_upto(&link->random, impairment->jitter);
	arrival = KILN_MAX(arrival, from->last_arrival);
	if (sim_random_chance(&link->random, impairment->reorder)) {
		kiln_time most = impairment->reorder_delay ? impairment->reorder_delay
		                                           : DEFAULT_REORDER_DELAY;
		arrival += 1 + sim_random_upto(&link->random, most - 1);
		link->sim->counters.reordered++;
	} else {
		from->last_arrival = arrival;
	}
	if (sim_random_chance(&link->random, impairment->corrupt)) {
		delivery->frame = damaged(link, frame);
	} else {
		delivery->frame = frame;
		frame->refs++;
	}
	delivery->event.fire = arrived;
	delivery->to = to;
	sim_events_set(&link->sim->events, &delivery->event, arrival);
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
	kiln_time departure = port_departure(from, frame->size);

	counters->frames++;
	counters->bytes += frame->size;
	capture(link, frame);
	if (departure == KILN_NEVER) {
		counters->overflowed++;
		return;
	}
	list_each (at, &link->ports) {
		struct sim_port *to = kiln_container(at, struct sim_port, in_link);
		if (to == from)
			continue;
		if (sim_random_chance(&link->random, link->impairment.loss)) {
			counters->lost++;
			continue;
		}
		carry(from, to, frame, departure);
		if (sim_random_chance(&link->random, link->impairment.duplicate)) {
			counters->duplicated++;
			carry(from, to, frame, departure);
		}
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
	free(port->leaving);
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
