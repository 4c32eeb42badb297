/*
 * Proofs of what is not there, for those who ask for DNSSEC: by NSEC (RFC 4035, 3.1.3) and by
 * NSEC3 (RFC 5155, 7.2). Most are known from when the zone was compiled (zone_proof.c); what
 * holds the name that was asked for is looked up. See answer_private.h.
 *
 * A closest encloser by NSEC3 is the closest one that has an NSEC3: in a zone with opt-out,
 * names that only unsigned delegations stand below have none (RFC 5155, 7.2.1).
 */
#include "answer_private.h"

/* Each proof once, in an answer. */
static void add(struct answer *m, const struct zone_node *proof, uint16_t at)
{
	for (unsigned i = 0; i < m->proof_count; i++) {
		if (m->proofs[i].node == proof)
			return;
	}
	if (!proof || m->proof_count == ANSWER_PROOFS)
		return;
	m->proofs[m->proof_count].node = proof;
	m->proofs[m->proof_count++].at = at;
}

static void add_at(struct answer *m, uint32_t proof)
{
	add(m, zone_node_at(m->zone, proof), 0);
}

static bool wants(const struct answer *m)
{
	return m->query->dnssec && m->zone->flags;
}

static void add_nsec_cover(struct answer *m)
{
	add(m, zone_nsec_cover(m->zone, &m->query->name), 0);
}

/* The NSEC3 of the closest encloser at or above a node, and what holds the name with a label
 * more. Returns that encloser. */
static const struct zone_node *add_encloser(struct answer *m,
                                            const struct zone_node *node, unsigned label,
                                            bool itself)
{
	const struct zone_key *key = &m->query->name;
	uint8_t hash[20];
	bool match;

	for (; !node->proof && node->parent; label++)
		node = zone_at(m->zone, node->parent);
	if (itself)
		add_at(m, node->proof);
	if (label > 0) {
		zone_nsec3_hash(m->zone, zone_key_from(key, label - 1), hash);
		add(m, zone_nsec3_cover(m->zone, hash, &match), 0);
	}
	return node;
}

void answer_deny_name(struct answer *m, const struct zone_found *found)
{
	const struct zone_node *encloser = found->encloser;

	if (!wants(m))
		return;
	if (m->zone->flags & ZONE_NSEC)
		add_nsec_cover(m);
	else
		encloser = add_encloser(m, encloser, found->label, true);
	add_at(m, encloser->wildcard_proof);
}

void answer_deny_exact(struct answer *m, const struct zone_found *found)
{
	if (!wants(m))
		return;
	if (m->zone->flags & ZONE_NSEC)
		add_nsec_cover(m);
	else
		(void)add_encloser(m, found->encloser, found->label, false);
}

void answer_deny_type(struct answer *m, const struct zone_node *node, unsigned label)
{
	if (!wants(m))
		return;
	const struct zone_node *proof = zone_node_at(m->zone, node->proof);
	if (proof)
		add(m, proof, proof == node ? answer_place(m, label) : 0);
	else
		(void)add_encloser(m, node, label, true);
}

void answer_deny_wildcard_type(struct answer *m, const struct zone_node *wildcard,
                               const struct zone_found *found)
{
	if (!wants(m))
		return;
	if (m->zone->flags & ZONE_NSEC)
		add_nsec_cover(m);
	else
		(void)add_encloser(m, found->encloser, found->label, true);
	add_at(m, wildcard->proof);
}
