/*
 * Words of a master file (RFC 1035, 5.1): separated by blanks, a comment behind a semicolon,
 * a line that goes on within parentheses, a string in quotes, and a backslash that takes its
 * meaning from the byte behind it. Words are slices of the text: nothing is copied, and their
 * escapes are undone by who knows what they mean.
 */
#include "master_private.h"

struct dns_master_lexer master_lexer_of(struct slice text, uint32_t line)
{
	return (struct dns_master_lexer){.c = cursor_of(text), .line = line};
}

bool master_lex_ended(const struct dns_master_lexer *lexer)
{
	return cursor_left(&lexer->c) == 0;
}

static void end_of_line(struct dns_master_lexer *lexer)
{
	cursor_skip(&lexer->c, 1);
	lexer->line++;
}

static void skip_comment(struct dns_master_lexer *lexer)
{
	while (!master_lex_ended(lexer) && cursor_peek(&lexer->c) != '\n')
		cursor_skip(&lexer->c, 1);
}

void master_lex_skip_line(struct dns_master_lexer *lexer)
{
	skip_comment(lexer);
	if (!master_lex_ended(lexer))
		end_of_line(lexer);
	lexer->depth = 0;
}

static void bad(struct dns_master_token *token, const char *reason)
{
	token->kind = DNS_MASTER_BAD;
	token->text = slice_text(reason);
}

/* What stands between two places of the text. */
static struct slice between(struct cursor from, const struct cursor *to)
{
	return cursor_bytes(&from, to->at - from.at);
}

/* Goes past a byte, and past what is escaped by it. False: the line ends before that. */
static bool skip_byte(struct cursor *c)
{
	if (cursor_u8(c) != '\\')
		return true;
	if (cursor_left(c) == 0 || cursor_peek(c) == '\n')
		return false;
	cursor_skip(c, 1);
	return true;
}

/* Goes to the quote that ends the string that the cursor is in. */
static bool skip_string(struct cursor *c)
{
	while (cursor_left(c) && cursor_peek(c) != '\n') {
		if (cursor_peek(c) == '"')
			return true;
		if (!skip_byte(c))
			return false;
	}
	return false;
}

static void lex_string(struct dns_master_lexer *lexer, struct dns_master_token *token)
{
	struct cursor start;

	cursor_skip(&lexer->c, 1);
	start = lexer->c;
	if (!skip_string(&lexer->c)) {
		bad(token, "unbalanced quotes");
		return;
	}
	token->kind = DNS_MASTER_QUOTED;
	token->text = between(start, &lexer->c);
	cursor_skip(&lexer->c, 1);
}

static bool ends_word(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' ||
	       byte == ';' || byte == '(' || byte == ')' || byte == '"';
}

static void lex_word(struct dns_master_lexer *lexer, struct dns_master_token *token)
{
	struct cursor *c = &lexer->c, start = *c;
	uint8_t before = 0;

	token->kind = DNS_MASTER_WORD;
	while (cursor_left(c)) {
		uint8_t byte = cursor_peek(c);

		if (byte == '"' && lexer->pairs && before == '=') {
			cursor_skip(c, 1);
			if (!skip_string(c)) {
				bad(token, "unbalanced quotes");
				return;
			}
			cursor_skip(c, 1);
			break;
		}
		if (ends_word(byte))
			break;
		if (!skip_byte(c)) {
			bad(token, "a backslash ends the line");
			return;
		}
		before = byte;
	}
	token->text = between(start, c);
}

/* False: there are neither blanks nor comments nor parentheses in the way. */
static bool skip_between(struct dns_master_lexer *lexer, struct dns_master_token *token)
{
	switch (cursor_peek(&lexer->c)) {
	case ' ':
	case '\t':
	case '\r':
		cursor_skip(&lexer->c, 1);
		return true;
	case ';':
		skip_comment(lexer);
		return true;
	case '(':
		cursor_skip(&lexer->c, 1);
		lexer->depth++;
		return true;
	case '\n':
		if (lexer->depth == 0)
			return false;
		end_of_line(lexer);
		return true;
	case ')':
		if (lexer->depth == 0) {
			bad(token, "unbalanced parentheses");
			return false;
		}
		cursor_skip(&lexer->c, 1);
		lexer->depth--;
		return true;
	default:
		return false;
	}
}

void master_lex(struct dns_master_lexer *lexer, struct dns_master_token *token)
{
	*token = (struct dns_master_token){.kind = DNS_MASTER_END};
	while (!master_lex_ended(lexer) && skip_between(lexer, token))
		continue;
	token->line = lexer->line;
	if (token->kind == DNS_MASTER_BAD)
		return;
	if (master_lex_ended(lexer)) {
		if (lexer->depth)
			bad(token, "unbalanced parentheses");
		return;
	}
	if (cursor_peek(&lexer->c) == '\n')
		end_of_line(lexer);
	else if (cursor_peek(&lexer->c) == '"')
		lex_string(lexer, token);
	else
		lex_word(lexer, token);
}
