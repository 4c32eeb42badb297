/*
 * Slices: what is too long to be inline in <kiln/slice.h>.
 */
#include <kiln/slice.h>

bool slice_equal_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (byte_lower(a.data[i]) != byte_lower(b.data[i]))
			return false;
	}
	return true;
}

int slice_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.data, b.data, n) : 0;

	if (order)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

size_t slice_find(struct slice s, uint8_t byte)
{
	const uint8_t *at = s.len ? memchr(s.data, byte, s.len) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_equal(slice_take(s, prefix.len), prefix);
}

struct slice slice_trim(struct slice s, uint8_t byte)
{
	while (s.len && s.data[0] == byte)
		s = slice_skip(s, 1);
	while (s.len && s.data[s.len - 1] == byte)
		s.len--;
	return s;
}

bool slice_decimal(struct slice s, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t digit = (uint8_t)(s.data[i] - '0');
		if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (v > max)
		return false;
	*value = v;
	return true;
}
