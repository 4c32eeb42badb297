/*
 * KILN_EMBED_MADE: a folder is not embedded as it is, but what a program makes of it. The
 * program is kiln-embed-MAKER, one of Kiln's own that lies beside this command, or one in the
 * appliance's folder; it is run with the folder and an empty one for what it makes. What it
 * tells goes to where our messages go.
 *
 * It is run again only when a file of the folder, or the program itself, is another than the
 * last time: a list of them, with their sizes and times, is kept beside what it made.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "build.h"

enum { DEPTH = 32 }; /* of folders in folders: embed.c refuses more */

static const char *find_maker(const struct build *build, const char *maker)
{
	const char *own = kiln_path(text_format("build/bin/kiln-embed-%s", maker));
	const char *theirs =
	    path_resolve(text_format("%s/kiln-embed-%s", build->folder, maker));

	if (strspn(maker, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(maker))
		fail("a maker's name is of small letters, digits and '-', not '%s'",
		     maker);
	if (access(own, X_OK) == 0)
		return own;
	if (!theirs || access(theirs, X_OK) != 0)
		fail("%s embeds what kiln-embed-%s makes, but there is no such program: "
		     "it "
		     "is neither Kiln's own nor in %s",
		     build->name, maker, build->folder);
	return theirs;
}

static void list_file(struct text *list, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		text_add(list, "%s %lld %lld.%09ld\n", path, (long long)st.st_size,
		         (long long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
}

static void list_folder(struct text *list, const char *folder, unsigned depth)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);

	if (count < 0)
		fail("cannot read the folder %s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		const char *path = text_format("%s/%s", folder, entries[i]->d_name);

		if (entries[i]->d_name[0] == '.')
			continue;
		if (folder_exists(path) && depth < DEPTH)
			list_folder(list, path, depth + 1);
		else
			list_file(list, path);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void make_empty(const char *folder)
{
	if (nftw(folder, remove_one, DEPTH, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		fail("cannot empty %s: %s", folder, strerror(errno));
	folder_make(folder);
}

const char *embed_make(const struct build *build, const struct image_embed *embed,
                       const char *folder)
{
	const char *maker = find_maker(build, embed->maker);
	const char *out = text_format("%s/made_%s", build->state, embed->name);
	const char *listed = text_format("%s.list", out), *before;
	struct words command = {0};
	struct text list = {0};
	size_t size;

	list_file(&list, maker);
	list_folder(&list, folder, 0);
	before = file_read(listed, &size);
	if (before && size == list.len && memcmp(before, list.data, size) == 0)
		return out;
	(void)unlink(listed);
	make_empty(out);
	words_add(&command, maker);
	words_add(&command, folder);
	words_add(&command, out);
	progress("kiln-embed-%s", embed->maker);
	if (process_run(&command) != 0)
		fail("%s cannot be embedded as '%s': kiln-embed-%s says why above",
		     folder, embed->name, embed->maker);
	file_write(listed, list.data, list.len);
	return out;
}
