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

/* Both halves of a product: each bit of the hash comes from all of both factors. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A label's length is part of it: no two names run together. */
static uint64_t hash_label(uint64_t hash, const uint8_t *label)
{
	unsigned size = 1u + label[0];

	for (; size > WORD; size -= WORD, label += WORD)
		hash = mix(hash ^ word_at(label), 0x9e3779b97f4a7c15);
	uint64_t rest = word_at(label) << 8 * (WORD - size);
	return mix(hash ^ rest, 0xe7037ed1a0b428db);
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
	memcpy(key->bytes, bytes.data, key->size);
	memset(key->bytes + key->size, 0, WORD);
	for (unsigned at = 0; at < key->size; at += WORD) {
		uint64_t word = lower(word_at(key->bytes + at));

		memcpy(key->bytes + at, &word, WORD);
	}

	uint64_t hash = 0xa0761d6478bd642f;
	key->hashes[key->labels] = hash;
	for (unsigned label = key->labels; label-- > 0;) {
		hash = hash_label(hash, key->bytes + key->starts[label]);
		key->hashes[label] = hash;
	}
	return true;
}
