/*
 * TSIG: any message of up to 48 bytes is searched for its record. That nothing is used that was
 * not set is not shown here: locals are set from the start.
 *
 * sources: lib/dns/name.c lib/dns/read.c lib/dns/tsig_wire.c
 * seeded: lib/dns/tsig_wire.c: cursor_of(record->message) => cursor_of(record->data)
 * length: 48
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16 -eva-initialized-locals
 */
#include <kiln/dns_tsig.h>
#include "proof.h"

static void check(struct slice message)
{
	struct dns_tsig tsig;

	(void)dns_tsig_read(message, &tsig);
}

enum { MOST = 48 };
#include "slices.h"
