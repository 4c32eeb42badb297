/*
 * kiln-jail: runs one image as one process that can do nothing but compute, and read and
 * write the few descriptors its manifest asks for. See monitor.h for the command line and
 * jail.h for the parts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
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
#ifndef SYS_close_range /* Linux 5.9 */
#define SYS_close_range 436
#endif

#define STACK_SIZE ((uint64_t)256 << 10)
#define USER_END   ((uint64_t)0x7ffffffff000)

/* Where the image's descriptors end up: without gaps, so that a limit on their number
 * leaves no number for another. */
enum { FD_STOP = 0, FD_CONSOLE = 1, FD_DEVICES = 2 };

/* All that stays, and what is found on the way. */
struct jail {
	struct monitor_options options;
	struct image image;
	struct vdso vdso;
	struct place place, memory, stack, boot_place, seal;
	struct kiln_boot *boot;
	uint64_t entry, gate_return;
};

static void place_all(struct jail *j)
{
	const struct monitor_options *o = &j->options;

	j->place = place_make(o, j->image.span, "image");
	place_image(o, &j->image, j->place.inside.start);
	j->entry = j->place.inside.start + j->image.entry;
	j->memory = place_memory(o, o->memory, "memory");
	j->stack = place_memory(o, STACK_SIZE, "stack");
	j->boot_place =
	    place_memory(o, sizeof(*j->boot) + monitor_options_size(o), "options");
	j->boot = (struct kiln_boot *)(uintptr_t)j->boot_place.inside.start;
	j->seal = place_memory(
	    o, (uint64_t)(seal_code_end - seal_code) + sizeof(struct seal_plan), "seal");
}

/* The address behind the gate's syscall instruction, of which there must be one. */
static void find_gate(struct jail *j)
{
	const struct kiln_note_gate *gate = &j->image.gate;
	uint64_t start = j->entry + (uint64_t)gate->offset;
	const uint8_t *code = (const uint8_t *)(uintptr_t)start;
	unsigned found = 0;

	for (uint64_t i = 0; j->image.has_gate && i + 1 < gate->size; i++) {
		if (code[i] == 0x0f && code[i + 1] == 0x05) {
			j->gate_return = start + i + 2;
			found++;
		}
	}
	if (found != 1)
		monitor_fail(&j->options,
		             "%s: it must have one gate with one system call",
		             j->options.image);
}

static void make_boot(struct jail *j)
{
	const struct monitor_options *o = &j->options;
	struct kiln_boot *boot = j->boot;

	boot->magic = KILN_BOOT_MAGIC;
	boot->abi = KILN_ABI_VERSION;
	boot->size = sizeof(*boot);
	boot->memory = j->memory.inside.start;
	boot->memory_size = j->memory.inside.size;
	boot->options = (uint64_t)(uintptr_t)(boot + 1);
	boot->options_size = monitor_options_size(o);
	monitor_options_copy(o, (char *)(boot + 1));
	boot->clock_gettime = j->vdso.clock_gettime;
	boot->console = FD_CONSOLE;
	boot->spin = o->spin;
	boot->start_clock = o->started;
	if (getrandom(boot->seed, sizeof(boot->seed), 0) != sizeof(boot->seed))
		monitor_fail(o, "no random numbers: %s", strerror(errno));
}

static void report_one(const struct jail *j, enum report_place_kind kind,
                       const struct place *place)
{
	report_place(&j->options, kind, place->inside.start, place->inside.size,
	             place->inside.start - place->whole.start);
}

/* For whoever watches: what will lie where, once nothing else is left. */
static void report_places(const struct jail *j)
{
	const struct range *clock = &j->vdso.whole;

	report_one(j, REPORT_PLACE_IMAGE, &j->place);
	report_one(j, REPORT_PLACE_STACK, &j->stack);
	report_one(j, REPORT_PLACE_MEMORY, &j->memory);
	report_one(j, REPORT_PLACE_BOOT, &j->boot_place);
	report_one(j, REPORT_PLACE_SEAL, &j->seal);
	if (clock->size)
		report_place(&j->options, REPORT_PLACE_CLOCK, clock->start, clock->size,
		             0);
}

/* ---- devices ---- */

static void open_net(const struct monitor_options *o, const struct kiln_note_device *note,
                     struct kiln_boot_device *device)
{
	enum { HEADER = 10 }; /* struct netdev_offload */
	struct tap tap;

	monitor_net_open(o, note, HEADER, &tap);
	device->handle = tap.fd;
	device->features = tap.offloads;
	device->mtu = tap.mtu;
	memcpy(device->mac, tap.mac, sizeof(device->mac));
}

static void open_disk(const struct monitor_options *o, const char *path,
                      struct kiln_boot_device *device)
{
	struct disk disk;
	char error[256];

	if (!disk_open(&disk, path, error, sizeof(error)))
		monitor_fail(o, "%s", error);
	device->handle = disk.fd;
	device->features = disk.read_only;
	device->size = disk.size;
}

