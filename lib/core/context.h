/*
 * Switching stacks: the one piece of lib/ that is written for a processor. Used by tasks
 * and by the simulator's nodes. The C layer tells AddressSanitizer, where it is linked
 * in.
 */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include <stddef.h>

struct context {
	void *sp;
	const void *stack; /* lowest address; unknown (NULL) for a thread's own stack */
	size_t size;
	struct context *previous; /* who switched here last */
	void *fake;               /* AddressSanitizer's */
	void (*entry)(void *arg);
	void *arg;
};

/* A context that will run entry(arg) on the given stack. entry must never return: it ends
 * by switching away for the last time. */
void context_make(struct context *c, void *stack, size_t size, void (*entry)(void *arg),
                  void *arg);

/* Saves the running context in `from` and goes on where `to` was left. */
void context_switch(struct context *from, struct context *to);

#endif
