/*
 * See report.h.
 */
#include <stdio.h>
#include <string.h>
#include <kiln/bytes.h>
#include "report.h"

static double seconds(kiln_time time)
{
	return (double)time / (double)KILN_SECONDS(1);
}

static uint64_t figure(struct play *play, enum scenario_figure which)
{
	struct tally *tally = &play->tally;

	switch (which) {
	case SCENARIO_REQUESTS:
		return tally->requests;
	case SCENARIO_FAILURES:
		return tally_failures(tally);
	case SCENARIO_GOODPUT:
		return play->ended_at ? (uint64_t)((double)tally->bytes * 8 /
		                                   seconds(play->ended_at))
		                      : 0;
	case SCENARIO_P50:
		return tally_percentile(tally, 0.5);
	case SCENARIO_P90:
		return tally_percentile(tally, 0.9);
	case SCENARIO_P99:
		return tally_percentile(tally, 0.99);
	case SCENARIO_SLOWEST:
		return tally_percentile(tally, 1);
	case SCENARIO_RETRANSMISSIONS:
		return play_retransmissions(play);
	default:
		return 0;
	}
}

static bool is_time(enum scenario_figure which)
{
	return which >= SCENARIO_P50 && which <= SCENARIO_SLOWEST;
}

/* ---- for people ---- */

/* Three digits and a unit. */
static const char *scaled(double value, double step, const char *const *units, int last)
{
	static char texts[4][32];
	static unsigned turn;
	char *text = texts[turn++ % 4];
	int unit = 0;

	while (value >= step && unit < last) {
		value /= step;
		unit++;
	}
	snprintf(text, sizeof(texts[0]), "%.*f %s",
	         value >= 100 || value == (double)(uint64_t)value ? 0
	         : value >= 10                                    ? 1
	                                                          : 2,
	         value, units[unit]);
	return text;
}

static const char *time_text(kiln_time time)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return scaled((double)time, 1000, units, 3);
}

static const char *rate_text(uint64_t bits)
{
	static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};

	return scaled((double)bits, 1000, units, 3);
}

static void print_failures(const struct tally *tally)
{
	uint64_t failures = tally_failures(tally);
	const char *before = ": ";

	printf(", %llu failed", (unsigned long long)failures);
	for (unsigned i = 0; i < KILN_ERR_COUNT; i++) {
		if (!tally->failed[i])
			continue;
		printf("%s%llu %s", before, (unsigned long long)tally->failed[i],
		       kiln_error_text((enum kiln_error)i));
		before = ", ";
	}
	if (tally->wrong)
		printf("%s%llu wrong answers", before, (unsigned long long)tally->wrong);
	printf("\n");
}

static void print_frames(const struct sim_counters *c)
{
	const struct {
		const char *name;
		uint64_t count;
	} what[] = {{"lost", c->lost},
	            {"duplicated", c->duplicated},
	            {"corrupted", c->corrupted},
	            {"reordered", c->reordered},
	            {"marked", c->marked},
	            {"cut off", c->cut},
	            {"dropped by full queues", c->overflowed}};

	printf("frames           %llu", (unsigned long long)c->frames);
	for (size_t i = 0; i < KILN_COUNT_OF(what); i++)
		if (what[i].count)
			printf(", %llu %s", (unsigned long long)what[i].count,
			       what[i].name);
	printf("\n");
}

void report_print(struct play *play, kiln_time real)
{
	struct sim_counters counters;

	sim_counters(play->sim, &counters);
	if (play->client_count) {
		printf("requests         %llu", (unsigned long long)play->tally.requests);
		print_failures(&play->tally);
		printf("goodput          %s\n",
		       rate_text(figure(play, SCENARIO_GOODPUT)));
		printf("latency          p50 %s, p90 %s, ",
		       time_text(figure(play, SCENARIO_P50)),
		       time_text(figure(play, SCENARIO_P90)));
		printf("p99 %s, slowest %s\n", time_text(figure(play, SCENARIO_P99)),
		       time_text(figure(play, SCENARIO_SLOWEST)));
	}
	printf("retransmissions  %llu\n",
	       (unsigned long long)figure(play, SCENARIO_RETRANSMISSIONS));
	print_frames(&counters);
	printf("time             %s of virtual time in %s, %llu events; seed %llu\n",
	       time_text(play->ended_at), time_text(real),
	       (unsigned long long)counters.events,
	       (unsigned long long)play->scenario->seed);
}

