/*
 * Texts from outside (names of files, symbols, folders) as JSON and XML want them. What is
 * no UTF-8, or no character that the format can hold, becomes U+FFFD.
 */
#include <string.h>
#include "tool.h"

/* The length of the character at `at`; 0 if it is no well-formed UTF-8 (RFC 3629). */
static size_t utf8_length(const unsigned char *at)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = at[0] < 0x80             ? 1
	                : (at[0] & 0xe0) == 0xc0 ? 2
	                : (at[0] & 0xf0) == 0xe0 ? 3
	                : (at[0] & 0xf8) == 0xf0 ? 4
	                                         : 0;
	unsigned code = at[0] & (0xffu >> (length + 1));

	if (length <= 1)
		return length;
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}

/* Adds the character at `string` as it is, or what stands for one that is none; returns
 * what follows it. */
static const char *add_character(struct text *text, const char *string)
{
	size_t length = utf8_length((const unsigned char *)string);

	if (length)
		text_add_bytes(text, string, length);
	else
		text_add(text, "\xef\xbf\xbd");
	return string + (length ? length : 1);
}

void text_add_json(struct text *text, const char *string)
{
	text_add(text, "\"");
	while (*string) {
		unsigned char c = (unsigned char)*string;
		if (c >= 0x20 && c != '"' && c != '\\') {
			string = add_character(text, string);
			continue;
		}
		if (c < 0x20)
			text_add(text, "\\u%04x", c);
		else
			text_add(text, "\\%c", c);
		string++;
	}
	text_add(text, "\"");
}

void text_add_xml(struct text *text, const char *string)
{
	while (*string) {
		unsigned char c = (unsigned char)*string;
		if (c >= 0x20 && !strchr("&<>\"", c)) {
			string = add_character(text, string);
			continue;
		}
		text_add(text, "%s",
		         c == '&'   ? "&amp;"
		         : c == '<' ? "&lt;"
		         : c == '>' ? "&gt;"
		         : c == '"' ? "&quot;"
		                    : "\xef\xbf\xbd");
		string++;
	}
}
