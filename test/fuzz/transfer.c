/*
 * What a secondary reads from its primary, who may be anyone's: the messages of a zone or of
 * changes (AXFR, IXFR), and what the compiler makes of them. The transfer runs as it is; its
 * stream and its clock are this file's. The first byte of the input says what the secondary has
 * and whether messages are signed; the others are a script of what the primary says, in records
 * or in bytes of any kind, with the right ID, and the right key if it wants to.
 *
 * A zone that comes of it opens, and holds data that is well formed; whatever comes, the one that
 * is served is as it was. The memory for the new zone is small, and not zeroed.
 */
#include "fuzz.h"
#include <kiln/dns_types.h>
#include "lib/dns/secondary_private.h"

enum { OLD_MEMORY = 4096, NEW_MEMORY = 16384, STREAM = 65536, SERIAL = 100 };
enum { HAS_ZONE = 1, SIGNED = 2, PIECES = 4, STALLS = 8, MEMORY_SHIFT = 4 };

/* ---- the world of the transfer ---- */

static struct kiln kiln;
static struct {
	uint8_t bytes[STREAM]; /* what the primary says */
	size_t size, at;
	struct slice script;
	uint8_t options;
	struct dns_tsig_exchange x; /* the primary's side */
} primary;

static void play(struct slice question);

kiln_time target_now(struct kiln *k)
{
	return 0;
}

kiln_time target_wall(struct kiln *k)
{
	return KILN_SECONDS(1800000000);
}

void target_wait(struct kiln *k, kiln_time deadline)
{
}

void target_console(struct kiln *k, struct slice text)
{
	FUZZ_CHECK(text.len > 0 && text.data[text.len - 1] == '\n');
}

_Noreturn void target_exit(struct kiln *k, int status)
{
	abort();
}

_Noreturn void target_panic(struct slice message)
{
	abort();
}

void secondary_pause(void *worker)
{
}

void secondary_record(struct secondary_worker *worker)
{
	worker->records++;
}

enum kiln_error stream_connect_within(struct stream *s, struct task_pool *tasks,
                                      struct tcp *tcp, const struct endpoint *to,
                                      kiln_time timeout)
{
	return KILN_OK;
}

enum kiln_error stream_write(struct stream *s, struct slice bytes)
{
	play(slice_skip(bytes, 2));
	return KILN_OK;
}

enum kiln_error stream_read(struct stream *s, void *out, size_t size, size_t *got)
{
	*got = KILN_MIN(size, primary.size - primary.at);
	if (primary.options & PIECES)
		*got = KILN_MIN(*got, (size_t)3);
	if (*got == 0 && (primary.options & STALLS))
		return KILN_ERR_TIMEOUT;
	memcpy(out, primary.bytes + primary.at, *got);
	primary.at += *got;
	return KILN_OK;
}

void stream_close(struct stream *s)
{
}

/* ---- what the primary says ---- */

static const struct dns_tsig_key *the_key(void)
{
	static struct dns_tsig_key key;

	if (key.size == 0)
		FUZZ_CHECK(dns_tsig_key_parse(SLICE("k.example:MTIzNA=="), &key));
	return &key;
}

static struct dns_name name_of(const char *text)
{
	struct dns_name name;

	FUZZ_CHECK(dns_name_parse(slice_text(text), &name));
	return name;
}

static const char *const owners[] = {"example",     "www.example", "*.w.example",
                                     "sub.example", "a.b.example", "EXAMPLE",
                                     "h.example",   "other"};

/* An SOA by the serial, which is the only part that counts. */
static size_t put_soa(uint8_t *data, uint8_t serial)
{
	struct writer w = writer_of(data, 32);

	writer_bytes(&w, SLICE("\0\0"));
	writer_u32(&w, (uint32_t)(SERIAL + (int8_t)serial));
	writer_bytes(&w, SLICE("\0\0\0\2\0\0\0\1\0\0\0\3\0\0\0\4"));
	return writer_done(&w).len;
}

