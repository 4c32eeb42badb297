/*
 * Compiles the records of a zone into one block: see zone_format.h for what is written, and
 * zone_compile.h for the parts. The records are gone through once, in canonical order, so that
 * a name comes behind all that stand above it: those that have no records get nodes of their
 * own on the way, and each node knows at once whether a delegation or a DNAME stands above.
 */
#include "dns_private.h"
#include "zone_compile.h"

enum { POINTER = 0xc000 };
enum {
	PAUSE = 2048,     /* units of work until a pause: 100 us or some more */
	PART = 32 * 1024, /* bytes that are copied at once, */
	PART_WORK = 128,  /* and what that is in units */
};
/* Of a set: with a header, the longest question and an OPT it fits into a message. */
enum { SET_MOST = 65535 - DNS_HEADER_SIZE - (DNS_NAME_SIZE + 4) - 11 };

/* ---- work ---- */

void zone_work(struct zone_compiler *c, uint32_t units)
{
	c->work += units;
	if (c->work < PAUSE || !c->b->pause)
		return;
	c->work = 0;
	c->b->pause(c->b->context);
}

void zone_copy(struct zone_compiler *c, void *to, const void *from, size_t size)
{
	for (size_t at = 0; at < size; at += PART) {
		size_t part = KILN_MIN(size - at, (size_t)PART);

		if (from)
			memmove((uint8_t *)to + at, (const uint8_t *)from + at, part);
		else
			memset((uint8_t *)to + at, 0, part);
		zone_work(c, (uint32_t)(part * PART_WORK / PART));
	}
}

/* ---- faults ---- */

/* The name of an owner as it stands in records. */
static void name_of_owner(const struct zone_compiler *c, struct slice owner,
                          struct dns_name *name)
{
	const struct dns_name *apex = &c->b->origin;
	size_t at = owner.len;

	name->size = (uint8_t)(owner.len + apex->size);
	memcpy(name->bytes + owner.len, apex->bytes, apex->size);
	while (owner.len) {
		size_t label = 1u + owner.data[0];

		at -= label;
		memcpy(name->bytes + at, owner.data, label);
		owner = slice_skip(owner, label);
	}
}

static bool report(struct zone_compiler *c, const struct dns_zone_error *error)
{
	if (!dns_zone_fault_is_warning(error->fault)) {
		if (c->error->fault == DNS_ZONE_OK)
			*c->error = *error;
		return false;
	}
	c->b->warnings++;
	if (c->b->warn)
		c->b->warn(c->b->context, error);
	return false;
}

bool zone_fault(struct zone_compiler *c, enum dns_zone_fault fault,
                const struct zone_record *record)
{
	struct dns_zone_error error = {.fault = fault, .owner = c->b->origin};

	if (record) {
		name_of_owner(c, record_owner(record), &error.owner);
		error.type = record->type;
		error.where = record->where;
	}
	return report(c, &error);
}

bool zone_fault_at(struct zone_compiler *c, enum dns_zone_fault fault,
                   const struct zone_node *node, uint16_t type,
                   const struct dns_name *host)
{
	struct dns_zone_error error = {.fault = fault, .type = type};

	error.owner.size = node->name_size;
	memcpy(error.owner.bytes, node->name, node->name_size);
	error.where = zone_where(c, &error.owner, type, host);
	return report(c, &error);
}

void *zone_take(struct zone_compiler *c, size_t size, size_t align)
{
	uint8_t *room = arena_try(c->b->arena, size, align);

	if (!room)
		(void)zone_fault(c, DNS_ZONE_MEMORY, NULL);
	else if (c->zone && room + size > (uint8_t *)c->zone + UINT32_MAX - 8)
		(void)zone_fault(c, DNS_ZONE_ZONE_TOO_LARGE, NULL);
	if (c->error->fault)
		return NULL;
	/* What the arena held before may have been given back. */
	zone_copy(c, room, NULL, size);
	return room;
}

/* ---- sets ---- */

static size_t in_apex(const struct zone_compiler *c, struct slice name)
{
	const struct dns_name *apex = &c->b->origin;

	/* A pointer to the root's name would be longer than that. */
	if (apex->size == 1)
		return 0;
	for (; name.len > apex->size; name = slice_skip(name, 1u + name.data[0]))
		continue;
	return slice_equal_nocase(name, dns_name_slice(apex)) ? apex->size : 0;
}

/* The data as it goes into a message: names that end in the apex' end in a pointer. Returns
 * its size. */
