/*
 * The pure parts of TCP: sequence numbers that wrap, the header and its options against
 * fixed bytes, and the SACK scoreboard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <lib/net/tcp_scoreboard.h>
#include <lib/net/tcp_wire.h>

static struct tcp_seq seq(uint32_t v)
{
	return tcp_seq_of(v);
}

/* ---- sequence numbers ---- */

static void sequence_numbers_compare_across_the_wrap(void **state)
{
	struct tcp_seq before = seq(0xfffffff0), after = tcp_seq_add(before, 0x20);

	assert_int_equal(after.v, 0x10);
	assert_true(tcp_seq_lt(before, after));
	assert_true(tcp_seq_le(before, after) && tcp_seq_le(before, before));
	assert_true(tcp_seq_gt(after, before));
	assert_false(tcp_seq_lt(after, before) || tcp_seq_lt(before, before));
	assert_int_equal(tcp_seq_diff(after, before), 0x20);
	assert_int_equal(tcp_seq_max(before, after).v, after.v);
	assert_int_equal(tcp_seq_min(before, after).v, before.v);
	assert_int_equal(tcp_range_size((struct tcp_range){before, after}), 0x20);
	assert_int_equal(tcp_range_size((struct tcp_range){after, before}), 0);
}

/* ---- the header ---- */

/* A SYN of Linux to port 80, without the IP header. */
static const uint8_t syn[] = {
    0xd5, 0x1a, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02,
    0xfa, 0xf0, 0x12, 0x34, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a,
    0x11, 0x22, 0x33, 0x44, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
};

static void a_syn_is_read(void **state)
{
	struct tcp_segment s;

	assert_true(tcp_parse(slice_of(syn, sizeof(syn)), &s));
	assert_int_equal(s.src_port, 0xd51a);
	assert_int_equal(s.dst_port, 80);
	assert_int_equal(s.seq.v, 0x01020304);
	assert_int_equal(s.ack.v, 0);
	assert_int_equal(s.flags, TCP_SYN);
	assert_int_equal(s.window, 0xfaf0);
	assert_int_equal(s.urgent, 0);
	assert_true(s.options.has_mss && s.options.mss == 1460);
	assert_true(s.options.sack_permitted);
	assert_true(s.options.has_timestamps && s.options.ts_value == 0x11223344);
	assert_true(s.options.has_window_scale && s.options.window_scale == 7);
	assert_int_equal(s.data.len, 0);
	assert_int_equal(tcp_segment_length(&s), 1);
}

static void what_was_read_is_written_as_it_was(void **state)
{
	struct tcp_segment s;
	uint8_t out[TCP_HEADER_MAX];
	struct writer w = writer_of(out, sizeof(out));

	assert_true(tcp_parse(slice_of(syn, sizeof(syn)), &s));
	assert_int_equal(tcp_header_size(&s.options), sizeof(syn));
	tcp_emit(&w, &s);
	assert_int_equal(writer_done(&w).len, sizeof(syn));
	out[16] = 0x12; /* the checksum is not TCP's to write */
	out[17] = 0x34;
	assert_memory_equal(out, syn, sizeof(syn));
}

/* Every set of options that is ever sent fits, is aligned, and reads back the same. */
static void all_options_survive_the_way_there_and_back(void **state)
{
	for (unsigned set = 0; set < 32; set++) {
		for (unsigned blocks = 0; blocks <= (set & 1 ? 3 : 4); blocks++) {
			struct tcp_segment in = {
			    .flags = TCP_ACK, .seq = seq(7), .ack = seq(9)};
			struct tcp_segment out;
			uint8_t bytes[TCP_HEADER_MAX];
			struct writer w = writer_of(bytes, sizeof(bytes));

			if (blocks && set & ~1u)
				continue; /* those of a SYN carry no blocks */
			in.options.has_timestamps = set & 1;
			in.options.ts_value = set & 1 ? 0xa1a2a3a4 : 0;
			in.options.ts_echo = set & 1 ? 0xb1b2b3b4 : 0;
			in.options.has_mss = set & 2;
			in.options.mss = set & 2 ? 536 : 0;
			in.options.has_window_scale = set & 4;
			in.options.window_scale = set & 4 ? 3 : 0;
			in.options.sack_permitted = set & 8;
			in.options.sack_count = (uint8_t)blocks;
			in.options.has_fast_open = set & 16;
			in.options.fast_open_size = set & 16 ? set & 14 : 0;
			if (in.options.fast_open_size == 2)
				in.options.fast_open_size = 16;
			memset(in.options.fast_open, 0xc1, in.options.fast_open_size);
			for (unsigned i = 0; i < blocks; i++)
				in.options.sack[i] = (struct tcp_range){
				    seq(100 * i + 10), seq(100 * i + 20)};
			tcp_emit(&w, &in);
			assert_false(w.failed);
			assert_int_equal(writer_done(&w).len,
			                 tcp_header_size(&in.options));
			assert_int_equal(writer_done(&w).len % 4, 0);
			assert_true(tcp_parse(writer_done(&w), &out));
			out.data = in.data;
			assert_memory_equal(&in.options, &out.options,
			                    sizeof(in.options));
		}
	}
}

