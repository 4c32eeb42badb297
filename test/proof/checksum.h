/*
 * Stands for lib/net/checksum.c, which is proved by itself (checksum.c): it reads the first
 * and the last byte that it is given, and the sum is any.
 */
#ifndef PROOF_CHECKSUM_H
#define PROOF_CHECKSUM_H

#include "lib/net/stack.h"
#include "proof.h"

uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len) {
		(void)*(const volatile uint8_t *)p;
		(void)*(const volatile uint8_t *)(p + (len - 1));
	}
	return Frama_C_unsigned_int_interval(0, UINT32_MAX);
}

uint16_t checksum_finish(uint32_t sum)
{
	(void)sum;
	return Frama_C_unsigned_short_interval(0, UINT16_MAX);
}

uint32_t checksum_pseudo(const struct ip_addr *src, const struct ip_addr *dst,
                         uint8_t protocol, uint32_t length)
{
	uint32_t sum = checksum_add(length + protocol, src->bytes, sizeof(src->bytes));

	return checksum_add(sum, dst->bytes, sizeof(dst->bytes));
}

#endif
