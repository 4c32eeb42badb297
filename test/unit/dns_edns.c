/*
 * What an answer has besides records: EDNS (RFC 6891) and its options, cookies by the vectors
 * of RFC 9018, sizes and what happens to what does not fit (RFC 2181, 9; 9471), and the names
 * of class CHAOS.
 */
#include "dns_ask.h"

static struct play play;
static struct ask a;

static int set_up(void **state)
{
	char line[64];

	play_begin(&play, "example");
	play_apex(&play, "example");
	play_line(&play, "www.example A 1");
	for (unsigned i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "many.example A %u", i);
		play_line(&play, line);
		snprintf(line, sizeof(line), "large.example MX host%02u.example", i);
		play_line(&play, line);
		snprintf(line, sizeof(line), "host%02u.example A %u", i, i);
		play_line(&play, line);
		if (i >= 20)
			continue;
		snprintf(line, sizeof(line), "sub.example NS a%02u.sub.example", i);
		play_line(&play, line);
		snprintf(line, sizeof(line), "a%02u.sub.example A %u", i, i);
		play_line(&play, line);
		snprintf(line, sizeof(line), "other.example NS a%02u.sub.example", i);
		play_line(&play, line);
	}
	ask_begin(&a);
	ask_serve(&a, &play);
	return 0;
}

static int tear_down(void **state)
{
	play_end(&play);
	return 0;
}

/* A query for www.example, A, with an OPT of these bytes behind its type. */
static void query_opt(struct slice opt)
{
	struct writer w = writer_of(a.query, sizeof(a.query));

	writer_bytes(&w,
	             SLICE("\1\2\0\0\0\1\0\0\0\0\0\1\3www\7example\0\0\1\0\1\0\0\51"));
	writer_bytes(&w, opt);
	assert_false(w.failed);
	a.query_size = w.at;
	ask_raw(&a);
}

/* The last bytes of the answer. */
static void expect_tail(struct slice tail)
{
	assert_true(a.size > tail.len);
	assert_memory_equal(a.buffer + a.size - tail.len, tail.data, tail.len);
}

/* ---- OPT ---- */

static void opt_is_answered_only_by_opt(void **state)
{
	ask(&a, "www.example", "A", 0);
	assert_int_equal(a.size, a.query_size + 16);
	query_opt(SLICE("\20\0\0\0\0\0\0\0"));
	expect_tail(SLICE("\0\0\51\4\320\0\0\0\0\0\0"));
	query_opt(SLICE("\20\0\0\0\200\0\0\0"));
	expect_tail(SLICE("\0\0\51\4\320\0\0\200\0\0\0"));
	a.answerer.udp_size = 4096;
	query_opt(SLICE("\20\0\0\0\0\0\0\0"));
	expect_tail(SLICE("\0\0\51\20\0\0\0\0\0\0\0"));
}

static void unknown_options_and_bits_are_ignored(void **state)
{
	query_opt(SLICE("\20\0\7\0\177\377\0\11\375\350\0\1x\375\350\0\0"));
	expect_tail(SLICE("\0\0\51\4\320\0\0\0\0\0\0"));
	assert_string_equal(ask_text(&a), "NOERROR aa | www.example A 1");
}

static void other_versions_are_told_ours(void **state)
{
	query_opt(SLICE("\20\0\0\1\200\0\0\0"));
	assert_string_equal(ask_text(&a), "BADVERS");
	expect_tail(SLICE("\0\0\51\4\320\1\0\200\0\0\0"));
	assert_int_equal(a.what.rcode, DNS_RCODE_VERSION);
}

static void nsid_is_for_those_who_ask(void **state)
{
	query_opt(SLICE("\20\0\0\0\0\0\0\4\0\3\0\0"));
	expect_tail(SLICE("\0\0\51\4\320\0\0\0\0\0\0"));
	a.answerer.nsid = SLICE("me");
	query_opt(SLICE("\20\0\0\0\0\0\0\0"));
	expect_tail(SLICE("\0\0\51\4\320\0\0\0\0\0\0"));
	query_opt(SLICE("\20\0\0\0\0\0\0\4\0\3\0\0"));
	expect_tail(SLICE("\0\0\51\4\320\0\0\0\0\0\6\0\3\0\2me"));
}

