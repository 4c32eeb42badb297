/*
 * What the files of the answering share: the query as it is read (answer_query.c), the message
 * that is being made (answer_write.c, answer_edns.c), and what decides on what is in it
 * (answer.c, answer_denial.c, answer_chaos.c).
 */
#ifndef DNS_ANSWER_PRIVATE_H
#define DNS_ANSWER_PRIVATE_H

#include <kiln/dns_answer.h>
#include "zone_private.h"

/* ---- the query ---- */

enum { COOKIE_CLIENT = 8, COOKIE_SERVER = 16 }; /* RFC 7873, 4; 9018, 4 */

struct answer_query {
	uint16_t id, flags;
	uint8_t opcode;
	bool has_question;
	uint16_t question_end; /* in the message */
	uint16_t type, class;
	struct zone_key name;

	bool edns, dnssec, nsid;
	uint8_t version;
	uint16_t udp_size;
	struct slice cookie;    /* client's and server's; empty: none */
	uint16_t signature;     /* where a TSIG record begins; 0: none */
};

enum answer_reading {
	ANSWER_READ,      /* well-formed */
	ANSWER_MALFORMED, /* FORMERR; what was read before is set */
	ANSWER_SILENCE,   /* a response, or no header */
};
enum answer_reading answer_read_query(struct answer_query *q, struct slice message);

/* ---- the message ---- */

enum {
	ANSWER_HOPS = 16, /* names along CNAME and DNAME, at most */
	ANSWER_PROOFS = ANSWER_HOPS + 4,
	ANSWER_PENDING = 2, /* of sets that name hosts: what was asked for, and a referral's */
	POINTER_MOST = 0x3fff,
};

/* RFC 8914, 4 */
enum { EXTENDED_NONE = -1, EXTENDED_NOT_AUTHORITATIVE = 20, EXTENDED_NOT_SUPPORTED = 21 };

struct answer {
	const struct dns_answerer *answerer;
	const struct dns_peer *peer;
	struct answer_query *query;
	struct dns_answered *what;

	struct writer w; /* its size leaves room for OPT */
	size_t limit;    /* of the whole */
	uint16_t counts[4];
	uint16_t flags;
	uint16_t rcode;
	int extended;

	const struct zone_header *zone;
	uint16_t apex_at; /* where its name stands in the message */
	uint16_t name_at; /* where the name stands that is looked for: the question's at first, then
			   * those that CNAME and DNAME lead to; query->name is the same name */

	/* What comes behind the answers: a referral, or the SOA of a negative answer; what
	 * proves it, and what else is not there. */
	const struct zone_node *cut;
	uint16_t cut_at;
	bool negative;
	struct {
		const struct zone_node *node;
		uint16_t at; /* where its name stands; 0: nowhere yet */
	} proofs[ANSWER_PROOFS];
	unsigned proof_count;
	struct {
		const struct zone_set *set;
		uint16_t at; /* where its records begin; 0: too far behind to point to */
	} pending[ANSWER_PENDING];
	unsigned pending_count;
};

/* Begins with the header, and with the question as it came. */
void answer_begin(struct answer *m, struct slice query, void *buffer, size_t size);
/* OPT, if the query had one, and the header. Returns the size of the whole. */
size_t answer_end(struct answer *m);

/* Where what begins with a label of query->name stands in the message. */
static inline uint16_t answer_place(const struct answer *m, unsigned label)
{
	const struct zone_node *apex = zone_at(m->zone, m->zone->apex);
	const struct zone_key *key = &m->query->name;

	if (label == (unsigned)key->labels - apex->labels)
		return m->apex_at;
	return (uint16_t)(m->name_at + key->starts[label]);
}

/* A set with its signatures, if those were asked for; nothing of it, if it does not fit: false.
 * Its owner is the name that stands at `place`; 0: it is written as the node's. */
bool answer_put(struct answer *m, enum dns_section section, const struct zone_set *set,
		const struct zone_node *node, uint16_t place);
/* The signatures alone. */
bool answer_put_signatures(struct answer *m, const struct zone_set *set,
			   const struct zone_node *node, uint16_t place);
/* What stands behind the answers. */
void answer_put_rest(struct answer *m);
/* Something required does not fit. */
void answer_truncate(struct answer *m);

/* ---- EDNS ---- */

size_t answer_opt_size(const struct answer *m);
void answer_put_opt(struct answer *m);
enum dns_cookie answer_check_cookie(const struct answer *m);

/* ---- what is not there ---- */

/* There is no name: what holds it, and what holds the "*" that would have made it. */
void answer_deny_name(struct answer *m, const struct zone_found *found);
/* The name that is looked for was made by the child "*" of the encloser. */
void answer_deny_exact(struct answer *m, const struct zone_found *found);
/* A node at a label of the name has no such type. */
void answer_deny_type(struct answer *m, const struct zone_node *node, unsigned label);
/* The same of a "*" that the name was made by. */
void answer_deny_wildcard_type(struct answer *m, const struct zone_node *wildcard,
			       const struct zone_found *found);

/* ---- about the server itself ---- */

void answer_chaos(struct answer *m);

#endif
