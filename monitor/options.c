/*
 * The monitors' command line, and how it meets the image's manifest. See monitor.h for
 * the syntax. `kiln run` has checked all this before and says it better; a monitor trusts
 * nobody and checks again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <kiln/abi/address.h>
#include <kiln/abi/boot.h>
#include "monitor.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 8u
#endif

#define MEMORY_DEFAULT ((uint64_t)8 << 20)
#define MEMORY_LEAST   ((uint64_t)64 << 10)
#define MEMORY_MOST    ((uint64_t)1 << 40)
/* About what being woken costs both ends: to wait that long for the next frame is never much
 * worse than to sleep at once, and often much better. */
#define SPIN_DEFAULT_NS 100000
/* Several frames of a busy network, and not much to one who waits for them. */
#define REST_DEFAULT_NS 100000

static void usage(const struct monitor_options *options)
{
	printf(
	    "usage: %s [OPTION]... IMAGE [KEY=VALUE]...\n"
	    "  --net [NAME=]tap:INTERFACE  the network device NAME; created if "
	    "missing\n"
	    "  --net [NAME=]xdp:INTERFACE[,queue=N]  jail: all that arrives there, by "
	    "AF_XDP\n"
	    "  --disk [NAME=]FILE          the block device NAME\n"
	    "  -m SIZE                     memory of the image (8M)\n"
	    "  --cpu N                     run on this processor only\n"
	    "  --spin TIME                 poll for so long before sleeping (100us)\n"
	    "  --rest TIME                 jail: under load, look for frames only so "
	    "often "
	    "(100us)\n"
	    "  --io-uring on|off           jail: frames by io_uring, where there is one "
	    "(on)\n"
	    "  --log LEVEL                 error, warn, info or debug\n"
	    "  --report FD                 write records for kiln run to this pipe\n"
	    "  --gdb FD                    kvm: wait for gdb on this socket\n"
	    "  --hold                      jail: stop before the image, for gdb\n",
	    options->program);
}

static _Noreturn void misuse(const struct monitor_options *options, const char *format,
                             ...) __attribute__((format(printf, 2, 3)));
static _Noreturn void misuse(const struct monitor_options *options, const char *format,
                             ...)
{
	va_list args;

	va_start(args, format);
	monitor_end(options, MONITOR_EXIT_USAGE, format, args);
}

/* A number or a size or a duration, by parameter type; ends the process if it is none. */
static uint64_t number(const struct monitor_options *options, const char *name,
                       uint32_t type, uint64_t min, uint64_t max, const char *text)
{
	uint64_t value;

	if (!param_parse(type, 0, UINT64_MAX, text, strlen(text), &value))
		misuse(options, "%s takes %s, not '%s'", name, param_type_text(type),
		       text);
	if (value < min || value > max)
		misuse(options, "%s takes from %llu to %llu, not %s", name,
		       (unsigned long long)min, (unsigned long long)max, text);
	return value;
}

/* A descriptor that was inherited for this option, and so is not closed. */
static int keep(struct monitor_options *o, const char *name, const char *text)
{
	int fd =
	    (int)number(o, name, KILN_PARAM_TYPE_UINT, STDERR_FILENO + 1, INT_MAX, text);
	unsigned at = o->kept_count;

	if (fcntl(fd, F_GETFD) < 0)
		misuse(o, "%s: there is no open descriptor %d", name, fd);
	if (at == MONITOR_KEPT)
		misuse(o, "more than %d descriptors", MONITOR_KEPT);
	for (; at && o->kept[at - 1] >= fd; at--) {
		if (o->kept[at - 1] == fd)
			misuse(o, "%s: descriptor %d serves another option already", name,
			       fd);
		o->kept[at] = o->kept[at - 1];
	}
	o->kept[at] = fd;
	o->kept_count++;
	return fd;
}

/* "fd:N,MTU" */
static void bind_link(struct monitor_options *o, struct monitor_binding *b, char *text)
{
	enum { MTU_LEAST = 576, MTU_MOST = 65535 };
	char *comma = strchr(text, ',');

	if (!comma)
		misuse(o, "--net fd:N,MTU has no MTU in '%s'", text);
	*comma = '\0';
	b->link = keep(o, "--net fd:", text);
	b->mtu = (uint16_t)number(o, "an MTU", KILN_PARAM_TYPE_UINT, MTU_LEAST, MTU_MOST,
	                          comma + 1);
}

