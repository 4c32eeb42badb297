/*
 * The other end of the link when one appliance is run in the simulator by itself: a node
 * that connects to it, sends what it was given, and hands on what comes back.
 */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include <kiln/appliance.h>
#include <kiln/ip.h>

struct peer {
	struct endpoint to; /* port 0: connects to nobody, but answers on the link */
	struct slice input;
	void (*output)(void *context, struct slice bytes);
	void *context;

	bool done;             /* the appliance has closed, or the connection failed */
	enum kiln_error error; /* how it failed last */
	size_t sent;
	struct kiln *kiln;
	struct tcp *tcp;
	struct tcp_conn *conn;
	struct timer retry;
};

/* The node's entry point; sim_node_user is its struct peer. Ends when done, or when asked
 * to stop. */
int peer_entry(struct kiln *k);

#endif
