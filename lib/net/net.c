/*
 * One interface: its device, its counters, and the way of a received frame to its address
 * family. Implements <kiln/net.h>.
 *
 * All memory is taken from the image's arena in net_up, in proportion to what the image
 * has and within bounds; nothing is allocated later.
 */
#include <kiln/target.h>
#include "net_private.h"

KILN_LIBRARY(net, "0.1");

/* ---- frames in ---- */

/* Of ours, or of an image that shares our addresses: the host chooses who gets a flow. */
static bool is_ours(const struct netdev *device, const uint8_t mac[ETH_MAC])
{
	return memcmp(mac, device->mac, ETH_MAC - 1) == 0 &&
	       ((mac[5] ^ device->mac[5]) & ~device->mac_shared) == 0;
}

/* A link may hand us back what we sent to a group: that is nobody else's word, such as one
 * that has our address as well (RFC 4862, 5.4.3). */
static bool is_for_us(const struct net *net, const struct net_family *family,
                      const struct eth_wire *eth)
{
	if (is_ours(net->device, eth->dst))
		return true;
	return eth_is_group(eth->dst) && !is_ours(net->device, eth->src) &&
	       (eth_is_broadcast(eth->dst) || family->hears(eth->dst));
}

static void net_receive(void *stack, struct slice frame,
                        const struct netdev_offload *offload)
{
	struct net *net = stack;
	const struct eth_wire *eth = eth_wire_parse(frame);

	net->counters.rx_frames++;
	net->counters.rx_bytes += frame.len;
	for (unsigned i = 0; eth && i < NET_FAMILIES; i++) {
		const struct net_family *family = net->families[i];
		uint16_t type = be16_get(eth->type);
		if (!family || (type != family->type && type != family->ask_type))
			continue;
		if (!is_for_us(net, family, eth))
			break;
		struct slice packet = slice_skip(frame, ETH_HEADER);
		if (type == family->type)
			family->input(net, packet, eth_is_group(eth->dst), offload);
		else
			family->ask_input(net, packet);
		return;
	}
	net->counters.drop_ethernet++;
}

bool net_deliver(struct net *net, uint8_t protocol, const struct net_packet *packet)
{
	for (unsigned i = 0; i < net->transport_count; i++) {
		if (net->transports[i].protocol == protocol) {
			const struct net_transport *t = &net->transports[i].transport;
			t->input(t->transport, packet);
			return true;
		}
	}
	return false;
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

/* ---- bringing it up ---- */

struct net *net_open(struct kiln *k, const struct kiln_device *device)
{
	struct netdev *dev = target_netdev(k, device);

	if (!dev)
		kiln_fail(k, "net", "there is no network device %s", device->name);
	struct net *net = kiln_alloc(k, sizeof(*net), "net");
	net->kiln = k;
	net->device = dev;
	net->name = device->name;
	random_bytes(&k->random, net->key, sizeof(net->key));
	output_init(net);
	neighbour_init(net);
	path_init(net);
	fragment_init(net);
	report_init(net);

	dev->receive = net_receive;
	dev->stack = net;
	net->source.poll = net_poll;
	net->source.flush = net_flush;
	loop_add(&k->loop, &net->source);
	return net;
}

void net_start(struct net *net)
{
	const struct netdev *dev = net->device;

	route_start(net);
	for (unsigned i = 0; i < NET_FAMILIES; i++) {
		const struct net_family *family = net->families[i];
		if (!family)
			continue;
		net->mtu[i] = dev->mtu;
		net->ttl[i] = NET_TTL;
		family->start(net);
		/* Unless it has taken itself out. */
		if (net->families[i] && dev->mtu < family->mtu_min)
			kiln_fail(net->kiln, "net", "%s: an MTU of %u is too small",
			          net->name, dev->mtu);
	}
}

struct slice net_option_part(const struct net *net, struct slice option)
{
	struct slice rest = option;

	while (rest.len) {
		struct slice item = slice_take(rest, slice_find(rest, ','));
		size_t equals = slice_find(item, '=');
		if (equals == item.len ||
		    slice_equal(slice_take(item, equals), slice_text(net->name)))
			return slice_skip(item, equals == item.len ? 0 : equals + 1);
		rest = slice_skip(rest, item.len + 1);
	}
	return SLICE("");
}

void net_changed(struct net *net)
{
	for (unsigned i = 0; i < net->watcher_count; i++)
		net->watchers[i].changed(net, net->watchers[i].context);
}

/* ---- what others ask ---- */

bool net_is_up(const struct net *net)
{
	for (unsigned i = 0; i < NET_FAMILIES; i++) {
		if (net->families[i] && net->families[i]->is_up(net))
			return true;
	}
	return false;
}

void net_on_change(struct net *net, void (*changed)(struct net *net, void *context),
                   void *context)
{
	kiln_assert(net->watcher_count < NET_WATCHERS);
	net->watchers[net->watcher_count].changed = changed;
	net->watchers[net->watcher_count].context = context;
	net->watcher_count++;
}

unsigned net_addresses(const struct net *net, struct net_address *out, unsigned most)
{
	unsigned count = 0;

	for (unsigned i = 0; i < NET_FAMILIES; i++) {
		if (net->families[i])
			count +=
			    net->families[i]->addresses(net, out + count, most - count);
	}
	return count;
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
