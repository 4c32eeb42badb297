/*
 * Work on what cannot be trusted, in a process that can do nothing else: it reads what was
 * opened for it before, and answers by a pipe. Whatever takes it over can lie in its answer,
 * burn some seconds of a processor, and that is all.
 */
#ifndef TOOL_CONFINED_H
#define TOOL_CONFINED_H

#include <stddef.h>

struct confined {
	/* In the new process: opens files; then, confined, reads them and writes the answer
	 * to the descriptor. */
	void (*open)(void *context);
	void (*work)(void *context, int answer);
	void *context;
	/* The one descriptor, beside those that open() leaves, that it needs; -1: none. */
	int needed;
	size_t answer_most; /* bytes */
};

/* Runs it to its end. NULL if it came to no good one: *problem says how, as "was ended by a
 * signal: Killed". The answer is to be taken for what it is: anything. */
const char *confined_run(const struct confined *task, size_t *size, const char **problem);

#endif
