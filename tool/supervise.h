/*
 * `kiln run` beside what it runs. A monitor, a program of the host or QEMU is started as a
 * child; signals are passed on to it, it does not outlive this process, and its exit status
 * becomes ours.
 */
#ifndef TOOL_SUPERVISE_H
#define TOOL_SUPERVISE_H

#include "../monitor/image.h"
#include "tool.h"

struct supervised {
	const char *path;          /* of the image, for messages */
	const struct image *image; /* a sealed one, parsed; NULL: a program of the host */
	struct words command;
	const char *program; /* a name for messages, if it is not the image itself */
	const char *missing; /* what to do where it cannot be started; NULL: nothing */
	/* How it is asked to stop: by Ctrl-C on its standard input, a pipe then. Else by
	 * SIGINT or SIGTERM. */
	bool stop_by_input;
	/* What its exit status says of the image's; NULL: it is the image's. */
	int (*image_status)(int status);
	bool trace; /* the image runs in the child itself: its crash is seen by ptrace */
	int report; /* of the pipe for records (monitor/report.h): the child's end, or -1 */
	int report_input; /* and ours, or -1 */
};

/* Makes the pipe for records; its descriptor goes into the command, as --report. */
void supervise_report(struct supervised *s);

/*
 * Runs the command to its end. The first signal asks it to stop; at a second one, or if it
 * does not stop in time, it is killed. Returns the exit status for `kiln run`: the image's,
 * 1 if it crashed, which is then explained (crash.h), or had to be killed; 128 + n after
 * any other signal.
 */
int supervise(struct supervised *s);

#endif
