/*
 * A tap descriptor as a network device. Each read() is a frame behind its virtio-net
 * header, each writev() sends one, from where its parts lie. The monitor has set the
 * header's size and the offloads.
 *
 * One buffer serves all receives: a frame is handed up before the next is read.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <kiln/bytes.h>
#include <kiln/netdev.h>
#include "jail.h"

enum {
	FRAME_MOST = 65535 + 14 + 4, /* IP packet, Ethernet header, VLAN tag */
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
	struct {
		uint8_t pad[6]; /* the frame begins on a multiple of 16 */
		struct netdev_offload offload;
		uint8_t frame[FRAME_MOST];
	} in;
};
_Static_assert(offsetof(struct jail_net, in.frame) - offsetof(struct jail_net, in) == 16,
               "the header and the frame are read as one");

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

static unsigned net_poll(struct netdev *dev, unsigned budget)
{
	struct jail_net *net = kiln_container(dev, struct jail_net, dev);
	unsigned done;

	for (done = 0; done < budget; done++) {
		long n = jail_call(net->fd, (long)(uintptr_t)&net->in.offload,
		                   sizeof(net->in.offload) + FRAME_MOST, 0, 0, SYS_read);
		if (n < 0)
			break;
		if ((size_t)n <= sizeof(net->in.offload)) {
			dev->counters.rx_dropped++;
			continue;
		}
		struct slice frame =
		    slice_of(net->in.frame, (size_t)n - sizeof(net->in.offload));
		dev->counters.rx_frames++;
		dev->counters.rx_bytes += frame.len;
		dev->receive(dev->stack, frame, &net->in.offload);
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

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	static const struct netdev_ops ops = {.send = net_send, .poll = net_poll};
	const struct kiln_boot_device *handed = jail_device(k, device);
	struct jail *j = jail_of(k);
	struct jail_net *net;

	if (!handed)
		return NULL;
	net = kiln_alloc(k, sizeof(*net), device->name);
	net->fd = handed->handle;
	net->dev.ops = &ops;
	net->dev.kiln = k;
	memcpy(net->dev.mac, handed->mac, sizeof(net->dev.mac));
	net->dev.mtu = handed->mtu;
	net->dev.features = features(handed->features);
	net->dev.gso_max =
	    net->dev.features & (NETDEV_TX_TSO4 | NETDEV_TX_TSO6) ? 65535 + 14 : 0;
	j->wait[j->wait_count++] = (struct pollfd){.fd = net->fd, .events = POLLIN};
	return &net->dev;
}
