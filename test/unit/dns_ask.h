/*
 * For tests of answers: zones from a few words a line, questions, and answers as text.
 */
#ifndef DNS_ASK_H
#define DNS_ASK_H

#include <kiln/dns_answer.h>
#include "dns_play.h"

/* ---- zones ---- */

static const struct {
	uint16_t type;
	const char *text;
} play_types[] = {
    {DNS_A, "A"},         {DNS_NS, "NS"},     {DNS_CNAME, "CNAME"},
    {DNS_SOA, "SOA"},     {DNS_PTR, "PTR"},   {DNS_MX, "MX"},
    {DNS_TXT, "TXT"},     {DNS_AAAA, "AAAA"}, {DNS_SRV, "SRV"},
    {DNS_DNAME, "DNAME"}, {DNS_OPT, "OPT"},   {DNS_DS, "DS"},
    {DNS_RRSIG, "RRSIG"}, {DNS_NSEC, "NSEC"}, {DNS_NSEC3, "NSEC3"},
    {DNS_ANY, "ANY"},     {13, "HINFO"},      {DNS_NSEC3PARAM, "NSEC3PARAM"},
    {DNS_AXFR, "AXFR"},   {DNS_IXFR, "IXFR"}, {249, "TKEY"},
    {254, "MAILA"},       {DNS_SVCB, "SVCB"}, {DNS_HTTPS, "HTTPS"}};

static uint16_t type_of(const char *text)
{
	for (size_t i = 0; i < KILN_COUNT_OF(play_types); i++) {
		if (strcmp(play_types[i].text, text) == 0)
			return play_types[i].type;
	}
	fail_msg("no type %s", text);
	return 0;
}

/* A signature of nothing, by the zone. */
static void play_signature(struct play *p, const char *owner, uint16_t type)
{
	uint8_t data[32] = {(uint8_t)(type >> 8), (uint8_t)type};

	data[20] = 'x'; /* behind the root's name */
	play_add(p, owner, DNS_RRSIG, slice_of(data, 21));
}

/* "owner TYPE word": an address' last byte, or a name; "owner TYPE! word" is signed, too. */
static void play_line(struct play *p, const char *line)
{
	char owner[256], kind[16], word[256] = "";
	uint8_t data[16] = {1, 2, 3};
	bool is_signed = false;

	assert_true(sscanf(line, "%255s %15s %255s", owner, kind, word) >= 2);
	if (kind[strlen(kind) - 1] == '!') {
		kind[strlen(kind) - 1] = 0;
		is_signed = true;
	}
	uint16_t type = type_of(kind);
	switch (type) {
	case DNS_A:
		data[3] = (uint8_t)atoi(word);
		play_add(p, owner, type, slice_of(data, 4));
		break;
	case DNS_AAAA:
		data[15] = (uint8_t)atoi(word);
		play_add(p, owner, type, slice_of(data, 16));
		break;
	case DNS_MX:
		play_name(p, owner, type, SLICE("\0\12"), word);
		break;
	case DNS_SRV:
		play_name(p, owner, type, SLICE("\0\1\0\2\0\3"), word);
		break;
	case DNS_SVCB: /* an alias */
		play_name(p, owner, type, SLICE("\0\0"), word);
		break;
	case DNS_HTTPS: /* a service */
		play_name(p, owner, type, SLICE("\0\1"), word);
		break;
	case DNS_SOA:
		play_soa(p, owner);
		break;
	case DNS_TXT:
		play_add(p, owner, type, slice_text(word));
		break;
	case DNS_DS:
		play_add(p, owner, type, SLICE("\0\1\10\2\1\2\3\4"));
		break;
	case DNS_NSEC3PARAM:
		play_add(p, owner, type, SLICE("\1\0\0\0\0"));
		break;
	default:
		play_name(p, owner, type, SLICE(""), word);
	}
	if (is_signed)
		play_signature(p, owner, type);
}

static __attribute__((unused)) void play_lines(struct play *p, const char *const *lines,
                                               size_t count)
{
	for (size_t i = 0; i < count; i++)
		play_line(p, lines[i]);
}

/* ---- questions ---- */

struct ask {
	struct dns_answerer answerer;
	struct dns_zones zones;
	struct dns_peer peer;
	uint64_t table[64];
	uint8_t query[512];
	size_t query_size;
	uint8_t buffer[65535];
	size_t room, size;
	struct dns_answered what;
	char text[16384];
};

static void ask_begin(struct ask *a)
{
	struct arena arena;

	memset(a, 0, sizeof(*a));
	arena_init(&arena, a->table, sizeof(a->table));
	assert_true(dns_zones_init(&a->zones, &arena, 8));
	a->answerer.zones = &a->zones;
	a->room = sizeof(a->buffer);
}

static void ask_serve(struct ask *a, struct play *p)
{
	struct dns_zone *before;

	play_open(p);
	assert_true(dns_zones_put(&a->zones, &p->zone, &before));
}

enum { ASK_EDNS = 1, ASK_DNSSEC = 2 };

