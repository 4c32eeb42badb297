/*
 * Wall time from the network: an SNTP client (RFC 5905, section 14) with what RFC 4330,
 * section 10 asks of one.
 *
 *	struct ntp *ntp = ntp_new(net, udp);
 *	ntp_add_name(ntp, resolver, SLICE("ntp.example"));
 *
 * From ntp_new on, kiln_wall() is this clock: the target's own until a server has been
 * heard, and the network's from there on; so are the dates of <kiln/http.h>. The first
 * answer sets it, to either side. Later it is never set back: it runs 500 ppm faster or
 * slower until it is right, at half speed if it is ahead by more than a second, and is set
 * forward only if it is behind by more than 128 ms twice in a row. What the target's
 * oscillator is off by is learnt, up to 500 ppm.
 *
 * Without ntp_add, the servers that the network tells of are asked (net_ntp_servers). Of
 * several, the majority is believed. A server is asked every 64 to 1024 seconds, from a
 * random port (RFC 9109), by a request that says nothing but a random number, which the
 * answer must repeat. One that asks for less (RATE) gets less, and one that refuses (DENY,
 * RSTR) is not asked again (RFC 5905, 7.4).
 */
#ifndef KILN_NTP_H
#define KILN_NTP_H

#include <kiln/udp.h>

struct ntp;
struct resolver;

enum { NTP_SERVERS = 8 }; /* at most */

struct ntp *ntp_new(struct net *net, struct udp *udp);

/* A server to ask, by address, or by a name that is looked up now, and again whenever what
 * it stood for no longer answers. False: there are NTP_SERVERS already. */
bool ntp_add(struct ntp *ntp, const struct ip_addr *server);
bool ntp_add_name(struct ntp *ntp, struct resolver *resolver, struct slice name);

/* ns since 1970 (UTC, without leap seconds). False: no server was heard, and the target has
 * no clock of its own that could be right. */
KILN_MUST_CHECK bool ntp_time(struct ntp *ntp, kiln_time *wall);

struct ntp_status {
	bool synchronised;
	uint8_t stratum; /* of the nearest server that is believed, 1 to 15 */
	uint8_t leap;    /* 1: the month's last minute has 61 seconds, 2: 59 (RFC 5905, 7.3) */
	unsigned servers, believed; /* in the last round */
	int64_t offset;             /* ns that the clock was behind, in the last round */
	kiln_time error;            /* at most, by what the servers say and the way takes */
	int32_t frequency;          /* correction of the target's oscillator, in 1e-9 */
	kiln_time interval;         /* between rounds */
	uint64_t sent, received, foreign, refused; /* packets; refused: kisses of death */
};
void ntp_status(const struct ntp *ntp, struct ntp_status *status);

#endif
