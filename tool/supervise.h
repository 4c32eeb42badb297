/*
 * `kiln run` beside what it runs. A monitor, a program of the host or QEMU is started as a
 * child; signals are passed on to it, it does not outlive this process, and its exit status
 * becomes ours.
 */
#ifndef TOOL_SUPERVISE_H
#define TOOL_SUPERVISE_H

#include "tool.h"

struct supervised {
	struct words command;
	const char *missing; /* what to do where it cannot be started; NULL: nothing */
	/* How it is asked to stop: by Ctrl-C on its standard input, a pipe then. Else by
	 * SIGINT or SIGTERM. */
	bool stop_by_input;
	/* What its exit status says of the image's; NULL: it is the image's. */
	int (*image_status)(int status);
	int report; /* of the pipe for records (monitor/report.h): the child's end, or -1 */
	int report_input; /* and ours */
};

/* Makes the pipe for records; its descriptor goes into the command, as --report. */
void supervise_report(struct supervised *s);

/*
 * Runs the command to its end. The first signal asks it to stop; at a second one, or if it
 * does not stop in time, it is killed. Returns the exit status for `kiln run`: the image's,
 * 128 + n after a signal, 1 if it had to be killed.
 */
int supervise(struct supervised *s);

#endif
