/*
 * The wire formats of IPv6, ICMPv6, neighbour discovery and multicast listeners: against
 * bytes put together from the RFCs, and against every truncation of them. That what is emitted
 * is parsed to the same struct is in wire_round_trip.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <lib/net/mld_wire.h>
#include <lib/net/nd_wire.h>
#include <lib/net/udp_wire.h>

static const struct ip_addr host_a = {{0xfe, 0x80, [8] = 2, 0, 0, 0xff, 0xfe, 0, 0, 1}};
static const struct ip_addr host_b = {{0x20, 1, 0x0d, 0xb8, [15] = 2}};
static const struct ip_addr all_nodes = {{0xff, 2, [15] = 1}};
static const struct ip_addr none;
static const struct ip_addr mapped = {{[10] = 0xff, 0xff, 10, 0, 0, 1}};
static const uint8_t mac_a[ETH_MAC] = {2, 0, 0, 0, 0, 1};

/* A copy of exactly n bytes, so that the sanitizer sees the first one beyond. */
static struct slice exact(const void *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, bytes, n);
	return slice_of(copy, n);
}

static void drop(struct slice s)
{
	free((void *)(uintptr_t)s.data);
}

/* ---- the fixed header ---- */

static void a_header_has_the_bytes_of_rfc_8200(void **state)
{
	struct ip6_header header = {.src = host_a,
	                            .dst = host_b,
	                            .flow = 0x12345,
	                            .payload = 0x0102,
	                            .traffic_class = 0xb8,
	                            .next = IP6_NEXT_TCP,
	                            .hop_limit = 64};
	static const uint8_t first[] = {0x6b, 0x81, 0x23, 0x45, 1, 2, 6, 64, 0xfe, 0x80};
	uint8_t packet[IP6_HEADER];

	ip6_wire_emit(packet, &header);
	assert_memory_equal(packet, first, sizeof(first));
	assert_memory_equal(packet + 8, &host_a, 16);
	assert_memory_equal(packet + 24, &host_b, 16);
}

static bool addresses_taken(struct ip_addr src, struct ip_addr dst)
{
	struct ip6_header header = {.src = src, .dst = dst, .next = IP6_NEXT_NONE};
	uint8_t packet[IP6_HEADER];
	struct slice payload;

	ip6_wire_emit(packet, &header);
	return ip6_wire_parse(slice_of(packet, sizeof(packet)), &header, &payload);
}

static void addresses_that_no_packet_has_are_refused(void **state)
{
	static const struct ip_addr loopback = {{[15] = 1}};
	struct ip_addr group = all_nodes;

	assert_true(addresses_taken(host_a, host_b));
	assert_true(addresses_taken(none, all_nodes));
	assert_false(addresses_taken(all_nodes, host_b));
	assert_false(addresses_taken(loopback, host_b));
	assert_false(addresses_taken(mapped, host_b));
	assert_false(addresses_taken(host_a, mapped));
	assert_false(addresses_taken(host_a, none));
	assert_false(addresses_taken(host_a, loopback));
	for (uint8_t scope = 0; scope < 2; scope++) {
		group.bytes[1] = scope;
		assert_false(addresses_taken(host_a, group));
	}
}

static void a_short_or_other_packet_is_refused(void **state)
{
	struct ip6_header header = {.src = host_a, .dst = host_b, .payload = 8};
	uint8_t packet[IP6_HEADER + 8] = {0};
	struct slice payload;

	ip6_wire_emit(packet, &header);
	for (size_t n = 0; n <= sizeof(packet); n++) {
		struct slice s = exact(packet, n);
		assert_int_equal(ip6_wire_parse(s, &header, &payload),
		                 n == sizeof(packet));
		drop(s);
	}
	packet[0] = 0x45;
	assert_false(ip6_wire_parse(slice_of(packet, sizeof(packet)), &header, &payload));
}

/* ---- the chain of headers ---- */

struct chain_play {
	struct ip6_header header;
	struct ip6_chain chain;
	struct ip6_problem problem;
};

