/*
 * How long the compiler of zones keeps the processor: a worker that has a zone of a transfer
 * compiled pauses, and queries are answered meanwhile. A stretch between two pauses is measured
 * by what this thread had of the processor, as a part of the whole: each zone here is mostly
 * one kind of work, so that one without pauses is found however slow the machine is. Each zone
 * has the same stretches again, in the same order: of a few tries the shortest counts, as
 * others may disturb one.
 */
#include <time.h>
#include "dns_play.h"

enum { NAMES = 10000, MEMORY = 48 << 20 };
enum { PARTS = 20, TRIES = 5, STRETCHES = 4000 };

struct zone_making {
	struct dns_zone_builder b;
	struct arena arena;
	uint64_t last; /* ns */
	uint64_t *stretches;
	unsigned count;
};

static uint64_t processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_here(void *context)
{
	struct zone_making *m = context;
	uint64_t now = processor_time();

	uint64_t *stretch = &m->stretches[m->count++];

	assert_true(m->count < STRETCHES);
	*stretch = *stretch ? KILN_MIN(*stretch, now - m->last) : now - m->last;
	m->last = now;
}

static void add(struct zone_making *m, const char *owner, uint16_t type,
                struct slice data)
{
	struct dns_name name = name_of(owner);

	assert_int_equal(dns_zone_add(&m->b, &name, type, 300, data, 0), DNS_ZONE_OK);
}

/* In an order that is none. */
static unsigned shuffled(unsigned i)
{
	return i * 7919u % NAMES;
}

static void many_names(struct zone_making *m)
{
	char owner[64];

	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(owner, sizeof(owner), "host%u.example", shuffled(i));
		add(m, owner, DNS_A, SLICE("\300\0\2\1"));
	}
}

static void many_of_one_name(struct zone_making *m)
{
	for (unsigned i = 0; i < 3 * NAMES; i++)
		add(m, "x.example", (uint16_t)(1000 + shuffled(i % NAMES)), SLICE("x"));
}

static void the_same_over_and_over(struct zone_making *m)
{
	for (unsigned i = 0; i < 5 * NAMES; i++)
		add(m, "x.example", DNS_A, SLICE("\300\0\2\1"));
}

static void large_data(struct zone_making *m)
{
	static uint8_t data[20000];

	for (unsigned i = 0; i < 800; i++) {
		memcpy(data, &i, sizeof(i));
		add(m, i % 2 ? "x.example" : "y.example", (uint16_t)(1000 + i / 4),
		    slice_of(data, sizeof(data)));
	}
}

static void many_hosts_named(struct zone_making *m)
{
	uint8_t data[64] = {0, 10};
	char owner[64];

	for (unsigned i = 0; i < NAMES / 20; i++) {
		snprintf(owner, sizeof(owner), "d%u.example", i);
		for (unsigned j = 0; j < 20; j++) {
			char host[64];

			snprintf(host, sizeof(host), "h%u.d%u.example", j, i);
			struct dns_name name = name_of(host);
			memcpy(data + 2, name.bytes, name.size);
			add(m, owner, DNS_MX, slice_of(data, 2u + name.size));
			add(m, host, DNS_A, SLICE("\300\0\2\1"));
		}
	}
}

static void signed_by_nsec(struct zone_making *m)
{
	char owner[64];

	add(m, "example", DNS_NSEC, SLICE("\7example\0\0\1\2"));
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(owner, sizeof(owner), "host%u.example", i);
		add(m, owner, DNS_NSEC, SLICE("\7example\0\0\1\2"));
	}
}

static void signed_by_nsec3(struct zone_making *m)
{
	char owner[64];

	add(m, "example", DNS_NSEC3PARAM, SLICE("\1\0\0\62\0"));
	for (unsigned i = 0; i < NAMES / 10; i++) {
		snprintf(owner, sizeof(owner), "%032u.example", i);
		add(m, owner, DNS_NSEC3,
		    SLICE("\1\0\0\62\0\24hash of twenty bytes\0\1\2"));
		snprintf(owner, sizeof(owner), "host%u.example", i);
		add(m, owner, DNS_A, SLICE("\300\0\2\1"));
	}
}

static void make_zone(void (*fill)(struct zone_making *m), uint64_t *stretches)
{
	struct dns_name origin = name_of("example");
	struct zone_making m = {.stretches = stretches};
	struct dns_zone_error error;
	struct slice compiled;
	void *memory = malloc(MEMORY);

	memset(memory, 1, MEMORY); /* or the first touch of each page is measured, too */
	arena_init(&m.arena, memory, MEMORY);
	assert_true(dns_zone_begin(&m.b, &m.arena, &origin));
	add(&m, "example", DNS_NS, SLICE("\2ns\3net\0"));
	add(&m, "example", DNS_SOA,
	    SLICE("\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	fill(&m);
	m.b.pause = pause_here;
	m.b.context = &m;
	m.last = processor_time();
	if (!dns_zone_end(&m.b, &compiled, &error))
		fail_msg("%s", dns_zone_fault_text(error.fault));
	pause_here(&m);
	free(memory);
}

/* Whether none is more than a part of the whole. */
static bool are_short(const uint64_t *stretches)
{
	uint64_t longest = 0, whole = 0;

	for (unsigned i = 0; i < STRETCHES; i++) {
		longest = KILN_MAX(longest, stretches[i]);
		whole += stretches[i];
	}
	return longest < whole / PARTS;
}

static void the_compiler_pauses(void **state)
{
	void (*const fills[])(struct zone_making *) = {
	    many_names,       many_of_one_name, the_same_over_and_over, large_data,
	    many_hosts_named, signed_by_nsec,   signed_by_nsec3,
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(fills); i++) {
		uint64_t stretches[STRETCHES] = {0};
		unsigned tries = 0;

		do {
			if (tries++ == TRIES)
				fail_msg("zone %u is compiled with too few pauses", i);
			make_zone(fills[i], stretches);
		} while (!are_short(stretches));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_compiler_pauses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
