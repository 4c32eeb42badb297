/*
 * Tasks: stackful coroutines over the event loop, for straight-line code.
 *
 * A task runs until it parks (waits) or returns; another one, or the loop, goes on then.
 * Stacks come from a pool made once, by task_pool_new. The lowest word of each stack
 * holds a canary that is checked at every switch: an overflow ends the image, named.
 */
#ifndef KILN_TASK_H
#define KILN_TASK_H

#include <kiln/error.h>
#include <kiln/time.h>
#include <stddef.h>

struct kiln;
struct task;
struct task_pool;

/* Room for `count` tasks of `stack` bytes each (rounded up to 16). Ends the image with a
 * message when the memory does not suffice, as every constructor does. */
struct task_pool *task_pool_new(struct kiln *k, unsigned count, size_t stack);

/* Starts fn(arg) on a stack of the pool, later in this iteration.
 * KILN_ERR_MEMORY when all stacks are in use. */
KILN_MUST_CHECK enum kiln_error task_start(struct task_pool *pool, void (*fn)(void *arg),
					   void *arg);

/* The running task; NULL outside any. */
struct task *task_self(struct task_pool *pool);

/* Waits until task_wake(), or until `deadline` (an instant). From within a task only.
 * Returns KILN_OK or KILN_ERR_TIMEOUT. A wake that came before the park counts. */
enum kiln_error task_park(struct task_pool *pool, kiln_time deadline);
/* Makes a parked task runnable, later in this iteration. */
void task_wake(struct task *task);
/* Of 0: until the loop has gone round, and devices have been looked at. */
void task_sleep(struct task_pool *pool, kiln_time duration);
/* Lets all other runnable tasks and deferred work go first. */
void task_yield(struct task_pool *pool);

unsigned task_count(const struct task_pool *pool);

#endif
