/*
 * What the tests of master files share: a text is read, and its records become lines, "owner
 * TTL type hex", its problems others.
 */
#ifndef MASTER_PLAY_H
#define MASTER_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/dns_master.h>

enum { PLAY_LINES = 4096 };

struct play {
	struct dns_master m;
	char *records[PLAY_LINES];
	size_t count;
	char problems[16384]; /* a line each, warnings behind "warning: " */
	size_t most;          /* records that are taken */
	const char *folder;   /* of $INCLUDE; NULL: `included` is the only file */
	const char *included;
	uint8_t *texts[DNS_MASTER_DEPTH * 2];
	unsigned text_count;
};

static char *play_line(const struct dns_name *owner, uint32_t ttl, uint16_t type,
		       struct slice data)
{
	size_t size = 2 * data.len + 5 * DNS_NAME_SIZE;
	char *line = malloc(size);
	struct dns_name lower = *owner;
	struct writer w = writer_of(line, size);

	dns_name_lower(&lower);
	dns_name_format(&w, &lower);
	writer_format(&w, " %u ", ttl);
	dns_type_format(&w, type);
	writer_u8(&w, ' ');
	for (size_t i = 0; i < data.len; i++)
		writer_format(&w, "%02x", data.data[i]);
	writer_u8(&w, 0);
	assert_false(w.failed);
	return line;
}

static bool play_record(void *context, const struct dns_master_record *record)
{
	struct play *play = context;

	assert_true(dns_data_check(record->type, record->data));
	assert_true(play->count < PLAY_LINES);
	play->records[play->count++] =
	    play_line(record->owner, record->ttl, record->type, record->data);
	return play->count < play->most;
}

static bool play_problem(void *context, const struct dns_master_problem *problem)
{
	struct play *play = context;
	size_t used = strlen(play->problems);
	struct writer w =
	    writer_of(play->problems + used, sizeof(play->problems) - used - 1);

	writer_text(&w, problem->warning ? "warning: " : "");
	dns_master_format(&w, problem);
	writer_u8(&w, '\n');
	assert_false(w.failed);
	return true;
}

/* The file's bytes, each on the heap as long as it is, so that a read past it is seen. */
static struct slice play_keep(struct play *play, struct slice text)
{
	uint8_t *copy = malloc(text.len ? text.len : 1);

	assert_true(play->text_count < KILN_COUNT_OF(play->texts));
	memcpy(copy, text.data, text.len);
	play->texts[play->text_count++] = copy;
	return slice_of(copy, text.len);
}

static const char *play_include(void *context, struct slice path,
				struct dns_master_file *file)
{
	struct play *play = context;
	char name[256], text[65536];

	*file = (struct dns_master_file){.name = path, .number = 1};
	if (!play->folder) {
		if (!play->included)
			return "no such file";
		file->text = play_keep(play, slice_text(play->included));
		return NULL;
	}
	snprintf(name, sizeof(name), "%s/%.*s", play->folder, SLICE_ARG(path));
	FILE *f = fopen(name, "rb");
	if (!f)
		return "no such file";
	file->text = play_keep(play, slice_of(text, fread(text, 1, sizeof(text), f)));
	fclose(f);
	return NULL;
}

static bool play_read(struct play *play, const char *origin, struct slice name,
		      struct slice text)
{
	static const struct dns_master_calls calls = {play_record, play_problem,
						      play_include};
	struct dns_master_file file = {.name = name, .text = play_keep(play, text)};
	struct dns_name zone;

	assert_true(dns_name_parse(slice_text(origin), &zone));
	return dns_master_read(&play->m, &calls, play, &zone, &file);
}

static struct play *play_new(void)
{
	struct play *play = calloc(1, sizeof(*play));

	play->most = SIZE_MAX;
	memset(&play->m, 0xa5, sizeof(play->m)); /* a reader needs no zeroes */
	return play;
}

static void play_free(struct play *play)
{
	for (size_t i = 0; i < play->count; i++)
		free(play->records[i]);
	for (unsigned i = 0; i < play->text_count; i++)
		free(play->texts[i]);
	free(play);
}

#endif
