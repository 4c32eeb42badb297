/*
 * An appliance by itself in the simulator, as a program of the host: the appliance at
 * 10.0.0.2 and a peer at 10.0.0.1 on one simulated link. The peer sends standard input to
 * the appliance over TCP and writes the answer to standard output. Same seed and input,
 * same run.
 *
 * Programs with a main() of their own leave this member of the archive alone.
 */
#include <errno.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <kiln/abi/address.h>
#include <kiln/bytes.h>
#include <kiln/sim.h>
#include "../manifest.h"
#include "alone.h"
#include "path.h"
#include "peer.h"

KILN_NOTE(kiln_note_target_sim, KILN_NOTE_TARGET, kiln_note_target, KILN_ABI_VERSION,
          KILN_TARGET_SIM);

enum {
	USAGE = 2,
	OPTIONS = 64,
	INPUT_MOST = 256 << 20,
	PEER_MEMORY = 16 << 20,
};
#define STOP_WITHIN KILN_SECONDS(10) /* of virtual time, once asked to */
#define LOOK_AFTER  KILN_MS(100)

struct arguments {
	const char *program;
	uint64_t seed;
	struct sim_impairment link;
	const char *pcap;
	uint64_t memory;
	kiln_time time;
	uint64_t port;                    /* to send standard input to */
	const char *options[OPTIONS + 1]; /* "key=value", of the appliance */
	char *owned[OPTIONS];             /* those that were put together here */
	unsigned option_count, owned_count;
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

/* ---- reading the command line ---- */

static void usage(const char *program)
{
	struct manifest_param param;

	printf(
	    "usage: %s [OPTION]... [PARAMETER=VALUE]...\n\n"
	    "  --seed N         the run to repeat (1)\n"
	    "  --loss P         frames lost: 0.02 or 2%%\n"
	    "  --burst P[:N]    frames that begin a burst, in which N (10) are lost\n"
	    "  --duplicate P    frames delivered twice\n"
	    "  --corrupt P      frames with one bit flipped\n"
	    "  --reorder P      frames held back by up to 5 ms\n"
	    "  --delay MS       one way\n"
	    "  --jitter MS      added to the delay, up to\n"
	    "  --rate BITS      per second, such as 10M\n"
	    "  --queue N        frames that wait for the rate (1000)\n"
	    "  --mark N         with so many waiting, ECN-capable packets are marked\n"
	    "  --blackhole B    packets of more bytes vanish\n"
	    "  --pcap FILE      capture of the link, with virtual times\n"
	    "  --memory SIZE    of the appliance (64M)\n"
	    "  --time S         virtual time after which it is stopped (60)\n"
	    "  --to PORT        where standard input is sent (the first port below)\n\n"
	    "parameters of the appliance:\n",
	    program);
	for (unsigned i = 0; manifest_param(NULL, i, &param); i++)
		printf("  %-16s %s (%s)\n", param.name, param.help,
		       *param.value ? param.value : "none");
}

/* A duration with its unit, or a number of seconds. */
static bool read_seconds(const char *text, kiln_time *value)
{
	char *end;
	double number = strtod(text, &end);

	if (end != text && *end == '\0') {
		*value = (kiln_time)(number * (double)KILN_SECONDS(1));
		return number >= 0 && number < 1e9;
	}
	return param_parse(KILN_PARAM_TYPE_DURATION, 0, 0, text, strlen(text), value);
}

static bool read_number(uint32_t type, const char *text, uint64_t *value)
{
	return param_parse(type, 0, UINT64_MAX, text, strlen(text), value);
}

static void add_option(struct arguments *arguments, const char *option)
{
	if (arguments->option_count == OPTIONS)
		refuse(arguments, "more than %d parameters", OPTIONS);
	arguments->options[arguments->option_count++] = option;
}

static void add_pair(struct arguments *arguments, const char *key, const char *value)
{
	size_t size = strlen(key) + strlen(value) + 2;
	char *option = malloc(size);

	if (!option)
		refuse(arguments, "no memory");
	snprintf(option, size, "%s=%s", key, value);
	add_option(arguments, option);
	arguments->owned[arguments->owned_count++] = option;
}

/* The appliance's own; what type it has is checked when it starts. */
static void add_parameter(struct arguments *arguments, const char *key, const char *value)
{
	struct manifest_param param;

	for (unsigned i = 0; manifest_param(NULL, i, &param); i++) {
		if (strcmp(param.name, key) == 0) {
			add_pair(arguments, key, value);
			return;
		}
	}
	refuse(arguments, "there is no --%s, of the simulator or of the appliance", key);
}

/* An option of the simulator. False: it is none, or the value makes no sense. */
static bool apply(struct arguments *arguments, const char *key, const char *value,
                  bool *known)
{
	bool made_sense = sim_impairment_option(&arguments->link, key, value, known);

	if (*known)
		return made_sense;
	*known = true;
	if (strcmp(key, "seed") == 0)
		return read_number(KILN_PARAM_TYPE_UINT, value, &arguments->seed);
	if (strcmp(key, "time") == 0)
		return read_seconds(value, &arguments->time);
	if (strcmp(key, "to") == 0)
		return read_number(KILN_PARAM_TYPE_PORT, value, &arguments->port);
	if (strcmp(key, "memory") == 0)
		return read_number(KILN_PARAM_TYPE_SIZE, value, &arguments->memory) &&
		       arguments->memory >= 65536;
	if (strcmp(key, "pcap") == 0) {
		arguments->pcap = value;
		return true;
	}
	*known = false;
	return false;
}

static const char *what_it_takes(const char *key)
{
	static const char *const takes[][2] = {
	    {"seed", "a number"},
	    {"delay", "a time such as 20ms, or milliseconds"},
	    {"jitter", "a time such as 20ms, or milliseconds"},
	    {"rate", "bits per second, such as 10M"},
	    {"burst", "a share, and a mean length in frames, such as 1% or 1%:20"},
	    {"queue", "a number of frames"},
	    {"mark", "a number of frames"},
	    {"blackhole", "a size from 68 to 65535 bytes"},
	    {"time", "a time such as 5m, or seconds"},
	    {"to", "a port from 1 to 65535"},
	    {"memory", "a size of at least 64K, such as 8M"},
	};

	for (size_t i = 0; i < KILN_COUNT_OF(takes); i++)
		if (strcmp(key, takes[i][0]) == 0)
			return takes[i][1];
	return "a share of the frames, such as 0.02 or 2%";
}

static void parse(struct arguments *arguments, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char key[64];
		const char *value = strchr(argv[i], '=');
		size_t length = value ? (size_t)(value++ - argv[i]) : strlen(argv[i]);
		bool known;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(arguments->program);
			exit(0);
		}
		if (strncmp(argv[i], "--", 2) != 0) {
			if (!value)
				refuse(arguments, "'%s' is no option", argv[i]);
			add_option(arguments, argv[i]);
			continue;
		}
		if (length < 3 || length - 2 >= sizeof(key))
			refuse(arguments, "'%s' is no option", argv[i]);
		memcpy(key, argv[i] + 2, length - 2);
		key[length - 2] = '\0';
		if (!value && !(value = argv[++i]))
			refuse(arguments, "--%s needs a value", key);
		if (!apply(arguments, key, value, &known)) {
			if (known)
				refuse(arguments, "--%s takes %s, not '%s'", key,
				       what_it_takes(key), value);
			add_parameter(arguments, key, value);
		}
	}
}

