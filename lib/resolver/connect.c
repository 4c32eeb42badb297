/*
 * Happy eyeballs (RFC 8305): see <kiln/connect.h>. One timer, which is the resolution delay
 * (section 3) until the first address is tried, and the connection attempt delay (5) from
 * there on.
 */
#include <kiln/connect.h>
#include "resolver_private.h"

#define RESOLUTION_DELAY KILN_MS(50)
#define ATTEMPT_DELAY    KILN_MS(250)

enum { IP6, IP4, FAMILIES };

static struct loop *loop_here(const struct tcp_connecting *c)
{
	return loop_of(c->resolver);
}

static bool has_more(const struct tcp_connecting *c, unsigned family)
{
	return c->known[family] && c->next[family] < c->lookups[family].count;
}

static bool all_known(const struct tcp_connecting *c)
{
	return c->known[IP6] && c->known[IP4];
}

static void stop(struct tcp_connecting *c)
{
	timer_cancel(loop_here(c), &c->timer);
	for (unsigned i = 0; i < FAMILIES; i++)
		resolver_cancel(&c->lookups[i]);
	for (unsigned i = 0; i < CONNECT_TRIES; i++) {
		if (c->tries[i].conn)
			tcp_abort(c->tries[i].conn);
		c->tries[i].conn = NULL;
	}
}

/* ---- trying ---- */

static void try_next(struct tcp_connecting *c);

static void established(struct tcp_conn *conn, void *user)
{
	struct connect_try *try = user;
	struct tcp_connecting *c = try->connecting;

	if (!tcp_can_send(conn))
		return;
	try->conn = NULL;
	stop(c);
	tcp_wake(conn); /* for whoever owns it next */
	c->done(c, conn, KILN_OK);
}

static void failed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct connect_try *try = user;
	struct tcp_connecting *c = try->connecting;

	try->conn = NULL;
	c->trying--;
	c->error = why;
	try_next(c);
}

/* The address whose turn it is. False: there is none, or none yet. */
static bool next_address(struct tcp_connecting *c, struct ip_addr *address)
{
	unsigned family = has_more(c, c->turn) ? c->turn : !c->turn;

	if (!has_more(c, family))
		return false;
	*address = c->lookups[family].addresses[c->next[family]++];
	c->turn = !family;
	return true;
}

/* True: a connection to it is under way. */
static bool try_address(struct tcp_connecting *c, const struct ip_addr *address)
{
	static const struct tcp_events events = {established, failed};
	struct endpoint to = {*address, c->port};
	struct connect_try *try = c->tries;

	while (try->conn)
		try++;
	c->error = tcp_connect(c->tcp, &to, &events, try, &try->conn);
	if (c->error) {
		try->conn = NULL;
		return false;
	}
	c->trying++;
	return true;
}

/* The error of the lookups: the one that may be cured by trying again, if they differ. */
static enum kiln_error lookup_error(const struct tcp_connecting *c)
{
	enum kiln_error error = c->lookups[IP6].error;

	return error == KILN_OK || error == KILN_ERR_NOT_FOUND ? c->lookups[IP4].error
	                                                       : error;
}

static void try_next(struct tcp_connecting *c)
{
	struct ip_addr address;

	timer_cancel(loop_here(c), &c->timer);
	if (c->trying == CONNECT_TRIES)
		return; /* one of them will end */
	while (next_address(c, &address)) {
		if (try_address(c, &address)) {
			timer_set(loop_here(c), &c->timer,
			          loop_here(c)->now + ATTEMPT_DELAY);
			return;
		}
	}
	if (c->trying == 0 && all_known(c)) {
		stop(c);
		c->done(c, NULL, c->error ? c->error : lookup_error(c));
	}
}

static void waited(struct timer *timer)
{
	struct tcp_connecting *c = kiln_container(timer, struct tcp_connecting, timer);

	c->started = true;
	try_next(c);
}

/* ---- looking up ---- */

/* The family of the address with the higher precedence goes first. */
static void start(struct tcp_connecting *c)
{
	const struct resolver_lookup *six = &c->lookups[IP6], *four = &c->lookups[IP4];

	c->started = true;
	if (has_more(c, IP4) && has_more(c, IP6) &&
	    resolver_precedence(&four->addresses[0]) >
	        resolver_precedence(&six->addresses[0]))
		c->turn = IP4;
	try_next(c);
}

static void family_known(struct tcp_connecting *c, unsigned family)
{
	struct loop *loop = loop_here(c);

	c->known[family] = true;
	if (c->started) {
		/* Late: in its turn, or now if nothing else is there to be tried. */
		if (!timer_is_set(&c->timer))
			try_next(c);
		return;
	}
	if (all_known(c) || (family == IP6 && has_more(c, IP6)))
		start(c);
	else if (family == IP4 && has_more(c, IP4))
		timer_set(loop, &c->timer, loop->now + RESOLUTION_DELAY);
}

static void known6(struct resolver_lookup *lookup)
{
	family_known(kiln_container(lookup, struct tcp_connecting, lookups[IP6]), IP6);
}

static void known4(struct resolver_lookup *lookup)
{
	family_known(kiln_container(lookup, struct tcp_connecting, lookups[IP4]), IP4);
}

void tcp_connect_name(struct tcp_connecting *c, struct resolver *resolver,
                      struct tcp *tcp, struct slice name, uint16_t port,
                      void (*done)(struct tcp_connecting *connecting,
                                   struct tcp_conn *conn, enum kiln_error error))
{
	memset(c, 0, sizeof(*c));
	c->done = done;
	c->resolver = resolver;
	c->tcp = tcp;
	c->port = port;
	c->turn = IP6;
	for (unsigned i = 0; i < CONNECT_TRIES; i++)
		c->tries[i].connecting = c;
	timer_init(&c->timer, waited);
	resolver_lookup(resolver, &c->lookups[IP6], name, RESOLVER_IP6, known6);
	resolver_lookup(resolver, &c->lookups[IP4], name, RESOLVER_IP4, known4);
}

void tcp_connect_cancel(struct tcp_connecting *c)
{
	stop(c);
}
