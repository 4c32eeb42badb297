/*
 * `kiln link`: two tap interfaces joined by a link as bad as is asked for. Its options
 * have the words of the simulator; a value such as 2%,0 is for each way.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <kiln/abi/param.h>
#include "../target/sim/pcap.h"
#include "relay.h"
#include "tool.h"

struct link {
	struct relay relay;
	uint64_t seed;
	const char *pcap;
	bool json;
	const char *taps[2];
	unsigned tap_count;
};

/* "2%" for both ways, "2%,0" for each. False as sim_impairment_option(). */
static bool set_impairment(struct link *link, const char *key, const char *value,
                           bool *known)
{
	const char *comma = strchr(value, ',');
	const char *there =
	    comma ? text_format("%.*s", (int)(comma - value), value) : value;
	const char *back = comma ? comma + 1 : value;

	return sim_impairment_option(&link->relay.ways[0].impairment, key, there,
	                             known) &&
	       sim_impairment_option(&link->relay.ways[1].impairment, key, back, known);
}

static void take_setting(struct link *link, const char *key, const char *value)
{
	bool known;

	if (strcmp(key, "seed") == 0) {
		if (!param_parse(KILN_PARAM_TYPE_UINT, 0, UINT64_MAX, value,
		                 strlen(value), &link->seed))
			fail_usage("--seed: '%s' is no number", value);
	} else if (strcmp(key, "pcap") == 0) {
		link->pcap = value;
	} else if (!set_impairment(link, key, value, &known)) {
		if (!known)
			fail_usage("kiln link does not know --%s: kiln help link lists "
			           "its options",
			           key);
		fail_usage("--%s: '%s' makes no sense: give, for example, --loss 2%%, "
		           "--delay 20ms, --rate 10M or --queue 100, or two of them, "
		           "one for each way: --loss 2%%,0",
		           key, value);
	}
}

static void read_arguments(struct link *link, int argc, char **argv)
{
	struct settings settings = {0};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			link->json = true;
		} else if (settings_take(&settings, argv, &i)) {
			struct setting *last = &settings.item[settings.count - 1];
			take_setting(link, last->key, last->value);
		} else if (argv[i][0] == '-' || link->tap_count == 2) {
			fail_usage("kiln link takes two tap interfaces, and not '%s'",
			           argv[i]);
		} else {
			link->taps[link->tap_count++] = argv[i];
		}
	}
	if (link->tap_count != 2)
		fail_usage("kiln link joins two tap interfaces: kiln link --loss 2%% "
		           "tap0 tap1");
	if (strcmp(link->taps[0], link->taps[1]) == 0)
		fail_usage("kiln link joins two interfaces, and %s is one",
		           link->taps[0]);
}

static void open_pcap(struct link *link)
{
	struct relay *relay = &link->relay;

	relay->pcap = -1;
	if (!link->pcap)
		return;
	relay->pcap = open(link->pcap, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (relay->pcap < 0 || !pcap_begin(relay->pcap))
		fail("cannot write %s: %s", link->pcap, strerror(errno));
}

/* ---- what it counted ---- */

static const struct {
	const char *name, *key;
	size_t place;
} rows[] = {
    {"frames", "frames", offsetof(struct relay_counters, frames)},
    {"bytes", "bytes", offsetof(struct relay_counters, bytes)},
    {"lost", "lost", offsetof(struct relay_counters, lost)},
    {"duplicated", "duplicated", offsetof(struct relay_counters, duplicated)},
    {"reordered", "reordered", offsetof(struct relay_counters, reordered)},
    {"corrupted", "corrupted", offsetof(struct relay_counters, corrupted)},
    {"marked", "marked", offsetof(struct relay_counters, marked)},
    {"queue full", "queue_full", offsetof(struct relay_counters, overflowed)},
    {"refused", "refused", offsetof(struct relay_counters, refused)},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static uint64_t counted(const struct relay_way *way, unsigned row)
{
	uint64_t value;

	memcpy(&value, (const char *)&way->counters + rows[row].place, sizeof(value));
	return value;
}

static void print_table(const struct relay *relay)
{
	printf("%-12s", "");
	for (unsigned i = 0; i < 2; i++)
		printf("  %20s",
		       text_format("%s -> %s", relay->ways[i].from, relay->ways[i].to));
	printf("\n");
	for (unsigned row = 0; row < ROWS; row++) {
		printf("%-12s", rows[row].name);
		for (unsigned i = 0; i < 2; i++)
			printf("  %20" PRIu64, counted(&relay->ways[i], row));
		printf("\n");
	}
}

static void print_json(const struct relay *relay)
{
	for (unsigned i = 0; i < 2; i++) {
		printf("{\"from\": \"%s\", \"to\": \"%s\"", relay->ways[i].from,
		       relay->ways[i].to);
		for (unsigned row = 0; row < ROWS; row++)
			printf(", \"%s\": %" PRIu64, rows[row].key,
			       counted(&relay->ways[i], row));
		printf("}\n");
	}
}

int command_link(int argc, char **argv)
{
	struct link *link = allocate(sizeof(*link));
	struct relay_way *ways = link->relay.ways;
	const char *gone;
	bool stopped;

	link->seed = 1;
	for (unsigned i = 0; i < 2; i++)
		ways[i].impairment.reorder_delay = SIM_REORDER_DELAY;
	read_arguments(link, argc, argv);
	ways[0].from = ways[1].to = link->taps[0];
	ways[0].to = ways[1].from = link->taps[1];
	open_pcap(link);
	relay_open(&link->relay, link->seed);
	fprintf(stderr, "%s and %s are joined; Ctrl-C ends it\n", ways[0].from,
	        ways[0].to);
	stopped = relay_run(&link->relay, &gone);
	(link->json ? print_json : print_table)(&link->relay);
	if (!stopped)
		fail("%s has gone: the link is cut", gone);
	return 0;
}
