/*
 * ARP: who has which address on the link (RFC 826; RFC 1122, 2.3.2; RFC 5227).
 *
 * The cache is bounded. An entry lives for a minute past its last confirmation; one that
 * was sent to in that time is asked again by unicast, and used meanwhile. Entries are
 * made by our own questions, and by requests for our address (the asker is about to send
 * to us); nothing else that is heard makes one, so that a flood of announcements fills
 * nothing. When the cache is full, a neighbour that we never sent to, or that never
 * answered, gives way; one in use never does, and the newest question is refused instead.
 *
 * Frames that wait for an answer keep references to their chunks, not copies; their
 * number is bounded for each neighbour and in all.
 */
#include "net_private.h"

enum { ARP_TRIES = 3, ARP_WAITING = 4, ARP_FRAMES = 16 };
enum { ARP_NEIGHBOURS_MIN = 64, ARP_NEIGHBOURS_MAX = 1024 };
#define ARP_INTERVAL  KILN_SECONDS(1) /* RFC 1122, 2.3.2.1: at most one a second */
#define ARP_REACHABLE KILN_SECONDS(60)
#define ARP_FAILED    KILN_SECONDS(3)

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

/* A frame that waits for its neighbour's answer. */
struct arp_waiting {
	struct list node;
	struct netdev_frame
	    frame; /* the IP header on; a reference on each frag's owner */
};