/* A record by two bytes of the script, or of any type with any data. */
static void put_record(struct dns_builder *b, uint8_t what, struct cursor *script)
{
	static const uint16_t types[] = {DNS_SOA, DNS_A,     DNS_NS,  DNS_MX,
	                                 DNS_TXT, DNS_CNAME, DNS_SRV, DNS_RRSIG};
	struct dns_record record = {.section = DNS_ANSWERS,
	                            .name = name_of(owners[what & 7]),
	                            .type = types[what >> 3 & 7],
	                            .class = DNS_CLASS_IN,
	                            .ttl = 300};
	uint8_t data[64], value = cursor_u8(script);
	struct writer w = writer_of(data, sizeof(data));
	struct dns_name target = name_of(owners[value & 7]);

	switch (record.type) {
	case DNS_SOA:
		w.at = put_soa(data, value);
		break;
	case DNS_A:
		writer_bytes(&w, SLICE("\300\0\2"));
		writer_u8(&w, value);
		break;
	case DNS_MX:
	case DNS_NS:
	case DNS_CNAME:
		if (record.type == DNS_MX)
			writer_u16(&w, value);
		writer_bytes(&w, dns_name_slice(&target));
		break;
	case DNS_TXT:
		writer_u8(&w, 1);
		writer_u8(&w, value);
		break;
	default:
		record.type = cursor_u16(script);
		record.data =
		    cursor_bytes(script, KILN_MIN((size_t)value, cursor_left(script)));
		(void)!dns_build_record(b, &record);
		return;
	}
	record.data = writer_done(&w);
	(void)!dns_build_record(b, &record);
}

enum { MESSAGE = 2048 };

/* Sends what was built: signed, or only as long as it is said to be, or not. */
static void put_message(struct slice message, uint8_t how)
{
	uint8_t buffer[MESSAGE + 512];
	struct writer w = writer_of(primary.bytes + primary.size, STREAM - primary.size);

	memcpy(buffer, message.data, message.len);
	if (primary.options & SIGNED) {
		if (how & 1)
			hmac_add(&primary.x.hmac, message);
		else
			message = dns_tsig_sign(&primary.x, buffer, message.len,
			                        sizeof(buffer), 1800000000);
	}
	writer_u16(&w, (uint16_t)(message.len + (how & 2 ? 7 : 0)));
	writer_bytes(&w, message);
	if (!w.failed)
		primary.size += w.at;
}

/* The answer to a question, as the script has it: 01wwwwww a record, 1nnnnnnn n bytes as they
 * are, the others the end of a message. */
static void play(struct slice question)
{
	struct cursor script = cursor_of(primary.script), c = cursor_of(question);
	struct dns_header header = {.id = cursor_u16(&c), .flags = DNS_FLAG_RESPONSE};
	uint8_t buffer[MESSAGE];
	struct dns_builder b;
	struct dns_tsig tsig;

	primary.size = primary.at = 0;
	if (primary.options & SIGNED) {
		FUZZ_CHECK(dns_tsig_read(question, &tsig));
		FUZZ_CHECK(dns_tsig_check_request(&primary.x, the_key(), 1, question,
		                                  &tsig, 1800000000) == DNS_TSIG_OK);
	}
	dns_build(&b, buffer, sizeof(buffer), &header);
	while (!script.failed && cursor_left(&script)) {
		uint8_t what = cursor_u8(&script);

		if (what & 128) {
			struct slice bytes =
			    cursor_bytes(&script, KILN_MIN((size_t)(what & 127),
			                                   cursor_left(&script)));
			writer_bytes(&b.w, bytes);
		} else if (what & 64) {
			put_record(&b, what & 63, &script);
		} else {
			put_message(dns_build_done(&b), what);
			header.rcode = what >> 2 & 15;
			dns_build(&b, buffer, sizeof(buffer), &header);
		}
	}
	put_message(dns_build_done(&b), 0);
}

