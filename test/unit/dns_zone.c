/*
 * Zones: what is taken, what is refused and which words say so, the compiled form as it is
 * read again, searched, and put into a table with others.
 */
#include "dns_play.h"
#include "lib/dns/zone_private.h"

/* ---- what is read again ---- */

/* "owner type ttl data-size" of all records, a line each. */
static const char *listing(const struct dns_zone *zone)
{
	static char text[8192];
	static struct dns_zone_iterator it;
	size_t at = 0;

	text[0] = 0;
	for (dns_zone_iterate(&it, zone); dns_zone_next(&it);)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %u %u %zu\n",
		                       text_of(it.owner), it.type, it.ttl, it.data.len);
	return text;
}

static void a_zone_comes_back_in_canonical_order(void **state)
{
	struct play p;

	/* RFC 4034, 6.1: its example, the other way round. */
	play_begin(&p, "Example");
	play_add(&p, "\\200.z.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "*.z.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "\\001.z.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "z.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "zABC.a.EXAMPLE", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "Z.a.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "yljkjljk.a.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "a.example", DNS_A, SLICE("\1\2\3\4"));
	play_apex(&p, "example");
	play_open(&p);
	assert_string_equal(listing(&p.zone), "example 2 3600 8\n"
	                                      "example 6 3600 38\n"
	                                      "a.example 1 3600 4\n"
	                                      "yljkjljk.a.example 1 3600 4\n"
	                                      "z.a.example 1 3600 4\n"
	                                      "zabc.a.example 1 3600 4\n"
	                                      "z.example 1 3600 4\n"
	                                      "\\001.z.example 1 3600 4\n"
	                                      "*.z.example 1 3600 4\n"
	                                      "\\200.z.example 1 3600 4\n");
	assert_int_equal(dns_zone_records(&p.zone), 10);
	assert_int_equal(dns_zone_names(&p.zone), 9);
	assert_int_equal(p.zone.serial, 7);
	assert_string_equal(text_of(p.zone.apex), "example");
	play_end(&p);
}

