/*
 * The table of kiln run --timings: see timings.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "backtrace.h"
#include "timings.h"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void add(struct timings *t, uint64_t at, const char *what, bool logged)
{
	if (t->count < TIMINGS_ROWS && !t->printed)
		t->rows[t->count++] = (struct timings_row){at, what, logged};
}

void timings_mark(struct timings *t, const char *what)
{
	add(t, now(), what, false);
}

/* When the monitor began; 0: it has not said so. */
static uint64_t began(const struct reports *reports)
{
	for (unsigned i = 0; i < reports->mark_count; i++)
		if (strcmp(reports->marks[i].name, REPORT_BEGAN) == 0)
			return reports->marks[i].time;
	return 0;
}

/* A line of the log: "[    0.001234] info net: net0 up, 10.0.0.2/24" (lib/core/log.c). */
static void take_line(struct timings *t, const struct reports *reports, const char *line)
{
	unsigned long long seconds, micros, after;
	uint64_t since;
	char level[8];
	int at = 0;

	if (sscanf(line, "[%llu.%6llu] %7s %n", &seconds, &micros, level, &at) != 3 ||
	    !at)
		return;
	since = (seconds * 1000000 + micros) * 1000;
	add(t, since, text_printable(line + at), true);
	if (strstr(line + at, "net: ") == line + at && strstr(line, " up, "))
		t->up++;
	/* One line says how long the image's start lies back, by the clock of the monitor,
	 * which is ours. */
	if (sscanf(line + at, "core: runs, %llu us after the start", &after) == 1) {
		t->runs = true;
		if (began(reports))
			t->entered = began(reports) + after * 1000 - since;
	}
	if (!t->entered)
		t->entered = now() - since; /* about: it has just come */
}

void timings_text(struct timings *t, const struct reports *reports, const char *bytes,
                  size_t size)
{
	for (size_t i = 0; i < size && !t->printed && !t->virtual_time; i++) {
		if (bytes[i] != '\n') {
			if (t->line_len + 1 < sizeof(t->line))
				t->line[t->line_len++] = bytes[i];
			continue;
		}
		t->line[t->line_len] = '\0';
		t->line_len = 0;
		take_line(t, reports, t->line);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct timings_row *left = a, *right = b;

	return left->at < right->at ? -1 : left->at > right->at;
}

void timings_print(struct timings *t, const struct reports *reports, bool ended)
{
	uint64_t before;

	if (t->printed || !(ended || (t->runs && t->up >= t->nets)))
		return;
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].logged)
			t->rows[i].at += t->entered;
	if (t->entered)
		add(t, t->entered, "image entered", false);
	for (unsigned i = 0; i < reports->mark_count; i++)
		add(t, reports->marks[i].time, text_printable(reports->marks[i].name),
		    false);
	qsort(t->rows, t->count, sizeof(t->rows[0]), by_time);
	t->printed = true;
	before = t->count ? t->rows[0].at : 0;
	fprintf(stderr, "kiln: where the time went, in ms\n        at      took\n");
	for (size_t i = 0; i < t->count; i++) {
		const struct timings_row *row = &t->rows[i];
		fprintf(stderr, "  %8.3f  %8.3f  %s%s\n",
		        (double)(row->at - t->rows[0].at) / 1e6,
		        (double)(row->at - before) / 1e6, row->logged ? "image: " : "",
		        row->what);
		before = row->at;
	}
}
