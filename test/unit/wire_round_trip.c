/*
 * What is emitted is parsed to the same struct, for every wire format that Kiln both reads and
 * writes: thousands of random ones each, from one seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/dns.h>
#include <lib/net/arp_wire.h>
#include <lib/net/dhcp_wire.h>
#include <lib/net/icmp_wire.h>
#include <lib/net/ip4_wire.h>
#include <lib/net/ip6_wire.h>
#include <lib/net/nd_wire.h>
#include <lib/net/tcp_wire.h>
#include <lib/net/udp_wire.h>

enum { ROUNDS = 2000 };

/* ---- noise ---- */

static uint32_t noise_state = 1;

static uint32_t noise(void)
{
	noise_state ^= noise_state << 13;
	noise_state ^= noise_state >> 17;
	noise_state ^= noise_state << 5;
	return noise_state;
}

static void noise_bytes(void *out, size_t size)
{
	uint8_t *p = out;

	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(noise() >> 11);
}

/* One station's. */
static void noise_mac(uint8_t mac[ETH_MAC])
{
	noise_bytes(mac, ETH_MAC);
	mac[0] = (uint8_t)((mac[0] & ~1) | 2);
}

static struct ip4_addr noise_ip4(void)
{
	return ip4_of(noise());
}

/* 2001:db8::/32, fe80::/10 or fd00::/8 */
static struct ip_addr noise_host(void)
{
	static const uint8_t start[3][4] = {
	    {0x20, 0x01, 0x0d, 0xb8}, {0xfe, 0x80, 0, 0}, {0xfd, 0, 0, 0}};
	struct ip_addr a;

	noise_bytes(&a, sizeof(a));
	memcpy(a.bytes, start[noise() % 3], 4);
	return a;
}

static struct ip_addr noise_global(void)
{
	struct ip_addr a = noise_host();

	memcpy(a.bytes, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
	return a;
}

static struct ip_addr noise_link_local(void)
{
	struct ip_addr a = noise_host();

	memcpy(a.bytes, (uint8_t[]){0xfe, 0x80, 0, 0}, 4);
	return a;
}

static struct ip_addr noise_group(void)
{
	struct ip_addr a = noise_host();

	a.bytes[0] = 0xff;
	a.bytes[1] = (uint8_t)(2 + noise() % 13);
	return a;
}

static const struct ip_addr none;

/* ---- IPv4: ARP, the header, ICMP, UDP ---- */

static void an_arp_packet_is_read_as_it_was_written(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct arp_packet p = {.operation = noise() % 2 ? ARP_REQUEST : ARP_REPLY,
		                       .sender = noise_ip4(),
		                       .target = noise_ip4()};
		struct arp_packet read;
		uint8_t bytes[ARP_SIZE];

		noise_mac(p.sender_mac);
		noise_bytes(p.target_mac, ETH_MAC);
		arp_wire_emit(bytes, &p);
		assert_true(arp_wire_parse(slice_of(bytes, sizeof(bytes)), &read));
		assert_int_equal(read.operation, p.operation);
		assert_memory_equal(read.sender_mac, p.sender_mac, ETH_MAC);
		assert_memory_equal(read.target_mac, p.target_mac, ETH_MAC);
		assert_int_equal(ip4_value(read.sender), ip4_value(p.sender));
		assert_int_equal(ip4_value(read.target), ip4_value(p.target));
	}
}

