/*
 * The command line of `kiln build`, and what it says in the end.
 */
#include <stdio.h>
#include <string.h>
#include "build.h"
#include "sections.h"

static void report(const struct build *build, const char *path)
{
	struct sections sections;
	struct section_sizes sizes;
	size_t size;
	const char *bytes = file_read(path, &size);

	if (!bytes || !sections_read(&sections, bytes, size))
		fail("%s is no ELF file", path);
	sizes = sections_sizes(&sections);
	printf("%s: %zu bytes", path_display(path), size);
	printf(" (text %llu, constants %llu, data %llu, zeroed %llu",
	       (unsigned long long)sizes.text,
	       (unsigned long long)(sizes.constants - build->embedded_bytes),
	       (unsigned long long)sizes.data, (unsigned long long)sizes.zeroed);
	if (build->manifest.embed_count)
		printf(", embedded %llu", (unsigned long long)build->embedded_bytes);
	printf(")\n");
}

static void read_arguments(struct build *build, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value;

		if ((value = short_option('t', argv, &i)) != NULL) {
			build->target = target_find(value);
			if (!build->target)
				target_unknown(value);
		} else if ((value = short_option('o', argv, &i)) != NULL) {
			build->output = value;
		} else if (strcmp(argv[i], "--sanitize") == 0 ||
		           strcmp(argv[i], "--asan") == 0) {
			build->sanitize = true;
		} else if (strcmp(argv[i], "--unsealed") == 0) {
			build->unsealed = true;
		} else if (settings_take(&build->settings, argv, &i)) {
			build_own_setting(build);
		} else if (argv[i][0] == '-') {
			fail_usage("kiln build does not know %s: kiln help build lists "
			           "its options",
			           argv[i]);
		} else if (build->folder) {
			fail_usage("kiln build takes one folder, not both %s and %s",
			           build->folder, argv[i]);
		} else {
			build->folder = argv[i];
		}
	}
}

int command_build(int argc, char **argv)
{
	struct build build = {0};

	read_arguments(&build, argc, argv);
	if (!build.folder)
		fail_usage("which appliance? kiln build DIR -t jail");
	if (!build.target)
		fail_usage(
		    "for which target? kiln build %s -t host, -t sim, -t jail or -t vm",
		    build.folder);
	if (build.sanitize && build.target->sealed)
		fail_usage("--asan is for -t host and sim: a sealed image has no runtime "
		           "for it");
	report(&build, build_image(&build));
	return 0;
}
