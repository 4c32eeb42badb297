/*
 * What routers advertise (RFC 4861, 4862, 7217, 8106), where packets go, and from which of
 * our addresses (RFC 6724).
 */
#include "ip6_play.h"
#include <kiln/dns.h>

static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 0xa1};
static const uint8_t second_mac[6] = {2, 0, 0, 0, 0, 0xa2};

static int up_auto(void **state)
{
	fake_start("ip6=auto\0secret=of the test");
	fake_pass(KILN_SECONDS(2));
	fake.sent = 0;
	return 0;
}

static uint8_t option_bytes[512];

static struct slice options_of(const struct nd_option *options, unsigned count)
{
	struct writer w = writer_of(option_bytes, sizeof(option_bytes));

	for (unsigned i = 0; i < count; i++)
		nd_wire_emit_option(&w, &options[i]);
	assert_false(w.failed);
	return writer_done(&w);
}

static void router_says(const uint8_t mac[6], const struct ip_addr *router,
                        struct nd_message m, const struct nd_option *options,
                        unsigned count)
{
	m.type = ICMP6_ROUTER_ADVERTISEMENT;
	m.has_mac = true;
	memcpy(m.mac, mac, 6);
	m.options = options_of(options, count);
	receive_nd(mac, router, address("ff02::1"), m);
}

static struct nd_option prefix_option(const char *prefix, uint32_t valid,
                                      uint32_t preferred)
{
	struct nd_option option = {.type = ND_OPTION_PREFIX};

	option.prefix = (struct nd_prefix){.prefix = *address(prefix),
	                                   .length = 64,
	                                   .on_link = true,
	                                   .autonomous = true,
	                                   .valid = valid,
	                                   .preferred = preferred};
	return option;
}

static void advertise_prefix(const char *prefix, uint32_t valid, uint32_t preferred)
{
	struct nd_option option = prefix_option(prefix, valid, preferred);

	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, &option,
	            1);
}

/* Our address in the network; NULL if there is none. */
static const struct net_address *ours_in(const char *prefix)
{
	static struct net_address all[8];
	unsigned count = net_addresses(fake.net, all, 8);

	for (unsigned i = 0; i < count; i++) {
		if (memcmp(&all[i].addr, address(prefix), 8) == 0)
			return &all[i];
	}
	return NULL;
}

/* ---- solicitations ---- */

static void routers_are_asked_at_once_and_ever_less_often(void **state)
{
	struct ip6_header h;
	unsigned asked = 0, at = 0;

	fake_start("ip6=auto");
	fake_pass(KILN_SECONDS(60));
	while ((at = sent_find(at, ICMP6_ROUTER_SOLICITATION)) < fake.sent) {
		struct nd_message m = sent_nd(at++, &h);
		assert_int_equal(m.has_mac, asked != 0); /* not while it is unproven */
		assert_true(same(&h.dst, address("ff02::2")) && h.hop_limit == 255);
		asked++;
	}
	assert_in_range(asked, 4, 5); /* 0, 4, 12, 28, 60 s */
	advertise_prefix("2001:db8:1::", 3600, 1800);
	fake.sent = 0;
	fake_pass(KILN_SECONDS(1000));
	assert_int_equal(sent_find(0, ICMP6_ROUTER_SOLICITATION), fake.sent);
}

/* ---- addresses from prefixes ---- */

static void an_address_is_made_of_a_prefix_and_is_stable(void **state)
{
	struct ip_addr first;

	advertise_prefix("2001:db8:1::", 3600, 1800);
	assert_non_null(ours_in("2001:db8:1::"));
	first = ours_in("2001:db8:1::")->addr;
	assert_true(net_is_up(fake.net));
	advertise_prefix("2001:db8:2::", 3600, 1800);
	assert_non_null(ours_in("2001:db8:2::"));
	/* Another network, another identifier; another start, the same one. */
	assert_memory_not_equal(first.bytes + 8, ours_in("2001:db8:2::")->addr.bytes + 8,
	                        8);
	up_auto(state);
	advertise_prefix("2001:db8:1::", 3600, 1800);
	assert_true(same(&first, &ours_in("2001:db8:1::")->addr));
	fake_start("ip6=auto\0secret=another");
	advertise_prefix("2001:db8:1::", 3600, 1800);
	assert_false(same(&first, &ours_in("2001:db8:1::")->addr));
}