static void the_order_of_records_makes_no_difference(void **state)
{
	struct play a, b;

	play_begin(&a, "example");
	play_apex(&a, "example");
	play_add(&a, "x.y.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&a, "x.y.example", DNS_A, SLICE("\1\2\3\5"));
	play_open(&a);
	play_begin(&b, "example");
	play_add(&b, "X.y.example", DNS_A, SLICE("\1\2\3\5"));
	play_add(&b, "x.Y.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&b, "x.y.EXAMPLE", DNS_A, SLICE("\1\2\3\5"));
	play_apex(&b, "example");
	play_open(&b);
	assert_int_equal(a.compiled.len, b.compiled.len);
	assert_memory_equal(a.compiled.data, b.compiled.data, a.compiled.len);
	play_end(&a);
	play_end(&b);
}

/* Compressed or not within, data comes out as it went in. */
static void names_in_data_come_back_whole(void **state)
{
	static const struct {
		uint16_t type;
		struct slice data;
	} cases[] = {
	    {DNS_NS, {(const uint8_t *)"\1N\7example\3com", 15}},
	    {DNS_CNAME, {(const uint8_t *)"\7example\3com", 13}},
	    {DNS_PTR, {(const uint8_t *)"\3com", 5}},
	    {DNS_MX, {(const uint8_t *)"\0\12\1m\7example\3com", 17}},
	    {14, {(const uint8_t *)"\1a\7example\3com\0\1b\1c\7example\3com", 32}},
	    {DNS_SRV, {(const uint8_t *)"\0\1\0\2\0\3\1s\7example\3com", 21}},
	    {DNS_DNAME, {(const uint8_t *)"\1d\7example\3com", 15}},
	    {65280, {(const uint8_t *)"\0\300\14any", 6}},
	    {DNS_TXT, {NULL, 0}},
	};

	for (size_t i = 0; i < KILN_COUNT_OF(cases); i++) {
		struct dns_name owner = name_of("x.example.com");
		static struct dns_zone_iterator it;
		struct play p;

		play_begin(&p, "example.com");
		play_apex(&p, "example.com");
		play_add(&p, "x.example.com", cases[i].type, cases[i].data);
		play_open(&p);
		assert_true(dns_zone_find(&it, &p.zone, &owner, cases[i].type));
		assert_true(dns_zone_next(&it));
		assert_int_equal(it.type, cases[i].type);
		assert_int_equal(it.data.len, cases[i].data.len);
		if (it.data.len)
			assert_memory_equal(it.data.data, cases[i].data.data,
			                    it.data.len);
		assert_false(dns_zone_next(&it));
		assert_false(dns_zone_find(&it, &p.zone, &owner, 99));
		play_end(&p);
	}
}

static void the_root_is_a_zone(void **state)
{
	static struct dns_zone_iterator it;
	struct dns_name com = name_of("com");
	struct play p;

	play_begin(&p, ".");
	play_soa(&p, ".");
	play_name(&p, ".", DNS_NS, SLICE(""), "a.root");
	play_add(&p, "a.root", DNS_A, SLICE("\1\2\3\4"));
	play_name(&p, "com", DNS_NS, SLICE(""), "ns.com");
	play_add(&p, "ns.com", DNS_A, SLICE("\1\2\3\4"));
	play_open(&p);
	assert_true(dns_zone_find(&it, &p.zone, &com, DNS_NS));
	assert_true(dns_zone_next(&it));
	assert_string_equal(text_of(it.data), "ns.com");
	assert_string_equal(p.warnings, "");
	play_end(&p);
}

static void a_set_has_one_ttl(void **state)
{
	struct dns_name owner = name_of("x.example");
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	assert_int_equal(
	    dns_zone_add(&p.b, &owner, DNS_A, 60, SLICE("\1\1\1\1"), ++p.line),
	    DNS_ZONE_OK);
	assert_int_equal(
	    dns_zone_add(&p.b, &owner, DNS_A, 30, SLICE("\1\1\1\2"), ++p.line),
	    DNS_ZONE_OK);
	assert_int_equal(
	    dns_zone_add(&p.b, &owner, DNS_TXT, 0x80000000u, SLICE("\1x"), 9),
	    DNS_ZONE_OK);
	play_open(&p);
	assert_string_equal(listing(&p.zone), "example 2 3600 8\nexample 6 3600 38\n"
	                                      "x.example 1 60 4\nx.example 1 60 4\n"
	                                      "x.example 16 0 2\n");
	assert_string_equal(p.warnings,
	                    "TTLs differ, the first one is taken: x.example 1 3\n");
	assert_int_equal(p.b.warnings, 1);
	play_end(&p);
}

/* ---- what is refused ---- */

static void records_by_themselves_may_be_wrong(void **state)
{
	static const struct {
		const char *owner;
		uint16_t type;
		enum dns_zone_fault fault;
		struct slice data;
	} cases[] = {
	    {"com", DNS_A, DNS_ZONE_OUTSIDE, {(const uint8_t *)"\1\2\3\4", 4}},
	    {"xexample", DNS_A, DNS_ZONE_OUTSIDE, {(const uint8_t *)"\1\2\3\4", 4}},
	    {"example", DNS_ANY, DNS_ZONE_NOT_DATA, {(const uint8_t *)"", 0}},
	    {"example", DNS_OPT, DNS_ZONE_NOT_DATA, {(const uint8_t *)"", 0}},
	    {"example", DNS_TSIG, DNS_ZONE_NOT_DATA, {(const uint8_t *)"", 0}},
	    {"example", DNS_A, DNS_ZONE_MALFORMED, {(const uint8_t *)"\1\2\3", 3}},
	    {"example", DNS_AAAA, DNS_ZONE_MALFORMED, {(const uint8_t *)"\1\2\3\4", 4}},
	    {"example", DNS_NS, DNS_ZONE_MALFORMED, {(const uint8_t *)"\1x", 2}},
	    {"example", DNS_NS, DNS_ZONE_MALFORMED, {(const uint8_t *)"\300\0\0", 3}},
	    {"example", DNS_CNAME, DNS_ZONE_MALFORMED, {(const uint8_t *)"\0\0", 2}},
	    {"example", DNS_MX, DNS_ZONE_MALFORMED, {(const uint8_t *)"\0", 1}},
	    {"example", DNS_SOA, DNS_ZONE_MALFORMED, {(const uint8_t *)"\0\0\1", 3}},
	    {"example", DNS_RRSIG, DNS_ZONE_MALFORMED, {(const uint8_t *)"\0\1", 2}},
	    {"example",
	     DNS_NSEC3,
	     DNS_ZONE_MALFORMED,
	     {(const uint8_t *)"\1\0\0\0\0\0", 6}},
	    {"example",
	     DNS_NSEC3PARAM,
	     DNS_ZONE_MALFORMED,
	     {(const uint8_t *)"\1\0\0\0\1", 5}},
	};
	struct play p;

	play_begin(&p, "example");
	for (size_t i = 0; i < KILN_COUNT_OF(cases); i++)
		assert_int_equal(
		    play_try(&p, cases[i].owner, cases[i].type, cases[i].data),
		    cases[i].fault);
	play_apex(&p, "example");
	play_open(&p);
	assert_int_equal(dns_zone_records(&p.zone), 2);
	play_end(&p);
}

/* Whether the zone has this error, at the record of this number. */
static void expect(struct play *p, enum dns_zone_fault fault, const char *owner,
                   uint16_t type, uint32_t where)
{
	uint8_t *begin = p->b.base;

	assert_false(play_compile(p));
	assert_int_equal(p->error.fault, fault);
	assert_string_equal(text_of(slice_of(p->error.owner.bytes, p->error.owner.size)),
	                    owner);
	assert_int_equal(p->error.type, type);
	assert_int_equal(p->error.where, where);
	assert_true(p->arena.at == begin);
	for (uint8_t *at = begin; at < p->arena.end; at++)
		assert_int_equal(*at, 0);
	play_end(p);
}

static void a_zone_needs_an_soa_and_servers(void **state)
{
	struct play p;

	play_begin(&p, "example");
	play_name(&p, "example", DNS_NS, SLICE(""), "ns.net");
	expect(&p, DNS_ZONE_NO_SOA, "example", 0, 0);
	play_begin(&p, "example");
	expect(&p, DNS_ZONE_NO_SOA, "example", 0, 0);
	play_begin(&p, "example");
	play_soa(&p, "example");
	expect(&p, DNS_ZONE_NO_NS, "example", 0, 0);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_soa(&p, "x.example");
	expect(&p, DNS_ZONE_SOA_INSIDE, "x.example", DNS_SOA, 3);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_add(&p, "example", DNS_SOA,
	         SLICE("\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	expect(&p, DNS_ZONE_SOA_TWICE, "example", DNS_SOA, 3);
}

static void an_alias_stands_alone(void **state)
{
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_CNAME, SLICE(""), "a.net");
	play_add(&p, "x.example", DNS_A, SLICE("\1\2\3\4"));
	expect(&p, DNS_ZONE_CNAME_OTHER, "x.example", DNS_CNAME, 3);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_CNAME, SLICE(""), "a.net");
	play_name(&p, "x.example", DNS_CNAME, SLICE(""), "b.net");
	expect(&p, DNS_ZONE_CNAME_TWICE, "x.example", DNS_CNAME, 3);
	/* The same twice is one; RFC 4034 puts an NSEC beside it. */
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_CNAME, SLICE(""), "a.net");
	play_name(&p, "x.example", DNS_CNAME, SLICE(""), "a.net");
	play_add(&p, "x.example", DNS_NSEC, SLICE("\0\0\1\4"));
	play_open(&p);
	play_end(&p);
}

static void nothing_stands_below_a_dname(void **state)
{
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_DNAME, SLICE(""), "a.net");
	play_add(&p, "y.x.example", DNS_A, SLICE("\1\2\3\4"));
	expect(&p, DNS_ZONE_DNAME_BELOW, "y.x.example", 0, 4);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_DNAME, SLICE(""), "a.net");
	play_name(&p, "x.example", DNS_DNAME, SLICE(""), "b.net");
	expect(&p, DNS_ZONE_DNAME_TWICE, "x.example", DNS_DNAME, 3);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_DNAME, SLICE(""), "a.net");
	play_name(&p, "x.example", DNS_NS, SLICE(""), "b.net");
	expect(&p, DNS_ZONE_DNAME_NS, "x.example", DNS_DNAME, 3);
	/* At the apex it may stand beside NS. */
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "example", DNS_DNAME, SLICE(""), "a.net");
	play_open(&p);
	play_end(&p);
}

