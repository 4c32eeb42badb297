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
	} else if (sb->count == sb->room) {
		return false;
	}
	memmove(&sb->range[first + 1], &sb->range[first],
	        (sb->count - first) * sizeof(sb->range[0]));
	sb->range[first] = r;
	sb->count++;
	sb->bytes += tcp_range_size(r);
	return true;
}

bool tcp_scoreboard_takes(const struct tcp_scoreboard *sb, struct tcp_range r)
{
	bool joins = false;

	for (uint32_t i = 0; i < sb->count && !joins; i++)
		joins = tcp_seq_le(sb->range[i].start, r.end) &&
		        tcp_seq_ge(sb->range[i].end, r.start);
	return joins || sb->count < sb->room;
}

void tcp_scoreboard_advance(struct tcp_scoreboard *sb, struct tcp_seq una)
{
	uint32_t gone = 0;

	if (sb->count == 0)
		return;
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

bool tcp_scoreboard_gap(const struct tcp_scoreboard *sb, struct tcp_range r,
                        struct tcp_range *gap)
{
	*gap = r;
	for (uint32_t i = 0; i < sb->count; i++) {
		if (tcp_seq_le(sb->range[i].end, gap->start))
			continue;
		if (tcp_seq_gt(sb->range[i].start, gap->start)) {
			gap->end = tcp_seq_min(gap->end, sb->range[i].start);
			break;
		}
		gap->start = sb->range[i].end;
	}
	return tcp_range_size(*gap) > 0;
}

uint32_t tcp_scoreboard_remove(struct tcp_scoreboard *sb, struct tcp_range r)
{
	uint32_t before = sb->bytes;

	for (uint32_t i = 0; i < sb->count;) {
		struct tcp_range old = sb->range[i], low = old, high = old;

		low.end = tcp_seq_min(old.end, r.start);
		high.start = tcp_seq_max(old.start, r.end);
		if (tcp_seq_le(old.end, r.start) || tcp_seq_ge(old.start, r.end)) {
			i++;
			continue;
		}
		remove_ranges(sb, i, 1);
		if (tcp_range_size(low) > 0)
			tcp_scoreboard_add(sb, low), i++;
		if (tcp_range_size(high) > 0) {
			tcp_scoreboard_add(sb, high);
			break;
		}
	}
	return before - sb->bytes;
}
