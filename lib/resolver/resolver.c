/*
 * Lookups: what a caller wants to know of a name, in one family or in both, put together
 * from one question for each. Implements <kiln/resolver.h>.
 */
#include "resolver_private.h"

KILN_LIBRARY(resolver, "0.1");
KILN_OPTION_OF(dns, KILN_PARAM_TYPE_ADDRESSES, &ip_kind_addresses, "",
               "servers of names, instead of those that the network tells of");

enum { DOMAINS = 6 };
/* Questions at once: one for so much of the image's memory. */
enum { QUESTIONS_MIN = 16, QUESTIONS_MAX = 256, MEMORY_SHARE = 256 << 10 };

/* ---- servers ---- */

/* "10.0.0.1,2001:db8::1" */
static void parse_servers(struct resolver *resolver, struct kiln *k, struct slice text)
{
	while (text.len) {
		struct slice one = slice_take(text, slice_find(text, ','));
		if (resolver->server_count == RESOLVER_SERVERS)
			kiln_fail(k, "resolver", "--dns takes at most %d servers",
			          RESOLVER_SERVERS);
		if (!ip_parse(one, &resolver->servers[resolver->server_count]))
			kiln_fail(k, "resolver", "--dns: '%.*s' is no address",
			          SLICE_ARG(one));
		resolver->server_count++;
		text = slice_skip(text, one.len + 1);
	}
}

unsigned resolver_servers(const struct resolver *resolver, struct ip_addr *servers)
{
	if (resolver->server_count == 0)
		return net_dns_servers(resolver->net, servers, RESOLVER_SERVERS);
	memcpy(servers, resolver->servers, resolver->server_count * sizeof(*servers));
	return resolver->server_count;
}

/* ---- what is known without a question ---- */

static void take(struct resolver_lookup *lookup, const struct ip_addr *addresses,
                 unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned family = ip_is4(&addresses[i]) ? RESOLVER_IP4 : RESOLVER_IP6;
		if (lookup->families & family)
			lookup->addresses[lookup->count++] = addresses[i];
	}
}

/* True: the lookup has its answer. */
static bool answer_special(struct resolver_lookup *lookup)
{
	static const struct ip_addr loopback[] = {{{[15] = 1}},
	                                          {{[10] = 0xff, 0xff, 127, 0, 0, 1}}};
	static const struct dns_name local = {11, "\11localhost"};
	static const struct dns_name none[] = {{9, "\7invalid"}, {7, "\5onion"}};

	if (dns_name_in(&lookup->name, &local)) {
		take(lookup, loopback, KILN_COUNT_OF(loopback));
		return true;
	}
	return dns_name_in(&lookup->name, &none[0]) ||
	       dns_name_in(&lookup->name, &none[1]);
}

/* ---- lookups ---- */

static void finish(struct resolver_lookup *lookup, enum kiln_error error)
{
	lookup->error = lookup->count ? KILN_OK : error;
	resolver_order(lookup->addresses, lookup->count);
	loop_defer(loop_of(lookup->resolver), &lookup->finished);
}

static void finished(struct loop_work *work)
{
	struct resolver_lookup *lookup =
	    kiln_container(work, struct resolver_lookup, finished);

	lookup->done(lookup);
}

/* An error other than NOT_FOUND counts more: it is not known that there is no such name. */
static void take_answer(struct resolver_lookup *lookup, const struct answer *answer)
{
	if (answer->error == KILN_OK)
		take(lookup, answer->addresses, answer->count);
	else if (lookup->error == KILN_ERR_NOT_FOUND)
		lookup->error = answer->error;
}

/* The next of the names that the text may mean: in each domain, then as it is. False: that
 * was the last. */
static bool next_name(struct resolver_lookup *lookup, struct dns_name *name)
{
	struct dns_name domains[DOMAINS];
	unsigned count = 0;

	if (lookup->domain < lookup->domain_count)
		count = net_search_domains(lookup->resolver->net, domains, DOMAINS);
	while (lookup->domain < lookup->domain_count) {
		unsigned at = lookup->domain++;
		if (at < count && dns_name_join(&lookup->name, &domains[at], name))
			return true;
	}
	*name = lookup->name;
	return lookup->domain++ == lookup->domain_count;
}

/* Asks what is to be known of a name, of the cache or by a question. */
static void ask(struct resolver_lookup *lookup, const struct dns_name *name)
{
	static const struct {
		uint8_t family;
		uint16_t type;
	} parts[] = {{RESOLVER_IP6, DNS_AAAA}, {RESOLVER_IP4, DNS_A}};
	struct resolver *resolver = lookup->resolver;
	kiln_time now = loop_of(resolver)->now;

	for (unsigned i = 0; i < KILN_COUNT_OF(parts); i++) {
		if (!(lookup->families & parts[i].family))
			continue;
		const struct answer *known =
		    cache_find(&resolver->cache, name, parts[i].type, now);
		if (known) {
			resolver->counters.cached++;
			take_answer(lookup, known);
			continue;
		}
		struct answer failed = {
		    .error =
		        question_ask(resolver, name, parts[i].type, &lookup->waiters[i])};
		if (failed.error)
			take_answer(lookup, &failed);
		else
			lookup->waiting++;
	}
}

