/*
 * Master files as BIND reads them: the same files go through named-compilezone, whose raw
 * form has each record's bytes, and through the reader; both have the same records. Skipped
 * where BIND is not installed.
 */
#include "master_play.h"
#include <sys/stat.h>
#include <unistd.h>

static const char folder[] = "test/unit/master";
static const char bind[] =
    "named-compilezone -q -i none -k ignore -n ignore -r ignore -m ignore -M ignore "
    "-S ignore -T ignore -W ignore -F raw";

static struct slice read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	uint8_t *bytes = malloc((size_t)st.st_size);
	assert_int_equal(fread(bytes, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	return slice_of(bytes, (size_t)st.st_size);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The raw form: a header of 24 bytes, then sets of records: total size, class, type, covered
 * type, TTL, number of records, the owner, each record's data. */
static size_t read_raw(struct slice raw, char **lines)
{
	struct cursor c = cursor_of(raw);
	size_t count = 0;

	assert_int_equal(cursor_u32(&c), 2);
	cursor_skip(&c, 20);
	while (cursor_left(&c)) {
		struct dns_name owner;

		cursor_skip(&c, 4 + 2);
		uint16_t type = cursor_u16(&c);
		cursor_skip(&c, 2);
		uint32_t ttl = cursor_u32(&c), records = cursor_u32(&c);
		owner.size = (uint8_t)cursor_u16(&c);
		cursor_copy(&c, owner.bytes, owner.size);
		while (records-- > 0) {
			struct slice data = cursor_bytes(&c, cursor_u16(&c));

			assert_false(c.failed);
			assert_true(count < PLAY_LINES);
			lines[count++] = play_line(&owner, ttl, type, data);
		}
	}
	return count;
}

static void compare(const char *name, size_t least)
{
	static char *theirs[PLAY_LINES];
	struct play *play = play_new();
	char path[64], command[512], raw[] = "/tmp/kiln-master-XXXXXX";
	int file = mkstemp(raw);

	assert_true(file >= 0);
	close(file);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(command, sizeof(command), "cd %s && %s -o %s example %s >/dev/null",
	         folder, bind, raw, name);
	if (system("command -v named-compilezone >/dev/null") != 0)
		skip();
	assert_int_equal(system(command), 0);
	struct slice bytes = read_file(raw), text = read_file(path);
	unlink(raw);
	size_t count = read_raw(bytes, theirs);
	assert_true(count >= least);

	play->folder = folder;
	if (!play_read(play, "example", slice_text(name), text))
		fail_msg("%s", play->problems);
	qsort(theirs, count, sizeof(*theirs), by_text);
	qsort(play->records, play->count, sizeof(*play->records), by_text);
	for (size_t i = 0; i < count && i < play->count; i++)
		assert_string_equal(play->records[i], theirs[i]);
	assert_int_equal(play->count, count);
	for (size_t i = 0; i < count; i++)
		free(theirs[i]);
	free((void *)(uintptr_t)bytes.data);
	free((void *)(uintptr_t)text.data);
	play_free(play);
}

static void records_of_every_type_have_the_bytes_that_bind_gives_them(void **state)
{
	compare("types.zone", 120);
}

static void a_file_says_what_bind_takes_it_to_say(void **state)
{
	compare("syntax.zone", 55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_of_every_type_have_the_bytes_that_bind_gives_them),
	    cmocka_unit_test(a_file_says_what_bind_takes_it_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
