/*
 * The last pass of the compiler, over nodes that are all there: the hash table, the hosts that
 * NS, MX, SRV and SVCB name, and what can only be said of a zone as a whole.
 */
#include "zone_compile.h"

/* About as much as so many looks at records: a name's hash, and a search by it. */
enum { WORK_HASH = 8, WORK_SEARCH = 16 };

/* ---- the hash table ---- */

static bool put_slots(struct zone_compiler *c)
{
	struct zone_header *zone = c->zone;
	const struct zone_node *node = zone_at(zone, zone->apex);
	uint32_t count = zone->names * 2; /* half full: few slots are looked at */
	struct zone_slot *slots = zone_take(c, (size_t)count * sizeof(*slots), 8);

	if (!slots)
		return false;
	zone->slots = zone_offset(c, slots);
	zone->slot_count = count;
	for (uint32_t i = 0; i < zone->names; i++) {
		struct zone_key key;

		zone_work(c, WORK_HASH);
		(void)!zone_key_read(&key, zone_node_name(node));
		uint64_t hash = key.hashes[0];
		uint32_t at = (uint32_t)(zone_home(zone, hash) - slots);
		while (slots[at].node)
			at = at + 1 < count ? at + 1 : 0;
		slots[at] = (struct zone_slot){(uint32_t)hash, zone_offset(c, node)};
		node = zone_node_at(zone, node->next);
	}
	return true;
}

/* ---- hosts ---- */

/* The name that stands in the records of a set, which may end in a pointer to the apex'. */
static void read_target(const struct zone_compiler *c, const struct zone_set *set,
                        const struct zone_target *target, struct dns_name *name)
{
	const uint8_t *from = set->records + target->at;
	size_t size = 0;

	while (from[size] && from[size] <= DNS_LABEL_SIZE)
		size += 1u + from[size];
	memcpy(name->bytes, from, size);
	if (from[size]) {
		memcpy(name->bytes + size, c->b->origin.bytes, c->b->origin.size);
		size += c->b->origin.size;
	} else {
		name->bytes[size++] = 0;
	}
	name->size = (uint8_t)size;
}

static bool has_address(const struct zone_header *zone, const struct zone_node *node)
{
	return zone_set_find(zone, node, DNS_A) || zone_set_find(zone, node, DNS_AAAA);
}

/* What is wrong with a host of the zone that has no addresses. */
static bool check_host(struct zone_compiler *c, const struct zone_node *node,
                       uint16_t type, const struct zone_found *found,
                       const struct dns_name *name)
{
	const struct zone_node *host = found->node;
	bool alias = host && zone_set_find(c->zone, host, DNS_CNAME);
	bool required = type == DNS_NS && node->parent == 0;

	if ((node->flags & ZONE_NODE_BELOW) ||
	    (!host &&
	     ((found->encloser->flags & ZONE_NODE_DNAME) || found->encloser->wildcard)))
		return true;
	if (alias && type == DNS_NS)
		return zone_fault_at(c, DNS_ZONE_NS_IS_CNAME, node, type, name);
	if (found->encloser->cut && found->encloser->cut != node->cut)
		return true; /* whose servers know */
	if (required)
		return zone_fault_at(c, DNS_ZONE_NS_NO_ADDRESS, node, type, name);
	if (alias)
		(void)zone_fault_at(c, DNS_ZONE_TARGET_IS_CNAME, node, type, name);
	else
		(void)zone_fault_at(
		    c, type == DNS_NS ? DNS_ZONE_NO_GLUE : DNS_ZONE_TARGET_NO_ADDRESS,
		    node, type, name);
	return true;
}

/* "." as a host: the owner itself, of a service (RFC 9460, 2.5.2), and nobody of an alias (2.5.1)
 * and of all else (2782; 7505). Where that owner's name stands is known where it is no "*". */
static void find_owner(const struct zone_compiler *c, const struct zone_node *node,
                       const struct zone_set *set, struct zone_target *target)
{
	const uint8_t *priority = set->records + target->at - 2;
	bool wildcard = node->name[0] == 1 && node->name[1] == '*';

	if (!zone_is_service(set->type) || !(priority[0] | priority[1]) || wildcard ||
	    !has_address(c->zone, node))
		return;
	target->node = zone_offset(c, node);
	target->at = 0;
}

/* The node of the host with addresses that stands in the records; 0: there is none. */
static bool find_host(struct zone_compiler *c, const struct zone_node *node,
                      const struct zone_set *set, struct zone_target *target)
{
	struct zone_found found;
	struct dns_name name;
	struct zone_key key;

	target->node = 0;
	zone_work(c, WORK_SEARCH);
	read_target(c, set, target, &name);
	if (name.size == 1)
		find_owner(c, node, set, target);
	if (name.size == 1 || !dns_name_in(&name, &c->b->origin) ||
	    !zone_key_read(&key, slice_of(name.bytes, name.size)))
		return true;
	zone_search(c->zone, &key, &found);
	if (found.node && has_address(c->zone, found.node))
		target->node = zone_offset(c, found.node);
	else if (!zone_is_service(set->type))
		return check_host(c, node, set->type, &found, &name);
	return true;
}

static bool is_below(const struct zone_header *zone, uint32_t node, uint32_t above)
{
	while (node && node != above)
		node = ((const struct zone_node *)zone_at(zone, node))->parent;
	return node != 0;
}

/* Those hosts stay that are there, each once; first those that are named from below the
 * delegation itself, which no one can ask but with their glue. */
static bool link_targets(struct zone_compiler *c, const struct zone_node *node,
                         struct zone_set *set)
{
	struct zone_target *targets = zone_edit(c, zone_offset(c, zone_set_targets(set)));
	unsigned count = set->target_count;

	set->target_count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct zone_target target = targets[i];
		unsigned at = set->target_count, known = 0;

		if (!find_host(c, node, set, &target))
			return false;
		while (known < at && targets[known].node != target.node)
			known++;
		zone_work(c, known / 16);
		if (target.node == 0 || known < at)
			continue;
		if (node->cut && is_below(c->zone, target.node, node->cut)) {
			targets[at] = targets[set->required];
			at = set->required++;
		}
		targets[at] = target;
		set->target_count++;
	}
	return true;
}

bool zone_link(struct zone_compiler *c)
{
	if (!put_slots(c))
		return false;
	const struct zone_node *node = zone_at(c->zone, c->zone->apex);
	for (uint32_t i = 0; i < c->zone->names; i++) {
		const struct zone_ref *refs = zone_node_refs(node);

		zone_work(c, 1u + node->set_count);
		for (unsigned j = 0; j < node->set_count; j++) {
			if (!link_targets(c, node, zone_edit(c, refs[j].set)))
				return false;
		}
		node = zone_node_at(c->zone, node->next);
	}
	return zone_link_proofs(c);
}
