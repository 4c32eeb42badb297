/*
 * Random numbers: ChaCha20 (RFC 8439, section 2.3) keyed from the target's entropy, with
 * fast key erasure: each refill replaces the key by its own first 32 bytes of output, so
 * a later leak of the state does not tell earlier numbers. Not for use from two threads.
 */
#ifndef KILN_RANDOM_H
#define KILN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct kiln_random {
	uint8_t key[32];
	uint8_t block[512]; /* output not yet handed out lies at its end */
	uint32_t left;
};

/* Seeds from `size` bytes of entropy (all of which count) and, where the processor has
 * it and `mix_hardware`, RDRAND. `sim` passes false, so that a seed repeats a run. */
void random_init(struct kiln_random *r, const void *seed, size_t size, int mix_hardware);
void random_bytes(struct kiln_random *r, void *out, size_t size);
uint32_t random_u32(struct kiln_random *r);
uint64_t random_u64(struct kiln_random *r);
/* Uniform in [0, bound); bound > 0. */
uint32_t random_below(struct kiln_random *r, uint32_t bound);

/* The block function itself, for tests and for keyed hashing (RFC 8439, 2.3). */
void chacha20_block(const uint8_t key[32], uint32_t counter, const uint8_t nonce[12],
		    uint8_t out[64]);

/* SipHash-2-4 (Aumasson, Bernstein 2012): the keyed hash of tables and of the initial
 * sequence numbers of RFC 6528. */
uint64_t siphash(const uint8_t key[16], const void *data, size_t size);

#endif
