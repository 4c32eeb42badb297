/*
 * The wire formats of lib/net against fixed bytes: from the RFCs where they have them,
 * else from frames as other stacks send them; and against every truncation of those.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <lib/net/arp_wire.h>
#include <lib/net/dhcp_wire.h>
#include <lib/net/icmp_wire.h>
#include <lib/net/ip4_wire.h>
#include <lib/net/udp_wire.h>

/* ---- checksums ---- */

/* RFC 1071, 4.1, byte by byte. */
static uint16_t plain_checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void the_sum_of_rfc_1071_section_3_comes_out(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	assert_int_equal(checksum_finish(checksum_add(0, bytes, 8)), (uint16_t)~0xddf2);
}

static void every_length_and_alignment_sums_as_the_plain_loop_does(void **state)
{
	uint8_t bytes[300];
	uint32_t noise = 1;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = i % 5 ? (uint8_t)(noise >> 24) : 0xff;
	}
	for (size_t start = 0; start < 16; start++) {
		for (size_t n = 0; n + start <= sizeof(bytes); n++)
			assert_int_equal(
			    checksum_finish(checksum_add(0, bytes + start, n)),
			    plain_checksum(bytes + start, n));
	}
}

static void sums_of_ones_do_not_lose_a_carry(void **state)
{
	static uint8_t ones[65536];

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(checksum_finish(checksum_add(0, ones, 65535)),
	                 plain_checksum(ones, 65535));
	uint32_t sum = 0;
	for (int i = 0; i < 70000; i++) /* more runs than 32 bits hold unfolded */
		sum = checksum_add(sum, ones, 2);
	assert_int_equal(checksum_finish(sum), 0);
}

static void a_run_can_continue_behind_an_even_number_of_bytes(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

	for (size_t cut = 0; cut <= sizeof(bytes); cut += 2) {
		uint32_t sum = checksum_add(0, bytes, cut);
		sum = checksum_add(sum, bytes + cut, sizeof(bytes) - cut);
		assert_int_equal(checksum_finish(sum),
		                 plain_checksum(bytes, sizeof(bytes)));
	}
}

/* ---- ARP ---- */

static const uint8_t arp_request[] = {
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, /* Ethernet, IPv4, request */
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0xc0, 0xa8, 0x7a, 0x4c,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0xa8, 0x7a, 0x01,
};

static void an_arp_request_is_read_and_written_alike(void **state)
{
	struct arp_packet packet;
	uint8_t again[ARP_SIZE];

	assert_true(arp_wire_parse(slice_of(arp_request, ARP_SIZE), &packet));
	assert_int_equal(packet.operation, ARP_REQUEST);
	assert_int_equal(ip4_value(packet.sender), 0xc0a87a4c);
	assert_int_equal(ip4_value(packet.target), 0xc0a87a01);
	assert_memory_equal(packet.sender_mac, arp_request + 8, 6);
	arp_wire_emit(again, &packet);
	assert_memory_equal(again, arp_request, ARP_SIZE);
}

static void arp_of_another_kind_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{1, 6}, {2, 0x86}, {4, 8}, {5, 16}, {7, 0}, {7, 3}, {8, 0xff}};
	struct arp_packet packet;

	for (size_t i = 0; i < KILN_COUNT_OF(wrong); i++) {
		uint8_t bytes[ARP_SIZE];
		memcpy(bytes, arp_request, ARP_SIZE);
		bytes[wrong[i].at] = wrong[i].value;
		assert_false(arp_wire_parse(slice_of(bytes, ARP_SIZE), &packet));
	}
	for (size_t n = 0; n < ARP_SIZE; n++)
		assert_false(arp_wire_parse(slice_of(arp_request, n), &packet));
}

/* ---- IPv4 ---- */

/* A UDP datagram's header, 192.168.0.1 to 192.168.0.199. */
static const uint8_t ip4_fixed[20] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
                                      0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
                                      0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

