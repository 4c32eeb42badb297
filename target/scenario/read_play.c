/*
 * The statements of a scenario that say what happens in its network: clients, events, and
 * what is expected of the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/abi/param.h>
#include "../sim/path.h"
#include "scenario.h"

const char *const scenario_figure_names[SCENARIO_FIGURES] = {
    [SCENARIO_REQUESTS] = "requests", [SCENARIO_FAILURES] = "failures",
    [SCENARIO_GOODPUT] = "goodput",   [SCENARIO_P50] = "p50",
    [SCENARIO_P90] = "p90",           [SCENARIO_P99] = "p99",
    [SCENARIO_SLOWEST] = "slowest",   [SCENARIO_RETRANSMISSIONS] = "retransmissions"};

static bool take_number(struct statement *s, const char *what, uint64_t most,
                        uint64_t *value)
{
	const char *word = statement_need(s, what);

	if (!word)
		return false;
	if (!param_parse(KILN_PARAM_TYPE_UINT, 1, most, word, strlen(word), value))
		return scenario_refuse(s, "%s is from 1 to %llu, not '%s'", what,
		                       (unsigned long long)most, word);
	return true;
}

static bool take_time(struct statement *s, const char *what, kiln_time *time)
{
	const char *word = statement_need(s, what);

	if (!word)
		return false;
	if (!scenario_parse_time(word, time))
		return scenario_refuse(s, "%s is a time such as 100ms or 5s, not '%s'",
		                       what, word);
	return true;
}

static bool take_link(struct statement *s, unsigned *link)
{
	const char *name = statement_need(s, "the name of a link");
	int found = name ? scenario_find_link(s->scenario, name) : -1;

	if (!name)
		return false;
	if (found < 0)
		return scenario_refuse(
		    s, "there is no link %s: write 'link %s' in a line above", name,
		    name);
	*link = (unsigned)found;
	return true;
}

/* ---- clients ---- */

/* http://ADDRESS[:PORT]/PATH: cut into its parts where it lies. */
static bool read_url(struct statement *s, struct scenario_clients *clients, char *url)
{
	static const char scheme[] = "http://";
	char *authority = url + sizeof(scheme) - 1, *path, *behind;
	char with_port[80];

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return scenario_refuse(s,
		                       "get takes a URL such as http://10.0.0.2/, not "
		                       "'%s'",
		                       url);
	path = strchr(authority, '/');
	clients->path = path ? strdup(path) : "/";
	if (path)
		*path = '\0';
	clients->authority = authority;
	/* Behind a colon that is not within brackets there is a port. */
	behind = strrchr(authority, ']');
	snprintf(with_port, sizeof(with_port), "%s%s", authority,
	         strchr(behind ? behind : authority, ':') ? "" : ":80");
	if (!scenario_parse_endpoint(with_port, &clients->to))
		return scenario_refuse(
		    s,
		    "'%s' is no address with or without a port: write, "
		    "for example, get http://10.0.0.2:8080/",
		    authority);
	return true;
}

static bool read_task(struct statement *s, struct scenario_clients *clients)
{
	const char *verb = statement_need(s, "what they do: get, echo or read");
	char *target = verb ? statement_need(s, "where they do it") : NULL;

	if (!target)
		return false;
	if (strcmp(verb, "get") == 0)
		return read_url(s, clients, target);
	if (strcmp(verb, "echo") == 0)
		clients->task = SCENARIO_ECHO;
	else if (strcmp(verb, "read") == 0)
		clients->task = SCENARIO_READ;
	else
		return scenario_refuse(s, "clients cannot '%s': they get, echo or read",
		                       verb);
	if (!scenario_parse_endpoint(target, &clients->to))
		return scenario_refuse(s,
		                       "%s takes an address and a port such as "
		                       "10.0.0.2:7, not '%s'",
		                       verb, target);
	return true;
}

bool scenario_read_clients(struct statement *s)
{
	struct scenario *scenario = s->scenario;
	struct scenario_clients *clients = scenario_more(
	    s, scenario->clients, &scenario->clients_count, sizeof(*clients));
	uint64_t count;
	const char *word;

	if (!clients)
		return false;
	scenario->clients = clients;
	clients += scenario->clients_count - 1;
	clients->line = s->line;
	clients->size = 1000;
	if (!take_number(s, "the number of clients", 100000, &count) ||
	    !take_link(s, &clients->link) || !read_task(s, clients))
		return false;
	clients->count = (unsigned)count;
	while ((word = statement_next(s))) {
		bool good;

		if (strcmp(word, "every") == 0)
			good = take_time(s, "every", &clients->every);
		else if (strcmp(word, "times") == 0)
			good = take_number(s, "times", UINT32_MAX, &clients->times);
		else if (strcmp(word, "size") == 0)
			good = take_number(s, "size", 1 << 30, &clients->size);
		else
			good = scenario_refuse(
			    s,
			    "clients take 'every TIME', 'times N' and 'size "
			    "BYTES', not '%s'",
			    word);
		if (!good)
			return false;
	}
	return true;
}

/* ---- at TIME ... ---- */

