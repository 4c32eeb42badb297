/*
 * What stands under lib/ here: a clock that the driver moves, one device (link.c), and an
 * end that leads back to kiln_door_new, where bad configuration is found out.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "door_private.h"

/* The virtual clock starts at midnight, 1 January 2026, UTC. */
static const kiln_time wall_start = KILN_SECONDS(1767225600);

static _Thread_local char message[DOOR_MESSAGE];

void door_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
}

const char *kiln_door_message(void)
{
	return message;
}

static struct kiln_door *door_of(struct kiln *k)
{
	return kiln_container(k, struct kiln_door, kiln);
}

kiln_time target_now(struct kiln *k)
{
	return door_of(k)->now;
}

kiln_time target_wall(struct kiln *k)
{
	return wall_start + door_of(k)->now;
}

/* The loop has nothing to do before the deadline: back to door_settle. */
void target_wait(struct kiln *k, kiln_time deadline)
{
	struct kiln_door *door = door_of(k);

	door->idle = deadline > door->now;
	door->wake_at = deadline;
}

/* Warnings and errors alone: see door_start. */
void target_console(struct kiln *k, struct slice text)
{
	while (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	door_say("%.*s", SLICE_ARG(text));
}

void target_exit(struct kiln *k, int status)
{
	struct kiln_door *door = door_of(k);

	if (!door->starting)
		abort();
	longjmp(door->exit_to, 1);
}

void target_panic(struct slice text)
{
	fprintf(stderr, "libkiln-sim: %.*s", SLICE_ARG(text));
	abort();
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	return &door_of(k)->device;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

static int entry(struct kiln *k)
{
	static const struct kiln_device net0 = {KILN_DEVICE_NET, "net0"};
	struct kiln_door *door = door_of(k);

	door->net = net_up(k, &net0);
	net_loopback_start(door->net);
	door->udp = udp_new(door->net);
	door->tcp = tcp_new_with(door->net, &door->tcp_config);
	return 0;
}

bool door_start(struct kiln_door *door)
{
	door->kiln.boot = &door->boot;
	if (setjmp(door->exit_to))
		return false;
	return kiln_start_with(&door->kiln, entry) == 0;
}
