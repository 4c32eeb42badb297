/*
 * Archives: from any place in any 4 KiB the next file, behind any headers with long paths; what
 * a header alone says. (That what a cursor gives lies within: slice.c.)
 *
 * sources: lib/dns/archive.c
 * seeded: lib/dns/archive.c: record.size = content.at - 1 => record.size = content.at + 1
 * precision: -eva-slevel 0
 */
#include <kiln/dns_load.h>
#include "proof.h"

int main(void)
{
	static uint8_t bytes[4096];
	static struct dns_archive archive;
	struct slice header = slice_of(bytes, Frama_C_size_t_interval(0, 512));
	uint64_t size;

	PROOF_UNKNOWN(bytes);
	(void)dns_archive_size(header, &size);
	(void)dns_archive_ends(header);
	dns_archive_open(&archive, slice_of(bytes, sizeof(bytes)));
	archive.c.at = Frama_C_size_t_interval(0, sizeof(bytes));
	(void)dns_archive_next(&archive);
	return 0;
}
