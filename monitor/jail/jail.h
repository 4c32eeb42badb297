/*
 * The jail monitor, in the order in which it acts: finds the clock (vdso.c), places the image
 * (place.c), opens the devices (main.c, xdp.c) and the ring of its taps (ring.c), drops what it
 * may do (../privilege.c), makes the filter (filter.c), and lets seal.S remove the monitor and
 * enter the image.
 *
 * Whatever fails before that ends the process with a message; nothing is half sealed.
 */
#ifndef MONITOR_JAIL_H
#define MONITOR_JAIL_H

#include <linux/filter.h>
#include <kiln/abi/boot.h>
#include "../monitor.h"

struct range {
	uint64_t start, size;
};

/* ---- vdso.c ---- */

/* The kernel's pages that answer clock_gettime() without a system call. */
struct vdso {
	struct range whole, code; /* size 0: not found, the system call serves */
	uint64_t clock_gettime;	  /* address of the function */
};

struct vdso vdso_find(void);

/* ---- place.c ---- */

/* A part of the jail, between guards to which nothing can ever be mapped. */
struct place {
	struct range whole, inside;
};

/* `size` bytes, rounded up to pages, at a random address; zeroed, protected like that. */
struct place place_make(const struct monitor_options *o, uint64_t size, int protection,
			const char *what);
/* Two parts at one address, readable and writable, with a guard between: a part of a page costs
 * as much as five others where it is the first in its tables. */
void place_make_two(const struct monitor_options *o, uint64_t low_size, uint64_t high_size,
		    const char *what, struct place *low, struct place *high);
/* Puts the image into its place, which is writable, from the copy of its file (-1: by copying
 * it), and relocates it; its segments get their protection, what lies between them none. */
void place_image(const struct monitor_options *o, const struct image *image,
		 uint64_t base, int copy);
void place_protect(const struct monitor_options *o, struct range range, int protection);

/* ---- xdp.c ---- */

static inline bool is_xdp(const struct kiln_boot_device *device)
{
	return device->type == KILN_DEVICE_NET && device->registers;
}

static inline bool is_tap(const struct kiln_boot_device *device)
{
	return device->type == KILN_DEVICE_NET && !device->registers;
}

enum { XDP_HELD = 2 };

/* What the monitor makes of an AF_XDP device beside its socket. */
struct xdp {
	struct place place; /* its frames and queues */
	int held[XDP_HELD]; /* descriptors that must stay open, and serve for nothing */
};

/*
 * Opens the device on the interface that it is bound to, and has the kernel hand over what
 * arrives there. Fills in the device and what it is told of its queues. `memory`: the image's,
 * which says how many frames there are. Ends the process with a message if it cannot.
 */
void xdp_open(const struct monitor_options *o, const struct monitor_binding *binding,
	      uint64_t memory, struct kiln_boot_device *device, struct kiln_boot_xdp *told,
	      struct xdp *xdp);

/* ---- ring.c ---- */

enum { RING_QUEUES, RING_REQUESTS, RING_BUFFERS, RING_PARTS };

/*
 * Makes the image's io_uring for its taps, and tells it by boot->ring. Where the
 * image has none, --io-uring is off, or the kernel has no io_uring that serves (Linux 6.7),
 * or does not let this user have it, boot->ring.handle is -1, and the parts stay empty.
 */
void ring_make(const struct monitor_options *o, struct kiln_boot *boot,
	       struct place parts[RING_PARTS]);

/* ---- filter.c ---- */

enum { FILTER_LENGTH = 320 }; /* 16 disks take the most, 244 */

struct filter {
	unsigned short length;
	struct sock_filter code[FILTER_LENGTH];
};

/*
 * The system calls that target/jail makes, from the instruction behind the gate's alone, on
 * the descriptors of the boot struct alone. Everything else kills the process.
 */
void filter_make(struct filter *filter, const struct kiln_boot *boot,
		 const struct vdso *vdso, uint64_t gate_return);

/* ---- seal.S ---- */

/* A system call that must return 0; the last is no call but where to go on. */
struct seal_call {
	int64_t number; /* SEAL_ENTER: a the boot struct, b the stack, c the entry */
	uint64_t a, b, c;
};
_Static_assert(sizeof(struct seal_call) == 32, "seal.S");

enum { SEAL_CALLS = 64, SEAL_ENTER = -1 };

/* Lies behind seal.S's code on pages of its own: both stay, readable and executable. */
struct seal_plan {
	struct seal_call calls[SEAL_CALLS];
	unsigned count;
	struct sock_fprog program;
	struct filter filter;
};

/* Position-independent; entered by a jump to its copy, with the plan's address in rdi. */
extern const uint8_t seal_code[], seal_code_end[];

#endif
