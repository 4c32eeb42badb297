/*
 * The name server's connections (RFC 7766). Queries are answered in their order: an answer is
 * computed at once, so that there is none to wait for.
 *
 * A connection has no buffer for answers. One that does not fit into TCP's is queued as far as
 * it does; its query stays, and the same answer is computed again when there is room for more of
 * it: answers are pure. Only where zones were replaced in between it would be another, and the
 * connection is reset. A query stays in TCP's buffer, too, or is copied if it lies in several
 * pieces.
 */
#include "server_private.h"

enum {
	LENGTH = 2,   /* in front of a message (RFC 1035, 4.2.2) */
	BURST = 16,   /* messages in a run, before others have their turn */
	NETWORK6 = 8, /* bytes of an IPv6 address that are a client's network */
	RECEIVED =
	    2 * (SERVER_QUERY + LENGTH), /* bytes of queries held for a connection */
};

static void set_timer(struct server_conn *c)
{
	struct loop *loop = &c->server->kiln->loop;

	timer_set(loop, &c->timer, loop->now + c->server->config.idle);
}

static void conn_free(struct server_conn *c)
{
	struct dns_server *s = c->server;

	if (c->transfer)
		c->transfer->end(c);
	timer_cancel(&s->kiln->loop, &c->timer);
	list_remove(&c->node);
	pool_put(&s->conn_pool, c);
	s->counters.conns_open--;
}

/* By tcp_close, which delivers what is queued, or tcp_abort. */
static void conn_end(struct server_conn *c, void (*end)(struct tcp_conn *))
{
	struct tcp_conn *tcp = c->tcp;

	conn_free(c);
	end(tcp);
}

void server_conn_abort(struct server_conn *c)
{
	conn_end(c, tcp_abort);
}

/* RFC 7766, 6.2.3. */
static void idle(struct timer *timer)
{
	struct server_conn *c = kiln_container(timer, struct server_conn, timer);

	c->server->counters.conns_idle++;
	conn_end(c, tcp_unsent(c->tcp) || c->transfer ? tcp_abort : tcp_close);
}

size_t server_conn_room(const struct server_conn *c)
{
	size_t room = tcp_send_room(c->tcp);

	return room > LENGTH ? KILN_MIN(room - LENGTH, (size_t)DNS_STREAM_SIZE) : 0;
}

bool server_conn_send(struct server_conn *c, size_t len)
{
	struct slice message = slice_of(c->server->buffer, LENGTH + len);
	struct writer w = writer_of(c->server->buffer, LENGTH);

	writer_u16(&w, (uint16_t)len);
	c->queued += (unsigned)tcp_send(c->tcp, slice_skip(message, c->queued));
	if (c->queued < message.len)
		return false;
	c->queued = 0;
	set_timer(c);
	return true;
}

/* ---- a query ---- */

enum progress { GOES_ON, WAITS, BREAKS };

/* The query, where it was received, or copied: into the connection if it is not that large. */
static struct slice take_query(struct server_conn *c, uint8_t *large)
{
	struct slice query = slice_take(tcp_peek(c->tcp), c->expected);
	uint8_t *copy = c->expected <= sizeof(c->query) ? c->query : large;

	if (c->copied)
		return slice_of(c->query, c->expected);
	if (query.len == c->expected)
		return query;
	c->copied = true;
	return slice_of(copy, tcp_read(c->tcp, copy, c->expected));
}

/* The state of things that the query is answered in, from its first byte to its last. */
static bool is_settled(struct server_conn *c)
{
	if (c->queued)
		return c->zones_changed == c->server->zones_changed;
	c->zones_changed = c->server->zones_changed;
	c->now = server_seconds(c->server);
	return true;
}

static enum progress answer_query(struct server_conn *c)
{
	struct dns_server *s = c->server;
	uint8_t large[SERVER_QUERY];
	bool first = c->queued == 0;

	if (!is_settled(c))
		return BREAKS;
	struct server_query q = {take_query(c, large), tcp_remote(c->tcp), c->now, c,
	                         NULL};
	struct dns_answered what;
	size_t len = server_answer(s, &q, s->buffer + LENGTH, DNS_STREAM_SIZE, &what);

	if (first)
		server_count(s, &what, true, len);
	if (what.kind == DNS_KIND_SILENCE)
		return BREAKS;
	if (len && !server_conn_send(c, len))
		return c->copied && c->expected > sizeof(c->query) ? BREAKS : WAITS;
	if (!c->copied)
		tcp_consume(c->tcp, c->expected);
	c->expected = 0;
	c->copied = false;
	return GOES_ON;
}

static enum progress next_query(struct server_conn *c)
{
	uint8_t length[LENGTH];

	if (c->expected == 0) {
		if (tcp_unread(c->tcp) < LENGTH)
			return WAITS;
		(void)tcp_read(c->tcp, length, LENGTH);
		c->expected = (unsigned)length[0] << 8 | length[1];
		if (c->expected < DNS_HEADER_SIZE || c->expected > SERVER_QUERY)
			return BREAKS;
	}
	return !c->copied && tcp_unread(c->tcp) < c->expected ? WAITS : answer_query(c);
}

static void ready(struct tcp_conn *tcp, void *user)
{
	struct server_conn *c = user;
	enum progress progress = GOES_ON;

	for (unsigned i = 0; i < BURST && progress == GOES_ON; i++) {
		if (!c->transfer)
			progress = next_query(c);
		else if (!c->transfer->step(c))
			progress = WAITS;
	}
	if (progress == GOES_ON)
		tcp_wake(tcp);
	else if (progress == BREAKS)
		c->server->counters.conns_broken++;
	if (progress == BREAKS)
		conn_end(c, tcp_abort);
	else if (progress == WAITS && tcp_at_end(tcp) && !c->transfer && !c->copied)
		conn_end(c, tcp_close);
}

static void closed(struct tcp_conn *tcp, void *user, enum kiln_error why)
{
	conn_free(user);
}

/* ---- new connections ---- */

static struct ip_addr client_of(struct ip_addr addr)
{
	if (!ip_is4(&addr))
		memset(addr.bytes + NETWORK6, 0, sizeof(addr.bytes) - NETWORK6);
	return addr;
}

static bool has_enough(const struct dns_server *s, const struct ip_addr *client)
{
	unsigned count = 0;

	list_each (node, &s->conns) {
		struct server_conn *c = kiln_container(node, struct server_conn, node);
		count += ip_equal(&c->client, client);
	}
	return count >= s->config.conns_of_client;
}

static bool accepted(struct tcp_conn *tcp, void *context)
{
	static const struct tcp_events events = {ready, closed};
	struct dns_server *s = context;
	struct ip_addr client = client_of(tcp_remote(tcp).addr);
	struct server_conn *c = has_enough(s, &client) ? NULL : pool_get(&s->conn_pool);

	if (!c) {
		s->counters.conns_refused++;
		return false;
	}
	*c = (struct server_conn){.server = s, .tcp = tcp, .client = client};
	list_init(&c->node);
	list_append(&s->conns, &c->node);
	timer_init(&c->timer, idle);
	set_timer(c);
	s->counters.conns++;
	s->counters.conns_open++;
	tcp_set_receive_limit(tcp, RECEIVED);
	tcp_own(tcp, &events, c);
	return true;
}

enum kiln_error dns_server_tcp(struct dns_server *server, struct tcp *tcp, uint16_t port)
{
	pool_init(&server->conn_pool, server->kiln, sizeof(struct server_conn),
	          server->config.conns, "the name server's connections");
	return tcp_listen(tcp, port, accepted, server, &server->listener);
}
