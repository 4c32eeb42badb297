/*
 * Links and the ports at them.
 *
 * What happens to a frame between two ports is the model's answer (path.h): every port
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
	DEFAULT_MTU = 1500,
	LOCAL = 0x02, /* a locally administered address begins so (IEEE 802) */
	GROUP = 0x01, /* a bit of the first byte: more than one is meant */
};

/* ---- on the way ---- */

static void arrived(struct sim_event *event)
{
	struct sim_delivery *delivery = kiln_container(event, struct sim_delivery, event);
	struct sim_port *port = delivery->to;
	struct sim *sim = port->link->sim;

	if (port->cut || port->link->cut) {
		sim->counters.cut++;
		sim_delivery_put(sim, delivery);
	} else {
		port->arrived(port, delivery);
	}
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

/* What the largest packet of the frame has: one of segmentation offload is several. */
static uint32_t size_on_wire(const struct sim_frame *frame)
{
	const struct netdev_offload *offload = &frame->offload;

	if (offload->gso_type == NETDEV_GSO_NONE)
		return frame->size;
	return KILN_MIN(frame->size, (uint32_t)offload->header_size + offload->gso_size);
}

/* The copies of a frame that get to one of the others. */
static void carry(struct sim_port *from, struct sim_port *to, struct sim_frame *frame,
                  kiln_time departure)
{
	struct sim_link *link = from->link;
	struct sim_counters *counters = &link->sim->counters;
	struct sim_arrival copies[SIM_COPIES];
	unsigned count = 0;

	if (!sim_path_swallows(&link->impairment, size_on_wire(frame)))
		count = sim_path_carry(&from->path, &link->impairment, &link->random,
		                       departure, frame->size, copies);
	counters->lost += count == 0;
	counters->duplicated += count == SIM_COPIES;
	for (unsigned i = 0; i < count; i++)
		deliver(to, frame, &copies[i]);
}

/* The number of the port whose address it is, if it is one's. */
static uint32_t number_of(const uint8_t mac[6])
{
	if (mac[0] != LOCAL || mac[1] != 0)
		return 0;
	return (uint32_t)mac[2] << 24 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 |
	       mac[5];
}

/* Whose address it is, at this link; NULL: nobody's, or a group's. */
static struct sim_port *port_of(const struct sim_link *link, const uint8_t mac[6])
{
	uint32_t number = number_of(mac);
	struct sim_port *port =
	    number <= link->sim->port_count ? link->sim->ports[number] : NULL;

	return port && port->link == link ? port : NULL;
}

static void carry_to_each(struct sim_port *from, const struct list *ports,
                          struct sim_frame *frame, kiln_time departure)
{
	list_each (at, ports) {
		struct sim_port *to = kiln_container(at, struct sim_port, in_link);
		if (to != from)
			carry(from, to, frame, departure);
	}
}

static void carry_to_all(struct sim_port *from, struct sim_frame *frame,
                         kiln_time departure)
{
	struct sim_link *link = from->link;
	struct sim_port *one = port_of(link, frame->data);

	if (frame->data[0] & GROUP)
		carry_to_each(from, &link->ports, frame, departure);
	else if (one && one != from && !one->promiscuous)
		carry(from, one, frame, departure);
	carry_to_each(from, &link->promiscuous, frame, departure);
}

/* What others hold of the frame stays as it is. */
static struct sim_frame *marked(struct sim *sim, struct sim_frame *frame)
{
	struct sim_frame *copy = sim_frame_copy(sim, frame);

	sim->counters.marked += sim_frame_mark(copy->data, copy->size);
	return copy;
}

void sim_port_send(struct sim_port *from, struct sim_frame *frame)
{
	struct sim_link *link = from->link;
	struct sim *sim = link->sim;
	kiln_time departure =
	    sim_path_departure(&from->path, &link->impairment, sim->now, frame->size);

	sim->counters.frames++;
	sim->counters.bytes += frame->size;
	capture(link, frame);
	if (from->cut || link->cut) {
		sim->counters.cut++;
	} else if (departure == KILN_NEVER) {
		sim->counters.overflowed++;
	} else if (sim_path_congested(&from->path, &link->impairment)) {
		frame = marked(sim, frame);
		carry_to_all(from, frame, departure);
		sim_frame_unref(sim, frame);
	} else {
		carry_to_all(from, frame, departure);
	}
}

/* ---- ports ---- */

void sim_port_attach(struct sim_port *port, struct sim_link *link)
{
	struct sim *sim = link->sim;
	uint32_t number = ++sim->port_count;

	if (number >= sim->port_room) {
		sim->port_room = number * 2;
		sim->ports = realloc(sim->ports, sim->port_room * sizeof(*sim->ports));
		if (!sim->ports)
			sim_fail("no memory for %u ports", number);
		sim->ports[0] = NULL; /* nobody's */
	}
	sim->ports[number] = port;
	/* Locally administered, and telling in a capture which port it was. */
	port->mac[0] = LOCAL;
	port->mac[2] = (uint8_t)(number >> 24);
	port->mac[3] = (uint8_t)(number >> 16);
	port->mac[4] = (uint8_t)(number >> 8);
	port->mac[5] = (uint8_t)number;
	port->link = link;
	list_append(port->promiscuous ? &link->promiscuous : &link->ports,
	            &port->in_link);
}

void sim_port_detach(struct sim_port *port)
{
	port->link->sim->ports[number_of(port->mac)] = NULL;
	list_remove(&port->in_link);
	sim_path_free(&port->path);
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
	list_init(&link->promiscuous);
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

void sim_link_cut(struct sim_link *link, bool cut)
{
	link->cut = cut;
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
