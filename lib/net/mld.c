/*
 * Multicast listener discovery, the listener's side (RFC 3810; RFC 2710 where a router
 * knows only that): switches and routers are told which groups are listened to, among them
 * the solicited-node groups that neighbour discovery needs.
 *
 * Every group is listened to from all sources. Changes are reported twice, and answers to
 * queries wait a random time, in which others' are joined to them: one report of all groups
 * (5.2.12 allows more than was asked for).
 */
#include "mld_wire.h"
#include "net_private.h"

enum { ROBUSTNESS = 2 };
#define CHANGE_INTERVAL  KILN_SECONDS(1)   /* 9.11: Unsolicited Report Interval */
#define VERSION1_PRESENT KILN_SECONDS(260) /* 9.12, with the default intervals */
enum { REPORT_SIZE = MLD_REPORT_HEADER + IP6_GROUPS * MLD_RECORD_HEADER };

#define ALL_LISTENERS ((struct ip_addr){{0xff, 2, [15] = 0x16}}) /* MLDv2 routers */

/* ---- reports ---- */

/* A message with the router alert in front; from the link-local address, or from nobody
 * until that is ours for certain (RFC 3590). */
static void report_send(struct net *net, const struct ip_addr *dst, uint8_t *message,
                        size_t size)
{
	const struct ip6_address *a = ip6_link_local(net);
	const struct ip_addr *src = a && !a->unproven ? &a->addr : &ip6_none;
	struct net_send_options options = {.src = src, .ttl = MLD_HOP_LIMIT};
	struct netdev_frame frame;

	icmp6_wire_seal(message, size, src, dst);
	netdev_frame_init(&frame);
	if (net_frame_copy(net, &frame, slice_of(message, size)) == KILN_OK) {
		ip6_wire_emit_router_alert(netdev_frame_push(&frame, IP6_ROUTER_ALERT),
		                           IP6_NEXT_ICMP);
		(void)net_send(net, &frame, IP6_NEXT_HOP_BY_HOP, dst, NET_NO_CHECKSUM,
		               &options);
	}
	net_frame_release(&frame);
}

static void report_version1(struct net *net, const struct mld_record *record)
{
	uint8_t message[MLD_V1_SIZE];
	bool leaves = record->type == MLD_TO_INCLUDE;

	mld_wire_emit_v1(message, leaves ? ICMP6_MLD_DONE : ICMP6_MLD_REPORT_V1,
	                 &record->group);
	report_send(net, leaves ? &IP6_ALL_ROUTERS : &record->group, message,
	            sizeof(message));
}

static void report(struct net *net, const struct mld_record *records, uint16_t count)
{
	uint8_t message[REPORT_SIZE];
	struct writer w = writer_of(message, sizeof(message));

	if (count == 0)
		return;
	if (net->ip6->mld.version1_until > net_now(net)) {
		for (uint16_t i = 0; i < count; i++)
			report_version1(net, &records[i]);
		return;
	}
	mld_wire_emit_report(&w, records, count);
	report_send(net, &ALL_LISTENERS, message, writer_done(&w).len);
}

/* The groups that changed (6.1). */
static void change_fire(struct timer *timer)
{
	struct mld *mld = kiln_container(timer, struct mld, change);
	struct mld_record records[IP6_GROUPS];
	uint16_t count = 0;
	bool again = false;

	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		struct ip6_group *g = &mld->groups[i];
		if (g->reports == 0)
			continue;
		records[count++] = (struct mld_record){
		    g->members ? MLD_TO_EXCLUDE : MLD_TO_INCLUDE, g->addr};
		g->reports--;
		again |= g->reports != 0;
	}
	report(mld->net, records, count);
	if (again)
		timer_set(&mld->net->kiln->loop, timer,
		          net_now(mld->net) +
		              random_below(&mld->net->kiln->random, CHANGE_INTERVAL));
}

/* All that is listened to (6.2, 6.3). */
static void answer_fire(struct timer *timer)
{
	struct mld *mld = kiln_container(timer, struct mld, answer);
	struct mld_record records[IP6_GROUPS];
	uint16_t count = 0;

	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		if (mld->groups[i].members)
			records[count++] =
			    (struct mld_record){MLD_IS_EXCLUDE, mld->groups[i].addr};
	}
	report(mld->net, records, count);
}

void mld_init(struct net *net)
{
	struct mld *mld = &net->ip6->mld;

	mld->net = net;
	timer_init(&mld->change, change_fire);
	timer_init(&mld->answer, answer_fire);
}

/* ---- groups ---- */

static struct ip6_group *group_find(const struct net *net, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		struct ip6_group *g = &net->ip6->mld.groups[i];
		if ((g->members || g->reports) && ip_equal(&g->addr, addr))
			return g;
	}
	return NULL;
}

static struct ip6_group *group_place(const struct net *net)
{
	struct ip6_group *leaving = NULL;

	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		struct ip6_group *g = &net->ip6->mld.groups[i];
		if (!g->members && !g->reports)
			return g;
		if (!g->members)
			leaving = g; /* reported once, perhaps: that has to do */
	}
	return leaving;
}

/* Reported now, and once more. */
static void group_changed(struct net *net, struct ip6_group *group)
{
	struct mld *mld = &net->ip6->mld;

	group->reports = ROBUSTNESS;
	timer_set(&net->kiln->loop, &mld->change, net_now(net));
}

bool mld_join(struct net *net, const struct ip_addr *addr)
{
	struct ip6_group *g = group_find(net, addr);

	if (!g)
		g = group_place(net);
	if (!g || g->members == UINT8_MAX)
		return false;
	if (!ip_equal(&g->addr, addr))
		*g = (struct ip6_group){.addr = *addr};
	if (g->members++ == 0)
		group_changed(net, g);
	return true;
}

void mld_leave(struct net *net, const struct ip_addr *addr)
{
	struct ip6_group *g = group_find(net, addr);

	if (g && g->members && --g->members == 0)
		group_changed(net, g);
}

bool mld_is_member(const struct net *net, const struct ip_addr *addr)
{
	const struct ip6_group *g = group_find(net, addr);

	return g && g->members;
}

/* ---- queries ---- */

bool mld_input(struct net *net, const struct net_packet *packet, bool router_alert,
               const struct icmp6_message *icmp)
{
	struct mld *mld = &net->ip6->mld;
	struct mld_query query;

	if (!mld_wire_parse_query(packet, router_alert, icmp, &query))
		return false;
	if (query.version == 1)
		mld->version1_until = net_now(net) + VERSION1_PRESENT;
	if (!ip6_is_unspecified(&query.group) && !mld_is_member(net, &query.group))
		return true;
	kiln_time at = net_now(net) + KILN_MS((kiln_time)random_below(
	                                  &net->kiln->random, query.response_delay + 1));
	if (!timer_is_set(&mld->answer) || at < mld->answer.deadline)
		timer_set(&net->kiln->loop, &mld->answer, at);
	return true;
}
