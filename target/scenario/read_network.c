/*
 * The statements of a scenario that make its network: links, switches, routers, hosts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/abi/param.h>
#include "../sim/path.h"
#include "scenario.h"

/* A name, which no other of its kind has. NULL with an error. */
static const char *take_name(struct statement *s, const char *kind,
                             int (*find)(const struct scenario *, const char *))
{
	const char *name = statement_need(s, "the name");

	if (!name)
		return NULL;
	if (strlen(name) >= SCENARIO_NAME || strpbrk(name, "=/,"))
		scenario_refuse(s, "'%s' is no name: use at most %d letters and digits",
		                name, SCENARIO_NAME - 1);
	else if (find && find(s->scenario, name) >= 0)
		scenario_refuse(s, "there is a %s %s already: choose another name", kind,
		                name);
	else
		return name;
	return NULL;
}

/* ---- link NAME [KEY VALUE]... ---- */

static bool read_mtu(struct statement *s, const char *value, uint16_t *mtu)
{
	uint64_t bytes;

	if (!param_parse(KILN_PARAM_TYPE_UINT, 68, 65535, value, strlen(value), &bytes))
		return scenario_refuse(
		    s, "mtu takes a size from 68 to 65535 bytes, not '%s'", value);
	*mtu = (uint16_t)bytes;
	return true;
}

static bool read_link_key(struct statement *s, struct scenario_link *link,
                          const char *key, const char *value)
{
	bool known;

	if (strcmp(key, "mtu") == 0)
		return read_mtu(s, value, &link->mtu);
	if (strcmp(key, "pcap") == 0) {
		link->pcap = value;
		return true;
	}
	if (sim_impairment_option(&link->impairment, key, value, &known))
		return true;
	if (known)
		return scenario_refuse(s,
		                       "%s cannot be '%s': write, for example, loss 2%%, "
		                       "burst 1%%:20, delay 20ms, rate 10M or queue 100",
		                       key, value);
	return scenario_refuse(s,
	                       "a link has no '%s': it has rate, delay, jitter, queue, "
	                       "loss, burst, reorder, duplicate, corrupt, mark, "
	                       "blackhole, mtu and pcap",
	                       key);
}

bool scenario_read_link(struct statement *s)
{
	struct scenario *scenario = s->scenario;
	const char *name = take_name(s, "link", scenario_find_link);
	struct scenario_link *link;
	const char *key, *value;

	if (!name)
		return false;
	link = scenario_more(s, scenario->links, &scenario->link_count, sizeof(*link));
	if (!link)
		return false;
	scenario->links = link;
	link += scenario->link_count - 1;
	link->name = name;
	link->line = s->line;
	link->segment = scenario->link_count;
	link->impairment.reorder_delay = SIM_REORDER_DELAY;
	while ((key = statement_next(s))) {
		value = statement_need(s, "a value");
		if (!value || !read_link_key(s, link, key, value))
			return false;
	}
	return true;
}

/* ---- LINK=ADDRESS/N[,ADDRESS/N]... ---- */

static bool take_link(struct statement *s, const char *name, unsigned *link)
{
	int found = scenario_find_link(s->scenario, name);

	if (found < 0)
		return scenario_refuse(
		    s, "there is no link %s: write 'link %s' in a line above", name,
		    name);
	*link = (unsigned)found;
	return true;
}

static bool read_addresses(struct statement *s, struct scenario_port *port, char *texts)
{
	char *rest = NULL;

	for (char *text = strtok_r(texts, ",", &rest); text;
	     text = strtok_r(NULL, ",", &rest)) {
		if (port->address_count == SCENARIO_ADDRESSES)
			return scenario_refuse(s, "more than %d addresses on one link",
			                       SCENARIO_ADDRESSES);
		if (!scenario_parse_prefix(text, &port->addresses[port->address_count++]))
			return scenario_refuse(
			    s,
			    "'%s' is no address with the length of its "
			    "prefix: write, for example, 10.0.0.2/24",
			    text);
	}
	return port->address_count ||
	       scenario_refuse(s, "an address with the length of its prefix is missing "
	                          "behind '=': write, for example, lan=10.0.0.2/24");
}