static size_t put_data(const struct zone_compiler *c, const struct zone_record *record,
                       struct writer *w)
{
	const struct zone_names *names = zone_names_of(record->type);
	struct slice data = record_data(record);
	size_t before = w->at;

	if (names && names->compressed) {
		writer_bytes(w, slice_take(data, names->before));
		data = slice_skip(data, names->before);
		for (unsigned i = 0; i < names->count; i++) {
			struct slice name = slice_take(data, zone_name_size(data));
			size_t tail = in_apex(c, name);

			writer_bytes(w, slice_take(name, name.len - tail));
			if (tail)
				writer_u16(w, POINTER);
			data = slice_skip(data, name.len);
		}
	}
	writer_bytes(w, data);
	return w->at - before;
}

static bool put_record(struct zone_compiler *c, const struct zone_record *record,
                       uint32_t ttl)
{
	/* No larger than this; what is not used is given back. */
	size_t most = sizeof(struct zone_wire) + record->data_size;
	uint8_t *room = zone_take(c, most, 1);
	if (!room)
		return false;
	struct writer w = writer_of(room, most);

	writer_u16(&w, POINTER);
	writer_u16(&w, record->type);
	writer_u16(&w, DNS_CLASS_IN);
	writer_u32(&w, ttl);
	struct writer size = w;
	writer_u16(&w, 0);
	writer_u16(&size, (uint16_t)put_data(c, record, &w));
	memset(room + w.at, 0, most - w.at);
	c->b->arena->at = room + w.at;
	c->zone->records++;
	return true;
}

/* The same record once more: there is one of it. */
static bool is_duplicate(struct zone_compiler *c, uint32_t first, uint32_t i)
{
	return i > first && slice_equal(record_data(zone_record_at(c, i - 1)),
	                                record_data(zone_record_at(c, i)));
}

/* The records [first, end), of one owner and type; false: there are too many. */
static bool put_records(struct zone_compiler *c, uint32_t first, uint32_t end,
                        uint32_t ttl, uint16_t *count, uint16_t *size)
{
	const uint8_t *start = c->b->arena->at;

	for (uint32_t i = first; i < end; i++) {
		if (is_duplicate(c, first, i))
			continue;
		if (!put_record(c, zone_record_at(c, i), ttl))
			return false;
		if (c->b->arena->at - start > SET_MOST)
			return zone_fault(c, DNS_ZONE_SET_TOO_LARGE,
			                  zone_record_at(c, i));
		++*count;
	}
	*size = (uint16_t)(c->b->arena->at - start);
	return true;
}

/* Goes over the names in the records of a set, by the form of its type. */
struct names_walk {
	const struct zone_set *set;
	const struct zone_names *names;
	unsigned record, name; /* of those the current one */
	size_t start, end;     /* of the record; behind the name */
	size_t at;             /* the name */
	size_t pointer;        /* that it ends in; 0: none */
};

static bool next_name(struct names_walk *walk)
{
	const uint8_t *records = walk->set->records;

	if (walk->name == walk->names->count) {
		const struct zone_wire *wire = (const void *)(records + walk->start);

		walk->start += sizeof(*wire) + be16_get(wire->size);
		walk->name = 0;
		walk->record++;
	}
	if (walk->record == walk->set->count)
		return false;
	if (walk->name++ == 0)
		walk->end = walk->start + sizeof(struct zone_wire) + walk->names->before;
	size_t at = walk->at = walk->end;
	while (records[at] && records[at] <= DNS_LABEL_SIZE)
		at += 1u + records[at];
	walk->pointer = records[at] ? at : 0;
	walk->end = at + (records[at] ? 2u : 1u);
	return true;
}

static bool put_patches(struct zone_compiler *c, struct zone_set *set)
{
	struct names_walk walk = {.set = set, .names = zone_names_of(set->type)};

	while (walk.names && walk.names->compressed && next_name(&walk)) {
		uint16_t *patch = walk.pointer ? zone_take(c, sizeof(*patch), 2) : NULL;

		if (patch) {
			*patch = (uint16_t)walk.pointer;
			set->patch_count++;
		}
	}
	return c->error->fault == DNS_ZONE_OK;
}

/* Without their nodes, which may be still to come. */
static bool put_targets(struct zone_compiler *c, struct zone_set *set)
{
	struct names_walk walk = {.set = set, .names = zone_names_of(set->type)};

	if (set->type != DNS_NS && set->type != DNS_MX && set->type != DNS_SRV &&
	    !zone_is_service(set->type))
		return true;
	while (next_name(&walk)) {
		struct zone_target *target = zone_take(c, sizeof(*target), 4);

		if (!target)
			return false;
		target->at = (uint16_t)walk.at;
		set->target_count++;
	}
	return true;
}

