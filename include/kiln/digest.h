/*
 * Digests: SHA-1, SHA-256, SHA-384 and SHA-512 (FIPS 180-4), and HMAC over them (RFC 2104).
 * Pure: no state but the caller's, nothing allocated. An image holds the algorithms that it
 * names, and no other.
 *
 *	uint8_t out[DIGEST_MOST];
 *
 *	digest_of(&digest_sha256, SLICE("abc"), out);
 *
 * SHA-1 is here for protocols that fix it (RFC 5155; hmac-sha1 of RFC 8945): it holds no
 * longer against those who look for collisions. Keys of HMAC, and what is hashed, may show
 * in how long it takes only by their lengths.
 */
#ifndef KILN_DIGEST_H
#define KILN_DIGEST_H

#include <kiln/slice.h>

enum {
	DIGEST_SHA1 = 20, /* bytes of the digest */
	DIGEST_SHA256 = 32,
	DIGEST_SHA384 = 48,
	DIGEST_SHA512 = 64,
	DIGEST_MOST = 64,
	DIGEST_BLOCK_MOST = 128,
};

/* The words that are carried from block to block: of 32 bits, or of 64. */
union digest_state {
	uint32_t words[8];
	uint64_t longs[8];
};

/* One of the algorithms below. The fields are the library's own but for the first. */
struct digest_algorithm {
	uint8_t size;  /* of a digest */
	uint8_t block; /* how many bytes are taken at a time: 64 or 128 */
	union digest_state start;
	void (*take)(union digest_state *state, const uint8_t *block);
};

extern const struct digest_algorithm digest_sha1, digest_sha256, digest_sha384,
	digest_sha512;

/* A digest that is being made: begin, any number of pieces, end. May be copied, to go on in
 * two ways from there. */
struct digest {
	const struct digest_algorithm *algorithm;
	union digest_state state;
	uint64_t taken; /* bytes so far */
	uint8_t block[DIGEST_BLOCK_MOST]; /* those of the last block, as long as it is not whole */
};

void digest_begin(struct digest *d, const struct digest_algorithm *algorithm);
void digest_add(struct digest *d, struct slice bytes);
/* Writes algorithm->size bytes; the struct is used up. */
void digest_end(struct digest *d, uint8_t *out);
/* All three, of one piece. */
void digest_of(const struct digest_algorithm *algorithm, struct slice bytes, uint8_t *out);

/* HMAC, in the same way; a key of any length. */
struct hmac {
	struct digest inner, outer;
};

void hmac_begin(struct hmac *h, const struct digest_algorithm *algorithm, struct slice key);
void hmac_add(struct hmac *h, struct slice bytes);
void hmac_end(struct hmac *h, uint8_t *out);

/* Whether they are the same, in a time that tells nothing of where they are not: for what a
 * peer claims to know. */
bool digest_equal(struct slice a, struct slice b);

#endif
