/*
 * The resolver against name servers that drop, truncate, lie and are slow, in sim: what it
 * finds, how often it asks, and what it does not believe.
 */
#include "names_server.h"
#include <kiln/resolver.h>
#include <kiln/task.h>

KILN_NET(net0, "to the servers");

enum { MEMORY = 8 << 20, SERVERS = 2 };

/* The client's side of a test: straight-line code on a task of its node. */
struct client {
	struct kiln *k;
	struct resolver *resolver;
	struct task_pool *tasks;
	struct names_server servers[SERVERS];
	void (*script)(struct client *c);
	bool finished;
};

static struct resolver_lookup found; /* of the last find() */

/* ---- the nodes ---- */

static int server_node(struct kiln *k)
{
	struct net *net = net_up(k, &net0);

	names_serve(sim_node_user(sim_node_of(k)), net, tcp_new(net));
	return kiln_run(k);
}

static void client_task(void *arg)
{
	struct client *c = arg;

	c->script(c);
	c->finished = true;
}

static int client_node(struct kiln *k)
{
	struct client *c = sim_node_user(sim_node_of(k));
	struct net *net = net_up(k, &net0);

	c->k = k;
	c->resolver = resolver_new(net, udp_new(net), tcp_new(net));
	c->tasks = task_pool_new(k, 1, 131072);
	assert_int_equal(task_start(c->tasks, client_task, c), KILN_OK);
	return kiln_run(k);
}

static void run(void (*script)(struct client *c), const char *dns)
{
	static const char *const addresses[] = {"ip=10.0.0.1/24", "ip=10.0.0.3/24"};
	const char *options[] = {"ip=10.0.0.2/24", dns, NULL};
	struct client client = {.script = script};
	struct sim_impairment link_kind = {.delay = KILN_MS(5)};
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, &link_kind, 1500);
	struct sim_node *node;

	for (unsigned i = 0; i < SERVERS; i++) {
		const char *server_options[] = {addresses[i], NULL};
		client.servers[i].first = i == 0;
		node = sim_node_new(sim, "server", MEMORY, server_node, server_options);
		sim_node_set_user(node, &client.servers[i]);
		sim_node_net(node, "net0", link);
	}
	node = sim_node_new(sim, "client", MEMORY, client_node, options);
	sim_node_set_user(node, &client);
	sim_node_net(node, "net0", link);
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(600)));
	assert_true(client.finished);
	sim_free(sim);
}

#define ONE_SERVER  "dns=10.0.0.1"
#define TWO_SERVERS "dns=10.0.0.1,10.0.0.3"

/* ---- what scripts say ---- */

static enum kiln_error find(struct client *c, const char *name, unsigned families)
{
	return resolver_wait(c->resolver, c->tasks, slice_text(name), families, &found);
}

static void finds(struct client *c, const char *name, unsigned families,
                  const char *expected)
{
	char text[RESOLVER_ADDRESSES * 48];
	struct writer w = writer_of(text, sizeof(text));

	assert_int_equal(find(c, name, families), KILN_OK);
	for (unsigned i = 0; i < found.count; i++) {
		writer_text(&w, i ? " " : "");
		ip_format(&w, &found.addresses[i]);
	}
	writer_u8(&w, 0);
	assert_string_equal(text, expected);
}

static unsigned asked(struct client *c)
{
	unsigned count = c->servers[0].asked + c->servers[1].asked;

	c->servers[0].asked = c->servers[1].asked = 0;
	return count;
}

static kiln_time now(struct client *c)
{
	return kiln_now(c->k);
}

/* ---- scripts ---- */

static void find_both(struct client *c)
{
	finds(c, "both.test", RESOLVER_ANY, "2001:db8::2 192.0.2.2");
	assert_int_equal(asked(c), 2);
	finds(c, "a.test", RESOLVER_ANY, "192.0.2.1");
	finds(c, "A.Test.", RESOLVER_IP4, "192.0.2.1");
	assert_int_equal(asked(c), 2);
	assert_int_equal(c->servers[0].edns, 4);
}

