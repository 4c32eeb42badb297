/*
 * KILN_EMBED: a folder becomes an assembly file with the table of <kiln/embed.h> and an
 * .incbin for each of its files, so that the assembler copies the bytes and nothing of
 * them is ever parsed. KILN_EMBED_SITE adds files with compressed copies (coding.c), and
 * KILN_EMBED_MADE embeds what a program made of the folder (embed_made.c).
 *
 * Each file's bytes have a symbol of their own, "site/index.html", and a copy's is
 * "site/index.html:br": they tell the map of an image who takes the room.
 *
 * Links are followed; names that begin with a dot are left out (editors' and version
 * control's own), but for ".well-known" (RFC 8615). The text of the assembly file holds
 * every path and digest: it changes exactly when the result would.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sha2.h>
#include <kiln/abi/param.h>
#include "build.h"

enum { FOLDER_DEPTH = 32, FILES = 65536 };

/* Bytes to embed: a file's, or those of a copy. */
struct content {
	const char *source; /* on this machine; NULL: there is no such copy */
	size_t size;
	uint8_t digest[SHA256_DIGEST_LENGTH];
};

struct found_file {
	const char *path; /* in the image */
	struct content own, coded[EMBED_CODINGS];
};

struct scan {
	struct build *build;
	bool compressed;
	struct found_file *files;
	size_t count;
	uint64_t modified; /* of all files */
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

/* Reads a file that will be embedded. */
static uint8_t *read_content(struct scan *scan, struct content *content,
                             const char *source)
{
	SHA2_CTX sha;
	uint8_t *bytes = (uint8_t *)file_read(source, &content->size);

	if (!bytes)
		fail("cannot read %s: %s", source, strerror(errno));
	content->source = source;
	SHA256Init(&sha);
	SHA256Update(&sha, bytes, content->size);
	SHA256Final(content->digest, &sha);
	scan->build->embedded_bytes += content->size;
	return bytes;
}

static void add_copies(struct scan *scan, struct found_file *file, const uint8_t *bytes)
{
	struct text name = {0};

	for (size_t i = 0; i < sizeof(file->own.digest); i++)
		text_add(&name, "%02x", file->own.digest[i]);
	for (unsigned i = 0; i < EMBED_CODINGS; i++) {
		const char *path = coding_write(scan->build, i, file->path, name.data,
		                                bytes, file->own.size);
		if (path)
			free(read_content(scan, &file->coded[i], path));
	}
	free(name.data);
}

static void add_file(struct scan *scan, const char *source, const char *path)
{
	struct found_file *file = &scan->files[scan->count];
	uint8_t *bytes;

	if (scan->count++ == FILES)
		fail("%s: more than %d files to embed", source, FILES);
	file->path = path;
	bytes = read_content(scan, &file->own, source);
	if (scan->compressed)
		add_copies(scan, file, bytes);
	free(bytes);
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
		add_file(scan, source, path);
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

/* Paths with other characters do without a symbol. */
static bool is_plain(const char *path)
{
	return strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                    "0123456789_.-/") == strlen(path);
}

/* What may be there of a file: its own bytes, and copies of them. */
enum { KINDS = 1 + EMBED_CODINGS };
static const char *const kind_names[KINDS] = {
    [0] = "",
    [1 + EMBED_GZIP] = ":gz",
    [1 + EMBED_BROTLI] = ":br",
};

static const struct content *content_of(const struct found_file *file, unsigned kind)
{
	return kind ? &file->coded[kind - 1] : &file->own;
}

static void add_content(struct text *text, const char *name,
                        const struct found_file *file, size_t number, unsigned kind)
{
	const struct content *content = content_of(file, kind);

	if (!content->source)
		return;
	text_add(text, "\t.balign 16\n");
	if (is_plain(file->path))
		text_add(text,
		         "\t.type \"%s/%s%s\", @object\n\t.size \"%s/%s%s\", %zu\n"
		         "\"%s/%s%s\":\n",
		         name, file->path, kind_names[kind], name, file->path,
		         kind_names[kind], content->size, name, file->path,
		         kind_names[kind]);
	text_add(text, ".Lcontent%zu_%u:\n\t.incbin ", number, kind);
	add_quoted(text, content->source);
	text_add(text, "\n\t.if . - .Lcontent%zu_%u != %zu\n", number, kind,
	         content->size);
	text_add(text, "\t.error \"a file of the embedded folder changed meanwhile\"\n");
	text_add(text, "\t.endif\n");
}

static void add_slice(struct text *text, const struct content *content, size_t number,
                      unsigned kind)
{
	if (content->source)
		text_add(text, "\t.quad .Lcontent%zu_%u, %zu\n", number, kind,
		         content->size);
	else
		text_add(text, "\t.quad 0, 0\n");
}

static void add_digest(struct text *text, const struct content *content)
{
	text_add(text, "\t.byte ");
	for (int i = 0; i < 16; i++)
		text_add(text, "%s%u", i ? "," : "", content->digest[i]);
	text_add(text, "\n");
}

/* struct embed_file */
static void add_entry(struct text *text, const struct found_file *file, size_t number,
                      uint64_t modified)
{
	text_add(text, "\t.quad .Lpath%zu, %zu\n", number, strlen(file->path));
	add_slice(text, &file->own, number, 0);
	text_add(text, "\t.quad %llu\n", (unsigned long long)modified);
	add_digest(text, &file->own);
	for (unsigned i = 0; i < EMBED_CODINGS; i++) {
		add_slice(text, &file->coded[i], number, 1 + i);
		add_digest(text, &file->coded[i]);
	}
}

static void write_assembly(struct text *text, const char *name, const struct scan *scan)
{
	text_add(text, "/* The folder '%s', made by kiln build: see <kiln/embed.h>. */\n",
	         name);
	text_add(text, "\t.section .note.GNU-stack, \"\", @progbits\n");
	text_add(text, "\t.section .rodata.embed.%s, \"a\", @progbits\n", name);
	for (size_t i = 0; i < scan->count; i++)
		for (unsigned kind = 0; kind < KINDS; kind++)
			add_content(text, name, &scan->files[i], i, kind);
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
		add_entry(text, &scan->files[i], i, scan->modified);
}

/*
 * When files were last modified, as far as the image says. A file's own time is that of a
 * checkout or a copy: it differs from one clone to the next, and may be older than that of
 * the bytes it replaces. So there is none, unless who builds gives one for all
 * (https://reproducible-builds.org/specs/source-date-epoch/).
 */
static uint64_t source_date(void)
{
	const uint64_t year_10000 = 253402300800;
	const char *given = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds = 0;

	if (given && *given &&
	    !param_parse(KILN_PARAM_TYPE_UINT, 0, year_10000 - 1, given, strlen(given),
	                 &seconds))
		fail("SOURCE_DATE_EPOCH is '%s', and takes seconds since 1970: unset it, "
		     "or "
		     "try $(git log -1 --format=%%ct)",
		     given);
	return seconds;
}

/* Lists the folder, or what is made of it. */
static void scan_embed(struct scan *scan, const struct image_embed *embed,
                       const char *folder)
{
	bool made = *embed->maker && !scan->compressed;

	if (!folder_exists(folder))
		fail("there is no folder %s to embed as '%s': make it, or give another "
		     "with --%s FOLDER, or none with --%s ''",
		     folder, embed->name, embed->name, embed->name);
	if (made)
		folder = embed_make(scan->build, embed, folder);
	/* Its real path: the assembler runs in no particular folder. */
	scan_folder(scan, path_resolve(folder), "");
	progress_end();
	if (scan->count == 0 && made)
		warn("kiln-embed-%s made nothing of what is embedded as '%s'",
		     embed->maker, embed->name);
	else if (scan->count == 0)
		warn("the folder %s, embedded as '%s', has no files", folder,
		     embed->name);
}

const char *embed_write(struct build *build, const struct image_embed *embed,
                        const char *folder)
{
	struct scan scan = {.build = build,
	                    .compressed = strcmp(embed->maker, "site") == 0,
	                    .modified = source_date()};
	const char *path = text_format("%s/embed_%s.s", build->state, embed->name);
	struct text text = {0};

	scan.files = allocate((FILES + 1) * sizeof(*scan.files));
	if (*folder)
		scan_embed(&scan, embed, folder);
	qsort(scan.files, scan.count, sizeof(*scan.files), compare_paths);
	write_assembly(&text, embed->name, &scan);
	file_write(path, text.data, text.len);
	return path;
}
