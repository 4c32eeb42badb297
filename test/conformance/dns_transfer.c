/*
 * Zones from server to server, in sim: given whole to those who may have them (RFC 5936), kept up
 * to date by a secondary (1995, 1996, 1035), and what a secondary makes of a primary that dies,
 * lies, or signs with another key.
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

/* ---- from a primary that follows a script ---- */

enum { ANSWERS = 16 };

/* What it answers, one connection after the other. */
struct primary {
	struct play_client *c;
	struct {
		const char *text; /* records, in their order; NULL: nothing at all */
		uint16_t rcode;
		bool breaks; /* off, within the message */
	} answers[ANSWERS];
	unsigned asked;          /* connections so far */
	uint16_t types[ANSWERS]; /* of the questions */
};

static bool put_record(void *context, const struct dns_master_record *record)
{
	const struct dns_record r = {.section = DNS_ANSWERS,
	                             .name = *record->owner,
	                             .type = record->type,
	                             .class = DNS_CLASS_IN,
	                             .ttl = record->ttl,
	                             .data = record->data};

	return dns_build_record(context, &r);
}

static size_t build(uint8_t *buffer, size_t size, const struct dns_header *header,
                    const char *text)
{
	static const struct dns_master_calls calls = {.record = put_record,
	                                              .problem = play_problem};
	struct dns_master_file file = {SLICE("answer"), slice_text(text), 0};
	struct dns_master *m = calloc(1, sizeof(*m));
	struct dns_name origin;
	struct dns_builder b;

	assert_true(dns_name_parse(SLICE("example.com"), &origin));
	dns_build(&b, buffer, size, header);
	assert_true(dns_master_read(m, &calls, &b, &origin, &file));
	free(m);
	return dns_build_done(&b).len;
}

static void serve_script(struct stream *s, void *context)
{
	struct primary *p = context;
	unsigned turn = p->asked < ANSWERS ? p->asked++ : ANSWERS - 1;
	uint8_t question[512], message[16384];
	struct dns_question q;
	struct dns_reader r;
	size_t got;

	assert_int_equal(stream_read(s, question, sizeof(question), &got), KILN_OK);
	if (got == 2) /* the length came alone */
		assert_int_equal(stream_read(s, question + 2, 510, &got), KILN_OK);
	assert_true(dns_read(&r, slice_of(question + 2, sizeof(question) - 2)));
	assert_true(dns_read_question(&r, &q));
	p->types[turn] = q.type;
	if (!p->answers[turn].text) {
		while (stream_read(s, question, 1, &got) == KILN_OK && got)
			continue;
		return;
	}
	struct dns_header header = {.id = r.header.id,
	                            .flags = DNS_FLAG_RESPONSE | DNS_FLAG_AUTHORITATIVE,
	                            .rcode = (uint8_t)p->answers[turn].rcode};
	size_t size = build(message, sizeof(message), &header, p->answers[turn].text);
	if (!p->answers[turn].breaks) {
		play_send(s, slice_of(message, size));
		return;
	}
	uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
	assert_int_equal(stream_write(s, slice_of(length, 2)), KILN_OK);
	assert_int_equal(stream_write(s, slice_of(message, size / 2)), KILN_OK);
}

static struct primary *script_of(struct play_client *c)
{
	struct primary *p = c->user;

	p->c = c;
	assert_int_equal(stream_serve(c->tcp, c->tasks, DNS_PORT, serve_script, p),
	                 KILN_OK);
	c->server = play_endpoint("10.0.0.1");
	return p;
}

#define SOA(serial) "@ 300 SOA ns h " serial " 20 10 120 300\n"
#define WHOLE(serial, more) \
	SOA(serial) "@ 300 NS ns\nns 300 A 192.0.2.1\n" more SOA(serial)

static void run_script(struct primary *p, void (*script)(struct play_client *c))
{
	struct play_server server = {.secondaries = "example.com=10.0.0.100",
	                             .transfers = "any"};

	play_run_with(&server, 1, &short_way, script, p);
}

static void wait_for(struct play_client *c, uint32_t serial, kiln_time within)
{
	kiln_time until = kiln_now(c->k) + within;

	do {
		assert_true(kiln_now(c->k) < until);
		task_sleep(c->tasks, KILN_MS(500));
		assert_true(play_ask(c, "example.com", DNS_SOA));
	} while (play_serial(c) != serial || play_header(c).counts[DNS_ANSWERS] != 1);
}