static void an_address_is_deprecated_and_ends(void **state)
{
	advertise_prefix("2001:db8:1::", 3600, 1800);
	assert_false(ours_in("2001:db8:1::")->deprecated);
	fake_pass(KILN_SECONDS(1801));
	assert_true(ours_in("2001:db8:1::")->deprecated);
	fake_pass(KILN_SECONDS(1800));
	assert_null(ours_in("2001:db8:1::"));
	assert_false(net_is_up(fake.net));
}

static void no_life_is_cut_to_less_than_two_hours(void **state)
{
	advertise_prefix("2001:db8:1::", 86400, 1800);
	advertise_prefix("2001:db8:1::", 1, 1);
	fake_pass(KILN_SECONDS(7100));
	assert_non_null(ours_in("2001:db8:1::"));
	advertise_prefix("2001:db8:1::", 1, 1); /* what is left is less: not touched */
	fake_pass(KILN_SECONDS(200));
	assert_null(ours_in("2001:db8:1::"));
	/* But it is made longer at any time. */
	advertise_prefix("2001:db8:1::", 3600, 1800);
	advertise_prefix("2001:db8:1::", 4000, 1800);
	fake_pass(KILN_SECONDS(3900));
	assert_non_null(ours_in("2001:db8:1::"));
}

static void prefixes_that_make_no_sense_make_no_address(void **state)
{
	struct nd_option option = prefix_option("2001:db8:1::", 100, 200);

	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, &option,
	            1);
	option = prefix_option("2001:db8:1::", 200, 100);
	option.prefix.length = 65;
	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, &option,
	            1);
	option = prefix_option("2001:db8:1::", 200, 100);
	option.prefix.autonomous = false;
	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, &option,
	            1);
	advertise_prefix("2001:db8:1::", 0, 0);
	assert_null(ours_in("2001:db8:1::"));
}

static void more_prefixes_than_there_is_room_for_are_ignored(void **state)
{
	char prefix[32];

	for (unsigned i = 1; i < 50; i++) {
		snprintf(prefix, sizeof(prefix), "2001:db8:%x::", i);
		advertise_prefix(prefix, 3600, 1800);
	}
	assert_non_null(ours_in("2001:db8:1::"));
	assert_null(ours_in("2001:db8:31::"));
}

/* ---- what else is said ---- */

static void the_links_mtu_hop_limit_and_times_are_taken(void **state)
{
	struct nd_option mtu = {.type = ND_OPTION_MTU, .mtu = 1400};
	struct ip6_header h;

	assert_int_equal(net_path_mtu(fake.net, PEER), 1460);
	router_says(
	    router_mac, ROUTER,
	    (struct nd_message){
	        .lifetime = 1800, .hop_limit = 17, .reachable = 10000, .retransmit = 500},
	    &mtu, 1);
	assert_int_equal(net_path_mtu(fake.net, PEER), 1360);
	mtu.mtu = 1279;
	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, &mtu, 1);
	mtu.mtu = 9000;
	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, &mtu, 1);
	assert_int_equal(net_path_mtu(fake.net, PEER), 1360);
	assert_in_range(fake.net->neighbours.times[NET_IP6].reachable, KILN_SECONDS(5),
	                KILN_SECONDS(15));
	assert_int_equal(fake.net->neighbours.times[NET_IP6].retransmit, KILN_MS(500));
	advertise_prefix("2001:db8:1::", 3600, 1800);
	fake_pass(KILN_SECONDS(2));
	fake.sent = 0;
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	sent_ip6(0, &h);
	assert_int_equal(h.hop_limit, 17);
}

/* ---- where packets go ---- */

static void what_is_far_goes_to_the_router_and_what_is_near_does_not(void **state)
{
	struct ip6_header h;

	assert_int_equal(send_to(FAR, 8), KILN_ERR_UNREACHABLE);
	advertise_prefix("2001:db8:1::", 3600, 1800);
	fake_pass(KILN_SECONDS(2));
	fake.sent = 0;
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	sent_ip6(0, &h);
	assert_memory_equal(sent_to(0), router_mac, 6);
	assert_true(same(&h.src, &ours_in("2001:db8:1::")->addr));
	assert_int_equal(send_to(address("2001:db8:1::77"), 8), KILN_OK);
	struct nd_message asked = sent_nd(1, &h);
	assert_true(same(&asked.target, address("2001:db8:1::77")));
	/* A prefix that the router does not know to be on the link is not. */
	assert_int_equal(send_to(address("2001:db8:9::77"), 8), KILN_OK);
	assert_memory_equal(sent_to(2), router_mac, 6);
}

