/*
 * Zones given whole (AXFR: RFC 5936): the SOA, all other records, the SOA again, in messages of
 * about 16 KB, of which as many are made as TCP has room for. A question for what has changed
 * (IXFR: RFC 1995) is answered so as well (4), unless nothing has.
 */
#include "server_private.h"

enum {
	LENGTH = 2,
	TRANSFERS = 16, /* at once */
	MESSAGE =
	    16 * 1024, /* after so many bytes a message is full: names further on could
	                       * not be pointed to (RFC 1035, 4.1.4) */
	MESSAGE_LEAST = 1024, /* less room than that is waited for */
	OPT = 11,             /* bytes of one without options */
};

/* ---- messages ---- */

static bool put_record(struct dns_builder *b, const struct server_transfer *t)
{
	const struct dns_zone_iterator *it = &t->it;
	struct dns_record record = {
	    .section = DNS_ANSWERS,
	    .type = it->type,
	    .class = DNS_CLASS_IN,
	    .ttl = it->ttl,
	    .data = it->data,
	};

	record.name.size = (uint8_t)it->owner.len;
	memcpy(record.name.bytes, it->owner.data, it->owner.len);
	return dns_build_record(b, &record);
}

/* The next record, in the order of a transfer; false: there is none. */
static bool next_record(struct server_transfer *t)
{
	struct dns_name apex = {.size = (uint8_t)t->zone->apex.len};

	memcpy(apex.bytes, t->zone->apex.data, apex.size);
	switch (t->phase) {
	case TRANSFER_FIRST:
		t->phase = TRANSFER_START;
		return dns_zone_find(&t->it, t->zone, &apex, DNS_SOA) &&
		       dns_zone_next(&t->it);
	case TRANSFER_START:
		t->phase = TRANSFER_RECORDS;
		dns_zone_iterate(&t->it, t->zone);
		/* fall through */
	case TRANSFER_RECORDS:
		while (dns_zone_next(&t->it)) {
			if (t->it.type != DNS_SOA)
				return true;
		}
		t->phase = TRANSFER_LAST;
		return dns_zone_find(&t->it, t->zone, &apex, DNS_SOA) &&
		       dns_zone_next(&t->it);
	default:
		t->phase = TRANSFER_OVER;
		return false;
	}
}

/* Fills a message, as far as it goes. */
static void fill(struct server_transfer *t, struct dns_builder *b)
{
	for (;;) {
		if (!t->held && !next_record(t))
			return;
		t->held = !put_record(b, t);
		if (t->held || writer_done(&b->w).len >= MESSAGE)
			return;
	}
}

static size_t write_message(struct server_transfer *t, uint8_t *buffer, size_t size)
{
	struct dns_header header = {
	    .id = t->id,
	    .flags = DNS_FLAG_RESPONSE | DNS_FLAG_AUTHORITATIVE,
	};
	struct dns_question question = {t->question, t->type, DNS_CLASS_IN};
	struct dns_opt opt = {.udp_size = t->udp_size};
	bool with_opt = !t->begun && t->udp_size;
	struct dns_builder b;

	dns_build(&b, buffer, size - (with_opt ? OPT : 0), &header);
	if (!t->begun && !dns_build_question(&b, &question))
		return 0;
	fill(t, &b);
	b.w.size = size;
	if (with_opt && !dns_build_opt(&b, &opt))
		return 0;
	return b.header.counts[DNS_ANSWERS] ? dns_build_done(&b).len : 0;
}

/* One more message; false: there is no room for it. */
static bool step(struct server_conn *c)
{
	struct server_transfer *t = c->transfer;
	struct dns_server *s = c->server;
	size_t room = server_conn_room(c), sign = t->sign ? dns_tsig_room(&t->tsig) : 0;
	uint8_t *message = s->buffer + LENGTH;

	if (room < MESSAGE_LEAST + sign)
		return false;
	size_t len = write_message(t, message, room - sign);
	if (len == 0 && t->phase != TRANSFER_OVER)
		return false; /* a record that is larger than the room */
	if (len && t->sign)
		len = dns_tsig_sign(&t->tsig, message, len, room, server_seconds(s)).len;
	if (len) {
		kiln_assert(server_conn_send(c, len)); /* there is room */
		t->begun = true;
	}
	if (t->phase == TRANSFER_OVER)
		t->end(c);
	return true;
}

