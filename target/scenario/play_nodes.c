/*
 * The nodes of a scenario: hosts, which run images, and clients, which get addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/bytes.h>
#include "../sim/world.h"
#include "play.h"

enum { DISK_SECTORS = 1 << 17, OPTION_SIZE = 256 };

/* ---- hosts ---- */

/* "ip=10.0.0.2/24", or, of several devices, "ip=net0=10.0.0.2/24,net1=...". Empty if the
 * host has none of the family. */
static void write_ip(const struct scenario_host *host, const struct image *image,
                     bool four, char *option, size_t size)
{
	size_t used = 0;

	option[0] = '\0';
	for (unsigned i = 0; i < host->port_count; i++) {
		const struct scenario_port *port = &host->ports[i];
		for (unsigned j = 0; j < port->address_count; j++) {
			const struct scenario_address *a = &port->addresses[j];
			if (ip_is4(&a->addr) != four || used >= size)
				continue;
			used +=
			    (size_t)snprintf(option + used, size - used, "%s%s%s%s",
			                     used   ? ","
			                     : four ? "ip="
			                            : "ip6=",
			                     host->port_count > 1 ? image->nets[i] : "",
			                     host->port_count > 1 ? "=" : "",
			                     play_address_text(&a->addr, a->length));
		}
	}
}

static bool check_devices(struct play *play, const struct scenario_host *host,
                          const struct image *image)
{
	if (host->port_count != image->net_count)
		return play_refuse(play, host->line,
		                   "%s has %u network device%s, and the host is on %u "
		                   "link%s: write LINK=ADDRESS/N for each",
		                   host->folder, image->net_count,
		                   image->net_count == 1 ? "" : "s", host->port_count,
		                   host->port_count == 1 ? "" : "s");
	for (unsigned i = 0; i < host->option_count; i++) {
		char name[64];
		size_t length = strcspn(host->options[i], "=");

		snprintf(name, sizeof(name), "%.*s", (int)length, host->options[i]);
		if (!image_takes(image, name))
			return play_refuse(play, host->line,
			                   "%s takes no --%s: kiln build %s -t jail and "
			                   "kiln info list its parameters",
			                   host->folder, name, host->folder);
	}
	return true;
}

static bool make_host(struct play *play, unsigned index,
                      const char *(*image_of)(const char *folder))
{
	const struct scenario_host *host = &play->scenario->hosts[index];
	struct image *image = &play->images[index];
	const char *options[SCENARIO_OPTIONS + 6] = {0};
	char addresses[2][OPTION_SIZE], gateways[SCENARIO_GATEWAYS][OPTION_SIZE],
	    why[512];
	const char *path = image_of(host->folder);
	struct sim_node *node;
	unsigned count = 0;

	if (!path)
		return play_refuse(play, host->line, "%s was not built", host->folder);
	if (!image_open(image, path, why, sizeof(why)))
		return play_refuse(play, host->line, "%s does not load: %s", host->folder,
		                   why);
	if (!check_devices(play, host, image))
		return false;
	for (unsigned four = 0; four < 2; four++) {
		write_ip(host, image, four, addresses[four], OPTION_SIZE);
		if (*addresses[four])
			options[count++] = addresses[four];
	}
	/* There is no DHCP server; a router may tell of IPv6. */
	if (!*addresses[1] && image_takes(image, "ip"))
		options[count++] = "ip=off";
	for (unsigned i = 0; i < host->gateway_count; i++) {
		snprintf(gateways[i], OPTION_SIZE, "%s=%s",
		         ip_is4(&host->gateways[i]) ? "gateway" : "gateway6",
		         play_address_text(&host->gateways[i], 0));
		options[count++] = gateways[i];
	}
	for (unsigned i = 0; i < host->option_count; i++)
		options[count++] = host->options[i];
	node = sim_node_new(play->sim, host->name, host->memory, NULL, options);
	node->start = image->start;
	for (unsigned i = 0; i < image->net_count; i++)
		sim_node_net(node, image->nets[i], play->links[host->ports[i].link]);
	for (unsigned i = 0; i < image->disk_count; i++)
		sim_node_disk(node, image->disks[i], DISK_SECTORS);
	play->hosts[index] = node;
	return true;
}

bool play_make_hosts(struct play *play, const char *(*image_of)(const char *folder))
{
	for (unsigned i = 0; i < play->scenario->host_count; i++)
		if (!make_host(play, i, image_of))
			return false;
	return true;
}

/* ---- who has which address ---- */

/* Calls visit for each address on the link until it says true; whether one did. */
static bool each_address(const struct scenario *scenario, unsigned link,
                         bool (*visit)(const struct scenario_address *, void *),
                         void *context)
{
	for (unsigned i = 0; i < scenario->router_count + scenario->host_count; i++) {
		bool router = i < scenario->router_count;
		const struct scenario_router *r = &scenario->routers[i];
		const struct scenario_host *h =
		    &scenario->hosts[i - scenario->router_count];
		const struct scenario_port *ports = router ? r->ports : h->ports;
		unsigned count = router ? r->port_count : h->port_count;

		for (unsigned p = 0; p < count; p++)
			for (unsigned a = 0; a < ports[p].address_count; a++)
				if (ports[p].link == link &&
				    visit(&ports[p].addresses[a], context))
					return true;
	}
	return false;
}

struct search {
	struct ip_addr addr;
	struct scenario_address found;
};

static bool has_family(const struct scenario_address *address, void *context)
{
	struct search *search = context;

	search->found = *address;
	return ip_is4(&address->addr) == ip_is4(&search->addr);
}

static bool is_same(const struct scenario_address *address, void *context)
{
	struct search *search = context;

	return ip_equal(&address->addr, &search->addr);
}

