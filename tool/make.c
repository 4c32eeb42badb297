/*
 * A small make: runs a command if what it makes is missing, older than what it is made
 * from, or was made by another command. Next to each output stand output.cmd, the
 * command, and output.d, the headers that the compiler found.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "build.h"

void flags_add(struct words *words, const char *name)
{
	static char *flags;
	size_t len = strlen(name);

	if (!flags)
		flags = file_read(kiln_path("target/flags.mk"), NULL);
	if (!flags)
		fail("cannot read %s: %s", kiln_path("target/flags.mk"), strerror(errno));
	for (const char *line = flags; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, name, len) != 0 || strncmp(line + len, " = ", 3) != 0)
			continue;
		words_split(words, text_format("%.*s", (int)strcspn(line + len + 3, "\n"),
		                               line + len + 3));
		return;
	}
	fail("target/flags.mk does not set %s", name);
}

static char *command_text(const struct words *command)
{
	struct text text = {0};

	for (size_t i = 0; i < command->count; i++)
		text_add(&text, "%s\n", command->item[i]);
	return text.data;
}

/* The next file name in a list of dependencies as gcc writes it; NULL at the end. */
static char *next_dependency(const char **at)
{
	const char *p = *at;
	struct text name = {0};

	while (isspace((unsigned char)*p) || (*p == '\\' && p[1] == '\n'))
		p++;
	while (*p && !isspace((unsigned char)*p)) {
		if (*p == '\\' && p[1] == '\n')
			break;
		if ((*p == '\\' && (p[1] == ' ' || p[1] == '#' || p[1] == '\\')) ||
		    (*p == '$' && p[1] == '$'))
			p++;
		text_add_bytes(&name, p++, 1);
	}
	*at = p;
	return name.data;
}

static bool dependencies_older(const char *list, uint64_t made)
{
	const char *at = file_read(list, NULL);
	const char *name;

	if (!at)
		return true;
	while ((name = next_dependency(&at)) != NULL) {
		uint64_t time;
		/* Targets, of the rule and of the empty ones that -MP writes. */
		if (name[strlen(name) - 1] == ':')
			continue;
		time = file_time(name);
		if (time == 0 || time > made)
			return false;
	}
	return true;
}

static bool up_to_date(const struct make_step *step)
{
	uint64_t made = file_time(step->output);
	const char *before = file_read(text_format("%s.cmd", step->output), NULL);

	if (!made || !before || strcmp(before, command_text(&step->command)) != 0)
		return false;
	for (size_t i = 0; i < step->inputs.count; i++) {
		uint64_t time = file_time(step->inputs.item[i]);
		if (time == 0 || time > made)
			return false;
	}
	return dependencies_older(text_format("%s.d", step->output), made);
}

bool make_steps(struct make_step *steps, size_t count)
{
	struct words *commands = allocate(count * sizeof(*commands));
	const char **titles = allocate(count * sizeof(*titles));
	struct make_step **stale = allocate(count * sizeof(struct make_step *));
	size_t stale_count = 0;
	bool ok;

	for (size_t i = 0; i < count; i++) {
		if (up_to_date(&steps[i]))
			continue;
		/* Left behind by a failure, neither must pass for a success later. */
		unlink(text_format("%s.cmd", steps[i].output));
		unlink(steps[i].output);
		commands[stale_count] = steps[i].command;
		titles[stale_count] = steps[i].title;
		stale[stale_count++] = &steps[i];
	}
	ok = process_run_all(commands, titles, stale_count);
	for (size_t i = 0; i < stale_count; i++) {
		char *text = command_text(&stale[i]->command);
		if (file_exists(stale[i]->output))
			file_write(text_format("%s.cmd", stale[i]->output), text,
			           strlen(text));
	}
	return ok;
}

const char *compiler(void)
{
	const char *given = getenv("CC");

	return given && *given ? given : "gcc";
}

struct make_step assemble_step(const char *source, const char *object)
{
	struct make_step step = {
	    .output = object, .title = text_format("assembling %s", path_base(source))};

	words_split(&step.command, compiler());
	words_add(&step.command, "-c");
	words_add(&step.command, source);
	words_add(&step.command, "-o");
	words_add(&step.command, object);
	return step;
}

struct make_step compile_step(const struct build *build, const char *source,
                              const char *object)
{
	struct make_step step = {.output = object,
	                         .title = text_format("compiling %s", path_base(source))};
	struct words *command = &step.command;
	char here[4096];

	words_split(command, compiler());
	flags_add(command, "COMMON_CFLAGS");
	if (build->sanitize)
		flags_add(command, "ASAN_CFLAGS");
	else
		flags_add(command,
		          build->target->sealed ? "IMAGE_CFLAGS" : "HOSTED_CFLAGS");
	if (strstr(compiler(), "clang"))
		flags_add(command, "CLANG_CFLAGS");
	words_add(command, text_format("-I%s", kiln_path("include")));
	/* No path of this machine gets into the image: the same bytes wherever it is
	 * built. */
	if (getcwd(here, sizeof(here)))
		words_add(command, text_format("-fmacro-prefix-map=%s=.", here));
	words_add(command, text_format("-fmacro-prefix-map=%s=kiln", kiln_root()));
	words_add(command,
	          text_format("-fmacro-prefix-map=%s=%s", build->folder, build->name));
	if (isatty(STDERR_FILENO))
		words_add(command, "-fdiagnostics-color=always");
	words_add(command, "-MMD");
	words_add(command, "-MP");
	words_add(command, "-MF");
	words_add(command, text_format("%s.d", object));
	words_add(command, "-c");
	words_add(command, source);
	words_add(command, "-o");
	words_add(command, object);
	return step;
}
