/*
 * Master files: what is wrong in one is told of with its file, line, owner and reason, and the
 * rest of it is read; how far an $INCLUDE and a $GENERATE go. What files mean is compared with
 * BIND in dns_master_bind.c.
 */
#include "master_play.h"

static struct play *play_text(const char *text, const char *included, bool good)
{
	struct play *play = play_new();

	play->included = included;
	if (play_read(play, "example", SLICE("a.zone"), slice_text(text)) != good)
		fail_msg("%s: %s", text, play->problems);
	return play;
}

/* A record's text that is refused for this reason. */
struct bad {
	const char *text, *reason;
};

static void check_bad(const struct bad *bad)
{
	char text[1024], problem[1024];
	struct play *play;

	snprintf(text, sizeof(text), "$TTL 60\nx %s\ny A 192.0.2.1\n", bad->text);
	snprintf(problem, sizeof(problem), "a.zone:2: x.example%s\n", bad->reason);
	play = play_text(text, NULL, false);
	assert_string_equal(play->problems, problem);
	assert_int_equal(play->count, 1);
	assert_string_equal(play->records[0], "y.example 60 A c0000201");
	play_free(play);
}

static void mistakes_are_told_of_and_the_next_record_is_read(void **state)
{
	static const struct bad bad[] = {
	    {"A 10.1", " A: bad dotted quad near '10.1'"},
	    {"A 1.2.3.4 5", " A: extra input text near '5'"},
	    {"A", " A: unexpected end of line"},
	    {"A \"1.2.3.4\"", " A: a string in quotes where a word should be"},
	    {"AAAA 1::2::3", " AAAA: bad IPv6 address near '1::2::3'"},
	    {"NONE 1", ": unknown type of record near 'NONE'"},
	    {"TYPE65536 \\# 0", ": unknown type of record near 'TYPE65536'"},
	    {"", ": unexpected end of line"},
	    {"60 IN", ": unexpected end of line"},
	    {"CH A 1.2.3.4", ": a class other than the zone's, IN near 'CH'"},
	    {"CLASS254 A 1.2.3.4", ": a class other than the zone's, IN near 'CLASS254'"},
	    {"ANY \\# 0", " ANY: a type that no zone holds near 'ANY'"},
	    {"OPT \\# 0", " OPT: a type that no zone holds near 'OPT'"},
	    {"MD a", " MD: obsolete: an MX record says it now (RFC 1035, 3.3) near 'MD'"},
	    {"NULL x",
	     " NULL: data of this type is written as \\# LENGTH HEX near 'NULL'"},
	    {"A \\# 5 0102030405",
	     " A: bytes that are no data of this type near '0102030405'"},
	    {"A \\# 4 0102", " A: not as many bytes as the length says near '0102'"},
	    {"MX \\# 4 0001 c000",
	     " MX: bytes that are no data of this type near 'c000'"},
	    {"NSEC \\# 3 016100",
	     " NSEC: bytes that are no data of this type near '016100'"},
	    {"MX 65536 a", " MX: out of range near '65536'"},
	    {"MX ten a", " MX: not a valid number near 'ten'"},
	    {"MX 10 a..b", " MX: not a valid name near 'a..b'"},
	    {"TXT \"a", " TXT: unbalanced quotes"},
	    {"TXT a)", " TXT: unbalanced parentheses"},
	    {"TXT \\25", " TXT: not a valid escape near '\\25'"},
	    {"TXT a\\", " TXT: a backslash ends the line"},
	    {"SOA a b 1h 1 1 1 1", " SOA: not a valid number near '1h'"},
	    {"SOA a b 1 1x 1 1 1", " SOA: not a valid time near '1x'"},
	    {"WKS 1.2.3.4 foo 1", " WKS: unknown protocol near 'foo'"},
	    {"WKS 1.2.3.4 tcp 25 foo", " WKS: unknown service near 'foo'"},
	    {"LOC 91 N 1 E 0", " LOC: out of range near '91'"},
	    {"LOC 1 60 N 1 E 0", " LOC: out of range near '60'"},
	    {"LOC 1 1 1.1234 N 1 E 0", " LOC: not a valid number near '1.1234'"},
	    {"LOC 1 1 1 1 N 1 E 0", " LOC: no direction such as N or E near '1'"},
	    {"APL 3:1.2.3.4/1",
	     " APL: neither IPv4 (1:) nor IPv6 (2:) near '3:1.2.3.4/1'"},
	    {"APL 1:1.2.3.4/33", " APL: not a valid prefix near '1:1.2.3.4/33'"},
	    {"NSAP 47", " NSAP: syntax error near '47'"},
	    {"NSAP 0x4", " NSAP: bad hex encoding near '0x4'"},
	    {"ATMA 39..47", " ATMA: syntax error near '39..47'"},
	    {"KEY FOO 3 5 AAAA", " KEY: unknown flag near 'FOO'"},
	    {"DNSKEY 65536 3 5 AAAA", " DNSKEY: out of range near '65536'"},
	    {"DNSKEY 256 3 FOO AAAA",
	     " DNSKEY: neither a number nor a word that stands for one near 'FOO'"},
	    {"DNSKEY 256 3 8", " DNSKEY: unexpected end of line"},
	    {"OPENPGPKEY AAA", " OPENPGPKEY: bad base64 encoding near 'AAA'"},
	    {"OPENPGPKEY AA==AA==", " OPENPGPKEY: bad base64 encoding near 'AA==AA=='"},
	    {"OPENPGPKEY AB==", " OPENPGPKEY: bad base64 encoding near 'AB=='"},
	    {"DS 1 8 1 00", " DS: a digest of a wrong length near '00'"},
	    {"DS 1 8 2", " DS: unexpected end of line"},
	    {"SSHFP 1 1 abc", " SSHFP: bad hex encoding near 'abc'"},
	    {"RRSIG A 8 3 1 20300229000000 0 1 a AAAA",
	     " RRSIG: not a valid time near '20300229000000'"},
	    {"NSEC a", " NSEC: unexpected end of line"},
	    {"NSEC a A B", " NSEC: unknown type of record near 'B'"},
	    {"NXT a TYPE128", " NXT: out of range near 'TYPE128'"},
	    {"NSEC3 1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor A",
	     " NSEC3: bad base32 encoding near '2vptu5timamqttgl4luu9kg21e0aor'"},
	    {"NSEC3PARAM 1 0 0 abc", " NSEC3PARAM: bad hex encoding near 'abc'"},
	    {"HIP 2 ABC AAAA", " HIP: bad hex encoding near 'ABC'"},
	    {"IPSECKEY 10 4 2 . AA==", " IPSECKEY: out of range near '4'"},
	    {"AMTRELAY 1 0 0 a", " AMTRELAY: a dot should stand for no host near 'a'"},
	    {"NID 1 1:2:3", " NID: not a valid identifier near '1:2:3'"},
	    {"EUI48 00-00-5e-00-53",
	     " EUI48: not a valid identifier near '00-00-5e-00-53'"},
	    {"CAA 0 a-b c", " CAA: not a valid tag near 'a-b'"},
	    {"SVCB 1 . port=1 port=2", " SVCB: a key is given twice near 'port=2'"},
	    {"SVCB 1 . port=x", " SVCB: not a valid port near 'port=x'"},
	    {"SVCB 1 . foo=x", " SVCB: unknown key near 'foo=x'"},
	    {"SVCB 1 . alpn=\"a,,b\"",
	     " SVCB: an item of alpn is empty or too long near 'alpn=\"a,,b\"'"},
	    {"SVCB 1 . alpn=\"a", " SVCB: unbalanced quotes"},
	    {"SVCB 1 . no-default-alpn", " SVCB: no-default-alpn without alpn"},
	    {"SVCB 1 . no-default-alpn=a alpn=a",
	     " SVCB: this key takes no value near 'no-default-alpn=a'"},
	    {"SVCB 1 . mandatory=port", " SVCB: a mandatory key is not given"},
	    {"SVCB 1 . mandatory=mandatory",
	     " SVCB: not a valid list of mandatory keys near 'mandatory=mandatory'"},
	    {"SVCB 1 . ipv4hint=1.2.3",
	     " SVCB: not a valid address near 'ipv4hint=1.2.3'"},
	    {"SVCB 1 . dohpath=/q", " SVCB: dohpath without {?dns}"},
	};

	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++)
		check_bad(&bad[i]);
}

