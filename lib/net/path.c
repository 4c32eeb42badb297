/*
 * What is known of paths: how large a packet reaches a destination (RFC 1191, 8201).
 *
 * That a path is narrow is learnt from an ICMP error that its transport believes. That it
 * swallows large packets without a word is only suspected, by a transport whose packets did
 * not arrive: it begins with smaller ones next time, and tries larger ones (RFC 4821, 5.2).
 * Both are forgotten after ten minutes. The table has one place for each hash of an address:
 * the newest knowledge stays.
 */
#include "net_private.h"

#define PATH_LIFETIME KILN_SECONDS(600) /* RFC 1191, 6.3; RFC 8201, 5.3 */
enum { PATHS_MIN = 16, PATHS_MAX = 1024 };

void path_init(struct net *net)
{
	unsigned count = PATHS_MIN;

	while (count < PATHS_MAX && count < net_memory(net) / (256u << 10))
		count *= 2;
	net->paths = kiln_alloc(net->kiln, count * sizeof(*net->paths), "paths");
	net->path_mask = count - 1;
}

static struct net_path *path_place(const struct net *net, const struct ip_addr *dst)
{
	return &net->paths[siphash(net->key, dst, sizeof(*dst)) & net->path_mask];
}

/* NULL: nothing was ever known of it. */
static const struct net_path *path_find(const struct net *net, const struct ip_addr *dst)
{
	const struct net_path *path = net->paths_known ? path_place(net, dst) : NULL;

	return path && ip_equal(&path->dst, dst) ? path : NULL;
}

static struct net_path *path_take(struct net *net, const struct ip_addr *dst)
{
	struct net_path *path = path_place(net, dst);

	if (!ip_equal(&path->dst, dst))
		*path = (struct net_path){.dst = *dst};
	net->paths_known = true;
	return path;
}

void net_path_learn(struct net *net, const struct ip_addr *dst, uint32_t mtu)
{
	const struct net_family *family = net_family(net, dst);
	uint32_t total = family ? mtu + family->header : 0;

	if (!family || total >= path_mtu(net, family, dst))
		return; /* a path only ever shrinks this way */
	struct net_path *path = path_take(net, dst);
	path->mtu = (uint16_t)KILN_MAX(total, family->mtu_min);
	path->mtu_until = net_now(net) + PATH_LIFETIME;
}

uint16_t path_mtu(const struct net *net, const struct net_family *family,
                  const struct ip_addr *dst)
{
	const struct net_path *path = path_find(net, dst);
	uint16_t mtu = net->mtu[family->index];

	if (net_is_own(net, dst))
		return NET_PACKET_MAX;
	return path && path->mtu_until > net_now(net) ? KILN_MIN(path->mtu, mtu) : mtu;
}

void net_path_suspect(struct net *net, const struct ip_addr *dst, uint32_t passes)
{
	if (passes == 0 && !path_find(net, dst))
		return;
	struct net_path *path = path_take(net, dst);
	path->passes = (uint16_t)passes;
	path->passes_until = net_now(net) + PATH_LIFETIME;
}

uint32_t net_path_passes(const struct net *net, const struct ip_addr *dst)
{
	const struct net_path *path = path_find(net, dst);

	return path && path->passes_until > net_now(net) ? path->passes : 0;
}

uint32_t net_path_mtu(const struct net *net, const struct ip_addr *dst)
{
	const struct net_family *family = net_family(net, dst);

	return family ? (uint32_t)path_mtu(net, family, dst) - family->header : 0;
}
