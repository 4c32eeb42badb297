/*
 * What a node's stack has counted. An appliance keeps its struct tcp to itself.
 */
#ifndef SCENARIO_WATCH_H
#define SCENARIO_WATCH_H

#include <kiln/sim.h>

/* Segments that the node's TCP has sent again; 0 if it has none. */
uint64_t watch_retransmissions(const struct sim_node *node);

#endif
