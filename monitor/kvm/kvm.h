/*
 * The monitor as a whole: what main.c sets up, run.c runs, report.c explains and
 * confine.c locks in.
 */
#ifndef KVM_KVM_H
#define KVM_KVM_H

#include "gdb.h"
#include "machine.h"
#include "virtio.h"

/* Devices of the manifest, and the two that every guest has: random and console. */
enum { KVM_DEVICES = KILN_BOOT_DEVICES };

struct monitor {
	struct monitor_options options;
	struct image image;
	struct space space;
	struct machine machine;
	struct virtio_device *devices[KVM_DEVICES];
	unsigned device_count;
	struct kiln_boot *boot; /* in guest memory; the guest can only read it */
	int stop_signal;        /* monitor_open_stop() */
	struct gdb gdb;
	bool stop_news;         /* one has come, and no wait has returned since */

	/* Storage for the devices, by their place among `devices`. */
	union {
		struct virtio_device device;
		struct virtio_net net;
		struct virtio_block block;
		struct virtio_console console;
	} storage[KVM_DEVICES];
};

/* Gives up all that setting up needed: privileges, then every system call but those of
 * the run loop, on these very descriptors. */
void confine(const struct monitor *monitor);

/* Ends the process with a report of the guest's fault: after an exit without reason, and
 * of the struct kiln_fault at an address of the guest's. */
_Noreturn void report_shutdown(const struct monitor *monitor);
_Noreturn void report_own(const struct monitor *monitor, uint64_t address);

/* Runs the guest to its end, and ends the process with its exit status. */
_Noreturn void run(struct monitor *monitor);

#endif