static void servers_of_the_zone_have_addresses(void **state)
{
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "example", DNS_NS, SLICE(""), "ns.example");
	expect(&p, DNS_ZONE_NS_NO_ADDRESS, "example", DNS_NS, 3);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "example", DNS_NS, SLICE(""), "ns.example");
	play_name(&p, "ns.example", DNS_CNAME, SLICE(""), "ns.net");
	expect(&p, DNS_ZONE_NS_IS_CNAME, "example", DNS_NS, 3);
	/* Of others it is said. */
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_name(&p, "x.example", DNS_NS, SLICE(""), "ns.x.example");
	play_name(&p, "x.example", DNS_NS, SLICE(""), "ns.y.example");
	play_name(&p, "y.example", DNS_NS, SLICE(""), "ns.net");
	play_name(&p, "example", DNS_MX, SLICE("\0\1"), "mail.example");
	play_open(&p);
	assert_string_equal(
	    p.warnings,
	    "the target has no address (A or AAAA) in the zone: example 15 6\n"
	    "a name server of the delegation has no address (A or AAAA) in the zone: "
	    "x.example 2 3\n");
	play_end(&p);
}

static void what_fits_no_message_is_refused(void **state)
{
	struct play p;
	uint8_t data[20000] = {0};

	play_begin(&p, "example");
	play_apex(&p, "example");
	for (unsigned i = 0; i < 4; i++) {
		data[0] = (uint8_t)i;
		play_add(&p, "x.example", 65280, slice_of(data, sizeof(data)));
	}
	expect(&p, DNS_ZONE_SET_TOO_LARGE, "x.example", 65280, 6);
}

