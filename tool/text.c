/*
 * Texts, lists of texts, and the "--key value" settings of the command line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tool.h"

void *allocate(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		fail("out of memory");
	return p;
}

/* Room for one more element behind `count` of them. */
static void *grown(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity ? *capacity * 2 : 16;
	items = realloc(items, *capacity * size);
	if (!items)
		fail("out of memory");
	return items;
}

char *text_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		fail("out of memory");
	va_end(args);
	return text;
}

void text_add_bytes(struct text *text, const void *bytes, size_t len)
{
	while (text->capacity < text->len + len + 1) {
		text->capacity = text->capacity ? text->capacity * 2 : 256;
		text->data = realloc(text->data, text->capacity);
		if (!text->data)
			fail("out of memory");
	}
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
	text->data[text->len] = 0;
}

void text_add(struct text *text, const char *format, ...)
{
	va_list args;
	char *more;
	int len;

	va_start(args, format);
	len = vasprintf(&more, format, args);
	va_end(args);
	if (len < 0)
		fail("out of memory");
	text_add_bytes(text, more, (size_t)len);
	free(more);
}

void words_add(struct words *words, const char *word)
{
	/* One more than is used: the NULL behind the last. */
	words->item =
	    grown(words->item, words->count + 1, &words->capacity, sizeof(char *));
	words->item[words->count++] = word;
	words->item[words->count] = NULL;
}

void words_add_all(struct words *words, const struct words *more)
{
	for (size_t i = 0; i < more->count; i++)
		words_add(words, more->item[i]);
}

void words_split(struct words *words, const char *text)
{
	char *copy = text_format("%s", text), *rest = NULL;

	for (char *w = strtok_r(copy, " \t\r\n", &rest); w;
	     w = strtok_r(NULL, " \t\r\n", &rest))
		words_add(words, w);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void words_sort(struct words *words)
{
	if (words->count)
		qsort(words->item, words->count, sizeof(char *), compare_words);
}

bool words_have(const struct words *sorted, const char *word)
{
	return sorted->count && bsearch(&word, sorted->item, sorted->count,
	                                sizeof(char *), compare_words);
}

void settings_add(struct settings *settings, const char *key, const char *value)
{
	settings->item = grown(settings->item, settings->count, &settings->capacity,
	                       sizeof(struct setting));
	settings->item[settings->count++] = (struct setting){key, value};
}

bool settings_take(struct settings *settings, char **argv, int *at)
{
	char *option = argv[*at];
	char *key, *equals;
	const char *value;

	if (strncmp(option, "--", 2) != 0 || !option[2])
		return false;
	key = text_format("%s", option + 2);
	equals = strchr(key, '=');
	if (equals) {
		*equals = 0;
		value = equals + 1;
	} else {
		value = argv[*at + 1];
		if (!value)
			fail_usage("--%s needs a value: --%s VALUE", key, key);
		++*at;
	}
	for (char *p = key; *p; p++)
		if (*p == '-')
			*p = '_';
	settings_add(settings, key, value);
	return true;
}

const char *short_option(char letter, char **argv, int *at)
{
	const char *option = argv[*at];

	if (option[0] != '-' || option[1] != letter)
		return NULL;
	if (option[2])
		return option + 2;
	if (!argv[*at + 1])
		fail_usage("-%c needs a value: -%c VALUE", letter, letter);
	return argv[++*at];
}
