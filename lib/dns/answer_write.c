/*
 * The message of an answer: sets are copied out of a compiled zone, and the pointers in them
 * set to where the names stand in this message (RFC 1035, 4.1.4). See answer_private.h and
 * zone_format.h. A set that does not fit leaves the message as it was (RFC 2181, 9).
 */
#include "answer_private.h"

enum { POINTER = 0xc000, OPCODE_SHIFT = 11, OPCODE_MASK = 15, RCODE_MASK = 15 };

/* ---- the whole ---- */

void answer_begin(struct answer *m, struct slice query, void *buffer, size_t size)
{
	const struct answer_query *q = m->query;
	size_t own = m->answerer->udp_size ? m->answerer->udp_size : DNS_EDNS_SIZE;
	size_t limit = DNS_STREAM_SIZE;

	if (!m->peer->stream)
		limit = q->edns
		            ? KILN_MAX(KILN_MIN(q->udp_size, own), (size_t)DNS_UDP_SIZE)
		            : (size_t)DNS_UDP_SIZE;
	m->limit = KILN_MIN(limit, size);
	m->w = writer_of(buffer, m->limit - answer_opt_size(m));
	writer_bytes(&m->w, slice_take(query, q->question_end));
	m->counts[DNS_QUESTIONS] = q->has_question;
	m->counts[DNS_ANSWERS] = m->counts[DNS_AUTHORITIES] = m->counts[DNS_ADDITIONALS] =
	    0;
	m->flags = DNS_FLAG_RESPONSE | (q->flags & DNS_FLAG_RECURSION_DESIRED);
	m->rcode = DNS_RCODE_OK;
	m->extended = EXTENDED_NONE;
	m->zone = NULL;
	m->cut = NULL;
	m->negative = false;
	m->proof_count = m->pending_count = 0;
}

size_t answer_end(struct answer *m)
{
	m->w.size = m->limit;
	if (m->query->edns)
		answer_put_opt(m);
	unsigned flags = m->flags | (m->query->opcode & OPCODE_MASK) << OPCODE_SHIFT |
	                 (m->rcode & RCODE_MASK);
	struct be16 header[] = {be16_of(m->query->id), be16_of((uint16_t)flags),
	                        be16_of(m->counts[0]), be16_of(m->counts[1]),
	                        be16_of(m->counts[2]), be16_of(m->counts[3])};
	memcpy(m->w.start, header, DNS_HEADER_SIZE);
	m->what->rcode = m->rcode;
	m->what->truncated = (m->flags & DNS_FLAG_TRUNCATED) != 0;
	return m->w.at;
}

void answer_truncate(struct answer *m)
{
	m->flags |= DNS_FLAG_TRUNCATED;
}

/* ---- sets ---- */

static void put_pointer(uint8_t *at, size_t place)
{
	at[0] = (uint8_t)((POINTER | place) >> 8);
	at[1] = (uint8_t)place;
}

/* The owner of the records that come next: where it stands, if it does, or the labels that it
 * has in front of the apex' name. */
struct owner {
	uint16_t place;
	struct slice labels;
};

/* An answer's is the name that was looked for, which need not be the node's: the node may be a
 * "*". */
static struct owner owner_of(const struct answer *m, enum dns_section section,
                             const struct zone_node *node, uint16_t place)
{
	const struct zone_node *apex = zone_at(m->zone, m->zone->apex);
	struct slice name = section == DNS_ANSWERS ? zone_key_from(&m->query->name, 0)
	                                           : zone_node_name(node);

	if (place == 0 && node == apex)
		place = m->apex_at;
	if (place && place <= POINTER_MOST)
		return (struct owner){.place = place};
	return (struct owner){0, slice_take(name, name.len - apex->name_size)};
}

/* Writes `count` records, which stand in the zone from `from` on. */
static void put_records(struct answer *m, const uint8_t *from, unsigned count,
                        struct owner *owner)
{
	for (; count; count--) {
		size_t size =
		    sizeof(struct zone_wire) +
		    be16_get(((const struct zone_wire *)(const void *)from)->size);
		size_t start = m->w.at;

		if (!owner->place)
			writer_bytes(&m->w, owner->labels);
		uint8_t *room = writer_room(&m->w, size);
		if (!room)
			return;
		memcpy(room, from, size);
		put_pointer(room, owner->place ? owner->place : m->apex_at);
		if (!owner->place && start <= POINTER_MOST)
			owner->place = (uint16_t)start;
		from += size;
	}
}

/* Patches within records that were written one behind the other from `start` on. */
static void patch(struct answer *m, const struct zone_set *set, size_t start)
{
	const uint16_t *patches = zone_set_patches(set);

	for (unsigned i = 0; i < set->patch_count; i++)
		put_pointer(m->w.start + start + patches[i], m->apex_at);
}

