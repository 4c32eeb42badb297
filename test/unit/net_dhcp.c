/*
 * The DHCP client (RFC 2131) through its states, with a server that the test plays; and
 * the check of the address by ARP (RFC 5227) in between.
 */
#include "fake_net.h"
#include <kiln/dns.h>
#include <lib/net/dhcp_wire.h>

#define OFFERED ip4_of(0x0a000007)
#define SERVER  ip4_of(0x0a000001)
#define OTHER   ip4_of(0x0a0000fe)

/* What a client's message says, read apart from the library's own parser. */
struct client_message {
	struct ip4_header ip;
	bool broadcast;
	uint32_t xid, ciaddr, requested, server;
	uint16_t secs;
	uint8_t type;
	struct slice host_name;
};

static uint32_t number(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct client_message sent_dhcp(unsigned index)
{
	struct client_message m = {.type = 0};
	struct net_packet packet = {.payload = sent_ip4(index, &m.ip)};
	struct udp_header udp;

	assert_int_equal(m.ip.protocol, IP_PROTO_UDP);
	assert_int_equal(transport_checksum(&m.ip, packet.payload), 0);
	packet.src = ip_from4(m.ip.src);
	packet.dst = ip_from4(m.ip.dst);
	assert_true(udp_wire_parse(&packet, &udp));
	assert_true(udp.src == 68 && udp.dst == 67 && udp.data.len >= 300);
	const uint8_t *p = udp.data.data;
	assert_int_equal(p[0], 1);
	assert_memory_equal(p + 28, fake_mac, 6);
	m.broadcast = eth_is_broadcast(eth_wire_parse(fake_sent(index))->dst);
	m.xid = number(p + 4);
	m.secs = (uint16_t)(p[8] << 8 | p[9]);
	m.ciaddr = number(p + 12);
	for (size_t at = 240; p[at] != 255; at += 2u + p[at + 1]) {
		if (p[at] == 53)
			m.type = p[at + 2];
		if (p[at] == 50)
			m.requested = number(p + at + 2);
		if (p[at] == 54)
			m.server = number(p + at + 2);
		if (p[at] == 12)
			m.host_name = slice_of(p + at + 2, p[at + 1]);
	}
	return m;
}

static struct client_message last_dhcp(void)
{
	return sent_dhcp(fake.sent - 1);
}

/* What the server answers with; changed by tests. */
static struct answer {
	struct ip4_addr server, address;
	uint32_t xid, lease;
	uint8_t type;
	uint16_t mtu;
	struct ip4_addr router;
	struct slice more; /* options */
} answer;

static void give(uint8_t type)
{
	uint8_t bytes[400] = {2, 1, 6, 0};
	struct writer w = writer_of(bytes + 236, sizeof(bytes) - 236);
	struct be32 xid = be32_of(answer.xid);

	memcpy(bytes + 4, &xid, 4);
	memcpy(bytes + 16, &answer.address, 4);
	memcpy(bytes + 28, fake_mac, 6);
	writer_u32(&w, 0x63825363);
	writer_bytes(&w, slice_of((uint8_t[]){53, 1, type, 54, 4}, 5));
	writer_u32(&w, ip4_value(answer.server));
	if (type != DHCP_NAK) {
		writer_u16(&w, 51 << 8 | 4);
		writer_u32(&w, answer.lease);
		writer_bytes(&w, slice_of((uint8_t[]){1, 4, 255, 255, 255, 0, 3, 4}, 8));
		writer_u32(&w, ip4_value(answer.router));
	}
	if (answer.mtu) {
		writer_u16(&w, 26 << 8 | 2);
		writer_u16(&w, answer.mtu);
	}
	writer_bytes(&w, answer.more);
	writer_u8(&w, 255);
	assert_false(w.failed);
	/* To the address that it is about to give, as servers do. */
	fake_receive_udp(answer.server, answer.address, 67, 68,
	                 slice_of(bytes, sizeof(bytes)));
}

static unsigned changes;

static void changed(struct net *net, void *context)
{
	changes++;
}

static void start(const char *options, size_t size)
{
	assert_true(fake_start_on(options, size, 0));
	changes = 0;
	net_on_change(fake.net, changed, NULL);
	answer = (struct answer){
	    .server = SERVER, .address = OFFERED, .lease = 3600, .router = SERVER};
	answer.xid = sent_dhcp(0).xid;
}

static int setup(void **state)
{
	static const char options[] = "ip=dhcp";

	start(options, sizeof(options));
	return 0;
}

/* Through offer, request and acknowledgement, up to the check. */
static void acquire(void)
{
	give(DHCP_OFFER);
	give(DHCP_ACK);
	fake.sent = 0;
}

static int setup_bound(void **state)
{
	setup(state);
	acquire();
	fake_pass(KILN_SECONDS(5));
	assert_true(net_is_up(fake.net));
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, SERVER, OFFERED);
	fake.sent = 0;
	return 0;
}

