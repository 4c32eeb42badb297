/*
 * Answers a second, of a zone in memory: from the bytes of queries to the bytes of answers,
 * with nothing of a network between them.
 *
 *	dns_lookup NAMES [QUERIES]
 *
 * prints figures as "name value" lines. Nine of ten queries ask for the A of a name that is
 * there, uniformly at random; one for a name that is not. They carry EDNS, as resolvers' do.
 * All queries lie ready before the clock starts; each answer is looked at for its code and for
 * how many records it has. The clock is the process' own time on the processor, and the figure
 * is the best of five rounds: a shared machine only ever takes away.
 */
#include <kiln/dns_answer.h>
#include <kiln/random.h>
#include "load.h"

enum { QUERY_SIZE = 96, ROUNDS = 5, READY = 1 << 16 };

struct query {
	uint8_t bytes[QUERY_SIZE - 2];
	uint8_t size;
	uint8_t exists;
};

static struct kiln_random random_state;

static struct dns_name name_of(const char *text)
{
	struct dns_name name;

	if (!dns_name_parse(slice_text(text), &name))
		fail(text);
	return name;
}

static void add(struct dns_zone_builder *b, const char *owner, uint16_t type,
                struct slice data)
{
	struct dns_name name = name_of(owner);

	if (dns_zone_add(b, &name, type, 3600, data, 0))
		fail(owner);
}

/* The i-th name: all have the same length, as far as the digits reach. */
static void host(char *text, size_t size, unsigned long i, const char *kind)
{
	snprintf(text, size, "%s%06lu.bench.example", kind, i);
}

static struct slice compile(unsigned long names)
{
	size_t size = (64 << 20) + names * 512;
	struct dns_name origin = name_of("bench.example");
	struct dns_zone_builder b;
	struct dns_zone_error error;
	struct slice compiled;
	struct arena arena;
	char text[64];

	void *memory = calloc(1, size);
	if (!memory)
		fail("calloc");
	arena_init(&arena, memory, size);
	if (!dns_zone_begin(&b, &arena, &origin))
		fail("dns_zone_begin");
	add(&b, "bench.example", DNS_SOA,
	    SLICE("\2ns\7example\0\4host\7example\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\1"
	          "\0"));
	add(&b, "bench.example", DNS_NS, SLICE("\2ns\7example\0"));
	for (unsigned long i = 0; i < names; i++) {
		uint8_t address[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
		                      (uint8_t)i};

		host(text, sizeof(text), i, "host");
		add(&b, text, DNS_A, slice_of(address, 4));
	}
	if (!dns_zone_end(&b, &compiled, &error))
		fail(dns_zone_fault_text(error.fault));
	return compiled;
}

static void make(struct query *query, unsigned long names)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};
	struct writer w = writer_of(query->bytes, sizeof(query->bytes));
	unsigned long i = random_u64(&random_state) % names;
	char text[64];

	query->exists = random_below(&random_state, 10) > 0;
	host(text, sizeof(text), i, query->exists ? "host" : "none");
	struct dns_name name = name_of(text);
	writer_u16(&w, (uint16_t)random_u32(&random_state));
	writer_bytes(&w, SLICE("\0\0\0\1\0\0\0\0\0\1"));
	writer_bytes(&w, slice_of(name.bytes, name.size));
	writer_u16(&w, DNS_A);
	writer_u16(&w, DNS_CLASS_IN);
	writer_bytes(&w, slice_of(opt, sizeof(opt)));
	if (w.failed)
		fail("query");
	query->size = (uint8_t)w.at;
}

static uint64_t answer_all(const struct dns_answerer *answerer,
                           const struct query *queries, unsigned long count)
{
	struct dns_peer peer = {.now = 1};
	uint8_t buffer[DNS_EDNS_SIZE];
	uint64_t bytes = 0;

	for (unsigned long i = 0; i < count; i++) {
		const struct query *query = &queries[i % READY];
		struct dns_answered what;

		bytes += dns_answer(answerer, &peer, slice_of(query->bytes, query->size),
		                    buffer, sizeof(buffer), &what);
		if (what.rcode != (query->exists ? DNS_RCODE_OK : DNS_RCODE_NAME) ||
		    buffer[7] != query->exists)
			fail("a wrong answer");
	}
	return bytes;
}

int main(int argc, char **argv)
{
	unsigned long names = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
	static struct query queries[READY];
	struct dns_zone zone, *before;
	struct dns_zones zones;
	uint64_t table[8], bytes = 0;
	struct arena arena;
	uint64_t best = UINT64_MAX;

	if (names == 0 || count == 0) {
		fprintf(stderr, "usage: dns_lookup NAMES [QUERIES]\n");
		return 2;
	}
	random_init(&random_state, "dns_lookup", 10, 0);
	struct slice compiled = compile(names);
	arena_init(&arena, table, sizeof(table));
	if (!dns_zone_open(&zone, compiled) || !dns_zones_init(&zones, &arena, 1) ||
	    !dns_zones_put(&zones, &zone, &before))
		fail("the zone does not open");
	for (unsigned i = 0; i < READY; i++)
		make(&queries[i], names);
	struct dns_answerer answerer = {.zones = &zones};
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

		bytes = answer_all(&answerer, queries, count);
		uint64_t took = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
		best = took < best ? took : best;
	}
	printf("names %lu\nanswers_per_second %.0f\nzone_bytes %zu\n", names,
	       (double)count * SECOND / (double)best, compiled.len);
	printf("bytes_per_name %.1f\nanswer_bytes %.1f\n",
	       (double)compiled.len / (double)names, (double)bytes / (double)count);
	return 0;
}
