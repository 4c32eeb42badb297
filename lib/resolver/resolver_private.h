/*
 * The inside of lib/resolver.
 *
 *	resolver.c  lookups: a caller's name, in one family or both
 *	question.c  questions: a name and a type, asked until answered; shared by lookups
 *	stream.c    a question asked by TCP
 *	answer.c    what a server's message says: pure
 *	cache.c     what was answered      order.c  which address first
 *	connect.c   <kiln/connect.h>       wait.c   for tasks
 */
#ifndef RESOLVER_PRIVATE_H
#define RESOLVER_PRIVATE_H

#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include <kiln/resolver.h>

/* ---- answer.c ---- */

/* A question as it was sent. */
struct sent {
	uint16_t id, type;
	bool edns;
	struct dns_name name; /* with the case of its letters */
};

/* What was found out about a name. */
struct answer {
	enum kiln_error error; /* NOT_FOUND: that is the answer */
	uint32_t ttl;          /* seconds; 0: not to be kept */
	unsigned count;
	struct ip_addr addresses[RESOLVER_ADDRESSES];
};

enum verdict {
	VERDICT_FOREIGN, /* no answer to this question */
	VERDICT_STREAM,  /* truncated, or not to be trusted: to be asked by TCP */
	VERDICT_PLAIN,   /* the server does not know EDNS */
	VERDICT_FAILED,  /* it cannot tell: another may */
	VERDICT_CHAIN,   /* it told an alias only: that is to be asked for */
	VERDICT_ANSWERED,
};

/* answer->ttl is the least so far, and is lowered; *target is set for VERDICT_CHAIN. */
enum verdict answer_read(struct slice message, const struct sent *sent, bool stream,
                         struct answer *answer, struct dns_name *target);

/* ---- cache.c ---- */

struct cache_entry;

struct cache {
	struct pool entries;
	struct cache_entry **buckets;
	uint32_t bucket_mask;
	struct list recent; /* the most recently used first */
	uint8_t key[16];    /* of the hash */
};

void cache_init(struct cache *cache, struct kiln *k);
/* NULL: not there, or its time is over. Valid until the next cache_put. */
const struct answer *cache_find(struct cache *cache, const struct dns_name *name,
                                uint16_t type, kiln_time now);
void cache_put(struct cache *cache, const struct dns_name *name, uint16_t type,
               const struct answer *answer, kiln_time now);

/* ---- question.c ---- */

/* The header, a name, its type and class, OPT; and before it its length, for TCP. */
enum { QUERY_SIZE = 2 + DNS_HEADER_SIZE + DNS_NAME_SIZE + 4 + 11 };

struct question {
	struct list node; /* in resolver.questions */
	struct list waiters;
	struct resolver *resolver;
	struct timer timer;
	struct dns_name name; /* as the lookups want it */
	uint16_t type;
	unsigned attempt, aliases;
	enum kiln_error error; /* if no server answers */
	struct answer answer;  /* as far as it is known */

	struct endpoint server;
	struct sent sent;
	struct udp_socket *socket; /* NULL, or of this attempt */
	struct tcp_conn *conn;     /* likewise */
	bool stream_sent;
	uint16_t stream_size; /* of the answer; 0: not known yet */
	uint16_t query_size;
	uint8_t query[QUERY_SIZE];
};

/* Has the waiter told by lookup_answered. Errors: MEMORY. */
KILN_MUST_CHECK enum kiln_error question_ask(struct resolver *resolver,
                                             const struct dns_name *name, uint16_t type,
                                             struct resolver_waiter *waiter);
/* A message came from the server that was asked. */
void question_answered(struct question *q, struct slice message, bool stream);
/* This attempt is over: the next server. */
void question_next(struct question *q);

/* ---- question_stream.c ---- */

void question_stream(struct question *q);
void question_stream_end(struct question *q);

/* ---- resolver.c ---- */

/* An answer by TCP that is longer is none: 16 KiB hold hundreds of addresses. */
enum { STREAM_ANSWER_MOST = 16384 };

struct resolver {
	struct net *net;
	struct udp *udp;
	struct tcp *tcp;
	struct pool pool; /* of questions */
	struct list questions;
	struct list held;  /* lookups, until the network is up */
	struct timer look; /* whether it is */
	struct cache cache;
	unsigned preferred; /* the server that answered last */
	unsigned server_count;
	struct ip_addr servers[RESOLVER_SERVERS]; /* of --dns */
	struct resolver_counters counters;
	uint8_t scratch[STREAM_ANSWER_MOST];
};

static inline struct loop *loop_of(const struct resolver *resolver)
{
	return &net_kiln(resolver->net)->loop;
}

/* The servers to ask now; returns how many. */
unsigned resolver_servers(const struct resolver *resolver, struct ip_addr *servers);
/* One of a lookup's questions is answered, and its waiter off the list. */
void lookup_answered(struct resolver_waiter *waiter, const struct answer *answer);

#endif