/* What a whole text's problems are. */
static void check_problems(const char *text, const char *included, bool good,
                           const char *problems)
{
	struct play *play = play_text(text, included, good);

	assert_string_equal(play->problems, problems);
	play_free(play);
}

static void a_line_is_that_of_the_word_it_is_about(void **state)
{
	check_problems("x 60 TXT ( a\n\"b\"\n\"c\n)\ny 60 A 1.2.3\n", NULL, false,
	               "a.zone:3: x.example TXT: unbalanced quotes\n"
	               "a.zone:4: unbalanced parentheses\n"
	               "a.zone:5: y.example A: bad dotted quad near '1.2.3'\n");
	check_problems("x 60 A ( 1.2.3.4\n\n", NULL, false,
	               "a.zone:3: x.example A: unbalanced parentheses\n");
	check_problems("x 60 A (\n1.2.3\n)\ny 60 A 1.2.3.4\n", NULL, false,
	               "a.zone:3: x.example A: bad dotted quad near '1.2.3'\n");
}

static void directives_that_are_wrong_are_told_of(void **state)
{
	check_problems("$TTL\n$TTL x\n$TTL 1 2\n$ORIGIN\n$ORIGIN a..b\n$FOO\n$INCLUDE\n"
	               "$INCLUDE no.zone\n$TTL 2147483648\n",
	               NULL, false,
	               "a.zone:1: unexpected end of line\n"
	               "a.zone:2: not a valid TTL near 'x'\n"
	               "a.zone:3: extra input text near '2'\n"
	               "a.zone:4: unexpected end of line\n"
	               "a.zone:5: not a valid name near 'a..b'\n"
	               "a.zone:6: unknown directive near '$FOO'\n"
	               "a.zone:7: unexpected end of line\n"
	               "a.zone:8: no such file near 'no.zone'\n"
	               "warning: a.zone:9: a TTL above 2147483647 is taken as 0 near "
	               "'2147483648'\n");
}