/* Walks what stands behind a fixed header that says `next`. */
static enum ip6_walk walk(struct chain_play *play, uint8_t next, const void *bytes,
                          size_t size)
{
	play->header = (struct ip6_header){
	    .src = host_a,
	    .dst = ip6_is_multicast(&play->header.dst) ? play->header.dst : host_b,
	    .next = next,
	    .payload = (uint16_t)size};
	ip6_chain_start(&play->chain, &play->header, slice_of(bytes, size));
	return ip6_wire_walk(&play->chain, &play->problem);
}

static void expect_problem(struct chain_play *play, uint8_t code, uint32_t pointer)
{
	assert_int_equal(play->problem.code, code);
	assert_int_equal(play->problem.pointer, pointer);
}

static void a_packet_without_extension_headers_is_the_upper_layers(void **state)
{
	struct chain_play play = {0};

	assert_int_equal(walk(&play, IP6_NEXT_UDP, "12345678", 8), IP6_WALK_UPPER);
	assert_int_equal(play.chain.next, IP6_NEXT_UDP);
	assert_int_equal(play.chain.at, IP6_HEADER);
	assert_int_equal(play.chain.named_at, 6);
	assert_int_equal(play.chain.payload.len, 8);
	assert_false(play.chain.router_alert);
}

static void headers_are_passed_in_any_order(void **state)
{
	/* hop-by-hop (router alert), destination, routing (no segments left), destination */
	static const uint8_t bytes[] = {
	    60, 0, 5, 2,   0, 0, 1, 0, 43,  0,   1,  4, 0, 0, 0, 0, /**/
	    60, 0, 0, 0,   0, 0, 0, 0, 6,   1,   0,  0, 0, 0, 0, 0, /**/
	    1,  6, 1, 255, 9, 9, 9, 9, 't', 'c', 'p'};
	struct chain_play play = {0};

	assert_int_equal(walk(&play, 0, bytes, sizeof(bytes)), IP6_WALK_UPPER);
	assert_int_equal(play.chain.next, IP6_NEXT_TCP);
	assert_int_equal(play.chain.headers, 4);
	assert_int_equal(play.chain.at, IP6_HEADER + 40);
	assert_int_equal(play.chain.named_at, IP6_HEADER + 24);
	assert_true(slice_equal(play.chain.payload, SLICE("tcp")));
	assert_true(play.chain.router_alert);
}

static void the_router_alert_is_that_of_rfc_2711(void **state)
{
	static const uint8_t expected[] = {58, 0, 5, 2, 0, 0, 1, 0};
	uint8_t bytes[IP6_ROUTER_ALERT];
	struct chain_play play = {0};

	ip6_wire_emit_router_alert(bytes, IP6_NEXT_ICMP);
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_int_equal(walk(&play, 0, bytes, sizeof(bytes)), IP6_WALK_UPPER);
	assert_true(play.chain.router_alert);
	bytes[5] = 1; /* RSVP's */
	assert_int_equal(walk(&play, 0, bytes, sizeof(bytes)), IP6_WALK_UPPER);
	assert_false(play.chain.router_alert);
	bytes[5] = 0; /* in a destination header it is an option that nobody knows */
	assert_int_equal(walk(&play, 60, bytes, sizeof(bytes)), IP6_WALK_UPPER);
	assert_false(play.chain.router_alert);
}

static void an_unknown_option_says_itself_what_to_do(void **state)
{
	uint8_t bytes[] = {17, 0, 1, 0, 0x1e, 2, 0, 0};
	struct chain_play play = {0};

	for (unsigned group = 0; group < 2; group++) {
		play.header.dst = group ? all_nodes : host_b;
		bytes[4] = 0x1e; /* 00: skipped */
		assert_int_equal(walk(&play, 60, bytes, 8), IP6_WALK_UPPER);
		bytes[4] = 0x5e; /* 01: dropped in silence */
		assert_int_equal(walk(&play, 60, bytes, 8), IP6_WALK_DROP);
		bytes[4] = 0x9e; /* 10: reported, whoever it was sent to */
		assert_int_equal(walk(&play, 60, bytes, 8), IP6_WALK_PROBLEM);
		expect_problem(&play, IP6_PROBLEM_OPTION, IP6_HEADER + 4);
		assert_true(play.problem.to_group);
		bytes[4] = 0xde; /* 11: reported unless it was sent to a group */
		assert_int_equal(walk(&play, 60, bytes, 8),
		                 group ? IP6_WALK_DROP : IP6_WALK_PROBLEM);
		if (!group) {
			expect_problem(&play, IP6_PROBLEM_OPTION, IP6_HEADER + 4);
			assert_false(play.problem.to_group);
		}
	}
}

