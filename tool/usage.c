/*
 * The table of commands and options, and `kiln help`. See usage.h.
 *
 * What completes a word: literal words, or @target (names of targets), @file, @folder,
 * @image (files that end as images do), @appliance (folders), @suite (of the tests).
 */
#include <stdio.h>
#include <string.h>
#include "tool.h"
#include "usage.h"

static const struct usage_option build_options[] = {
    {"-t", "TARGET", "what to build for: host, sim, jail or vm", "@target"},
    {"-o", "IMAGE", "where the image goes (NAME.TARGET here)", "@file"},
    {"--KEY", "VALUE", "fixes a parameter of the appliance", NULL},
    {"--EMBED", "FOLDER", "embeds this folder in place of the appliance's own; '': none",
     "@folder"},
    {"--layout-seed", "N", "order of the image's functions (0: as they come)", NULL},
    {"--max-size", "SIZE", "fails if the image is larger: 131072, 128K", NULL},
    {"--asan", NULL, "with -t host or sim: AddressSanitizer and UBSan", NULL},
    {"--unsealed", NULL, "makes the image even if it breaks the seal: for tests", NULL},
    {0}};

static const struct usage_option run_options[] = {
    {"-t", "TARGET", "of a folder, what to build it for", "@target"},
    {"-m", "SIZE", "memory of the image (8M; host and sim: 64M)", NULL},
    {"-p", "HOST:GUEST[/udp]", "a port of this machine that leads into the image", NULL},
    {"--net", "[NAME=]user|tap:IF|xdp:IF",
     "its network: one of its own, a tap, or an interface by AF_XDP", "user tap: xdp:"},
    {"--pcap", "[NAME=]FILE", "writes the network device's frames to a file", "@file"},
    {"--disk", "[NAME=]FILE", "the block device", "@file"},
    {"--cpu", "N", "runs on this processor only", NULL},
    {"--cpus", "N", "run N images that share an address, each on a processor", NULL},
    {"--spin", "TIME", "how long to poll before sleeping (100us)", NULL},
    {"--rest", "TIME", "jail: under load, look for frames only so often (100us)", NULL},
    {"--io-uring", "on|off", "jail: frames by io_uring, where there is one (on)", NULL},
    {"--monitor", "NAME", "what runs a vm image (kvm; qemu where that is none)",
     "kvm qemu"},
    {"--timings", NULL, "tells where the time went until the image ran", NULL},
    {"--gdb", NULL, "holds the image before its first instruction, for gdb", NULL},
    {"--asan", NULL, "of a folder for host or sim: AddressSanitizer and UBSan", NULL},
    {"--valgrind", NULL, "for host or sim: runs it under valgrind", NULL},
    {"--layout-seed", "N", "of a folder: order of the image's functions", NULL},
    {"--KEY", "VALUE", "a parameter of the image: kiln info lists them", NULL},
    {0}};

/* Parameters that nearly every image takes, of the libraries it is linked with. */
static const struct usage_option common_parameters[] = {
    {"--ip", "A.B.C.D/N|dhcp|off", "the image's address (dhcp)", "dhcp off"},
    {"--gateway", "A.B.C.D", "its router", NULL},
    {"--ip6", "ADDRESS/N|auto|off", "its IPv6 address (auto)", "auto off"},
    {"--gateway6", "ADDRESS", "its IPv6 router", NULL},
    {"--route", "ADDRESS/N=ADDRESS", "a static route, by a router", NULL},
    {"--secret", "TEXT", "what addresses of --ip6 auto are made from", NULL},
    {"--hostname", "NAME", "what it calls itself to a DHCP server", NULL},
    {"--dns", "ADDRESS[,...]", "servers of names, if it looks any up", NULL},
    {"--log", "LEVEL", "what it tells (info)", "error warn info debug"},
    {0}};

/* What the simulated link does to frames: in the simulator, and between two taps. */
static const struct usage_option path_options[] = {
    {"--loss", "P", "frames lost: 0.02 or 2%", NULL},
    {"--burst", "P[:N]", "frames that begin a burst, in which N (10) are lost", NULL},
    {"--duplicate", "P", "frames delivered twice", NULL},
    {"--corrupt", "P", "frames with one bit flipped", NULL},
    {"--reorder", "P", "frames held back by up to 5 ms", NULL},
    {"--delay", "MS", "one way", NULL},
    {"--jitter", "MS", "added to the delay, up to", NULL},
    {"--rate", "BITS", "per second, such as 10M", NULL},
    {"--queue", "N", "frames that wait for the rate (1000)", NULL},
    {"--mark", "N", "with so many waiting, ECN-capable packets are marked", NULL},
    {"--blackhole", "BYTES", "larger packets vanish", NULL},
    {0}};

