/*
 * TSIG: what is signed, and whether it is what was (RFC 8945, 4.3, 5). See <kiln/dns_tsig.h>.
 *
 * An exchange holds an HMAC that has been begun: of a request, with nothing; of an answer, with
 * the request's MAC; of each message that follows, with the MAC before, and with what came
 * unsigned in between (5.3.1). Signing and checking both go on from there.
 */
#include <kiln/appliance.h>
#include "dns_private.h"
#include "tsig_private.h"

static size_t full(const struct dns_tsig_key *key)
{
	return key->algorithm->digest->size;
}

/* Begins the next message's HMAC, behind this one's. */
static void chain(struct dns_tsig_exchange *x, struct slice mac)
{
	uint8_t length[2];
	struct writer w = writer_of(length, sizeof(length));

	hmac_begin(&x->hmac, x->key->algorithm->digest,
	           slice_of(x->key->secret, x->key->size));
	if (mac.len == 0)
		return;
	writer_u16(&w, (uint16_t)mac.len);
	hmac_add(&x->hmac, writer_done(&w));
	hmac_add(&x->hmac, mac);
}

/* A message as it was before its record was added (4.3.2), with the ID that it had then. */
static void add_message(struct hmac *hmac, struct slice message,
                        const struct dns_tsig *tsig)
{
	uint8_t header[DNS_HEADER_SIZE];
	struct cursor c = cursor_of(message);
	struct writer w = writer_of(header, sizeof(header));

	writer_u16(&w, tsig->id);
	cursor_skip(&c, 2);
	writer_copy(&w, &c, 8);
	writer_u16(&w, (uint16_t)(cursor_u16(&c) - (tsig->at < message.len)));
	hmac_add(hmac, writer_done(&w));
	hmac_add(hmac, slice_skip(slice_take(message, tsig->at), DNS_HEADER_SIZE));
}

/* The variables (4.3.3), or, of messages that follow, the timers alone (5.3.1). */
static void add_variables(struct dns_tsig_exchange *x, const struct dns_tsig *tsig)
{
	uint8_t room[2 * DNS_NAME_SIZE + 64];
	struct writer w = writer_of(room, sizeof(room));
	bool whole = x->next != DNS_TSIG_FOLLOWING;

	if (whole) {
		writer_bytes(&w, dns_name_slice(&tsig->key));
		writer_u16(&w, DNS_CLASS_ANY);
		writer_u32(&w, 0);
		writer_bytes(&w, dns_name_slice(&tsig->algorithm));
	}
	tsig_write_time(&w, tsig->time);
	writer_u16(&w, tsig->fudge);
	if (whole) {
		writer_u16(&w, tsig->error);
		writer_u16(&w, (uint16_t)tsig->other.len);
	}
	hmac_add(&x->hmac, writer_done(&w));
	if (whole)
		hmac_add(&x->hmac, tsig->other);
}

/* The MAC of this message; then the next one's turn begins, with `sent`, or with that. */
static void finish(struct dns_tsig_exchange *x, struct slice message,
                   const struct dns_tsig *tsig, uint8_t *mac)
{
	add_message(&x->hmac, message, tsig);
	add_variables(x, tsig);
	hmac_end(&x->hmac, mac);
	x->next = x->next == DNS_TSIG_REQUEST ? DNS_TSIG_ANSWER : DNS_TSIG_FOLLOWING;
	x->since = 0;
}

static bool in_time(const struct dns_tsig *tsig, uint64_t now)
{
	return now > tsig->time ? now - tsig->time <= tsig->fudge
	                        : tsig->time - now <= tsig->fudge;
}

/* In the order of 5.2: the MAC, the time, what the MAC was cut off to. */
static enum dns_tsig_error check(struct dns_tsig_exchange *x, struct slice message,
                                 const struct dns_tsig *tsig, uint64_t now)
{
	uint8_t mac[DIGEST_MOST];
	size_t most = full(x->key);

	if (tsig->mac.len > most || tsig->mac.len < KILN_MAX(TSIG_MAC_LEAST, most / 2))
		return DNS_TSIG_MALFORMED;
	finish(x, message, tsig, mac);
	if (!digest_equal(tsig->mac, slice_of(mac, tsig->mac.len)))
		return DNS_TSIG_BADSIG;
	chain(x, tsig->mac);
	if (!in_time(tsig, now))
		return DNS_TSIG_BADTIME;
	return tsig->mac.len < x->key->least ? DNS_TSIG_BADTRUNC : DNS_TSIG_OK;
}

