/*
 * A name server for the tests of the resolver, in a node of the simulator: what it answers
 * follows from the name that it is asked for, and it knows how to misbehave.
 *
 *	a.test        192.0.2.1 for a minute; no AAAA, and that for half a minute
 *	both.test     192.0.2.2 and 2001:db8::2
 *	nx.test       no such name, for half a minute
 *	chain.test    alias of two.test, which is one of both.test: all in one message
 *	alias.test    alias of both.test, and no more than that
 *	circle.test   two aliases of each other
 *	endless.test  alias of 1.endless.test, that of 1.1.endless.test, ...
 *	big.test      truncated by UDP; 20 addresses by TCP
 *	lie.test      forged answers before the true one
 *	case.test     answers in lower case
 *	slow6.test    AAAA after three seconds
 *	mute.test     no answer at all
 *	plain.test    what has an OPT record is no query
 *	fail.test     server failure, from the first server only
 *	zero.test     not to be kept at all
 */
#ifndef NAMES_SERVER_H
#define NAMES_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/dns.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>
#include <kiln/udp.h>

struct names_server {
	struct kiln *k;
	struct udp *udp;
	struct udp_socket *socket, *other;
	struct tcp_listener *listener;
	bool first;     /* the one that fails at fail.test */
	/* Puts the answer for another name; NULL, or false: as above. */
	bool (*fill)(struct dns_builder *b, const struct dns_question *q);
	unsigned drop;  /* so many queries are not answered */
	unsigned asked; /* queries by UDP */
	unsigned by_tcp;
	unsigned edns, mixed; /* queries with OPT; with letters of both cases */
	/* Of the last query. */
	uint16_t id, port;
};

static struct dns_name names_of(const char *text)
{
	struct dns_name name;

	assert_true(dns_name_parse(slice_text(text), &name));
	return name;
}

static bool names_is(const struct dns_question *q, const char *text)
{
	struct dns_name name = names_of(text);

	return dns_name_equal(&q->name, &name);
}

/* ---- what it answers ---- */

static void names_put(struct dns_builder *b, enum dns_section section,
                      const struct dns_name *name, uint16_t type, uint32_t ttl,
                      struct slice data)
{
	struct dns_record record = {.section = section,
	                            .name = *name,
	                            .type = type,
	                            .class = DNS_CLASS_IN,
	                            .ttl = ttl,
	                            .data = data};

	assert_true(dns_build_record(b, &record));
}

static void names_alias(struct dns_builder *b, const char *from, const char *to)
{
	struct dns_name name = names_of(from), target = names_of(to);

	names_put(b, DNS_ANSWERS, &name, DNS_CNAME, 300,
	          slice_of(target.bytes, target.size));
}

static void names_address(struct dns_builder *b, const struct dns_name *name,
                          uint16_t type, uint32_t ttl, uint8_t last)
{
	uint8_t v4[4] = {192, 0, 2, last};
	uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};

	names_put(b, DNS_ANSWERS, name, type, ttl,
	          type == DNS_A ? slice_of(v4, 4) : slice_of(v6, 16));
}

/* Nothing of this kind, and for how long that holds: the lesser of 60 and 30 s. */
static void names_soa(struct dns_builder *b)
{
	static const uint8_t data[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0,
	                               0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 30};
	struct dns_name zone = names_of("test");

	names_put(b, DNS_AUTHORITIES, &zone, DNS_SOA, 60, slice_of(data, sizeof(data)));
}

