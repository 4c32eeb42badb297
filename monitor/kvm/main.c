/*
 * kiln-kvm: runs a vm image directly in ring 3 of a virtual machine.
 *
 * Opens the devices that the manifest names, lays the image out in guest memory, hands it
 * the boot page, locks itself in, and runs it. There is no firmware, no kernel and no
 * privileged code in the guest. Command line: monitor/monitor.h; exit status: the
 * image's, or 1 with a sentence when something went wrong, 2 for a wrong command line.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../report.h"
#include "kvm.h"

/* ---- devices ---- */

static void open_net(const struct monitor_options *options, struct virtio_net *net,
                     const struct image_device *device, struct virtio_place place,
                     struct kiln_boot_device *entry)
{
	enum { HEADER = 12 }; /* struct virtio_net_hdr_mrg_rxbuf */
	struct tap tap;

	monitor_net_open(options, device, HEADER, &tap);
	entry->size = tap.shared ? TAP_QUEUE_BITS : 0;
	virtio_net_init(net, device->name, tap.fd, tap.offloads, tap.mac, tap.mtu, place);
}

static void open_block(const struct monitor_options *options, struct virtio_block *block,
                       const struct image_device *device, struct virtio_place place)
{
	struct disk disk;

	monitor_disk_open(options, device, &disk);
	virtio_block_init(block, device->name, disk.fd, disk.size, disk.read_only, place);
}

/* Adds a device to the boot page's list and says where it is to be. Its storage is that
 * of the last device. */
static struct virtio_place add_device(struct monitor *monitor, const char *name,
                                      uint32_t type)
{
	unsigned i = monitor->device_count++;
	struct kiln_boot_device *entry = &monitor->boot->devices[i];
	uint64_t registers = monitor->space.registers + (i + 1) * PAGE;

	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->type = type;
	entry->handle = -1;
	entry->registers = registers + monitor->space.offset;
	monitor->devices[i] = &monitor->storage[i].device;
	monitor->boot->device_count = monitor->device_count;
	return (struct virtio_place){&monitor->space.memory,
	                             monitor->space.register_page[i + 1]};
}

static void open_devices(struct monitor *monitor)
{
	const struct monitor_options *options = &monitor->options;
	const struct image *image = &monitor->image;
	unsigned i;

	for (i = 0; i < image->device_count; i++) {
		const struct image_device *device = &image->devices[i];
		struct virtio_place place =
		    add_device(monitor, device->name, device->note.type);

		if (device->note.type == KILN_DEVICE_NET)
			open_net(options, &monitor->storage[i].net, device, place,
			         &monitor->boot->devices[i]);
		else if (device->note.type == KILN_DEVICE_BLOCK)
			open_block(options, &monitor->storage[i].block, device, place);
		else
			monitor_fail(options, "%s: this monitor has no such device",
			             device->name);
	}
	virtio_random_init(&monitor->storage[i].device,
	                   add_device(monitor, "random", KILN_DEVICE_RNG));
	i++;
	virtio_console_init(&monitor->storage[i].console, STDOUT_FILENO,
	                    add_device(monitor, "console", KILN_DEVICE_CONSOLE));
}

/* ---- the guest ---- */

/* Places the image and its boot page in guest memory. */
static void load(struct monitor *monitor)
{
	struct space *space = &monitor->space;
	size_t options_size = monitor_options_size(&monitor->options);
	char error[200];

	if (monitor->image.device_count + 2 > KVM_DEVICES)
		monitor_fail(&monitor->options, "the image names more than %d devices",
		             KVM_DEVICES - 2);
	if (!space_init(space, &monitor->image, sizeof(struct kiln_boot) + options_size,
	                monitor->options.memory, error, sizeof(error)) ||
	    !image_load(&monitor->image,
	                space->memory.base + (space->image - space->boot),
	                space->image + space->offset, error, sizeof(error)))
		monitor_fail(&monitor->options, "%s", error);
	monitor->boot = (struct kiln_boot *)space->memory.base;
	*monitor->boot = (struct kiln_boot){
	    .memory = space->arena + space->offset,
	    .memory_size = space->memory.end - space->arena,
	    .physical_offset = space->offset,
	    .control = space->registers + space->offset,
	    .console = -1,
	};
	monitor_boot_fill(&monitor->options, monitor->boot, space->boot + space->offset);
}

static void start_clock(struct monitor *monitor)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	monitor->boot->tsc_hz = monitor->machine.tsc_hz;
	monitor->boot->tsc_base = monitor->machine.tsc_base;
	monitor->boot->wall_base =
	    (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec - monitor_now();
}

/* For whoever watches, by the guest's own addresses. */
static void report_places(const struct monitor *monitor)
{
	const struct monitor_options *o = &monitor->options;
	const struct space *s = &monitor->space;
	uint64_t offset = s->offset;

	report_place(o, REPORT_PLACE_IMAGE, s->image + offset, monitor->image.span, 0);
	report_place(o, REPORT_PLACE_STACK, s->stack + offset, SPACE_STACK, PAGE);
	report_place(o, REPORT_PLACE_MEMORY, s->arena + offset, s->memory.end - s->arena,
	             0);
	report_place(o, REPORT_PLACE_BOOT, s->boot + offset, s->image - s->boot, 0);
	report_place(o, REPORT_PLACE_DEVICES, s->registers + offset,
	             (1 + (uint64_t)monitor->device_count) * PAGE, 0);
}

int main(int argc, char **argv)
{
	static struct monitor monitor;

	monitor_open_standard();
	monitor_options_read(&monitor.options, argc, argv);
	report_began(&monitor.options);
	monitor_pin(&monitor.options);
	close(monitor_image_open(&monitor.options, KILN_TARGET_VM, &monitor.image));
	report_mark(&monitor.options, "image and options checked");
	load(&monitor);
	report_mark(&monitor.options, "image placed and relocated");
	open_devices(&monitor);
	report_mark(&monitor.options, "devices opened");
	space_map(&monitor.space, &monitor.image, monitor.device_count);
	machine_init(&monitor.machine, &monitor.options, &monitor.space,
	             monitor.image.entry + monitor.space.image + monitor.space.offset);
	start_clock(&monitor);
	report_mark(&monitor.options, "machine made");
	report_places(&monitor);
	gdb_open(&monitor);
	/* Now only: until here a signal ends the monitor as it would any program. */
	monitor.stop_signal = monitor_open_stop(&monitor.options);
	confine(&monitor);
	report_mark(&monitor.options, "privileges dropped");
	run(&monitor);
}
