/*
 * What answers queries, from a zone that has every way of names, one signed with NSEC and one
 * with NSEC3. The first byte of the input says how it is asked; the rest is the query, or, for
 * half of the inputs, what a well-formed one is made of: a byte a label, out of those that the
 * zones have.
 *
 * Every answer is read again: it fits, repeats the query's id and question, holds no record
 * twice, and has as much in it as one that has all the room there is, or says TC.
 */
#include "fuzz.h"
#include "test/unit/dns_signed.h"

static const char *const shape_lines[] = {
    "shape SOA",
    "shape NS ns.shape",
    "ns.shape A 1",
    "ns.shape AAAA 1",
    "www.shape A 1",
    "www.shape MX ns.shape",
    "a.b.ent.shape TXT \1x",
    "alias.shape CNAME www.shape",
    "self.shape CNAME self.shape",
    "lost.shape CNAME x.none.shape",
    "into.shape CNAME x.sub.shape",
    "*.w.shape A 6",
    "*.turn.shape CNAME x.dname.shape",
    "sub.shape NS ns.sub.shape",
    "sub.shape NS ns.shape",
    "ns.sub.shape A 7",
    "dname.shape DNAME w.shape",
    "round.shape DNAME x.round.shape",
    "long.shape DNAME "
    "a2345678901234567890123456789012345678901234567890123456789.b2345678901"
    "234567890123456789012345678901234567890123456789.long.shape",
};

static const char *const labels[] = {
    "shape", "example", "www", "ns",   "a", "b",    "ent",  "alias",  "self",  "lost",
    "into",  "*",       "w",   "turn", "x", "sub",  "ns1",  "dname",  "round", "long",
    "y",     "xx",      "ai",  "c",    "z", "none", "bind", "version"};
static const uint16_t types[] = {
    DNS_A,     DNS_NS,  DNS_CNAME, DNS_SOA,   DNS_MX,   DNS_TXT, DNS_DNAME, DNS_DS,
    DNS_RRSIG, DNS_ANY, DNS_NSEC,  DNS_NSEC3, DNS_AXFR, DNS_PTR, 65280,     DNS_AAAA};

static struct play plays[3];
static struct ask a;

__attribute__((constructor)) static void make_zones(void)
{
	ask_begin(&a);
	play_begin(&plays[0], "shape");
	play_lines(&plays[0], shape_lines, KILN_COUNT_OF(shape_lines));
	ask_serve(&a, &plays[0]);
	play_nsec(&plays[1]);
	play_nsec3(&plays[2]);
}

/* Either of the signed zones, which have the same name. */
static void serve(bool nsec3)
{
	struct play *p = &plays[1 + nsec3];
	struct dns_zone *before;

	if (!p->zone.header)
		play_open(p);
	FUZZ_CHECK(dns_zones_put(&a.zones, &p->zone, &before));
}

/* A well-formed query out of bytes: type, options, labels. */
static struct slice compose(struct slice from, uint8_t *query, size_t size)
{
	struct writer w = writer_of(query, size);
	struct cursor c = cursor_of(from);
	uint8_t type = cursor_u8(&c), options = cursor_u8(&c);
	size_t left = 240;

	writer_bytes(&w, SLICE("\1\2\1\0\0\1\0\0\0\0\0"));
	writer_u8(&w, options & 1);
	while (cursor_left(&c)) {
		const char *label = labels[cursor_u8(&c) % KILN_COUNT_OF(labels)];

		if (strlen(label) + 1 > left)
			break;
		left -= strlen(label) + 1;
		writer_u8(&w, (uint8_t)strlen(label));
		writer_text(&w, label);
	}
	writer_u8(&w, 0);
	writer_u16(&w, types[type % KILN_COUNT_OF(types)]);
	writer_u16(&w, options & 2 ? DNS_CLASS_CHAOS : DNS_CLASS_IN);
	if (options & 1) {
		writer_bytes(&w, SLICE("\0\0\51"));
		writer_u16(&w, (uint16_t)(options << 3));
		writer_bytes(&w, options & 4 ? SLICE("\0\0\200\0\0\14\0\12\0\10clientco")
		                             : SLICE("\0\0\0\0\0\0"));
	}
	FUZZ_CHECK(!w.failed);
	return writer_done(&w);
}

enum { RECORDS = 256 };

struct read_answer {
	struct dns_record records[RECORDS];
	unsigned count;
	unsigned sections[4];
	bool opt, soa;
};

static bool is_same(const struct dns_record *x, const struct dns_record *y)
{
	return x->section == y->section && x->type == y->type && x->class == y->class &&
	       dns_name_equal(&x->name, &y->name) && slice_equal(x->data, y->data);
}

