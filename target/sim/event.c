/*
 * The event heap: four children a node, ordered by instant and then by order of setting,
 * so that its order is total. Events know their place, which makes moving the wake-up of
 * a node as cheap as setting it and leaves nothing stale behind. Slots hold the keys:
 * sifting does not touch the events.
 */
#include <stdlib.h>
#include <kiln/bytes.h>
#include "event.h"

enum { ROOT = 1, CHILDREN = 4 };

/* Places count from 1 so that 0 means "not set"; the children of p are first_child(p) and
 * the three behind it. */
static uint32_t first_child(uint32_t place)
{
	return (place - 1) * CHILDREN + 2;
}

static uint32_t parent(uint32_t place)
{
	return (place - 2) / CHILDREN + 1;
}

static bool before(const struct sim_event_slot *a, const struct sim_event_slot *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void put(struct sim_events *events, uint32_t place,
                const struct sim_event_slot *slot)
{
	events->slots[place] = *slot;
	slot->event->place = place;
}

static void sift_up(struct sim_events *events, uint32_t place, struct sim_event_slot slot)
{
	while (place > ROOT && before(&slot, &events->slots[parent(place)])) {
		put(events, place, &events->slots[parent(place)]);
		place = parent(place);
	}
	put(events, place, &slot);
}

static void sift_down(struct sim_events *events, uint32_t place,
                      struct sim_event_slot slot)
{
	for (;;) {
		uint32_t child = first_child(place);
		uint32_t end = KILN_MIN(child + CHILDREN, events->count + 1);
		uint32_t least = child;

		if (child > events->count)
			break;
		while (++child < end) {
			if (before(&events->slots[child], &events->slots[least]))
				least = child;
		}
		if (!before(&events->slots[least], &slot))
			break;
		put(events, place, &events->slots[least]);
		place = least;
	}
	put(events, place, &slot);
}

static void place_slot(struct sim_events *events, uint32_t place,
                       struct sim_event_slot slot)
{
	if (place > ROOT && before(&slot, &events->slots[parent(place)]))
		sift_up(events, place, slot);
	else
		sift_down(events, place, slot);
}

bool sim_events_reserve(struct sim_events *events, uint32_t count)
{
	uint32_t room = events->room ? events->room : 128;
	struct sim_event_slot *slots;

	if (count + ROOT <= events->room)
		return true;
	while (room < count + ROOT)
		room *= 2;
	slots = realloc(events->slots, room * sizeof(*slots));
	if (!slots)
		return false;
	events->slots = slots;
	events->room = room;
	return true;
}

void sim_events_set(struct sim_events *events, struct sim_event *event, kiln_time at)
{
	struct sim_event_slot slot = {at, events->order++, event};

	if (event->place) {
		place_slot(events, event->place, slot);
		return;
	}
	events->count++;
	sift_up(events, events->count, slot);
}

void sim_events_cancel(struct sim_events *events, struct sim_event *event)
{
	uint32_t place = event->place;
	struct sim_event_slot last;

	if (!place)
		return;
	event->place = 0;
	last = events->slots[events->count--];
	if (last.event != event)
		place_slot(events, place, last);
}

kiln_time sim_events_next(const struct sim_events *events)
{
	return events->count ? events->slots[ROOT].at : KILN_NEVER;
}

struct sim_event *sim_events_pop(struct sim_events *events)
{
	struct sim_event *event = events->slots[ROOT].event;

	sim_events_cancel(events, event);
	return event;
}