static void an_ipv4_header_is_read_and_written_alike(void **state)
{
	uint8_t packet[0x80] = {0}, again[IP4_HEADER];
	struct ip4_header h;
	struct slice payload;

	memcpy(packet, ip4_fixed, sizeof(ip4_fixed));
	assert_true(ip4_wire_parse(slice_of(packet, sizeof(packet)), &h, &payload));
	assert_int_equal(h.total, 0x73);
	assert_int_equal(payload.len, 0x73 - 20); /* padding is cut off */
	assert_int_equal(h.protocol, IP_PROTO_UDP);
	assert_int_equal(h.ttl, 64);
	assert_true(h.dont_fragment && !h.more_fragments && h.offset == 0);
	assert_int_equal(ip4_value(h.src), 0xc0a80001);
	ip4_wire_emit(again, &h);
	assert_memory_equal(again, ip4_fixed, IP4_HEADER);
}

static bool ip4_takes(uint8_t *packet, size_t size, size_t header)
{
	struct ip4_header h;
	struct slice payload;
	uint8_t *exact = malloc(size ? size : 1);

	packet[10] = packet[11] = 0;
	uint16_t sum = plain_checksum(packet, header);
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	memcpy(exact, packet, size);
	bool taken = ip4_wire_parse(slice_of(exact, size), &h, &payload);
	free(exact);
	return taken;
}

static void broken_ipv4_headers_are_refused(void **state)
{
	uint8_t packet[0x80] = {0};

	memcpy(packet, ip4_fixed, sizeof(ip4_fixed));
	assert_true(ip4_takes(packet, 0x73, 20));
	for (size_t n = 0; n < 0x73; n++)
		assert_false(ip4_takes(packet, n, 20)); /* shorter than it says */
	packet[0] = 0x65;                               /* version 6 */
	assert_false(ip4_takes(packet, 0x73, 20));
	packet[0] = 0x44; /* a header of 16 bytes */
	assert_false(ip4_takes(packet, 0x73, 16));
	packet[0] = 0x45;
	packet[3] = 19; /* total below the header */
	assert_false(ip4_takes(packet, 0x73, 20));
	memcpy(packet, ip4_fixed, sizeof(ip4_fixed));
	packet[11] ^= 1; /* checksum */
	struct ip4_header h;
	struct slice payload;
	assert_false(ip4_wire_parse(slice_of(packet, 0x73), &h, &payload));
}

static bool ip4_takes_options(const uint8_t options[4])
{
	uint8_t packet[24] = {0};

	memcpy(packet, ip4_fixed, 20);
	packet[0] = 0x46;
	packet[3] = 24;
	memcpy(packet + 20, options, 4);
	return ip4_takes(packet, sizeof(packet), 24);
}

static void options_are_ignored_but_source_routes_refused(void **state)
{
	assert_true(ip4_takes_options((uint8_t[]){1, 1, 1, 0}));
	assert_true(ip4_takes_options((uint8_t[]){148, 4, 0, 0})); /* router alert */
	assert_true(ip4_takes_options((uint8_t[]){0, 131, 255, 9}));
	assert_false(ip4_takes_options((uint8_t[]){131, 3, 4, 0}));
	assert_false(ip4_takes_options((uint8_t[]){137, 3, 4, 0}));
	assert_false(ip4_takes_options((uint8_t[]){7, 1, 0, 0}));
	assert_false(ip4_takes_options((uint8_t[]){7, 5, 0, 0}));
	assert_false(ip4_takes_options((uint8_t[]){1, 1, 1, 7}));
}

/* ---- ICMP ---- */

/* As Linux's ping sends it: id 0x1234, sequence 1. */
static const uint8_t icmp_echo_bytes[] = {0x08, 0x00, 0x2d, 0xf3, 0x12, 0x34,
                                          0x00, 0x01, 'K',  'i',  'l',  'n'};

static void an_echo_request_is_read(void **state)
{
	struct icmp_message m;
	uint8_t bytes[sizeof(icmp_echo_bytes)];

	memcpy(bytes, icmp_echo_bytes, sizeof(bytes));
	assert_true(icmp_wire_parse(slice_of(bytes, sizeof(bytes)), &m));
	assert_int_equal(m.type, ICMP_ECHO);
	assert_int_equal(m.id, 0x1234);
	assert_int_equal(m.number, 1);
	assert_true(slice_equal(m.body, SLICE("Kiln")));
	bytes[9] ^= 4;
	assert_false(icmp_wire_parse(slice_of(bytes, sizeof(bytes)), &m));
	for (size_t n = 0; n < 8; n++)
		assert_false(icmp_wire_parse(slice_of(bytes, n), &m));
}

