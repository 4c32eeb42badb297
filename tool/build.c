/*
 * `kiln build`: from the folder of an appliance to its image.
 *
 * The appliance's objects say in their notes what it declares; from them come the folders
 * to embed and the parameters that --KEY VALUE may fix. A parameter of the appliance is
 * fixed by compiling it as a constant, an option of a library by linking its text; which
 * options there are is known only of the linked image, so they are checked there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <kiln/abi/address.h>
#include "build.h"
#include "seal.h"

static uint64_t setting_number(const struct setting *setting, enum kiln_param_type type,
                               const char *what)
{
	uint64_t number;

	if (!param_parse(type, 0, UINT64_MAX, setting->value, strlen(setting->value),
	                 &number))
		fail_usage("%s, not '%s'", what, setting->value);
	return number;
}

void build_own_setting(struct build *build)
{
	const struct setting *last = &build->settings.item[build->settings.count - 1];

	if (strcmp(last->key, "layout_seed") == 0) {
		build->layout_seed =
		    setting_number(last, KILN_PARAM_TYPE_UINT,
		                   "--layout-seed takes a number (0: do not shuffle)");
		build->has_layout_seed = true;
	} else if (strcmp(last->key, "max_size") == 0) {
		build->max_size = setting_number(
		    last, KILN_PARAM_TYPE_SIZE,
		    "--max-size takes a number of bytes, such as 65536 or 64K");
		build->has_max_size = true;
	} else {
		return;
	}
	build->settings.count--;
}

/* ---- what the appliance consists of ---- */

/* The C files in a folder of the appliance's, "" or "test/", by their names in it. */
static struct words sources_of(const struct build *build, const char *below)
{
	DIR *handle = opendir(text_format("%s/%s", build->folder, below));
	struct words sources = {0};
	struct dirent *entry;

	if (!handle && !(*below && errno == ENOENT))
		fail("cannot read the folder %s/%s: %s", build->folder, below,
		     strerror(errno));
	while (handle && (entry = readdir(handle)) != NULL) {
		size_t len = strlen(entry->d_name);
		if (len > 2 && entry->d_name[0] != '.' &&
		    strcmp(entry->d_name + len - 2, ".c") == 0)
			words_add(&sources, text_format("%s%s", below, entry->d_name));
	}
	if (handle)
		closedir(handle);
	words_sort(&sources);
	return sources;
}

static struct words sources_of_appliance(const struct build *build)
{
	struct words sources = sources_of(build, "");

	if (!sources.count)
		fail("%s has no .c file: kiln new NAME makes an appliance to begin with",
		     build->folder);
	return sources;
}

static struct words sources_of_tests(const struct build *build)
{
	struct words sources = sources_of(build, "test/");

	if (!sources.count)
		fail("%s has no tests: they are C files in %s/test (kiln new NAME makes "
		     "one to begin with)",
		     build->folder, build->folder);
	return sources;
}

/* The folder's name becomes that of the image and of files on the way. */
static void name_appliance(struct build *build)
{
	const char *real = path_resolve(build->folder);
	size_t len = strlen(build->folder);

	if (!real)
		fail("there is no folder %s: kiln new makes an appliance to begin with",
		     build->folder);
	if (!folder_exists(real))
		fail("%s is no folder: kiln build takes the folder of an appliance",
		     build->folder);
	while (len > 1 && build->folder[len - 1] == '/')
		len--;
	build->folder = text_format("%.*s", (int)len, build->folder);
	build->name = path_base(real);
	len = strlen(build->name);
	if (!len || len >= KILN_APPLIANCE_NAME_SIZE ||
	    strspn(build->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                        "0123456789_.-") != len)
		fail("the folder's name '%s' does not serve as an image's: use letters, "
		     "digits, "
		     "'_', '.' and '-', at most %d of them",
		     build->name, KILN_APPLIANCE_NAME_SIZE - 1);
}

/* One build at a time in a state folder; the lock goes with the process. */
static void open_state(struct build *build)
{
	int fd;

	build->state = text_format(
	    "%s%s%s", build_state_path(path_resolve(build->folder), build->target),
	    build->tests    ? "-test"
	    : build->shared ? "-shared"
	                    : "",
	    build->sanitize ? "-asan" : "");
	folder_make(build->state);
	fd = open(text_format("%s/lock", build->state), O_RDWR | O_CREAT | O_CLOEXEC,
	          0666);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		fail("cannot build in %s: %s (if another user has built there, remove it "
		     "as "
		     "that user)",
		     build->state, strerror(errno));
}

/* ---- fixing parameters ---- */

static bool is_embed(const struct build *build, const char *key)
{
	for (unsigned i = 0; i < build->manifest.embed_count; i++)
		if (strcmp(build->manifest.embeds[i].name, key) == 0)
			return true;
	return false;
}

