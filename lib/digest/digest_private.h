/*
 * Words as the algorithms of FIPS 180-4 read and turn them.
 */
#ifndef DIGEST_PRIVATE_H
#define DIGEST_PRIVATE_H

#include <stdint.h>

static inline uint32_t digest_left(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static inline uint32_t digest_word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t digest_long(const uint8_t *p)
{
	return (uint64_t)digest_word(p) << 32 | digest_word(p + 4);
}

#endif
