/*
 * Neighbours: the link addresses of the hosts on our link, of both families, and whether
 * they still answer (RFC 4861, 7.3; for IPv4 in the same way, as RFC 1122, 2.3.2.1 allows).
 * ARP and neighbour discovery ask and answer; this is what is known.
 *
 * An entry that was not confirmed for a while is used on and asked again by unicast, once
 * a transport has had its time to confirm it. One that is neither used nor confirmed is
 * forgotten. The cache is bounded by the image's memory. When it is full a stranger gives
 * way, one that never answered or that we never sent to, the oldest first: a flood of them
 * pushes out nobody else. If there is none, the acquaintance that was sent to the longest
 * ago does, unless that was just now: then the newest question is refused instead.
 *
 * Frames that wait for an answer keep references to their chunks, not copies; their
 * number is bounded for each neighbour and in all.
 */
#include "net_private.h"

enum { TRIES = 3 }; /* RFC 4861, 10: MAX_*CAST_SOLICIT */
enum { ENTRIES_MIN = 64, ENTRIES_MAX = 16384 };
/* A thirty-second of what an image has beyond the least that a network takes. */
enum { MEMORY_LEAST = 4 << 20, ENTRIES_SHARE = 32 };
enum { WAITING = 4, FRAMES_MIN = 16 };
#define DELAY_FIRST_PROBE KILN_SECONDS(5) /* RFC 4861, 10 */
#define STALE_LIFETIME    KILN_SECONDS(60)
#define FAILED_LIFETIME   KILN_SECONDS(3)
#define DOUBT_INTERVAL    KILN_SECONDS(1)
#define USE_INTERVAL      KILN_SECONDS(1) /* how exactly used_at is kept */

/* A frame that waits for its neighbour's answer. */
struct neighbour_waiting {
	struct list node; /* in neighbours.waiting, in the order of their sending */
	const struct neighbour *neighbour;
	/* The network header on; a reference on each frag's owner. */
	struct netdev_frame frame;
};

void neighbour_init(struct net *net)
{
	struct neighbours *all = &net->neighbours;
	struct kiln *k = net->kiln;
	size_t memory = KILN_MAX(net_memory(net), (size_t)MEMORY_LEAST) - MEMORY_LEAST;
	size_t room = memory / ENTRIES_SHARE / sizeof(struct neighbour) + ENTRIES_MIN;
	uint32_t count = (uint32_t)KILN_MIN(room, (size_t)ENTRIES_MAX);
	uint32_t buckets = ENTRIES_MIN;

	while (buckets < count)
		buckets *= 2;
	pool_init(&all->entries, k, sizeof(struct neighbour), count, "neighbours");
	pool_init(&all->frames, k, sizeof(struct neighbour_waiting),
	          KILN_MAX(count / 64, (uint32_t)FRAMES_MIN), "neighbours' queue");
	all->buckets = kiln_alloc(k, buckets * sizeof(*all->buckets), "neighbours");
	all->bucket_mask = buckets - 1;
	list_init(&all->acquaintances);
	list_init(&all->strangers);
	list_init(&all->waiting);
}

/* ---- the cache ---- */

static struct neighbour **bucket(const struct net *net, const struct ip_addr *addr)
{
	uint64_t hash = siphash(net->key, addr, sizeof(*addr));

	return &net->neighbours.buckets[hash & net->neighbours.bucket_mask];
}

struct neighbour *neighbour_find(const struct net *net, const struct ip_addr *addr)
{
	struct neighbour *n = net->neighbours.last;

	if (n && ip_equal(&n->addr, addr))
		return n;
	n = *bucket(net, addr);
	while (n && !ip_equal(&n->addr, addr))
		n = n->next;
	return n;
}

/* Those that wait are few in all. */
static struct neighbour_waiting *waiting_pop(struct neighbour *n)
{
	if (n->waiting_count == 0)
		return NULL;
	list_each (node, &n->net->neighbours.waiting) {
		struct neighbour_waiting *waiting =
		    kiln_container(node, struct neighbour_waiting, node);
		if (waiting->neighbour == n) {
			list_remove(node);
			n->waiting_count--;
			return waiting;
		}
	}
	return NULL;
}

static void waiting_release(struct net *net, struct neighbour_waiting *waiting)
{
	net_frame_release(&waiting->frame);
	pool_put(&net->neighbours.frames, waiting);
}

static void waiting_drop(struct neighbour *n)
{
	struct neighbour_waiting *waiting;

	while ((waiting = waiting_pop(n))) {
		n->net->counters.drop_unresolved++;
		waiting_release(n->net, waiting);
	}
}