/* Also where all but the type is zero: RFC 1624's equation then gives the other zero. */
static void a_reply_has_the_requests_checksum_adjusted(void **state)
{
	for (uint32_t id = 0; id < 65536; id += 7) {
		struct icmp_message m = {
		    .type = ICMP_ECHO, .id = (uint16_t)id, .number = id ? 77 : 0};
		uint8_t request[ICMP_HEADER], reply[ICMP_HEADER];
		icmp_wire_emit(request, &m, 0);
		memcpy(reply, request, ICMP_HEADER);
		reply[0] = ICMP_ECHO_REPLY;
		uint16_t sum =
		    icmp_wire_reply_checksum((uint16_t)(request[2] << 8 | request[3]));
		reply[2] = (uint8_t)(sum >> 8);
		reply[3] = (uint8_t)sum;
		assert_int_equal(plain_checksum(reply, ICMP_HEADER), 0);
	}
}

static void plateaus_are_those_of_rfc_1191(void **state)
{
	assert_int_equal(icmp_wire_plateau(1500), 1492);
	assert_int_equal(icmp_wire_plateau(1492), 1006);
	assert_int_equal(icmp_wire_plateau(300), 296);
	assert_int_equal(icmp_wire_plateau(60), 68);
	assert_int_equal(icmp_wire_plateau(65535), 32000);
}

/* ---- UDP ---- */

/* 10.0.0.1:1024 to 10.0.0.2:7, "hi!" */
static uint8_t udp_bytes[] = {0x04, 0x00, 0x00, 0x07, 0x00, 0x0b, 0, 0, 'h', 'i', '!'};

static struct net_packet udp_packet(struct slice bytes)
{
	return (struct net_packet){.src = ip_from4(ip4_of(0x0a000001)),
	                           .dst = ip_from4(ip4_of(0x0a000002)),
	                           .payload = bytes};
}

static void a_udp_datagram_is_read_with_and_without_checksum(void **state)
{
	struct net_packet packet = udp_packet(slice_of(udp_bytes, sizeof(udp_bytes)));
	struct udp_header h;

	udp_bytes[6] = udp_bytes[7] = 0;
	assert_true(udp_wire_parse(&packet, &h));
	assert_int_equal(h.src, 1024);
	assert_int_equal(h.dst, 7);
	assert_true(slice_equal(h.data, SLICE("hi!")));
	/* By hand: 0a00+0001+0a00+0002+0011+000b + 0400+0007+000b+6869+2100 = a19a. */
	udp_bytes[6] = 0x5e;
	udp_bytes[7] = 0x65;
	assert_true(udp_wire_parse(&packet, &h));
	udp_bytes[7] ^= 1;
	assert_false(udp_wire_parse(&packet, &h));
	packet.checksum_valid = true;
	assert_true(udp_wire_parse(&packet, &h));
}

static void a_udp_length_that_lies_is_refused(void **state)
{
	struct udp_header h;

	udp_bytes[6] = udp_bytes[7] = 0;
	for (unsigned length = 0; length < 300; length++) {
		struct net_packet packet =
		    udp_packet(slice_of(udp_bytes, sizeof(udp_bytes)));
		udp_bytes[4] = (uint8_t)(length >> 8);
		udp_bytes[5] = (uint8_t)length;
		assert_int_equal(udp_wire_parse(&packet, &h),
		                 length >= 8 && length <= sizeof(udp_bytes));
	}
	udp_bytes[4] = 0;
	udp_bytes[5] = 11;
}

/* ---- DHCP ---- */

/* An acknowledgement in the manner of common servers. */
static size_t dhcp_ack(uint8_t *bytes)
{
	static const uint8_t start[] = {2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 3,
	                                0, 0, 0, 0, 0,    0,    10,   0,    0, 7};
	static const uint8_t options[] = {
	    0x63, 0x82, 0x53, 0x63, 53,   1,   5,   54,  4,    10, 0, 0,  1, 51,
	    4,    0,    0,    0x0e, 0x10, 58,  4,   0,   0,    7,  8, 59, 4, 0,
	    0,    0x0c, 0x4e, 1,    4,    255, 255, 255, 0,    3,  8, 10, 0, 0,
	    1,    10,   0,    0,    254,  26,  2,   5,   0x78, 0,  0, 255};

	memset(bytes, 0, 236);
	memcpy(bytes, start, sizeof(start));
	memcpy(bytes + 28, (uint8_t[]){2, 0, 0, 0, 0, 2}, 6);
	memcpy(bytes + 236, options, sizeof(options));
	return 236 + sizeof(options);
}

