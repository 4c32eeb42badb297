/*
 * DNS: every message of up to 48 bytes, all its records and what their data says. A record
 * is set before it is read: that none is used where none was read is not shown here.
 *
 * sources: lib/dns/name.c lib/dns/read.c
 * seeded: lib/dns/read.c: cursor_of(record->message) => cursor_of(record->data)
 * length: 32
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 */
#include <kiln/dns.h>
#include "proof.h"

static void data(const struct dns_record *record)
{
	struct ip4_addr a;
	struct ip_addr aaaa;
	struct dns_name name;
	struct dns_soa soa;
	struct dns_srv srv;
	struct dns_opt opt;

	(void)dns_data_a(record, &a);
	(void)dns_data_aaaa(record, &aaaa);
	(void)dns_data_name(record, &name);
	(void)dns_data_soa(record, &soa);
	(void)dns_data_srv(record, &srv);
	(void)dns_data_opt(record, &opt);
}

static void check(struct slice message)
{
	struct dns_reader r;
	struct dns_question question;
	struct dns_record record = {.data = slice_take(message, 0), .message = message};

	if (!dns_read(&r, message) || !dns_read_question(&r, &question))
		return;
	while (dns_read_record(&r, &record))
		data(&record);
}

enum { MOST = 48 };
#include "slices.h"
