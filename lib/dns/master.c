/*
 * Records and directives of master files: see <kiln/dns_master.h>. Everything is told of by
 * file and line; after a mistake the rest of its line is skipped, and reading goes on.
 *
 * Where RFC 1035 leaves open what a file means, it means what BIND takes it for: class and
 * TTL stand in either order; a record without a TTL has that of $TTL, or else that of the
 * record before, or, for the first one, an SOA's last number; what is outside the zone is
 * ignored, with a warning.
 */
#include "master_private.h"

enum { TTL_MOST = INT32_MAX }; /* RFC 2181, 8 */
enum { TYPE_MD = 3, TYPE_MF = 4 };

/* ---- telling of mistakes ---- */

bool master_fail(struct dns_master *m, const char *reason)
{
	if (!m->reason)
		m->reason = reason;
	return false;
}

static void report(struct dns_master *m, bool warning, const struct dns_name *owner,
                   struct slice near, const char *reason)
{
	struct dns_master_problem problem = {
	    .warning = warning,
	    .file = &master_level(m)->file,
	    .line = m->token.line,
	    .owner = owner,
	    .type = m->type,
	    .near = near,
	    .reason = reason,
	};

	if (!warning)
		m->good = false;
	if (!m->calls->problem(m->context, &problem))
		m->stopped = true;
}

void dns_master_format(struct writer *w, const struct dns_master_problem *problem)
{
	writer_format(w, "%.*s:", SLICE_ARG(problem->file->name));
	if (problem->line)
		writer_format(w, "%u:", problem->line);
	writer_text(w, " ");
	if (problem->owner) {
		dns_name_format(w, problem->owner);
		if (problem->type) {
			writer_text(w, " ");
			dns_type_format(w, problem->type);
		}
		writer_text(w, ": ");
	}
	writer_text(w, problem->reason);
	if (problem->near.len)
		writer_format(w, " near '%.*s'",
		              SLICE_ARG(slice_take(problem->near, DNS_NAME_SIZE)));
}

/* ---- words ---- */

void master_advance(struct dns_master *m)
{
	if (m->token.kind == DNS_MASTER_END || m->token.kind == DNS_MASTER_BAD)
		return;
	master_lex(&master_level(m)->lexer, &m->token);
}

/* There is no word where one should be. */
static bool no_word(struct dns_master *m)
{
	m->near = slice_take(m->near, 0);
	if (m->token.kind == DNS_MASTER_BAD)
		return master_fail(m, (const char *)m->token.text.data);
	if (m->token.kind == DNS_MASTER_QUOTED)
		return master_fail(m, "a string in quotes where a word should be");
	return master_fail(m, "unexpected end of line");
}

bool master_word(struct dns_master *m, struct slice *word)
{
	if (m->token.kind != DNS_MASTER_WORD)
		return no_word(m);
	*word = m->near = m->token.text;
	master_advance(m);
	return true;
}

bool master_string(struct dns_master *m, struct slice *text)
{
	if (m->token.kind != DNS_MASTER_WORD && m->token.kind != DNS_MASTER_QUOTED)
		return no_word(m);
	*text = m->near = m->token.text;
	master_advance(m);
	return true;
}

bool master_number(struct dns_master *m, uint64_t max, uint64_t *value)
{
	struct slice word;

	if (!master_word(m, &word))
		return false;
	if (!slice_decimal(word, UINT64_MAX, value))
		return master_fail(m, "not a valid number");
	return *value <= max || master_fail(m, "out of range");
}

bool master_end(struct dns_master *m)
{
	m->near = m->token.text;
	if (m->token.kind == DNS_MASTER_BAD)
		return no_word(m);
	return master_at_end(m) || master_fail(m, "extra input text");
}

/* A dot ends it that no backslash escapes. */
static bool is_absolute(struct slice word)
{
	size_t at = word.len;

	if (at == 0 || word.data[--at] != '.')
		return false;
	size_t backslashes = 0;
	while (at > 0 && word.data[--at] == '\\')
		backslashes++;
	return backslashes % 2 == 0;
}

bool master_name_of(struct dns_master *m, struct slice word, struct dns_name *name)
{
	const struct dns_name *origin = &master_level(m)->origin;
	struct dns_name first;

	if (slice_equal(word, SLICE("@"))) {
		*name = *origin;
		return true;
	}
	if (is_absolute(word))
		return dns_name_parse(word, name) || master_fail(m, "not a valid name");
	if (!dns_name_parse(word, &first))
		return master_fail(m, "not a valid name");
	return dns_name_join(&first, origin, name) || master_fail(m, "name too long");
}

bool master_digits(struct cursor *c, uint32_t max, uint64_t *value)
{
	bool any = false;

	*value = 0;
	for (; cursor_peek(c) >= '0' && cursor_peek(c) <= '9'; any = true) {
		*value = *value * 10 + (cursor_u8(c) - '0');
		if (*value > max)
			return false;
	}
	return any;
}

