/*
 * The inside of the jail target: Kiln's libraries over a handful of system calls, each on a
 * descriptor that the monitor opened. What is called here is exactly what the monitor's
 * filter (monitor/jail/filter.c) lets through; a call more must be added there, too.
 */
#ifndef TARGET_JAIL_H
#define TARGET_JAIL_H

#include <poll.h>
#include <kiln/appliance.h>
#include <kiln/target.h>

/* One an image, made by jail_start(); its address is kiln->target. */
struct jail {
	struct kiln kiln;
	/* What to wait for: the stop descriptor first, then every opened network device. */
	struct pollfd wait[KILN_BOOT_DEVICES + 1];
	unsigned wait_count;
	struct moderation moderation;
	struct jail_ring *ring; /* of the network devices (net_ring.c); NULL: none */
	bool console_stuck; /* the last write found no room in time */
};

static inline struct jail *jail_of(struct kiln *k)
{
	return k->target;
}

/* The gate (start.S): a system call with up to five arguments; a negative errno, or what
 * the kernel returned. */
long jail_call(long a, long b, long c, long d, long e, long number);

/* The device that the monitor handed over under this name and type, or NULL. */
const struct kiln_boot_device *jail_device(struct kiln *k,
					   const struct kiln_device *device);

/* The entry in C (start.c). */
_Noreturn void jail_start(const struct kiln_boot *boot);

#endif
