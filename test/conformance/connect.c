/*
 * Connections by name in sim: happy eyeballs (RFC 8305) where addresses answer, refuse, or
 * swallow everything, and where one family's name servers are slow.
 */
#include "names_server.h"
#include <kiln/connect.h>

KILN_NET(net0, "to the others");

enum { MEMORY = 8 << 20, SERVICE = 7, HERE = 4, REFUSES = 5, NOBODY = 66 };

/* What the names stand for: the last bytes of addresses of both families. */
static const struct host {
	const char *name;
	uint8_t six[4], four[4]; /* up to a 0 */
} hosts[] = {
    {"four.test", {0}, {HERE}},
    {"six.test", {HERE}, {0}},
    {"both.test", {HERE}, {HERE}},
    {"hole6.test", {NOBODY}, {HERE}},
    {"holes6.test", {NOBODY, NOBODY + 1, NOBODY + 2}, {HERE}},
    {"refused6.test", {REFUSES}, {HERE}},
    {"hole4.test", {0}, {NOBODY, HERE}},
    {"refused4.test", {0}, {REFUSES, HERE}},
    {"slow6.test", {HERE}, {HERE}},
    {"dead.test", {REFUSES}, {REFUSES}},
    {"swallowed.test", {0}, {NOBODY}},
};

struct client {
	struct kiln *k;
	struct resolver *resolver;
	struct tcp *tcp;
	const char *name;
	struct tcp_connecting connecting;
	struct timer timer;
	kiln_time begun_at;
	bool cancel; /* after 100 ms */
	/* What came of it. */
	unsigned calls;
	enum kiln_error error;
	bool six;
	kiln_time took;
	size_t heard;
	struct tcp_counters counters;
};

static struct names_server names_server;
static unsigned accepted; /* by the service, in all */

/* ---- the others ---- */

static bool fill(struct dns_builder *b, const struct dns_question *q)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(hosts); i++) {
		const uint8_t *last = q->type == DNS_AAAA ? hosts[i].six : hosts[i].four;

		if (!names_is(q, hosts[i].name))
			continue;
		for (; *last; last++) {
			uint8_t v4[4] = {10, 0, 0, *last};
			uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = *last};
			names_put(b, DNS_ANSWERS, &q->name, q->type, 60,
			          q->type == DNS_A ? slice_of(v4, 4) : slice_of(v6, 16));
		}
		return true;
	}
	return false;
}

static int names_node(struct kiln *k)
{
	struct net *net = net_up(k, &net0);

	names_server.fill = fill;
	names_serve(&names_server, net, tcp_new(net));
	return kiln_run(k);
}

static void served(struct tcp_conn *conn, void *user)
{
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static void gone(struct tcp_conn *conn, void *user, enum kiln_error why)
{
}

static bool greet(struct tcp_conn *conn, void *context)
{
	static const struct tcp_events events = {served, gone};

	accepted++;
	tcp_own(conn, &events, NULL);
	return tcp_send(conn, SLICE("hello")) == 5;
}

static int service_node(struct kiln *k)
{
	struct tcp_listener *listener;

	assert_int_equal(
	    tcp_listen(tcp_new(net_up(k, &net0)), SERVICE, greet, NULL, &listener),
	    KILN_OK);
	return kiln_run(k);
}

static int empty_node(struct kiln *k)
{
	tcp_new(net_up(k, &net0)); /* refuses whoever comes */
	return kiln_run(k);
}

/* ---- the client ---- */

static void heard(struct tcp_conn *conn, void *user)
{
	struct client *c = user;

	c->heard += tcp_unread(conn);
	tcp_consume(conn, tcp_unread(conn));
}

static void connected(struct tcp_connecting *connecting, struct tcp_conn *conn,
                      enum kiln_error error)
{
	static const struct tcp_events events = {heard, gone};
	struct client *c = kiln_container(connecting, struct client, connecting);

	c->calls++;
	c->error = error;
	c->took = kiln_now(c->k) - c->begun_at;
	assert_int_equal(conn == NULL, error != KILN_OK);
	if (!conn)
		return;
	struct endpoint to = tcp_remote(conn);
	c->six = !ip_is4(&to.addr);
	tcp_own(conn, &events, c);
}

static void later(struct timer *timer)
{
	struct client *c = kiln_container(timer, struct client, timer);

	if (c->begun_at == 0) { /* addresses are probed by now */
		c->begun_at = kiln_now(c->k);
		tcp_connect_name(&c->connecting, c->resolver, c->tcp, slice_text(c->name),
		                 SERVICE, connected);
		if (c->cancel)
			timer_set(&c->k->loop, timer, c->k->loop.now + KILN_MS(100));
	} else {
		tcp_connect_cancel(&c->connecting);
	}
}

static int client_node(struct kiln *k)
{
	struct client *c = sim_node_user(sim_node_of(k));
	struct net *net = net_up(k, &net0);

	c->k = k;
	c->tcp = tcp_new(net);
	c->resolver = resolver_new(net, udp_new(net), c->tcp);
	timer_init(&c->timer, later);
	timer_set(&k->loop, &c->timer, k->loop.now + KILN_SECONDS(3));
	return kiln_run(k);
}

static struct client connect_to(const char *name, bool cancel)
{
	static const struct {
		const char *name;
		int (*entry)(struct kiln *k);
		const char *options[4];
	} nodes[] = {
	    {"names", names_node, {"ip=10.0.0.1/24"}},
	    {"service", service_node, {"ip=10.0.0.4/24", "ip6=2001:db8::4/64"}},
	    {"empty", empty_node, {"ip=10.0.0.5/24", "ip6=2001:db8::5/64"}},
	    {"client",
	     client_node,
	     {"ip=10.0.0.2/24", "ip6=2001:db8::2/64", "dns=10.0.0.1"}},
	};
	static const struct sim_impairment link_kind = {.delay = KILN_MS(2)};
	struct client client = {.name = name, .cancel = cancel};
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, &link_kind, 1500);

	memset(&names_server, 0, sizeof(names_server));
	accepted = 0;
	for (unsigned i = 0; i < KILN_COUNT_OF(nodes); i++) {
		struct sim_node *node = sim_node_new(sim, nodes[i].name, MEMORY,
		                                     nodes[i].entry, nodes[i].options);
		sim_node_set_user(node, &client);
		sim_node_net(node, "net0", link);
	}
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(300)));
	tcp_counters(client.tcp, &client.counters);
	assert_int_equal(client.calls, cancel ? 0 : 1);
	assert_int_equal(client.counters.conns, client.error || cancel ? 0 : 1);
	sim_free(sim);
	return client;
}