static unsigned answers_at(struct play_client *c, const char *name, uint16_t type)
{
	assert_true(play_ask(c, name, type));
	return play_header(c).counts[DNS_ANSWERS];
}

static void take_changes(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 7, KILN_SECONDS(20));
	assert_int_equal(answers_at(c, "old.example.com", DNS_A), 1);
	wait_for(c, 9, KILN_SECONDS(25));
	assert_int_equal(p->types[0], DNS_AXFR);
	assert_int_equal(p->types[1], DNS_IXFR);
	assert_int_equal(answers_at(c, "old.example.com", DNS_A), 0);
	assert_int_equal(answers_at(c, "brief.example.com", DNS_A), 0);
	assert_int_equal(answers_at(c, "again.example.com", DNS_A), 1);
	assert_int_equal(answers_at(c, "new.example.com", DNS_A), 2);
	assert_int_equal(answers_at(c, "kept.example.com", DNS_MX), 1);
	assert_int_equal(answers_at(c, "gone.example.com", DNS_MX), 0);
	assert_int_equal(answers_at(c, "text.example.com", DNS_TXT), 1);
	struct dns_server_counters counters = play_counters(&c->servers[0]);
	assert_int_equal(counters.fetched, 2);
	assert_int_equal(counters.fetched_changes, 1);
	/* That there is nothing new is an answer, too: 120 s later it is not expired. */
	task_sleep(c->tasks, KILN_SECONDS(200));
	assert_int_equal(answers_at(c, "new.example.com", DNS_A), 2);
	assert_int_equal(play_counters(&c->servers[0]).fetch_failures, 0);
}

#define LINE(text) text "\n"
#define CHANGES                                \
	SOA("9")                               \
	SOA("7")                               \
	LINE("old 300 A 192.0.2.2")            \
	LINE("again 300 A 192.0.2.3")          \
	LINE("GONE 300 MX 10 NS.example.COM.") \
	LINE("text 300 TXT A")                 \
	SOA("8")                               \
	LINE("brief 300 A 192.0.2.4")          \
	LINE("new 300 A 192.0.2.5")            \
	SOA("8")                               \
	LINE("brief 300 A 192.0.2.4")          \
	SOA("9")                               \
	LINE("new 300 A 192.0.2.6")            \
	LINE("again 300 A 192.0.2.3")          \
	SOA("9")

/* RFC 1995, 4: of 7 to 8, and of 8 to 9. What one version takes away another may add again;
 * names in data are in another case than they were. */
static void changes_of_several_versions_are_applied_in_turn(void **state)
{
	struct primary p = {.answers = {
	                        {WHOLE("7", "old A 192.0.2.2\nagain A 192.0.2.3\n"
	                                    "kept 300 MX 10 ns\ngone 300 MX 10 ns\n"
	                                    "text 300 TXT a\ntext 300 TXT A\n")},
	                        {CHANGES},
	                    }};

	for (unsigned i = 2; i < ANSWERS; i++)
		p.answers[i].text = SOA("9");
	run_script(&p, take_changes);
}

static void fall_back(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 7, KILN_SECONDS(20));
	wait_for(c, 8, KILN_SECONDS(25));
	assert_int_equal(p->types[1], DNS_IXFR);
	assert_int_equal(p->types[2], DNS_AXFR);
	wait_for(c, 9, KILN_SECONDS(25));
	assert_int_equal(p->types[3], DNS_IXFR);
	assert_int_equal(p->types[4], DNS_AXFR);
	wait_for(c, 10, KILN_SECONDS(25));
	assert_int_equal(p->types[5], DNS_IXFR);
	assert_int_equal(p->asked, 6);
}

static void a_primary_that_cannot_tell_of_changes_is_asked_for_all(void **state)
{
	struct primary p = {
	    .answers = {{WHOLE("7", "")},
	                {"", DNS_RCODE_NOT_IMPLEMENTED},
	                {WHOLE("8", "")},
	                {SOA("9") SOA("6") SOA("9") SOA("9")}, /* of another version */
	                {WHOLE("9", "")},
	                {WHOLE("10", "")}}}; /* the whole, to a question for changes */

	run_script(&p, fall_back);
}