static bool parses_with_options(const uint8_t *options, size_t size)
{
	uint8_t bytes[TCP_HEADER_MAX] = {0};
	struct tcp_segment s;

	bytes[12] = (uint8_t)((TCP_HEADER_SIZE + size) / 4 << 4);
	memcpy(bytes + TCP_HEADER_SIZE, options, size);
	return tcp_parse(slice_of(bytes, TCP_HEADER_SIZE + size), &s);
}

static void broken_headers_are_refused(void **state)
{
	struct tcp_segment s;
	uint8_t bytes[sizeof(syn)];

	for (size_t size = 0; size < sizeof(syn); size++)
		assert_false(tcp_parse(slice_of(syn, size), &s));
	memcpy(bytes, syn, sizeof(syn));
	bytes[12] = 0x40; /* a header of 16 bytes */
	assert_false(tcp_parse(slice_of(bytes, sizeof(bytes)), &s));
	bytes[12] = 0xf0; /* one longer than the packet */
	assert_false(tcp_parse(slice_of(bytes, sizeof(bytes)), &s));
}

static void broken_options_are_refused_and_unknown_ones_skipped(void **state)
{
	static const uint8_t zero_length[4] = {2, 0, 5, 180};
	static const uint8_t too_long[4] = {2, 5, 5, 180};
	static const uint8_t no_length[4] = {1, 1, 1, 2};
	static const uint8_t unknown[8] = {254, 4, 1, 2, 1, 1, 1, 0};
	static const uint8_t odd_mss[4] = {2, 3, 5,
	                                   1}; /* no MSS option, but well-formed */
	static const uint8_t end_early[4] = {0, 99, 99, 99};

	assert_false(parses_with_options(zero_length, 4));
	assert_false(parses_with_options(too_long, 4));
	assert_false(parses_with_options(no_length, 4));
	assert_true(parses_with_options(unknown, 8));
	assert_true(parses_with_options(odd_mss, 4));
	assert_true(parses_with_options(end_early, 4));
}

static void a_window_scale_above_14_is_taken_as_14(void **state)
{
	uint8_t bytes[24] = {[12] = 0x60, [20] = 3, [21] = 3, [22] = 15, [23] = 0};
	struct tcp_segment s;

	assert_true(tcp_parse(slice_of(bytes, sizeof(bytes)), &s));
	assert_int_equal(s.options.window_scale, 14);
}

static void an_inverted_sack_block_is_ignored(void **state)
{
	uint8_t bytes[32] = {
	    [12] = 0x80, [20] = 1, [21] = 1, [22] = 5, [23] = 10, [27] = 200, [31] = 100};
	struct tcp_segment s;

	assert_true(tcp_parse(slice_of(bytes, sizeof(bytes)), &s));
	assert_int_equal(s.options.sack_count, 0);
}

/* ---- the scoreboard ---- */

enum { RANGES = 48 };

static bool add(struct tcp_scoreboard *sb, uint32_t start, uint32_t end)
{
	return tcp_scoreboard_add(sb, (struct tcp_range){seq(start), seq(end)});
}

static void assert_range(const struct tcp_scoreboard *sb, unsigned i, uint32_t start,
                         uint32_t end)
{
	assert_true(i < sb->count);
	assert_int_equal(sb->range[i].start.v, start);
	assert_int_equal(sb->range[i].end.v, end);
}

static void ranges_are_sorted_and_joined(void **state)
{
	struct tcp_range ranges[RANGES];
	struct tcp_scoreboard sb = {.room = RANGES, .range = ranges};

	assert_true(add(&sb, 300, 400));
	assert_true(add(&sb, 100, 200));
	assert_int_equal(sb.count, 2);
	assert_range(&sb, 0, 100, 200);
	assert_false(add(&sb, 120, 180)); /* nothing new */
	assert_true(add(&sb, 200, 250));  /* touches */
	assert_range(&sb, 0, 100, 250);
	assert_true(add(&sb, 240, 310)); /* joins both */
	assert_int_equal(sb.count, 1);
	assert_range(&sb, 0, 100, 400);
	assert_int_equal(sb.bytes, 300);
	tcp_scoreboard_advance(&sb, seq(150));
	assert_range(&sb, 0, 150, 400);
	assert_int_equal(sb.bytes, 250);
	tcp_scoreboard_advance(&sb, seq(400));
	assert_int_equal(sb.count, 0);
	assert_int_equal(sb.bytes, 0);
}