/* Checked now, applied when its time has come. */
static bool read_change(struct statement *s, struct scenario_event *event)
{
	struct sim_impairment ignored = {0};
	unsigned first = s->at;
	const char *key, *value;
	char **words;
	bool known;

	while ((key = statement_next(s))) {
		value = statement_need(s, "a value");
		if (!value)
			return false;
		if (!sim_impairment_option(&ignored, key, value, &known))
			return scenario_refuse(
			    s,
			    known ? "%s cannot be '%s'"
			          : "'%s %s' cannot change under way: rate, delay, "
			            "jitter, queue, loss, burst, reorder, duplicate, "
			            "corrupt, mark and blackhole can",
			    key, value);
	}
	event->word_count = s->at - first;
	words = malloc((event->word_count + 1) * sizeof(*words));
	if (!words || !event->word_count)
		return scenario_refuse(s, "what changes is missing: write, for example, "
		                          "'at 5s link lan loss 5%%'");
	memcpy(words, s->words + first, event->word_count * sizeof(*words));
	event->words = (const char *const *)words;
	return true;
}

static bool read_host_name(struct statement *s, struct scenario_event *event,
                           const char *name)
{
	event->host = scenario_find_host(s->scenario, name);
	return event->host >= 0 ||
	       scenario_refuse(s, "there is no host %s in a line above", name);
}

static bool read_act(struct statement *s, struct scenario_event *event)
{
	const char *verb = statement_need(s, "what happens: partition, heal, link or "
	                                     "stop");
	const char *name;

	if (!verb)
		return false;
	if (strcmp(verb, "stop") == 0) {
		event->act = SCENARIO_STOP;
		name = statement_need(s, "the name of a host");
		return name && read_host_name(s, event, name);
	}
	if (strcmp(verb, "link") == 0) {
		event->act = SCENARIO_LINK;
		return take_link(s, &event->link) && read_change(s, event);
	}
	if (strcmp(verb, "partition") != 0 && strcmp(verb, "heal") != 0)
		return scenario_refuse(
		    s, "'%s' cannot happen: partition, heal, link and stop can", verb);
	event->act = *verb == 'p' ? SCENARIO_PARTITION : SCENARIO_HEAL;
	if (!take_link(s, &event->link))
		return false;
	name = statement_next(s);
	return !name || read_host_name(s, event, name);
}

bool scenario_read_at(struct statement *s)
{
	struct scenario *scenario = s->scenario;
	struct scenario_event *event =
	    scenario_more(s, scenario->events, &scenario->event_count, sizeof(*event));

	if (!event)
		return false;
	scenario->events = event;
	event += scenario->event_count - 1;
	event->line = s->line;
	event->host = -1;
	return take_time(s, "the time", &event->at) && read_act(s, event);
}

/* ---- expect WHAT OPERATOR VALUE ---- */

static bool read_value(enum scenario_figure figure, const char *text, uint64_t *value)
{
	static const char *const unit[] = {"", "k", "M", "G"};
	static const uint64_t factor[] = {1, 1000, 1000000, 1000000000};

	switch (figure) {
	case SCENARIO_P50:
	case SCENARIO_P90:
	case SCENARIO_P99:
	case SCENARIO_SLOWEST:
		return scenario_parse_time(text, value);
	default:
		return param_scaled(text, text + strlen(text), unit, factor, 4, value);
	}
}

static bool find_figure(const char *name, enum scenario_figure *figure)
{
	for (unsigned i = 0; i < SCENARIO_FIGURES; i++) {
		if (strcmp(scenario_figure_names[i], name) == 0) {
			*figure = (enum scenario_figure)i;
			return true;
		}
	}
	return false;
}

bool scenario_read_expect(struct statement *s)
{
	static const char *const operators[] = {"=", "<", "<=", ">", ">="};
	struct scenario *scenario = s->scenario;
	struct scenario_expectation *expectation =
	    scenario_more(s, scenario->expectations, &scenario->expectation_count,
	                  sizeof(*expectation));
	const char *what = statement_need(s, "what is expected");
	const char *comparison = what ? statement_need(s, "=, <, <=, > or >=") : NULL;
	const char *value = comparison ? statement_need(s, "a value") : NULL;
	size_t size;
	char *text;

	if (!expectation || !value)
		return false;
	scenario->expectations = expectation;
	expectation += scenario->expectation_count - 1;
	expectation->line = s->line;
	if (!find_figure(what, &expectation->figure))
		return scenario_refuse(
		    s,
		    "'%s' is not counted: requests, failures, goodput, "
		    "p50, p90, p99, slowest and retransmissions are",
		    what);
	for (size_t i = 0; i < KILN_COUNT_OF(operators); i++)
		if (strcmp(operators[i], comparison) == 0)
			strcpy(expectation->comparison, comparison);
	if (!*expectation->comparison)
		return scenario_refuse(
		    s, "'%s' compares nothing: write =, <, <=, > or >=", comparison);
	if (!read_value(expectation->figure, value, &expectation->value))
		return scenario_refuse(
		    s,
		    "%s cannot be '%s': write a number, or, of p50 to slowest, a time "
		    "such as 100ms",
		    what, value);
	size = strlen(what) + strlen(comparison) + strlen(value) + 3;
	text = malloc(size);
	if (!text)
		return scenario_refuse(s, "there is no memory for it");
	snprintf(text, size, "%s %s %s", what, comparison, value);
	expectation->text = text;
	return true;
}
