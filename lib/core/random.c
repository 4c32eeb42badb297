/*
 * The image's random numbers: ChaCha20 with fast key erasure. See <kiln/random.h>.
 */
#include <kiln/bytes.h>
#include <kiln/random.h>
#include <stdbool.h>
#include <string.h>

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

/* RFC 8439, 2.1 */
static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b, *d = rotate(*d ^ *a, 16);
	*c += *d, *b = rotate(*b ^ *c, 12);
	*a += *b, *d = rotate(*d ^ *a, 8);
	*c += *d, *b = rotate(*b ^ *c, 7);
}

void chacha20_block(const uint8_t key[32], uint32_t counter, const uint8_t nonce[12],
                    uint8_t out[64])
{
	uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	uint32_t x[16];

	for (unsigned i = 0; i < 8; i++)
		start[4 + i] = load32(key + 4 * i);
	start[12] = counter;
	for (unsigned i = 0; i < 3; i++)
		start[13 + i] = load32(nonce + 4 * i);
	memcpy(x, start, sizeof(x));
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
			              &x[12 + (i + 3) % 4]);
	}
	for (unsigned i = 0; i < 16; i++)
		store32(out + 4 * i, x[i] + start[i]);
}

/* The first 32 bytes of the output become the next key; the rest is handed out. */
static void refill(struct kiln_random *r)
{
	static const uint8_t nonce[12];

	for (unsigned i = 0; i < sizeof(r->block) / 64; i++)
		chacha20_block(r->key, i, nonce, r->block + 64 * i);
	memcpy(r->key, r->block, sizeof(r->key));
	memset(r->block, 0, sizeof(r->key));
	r->left = sizeof(r->block) - sizeof(r->key);
}

/* Replaces the key by one that depends on it and on 32 more bytes. */
static void stir(struct kiln_random *r, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		r->key[i % sizeof(r->key)] ^= bytes[i];
	refill(r);
}

static bool has_rdrand(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c >> 30 & 1;
}

static bool rdrand(uint64_t *value)
{
	for (unsigned tries = 0; tries < 10; tries++) {
		unsigned char ok;
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=q"(ok) : : "cc");
		if (ok)
			return true;
	}
	return false;
}

void random_init(struct kiln_random *r, const void *seed, size_t size, int mix_hardware)
{
	const uint8_t *bytes = seed;

	memset(r, 0, sizeof(*r));
	for (size_t at = 0; at < size; at += sizeof(r->key))
		stir(r, bytes + at, KILN_MIN(size - at, sizeof(r->key)));
	if (mix_hardware && has_rdrand()) {
		uint64_t hardware[4] = {0};
		for (unsigned i = 0; i < 4; i++)
			(void)rdrand(&hardware[i]);
		stir(r, (const uint8_t *)hardware, sizeof(hardware));
	}
}

void random_bytes(struct kiln_random *r, void *out, size_t size)
{
	uint8_t *to = out;

	while (size) {
		if (r->left == 0)
			refill(r);
		size_t n = KILN_MIN(size, (size_t)r->left);
		uint8_t *from = r->block + sizeof(r->block) - r->left;
		memcpy(to, from, n);
		memset(from, 0, n);
		r->left -= (uint32_t)n;
		to += n;
		size -= n;
	}
}

uint32_t random_u32(struct kiln_random *r)
{
	uint32_t v;

	random_bytes(r, &v, sizeof(v));
	return v;
}

uint64_t random_u64(struct kiln_random *r)
{
	uint64_t v;

	random_bytes(r, &v, sizeof(v));
	return v;
}

/* Lemire's method: a multiplication, and a rare rejection to stay uniform. */
uint32_t random_below(struct kiln_random *r, uint32_t bound)
{
	uint64_t product = (uint64_t)random_u32(r) * bound;

	if ((uint32_t)product < bound) {
		uint32_t reject = -bound % bound;
		while ((uint32_t)product < reject)
			product = (uint64_t)random_u32(r) * bound;
	}
	return (uint32_t)(product >> 32);
}
