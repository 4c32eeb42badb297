/*
 * The TCP header and its options: parse and emit. See tcp_wire.h.
 *
 * Called for each segment that comes or goes; every byte is read through a cursor and
 * written through a writer.
 */
#include "tcp_wire.h"

#include <kiln/bytes.h>

/* Option kinds (IANA), and the lengths that their RFCs fix. */
enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WINDOW_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMPS = 8,
	OPTION_FAST_OPEN = 34,

	MSS_LENGTH = 4,
	WINDOW_SCALE_LENGTH = 3,
	SACK_PERMITTED_LENGTH = 2,
	TIMESTAMPS_LENGTH = 10,
	SACK_LENGTH = 2,      /* and 8 for each block */
	FAST_OPEN_LENGTH = 2, /* and the cookie's */
};

/* The header as it lies on the wire: fixes the offsets that the code below goes by. */
struct tcp_header {
	struct be16 src_port, dst_port;
	struct be32 seq, ack;
	uint8_t data_offset; /* in 32-bit words, in the upper half */
	uint8_t flags;
	struct be16 window, checksum, urgent;
};
_Static_assert(sizeof(struct tcp_header) == TCP_HEADER_SIZE, "RFC 9293, 3.1");
_Static_assert(offsetof(struct tcp_header, checksum) == TCP_CHECKSUM_OFFSET, "RFC 9293");

static void parse_sack(struct cursor *body, struct tcp_options *o)
{
	while (cursor_left(body) >= 8 && o->sack_count < TCP_SACK_BLOCKS) {
		struct tcp_range *r = &o->sack[o->sack_count];

		r->start = tcp_seq_of(cursor_u32(body));
		r->end = tcp_seq_of(cursor_u32(body));
		if (tcp_seq_lt(r->start, r->end))
			o->sack_count++;
	}
}

static void parse_fast_open(struct cursor *body, struct tcp_options *o)
{
	size_t size = cursor_left(body);

	if (size > 0 && (size < TCP_FAST_OPEN_COOKIE_MIN ||
	                 size > TCP_FAST_OPEN_COOKIE_MAX || size % 2 != 0))
		return;
	o->has_fast_open = true;
	o->fast_open_size = (uint8_t)size;
	memset(o->fast_open, 0, sizeof(o->fast_open));
	cursor_copy(body, o->fast_open, size);
}

/* One option with a length. A known kind with a length that is not its own is ignored, as
 * an unknown kind is. */
static void parse_option(uint8_t kind, uint8_t length, struct cursor body,
                         struct tcp_options *o)
{
	if (kind == OPTION_MSS && length == MSS_LENGTH) {
		o->has_mss = true;
		o->mss = cursor_u16(&body);
	} else if (kind == OPTION_WINDOW_SCALE && length == WINDOW_SCALE_LENGTH) {
		uint8_t scale = cursor_u8(&body);

		o->has_window_scale = true;
		o->window_scale =
		    scale < TCP_WINDOW_SCALE_MAX ? scale : TCP_WINDOW_SCALE_MAX;
	} else if (kind == OPTION_SACK_PERMITTED && length == SACK_PERMITTED_LENGTH) {
		o->sack_permitted = true;
	} else if (kind == OPTION_TIMESTAMPS && length == TIMESTAMPS_LENGTH) {
		o->has_timestamps = true;
		o->ts_value = cursor_u32(&body);
		o->ts_echo = cursor_u32(&body);
	} else if (kind == OPTION_SACK) {
		parse_sack(&body, o);
	} else if (kind == OPTION_FAST_OPEN) {
		parse_fast_open(&body, o);
	}
}

static bool parse_options(struct cursor c, struct tcp_options *o)
{
	while (cursor_left(&c) > 0) {
		uint8_t kind = cursor_u8(&c);

		if (kind == OPTION_END)
			break;
		if (kind == OPTION_NOP)
			continue;
		uint8_t length = cursor_u8(&c);
		if (length < 2)
			return false;
		struct cursor body = cursor_sub(&c, length - 2u);
		if (c.failed)
			return false;
		parse_option(kind, length, body, o);
	}
	return !c.failed;
}