/* "queue:N,MTU,OFFLOADS,MAC": numbers, the last two in hexadecimal. */
static void bind_queue(struct monitor_options *o, struct monitor_binding *b, char *text)
{
	char *rest = strchr(text, ',');
	unsigned mtu, offloads, m[6];
	char end;

	if (!rest || sscanf(rest, ",%u,%x,%2x%2x%2x%2x%2x%2x%c", &mtu, &offloads, &m[0],
	                    &m[1], &m[2], &m[3], &m[4], &m[5], &end) != 8)
		misuse(o, "--net queue:N,MTU,OFFLOADS,MAC is for kiln run, not '%s'",
		       text);
	*rest = '\0';
	b->link = keep(o, "--net queue:", text);
	b->queue = true;
	b->mtu = (uint16_t)mtu;
	b->offloads = offloads;
	for (int i = 0; i < 6; i++)
		b->mac[i] = (uint8_t)m[i];
}

/* "INTERFACE" or "INTERFACE,queue=N" */
static void bind_xdp(struct monitor_options *o, struct monitor_binding *b, char *text)
{
	static const char queue[] = "queue=";
	char *comma = strchr(text, ',');

	b->xdp = true;
	b->source = text;
	if (!comma)
		return;
	*comma++ = '\0';
	if (strncmp(comma, queue, strlen(queue)) != 0)
		misuse(o, "--net xdp:%s takes ,queue=N, not ',%s'", text, comma);
	b->xdp_queue = (uint16_t)number(o, "queue=", KILN_PARAM_TYPE_UINT, 0, UINT16_MAX,
	                                comma + strlen(queue));
}

static void bind_net(struct monitor_options *o, struct monitor_binding *b, char *text)
{
	if (strncmp(text, "fd:", 3) == 0)
		bind_link(o, b, text + 3);
	else if (strncmp(text, "queue:", 6) == 0)
		bind_queue(o, b, text + 6);
	else if (strncmp(text, "xdp:", 4) == 0 && text[4])
		bind_xdp(o, b, text + 4);
	else if (strncmp(text, "tap:", 4) == 0 && text[4])
		b->source = text + 4;
	else
		misuse(o, "--net takes tap:INTERFACE or xdp:INTERFACE, not '%s'", text);
}

/* "NAME=SOURCE" or "SOURCE"; a source of a network device begins with its kind. */
static void bind(struct monitor_options *options, uint32_t type, char *text)
{
	struct monitor_binding *b = &options->bindings[options->binding_count];
	char *source = text, *equals = strchr(text, '=');
	bool net = type == KILN_DEVICE_NET;

	if (options->binding_count == IMAGE_DEVICES)
		misuse(options, "more than %d devices", IMAGE_DEVICES);
	if (equals && !(net && equals > text + strcspn(text, ":"))) {
		if ((size_t)(equals - text) >= sizeof(b->name) || equals == text)
			misuse(options, "no device can have the name in '%s'", text);
		source = equals + 1;
	}
	if (*source == '\0')
		misuse(options, "'%s' does not say what to use", text);
	*b = (struct monitor_binding){.type = type, .link = -1};
	if (source != text)
		memcpy(b->name, text, (size_t)(equals - text));
	if (net)
		bind_net(options, b, source);
	else
		b->source = source;
	options->binding_count++;
}

static void add_value(struct monitor_options *options, const char *text)
{
	if (options->value_count == IMAGE_PARAMS)
		misuse(options, "more than %d parameters", IMAGE_PARAMS);
	options->values[options->value_count++] = text;
	options->values[options->value_count] = NULL;
}

/* A bare number is in microseconds, not in seconds as durations are elsewhere. */
static uint64_t short_time(const struct monitor_options *o, const char *name,
                           const char *value)
{
	if (value[strspn(value, "0123456789")] == '\0')
		return 1000 * number(o, name, KILN_PARAM_TYPE_UINT, 0, 1000000, value);
	return number(o, name, KILN_PARAM_TYPE_DURATION, 0, 1000000000, value);
}

static bool on_or_off(const struct monitor_options *o, const char *name,
                      const char *value)
{
	bool on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
		misuse(o, "%s takes on or off, not '%s'", name, value);
	return on;
}

