/*
 * Frames and deliveries of a simulated link: buffers in two sizes and the envelopes that
 * carry them to a receiver, on free lists of the sim. None is given back before sim_free.
 */
#ifndef SIM_FRAME_H
#define SIM_FRAME_H

#include "world.h"

/* Large enough for every IPv4 packet behind an Ethernet header. */
enum { SIM_FRAME_LARGEST = 65535 + 14 };

/* One reference; offload zeroed, data not. */
struct sim_frame *sim_frame_get(struct sim *sim, uint32_t size);
/* A copy that nobody else refers to. */
struct sim_frame *sim_frame_copy(struct sim *sim, const struct sim_frame *frame);
void sim_frame_unref(struct sim *sim, struct sim_frame *frame);
/* Does what NEEDS_CSUM leaves to the device, so that the frame can stand for itself. */
void sim_frame_complete_checksum(struct sim_frame *frame);

struct sim_delivery *sim_delivery_get(struct sim *sim);
/* Drops its frame as well. */
void sim_delivery_put(struct sim *sim, struct sim_delivery *delivery);

#endif