static void an_option_over_its_headers_end_is_pointed_at(void **state)
{
	static const uint8_t bytes[] = {17, 0, 0, 0, 0, 0, 1, 9, 17, 0, 0, 0, 0, 0, 0, 0};
	struct chain_play play = {0};

	assert_int_equal(walk(&play, 60, bytes, sizeof(bytes)), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_FIELD, IP6_HEADER + 6);
}

static void hop_by_hop_options_stand_first_or_are_unknown(void **state)
{
	static const uint8_t bytes[] = {0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0};
	struct chain_play play = {0};

	assert_int_equal(walk(&play, 60, bytes, sizeof(bytes)), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_NEXT, IP6_HEADER);
	assert_int_equal(walk(&play, 0, bytes, sizeof(bytes)), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_NEXT, IP6_HEADER);
}

static void a_routing_header_with_segments_left_is_refused(void **state)
{
	/* Type 0 as RFC 5095 wants it, and a type that nobody has. */
	static const uint8_t types[] = {0, 4, 77};
	uint8_t bytes[24] = {17, 2, 0, 1};
	struct chain_play play = {0};

	for (size_t i = 0; i < sizeof(types); i++) {
		bytes[2] = types[i];
		bytes[3] = 1;
		assert_int_equal(walk(&play, 43, bytes, sizeof(bytes)), IP6_WALK_PROBLEM);
		expect_problem(&play, IP6_PROBLEM_FIELD, IP6_HEADER + 2);
		bytes[3] = 0;
		assert_int_equal(walk(&play, 43, bytes, sizeof(bytes)), IP6_WALK_UPPER);
		assert_int_equal(play.chain.payload.len, 0);
	}
}

static void nothing_follows_no_next_header(void **state)
{
	struct chain_play play = {0};

	assert_int_equal(walk(&play, IP6_NEXT_NONE, "data", 4), IP6_WALK_DROP);
}

static void the_number_of_headers_is_bounded(void **state)
{
	uint8_t bytes[(IP6_HEADERS_MAX + 1) * 8];
	struct chain_play play = {0};

	for (size_t n = IP6_HEADERS_MAX; n <= IP6_HEADERS_MAX + 1; n++) {
		for (size_t i = 0; i < n; i++)
			memcpy(bytes + 8 * i,
			       (uint8_t[]){i + 1 == n ? 17 : 60, 0, 1, 4, 0, 0, 0, 0}, 8);
		assert_int_equal(walk(&play, 60, bytes, 8 * n),
		                 n == IP6_HEADERS_MAX ? IP6_WALK_UPPER : IP6_WALK_DROP);
	}
}

static void a_header_over_the_packets_end_is_pointed_at(void **state)
{
	static const uint8_t bytes[] = {17, 1, 1, 4, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0};
	struct chain_play play = {0};

	for (size_t n = 0; n < sizeof(bytes); n++) {
		struct slice s = exact(bytes, n);
		assert_int_equal(walk(&play, 60, s.data, n), IP6_WALK_PROBLEM);
		expect_problem(&play, IP6_PROBLEM_FIELD, IP6_HEADER + 1);
		drop(s);
	}
}

/* ---- fragments ---- */

static enum ip6_walk walk_fragment(struct chain_play *play, uint8_t next,
                                   struct ip6_fragment fragment, size_t size)
{
	static uint8_t bytes[70000];

	ip6_wire_emit_fragment(bytes, next, &fragment);
	return walk(play, IP6_NEXT_FRAGMENT, bytes, IP6_FRAGMENT_HEADER + size);
}

