/*
 * Where Kiln itself is, and where it keeps what it makes on the way to an image.
 *
 * In a checkout both are one folder: sources, build/ with what `make` built, and below
 * build/appliance/ what is made of appliances. Installed (make install), Kiln's part is
 * PREFIX/lib/kiln, which is laid out as the checkout is, but for build/, whose content
 * stands beside the rest; it may be read-only, so appliances are made in the user's cache.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sha2.h>
#include "build.h"

const char *kiln_root(void)
{
	static const char *const below[] = {"../..", "../lib/kiln"};
	static const char *root;
	char self[PATH_MAX];
	ssize_t n;

	if (root)
		return root;
	root = getenv("KILN_ROOT");
	if (root && *root)
		return root;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		fail("cannot find where Kiln is: set KILN_ROOT to its folder");
	self[n] = 0;
	*strrchr(self, '/') = 0;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		root = path_resolve(text_format("%s/%s", self, below[i]));
		if (root && file_exists(text_format("%s/target/flags.mk", root)))
			return root;
	}
	fail("%s has nothing of Kiln's around it: set KILN_ROOT to Kiln's folder, or "
	     "install it anew with make install",
	     self);
}

bool kiln_installed(void)
{
	return !folder_exists(text_format("%s/build", kiln_root()));
}

const char *kiln_path(const char *relative)
{
	if (strncmp(relative, "build/", 6) == 0 && kiln_installed())
		relative += 6;
	return text_format("%s/%s", kiln_root(), relative);
}

/* ---- the user's cache ---- */

/* One that others could have made for us is not taken: what lies in it is run. */
static bool is_own(const char *folder)
{
	struct stat st;

	return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static bool make_own(const char *above, const char *folder)
{
	if (above && mkdir(above, 0700) < 0 && errno != EEXIST)
		return false;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return false;
	return is_own(folder) && access(folder, W_OK) == 0;
}

/* $XDG_CACHE_HOME/kiln, or ~/.cache/kiln; for users without a home, one in /tmp. */
static const char *cache(void)
{
	const char *given = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const char *folder = NULL;

	if (given && *given == '/')
		folder = given;
	else if (home && *home == '/')
		folder = text_format("%s/.cache", home);
	if (folder && make_own(folder, text_format("%s/kiln", folder)))
		return text_format("%s/kiln", folder);
	folder = text_format("/tmp/kiln-%u", (unsigned)geteuid());
	if (make_own(NULL, folder))
		return folder;
	fail("there is no folder to build in: neither the cache of this user nor %s can "
	     "be "
	     "written; set XDG_CACHE_HOME to a folder that can",
	     folder);
}

const char *build_state_path(const char *folder, const struct target *target)
{
	const char *given = getenv("KILN_STATE");
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX sha;

	if (!kiln_installed())
		return text_format("%s/%s/%s",
		                   given && *given ? given : kiln_path("build/appliance"),
		                   path_base(folder), target->name);
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)folder, strlen(folder));
	SHA256Final(digest, &sha);
	return text_format("%s/%s-%02x%02x%02x%02x/%s", cache(), path_base(folder),
	                   digest[0], digest[1], digest[2], digest[3], target->name);
}
