/*
 * Zones from server to server, in sim: given whole to those who may have them (RFC 5936), and
 * kept up to date by a secondary (1995, 1996, 1035). What that makes of other primaries is in
 * dns_secondary.c.
 */
#include "dns_play.h"

#define ZONE(serial, times)                                                         \
	"@ 300 SOA ns hostmaster " serial " " times " 300\n@ 300 NS ns\nns 300 A "  \
	"192.0.2.1\nwww 300 A 192.0.2.2\n*.wild 300 TXT a b\nMixed.Case 300 MX 10 " \
	"Mail.Example.COM.\nsub 300 NS ns.sub\nns.sub 300 A 192.0.2.9\n"
#define TIMES "3600 600 86400"
#define MANY  "$GENERATE 1-5000 host$ 300 A 192.0.2.7\n"
#define KEY   "hmac-sha256:k.example:MTIzNA=="

static const struct sim_impairment short_way = {.delay = KILN_MS(5)};

/* ---- to others ---- */

struct taken {
	unsigned messages, records, soas;
	uint16_t rcode;
	bool ended; /* by an SOA, as it has to */
};

/* Reads a transfer up to its last message. */
static struct taken take(struct play_client *c, struct stream *s,
                         struct dns_tsig_exchange *x)
{
	struct taken taken = {0};

	while (!taken.ended && play_receive_message(c, s)) {
		struct slice message = slice_of(c->answer, c->answer_size);
		struct dns_record record;
		struct dns_reader r;

		assert_true(dns_read(&r, message));
		taken.messages++;
		taken.rcode = r.header.rcode;
		if (taken.rcode)
			break;
		assert_true(r.header.flags & DNS_FLAG_AUTHORITATIVE);
		while (dns_read_record(&r, &record)) {
			taken.records += record.section == DNS_ANSWERS;
			taken.soas += record.type == DNS_SOA;
		}
		assert_false(r.failed);
		taken.ended = taken.soas == 2;
		if (x) {
			struct dns_tsig tsig;
			assert_true(dns_tsig_read(message, &tsig));
			assert_int_equal(
			    dns_tsig_check_answer(x, message, &tsig,
			                          kiln_wall(c->k) / KILN_SECONDS(1)),
			    DNS_TSIG_OK);
			assert_int_equal(x->since, 0);
		}
	}
	return taken;
}

static struct taken transfer(struct play_client *c, const char *name,
                             const char *key_text)
{
	struct dns_tsig_exchange x;
	struct dns_tsig_key key;
	uint8_t query[512];
	struct stream s;
	size_t size = play_question(query, sizeof(query), 3, name, DNS_AXFR);
	struct slice message = slice_of(query, size);

	if (key_text) {
		assert_true(dns_tsig_key_parse(slice_text(key_text), &key));
		dns_tsig_begin(&x, &key);
		message = dns_tsig_sign(&x, query, size, sizeof(query),
		                        kiln_wall(c->k) / KILN_SECONDS(1));
	}
	play_connect(c, &s);
	play_send(&s, message);
	struct taken taken = take(c, &s, key_text ? &x : NULL);
	/* The connection goes on. */
	assert_true(play_ask_stream(c, &s, 4, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).id, 4);
	stream_close(&s);
	return taken;
}

static void take_all(struct play_client *c)
{
	struct taken taken = transfer(c, "example.com", NULL);

	assert_true(taken.ended);
	assert_int_equal(taken.records, 5000 + 8 + 1);
	assert_in_range(taken.messages, 5, 20);
	taken = transfer(c, "www.example.com", NULL);
	assert_int_equal(taken.rcode, DNS_RCODE_NOT_AUTHORIZED);
	/* By UDP there is none (RFC 5936, 4.2). */
	assert_true(play_ask(c, "example.com", DNS_AXFR));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_FORMAT);
	/* Of changes, the SOA alone (RFC 1995, 2). */
	assert_true(play_ask(c, "example.com", DNS_IXFR));
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], 1);
	assert_int_equal(play_serial(c), 7);
}

static void a_zone_is_given_whole(void **state)
{
	struct sim_impairment bad = {.delay = KILN_MS(20), .loss = 0.02};
	struct play_server server = {.zones = {{"example.com", ZONE("7", TIMES) MANY}},
	                             .transfers = "10.0.0.0/24"};

	play_run(&server, 1, &bad, take_all);
}

static void take_refused(struct play_client *c)
{
	assert_int_equal(transfer(c, "example.com", NULL).rcode, DNS_RCODE_REFUSED);
	assert_int_equal(play_counters(&c->servers[0]).transfers, 0);
}

