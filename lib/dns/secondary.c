/*
 * Zones of which another server is the primary: when each is asked for (RFC 1035, 3.3.13;
 * 1034, 4.3.5), how long it is served without an answer, and NOTIFY (RFC 1996).
 *
 * A few workers, tasks, take the zones that are due, one each at a time. A primary is asked by
 * TCP for what has changed since (RFC 1995), and says so, or that nothing has; then the next is,
 * if there are several. The new zone is compiled beside the one that is served, which goes on
 * until it is replaced, whatever happens: in two blocks a zone, of equal parts of the image's
 * memory. A worker gives the processor up every some hundred microseconds: queries do not wait
 * for a zone, however large it is.
 */
#include "secondary_private.h"

enum {
	WORKERS = 4,
	STACK = 32 * 1024,
	BLOCK_LEAST = 64 * 1024,
	AT_ONCE = 256, /* records: some 100 us */
};
#define PATIENCE      KILN_SECONDS(5) /* for a zone that was never loaded: at first, at most */
#define PATIENCE_MOST KILN_SECONDS(600)
/* Whatever the SOA says: seconds at least, and at most 28 days, so that no zone is left to NOTIFY
 * alone. */
enum { LEAST = 2, REFRESH_MOST = 28 * 86400 };
#define NOTIFIED_LEAST KILN_SECONDS(1) /* from being asked to being asked for a NOTIFY */
#define MEMORY_PARTS   4 /* of what the image has left three are for zones */

static kiln_time now_of(const struct secondary *z)
{
	return z->server->kiln->loop.now;
}

static kiln_time seconds(uint32_t n)
{
	return KILN_SECONDS(KILN_MAX(n, (uint32_t)LEAST));
}

/* Somewhat earlier, so that not all zones and secondaries come at once. */
static kiln_time scattered(struct secondary *z, kiln_time time)
{
	return time - time / 8000 * random_below(&z->server->kiln->random, 1000);
}

static void log_zone(struct secondary *z, enum log_level level, const char *what)
{
	server_log_zone(z->server, level, &z->name, what, z->soa.serial);
}

/* ---- after a transfer ---- */

/* After a time of the SOA's, or when the zone expires: then it is tried once more. */
static void try_after(struct secondary *z, uint32_t n)
{
	kiln_time after = seconds(KILN_MIN(n, (uint32_t)REFRESH_MOST));

	z->next_at = KILN_MIN(now_of(z) + scattered(z, after), z->expiry.deadline);
}

/* A primary has said that the zone is as it should be. */
static void is_good(struct secondary *z)
{
	timer_set(&z->server->kiln->loop, &z->expiry, now_of(z) + seconds(z->soa.expire));
}

static void replace(struct secondary *z, const struct dns_zone *zone)
{
	struct dns_server *s = z->server;
	struct dns_zone *before;
	unsigned next = z->live ^ 1;

	z->zones[next] = *zone;
	if (!dns_zones_put(&s->zones, &z->zones[next], &before)) {
		log_zone(z, LOG_ERROR, "no room for another zone");
		z->next_at = now_of(z) + PATIENCE_MOST;
		return;
	}
	z->server->zones_changed++;
	z->live = next;
	z->loaded = true;
	dns_zone_soa(zone, &z->soa);
	is_good(z);
	try_after(z, z->soa.refresh);
	log_zone(z, LOG_INFO, "transferred");
	if (s->notify_zone)
		s->notify_zone(s, &z->zones[next]);
}

static void has_failed(struct secondary *z)
{
	if (z->loaded) {
		try_after(z, z->soa.retry);
		return;
	}
	z->next_at = now_of(z) + scattered(z, z->patience);
	z->patience = KILN_MIN(z->patience * 2, PATIENCE_MOST);
}

/* RFC 1035, 3.3.13: then it is no authority any more, even while a primary is talking. */
static void expire(struct timer *expiry)
{
	struct secondary *z = kiln_container(expiry, struct secondary, expiry);

	log_zone(z, LOG_WARN, "expired");
	dns_zones_remove(&z->server->zones, &z->zones[z->live]);
	z->server->zones_changed++;
	z->loaded = false;
	z->patience = PATIENCE;
}

/* For a NOTIFY; a storm of them is one. */
static void ask_soon(struct secondary *z)
{
	kiln_time soon = KILN_MAX(now_of(z), z->asked_at + NOTIFIED_LEAST);

	z->next_at = KILN_MIN(z->next_at, soon);
}

