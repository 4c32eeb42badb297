/*
 * Time, waiting, the console and the end of a vm image: <kiln/target.h>.
 *
 * Under Kiln's monitor a wait is one store to the control page, which also stands for
 * every queue's notification. Behind the stub it is: acknowledge interrupts, ask the
 * devices for the next, look at the rings once more, and halt. An interrupt that comes in
 * between is pending, because ring 3 runs with interrupts off, and ends the halt: no
 * wake-up is lost.
 */
#include <kiln/bytes.h>
#include "stub.h"
#include "virtio_mmio.h"

/* No wait is longer, so that instants in ticks do not overflow. */
#define WAIT_MOST KILN_SECONDS(3600)

kiln_time vm_now(void)
{
	uint64_t ticks = __builtin_ia32_rdtsc() - vm.boot->tsc_base;

	return (kiln_time)((unsigned __int128)ticks * vm.ns_per_tick >> 32);
}

kiln_time target_now(struct kiln *k)
{
	return vm_now();
}

kiln_time target_wall(struct kiln *k)
{
	return vm.boot->wall_base + vm_now();
}

/* The stub's clock is the counter itself. Rounded up: an early return is a turn for
 * nothing. */
static uint64_t ticks_at(kiln_time deadline)
{
	uint64_t now = __builtin_ia32_rdtsc();
	kiln_time left = vm_now();

	left = deadline > left ? deadline - left : 0;
	if (left > WAIT_MOST)
		left = WAIT_MOST;
	return now + (uint64_t)((unsigned __int128)left * vm.ticks_per_ns >> 24) + 1;
}

void target_wait(struct kiln *k, kiln_time deadline)
{
	bool stop, ready = false;

	list_each (node, &vm.waiters) {
		struct vm_waiter *waiter = kiln_container(node, struct vm_waiter, node);
		if (!vm.control)
			virtio_acknowledge(waiter->device);
		ready = waiter->arm(waiter) || ready;
	}
	if (vm.control) {
		vm.control[KILN_CONTROL_WAIT / 8] = ready ? 0 : deadline;
		stop = *(const volatile int32_t *)&vm.boot->stop;
	} else {
		stop = vm_gate(STUB_CALL_WAIT, ready ? 0 : ticks_at(deadline), 0);
	}
	if (stop)
		loop_stop(&k->loop);
}

/* The device is opened for the first text: an image that says nothing does without it. */
static void console_open(struct kiln *k)
{
	vm.console_tried = true; /* first: opening it may log */
	vm.console = virtio_console_open(k);
}

static void console(struct slice text)
{
	if (vm.console)
		virtio_console_write(vm.console, text);
	else if (!vm.control)
		vm_gate(STUB_CALL_WRITE, (uintptr_t)text.data, text.len);
}

void target_console(struct kiln *k, struct slice text)
{
	if (!vm.console_tried)
		console_open(k);
	console(text);
}

static _Noreturn void end(int status)
{
	if (vm.control)
		vm.control[KILN_CONTROL_EXIT / 8] = (uint64_t)(unsigned)status;
	else
		vm_gate(STUB_CALL_EXIT, (uint64_t)(unsigned)status, 0);
	__builtin_trap();
}

void target_exit(struct kiln *k, int status)
{
	end(status);
}

void target_panic(struct slice message)
{
	target_console(vm.kiln, message);
	__builtin_trap(); /* whoever watches sees where it was */
}