static void check_value(const struct image_param *param, const char *value)
{
	if (param_takes(param->note.type, param->note.min, param->note.max, value,
	                strlen(value)))
		return;
	if (param->note.type == KILN_PARAM_TYPE_UINT)
		fail_usage("--%s takes a number from %llu to %llu, not '%s'", param->name,
		           (unsigned long long)param->note.min,
		           (unsigned long long)param->note.max, value);
	fail_usage("--%s takes %s, not '%s'", param->name,
	           param_takes_text(param->note.type), value);
}

/* Sorts the settings into parameters of the appliance and the rest. */
static void sort_settings(struct build *build)
{
	for (size_t i = 0; i < build->settings.count; i++) {
		const struct setting *s = &build->settings.item[i];
		const struct image_param *param = image_param(&build->manifest, s->key);

		for (size_t j = 0; j < i; j++)
			if (strcmp(build->settings.item[j].key, s->key) == 0)
				fail_usage("--%s is given twice", s->key);
		if (is_embed(build, s->key))
			continue;
		if (strlen(s->value) >= KILN_VALUE_SIZE)
			fail_usage("the value of --%s is longer than %d bytes", s->key,
			           KILN_VALUE_SIZE - 1);
		if (!param || build->fix_nothing) {
			settings_add(&build->options, s->key, s->value);
			continue;
		}
		check_value(param, s->value);
		settings_add(&build->fixed, s->key, s->value);
	}
}

static const char *c_literal(const char *string)
{
	struct text text = {0};

	text_add(&text, "\"");
	for (const char *p = string; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '"' || c == '\\' || c == '?')
			text_add(&text, "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			text_add(&text, "%c", c);
		else
			text_add(&text, "\\%03o", c);
	}
	text_add(&text, "\"");
	return text.data;
}

/* -DKILN_FIXED_port=~,8080: see KILN_IS_FIXED in <kiln/appliance.h>. */
static const char *fixed_definition(const struct image_param *param, const char *value)
{
	uint64_t number;

	if (param->note.type == KILN_PARAM_TYPE_STRING)
		return text_format("-DKILN_FIXED_%s=~,%s", param->name, c_literal(value));
	(void)param_parse(param->note.type, param->note.min, param->note.max, value,
	                  strlen(value), &number); /* check_value() has seen it */
	if (param->note.type == KILN_PARAM_TYPE_BOOL)
		return text_format("-DKILN_FIXED_%s=~,%s", param->name,
		                   number ? "true" : "false");
	return text_format("-DKILN_FIXED_%s=~,%lluu", param->name,
	                   (unsigned long long)number);
}

/* ---- compiling ---- */

/* Compiles all sources of the appliance into `folder`, and lists the objects. */
static struct words compile(const struct build *build, const struct words *sources,
                            const char *folder)
{
	struct make_step *steps = allocate(sources->count * sizeof(*steps));
	struct words objects = {0};

	folder_make(folder);
	for (size_t i = 0; i < sources->count; i++) {
		const char *source =
		    text_format("%s/%s", build->folder, sources->item[i]);
		const char *object = text_format("%s/%s.o", folder, sources->item[i]);
		steps[i] = compile_step(build, source, object);
		for (size_t j = 0; j < build->fixed.count; j++) {
			const struct setting *s = &build->fixed.item[j];
			words_add(&steps[i].command,
			          fixed_definition(image_param(&build->manifest, s->key),
			                           s->value));
		}
		words_add(&objects, object);
	}
	if (!make_steps(steps, sources->count))
		fail("%s does not compile: see above", build->folder);
	return objects;
}

/* Makes the object of a file that was generated. */
static void make_generated(struct build *build, struct make_step step, const char *source)
{
	words_add(&step.inputs, source);
	if (!make_steps(&step, 1))
		fail("%s could not be made: see above", path_base(step.output));
	words_add(&build->objects, step.output);
}

static void embed_folders(struct build *build)
{
	for (unsigned i = 0; i < build->manifest.embed_count; i++) {
		const struct image_embed *embed = &build->manifest.embeds[i];
		const char *folder = text_format("%s/%s", build->folder, embed->path);
		const char *source;

		for (size_t j = 0; j < build->settings.count; j++)
			if (strcmp(build->settings.item[j].key, embed->name) == 0)
				folder = build->settings.item[j].value;
		source = embed_write(build, embed, folder);
		make_generated(build, assemble_step(source, text_format("%s.o", source)),
		               source);
	}
}

