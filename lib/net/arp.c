/*
 * ARP: questions and answers about who has which address on the link (RFC 826; RFC 1122,
 * 2.3.2; RFC 5227). What is learnt is kept by neighbour.c.
 *
 * Entries are made by our own questions, and by requests for our address (the asker is
 * about to send to us); nothing else that is heard makes one, so that a flood of
 * announcements fills nothing.
 */
#include "net_private.h"

#define ARP_REACHABLE KILN_SECONDS(60)
#define ARP_INTERVAL  KILN_SECONDS(1) /* RFC 1122, 2.3.2.1: at most one a second */

/*
 * RFC 5227, 1.1. The intervals of probing are a tenth of its seconds, which allow for
 * links that take long to come up after the cable is plugged in: a virtual link is up
 * when the image starts, and a service that boots in milliseconds should not wait for
 * seven seconds.
 */
enum { PROBE_COUNT = 3, ANNOUNCE_COUNT = 2 };
#define PROBE_WAIT        KILN_MS(100)
#define PROBE_MIN         KILN_MS(100)
#define PROBE_MAX         KILN_MS(200)
#define ANNOUNCE_WAIT     KILN_MS(200)
#define ANNOUNCE_INTERVAL KILN_SECONDS(2)
#define DEFEND_INTERVAL   KILN_SECONDS(10)

