/*
 * The start and the end of a jailed image, its clock, console and stop request. Entered
 * from start.S with the boot struct that monitor/jail filled in.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <kiln/bytes.h>
#include "jail.h"

KILN_LIBRARY(jail, "0.1");
KILN_NOTE(jail_note_target, KILN_NOTE_TARGET, kiln_note_target, KILN_ABI_VERSION,
          KILN_TARGET_JAIL);

/* The guard that start.S sets, under the name that compilers know. */
extern uintptr_t __stack_chk_guard;
uintptr_t __stack_chk_guard;
_Static_assert(offsetof(struct kiln_boot, seed) + KILN_BOOT_SEED == 184 + 8, "start.S");

static struct jail jail;

static _Noreturn void end(int status)
{
	for (;;)
		jail_call(status, 0, 0, 0, 0, SYS_exit_group);
}

void target_exit(struct kiln *k, int status)
{
	(void)k;
	end(status);
}

void target_panic(struct slice message)
{
	if (jail.kiln.boot)
		jail_call(jail.kiln.boot->console, (long)(uintptr_t)message.data,
		          (long)message.len, 0, 0, SYS_write);
	__builtin_trap(); /* whoever watches sees where it was */
}

_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
	target_panic(SLICE("stack protector: a local array was overrun\n"));
}

const struct kiln_boot_device *jail_device(struct kiln *k,
                                           const struct kiln_device *device)
{
	for (uint32_t i = 0; i < k->boot->device_count; i++) {
		const struct kiln_boot_device *d = &k->boot->devices[i];
		if (d->type == device->type &&
		    slice_equal(slice_text(d->name), slice_text(device->name)))
			return d;
	}
	return NULL;
}

/* ---- clock ---- */

static kiln_time clock_read(struct kiln *k, clockid_t clock)
{
	int (*vdso)(clockid_t, struct timespec *) =
	    (int (*)(clockid_t, struct timespec *))(uintptr_t)k->boot->clock_gettime;
	struct timespec t = {0};

	if (vdso)
		vdso(clock, &t);
	else
		jail_call(clock, (long)(uintptr_t)&t, 0, 0, 0, SYS_clock_gettime);
	return (kiln_time)t.tv_sec * KILN_SECONDS(1) + (kiln_time)t.tv_nsec;
}

kiln_time target_now(struct kiln *k)
{
	return clock_read(k, CLOCK_MONOTONIC);
}

kiln_time target_wall(struct kiln *k)
{
	return clock_read(k, CLOCK_REALTIME);
}

/* ---- console ---- */

enum {
	CONSOLE_PIECE = 4096, /* a pipe that is ready takes as much without blocking */
};
#define CONSOLE_PATIENCE KILN_MS(50)

/* Waits for room; once that was in vain, it only looks, until there is room again. */
static bool console_ready(struct jail *j)
{
	struct pollfd console = {.fd = j->kiln.boot->console, .events = POLLOUT};
	struct timespec patience = {0, j->console_stuck ? 0 : (long)CONSOLE_PATIENCE};

	j->console_stuck = jail_call((long)(uintptr_t)&console, 1,
	                             (long)(uintptr_t)&patience, 0, 0, SYS_ppoll) != 1;
	return !j->console_stuck;
}

/* The descriptor is shared with others, so it cannot be made non-blocking. */
void target_console(struct kiln *k, struct slice text)
{
	while (text.len && console_ready(jail_of(k))) {
		struct slice piece = slice_take(text, CONSOLE_PIECE);
		long n = jail_call(k->boot->console, (long)(uintptr_t)piece.data,
		                   (long)piece.len, 0, 0, SYS_write);
		if (n <= 0)
			return;
		text = slice_skip(text, (size_t)n);
	}
}

/* ---- waiting ---- */

/* A device that is gone would wake us for ever. */
static void check_device(struct jail *j, struct pollfd *entry)
{
	if (!(entry->revents & (POLLERR | POLLHUP | POLLNVAL)) || entry->revents & POLLIN)
		return;
	log_error(&j->kiln, "jail", "a network device is gone");
	entry->fd = -1;
}

/* The first `count` of what there is to wait for. */
static bool poll_until(struct jail *j, unsigned count, kiln_time deadline)
{
	struct timespec timeout = {0};

	if (deadline != KILN_NEVER) {
		kiln_time now = target_now(&j->kiln);
		kiln_time left = deadline > now ? deadline - now : 0;
		timeout.tv_sec = (time_t)(left / KILN_SECONDS(1));
		timeout.tv_nsec = (long)(left % KILN_SECONDS(1));
	}
	if (jail_call((long)(uintptr_t)j->wait, count,
	              deadline == KILN_NEVER ? 0 : (long)(uintptr_t)&timeout, 0, 0,
	              SYS_ppoll) <= 0)
		return false;
	if (j->wait[0].revents) {
		j->wait[0].fd = -1; /* stays readable: once is enough */
		loop_stop(&j->kiln.loop);
	}
	return true;
}

void target_wait(struct kiln *k, kiln_time deadline)
{
	struct jail *j = jail_of(k);

	if (!poll_until(j, j->wait_count, deadline))
		return;
	for (unsigned i = 1; i < j->wait_count; i++)
		check_device(j, &j->wait[i]);
}

static void rest(struct kiln *k, kiln_time until)
{
	poll_until(jail_of(k), 1, until);
}

/* ---- the start ---- */

void jail_start(const struct kiln_boot *boot)
{
	if (boot->magic != KILN_BOOT_MAGIC || boot->abi != KILN_ABI_VERSION ||
	    boot->size != sizeof(*boot))
		__builtin_trap();
	jail.kiln.boot = boot;
	jail.kiln.target = &jail;
	jail.wait[0] = (struct pollfd){.fd = boot->stop, .events = POLLIN};
	jail.wait_count = 1;
	if (boot->rest) {
		moderation_init(&jail.moderation, boot->rest, rest);
		jail.kiln.moderation = &jail.moderation;
	}
	end(kiln_start(&jail.kiln));
}