static void it_asks_at_once_from_no_address_to_everyone(void **state)
{
	struct client_message m = sent_dhcp(0);

	assert_int_equal(fake.sent, 1);
	assert_int_equal(m.type, DHCP_DISCOVER);
	assert_true(m.broadcast);
	assert_int_equal(ip4_value(m.ip.src), 0);
	assert_int_equal(ip4_value(m.ip.dst), 0xffffffff);
	assert_int_equal(m.ciaddr, 0);
	assert_false(net_is_up(fake.net));
}

static void it_asks_again_with_growing_random_pauses(void **state)
{
	kiln_time last = fake.now;
	unsigned seen = 1;
	static const unsigned expected[] = {4, 8, 16, 32, 64, 64, 64};

	while (seen <= KILN_COUNT_OF(expected)) {
		fake_pass(KILN_MS(10));
		if (fake.sent == seen)
			continue;
		kiln_time pause = fake.now - last;
		assert_true(pause + KILN_MS(1020) >= KILN_SECONDS(expected[seen - 1]));
		assert_true(pause <= KILN_SECONDS(expected[seen - 1]) + KILN_MS(1020));
		assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
		assert_int_equal(last_dhcp().xid, answer.xid);
		last = fake.now;
		seen++;
	}
	assert_true(last_dhcp().secs >= 120);
}

static void an_offer_is_requested_from_its_server(void **state)
{
	give(DHCP_OFFER);
	struct client_message m = last_dhcp();
	assert_int_equal(fake.sent, 2);
	assert_int_equal(m.type, DHCP_REQUEST);
	assert_int_equal(m.server, ip4_value(SERVER));
	assert_int_equal(m.requested, ip4_value(OFFERED));
	assert_int_equal(m.ciaddr, 0);
	assert_int_equal(m.xid, answer.xid);
	assert_true(m.broadcast);
}

static void answers_that_are_not_for_us_are_dropped(void **state)
{
	answer.xid ^= 1;
	give(DHCP_OFFER);
	answer.xid ^= 1;
	give(DHCP_ACK); /* nothing was requested */
	give(DHCP_NAK);
	answer.address = ip4_of(0x7f000001);
	give(DHCP_OFFER);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(fake_counters().drop_udp, 4);
	answer.address = OFFERED;
	give(DHCP_OFFER);
	answer.server = OTHER;
	give(DHCP_ACK); /* from a server that was not asked */
	assert_int_equal(fake_counters().drop_udp, 5);
	fake_receive_udp(SERVER, OFFERED, 67, 68, SLICE("no DHCP at all"));
	assert_int_equal(fake_counters().drop_udp, 6);
	fake_receive_udp(SERVER, OFFERED, 67, 69, SLICE("not for the client"));
	assert_int_equal(fake_counters().drop_ip_address, 1);
	assert_int_equal(fake_drops(), 7);
	assert_false(net_is_up(fake.net));
}

static void the_address_is_probed_before_it_is_used(void **state)
{
	acquire();
	fake_pass(KILN_MS(400));
	assert_false(net_is_up(fake.net));
	for (unsigned i = 0; i < fake.sent; i++) {
		struct arp_packet a = sent_arp(i);
		assert_int_equal(a.operation, ARP_REQUEST);
		assert_int_equal(ip4_value(a.sender), 0); /* RFC 5227, 2.1.1 */
		assert_true(ip4_equal(a.target, OFFERED));
	}
	fake_pass(KILN_MS(400));
	assert_true(net_is_up(fake.net));
	assert_int_equal(changes, 1);
	assert_int_equal(ip4_value(net_address(fake.net)), ip4_value(OFFERED));
	assert_non_null(strstr(fake.console, "net0 up, 10.0.0.7/24 gateway 10.0.0.1"));
	assert_int_equal(fake.sent, 4); /* three probes, the first announcement */
	struct arp_packet a = sent_arp(3);
	assert_true(ip4_equal(a.sender, OFFERED) && ip4_equal(a.target, OFFERED));
}

