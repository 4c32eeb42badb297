/*
 * Answers: what RFC 1034, 4.3.2 and those after it say of each kind of name, in a zone without
 * signatures; and what becomes of queries that are none.
 */
#include "dns_ask.h"

static const char *const zone_lines[] = {
    "example SOA",
    "example NS ns.example",
    "example NS ns.net",
    "example MX mail.example",
    "ns.example A 1",
    "ns.example AAAA 1",
    "mail.example A 2",
    "www.example A 3",
    "www.example A 4",
    "www.example TXT \3abc",
    "alias.example CNAME www.example",
    "two.example CNAME alias.example",
    "out.example CNAME www.net",
    "lost.example CNAME none.example",
    "loop.example CNAME pool.example",
    "pool.example CNAME loop.example",
    "self.example CNAME self.example",
    "up.example CNAME example",
    "into.example CNAME x.sub.example",
    "a.b.ent.example A 5",
    "*.wild.example A 6",
    "*.wild.example MX mail.example",
    "x.wild.example TXT \1x",
    "*.turn.example CNAME www.example",
    "*.round.example CNAME a.round.example",
    "sub.example NS ns.sub.example",
    "sub.example NS ns.other.example",
    "sub.example NS ns.net",
    "ns.sub.example A 7",
    "ns.sub.example AAAA 7",
    "deep.sub.example NS ns.sub.example",
    "other.example NS ns.other.example",
    "ns.other.example A 8",
    "dname.example DNAME www.example",
    "dlong.example DNAME net",
    "dself.example DNAME dname.example",
    "dgrow.example DNAME dgrowing.example",
    "dround.example DNAME twenty.characters.dround.example",
    "_s._tcp.example SRV ns.example",
    "shop.example HTTPS ns.example",
    "shop.example HTTPS www.net",
    "own.example HTTPS .",
    "own.example A 9",
    "*.every.example HTTPS .",
    "*.every.example A 9",
    "none.svc.example SVCB .",
    "none.svc.example A 9",
    "as.svc.example SVCB mail.example",
};

static struct play play;
static struct ask a;

static int set_up(void **state)
{
	play_begin(&play, "example");
	play_lines(&play, zone_lines, KILN_COUNT_OF(zone_lines));
	ask_begin(&a);
	ask_serve(&a, &play);
	return 0;
}

static int tear_down(void **state)
{
	play_end(&play);
	return 0;
}

static void expect(const char *name, const char *type, const char *answer)
{
	if (strcmp(ask(&a, name, type, 0), answer) != 0)
		fail_msg("%s %s: %s\n not %s", name, type, a.text, answer);
	/* The question comes back as it was, and EDNS makes no difference but OPT. */
	assert_memory_equal(a.buffer, a.query, 2);
	assert_memory_equal(a.buffer + 12, a.query + 12, a.query_size - 12);
	if (strcmp(ask(&a, name, type, ASK_EDNS), answer) != 0)
		fail_msg("%s %s with EDNS: %s\n not %s", name, type, a.text, answer);
}

#define SOA " example SOA 300"

static void what_is_there_is_the_answer(void **state)
{
	expect("www.example", "A", "NOERROR aa | www.example A 3, www.example A 4");
	assert_int_equal(a.what.kind, DNS_KIND_ANSWER);
	expect("wWw.ExamplE", "TXT", "NOERROR aa | wWw.ExamplE TXT");
	expect("example", "SOA", "NOERROR aa | example SOA 3600");
	expect("example", "NS",
	       "NOERROR aa | example NS ns.net, example NS ns.example | | "
	       "ns.example A 1, ns.example AAAA 1");
	expect("example", "MX",
	       "NOERROR aa | example MX mail.example | | mail.example A 2");
	expect("_s._tcp.example", "SRV",
	       "NOERROR aa | _s._tcp.example SRV ns.example | | "
	       "ns.example A 1, ns.example AAAA 1");
}

/* RFC 9460, 4.2: addresses of targets; "." is the owner of a service (2.5.2), and no host of an
 * alias (2.5.1). */