/* ---- a request, and what is answered ---- */

static bool same_key(const struct dns_tsig_key *key, const struct dns_tsig *tsig)
{
	struct dns_name algorithm;

	tsig_algorithm_name(key->algorithm, &algorithm);
	return dns_name_equal(&key->name, &tsig->key) &&
	       dns_name_equal(&algorithm, &tsig->algorithm);
}

enum dns_tsig_error dns_tsig_check_request(struct dns_tsig_exchange *x,
                                           const struct dns_tsig_key *keys,
                                           unsigned count, struct slice message,
                                           const struct dns_tsig *tsig, uint64_t now)
{
	x->key = NULL;
	x->next = DNS_TSIG_REQUEST;
	x->time = tsig->time;
	x->name = tsig->key;
	x->algorithm = tsig->algorithm;
	x->error = DNS_TSIG_BADKEY;
	for (unsigned i = 0; i < count && !x->key; i++) {
		if (same_key(&keys[i], tsig))
			x->key = &keys[i];
	}
	if (!x->key)
		return x->error;
	chain(x, (struct slice){0});
	x->error = check(x, message, tsig, now);
	/* Who cannot sign gets nothing that is signed (5.3.2). */
	if (x->error == DNS_TSIG_BADSIG || x->error == DNS_TSIG_MALFORMED)
		x->key = NULL;
	return x->error;
}

void dns_tsig_begin(struct dns_tsig_exchange *x, const struct dns_tsig_key *key)
{
	x->key = key;
	x->error = DNS_TSIG_OK;
	x->next = DNS_TSIG_REQUEST;
	x->time = 0;
	x->since = 0;
	x->name = key->name;
	tsig_algorithm_name(key->algorithm, &x->algorithm);
	chain(x, (struct slice){0});
}

enum dns_tsig_error dns_tsig_check_answer(struct dns_tsig_exchange *x,
                                          struct slice message,
                                          const struct dns_tsig *tsig, uint64_t now)
{
	if (tsig->at < message.len) {
		if (!same_key(x->key, tsig))
			return DNS_TSIG_BADKEY;
		/* Said without a MAC (5.3.2), by anyone: it is no answer, whatever it says. */
		if (tsig->error && tsig->mac.len == 0)
			return (enum dns_tsig_error)tsig->error;
		enum dns_tsig_error error = check(x, message, tsig, now);
		return error ? error : (enum dns_tsig_error)tsig->error;
	}
	if (x->next != DNS_TSIG_FOLLOWING || ++x->since > DNS_TSIG_UNSIGNED)
		return DNS_TSIG_BADSIG;
	hmac_add(&x->hmac, message);
	return DNS_TSIG_OK;
}

/* ---- signing ---- */

size_t dns_tsig_room(const struct dns_tsig_exchange *x)
{
	enum { FIXED = 10 + 16, TIME = 6 }; /* before the data, and in it; BADTIME's time */

	return FIXED + (size_t)x->name.size + x->algorithm.size +
	       (x->error == DNS_TSIG_BADTIME ? TIME : 0) + (x->key ? full(x->key) : 0);
}

struct slice dns_tsig_sign(struct dns_tsig_exchange *x, uint8_t *buffer, size_t len,
                           size_t size, uint64_t now)
{
	uint8_t mac[DIGEST_MOST], other[6];
	struct writer w = writer_of(buffer, size),
	              times = writer_of(other, sizeof(other));
	struct slice message = slice_of(buffer, len);
	struct cursor c = cursor_of(message);
	struct dns_tsig tsig = {
	    .at = len,
	    .key = x->name,
	    .algorithm = x->algorithm,
	    .time = now,
	    .fudge = DNS_TSIG_FUDGE,
	    .id = cursor_u16(&c),
	    .error = (uint16_t)x->error,
	};

	if (x->error == DNS_TSIG_BADTIME) { /* 5.2.3 */
		tsig.time = x->time;
		tsig_write_time(&times, now);
		tsig.other = writer_done(&times);
	}
	if (x->key) {
		finish(x, message, &tsig, mac);
		tsig.mac = slice_of(mac, full(x->key));
		chain(x, tsig.mac);
	}
	(void)writer_room(&w, len);
	tsig_write(&w, &tsig);
	kiln_assert(!w.failed);
	message = writer_done(&w);
	w = writer_of(buffer + 10, 2);
	cursor_skip(&c, 8);
	writer_u16(&w, (uint16_t)(cursor_u16(&c) + 1));
	return message;
}
