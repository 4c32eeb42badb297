/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 */
#include <kiln/random.h>
#include <string.h>

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v)); /* x86-64 is little-endian, as SipHash is */
	return v;
}

static uint64_t rotate(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

struct sip {
	uint64_t a, b, c, d;
};

static void sip_rounds(struct sip *s, unsigned rounds)
{
	for (; rounds; rounds--) {
		s->a += s->b, s->b = rotate(s->b, 13) ^ s->a, s->a = rotate(s->a, 32);
		s->c += s->d, s->d = rotate(s->d, 16) ^ s->c;
		s->a += s->d, s->d = rotate(s->d, 21) ^ s->a;
		s->c += s->b, s->b = rotate(s->b, 17) ^ s->c, s->c = rotate(s->c, 32);
	}
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_rounds(s, 2);
	s->a ^= word;
}

uint64_t siphash(const uint8_t key[16], const void *data, size_t size)
{
	const uint8_t *at = data;
	uint64_t k0 = load64(key), k1 = load64(key + 8);
	struct sip s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
	                k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
	uint64_t last = (uint64_t)size << 56;

	for (size_t left = size; left >= 8; left -= 8, at += 8)
		sip_word(&s, load64(at));
	for (size_t i = 0; i < size % 8; i++)
		last |= (uint64_t)at[i] << 8 * i;
	sip_word(&s, last);
	s.c ^= 0xff;
	sip_rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}