/* What a set is made of: [first, end) of the records, and of their signatures. */
struct run {
	uint32_t first, end;
	uint32_t signatures, signatures_end;
};

/* That of the record which came first, as other servers have it. */
static uint32_t ttl_of(struct zone_compiler *c, const struct run *run)
{
	uint32_t first = run->first;
	bool differ = false;

	for (uint32_t i = run->first; i < run->end; i++) {
		differ |= zone_record_at(c, i)->ttl != zone_record_at(c, run->first)->ttl;
		if (c->index[i] < c->index[first])
			first = i;
	}
	if (differ)
		(void)zone_fault(c, DNS_ZONE_TTL_DIFFERS, zone_record_at(c, first));
	return zone_record_at(c, first)->ttl;
}

/* Signatures have the TTL of what they sign (RFC 4034, 3). Returns where the set is; 0: it
 * failed. */
static uint32_t put_set(struct zone_compiler *c, const struct run *run, uint32_t ttl)
{
	struct zone_set *set = zone_take(c, sizeof(*set), 4);

	if (!set)
		return 0;
	set->type = zone_record_at(c, run->first)->type;
	if (!put_records(c, run->first, run->end, ttl, &set->count, &set->size) ||
	    !put_records(c, run->signatures, run->signatures_end, ttl,
	                 &set->signature_count, &set->signature_size) ||
	    !zone_take(c, 0, 4) || !put_patches(c, set) || !zone_take(c, 0, 4) ||
	    !put_targets(c, set))
		return 0;
	return zone_offset(c, set);
}

/* RFC 2308, 3: as the SOA stands in negative answers. */
static bool put_negative_soa(struct zone_compiler *c, const struct run *run, uint32_t ttl)
{
	uint32_t records = c->zone->records;
	struct slice data = record_data(zone_record_at(c, run->first));
	struct cursor minimum = cursor_of(slice_skip(data, data.len - 4));

	uint32_t negative = cursor_u32(&minimum);

	c->zone->negative_soa = put_set(c, run, KILN_MIN(ttl, negative));
	c->zone->records = records;
	return c->zone->negative_soa != 0;
}

/* ---- nodes ---- */

static unsigned count_labels(struct slice owner)
{
	unsigned count = 0;

	for (; owner.len; owner = slice_skip(owner, 1u + owner.data[0]))
		count++;
	return count;
}

/* The node comes behind the last one, below the one with a label less on the path. */
static struct zone_node *put_node(struct zone_compiler *c, struct slice owner,
                                  unsigned set_count)
{
	unsigned depth = count_labels(owner);
	struct dns_name name;

	name_of_owner(c, owner, &name);
	uint32_t size = zone_round(offsetof(struct zone_node, name) + name.size);
	struct zone_node *node =
	    zone_take(c, size + set_count * sizeof(struct zone_ref), 4);
	if (!node)
		return NULL;
	node->set_count = (uint16_t)set_count;
	node->labels = (uint8_t)dns_name_labels(&name);
	node->name_size = name.size;
	memcpy(node->name, name.bytes, name.size);
	node->flags = ZONE_NODE_LEAF;
	if (c->last)
		c->last->next = zone_offset(c, node);
	c->last = c->path[depth] = node;
	return node;
}

static bool place_node(struct zone_compiler *c, struct zone_node *node, unsigned depth)
{
	struct zone_node *parent = depth ? c->path[depth - 1] : NULL;

	c->zone->names++;
	c->zone->labels_most = KILN_MAX(c->zone->labels_most, node->labels);
	if (!parent)
		return true;
	node->parent = zone_offset(c, parent);
	node->cut = parent->cut;
	if (parent->cut)
		node->flags |= ZONE_NODE_BELOW;
	parent->flags &= (uint16_t)~ZONE_NODE_LEAF;
	if (node->name[0] == 1 && node->name[1] == '*')
		parent->wildcard = zone_offset(c, node);
	if ((parent->flags & ZONE_NODE_DNAME) && !parent->cut)
		return zone_fault_at(c, DNS_ZONE_DNAME_BELOW, node, 0, NULL);
	return true;
}

