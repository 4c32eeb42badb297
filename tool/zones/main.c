/*
 * kiln-embed-zones FOLDER OUT: the maker of KILN_EMBED_ZONES (<kiln/dns_load.h>), run by `kiln
 * build`. Each FOLDER/NAME.zone is a master file; OUT/NAME.zone becomes its zone, compiled.
 * All files are read, so that one run tells of the mistakes in all of them; with any, nothing
 * is embedded.
 *
 * The memory for a zone is one mapping, of which only what is used is there, and is used for
 * the next zone again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <kiln/dns_load.h>

enum { OPEN_FILES = 1024 }; /* of one zone: each $INCLUDE maps its file */

/* As much as a compiled zone may have, and its records on the way. */
static const size_t memory_size = (size_t)16 << 30;

struct maker {
	const char *folder;
	struct slice texts[OPEN_FILES];
	size_t text_count;
	struct dirent **others; /* what lies beside the zones */
	int other_count;
	bool *included; /* of the others */
	struct arena arena;
	struct dns_load load;
};

static _Noreturn void give_up(const char *what, const char *name)
{
	fprintf(stderr, "kiln-embed-zones: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

/* ---- what a zone is read from ---- */

/* No path leads out of the folder; links do as little harm as in any folder to embed. */
static bool stays_inside(const char *path)
{
	if (path[0] == '/' || path[0] == '\0')
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
			return false;
	}
	return true;
}

static const char *map_file(struct maker *maker, const char *path, struct slice *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *reason = NULL;
	struct stat st;

	*text = (struct slice){0};
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		reason = "it is no file";
	} else if (maker->text_count == OPEN_FILES) {
		reason = "too many files";
	} else if (st.st_size > 0) {
		void *bytes =
		    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (bytes == MAP_FAILED)
			reason = strerror(errno);
		else
			*text = maker->texts[maker->text_count++] =
			    slice_of(bytes, (size_t)st.st_size);
	}
	close(fd);
	return reason;
}

static const char *read_file(void *context, struct slice path, struct slice *text)
{
	struct maker *maker = context;
	char below[512], whole[4096];

	if (path.len >= sizeof(below))
		return "its path is too long";
	memcpy(below, path.data, path.len);
	below[path.len] = '\0';
	if (strlen(below) != path.len || !stays_inside(below))
		return "it is not in the zone's folder";
	snprintf(whole, sizeof(whole), "%s/%s", maker->folder, below);
	for (int i = 0; i < maker->other_count; i++)
		maker->included[i] |= strcmp(maker->others[i]->d_name, below) == 0;
	return map_file(maker, whole, text);
}

static void forget_files(struct maker *maker)
{
	for (size_t i = 0; i < maker->text_count; i++)
		munmap((void *)(uintptr_t)maker->texts[i].data, maker->texts[i].len);
	maker->text_count = 0;
}

static void tell(void *context, bool warning, struct slice line)
{
	struct maker *maker = context;

	fprintf(stderr, "%s%s/%.*s\n", warning ? "warning: " : "", maker->folder,
	        SLICE_ARG(line));
}

/* ---- all zones ---- */

static int is_zone(const struct dirent *entry)
{
	struct dns_name origin;

	return dns_load_is_zone(slice_text(entry->d_name), &origin);
}

/* Neither a zone, nor an editor's or version control's own. */
static int is_other(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && !is_zone(entry);
}

/* So that files of the same zone are beside each other. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcasecmp((*a)->d_name, (*b)->d_name);
}

static void write_zone(const char *out, const char *name, struct slice compiled)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", out, name);
	file = fopen(path, "wb");
	if (!file || fwrite(compiled.data, 1, compiled.len, file) != compiled.len ||
	    fclose(file) != 0)
		give_up("cannot write", path);
}

static bool make_zone(struct maker *maker, const char *out, const char *name)
{
	uint8_t *before = maker->arena.at;
	struct slice compiled;
	bool good = dns_load_zone(&maker->load, slice_text(name), &compiled);

	if (good)
		write_zone(out, name, compiled);
	else
		fprintf(stderr, "kiln-embed-zones: %s/%s: %s\n", maker->folder, name,
		        maker->load.mistakes < DNS_LOAD_MISTAKES
		            ? "not a zone that can be served"
		            : "more mistakes than are told of");
	maker->arena.at = before;
	forget_files(maker);
	return good;
}

static void list_others(struct maker *maker)
{
	maker->other_count = scandir(maker->folder, &maker->others, is_other, by_name);
	maker->included = calloc((size_t)KILN_MAX(maker->other_count, 1), 1);
	if (maker->other_count < 0 || !maker->included)
		give_up("cannot read", maker->folder);
}

/* Such as "db.example.com", or "example.com.zone.signed": somebody thinks that they are served. */
static void warn_of_others(const struct maker *maker)
{
	for (int i = 0; i < maker->other_count; i++) {
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", maker->folder,
		         maker->others[i]->d_name);
		if (!maker->included[i] && stat(path, &st) == 0 && S_ISREG(st.st_mode))
			fprintf(stderr,
			        "warning: %s: not read: it is no NAME.zone, and no zone "
			        "includes it\n",
			        path);
	}
}

static bool make_all(struct maker *maker, const char *out)
{
	struct dirent **entries;
	int count = scandir(maker->folder, &entries, is_zone, by_name);
	bool good = true;

	if (count < 0)
		give_up("cannot read", maker->folder);
	list_others(maker);
	/* An empty folder is meant: the server is a secondary, or has its zones of a disk. */
	if (count == 0 && maker->other_count > 0) {
		fprintf(stderr,
		        "kiln-embed-zones: %s has no zone: example.com.zone is the file "
		        "of example.com\n",
		        maker->folder);
		return false;
	}
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (i > 0 && strcasecmp(name, entries[i - 1]->d_name) == 0) {
			fprintf(stderr,
			        "kiln-embed-zones: %s/%s and %s/%s are the same zone\n",
			        maker->folder, entries[i - 1]->d_name, maker->folder,
			        name);
			good = false;
			continue;
		}
		good = make_zone(maker, out, name) && good;
	}
	if (good)
		warn_of_others(maker);
	return good;
}

int main(int argc, char **argv)
{
	static struct maker maker;

	if (argc != 3) {
		fprintf(stderr,
		        "usage: kiln-embed-zones FOLDER OUT (kiln build runs it)\n");
		return 2;
	}
	void *memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		give_up("no memory for", argv[1]);
	arena_init(&maker.arena, memory, memory_size);
	maker.folder = argv[1];
	maker.load = (struct dns_load){.arena = &maker.arena,
	                               .now = (uint32_t)time(NULL),
	                               .read = read_file,
	                               .tell = tell,
	                               .context = &maker};
	return make_all(&maker, argv[2]) ? 0 : 1;
}
