/*
 * Tests of the name server: kiln test appliance/dns
 */
#include <kiln/dns.h>
#include <kiln/test.h>

static struct slice question(const char *name, uint16_t type, uint8_t *buffer,
                             size_t size)
{
	struct dns_header header = {.id = 1};
	struct dns_question q = {.type = type, .class = DNS_CLASS_IN};
	struct dns_builder b;

	kiln_assert(dns_name_parse(slice_text(name), &q.name));
	dns_build(&b, buffer, size, &header);
	kiln_assert(dns_build_question(&b, &q));
	return dns_build_done(&b);
}

/* Asks by UDP, and reads the header of the answer. */
static struct dns_reader ask(struct test *t, const char *name, uint16_t type)
{
	uint8_t buffer[512];
	struct slice query = question(name, type, buffer, sizeof(buffer));
	struct dns_reader r;

	test_check(t, dns_read(&r, test_datagram(t, 53, query, KILN_SECONDS(1))));
	return r;
}

KILN_TEST(address, "a name's address is known")
{
	struct dns_reader r = ask(t, "ns1.example.com", DNS_A);
	struct dns_record record;
	struct ip4_addr address;

	test_equal(t, r.header.rcode, DNS_RCODE_OK);
	test_check(t, r.header.flags & DNS_FLAG_AUTHORITATIVE);
	test_check(t, dns_read_record(&r, &record) && dns_data_a(&record, &address));
	test_equal(t, ip4_value(address), 0xc0000235);
}

KILN_TEST(wildcard, "any name below *.apps has an address, a name elsewhere has none")
{
	test_equal(t, ask(t, "any.apps.example.com", DNS_A).header.counts[DNS_ANSWERS],
	           1);
	test_equal(t, ask(t, "any.example.com", DNS_A).header.rcode, DNS_RCODE_NAME);
}

KILN_TEST(elsewhere, "names of other zones are refused, and zones are given to nobody")
{
	test_equal(t, ask(t, "example.org", DNS_A).header.rcode, DNS_RCODE_REFUSED);
	test_equal(t, ask(t, "example.com", DNS_IXFR).header.rcode, DNS_RCODE_REFUSED);
}

KILN_TEST(stream, "by TCP it answers as by UDP, over a link that loses frames",
          .link = {.loss = 0.05, .delay = KILN_MS(20)})
{
	uint8_t buffer[514], answer[512];
	struct slice query = question("www.example.com", DNS_AAAA, buffer + 2, 512);
	struct stream s;
	size_t got, at = 0;

	buffer[0] = 0;
	buffer[1] = (uint8_t)query.len;
	test_connect(t, &s, 53);
	test_check(t, stream_write(&s, slice_of(buffer, 2 + query.len)) == KILN_OK);
	do {
		test_check(t, stream_read(&s, answer + at, sizeof(answer) - at, &got) ==
		                  KILN_OK);
		at += got;
	} while (got && (at < 2 || at < 2u + answer[1]));
	struct dns_reader r;
	test_check(t, dns_read(&r, slice_of(answer + 2, at - 2)));
	test_equal(t, r.header.counts[DNS_ANSWERS], 2);
	stream_close(&s);
}

KILN_TEST(rate, "answers that are alike are limited", .options = {"rate=10"})
{
	unsigned truncated = 0;

	for (unsigned i = 0; i < 30; i++) {
		uint8_t buffer[512];
		struct slice query =
		    question("example.com", DNS_A, buffer, sizeof(buffer));
		struct slice answer = test_datagram(t, 53, query, KILN_MS(1));
		struct dns_reader r;
		if (answer.len && dns_read(&r, answer))
			truncated += (r.header.flags & DNS_FLAG_TRUNCATED) != 0;
	}
	test_equal(t, truncated, 10);
}

KILN_TEST(metrics, "what it does is shown to Prometheus", .options = {"metrics=9153"})
{
	(void)ask(t, "example.com", DNS_MX);
	test_contains(t, test_get(t, 9153, "/metrics").body,
	              "kiln_dns_queries_by_type_total{type=\"MX\"} 1");
}

#define ZONE(n)  "zone-" n ".example.net=10.0.0.1/fleet.example,"
#define FIVE(n)  ZONE(n "0") ZONE(n "1") ZONE(n "2") ZONE(n "3") ZONE(n "4")
#define TEN(n)   FIVE(n) ZONE(n "5") ZONE(n "6") ZONE(n "7") ZONE(n "8") ZONE(n "9")
#define FIFTY(n) TEN(n "0") TEN(n "1") TEN(n "2") TEN(n "3") TEN(n "4")

KILN_TEST(fleet, "it takes a hundred zones of another primary, and knows each",
          .options = {"secondary=" FIFTY("0") FIFTY("1"),
                      "keys=hmac-sha256:fleet.example:AAECAwQFBgcICQoLDA0ODw=="},
          .memory = 96 << 20)
{
	/* Nobody is at the primary's address. */
	test_equal(t, ask(t, "zone-000.example.net", DNS_A).header.rcode,
	           DNS_RCODE_SERVER);
	test_equal(t, ask(t, "zone-149.example.net", DNS_A).header.rcode,
	           DNS_RCODE_SERVER);
	test_equal(t, ask(t, "zone-150.example.net", DNS_A).header.rcode,
	           DNS_RCODE_REFUSED);
}

KILN_TEST(secondary,
          "with 8 MiB, zones of a primary who is not there fail, or are the image's",
          .memory = 8 << 20,
          .options = {"secondary=example.net=10.0.0.1/k.example,example.com=10.0.0.1",
                      "transfer=key:k.example", "metrics=9153",
                      "keys=k.example:AAECAwQFBgcICQoLDA0ODw=="})
{
	test_equal(t, ask(t, "www.example.net", DNS_A).header.rcode, DNS_RCODE_SERVER);
	test_equal(t, ask(t, "www.example.com", DNS_A).header.rcode, DNS_RCODE_OK);
}
