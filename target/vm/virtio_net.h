/*
 * The network device's state, for what moves frames (virtio_net.c) and for what sets it up
 * (virtio_net_start.c).
 */
#ifndef VM_VIRTIO_NET_H
#define VM_VIRTIO_NET_H

#include <kiln/bytes.h>
#include <kiln/netdev.h>
#include "virtio_mmio.h"

#define NET_F_CSUM       (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MTU        (1ull << 3)
#define NET_F_MAC        (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_GUEST_TSO6 (1ull << 8)
#define NET_F_HOST_TSO4  (1ull << 11)
#define NET_F_HOST_TSO6  (1ull << 12)
#define NET_F_MRG_RXBUF  (1ull << 15)
#define NET_F_GUEST_USO4 (1ull << 54)
#define NET_F_GUEST_USO6 (1ull << 55)
#define NET_F_HOST_USO   (1ull << 56)
#define NET_F_SEGMENTING (NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_USO)
#define NET_F_LARGE \
	(NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_USO4 | NET_F_GUEST_USO6)

struct net_header {
	struct netdev_offload offload;
	uint16_t buffers; /* received: how many the frame takes */
};
_Static_assert(sizeof(struct net_header) == 12, "virtio 1.2, 5.1.6");

enum {
	RECEIVE_MOST = 256, /* buffers */
	ETHERNET_MOST = 18, /* the header, with a VLAN's tag */
	/* Of a frame that was joined: 64 KB of IP and its Ethernet header. */
	FRAME_MOST = 65535 + ETHERNET_MOST,
	SEND_PARTS = 1 + NETDEV_FRAGS,
};

struct send_slot {
	struct virtq_descriptor table[SEND_PARTS];
	struct chunk *owners[NETDEV_FRAGS];
	uint16_t owner_count;
	uint16_t next; /* free slot */
	struct net_header header;
	uint8_t head[NETDEV_HEAD]; /* follows the header: one part */
};
_Static_assert(offsetof(struct send_slot, head) ==
                   offsetof(struct send_slot, header) + sizeof(struct net_header),
               "header and head are one part");

enum { NO_SLOT = 0xffff };

struct virtio_net {
	struct netdev dev;
	struct vm_waiter waiter;
	struct virtio_device device;

	struct virtqueue receive;
	uint8_t *region;
	uint32_t buffer_size;
	uint8_t *bounce; /* FRAME_MOST bytes; NULL where no frame is in several buffers */

	struct virtqueue transmit;
	struct send_slot *slots;
	uint16_t free_slot;              /* list */
	uint16_t slot_count, slots_used; /* those behind were never taken, nor touched */
	bool reported;                   /* that the device broke a rule */
	bool starved; /* a frame was refused: the next slot that comes back is news */
};

/* What it does as a struct netdev, and as one that is waited for. */
extern const struct netdev_ops virtio_net_ops;
bool virtio_net_arm(struct vm_waiter *waiter);
/* Gives the device a buffer of the region. */
void virtio_net_post_buffer(struct virtio_net *net, uint16_t buffer);

#endif
