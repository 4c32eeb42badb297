/*
 * Names into addresses: a stub resolver (RFC 1034, 5.3.1; 1035, 7), which asks a recursive
 * server of the network's and keeps what it said for as long as it said.
 *
 *	static void found(struct resolver_lookup *l)
 *	{
 *		if (!l->error)
 *			connect_to(&l->addresses[0]);
 *	}
 *	...
 *	resolver_lookup(resolver, &lookup, SLICE("db.example"), RESOLVER_ANY, found);
 *
 * Questions for A and AAAA go out side by side, each from a port of its own, chosen at
 * random, with a random ID and letters of random case (RFC 5452); an answer counts if it
 * comes from the server asked and repeats all of that. EDNS0 (RFC 6891) asks for up to 1232
 * bytes; what is truncated is asked again by TCP. An unanswered question goes to the next
 * server after a second, and to each of them three times, with twice the patience each
 * round. The same question is asked once, however many wait for it.
 *
 * Answers, negative ones too (RFC 2308), are kept in a cache of fixed size, the least
 * recently used of which makes room. Addresses as text, "localhost" (RFC 6761, 6.3),
 * "invalid" and "onion" (RFC 7686) are answered without a question.
 *
 * Option of the image: --dns ADDRESS[,ADDRESS...], the servers; without it, those that the
 * network tells of (net_dns_servers). On `host`, those of /etc/resolv.conf.
 */
#ifndef KILN_RESOLVER_H
#define KILN_RESOLVER_H

#include <kiln/list.h>
#include <kiln/loop.h>
#include <kiln/tcp.h>
#include <kiln/udp.h>
#include <kiln/dns.h>

struct resolver;
struct task_pool;

enum { RESOLVER_SERVERS = 4 };    /* that are asked, at most */
enum { RESOLVER_ADDRESSES = 16 }; /* of a name in one family: more are left away */

/* Which families are asked for. */
enum { RESOLVER_IP4 = 1, RESOLVER_IP6 = 2, RESOLVER_ANY = 3 };

/* A lookup on its way. The struct is the caller's, and must stay where it is until `done`
 * was called or the lookup is cancelled. */
struct resolver_lookup {
	void (*done)(struct resolver_lookup *lookup);

	/* For `done`: KILN_OK, or NOT_FOUND (no such name, or without an address of these
	 * families), INVALID (no name at all), TIMEOUT (no server answered), PROTOCOL (they
	 * answered that they cannot tell), UNREACHABLE (there is no server to ask), MEMORY
	 * (too many questions at once). */
	enum kiln_error error;
	unsigned count;
	/* In the order in which to try them: see resolver_order. */
	struct ip_addr addresses[2 * RESOLVER_ADDRESSES];

	/* The resolver's own. */
	struct resolver *resolver;
	struct loop_work finished;
	struct list held; /* while the network is not up yet */
	kiln_time held_until;
	struct dns_name name;
	uint8_t families;
	bool searched; /* in the search list's domains, too */
	uint8_t domain, domain_count; /* of the search list: the next to try */
	struct resolver_waiter {
		struct list node; /* in the question's list */
		struct resolver_lookup *lookup;
	} waiters[2];
	uint8_t waiting; /* questions not answered yet */
};

/* Constructors take what they build on: datagrams for questions, TCP for long answers. */
struct resolver *resolver_new(struct net *net, struct udp *udp, struct tcp *tcp);

/*
 * Finds the addresses of a name, or of a text that is an address already. `done` is called
 * from the event loop, never from within this call. A name without a dot (and without one at
 * its end) is tried in the domains that the network searches first (net_search_domains).
 * While the network is not up, or has told of no server, the lookup waits, up to 10 s.
 */
void resolver_lookup(struct resolver *resolver, struct resolver_lookup *lookup,
		     struct slice name, unsigned families,
		     void (*done)(struct resolver_lookup *lookup));
/* `done` will not be called. Safe at any time after resolver_lookup. */
void resolver_cancel(struct resolver_lookup *lookup);

/* The same for tasks: waits, and returns lookup->error. Takes about 1 KB of the task's
 * stack. */
KILN_MUST_CHECK enum kiln_error resolver_wait(struct resolver *resolver,
					      struct task_pool *tasks, struct slice name,
					      unsigned families,
					      struct resolver_lookup *lookup);

/* Sorts addresses by the precedence of RFC 6724, 2.1; equal ones stay in their order. */
void resolver_order(struct ip_addr *addresses, unsigned count);
/* The precedence of one: 50 for the loopback to 1. */
unsigned resolver_precedence(const struct ip_addr *address);

struct resolver_counters {
	uint64_t lookups, cached; /* questions that the cache answered */
	uint64_t queries, answers, timeouts;
	uint64_t streams; /* asked by TCP */
	uint64_t foreign; /* datagrams that answered nothing that was asked */
	uint64_t failures; /* answers of servers that could not tell */
	uint32_t entries; /* in the cache now */
};
void resolver_counters(const struct resolver *resolver, struct resolver_counters *counters);

#endif
