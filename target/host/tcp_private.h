/*
 * The inside of the host's TCP: connections over non-blocking sockets, with the semantics
 * of <kiln/tcp.h>.
 *
 * Bytes are received into one buffer that all connections share, and shown there while
 * `ready` runs; what it does not consume is copied into the connection's own, so that an
 * idle connection has none. What is to be sent waits in a queue of pieces until the
 * iteration ends. A connection that is done with stays in memory, as `dead`, until then:
 * its callbacks may still be on the stack.
 */
#ifndef HOST_TCP_PRIVATE_H
#define HOST_TCP_PRIVATE_H

#include <kiln/tcp.h>
#include "net.h"

enum {
	TCP_SCRATCH = 128 * 1024,
	TCP_RECEIVE_LIMIT =
	    64 * 1024,               /* unread bytes that a connection holds by default */
	TCP_SEND_LIMIT = 256 * 1024, /* copied bytes that wait to be sent */
	TCP_REFERENCES = 64,         /* pieces by reference that wait to be sent */
};

struct tcp {
	struct host_hook hook;
	struct net *net;
	struct list conns;
	struct list dirty; /* conns with something to send or to finish */
	struct list listeners;
	struct list closed_conns, closed_listeners; /* freed at the iteration's end */
	struct pool chunks;                         /* for what owners keep */
	struct slab_share share;
	uint8_t *scratch;
	struct tcp_counters counters;
};

/* Bytes to send: a copy behind the struct, or somebody's that never go away. */
struct tcp_piece {
	struct tcp_piece *next;
	const uint8_t *data; /* what is left of it */
	size_t len;
	uint8_t *end; /* where further copied bytes go, `room` of them */
	size_t room;
	bool reference;
	uint8_t copy[];
};

struct tcp_queue {
	struct tcp_piece *first, *last;
	size_t bytes;  /* all that wait */
	size_t copied; /* those that count against TCP_SEND_LIMIT */
	unsigned references;
};

size_t tcp_queue_copy(struct tcp_queue *queue, struct slice s);
bool tcp_queue_reference(struct tcp_queue *queue, struct slice s);
/* Sends what the socket takes. False: errno. */
bool tcp_queue_send(struct tcp_queue *queue, int fd);
void tcp_queue_clear(struct tcp_queue *queue);
/* More than half full: its owner may be waiting for room. */
bool tcp_queue_crowded(const struct tcp_queue *queue);

struct tcp_conn {
	struct host_file file;
	struct list node;
	struct list dirty;
	struct loop_work wake;
	struct tcp *tcp;
	const struct tcp_events *events;
	void *user;

	bool connecting;
	bool readable; /* the kernel may have bytes, or the end */
	bool hung_up;  /* the end or an error is behind those bytes */
	bool at_end;   /* and has been read */
	bool shut;     /* by the owner: a FIN follows the queue */
	bool fin_sent;
	bool closing; /* the owner is gone, its bytes not yet */
	bool crowded; /* the owner may wait for room */
	bool dead;
	enum kiln_error error; /* met while sending, to be told in the next turn */

	struct slice fresh; /* unread, in tcp->scratch, while `ready` runs */
	uint8_t *unread;    /* kept: [unread_start, unread_end) of unread_room */
	size_t unread_start, unread_end, unread_room;
	size_t receive_limit;
	struct tcp_queue queue;
};

/* For a connected or connecting socket; NULL: no memory (the socket is closed). */
struct tcp_conn *tcp_conn_new(struct tcp *tcp, int fd);
/* NODELAY and the default user timeout; accepted sockets inherit them from the listener.
 */
void tcp_socket_defaults(int fd);

void tcp_listeners_end(struct tcp *tcp);
void tcp_listeners_free_closed(struct tcp *tcp);

#endif
