/*
 * Answers of signed zones to those who ask for DNSSEC: the responses that RFC 4035, appendix
 * B, and RFC 5155, appendix B, show of their example zones; signatures are made up, for the
 * server looks into none. What the two show is which proofs an answer has; who validates them
 * stands in the tests with other programs.
 */
#include "dns_signed.h"

static struct play play;
static struct ask a;

static int tear_down(void **state)
{
	play_end(&play);
	return 0;
}

static void expect(const char *name, const char *type, const char *answer)
{
	if (strcmp(ask(&a, name, type, ASK_DNSSEC), answer) != 0)
		fail_msg("%s %s: %s\n not %s", name, type, a.text, answer);
	assert_true(a.what.dnssec);
}

/* Without DO none of it is seen. */
static void expect_plain(const char *name, const char *type, const char *answer)
{
	if (strcmp(ask(&a, name, type, ASK_EDNS), answer) != 0)
		fail_msg("%s %s: %s\n not %s", name, type, a.text, answer);
}

#define SOA "example SOA 300, example RRSIG SOA"

/* ---- NSEC ---- */

static int set_up_nsec(void **state)
{
	play_nsec(&play);
	ask_begin(&a);
	ask_serve(&a, &play);
	return 0;
}

static void nsec_answers_are_those_of_rfc_4035(void **state)
{
	/* B.1 */
	expect("x.w.example", "MX",
	       "NOERROR aa | x.w.example MX xx.example, x.w.example RRSIG MX | | "
	       "xx.example A 10, xx.example RRSIG A, xx.example AAAA 10, xx.example "
	       "RRSIG AAAA");
	/* B.2 */
	expect("ml.example", "A",
	       "NXDOMAIN aa | | " SOA
	       ", b.example NSEC ns1.example, b.example RRSIG NSEC, "
	       "example NSEC a.example, example RRSIG NSEC");
	expect_plain("ml.example", "A", "NXDOMAIN aa | | example SOA 300");
	/* B.3 */
	expect("ns1.example", "MX",
	       "NOERROR aa | | " SOA
	       ", ns1.example NSEC ns2.example, ns1.example RRSIG NSEC");
	/* B.4 */
	expect("mc.a.example", "MX",
	       "NOERROR | | a.example NS ns1.a.example, a.example NS ns2.a.example, "
	       "a.example DS, a.example RRSIG DS | ns1.a.example A 5, ns2.a.example A 6");
	expect_plain(
	    "mc.a.example", "MX",
	    "NOERROR | | a.example NS ns1.a.example, a.example NS ns2.a.example | "
	    "ns1.a.example A 5, ns2.a.example A 6");
	/* B.5 */
	expect("mc.b.example", "MX",
	       "NOERROR | | b.example NS ns1.b.example, b.example NS ns2.b.example, "
	       "b.example NSEC ns1.example, b.example RRSIG NSEC | "
	       "ns1.b.example A 7, ns2.b.example A 8");
	/* B.6 */
	expect("a.z.w.example", "MX",
	       "NOERROR aa | a.z.w.example MX ai.example, a.z.w.example RRSIG MX | "
	       "x.y.w.example NSEC xx.example, x.y.w.example RRSIG NSEC | "
	       "ai.example A 9, ai.example RRSIG A, ai.example AAAA 9, ai.example RRSIG "
	       "AAAA");
	/* B.7 */
	expect("a.z.w.example", "AAAA",
	       "NOERROR aa | | " SOA ", x.y.w.example NSEC xx.example, "
	       "x.y.w.example RRSIG NSEC, *.w.example NSEC x.w.example, "
	       "*.w.example RRSIG NSEC");
	/* B.8 */
	expect("example", "DS",
	       "NOERROR aa | | " SOA ", example NSEC a.example, example RRSIG NSEC");
}

static void ds_is_answered_at_the_cut(void **state)
{
	expect("a.example", "DS", "NOERROR aa | a.example DS, a.example RRSIG DS");
	expect("b.example", "DS",
	       "NOERROR aa | | " SOA
	       ", b.example NSEC ns1.example, b.example RRSIG NSEC");
}

static void names_without_records_are_denied_by_what_is_before_them(void **state)
{
	expect("y.w.example", "A",
	       "NOERROR aa | | " SOA ", x.w.example NSEC x.y.w.example, "
	       "x.w.example RRSIG NSEC");
	/* Behind all names: the last NSEC goes round to the apex. */
	expect("zz.example", "A",
	       "NXDOMAIN aa | | " SOA ", xx.example NSEC example, xx.example RRSIG NSEC, "
	       "example NSEC a.example, example RRSIG NSEC");
	/* One NSEC shows both: it is there once. */
	expect("a0.ns1.example", "A",
	       "NXDOMAIN aa | | " SOA
	       ", ns1.example NSEC ns2.example, ns1.example RRSIG NSEC");
}