/* One of the options that take a value. */
static void take_option(struct monitor_options *o, const char *name, char *value)
{
	if (strcmp(name, "--net") == 0) {
		bind(o, KILN_DEVICE_NET, value);
	} else if (strcmp(name, "--disk") == 0) {
		bind(o, KILN_DEVICE_BLOCK, value);
	} else if (strcmp(name, "-m") == 0) {
		o->memory = number(o, name, KILN_PARAM_TYPE_SIZE, MEMORY_LEAST,
		                   MEMORY_MOST, value);
		o->memory = (o->memory + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	} else if (strcmp(name, "--cpu") == 0) {
		o->cpu = (int)number(o, name, KILN_PARAM_TYPE_UINT, 0, 4095, value);
	} else if (strcmp(name, "--spin") == 0) {
		o->spin = short_time(o, name, value);
	} else if (strcmp(name, "--rest") == 0) {
		o->rest = short_time(o, name, value);
	} else if (strcmp(name, "--io-uring") == 0) {
		o->io_uring = on_or_off(o, name, value);
	} else if (strcmp(name, "--report") == 0) {
		o->report = keep(o, name, value);
	} else if (strcmp(name, "--gdb") == 0) {
		o->gdb = keep(o, name, value);
	} else { /* --log */
		if (strlen(value) > sizeof(o->log_value) - sizeof("log="))
			misuse(o, "--log takes error, warn, info or debug, not '%s'",
			       value);
		snprintf(o->log_value, sizeof(o->log_value), "log=%s", value);
		add_value(o, o->log_value);
	}
}

static bool takes_value(const char *name)
{
	static const char *const names[] = {"--net",      "--disk", "-m",       "--cpu",
	                                    "--spin",     "--log",  "--report", "--gdb",
	                                    "--io-uring", "--rest"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

void monitor_options_read(struct monitor_options *o, int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	int i;

	*o = (struct monitor_options){
	    .program = slash      ? slash + 1
	               : argc > 0 ? argv[0]
	                          : "kiln",
	    .memory = MEMORY_DEFAULT,
	    .cpu = -1,
	    .spin = SPIN_DEFAULT_NS,
	    .rest = REST_DEFAULT_NS,
	    .io_uring = true,
	    .started = monitor_now(),
	    .report = -1,
	    .gdb = -1,
	};
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			usage(o);
			exit(0);
		} else if (strcmp(argv[i], "--hold") == 0) {
			o->hold = true;
		} else if (!takes_value(argv[i])) {
			misuse(o, "no option %s: %s --help lists them", argv[i],
			       o->program);
		} else if (i + 1 == argc) {
			misuse(o, "%s needs a value", argv[i]);
		} else {
			take_option(o, argv[i], argv[i + 1]);
			i++;
		}
	}
	if (i >= argc)
		misuse(o, "no image to run: %s --help says how", o->program);
	o->image = argv[i++];
	for (; i < argc; i++)
		add_value(o, argv[i]);
	monitor_close_others(o);
}

/* ---- the image ---- */

int monitor_copy(int file, off_t from, size_t size)
{
	int copy = memfd_create("image", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("image", MFD_CLOEXEC);
	/* A limit on the size of files counts for it as well, and ends the process. */
	signal(SIGXFSZ, SIG_IGN);
	while (copy >= 0 && size) {
		ssize_t n = sendfile(copy, file, &from, size);
		if (n <= 0) {
			close(copy);
			return -1;
		}
		size -= (size_t)n;
	}
	return copy;
}

static const void *map_file(const struct monitor_options *o, size_t *size, int *copy)
{
	int fd = open(o->image, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st) < 0)
		monitor_fail(o, "cannot open %s: %s", o->image, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		monitor_fail(o, "%s is no image: kiln build makes one", o->image);
	*copy = st.st_size > MONITOR_COPY_MOST ? dup(fd)
	                                       : monitor_copy(fd, 0, (size_t)st.st_size);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
	             *copy < 0 ? fd : *copy, 0);
	if (bytes == MAP_FAILED)
		monitor_fail(o, "cannot map %s: %s", o->image, strerror(errno));
	close(fd);
	*size = (size_t)st.st_size;
	return bytes;
}

static const char *target_name(uint32_t target)
{
	static const char *const name[] = {
	    [KILN_TARGET_HOST] = "host",
	    [KILN_TARGET_SIM] = "sim",
	    [KILN_TARGET_JAIL] = "jail",
	    [KILN_TARGET_VM] = "vm",
	};
	bool known = target < sizeof(name) / sizeof(name[0]) && name[target];

	return known ? name[target] : "unknown";
}

static const char *option_name(uint32_t type)
{
	return type == KILN_DEVICE_NET ? "--net" : "--disk";
}

/* A binding without a name is for the only device of its type. */
static void name_binding(const struct monitor_options *o, struct monitor_binding *b,
                         const struct image *image)
{
	const struct image_device *only = NULL;

	for (unsigned i = 0; i < image->device_count; i++) {
		if (image->devices[i].note.type != b->type)
			continue;
		if (only)
			misuse(o, "the image has several devices for %s: say %s NAME=...",
			       option_name(b->type), option_name(b->type));
		only = &image->devices[i];
	}
	if (!only)
		misuse(o, "the image has no device for %s", option_name(b->type));
	snprintf(b->name, sizeof(b->name), "%s", only->name);
}

const struct monitor_binding *monitor_binding(const struct monitor_options *o,
                                              const struct image_device *device)
{
	for (unsigned i = 0; i < o->binding_count; i++) {
		if (strcmp(o->bindings[i].name, device->name) == 0)
			return &o->bindings[i];
	}
	return NULL;
}

/* Those that need not be there, and are not, are taken out of the manifest. */
static void check_devices(struct monitor_options *o, struct image *image)
{
	for (unsigned i = 0; i < o->binding_count; i++) {
		struct monitor_binding *b = &o->bindings[i];
		const struct image_device *device;

		if (b->name[0] == '\0')
			name_binding(o, b, image);
		device = image_device(image, b->name);
		if (!device || device->note.type != b->type)
			misuse(o, "the image has no device '%s' for %s", b->name,
			       option_name(b->type));
		if (monitor_binding(o, device) != b)
			misuse(o, "device '%s' is given twice", b->name);
	}
	for (unsigned i = 0; i < image->device_count; i++) {
		const struct image_device *device = &image->devices[i];
		if (monitor_binding(o, device))
			continue;
		if (device->note.optional)
			image_leave_out(image, i--);
		else
			misuse(o, "the image needs its device '%s' (%s): give %s %s=%s",
			       device->name, device->help, option_name(device->note.type),
			       device->name,
			       device->note.type == KILN_DEVICE_NET ? "tap:INTERFACE"
			                                            : "FILE");
	}
}

int monitor_image_open(struct monitor_options *o, enum kiln_target_id target,
                       struct image *image)
{
	char error[256];
	size_t size;
	int copy;
	const void *bytes = map_file(o, &size, &copy);

	if (!image_parse(image, bytes, size, error, sizeof(error)))
		monitor_fail(o,
		             "%s is no image, or a damaged one: %s; kiln build makes one",
		             o->image, error);
	if (image->target.abi == 0)
		monitor_fail(o, "%s is no image of Kiln's: kiln build makes one",
		             o->image);
	if (image->target.abi != KILN_ABI_VERSION)
		monitor_fail(
		    o, "%s was made for ABI %u, this monitor is for %d: build it again",
		    o->image, image->target.abi, KILN_ABI_VERSION);
	if (image->target.target != target)
		monitor_fail(o, "%s is an image for target %s, not %s: build it again",
		             o->image, target_name(image->target.target),
		             target_name(target));
	if (image->stack_executable)
		monitor_fail(o, "%s asks for an executable stack: build it again",
		             o->image);
	if (!image_check_options(image, o->values, o->value_count, error, sizeof(error)))
		misuse(o, "%s: %s", o->image, error);
	check_devices(o, image);
	return copy;
}

/* ---- the start options ---- */

size_t monitor_options_size(const struct monitor_options *o)
{
	size_t size = 0;

	for (unsigned i = 0; i < o->value_count; i++)
		size += strlen(o->values[i]) + 1;
	return size;
}

void monitor_boot_fill(const struct monitor_options *o, struct kiln_boot *boot,
                       uint64_t address)
{
	char *to = (char *)(boot + 1);

	boot->magic = KILN_BOOT_MAGIC;
	boot->abi = KILN_ABI_VERSION;
	boot->size = sizeof(*boot);
	boot->options = address + sizeof(*boot);
	boot->options_size = monitor_options_size(o);
	boot->start_clock = o->started;
	monitor_random(o, boot->seed, sizeof(boot->seed));
	for (unsigned i = 0; i < o->value_count; i++) {
		size_t size = strlen(o->values[i]) + 1;
		memcpy(to, o->values[i], size);
		to += size;
	}
}

static const char *value_of(const struct monitor_options *o, const char *key)
{
	size_t length = strlen(key);

	for (unsigned i = 0; i < o->value_count; i++) {
		if (strncmp(o->values[i], key, length) == 0 &&
		    o->values[i][length] == '=')
			return o->values[i] + length + 1;
	}
	return NULL;
}

const char *monitor_address_part(const char *text, const char *device)
{
	size_t length = strlen(device);

	while (text && strchr(text, '=')) {
		if (strncmp(text, device, length) == 0 && text[length] == '=')
			return text + length + 1;
		text = strchr(text, ',');
		text = text ? text + 1 : NULL;
	}
	return text;
}

bool monitor_host_address(const struct monitor_options *o, const char *device,
                          uint32_t *address, unsigned *prefix_bits)
{
	const char *ip = value_of(o, "ip"), *gateway = value_of(o, "gateway");
	unsigned bits;
	uint64_t mask;
	uint32_t own;

	ip = ip ? monitor_address_part(ip, device) : NULL;
	if (!ip || !gateway)
		return false;
	if (!address_parse_prefix4(ip, ip + strcspn(ip, ","), &own, &bits) ||
	    !address_parse4(gateway, gateway + strlen(gateway), address))
		return false;
	mask = ~(uint64_t)0 << (32 - bits);
	*prefix_bits = bits;
	return (own & mask) == (*address & mask);
}