static void an_ipv4_header_is_read_as_it_was_written(void **state)
{
	static uint8_t packet[IP4_HEADER + 300];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ip4_header h = {.src = noise_ip4(),
		                       .dst = noise_ip4(),
		                       .total = (uint16_t)(IP4_HEADER + noise() % 300),
		                       .id = (uint16_t)noise(),
		                       .offset = (uint16_t)(noise() % 8000 * 8),
		                       .dont_fragment = noise() & 1,
		                       .more_fragments = noise() & 1,
		                       .tos = (uint8_t)noise(),
		                       .ttl = (uint8_t)noise(),
		                       .protocol = (uint8_t)noise()};
		struct ip4_header read;
		struct slice payload;

		ip4_wire_emit(packet, &h);
		assert_true(
		    ip4_wire_parse(slice_of(packet, sizeof(packet)), &read, &payload));
		assert_int_equal(ip4_value(read.src), ip4_value(h.src));
		assert_int_equal(ip4_value(read.dst), ip4_value(h.dst));
		assert_int_equal(read.total, h.total);
		assert_int_equal(read.id, h.id);
		assert_int_equal(read.offset, h.offset);
		assert_int_equal(read.dont_fragment, h.dont_fragment);
		assert_int_equal(read.more_fragments, h.more_fragments);
		assert_int_equal(read.tos, h.tos);
		assert_int_equal(read.ttl, h.ttl);
		assert_int_equal(read.protocol, h.protocol);
		assert_int_equal(read.size, IP4_HEADER);
		assert_ptr_equal(payload.data, packet + IP4_HEADER);
		assert_int_equal(payload.len, h.total - IP4_HEADER);
		/* Any one bit that is another breaks the checksum. */
		packet[noise() % IP4_HEADER] ^= (uint8_t)(1u << noise() % 8);
		assert_false(
		    ip4_wire_parse(slice_of(packet, sizeof(packet)), &read, &payload));
	}
}

static void an_icmp_message_is_read_as_it_was_written(void **state)
{
	uint8_t bytes[ICMP_HEADER + 64];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct icmp_message m = {.type = (uint8_t)noise(),
		                         .code = (uint8_t)noise(),
		                         .id = (uint16_t)noise(),
		                         .number = (uint16_t)noise()};
		struct icmp_message read;
		size_t size = noise() % 64;

		noise_bytes(bytes, sizeof(bytes));
		icmp_wire_emit(bytes, &m, checksum_add(0, bytes + ICMP_HEADER, size));
		assert_true(icmp_wire_parse(slice_of(bytes, ICMP_HEADER + size), &read));
		assert_int_equal(read.type, m.type);
		assert_int_equal(read.code, m.code);
		assert_int_equal(read.id, m.id);
		assert_int_equal(read.number, m.number);
		assert_ptr_equal(read.body.data, bytes + ICMP_HEADER);
		assert_int_equal(read.body.len, size);
	}
}

static void a_udp_header_is_read_as_it_was_written(void **state)
{
	uint8_t bytes[UDP_HEADER + 64];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint16_t src = (uint16_t)noise(), dst = (uint16_t)(1 + noise() % 65535);
		size_t size = noise() % 64;
		bool summed = noise() % 2;
		struct net_packet packet = {
		    .src = summed ? noise_host() : ip_from4(noise_ip4()),
		    .dst = summed ? noise_host() : ip_from4(noise_ip4()),
		    .payload = slice_of(bytes, UDP_HEADER + size)};
		struct udp_header read;

		noise_bytes(bytes, sizeof(bytes));
		udp_wire_emit(bytes, src, dst, size);
		if (summed) {
			uint32_t sum =
			    checksum_pseudo(&packet.src, &packet.dst, IP_PROTO_UDP,
			                    (uint32_t)packet.payload.len);
			uint16_t checksum =
			    checksum_finish(checksum_add(sum, bytes, packet.payload.len));
			bytes[UDP_CHECKSUM] = (uint8_t)(checksum >> 8);
			bytes[UDP_CHECKSUM + 1] = (uint8_t)checksum;
			if (checksum == 0) /* which means none: 0xffff is sent for it */
				continue;
		}
		assert_true(udp_wire_parse(&packet, &read));
		assert_int_equal(read.src, src);
		assert_int_equal(read.dst, dst);
		assert_ptr_equal(read.data.data, bytes + UDP_HEADER);
		assert_int_equal(read.data.len, size);
	}
}

/* ---- IPv6: the header, fragments, ICMPv6, neighbour discovery ---- */

static bool same_ip6(const struct ip6_header *a, const struct ip6_header *b)
{
	return ip_equal(&a->src, &b->src) && ip_equal(&a->dst, &b->dst) &&
	       a->flow == b->flow && a->payload == b->payload &&
	       a->traffic_class == b->traffic_class && a->next == b->next &&
	       a->hop_limit == b->hop_limit;
}

