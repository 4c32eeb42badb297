/*
 * The Internet checksum (RFC 1071), for stack.h.
 *
 * The sum is ones' complement and so does not depend on the byte order it is taken in
 * (RFC 1071, 2(B)): words are added as this processor loads them, eight bytes at a time
 * into accumulators that keep their carries, and the folded result is swapped once.
 */
#include "stack.h"

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Ones' complement sum of 64-bit words. */
static uint64_t add_carry(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? sum + 1 : sum;
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	/* Two chains, so that their carries do not wait for each other; 2^64 bytes would
	 * have to be summed for a high half to overflow. */
	unsigned __int128 even = 0, odd = 0;

	for (; len >= 32; len -= 32, p += 32) {
		even += load64(p);
		odd += load64(p + 8);
		even += load64(p + 16);
		odd += load64(p + 24);
	}
	for (; len >= 8; len -= 8, p += 8)
		even += load64(p);
	if (len) {
		uint64_t last = 0;
		memcpy(&last, p, len); /* zero bytes behind do not change the sum */
		odd += last;
	}
	even += odd;

	uint16_t folded = fold(add_carry((uint64_t)even, (uint64_t)(even >> 64)));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	folded = __builtin_bswap16(folded);
#endif
	/* Folded here, so that any number of runs can be added. */
	sum = (sum >> 16) + (sum & 0xffff);
	return sum + folded;
}

uint16_t checksum_finish(uint32_t sum)
{
	return (uint16_t)~fold(sum);
}

uint32_t checksum_pseudo(const struct ip_addr *src, const struct ip_addr *dst,
                         uint8_t protocol, uint32_t length)
{
	uint32_t sum = protocol + (length >> 16) + (length & 0xffff);
	/* The mapped prefix must not count: 0xffff is not zero to the 16-bit sum as
	 * stored. */
	size_t skip = ip_is4(src) ? 12 : 0;

	sum = checksum_add(sum, src->bytes + skip, 16 - skip);
	return checksum_add(sum, dst->bytes + skip, 16 - skip);
}
