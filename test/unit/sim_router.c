/*
 * The simulator's switches and routers, frame by frame: stations that are no more than a
 * port at a link send one, and see what comes out where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/target.h>
#include "lib/net/arp_wire.h"
#include "lib/net/icmp_wire.h"
#include "lib/net/ip4_wire.h"
#include "lib/net/nd_wire.h"
#include "target/sim/frame.h"
#include "target/sim/world.h"

enum { STATIONS = 4, SEEN = 16 };

struct station {
	struct sim_port port;
	struct sim_link *link;
	unsigned count;
	uint32_t size[SEEN];
	uint8_t data[SEEN][2048];
};

static struct sim *sim;
static struct station stations[STATIONS];

static void note(struct sim_port *port, struct sim_delivery *delivery)
{
	struct station *s = kiln_container(port, struct station, port);

	assert_true(s->count < SEEN);
	s->size[s->count] = delivery->frame->size;
	memcpy(s->data[s->count++], delivery->frame->data, delivery->frame->size);
	sim_delivery_put(sim, delivery);
}

/* A world needs a node to go on. */
static int sleeper(struct kiln *k)
{
	return kiln_run(k);
}

/* Each station on a link of its own; the first with the mtu. */
static int make_world(void **state)
{
	sim = sim_new(1);
	memset(stations, 0, sizeof(stations));
	for (unsigned i = 0; i < STATIONS; i++) {
		stations[i].link = sim_link_new(sim, NULL, i == 1 ? 1280 : 1500);
		stations[i].port.arrived = note;
		sim_port_attach(&stations[i].port, stations[i].link);
	}
	sim_node_new(sim, "sleeper", 64 << 10, sleeper, NULL);
	return 0;
}

static int end_world(void **state)
{
	for (unsigned i = 0; i < STATIONS; i++)
		sim_port_detach(&stations[i].port);
	sim_free(sim);
	return 0;
}

static void settle(kiln_time time)
{
	sim_run(sim, sim_now(sim) + time);
}

static void forget(void)
{
	for (unsigned i = 0; i < STATIONS; i++)
		stations[i].count = 0;
}

static void send(struct station *from, const uint8_t dst[ETH_MAC], uint16_t type,
                 const void *packet, uint32_t size)
{
	struct sim_frame *frame = sim_frame_get(sim, ETH_HEADER + size);

	eth_wire_emit(frame->data, dst, from->port.mac, type);
	memcpy(frame->data + ETH_HEADER, packet, size);
	sim_port_send(&from->port, frame);
	sim_frame_unref(sim, frame);
	settle(KILN_MS(1));
}

/* ---- switches ---- */

