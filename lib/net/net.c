/*
 * One interface: its device, how it is configured, its counters, and the way of a
 * received frame to ARP or IPv4. Implements <kiln/net.h>.
 *
 * All memory is taken from the image's arena in net_up, in proportion to what the image
 * has and within bounds; nothing is allocated later.
 */
#include <kiln/target.h>
#include "net_private.h"

KILN_LIBRARY(net, "0.1");
KILN_OPTION(ip, KILN_PARAM_TYPE_PREFIX, "dhcp",
            "address and prefix length, or dhcp; name each device if there are several");
KILN_OPTION(gateway, KILN_PARAM_TYPE_ADDRESS, "", "router to other networks");

/* ---- frames in ---- */

static void net_receive(void *stack, struct slice frame,
                        const struct netdev_offload *offload)
{
	struct net *net = stack;
	const struct eth_wire *eth = eth_wire_parse(frame);

	net->counters.rx_frames++;
	net->counters.rx_bytes += frame.len;
	if (!eth) {
		net->counters.drop_ethernet++;
		return;
	}
	bool broadcast = eth_is_broadcast(eth->dst);
	if (!broadcast && memcmp(eth->dst, net->device->mac, ETH_MAC) != 0) {
		net->counters.drop_ethernet++;
		return;
	}
	struct slice packet = slice_skip(frame, ETH_HEADER);
	switch (be16_get(eth->type)) {
	case ETH_TYPE_IP4:
		ip4_input(net, packet, broadcast, offload);
		return;
	case ETH_TYPE_ARP:
		arp_input(net, packet);
		return;
	default:
		net->counters.drop_ethernet++;
	}
}

static unsigned net_poll(struct loop_source *source, unsigned budget)
{
	struct net *net = kiln_container(source, struct net, source);

	return net->device->ops->poll(net->device, budget);
}

static void net_flush(struct loop_source *source)
{
	struct net *net = kiln_container(source, struct net, source);

	if (net->device->ops->flush)
		net->device->ops->flush(net->device);
}

/* ---- the address ---- */

static void net_changed(struct net *net)
{
	for (unsigned i = 0; i < net->watcher_count; i++)
		net->watchers[i].changed(net, net->watchers[i].context);
}

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
	char text[64];
	struct writer w = writer_of(text, sizeof(text));

	arp_forget(net);
	net->address = lease->address;
	net->gateway = lease->gateway;
	net->prefix = lease->prefix;
	net->mask = lease->prefix ? UINT32_MAX << (32 - lease->prefix) : 0;
	/* RFC 3021: a subnet of two addresses has no broadcast address, nor has one of
	 * one. */
	net->broadcast = lease->prefix <= 30 ? address | ~net->mask : 0;
	net->mtu = lease->mtu ? KILN_MIN(lease->mtu, net->device->mtu) : net->device->mtu;
	net->up = true;
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
	if (!net->up)
		return;
	net->up = false;
	net->address = net->gateway = ip4_of(0);
	net->mask = net->broadcast = 0;
	arp_forget(net);
	log_info(net->kiln, "net", "%s down, its lease has ended", net->name);
	net_changed(net);
}

/* ---- configuration ---- */

/* This device's part of the option: "net0=10.0.0.2/24,net1=dhcp", or all of it. */
static struct slice option_for_device(struct slice text, const char *device)
{
	struct slice rest = text;

	while (rest.len) {
		struct slice item = slice_take(rest, slice_find(rest, ','));
		size_t equals = slice_find(item, '=');
		if (equals == item.len ||
		    slice_equal(slice_take(item, equals), slice_text(device)))
			return slice_skip(item, equals == item.len ? 0 : equals + 1);
		rest = slice_skip(rest, item.len + 1);
	}
	return SLICE("dhcp");
}

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

static void configure(struct net *net)
{
	struct kiln *k = net->kiln;
	struct net_lease lease = {.mtu = 0};
	struct slice option, gateway;

	if (!kiln_option(k, "ip", &option))
		option = SLICE("dhcp");
	option = option_for_device(option, net->name);
	if (slice_equal(option, SLICE("dhcp"))) {
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

struct net *net_up(struct kiln *k, const struct kiln_device *device)
{
	struct netdev *dev = target_netdev(k, device);

	if (!dev)
		kiln_fail(k, "net", "there is no network device %s", device->name);
	if (dev->mtu < IP4_MTU_MIN)
		kiln_fail(k, "net", "%s: an MTU of %u is too small", device->name,
		          dev->mtu);
	struct net *net = kiln_alloc(k, sizeof(*net), "net");
	net->kiln = k;
	net->device = dev;
	net->name = device->name;
	net->mtu = dev->mtu;
	output_init(net);
	arp_init(net);
	fragment_init(net);
	icmp_init(net);

	dev->receive = net_receive;
	dev->stack = net;
	net->source.poll = net_poll;
	net->source.flush = net_flush;
	loop_add(&k->loop, &net->source);
	configure(net);
	return net;
}

/* ---- what others ask ---- */

struct ip4_addr net_address(const struct net *net)
{
	return net->address;
}

bool net_is_up(const struct net *net)
{
	return net->up;
}

void net_on_change(struct net *net, void (*changed)(struct net *net, void *context),
                   void *context)
{
	kiln_assert(net->watcher_count < NET_WATCHERS);
	net->watchers[net->watcher_count].changed = changed;
	net->watchers[net->watcher_count].context = context;
	net->watcher_count++;
}

void net_counters(const struct net *net, struct net_counters *counters)
{
	*counters = net->counters;
}

void net_register(struct net *net, uint8_t protocol,
                  const struct net_transport *transport)
{
	kiln_assert(net->transport_count < NET_TRANSPORTS);
	net->transports[net->transport_count].protocol = protocol;
	net->transports[net->transport_count].transport = *transport;
	net->transport_count++;
}

struct kiln *net_kiln(const struct net *net)
{
	return net->kiln;
}

const struct netdev *net_device(const struct net *net)
{
	return net->device;
}
