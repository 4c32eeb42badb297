/*
 * A secondary, in sim, and its primaries: one that follows a script, and dies, lies, or comes to
 * no end; several of which some are behind; who says NOTIFY all the time.
 */
#include "dns_play.h"

static const struct sim_impairment short_way = {.delay = KILN_MS(5)};

/* ---- from a primary that follows a script ---- */

enum { ANSWERS = 40 };
#define KEY "hmac-sha256:k.example:MTIzNA=="

/* What it answers, one connection after the other. */
struct primary {
	struct play_client *c;
	struct {
		const char *text; /* records, in their order; NULL: nothing at all */
		uint16_t rcode;
		bool breaks; /* off, within the message */
		bool shuts;  /* the connection, with nothing said */
		const char
		    *then; /* what it says over and over behind that, as long as it can */
		kiln_time pause; /* before each byte of it, if it is not 0 */
	} answers[ANSWERS];
	const char *
	    key; /* NULL: nothing is signed; else, each of the answers is a message of one */
	unsigned sign_every;
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

/* Says the same until nobody listens. */
static void go_on(struct primary *p, struct stream *s, unsigned turn,
                  const struct dns_header *header)
{
	uint8_t message[2 + 16384];
	size_t size =
	    build(message + 2, sizeof(message) - 2, header, p->answers[turn].then);
	kiln_time pause = p->answers[turn].pause;
	struct writer w = writer_of(message, 2);
	size_t part = pause ? 1 : 2 + size;

	writer_u16(&w, (uint16_t)size);
	for (size_t at = 0;; at = at + part < 2 + size ? at + part : 0) {
		if (pause)
			task_sleep(p->c->tasks, pause);
		if (stream_write(s, slice_of(message + at, part)) != KILN_OK)
			return;
	}
}

/* Signs the first of the messages, and then one of so many (RFC 8945, 5.3.1). */
static void answer_signed(struct primary *p, struct stream *s, struct slice question)
{
	uint64_t now = kiln_wall(p->c->k) / KILN_SECONDS(1);
	uint8_t message[1024];
	struct dns_tsig_exchange x;
	struct dns_tsig_key key;
	struct dns_tsig tsig;

	assert_true(dns_tsig_key_parse(slice_text(p->key), &key));
	assert_true(dns_tsig_read(question, &tsig));
	assert_int_equal(dns_tsig_check_request(&x, &key, 1, question, &tsig, now),
	                 DNS_TSIG_OK);
	struct cursor c = cursor_of(question);
	struct dns_header header = {.id = cursor_u16(&c), .flags = DNS_FLAG_RESPONSE};
	for (unsigned i = 0; i < ANSWERS && p->answers[i].text; i++) {
		size_t size =
		    build(message, sizeof(message), &header, p->answers[i].text);
		struct slice whole = slice_of(message, size);

		if (i % p->sign_every == 0)
			whole = dns_tsig_sign(&x, message, size, sizeof(message), now);
		else
			hmac_add(&x.hmac, whole);
		play_send(s, whole);
	}
}

static void serve_script(struct stream *s, void *context)
{
	struct primary *p = context;
	unsigned turn = p->asked < ANSWERS ? p->asked++ : ANSWERS - 1;
	uint8_t question[512], message[16384];
	struct dns_question q;
	struct dns_reader r;
	size_t size, got;

	assert_int_equal(stream_read(s, question, sizeof(question), &got), KILN_OK);
	size = got;
	if (got == 2) { /* the length came alone */
		assert_int_equal(stream_read(s, question + 2, 510, &got), KILN_OK);
		size += got;
	}
	assert_true(dns_read(&r, slice_of(question + 2, sizeof(question) - 2)));
	assert_true(dns_read_question(&r, &q));
	p->types[turn] = q.type;
	if (p->key) {
		answer_signed(p, s, slice_of(question + 2, size - 2));
		return;
	}
	if (p->answers[turn].shuts)
		return;
	if (!p->answers[turn].text) {
		while (stream_read(s, question, 1, &got) == KILN_OK && got)
			continue;
		return;
	}
	struct dns_header header = {.id = r.header.id,
	                            .flags = DNS_FLAG_RESPONSE | DNS_FLAG_AUTHORITATIVE,
	                            .rcode = (uint8_t)p->answers[turn].rcode};
	size = build(message, sizeof(message), &header, p->answers[turn].text);
	if (!p->answers[turn].breaks) {
		play_send(s, slice_of(message, size));
		if (p->answers[turn].then)
			go_on(p, s, turn, &header);
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
	assert_in_range(p->asked, 2 + 2 * 10, 2 + 2 * 14); /* for changes, and for all */
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

static void outlive_one(struct play_client *c)
{
	(void)script_of(c);
	wait_for(c, 7, KILN_SECONDS(20));
	for (unsigned i = 0; i < 90; i++) {
		task_sleep(c->tasks, KILN_SECONDS(1));
		assert_int_equal(answers_at(c, "ns.example.com", DNS_A), 1);
	}
}

/* At 40 s and more one primary says that there is nothing new, the other one is dead, which is
 * seen 30 s later: behind the 60 s that the zone lives without a word. */
static void one_primary_is_enough_to_keep_a_zone(void **state)
{
	static const char soa[] = "@ 300 SOA ns h 7 45 10 60 300\n";
	char text[256];
	struct primary p = {.answers = {{text}}};
	struct play_server server = {.secondaries =
	                                 "example.com=10.0.0.100,example.com=10.0.0.77"};

	snprintf(text, sizeof(text), "%s@ 300 NS ns\nns 300 A 192.0.2.1\n%s", soa, soa);
	for (unsigned i = 1; i < ANSWERS; i++)
		p.answers[i].text = soa;
	play_run_with(&server, 1, &short_way, outlive_one, &p);
}

static void believe_nothing(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 7, KILN_SECONDS(20));
	while (p->asked < 15)
		task_sleep(c->tasks, KILN_SECONDS(1));
	wait_for(c, 8, KILN_SECONDS(60));
	assert_int_equal(answers_at(c, "www.example.com", DNS_A), 1);
	assert_int_equal(play_counters(&c->servers[0]).fetched, 2);
}

static void what_is_no_zone_is_not_served(void **state)
{
	struct primary p = {
	    .answers = {
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
	        /* It ends in another SOA than it begins with, or elsewhere. */
	        {SOA("8") "@ NS ns\nns A 192.0.2.1\n" SOA("6")},
	        {SOA("8") "@ NS ns\nns A 192.0.2.1\n"
	                  "other. 300 SOA ns h 8 1 1 1 1\n"},
	    }};

	for (unsigned i = 15; i < ANSWERS; i++)
		p.answers[i].text = WHOLE("8", "www A 192.0.2.2\n");
	run_script(&p, believe_nothing);
}

/* ---- one that is not to be relied on ---- */

static void miss_nothing(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 7, KILN_SECONDS(20));
	for (unsigned serial = 8; serial <= 10; serial++) {
		wait_for(c, serial, KILN_SECONDS(25));
		assert_int_equal(p->types[p->asked - 2], DNS_IXFR);
		assert_int_equal(p->types[p->asked - 1], DNS_AXFR);
	}
	assert_int_equal(p->asked, 7);
}

static void changes_of_another_content_are_not_believed(void **state)
{
	struct primary p = {
	    .answers = {{WHOLE("7", "www A 192.0.2.2\n")},
	                /* There is no such address, */
	                {SOA("8") SOA("7") "www A 192.0.2.9\n" SOA("8") SOA("8")},
	                {WHOLE("8", "www A 192.0.2.2\n")},
	                /* nor this, but one that is added is there, */
	                {SOA("9") SOA("8") "gone A 192.0.2.9\n" SOA(
	                    "9") "www A 192.0.2.2\n" SOA("9")},
	                {WHOLE("9", "")},
	                /* and some do not know the question. */
	                {.shuts = true},
	                {WHOLE("10", "")}}};

	run_script(&p, miss_nothing);
}

static void keep_the_newer(struct play_client *c)
{
	struct primary *p = script_of(c);

	wait_for(c, 4294967290u, KILN_SECONDS(20));
	/* Older, and not asked for as a whole; newer is what follows around zero (RFC 1982). */
	wait_for(c, 5, KILN_SECONDS(60));
	assert_int_equal(p->types[1], DNS_IXFR);
	assert_int_equal(p->types[2], DNS_IXFR);
	assert_int_equal(play_counters(&c->servers[0]).fetch_failures, 1);
	task_sleep(c->tasks, KILN_SECONDS(60));
	wait_for(c, 5, KILN_SECONDS(1));
}

static void serials_are_compared_around_zero(void **state)
{
	struct primary p = {.answers = {{WHOLE("4294967290", "")},
	                                {WHOLE("4294967280", "")},
	                                {WHOLE("5", "")}}};

	for (unsigned i = 3; i < ANSWERS; i++)
		p.answers[i].text = WHOLE("4294967290", "");
	run_script(&p, keep_the_newer);
}

#define ENDLESS "$GENERATE 1-200 host$ 300 A 192.0.2.7\n"

static void run_out(struct play_client *c)
{
	struct primary *p = script_of(c);
	unsigned answers = 0;

	wait_for(c, 7, KILN_SECONDS(20));
	while (play_counters(&c->servers[0]).fetch_failures < 1) {
		answers += answers_at(c, "www.example.com", DNS_A);
		assert_int_equal(play_counters(&c->servers[0]).fetched, 1);
	}
	assert_true(answers > 100);
	wait_for(c, 8, KILN_SECONDS(30));
	assert_int_equal(p->types[2], DNS_AXFR);
}

static void a_transfer_without_end_ends_where_the_memory_does(void **state)
{
	struct primary p = {
	    .answers = {{WHOLE("7", "www A 192.0.2.2\n")},
	                {.text = SOA("8") "@ 300 NS ns\n", .then = ENDLESS},
	                {WHOLE("8", "www A 192.0.2.2\n")}}};

	run_script(&p, run_out);
}

static void wait_long(struct play_client *c)
{
	struct primary *p = script_of(c);
	kiln_time loaded;

	wait_for(c, 7, KILN_SECONDS(20));
	loaded = kiln_now(c->k);
	while (kiln_now(c->k) < loaded + KILN_SECONDS(115)) {
		assert_int_equal(answers_at(c, "www.example.com", DNS_A), 1);
		task_sleep(c->tasks, KILN_SECONDS(1));
	}
	task_sleep(c->tasks, KILN_SECONDS(10));
	assert_true(play_ask(c, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_SERVER);
	assert_int_equal(p->asked, 2);
	/* Two hours are enough for any zone. */
	wait_for(c, 8, KILN_SECONDS(2 * 3600));
	assert_int_equal(p->asked, 3);
}

static void a_zone_expires_while_a_primary_drips(void **state)
{
	struct primary p = {.answers = {{WHOLE("7", "www A 192.0.2.2\n")},
	                                {.text = SOA("8") "@ 300 NS ns\n",
	                                 .then = "www 300 A 192.0.2.3\n",
	                                 .pause = KILN_SECONDS(20)},
	                                {WHOLE("8", "www A 192.0.2.2\n")}}};

	run_script(&p, wait_long);
}

/* ---- signatures on some messages ---- */

static void run_signed(struct primary *p, void (*script)(struct play_client *c))
{
	struct play_server server = {.secondaries = "example.com=10.0.0.100/k.example",
	                             .keys = KEY};

	p->key = KEY;
	p->answers[0].text = SOA("7") "@ 300 NS ns\n";
	for (unsigned i = 1; i < 12; i++)
		p->answers[i].text = "ns 300 A 192.0.2.1\n";
	p->answers[12].text = SOA("7");
	play_run_with(&server, 1, &short_way, script, p);
}

static void have_it(struct play_client *c)
{
	script_of(c);
	wait_for(c, 7, KILN_SECONDS(20));
}

static void have_nothing(struct play_client *c)
{
	struct primary *p = script_of(c);

	while (p->asked < 3)
		task_sleep(c->tasks, KILN_SECONDS(1));
	assert_true(play_ask(c, "www.example.com", DNS_A));
	assert_int_equal(play_header(c).rcode, DNS_RCODE_SERVER);
	assert_int_equal(play_counters(&c->servers[0]).fetched, 0);
}

static void one_message_of_so_many_is_signed_and_the_last(void **state)
{
	struct primary p = {.sign_every = 4};

	run_signed(&p, have_it);
	p = (struct primary){.sign_every = 12};
	run_signed(&p, have_it);
	p = (struct primary){.sign_every = 5}; /* 0, 5, 10, but not 12 */
	run_signed(&p, have_nothing);
}

/* ---- several primaries ---- */

#define SERVED(serial)                                                               \
	"@ 300 SOA ns h " serial " 20 10 120 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n" \
	"www 300 A 192.0.2.2\n"

static void serve_anew(struct play_server *p, const char *text)
{
	assert_true(
	    dns_server_add(p->server, play_zone(&p->k->arena, "example.com", text)));
}

static void find_the_newest(struct play_client *c)
{
	c->server = play_endpoint("10.0.0.3");
	/* Of who answers, */
	wait_for(c, 7, KILN_SECONDS(60));
	/* and then without waiting for those who do not. */
	serve_anew(&c->servers[1], SERVED("8"));
	wait_for(c, 8, KILN_SECONDS(2));
	serve_anew(&c->servers[0], SERVED("9"));
	wait_for(c, 9, KILN_SECONDS(2));
	/* As long as one has it, it does not expire. */
	task_sleep(c->tasks, KILN_SECONDS(300));
	wait_for(c, 9, KILN_SECONDS(2));
}

static void of_several_primaries_the_newest_counts(void **state)
{
	struct play_server servers[3] = {
	    {.zones = {{"example.com", SERVED("6")}},
	     .transfers = "any",
	     .notify = "10.0.0.3"},
	    {.zones = {{"example.com", SERVED("7")}},
	     .transfers = "any",
	     .notify = "10.0.0.3"},
	    {.secondaries = "example.com=10.0.0.9,example.com=10.0.0.1,"
	                    "example.com=10.0.0.2"},
	};

	play_run(servers, 3, &short_way, find_the_newest);
}

/* ---- NOTIFY ---- */

static void storm(struct play_client *c)
{
	struct primary *p = script_of(c);
	uint8_t message[512];
	size_t size = play_question(message, sizeof(message), 5, "example.com", DNS_SOA);

	wait_for(c, 7, KILN_SECONDS(20));
	message[2] = DNS_OPCODE_NOTIFY << 3;
	kiln_time until = kiln_now(c->k) + KILN_SECONDS(5);
	while (kiln_now(c->k) < until) {
		assert_true(play_exchange(c, slice_of(message, size), KILN_SECONDS(1)));
		assert_int_equal(play_header(c).rcode, DNS_RCODE_OK);
	}
	assert_in_range(play_counters(&c->servers[0]).notified, 400, 600);
	assert_in_range(p->asked, 1 + 4, 1 + 6);
}

static void of_a_storm_of_notices_one_counts_each_second(void **state)
{
	struct primary p = {0};

	for (unsigned i = 0; i < ANSWERS; i++)
		p.answers[i].text = WHOLE("7", "");
	run_script(&p, storm);
}

/* ---- again and again ---- */

enum { TURNS = 10 };
#define MANY "$GENERATE 1-3000 host$ 300 A 192.0.2.7\n"

static void follow_often(struct play_client *c)
{
	struct play_server *primary = &c->servers[0];

	c->server = play_endpoint("10.0.0.2");
	wait_for(c, 1000, KILN_SECONDS(20));
	for (unsigned i = 1; i <= TURNS; i++) {
		char text[256];

		snprintf(text, sizeof(text), "%s@ 300 SOA ns h %u 20 10 120 300\n",
		         MANY "@ 300 NS ns\nns 300 A 192.0.2.1\n", 1000 + i);
		assert_true(dns_server_add(
		    primary->server, play_zone(&primary->k->arena, "example.com", text)));
		wait_for(c, 1000 + i, KILN_SECONDS(25));
	}
	assert_int_equal(play_counters(&c->servers[1]).fetched, 1 + TURNS);
}

/* All versions together would need more than there is, of which others have a part. */
static void no_memory_is_lost_from_version_to_version(void **state)
{
	struct play_server servers[2] = {
	    {.zones = {{"example.com", SERVED("1000") MANY}}, .transfers = "any"},
	    {.secondaries = "example.com=10.0.0.1,a.test=10.0.0.1,b.test=10.0.0.1"},
	};

	play_run(servers, 2, &short_way, follow_often);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_of_several_versions_are_applied_in_turn),
	    cmocka_unit_test(a_primary_that_cannot_tell_of_changes_is_asked_for_all),
	    cmocka_unit_test(a_primary_that_dies_on_the_way_leaves_the_zone_as_it_was),
	    cmocka_unit_test(a_zone_expires_at_its_time),
	    cmocka_unit_test(one_primary_is_enough_to_keep_a_zone),
	    cmocka_unit_test(what_is_no_zone_is_not_served),
	    cmocka_unit_test(changes_of_another_content_are_not_believed),
	    cmocka_unit_test(serials_are_compared_around_zero),
	    cmocka_unit_test(a_transfer_without_end_ends_where_the_memory_does),
	    cmocka_unit_test(a_zone_expires_while_a_primary_drips),
	    cmocka_unit_test(one_message_of_so_many_is_signed_and_the_last),
	    cmocka_unit_test(of_several_primaries_the_newest_counts),
	    cmocka_unit_test(of_a_storm_of_notices_one_counts_each_second),
	    cmocka_unit_test(no_memory_is_lost_from_version_to_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