/* The number-th address of a prefix, counted from its beginning. */
static struct ip_addr numbered(const struct scenario_address *prefix, uint32_t number)
{
	struct ip_addr addr = prefix->addr;
	unsigned bits = prefix->length + (ip_is4(&addr) ? 96 : 0);
	uint32_t low;

	for (unsigned bit = bits; bit < 128; bit++)
		addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	low = (uint32_t)addr.bytes[12] << 24 | (uint32_t)addr.bytes[13] << 16 |
	      (uint32_t)addr.bytes[14] << 8 | addr.bytes[15];
	low += number;
	for (unsigned i = 0; i < 4; i++)
		addr.bytes[12 + i] = (uint8_t)(low >> (24 - 8 * i));
	return addr;
}

/* The last address of an IPv4 network is its broadcast's. */
static uint32_t room_of(const struct scenario_address *prefix)
{
	unsigned bits = (ip_is4(&prefix->addr) ? 32 : 128) - prefix->length;

	return bits >= 32 ? UINT32_MAX : bits ? (1u << bits) - 2 : 0;
}

/* ---- clients ---- */

/* The prefix of the link, and who leads out of it, if that is the way. */
static bool find_way(struct play *play, const struct scenario_clients *clients,
                     struct scenario_address *prefix, const struct ip_addr **gateway)
{
	const struct scenario *scenario = play->scenario;
	const char *link = scenario->links[clients->link].name;
	struct search search = {.addr = clients->to.addr};

	*gateway = NULL;
	if (!each_address(scenario, clients->link, has_family, &search))
		return play_refuse(play, clients->line,
		                   "nothing on link %s has an address that tells its "
		                   "clients theirs: give a host or a router one",
		                   link);
	*prefix = search.found;
	if (scenario_prefix_has(prefix, &clients->to.addr))
		return true;
	for (unsigned i = 0; i < scenario->router_count && !*gateway; i++) {
		const struct scenario_router *router = &scenario->routers[i];
		for (unsigned p = 0; p < router->port_count; p++)
			for (unsigned a = 0; a < router->ports[p].address_count; a++) {
				const struct ip_addr *at =
				    &router->ports[p].addresses[a].addr;
				if (router->ports[p].link == clients->link &&
				    scenario_prefix_has(prefix, at))
					*gateway = at;
			}
	}
	return *gateway ||
	       play_refuse(play, clients->line,
	                   "%s is not on link %s, and there is no router on it: write, "
	                   "for example, 'router r %s=%s ...'",
	                   play_address_text(&clients->to.addr, 0), link, link,
	                   play_address_text(&prefix->addr, prefix->length));
}

static void make_client(struct play *play, const struct scenario_clients *plan,
                        struct client *client, const struct scenario_address *address,
                        const struct ip_addr *gateway)
{
	char name[32], ip[OPTION_SIZE], via[OPTION_SIZE];
	const char *options[5] = {"log=error"};
	unsigned index = (unsigned)(client - play->clients), count = 1;
	bool four = ip_is4(&address->addr);
	struct sim_node *node;

	snprintf(name, sizeof(name), "client%u", index + 1);
	snprintf(ip, sizeof(ip), "%s=%s", four ? "ip" : "ip6",
	         play_address_text(&address->addr, address->length));
	options[count++] = ip;
	if (gateway) {
		snprintf(via, sizeof(via), "%s=%s", four ? "gateway" : "gateway6",
		         play_address_text(gateway, 0));
		options[count++] = via;
	}
	client->tally = &play->tally;
	client->plan = plan;
	node = sim_node_new(play->sim, name, CLIENT_MEMORY, client_entry, options);
	sim_node_net(node, "net0", play->links[plan->link]);
	sim_node_set_user(node, client);
	play->client_nodes[index] = node;
}

static struct slice request_of(const struct scenario_clients *plan)
{
	size_t size = strlen(plan->path) + strlen(plan->authority) + 128;
	char *text = malloc(size);

	snprintf(text, size,
	         "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kiln-sim\r\n"
	         "Connection: close\r\n\r\n",
	         plan->path, plan->authority);
	return slice_text(text);
}

/* Each begins when a share of its time has passed: they are not in step. */
static bool make_group(struct play *play, const struct scenario_clients *plan,
                       struct client *clients)
{
	kiln_time apart = plan->every ? plan->every / plan->count : KILN_MS(1);
	struct slice request = {0};
	struct scenario_address prefix;
	const struct ip_addr *gateway;

	if (!find_way(play, plan, &prefix, &gateway))
		return false;
	if (plan->task == SCENARIO_GET)
		request = request_of(plan);
	for (unsigned i = 0; i < plan->count; i++) {
		uint32_t *number = &play->next_client[plan->link];
		struct scenario_address address = prefix;
		struct search search;

		do {
			if (++*number > room_of(&prefix))
				return play_refuse(
				    play, plan->line,
				    "%s has room for %u addresses, and more are asked "
				    "for: give link %s a shorter prefix, such as /16",
				    play_address_text(&prefix.addr, prefix.length),
				    room_of(&prefix),
				    play->scenario->links[plan->link].name);
			search.addr = address.addr = numbered(&prefix, *number);
		} while (each_address(play->scenario, plan->link, is_same, &search));
		clients[i].request = request;
		clients[i].first = i * apart;
		make_client(play, plan, &clients[i], &address, gateway);
	}
	return true;
}

bool play_make_clients(struct play *play)
{
	struct client *clients = play->clients;

	for (unsigned i = 0; i < play->scenario->clients_count; i++) {
		const struct scenario_clients *plan = &play->scenario->clients[i];
		if (!make_group(play, plan, clients))
			return false;
		clients += plan->count;
	}
	return true;
}
