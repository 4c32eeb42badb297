/*
 * The client: all servers are asked in a round, and what they answer within a few seconds
 * corrects the clock. See <kiln/ntp.h>.
 *
 * An answer that took longer than its server's usually do is half as wrong as it was late,
 * if only one direction was: and the first packet after a while often is, as it waits for
 * neighbours to be resolved. Its server is asked once more in the same round, and the
 * quicker answer counts (RFC 5905, 10, does it with eight rounds; 11.3.2: burst).
 */
#include "ntp_private.h"

KILN_LIBRARY(ntp, "0.1");

#define PATIENCE       KILN_SECONDS(3) /* for the answers of a round */
#define PAUSE          KILN_SECONDS(2) /* before a server is asked again: RFC 5905, 13.3 */
#define UNUSUAL        KILN_MS(1)      /* and half of the usual time */
#define INTERVAL_FIRST KILN_SECONDS(2) /* doubled until a server is heard */
#define INTERVAL_MIN   KILN_SECONDS(64)
#define INTERVAL_MAX   KILN_SECONDS(1024)
#define CALM           ((int64_t)KILN_MS(10)) /* a clock that is off by less is let be */
#define ROUGH          ((int64_t)KILN_MS(50))
#define ERROR_MOST     ((int64_t)KILN_MS(1500)) /* RFC 5905, appendix A.1.1: MAXDIST */
/* Before 2024 no clock can be right. */
#define FLOOR KILN_SECONDS(1704067200)
enum { CALM_ROUNDS = 4, MISSES_MOST = 3 };

/* ---- the time ---- */

static kiln_time wall(void *context)
{
	struct ntp *ntp = context;

	/* Two roundings may differ by a nanosecond. */
	ntp->shown =
	    KILN_MAX(ntp->shown, ntp_clock_read(&ntp->clock, kiln_now(ntp->kiln)));
	return ntp->shown;
}

bool ntp_time(struct ntp *ntp, kiln_time *out)
{
	*out = wall(ntp);
	return ntp->status.synchronised || *out >= FLOOR;
}

void ntp_status(const struct ntp *ntp, struct ntp_status *status)
{
	*status = ntp->status;
	status->frequency = ntp->clock.frequency;
}

/* ---- answers ---- */

static void stop_asking(struct ntp_server *server)
{
	if (server->socket)
		udp_close(server->socket);
	server->socket = NULL;
}

/* A server that sends no time but a reason (RFC 5905, 7.4). */
static void kissed(struct ntp_server *server, uint32_t code)
{
	struct ntp *ntp = server->ntp;

	ntp->status.refused++;
	if (code == NTP_KISS_DENY || code == NTP_KISS_RSTR)
		server->denied = true;
	else
		server->not_before = kiln_now(ntp->kiln) +
		                     4 * KILN_MAX(ntp->status.interval, INTERVAL_MIN);
}

/* Whether it took unusually long; what is usual may slowly become more. */
static void note_delay(struct ntp_server *server, kiln_time delay)
{
	kiln_time usual = server->delay;

	server->late = usual == 0 || delay > usual + usual / 2 + UNUSUAL;
	server->delay = usual == 0 ? delay : KILN_MIN(delay, usual + usual / 8 + 1);
}

/* False: it is not to be believed. */
static bool measure(struct ntp_server *server, const struct ntp_packet *p, kiln_time now,
                    struct ntp_sample *sample)
{
	const struct ntp_clock *clock = &server->ntp->clock;
	kiln_time t1 = ntp_clock_read(clock, server->sent_at);
	kiln_time t2 = ntp_wire_wall(p->received), t3 = ntp_wire_wall(p->transmitted);
	kiln_time t4 = ntp_clock_read(clock, now);
	int64_t there = (int64_t)(t2 - t1), back = (int64_t)(t3 - t4);
	int64_t delay = (int64_t)(now - server->sent_at) - (int64_t)(t3 - t2);
	int64_t error = (int64_t)(ntp_wire_short(p->root_delay) / 2 +
	                          ntp_wire_short(p->root_dispersion));

	if (t2 < FLOOR || t3 < t2 || delay < 0)
		return false;
	/* The exact sum of the halves: both may be of half a century. */
	sample->offset = there / 2 + back / 2 + (there % 2 + back % 2) / 2;
	sample->error = delay / 2 + error;
	note_delay(server, (kiln_time)delay);
	return sample->error < ERROR_MOST;
}

