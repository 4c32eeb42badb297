/*
 * The header values that the server reads (RFC 9110): lists, dates, entity tags, ranges.
 * What is malformed is told apart from what does not apply only where the RFC does so.
 */
#include "http_wire.h"

/* ---- parts and lists ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

size_t http_part_find(struct slice in, struct http_part part, uint8_t byte)
{
	while (part.at < part.end && in.data[part.at] != byte)
		part.at++;
	return part.at;
}

bool http_part_is(struct slice in, struct http_part part, struct slice text)
{
	size_t same = 0;

	if (part.end - part.at != text.len)
		return false;
	while (part.at < part.end && same < text.len &&
	       byte_lower(in.data[part.at]) == text.data[same]) {
		part.at++;
		same++;
	}
	return same == text.len;
}

struct http_part http_part_trim(struct slice in, struct http_part part)
{
	while (part.at < part.end && is_blank(in.data[part.at]))
		part.at++;
	while (part.at < part.end && is_blank(in.data[part.end - 1]))
		part.end--;
	return part;
}

bool http_list_next(struct slice list, size_t *at, struct http_part *element)
{
	while (*at < list.len) {
		struct http_part rest = {*at, list.len};

		rest.end = http_part_find(list, rest, ',');
		*at = rest.end + 1;
		*element = http_part_trim(list, rest);
		if (element->at < element->end)
			return true;
	}
	return false;
}

/* ---- dates (RFC 9110 5.6.7) ---- */

static const char day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct date {
	unsigned year, month, day; /* month and day from 1 */
	unsigned hour, minute, second;
};

static const unsigned SECONDS_A_DAY = 86400;

/* Days from 1970-01-01 to the date; years from 1970 to 9999. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
	/* Counted in years that start in March, so that the leap day comes last. */
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned m = month <= 2 ? month + 9 : month - 3;
	uint64_t days = 365u * (uint64_t)y + y / 4 - y / 100 + y / 400;

	return days + (153 * m + 2) / 5 + day - 1 - 719468;
}

static unsigned days_in(unsigned year, unsigned month)
{
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (month == 2)
		return leap ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static void date_of(uint64_t days, struct date *d)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t m = (5 * doy + 2) / 153;

	d->day = (unsigned)(doy - (153 * m + 2) / 5 + 1);
	d->month = (unsigned)(m < 10 ? m + 3 : m - 9);
	d->year = (unsigned)(yoe + era * 400 + (d->month <= 2));
}

static bool take_text(struct cursor *c, const char *text)
{
	struct slice want = slice_text(text);

	return slice_equal(cursor_bytes(c, want.len), want);
}

/* Exactly n digits; with `padded` the first may be a space. */
static bool take_number(struct cursor *c, size_t n, bool padded, unsigned *value)
{
	struct slice digits = cursor_bytes(c, n);

	*value = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (padded && i == 0 && digits.data[0] == ' ')
			continue;
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		*value = *value * 10 + (digits.data[i] - '0');
	}
	return digits.len == n;
}

static bool take_month(struct cursor *c, unsigned *month)
{
	struct slice name = cursor_bytes(c, 3);

	for (unsigned i = 0; i < 12; i++) {
		if (slice_equal(name, slice_of(month_names[i], 3))) {
			*month = i + 1;
			return true;
		}
	}
	return false;
}

static bool take_time(struct cursor *c, struct date *d)
{
	return take_number(c, 2, false, &d->hour) && take_text(c, ":") &&
	       take_number(c, 2, false, &d->minute) && take_text(c, ":") &&
	       take_number(c, 2, false, &d->second);
}

/* Behind the name of the day: ", 06 Nov 1994 08:49:37 GMT" */
static bool take_imf(struct cursor *c, struct date *d)
{
	return take_text(c, ", ") && take_number(c, 2, false, &d->day) &&
	       take_text(c, " ") && take_month(c, &d->month) && take_text(c, " ") &&
	       take_number(c, 4, false, &d->year) && take_text(c, " ") &&
	       take_time(c, d) && take_text(c, " GMT");
}

/* ", 06-Nov-94 08:49:37 GMT"; a year that seems over 50 years ahead is of the last
 * century. */
static bool take_rfc850(struct cursor *c, uint64_t now, struct date *d)
{
	struct date today;

	if (!take_text(c, ", ") || !take_number(c, 2, false, &d->day) ||
	    !take_text(c, "-") || !take_month(c, &d->month) || !take_text(c, "-") ||
	    !take_number(c, 2, false, &d->year) || !take_text(c, " ") ||
	    !take_time(c, d) || !take_text(c, " GMT"))
		return false;
	date_of(now / SECONDS_A_DAY, &today);
	d->year += today.year - today.year % 100;
	if (d->year > today.year + 50)
		d->year -= 100;
	return true;
}

/* " Nov  6 08:49:37 1994" */
static bool take_asctime(struct cursor *c, struct date *d)
{
	return take_text(c, " ") && take_month(c, &d->month) && take_text(c, " ") &&
	       take_number(c, 2, true, &d->day) && take_text(c, " ") && take_time(c, d) &&
	       take_text(c, " ") && take_number(c, 4, false, &d->year);
}

