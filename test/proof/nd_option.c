/*
 * The options of neighbour discovery, one after the other: every chain of up to 40 bytes.
 *
 * sources: lib/net/nd_wire.c lib/net/icmp6_wire.c
 * seeded: lib/net/nd_wire.c: cursor_copy(&value, option->mac, ETH_MAC) => cursor_copy(&value, option->mac, 2 * cursor_left(&value))
 * length: 16
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 */
#include "lib/net/nd_wire.h"
#include "checksum.h"

static void check(struct slice bytes)
{
	struct cursor c = cursor_of(bytes);
	struct nd_option option;

	while (nd_option_next(&c, &option))
		continue;
}

enum { MOST = 40 };
#include "slices.h"