/* A query of class IN with EDNS or without, of 4096 bytes. */
static void ask_query(struct ask *a, const char *name, const char *type, unsigned how)
{
	struct dns_header header = {.id = 0x1234, .flags = DNS_FLAG_RECURSION_DESIRED};
	struct dns_question question = {name_of(name), type_of(type), DNS_CLASS_IN};
	struct dns_opt opt = {.udp_size = 4096, .dnssec = (how & ASK_DNSSEC) != 0};
	struct dns_builder b;

	dns_build(&b, a->query, sizeof(a->query), &header);
	assert_true(dns_build_question(&b, &question));
	if (how)
		assert_true(dns_build_opt(&b, &opt));
	a->query_size = dns_build_done(&b).len;
}

/* The answer to a->query, which lies in memory of its own size. */
static size_t ask_raw(struct ask *a)
{
	uint8_t *query = malloc(a->query_size ? a->query_size : 1);

	memcpy(query, a->query, a->query_size);
	a->size = dns_answer(&a->answerer, &a->peer, slice_of(query, a->query_size),
	                     a->buffer, a->room, &a->what);
	a->what.name.data = a->query + DNS_HEADER_SIZE; /* not freed with the query */
	free(query);
	return a->size;
}

/* ---- answers as text ---- */

static void ask_say(struct ask *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void ask_say(struct ask *a, const char *format, ...)
{
	size_t at = strlen(a->text);
	va_list args;

	va_start(args, format);
	vsnprintf(a->text + at, sizeof(a->text) - at, format, args);
	va_end(args);
}

static const char *ask_type(uint16_t type)
{
	static char number[8];

	for (size_t i = 0; i < KILN_COUNT_OF(play_types); i++) {
		if (play_types[i].type == type)
			return play_types[i].text;
	}
	snprintf(number, sizeof(number), "%u", type);
	return number;
}

static void ask_say_name(struct ask *a, const struct dns_record *record, size_t before)
{
	struct cursor c = cursor_of(record->message);
	struct dns_name name;

	cursor_skip(&c, record->message.len - record->data.len + before);
	assert_true(dns_name_read(record->message, &c, &name));
	ask_say(a, " %s", text_of(slice_of(name.bytes, name.size)));
}

static void ask_say_record(struct ask *a, const struct dns_record *record)
{
	const uint8_t *data = record->data.data;

	ask_say(a, "%s %s", text_of(slice_of(record->name.bytes, record->name.size)),
	        ask_type(record->type));
	switch (record->type) {
	case DNS_A:
		ask_say(a, " %u", data[3]);
		break;
	case DNS_AAAA:
		ask_say(a, " %u", data[15]);
		break;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_DNAME:
	case DNS_PTR:
	case DNS_NSEC:
		ask_say_name(a, record, 0);
		break;
	case DNS_MX:
	case DNS_SVCB:
	case DNS_HTTPS:
		ask_say_name(a, record, 2);
		break;
	case DNS_SRV:
		ask_say_name(a, record, 6);
		break;
	case DNS_SOA:
		ask_say(a, " %u", record->ttl);
		break;
	case DNS_RRSIG:
		ask_say(a, " %s", ask_type((uint16_t)(data[0] << 8 | data[1])));
		break;
	}
}

/* "NOERROR aa | answers | authorities | additionals", OPT left out, records by ", ". */
static const char *ask_text(struct ask *a)
{
	static const char *const rcodes[] = {[DNS_RCODE_OK] = "NOERROR",
	                                     [DNS_RCODE_FORMAT] = "FORMERR",
	                                     [DNS_RCODE_SERVER] = "SERVFAIL",
	                                     [DNS_RCODE_NAME] = "NXDOMAIN",
	                                     [DNS_RCODE_NOT_IMPLEMENTED] = "NOTIMP",
	                                     [DNS_RCODE_REFUSED] = "REFUSED",
	                                     [DNS_RCODE_NAME_EXISTS] = "YXDOMAIN",
	                                     [DNS_RCODE_NOT_AUTHORIZED] = "NOTAUTH",
	                                     [DNS_RCODE_VERSION] = "BADVERS",
	                                     [DNS_RCODE_COOKIE] = "BADCOOKIE"};
	enum dns_section section = DNS_QUESTIONS;
	struct dns_record record;
	struct dns_reader r;

	a->text[0] = 0;
	if (a->size == 0)
		return "silence";
	assert_true(dns_read(&r, slice_of(a->buffer, a->size)));
	assert_true(r.header.flags & DNS_FLAG_RESPONSE);
	ask_say(a, "%s%s%s", rcodes[a->what.rcode],
	        r.header.flags & DNS_FLAG_AUTHORITATIVE ? " aa" : "",
	        r.header.flags & DNS_FLAG_TRUNCATED ? " tc" : "");
	while (dns_read_record(&r, &record)) {
		if (record.type == DNS_OPT)
			continue;
		bool next = record.section != section;
		for (; section < record.section; section++)
			ask_say(a, " |");
		ask_say(a, next ? " " : ", ");
		ask_say_record(a, &record);
	}
	assert_false(r.failed);
	assert_int_equal(cursor_left(&r.cursor), 0);
	return a->text;
}

static __attribute__((unused)) const char *ask(struct ask *a, const char *name,
                                               const char *type, unsigned how)
{
	ask_query(a, name, type, how);
	ask_raw(a);
	return ask_text(a);
}

#endif