bool dns_master_ttl(struct slice text, uint32_t *seconds)
{
	struct cursor c = cursor_of(text);
	uint64_t sum = 0;

	while (cursor_left(&c) && sum <= UINT32_MAX) {
		size_t start = c.at;
		uint64_t value, unit;

		if (!master_digits(&c, UINT32_MAX, &value))
			return false;
		switch (byte_lower(cursor_peek(&c))) {
		case 'w':
			unit = 604800;
			break;
		case 'd':
			unit = 86400;
			break;
		case 'h':
			unit = 3600;
			break;
		case 'm':
			unit = 60;
			break;
		case 's':
			unit = 1;
			break;
		default: /* without a unit it stands alone */
			if (cursor_left(&c) || start > 0)
				return false;
			unit = 1;
		}
		if (cursor_left(&c))
			cursor_skip(&c, 1);
		sum += value * unit;
	}
	*seconds = (uint32_t)sum;
	return text.len > 0 && sum <= UINT32_MAX;
}

/* ---- records ---- */

static bool is_class(struct slice word)
{
	return slice_equal_nocase(word, SLICE("IN")) ||
	       slice_equal_nocase(word, SLICE("CLASS1"));
}

static bool is_other_class(struct slice word)
{
	uint64_t number;

	return slice_equal_nocase(word, SLICE("CH")) ||
	       slice_equal_nocase(word, SLICE("CHAOS")) ||
	       slice_equal_nocase(word, SLICE("HS")) ||
	       slice_equal_nocase(word, SLICE("HESIOD")) ||
	       (slice_equal_nocase(slice_take(word, 5), SLICE("CLASS")) &&
	        slice_decimal(slice_skip(word, 5), UINT16_MAX, &number));
}

/* A TTL in seconds; one that is too large is none. */
static uint32_t limit_ttl(struct dns_master *m, uint32_t ttl)
{
	if (ttl <= TTL_MOST)
		return ttl;
	report(m, true, NULL, m->near, "a TTL above 2147483647 is taken as 0");
	return 0;
}

/* TTL and class stand in either order. */
bool master_head(struct dns_master *m, bool *has_ttl)
{
	bool has_class = false;
	struct slice word;
	uint32_t ttl;

	*has_ttl = false;
	for (;;) {
		if (!master_word(m, &word))
			return false;
		if (!has_class && is_class(word)) {
			has_class = true;
		} else if (!has_class && is_other_class(word)) {
			return master_fail(m, "a class other than the zone's, IN");
		} else if (!*has_ttl && dns_master_ttl(word, &ttl)) {
			*has_ttl = true;
			m->ttl = limit_ttl(m, ttl);
		} else {
			break;
		}
	}
	if (!dns_type_parse(word, &m->type))
		return master_fail(m, "unknown type of record");
	if (m->type == TYPE_MD || m->type == TYPE_MF)
		return master_fail(m,
		                   "obsolete: an MX record says it now (RFC 1035, 3.3)");
	return !dns_type_is_meta(m->type) || master_fail(m, "a type that no zone holds");
}

/* A record without a TTL of its own. */
static bool find_ttl(struct dns_master *m, const struct dns_name *owner)
{
	if (m->has_default) {
		m->ttl = m->default_ttl;
	} else if (m->has_last) {
		m->ttl = m->last_ttl;
		if (!m->told_ttl)
			report(m, true, owner, slice_take(m->near, 0),
			       "no TTL specified; using that of the record before");
		m->told_ttl = true;
	} else if (m->type == DNS_SOA) {
		struct slice data = writer_done(&m->w);
		struct cursor c = cursor_of(slice_skip(data, data.len - 4));

		m->ttl = cursor_u32(&c);
		report(m, true, owner, slice_take(m->near, 0),
		       "no TTL specified; using the SOA's last number");
	} else {
		return master_fail(m, "no TTL specified");
	}
	return true;
}

static void hand_over(struct dns_master *m, const struct dns_name *owner)
{
	struct dns_master_record record = {
	    .owner = owner,
	    .type = m->type,
	    .ttl = m->ttl,
	    .data = writer_done(&m->w),
	    .file = &master_level(m)->file,
	    .line = m->line,
	};

	if (!dns_name_in(owner, &m->top))
		report(m, true, owner, slice_take(m->near, 0),
		       "ignoring out-of-zone data");
	else if (!m->calls->record(m->context, &record))
		m->stopped = true;
}

bool master_body(struct dns_master *m, const struct dns_name *owner, bool has_ttl)
{
	m->w = writer_of(m->data, sizeof(m->data));
	if (!master_data(m))
		return false;
	m->near = slice_take(m->near, 0);
	if (!has_ttl && !find_ttl(m, owner))
		return false;
	m->has_last = true;
	m->last_ttl = m->ttl;
	hand_over(m, owner);
	return true;
}