static void a_service_comes_with_its_addresses(void **state)
{
	expect(
	    "shop.example", "HTTPS",
	    "NOERROR aa | shop.example HTTPS ns.example, shop.example HTTPS www.net | | "
	    "ns.example A 1, ns.example AAAA 1");
	expect("Own.example", "HTTPS",
	       "NOERROR aa | Own.example HTTPS . | | Own.example A 9");
	expect("any.every.example", "HTTPS", "NOERROR aa | any.every.example HTTPS .");
	expect("none.svc.example", "SVCB", "NOERROR aa | none.svc.example SVCB .");
	expect("as.svc.example", "SVCB",
	       "NOERROR aa | as.svc.example SVCB mail.example | | mail.example A 2");
}

static void what_is_not_there_is_denied(void **state)
{
	expect("www.example", "AAAA", "NOERROR aa | |" SOA);
	assert_int_equal(a.what.kind, DNS_KIND_NO_DATA);
	expect("none.example", "A", "NXDOMAIN aa | |" SOA);
	assert_int_equal(a.what.kind, DNS_KIND_NO_NAME);
	expect("a.b.c.none.example", "A", "NXDOMAIN aa | |" SOA);
	/* Names that only others stand below: RFC 4592, 2.2.2; 8020. */
	expect("ent.example", "A", "NOERROR aa | |" SOA);
	expect("b.ent.example", "A", "NOERROR aa | |" SOA);
	expect("c.ent.example", "A", "NXDOMAIN aa | |" SOA);
}

static void an_alias_is_followed_within_the_zone(void **state)
{
	expect("alias.example", "A",
	       "NOERROR aa | alias.example CNAME www.example, www.example A 3, "
	       "www.example A 4");
	expect("two.example", "A",
	       "NOERROR aa | two.example CNAME alias.example, alias.example CNAME "
	       "www.example, "
	       "www.example A 3, www.example A 4");
	expect("alias.example", "CNAME", "NOERROR aa | alias.example CNAME www.example");
	expect("alias.example", "ANY", "NOERROR aa | alias.example CNAME www.example");
	expect("alias.example", "AAAA",
	       "NOERROR aa | alias.example CNAME www.example |" SOA);
	expect("out.example", "A", "NOERROR aa | out.example CNAME www.net");
	expect("lost.example", "A",
	       "NXDOMAIN aa | lost.example CNAME none.example |" SOA);
	expect("up.example", "MX",
	       "NOERROR aa | up.example CNAME example, example MX mail.example | | "
	       "mail.example A 2");
	expect("into.example", "A",
	       "NOERROR aa | into.example CNAME x.sub.example | sub.example NS ns.net, "
	       "sub.example NS ns.sub.example, sub.example NS ns.other.example | "
	       "ns.sub.example A 7, ns.sub.example AAAA 7, ns.other.example A 8");
}

static void a_loop_of_aliases_ends(void **state)
{
	expect("loop.example", "A",
	       "NOERROR aa | loop.example CNAME pool.example, pool.example CNAME "
	       "loop.example");
	expect("self.example", "A", "NOERROR aa | self.example CNAME self.example");
	expect("x.round.example", "A",
	       "NOERROR aa | x.round.example CNAME a.round.example, "
	       "a.round.example CNAME a.round.example");
}

static void a_wildcard_makes_names(void **state)
{
	expect("a.wild.example", "A", "NOERROR aa | a.wild.example A 6");
	expect("a.b.wild.example", "A", "NOERROR aa | a.b.wild.example A 6");
	expect("a.wild.example", "MX",
	       "NOERROR aa | a.wild.example MX mail.example | | mail.example A 2");
	expect("a.wild.example", "TXT", "NOERROR aa | |" SOA);
	expect("*.wild.example", "A", "NOERROR aa | *.wild.example A 6");
	expect("x.wild.example", "A", "NOERROR aa | |" SOA); /* is there itself */
	expect("wild.example", "A", "NOERROR aa | |" SOA);
	expect("y.x.wild.example", "A", "NXDOMAIN aa | |" SOA); /* RFC 4592, 3.3.1 */
	expect("q.turn.example", "A",
	       "NOERROR aa | q.turn.example CNAME www.example, www.example A 3, "
	       "www.example A 4");
}

