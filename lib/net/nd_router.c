/*
 * What routers advertise (RFC 4861, 6.3; RFC 4191, 8106): themselves, the prefixes of our
 * link, its MTU and times, and resolvers of names; and where they redirect to (8).
 *
 * A router's word is taken from whoever is on the link, as for every host without a
 * protected one. All tables are bounded, a place is given to the first that asks.
 */
#include "net_private.h"

#define SOLICIT_FIRST     KILN_SECONDS(4)    /* RFC 4861, 10: RTR_SOLICITATION_INTERVAL */
#define SOLICIT_MOST      KILN_SECONDS(3600) /* RFC 7559, 2 */
#define REDIRECT_LIFETIME KILN_SECONDS(600)

/* ---- solicitations (RFC 7559: until a router answers, ever less often) ---- */

static void solicit_fire(struct timer *timer)
{
	struct ip6 *ip6 = kiln_container(timer, struct ip6, solicit);
	struct net *net = ip6->net;
	struct nd_message m = {.type = ICMP6_ROUTER_SOLICITATION};
	const struct ip6_address *a = ip6_link_local(net);
	kiln_time interval = ip6->solicit_interval;

	/* RFC 4429, 3.2: from an address that is not ours for certain, without a link
	 * address. */
	if (a)
		nd_send(net, &a->addr, &IP6_ALL_ROUTERS, &m, !ip6_is_optimistic(a));
	interval = interval ? KILN_MIN(2 * interval, SOLICIT_MOST) : SOLICIT_FIRST;
	ip6->solicit_interval = interval;
	timer_set(&net->kiln->loop, timer,
	          net_now(net) + interval - interval / 10 +
	              random_below(&net->kiln->random, (uint32_t)(interval / 5 / 1000)) *
	                  1000ull);
}

/* RFC 4861, 6.3.7 would wait for up to a second, lest a building's machines all ask at
 * once when power returns; a virtual machine starts alone. */
void nd_router_start(struct net *net)
{
	timer_init(&net->ip6->solicit, solicit_fire);
	solicit_fire(&net->ip6->solicit);
}

/* ---- default routers ---- */

static struct ip6_router *router_find(struct ip6 *ip6, const struct ip_addr *addr)
{
	kiln_time now = net_now(ip6->net);

	for (unsigned i = 0; i < IP6_ROUTERS; i++) {
		struct ip6_router *r = &ip6->routers[i];
		if (r->until > now && ip_equal(&r->addr, addr))
			return r;
	}
	return NULL;
}

static struct ip6_router *router_place(struct ip6 *ip6)
{
	for (unsigned i = 0; i < IP6_ROUTERS; i++) {
		if (ip6->routers[i].until <= net_now(ip6->net))
			return &ip6->routers[i];
	}
	return NULL;
}

static void router_heard(struct net *net, const struct ip_addr *addr,
                         const struct nd_message *m)
{
	struct ip6 *ip6 = net->ip6;
	struct ip6_router *r = router_find(ip6, addr);

	if (!r && m->lifetime)
		r = router_place(ip6);
	if (!r)
		return;
	r->addr = *addr;
	r->preference = (int8_t)m->preference;
	r->until = net_now(net) + KILN_SECONDS((kiln_time)m->lifetime);
	if (m->lifetime) /* there is a router: no more questions */
		timer_cancel(&net->kiln->loop, &ip6->solicit);
}

/* 6.3.6 and RFC 4191, 3.2: one that may be reachable before one that is not, then by the
 * preference that they tell. */
const struct ip_addr *nd_router_choose(const struct net *net)
{
	const struct ip_addr *best = NULL;
	int best_rank = 0;

	for (unsigned i = 0; i < IP6_ROUTERS; i++) {
		const struct ip6_router *r = &net->ip6->routers[i];
		if (r->until <= net_now(net))
			continue;
		const struct neighbour *n = neighbour_find(net, &r->addr);
		bool usable = !n || n->state != NEIGHBOUR_FAILED;
		int rank = (usable ? 8 : 4) + r->preference;
		if (rank > best_rank) {
			best = &r->addr;
			best_rank = rank;
		}
	}
	return best;
}

