/*
 * The answering of RFC 1034, 4.3.2: see <kiln/dns_answer.h>. Here it is decided what an answer
 * holds: by the name that was asked for, then by each that a CNAME or DNAME leads to within
 * the zone. Answers are written at once; what stands behind them (a referral, the SOA of a
 * negative answer, proofs, addresses) is noted, and written when there are no more.
 */
#include "answer_private.h"

/* The types that messages and questions have, not zones: RFC 6895, 3.1. */
enum { TYPE_MAILB = 253, TYPE_MAILA = 254, TYPE_QUESTIONS = 128 };

static void fail(struct answer *m, unsigned rcode, int extended)
{
	m->rcode = (uint16_t)rcode;
	m->extended = extended;
	m->what->kind = DNS_KIND_ERROR;
}

/* ---- one name ---- */

/* The names that have been looked up so far, by hash: a chain that comes back ends. And the
 * DNAMEs that are in the answer already: each is there once. */
struct chain {
	uint64_t names[ANSWER_HOPS];
	unsigned count;
	const struct zone_set *dnames[ANSWER_HOPS];
	unsigned dname_count;
};

/* The part of the question's name that the zone has: answers that are made up out of it are
 * limited together. */
static void name_answer(struct answer *m, const struct chain *chain, enum dns_kind kind,
                        unsigned label)
{
	const struct zone_key *key = &m->query->name;

	m->what->kind = kind;
	if (chain->count == 1)
		m->what->name = slice_skip(m->what->name,
		                           label <= key->labels ? key->starts[label] : 0);
}

static void refer(struct answer *m, const struct chain *chain,
                  const struct zone_found *found)
{
	const struct zone_node *cut = zone_at(m->zone, found->encloser->cut);
	unsigned label = found->label + found->encloser->labels - cut->labels;

	m->cut = cut;
	m->cut_at = answer_place(m, label);
	if (!zone_set_find(m->zone, cut, DNS_DS))
		answer_deny_type(m, cut, label);
	name_answer(m, chain, DNS_KIND_REFERRAL, label);
}

static void no_name(struct answer *m, const struct chain *chain,
                    const struct zone_found *found)
{
	m->rcode = DNS_RCODE_NAME;
	m->negative = true;
	answer_deny_name(m, found);
	name_answer(m, chain, DNS_KIND_NO_NAME, found->label);
}

/* Goes on with a name in the zone that stands uncompressed in `bytes`, and in the message at
 * `at`. False: it is not in the zone: who asks goes on by himself. */
static bool follow(struct answer *m, struct slice bytes, size_t at)
{
	const struct zone_node *apex = zone_at(m->zone, m->zone->apex);
	struct zone_key *key = &m->query->name;

	if (!zone_key_read(key, bytes) || key->labels < apex->labels ||
	    !slice_equal(zone_key_from(key, (unsigned)key->labels - apex->labels),
	                 zone_node_name(apex)))
		return false;
	m->name_at = (uint16_t)at;
	return true;
}

/* The CNAME's one record has just been written; its name ends in the root or in a pointer to
 * the apex'. */
static bool follow_cname(struct answer *m, const struct zone_set *set, size_t start)
{
	const struct zone_node *apex = zone_at(m->zone, m->zone->apex);
	const struct zone_wire *wire = (const void *)set->records;
	struct slice data = slice_of(wire->data, be16_get(wire->size));
	uint8_t bytes[2 * DNS_NAME_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));

	writer_bytes(&w, slice_take(data, data.len - 2u * set->patch_count));
	if (set->patch_count)
		writer_bytes(&w, zone_node_name(apex));
	return follow(m, writer_done(&w), start + sizeof(*wire));
}

/* Puts a set into the answer. False: it does not fit. */
static bool put_answer(struct answer *m, const struct zone_set *set,
                       const struct zone_node *node)
{
	if (answer_put(m, DNS_ANSWERS, set, node, answer_place(m, 0)))
		return true;
	answer_truncate(m);
	return false;
}

/* RRSIG is not a set of its own here: all signatures of the name. */
static bool put_all_signatures(struct answer *m, const struct zone_node *node)
{
	const struct zone_ref *refs = zone_node_refs(node);
	bool any = false;

	for (unsigned i = 0; i < node->set_count; i++) {
		const struct zone_set *set = zone_at(m->zone, refs[i].set);

		if (set->signature_count == 0)
			continue;
		any = true;
		if (!answer_put_signatures(m, set, node, answer_place(m, 0))) {
			answer_truncate(m);
			break;
		}
	}
	return any;
}

