/*
 * Records of zones, as transfers bring them: of any type, with any data of up to 24 bytes, put
 * where the compiler finds them. What that relies on, names above all, was looked at here.
 *
 * sources: lib/dns/name.c lib/dns/zone_build.c
 * seeded: lib/dns/zone_build.c: data.len >= 5 && data.len => data.len
 * precision: -eva-slevel 0
 */
#include <kiln/dns_zone.h>
#include "proof.h"

static uint8_t memory[128];

/* What the record takes, or nothing. */
void *arena_try(struct arena *arena, size_t size, size_t align)
{
	return size <= sizeof(memory) && Frama_C_interval(0, 1) ? memory : (void *)0;
}

static void check(struct slice data)
{
	static struct dns_zone_builder b = {.origin = {8, "\7example"}};
	static const struct dns_name owner = {10, "\1X\7eXample"};
	uint16_t type = Frama_C_interval(0, UINT16_MAX);

	(void)!dns_zone_add(&b, &owner, type, 300, data, 0);
}

enum { MOST = 24 };
#include "slices.h"