/* Nodes for the names above the owner that have none. */
static bool put_path(struct zone_compiler *c, struct slice owner)
{
	struct slice before = c->last_owner;
	bool same = true;
	size_t at = 0;

	for (unsigned depth = 1; at < owner.len; depth++) {
		size_t end = at + 1u + owner.data[at];

		same = same && before.len >= end &&
		       memcmp(before.data + at, owner.data + at, end - at) == 0;
		if (end == owner.len)
			break;
		at = end;
		if (same)
			continue;
		struct zone_node *node = put_node(c, slice_take(owner, end), 0);
		if (!node || !place_node(c, node, depth))
			return false;
	}
	c->last_owner = owner;
	return true;
}

/* ---- names with records ---- */

/* How many types of records the owner has, but for signatures. */
static unsigned count_sets(struct zone_compiler *c, uint32_t first, uint32_t end)
{
	unsigned count = 0;

	for (uint32_t i = first; i < end; i++) {
		uint16_t type = zone_record_at(c, i)->type;

		count += type != DNS_RRSIG &&
		         (i == first || type != zone_record_at(c, i - 1)->type);
	}
	return count;
}

static uint16_t covered(struct zone_compiler *c, uint32_t i)
{
	struct cursor data = cursor_of(record_data(zone_record_at(c, i)));

	return cursor_u16(&data);
}

/* The signatures of a type out of those from run->signatures to `end`, which are in order of
 * the types that they cover, as the sets are. Those of no set are passed. */
static void find_signatures(struct zone_compiler *c, struct run *run, uint16_t type,
                            uint32_t end)
{
	while (run->signatures < end && covered(c, run->signatures) < type) {
		(void)zone_fault(c, DNS_ZONE_SIGNATURE_ALONE,
		                 zone_record_at(c, run->signatures));
		run->signatures++;
	}
	run->signatures_end = run->signatures;
	while (run->signatures_end < end && covered(c, run->signatures_end) == type)
		run->signatures_end++;
}

/* The end of the records of one type from `first` on. */
static uint32_t type_end(struct zone_compiler *c, uint32_t first, uint32_t end)
{
	uint16_t type = zone_record_at(c, first)->type;

	while (first < end && zone_record_at(c, first)->type == type)
		first++;
	return first;
}

/* What is said of one set of a node. */
static bool check_set(struct zone_compiler *c, const struct zone_node *node,
                      const struct zone_set *set, const struct zone_record *record)
{
	bool apex = node->parent == 0;

	switch (set->type) {
	case DNS_SOA:
		if (!apex)
			return zone_fault(c, DNS_ZONE_SOA_INSIDE, record);
		return set->count == 1 || zone_fault(c, DNS_ZONE_SOA_TWICE, record);
	case DNS_CNAME:
		return set->count == 1 || zone_fault(c, DNS_ZONE_CNAME_TWICE, record);
	case DNS_DNAME:
		if (!apex && zone_set_find(c->zone, node, DNS_NS))
			return zone_fault(c, DNS_ZONE_DNAME_NS, record);
		return set->count == 1 || zone_fault(c, DNS_ZONE_DNAME_TWICE, record);
	default:
		return true;
	}
}

/* What a CNAME may stand beside: RFC 4034, 3 and 4; 2535, 3.5 (KEY). */
static bool check_cname(struct zone_compiler *c, const struct zone_node *node)
{
	const struct zone_ref *refs = zone_node_refs(node);

	if (!zone_set_find(c->zone, node, DNS_CNAME))
		return true;
	for (unsigned i = 0; i < node->set_count; i++) {
		uint16_t type = refs[i].type;

		if (type != DNS_CNAME && type != DNS_NSEC && type != DNS_KEY)
			return zone_fault_at(c, DNS_ZONE_CNAME_OTHER, node, DNS_CNAME,
			                     NULL);
	}
	return true;
}

static void set_flags(struct zone_compiler *c, struct zone_node *node, uint16_t type,
                      uint32_t set)
{
	if (type == DNS_NS && node->parent && !node->cut) {
		node->flags |= ZONE_NODE_CUT;
		node->cut = zone_offset(c, node);
	}
	if (type == DNS_DNAME)
		node->flags |= ZONE_NODE_DNAME;
	if (type == DNS_SOA)
		c->zone->soa = set;
}

