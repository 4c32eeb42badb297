/*
 * What the files of the reader of master files share. The token that comes next is always in
 * m->token; to take it is to read the one behind it. What reads a field returns false for a
 * mistake, after master_fail().
 */
#ifndef MASTER_PRIVATE_H
#define MASTER_PRIVATE_H

#include <kiln/dns_master.h>
#include "dns_private.h"

/* ---- master_lex.c ---- */

struct dns_master_lexer master_lexer_of(struct slice text, uint32_t line);
void master_lex(struct dns_master_lexer *lexer, struct dns_master_token *token);
/* Goes behind the end of the line, whatever is on it. */
void master_lex_skip_line(struct dns_master_lexer *lexer);
bool master_lex_ended(const struct dns_master_lexer *lexer);

/* ---- master.c ---- */

static inline struct dns_master_level *master_level(struct dns_master *m)
{
	return &m->levels[m->depth - 1];
}

bool master_fail(struct dns_master *m, const char *reason);
void master_advance(struct dns_master *m);
/* The next word; false: there is none. */
KILN_MUST_CHECK bool master_word(struct dns_master *m, struct slice *word);
/* A word, or a string in quotes. */
KILN_MUST_CHECK bool master_string(struct dns_master *m, struct slice *text);
static inline bool master_at_end(const struct dns_master *m)
{
	return m->token.kind == DNS_MASTER_END;
}
/* That no word is left on the line. */
KILN_MUST_CHECK bool master_end(struct dns_master *m);
/* The name that a word means. */
KILN_MUST_CHECK bool master_name_of(struct dns_master *m, struct slice word,
				    struct dns_name *name);
/* A number in decimal digits, at most max. */
KILN_MUST_CHECK bool master_number(struct dns_master *m, uint64_t max, uint64_t *value);
/* The decimal digits that come next in a word, at most max. False: none, or more. */
KILN_MUST_CHECK bool master_digits(struct cursor *c, uint32_t max, uint64_t *value);
/* Reads [TTL] [class] type into m->ttl and m->type. */
KILN_MUST_CHECK bool master_head(struct dns_master *m, bool *has_ttl);
/* Reads the data behind that, and hands the record over. */
KILN_MUST_CHECK bool master_body(struct dns_master *m, const struct dns_name *owner,
				 bool has_ttl);

/* ---- master_generate.c ---- */

KILN_MUST_CHECK bool master_generate(struct dns_master *m);

/* ---- master_data.c ---- */

/* Reads a record's data into m->w, up to the end of the line. */
KILN_MUST_CHECK bool master_data(struct dns_master *m);
/* Reads a field, whose letter lib/dns/types.c explains. */
KILN_MUST_CHECK bool master_field(struct dns_master *m, char field);
/* The next byte of a word or string, its escape undone: \" is a quote, \065 an A. The cursor
 * fails for an escape that is none. */
uint8_t master_byte(struct cursor *text);
/* Writes all bytes of a text. */
KILN_MUST_CHECK bool master_text(struct dns_master *m, struct slice text);
/* Writes these bytes of m->set, and clears them. */
void master_bits(struct dns_master *m, uint8_t *bits, size_t size);
KILN_MUST_CHECK bool master_hex(struct dns_master *m, bool may_be_none);
KILN_MUST_CHECK bool master_base64(struct dns_master *m, bool may_be_none);
/* Of one word. */
KILN_MUST_CHECK bool master_hex_word(struct dns_master *m, struct slice word);
KILN_MUST_CHECK bool master_base64_word(struct dns_master *m, struct slice word);
KILN_MUST_CHECK bool master_field_name(struct dns_master *m);
KILN_MUST_CHECK bool master_field_a(struct dns_master *m);
KILN_MUST_CHECK bool master_field_aaaa(struct dns_master *m);

/* ---- master_words.c ---- */

/* What a word means as a value of such a field: "RSASHA256" is 8 in a 'g'. */
KILN_MUST_CHECK bool master_meaning(char field, struct slice word, uint16_t *value);

/* ---- master_odd.c, master_svcb.c: fields that one type alone has ---- */

KILN_MUST_CHECK bool master_field_loc(struct dns_master *m);
KILN_MUST_CHECK bool master_field_wks(struct dns_master *m);
KILN_MUST_CHECK bool master_field_apl(struct dns_master *m);
KILN_MUST_CHECK bool master_field_gateway(struct dns_master *m);
KILN_MUST_CHECK bool master_field_relay(struct dns_master *m);
KILN_MUST_CHECK bool master_field_hip(struct dns_master *m);
KILN_MUST_CHECK bool master_field_atma(struct dns_master *m);
KILN_MUST_CHECK bool master_field_nsap(struct dns_master *m);
KILN_MUST_CHECK bool master_field_a6(struct dns_master *m);
KILN_MUST_CHECK bool master_field_parameters(struct dns_master *m);

/* Addresses as text. */
KILN_MUST_CHECK bool master_ip4(struct slice text, uint8_t address[4]);
KILN_MUST_CHECK bool master_ip6(struct slice text, uint8_t address[16]);

#endif