static void the_walk_goes_on_in_the_joined_packet(void **state)
{
	static const uint8_t bytes[] = {44, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 1, 0, 0, 0, 1,
	                                6,  0, 1, 4, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0,
	                                0,  0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0};
	struct chain_play play = {0};
	struct ip6_chain *chain = &play.chain;

	assert_int_equal(walk(&play, 60, bytes, sizeof(bytes)), IP6_WALK_FRAGMENT);
	assert_int_equal(chain->at, IP6_HEADER + 8);
	assert_int_equal(chain->named_at, IP6_HEADER);
	assert_int_equal(chain->next, 60);
	chain->payload = slice_of(bytes + 16, 32);
	assert_int_equal(ip6_wire_walk(chain, &play.problem), IP6_WALK_UPPER);
	assert_int_equal(chain->next, IP6_NEXT_TCP);
	assert_int_equal(chain->at, IP6_HEADER + 16);
	assert_int_equal(chain->payload.len, 24);
}

static void an_atomic_fragment_is_passed(void **state)
{
	static const uint8_t bytes[] = {17, 0, 0, 0, 1, 2, 3, 4, 'd', 'a', 't', 'a'};
	static const uint8_t twice[] = {44, 0, 0, 0, 1, 2, 3, 4, 17, 0, 0, 0, 1, 2, 3, 4};
	struct chain_play play = {0};

	assert_int_equal(walk(&play, 44, bytes, sizeof(bytes)), IP6_WALK_UPPER);
	assert_int_equal(play.chain.next, 17);
	assert_int_equal(play.chain.at, IP6_HEADER + 8);
	assert_int_equal(play.chain.named_at, IP6_HEADER);
	assert_true(slice_equal(play.chain.payload, SLICE("data")));
	assert_int_equal(walk(&play, 44, twice, sizeof(twice)), IP6_WALK_DROP);
}

static void a_fragment_of_a_wrong_size_is_pointed_at(void **state)
{
	struct chain_play play = {0};
	struct ip6_fragment first = {.more = true}, last = {.offset = 65528};

	assert_int_equal(walk_fragment(&play, 6, first, 33), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_FIELD, 4);
	assert_int_equal(walk_fragment(&play, 6, last, 7), IP6_WALK_FRAGMENT);
	assert_int_equal(walk_fragment(&play, 6, last, 8), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_FIELD, IP6_HEADER + 2);
	last.offset = 8;
	assert_int_equal(walk_fragment(&play, 6, last, 0), IP6_WALK_DROP);
}

static void a_first_fragment_holds_all_headers(void **state)
{
	static const uint8_t chained[] = {60, 0, 0, 1, 0, 0, 0, 1,
	                                  6,  1, 1, 4, 0, 0, 0, 0};
	static const uint8_t tcp[] = {6, 16, 24}, udp[] = {17, 0, 8};
	struct chain_play play = {0};
	struct ip6_fragment first = {.more = true};

	assert_int_equal(walk_fragment(&play, tcp[0], first, tcp[1]), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_FIRST_FRAGMENT, 0);
	assert_int_equal(walk_fragment(&play, tcp[0], first, tcp[2]), IP6_WALK_FRAGMENT);
	assert_int_equal(walk_fragment(&play, udp[0], first, udp[2]), IP6_WALK_FRAGMENT);
	assert_int_equal(walk(&play, 44, chained, sizeof(chained)), IP6_WALK_PROBLEM);
	expect_problem(&play, IP6_PROBLEM_FIRST_FRAGMENT, 0);
}

/* ---- quoted packets ---- */

static void a_quoted_packet_is_read_though_it_is_cut_short(void **state)
{
	struct ip6_header header = {
	    .src = host_b, .dst = host_a, .payload = 1000, .next = IP6_NEXT_FRAGMENT};
	struct ip6_fragment fragment = {.more = true};
	uint8_t packet[IP6_HEADER + IP6_FRAGMENT_HEADER + 8] = {0};
	struct slice payload;

	ip6_wire_emit(packet, &header);
	ip6_wire_emit_fragment(packet + IP6_HEADER, IP6_NEXT_UDP, &fragment);
	for (size_t n = 0; n <= sizeof(packet); n++) {
		struct slice s = exact(packet, n);
		bool taken = ip6_wire_parse_quoted(s, &header, &payload);
		assert_int_equal(taken, n >= IP6_HEADER + IP6_FRAGMENT_HEADER);
		if (taken) {
			assert_int_equal(header.next, IP6_NEXT_UDP);
			assert_int_equal(payload.len,
			                 n - IP6_HEADER - IP6_FRAGMENT_HEADER);
		}
		drop(s);
	}
	fragment.offset = 8; /* the transport's header is not in it */
	ip6_wire_emit_fragment(packet + IP6_HEADER, IP6_NEXT_UDP, &fragment);
	assert_false(
	    ip6_wire_parse_quoted(slice_of(packet, sizeof(packet)), &header, &payload));
}

