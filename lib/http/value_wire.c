/*
 * The header values that the server reads (RFC 9110): lists, dates, entity tags, ranges.
 * What is malformed is told apart from what does not apply only where the RFC does so.
 */
#include "http_wire.h"

/* ---- lists ---- */

struct slice http_trim_blank(struct slice s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = slice_skip(s, 1);
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool http_list_next(struct slice *list, struct slice *element)
{
	while (list->len) {
		size_t comma = slice_find(*list, ',');

		*element = http_trim_blank(slice_take(*list, comma));
		*list = slice_skip(*list, comma + 1);
		if (element->len)
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

/* One tag off the front, with its quotes and without its W/. */
static bool take_etag(struct slice *list, struct slice *tag, bool *is_weak)
{
	size_t end;

	*is_weak = slice_starts_with(*list, SLICE("W/"));
	if (*is_weak)
		*list = slice_skip(*list, 2);
	if (!list->len || list->data[0] != '"')
		return false;
	end = slice_find(slice_skip(*list, 1), '"') + 2;
	if (end > list->len)
		return false;
	*tag = slice_take(*list, end);
	*list = slice_skip(*list, end);
	return true;
}

bool http_etag_match(struct slice value, struct slice tag, bool weak)
{
	struct slice list = http_trim_blank(value), one;
	bool found = false, is_weak;

	if (slice_equal(list, SLICE("*")))
		return true;
	/* To the end, so that a list that is malformed behind the match is no match. */
	while (list.len) {
		if (list.data[0] == ',' || list.data[0] == ' ' || list.data[0] == '\t') {
			list = slice_skip(list, 1);
			continue;
		}
		if (!take_etag(&list, &one, &is_weak) ||
		    (list.len && slice_find(SLICE(", \t"), list.data[0]) == 3))
			return false;
		found |= slice_equal(one, tag) && (weak || !is_weak);
	}
	return found;
}

/* ---- ranges (RFC 9110 14.1.2) ---- */

/* Digits to a number that stops at its largest value; an empty text is malformed. */
static bool position(struct slice digits, uint64_t *value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < digits.len; i++) {
		uint8_t d = (uint8_t)(digits.data[i] - '0');
		if (d > 9)
			return false;
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, d, &v))
			v = UINT64_MAX; /* and stays there, whatever follows */
	}
	*value = v;
	return digits.len != 0;
}

enum http_range_result http_parse_range(struct slice value, uint64_t length,
                                        uint64_t *first, uint64_t *last)
{
	struct slice set, range, other;
	size_t dash;

	if (!slice_equal_nocase(slice_take(value, 6), SLICE("bytes=")))
		return HTTP_RANGE_NONE;
	set = slice_skip(value, 6);
	if (!http_list_next(&set, &range) || http_list_next(&set, &other))
		return HTTP_RANGE_NONE;
	dash = slice_find(range, '-');
	if (dash == range.len)
		return HTTP_RANGE_NONE;
	*last = length - 1;
	if (dash == 0) { /* the last so many bytes */
		uint64_t suffix;
		if (!position(slice_skip(range, 1), &suffix))
			return HTTP_RANGE_NONE;
		if (suffix == 0 || length == 0)
			return HTTP_RANGE_UNSATISFIABLE;
		*first = suffix < length ? length - suffix : 0;
		return HTTP_RANGE_ONE;
	}
	if (!position(slice_take(range, dash), first))
		return HTTP_RANGE_NONE;
	if (dash + 1 < range.len) {
		uint64_t end;
		if (!position(slice_skip(range, dash + 1), &end) || end < *first)
			return HTTP_RANGE_NONE;
		*last = KILN_MIN(end, length - 1);
	}
	return *first < length ? HTTP_RANGE_ONE : HTTP_RANGE_UNSATISFIABLE;
}