static void a_dhcp_acknowledgement_is_read(void **state)
{
	uint8_t bytes[600];
	size_t size = dhcp_ack(bytes);
	struct dhcp_message m;

	assert_true(dhcp_wire_parse(slice_of(bytes, size), &m));
	assert_int_equal(m.type, DHCP_ACK);
	assert_int_equal(m.xid, 0xdeadbeef);
	assert_int_equal(m.secs, 3);
	assert_int_equal(ip4_value(m.yiaddr), 0x0a000007);
	assert_int_equal(ip4_value(m.server), 0x0a000001);
	assert_int_equal(ip4_value(m.mask), 0xffffff00);
	assert_int_equal(ip4_value(m.router), 0x0a000001); /* the first of two */
	assert_int_equal(m.lease, 3600);
	assert_int_equal(m.renewal, 1800);
	assert_int_equal(m.rebinding, 3150);
	assert_int_equal(m.mtu, 1400);
}

static void options_go_on_in_the_file_and_sname_fields(void **state)
{
	uint8_t bytes[600];
	struct dhcp_message m;

	dhcp_ack(bytes);
	memcpy(bytes + 240, (uint8_t[]){53, 1, 2, 52, 1, 3, 255}, 7);
	memcpy(bytes + 108, (uint8_t[]){54, 4, 9, 9, 9, 9, 255}, 7);
	memcpy(bytes + 44, (uint8_t[]){51, 4, 0, 0, 0, 60, 255}, 7);
	assert_true(dhcp_wire_parse(slice_of(bytes, 247), &m));
	assert_int_equal(ip4_value(m.server), 0x09090909);
	assert_int_equal(m.lease, 60);
	bytes[245] = 1; /* the file field alone */
	assert_true(dhcp_wire_parse(slice_of(bytes, 247), &m));
	assert_int_equal(m.lease, 0);
	bytes[108 + 1] = 200; /* over the field's end */
	assert_false(dhcp_wire_parse(slice_of(bytes, 247), &m));
}

static void an_option_in_parts_is_joined_across_the_fields(void **state)
{
	uint8_t bytes[600], value[32];
	struct writer w = writer_of(value, sizeof(value));

	dhcp_ack(bytes);
	memcpy(bytes + 240,
	       (uint8_t[]){53, 1, 5, 119, 3, 1, 'a', 0, 52, 1, 3, 119, 1, 1, 255}, 15);
	memcpy(bytes + 108, (uint8_t[]){119, 2, 'b', 0, 255}, 5);
	memcpy(bytes + 44, (uint8_t[]){0, 119, 2, 192, 0, 255}, 6);
	struct slice message = slice_of(bytes, 255);
	assert_true(dhcp_wire_option(message, DHCP_OPTION_SEARCH, &w));
	assert_true(slice_equal(writer_done(&w), SLICE("\1a\0\1b\0\300\0")));
	assert_false(dhcp_wire_option(message, DHCP_OPTION_DNS, &w));
	w = writer_of(value, 7);
	assert_false(dhcp_wire_option(message, DHCP_OPTION_SEARCH, &w));
	bytes[0] = 1; /* a client's */
	w = writer_of(value, sizeof(value));
	assert_false(dhcp_wire_option(message, DHCP_OPTION_SEARCH, &w));
}

static void no_truncation_of_a_dhcp_message_is_read_past_its_end(void **state)
{
	uint8_t bytes[600], value[64];
	size_t size = dhcp_ack(bytes);
	struct dhcp_message m;

	for (size_t n = 0; n <= size; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, bytes, n);
		bool taken = dhcp_wire_parse(slice_of(exact, n), &m);
		struct writer w = writer_of(value, sizeof(value));
		(void)dhcp_wire_option(slice_of(exact, n), DHCP_OPTION_DNS, &w);
		assert_true(!taken || n >= 243); /* the type must be there */
		free(exact);
	}
}

