/*
 * Zones of which another server is the primary: see dns_server_secondaries() of
 * <kiln/dns_server.h>.
 */
#ifndef SECONDARY_PRIVATE_H
#define SECONDARY_PRIVATE_H

#include <kiln/stream.h>
#include "server_private.h"

enum { SECONDARY_PRIMARIES = 8 }; /* of a zone, at most */

struct secondary_primary {
	struct endpoint at;
	const struct dns_tsig_key *key; /* NULL: transfers are not signed */
};

struct secondary {
	struct dns_server *server;
	struct dns_name name; /* in lower case */
	struct secondary_primary primaries[SECONDARY_PRIMARIES];
	unsigned primary_count, first; /* first: who is asked before the others */
	struct arena blocks[2]; /* one has the zone that is served, the other is for the next */
	struct dns_zone zones[2];
	unsigned live;  /* of both */
	bool loaded;    /* the live one is served */
	bool busy;      /* a worker is at it */
	bool again;     /* a NOTIFY came meanwhile */
	struct dns_soa soa; /* of the live one */
	kiln_time asked_at, next_at;
	struct timer expiry;
	kiln_time patience; /* as long as it was never loaded: doubled each time */
};

struct secondaries {
	struct dns_server *server;
	struct tcp *tcp;
	struct task_pool *tasks;
	unsigned count, workers;
	struct secondary *zones;
	struct secondary_worker {
		struct secondaries *all;
		struct task *idle;  /* parked, with nothing to do */
		uint8_t *message;   /* DNS_STREAM_SIZE bytes */
		unsigned records;   /* that it has gone over */
	} *worker;
};

/* Lets queries be answered, and all else that the loop has: of a worker, on its task. */
void secondary_pause(void *worker);
/* The same, now and then, for whoever goes over records: once for each. */
void secondary_record(struct secondary_worker *worker);

/* ---- secondary_transfer.c: from the primary into a block ---- */

enum secondary_result { SECONDARY_NEW, SECONDARY_CURRENT, SECONDARY_FAILED };

/* Asks a primary for changes, or for all, and compiles what it says into the block that is
 * not live. `zone` is the result, opened. Waits: on a task of its own. */
enum secondary_result secondary_transfer(struct secondary *z,
					 const struct secondary_primary *primary,
					 struct secondary_worker *worker,
					 struct dns_zone *zone);

/* ---- secondary_changes.c: what an IXFR adds and takes away ---- */

struct secondary_changes {
	struct secondary_worker *worker;
	struct arena *arena;
	uint8_t *base; /* of the changes, one behind the other */
	uint32_t count;
	uint32_t expected; /* records that the old zone must have */
	uint32_t *table; /* offsets of the last change of each record, by hash; 0: none */
	uint32_t mask;
};

void secondary_changes_begin(struct secondary_changes *c, struct secondary_worker *worker,
			     struct arena *arena);
KILN_MUST_CHECK bool secondary_change(struct secondary_changes *c, bool added,
				      const struct dns_record *record);
/* The old zone's records but for those taken away, and those added. NULL, or what is wrong. */
KILN_MUST_CHECK const char *secondary_changes_apply(struct secondary_changes *c,
						    const struct dns_zone *old,
						    struct dns_zone_builder *builder);

extern const char secondary_no_memory[];

#endif