/* ---- the appliance's own wishes ---- */

static const char *given(const struct arguments *arguments, const char *name)
{
	size_t length = strlen(name);

	for (unsigned i = 0; i < arguments->option_count; i++) {
		const char *option = arguments->options[i];
		if (strncmp(option, name, length) == 0 && option[length] == '=')
			return option + length + 1;
	}
	return NULL;
}

/* What the parameter is when the appliance starts: given, fixed at build, or its default.
 */
static const char *value_of(const struct arguments *arguments,
                            const struct manifest_param *param)
{
	struct manifest_fixed fixed;
	const char *value = given(arguments, param->name);

	for (unsigned i = 0; manifest_fixed(NULL, i, &fixed); i++) {
		if (strcmp(fixed.name, param->name) == 0)
			return fixed.value;
	}
	return value ? value : param->value;
}

static bool find_param(uint32_t type, const char *name, struct manifest_param *param)
{
	for (unsigned i = 0; manifest_param(NULL, i, param); i++) {
		if (param->type == type && (!name || strcmp(param->name, name) == 0))
			return true;
	}
	return false;
}

/* Gives every network device an address, unless somebody has. */
static void choose_addresses(struct arguments *arguments)
{
	static char text[256];

	if (!given(arguments, "ip") && alone_address(text, sizeof(text)))
		add_option(arguments, text);
}

