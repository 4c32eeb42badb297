/*
 * Questions: a name and a type, asked of one server after the other until one of them
 * answers (RFC 1035, 4.2.1). Every attempt has a socket, an ID and a case of letters of its
 * own (RFC 5452, 9); what answers an earlier one comes too late, and finds its port closed.
 *
 * A question that lookups no longer wait for is asked to its end nevertheless: the answer
 * is kept for the next one.
 */
#include "resolver_private.h"

#define PATIENCE      KILN_SECONDS(1) /* doubled with every round through the servers */
#define LOOK_AGAIN    KILN_MS(100) /* for a server, when the network has told of none */
#define NO_SERVER_FOR KILN_SECONDS(10)
enum { ROUNDS = 3, ALIASES_MOST = 8 };

static void end_attempt(struct question *q)
{
	timer_cancel(loop_of(q->resolver), &q->timer);
	if (q->socket)
		udp_close(q->socket);
	q->socket = NULL;
	question_stream_end(q);
}

static void question_end(struct question *q)
{
	struct resolver *resolver = q->resolver;
	struct answer answer = q->answer;
	struct list waiters, *node;

	end_attempt(q);
	if (!answer.error || answer.error == KILN_ERR_NOT_FOUND)
		cache_put(&resolver->cache, &q->name, q->type, &answer,
		          loop_of(resolver)->now);
	list_init(&waiters);
	list_splice(&waiters, &q->waiters);
	list_remove(&q->node);
	pool_put(&resolver->pool, q); /* for what the lookups ask next */
	while ((node = list_pop(&waiters)))
		lookup_answered(kiln_container(node, struct resolver_waiter, node),
		                &answer);
}

static void question_fail(struct question *q, enum kiln_error error)
{
	q->answer = (struct answer){.error = error};
	question_end(q);
}

/* ---- asking ---- */

static void mix_case(struct dns_name *name, struct kiln_random *random)
{
	for (unsigned i = 0; i < name->size; i++) {
		uint8_t lower = name->bytes[i] | 0x20;
		if (lower >= 'a' && lower <= 'z')
			name->bytes[i] ^= (uint8_t)(random_below(random, 2) * 0x20);
	}
}

/* Writes the query, with a new ID and new letters, behind its length for TCP. */
static void write_query(struct question *q)
{
	struct kiln_random *random = &net_kiln(q->resolver->net)->random;
	struct dns_header header = {.flags = DNS_FLAG_RECURSION_DESIRED};
	struct dns_opt opt = {.udp_size = DNS_EDNS_SIZE};
	struct dns_builder b;
	struct writer w = writer_of(q->query, 2);

	header.id = q->sent.id = (uint16_t)random_u32(random);
	mix_case(&q->sent.name, random);
	struct dns_question question = {q->sent.name, q->type, DNS_CLASS_IN};
	dns_build(&b, q->query + 2, sizeof(q->query) - 2, &header);
	bool fits = dns_build_question(&b, &question) &&
	            (!q->sent.edns || dns_build_opt(&b, &opt));
	kiln_assert(fits);
	q->query_size = (uint16_t)dns_build_done(&b).len;
	writer_u16(&w, q->query_size);
}

static void received(struct udp_socket *socket, const struct udp_datagram *datagram,
                     void *context)
{
	struct question *q = context;

	if (!ip_equal(&datagram->from.addr, &q->server.addr) ||
	    datagram->from.port != q->server.port) {
		q->resolver->counters.foreign++;
		return;
	}
	question_answered(q, datagram->payload, false);
}