static bool read_port(struct statement *s, char *word, struct scenario_port *ports,
                      unsigned *count)
{
	char *addresses = strchr(word, '=');
	struct scenario_port *port = &ports[*count];

	if (*count == SCENARIO_PORTS)
		return scenario_refuse(s, "more than %d links", SCENARIO_PORTS);
	++*count;
	*addresses++ = '\0';
	return take_link(s, word, &port->link) && read_addresses(s, port, addresses);
}

/* ---- switch NAME LINK... ---- */

/* The links of both segments are one from here on. False: they are already. */
static bool join_segments(struct scenario *scenario, unsigned a, unsigned b)
{
	unsigned to = scenario->links[a].segment, from = scenario->links[b].segment;

	if (from == to)
		return false;
	for (unsigned i = 0; i < scenario->link_count; i++)
		if (scenario->links[i].segment == from)
			scenario->links[i].segment = to;
	return true;
}

bool scenario_read_switch(struct statement *s)
{
	struct scenario *scenario = s->scenario;
	const char *name = take_name(s, "switch", NULL);
	struct scenario_switch *made;
	const char *link;

	if (!name)
		return false;
	made =
	    scenario_more(s, scenario->switches, &scenario->switch_count, sizeof(*made));
	if (!made)
		return false;
	scenario->switches = made;
	made += scenario->switch_count - 1;
	made->name = name;
	made->line = s->line;
	while ((link = statement_next(s))) {
		if (made->link_count == KILN_COUNT_OF(made->links))
			return scenario_refuse(s, "a switch joins at most %zu links",
			                       KILN_COUNT_OF(made->links));
		if (!take_link(s, link, &made->links[made->link_count++]))
			return false;
		if (made->link_count > 1 &&
		    !join_segments(scenario, made->links[0],
		                   made->links[made->link_count - 1]))
			return scenario_refuse(s,
			                       "%s is joined already: a second way would "
			                       "have frames go round for ever",
			                       link);
	}
	return made->link_count > 1 ||
	       scenario_refuse(s, "a switch joins links: write 'switch %s a b'", name);
}

/* ---- router NAME LINK=ADDRESS/N... ---- */

static bool read_route(struct statement *s, struct scenario_router *router)
{
	const char *prefix = statement_need(s, "a prefix"), *via, *gateway;
	struct scenario_route *route = &router->routes[router->route_count];

	if (!prefix || !(via = statement_need(s, "'via ADDRESS'")) ||
	    !(gateway = statement_need(s, "the address of a router")))
		return false;
	if (router->route_count++ == SCENARIO_ROUTES)
		return scenario_refuse(s, "more than %d routes", SCENARIO_ROUTES);
	if (strcmp(via, "via") != 0 || !scenario_parse_prefix(prefix, &route->prefix) ||
	    !scenario_parse_address(gateway, &route->gateway) ||
	    ip_is4(&route->gateway) != ip_is4(&route->prefix.addr))
		return scenario_refuse(s,
		                       "'route %s %s %s' makes no sense: write, for "
		                       "example, route 0.0.0.0/0 via 10.0.0.1",
		                       prefix, via, gateway);
	return true;
}