static void what_is_no_dhcp_reply_is_refused(void **state)
{
	static const size_t at[] = {0, 1, 2, 236, 239};
	struct dhcp_message m;

	for (size_t i = 0; i < KILN_COUNT_OF(at); i++) {
		uint8_t bytes[600];
		size_t size = dhcp_ack(bytes);
		bytes[at[i]] ^= 1;
		assert_false(dhcp_wire_parse(slice_of(bytes, size), &m));
	}
}

static void a_discover_has_the_bytes_of_rfc_2131(void **state)
{
	struct dhcp_message m = {.type = DHCP_DISCOVER,
	                         .xid = 0x3903f326,
	                         .mac = {0, 0x0b, 0x82, 1, 0xfc, 0x42},
	                         .client_id = SLICE("\1\0\x0b\x82\1\xfc\x42")};
	uint8_t bytes[DHCP_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	static const uint8_t start[] = {1, 1, 6, 0, 0x39, 0x03, 0xf3, 0x26, 0, 0};
	static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53,   1, 1,    61,
	                                  7,    1,    0,    0x0b, 0x82, 1, 0xfc, 0x42};

	dhcp_wire_emit(&w, &m);
	assert_false(w.failed);
	assert_int_equal(writer_done(&w).len, DHCP_SIZE_MIN);
	assert_memory_equal(bytes, start, sizeof(start));
	assert_memory_equal(bytes + 28, m.mac, 6);
	assert_memory_equal(bytes + 236, options, sizeof(options));
}

static void a_mask_must_be_ones_and_then_zeroes(void **state)
{
	uint8_t prefix;

	assert_true(dhcp_wire_prefix(ip4_of(0xffffff00), &prefix));
	assert_int_equal(prefix, 24);
	assert_true(dhcp_wire_prefix(ip4_of(0xffffffff), &prefix));
	assert_int_equal(prefix, 32);
	assert_true(dhcp_wire_prefix(ip4_of(0x80000000), &prefix));
	assert_int_equal(prefix, 1);
	assert_false(dhcp_wire_prefix(ip4_of(0xff00ff00), &prefix));
}

/* ---- addresses ---- */

static void address_texts_are_read_strictly(void **state)
{
	static const char *const bad[] = {
	    "",         "1",         "1.2.3",  "1.2.3.4.", "1.2.3.4.5",
	    "01.2.3.4", "1.2.3.256", "1..2.3", ".1.2.3.4", "1.2.3.4 ",
	    "1.2.3.-4", "a.b.c.d",   "1.2.3.", "+1.2.3.4", "1.2.3.99999999999"};
	struct ip4_addr a;

	assert_true(ip4_parse(SLICE("192.0.2.1"), &a));
	assert_int_equal(ip4_value(a), 0xc0000201);
	assert_true(ip4_parse(SLICE("0.0.0.0"), &a));
	assert_true(ip4_parse(SLICE("255.255.255.255"), &a));
	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++)
		assert_false(ip4_parse(slice_text(bad[i]), &a));
}

static void ipv6_texts_are_read_in_all_forms_of_rfc_4291(void **state)
{
	static const char *const good[] = {
	    "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
	    "2001:DB8:0:0:8:800:200C:417A",
	    "2001:db8::8:800:200c:417a",
	    "FF01::101",
	    "::1",
	    "::",
	    "1::",
	    "0:0:0:0:0:0:13.1.68.3",
	    "::13.1.68.3",
	    "::FFFF:129.144.52.38",
	    "1:2:3:4:5:6:7::",
	    "::2:3:4:5:6:7:8",
	    "1:2:3:4:5:6:1.2.3.4",
	    "1::6:1.2.3.4",
	    "0001:0020:0300:4000::",
	};
	static const char *const bad[] = {
	    "",
	    ":",
	    ":::",
	    "1",
	    "1:2:3",
	    "1:::2",
	    "1::2::3",
	    "1:2:3:4:5:6:7",
	    ":1::2",
	    "1::2:",
	    "12345::",
	    "00001::",
	    "g::",
	    "1:2:3:4:5:6:7:8:9",
	    "1:2:3:4:5:6:7:8::",
	    "::1 ",
	    " ::1",
	    "::1%eth0",
	    "1:2:3:4::5:6:7:8",
	    "[::1]",
	    "::1/64",
	    "::1.2.3",
	    "::1.2.3.4:5",
	    "::01.2.3.4",
	    "::1.2.3.256",
	    "1:2:3:4:5:6:7:1.2.3.4",
	    "1.2.3.4::",
	    "1.2.3.4",
	    "::-1",
	    "1:2:3:4:5:6:7:8:",
	};
	struct ip_addr a;
	uint8_t expected[16];

	for (size_t i = 0; i < KILN_COUNT_OF(good); i++) {
		assert_true(ip6_parse(slice_text(good[i]), &a));
		assert_int_equal(inet_pton(AF_INET6, good[i], expected), 1);
		assert_memory_equal(&a, expected, sizeof(expected));
	}
	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++) {
		if (ip6_parse(slice_text(bad[i]), &a))
			fail_msg("'%s' is taken", bad[i]);
	}
}