/* ---- what the secondary has ---- */

static struct dns_server server;
static struct secondary secondary;
static uint8_t served[OLD_MEMORY]; /* a copy */
static struct slice compiled;

static void put(struct dns_zone_builder *b, const char *owner, uint16_t type,
                struct slice data)
{
	struct dns_name name = name_of(owner);

	FUZZ_CHECK(dns_zone_add(b, &name, type, 300, data, 0) == DNS_ZONE_OK);
}

__attribute__((constructor)) static void make_zone(void)
{
	static uint8_t memory[OLD_MEMORY];
	struct dns_zone_builder b;
	struct dns_zone_error error;
	uint8_t soa[32];

	kiln.log_level = LOG_WARN;
	random_init(&kiln.random, "", 0, false);
	server.kiln = &kiln;
	secondary.server = &server;
	secondary.name = name_of("example");
	arena_init(&secondary.blocks[0], memory, sizeof(memory));
	FUZZ_CHECK(dns_zone_begin(&b, &secondary.blocks[0], &secondary.name));
	put(&b, "example", DNS_SOA, slice_of(soa, put_soa(soa, 0)));
	put(&b, "example", DNS_NS, SLICE("\3www\7example\0"));
	put(&b, "www.example", DNS_A, SLICE("\300\0\2\1"));
	put(&b, "a.b.example", DNS_MX, SLICE("\0\1\3WWW\7eXample\0"));
	put(&b, "*.w.example", DNS_TXT, SLICE("\1x"));
	FUZZ_CHECK(dns_zone_end(&b, &compiled, &error));
	FUZZ_CHECK(dns_zone_open(&secondary.zones[0], compiled));
	dns_zone_soa(&secondary.zones[0], &secondary.soa);
	memcpy(served, compiled.data, compiled.len);
}

static void check_zone(const struct dns_zone *zone)
{
	struct dns_zone_iterator it;
	uint32_t count = 0;
	struct dns_soa soa;

	dns_zone_soa(zone, &soa);
	FUZZ_CHECK(!secondary.loaded || (int32_t)(soa.serial - SERIAL) > 0);
	dns_zone_iterate(&it, zone);
	while (dns_zone_next(&it)) {
		FUZZ_CHECK(dns_data_check(it.type, it.data));
		count++;
	}
	FUZZ_CHECK(count == dns_zone_records(zone));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t message[DNS_STREAM_SIZE];
	struct secondary_primary from = {0};
	struct secondaries all = {0};
	struct secondary_worker worker = {.all = &all, .message = message};
	struct dns_server_counters *counters = &server.counters;
	struct dns_zone zone;

	if (size == 0)
		return 0;
	primary.options = data[0];
	primary.script = slice_of(data + 1, size - 1);
	secondary.loaded = data[0] & HAS_ZONE;
	if (data[0] & SIGNED)
		from.key = the_key();
	size_t little = data[0] >> MEMORY_SHIFT;
	size_t memory = little ? 64 * little : NEW_MEMORY;
	uint8_t *block = malloc(memory);
	memset(block, 0xa5, memory);
	arena_init(&secondary.blocks[1], block, memory);
	memset(counters, 0, sizeof(*counters));

	enum secondary_result result =
	    secondary_transfer(&secondary, &from, &worker, &zone);
	FUZZ_REACH(result == SECONDARY_NEW && !counters->fetched_changes, "a whole zone");
	FUZZ_REACH(counters->fetched_changes, "changes");
	FUZZ_REACH(result == SECONDARY_NEW && from.key, "a signed zone");
	FUZZ_REACH(result == SECONDARY_CURRENT, "no other version");
	FUZZ_REACH(counters->fetch_failures == 2, "no changes, and no zone");
	if (result == SECONDARY_NEW)
		check_zone(&zone);
	FUZZ_CHECK(memcmp(served, compiled.data, compiled.len) == 0);
	free(block);
	return 0;
}