static void check_records(struct read_answer *read, struct slice answer,
                          struct slice query)
{
	struct dns_question question;
	struct dns_reader r;

	memset(read, 0, sizeof(*read));
	FUZZ_CHECK(dns_read(&r, answer));
	FUZZ_CHECK(r.header.flags & DNS_FLAG_RESPONSE);
	FUZZ_CHECK(r.header.id == (query.data[0] << 8 | query.data[1]));
	FUZZ_CHECK(r.header.opcode == (query.data[2] >> 3 & 15));
	if (dns_read_question(&r, &question))
		FUZZ_CHECK(memcmp(answer.data + 12, query.data + 12,
		                  question.name.size + 4u) == 0);
	while (read->count < RECORDS &&
	       dns_read_record(&r, &read->records[read->count])) {
		const struct dns_record *record = &read->records[read->count];

		for (unsigned i = 0; i < read->count; i++)
			FUZZ_CHECK(!is_same(&read->records[i], record));
		if (record->type == DNS_OPT) {
			FUZZ_CHECK(!read->opt);
			read->opt = true;
		} else {
			read->sections[record->section]++;
		}
		read->soa |=
		    record->section == DNS_AUTHORITIES && record->type == DNS_SOA;
		read->count++;
	}
	FUZZ_CHECK(read->count < RECORDS);
	FUZZ_CHECK(!r.failed && cursor_left(&r.cursor) == 0);
}

static void say_where(const struct dns_answered *what)
{
	FUZZ_REACH(what->kind == DNS_KIND_ANSWER && what->dnssec, "a signed answer");
	FUZZ_REACH(what->kind == DNS_KIND_NO_DATA && what->dnssec, "a proof of no data");
	FUZZ_REACH(what->kind == DNS_KIND_NO_NAME && what->dnssec, "a proof of no name");
	FUZZ_REACH(what->kind == DNS_KIND_REFERRAL, "a referral");
	FUZZ_REACH(what->kind == DNS_KIND_CHAOS, "the server's version");
	FUZZ_REACH(what->kind == DNS_KIND_TRANSFER, "a transfer");
	FUZZ_REACH(what->rcode == DNS_RCODE_NAME_EXISTS, "a name that is too long");
	FUZZ_REACH(what->rcode == DNS_RCODE_FORMAT, "a malformed query");
	FUZZ_REACH(what->rcode == DNS_RCODE_REFUSED, "a refusal");
	FUZZ_REACH(what->truncated, "a truncated answer");
}

static void try_query(struct slice query, size_t room)
{
	static struct read_answer read, whole;
	static uint8_t all[65535];
	struct dns_answered what, of_all;
	uint8_t *buffer = malloc(room);
	struct dns_expected expected;

	dns_expect(&a.answerer, query, &expected);
	dns_expect_node(&expected);
	size_t size = dns_answer(&a.answerer, &a.peer, query, buffer, room, &what);

	say_where(&what);
	FUZZ_CHECK(size <= room);
	if (size > 0) {
		check_records(&read, slice_of(buffer, size), query);
		FUZZ_CHECK(read.opt == what.edns);
		if (what.kind == DNS_KIND_NO_DATA || what.kind == DNS_KIND_NO_NAME)
			FUZZ_CHECK(read.soa || what.truncated);

		struct dns_peer peer = a.peer;
		peer.stream = true;
		size_t size_all =
		    dns_answer(&a.answerer, &peer, query, all, sizeof(all), &of_all);
		check_records(&whole, slice_of(all, size_all), query);
		if (!what.truncated)
			FUZZ_CHECK(what.rcode == of_all.rcode &&
			           what.kind == of_all.kind);
		FUZZ_CHECK(size <= size_all);
		FUZZ_CHECK(!of_all.truncated);
		for (unsigned i = DNS_ANSWERS; i <= DNS_AUTHORITIES && !what.truncated;
		     i++)
			FUZZ_CHECK(read.sections[i] == whole.sections[i]);
	}
	free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t composed[512], *copy;
	struct slice query;

	if (size == 0)
		return 0;
	serve(data[0] & 1);
	a.answerer.cookies = (data[0] & 2) != 0;
	a.answerer.version = data[0] & 4 ? SLICE("kiln") : SLICE("");
	a.answerer.takes_transfers = (data[0] & 8) != 0;
	a.peer.stream = (data[0] & 16) != 0;
	if (data[0] & 128)
		query = compose(slice_of(data + 1, size - 1), composed, sizeof(composed));
	else
		query = slice_of(data + 1, size - 1);
	copy = fuzz_copy(query);
	try_query(slice_of(copy, query.len), 512 + (size_t)(data[0] & 96) * 16);
	free(copy);
	return 0;
}
