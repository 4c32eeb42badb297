/*
 * The `kiln` command: finds the subcommand and hands over to it. Exit status 0, 1
 * (failed) or 2 (usage); `kiln run` has the appliance's own.
 */
#include <stdio.h>
#include <string.h>
#include "tool.h"
#include "usage.h"

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const struct usage_command *command;

	if (!name) {
		usage_print(stderr);
		return 2;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		usage_print(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0) {
		puts("kiln " KILN_VERSION);
		return 0;
	}
	if (strcmp(name, "complete") == 0)
		return command_complete(argc - 1, argv + 1);
	command = usage_find(name);
	if (!command)
		fail_usage("there is no command '%s': kiln help lists them", name);
	if (asks_for_help(argc - 1, argv + 1)) {
		usage_print_command(command);
		return 0;
	}
	return command->run(argc - 1, argv + 1);
}
