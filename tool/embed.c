/*
 * KILN_EMBED: a folder becomes an assembly file with the table of <kiln/embed.h> and an
 * .incbin for each of its files, so that the assembler copies the bytes and nothing of
 * them is ever parsed.
 *
 * Links are followed; names that begin with a dot are left out (editors' and version
 * control's own), but for ".well-known" (RFC 8615). The text of the assembly file holds
 * every path, time and digest: it changes exactly when the result would.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sha2.h>
#include "build.h"

enum { FOLDER_DEPTH = 32, FILES = 65536 };

struct found_file {
	const char *path;   /* in the image */
	const char *source; /* on this machine */
	uint64_t modified, size;
	uint8_t digest[SHA256_DIGEST_LENGTH];
};

struct scan {
	struct found_file *files;
	size_t count;
	uint64_t latest; /* SOURCE_DATE_EPOCH: no file is newer */
	struct {
		dev_t device;
		ino_t inode;
	} above[FOLDER_DEPTH];
	size_t depth;
};

static bool left_out(const char *name)
{
	return name[0] == '.' && strcmp(name, ".well-known") != 0;
}

static void check_name(const char *source, const char *name)
{
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			fail("%s: the name of this file has a control character in it; "
			     "rename it or keep it out of the folder",
			     source);
}

static void add_file(struct scan *scan, const char *source, const char *path,
                     const struct stat *st)
{
	struct found_file *file = &scan->files[scan->count];
	SHA2_CTX sha;
	const char *bytes;
	size_t size;

	if (scan->count++ == FILES)
		fail("%s: more than %d files to embed", source, FILES);
	bytes = file_read(source, &size);
	if (!bytes)
		fail("cannot read %s: %s", source, strerror(errno));
	file->path = path;
	file->source = source;
	file->size = size;
	file->modified = st->st_mtim.tv_sec > 0 ? (uint64_t)st->st_mtim.tv_sec : 0;
	if (file->modified > scan->latest)
		file->modified = scan->latest;
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)bytes, size);
	SHA256Final(file->digest, &sha);
	free((void *)(uintptr_t)bytes);
}

static void scan_folder(struct scan *scan, const char *folder, const char *prefix);

static void scan_entry(struct scan *scan, const char *folder, const char *prefix,
                       const char *name)
{
	const char *source = text_format("%s/%s", folder, name);
	const char *path = text_format("%s%s", prefix, name);
	struct stat st;

	check_name(source, name);
	if (stat(source, &st) < 0)
		fail("cannot embed %s: %s%s", source, strerror(errno),
		     errno == ENOENT ? " (a link that leads nowhere?)" : "");
	if (S_ISREG(st.st_mode))
		add_file(scan, source, path, &st);
	else if (S_ISDIR(st.st_mode))
		scan_folder(scan, source, text_format("%s/", path));
	else
		fail("cannot embed %s: it is neither a file nor a folder", source);
}

/* Notes that we are in this folder; a link that leads back into one above is refused. */
static void enter(struct scan *scan, const char *folder)
{
	struct stat st;

	if (stat(folder, &st) < 0)
		fail("cannot embed %s: %s", folder, strerror(errno));
	for (size_t i = 0; i < scan->depth; i++)
		if (scan->above[i].device == st.st_dev &&
		    scan->above[i].inode == st.st_ino)
			fail("cannot embed %s: the link leads back to a folder above it",
			     folder);
	if (scan->depth == FOLDER_DEPTH)
		fail("cannot embed %s: folders are nested more than %d deep", folder,
		     FOLDER_DEPTH);
	scan->above[scan->depth].device = st.st_dev;
	scan->above[scan->depth++].inode = st.st_ino;
}

static void scan_folder(struct scan *scan, const char *folder, const char *prefix)
{
	DIR *handle;
	struct dirent *entry;

	enter(scan, folder);
	handle = opendir(folder);
	if (!handle)
		fail("cannot embed %s: %s", folder, strerror(errno));
	while ((entry = readdir(handle)) != NULL)
		if (!left_out(entry->d_name))
			scan_entry(scan, folder, prefix, entry->d_name);
	closedir(handle);
	scan->depth--;
}

