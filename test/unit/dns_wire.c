/*
 * The wire format of DNS (RFC 1035): names and messages as servers send them, as they are
 * written, and as nobody should send them: loops, pointers forwards, lengths that lie, and
 * every truncation of what is well-formed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/dns.h>

static struct dns_name name_of(const char *text)
{
	struct dns_name name;

	assert_true(dns_name_parse(slice_text(text), &name));
	return name;
}

static const char *text_of(const struct dns_name *name)
{
	static char text[4 * DNS_NAME_SIZE + 1];
	struct writer w = writer_of(text, sizeof(text));

	dns_name_format(&w, name);
	writer_u8(&w, 0);
	assert_false(w.failed);
	return text;
}

/* ---- names ---- */

static void a_name_is_its_labels_behind_their_lengths(void **state)
{
	struct dns_name name = name_of("www.Example.com");

	assert_int_equal(name.size, 17);
	assert_memory_equal(name.bytes, "\3www\7Example\3com", 17);
	name = name_of("www.Example.com.");
	assert_int_equal(name.size, 17);
	assert_string_equal(text_of(&name), "www.Example.com");
	assert_int_equal(dns_name_labels(&name), 3);
	name = name_of(".");
	assert_int_equal(name.size, 1);
	assert_int_equal(dns_name_labels(&name), 0);
	assert_string_equal(text_of(&name), ".");
}

static void any_byte_has_its_text(void **state)
{
	struct dns_name name = name_of("a\\.b.\\000\\255\\\\x.c");

	assert_memory_equal(name.bytes, "\3a.b\4\0\377\\x\1c", 12);
	assert_string_equal(text_of(&name), "a\\.b.\\000\\255\\\\x.c");
}

static void texts_that_are_no_names_are_refused(void **state)
{
	static const char *const bad[] = {"", "..", "a..b", ".a", "a\\", "\\25", "\\256"};
	char text[300];
	struct dns_name name;

	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++)
		assert_false(dns_name_parse(slice_text(bad[i]), &name));
	memset(text, 'x', sizeof(text));
	assert_true(dns_name_parse(slice_of(text, DNS_LABEL_SIZE), &name));
	assert_false(dns_name_parse(slice_of(text, DNS_LABEL_SIZE + 1), &name));
	/* 63 + 63 + 63 + 61 bytes in labels, their lengths and the root's: 255. */
	text[63] = text[127] = text[191] = '.';
	assert_true(dns_name_parse(slice_of(text, 253), &name));
	assert_int_equal(name.size, 255);
	assert_false(dns_name_parse(slice_of(text, 254), &name));
}

static void names_are_equal_whatever_their_case(void **state)
{
	struct dns_name a = name_of("wWw.eXample.Com"), b = name_of("WwW.exAMPLE.com");
	struct dns_name other = name_of("ww.wexample.com"),
	                below = name_of("EXAMPLE.com");

	assert_true(dns_name_equal(&a, &b));
	assert_false(dns_name_equal(&a, &other));
	assert_true(dns_name_in(&a, &below));
	assert_true(dns_name_in(&a, &a));
	assert_false(dns_name_in(&below, &a));
	assert_false(dns_name_in(&other, &below)); /* "wexample.com" */
	below = name_of(".");
	assert_true(dns_name_in(&a, &below));
	dns_name_lower(&a);
	assert_string_equal(text_of(&a), "www.example.com");
}

static void two_names_join_up_to_the_most_bytes(void **state)
{
	struct dns_name a = name_of("www"), b = name_of("example.com"), joined;
	char text[254];

	assert_true(dns_name_join(&a, &b, &joined));
	assert_string_equal(text_of(&joined), "www.example.com");
	memset(text, 'x', sizeof(text));
	text[63] = text[127] = text[191] = '.';
	assert_true(dns_name_parse(slice_of(text, 249), &b));
	assert_true(dns_name_join(&a, &b, &joined));
	assert_int_equal(joined.size, 255);
	assert_true(dns_name_parse(slice_of(text, 250), &b));
	assert_false(dns_name_join(&a, &b, &joined));
}

