/*
 * Several images of one appliance, on as many processors: cpus.c.
 */
#ifndef TOOL_CPUS_H
#define TOOL_CPUS_H

#include "run.h"

/*
 * Opens a queue of each network device for each of run->cpus images, and has run_one run each
 * in a process of its own, with run->queues and run->cpu set. Returns the exit status: the
 * first that is not 0, of those that have ended. Ends the process with a message if something
 * is wrong.
 */
int run_on_cpus(struct run *run, unsigned header_size, int (*run_one)(struct run *run));

#endif