static void names_fill(struct names_server *s, struct dns_builder *b,
                       const struct dns_question *q, bool stream)
{
	struct dns_name both = names_of("both.test");

	if (s->fill && s->fill(b, q))
		return;
	if (names_is(q, "nx.test")) {
		b->header.rcode = DNS_RCODE_NAME;
		names_soa(b);
	} else if (names_is(q, "chain.test")) {
		names_address(b, &both, q->type, 60, 2);
		names_alias(b, "two.test", "both.test"); /* in no order */
		names_alias(b, "chain.test", "two.test");
	} else if (names_is(q, "alias.test")) {
		names_alias(b, "alias.test", "both.test");
	} else if (names_is(q, "circle.test")) {
		names_alias(b, "circle.test", "round.test");
		names_alias(b, "round.test", "circle.test");
	} else if (names_is(q, "fail.test") && s->first) {
		b->header.rcode = DNS_RCODE_SERVER;
	} else if (names_is(q, "big.test") && stream) {
		for (uint8_t i = 0; i < 20; i++)
			names_address(b, &q->name, q->type, 60, i);
	} else if (names_is(q, "big.test")) {
		names_address(b, &q->name, q->type, 60, 99);
		b->header.flags |= DNS_FLAG_TRUNCATED;
	} else if (names_is(q, "a.test") && q->type == DNS_AAAA) {
		names_soa(b);
	} else {
		names_address(b, &q->name, q->type, names_is(q, "zero.test") ? 0 : 60,
		              names_is(q, "a.test") ? 1 : 2);
	}
}

static struct slice names_answer(struct names_server *s, struct slice query, bool stream,
                                 uint8_t *buffer, size_t size, struct dns_question *q)
{
	struct dns_header header = {.flags = DNS_FLAG_RESPONSE |
	                                     DNS_FLAG_RECURSION_DESIRED |
	                                     DNS_FLAG_RECURSION_AVAILABLE};
	struct dns_name endless = names_of("endless.test"), one = names_of("1"), next;
	struct dns_opt opt = {.udp_size = 1232};
	struct dns_reader r;
	struct dns_record record;
	struct dns_builder b;
	bool edns;

	assert_true(dns_read(&r, query));
	assert_true(dns_read_question(&r, q));
	edns = dns_read_record(&r, &record) && record.type == DNS_OPT;
	assert_false(r.failed);
	s->edns += edns;
	s->id = header.id = r.header.id;
	dns_build(&b, buffer, size, &header);
	if (names_is(q, "plain.test") && edns) {
		b.header.rcode = DNS_RCODE_FORMAT;
		return dns_build_done(&b);
	}
	if (names_is(q, "case.test"))
		dns_name_lower(&q->name);
	assert_true(dns_build_question(&b, q));
	if (dns_name_in(&q->name, &endless)) {
		assert_true(dns_name_join(&one, &q->name, &next));
		names_put(&b, DNS_ANSWERS, &q->name, DNS_CNAME, 300,
		          slice_of(next.bytes, next.size));
	} else {
		names_fill(s, &b, q, stream);
	}
	if (edns)
		assert_true(dns_build_opt(&b, &opt));
	return dns_build_done(&b);
}

/* ---- datagrams ---- */

/* Answers that must not be believed: each says 192.0.2.66, or 2001:db8::42. */
static void names_lie(struct names_server *s, const struct endpoint *to,
                      const struct dns_question *q)
{
	for (unsigned kind = 0; kind < 5; kind++) {
		struct dns_header header = {.id = s->id,
		                            .flags = DNS_FLAG_RESPONSE |
		                                     DNS_FLAG_RECURSION_AVAILABLE};
		struct dns_question other = *q;
		struct dns_builder b;
		uint8_t bytes[512];

		if (kind == 0)
			header.id ^= 1;
		if (kind == 1)
			header.flags = 0; /* a query */
		if (kind == 2)
			other.name = names_of("else.test");
		if (kind == 3)
			other.type = DNS_TXT;
		dns_build(&b, bytes, sizeof(bytes), &header);
		assert_true(dns_build_question(&b, &other));
		names_address(&b, &q->name, q->type, 60, 66);
		/* The last one is right, but from another port. */
		(void)udp_send(kind == 4 ? s->other : s->socket, to, dns_build_done(&b));
	}
	(void)udp_send(s->socket, to, SLICE("no message at all"));
}

