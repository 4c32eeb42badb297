/*
 * `kiln run`: builds if it is given a folder, checks the parameters, starts the monitor or
 * the program, and stays beside it until it ends (supervise.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <kiln/abi/param.h>
#include "build.h"
#include "cpus.h"
#include "network.h"
#include "run.h"
#include "supervise.h"

/* Of virtio-net, as the two monitors have it: without and with num_buffers. */
enum { JAIL_HEADER = 10, VM_HEADER = 12 };

static void take_setting(struct run *run)
{
	struct setting *last = &run->build.settings.item[run->build.settings.count - 1];
	const char **place = NULL;

	if (strcmp(last->key, "net") == 0)
		words_add(&run->nets, last->value);
	else if (strcmp(last->key, "disk") == 0)
		words_add(&run->disks, last->value);
	else if (strcmp(last->key, "pcap") == 0)
		words_add(&run->pcaps, last->value);
	else if (strcmp(last->key, "cpu") == 0)
		place = &run->cpu;
	else if (strcmp(last->key, "cpus") == 0)
		place = &run->cpus;
	else if (strcmp(last->key, "spin") == 0)
		place = &run->spin;
	else if (strcmp(last->key, "rest") == 0)
		place = &run->rest;
	else if (strcmp(last->key, "io_uring") == 0)
		place = &run->io_uring;
	else if (strcmp(last->key, "monitor") == 0)
		place = &run->monitor;
	else {
		build_own_setting(&run->build);
		return;
	}
	if (place)
		*place = last->value;
	run->build.settings.count--;
}

static void read_arguments(struct run *run, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value;

		if ((value = short_option('t', argv, &i)) != NULL) {
			run->build.target = target_find(value);
			if (!run->build.target)
				target_unknown(value);
		} else if ((value = short_option('m', argv, &i)) != NULL) {
			run->memory = value;
		} else if ((value = short_option('p', argv, &i)) != NULL) {
			struct forward forward;
			forward_read(&forward, value);
			words_add(&run->forwards, value);
		} else if (strcmp(argv[i], "--sanitize") == 0 ||
		           strcmp(argv[i], "--asan") == 0) {
			run->build.sanitize = true;
		} else if (strcmp(argv[i], "--valgrind") == 0) {
			run->valgrind = true;
		} else if (strcmp(argv[i], "--timings") == 0) {
			run->timings = allocate(sizeof(*run->timings));
			timings_mark(run->timings, "kiln run began");
		} else if (strcmp(argv[i], "--gdb") == 0) {
			run->debugger = allocate(sizeof(*run->debugger));
		} else if (settings_take(&run->build.settings, argv, &i)) {
			take_setting(run);
		} else if (argv[i][0] == '-') {
			fail_usage(
			    "kiln run does not know %s: kiln help run lists its options",
			    argv[i]);
		} else if (run->what) {
			fail_usage(
			    "kiln run takes one folder or image, not both %s and %s",
			    run->what, argv[i]);
		} else {
			run->what = argv[i];
		}
	}
	if (run->valgrind + run->build.sanitize + (run->debugger != NULL) > 1)
		fail_usage("--gdb, --asan and --valgrind: one at a time");
	if (!run->what)
		fail_usage("what is to run? kiln run DIR -t jail, or kiln run IMAGE");
	if (run->monitor && strcmp(run->monitor, "kvm") != 0 &&
	    strcmp(run->monitor, "qemu") != 0)
		fail_usage("--monitor takes kvm or qemu, not '%s'", run->monitor);
}

static void build_folder(struct run *run)
{
	if (!run->build.target)
		fail_usage(
		    "for which target? kiln run %s -t host, -t sim, -t jail or -t vm",
		    run->what);
	if (run->build.sanitize && run->build.target->sealed)
		fail_usage("--asan is for -t host and sim: a sealed image has no runtime "
		           "for it");
	run->build.folder = run->what;
	run->build.fix_nothing = true;
	run->image = build_image(&run->build);
	if (run->timings)
		timings_mark(run->timings, "image built");
	run->options = run->build.options;
}

static void take_image(struct run *run)
{
	if (run->build.sanitize)
		fail_usage(
		    "--asan is for a folder, with -t host or sim: %s is built already",
		    run->what);
	run->options = run->build.settings;
}

