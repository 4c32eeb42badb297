/*
 * The seccomp filter (Documentation/userspace-api/seccomp_filter.rst) that the table
 * policy_jail asks for, in classic BPF by hand: it knows addresses and descriptors that are
 * found at start, and must be small, because the kernel runs it at every call of the image.
 *
 * Descriptors, and numbers of them, are 32 bits to the kernel, so their upper halves are not
 * looked at.
 */
#include <linux/audit.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include "../policy.h"
#include "jail.h"

enum {
	NUMBER = offsetof(struct seccomp_data, nr),
	ARCHITECTURE = offsetof(struct seccomp_data, arch),
	ADDRESS = offsetof(struct seccomp_data, instruction_pointer),
	ARGUMENTS = offsetof(struct seccomp_data, args),
};
#define ARGUMENT(n) ((uint32_t)(ARGUMENTS + 8 * (n)))

static void emit(struct filter *f, uint16_t code, uint32_t k, unsigned yes, unsigned no)
{
	f->code[f->length++] = (struct sock_filter){code, (uint8_t)yes, (uint8_t)no, k};
}

static void load(struct filter *f, uint32_t offset)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

/* Skips `yes` or `no` instructions. */
static void if_equal(struct filter *f, uint32_t k, unsigned yes, unsigned no)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, k, yes, no);
}

static void if_less(struct filter *f, uint32_t k, unsigned yes, unsigned no)
{
	emit(f, BPF_JMP | BPF_JGE | BPF_K, k, no, yes);
}

static void if_greater(struct filter *f, uint32_t k, unsigned yes, unsigned no)
{
	emit(f, BPF_JMP | BPF_JGT | BPF_K, k, yes, no);
}

