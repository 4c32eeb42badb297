/*
 * One run of an image, as the parts of `kiln run` share it.
 */
#ifndef TOOL_RUN_H
#define TOOL_RUN_H

#include "build.h"

struct run {
	const char *what;   /* folder or image, as given */
	const char *image;  /* path of the image */
	struct build build; /* what of the command line is for the build of a folder */
	const struct target *target;
	struct image manifest;
	struct image *sealed;    /* all of it, of a sealed image; else NULL */
	struct settings options; /* parameters of the image */
	struct words values;     /* the same as "key=value" */
	struct words nets, disks, forwards, pcaps; /* --net, --disk, -p, --pcap */
	const char *memory, *cpu, *spin, *rest, *io_uring, *monitor, *cpus; /* NULL: not given */
	struct words queues; /* for one of several images: in place of nets (cpus.c) */
	struct timings *timings; /* with --timings; else NULL */
	bool valgrind;
	bool has_sanitizer; /* the image was built with it */
	struct debugger *debugger;                 /* with --gdb; else NULL */
};

/* Runs a vm image on QEMU; the exit status. */
int run_qemu(struct run *run);

#endif
