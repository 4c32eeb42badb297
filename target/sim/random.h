/*
 * The simulator's own generator: xoshiro256** (Blackman, Vigna 2018), seeded by
 * splitmix64. Not the nodes' kiln_random, whose seeds are drawn from it: every link and
 * every node gets a stream of its own, in the order of their creation, so that traffic on
 * one link does not change what happens on another.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
	uint64_t state[4];
};

static inline void sim_random_seed(struct sim_random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r->state[i] = z ^ z >> 31;
	}
}

static inline uint64_t sim_random_rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static inline uint64_t sim_random_u64(struct sim_random *r)
{
	uint64_t *s = r->state;
	uint64_t result = sim_random_rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = sim_random_rotate(s[3], 45);
	return result;
}

/* Uniform in [0, bound], by the high half of a product; the bias is below bound / 2^64.
 */
static inline uint64_t sim_random_upto(struct sim_random *r, uint64_t bound)
{
	unsigned __int128 product;

	if (bound == UINT64_MAX)
		return sim_random_u64(r);
	product = (unsigned __int128)sim_random_u64(r) * (bound + 1);
	return (uint64_t)(product >> 64);
}

/* True with probability p. Draws nothing when p is 0: an impairment that is not used does
 * not change the others. */
static inline bool sim_random_chance(struct sim_random *r, double p)
{
	return p > 0 && (double)(sim_random_u64(r) >> 11) * 0x1p-53 < p;
}

#endif
