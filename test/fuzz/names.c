/*
 * What reads the messages of name servers and of time servers: the first byte of the input
 * says which. A record that is read is written again and read again; an answer is read as
 * the resolver does, to the question that it repeats.
 */
#include "fuzz.h"
#include <kiln/dns.h>
#include <lib/ntp/ntp_wire.h>
#include <lib/resolver/resolver_private.h>

static void check_name(const struct dns_name *name)
{
	struct dns_name again;
	uint8_t text[4 * DNS_NAME_SIZE];
	struct writer w = writer_of(text, sizeof(text));

	FUZZ_CHECK(name->size >= 1 && name->bytes[name->size - 1] == 0);
	dns_name_format(&w, name);
	FUZZ_CHECK(!w.failed);
	FUZZ_CHECK(dns_name_parse(writer_done(&w), &again));
	FUZZ_CHECK(again.size == name->size &&
	           memcmp(again.bytes, name->bytes, name->size) == 0);
	FUZZ_CHECK(dns_name_in(name, &again) && dns_name_labels(name) < 128);
}

static void check_data(const struct dns_record *record)
{
	struct dns_name name;
	struct ip4_addr a;
	struct ip_addr aaaa;
	struct dns_soa soa;
	struct dns_srv srv;
	struct dns_opt opt;

	FUZZ_REACH(dns_data_a(record, &a), "an IPv4 address");
	FUZZ_REACH(dns_data_aaaa(record, &aaaa), "an IPv6 address");
	if (dns_data_name(record, &name))
		check_name(&name);
	if (dns_data_soa(record, &soa)) {
		FUZZ_REACH(true, "an SOA record");
		check_name(&soa.server);
		check_name(&soa.mailbox);
	}
	if (dns_data_srv(record, &srv))
		check_name(&srv.target);
	FUZZ_REACH(record->type == DNS_OPT && dns_data_opt(record, &opt),
	           "an OPT record");
}

static void try_message(struct slice bytes)
{
	uint8_t room[4096];
	struct dns_reader r, second;
	struct dns_record record, read;
	struct dns_builder b;

	if (!dns_read(&r, bytes))
		return;
	dns_build(&b, room, sizeof(room), &r.header);
	while (dns_read_record(&r, &record)) {
		check_name(&record.name);
		check_data(&record);
		struct dns_builder alone = b;
		if (!dns_build_record(&alone, &record))
			continue;
		FUZZ_REACH(true, "a record");
		FUZZ_CHECK(dns_read(&second, dns_build_done(&alone)));
		FUZZ_CHECK(dns_read_record(&second, &read));
		FUZZ_CHECK(dns_name_equal(&read.name, &record.name) &&
		           read.type == record.type && read.class == record.class &&
		           read.ttl == record.ttl && slice_equal(read.data, record.data));
	}
}

/* The question is what the message repeats: what is sought lies behind it. */
static void try_answer(struct slice bytes)
{
	struct sent sent = {.edns = true};
	struct answer answer = {.ttl = UINT32_MAX};
	struct dns_question q;
	struct dns_name target;
	struct dns_reader r;

	if (dns_read(&r, bytes) && dns_read_question(&r, &q))
		sent = (struct sent){r.header.id, q.type, true, q.name};
	enum verdict verdict = answer_read(bytes, &sent, false, &answer, &target);
	FUZZ_REACH(verdict == VERDICT_STREAM, "a truncated answer");
	FUZZ_REACH(verdict == VERDICT_PLAIN, "a server without EDNS");
	FUZZ_REACH(verdict == VERDICT_FAILED, "a server that cannot tell");
	FUZZ_REACH(verdict == VERDICT_CHAIN, "an alias alone");
	if (verdict != VERDICT_ANSWERED)
		return;
	FUZZ_REACH(answer.count == 0, "no such name");
	FUZZ_REACH(answer.count > 0, "addresses");
	FUZZ_CHECK(answer.count <= RESOLVER_ADDRESSES);
	FUZZ_CHECK(answer.error == (answer.count ? KILN_OK : KILN_ERR_NOT_FOUND));
	FUZZ_CHECK(answer.ttl <= 24 * 3600);
}

static void try_text(struct slice text)
{
	struct dns_name name;

	if (dns_name_parse(text, &name)) {
		FUZZ_REACH(true, "a name as text");
		check_name(&name);
	}
}

static void try_time(struct slice bytes)
{
	struct ntp_packet packet;
	uint8_t again[NTP_SIZE];
	struct writer w = writer_of(again, sizeof(again));

	if (!ntp_wire_parse(bytes, &packet))
		return;
	FUZZ_REACH(true, "a packet of NTP's");
	ntp_wire_emit(&w, &packet);
	FUZZ_CHECK(slice_equal(writer_done(&w), slice_take(bytes, NTP_SIZE)));
	kiln_time wall = ntp_wire_wall(packet.transmitted);
	if (wall)
		FUZZ_CHECK(ntp_wire_wall(ntp_wire_timestamp(wall)) == wall);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {try_message, try_answer, try_text,
	                                                try_time};
	struct slice bytes = slice_skip(slice_of(data, size), 1);

	if (size) {
		uint8_t *copy = fuzz_copy(bytes);
		parsers[data[0] % KILN_COUNT_OF(parsers)](slice_of(copy, bytes.len));
		free(copy);
	}
	return 0;
}
