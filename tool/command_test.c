/*
 * `kiln test DIR...`: builds the tests of appliances and runs them, in the simulator;
 * `kiln test [SUITE...]`: Kiln's own, in Kiln's own folder, by test/run.py.
 */
#include <stdio.h>
#include <string.h>
#include "build.h"

struct test_command {
	struct words folders;
	struct settings options;
	bool sanitize;
};

/* "e2e/web@jail" and "unit" name folders of Kiln's own tests. */
static bool is_suite(const char *word)
{
	int length = (int)strcspn(word, "/@");

	return !kiln_installed() && word[0] != '.' && length > 0 &&
	       folder_exists(kiln_path(text_format("test/%.*s", length, word)));
}

/* What the suites take, they check themselves. */
static bool asks_for_suites(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (is_suite(argv[i]))
			return true;
	return argc == 1;
}

static void check_option(const struct settings *options)
{
	static const char *const known[] = {"seed", "runs", "only", "pcap"};
	const char *key = options->item[options->count - 1].key;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(key, known[i]) == 0)
			return;
	fail_usage("kiln test DIR does not know --%s: kiln help test lists its options",
	           key);
}

static void read_arguments(struct test_command *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--sanitize") == 0 ||
		    strcmp(argv[i], "--asan") == 0) {
			test->sanitize = true;
		} else if (settings_take(&test->options, argv, &i)) {
			check_option(&test->options);
		} else if (argv[i][0] == '-') {
			fail_usage("kiln test does not know %s: kiln help test lists its "
			           "options",
			           argv[i]);
		} else if (folder_exists(argv[i])) {
			words_add(&test->folders, argv[i]);
		} else if (kiln_installed()) {
			fail_usage("there is no folder %s: kiln test takes folders of "
			           "appliances",
			           argv[i]);
		} else {
			fail_usage("there is no folder or suite %s: kiln test takes "
			           "folders of appliances, or suites of Kiln's own tests",
			           argv[i]);
		}
	}
	if (!test->folders.count)
		fail_usage("which appliance is to be tested? kiln test DIR");
}

/* The status of the tests of one folder. */
static int test_folder(const struct test_command *test, const char *folder)
{
	struct build build = {.folder = folder,
	                      .target = target_find("sim"),
	                      .fix_nothing = true,
	                      .tests = true,
	                      .sanitize = test->sanitize};
	struct words command = {0};

	words_add(&command, path_resolve(build_image(&build)));
	for (size_t i = 0; i < test->options.count; i++) {
		const struct setting *option = &test->options.item[i];
		words_add(&command, text_format("--%s", option->key));
		words_add(&command, option->value);
	}
	return process_run(&command);
}

int command_test(int argc, char **argv)
{
	struct test_command test = {0};
	int status = 0;

	if (!kiln_installed() && asks_for_suites(argc, argv))
		run_script("test/run.py", argc, argv);
	read_arguments(&test, argc, argv);
	for (size_t i = 0; i < test.folders.count; i++) {
		int failed = test_folder(&test, test.folders.item[i]);
		status = failed ? failed : status;
	}
	return status;
}
