/*
 * Parameters: start options ("key=value" texts of the boot struct) meet the declarations
 * that KILN_PARAM_* and KILN_OPTION left in section kiln_params.
 *
 * `kiln run` has checked the same texts against the manifest already; an image that boots
 * elsewhere gets them from a command line, so they are checked here, too.
 */
#include <kiln/abi/param.h>
#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include "param.h"

KILN_OPTION(log, KILN_PARAM_TYPE_LEVEL, "info", "log level: error, warn, info or debug");

/* The linker's names for the section's ends. */
extern const struct kiln_param_binding __start_kiln_params[], __stop_kiln_params[];

/* Options that `kiln build` fixed; see fixed.c. */
extern const char kiln_fixed_options[];
extern const size_t kiln_fixed_options_size;

/* Takes the next "key=value" off the texts. False at their end. */
static bool next_option(struct slice *texts, struct slice *key, struct slice *value)
{
	if (texts->len == 0)
		return false;
	struct slice text = slice_take(*texts, slice_find(*texts, '\0'));
	*texts = slice_skip(*texts, text.len + 1);
	*key = slice_take(text, slice_find(text, '='));
	*value = slice_skip(text, key->len + 1);
	return true;
}

static bool find(struct slice texts, struct slice name, struct slice *value)
{
	struct slice key, text;

	while (next_option(&texts, &key, &text)) {
		if (slice_equal(key, name)) {
			*value = text;
			return true;
		}
	}
	return false;
}

static struct slice given(const struct kiln *k)
{
	return slice_of((const void *)(uintptr_t)k->boot->options, k->boot->options_size);
}

static struct slice fixed(void)
{
	return slice_of(kiln_fixed_options, kiln_fixed_options_size);
}

bool kiln_option(struct kiln *k, const char *name, struct slice *value)
{
	struct slice key = slice_text(name);

	return find(fixed(), key, value) || find(given(k), key, value);
}

static struct slice name_of(const struct kiln_param_binding *b)
{
	return slice_text((const char *)(b->note + 1));
}

static const struct kiln_param_binding *binding(struct slice name)
{
	const struct kiln_param_binding *b;

	for (b = __start_kiln_params; b < __stop_kiln_params; b++) {
		if (slice_equal(name_of(b), name))
			return b;
	}
	return NULL;
}

static void store(const struct kiln_param_binding *b, struct slice text, uint64_t value)
{
	switch (b->note->type) {
	case KILN_PARAM_TYPE_BOOL:
		*(bool *)b->storage = value != 0;
		break;
	case KILN_PARAM_TYPE_PORT:
		*(uint16_t *)b->storage = (uint16_t)value;
		break;
	case KILN_PARAM_TYPE_STRING: /* NUL-terminated where it lies */
		*(const char **)b->storage = (const char *)text.data;
		break;
	default:
		*(uint64_t *)b->storage = value;
	}
}

/* What was given is checked already, here or by the build. */
static void set_log_level(struct kiln *k)
{
	struct slice text;
	uint64_t level;

	if (kiln_option(k, "log", &text) &&
	    param_parse(KILN_PARAM_TYPE_LEVEL, 0, 0, (const char *)text.data, text.len,
	                &level))
		k->log_level = (enum log_level)level;
}

static bool takes(const struct kiln_param_binding *b, struct slice text, uint64_t *value)
{
	const char *start = (const char *)text.data;

	*value = 0;
	return b->kind ? b->kind->takes(start, start + text.len)
	               : param_parse(b->note->type, b->note->min, b->note->max, start,
	                             text.len, value);
}

void param_apply(struct kiln *k)
{
	struct slice texts = given(k), key, text, ignored;
	uint64_t value;

	if (texts.len && texts.data[texts.len - 1] != '\0')
		kiln_fail(k, "param", "the start options do not end as they should");
	while (next_option(&texts, &key, &text)) {
		const struct kiln_param_binding *b = binding(key);
		if (!b || find(fixed(), key, &ignored))
			kiln_fail(k, "param", "no parameter '%.*s' to set at start",
			          SLICE_ARG(key));
		if (!takes(b, text, &value))
			kiln_fail(
			    k, "param", "--%.*s takes %s, not '%.*s'", SLICE_ARG(key),
			    b->kind ? b->kind->text : param_type_text(b->note->type),
			    SLICE_ARG(text));
		if (b->storage)
			store(b, text, value);
	}
	set_log_level(k);
}
