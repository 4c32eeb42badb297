/*
 * See play.h: the links of a scenario and what joins them, and the run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../sim/path.h"
#include "play.h"
#include "watch.h"

#define STOP_WITHIN KILN_SECONDS(10) /* of virtual time, once asked to */
#define LOOK_AFTER  KILN_MS(50)

bool play_refuse(struct play *play, unsigned line, const char *format, ...)
{
	va_list args;
	int n = line ? snprintf(play->error, sizeof(play->error),
	                        "%s:%u: ", play->scenario->file, line)
	             : 0;

	va_start(args, format);
	if (n >= 0 && (size_t)n < sizeof(play->error))
		vsnprintf(play->error + n, sizeof(play->error) - (size_t)n, format, args);
	va_end(args);
	return false;
}

const char *play_address_text(const struct ip_addr *addr, unsigned length)
{
	static char texts[4][80];
	static unsigned turn;
	char *text = texts[turn++ % 4];

	if (ip_is4(addr))
		inet_ntop(AF_INET, addr->bytes + 12, text, 64);
	else
		inet_ntop(AF_INET6, addr->bytes, text, 64);
	if (length)
		sprintf(text + strlen(text), "/%u", length);
	return text;
}

/* ---- the network ---- */

static bool make_links(struct play *play)
{
	const struct scenario *scenario = play->scenario;

	for (unsigned i = 0; i < scenario->link_count; i++) {
		const struct scenario_link *link = &scenario->links[i];

		play->links[i] = sim_link_new(play->sim, &link->impairment, link->mtu);
		if (link->pcap && sim_link_pcap(play->links[i], link->pcap) != KILN_OK)
			return play_refuse(play, link->line, "cannot write %s: %s",
			                   link->pcap, strerror(errno));
	}
	return true;
}

static void make_switches(struct play *play)
{
	const struct scenario *scenario = play->scenario;

	for (unsigned i = 0; i < scenario->switch_count; i++) {
		const struct scenario_switch *plan = &scenario->switches[i];
		struct sim_switch *made = sim_switch_new(play->sim);

		for (unsigned j = 0; j < plan->link_count; j++)
			sim_switch_join(made, play->links[plan->links[j]]);
	}
}

static void make_router(struct play *play, const struct scenario_router *plan)
{
	struct sim_router *router = sim_router_new(play->sim);

	for (unsigned i = 0; i < plan->port_count; i++) {
		const struct scenario_port *port = &plan->ports[i];
		for (unsigned j = 0; j < port->address_count; j++)
			sim_router_join(router, play->links[port->link],
			                &port->addresses[j].addr,
			                port->addresses[j].length);
	}
	for (unsigned i = 0; i < plan->route_count; i++)
		sim_router_route(router, &plan->routes[i].prefix.addr,
		                 plan->routes[i].prefix.length, &plan->routes[i].gateway);
	if (plan->advertises)
		sim_router_advertise(router);
}

static void *make_array(unsigned count, size_t size)
{
	void *array = calloc(count + 1, size);

	if (!array) {
		fputs("kiln: no memory for the scenario\n", stderr);
		exit(1);
	}
	return array;
}

bool play_make(struct play *play, struct scenario *scenario,
               const char *(*image_of)(const char *folder))
{
	*play = (struct play){.scenario = scenario, .sim = sim_new(scenario->seed)};
	play->links = make_array(scenario->link_count, sizeof(struct sim_link *));
	play->next_client = make_array(scenario->link_count, sizeof(uint32_t));
	play->hosts = make_array(scenario->host_count, sizeof(struct sim_node *));
	play->images = make_array(scenario->host_count, sizeof(struct image));
	for (unsigned i = 0; i < scenario->clients_count; i++)
		play->client_count += scenario->clients[i].count;
	play->clients = make_array(play->client_count, sizeof(struct client));
	play->client_nodes = make_array(play->client_count, sizeof(struct sim_node *));
	if (!make_links(play))
		return false;
	make_switches(play);
	for (unsigned i = 0; i < scenario->router_count; i++)
		make_router(play, &scenario->routers[i]);
	return play_make_hosts(play, image_of) && play_make_clients(play);
}

/* ---- the run ---- */

static void change_link(struct play *play, const struct scenario_event *event)
{
	struct sim_impairment *now = &play->scenario->links[event->link].impairment;
	bool known;

	for (unsigned i = 0; i + 1 < event->word_count; i += 2)
		sim_impairment_option(now, event->words[i], event->words[i + 1], &known);
	sim_link_set(play->links[event->link], now);
}

static void apply(struct play *play, const struct scenario_event *event)
{
	bool cut = event->act == SCENARIO_PARTITION;

	switch (event->act) {
	case SCENARIO_PARTITION:
	case SCENARIO_HEAL:
		if (event->host >= 0)
			sim_node_cut(play->hosts[event->host], play->links[event->link],
			             cut);
		else
			sim_link_cut(play->links[event->link], cut);
		break;
	case SCENARIO_LINK:
		change_link(play, event);
		break;
	case SCENARIO_STOP:
		sim_node_stop(play->hosts[event->host]);
		break;
	}
}

/* Those of one instant happen as they stand in the file. */
static const struct scenario_event *next_event(const struct scenario *scenario,
                                               const bool *done)
{
	const struct scenario_event *next = NULL;

	for (unsigned i = 0; i < scenario->event_count; i++)
		if (!done[i] && (!next || scenario->events[i].at < next->at))
			next = &scenario->events[i];
	return next;
}

static bool is_over(const struct play *play)
{
	bool clients_done =
	    play->client_count && play->tally.finished == play->client_count;

	return clients_done || sim_now(play->sim) >= play->scenario->run;
}

/* Clients that were to make so many requests have had their time. Of others, one under way
 * is none that failed. */
static void count_unfinished(struct play *play)
{
	for (unsigned i = 0; i < play->client_count; i++)
		if (play->clients[i].plan->times && play->clients[i].conn)
			tally_failed(&play->tally, KILN_ERR_TIMEOUT);
}

void play_run(struct play *play, const volatile int *asked_to_stop,
              void (*look)(const struct play *play))
{
	struct scenario *scenario = play->scenario;
	bool *done = make_array(scenario->event_count, sizeof(bool));

	while (!*asked_to_stop && !is_over(play)) {
		const struct scenario_event *event = next_event(scenario, done);
		kiln_time until = sim_now(play->sim) + LOOK_AFTER;

		until = KILN_MIN(until, scenario->run);
		if (event && event->at <= sim_now(play->sim)) {
			apply(play, event);
			done[event - scenario->events] = true;
			continue;
		}
		if (event)
			until = KILN_MIN(until, event->at);
		if (sim_run(play->sim, until))
			break;
		look(play);
	}
	free(done);
	play->ended_at = sim_now(play->sim);
	count_unfinished(play);
	for (unsigned i = 0; i < play->client_count; i++)
		sim_node_stop(play->client_nodes[i]);
	for (unsigned i = 0; i < scenario->host_count; i++)
		sim_node_stop(play->hosts[i]);
	sim_run(play->sim, sim_now(play->sim) + STOP_WITHIN);
}

uint64_t play_retransmissions(const struct play *play)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < play->client_count; i++)
		count += watch_retransmissions(play->client_nodes[i]);
	for (unsigned i = 0; i < play->scenario->host_count; i++)
		count += watch_retransmissions(play->hosts[i]);
	return count;
}
