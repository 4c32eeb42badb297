/*
 * A debugger at the guest: --gdb names a listening socket, and gdb connects to it (`target
 * remote`). The guest stands still until then, before its first instruction. Without --gdb
 * nothing of this is done, and the filter is as narrow as ever.
 *
 * gdb sets its breakpoints itself, by writing int3 to the guest's memory, sealed or not: the
 * monitor can. KVM exits at them, and after a single step (KVM_SET_GUEST_DEBUG). A nested
 * KVM may not: the guest, which has no handlers, is then shut down by the very exception,
 * but with all its registers in place, and goes on from there when asked to.
 */
#ifndef KVM_GDB_H
#define KVM_GDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A memory read of gdb's for 1 KiB, in hexadecimal, and more than the registers. */
	GDB_PACKET = 2200,
};

struct monitor;

struct gdb {
	int fd;           /* of the connection; -1: no debugger */
	bool interrupted; /* it asked for a stop, or left */
	bool stepping;    /* by one instruction */
	uint64_t stepped_from;
	size_t size, at; /* of `input`: how much there is, and how much is read */
	char input[GDB_PACKET], packet[GDB_PACKET], reply[GDB_PACKET];
};

/* Waits for gdb to connect to the socket that --gdb names. */
void gdb_open(struct monitor *monitor);
/* The guest has stopped by this signal: tells gdb, and does what it asks for, until the
 * guest is to go on. */
void gdb_stopped(struct monitor *monitor, int signal);
/* KVM_EXIT_DEBUG: a breakpoint, or a step is done. */
void gdb_debug_exit(struct monitor *monitor);
/* The guest is shut down by an exception: true if that was a breakpoint or a step, and the
 * guest goes on; false if it was a fault, which gdb, if there is one, has looked at. */
bool gdb_trapped(struct monitor *monitor);
/* Something came from gdb while the guest ran: takes it. Sets `interrupted` if the guest is
 * to stop for it. */
void gdb_input(struct monitor *monitor);
/* Tells gdb that the guest is at its end. */
void gdb_ended(struct monitor *monitor, int status);

#endif