#define TO_SUB                                                                          \
	"NOERROR | | sub.example NS ns.net, sub.example NS ns.sub.example, "            \
	"sub.example NS ns.other.example | ns.sub.example A 7, ns.sub.example AAAA 7, " \
	"ns.other.example A 8"

static void a_delegation_is_referred_to(void **state)
{
	expect("x.sub.example", "A", TO_SUB);
	assert_int_equal(a.what.kind, DNS_KIND_REFERRAL);
	expect("sub.example", "A", TO_SUB);
	expect("sub.example", "NS", TO_SUB);
	expect("ns.sub.example", "A", TO_SUB); /* glue is no answer */
	expect("x.deep.sub.example", "A", TO_SUB);
	expect("x.deep.sub.example", "DS", TO_SUB);
	expect("sub.example", "DS", "NOERROR aa | |" SOA);
}

static void a_dname_turns_what_is_below_it(void **state)
{
	expect("dname.example", "A", "NOERROR aa | |" SOA);
	expect("dname.example", "DNAME", "NOERROR aa | dname.example DNAME www.example");
	expect("x.y.dname.example", "A",
	       "NXDOMAIN aa | dname.example DNAME www.example, "
	       "x.y.dname.example CNAME x.y.www.example |" SOA);
	expect("X.dname.example", "CNAME",
	       "NOERROR aa | dname.example DNAME www.example, "
	       "X.dname.example CNAME X.www.example");
	expect("x.dlong.example", "A",
	       "NOERROR aa | dlong.example DNAME net, x.dlong.example CNAME x.net");
	expect("q.dself.example", "A",
	       "NXDOMAIN aa | dself.example DNAME dname.example, "
	       "q.dself.example CNAME q.dname.example, dname.example DNAME www.example, "
	       "q.dname.example CNAME q.www.example |" SOA);
}

static void a_dname_that_comes_back_is_there_once(void **state)
{
	a.peer.stream = true;
	ask(&a, "x.dround.example", "A", 0);
	assert_int_equal(a.what.rcode, DNS_RCODE_NAME_EXISTS);
	assert_non_null(strstr(a.text, "dround.example DNAME"));
	assert_null(strstr(strstr(a.text, "DNAME") + 1, "DNAME"));
}

static void a_name_that_dname_makes_too_long_is_told_so(void **state)
{
	char name[256];
	size_t at = 0;

	/* Four labels of 60 bytes with their lengths: three more behind them are too many. */
	for (unsigned i = 0; i < 4; i++)
		at += (size_t)snprintf(name + at, sizeof(name) - at, "%059d.", 1);
	snprintf(name + at, sizeof(name) - at, "dgrow.example"); /* 240 + 15 = 255 */
	expect(name, "A", "YXDOMAIN aa | dgrow.example DNAME dgrowing.example");
}

static void any_is_answered_by_one_set(void **state)
{
	expect("www.example", "ANY", "NOERROR aa | www.example A 3, www.example A 4");
	expect("ent.example", "ANY", "NOERROR aa | |" SOA);
	expect("none.example", "ANY", "NXDOMAIN aa | |" SOA);
}

static void what_no_zone_holds_is_refused(void **state)
{
	expect("example.com", "A", "REFUSED");
	expect("xexample", "A", "REFUSED");
	expect(".", "NS", "REFUSED");
	expect("www.example", "AXFR", "REFUSED");
	expect("www.example", "IXFR", "REFUSED");
	expect("www.example", "TKEY", "FORMERR");
	expect("www.example", "MAILA", "NOTIMP");
	assert_int_equal(a.what.kind, DNS_KIND_ERROR);
}

