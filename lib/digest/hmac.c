/*
 * HMAC (RFC 2104): the digest of the key with one pad and the text, then that of the key with
 * another pad and the first digest.
 */
#include <kiln/digest.h>

enum { INNER = 0x36, OUTER = 0x5c };

static void begin_padded(struct digest *d, const struct digest_algorithm *algorithm,
                         const uint8_t *key, uint8_t pad)
{
	uint8_t block[DIGEST_BLOCK_MOST];

	for (unsigned i = 0; i < algorithm->block; i++)
		block[i] = key[i] ^ pad;
	digest_begin(d, algorithm);
	digest_add(d, slice_of(block, algorithm->block));
}

void hmac_begin(struct hmac *h, const struct digest_algorithm *algorithm,
                struct slice key)
{
	uint8_t block[DIGEST_BLOCK_MOST] = {0};

	if (key.len > algorithm->block)
		digest_of(algorithm, key, block);
	else if (key.len)
		memcpy(block, key.data, key.len);
	begin_padded(&h->inner, algorithm, block, INNER);
	begin_padded(&h->outer, algorithm, block, OUTER);
}

void hmac_add(struct hmac *h, struct slice bytes)
{
	digest_add(&h->inner, bytes);
}

void hmac_end(struct hmac *h, uint8_t *out)
{
	digest_end(&h->inner, out);
	digest_add(&h->outer, slice_of(out, h->outer.algorithm->size));
	digest_end(&h->outer, out);
}

bool digest_equal(struct slice a, struct slice b)
{
	uint8_t differs = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		differs |= a.data[i] ^ b.data[i];
	return differs == 0;
}
