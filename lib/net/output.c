/*
 * Packets out, of either family: the checksum, fragments, the frame. Implements the sending
 * half of stack.h; what a family does its own way is in its table (family.h).
 *
 * With a neighbour that is known, a packet costs one look at the last-used cache entry
 * and two headers; nothing is copied.
 */
#include "net_private.h"
#include "udp_wire.h"

enum { CHUNKS_MIN = NET_PACKET_CHUNKS + 3, CHUNKS_MAX = 512 };

void output_init(struct net *net)
{
	size_t count = KILN_MIN(net_memory(net) / (128u << 10), CHUNKS_MAX);

	pool_init(&net->chunks, net->kiln, sizeof(struct chunk),
	          (unsigned)KILN_MAX(count, CHUNKS_MIN), "net buffers");
}

/* ---- for transports ---- */

/* False: there is no way, or no address to send from. src NULL: chosen. */
static bool route_find(const struct net *net, const struct ip_addr *dst,
                       const struct ip_addr *src, struct net_route *route)
{
	const struct net_family *family = net_family(net, dst);

	if (!family)
		return false;
	route->own = net_is_own(net, dst);
	if (!route->own)
		return family->route(net, dst, src, route);
	route->family = family;
	route->src = src ? *src : *dst;
	route->dst = *dst;
	return net_is_own(net, &route->src);
}

bool net_source(const struct net *net, const struct ip_addr *dst, struct ip_addr *src)
{
	struct net_route route;

	if (!route_find(net, dst, NULL, &route))
		return false;
	*src = route.src;
	return true;
}

uint32_t net_segmentation(const struct net *net, const struct ip_addr *dst)
{
	const struct net_family *family = net_family(net, dst);
	const struct netdev *dev = net->device;

	if (!family || !(dev->features & NETDEV_TX_CSUM) ||
	    !(dev->features & family->tcp_offload))
		return 0;
	uint32_t packet = dev->gso_max - KILN_MIN(dev->gso_max, (uint32_t)ETH_HEADER);
	packet = KILN_MIN(packet, (uint32_t)NET_PACKET_MAX);
	return packet - KILN_MIN(packet, (uint32_t)family->header);
}

void net_confirm(struct net *net, const struct ip_addr *dst)
{
	const struct net_family *family = net_family(net, dst);
	struct ip_addr hop;

	if (family && family->hop(net, dst, &hop))
		neighbour_confirm(net, &hop);
}

void net_doubt(struct net *net, const struct ip_addr *dst)
{
	const struct net_family *family = net_family(net, dst);
	struct ip_addr hop;

	if (family && family->hop(net, dst, &hop))
		neighbour_doubt(net, &hop);
}

/* ---- frames ---- */

enum kiln_error net_frame_copy(struct net *net, struct netdev_frame *frame,
                               struct slice bytes)
{
	if (bytes.len <= NET_HEAD_ROOM - UDP_HEADER) {
		if (bytes.len) /* an empty slice may point nowhere */
			memcpy(netdev_frame_push(frame, bytes.len), bytes.data,
			       bytes.len);
		return KILN_OK;
	}
	while (bytes.len) {
		struct slice part = slice_take(bytes, CHUNK_SIZE);
		struct chunk *chunk = chunk_get(&net->chunks);
		if (!chunk)
			return KILN_ERR_MEMORY;
		memcpy(chunk->data, part.data, part.len);
		if (!netdev_frame_add(frame, chunk->data, part.len, chunk)) {
			chunk_unref(chunk);
			return KILN_ERR_TOO_LARGE;
		}
		bytes = slice_skip(bytes, part.len);
	}
	return KILN_OK;
}

void net_frame_release(struct netdev_frame *frame)
{
	for (unsigned i = 0; i < frame->frag_count; i++) {
		if (frame->frags[i].owner)
			chunk_unref(frame->frags[i].owner);
	}
	frame->frag_count = 0;
	frame->frag_bytes = 0;
}

enum kiln_error net_transmit(struct net *net, struct netdev_frame *frame,
                             const uint8_t dst[ETH_MAC], uint16_t type)
{
	size_t size;

	eth_wire_emit(netdev_frame_push(frame, ETH_HEADER), dst, net->device->mac, type);
	size = netdev_frame_size(frame);
	enum kiln_error error = net->device->ops->send(net->device, frame);
	if (error) {
		net->counters.drop_device++;
		return error;
	}
	net->counters.tx_frames++;
	net->counters.tx_bytes += size;
	return KILN_OK;
}