static void an_ipv6_header_is_read_as_it_was_written(void **state)
{
	static uint8_t packet[IP6_HEADER + 300];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ip6_header header = {.src = noise() % 8 ? noise_host() : none,
		                            .dst = noise() % 2 ? noise_host()
		                                               : noise_group(),
		                            .flow = noise() & 0xfffff,
		                            .payload = (uint16_t)(noise() % 300),
		                            .traffic_class = (uint8_t)noise(),
		                            .next = (uint8_t)noise(),
		                            .hop_limit = (uint8_t)noise()};
		struct ip6_header read;
		struct slice payload;

		ip6_wire_emit(packet, &header);
		assert_true(
		    ip6_wire_parse(slice_of(packet, sizeof(packet)), &read, &payload));
		assert_true(same_ip6(&header, &read));
		assert_ptr_equal(payload.data, packet + IP6_HEADER);
		assert_int_equal(payload.len, header.payload);
	}
}

static void a_fragment_is_read_as_it_was_written(void **state)
{
	static uint8_t bytes[IP6_FRAGMENT_HEADER + 800];
	const struct ip6_header header = {.next = IP6_NEXT_FRAGMENT};

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ip6_fragment fragment = {
		    .id = noise(), .offset = noise() % 4096 * 8, .more = noise() & 1};
		size_t size = 24 + noise() % 96 * 8;
		struct ip6_chain chain;
		struct ip6_problem problem;

		if (fragment.offset == 0 && !fragment.more)
			continue; /* an atomic one, which is gone past */
		ip6_wire_emit_fragment(bytes, IP6_NEXT_TCP, &fragment);
		ip6_chain_start(&chain, &header,
		                slice_of(bytes, IP6_FRAGMENT_HEADER + size));
		assert_int_equal(ip6_wire_walk(&chain, &problem), IP6_WALK_FRAGMENT);
		assert_int_equal(chain.fragment.id, fragment.id);
		assert_int_equal(chain.fragment.offset, fragment.offset);
		assert_int_equal(chain.fragment.more, fragment.more);
		assert_int_equal(chain.payload.len, size);
		assert_int_equal(chain.next, IP6_NEXT_TCP);
	}
}

static struct net_packet packet_of(struct ip_addr src, struct ip_addr dst, void *bytes,
                                   size_t size)
{
	icmp6_wire_seal(bytes, size, &src, &dst);
	return (struct net_packet){.src = src,
	                           .dst = dst,
	                           .ttl = ND_HOP_LIMIT,
	                           .payload = slice_of(bytes, size)};
}

static void an_icmpv6_message_is_read_as_it_was_written(void **state)
{
	uint8_t bytes[ICMP6_HEADER + 64];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct icmp6_message m = {
		    .type = (uint8_t)noise(), .code = (uint8_t)noise(), .word = noise()};
		struct icmp6_message read;
		size_t size = ICMP6_HEADER + noise() % 64;

		noise_bytes(bytes, sizeof(bytes));
		icmp6_wire_emit(bytes, &m);
		struct net_packet packet =
		    packet_of(noise_host(), noise_host(), bytes, size);
		assert_true(icmp6_wire_parse(&packet, &read));
		assert_int_equal(read.type, m.type);
		assert_int_equal(read.code, m.code);
		assert_int_equal(read.word, m.word);
		assert_ptr_equal(read.body.data, bytes + ICMP6_HEADER);
		assert_int_equal(read.body.len, size - ICMP6_HEADER);
		bytes[noise() % size] ^= (uint8_t)(1u << noise() % 8);
		assert_false(icmp6_wire_parse(&packet, &read));
	}
}

static bool read_nd(uint8_t *bytes, size_t size, struct nd_message *m)
{
	struct icmp6_message icmp;
	struct net_packet packet =
	    packet_of(noise_link_local(), noise_link_local(), bytes, size);

	return icmp6_wire_parse(&packet, &icmp) && nd_wire_parse(&packet, &icmp, m);
}

static struct nd_message noise_nd(void)
{
	struct nd_message m = {.type = (uint8_t)(ICMP6_ROUTER_SOLICITATION + noise() % 5),
	                       .has_mac = noise() & 1};

