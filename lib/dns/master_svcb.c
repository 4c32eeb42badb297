/*
 * Parameters of SVCB and HTTPS records (RFC 9460, 2.1 and appendix A): key=value, a key
 * without a value, key="a value", in any order; in the record they are sorted by the keys'
 * numbers. A key that is written as its number, key65, has any bytes for its value.
 */
#include "master_private.h"

enum {
	MANDATORY = 0,
	ALPN = 1,
	NO_DEFAULT_ALPN = 2,
	PORT = 3,
	IPV4HINT = 4,
	ECH = 5,
	IPV6HINT = 6,
	DOHPATH = 7,
	OHTTP = 8,
};

static const char names[][16] = {
    [MANDATORY] = "mandatory",
    [ALPN] = "alpn",
    [NO_DEFAULT_ALPN] = "no-default-alpn",
    [PORT] = "port",
    [IPV4HINT] = "ipv4hint",
    [ECH] = "ech",
    [IPV6HINT] = "ipv6hint",
    [DOHPATH] = "dohpath",
    [OHTTP] = "ohttp",
};

/* *generic: it is given by its number. */
static bool find_key(struct slice text, uint16_t *key, bool *generic)
{
	uint64_t number;

	*generic = false;
	for (uint16_t i = 0; i < KILN_COUNT_OF(names); i++) {
		if (slice_equal(text, slice_text(names[i]))) {
			*key = i;
			return true;
		}
	}
	struct slice digits = slice_skip(text, 3);
	if (!slice_starts_with(text, SLICE("key")) ||
	    (digits.len > 1 && digits.data[0] == '0') ||
	    !slice_decimal(digits, UINT16_MAX, &number))
		return false;
	*key = (uint16_t)number;
	*generic = true;
	return true;
}

/* The part up to a comma, which the value is left behind. */
static struct slice next_item(struct slice *value)
{
	size_t comma = slice_find(*value, ',');
	struct slice item = slice_take(*value, comma);

	*value = slice_skip(*value, comma + 1);
	return item;
}

/* A list's items have escapes of their own, below those of the string: appendix A.1. */
static bool put_alpn(struct dns_master *m, struct slice value)
{
	struct cursor c = cursor_of(value);
	uint8_t *length = writer_room(&m->w, 1);
	size_t start = m->w.at;

	while (!c.failed) {
		bool end = cursor_left(&c) == 0;
		uint8_t byte = end ? ',' : master_byte(&c);

		if (byte == '\\' && cursor_left(&c)) {
			writer_u8(&m->w, master_byte(&c));
			continue;
		}
		if (byte != ',') {
			writer_u8(&m->w, byte);
			continue;
		}
		size_t size = m->w.at - start;
		if (size == 0 || size > UINT8_MAX)
			return master_fail(m, "an item of alpn is empty or too long");
		if (length)
			*length = (uint8_t)size;
		if (end)
			return true;
		length = writer_room(&m->w, 1);
		start = m->w.at;
	}
	return master_fail(m, "not a valid escape");
}

static bool put_hints(struct dns_master *m, struct slice value, uint16_t key)
{
	uint8_t address[16];

	do {
		struct slice item = next_item(&value);

		if (!(key == IPV4HINT ? master_ip4(item, address)
		                      : master_ip6(item, address)))
			return master_fail(m, "not a valid address");
		writer_bytes(&m->w, slice_of(address, key == IPV4HINT ? 4 : 16));
	} while (value.len);
	return true;
}

/* Keys' numbers, sorted: by one bit each on the way. */
static bool put_mandatory(struct dns_master *m, struct slice value)
{
	bool good = true, generic;
	unsigned most = 0;
	uint16_t key;

	do {
		good = find_key(next_item(&value), &key, &generic);
		if (!good)
			break;
		uint8_t bit = (uint8_t)(0x80 >> key % 8);
		most = KILN_MAX(most, key);
		good = key != MANDATORY && !(m->set[key / 8] & bit);
		m->set[key / 8] |= bit;
	} while (good && value.len);
	for (unsigned i = 0; i <= most; i++) {
		if (m->set[i / 8] & 0x80 >> i % 8)
			writer_u16(&m->w, (uint16_t)i);
	}
	memset(m->set, 0, most / 8 + 1);
	return good || master_fail(m, "not a valid list of mandatory keys");
}