static void a_router_that_fails_gives_way_to_another(void **state)
{
	advertise_prefix("2001:db8:1::", 3600, 1800);
	router_says(
	    second_mac, address("fe80::2"),
	    (struct nd_message){.lifetime = 1800, .preference = ND_PREFERENCE_LOW}, NULL,
	    0);
	fake_pass(KILN_SECONDS(2));
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	assert_memory_equal(sent_to(fake.sent - 1), router_mac, 6);
	fake_pass(KILN_MS(8200)); /* asked three times, by unicast */
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	assert_memory_equal(sent_to(fake.sent - 1), second_mac, 6);
	/* One that is no router any more is left at once. */
	router_says(second_mac, address("fe80::2"), (struct nd_message){.lifetime = 0},
	            NULL, 0);
	fake_pass(KILN_SECONDS(4));
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	assert_memory_equal(sent_to(fake.sent - 1),
	                    ((uint8_t[]){0x33, 0x33, 0xff, 0, 0, 1}), 6);
}

static void a_redirect_is_followed_if_it_is_from_the_first_hop(void **state)
{
	struct nd_message m = {.type = ICMP6_REDIRECT,
	                       .target = *address("fe80::2"),
	                       .destination = *FAR,
	                       .has_mac = true};

	advertise_prefix("2001:db8:1::", 3600, 1800);
	fake_pass(KILN_SECONDS(2));
	memcpy(m.mac, second_mac, 6);
	receive_nd(second_mac, address("fe80::3"), &ours_in("2001:db8:1::")->addr, m);
	assert_int_equal(fake_counters().drop_icmp, 1);
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	assert_memory_equal(sent_to(fake.sent - 1), router_mac, 6);
	receive_nd(router_mac, ROUTER, &ours_in("2001:db8:1::")->addr, m);
	assert_int_equal(send_to(FAR, 8), KILN_OK);
	assert_memory_equal(sent_to(fake.sent - 1), second_mac, 6);
	assert_int_equal(send_to(address("2001:db8:ffff::2"), 8), KILN_OK);
	assert_memory_equal(sent_to(fake.sent - 1), router_mac, 6);
}

static bool goes_by(const struct ip_addr *dst, const struct ip_addr *by)
{
	struct ip_addr hop;

	return ip6_hop(fake.net, dst, &hop) && same(&hop, by);
}

static void what_routers_say_is_true_for_the_time_that_they_say(void **state)
{
	const struct ip_addr near = *address("2001:db8:1::77"),
	                     second = *address("fe80::2");
	struct nd_message redirect = {.type = ICMP6_REDIRECT,
	                              .target = second,
	                              .destination = *FAR,
	                              .has_mac = true};

	advertise_prefix("2001:db8:1::", 100, 50); /* by a router for half an hour */
	fake_pass(KILN_SECONDS(2));
	memcpy(redirect.mac, second_mac, 6);
	receive_nd(router_mac, ROUTER, &ours_in("2001:db8:1::")->addr, redirect);
	assert_true(goes_by(FAR, &second) && goes_by(&near, &near));
	fake_pass(KILN_SECONDS(99));
	assert_true(goes_by(FAR, &second) && goes_by(&near, ROUTER));
	fake_pass(KILN_SECONDS(501));
	assert_true(goes_by(FAR, ROUTER));
	fake_pass(KILN_SECONDS(1200));
	assert_false(goes_by(FAR, ROUTER) || goes_by(FAR, &second));
}

