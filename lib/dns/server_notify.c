/*
 * NOTIFY to others (RFC 1996): of each zone at the start, and of one that is new. A notice is
 * sent again until it is answered (3.6), a few times; so many are on their way at once, and the
 * zones of the start wait until there is room.
 */
#include "server_private.h"

enum { NOTICES = 32, TRIES = 5 };
#define PATIENCE KILN_SECONDS(5) /* for an answer, doubled each time */

struct notice {
	bool used;
	uint8_t tries;
	uint16_t id;
	unsigned target;
	kiln_time at; /* to be sent again */
	struct dns_name zone;
};

struct server_notifier {
	struct dns_server *server;
	struct udp_socket *socket;
	struct timer timer;
	unsigned zone, target, count; /* of the start: who is to be told of what next */
	struct dns_zone *telling;
	struct target {
		struct endpoint to;
		const struct dns_tsig_key *key;
	} * targets;
	struct notice notices[NOTICES];
};

static void send(struct server_notifier *n, struct notice *notice)
{
	const struct target *target = &n->targets[notice->target];
	struct dns_header header = {.id = notice->id,
	                            .flags = DNS_FLAG_AUTHORITATIVE,
	                            .opcode = DNS_OPCODE_NOTIFY};
	struct dns_question question = {notice->zone, DNS_SOA, DNS_CLASS_IN};
	struct dns_tsig_exchange x;
	uint8_t buffer[2 * DNS_UDP_SIZE];
	struct dns_builder b;

	dns_build(&b, buffer, DNS_UDP_SIZE, &header);
	(void)dns_build_question(&b, &question); /* a name fits */
	struct slice message = dns_build_done(&b);
	if (target->key) {
		dns_tsig_begin(&x, target->key);
		message = dns_tsig_sign(&x, buffer, message.len, sizeof(buffer),
		                        server_seconds(n->server));
	}
	(void)udp_send(n->socket, &target->to,
	               message); /* it is sent again if it is lost */
	n->server->counters.notifies_sent++;
	notice->at = n->server->kiln->loop.now + (PATIENCE << notice->tries++);
}

/* False: too many are on their way. */
static bool add(struct server_notifier *n, const struct dns_zone *zone, unsigned target)
{
	for (unsigned i = 0; i < NOTICES; i++) {
		struct notice *notice = &n->notices[i];

		if (notice->used)
			continue;
		*notice = (struct notice){.used = true, .target = target};
		notice->id = (uint16_t)random_u32(&n->server->kiln->random);
		notice->zone.size = (uint8_t)zone->apex.len;
		memcpy(notice->zone.bytes, zone->apex.data, zone->apex.len);
		send(n, notice);
		return true;
	}
	return false;
}

/* Those of the start that there is room for. */
static void tell_more(struct server_notifier *n)
{
	while (n->telling && add(n, n->telling, n->target)) {
		if (++n->target < n->count)
			continue;
		n->target = 0;
		n->telling = dns_zones_next(&n->server->zones, &n->zone);
	}
}

static void set_timer(struct server_notifier *n)
{
	kiln_time next = KILN_NEVER;

	for (unsigned i = 0; i < NOTICES; i++) {
		if (n->notices[i].used)
			next = KILN_MIN(next, n->notices[i].at);
	}
	if (next == KILN_NEVER)
		timer_cancel(&n->server->kiln->loop, &n->timer);
	else
		timer_set(&n->server->kiln->loop, &n->timer, next);
}

static void fire(struct timer *timer)
{
	struct server_notifier *n = kiln_container(timer, struct server_notifier, timer);
	kiln_time now = n->server->kiln->loop.now;

	for (unsigned i = 0; i < NOTICES; i++) {
		struct notice *notice = &n->notices[i];

		if (!notice->used || notice->at > now)
			continue;
		if (notice->tries < TRIES) {
			send(n, notice);
			continue;
		}
		notice->used = false;
		n->server->counters.notifies_lost++;
	}
	tell_more(n);
	set_timer(n);
}

/* Any answer will do (RFC 1996, 3.12). */
static void receive(struct udp_socket *socket, const struct udp_datagram *datagram,
                    void *context)
{
	struct server_notifier *n = context;
	struct dns_reader r;

	if (!dns_read(&r, datagram->payload) || !(r.header.flags & DNS_FLAG_RESPONSE))
		return;
	for (unsigned i = 0; i < NOTICES; i++) {
		struct notice *notice = &n->notices[i];
		const struct endpoint *to = &n->targets[notice->target].to;

		if (notice->used && notice->id == r.header.id &&
		    datagram->from.port == to->port &&
		    ip_equal(&datagram->from.addr, &to->addr))
			notice->used = false;
	}
	tell_more(n);
	set_timer(n);
}

/* Once there is an address. */
static void start(struct timer *timer)
{
	struct server_notifier *n = kiln_container(timer, struct server_notifier, timer);

	timer->fire = fire;
	n->telling = dns_zones_next(&n->server->zones, &n->zone);
	tell_more(n);
	set_timer(n);
}

static void notify_zone(struct dns_server *s, const struct dns_zone *zone)
{
	struct server_notifier *n = s->notifier;

	if (n->timer.fire == start)
		return; /* which tells of all */
	for (unsigned target = 0; target < n->count; target++)
		s->counters.notifies_lost += !add(n, zone, target);
	set_timer(n);
}

bool dns_server_notify(struct dns_server *server, struct udp *udp, struct slice addresses,
                       struct dns_mistake *mistake)
{
	struct kiln *k = server->kiln;
	struct server_notifier *n = kiln_alloc(k, sizeof(*n), "NOTIFY");
	unsigned count = dns_server_list_count(addresses);

	if (count == 0)
		return true;
	n->server = server;
	n->targets = kiln_alloc(k, count * sizeof(*n->targets), "NOTIFY");
	while (addresses.len) {
		struct target *target = &n->targets[n->count++];

		mistake->text = server_list_next(&addresses);
		mistake->why =
		    server_peer_parse(server, mistake->text, &target->to, &target->key);
		if (mistake->why)
			return false;
	}
	if (udp_bind(udp, 0, receive, n, &n->socket) != KILN_OK)
		kiln_fail(k, "dns", "no UDP port for NOTIFY");
	timer_init(&n->timer, start);
	timer_set(&k->loop, &n->timer, k->loop.now + KILN_SECONDS(1));
	server->notifier = n;
	server->notify_zone = notify_zone;
	return true;
}