/* The same where each record has its owner's labels in front of it. */
static void patch_apart(struct answer *m, const struct zone_set *set, size_t start,
                        size_t labels)
{
	const uint16_t *patches = zone_set_patches(set);
	size_t at = 0, end = 0, before = 0;

	for (unsigned i = 0; i < set->patch_count; i++) {
		while (patches[i] >= end) {
			const struct zone_wire *wire = (const void *)(set->records + end);

			at = end;
			end += sizeof(*wire) + be16_get(wire->size);
			/* Only the first has them, if it is near enough to point to. */
			if (at == 0 || start > POINTER_MOST)
				before += labels;
		}
		put_pointer(m->w.start + start + before + patches[i], m->apex_at);
	}
}

bool answer_put(struct answer *m, enum dns_section section, const struct zone_set *set,
                const struct zone_node *node, uint16_t place)
{
	struct owner owner = owner_of(m, section, node, place);
	bool pointed = owner.place != 0;
	size_t labels = owner.labels.len, start = m->w.at;
	unsigned signatures = m->query->dnssec ? set->signature_count : 0;
	struct writer before = m->w;

	put_records(m, set->records, set->count, &owner);
	put_records(m, set->records + set->size, signatures, &owner);
	if (m->w.failed) {
		m->w = before;
		return false;
	}
	m->counts[section] = (uint16_t)(m->counts[section] + set->count + signatures);
	if (pointed)
		patch(m, set, start);
	else
		patch_apart(m, set, start, labels);
	if (set->target_count && section != DNS_ADDITIONALS &&
	    m->pending_count < ANSWER_PENDING) {
		m->pending[m->pending_count].set = set;
		m->pending[m->pending_count++].at = (uint16_t)(pointed ? start : 0);
	}
	return true;
}

bool answer_put_signatures(struct answer *m, const struct zone_set *set,
                           const struct zone_node *node, uint16_t place)
{
	struct owner owner = owner_of(m, DNS_ANSWERS, node, place);
	struct writer before = m->w;

	put_records(m, set->records + set->size, set->signature_count, &owner);
	if (m->w.failed) {
		m->w = before;
		return false;
	}
	m->counts[DNS_ANSWERS] =
	    (uint16_t)(m->counts[DNS_ANSWERS] + set->signature_count);
	return true;
}

/* ---- what comes behind the answers ---- */

static bool put_referral(struct answer *m)
{
	const struct zone_set *ds = zone_set_find(m->zone, m->cut, DNS_DS);

	if (ds && ds->signature_count == 0)
		ds = NULL; /* of a zone that is not signed: nobody could trust it */
	return answer_put(m, DNS_AUTHORITIES, zone_set_find(m->zone, m->cut, DNS_NS),
	                  m->cut, m->cut_at) &&
	       (!ds || !m->query->dnssec ||
	        answer_put(m, DNS_AUTHORITIES, ds, m->cut, m->cut_at));
}

static bool put_proofs(struct answer *m)
{
	uint16_t type = m->zone->flags & ZONE_NSEC ? DNS_NSEC : DNS_NSEC3;

	for (unsigned i = 0; i < m->proof_count; i++) {
		const struct zone_node *node = m->proofs[i].node;

		if (!answer_put(m, DNS_AUTHORITIES, zone_set_find(m->zone, node, type),
		                node, m->proofs[i].at))
			return false;
	}
	return true;
}

/* The addresses of one host; false: not all of them fit. */
static bool put_host(struct answer *m, const struct zone_node *node, uint16_t place)
{
	static const uint16_t types[] = {DNS_A, DNS_AAAA};
	bool all = true;

	for (unsigned i = 0; i < KILN_COUNT_OF(types); i++) {
		const struct zone_set *set = zone_set_find(m->zone, node, types[i]);

		if (set && !answer_put(m, DNS_ADDITIONALS, set, node, place))
			all = false;
	}
	return all;
}

/* Addresses are a courtesy, but for those of servers below the delegation that they serve: who
 * is referred to them has no other way to them (RFC 9471, 3.1). */
static void put_hosts(struct answer *m)
{
	for (unsigned i = 0; i < m->pending_count; i++) {
		const struct zone_set *set = m->pending[i].set;
		const struct zone_target *targets = zone_set_targets(set);

		for (unsigned j = 0; j < set->target_count; j++) {
			size_t place = m->pending[i].at;

			if (place)
				place += targets[j].at;
			if (place > POINTER_MOST)
				place = 0;
			if (!put_host(m, zone_at(m->zone, targets[j].node),
			              (uint16_t)place) &&
			    j < set->required)
				answer_truncate(m);
		}
	}
}

void answer_put_rest(struct answer *m)
{
	if (m->flags & DNS_FLAG_TRUNCATED)
		return;
	bool fits = true;
	if (m->cut)
		fits = put_referral(m);
	else if (m->negative)
		fits = answer_put(m, DNS_AUTHORITIES,
		                  zone_at(m->zone, m->zone->negative_soa),
		                  zone_at(m->zone, m->zone->apex), m->apex_at);
	if (!fits || !put_proofs(m))
		answer_truncate(m);
	else
		put_hosts(m);
}