static void expect_declined(void)
{
	assert_false(net_is_up(fake.net));
	struct client_message m = last_dhcp();
	assert_int_equal(m.type, DHCP_DECLINE);
	assert_int_equal(m.requested, ip4_value(OFFERED));
	assert_int_equal(m.server, ip4_value(SERVER));
	unsigned before = fake.sent;
	fake_pass(KILN_SECONDS(9));
	assert_int_equal(fake.sent, before); /* RFC 2131, 3.1: ten seconds of rest */
	fake_pass(KILN_SECONDS(2));
	assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
	assert_int_not_equal(last_dhcp().xid, answer.xid);
	assert_int_equal(fake_counters().arp_conflicts, 1);
	assert_int_equal(changes, 0);
}

static void an_address_in_use_is_declined(void **state)
{
	acquire();
	fake_pass(KILN_MS(150));
	fake_receive_arp(fake_mac, ARP_REPLY, other_mac, OFFERED, NO_ADDRESS);
	expect_declined();
}

static void an_address_that_another_host_probes_is_declined(void **state)
{
	acquire();
	fake_pass(KILN_MS(150));
	fake_receive_arp(all_mac, ARP_REQUEST, other_mac, NO_ADDRESS, OFFERED);
	expect_declined();
}

static void a_refusal_starts_over(void **state)
{
	give(DHCP_OFFER);
	give(DHCP_NAK);
	fake_pass(KILN_SECONDS(3));
	assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
	assert_int_not_equal(last_dhcp().xid, answer.xid);
}

static void a_request_without_answer_is_given_up_after_four_tries(void **state)
{
	give(DHCP_OFFER);
	fake_pass(KILN_SECONDS(80));
	unsigned requests = 0;
	for (unsigned i = 1; i < fake.sent; i++)
		requests += sent_dhcp(i).type == DHCP_REQUEST;
	assert_int_equal(requests, 4);
	assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
}

static void the_lease_is_renewed_with_its_server_by_unicast(void **state)
{
	fake_pass(KILN_SECONDS(1790));
	assert_int_equal(fake.sent, 0);
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, SERVER, OFFERED);
	fake_pass(KILN_SECONDS(10));
	struct client_message m = last_dhcp();
	assert_int_equal(m.type, DHCP_REQUEST);
	assert_false(m.broadcast);
	assert_int_equal(ip4_value(m.ip.dst), ip4_value(SERVER));
	assert_int_equal(ip4_value(m.ip.src), ip4_value(OFFERED));
	assert_int_equal(m.ciaddr, ip4_value(OFFERED));
	assert_int_equal(m.requested, 0); /* RFC 2131, table 4 */
	assert_int_equal(m.server, 0);
	answer.xid = m.xid;
	give(DHCP_ACK);
	fake.sent = 0;
	fake_pass(KILN_SECONDS(1700)); /* past the first lease's end */
	assert_true(net_is_up(fake.net));
	for (unsigned i = 0; i < fake.sent; i++) /* whether the server is still there */
		assert_int_equal(sent_arp(i).operation, ARP_REQUEST);
	assert_int_equal(changes, 1); /* the address is the same: nobody was told */
}

static void a_renewal_with_another_router_is_taken_over(void **state)
{
	fake_pass(KILN_SECONDS(1790));
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, SERVER, OFFERED);
	fake_pass(KILN_SECONDS(10));
	answer.xid = last_dhcp().xid;
	answer.router = OTHER;
	give(DHCP_ACK);
	assert_int_equal(changes, 2);
	assert_true(net_is_up(fake.net));
	assert_true(ip4_equal(net_address(fake.net), OFFERED));
	assert_non_null(strstr(fake.console, "gateway 10.0.0.254"));
	assert_int_equal(fake.net->neighbours.entries.used, 0); /* of the old network */
}

static void an_acknowledgement_without_a_lease_starts_over(void **state)
{
	give(DHCP_OFFER);
	answer.lease = 0;
	give(DHCP_ACK);
	fake_pass(KILN_SECONDS(3));
	assert_false(net_is_up(fake.net));
	assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
}

static void without_an_answer_it_rebinds_and_then_gives_the_address_up(void **state)
{
	bool rebound = false;

	fake_pass(KILN_SECONDS(3160)); /* T2 */
	for (unsigned i = 0; i < fake.sent; i++) {
		if (be16_get(eth_wire_parse(fake_sent(i))->type) != ETH_TYPE_IP4)
			continue;
		struct client_message m = sent_dhcp(i);
		rebound |= m.broadcast && m.type == DHCP_REQUEST &&
		           m.ciaddr == ip4_value(OFFERED);
	}
	assert_true(rebound && net_is_up(fake.net));
	fake_pass(KILN_SECONDS(445));
	assert_false(net_is_up(fake.net));
	assert_int_equal(ip4_value(net_address(fake.net)), 0);
	assert_int_equal(changes, 2);
	assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
}

