/*
 * `kiln test` and `kiln demo`: written in Python, for what they do is to run other
 * programs and to look at what comes out.
 */
#include <stdlib.h>
#include "tool.h"

static _Noreturn void run_script(const char *script, int argc, char **argv)
{
	struct words command = {0};

	setenv("KILN_ROOT", kiln_root(), 1);
	words_add(&command, "python3");
	words_add(&command, kiln_path(script));
	for (int i = 1; i < argc; i++)
		words_add(&command, argv[i]);
	process_become(&command);
}

int command_test(int argc, char **argv)
{
	run_script("test/run.py", argc, argv);
}

int command_demo(int argc, char **argv)
{
	run_script("tool/demo.py", argc, argv);
}
