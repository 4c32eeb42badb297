/*
 * Neighbour discovery (RFC 4861, 7; RFC 4862, 5.4): questions and answers about who has
 * which address on the link. What is learnt is kept by neighbour.c; what routers say is in
 * nd_router.c.
 */
#include "net_private.h"

void nd_send(struct net *net, const struct ip_addr *src, const struct ip_addr *dst,
             struct nd_message *m, bool with_mac)
{
	uint8_t bytes[ND_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	m->has_mac = with_mac;
	memcpy(m->mac, net->device->mac, ETH_MAC);
	nd_wire_emit(&w, m);
	icmp6_send(net, src, dst, ND_HOP_LIMIT, writer_done(&w));
}

/* ---- questions ---- */

void nd_probe(struct net *net, const struct ip_addr *addr)
{
	struct nd_message m = {.type = ICMP6_NEIGHBOUR_SOLICITATION, .target = *addr};
	struct ip_addr group = ip6_solicited_node(addr);

	nd_send(net, &ip6_none, &group, &m, false);
}

/* An address of ours that nobody can object to any more (RFC 4429, 3.2): one like the
 * neighbour's, or the link-local one. NULL: none yet; the question is asked again. */
static const struct ip_addr *asker(const struct net *net, const struct ip_addr *about)
{
	const struct ip6_address *best = NULL;

	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		const struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && !ip6_is_optimistic(a) &&
		    (!best || ip6_common_bits(&a->addr, about) >
		                  ip6_common_bits(&best->addr, about)))
			best = a;
	}
	return best ? &best->addr : NULL;
}

void nd_ask(struct net *net, const struct neighbour *n, bool unicast)
{
	struct nd_message m = {.type = ICMP6_NEIGHBOUR_SOLICITATION, .target = n->addr};
	struct ip_addr group = ip6_solicited_node(&n->addr);
	const struct ip_addr *src = asker(net, &n->addr);

	if (src)
		nd_send(net, src, unicast ? &n->addr : &group, &m, true);
}

/* ---- answers ---- */

void nd_learn(struct net *net, const struct ip_addr *addr, const struct nd_message *m,
              bool router)
{
	struct neighbour *n = neighbour_find(net, addr);

	if (!n && m->has_mac)
		n = neighbour_add(net, &ip6_family, addr);
	if (!n)
		return;
	n->router |= router;
	if (m->has_mac)
		neighbour_learn(n, m->mac, false);
}

/* 7.2.3, 7.2.4 */
static bool solicitation(struct net *net, const struct net_packet *packet,
                         const struct nd_message *m)
{
	struct ip6_address *a = ip6_address_find(net, &m->target);
	bool probe = ip6_is_unspecified(&packet->src);
	struct nd_message answer = {.type = ICMP6_NEIGHBOUR_ADVERTISEMENT,
	                            .target = m->target,
	                            .solicited = !probe,
	                            .override = a && !ip6_is_optimistic(a)};

	if (!a)
		return false;
	/* Two that take the same address up at once both see the other's question. */
	if (probe && a->unproven) {
		ip6_address_duplicate(a);
		return true;
	}
	if (!probe)
		nd_learn(net, &packet->src, m, false);
	nd_send(net, &a->addr, probe ? &IP6_ALL_NODES : &packet->src, &answer, true);
	return true;
}

/* Appendix C: what an advertisement does to an entry that has a link address. */
static void advertised(struct neighbour *n, const struct nd_message *m)
{
	bool other = m->has_mac && memcmp(n->mac, m->mac, ETH_MAC) != 0;

	if (other && !m->override) {
		/* Another says that it has the address: ours is not taken for granted. */
		if (n->state == NEIGHBOUR_REACHABLE)
			neighbour_suspect(n);
		return;
	}
	const uint8_t *mac = m->has_mac ? m->mac : n->mac;
	if (m->solicited || other)
		neighbour_learn(n, mac, m->solicited);
}

/* 7.2.5 */
static bool advertisement(struct net *net, const struct nd_message *m)
{
	struct ip6_address *ours = ip6_address_find(net, &m->target);

	if (ours && ours->unproven) {
		ip6_address_duplicate(ours);
		return true;
	}
	if (ours) { /* kept: it was ours first, as far as we could see */
		net->counters.ip6_conflicts++;
		return true;
	}
	struct neighbour *n = neighbour_find(net, &m->target);
	if (!n)
		return false;
	if (n->state == NEIGHBOUR_INCOMPLETE || n->state == NEIGHBOUR_FAILED) {
		if (!m->has_mac)
			return false;
		neighbour_learn(n, m->mac, m->solicited);
	} else {
		advertised(n, m);
	}
	if (n->router && !m->router)
		nd_router_leave(net, &m->target);
	n->router = m->router;
	return true;
}

bool nd_input(struct net *net, const struct net_packet *packet,
              const struct icmp6_message *icmp)
{
	struct nd_message m;

	if (!nd_wire_parse(packet, icmp, &m))
		return false;
	if (ip6_address_find(net, &packet->src) &&
	    m.type != ICMP6_NEIGHBOUR_ADVERTISEMENT)
		return false;
	switch (m.type) {
	case ICMP6_NEIGHBOUR_SOLICITATION:
		return solicitation(net, packet, &m);
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		return advertisement(net, &m);
	case ICMP6_ROUTER_ADVERTISEMENT:
		return nd_router_advertisement(net, packet, &m);
	case ICMP6_REDIRECT:
		return nd_redirect(net, packet, &m);
	default: /* a solicitation of routers: we are none */
		return true;
	}
}