/* Connected, by this family, after so many ms and up to 60 more. */
static void reaches(const char *name, bool six, unsigned ms)
{
	struct client c = connect_to(name, false);

	assert_int_equal(c.error, KILN_OK);
	assert_int_equal(c.six, six);
	assert_in_range(c.took, KILN_MS(ms), KILN_MS(ms + 60));
	assert_int_equal(c.heard, 5); /* what was sent at once is not missed */
	assert_int_equal(accepted, 1);
}

static void a_name_of_one_family_is_connected_to(void **state)
{
	reaches("four.test", false, 0);
	reaches("six.test", true, 0);
	reaches("10.0.0.4", false, 0);
	reaches("2001:db8::4", true, 0);
}

static void of_both_families_the_newer_is_taken(void **state)
{
	reaches("both.test", true, 0);
}

static void where_ipv6_is_swallowed_ipv4_follows_after_a_quarter_of_a_second(void **state)
{
	reaches("hole6.test", false, 250);
	reaches("holes6.test", false, 250); /* the families take turns */
}

static void where_ipv6_is_refused_ipv4_follows_at_once(void **state)
{
	reaches("refused6.test", false, 0);
}

static void the_addresses_of_one_family_are_tried_in_the_same_way(void **state)
{
	reaches("hole4.test", false, 250);
	reaches("refused4.test", false, 0);
}

static void slow_name_servers_for_ipv6_are_waited_for_50_ms(void **state)
{
	reaches("slow6.test", false, 50);
}

static void where_all_refuse_the_error_says_so(void **state)
{
	struct client c = connect_to("dead.test", false);

	assert_int_equal(c.error, KILN_ERR_REFUSED);
	assert_true(c.took < KILN_MS(60));
	assert_int_equal(c.counters.opened_active, 2);
	assert_int_equal(connect_to("nx.test", false).error, KILN_ERR_NOT_FOUND);
	assert_int_equal(connect_to("no..name", false).error, KILN_ERR_INVALID);
	c = connect_to("swallowed.test", false);
	assert_true(c.error == KILN_ERR_UNREACHABLE || c.error == KILN_ERR_TIMEOUT);
}

static void what_is_cancelled_leaves_nothing(void **state)
{
	connect_to("swallowed.test", true); /* while connecting */
	connect_to("hole6.test", true);     /* between two addresses */
	connect_to("mute.test", true);      /* while looking up */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_name_of_one_family_is_connected_to),
	    cmocka_unit_test(of_both_families_the_newer_is_taken),
	    cmocka_unit_test(
	        where_ipv6_is_swallowed_ipv4_follows_after_a_quarter_of_a_second),
	    cmocka_unit_test(where_ipv6_is_refused_ipv4_follows_at_once),
	    cmocka_unit_test(the_addresses_of_one_family_are_tried_in_the_same_way),
	    cmocka_unit_test(slow_name_servers_for_ipv6_are_waited_for_50_ms),
	    cmocka_unit_test(where_all_refuse_the_error_says_so),
	    cmocka_unit_test(what_is_cancelled_leaves_nothing),
	};

	return cmocka_run_group_tests_name("connections by name in sim", tests, NULL,
	                                   NULL);
}