static void neighbour_free(struct neighbour *n)
{
	struct neighbours *all = &n->net->neighbours;
	struct neighbour **at = bucket(n->net, &n->addr);

	waiting_drop(n);
	timer_cancel(&n->net->kiln->loop, &n->timer);
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	list_remove(&n->node);
	if (all->last == n)
		all->last = NULL;
	pool_put(&all->entries, n);
}

static void forget(struct list *list, const struct net_family *family)
{
	list_each_safe (node, list) {
		struct neighbour *n = kiln_container(node, struct neighbour, node);
		if (n->family == family)
			neighbour_free(n);
	}
}

void neighbour_forget(struct net *net, const struct net_family *family)
{
	forget(&net->neighbours.strangers, family);
	forget(&net->neighbours.acquaintances, family);
}

/* Puts it into the list that it belongs to now. */
static void neighbour_move(struct neighbour *n, struct list *list)
{
	list_remove(&n->node);
	list_append(list, &n->node);
}

/* Who gives way when all are in use: NULL if nobody does. */
static struct neighbour *neighbour_spare(const struct net *net)
{
	const struct neighbours *all = &net->neighbours;
	bool strangers = !list_empty(&all->strangers);
	struct list *first = strangers ? all->strangers.next : all->acquaintances.next;
	struct neighbour *n = kiln_container(first, struct neighbour, node);

	return strangers || net_now(net) - n->used_at >= 2 * USE_INTERVAL ? n : NULL;
}

static void neighbour_fire(struct timer *timer);

struct neighbour *neighbour_add(struct net *net, const struct net_family *family,
                                const struct ip_addr *addr)
{
	struct neighbours *all = &net->neighbours;

	if (all->entries.used == all->entries.count) {
		struct neighbour *spare = neighbour_spare(net);
		if (!spare)
			return NULL;
		neighbour_free(spare);
	}
	struct neighbour *n = pool_get(&all->entries);
	if (!n)
		return NULL;
	*n = (struct neighbour){
	    .net = net, .family = family, .addr = *addr, .state = NEIGHBOUR_INCOMPLETE};
	list_init(&n->node);
	list_append(&all->strangers, &n->node);
	timer_init(&n->timer, neighbour_fire);
	struct neighbour **head = bucket(net, addr);
	n->next = *head;
	*head = n;
	return n;
}

/* ---- states (RFC 4861, 7.3.2 and appendix C) ---- */

static const struct neighbour_times *times_of(const struct neighbour *n)
{
	return &n->net->neighbours.times[n->family->index];
}

static bool neighbour_is_known(const struct neighbour *n)
{
	return n->state != NEIGHBOUR_INCOMPLETE && n->state != NEIGHBOUR_FAILED;
}

static void neighbour_enter(struct neighbour *n, enum neighbour_state state,
                            kiln_time duration)
{
	n->state = (uint8_t)state;
	timer_set(&n->net->kiln->loop, &n->timer, net_now(n->net) + duration);
}

/* The timer of one that is reachable already is left: it looks at confirmed_at itself. */
static void neighbour_reachable(struct neighbour *n)
{
	n->confirmed_at = net_now(n->net);
	if (n->state != NEIGHBOUR_REACHABLE || !timer_is_set(&n->timer))
		neighbour_enter(n, NEIGHBOUR_REACHABLE, times_of(n)->reachable);
}

void neighbour_learn(struct neighbour *n, const uint8_t mac[ETH_MAC], bool reachable)
{
	struct net *net = n->net;
	struct neighbour_waiting *waiting;
	bool known = neighbour_is_known(n);
	bool changed = !known || memcmp(n->mac, mac, ETH_MAC) != 0;

	memcpy(n->mac, mac, ETH_MAC);
	if (!known && n->used_at)
		neighbour_move(n, &net->neighbours.acquaintances);
	if (reachable)
		neighbour_reachable(n);
	else if (changed)
		neighbour_enter(n, NEIGHBOUR_STALE, STALE_LIFETIME);
	while ((waiting = waiting_pop(n))) {
		(void)net_transmit(net, &waiting->frame, n->mac, n->family->type);
		waiting_release(net, waiting);
	}
}

void neighbour_suspect(struct neighbour *n)
{
	neighbour_enter(n, NEIGHBOUR_STALE, STALE_LIFETIME);
}

static void neighbour_ask(struct neighbour *n)
{
	n->tries++;
	neighbour_enter(n, (enum neighbour_state)n->state, times_of(n)->retransmit);
	n->family->ask(n->net, n, n->state == NEIGHBOUR_PROBE);
}

