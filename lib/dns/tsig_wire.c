/*
 * TSIG's record on the wire (RFC 8945, 4.2). See <kiln/dns_tsig.h>.
 */
#include <kiln/dns_tsig.h>
#include "dns_private.h"
#include "tsig_private.h"

/* What stands in the record's data. The algorithm's name may be compressed as little as any
 * other's (RFC 3597, 4), but is taken if it is. */
static bool read_data(const struct dns_record *record, struct dns_tsig *tsig)
{
	struct cursor c = cursor_of(record->message);

	cursor_skip(&c, record->message.len - record->data.len);
	if (!dns_name_read(record->message, &c, &tsig->algorithm))
		return false;
	tsig->time = (uint64_t)cursor_u16(&c) << 32;
	tsig->time |= cursor_u32(&c);
	tsig->fudge = cursor_u16(&c);
	tsig->mac = cursor_bytes(&c, cursor_u16(&c));
	tsig->id = cursor_u16(&c);
	tsig->error = cursor_u16(&c);
	tsig->other = cursor_bytes(&c, cursor_u16(&c));
	if (c.failed || cursor_left(&c))
		return false;
	tsig->key = record->name;
	dns_name_lower(&tsig->key);
	dns_name_lower(&tsig->algorithm);
	return record->class == DNS_CLASS_ANY && record->ttl == 0;
}

bool dns_tsig_read(struct slice message, struct dns_tsig *tsig)
{
	struct dns_question question;
	struct dns_record record = {.message = message};
	struct dns_reader r;

	tsig->at = message.len;
	if (!dns_read(&r, message))
		return false;
	while (dns_read_question(&r, &question))
		continue;
	for (;;) {
		size_t at = r.cursor.at;

		if (!dns_read_record(&r, &record))
			return !r.failed;
		if (record.type != DNS_TSIG)
			continue;
		if (record.section != DNS_ADDITIONALS || r.left[DNS_ADDITIONALS] ||
		    cursor_left(&r.cursor) || !read_data(&record, tsig))
			return false;
		tsig->at = at;
		return true;
	}
}

void tsig_write_time(struct writer *w, uint64_t time)
{
	writer_u16(w, (uint16_t)(time >> 32));
	writer_u32(w, (uint32_t)time);
}

void tsig_write(struct writer *w, const struct dns_tsig *tsig)
{
	enum { FIXED = 16 }; /* of the data, but for what has a length of its own */

	writer_bytes(w, dns_name_slice(&tsig->key));
	writer_u16(w, DNS_TSIG);
	writer_u16(w, DNS_CLASS_ANY);
	writer_u32(w, 0);
	writer_u16(w, (uint16_t)(FIXED + tsig->algorithm.size + tsig->mac.len +
	                         tsig->other.len));
	writer_bytes(w, dns_name_slice(&tsig->algorithm));
	tsig_write_time(w, tsig->time);
	writer_u16(w, tsig->fudge);
	writer_u16(w, (uint16_t)tsig->mac.len);
	writer_bytes(w, tsig->mac);
	writer_u16(w, tsig->id);
	writer_u16(w, tsig->error);
	writer_u16(w, (uint16_t)tsig->other.len);
	writer_bytes(w, tsig->other);
}
