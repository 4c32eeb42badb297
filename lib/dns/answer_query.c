/*
 * A query, out of the bytes of anyone (RFC 1035, 4.1; EDNS: RFC 6891; cookies: RFC 7873): one
 * pass, nothing is copied but the name. See answer_private.h.
 */
#include "answer_private.h"

enum { OPCODE_SHIFT = 11, OPCODE_MASK = 15 };
enum { OPT_DNSSEC = 0x8000 };
enum { OPTION_NSID = 3, OPTION_COOKIE = 10 };
enum { POINTER = 0xc0 };
enum { COOKIE_LEAST = 16, COOKIE_MOST = 40 }; /* with a server's: RFC 7873, 4.2 */

/* A name of a record, which nobody wants to know. */
static void skip_name(struct cursor *c)
{
	for (;;) {
		uint8_t length = cursor_u8(c);

		if (length > DNS_LABEL_SIZE) {
			if (length < POINTER)
				c->failed = true;
			cursor_skip(c, 1);
			return;
		}
		if (length == 0)
			return;
		cursor_skip(c, length);
	}
}

static void read_options(struct answer_query *q, struct cursor *options)
{
	while (cursor_left(options) && !options->failed) {
		uint16_t code = cursor_u16(options);
		struct slice data = cursor_bytes(options, cursor_u16(options));

		if (code == OPTION_NSID)
			q->nsid = true;
		if (code != OPTION_COOKIE || options->failed)
			continue;
		if (data.len != COOKIE_CLIENT &&
		    (data.len < COOKIE_LEAST || data.len > COOKIE_MOST))
			options->failed = true;
		else if (q->cookie.len == 0)
			q->cookie = data; /* further ones are ignored: RFC 7873, 5.2 */
	}
}

/* One OPT is enough, of the root's name: RFC 6891, 6.1.1 and 6.1.2. */
static void read_opt(struct answer_query *q, struct cursor *c, bool rooted)
{
	if (q->edns || !rooted)
		c->failed = true;
	q->udp_size = cursor_u16(c);
	cursor_skip(c, 1);
	q->version = cursor_u8(c);
	q->dnssec = (cursor_u16(c) & OPT_DNSSEC) != 0;
	struct cursor options = cursor_sub(c, cursor_u16(c));
	read_options(q, &options);
	if (options.failed)
		c->failed = true;
	q->edns = !c->failed;
}

/* A record of a query: all but OPT and TSIG is passed. */
static void read_record(struct answer_query *q, struct cursor *c, bool additional)
{
	size_t start = c->at;

	skip_name(c);
	bool rooted = c->at == start + 1;
	uint16_t type = cursor_u16(c);
	/* TSIG is the last record: RFC 8945, 5.1. */
	if (q->signature || (!additional && (type == DNS_OPT || type == DNS_TSIG)))
		c->failed = true;
	if (type == DNS_OPT) {
		read_opt(q, c, rooted);
		return;
	}
	if (type == DNS_TSIG && !c->failed)
		q->signature = (uint16_t)start;
	cursor_skip(c, 6);
	cursor_skip(c, cursor_u16(c));
}

/* A compressed name would point into the header, or to itself: it is no name here. */
static bool read_question(struct answer_query *q, struct cursor *c)
{
	struct cursor rest = *c;

	if (c->failed || !zone_key_read(&q->name, cursor_rest(&rest)))
		return false;
	cursor_skip(c, q->name.size);
	q->type = cursor_u16(c);
	q->class = cursor_u16(c);
	if (c->failed)
		return false;
	q->has_question = true;
	q->question_end = (uint16_t)c->at;
	return true;
}

enum answer_reading answer_read(struct answer_query *q, struct slice message)
{
	struct cursor c = cursor_of(slice_take(message, UINT16_MAX));

	q->has_question = false;
	q->question_end = DNS_HEADER_SIZE;
	q->edns = q->dnssec = q->nsid = false;
	q->cookie = slice_take(message, 0);
	q->signature = 0;

	q->id = cursor_u16(&c);
	q->flags = cursor_u16(&c);
	q->opcode = q->flags >> OPCODE_SHIFT & OPCODE_MASK;
	uint16_t questions = cursor_u16(&c);
	uint32_t others = cursor_u16(&c);
	others += cursor_u16(&c);
	uint16_t additionals = cursor_u16(&c);
	if (c.failed || q->flags & DNS_FLAG_RESPONSE)
		return ANSWER_SILENCE;
	if (questions > 1 || (questions == 1 && !read_question(q, &c)))
		return ANSWER_MALFORMED;
	for (; others && !c.failed; others--)
		read_record(q, &c, false);
	for (; additionals && !c.failed; additionals--)
		read_record(q, &c, true);
	/* Without a question it asks for a cookie: RFC 7873, 5.4. */
	if (c.failed || (questions == 0 && q->cookie.len == 0))
		return ANSWER_MALFORMED;
	return ANSWER_READ;
}