static void both_families_are_found_side_by_side(void **state)
{
	run(find_both, ONE_SERVER);
}

static void keep(struct client *c)
{
	finds(c, "a.test", RESOLVER_ANY, "192.0.2.1");
	assert_int_equal(find(c, "nx.test", RESOLVER_ANY), KILN_ERR_NOT_FOUND);
	assert_int_equal(asked(c), 4);
	task_sleep(c->tasks, KILN_SECONDS(29));
	finds(c, "a.test", RESOLVER_ANY, "192.0.2.1");
	assert_int_equal(find(c, "nx.test", RESOLVER_ANY), KILN_ERR_NOT_FOUND);
	assert_int_equal(asked(c), 0);
	task_sleep(c->tasks, KILN_SECONDS(2)); /* negative ones are over: RFC 2308 */
	finds(c, "a.test", RESOLVER_ANY, "192.0.2.1");
	assert_int_equal(find(c, "nx.test", RESOLVER_ANY), KILN_ERR_NOT_FOUND);
	assert_int_equal(asked(c), 3);
	task_sleep(c->tasks, KILN_SECONDS(29)); /* and those of the address */
	finds(c, "a.test", RESOLVER_IP4, "192.0.2.1");
	assert_int_equal(asked(c), 1);
	finds(c, "zero.test", RESOLVER_IP4, "192.0.2.2");
	finds(c, "zero.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(asked(c), 2);
}

static void answers_are_kept_for_as_long_as_they_say(void **state)
{
	run(keep, ONE_SERVER);
}

static void make_room(struct client *c)
{
	struct resolver_counters counters;
	char name[32];

	finds(c, "both.test", RESOLVER_IP4, "192.0.2.2");
	for (unsigned i = 0; i < 100; i++) {
		finds(c, "both.test", RESOLVER_IP4, "192.0.2.2");
		snprintf(name, sizeof(name), "n%u.test", i);
		finds(c, name, RESOLVER_IP4, "192.0.2.2");
	}
	resolver_counters(c->resolver, &counters);
	assert_int_equal(counters.entries, 64); /* of 8 MiB */
	assert_int_equal(asked(c), 101);
	finds(c, "n99.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(asked(c), 0);
	finds(c, "n0.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(asked(c), 1);
}

static void the_cache_is_bounded_and_keeps_what_is_used(void **state)
{
	run(make_room, ONE_SERVER);
}

static void follow(struct client *c)
{
	finds(c, "chain.test", RESOLVER_ANY, "2001:db8::2 192.0.2.2");
	assert_int_equal(asked(c), 2);
	finds(c, "alias.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(asked(c), 2); /* the alias, and what it stands for */
	finds(c, "alias.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(asked(c), 0);
	assert_int_equal(find(c, "circle.test", RESOLVER_IP4), KILN_ERR_PROTOCOL);
	assert_int_equal(find(c, "endless.test", RESOLVER_IP4), KILN_ERR_PROTOCOL);
	assert_true(asked(c) <= 3 + 9);
}

static void aliases_are_followed_but_not_in_circles(void **state)
{
	run(follow, ONE_SERVER);
}

static void ask_by_tcp(struct client *c)
{
	assert_int_equal(find(c, "big.test", RESOLVER_IP4), KILN_OK);
	assert_int_equal(found.count, RESOLVER_ADDRESSES);
	assert_int_equal(found.addresses[0].bytes[15], 0);
	assert_int_equal(c->servers[0].by_tcp, 1);
	finds(c, "case.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(c->servers[0].by_tcp, 2); /* it gave the letters away */
}

static void what_is_truncated_or_doubtful_is_asked_by_tcp(void **state)
{
	run(ask_by_tcp, ONE_SERVER);
}

static void believe(struct client *c)
{
	struct resolver_counters counters;

	finds(c, "lie.test", RESOLVER_ANY, "2001:db8::2 192.0.2.2");
	resolver_counters(c->resolver, &counters);
	assert_int_equal(counters.foreign, 2 * 6);
	assert_int_equal(counters.queries, 2);
}

static void forged_answers_are_not_believed(void **state)
{
	run(believe, ONE_SERVER);
}

static void vary(struct client *c)
{
	uint16_t ids[64], ports[64];
	unsigned same_id = 0, same_port = 0;

	for (unsigned i = 0; i < 64; i++) {
		finds(c, "zero.test", RESOLVER_IP4, "192.0.2.2");
		ids[i] = c->servers[0].id;
		ports[i] = c->servers[0].port;
		for (unsigned other = 0; other < i; other++) {
			same_id += ids[other] == ids[i];
			same_port += ports[other] == ports[i];
		}
	}
	/* Of 2016 pairs, 0.03 are the same by chance. */
	assert_true(same_id <= 1 && same_port <= 1);
	assert_true(c->servers[0].mixed > 50);
}

static void id_port_and_letters_are_new_each_time(void **state)
{
	run(vary, ONE_SERVER);
}

static void try_again(struct client *c)
{
	kiln_time begun = now(c);

	c->servers[0].drop = 1;
	finds(c, "a.test", RESOLVER_IP4, "192.0.2.1");
	assert_true(now(c) - begun >= KILN_SECONDS(1));
	assert_true(now(c) - begun < KILN_MS(1100));
	assert_int_equal(asked(c), 2);
	begun = now(c);
	assert_int_equal(find(c, "mute.test", RESOLVER_IP4), KILN_ERR_TIMEOUT);
	assert_true(now(c) - begun >= KILN_SECONDS(7) && now(c) - begun < KILN_MS(7100));
	assert_int_equal(asked(c), 3); /* 1, 2 and 4 s */
}

static void an_unanswered_question_is_asked_again_and_then_given_up(void **state)
{
	run(try_again, ONE_SERVER);
}

static void take_turns(struct client *c)
{
	kiln_time begun = now(c);

	finds(c, "fail.test", RESOLVER_IP4, "192.0.2.2");
	assert_true(now(c) - begun < KILN_MS(100)); /* at once */
	assert_int_equal(c->servers[0].asked, 1);
	assert_int_equal(c->servers[1].asked, 1);
	finds(c, "a.test", RESOLVER_IP4, "192.0.2.1");
	assert_int_equal(c->servers[1].asked, 2); /* the one that could */
	c->servers[1].drop = 1;
	finds(c, "both.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(c->servers[0].asked, 2);
	assert_int_equal(c->servers[1].asked, 3);
	asked(c);
	assert_int_equal(find(c, "mute.test", RESOLVER_IP4), KILN_ERR_TIMEOUT);
	assert_int_equal(asked(c), 6);
}

static void the_servers_take_turns(void **state)
{
	run(take_turns, TWO_SERVERS);
}

static void do_without_edns(struct client *c)
{
	finds(c, "plain.test", RESOLVER_IP4, "192.0.2.2");
	assert_int_equal(asked(c), 2);
	assert_int_equal(c->servers[0].edns, 1);
}

static void a_server_without_edns_is_asked_without(void **state)
{
	run(do_without_edns, ONE_SERVER);
}

static unsigned called;

static void count_call(struct resolver_lookup *lookup)
{
	assert_int_equal(lookup->error, KILN_OK);
	called++;
}

static void join(struct client *c)
{
	struct resolver_lookup lookups[10];

	called = 0;
	for (unsigned i = 0; i < 10; i++)
		resolver_lookup(c->resolver, &lookups[i], SLICE("both.test"),
		                RESOLVER_ANY, count_call);
	resolver_cancel(&lookups[3]);
	assert_int_equal(called, 0);
	task_sleep(c->tasks, KILN_SECONDS(1));
	assert_int_equal(called, 9);
	assert_int_equal(asked(c), 2);
	/* And one that has its answer already, but was not told yet. */
	resolver_lookup(c->resolver, &lookups[0], SLICE("both.test"), RESOLVER_ANY,
	                count_call);
	resolver_cancel(&lookups[0]);
	task_sleep(c->tasks, KILN_SECONDS(1));
	assert_int_equal(called, 9);
}

static void the_same_question_is_asked_once_for_all(void **state)
{
	run(join, ONE_SERVER);
}

static void do_not_ask(struct client *c)
{
	finds(c, "192.0.2.77", RESOLVER_ANY, "192.0.2.77");
	finds(c, "localhost", RESOLVER_ANY, "::1 127.0.0.1");
	finds(c, "my.LocalHost.", RESOLVER_IP4, "127.0.0.1");
	assert_int_equal(find(c, "192.0.2.77", RESOLVER_IP6), KILN_ERR_NOT_FOUND);
	assert_int_equal(find(c, "some.invalid", RESOLVER_ANY), KILN_ERR_NOT_FOUND);
	assert_int_equal(find(c, "some.onion", RESOLVER_ANY), KILN_ERR_NOT_FOUND);
	assert_int_equal(find(c, "two..dots", RESOLVER_ANY), KILN_ERR_INVALID);
	assert_int_equal(find(c, "", RESOLVER_ANY), KILN_ERR_INVALID);
	assert_int_equal(asked(c), 0);
}

static void some_names_are_known_without_a_question(void **state)
{
	run(do_not_ask, ONE_SERVER);
}

static void find_nobody(struct client *c)
{
	kiln_time begun = now(c);

	assert_int_equal(find(c, "a.test", RESOLVER_ANY), KILN_ERR_UNREACHABLE);
	assert_true(now(c) - begun >= KILN_SECONDS(10));
	assert_true(now(c) - begun < KILN_SECONDS(11));
}

static void without_a_server_there_is_an_end(void **state)
{
	run(find_nobody, NULL);
}

static void ask_for_many(struct client *c)
{
	struct resolver_lookup lookups[40];
	unsigned refused = 0;

	for (unsigned i = 0; i < 40; i++) {
		char name[32];
		snprintf(name, sizeof(name), "m%u.test", i);
		resolver_lookup(c->resolver, &lookups[i], slice_text(name), RESOLVER_IP4,
		                count_call);
		if (i >= 32) {
			assert_int_equal(lookups[i].error, KILN_ERR_MEMORY);
			resolver_cancel(&lookups[i]);
			refused++;
		}
	}
	called = 0;
	/* While the server's link address is not known, most are lost and asked again. */
	task_sleep(c->tasks, KILN_SECONDS(3));
	assert_int_equal(called, 40 - refused);
	finds(c, "m39.test", RESOLVER_IP4, "192.0.2.2");
}

static void too_many_questions_at_once_are_refused(void **state)
{
	run(ask_for_many, ONE_SERVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_families_are_found_side_by_side),
	    cmocka_unit_test(answers_are_kept_for_as_long_as_they_say),
	    cmocka_unit_test(the_cache_is_bounded_and_keeps_what_is_used),
	    cmocka_unit_test(aliases_are_followed_but_not_in_circles),
	    cmocka_unit_test(what_is_truncated_or_doubtful_is_asked_by_tcp),
	    cmocka_unit_test(forged_answers_are_not_believed),
	    cmocka_unit_test(id_port_and_letters_are_new_each_time),
	    cmocka_unit_test(an_unanswered_question_is_asked_again_and_then_given_up),
	    cmocka_unit_test(the_servers_take_turns),
	    cmocka_unit_test(a_server_without_edns_is_asked_without),
	    cmocka_unit_test(the_same_question_is_asked_once_for_all),
	    cmocka_unit_test(some_names_are_known_without_a_question),
	    cmocka_unit_test(without_a_server_there_is_an_end),
	    cmocka_unit_test(too_many_questions_at_once_are_refused),
	};

	return cmocka_run_group_tests_name("names in sim", tests, NULL, NULL);
}