static void outlive(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 7, KILN_SECONDS(30));
	assert_int_equal(p->asked, 2);
	kiln_time loaded = kiln_now(c->k);
	while (kiln_now(c->k) < loaded + KILN_SECONDS(115)) {
		assert_int_equal(answers_at(c, "www.example.com", DNS_A), 1);
		task_sleep(c->tasks, KILN_MS(500));
	}
	assert_in_range(p->asked, 6, 14);
	/* 120 s after the last good answer it is no authority any more. */
	task_sleep(c->tasks, KILN_SECONDS(60));
	assert_true(play_ask(c, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_SERVER);
	assert_int_equal(play_counters(&c->servers[0]).fetched, 1);
}

static void a_primary_that_dies_on_the_way_leaves_the_zone_as_it_was(void **state)
{
	struct primary p = {.answers = {
	                        {.text = WHOLE("6", "www A 192.0.2.1\n"), .breaks = true},
	                        {WHOLE("7", "www A 192.0.2.2\n")},
	                    }};

	for (unsigned i = 2; i < ANSWERS; i++) {
		p.answers[i].text = WHOLE("8", "");
		p.answers[i].breaks = true;
	}
	run_script(&p, outlive);
}

static void expire_on_time(struct play_client *c)
{
	(void)script_of(c);
	wait_for(c, 7, KILN_SECONDS(20));
	task_sleep(c->tasks, KILN_SECONDS(50));
	assert_int_equal(answers_at(c, "ns.example.com", DNS_A), 1);
	task_sleep(c->tasks, KILN_SECONDS(15));
	assert_true(play_ask(c, "ns.example.com", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_SERVER);
}

/* And not when it is tried the next time, which an odd SOA puts behind that. */
static void a_zone_expires_at_its_time(void **state)
{
	static const char soa[] = "@ 300 SOA ns h 7 20 1000 60 300\n";
	char text[256];
	struct primary p = {.answers = {{text}}};

	snprintf(text, sizeof(text), "%s@ 300 NS ns\nns 300 A 192.0.2.1\n%s", soa, soa);
	for (unsigned i = 1; i < ANSWERS; i++)
		p.answers[i].text = "";
	run_script(&p, expire_on_time);
}

static void believe_nothing(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 7, KILN_SECONDS(20));
	while (p->asked < 13)
		task_sleep(c->tasks, KILN_SECONDS(1));
	wait_for(c, 8, KILN_SECONDS(60));
	assert_int_equal(answers_at(c, "www.example.com", DNS_A), 1);
}

static void what_is_no_zone_is_not_served(void **state)
{
	struct primary p = {.answers = {
	                        {WHOLE("7", "www A 192.0.2.2\n")},
	                        /* a question for changes and one for all, each time */
	                        {""},
	                        {""},
	                        {"www 300 A 192.0.2.9\n" WHOLE("8", "")},
	                        {"www 300 A 192.0.2.9\n"},
	                        {SOA("8") SOA("8")},
	                        {SOA("8") "www A 192.0.2.9\n" SOA("8")}, /* no NS */
	                        {WHOLE("8", "www CNAME ns\nwww A 192.0.2.9\n")},
	                        {WHOLE("8", "") "www A 192.0.2.9\n"},
	                        {.text = NULL}, /* silence: the stall's time */
	                        {WHOLE("9", "@ 300 SOA ns h 10 1 1 1 1\n")},
	                        {SOA("8") SOA("7") "www A 192.0.2.2\n"},
	                        {SOA("8") "@ NS ns\n"},
	                    }};

	for (unsigned i = 13; i < ANSWERS; i++)
		p.answers[i].text = WHOLE("8", "www A 192.0.2.2\n");
	run_script(&p, believe_nothing);
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
	    cmocka_unit_test(changes_of_several_versions_are_applied_in_turn),
	    cmocka_unit_test(a_primary_that_cannot_tell_of_changes_is_asked_for_all),
	    cmocka_unit_test(a_primary_that_dies_on_the_way_leaves_the_zone_as_it_was),
	    cmocka_unit_test(a_zone_expires_at_its_time),
	    cmocka_unit_test(what_is_no_zone_is_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
