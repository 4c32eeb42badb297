/*
 * The sum of whole blocks: see checksum_blocks.h. 32-bit words are added in 64-bit lanes, where
 * no carry is lost before 2^32 of them.
 */
#include "checksum_blocks.h"
#include <string.h>

/* As every x86-64 has them (SSE2); loaded by memcpy, for data lies anywhere. */
typedef uint64_t lanes __attribute__((vector_size(16)));

static lanes load_lanes(const uint8_t *p)
{
	lanes v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Two accumulators for each half, so that additions do not wait for each other. */
uint64_t checksum_blocks(const uint8_t *p, size_t size)
{
	const lanes low = {0xffffffff, 0xffffffff};
	lanes even_a = {0, 0}, even_b = {0, 0}, odd_a = {0, 0}, odd_b = {0, 0};

	for (const uint8_t *end = p + size; p < end; p += CHECKSUM_BLOCK) {
		lanes a = load_lanes(p), b = load_lanes(p + 16);
		lanes c = load_lanes(p + 32), d = load_lanes(p + 48);

		even_a += (a & low) + (c & low);
		odd_a += (a >> 32) + (c >> 32);
		even_b += (b & low) + (d & low);
		odd_b += (b >> 32) + (d >> 32);
	}
	even_a += even_b;
	odd_a += odd_b;
	return even_a[0] + even_a[1] + odd_a[0] + odd_a[1];
}
