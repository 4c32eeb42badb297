/*
 * What the proofs of records' data in master files have in common: what stands in for
 * lib/dns/master.c, which gives any words here, and none at any time.
 */
#ifndef PROOF_MASTER_H
#define PROOF_MASTER_H

#include "lib/dns/master_private.h"
#include "proof.h"

enum { ROOM = 24 }; /* for data, where a record has 65535 bytes */

static uint8_t word[WORD];
static size_t least, most = WORD;                     /* bytes of words */
static uint8_t shortest = 1, longest = DNS_NAME_SIZE; /* of names */
static struct dns_master m;

bool master_fail(struct dns_master *master, const char *reason)
{
	master->reason = reason;
	return false;
}

void master_advance(struct dns_master *master)
{
	master->token.kind = Frama_C_interval(DNS_MASTER_END, DNS_MASTER_BAD);
	master->token.text = slice_of(word, Frama_C_size_t_interval(least, most));
}

bool master_word(struct dns_master *master, struct slice *next)
{
	*next = slice_of(word, Frama_C_size_t_interval(least, most));
	master_advance(master);
	return Frama_C_nondet(0, 1);
}

bool master_string(struct dns_master *master, struct slice *text)
{
	return master_word(master, text);
}

bool master_number(struct dns_master *master, uint64_t max, uint64_t *value)
{
	*value = Frama_C_unsigned_long_long_interval(0, max);
	master_advance(master);
	return Frama_C_nondet(0, 1);
}

bool master_name_of(struct dns_master *master, struct slice text, struct dns_name *name)
{
	PROOF_UNKNOWN(*name);
	name->size = Frama_C_unsigned_char_interval(shortest, longest);
	return Frama_C_nondet(0, 1);
}

bool dns_master_ttl(struct slice text, uint32_t *seconds)
{
	*seconds = Frama_C_unsigned_int_interval(0, UINT32_MAX);
	return Frama_C_nondet(0, 1);
}

/* Reads a field into a room some of which is taken. */
static void field(char letter)
{
	static uint8_t room[ROOM];

	PROOF_UNKNOWN(word);
	PROOF_UNKNOWN(room);
	m.w = writer_of(room, sizeof(room));
	m.w.at = Frama_C_size_t_interval(1, ROOM);
	m.reason = NULL;
	memset(m.set, 0, sizeof(m.set));
	master_advance(&m);
	(void)master_field(&m, letter);
}

/* Names are of each size that there may be room for, or of any above that. */
static void names(char letter)
{
	//@ loop unroll 25;
	for (shortest = 1; shortest <= ROOM; shortest++) {
		longest = shortest;
		field(letter);
	}
	longest = DNS_NAME_SIZE;
	field(letter);
	shortest = 1;
}

#endif
