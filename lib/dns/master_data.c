/*
 * The data of records as text, field by field as the type's row in lib/dns/types.c says, into
 * the bytes of a message. What one type alone has is in master_odd.c and master_svcb.c. The
 * form for data of any type, \# LENGTH HEX... (RFC 3597, 5), is taken for all, and is checked
 * where the type is known.
 */
#include "master_private.h"
#include <kiln/abi/address.h>

/* ---- numbers, and words that stand for numbers ---- */

static void put(struct dns_master *m, uint64_t value, unsigned size)
{
	while (size-- > 0)
		writer_u8(&m->w, (uint8_t)(value >> 8 * size));
}

static bool field_number(struct dns_master *m, char field)
{
	unsigned size = (unsigned)(field - '0');
	uint64_t value;

	if (!master_number(m, ((uint64_t)1 << 8 * size) - 1, &value))
		return false;
	put(m, value, size);
	return true;
}

static bool field_meaning(struct dns_master *m, char field)
{
	unsigned size = field == 'c' || field == 'f' ? 2 : 1;
	struct slice word;
	uint64_t number;
	uint16_t value;

	if (!master_word(m, &word))
		return false;
	if (master_meaning(field, word, &value))
		number = value;
	else if (!slice_decimal(word, UINT64_MAX, &number))
		return master_fail(m, "neither a number nor a word that stands for one");
	if (number >> 8 * size)
		return master_fail(m, "out of range");
	put(m, number, size);
	return true;
}

/* Words with bars between them, or a number. */
static bool field_flags(struct dns_master *m)
{
	struct slice word;
	uint64_t number;
	unsigned flags = 0;

	if (!master_word(m, &word))
		return false;
	if (slice_decimal(word, UINT64_MAX, &number)) {
		put(m, number, 2);
		return number <= UINT16_MAX || master_fail(m, "out of range");
	}
	while (word.len) {
		size_t bar = slice_find(word, '|');
		uint16_t value;

		if (!master_meaning('f', slice_take(word, bar), &value))
			return master_fail(m, "unknown flag");
		flags |= value;
		word = slice_skip(word, bar + 1);
	}
	put(m, flags, 2);
	return true;
}

static bool field_type(struct dns_master *m)
{
	struct slice word;
	uint16_t type;

	if (!master_word(m, &word))
		return false;
	if (!dns_type_parse(word, &type))
		return master_fail(m, "unknown type of record");
	put(m, type, 2);
	return true;
}

/* ---- times ---- */

static bool field_seconds(struct dns_master *m)
{
	struct slice word;
	uint32_t seconds;

	if (!master_word(m, &word))
		return false;
	if (!dns_master_ttl(word, &seconds))
		return master_fail(m, "not a valid time");
	put(m, seconds, 4);
	return true;
}