static void ds_of_an_apex_is_for_the_zone_above(void **state)
{
	struct play child;

	play_begin(&child, "sub.example");
	play_apex(&child, "sub.example");
	play_line(&child, "www.sub.example A 9");
	expect("www.sub.example", "A", TO_SUB);
	ask_serve(&a, &child);
	expect("www.sub.example", "A", "NOERROR aa | www.sub.example A 9");
	expect("sub.example", "NS", "NOERROR aa | sub.example NS ns.net");
	expect("sub.example", "DS", "NOERROR aa | |" SOA);
	expect("example", "DS", "NOERROR aa | |" SOA); /* there is none above it */
	dns_zones_remove(&a.zones, &child.zone);
	expect("www.sub.example", "A", TO_SUB);
	play_end(&child);
}

static void the_root_is_served(void **state)
{
	static const char *const lines[] = {"com NS ns.com", "ns.com A 1", ". TXT \1x",
	                                    "*.w A 2", "c CNAME x.w"};
	struct play root;

	play_begin(&root, ".");
	play_soa(&root, ".");
	play_line(&root, ". NS ns.com");
	play_lines(&root, lines, KILN_COUNT_OF(lines));
	dns_zones_remove(&a.zones, &play.zone);
	ask_serve(&a, &root);
	expect(".", "TXT", "NOERROR aa | . TXT");
	expect(".", "NS", "NOERROR aa | . NS ns.com | | ns.com A 1");
	expect(".", "DS", "NOERROR aa | | . SOA 300");
	expect("x.com", "A", "NOERROR | | com NS ns.com | ns.com A 1");
	expect("c", "A", "NOERROR aa | c CNAME x.w, x.w A 2");
	expect("net", "A", "NXDOMAIN aa | | . SOA 300");
	play_end(&root);
}

/* ---- what limits are counted by ---- */

static void made_up_names_count_as_what_is_there(void **state)
{
	static const struct {
		const char *name, *counts;
	} cases[] = {
	    {"www.example", "www.example"},     {"x.y.example", "example"},
	    {"x.y.sub.example", "sub.example"}, {"x.wild.example", "x.wild.example"},
	    {"y.wild.example", "wild.example"}, {"x.dname.example", "dname.example"},
	    {"other.net", "other.net"}};

	for (size_t i = 0; i < KILN_COUNT_OF(cases); i++) {
		struct dns_name whole = name_of(cases[i].name),
		                part = name_of(cases[i].counts);

		ask_query(&a, cases[i].name, "A", 0);
		a.size = dns_answer(&a.answerer, &a.peer, slice_of(a.query, a.query_size),
		                    a.buffer, a.room, &a.what);
		assert_int_equal(a.what.name.len, part.size);
		assert_ptr_equal(a.what.name.data, a.query + 12 + whole.size - part.size);
	}
}

/* ---- what is no query ---- */

static const char *ask_bytes(struct slice query)
{
	memcpy(a.query, query.data, query.len);
	a.query_size = query.len;
	ask_raw(&a);
	return ask_text(&a);
}

static void silence_is_kept_where_an_answer_would_loop(void **state)
{
	assert_string_equal(ask_bytes(SLICE("")), "silence");
	assert_string_equal(ask_bytes(SLICE("\1\2\0\0\0\1\0\0\0\0\0")), "silence");
	assert_string_equal(ask_bytes(SLICE("\1\2\200\0\0\1\0\0\0\0\0\0\0\0\1\0\1")),
	                    "silence");
	assert_int_equal(a.what.kind, DNS_KIND_SILENCE);
}

