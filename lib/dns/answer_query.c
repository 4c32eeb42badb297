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

static uint16_t u16_at(struct slice s, size_t at)
{
	return (uint16_t)(s.data[at] << 8 | s.data[at + 1]);
}

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
static void read_opt(struct answer_query *q, struct cursor *c, struct slice fixed,
                     bool rooted)
{
	if (q->edns || !rooted || c->failed) {
		c->failed = true;
		return;
	}
	q->udp_size = u16_at(fixed, 2);
	q->version = fixed.data[5];
	q->dnssec = (u16_at(fixed, 6) & OPT_DNSSEC) != 0;
	struct cursor options = cursor_sub(c, u16_at(fixed, 8));
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
	struct slice fixed = cursor_bytes(c, 10); /* type, class, TTL, size */
	if (c->failed)
		return;
	uint16_t type = u16_at(fixed, 0);
	/* TSIG is the last record: RFC 8945, 5.1. */
	if (q->signature || (!additional && (type == DNS_OPT || type == DNS_TSIG)))
		c->failed = true;
	if (type == DNS_OPT) {
		read_opt(q, c, fixed, rooted);
		return;
	}
	if (type == DNS_TSIG && !c->failed)
		q->signature = (uint16_t)start;
	cursor_skip(c, u16_at(fixed, 8));
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

enum answer_reading answer_read_query(struct answer_query *q, struct slice message)
{
	struct cursor c = cursor_of(slice_take(message, UINT16_MAX));

	q->has_question = false;
	q->question_end = DNS_HEADER_SIZE;
	q->edns = q->dnssec = q->nsid = false;
	q->cookie = slice_take(message, 0);
	q->signature = 0;

	struct slice header = cursor_bytes(&c, DNS_HEADER_SIZE);
	if (c.failed)
		return ANSWER_SILENCE;
	q->id = u16_at(header, 0);
	q->flags = u16_at(header, 2);
	q->opcode = q->flags >> OPCODE_SHIFT & OPCODE_MASK;
	if (q->flags & DNS_FLAG_RESPONSE)
		return ANSWER_SILENCE;
	uint16_t questions = u16_at(header, 4);
	uint32_t others = (uint32_t)u16_at(header, 6) + u16_at(header, 8);
	uint16_t additionals = u16_at(header, 10);
	if (questions > 1 || (questions == 1 && !read_question(q, &c)))
		return ANSWER_MALFORMED;
	for (; others && !c.failed; others--)
		read_record(q, &c, false);
	for (; additionals && !c.failed; additionals--)
		read_record(q, &c, true);
	return c.failed ? ANSWER_MALFORMED : ANSWER_READ;
}