/* Days from 1970 to a year's first one, of the Gregorian calendar. */
static uint64_t days_before(uint64_t year)
{
	uint64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static bool is_leap(uint64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* YYYYMMDDHHMMSS, as seconds since 1970. */
static bool moment(struct slice text, uint64_t *seconds)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	static const uint8_t sizes[] = {4, 2, 2, 2, 2, 2};
	static const uint16_t most[] = {9999, 12, 31, 23, 59, 60};
	uint64_t parts[6];
	struct cursor c = cursor_of(text);

	for (size_t i = 0; i < KILN_COUNT_OF(parts); i++) {
		if (!slice_decimal(cursor_bytes(&c, sizes[i]), most[i], &parts[i]))
			return false;
	}
	uint64_t year = parts[0], month = parts[1], day = parts[2];
	if (year < 1970 || month == 0 || day == 0 ||
	    day > lengths[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u))
		return false;
	uint64_t days = days_before(year) + day - 1;
	for (uint64_t i = 1; i < month; i++)
		days += lengths[i - 1] + (i == 2 && is_leap(year) ? 1u : 0u);
	*seconds = ((days * 24 + parts[3]) * 60 + parts[4]) * 60 + parts[5];
	return true;
}

/* RFC 4034, 3.2: a date of 14 digits, or seconds; both modulo 2^32. */
static bool field_moment(struct dns_master *m)
{
	struct slice word;
	uint64_t seconds;

	if (!master_word(m, &word))
		return false;
	if (word.len == 14 ? !moment(word, &seconds)
	                   : !slice_decimal(word, UINT32_MAX, &seconds))
		return master_fail(m, "not a valid time");
	put(m, (uint32_t)seconds, 4);
	return true;
}

/* ---- addresses and names ---- */

bool master_ip4(struct slice text, uint8_t address[4])
{
	const char *start = (const char *)text.data;
	uint32_t value;

	if (text.len == 0 || !address_parse4(start, start + text.len, &value))
		return false;
	for (unsigned i = 0; i < 4; i++)
		address[i] = (uint8_t)(value >> (24 - 8 * i));
	return true;
}

bool master_ip6(struct slice text, uint8_t address[16])
{
	const char *start = (const char *)text.data;

	return text.len > 0 && address_parse6(start, start + text.len, address);
}

bool master_field_a(struct dns_master *m)
{
	uint8_t address[4];
	struct slice word;

	if (!master_word(m, &word))
		return false;
	if (!master_ip4(word, address))
		return master_fail(m, "bad dotted quad");
	writer_bytes(&m->w, slice_of(address, sizeof(address)));
	return true;
}

bool master_field_aaaa(struct dns_master *m)
{
	uint8_t address[16];
	struct slice word;

	if (!master_word(m, &word))
		return false;
	if (!master_ip6(word, address))
		return master_fail(m, "bad IPv6 address");
	writer_bytes(&m->w, slice_of(address, sizeof(address)));
	return true;
}

bool master_field_name(struct dns_master *m)
{
	struct dns_name name;
	struct slice word;

	if (!master_word(m, &word) || !master_name_of(m, word, &name))
		return false;
	writer_bytes(&m->w, dns_name_slice(&name));
	return true;
}

/* ---- strings ---- */

uint8_t master_byte(struct cursor *text)
{
	uint8_t byte = cursor_u8(text);
	uint64_t value;

	if (byte != '\\')
		return byte;
	if (cursor_peek(text) < '0' || cursor_peek(text) > '9')
		return cursor_u8(text);
	if (!slice_decimal(cursor_bytes(text, 3), 255, &value)) {
		text->failed = true;
		return 0;
	}
	return (uint8_t)value;
}

bool master_text(struct dns_master *m, struct slice text)
{
	struct cursor c = cursor_of(text);

	while (cursor_left(&c) && !c.failed)
		writer_u8(&m->w, master_byte(&c));
	return !c.failed || master_fail(m, "not a valid escape");
}

static bool field_string(struct dns_master *m)
{
	uint8_t *length = writer_room(&m->w, 1);
	size_t start = m->w.at;
	struct slice text;

	if (!master_string(m, &text) || !master_text(m, text))
		return false;
	if (m->w.at - start > UINT8_MAX)
		return master_fail(m, "a string of more than 255 bytes");
	if (length)
		*length = (uint8_t)(m->w.at - start);
	return true;
}

static bool field_strings(struct dns_master *m)
{
	do {
		if (!field_string(m))
			return false;
	} while (!master_at_end(m));
	return true;
}

static bool field_text(struct dns_master *m)
{
	struct slice text;

	return master_string(m, &text) && master_text(m, text);
}

/* RFC 8659, 4.1: letters and digits. */
static bool field_tag(struct dns_master *m)
{
	struct slice word;

	if (!master_word(m, &word))
		return false;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = byte_lower(word.data[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return master_fail(m, "not a valid tag");
	}
	if (word.len > UINT8_MAX)
		return master_fail(m, "a string of more than 255 bytes");
	put(m, word.len, 1);
	writer_bytes(&m->w, word);
	return true;
}

/* ---- encodings ---- */

bool master_hex_word(struct dns_master *m, struct slice word)
{
	struct dns_decoder d = dns_decoder_hex(&m->w);

	return (dns_decode(&d, word) && dns_decoded_whole(&d)) ||
	       master_fail(m, "bad hex encoding");
}

bool master_base64_word(struct dns_master *m, struct slice word)
{
	struct dns_decoder d = dns_decoder_base64(&m->w);

	return (dns_decode(&d, word) && dns_decoded_whole(&d)) ||
	       master_fail(m, "bad base64 encoding");
}

static bool decode_rest(struct dns_master *m, struct dns_decoder *d, bool may_be_none,
                        const char *reason)
{
	struct slice word;

	while (!master_at_end(m)) {
		if (!master_word(m, &word))
			return false;
		if (!dns_decode(d, word))
			return master_fail(m, reason);
	}
	return d->read || may_be_none || master_word(m, &word);
}

bool master_hex(struct dns_master *m, bool may_be_none)
{
	struct dns_decoder d = dns_decoder_hex(&m->w);

	return decode_rest(m, &d, may_be_none, "bad hex encoding") &&
	       (dns_decoded_whole(&d) || master_fail(m, "bad hex encoding"));
}

bool master_base64(struct dns_master *m, bool may_be_none)
{
	struct dns_decoder d = dns_decoder_base64(&m->w);

	return decode_rest(m, &d, may_be_none, "bad base64 encoding") &&
	       (dns_decoded_whole(&d) || master_fail(m, "bad base64 encoding"));
}

static bool field_digest(struct dns_master *m, char field)
{
	struct slice data = writer_done(&m->w);
	size_t wanted = dns_digest_size(field, data.data[data.len - 1]);

	if (!master_hex(m, false))
		return false;
	return wanted == 0 || m->w.at - data.len == wanted || m->w.failed ||
	       master_fail(m, "a digest of a wrong length");
}

/* RFC 2535, 3.1.2: two flags say that there is no key. */
static bool field_key(struct dns_master *m)
{
	struct slice data = writer_done(&m->w);

	if (data.len && data.data[0] >> 6 == 3)
		return true;
	return master_base64(m, false);
}

static bool field_blob(struct dns_master *m)
{
	struct slice word;

	if (m->token.kind != DNS_MASTER_WORD || !slice_equal(m->token.text, SLICE("-")))
		return master_base64(m, false);
	return master_word(m, &word);
}

/* What is written behind a byte of its length. */
static bool field_counted(struct dns_master *m, char field)
{
	struct dns_decoder hash = dns_decoder_base32(&m->w);
	uint8_t *length = writer_room(&m->w, 1);
	size_t start = m->w.at;
	struct slice word;

	if (!master_word(m, &word))
		return false;
	if (field == 'h') {
		if (!dns_decode(&hash, word) || !dns_decoded_whole(&hash))
			return master_fail(m, "bad base32 encoding");
	} else if (!slice_equal(word, SLICE("-")) && !master_hex_word(m, word)) {
		return false;
	}
	if (m->w.at - start > UINT8_MAX)
		return master_fail(m, "out of range");
	if (length)
		*length = (uint8_t)(m->w.at - start);
	return true;
}

/* "00-00-5e-00-53-2a": groups of up to `digits` hexadecimal digits. */
static bool field_groups(struct dns_master *m, unsigned count, unsigned digits,
                         uint8_t between)
{
	struct slice word;

	if (!master_word(m, &word))
		return false;
	for (unsigned i = 0; i < count; i++) {
		size_t end = slice_find(word, between);
		const char *text = (const char *)word.data;
		unsigned value;

		if (end == 0 || end > digits ||
		    address_group(text, text + end, &value) != end ||
		    (i + 1 < count) != (end < word.len))
			return master_fail(m, "not a valid identifier");
		put(m, value, digits / 2);
		word = slice_skip(word, end + 1);
	}
	return true;
}

/* ---- types in bits ---- */

void master_bits(struct dns_master *m, uint8_t *bits, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		writer_u8(&m->w, bits[i]);
		bits[i] = 0;
	}
}

static void put_window(struct dns_master *m, unsigned window)
{
	uint8_t *bits = m->set + window * 32u;
	uint8_t size = 0;

	for (uint8_t i = 0; i < 32; i++) {
		if (bits[i])
			size = (uint8_t)(i + 1);
	}
	if (size) {
		writer_u8(&m->w, (uint8_t)window);
		writer_u8(&m->w, size);
		master_bits(m, bits, size);
	}
}

/* RFC 4034, 4.1.2; NXT (RFC 2535, 5.2) has the first 128 types without a head. */
static bool field_types(struct dns_master *m, char field)
{
	unsigned most = 0, count = 0;
	uint16_t type;
	bool good = true;
	struct slice word;

	for (; good && !master_at_end(m); count++) {
		good = master_word(m, &word) &&
		       (dns_type_parse(word, &type) ||
		        master_fail(m, "unknown type of record")) &&
		       (field != 'X' || type < 128 || master_fail(m, "out of range"));
		if (!good)
			break;
		m->set[type / 8] |= (uint8_t)(0x80 >> type % 8);
		most = KILN_MAX(most, type);
	}
	if (field == 'X') {
		master_bits(m, m->set, count ? most / 8 + 1 : 0);
		return good;
	}
	for (unsigned window = 0; window <= most / 256; window++)
		put_window(m, window);
	return good && (count || field != 'm' || master_word(m, &word));
}

/* ---- all ---- */

static bool read_odd(struct dns_master *m, char field)
{
	switch (field) {
	case 'L':
		return master_field_loc(m);
	case 'W':
		return master_field_wks(m);
	case 'P':
		return master_field_apl(m);
	case 'I':
		return master_field_gateway(m);
	case 'R':
		return master_field_relay(m);
	case 'H':
		return master_field_hip(m);
	case 'V':
		return master_field_parameters(m);
	case 'Z':
		return master_field_atma(m);
	case 'J':
		return master_field_nsap(m);
	default:
		return master_field_a6(m);
	}
}

static bool read_encoded(struct dns_master *m, char field)
{
	switch (field) {
	case 'x':
		return master_hex(m, false);
	case 'b':
	case 'B':
		return master_base64(m, field == 'B');
	case 'k':
		return field_key(m);
	case 'D':
		return field_blob(m);
	case 'z':
	case 'h':
		return field_counted(m, field);
	case 'e':
		return field_groups(m, 6, 2, '-');
	case 'E':
		return field_groups(m, 8, 2, '-');
	case 'i':
		return field_groups(m, 4, 4, ':');
	case 'F':
	case 'K':
	case 'O':
		return field_digest(m, field);
	case 'm':
	case 'M':
	case 'X':
		return field_types(m, field);
	default:
		return read_odd(m, field);
	}
}

bool master_field(struct dns_master *m, char field)
{
	switch (field) {
	case '1':
	case '2':
	case '4':
		return field_number(m, field);
	case 'a':
		return master_field_a(m);
	case 'A':
		return master_field_aaaa(m);
	case 'n':
	case 'N':
		return master_field_name(m);
	case 's':
		return field_string(m);
	case 'S':
		return field_strings(m);
	case 'o':
		return master_at_end(m) || field_string(m);
	case 'u':
		return field_text(m);
	case 'q':
		return field_tag(m);
	case 't':
		return field_seconds(m);
	case 'T':
		return field_moment(m);
	case 'y':
		return field_type(m);
	case 'f':
		return field_flags(m);
	case 'g':
	case 'd':
	case 'c':
	case 'p':
	case 'r':
		return field_meaning(m, field);
	default:
		return read_encoded(m, field);
	}
}

/* RFC 3597, 5. */
static bool read_unknown(struct dns_master *m)
{
	struct slice word;
	uint64_t size;

	if (!master_word(m, &word) || !master_number(m, UINT16_MAX, &size) ||
	    !master_hex(m, true))
		return false;
	if (m->w.at != size && !m->w.failed)
		return master_fail(m, "not as many bytes as the length says");
	return m->w.failed || dns_data_check(m->type, writer_done(&m->w)) ||
	       master_fail(m, "bytes that are no data of this type");
}

static bool read_known(struct dns_master *m)
{
	const struct dns_type_info *info = dns_type_find(m->type);

	if (!info || info->fields[0] == '\0')
		return master_fail(m, "data of this type is written as \\# LENGTH HEX");
	for (const char *field = info->fields; *field && !m->w.failed; field++) {
		if (!master_field(m, *field))
			return false;
	}
	return true;
}

bool master_data(struct dns_master *m)
{
	bool unknown =
	    m->token.kind == DNS_MASTER_WORD && slice_equal(m->token.text, SLICE("\\#"));

	master_level(m)->lexer.pairs = m->type == DNS_SVCB || m->type == DNS_HTTPS;
	if (!(unknown ? read_unknown(m) : read_known(m)))
		return false;
	if (m->w.failed)
		return master_fail(m, "data of more than 65535 bytes");
	return master_end(m);
}
