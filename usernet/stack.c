/*
 * The link as a small network: the image, one of Kiln's own stacks, from whose address
 * forwarded connections come, and libslirp as the router. Frames find their way by their
 * destination, as through a switch.
 */
#include <stdio.h>
#include <sys/uio.h>
#include <kiln/bytes.h>
#include <kiln/tcp.h>
#include <kiln/udp.h>
#include "usernet.h"

enum { ETHER_HEADER = 14, ETHER_TYPE = 12, ETHER_TYPE_ARP = 0x0806 };

static const struct kiln_device usernet0 = {KILN_DEVICE_NET, "usernet0"};

/* Locally administered, and none of libslirp's. */
static const uint8_t own_mac[6] = {0x52, 0x4b, 0x69, 0x6c, 0x6e, 0x00};

/* ---- the stack's device ---- */

static enum kiln_error device_send(struct netdev *device,
                                   const struct netdev_frame *frame)
{
	struct usernet *usernet = kiln_container(device, struct usernet, device);
	struct iovec parts[1 + NETDEV_FRAGS];
	_Static_assert(1 + NETDEV_FRAGS <= LINK_PARTS, "a frame fits");

	if (link_busy(&usernet->link)) {
		device->counters.tx_dropped++;
		return KILN_ERR_FULL;
	}
	parts[0] = (struct iovec){(void *)(uintptr_t)(frame->head + frame->head_start),
	                          NETDEV_HEAD - frame->head_start};
	for (unsigned i = 0; i < frame->frag_count; i++)
		parts[1 + i] = (struct iovec){(void *)(uintptr_t)frame->frags[i].data,
		                              frame->frags[i].len};
	link_send(&usernet->link, parts, 1 + frame->frag_count);
	device->counters.tx_frames++;
	device->counters.tx_bytes += netdev_frame_size(frame);
	return KILN_OK;
}

/* The link hands frames up by itself. */
static unsigned device_poll(struct netdev *device, unsigned budget)
{
	return 0;
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	static const struct netdev_ops ops = {.send = device_send, .poll = device_poll};
	struct usernet *usernet = kiln_container(host_of(k), struct usernet, host);
	struct netdev *own = &usernet->device;

	own->ops = &ops;
	own->kiln = k;
	memcpy(own->mac, own_mac, sizeof(own->mac));
	own->mtu = usernet->options.mtu;
	return own;
}

/* ---- the switch ---- */

static void receive(void *context, struct slice frame)
{
	static const struct netdev_offload none;
	struct usernet *usernet = context;
	bool own, group;

	if (frame.len < ETHER_HEADER)
		return;
	own = memcmp(frame.data, own_mac, sizeof(own_mac)) == 0;
	group = frame.data[0] & 1;
	if (own || group) {
		usernet->device.counters.rx_frames++;
		usernet->device.counters.rx_bytes += frame.len;
		usernet->device.receive(usernet->device.stack, frame, &none);
	}
	if (!own && usernet->nat)
		nat_receive(usernet->nat, frame);
	/* An image announces its address as soon as it has one. */
	if (!usernet->image_up && frame.data[ETHER_TYPE] == ETHER_TYPE_ARP >> 8 &&
	    frame.data[ETHER_TYPE + 1] == (ETHER_TYPE_ARP & 0xff)) {
		usernet->image_up = true;
		forward_tcp_start(usernet);
	}
}

/* The stack tries again by itself. */
static void idle(void *context)
{
}

struct endpoint usernet_image(const struct usernet *usernet, uint16_t port)
{
	return (struct endpoint){ip_from4(ip4_of(usernet->options.image)), port};
}

void stack_open(struct usernet *usernet)
{
	const struct usernet_options *options = &usernet->options;
	struct kiln *k = &usernet->host.kiln;

	list_init(&usernet->waiting);
	usernet->link.receive = receive;
	usernet->link.idle = idle;
	usernet->link.context = usernet;
	usernet->net = net_up(k, &usernet0);
	usernet->tcp = tcp_new(usernet->net);
	usernet->udp = udp_new(usernet->net);
	for (unsigned i = 0; i < options->forward_count; i++) {
		const struct forward *forward = &options->forwards[i];
		if (!(forward->udp ? forward_udp_open : forward_tcp_open)(usernet,
		                                                          forward))
			kiln_fail(k, "usernet", "no memory to forward port %u",
			          forward->port);
	}
	if (options->closed)
		return;
	usernet->nat = nat_open(usernet);
	if (!usernet->nat)
		kiln_fail(k, "usernet", "libslirp does not start");
}