static void who_is_not_on_the_list_is_refused(void **state)
{
	struct play_server server = {.zones = {{"example.com", ZONE("7", TIMES)}},
	                             .transfers = "10.0.0.7,2001:db8::/32,key:k.example",
	                             .keys = KEY};

	play_run(&server, 1, &short_way, take_refused);
	server.transfers = NULL;
	play_run(&server, 1, &short_way, take_refused);
}

static void allow(struct play_client *c)
{
	struct dns_server *server = dns_server_new(c->k, NULL, 1);
	struct dns_mistake mistake;

	assert_false(dns_server_transfers(server, SLICE("key:k.example"), &mistake));
	assert_true(dns_server_keys(server, SLICE(KEY), &mistake));
	assert_true(dns_server_transfers(server, SLICE("any,key:K.example"), &mistake));
	assert_false(
	    dns_server_transfers(server, SLICE("10.0.0.7,key:j.example"), &mistake));
	assert_true(slice_equal(mistake.text, SLICE("key:j.example")));
}

static void a_list_names_no_key_that_is_not_there(void **state)
{
	struct play_server server = {0};

	play_run(&server, 1, &short_way, allow);
}

static void take_with_edns(struct play_client *c)
{
	static const uint16_t types[] = {DNS_AXFR, DNS_IXFR};
	struct dns_record last = {0}, record;
	struct dns_opt opt = {.udp_size = 4096};
	uint8_t query[512];

	for (unsigned i = 0; i < KILN_COUNT_OF(types); i++) {
		struct dns_header header = {.id = 3};
		struct dns_question question = {.type = types[i], .class = DNS_CLASS_IN};
		struct dns_builder b;
		struct dns_reader r;
		struct stream s;

		assert_true(dns_name_parse(SLICE("example.com"), &question.name));
		dns_build(&b, query, sizeof(query), &header);
		assert_true(dns_build_question(&b, &question));
		assert_true(dns_build_opt(&b, &opt));
		play_connect(c, &s);
		play_send(&s, dns_build_done(&b));
		assert_true(play_receive_message(c, &s));
		assert_true(dns_read(&r, slice_of(c->answer, c->answer_size)));
		while (dns_read_record(&r, &record))
			last = record;
		assert_int_equal(last.type, DNS_OPT);
		assert_true(dns_data_opt(&last, &opt));
		assert_int_equal(opt.udp_size, DNS_EDNS_SIZE);
		/* Once is enough: RFC 5936, 2.2.5. */
		assert_true(play_receive_message(c, &s));
		assert_true(dns_read(&r, slice_of(c->answer, c->answer_size)));
		assert_int_equal(r.header.counts[DNS_ADDITIONALS], 0);
		stream_close(&s);
	}
}

static void edns_is_answered_by_edns(void **state)
{
	struct play_server server = {.zones = {{"example.com", ZONE("7", TIMES) MANY}},
	                             .transfers = "any"};

	play_run(&server, 1, &short_way, take_with_edns);
}

static void take_signed(struct play_client *c)
{
	struct taken taken = transfer(c, "example.com", KEY);

	assert_true(taken.ended);
	assert_int_equal(taken.records, 5000 + 8 + 1);
}

static void each_message_of_a_transfer_is_signed(void **state)
{
	struct play_server server = {.zones = {{"example.com", ZONE("7", TIMES) MANY}},
	                             .transfers = "key:k.example",
	                             .keys = KEY};

	play_run(&server, 1, &short_way, take_signed);
}

/* ---- to a secondary of ours ---- */

/* Has the second server, the secondary, answer: by its SOA's serial, 0 if it has none. */
static uint32_t serial_of_secondary(struct play_client *c)
{
	c->server = play_endpoint("10.0.0.2");
	assert_true(play_ask(c, "example.com", DNS_SOA));
	return play_serial(c);
}

static void wait_for_serial(struct play_client *c, uint32_t serial, kiln_time within)
{
	kiln_time until = kiln_now(c->k) + within;

	while (serial_of_secondary(c) != serial) {
		assert_true(kiln_now(c->k) < until);
		task_sleep(c->tasks, KILN_MS(500));
	}
}

/* Replaces the zone of the first server, as a start of a new image would. */
static void replace_zone(struct play_client *c, const char *text)
{
	struct play_server *p = &c->servers[0];

	assert_true(
	    dns_server_add(p->server, play_zone(&p->k->arena, "example.com", text)));
}