static void a_full_scoreboard_takes_only_what_joins(void **state)
{
	struct tcp_range ranges[RANGES];
	struct tcp_scoreboard sb = {.room = RANGES, .range = ranges};

	for (uint32_t i = 0; i < RANGES; i++)
		assert_true(add(&sb, 1000 + 100 * i, 1050 + 100 * i));
	assert_false(tcp_scoreboard_takes(&sb, (struct tcp_range){seq(10), seq(20)}));
	assert_false(add(&sb, 99000, 99050));
	assert_false(add(&sb, 10, 20));
	assert_true(tcp_scoreboard_takes(&sb, (struct tcp_range){seq(1050), seq(1060)}));
	assert_true(add(&sb, 1050, 1060));
	assert_int_equal(sb.count, RANGES);
	assert_range(&sb, 0, 1000, 1060);
	assert_int_equal(sb.bytes, 50 * RANGES + 10);
}

static void one_without_ranges_takes_nothing(void **state)
{
	struct tcp_scoreboard sb = {0};

	assert_false(add(&sb, 10, 20));
	tcp_scoreboard_advance(&sb, seq(400));
	assert_int_equal(
	    tcp_scoreboard_missing(&sb, (struct tcp_range){seq(10), seq(20)}), 10);
	assert_int_equal(sb.count + sb.bytes, 0);
}

static bool gap(const struct tcp_scoreboard *sb, uint32_t start, uint32_t end,
                struct tcp_range *found)
{
	return tcp_scoreboard_gap(sb, (struct tcp_range){seq(start), seq(end)}, found);
}

static void holes_and_missing_bytes_are_found_across_the_wrap(void **state)
{
	struct tcp_range ranges[RANGES];
	struct tcp_scoreboard sb = {.room = RANGES, .range = ranges};
	struct tcp_range hole;

	add(&sb, 0xfffffff0, 0x10);
	add(&sb, 0x20, 0x30);
	assert_int_equal(sb.bytes, 0x30);
	assert_true(gap(&sb, 0xffffffe0, 0x40, &hole));
	assert_int_equal(hole.start.v, 0xffffffe0);
	assert_int_equal(hole.end.v, 0xfffffff0);
	assert_true(gap(&sb, 0xfffffff8, 0x18, &hole));
	assert_int_equal(hole.start.v, 0x10);
	assert_int_equal(hole.end.v, 0x18);
	assert_true(gap(&sb, 0x28, 0x40, &hole));
	assert_int_equal(hole.start.v, 0x30);
	assert_int_equal(hole.end.v, 0x40);
	assert_false(gap(&sb, 0x20, 0x30, &hole));
	assert_int_equal(
	    tcp_scoreboard_missing(&sb, (struct tcp_range){seq(0xffffffe0), seq(0x40)}),
	    0x60 - 0x30);
}

static uint32_t cut(struct tcp_scoreboard *sb, uint32_t start, uint32_t end)
{
	return tcp_scoreboard_remove(sb, (struct tcp_range){seq(start), seq(end)});
}

static void a_range_is_taken_out_again(void **state)
{
	struct tcp_range ranges[RANGES];
	struct tcp_scoreboard sb = {.room = RANGES, .range = ranges};

	add(&sb, 100, 200);
	add(&sb, 300, 400);
	add(&sb, 500, 600);
	assert_int_equal(cut(&sb, 200, 300), 0);
	assert_int_equal(cut(&sb, 350, 550), 100); /* one end, and the other */
	assert_range(&sb, 1, 300, 350);
	assert_range(&sb, 2, 550, 600);
	assert_int_equal(cut(&sb, 120, 130), 10); /* the middle */
	assert_range(&sb, 0, 100, 120);
	assert_range(&sb, 1, 130, 200);
	assert_int_equal(sb.count, 4);
	assert_int_equal(cut(&sb, 0, 1000), 20 + 70 + 50 + 50);
	assert_int_equal(sb.count, 0);
	assert_int_equal(sb.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(sequence_numbers_compare_across_the_wrap),
	    cmocka_unit_test(a_syn_is_read),
	    cmocka_unit_test(what_was_read_is_written_as_it_was),
	    cmocka_unit_test(all_options_survive_the_way_there_and_back),
	    cmocka_unit_test(broken_headers_are_refused),
	    cmocka_unit_test(broken_options_are_refused_and_unknown_ones_skipped),
	    cmocka_unit_test(a_window_scale_above_14_is_taken_as_14),
	    cmocka_unit_test(an_inverted_sack_block_is_ignored),
	    cmocka_unit_test(ranges_are_sorted_and_joined),
	    cmocka_unit_test(a_full_scoreboard_takes_only_what_joins),
	    cmocka_unit_test(one_without_ranges_takes_nothing),
	    cmocka_unit_test(holes_and_missing_bytes_are_found_across_the_wrap),
	    cmocka_unit_test(a_range_is_taken_out_again),
	};

	return cmocka_run_group_tests_name("tcp_wire", all, NULL, NULL) != 0;
}