static void a_given_address_leaves_the_routers_to_the_network(void **state)
{
	struct ip_addr hop, resolver;
	struct nd_option options[] = {
	    prefix_option("2001:db8:1::", 3600, 1800),
	    prefix_option("2001:db8::", 0, 0),
	    {.type = ND_OPTION_RESOLVERS,
	     .dns = {.lifetime = 60, .list = slice_of(ROUTER, 16)}}};

	fake_start("ip6=2001:db8::2/64");
	assert_true(sent_find(0, ICMP6_ROUTER_SOLICITATION) < fake.sent);
	assert_false(ip6_hop(fake.net, FAR, &hop));
	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, options,
	            KILN_COUNT_OF(options));
	assert_true(ip6_hop(fake.net, FAR, &hop));
	assert_true(same(&hop, ROUTER));
	assert_int_equal(net_dns_servers(fake.net, &resolver, 1), 1);
	/* Its network is on the link, but it has no address there; ours is, always. */
	assert_null(ours_in("2001:db8:1::"));
	assert_true(ip6_hop(fake.net, address("2001:db8:1::5"), &hop));
	assert_true(same(&hop, address("2001:db8:1::5")));
	assert_true(ip6_hop(fake.net, PEER, &hop));
	assert_true(same(&hop, PEER));
	assert_non_null(ours_in("2001:db8::"));
}

static void with_address_and_router_given_nobody_is_listened_to(void **state)
{
	struct ip_addr hop;

	fake_start("ip6=2001:db8::2/64\0gateway6=fe80::9");
	fake_pass(KILN_SECONDS(10));
	assert_int_equal(sent_find(0, ICMP6_ROUTER_SOLICITATION), fake.sent);
	advertise_prefix("2001:db8:1::", 3600, 1800);
	assert_true(ip6_hop(fake.net, FAR, &hop));
	assert_true(same(&hop, address("fe80::9")));
	assert_true(ip6_hop(fake.net, address("2001:db8:1::5"), &hop));
	assert_true(same(&hop, address("fe80::9")));
	/* A router alone is preferred to theirs. */
	fake_start("ip6=auto\0gateway6=fe80::9");
	advertise_prefix("2001:db8:1::", 3600, 1800);
	assert_non_null(ours_in("2001:db8:1::"));
	assert_true(ip6_hop(fake.net, FAR, &hop));
	assert_true(same(&hop, address("fe80::9")));
}

static void the_longest_of_the_static_routes_wins(void **state)
{
	struct ip_addr hop;

	fake_start("ip6=2001:db8::2/64\0gateway6=fe80::1\0"
	           "route=2001:db8:a::/48=fe80::2,2001:db8:a:1::/64=fe80::3,"
	           "2001:db8::8000:0:0:0/65=fe80::4");
	assert_true(ip6_hop(fake.net, address("2001:db8:b::1"), &hop));
	assert_true(same(&hop, ROUTER));
	assert_true(ip6_hop(fake.net, address("2001:db8:a::1"), &hop));
	assert_true(same(&hop, address("fe80::2")));
	assert_true(ip6_hop(fake.net, address("2001:db8:a:1::1"), &hop));
	assert_true(same(&hop, address("fe80::3")));
	assert_true(ip6_hop(fake.net, PEER, &hop));
	assert_true(same(&hop, PEER));
	/* Half of our own network lies behind a router. */
	assert_true(ip6_hop(fake.net, address("2001:db8::8000:0:0:1"), &hop));
	assert_true(same(&hop, address("fe80::4")));
}

/* ---- which source ---- */

static void the_source_is_chosen_by_scope_state_label_and_prefix(void **state)
{
	struct ip_addr src;

	advertise_prefix("2001:db8:1::", 3600, 1800);
	advertise_prefix("2001:db8:2::", 3600, 1800);
	advertise_prefix("fd00:1::", 3600, 1800);
	fake_pass(KILN_SECONDS(2));
	assert_true(net_source(fake.net, address("2001:db8:1::5"), &src));
	assert_memory_equal(&src, address("2001:db8:1::"), 8);
	assert_true(net_source(fake.net, address("2001:db8:2::5"), &src));
	assert_memory_equal(&src, address("2001:db8:2::"), 8);
	assert_true(net_source(fake.net, address("fd77::5"), &src)); /* the label */
	assert_memory_equal(&src, address("fd00:1::"), 8);
	assert_true(net_source(fake.net, ROUTER, &src));
	assert_true(ip6_is_link_local(&src));
	assert_true(net_source(fake.net, address("ff02::fb"), &src));
	assert_true(ip6_is_link_local(&src));
	/* Deprecated: another is taken, though less alike. */
	advertise_prefix("2001:db8:2::", 3600, 0);
	assert_true(net_source(fake.net, address("2001:db8:2::5"), &src));
	assert_memory_equal(&src, address("2001:db8:1::"), 8);
}

