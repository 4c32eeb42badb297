/*
 * A zone from its primary: one TCP connection, one question, and what comes of it (RFC 5936, 2.2;
 * 1995, 4). The first record is the SOA of what the primary has. By the second, the answer is
 * the whole zone, or the changes from the version that was named in the question: an SOA of
 * each version, records taken away, an SOA of the next, records added. A single SOA says that
 * there is nothing new.
 */
#include <kiln/dns_types.h>
#include "secondary_private.h"

#define STALL   KILN_SECONDS(30)   /* of a primary that says nothing */
#define LONGEST KILN_SECONDS(7200) /* of one that does not come to an end */

enum state { FIRST, SECOND, WHOLE, TAKING_AWAY, ADDING, OVER, CURRENT };

struct fetch {
	struct secondary *z;
	const struct secondary_primary *primary;
	struct secondary_worker *worker;
	kiln_time until;
	struct stream stream;
	struct dns_tsig_exchange tsig;
	struct arena *arena;
	struct dns_zone_builder builder;
	struct secondary_changes changes;
	uint16_t id;
	bool by_changes; /* was asked for */
	enum state state;
	struct dns_soa soa; /* of the zone that is being fetched */
	uint32_t serial;    /* of the version that is being read about */
	bool reached;       /* the primary is there */
	const char *why;    /* it failed */
};

const char secondary_no_memory[] = "it has no room";

static bool fail(struct fetch *f, const char *why)
{
	f->why = why;
	return false;
}

/* ---- the question ---- */

static bool build_question(struct fetch *f, struct dns_builder *b, uint8_t *buffer,
                           size_t size)
{
	const struct dns_header header = {.id = f->id};
	const struct dns_question question = {
	    f->z->name, f->by_changes ? DNS_IXFR : DNS_AXFR, DNS_CLASS_IN};
	uint8_t data[22] = {
	    0}; /* two root names, the serial, the rest is nothing to him */
	struct writer w = writer_of(data + 2, 4);
	struct dns_record soa = {
	    .section = DNS_AUTHORITIES,
	    .name = f->z->name,
	    .type = DNS_SOA,
	    .class = DNS_CLASS_IN,
	    .data = slice_of(data, sizeof(data)),
	};

	writer_u32(&w, f->z->soa.serial);
	dns_build(b, buffer, size, &header);
	return dns_build_question(b, &question) &&
	       (!f->by_changes || dns_build_record(b, &soa));
}

static bool ask(struct fetch *f)
{
	uint8_t message[1536];
	struct dns_builder b;
	struct writer w = writer_of(message, 2);

	f->id = (uint16_t)random_u32(&f->z->server->kiln->random);
	if (!build_question(f, &b, message + 2, sizeof(message) - 2))
		return fail(f, "the question is too long");
	size_t len = dns_build_done(&b).len;
	if (f->primary->key) {
		dns_tsig_begin(&f->tsig, f->primary->key);
		len = dns_tsig_sign(&f->tsig, message + 2, len, sizeof(message) - 2,
		                    kiln_wall(f->z->server->kiln) / KILN_SECONDS(1))
		          .len;
	}
	writer_u16(&w, (uint16_t)len);
	return stream_write(&f->stream, slice_of(message, 2 + len)) == KILN_OK ||
	       fail(f, "the primary closes the connection");
}

/* ---- records ---- */

static bool add(struct fetch *f, const struct dns_record *record, struct slice data)
{
	switch (dns_zone_add(&f->builder, &record->name, record->type, record->ttl, data,
	                     0)) {
	case DNS_ZONE_OK:
	case DNS_ZONE_OUTSIDE: /* left out, as others do */
		return true;
	case DNS_ZONE_MEMORY:
		return fail(f, secondary_no_memory);
	default:
		return fail(f, "a record is malformed");
	}
}

static bool add_record(struct fetch *f, const struct dns_record *record)
{
	uint8_t data[4096];
	struct writer w = writer_of(data, sizeof(data));

	/* Data with names is never that large, but for what they were compressed by. */
	if (record->data.len > sizeof(data) / 2 &&
	    dns_data_check(record->type, record->data))
		return add(f, record, record->data);
	if (!dns_data_copy(&w, record))
		return fail(f, "a record is malformed");
	return add(f, record, writer_done(&w));
}

static bool change_record(struct fetch *f, const struct dns_record *record)
{
	return !dns_name_in(&record->name, &f->z->name) ||
	       secondary_change(&f->changes, f->state == ADDING, record) ||
	       fail(f, "a record is malformed, or there is no memory for it");
}