/* The first address that the appliance has been given. */
static struct ip_addr address_of_appliance(const struct arguments *arguments)
{
	struct manifest_param ip;
	bool takes = find_param(KILN_PARAM_TYPE_PREFIX, "ip", &ip);
	const char *text = takes ? value_of(arguments, &ip) : "";
	const char *end = text + strcspn(text, ",");
	const char *name_end = memchr(text, '=', (size_t)(end - text));
	uint32_t address;

	if (name_end)
		text = name_end + 1;
	if (!address_parse4(text, address_find(text, end, '/'), &address))
		refuse(arguments, "ip=%s: there is no DHCP server on the simulated link",
		       text);
	return ip_from4(ip4_of(address));
}

static uint16_t port_of_appliance(const struct arguments *arguments)
{
	struct manifest_param param;
	uint64_t port = arguments->port;

	if (!port && find_param(KILN_PARAM_TYPE_PORT, NULL, &param) &&
	    !read_number(KILN_PARAM_TYPE_PORT, value_of(arguments, &param), &port))
		refuse(arguments, "%s=%s is no port", param.name,
		       value_of(arguments, &param));
	return (uint16_t)port;
}

/* ---- input and output ---- */

static struct slice read_input(const struct arguments *arguments)
{
	size_t size = 0, room = 65536;
	uint8_t *bytes = malloc(room);
	size_t n;

	while (bytes && (n = fread(bytes + size, 1, room - size, stdin)) > 0) {
		size += n;
		if (size == INPUT_MOST)
			refuse(arguments, "standard input is too long");
		if (size == room) {
			uint8_t *larger = realloc(bytes, room * 2);
			if (!larger)
				free(bytes);
			bytes = larger;
			room *= 2;
		}
	}
	if (!bytes)
		refuse(arguments, "no memory for standard input");
	return slice_of(bytes, size);
}

static void write_output(void *context, struct slice bytes)
{
	fwrite(bytes.data, 1, bytes.len, stdout);
}

/* Console text goes where the answer does not. */
static void print_console(void *context, const char *node, struct slice text)
{
	FILE *out = context;

	if (strcmp(node, "peer") == 0)
		fputs("peer: ", out = stderr);
	fwrite(text.data, 1, text.len, out);
}

static void print_summary(const struct arguments *arguments, const struct sim *sim)
{
	struct sim_counters c;
	kiln_time now = sim_now(sim);

	sim_counters(sim, &c);
	fprintf(
	    stderr,
	    "sim: seed %llu, %llu.%06llu s of virtual time, %llu events\n"
	    "sim: %llu frames, %llu bytes; %llu lost, %llu duplicated, %llu corrupted, "
	    "%llu reordered, %llu overflowed\n",
	    (unsigned long long)arguments->seed,
	    (unsigned long long)(now / KILN_SECONDS(1)),
	    (unsigned long long)(now / 1000 % 1000000), (unsigned long long)c.events,
	    (unsigned long long)c.frames, (unsigned long long)c.bytes,
	    (unsigned long long)c.lost, (unsigned long long)c.duplicated,
	    (unsigned long long)c.corrupted, (unsigned long long)c.reordered,
	    (unsigned long long)c.overflowed);
}

