/*
 * What stands under lib/: the few functions that each target's archive defines. lib/
 * calls these and knows nothing else of where it runs.
 */
#ifndef KILN_TARGET_H
#define KILN_TARGET_H

#include <kiln/appliance.h>

struct netdev;
struct block;

/* Monotonic ns; cheap (no system call where it can be avoided). */
kiln_time target_now(struct kiln *k);
/* ns since 1970. */
kiln_time target_wall(struct kiln *k);

/*
 * Blocks until a device may have work, a stop is asked for (then it calls loop_stop), or
 * the deadline has come. May return early. Devices have been polled idle just before.
 */
void target_wait(struct kiln *k, kiln_time deadline);

/* Writes text to the console; never blocks for long, may drop. */
void target_console(struct kiln *k, struct slice text);

/* Ends the image. In `sim`, ends the node. */
_Noreturn void target_exit(struct kiln *k, int status);

/* Ends the image for a broken invariant: writes the message, as far as it still can, and
 * ends by a trap, so that whoever watches sees who called. Has no context, because a failed
 * check has none. */
_Noreturn void target_panic(struct slice message);

/* The device that the manifest named so; NULL if the monitor did not hand it over. Both
 * are called once a device, at start. */
struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device);
struct block *target_block(struct kiln *k, const struct kiln_device *device);

/*
 * Called by the target's start-up code once `k->boot`, `k->target` and the target's clock
 * are set: makes the arena, the loop, the generator and the parameters from the boot
 * struct, runs appliance(k), and returns its status.
 */
int kiln_start(struct kiln *k);

/* The same for a given entry point: `sim` runs several kinds of node. */
int kiln_start_with(struct kiln *k, int (*entry)(struct kiln *k));

#endif
