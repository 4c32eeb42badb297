/*
 * EDNS in answers: a cookie of any bytes, of each length up to 44, is looked at, and OPT is
 * written with what was asked for, into a room of any size that a message may have. The hash
 * is any.
 *
 * sources: lib/dns/answer_edns.c
 * seeded: lib/dns/answer_edns.c: slice_take(m->query->cookie, COOKIE_CLIENT) => slice_of(m->query->cookie.data, COOKIE_CLIENT)
 * length: 4
 */
#include "lib/dns/answer_private.h"
#include "proof.h"

/* lib/core/siphash.c: reads `size` bytes. */
uint64_t siphash(const uint8_t key[16], const void *data, size_t size)
{
	const uint8_t *at = data;

	return size ? (uint64_t)at[size - 1] * key[15] : 0;
}

static void check(struct slice cookie)
{
	static struct dns_answerer answerer;
	static struct answer_query q;
	static struct dns_peer peer;
	static uint8_t room[DNS_UDP_SIZE], nsid[DNS_NSID_SIZE + 8];
	static struct answer m;

	PROOF_UNKNOWN(peer);
	PROOF_UNKNOWN(answerer.cookie_secret);
	PROOF_UNKNOWN(answerer.cookie_secret_before);
	answerer.cookies = Frama_C_nondet(0, 1);
	answerer.has_before = Frama_C_nondet(0, 1);
	answerer.nsid = slice_of(nsid, sizeof(nsid)); /* longer than is sent */
	q.cookie = cookie;
	q.nsid = Frama_C_nondet(0, 1);
	q.edns = true;
	m.answerer = &answerer;
	m.query = &q;
	m.peer = &peer;
	m.rcode = (uint16_t)Frama_C_interval(0, 4095);
	m.extended = Frama_C_interval(-1, 65535);
	m.w = writer_of(room, sizeof(room));
	m.w.at = Frama_C_size_t_interval(DNS_HEADER_SIZE, sizeof(room));
	(void)answer_opt_size(&m);
	(void)answer_check_cookie(&m);
	answer_put_opt(&m);
}

enum { MOST = 44 };
#include "slices.h"