static void signatures_are_had_by_their_type(void **state)
{
	expect("ai.example", "RRSIG",
	       "NOERROR aa | ai.example RRSIG A, ai.example RRSIG AAAA, ai.example RRSIG "
	       "NSEC");
	expect_plain("ai.example", "RRSIG",
	             "NOERROR aa | ai.example RRSIG A, ai.example RRSIG AAAA, "
	             "ai.example RRSIG NSEC");
	expect("ai.example", "NSEC",
	       "NOERROR aa | ai.example NSEC b.example, ai.example RRSIG NSEC");
	expect("ai.example", "ANY", "NOERROR aa | ai.example A 9, ai.example RRSIG A");
}

/* ---- NSEC3 ---- */

static int set_up_nsec3(void **state)
{
	play_nsec3(&play);
	ask_begin(&a);
	ask_serve(&a, &play);
	return 0;
}

#define HASHED(hash) hash ".example NSEC3, " hash ".example RRSIG NSEC3"

static void nsec3_answers_are_those_of_rfc_5155(void **state)
{
	/* B.1: what matches x.w, what covers c.x.w, what covers *.x.w */
	expect("a.c.x.w.example", "A",
	       "NXDOMAIN aa | | " SOA
	       ", " HASHED("b4um86eghhds6nea196smvmlo4ors995") ", " HASHED(
	           "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom") ", " HASHED("35mthgpgcu1qg68fab165"
	                                                           "klnsnk3dpvl"));
	/* B.2 */
	expect("ns1.example", "MX",
	       "NOERROR aa | | " SOA ", " HASHED("2t7b4g4vsa5smi47k61mv5bv1a22bojr"));
	/* B.2.1 */
	expect("y.w.example", "A",
	       "NOERROR aa | | " SOA ", " HASHED("ji6neoaepv8b5o6k4ev33abha8ht9fgc"));
	/* B.3: what matches the apex, what covers c */
	expect("mc.c.example", "MX",
	       "NOERROR | | c.example NS ns1.c.example, c.example NS "
	       "ns2.c.example, " HASHED("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom") ", " HASHED(
	           "35mthgpgcu1qg68fab165klnsnk3dpvl") " | ns1.c.example A 7, "
	                                               "ns2.c.example A 8");
	/* B.4: what covers z.w */
	expect(
	    "a.z.w.example", "MX",
	    "NOERROR aa | a.z.w.example MX ai.example, a.z.w.example RRSIG MX | " HASHED(
	        "q04jkcevqvmu85r014c7dkba38o0ji5r") " | ai.example A 9, ai.example RRSIG "
	                                            "A, "
	                                            "ai.example AAAA 9, ai.example RRSIG "
	                                            "AAAA");
	/* B.5: what matches w, what covers z.w, what matches *.w */
	expect("a.z.w.example", "AAAA",
	       "NOERROR aa | | " SOA
	       ", " HASHED("k8udemvp1j2f7eg6jebps17vp3n8i58h") ", " HASHED(
	           "q04jkcevqvmu85r014c7dkba38o0ji5r") ", " HASHED("r53bq7cc2uvmubfu5ocmm"
	                                                           "6pers9tk9en"));
	/* B.6 */
	expect("example", "DS",
	       "NOERROR aa | | " SOA ", " HASHED("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"));
}

static void ds_that_is_not_there_is_denied_by_opt_out(void **state)
{
	expect("c.example", "DS",
	       "NOERROR aa | | " SOA
	       ", " HASHED("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom") ", " HASHED(
	           "35mthgpgcu1qg68fab165klnsnk3dpvl"));
	expect("a.example", "DS", "NOERROR aa | a.example DS, a.example RRSIG DS");
	expect("mc.a.example", "A",
	       "NOERROR | | a.example NS ns1.a.example, a.example NS ns2.a.example, "
	       "a.example DS, a.example RRSIG DS | ns1.a.example A 5, ns2.a.example A 6");
}

/* RFC 5155, 7.2.8: the owners of NSEC3 records are no names, unless they are. */
static void owners_of_nsec3_are_not_there(void **state)
{
	ask(&a, "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example", "NSEC3", ASK_DNSSEC);
	assert_int_equal(a.what.kind, DNS_KIND_NO_NAME);
	expect_plain("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example", "A",
	             "NOERROR aa | 2t7b4g4vsa5smi47k61mv5bv1a22bojr.example A 127");
	ask(&a, "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example", "NSEC3", ASK_DNSSEC);
	assert_int_equal(a.what.kind, DNS_KIND_NO_DATA);
}

