/*
 * Stateless address autoconfiguration (RFC 4862, 5.5), with identifiers of the interface
 * that are stable in each network and tell nothing to others (RFC 7217, as RFC 8064 asks).
 */
#include "net_private.h"

#define TWO_HOURS KILN_SECONDS(7200)

/* RFC 5453: anycast addresses of routers and of Mobile IPv6. */
static bool is_reserved(const uint8_t id[IP6_ID_BYTES])
{
	static const uint8_t router[IP6_ID_BYTES];
	static const uint8_t anycast[] = {0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t ethernet[] = {0x02, 0x00, 0x5e, 0xff, 0xfe};

	return memcmp(id, router, sizeof(router)) == 0 ||
	       (memcmp(id, anycast, sizeof(anycast)) == 0 && id[7] >= 0x80) ||
	       memcmp(id, ethernet, sizeof(ethernet)) == 0;
}

void slaac_identify(const struct ip6 *ip6, struct ip_addr *addr, uint8_t tries)
{
	uint8_t text[8 + ETH_MAC + 2] = {0};
	uint8_t *id = addr->bytes + 16 - IP6_ID_BYTES;

	memcpy(text, addr->bytes, 8);
	memcpy(text + 8, ip6->net->device->mac, ETH_MAC);
	text[8 + ETH_MAC] = tries;
	do {
		uint64_t hash = siphash(ip6->secret, text, sizeof(text));
		memcpy(id, &hash, IP6_ID_BYTES);
		text[8 + ETH_MAC + 1]++;
	} while (is_reserved(id));
}

static kiln_time end_of(kiln_time now, uint32_t seconds)
{
	return seconds == ND_FOREVER ? KILN_NEVER
	                             : now + KILN_SECONDS((kiln_time)seconds);
}

/* 5.5.3 (e): a message that nobody has signed shortens no address's life to less than two
 * hours. */
static kiln_time valid_until(const struct ip6_address *a, kiln_time now, uint32_t seconds)
{
	kiln_time said = end_of(now, seconds), left = a->valid_until - now;

	if (KILN_SECONDS((kiln_time)seconds) > TWO_HOURS || said > a->valid_until)
		return said;
	return left <= TWO_HOURS ? a->valid_until : now + TWO_HOURS;
}

void slaac_prefix(struct net *net, const struct nd_prefix *prefix)
{
	kiln_time now = net_now(net);
	struct ip_addr addr = {{0}};

	if (!net->ip6->automatic || prefix->preferred > prefix->valid ||
	    prefix->length != 128 - 8 * IP6_ID_BYTES)
		return;
	memcpy(addr.bytes, prefix->prefix.bytes, prefix->length / 8);
	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		struct ip6_address *a = &net->ip6->addresses[i];
		if (a->used && a->automatic && a->prefix == prefix->length &&
		    ip6_common_bits(&a->addr, &addr) >= prefix->length) {
			ip6_address_live(a, end_of(now, prefix->preferred),
			                 valid_until(a, now, prefix->valid));
			return;
		}
	}
	if (prefix->valid == 0)
		return;
	slaac_identify(net->ip6, &addr, 0);
	struct ip6_address *a = ip6_address_add(net, &addr, prefix->length, true);
	if (!a)
		return;
	ip6_address_live(a, end_of(now, prefix->preferred), end_of(now, prefix->valid));
	net_changed(net);
}
