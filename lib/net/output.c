/*
 * IPv4 out (RFC 791, 1122, 6864): the route, the headers, the checksum, fragments, and
 * what is known of paths (RFC 1191). Implements the sending half of stack.h.
 *
 * With a neighbour that is known, a packet costs one look at the last-used cache entry
 * and two headers; nothing is copied.
 */
#include "net_private.h"
#include "udp_wire.h"

#define PATH_LIFETIME KILN_SECONDS(600) /* RFC 1191, 6.3 */
enum { CHUNKS_MIN = NET_PACKET_CHUNKS + 3, CHUNKS_MAX = 512 };

void output_init(struct net *net)
{
	struct kiln *k = net->kiln;
	size_t memory = (size_t)(k->arena.end - k->arena.start);
	size_t count = KILN_MIN(memory / (128u << 10), CHUNKS_MAX);

	pool_init(&net->chunks, k, sizeof(struct chunk),
	          (unsigned)KILN_MAX(count, CHUNKS_MIN), "net buffers");
	random_bytes(&k->random, net->id_cipher, sizeof(net->id_cipher));
	net->id_next = (uint16_t)random_u32(&k->random);
}

/* ---- what is known of paths ---- */

static unsigned path_index(const struct net *net, struct ip4_addr dst)
{
	uint32_t hash = (ip4_value(dst) ^ net->arp.hash_key) * net->arp.hash_key;

	return hash >> 20 & (NET_PATHS - 1);
}
_Static_assert((NET_PATHS & (NET_PATHS - 1)) == 0, "a mask");

void net_path_learn(struct net *net, struct ip4_addr dst, uint16_t mtu)
{
	struct net_path *path = &net->paths[path_index(net, dst)];

	if (path->mtu == 0)
		net->path_count++;
	path->dst = dst;
	path->mtu = mtu;
	path->expires_at = net_now(net) + PATH_LIFETIME;
}

static uint16_t path_mtu(const struct net *net, struct ip4_addr dst)
{
	if (net->path_count == 0)
		return net->mtu;
	const struct net_path *path = &net->paths[path_index(net, dst)];
	if (path->mtu == 0 || !ip4_equal(path->dst, dst) ||
	    path->expires_at <= net_now(net))
		return net->mtu;
	return KILN_MIN(path->mtu, net->mtu);
}

uint32_t net_path_mtu(const struct net *net, const struct ip_addr *dst)
{
	return path_mtu(net, ip_to4(dst)) - (uint32_t)IP4_HEADER;
}

/* ---- the route ---- */

struct route {
	struct ip4_addr src, dst;
	struct ip4_addr hop;
	bool group; /* by link broadcast or multicast: `mac` is set */
	uint8_t mac[ETH_MAC];
};

/* RFC 1112, 6.4, or all stations. */
static void group_mac(uint32_t dst, uint8_t mac[ETH_MAC])
{
	memset(mac, 0xff, ETH_MAC);
	if (ip4_is_multicast(dst)) {
		mac[0] = 0x01;
		mac[1] = 0x00;
		mac[2] = 0x5e;
		mac[3] = dst >> 16 & 0x7f;
		mac[4] = dst >> 8 & 0xff;
		mac[5] = dst & 0xff;
	}
}

/* Our address, or the one asked for. An address that we do not (or no longer) have is
 * none to send from; having none at all can be said to everyone. */
static bool route_source(const struct net *net, const struct net_send_options *options,
                         struct route *route)
{
	route->src = options->src ? ip_to4(options->src) : net->address;
	if (net->up && ip4_equal(route->src, net->address))
		return true;
	return options->src && ip4_value(route->src) == 0 && route->group;
}

/* False: there is no way, or no address to send from. */
static bool route_find(const struct net *net, const struct ip_addr *to,
                       const struct net_send_options *options, struct route *route)
{
	if (!ip_is4(to))
		return false;
	route->dst = route->hop = ip_to4(to);
	uint32_t dst = ip4_value(route->dst);
	route->group = ip4_is_broadcast(net, dst) || ip4_is_multicast(dst);
	if (!route_source(net, options, route))
		return false;
	if (route->group) {
		group_mac(dst, route->mac);
		return true;
	}
	if (!ip4_is_host(dst) || ip4_equal(route->dst, net->address))
		return false;
	if (!ip4_on_link(net, route->dst))
		route->hop = net->gateway;
	return ip4_value(route->hop) != 0;
}

bool net_source(const struct net *net, const struct ip_addr *dst, struct ip_addr *src)
{
	*src = ip_from4(net->address);
	return net->up && ip_is4(dst);
}

/* The neighbour on the way to dst, for a transport's hints. False if there is none. */
static bool next_hop(const struct net *net, const struct ip_addr *dst,
                     struct ip4_addr *hop)
{
	static const struct net_send_options none;
	struct route route;

	if (!route_find(net, dst, &none, &route) || route.group)
		return false;
	*hop = route.hop;
	return true;
}

void net_confirm(struct net *net, const struct ip_addr *dst)
{
	struct ip4_addr hop;

	if (next_hop(net, dst, &hop))
		arp_confirm(net, hop);
}