/* The set that answers; NULL: the name has none. To ANY one set is enough (RFC 8482, 4.1). */
static const struct zone_set *find_set(const struct answer *m,
                                       const struct zone_node *node)
{
	if (m->query->type == DNS_ANY && node->set_count)
		return zone_at(m->zone, zone_node_refs(node)->set);
	return zone_set_find(m->zone, node, m->query->type);
}

/* Answers from the node that has the name, or from the "*" that makes it. True: the name has
 * another, to go on with. */
static bool answer_node(struct answer *m, const struct chain *chain,
                        const struct zone_found *found, const struct zone_node *node)
{
	const struct zone_set *set = find_set(m, node);
	const struct zone_set *cname =
	    set ? NULL : zone_set_find(m->zone, node, DNS_CNAME);
	bool made = node != found->node;
	size_t start = m->w.at;

	name_answer(m, chain, DNS_KIND_ANSWER, made ? found->label : 0);
	if (set || cname) {
		if (made)
			answer_deny_exact(m, found);
		return put_answer(m, set ? set : cname, node) && cname &&
		       follow_cname(m, cname, start);
	}
	if (m->query->type == DNS_RRSIG && put_all_signatures(m, node)) {
		if (made)
			answer_deny_exact(m, found);
		return false;
	}
	m->negative = true;
	m->what->kind = DNS_KIND_NO_DATA;
	if (made)
		answer_deny_wildcard_type(m, node, found);
	else
		answer_deny_type(m, node, 0);
	return false;
}

/* ---- DNAME (RFC 6672) ---- */

/* The CNAME that stands for the DNAME: the labels of the name in front of the DNAME's owner,
 * which stand in the message, and the DNAME's target behind them. True: go on with it. */
static bool put_synthesized(struct answer *m, const struct zone_set *dname,
                            unsigned label)
{
	const struct zone_key *key = &m->query->name;
	const struct zone_wire *wire = (const void *)dname->records;
	struct slice front = slice_of(m->w.start + m->name_at, key->starts[label]);
	struct slice target = slice_of(wire->data, be16_get(wire->size));
	uint8_t name[DNS_NAME_SIZE];
	struct writer w = writer_of(name, sizeof(name)), before = m->w;

	writer_bytes(&w, front);
	writer_bytes(&w, target);
	if (w.failed) { /* 2.2 */
		m->rcode = DNS_RCODE_NAME_EXISTS;
		return false;
	}
	writer_u16(&m->w, (uint16_t)(0xc000 | answer_place(m, 0)));
	writer_u16(&m->w, DNS_CNAME);
	writer_u16(&m->w, DNS_CLASS_IN);
	writer_u32(&m->w, be32_get(wire->ttl));
	writer_u16(&m->w, (uint16_t)w.at);
	size_t at = m->w.at;
	writer_bytes(&m->w, writer_done(&w));
	if (m->w.failed) {
		m->w = before;
		answer_truncate(m);
		return false;
	}
	m->counts[DNS_ANSWERS]++;
	return m->query->type != DNS_CNAME && follow(m, writer_done(&w), at);
}

static bool put_dname(struct answer *m, struct chain *chain, const struct zone_set *dname,
                      const struct zone_found *found)
{
	for (unsigned i = 0; i < chain->dname_count; i++) {
		if (chain->dnames[i] == dname)
			return true;
	}
	chain->dnames[chain->dname_count++] = dname;
	return answer_put(m, DNS_ANSWERS, dname, found->encloser,
	                  answer_place(m, found->label));
}

static bool answer_dname(struct answer *m, struct chain *chain,
                         const struct zone_found *found)
{
	const struct zone_set *dname = zone_set_find(m->zone, found->encloser, DNS_DNAME);

	name_answer(m, chain, DNS_KIND_ANSWER, found->label);
	if (!put_dname(m, chain, dname, found)) {
		answer_truncate(m);
		return false;
	}
	/* What stands too far behind to be pointed to ends the chain. */
	return answer_place(m, 0) <= POINTER_MOST &&
	       put_synthesized(m, dname, found->label);
}

/* ---- the chain ---- */

/* DS is the parent's to tell: RFC 4035, 3.1.4.1. */
static bool is_referred(const struct answer *m, const struct zone_found *found)
{
	const struct zone_node *encloser = found->encloser;

	return encloser->cut && !(m->query->type == DNS_DS && found->node &&
	                          found->node->flags & ZONE_NODE_CUT);
}

