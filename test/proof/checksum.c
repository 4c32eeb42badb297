/*
 * The Internet checksum of any bytes, of each length up to 200, and of pseudo-headers. The sum
 * of whole blocks, whose vectors Eva cannot read, is any; that it reads no further than it is
 * told is seen from its one loop.
 *
 * sources: lib/net/checksum.c
 * seeded: lib/net/checksum.c: if (len & 2) => if (1)
 * length: 4
 */
#include "lib/net/checksum_blocks.h"
#include "lib/net/stack.h"
#include "proof.h"

uint16_t __builtin_bswap16(uint16_t v)
{
	return (uint16_t)(v >> 8 | v << 8);
}

uint64_t checksum_blocks(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i += CHECKSUM_BLOCK) {
		(void)*(const volatile uint8_t *)(p + i);
		(void)*(const volatile uint8_t *)(p + i + (CHECKSUM_BLOCK - 1));
	}
	return Frama_C_unsigned_long_long_interval(0, UINT64_MAX);
}

static void check(struct slice bytes)
{
	struct ip_addr src, dst;
	uint32_t sum = Frama_C_unsigned_int_interval(0, UINT32_MAX);

	PROOF_UNKNOWN(src);
	PROOF_UNKNOWN(dst);
	sum = checksum_add(sum, bytes.data, bytes.len);
	sum += checksum_pseudo(&src, &dst, Frama_C_unsigned_char_interval(0, UINT8_MAX),
	                       sum);
	(void)checksum_finish(sum);
}

enum { MOST = 200 };
#include "slices.h"
