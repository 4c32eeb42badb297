/*
 * kiln-jail: runs one image as one process that can do nothing but compute, and read and
 * write the few descriptors its manifest asks for. See monitor.h for the command line and
 * jail.h for the parts.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <asm/prctl.h>
#include <linux/seccomp.h>
#include "../report.h"
#include "jail.h"

#ifdef __GLIBC__
#error glibc has the kernel write (rseq) to memory that is unmapped here: link with musl
#endif
#ifndef SYS_mseal /* Linux 6.10 */
#define SYS_mseal 462
#endif

#define STACK_SIZE ((uint64_t)256 << 10)
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define USER_END   ((uint64_t)0x7ffffffff000)

/* Where the image's descriptors end up: without gaps, so that a limit on their number
 * leaves no number for another. */
enum { FD_STOP = 0, FD_CONSOLE = 1, FD_DEVICES = 2 };
/* Behind the devices the ring, and what AF_XDP devices hold. Until then they lie where none
 * of them is to be. */
enum { FD_ABOVE = FD_DEVICES + KILN_BOOT_DEVICES + 1 + KILN_BOOT_DEVICES * XDP_HELD };

/* By enum report_place_kind, but for the devices' own. */
enum {
	PLACE_RING = REPORT_PLACE_RING,
	PLACE_XDP = PLACE_RING + RING_PARTS,
	PLACES = PLACE_XDP + KILN_BOOT_DEVICES,
};
_Static_assert(2 * PLACES + 4 <= SEAL_CALLS, "each place is kept and sealed");

/* All that stays, and what is found on the way. */
struct jail {
	struct monitor_options options;
	struct vdso vdso;
	struct place places[PLACES];            /* empty: none */
	int held[KILN_BOOT_DEVICES * XDP_HELD]; /* by AF_XDP devices */
	unsigned held_count;
	struct kiln_boot *boot;
	struct kiln_boot_xdp *xdp; /* behind it: the next that is free */
	uint64_t entry, gate_return;
	struct image image; /* long, and mostly not touched: last */
};

static struct range inside(const struct jail *j, enum report_place_kind kind)
{
	return j->places[kind].inside;
}

/* Of the boot struct and its options: what is behind them begins on a multiple of 16. */
static uint64_t boot_size(const struct jail *j)
{
	uint64_t size = sizeof(*j->boot) + monitor_options_size(&j->options);

	return (size + 15) & ~(uint64_t)15;
}

/* The options, and behind a guard the code of the seal. */
static void place_told(struct jail *j)
{
	uint64_t told_size =
	    boot_size(j) + j->image.device_count * sizeof(struct kiln_boot_xdp);
	uint64_t seal_size =
	    (uint64_t)(seal_code_end - seal_code) + sizeof(struct seal_plan);

	place_make_two(&j->options, told_size, seal_size, "options",
	               &j->places[REPORT_PLACE_BOOT], &j->places[REPORT_PLACE_SEAL]);
	j->boot = (struct kiln_boot *)(uintptr_t)inside(j, REPORT_PLACE_BOOT).start;
	j->xdp = (struct kiln_boot_xdp *)((uintptr_t)j->boot + boot_size(j));
}

static void place_all(struct jail *j, int copy)
{
	const struct monitor_options *o = &j->options;
	struct place image = place_make(o, j->image.span, READ_WRITE, "image");

	place_image(o, &j->image, image.inside.start, copy);
	j->entry = image.inside.start + j->image.entry;
	j->places[REPORT_PLACE_IMAGE] = image;
	j->places[REPORT_PLACE_MEMORY] = place_make(o, o->memory, READ_WRITE, "memory");
	j->places[REPORT_PLACE_STACK] = place_make(o, STACK_SIZE, READ_WRITE, "stack");
	j->places[REPORT_PLACE_CLOCK] = (struct place){j->vdso.whole, j->vdso.whole};
	place_told(j);
}

static uint64_t gate_return(const struct jail *j)
{
	uint64_t address = image_gate_return(&j->image);

	if (address == 0)
		monitor_fail(&j->options,
		             "%s: it must have one gate with one system call",
		             j->options.image);
	return address;
}

