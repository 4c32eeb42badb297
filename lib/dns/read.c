/*
 * Messages in (RFC 1035, 4.1): see <kiln/dns.h>. A reader holds a cursor over the whole
 * message, so that the distance to its end is always the distance to the message's: names
 * need that to know where they stand.
 */
#include <kiln/appliance.h>
#include "dns_private.h"

KILN_LIBRARY(dns, "0.1");

enum { OPCODE_SHIFT = 11, OPCODE_MASK = 15, RCODE_MASK = 15 };
enum { TTL_MOST = INT32_MAX };
enum { OPT_DNSSEC = 0x8000 };

bool dns_read(struct dns_reader *r, struct slice message)
{
	struct dns_header *h = &r->header;

	r->message = message;
	r->cursor = cursor_of(message);
	h->id = cursor_u16(&r->cursor);
	h->flags = cursor_u16(&r->cursor);
	h->opcode = h->flags >> OPCODE_SHIFT & OPCODE_MASK;
	h->rcode = h->flags & RCODE_MASK;
	h->flags &= (uint16_t) ~(OPCODE_MASK << OPCODE_SHIFT | RCODE_MASK);
	for (unsigned i = 0; i < 4; i++)
		r->left[i] = h->counts[i] = cursor_u16(&r->cursor);
	r->failed = r->cursor.failed;
	return !r->failed;
}

/* The name, type and class that questions and records begin with. */
static bool read_key(struct dns_reader *r, struct dns_name *name, uint16_t *type,
                     uint16_t *class)
{
	if (r->failed || !dns_name_read(r->message, &r->cursor, name)) {
		r->failed = true;
		return false;
	}
	*type = cursor_u16(&r->cursor);
	*class = cursor_u16(&r->cursor);
	r->failed = r->cursor.failed;
	return !r->failed;
}

bool dns_read_question(struct dns_reader *r, struct dns_question *question)
{
	if (r->left[DNS_QUESTIONS] == 0)
		return false;
	r->left[DNS_QUESTIONS]--;
	return read_key(r, &question->name, &question->type, &question->class);
}

/* False: no record is left in any section. */
static bool next_section(struct dns_reader *r, enum dns_section *section)
{
	struct dns_question skipped;

	while (dns_read_question(r, &skipped))
		continue;
	for (unsigned s = DNS_ANSWERS; s <= DNS_ADDITIONALS; s++) {
		if (r->left[s]) {
			r->left[s]--;
			*section = (enum dns_section)s;
			return true;
		}
	}
	return false;
}

bool dns_read_record(struct dns_reader *r, struct dns_record *record)
{
	if (!next_section(r, &record->section) ||
	    !read_key(r, &record->name, &record->type, &record->class))
		return false;
	record->ttl = cursor_u32(&r->cursor);
	if (record->ttl > TTL_MOST && record->type != DNS_OPT)
		record->ttl = 0;
	record->data = cursor_bytes(&r->cursor, cursor_u16(&r->cursor));
	record->message =
	    slice_take(r->message, r->message.len - cursor_left(&r->cursor));
	r->failed = r->cursor.failed;
	return !r->failed;
}

/* ---- data ---- */

/* The data, which ends the message that it is in. */
static struct cursor data_of(const struct dns_record *record)
{
	struct cursor c = cursor_of(record->message);

	cursor_skip(&c, record->message.len - record->data.len);
	return c;
}

bool dns_data_a(const struct dns_record *record, struct ip4_addr *address)
{
	struct cursor c = data_of(record);

	*address = ip4_of(cursor_u32(&c));
	return !c.failed && cursor_left(&c) == 0;
}

bool dns_data_aaaa(const struct dns_record *record, struct ip_addr *address)
{
	struct cursor c = data_of(record);

	cursor_copy(&c, address->bytes, sizeof(address->bytes));
	return !c.failed && cursor_left(&c) == 0;
}

bool dns_data_name(const struct dns_record *record, struct dns_name *name)
{
	struct cursor c = data_of(record);

	return dns_name_read(record->message, &c, name) && cursor_left(&c) == 0;
}

bool dns_data_soa(const struct dns_record *record, struct dns_soa *soa)
{
	struct cursor c = data_of(record);

	if (!dns_name_read(record->message, &c, &soa->server) ||
	    !dns_name_read(record->message, &c, &soa->mailbox))
		return false;
	soa->serial = cursor_u32(&c);
	soa->refresh = cursor_u32(&c);
	soa->retry = cursor_u32(&c);
	soa->expire = cursor_u32(&c);
	soa->minimum = cursor_u32(&c);
	return !c.failed && cursor_left(&c) == 0;
}

bool dns_data_srv(const struct dns_record *record, struct dns_srv *srv)
{
	struct cursor c = data_of(record);

	srv->priority = cursor_u16(&c);
	srv->weight = cursor_u16(&c);
	srv->port = cursor_u16(&c);
	return !c.failed && dns_name_read(record->message, &c, &srv->target) &&
	       cursor_left(&c) == 0;
}

bool dns_data_opt(const struct dns_record *record, struct dns_opt *opt)
{
	struct cursor c = data_of(record);

	while (cursor_left(&c)) {
		cursor_skip(&c, 2); /* its code: none is known here */
		cursor_skip(&c, cursor_u16(&c));
		if (c.failed)
			return false;
	}
	opt->udp_size = KILN_MAX(record->class, DNS_UDP_SIZE);
	opt->rcode_high = (uint8_t)(record->ttl >> 24);
	opt->version = (uint8_t)(record->ttl >> 16);
	opt->dnssec = (record->ttl & OPT_DNSSEC) != 0;
	return record->name.size == 1;
}