static bool take_first(struct fetch *f, const struct dns_record *record)
{
	if (record->type != DNS_SOA || !dns_name_equal(&record->name, &f->z->name) ||
	    !dns_data_soa(record, &f->soa))
		return fail(f, "the first record is no SOA");
	/* RFC 1982, 3.2. */
	int32_t newer = (int32_t)(f->soa.serial - f->z->soa.serial);
	f->state = f->z->loaded && newer <= 0 ? CURRENT : SECOND;
	return f->state == SECOND || newer == 0 ||
	       fail(f, "the primary has an older version");
}

static bool begin_whole(struct fetch *f, const struct dns_record *record)
{
	f->state = WHOLE;
	if (!dns_zone_begin(&f->builder, f->arena, &f->z->name))
		return fail(f, secondary_no_memory);
	return record->type == DNS_SOA || add_record(f, record);
}

/* An SOA between the parts of changes. */
static bool next_part(struct fetch *f, uint32_t serial)
{
	bool was_adding = f->state == ADDING;

	if (was_adding && f->serial == f->soa.serial && serial == f->serial) {
		f->state = OVER;
		return true;
	}
	if (was_adding && serial != f->serial)
		return fail(f, "changes of another version");
	f->state = was_adding ? TAKING_AWAY : ADDING;
	f->serial = serial;
	return true;
}

static bool take_second(struct fetch *f, const struct dns_record *record)
{
	struct dns_soa soa;

	if (!f->by_changes || record->type != DNS_SOA)
		return begin_whole(f, record);
	if (!dns_data_soa(record, &soa) || soa.serial != f->z->soa.serial)
		return fail(f, "changes of another version");
	secondary_changes_begin(&f->changes, f->worker, f->arena);
	f->serial = soa.serial;
	f->state = TAKING_AWAY;
	return true;
}

/* An SOA behind the second record: that of the whole zone is the last. */
static bool take_soa(struct fetch *f, const struct dns_record *record)
{
	const struct dns_zone *old = &f->z->zones[f->z->live];
	struct dns_soa soa;

	if (!dns_data_soa(record, &soa) || !dns_name_equal(&record->name, &f->z->name))
		return fail(f, "an SOA is malformed");
	if (f->state == WHOLE) {
		/* RFC 5936, 2.2: the zone was changed meanwhile, or it is no end. */
		if (soa.serial != f->soa.serial)
			return fail(f, "it ends in another version");
	} else {
		if (!next_part(f, soa.serial))
			return false;
		if (f->state != OVER)
			return true;
		f->why = secondary_changes_apply(&f->changes, old, &f->builder);
		if (f->why)
			return false;
	}
	f->state = OVER;
	return add_record(f, record);
}

static bool take_record(struct fetch *f, const struct dns_record *record)
{
	secondary_record(f->worker);
	if (record->class != DNS_CLASS_IN)
		return fail(f, "a record of another class");
	switch (f->state) {
	case FIRST:
		return take_first(f, record);
	case SECOND:
		return take_second(f, record);
	case CURRENT: /* and it is told all the same */
		return true;
	case OVER:
		return fail(f, "records behind the last");
	default:
		break;
	}
	if (record->type == DNS_SOA)
		return take_soa(f, record);
	return f->state == WHOLE ? add_record(f, record) : change_record(f, record);
}

/* ---- messages ---- */

/* So many bytes, or it has failed. */
static bool read_bytes(struct fetch *f, uint8_t *out, size_t size)
{
	size_t got;

	for (size_t at = 0; at < size; at += got) {
		if (stream_read(&f->stream, out + at, size - at, &got) != KILN_OK)
			return fail(f, "the primary says nothing, or breaks off");
		if (got == 0)
			return fail(f, "the primary breaks off");
		if (kiln_now(f->z->server->kiln) > f->until)
			return fail(f, "the primary comes to no end");
	}
	return true;
}

static bool read_message(struct fetch *f, struct slice *message)
{
	uint8_t length[2];

	if (!read_bytes(f, length, sizeof(length)))
		return false;
	*message = slice_of(f->worker->message, (size_t)length[0] << 8 | length[1]);
	return read_bytes(f, f->worker->message, message->len);
}

static bool check_signature(struct fetch *f, struct slice message)
{
	struct dns_tsig tsig;

	if (!f->primary->key)
		return true;
	if (!dns_tsig_read(message, &tsig))
		return fail(f, "a message is malformed");
	switch ((int)dns_tsig_check_answer(
	    &f->tsig, message, &tsig, kiln_wall(f->z->server->kiln) / KILN_SECONDS(1))) {
	case DNS_TSIG_OK:
		return true;
	case DNS_TSIG_BADKEY:
		return fail(f, "the primary does not know the key");
	case DNS_TSIG_BADTIME:
		return fail(f, "the primary's clock and this one differ");
	default:
		return fail(f, "the signature is wrong");
	}
}