/* Whoever it is sent to: it is said when the question comes back by TCP. */
static void what_is_cut_for_its_rate_is_no_larger_than_the_question(void **state)
{
	a.answerer.nsid = SLICE("a name of some length");
	query_opt(SLICE("\20\0\0\0\0\0\0\4\0\3\0\0"));
	assert_true(a.size > a.query_size);
	a.size = dns_answer_truncated(&a.answerer, &a.peer,
	                              slice_of(a.query, a.query_size), a.buffer, a.room);
	assert_string_equal(ask_text(&a), "NOERROR tc");
	assert_true(a.size <= a.query_size);
}

static void refusals_say_more(void **state)
{
	ask(&a, "example.net", "A", ASK_EDNS);
	expect_tail(
	    SLICE("\0\0\51\4\320\0\0\0\0\0\6\0\17\0\2\0\24")); /* 20: not authoritative */
}

/* ---- cookies ---- */

/* RFC 9018, appendix A: each at its time, from its address, by its secret. */
static void cookies_are_those_of_rfc_9018(void **state)
{
	static const uint8_t secret[16] = {0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2,
	                                   0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84,
	                                   0x9e, 0x37, 0xbf, 0xcf};
	static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, 0x02, 0x20, 0x00, 0x01,
	                                0x59, 0xde, 0xd0, 0xf4, 0x87, 0x69, 0x82, 0xb8};
	static const uint8_t secret_before[16] = {0xdd, 0x3b, 0xdf, 0x93, 0x44, 0xb6,
	                                          0x78, 0xb1, 0x85, 0xa6, 0xf5, 0xcb,
	                                          0x60, 0xfc, 0xa7, 0x15};

	static const uint8_t secret_after[16] = {0x44, 0x55, 0x36, 0xbc, 0xd2, 0x51,
	                                         0x32, 0x98, 0x07, 0x5a, 0x5d, 0x37,
	                                         0x96, 0x63, 0xc9, 0x62};

	a.answerer.cookies = true;
	memcpy(a.answerer.cookie_secret, secret, 16);
	/* A.1: a new one */
	a.peer.address = ip_from4(ip4_of(0xc6336464));
	a.peer.now = 1559731985;
	query_opt(SLICE("\20\0\0\0\0\0\0\14\0\12\0\10\x24\x64\xc4\xab\xcf\x10\xc9\x57"));
	assert_int_equal(a.what.cookie, DNS_COOKIE_CLIENT);
	expect_tail(SLICE("\0\12\0\30\x24\x64\xc4\xab\xcf\x10\xc9\x57"
	                  "\x01\0\0\0\x5c\xf7\x9f\x11\x1f\x81\x30\xc3\xee\xe2\x94\x80"));
	/* A.2: 40 minutes later */
	a.peer.now = 1559734385;
	query_opt(SLICE("\20\0\0\0\0\0\0\34\0\12\0\30\x24\x64\xc4\xab\xcf\x10\xc9\x57"
	                "\x01\0\0\0\x5c\xf7\x9f\x11\x1f\x81\x30\xc3\xee\xe2\x94\x80"));
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	expect_tail(SLICE("\x01\0\0\0\x5c\xf7\xa8\x71\xd4\xa5\x64\xa1\x44\x2a\xca\x77"));
	/* A.3: reserved bytes are hashed as they came; an hour is over, but not yet at its time */
	struct slice reserved =
	    SLICE("\20\0\0\0\0\0\0\34\0\12\0\30\xfc\x93\xfc\x62\x80\x7d\xdb\x86"
	          "\x01\xab\xcd\xef\x5c\xf7\x8f\x71\xa3\x14\x22\x7b\x66\x79\xeb\xf5");
	a.peer.address = ip_from4(ip4_of(0xcb0071cb));
	a.peer.now = 1559727985;
	query_opt(reserved);
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	a.peer.now = 1559734700;
	query_opt(reserved);
	assert_int_equal(a.what.cookie, DNS_COOKIE_BAD);
	expect_tail(SLICE("\x01\0\0\0\x5c\xf7\xa9\xac\xf7\x3a\x78\x10\xac\xa2\x38\x1e"));
	/* A.4: IPv6, by the secret before */
	struct slice old =
	    SLICE("\20\0\0\0\0\0\0\34\0\12\0\30\x22\x68\x1a\xb9\x7d\x52\xc2\x98"
	          "\x01\0\0\0\x5c\xf7\xc5\x79\x26\x55\x6b\xd0\x93\x4c\x72\xf8");
	memcpy(a.peer.address.bytes, six, 16);
	memcpy(a.answerer.cookie_secret, secret_after, 16);
	memcpy(a.answerer.cookie_secret_before, secret_before, 16);
	a.peer.now = 1559741961;
	query_opt(old);
	assert_int_equal(a.what.cookie, DNS_COOKIE_BAD);
	a.answerer.has_before = true;
	query_opt(old);
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	expect_tail(SLICE("\x01\0\0\0\x5c\xf7\xc6\x09\xa6\xbb\x79\xd1\x66\x25\x50\x7a"));
}