/* Over head and frags; a frag may start at an odd byte of the packet. */
static uint32_t frame_checksum(uint32_t sum, const struct netdev_frame *frame)
{
	size_t at = NETDEV_HEAD - frame->head_start;

	sum = checksum_add(sum, frame->head + frame->head_start, at);
	for (unsigned i = 0; i < frame->frag_count; i++) {
		const struct netdev_frag *frag = &frame->frags[i];
		if (at & 1) { /* RFC 1071, 2(B): the sum of swapped bytes is swapped */
			uint16_t part = (uint16_t)~checksum_finish(
			    checksum_add(0, frag->data, frag->len));
			sum += __builtin_bswap16(part);
		} else {
			sum = checksum_add(sum, frag->data, frag->len);
		}
		at += frag->len;
	}
	return sum;
}

/* What is being sent. */
struct packet {
	const struct net_route *route;
	const struct net_send_options *options;
	uint8_t protocol;
	uint16_t checksum_offset;
};

/* Fills in the transport's checksum, or leaves it to the device; the frame holds the
 * transport packet alone. */
static void checksum_fill(struct net *net, struct netdev_frame *frame,
                          const struct packet *packet, bool fragmented)
{
	uint16_t offset = packet->checksum_offset;
	struct be16 *field = (struct be16 *)(frame->head + frame->head_start + offset);
	uint32_t sum =
	    checksum_pseudo(&packet->route->src, &packet->route->dst, packet->protocol,
	                    (uint32_t)netdev_frame_size(frame));

	if (net->device->features & NETDEV_TX_CSUM && !fragmented) {
		*field = be16_of((uint16_t)~checksum_finish(sum));
		frame->offload.flags = NETDEV_NEEDS_CSUM;
		frame->offload.checksum_start =
		    (uint16_t)(ETH_HEADER + packet->route->family->header);
		frame->offload.checksum_offset = offset;
		return;
	}
	*field = be16_of(0); /* of an earlier try */
	uint16_t checksum = checksum_finish(frame_checksum(sum, frame));
	/* RFC 768: zero would say that there is none. */
	if (checksum == 0 && packet->protocol == IP_PROTO_UDP)
		checksum = 0xffff;
	*field = be16_of(checksum);
}

/* Sends a packet with its network header, or has it wait for the neighbour. */
static enum kiln_error packet_send(struct net *net, struct netdev_frame *frame,
                                   const struct net_route *route)
{
	const uint8_t *mac =
	    route->group ? route->mac : neighbour_lookup(net, &route->hop);

	if (mac)
		return net_transmit(net, frame, mac, route->family->type);
	enum kiln_error error = neighbour_wait(net, route->family, &route->hop, frame);
	if (error)
		net->counters.drop_unresolved++;
	return error;
}

/* ---- fragments ---- */

/* Where the next fragment's payload begins in the frame that is cut up. */
struct fragment_cut {
	const struct netdev_frame *frame;
	unsigned frag;
	size_t at; /* within the frag */
};

/* Adds the next `size` bytes by reference. False: too many pieces. */
static bool fragment_take(struct fragment_cut *cut, struct netdev_frame *out, size_t size)
{
	while (size) {
		const struct netdev_frag *frag = &cut->frame->frags[cut->frag];
		struct slice left = slice_skip(slice_of(frag->data, frag->len), cut->at);
		struct slice part = slice_take(left, size);
		if (part.len && !netdev_frame_add(out, part.data, part.len, frag->owner))
			return false;
		size -= part.len;
		cut->at += part.len;
		if (cut->at == frag->len) {
			cut->frag++;
			cut->at = 0;
		}
	}
	return true;
}

/* RFC 791, 3.2; RFC 8200, 4.5. The head goes whole into the first fragment. */
static enum kiln_error fragments_send(struct net *net, const struct netdev_frame *frame,
                                      struct net_header *header, uint16_t mtu)
{
	const struct net_family *family = header->route->family;
	size_t limit = ((size_t)mtu - family->header - family->fragment_header) & ~7u;
	size_t left = netdev_frame_size(frame), offset = 0;
	size_t head = NETDEV_HEAD - frame->head_start;
	struct fragment_cut cut = {.frame = frame};

