/*
 * The Internet checksum (RFC 1071), for stack.h.
 *
 * The sum is ones' complement and so does not depend on the byte order it is taken in
 * (RFC 1071, 2(B)): words are added as this processor loads them, and the folded result
 * is swapped once. Nor does it depend on their width (2(C)): 32-bit words are added in
 * 64-bit lanes, where no carry is lost before 2^32 of them.
 */
#include "checksum_blocks.h"
#include "stack.h"

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
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
	uint64_t wide = 0;

	if (len >= CHECKSUM_BLOCK) {
		size_t whole = len & ~(size_t)(CHECKSUM_BLOCK - 1);
		wide = checksum_blocks(p, whole);
		p += whole;
		len -= whole;
	}
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v = load64(p);
		wide += (v >> 32) + (v & 0xffffffff);
	}
	if (len & 4) {
		wide += load32(p);
		p += 4;
	}
	if (len & 2) {
		wide += load16(p);
		p += 2;
	}
	uint16_t last = 0;
	if (len & 1)
		memcpy(&last, p, 1); /* and a zero byte behind it */
	wide += last;

	uint16_t folded = fold(wide);
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
