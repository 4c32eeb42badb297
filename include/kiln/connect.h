/*
 * TCP connections by name: happy eyeballs (RFC 8305). Both families are looked up side by
 * side; IPv6 may take 50 ms longer to be known. Addresses are tried in the order of their
 * precedence (RFC 6724, 2.1), the families in turn, one more every 250 ms, or at once when
 * one fails. The first that is established wins, and the others are reset.
 *
 *	static void connected(struct tcp_connecting *c, struct tcp_conn *conn,
 *			      enum kiln_error error)
 *	{
 *		if (!error)
 *			tcp_own(conn, &events, kiln_container(c, struct client, connecting));
 *	}
 *	...
 *	tcp_connect_name(&client->connecting, resolver, tcp, SLICE("db.example"), 5432,
 *			 connected);
 */
#ifndef KILN_CONNECT_H
#define KILN_CONNECT_H

#include <kiln/resolver.h>

struct stream;

enum { CONNECT_TRIES = 6 }; /* connections under way at once, at most */

/* A connection on its way. The struct is the caller's, and must stay where it is until
 * `done` was called or it is cancelled. All fields are the library's own. */
struct tcp_connecting {
	void (*done)(struct tcp_connecting *connecting, struct tcp_conn *conn,
		     enum kiln_error error);
	struct resolver *resolver;
	struct tcp *tcp;
	uint16_t port;
	enum kiln_error error; /* of the address that failed last */
	bool started;          /* the first address is being tried, or was */
	uint8_t turn;          /* the family that is next */
	uint8_t trying;
	uint8_t next[2]; /* of each family: the address to try next */
	bool known[2];   /* the family is looked up */
	struct resolver_lookup lookups[2]; /* IPv6, IPv4 */
	struct timer timer;
	struct connect_try {
		struct tcp_connecting *connecting;
		struct tcp_conn *conn; /* NULL: free */
	} tries[CONNECT_TRIES];
};

/*
 * Opens a connection to a name, or to an address as text. `done` is called once, from the
 * event loop: with an established connection, whose owner it makes somebody by tcp_own (who
 * is then told by `ready`) or which it closes; or with an error, that of the lookup
 * (<kiln/resolver.h>) or of the address that failed last (tcp_connect, struct tcp_events).
 */
void tcp_connect_name(struct tcp_connecting *connecting, struct resolver *resolver,
		      struct tcp *tcp, struct slice name, uint16_t port,
		      void (*done)(struct tcp_connecting *connecting,
				   struct tcp_conn *conn, enum kiln_error error));
/* `done` will not be called, and what is under way is reset. */
void tcp_connect_cancel(struct tcp_connecting *connecting);

/* The same for tasks: as stream_connect of <kiln/stream.h>. Takes about 2 KB of the task's
 * stack. */
KILN_MUST_CHECK enum kiln_error stream_connect_name(struct stream *s,
						    struct task_pool *tasks,
						    struct resolver *resolver,
						    struct tcp *tcp, struct slice name,
						    uint16_t port);

#endif
