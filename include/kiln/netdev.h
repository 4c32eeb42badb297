/*
 * Network devices: frames in, frames out, with virtio-net's offloads.
 *
 * A received frame is one contiguous slice that is valid during the receive callback
 * only: the device reuses its buffer afterwards, so nothing above ever holds a device's
 * memory. A frame to send is a header that was built for it plus references to where the
 * payload lies already; a device that finishes later holds a reference on the chunks.
 */
#ifndef KILN_NETDEV_H
#define KILN_NETDEV_H

#include <stdbool.h>
#include <kiln/error.h>
#include <kiln/memory.h>
#include <kiln/slice.h>

struct kiln;

/* virtio 1.2, section 5.1.6: struct virtio_net_hdr without num_buffers. Little-endian. */
struct netdev_offload {
	uint8_t flags;    /* NETDEV_NEEDS_CSUM, NETDEV_DATA_VALID */
	uint8_t gso_type; /* NETDEV_GSO_* */
	uint16_t header_size;     /* link, network and transport headers; a hint */
	uint16_t gso_size;        /* payload bytes of each segment */
	uint16_t checksum_start;  /* from the frame's start: where the sum begins */
	uint16_t checksum_offset; /* from checksum_start: where it is stored */
};
_Static_assert(sizeof(struct netdev_offload) == 10, "virtio_net_hdr");

enum {
	NETDEV_NEEDS_CSUM = 1, /* the checksum field holds the pseudo-header's sum only */
	NETDEV_DATA_VALID = 2, /* received: the device has verified the checksum */
	NETDEV_GSO_NONE = 0,
	NETDEV_GSO_TCP4 = 1,
	NETDEV_GSO_UDP = 3,
	NETDEV_GSO_TCP6 = 4,
	NETDEV_GSO_UDP_L4 = 5,
	NETDEV_GSO_ECN = 0x80, /* or-ed in: the TCP segment has CWR set */
};

/* What the device can do: bits of netdev.features. */
enum {
	NETDEV_TX_CSUM = 1, /* completes NEEDS_CSUM on sending */
	NETDEV_TX_TSO4 = 2,
	NETDEV_TX_TSO6 = 4,
	NETDEV_TX_USO = 8,
	NETDEV_RX_CSUM = 16, /* may hand up NEEDS_CSUM (uncorrupted on the way: valid) */
	NETDEV_RX_GSO = 32,  /* may hand up frames larger than the MTU */
};

enum { NETDEV_HEAD = 128, NETDEV_FRAGS = 36 };

struct netdev_frag {
	const void *data;
	size_t len;
	struct chunk *owner; /* whose the bytes are; NULL: immortal (sealed content) */
};

/* A frame to send. Headers are written from the end of `head` to its start. */
struct netdev_frame {
	struct netdev_offload offload;
	uint16_t head_start; /* headers are head[head_start .. NETDEV_HEAD) */
	uint16_t frag_count;
	uint32_t frag_bytes; /* sum over frags */
	uint8_t head[NETDEV_HEAD];
	struct netdev_frag frags[NETDEV_FRAGS];
};

/* An empty frame. Does not touch frags. */
static inline void netdev_frame_init(struct netdev_frame *f)
{
	memset(&f->offload, 0, sizeof(f->offload));
	f->head_start = NETDEV_HEAD;
	f->frag_count = 0;
	f->frag_bytes = 0;
}

/* Room for a header of `size` bytes before those already there; the caller fills it. */
static inline uint8_t *netdev_frame_push(struct netdev_frame *f, size_t size)
{
	f->head_start = (uint16_t)(f->head_start - size);
	return f->head + f->head_start;
}

static inline size_t netdev_frame_size(const struct netdev_frame *f)
{
	return NETDEV_HEAD - f->head_start + f->frag_bytes;
}

/* Adds payload by reference. False when the frame has NETDEV_FRAGS already. */
static inline bool netdev_frame_add(struct netdev_frame *f, const void *data, size_t len,
				    struct chunk *owner)
{
	if (f->frag_count == NETDEV_FRAGS)
		return false;
	f->frags[f->frag_count++] = (struct netdev_frag){data, len, owner};
	f->frag_bytes += (uint32_t)len;
	return true;
}

struct netdev_counters {
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t tx_frames, tx_bytes, tx_dropped; /* dropped: the device had no room */
};

struct netdev {
	const struct netdev_ops *ops;
	struct kiln *kiln;
	uint8_t mac[6];
	/* Bits of mac[5] in which images differ that share its IP addresses: what is sent to
	 * one of them is for this one as well. 0: it shares them with none. */
	uint8_t mac_shared;
	uint16_t mtu;      /* largest IP packet, without the Ethernet header */
	uint32_t features; /* NETDEV_TX_* and NETDEV_RX_* */
	uint32_t gso_max;  /* largest frame for segmentation offload; 0 without it */
	struct netdev_counters counters;

	/* Set by the stack that owns the device; called from ops->poll. */
	void (*receive)(void *stack, struct slice frame,
			const struct netdev_offload *offload);
	void *stack;
};

struct netdev_ops {
	/* Hands one frame to the device, which takes what it needs before returning.
	 * KILN_ERR_FULL: no room now; the frame is not sent, and counted
	 * in tx_dropped. */
	enum kiln_error (*send)(struct netdev *dev, const struct netdev_frame *frame);
	/* Makes the device see what was sent since the last flush; may be NULL. */
	void (*flush)(struct netdev *dev);
	/* Receives up to `budget` frames by calling dev->receive; returns how many. */
	unsigned (*poll)(struct netdev *dev, unsigned budget);
};

#endif
