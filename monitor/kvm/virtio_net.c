/*
 * The network device (virtio 1.2, section 5.1) on a Linux tap.
 *
 * The tap carries the same virtio-net header as the rings, so frames are moved by readv()
 * and writev() from and to guest memory, without a copy or a look at them here: checksums
 * and segmentation are between the guest and the kernel. A large frame fills several
 * receive buffers (MRG_RXBUF).
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include "virtio.h"

enum { HEADER = sizeof(struct virtio_net_hdr_mrg_rxbuf) };
_Static_assert(HEADER == 12, "virtio_net_hdr_mrg_rxbuf");

/* In front of an IP packet: what Ethernet has, with a VLAN's tag, behind our own header. */
enum { BEFORE_PACKET = HEADER + 18 };
/* Younger than some systems' headers: UDP segmentation. A tap has it for both families or
 * for none. */
enum {
	FEATURE_GUEST_USO4 = 54,
	FEATURE_GUEST_USO6 = 55,
	FEATURE_HOST_USO = 56,
	TUN_USO = 0x20 | 0x40
};

static struct virtio_net *net_of(struct virtio_device *device)
{
	return (struct virtio_net *)device;
}

/* Takes receive buffers from the ring until the largest frame fits in them. */
static void fill_window(struct virtio_net *net)
{
	struct virtqueue *queue = &net->device.queues[NET_RECEIVE];
	unsigned most =
	    virtio_accepted(&net->device, VIRTIO_NET_F_MRG_RXBUF) ? NET_WINDOW : 1;
	struct virtqueue_chain chain;

	while (net->bytes < net->largest && net->buffer_count < most &&
	       net->part_count < NET_WINDOW && virtqueue_pop(queue, &chain)) {
		if (chain.readable || chain.writable_bytes > UINT32_MAX ||
		    chain.parts[0].iov_len < HEADER) {
			virtio_fault(
			    &net->device,
			    "a receive buffer does not begin with room for a header");
			return;
		}
		memcpy(&net->parts[net->part_count], chain.parts,
		       chain.writable * sizeof(chain.parts[0]));
		net->buffers[net->buffer_count].head = chain.head;
		net->buffers[net->buffer_count].parts = (uint16_t)chain.writable;
		net->buffers[net->buffer_count].bytes = (uint32_t)chain.writable_bytes;
		net->buffer_count++;
		net->part_count += chain.writable;
		net->bytes += chain.writable_bytes;
	}
}

/* Hands the buffers that a frame of `size` bytes has filled to the driver. */
static void pass_frame(struct virtio_net *net, size_t size)
{
	struct virtqueue *queue = &net->device.queues[NET_RECEIVE];
	uint8_t *header = net->parts[0].iov_base;
	uint16_t buffers = 0;
	unsigned parts = 0;

	do {
		size_t used = size < net->buffers[buffers].bytes
		                  ? size
		                  : net->buffers[buffers].bytes;
		virtqueue_push(queue, net->buffers[buffers].head, (uint32_t)used);
		net->bytes -= net->buffers[buffers].bytes;
		parts += net->buffers[buffers].parts;
		size -= used;
		buffers++;
	} while (size);
	memcpy(header + offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &buffers,
	       sizeof(buffers));
	net->buffer_count -= buffers;
	net->part_count -= parts;
	memmove(net->buffers, net->buffers + buffers,
	        net->buffer_count * sizeof(net->buffers[0]));
	memmove(net->parts, net->parts + parts, net->part_count * sizeof(net->parts[0]));
}

/*
 * Frames from the tap, as many as there are buffers for. The first is read whatever room
 * there is; the next ones only while the largest would fit: they can wait in the tap's
 * own queue until the driver has given buffers back.
 */