/* ---- the beginning and the end ---- */

static void end(struct server_conn *c)
{
	struct dns_server *s = c->server;

	s->counters.transfers_broken += c->transfer->phase != TRANSFER_OVER;
	list_remove(&c->transfer->node);
	pool_put(&s->transfer_pool, c->transfer);
	c->transfer = NULL;
}

void server_transfers_end(struct dns_server *s, const struct dns_zone *zone)
{
	list_each_safe (node, &s->transfers) {
		struct server_transfer *t =
		    kiln_container(node, struct server_transfer, node);

		if (t->zone == zone)
			server_conn_abort(t->conn);
	}
}

/* Whether the one who asks for changes has the zone as it is (RFC 1995, 2), or a newer one. */
static bool is_current(struct slice query, const struct dns_zone *zone)
{
	struct dns_record record;
	struct dns_reader r;
	struct dns_soa soa;

	if (!dns_read(&r, query))
		return false;
	while (dns_read_record(&r, &record)) {
		if (record.section == DNS_AUTHORITIES && record.type == DNS_SOA)
			return dns_data_soa(&record, &soa) &&
			       (int32_t)(zone->serial - soa.serial) <= 0;
	}
	return false;
}

static size_t take_transfer(struct dns_server *s, const struct server_query *q,
                            uint8_t *buffer, size_t size, struct dns_answered *what)
{
	struct server_transfer local, *t = &local;
	struct dns_question question;
	struct dns_reader r;

	if (!dns_read(&r, q->bytes) || !dns_read_question(&r, &question) ||
	    (!q->conn && question.type == DNS_AXFR)) /* RFC 5936, 4.2 */
		return server_error(s, q, DNS_RCODE_FORMAT, buffer, size, what);
	struct dns_zone *zone = dns_zones_find(&s->zones, &question.name);
	if (!zone)
		return server_error(s, q, DNS_RCODE_NOT_AUTHORIZED, buffer, size, what);
	if (!server_access_allows(s->allowed, q)) {
		s->counters.transfers_refused++;
		return server_error(s, q, DNS_RCODE_REFUSED, buffer, size, what);
	}
	bool alone =
	    question.type == DNS_IXFR && (!q->conn || is_current(q->bytes, zone));
	if (!alone)
		t = pool_get(&s->transfer_pool);
	if (!t)
		return server_error(s, q, DNS_RCODE_SERVER, buffer, size, what);
	*t = (struct server_transfer){
	    .conn = q->conn,
	    .zone = zone,
	    .question = question.name,
	    .id = r.header.id,
	    .type = question.type,
	    .udp_size = what->edns ? server_udp_size(s) : 0,
	    .step = step,
	    .end = end,
	    .sign = q->tsig != NULL,
	};
	if (alone) {
		/* The SOA, and no more of it. */
		t->phase = TRANSFER_LAST;
		t->held = dns_zone_find(&t->it, zone, &question.name, DNS_SOA) &&
		          dns_zone_next(&t->it);
		what->kind = DNS_KIND_ANSWER;
		return write_message(t, buffer, size);
	}
	if (q->tsig)
		t->tsig = *q->tsig;
	list_init(&t->node);
	list_append(&s->transfers, &t->node);
	q->conn->transfer = t;
	s->counters.transfers++;
	return 0;
}

bool dns_server_transfers(struct dns_server *server, struct slice allowed,
                          struct dns_mistake *mistake)
{
	server->allowed = server_access_new(server, allowed, mistake);
	if (!server->allowed)
		return false;
	pool_init(&server->transfer_pool, server->kiln, sizeof(struct server_transfer),
	          TRANSFERS, "transfers");
	server->take_transfer = take_transfer;
	server->answerer.takes_transfers = true;
	return true;
}