struct names_delayed {
	struct timer timer;
	struct names_server *server;
	struct endpoint to;
	size_t size;
	uint8_t bytes[512];
};

static void names_send_delayed(struct timer *timer)
{
	struct names_delayed *d = kiln_container(timer, struct names_delayed, timer);

	(void)udp_send(d->server->socket, &d->to, slice_of(d->bytes, d->size));
}

static void names_delay(struct names_server *s, const struct endpoint *to,
                        struct slice message, kiln_time delay)
{
	struct names_delayed *d = kiln_alloc(s->k, sizeof(*d), "a delayed answer");

	assert_true(message.len <= sizeof(d->bytes));
	d->server = s;
	d->to = *to;
	d->size = message.len;
	memcpy(d->bytes, message.data, message.len);
	timer_init(&d->timer, names_send_delayed);
	timer_set(&s->k->loop, &d->timer, s->k->loop.now + delay);
}

static bool names_mixed(const struct dns_name *name)
{
	struct dns_name lower = *name;
	unsigned upper = 0, letters = 0;

	dns_name_lower(&lower);
	for (unsigned i = 0; i < name->size; i++) {
		letters += lower.bytes[i] >= 'a' && lower.bytes[i] <= 'z';
		upper += lower.bytes[i] != name->bytes[i];
	}
	return upper > 0 && upper < letters;
}

static void names_query(struct udp_socket *socket, const struct udp_datagram *d,
                        void *context)
{
	struct names_server *s = context;
	struct dns_question q;
	uint8_t bytes[1232];
	struct slice message =
	    names_answer(s, d->payload, false, bytes, sizeof(bytes), &q);

	s->asked++;
	s->port = d->from.port;
	s->mixed += names_mixed(&q.name);
	if (names_is(&q, "mute.test"))
		return;
	if (s->drop) {
		s->drop--;
		return;
	}
	if (names_is(&q, "lie.test"))
		names_lie(s, &d->from, &q);
	if (names_is(&q, "slow6.test") && q.type == DNS_AAAA)
		names_delay(s, &d->from, message, KILN_SECONDS(3));
	else
		(void)udp_send(socket, &d->from, message);
}

/* ---- streams ---- */

static void names_ready(struct tcp_conn *conn, void *user)
{
	struct names_server *s = user;
	uint8_t query[514], bytes[2 + 1232];
	struct dns_question q;

	if (tcp_unread(conn) > 2) { /* short, so that it comes in one piece */
		size_t size = tcp_read(conn, query, sizeof(query));
		assert_int_equal(size, 2u + (query[0] << 8 | query[1]));
		struct slice message =
		    names_answer(s, slice_of(query + 2, size - 2), true, bytes + 2,
		                 sizeof(bytes) - 2, &q);
		bytes[0] = (uint8_t)(message.len >> 8);
		bytes[1] = (uint8_t)message.len;
		s->by_tcp++;
		assert_int_equal(tcp_send(conn, slice_of(bytes, message.len + 2)),
		                 message.len + 2);
	}
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static void names_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
}

static bool names_accepted(struct tcp_conn *conn, void *context)
{
	static const struct tcp_events events = {names_ready, names_closed};

	tcp_own(conn, &events, context);
	return true;
}

/* Opens the server's ports: to be called in its node. */
static void names_serve(struct names_server *s, struct net *net, struct tcp *tcp)
{
	s->k = net_kiln(net);
	s->udp = udp_new(net);
	assert_int_equal(udp_bind(s->udp, DNS_PORT, names_query, s, &s->socket), KILN_OK);
	assert_int_equal(udp_bind(s->udp, 5353, names_query, s, &s->other), KILN_OK);
	assert_int_equal(tcp_listen(tcp, DNS_PORT, names_accepted, s, &s->listener),
	                 KILN_OK);
}

#endif
