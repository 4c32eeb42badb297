/*
 * `kiln demo`, `kiln bench` and the suites of `kiln test`: written in Python, for what
 * they do is to run other programs and to look at what comes out. They need all of Kiln's
 * folder.
 */
#include <stdlib.h>
#include "tool.h"

void run_script(const char *script, int argc, char **argv)
{
	struct words command = {0};

	if (kiln_installed())
		fail(
		    "kiln %s is done in Kiln's own folder, of which this is an installed "
		    "part: ./kiln %s there",
		    argv[0], argv[0]);
	setenv("KILN_ROOT", kiln_root(), 1);
	/* The system's own, which Debian's modules for it belong to. */
	words_add(&command, "/usr/bin/python3");
	words_add(&command, kiln_path(script));
	for (int i = 1; i < argc; i++)
		words_add(&command, argv[i]);
	process_become(&command);
}

int command_demo(int argc, char **argv)
{
	run_script("tool/demo.py", argc, argv);
}

int command_bench(int argc, char **argv)
{
	run_script("bench/run.py", argc, argv);
}