static void what_an_owner_is_must_be_known(void **state)
{
	check_problems(" 60 A 1.2.3.4\na..b 60 A 1.2.3.4\n 60 A 1.2.3.4\n", NULL, false,
	               "a.zone:1: no owner's name, and none before\n"
	               "a.zone:2: not a valid name near 'a..b'\n"
	               "a.zone:3: no owner's name, and none before\n");
}

/* Its labels are character strings (RFC 1035, 5.1), and BIND and NSD take quotes. */
static void an_owner_may_stand_in_quotes(void **state)
{
	struct play *play = play_text("\"x y\" 60 A 1.2.3.4\n", NULL, true);

	assert_string_equal(play->records[0], "x\\032y.example 60 A 01020304");
	play_free(play);
}

static void a_ttl_comes_from_somewhere(void **state)
{
	struct play *play = play_text("x A 1.2.3.4\n@ SOA a b 1 2 3 4 5\ny A 1.2.3.4\n"
	                              "z 60 A 1.2.3.4\nz2 A 1.2.3.4\n"
	                              "z3 2147483648 A 1.2.3.4\n",
	                              NULL, false);

	assert_string_equal(
	    play->problems,
	    "a.zone:1: x.example A: no TTL specified\n"
	    "warning: a.zone:2: example SOA: no TTL specified; using the SOA's last "
	    "number\n"
	    "warning: a.zone:3: y.example A: no TTL specified; using that of the record "
	    "before\n"
	    "warning: a.zone:6: a TTL above 2147483647 is taken as 0 near "
	    "'2147483648'\n");
	assert_int_equal(play->count, 5);
	assert_string_equal(play->records[1], "y.example 5 A 01020304");
	assert_string_equal(play->records[3], "z2.example 60 A 01020304");
	assert_string_equal(play->records[4], "z3.example 0 A 01020304");
	play_free(play);
}

static void times_have_units(void **state)
{
	static const struct {
		const char *text;
		uint32_t seconds;
	} good[] = {{"0", 0},
	            {"1h30m", 5400},
	            {"1W2D3H4M5S", 788645},
	            {"1w1w", 1209600},
	            {"4294967295", UINT32_MAX}};
	static const char *const bad[] = {"",   "h",          "1x",   "1h30",
	                                  "-1", "4294967296", "7102w"};
	uint32_t seconds;

	for (size_t i = 0; i < KILN_COUNT_OF(good); i++) {
		assert_true(dns_master_ttl(slice_text(good[i].text), &seconds));
		assert_int_equal(seconds, good[i].seconds);
	}
	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++)
		assert_false(dns_master_ttl(slice_text(bad[i]), &seconds));
}