/* Asks the primaries, until one has a new version; the next time, who had one is the first. */
static enum secondary_result ask_all(struct secondary *z, struct secondary_worker *worker,
                                     struct dns_zone *zone)
{
	enum secondary_result all = SECONDARY_FAILED;
	unsigned first = z->first;

	for (unsigned i = 0; i < z->primary_count; i++) {
		unsigned at = (first + i) % z->primary_count;
		enum secondary_result one =
		    secondary_transfer(z, &z->primaries[at], worker, zone);

		if (one != SECONDARY_FAILED)
			all = one;
		if (one == SECONDARY_CURRENT) /* whatever others say, and however late */
			is_good(z);
		if (one == SECONDARY_NEW) {
			z->first = at;
			break;
		}
	}
	return all;
}

static void refresh(struct secondary *z, struct secondary_worker *worker)
{
	struct dns_zone zone;

	z->busy = true;
	z->again = false;
	z->asked_at = now_of(z);
	/* Who reads the zone before last must be done: its block is needed. */
	server_transfers_end(z->server, &z->zones[z->live ^ 1]);
	switch (ask_all(z, worker, &zone)) {
	case SECONDARY_NEW:
		replace(z, &zone);
		break;
	case SECONDARY_CURRENT:
		try_after(z, z->soa.refresh);
		break;
	case SECONDARY_FAILED:
		has_failed(z);
		break;
	}
	if (z->again)
		ask_soon(z);
	z->busy = false;
}

/* ---- the workers ---- */

void secondary_pause(void *worker)
{
	struct secondary_worker *w = worker;

	task_sleep(w->all->tasks, 0);
}

void secondary_record(struct secondary_worker *worker)
{
	if (++worker->records % AT_ONCE == 0)
		secondary_pause(worker);
}

/* The next to do anything about. NULL: all are at work. */
static struct secondary *earliest(struct secondaries *all)
{
	struct secondary *found = NULL;

	for (unsigned i = 0; i < all->count; i++) {
		struct secondary *z = &all->zones[i];

		if (!z->busy && (!found || z->next_at < found->next_at))
			found = z;
	}
	return found;
}

static void work(void *arg)
{
	struct secondary_worker *worker = arg;
	struct secondaries *all = worker->all;

	for (;;) {
		struct secondary *z = earliest(all);

		if (z && z->next_at <= now_of(z)) {
			refresh(z, worker);
			continue;
		}
		worker->idle = task_self(all->tasks);
		(void)task_park(all->tasks, z ? z->next_at : KILN_NEVER);
		worker->idle = NULL;
	}
}

static void wake_one(struct secondaries *all)
{
	for (unsigned i = 0; i < all->workers; i++) {
		if (all->worker[i].idle) {
			task_wake(all->worker[i].idle);
			return;
		}
	}
}

/* ---- NOTIFY ---- */

static struct secondary *find(struct secondaries *all, const struct dns_name *name)
{
	for (unsigned i = 0; i < all->count; i++) {
		if (dns_name_equal(&all->zones[i].name, name))
			return &all->zones[i];
	}
	return NULL;
}

/* Who of the primaries has sent this; primary_count: none of them. */
static unsigned sender_of(const struct secondary *z, const struct server_query *q)
{
	unsigned i = 0;

	for (; i < z->primary_count; i++) {
		const struct secondary_primary *primary = &z->primaries[i];

		if (ip_equal(&q->from.addr, &primary->at.addr) &&
		    (!primary->key || (q->tsig && q->tsig->key == primary->key)))
			break;
	}
	return i;
}

static size_t take_notify(struct dns_server *s, const struct server_query *q,
                          uint8_t *buffer, size_t size, struct dns_answered *what)
{
	struct dns_question question;
	struct dns_reader r;

	if (!dns_read(&r, q->bytes) || !dns_read_question(&r, &question))
		return server_error(s, q, DNS_RCODE_FORMAT, buffer, size, what);
	struct secondary *z = find(s->secondaries, &question.name);
	if (!z)
		return server_error(s, q, DNS_RCODE_NOT_AUTHORIZED, buffer, size, what);
	/* RFC 1996, 3.10: of others it is as if it had not come. */
	unsigned sender = sender_of(z, q);
	if (sender == z->primary_count)
		return server_error(s, q, DNS_RCODE_REFUSED, buffer, size, what);
	s->counters.notified++;
	z->first = sender;
	z->again = true;
	if (!z->busy) {
		ask_soon(z);
		wake_one(s->secondaries);
	}
	return server_error(s, q, DNS_RCODE_OK, buffer, size, what);
}

