/*
 * An appliance as a program of the host: the command line becomes struct kiln_boot.
 *
 * What is not an option of this file is one of the appliance or of a library; kiln_start
 * checks those against what was declared.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <kiln/abi/param.h>
#include "../manifest.h"
#include "host.h"

KILN_NOTE(kiln_note_target_host, KILN_NOTE_TARGET, kiln_note_target, KILN_ABI_VERSION,
          KILN_TARGET_HOST);

enum { USAGE = 2 };
#define DEFAULT_MEMORY ((uint64_t)64 << 20)

static void usage(FILE *out, const char *program)
{
	struct manifest_param param;
	struct manifest_device device;

	fprintf(
	    out,
	    "usage: %s [--memory SIZE] [--disk [NAME=]FILE]... [--PARAMETER VALUE]...\n\n"
	    "  --memory SIZE       memory of the appliance, such as 8M (64M)\n",
	    program);
	for (unsigned i = 0; manifest_device(NULL, i, &device); i++) {
		if (device.type == KILN_DEVICE_BLOCK)
			fprintf(out, "  --disk %s=FILE  %s\n", device.name, device.help);
	}
	for (unsigned i = 0; manifest_param(NULL, i, &param); i++)
		fprintf(out, "  --%-17s %s (%s)\n", param.name, param.help,
		        *param.value ? param.value : "none");
}

/* The command line, taken apart; all of it ends with the program. */
struct arguments {
	const char *program;
	char *options; /* "key=value" texts behind each other, as in struct kiln_boot */
	size_t options_size;
	uint64_t memory;
};

__attribute__((format(printf, 2, 3))) static _Noreturn void refuse(
    const struct arguments *arguments, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", arguments->program);
	vfprintf(stderr, format, args);
	fprintf(stderr, "; see --help\n");
	va_end(args);
	exit(USAGE);
}

/* Its name; without one it is the only disk. NULL: there is none, or there are several. */
static const char *find_disk(const char *name, size_t length)
{
	struct manifest_device device;
	const char *found = NULL;

	for (unsigned i = 0; manifest_device(NULL, i, &device); i++) {
		if (device.type != KILN_DEVICE_BLOCK)
			continue;
		if (length == 0 && found)
			return NULL;
		if (length == 0 || param_is(name, name + length, device.name))
			found = device.name;
	}
	return found;
}

/* "NAME=FILE", or "FILE". */
static void add_disk(struct host *host, const struct arguments *arguments,
                     const char *value)
{
	const char *equals = strchr(value, '=');
	const char *path = equals ? equals + 1 : value;
	size_t length = equals ? (size_t)(equals - value) : 0;
	const char *name = find_disk(value, length);

	if (!*path || equals == value)
		refuse(arguments, "--disk takes NAME=FILE, not '%s'", value);
	if (!name && equals)
		refuse(arguments, "this appliance has no disk '%.*s'", (int)length,
		       value);
	if (!name)
		refuse(arguments, "this appliance has no disk, or several: say --disk "
		                  "NAME=FILE");
	if (!host_disk_add(host, name, strlen(name), path))
		refuse(arguments, "--disk %s: no memory", value);
}

static void add_option(struct arguments *arguments, const char *key, size_t key_length,
                       const char *value)
{
	char *text = arguments->options + arguments->options_size;

	arguments->options_size +=
	    (size_t)sprintf(text, "%.*s=%s", (int)key_length, key, value) + 1;
}

/* One "--key value" or "--key=value". */
static void apply(struct host *host, struct arguments *arguments, const char *key,
                  size_t key_length, const char *value)
{
	const char *end = key + key_length;

	if (param_is(key, end, "disk")) {
		add_disk(host, arguments, value);
	} else if (param_is(key, end, "memory")) {
		if (!param_parse(KILN_PARAM_TYPE_SIZE, 0, UINT64_MAX, value,
		                 strlen(value), &arguments->memory) ||
		    arguments->memory < 65536 || arguments->memory > (uint64_t)1 << 40)
			refuse(arguments, "--memory takes a size such as 8M, not '%s'",
			       value);
	} else {
		add_option(arguments, key, key_length, value);
	}
}

static void parse(struct host *host, struct arguments *arguments, int argc, char **argv)
{
	size_t room = 1;

	for (int i = 1; i < argc; i++)
		room += strlen(argv[i]) + 2;
	arguments->options = malloc(room);
	if (!arguments->options)
		refuse(arguments, "no memory");
	for (int i = 1; i < argc; i++) {
		const char *key = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
		size_t length = strcspn(key, "=");

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout, arguments->program);
			exit(0);
		}
		if (strcmp(argv[i], "-m") == 0) {
			key = "memory";
			length = 6;
		} else if (length == 0) {
			refuse(arguments, "'%s' is no option", argv[i]);
		} else if (key[length] == '=') {
			apply(host, arguments, key, length, key + length + 1);
			continue;
		}
		if (++i == argc)
			refuse(arguments, "--%s needs a value", key);
		apply(host, arguments, key, length, argv[i]);
	}
}

static bool fill_boot(struct kiln_boot *boot, const struct arguments *arguments)
{
	void *memory = mmap(NULL, arguments->memory, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	boot->magic = KILN_BOOT_MAGIC;
	boot->abi = KILN_ABI_VERSION;
	boot->size = sizeof(*boot);
	boot->memory = (uint64_t)(uintptr_t)memory;
	boot->memory_size = arguments->memory;
	boot->options = (uint64_t)(uintptr_t)arguments->options;
	boot->options_size = arguments->options_size;
	boot->clock_gettime = (uint64_t)(uintptr_t)clock_gettime;
	boot->console = boot->stop = -1;
	return getrandom(boot->seed, sizeof(boot->seed), 0) == sizeof(boot->seed);
}

/* As many connections as the host allows, not as many as it starts a shell with. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The loop exists from here on. */
static int run(struct kiln *k)
{
	loop_add(&k->loop, &host_of(k)->source);
	return appliance(k);
}

int main(int argc, char **argv)
{
	static struct host host;
	struct arguments arguments = {.program = argc ? argv[0] : "appliance",
	                              .memory = DEFAULT_MEMORY};
	int status;

	host.boot.start_clock = target_now(&host.kiln);
	if (!host_init(&host)) {
		fprintf(stderr, "%s: cannot start: %s\n", arguments.program,
		        strerror(errno));
		return 1;
	}
	parse(&host, &arguments, argc, argv);
	raise_file_limit();
	if (!fill_boot(&host.boot, &arguments)) {
		fprintf(stderr,
		        "%s: this machine has no %llu KiB of memory: give it less "
		        "with -m\n",
		        arguments.program, (unsigned long long)(arguments.memory >> 10));
		return 1;
	}
	status = kiln_start_with(&host.kiln, run);
	host_end(&host);
	munmap((void *)(uintptr_t)host.boot.memory, host.boot.memory_size);
	free(arguments.options);
	return status;
}
