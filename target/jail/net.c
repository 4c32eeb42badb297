/*
 * A tap descriptor as a network device. Each read() is a frame behind its virtio-net
 * header, each writev() sends one, from where its parts lie. The monitor has set the
 * header's size and the offloads. Where it has made a ring as well, that serves instead
 * (net_ring.c); an AF_XDP socket is no tap at all (net_xdp.c).
 *
 * One buffer serves all receives: a frame is handed up before the next is read.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <kiln/bytes.h>
#include "net.h"

enum {
	/* linux/if_tun.h: TUNSETOFFLOAD */
	TUN_F_CSUM = 1,
	TUN_F_TSO4 = 2,
	TUN_F_TSO6 = 4,
	TUN_F_USO4 = 32,
	TUN_F_USO6 = 64,
};

struct jail_net {
	struct netdev dev;
	int fd;
	struct jail_frame_in *in; /* JAIL_FRAME_MOST */
};

static enum kiln_error net_send(struct netdev *dev, const struct netdev_frame *frame)
{
	struct jail_net *net = kiln_container(dev, struct jail_net, dev);
	struct iovec parts[2 + NETDEV_FRAGS];
	long sent;

	parts[0] =
	    (struct iovec){(void *)(uintptr_t)&frame->offload, sizeof(frame->offload)};
	parts[1] = (struct iovec){(void *)(uintptr_t)(frame->head + frame->head_start),
	                          NETDEV_HEAD - frame->head_start};
	for (unsigned i = 0; i < frame->frag_count; i++)
		parts[2 + i] = (struct iovec){(void *)(uintptr_t)frame->frags[i].data,
		                              frame->frags[i].len};
	sent = jail_call(net->fd, (long)(uintptr_t)parts, 2 + frame->frag_count, 0, 0,
	                 SYS_writev);
	if (sent < 0) {
		dev->counters.tx_dropped++;
		return sent == -EAGAIN || sent == -ENOBUFS ? KILN_ERR_FULL : KILN_ERR_IO;
	}
	dev->counters.tx_frames++;
	dev->counters.tx_bytes += netdev_frame_size(frame);
	return KILN_OK;
}

void jail_net_receive(struct netdev *dev, const struct jail_frame_in *in, size_t size)
{
	struct slice frame;

	if (size <= sizeof(in->offload)) {
		dev->counters.rx_dropped++;
		return;
	}
	frame = slice_of(in->frame, size - sizeof(in->offload));
	dev->counters.rx_frames++;
	dev->counters.rx_bytes += frame.len;
	dev->receive(dev->stack, frame, &in->offload);
}

static unsigned net_poll(struct netdev *dev, unsigned budget)
{
	struct jail_net *net = kiln_container(dev, struct jail_net, dev);
	unsigned done;

	for (done = 0; done < budget; done++) {
		long n =
		    jail_call(net->fd, (long)(uintptr_t)&net->in->offload,
		              sizeof(net->in->offload) + JAIL_FRAME_MOST, 0, 0, SYS_read);
		if (n < 0)
			break;
		jail_net_receive(dev, net->in, (size_t)n);
	}
	return done;
}

static uint32_t features(uint32_t tun)
{
	uint32_t f = 0;

	if (tun & TUN_F_CSUM)
		f |= NETDEV_TX_CSUM | NETDEV_RX_CSUM;
	if (tun & TUN_F_TSO4)
		f |= NETDEV_TX_TSO4 | NETDEV_RX_GSO;
	if (tun & TUN_F_TSO6)
		f |= NETDEV_TX_TSO6 | NETDEV_RX_GSO;
	if (tun & TUN_F_USO4)
		f |= NETDEV_TX_USO | NETDEV_RX_GSO;
	return f;
}

struct pollfd *jail_net_init(struct netdev *dev, struct kiln *k,
                             const struct kiln_boot_device *handed,
                             const struct netdev_ops *ops)
{
	struct jail *j = jail_of(k);
	struct pollfd *wait = &j->wait[j->wait_count++];

	dev->ops = ops;
	dev->kiln = k;
	memcpy(dev->mac, handed->mac, sizeof(dev->mac));
	dev->mac_shared = (uint8_t)handed->size;
	dev->mtu = handed->mtu;
	dev->features = features(handed->features);
	dev->gso_max = dev->features & (NETDEV_TX_TSO4 | NETDEV_TX_TSO6) ? 65535 + 14 : 0;
	*wait = (struct pollfd){.fd = handed->handle, .events = POLLIN};
	return wait;
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	static const struct netdev_ops ops = {.send = net_send, .poll = net_poll};
	const struct kiln_boot_device *handed = jail_device(k, device);
	struct jail_net *net;

	if (!handed)
		return NULL;
	if (handed->registers)
		return jail_xdp_net(k, handed);
	if (k->boot->ring.handle >= 0)
		return jail_ring_net(k, handed);
	net = kiln_alloc(k, sizeof(*net), device->name);
	net->in = kiln_alloc(k, sizeof(*net->in) + JAIL_FRAME_MOST, device->name);
	net->fd = handed->handle;
	jail_net_init(&net->dev, k, handed, &ops);
	return &net->dev;
}