static void what_is_outside_the_zone_is_left_out(void **state)
{
	check_problems("x.test. 60 A 1.2.3.4\nexample.com. 60 A 1.2.3.4\n", NULL, true,
	               "warning: a.zone:1: x.test A: ignoring out-of-zone data\n"
	               "warning: a.zone:2: example.com A: ignoring out-of-zone data\n");
}

static void files_that_include_each_other_come_to_an_end(void **state)
{
	struct play *play = play_text("$TTL 60\n$INCLUDE b.zone\n",
	                              "x A 1.2.3.4\n$INCLUDE b.zone sub\n", false);

	assert_string_equal(
	    play->problems,
	    "b.zone:2: files include each other too deeply near 'b.zone'\n");
	assert_int_equal(play->count, DNS_MASTER_DEPTH - 1);
	assert_string_equal(play->records[2], "x.sub.sub.example 60 A 01020304");
	play_free(play);
}

static void generated_records_are_as_many_as_the_range_says(void **state)
{
	struct play *play = play_text("$TTL 60\n$GENERATE 1-9/4 a$ A 10.0.0.$\n"
	                              "$GENERATE 1-2 b$ A 10.0.$\n"
	                              "$GENERATE 0-5 c${-3} A 10.0.0.1\n"
	                              "$GENERATE 2-1 d$ A 10.0.0.1\n"
	                              "$GENERATE 1-2/0 d$ A 10.0.0.1\n"
	                              "$GENERATE 0-16777216 d$ A 10.0.0.1\n"
	                              "$GENERATE 1-2 d${1,2,q} A 10.0.0.1\n"
	                              "$GENERATE 1-2 d$ A 10.0.0.1 x\n"
	                              "$GENERATE 1-2 d$ A\n"
	                              "e A 10.0.0.1\n",
	                              NULL, false);

	assert_string_equal(
	    play->problems,
	    "a.zone:3: bad dotted quad near '10.0.1'\n"
	    "a.zone:4: not a valid modifier near 'c${-3}'\n"
	    "a.zone:5: not a valid range near '2-1'\n"
	    "a.zone:6: not a valid range near '1-2/0'\n"
	    "a.zone:7: a range of more than 16777216 numbers near '0-16777216'\n"
	    "a.zone:8: not a valid modifier near 'd${1,2,q}'\n"
	    "a.zone:9: extra input text near 'x'\n"
	    "a.zone:10: unexpected end of line\n");
	assert_int_equal(play->count, 4);
	assert_string_equal(play->records[2], "a9.example 60 A 0a000009");
	play_free(play);
}

/* A text of `count` times the same between a head and a tail. */
static char *repeated(const char *head, const char *text, size_t count, const char *tail)
{
	size_t size = strlen(head) + count * strlen(text) + strlen(tail) + 1;
	char *all = malloc(size);
	struct writer w = writer_of(all, size);

	writer_text(&w, head);
	while (count-- > 0)
		writer_text(&w, text);
	writer_text(&w, tail);
	writer_u8(&w, 0);
	assert_false(w.failed);
	return all;
}

static void check_repeated(const char *head, const char *text, size_t count,
                           const char *tail, const char *problems)
{
	char *all = repeated(head, text, count, tail);

	check_problems(all, NULL, problems[0] == '\0', problems);
	free(all);
}

static void sizes_have_limits(void **state)
{
	check_repeated("x 1 NULL \\# 65535 ", "00", 65535, "\n", "");
	check_repeated("x 1 TXT ", "a ", 32767, "\n", "");
	check_repeated(
	    "x 1 TXT ", "a ", 32768, "\n",
	    "a.zone:1: x.example TXT: data of more than 65535 bytes near 'a'\n");
	check_repeated("x 1 TXT \"", "a", 255, "\"\n", "");
	check_repeated("x 1 MX 1 ", "a.", 122, "b\n", ""); /* and "example.": 255 bytes */
	char *text = repeated("x 1 MX 1 ", "a.", 123, "b\n");
	struct play *play = play_text(text, NULL, false);
	assert_non_null(
	    strstr(play->problems, "a.zone:1: x.example MX: name too long near"));
	play_free(play);
	free(text);
}

