/*
 * The appliance that a program was linked with, as a node of the simulator: for the
 * program that runs it by itself (main.c), and for its tests (target/test).
 */
#ifndef SIM_ALONE_H
#define SIM_ALONE_H

#include <kiln/sim.h>

/* An option --ip that gives each of its network devices an address, 10.0.0.2, .3, ...
 * False if it takes none: it has no network, or the build fixed the address. */
bool alone_address(char *text, size_t size);

/* The node, with a port on the link for each network device of the manifest, of which
 * *nets is the number, and an empty disk for each block device. */
struct sim_node *alone_node(struct sim *sim, struct sim_link *link, size_t memory,
                            const char *const *options, unsigned *nets);

#endif