static void iterating_gives_nsec3_last(void **state)
{
	static struct dns_zone_iterator it;
	unsigned count = 0, nsec3 = 0;

	for (dns_zone_iterate(&it, &play.zone); dns_zone_next(&it); count++) {
		if (it.type == DNS_NSEC3)
			nsec3++;
		else if (it.type != DNS_RRSIG)
			assert_int_equal(nsec3, 0);
	}
	assert_int_equal(nsec3, KILN_COUNT_OF(hashed) + 1);
	assert_int_equal(count, dns_zone_records(&play.zone));
	assert_true(dns_zone_signed(&play.zone));
}

/* ---- several chains ---- */

static const struct zone_header cheaper = {.iterations = 1};
#define CHEAPER       SLICE("\1\0\0\1\0")
#define CHEAPER_FLAGS SLICE("\1\1\0\1\0")
#define COSTLY        SLICE("\1\0\0\310\0") /* 200 iterations */
#define OTHER_HASH    SLICE("\2\0\0\0\0")

/* The zone with another NSEC3PARAM, and that chain but for some; the iterations of what the
 * answers are proved by. */
static unsigned chosen_beside(struct slice parameter, unsigned without)
{
	unsigned iterations;

	play_nsec3(&play);
	play_add(&play, "example", DNS_NSEC3PARAM, parameter);
	play_chain(&play, &cheaper, without);
	play_open(&play);
	assert_int_equal(play.zone.header->flags, ZONE_NSEC3);
	iterations = play.zone.header->iterations;
	assert_int_equal(play.zone.header->salt_size, iterations == 1 ? 0 : 4);
	play_end(&play);
	return iterations;
}

static void of_several_chains_a_whole_one_is_taken_that_is_cheap(void **state)
{
	assert_int_equal(chosen_beside(CHEAPER, 0), 1);
	assert_int_equal(chosen_beside(CHEAPER, 1), 12);
	assert_int_equal(chosen_beside(CHEAPER, KILN_COUNT_OF(hashed)), 12);
	assert_int_equal(chosen_beside(CHEAPER_FLAGS, 0), 12); /* RFC 5155, 4.1.2 */
	assert_int_equal(chosen_beside(COSTLY, 0), 12);
	assert_int_equal(chosen_beside(OTHER_HASH, 0), 12);
}

static void a_signature_of_an_nsec3_that_is_not_there_is_passed_over(void **state)
{
	play_nsec3(&play);
	play_signature(&play, "11111111111111111111111111111111.example", DNS_NSEC3);
	play_open(&play);
	assert_int_equal(play.zone.header->hash_count, KILN_COUNT_OF(hashed));
	play_end(&play);
}

/* RFC 5155, 10.4 and 10.5: on the way from NSEC to NSEC3, or back. */
static void a_whole_chain_is_taken_rather_than_nsec(void **state)
{
	for (unsigned without = 0; without < 2; without++) {
		play_begin(&play, "example");
		play_lines(&play, nsec3_lines, KILN_COUNT_OF(nsec3_lines));
		play_lines(&play, (const char *const[]){"example NSEC! example"}, 1);
		play_add(&play, "example", DNS_NSEC3PARAM, CHEAPER);
		play_chain(&play, &cheaper, without);
		play_open(&play);
		assert_int_equal(play.zone.header->flags,
		                 without ? ZONE_NSEC : ZONE_NSEC3);
		play_end(&play);
	}
}

int main(void)
{
#define NSEC(name)  cmocka_unit_test_setup_teardown(name, set_up_nsec, tear_down)
#define NSEC3(name) cmocka_unit_test_setup_teardown(name, set_up_nsec3, tear_down)
	const struct CMUnitTest tests[] = {
	    NSEC(nsec_answers_are_those_of_rfc_4035),
	    NSEC(ds_is_answered_at_the_cut),
	    NSEC(names_without_records_are_denied_by_what_is_before_them),
	    NSEC(signatures_are_had_by_their_type),
	    NSEC3(nsec3_answers_are_those_of_rfc_5155),
	    NSEC3(ds_that_is_not_there_is_denied_by_opt_out),
	    NSEC3(owners_of_nsec3_are_not_there),
	    NSEC3(iterating_gives_nsec3_last),
	    cmocka_unit_test(of_several_chains_a_whole_one_is_taken_that_is_cheap),
	    cmocka_unit_test(a_signature_of_an_nsec3_that_is_not_there_is_passed_over),
	    cmocka_unit_test(a_whole_chain_is_taken_rather_than_nsec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