bool tcp_parse(struct slice packet, struct tcp_segment *s)
{
	struct cursor c = cursor_of(packet);

	memset(s, 0, sizeof(*s));
	s->src_port = cursor_u16(&c);
	s->dst_port = cursor_u16(&c);
	s->seq = tcp_seq_of(cursor_u32(&c));
	s->ack = tcp_seq_of(cursor_u32(&c));
	size_t header_size = (size_t)(cursor_u8(&c) >> 4) * 4;
	s->flags = cursor_u8(&c);
	s->window = cursor_u16(&c);
	cursor_skip(&c, 2);
	s->urgent = cursor_u16(&c);
	if (c.failed || header_size < TCP_HEADER_SIZE)
		return false;
	struct cursor options = cursor_sub(&c, header_size - TCP_HEADER_SIZE);
	s->data = cursor_rest(&c);
	return !c.failed && parse_options(options, &s->options);
}

size_t tcp_header_size(const struct tcp_options *o)
{
	size_t size = TCP_HEADER_SIZE;

	if (o->has_mss)
		size += MSS_LENGTH;
	if (o->has_timestamps)
		size += TCP_TIMESTAMPS_SIZE; /* the NOPs may be SACK permitted */
	else if (o->sack_permitted)
		size += 4;
	if (o->has_window_scale)
		size += 1 + WINDOW_SCALE_LENGTH;
	if (o->sack_count)
		size += 2 + SACK_LENGTH + 8u * o->sack_count;
	if (o->has_fast_open)
		size += (FAST_OPEN_LENGTH + o->fast_open_size + 3u) / 4 * 4;
	return size;
}

static void emit_fast_open(struct writer *w, const struct tcp_options *o)
{
	if ((FAST_OPEN_LENGTH + o->fast_open_size) % 4 != 0) {
		writer_u8(w, OPTION_NOP);
		writer_u8(w, OPTION_NOP);
	}
	writer_u8(w, OPTION_FAST_OPEN);
	writer_u8(w, (uint8_t)(FAST_OPEN_LENGTH + o->fast_open_size));
	for (unsigned i = 0; i < o->fast_open_size && i < sizeof(o->fast_open); i++)
		writer_u8(w, o->fast_open[i]);
}

static void emit_options(struct writer *w, const struct tcp_options *o)
{
	if (o->has_mss) {
		writer_u8(w, OPTION_MSS);
		writer_u8(w, MSS_LENGTH);
		writer_u16(w, o->mss);
	}
	if (o->sack_permitted) {
		writer_u8(w, OPTION_SACK_PERMITTED);
		writer_u8(w, SACK_PERMITTED_LENGTH);
	}
	/* Two NOPs put what follows on its 32-bit boundary, in SACK permitted's place. */
	if (o->has_timestamps != o->sack_permitted) {
		writer_u8(w, OPTION_NOP);
		writer_u8(w, OPTION_NOP);
	}
	if (o->has_timestamps) {
		writer_u8(w, OPTION_TIMESTAMPS);
		writer_u8(w, TIMESTAMPS_LENGTH);
		writer_u32(w, o->ts_value);
		writer_u32(w, o->ts_echo);
	}
	if (o->has_window_scale) {
		writer_u8(w, OPTION_NOP);
		writer_u8(w, OPTION_WINDOW_SCALE);
		writer_u8(w, WINDOW_SCALE_LENGTH);
		writer_u8(w, o->window_scale);
	}
	if (o->sack_count) {
		writer_u8(w, OPTION_NOP);
		writer_u8(w, OPTION_NOP);
		writer_u8(w, OPTION_SACK);
		writer_u8(w, (uint8_t)(SACK_LENGTH + 8 * o->sack_count));
		for (unsigned i = 0; i < o->sack_count && i < TCP_SACK_BLOCKS; i++) {
			writer_u32(w, o->sack[i].start.v);
			writer_u32(w, o->sack[i].end.v);
		}
	}
	if (o->has_fast_open)
		emit_fast_open(w, o);
}

void tcp_emit(struct writer *w, const struct tcp_segment *s)
{
	writer_u16(w, s->src_port);
	writer_u16(w, s->dst_port);
	writer_u32(w, s->seq.v);
	writer_u32(w, s->ack.v);
	writer_u8(w, (uint8_t)(tcp_header_size(&s->options) / 4 << 4));
	writer_u8(w, s->flags);
	writer_u16(w, s->window);
	writer_u16(w, 0); /* checksum */
	writer_u16(w, s->urgent);
	emit_options(w, &s->options);
}
