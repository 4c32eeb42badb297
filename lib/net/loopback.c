/*
 * The way to oneself: see loopback.h. A packet takes the usual way out up to its network
 * header, waits in a buffer of its own for the deferred work, and goes on as one that has
 * come and been found good. So it is neither cut up nor checked for addresses that nobody
 * else may use, which what comes by the device still is.
 */
#include "loopback.h"
#include "net_private.h"

enum { PACKETS_MIN = 4, PACKETS_MAX = 64 };

struct packet {
	struct list node;
	const struct net_family *family;
	struct ip_addr src, dst;
	size_t size;
	uint8_t protocol, ecn, ttl;
	uint8_t bytes[NET_PACKET_MAX];
};

struct loopback {
	struct net_loopback hooks;
	struct net *net;
	struct pool packets;
	struct list queue; /* to be received */
	struct loop_work work;
};

static bool is_own(const struct net *net, const struct ip_addr *addr)
{
	if (!net_family(net, addr))
		return false;
	if (!ip_is4(addr))
		return ip6_is_loopback(addr) || ip6_address_find(net, addr);
	struct ip4_addr ip4 = ip_to4(addr);
	return ip4_value(ip4) >> 24 == 127 ||
	       (net->ip4->up && ip4_equal(ip4, net->ip4->address));
}

static enum kiln_error loopback_send(struct net *net, const struct netdev_frame *frame,
                                     const struct net_header *header)
{
	struct loopback *loopback = kiln_container(net->loopback, struct loopback, hooks);
	struct packet *packet = pool_get(&loopback->packets);

	if (!packet)
		return KILN_ERR_FULL;
	list_init(&packet->node);
	packet->family = header->route->family;
	packet->src = header->route->src;
	packet->dst = header->route->dst;
	packet->protocol = header->protocol;
	packet->ecn = header->tos & 3;
	packet->ttl = header->ttl;
	struct writer w = writer_of(packet->bytes, sizeof(packet->bytes));
	writer_bytes(&w, slice_of(frame->head + frame->head_start,
	                          NETDEV_HEAD - frame->head_start));
	for (unsigned i = 0; i < frame->frag_count; i++)
		writer_bytes(&w, slice_of(frame->frags[i].data, frame->frags[i].len));
	packet->size = writer_done(&w).len;
	list_append(&loopback->queue, &packet->node);
	loop_defer(&net->kiln->loop, &loopback->work);
	return KILN_OK;
}

static void receive(struct net *net, const struct packet *packet)
{
	struct slice whole = slice_of(packet->bytes, packet->size);
	struct net_packet received = {
	    .src = packet->src,
	    .dst = packet->dst,
	    .header = slice_take(whole, packet->family->header),
	    .payload = slice_skip(whole, packet->family->header),
	    .ecn = packet->ecn,
	    .ttl = packet->ttl,
	    .checksum_valid = true,
	};

	packet->family->deliver(net, packet->protocol, &received);
}

static void receive_all(struct loop_work *work)
{
	struct loopback *loopback = kiln_container(work, struct loopback, work);
	struct list *node;

	while ((node = list_pop(&loopback->queue))) {
		struct packet *packet = kiln_container(node, struct packet, node);

		receive(loopback->net, packet);
		pool_put(&loopback->packets, packet);
	}
}

void net_loopback_start(struct net *net)
{
	struct loopback *loopback = kiln_alloc(net->kiln, sizeof(*loopback), "loopback");
	size_t count = KILN_MIN(net_memory(net) >> 20, (size_t)PACKETS_MAX);

	loopback->hooks = (struct net_loopback){is_own, loopback_send};
	loopback->net = net;
	pool_init(&loopback->packets, net->kiln, sizeof(struct packet),
	          (unsigned)KILN_MAX(count, (size_t)PACKETS_MIN), "loopback");
	list_init(&loopback->queue);
	loop_work_init(&loopback->work, receive_all);
	net->loopback = &loopback->hooks;
}

bool net_loopback_has(const struct net *net, const struct ip_addr *addr)
{
	return net_is_own(net, addr);
}