	switch (m.type) {
	case ICMP6_ROUTER_ADVERTISEMENT:
		m.managed = noise() & 1;
		m.other = noise() & 1;
		m.preference = (int)(noise() % 3) - 1;
		m.hop_limit = (uint8_t)noise();
		m.lifetime = (uint16_t)noise();
		m.reachable = noise();
		m.retransmit = noise();
		break;
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		m.router = noise() & 1;
		m.solicited = noise() & 1;
		m.override = noise() & 1;
		m.target = noise_host();
		break;
	case ICMP6_NEIGHBOUR_SOLICITATION:
		m.target = noise_host();
		break;
	case ICMP6_REDIRECT:
		m.target = noise_link_local();
		m.destination = noise_host();
		break;
	}
	if (m.has_mac)
		noise_mac(m.mac);
	return m;
}

static bool same_nd(const struct nd_message *a, const struct nd_message *b)
{
	return a->type == b->type && ip_equal(&a->target, &b->target) &&
	       ip_equal(&a->destination, &b->destination) && a->router == b->router &&
	       a->solicited == b->solicited && a->override == b->override &&
	       a->managed == b->managed && a->other == b->other &&
	       a->preference == b->preference && a->hop_limit == b->hop_limit &&
	       a->lifetime == b->lifetime && a->reachable == b->reachable &&
	       a->retransmit == b->retransmit && a->has_mac == b->has_mac &&
	       memcmp(a->mac, b->mac, ETH_MAC) == 0;
}

static void a_discovery_message_is_read_as_it_was_written(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct nd_message m = noise_nd(), read;
		uint8_t bytes[64];
		struct writer w = writer_of(bytes, sizeof(bytes));

		nd_wire_emit(&w, &m);
		assert_false(w.failed);
		assert_true(m.type == ICMP6_REDIRECT ||
		            writer_done(&w).len <= ND_SIZE_MAX);
		assert_true(read_nd(bytes, writer_done(&w).len, &read));
		assert_true(same_nd(&m, &read));
		/* Shortened, it is another message or none, and nothing is read past it. */
		for (size_t n = ICMP6_HEADER; n < w.at; n++) {
			uint8_t *copy = malloc(n);

			memcpy(copy, bytes, n);
			bool taken = read_nd(copy, n, &read);
			assert_true(!taken || (m.has_mac && !read.has_mac));
			free(copy);
		}
	}
}

static struct nd_option noise_option(uint8_t *room, size_t size)
{
	static const enum nd_option_type types[] = {
	    ND_OPTION_SOURCE_MAC, ND_OPTION_TARGET_MAC, ND_OPTION_PREFIX,
	    ND_OPTION_REDIRECTED, ND_OPTION_MTU,        ND_OPTION_RESOLVERS,
	    ND_OPTION_DOMAINS};
	struct nd_option o = {.type = types[noise() % KILN_COUNT_OF(types)]};

	noise_bytes(room, size);
	switch (o.type) {
	case ND_OPTION_SOURCE_MAC:
	case ND_OPTION_TARGET_MAC:
		noise_mac(o.mac);
		break;
	case ND_OPTION_PREFIX:
		o.prefix = (struct nd_prefix){.prefix = noise_global(),
		                              .length = (uint8_t)(noise() % 129),
		                              .on_link = noise() & 1,
		                              .autonomous = noise() & 1,
		                              .valid = noise(),
		                              .preferred = noise()};
		break;
	case ND_OPTION_REDIRECTED:
		o.quoted = slice_of(room, noise() % 4 * 8);
		break;
	case ND_OPTION_MTU:
		o.mtu = noise();
		break;
	default:
		o.dns.lifetime = noise();
		o.dns.list = slice_of(room, 16 + noise() % 2 * 16);
	}
	return o;
}

