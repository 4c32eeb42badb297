/*
 * An authoritative name server: <kiln/dns_answer.h> behind UDP and TCP.
 *
 *	struct dns_server *server = dns_server_new(k, NULL, 16);
 *
 *	dns_server_add(server, &zone);
 *	if (dns_server_udp(server, udp, 53) || dns_server_tcp(server, tcp, 53))
 *		...
 *	return kiln_run(k);
 *
 * The rest is asked for by calls of its own, before kiln_run(), and an image that does not call
 * one does not hold its code: limits on the rate of answers, keys (TSIG), transfers to others,
 * zones of which another server is the primary, NOTIFY, metrics.
 *
 * TCP is RFC 7766's: queries may be pipelined, and are answered in their order. An answer is
 * queued as a whole, or its query waits until there is room: a client that does not read holds
 * no more than TCP's send buffer, and is reset after the idle time.
 */
#ifndef KILN_DNS_SERVER_H
#define KILN_DNS_SERVER_H

#include <kiln/dns_answer.h>
#include <kiln/tcp.h>
#include <kiln/udp.h>

struct dns_server;

/* A zero field means the default, in parentheses. Texts must stay. */
struct dns_server_config {
	struct slice version, host, nsid; /* as struct dns_answerer has them (none) */
	uint16_t udp_size;                /* of answers by UDP, at most (1232) */
	struct slice cookie_secret; /* 32 hexadecimal digits: servers of one address share it
				     * (random) */
	bool no_cookies;
	uint32_t conns;           /* TCP connections at once (1000) */
	uint32_t conns_of_client; /* of one IPv4 address, or IPv6 network of 64 bits (50) */
	kiln_time idle;           /* a connection without a whole query, or whose peer does
				   * not read (10 s) */
};

/* With room for so many zones. Ends the image with a message if memory does not suffice. */
struct dns_server *dns_server_new(struct kiln *k, const struct dns_server_config *config,
				  unsigned zones);
/* Serves the zone from now on, in the place of one with its name. It must stay where it is.
 * False: there is no room for another. */
KILN_MUST_CHECK bool dns_server_add(struct dns_server *server, struct dns_zone *zone);

/* Errors: IN_USE, MEMORY. */
KILN_MUST_CHECK enum kiln_error dns_server_udp(struct dns_server *server, struct udp *udp,
					       uint16_t port);
KILN_MUST_CHECK enum kiln_error dns_server_tcp(struct dns_server *server, struct tcp *tcp,
					       uint16_t port);

/* ---- what is not served without a call ---- */

/* How many a list has, of those that the calls below take: texts with commas between them. */
unsigned dns_server_list_count(struct slice list);

/* What is wrong with a list that an operator wrote. */
struct dns_mistake {
	struct slice text; /* the part it is about, without secrets */
	const char *why;   /* to be read behind the text: "names a key that is not known" */
};

/*
 * Limits the rate of answers by UDP that look alike, so that others are not flooded by means
 * of this server: those to one network (24 bits of IPv4, 56 of IPv6), of one kind, about one
 * name. What is above the rate is dropped, but for one of `slip`, which is sent truncated: who
 * really asks comes back by TCP. Peers with a good cookie are exempt, as their addresses are
 * their own. Zero fields: as in parentheses.
 */
struct dns_rate {
	uint32_t answers;   /* a second: 1 to 100,000 */
	uint32_t slip;      /* 1: all are truncated, none dropped (2) */
	uint32_t window;    /* seconds of excess that have to pass again: up to 60 (15) */
	uint32_t entries;   /* of the table: the least recently used gives way (16,384) */
};
void dns_server_limit(struct dns_server *server, const struct dns_rate *rate);

/* Keys as <kiln/dns_tsig.h> takes them, with commas in between. False, here and below: there is
 * a mistake. */
KILN_MUST_CHECK bool dns_server_keys(struct dns_server *server, struct slice keys,
				     struct dns_mistake *mistake);

/*
 * Gives zones whole to those on a list (AXFR: RFC 5936; asked for what has changed by IXFR,
 * too): networks such as 192.0.2.0/24, addresses, and key:NAME, with commas in between; "any".
 * Keys first.
 */
KILN_MUST_CHECK bool dns_server_transfers(struct dns_server *server, struct slice allowed,
					  struct dns_mistake *mistake);

/*
 * Zones of which another server is the primary: ZONE=ADDRESS, with commas in between, each with
 * a port (192.0.2.1:5353, [2001:db8::1]:5353) and with the name of a key behind it
 * (192.0.2.1/transfer.example) if there is one: then transfers and NOTIFY are signed. A zone that
 * is named again has another primary, up to eight. Each is fetched by AXFR (RFC 5936), kept up to
 * date by IXFR (1995), by the times in its SOA and by NOTIFY (1996), and no longer served once it
 * has expired. The old zone is served until the new one is complete, and while that is compiled.
 * Takes three quarters of the memory that is left, in two parts for each zone; one that is larger
 * than such a part keeps its old version. Keys first, and behind everything else that takes
 * memory: dns_server_udp() and dns_server_tcp(), too.
 */
KILN_MUST_CHECK bool dns_server_secondaries(struct dns_server *server, struct tcp *tcp,
					    struct slice zones,
					    struct dns_mistake *mistake);

/* Tells others by NOTIFY (RFC 1996) of each zone, at the start, and when it was transferred:
 * addresses as above. Keys first. */
KILN_MUST_CHECK bool dns_server_notify(struct dns_server *server, struct udp *udp,
				       struct slice addresses,
				       struct dns_mistake *mistake);

/* Shows the counters below as text (Prometheus' format, version 0.0.4), by HTTP at /metrics,
 * and how long answers by UDP took, of one in 64. Errors: as tcp_listen. */
KILN_MUST_CHECK enum kiln_error dns_server_metrics(struct dns_server *server,
						   struct tcp *tcp, uint16_t port);

struct dns_server_counters {
	uint64_t queries[2], answers[2]; /* by UDP, by TCP */
	uint64_t types[258];             /* queries by type; the first: of all others */
	uint64_t codes[24];              /* answers by response code; the last: higher ones */
	uint64_t kinds[DNS_KINDS];
	uint64_t truncated;
	uint64_t silent;      /* queries that nothing is said to */
	uint64_t not_sent;    /* answers that the network had no room for */
	uint64_t rate_dropped, rate_slipped, rate_exempt;
	uint64_t cookies_good, cookies_bad;
	uint64_t signed_good, signed_bad;
	uint64_t conns, conns_refused, conns_idle, conns_broken;
	uint64_t transfers, transfers_refused, transfers_broken; /* to others */
	uint64_t fetched, fetched_changes, fetch_failures; /* from primaries; by IXFR */
	uint64_t notified, notifies_sent, notifies_lost;   /* by primaries; to others */
	uint32_t conns_open;
};
void dns_server_counters(const struct dns_server *server,
			 struct dns_server_counters *counters);

#endif