static void memory_may_run_out_anywhere(void **state)
{
	bool whole = false;

	for (size_t size = 0; !whole; size += 4) {
		struct dns_name origin = name_of("example"),
		                owner = name_of("a.b.example");
		struct dns_zone_builder b;
		struct dns_zone_error error;
		struct slice compiled;
		struct arena arena;
		uint64_t *memory = calloc(1, size + 8);
		struct play p = {0};

		arena_init(&arena, memory, size);
		assert_true(dns_zone_begin(&b, &arena, &origin));
		p.b = b;
		if (play_try(&p, "example", DNS_NS, SLICE("\1x\0")) == DNS_ZONE_OK &&
		    play_try(&p, "example", DNS_SOA,
		             SLICE("\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")) ==
		        DNS_ZONE_OK &&
		    dns_zone_add(&p.b, &owner, DNS_A, 1, SLICE("\1\2\3\4"), 0) ==
		        DNS_ZONE_OK) {
			whole = dns_zone_end(&p.b, &compiled, &error);
			assert_int_equal(error.fault,
			                 whole ? DNS_ZONE_OK : DNS_ZONE_MEMORY);
		}
		free(memory);
		assert_true(size < 4096);
	}
}

/* ---- DNSSEC ---- */

static struct slice signature_of(uint16_t type)
{
	static uint8_t data[21];

	memset(data, 0, sizeof(data));
	data[1] = (uint8_t)type;
	return slice_of(data, 20);
}

static void signatures_go_with_what_they_sign(void **state)
{
	struct dns_name owner = name_of("x.example");
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_add(&p, "x.example", DNS_TXT, SLICE("\1x"));
	play_add(&p, "x.example", DNS_A, SLICE("\1\2\3\4"));
	assert_int_equal(
	    dns_zone_add(&p.b, &owner, DNS_RRSIG, 99, signature_of(DNS_TXT), 5),
	    DNS_ZONE_OK);
	assert_int_equal(
	    dns_zone_add(&p.b, &owner, DNS_RRSIG, 99, signature_of(DNS_A), 6),
	    DNS_ZONE_OK);
	assert_int_equal(
	    dns_zone_add(&p.b, &owner, DNS_RRSIG, 99, signature_of(DNS_MX), 7),
	    DNS_ZONE_OK);
	play_add(&p, "y.example", DNS_RRSIG, signature_of(DNS_A));
	play_open(&p);
	assert_string_equal(listing(&p.zone),
	                    "example 2 3600 8\nexample 6 3600 38\n"
	                    "x.example 1 3600 4\nx.example 46 3600 20\n"
	                    "x.example 16 3600 2\nx.example 46 3600 20\n");
	assert_string_equal(
	    p.warnings,
	    "an RRSIG of records that are not there is left out: x.example 46 7\n"
	    "an RRSIG of records that are not there is left out: y.example 46 5\n");
	assert_int_equal(dns_zone_names(&p.zone), 2);
	play_end(&p);
}

