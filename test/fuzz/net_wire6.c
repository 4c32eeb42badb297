/*
 * The wire formats of IPv6, each parser on bytes of exact size: the first byte of the input
 * says which. What was parsed is written again and read again, and the second reading must
 * say what the first one did.
 */
#include "fuzz.h"
#include <lib/net/mld_wire.h>
#include <lib/net/nd_wire.h>

static const struct ip_addr router = {{0xfe, 0x80, [15] = 1}};
static const struct ip_addr host = {{0x20, 0x01, 0x0d, 0xb8, [15] = 2}};
static const struct ip_addr group = {{0xff, 2, [15] = 1}};

/* True if the slice lies within the other one. */
static bool within(struct slice part, struct slice whole)
{
	return part.len == 0 || (part.data >= whole.data &&
	                         part.data + part.len <= whole.data + whole.len);
}

/* ---- the header and what is chained to it ---- */

/* What a step of the walk says about a packet of `size` bytes must hold. */
static void check_step(const struct ip6_chain *chain, enum ip6_walk result,
                       const struct ip6_problem *problem, size_t size)
{
	FUZZ_CHECK(chain->headers <= IP6_HEADERS_MAX);
	FUZZ_CHECK(chain->at >= IP6_HEADER && chain->at <= size);
	FUZZ_CHECK(chain->named_at < chain->at);
	switch (result) {
	case IP6_WALK_PROBLEM:
		/* A header that is cut off may lack the very byte. */
		FUZZ_CHECK(problem->pointer < size + 4);
		FUZZ_REACH(problem->code == IP6_PROBLEM_OPTION, "an unknown option");
		FUZZ_REACH(problem->code == IP6_PROBLEM_NEXT, "options out of place");
		FUZZ_REACH(problem->code == IP6_PROBLEM_FIRST_FRAGMENT,
		           "headers that are not all in the first fragment");
		break;
	case IP6_WALK_FRAGMENT:
		FUZZ_CHECK(chain->fragment.offset % 8 == 0);
		FUZZ_CHECK(chain->fragment.offset + chain->payload.len <=
		           IP6_PAYLOAD_MAX);
		FUZZ_CHECK(chain->payload.len && chain->joined);
		break;
	case IP6_WALK_UPPER:
		FUZZ_CHECK(chain->next != IP6_NEXT_NONE);
		break;
	case IP6_WALK_DROP:
		break;
	}
}

static void try_packet(struct slice bytes)
{
	struct ip6_header header, read;
	struct ip6_chain chain;
	struct ip6_problem problem = {0};
	struct slice payload, ignored;
	uint8_t again[IP6_HEADER];

	if (!ip6_wire_parse(bytes, &header, &payload))
		return;
	FUZZ_CHECK(within(payload, bytes) && payload.len == header.payload);
	ip6_wire_emit(again, &header);
	FUZZ_CHECK(memcmp(again, bytes.data, IP6_HEADER) == 0);
	FUZZ_CHECK(ip6_wire_parse_quoted(bytes, &read, &ignored) ||
	           header.next != IP6_NEXT_TCP);

	ip6_chain_start(&chain, &header, payload);
	enum ip6_walk result = ip6_wire_walk(&chain, &problem);
	FUZZ_CHECK(within(chain.payload, payload));
	check_step(&chain, result, &problem, bytes.len);
	FUZZ_REACH(result == IP6_WALK_UPPER && chain.headers >= 3, "three headers");
	FUZZ_REACH(result == IP6_WALK_UPPER && chain.router_alert, "a router alert");
	FUZZ_REACH(result == IP6_WALK_FRAGMENT, "a fragment");
	if (result == IP6_WALK_FRAGMENT) { /* as if it were the whole */
		result = ip6_wire_walk(&chain, &problem);
		FUZZ_CHECK(result != IP6_WALK_FRAGMENT);
		FUZZ_CHECK(within(chain.payload, payload));
		check_step(&chain, result, &problem, bytes.len);
	}
}

static void try_quoted(struct slice bytes)
{
	struct ip6_header header;
	struct slice payload;

	if (!ip6_wire_parse_quoted(bytes, &header, &payload))
		return;
	FUZZ_REACH(payload.len > 8, "a quoted packet");
	FUZZ_CHECK(within(payload, bytes));
	FUZZ_CHECK(header.next != IP6_NEXT_FRAGMENT);
}

/* ---- messages ---- */

/* The first two bytes say from whom, to whom and by how many hops. */
static bool read_message(struct slice *bytes, uint8_t right_ttl,
                         struct net_packet *packet, struct icmp6_message *icmp)
{
	static const struct ip_addr none;
	struct cursor c = cursor_of(*bytes);
	uint8_t how = cursor_u8(&c), ttl = cursor_u8(&c);

	*packet = (struct net_packet){
	    .src = how & 3 ? (how & 1 ? router : host) : none,
	    .dst = how & 4 ? group : host,
	    .ttl = ttl & 0x80 ? ttl : right_ttl,
	    .checksum_valid = true,
	    .payload = *bytes = cursor_rest(&c),
	};
	return icmp6_wire_parse(packet, icmp);
}