/* ---- directives ---- */

static bool read_origin(struct dns_master *m)
{
	struct slice word;
	struct dns_name name;

	if (!master_word(m, &word) || !master_name_of(m, word, &name))
		return false;
	if (!master_end(m))
		return false;
	master_level(m)->origin = name;
	return true;
}

static bool read_ttl(struct dns_master *m)
{
	struct slice word;
	uint32_t ttl;

	if (!master_word(m, &word))
		return false;
	if (!dns_master_ttl(word, &ttl))
		return master_fail(m, "not a valid TTL");
	if (!master_end(m))
		return false;
	m->near = word;
	m->default_ttl = limit_ttl(m, ttl);
	m->has_default = true;
	return true;
}

/* The names' origin in the file is that which is given, or that of here. */
static bool read_include(struct dns_master *m)
{
	struct dns_master_level *level = master_level(m), *next = level + 1;
	struct dns_name origin = level->origin;
	struct slice path, word;

	if (!master_string(m, &path))
		return false;
	if (!master_at_end(m) &&
	    (!master_word(m, &word) || !master_name_of(m, word, &origin)))
		return false;
	if (!master_end(m))
		return false;
	m->near = path;
	if (m->depth == DNS_MASTER_DEPTH)
		return master_fail(m, "files include each other too deeply");
	const char *reason = m->calls->include(m->context, path, &next->file);
	if (reason)
		return master_fail(m, reason);
	next->lexer = master_lexer_of(next->file.text, 1);
	next->origin = origin;
	next->has_owner = false;
	m->depth++;
	return true;
}

static bool read_directive(struct dns_master *m, struct slice word)
{
	if (slice_equal_nocase(word, SLICE("$ORIGIN")))
		return read_origin(m);
	if (slice_equal_nocase(word, SLICE("$TTL")))
		return read_ttl(m);
	if (slice_equal_nocase(word, SLICE("$INCLUDE")))
		return read_include(m);
	if (slice_equal_nocase(word, SLICE("$GENERATE")))
		return master_generate(m);
	return master_fail(m, "unknown directive");
}

/* ---- lines ---- */

/* A line that begins with a blank is of the owner before. */
static bool read_owned(struct dns_master *m, bool blank)
{
	struct dns_master_level *level = master_level(m);
	struct slice word;
	bool has_ttl;

	if (!blank) {
		level->has_owner = false;
		if (!master_string(m, &word) || !master_name_of(m, word, &level->owner))
			return false;
		level->has_owner = true;
	}
	if (!level->has_owner)
		return master_fail(m, "no owner's name, and none before");
	return master_head(m, &has_ttl) && master_body(m, &level->owner, has_ttl);
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/* Reads a line with what goes on behind its end within parentheses. */
static void read_line(struct dns_master *m)
{
	struct dns_master_level *level = master_level(m);
	bool blank = is_blank(cursor_peek(&level->lexer.c)), directive;

	level->lexer.pairs = false;
	m->type = 0;
	m->reason = NULL;
	m->near = (struct slice){0};
	master_lex(&level->lexer, &m->token);
	m->line = m->token.line;
	if (master_at_end(m))
		return;
	directive = m->token.kind == DNS_MASTER_WORD && !blank && m->token.text.len &&
	            m->token.text.data[0] == '$';
	if (directive) {
		struct slice word;

		if (master_word(m, &word) && read_directive(m, word))
			return;
	} else if (read_owned(m, blank)) {
		return;
	}
	report(m, false, !directive && level->has_owner ? &level->owner : NULL, m->near,
	       m->reason ? m->reason : "syntax error");
	while (m->token.kind == DNS_MASTER_WORD || m->token.kind == DNS_MASTER_QUOTED)
		master_advance(m);
	if (m->token.kind == DNS_MASTER_BAD)
		master_lex_skip_line(&level->lexer);
}

bool dns_master_read(struct dns_master *m, const struct dns_master_calls *calls,
                     void *context, const struct dns_name *origin,
                     const struct dns_master_file *file)
{
	m->calls = calls;
	m->context = context;
	m->top = *origin;
	m->depth = 1;
	m->has_default = m->has_last = m->stopped = m->told_ttl = false;
	m->good = true;
	memset(m->set, 0, sizeof(m->set));
	m->levels[0] = (struct dns_master_level){
	    .file = *file,
	    .lexer = master_lexer_of(file->text, 1),
	    .origin = *origin,
	};
	while (m->depth && !m->stopped) {
		if (master_lex_ended(&master_level(m)->lexer))
			m->depth--;
		else
			read_line(m);
	}
	return m->good && !m->stopped;
}
