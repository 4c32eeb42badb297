/*
 * EDNS in answers (RFC 6891): OPT with what was asked for, server cookies (RFC 7873 as 9018 has
 * them, so that several servers behind one address know each other's), NSID (RFC 5001), and
 * extended errors (RFC 8914). See answer_private.h.
 */
#include <kiln/random.h>
#include "answer_private.h"

enum { OPT_SIZE = 11, OPTION_SIZE = 4, OPT_DNSSEC = 0x8000 };
enum { OPTION_NSID = 3, OPTION_COOKIE = 10, OPTION_ERROR = 15 };
enum { COOKIE_VERSION = 1 };
/* Seconds: RFC 9018, 4.3. */
enum { COOKIE_OLD = 3600, COOKIE_AHEAD = 300 };

static bool sends_nsid(const struct answer *m)
{
	return m->query->nsid && m->answerer->nsid.len > 0;
}

static struct slice nsid(const struct answer *m)
{
	return slice_take(m->answerer->nsid, DNS_NSID_SIZE);
}

static bool sends_cookie(const struct answer *m)
{
	return m->query->cookie.len > 0 && m->answerer->cookies;
}

/* All but extended errors, which take what is left. */
size_t answer_opt_size(const struct answer *m)
{
	size_t size = 0;

	if (m->query->edns)
		size += OPT_SIZE;
	if (sends_nsid(m))
		size += OPTION_SIZE + nsid(m).len;
	if (sends_cookie(m))
		size += OPTION_SIZE + COOKIE_CLIENT + COOKIE_SERVER;
	return size;
}

/* ---- cookies ---- */

/* RFC 9018, 4.4: over the client's cookie, what the server's begins with, and the client's
 * address. */
static uint64_t cookie_hash(const struct answer *m, const uint8_t secret[16],
                            struct slice head)
{
	const struct ip_addr *address = &m->peer->address;
	uint8_t input[COOKIE_CLIENT + 8 + 16];
	struct writer w = writer_of(input, sizeof(input));

	writer_bytes(&w, slice_take(m->query->cookie, COOKIE_CLIENT));
	writer_bytes(&w, slice_take(head, 8));
	writer_bytes(&w,
	             slice_skip(slice_of(address->bytes, 16), ip_is4(address) ? 12 : 0));
	return siphash(secret, input, w.at);
}

static bool cookie_is_ours(const struct answer *m, const uint8_t secret[16],
                           struct slice cookie)
{
	uint64_t hash;

	/* Its least byte first, as SipHash's authors write it; and at once, so that nobody
	 * finds out byte by byte. */
	memcpy(&hash, cookie.data + 8, sizeof(hash));
	return hash == cookie_hash(m, secret, cookie);
}

static bool is_good(const struct answer *m, struct slice cookie)
{
	const struct dns_answerer *a = m->answerer;
	struct cursor c = cursor_of(cookie);

	uint8_t version = cursor_u8(&c);
	cursor_skip(&c, 3);
	int32_t age = (int32_t)(m->peer->now - cursor_u32(&c));
	if (c.failed || cookie.len != COOKIE_SERVER || version != COOKIE_VERSION ||
	    age > COOKIE_OLD || age < -COOKIE_AHEAD)
		return false;
	return cookie_is_ours(m, a->cookie_secret, cookie) ||
	       (a->has_before && cookie_is_ours(m, a->cookie_secret_before, cookie));
}

enum dns_cookie answer_check_cookie(const struct answer *m)
{
	if (!sends_cookie(m))
		return DNS_COOKIE_NONE;
	if (m->query->cookie.len == COOKIE_CLIENT)
		return DNS_COOKIE_CLIENT;
	return is_good(m, slice_skip(m->query->cookie, COOKIE_CLIENT)) ? DNS_COOKIE_GOOD
	                                                               : DNS_COOKIE_BAD;
}

/* A new one each time: it costs no more than to look whether the old one may stay. */
static void put_cookie(struct answer *m)
{
	uint8_t cookie[COOKIE_SERVER] = {COOKIE_VERSION};
	struct writer w = writer_of(cookie, sizeof(cookie));

	w.at = 4;
	writer_u32(&w, m->peer->now);
	uint64_t hash = cookie_hash(m, m->answerer->cookie_secret, slice_of(cookie, 8));
	writer_bytes(&w, slice_of(&hash, sizeof(hash)));
	writer_u16(&m->w, OPTION_COOKIE);
	writer_u16(&m->w, COOKIE_CLIENT + COOKIE_SERVER);
	writer_bytes(&m->w, slice_take(m->query->cookie, COOKIE_CLIENT));
	writer_bytes(&m->w, slice_of(cookie, sizeof(cookie)));
}

/* ---- OPT ---- */

void answer_put_opt(struct answer *m)
{
	uint16_t own = m->answerer->udp_size ? m->answerer->udp_size : DNS_EDNS_SIZE;
	uint8_t opt[OPT_SIZE] = {0,
	                         0,
	                         DNS_OPT,
	                         (uint8_t)(own >> 8),
	                         (uint8_t)own,
	                         (uint8_t)(m->rcode >> 4),
	                         0,
	                         m->query->dnssec ? OPT_DNSSEC >> 8 : 0};

	writer_bytes(&m->w, slice_of(opt, sizeof(opt)));
	m->counts[DNS_ADDITIONALS]++;
	size_t start = m->w.at;

	if (sends_nsid(m)) {
		writer_u16(&m->w, OPTION_NSID);
		writer_u16(&m->w, (uint16_t)nsid(m).len);
		writer_bytes(&m->w, nsid(m));
	}
	if (sends_cookie(m))
		put_cookie(m);
	if (m->extended >= 0 && writer_left(&m->w) >= OPTION_SIZE + 2) {
		writer_u16(&m->w, OPTION_ERROR);
		writer_u16(&m->w, 2);
		writer_u16(&m->w, (uint16_t)m->extended);
	}
	if (m->w.at == start)
		return;
	struct writer size = writer_of(m->w.start + start - 2, 2);
	writer_u16(&size, (uint16_t)(m->w.at - start));
}
