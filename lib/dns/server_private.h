/*
 * What the files of the name server share. See <kiln/dns_server.h>.
 *
 * What an appliance has to ask for hangs in struct dns_server by pointers to functions, which
 * only the call that asks for it names: the linker drops the rest.
 */
#ifndef SERVER_PRIVATE_H
#define SERVER_PRIVATE_H

#include <kiln/appliance.h>
#include <kiln/dns_server.h>
#include <kiln/dns_tsig.h>
#include "dns_private.h"

enum { SERVER_QUERY = 4096 }; /* bytes of a query by TCP, at most: beyond it a reset */

struct server_conn;
struct server_transfer;

struct server_query {
	struct slice bytes;
	struct endpoint from;
	uint64_t now;                   /* seconds since 1970 */
	struct server_conn *conn;       /* NULL: by UDP */
	struct dns_tsig_exchange *tsig; /* NULL: it has no signature, or not a good one */
};

enum server_verdict { SERVER_SEND, SERVER_TRUNCATE, SERVER_DROP };

/* What answers a kind of query in place of dns_answer(). */
typedef size_t server_answerer(struct dns_server *s, const struct server_query *q,
			       uint8_t *buffer, size_t size, struct dns_answered *what);

struct dns_server {
	struct kiln *kiln;
	struct dns_answerer answerer;
	struct dns_zones zones;
	unsigned zones_changed; /* how often, while serving */
	struct dns_server_config config; /* with its defaults */
	struct dns_server_counters counters;
	kiln_time wall_at; /* when the clock was read last, and what it said */
	uint64_t wall;
	uint8_t *buffer; /* of an answer, behind its length: 2 + DNS_STREAM_SIZE */

	/* NULL: not asked for */
	enum server_verdict (*rate)(struct dns_server *s, const struct server_query *q,
				    const struct dns_answered *what);
	void (*measure)(struct dns_server *s);
	server_answerer *take_signed, *take_transfer, *take_notify;
	/* Of a name in no zone. */
	bool (*is_missing)(struct dns_server *s, const struct dns_answered *what);
	/* A zone is new. */
	void (*notify_zone)(struct dns_server *s, const struct dns_zone *zone);

	struct server_limiter *limiter;
	struct server_metrics *metrics;
	struct dns_tsig_key *keys;
	unsigned key_count;
	struct server_access *allowed; /* of transfers */
	struct list transfers;         /* that go on */
	struct server_notifier *notifier;
	struct secondaries *secondaries;

	struct tcp_listener *listener;
	struct list conns;
	struct pool conn_pool, transfer_pool;
};

/* server.c */

/* Seconds since 1970. */
uint64_t server_seconds(struct dns_server *s);
struct dns_peer server_peer(const struct server_query *q);
/* Of an answer by UDP, at most. */
static inline uint16_t server_udp_size(const struct dns_server *s)
{
	return s->answerer.udp_size ? s->answerer.udp_size : DNS_EDNS_SIZE;
}
/* The answer of whatever kind, counted by nobody yet; 0: silence, or a transfer that has
 * begun. */
server_answerer server_answer;
size_t server_error(struct dns_server *s, const struct server_query *q, unsigned rcode,
		    uint8_t *buffer, size_t size, struct dns_answered *what);
void server_count(struct dns_server *s, const struct dns_answered *what, bool stream,
		  size_t len);

/* server_stream.c */

struct server_conn {
	struct list node;
	struct dns_server *server;
	struct tcp_conn *tcp;
	struct ip_addr client; /* of IPv6, its network alone */
	struct timer timer;
	unsigned expected; /* bytes of the query whose length was read; 0: none */
	unsigned queued;   /* of its answer, and of the length in front of it */
	bool copied;       /* it lies below, as it was in several pieces */
	uint8_t query[512];
	uint64_t now;           /* when the answer was begun, and */
	unsigned zones_changed; /* how often zones had been replaced */
	struct server_transfer *transfer; /* NULL: none */
};

/* Queues a message that lies in s->buffer behind two bytes for its length; false: not all of it
 * yet, and it must be there again when the connection is ready. */
bool server_conn_send(struct server_conn *c, size_t len);
/* From outside of its own callbacks. */
void server_conn_abort(struct server_conn *c);
/* Room for a message, with its length. */
size_t server_conn_room(const struct server_conn *c);

/* server_transfer.c */

struct server_transfer {
	struct list node; /* in the server's list */
	struct server_conn *conn;
	const struct dns_zone *zone;
	struct dns_zone_iterator it;
	struct dns_name question;
	uint16_t id, type;
	uint16_t udp_size; /* to be said by EDNS in the first message; 0: it was not asked for */
	bool (*step)(struct server_conn *c);
	void (*end)(struct server_conn *c);
	enum { TRANSFER_FIRST, TRANSFER_START, TRANSFER_RECORDS, TRANSFER_LAST, TRANSFER_OVER } phase;
	bool begun;  /* a message was sent */
	bool held;   /* the iterator's record fitted into no message yet */
	bool sign;
	struct dns_tsig_exchange tsig;
};

/* Resets the connections of those that read this zone, whose block is needed. */
void server_transfers_end(struct dns_server *s, const struct dns_zone *zone);

/* "example.com: transferred, serial 7" */
void server_log_zone(const struct dns_server *s, enum log_level level,
		     const struct dns_name *name, const char *what, uint32_t serial);

/* server_access.c */

struct server_access {
	bool any;
	unsigned count;
	struct server_allowed {
		const struct dns_tsig_key *key; /* NULL: by address */
		struct ip_prefix prefix;
	} entries[];
};

/* Fills in *mistake. Always false. */
bool server_mistake(struct dns_mistake *mistake, struct slice text, const char *why);
/* "192.0.2.1", "[2001:db8::1]:5353", either with "/" and the name of a key behind it. NULL, or
 * what is wrong. */
KILN_MUST_CHECK const char *server_peer_parse(const struct dns_server *s, struct slice text,
					      struct endpoint *peer,
					      const struct dns_tsig_key **key);
/* The part before the comma, which is gone past; leading and trailing spaces are taken off. */
struct slice server_list_next(struct slice *list);
/* NULL: there is a mistake. */
struct server_access *server_access_new(const struct dns_server *s, struct slice list,
					struct dns_mistake *mistake);
bool server_access_allows(const struct server_access *access, const struct server_query *q);

#endif
