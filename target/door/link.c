/*
 * The device between the stack, which speaks Ethernet, and the driver, who exchanges IP
 * packets. Frames of the stack lose their header and wait to be taken; packets of the
 * driver get one. At the other end of the link is one station that has every address but
 * the stack's own: it answers ARP and neighbour solicitations here, at once, so that the
 * driver sees neither.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "door_private.h"
#include "../../lib/net/arp_wire.h"
#include "../../lib/net/ip6_wire.h"
#include "../../lib/net/nd_wire.h"
#include "../sim/pcap.h"

static const uint8_t own_mac[ETH_MAC] = {2, 0, 0, 0, 0, 1};
static const uint8_t other_mac[ETH_MAC] = {2, 0, 0, 0, 0, 2};

/* ---- queues ---- */

void door_queue_put(struct door_queue *queue, struct door_packet *packet)
{
	struct door_packet **at = &queue->first;

	if (queue->last && queue->last->at <= packet->at)
		at = &queue->last->next;
	while (*at && (*at)->at <= packet->at)
		at = &(*at)->next;
	packet->next = *at;
	*at = packet;
	if (!packet->next)
		queue->last = packet;
	queue->count++;
}

struct door_packet *door_queue_pop(struct door_queue *queue)
{
	struct door_packet *packet = queue->first;

	if (!packet)
		return NULL;
	queue->first = packet->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	return packet;
}

void door_queue_clear(struct door_queue *queue)
{
	struct door_packet *packet;

	while ((packet = door_queue_pop(queue)))
		free(packet);
}

struct door_packet *door_packet_new(size_t size, kiln_time at)
{
	struct door_packet *packet = malloc(sizeof(*packet) + size);

	if (packet) {
		packet->at = at;
		packet->size = size;
	}
	return packet;
}

static void capture(struct kiln_door *door, const uint8_t *frame, size_t size)
{
	struct iovec whole = {(void *)(uintptr_t)frame, size};

	if (door->pcap < 0 || pcap_write(door->pcap, door->now - door->epoch, &whole, 1))
		return;
	door_say("the capture file cannot be written any more: %s", strerror(errno));
	close(door->pcap);
	door->pcap = -1;
}

/* ---- the station at the other end ---- */

static void answer(struct kiln_door *door, uint16_t type, struct slice packet)
{
	struct door_packet *frame = door_packet_new(ETH_HEADER + packet.len, door->now);

	if (!frame) /* as if it were lost: the stack asks again */
		return;
	eth_wire_emit(frame->bytes, own_mac, other_mac, type);
	memcpy(frame->bytes + ETH_HEADER, packet.data, packet.len);
	door_queue_put(&door->in, frame);
}

/* A probe or an announcement says that an address is the stack's: nobody else has it. */
static void hear_arp(struct kiln_door *door, struct slice packet)
{
	struct arp_packet asked, told;
	uint8_t bytes[ARP_SIZE];

	if (!arp_wire_parse(packet, &asked) || asked.operation != ARP_REQUEST ||
	    ip4_value(asked.sender) == 0 || ip4_equal(asked.sender, asked.target))
		return;
	told = (struct arp_packet){
	    .operation = ARP_REPLY, .sender = asked.target, .target = asked.sender};
	memcpy(told.sender_mac, other_mac, ETH_MAC);
	memcpy(told.target_mac, own_mac, ETH_MAC);
	arp_wire_emit(bytes, &told);
	answer(door, ETH_TYPE_ARP, slice_of(bytes, sizeof(bytes)));
}

static void answer_solicitation(struct kiln_door *door, const struct ip_addr *asker,
                                const struct ip_addr *target)
{
	struct nd_message told = {
	    .type = ICMP6_NEIGHBOUR_ADVERTISEMENT,
	    .target = *target,
	    .router = true, /* as whoever is a gateway has to say */
	    .solicited = true,
	    .override = true,
	    .has_mac = true,
	};
	uint8_t bytes[IP6_HEADER + ND_SIZE_MAX];
	struct writer w = writer_of(bytes + IP6_HEADER, ND_SIZE_MAX);

	memcpy(told.mac, other_mac, ETH_MAC);
	nd_wire_emit(&w, &told);
	struct slice message = writer_done(&w);
	icmp6_wire_seal(bytes + IP6_HEADER, message.len, target, asker);
	ip6_wire_emit(bytes, &(struct ip6_header){
	                         .src = *target,
	                         .dst = *asker,
	                         .payload = (uint16_t)message.len,
	                         .next = IP6_NEXT_ICMP,
	                         .hop_limit = ND_HOP_LIMIT,
	                     });
	answer(door, ETH_TYPE_IP6, slice_of(bytes, IP6_HEADER + message.len));
}

static bool is_link_message(uint8_t type)
{
	return (type >= ICMP6_ROUTER_SOLICITATION && type <= ICMP6_REDIRECT) ||
	       type == ICMP6_MLD_REPORT;
}