	if (head > limit)
		return KILN_ERR_TOO_LARGE;
	while (left) {
		struct netdev_frame out;
		size_t size = KILN_MIN(left, limit);

		netdev_frame_init(&out);
		if (offset == 0)
			memcpy(netdev_frame_push(&out, head),
			       frame->head + frame->head_start, head);
		else
			head = 0;
		if (!fragment_take(&cut, &out, size - head))
			return KILN_ERR_TOO_LARGE;
		left -= size;
		header->offset = (uint16_t)offset;
		header->payload = size;
		header->more_fragments = left != 0;
		family->push(&out, header);
		enum kiln_error error = packet_send(net, &out, header->route);
		if (error)
			return error;
		offset += size;
	}
	return KILN_OK;
}

/* ---- sending ---- */

static bool is_tcp_gso(const struct netdev_frame *frame)
{
	return (frame->offload.gso_type & ~NETDEV_GSO_ECN) == NETDEV_GSO_TCP4;
}

/* Whether the device takes the packet in one frame that it cuts up itself. */
static bool segmentation_fits(const struct net *net, const struct netdev_frame *frame,
                              const struct net_route *route, size_t size)
{
	if (is_tcp_gso(frame))
		return size <= net_segmentation(net, &route->dst);
	uint32_t needed = NETDEV_TX_CSUM | NETDEV_TX_USO;
	return (net->device->features & needed) == needed &&
	       ETH_HEADER + route->family->header + size <= net->device->gso_max;
}

static enum kiln_error route_send(struct net *net, struct netdev_frame *frame,
                                  const struct packet *packet)
{
	const struct net_family *family = packet->route->family;
	const struct net_send_options *options = packet->options;
	size_t size = netdev_frame_size(frame), total = family->header + size;
	uint16_t mtu = path_mtu(net, family, &packet->route->dst);
	bool segmented = frame->offload.gso_type != NETDEV_GSO_NONE;
	bool fragmented = !segmented && total > mtu;

	if (total > NET_PACKET_MAX ||
	    (segmented && !segmentation_fits(net, frame, packet->route, size)) ||
	    (fragmented && !options->may_fragment))
		return KILN_ERR_TOO_LARGE;
	struct net_header header = {
	    .route = packet->route,
	    .payload = size,
	    .fragment = fragmented,
	    .may_fragment = options->may_fragment,
	    .id = options->may_fragment ? family->identify(net, fragmented) : 0,
	    .tos = options->tos,
	    .ttl = options->ttl ? options->ttl : net->ttl[family->index],
	    .protocol = packet->protocol,
	};
	if (is_tcp_gso(frame))
		frame->offload.gso_type =
		    (frame->offload.gso_type & NETDEV_GSO_ECN) | family->tcp_gso;
	frame->offload.flags = 0;
	frame->offload.header_size =
	    (uint16_t)(ETH_HEADER + family->header + NETDEV_HEAD - frame->head_start);
	if (packet->checksum_offset != NET_NO_CHECKSUM)
		checksum_fill(net, frame, packet, fragmented);
	if (fragmented)
		return fragments_send(net, frame, &header, mtu);
	family->push(frame, &header);
	if (packet->route->own)
		return net->loopback->send(net, frame, &header);
	return packet_send(net, frame, packet->route);
}

enum kiln_error net_send(struct net *net, struct netdev_frame *frame, uint8_t protocol,
                         const struct ip_addr *dst, uint16_t checksum_offset,
                         const struct net_send_options *options)
{
	static const struct net_send_options none;
	struct netdev_offload offload = frame->offload;
	uint16_t head_start = frame->head_start;
	struct net_route route;

	if (!options)
		options = &none;
	if (!route_find(net, dst, options->src, &route)) {
		net->counters.drop_no_route++;
		return KILN_ERR_UNREACHABLE;
	}
	struct packet packet = {&route, options, protocol, checksum_offset};
	enum kiln_error error = route_send(net, frame, &packet);
	frame->head_start = head_start; /* the caller's again, as it was */
	frame->offload = offload;
	return error;
}