static void nsec3_hashes_as_rfc_5155_does(void **state)
{
	/* Appendix A: H(example), salt aabbccdd, 12 iterations. */
	static struct zone_header zone = {
	    .iterations = 12, .salt_size = 4, .salt = {0xaa, 0xbb, 0xcc, 0xdd}};
	/* 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom */
	static const uint8_t expected[20] = {0x06, 0x53, 0x68, 0xab, 0xee, 0xd7, 0xec,
	                                     0x6e, 0x9f, 0xeb, 0xa9, 0x6b, 0x8c, 0x8b,
	                                     0xc3, 0xe8, 0xb7, 0x91, 0xf7, 0x16};
	uint8_t hash[20];

	zone_nsec3_hash(&zone, SLICE("\7example\0"), hash);
	assert_memory_equal(hash, expected, 20);
}

static void nsec3_owners_are_hashes(void **state)
{
	static const uint8_t data[] = "\1\0\0\0\0\24abcdefghijabcdefghij";
	struct slice nsec3 = slice_of(data, 26);
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_add(&p, "example", DNS_NSEC3PARAM, SLICE("\1\0\0\0\0"));
	play_add(&p, "0p9mhaveqvm6t7vbl5lop2u3t2rp3tow.example", DNS_NSEC3, nsec3);
	expect(&p, DNS_ZONE_NSEC3_OWNER, "0p9mhaveqvm6t7vbl5lop2u3t2rp3tow.example",
	       DNS_NSEC3, 4);
	play_begin(&p, "example");
	play_apex(&p, "example");
	play_add(&p, "example", DNS_NSEC3PARAM, SLICE("\1\0\0\227\0"));
	expect(&p, DNS_ZONE_NSEC3_HASH, "example", DNS_NSEC3PARAM, 3);
}

/* ---- searching ---- */

static void search(const struct play *p, const char *text, struct zone_found *found)
{
	struct dns_name name = name_of(text);
	struct zone_key key;

	assert_true(zone_key_read(&key, slice_of(name.bytes, name.size)));
	zone_search(p->zone.header, &key, found);
	assert_string_equal(text_of(zone_node_name(found->encloser)),
	                    text_of(zone_key_from(&key, found->label)));
}

static void the_closest_encloser_is_found(void **state)
{
	struct zone_found found;
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_add(&p, "a.b.c.d.e.example", DNS_A, SLICE("\1\2\3\4"));
	play_add(&p, "*.d.e.example", DNS_A, SLICE("\1\2\3\4"));
	play_open(&p);
	search(&p, "a.B.c.d.e.EXAMPLE", &found);
	assert_non_null(found.node);
	search(&p, "c.d.e.example", &found);
	assert_non_null(found.node); /* with nothing but names below: RFC 4592, 2.2.2 */
	assert_int_equal(found.node->set_count, 0);
	search(&p, "x.y.z.d.e.example", &found);
	assert_null(found.node);
	assert_string_equal(text_of(zone_node_name(found.encloser)), "d.e.example");
	assert_int_not_equal(found.encloser->wildcard, 0);
	search(&p, "1.2.3.4.5.6.7.8.9.a.b.c.d.e.example", &found);
	assert_string_equal(text_of(zone_node_name(found.encloser)), "a.b.c.d.e.example");
	search(&p, "x.example", &found);
	assert_string_equal(text_of(zone_node_name(found.encloser)), "example");
	play_end(&p);
}

static void every_name_of_many_is_found(void **state)
{
	struct zone_found found;
	struct play p;
	char text[64];

	play_begin(&p, "example");
	play_apex(&p, "example");
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "n%u.%u.example", i, i % 7);
		play_add(&p, text, DNS_A, SLICE("\1\2\3\4"));
	}
	play_open(&p);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "N%u.%u.example", i, i % 7);
		search(&p, text, &found);
		assert_non_null(found.node);
		snprintf(text, sizeof(text), "x%u.%u.example", i, i % 7);
		search(&p, text, &found);
		assert_null(found.node);
	}
	play_end(&p);
}