/* The notes that the build itself adds, and the options that it fixes. */
static void write_build_notes(struct build *build)
{
	const char *path = text_format("%s/notes.c", build->state);
	static const struct settings none;
	const struct settings *options = build->fix_nothing ? &none : &build->options;
	const struct settings *all[] = {&build->fixed, options};
	struct text text = {0};
	int number = 0;

	text_add(&text, "/* Made by kiln build. */\n#include <stddef.h>\n"
	                "#include <kiln/abi/manifest.h>\n");
	text_add(&text,
	         "KILN_NOTE_WITH_TEXTS(build, KILN_NOTE_BUILD, kiln_note_build, %s, "
	         "%lluu);\n",
	         c_literal(build->name), (unsigned long long)build->layout_seed);
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < all[i]->count; j++)
			text_add(&text,
			         "KILN_NOTE_TEXTS(fixed_%d, KILN_NOTE_FIXED, "
			         "%s \"\\0\" %s);\n",
			         number++, c_literal(all[i]->item[j].key),
			         c_literal(all[i]->item[j].value));
	if (options->count) {
		text_add(&text, "extern const char kiln_fixed_options[];\n"
		                "extern const size_t kiln_fixed_options_size;\n"
		                "const char kiln_fixed_options[] =");
		for (size_t j = 0; j < options->count; j++)
			text_add(&text, "\n\t%s",
			         c_literal(text_format("%s=%s", options->item[j].key,
			                               options->item[j].value)));
		text_add(&text, ";\nconst size_t kiln_fixed_options_size = "
		                "sizeof(kiln_fixed_options);\n");
	}
	file_write(path, text.data, text.len);
	make_generated(build, compile_step(build, path, text_format("%s.o", path)), path);
}

/* ---- linking ---- */

/* Of the libraries: all that are there but for the targets. */
static struct words archives_of(const struct build *build)
{
	struct words archives = {0};
	const char *folder = kiln_path(text_format("build/%s", build->world));
	DIR *handle = opendir(folder);
	struct dirent *entry;

	while (handle && (entry = readdir(handle)) != NULL) {
		size_t len = strlen(entry->d_name);
		if (len > 2 && strcmp(entry->d_name + len - 2, ".a") == 0 &&
		    strncmp(entry->d_name, "libtarget-", 10) != 0)
			words_add(&archives, text_format("%s/%s", folder, entry->d_name));
	}
	if (handle)
		closedir(handle);
	words_sort(&archives);
	return archives;
}

static const char *target_archive(const struct build *build, const char *name)
{
	const char *path =
	    kiln_path(text_format("build/%s/libtarget-%s.a", build->world, name));

	if (!file_exists(path))
		fail("%s is missing: %s", path_display(path),
		     kiln_installed() ? "install Kiln anew, with make install"
		                      : "./kiln in Kiln's folder makes it");
	return path;
}

/* What stands under the libraries. The tests' main() comes before that of sim; under a
 * shared object is the program that loads it. */
static struct words target_archives(const struct build *build)
{
	struct words archives = {0};

	if (build->shared)
		return archives;
	if (build->tests)
		words_add(&archives, target_archive(build, "test"));
	words_add(&archives, target_archive(build, build->target->name));
	return archives;
}

/* A program of the host, or, for kiln-sim, an object that shows its start alone: what is in
 * it stays apart from what is in others. */
static void add_hosted_flags(const struct build *build, struct make_step *step)
{
	static const char shown[] = "{ global: kiln_start; local: *; };\n";
	const char *script = text_format("%s/shown.map", build->state);

	words_add(&step->command, build->shared ? "-shared" : "-pie");
	words_add(&step->command, "-Wl,--gc-sections,--build-id=none");
	if (build->sanitize)
		words_add(&step->command, "-fsanitize=address,undefined");
	if (!build->shared)
		return;
	file_write(script, shown, sizeof(shown) - 1);
	words_add(&step->command, "-Wl,-u,kiln_start");
	words_add(&step->command, text_format("-Wl,--version-script=%s", script));
}

static struct make_step link_step(struct build *build, const struct words *archives)
{
	struct make_step step = {.output = text_format("%s/image.elf", build->state),
	                         .title = "linking"};
	struct words *command = &step.command, targets = target_archives(build);
	/* All of host's: what it defines stands in for lib/net, whose members are taken
	 * only for what is not there. Sections that nothing uses go again. */
	bool whole = !build->target->sealed && !build->tests && !build->shared;

	words_split(command, compiler());
	if (build->target->sealed) {
		const char *script =
		    kiln_path(text_format("target/%s/image.ld", build->target->name));
		const char *layout = text_format("%s/layout.ld", build->state);
		flags_add(command, build->target->id == KILN_TARGET_JAIL ? "JAIL_LDFLAGS"
		                                                         : "VM_LDFLAGS");
		words_add(command,
		          text_format("-Wl,-L,%s,-T,%s,--emit-relocs,-Map,%s/image.map",
		                      build->state, script, build->state));
		words_add(&step.inputs, script);
		words_add(&step.inputs, layout);
	} else {
		add_hosted_flags(build, &step);
	}
	words_add_all(command, &build->objects);
	if (whole) {
		words_add(command, "-Wl,--whole-archive");
		words_add_all(command, &targets);
		words_add(command, "-Wl,--no-whole-archive");
	}
	words_add(command, "-Wl,--start-group");
	words_add_all(command, archives);
	if (!whole)
		words_add_all(command, &targets);
	words_add(command, "-Wl,--end-group");
	if (build->target->sealed) {
		flags_add(command, "IMAGE_LIBC");
		/* What the compiler calls where the processor has no instruction. */
		words_add(command, "-lgcc");
	}
	words_add(command, "-o");
	words_add(command, step.output);
	words_add_all(&step.inputs, &build->objects);
	words_add_all(&step.inputs, archives);
	words_add_all(&step.inputs, &targets);
	return step;
}

