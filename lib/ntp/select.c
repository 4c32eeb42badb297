/*
 * Whom to believe (RFC 5905, 11.2.1, after Marzullo): every server's time is right within
 * its error, unless the server is wrong. The point that lies within most of those intervals
 * is taken, if that is more than half of them.
 */
#include "ntp_private.h"

static bool covers(const struct ntp_sample *sample, int64_t point)
{
	return sample->offset - sample->error <= point &&
	       point <= sample->offset + sample->error;
}

static unsigned covering(const struct ntp_sample *samples, unsigned count, int64_t point)
{
	unsigned covered = 0;

	for (unsigned i = 0; i < count; i++)
		covered += covers(&samples[i], point);
	return covered;
}

/* The mean of those that agree, by the inverse of their errors; relative to the first, as
 * all are close to it, while all may be far from zero. */
static void combine(const struct ntp_sample *samples, unsigned count, const bool *agree,
                    struct ntp_sample *combined)
{
	const struct ntp_sample *first = NULL;
	int64_t sum = 0, weights = 0;

	for (unsigned i = 0; i < count; i++) {
		int64_t weight = 1000000 / (samples[i].error / 1000 + 1) + 1;
		if (!agree[i])
			continue;
		if (!first)
			*combined = *(first = &samples[i]);
		sum += (samples[i].offset - first->offset) / 1000 * weight;
		weights += weight;
		combined->error = KILN_MIN(combined->error, samples[i].error);
	}
	if (first)
		combined->offset += sum / weights * 1000;
}

unsigned ntp_select(const struct ntp_sample *samples, unsigned count, bool *agree,
                    struct ntp_sample *combined)
{
	unsigned most = 0;
	int64_t point = 0;

	/* The intersection of the most intervals begins where one of them does. */
	for (unsigned i = 0; i < count; i++) {
		int64_t begin = samples[i].offset - samples[i].error;
		unsigned covered = covering(samples, count, begin);
		if (covered > most) {
			most = covered;
			point = begin;
		}
	}
	if (most * 2 <= count)
		return 0;
	for (unsigned i = 0; i < count; i++)
		agree[i] = covers(&samples[i], point);
	combine(samples, count, agree, combined);
	return most;
}
