/*
 * The run loop: lets the guest run until it exits, does what it asked for by the address
 * it touched (include/kiln/abi/boot.h), and lets it go on.
 *
 * The guest and its devices take turns in one thread. A wait is the guest's own yield:
 * all rings are served, and it returns as soon as there is something to look at: buffers
 * that a device has filled or done with, or a stop, which is a word in the boot page. A
 * notice of one ring has all served as well: an exit costs more than a look at the others.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include "kvm.h"

enum { STATUS_STOP = 1 };

static void check_device(const struct monitor *monitor,
                         const struct virtio_device *device)
{
	if (device->fault)
		monitor_fail(&monitor->options,
		             "stopped the image: its driver of %s broke the rules: %s",
		             device->name, device->fault);
}

/* ---- waiting ---- */

/* Takes input of all devices. True if the guest has something to look at. */
static bool receive_all(struct monitor *monitor)
{
	bool wake = monitor->stop_news || monitor->gdb.interrupted;

	for (unsigned i = 0; i < monitor->device_count; i++) {
		struct virtio_device *device = monitor->devices[i];
		virtio_receive(device);
		check_device(monitor, device);
		wake |= device->wake;
	}
	return wake;
}

/* Output goes first: what the other side answers at once is input already. */
static bool serve_all(struct monitor *monitor)
{
	for (unsigned i = 0; i < monitor->device_count; i++)
		virtio_serve(monitor->devices[i]);
	return receive_all(monitor);
}

static void take_signal(struct monitor *monitor)
{
	struct pollfd fd = {.fd = monitor->stop_signal, .events = POLLIN};
	struct timespec at_once = {0};
	struct signalfd_siginfo signal;

	/* It may have been another signal that interrupted the guest. */
	if (ppoll(&fd, 1, &at_once, NULL) <= 0 ||
	    read(monitor->stop_signal, &signal, sizeof(signal)) != sizeof(signal))
		return;
	if (signal.ssi_signo == SIGIO) {
		gdb_input(monitor);
		/* The access by which the guest waits is brought to its end first. */
		monitor->machine.run->immediate_exit = monitor->gdb.interrupted;
		return;
	}
	monitor->stop_news = true;
	monitor->boot->stop = 1;
	monitor->space.register_page[0][KILN_CONTROL_STATUS / 4] = STATUS_STOP;
}

/* A device whose other side is gone would end every wait at once, for ever. */
static void check_input(struct monitor *monitor, const struct pollfd *fd)
{
	if (!(fd->revents & (POLLERR | POLLHUP | POLLNVAL)) || fd->revents & POLLIN)
		return;
	for (unsigned i = 0; i < monitor->device_count; i++) {
		struct virtio_device *device = monitor->devices[i];
		if (device->input != fd->fd)
			continue;
		device->gone = true;
		fprintf(stderr, "%s: the host's side of %s is gone\n",
		        monitor->options.program, device->name);
	}
}

/* Blocks until there is input, a signal, or `time` ns have passed. */
static void block(struct monitor *monitor, uint64_t time)
{
	struct pollfd fds[KVM_DEVICES + 1] = {
	    {.fd = monitor->stop_signal, .events = POLLIN}};
	struct timespec timeout = {.tv_sec = (time_t)(time / 1000000000),
	                           .tv_nsec = (long)(time % 1000000000)};
	nfds_t count = 1;

	for (unsigned i = 0; i < monitor->device_count; i++) {
		const struct virtio_device *device = monitor->devices[i];
		if (device->input >= 0 && !device->starved && !device->gone)
			fds[count++] =
			    (struct pollfd){.fd = device->input, .events = POLLIN};
	}
	if (ppoll(fds, count, &timeout, NULL) <= 0)
		return;
	if (fds[0].revents)
		take_signal(monitor);
	for (nfds_t i = 1; i < count; i++)
		check_input(monitor, &fds[i]);
}

