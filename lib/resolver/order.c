/*
 * Which of several addresses is tried first: the policy table of RFC 6724, 2.1. Its other
 * rules ask for the source address that would be used; here a destination without one
 * fails at once, and the next is tried.
 */
#include <kiln/bytes.h>
#include <kiln/resolver.h>

static const struct policy {
	uint8_t prefix[16];
	uint8_t bits, precedence;
} policies[] = {
    /* the longest first, of those that overlap */
    {{[15] = 1}, 128, 50},         /* ::1 */
    {{[10] = 0xff, 0xff}, 96, 35}, /* IPv4 */
    {{0}, 96, 1},                  /* IPv4-compatible */
    {{0x20, 0x01}, 32, 5},         /* Teredo */
    {{0x20, 0x02}, 16, 30},        /* 6to4 */
    {{0x3f, 0xfe}, 16, 1},         /* 6bone */
    {{0xfe, 0xc0}, 10, 1},         /* site-local */
    {{0xfc}, 7, 3},                /* unique local */
};
enum { PRECEDENCE_OTHERS = 40 };

static bool matches(const struct ip_addr *address, const struct policy *policy)
{
	for (unsigned bit = 0; bit < policy->bits; bit++) {
		uint8_t differ = address->bytes[bit / 8] ^ policy->prefix[bit / 8];
		if (differ >> (7 - bit % 8) & 1)
			return false;
	}
	return true;
}

unsigned resolver_precedence(const struct ip_addr *address)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(policies); i++) {
		if (matches(address, &policies[i]))
			return policies[i].precedence;
	}
	return PRECEDENCE_OTHERS;
}

void resolver_order(struct ip_addr *addresses, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct ip_addr moved = addresses[i];
		unsigned rank = resolver_precedence(&moved), at = i;

		for (; at > 0 && resolver_precedence(&addresses[at - 1]) < rank; at--)
			addresses[at] = addresses[at - 1];
		addresses[at] = moved;
	}
}