bool scenario_read_router(struct statement *s)
{
	struct scenario *scenario = s->scenario;
	const char *name = take_name(s, "router", NULL);
	struct scenario_router *router;
	char *word;

	if (!name)
		return false;
	router =
	    scenario_more(s, scenario->routers, &scenario->router_count, sizeof(*router));
	if (!router)
		return false;
	scenario->routers = router;
	router += scenario->router_count - 1;
	router->name = name;
	router->line = s->line;
	while ((word = statement_next(s))) {
		bool good;

		if (strcmp(word, "advertise") == 0)
			good = router->advertises = true;
		else if (strcmp(word, "route") == 0)
			good = read_route(s, router);
		else if (strchr(word, '='))
			good = read_port(s, word, router->ports, &router->port_count);
		else
			good = scenario_refuse(s,
			                       "a router takes LINK=ADDRESS/N, 'route "
			                       "PREFIX via ADDRESS' and 'advertise', not "
			                       "'%s'",
			                       word);
		if (!good)
			return false;
	}
	return router->port_count > 0 ||
	       scenario_refuse(s,
	                       "router %s is on no link: write, for example, "
	                       "'router %s lan=10.0.1.1/24 wan=10.0.2.1/24'",
	                       name, name);
}

/* ---- host NAME FOLDER LINK=ADDRESS/N... ---- */

/* "--port 8080" or "--port=8080", as "port=8080". */
static bool read_option(struct statement *s, struct scenario_host *host, const char *word)
{
	const char *value = strchr(word, '=') ? "" : statement_need(s, "a value");
	size_t size;
	char *option;

	if (!value)
		return false;
	if (host->option_count == SCENARIO_OPTIONS)
		return scenario_refuse(s, "more than %d parameters", SCENARIO_OPTIONS);
	size = strlen(word) + strlen(value);
	option = malloc(size);
	if (!option)
		return scenario_refuse(s, "there is no memory for it");
	snprintf(option, size, "%s%s%s", word + 2, *value ? "=" : "", value);
	for (char *p = option; *p && *p != '='; p++)
		*p = *p == '-' ? '_' : *p;
	host->options[host->option_count++] = option;
	return true;
}

static bool read_gateway(struct statement *s, struct scenario_host *host)
{
	const char *word = statement_need(s, "the gateway's address");

	if (!word)
		return false;
	if (host->gateway_count == SCENARIO_GATEWAYS)
		return scenario_refuse(s, "more than %d gateways", SCENARIO_GATEWAYS);
	if (!scenario_parse_address(word, &host->gateways[host->gateway_count++]))
		return scenario_refuse(s, "gateway takes an address, not '%s'", word);
	return true;
}

static bool read_memory(struct statement *s, struct scenario_host *host)
{
	const char *word = statement_need(s, "the size");

	if (!word)
		return false;
	if (!param_parse(KILN_PARAM_TYPE_SIZE, 0, 0, word, strlen(word), &host->memory) ||
	    host->memory < 65536)
		return scenario_refuse(s, "memory takes a size of at least 64K, not '%s'",
		                       word);
	return true;
}

static bool read_host_word(struct statement *s, struct scenario_host *host, char *word)
{
	if (strcmp(word, "gateway") == 0)
		return read_gateway(s, host);
	if (strcmp(word, "memory") == 0)
		return read_memory(s, host);
	if (strncmp(word, "--", 2) == 0 && word[2])
		return read_option(s, host, word);
	if (strchr(word, '='))
		return read_port(s, word, host->ports, &host->port_count);
	return scenario_refuse(s,
	                       "a host takes LINK=ADDRESS/N, 'gateway ADDRESS', 'memory "
	                       "SIZE' and --PARAMETER VALUE, not '%s'",
	                       word);
}

bool scenario_read_host(struct statement *s)
{
	struct scenario *scenario = s->scenario;
	const char *name = take_name(s, "host", scenario_find_host);
	const char *folder =
	    name ? statement_need(s, "the folder of an appliance") : NULL;
	struct scenario_host *host;
	char *word;

	if (!folder)
		return false;
	host = scenario_more(s, scenario->hosts, &scenario->host_count, sizeof(*host));
	if (!host)
		return false;
	scenario->hosts = host;
	host += scenario->host_count - 1;
	host->name = name;
	host->folder = folder;
	host->line = s->line;
	host->memory = 16 << 20;
	while ((word = statement_next(s)))
		if (!read_host_word(s, host, word))
			return false;
	return true;
}
