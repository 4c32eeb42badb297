/*
 * Addresses as text, for <kiln/ip.h>. Used by every target; refers to nothing else of the
 * network layer.
 */
#include <kiln/ip.h>

bool ip4_parse(struct slice text, struct ip4_addr *addr)
{
	uint32_t value = 0;

	for (int part = 0; part < 4; part++) {
		size_t digits = slice_find(text, '.');
		uint64_t octet;

		/* Three dots, and none behind the last part. */
		if ((digits == text.len) != (part == 3))
			return false;
		struct slice number = slice_take(text, digits);
		if (number.len > 1 && number.data[0] == '0')
			return false;
		if (!slice_decimal(number, 255, &octet))
			return false;
		value = value << 8 | (uint32_t)octet;
		text = slice_skip(text, digits + 1);
	}
	*addr = ip4_of(value);
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