/* Reads the name that stands at the offset. */
static bool name_at(struct slice message, size_t offset, struct dns_name *name,
                    size_t *end)
{
	struct cursor c = cursor_of(slice_skip(message, offset));
	bool good = dns_name_read(message, &c, name);

	*end = message.len - cursor_left(&c);
	assert_int_equal(good, !c.failed);
	return good;
}

static void compressed_names_are_put_together(void **state)
{
	/* RFC 1035, 4.1.4: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA, the root. */
	struct slice message = SLICE("....\1F\3ISI\4ARPA\0\3FOO\300\4\300\12\0x");
	struct dns_name name;
	size_t end;

	assert_true(name_at(message, 4, &name, &end));
	assert_string_equal(text_of(&name), "F.ISI.ARPA");
	assert_int_equal(end, 16);
	assert_true(name_at(message, 16, &name, &end));
	assert_string_equal(text_of(&name), "FOO.F.ISI.ARPA");
	assert_int_equal(end, 22);
	assert_true(name_at(message, 22, &name, &end));
	assert_string_equal(text_of(&name), "ARPA");
	assert_int_equal(end, 24);
	assert_true(name_at(message, 24, &name, &end));
	assert_string_equal(text_of(&name), ".");
	assert_int_equal(end, 25);
}

static void names_that_loop_or_lie_are_refused(void **state)
{
	static const struct {
		struct slice message;
		size_t at;
	} bad[] = {
	    {SLICE("....\300\4"), 4},           /* itself */
	    {SLICE("....\1a\300\4"), 4},        /* back to its own start */
	    {SLICE("....\300\6\300\4"), 4},     /* forwards */
	    {SLICE("....\300\6\300\4"), 6},     /* two that point at each other */
	    {SLICE("....\1a\300\10\300\4"), 8}, /* the same, with a label */
	    {SLICE("....\300\377"), 4},         /* past the end */
	    {SLICE("....\300"), 4},             /* half a pointer */
	    {SLICE("....\5ab"), 4},             /* past the end */
	    {SLICE("....\1a"), 4},              /* no root */
	    {SLICE("...."), 4},                 /* nothing */
	    {SLICE("....\100a\0"), 4},          /* kinds of label that do not exist */
	    {SLICE("....\201a\0"), 4},
	};
	struct dns_name name;
	size_t end;

	for (size_t i = 0; i < KILN_COUNT_OF(bad); i++)
		assert_false(name_at(bad[i].message, bad[i].at, &name, &end));
}

static void names_longer_than_255_bytes_are_refused(void **state)
{
	uint8_t message[512];
	struct writer w = writer_of(message, sizeof(message));
	struct dns_name name;
	size_t end;

	for (int i = 0; i < 127; i++) /* 254 bytes, and the root's one */
		writer_u16(&w, 1 << 8 | 'a');
	writer_u8(&w, 0);
	writer_u16(&w, 1 << 8 | 'b');
	writer_u16(&w, 0xc000);
	writer_u16(&w, 0xc002);
	assert_true(name_at(writer_done(&w), 0, &name, &end));
	assert_int_equal(name.size, 255);
	assert_false(name_at(writer_done(&w), 255, &name, &end));
	assert_true(name_at(writer_done(&w), 259, &name, &end));
	assert_int_equal(name.size, 253);
}

static void a_chain_of_pointers_has_an_end(void **state)
{
	uint8_t message[4096] = {0};
	struct writer w = writer_of(message, sizeof(message));
	struct dns_name name;
	size_t end;

	writer_u16(&w, 0);
	for (unsigned at = 0; writer_left(&w); at += 2)
		writer_u16(&w, (uint16_t)(0xc000 | at));
	assert_true(name_at(writer_done(&w), 100, &name, &end));
	assert_false(name_at(writer_done(&w), 4094, &name, &end));
}

/* ---- messages ---- */

