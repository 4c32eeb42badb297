/*
 * The scoreboard (RFC 6675, 3): which bytes above snd_una the peer has reported by SACK.
 * Pure: sorted ranges that neither overlap nor touch, in an array of fixed size. When it
 * is full the highest range is forgotten, which costs at worst a needless retransmission.
 */
#ifndef NET_TCP_SCOREBOARD_H
#define NET_TCP_SCOREBOARD_H

#include "tcp_seq.h"

enum { TCP_SCOREBOARD_RANGES = 32 };

struct tcp_scoreboard {
	uint32_t count;
	uint32_t bytes; /* in all ranges */
	struct tcp_range range[TCP_SCOREBOARD_RANGES];
};

static inline void tcp_scoreboard_clear(struct tcp_scoreboard *sb)
{
	sb->count = 0;
	sb->bytes = 0;
}

/* Adds a range; true if that told anything new. */
bool tcp_scoreboard_add(struct tcp_scoreboard *sb, struct tcp_range r);
/* Forgets what lies before una. */
void tcp_scoreboard_advance(struct tcp_scoreboard *sb, struct tcp_seq una);
/* Bytes of r that are not reported. */
uint32_t tcp_scoreboard_missing(const struct tcp_scoreboard *sb, struct tcp_range r);
/* The first hole at or after `from` that ends before a reported range; false if there is
 * none. */
bool tcp_scoreboard_hole(const struct tcp_scoreboard *sb, struct tcp_seq from,
                         struct tcp_range *hole);
/*
 * Bytes not reported that lie before the returned number are lost (IsLost of RFC 6675,
 * 4): `dup_thresh` ranges, or more than (dup_thresh - 1) * smss bytes, are reported above
 * them. Returns una if none is.
 */
struct tcp_seq tcp_scoreboard_lost_edge(const struct tcp_scoreboard *sb,
                                        struct tcp_seq una, unsigned dup_thresh,
                                        uint32_t smss);

#endif