static void make_boot(struct jail *j)
{
	const struct monitor_options *o = &j->options;
	struct kiln_boot *boot = j->boot;

	monitor_boot_fill(o, boot, (uint64_t)(uintptr_t)boot);
	boot->memory = inside(j, REPORT_PLACE_MEMORY).start;
	boot->memory_size = inside(j, REPORT_PLACE_MEMORY).size;
	boot->clock_gettime = j->vdso.clock_gettime;
	boot->console = FD_CONSOLE;
	boot->spin = o->spin;
	boot->rest = o->rest;
}

static enum report_place_kind kind_of(unsigned place)
{
	return place >= PLACE_XDP    ? REPORT_PLACE_XDP
	       : place >= PLACE_RING ? REPORT_PLACE_RING
	                             : (enum report_place_kind)place;
}

/* For whoever watches: what will lie where, once nothing else is left. */
static void report_places(const struct jail *j)
{
	for (unsigned i = 0; i < PLACES; i++) {
		const struct place *p = &j->places[i];
		if (p->whole.size)
			report_place(&j->options, kind_of(i), p->inside.start,
			             p->inside.size, p->inside.start - p->whole.start);
	}
}

/* ---- devices ---- */

static void open_tap(const struct monitor_options *o, const struct image_device *asked,
                     struct kiln_boot_device *device)
{
	enum { HEADER = 10 }; /* struct netdev_offload */
	struct tap tap;

	monitor_net_open(o, asked, HEADER, &tap);
	device->handle = tap.fd;
	device->features = tap.offloads;
	device->mtu = tap.mtu;
	device->size = tap.shared ? TAP_QUEUE_BITS : 0;
	memcpy(device->mac, tap.mac, sizeof(device->mac));
}

static void open_net(struct jail *j, const struct image_device *asked,
                     struct kiln_boot_device *device)
{
	const struct monitor_binding *binding = monitor_binding(&j->options, asked);
	struct xdp xdp;

	if (!binding->xdp) {
		open_tap(&j->options, asked, device);
		return;
	}
	xdp_open(&j->options, binding, inside(j, REPORT_PLACE_MEMORY).size, device,
	         j->xdp++, &xdp);
	j->places[PLACE_XDP + (device - j->boot->devices)] = xdp.place;
	for (unsigned i = 0; i < XDP_HELD; i++)
		j->held[j->held_count++] = fcntl(xdp.held[i], F_DUPFD, FD_ABOVE);
}

static void open_disk(const struct monitor_options *o, const struct image_device *asked,
                      struct kiln_boot_device *device)
{
	struct disk disk;

	monitor_disk_open(o, asked, &disk);
	device->handle = disk.fd;
	device->features = disk.read_only;
	device->size = disk.size;
}

static void open_devices(struct jail *j)
{
	for (unsigned i = 0; i < j->image.device_count; i++) {
		const struct image_device *asked = &j->image.devices[i];
		struct kiln_boot_device *device =
		    &j->boot->devices[j->boot->device_count++];
		snprintf(device->name, sizeof(device->name), "%s", asked->name);
		device->type = asked->note.type;
		if (asked->note.type == KILN_DEVICE_NET)
			open_net(j, asked, device);
		else
			open_disk(&j->options, asked, device);
		device->handle = fcntl(device->handle, F_DUPFD, FD_ABOVE);
	}
	j->boot->stop = monitor_open_stop(&j->options);
	ring_make(&j->options, j->boot, &j->places[PLACE_RING]);
	if (j->boot->ring.handle >= 0)
		j->boot->ring.handle = fcntl(j->boot->ring.handle, F_DUPFD, FD_ABOVE);
}

static void move(const struct monitor_options *o, int32_t *fd, int to)
{
	if (*fd != to && dup2(*fd, to) != to)
		monitor_fail(o, "cannot move a descriptor: %s", strerror(errno));
	*fd = to;
}

/* The standard error is not among them. */
static void number_descriptors(struct jail *j)
{
	struct kiln_boot *boot = j->boot;
	unsigned next = FD_DEVICES;

	move(&j->options, &boot->stop, FD_STOP);
	for (unsigned i = 0; i < boot->device_count; i++)
		move(&j->options, &boot->devices[i].handle, (int)next++);
	if (boot->ring.handle >= 0)
		move(&j->options, &boot->ring.handle, (int)next++);
	for (unsigned i = 0; i < j->held_count; i++)
		move(&j->options, &j->held[i], (int)next++);
	monitor_close_from(&j->options, next);
}

