/*
 * The start of every image, and the few calls that an appliance makes of its context.
 *
 * The target's start-up code has set k->boot, k->target and the clock; kiln_start() makes
 * the rest from the boot struct and runs the appliance.
 */
#include <stdarg.h>
#include <kiln/target.h>
#include "log_private.h"
#include "param.h"

KILN_LIBRARY(core, "0.1");

int kiln_start_with(struct kiln *k, int (*entry)(struct kiln *k))
{
	const struct kiln_boot *boot = k->boot;
	/* `sim` has no clock of the hardware, and must not draw from its generator
	 * either. */
	bool real = boot->clock_gettime || boot->tsc_hz;

	k->log_level = LOG_INFO;
	k->started_at = target_now(k);
	arena_init(&k->arena, (void *)(uintptr_t)boot->memory, boot->memory_size);
	random_init(&k->random, boot->seed, sizeof(boot->seed), real);
	loop_init(&k->loop, k);
	k->loop.spin = boot->spin;
	param_apply(k);
	return entry(k);
}

int kiln_run(struct kiln *k)
{
	/* Read by tool/timings.c: the start of the monitor, of the program, or of QEMU's
	 * guest. */
	log_debug(k, "core", "runs, %llu us after the start",
	          (unsigned long long)(target_now(k) - k->boot->start_clock) / 1000);
	loop_run(&k->loop);
	return 0;
}

void kiln_stop(struct kiln *k)
{
	loop_stop(&k->loop);
}

kiln_time kiln_now(struct kiln *k)
{
	return target_now(k);
}

kiln_time kiln_wall(struct kiln *k)
{
	return k->wall ? k->wall(k->wall_context) : target_wall(k);
}

void kiln_set_wall(struct kiln *k, kiln_time (*wall)(void *context), void *context)
{
	k->wall = wall;
	k->wall_context = context;
}

void kiln_print(struct kiln *k, struct slice text)
{
	target_console(k, text);
}

void kiln_printf(struct kiln *k, const char *format, ...)
{
	uint8_t text[512];
	struct writer w = writer_of(text, sizeof(text));
	va_list args;

	va_start(args, format);
	writer_vformat(&w, format, args);
	va_end(args);
	if (w.failed)
		writer_text(&w, "(text too long)\n");
	target_console(k, writer_done(&w));
}

void kiln_fail(struct kiln *k, const char *library, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kiln_vlog(k, LOG_ERROR, library, format, args);
	va_end(args);
	target_exit(k, 1);
}

void kiln_assert_failed(const char *what, const char *file, int line)
{
	uint8_t text[256];
	struct writer w = writer_of(text, sizeof(text));

	writer_format(&w, "%s:%d: assertion failed: %s\n", file, line, what);
	target_panic(w.failed ? SLICE("assertion failed\n") : writer_done(&w));
}
