/*
 * What of the machine's a build needs: said all at once before it begins, with the
 * command that installs it, rather than by a compiler that finds no header. In a checkout
 * ./kiln has installed it; an installed kiln comes here without.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "build.h"

static const struct need {
	const char *what; /* a program on PATH, or a file */
	const char *package;
	bool images, hosted; /* which targets it is for */
} needs[] = {
    {"objcopy", "binutils", true, true},
    {"/usr/lib/x86_64-linux-musl/libc.a", "musl-dev", true, false},
    {"/usr/include/x86_64-linux-musl/stdio.h", "musl-dev", true, false},
    {"/usr/include/stdio.h", "libc6-dev", false, true},
};

static bool on_path(const char *program)
{
	const char *path = getenv("PATH");

	if (strchr(program, '/'))
		return access(program, X_OK) == 0;
	while (path && *path) {
		size_t len = strcspn(path, ":");
		if (access(text_format("%.*s/%s", (int)len, path, program), X_OK) == 0)
			return true;
		path += path[len] ? len + 1 : len;
	}
	return false;
}

static bool is_there(const char *what)
{
	return what[0] == '/' ? file_exists(what) : on_path(what);
}

static void add_once(struct words *packages, const char *package)
{
	for (size_t i = 0; i < packages->count; i++)
		if (strcmp(packages->item[i], package) == 0)
			return;
	words_add(packages, package);
}

void build_check_needs(const struct target *target)
{
	struct words packages = {0}, cc = {0};
	struct text list = {0};

	words_split(&cc, compiler());
	if (!on_path(cc.item[0])) {
		if (strcmp(cc.item[0], "gcc") != 0)
			fail("there is no compiler %s, which CC names: install it, or "
			     "unset CC for gcc",
			     cc.item[0]);
		words_add(&packages, "gcc");
	}
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if ((target->sealed ? needs[i].images : needs[i].hosted) &&
		    !is_there(needs[i].what))
			add_once(&packages, needs[i].package);
	if (!packages.count)
		return;
	for (size_t i = 0; i < packages.count; i++)
		text_add(&list, " %s", packages.item[i]);
	fail("to build for %s, these packages are missing:%s; as root: apt-get install%s",
	     target->name, list.data, list.data);
}