static const struct usage_option sim_options[] = {
    {"--seed", "N", "the run to repeat (1)", NULL},
    {"--time", "S", "virtual time after which it is stopped (60)", NULL},
    {"--to", "PORT", "where standard input is sent (the first port parameter)", NULL},
    {0}};

static const struct usage_option scenario_options[] = {
    {"--seed", "N", "the run to repeat (1)", NULL},
    {"--time", "TIME", "virtual time after which it ends (60s)", NULL},
    {"--json", NULL, "for programs", NULL},
    {0}};

static const struct usage_option clients_options[] = {
    {"--clients", "N", "of each appliance (10)", NULL},
    {"--requests", "N", "that each client makes (10)", NULL},
    {"--every", "TIME", "between the requests of a client (1s)", NULL},
    {"--get", "PATH", "what they ask for (/)", NULL},
    {"--to", "PORT", "where they connect to (the first port parameter)", NULL},
    {"--pcap", "FILE", "writes the frames to a file", "@file"},
    {"--show", NULL, "prints the scenario instead, to begin one with", NULL},
    {"--KEY", "VALUE", "a parameter of the appliances", NULL},
    {0}};

static const struct usage_option link_options[] = {
    {"--seed", "N", "of what happens to which frame (1)", NULL},
    {"--pcap", "FILE", "writes the frames that come in to a file", "@file"},
    {"--json", NULL, "counters for programs", NULL},
    {0}};

static const struct usage_option info_options[] = {{"--json", NULL, "for programs", NULL},
                                                   {0}};

static const struct usage_option test_options[] = {
    {"--seed", "N", "of the simulated network (1)", NULL},
    {"--runs", "N", "runs each test so often, with seeds that follow", NULL},
    {"--only", "TEST", "runs the test of this name only", NULL},
    {"--pcap", "FILE", "writes the frames to a file; with --only", "@file"},
    {"--asan", NULL, "AddressSanitizer and UBSan", NULL},
    {0}};

static const struct usage_option fuzz_options[] = {
    {"--time", "TIME", "how long to fuzz: 10m, 1h (40s for all targets)", NULL},
    {"--seed", "N", "of the fuzzer (1)", NULL},
    {"--grow", NULL, "adds inputs that reached new code to the corpora", NULL},
    {0}};

static const struct usage_option map_options[] = {
    {"-o", "FILE.svg", "where the picture goes (IMAGE.svg)", "@file"},
    {"--text", NULL, "a table instead, by library and object", NULL},
    {"--json", NULL, "for programs", NULL},
    {"--diff", "OTHER", "what changed since that image; with -o drawn, too", "@image"},
    {"--why", "SYMBOL", "what refers to it, from the entry point on (also: 'tcp_*')",
     NULL},
    {0}};

static const struct usage_option demo_options[] = {
    {"--json", NULL, "for programs", NULL},
    {"--serve", NULL, "serves the site to this machine's browser until Ctrl-C; no root",
     NULL},
    {0}};

static const struct usage_option bench_options[] = {
    {"--quick", NULL, "fewer and shorter rounds: less than a minute", NULL},
    {"--json", NULL, "a line for each case and subject, for programs", NULL},
    {"-o", "FILE.svg", "draws the figures", "@file"},
    {"--case", "NAME", "measures this case alone; again for more", NULL},
    {"--subject", "NAME", "measures this subject alone; again for more", NULL},
    {"--rounds", "N", "in each of which every subject has its turn (7)", NULL},
    {"--seconds", "S", "of load in each turn (1)", NULL},
    {"--starts", "N", "a round, of what is but started (3)", NULL},
    {"--cpus", "SERVER,CLIENT", "the processors to use", NULL},
    {0}};