static void net_receive(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);
	bool first = true;
	uint8_t excess;

	for (;;) {
		ssize_t size;

		fill_window(net);
		if (device->fault || net->buffer_count == 0 ||
		    (!first && net->bytes < net->largest))
			break;
		/* A byte more than the buffers hold tells a frame that was cut off. */
		net->parts[net->part_count] = (struct iovec){&excess, 1};
		size = readv(device->input, net->parts, (int)net->part_count + 1);
		if (size < HEADER)
			break;
		first = false;
		if ((uint64_t)size > net->bytes)
			net->dropped++;
		else
			pass_frame(net, (size_t)size);
	}
	device->starved = net->buffer_count == 0;
	virtio_publish(device, NET_RECEIVE);
}

static void net_transmit(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);
	struct virtqueue *queue = &device->queues[NET_TRANSMIT];
	struct virtqueue_chain chain;

	while (virtqueue_pop(queue, &chain)) {
		if (chain.writable || chain.readable_bytes < HEADER) {
			virtio_fault(device, "a frame to send has no header");
			return;
		}
		/* The kernel judges the frame; what it refuses is lost, as on a wire. */
		if (writev(device->input, chain.parts, (int)chain.readable) < 0)
			net->dropped++;
		virtqueue_push(queue, chain.head, 0);
	}
	virtqueue_publish(queue);
}

/* Only what the driver accepted may come from the tap. */
static void net_configure(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);
	unsigned offloads = 0;

	net->part_count = net->buffer_count = 0;
	net->bytes = 0;
	if (virtio_accepted(device, VIRTIO_NET_F_GUEST_CSUM))
		offloads |= TUN_F_CSUM;
	if (virtio_accepted(device, VIRTIO_NET_F_GUEST_TSO4))
		offloads |= TUN_F_TSO4;
	if (virtio_accepted(device, VIRTIO_NET_F_GUEST_TSO6))
		offloads |= TUN_F_TSO6;
	if (virtio_accepted(device, FEATURE_GUEST_USO4) &&
	    virtio_accepted(device, FEATURE_GUEST_USO6))
		offloads |= TUN_USO;
	if (offloads & ~(unsigned)TUN_F_CSUM && !(offloads & TUN_F_CSUM)) { /* 5.1.3.1 */
		virtio_fault(device, "the driver takes segments together without their "
		                     "checksums");
		return;
	}
	net->largest =
	    BEFORE_PACKET + (offloads & ~(unsigned)TUN_F_CSUM ? 65535u : net->mtu);
	if (offloads == net->offloads)
		return;
	net->offloads = offloads;
	if (ioctl(device->input, TUNSETOFFLOAD, offloads) < 0)
		virtio_fault(device,
		             "the tap does not take the offloads that it offered");
}

static const struct virtio_ops net_ops = {net_transmit, net_receive, net_configure};

void virtio_net_init(struct virtio_net *net, const char *name, int tap, uint32_t offloads,
                     const uint8_t mac[6], uint16_t mtu, struct virtio_place place)
{
	struct virtio_net_config config = {.mtu = mtu};

	memset(net, 0, sizeof(*net));
	net->offloads = offloads;
	net->mtu = mtu;
	memcpy(config.mac, mac, sizeof(config.mac));
	net->device.ops = &net_ops;
	net->device.name = name;
	net->device.id = VIRTIO_ID_NET;
	net->device.queue_count = 2;
	net->device.input = tap;
	net->device.offered = VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |
	                      VIRTIO_FEATURE(VIRTIO_NET_F_MTU) |
	                      VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	if (offloads & TUN_F_CSUM)
		net->device.offered |= VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) |
		                       VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	if (offloads & TUN_F_TSO4)
		net->device.offered |= VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |
		                       VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	if (offloads & TUN_F_TSO6)
		net->device.offered |= VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) |
		                       VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6);
	if (offloads & TUN_USO)
		net->device.offered |= VIRTIO_FEATURE(FEATURE_HOST_USO) |
		                       VIRTIO_FEATURE(FEATURE_GUEST_USO4) |
		                       VIRTIO_FEATURE(FEATURE_GUEST_USO6);
	memcpy(net->device.config, &config, sizeof(config));
	virtio_init(&net->device, place);
}
