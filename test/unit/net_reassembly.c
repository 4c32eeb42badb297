/*
 * IPv4 datagrams that come in pieces (RFC 791, 815): joined in any order, dropped when
 * the pieces contradict each other (RFC 1858, 5722), and held within time and memory.
 */
#include "udp_play.h"

/* Gives bytes [from, to) of a UDP datagram to port 7 that is `size` bytes long. */
static void give_part(struct ip4_header h, size_t size, size_t from, size_t to)
{
	static uint8_t datagram[65535];

	udp_wire_emit(datagram, 1234, 7, size - UDP_HEADER);
	memcpy(datagram + UDP_HEADER, pattern, size - UDP_HEADER);
	h.offset = (uint16_t)from;
	h.more_fragments = to < size;
	fake_receive_ip4(h, slice_of(datagram + from, to - from));
}

static void expect_datagram(size_t size)
{
	assert_int_equal(received.count, 1);
	assert_int_equal(received.size, size - UDP_HEADER);
	assert_memory_equal(received.bytes, pattern, size - UDP_HEADER);
	assert_int_equal(fake.net->fragments.pages.used, 0);
	assert_int_equal(fake.net->fragments.datagrams.used, 0);
	assert_int_equal(fake_counters().reassembled, 1);
}

static void fragments_are_joined_in_any_order(void **state)
{
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
	                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const size_t cut[] = {0, 1480, 2960, 4001};

	for (unsigned order = 0; order < 6; order++) {
		setup_udp(state);
		for (unsigned i = 0; i < 3; i++) {
			unsigned part = orders[order][i];
			assert_int_equal(received.count, 0);
			give_part(from_peer, 4001, cut[part], cut[part + 1]);
		}
		expect_datagram(4001);
		assert_int_equal(fake_drops(), 0);
	}
}

static void the_largest_datagram_fits_the_budget(void **state)
{
	udp_close(echo); /* not echoed */
	assert_int_equal(udp_bind(udp, 7, receive, NULL, &echo), KILN_OK);
	for (size_t at = 0; at < 65515; at += 1480)
		give_part(from_peer, 65515, at, KILN_MIN(at + 1480, 65515));
	expect_datagram(65515);
}

static void datagrams_of_two_senders_are_kept_apart(void **state)
{
	struct ip4_header other = from_peer;

	other.id = 8;
	give_part(from_peer, 3000, 0, 1480);
	give_part(other, 3000, 1480, 3000);
	assert_int_equal(received.count, 0);
	other.src = ip4_of(0x0a000009);
	other.id = 7;
	give_part(other, 3000, 1480, 3000);
	assert_int_equal(received.count, 0);
	give_part(from_peer, 3000, 1480, 3000);
	assert_int_equal(received.count, 1);
}

static void an_exact_duplicate_drops_itself_alone(void **state)
{
	give_part(from_peer, 3000, 0, 1480);
	give_part(from_peer, 3000, 0, 1480);
	assert_int_equal(fake_counters().drop_fragment, 1);
	give_part(from_peer, 3000, 1480, 3000);
	expect_datagram(3000);
}

static void an_overlap_drops_the_datagram_and_what_follows(void **state)
{
	give_part(from_peer, 6000, 0, 1480);
	give_part(from_peer, 6000, 1472, 2952); /* by one unit */
	give_part(from_peer, 6000, 1480, 2960);
	give_part(from_peer, 6000, 2960, 6000);
	assert_int_equal(received.count, 0);
	assert_int_equal(fake_counters().drop_fragment, 4);
	assert_int_equal(fake.net->fragments.pages.used, 0);
	fake_pass(KILN_SECONDS(31));
	assert_int_equal(fake.net->fragments.datagrams.used, 0);
	assert_int_equal(fake_drops(), 4);
	assert_int_equal(fake.sent, 0); /* no time exceeded for that */
}

static void a_duplicate_with_other_bytes_is_an_overlap(void **state)
{
	struct ip4_header h = from_peer;

	h.more_fragments = true;
	fake_receive_ip4(h, slice_of(pattern, 1480));
	fake_receive_ip4(h, slice_of(pattern + 1, 1480));
	assert_int_equal(fake_counters().drop_fragment, 2);
	assert_int_equal(fake.net->fragments.pages.used, 0);
}

static void sizes_that_disagree_drop_the_datagram(void **state)
{
	struct ip4_header h = from_peer;

	h.offset = 2960;
	fake_receive_ip4(h, slice_of(pattern, 100)); /* the last one, it says */
	h.offset = 4000;
	fake_receive_ip4(h, slice_of(pattern, 96)); /* and so does this */
	assert_int_equal(fake_counters().drop_fragment, 2);
	h.id = 8;
	h.more_fragments = true;
	fake_receive_ip4(h, slice_of(pattern, 96));
	h.more_fragments = false;
	h.offset = 800; /* an end before bytes that have come */
	fake_receive_ip4(h, slice_of(pattern, 96));
	assert_int_equal(fake_counters().drop_fragment, 4);
	assert_int_equal(received.count, 0);
}

static void fragments_that_cannot_be_are_dropped(void **state)
{
	struct ip4_header h = from_peer;

	h.more_fragments = true;
	fake_receive_ip4(h, slice_of(pattern, 1479)); /* no multiple of eight */
	fake_receive_ip4(h, slice_of(pattern, 0));    /* empty */
	fake_receive_ip4(h, slice_of(pattern, 8));    /* tiny: RFC 1858 */
	h.offset = 8;
	fake_receive_ip4(h, slice_of(pattern, 1480)); /* over the transport's header */
	h.offset = 65528;
	h.more_fragments = false;
	fake_receive_ip4(h, slice_of(pattern, 100)); /* over 65,535 bytes in all */
	assert_int_equal(fake_counters().drop_fragment, 5);
	assert_int_equal(fake_drops(), 5);
	assert_int_equal(fake.net->fragments.datagrams.used, 0);
}

