/*
 * NTP packets: see ntp_wire.h.
 */
#include "ntp_wire.h"

static const uint64_t FROM_1900_TO_1970 = 2208988800u;
static const uint64_t ERA = UINT64_C(1) << 32;

static uint64_t take_timestamp(struct cursor *c)
{
	uint64_t seconds = cursor_u32(c);

	return seconds << 32 | cursor_u32(c);
}

bool ntp_wire_parse(struct slice bytes, struct ntp_packet *p)
{
	struct cursor c = cursor_of(bytes);
	uint8_t first = cursor_u8(&c);

	p->leap = first >> 6;
	p->version = first >> 3 & 7;
	p->mode = first & 7;
	p->stratum = cursor_u8(&c);
	p->poll = (int8_t)cursor_u8(&c);
	p->precision = (int8_t)cursor_u8(&c);
	p->root_delay = cursor_u32(&c);
	p->root_dispersion = cursor_u32(&c);
	p->reference = cursor_u32(&c);
	p->updated = take_timestamp(&c);
	p->origin = take_timestamp(&c);
	p->received = take_timestamp(&c);
	p->transmitted = take_timestamp(&c);
	return !c.failed;
}

static void put_timestamp(struct writer *w, uint64_t timestamp)
{
	writer_u32(w, (uint32_t)(timestamp >> 32));
	writer_u32(w, (uint32_t)timestamp);
}

void ntp_wire_emit(struct writer *w, const struct ntp_packet *p)
{
	writer_u8(w, (uint8_t)(p->leap << 6 | (p->version & 7) << 3 | (p->mode & 7)));
	writer_u8(w, p->stratum);
	writer_u8(w, (uint8_t)p->poll);
	writer_u8(w, (uint8_t)p->precision);
	writer_u32(w, p->root_delay);
	writer_u32(w, p->root_dispersion);
	writer_u32(w, p->reference);
	put_timestamp(w, p->updated);
	put_timestamp(w, p->origin);
	put_timestamp(w, p->received);
	put_timestamp(w, p->transmitted);
}

kiln_time ntp_wire_wall(uint64_t timestamp)
{
	uint64_t seconds = timestamp >> 32, fraction = (uint32_t)timestamp;

	if (seconds < ERA / 2)
		seconds += ERA;
	if (seconds < FROM_1900_TO_1970)
		return 0;
	return KILN_SECONDS(seconds - FROM_1900_TO_1970) +
	       (fraction * KILN_SECONDS(1) >> 32);
}

uint64_t ntp_wire_timestamp(kiln_time wall)
{
	uint64_t seconds = wall / KILN_SECONDS(1) + FROM_1900_TO_1970;
	/* Rounded up, so that it reads back as the same ns. */
	uint64_t fraction =
	    ((wall % KILN_SECONDS(1) << 32) + KILN_SECONDS(1) - 1) / KILN_SECONDS(1);

	return (seconds << 32) + fraction;
}

kiln_time ntp_wire_short(uint32_t value)
{
	return value * KILN_SECONDS(1) >> 16;
}