static const uint8_t mac_none[ETH_MAC];
static const uint8_t mac_all[ETH_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void claim_fire(struct timer *timer);

void arp_init(struct net *net)
{
	struct arp *arp = &net->ip4->arp;

	net->neighbours.times[NET_IP4] =
	    (struct neighbour_times){ARP_REACHABLE, ARP_INTERVAL};
	arp->net = net;
	timer_init(&arp->claim, claim_fire);
	/* Long enough ago that the first conflict is answered. */
	arp->defended_at = KILN_NEVER;
}

/* ---- packets out ---- */

static void arp_send(struct net *net, uint16_t operation, const uint8_t to[ETH_MAC],
                     struct ip4_addr sender, const uint8_t target_mac[ETH_MAC],
                     struct ip4_addr target)
{
	struct arp_packet packet = {
	    .operation = operation, .sender = sender, .target = target};
	struct netdev_frame frame;

	memcpy(packet.sender_mac, net->device->mac, ETH_MAC);
	memcpy(packet.target_mac, target_mac, ETH_MAC);
	netdev_frame_init(&frame);
	arp_wire_emit(netdev_frame_push(&frame, ARP_SIZE), &packet);
	/* Lost when the device is full: whoever needs the answer asks again. */
	(void)net_transmit(net, &frame, to, ETH_TYPE_ARP);
}

void arp_ask(struct net *net, const struct neighbour *n, bool unicast)
{
	arp_send(net, ARP_REQUEST, unicast ? n->mac : mac_all, net->ip4->address,
	         mac_none, ip_to4(&n->addr));
}

/* ---- claiming an address (RFC 5227) ---- */

void arp_probe(struct net *net, struct ip4_addr addr,
               void (*done)(struct net *net, bool conflict))
{
	struct arp *arp = &net->ip4->arp;

	arp->probed = addr;
	arp->probe_done = done;
	arp->probing = true;
	arp->probes_left = PROBE_COUNT;
	arp->announcements_left = 0;
	timer_set(&net->kiln->loop, &arp->claim,
	          net_now(net) + random_below(&net->kiln->random, PROBE_WAIT));
}

void arp_probe_cancel(struct net *net)
{
	net->ip4->arp.probing = false;
	net->ip4->arp.announcements_left = 0;
	timer_cancel(&net->kiln->loop, &net->ip4->arp.claim);
}

void arp_announce(struct net *net)
{
	arp_probe_cancel(net);
	net->ip4->arp.announcements_left = ANNOUNCE_COUNT;
	claim_fire(&net->ip4->arp.claim);
}

static void probe_end(struct net *net, bool conflict)
{
	arp_probe_cancel(net);
	net->ip4->arp.probe_done(net, conflict);
}

static void claim_fire(struct timer *timer)
{
	struct arp *arp = kiln_container(timer, struct arp, claim);
	struct net *net = arp->net;
	kiln_time wait;

	if (arp->probing) {
		if (arp->probes_left == 0) {
			probe_end(net, false);
			return;
		}
		arp->probes_left--;
		arp_send(net, ARP_REQUEST, mac_all, ip4_of(0), mac_none, arp->probed);
		wait = arp->probes_left ? PROBE_MIN + random_below(&net->kiln->random,
		                                                   PROBE_MAX - PROBE_MIN)
		                        : ANNOUNCE_WAIT;
	} else {
		if (arp->announcements_left == 0)
			return;
		arp->announcements_left--;
		arp_send(net, ARP_REQUEST, mac_all, net->ip4->address, mac_none,
		         net->ip4->address);
		wait = ANNOUNCE_INTERVAL;
	}
	timer_set(&net->kiln->loop, timer, net_now(net) + wait);
}

/* Someone else uses our address. RFC 5227, 2.4 (c): the address of a server is kept, and
 * defended by one announcement in ten seconds at most. */
static void arp_defend(struct net *net)
{
	struct arp *arp = &net->ip4->arp;
	kiln_time now = net_now(net);

	net->counters.arp_conflicts++;
	log_debug(net->kiln, "net", "another host uses the address of %s", net->name);
	if (arp->defended_at != KILN_NEVER && now - arp->defended_at < DEFEND_INTERVAL)
		return;
	arp->defended_at = now;
	arp_send(net, ARP_REQUEST, mac_all, net->ip4->address, mac_none,
	         net->ip4->address);
}

/* ---- packets in ---- */

/* RFC 5227, 2.1.1: an answer, or another host's probe for the same address. */
static bool conflicts_with_probe(const struct arp *arp, const struct arp_packet *packet)
{
	if (!arp->probing)
		return false;
	if (ip4_equal(packet->sender, arp->probed))
		return true;
	return packet->operation == ARP_REQUEST && ip4_value(packet->sender) == 0 &&
	       ip4_equal(packet->target, arp->probed);
}

/* A host of our network, or the router to the others. */
static bool arp_sender_plausible(const struct ip4 *ip4, struct ip4_addr sender)
{
	uint32_t value = ip4_value(sender);

	if (ip4_equal(sender, ip4->gateway))
		return true;
	if (!ip4_is_host(value) || !ip4_on_link(ip4, sender))
		return false;
	return ip4->broadcast == 0 || (value != ip4->broadcast && value & ~ip4->mask);
}

/* RFC 826, "Packet Reception": merge first, then make an entry if it is for us. True if
 * the packet was of use. */
static bool arp_learn(struct net *net, const struct arp_packet *packet, bool for_us)
{
	struct ip_addr sender = ip_from4(packet->sender);
	struct neighbour *n = neighbour_find(net, &sender);

	if (!n && for_us && packet->operation == ARP_REQUEST)
		n = neighbour_add(net, &ip4_family, &sender);
	if (!n)
		return false;
	neighbour_learn(n, packet->sender_mac, true);
	return true;
}

void arp_input(struct net *net, struct slice bytes)
{
	struct arp_packet packet;

	if (!arp_wire_parse(bytes, &packet) ||
	    memcmp(packet.sender_mac, net->device->mac, ETH_MAC) == 0) {
		net->counters.drop_arp++;
		return;
	}
	if (conflicts_with_probe(&net->ip4->arp, &packet)) {
		net->counters.arp_conflicts++;
		probe_end(net, true);
		return;
	}
	if (net->ip4->up && ip4_equal(packet.sender, net->ip4->address)) {
		arp_defend(net);
		return;
	}
	/* A probe tells nothing of its sender, but has to be answered. */
	bool probe = ip4_value(packet.sender) == 0;
	if (!net->ip4->up || (!probe && !arp_sender_plausible(net->ip4, packet.sender))) {
		net->counters.drop_arp++;
		return;
	}
	bool for_us = ip4_equal(packet.target, net->ip4->address);
	bool asked = for_us && packet.operation == ARP_REQUEST;
	bool learnt = !probe && arp_learn(net, &packet, for_us);
	if (asked)
		arp_send(net, ARP_REPLY, packet.sender_mac, net->ip4->address,
		         packet.sender_mac, packet.sender);
	else if (!learnt)
		net->counters.drop_arp++;
}