static void take(struct ntp_server *server, const struct ntp_packet *p, kiln_time now)
{
	struct ntp_sample sample;

	if (p->stratum == 0) {
		kissed(server, p->reference);
		return;
	}
	if (p->stratum > NTP_STRATUM_MOST || p->leap == NTP_LEAP_UNKNOWN ||
	    p->transmitted == 0 || !measure(server, p, now, &sample))
		return;
	if (server->answered && sample.error >= server->sample.error)
		return; /* the first of the round was quicker */
	server->sample = sample;
	server->stratum = p->stratum;
	server->leap = p->leap;
	server->answered = true;
}

static void all_asked(struct ntp *ntp);

static void received(struct udp_socket *socket, const struct udp_datagram *datagram,
                     void *context)
{
	struct ntp_server *server = context;
	struct ntp *ntp = server->ntp;
	struct ntp_packet packet;

	if (!ip_equal(&datagram->from.addr, &server->address) ||
	    datagram->from.port != NTP_PORT ||
	    !ntp_wire_parse(datagram->payload, &packet) || packet.mode != NTP_SERVER ||
	    packet.version == 0 || packet.version > NTP_VERSION ||
	    packet.origin != server->sent) {
		ntp->status.foreign++;
		return;
	}
	ntp->status.received++;
	take(server, &packet, kiln_now(ntp->kiln));
	stop_asking(server);
	for (unsigned i = 0; i < ntp->count; i++) {
		if (ntp->servers[i].socket)
			return;
	}
	all_asked(ntp);
}

/* ---- rounds ---- */

static void enter(struct ntp *ntp, enum ntp_phase phase, kiln_time in)
{
	ntp->phase = phase;
	timer_set(&ntp->kiln->loop, &ntp->timer, ntp->kiln->loop.now + in);
}

/* The longer all is well, the longer the next round can wait. */
static void adapt_interval(struct ntp *ntp, int64_t offset)
{
	int64_t off = offset < 0 ? -offset : offset;

	ntp->calm = off < CALM ? ntp->calm + 1 : 0;
	if (off > ROUGH || ntp->status.interval < INTERVAL_MIN)
		ntp->status.interval = INTERVAL_MIN;
	else if (ntp->calm >= CALM_ROUNDS && ntp->status.interval < INTERVAL_MAX) {
		ntp->status.interval *= 2;
		ntp->calm = 0;
	}
}

static void correct(struct ntp *ntp, const struct ntp_sample *sample)
{
	bool first = !ntp->status.synchronised;

	ntp->status.offset = sample->offset;
	ntp->status.error = (kiln_time)sample->error;
	if (!ntp_clock_correct(&ntp->clock, kiln_now(ntp->kiln), sample->offset)) {
		ntp->status.interval = INTERVAL_MIN;
		return;
	}
	ntp->status.synchronised = true;
	if (first) {
		ntp->shown = 0; /* the one time that it may go back */
		log_info(ntp->kiln, "ntp", "the clock is set, it was %lld ms behind",
		         (long long)(sample->offset / (int64_t)KILN_MS(1)));
		ntp->status.interval = INTERVAL_MIN;
	} else {
		adapt_interval(ntp, sample->offset);
	}
}

/* A name may stand for another server by now. */
static void note_miss(struct ntp_server *server)
{
	server->misses = server->answered ? 0 : server->misses + 1;
	if (server->misses >= MISSES_MOST && server->renew) {
		server->misses = 0;
		server->renew(server);
	}
}

static void end_round(struct ntp *ntp)
{
	struct ntp_sample samples[NTP_SERVERS] = {{0}}, combined;
	struct ntp_server *from[NTP_SERVERS];
	bool agree[NTP_SERVERS];
	unsigned count = 0;

	for (unsigned i = 0; i < ntp->count; i++) {
		struct ntp_server *server = &ntp->servers[i];
		note_miss(server);
		/* Late twice: that says little, if the clock is right already. */
		if (!server->answered || (server->late && ntp->status.synchronised))
			continue;
		samples[count] = server->sample;
		from[count++] = server;
	}
	ntp->status.servers = count;
	ntp->status.believed = ntp_select(samples, count, agree, &combined);
	if (ntp->status.believed) {
		ntp->status.stratum = NTP_STRATUM_MOST;
		for (unsigned i = 0; i < count; i++) {
			if (!agree[i] || from[i]->stratum > ntp->status.stratum)
				continue;
			ntp->status.stratum = from[i]->stratum;
			ntp->status.leap = from[i]->leap;
		}
		correct(ntp, &combined);
	} else {
		/* RFC 4330, 10: what does not answer is asked less often. */
		ntp->status.interval = KILN_MIN(2 * ntp->status.interval, INTERVAL_MAX);
	}
	enter(ntp, NTP_RESTING, ntp->status.interval);
}

