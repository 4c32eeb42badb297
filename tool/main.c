/*
 * The `kiln` command: finds the subcommand and hands over to it. Exit status 0, 1
 * (failed) or 2 (usage); `kiln run` has the appliance's own.
 */
#include <stdio.h>
#include <string.h>
#include "tool.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the subcommand */
} commands[] = {
    {"new", command_new},   {"build", command_build}, {"run", command_run},
    {"info", command_info}, {"test", command_test},   {"demo", command_demo},
};

static const char help[] =
    "kiln turns the source of one network service into a sealed image\n"
    "\n"
    "kiln new NAME                          a new appliance folder\n"
    "kiln build DIR -t TARGET [-o IMAGE] [--KEY VALUE]...\n"
    "                                       the image; a parameter given here is fixed\n"
    "kiln run DIR|IMAGE [-t TARGET] [--KEY VALUE]...\n"
    "                                       run it, until Ctrl-C\n"
    "kiln info IMAGE [--json]               manifest, sizes, seal\n"
    "kiln test [SUITE...]                   build and run the tests\n"
    "kiln demo                              the web appliance, jailed and as a guest\n"
    "\n"
    "Targets\n"
    "  host   a program on this machine's own sockets, for work with a debugger\n"
    "  sim    a program in which it runs on a simulated network and a virtual clock\n"
    "  jail   a sealed image, run as a jailed process\n"
    "  vm     a sealed image, run on a hypervisor: Kiln's own on KVM, or QEMU\n"
    "\n"
    "kiln build\n"
    "  --EMBED FOLDER        embed this folder in place of the appliance's own\n"
    "  --layout-seed N       order of the image's functions (0: as they come)\n"
    "  --sanitize            with -t host: AddressSanitizer and UBSan\n"
    "  --unsealed            make the image even if it breaks the seal, for tests\n"
    "\n"
    "kiln run\n"
    "  --net [NAME=]tap:IF   the network device: a tap interface, made if missing\n"
    "  --disk [NAME=]FILE    the block device\n"
    "  -m SIZE               memory, 8M unless given\n"
    "  --cpu N               run on this processor only\n"
    "  --spin DURATION       how long to poll before waiting: 50us\n"
    "  --monitor kvm|qemu    what runs a vm image\n"
    "  --ip A.B.C.D/N|dhcp   with --gateway A.B.C.D: the image's address\n"
    "  with -t sim: --seed N, --loss 2%, --delay 20ms, --reorder P, --duplicate P,\n"
    "  --corrupt P, --jitter MS, --rate 10M, --pcap FILE, --time S; standard input is\n"
    "  sent to the appliance's port, and the answer is printed\n"
    "  kiln info lists the other parameters that an image takes.\n";

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		fputs(help, stderr);
		return 2;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
	    strcmp(name, "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0) {
		puts("kiln " KILN_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fail_usage("there is no command '%s' (see kiln help)", name);
}
