/*
 * What reads zones: master files as text, archives of them, and the data of records as it comes
 * in messages. The first byte of the input says which. Data that a text gave is checked as if
 * it had come in a message; a zone that is compiled is read again.
 */
#include "fuzz.h"
#include <kiln/dns_load.h>

enum { MEMORY = 1 << 20, RECORDS = 2000 };

static unsigned records;

static bool take_record(void *context, const struct dns_master_record *record)
{
	FUZZ_REACH(record->data.len > 0, "a record");
	FUZZ_CHECK(dns_data_check(record->type, record->data));
	FUZZ_CHECK(record->ttl <= INT32_MAX && record->line > 0);
	return ++records < RECORDS;
}

static bool take_problem(void *context, const struct dns_master_problem *problem)
{
	uint8_t text[2048];
	struct writer w = writer_of(text, sizeof(text));

	FUZZ_REACH(!problem->warning, "a mistake");
	FUZZ_REACH(problem->warning, "a warning");
	dns_master_format(&w, problem);
	FUZZ_CHECK(!w.failed);
	return ++records < RECORDS;
}

/* Each includes itself. */
static const char *include(void *context, struct slice path, struct dns_master_file *file)
{
	const struct slice *text = context;

	FUZZ_REACH(true, "a file that is included");
	*file = (struct dns_master_file){.name = path, .text = *text};
	return path.len % 2 ? NULL : "no such file";
}

static void try_text(struct slice text)
{
	static const struct dns_master_calls calls = {take_record, take_problem, include};
	static struct dns_master m;
	struct dns_master_file file = {.name = SLICE("a.zone"), .text = text};
	struct dns_name origin;

	records = 0;
	FUZZ_CHECK(dns_name_parse(SLICE("example"), &origin));
	FUZZ_REACH(dns_master_read(&m, &calls, &text, &origin, &file), "a zone without mistakes");
}

static void tell(void *context, bool warning, struct slice line)
{
	FUZZ_CHECK(line.len > 0);
}

static void try_zone(struct dns_load *load, struct slice path)
{
	struct slice compiled;
	struct dns_zone zone;
	struct dns_zone_iterator it;

	if (!dns_load_zone(load, path, &compiled))
		return;
	FUZZ_REACH(true, "a zone of an archive");
	FUZZ_CHECK(dns_zone_open(&zone, compiled));
	dns_zone_iterate(&it, &zone);
	while (dns_zone_next(&it))
		FUZZ_CHECK(dns_data_check(it.type, it.data));
}

static void try_archive(struct slice bytes)
{
	static uint8_t memory[MEMORY];
	static struct dns_load load;
	struct dns_archive archive;
	struct dns_name origin;
	struct arena arena;

	arena_init(&arena, memory, sizeof(memory));
	load.arena = &arena;
	load.now = 1700000000;
	load.read = dns_archive_read;
	load.tell = tell;
	load.context = &bytes;
	dns_archive_open(&archive, bytes);
	while (dns_archive_next(&archive)) {
		FUZZ_REACH(true, "a file of an archive");
		if (dns_load_is_zone(archive.path, &origin))
			try_zone(&load, archive.path);
	}
}

/* A type, and data behind some bytes that names may point to. */
static void try_data(struct slice bytes)
{
	struct cursor c = cursor_of(bytes);
	uint8_t room[4096];
	struct writer w = writer_of(room, sizeof(room));
	struct dns_record record = {.type = cursor_u16(&c)};
	uint8_t before = cursor_u8(&c);

	record.message = cursor_rest(&c);
	record.data = slice_skip(record.message, before);
	if (c.failed || !dns_data_copy(&w, &record))
		return;
	FUZZ_REACH(true, "data in a message");
	FUZZ_CHECK(dns_data_check(record.type, writer_done(&w)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {try_text, try_archive, try_data};
	struct slice bytes = slice_skip(slice_of(data, size), 1);

	if (size) {
		uint8_t *copy = fuzz_copy(bytes);
		parsers[data[0] % KILN_COUNT_OF(parsers)](slice_of(copy, bytes.len));
		free(copy);
	}
	return 0;
}
