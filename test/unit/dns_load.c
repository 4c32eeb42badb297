/*
 * From a folder of master files, or an archive of one, to compiled zones: what is in them
 * after that, and what is told of mistakes. The archives are written by tar itself, in each
 * format that it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>
#include <kiln/bytes.h>
#include <kiln/dns_load.h>

enum { MEMORY = 1 << 20 };

struct file {
	const char *path, *text;
};

struct rig {
	struct dns_load load;
	struct arena arena;
	const struct file *files;
	char lines[8192];
};

static const char *rig_read(void *context, struct slice path, struct slice *text)
{
	struct rig *rig = context;

	for (const struct file *file = rig->files; file->path; file++) {
		if (slice_equal(path, slice_text(file->path))) {
			*text = slice_text(file->text);
			return NULL;
		}
	}
	return "no such file";
}

static void rig_tell(void *context, bool warning, struct slice line)
{
	struct rig *rig = context;
	size_t used = strlen(rig->lines);

	snprintf(rig->lines + used, sizeof(rig->lines) - used, "%s%.*s\n",
	         warning ? "warning: " : "", SLICE_ARG(line));
}

static struct rig *rig_new(const struct file *files, size_t memory)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->files = files;
	arena_init(&rig->arena, aligned_alloc(16, MEMORY), memory);
	rig->load.arena = &rig->arena;
	rig->load.read = rig_read;
	rig->load.tell = rig_tell;
	rig->load.context = rig;
	return rig;
}

static void rig_free(struct rig *rig)
{
	free(rig->arena.start);
	free(rig);
}

#define APEX "$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"

static void a_zone_is_what_its_files_say(void **state)
{
	static const struct file files[] = {
	    {"example.zone", APEX "$INCLUDE hosts/www.txt\n"},
	    {"hosts/www.txt", "www A 192.0.2.2\n"},
	    {NULL, NULL}};
	struct rig *rig = rig_new(files, MEMORY);
	struct slice compiled;
	struct dns_zone zone;
	struct dns_zone_iterator it;
	struct dns_name www;

	assert_true(dns_load_zone(&rig->load, SLICE("example.zone"), &compiled));
	assert_string_equal(rig->lines, "");
	assert_true(dns_zone_open(&zone, compiled));
	assert_int_equal(dns_zone_records(&zone), 4);
	assert_true(dns_name_parse(SLICE("www.example"), &www));
	assert_true(dns_zone_find(&it, &zone, &www, DNS_A));
	assert_true(dns_zone_next(&it));
	assert_true(slice_equal(it.data, SLICE("\300\0\2\2")));
	assert_int_equal(it.ttl, 60);
	rig_free(rig);
}

static void check_mistakes(const struct file *files, const char *lines)
{
	struct rig *rig = rig_new(files, MEMORY);
	struct slice compiled;

	assert_false(dns_load_zone(&rig->load, slice_text(files->path), &compiled));
	assert_string_equal(rig->lines, lines);
	assert_ptr_equal(rig->arena.at, rig->arena.start);
	rig_free(rig);
}

static void mistakes_have_their_file_and_line(void **state)
{
	const struct file syntax[] = {
	    {"example.zone", APEX "$INCLUDE a.txt\nx A 1.2.3\n$INCLUDE b.txt\n"},
	    {"a.txt", "\ny MX mail\n"},
	    {NULL, NULL}};
	const struct file whole[] = {{"example.zone", APEX "$INCLUDE a.txt\n"},
	                             {"a.txt", "\nx CNAME y\nx A 192.0.2.1\n"},
	                             {NULL, NULL}};
	const struct file no_soa[] = {
	    {"example.zone", "$TTL 60\n@ NS ns\nns A 192.0.2.1\n"}, {NULL, NULL}};
	const struct file none[] = {{"example.zone", NULL}, {NULL, NULL}};
	struct rig *rig = rig_new(none + 1, MEMORY);
	struct slice compiled;

	check_mistakes(syntax,
	               "a.txt:2: y.example MX: not a valid number near 'mail'\n"
	               "example.zone:6: x.example A: bad dotted quad near '1.2.3'\n"
	               "example.zone:7: no such file near 'b.txt'\n");
	check_mistakes(whole, "a.txt:2: x.example CNAME: CNAME and other data\n");
	check_mistakes(no_soa, "example.zone: example: no SOA at the zone's own name\n");
	assert_false(dns_load_zone(&rig->load, SLICE("example.zone"), &compiled));
	assert_string_equal(rig->lines, "example.zone: no such file\n");
	rig_free(rig);
}

static void only_so_many_mistakes_are_told_of(void **state)
{
	const struct file files[] = {
	    {"example.zone",
	     "$GENERATE 1-100 a$ 60 A 1.2.3.$\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\n"
	     "x\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\n"},
	    {NULL, NULL}};
	struct rig *rig = rig_new(files, MEMORY);
	struct slice compiled;
	unsigned lines = 0;

	assert_false(dns_load_zone(&rig->load, SLICE("example.zone"), &compiled));
	for (const char *p = rig->lines; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, DNS_LOAD_MISTAKES);
	rig_free(rig);
}

static void a_zone_that_does_not_fit_is_refused(void **state)
{
	const struct file files[] = {
	    {"example.zone", APEX "$GENERATE 1-1000 a$ A 10.0.0.1\n"}, {NULL, NULL}};
	struct slice compiled;
	unsigned refused = 0;
	size_t size = 64;

	for (;; size += 1024) {
		struct rig *rig = rig_new(files, size);

		if (dns_load_zone(&rig->load, SLICE("example.zone"), &compiled)) {
			assert_string_equal(rig->lines, "");
			rig_free(rig);
			break;
		}
		assert_non_null(strstr(rig->lines, "memory"));
		assert_ptr_equal(rig->arena.at, rig->arena.start);
		rig_free(rig);
		refused++;
	}
	assert_true(refused > 40);
}

static void files_are_zones_by_their_names(void **state)
{
	static const char *const bad[] = {"",         ".zone",   "example", "a..b.zone",
	                                  "a/b.zone", "x.zone~", ".a.zone"};
	struct dns_name origin;

	assert_true(dns_load_is_zone(SLICE("a.example.zone"), &origin));
	assert_int_equal(origin.size, 11);
	assert_true(dns_load_is_zone(SLICE("root.zone"), &origin));
	assert_int_equal(origin.size, 1);
	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++)
		assert_false(dns_load_is_zone(slice_text(bad[i]), &origin));
}

/* ---- archives ---- */