/* Maps the image's manifest; refuses what is no image, or one for another target. */
static void read_manifest(struct run *run)
{
	struct image_file *file = allocate(sizeof(*file));

	image_read(file, run->image);
	run->manifest = file->image;
	run->target = file->target;
	if (run->target->sealed)
		run->sealed = &file->image;
	run->has_sanitizer =
	    memmem(file->bytes, file->size, "__asan_init", sizeof("__asan_init")) != NULL;
	if (run->build.target && run->build.target != run->target)
		fail_usage("%s is an image for %s, not for %s: build it again with -t %s",
		           run->image, run->target->name, run->build.target->name,
		           run->build.target->name);
	if (run->valgrind && run->target->sealed)
		fail_usage("--valgrind is for -t host and sim: it cannot look into a "
		           "sealed image");
	if (run->valgrind && run->has_sanitizer)
		fail_usage(
		    "%s has AddressSanitizer in it already: valgrind cannot run it",
		    run->what);
	if (run->monitor && run->target->id != KILN_TARGET_VM)
		fail_usage("--monitor is for vm images; this one is for %s",
		           run->target->name);
}

/* What the image takes, for a message. */
static const char *known_parameters(const struct image *manifest)
{
	struct text text = {0};

	for (unsigned i = 0; i < manifest->param_count; i++)
		if (!manifest->param_fixed[i])
			text_add(&text, " --%s", manifest->params[i].name);
	return text.len ? text.data : " none";
}

static bool is_given(const struct settings *settings, const char *key)
{
	for (size_t i = 0; i < settings->count; i++)
		if (strcmp(settings->item[i].key, key) == 0)
			return true;
	return false;
}

/* The image is to log its own steps as well. */
static void prepare_timings(struct run *run)
{
	const struct image *image = &run->manifest;

	timings_mark(run->timings, "image and options checked by kiln run");
	run->timings->virtual_time = run->target->id == KILN_TARGET_SIM;
	if (run->timings->virtual_time)
		return;
	for (unsigned i = 0; i < image->device_count && run->target->sealed; i++)
		run->timings->nets += image->devices[i].note.type == KILN_DEVICE_NET;
	if (!is_given(&run->options, "log") && image_param(image, "log") &&
	    !image->param_fixed[image_param(image, "log") - image->params])
		words_add(&run->values, "log=debug");
}

static void check_options(struct run *run)
{
	char error[256];

	for (size_t i = 0; i < run->options.count; i++) {
		const struct setting *s = &run->options.item[i];
		if (!image_param(&run->manifest, s->key)) {
			if (run->target->id == KILN_TARGET_SIM)
				continue; /* the simulator's own: it checks them */
			fail_usage("%s takes no --%s; it takes:%s",
			           path_display(run->image), s->key,
			           known_parameters(&run->manifest));
		}
		words_add(&run->values, text_format("%s=%s", s->key, s->value));
	}
	if (!image_check_options(&run->manifest, run->values.item,
	                         (unsigned)run->values.count, error, sizeof(error)))
		fail_usage("%s: %s", path_display(run->image), error);
}

/* The devices are bound by the monitors; this is only said here where all can be seen. */
static void check_disks(const struct run *run)
{
	for (unsigned i = 0; i < run->manifest.device_count; i++) {
		const struct image_device *device = &run->manifest.devices[i];
		if (device->note.type == KILN_DEVICE_NET || run->disks.count != 0 ||
		    device->note.optional)
			continue;
		fail_usage("%s needs the block device %s (%s): give it with --disk FILE",
		           path_display(run->image), device->name, device->help);
	}
}

static void add_option(struct words *command, const char *option, const char *value)
{
	if (!value)
		return;
	words_add(command, option);
	words_add(command, value);
}

static int run_monitor(struct run *run, const char *program, unsigned header_size)
{
	bool jail = run->target->id == KILN_TARGET_JAIL;
	struct supervised s = {
	    .path = run->image,
	    .image = run->sealed,
	    .program = program,
	    .trace = jail,
	    .debugger = run->debugger,
	    .timings = run->timings,
	};
	struct words command = {0};

	network_open(run, &s, header_size);
	supervise_report(&s);
	words_add(&command, kiln_path(text_format("build/bin/%s", program)));
	for (size_t i = 0; i < run->nets.count; i++)
		add_option(&command, "--net", run->nets.item[i]);
	for (size_t i = 0; i < run->disks.count; i++)
		add_option(&command, "--disk", run->disks.item[i]);
	add_option(&command, "-m", run->memory);
	add_option(&command, "--cpu", run->cpu);
	add_option(&command, "--spin", run->spin);
	add_option(&command, "--rest", run->rest);
	add_option(&command, "--io-uring", run->io_uring);
	add_option(&command, "--report", text_format("%d", s.report));
	if (run->debugger && jail) {
		words_add(&command, "--hold");
	} else if (run->debugger) {
		debugger_listen(run->debugger);
		supervise_hand(&s, run->debugger->listener);
		add_option(&command, "--gdb", text_format("%d", run->debugger->listener));
	}
	words_add(&command, run->image);
	words_add_all(&command, &run->values);
	s.command = command;
	return supervise(&s);
}

