/*
 * SHA-256 (FIPS 180-4, 6.2). The schedule is a ring of 16 words, as that of SHA-1.
 */
#include <kiln/bytes.h>
#include <kiln/digest.h>
#include "digest_private.h"

enum { ROUNDS = 64, WORDS = 16 };

/* The cube roots of the first 64 primes, behind the point (4.2.2). */
static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

static uint32_t right(uint32_t v, unsigned n)
{
	return digest_left(v, 32 - n);
}

static uint32_t scheduled(uint32_t *w, unsigned round)
{
	uint32_t *word = &w[round % WORDS];

	if (round >= WORDS) {
		uint32_t a = w[(round - 2) % WORDS], b = w[(round - 15) % WORDS];

		*word += (right(a, 17) ^ right(a, 19) ^ a >> 10) +
		         w[(round - 7) % WORDS] + (right(b, 7) ^ right(b, 18) ^ b >> 3);
	}
	return *word;
}

static void take(union digest_state *state, const uint8_t *block)
{
	uint32_t h[8], w[WORDS];

	memcpy(h, state->words, sizeof(h));
	for (unsigned i = 0; i < WORDS; i++)
		w[i] = digest_word(block + 4 * i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t a = h[0], e = h[4];
		uint32_t next = h[7] + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) +
		                (h[6] ^ (e & (h[5] ^ h[6]))) + constants[round] +
		                scheduled(w, round);
		uint32_t sum = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) +
		               ((a & h[1]) | (h[2] & (a | h[1])));

		memmove(h + 1, h, 7 * sizeof(*h));
		h[4] += next;
		h[0] = next + sum;
	}
	for (unsigned i = 0; i < 8; i++)
		state->words[i] += h[i];
}

const struct digest_algorithm digest_sha256 = {
    .size = DIGEST_SHA256,
    .block = 64,
    .start = {.words = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                        0x9b05688c, 0x1f83d9ab, 0x5be0cd19}},
    .take = take,
};