static void what_is_malformed_is_told_so(void **state)
{
	static const struct {
		const char *what;
		struct slice query;
	} cases[] = {
#define CASE(what, bytes)                                           \
	{                                                           \
		what,                                               \
		{                                                   \
			(const uint8_t *)(bytes), sizeof(bytes) - 1 \
		}                                                   \
	}
	    CASE("no question", "\1\2\0\0\0\0\0\0\0\0\0\0"),
	    CASE("two questions", "\1\2\0\0\0\2\0\0\0\0\0\0\0\0\1\0\1\0\0\1\0\1"),
	    CASE("a question that ends early", "\1\2\0\0\0\1\0\0\0\0\0\0\7examp"),
	    CASE("no class", "\1\2\0\0\0\1\0\0\0\0\0\0\0\0\1\0"),
	    CASE("a compressed question", "\1\2\0\0\0\1\0\0\0\0\0\0\300\14\0\1\0\1"),
	    CASE("an odd label", "\1\2\0\0\0\1\0\0\0\0\0\0\100a\0\0\1\0\1"),
	    CASE("a record that is not there", "\1\2\0\0\0\1\0\0\0\0\0\1\0\0\1\0\1"),
	    CASE("a record that ends early",
	         "\1\2\0\0\0\1\0\1\0\0\0\0\0\0\1\0\1\0\0\1\0\1\0\0\0\0\0\4\1\2\3"),
	    CASE("two OPT", "\1\2\0\0\0\1\0\0\0\0\0\2\0\0\1\0\1"
	                    "\0\0\51\4\320\0\0\0\0\0\0\0\0\51\4\320\0\0\0\0\0\0"),
	    CASE("OPT of a name", "\1\2\0\0\0\1\0\0\0\0\0\1\0\0\1\0\1"
	                          "\1x\0\0\51\4\320\0\0\0\0\0\0"),
	    CASE("OPT as an answer", "\1\2\0\0\0\1\0\1\0\0\0\0\0\0\1\0\1"
	                             "\0\0\51\4\320\0\0\0\0\0\0"),
	    CASE("an option that ends early", "\1\2\0\0\0\1\0\0\0\0\0\1\0\0\1\0\1"
	                                      "\0\0\51\4\320\0\0\0\0\0\5\0\3\0\2x"),
	    CASE("a cookie of nine bytes",
	         "\1\2\0\0\0\1\0\0\0\0\0\1\0\0\1\0\1\0\0\51\4\320\0"
	         "\0\0\0\0\15\0\12\0\011123456789"),
	    CASE("TSIG that is not last",
	         "\1\2\0\0\0\1\0\0\0\0\0\2\0\0\1\0\1\0\0\372\0\377\0\0\0\0\0\0"
	         "\0\0\51\4\320\0\0\0\0\0\0"),
	};

	for (size_t i = 0; i < KILN_COUNT_OF(cases); i++) {
		if (strcmp(ask_bytes(cases[i].query), "FORMERR") != 0)
			fail_msg("%s: %s", cases[i].what, a.text);
	}
}

static void other_opcodes_and_classes_are_not_for_us(void **state)
{
	assert_string_equal(ask_bytes(SLICE("\1\2\20\0\0\1\0\0\0\0\0\0\0\0\1\0\1")),
	                    "NOTIMP");
	assert_string_equal(ask_bytes(SLICE("\1\2\50\0\0\1\0\0\0\0\0\0\0\0\1\0\1")),
	                    "NOTIMP");
	assert_string_equal(ask_bytes(SLICE("\1\2\40\0\0\1\0\0\0\0\0\0\0\0\6\0\1")),
	                    "NOTIMP");
	assert_string_equal(
	    ask_bytes(SLICE("\1\2\0\0\0\1\0\0\0\0\0\0\7example\0\0\6\0\4")), "REFUSED");
	/* All classes, of which no server is the authority: RFC 1035, 3.2.5. */
	assert_string_equal(
	    ask_bytes(SLICE("\1\2\0\0\0\1\0\0\0\0\0\0\7example\0\0\6\0\377")),
	    "NOERROR | example SOA 3600");
	assert_string_equal(ask_bytes(SLICE("\1\2\0\0\0\1\0\0\0\0\0\1\7example\0\0\6\0\1"
	                                    "\1k\0\0\372\0\377\0\0\0\0\0\0")),
	                    "NOTAUTH");
}