/* ---- prefixes on our link ---- */

static void prefix_heard(struct net *net, const struct nd_prefix *told)
{
	struct ip6 *ip6 = net->ip6;
	kiln_time now = net_now(net);
	struct ip6_prefix *place = NULL;

	for (unsigned i = 0; i < IP6_PREFIXES; i++) {
		struct ip6_prefix *p = &ip6->prefixes[i];
		if (p->until <= now) {
			place = place ? place : p;
		} else if (p->bits == told->length &&
		           ip6_common_bits(&p->prefix, &told->prefix) >= p->bits) {
			place = p;
			break;
		}
	}
	/* That of an address that was given is on our link, whatever is said of it. */
	if (!place || (!ip6->automatic && place == &ip6->prefixes[0]))
		return;
	place->prefix = told->prefix;
	place->bits = told->length;
	place->until = told->valid == ND_FOREVER
	                   ? KILN_NEVER
	                   : now + KILN_SECONDS((kiln_time)told->valid);
}

int nd_prefix_bits(const struct net *net, const struct ip_addr *dst)
{
	const struct ip6 *ip6 = net->ip6;
	int bits = ip6_is_link_local(dst) ? 10 : -1;

	for (unsigned i = 0; i < IP6_PREFIXES; i++) {
		const struct ip6_prefix *p = &ip6->prefixes[i];
		if (p->until > net_now(net) && p->bits > bits &&
		    ip6_common_bits(&p->prefix, dst) >= p->bits)
			bits = p->bits;
	}
	return bits;
}

/* ---- resolvers (RFC 8106) ---- */

static void resolvers_heard(struct net *net, const struct nd_option *option)
{
	struct cursor c = cursor_of(option->dns.list);
	kiln_time now = net_now(net);
	kiln_time until = option->dns.lifetime == ND_FOREVER
	                      ? KILN_NEVER
	                      : now + KILN_SECONDS((kiln_time)option->dns.lifetime);

	while (cursor_left(&c) >= sizeof(struct ip_addr)) {
		struct net_resolver *place = NULL;
		struct ip_addr addr;

		memcpy(&addr, cursor_bytes(&c, sizeof(addr)).data, sizeof(addr));
		for (unsigned i = 0; i < NET_RESOLVERS; i++) {
			struct net_resolver *r = &net->resolvers[i];
			if (r->until <= now) {
				place = place ? place : r;
			} else if (ip_equal(&r->addr, &addr)) {
				place = r;
				break;
			}
		}
		if (place && !ip_is4(&addr))
			*place = (struct net_resolver){addr, until};
	}
}

static void domains_heard(struct net *net, const struct nd_option *option)
{
	kiln_time now = net_now(net);

	if (option->dns.list.len > sizeof(net->domains.names))
		return;
	memcpy(net->domains.names, option->dns.list.data, option->dns.list.len);
	net->domains.size = (uint16_t)option->dns.list.len;
	net->domains.until = option->dns.lifetime == ND_FOREVER
	                         ? KILN_NEVER
	                         : now + KILN_SECONDS((kiln_time)option->dns.lifetime);
}

/* ---- advertisements ---- */

static void option_heard(struct net *net, const struct nd_option *option)
{
	switch (option->type) {
	case ND_OPTION_PREFIX:
		if (option->prefix.on_link)
			prefix_heard(net, &option->prefix);
		if (option->prefix.autonomous)
			slaac_prefix(net, &option->prefix);
		break;
	case ND_OPTION_MTU: /* 6.3.4 */
		if (option->mtu >= IP6_MTU_MIN && option->mtu <= net->device->mtu)
			net->mtu[NET_IP6] = (uint16_t)option->mtu;
		break;
	case ND_OPTION_RESOLVERS:
		resolvers_heard(net, option);
		break;
	case ND_OPTION_DOMAINS:
		domains_heard(net, option);
		break;
	default:
		break;
	}
}

