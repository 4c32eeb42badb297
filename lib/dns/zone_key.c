/*
 * Names as zones are searched by: see zone_private.h. This is the first thing that happens to
 * the bytes of a question: a name is taken over in words of eight bytes, each made lower case
 * at once. Lengths of labels are below 'A', so that they stay as they are.
 */
#include <kiln/bytes.h>
#include "zone_private.h"

enum { WORD = sizeof(uint64_t) };

static uint64_t word_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, WORD); /* little-endian: the first byte is the lowest */
	return word;
}

/* Adding to seven bits carries into the eighth from 'A' on, and from behind 'Z' on: where only
 * the first did, and the eighth bit was not set before, stands a capital letter. */
static uint64_t lower(uint64_t word)
{
	const uint64_t each = 0x0101010101010101, high = 0x80 * each;
	uint64_t seven = word & ~high;
	uint64_t from_a = seven + (0x80 - 'A') * each,
	         behind_z = seven + (0x7f - 'Z') * each;

	return word | ((from_a ^ behind_z) & ~word & high) >> 2;
}

/* No two words give the same, for each step can be undone; the upper half of the product, which
 * all lower bits are in, goes into the lower one. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/* A label's length is part of it: no two names run together. */
static uint64_t hash_label(uint64_t hash, const struct zone_key *key, unsigned at)
{
	unsigned end = at + 1u + (key->bytes[at] & DNS_LABEL_SIZE);

	for (; at + WORD < end; at += WORD)
		hash = mix(hash, word_at(key->bytes + at));
	unsigned unused = at + WORD - end; /* of the last word: 0 to 7 bytes */
	return mix(hash, word_at(key->bytes + at) & UINT64_MAX >> (8 * unused & 63));
}

/* Where the labels stand; false: there is no whole name. By places in the bytes, each of which
 * is compared with their end: a cursor would look at it three times. */
static bool find_labels(struct zone_key *key, struct slice bytes)
{
	size_t end = KILN_MIN(bytes.len, (size_t)DNS_NAME_SIZE), at = 0;

	for (unsigned label = 0; label < ZONE_LABELS && at < end; label++) {
		uint8_t length = bytes.data[at];

		if (length > DNS_LABEL_SIZE)
			return false;
		key->starts[label] = (uint8_t)at;
		at += 1u + length;
		if (length == 0) {
			key->labels = (uint8_t)label;
			key->size = (uint8_t)at;
			return true;
		}
	}
	return false;
}

bool zone_key_read(struct zone_key *key, struct slice bytes)
{
	if (!find_labels(key, bytes))
		return false;
	unsigned labels = key->labels;
	if (labels >= ZONE_LABELS)
		return false; /* which cannot be */
	struct slice name = slice_take(bytes, key->size);
	memcpy(key->bytes, name.data, name.len);
	memset(key->bytes + key->size, 0, WORD);
	for (unsigned at = 0; at < key->size; at += WORD) {
		uint64_t word = lower(word_at(key->bytes + at));

		memcpy(key->bytes + at, &word, WORD);
	}

	uint64_t hash = 0xa0761d6478bd642f;
	key->hashes[labels] = hash;
	for (unsigned label = labels; label > 0; label--) {
		hash = hash_label(hash, key, key->starts[label - 1]);
		key->hashes[label - 1] = hash;
	}
	return true;
}