static void a_cookie_is_good_for_its_time_and_address(void **state)
{
	uint8_t opt[64] = "\20\0\0\0\0\0\0\34\0\12\0\30clientco";
	struct slice whole = slice_of(opt, 36);

	a.answerer.cookies = true;
	a.peer.now = 5000;
	query_opt(SLICE("\20\0\0\0\0\0\0\14\0\12\0\10clientco"));
	memcpy(opt + 20, a.buffer + a.size - 16, 16);
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	a.peer.now = 5000 + 3600;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	a.peer.now++;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_BAD);
	a.peer.now = 5000 - 300;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	a.peer.now--;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_BAD);
	a.peer.now = 5000;
	a.peer.address.bytes[0] ^= 1;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_BAD);
	a.peer.address.bytes[0] ^= 1;
	opt[12] ^= 1;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_BAD);
	a.answerer.cookies = false;
	query_opt(whole);
	assert_int_equal(a.what.cookie, DNS_COOKIE_NONE);
	expect_tail(SLICE("\0\0\51\4\320\0\0\0\0\0\0"));
}

/* A query without a question. */
static const char *query_cookie(struct slice opt)
{
	struct writer w = writer_of(a.query, sizeof(a.query));

	writer_bytes(&w, SLICE("\1\2\0\0\0\0\0\0\0\0\0\1\0\0\51\20\0\0\0\0\0"));
	writer_bytes(&w, opt);
	a.query_size = w.at;
	ask_raw(&a);
	return ask_text(&a);
}

/* RFC 7873, 5.4 */
static void a_cookie_alone_is_a_query(void **state)
{
	struct slice first = SLICE("\0\14\0\12\0\10clientco");
	uint8_t again[32] = "\0\34\0\12\0\30clientco";

	a.answerer.cookies = true;
	a.peer.now = 5000;
	assert_string_equal(query_cookie(first), "NOERROR");
	assert_int_equal(a.size, 12 + 11 + 28);
	memcpy(again + 14, a.buffer + a.size - 16, 16);
	assert_string_equal(query_cookie(slice_of(again, 30)), "NOERROR");
	assert_int_equal(a.what.cookie, DNS_COOKIE_GOOD);
	/* One that is not good is told so, and there is a new one. */
	again[29] ^= 1;
	assert_string_equal(query_cookie(slice_of(again, 30)), "BADCOOKIE");
	assert_int_equal(a.size, 12 + 11 + 28);
	again[29] ^= 1;
	expect_tail(slice_of(again + 14, 16));
	/* Who has no cookies knows of no such queries. */
	a.answerer.cookies = false;
	assert_string_equal(query_cookie(first), "FORMERR");
}

/* ---- sizes ---- */

static unsigned count_of(unsigned section)
{
	return (unsigned)a.buffer[4 + 2 * section] << 8 | a.buffer[5 + 2 * section];
}

static void an_answer_fits_whoever_asks(void **state)
{
	/* 40 * 16 bytes of records */
	assert_string_equal(ask(&a, "many.example", "A", 0), "NOERROR aa tc");
	ask(&a, "many.example", "A", ASK_EDNS);
	assert_int_equal(count_of(DNS_ANSWERS), 40);
	query_opt(SLICE("\0\0\0\0\0\0\0\0")); /* no less than 512 */
	assert_int_equal(count_of(DNS_ANSWERS), 1);
	a.peer.stream = true;
	ask(&a, "many.example", "A", 0);
	assert_int_equal(count_of(DNS_ANSWERS), 40);
	a.peer.stream = false;
	a.answerer.udp_size = 600;
	assert_string_equal(ask(&a, "many.example", "A", ASK_EDNS), "NOERROR aa tc");
	a.answerer.udp_size = 4096;
	a.room = 600;
	assert_string_equal(ask(&a, "many.example", "A", ASK_EDNS), "NOERROR aa tc");
	a.room = 511;
	assert_string_equal(ask(&a, "www.example", "A", ASK_EDNS), "silence");
}

