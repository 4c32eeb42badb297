/*
 * Addresses as text, and as options, for <kiln/ip.h>. Used by every target; refers to nothing
 * else of the network layer. The texts are read by <kiln/abi/address.h>, which the tool has,
 * too: included once, so that an image has one copy of it.
 */
#include <kiln/abi/address.h>
#include <kiln/ip.h>

static const char *text_start(struct slice text)
{
	return (const char *)text.data;
}

static const char *text_end(struct slice text)
{
	return text.len ? (const char *)text.data + text.len : (const char *)text.data;
}

bool ip4_parse(struct slice text, struct ip4_addr *addr)
{
	uint32_t value;

	if (!address_parse4(text_start(text), text_end(text), &value))
		return false;
	*addr = ip4_of(value);
	return true;
}

bool ip6_parse(struct slice text, struct ip_addr *addr)
{
	return address_parse6(text_start(text), text_end(text), addr->bytes);
}

bool ip_parse(struct slice text, struct ip_addr *addr)
{
	return address_parse(text_start(text), text_end(text), addr->bytes);
}

bool ip_prefix_parse(struct slice text, struct ip_prefix *prefix)
{
	unsigned bits;

	if (!address_parse_prefix(text_start(text), text_end(text), prefix->addr.bytes,
	                          &bits))
		return false;
	prefix->bits = (uint8_t)bits;
	return true;
}

bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
	bool v4 = ip_is4(&prefix->addr);
	unsigned bits = v4 ? 96u + prefix->bits : prefix->bits;
	unsigned whole = bits / 8, rest = bits % 8;

	if (ip_is4(addr) != v4 || memcmp(prefix->addr.bytes, addr->bytes, whole) != 0)
		return false;
	return rest == 0 ||
	       (prefix->addr.bytes[whole] ^ addr->bytes[whole]) >> (8 - rest) == 0;
}

bool endpoint_parse(struct slice text, struct endpoint *e)
{
	bool bracket = text.len && text.data[0] == '[';
	size_t size = slice_find(text, bracket ? ']' : ':');
	struct slice host = slice_take(text, size), port = slice_skip(text, size);
	struct ip4_addr v4;
	uint64_t value;

	if (bracket) {
		if (!ip6_parse(slice_skip(host, 1), &e->addr) || ip_is4(&e->addr))
			return false;
		port = slice_skip(port, 1);
	} else {
		if (!ip4_parse(host, &v4))
			return false;
		e->addr = ip_from4(v4);
	}
	if (port.len == 0 || port.data[0] != ':' ||
	    !slice_decimal(slice_skip(port, 1), UINT16_MAX, &value) || value == 0)
		return false;
	e->port = (uint16_t)value;
	return true;
}

void ip4_format(struct writer *w, struct ip4_addr addr)
{
	writer_format(w, "%u.%u.%u.%u", addr.be.b[0], addr.be.b[1], addr.be.b[2],
	              addr.be.b[3]);
}

/* RFC 5952: lower case, no leading zeroes, "::" for the longest run of two or more zero
 * groups, the first one of equal runs. */
static void ip6_format(struct writer *w, const struct ip_addr *addr)
{
	unsigned group[8], best = 0, best_size = 1;

	for (unsigned i = 0; i < 8; i++)
		group[i] = (unsigned)(addr->bytes[2 * i] << 8 | addr->bytes[2 * i + 1]);
	for (unsigned i = 0; i < 8; i++) {
		unsigned size = 0;
		while (i + size < 8 && group[i + size] == 0)
			size++;
		if (size > best_size) {
			best = i;
			best_size = size;
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		if (best_size > 1 && i == best) {
			writer_text(w, "::");
			i += best_size - 1;
			continue;
		}
		bool first = i == 0 || (best_size > 1 && i == best + best_size);
		writer_format(w, first ? "%x" : ":%x", group[i]);
	}
}

void ip_format(struct writer *w, const struct ip_addr *addr)
{
	if (ip_is4(addr))
		ip4_format(w, ip_to4(addr));
	else
		ip6_format(w, addr);
}

void endpoint_format(struct writer *w, const struct endpoint *e)
{
	bool v4 = ip_is4(&e->addr);

	writer_text(w, v4 ? "" : "[");
	ip_format(w, &e->addr);
	writer_format(w, v4 ? ":%u" : "]:%u", e->port);
}

/* ---- options (KILN_OPTION_OF) ---- */

/* Each a constant of its own: the linker keeps those that an image has options of. */
const struct kiln_param_kind ip_kind_address = ADDRESS_KIND_ADDRESS;
const struct kiln_param_kind ip_kind_prefix = ADDRESS_KIND_PREFIX;
const struct kiln_param_kind ip_kind_address6 = ADDRESS_KIND_ADDRESS6;
const struct kiln_param_kind ip_kind_prefix6 = ADDRESS_KIND_PREFIX6;
const struct kiln_param_kind ip_kind_any_address = ADDRESS_KIND_ANY_ADDRESS;
const struct kiln_param_kind ip_kind_addresses = ADDRESS_KIND_ADDRESSES;
const struct kiln_param_kind ip_kind_routes = ADDRESS_KIND_ROUTES;
