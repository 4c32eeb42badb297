/*
 * From registers and a stack to functions, files and lines: unwinding by the call frame
 * information that the compiler wrote next to the image (IMAGE.debug), with libdw. Nothing
 * of the stopped image is trusted: all it gives is words to read. Nor is the file beside it,
 * which libdw reads in a confined process (confined.h): with the image it may have come from
 * anywhere.
 */
#ifndef TOOL_BACKTRACE_H
#define TOOL_BACKTRACE_H

#include <sys/types.h>
#include <kiln/abi/boot.h>
#include "../monitor/image.h"
#include "tool.h"

/* What has stopped, and where. */
struct backtrace_of {
	const char *path; /* of the image */
	const struct image
	    *image;    /* the same, parsed, if it is a sealed one; else NULL */
	uint64_t base; /* where a sealed image's address 0 lies */
	pid_t pid;     /* a program of the host: stopped, its modules in /proc */
	const struct kiln_fault *registers;
	bool behind; /* rip is behind the instruction that it is about, as of a call */
	bool (*read)(const void *context, uint64_t address, uint64_t *word);
	const void *context;
	int memory; /* the descriptor that `read` needs; -1: none */
};

struct frame {
	uint64_t address;     /* in the image, as addr2line takes it; else where it ran */
	const char *function; /* NULL: not known. Printable, as the other texts */
	const char *file;     /* NULL: not known */
	const char *module; /* of a program of the host: another than itself; else NULL */
	int line;
	bool inlined;      /* into the frame that follows */
	unsigned repeated; /* so many more like this one follow */
};

struct backtrace {
	struct frame *frames; /* innermost first */
	size_t count;
	size_t left_out;     /* frames between left_out_at - 1 and left_out_at */
	size_t left_out_at;  /* index */
	const char *problem; /* why names are missing; NULL: they are not */
};

void backtrace_make(struct backtrace *trace, const struct backtrace_of *of);

/* ---- backtrace_walk.c: in the confined process ---- */

struct backtrace_walk {
	const struct backtrace_of *of;
	const char *file; /* to read: of a sealed image */
	bool opened;
	int descriptor;
	struct kiln_fault registers;
	struct Dwfl *dwfl;
	uint64_t *pcs; /* to look up: of callers, within the call instruction */
	size_t count, capacity;
};

/* Opens the file, or all that the program of the host consists of. */
void backtrace_open(struct backtrace_walk *walk);
/* Reads what was opened. */
void backtrace_read(struct backtrace_walk *walk, struct backtrace *trace);

/* The path of the companion file with the debug information of a sealed image; NULL with
 * *problem if it is not there or belongs to another build. */
const char *debug_file(const char *path, const struct image *image, const char **problem);

/* The text with everything that could act on a terminal replaced by '?'. */
const char *text_printable(const char *text);

#endif