static bool same_option(const struct nd_option *a, const struct nd_option *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case ND_OPTION_SOURCE_MAC:
	case ND_OPTION_TARGET_MAC:
		return memcmp(a->mac, b->mac, ETH_MAC) == 0;
	case ND_OPTION_PREFIX:
		return ip_equal(&a->prefix.prefix, &b->prefix.prefix) &&
		       a->prefix.length == b->prefix.length &&
		       a->prefix.on_link == b->prefix.on_link &&
		       a->prefix.autonomous == b->prefix.autonomous &&
		       a->prefix.valid == b->prefix.valid &&
		       a->prefix.preferred == b->prefix.preferred;
	case ND_OPTION_REDIRECTED:
		return slice_equal(a->quoted, b->quoted);
	case ND_OPTION_MTU:
		return a->mtu == b->mtu;
	default:
		return a->dns.lifetime == b->dns.lifetime &&
		       slice_equal(a->dns.list, b->dns.list);
	}
}

static void options_are_read_as_they_were_written_and_unknown_ones_skipped(void **state)
{
	static const uint8_t unknown[] = {14, 1, 1, 2, 3, 4, 5, 6};

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct nd_option options[4], read;
		uint8_t rooms[4][32], bytes[4 * 48];
		struct writer w = writer_of(bytes, sizeof(bytes));

		for (size_t n = 0; n < 4; n++) {
			options[n] = noise_option(rooms[n], sizeof(rooms[n]));
			writer_bytes(&w, slice_of(unknown, sizeof(unknown)));
			nd_wire_emit_option(&w, &options[n]);
		}
		assert_false(w.failed);
		struct cursor c = cursor_of(writer_done(&w));
		for (size_t n = 0; n < 4; n++) {
			assert_true(nd_option_next(&c, &read));
			assert_true(same_option(&options[n], &read));
		}
		assert_false(nd_option_next(&c, &read));
	}
}

/* ---- TCP ---- */

/* What can be said together: on a SYN, or in any other segment. */
static struct tcp_options noise_options(void)
{
	struct tcp_options o = {.has_timestamps = noise() % 2};

	if (noise() % 2) {
		o.has_mss = noise() % 2;
		o.has_window_scale = noise() % 2;
		o.sack_permitted = noise() % 2;
		o.has_fast_open = noise() % 2;
		if (o.has_fast_open && noise() % 4)
			o.fast_open_size = (uint8_t)(4 + noise() % 7 * 2);
	} else {
		o.sack_count = (uint8_t)(noise() % (o.has_timestamps ? 4 : 5));
	}
	if (o.has_mss)
		o.mss = (uint16_t)noise();
	if (o.has_window_scale)
		o.window_scale = (uint8_t)(noise() % (TCP_WINDOW_SCALE_MAX + 1));
	if (o.has_timestamps) {
		o.ts_value = noise();
		o.ts_echo = noise();
	}
	for (unsigned i = 0; i < o.sack_count; i++) {
		o.sack[i].start = tcp_seq_of(noise());
		o.sack[i].end = tcp_seq_add(o.sack[i].start, 1 + noise() % 100000);
	}
	noise_bytes(o.fast_open, o.fast_open_size);
	return o;
}

static bool same_options(const struct tcp_options *a, const struct tcp_options *b)
{
	for (unsigned i = 0; i < a->sack_count; i++) {
		if (a->sack[i].start.v != b->sack[i].start.v ||
		    a->sack[i].end.v != b->sack[i].end.v)
			return false;
	}
	return a->has_mss == b->has_mss && a->mss == b->mss &&
	       a->has_window_scale == b->has_window_scale &&
	       a->window_scale == b->window_scale &&
	       a->has_timestamps == b->has_timestamps && a->ts_value == b->ts_value &&
	       a->ts_echo == b->ts_echo && a->sack_permitted == b->sack_permitted &&
	       a->sack_count == b->sack_count && a->has_fast_open == b->has_fast_open &&
	       a->fast_open_size == b->fast_open_size &&
	       memcmp(a->fast_open, b->fast_open, sizeof(a->fast_open)) == 0;
}

