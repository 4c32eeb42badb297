/*
 * Calls, and how they wait.
 *
 * A call enters (the lock is taken), does what it can, and leaves. One that must wait looks
 * again and again: by KILN_DOOR_ADVANCE it lets the clock run to the next event itself; by
 * KILN_DOOR_WAIT its thread sleeps until another call has changed something. Whoever does
 * wakes all sleepers after each instant and goes on when every one of them is asleep again
 * or gone, so that no waiting call misses an instant, and what threads do is in an order
 * that does not depend on the host's scheduler.
 */
#include "door_private.h"

void door_enter(struct door_call *call, struct kiln_door *door)
{
	*call = (struct door_call){.door = door, .deadline = KILN_NEVER};
	list_init(&call->node);
	pthread_mutex_lock(&door->lock);
	call->began = door->now;
}

struct door_socket *door_enter_socket(struct door_call *call, struct kiln_door *door,
                                      int fd)
{
	door_enter(call, door);
	return door_socket_get(door, fd);
}

void door_hold(struct door_call *call, struct door_socket *s)
{
	s->users++;
	call->held = s;
}

static void let_go(struct door_call *call)
{
	if (call->held)
		door_socket_release(call->held);
	call->held = NULL;
}

/* What was woken has looked. */
static void looked(struct door_call *call)
{
	struct kiln_door *door = call->door;

	if (!call->awake)
		return;
	call->awake = false;
	if (--door->awake == 0)
		pthread_cond_broadcast(&door->settled);
}

void door_wake(struct kiln_door *door)
{
	uint64_t returns;

	do {
		returns = door->returns;
		list_each_safe (node, &door->waiting) {
			struct door_call *call =
			    kiln_container(node, struct door_call, node);

			list_remove(node);
			call->awake = true;
			door->awake++;
		}
		pthread_cond_broadcast(&door->woken);
		while (door->awake > 0)
			pthread_cond_wait(&door->settled, &door->lock);
	} while (returns != door->returns && !list_empty(&door->waiting));
}

ssize_t door_leave(struct door_call *call, ssize_t result)
{
	struct kiln_door *door = call->door;

	let_go(call);
	door_settle(door);
	if (call->waited)
		door->returns++;
	if (call->awake)
		looked(call);
	else
		door_wake(door);
	pthread_mutex_unlock(&door->lock);
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

void door_set_timeout(struct door_call *call, kiln_time timeout)
{
	call->deadline = timeout ? call->began + timeout : KILN_NEVER;
}

/* The thread is cancelled while it sleeps. */
static void cancelled(void *arg)
{
	struct door_call *call = arg;

	list_remove(&call->node);
	let_go(call);
	looked(call);
	pthread_mutex_unlock(&call->door->lock);
}

static void sleep_until_woken(struct door_call *call)
{
	struct kiln_door *door = call->door;

	looked(call);
	list_append(&door->waiting, &call->node);
	pthread_cleanup_push(cancelled, call);
	while (!call->awake)
		pthread_cond_wait(&door->woken, &door->lock);
	pthread_cleanup_pop(0);
}

/* The clock runs to the next event. False: there is none. */
static bool advance(struct door_call *call)
{
	struct kiln_door *door = call->door;
	kiln_time next =
	    door->in.first ? KILN_MIN(door->in.first->at, door->wake_at) : door->wake_at;

	next = KILN_MIN(next, call->deadline);
	if (next == KILN_NEVER || next - call->began > DOOR_LONGEST_WAIT)
		return false;
	door_run(door, next, 0);
	return true;
}

int door_wait(struct door_call *call)
{
	struct kiln_door *door = call->door;

	door_settle(door);
	if (call->deadline <= door->now)
		return -EAGAIN;
	call->waited = true;
	if (door->waits)
		sleep_until_woken(call);
	else if (!advance(call))
		return -EDEADLK;
	return 0;
}