/* An answer with a chain, as a server sent it: "www.example.com" is "host.example.com". */
static const uint8_t answer[] =
    "\x12\x34\x85\x80\0\1\0\2\0\1\0\2"
    "\3www\7example\3com\0\0\1\0\1"
    "\xc0\x0c\0\5\0\1\0\0\x0e\x10\0\7\4host\xc0\x10"
    "\xc0\x2d\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    "\xc0\x10\0\6\0\1\0\0\1\x2c\0\x20\2ns\xc0\x10\4root\xc0\x10"
    "\0\0\0\7\0\0\x1c\x20\0\0\3\x84\0\x12\x75\0\0\0\0\x78"
    "\4_sip\4_udp\xc0\x10\0\x21\0\1\0\0\0\x3c\0\x0d\0\1\0\2\x13\xc4\4host\xc0\x10"
    "\0\0\x29\x04\xd0\1\0\x80\0\0\6\0\x0a\0\2zz";
static const struct slice answer_message = {answer, sizeof(answer) - 1};

static void an_answer_is_read_whole(void **state)
{
	struct dns_reader r;
	struct dns_question q;
	struct dns_record record;
	struct dns_name name;
	struct ip4_addr address;
	struct dns_soa soa;
	struct dns_srv srv;
	struct dns_opt opt;

	assert_true(dns_read(&r, answer_message));
	assert_int_equal(r.header.id, 0x1234);
	assert_int_equal(r.header.flags, DNS_FLAG_RESPONSE | DNS_FLAG_AUTHORITATIVE |
	                                     DNS_FLAG_RECURSION_DESIRED |
	                                     DNS_FLAG_RECURSION_AVAILABLE);
	assert_int_equal(r.header.counts[DNS_ANSWERS], 2);
	assert_true(dns_read_question(&r, &q));
	assert_string_equal(text_of(&q.name), "www.example.com");
	assert_true(q.type == DNS_A && q.class == DNS_CLASS_IN);
	assert_false(dns_read_question(&r, &q));

	assert_true(dns_read_record(&r, &record));
	assert_int_equal(record.section, DNS_ANSWERS);
	assert_int_equal(record.ttl, 3600);
	assert_string_equal(text_of(&record.name), "www.example.com");
	assert_true(record.type == DNS_CNAME && dns_data_name(&record, &name));
	assert_string_equal(text_of(&name), "host.example.com");

	assert_true(dns_read_record(&r, &record));
	assert_string_equal(text_of(&record.name), "host.example.com");
	assert_true(record.type == DNS_A && dns_data_a(&record, &address));
	assert_int_equal(ip4_value(address), 0xc0000201);

	assert_true(dns_read_record(&r, &record));
	assert_int_equal(record.section, DNS_AUTHORITIES);
	assert_true(record.type == DNS_SOA && dns_data_soa(&record, &soa));
	assert_string_equal(text_of(&soa.mailbox), "root.example.com");
	assert_true(soa.serial == 7 && soa.minimum == 120);

	assert_true(dns_read_record(&r, &record));
	assert_int_equal(record.section, DNS_ADDITIONALS);
	assert_true(record.type == DNS_SRV && dns_data_srv(&record, &srv));
	assert_true(srv.priority == 1 && srv.weight == 2 && srv.port == 5060);
	assert_string_equal(text_of(&srv.target), "host.example.com");

	assert_true(dns_read_record(&r, &record));
	assert_true(record.type == DNS_OPT && dns_data_opt(&record, &opt));
	assert_true(opt.udp_size == 1232 && opt.rcode_high == 1 && opt.version == 0);
	assert_true(opt.dnssec);
	assert_false(dns_read_record(&r, &record));
	assert_false(r.failed);
}