static void wait_until(struct monitor *monitor, uint64_t deadline)
{
	uint64_t now = machine_now(&monitor->machine);
	uint64_t spin_until = now + monitor->options.spin;
	bool wake;

	/* What was in the rings before, the guest has seen, or it would not wait. */
	for (unsigned i = 0; i < monitor->device_count; i++)
		monitor->devices[i]->wake = false;
	wake = serve_all(monitor);
	while (!wake) {
		now = machine_now(&monitor->machine);
		if (now >= deadline)
			break;
		if (now >= spin_until)
			block(monitor, deadline - now);
		wake = receive_all(monitor);
	}
	monitor->stop_news = false;
}

/* ---- exits ---- */

/* What a failed check has written to the console, before it ended by a fault. */
static void print_last_words(struct monitor *monitor)
{
	for (unsigned i = 0; i < monitor->device_count; i++)
		if (monitor->devices[i]->id == VIRTIO_ID_CONSOLE)
			virtio_serve(monitor->devices[i]);
}

static void control(struct monitor *monitor, uint64_t offset, const struct kvm_run *exit)
{
	uint64_t value = 0;

	if (exit->mmio.len != 8)
		monitor_fail(&monitor->options,
		             "the image wrote a control register with %u bytes, not 8",
		             exit->mmio.len);
	memcpy(&value, exit->mmio.data, 8);
	switch (offset) {
	case KILN_CONTROL_WAIT:
		wait_until(monitor, value);
		break;
	case KILN_CONTROL_EXIT:
		serve_all(monitor); /* its last words */
		gdb_ended(monitor, (int)value);
		_exit((int)(value & 0xff));
	case KILN_CONTROL_FAULT:
		serve_all(monitor);
		report_own(monitor, value);
	default:
		monitor_fail(&monitor->options,
		             "the image wrote to the control page at %llu, where no "
		             "register is",
		             (unsigned long long)offset);
	}
}

/* All that exits is a write to a register: reads are served from the pages themselves. */
static void write_page(struct monitor *monitor, const struct kvm_run *exit)
{
	uint64_t offset = exit->mmio.phys_addr - monitor->space.registers;
	uint64_t page = offset / PAGE;
	struct virtio_device *device;

	if (!exit->mmio.is_write || page > monitor->device_count)
		monitor_fail(&monitor->options,
		             "the image touched address 0x%llx, where nothing is",
		             (unsigned long long)exit->mmio.phys_addr);
	if (page == 0) {
		control(monitor, offset, exit);
		return;
	}
	device = monitor->devices[page - 1];
	virtio_write(device, offset % PAGE, exit->mmio.len, exit->mmio.data);
	check_device(monitor, device);
	if (offset % PAGE == VIRTIO_MMIO_QUEUE_NOTIFY)
		serve_all(monitor);
}

_Noreturn void run(struct monitor *monitor)
{
	struct kvm_run *exit = monitor->machine.run;

	if (monitor->gdb.fd >= 0)
		gdb_stopped(monitor, 0);
	for (;;) {
		switch (machine_run(&monitor->machine)) {
		case 0:
			take_signal(monitor);
			if (monitor->gdb.interrupted) {
				exit->immediate_exit = 0;
				gdb_stopped(monitor, SIGINT);
			}
			break;
		case KVM_EXIT_DEBUG:
			gdb_debug_exit(monitor);
			break;
		case KVM_EXIT_MMIO:
			write_page(monitor, exit);
			break;
		case KVM_EXIT_SHUTDOWN:       /* an exception that found no handler */
		case KVM_EXIT_INTERNAL_ERROR: /* an instruction that KVM cannot emulate */
			print_last_words(monitor);
			if (gdb_trapped(monitor))
				break;
			report_shutdown(monitor);
		default:
			monitor_fail(
			    &monitor->options,
			    "the processor stopped for reason %u, which cannot be",
			    exit->exit_reason);
		}
	}
}
