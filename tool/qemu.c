/*
 * Running a vm image on QEMU's microvm machine, in software: the way where /dev/kvm does
 * not open, and the proof that an image boots on a hypervisor that is not Kiln's.
 *
 * QEMU dies of the signals that end it, and its exit status is the debug device's: so it is
 * asked to stop by Ctrl-C on its serial port, a byte that the image understands, and the
 * image's own exit status is made out of QEMU's. Its taps go with it.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <kiln/abi/param.h>
#include "../monitor/monitor.h"
#include "network.h"
#include "run.h"
#include "supervise.h"

enum { TAP_HEADER = 12, LINK_HEADER = 0, QEMU_DEVICES = 7, MEMORY_LEAST_KB = 1024 };

/* What the debug exit device makes of the status that the stub writes, 0x40 | status:
 * QEMU's own failures exit with 1. */
enum { EXIT_IMAGE = 0x81 };

#define FIRMWARE "/usr/share/qemu/qboot.rom"

/* The source bound to the device, of texts such as "net0=tap:kiln0" or "tap:kiln0"; NULL: the
 * image runs without. */
static const char *source_of(const struct run *run, const struct words *bindings,
                             const struct image_device *device)
{
	size_t len = strlen(device->name);
	unsigned same = 0;

	for (unsigned i = 0; i < run->manifest.device_count; i++)
		same += run->manifest.devices[i].note.type == device->note.type;
	for (size_t i = 0; i < bindings->count; i++) {
		const char *binding = bindings->item[i];
		if (strncmp(binding, device->name, len) == 0 && binding[len] == '=')
			return binding + len + 1;
		if (same == 1 && bindings->count == 1 && !strchr(binding, '='))
			return binding;
	}
	if (device->note.optional)
		return NULL;
	fail_usage("the device %s (%s) is not given: --%s %s=%s", device->name,
	           device->help, device->note.type == KILN_DEVICE_NET ? "net" : "disk",
	           device->name,
	           device->note.type == KILN_DEVICE_NET ? "tap:NAME" : "FILE");
}

/* A socket of kiln-usernet's, the queue of a tap, or a tap, which is made here, as for the other
 * monitors. Returns the device that is joined to it. */
static const char *add_net(struct words *command, struct run *run, const char *source,
                           const struct image_device *device, struct supervised *s)
{
	const char *backend = "tap,id=%s,fd=%d";
	struct tap tap;
	unsigned mtu;
	int fd;

	if (sscanf(source, "fd:%d,%u", &fd, &mtu) == 2) {
		if (!tap_choose_mac(tap.mac))
			fail("%s: no random numbers for its address", device->name);
		backend = "dgram,id=%s,local.type=fd,local.str=%d";
	} else if (sscanf(source, "queue:%d,%u,%*x,%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx", &fd,
	                  &mtu, &tap.mac[0], &tap.mac[1], &tap.mac[2], &tap.mac[3],
	                  &tap.mac[4], &tap.mac[5]) != 8) {
		network_open_tap(run, device, source + strlen("tap:"), TAP_HEADER, &tap);
		supervise_hand(s, tap.fd);
		fd = tap.fd;
		mtu = tap.mtu;
	}
	words_add(command, "-netdev");
	words_add(command, text_format(backend, device->name, fd));
	return text_format("virtio-net-device,netdev=%s,host_mtu=%u,"
	                   "mac=%02x:%02x:%02x:%02x:%02x:%02x",
	                   device->name, mtu, tap.mac[0], tap.mac[1], tap.mac[2],
	                   tap.mac[3], tap.mac[4], tap.mac[5]);
}

static const char *add_disk(struct words *command, const char *file,
                            const struct image_device *device)
{
	struct text escaped = {0};

	if (!file_exists(file))
		fail("there is no file %s for the device %s: make one, such as by "
		     "truncate "
		     "-s 64M %s",
		     file, device->name, file);
	for (const char *p = file; *p; p++)
		text_add(&escaped, *p == ',' ? ",%c" : "%c", *p);
	words_add(command, "-drive");
	words_add(command, text_format("if=none,id=%s,format=raw,file=%s", device->name,
	                               escaped.data));
	return text_format("virtio-blk-device,drive=%s", device->name);
}

/* The image's options; the stub takes those with blanks in double quotes, and what is for
 * itself. */
