/*
 * TSIG (RFC 8945): messages of DNS that two parties sign by a key they share. Pure: what is
 * carried from a message to its answer is a struct of the caller's.
 *
 * A server reads each request's record, checks it, and signs what it answers, one message or,
 * in a transfer, many:
 *
 *	struct dns_tsig tsig;
 *	struct dns_tsig_exchange x;
 *
 *	if (!dns_tsig_read(request, &tsig))
 *		...                                    FORMERR
 *	if (tsig.at < request.len)
 *		dns_tsig_check_request(&x, keys, count, request, &tsig, now);
 *	...                                            the answer; x.error: NOTAUTH
 *	answer = dns_tsig_sign(&x, buffer, answer.len, sizeof(buffer), now);
 *
 * A client begins with dns_tsig_begin() and dns_tsig_sign(), and has dns_tsig_check_answer()
 * look at each message that comes back.
 *
 * Times are seconds since 1970.
 */
#ifndef KILN_DNS_TSIG_H
#define KILN_DNS_TSIG_H

#include <kiln/digest.h>
#include <kiln/dns.h>

enum {
	DNS_TSIG_SECRET = 128, /* bytes of a key, at most */
	DNS_TSIG_FUDGE = 300,  /* seconds that clocks may differ by (10) */
	DNS_TSIG_UNSIGNED = 99, /* messages in a row that a client takes unsigned (5.3.1) */
};

/* What is wrong, as a TSIG record says it (3). */
enum dns_tsig_error {
	DNS_TSIG_OK = 0,
	DNS_TSIG_BADSIG = 16,
	DNS_TSIG_BADKEY = 17,
	DNS_TSIG_BADTIME = 18,
	DNS_TSIG_BADTRUNC = 22,
	DNS_TSIG_MALFORMED = 0x10000, /* on no wire: FORMERR */
};

struct dns_tsig_algorithm;

struct dns_tsig_key {
	struct dns_name name; /* in lower case */
	const struct dns_tsig_algorithm *algorithm;
	uint8_t least; /* bytes of a MAC that are asked for: all, if it is not to be truncated */
	uint8_t size;
	uint8_t secret[DNS_TSIG_SECRET];
};

/* "hmac-sha256:name:secret" as dig and kdig take it, the secret in base64; hmac-sha256 need
 * not be said. hmac-sha1, -sha384 and -sha512 are known, too, and each with a number of bits
 * behind it, such as hmac-sha256-128: MACs cut off to that are good (5.2.2.1). */
KILN_MUST_CHECK bool dns_tsig_key_parse(struct slice text, struct dns_tsig_key *key);

/* A record as it came. The slices point into the message. */
struct dns_tsig {
	size_t at; /* where it begins in the message; the message's length: it has none */
	struct dns_name key, algorithm; /* in lower case (4.2) */
	uint64_t time;
	uint16_t fudge;
	uint16_t id; /* the message's own, when it was signed */
	uint16_t error;
	struct slice mac, other;
};

/* Looks for a message's record. False: the message is malformed, or has a record that is not
 * its last, or that is malformed itself. */
KILN_MUST_CHECK bool dns_tsig_read(struct slice message, struct dns_tsig *tsig);

/* What is carried from each message to the one that answers or follows it. */
struct dns_tsig_exchange {
	const struct dns_tsig_key *key; /* NULL: what is signed gets no MAC */
	enum dns_tsig_error error;      /* of the request: each answer says so */
	/* The library's own. */
	enum { DNS_TSIG_REQUEST, DNS_TSIG_ANSWER, DNS_TSIG_FOLLOWING } next;
	uint64_t time;          /* of the request */
	unsigned since;         /* messages since the last that was signed */
	struct dns_name name, algorithm; /* as the request gave them */
	struct hmac hmac; /* over what the next message is signed behind */
};

/*
 * Begins with a request that came (5.2), and gives the error, also to be found in x->error:
 * then the answer's rcode is NOTAUTH, and the records of the request are not to be believed.
 * MALFORMED: the answer is a FORMERR without TSIG.
 */
enum dns_tsig_error dns_tsig_check_request(struct dns_tsig_exchange *x,
					   const struct dns_tsig_key *keys, unsigned count,
					   struct slice message,
					   const struct dns_tsig *tsig, uint64_t now);

/* Begins with a request that is to be sent: dns_tsig_sign() comes next. */
void dns_tsig_begin(struct dns_tsig_exchange *x, const struct dns_tsig_key *key);

/* Whether an answer is what was asked for (5.4), and each message that follows it, some of
 * which may be unsigned (5.3.1): the last has to be signed, x->since is 0 then. */
enum dns_tsig_error dns_tsig_check_answer(struct dns_tsig_exchange *x, struct slice message,
					  const struct dns_tsig *tsig, uint64_t now);

/* How many bytes a record takes: to be left free in a message. */
size_t dns_tsig_room(const struct dns_tsig_exchange *x);
/* Signs the message of `len` bytes that stands in the buffer, and returns it with its record.
 * There must be room for that, and a header in the message. */
struct slice dns_tsig_sign(struct dns_tsig_exchange *x, uint8_t *buffer, size_t len,
			   size_t size, uint64_t now);

#endif
