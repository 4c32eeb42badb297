/*
 * One direction of a link, as a pure model: a frame that is sent at an instant, in; when
 * which copies of it arrive, out. Knows no simulator and no clock: simulated links
 * (link.c) ask it with virtual time, `kiln link` with real time.
 *
 * A frame leaves its sender at the rate, behind those that wait there already; then it is
 * lost, doubled, damaged or held back by draws of its own, and arrives after the delay
 * and the jitter. The same seed and the same frames at the same instants give the same
 * answers; the draws alone (not the instants) depend on nothing but the seed and how many
 * frames there were before.
 */
#ifndef SIM_PATH_H
#define SIM_PATH_H

#include <kiln/sim.h>
#include "random.h"

/* Where frames wait for the rate. Zeroed: empty. */
struct sim_path {
	kiln_time *leaving; /* when those that wait will have left, a ring */
	uint32_t leaving_room, leaving_first, leaving_count;
	kiln_time idle_at;      /* when the last of them will have left */
	kiln_time last_arrival; /* jitter does not reorder: no frame arrives before */
	bool bursting;          /* frames are lost until the burst ends */
};

/* One copy of a frame, as it arrives. */
struct sim_arrival {
	kiln_time at;
	bool held_back; /* others may have overtaken it */
	bool damaged;
	uint64_t bit; /* that is flipped, if it is damaged */
};

enum { SIM_COPIES = 2 };

/* The instant when a frame of so many bytes, sent now, has left the sender; KILN_NEVER if
 * the queue is full. */
kiln_time sim_path_departure(struct sim_path *path,
                             const struct sim_impairment *impairment, kiln_time now,
                             uint32_t size);

/* Whether so many wait after that, that a frame which can say so must: sim_frame_mark(). */
bool sim_path_congested(const struct sim_path *path,
                        const struct sim_impairment *impairment);

/* Whether a frame of so many bytes is larger than the link lets on: it is lost. */
static inline bool sim_path_swallows(const struct sim_impairment *impairment,
                                     uint32_t size)
{
	return impairment->blackhole && size > impairment->blackhole + 14u;
}

/* What becomes of a frame that has left at an instant: fills in the copies that arrive,
 * and returns their number; 0: it is lost. */
unsigned sim_path_carry(struct sim_path *path, const struct sim_impairment *impairment,
                        struct sim_random *random, kiln_time departure, uint32_t size,
                        struct sim_arrival copies[SIM_COPIES]);

/* Gives its memory back. */
void sim_path_free(struct sim_path *path);

/* Marks the IP packet in an Ethernet frame as having met congestion (RFC 3168, 5), and
 * keeps its header's checksum right. False: it is not ECN-capable, or marked already. */
bool sim_frame_mark(uint8_t *frame, uint32_t size);

/* Sets what an option says: loss, duplicate, corrupt, reorder (0.02 or 2%), burst (1% or
 * 1%:20), delay, jitter (20 or 20ms), rate (10M), queue, mark or blackhole. False: the
 * value makes no sense, or, with *known cleared, there is no such option. */
bool sim_impairment_option(struct sim_impairment *impairment, const char *key,
                           const char *value, bool *known);

/* What a user gets who says only how often frames are to be held back. */
#define SIM_REORDER_DELAY KILN_MS(5)

#endif
