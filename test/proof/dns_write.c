/*
 * DNS, out: any question, any record and any options, into a room of each size from a header's
 * to 40; their names are read out of any message of 16 bytes. That nothing is used that was not
 * set is not shown here: locals are set from the start.
 *
 * sources: lib/dns/name.c lib/dns/write.c
 * seeded: lib/dns/write.c: writer_bytes(&b->w, record->data) => writer_bytes(&b->w, slice_of(record->data.data, record->data.len + 1))
 * length: 40
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16 -eva-initialized-locals
 */
#include <kiln/dns.h>
#include "proof.h"

static uint8_t message[16], data[8];

static void check(struct slice room)
{
	static struct dns_builder b;
	struct dns_header header;
	struct dns_question question;
	struct dns_record record;
	struct dns_opt opt;
	struct cursor c = cursor_of(slice_of(message, sizeof(message)));

	if (room.len < DNS_HEADER_SIZE)
		return;
	PROOF_UNKNOWN(message);
	PROOF_UNKNOWN(data);
	PROOF_UNKNOWN(header);
	PROOF_UNKNOWN(question);
	PROOF_UNKNOWN(record);
	record.section = Frama_C_interval(DNS_QUESTIONS, DNS_ADDITIONALS);
	record.data = slice_of(data, sizeof(data));
	PROOF_UNKNOWN(opt);
	opt.dnssec = Frama_C_nondet(0, 1);
	if (!dns_name_read(slice_of(message, sizeof(message)), &c, &question.name))
		return;
	record.name = question.name;
	/* Where to look for bounds: no more than a hint. */
	//@ widen_hints global:"all", 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 255;
	dns_build(&b, (void *)room.data, room.len, &header);
	(void)dns_build_question(&b, &question);
	(void)dns_build_record(&b, &record);
	(void)dns_build_opt(&b, &opt);
	(void)dns_build_done(&b);
}

enum { MOST = 40 };
#include "slices.h"