static void a_link_local_address_is_no_source_for_far_away(void **state)
{
	struct ip_addr src;

	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, NULL, 0);
	assert_false(net_source(fake.net, FAR, &src));
	assert_true(net_source(fake.net, address("fe80::77"), &src));
}

/* ---- what it tells of servers of names ---- */

static void resolvers_and_domains_are_told_of_for_their_time(void **state)
{
	static const uint8_t servers[2][16] = {{0x20, 1, 0x0d, 0xb8, [15] = 0x53},
	                                       {0xfe, 0x80, [15] = 1}};
	struct nd_option options[] = {
	    {.type = ND_OPTION_RESOLVERS,
	     .dns = {.lifetime = 60, .list = slice_of(servers, sizeof(servers))}},
	    {.type = ND_OPTION_DOMAINS,
	     .dns = {.lifetime = 30, .list = SLICE("\1a\4test\0\1b\4test\0\0")}}};
	struct ip_addr found[4];
	struct dns_name domains[4], expected;

	assert_int_equal(net_dns_servers(fake.net, found, 4), 0);
	assert_int_equal(net_search_domains(fake.net, domains, 4), 0);
	router_says(router_mac, ROUTER, (struct nd_message){.lifetime = 1800}, options,
	            2);
	assert_int_equal(net_dns_servers(fake.net, found, 4), 2);
	assert_memory_equal(&found[0], servers[0], 16);
	assert_int_equal(net_dns_servers(fake.net, found, 1), 1);
	assert_int_equal(net_search_domains(fake.net, domains, 4), 2);
	assert_true(dns_name_parse(SLICE("b.test"), &expected));
	assert_true(dns_name_equal(&domains[1], &expected));
	fake_pass(KILN_SECONDS(31));
	assert_int_equal(net_search_domains(fake.net, domains, 4), 0);
	assert_int_equal(net_dns_servers(fake.net, found, 4), 2);
	fake_pass(KILN_SECONDS(31));
	assert_int_equal(net_dns_servers(fake.net, found, 4), 0);
}

static void a_link_too_small_for_ip6_has_none(void **state)
{
	static const char given[] = "ip6=2001:db8::2/64";
	struct net_address own;

	fake.mtu = IP6_MTU_MIN - 1;
	fake_start("ip6=off");
	assert_int_equal(fake.console_size, 0);
	fake_start("ip6=auto");
	assert_non_null(strstr(fake.console, "an MTU of 1279 is too small for IPv6"));
	fake_pass(KILN_SECONDS(10));
	assert_int_equal(fake.sent, 0);
	assert_int_equal(net_addresses(fake.net, &own, 1), 0);
	assert_false(fake_start_on(given, sizeof(given), 0));
	fake.mtu = 0;
}

#define with(fixture, test) cmocka_unit_test_setup(test, fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(routers_are_asked_at_once_and_ever_less_often),
	    with(up_auto, an_address_is_made_of_a_prefix_and_is_stable),
	    with(up_auto, an_address_is_deprecated_and_ends),
	    with(up_auto, no_life_is_cut_to_less_than_two_hours),
	    with(up_auto, prefixes_that_make_no_sense_make_no_address),
	    with(up_auto, more_prefixes_than_there_is_room_for_are_ignored),
	    with(up_auto, the_links_mtu_hop_limit_and_times_are_taken),
	    with(up_auto, what_is_far_goes_to_the_router_and_what_is_near_does_not),
	    with(up_auto, a_router_that_fails_gives_way_to_another),
	    with(up_auto, a_redirect_is_followed_if_it_is_from_the_first_hop),
	    with(up_auto, what_routers_say_is_true_for_the_time_that_they_say),
	    cmocka_unit_test(a_given_address_leaves_the_routers_to_the_network),
	    cmocka_unit_test(with_address_and_router_given_nobody_is_listened_to),
	    cmocka_unit_test(the_longest_of_the_static_routes_wins),
	    with(up_auto, the_source_is_chosen_by_scope_state_label_and_prefix),
	    with(up_auto, a_link_local_address_is_no_source_for_far_away),
	    with(up_auto, resolvers_and_domains_are_told_of_for_their_time),
	    cmocka_unit_test(a_link_too_small_for_ip6_has_none),
	};

	return cmocka_run_group_tests_name("IPv6 routers", tests, NULL, NULL);
}