static struct slice archive_of(const char *format)
{
	static uint8_t bytes[65536];
	char folder[] = "/tmp/kiln-load-XXXXXX", command[1024];

	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof(command),
	         "cd %s && mkdir -p zones/%090d && printf 'a text' >zones/a.zone && "
	         "printf '' >zones/empty && ln -s a.zone zones/link && "
	         "mkdir zones/%090d/%090d && head -c 512 /dev/zero "
	         ">zones/%090d/%090d/block && "
	         "cd zones && tar --format=%s --sort=name -cf ../all.tar .",
	         folder, 0, 0, 0, 0, 0, format);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/all.tar", folder);
	FILE *f = fopen(command, "rb");
	assert_non_null(f);
	size_t size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	return slice_of(bytes, size);
}

static void check_archive(const char *format)
{
	struct slice bytes = archive_of(format), text;
	struct dns_archive archive;
	char path[256];

	dns_archive_open(&archive, bytes);
	snprintf(path, sizeof(path), "%090d/%090d/block", 0, 0);
	assert_true(dns_archive_next(&archive));
	assert_true(slice_equal(archive.path, slice_text(path)));
	assert_int_equal(archive.content.len, 512);
	assert_true(dns_archive_next(&archive));
	assert_true(slice_equal(archive.path, SLICE("a.zone")));
	assert_true(slice_equal(archive.content, SLICE("a text")));
	assert_true(dns_archive_next(&archive));
	assert_true(slice_equal(archive.path, SLICE("empty")));
	assert_int_equal(archive.content.len, 0);
	assert_false(dns_archive_next(&archive));
	assert_false(archive.failed);
	assert_null(dns_archive_read(&bytes, SLICE("a.zone"), &text));
	assert_true(slice_equal(text, SLICE("a text")));
	assert_non_null(dns_archive_read(&bytes, SLICE("link"), &text));
}

static void an_archive_has_the_files_that_tar_put_there(void **state)
{
	check_archive("ustar");
	check_archive("pax");
	check_archive("gnu");
}

static void an_archive_that_is_cut_off_or_damaged_is_told_from_a_whole_one(void **state)
{
	struct slice bytes = archive_of("ustar");
	struct dns_archive archive;
	unsigned whole = 0;

	for (size_t size = 0; size < bytes.len; size += 64) {
		uint8_t *copy = malloc(size + 1);

		memcpy(copy, bytes.data, size);
		dns_archive_open(&archive, slice_of(copy, size));
		while (dns_archive_next(&archive))
			continue;
		whole += !archive.failed;
		free(copy);
	}
	assert_true(whole > 0 && whole < bytes.len / 64);
	((uint8_t *)(uintptr_t)bytes.data)[0] ^= 1; /* the checksum's turn */
	dns_archive_open(&archive, bytes);
	assert_false(dns_archive_next(&archive));
	assert_true(archive.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_zone_is_what_its_files_say),
	    cmocka_unit_test(mistakes_have_their_file_and_line),
	    cmocka_unit_test(only_so_many_mistakes_are_told_of),
	    cmocka_unit_test(a_zone_that_does_not_fit_is_refused),
	    cmocka_unit_test(files_are_zones_by_their_names),
	    cmocka_unit_test(an_archive_has_the_files_that_tar_put_there),
	    cmocka_unit_test(
	        an_archive_that_is_cut_off_or_damaged_is_told_from_a_whole_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