/* Texts of the right characters, a few of which are addresses. */
static void ipv6_texts_are_read_as_the_c_library_reads_them(void **state)
{
	static const char characters[] = ":::::00123aF.";
	static const char *const starts[] = {"", "::", "1:2:3:4:5:6:", "1::", "::ffff:"};
	uint32_t noise = 1;
	unsigned taken = 0;

	for (unsigned i = 0; i < 200000; i++) {
		char text[40] = {0};
		size_t size = 1 + (noise >> 9) % 12;
		struct ip_addr a, expected;

		for (size_t at = 0; at < size; at++) {
			noise = noise * 1664525 + 1013904223;
			text[at] = characters[(noise >> 20) % (sizeof(characters) - 1)];
		}
		char whole[80];
		size_t length = strlen(starts[i % 5]);
		memcpy(whole, starts[i % 5], length);
		memcpy(whole + length, text, size + 1);
		bool is = inet_pton(AF_INET6, whole, &expected) == 1;
		if (ip6_parse(slice_text(whole), &a) != is)
			fail_msg("'%s' is %s", whole, is ? "refused" : "taken");
		if (is)
			assert_true(ip_equal(&a, &expected));
		taken += is;
	}
	assert_true(taken > 1000);
}

static void an_address_is_read_as_it_was_written(void **state)
{
	uint32_t noise = 7;

	for (unsigned i = 0; i < 20000; i++) {
		struct endpoint e = {.port = (uint16_t)(1 + i % 65535)}, read_e;
		struct ip_prefix prefix;
		struct ip_addr read;
		char text[80];
		struct writer w = writer_of(text, sizeof(text));

		for (size_t at = 0; at < 16; at++) {
			noise = noise * 1664525 + 1013904223;
			e.addr.bytes[at] =
			    noise >> 30 ? 0 : (uint8_t)(noise >> 20); /* many zeroes */
		}
		if (i % 4 == 0)
			e.addr = ip_from4(ip4_of(noise));
		ip_format(&w, &e.addr);
		assert_true(ip_parse(writer_done(&w), &read));
		assert_true(ip_equal(&read, &e.addr));
		writer_text(&w, "/17");
		assert_true(ip_prefix_parse(writer_done(&w), &prefix));
		assert_true(ip_equal(&prefix.addr, &e.addr));
		assert_int_equal(prefix.bits, 17);
		w = writer_of(text, sizeof(text));
		endpoint_format(&w, &e);
		assert_true(endpoint_parse(writer_done(&w), &read_e));
		assert_true(ip_equal(&read_e.addr, &e.addr));
		assert_int_equal(read_e.port, e.port);
	}
}

static void endpoints_are_read_strictly(void **state)
{
	static const char *const bad[] = {"",
	                                  "1.2.3.4",
	                                  "1.2.3.4:",
	                                  "1.2.3.4:0",
	                                  "1.2.3.4:65536",
	                                  "::1:80",
	                                  "[::1]",
	                                  "[::1]80",
	                                  "[::1]:",
	                                  "[::1]:0",
	                                  "[::1:80",
	                                  "::1]:80",
	                                  "[1.2.3.4]:80",
	                                  "[::ffff:1.2.3.4]:80",
	                                  ":80",
	                                  "[]:80",
	                                  "1.2.3.4:80 "};
	struct endpoint e;

	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++) {
		if (endpoint_parse(slice_text(bad[i]), &e))
			fail_msg("'%s' is taken", bad[i]);
	}
}

