/*
 * `kiln run --gdb`: the image stands still before its first instruction; the command that
 * brings gdb to it, with its symbols where the image lies, is printed, and on a terminal is
 * started at once.
 *
 * A process is attached to (host, sim, jail); a guest is reached through a socket that only
 * this user can open (KVM, QEMU).
 */
#ifndef TOOL_DEBUGGER_H
#define TOOL_DEBUGGER_H

#include <sys/types.h>
#include "../monitor/image.h"
#include "tool.h"

struct debugger {
	struct words command;
	const char *socket; /* its path; NULL: none */
	int listener;       /* the socket, for the monitor to take connections from */
	pid_t pid;          /* of gdb; 0: somebody else's to start, or it has ended */
};

/* Makes the socket. */
void debugger_listen(struct debugger *d);

/* What there is to debug; the command then is complete. */
void debugger_for_program(struct debugger *d, pid_t pid);
void debugger_for_jail(struct debugger *d, const char *path, const struct image *image,
                       pid_t pid, uint64_t base);
void debugger_for_kvm(struct debugger *d, const char *path, const struct image *image);
void debugger_for_qemu(struct debugger *d, const char *path, const struct image *image);

/* The image stands still. */
void debugger_start(struct debugger *d);
/* The image has ended. */
void debugger_end(struct debugger *d);

#endif
