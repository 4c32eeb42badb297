/*
 * Joins two tap interfaces by the simulated link's model (target/sim/path.h), in real
 * time. Used by `kiln link`.
 *
 * Each way has its own impairment, draws and queue. The taps have no offloads while the
 * relay holds them: the kernel cuts large segments and completes checksums before a frame
 * gets here, so that every frame is one packet on the link, and a flipped bit meets its
 * checksum.
 */
#ifndef TOOL_RELAY_H
#define TOOL_RELAY_H

#include <stdbool.h>
#include "../target/sim/event.h"
#include "../target/sim/path.h"

struct relay_counters {
	uint64_t frames, bytes; /* that came in */
	uint64_t lost, duplicated, reordered, corrupted;
	uint64_t marked;     /* as having met congestion */
	uint64_t overflowed; /* the queue was full */
	uint64_t refused;    /* the other interface did not take it: it is down */
};

/* From one tap to the other. */
struct relay_way {
	const char *from, *to; /* names of the interfaces */
	int in, out;           /* their descriptors */
	struct sim_impairment impairment;
	struct sim_random random;
	struct sim_path path;
	uint64_t held; /* bytes on their way */
	struct relay_counters counters;
};

struct relay {
	struct relay_way ways[2];
	struct sim_events events;
	int pcap; /* descriptor of a capture of all that comes in; -1: none */
};

/* Opens both taps, which are made if they are missing, and draws from the seed. Ends the
 * process with a message if it cannot. `ways` have their names and impairments. */
void relay_open(struct relay *relay, uint64_t seed);

/* Carries frames until SIGINT or SIGTERM. False: an interface has gone; *gone is it. */
bool relay_run(struct relay *relay, const char **gone);

#endif