static int compare_paths(const void *a, const void *b)
{
	const struct found_file *x = a, *y = b;

	return strcmp(x->path, y->path); /* by unsigned bytes */
}

static void add_quoted(struct text *text, const char *string)
{
	text_add(text, "\"");
	for (const char *p = string; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '"' || c == '\\')
			text_add(text, "\\%c", c);
		else if (c < 0x7f)
			text_add(text, "%c", c);
		else
			text_add(text, "\\%03o", c);
	}
	text_add(text, "\"");
}

static void add_content(struct text *text, const struct found_file *file, size_t number)
{
	text_add(text, "\t.balign 16\n.Lcontent%zu:\n\t.incbin ", number);
	add_quoted(text, file->source);
	text_add(text, "\n\t.if . - .Lcontent%zu != %llu\n", number,
	         (unsigned long long)file->size);
	text_add(text, "\t.error \"a file of the embedded folder changed meanwhile\"\n");
	text_add(text, "\t.endif\n");
}

static void add_entry(struct text *text, const struct found_file *file, size_t number)
{
	text_add(text, "\t.quad .Lpath%zu, %zu, .Lcontent%zu, %llu, %llu\n\t.byte ",
	         number, strlen(file->path), number, (unsigned long long)file->size,
	         (unsigned long long)file->modified);
	for (int i = 0; i < 16; i++)
		text_add(text, "%s%u", i ? "," : "", file->digest[i]);
	text_add(text, "\n");
}

static void write_assembly(struct text *text, const char *name, const struct scan *scan)
{
	text_add(text, "/* The folder '%s', made by kiln build: see <kiln/embed.h>. */\n",
	         name);
	text_add(text, "\t.section .note.GNU-stack, \"\", @progbits\n");
	text_add(text, "\t.section .rodata.embed.%s, \"a\", @progbits\n", name);
	for (size_t i = 0; i < scan->count; i++)
		add_content(text, &scan->files[i], i);
	for (size_t i = 0; i < scan->count; i++) {
		text_add(text, ".Lpath%zu:\n\t.ascii ", i);
		add_quoted(text, scan->files[i].path);
		text_add(text, "\n");
	}
	text_add(text, "\t.section .data.rel.ro.embed.%s, \"aw\", @progbits\n", name);
	text_add(text, "\t.balign 8\n\t.globl %s\n\t.hidden %s\n", name, name);
	text_add(text, "\t.type %s, @object\n\t.size %s, 16\n", name, name);
	text_add(text, "%s:\n\t.quad .Lfiles, %zu\n.Lfiles:\n", name, scan->count);
	for (size_t i = 0; i < scan->count; i++)
		add_entry(text, &scan->files[i], i);
}

const char *embed_write(struct build *build, const char *name, const char *folder)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	struct scan scan = {.latest = UINT64_MAX};
	const char *path = text_format("%s/embed_%s.s", build->state, name);
	struct text text = {0};

	if (!folder_exists(folder))
		fail("there is no folder %s to embed as '%s': make it, or give another "
		     "with --%s FOLDER",
		     folder, name, name);
	if (epoch && *epoch)
		scan.latest = strtoull(epoch, NULL, 10);
	scan.files = allocate((FILES + 1) * sizeof(*scan.files));
	/* Its real path: the assembler runs in no particular folder. */
	scan_folder(&scan, path_resolve(folder), "");
	qsort(scan.files, scan.count, sizeof(*scan.files), compare_paths);
	if (scan.count == 0)
		warn("the folder %s, embedded as '%s', has no files", folder, name);
	for (size_t i = 0; i < scan.count; i++)
		build->embedded_bytes += scan.files[i].size;
	write_assembly(&text, name, &scan);
	file_write(path, text.data, text.len);
	return path;
}
