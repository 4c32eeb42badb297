/*
 * What all algorithms of FIPS 180-4 share: blocks are taken out of pieces of any length, and
 * padding ends the last of them (5.1). See <kiln/digest.h>.
 */
#include <kiln/appliance.h>
#include <kiln/digest.h>

KILN_LIBRARY(digest, "0.1");

void digest_begin(struct digest *d, const struct digest_algorithm *algorithm)
{
	d->algorithm = algorithm;
	d->state = algorithm->start;
	d->taken = 0;
}

void digest_add(struct digest *d, struct slice bytes)
{
	const struct digest_algorithm *algorithm = d->algorithm;
	size_t size = algorithm->block;

	while (bytes.len) {
		size_t held = d->taken % size;
		struct slice piece = slice_take(bytes, size - held);

		d->taken += piece.len;
		bytes = slice_skip(bytes, piece.len);
		if (piece.len == size) {
			algorithm->take(&d->state, piece.data);
			continue;
		}
		memcpy(d->block + held, piece.data, piece.len);
		if (held + piece.len == size)
			algorithm->take(&d->state, d->block);
	}
}

/* The state's words, big-endian, as far as the digest goes. */
static void write_digest(const struct digest *d, uint8_t *out)
{
	const struct digest_algorithm *algorithm = d->algorithm;

	for (unsigned i = 0; i < algorithm->size; i++) {
		if (algorithm->block == DIGEST_BLOCK_MOST)
			out[i] = (uint8_t)(d->state.longs[i / 8] >> (56 - i % 8 * 8));
		else
			out[i] = (uint8_t)(d->state.words[i / 4] >> (24 - i % 4 * 8));
	}
}

/* A bit that is set, and the length in bits at the end of a block. That has 64 bits, or 128,
 * of which nobody counts the upper half. */
void digest_end(struct digest *d, uint8_t *out)
{
	size_t size = d->algorithm->block, held = d->taken % size;
	uint64_t bits = d->taken * 8;

	d->block[held++] = 0x80;
	memset(d->block + held, 0, size - held);
	if (held > size - size / 8) {
		d->algorithm->take(&d->state, d->block);
		memset(d->block, 0, size);
	}
	for (unsigned i = 0; i < 8; i++)
		d->block[size - 1 - i] = (uint8_t)(bits >> 8 * i);
	d->algorithm->take(&d->state, d->block);
	write_digest(d, out);
}

void digest_of(const struct digest_algorithm *algorithm, struct slice bytes, uint8_t *out)
{
	struct digest d;

	digest_begin(&d, algorithm);
	digest_add(&d, bytes);
	digest_end(&d, out);
}
