/*
 * `kiln complete WORD...`: what can stand in place of the last of these words, which are
 * those behind `kiln` on a command line that is being typed. For the shells' completion
 * (tool/completion), which ask here, so that it is all in one place.
 *
 * One candidate a line, what it is behind a tab; a line "@file" or "@folder" asks the
 * shell for names of files. Nothing here fails: who is typing wants no messages.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "build.h"
#include "usage.h"

struct typed {
	const struct usage_command *command;
	struct words before; /* the words behind the command, but for the last */
	const char *last;
	const char
	    *prefix; /* of the last word, in front of what is completed: "--log=" */
};

static void offer(const struct typed *typed, const char *word, const char *what)
{
	if (strncmp(word, typed->last, strlen(typed->last)) == 0)
		printf("%s%s\t%s\n", typed->prefix, word, what);
}

/* ---- the image that is meant ---- */

static bool read_notes(const char *path, struct image *image)
{
	char error[256];
	size_t size;
	const char *bytes = file_read(path, &size);

	return bytes && image_parse_notes(image, bytes, size, error, sizeof(error)) &&
	       image->target.abi;
}

/* What was built of a folder last. The next build may leave open what that one fixed. */
static bool read_built(const char *folder, const struct target *target,
                       struct image *image)
{
	const char *real = path_resolve(folder);

	for (unsigned i = 0; target_at(i); i++) {
		const char *state = build_state_path(real, target_at(i));
		if ((target && target != target_at(i)) ||
		    !read_notes(text_format("%s/image.elf", state), image))
			continue;
		memset(image->param_fixed, 0, sizeof(image->param_fixed));
		return true;
	}
	return false;
}

/* The image or the folder that the words before name. */
static bool find_image(const struct typed *typed, struct image *image)
{
	const struct target *target = NULL;

	for (size_t i = 0; i + 1 < typed->before.count; i++)
		if (strcmp(typed->before.item[i], "-t") == 0)
			target = target_find(typed->before.item[i + 1]);
	for (size_t i = 0; i < typed->before.count; i++) {
		const char *word = typed->before.item[i];
		if (folder_exists(word) ? read_built(word, target, image)
		                        : read_notes(word, image))
			return true;
	}
	return false;
}

static const struct usage_option *find_option(const struct usage_command *command,
                                              const char *name)
{
	for (const struct usage_group *g = command->groups; g->options; g++)
		for (const struct usage_option *o = g->options; o->name; o++)
			if (strcmp(o->name, name) == 0)
				return o;
	return NULL;
}

/* Those that are not among the command's options anyway. */
static void offer_parameters(const struct typed *typed, bool building)
{
	struct image *image = allocate(sizeof(*image));

	if (!find_image(typed, image))
		return;
	for (unsigned i = 0; i < image->param_count; i++) {
		const char *option = text_format("--%s", image->params[i].name);
		if (!image->param_fixed[i] && !find_option(typed->command, option))
			offer(typed, option, image->params[i].help);
	}
	for (unsigned i = 0; building && i < image->embed_count; i++)
		offer(typed, text_format("--%s", image->embeds[i].name),
		      "folder to embed");
}

/* The values that a parameter of the image takes. */
static void offer_parameter_values(const struct typed *typed, const char *key)
{
	struct image *image = allocate(sizeof(*image));
	const struct image_param *param;

	if (!find_image(typed, image))
		return;
	param = image_param(image, key);
	if (param && param->note.type == KILN_PARAM_TYPE_BOOL) {
		offer(typed, "yes", "");
		offer(typed, "no", "");
	}
	for (unsigned i = 0; i < image->embed_count; i++)
		if (strcmp(image->embeds[i].name, key) == 0)
			puts("@folder");
}

/* ---- words of the table ---- */

static void offer_options(const struct typed *typed)
{
	for (const struct usage_group *g = typed->command->groups; g->options; g++)
		for (const struct usage_option *o = g->options; o->name; o++)
			if (!strpbrk(o->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
				offer(typed, o->name, o->what);
}

static void offer_commands(const struct typed *typed)
{
	for (const struct usage_command *c = usage_commands; c->name; c++)
		offer(typed, c->name, c->what);
}

/* The folders of Kiln's tests, where this is all of Kiln. */
static void offer_suites(const struct typed *typed)
{
	DIR *folder = opendir(kiln_path("test"));
	struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && entry->d_name[0] != '_' &&
		    folder_exists(kiln_path(text_format("test/%s", entry->d_name))))
			offer(typed, entry->d_name, "a suite of Kiln's tests");
	if (folder)
		closedir(folder);
}

/* The words, and what "@..." stands for: see usage.c. */
static void offer_values(const struct typed *typed, const char *values)
{
	struct words words = {0};

	words_split(&words, values ? values : "");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.item[i];
		if (word[0] != '@') {
			offer(typed, word, "");
		} else if (strcmp(word, "@target") == 0) {
			for (unsigned t = 0; target_at(t); t++)
				offer(typed, target_at(t)->name, target_at(t)->what);
		} else if (strcmp(word, "@command") == 0) {
			offer_commands(typed);
		} else if (strcmp(word, "@suite") == 0) {
			offer_suites(typed);
		} else {
			puts(strcmp(word, "@file") == 0 || strcmp(word, "@image") == 0
			         ? "@file"
			         : "@folder");
		}
	}
}

/* ---- the command ---- */

/* The value of an option, "--key VALUE" or "--key=VALUE". */
static void complete_value(const struct typed *typed, const char *name)
{
	const struct usage_option *option = find_option(typed->command, name);

	if (option)
		offer_values(typed, option->values);
	else if (strncmp(name, "--", 2) == 0)
		offer_parameter_values(typed, name + 2);
}

static bool takes_value(const struct typed *typed, const char *word)
{
	const struct usage_option *option = find_option(typed->command, word);

	if (word[0] != '-' || strchr(word, '='))
		return false;
	return option ? option->value != NULL : word[1] == '-';
}

static void complete_word(struct typed *typed)
{
	const char *equals = strchr(typed->last, '=');
	size_t count = typed->before.count;

	if (count && takes_value(typed, typed->before.item[count - 1])) {
		complete_value(typed, typed->before.item[count - 1]);
	} else if (typed->last[0] == '-' && equals) {
		size_t length = (size_t)(equals - typed->last);
		const char *name = text_format("%.*s", (int)length, typed->last);
		typed->prefix = text_format("%s=", name);
		typed->last = equals + 1;
		complete_value(typed, name);
	} else if (typed->last[0] == '-') {
		offer_options(typed);
		if (find_option(typed->command, "--KEY"))
			offer_parameters(typed,
			                 strcmp(typed->command->name, "build") == 0);
	} else {
		offer_values(typed, typed->command->words);
	}
}

int command_complete(int argc, char **argv)
{
	struct typed typed = {.last = argc > 1 ? argv[argc - 1] : "", .prefix = ""};

	if (argc <= 2) {
		offer_commands(&typed);
		return 0;
	}
	typed.command = usage_find(argv[1]);
	for (int i = 2; i < argc - 1; i++)
		words_add(&typed.before, argv[i]);
	if (typed.command)
		complete_word(&typed);
	return 0;
}