/* ---- the run ---- */

static struct sim_node *make_peer(struct sim *sim, struct sim_link *link,
                                  struct peer *peer)
{
	static const char *const options[] = {"ip=10.0.0.1/24", "log=warn", NULL};
	struct sim_node *node =
	    sim_node_new(sim, "peer", PEER_MEMORY, peer_entry, options);

	sim_node_net(node, "peer0", link);
	sim_node_set_user(node, peer);
	return node;
}

/* Ctrl-C ends the simulation as the end of its time does. */
static volatile sig_atomic_t stop_asked;

static void on_stop(int signal)
{
	(void)signal;
	stop_asked = 1;
}

/* Until the appliance ends, the peer has its answer, or the time is over; then stops. */
static void run(const struct arguments *arguments, struct sim *sim, struct sim_node *node,
                struct sim_node *peer_node, const struct peer *peer)
{
	/* Once: the second ends the program, should the appliance not stop. */
	const struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!stop_asked && sim_now(sim) < arguments->time &&
	       !sim_node_ended(node, NULL) && !peer->done) {
		if (sim_run(sim, KILN_MIN(arguments->time, sim_now(sim) + LOOK_AFTER)))
			break;
	}
	sim_node_stop(node);
	if (peer_node)
		sim_node_stop(peer_node);
	sim_run(sim, sim_now(sim) + STOP_WITHIN);
}

/* The appliance's status; 1 if there was an answer to get and it did not come. */
static int outcome(const struct sim_node *node, const struct peer *peer)
{
	int status = 1;

	if (!sim_node_ended(node, &status))
		fprintf(stderr, "sim: the appliance did not end when it was asked to\n");
	if (peer->to.port && (!peer->done || peer->error)) {
		fprintf(stderr, "sim: no whole answer from port %u: %s\n", peer->to.port,
		        kiln_error_text(peer->error));
		return 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.program = argc ? argv[0] : "appliance",
	                              .seed = 1,
	                              .memory = 64 << 20,
	                              .time = KILN_SECONDS(60),
	                              .link = {.reorder_delay = SIM_REORDER_DELAY}};
	struct peer peer = {.output = write_output};
	struct sim_node *node, *peer_node = NULL;
	struct sim_link *link;
	struct sim *sim;
	unsigned nets;
	int status;

	parse(&arguments, argc, argv);
	choose_addresses(&arguments);
	sim = sim_new(arguments.seed);
	link = sim_link_new(sim, &arguments.link, 1500);
	if (arguments.pcap && sim_link_pcap(link, arguments.pcap) != KILN_OK) {
		fprintf(stderr, "%s: --pcap: cannot write %s: %s\n", arguments.program,
		        arguments.pcap, strerror(errno));
		return 1;
	}
	node = alone_node(sim, link, arguments.memory, arguments.options, &nets);
	if (nets) {
		if (!isatty(STDIN_FILENO))
			peer.input = read_input(&arguments);
		if (peer.input.len)
			peer.to = (struct endpoint){address_of_appliance(&arguments),
			                            port_of_appliance(&arguments)};
		peer_node = make_peer(sim, link, &peer);
	}
	sim_console(sim, print_console, peer.to.port ? stderr : stdout);
	run(&arguments, sim, node, peer_node, &peer);
	status = outcome(node, &peer);
	print_summary(&arguments, sim);
	sim_free(sim);
	free((void *)(uintptr_t)peer.input.data);
	for (unsigned i = 0; i < arguments.owned_count; i++)
		free(arguments.owned[i]);
	return status;
}