static bool has(const char *prefix, const char *address)
{
	struct ip_prefix p;
	struct ip_addr a;

	assert_true(ip_prefix_parse(slice_text(prefix), &p));
	assert_true(ip_parse(slice_text(address), &a));
	return ip_prefix_has(&p, &a);
}

static void a_prefix_has_the_addresses_of_its_family_only(void **state)
{
	assert_true(has("10.1.0.0/16", "10.1.255.255"));
	assert_false(has("10.1.0.0/16", "10.2.0.0"));
	assert_true(has("10.1.2.3/32", "10.1.2.3"));
	assert_false(has("10.1.2.3/32", "10.1.2.2"));
	assert_true(has("0.0.0.0/0", "255.0.0.1"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_false(has("::/0", "10.0.0.1"));
	assert_true(has("::/0", "2001:db8::1"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("2001:db8::1/128", "2001:db8::1"));
}

static void expect_text(const uint8_t bytes[16], const char *expected)
{
	struct endpoint e = {.port = 80};
	char text[80];
	struct writer w = writer_of(text, sizeof(text));

	memcpy(e.addr.bytes, bytes, 16);
	endpoint_format(&w, &e);
	writer_u8(&w, 0);
	assert_string_equal(text, expected);
}

static void endpoints_are_written_as_rfc_5952_wants(void **state)
{
	expect_text((uint8_t[16]){[10] = 255, 255, 10, 0, 0, 2}, "10.0.0.2:80");
	expect_text((uint8_t[16]){0}, "[::]:80");
	expect_text((uint8_t[16]){[15] = 1}, "[::1]:80");
	expect_text((uint8_t[16]){0x20, 1, 0x0d, 0xb8, [15] = 1}, "[2001:db8::1]:80");
	expect_text(
	    (uint8_t[16]){0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1},
	    "[2001:db8:0:1::1]:80");
	expect_text((uint8_t[16]){0x20, 1, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6},
	            "[2001:0:1:2:3:4:5:6]:80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_sum_of_rfc_1071_section_3_comes_out),
	    cmocka_unit_test(every_length_and_alignment_sums_as_the_plain_loop_does),
	    cmocka_unit_test(sums_of_ones_do_not_lose_a_carry),
	    cmocka_unit_test(a_run_can_continue_behind_an_even_number_of_bytes),
	    cmocka_unit_test(an_arp_request_is_read_and_written_alike),
	    cmocka_unit_test(arp_of_another_kind_is_refused),
	    cmocka_unit_test(an_ipv4_header_is_read_and_written_alike),
	    cmocka_unit_test(broken_ipv4_headers_are_refused),
	    cmocka_unit_test(options_are_ignored_but_source_routes_refused),
	    cmocka_unit_test(an_echo_request_is_read),
	    cmocka_unit_test(a_reply_has_the_requests_checksum_adjusted),
	    cmocka_unit_test(plateaus_are_those_of_rfc_1191),
	    cmocka_unit_test(a_udp_datagram_is_read_with_and_without_checksum),
	    cmocka_unit_test(a_udp_length_that_lies_is_refused),
	    cmocka_unit_test(a_dhcp_acknowledgement_is_read),
	    cmocka_unit_test(options_go_on_in_the_file_and_sname_fields),
	    cmocka_unit_test(an_option_in_parts_is_joined_across_the_fields),
	    cmocka_unit_test(no_truncation_of_a_dhcp_message_is_read_past_its_end),
	    cmocka_unit_test(what_is_no_dhcp_reply_is_refused),
	    cmocka_unit_test(a_discover_has_the_bytes_of_rfc_2131),
	    cmocka_unit_test(a_mask_must_be_ones_and_then_zeroes),
	    cmocka_unit_test(address_texts_are_read_strictly),
	    cmocka_unit_test(ipv6_texts_are_read_in_all_forms_of_rfc_4291),
	    cmocka_unit_test(ipv6_texts_are_read_as_the_c_library_reads_them),
	    cmocka_unit_test(endpoints_are_written_as_rfc_5952_wants),
	    cmocka_unit_test(an_address_is_read_as_it_was_written),
	    cmocka_unit_test(endpoints_are_read_strictly),
	    cmocka_unit_test(a_prefix_has_the_addresses_of_its_family_only),
	};

	return cmocka_run_group_tests_name("net wire formats", tests, NULL, NULL);
}