/* ---- several ---- */

static void what_is_no_zone_is_not_opened(void **state)
{
	struct dns_zone zone;
	struct play p;

	play_begin(&p, "example");
	play_apex(&p, "example");
	play_open(&p);
	assert_false(dns_zone_open(&zone, slice_take(p.compiled, p.compiled.len - 1)));
	assert_false(dns_zone_open(&zone, slice_take(p.compiled, 8)));
	assert_false(dns_zone_open(&zone, slice_skip(p.compiled, 8)));
	((uint8_t *)p.memory)[8]++; /* the version */
	assert_false(dns_zone_open(&zone, p.compiled));
	play_end(&p);
}

static void zones_are_found_by_their_names(void **state)
{
	static const char *const apexes[] = {"example", "a.example", "b.a.example",
	                                     "com"};
	struct play plays[4], again;
	struct dns_zones zones;
	struct dns_zone *before;
	struct dns_name name;
	uint64_t memory[32] = {0};
	struct arena arena;

	arena_init(&arena, memory, sizeof(memory));
	assert_true(dns_zones_init(&zones, &arena, 4));
	for (unsigned i = 0; i < 4; i++) {
		play_begin(&plays[i], apexes[i]);
		play_apex(&plays[i], apexes[i]);
		play_open(&plays[i]);
		assert_true(dns_zones_put(&zones, &plays[i].zone, &before));
		assert_null(before);
	}
	for (unsigned i = 0; i < 4; i++) {
		name = name_of(apexes[i]);
		assert_ptr_equal(dns_zones_find(&zones, &name), &plays[i].zone);
	}
	play_begin(&again, "x.example");
	play_apex(&again, "x.example");
	play_open(&again);
	assert_false(dns_zones_put(&zones, &again.zone, &before));
	dns_zones_remove(&zones, &plays[0].zone);
	name = name_of("example");
	assert_null(dns_zones_find(&zones, &name));
	for (unsigned i = 1; i < 4; i++) {
		name = name_of(apexes[i]);
		assert_ptr_equal(dns_zones_find(&zones, &name), &plays[i].zone);
	}
	assert_true(dns_zones_put(&zones, &again.zone, &before));
	play_end(&again);
	play_begin(&again, "a.example");
	play_apex(&again, "a.example");
	play_open(&again);
	assert_true(dns_zones_put(&zones, &again.zone, &before));
	assert_ptr_equal(before, &plays[1].zone);
	unsigned at = 0, count = 0;
	while (dns_zones_next(&zones, &at))
		count++;
	assert_int_equal(count, 4);
	play_end(&again);
	for (unsigned i = 0; i < 4; i++)
		play_end(&plays[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_zone_comes_back_in_canonical_order),
	    cmocka_unit_test(the_order_of_records_makes_no_difference),
	    cmocka_unit_test(names_in_data_come_back_whole),
	    cmocka_unit_test(the_root_is_a_zone),
	    cmocka_unit_test(a_set_has_one_ttl),
	    cmocka_unit_test(records_by_themselves_may_be_wrong),
	    cmocka_unit_test(a_zone_needs_an_soa_and_servers),
	    cmocka_unit_test(an_alias_stands_alone),
	    cmocka_unit_test(nothing_stands_below_a_dname),
	    cmocka_unit_test(servers_of_the_zone_have_addresses),
	    cmocka_unit_test(what_fits_no_message_is_refused),
	    cmocka_unit_test(memory_may_run_out_anywhere),
	    cmocka_unit_test(signatures_go_with_what_they_sign),
	    cmocka_unit_test(nsec3_hashes_as_rfc_5155_does),
	    cmocka_unit_test(nsec3_owners_are_hashes),
	    cmocka_unit_test(the_closest_encloser_is_found),
	    cmocka_unit_test(every_name_of_many_is_found),
	    cmocka_unit_test(what_is_no_zone_is_not_opened),
	    cmocka_unit_test(zones_are_found_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
