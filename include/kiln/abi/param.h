/*
 * Reading the text of a parameter by its type: shared, as a header, by the images, the
 * monitors and the tool, so that all of them accept the same texts. The types that are
 * addresses are in <kiln/abi/address.h>.
 */
#ifndef KILN_ABI_PARAM_H
#define KILN_ABI_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <kiln/abi/manifest.h>

/* A type whose texts not every image has to know. */
struct kiln_param_kind {
	bool (*takes)(const char *text, const char *end);
	const char *text; /* what it takes, for messages */
};

/* Decimal digits at the start of [text, end); advances *text.
 * False if none, or overflow. */
static inline bool param_digits(const char **text, const char *end, uint64_t *value)
{
	uint64_t v = 0;
	const char *p = *text;

	if (p == end || *p < '0' || *p > '9')
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, *p - '0', &v))
			return false;
	}
	*text = p;
	*value = v;
	return true;
}

static inline bool param_is(const char *text, const char *end, const char *word)
{
	size_t n = strlen(word);
	return (size_t)(end - text) == n && memcmp(text, word, n) == 0;
}

/* A number followed by one of the units, whose factors stand in `factor`. */
static inline bool param_scaled(const char *text, const char *end,
				const char *const *unit, const uint64_t *factor,
				size_t units, uint64_t *value)
{
	uint64_t v;

	if (!param_digits(&text, end, &v))
		return false;
	for (size_t i = 0; i < units; i++) {
		if (param_is(text, end, unit[i]))
			return !__builtin_mul_overflow(v, factor[i], value);
	}
	return false;
}

/*
 * True if the text is one that the type takes. *value is then the number it stands for: 0
 * or 1, the number, nanoseconds, bytes, or an enum log_level; for a string it is 0. min
 * and max bound UINT only.
 */
static inline bool param_parse(uint32_t type, uint64_t min, uint64_t max,
			       const char *text, size_t len, uint64_t *value)
{
	static const char *const time_unit[] = {"ns", "us", "ms", "s", "m", "h", ""};
	static const uint64_t time_factor[] = {
		1, 1000, 1000000, 1000000000, 60000000000, 3600000000000, 1000000000};
	static const char *const size_unit[] = {"", "K", "M", "G", "k", "m", "g"};
	static const uint64_t size_factor[] = {1,       1u << 10, 1u << 20, 1u << 30,
					       1u << 10, 1u << 20, 1u << 30};
	static const char *const level[] = {"error", "warn", "info", "debug"};
	const char *end = text + len;

	*value = 0;
	switch (type) {
	case KILN_PARAM_TYPE_BOOL:
		*value = param_is(text, end, "yes") || param_is(text, end, "true") ||
			 param_is(text, end, "on") || param_is(text, end, "1");
		return *value || param_is(text, end, "no") ||
		       param_is(text, end, "false") || param_is(text, end, "off") ||
		       param_is(text, end, "0");
	case KILN_PARAM_TYPE_UINT:
		return param_digits(&text, end, value) && text == end && *value >= min &&
		       *value <= max;
	case KILN_PARAM_TYPE_PORT:
		return param_digits(&text, end, value) && text == end && *value >= 1 &&
		       *value <= 65535;
	case KILN_PARAM_TYPE_DURATION:
		return param_scaled(text, end, time_unit, time_factor, 7, value);
	case KILN_PARAM_TYPE_SIZE:
		return param_scaled(text, end, size_unit, size_factor, 7, value);
	case KILN_PARAM_TYPE_STRING:
		return len <= 8000 && (len == 0 || !memchr(text, 0, len));
	case KILN_PARAM_TYPE_LEVEL:
		for (uint64_t n = 0; n < 4; n++) {
			if (param_is(text, end, level[n])) {
				*value = n;
				return true;
			}
		}
		return false;
	default:
		return false;
	}
}

/* What the type takes, for messages: "a port from 1 to 65535". */
static inline const char *param_type_text(uint32_t type)
{
	switch (type) {
	case KILN_PARAM_TYPE_BOOL:
		return "yes or no";
	case KILN_PARAM_TYPE_UINT:
		return "a number";
	case KILN_PARAM_TYPE_PORT:
		return "a port from 1 to 65535";
	case KILN_PARAM_TYPE_DURATION:
		return "a duration such as 500ms, 30s or 5m";
	case KILN_PARAM_TYPE_SIZE:
		return "a size such as 4096, 64K or 8M";
	case KILN_PARAM_TYPE_STRING:
		return "a text of at most 8000 bytes";
	case KILN_PARAM_TYPE_LEVEL:
		return "error, warn, info or debug";
	default:
		return "unknown";
	}
}

#endif
