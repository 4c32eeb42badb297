/*
 * Reads a scenario: lines into statements, and the texts that all statements share. The
 * statements themselves are in read_network.c and read_play.c.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/abi/param.h>
#include "scenario.h"

enum { WORDS = 128 }; /* of a line */

bool scenario_refuse(struct statement *s, const char *format, ...)
{
	struct scenario *scenario = s->scenario;
	va_list args;
	int n = snprintf(scenario->error, sizeof(scenario->error),
	                 "%s:%u: ", scenario->file, s->line);

	va_start(args, format);
	if (n > 0 && (size_t)n < sizeof(scenario->error))
		vsnprintf(scenario->error + n, sizeof(scenario->error) - (size_t)n,
		          format, args);
	va_end(args);
	return false;
}

char *statement_next(struct statement *s)
{
	return s->at < s->count ? s->words[s->at++] : NULL;
}

char *statement_need(struct statement *s, const char *what)
{
	char *word = statement_next(s);

	if (!word)
		scenario_refuse(s, "%s is missing at the end of the line", what);
	return word;
}

/* ---- texts ---- */

bool scenario_parse_address(const char *text, struct ip_addr *addr)
{
	uint8_t four[4];

	if (inet_pton(AF_INET, text, four) == 1) {
		struct ip4_addr ip4;
		memcpy(&ip4, four, sizeof(ip4));
		*addr = ip_from4(ip4);
		return true;
	}
	return inet_pton(AF_INET6, text, addr->bytes) == 1 && !ip_is4(addr);
}

bool scenario_parse_prefix(const char *text, struct scenario_address *prefix)
{
	const char *slash = strchr(text, '/');
	char address[64];
	uint64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!scenario_parse_address(address, &prefix->addr) ||
	    !param_parse(KILN_PARAM_TYPE_UINT, 0, ip_is4(&prefix->addr) ? 32 : 128,
	                 slash + 1, strlen(slash + 1), &length))
		return false;
	prefix->length = (unsigned)length;
	return true;
}

/* 10.0.0.1:80 or [fd00::1]:80 */
bool scenario_parse_endpoint(const char *text, struct endpoint *to)
{
	const char *colon = strrchr(text, ':');
	char address[64];
	uint64_t port;
	size_t length;

	if (!colon)
		return false;
	length = (size_t)(colon - text);
	if (length && text[0] == '[' && colon[-1] == ']') {
		text++;
		length -= 2;
	}
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (!scenario_parse_address(address, &to->addr) ||
	    !param_parse(KILN_PARAM_TYPE_PORT, 0, 0, colon + 1, strlen(colon + 1), &port))
		return false;
	to->port = (uint16_t)port;
	return true;
}

bool scenario_parse_time(const char *text, kiln_time *time)
{
	return param_parse(KILN_PARAM_TYPE_DURATION, 0, 0, text, strlen(text), time) &&
	       *time <= KILN_SECONDS(1000000);
}

bool scenario_prefix_has(const struct scenario_address *prefix,
                         const struct ip_addr *addr)
{
	unsigned bits = prefix->length + (ip_is4(&prefix->addr) ? 96 : 0);

	if (ip_is4(&prefix->addr) != ip_is4(addr) ||
	    memcmp(prefix->addr.bytes, addr->bytes, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	       (prefix->addr.bytes[bits / 8] ^ addr->bytes[bits / 8]) >> (8 - bits % 8) ==
	           0;
}

int scenario_find_link(const struct scenario *scenario, const char *name)
{
	for (unsigned i = 0; i < scenario->link_count; i++)
		if (strcmp(scenario->links[i].name, name) == 0)
			return (int)i;
	return -1;
}

int scenario_find_host(const struct scenario *scenario, const char *name)
{
	for (unsigned i = 0; i < scenario->host_count; i++)
		if (strcmp(scenario->hosts[i].name, name) == 0)
			return (int)i;
	return -1;
}

void *scenario_more(struct statement *s, void *array, unsigned *count, size_t size)
{
	if (*count == SCENARIO_MOST) {
		scenario_refuse(s, "there are more than %d of these", SCENARIO_MOST);
		return NULL;
	}
	array = realloc(array, (*count + 1) * size);
	if (!array) {
		scenario_refuse(s, "there is no memory for it");
		return NULL;
	}
	memset((char *)array + *count * size, 0, size);
	++*count;
	return array;
}

/* ---- lines ---- */

static bool read_seed(struct statement *s)
{
	const char *word = statement_need(s, "the number");

	if (!word)
		return false;
	if (!param_parse(KILN_PARAM_TYPE_UINT, 0, UINT64_MAX, word, strlen(word),
	                 &s->scenario->seed))
		return scenario_refuse(s, "seed takes a number, not '%s'", word);
	return true;
}

static bool read_run(struct statement *s)
{
	const char *word = statement_need(s, "the time");

	if (!word)
		return false;
	if (!scenario_parse_time(word, &s->scenario->run))
		return scenario_refuse(s, "run takes a time such as 30s or 5m, not '%s'",
		                       word);
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct statement *s);
} statements[] = {
    {"seed", read_seed},
    {"run", read_run},
    {"link", scenario_read_link},
    {"switch", scenario_read_switch},
    {"router", scenario_read_router},
    {"host", scenario_read_host},
    {"clients", scenario_read_clients},
    {"at", scenario_read_at},
    {"expect", scenario_read_expect},
};

static bool read_statement(struct statement *s)
{
	const char *name = statement_next(s);

	for (size_t i = 0; i < KILN_COUNT_OF(statements); i++) {
		if (strcmp(name, statements[i].name) != 0)
			continue;
		if (!statements[i].read(s))
			return false;
		if (s->at < s->count)
			return scenario_refuse(s,
			                       "'%s' at the end of the line is too much",
			                       s->words[s->at]);
		return true;
	}
	return scenario_refuse(s,
	                       "there is no statement '%s': begin a line with seed, "
	                       "run, link, switch, router, host, clients, at or expect",
	                       name);
}

/* Cuts a line into words; they stay where they are. */
static unsigned split(char *line, char **words)
{
	unsigned count = 0;
	char *rest = NULL;

	line[strcspn(line, "#\r")] = '\0';
	for (char *word = strtok_r(line, " \t", &rest); word;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (count == WORDS)
			return WORDS + 1;
		words[count++] = word;
	}
	return count;
}

bool scenario_read(struct scenario *scenario, const char *file, char *text)
{
	*scenario = (struct scenario){.file = file, .seed = 1, .run = KILN_SECONDS(60)};
	for (unsigned line = 1; text; line++) {
		char *end = strchr(text, '\n');
		char *words[WORDS];
		struct statement s = {.scenario = scenario, .line = line, .words = words};

		if (end)
			*end++ = '\0';
		s.count = split(text, words);
		if (s.count > WORDS)
			return scenario_refuse(&s, "the line has more than %d words",
			                       WORDS);
		if (s.count && !read_statement(&s))
			return false;
		text = end;
	}
	return true;
}
