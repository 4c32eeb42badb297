/*
 * Most of a checksum, for checksum.c: apart from it, so that an analyser that knows no vectors
 * can follow the rest (test/proof/checksum.c).
 */
#ifndef NET_CHECKSUM_BLOCKS_H
#define NET_CHECKSUM_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

enum { CHECKSUM_BLOCK = 64 };

/* The sum of the 32-bit words of whole blocks, `size` bytes in all. */
uint64_t checksum_blocks(const uint8_t *p, size_t size);

#endif
