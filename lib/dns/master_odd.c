/*
 * Data that one type alone has, as text: places (LOC), services (WKS), lists of prefixes
 * (APL), gateways (IPSECKEY, AMTRELAY), hosts by their keys (HIP), and addresses of networks
 * that are gone (ATMA, NSAP, A6).
 */
#include "master_private.h"

static void put_u8(struct dns_master *m, uint64_t value)
{
	writer_u8(&m->w, (uint8_t)value);
}

/* ---- LOC: RFC 1876 ---- */

/* A number with up to `decimals` digits behind a dot, as that many times ten of it. */
static bool fixed(struct slice text, unsigned decimals, uint64_t *value)
{
	size_t dot = slice_find(text, '.');
	struct slice behind = slice_skip(text, dot + 1);
	uint64_t fraction = 0;

	if (!slice_decimal(slice_take(text, dot), UINT32_MAX, value) ||
	    behind.len > decimals || (dot < text.len && behind.len == 0) ||
	    (behind.len && !slice_decimal(behind, UINT32_MAX, &fraction)))
		return false;
	for (size_t i = 0; i < decimals; i++) {
		*value *= 10;
		if (i >= behind.len)
			fraction *= 10;
	}
	*value += fraction;
	return true;
}

/* Degrees, minutes and seconds, of which the last two may be left out, and a direction; in
 * thousandths of a second from the equator or from Greenwich, which are 2^31. */
static bool put_angle(struct dns_master *m, uint64_t most, char plus, char minus)
{
	static const uint32_t units[] = {3600000, 60000, 1};
	const uint32_t middle = UINT32_C(1) << 31;
	uint64_t sum = 0, value;
	struct slice word;

	for (unsigned i = 0; master_word(m, &word); i++) {
		char letter = word.len == 1 ? (char)byte_lower(word.data[0]) : '\0';

		if (i > 0 && (letter == plus || letter == minus)) {
			if (sum > most * units[0])
				return master_fail(m, "out of range");
			writer_u32(&m->w, letter == plus ? middle + (uint32_t)sum
			                                 : middle - (uint32_t)sum);
			return true;
		}
		if (i == KILN_COUNT_OF(units))
			return master_fail(m, "no direction such as N or E");
		if (!fixed(word, i == 2 ? 3 : 0, &value))
			return master_fail(m, "not a valid number");
		if (value >= (i == 0 ? most + 1 : i == 1 ? 60 : 60000))
			return master_fail(m, "out of range");
		sum += value * units[i];
	}
	return false;
}

static struct slice without_unit(struct slice word)
{
	if (word.len && byte_lower(word.data[word.len - 1]) == 'm')
		word.len--;
	return word;
}

/* Metres, in centimetres above 100 km below the spheroid. */
static bool put_altitude(struct dns_master *m)
{
	const uint64_t base = 10000000;
	struct slice word;
	uint64_t value;

	if (!master_word(m, &word))
		return false;
	bool negative = slice_starts_with(word, SLICE("-"));
	if (!fixed(slice_skip(without_unit(word), negative), 2, &value))
		return master_fail(m, "not a valid number");
	if (value > (negative ? base : UINT32_MAX - base))
		return master_fail(m, "out of range");
	writer_u32(&m->w, (uint32_t)(negative ? base - value : base + value));
	return true;
}

/* Metres, as a digit and a power of ten of centimetres; left out: the default. */
static bool put_precision(struct dns_master *m, uint8_t otherwise)
{
	struct slice word;
	uint64_t value;
	unsigned power = 0;

	if (master_at_end(m)) {
		writer_u8(&m->w, otherwise);
		return true;
	}
	if (!master_word(m, &word))
		return false;
	if (!fixed(without_unit(word), 2, &value))
		return master_fail(m, "not a valid number");
	for (; value > 9; power++)
		value /= 10;
	if (power > 9)
		return master_fail(m, "out of range");
	put_u8(m, value << 4 | power);
	return true;
}

