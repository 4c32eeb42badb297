/*
 * Reading the map that GNU ld writes with -Map. Its headings are in the user's language,
 * so lines are known by their shape:
 *
 *	.text           0x0000000000003400    0x1965e		an output section
 *	 .text.tcp_new  0x0000000000003400       0x12 /a/libnet.a(tcp.c.o)
 *	 .text.a_long_name					an input section, over
 *	                0x0000000000003412       0x40 FILE	one line or two
 *	 *fill*         0x0000000000003452        0xe
 *	                0x0000000000003400                tcp_new
 *	                0x0000000000003460                file_end = .
 *
 * Input sections at address 0 that stand under no output section are those that were
 * dropped. Everything else is passed over.
 */
#include <string.h>
#include "map.h"

struct map_line {
	const char *at, *end;
};

static void skip_blanks(struct map_line *line)
{
	while (line->at < line->end && *line->at == ' ')
		line->at++;
}

static char *take_word(struct map_line *line)
{
	const char *begin = line->at;

	while (line->at < line->end && *line->at != ' ')
		line->at++;
	return text_format("%.*s", (int)(line->at - begin), begin);
}

/* "0x" and digits, up to a blank or the end. The line stays where it is if not. */
static bool take_number(struct map_line *line, uint64_t *value)
{
	const char *p = line->at;

	*value = 0;
	if (line->end - p < 3 || p[0] != '0' || p[1] != 'x')
		return false;
	for (p += 2; p < line->end && *p != ' '; p++) {
		unsigned digit = *p >= '0' && *p <= '9'   ? (unsigned)(*p - '0')
		                 : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a' + 10)
		                                          : 16;
		if (digit == 16 || *value >> 60)
			return false;
		*value = *value << 4 | digit;
	}
	line->at = p;
	skip_blanks(line);
	return true;
}

static void add_input(struct map_input **list, size_t *count, struct map_input input)
{
	/* A power of two is full. */
	if ((*count & (*count - 1)) == 0) {
		struct map_input *more =
		    allocate((*count ? *count * 2 : 1) * sizeof(*more));
		if (*count)
			memcpy(more, *list, *count * sizeof(*more));
		*list = more;
	}
	(*list)[(*count)++] = input;
}

/* The rest of an input section's line: address, size and file. */
static void take_input(struct map_link *link, const char *output, const char *section,
                       struct map_line *line)
{
	struct map_input input = {.output = output, .section = section};

	if (!take_number(line, &input.address) || !take_number(line, &input.size))
		return;
	if (strcmp(section, "*fill*") != 0) {
		if (line->at == line->end)
			return;
		input.file = text_format("%.*s", (int)(line->end - line->at), line->at);
	}
	if (input.address == 0 && output[0] != '.' && output[0] != '/' && input.file)
		add_input(&link->dropped, &link->dropped_count, input);
	else
		add_input(&link->placed, &link->placed_count, input);
}

/* "ADDRESS NAME = EXPRESSION", where NAME is a symbol. */
static void take_assignment(struct map_link *link, struct map_line *line)
{
	uint64_t address, size;
	char *name;

	if (!take_number(line, &address) || take_number(line, &size))
		return;
	name = take_word(line);
	skip_blanks(line);
	if (strcmp(name, ".") != 0 && line->at < line->end && *line->at == '=')
		words_add(&link->assigned, name);
}

bool map_link_read(struct map_link *link, const char *text)
{
	const char *output = "", *section = NULL; /* section: its line goes on */

	*link = (struct map_link){0};
	while (*text) {
		size_t length = strcspn(text, "\n");
		struct map_line line = {text, text + length};
		const char *continued = section;

		text += length + (text[length] == '\n');
		section = NULL;
		skip_blanks(&line);
		switch (line.at == line.end ? -1 : line.at - (line.end - length)) {
		case -1:
			break;
		case 0:
			output = take_word(&line);
			break;
		case 1:
			section = take_word(&line);
			skip_blanks(&line);
			if (line.at == line.end)
				break;
			take_input(link, output, section, &line);
			section = NULL;
			break;
		default:
			if (continued)
				take_input(link, output, continued, &line);
			else
				take_assignment(link, &line);
		}
	}
	words_sort(&link->assigned);
	return link->placed_count > 0;
}