static void try_error(struct slice bytes)
{
	struct net_packet packet;
	struct icmp6_message m, read;
	enum net_error_kind kind;

	if (!read_message(&bytes, 64, &packet, &m))
		return;
	FUZZ_CHECK(within(m.body, bytes));
	FUZZ_CHECK(icmp6_wire_error_kind(&m, &kind) == icmp6_is_error(m.type));

	uint8_t *copy = fuzz_copy(bytes);
	packet.payload = slice_of(copy, bytes.len);
	packet.checksum_valid = false;
	icmp6_wire_emit(copy, &m);
	icmp6_wire_seal(copy, bytes.len, &packet.src, &packet.dst);
	FUZZ_CHECK(icmp6_wire_parse(&packet, &read));
	FUZZ_CHECK(read.type == m.type && read.code == m.code && read.word == m.word &&
	           slice_equal(read.body, m.body));
	free(copy);
}

static bool same_discovery(const struct nd_message *a, const struct nd_message *b)
{
	return a->type == b->type && ip_equal(&a->target, &b->target) &&
	       ip_equal(&a->destination, &b->destination) && a->router == b->router &&
	       a->solicited == b->solicited && a->override == b->override &&
	       a->managed == b->managed && a->other == b->other &&
	       a->preference == b->preference && a->hop_limit == b->hop_limit &&
	       a->lifetime == b->lifetime && a->reachable == b->reachable &&
	       a->retransmit == b->retransmit && a->has_mac == b->has_mac &&
	       memcmp(a->mac, b->mac, ETH_MAC) == 0 &&
	       slice_equal(a->options, b->options);
}

static void check_option(const struct nd_option *option, struct slice options)
{
	switch (option->type) {
	case ND_OPTION_SOURCE_MAC:
	case ND_OPTION_TARGET_MAC:
		FUZZ_CHECK(!eth_is_group(option->mac));
		break;
	case ND_OPTION_PREFIX:
		FUZZ_REACH(option->prefix.autonomous, "a prefix");
		FUZZ_CHECK(option->prefix.length <= 128);
		break;
	case ND_OPTION_REDIRECTED:
		FUZZ_CHECK(within(option->quoted, options));
		break;
	case ND_OPTION_MTU:
		break;
	case ND_OPTION_RESOLVERS:
		FUZZ_REACH(true, "resolvers");
		FUZZ_CHECK(option->dns.list.len % sizeof(struct ip_addr) == 0);
		FUZZ_CHECK(within(option->dns.list, options));
		break;
	case ND_OPTION_DOMAINS:
		FUZZ_CHECK(within(option->dns.list, options));
		break;
	}
}

/* The options that were understood, written again, are read the same. */
static void try_options(const struct nd_message *m)
{
	struct cursor c = cursor_of(m->options);
	struct nd_option option, read;
	uint8_t again[256 * 8];

	while (nd_option_next(&c, &option)) {
		struct writer w = writer_of(again, sizeof(again));

		check_option(&option, m->options);
		nd_wire_emit_option(&w, &option);
		FUZZ_CHECK(!w.failed && writer_done(&w).len % 8 == 0);
		struct cursor rest = cursor_of(writer_done(&w));
		FUZZ_CHECK(nd_option_next(&rest, &read) && read.type == option.type);
		check_option(&read, writer_done(&w));
		FUZZ_CHECK(cursor_left(&rest) == 0);
	}
}

static void try_discovery(struct slice bytes)
{
	struct net_packet packet;
	struct icmp6_message icmp;
	struct nd_message m, read;

	if (!read_message(&bytes, ND_HOP_LIMIT, &packet, &icmp) ||
	    !nd_wire_parse(&packet, &icmp, &m))
		return;
	FUZZ_REACH(m.type == ICMP6_ROUTER_ADVERTISEMENT, "a router advertisement");
	FUZZ_REACH(m.type == ICMP6_NEIGHBOUR_SOLICITATION && m.has_mac,
	           "a solicitation with a link address");
	FUZZ_REACH(m.type == ICMP6_REDIRECT, "a redirect");
	FUZZ_CHECK(packet.ttl == ND_HOP_LIMIT && icmp.code == 0);
	FUZZ_CHECK(within(m.options, bytes) && !ip_is4(&m.target));
	try_options(&m);

	/* Its link address is among the options already. */
	bool has_mac = m.has_mac;
	size_t room = bytes.len;
	uint8_t *again = malloc(room);
	struct writer w = writer_of(again, room);
	m.has_mac = false;
	nd_wire_emit(&w, &m);
	m.has_mac = has_mac;
	FUZZ_CHECK(!w.failed);
	packet.payload = writer_done(&w);
	FUZZ_CHECK(icmp6_wire_parse(&packet, &icmp) &&
	           nd_wire_parse(&packet, &icmp, &read) && same_discovery(&m, &read));
	free(again);
}

static void try_query(struct slice bytes)
{
	struct net_packet packet;
	struct icmp6_message icmp;
	struct mld_query query;

	if (!read_message(&bytes, MLD_HOP_LIMIT, &packet, &icmp) ||
	    !mld_wire_parse_query(&packet, true, &icmp, &query))
		return;
	FUZZ_REACH(query.version == 2 && query.sources.len, "a query about sources");
	FUZZ_REACH(query.version == 1, "a query of the first version");
	FUZZ_CHECK(within(query.sources, bytes));
	FUZZ_CHECK(query.sources.len % sizeof(struct ip_addr) == 0);
	FUZZ_CHECK(ip6_is_unspecified(&query.group) || ip6_is_multicast(&query.group));
	FUZZ_CHECK(query.response_delay <= 0x1fff << 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {try_packet, try_quoted, try_error,
	                                                try_discovery, try_query};
	struct slice bytes = slice_skip(slice_of(data, size), 1);

	if (size) {
		uint8_t *copy = fuzz_copy(bytes);
		parsers[data[0] % KILN_COUNT_OF(parsers)](slice_of(copy, bytes.len));
		free(copy);
	}
	return 0;
}
