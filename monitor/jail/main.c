/*
 * kiln-jail: runs one image as one process that can do nothing but compute, and read and
 * write the few descriptors its manifest asks for. See monitor.h for the command line,
 * jail.h for the parts, and doc/ for the reasons.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#ifdef __GLIBC__
#include <sys/rseq.h>
#endif
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include "jail.h"

#define STACK_SIZE ((uint64_t)256 << 10)

/* Where the image's descriptors end up: without gaps, so that a limit on their number leaves
 * no number for another. */
enum { FD_STOP = 0, FD_CONSOLE = 1, FD_DEVICES = 2 };

/* All that is kept, each with its guards. */
struct jail {
	struct monitor_options options;
	struct image image;
	struct vdso vdso;
	struct range image_place, boot_place, memory_place, stack_place, seal_place;
	struct kiln_boot *boot;
	uint64_t entry, gate_return;
};

/* Were one of the three standard descriptors closed, a device would get its number, and
 * messages would go to the device. */
static void open_standard(void)
{
	struct pollfd fds[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};

	(void)poll(fds, 3, 0);
	for (int i = 0; i < 3; i++) {
		if (fds[i].revents & POLLNVAL && open("/dev/null", O_RDWR) != i)
			_exit(MONITOR_EXIT_FAILED);
	}
}

/* The address behind the gate's syscall instruction, of which there must be one. */
static uint64_t find_gate(const struct jail *j)
{
	const struct image *image = &j->image;
	uint64_t gate = image->entry + (uint64_t)image->gate.offset, found = 0;
	const uint8_t *code =
		(const uint8_t *)(uintptr_t)(inside(j->image_place).start + gate);

	if (!image->has_gate)
		monitor_fail(&j->options, "%s: it does not name its gate",
			     j->options.image);
	for (uint64_t i = 0; i + 1 < image->gate.size; i++) {
		if (code[i] != 0x0f || code[i + 1] != 0x05)
			continue;
		if (found)
			monitor_fail(&j->options, "%s: two system calls in its gate",
				     j->options.image);
		found = inside(j->image_place).start + gate + i + 2;
	}
	if (!found)
		monitor_fail(&j->options, "%s: no system call in its gate",
			     j->options.image);
	return found;
}

static void pin(const struct monitor_options *o)
{
	cpu_set_t cpus;

	if (o->cpu < 0)
		return;
	CPU_ZERO(&cpus);
	if (o->cpu < CPU_SETSIZE)
		CPU_SET((unsigned)o->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		monitor_fail(o, "cannot run on processor %d: %s", o->cpu,
			     strerror(errno));
}

/* ---- the boot struct ---- */

static void open_net(const struct monitor_options *o, const struct monitor_binding *b,
		     struct kiln_boot_device *device)
{
	enum { HEADER = 10 }; /* struct netdev_offload */
	struct tap tap;
	char error[256];
	uint32_t address = 0;
	unsigned bits = 0;

	if (!monitor_host_address(o, device->name, &address, &bits))
		address = 0;
	if (!tap_open(&tap, b->source, HEADER, address, bits, error, sizeof(error)))
		monitor_fail(o, "%s", error);
	device->handle = tap.fd;
	device->features = tap.offloads;
	device->mtu = tap.mtu;
	memcpy(device->mac, tap.mac, sizeof(device->mac));
}

static void open_disk(const struct monitor_options *o, const struct monitor_binding *b,
		      struct kiln_boot_device *device)
{
	struct disk disk;
	char error[256];

	if (!disk_open(&disk, b->source, error, sizeof(error)))
		monitor_fail(o, "%s", error);
	device->handle = disk.fd;
	device->features = disk.read_only;
	device->size = disk.size;
}

static void open_devices(struct jail *j)
{
	struct kiln_boot *boot = j->boot;

	for (unsigned i = 0; i < j->image.device_count; i++) {
		const struct kiln_note_device *note = &j->image.devices[i];
		struct kiln_boot_device *device = &boot->devices[boot->device_count++];
		memcpy(device->name, note->name, sizeof(device->name));
		device->type = note->type;
		if (note->type == KILN_DEVICE_NET)
			open_net(&j->options, monitor_binding(&j->options, note), device);
		else
			open_disk(&j->options, monitor_binding(&j->options, note),
				  device);
	}
}

/* Ctrl-C and SIGTERM become a descriptor. SIGQUIT still ends an image that does not answer. */
static void open_stop(struct jail *j)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	fd = sigprocmask(SIG_SETMASK, &set, NULL) < 0 ? -1
						      : signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		monitor_fail(&j->options, "no descriptor for signals: %s",
			     strerror(errno));
	j->boot->stop = fd;
}

