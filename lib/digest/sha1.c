/*
 * SHA-1 (FIPS 180-4, 6.1). The schedule is a ring of 16 words: each is replaced by the one
 * that is needed 16 rounds later.
 */
#include <kiln/bytes.h>
#include <kiln/digest.h>
#include "digest_private.h"

enum { ROUNDS = 80, WORDS = 16 };

static uint32_t scheduled(uint32_t *w, unsigned round)
{
	uint32_t *word = &w[round % WORDS];

	if (round >= WORDS)
		*word = digest_left(w[(round - 3) % WORDS] ^ w[(round - 8) % WORDS] ^
		                        w[(round - 14) % WORDS] ^ *word,
		                    1);
	return *word;
}

/* The function of three words, and the constant, of each 20 rounds (4.1.1, 4.2.1). */
static uint32_t mixed(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round / 20) {
	case 0:
		return (d ^ (b & (c ^ d))) + 0x5a827999;
	case 1:
		return (b ^ c ^ d) + 0x6ed9eba1;
	case 2:
		return ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
	default:
		return (b ^ c ^ d) + 0xca62c1d6;
	}
}

static void take(union digest_state *state, const uint8_t *block)
{
	uint32_t *h = state->words;
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], w[WORDS];

	for (unsigned i = 0; i < WORDS; i++)
		w[i] = digest_word(block + 4 * i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t next =
		    digest_left(a, 5) + mixed(round, b, c, d) + e + scheduled(w, round);
		e = d;
		d = c;
		c = digest_left(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

const struct digest_algorithm digest_sha1 = {
    .size = DIGEST_SHA1,
    .block = 64,
    .start = {.words = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}},
    .take = take,
};