/* 6.3.2: half to one and a half times what is advertised. */
static void times_heard(struct net *net, const struct nd_message *m)
{
	struct neighbour_times *times = &net->neighbours.times[NET_IP6];
	struct ip6 *ip6 = net->ip6;
	const uint32_t hour = 3600 * 1000; /* 6.2.1: AdvReachableTime at most */

	if (m->hop_limit)
		net->ttl[NET_IP6] = m->hop_limit;
	if (m->retransmit)
		times->retransmit = KILN_MS((kiln_time)m->retransmit);
	if (m->reachable && m->reachable <= hour && m->reachable != ip6->reachable_base) {
		ip6->reachable_base = m->reachable;
		times->reachable =
		    KILN_MS((kiln_time)m->reachable / 2 +
		            random_below(&net->kiln->random, m->reachable));
	}
}

bool nd_router_advertisement(struct net *net, const struct net_packet *packet,
                             const struct nd_message *m)
{
	struct cursor options = cursor_of(m->options);
	struct nd_option option;

	/* A network that the options set whole is not changed from outside. */
	if (!net->ip6->listens)
		return true;
	times_heard(net, m);
	nd_learn(net, &packet->src, m, true);
	router_heard(net, &packet->src, m);
	while (nd_option_next(&options, &option))
		option_heard(net, &option);
	ip6_expiry_set(net);
	return true;
}

/* ---- redirects ---- */

/* 8.1: from whom we send to now; 8.3. The oldest gives way. */
bool nd_redirect(struct net *net, const struct net_packet *packet,
                 const struct nd_message *m)
{
	struct ip6 *ip6 = net->ip6;
	struct ip6_redirect *place = &ip6->redirects[0];
	struct ip_addr hop;

	if (!ip6_hop(net, &m->destination, &hop) || !ip_equal(&hop, &packet->src) ||
	    ip6_address_find(net, &m->target))
		return false;
	for (unsigned i = 0; i < IP6_REDIRECTS; i++) {
		struct ip6_redirect *r = &ip6->redirects[i];
		if (r->at && ip_equal(&r->dst, &m->destination)) {
			place = r;
			break;
		}
		if (r->at < place->at)
			place = r;
	}
	*place = (struct ip6_redirect){
	    .dst = m->destination, .hop = m->target, .at = KILN_MAX(net_now(net), 1)};
	nd_learn(net, &m->target, m, !ip_equal(&m->target, &m->destination));
	ip6_expiry_set(net);
	return true;
}

/* ---- ends ---- */

void nd_router_leave(struct net *net, const struct ip_addr *addr)
{
	struct ip6_router *router = router_find(net->ip6, addr);

	if (router)
		router->until = 0;
	for (unsigned i = 0; i < IP6_REDIRECTS; i++) {
		struct ip6_redirect *r = &net->ip6->redirects[i];
		if (ip_equal(&r->hop, addr) && !ip_equal(&r->dst, addr))
			r->at = 0;
	}
}

void nd_router_expire(struct net *net, kiln_time now)
{
	for (unsigned i = 0; i < IP6_REDIRECTS; i++) {
		struct ip6_redirect *r = &net->ip6->redirects[i];
		if (r->at && r->at + REDIRECT_LIFETIME <= now)
			r->at = 0;
	}
}

/* Routers and prefixes are looked at by their times: only what is redirected ends here. */
kiln_time nd_router_next(const struct net *net)
{
	kiln_time next = KILN_NEVER;

	for (unsigned i = 0; i < IP6_REDIRECTS; i++) {
		const struct ip6_redirect *r = &net->ip6->redirects[i];
		if (r->at)
			next = KILN_MIN(next, r->at + REDIRECT_LIFETIME);
	}
	return next;
}
