/*
 * Collects the records of a zone: see <kiln/dns_zone.h> and zone_build.h. Each is looked at by
 * itself here: that its owner is in the zone, and that its data has the form which the
 * compiler, and who answers from what it has compiled, rely on. They come from a transfer as
 * well as from a file: nothing is assumed of them.
 */
#include <kiln/bytes.h>
#include "dns_private.h"
#include "zone_build.h"

/* ---- the form of data ---- */

enum { MD = 3, MF, MB = 7, MG, MR, MINFO = 14, RP = 17, AFSDB, SIG = 24, KX = 36 };
enum { TYPE_QUESTIONS = 128, TYPE_QUESTIONS_LAST = 255 }; /* RFC 6895, 3.1 */

static const struct zone_names names[] = {
    {DNS_NS, 0, 1, 0, false, true},     {MD, 0, 1, 0, false, true},
    {MF, 0, 1, 0, false, true},         {DNS_CNAME, 0, 1, 0, false, true},
    {DNS_SOA, 0, 2, 20, false, true},   {MB, 0, 1, 0, false, true},
    {MG, 0, 1, 0, false, true},         {MR, 0, 1, 0, false, true},
    {DNS_PTR, 0, 1, 0, false, true},    {MINFO, 0, 2, 0, false, true},
    {DNS_MX, 2, 1, 0, false, true},     {RP, 0, 2, 0, false, false},
    {AFSDB, 2, 1, 0, false, false},     {SIG, 18, 1, 1, true, false},
    {DNS_SRV, 6, 1, 0, false, false},   {KX, 2, 1, 0, false, false},
    {DNS_DNAME, 0, 1, 0, false, false}, {DNS_RRSIG, 18, 1, 1, true, false},
    {DNS_NSEC, 0, 1, 0, true, false},   {DNS_SVCB, 2, 1, 0, true, false},
    {DNS_HTTPS, 2, 1, 0, true, false},
};

const struct zone_names *zone_names_of(uint16_t type)
{
	for (size_t i = 0; i < KILN_COUNT_OF(names); i++) {
		if (names[i].type == type)
			return &names[i];
	}
	return NULL;
}

/* Goes past a name. False: there is none, or too long a one. */
static bool skip_name(struct cursor *c)
{
	size_t start = c->at;
	uint8_t length;

	do {
		length = cursor_u8(c);
		if (length > DNS_LABEL_SIZE)
			return false;
		cursor_skip(c, length);
	} while (length && !c->failed);
	return !c->failed && c->at - start <= DNS_NAME_SIZE;
}

size_t zone_name_size(struct slice bytes)
{
	struct cursor c = cursor_of(bytes);

	return skip_name(&c) ? c.at : 0;
}

static bool names_fit(const struct zone_names *form, struct slice data)
{
	struct cursor c = cursor_of(data);

	cursor_skip(&c, form->before);
	for (unsigned i = 0; i < form->count; i++) {
		if (!skip_name(&c))
			return false;
	}
	size_t left = cursor_left(&c);
	return form->more ? left >= form->behind : left == form->behind;
}

/* RFC 5155, 3.2: a salt and a hash, each behind its length. */
static bool nsec3_fits(struct slice data)
{
	struct cursor c = cursor_of(data);

	cursor_skip(&c, 4);
	cursor_skip(&c, cursor_u8(&c));
	uint8_t hash = cursor_u8(&c);
	cursor_skip(&c, hash);
	return !c.failed && hash > 0;
}

/* What is not known passes: RFC 3597. */
static bool data_fits(uint16_t type, struct slice data)
{
	const struct zone_names *form = zone_names_of(type);

	switch (type) {
	case DNS_A:
		return data.len == 4;
	case DNS_AAAA:
		return data.len == 16;
	case DNS_DS:
		return data.len > 4;
	case DNS_NSEC3:
		return nsec3_fits(data);
	case DNS_NSEC3PARAM:
		return data.len >= 5 && data.len == 5u + data.data[4];
	default:
		return !form || names_fit(form, data);
	}
}

/* ---- collecting ---- */

bool dns_zone_begin(struct dns_zone_builder *b, struct arena *arena,
                    const struct dns_name *origin)
{
	*b = (struct dns_zone_builder){.arena = arena, .origin = *origin};
	dns_name_lower(&b->origin);
	b->base = arena_try(arena, 0, 8);
	return b->base != NULL;
}

