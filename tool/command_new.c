/*
 * `kiln new`: a folder with a small appliance that builds, runs and has a test as it is:
 * the files of tool/new, with its name in place of @NAME@.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tool.h"

#define NAME "@NAME@"

static const struct {
	const char *from, *to; /* "@NAME@" stands for the name in both */
} files[] = {
    {"appliance.c", NAME ".c"},
    {"site/index.html", "site/index.html"},
    {"test/test.c", "test/test.c"},
};

enum { FILES = sizeof(files) / sizeof(files[0]) };

static const char *named(const char *template, const char *name)
{
	struct text text = {0};
	const char *at;

	while ((at = strstr(template, NAME)) != NULL) {
		text_add(&text, "%.*s%s", (int)(at - template), template, name);
		template = at + strlen(NAME);
	}
	text_add(&text, "%s", template);
	return text.data;
}

static void check_name(const char *name)
{
	if (*name && name[0] != '.' && name[0] != '-' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                 "0123456789_.-") == strlen(name))
		return;
	fail_usage(
	    "'%s' does not serve as a name: use letters, digits, '_', '.' and '-', "
	    "and begin with a letter, a digit or '_'",
	    name);
}

/* As it was given, without '/' at its end. */
static const char *folder_of(const char *argument)
{
	size_t len = strlen(argument);

	while (len > 1 && argument[len - 1] == '/')
		len--;
	return text_format("%.*s", (int)len, argument);
}

static const char *template(size_t number)
{
	const char *path = kiln_path(text_format("tool/new/%s", files[number].from));
	const char *text = file_read(path, NULL);

	if (!text)
		fail("cannot read %s: %s: install Kiln anew", path, strerror(errno));
	return text;
}

int command_new(int argc, char **argv)
{
	const char *called = getenv("KILN_CALLED") ? getenv("KILN_CALLED") : "kiln";
	const char *folder, *name, *text[FILES];
	struct text made = {0};

	if (argc != 2)
		fail_usage("kiln new takes the name of a folder to make: kiln new NAME");
	folder = folder_of(argv[1]);
	name = path_base(folder);
	check_name(name);
	for (size_t i = 0; i < FILES; i++)
		text[i] = named(template(i), name);
	if (mkdir(folder, 0777) < 0)
		fail("cannot make the folder %s: %s", folder, strerror(errno));
	folder_make(text_format("%s/site", folder));
	folder_make(text_format("%s/test", folder));
	for (size_t i = 0; i < FILES; i++) {
		const char *to = text_format("%s/%s", folder, named(files[i].to, name));
		file_write(to, text[i], strlen(text[i]));
		text_add(&made, " %s", to);
	}
	printf("made%s; next:\n"
	       "  %s run %s -t host --port 8080   and look at http://localhost:8080\n"
	       "  %s test %s\n"
	       "  %s build %s -t jail\n",
	       made.data, called, folder, called, folder, called, folder);
	return 0;
}
