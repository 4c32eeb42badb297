/*
 * The simulated world and its scheduler: <kiln/sim.h> but for nodes (node.c) and links
 * (link.c).
 *
 * sim_run resumes every node that has something to do; when all of them wait, the clock
 * jumps to the next event. All events of one instant happen before any node sees them, so
 * a burst of frames wakes its receiver once.
 */
#include <stdarg.h>
#include <stdlib.h>
#include "world.h"

void sim_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("sim: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

void *sim_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		sim_fail("no memory for %zu bytes", size);
	return memory;
}

void *sim_slab_alloc(struct sim *sim, size_t size)
{
	enum { HEADER = 64 }; /* keeps what follows on cache lines of its own */
	struct sim_slab *slab = sim_alloc(HEADER + size);

	slab->next = sim->slabs;
	sim->slabs = slab;
	return (uint8_t *)slab + HEADER;
}

void sim_schedule(struct sim *sim, struct sim_event *event, kiln_time at)
{
	if (!event->place && !sim_events_reserve(&sim->events, sim->events.count + 1))
		sim_fail("no memory for %u events", sim->events.count + 1);
	sim_events_set(&sim->events, event, at);
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = sim_alloc(sizeof(*sim));

	sim_random_seed(&sim->random, seed);
	list_init(&sim->nodes);
	list_init(&sim->ready);
	list_init(&sim->links);
	list_init(&sim->switches);
	list_init(&sim->routers);
	return sim;
}

void sim_free(struct sim *sim)
{
	if (sim->running)
		sim_fail("sim_free was called by node %s", sim->running->name);
	while (!list_empty(&sim->nodes))
		sim_node_free(kiln_container(sim->nodes.next, struct sim_node, in_nodes));
	sim_switches_free(sim);
	sim_routers_free(sim);
	while (!list_empty(&sim->links))
		sim_link_free(kiln_container(sim->links.next, struct sim_link, in_links));
	while (sim->slabs) {
		struct sim_slab *slab = sim->slabs;
		sim->slabs = slab->next;
		free(slab);
	}
	free(sim->events.slots);
	free(sim->ports);
	free(sim);
}

kiln_time sim_now(const struct sim *sim)
{
	return sim->now;
}

void sim_console(struct sim *sim,
                 void (*print)(void *context, const char *node, struct slice text),
                 void *context)
{
	sim->print = print;
	sim->print_context = context;
}

void sim_counters(const struct sim *sim, struct sim_counters *counters)
{
	*counters = sim->counters;
}

static void resume_ready(struct sim *sim)
{
	struct list *node;

	while ((node = list_pop(&sim->ready)))
		sim_node_resume(kiln_container(node, struct sim_node, in_ready));
}

bool sim_run(struct sim *sim, kiln_time until)
{
	if (sim->running)
		sim_fail("sim_run was called by node %s", sim->running->name);
	for (;;) {
		kiln_time next;

		resume_ready(sim);
		if (sim->alive == 0)
			return true;
		next = sim_events_next(&sim->events);
		if (next > until || next == KILN_NEVER)
			break;
		sim->now = next;
		do {
			struct sim_event *event = sim_events_pop(&sim->events);
			sim->counters.events++;
			event->fire(event);
		} while (sim_events_next(&sim->events) == next);
	}
	if (until != KILN_NEVER && until > sim->now)
		sim->now = until;
	return false;
}