static bool answer_name(struct answer *m, struct chain *chain)
{
	const struct zone_key *key = &m->query->name;
	struct zone_found found;

	for (unsigned i = 0; i < chain->count; i++) {
		if (chain->names[i] == key->hashes[0])
			return false;
	}
	chain->names[chain->count++] = key->hashes[0];
	zone_search(m->zone, key, &found);
	if (is_referred(m, &found)) {
		refer(m, chain, &found);
		return false;
	}
	if (found.node)
		return answer_node(m, chain, &found, found.node);
	if (found.encloser->flags & ZONE_NODE_DNAME)
		return answer_dname(m, chain, &found);
	if (found.encloser->wildcard)
		return answer_node(m, chain, &found,
		                   zone_at(m->zone, found.encloser->wildcard));
	no_name(m, chain, &found);
	return false;
}

/* The zone that answers. At its apex, DS is for the zone above, if that is here, too. */
static const struct dns_zone *find_zone(const struct answer *m, unsigned *label)
{
	const struct answer_query *q = m->query;
	unsigned above = 1;

	*label = 0;
	const struct dns_zone *zone = zones_find_key(m->answerer->zones, &q->name, label);
	if (!zone || q->type != DNS_DS || *label > 0 || q->name.labels == 0)
		return zone;
	const struct dns_zone *parent =
	    zones_find_key(m->answerer->zones, &q->name, &above);
	if (parent)
		*label = above;
	return parent ? parent : zone;
}

static void answer_zone(struct answer *m)
{
	struct chain chain;
	unsigned label;
	const struct dns_zone *zone = find_zone(m, &label);

	if (!zone) {
		fail(m, DNS_RCODE_REFUSED, EXTENDED_NOT_AUTHORITATIVE);
		return;
	}
	m->what->zone = zone;
	m->zone = zone->header;
	m->name_at = DNS_HEADER_SIZE;
	m->apex_at = (uint16_t)(DNS_HEADER_SIZE + m->query->name.starts[label]);
	chain.count = chain.dname_count = 0;
	while (answer_name(m, &chain) && chain.count < ANSWER_HOPS)
		continue;
	if ((!m->cut || m->counts[DNS_ANSWERS]) && m->query->class == DNS_CLASS_IN)
		m->flags |= DNS_FLAG_AUTHORITATIVE;
	answer_put_rest(m);
}

/* ---- the query ---- */

static void answer_question(struct answer *m)
{
	const struct answer_query *q = m->query;

	if (q->class == DNS_CLASS_CHAOS)
		answer_chaos(m);
	else if (q->class != DNS_CLASS_IN && q->class != DNS_CLASS_ANY)
		fail(m, DNS_RCODE_REFUSED, EXTENDED_NONE);
	else if (q->type == TYPE_MAILA || q->type == TYPE_MAILB)
		fail(m, DNS_RCODE_NOT_IMPLEMENTED, EXTENDED_NOT_SUPPORTED);
	else if (q->type == DNS_AXFR || q->type == DNS_IXFR)
		fail(m, DNS_RCODE_REFUSED, EXTENDED_NONE);
	else if (q->type == DNS_OPT || (q->type >= TYPE_QUESTIONS && q->type < DNS_ANY))
		fail(m, DNS_RCODE_FORMAT, EXTENDED_NONE);
	else
		answer_zone(m);
}

/* What is the caller's to answer, if it wants to. */
static bool is_for_caller(const struct dns_answerer *a, const struct answer_query *q,
                          struct dns_answered *what)
{
	if (q->edns && q->version > 0)
		return false;
	if (q->signature && a->takes_signed) {
		what->kind = DNS_KIND_SIGNED;
	} else if (q->opcode == DNS_OPCODE_NOTIFY && a->takes_notify && q->has_question) {
		what->kind = DNS_KIND_NOTIFY;
	} else if (q->opcode == DNS_OPCODE_QUERY && a->takes_transfers &&
	           q->has_question && q->class == DNS_CLASS_IN &&
	           (q->type == DNS_AXFR || q->type == DNS_IXFR)) {
		what->kind = DNS_KIND_TRANSFER;
	} else {
		return false;
	}
	return true;
}

