/*
 * The jail monitor, in the order in which it acts: places the image (place.c), finds the
 * clock (vdso.c), drops what it may do (privilege.c), makes the filter (filter.c), and lets
 * seal.S remove the monitor and enter the image.
 *
 * Whatever fails before that ends the process with a message; nothing is half sealed.
 */
#ifndef MONITOR_JAIL_H
#define MONITOR_JAIL_H

#include <linux/filter.h>
#include <kiln/abi/boot.h>
#include "../monitor.h"

enum { PAGE = 4096 };

static inline uint64_t page_up(uint64_t size)
{
	return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

struct range {
	uint64_t start, size;
};

/* ---- place.c ---- */

/*
 * Reserves `size` bytes (whole pages) at a random address, between guards to which nothing
 * can ever be mapped. Returns the whole, guards included; none of it is accessible yet.
 */
struct range place(const struct monitor_options *o, uint64_t size, const char *what);
/* What lies between the guards. */
struct range inside(struct range placed);

/* Copies and relocates the image into its place; its segments get their protection. */
void place_image(const struct monitor_options *o, const struct image *image,
		 struct range place);
void protect(const struct monitor_options *o, struct range range, int protection);

/* ---- vdso.c ---- */

/* The kernel's pages that answer clock_gettime() without a system call. */
struct vdso {
	struct range data, code; /* size 0: not found, the system call serves */
	uint64_t clock_gettime;	 /* address of the function */
};

struct vdso vdso_find(void);

/* ---- privilege.c ---- */

/* Leaves the user, the capabilities, the namespaces and the file system; for good. */
void privilege_drop(const struct monitor_options *o);
/* No descriptor beyond the first `descriptors`, no process, no core dump. */
void privilege_limit(const struct monitor_options *o, unsigned descriptors);

/* ---- filter.c ---- */

enum { FILTER_LENGTH = 256 };

struct filter {
	struct sock_filter code[FILTER_LENGTH];
	unsigned short length;
};

/*
 * The system calls that target/jail makes, from the instruction behind the gate's alone, on
 * the descriptors of the boot struct alone. Everything else kills the process.
 */
void filter_make(struct filter *filter, const struct kiln_boot *boot,
		 const struct vdso *vdso, uint64_t gate_return);

/* ---- seal.S ---- */

enum { SEAL_RANGES = 8 };

/* What is left to do, in the order of the fields. Lies behind seal.S's code, which is copied
 * to a page of its own: both stay, readable and executable. */
struct seal_plan {
	uint64_t unmap_count, seal_count;
	struct range unmap[SEAL_RANGES];
	struct range seal[SEAL_RANGES];
	struct sock_fprog program;
	uint64_t boot, stack, entry;
	struct filter filter;
};
_Static_assert(sizeof(struct range) == 16, "seal.S");
_Static_assert(offsetof(struct seal_plan, unmap) == 16, "seal.S");
_Static_assert(offsetof(struct seal_plan, seal) == 144, "seal.S");
_Static_assert(offsetof(struct seal_plan, program) == 272, "seal.S");
_Static_assert(offsetof(struct seal_plan, boot) == 288, "seal.S");

/* Position-independent; entered by a jump to its copy, with the plan's address in rdi. */
extern const uint8_t seal_code[], seal_code_end[];

#endif
