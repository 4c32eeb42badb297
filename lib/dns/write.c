/*
 * Messages out (RFC 1035, 4.1): see <kiln/dns.h>. An owner's name is compressed: where an
 * earlier one ends as it does, it points there (4.1.4). The builder keeps the places of the
 * first labels that it wrote; a message with more of them is a little longer, no more.
 */
#include "dns_private.h"

enum { POINTER = 0xc000, POINTER_MOST = 0x3fff };
enum { OPCODE_SHIFT = 11, OPCODE_MASK = 15, RCODE_MASK = 15, OPT_DNSSEC = 0x8000 };

void dns_build(struct dns_builder *b, void *buffer, size_t size,
               const struct dns_header *header)
{
	b->w = writer_of(buffer, size);
	b->header = *header;
	b->name_count = 0;
	memset(b->header.counts, 0, sizeof(b->header.counts));
	(void)writer_room(&b->w, DNS_HEADER_SIZE);
}

/* Whether the rest of a name is this one, upper and lower case alike. */
static bool is_rest(struct cursor rest, const struct dns_name *name)
{
	if (cursor_left(&rest) != name->size)
		return false;
	for (unsigned i = 0; i < name->size; i++) {
		if (byte_lower(cursor_u8(&rest)) != byte_lower(name->bytes[i]))
			return false;
	}
	return true;
}

/* The place of one of the first `count` names that is the same; 0: there is none. */
static uint16_t earlier(const struct dns_builder *b, unsigned count, struct cursor rest)
{
	struct slice message = writer_done(&b->w);

	for (unsigned i = 0; i < count && i < DNS_BUILDER_NAMES; i++) {
		struct cursor c = cursor_of(message);
		struct dns_name name;

		cursor_skip(&c, b->names[i]);
		if (dns_name_read(message, &c, &name) && is_rest(rest, &name))
			return b->names[i];
	}
	return 0;
}

static void put_name(struct dns_builder *b, const struct dns_name *name)
{
	struct cursor c = cursor_of(dns_name_slice(name));
	unsigned known =
	    b->name_count; /* those before this one, which is not whole yet */

	while (cursor_left(&c) > 1) {
		uint16_t place = earlier(b, known, c);

		if (place) {
			writer_u16(&b->w, (uint16_t)(POINTER | place));
			return;
		}
		size_t here = writer_done(&b->w).len;
		if (here <= POINTER_MOST && b->name_count < DNS_BUILDER_NAMES)
			b->names[b->name_count++] = (uint16_t)here;
		uint8_t length = cursor_u8(&c);
		writer_u8(&b->w, length);
		writer_copy(&b->w, &c, length);
	}
	writer_u8(&b->w, 0);
}

/* What was begun with `before` is whole, or is taken back. */
static bool put_end(struct dns_builder *b, const struct dns_builder *before,
                    enum dns_section section)
{
	if (b->w.failed || b->header.counts[section] == UINT16_MAX) {
		*b = *before;
		return false;
	}
	b->header.counts[section]++;
	return true;
}

bool dns_build_question(struct dns_builder *b, const struct dns_question *question)
{
	struct dns_builder before = *b;

	put_name(b, &question->name);
	writer_u16(&b->w, question->type);
	writer_u16(&b->w, question->class);
	return put_end(b, &before, DNS_QUESTIONS);
}

bool dns_build_record(struct dns_builder *b, const struct dns_record *record)
{
	struct dns_builder before = *b;

	if (record->data.len > UINT16_MAX)
		return false;
	put_name(b, &record->name);
	writer_u16(&b->w, record->type);
	writer_u16(&b->w, record->class);
	writer_u32(&b->w, record->ttl);
	writer_u16(&b->w, (uint16_t)record->data.len);
	writer_bytes(&b->w, record->data);
	return put_end(b, &before, record->section);
}

bool dns_build_opt(struct dns_builder *b, const struct dns_opt *opt)
{
	struct dns_record record = {
	    .section = DNS_ADDITIONALS,
	    .name = {.size = 1},
	    .type = DNS_OPT,
	    .class = opt->udp_size,
	    .ttl = (uint32_t)opt->rcode_high << 24 | (uint32_t)opt->version << 16 |
	           (opt->dnssec ? OPT_DNSSEC : 0),
	};

	return dns_build_record(b, &record);
}

struct slice dns_build_done(struct dns_builder *b)
{
	const struct dns_header *h = &b->header;
	struct slice message = writer_done(&b->w);
	struct writer w = writer_of(b->w.start, message.len);

	writer_u16(&w, h->id);
	writer_u16(&w, (uint16_t)(h->flags | (h->opcode & OPCODE_MASK) << OPCODE_SHIFT |
	                          (h->rcode & RCODE_MASK)));
	for (unsigned i = 0; i < 4; i++)
		writer_u16(&w, h->counts[i]);
	return message;
}