static bool put_sets(struct zone_compiler *c, struct zone_node *node, uint32_t first,
                     uint32_t end)
{
	struct zone_ref *refs = zone_edit(c, zone_offset(c, zone_node_refs(node)));
	uint32_t signatures = first, signatures_end;

	while (signatures < end && zone_record_at(c, signatures)->type < DNS_RRSIG)
		signatures++;
	signatures_end = signatures;
	while (signatures_end < end &&
	       zone_record_at(c, signatures_end)->type == DNS_RRSIG)
		signatures_end++;

	struct run run = {.signatures_end = signatures};
	for (unsigned i = 0; i < node->set_count; first = run.end, i++) {
		if (first == signatures)
			first = signatures_end;
		const struct zone_record *record = zone_record_at(c, first);
		run.first = first;
		run.end = type_end(c, first, end);
		run.signatures = run.signatures_end;
		find_signatures(c, &run, record->type, signatures_end);
		uint32_t ttl = ttl_of(c, &run);
		uint32_t set = put_set(c, &run, ttl);
		if (!set)
			return false;
		refs[i] = (struct zone_ref){record->type, 0, set};
		set_flags(c, node, record->type, set);
		if (!check_set(c, node, zone_at(c->zone, set), record) ||
		    (record->type == DNS_SOA && !put_negative_soa(c, &run, ttl)))
			return false;
	}
	run.signatures = run.signatures_end;
	find_signatures(c, &run, UINT16_MAX, signatures_end);
	return check_cname(c, node);
}

/* The records [first, end) are all of one owner, or all NSEC3 of one. */
static bool put_owner(struct zone_compiler *c, uint32_t first, uint32_t end)
{
	const struct zone_record *record = zone_record_at(c, first);
	struct slice owner = record_owner(record);
	unsigned set_count = count_sets(c, first, end);
	bool nsec3 = zone_record_is_nsec3(record);

	if (set_count == 0) {
		(void)zone_fault(c, DNS_ZONE_SIGNATURE_ALONE, record);
		return true;
	}
	if (!nsec3 && !put_path(c, owner))
		return false;
	struct zone_node *node = put_node(c, owner, set_count);
	if (!node || (!nsec3 && !place_node(c, node, count_labels(owner))))
		return false;
	return put_sets(c, node, first, end);
}

static bool put_owners(struct zone_compiler *c)
{
	uint32_t end;

	for (uint32_t first = 0; first < c->b->count; first = end) {
		const struct zone_record *record = zone_record_at(c, first);

		for (end = first + 1; end < c->b->count; end++) {
			const struct zone_record *next = zone_record_at(c, end);

			if (!slice_equal(record_owner(record), record_owner(next)) ||
			    zone_record_is_nsec3(record) != zone_record_is_nsec3(next))
				break;
		}
		if (!put_owner(c, first, end))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

static bool check_apex(struct zone_compiler *c)
{
	bool has_soa = false, has_ns = false;

	for (uint32_t i = 0; i < c->b->count; i++) {
		const struct zone_record *record = zone_record_at(c, i);

		if (record->owner_size)
			break;
		has_soa |= record->type == DNS_SOA;
		has_ns |= record->type == DNS_NS;
	}
	if (!has_soa)
		return zone_fault(c, DNS_ZONE_NO_SOA, NULL);
	return has_ns || zone_fault(c, DNS_ZONE_NO_NS, NULL);
}

static bool compile(struct zone_compiler *c)
{
	if (!zone_sort(c) || !check_apex(c) || !zone_take(c, 0, 8))
		return false;
	struct zone_header *zone = zone_take(c, sizeof(*zone), 4);
	if (!zone)
		return false;
	c->zone = zone;
	memcpy(zone->magic, ZONE_MAGIC, sizeof(zone->magic));
	zone->version = ZONE_VERSION;
	zone->apex = sizeof(*zone);
	if (!put_owners(c) || !zone_link(c))
		return false;
	zone->size = zone_offset(c, c->b->arena->at);
	return true;
}

bool dns_zone_end(struct dns_zone_builder *b, struct slice *compiled,
                  struct dns_zone_error *error)
{
	struct zone_compiler c = {.b = b, .error = error};
	struct arena *arena = b->arena;

	*error = (struct dns_zone_error){.fault = DNS_ZONE_OK};
	*compiled = slice_of(b->base, 0);
	bool good = compile(&c);
	if (good) {
		*compiled = slice_of(b->base, c.zone->size);
		zone_copy(&c, b->base, c.zone, compiled->len);
	}
	/* What an arena hands out is zeroed. */
	uint8_t *end = b->base + compiled->len;
	zone_copy(&c, end, NULL, (size_t)(arena->at - end));
	arena->at = end;
	return good;
}