static void a_switch_learns_where_stations_are(void **state)
{
	struct sim_switch *s = sim_switch_new(sim);
	uint8_t payload[50] = {7};

	for (unsigned i = 0; i < 3; i++)
		sim_switch_join(s, stations[i].link);
	send(&stations[0], stations[1].port.mac, 0x88b5, payload, sizeof(payload));
	assert_int_equal(stations[1].count, 1);
	assert_int_equal(stations[2].count, 0); /* a card drops what is not for it */
	send(&stations[1], stations[0].port.mac, 0x88b5, payload, sizeof(payload));
	assert_int_equal(stations[0].count, 1);
	forget();
	send(&stations[0], (const uint8_t[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x88b5,
	     payload, sizeof(payload));
	assert_int_equal(stations[0].count, 0);
	assert_int_equal(stations[1].count, 1);
	assert_int_equal(stations[2].count, 1);
	assert_int_equal(stations[3].count, 0);
}

/* What is learnt is not flooded: the third link carries none of it. */
static void a_switch_keeps_frames_off_other_links(void **state)
{
	struct sim_switch *s = sim_switch_new(sim);
	struct sim_counters before, after;
	uint8_t payload[50] = {7};

	for (unsigned i = 0; i < 3; i++)
		sim_switch_join(s, stations[i].link);
	send(&stations[0], stations[1].port.mac, 0x88b5, payload, sizeof(payload));
	send(&stations[1], stations[0].port.mac, 0x88b5, payload, sizeof(payload));
	sim_counters(sim, &before);
	send(&stations[0], stations[1].port.mac, 0x88b5, payload, sizeof(payload));
	sim_counters(sim, &after);
	assert_int_equal(after.frames - before.frames, 2);
}

static void a_link_that_is_cut_loses_and_carries_again_once_healed(void **state)
{
	struct sim_switch *s = sim_switch_new(sim);
	uint8_t payload[50] = {7};
	struct sim_counters counters;

	sim_switch_join(s, stations[0].link);
	sim_switch_join(s, stations[1].link);
	sim_link_cut(stations[1].link, true);
	send(&stations[0], stations[1].port.mac, 0x88b5, payload, sizeof(payload));
	assert_int_equal(stations[1].count, 0);
	sim_counters(sim, &counters);
	assert_int_equal(counters.cut, 1);
	sim_link_cut(stations[1].link, false);
	send(&stations[0], stations[1].port.mac, 0x88b5, payload, sizeof(payload));
	assert_int_equal(stations[1].count, 1);
}

/* RFC 3168: with two waiting, the queue marks what is ECN-capable, and only that. */
static void a_long_queue_marks_what_can_say_so(void **state)
{
	const struct sim_impairment slow = {.rate = 1000000, .mark = 2};
	struct sim_counters counters;

	sim_link_set(stations[0].link, &slow);
	stations[3].link = stations[0].link;
	sim_port_detach(&stations[3].port);
	sim_port_attach(&stations[3].port, stations[0].link);
	for (uint8_t i = 0; i < 6; i++) {
		struct sim_frame *frame = sim_frame_get(sim, ETH_HEADER + IP4_HEADER);
		const struct ip4_header header = {.total = IP4_HEADER,
		                                  .ttl = 64,
		                                  .id = i,
		                                  .tos =
		                                      i % 2 ? IP_ECN_ECT0 : IP_ECN_NOT};
		eth_wire_emit(frame->data, stations[3].port.mac, stations[0].port.mac,
		              ETH_TYPE_IP4);
		ip4_wire_emit(frame->data + ETH_HEADER, &header);
		sim_port_send(&stations[0].port, frame);
		sim_frame_unref(sim, frame);
	}
	settle(KILN_SECONDS(1));
	assert_int_equal(stations[3].count, 6);
	for (unsigned i = 0; i < 6; i++) {
		uint8_t ecn = stations[3].data[i][ETH_HEADER + 1];
		assert_int_equal(ecn, i % 2 == 0 ? IP_ECN_NOT
		                      : i < 2    ? IP_ECN_ECT0
		                                 : IP_ECN_CE);
	}
	sim_counters(sim, &counters);
	assert_int_equal(counters.marked, 2);
}

/* ---- routers ---- */

static struct sim_router *router;

/* Station i is 10.0.i.2 and fd00:0:0:i::2, the router .1 and ::1. */
static struct ip_addr four(unsigned link, unsigned host)
{
	return ip_from4(ip4_of(0x0a000000u | link << 8 | host));
}

static struct ip_addr six(unsigned link, unsigned host)
{
	return (struct ip_addr){{0xfd, [7] = (uint8_t)link, [15] = (uint8_t)host}};
}

static void make_router(void)
{
	router = sim_router_new(sim);
	for (unsigned i = 0; i < 2; i++) {
		struct ip_addr a = four(i, 1), b = six(i, 1);
		sim_router_join(router, stations[i].link, &a, 24);
		sim_router_join(router, stations[i].link, &b, 64);
	}
}

/* The station says who it is, as one that comes up does; the router knows its address
 * from the answer that it may give. */
static void introduce(unsigned i, uint8_t router_mac[ETH_MAC])
{
	static const uint8_t all[ETH_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct ip_addr own = four(i, 2), its = four(i, 1);
	struct arp_packet packet = {
	    .operation = ARP_REQUEST, .sender = ip_to4(&own), .target = ip_to4(&its)};
	uint8_t bytes[ARP_SIZE];

	memcpy(packet.sender_mac, stations[i].port.mac, ETH_MAC);
	arp_wire_emit(bytes, &packet);
	send(&stations[i], all, ETH_TYPE_ARP, bytes, sizeof(bytes));
	assert_int_equal(stations[i].count, 1);
	assert_true(arp_wire_parse(slice_of(stations[i].data[0] + ETH_HEADER, ARP_SIZE),
	                           &packet));
	assert_int_equal(packet.operation, ARP_REPLY);
	memcpy(router_mac, packet.sender_mac, ETH_MAC);
	forget();
}

static void send4(unsigned from, const uint8_t mac[ETH_MAC], struct ip_addr to,
                  uint8_t ttl, bool dont_fragment, uint16_t payload)
{
	static uint8_t packet[1500];
	struct ip_addr own = four(from, 2);
	const struct ip4_header header = {.src = ip_to4(&own),
	                                  .dst = ip_to4(&to),
	                                  .total = (uint16_t)(IP4_HEADER + payload),
	                                  .id = 77,
	                                  .ttl = ttl,
	                                  .dont_fragment = dont_fragment,
	                                  .protocol = IP_PROTO_UDP};

	ip4_wire_emit(packet, &header);
	for (unsigned i = 0; i < payload; i++)
		packet[IP4_HEADER + i] = (uint8_t)(i * 7);
	send(&stations[from], mac, ETH_TYPE_IP4, packet, IP4_HEADER + payload);
}

/* The i-th packet that a station saw. */
static struct ip4_header seen4(const struct station *s, unsigned i, struct slice *payload)
{
	struct ip4_header header;
	struct slice packet = slice_of(s->data[i] + ETH_HEADER, s->size[i] - ETH_HEADER);

	assert_true(i < s->count);
	assert_true(ip4_wire_parse(packet, &header, payload));
	return header;
}

static struct icmp_message told4(const struct station *s)
{
	struct icmp_message message;
	struct slice payload;

	assert_int_equal(s->count, 1);
	assert_int_equal(seen4(s, 0, &payload).protocol, IP_PROTO_ICMP);
	assert_true(icmp_wire_parse(payload, &message));
	return message;
}

static void a_packet_is_passed_on_with_one_hop_less(void **state)
{
	uint8_t mac[ETH_MAC], other[ETH_MAC];
	struct ip4_header header;
	struct slice payload;

	make_router();
	introduce(0, mac);
	introduce(1, other);
	send4(0, mac, four(1, 2), 64, true, 1000);
	header = seen4(&stations[1], 0, &payload);
	assert_int_equal(header.ttl, 63);
	assert_int_equal(payload.len, 1000);
	assert_int_equal(payload.data[999], (uint8_t)(999 * 7));
	assert_memory_equal(stations[1].data[0], stations[1].port.mac, ETH_MAC);
	assert_memory_equal(stations[1].data[0] + ETH_MAC, other, ETH_MAC);
	assert_int_equal(stations[0].count, 0);
}

static void a_packet_that_has_no_hop_left_is_reported(void **state)
{
	struct icmp_message message;
	uint8_t mac[ETH_MAC];

	make_router();
	introduce(0, mac);
	send4(0, mac, four(1, 2), 1, true, 100);
	message = told4(&stations[0]);
	assert_int_equal(message.type, ICMP_TIME_EXCEEDED);
	assert_int_equal(message.code, 0);
	assert_int_equal(message.body.len, 120);
	assert_int_equal(stations[1].count, 0);
}

static void what_is_too_big_is_cut_or_reported_with_the_mtu(void **state)
{
	struct ip4_header first, second;
	struct icmp_message message;
	struct slice a, b;
	uint8_t mac[ETH_MAC], other[ETH_MAC];

	make_router();
	introduce(0, mac);
	introduce(1, other);
	send4(0, mac, four(1, 2), 64, true, 1400);
	message = told4(&stations[0]);
	assert_int_equal(message.type, ICMP_UNREACHABLE);
	assert_int_equal(message.code, ICMP_CODE_TOO_BIG);
	assert_int_equal(message.number, 1280);
	assert_int_equal(stations[1].count, 0);

	send4(0, mac, four(1, 2), 64, false, 1400);
	assert_int_equal(stations[1].count, 2);
	first = seen4(&stations[1], 0, &a);
	second = seen4(&stations[1], 1, &b);
	assert_true(first.more_fragments && first.offset == 0 && first.total <= 1280);
	assert_true(!second.more_fragments && second.offset == a.len);
	assert_int_equal(first.id, second.id);
	assert_int_equal(a.len + b.len, 1400);
	assert_int_equal(b.data[b.len - 1], (uint8_t)(1399 * 7));
}

static void nowhere_and_nobody_are_reported(void **state)
{
	struct icmp_message message;
	uint8_t mac[ETH_MAC];

	make_router();
	introduce(0, mac);
	send4(0, mac, four(9, 9), 64, true, 100);
	message = told4(&stations[0]);
	assert_int_equal(message.code, ICMP_CODE_NET);
	forget();
	/* Three questions, a second apart, then it is said. */
	send4(0, mac, four(1, 99), 64, true, 100);
	settle(KILN_MS(2500));
	assert_int_equal(stations[0].count, 0);
	assert_int_equal(stations[1].count, 3);
	settle(KILN_SECONDS(1));
	message = told4(&stations[0]);
	assert_int_equal(message.type, ICMP_UNREACHABLE);
	assert_int_equal(message.code, ICMP_CODE_HOST);
	assert_int_equal(stations[1].count, 3);
}

/* About a first fragment, yes; about a later one and about an ICMP error, no (RFC 1122,
 * 3.2.2). */
static void errors_beget_no_errors(void **state)
{
	const struct icmp_message error = {.type = ICMP_TIME_EXCEEDED,
	                                   .body = SLICE("x")};
	struct ip_addr own = four(0, 2), to = four(1, 2);
	struct ip4_header header = {.src = ip_to4(&own),
	                            .dst = ip_to4(&to),
	                            .total = IP4_HEADER + ICMP_HEADER + 1,
	                            .ttl = 1,
	                            .protocol = IP_PROTO_ICMP};
	uint8_t packet[IP4_HEADER + ICMP_HEADER + 1], mac[ETH_MAC];

	make_router();
	introduce(0, mac);
	ip4_wire_emit(packet, &header);
	icmp_wire_emit(packet + IP4_HEADER, &error, checksum_add(0, "x", 1));
	packet[sizeof(packet) - 1] = 'x';
	send(&stations[0], mac, ETH_TYPE_IP4, packet, sizeof(packet));
	header.protocol = IP_PROTO_UDP;
	header.offset = 800;
	ip4_wire_emit(packet, &header);
	send(&stations[0], mac, ETH_TYPE_IP4, packet, sizeof(packet));
	assert_int_equal(stations[0].count, 0);
}

static void a_static_route_leads_to_the_next_router(void **state)
{
	struct ip_addr everything = four(0, 0), gateway = four(1, 2);
	uint8_t mac[ETH_MAC], other[ETH_MAC];
	struct ip4_header header;
	struct slice payload;

	memset(&everything.bytes[12], 0, 4);
	make_router();
	sim_router_route(router, &everything, 0, &gateway);
	introduce(0, mac);
	introduce(1, other);
	send4(0, mac, ip_from4(ip4_of(0xc0000201)), 64, true, 10);
	header = seen4(&stations[1], 0, &payload);
	assert_int_equal(ip4_value(header.dst), 0xc0000201);
	send4(0, mac, four(0, 2), 64, true, 10); /* back to where it came from */
	assert_int_equal(stations[0].count, 1);
}

/* ---- IPv6 ---- */

static void send6(unsigned from, const uint8_t mac[ETH_MAC], const struct ip_addr *src,
                  const struct ip_addr *dst, uint8_t hops, uint8_t next,
                  struct slice payload)
{
	static uint8_t packet[1500];
	const struct ip6_header header = {.src = *src,
	                                  .dst = *dst,
	                                  .payload = (uint16_t)payload.len,
	                                  .next = next,
	                                  .hop_limit = hops};

	ip6_wire_emit(packet, &header);
	memcpy(packet + IP6_HEADER, payload.data, payload.len);
	if (next == IP6_NEXT_ICMP)
		icmp6_wire_seal(packet + IP6_HEADER, payload.len, src, dst);
	send(&stations[from], mac, ETH_TYPE_IP6, packet,
	     (uint32_t)(IP6_HEADER + payload.len));
}

static struct ip6_header seen6(const struct station *s, unsigned i,
                               struct icmp6_message *message)
{
	struct slice packet = slice_of(s->data[i] + ETH_HEADER, s->size[i] - ETH_HEADER);
	struct net_packet about = {0};
	struct ip6_header header;

	assert_true(i < s->count);
	assert_true(ip6_wire_parse(packet, &header, &about.payload));
	about.src = header.src;
	about.dst = header.dst;
	if (message)
		assert_true(icmp6_wire_parse(&about, message));
	return header;
}

static void introduce6(unsigned i, uint8_t router_mac[ETH_MAC])
{
	struct nd_message message = {
	    .type = ICMP6_NEIGHBOUR_SOLICITATION, .target = six(i, 1), .has_mac = true};
	struct ip_addr own = six(i, 2), group = ip6_solicited_node(&message.target);
	uint8_t bytes[ND_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct icmp6_message answer;

	memcpy(message.mac, stations[i].port.mac, ETH_MAC);
	nd_wire_emit(&w, &message);
	send6(i, (const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 1}, &own, &group, ND_HOP_LIMIT,
	      IP6_NEXT_ICMP, writer_done(&w));
	assert_int_equal(stations[i].count, 1);
	(void)seen6(&stations[i], 0, &answer);
	assert_int_equal(answer.type, ICMP6_NEIGHBOUR_ADVERTISEMENT);
	memcpy(router_mac, stations[i].data[0] + ETH_MAC, ETH_MAC);
	forget();
}

static void ip6_is_passed_on_and_errors_are_told(void **state)
{
	static const uint8_t payload[1400];
	struct ip_addr own = six(0, 2), there = six(1, 2), nowhere = six(9, 9);
	struct ip_addr its = six(0, 1);
	struct ip6_header header;
	struct icmp6_message message;
	uint8_t mac[ETH_MAC], other[ETH_MAC];

	make_router();
	introduce6(0, mac);
	introduce6(1, other);
	send6(0, mac, &own, &there, 64, IP6_NEXT_NONE, slice_of(payload, 100));
	assert_int_equal(seen6(&stations[1], 0, NULL).hop_limit, 63);
	send6(0, mac, &own, &there, 1, IP6_NEXT_NONE, slice_of(payload, 100));
	header = seen6(&stations[0], 0, &message);
	assert_true(ip_equal(&header.src, &its));
	assert_int_equal(message.type, ICMP6_TIME_EXCEEDED);
	forget();
	send6(0, mac, &own, &there, 64, IP6_NEXT_NONE, slice_of(payload, 1400));
	(void)seen6(&stations[0], 0, &message);
	assert_int_equal(message.type, ICMP6_TOO_BIG);
	assert_int_equal(message.word, 1280);
	assert_int_equal(stations[1].count, 0);
	forget();
	send6(0, mac, &own, &nowhere, 64, IP6_NEXT_NONE, slice_of(payload, 10));
	(void)seen6(&stations[0], 0, &message);
	assert_int_equal(message.type, ICMP6_UNREACHABLE);
	assert_int_equal(message.code, ICMP6_CODE_NO_ROUTE);
}

static void a_router_that_advertises_answers_solicitations(void **state)
{
	static const struct ip_addr all_routers = {{0xff, 2, [15] = 2}};
	struct nd_message solicitation = {.type = ICMP6_ROUTER_SOLICITATION}, message;
	struct ip_addr own = {{0xfe, 0x80, [15] = 2}}, prefix = six(0, 0);
	struct net_packet packet = {.ttl = ND_HOP_LIMIT};
	uint8_t bytes[ND_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	bool prefix_seen = false, mtu_seen = false;
	struct icmp6_message icmp;
	struct ip6_header header;
	struct nd_option option;
	struct cursor options;

	make_router();
	sim_router_advertise(router);
	settle(KILN_MS(1));
	assert_int_equal(stations[0].count, 1);
	assert_int_equal(stations[1].count, 1);
	forget();
	nd_wire_emit(&w, &solicitation);
	send6(0, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 2}, &own, &all_routers,
	      ND_HOP_LIMIT, IP6_NEXT_ICMP, writer_done(&w));
	assert_int_equal(stations[0].count, 1);
	header = seen6(&stations[0], 0, &icmp);
	packet.src = header.src;
	packet.dst = header.dst;
	assert_true(nd_wire_parse(&packet, &icmp, &message));
	assert_int_equal(message.type, ICMP6_ROUTER_ADVERTISEMENT);
	assert_int_equal(message.lifetime, 1800);
	options = cursor_of(message.options);
	while (nd_option_next(&options, &option)) {
		if (option.type == ND_OPTION_PREFIX)
			prefix_seen = ip_equal(&option.prefix.prefix, &prefix) &&
			              option.prefix.length == 64 &&
			              option.prefix.autonomous;
		if (option.type == ND_OPTION_MTU)
			mtu_seen = option.mtu == 1500;
	}
	assert_true(prefix_seen && mtu_seen);
}

static void routers_answer_pings_of_both_families(void **state)
{
	const struct icmp6_message ping = {.type = ICMP6_ECHO, .word = 0x00010002};
	struct ip_addr own = six(0, 2), far = six(1, 1), near = four(0, 2),
	               it = four(1, 1);
	uint8_t mac[ETH_MAC], bytes[ICMP6_HEADER], packet[IP4_HEADER + ICMP_HEADER];
	const struct icmp_message ping4 = {.type = ICMP_ECHO, .id = 5, .number = 6};
	const struct ip4_header header = {.src = ip_to4(&near),
	                                  .dst = ip_to4(&it),
	                                  .total = sizeof(packet),
	                                  .ttl = 3,
	                                  .protocol = IP_PROTO_ICMP};
	struct icmp6_message answer;
	struct ip6_header header6;

	make_router();
	introduce6(0, mac);
	icmp6_wire_emit(bytes, &ping);
	send6(0, mac, &own, &far, 64, IP6_NEXT_ICMP, slice_of(bytes, sizeof(bytes)));
	header6 = seen6(&stations[0], 0, &answer);
	assert_true(ip_equal(&header6.src, &far));
	assert_int_equal(answer.type, ICMP6_ECHO_REPLY);
	assert_int_equal(answer.word, ping.word);
	forget();
	introduce(0, mac);
	ip4_wire_emit(packet, &header);
	icmp_wire_emit(packet + IP4_HEADER, &ping4, 0);
	send(&stations[0], mac, ETH_TYPE_IP4, packet, sizeof(packet));
	assert_int_equal(told4(&stations[0]).type, ICMP_ECHO_REPLY);
	assert_int_equal(told4(&stations[0]).number, 6);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    in_world(a_switch_learns_where_stations_are),
	    in_world(a_switch_keeps_frames_off_other_links),
	    in_world(a_link_that_is_cut_loses_and_carries_again_once_healed),
	    in_world(a_long_queue_marks_what_can_say_so),
	    in_world(a_packet_is_passed_on_with_one_hop_less),
	    in_world(a_packet_that_has_no_hop_left_is_reported),
	    in_world(what_is_too_big_is_cut_or_reported_with_the_mtu),
	    in_world(nowhere_and_nobody_are_reported),
	    in_world(errors_beget_no_errors),
	    in_world(a_static_route_leads_to_the_next_router),
	    in_world(ip6_is_passed_on_and_errors_are_told),
	    in_world(a_router_that_advertises_answers_solicitations),
	    in_world(routers_answer_pings_of_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