static void another_server_may_answer_when_rebinding(void **state)
{
	fake_pass(KILN_SECONDS(3160));
	answer.xid = last_dhcp().xid;
	answer.server = OTHER;
	give(DHCP_ACK);
	fake_pass(KILN_SECONDS(1000));
	assert_true(net_is_up(fake.net));
	assert_int_equal(changes, 1);
}

static void a_refusal_takes_the_address_away(void **state)
{
	fake_pass(KILN_SECONDS(3160));
	answer.xid = last_dhcp().xid;
	give(DHCP_NAK);
	assert_false(net_is_up(fake.net));
	assert_int_equal(changes, 2);
	fake_pass(KILN_SECONDS(3));
	assert_int_equal(last_dhcp().type, DHCP_DISCOVER);
}

static void a_lease_for_ever_is_never_renewed(void **state)
{
	answer.lease = UINT32_MAX;
	acquire();
	fake_pass(KILN_SECONDS(10));
	fake.sent = 0;
	fake_pass(KILN_SECONDS(1000000));
	assert_true(net_is_up(fake.net));
	assert_int_equal(fake.sent, 0);
}

static void the_servers_mtu_counts_up_to_the_devices(void **state)
{
	struct ip_addr peer = ip_from4(SERVER);

	answer.mtu = 1400;
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(net_path_mtu(fake.net, &peer), 1380);
	setup(state);
	answer.mtu = 9000;
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(net_path_mtu(fake.net, &peer), 1480);
}

static void the_lease_tells_of_servers_and_domains_while_it_is_held(void **state)
{
	struct ip_addr servers[4];
	struct dns_name names[4], expected;

	answer.more = SLICE("\6\14\10\10\10\10\0\0\0\0\11\11\11\11" /* one is none */
	                    "\52\4\12\0\0\5"
	                    "\17\5local"
	                    "\167\22\1a\7example\0\1b\300\2");
	acquire();
	assert_int_equal(net_dns_servers(fake.net, servers, 4), 0); /* not checked yet */
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(net_dns_servers(fake.net, servers, 4), 2);
	assert_int_equal(ip4_value(ip_to4(&servers[0])), 0x08080808);
	assert_int_equal(ip4_value(ip_to4(&servers[1])), 0x09090909);
	assert_int_equal(net_dns_servers(fake.net, servers, 1), 1);
	assert_int_equal(net_ntp_servers(fake.net, servers, 4), 1);
	assert_int_equal(ip4_value(ip_to4(&servers[0])), 0x0a000005);
	assert_int_equal(net_search_domains(fake.net, names, 4), 2);
	assert_true(dns_name_parse(SLICE("b.example"), &expected));
	assert_true(dns_name_equal(&names[1], &expected));
	fake_pass(KILN_SECONDS(4000));
	assert_false(net_is_up(fake.net));
	assert_int_equal(net_dns_servers(fake.net, servers, 4), 0);
}

static void the_domain_stands_in_for_a_search_list(void **state)
{
	struct dns_name names[4], expected;

	answer.more = SLICE("\17\10a.local\0");
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(net_search_domains(fake.net, names, 4), 1);
	assert_true(dns_name_parse(SLICE("a.local"), &expected));
	assert_true(dns_name_equal(&names[0], &expected));
}

/* The next hop to an address, 0: none. */
static uint32_t hop_to(uint32_t address)
{
	struct ip_addr dst = ip_from4(ip4_of(address)), hop;

	return ip4_hop(fake.net, &dst, &hop) ? ip4_value(ip_to4(&hop)) : 0;
}

static void static_routes_stand_in_for_the_router(void **state)
{
	/* 10.17.0.0/16 by 10.0.0.2, the rest by 10.0.0.3, 192.0.2.0/25 on the link. */
	answer.more = SLICE("\171\25\20\12\21\12\0\0\2\0\12\0\0\3\31\300\0\2\0\0\0\0\0");
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(hop_to(0x0a110203), 0x0a000002);
	assert_int_equal(hop_to(0x08080808), 0x0a000003);
	assert_int_equal(hop_to(0xc0000205), 0xc0000205);
	assert_int_equal(hop_to(0xc0000285), 0x0a000003);
	assert_int_equal(hop_to(0x0a000009), 0x0a000009);
	setup(state);
	answer.more = SLICE("\171\10\30\12\22\1\12\0\0\4"); /* no default one */
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(hop_to(0x0a120105), 0x0a000004);
	assert_int_equal(hop_to(0x08080808), 0);
	fake_pass(KILN_SECONDS(4000));
	assert_int_equal(fake.net->route_count, 0); /* gone with the lease */
}