/* ---- ICMPv6 ---- */

static struct net_packet packet_of(struct ip_addr src, struct ip_addr dst, void *bytes,
                                   size_t size)
{
	icmp6_wire_seal(bytes, size, &src, &dst);
	return (struct net_packet){
	    .src = src, .dst = dst, .ttl = 255, .payload = slice_of(bytes, size)};
}

static void the_icmpv6_checksum_covers_the_addresses(void **state)
{
	uint8_t bytes[ICMP6_HEADER] = {ICMP6_ECHO};
	struct net_packet packet = packet_of(host_a, host_b, bytes, sizeof(bytes));
	struct icmp6_message m;

	assert_true(icmp6_wire_parse(&packet, &m));
	packet.dst.bytes[15] ^= 1;
	assert_false(icmp6_wire_parse(&packet, &m));
	packet.checksum_valid = true; /* the device has looked */
	assert_true(icmp6_wire_parse(&packet, &m));
}

static void errors_mean_what_they_mean_for_ipv4(void **state)
{
	static const struct {
		uint8_t type, code;
		enum net_error_kind kind;
	} errors[] = {
	    {1, 0, NET_ERROR_NET},        {1, 1, NET_ERROR_PROHIBITED},
	    {1, 3, NET_ERROR_NET},        {1, 4, NET_ERROR_PROTOCOL},
	    {1, 5, NET_ERROR_PROHIBITED}, {1, 6, NET_ERROR_PROHIBITED},
	    {1, 99, NET_ERROR_NET},       {2, 0, NET_ERROR_TOO_BIG},
	    {3, 0, NET_ERROR_TTL},        {3, 1, NET_ERROR_TTL},
	    {4, 0, NET_ERROR_NET},        {4, 1, NET_ERROR_PROTOCOL},
	    {100, 0, NET_ERROR_NET}, /* unknown, but an error */
	};
	enum net_error_kind kind;

	for (size_t i = 0; i < KILN_COUNT_OF(errors); i++) {
		struct icmp6_message m = {.type = errors[i].type, .code = errors[i].code};
		assert_true(icmp6_wire_error_kind(&m, &kind));
		assert_int_equal(kind, errors[i].kind);
	}
	assert_false(
	    icmp6_wire_error_kind(&(struct icmp6_message){.type = ICMP6_ECHO}, &kind));
}

static void udp_without_a_checksum_is_refused_over_ipv6(void **state)
{
	uint8_t bytes[UDP_HEADER] = {0};
	struct net_packet packet = {
	    .src = host_a, .dst = host_b, .payload = slice_of(bytes, sizeof(bytes))};
	struct udp_header header;

	udp_wire_emit(bytes, 1, 2, 0);
	assert_false(udp_wire_parse(&packet, &header));
	packet.src = packet.dst = mapped;
	assert_true(udp_wire_parse(&packet, &header));
}

/* ---- neighbour discovery ---- */

struct nd_play {
	struct ip_addr src, dst;
	uint8_t ttl;
	uint8_t code;
};

static bool read_nd(const struct nd_play *play, uint8_t *bytes, size_t size,
                    struct nd_message *m)
{
	struct icmp6_message icmp;

	bytes[1] = play->code;
	struct net_packet packet = packet_of(play->src, play->dst, bytes, size);
	packet.ttl = play->ttl;
	return icmp6_wire_parse(&packet, &icmp) && nd_wire_parse(&packet, &icmp, m);
}