static void a_tcp_segment_is_read_as_it_was_written(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct tcp_segment s = {.src_port = (uint16_t)noise(),
		                        .dst_port = (uint16_t)noise(),
		                        .seq = tcp_seq_of(noise()),
		                        .ack = tcp_seq_of(noise()),
		                        .flags = (uint8_t)noise(),
		                        .window = (uint16_t)noise(),
		                        .urgent = (uint16_t)noise(),
		                        .options = noise_options()};
		struct tcp_segment read;
		uint8_t bytes[TCP_HEADER_MAX + 32];
		struct writer w = writer_of(bytes, TCP_HEADER_MAX);
		size_t data = noise() % 32;

		tcp_emit(&w, &s);
		assert_false(w.failed);
		assert_int_equal(w.at, tcp_header_size(&s.options));
		assert_true(tcp_parse(slice_of(bytes, w.at + data), &read));
		assert_int_equal(read.src_port, s.src_port);
		assert_int_equal(read.dst_port, s.dst_port);
		assert_int_equal(read.seq.v, s.seq.v);
		assert_int_equal(read.ack.v, s.ack.v);
		assert_int_equal(read.flags, s.flags);
		assert_int_equal(read.window, s.window);
		assert_int_equal(read.urgent, s.urgent);
		assert_true(same_options(&read.options, &s.options));
		assert_ptr_equal(read.data.data, bytes + w.at);
		assert_int_equal(read.data.len, data);
	}
}

/* ---- DHCP ---- */

/* A client's message, read as a server's, which is laid out alike. */
static void a_dhcp_message_is_read_as_it_was_written(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t id[20], name[20], bytes[DHCP_SIZE_MAX];
		struct dhcp_message m = {
		    .type = DHCP_DISCOVER + noise() % DHCP_RELEASE,
		    .xid = noise(),
		    .secs = (uint16_t)noise(),
		    .ciaddr = noise_ip4(),
		    .client_id = slice_of(id, noise() % sizeof(id)),
		    .host_name = slice_of(name, noise() % sizeof(name)),
		    .server = ip4_of(noise() % 2 ? noise() : 0),
		    .requested = ip4_of(noise() % 2 ? noise() : 0),
		};
		struct dhcp_message read;
		struct writer w = writer_of(bytes, sizeof(bytes));
		uint8_t told[32];
		struct writer value = writer_of(told, sizeof(told));
		bool named = m.host_name.len &&
		             (m.type == DHCP_DISCOVER || m.type == DHCP_REQUEST);

		noise_mac(m.mac);
		noise_bytes(id, sizeof(id));
		noise_bytes(name, sizeof(name));
		dhcp_wire_emit(&w, &m);
		assert_false(w.failed);
		assert_true(w.at >= DHCP_SIZE_MIN);
		bytes[offsetof(struct dhcp_wire, operation)] = 2;
		assert_true(dhcp_wire_parse(writer_done(&w), &read));
		assert_int_equal(read.type, m.type);
		assert_int_equal(read.xid, m.xid);
		assert_int_equal(read.secs, m.secs);
		assert_int_equal(ip4_value(read.ciaddr), ip4_value(m.ciaddr));
		assert_memory_equal(read.mac, m.mac, ETH_MAC);
		assert_true(slice_equal(read.client_id, m.client_id));
		assert_int_equal(ip4_value(read.server), ip4_value(m.server));
		assert_int_equal(ip4_value(read.requested), ip4_value(m.requested));
		assert_int_equal(dhcp_wire_option(writer_done(&w), 12, &value), named);
		assert_true(!named || slice_equal(writer_done(&value), m.host_name));
	}
}

/* ---- DNS ---- */

/* Of few letters, so that names end alike and are compressed. */
static struct dns_name noise_name(void)
{
	struct dns_name name = {0};
	unsigned labels = noise() % 5;

	for (unsigned i = 0; i < labels; i++) {
		uint8_t length = (uint8_t)(1 + noise() % 3);

		name.bytes[name.size++] = length;
		for (unsigned k = 0; k < length; k++)
			name.bytes[name.size++] = (uint8_t)('a' + noise() % 2);
	}
	name.bytes[name.size++] = 0;
	return name;
}