static void assert_all_there(struct play_client *c)
{
	struct taken taken;

	c->server = play_endpoint("10.0.0.2");
	taken = transfer(c, "example.com", NULL);
	assert_true(taken.ended);
	assert_int_equal(taken.records, 5000 + 8 + 1);
	assert_true(play_ask(c, "mixed.case.example.com", DNS_MX));
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], 1);
	assert_true(play_ask(c, "a.b.sub.example.com", DNS_A));
	assert_int_equal(play_header(c).counts[DNS_ANSWERS], 0);
	assert_int_equal(play_header(c).counts[DNS_AUTHORITIES], 1);
}

static void follow(struct play_client *c)
{
	wait_for_serial(c, 7, KILN_SECONDS(20));
	assert_all_there(c);
	/* By the refresh time: 60 s, or up to an eighth less. */
	replace_zone(c, ZONE("8", "60 10 300") MANY);
	task_sleep(c->tasks, KILN_SECONDS(50));
	assert_int_equal(serial_of_secondary(c), 7);
	wait_for_serial(c, 8, KILN_SECONDS(15));
	assert_all_there(c);
	assert_int_equal(play_counters(&c->servers[1]).fetched, 2);
}

static void a_secondary_fetches_its_zone_and_follows_it(void **state)
{
	struct sim_impairment bad = {.delay = KILN_MS(10), .loss = 0.01};
	struct play_server servers[2] = {
	    {.zones = {{"example.com", ZONE("7", "60 10 300") MANY}}, .transfers = "any"},
	    {.secondaries = "example.com=10.0.0.1", .transfers = "any"},
	};

	play_run(servers, 2, &bad, follow);
}

static void follow_signed(struct play_client *c)
{
	wait_for_serial(c, 7, KILN_SECONDS(20));
	assert_all_there(c);
}

static void a_secondary_signs_and_checks(void **state)
{
	struct play_server servers[2] = {
	    {.zones = {{"example.com", ZONE("7", TIMES) MANY}},
	     .transfers = "key:k.example",
	     .keys = KEY},
	    {.secondaries = "example.com=10.0.0.1:53/k.example",
	     .keys = KEY,
	     .transfers = "any"},
	};

	play_run(servers, 2, &short_way, follow_signed);
}

