/*
 * For tests of zones and answers: names, a builder in memory of its own, records as bytes.
 */
#ifndef DNS_PLAY_H
#define DNS_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/dns_zone.h>

static struct dns_name name_of(const char *text)
{
	struct dns_name name;

	assert_true(dns_name_parse(slice_text(text), &name));
	return name;
}

static __attribute__((unused)) const char *text_of(struct slice bytes)
{
	static char text[4][4 * DNS_NAME_SIZE + 1];
	static unsigned turn;
	char *out = text[turn++ % 4];
	struct writer w = writer_of(out, sizeof(text[0]));
	struct cursor c = cursor_of(bytes);
	struct dns_name name;

	assert_true(dns_name_read(bytes, &c, &name));
	dns_name_format(&w, &name);
	writer_u8(&w, 0);
	assert_false(w.failed);
	return out;
}

/* ---- a zone that is being made ---- */

enum { PLAY_MEMORY = 4 << 20 };

struct play {
	struct arena arena;
	void *memory;
	struct dns_zone_builder b;
	struct dns_zone_error error;
	unsigned line;
	char warnings[1024]; /* "fault text: owner TYPE where\n" */
	struct slice compiled;
	struct dns_zone zone;
};

static void play_warn(void *context, const struct dns_zone_error *warning)
{
	struct play *p = context;
	size_t at = strlen(p->warnings);

	snprintf(p->warnings + at, sizeof(p->warnings) - at, "%s: %s %u %u\n",
	         dns_zone_fault_text(warning->fault),
	         text_of(slice_of(warning->owner.bytes, warning->owner.size)),
	         warning->type, warning->where);
}

static __attribute__((unused)) void play_begin(struct play *p, const char *origin)
{
	struct dns_name name = name_of(origin);

	*p = (struct play){.memory = calloc(1, PLAY_MEMORY)};
	arena_init(&p->arena, p->memory, PLAY_MEMORY);
	assert_true(dns_zone_begin(&p->b, &p->arena, &name));
	p->b.warn = play_warn;
	p->b.context = p;
}

static __attribute__((unused)) void play_end(struct play *p)
{
	free(p->memory);
}

/* Adds a record, whose place is the count of those so far. */
static enum dns_zone_fault play_try(struct play *p, const char *owner, uint16_t type,
                                    struct slice data)
{
	struct dns_name name = name_of(owner);

	return dns_zone_add(&p->b, &name, type, 3600, data, ++p->line);
}

static void play_add(struct play *p, const char *owner, uint16_t type, struct slice data)
{
	assert_int_equal(play_try(p, owner, type, data), DNS_ZONE_OK);
}

/* A record whose data ends in a name. */
static void play_name(struct play *p, const char *owner, uint16_t type,
                      struct slice before, const char *target)
{
	struct dns_name name = name_of(target);
	uint8_t data[DNS_NAME_SIZE + 8];
	struct writer w = writer_of(data, sizeof(data));

	writer_bytes(&w, before);
	writer_bytes(&w, slice_of(name.bytes, name.size));
	play_add(p, owner, type, writer_done(&w));
}

/* An SOA of serial 7, minimum 300, with a host of another zone. */
static void play_soa(struct play *p, const char *owner)
{
	play_add(
	    p, owner, DNS_SOA,
	    SLICE("\2ns\3Net\0\4mail\3net\0\0\0\0\7\0\0\1\0\0\0\2\0\0\0\3\0\0\0\1\54"));
}

/* What every zone has. */
static __attribute__((unused)) void play_apex(struct play *p, const char *owner)
{
	play_soa(p, owner);
	play_name(p, owner, DNS_NS, SLICE(""), "ns.net");
}

static bool play_compile(struct play *p)
{
	return dns_zone_end(&p->b, &p->compiled, &p->error);
}

static __attribute__((unused)) void play_open(struct play *p)
{
	if (!play_compile(p))
		fail_msg("%s at %u", dns_zone_fault_text(p->error.fault), p->error.where);
	assert_true(dns_zone_open(&p->zone, p->compiled));
}

#endif
