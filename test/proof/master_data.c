/*
 * Records' data in master files: each field that more than one type has, out of any words of up
 * to 16 bytes, into a room of 24 bytes some of which are taken. That nothing is used that was
 * not set is not shown here: locals are set from the start.
 *
 * sources: lib/dns/master_data.c lib/dns/master_words.c lib/dns/encoding.c lib/dns/data.c lib/dns/types.c
 * seeded: lib/dns/encoding.c: i < text.len => i <= text.len
 * precision: -eva-slevel 0 -eva-initialized-locals -eva-slevel-function put:9,moment:20,slice_skip:5
 */
enum { WORD = 16 };
#include "master.h"

int main(void)
{
	static const char any[] = "124TtgdcprxbBkDusSozhFKO", exact[] = "qymMX";

	//@ loop unroll 30;
	for (size_t i = 0; i < sizeof(any) - 1; i++)
		field(any[i]);
	names('n');
	//@ loop unroll 18;
	for (least = 0; least <= WORD; least++) {
		most = least;
		//@ loop unroll 6;
		for (size_t i = 0; i < sizeof(exact) - 1; i++)
			field(exact[i]);
	}
	return 0;
}
