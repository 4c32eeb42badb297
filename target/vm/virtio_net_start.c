/*
 * The network device at start: which features are agreed on, how much memory goes where.
 * Frames are virtio_net.c's.
 */
#include "virtio_net.h"

enum { VIRTIO_ID_NET = 1, QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1 };
enum { CONFIG_MAC = 0, CONFIG_MTU = 10 };
enum { MTU_DEFAULT = 1500, MTU_LEAST = 68 };

enum {
	RECEIVE_SMALL = 2048,
	RECEIVE_LARGE = 4096,
	SEND_LEAST = 32, /* slots */
	SEND_MOST = 256,
	GSO_MOST = 65535,
};

/*
 * A packet of the MTU must find room (5.1.4.2): in one buffer, if the device does not merge
 * them (5.1.6.3.1), else in all. False if the device has not got the queue.
 */
static bool make_receive(struct virtio_net *net, struct kiln *k)
{
	size_t budget = vm.boot->memory_size / 16;
	size_t largest = sizeof(struct net_header) + net->dev.mtu + ETHERNET_MOST;
	size_t size =
	    budget >= RECEIVE_MOST * RECEIVE_LARGE ? RECEIVE_LARGE : RECEIVE_SMALL;
	size_t count;

	if (!virtqueue_init(&net->receive, k, &net->device, QUEUE_RECEIVE, RECEIVE_MOST))
		return false;
	if (!(net->device.features & NET_F_MRG_RXBUF))
		size = KILN_MAX(size, largest);
	else if (net->device.features & NET_F_LARGE || largest > size)
		net->bounce = kiln_alloc(k, FRAME_MOST, "receive bounce buffer");
	count = KILN_MAX(budget, largest + size) / size;
	count = KILN_MIN(count, (size_t)net->receive.size);
	net->buffer_size = (uint32_t)size;
	net->region = kiln_alloc(k, count * size, "receive buffers");
	for (unsigned i = 0; i < count; i++)
		virtio_net_post_buffer(net, (uint16_t)i);
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
	net->slot_count = (uint16_t)count;
	net->free_slot = NO_SLOT;
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
	dev->mac_shared = (uint8_t)from->size;
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

/* Of the features that a device has, those that it lacks another one for (5.1.3.1). Large
 * frames need to be merged as well: without, each buffer would have to have room for one. */
static uint64_t unfounded(uint64_t f)
{
	uint64_t lacking = f & NET_F_CSUM ? 0 : NET_F_SEGMENTING;

	if (!(f & NET_F_GUEST_CSUM && f & NET_F_MRG_RXBUF))
		lacking |= NET_F_LARGE;
	return f & lacking;
}

static bool open_device(struct virtio_net *net, const struct kiln_boot_device *from)
{
	uint64_t wanted = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MTU | NET_F_MAC |
	                  NET_F_SEGMENTING | NET_F_LARGE | NET_F_MRG_RXBUF |
	                  VIRTIO_F_INDIRECT | VIRTIO_F_EVENT;

	if (vm.boot->memory_size / 16 < 2 * FRAME_MOST) /* no room for two large frames */
		wanted &= ~NET_F_LARGE;
	return virtio_find(&net->device, from, VIRTIO_ID_NET) &&
	       virtio_agree(&net->device, wanted & ~unfounded(net->device.features));
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
	net->dev.ops = &virtio_net_ops;
	net->dev.kiln = k;
	net->dev.features = netdev_features(net->device.features);
	net->dev.gso_max =
	    net->dev.features & (NETDEV_TX_TSO4 | NETDEV_TX_TSO6) ? GSO_MOST : 0;
	net->waiter.device = &net->device;
	net->waiter.arm = virtio_net_arm;
	list_append(&vm.waiters, &net->waiter.node);
	virtio_start(&net->device);
	virtqueue_publish(&net->receive);
	virtqueue_kick(&net->receive);
	return &net->dev;
}
