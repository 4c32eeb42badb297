/*
 * See tally.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include "tally.h"

void tally_good(struct tally *tally, kiln_time latency, uint64_t bytes)
{
	if (tally->count == tally->room) {
		tally->room = tally->room ? tally->room * 2 : 1024;
		tally->latencies =
		    realloc(tally->latencies, tally->room * sizeof(*tally->latencies));
		if (!tally->latencies) {
			fputs("kiln: no memory for what the clients saw\n", stderr);
			exit(1);
		}
	}
	tally->latencies[tally->count++] = latency;
	tally->sorted = false;
	tally->bytes += bytes;
	tally->requests++;
}

void tally_failed(struct tally *tally, enum kiln_error why)
{
	tally->failed[why]++;
	tally->requests++;
}

void tally_wrong(struct tally *tally)
{
	tally->wrong++;
	tally->requests++;
}

uint64_t tally_failures(const struct tally *tally)
{
	uint64_t failures = tally->wrong;

	for (unsigned i = 0; i < KILN_ERR_COUNT; i++)
		failures += tally->failed[i];
	return failures;
}

static int compare(const void *a, const void *b)
{
	kiln_time left = *(const kiln_time *)a, right = *(const kiln_time *)b;

	return left < right ? -1 : left > right;
}

kiln_time tally_percentile(struct tally *tally, double share)
{
	size_t place;

	if (!tally->count)
		return 0;
	if (!tally->sorted)
		qsort(tally->latencies, tally->count, sizeof(*tally->latencies), compare);
	tally->sorted = true;
	place = (size_t)(share * (double)tally->count);
	return tally->latencies[place < tally->count ? place : tally->count - 1];
}