/* ---- for programs ---- */

void report_json(struct play *play, kiln_time real)
{
	struct sim_counters c;

	sim_counters(play->sim, &c);
	printf("{\"seed\": %llu, \"virtual_s\": %.6f, \"real_s\": %.3f, \"clients\": %u",
	       (unsigned long long)play->scenario->seed, seconds(play->ended_at),
	       seconds(real), play->client_count);
	for (unsigned i = 0; i < SCENARIO_FIGURES; i++) {
		uint64_t value = figure(play, (enum scenario_figure)i);
		if (is_time((enum scenario_figure)i))
			printf(", \"%s_ms\": %.6f", scenario_figure_names[i],
			       seconds(value) * 1000);
		else
			printf(", \"%s\": %llu", scenario_figure_names[i],
			       (unsigned long long)value);
	}
	printf(", \"frames\": %llu, \"bytes\": %llu, \"lost\": %llu, \"duplicated\": "
	       "%llu, \"corrupted\": %llu, \"reordered\": %llu, \"marked\": %llu, "
	       "\"cut\": %llu, \"queue_full\": %llu, \"events\": %llu}\n",
	       (unsigned long long)c.frames, (unsigned long long)c.bytes,
	       (unsigned long long)c.lost, (unsigned long long)c.duplicated,
	       (unsigned long long)c.corrupted, (unsigned long long)c.reordered,
	       (unsigned long long)c.marked, (unsigned long long)c.cut,
	       (unsigned long long)c.overflowed, (unsigned long long)c.events);
}

/* ---- beside what was expected ---- */

static bool holds(uint64_t value, const char *comparison, uint64_t bound)
{
	bool equal = value == bound, less = value < bound;

	if (strcmp(comparison, "=") == 0)
		return equal;
	if (*comparison == '<')
		return less || (comparison[1] && equal);
	return (!less && !equal) || (comparison[1] && equal);
}

static bool check_expectation(struct play *play, const struct scenario_expectation *e)
{
	uint64_t value = figure(play, e->figure);

	if (holds(value, e->comparison, e->value))
		return true;
	fprintf(stderr, "kiln: %s:%u: expected %s, and it is ", play->scenario->file,
	        e->line, e->text);
	if (is_time(e->figure))
		fprintf(stderr, "%s\n", time_text(value));
	else
		fprintf(stderr, "%llu\n", (unsigned long long)value);
	return false;
}

static bool check_host(struct play *play, unsigned index)
{
	const struct scenario_host *host = &play->scenario->hosts[index];
	int status;

	if (!sim_node_ended(play->hosts[index], &status))
		fprintf(stderr, "kiln: %s:%u: host %s did not end when it was asked to\n",
		        play->scenario->file, host->line, host->name);
	else if (status != 0)
		fprintf(stderr, "kiln: %s:%u: host %s ended with status %d\n",
		        play->scenario->file, host->line, host->name, status);
	else
		return true;
	return false;
}

bool report_check(struct play *play)
{
	const struct scenario *scenario = play->scenario;
	bool good = true;

	for (unsigned i = 0; i < scenario->host_count; i++)
		good &= check_host(play, i);
	for (unsigned i = 0; i < scenario->expectation_count; i++)
		good &= check_expectation(play, &scenario->expectations[i]);
	if (!good)
		fprintf(stderr, "kiln: seed %llu repeats the run\n",
		        (unsigned long long)scenario->seed);
	return good;
}