/* Reads all there is, and every record's data by its type. True: nothing was malformed. */
static bool read_all(struct slice message)
{
	struct dns_reader r;
	struct dns_record record;
	bool good = dns_read(&r, message);

	while (good && dns_read_record(&r, &record)) {
		struct dns_name name;
		struct ip4_addr a;
		struct ip_addr aaaa;
		struct dns_soa soa;
		struct dns_srv srv;
		struct dns_opt opt;

		good = record.type == DNS_CNAME  ? dns_data_name(&record, &name)
		       : record.type == DNS_A    ? dns_data_a(&record, &a)
		       : record.type == DNS_AAAA ? dns_data_aaaa(&record, &aaaa)
		       : record.type == DNS_SOA  ? dns_data_soa(&record, &soa)
		       : record.type == DNS_SRV  ? dns_data_srv(&record, &srv)
		       : record.type == DNS_OPT  ? dns_data_opt(&record, &opt)
		                                 : true;
	}
	return good && !r.failed;
}

static void every_truncation_is_noticed(void **state)
{
	assert_true(read_all(answer_message));
	for (size_t len = 0; len < answer_message.len; len++) {
		/* Of its own, for the sanitizer to see the end. */
		uint8_t *copy = malloc(len + !len);
		memcpy(copy, answer, len);
		assert_false(read_all(slice_of(copy, len)));
		free(copy);
	}
}

static void no_flipped_byte_is_read_out_of_bounds(void **state)
{
	unsigned refused = 0;

	for (size_t at = 0; at < answer_message.len; at++) {
		for (unsigned value = 0; value < 256; value++) {
			uint8_t *copy = malloc(answer_message.len);
			memcpy(copy, answer, answer_message.len);
			copy[at] = (uint8_t)value;
			refused += !read_all(slice_of(copy, answer_message.len));
			free(copy);
		}
	}
	assert_true(refused > 1000);
}

static void data_must_be_as_long_as_its_type_says(void **state)
{
	struct dns_record record = {.data = SLICE("\300\0\2\1\0")};
	struct ip4_addr a;
	struct ip_addr aaaa;

	assert_false(dns_data_a(&record, &a));
	record.data.len = 3;
	assert_false(dns_data_a(&record, &a));
	assert_false(dns_data_aaaa(&record, &aaaa));
	record.data = record.message = SLICE("\1a\0x");
	struct dns_name name;
	assert_false(dns_data_name(&record, &name));
}

static void lifetimes_of_more_than_31_bits_are_none(void **state)
{
	uint8_t copy[sizeof(answer)];
	struct dns_reader r;
	struct dns_record record;

	memcpy(copy, answer, sizeof(answer));
	copy[39] = 0x80; /* of the first record */
	assert_true(dns_read(&r, slice_of(copy, answer_message.len)));
	assert_true(dns_read_record(&r, &record));
	assert_int_equal(record.ttl, 0);
}

/* ---- writing ---- */

static void a_query_is_written_as_servers_expect_it(void **state)
{
	struct dns_header h = {.id = 0xabcd, .flags = DNS_FLAG_RECURSION_DESIRED};
	struct dns_question q = {name_of("a.example"), DNS_AAAA, DNS_CLASS_IN};
	struct dns_opt opt = {.udp_size = DNS_EDNS_SIZE};
	struct dns_builder b;
	uint8_t bytes[64];

	dns_build(&b, bytes, sizeof(bytes), &h);
	assert_true(dns_build_question(&b, &q));
	assert_true(dns_build_opt(&b, &opt));
	struct slice message = dns_build_done(&b);
	assert_int_equal(message.len, 38);
	assert_memory_equal(message.data,
	                    "\xab\xcd\1\0\0\1\0\0\0\0\0\1"
	                    "\1a\7example\0\0\x1c\0\1"
	                    "\0\0\x29\4\xd0\0\0\0\0\0\0",
	                    38);
}