void zone_owner_put(uint8_t *out, size_t size, const struct dns_name *owner)
{
	size_t at = 0;

	while (at < size) {
		size_t label = 1u + owner->bytes[at];

		memcpy(out + size - at - label, owner->bytes + at, label);
		at += label;
	}
	for (size_t i = 0; i < size; i++)
		out[i] = byte_lower(out[i]);
}

enum dns_zone_fault dns_zone_add(struct dns_zone_builder *b, const struct dns_name *owner,
                                 uint16_t type, uint32_t ttl, struct slice data,
                                 uint32_t where)
{
	if (!dns_name_in(owner, &b->origin))
		return DNS_ZONE_OUTSIDE;
	if (type == 0 || type == DNS_OPT ||
	    (type >= TYPE_QUESTIONS && type <= TYPE_QUESTIONS_LAST))
		return DNS_ZONE_NOT_DATA;
	if (data.len > UINT16_MAX || !data_fits(type, data))
		return DNS_ZONE_MALFORMED;

	struct zone_record head = {
	    .where = where,
	    .ttl = ttl > INT32_MAX ? 0 : ttl, /* RFC 2181, 8 */
	    .type = type,
	    .data_size = (uint16_t)data.len,
	    .owner_size = (uint8_t)(owner->size - b->origin.size),
	};
	struct zone_record *record = arena_try(b->arena, record_size(&head), 4);
	if (!record)
		return DNS_ZONE_MEMORY;
	memcpy(record, &head, sizeof(head));
	zone_owner_put(record->bytes, head.owner_size, owner);
	if (data.len)
		memcpy(record->bytes + head.owner_size, data.data, data.len);
	b->count++;
	return DNS_ZONE_OK;
}

/* ---- what may be wrong ---- */

static const char *const texts[DNS_ZONE_FAULTS] = {
    [DNS_ZONE_OK] = "no fault",
    [DNS_ZONE_MEMORY] = "no memory left",
    [DNS_ZONE_OUTSIDE] = "the name is not in the zone",
    [DNS_ZONE_NOT_DATA] = "a type that is for questions and messages alone",
    [DNS_ZONE_MALFORMED] = "the data is not what its type says",
    [DNS_ZONE_NO_SOA] = "no SOA at the zone's own name",
    [DNS_ZONE_SOA_TWICE] = "more than one SOA",
    [DNS_ZONE_SOA_INSIDE] = "an SOA that is not at the zone's own name",
    [DNS_ZONE_NO_NS] = "no NS at the zone's own name",
    [DNS_ZONE_NS_NO_ADDRESS] = "the NS has no address (A or AAAA) in the zone",
    [DNS_ZONE_NS_IS_CNAME] = "the NS names a CNAME",
    [DNS_ZONE_CNAME_TWICE] = "more than one CNAME",
    [DNS_ZONE_CNAME_OTHER] = "CNAME and other data",
    [DNS_ZONE_DNAME_TWICE] = "more than one DNAME",
    [DNS_ZONE_DNAME_NS] = "DNAME and NS, which only the zone's own name may have",
    [DNS_ZONE_DNAME_BELOW] = "a name below a DNAME",
    [DNS_ZONE_SET_TOO_LARGE] = "more records than one message holds",
    [DNS_ZONE_ZONE_TOO_LARGE] = "the compiled zone has more than 4 GB",
    [DNS_ZONE_NSEC3_OWNER] =
        "the owner of an NSEC3 is not a hash below the zone's own name",
    [DNS_ZONE_NSEC3_HASH] = "an NSEC3 hash that is not known, or has too many iterations",
    [DNS_ZONE_TTL_DIFFERS] = "TTLs differ, the first one is taken",
    [DNS_ZONE_SIGNATURE_ALONE] = "an RRSIG of records that are not there is left out",
    [DNS_ZONE_NO_GLUE] =
        "a name server of the delegation has no address (A or AAAA) in the zone",
    [DNS_ZONE_TARGET_NO_ADDRESS] = "the target has no address (A or AAAA) in the zone",
    [DNS_ZONE_TARGET_IS_CNAME] = "the target is a CNAME",
};

const char *dns_zone_fault_text(enum dns_zone_fault fault)
{
	return fault < DNS_ZONE_FAULTS ? texts[fault] : "unknown fault";
}

bool dns_zone_fault_is_warning(enum dns_zone_fault fault)
{
	return fault >= DNS_ZONE_TTL_DIFFERS && fault < DNS_ZONE_FAULTS;
}
