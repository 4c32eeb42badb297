/*
 * What the clients of a scenario have seen: how many requests were served, how fast.
 */
#ifndef SCENARIO_TALLY_H
#define SCENARIO_TALLY_H

#include <kiln/error.h>
#include <kiln/time.h>
#include <stdbool.h>
#include <stddef.h>

struct tally {
	uint64_t requests; /* that have ended, well or not */
	uint64_t failed[KILN_ERR_COUNT];
	uint64_t wrong;       /* answers that were not what was asked for */
	uint64_t bytes;       /* of good answers: their bodies */
	kiln_time *latencies; /* of good answers */
	size_t count, room;
	bool sorted;
	unsigned clients, finished; /* that have made all their requests */
};

void tally_good(struct tally *tally, kiln_time latency, uint64_t bytes);
void tally_failed(struct tally *tally, enum kiln_error why);
void tally_wrong(struct tally *tally);

uint64_t tally_failures(const struct tally *tally);
/* So that a share of the answers, from 0 to 1, took no longer; 0 if there are none. */
kiln_time tally_percentile(struct tally *tally, double share);

#endif
