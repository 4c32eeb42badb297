/*
 * Answers of an authoritative name server: from the bytes of a query to the bytes of its
 * answer, out of compiled zones (<kiln/dns_zone.h>).
 *
 *	struct dns_answerer a = {.zones = &zones, .udp_size = DNS_EDNS_SIZE};
 *	struct dns_peer peer = {.address = from, .now = seconds};
 *	struct dns_answered what;
 *	size_t size = dns_answer(&a, &peer, query, buffer, sizeof(buffer), &what);
 *
 *	if (size > 0)
 *		send(buffer, size);
 *
 * RFC 1034, 4.3.2 with 4592 (wildcards), 6672 (DNAME), 2308 (negative answers), 9471 (glue);
 * DNSSEC of signed zones (4033 to 4035, 5155); EDNS (6891) with cookies (7873, 9018), NSID
 * (5001) and extended errors (8914); ANY by one set (8482). Nothing is read or changed but
 * what is handed over, nothing is allocated.
 */
#ifndef KILN_DNS_ANSWER_H
#define KILN_DNS_ANSWER_H

#include <kiln/dns_zone.h>

enum { DNS_STREAM_SIZE = 65535 }; /* of a message over TCP, at most */
enum { DNS_NSID_SIZE = 128 };

/* What it answers by. All zeroes but for `zones` is good: no cookies, no NSID, and names of
 * class CHAOS are refused. */
struct dns_answerer {
	const struct dns_zones *zones;
	uint16_t udp_size; /* of answers by UDP to those who take more than 512 bytes; 0: 1232 */

	struct slice version; /* version.bind and version.server, CH TXT; empty: refused */
	struct slice host;    /* hostname.bind and id.server, CH TXT (RFC 4892) */
	struct slice nsid;    /* any bytes, to those who ask; empty: none */

	/* Server cookies (RFC 9018). Those made with `before` are good, too: all servers behind
	 * one address know both while one replaces the other. */
	bool cookies;
	uint8_t cookie_secret[16];
	bool has_before;
	uint8_t cookie_secret_before[16];

	/* What the caller answers itself: it gets DNS_KIND_TRANSFER, DNS_KIND_NOTIFY and
	 * DNS_KIND_SIGNED, with nothing written. Otherwise those are told that it is not
	 * implemented or refused, and that the key is not known. */
	bool takes_transfers, takes_notify, takes_signed;
};

struct dns_peer {
	struct ip_addr address; /* for its cookie */
	bool stream;            /* TCP: an answer may take 65,535 bytes */
	uint32_t now;           /* seconds since 1970, for cookies; wraps (RFC 9018, 4.3) */
};

enum dns_kind {
	DNS_KIND_SILENCE,  /* not a query, or too short for one: nothing is to be sent */
	DNS_KIND_ANSWER,   /* the answer section has what was asked for, or the way to it */
	DNS_KIND_NO_DATA,  /* the name is there, the type is not (RFC 2308, 2.2) */
	DNS_KIND_NO_NAME,  /* NXDOMAIN (2308, 2.1) */
	DNS_KIND_REFERRAL, /* to the servers of a zone below */
	DNS_KIND_CHAOS,    /* about the server itself */
	DNS_KIND_ERROR,    /* by rcode: FORMERR, NOTIMP, REFUSED, BADVERS... */
	/* For the caller, if it takes them: nothing is written. */
	DNS_KIND_TRANSFER, /* AXFR or IXFR, by what->type; over UDP, too */
	DNS_KIND_NOTIFY,   /* an opcode of NOTIFY (RFC 1996) */
	DNS_KIND_SIGNED,   /* has a TSIG (RFC 8945): see what->signature */
	DNS_KINDS
};

enum dns_cookie {
	DNS_COOKIE_NONE,   /* none was sent, or cookies are off */
	DNS_COOKIE_CLIENT, /* the client's alone: its first query */
	DNS_COOKIE_BAD,    /* a server's cookie that is not ours, or too old */
	DNS_COOKIE_GOOD,   /* the peer has had an answer at this address */
};

/* What came and what became of it: for metrics, rate limits and logs. */
struct dns_answered {
	enum dns_kind kind;
	uint16_t rcode; /* all 12 bits */
	bool has_question;
	uint16_t type, class; /* of the question */
	uint8_t opcode;
	bool edns, dnssec, truncated;
	enum dns_cookie cookie;
	const struct dns_zone *zone; /* NULL: none holds the name */
	/* What an answer is limited by (rates per name): the name as it came, a slice of the query;
	 * or, of names that are not there, of referrals and of names out of a wildcard, the
	 * part of it that is: what stands behind the made-up labels. */
	struct slice name;
	/* Of a message with TSIG: where its last record begins in the query; the query up to
	 * there, with one additional record less, is what dns_answer takes once it was
	 * verified. */
	uint16_t signature;
};

/* Answers a query. Returns the answer's size; 0: nothing is to be sent. `buffer` is not the
 * query's, and holds at least DNS_UDP_SIZE bytes; an answer is as large as it, the peer, and
 * udp_size allow. It is cut between record sets, with TC, when something required does not
 * fit. */
size_t dns_answer(const struct dns_answerer *a, const struct dns_peer *peer,
		  struct slice query, void *buffer, size_t size,
		  struct dns_answered *what);

/* For a server that has several queries at hand: zones may be much larger than the processor's
 * caches, and the answer to a query begins with two places of a zone that it has to wait for.
 * Both calls only have memory fetched: dns_expect for each query first, then dns_expect_node
 * for each, then dns_answer. Between them the zones stay as they are. */
struct dns_expected {
	const struct dns_zone *zone; /* NULL: nothing */
	uint64_t hash;
};
void dns_expect(const struct dns_answerer *a, struct slice query,
		struct dns_expected *expected);
void dns_expect_node(const struct dns_expected *expected);

/* An answer of nothing but a response code (any of 12 bits), with the query's question and
 * what EDNS asks for: for REFUSED to those who may not have a transfer, BADCOOKIE, SERVFAIL.
 * 0: the query is none that may be answered. extended: an RFC 8914 code, -1: none. */
size_t dns_answer_error(const struct dns_answerer *a, const struct dns_peer *peer,
			struct slice query, unsigned rcode, int extended, void *buffer,
			size_t size);
/* As rate limits slip one (of many) through: the question alone with TC, so that the peer
 * asks again over TCP. */
size_t dns_answer_truncated(const struct dns_answerer *a, const struct dns_peer *peer,
			    struct slice query, void *buffer, size_t size);

#endif
