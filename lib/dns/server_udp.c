/*
 * Queries by UDP. The zones of a large name server are in no cache of the processor: each query
 * for another name would wait for the memory that its answer begins in, twice, for about as long
 * as all else takes that is done for it. So what has arrived together is answered together:
 * queries are put down as they come, and the memory asked for; each then finds it there.
 *
 * That is at the end of the loop's iteration, or before it if there is no more room: nothing
 * waits for a query that has not arrived yet.
 */
#include "server_private.h"

enum {
	TOGETHER = 16,
	QUERY_MOST = 512, /* a longer one is answered at once */
};

struct server_waiting {
	struct udp_datagram datagram; /* its payload lies below */
	struct dns_expected expected;
	uint8_t bytes[QUERY_MOST];
};

struct server_udp {
	struct dns_server *server;
	struct udp_socket *socket;
	struct loop_work work;
	unsigned zones_changed; /* how often, when the first of these came */
	unsigned count;
	struct server_waiting waiting[TOGETHER];
};

static size_t limited(struct dns_server *s, const struct server_query *q,
                      const struct dns_answered *what, size_t len)
{
	struct dns_peer peer;

	switch (s->rate(s, q, what)) {
	case SERVER_SEND:
		return len;
	case SERVER_TRUNCATE:
		s->counters.rate_slipped++;
		peer = server_peer(q);
		return dns_answer_truncated(&s->answerer, &peer, q->bytes, s->buffer,
		                            DNS_STREAM_SIZE);
	default:
		s->counters.rate_dropped++;
		return 0;
	}
}

static void answer(struct server_udp *u, const struct udp_datagram *datagram)
{
	struct dns_server *s = u->server;
	struct server_query q = {datagram->payload, datagram->from, server_seconds(s),
	                         NULL, NULL};
	struct dns_answered what;
	size_t len = server_answer(s, &q, s->buffer, DNS_STREAM_SIZE, &what);

	server_count(s, &what, false, len);
	if (len && s->rate)
		len = limited(s, &q, &what, len);
	if (len && udp_answer(u->socket, datagram, slice_of(s->buffer, len)) != KILN_OK)
		s->counters.not_sent++;
	if (s->measure)
		s->measure(s);
}

static void answer_waiting(struct server_udp *u)
{
	/* What was expected of a zone that is gone since is not looked at. */
	bool current = u->zones_changed == u->server->zones_changed;

	for (unsigned i = 0; current && i < u->count; i++)
		dns_expect_node(&u->waiting[i].expected);
	for (unsigned i = 0; i < u->count; i++)
		answer(u, &u->waiting[i].datagram);
	u->count = 0;
}

static void answer_rest(struct loop_work *work)
{
	answer_waiting(kiln_container(work, struct server_udp, work));
}

static void receive(struct udp_socket *socket, const struct udp_datagram *datagram,
                    void *context)
{
	struct server_udp *u = context;
	struct slice query = datagram->payload;

	(void)socket;
	if (query.len > QUERY_MOST) {
		answer(u, datagram);
		return;
	}
	struct server_waiting *w = &u->waiting[u->count++];
	memcpy(w->bytes, query.data, query.len);
	w->datagram = *datagram;
	w->datagram.payload = slice_of(w->bytes, query.len);
	dns_expect(&u->server->answerer, query, &w->expected);
	if (u->count == 1) {
		u->zones_changed = u->server->zones_changed;
		loop_defer(&u->server->kiln->loop, &u->work);
	}
	if (u->count == TOGETHER)
		answer_waiting(u);
}

enum kiln_error dns_server_udp(struct dns_server *server, struct udp *udp, uint16_t port)
{
	struct server_udp *u = kiln_alloc(server->kiln, sizeof(*u), "queries by UDP");

	u->server = server;
	u->count = 0;
	loop_work_init(&u->work, answer_rest);
	return udp_bind(udp, port, receive, u, &u->socket);
}