static void routes_that_are_malformed_do_not_count(void **state)
{
	answer.more = SLICE("\171\11\41\12\21\0\0\12\0\0\2"); /* of 33 bits */
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(fake.net->route_count, 0);
	assert_int_equal(hop_to(0x08080808), ip4_value(SERVER));
	setup(state);
	answer.more = SLICE("\171\6\20\12\21\12\0\0"); /* cut off */
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(hop_to(0x08080808), ip4_value(SERVER));
}

static void another_broadcast_address_may_be_told(void **state)
{
	answer.more = SLICE("\34\4\12\0\0\0"); /* the subnet's first, as long ago */
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(fake.net->ip4->broadcast, 0x0a000000);
	setup(state);
	answer.more = SLICE("\34\4\12\0\1\377"); /* of another subnet */
	acquire();
	fake_pass(KILN_SECONDS(1));
	assert_int_equal(fake.net->ip4->broadcast, 0x0a0000ff);
}

static void an_offer_for_another_client_id_is_dropped(void **state)
{
	answer.more = SLICE("\75\7\1\0\0\0\0\0\0");
	give(DHCP_OFFER);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(fake_counters().drop_udp, 1);
	uint8_t ours[] = {61, 7, 1, 0, 0, 0, 0, 0, 0}; /* RFC 6842: echoed */
	memcpy(ours + 3, fake_mac, 6);
	answer.more = slice_of(ours, sizeof(ours));
	give(DHCP_OFFER);
	assert_int_equal(fake.sent, 2);
}

static void its_name_is_told_where_it_has_one(void **state)
{
	static const char options[] = "ip=dhcp\0hostname=kiln-7";

	assert_int_equal(sent_dhcp(0).host_name.len, 0);
	start(options, sizeof(options));
	assert_true(slice_equal(sent_dhcp(0).host_name, SLICE("kiln-7")));
	give(DHCP_OFFER);
	assert_true(slice_equal(last_dhcp().host_name, SLICE("kiln-7")));
}

static void what_no_host_is_called_is_refused(void **state)
{
	static const char options[] = "ip=dhcp\0hostname=kiln_7";

	assert_false(fake_start_on(options, sizeof(options), 0));
	assert_non_null(strstr(fake.console, "--hostname"));
}

static void it_works_without_udp_and_leaves_other_ports_alone(void **state)
{
	struct ip4_header h;
	struct icmp_message m;

	assert_int_equal(fake.net->transport_count, 0);
	fake_receive_udp(SERVER, OFFERED, 67, 53, SLICE("x"));
	assert_true(icmp_wire_parse(sent_ip4(0, &h), &m));
	assert_int_equal(m.code, ICMP_CODE_PORT);
}

#define with(fixture, test) cmocka_unit_test_setup(test, fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with(setup, it_asks_at_once_from_no_address_to_everyone),
	    with(setup, it_asks_again_with_growing_random_pauses),
	    with(setup, an_offer_is_requested_from_its_server),
	    with(setup, answers_that_are_not_for_us_are_dropped),
	    with(setup, the_address_is_probed_before_it_is_used),
	    with(setup, an_address_in_use_is_declined),
	    with(setup, an_address_that_another_host_probes_is_declined),
	    with(setup, a_refusal_starts_over),
	    with(setup, a_request_without_answer_is_given_up_after_four_tries),
	    with(setup_bound, the_lease_is_renewed_with_its_server_by_unicast),
	    with(setup_bound, a_renewal_with_another_router_is_taken_over),
	    with(setup, an_acknowledgement_without_a_lease_starts_over),
	    with(setup_bound, without_an_answer_it_rebinds_and_then_gives_the_address_up),
	    with(setup_bound, another_server_may_answer_when_rebinding),
	    with(setup_bound, a_refusal_takes_the_address_away),
	    with(setup, a_lease_for_ever_is_never_renewed),
	    with(setup, the_servers_mtu_counts_up_to_the_devices),
	    with(setup, the_lease_tells_of_servers_and_domains_while_it_is_held),
	    with(setup, the_domain_stands_in_for_a_search_list),
	    with(setup, static_routes_stand_in_for_the_router),
	    with(setup, routes_that_are_malformed_do_not_count),
	    with(setup, another_broadcast_address_may_be_told),
	    with(setup, an_offer_for_another_client_id_is_dropped),
	    with(setup, its_name_is_told_where_it_has_one),
	    with(setup, what_no_host_is_called_is_refused),
	    with(setup_bound, it_works_without_udp_and_leaves_other_ports_alone),
	};

	return cmocka_run_group_tests_name("net dhcp", tests, NULL, NULL);
}