/* Asks the server whose turn it is. */
static void attempt(struct question *q)
{
	struct resolver *resolver = q->resolver;
	struct loop *loop = loop_of(resolver);
	struct ip_addr servers[RESOLVER_SERVERS];
	unsigned count = resolver_servers(resolver, servers);

	end_attempt(q);
	if (count == 0) { /* the lease has ended meanwhile */
		question_fail(q, KILN_ERR_UNREACHABLE);
		return;
	}
	if (q->attempt >= ROUNDS * count) {
		question_fail(q, q->error);
		return;
	}
	q->server.addr = servers[(resolver->preferred + q->attempt) % count];
	q->server.port = DNS_PORT;
	write_query(q);
	enum kiln_error error = udp_bind(resolver->udp, 0, received, q, &q->socket);
	if (error) {
		q->socket = NULL;
		question_fail(q, error);
		return;
	}
	resolver->counters.queries++;
	timer_set(loop, &q->timer, loop->now + (PATIENCE << q->attempt / count));
	/* What cannot be sent now is as lost: it is sent again. */
	(void)udp_send(q->socket, &q->server, slice_of(q->query + 2, q->query_size));
}

void question_next(struct question *q)
{
	q->attempt++;
	attempt(q);
}

static void waited(struct timer *timer)
{
	struct question *q = kiln_container(timer, struct question, timer);

	if (!q->socket && !q->conn) { /* not begun yet */
		attempt(q);
		return;
	}
	q->resolver->counters.timeouts++;
	question_next(q);
}

/* ---- answers ---- */

/* An alias without what it stands for: that is the next thing to ask. */
static void ask_for_target(struct question *q, const struct dns_name *target)
{
	if (++q->aliases > ALIASES_MOST) {
		question_fail(q, KILN_ERR_PROTOCOL);
		return;
	}
	q->sent.name = *target;
	q->attempt = 0;
	attempt(q);
}

/* The server that answers is the one to ask first the next time. */
static void prefer(struct question *q)
{
	struct ip_addr servers[RESOLVER_SERVERS];
	unsigned count = resolver_servers(q->resolver, servers);

	for (unsigned i = 0; i < count; i++) {
		if (ip_equal(&servers[i], &q->server.addr))
			q->resolver->preferred = i;
	}
}

void question_answered(struct question *q, struct slice message, bool stream)
{
	struct resolver_counters *counters = &q->resolver->counters;
	struct dns_name target;

	switch (answer_read(message, &q->sent, stream, &q->answer, &target)) {
	case VERDICT_FOREIGN:
		counters->foreign++;
		if (stream)
			question_next(q);
		return;
	case VERDICT_STREAM:
		end_attempt(q);
		counters->streams++;
		question_stream(q);
		return;
	case VERDICT_PLAIN:
		q->sent.edns = false;
		attempt(q);
		return;
	case VERDICT_FAILED:
		counters->failures++;
		q->error = KILN_ERR_PROTOCOL;
		question_next(q);
		return;
	case VERDICT_CHAIN:
		prefer(q);
		ask_for_target(q, &target);
		return;
	case VERDICT_ANSWERED:
		counters->answers++;
		prefer(q);
		question_end(q);
		return;
	}
}

/* ---- beginning ---- */

static struct question *asked_already(struct resolver *resolver,
                                      const struct dns_name *name, uint16_t type)
{
	list_each (node, &resolver->questions) {
		struct question *q = kiln_container(node, struct question, node);
		if (q->type == type && dns_name_equal(&q->name, name))
			return q;
	}
	return NULL;
}

enum kiln_error question_ask(struct resolver *resolver, const struct dns_name *name,
                             uint16_t type, struct resolver_waiter *waiter)
{
	struct question *q = asked_already(resolver, name, type);

	if (q) {
		list_append(&q->waiters, &waiter->node);
		return KILN_OK;
	}
	q = pool_get(&resolver->pool);
	if (!q)
		return KILN_ERR_MEMORY;
	memset(q, 0, sizeof(*q));
	q->resolver = resolver;
	q->name = q->sent.name = *name;
	q->type = q->sent.type = type;
	q->sent.edns = true;
	q->error = KILN_ERR_TIMEOUT;
	q->answer.ttl = UINT32_MAX;
	list_init(&q->node);
	list_init(&q->waiters);
	timer_init(&q->timer, waited);
	list_append(&resolver->questions, &q->node);
	list_append(&q->waiters, &waiter->node);
	/* From the event loop: nobody is answered from within the call that asks. */
	timer_set(loop_of(resolver), &q->timer, loop_of(resolver)->now);
	return KILN_OK;
}