/* All have answered, or had their time. */
static void all_asked(struct ntp *ntp)
{
	bool late = false;

	for (unsigned i = 0; i < ntp->count; i++) {
		stop_asking(&ntp->servers[i]);
		late |= ntp->servers[i].late;
	}
	if (late && ntp->phase == NTP_ASKING)
		enter(ntp, NTP_PAUSING, PAUSE);
	else
		end_round(ntp);
}

/* Asks one server. What cannot be sent is as lost. False: it is not to be asked now. */
static bool ask(struct ntp_server *server)
{
	struct ntp *ntp = server->ntp;
	struct ntp_packet packet = {.version = NTP_VERSION, .mode = NTP_CLIENT};
	struct endpoint to = {server->address, NTP_PORT};
	uint8_t bytes[NTP_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));

	if (!server->usable || server->denied || server->not_before > kiln_now(ntp->kiln))
		return false;
	if (udp_bind(ntp->udp, 0, received, server, &server->socket)) {
		server->socket = NULL;
		return false;
	}
	/* Not the time: nobody needs to know what our clock shows, and nobody can guess it. */
	packet.transmitted = server->sent = random_u64(&ntp->kiln->random);
	ntp_wire_emit(&w, &packet);
	server->sent_at = kiln_now(ntp->kiln);
	(void)udp_send(server->socket, &to, writer_done(&w));
	ntp->status.sent++;
	return true;
}

/* Those that the network tells of, if none were given. */
static void find_servers(struct ntp *ntp)
{
	struct ip_addr addresses[NTP_SERVERS];

	if (ntp->count && !ntp->told)
		return;
	ntp->told = true;
	ntp->count = net_ntp_servers(ntp->net, addresses, NTP_SERVERS);
	for (unsigned i = 0; i < ntp->count; i++) {
		struct ntp_server *server = &ntp->servers[i];
		if (server->ntp && ip_equal(&server->address, &addresses[i]))
			continue;
		*server = (struct ntp_server){
		    .ntp = ntp, .address = addresses[i], .usable = true};
	}
}

static void begin_round(struct ntp *ntp)
{
	bool asked = false;

	find_servers(ntp);
	for (unsigned i = 0; i < ntp->count; i++) {
		ntp->servers[i].answered = ntp->servers[i].late = false;
		asked |= ask(&ntp->servers[i]);
	}
	if (asked)
		enter(ntp, NTP_ASKING, PATIENCE);
	else /* none is known yet, or all want rest */
		enter(ntp, NTP_RESTING, INTERVAL_FIRST);
}

static void repeat(struct ntp *ntp)
{
	for (unsigned i = 0; i < ntp->count; i++) {
		if (ntp->servers[i].late)
			(void)ask(&ntp->servers[i]);
	}
	enter(ntp, NTP_REPEATING, PATIENCE);
}

static void fired(struct timer *timer)
{
	struct ntp *ntp = kiln_container(timer, struct ntp, timer);

	if (ntp->phase == NTP_RESTING)
		begin_round(ntp);
	else if (ntp->phase == NTP_PAUSING)
		repeat(ntp);
	else
		all_asked(ntp);
}

/* ---- beginning ---- */

struct ntp *ntp_new(struct net *net, struct udp *udp)
{
	struct kiln *k = net_kiln(net);
	struct ntp *ntp = kiln_alloc(k, sizeof(*ntp), "ntp");

	ntp->net = net;
	ntp->udp = udp;
	ntp->kiln = k;
	ntp->clock.base = kiln_now(k);
	ntp->clock.wall = kiln_wall(k);
	ntp->status.interval = INTERVAL_FIRST;
	timer_init(&ntp->timer, fired);
	enter(ntp, NTP_RESTING, 0);
	kiln_set_wall(k, wall, ntp);
	return ntp;
}

struct ntp_server *ntp_add_server(struct ntp *ntp)
{
	if (ntp->told) /* those given go before those told of */
		ntp->count = 0;
	ntp->told = false;
	if (ntp->count == NTP_SERVERS)
		return NULL;
	struct ntp_server *server = &ntp->servers[ntp->count++];
	*server = (struct ntp_server){.ntp = ntp};
	return server;
}

void ntp_server_found(struct ntp_server *server, const struct ip_addr *address)
{
	struct ntp *ntp = server->ntp;

	if (server->usable && ip_equal(&server->address, address))
		return;
	server->address = *address;
	server->usable = true;
	server->denied = false;
	server->not_before = server->delay = 0;
	if (ntp->phase == NTP_RESTING && !ntp->status.synchronised)
		enter(ntp, NTP_RESTING, 0);
}

bool ntp_add(struct ntp *ntp, const struct ip_addr *address)
{
	struct ntp_server *server = ntp_add_server(ntp);

	if (server)
		ntp_server_found(server, address);
	return server != NULL;
}