static const char *command_line(const struct run *run)
{
	struct text text = {0};

	text_add(&text, "%s", "");
	if (run->queues.count)
		text_add(&text, "kiln.shared=0x%x ", TAP_QUEUE_BITS);
	for (size_t i = 0; i < run->values.count; i++) {
		const char *value = run->values.item[i];
		if (strchr(value, '"'))
			fail_usage("on QEMU no option can have a double quote in it: %s",
			           value);
		text_add(&text, strchr(value, ' ') ? "%s\"%s\"" : "%s%s", i ? " " : "",
		         value);
	}
	return text.data;
}

static const char *memory(const struct run *run)
{
	uint64_t bytes = 8u << 20;

	if (run->memory && !param_parse(KILN_PARAM_TYPE_SIZE, 0, 0, run->memory,
	                                strlen(run->memory), &bytes))
		fail_usage("-m takes %s, not '%s'", param_type_text(KILN_PARAM_TYPE_SIZE),
		           run->memory);
	if (bytes / 1024 < MEMORY_LEAST_KB)
		fail_usage("-m %s is too little for QEMU: at least 1M", run->memory);
	return text_format("%lluK", (unsigned long long)(bytes / 1024));
}

static void add_words(struct words *command, const char *text)
{
	words_split(command, text);
}

/* The image finds its devices by their order, lowest address first; QEMU would begin at the
 * highest, where the random device is. */
static void add_devices(struct words *command, struct run *run, struct supervised *s)
{
	if (run->manifest.device_count > QEMU_DEVICES)
		fail("%s has %u devices: QEMU's microvm has room for %d",
		     path_display(run->image), run->manifest.device_count, QEMU_DEVICES);
	for (unsigned i = 0, slot = 0; i < run->manifest.device_count; i++) {
		const struct image_device *device = &run->manifest.devices[i];
		bool net = device->note.type == KILN_DEVICE_NET;
		const char *source =
		    source_of(run, net ? &run->nets : &run->disks, device);
		if (!source)
			continue;
		const char *text = net ? add_net(command, run, source, device, s)
		                       : add_disk(command, source, device);

		words_add(command, "-device");
		words_add(command,
		          text_format("%s,bus=virtio-mmio-bus.%u", text, slot++));
	}
}

static struct words qemu_command(struct run *run, struct supervised *s)
{
	struct words command = {0};

	add_words(&command,
	          "qemu-system-x86_64 -M microvm,pit=on,pic=off,rtc=on,acpi=off "
	          "-accel tcg -cpu max -nodefaults -no-user-config -display none "
	          "-no-reboot -chardev stdio,id=serial,signal=off "
	          "-serial chardev:serial -device isa-debug-exit,iobase=0x501,iosize=4 "
	          "-global virtio-mmio.force-legacy=false -device virtio-rng-device");
	if (file_exists(FIRMWARE)) {
		words_add(&command, "-bios");
		words_add(&command, FIRMWARE);
	}
	words_add(&command, "-m");
	words_add(&command, memory(run));
	add_devices(&command, run, s);
	if (run->debugger) {
		debugger_listen(run->debugger);
		supervise_hand(s, run->debugger->listener);
		words_add(&command, "-chardev");
		words_add(&command, text_format("socket,id=gdb,fd=%d,server=on,wait=off",
		                                run->debugger->listener));
		add_words(&command, "-gdb chardev:gdb -S");
	}
	words_add(&command, "-kernel");
	words_add(&command, run->image);
	words_add(&command, "-append");
	words_add(&command, command_line(run));
	return command;
}

static void pin(const struct run *run)
{
	cpu_set_t set;
	uint64_t number;

	if (!run->cpu)
		return;
	if (!param_parse(KILN_PARAM_TYPE_UINT, 0, CPU_SETSIZE - 1, run->cpu,
	                 strlen(run->cpu), &number))
		fail_usage("--cpu takes a processor's number, not '%s'", run->cpu);
	CPU_ZERO(&set);
	CPU_SET(number, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("cannot run on processor %s: %s", run->cpu,
		     errno == EINVAL ? "there is none, or it is not ours to use"
		                     : strerror(errno));
}

static int image_status(int status)
{
	return status >= EXIT_IMAGE ? (status - EXIT_IMAGE) / 2 : 1;
}

int run_qemu(struct run *run)
{
	struct supervised s = {
	    .path = run->image,
	    .image = run->sealed,
	    .program = "qemu-system-x86_64",
	    .missing = " (the package is qemu-system-x86)",
	    .serial = true,
	    .debugger = run->debugger,
	    .timings = run->timings,
	    .image_status = image_status,
	    .report = -1,
	    .report_input = -1,
	};

	network_open(run, &s, LINK_HEADER);
	s.command = qemu_command(run, &s);
	pin(run);
	return supervise(&s);
}
