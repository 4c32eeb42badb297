/*
 * UDP datagrams of one length, to one peer, as the segments of one frame (virtio 1.2, 5.1.6.2:
 * VIRTIO_NET_HDR_GSO_UDP_L4): behind a tap the kernel then goes through its own stack once for
 * all of them. Called for frames that leave in the same system call, one behind the other, so
 * that nothing waits and no order changes.
 *
 * What differs from datagram to datagram is looked at, and the rest compared: a length (the
 * same), an identification (the kernel counts on from the first, RFC 6864), and two checksums,
 * which the lengths change in a known way (RFC 1624).
 */
#include <kiln/bytes.h>
#include "net.h"

enum {
	ETHERNET = 14,
	IP4 = 20, /* without options */
	IP6 = 40,
	UDP = 8,
	UDP_CHECKSUM = 6, /* where it lies: no other protocol's does there */
};

/* Where things lie in a frame, by the family. */
struct layout {
	uint8_t udp, length, same;
};

static bool find_layout(const struct netdev_offload *offload, struct layout *layout)
{
	if (offload->flags != NETDEV_NEEDS_CSUM ||
	    offload->checksum_offset != UDP_CHECKSUM)
		return false;
	switch (offload->checksum_start) {
	case ETHERNET + IP4:
		*layout = (struct layout){ETHERNET + IP4, ETHERNET + 2, ETHERNET + 6};
		return true;
	case ETHERNET + IP6:
		*layout = (struct layout){ETHERNET + IP6, ETHERNET + 4, ETHERNET + 6};
		return true;
	default:
		return false;
	}
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned from, unsigned to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

/* But for what stands above. */
static bool same_headers(const uint8_t *a, const uint8_t *b, const struct layout *l)
{
	enum { CHECKSUM = ETHERNET + 10, ADDRESSES = ETHERNET + 12 };

	if (!same(a, b, 0, l->length))
		return false;
	if (l->udp == ETHERNET + IP6)
		return same(a, b, l->same, l->udp + 4u);
	return same(a, b, l->same, CHECKSUM) && same(a, b, ADDRESSES, l->udp + 4u);
}

static uint16_t get(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* In one's complement; neither is ever 0 for a packet. */
static uint32_t sum(uint32_t a, uint32_t b)
{
	return ((a + b) & 0xffff) + ((a + b) >> 16);
}

static void lengthen(uint8_t *head, const struct layout *l, uint16_t by)
{
	uint8_t *checksum = head + ETHERNET + 10, *udp = head + l->udp;

	put(head + l->length, get(head + l->length) + by);
	if (l->udp == ETHERNET + IP4)
		put(checksum, ~sum((uint16_t)~get(checksum), by));
	put(udp + 4, get(udp + 4) + by);
	/* The pseudo-header's sum, not complemented. */
	put(udp + UDP_CHECKSUM, sum(get(udp + UDP_CHECKSUM), by));
}

unsigned jail_join(uint8_t *head, struct netdev_offload *offload,
                   const struct netdev_frame *frame)
{
	const uint8_t *other = frame->head + frame->head_start;
	size_t size = netdev_frame_size(frame);
	struct layout l;
	uint16_t each;

	if (frame->offload.gso_type != NETDEV_GSO_NONE ||
	    !find_layout(&frame->offload, &l) ||
	    frame->offload.checksum_start != offload->checksum_start ||
	    offload->checksum_offset != UDP_CHECKSUM || !same_headers(head, other, &l))
		return 0;
	each = (uint16_t)(size - l.udp - UDP);
	if (each == 0 || get(head + l.length) + each > 0xffff)
		return 0;
	if (offload->gso_type == NETDEV_GSO_NONE) {
		if (get(head + l.udp + 4) != UDP + each)
			return 0;
		offload->gso_type = NETDEV_GSO_UDP_L4;
		offload->gso_size = each;
		offload->header_size = (uint16_t)(l.udp + UDP);
	} else if (offload->gso_size != each) {
		return 0;
	}
	lengthen(head, &l, each);
	return l.udp + UDP;
}