/* True: the packet is neighbour discovery or a listener report, of no use to the driver. */
static bool hear_ip6(struct kiln_door *door, struct slice packet)
{
	struct ip6_header header;
	struct ip6_problem problem;
	struct ip6_chain chain;
	struct slice payload;
	struct icmp6_message icmp;
	struct nd_message nd;

	if (packet.len >= IP6_HEADER && ip6_wire_parse(packet, &header, &payload)) {
		ip6_chain_start(&chain, &header, payload);
		if (ip6_wire_walk(&chain, &problem) != IP6_WALK_UPPER ||
		    chain.next != IP6_NEXT_ICMP)
			return false;
	} else { /* from nobody, as during duplicate address detection */
		return packet.len >= IP6_HEADER && packet.data[6] == IP6_NEXT_ICMP;
	}
	struct net_packet p = {
	    .src = header.src,
	    .dst = header.dst,
	    .payload = chain.payload,
	    .ttl = header.hop_limit,
	};
	if (!icmp6_wire_parse(&p, &icmp) || !is_link_message(icmp.type))
		return false;
	if (icmp.type == ICMP6_NEIGHBOUR_SOLICITATION && nd_wire_parse(&p, &icmp, &nd) &&
	    !local_is_any(&p.src))
		answer_solicitation(door, &p.src, &nd.target);
	return true;
}

/* ---- the device ---- */

static enum kiln_error link_send(struct netdev *dev, const struct netdev_frame *frame)
{
	struct kiln_door *door = kiln_container(dev, struct kiln_door, device);
	size_t size = netdev_frame_size(frame);
	uint8_t bytes[UINT16_MAX + ETH_HEADER];
	struct writer w = writer_of(bytes, sizeof(bytes));

	writer_bytes(&w, slice_of(frame->head + frame->head_start,
	                          NETDEV_HEAD - frame->head_start));
	for (unsigned i = 0; i < frame->frag_count; i++)
		writer_bytes(&w, slice_of(frame->frags[i].data, frame->frags[i].len));
	const struct eth_wire *eth = eth_wire_parse(writer_done(&w));
	if (w.failed || !eth || size > (size_t)dev->mtu + ETH_HEADER)
		return KILN_ERR_TOO_LARGE;
	struct slice packet = slice_skip(writer_done(&w), ETH_HEADER);
	if (be16_get(eth->type) == ETH_TYPE_ARP) {
		hear_arp(door, packet);
		return KILN_OK;
	}
	if ((be16_get(eth->type) == ETH_TYPE_IP6 && hear_ip6(door, packet)) ||
	    door->starting)
		return KILN_OK;
	struct door_packet *out = door_packet_new(packet.len, door->now);
	if (!out)
		return KILN_ERR_FULL;
	memcpy(out->bytes, packet.data, packet.len);
	door_queue_put(&door->out, out);
	capture(door, bytes, size);
	return KILN_OK;
}

static unsigned link_poll(struct netdev *dev, unsigned budget)
{
	static const struct netdev_offload none;
	struct kiln_door *door = kiln_container(dev, struct kiln_door, device);
	unsigned done;

	for (done = 0; done < budget; done++) {
		struct door_packet *frame = door->in.first;

		if (!frame || frame->at > door->now)
			break;
		door_queue_pop(&door->in);
		const struct eth_wire *eth = (const struct eth_wire *)frame->bytes;
		if (be16_get(eth->type) != ETH_TYPE_ARP && !door->starting)
			capture(door, frame->bytes, frame->size);
		dev->receive(dev->stack, slice_of(frame->bytes, frame->size), &none);
		free(frame);
	}
	return done;
}

void door_link_init(struct kiln_door *door, uint16_t mtu)
{
	static const struct netdev_ops ops = {.send = link_send, .poll = link_poll};

	door->device = (struct netdev){.ops = &ops, .kiln = &door->kiln, .mtu = mtu};
	memcpy(door->device.mac, own_mac, ETH_MAC);
}

/* ---- packets of the driver ---- */

/* The link address that a packet to a group has (RFC 1112, 6.4; 2464, 7). */
static void destination_mac(const uint8_t *packet, uint8_t mac[ETH_MAC])
{
	memcpy(mac, own_mac, ETH_MAC);
	if (packet[0] >> 4 == 6) {
		const uint8_t *dst = packet + offsetof(struct ip6_wire, dst);

		if (dst[0] == 0xff) {
			mac[0] = mac[1] = 0x33;
			memcpy(mac + 2, dst + 12, 4);
		}
		return;
	}
	const uint8_t *dst = packet + 16;
	if (dst[0] == 255) {
		memset(mac, 0xff, ETH_MAC);
	} else if (dst[0] >> 4 == 14) {
		memcpy(mac, (const uint8_t[]){1, 0, 0x5e, dst[1] & 0x7f, dst[2], dst[3]},
		       ETH_MAC);
	}
}

struct door_packet *door_frame_new(const void *packet, size_t size, kiln_time at)
{
	const uint8_t *bytes = packet;
	unsigned version = bytes && size ? bytes[0] >> 4 : 0;
	struct door_packet *frame;
	uint8_t mac[ETH_MAC];

	if (!((version == 4 && size >= 20) || (version == 6 && size >= IP6_HEADER)) ||
	    size > UINT16_MAX + IP6_HEADER) {
		errno = EINVAL;
		return NULL;
	}
	frame = door_packet_new(ETH_HEADER + size, at);
	if (!frame)
		return NULL;
	destination_mac(bytes, mac);
	eth_wire_emit(frame->bytes, mac, other_mac,
	              version == 4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
	memcpy(frame->bytes + ETH_HEADER, packet, size);
	return frame;
}