static void an_option_that_no_station_means_is_skipped(void **state)
{
	/* The link address of a group, and of nobody; a prefix of 129 bits, the link-local
	 * prefix; an MTU in two units; one and a half resolvers. */
	static const uint8_t bytes[] = {1, 1, 3, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0};
	static const uint8_t mtu[16] = {5, 2};
	static const uint8_t resolvers[32] = {25, 4};
	uint8_t prefix[32] = {3, 4, 129};
	struct nd_option option;
	struct cursor c = cursor_of(slice_of(bytes, sizeof(bytes)));

	assert_false(nd_option_next(&c, &option));
	c = cursor_of(slice_of(mtu, sizeof(mtu)));
	assert_false(nd_option_next(&c, &option));
	c = cursor_of(slice_of(resolvers, sizeof(resolvers)));
	assert_false(nd_option_next(&c, &option));
	c = cursor_of(slice_of(prefix, sizeof(prefix)));
	assert_false(nd_option_next(&c, &option));
	prefix[2] = 64;
	c = cursor_of(slice_of(prefix, sizeof(prefix)));
	assert_true(nd_option_next(&c, &option));
	memcpy(prefix + 16, &host_a, 16);
	c = cursor_of(slice_of(prefix, sizeof(prefix)));
	assert_false(nd_option_next(&c, &option));
}

static void an_option_of_size_zero_refuses_the_message(void **state)
{
	struct nd_play play = {.src = host_a, .dst = all_nodes, .ttl = 255};
	uint8_t bytes[] = {134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, /**/
	                   0,   0, 0, 0, 14, 1, 0, 0, 0, 0, 0, 0};
	struct nd_message m;

	assert_true(read_nd(&play, bytes, sizeof(bytes), &m));
	bytes[17] = 0;
	assert_false(read_nd(&play, bytes, sizeof(bytes), &m));
	bytes[17] = 2; /* over the end */
	assert_false(read_nd(&play, bytes, sizeof(bytes), &m));
}

static void what_came_over_a_router_is_refused(void **state)
{
	for (uint8_t type = ICMP6_ROUTER_SOLICITATION; type <= ICMP6_REDIRECT; type++) {
		struct nd_play play = {.src = host_a, .dst = host_a, .ttl = 255};
		struct nd_message m = {
		    .type = type, .target = host_a, .destination = host_b};
		uint8_t bytes[64];
		struct writer w = writer_of(bytes, sizeof(bytes));

		nd_wire_emit(&w, &m);
		assert_true(read_nd(&play, bytes, writer_done(&w).len, &m));
		play.ttl = 254;
		assert_false(read_nd(&play, bytes, writer_done(&w).len, &m));
		play.ttl = 255;
		play.code = 1;
		assert_false(read_nd(&play, bytes, writer_done(&w).len, &m));
		/* Routers speak by their link-local address. */
		play.code = 0;
		play.src = host_b;
		assert_int_equal(read_nd(&play, bytes, writer_done(&w).len, &m),
		                 type != ICMP6_ROUTER_ADVERTISEMENT &&
		                     type != ICMP6_REDIRECT);
	}
}

static bool nd_taken(const struct nd_play *play, struct nd_message m)
{
	uint8_t bytes[64];
	struct writer w = writer_of(bytes, sizeof(bytes));

	memcpy(m.mac, mac_a, ETH_MAC);
	nd_wire_emit(&w, &m);
	return read_nd(play, bytes, writer_done(&w).len, &m);
}

static void who_has_no_address_probes_the_right_group(void **state)
{
	struct nd_play play = {.dst = ip6_solicited_node(&host_b), .ttl = 255};
	struct nd_message m = {.type = ICMP6_NEIGHBOUR_SOLICITATION, .target = host_b};

	assert_true(nd_taken(&play, m));
	m.has_mac = true;
	assert_false(nd_taken(&play, m));
	m.has_mac = false;
	play.dst = all_nodes;
	assert_false(nd_taken(&play, m));
	m.type = ICMP6_ROUTER_SOLICITATION;
	assert_true(nd_taken(&play, m));
	m.has_mac = true;
	assert_false(nd_taken(&play, m));
}