/* Of a zone that was not transferred yet, or has expired: SERVFAIL. */
static bool is_missing(struct dns_server *s, const struct dns_answered *what)
{
	struct dns_name name;

	if (what->name.len == 0 || what->name.len > sizeof(name.bytes))
		return false;
	name.size = (uint8_t)what->name.len;
	memcpy(name.bytes, what->name.data, name.size);
	for (unsigned i = 0; i < s->secondaries->count; i++) {
		const struct secondary *z = &s->secondaries->zones[i];

		if (!z->loaded && dns_name_in(&name, &z->name))
			return true;
	}
	return false;
}

/* ---- the beginning ---- */

/* "example.com=192.0.2.1/key": a new zone, or another primary of one. NULL, or what is wrong. */
static const char *parse(struct secondaries *all, struct slice text)
{
	size_t at = slice_find(text, '=');
	struct secondary_primary primary;
	struct dns_name name;

	if (at == text.len || !dns_name_parse(slice_take(text, at), &name))
		return "is not ZONE=ADDRESS, nor ZONE=ADDRESS/KEY";
	const char *wrong = server_peer_parse(all->server, slice_skip(text, at + 1),
	                                      &primary.at, &primary.key);
	if (wrong)
		return wrong;
	dns_name_lower(&name);
	struct secondary *z = find(all, &name);
	if (!z) {
		z = &all->zones[all->count++];
		z->server = all->server;
		z->name = name;
		z->patience = PATIENCE;
		timer_init(&z->expiry, expire);
	}
	for (unsigned i = 0; i < z->primary_count; i++) {
		const struct endpoint *known = &z->primaries[i].at;

		if (ip_equal(&known->addr, &primary.at.addr) &&
		    known->port == primary.at.port)
			return "names a primary for the second time";
	}
	if (z->primary_count == SECONDARY_PRIMARIES)
		return "names a ninth primary of a zone";
	z->primaries[z->primary_count++] = primary;
	return NULL;
}

static void make_blocks(struct secondaries *all)
{
	struct kiln *k = all->server->kiln;
	size_t share = arena_left(&k->arena) / MEMORY_PARTS * (MEMORY_PARTS - 1) /
	                   (2 * (size_t)all->count) &
	               ~(size_t)15;

	if (share < BLOCK_LEAST)
		kiln_fail(k, "dns", "no memory for %u zones of other primaries: see -m",
		          all->count);
	for (unsigned i = 0; i < all->count; i++) {
		for (unsigned b = 0; b < 2; b++)
			arena_init(&all->zones[i].blocks[b],
			           kiln_alloc(k, share, "zones of other primaries"),
			           share);
	}
}

static void start_workers(struct secondaries *all)
{
	struct kiln *k = all->server->kiln;

	all->workers = KILN_MIN(all->count, (unsigned)WORKERS);
	all->tasks = task_pool_new(k, all->workers, STACK);
	all->worker = kiln_alloc(k, all->workers * sizeof(*all->worker), "transfers");
	for (unsigned i = 0; i < all->workers; i++) {
		struct secondary_worker *worker = &all->worker[i];

		worker->all = all;
		worker->message = kiln_alloc(k, DNS_STREAM_SIZE, "transfers");
		kiln_assert(task_start(all->tasks, work, worker) == KILN_OK);
	}
}

bool dns_server_secondaries(struct dns_server *server, struct tcp *tcp,
                            struct slice zones, struct dns_mistake *mistake)
{
	struct secondaries *all = kiln_alloc(server->kiln, sizeof(*all), "secondaries");
	unsigned count = dns_server_list_count(zones);

	if (count == 0)
		return true;
	all->server = server;
	all->tcp = tcp;
	all->zones = kiln_alloc(server->kiln, count * sizeof(*all->zones), "secondaries");
	while (zones.len) {
		mistake->text = server_list_next(&zones);
		mistake->why = parse(all, mistake->text);
		if (mistake->why)
			return false;
	}
	start_workers(all);
	make_blocks(all);
	server->secondaries = all;
	server->take_notify = take_notify;
	server->is_missing = is_missing;
	server->answerer.takes_notify = true;
	return true;
}