static void allow(struct filter *f)
{
	emit(f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

static void refuse(struct filter *f)
{
	emit(f, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
}

struct descriptors {
	int fds[KILN_BOOT_DEVICES];
	uint64_t sizes[KILN_BOOT_DEVICES]; /* of disks */
	unsigned count;
};

static bool is_of_kind(const struct kiln_boot *boot,
                       const struct kiln_boot_device *device, enum policy_on kind)
{
	if (is_xdp(device))
		return kind == POLICY_ON_XDP;
	if (device->type == KILN_DEVICE_NET)
		return kind == POLICY_ON_NET ||
		       (kind == POLICY_ON_NET_ALONE && boot->ring.handle < 0);
	return kind == POLICY_ON_DISK ||
	       (kind == POLICY_ON_WRITABLE_DISK && !(device->features & 1));
}

/* The image's descriptors of a kind. */
static struct descriptors descriptors(const struct kiln_boot *boot, enum policy_on kind)
{
	struct descriptors d = {.count = 0};

	for (uint32_t i = 0; i < boot->device_count; i++) {
		if (!is_of_kind(boot, &boot->devices[i], kind))
			continue;
		d.fds[d.count] = boot->devices[i].handle;
		d.sizes[d.count++] = boot->devices[i].size;
	}
	if (kind == POLICY_ON_CONSOLE)
		d.fds[d.count++] = boot->console;
	if (kind == POLICY_ON_RING && boot->ring.handle >= 0)
		d.fds[d.count++] = boot->ring.handle;
	return d;
}

/* The call, if its first argument is one of these descriptors. */
static void allow_on(struct filter *f, uint32_t number, const struct descriptors *d)
{
	if (d->count == 0)
		return;
	if_equal(f, number, 0, d->count + 3);
	load(f, ARGUMENT(0));
	for (unsigned i = 0; i < d->count; i++)
		if_equal(f, (uint32_t)d->fds[i], d->count - i, 0);
	refuse(f);
	allow(f);
}

/* Scratch memory of the filter: the end of a write, as two words. */
enum { END_LOW, END_HIGH };

/* Adds a write's offset and length up. One too large for the kernel is the kernel's to
 * refuse. */
static void find_end(struct filter *f)
{
	load(f, ARGUMENT(2) + 4);
	if_equal(f, 0, 1, 0);
	refuse(f);
	load(f, ARGUMENT(2));
	emit(f, BPF_MISC | BPF_TAX, 0, 0, 0);
	load(f, ARGUMENT(3));
	emit(f, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	emit(f, BPF_ST, END_LOW, 0, 0);
	emit(f, BPF_JMP | BPF_JGE | BPF_X, 0, 3, 0);
	load(f, ARGUMENT(3) + 4); /* the sum of the lower words has a carry */
	emit(f, BPF_ALU | BPF_ADD | BPF_K, 1, 0, 0);
	emit(f, BPF_JMP | BPF_JA, 1, 0, 0);
	load(f, ARGUMENT(3) + 4);
	emit(f, BPF_ST, END_HIGH, 0, 0);
}

/* pwrite() that ends within the disk: behind its end a file would grow, and fill the host's
 * file system. */
static void allow_within(struct filter *f, uint32_t number, const struct descriptors *d)
{
	enum { FIND_END = 14, EACH_DISK = 9 };

	if (d->count == 0)
		return;
	if_equal(f, number, 0, FIND_END + EACH_DISK * d->count + 1);
	find_end(f);
	for (unsigned i = 0; i < d->count; i++) {
		load(f, ARGUMENT(0));
		if_equal(f, (uint32_t)d->fds[i], 0, EACH_DISK - 2);
		emit(f, BPF_LD | BPF_MEM, END_HIGH, 0, 0);
		if_less(f, (uint32_t)(d->sizes[i] >> 32), 4, 0);
		if_greater(f, (uint32_t)(d->sizes[i] >> 32), 2, 0);
		emit(f, BPF_LD | BPF_MEM, END_LOW, 0, 0);
		if_greater(f, (uint32_t)d->sizes[i], 0, 1);
		refuse(f);
		allow(f);
	}
	refuse(f);
}

/* ppoll() of at most `most` descriptors, without a signal mask. */
static void allow_wait(struct filter *f, uint32_t number, uint32_t most)
{
	if_equal(f, number, 0, 8);
	load(f, ARGUMENT(1));
	if_less(f, most + 1, 0, 4);
	load(f, ARGUMENT(3));
	if_equal(f, 0, 0, 2);
	load(f, ARGUMENT(3) + 4);
	if_equal(f, 0, 1, 0);
	refuse(f);
	allow(f);
}

/* io_uring_enter() that runs what has arrived, and waits for nothing; without a signal
 * mask. */
static void allow_enter(struct filter *f, uint32_t number, const struct descriptors *d)
{
	if (d->count == 0)
		return;
	if_equal(f, number, 0, 12);
	load(f, ARGUMENT(0));
	if_equal(f, (uint32_t)d->fds[0], 0, 8);
	load(f, ARGUMENT(2));
	if_equal(f, 0, 0, 6);
	load(f, ARGUMENT(3));
	if_equal(f, IORING_ENTER_GETEVENTS, 0, 4);
	load(f, ARGUMENT(4));
	if_equal(f, 0, 0, 2);
	load(f, ARGUMENT(4) + 4);
	if_equal(f, 0, 1, 0);
	refuse(f);
	allow(f);
}

/* sendto() that only says that there are frames: it has nothing in it, is for nobody, and
 * waits for nothing. */
static void allow_kick(struct filter *f, uint32_t number, const struct descriptors *d)
{
	static const struct {
		uint32_t word, value;
	} rules[] = {
	    {ARGUMENT(1), 0},     {ARGUMENT(1) + 4, 0},        {ARGUMENT(2), 0},
	    {ARGUMENT(2) + 4, 0}, {ARGUMENT(3), MSG_DONTWAIT}, {ARGUMENT(4), 0},
	    {ARGUMENT(4) + 4, 0},
	};
	enum { RULES = sizeof(rules) / sizeof(rules[0]) };

	if (d->count == 0)
		return;
	if_equal(f, number, 0, d->count + 2 + 2 * RULES + 2);
	load(f, ARGUMENT(0));
	for (unsigned i = 0; i < d->count; i++)
		if_equal(f, (uint32_t)d->fds[i], d->count - i, 0);
	refuse(f);
	for (unsigned i = 0; i < RULES; i++) {
		load(f, rules[i].word);
		if_equal(f, rules[i].value, 0, 2 * (RULES - 1 - i) + 1);
	}
	allow(f);
	refuse(f);
}

/* clock_gettime() of the wall or the monotonic clock. */
static void allow_clocks(struct filter *f, uint32_t number)
{
	if_equal(f, number, 0, 4);
	load(f, ARGUMENT(0));
	if_less(f, CLOCK_MONOTONIC + 1, 1, 0);
	refuse(f);
	allow(f);
}

/* Goes on behind this only for calls from the gate. From the vDSO, which makes a system
 * call where the hardware's clock is of no use, there is but one. */
static void check_address(struct filter *f, const struct vdso *vdso, uint64_t gate_return)
{
	bool clock = vdso->code.size != 0;

	load(f, ADDRESS + 4);
	if_equal(f, (uint32_t)(gate_return >> 32), 0, 2);
	load(f, ADDRESS);
	if_equal(f, (uint32_t)gate_return, clock ? 11 : 1, 0);
	if (clock) {
		load(f, ADDRESS + 4);
		if_equal(f, (uint32_t)(vdso->code.start >> 32), 0, 7);
		load(f, ADDRESS);
		if_less(f, (uint32_t)vdso->code.start, 5, 0);
		if_less(f, (uint32_t)(vdso->code.start + vdso->code.size), 0, 4);
		load(f, NUMBER);
		if_equal(f, SYS_clock_gettime, 0, 2);
		load(f, ARGUMENT(0));
		if_less(f, CLOCK_MONOTONIC + 1, 1, 0);
	}
	refuse(f);
	if (clock)
		allow(f);
}

static void allow_call(struct filter *f, const struct policy_call *call,
                       const struct kiln_boot *boot, bool has_vdso)
{
	struct descriptors d = descriptors(boot, call->on);
	uint32_t number = (uint32_t)call->number;

	switch (call->rule) {
	case POLICY_PLAIN:
		if (call->on != POLICY_ON_NOTHING) {
			allow_on(f, number, &d);
			return;
		}
		if_equal(f, number, 0, 1);
		allow(f);
		return;
	case POLICY_WITHIN_DISK:
		allow_within(f, number, &d);
		return;
	case POLICY_BOUNDED_WAIT:
		allow_wait(f, number, boot->device_count + 1);
		return;
	case POLICY_TWO_CLOCKS:
		if (!has_vdso)
			allow_clocks(f, number);
		return;
	case POLICY_ENTER:
		allow_enter(f, number, &d);
		return;
	case POLICY_KICK:
		allow_kick(f, number, &d);
		return;
	case POLICY_REQUEST: /* not of a jail */
		return;
	}
}

void filter_make(struct filter *f, const struct kiln_boot *boot, const struct vdso *vdso,
                 uint64_t gate_return)
{
	f->length = 0;
	load(f, ARCHITECTURE);
	if_equal(f, AUDIT_ARCH_X86_64, 1, 0);
	refuse(f);
	check_address(f, vdso, gate_return);
	load(f, NUMBER);
	for (const struct policy_call *call = policy_jail; call->name; call++)
		allow_call(f, call, boot, vdso->code.size != 0);
	refuse(f);
}