/* The options that were fixed must be ones that a linked library has. */
static void check_options(const struct build *build, const char *linked)
{
	struct image *image = allocate(sizeof(*image));
	struct text known = {0};
	char error[256];
	size_t size;
	const char *bytes = file_map(linked, &size);

	if (!bytes || !image_parse_notes(image, bytes, size, error, sizeof(error)))
		fail("%s: %s", path_display(linked), bytes ? error : strerror(errno));
	for (unsigned i = 0; i < image->param_count; i++)
		text_add(&known, " --%s", image->params[i].name);
	for (unsigned i = 0; i < image->embed_count; i++)
		text_add(&known, " --%s", image->embeds[i].name);
	for (size_t i = 0; i < build->options.count; i++) {
		const struct setting *s = &build->options.item[i];
		const struct image_param *param = image_param(image, s->key);
		if (!param)
			fail_usage("%s takes no --%s; it takes:%s", build->name, s->key,
			           known.len ? known.data : " none");
		check_value(param, s->value);
	}
}

/* A call into the C library can bring in what makes system calls: nothing would answer
 * them in an image. */
static void check_seal(const struct build *build, const char *linked)
{
	struct image *image = allocate(sizeof(*image));
	struct sections sections = {0};
	struct words broken = {0};
	char error[256];
	size_t size;
	const char *bytes = file_map(linked, &size);

	if (!bytes || !image_parse_notes(image, bytes, size, error, sizeof(error)) ||
	    !image_parse(image, bytes, size, error, sizeof(error)))
		fail("%s: %s", path_display(linked), bytes ? error : strerror(errno));
	if (!sections_read(&sections, bytes, size))
		fail("%s has no section headers", path_display(linked));
	seal_check(&broken, image, &sections, &sections);
	for (size_t i = 0; i < broken.count; i++)
		fprintf(stderr, "kiln: %s: %s\n", build->name, broken.item[i]);
	if (broken.count)
		fail("%s breaks the seal: see above (a function of the C library's that "
		     "needs an operating system? Kiln's own are in include/kiln)",
		     build->name);
}

/* The appliance's own objects, and what they say of it; those of its tests. */
static void compile_appliance(struct build *build)
{
	struct words sources = sources_of_appliance(build);

	build->objects = compile(build, &sources, build->state);
	manifest_read(&build->manifest, &build->objects);
	sort_settings(build);
	if (build->fixed.count)
		build->objects =
		    compile(build, &sources, text_format("%s/fixed", build->state));
	if (build->tests) {
		struct words tests = sources_of_tests(build), objects;
		folder_make(text_format("%s/test", build->state));
		objects = compile(build, &tests, build->state);
		words_add_all(&build->objects, &objects);
	}
	embed_folders(build);
}

const char *build_image(struct build *build)
{
	struct words archives, inputs = {0};
	struct make_step link;

	if (build->has_max_size && !build->target->sealed)
		fail_usage("--max-size is for sealed images: -t jail or -t vm");
	name_appliance(build);
	build_check_needs(build->target);
	open_state(build);
	build->world = build->sanitize ? "asan" : build->target->world;
	if (!build->output)
		build->output =
		    text_format("%s/%s.%s", build->fix_nothing ? build->state : ".",
		                build->name, build->shared ? "so" : build->target->name);
	compile_appliance(build);

	archives = archives_of(build);
	words_add_all(&inputs, &build->objects);
	words_add_all(&inputs, &archives);
	words_add(&inputs, target_archive(build, build->target->name));
	if (build->target->sealed)
		layout_write(build, &inputs, text_format("%s/layout.ld", build->state));
	write_build_notes(build);
	link = link_step(build, &archives);
	if (!make_steps(&link, 1))
		fail("%s does not link: see above (a function that is not there? Kiln's "
		     "own are in include/kiln)",
		     build->name);
	if (!build->fix_nothing)
		check_options(build, link.output);
	if (build->target->sealed) {
		if (!build->unsealed)
			check_seal(build, link.output);
		deliver_image(build, &inputs, link.output);
	} else {
		deliver_program(build, link.output);
	}
	return build->output;
}
