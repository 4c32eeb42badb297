/*
 * The scoreboard (RFC 6675, 3): which bytes above snd_una the peer has reported by SACK.
 * Pure: sorted ranges that neither overlap nor touch, in an array of the caller's. When it
 * is full no further one is taken, which costs at worst a needless retransmission.
 * Another one holds which bytes are lost.
 */
#ifndef NET_TCP_SCOREBOARD_H
#define NET_TCP_SCOREBOARD_H

#include "tcp_seq.h"

struct tcp_scoreboard {
	uint32_t count, room; /* ranges that there are, and that there may be */
	uint32_t bytes;       /* in all ranges */
	struct tcp_range *range;
};

static inline void tcp_scoreboard_clear(struct tcp_scoreboard *sb)
{
	sb->count = 0;
	sb->bytes = 0;
}

/* Whether there is room for a range. */
bool tcp_scoreboard_takes(const struct tcp_scoreboard *sb, struct tcp_range r);
/* Adds a range; true if that told anything new, and was taken. */
bool tcp_scoreboard_add(struct tcp_scoreboard *sb, struct tcp_range r);
/* Forgets what lies before una. */
void tcp_scoreboard_advance(struct tcp_scoreboard *sb, struct tcp_seq una);
/* Bytes of r that are not reported. */
uint32_t tcp_scoreboard_missing(const struct tcp_scoreboard *sb, struct tcp_range r);
/* The first part of r that is not reported; false if there is none. */
bool tcp_scoreboard_gap(const struct tcp_scoreboard *sb, struct tcp_range r,
                        struct tcp_range *gap);
/* Takes a range out again; returns how many bytes of it there were. Where that would make
 * one range too many, the highest part is forgotten. */
uint32_t tcp_scoreboard_remove(struct tcp_scoreboard *sb, struct tcp_range r);

#endif