static void targets_are_hosts(void **state)
{
	static const struct ip_addr loopback = {{[15] = 1}};
	const struct ip_addr wrong[] = {all_nodes, none, loopback, mapped};
	struct nd_play play = {.src = host_a, .dst = host_a, .ttl = 255};

	for (size_t i = 0; i < KILN_COUNT_OF(wrong); i++) {
		struct nd_message m = {.target = wrong[i], .destination = host_b};
		for (m.type = 135; m.type <= ICMP6_REDIRECT; m.type++)
			assert_false(nd_taken(&play, m));
	}
}

static void an_answer_to_all_was_not_solicited(void **state)
{
	struct nd_play play = {.src = host_a, .dst = all_nodes, .ttl = 255};
	struct nd_message m = {.type = ICMP6_NEIGHBOUR_ADVERTISEMENT, .target = host_a};

	assert_true(nd_taken(&play, m));
	m.solicited = true;
	assert_false(nd_taken(&play, m));
}

static void a_redirect_names_a_router_or_the_destination_itself(void **state)
{
	struct nd_play play = {.src = host_a, .dst = host_b, .ttl = 255};
	struct nd_message m = {
	    .type = ICMP6_REDIRECT, .target = host_a, .destination = host_b};
	struct ip_addr other = host_b;

	other.bytes[15] = 9;
	assert_true(nd_taken(&play, m));
	m.target = host_b;
	assert_true(nd_taken(&play, m));
	m.target = other;
	assert_false(nd_taken(&play, m));
	m.target = host_a;
	m.destination = all_nodes;
	assert_false(nd_taken(&play, m));
}

/* ---- multicast listeners ---- */

/* From a router of the link, as it should be. */
static bool read_query(uint8_t *bytes, size_t size, struct mld_query *query)
{
	struct net_packet packet = packet_of(host_a, all_nodes, bytes, size);
	struct icmp6_message icmp;

	packet.ttl = MLD_HOP_LIMIT;
	return icmp6_wire_parse(&packet, &icmp) &&
	       mld_wire_parse_query(&packet, true, &icmp, query);
}

static void the_size_of_a_query_tells_its_version(void **state)
{
	uint8_t bytes[60] = {130, 0, 0, 0, 0x27, 0x10};
	struct mld_query query;

	bytes[24] = 0xfa; /* robustness 2 */
	bytes[25] = 125;
	for (size_t n = 8; n <= 28; n++) {
		struct slice s = exact(bytes, n);
		bool taken = read_query((uint8_t *)(uintptr_t)s.data, n, &query);
		assert_int_equal(taken, n == 24 || n == 28);
		if (taken) {
			assert_int_equal(query.version, n == 24 ? 1 : 2);
			assert_int_equal(query.response_delay, 10000);
			assert_true(ip6_is_unspecified(&query.group));
			assert_int_equal(query.robustness, n == 24 ? 0 : 2);
		}
		drop(s);
	}
	bytes[27] = 2;
	assert_true(read_query(bytes, 60, &query));
	assert_int_equal(query.sources.len, 32);
	assert_false(read_query(bytes, 59, &query));
	/* 5.1.3: from 0x8000 on it is mantissa and exponent. */
	bytes[4] = 0x9a;
	bytes[5] = 0xbc;
	assert_true(read_query(bytes, 60, &query));
	assert_int_equal(query.response_delay, 0x1abc << 4);
	memcpy(bytes + 8, &host_b, 16);
	assert_false(read_query(bytes, 60, &query));
	memcpy(bytes + 8, &all_nodes, 16);
	assert_true(read_query(bytes, 60, &query));
	assert_true(ip_equal(&query.group, &all_nodes));
}

static void a_query_comes_from_a_router_of_the_link(void **state)
{
	uint8_t bytes[28] = {130};
	struct net_packet packet = packet_of(host_a, all_nodes, bytes, sizeof(bytes));
	struct icmp6_message icmp;
	struct mld_query query;

	assert_true(icmp6_wire_parse(&packet, &icmp));
	packet.ttl = 1;
	assert_true(mld_wire_parse_query(&packet, true, &icmp, &query));
	assert_false(mld_wire_parse_query(&packet, false, &icmp, &query));
	packet.ttl = 2;
	assert_false(mld_wire_parse_query(&packet, true, &icmp, &query));
	packet.ttl = 1;
	packet.src = host_b;
	assert_false(mld_wire_parse_query(&packet, true, &icmp, &query));
}

