/*
 * See path.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/abi/param.h>
#include <kiln/bytes.h>
#include "path.h"

enum { DEFAULT_QUEUE = 1000, DEFAULT_BURST_LENGTH = 10 };
#define DEFAULT_REORDER_DELAY KILN_MS(1)

/* ---- waiting for the rate ---- */

/* Room for the queue and the frame that is being sent. What waits is kept in order. */
static bool make_room(struct sim_path *path, uint32_t room)
{
	kiln_time *leaving;

	if (path->leaving_room >= room)
		return true;
	leaving = malloc(room * sizeof(*leaving));
	if (!leaving)
		return false;
	for (uint32_t i = 0; i < path->leaving_count; i++)
		leaving[i] =
		    path->leaving[(path->leaving_first + i) % path->leaving_room];
	free(path->leaving);
	path->leaving = leaving;
	path->leaving_room = room;
	path->leaving_first = 0;
	return true;
}

kiln_time sim_path_departure(struct sim_path *path,
                             const struct sim_impairment *impairment, kiln_time now,
                             uint32_t size)
{
	uint32_t queue = impairment->queue ? impairment->queue : DEFAULT_QUEUE;
	kiln_time duration;

	if (!impairment->rate)
		return now;
	while (path->leaving_count && path->leaving[path->leaving_first] <= now) {
		path->leaving_first = (path->leaving_first + 1) % path->leaving_room;
		path->leaving_count--;
	}
	/* One is being sent, the others wait. */
	if (path->leaving_count > queue || !make_room(path, queue + 1))
		return KILN_NEVER;
	duration =
	    (kiln_time)((unsigned __int128)size * 8 * KILN_SECONDS(1) / impairment->rate);
	path->idle_at = KILN_MAX(path->idle_at, now) + duration;
	path->leaving[(path->leaving_first + path->leaving_count++) %
	              path->leaving_room] = path->idle_at;
	return path->idle_at;
}

bool sim_path_congested(const struct sim_path *path,
                        const struct sim_impairment *impairment)
{
	/* The first of them is being sent. */
	return impairment->mark && path->leaving_count > impairment->mark;
}

/* ---- on the way ---- */

/* Gilbert's chain of two states, a step for each frame. */
static bool lost_in_burst(struct sim_path *path, const struct sim_impairment *impairment,
                          struct sim_random *random)
{
	double length =
	    impairment->burst_length ? impairment->burst_length : DEFAULT_BURST_LENGTH;

	if (path->bursting)
		path->bursting = !sim_random_chance(random, 1 / length);
	else
		path->bursting = sim_random_chance(random, impairment->burst);
	return path->bursting;
}

static struct sim_arrival carry_copy(struct sim_path *path,
                                     const struct sim_impairment *impairment,
                                     struct sim_random *random, kiln_time departure,
                                     uint32_t size)
{
	struct sim_arrival copy = {.at = departure + impairment->delay};

	if (impairment->jitter)
		copy.at += sim_random_upto(random, impairment->jitter);
	copy.at = KILN_MAX(copy.at, path->last_arrival);
	copy.held_back = sim_random_chance(random, impairment->reorder);
	if (copy.held_back) {
		kiln_time most = impairment->reorder_delay ? impairment->reorder_delay
		                                           : DEFAULT_REORDER_DELAY;
		copy.at += 1 + sim_random_upto(random, most - 1);
	} else {
		path->last_arrival = copy.at;
	}
	copy.damaged = sim_random_chance(random, impairment->corrupt);
	if (copy.damaged)
		copy.bit = sim_random_upto(random, (uint64_t)size * 8 - 1);
	return copy;
}

unsigned sim_path_carry(struct sim_path *path, const struct sim_impairment *impairment,
                        struct sim_random *random, kiln_time departure, uint32_t size,
                        struct sim_arrival copies[SIM_COPIES])
{
	bool burst = lost_in_burst(path, impairment, random);

