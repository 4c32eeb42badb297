/*
 * The scoreboard of RFC 6675. See tcp_scoreboard.h.
 *
 * Ranges are few and short-lived: a sorted array, moved with memmove, is smaller and
 * faster than anything linked.
 */
#include "tcp_scoreboard.h"

#include <string.h>

static void remove_ranges(struct tcp_scoreboard *sb, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		sb->bytes -= tcp_range_size(sb->range[i]);
	memmove(&sb->range[first], &sb->range[first + n],
	        (sb->count - first - n) * sizeof(sb->range[0]));
	sb->count -= n;
}

bool tcp_scoreboard_add(struct tcp_scoreboard *sb, struct tcp_range r)
{
	uint32_t first = 0, last;

	while (first < sb->count && tcp_seq_lt(sb->range[first].end, r.start))
		first++;
	/* [first, last) overlap r, or touch it. */
	for (last = first; last < sb->count && tcp_seq_le(sb->range[last].start, r.end);
	     last++) {
		if (tcp_seq_le(sb->range[last].start, r.start) &&
		    tcp_seq_ge(sb->range[last].end, r.end))
			return false;
	}
	if (last > first) {
		r.start = tcp_seq_min(r.start, sb->range[first].start);
		r.end = tcp_seq_max(r.end, sb->range[last - 1].end);
		remove_ranges(sb, first, last - first);
	} else if (sb->count == TCP_SCOREBOARD_RANGES) {
		if (first == sb->count)
			return false;
		remove_ranges(sb, sb->count - 1, 1);
	}
	memmove(&sb->range[first + 1], &sb->range[first],
	        (sb->count - first) * sizeof(sb->range[0]));
	sb->range[first] = r;
	sb->count++;
	sb->bytes += tcp_range_size(r);
	return true;
}

void tcp_scoreboard_advance(struct tcp_scoreboard *sb, struct tcp_seq una)
{
	uint32_t gone = 0;

	while (gone < sb->count && tcp_seq_le(sb->range[gone].end, una))
		gone++;
	remove_ranges(sb, 0, gone);
	if (sb->count && tcp_seq_lt(sb->range[0].start, una)) {
		sb->bytes -= tcp_seq_diff(una, sb->range[0].start);
		sb->range[0].start = una;
	}
}

uint32_t tcp_scoreboard_missing(const struct tcp_scoreboard *sb, struct tcp_range r)
{
	uint32_t missing = tcp_range_size(r);

	for (uint32_t i = 0; i < sb->count; i++) {
		struct tcp_range common = {tcp_seq_max(r.start, sb->range[i].start),
		                           tcp_seq_min(r.end, sb->range[i].end)};

		missing -= tcp_range_size(common);
	}
	return missing;
}

bool tcp_scoreboard_hole(const struct tcp_scoreboard *sb, struct tcp_seq from,
                         struct tcp_range *hole)
{
	for (uint32_t i = 0; i < sb->count; i++) {
		if (tcp_seq_lt(from, sb->range[i].start)) {
			*hole = (struct tcp_range){from, sb->range[i].start};
			return true;
		}
		from = tcp_seq_max(from, sb->range[i].end);
	}
	return false;
}

struct tcp_seq tcp_scoreboard_lost_edge(const struct tcp_scoreboard *sb,
                                        struct tcp_seq una, unsigned dup_thresh,
                                        uint32_t smss)
{
	uint32_t above = 0, bytes = 0;

	for (uint32_t i = sb->count; i-- > 0;) {
		above++;
		bytes += tcp_range_size(sb->range[i]);
		if (above >= dup_thresh || bytes > (dup_thresh - 1) * smss)
			return sb->range[i].start;
	}
	return una;
}