static int run_program(const struct run *run, const struct words *command)
{
	struct supervised s = {
	    .path = run->image,
	    .missing = run->valgrind
	                   ? " (the package is valgrind)"
	                   : "; an image for host or sim is a program: chmod +x "
	                     "makes it one",
	    /* Those tell of a crash themselves; and a sanitizer traces itself at the end. */
	    .trace = !run->valgrind && !run->has_sanitizer,
	    .debugger = run->debugger,
	    .timings = run->timings,
	    .report = -1,
	    .report_input = -1,
	};

	if (run->valgrind)
		words_split(&s.command,
		            "valgrind -q --error-exitcode=1 --leak-check=full");
	words_add_all(&s.command, command);
	return supervise(&s);
}

/* A host image is a program of its own. */
static int run_host(struct run *run)
{
	struct words command = {0};

	if (run->forwards.count)
		fail_usage(
		    "a host image listens on this machine's own ports: instead of -p, "
		    "give it a --port, or whatever its parameter is named");
	if (run->pcaps.count)
		fail_usage(
		    "a host image has no frames of its own to capture: --pcap is for "
		    "-t sim, jail and vm");
	if (run->nets.count)
		warn("a host image uses this machine's own network: --net is left out");
	if (run->cpu || run->spin || run->rest || run->io_uring)
		warn(
		    "a host image is no sealed one: --cpu, --spin, --rest and --io-uring "
		    "are left out");
	words_add(&command, path_resolve(run->image));
	for (size_t i = 0; i < run->disks.count; i++)
		add_option(&command, "--disk", run->disks.item[i]);
	add_option(&command, "-m", run->memory);
	for (size_t i = 0; i < run->values.count; i++)
		words_add(&command, text_format("--%s", run->values.item[i]));
	return run_program(run, &command);
}

/* So is a sim image; the link's options are its own, and it checks all of them. */
static int run_sim(struct run *run)
{
	struct words command = {0};

	if (run->forwards.count)
		fail_usage("a sim image has a simulated network, which no port of this "
		           "machine leads to: -p is for -t jail and vm");
	if (run->pcaps.count > 1)
		fail_usage("a sim image has one link: one --pcap FILE is all it takes");
	if (run->nets.count)
		warn("a sim image has a simulated network: --net is left out");
	if (run->disks.count)
		warn("a sim image has simulated disks: --disk is left out");
	words_add(&command, path_resolve(run->image));
	add_option(&command, "--memory", run->memory);
	if (run->pcaps.count)
		add_option(&command, "--pcap", run->pcaps.item[0]);
	for (size_t i = 0; i < run->options.count; i++)
		words_add(&command, text_format("--%s=%s", run->options.item[i].key,
		                                run->options.item[i].value));
	return run_program(run, &command);
}

static bool kvm_serves(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int run_jail(struct run *run)
{
	return run_monitor(run, "kiln-jail", JAIL_HEADER);
}

static int run_vm(struct run *run)
{
	if (run->monitor && strcmp(run->monitor, "qemu") == 0)
		return run_qemu(run);
	return run_monitor(run, "kiln-kvm", VM_HEADER);
}

int command_run(int argc, char **argv)
{
	struct run *run = allocate(sizeof(*run));

	read_arguments(run, argc, argv);
	run->image = run->what;
	if (folder_exists(run->what))
		build_folder(run);
	else
		take_image(run);
	read_manifest(run);
	check_options(run);
	if (run->cpus && run->target->id != KILN_TARGET_JAIL &&
	    run->target->id != KILN_TARGET_VM)
		fail_usage("--cpus is for -t jail and vm: a %s image is run alone",
		           run->target->name);
	if (run->timings)
		prepare_timings(run);
	if (run->target->id == KILN_TARGET_SIM)
		return run_sim(run);
	if (run->target->id == KILN_TARGET_HOST)
		return run_host(run);
	check_disks(run);
	if (run->target->id == KILN_TARGET_JAIL)
		return run->cpus ? run_on_cpus(run, JAIL_HEADER, run_jail)
		                 : run_jail(run);
	if (!run->monitor && !kvm_serves()) {
		fprintf(stderr,
		        "kiln: /dev/kvm does not open (%s%s): running on QEMU, in "
		        "software\n",
		        strerror(errno),
		        errno == EACCES ? ": sudo usermod -aG kvm $USER, then log in anew"
		                        : "");
		run->monitor = "qemu";
	}
	return run->cpus ? run_on_cpus(run, VM_HEADER, run_vm) : run_vm(run);
}