	if (sim_random_chance(random, impairment->loss) || burst)
		return 0;
	copies[0] = carry_copy(path, impairment, random, departure, size);
	if (!sim_random_chance(random, impairment->duplicate))
		return 1;
	copies[1] = carry_copy(path, impairment, random, departure, size);
	return 2;
}

void sim_path_free(struct sim_path *path)
{
	free(path->leaving);
	*path = (struct sim_path){0};
}

/* ---- as options ---- */

static bool read_probability(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end == text)
		return false;
	if (*end == '%') {
		*value /= 100;
		end++;
	}
	return *end == '\0' && isfinite(*value) && *value >= 0 && *value <= 1;
}

/* At most a day: sums of instants and durations do not overflow. */
static bool read_delay(const char *text, kiln_time *value)
{
	const kiln_time most = KILN_SECONDS(86400);
	char *end;
	double number = strtod(text, &end);

	if (end != text && *end == '\0') {
		if (!(number >= 0 && number <= 86400e3))
			return false;
		*value = (kiln_time)(number * (double)KILN_MS(1));
		return true;
	}
	return param_parse(KILN_PARAM_TYPE_DURATION, 0, 0, text, strlen(text), value) &&
	       *value <= most;
}

/* Bits per second, in thousands. */
static bool read_rate(const char *text, uint64_t *value)
{
	static const char *const unit[] = {"", "k", "K", "M", "G"};
	static const uint64_t factor[] = {1, 1000, 1000, 1000000, 1000000000};

	return param_scaled(text, text + strlen(text), unit, factor, 5, value);
}

static bool read_frames(const char *text, uint32_t *value)
{
	uint64_t frames;

	if (!param_parse(KILN_PARAM_TYPE_UINT, 1, 1000000, text, strlen(text), &frames))
		return false;
	*value = (uint32_t)frames;
	return true;
}

/* "1%", or "1%:20" with the mean length in frames. */
static bool read_burst(const char *text, struct sim_impairment *impairment)
{
	size_t length = strcspn(text, ":");
	char begins[32];
	char *end;

	if (length >= sizeof(begins))
		return false;
	memcpy(begins, text, length);
	begins[length] = '\0';
	impairment->burst_length = DEFAULT_BURST_LENGTH;
	if (text[length]) {
		impairment->burst_length = strtod(text + length + 1, &end);
		if (end == text + length + 1 || *end ||
		    !(impairment->burst_length >= 1 && impairment->burst_length <= 1e6))
			return false;
	}
	return read_probability(begins, &impairment->burst);
}

/* Bytes of an IP packet: at least what every host takes (RFC 791, 3.2). */
static bool read_packet_size(const char *text, uint16_t *value)
{
	uint64_t bytes;

	if (!param_parse(KILN_PARAM_TYPE_UINT, 68, 65535, text, strlen(text), &bytes))
		return false;
	*value = (uint16_t)bytes;
	return true;
}

bool sim_impairment_option(struct sim_impairment *impairment, const char *key,
                           const char *value, bool *known)
{
	*known = true;
	if (strcmp(key, "loss") == 0)
		return read_probability(value, &impairment->loss);
	if (strcmp(key, "duplicate") == 0)
		return read_probability(value, &impairment->duplicate);
	if (strcmp(key, "corrupt") == 0)
		return read_probability(value, &impairment->corrupt);
	if (strcmp(key, "reorder") == 0)
		return read_probability(value, &impairment->reorder);
	if (strcmp(key, "delay") == 0)
		return read_delay(value, &impairment->delay);
	if (strcmp(key, "jitter") == 0)
		return read_delay(value, &impairment->jitter);
	if (strcmp(key, "rate") == 0)
		return read_rate(value, &impairment->rate);
	if (strcmp(key, "queue") == 0)
		return read_frames(value, &impairment->queue);
	if (strcmp(key, "mark") == 0)
		return read_frames(value, &impairment->mark);
	if (strcmp(key, "burst") == 0)
		return read_burst(value, impairment);
	if (strcmp(key, "blackhole") == 0)
		return read_packet_size(value, &impairment->blackhole);
	*known = false;
	return false;
}