static void stay_without(struct play_client *c)
{
	task_sleep(c->tasks, KILN_SECONDS(120));
	c->server = play_endpoint("10.0.0.2");
	assert_true(play_ask(c, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_SERVER);
	assert_true(play_ask(c, "www.example.org", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_REFUSED);
	struct dns_server_counters counters = play_counters(&c->servers[1]);
	assert_int_equal(counters.fetched, 0);
	assert_in_range(counters.fetch_failures, 3, 10);
}

static void another_key_gets_no_zone(void **state)
{
	struct play_server servers[2] = {
	    {.zones = {{"example.com", ZONE("7", TIMES) MANY}},
	     .transfers = "key:k.example",
	     .keys = KEY},
	    {.secondaries = "example.com=10.0.0.1/k.example",
	     .keys = "k.example:MTIzNQ=="},
	};

	play_run(servers, 2, &short_way, stay_without);
}

static void be_told(struct play_client *c)
{
	wait_for_serial(c, 7, KILN_SECONDS(20));
	replace_zone(c, ZONE("8", TIMES) MANY);
	/* From who is no primary: refused. */
	uint8_t message[512];
	size_t size = play_question(message, sizeof(message), 5, "example.com", DNS_SOA);
	message[2] = DNS_OPCODE_NOTIFY << 3;
	assert_true(play_exchange(c, slice_of(message, size), KILN_SECONDS(1)));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_REFUSED);
	assert_int_equal(play_header(c).opcode, DNS_OPCODE_NOTIFY);
	task_sleep(c->tasks, KILN_SECONDS(60));
	assert_int_equal(serial_of_secondary(c), 7);
	/* The third server is a secondary of the second, which tells it of what is new. */
	assert_int_equal(play_counters(&c->servers[2]).notified, 1);
}

static void who_is_no_primary_cannot_notify(void **state)
{
	struct play_server servers[3] = {
	    {.zones = {{"example.com", ZONE("7", TIMES) MANY}}, .transfers = "any"},
	    {.secondaries = "example.com=10.0.0.1",
	     .transfers = "any",
	     .notify = "10.0.0.3"},
	    {.secondaries = "example.com=10.0.0.2"},
	};

	play_run(servers, 3, &short_way, be_told);
}

static void chain(struct play_client *c)
{
	task_sleep(c->tasks, KILN_SECONDS(10));
	c->server = play_endpoint("10.0.0.3");
	assert_true(play_ask(c, "example.com", DNS_SOA));
	assert_int_equal(play_serial(c), 7);
	assert_in_range(play_counters(&c->servers[1]).notifies_sent, 1, 2);
	assert_int_equal(play_counters(&c->servers[2]).notified, 1);
	assert_int_equal(play_counters(&c->servers[0]).notifies_lost, 0);
}

/* The last would find nothing at first, and look again only after 5 s and more. */
static void notify_goes_down_a_chain_of_secondaries(void **state)
{
	struct play_server servers[3] = {
	    {.zones = {{"example.com", ZONE("7", TIMES) MANY}},
	     .transfers = "any",
	     .notify = "10.0.0.2"},
	    {.secondaries = "example.com=10.0.0.1",
	     .transfers = "any",
	     .notify = "10.0.0.3"},
	    {.secondaries = "example.com=10.0.0.2"},
	};

	play_run(servers, 3, &short_way, chain);
}

/* Not many records, and much to compute: two hashes of 151 rounds a name. */
#define TO_HASH                                                              \
	MANY_TO_HASH "@ 300 NSEC3PARAM 1 0 150 -\n"                          \
	             "00000000000000000000000000000000 300 NSEC3 1 0 150 - " \
	             "00000000000000000000000000000000 A\n"
#define MANY_TO_HASH "$GENERATE 1-500 host$ 300 A 192.0.2.7\n"

static void ask_meanwhile(struct play_client *c)
{
	kiln_time longest = 0, asked_at = 0;
	unsigned answers = 0;

	wait_for_serial(c, 7, KILN_SECONDS(20));
	replace_zone(c, ZONE("8", TIMES) TO_HASH);
	do {
		if (asked_at)
			longest = KILN_MAX(longest, kiln_now(c->k) - asked_at);
		asked_at = kiln_now(c->k);
		answers++;
	} while (serial_of_secondary(c) == 7);
	/* Question and answer are on their way for 10 ms, and may wait for a round or two. */
	assert_in_range(longest, KILN_MS(10), KILN_MS(15));
	assert_in_range(answers, 40, 400);
}

static void a_zone_is_answered_from_while_the_next_is_compiled(void **state)
{
	struct play_server servers[2] = {
	    {.zones = {{"example.com", ZONE("7", TIMES) TO_HASH}},
	     .transfers = "any",
	     .notify = "10.0.0.2"},
	    {.secondaries = "example.com=10.0.0.1", .slow = KILN_MS(1)},
	};

	play_run(servers, 2, &short_way, ask_meanwhile);
}

static void tell_of_all(struct play_client *c)
{
	task_sleep(c->tasks, KILN_SECONDS(4));
	assert_int_equal(play_counters(&c->servers[1]).notifies_sent, 2);
	assert_int_equal(play_counters(&c->servers[2]).notified, 2);
}

/* Though another zone comes before that is done. */
static void zones_of_the_start_are_told_of(void **state)
{
	struct play_server servers[3] = {
	    {.zones = {{"example.com", ZONE("7", TIMES) MANY}}, .transfers = "any"},
	    {.zones = {{"example.org", ZONE("1", TIMES)}},
	     .secondaries = "example.com=10.0.0.1",
	     .transfers = "any",
	     .notify = "10.0.0.3"},
	    {.secondaries = "example.com=10.0.0.2,example.org=10.0.0.2"},
	};

	play_run(servers, 3, &short_way, tell_of_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_zone_is_given_whole),
	    cmocka_unit_test(who_is_not_on_the_list_is_refused),
	    cmocka_unit_test(a_list_names_no_key_that_is_not_there),
	    cmocka_unit_test(edns_is_answered_by_edns),
	    cmocka_unit_test(each_message_of_a_transfer_is_signed),
	    cmocka_unit_test(a_secondary_fetches_its_zone_and_follows_it),
	    cmocka_unit_test(a_secondary_signs_and_checks),
	    cmocka_unit_test(another_key_gets_no_zone),
	    cmocka_unit_test(who_is_no_primary_cannot_notify),
	    cmocka_unit_test(notify_goes_down_a_chain_of_secondaries),
	    cmocka_unit_test(a_zone_is_answered_from_while_the_next_is_compiled),
	    cmocka_unit_test(zones_of_the_start_are_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