/* Messages of other operations need not look like queries (RFC 8490, 5.4). */
static void other_opcodes_have_their_own_form(void **state)
{
	/* IQUERY with an answer and no question, STATUS, DSO with a TLV behind the header */
	assert_string_equal(ask_bytes(SLICE("\1\2\10\0\0\0\0\1\0\0\0\0\0\0\1\0\1\0\0\0\0"
	                                    "\0\4\1\2\3\4")),
	                    "NOTIMP");
	assert_string_equal(ask_bytes(SLICE("\1\2\20\0\0\0\0\0\0\0\0\0")), "NOTIMP");
	assert_string_equal(
	    ask_bytes(SLICE("\1\2\60\0\0\0\0\0\0\0\0\0\0\1\0\4\0\0\72\230")), "NOTIMP");
	assert_string_equal(ask_bytes(SLICE("\1\2\50\0\0\1\0\0\0\0\0\0\7examp")),
	                    "NOTIMP");
	/* A version of EDNS comes before: RFC 6891, 6.1.3 */
	assert_string_equal(ask_bytes(SLICE("\1\2\60\0\0\0\0\0\0\0\0\1"
	                                    "\0\0\51\4\320\0\1\0\0\0\0")),
	                    "BADVERS");
	/* NOTIFY is known where somebody takes it. */
	struct slice cut = SLICE("\1\2\40\0\0\1\0\0\0\0\0\0\7examp");
	assert_string_equal(ask_bytes(cut), "NOTIMP");
	a.answerer.takes_notify = true;
	assert_string_equal(ask_bytes(cut), "FORMERR");
	assert_string_equal(ask_bytes(SLICE("\1\2\40\0\0\0\0\0\0\0\0\0")), "FORMERR");
}

static void the_caller_gets_what_it_takes(void **state)
{
	a.answerer.takes_transfers = a.answerer.takes_notify = a.answerer.takes_signed =
	    true;
	assert_string_equal(ask(&a, "example", "AXFR", ASK_EDNS), "silence");
	assert_int_equal(a.what.kind, DNS_KIND_TRANSFER);
	assert_int_equal(a.what.type, DNS_AXFR);
	assert_string_equal(
	    ask_bytes(SLICE("\1\2\40\0\0\1\0\0\0\0\0\0\7example\0\0\6\0\1")), "silence");
	assert_int_equal(a.what.kind, DNS_KIND_NOTIFY);
	assert_string_equal(ask_bytes(SLICE("\1\2\0\0\0\1\0\0\0\0\0\1\7example\0\0\6\0\1"
	                                    "\1k\0\0\372\0\377\0\0\0\0\0\0")),
	                    "silence");
	assert_int_equal(a.what.kind, DNS_KIND_SIGNED);
	assert_int_equal(a.what.signature, 25);
	ask_query(&a, "example", "AXFR", ASK_EDNS);
	a.size = dns_answer_error(&a.answerer, &a.peer, slice_of(a.query, a.query_size),
	                          DNS_RCODE_COOKIE, -1, a.buffer, a.room);
	assert_int_equal(a.buffer[3] & 15, 7);
	assert_int_equal(a.buffer[a.size - 6], 1); /* the upper bits, in OPT */
	a.size = dns_answer_truncated(&a.answerer, &a.peer,
	                              slice_of(a.query, a.query_size), a.buffer, a.room);
	assert_string_equal(ask_text(&a), "NOERROR tc");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_there_is_the_answer),
	    TEST(a_service_comes_with_its_addresses),
	    TEST(what_is_not_there_is_denied),
	    TEST(an_alias_is_followed_within_the_zone),
	    TEST(a_loop_of_aliases_ends),
	    TEST(a_wildcard_makes_names),
	    TEST(a_delegation_is_referred_to),
	    TEST(a_dname_turns_what_is_below_it),
	    TEST(a_dname_that_comes_back_is_there_once),
	    TEST(a_name_that_dname_makes_too_long_is_told_so),
	    TEST(any_is_answered_by_one_set),
	    TEST(what_no_zone_holds_is_refused),
	    TEST(ds_of_an_apex_is_for_the_zone_above),
	    TEST(the_root_is_served),
	    TEST(made_up_names_count_as_what_is_there),
	    TEST(silence_is_kept_where_an_answer_would_loop),
	    TEST(what_is_malformed_is_told_so),
	    TEST(other_opcodes_and_classes_are_not_for_us),
	    TEST(other_opcodes_have_their_own_form),
	    TEST(the_caller_gets_what_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