static void an_unfinished_datagram_is_given_up_after_thirty_seconds(void **state)
{
	struct ip4_header h;
	struct icmp_message m;

	give_part(from_peer, 6000, 0, 1480);
	give_part(from_peer, 6000, 2960, 6000);
	fake_pass(KILN_SECONDS(29));
	assert_int_equal(fake_drops(), 0);
	fake_pass(KILN_SECONDS(2));
	assert_int_equal(fake_counters().drop_fragment, 2);
	assert_int_equal(fake.net->fragments.pages.used, 0);
	assert_true(icmp_wire_parse(sent_ip4(0, &h), &m));
	assert_int_equal(m.type, ICMP_TIME_EXCEEDED);
	assert_int_equal(m.code, ICMP_CODE_REASSEMBLY);
	assert_int_equal(m.body.len, 28);
}

static void one_source_cannot_take_all_of_the_budget(void **state)
{
	struct ip4_header h = from_peer;
	unsigned given = 0;

	h.more_fragments = true;
	for (h.id = 0; h.id < 20; h.id++, given++)
		fake_receive_ip4(h, slice_of(pattern, 1480));
	assert_int_equal(fake.net->fragments.datagrams.used,
	                 fake.net->fragments.datagrams.count / 2);
	for (size_t at = 1480; at + 1480 < 65500; at += 1480, given++) {
		h.id = 0;
		h.offset = (uint16_t)at;
		fake_receive_ip4(h, slice_of(pattern, 1480));
	}
	assert_true(fake.net->fragments.pages.used <= fake.net->fragments.source_pages);
	/* Another source is still served. */
	struct ip4_header other = from_peer;
	other.src = ip4_of(0x0a000003);
	give_part(other, 3000, 0, 1480);
	give_part(other, 3000, 1480, 3000);
	assert_int_equal(received.count, 1);
	fake_pass(KILN_SECONDS(31));
	assert_int_equal(fake_counters().drop_fragment, given);
	assert_int_equal(fake.net->fragments.pages.used, 0);
}

static void many_sources_cannot_take_more_than_the_budget(void **state)
{
	struct ip4_header h = from_peer;
	unsigned given = 0;

	h.more_fragments = true;
	for (unsigned host = 3; host < 250; host++) {
		h.src = ip4_of(0x0a000000 + host);
		for (h.offset = 0; h.offset < 9000; h.offset += 1480, given++)
			fake_receive_ip4(h, slice_of(pattern, 1480));
	}
	fake_pass(KILN_SECONDS(31));
	assert_int_equal(fake_counters().drop_fragment, given);
	assert_int_equal(fake.net->fragments.pages.used, 0);
	assert_true(fake.net->fragments.pages.most <= fake.net->fragments.pages.count);
}

static void a_poisoned_datagram_makes_way_for_a_new_one(void **state)
{
	struct ip4_header h = from_peer;
	uint32_t places = fake.net->fragments.datagrams.count;

	for (unsigned i = 0; i < places; i++) { /* two each, of several sources */
		h.src = ip4_of(0x0a000010 + i / 2);
		h.id = (uint16_t)i;
		give_part(h, 3000, 0, 1480);
		if (i == 3)
			give_part(h, 3000, 1472, 2952);
	}
	assert_int_equal(fake.net->fragments.datagrams.used, places);
	give_part(from_peer, 3000, 0, 1480);
	give_part(from_peer, 3000, 1480, 3000);
	assert_int_equal(received.count, 1);
	assert_int_equal(fake.net->fragments.datagrams.used, places - 1);
}

static void congestion_marks_are_joined_as_rfc_3168_wants(void **state)
{
	static const uint8_t tos[][3] = {
	    {2, 3, 1}, {2, 2, 1}, {0, 0, 1}, {0, 3, 0}, {1, 2, 1}};

	for (unsigned i = 0; i < KILN_COUNT_OF(tos); i++) {
		setup_udp(state);
		struct ip4_header h = from_peer;
		h.tos = tos[i][0];
		give_part(h, 3000, 0, 1480);
		h.tos = tos[i][1];
		give_part(h, 3000, 1480, 3000);
		assert_int_equal(received.count, tos[i][2]);
		assert_int_equal(fake_counters().drop_fragment, tos[i][2] ? 0 : 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with(setup_udp, fragments_are_joined_in_any_order),
	    with(setup_udp, the_largest_datagram_fits_the_budget),
	    with(setup_udp, datagrams_of_two_senders_are_kept_apart),
	    with(setup_udp, an_exact_duplicate_drops_itself_alone),
	    with(setup_udp, an_overlap_drops_the_datagram_and_what_follows),
	    with(setup_udp, a_duplicate_with_other_bytes_is_an_overlap),
	    with(setup_udp, sizes_that_disagree_drop_the_datagram),
	    with(setup_udp, fragments_that_cannot_be_are_dropped),
	    with(setup_udp, an_unfinished_datagram_is_given_up_after_thirty_seconds),
	    with(setup_udp, one_source_cannot_take_all_of_the_budget),
	    with(setup_udp, many_sources_cannot_take_more_than_the_budget),
	    with(setup_udp, a_poisoned_datagram_makes_way_for_a_new_one),
	    with(setup_udp, congestion_marks_are_joined_as_rfc_3168_wants),
	};

	return cmocka_run_group_tests_name("net reassembly", tests, NULL, NULL);
}
