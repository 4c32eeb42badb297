/*
 * A descriptor as a network device: what is common to the ways in which frames cross it, a
 * system call each (net.c) and the monitor's io_uring (net_ring.c) for a tap, and memory that is
 * shared with the kernel for AF_XDP (net_xdp.c).
 */
#ifndef TARGET_JAIL_NET_H
#define TARGET_JAIL_NET_H

#include <kiln/netdev.h>
#include "jail.h"

enum {
	JAIL_LINK_MOST = 14 + 4, /* Ethernet header, VLAN tag */
	JAIL_FRAME_MOST = 65535 + JAIL_LINK_MOST,
};

/* A word that the kernel and the image share: what one of them has written before it is there
 * for the other. */
static inline uint32_t jail_load(uint64_t address)
{
	return __atomic_load_n((const uint32_t *)(uintptr_t)address, __ATOMIC_ACQUIRE);
}

static inline void jail_store(uint64_t address, uint32_t value)
{
	__atomic_store_n((uint32_t *)(uintptr_t)address, value, __ATOMIC_RELEASE);
}

/* Where a frame is read into, from the header on. */
struct jail_frame_in {
	uint8_t pad[6]; /* the frame begins on a multiple of 16 */
	struct netdev_offload offload;
	uint8_t frame[];
};
_Static_assert(offsetof(struct jail_frame_in, frame) == 16,
	       "the header and the frame are read as one");

/* Counts `size` bytes that were read, header and frame, and hands the frame up. */
void jail_net_receive(struct netdev *dev, const struct jail_frame_in *in, size_t size);

/* Fills in the device, but for what belongs to its stack; what to wait for is the result. */
struct pollfd *jail_net_init(struct netdev *dev, struct kiln *k,
			     const struct kiln_boot_device *handed,
			     const struct netdev_ops *ops);

/*
 * net_join.c: has a frame go on with the datagram of another, as one more segment. `head` and
 * `offload` are of the first. Where the other's payload begins in its head; 0: it is none of
 * the same, and nothing has changed.
 */
unsigned jail_join(uint8_t *head, struct netdev_offload *offload,
		   const struct netdev_frame *frame);
/* net_ring.c: the device, where the monitor has made a ring. */
struct netdev *jail_ring_net(struct kiln *k, const struct kiln_boot_device *handed);
/* net_xdp.c: the device, where it is an AF_XDP socket. */
struct netdev *jail_xdp_net(struct kiln *k, const struct kiln_boot_device *handed);

#endif
