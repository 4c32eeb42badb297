/*
 * What is told of an image that crashed: what happened, in words; where, as a backtrace; and
 * the registers. The same for all targets: what a signal, a fault of a guest or a line on a
 * serial port say is first brought into one form.
 */
#ifndef TOOL_CRASH_H
#define TOOL_CRASH_H

#include <stdio.h>
#include <sys/types.h>
#include <kiln/abi/boot.h>
#include "../monitor/image.h"
#include "reports.h"
#include "tool.h"

/* Next to the processor's own exceptions, in kiln_fault.vector. */
enum {
	CRASH_DIVIDE = 0,
	CRASH_BREAKPOINT = 3,
	CRASH_INVALID = 6,
	CRASH_PROTECTION = 13,
	CRASH_PAGE = 14,
	CRASH_FLOATING = 16,
	CRASH_UNALIGNED = 17,
	CRASH_INSTRUCTION =
	    256,     /* one that cannot or may not be executed: which, it shows */
	CRASH_CALL,  /* a system call; kiln_fault.code is its number */
	CRASH_ABORT, /* abort(3) */
	CRASH_SENT,  /* a signal that another process sent */
};

/* The exit status of `kiln run` after a crash, on every target. */
enum { CRASH_STATUS = 1 };

struct crash {
	const char *path;          /* of the image */
	const struct image *image; /* a sealed one, parsed; NULL: a program of the host */
	const char *monitor;       /* what runs it, by name; NULL: nothing */
	const struct reports *reports; /* of the monitor; NULL: there are none */
	pid_t pid;                     /* of a program of the host, stopped; else 0 */
	struct kiln_fault fault;
	bool (*read)(const void *context, uint64_t address, uint64_t *word);
	const void *context;
	int memory; /* the descriptor that `read` needs; -1: none */
};

/* Prints the report to the standard error. */
void crash_print(const struct crash *crash);

#endif