static void reports_have_the_bytes_of_their_rfcs(void **state)
{
	struct mld_record records[] = {{MLD_IS_EXCLUDE, all_nodes},
	                               {MLD_TO_INCLUDE, ip6_solicited_node(&host_b)}};
	static const uint8_t start[] = {143, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0xff, 2};
	static const uint8_t second[] = {3, 0, 0, 0, 0xff, 2, 0,    0, 0, 0,
	                                 0, 0, 0, 0, 0,    1, 0xff, 0, 0, 2};
	static const uint8_t v1[] = {131, 0, 0, 0, 0, 0, 0, 0, 0xff, 2};
	uint8_t bytes[MLD_REPORT_HEADER + 2 * MLD_RECORD_HEADER];
	struct writer w = writer_of(bytes, sizeof(bytes));

	mld_wire_emit_report(&w, records, 2);
	assert_false(w.failed);
	assert_int_equal(writer_left(&w), 0);
	assert_memory_equal(bytes, start, sizeof(start));
	assert_memory_equal(bytes + 28, second, sizeof(second));
	mld_wire_emit_v1(bytes, ICMP6_MLD_REPORT_V1, &all_nodes);
	assert_memory_equal(bytes, v1, sizeof(v1));
	assert_memory_equal(bytes + 8, &all_nodes, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_header_has_the_bytes_of_rfc_8200),
	    cmocka_unit_test(addresses_that_no_packet_has_are_refused),
	    cmocka_unit_test(a_short_or_other_packet_is_refused),
	    cmocka_unit_test(a_packet_without_extension_headers_is_the_upper_layers),
	    cmocka_unit_test(headers_are_passed_in_any_order),
	    cmocka_unit_test(the_router_alert_is_that_of_rfc_2711),
	    cmocka_unit_test(an_unknown_option_says_itself_what_to_do),
	    cmocka_unit_test(an_option_over_its_headers_end_is_pointed_at),
	    cmocka_unit_test(hop_by_hop_options_stand_first_or_are_unknown),
	    cmocka_unit_test(a_routing_header_with_segments_left_is_refused),
	    cmocka_unit_test(nothing_follows_no_next_header),
	    cmocka_unit_test(the_number_of_headers_is_bounded),
	    cmocka_unit_test(a_header_over_the_packets_end_is_pointed_at),
	    cmocka_unit_test(the_walk_goes_on_in_the_joined_packet),
	    cmocka_unit_test(an_atomic_fragment_is_passed),
	    cmocka_unit_test(a_fragment_of_a_wrong_size_is_pointed_at),
	    cmocka_unit_test(a_first_fragment_holds_all_headers),
	    cmocka_unit_test(a_quoted_packet_is_read_though_it_is_cut_short),
	    cmocka_unit_test(the_icmpv6_checksum_covers_the_addresses),
	    cmocka_unit_test(errors_mean_what_they_mean_for_ipv4),
	    cmocka_unit_test(udp_without_a_checksum_is_refused_over_ipv6),
	    cmocka_unit_test(an_option_that_no_station_means_is_skipped),
	    cmocka_unit_test(an_option_of_size_zero_refuses_the_message),
	    cmocka_unit_test(what_came_over_a_router_is_refused),
	    cmocka_unit_test(who_has_no_address_probes_the_right_group),
	    cmocka_unit_test(targets_are_hosts),
	    cmocka_unit_test(an_answer_to_all_was_not_solicited),
	    cmocka_unit_test(a_redirect_names_a_router_or_the_destination_itself),
	    cmocka_unit_test(the_size_of_a_query_tells_its_version),
	    cmocka_unit_test(a_query_comes_from_a_router_of_the_link),
	    cmocka_unit_test(reports_have_the_bytes_of_their_rfcs),
	};

	return cmocka_run_group_tests_name("IPv6 wire formats", tests, NULL, NULL);
}
