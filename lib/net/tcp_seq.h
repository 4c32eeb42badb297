/*
 * Sequence numbers (RFC 9293, 3.4): 32 bits that wrap, in a type of their own, so that
 * they are compared only as distances on the circle. Two numbers compare as long as they
 * lie less than 2^31 apart, which the window limits of RFC 7323 (2.3) ensure.
 */
#ifndef NET_TCP_SEQ_H
#define NET_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_seq {
	uint32_t v;
};

/* The numbers start, start + 1, ... end - 1. */
struct tcp_range {
	struct tcp_seq start, end;
};

static inline struct tcp_seq tcp_seq_of(uint32_t v)
{
	return (struct tcp_seq){v};
}

static inline struct tcp_seq tcp_seq_add(struct tcp_seq s, uint32_t n)
{
	return (struct tcp_seq){s.v + n};
}

static inline struct tcp_seq tcp_seq_sub(struct tcp_seq s, uint32_t n)
{
	return (struct tcp_seq){s.v - n};
}

/* From b forward to a. Meaningful when a >= b. */
static inline uint32_t tcp_seq_diff(struct tcp_seq a, struct tcp_seq b)
{
	return a.v - b.v;
}

static inline bool tcp_seq_eq(struct tcp_seq a, struct tcp_seq b)
{
	return a.v == b.v;
}

static inline bool tcp_seq_lt(struct tcp_seq a, struct tcp_seq b)
{
	return (int32_t)(a.v - b.v) < 0;
}

static inline bool tcp_seq_le(struct tcp_seq a, struct tcp_seq b)
{
	return (int32_t)(a.v - b.v) <= 0;
}

static inline bool tcp_seq_gt(struct tcp_seq a, struct tcp_seq b)
{
	return tcp_seq_lt(b, a);
}

static inline bool tcp_seq_ge(struct tcp_seq a, struct tcp_seq b)
{
	return tcp_seq_le(b, a);
}

static inline struct tcp_seq tcp_seq_max(struct tcp_seq a, struct tcp_seq b)
{
	return tcp_seq_lt(a, b) ? b : a;
}

static inline struct tcp_seq tcp_seq_min(struct tcp_seq a, struct tcp_seq b)
{
	return tcp_seq_lt(a, b) ? a : b;
}

/* Bytes in a range; one that ends before it starts is empty. */
static inline uint32_t tcp_range_size(struct tcp_range r)
{
	return tcp_seq_lt(r.start, r.end) ? tcp_seq_diff(r.end, r.start) : 0;
}

/* Timestamps (RFC 7323, 5.2) wrap the same way. */
static inline bool tcp_timestamp_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