const struct usage_command usage_commands[] = {
    {"new",
     command_new,
     "NAME",
     "a folder with an appliance to begin with, and its test",
     NULL,
     {{0}}},
    {"build",
     command_build,
     "DIR -t TARGET [-o IMAGE] [--KEY VALUE]...",
     "the image of an appliance; a parameter given here is fixed",
     "@appliance",
     {{"", build_options}, {0}}},
    {"run",
     command_run,
     "DIR|IMAGE [-t TARGET] [--KEY VALUE]...",
     "builds a folder, and runs its image until Ctrl-C",
     "@appliance @image",
     {{"", run_options},
      {"parameters that most images take", common_parameters},
      {"with -t sim; standard input is sent to the appliance, the answer printed",
       sim_options},
      {"of its link", path_options},
      {0}}},
    {"info",
     command_info,
     "IMAGE [--json]",
     "what an image takes: devices, parameters, sizes, its seal",
     "@image",
     {{"", info_options}, {0}}},
    {"link",
     command_link,
     "[OPTION]... TAP TAP",
     "joins two tap interfaces by a bad link, until Ctrl-C",
     NULL,
     {{"", link_options}, {"of the link; 2%,0 is for each way", path_options}, {0}}},
    {"sim",
     command_sim,
     "DIR...|FILE [OPTION]...",
     "appliances and clients, or a scenario, in a simulated network",
     "@appliance @file",
     {{"", scenario_options},
      {"with DIR", clients_options},
      {"of the clients' link", path_options},
      {0}}},
    {"map",
     command_map,
     "IMAGE [-o FILE.svg]",
     "draws what takes how much of an image",
     "@image",
     {{"", map_options}, {0}}},
    {"test",
     command_test,
     "DIR...|[SUITE...]",
     "the tests of an appliance, in a simulated network; Kiln's own",
     "@appliance @suite",
     {{"with DIR", test_options}, {"with the suite fuzz", fuzz_options}, {0}}},
    {"bench",
     command_bench,
     "[WHAT [OPTION]...]",
     "measures appliances beside what else one would take, or the simulator",
     "web net dns boot sim",
     {{"", bench_options}, {0}}},
    {"demo",
     command_demo,
     "[--json|--serve]",
     "the web appliance, jailed and as a guest, measured",
     NULL,
     {{"", demo_options}, {0}}},
    {"help", command_help, "[COMMAND]", "the options of a command", "@command", {{0}}},
    {0}};

const struct usage_command *usage_find(const char *name)
{
	for (const struct usage_command *c = usage_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

enum { SYNOPSIS_WIDTH = 32, TARGET_WIDTH = 9, OPTION_WIDTH = 24 };

/* Two columns; what is too wide for the first has a line of its own. */
static void print_row(FILE *out, const char *left, int width, const char *right)
{
	if ((int)strlen(left) < width)
		fprintf(out, "%-*s%s\n", width, left, right);
	else
		fprintf(out, "%s\n%-*s%s\n", left, width, "", right);
}

static const char *synopsis(const struct usage_command *command)
{
	return text_format("kiln %s %s", command->name, command->arguments);
}

void usage_print(FILE *out)
{
	fputs("kiln turns the source of one network service into a sealed image\n\n",
	      out);
	for (const struct usage_command *c = usage_commands; c->name; c++)
		print_row(out, synopsis(c), SYNOPSIS_WIDTH, c->what);
	fputs("\nTargets\n", out);
	for (unsigned i = 0; target_at(i); i++)
		print_row(out, text_format("  %s", target_at(i)->name), TARGET_WIDTH,
		          target_at(i)->what);
	fputs("\nkiln help COMMAND lists its options; kiln(1) is the whole manual.\n",
	      out);
}

void usage_print_command(const struct usage_command *command)
{
	printf("%s\n%s\n", synopsis(command), command->what);
	for (const struct usage_group *g = command->groups; g->options; g++) {
		printf("%s%s\n", *g->title ? "\n" : "", g->title);
		for (const struct usage_option *o = g->options; o->name; o++)
			print_row(
			    stdout,
			    text_format("  %s %s", o->name, o->value ? o->value : ""),
			    OPTION_WIDTH, o->what);
	}
}

int command_help(int argc, char **argv)
{
	const struct usage_command *command;

	if (argc < 2) {
		usage_print(stdout);
		return 0;
	}
	command = usage_find(argv[1]);
	if (!command || argc > 2)
		fail_usage("kiln help takes the name of one command, not '%s'",
		           argv[argc - 1]);
	usage_print_command(command);
	return 0;
}