static bool put_value(struct dns_master *m, uint16_t key, struct slice value)
{
	uint64_t port;

	switch (key) {
	case MANDATORY:
		return put_mandatory(m, value);
	case ALPN:
		return put_alpn(m, value);
	case NO_DEFAULT_ALPN:
	case OHTTP:
		return value.len == 0 || master_fail(m, "this key takes no value");
	case PORT:
		if (!slice_decimal(value, UINT16_MAX, &port))
			return master_fail(m, "not a valid port");
		writer_u16(&m->w, (uint16_t)port);
		return true;
	case IPV4HINT:
	case IPV6HINT:
		return put_hints(m, value, key);
	case ECH:
		return master_base64_word(m, value);
	default:
		return master_text(m, value);
	}
}

static void reverse(uint8_t *from, uint8_t *to)
{
	while (from < to && from < --to) {
		uint8_t byte = *from;
		*from++ = *to;
		*to = byte;
	}
}

/* Moves the last parameter before the first that has a greater key. False: another has its. */
static bool sort_in(struct dns_master *m, size_t first, size_t last, uint16_t key)
{
	struct slice sorted = slice_skip(slice_take(writer_done(&m->w), last), first);
	struct cursor c = cursor_of(sorted);
	size_t place = first;
	uint8_t *data = m->w.start;

	while (cursor_left(&c)) {
		uint16_t other = cursor_u16(&c);

		if (other == key)
			return master_fail(m, "a key is given twice");
		if (other > key)
			break;
		cursor_skip(&c, cursor_u16(&c));
		place = first + c.at;
	}
	reverse(data + place, data + last);
	reverse(data + last, data + m->w.at);
	reverse(data + place, data + m->w.at);
	return true;
}

static bool put_parameter(struct dns_master *m, struct slice word, size_t first)
{
	size_t equals = slice_find(word, '='), start = m->w.at;
	struct slice value = slice_skip(word, equals + 1);
	bool generic;
	uint16_t key;

	if (!find_key(slice_take(word, equals), &key, &generic))
		return master_fail(m, "unknown key");
	if (value.len > 1 && value.data[0] == '"')
		value = slice_skip(slice_take(value, value.len - 1), 1);
	writer_u16(&m->w, key);
	uint8_t *length = writer_room(&m->w, 2);
	size_t begin = m->w.at;
	if (!(generic ? master_text(m, value) : put_value(m, key, value)))
		return false;
	if (!length || m->w.failed)
		return true; /* too long: who asked sees that */
	length[0] = (uint8_t)((m->w.at - begin) >> 8);
	length[1] = (uint8_t)(m->w.at - begin);
	return sort_in(m, first, start, key);
}

/* Finds a key's value among the parameters; false: it is not there. */
static bool has_key(struct slice parameters, uint16_t wanted, struct cursor *value)
{
	struct cursor c = cursor_of(parameters);

	while (cursor_left(&c) && !c.failed) {
		uint16_t key = cursor_u16(&c), size = cursor_u16(&c);

		*value = cursor_sub(&c, size);
		if (key == wanted)
			return !c.failed;
	}
	return false;
}

/* RFC 9461, 5. */
static bool has_dns_variable(struct cursor path)
{
	const struct slice variable = SLICE("{?dns}");

	while (cursor_left(&path)) {
		struct cursor from = path;

		if (slice_equal(cursor_bytes(&from, variable.len), variable))
			return true;
		cursor_skip(&path, 1);
	}
	return false;
}

/* RFC 9460, 7.1.1 and 8: what must be there together. */
static bool check(struct dns_master *m, struct slice parameters)
{
	struct cursor value, other;

	if (has_key(parameters, NO_DEFAULT_ALPN, &value) &&
	    !has_key(parameters, ALPN, &value))
		return master_fail(m, "no-default-alpn without alpn");
	if (has_key(parameters, MANDATORY, &value)) {
		while (cursor_left(&value) && !value.failed) {
			if (!has_key(parameters, cursor_u16(&value), &other))
				return master_fail(m, "a mandatory key is not given");
		}
	}
	return !has_key(parameters, DOHPATH, &value) || has_dns_variable(value) ||
	       master_fail(m, "dohpath without {?dns}");
}

bool master_field_parameters(struct dns_master *m)
{
	size_t first = m->w.at;
	struct slice word;

	while (!master_at_end(m)) {
		if (!master_word(m, &word) || !put_parameter(m, word, first))
			return false;
	}
	m->near = slice_take(m->near, 0);
	return m->w.failed || check(m, slice_skip(writer_done(&m->w), first));
}