bool http_parse_date(struct slice text, uint64_t now, uint64_t *seconds)
{
	for (unsigned i = 0; i < 7; i++) {
		struct slice full = slice_text(day_names[i]);
		struct cursor c;
		struct date d = {0};
		bool good;

		if (!slice_starts_with(text, slice_take(full, 3)))
			continue;
		if (slice_starts_with(text, full)) {
			c = cursor_of(slice_skip(text, full.len));
			good = take_rfc850(&c, now, &d);
		} else {
			c = cursor_of(slice_skip(text, 3));
			good = text.len > 3 && text.data[3] == ',' ? take_imf(&c, &d)
			                                           : take_asctime(&c, &d);
		}
		if (!good || cursor_left(&c) || d.year < 1970 || d.day < 1 ||
		    d.day > days_in(d.year, d.month) || d.hour > 23 || d.minute > 59 ||
		    d.second > 60)
			return false;
		*seconds = days_of(d.year, d.month, d.day) * SECONDS_A_DAY +
		           d.hour * 3600u + d.minute * 60u + d.second;
		return true;
	}
	return false;
}

static void put_number(struct writer *w, unsigned value, unsigned digits)
{
	uint8_t *p = writer_room(w, digits);

	for (unsigned i = digits; p && i-- > 0; value /= 10)
		p[i] = (uint8_t)('0' + value % 10);
}

void http_format_date(struct writer *w, uint64_t seconds)
{
	uint64_t days = seconds / SECONDS_A_DAY;
	unsigned rest = (unsigned)(seconds % SECONDS_A_DAY);
	struct date d;

	date_of(days, &d);
	writer_bytes(w,
	             slice_of(day_names[(days + 4) % 7], 3)); /* 1970 began on Thursday */
	writer_text(w, ", ");
	put_number(w, d.day, 2);
	writer_text(w, " ");
	writer_text(w, month_names[d.month - 1]);
	writer_text(w, " ");
	put_number(w, d.year, 4);
	writer_text(w, " ");
	put_number(w, rest / 3600, 2);
	writer_text(w, ":");
	put_number(w, rest / 60 % 60, 2);
	writer_text(w, ":");
	put_number(w, rest % 60, 2);
	writer_text(w, " GMT");
}

/* ---- entity tags (RFC 9110 8.8.3, 13.1.1, 13.1.2) ---- */

static bool is_separator(uint8_t c)
{
	return is_blank(c) || c == ',';
}

/* The tag that starts at `at`, with its quotes; empty if there is none. */
static struct http_part etag_at(struct slice list, size_t at)
{
	struct http_part tag = {at, at}, inside = {at + 1, list.len};

	if (at >= list.len || list.data[at] != '"')
		return tag;
	at = http_part_find(list, inside, '"');
	if (at < list.len)
		tag.end = at + 1;
	return tag;
}

static bool is_etag(struct slice in, struct http_part part, struct slice tag)
{
	size_t same = 0;

	while (part.at < part.end && same < tag.len &&
	       in.data[part.at] == tag.data[same]) {
		part.at++;
		same++;
	}
	return part.at == part.end && same == tag.len;
}

bool http_etag_match(struct slice value, struct slice tag, bool weak)
{
	struct http_part all = http_part_trim(value, (struct http_part){0, value.len});
	bool found = false;
	size_t at = 0;

	if (http_part_is(value, all, SLICE("*")))
		return true;
	/* To the end, so that a list that is malformed behind the match is no match. */
	while (at < value.len) {
		bool is_weak = value.data[at] == 'W';
		struct http_part one;

		if (is_separator(value.data[at])) {
			at++;
			continue;
		}
		if (is_weak && (++at == value.len || value.data[at++] != '/'))
			return false;
		one = etag_at(value, at);
		at = one.end;
		if (one.at == at || (at < value.len && !is_separator(value.data[at])))
			return false;
		found |= is_etag(value, one, tag) && (weak || !is_weak);
	}
	return found;
}

/* ---- ranges (RFC 9110 14.1.2) ---- */

/* Digits to a number that stops at its largest value; an empty text is malformed. */
static bool position(struct slice in, struct http_part digits, uint64_t *value)
{
	*value = 0;
	for (size_t at = digits.at; at < digits.end; at++) {
		uint8_t d = (uint8_t)(in.data[at] - '0');
		if (d > 9)
			return false;
		if (__builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, d, value))
			*value = UINT64_MAX; /* and stays there, whatever follows */
	}
	return digits.at < digits.end;
}

enum http_range_result http_parse_range(struct slice value, uint64_t length,
                                        uint64_t *first, uint64_t *last)
{
	struct http_part from, to, other;
	size_t at = 6;

	if (!slice_equal_nocase(slice_take(value, at), SLICE("bytes=")) ||
	    !http_list_next(value, &at, &from) || http_list_next(value, &at, &other))
		return HTTP_RANGE_NONE;
	to.end = from.end;
	from.end = http_part_find(value, from, '-');
	to.at = from.end + 1;
	if (from.end == to.end)
		return HTTP_RANGE_NONE;
	*last = length - 1;
	if (from.at == from.end) { /* the last so many bytes */
		uint64_t suffix;
		if (!position(value, to, &suffix))
			return HTTP_RANGE_NONE;
		if (suffix == 0 || length == 0)
			return HTTP_RANGE_UNSATISFIABLE;
		*first = suffix < length ? length - suffix : 0;
		return HTTP_RANGE_ONE;
	}
	if (!position(value, from, first))
		return HTTP_RANGE_NONE;
	if (to.at < to.end) {
		uint64_t end;
		if (!position(value, to, &end) || end < *first)
			return HTTP_RANGE_NONE;
		*last = KILN_MIN(end, length - 1);
	}
	return *first < length ? HTTP_RANGE_ONE : HTTP_RANGE_UNSATISFIABLE;
}