static void make_boot(struct jail *j)
{
	const struct monitor_options *o = &j->options;
	struct kiln_boot *boot = j->boot;

	boot->magic = KILN_BOOT_MAGIC;
	boot->abi = KILN_ABI_VERSION;
	boot->size = sizeof(*boot);
	boot->memory = inside(j->memory_place).start;
	boot->memory_size = o->memory;
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

/* ---- the end ---- */

static void move(const struct monitor_options *o, int32_t *fd, int to)
{
	if (*fd != to && dup2(*fd, to) != to)
		monitor_fail(o, "cannot move a descriptor: %s", strerror(errno));
	*fd = to;
}

/* The lowest first: none is then moved onto one that still has to move. Returns how many
 * there are in all; the standard error is not among them. */
static unsigned number_descriptors(struct jail *j)
{
	struct kiln_boot *boot = j->boot;
	unsigned next = FD_DEVICES;

	move(&j->options, &boot->stop, FD_STOP);
	for (unsigned i = 0; i < boot->device_count; i++) {
		struct kiln_boot_device *lowest = NULL;
		for (unsigned n = 0; n < boot->device_count; n++) {
			struct kiln_boot_device *d = &boot->devices[n];
			if (d->handle >= (int)next &&
			    (!lowest || d->handle < lowest->handle))
				lowest = d;
		}
		move(&j->options, &lowest->handle, (int)next++);
	}
	if (syscall(SYS_close_range, next, ~0u, 0) < 0)
		monitor_fail(&j->options, "cannot close descriptors: %s",
			     strerror(errno));
	return next;
}

/* Sorted by address; `keep` ranges do not overlap. Everything between them goes. */
static void plan_unmap(struct seal_plan *plan, struct range *keep, unsigned count)
{
	const uint64_t user_end = 0x7ffffffff000;
	uint64_t at = 0;

	for (unsigned i = 1; i < count; i++) {
		for (unsigned n = i; n && keep[n].start < keep[n - 1].start; n--) {
			struct range swap = keep[n];
			keep[n] = keep[n - 1];
			keep[n - 1] = swap;
		}
	}
	for (unsigned i = 0; i <= count; i++) {
		uint64_t end = i < count ? keep[i].start : user_end;
		if (end > at)
			plan->unmap[plan->unmap_count++] = (struct range){at, end - at};
		if (i < count)
			at = keep[i].start + keep[i].size;
	}
}

/* True where the kernel has mseal(2): nothing is a valid thing to seal. */
static bool can_seal(void)
{
	enum { SYS_MSEAL = 462 };

	return syscall(SYS_MSEAL, 0, 0, 0) == 0;
}

/* glibc, unlike musl, has the kernel write to an area of its own whenever it interrupts the
 * process (rseq); that area is about to go. */
static void unregister_rseq(const struct monitor_options *o)
{
#ifdef __GLIBC__
	enum { UNREGISTER = 1, AREA = 32, SIGNATURE = 0x53053053 };
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	if (__rseq_size && syscall(SYS_rseq, area, AREA, UNREGISTER, SIGNATURE) < 0)
		monitor_fail(o, "cannot unregister rseq: %s", strerror(errno));
#endif
}

static _Noreturn void enter(struct jail *j)
{
	struct range page = inside(j->seal_place);
	size_t code_size = (size_t)(seal_code_end - seal_code);
	uint8_t *code = (uint8_t *)(uintptr_t)page.start;
	struct seal_plan *plan = (struct seal_plan *)(void *)(code + code_size);
	struct range vdso = {j->vdso.data.start, j->vdso.data.size + j->vdso.code.size};
	struct range keep[SEAL_RANGES] = {j->image_place, j->boot_place, j->memory_place,
					  j->stack_place, j->seal_place, vdso};
	unsigned count = vdso.size ? 6 : 5;

	memcpy(code, seal_code, code_size);
	if (can_seal()) {
		memcpy(plan->seal, keep, count * sizeof(keep[0]));
		plan->seal_count = count;
	}
	plan_unmap(plan, keep, count);
	filter_make(&plan->filter, j->boot, &j->vdso, j->gate_return);
	plan->program = (struct sock_fprog){plan->filter.length, plan->filter.code};
	plan->boot = (uint64_t)(uintptr_t)j->boot;
	plan->stack = inside(j->stack_place).start + STACK_SIZE;
	plan->entry = j->entry;
	protect(&j->options, inside(j->boot_place), PROT_READ);
	protect(&j->options, page, PROT_READ | PROT_EXEC);
	unregister_rseq(&j->options);
	((void (*)(const struct seal_plan *))(uintptr_t)code)(plan);
	__builtin_unreachable();
}

int main(int argc, char **argv)
{
	static struct jail jail;
	struct jail *j = &jail;
	struct monitor_options *o = &j->options;
	unsigned descriptors;

	open_standard();
	monitor_options_read(o, argc, argv);
	monitor_image_open(o, KILN_TARGET_JAIL, &j->image);
	pin(o);

	j->image_place = place(o, j->image.span, "image");
	j->boot_place =
		place(o, page_up(sizeof(*j->boot) + monitor_options_size(o)), "options");
	j->memory_place = place(o, o->memory, "memory");
	j->stack_place = place(o, STACK_SIZE, "stack");
	j->seal_place = place(o, page_up(sizeof(struct seal_plan) + PAGE), "seal");
	protect(o, inside(j->boot_place), PROT_READ | PROT_WRITE);
	protect(o, inside(j->memory_place), PROT_READ | PROT_WRITE);
	protect(o, inside(j->stack_place), PROT_READ | PROT_WRITE);
	protect(o, inside(j->seal_place), PROT_READ | PROT_WRITE);

	place_image(o, &j->image, inside(j->image_place));
	j->entry = inside(j->image_place).start + j->image.entry;
	j->gate_return = find_gate(j);
	j->vdso = vdso_find();
	j->boot = (struct kiln_boot *)(uintptr_t)inside(j->boot_place).start;
	make_boot(j);
	open_devices(j);
	open_stop(j);

	privilege_drop(o);
	if (o->time_start)
		fprintf(stderr, "%s: %llu us from main() to the seal\n", o->program,
			(unsigned long long)(monitor_now() - o->started) / 1000);
	descriptors = number_descriptors(j);
	privilege_limit(o, descriptors);
	enter(j);
}
