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

enum { ETHER_HEADER = 14, ETHER_SOURCE = 6, ETHER_TYPE = 12, ETHER_TYPE_ARP = 0x0806 };

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

static void hand_up(struct usernet *usernet, struct slice frame)
{
	static const struct netdev_offload none;

	usernet->device.counters.rx_frames++;
	usernet->device.counters.rx_bytes += frame.len;
	usernet->device.receive(usernet->device.stack, frame, &none);
}

/* ---- the switch ---- */

/* ARP for IPv4 (RFC 826) behind the Ethernet header. */
enum {
	ARP_SENDER_MAC = ETHER_HEADER + 8,
	ARP_SENDER = ETHER_HEADER + 14,
	ARP_TARGET = ETHER_HEADER + 24,
	ARP_END = ETHER_HEADER + 28,
};

static uint32_t address_at(struct slice frame, size_t offset)
{
	struct be32 be;

	memcpy(&be, frame.data + offset, sizeof(be));
	return be32_get(be);
}

/* The image announces its address (RFC 5227, 2.3) as soon as it has one. */
static bool is_announcement(const struct usernet *usernet, struct slice frame)
{
	return frame.len >= ARP_END && frame.data[ETHER_TYPE] == ETHER_TYPE_ARP >> 8 &&
	       frame.data[ETHER_TYPE + 1] == (ETHER_TYPE_ARP & 0xff) &&
	       address_at(frame, ARP_SENDER) == usernet->options.image &&
	       address_at(frame, ARP_TARGET) == usernet->options.image;
}

/* "Who has `target`? Tell `sender`." */
static void arp_question(uint8_t frame[ARP_END], const uint8_t mac[6], uint32_t sender,
                         uint32_t target)
{
	static const uint8_t start[] = {
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0,
	    0,    0,    0,    0,    0x08, 0x06,       /* Ethernet */
	    0x00, 0x01, 0x08, 0x00, 6,    4,    0, 1, /* request */
	};
	const struct be32 addresses[] = {be32_of(sender), be32_of(target)};

	memset(frame, 0, ARP_END);
	memcpy(frame, start, sizeof(start));
	memcpy(frame + ETHER_SOURCE, mac, 6);
	memcpy(frame + ARP_SENDER_MAC, mac, 6);
	memcpy(frame + ARP_SENDER, &addresses[0], sizeof(addresses[0]));
	memcpy(frame + ARP_TARGET, &addresses[1], sizeof(addresses[1]));
}

/* Each of the two is asked by the other for its address, and keeps who asked: else both
 * would have to ask before they can answer, with all that has been waiting, and will be
 * sent at once now, in queues that are made for a few frames. */
static void meet_image(struct usernet *usernet, struct slice announcement)
{
	const struct usernet_options *o = &usernet->options;
	uint8_t question[ARP_END];

	arp_question(question, announcement.data + ARP_SENDER_MAC, o->image, o->own);
	hand_up(usernet, slice_of(question, sizeof(question)));
	arp_question(question, own_mac, o->own, o->image);
	link_send(&usernet->link, &(struct iovec){question, sizeof(question)}, 1);
	usernet->image_up = true;
	forward_tcp_start(usernet);
	forward_udp_start(usernet);
}

static void receive(void *context, struct slice frame)
{
	struct usernet *usernet = context;
	bool own, group;

	if (frame.len < ETHER_HEADER)
		return;
	own = memcmp(frame.data, own_mac, sizeof(own_mac)) == 0;
	group = frame.data[0] & 1;
	if (own || group)
		hand_up(usernet, frame);
	if (!own && usernet->nat)
		nat_receive(usernet->nat, frame);
	if (!usernet->image_up && is_announcement(usernet, frame))
		meet_image(usernet, frame);
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
	list_init(&usernet->udp_forwards);
	usernet->link.receive = receive;
	usernet->link.idle = idle;
	usernet->link.context = usernet;
	usernet->net = net_up_ip4(k, &usernet0); /* connections come in by IPv4 */
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