bool master_field_loc(struct dns_master *m)
{
	uint8_t *precisions;
	struct writer all = m->w;

	writer_u8(&m->w, 0); /* its version */
	precisions = writer_room(&m->w, 3);
	if (!put_angle(m, 90, 'n', 's') || !put_angle(m, 180, 'e', 'w') ||
	    !put_altitude(m))
		return false;
	struct writer behind = m->w;
	if (!precisions)
		return true;
	m->w = all;
	(void)writer_room(&m->w, 1);
	if (!put_precision(m, 0x12) || !put_precision(m, 0x16) || !put_precision(m, 0x13))
		return false;
	m->w = behind;
	return true;
}

/* ---- WKS: RFC 1035, 3.4.2 ---- */

bool master_field_wks(struct dns_master *m)
{
	struct slice word;
	uint64_t number;
	uint16_t meaning;
	unsigned most = 0, count = 0;

	if (!master_field_a(m) || !master_word(m, &word))
		return false;
	if (master_meaning('0', word, &meaning))
		number = meaning;
	else if (!slice_decimal(word, UINT8_MAX, &number))
		return master_fail(m, "unknown protocol");
	put_u8(m, number);
	for (; !master_at_end(m); count++) {
		if (!master_word(m, &word))
			break;
		if (!slice_decimal(word, UINT16_MAX, &number)) {
			if (!master_meaning('/', word, &meaning)) {
				(void)master_fail(m, "unknown service");
				break;
			}
			number = meaning;
		}
		m->set[number / 8] |= (uint8_t)(0x80 >> number % 8);
		most = KILN_MAX(most, (unsigned)number);
	}
	master_bits(m, m->set, count ? most / 8 + 1 : 0);
	return m->reason == NULL;
}

/* ---- APL: RFC 3123 ---- */

static bool put_prefix(struct dns_master *m, struct slice word)
{
	bool negated = slice_starts_with(word, SLICE("!"));
	struct slice text = slice_skip(word, negated);
	size_t colon = slice_find(text, ':'), slash = slice_find(text, '/');
	struct slice address = slice_skip(slice_take(text, slash), colon + 1);
	uint8_t bytes[16];
	uint64_t family, bits;
	size_t size;

	if (!slice_decimal(slice_take(text, colon), UINT16_MAX, &family) ||
	    !slice_decimal(slice_skip(text, slash + 1), UINT8_MAX, &bits))
		return master_fail(m, "not a valid prefix");
	if (family != 1 && family != 2)
		return master_fail(m, "neither IPv4 (1:) nor IPv6 (2:)");
	size = family == 1 ? 4 : 16;
	if (bits > size * 8 ||
	    !(family == 1 ? master_ip4(address, bytes) : master_ip6(address, bytes)))
		return master_fail(m, "not a valid prefix");
	while (size && bytes[size - 1] == 0)
		size--;
	writer_u16(&m->w, (uint16_t)family);
	put_u8(m, bits);
	put_u8(m, size | (negated ? 0x80 : 0));
	writer_bytes(&m->w, slice_of(bytes, size));
	return true;
}

bool master_field_apl(struct dns_master *m)
{
	struct slice word;

	while (!master_at_end(m)) {
		if (!master_word(m, &word) || !put_prefix(m, word))
			return false;
	}
	return true;
}

/* ---- IPSECKEY (RFC 4025, 3), AMTRELAY (RFC 8777, 4), HIP (RFC 8005, 6) ---- */

/* Nobody, as a dot, an address, or a name. */
static bool put_host(struct dns_master *m, uint64_t kind)
{
	struct slice word;

	if (kind == 1)
		return master_field_a(m);
	if (kind == 2)
		return master_field_aaaa(m);
	if (kind == 3)
		return master_field_name(m);
	if (!master_word(m, &word))
		return false;
	return slice_equal(word, SLICE(".")) ||
	       master_fail(m, "a dot should stand for no host");
}