static void noise_record(struct dns_record *r, enum dns_section section, uint8_t *room,
                         size_t size)
{
	noise_bytes(room, size);
	*r = (struct dns_record){.section = section,
	                         .name = noise_name(),
	                         .type = (uint16_t)(noise() % 2 ? DNS_A : DNS_TXT),
	                         .class = DNS_CLASS_IN,
	                         .ttl = noise() >> 1,
	                         .data = slice_of(room, noise() % size)};
}

static void expect_record(struct dns_reader *r, const struct dns_record *record)
{
	struct dns_record read;

	assert_true(dns_read_record(r, &read));
	assert_int_equal(read.section, record->section);
	assert_true(dns_name_equal(&read.name, &record->name));
	assert_int_equal(read.type, record->type);
	assert_int_equal(read.class, record->class);
	assert_int_equal(read.ttl, record->ttl);
	assert_true(slice_equal(read.data, record->data));
}

static void a_dns_message_is_read_as_it_was_written(void **state)
{
	enum { RECORDS = 6 };

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t bytes[DNS_UDP_SIZE], rooms[RECORDS][24];
		struct dns_header h = {.id = (uint16_t)noise(),
		                       .flags = noise() % 2 ? DNS_FLAG_RESPONSE : 0,
		                       .opcode = noise() & 15,
		                       .rcode = noise() & 15};
		struct dns_question question = {noise_name(), (uint16_t)noise(),
		                                (uint16_t)noise()};
		struct dns_opt opt = {.udp_size =
		                          (uint16_t)(DNS_UDP_SIZE + noise() % 1000),
		                      .rcode_high = (uint8_t)noise(),
		                      .dnssec = noise() & 1};
		struct dns_record records[RECORDS], last;
		struct dns_question asked;
		struct dns_opt said;
		struct dns_builder b;
		struct dns_reader r;

		dns_build(&b, bytes, sizeof(bytes), &h);
		assert_true(dns_build_question(&b, &question));
		for (unsigned n = 0; n < RECORDS; n++) {
			noise_record(&records[n], DNS_ANSWERS + n / 2, rooms[n],
			             sizeof(rooms[n]));
			assert_true(dns_build_record(&b, &records[n]));
		}
		assert_true(dns_build_opt(&b, &opt));
		assert_true(dns_read(&r, dns_build_done(&b)));
		assert_int_equal(r.header.id, h.id);
		assert_int_equal(r.header.flags, h.flags);
		assert_int_equal(r.header.opcode, h.opcode);
		assert_int_equal(r.header.rcode, h.rcode);
		assert_true(dns_read_question(&r, &asked));
		assert_true(dns_name_equal(&asked.name, &question.name));
		assert_int_equal(asked.type, question.type);
		assert_int_equal(asked.class, question.class);
		for (unsigned n = 0; n < RECORDS; n++)
			expect_record(&r, &records[n]);
		assert_true(dns_read_record(&r, &last));
		assert_int_equal(last.type, DNS_OPT);
		assert_true(dns_data_opt(&last, &said));
		assert_int_equal(said.udp_size, opt.udp_size);
		assert_int_equal(said.rcode_high, opt.rcode_high);
		assert_int_equal(said.version, opt.version);
		assert_int_equal(said.dnssec, opt.dnssec);
		assert_false(dns_read_record(&r, &last) || r.failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_arp_packet_is_read_as_it_was_written),
	    cmocka_unit_test(an_ipv4_header_is_read_as_it_was_written),
	    cmocka_unit_test(an_icmp_message_is_read_as_it_was_written),
	    cmocka_unit_test(a_udp_header_is_read_as_it_was_written),
	    cmocka_unit_test(an_ipv6_header_is_read_as_it_was_written),
	    cmocka_unit_test(a_fragment_is_read_as_it_was_written),
	    cmocka_unit_test(an_icmpv6_message_is_read_as_it_was_written),
	    cmocka_unit_test(a_discovery_message_is_read_as_it_was_written),
	    cmocka_unit_test(
	        options_are_read_as_they_were_written_and_unknown_ones_skipped),
	    cmocka_unit_test(a_tcp_segment_is_read_as_it_was_written),
	    cmocka_unit_test(a_dhcp_message_is_read_as_it_was_written),
	    cmocka_unit_test(a_dns_message_is_read_as_it_was_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