static void open_devices(struct jail *j)
{
	for (unsigned i = 0; i < j->image.device_count; i++) {
		const struct kiln_note_device *note = &j->image.devices[i];
		struct kiln_boot_device *device =
		    &j->boot->devices[j->boot->device_count++];
		memcpy(device->name, note->name, sizeof(device->name));
		device->type = note->type;
		if (note->type == KILN_DEVICE_NET)
			open_net(&j->options, note, device);
		else
			open_disk(&j->options, monitor_binding(&j->options, note)->source,
			          device);
	}
	j->boot->stop = monitor_open_stop(&j->options);
}

static void move(const struct monitor_options *o, int32_t *fd, int to)
{
	if (*fd != to && dup2(*fd, to) != to)
		monitor_fail(o, "cannot move a descriptor: %s", strerror(errno));
	*fd = to;
}

/* The lowest first: none is then moved onto one that still has to move. The standard error
 * is not among them. */
static void number_descriptors(struct jail *j)
{
	struct kiln_boot *boot = j->boot;
	int next = FD_DEVICES;

	move(&j->options, &boot->stop, FD_STOP);
	for (unsigned i = 0; i < boot->device_count; i++) {
		struct kiln_boot_device *lowest = NULL;
		for (unsigned n = 0; n < boot->device_count; n++) {
			struct kiln_boot_device *d = &boot->devices[n];
			if (d->handle >= next && (!lowest || d->handle < lowest->handle))
				lowest = d;
		}
		move(&j->options, &lowest->handle, next++);
	}
	if (syscall(SYS_close_range, next, ~0u, 0) < 0)
		monitor_fail(&j->options, "cannot close descriptors: %s",
		             strerror(errno));
}

/* ---- the end ---- */

static void plan_call(struct seal_plan *plan, int64_t number, uint64_t a, uint64_t b,
                      uint64_t c)
{
	plan->calls[plan->count++] = (struct seal_call){number, a, b, c};
}

/* Everything that is not kept goes; what is kept is sealed, where the kernel has
 * mseal(2). */
static void plan_memory(struct seal_plan *plan, struct range *keep, unsigned count)
{
	bool can_seal = syscall(SYS_mseal, 0, 0, 0) == 0;
	uint64_t at = 0;

	for (unsigned i = 1; i < count; i++) { /* by address */
		for (unsigned n = i; n && keep[n].start < keep[n - 1].start; n--) {
			struct range swap = keep[n];
			keep[n] = keep[n - 1];
			keep[n - 1] = swap;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (keep[i].start > at)
			plan_call(plan, SYS_munmap, at, keep[i].start - at, 0);
		at = keep[i].start + keep[i].size;
	}
	plan_call(plan, SYS_munmap, at, USER_END - at, 0);
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
	uint8_t *code = (uint8_t *)(uintptr_t)j->seal.inside.start;
	struct seal_plan *plan = (struct seal_plan *)(void *)(code + code_size);
	struct range keep[] = {j->place.whole,      j->memory.whole, j->stack.whole,
	                       j->boot_place.whole, j->seal.whole,   j->vdso.whole};

	memcpy(code, seal_code, code_size);
	plan_memory(plan, keep, j->vdso.whole.size ? 6 : 5);
	/* The thread pointer led to what is no longer there. */
	plan_call(plan, SYS_arch_prctl, ARCH_SET_FS, 0, 0);
	filter_make(&plan->filter, j->boot, &j->vdso, j->gate_return);
	plan->program = (struct sock_fprog){plan->filter.length, plan->filter.code};
	plan_call(plan, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
	          (uint64_t)(uintptr_t)&plan->program);
	plan_call(plan, SEAL_ENTER, (uint64_t)(uintptr_t)j->boot,
	          j->stack.inside.start + j->stack.inside.size, j->entry);

	place_protect(o, j->boot_place.inside, PROT_READ);
	place_protect(o, j->seal.inside, PROT_READ | PROT_EXEC);
	if (o->hold)
		hold(o);
	((void (*)(const struct seal_call *))(uintptr_t)code)(plan->calls);
	__builtin_unreachable();
}

int main(int argc, char **argv)
{
	static struct jail jail;
	struct monitor_options *o = &jail.options;

	monitor_open_standard();
	monitor_options_read(o, argc, argv);
	report_began(o);
	jail.vdso = vdso_find();
	monitor_image_open(o, KILN_TARGET_JAIL, &jail.image);
	monitor_pin(o);
	report_mark(o, "image and options checked");
	place_all(&jail);
	find_gate(&jail);
	make_boot(&jail);
	report_mark(o, "image placed and relocated");
	open_devices(&jail);
	report_mark(o, "devices opened");
	privilege_drop(o, &(struct privilege_need){0});
	report_mark(o, "privileges dropped");
	report_places(&jail);
	privilege_limit(o, FD_DEVICES + jail.boot->device_count);
	number_descriptors(&jail); /* no message from here on */
	enter(&jail);
}