void net_doubt(struct net *net, const struct ip_addr *dst)
{
	struct ip4_addr hop;

	if (next_hop(net, dst, &hop))
		arp_doubt(net, hop);
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

/* Fills in the transport's checksum, or leaves it to the device; the frame holds the
 * transport packet alone. */
static void checksum_fill(struct net *net, struct netdev_frame *frame,
                          const struct route *route, uint8_t protocol, uint16_t offset,
                          bool fragmented)
{
	struct ip_addr src = ip_from4(route->src), dst = ip_from4(route->dst);
	struct be16 *field = (struct be16 *)(frame->head + frame->head_start + offset);
	uint32_t sum =
	    checksum_pseudo(&src, &dst, protocol, (uint32_t)netdev_frame_size(frame));

	if (net->device->features & NETDEV_TX_CSUM && !fragmented) {
		*field = be16_of((uint16_t)~checksum_finish(sum));
		frame->offload.flags = NETDEV_NEEDS_CSUM;
		frame->offload.checksum_start = ETH_HEADER + IP4_HEADER;
		frame->offload.checksum_offset = offset;
		return;
	}
	*field = be16_of(0); /* of an earlier try */
	uint16_t checksum = checksum_finish(frame_checksum(sum, frame));
	/* RFC 768: zero would say that there is none. */
	if (checksum == 0 && protocol == IP_PROTO_UDP)
		checksum = 0xffff;
	*field = be16_of(checksum);
}

/*
 * Identification (RFC 6864): needed only where a packet may be fragmented, and then to be
 * unique for long and not to be guessed. A counter through a keyed permutation of 16 bits
 * (four Feistel rounds over random tables) repeats no value for 65,536 packets.
 */
static uint16_t next_id(struct net *net)
{
	uint16_t counter = net->id_next++;
	uint8_t left = (uint8_t)(counter >> 8), right = (uint8_t)counter;

	for (unsigned round = 0; round < 4; round++) {
		uint8_t mixed = left ^ net->id_cipher[round][right];
		left = right;
		right = mixed;
	}
	return (uint16_t)(left << 8 | right);
}

/* Sends a packet with its IP header, or has it wait for the neighbour. */
static enum kiln_error packet_send(struct net *net, struct netdev_frame *frame,
                                   const struct route *route)
{
	const uint8_t *mac = route->group ? route->mac : arp_lookup(net, route->hop);

	if (mac)
		return net_transmit(net, frame, mac, ETH_TYPE_IP4);
	enum kiln_error error = arp_wait(net, route->hop, frame);
	if (error)
		net->counters.drop_unresolved++;
	return error;
}

static void header_push(struct netdev_frame *frame, const struct ip4_header *header)
{
	ip4_wire_emit(netdev_frame_push(frame, IP4_HEADER), header);
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

/* RFC 791, 3.2. The head goes whole into the first fragment. */
static enum kiln_error fragments_send(struct net *net, const struct netdev_frame *frame,
                                      const struct route *route,
                                      struct ip4_header *header, uint16_t mtu)
{
	size_t limit = (mtu - IP4_HEADER) & ~7u;
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
		header->total = (uint16_t)(IP4_HEADER + size);
		header->more_fragments = left != 0;
		header_push(&out, header);
		enum kiln_error error = packet_send(net, &out, route);
		if (error)
			return error;
		offset += size;
	}
	return KILN_OK;
}

/* ---- sending ---- */

/* Whether the device takes the packet in one frame that it cuts up itself. */
static bool segmentation_fits(const struct net *net, const struct netdev_frame *frame,
                              size_t total)
{
	uint8_t type = frame->offload.gso_type & (uint8_t)~NETDEV_GSO_ECN;
	uint32_t needed =
	    NETDEV_TX_CSUM | (type == NETDEV_GSO_TCP4 ? NETDEV_TX_TSO4 : NETDEV_TX_USO);

	return (net->device->features & needed) == needed &&
	       total + ETH_HEADER <= net->device->gso_max;
}

static enum kiln_error route_send(struct net *net, struct netdev_frame *frame,
                                  uint8_t protocol, const struct route *route,
                                  uint16_t checksum_offset,
                                  const struct net_send_options *options)
{
	size_t total = IP4_HEADER + netdev_frame_size(frame);
	uint16_t mtu = path_mtu(net, route->dst);
	bool segmented = frame->offload.gso_type != NETDEV_GSO_NONE;
	bool fragmented = !segmented && total > mtu;

	if (total > IP4_PACKET_MAX ||
	    (segmented && !segmentation_fits(net, frame, total)) ||
	    (fragmented && !options->may_fragment))
		return KILN_ERR_TOO_LARGE;
	struct ip4_header header = {
	    .src = route->src,
	    .dst = route->dst,
	    .total = (uint16_t)total,
	    .id = options->may_fragment ? next_id(net) : 0,
	    .dont_fragment = !options->may_fragment,
	    .tos = options->tos,
	    .ttl = options->ttl ? options->ttl : NET_TTL,
	    .protocol = protocol,
	};
	frame->offload.flags = 0;
	frame->offload.header_size =
	    (uint16_t)(ETH_HEADER + IP4_HEADER + NETDEV_HEAD - frame->head_start);
	if (checksum_offset != NET_NO_CHECKSUM)
		checksum_fill(net, frame, route, protocol, checksum_offset, fragmented);
	if (fragmented)
		return fragments_send(net, frame, route, &header, mtu);
	header_push(frame, &header);
	return packet_send(net, frame, route);
}

enum kiln_error net_send(struct net *net, struct netdev_frame *frame, uint8_t protocol,
                         const struct ip_addr *dst, uint16_t checksum_offset,
                         const struct net_send_options *options)
{
	static const struct net_send_options none;
	uint16_t head_start = frame->head_start;
	struct route route;

	if (!options)
		options = &none;
	if (!route_find(net, dst, options, &route)) {
		net->counters.drop_no_route++;
		return KILN_ERR_UNREACHABLE;
	}
	enum kiln_error error =
	    route_send(net, frame, protocol, &route, checksum_offset, options);
	frame->head_start = head_start; /* the caller's again, as it was */
	return error;
}
