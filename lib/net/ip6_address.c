/*
 * Our IPv6 addresses: taken up, checked for being another's too, preferred, deprecated and
 * given up (RFC 4862, 5.4 and 5.5.4).
 *
 * An address is used from its first moment on, while duplicate address detection still
 * waits for an objection: a service that boots in milliseconds should not wait for a second,
 * and a duplicate is as rare as an IPv4 address that is used twice, which is not waited for
 * either. One that we made is optimistic for that second (RFC 4429): we do not ask from it,
 * and our answers have the override flag clear, so that nobody's cache is changed by it. One
 * that the options give is ours like an IPv4 address of theirs, without such restraint, and
 * given up if somebody objects.
 */
#include "net_private.h"

struct ip6_address *ip6_address_find(const struct net *net, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && ip_equal(&a->addr, addr) && a->valid_until > net_now(net))
			return a;
	}
	return NULL;
}

struct ip6_address *ip6_link_local(const struct net *net)
{
	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && ip6_is_link_local(&a->addr))
			return a;
	}
	return NULL;
}

/* Every interface has a link-local one: nothing to tell. */
static void address_log(const struct ip6_address *a, const char *what)
{
	char text[64];
	struct writer w = writer_of(text, sizeof(text));

	if (ip6_is_link_local(&a->addr))
		return;
	ip_format(&w, &a->addr);
	writer_format(&w, "/%u", a->prefix);
	log_info(a->net->kiln, "net", "%s %s %.*s", a->net->name, what,
	         SLICE_ARG(writer_done(&w)));
}

static void address_remove(struct ip6_address *a)
{
	struct net *net = a->net;
	struct ip_addr group = ip6_solicited_node(&a->addr);

	timer_cancel(&net->kiln->loop, &a->timer);
	mld_leave(net, &group);
	a->used = false;
}

/* ---- duplicate address detection ---- */

/* Nobody objected. */
static void detection_over(struct timer *timer)
{
	kiln_container(timer, struct ip6_address, timer)->unproven = false;
}

static void detection_start(struct ip6_address *a)
{
	struct net *net = a->net;
	struct ip_addr group = ip6_solicited_node(&a->addr);

	a->unproven = true;
	(void)mld_join(net, &group); /* there is room for each address */
	nd_probe(net, &a->addr);
	timer_set(&net->kiln->loop, &a->timer,
	          net_now(net) + net->neighbours.times[NET_IP6].retransmit);
}

struct ip6_address *ip6_address_add(struct net *net, const struct ip_addr *addr,
                                    uint8_t prefix, bool automatic)
{
	struct ip6_address *a = net->ip6->addresses;

	while (a->used) {
		if (++a == net->ip6->addresses + IP6_ADDRESSES)
			return NULL;
	}
	*a = (struct ip6_address){.addr = *addr,
	                          .net = net,
	                          .prefix = prefix,
	                          .used = true,
	                          .automatic = automatic,
	                          .preferred_until = KILN_NEVER,
	                          .valid_until = KILN_NEVER};
	timer_init(&a->timer, detection_over);
	detection_start(a);
	address_log(a, "up,");
	return a;
}

/* RFC 4862, 5.4.5. One that we made we make anew (RFC 7217, 6); one that was given to us is
 * given up, for its owner was there first. */
void ip6_address_duplicate(struct ip6_address *a)
{
	enum { IDGEN_RETRIES = 3 }; /* RFC 7217, 5 */
	struct net *net = a->net;
	struct ip6_address old = *a;

	net->counters.ip6_conflicts++;
	address_remove(a);
	if (old.automatic && old.tries < IDGEN_RETRIES) {
		struct ip_addr addr = old.addr;
		slaac_identify(net->ip6, &addr, ++old.tries);
		a = ip6_address_add(net, &addr, old.prefix, true);
		a->tries = old.tries;
		a->preferred_until = old.preferred_until;
		a->valid_until = old.valid_until;
	} else {
		address_log(&old, "gives up, for another host has it,");
	}
	net_changed(net);
}

/* ---- lifetimes ---- */

static void expiry_fire(struct timer *timer)
{
	struct net *net = kiln_container(timer, struct ip6, expiry)->net;
	kiln_time now = net_now(net);
	bool changed = false;

	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && a->valid_until <= now) {
			address_log(a, "down, its lifetime is over,");
			address_remove(a);
			changed = true;
		}
	}
	nd_router_expire(net, now);
	ip6_expiry_set(net);
	if (changed)
		net_changed(net);
}

void ip6_address_init(struct net *net)
{
	timer_init(&net->ip6->expiry, expiry_fire);
}

void ip6_expiry_set(struct net *net)
{
	struct ip6 *ip6 = net->ip6;
	kiln_time next = nd_router_next(net);

	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		if (ip6->addresses[i].used)
			next = KILN_MIN(next, ip6->addresses[i].valid_until);
	}
	if (next != KILN_NEVER)
		timer_set(&net->kiln->loop, &ip6->expiry, next);
	else
		timer_cancel(&net->kiln->loop, &ip6->expiry);
}

void ip6_address_live(struct ip6_address *a, kiln_time preferred, kiln_time valid)
{
	a->preferred_until = preferred;
	a->valid_until = valid;
	ip6_expiry_set(a->net);
}

/* ---- what others ask ---- */

bool ip6_is_up(const struct net *net)
{
	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		const struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && a->valid_until > net_now(net) &&
		    !ip6_is_link_local(&a->addr))
			return true;
	}
	return false;
}

unsigned ip6_addresses(const struct net *net, struct net_address *out, unsigned most)
{
	kiln_time now = net_now(net);
	unsigned count = 0;

	for (unsigned i = 0; i < IP6_ADDRESSES && count < most; i++) {
		const struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && a->valid_until > now)
			out[count++] = (struct net_address){
			    .addr = a->addr,
			    .prefix = a->prefix,
			    .deprecated = a->preferred_until <= now,
			    .unproven = a->unproven,
			};
	}
	return count;
}
