/*
 * A client: a node with Kiln's own TCP that makes one request after the other, each over a
 * connection of its own.
 */
#ifndef SCENARIO_CLIENT_H
#define SCENARIO_CLIENT_H

#include <kiln/tcp.h>
#include "scenario.h"
#include "tally.h"

enum { CLIENT_MEMORY = 1 << 20, CLIENT_HEAD = 1024 };

struct client {
	const struct scenario_clients *plan;
	struct tally *tally;
	struct slice request; /* of SCENARIO_GET */
	kiln_time first;      /* when the first begins, in virtual time */

	struct kiln *kiln;
	struct tcp *tcp;
	struct tcp_conn *conn;
	struct timer next;
	uint64_t made; /* requests that were begun */
	kiln_time began_at;
	uint64_t sent, received; /* bytes of the request that is under way */
	bool differs;            /* what came back is not what was sent */
	/* Of an HTTP response: the beginning, until the head is whole. */
	char head[CLIENT_HEAD];
	size_t head_size;
	bool head_read;
	unsigned status;
	uint64_t length; /* Content-Length; UINT64_MAX: it is not said */
};

/* The node's entry point; sim_node_user is its struct client, of which what stands above
 * the empty line is set. The manifest name of its device is "net0". */
int client_entry(struct kiln *k);

#endif
