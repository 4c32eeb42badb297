/*
 * What a monitor tells the process that started it, as records in the pipe that --report
 * names: when each step of the start was done, where things lie in the image's address
 * space, and how a guest ended. `kiln run` reads them (tool/reports.c); without --report
 * nothing is written, and a monitor prints what it has to say itself.
 *
 * Only monitors write here. kiln-jail closes the pipe before it enters the image; kiln-kvm
 * keeps it, and its filter lets it write there. A record is written at once and is no longer
 * than what a pipe takes whole, so that the reader never sees half of one for long. All
 * numbers are as the machine has them: both ends run on the same one.
 */
#ifndef MONITOR_REPORT_H
#define MONITOR_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <kiln/abi/boot.h>

struct monitor_options;

enum report_type {
	REPORT_MARK = 1,   /* struct report_mark */
	REPORT_PLACE = 2,  /* struct report_place */
	REPORT_FAULT = 3,  /* struct report_fault */
	REPORT_MEMORY = 4, /* struct report_memory, and the bytes behind it */
};

enum { REPORT_SIZE_MOST = 4096 }; /* of a record with its header: PIPE_BUF */

struct report_header {
	uint32_t type; /* enum report_type */
	uint32_t size; /* bytes of the record, which follows */
};

/* A step of the start is done. */
struct report_mark {
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	char name[32]; /* NUL-terminated */
};

enum report_place_kind {
	REPORT_PLACE_IMAGE = 1, /* what the image file's addresses begin at */
	REPORT_PLACE_STACK = 2,
	REPORT_PLACE_MEMORY = 3,  /* the arena */
	REPORT_PLACE_BOOT = 4,    /* struct kiln_boot and the options */
	REPORT_PLACE_CLOCK = 5,   /* jail: the vDSO */
	REPORT_PLACE_SEAL = 6,    /* jail: the code of the seal */
	REPORT_PLACE_DEVICES = 7, /* vm: pages of registers */
	REPORT_PLACE_RING = 8,    /* jail: what it shares with the kernel's io_uring */
	REPORT_PLACE_XDP = 9,     /* jail: frames and queues of an AF_XDP socket */
};

/* A part of the image's address space, by its addresses there. */
struct report_place {
	uint64_t start, size;
	uint64_t guard; /* bytes on either side to which nothing is mapped */
	uint32_t kind;  /* enum report_place_kind */
	uint32_t reserved;
};

/* A guest ended by an exception. */
struct report_fault {
	struct kiln_fault fault;
	char reason[96]; /* a sentence without full stop, NUL-terminated */
};

/* Bytes of the image's memory, for the reader to unwind the stack. */
struct report_memory {
	uint64_t address;
};

_Static_assert(sizeof(struct report_header) == 8, "report layout");
_Static_assert(sizeof(struct report_mark) == 40, "report layout");
_Static_assert(offsetof(struct report_mark, name) == 8, "report layout");
_Static_assert(sizeof(struct report_place) == 32, "report layout");
_Static_assert(offsetof(struct report_place, kind) == 24, "report layout");
_Static_assert(sizeof(struct report_fault) == sizeof(struct kiln_fault) + 96,
               "report layout");
_Static_assert(sizeof(struct report_memory) == 8, "report layout");

/* The registers as a table of lines, for people. */
enum { REPORT_REGISTERS_SIZE = 512 };
const char *report_registers_text(char text[REPORT_REGISTERS_SIZE],
                                  const struct kiln_fault *fault);

/* The first mark of a monitor; the reader knows it. */
#define REPORT_BEGAN "monitor began"

/* For the monitors. Each does nothing without --report, or when the reader is gone. */
void report_mark(const struct monitor_options *o, const char *name);
/* Of the moment at which the options were read, which says where to report. */
void report_began(const struct monitor_options *o);
void report_place(const struct monitor_options *o, enum report_place_kind kind,
                  uint64_t start, uint64_t size, uint64_t guard);
void report_fault(const struct monitor_options *o, const struct report_fault *fault);
/* In as many records as it takes. */
void report_memory(const struct monitor_options *o, uint64_t address, const void *bytes,
                   size_t size);

#endif