static void owners_are_compressed_and_read_back(void **state)
{
	static const char *const owners[] = {
	    "www.example.com", "mail.EXAMPLE.com", "com", "www.example.com", ".",
	    "other.example"};
	struct dns_header h = {.id = 1,
	                       .flags = DNS_FLAG_RESPONSE | DNS_FLAG_AUTHENTIC,
	                       .opcode = DNS_OPCODE_NOTIFY,
	                       .rcode = DNS_RCODE_REFUSED};
	struct dns_builder b;
	struct dns_reader r;
	struct dns_record record;
	uint8_t bytes[256];

	dns_build(&b, bytes, sizeof(bytes), &h);
	for (unsigned i = 0; i < KILN_COUNT_OF(owners); i++) {
		record = (struct dns_record){.section = DNS_ANSWERS,
		                             .name = name_of(owners[i]),
		                             .type = DNS_TXT,
		                             .class = DNS_CLASS_IN,
		                             .ttl = i,
		                             .data = SLICE("\1x")};
		assert_true(dns_build_record(&b, &record));
	}
	struct slice message = dns_build_done(&b);
	/* Whole, then 5 + 2, 2, 2, 1 and whole; 12 for the rest of each. */
	assert_int_equal(message.len, 12 + 17 + 7 + 2 + 2 + 1 + 15 + 6 * 12);
	assert_true(dns_read(&r, message));
	assert_int_equal(r.header.flags, h.flags);
	assert_int_equal(r.header.opcode, h.opcode);
	assert_int_equal(r.header.rcode, h.rcode);
	for (unsigned i = 0; i < KILN_COUNT_OF(owners); i++) {
		struct dns_name expected = name_of(owners[i]);
		assert_true(dns_read_record(&r, &record));
		assert_true(dns_name_equal(&record.name, &expected));
		assert_int_equal(record.ttl, i);
		assert_true(slice_equal(record.data, SLICE("\1x")));
	}
	assert_false(dns_read_record(&r, &record));
	assert_false(r.failed);
}

static void what_does_not_fit_leaves_the_message_as_it_was(void **state)
{
	struct dns_record record = {.section = DNS_ANSWERS,
	                            .name = name_of("a.long.name.example"),
	                            .type = DNS_A,
	                            .class = DNS_CLASS_IN,
	                            .data = SLICE("\300\0\2\1")};
	struct dns_header h = {.id = 1};
	struct dns_builder b;
	uint8_t bytes[DNS_HEADER_SIZE + 40];

	for (size_t size = DNS_HEADER_SIZE; size <= sizeof(bytes); size++) {
		dns_build(&b, bytes, size, &h);
		bool fits = dns_build_record(&b, &record);
		assert_int_equal(fits, size >= DNS_HEADER_SIZE + 35);
		struct slice message = dns_build_done(&b);
		assert_int_equal(message.len, DNS_HEADER_SIZE + (fits ? 35 : 0));
		assert_true(read_all(message));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_name_is_its_labels_behind_their_lengths),
	    cmocka_unit_test(any_byte_has_its_text),
	    cmocka_unit_test(texts_that_are_no_names_are_refused),
	    cmocka_unit_test(names_are_equal_whatever_their_case),
	    cmocka_unit_test(two_names_join_up_to_the_most_bytes),
	    cmocka_unit_test(compressed_names_are_put_together),
	    cmocka_unit_test(names_that_loop_or_lie_are_refused),
	    cmocka_unit_test(names_longer_than_255_bytes_are_refused),
	    cmocka_unit_test(a_chain_of_pointers_has_an_end),
	    cmocka_unit_test(an_answer_is_read_whole),
	    cmocka_unit_test(every_truncation_is_noticed),
	    cmocka_unit_test(no_flipped_byte_is_read_out_of_bounds),
	    cmocka_unit_test(data_must_be_as_long_as_its_type_says),
	    cmocka_unit_test(lifetimes_of_more_than_31_bits_are_none),
	    cmocka_unit_test(a_query_is_written_as_servers_expect_it),
	    cmocka_unit_test(owners_are_compressed_and_read_back),
	    cmocka_unit_test(what_does_not_fit_leaves_the_message_as_it_was),
	};

	return cmocka_run_group_tests_name("dns wire", tests, NULL, NULL);
}
