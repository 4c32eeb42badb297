/*
 * $GENERATE: any range, and any texts of up to 40 bytes in which it puts numbers. What reads the
 * rest of the line and makes records is left open.
 *
 * sources: lib/dns/master_generate.c
 * seeded: lib/dns/master_generate.c: digits = 1; => digits = 30;
 * precision: -eva-slevel 0 -eva-slevel-function put_octal:30,read_range:12,master_generate:60
 */
#include "lib/dns/master_private.h"
#include "proof.h"

enum { WORD = 40 };

static uint8_t word[WORD];

/* lib/core/format.c: writes, or has no room. */
void writer_format(struct writer *w, const char *format, ...)
{
	(void)format;
	w->at = Frama_C_size_t_interval(0, w->size);
	w->failed = Frama_C_nondet(0, 1);
}

/* lib/dns/master.c and master_lex.c */

bool master_fail(struct dns_master *m, const char *reason)
{
	m->reason = reason;
	return false;
}

bool master_digits(struct cursor *c, uint32_t max, uint64_t *value)
{
	while (cursor_left(c) && Frama_C_nondet(0, 1))
		cursor_skip(c, 1);
	*value = Frama_C_unsigned_long_long_interval(0, max);
	return Frama_C_nondet(0, 1);
}

bool master_word(struct dns_master *m, struct slice *next)
{
	*next = m->near = slice_of(word, Frama_C_size_t_interval(0, WORD));
	return Frama_C_nondet(0, 1);
}

bool master_string(struct dns_master *m, struct slice *text)
{
	return master_word(m, text);
}

bool master_end(struct dns_master *m)
{
	return Frama_C_nondet(0, 1);
}

bool master_head(struct dns_master *m, bool *has_ttl)
{
	*has_ttl = Frama_C_nondet(0, 1);
	return Frama_C_nondet(0, 1);
}

bool master_name_of(struct dns_master *m, struct slice text, struct dns_name *name)
{
	PROOF_UNKNOWN(*name);
	return Frama_C_nondet(0, 1);
}

struct dns_master_lexer master_lexer_of(struct slice text, uint32_t line)
{
	return (struct dns_master_lexer){.c = cursor_of(text), .line = line};
}

void master_lex(struct dns_master_lexer *lexer, struct dns_master_token *token)
{
	token->text = cursor_rest(&lexer->c);
}

bool master_body(struct dns_master *m, const struct dns_name *owner, bool has_ttl)
{
	m->stopped = Frama_C_nondet(0, 1);
	return Frama_C_nondet(0, 1);
}

int main(void)
{
	static struct dns_master m;

	PROOF_UNKNOWN(word);
	PROOF_UNKNOWN(m.generated);
	m.depth = 1;
	/* Where to look for bounds: no more than a hint. */
	//@ widen_hints global:"all", 39, 40, 4095, 4096;
	(void)master_generate(&m);
	return 0;
}
