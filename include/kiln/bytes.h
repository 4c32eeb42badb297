/*
 * Fixed-order integers for structs that are laid over wire or shared memory.
 *
 * A struct be16 cannot be mixed up with a uint16_t; the compiler turns both directions
 * into one instruction.
 */
#ifndef KILN_BYTES_H
#define KILN_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct be16 {
	uint8_t b[2];
};
struct be32 {
	uint8_t b[4];
};
_Static_assert(sizeof(struct be16) == 2 && sizeof(struct be32) == 4, "no padding");

static inline uint16_t be16_get(struct be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline struct be16 be16_of(uint16_t v)
{
	return (struct be16){{(uint8_t)(v >> 8), (uint8_t)v}};
}

static inline uint32_t be32_get(struct be32 v)
{
	return (uint32_t)v.b[0] << 24 | (uint32_t)v.b[1] << 16 | (uint32_t)v.b[2] << 8 |
	       v.b[3];
}

static inline struct be32 be32_of(uint32_t v)
{
	return (struct be32){
		{(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}};
}

#define kiln_container(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define KILN_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define KILN_MIN(a, b)       ((a) < (b) ? (a) : (b))
#define KILN_MAX(a, b)       ((a) > (b) ? (a) : (b))

#endif
