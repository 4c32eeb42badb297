/*
 * A heap of events, ordered by instant and then by order of setting. Used by the
 * simulator, with virtual time, and by `kiln link`, with real time.
 */
#ifndef SIM_EVENT_H
#define SIM_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <kiln/time.h>

/* Something to do at an instant; owned by whom it happens to. Zeroed: not set. */
struct sim_event {
	void (*fire)(struct sim_event *event);
	uint32_t place; /* in the heap, from 1; 0: not in it */
};

struct sim_event_slot {
	kiln_time at;
	uint64_t order;
	struct sim_event *event;
};

/* A heap of four children a node: shallower than a binary one, and siblings lie together.
 */
struct sim_events {
	struct sim_event_slot *slots;
	uint32_t count, room;
	uint64_t order;
};

/* Makes sure of room for so many events at a time. False: no memory. */
bool sim_events_reserve(struct sim_events *events, uint32_t count);
/* Sets the event, for which there is room, or moves it if it is set. Events of one instant
 * fire in this order. */
void sim_events_set(struct sim_events *events, struct sim_event *event, kiln_time at);
void sim_events_cancel(struct sim_events *events, struct sim_event *event);
/* The instant of the first event; KILN_NEVER if there is none. */
kiln_time sim_events_next(const struct sim_events *events);
/* Takes the first event out; there is one. */
struct sim_event *sim_events_pop(struct sim_events *events);

#endif