/* On through the names until something is asked, or known. A server that cannot tell of one
 * of them may be able to tell of the next. */
static void advance(struct resolver_lookup *lookup)
{
	struct dns_name name;

	while (lookup->waiting == 0) {
		bool go_on = lookup->error == KILN_ERR_NOT_FOUND ||
		             lookup->error == KILN_ERR_PROTOCOL;
		if (lookup->count || !go_on || !next_name(lookup, &name)) {
			finish(lookup, lookup->error);
			return;
		}
		ask(lookup, &name);
	}
}

void lookup_answered(struct resolver_waiter *waiter, const struct answer *answer)
{
	struct resolver_lookup *lookup = waiter->lookup;

	lookup->waiting--;
	take_answer(lookup, answer);
	advance(lookup);
}

/* ---- until the network is up ---- */

#define LOOK_AGAIN    KILN_MS(100)
#define NO_SERVER_FOR KILN_SECONDS(10)

/* Whether there is somebody to ask, and all is told that will be. */
static bool is_ready(const struct resolver *resolver)
{
	struct ip_addr servers[RESOLVER_SERVERS];

	return net_is_up(resolver->net) && resolver_servers(resolver, servers) > 0;
}

static void begin(struct resolver_lookup *lookup)
{
	struct dns_name domains[DOMAINS];

	if (lookup->searched)
		lookup->domain_count =
		    (uint8_t)net_search_domains(lookup->resolver->net, domains, DOMAINS);
	advance(lookup);
}

static void look_again(struct timer *timer)
{
	struct resolver *resolver = kiln_container(timer, struct resolver, look);
	kiln_time now = loop_of(resolver)->now;
	bool ready = is_ready(resolver);

	list_each_safe (node, &resolver->held) {
		struct resolver_lookup *lookup =
		    kiln_container(node, struct resolver_lookup, held);
		if (!ready && now < lookup->held_until)
			continue;
		list_remove(node);
		if (ready)
			begin(lookup);
		else
			finish(lookup, KILN_ERR_UNREACHABLE);
	}
	if (!list_empty(&resolver->held))
		timer_set(loop_of(resolver), timer, now + LOOK_AGAIN);
}

static void hold(struct resolver_lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;
	struct loop *loop = loop_of(resolver);

	lookup->held_until = loop->now + NO_SERVER_FOR;
	list_append(&resolver->held, &lookup->held);
	if (!timer_is_set(&resolver->look))
		timer_set(loop, &resolver->look, loop->now + LOOK_AGAIN);
}

/* ---- for callers ---- */

struct resolver *resolver_new(struct net *net, struct udp *udp, struct tcp *tcp)
{
	struct kiln *k = net_kiln(net);
	struct resolver *resolver = kiln_alloc(k, sizeof(*resolver), "resolver");
	size_t memory = (size_t)(k->arena.end - k->arena.start);
	size_t questions = KILN_MIN(memory / MEMORY_SHARE, QUESTIONS_MAX);
	struct slice option;

	resolver->net = net;
	resolver->udp = udp;
	resolver->tcp = tcp;
	list_init(&resolver->held);
	timer_init(&resolver->look, look_again);
	list_init(&resolver->questions);
	pool_init(&resolver->pool, k, sizeof(struct question),
	          (unsigned)KILN_MAX(questions, QUESTIONS_MIN),
	          "questions of the resolver");
	cache_init(&resolver->cache, k);
	if (kiln_option(k, "dns", &option))
		parse_servers(resolver, k, option);
	return resolver;
}

void resolver_lookup(struct resolver *resolver, struct resolver_lookup *lookup,
                     struct slice name, unsigned families,
                     void (*done)(struct resolver_lookup *lookup))
{
	struct ip_addr address;

	resolver->counters.lookups++;
	lookup->done = done;
	lookup->error = KILN_ERR_NOT_FOUND;
	lookup->count = 0;
	lookup->resolver = resolver;
	lookup->families = (uint8_t)families;
	lookup->searched = slice_find(name, '.') == name.len;
	lookup->domain = lookup->domain_count = lookup->waiting = 0;
	list_init(&lookup->held);
	for (unsigned i = 0; i < 2; i++) {
		list_init(&lookup->waiters[i].node);
		lookup->waiters[i].lookup = lookup;
	}
	loop_work_init(&lookup->finished, finished);
	if (ip_parse(name, &address)) {
		take(lookup, &address, 1);
		finish(lookup, KILN_ERR_NOT_FOUND);
		return;
	}
	if (!dns_name_parse(name, &lookup->name)) {
		finish(lookup, KILN_ERR_INVALID);
		return;
	}
	if (answer_special(lookup)) {
		finish(lookup, KILN_ERR_NOT_FOUND);
		return;
	}
	if (is_ready(resolver))
		begin(lookup);
	else
		hold(lookup);
}

void resolver_cancel(struct resolver_lookup *lookup)
{
	loop_cancel(&lookup->finished);
	list_remove(&lookup->held);
	for (unsigned i = 0; i < 2; i++)
		list_remove(&lookup->waiters[i].node);
}

void resolver_counters(const struct resolver *resolver,
                       struct resolver_counters *counters)
{
	*counters = resolver->counters;
	counters->entries = resolver->cache.entries.used;
}
