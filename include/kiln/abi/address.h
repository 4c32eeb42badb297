/*
 * Addresses as text, and the parameters that are addresses: shared, as a header, by the
 * images, the monitors and the tool, so that all of them accept the same texts. In an
 * image lib/net has them (<kiln/ip.h>), so that one without a network has none.
 *
 * Each function reads the whole text from `text` to `end` and is strict: what one reader
 * in the world would understand otherwise is refused.
 */
#ifndef KILN_ABI_ADDRESS_H
#define KILN_ABI_ADDRESS_H

#include <kiln/abi/param.h>

/* The first such character, or `end`. */
static inline const char *address_find(const char *text, const char *end, char wanted)
{
	const char *found = text < end ? memchr(text, wanted, (size_t)(end - text)) : NULL;
	return found ? found : end;
}

/* "10.0.0.1", as a number in host order. No leading zeroes: some would read them as
 * octal. */
static inline bool address_parse4(const char *text, const char *end, uint32_t *address)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t part = 0;
		if (i && (text == end || *text++ != '.'))
			return false;
		const char *first = text;
		if (!param_digits(&text, end, &part) || part > 255 ||
		    (*first == '0' && text - first > 1))
			return false;
		value = value << 8 | (uint32_t)part;
	}
	*address = value;
	return text == end;
}

/* A group's one to four hexadecimal digits; returns how many, 0 for any other number. */
static inline unsigned address_group(const char *text, const char *end, unsigned *value)
{
	unsigned digits = 0;

	*value = 0;
	for (; text < end; text++, digits++) {
		char c = *text, letter = (char)(c | 0x20);
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (letter >= 'a' && letter <= 'f')
			digit = (unsigned)(letter - 'a' + 10);
		else
			break;
		if (digits == 4)
			return 0;
		*value = *value << 4 | digit;
	}
	return digits;
}

/* All forms of RFC 4291, 2.2: groups, "::" for one or more groups of zeroes, the last 32
 * bits as an IPv4 address. No zone. */
static inline bool address_parse6(const char *text, const char *end, uint8_t address[16])
{
	enum { SIZE = 16, NO_GAP = SIZE + 1 };
	uint8_t bytes[SIZE + 2];
	unsigned size = 0, gap = NO_GAP;

	if (end - text >= 2 && text[0] == ':' && text[1] == ':') {
		gap = 0;
		text += 2;
	}
	while (text < end) {
		unsigned value, digits = address_group(text, end, &value);
		uint32_t v4;
		if (digits == 0 || size == SIZE)
			return false;
		text += digits;
		if (text < end && *text == '.') {
			if (size > SIZE - 4 || !address_parse4(text - digits, end, &v4))
				return false;
			for (int shift = 24; shift >= 0; shift -= 8)
				bytes[size++] = (uint8_t)(v4 >> shift);
			break;
		}
		bytes[size++] = (uint8_t)(value >> 8);
		bytes[size++] = (uint8_t)value;
		if (text == end)
			break;
		if (*text++ != ':' || text == end)
			return false;
		if (*text == ':') {
			if (gap != NO_GAP)
				return false;
			gap = size;
			text++;
		}
	}
	if (gap == NO_GAP ? size != SIZE : size == SIZE)
		return false;
	unsigned behind = gap == NO_GAP ? 0 : size - gap;
	memset(address, 0, SIZE);
	memcpy(address, bytes, size - behind);
	memcpy(address + SIZE - behind, bytes + size - behind, behind);
	return true;
}