/* Without a question it is one for a cookie: RFC 7873, 5.4. */
static void answer_cookie(struct answer *m)
{
	if (m->query->opcode != DNS_OPCODE_QUERY || m->what->cookie == DNS_COOKIE_NONE)
		fail(m, DNS_RCODE_FORMAT, EXTENDED_NONE);
	else if (m->what->cookie == DNS_COOKIE_BAD)
		fail(m, DNS_RCODE_COOKIE, EXTENDED_NONE);
	else
		m->what->kind = DNS_KIND_ANSWER;
}

/* Of what is not implemented it is not known what it looks like: that comes before FORMERR. */
static void answer_query(struct answer *m, enum answer_reading reading)
{
	const struct answer_query *q = m->query;
	bool notify = q->opcode == DNS_OPCODE_NOTIFY && m->answerer->takes_notify;

	if (q->edns && q->version > 0)
		fail(m, DNS_RCODE_VERSION, EXTENDED_NONE);
	else if (q->opcode != DNS_OPCODE_QUERY && !notify)
		fail(m, DNS_RCODE_NOT_IMPLEMENTED, EXTENDED_NOT_SUPPORTED);
	else if (reading == ANSWER_MALFORMED)
		fail(m, DNS_RCODE_FORMAT, EXTENDED_NONE);
	else if (q->signature)
		fail(m, DNS_RCODE_NOT_AUTHORIZED, EXTENDED_NONE);
	else if (!q->has_question)
		answer_cookie(m);
	else
		answer_question(m);
}

/* What is said of a query before it is answered. */
static void describe(const struct answer_query *q, struct slice query,
                     struct dns_answered *what)
{
	*what = (struct dns_answered){
	    .kind = DNS_KIND_SILENCE,
	    .has_question = q->has_question,
	    .opcode = q->opcode,
	    .edns = q->edns,
	    .dnssec = q->dnssec,
	    .signature = q->signature,
	};
	if (!q->has_question)
		return;
	what->type = q->type;
	what->class = q->class;
	what->name = slice_take(slice_skip(query, DNS_HEADER_SIZE), q->name.size);
}

/* Reads the query, and begins a message for it. ANSWER_SILENCE: it is none that may be
 * answered, or there is no room. */
static enum answer_reading begin(struct answer *m, const struct dns_answerer *a,
                                 const struct dns_peer *peer, struct slice query,
                                 void *buffer, size_t size)
{
	enum answer_reading reading = answer_read_query(m->query, query);

	m->answerer = a;
	m->peer = peer;
	describe(m->query, query, m->what);
	if (reading == ANSWER_SILENCE || size < DNS_UDP_SIZE)
		return ANSWER_SILENCE;
	m->what->cookie = answer_check_cookie(m);
	answer_begin(m, query, buffer, size);
	return reading;
}

size_t dns_answer(const struct dns_answerer *a, const struct dns_peer *peer,
                  struct slice query, void *buffer, size_t size,
                  struct dns_answered *what)
{
	struct answer_query q;
	struct answer m;

	m.query = &q;
	m.what = what;
	enum answer_reading reading = begin(&m, a, peer, query, buffer, size);
	if (reading == ANSWER_SILENCE ||
	    (reading == ANSWER_READ && is_for_caller(a, &q, what)))
		return 0;
	answer_query(&m, reading);
	return answer_end(&m);
}

/* A message of nothing but a header, the question and EDNS. */
struct bare {
	struct answer m;
	struct answer_query query;
	struct dns_answered what;
};

static bool begin_bare(struct bare *bare, const struct dns_answerer *a,
                       const struct dns_peer *peer, struct slice query, void *buffer,
                       size_t size)
{
	bare->m.query = &bare->query;
	bare->m.what = &bare->what;
	return begin(&bare->m, a, peer, query, buffer, size) != ANSWER_SILENCE;
}

size_t dns_answer_error(const struct dns_answerer *a, const struct dns_peer *peer,
                        struct slice query, unsigned rcode, int extended, void *buffer,
                        size_t size)
{
	struct bare bare;

	if (!begin_bare(&bare, a, peer, query, buffer, size))
		return 0;
	fail(&bare.m, rcode, extended);
	return answer_end(&bare.m);
}

size_t dns_answer_truncated(const struct dns_answerer *a, const struct dns_peer *peer,
                            struct slice query, void *buffer, size_t size)
{
	struct bare bare;

	if (!begin_bare(&bare, a, peer, query, buffer, size))
		return 0;
	bare.query.nsid = false; /* who is named falsely gets no more than was sent */
	answer_truncate(&bare.m);
	return answer_end(&bare.m);
}