/* Each size up to that of the whole: nothing of a set is there, or all of it. */
static void sets_are_whole_at_every_size(void **state)
{
	a.answerer.udp_size = 4096;
	ask(&a, "large.example", "MX", ASK_EDNS);
	size_t whole = a.size;
	assert_int_equal(count_of(DNS_ANSWERS), 40);
	assert_int_equal(count_of(DNS_ADDITIONALS), 41);
	for (a.room = 512; a.room <= whole; a.room++) {
		ask(&a, "large.example", "MX", ASK_EDNS);
		assert_true(a.size <= a.room);
		assert_true(count_of(DNS_ANSWERS) == 40 || count_of(DNS_ANSWERS) == 0);
		/* Addresses of other hosts are a courtesy. */
		assert_int_equal(a.what.truncated, count_of(DNS_ANSWERS) == 0);
	}
}

static void glue_that_is_needed_truncates(void **state)
{
	/* 20 NS and 20 A: 320 bytes of glue. */
	a.answerer.udp_size = 4096;
	ask(&a, "x.sub.example", "A", ASK_EDNS);
	size_t whole = a.size;
	assert_false(a.what.truncated);
	assert_int_equal(count_of(DNS_ADDITIONALS), 21);
	for (a.room = 512; a.room < whole; a.room++) {
		ask(&a, "x.sub.example", "A", ASK_EDNS);
		assert_true(a.what.truncated);
	}
	/* Those of hosts elsewhere are not: RFC 9471, 3.2. */
	a.room = sizeof(a.buffer);
	ask(&a, "x.other.example", "A", ASK_EDNS);
	assert_int_equal(count_of(DNS_ADDITIONALS), 21);
	a.room = a.size - 1;
	ask(&a, "x.other.example", "A", ASK_EDNS);
	assert_int_equal(count_of(DNS_ADDITIONALS), 20);
	assert_false(a.what.truncated);
}

/* ---- about the server ---- */

static const char *ask_chaos(const char *name)
{
	ask_query(&a, name, "TXT", 0);
	a.query[a.query_size - 1] = DNS_CLASS_CHAOS;
	ask_raw(&a);
	return ask_text(&a);
}

static void the_server_says_of_itself_what_it_is_told_to(void **state)
{
	assert_string_equal(ask_chaos("version.bind"), "REFUSED");
	assert_string_equal(ask_chaos("example"), "REFUSED");
	a.answerer.version = SLICE("kiln");
	a.answerer.host = SLICE("here");
	assert_string_equal(ask_chaos("Version.BIND"), "NOERROR aa | Version.BIND TXT");
	expect_tail(SLICE("\300\14\0\20\0\3\0\0\0\0\0\5\4kiln"));
	assert_int_equal(a.what.kind, DNS_KIND_CHAOS);
	assert_string_equal(ask_chaos("version.server"),
	                    "NOERROR aa | version.server TXT");
	assert_string_equal(ask_chaos("hostname.bind"), "NOERROR aa | hostname.bind TXT");
	expect_tail(SLICE("\5\4here"));
	assert_string_equal(ask_chaos("id.server"), "NOERROR aa | id.server TXT");
	assert_string_equal(ask_chaos("www.example"), "REFUSED");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(opt_is_answered_only_by_opt),
	    TEST(unknown_options_and_bits_are_ignored),
	    TEST(other_versions_are_told_ours),
	    TEST(nsid_is_for_those_who_ask),
	    TEST(what_is_cut_for_its_rate_is_no_larger_than_the_question),
	    TEST(refusals_say_more),
	    TEST(cookies_are_those_of_rfc_9018),
	    TEST(a_cookie_is_good_for_its_time_and_address),
	    TEST(a_cookie_alone_is_a_query),
	    TEST(an_answer_fits_whoever_asks),
	    TEST(sets_are_whole_at_every_size),
	    TEST(glue_that_is_needed_truncates),
	    TEST(the_server_says_of_itself_what_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