static void a_reader_stops_when_it_is_told_to(void **state)
{
	struct play *play = play_new();

	play->most = 2;
	assert_false(play_read(play, "example", SLICE("a.zone"),
	                       SLICE("$TTL 1\n$GENERATE 1-9 a$ A 10.0.0.$\n")));
	assert_int_equal(play->count, 2);
	assert_string_equal(play->problems, "");
	play_free(play);
}

static void a_file_may_end_anywhere(void **state)
{
	static char text[16384];
	FILE *f = fopen("test/unit/master/types.zone", "rb");

	assert_non_null(f);
	size_t size = fread(text, 1, sizeof(text), f);
	fclose(f);
	for (size_t end = 0; end < size; end += 7) {
		struct play *play = play_new();

		(void)play_read(play, "example", SLICE("a.zone"), slice_of(text, end));
		play_free(play);
	}
}

static void data_in_messages_is_copied_whole(void **state)
{
	/* The name at 0 is pointed at by what follows. */
	static const uint8_t message[] = "\7example\0\0\12\4mail\300\0";
	uint8_t out[64];
	struct writer w = writer_of(out, sizeof(out)), small = writer_of(out, 8);
	struct dns_record record = {.type = DNS_MX,
	                            .message = slice_of(message, sizeof(message) - 1),
	                            .data = slice_of(message + 9, sizeof(message) - 10)};

	assert_true(dns_data_copy(&w, &record));
	assert_true(slice_equal(writer_done(&w), SLICE("\0\12\4mail\7example\0")));
	assert_false(dns_data_check(DNS_MX, record.data));
	assert_false(dns_data_copy(&small, &record));
	record.type = DNS_SOA;
	w = writer_of(out, sizeof(out));
	assert_false(dns_data_copy(&w, &record));
	record.type = 65400; /* opaque */
	w = writer_of(out, sizeof(out));
	assert_true(dns_data_copy(&w, &record));
	assert_true(slice_equal(writer_done(&w), record.data));
}

static void types_have_names_and_numbers(void **state)
{
	uint8_t text[16];
	struct writer w = writer_of(text, sizeof(text));
	uint16_t type;

	assert_true(dns_type_parse(SLICE("nsec3param"), &type) && type == 51);
	assert_true(dns_type_parse(SLICE("TYPE51"), &type) && type == 51);
	assert_true(dns_type_parse(SLICE("DLV"), &type) && type == 32769);
	assert_false(dns_type_parse(SLICE("TYPE"), &type));
	assert_false(dns_type_parse(SLICE(""), &type));
	dns_type_format(&w, 28);
	dns_type_format(&w, 65400);
	assert_true(slice_equal(writer_done(&w), SLICE("AAAATYPE65400")));
	for (unsigned last = 0, i = 0; i < 65536; i++) {
		const struct dns_type_info *info = dns_type_find((uint16_t)i);

		if (!info)
			continue;
		assert_true(i == 1 || i > last);
		last = i;
		assert_int_equal(info->type, i);
		assert_true(dns_type_parse(slice_text(info->name), &type) && type == i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mistakes_are_told_of_and_the_next_record_is_read),
	    cmocka_unit_test(a_line_is_that_of_the_word_it_is_about),
	    cmocka_unit_test(directives_that_are_wrong_are_told_of),
	    cmocka_unit_test(what_an_owner_is_must_be_known),
	    cmocka_unit_test(an_owner_may_stand_in_quotes),
	    cmocka_unit_test(a_ttl_comes_from_somewhere),
	    cmocka_unit_test(times_have_units),
	    cmocka_unit_test(what_is_outside_the_zone_is_left_out),
	    cmocka_unit_test(files_that_include_each_other_come_to_an_end),
	    cmocka_unit_test(generated_records_are_as_many_as_the_range_says),
	    cmocka_unit_test(sizes_have_limits),
	    cmocka_unit_test(a_reader_stops_when_it_is_told_to),
	    cmocka_unit_test(a_file_may_end_anywhere),
	    cmocka_unit_test(data_in_messages_is_copied_whole),
	    cmocka_unit_test(types_have_names_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