bool master_field_gateway(struct dns_master *m)
{
	uint64_t kind, algorithm;

	if (!master_number(m, 3, &kind) || !master_number(m, UINT8_MAX, &algorithm))
		return false;
	put_u8(m, kind);
	put_u8(m, algorithm);
	return put_host(m, kind);
}

bool master_field_relay(struct dns_master *m)
{
	uint64_t discovery, kind;

	if (!master_number(m, 1, &discovery) || !master_number(m, 3, &kind))
		return false;
	put_u8(m, discovery << 7 | kind);
	return put_host(m, kind);
}

/* The lengths of the tag and of the key stand before both. */
bool master_field_hip(struct dns_master *m)
{
	struct slice tag, key;
	uint64_t algorithm;
	uint8_t *head;

	if (!master_number(m, UINT8_MAX, &algorithm))
		return false;
	head = writer_room(&m->w, 4);
	size_t start = m->w.at;
	if (!master_word(m, &tag) || !master_hex_word(m, tag))
		return false;
	size_t middle = m->w.at;
	if (!master_word(m, &key) || !master_base64_word(m, key))
		return false;
	if (middle - start > UINT8_MAX || m->w.at - middle > UINT16_MAX || !head)
		return master_fail(m, "out of range");
	head[0] = (uint8_t)(middle - start);
	head[1] = (uint8_t)algorithm;
	head[2] = (uint8_t)((m->w.at - middle) >> 8);
	head[3] = (uint8_t)(m->w.at - middle);
	while (!master_at_end(m)) {
		if (!master_field_name(m))
			return false;
	}
	return true;
}

/* ---- ATMA, NSAP, A6 ---- */

/* Hexadecimal digits with single dots between them. */
static bool put_dotted_hex(struct dns_master *m, struct slice word)
{
	unsigned count = 0, value = 0;
	bool dot = true;

	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = byte_lower(word.data[i]);

		if (c == '.' && dot)
			return master_fail(m, "syntax error");
		dot = c == '.';
		if (dot)
			continue;
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return master_fail(m, "bad hex encoding");
		value = value << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		if (++count % 2 == 0)
			put_u8(m, value);
	}
	return (count && count % 2 == 0 && !dot) || master_fail(m, "bad hex encoding");
}

/* The ATM Forum's "ATM name system": +DIGITS is E.164, hexadecimal digits an NSAP's. */
bool master_field_atma(struct dns_master *m)
{
	struct slice word;
	bool e164, dot = true;

	if (!master_word(m, &word))
		return false;
	e164 = slice_starts_with(word, SLICE("+"));
	put_u8(m, e164);
	if (!e164)
		return put_dotted_hex(m, word);
	for (size_t i = 1; i < word.len; i++) {
		uint8_t c = word.data[i];

		if ((c == '.' && dot) || (c != '.' && (c < '0' || c > '9')))
			return master_fail(m, "syntax error");
		dot = c == '.';
		if (!dot)
			put_u8(m, c);
	}
	return !dot || master_fail(m, "unexpected end of line");
}

bool master_field_nsap(struct dns_master *m) /* RFC 1706, 5 */
{
	struct slice word;

	if (!master_word(m, &word))
		return false;
	if (!slice_equal_nocase(slice_take(word, 2), SLICE("0x")))
		return master_fail(m, "syntax error");
	return put_dotted_hex(m, slice_skip(word, 2));
}

bool master_field_a6(struct dns_master *m) /* RFC 2874, 3.1 */
{
	uint8_t address[16];
	struct slice word;
	uint64_t bits;

	if (!master_number(m, 128, &bits))
		return false;
	put_u8(m, bits);
	if (bits < 128) {
		if (!master_word(m, &word))
			return false;
		if (!master_ip6(word, address))
			return master_fail(m, "bad IPv6 address");
		address[bits / 8] &= (uint8_t)(0xff >> bits % 8);
		for (size_t i = bits / 8; i < sizeof(address); i++)
			writer_u8(&m->w, address[i]);
	}
	return bits == 0 || master_field_name(m);
}
