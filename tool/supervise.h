/*
 * `kiln run` beside what it runs. A monitor, a program of the host or QEMU is started as a
 * child; signals are passed on to it, it does not outlive this process, and its exit status
 * becomes ours.
 */
#ifndef TOOL_SUPERVISE_H
#define TOOL_SUPERVISE_H

#include "../monitor/image.h"
#include "debugger.h"
#include "timings.h"
#include "tool.h"

enum { SUPERVISED_MOST = 16 };

struct supervised {
	const char *path;          /* of the image, for messages */
	const struct image *image; /* a sealed one, parsed; NULL: a program of the host */
	struct words command;
	const char *program; /* a name for messages, if it is not the image itself */
	const char *missing; /* what to do where it cannot be started; NULL: nothing */
	/* The image is behind its standard input and output, as behind a serial port: it is
	 * asked to stop by Ctrl-C there, not by SIGINT or SIGTERM. */
	bool serial;
	/* What its exit status says of the image's; NULL: it is the image's. */
	int (*image_status)(int status);
	bool trace; /* the image runs in the child itself: its crash is seen by ptrace */
	struct debugger *debugger; /* for --gdb; NULL: without */
	struct timings *timings;   /* for --timings; NULL: without */
	int report; /* of the pipe for records (monitor/report.h): the child's end, or -1 */
	int report_input; /* and ours, or -1 */
	/* Processes beside the image, and descriptors that it inherits: see below. */
	struct companion {
		pid_t pid; /* 0: it has ended */
		const char *what;
	} companions[SUPERVISED_MOST];
	unsigned companion_count;
	int handed[SUPERVISED_MOST];
	unsigned handed_count;
};

/* Makes the pipe for records; its descriptor goes into the command, as --report. */
void supervise_report(struct supervised *s);

/* The command inherits this descriptor; it is closed here then. */
void supervise_hand(struct supervised *s, int fd);

/*
 * Runs the command to its end. The first signal asks it to stop; at a second one, later, or
 * if it does not stop in time, it is killed. Returns the exit status for `kiln run`: the image's,
 * 1 if it crashed, which is then explained (crash.h), or had to be killed; 128 + n after
 * any other signal.
 */
int supervise(struct supervised *s);

/* ---- companion.c: processes that serve the image ---- */

/*
 * Starts one, with these descriptors, which are closed here then. It ends by itself, with
 * status 0, when the image does; should it end before, the image is stopped, and the
 * message calls it by this name.
 */
void companion_start(struct supervised *s, const struct words *command, const char *what,
                     const int *fds, size_t fd_count);
/* True, having said so, if one has ended that should not have. */
bool companion_missing(struct supervised *s);
/* The image has ended: waits for all of them, and ends those that take too long. SIGCHLD
 * is blocked. */
void companion_end_all(struct supervised *s);
/* In a new child: it does not outlive the process that started it, and has a process group
 * of its own, so that signals of the terminal go to `kiln run` alone. */
void companion_belong(pid_t parent);

#endif
