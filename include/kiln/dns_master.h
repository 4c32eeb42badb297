/*
 * Master files: zones as text (RFC 1035, 5.1; RFC 2308, 4; RFC 3597, 5), with $INCLUDE, and
 * with $GENERATE as BIND has it. A reader hands over each record as bytes, as it comes; it
 * keeps none, and knows nothing of what a zone must hold.
 *
 *	struct dns_master *m = ...;	(160 KiB: not on a small stack)
 *	struct dns_master_file file = {.name = SLICE("example.com.zone"), .text = text};
 *
 *	if (!dns_master_read(m, &calls, context, &origin, &file))
 *		...
 *
 * A record with a mistake is told of and left out, so that one run tells of all mistakes.
 */
#ifndef KILN_DNS_MASTER_H
#define KILN_DNS_MASTER_H

#include <kiln/dns_types.h>

enum {
	DNS_MASTER_DEPTH = 10,           /* files that are open at a time, at most */
	DNS_MASTER_GENERATED = 16777216, /* records of one $GENERATE, at most */
	DNS_MASTER_LINE = 4096,          /* bytes of a generated name or of its data, at most */
};

struct dns_master_file {
	struct slice name;   /* for messages */
	struct slice text;   /* stays until all has been read */
	uint32_t number; /* the caller's own */
};

struct dns_master_record {
	const struct dns_name *owner;
	uint16_t type;
	uint32_t ttl;
	struct slice data; /* as in a message, names uncompressed */
	const struct dns_master_file *file;
	uint32_t line; /* where it begins; the first is 1 */
};

struct dns_master_problem {
	bool warning; /* the record was taken, or ignored as it should be */
	const struct dns_master_file *file;
	uint32_t line; /* 0: it is about none */
	const struct dns_name *owner; /* NULL: it is about no record */
	uint16_t type;                /* 0: none has been read */
	struct slice near;            /* the word it is about; empty: none */
	const char *reason;           /* lower case, no full stop */
};

struct dns_master_calls {
	/* False: no more is wanted, as after a lack of memory. */
	bool (*record)(void *context, const struct dns_master_record *record);
	/* False: enough has been seen. */
	bool (*problem)(void *context, const struct dns_master_problem *problem);
	/* Finds the file of an $INCLUDE and fills in all of *file; NULL, or why it cannot. */
	const char *(*include)(void *context, struct slice path,
			       struct dns_master_file *file);
};

/* ---- the reader's own ---- */

enum dns_master_kind {
	DNS_MASTER_END, /* of a line, or of the file */
	DNS_MASTER_WORD,
	DNS_MASTER_QUOTED,
	DNS_MASTER_BAD, /* `text` is why */
};

struct dns_master_token {
	enum dns_master_kind kind;
	struct slice text; /* escapes as they stand; without the quotes around it */
	uint32_t line;
};

struct dns_master_lexer {
	struct cursor c;
	uint32_t line;
	uint32_t depth; /* of parentheses */
	bool pairs;     /* key="a value" is one word */
};

struct dns_master_level { /* a file that is being read */
	struct dns_master_file file;
	struct dns_master_lexer lexer;
	struct dns_name origin, owner;
	bool has_owner;
};

struct dns_master {
	const struct dns_master_calls *calls;
	void *context;
	struct dns_name top; /* of the zone */
	struct dns_master_level levels[DNS_MASTER_DEPTH];
	unsigned depth;
	bool has_default, has_last; /* TTLs: of $TTL, of the record before */
	bool good, stopped, told_ttl;
	uint32_t default_ttl, last_ttl;

	/* Of the record that is being read. */
	struct dns_master_token token; /* the next one */
	uint32_t line;
	uint16_t type;
	uint32_t ttl;
	struct slice near;
	const char *reason;
	struct writer w;
	uint8_t set[8192];   /* of types or ports: one bit each, of use within a field */
	uint8_t data[65535];
	uint8_t generated[2][DNS_MASTER_LINE];
};

/* Reads a zone whose name is the origin. False: something is wrong, and has been told of, or a
 * call wanted no more. */
KILN_MUST_CHECK bool dns_master_read(struct dns_master *m,
				     const struct dns_master_calls *calls, void *context,
				     const struct dns_name *origin,
				     const struct dns_master_file *file);

/* "example.com.zone:5: www.example.com A: bad dotted quad near '10.1'" */
void dns_master_format(struct writer *w, const struct dns_master_problem *problem);

/* "1h30m", "3600", "2W": TTLs as BIND takes them. */
KILN_MUST_CHECK bool dns_master_ttl(struct slice text, uint32_t *seconds);

#endif