/* ::ffff:0:0/96, where struct ip_addr has the IPv4 addresses. */
static inline bool address_is_mapped(const uint8_t address[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

/* Either family, IPv4 mapped. An IPv6 text for an IPv4 address is refused. */
static inline bool address_parse(const char *text, const char *end, uint8_t address[16])
{
	uint32_t v4;

	if (!address_parse4(text, end, &v4))
		return address_parse6(text, end, address) && !address_is_mapped(address);
	memset(address, 0, 10);
	address[10] = address[11] = 0xff;
	for (int i = 0; i < 4; i++)
		address[12 + i] = (uint8_t)(v4 >> (24 - 8 * i));
	return true;
}

/* What stands behind the slash: "/24". */
static inline bool address_parse_bits(const char *slash, const char *end, unsigned most,
				      unsigned *bits)
{
	const char *text = slash + 1;
	uint64_t value;

	if (slash == end || !param_digits(&text, end, &value) || text != end ||
	    value > most)
		return false;
	*bits = (unsigned)value;
	return true;
}

/* "10.0.0.2/24" */
static inline bool address_parse_prefix4(const char *text, const char *end,
					 uint32_t *address, unsigned *bits)
{
	const char *slash = address_find(text, end, '/');

	return address_parse4(text, slash, address) &&
	       address_parse_bits(slash, end, 32, bits);
}

/* "2001:db8::1/64" or "10.0.0.2/24": *bits counts in the address's own family. */
static inline bool address_parse_prefix(const char *text, const char *end,
					uint8_t address[16], unsigned *bits)
{
	const char *slash = address_find(text, end, '/');

	return address_parse(text, slash, address) &&
	       address_parse_bits(slash, end, address_is_mapped(address) ? 32 : 128, bits);
}

/* ---- the texts of parameters ---- */

/* A list with commas between its items, each of which may name a device: "net0=...". */
static inline bool address_list(const char *text, const char *end, bool named,
				bool (*takes)(const char *text, const char *end))
{
	for (;;) {
		const char *comma = address_find(text, end, ',');
		const char *equals = named ? address_find(text, comma, '=') : comma;
		if (!takes(equals > text && equals < comma ? equals + 1 : text, comma))
			return false;
		if (comma == end)
			return true;
		text = comma + 1;
	}
}

static inline bool address_item_prefix(const char *text, const char *end)
{
	uint32_t address;
	unsigned bits;

	return param_is(text, end, "dhcp") || param_is(text, end, "off") ||
	       address_parse_prefix4(text, end, &address, &bits);
}

static inline bool address_item_prefix6(const char *text, const char *end)
{
	uint8_t address[16];
	unsigned bits;

	return param_is(text, end, "auto") || param_is(text, end, "off") ||
	       (address_parse_prefix(text, end, address, &bits) &&
		!address_is_mapped(address));
}

/* Both of one family, and no bits behind the prefix. */
static inline bool address_item_route(const char *text, const char *end)
{
	const char *equals = address_find(text, end, '=');
	uint8_t prefix[16], gateway[16];
	unsigned bits;

	if (equals == end || !address_parse_prefix(text, equals, prefix, &bits) ||
	    !address_parse(equals + 1, end, gateway) ||
	    address_is_mapped(prefix) != address_is_mapped(gateway))
		return false;
	if (address_is_mapped(prefix))
		bits += 96;
	for (; bits < 128; bits++) {
		if (prefix[bits / 8] & 0x80 >> bits % 8)
			return false;
	}
	return true;
}

static inline bool address_takes_address(const char *text, const char *end)
{
	uint32_t address;

	return address_parse4(text, end, &address);
}

static inline bool address_takes_prefix(const char *text, const char *end)
{
	return address_list(text, end, true, address_item_prefix);
}

static inline bool address_takes_address6(const char *text, const char *end)
{
	uint8_t address[16];

	return address_parse6(text, end, address) && !address_is_mapped(address);
}

static inline bool address_takes_prefix6(const char *text, const char *end)
{
	return address_list(text, end, true, address_item_prefix6);
}

static inline bool address_takes_any(const char *text, const char *end)
{
	uint8_t address[16];

	return address_parse(text, end, address);
}

static inline bool address_takes_several(const char *text, const char *end)
{
	return address_list(text, end, false, address_takes_any);
}

static inline bool address_takes_routes(const char *text, const char *end)
{
	return address_list(text, end, false, address_item_route);
}

/* The kinds, by their types' names, as initialisers. */
#define ADDRESS_KIND_ADDRESS \
	{address_takes_address, "an IPv4 address such as 10.0.0.1"}
#define ADDRESS_KIND_PREFIX   \
	{address_takes_prefix, \
	 "an address with prefix length such as 10.0.0.2/24, dhcp or off"}
#define ADDRESS_KIND_ADDRESS6 \
	{address_takes_address6, "an IPv6 address such as 2001:db8::1"}
#define ADDRESS_KIND_PREFIX6   \
	{address_takes_prefix6, \
	 "an address with prefix length such as 2001:db8::2/64, auto or off"}
#define ADDRESS_KIND_ANY_ADDRESS \
	{address_takes_any, "an address such as 10.0.0.1 or 2001:db8::1"}
#define ADDRESS_KIND_ADDRESSES \
	{address_takes_several, "addresses such as 10.0.0.1,2001:db8::1"}
#define ADDRESS_KIND_ROUTES    \
	{address_takes_routes, \
	 "routes such as 10.1.0.0/16=10.0.0.1,2001:db8:1::/48=fe80::1"}

/* ---- parameters of any type, for the tool and the monitors ---- */

static inline const struct kiln_param_kind *param_kind(uint32_t type)
{
	static const struct kiln_param_kind kinds[] = {
		[KILN_PARAM_TYPE_ADDRESS] = ADDRESS_KIND_ADDRESS,
		[KILN_PARAM_TYPE_PREFIX] = ADDRESS_KIND_PREFIX,
		[KILN_PARAM_TYPE_ADDRESS6] = ADDRESS_KIND_ADDRESS6,
		[KILN_PARAM_TYPE_PREFIX6] = ADDRESS_KIND_PREFIX6,
		[KILN_PARAM_TYPE_ANY_ADDRESS] = ADDRESS_KIND_ANY_ADDRESS,
		[KILN_PARAM_TYPE_ADDRESSES] = ADDRESS_KIND_ADDRESSES,
		[KILN_PARAM_TYPE_ROUTES] = ADDRESS_KIND_ROUTES,
	};

	return type < sizeof(kinds) / sizeof(kinds[0]) && kinds[type].takes ? &kinds[type]
									    : NULL;
}

static inline bool param_takes(uint32_t type, uint64_t min, uint64_t max,
			       const char *text, size_t len)
{
	const struct kiln_param_kind *kind = param_kind(type);
	uint64_t value;

	return kind ? kind->takes(text, text + len)
		    : param_parse(type, min, max, text, len, &value);
}

static inline const char *param_takes_text(uint32_t type)
{
	const struct kiln_param_kind *kind = param_kind(type);

	return kind ? kind->text : param_type_text(type);
}

#endif
