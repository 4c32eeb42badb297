/*
 * The IPv4 address of an interface: from the options, or a lease of DHCP's.
 */
#include "net_private.h"

KILN_OPTION_OF(
    ip, KILN_PARAM_TYPE_PREFIX, &ip_kind_prefix, "dhcp",
    "address and prefix length, or dhcp; name each device if there are several");
KILN_OPTION_OF(gateway, KILN_PARAM_TYPE_ADDRESS, &ip_kind_address, "",
               "router to other networks");

/* ---- the address ---- */

bool net_lease_plausible(const struct net_lease *lease)
{
	uint32_t address = ip4_value(lease->address);

	if (!ip4_is_host(address) || lease->prefix == 0)
		return false;
	if (lease->prefix > 30) /* RFC 3021: neither network nor broadcast address */
		return true;
	uint32_t last = UINT32_MAX >> lease->prefix;
	return (address & last) != 0 && (address & last) != last;
}

void net_set_address(struct net *net, const struct net_lease *lease)
{
	uint32_t address = ip4_value(lease->address);
	struct ip4 *ip4 = net->ip4;
	char text[64];
	struct writer w = writer_of(text, sizeof(text));

	neighbour_forget(net, &ip4_family);
	ip4->address = lease->address;
	ip4->gateway = lease->gateway;
	ip4->prefix = lease->prefix;
	ip4->mask = lease->prefix ? UINT32_MAX << (32 - lease->prefix) : 0;
	/* RFC 3021: a subnet of two addresses has no broadcast address, nor has one of
	 * one. Another than the last one is historical (RFC 1122, 3.3.6), but may be told. */
	ip4->broadcast = lease->prefix <= 30 ? address | ~ip4->mask : 0;
	if (ip4->broadcast && ip4_on_link(ip4, lease->broadcast) &&
	    !ip4_equal(lease->broadcast, lease->address))
		ip4->broadcast = ip4_value(lease->broadcast);
	net->mtu[NET_IP4] =
	    lease->mtu ? KILN_MIN(lease->mtu, net->device->mtu) : net->device->mtu;
	ip4->up = true;
	arp_announce(net);

	ip4_format(&w, lease->address);
	writer_format(&w, "/%u", lease->prefix);
	if (ip4_value(lease->gateway)) {
		writer_text(&w, " gateway ");
		ip4_format(&w, lease->gateway);
	}
	log_info(net->kiln, "net", "%s up, %.*s", net->name, SLICE_ARG(writer_done(&w)));
	net_changed(net);
}

void net_clear_address(struct net *net)
{
	struct ip4 *ip4 = net->ip4;

	if (!ip4->up)
		return;
	ip4->up = false;
	ip4->address = ip4->gateway = ip4_of(0);
	ip4->mask = ip4->broadcast = 0;
	neighbour_forget(net, &ip4_family);
	log_info(net->kiln, "net", "%s down, its lease has ended", net->name);
	net_changed(net);
}

/* ---- configuration ---- */

/* "10.0.0.2/24" */
static bool lease_parse(struct slice text, struct net_lease *lease)
{
	size_t slash = slice_find(text, '/');
	uint64_t prefix;

	if (!ip4_parse(slice_take(text, slash), &lease->address) ||
	    !slice_decimal(slice_skip(text, slash + 1), 32, &prefix))
		return false;
	lease->prefix = (uint8_t)prefix;
	return net_lease_plausible(lease);
}

void ip4_start(struct net *net)
{
	struct kiln *k = net->kiln;
	struct net_lease lease = {.mtu = 0};
	struct slice option, gateway;

	option = kiln_option(k, "ip", &option) ? net_option_part(net, option) : SLICE("");
	if (slice_equal(option, SLICE("off"))) {
		net->families[NET_IP4] = NULL;
		return;
	}
	net->ip4 = kiln_alloc(k, sizeof(*net->ip4), "net");
	ip4_output_init(net);
	arp_init(net);
	if (option.len == 0 || slice_equal(option, SLICE("dhcp"))) {
		log_info(k, "net", "%s asks for an address by DHCP", net->name);
		dhcp_start(net);
		return;
	}
	if (!lease_parse(option, &lease))
		kiln_fail(k, "net", "--ip: %.*s is no address that %s can have",
		          SLICE_ARG(option), net->name);
	if (kiln_option(k, "gateway", &gateway) && gateway.len) {
		if (!ip4_parse(gateway, &lease.gateway))
			kiln_fail(k, "net", "--gateway: %.*s is no IPv4 address",
			          SLICE_ARG(gateway));
		uint32_t differ = ip4_value(lease.gateway) ^ ip4_value(lease.address);
		/* A host route (/32) has its gateway on the link nevertheless. */
		if (lease.prefix < 32 && differ >> (32 - lease.prefix))
			kiln_fail(k, "net", "--gateway: %.*s is not in the network %.*s",
			          SLICE_ARG(gateway), SLICE_ARG(option));
	}
	net_set_address(net, &lease);
}

struct ip4_addr net_address(const struct net *net)
{
	return net->ip4 ? net->ip4->address : ip4_of(0);
}