static void neighbour_fail(struct neighbour *n)
{
	waiting_drop(n);
	n->used_at = 0;
	neighbour_move(n, &n->net->neighbours.strangers);
	neighbour_enter(n, NEIGHBOUR_FAILED, FAILED_LIFETIME);
}

static void neighbour_fire(struct timer *timer)
{
	struct neighbour *n = kiln_container(timer, struct neighbour, timer);
	kiln_time now = net_now(n->net);
	kiln_time stale_at = n->confirmed_at + times_of(n)->reachable;

	switch ((enum neighbour_state)n->state) {
	case NEIGHBOUR_REACHABLE:
		if (now < stale_at)
			neighbour_enter(n, NEIGHBOUR_REACHABLE, stale_at - now);
		else
			neighbour_enter(n, NEIGHBOUR_STALE, STALE_LIFETIME);
		return;
	case NEIGHBOUR_DELAY:
		n->state = NEIGHBOUR_PROBE;
		n->tries = 0;
		neighbour_ask(n);
		return;
	case NEIGHBOUR_PROBE:
		if (n->tries < TRIES)
			neighbour_ask(n);
		else if (n->router)
			neighbour_fail(n); /* another router is chosen meanwhile */
		else
			neighbour_free(n); /* the next use asks all */
		return;
	case NEIGHBOUR_INCOMPLETE:
		if (n->tries < TRIES)
			neighbour_ask(n);
		else
			neighbour_fail(n);
		return;
	case NEIGHBOUR_STALE:
	case NEIGHBOUR_FAILED:
		neighbour_free(n);
	}
}

/* ---- for output.c ---- */

/* Sent to: behind all that were sent to before. */
static void neighbour_used(struct neighbour *n)
{
	kiln_time now = net_now(n->net);

	if (n->used_at && now - n->used_at < USE_INTERVAL)
		return;
	n->used_at = KILN_MAX(now, 1);
	neighbour_move(n, &n->net->neighbours.acquaintances);
}

const uint8_t *neighbour_lookup(struct net *net, const struct ip_addr *addr)
{
	struct neighbour *n = neighbour_find(net, addr);

	if (!n)
		return NULL;
	net->neighbours.last = n;
	if (!neighbour_is_known(n))
		return NULL;
	neighbour_used(n);
	if (n->state == NEIGHBOUR_STALE)
		neighbour_enter(n, NEIGHBOUR_DELAY, DELAY_FIRST_PROBE);
	return n->mac;
}

enum kiln_error neighbour_wait(struct net *net, const struct net_family *family,
                               const struct ip_addr *addr,
                               const struct netdev_frame *frame)
{
	struct neighbour *n = neighbour_find(net, addr);

	if (n && n->state == NEIGHBOUR_FAILED)
		return KILN_ERR_UNREACHABLE;
	if (!n) {
		n = neighbour_add(net, family, addr);
		if (!n)
			return KILN_ERR_FULL;
		n->used_at = KILN_MAX(net_now(net), 1);
		neighbour_ask(n);
	}
	if (n->waiting_count == WAITING)
		return KILN_ERR_FULL;
	struct neighbour_waiting *waiting = pool_get(&net->neighbours.frames);
	if (!waiting)
		return KILN_ERR_FULL;
	waiting->neighbour = n;
	list_init(&waiting->node);
	memcpy(&waiting->frame, frame,
	       offsetof(struct netdev_frame, frags) +
	           frame->frag_count * sizeof(frame->frags[0]));
	for (unsigned i = 0; i < frame->frag_count; i++) {
		if (frame->frags[i].owner)
			chunk_ref(frame->frags[i].owner);
	}
	list_append(&net->neighbours.waiting, &waiting->node);
	n->waiting_count++;
	return KILN_OK;
}

void neighbour_confirm(struct net *net, const struct ip_addr *addr)
{
	struct neighbour *n = neighbour_find(net, addr);

	if (n && neighbour_is_known(n))
		neighbour_reachable(n);
}

/* RFC 1122, 2.3.2.1 (4): a transport's timeouts. Its address is used meanwhile, but the
 * first question goes to all: it may be that address that is wrong. */
void neighbour_doubt(struct net *net, const struct ip_addr *addr)
{
	struct neighbour *n = neighbour_find(net, addr);

	if (!n || !neighbour_is_known(n) || n->state == NEIGHBOUR_PROBE ||
	    net_now(net) - n->confirmed_at < DOUBT_INTERVAL)
		return;
	n->tries = 1;
	neighbour_enter(n, NEIGHBOUR_PROBE, times_of(n)->retransmit);
	n->family->ask(net, n, false);
}
