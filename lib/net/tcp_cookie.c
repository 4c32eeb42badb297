/*
 * SYN cookies (RFC 4987, 3.6): when no half-open connection can be remembered, the
 * SYN-ACK's sequence number remembers it, and the third segment brings it back.
 *
 * The number holds, under a keyed hash of the addresses, ports and the peer's ISN: a
 * counter of 64 s periods (5 bits), an index into a table of segment sizes (3 bits), and
 * 24 bits of tag. A blind forgery succeeds once in 2^24 tries, and only in the two
 * minutes after a cookie was sent. Half of the tag does without the peer's ISN, which only the
 * third segment tells: one that has overtaken it is known by that half, and is dropped rather
 * than reset. Where the peer offered timestamps, the lowest five
 * bits of ours carry its window scale and whether it offered SACK; without them neither
 * is used.
 */
#include "tcp_private.h"

#define COOKIE_PERIOD KILN_SECONDS(64)

enum {
	COOKIE_PERIODS = 32,
	OPTION_BITS = 5,
	NO_WINDOW_SCALE = 15,
	USE_MASK = 3,
	USE_TAG = 4,
	USE_TAG_ISN = 5,
	ANY_ISN = 0xfffff, /* the bits that do without the peer's */
};

/* The first is for all that say less: for peers that hardly exist. */
enum { COOKIE_SIZES = 8 };
static const uint16_t cookie_mss[COOKIE_SIZES] = {
    216, TCP_MSS_DEFAULT, 1200, 1360, 1400, 1440, 1460, 8960};
static const uint16_t cookie_mss_ip6[COOKIE_SIZES] = {
    516, TCP_MSS_DEFAULT_IP6, 1280, 1340, 1380, 1420, 1440, 8940};

static const uint16_t *cookie_sizes(const struct tcp_tuple *tuple)
{
	return ip_is4(&tuple->remote) ? cookie_mss : cookie_mss_ip6;
}

struct cookie_input {
	struct tcp_tuple tuple;
	uint32_t irs, use, data;
};
_Static_assert(sizeof(struct cookie_input) == 48, "hashed as bytes");

static uint32_t cookie_hash(const struct tcp *tcp, const struct tcp_tuple *tuple,
                            uint32_t irs, uint32_t use, uint32_t data)
{
	struct cookie_input input = {*tuple, irs, use, data};

	return (uint32_t)siphash(tcp->key, &input, sizeof(input));
}

static uint8_t cookie_mask(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return (uint8_t)cookie_hash(tcp, tuple, 0, USE_MASK, 0);
}

static uint32_t cookie_encode(const struct tcp *tcp, const struct tcp_tuple *tuple,
                              struct tcp_seq irs, uint8_t data)
{
	uint32_t any = cookie_hash(tcp, tuple, 0, USE_TAG, data);
	uint32_t this = cookie_hash(tcp, tuple, irs.v, USE_TAG_ISN, data);

	return (this & ~ANY_ISN) | (any << 8 & ANY_ISN) |
	       (uint8_t)(data ^ cookie_mask(tcp, tuple));
}

static uint8_t cookie_period(const struct tcp *tcp)
{
	return (uint8_t)(tcp_now(tcp) / COOKIE_PERIOD % COOKIE_PERIODS);
}

struct tcp_seq tcp_cookie_make(struct tcp *tcp, const struct tcp_tuple *tuple,
                               const struct tcp_handshake *hand)
{
	const uint16_t *sizes = cookie_sizes(tuple);
	uint8_t index = 0;

	for (uint8_t i = 1; i < COOKIE_SIZES; i++) {
		if (sizes[i] <= hand->mss_peer)
			index = i;
	}
	tcp->cookie_at = tcp_now(tcp);
	tcp->count.cookies_sent++;
	return tcp_seq_of(cookie_encode(tcp, tuple, hand->irs,
	                                (uint8_t)(cookie_period(tcp) << 3 | index)));
}

uint32_t tcp_cookie_timestamp(const struct tcp *tcp, const struct tcp_tuple *tuple,
                              const struct tcp_handshake *hand)
{
	uint32_t now = tcp_timestamp_now(tcp, tcp_timestamp_offset(tcp, tuple));
	uint32_t scale = hand->has_window_scale ? hand->snd_wscale : NO_WINDOW_SCALE;
	uint32_t low = (1u << OPTION_BITS) - 1;
	uint32_t value = (now & ~low) | scale << 1 | hand->has_sack;

	/* Never ahead of the clock: what follows must not look old (PAWS). */
	return tcp_timestamp_before(now, value) ? value - low - 1 : value;
}

enum tcp_cookie tcp_cookie_check(struct tcp *tcp, const struct tcp_tuple *tuple,
                                 const struct tcp_segment *s, struct tcp_handshake *hand)
{
	struct tcp_seq irs = tcp_seq_sub(s->seq, 1), iss = tcp_seq_sub(s->ack, 1);
	const struct tcp_options *o = &s->options;

	if (tcp->cookie_at == 0 || tcp_now(tcp) - tcp->cookie_at > 2 * COOKIE_PERIOD)
		return TCP_COOKIE_BAD;
	uint8_t data = (uint8_t)iss.v ^ cookie_mask(tcp, tuple);
	unsigned age = (cookie_period(tcp) - (data >> 3)) % (unsigned)COOKIE_PERIODS;
	uint32_t wrong = cookie_encode(tcp, tuple, irs, data) ^ iss.v;
	if (age > 1 || wrong & ANY_ISN) {
		tcp->count.cookies_bad++;
		return TCP_COOKIE_BAD;
	}
	if (wrong)
		return TCP_COOKIE_EARLY;
	*hand = (struct tcp_handshake){
	    .irs = irs,
	    .iss = iss,
	    .mss_peer = cookie_sizes(tuple)[data & 7],
	    .has_timestamps = o->has_timestamps && !tcp->config.no_timestamps,
	    .ts_recent = o->ts_value,
	};
	uint32_t scale = o->ts_echo >> 1 & 15;
	if (hand->has_timestamps && scale <= TCP_WINDOW_SCALE_MAX) {
		hand->has_window_scale = true;
		hand->snd_wscale = (uint8_t)scale;
	}
	hand->has_sack = hand->has_timestamps && (o->ts_echo & 1);
	tcp->count.cookies_good++;
	return TCP_COOKIE_GOOD;
}