static bool is_answer(struct fetch *f, const struct dns_header *h)
{
	if (!(h->flags & DNS_FLAG_RESPONSE) || h->id != f->id)
		return fail(f, "the message answers another question");
	switch (h->rcode) {
	case DNS_RCODE_OK:
		return true;
	case DNS_RCODE_REFUSED:
		return fail(f, "the primary refuses it");
	case DNS_RCODE_NOT_AUTHORIZED:
		return fail(f, "the primary does not have it, or does not know the key");
	default:
		return fail(f, "the primary cannot tell");
	}
}

static bool take_message(struct fetch *f)
{
	struct dns_record record;
	struct dns_reader r;
	struct slice message;

	if (!read_message(f, &message))
		return false;
	if (!dns_read(&r, message))
		return fail(f, "a message is malformed");
	if (!check_signature(f, message) || !is_answer(f, &r.header))
		return false;
	while (dns_read_record(&r, &record)) {
		if (record.section == DNS_ANSWERS && !take_record(f, &record))
			return false;
	}
	if (r.failed || r.header.counts[DNS_ANSWERS] == 0)
		return fail(f, "a message is malformed");
	return true;
}

/* ---- all of it ---- */

static bool fetch(struct fetch *f)
{
	if (stream_connect_within(&f->stream, f->worker->all->tasks, f->worker->all->tcp,
	                          &f->primary->at, STALL) != KILN_OK)
		return fail(f, "the primary cannot be reached");
	f->reached = true;
	f->until = kiln_now(f->z->server->kiln) + LONGEST;
	if (!ask(f))
		return false;
	while (f->state != OVER && f->state != CURRENT) {
		if (!take_message(f))
			return false;
	}
	/* RFC 8945, 5.3.1: the last message has to be signed. */
	return !f->primary->key || f->tsig.since == 0 ||
	       fail(f, "the last message is not signed");
}

static bool compile(struct fetch *f, struct dns_zone *zone)
{
	struct dns_zone_error error;
	struct slice compiled;

	f->builder.pause = secondary_pause;
	f->builder.context = f->worker;
	if (!dns_zone_end(&f->builder, &compiled, &error))
		return fail(f, error.fault == DNS_ZONE_MEMORY
		                   ? secondary_no_memory
		                   : dns_zone_fault_text(error.fault));
	return dns_zone_open(zone, compiled) || fail(f, "it does not open");
}

static void log_failure(const struct fetch *f)
{
	char text[4 * DNS_NAME_SIZE + 100];
	size_t room = (size_t)(f->arena->end - f->arena->start);
	struct writer w = writer_of(text, sizeof(text));

	dns_name_format(&w, &f->z->name);
	writer_text(&w, ": not transferred from ");
	endpoint_format(&w, &f->primary->at);
	writer_format(&w, ": %s", f->why);
	if (f->why == secondary_no_memory)
		writer_format(&w, " in %zu KB, its part of the memory: see -m",
		              room / 1024);
	log_warn(f->z->server->kiln, "dns", "%.*s", SLICE_ARG(writer_done(&w)));
}

/* *whole: to be asked for the whole instead. */
static enum secondary_result try(struct fetch *f, struct dns_zone *zone, bool *whole)
{
	struct dns_server_counters *count = &f->z->server->counters;

	f->arena = &f->z->blocks[f->z->live ^ 1];
	f->arena->at = f->arena->start;
	bool good = fetch(f);
	stream_close(&f->stream);
	if (good && f->state == CURRENT)
		return SECONDARY_CURRENT;
	if (good && compile(f, zone)) {
		count->fetched++;
		count->fetched_changes += f->changes.arena != NULL;
		return SECONDARY_NEW;
	}
	log_failure(f);
	count->fetch_failures++;
	*whole = f->by_changes && f->reached && f->state != CURRENT;
	return SECONDARY_FAILED;
}

enum secondary_result secondary_transfer(struct secondary *z,
                                         const struct secondary_primary *primary,
                                         struct secondary_worker *worker,
                                         struct dns_zone *zone)
{
	enum secondary_result result = SECONDARY_FAILED;
	bool whole = !z->loaded;

	if (z->loaded) {
		struct fetch f = {
		    .z = z, .primary = primary, .worker = worker, .by_changes = true};
		result = try(&f, zone, &whole);
	}
	/* RFC 1995, 4: who cannot tell of changes has the whole. */
	if (whole) {
		struct fetch f = {.z = z, .primary = primary, .worker = worker};
		result = try(&f, zone, &whole);
	}
	return result;
}