static const uint8_t mac_none[ETH_MAC];
static const uint8_t mac_all[ETH_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void claim_fire(struct timer *timer);
static void neighbour_fire(struct timer *timer);

void arp_init(struct net *net)
{
	struct arp *arp = &net->arp;
	struct kiln *k = net->kiln;
	size_t memory = (size_t)(k->arena.end - k->arena.start);
	uint32_t count = ARP_NEIGHBOURS_MIN;

	while (count < ARP_NEIGHBOURS_MAX && count < memory / (64u << 10))
		count *= 2;
	pool_init(&arp->neighbours, k, sizeof(struct neighbour), count, "ARP cache");
	pool_init(&arp->frames, k, sizeof(struct arp_waiting), ARP_FRAMES, "ARP queue");
	arp->buckets = kiln_alloc(k, count * sizeof(*arp->buckets), "ARP cache");
	arp->bucket_mask = count - 1;
	arp->hash_key = random_u32(&k->random) | 1;
	list_init(&arp->recent);
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

/* ---- the cache ---- */

static struct neighbour **arp_bucket(struct arp *arp, struct ip4_addr addr)
{
	uint32_t hash = ip4_value(addr) * arp->hash_key;

	return &arp->buckets[(hash >> 16 ^ hash >> 7) & arp->bucket_mask];
}

static struct neighbour *arp_find(struct arp *arp, struct ip4_addr addr)
{
	struct neighbour *n = *arp_bucket(arp, addr);

	while (n && !ip4_equal(n->addr, addr))
		n = n->next;
	return n;
}

static struct arp_waiting *waiting_pop(struct neighbour *n)
{
	struct list *node = list_pop(&n->waiting);

	if (!node)
		return NULL;
	n->waiting_count--;
	return kiln_container(node, struct arp_waiting, node);
}

static void waiting_release(struct net *net, struct arp_waiting *waiting)
{
	net_frame_release(&waiting->frame);
	pool_put(&net->arp.frames, waiting);
}

static void waiting_drop(struct neighbour *n)
{
	struct arp_waiting *waiting;

	while ((waiting = waiting_pop(n))) {
		n->net->counters.drop_unresolved++;
		waiting_release(n->net, waiting);
	}
}

static void neighbour_free(struct neighbour *n)
{
	struct arp *arp = &n->net->arp;
	struct neighbour **at = arp_bucket(arp, n->addr);

	waiting_drop(n);
	timer_cancel(&n->net->kiln->loop, &n->timer);
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	list_remove(&n->recent);
	if (arp->last == n)
		arp->last = NULL;
	pool_put(&arp->neighbours, n);
}

void arp_forget(struct net *net)
{
	list_each_safe (node, &net->arp.recent)
		neighbour_free(kiln_container(node, struct neighbour, recent));
}

/* A new entry, at the end of the list: NULL if all are in use. */
static struct neighbour *neighbour_new(struct net *net, struct ip4_addr addr)
{
	struct arp *arp = &net->arp;
	struct neighbour *n;

	if (arp->neighbours.used == arp->neighbours.count) {
		n = kiln_container(arp->recent.prev, struct neighbour, recent);
		if (n->used_at != 0)
			return NULL;
		neighbour_free(n);
	}
	n = pool_get(&arp->neighbours);
	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->net = net;
	n->addr = addr;
	list_init(&n->waiting);
	list_init(&n->recent);
	timer_init(&n->timer, neighbour_fire);
	list_append(&arp->recent, &n->recent);
	struct neighbour **bucket = arp_bucket(arp, addr);
	n->next = *bucket;
	*bucket = n;
	return n;
}

static void neighbour_in(struct neighbour *n, kiln_time duration)
{
	timer_set(&n->net->kiln->loop, &n->timer, net_now(n->net) + duration);
}

/* Its address is known, again or anew: what waited for it leaves. */
static void neighbour_confirm(struct neighbour *n, const uint8_t mac[ETH_MAC])
{
	struct net *net = n->net;
	struct arp_waiting *waiting;

	memmove(n->mac, mac, ETH_MAC); /* may be its own */
	n->confirmed_at = net_now(net);
	if (n->state != NEIGHBOUR_REACHABLE || !timer_is_set(&n->timer)) {
		n->state = NEIGHBOUR_REACHABLE;
		neighbour_in(n, ARP_REACHABLE);
	}
	while ((waiting = waiting_pop(n))) {
		(void)net_transmit(net, &waiting->frame, n->mac, ETH_TYPE_IP4);
		waiting_release(net, waiting);
	}
}

static void neighbour_ask(struct neighbour *n)
{
	const uint8_t *to = n->state == NEIGHBOUR_PROBING ? n->mac : mac_all;

	n->tries++;
	arp_send(n->net, ARP_REQUEST, to, n->net->address, mac_none, n->addr);
	neighbour_in(n, ARP_INTERVAL);
}

static void neighbour_fire(struct timer *timer)
{
	struct neighbour *n = kiln_container(timer, struct neighbour, timer);
	kiln_time now = net_now(n->net), stale_at = n->confirmed_at + ARP_REACHABLE;

	switch (n->state) {
	case NEIGHBOUR_REACHABLE:
		if (now < stale_at) {
			neighbour_in(n, stale_at - now);
		} else if (n->used_at > n->confirmed_at) {
			n->state = NEIGHBOUR_PROBING;
			n->tries = 0;
			neighbour_ask(n);
		} else {
			neighbour_free(n);
		}
		return;
	case NEIGHBOUR_PROBING:
		if (n->tries < ARP_TRIES)
			neighbour_ask(n);
		else
			neighbour_free(n); /* the next use asks by broadcast */
		return;
	case NEIGHBOUR_RESOLVING:
		if (n->tries < ARP_TRIES) {
			neighbour_ask(n);
			return;
		}
		waiting_drop(n);
		n->state = NEIGHBOUR_FAILED;
		n->used_at = 0; /* may give way */
		list_remove(&n->recent);
		list_append(&n->net->arp.recent, &n->recent);
		neighbour_in(n, ARP_FAILED);
		return;
	default:
		neighbour_free(n);
	}
}

/* ---- for output.c ---- */

/* Sent to: entries in use stay before those that only asked us. */
static void neighbour_used(struct neighbour *n)
{
	if (n->used_at == 0) {
		list_remove(&n->recent);
		list_prepend(&n->net->arp.recent, &n->recent);
	}
	n->used_at = KILN_MAX(net_now(n->net), 1);
}

const uint8_t *arp_lookup(struct net *net, struct ip4_addr addr)
{
	struct neighbour *n = net->arp.last;

	if (!n || !ip4_equal(n->addr, addr)) {
		n = arp_find(&net->arp, addr);
		if (!n)
			return NULL;
		net->arp.last = n;
	}
	if (n->state != NEIGHBOUR_REACHABLE && n->state != NEIGHBOUR_PROBING)
		return NULL;
	neighbour_used(n);
	return n->mac;
}

enum kiln_error arp_wait(struct net *net, struct ip4_addr addr,
                         const struct netdev_frame *frame)
{
	struct neighbour *n = arp_find(&net->arp, addr);

	if (n && n->state == NEIGHBOUR_FAILED)
		return KILN_ERR_UNREACHABLE;
	if (!n) {
		n = neighbour_new(net, addr);
		if (!n)
			return KILN_ERR_FULL;
		n->state = NEIGHBOUR_RESOLVING;
		neighbour_used(n);
		neighbour_ask(n);
	}
	if (n->waiting_count == ARP_WAITING)
		return KILN_ERR_FULL;
	struct arp_waiting *waiting = pool_get(&net->arp.frames);
	if (!waiting)
		return KILN_ERR_FULL;
	list_init(&waiting->node);
	memcpy(&waiting->frame, frame,
	       offsetof(struct netdev_frame, frags) +
	           frame->frag_count * sizeof(frame->frags[0]));
	for (unsigned i = 0; i < frame->frag_count; i++) {
		if (frame->frags[i].owner)
			chunk_ref(frame->frags[i].owner);
	}
	list_append(&n->waiting, &waiting->node);
	n->waiting_count++;
	return KILN_OK;
}

void arp_confirm(struct net *net, struct ip4_addr addr)
{
	struct neighbour *n = net->arp.last;

	if (!n || !ip4_equal(n->addr, addr))
		n = arp_find(&net->arp, addr);
	if (n && (n->state == NEIGHBOUR_REACHABLE || n->state == NEIGHBOUR_PROBING))
		neighbour_confirm(n, n->mac);
}

/* RFC 1122, 2.3.2.1 (4): a transport's timeouts. Its address is used meanwhile, but the
 * first question goes to all: it may be that address that is wrong. */
void arp_doubt(struct net *net, struct ip4_addr addr)
{
	struct neighbour *n = arp_find(&net->arp, addr);

	if (!n || n->state != NEIGHBOUR_REACHABLE ||
	    net_now(net) - n->confirmed_at < ARP_INTERVAL)
		return;
	n->state = NEIGHBOUR_PROBING;
	n->tries = 1;
	arp_send(net, ARP_REQUEST, mac_all, net->address, mac_none, addr);
	neighbour_in(n, ARP_INTERVAL);
}

/* ---- claiming an address (RFC 5227) ---- */

void arp_probe(struct net *net, struct ip4_addr addr,
               void (*done)(struct net *net, bool conflict))
{
	struct arp *arp = &net->arp;

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
	net->arp.probing = false;
	net->arp.announcements_left = 0;
	timer_cancel(&net->kiln->loop, &net->arp.claim);
}

void arp_announce(struct net *net)
{
	arp_probe_cancel(net);
	net->arp.announcements_left = ANNOUNCE_COUNT;
	claim_fire(&net->arp.claim);
}

static void probe_end(struct net *net, bool conflict)
{
	arp_probe_cancel(net);
	net->arp.probe_done(net, conflict);
}

static void claim_fire(struct timer *timer)
{
	struct net *net = kiln_container(timer, struct net, arp.claim);
	struct arp *arp = &net->arp;
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
		arp_send(net, ARP_REQUEST, mac_all, net->address, mac_none, net->address);
		wait = ANNOUNCE_INTERVAL;
	}
	timer_set(&net->kiln->loop, timer, net_now(net) + wait);
}

/* Someone else uses our address. RFC 5227, 2.4 (c): the address of a server is kept, and
 * defended by one announcement in ten seconds at most. */
static void arp_defend(struct net *net)
{
	struct arp *arp = &net->arp;
	kiln_time now = net_now(net);

	net->counters.arp_conflicts++;
	log_debug(net->kiln, "net", "another host uses the address of %s", net->name);
	if (arp->defended_at != KILN_NEVER && now - arp->defended_at < DEFEND_INTERVAL)
		return;
	arp->defended_at = now;
	arp_send(net, ARP_REQUEST, mac_all, net->address, mac_none, net->address);
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
static bool arp_sender_plausible(const struct net *net, struct ip4_addr sender)
{
	uint32_t value = ip4_value(sender);

	if (ip4_equal(sender, net->gateway))
		return true;
	if (!ip4_is_host(value) || !ip4_on_link(net, sender))
		return false;
	return net->broadcast == 0 || (value != net->broadcast && value & ~net->mask);
}

/* RFC 826, "Packet Reception": merge first, then make an entry if it is for us. True if
 * the packet was of use. */
static bool arp_learn(struct net *net, const struct arp_packet *packet, bool for_us)
{
	struct neighbour *n = arp_find(&net->arp, packet->sender);

	if (!n && for_us && packet->operation == ARP_REQUEST)
		n = neighbour_new(net, packet->sender);
	if (!n)
		return false;
	neighbour_confirm(n, packet->sender_mac);
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
	if (conflicts_with_probe(&net->arp, &packet)) {
		net->counters.arp_conflicts++;
		probe_end(net, true);
		return;
	}
	if (net->up && ip4_equal(packet.sender, net->address)) {
		arp_defend(net);
		return;
	}
	/* A probe tells nothing of its sender, but has to be answered. */
	bool probe = ip4_value(packet.sender) == 0;
	if (!net->up || (!probe && !arp_sender_plausible(net, packet.sender))) {
		net->counters.drop_arp++;
		return;
	}
	bool for_us = ip4_equal(packet.target, net->address);
	bool asked = for_us && packet.operation == ARP_REQUEST;
	bool learnt = !probe && arp_learn(net, &packet, for_us);
	if (asked)
		arp_send(net, ARP_REPLY, packet.sender_mac, net->address,
		         packet.sender_mac, packet.sender);
	else if (!learnt)
		net->counters.drop_arp++;
}
