/*
 * Words of master files. From any place in any text the next token is read, within parentheses
 * or not, and the line is skipped. What a text of up to 8 bytes begins with is a token whose own
 * text lies within it: one behind blanks is what a shorter text begins with.
 *
 * sources: lib/dns/master_lex.c
 * seeded: lib/dns/master_lex.c: cursor_bytes(&from, to->at - from.at) => slice_of(from.data + from.at, to->at - from.at + 1)
 * length: 2
 * precision: -eva-slevel 100 -eva-slevel-function main:0,any:0,master_lex:8,skip_between:0,skip_string:20
 */
#include "lib/dns/master_private.h"
#include "proof.h"

static void any(void)
{
	static uint8_t text[64];
	struct dns_master_lexer lexer = master_lexer_of(slice_of(text, sizeof(text)), 1);
	struct dns_master_token token;

	PROOF_UNKNOWN(text);
	lexer.c.at = Frama_C_size_t_interval(0, sizeof(text));
	lexer.depth = Frama_C_unsigned_int_interval(0, UINT32_MAX);
	lexer.line = Frama_C_unsigned_int_interval(0, UINT32_MAX);
	lexer.pairs = Frama_C_nondet(0, 1);
	master_lex(&lexer, &token);
	(void)master_lex_ended(&lexer);
	master_lex_skip_line(&lexer);
}

static void first(struct slice text)
{
	struct dns_master_lexer lexer = master_lexer_of(text, 1);
	struct dns_master_token token;
	volatile uint8_t last;

	lexer.pairs = Frama_C_nondet(0, 1);
	master_lex(&lexer, &token);
	if (token.kind != DNS_MASTER_BAD && token.text.len)
		last = token.text.data[token.text.len - 1];
}

static void check(struct slice text)
{
	uint8_t *start = (uint8_t *)text.data;

	if (text.len == 0) {
		any();
		return;
	}
	/* Whatever stands neither between words nor for an end. */
	*start = (uint8_t)Frama_C_interval('!', '\'');
	first(text);
	*start = (uint8_t)Frama_C_interval('*', ':');
	first(text);
	*start = (uint8_t)Frama_C_interval('<', 0xff);
	first(text);
}

enum { MOST = 8 };
#include "slices.h"