/* ---- the end ---- */

static void plan_call(struct seal_plan *plan, int64_t number, uint64_t a, uint64_t b,
                      uint64_t c)
{
	plan->calls[plan->count++] = (struct seal_call){number, a, b, c};
}

/* Everything that is not kept goes; what is kept is sealed, where the kernel has
 * mseal(2). */
static void plan_memory(struct seal_plan *plan, const struct jail *j)
{
	bool can_seal = syscall(SYS_mseal, 0, 0, 0) == 0;
	struct range keep[PLACES + 1] = {{0, 0}}; /* by address */
	unsigned count = 0, n;

	for (unsigned i = 0; i < PLACES; i++) {
		struct range whole = j->places[i].whole;
		if (whole.size == 0)
			continue;
		for (n = count++; n && whole.start < keep[n - 1].start; n--)
			keep[n] = keep[n - 1];
		keep[n] = whole;
	}
	keep[count] = (struct range){USER_END, 0};
	for (uint64_t at = 0, i = 0; i <= count; i++) {
		if (keep[i].start > at)
			plan_call(plan, SYS_munmap, at, keep[i].start - at, 0);
		at = keep[i].start + keep[i].size;
	}
	for (unsigned i = 0; can_seal && i < count; i++)
		plan_call(plan, SYS_mseal, keep[i].start, keep[i].size, 0);
}

/* For kiln run --gdb: this user's debugger may have the image, and has to come first. */
static void hold(const struct monitor_options *o)
{
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* only where Yama is */
	if (prctl(PR_SET_DUMPABLE, 1) < 0 || kill(getpid(), SIGSTOP) < 0)
		monitor_fail(o, "cannot wait for a debugger: %s", strerror(errno));
}

static _Noreturn void enter(struct jail *j)
{
	const struct monitor_options *o = &j->options;
	size_t code_size = (size_t)(seal_code_end - seal_code);
	uint8_t *code = (uint8_t *)(uintptr_t)inside(j, REPORT_PLACE_SEAL).start;
	struct seal_plan *plan = (struct seal_plan *)(void *)(code + code_size);
	struct range stack = inside(j, REPORT_PLACE_STACK);

	memcpy(code, seal_code, code_size);
	plan_memory(plan, j);
	/* The thread pointer led to what is no longer there. */
	plan_call(plan, SYS_arch_prctl, ARCH_SET_FS, 0, 0);
	filter_make(&plan->filter, j->boot, &j->vdso, j->gate_return);
	plan->program = (struct sock_fprog){plan->filter.length, plan->filter.code};
	plan_call(plan, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
	          (uint64_t)(uintptr_t)&plan->program);
	plan_call(plan, SEAL_ENTER, (uint64_t)(uintptr_t)j->boot,
	          stack.start + stack.size, j->entry);

	place_protect(o, inside(j, REPORT_PLACE_BOOT), PROT_READ);
	place_protect(o, inside(j, REPORT_PLACE_SEAL), PROT_READ | PROT_EXEC);
	if (o->hold)
		hold(o);
	((void (*)(const struct seal_call *))(uintptr_t)code)(plan->calls);
	__builtin_unreachable();
}

int main(int argc, char **argv)
{
	static struct jail jail;
	struct monitor_options *o = &jail.options;
	int copy;

	monitor_open_standard();
	monitor_options_read(o, argc, argv);
	report_began(o);
	jail.vdso = vdso_find();
	copy = monitor_image_open(o, KILN_TARGET_JAIL, &jail.image);
	monitor_pin(o);
	report_mark(o, "image and options checked");
	place_all(&jail, copy);
	close(copy);
	jail.gate_return = inside(&jail, REPORT_PLACE_IMAGE).start + gate_return(&jail);
	make_boot(&jail);
	report_mark(o, "image placed and relocated");
	open_devices(&jail);
	report_mark(o, "devices opened");
	privilege_drop(o, &(struct privilege_need){0});
	report_mark(o, "privileges dropped");
	report_places(&jail);
	privilege_limit(o, FD_DEVICES + jail.boot->device_count +
	                       (jail.boot->ring.handle >= 0) + jail.held_count);
	number_descriptors(&jail); /* no message from here on */
	enter(&jail);
}
